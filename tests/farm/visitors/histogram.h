/* histogram.h - how long things took: counts in buckets that grow with the value.
 *
 * 32 buckets per doubling, so a percentile is told at most 3 % too high; the maximum is exact.
 * Values are microseconds. Pure, no allocation; start with {0}.
 */
#ifndef FARM_VISITORS_HISTOGRAM_H
#define FARM_VISITORS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 1024 /* up to 2^36 us, 19 hours; what is longer counts there */

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t max_us;
};

void histogram_add(struct histogram *h, uint64_t us);

/* The smallest bucket's upper end that at least `permille` of all values do not exceed, never
 * above the maximum; 0 while nothing was added. */
uint64_t histogram_permille(const struct histogram *h, unsigned permille);

#endif
