/* haproxy.h - one exchange with HAProxy's runtime API: set a server's state, read a backend.
 *
 * Knows the words of HAProxy 2.x and nothing of farms, pools or who may be out. Each call is a
 * connection of its own, so a balancer that was restarted or reloaded needs no special care.
 * An answer that is not exactly what the manual promises is an error; nothing is guessed.
 *
 * Source: HAProxy management guide, section 9.3 "Unix Socket commands" ("set server", "show servers
 * state", "show stat", "show info") and src/server-state.c; texts of refusals as HAProxy 2.6.12
 * prints them. Calls block, at most timeout_ms (plus the resolver's time where an address is a host
 * name).
 */
#ifndef FARMHAND_COORDINATOR_HAPROXY_H
#define FARMHAND_COORDINATOR_HAPROXY_H

#include "common/error.h"
#include "common/text.h"
#include "coordinator/balancer/balancer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HAPROXY_NAME_MAX   128               /* server lines of others may be longer than ours */
#define HAPROXY_ANSWER_MAX (8 * 1024 * 1024) /* bytes; 1,000 servers take about 500 KiB */

struct haproxy {
    const char *name;    /* for error texts */
    const char *address; /* "/run/haproxy/admin.sock", "127.0.0.1:9999", "[::1]:9999" */
    uint64_t timeout_ms; /* for one exchange, must be > 0 */
    int cancel_fd;       /* readable: give up at once with ERR_UNAVAILABLE; -1: none */
};

/* One server line of a backend. */
struct haproxy_server {
    char name[HAPROXY_NAME_MAX];
    enum balancer_admin admin;
    bool up;           /* takes connections as far as checks know; false while in maintenance */
    bool backup;       /* only used when no other server is left */
    uint32_t weight;   /* as a person set it; 0: gets nothing new */
    uint32_t sessions; /* current, and those queued for this very server */
    uint64_t life;     /* of the HAProxy that says so: its process and when it started */
};

/* "set server BACKEND/SERVER state drain|ready|maint". ERR_NOT_FOUND: no such backend or server;
 * ERR_DENIED: the socket is not of level admin; ERR_TIMEOUT: whether it was set is not known. */
enum error_code haproxy_set(const struct haproxy *h, const char *backend, const char *server,
                            enum balancer_admin state, struct error *err);

/* All servers of a backend, read in one exchange; *out is for the caller to free(). */
enum error_code haproxy_read(const struct haproxy *h, const char *backend,
                             struct haproxy_server **out, size_t *count, struct error *err);

/* Sends one line and takes the answer to its end. A command may hold several, with ';' between.
 * ERR_CORRUPT when the end is not the empty line that closes every answer (it was cut). */
enum error_code haproxy_exchange(const struct haproxy *h, const char *command, struct text *answer,
                                 struct error *err);

/* Pure: the answer to "show servers state B;show stat B 4 -1;show info". As haproxy_read. */
enum error_code haproxy_parse(const char *answer, const char *backend, struct haproxy_server **out,
                              size_t *count, struct error *err);

/* Letters, digits and -_.: only, as HAProxy itself demands: nothing else ever gets into a command
 * line (a ';' would be a second command). Empty and over-long names are not valid. */
bool haproxy_name_valid(const char *name);

/* Is this an address of one of the shapes above? The text says what was expected. */
enum error_code haproxy_address_check(const char *address, struct error *err);

const char *haproxy_state_word(enum balancer_admin state); /* "ready", "drain", "maint" */

#endif
