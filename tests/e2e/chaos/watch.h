/* watch.h - looks at the balancer ten times a second, all the time, and remembers what it saw.
 *
 * Also the diary of a test: logs/chaos.log of the farm, one line per event, with its time.
 */
#ifndef E2E_CHAOS_WATCH_H
#define E2E_CHAOS_WATCH_H

#include "tests/farm/farm/farm.h"

#include <stdbool.h>
#include <stdint.h>

struct watch;

/* f is lent until watch_close. */
struct watch *watch_open(const struct farm *f);
void watch_close(struct watch *w); /* NULL is fine */

struct watch_seen {
    unsigned samples; /* the balancer answered */
    unsigned both;    /* of these: more than one server was drained */
    unsigned both_ms; /* the longest of them, in one piece */
    unsigned now;     /* servers drained now, bit i for server i */
    unsigned down;    /* servers drained, down or on their way, in any backend, now */
    bool answered;    /* the last question was answered: `now` and `down` hold */
};
struct watch_seen watch_look(struct watch *w);

/* A line of the diary. */
void watch_note(struct watch *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
