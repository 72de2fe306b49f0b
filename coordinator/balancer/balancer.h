/* balancer.h - how servers are taken out of rotation and put back.
 *
 * One balancer thread does the talking, so the brain never waits for a socket: balancer_ask copies
 * the request; the answer comes through the callback, on that thread, to be posted. Knows which
 * pools of which servers stand behind which backends (a map from the configuration), reads the
 * state afresh for every answer unless an older one will do, and never decides. What a balancer is,
 * is a table chosen by name (balancer_kind.h): HAProxy's runtime API, or the operator's own
 * command. One backend may stand on several of them: each gives a place of its own, and all must
 * agree before a run begins.
 *
 * Terms (HAProxy management guide, section 9.3): admin state ready | drain | maint is what people
 * and we set; operational state up | down is what the balancer's own checks say.
 */
#ifndef FARMHAND_COORDINATOR_BALANCER_H
#define FARMHAND_COORDINATOR_BALANCER_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BALANCER_NAME_MAX    64 /* backend and server names, NUL included */
#define BALANCER_ENTRIES_MAX 32 /* places where one server's pool stands */

enum balancer_admin { BALANCER_READY, BALANCER_DRAIN, BALANCER_MAINT };

/* One place in rotation: a server line of a backend of one balancer. */
struct balancer_entry {
    char balancer[BALANCER_NAME_MAX]; /* the [haproxy NAME] or [command NAME] */
    char backend[BALANCER_NAME_MAX];
    char name[BALANCER_NAME_MAX];
    enum balancer_admin admin;
    bool up;                 /* the balancer's own check (no check: counts as up) */
    uint32_t sessions;       /* current sessions on this server line */
    uint32_t others_serving; /* other servers of this backend that are ready and up */
    uint32_t check_left_ms;  /* so long the balancer's check may still believe what was before */
    uint64_t life; /* which life of the balancer this is: another one after a restart or reload.
                      0: it does not tell, or has none to lose */
};

enum balancer_op {
    BALANCER_OP_READ,  /* all places of (server, pool); empty: not behind a balancer */
    BALANCER_OP_DRAIN, /* set the given places to drain, stopping at the first failure, then read */
    BALANCER_OP_READY, /* set the given places to ready, all that can be, then read */
};

struct balancer_request {
    uint64_t ticket; /* comes back in the answer */
    enum balancer_op op;
    uint32_t may_be_ms; /* READ: a reading so old will do; 0: afresh, as for every decision */
    char server[256];
    char pool[256];                                     /* "": every place of the server */
    struct balancer_entry places[BALANCER_ENTRIES_MAX]; /* DRAIN, READY: which (names only);
                                                           READ: these alone, if there are any */
    size_t place_count;
};

struct balancer_answer {
    uint64_t ticket;
    enum balancer_op op;
    enum error_code code; /* ERR_NONE: entries are valid and were read after the request came, but
                             for READ with may_be_ms */
    uint32_t age_ms;      /* of the oldest reading that this answer was taken from; 0: afresh */
    char text[ERROR_TEXT_MAX]; /* what failed, and what to do */
    struct balancer_entry entries[BALANCER_ENTRIES_MAX];
    size_t entry_count;
};

struct balancer; /* the thread and its connections */

/* The map, as configured. All strings are copied by balancer_open. */
struct balancer_backend {
    const char *balancer; /* name of the balancer it is on */
    const char *backend;
    const char *pool_glob;      /* pools served by it, "*": all */
    const char *name_of;        /* "{server}" or "web-{server}": the server line for a server */
    const char *const *renamed; /* "web01:srv1" pairs that override name_of; the first that fits
                                   counts. Left of the colon a glob, right of it a name as in
                                   name_of, or "-": does not stand there. NULL-terminated */
};
struct balancer_place {
    const char *kind; /* "haproxy", "command", "keepalive" */
    const char *name;
    const char *address;     /* haproxy: "/run/haproxy/admin.sock" or "127.0.0.1:9999" */
    uint64_t timeout_ms;     /* for one exchange, one run of the command */
    const char *const *argv; /* command: a program's path and its arguments, NULL-terminated */
    uint64_t check_ms;       /* keepalive: its check has seen a change after so long */
};

enum error_code balancer_open(const struct balancer_place *places, size_t place_count,
                              const struct balancer_backend *backends, size_t backend_count,
                              void (*answer)(void *arg, const struct balancer_answer *answer),
                              void *arg, struct balancer **out, struct error *err);
/* Breaks off the exchange at hand (ERR_UNAVAILABLE); what waits is dropped without an answer, and
 * nothing is answered any more once this returns. NULL is fine. */
void balancer_close(struct balancer *b);

/* Never blocks; false: the queue is full (the caller asks again later). */
bool balancer_ask(struct balancer *b, const struct balancer_request *request);

/* Pure: would this pool of this server stand behind any backend of the map? (for plans) */
size_t balancer_map(const struct balancer_backend *backends, size_t backend_count,
                    const char *server, const char *pool, struct balancer_entry *out, size_t max);

/* Pure: the same server line of the same backend, on whichever balancer? What several balancers in
 * front of one farm have to agree about. */
static inline bool balancer_same_line(const struct balancer_entry *a,
                                      const struct balancer_entry *b)
{
    return strcmp(a->backend, b->backend) == 0 && strcmp(a->name, b->name) == 0;
}

/* Pure: the same server line of the same backend of the same balancer? */
static inline bool balancer_same_place(const struct balancer_entry *a,
                                       const struct balancer_entry *b)
{
    return strcmp(a->balancer, b->balancer) == 0 && strcmp(a->backend, b->backend) == 0 &&
           strcmp(a->name, b->name) == 0;
}

/* Pure: that place among `count` of them; NULL: it is none of them. */
static inline const struct balancer_entry *balancer_find_place(const struct balancer_entry *list,
                                                               size_t count,
                                                               const struct balancer_entry *place)
{
    for (size_t i = 0; i < count; i++) {
        if (balancer_same_place(&list[i], place)) {
            return &list[i];
        }
    }
    return NULL;
}

/* Pure: did it lose our drain with its life? A place that is ready in the life in which we drained
 * it was set so by somebody. */
static inline bool balancer_forgot(const struct balancer_entry *drained,
                                   const struct balancer_entry *now)
{
    return now->admin == BALANCER_READY && drained->life != 0 && now->life != 0 &&
           drained->life != now->life;
}

#endif
