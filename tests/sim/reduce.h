/* reduce.h - a history that fails, made small: fewer servers, fewer runs, only those faults without
 * which it would not fail. What is left is told as a command line, fit for a line of `scenarios`.
 */
#ifndef FARMHAND_TESTS_SIM_REDUCE_H
#define FARMHAND_TESTS_SIM_REDUCE_H

#include "tests/sim/world.h"

/* false: it does not fail. Otherwise *o is the small one and `text` (size bytes) what it violates:
 * the same as at the beginning, but for numbers. */
bool reduce(struct world_options *o, char *text, size_t size);
/* The arguments of sim for what is neither seed, servers nor faults, each after a space. */
void reduce_other_arguments(const struct world_options *o, char *out, size_t size);
/* The arguments of sim that play exactly this. Returns out. */
const char *reduce_command_line(const struct world_options *o, char *out, size_t size);

#endif
