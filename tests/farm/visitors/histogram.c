/* histogram.c - see histogram.h. Values below 32 have a bucket each; above, the five bits after
 * the highest one choose among the 32 buckets of that doubling. */
#include "tests/farm/visitors/histogram.h"

#define STEPS     32u
#define STEP_BITS 5

static size_t bucket_of(uint64_t us)
{
    if (us < STEPS)
        return (size_t)us;
    unsigned top = 63u - (unsigned)__builtin_clzll(us);
    size_t bucket =
        (size_t)(top - STEP_BITS + 1) * STEPS + ((us >> (top - STEP_BITS)) & (STEPS - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket / STEPS) - 1;
    uint64_t base = STEPS + bucket % STEPS;
    return ((base + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
    h->counts[bucket_of(us)]++;
    h->total++;
    if (us > h->max_us)
        h->max_us = us;
}

uint64_t histogram_permille(const struct histogram *h, unsigned permille)
{
    uint64_t wanted = (h->total * permille + 999) / 1000;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && h->total > 0; i++) {
        seen += h->counts[i];
        if (seen >= wanted && seen > 0)
            return bucket_end(i) < h->max_us ? bucket_end(i) : h->max_us;
    }
    return h->max_us;
}
