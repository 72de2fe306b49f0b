/* visitors.c - see visitors.h. */
#include "tests/sim/visitors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAMPLE_MS 100

/* Spread evenly over what the balancer holds for ready and up; and half of the farm has to serve,
 * or those that do are too few for all. */
static uint64_t lost_now(struct world *w)
{
    uint64_t in_rotation = 0, serving = 0, needed = (w->servers + 1) / 2;
    for (size_t i = 0; i < w->servers; i++) {
        const struct lb_line *line = &w->lb.lines[i];
        if (!lb_is_serving(line))
            continue;
        in_rotation++;
        serving += iis_serves(&w->iis[i], w->now_ms);
    }
    uint64_t unlucky = in_rotation ? 1000 * (in_rotation - serving) / in_rotation : 1000;
    uint64_t crowded = serving < needed ? 1000 * (needed - serving) / needed : 0;
    return unlucky > crowded ? unlucky : crowded;
}

static void sample(struct world *w, const struct due *d)
{
    (void)d;
    w->lost_permille += lost_now(w);
    w->samples++;
    world_at(w, w->now_ms + SAMPLE_MS, sample, 0, 0, NULL, 0);
}

void visitors_begin(struct world *w)
{
    world_at(w, w->now_ms + SAMPLE_MS, sample, 0, 0, NULL, 0);
}

/* Of one seed, with rules that only look and with rules in auto. */
static bool play_twice(const struct world_options *options, uint64_t lost[2])
{
    for (int acts = 0; acts < 2; acts++) {
        struct world_options o = *options;
        struct world_result result;
        o.remedy = o.hour = o.nobody_meddles = true;
        o.faults = FAULT_IIS;
        o.remedy_looks = !acts;
        world_play(&o, &result);
        if (!result.ok) {
            printf("seed %" PRIu64 ": %s\n", o.seed, result.violation);
            return false;
        }
        /* Histories end at different times: what came after the faults is the same, calm. */
        lost[acts] = result.lost_permille;
    }
    return true;
}

int visitors_compare(const struct world_options *options, uint64_t first, uint64_t last,
                     void (*of)(const void *arg, uint64_t seed, struct world_options *out),
                     const void *arg)
{
    uint64_t sum[2] = {0}, worst = 0, worst_seed = 0, better = 0, worse = 0;
    (void)options;
    for (uint64_t seed = first; seed <= last; seed++) {
        struct world_options o;
        uint64_t lost[2];
        of(arg, seed, &o);
        if (!play_twice(&o, lost))
            return 1;
        sum[0] += lost[0];
        sum[1] += lost[1];
        better += lost[1] < lost[0];
        worse += lost[1] > lost[0];
        if (lost[1] > lost[0] && lost[1] - lost[0] > worst) {
            worst = lost[1] - lost[0];
            worst_seed = seed;
        }
    }
    /* A sample is a tenth of a second, and 1000 of it are all visitors. */
    printf(
        "visitors lost %.1f s of service without remediation, %.1f s with it: a factor of %.2f\n",
        (double)sum[0] / 10000, (double)sum[1] / 10000,
        sum[1] ? (double)sum[0] / (double)sum[1] : 0);
    printf("%" PRIu64 " histories were better with it, %" PRIu64
           " worse; the worst by %.1f s (seed %" PRIu64 ")\n",
           better, worse, (double)worst / 10000, worst_seed);
    bool many = last > first; /* an hour in which little broke has no factor */
    bool kept =
        worst <= VISITORS_WORSE_MAX && (!many || sum[1] * VISITORS_FACTOR_TENTHS <= sum[0] * 10);
    if (!kept)
        printf("that is not what was promised\n");
    return !kept;
}
