/* window.c - see window.h. */
#include "coordinator/core/window.h"

#include "common/text.h"

#include <ctype.h>
#include <string.h>

#define DAY_MINUTES  1440
#define LOOK_MINUTES (8 * DAY_MINUTES)
#define ALL_DAYS     0x7f

static const char *const day_names[7] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* ---- words ---- */

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

static bool take_day(const char **s, int *out)
{
    for (int d = 0; d < 7; d++) {
        char three[4] = "";
        memcpy(three, *s, strnlen(*s, 3));
        if (text_equal_nocase(three, day_names[d]) && !isalpha((unsigned char)(*s)[3])) {
            *out = d;
            *s += 3;
            return true;
        }
    }
    return false;
}

/* Mon | Mon-Fri */
static bool take_days(const char **s, uint8_t *days)
{
    int from, to;
    if (!take_day(s, &from)) {
        return false;
    }
    to = from;
    if (**s == '-' && (++*s, !take_day(s, &to))) {
        return false;
    }
    for (int d = from;; d = (d + 1) % 7) {
        *days = (uint8_t)(*days | 1u << d);
        if (d == to) {
            return true;
        }
    }
}

/* HH:MM, up to 24:00 */
static bool take_minutes(const char **s, uint16_t *out)
{
    const char *p = *s;
    for (int i = 0; i < 5; i++) {
        if (i == 2 ? p[i] != ':' : !isdigit((unsigned char)p[i])) {
            return false;
        }
    }
    int hours = (p[0] - '0') * 10 + p[1] - '0', minutes = (p[3] - '0') * 10 + p[4] - '0';
    if (minutes > 59 || hours * 60 + minutes > DAY_MINUTES) {
        return false;
    }
    *out = (uint16_t)(hours * 60 + minutes);
    *s = p + 5;
    return true;
}

static bool take_hours(const char *s, struct window_span *out)
{
    return take_minutes(&s, &out->from) && *s++ == '-' && take_minutes(&s, &out->to) &&
           *skip_blanks(s) == '\0' && out->from < DAY_MINUTES && out->from != out->to;
}

struct parsing {
    struct window *window;
    uint8_t days; /* gathered for the hours to come */
    bool used;    /* hours came already: the next day begins anew */
    bool too_many;
};

static bool take_part(const char *part, struct parsing *p)
{
    const char *s = skip_blanks(part);
    if (isalpha((unsigned char)*s)) {
        p->days = p->used ? 0 : p->days;
        p->used = false;
        if (!take_days(&s, &p->days)) {
            return false;
        }
        s = skip_blanks(s);
        if (!*s) {
            return true;
        }
    }
    p->too_many = p->window->span_count == WINDOW_SPANS_MAX;
    struct window_span span = {.days = p->days ? p->days : ALL_DAYS};
    if (p->too_many || !take_hours(s, &span)) {
        return false;
    }
    p->used = true;
    p->window->spans[p->window->span_count++] = span;
    return true;
}

struct part_error {
    struct parsing parsing;
    struct error *err;
};

static int add_part(const char *part, void *arg)
{
    struct part_error *p = arg;
    if (take_part(part, &p->parsing)) {
        return 0;
    }
    if (p->parsing.too_many) {
        return (int)error_set(p->err, ERR_INVALID, "a window has at most %d parts",
                              WINDOW_SPANS_MAX);
    }
    return (int)error_set(p->err, ERR_INVALID,
                          "\"%.60s\" is no part of a window: write Mon-Fri 22:00-05:00, with "
                          "commas between parts and @Europe/Berlin at the end",
                          part);
}

enum error_code window_parse(const char *text, struct window *out, struct error *err)
{
    char spans[WINDOW_TEXT_MAX];
    struct window w = {.span_count = 0};
    struct part_error p = {.parsing = {.window = &w}, .err = err};
    if (!text_copy(spans, sizeof spans, text)) {
        return error_set(err, ERR_INVALID, "a window is at most %d bytes long",
                         WINDOW_TEXT_MAX - 1);
    }
    char *at = strchr(spans, '@');
    if (at) {
        *at = '\0';
        if (!text_copy(w.zone, sizeof w.zone, at + 1) || !zone_name_ok(w.zone)) {
            return error_set(err, ERR_INVALID,
                             "\"%.60s\" is no time zone: write a name such as Europe/Berlin",
                             at + 1);
        }
    }
    enum error_code code = (enum error_code)text_split(spans, ',', add_part, &p);
    if (code == ERR_NONE && !p.parsing.used) {
        code = error_set(err, ERR_INVALID, "a window needs hours: write Mon-Fri 22:00-05:00");
    }
    if (code == ERR_NONE) {
        *out = w;
    }
    return code;
}

/* ---- time ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t local_s(const struct zone *zone, int64_t wall_ms)
{
    int64_t utc_s = floor_div(wall_ms, 1000);
    return utc_s + zone_offset_s(zone, utc_s);
}

bool window_is_open(const struct window *w, const struct zone *zone, int64_t wall_ms)
{
    int64_t minutes = floor_div(local_s(zone, wall_ms), 60);
    int64_t day = floor_div(minutes, DAY_MINUTES);
    int now = (int)(minutes - day * DAY_MINUTES);
    int week_day = (int)(((day + 4) % 7 + 7) % 7); /* 1970 began on a Thursday */
    int yesterday = (week_day + 6) % 7;
    for (size_t i = 0; i < w->span_count; i++) {
        const struct window_span *s = &w->spans[i];
        bool over_midnight = s->to <= s->from;
        bool today = (s->days >> week_day & 1) && now >= s->from && (over_midnight || now < s->to);
        bool since_yesterday = over_midnight && (s->days >> yesterday & 1) && now < s->to;
        if (today || since_yesterday) {
            return true;
        }
    }
    return false;
}

int64_t window_next_ms(const struct window *w, const struct zone *zone, int64_t wall_ms)
{
    bool open = window_is_open(w, zone, wall_ms);
    int64_t minute = floor_div(wall_ms, 60000);
    for (int i = 1; i <= LOOK_MINUTES; i++) {
        if (window_is_open(w, zone, (minute + i) * 60000) != open) {
            return (minute + i) * 60000;
        }
    }
    return 0;
}

bool window_parse_moment(const char *text, const struct zone *zone, int64_t *out_wall_ms)
{
    char utc[TEXT_TIME_MAX];
    int64_t as_utc_ms;
    if (strlen(text) != strlen("2026-12-24 18:00") || text[10] != ' ') {
        return false;
    }
    text_format(utc, sizeof utc, "%.10sT%s:00.000Z", text, text + 11);
    if (!text_parse_time(utc, &as_utc_ms)) {
        return false;
    }
    *out_wall_ms = zone_to_utc_s(zone, floor_div(as_utc_ms, 1000)) * 1000;
    return true;
}

const char *window_format_moment(char out[WINDOW_MOMENT_MAX], const struct zone *zone,
                                 int64_t wall_ms)
{
    char time[TEXT_TIME_MAX];
    int64_t local = local_s(zone, wall_ms);
    text_format_time(time, local * 1000);
    int week_day = (int)(((floor_div(local, 86400) + 4) % 7 + 7) % 7);
    text_format(out, WINDOW_MOMENT_MAX, "%s %.10s %.5s", day_names[week_day], time, time + 11);
    return out;
}
