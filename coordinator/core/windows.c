/* windows.c - see windows.h. */
#include "coordinator/core/windows.h"

#include "common/text.h"

#include <string.h>

/* false: there is none of that name. *out NULL: UTC. */
static bool find_zone(const struct windows *w, const char *name, const struct zone **out)
{
    *out = NULL;
    if (!name || !name[0] || text_equal_nocase(name, "UTC")) {
        return true;
    }
    *out = w && w->find_zone ? w->find_zone(w->ctx, name) : NULL;
    return *out != NULL;
}

enum error_code windows_resolve(const struct windows *w, const char *given,
                                char out[WINDOW_TEXT_MAX], struct error *err)
{
    const char *text = given;
    struct window window;
    const struct zone *zone;
    for (size_t i = 0; w && i < w->named_count; i++) {
        text = text_equal_nocase(w->named[i].name, given) ? w->named[i].text : text;
    }
    if (window_parse(text, &window, err) != ERR_NONE) {
        return error_wrap(err, "\"%.60s\" is no window of the configuration, and no hours", given);
    }
    const char *name = window.zone[0] ? window.zone : w && w->zone ? w->zone : "UTC";
    if (!find_zone(w, name, &zone)) {
        return error_set(err, ERR_INVALID,
                         "the time zone %s is not known on this machine: a name such as "
                         "Europe/Berlin is expected, and the package tzdata",
                         name);
    }
    size_t len = strcspn(text, "@");
    while (len && text[len - 1] == ' ') {
        len--;
    }
    if (!text_format(out, WINDOW_TEXT_MAX, "%.*s @%s", (int)len, text, name)) {
        return error_set(err, ERR_INVALID, "the window is too long: at most %d bytes",
                         WINDOW_TEXT_MAX - 1);
    }
    return ERR_NONE;
}

static bool is_closed(const struct windows *w, const char *text, int64_t wall_ms, char *why,
                      size_t why_size)
{
    struct window window;
    const struct zone *zone;
    char moment[WINDOW_MOMENT_MAX];
    if (window_parse(text, &window, NULL) != ERR_NONE || !find_zone(w, window.zone, &zone)) {
        text_format(why, why_size, "the window %.160s cannot be told: is its time zone known here?",
                    text);
        return true;
    }
    if (window_is_open(&window, zone, wall_ms)) {
        return false;
    }
    int64_t opens_ms = window_next_ms(&window, zone, wall_ms);
    text_format(why, why_size, "outside the window %.160s: it opens %s", text,
                opens_ms ? window_format_moment(moment, zone, opens_ms) : "never");
    return true;
}

bool windows_closed(const struct windows *w, const char *own, int64_t wall_ms, char *why,
                    size_t why_size)
{
    const struct zone *zone = NULL;
    char moment[WINDOW_MOMENT_MAX];
    for (size_t i = 0; w && i < w->blackout_count; i++) {
        const struct windows_blackout *b = &w->blackouts[i];
        if (wall_ms < b->from_ms || wall_ms >= b->until_ms) {
            continue;
        }
        const char *name = w->zone && find_zone(w, w->zone, &zone) ? w->zone : "UTC";
        text_format(why, why_size, "blackout %.60s (%.100s) until %s %s", b->name, b->reason,
                    window_format_moment(moment, zone, b->until_ms), name);
        return true;
    }
    if (w && w->always && is_closed(w, w->always, wall_ms, why, why_size)) {
        return true;
    }
    return own[0] && is_closed(w, own, wall_ms, why, why_size);
}
