/* visitors.h - what visitors lose, and whether remediation spares them that. */
#ifndef FARMHAND_TESTS_SIM_VISITORS_H
#define FARMHAND_TESTS_SIM_VISITORS_H

#include "tests/sim/world.h"

/* With remediation they lose less by this factor at least (80: eight times), over many hours... */
#define VISITORS_FACTOR_TENTHS 80
/* ...and no single hour is worse by more than that: 1000 is a tenth of a second of everybody. */
#define VISITORS_WORSE_MAX (200 * 1000)

void visitors_begin(struct world *w);

/* Plays each seed twice and prints what was lost; 0: as promised. `of` says what a seed stands for.
 */
int visitors_compare(const struct world_options *options, uint64_t first, uint64_t last,
                     void (*of)(const void *arg, uint64_t seed, struct world_options *out),
                     const void *arg);

#endif
