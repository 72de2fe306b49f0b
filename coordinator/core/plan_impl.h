/* plan_impl.h - shared by the plan_*.c files alone.
 *
 * plan.c        words and selection, what would happen to each target
 * plan_order.c  in which order and in which waves; how many at once
 * plan_say.c    gates, warnings and rules in sentences
 */
#ifndef FARMHAND_COORDINATOR_PLAN_IMPL_H
#define FARMHAND_COORDINATOR_PLAN_IMPL_H

#include "coordinator/core/plan.h"

/* One target to be. */
struct choice {
    const struct fleet_server *server;
    const char *pool;
    const char *zone; /* of --order; filled in by order_choices */
    bool last;
};

/* Waves, canary, bake and order, by themselves. */
enum error_code order_check(const struct plan_request *q, struct error *err);

/* By the label of --order, then by name, then by pool; the coordinator's own server last.
 * ERR_INVALID: one has no such label. */
enum error_code order_choices(const struct plan_request *q, struct choice *choices, size_t count,
                              struct error *err);

/* "a" of zone=a; "": none. */
const char *order_zone(const struct fleet_server *s, const char *label);

/* Batch and waves of a run whose targets stand: percentages become numbers. own_is_out: of the
 * coordinator's own server, which then spends the budget: the others would wait for it. */
void order_waves(const struct plan_request *q, struct rollout *run, bool own_is_out);

/* A canary or waves that hold nothing back, since they are as wide as the run. No refusal: what is
 * asked for is done, and a script over a farm that shrinks goes on. */
void order_warn(const struct rollout *run, void (*each)(void *arg, const char *sentence),
                void *arg);

#endif
