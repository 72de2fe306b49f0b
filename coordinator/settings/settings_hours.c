/* settings_hours.c - see settings.h: windows and blackouts of the configuration. */
#include "coordinator/settings/settings.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdlib.h>

struct telling {
    void (*complain)(void *arg, const char *line);
    void *arg;
};

FORMAT_PRINTF(2, 3) static void tell(const struct telling *t, const char *fmt, ...)
{
    struct text line = {0};
    va_list args;
    va_start(args, fmt);
    text_vaddf(&line, fmt, args);
    va_end(args);
    t->complain(t->arg, text_get(&line));
    text_reset(&line);
}

static const struct zone *find_zone(void *ctx, const char *name)
{
    return zones_find(ctx, name);
}

static void check_window(const struct settings *s, const struct settings_window *w,
                         const struct telling *t)
{
    char text[WINDOW_TEXT_MAX];
    struct error err = {0};
    if (windows_resolve(&s->hours, w->name, text, &err) != ERR_NONE)
        tell(t, "[window %s] hours = %s: %s", w->name, w->hours, err.text);
}

/* The window of all runs by name becomes its text, whole. */
static const char *always(const struct settings *s, const struct telling *t)
{
    char text[WINDOW_TEXT_MAX];
    struct error err = {0};
    if (!s->window)
        return NULL;
    if (windows_resolve(&s->hours, s->window, text, &err) == ERR_NONE)
        return must_copy(text);
    tell(t, "window = %s: %s", s->window, err.text);
    return NULL;
}

static struct windows_blackout blackout(const struct settings_blackout *b, const struct zone *zone,
                                        const struct telling *t)
{
    struct windows_blackout out = {.name = b->name, .reason = b->reason};
    if (!window_parse_moment(b->from, zone, &out.from_ms) ||
        !window_parse_moment(b->until, zone, &out.until_ms))
        tell(t, "[blackout %s] from and until: expected local time such as 2026-12-24 18:00",
             b->name);
    else if (out.until_ms <= out.from_ms)
        tell(t, "[blackout %s] it ends before it begins", b->name);
    return out;
}

void settings_hours(struct settings *s, void (*complain)(void *arg, const char *line), void *arg)
{
    const struct telling t = {complain, arg};
    struct windows_named *named = must_alloc(s->window_count + 1, sizeof(*named));
    struct windows_blackout *off = must_alloc(s->blackout_count + 1, sizeof(*off));
    s->zones = zones_open();
    for (size_t i = 0; i < s->window_count; i++)
        named[i] = (struct windows_named){s->windows[i].name, s->windows[i].hours};
    s->hours = (struct windows){.named = named,
                                .named_count = s->window_count,
                                .blackouts = off,
                                .zone = s->time_zone,
                                .find_zone = find_zone,
                                .ctx = s->zones};
    bool utc = !s->time_zone || text_equal_nocase(s->time_zone, "UTC");
    const struct zone *zone = utc ? NULL : zones_find(s->zones, s->time_zone);
    if (!utc && !zone) {
        tell(&t,
             "time_zone = %s: no such zone on this machine: a name such as Europe/Berlin is "
             "expected, and the package tzdata",
             s->time_zone);
        return;
    }
    for (size_t i = 0; i < s->window_count; i++)
        check_window(s, &s->windows[i], &t);
    for (size_t i = 0; i < s->blackout_count; i++)
        off[i] = blackout(&s->blackouts[i], zone, &t);
    s->hours.blackout_count = s->blackout_count;
    s->hours.always = always(s, &t);
}

void settings_release_hours(struct settings *s)
{
    free((void *)s->hours.named);
    free((void *)s->hours.blackouts);
    free((void *)s->hours.always);
    zones_close(s->zones);
}
