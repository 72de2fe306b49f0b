/* hours.h - when runs of a history may take something away: hours of theirs, and blackouts that
 * hold for all, as the coordinator is told them and as the oracles count them. UTC alone.
 */
#ifndef FARMHAND_TESTS_SIM_HOURS_H
#define FARMHAND_TESTS_SIM_HOURS_H

#include "coordinator/core/windows.h"
#include "tests/sim/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLACKOUTS_MAX 2

struct hours {
    struct windows_blackout blackouts[BLACKOUTS_MAX];
    struct windows windows; /* the same, for the coordinator; points into this struct */
};

/* From the seed. plain: there are none. */
void hours_begin(struct hours *h, uint64_t seed, int64_t wall_ms, bool plain);
/* Hours for a run that is asked for now, "22:15-22:17, 22:19-03:00": they may be closed at first,
 * or close soon, and in the end they are open for long. */
void hours_of_run(struct rng *rng, int64_t wall_ms, char *out, size_t size);
/* The same from that minute (since 1970) on: so many minutes open, so many closed, then open. */
void hours_of_minutes(char *out, size_t size, int64_t minute, int open, int closed);
/* Reads such hours by itself. "": any. */
bool hours_closed(const struct hours *h, const char *own, int64_t wall_ms);

#endif
