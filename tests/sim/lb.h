/* lb.h - the balancer, and who set what: one backend "shop" with a line per server, where all its
 * pools stand; or (world_options.apart) a backend for each of the two pools, "shop" and "api". A
 * line has the number of the pool that stands there (world_unit_at), of the first one if all do.
 */
#ifndef FARMHAND_TESTS_SIM_LB_H
#define FARMHAND_TESTS_SIM_LB_H

#include "coordinator/balancer/balancer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_LINES 34

struct lb_line {
    enum balancer_admin admin;
    bool ours;       /* drained by us when it was ready, and not put back since */
    bool claimed;    /* the same, whatever others did to it since: from outside it cannot be told */
    bool foreign;    /* drained by somebody else */
    bool unanswered; /* we told it something, and got no answer */
    bool forgotten;  /* was ours when it was reloaded: draining it again begins nothing new */
    bool up;
    uint32_t sessions;
    uint64_t drained_ms;
    uint64_t changed_ms; /* when admin last changed */
};

struct lb {
    struct lb_line lines[LB_LINES];
    uint64_t busy_until_ms[2]; /* requests of one coordinator are carried out in order */
    uint64_t down_until_ms;
    uint64_t reloads;
};

struct world;
void lb_begin(struct world *w);
/* A coordinator asks; carried out and answered later. */
void lb_ask(struct world *w, int centre, uint64_t life, const struct balancer_request *request);
/* Where that pool of a server stands; "": all of it. */
size_t lb_map(const struct world *w, const char *server, const char *pool,
              struct balancer_entry *out, size_t max);
size_t lb_backends(const struct world *w); /* lines of each server: 1 or 2 */
int lb_line_of(const struct world *w, int unit);
bool lb_is_serving(const struct lb_line *line);
/* -1: there is none like that. */
int lb_line_named(const struct world *w, const struct balancer_entry *entry);
/* Is every line of the server ready? */
bool lb_all_ready(const struct world *w, int server);

/* What others do. */
void lb_reload(struct world *w);
void lb_foreign(struct world *w, int line, enum balancer_admin admin);

#endif
