/* centre_impl.h - shared by centre.c (a coordinator's shell) and centre_ask.c (what operators ask).
 */
#ifndef FARMHAND_TESTS_SIM_CENTRE_IMPL_H
#define FARMHAND_TESTS_SIM_CENTRE_IMPL_H

#include "coordinator/brain/coordinator.h"
#include "tests/sim/world.h"

#define TICKETS_KEPT 32
#define REMEDIES_MAX 8

struct centre {
    struct remedy_rule rules[REMEDIES_MAX];
    struct world *world;
    int index;
    char disk[16], path[48];
    struct store *store;
    struct coordinator *brain; /* NULL: not running */
    struct fence fence;
    uint64_t life, timer;
    uint64_t asleep_until_ms;
    uint64_t stopped_ms; /* so long its clock stood still */
    int64_t wall_ms;
    bool dying;
    uint64_t crashes;
    uint64_t run_tickets[TICKETS_KEPT]; /* of the last questions that runs asked the balancer */
    size_t ticket_count;
};

uint64_t centre_clock(const struct centre *c); /* milliseconds, as its machine counts them */
struct rollout_options centre_defaults(void);
int centre_server(const struct world *w, const char *name); /* -1: none */
/* After each call of the brain. */
void centre_after(struct centre *c);

#endif
