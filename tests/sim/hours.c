/* hours.c - see hours.h. */
#include "tests/sim/hours.h"

#include "common/text.h"

#include <stdio.h>
#include <string.h>

#define DAY_MINUTES 1440

void hours_begin(struct hours *h, uint64_t seed, int64_t wall_ms, bool plain)
{
    struct rng rng = rng_of(seed, 8);
    uint64_t kind = rng_between(&rng, 0, 9);
    size_t count = plain || kind < 7 ? 0 : kind < 9 ? 1 : 2;
    *h = (struct hours){.windows = {.blackouts = h->blackouts, .blackout_count = count}};
    for (size_t i = 0; i < count; i++) {
        int64_t from_ms = wall_ms + (int64_t)rng_between(&rng, 6000, 90000);
        h->blackouts[i] = (struct windows_blackout){
            .name = "audit",
            .reason = "simulated",
            .from_ms = from_ms,
            .until_ms = from_ms + (int64_t)rng_between(&rng, 1000, 40000)};
    }
}

static int minute_of(int64_t wall_ms)
{
    int64_t minutes = wall_ms / 60000;
    return (int)(minutes % DAY_MINUTES);
}

void hours_of_run(struct rng *rng, int64_t wall_ms, char *out, size_t size)
{
    int64_t from = wall_ms / 60000 + (int64_t)rng_between(rng, 0, 1);
    int open = (int)rng_between(rng, 1, 2);
    int closed = (int)rng_between(rng, 1, 2);
    hours_of_minutes(out, size, from, open, closed);
}

void hours_of_minutes(char *out, size_t size, int64_t minute, int open, int closed)
{
    int from = (int)(minute % DAY_MINUTES), to = from + open, again = to + closed;
    int end = again + 300;
    text_format(out, size, "%02d:%02d-%02d:%02d, %02d:%02d-%02d:%02d", from / 60 % 24, from % 60,
                to / 60 % 24, to % 60, again / 60 % 24, again % 60, end / 60 % 24, end % 60);
}

static bool is_within(const char *span, int now)
{
    int h1, m1, h2, m2;
    if (sscanf(span, " %d:%d-%d:%d", &h1, &m1, &h2, &m2) != 4)
        return false;
    int from = 60 * h1 + m1, to = 60 * h2 + m2;
    return from < to ? now >= from && now < to : now >= from || now < to;
}

bool hours_closed(const struct hours *h, const char *own, int64_t wall_ms)
{
    for (size_t i = 0; i < h->windows.blackout_count; i++)
        if (wall_ms >= h->blackouts[i].from_ms && wall_ms < h->blackouts[i].until_ms)
            return true;
    if (!own[0])
        return false;
    const char *second = strchr(own, ',');
    return !is_within(own, minute_of(wall_ms)) &&
           !(second && is_within(second + 1, minute_of(wall_ms)));
}
