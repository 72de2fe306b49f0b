/* groups.h - which servers of a history can stand in for each other: the groups of the budget, as
 * the coordinator is told them and as the oracles count them.
 */
#ifndef FARMHAND_TESTS_SIM_GROUPS_H
#define FARMHAND_TESTS_SIM_GROUPS_H

#include "coordinator/core/budget.h"
#include "coordinator/core/selector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUPS_MAX 4

struct group {
    char name[16];
    uint32_t members; /* a bit for each server */
    uint32_t max_out, min_in_service;
};

struct groups {
    struct group all[GROUPS_MAX]; /* a server may be in several */
    size_t count;
    /* the same for the coordinator; zones are told by labels */
    struct budget_rule rest, rules[GROUPS_MAX];
    size_t rule_count;
    bool zoned; /* servers have a label, whether zones have budgets of their own or not */
};

/* From the seed: mostly one group of all, in some of them of two zones; zones of their own; the
 * whole backend on top of zones.
 * plain: one group in any case. */
void groups_begin(struct groups *g, uint64_t seed, size_t servers, bool plain);
const struct selector_label *groups_label(const struct groups *g, size_t server); /* one, or NULL */
bool group_has(const struct group *g, size_t server);

#endif
