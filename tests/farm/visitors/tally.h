/* tally.h - what the visitors saw: counts, times, and every failure by kind and second.
 *
 * One tally per phase. Everything is counted in the phase and the second in which the request was
 * due, so that a request which was lost late is blamed on the moment it belongs to. No I/O and no
 * clock here: times come with the calls. Memory grows by one small record per second with traffic.
 */
#ifndef FARM_VISITORS_TALLY_H
#define FARM_VISITORS_TALLY_H

#include "tests/farm/visitors/histogram.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum failure {
    FAILURE_NONE,
    FAILURE_REFUSED, /* nobody listened */
    FAILURE_RESET,   /* the connection ended before the answer was whole */
    FAILURE_STATUS,  /* 5xx */
    FAILURE_TIMEOUT, /* no whole answer in time, counted from when it was sent */
    FAILURE_BROKEN,  /* the answer was not HTTP */
    FAILURE_OWN,     /* the visitor could not even try: descriptors, ports */
    FAILURE_KINDS
};
const char *failure_name(enum failure kind);

/* A visitor that starts this much later than due was held up by its own machine. */
#define TALLY_LATE_US 50000

/* One visit, told when it is over. All times in microseconds on one clock that never goes back. */
struct visit {
    uint64_t number;
    const char *path;
    bool post, kept; /* kept: on a connection that had been used before, or may be again */
    uint64_t due_us, sent_us, over_us;
    enum failure failure;
    int status;         /* 0: none came */
    const char *server; /* "" if unknown */
    int error;          /* errno of a FAILURE_RESET, REFUSED, OWN; or 0 */
};

struct tally;

/* wall_ms is the Unix time at start_us, so that seconds can be shown as dates. */
struct tally *tally_new(const char *name, uint64_t start_us, int64_t wall_ms);
void tally_free(struct tally *t);

void tally_sent(struct tally *t, bool post, bool kept, uint64_t due_us, uint64_t sent_us);
void tally_over(struct tally *t, const struct visit *visit);
/* No more will be due here; `now_us` ends its duration. */
void tally_close(struct tally *t, uint64_t now_us);
uint64_t tally_pending(const struct tally *t);
json_t *tally_json(const struct tally *t, uint64_t now_us); /* the caller's */

#endif
