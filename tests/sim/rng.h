/* rng.h - chance from a seed: the same seed, the same history. */
#ifndef FARMHAND_TESTS_SIM_RNG_H
#define FARMHAND_TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

/* Streams of one seed are independent, so that a choice more in one part of the world does not
 * move those of another. */
static inline struct rng rng_of(uint64_t seed, uint64_t stream)
{
    return (struct rng){seed * UINT64_C(0x9E3779B97F4A7C15) +
                        stream * UINT64_C(0xD1B54A32D192ED03)};
}

static inline uint64_t rng_next(struct rng *r) /* splitmix64 */
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* min..max, both included. */
static inline uint64_t rng_between(struct rng *r, uint64_t min, uint64_t max)
{
    return min + rng_next(r) % (max - min + 1);
}

static inline bool rng_chance(struct rng *r, uint32_t permille)
{
    return rng_next(r) % 1000 < permille;
}

#endif
