/* windows.h - when runs may do something: windows by name, blackouts, and a run's own hours. Pure.
 *
 * Something may be done when the window that holds for all runs is open, the run's own too, and no
 * blackout is on. Actions that only give back are not asked. Where zones come from is the caller's.
 */
#ifndef FARMHAND_COORDINATOR_WINDOWS_H
#define FARMHAND_COORDINATOR_WINDOWS_H

#include "coordinator/core/window.h"

struct windows_named {
    const char *name;
    const char *text; /* as window_parse takes it */
};

struct windows_blackout {
    const char *name, *reason;
    int64_t from_ms, until_ms; /* wall time */
};

/* All lent. */
struct windows {
    const struct windows_named *named;
    size_t named_count;
    const struct windows_blackout *blackouts;
    size_t blackout_count;
    const char *always; /* text of the window of every run; NULL: none */
    const char *zone;   /* of windows that name none; NULL: UTC */
    /* NULL: there is no such zone. "UTC" is never asked for. */
    const struct zone *(*find_zone)(void *ctx, const char *name);
    void *ctx;
};

/* A name from the configuration, or hours as they are ("22:00-05:00"), become the text that a run
 * keeps: whole, with its zone. ERR_INVALID. w NULL: no configuration, UTC. */
enum error_code windows_resolve(const struct windows *w, const char *given,
                                char out[WINDOW_TEXT_MAX], struct error *err);

/* Is that text closed, or anything that holds for all runs? `why` says what, and when it opens:
 * "outside the window Mon-Fri 22:00-05:00 @Europe/Berlin: it opens Mon 2026-11-30 22:00". own "":
 * the run has none. A zone that cannot be found any more keeps it closed. */
bool windows_closed(const struct windows *w, const char *own, int64_t wall_ms, char *why,
                    size_t why_size);

#endif
