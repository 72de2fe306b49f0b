/* balancer_kind.h - what a balancer has to be able to do, as a table chosen by its section's word.
 *
 * Inside of balancer only. A kind talks about one place or one backend at a time, blocks at most
 * the place's timeout_ms, decides nothing and remembers nothing: every answer is read afresh. What
 * it cannot read exactly is an error, never a guess. Codes that the rules decide by: ERR_NOT_FOUND
 * the balancer has no such backend or server ERR_UNREACHABLE  it is not there (any more); for set:
 * nothing is known to be done ERR_TIMEOUT      no whole answer in time; for set: whether it was
 * done is not known ERR_DENIED       not allowed to us ERR_CORRUPT      what came is not an answer
 *   ERR_UNAVAILABLE  broken off, since cancel_fd became readable
 * Texts begin with "balancer NAME".
 */
#ifndef FARMHAND_COORDINATOR_BALANCER_KIND_H
#define FARMHAND_COORDINATOR_BALANCER_KIND_H

#include "common/error.h"
#include "coordinator/balancer/balancer.h"

struct balancer_kind {
    const char *name; /* as in struct balancer_place, and the word of its section */
    /* Is the place usable as configured? Without asking it. */
    enum error_code (*check)(const struct balancer_place *place, struct error *err);
    /* Reading is one of two; the other is NULL. `read` fills admin, up, sessions and others_serving
     * of the entry, and its life where the balancer has one; the entry is as it was on failure. */
    enum error_code (*read)(const struct balancer_place *place, int cancel_fd,
                            struct balancer_entry *entry, struct error *err);
    /* The same for all servers of the entry's backend in one exchange, in the order of their names
     * (strcmp); *out is for the caller to free(). */
    enum error_code (*read_all)(const struct balancer_place *place, int cancel_fd,
                                const struct balancer_entry *entry, struct balancer_entry **out,
                                size_t *count, struct error *err);
    /* Sets it, to ready or drain; setting what is set already is fine. Whether it took effect is
     * for a read to tell. */
    enum error_code (*set)(const struct balancer_place *place, int cancel_fd,
                           const struct balancer_entry *entry, enum balancer_admin to,
                           struct error *err);
};

extern const struct balancer_kind balancer_haproxy; /* balancer_haproxy.c */
extern const struct balancer_kind balancer_command; /* balancer_command.c */
/* Its places are asked of the agents, by the brain (coordinator_rotation.c); here for the map. */
extern const struct balancer_kind balancer_keepalive; /* balancer.c */

const struct balancer_kind *balancer_kind_find(const char *name); /* NULL: there is none */

#endif
