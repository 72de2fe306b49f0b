/* window.h - when something may be done: hours of the week in some place's local time. Pure.
 *
 *   window := part ("," part)* ["@" ZONE]     part := DAYS | [DAYS] HH:MM-HH:MM     DAYS := Sat |
 * Mon-Fri
 *
 * "Mon-Fri 22:00-05:00, Sat,Sun 00:00-24:00 @Europe/Berlin". Days gather until hours come; hours
 * without days of their own are of the days before, or of every day. Hours that end at or before
 * their begin go on past midnight, and belong to the day on which they begin. A window is open
 * whenever a clock on the wall there shows a time in one of its spans: where clocks go back, an
 * hour counts twice; where they skip one, it does not come.
 */
#ifndef FARMHAND_COORDINATOR_WINDOW_H
#define FARMHAND_COORDINATOR_WINDOW_H

#include "common/error.h"
#include "coordinator/core/zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_TEXT_MAX  256
#define WINDOW_SPANS_MAX 16
#define WINDOW_ZONE_MAX  64

struct window_span {
    uint8_t days;      /* bit 0: Sunday */
    uint16_t from, to; /* minutes after midnight; to <= from: of the next day */
};

struct window {
    struct window_span spans[WINDOW_SPANS_MAX];
    size_t span_count;
    char zone[WINDOW_ZONE_MAX]; /* "": none was given */
};

/* ERR_INVALID says which part is not understood. */
enum error_code window_parse(const char *text, struct window *out, struct error *err);

bool window_is_open(const struct window *w, const struct zone *zone, int64_t wall_ms);

/* The next moment, at most 8 days on, at which it is open if it is closed now (or the other way
 * round), to the minute; 0: it stays as it is. */
int64_t window_next_ms(const struct window *w, const struct zone *zone, int64_t wall_ms);

/* "2026-12-24 18:00" of local time; false: not such a time. */
bool window_parse_moment(const char *text, const struct zone *zone, int64_t *out_wall_ms);
/* "Mon 2026-11-30 22:00" as clocks there show it. */
#define WINDOW_MOMENT_MAX 32
const char *window_format_moment(char out[WINDOW_MOMENT_MAX], const struct zone *zone,
                                 int64_t wall_ms);

#endif
