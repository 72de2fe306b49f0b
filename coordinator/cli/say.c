/* say.c - see say.h. */
#include "coordinator/cli/say.h"

#include <stdio.h>
#include <string.h>

static const char *style_code(enum style style)
{
    switch (style) {
    case STYLE_PLAIN:
        return "";
    case STYLE_BOLD:
        return "\x1b[1m";
    case STYLE_DIM:
        return "\x1b[2m";
    case STYLE_GREEN:
        return "\x1b[32m";
    case STYLE_YELLOW:
        return "\x1b[33m";
    case STYLE_RED:
        return "\x1b[31m";
    case STYLE_CYAN:
        return "\x1b[36m";
    }
    return "";
}

void say_styled(struct text *out, const struct terminal *t, enum style style, const char *s)
{
    bool painted = t->colour && style != STYLE_PLAIN && s[0];
    if (painted)
        text_add(out, style_code(style));
    text_add_safe(out, s);
    if (painted)
        text_add(out, "\x1b[0m");
}

/* As many whole characters of s (safe already) as fit `columns`. */
static size_t fitting(const char *s, size_t columns)
{
    size_t len = strlen(s), used = 0, taken = 0;
    while (used < len) {
        char one[8] = {0};
        uint32_t c;
        size_t step = text_utf8_next(s + used, len - used, &c);
        memcpy(one, s + used, step);
        size_t wide = text_columns(one);
        if (taken + wide > columns)
            break;
        taken += wide;
        used += step;
    }
    return used;
}

size_t say_cut(struct text *out, const struct terminal *t, const char *s, size_t columns)
{
    struct text safe = {0};
    text_add_safe(&safe, s);
    size_t wide = text_columns(text_get(&safe));
    if (wide > columns && columns > 0) {
        const char *mark = t->unicode ? "…" : "~";
        safe.len = fitting(text_get(&safe), columns - 1);
        safe.data[safe.len] = '\0';
        text_add(&safe, mark);
        wide = text_columns(text_get(&safe));
    }
    if (columns > 0)
        text_add(out, text_get(&safe));
    text_reset(&safe);
    return columns > 0 ? wide : 0;
}

void say_spaces(struct text *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_add(out, " ");
}

void say_wrapped(struct text *out, const char *s, size_t indent, size_t columns)
{
    struct text safe = {0};
    text_add_safe(&safe, s);
    size_t room = columns > indent + 20 ? columns - indent : 20;
    const char *p = text_get(&safe);
    for (bool first = true; *p || first; first = false) {
        size_t len = fitting(p, room);
        if (p[len] && p[len] != ' ') { /* go back to the last blank, if there is one */
            size_t back = len;
            while (back > 0 && p[back] != ' ')
                back--;
            len = back > 0 ? back : len;
        }
        if (!first) {
            text_add(out, "\n");
            say_spaces(out, indent);
        }
        text_add_bytes(out, p, len);
        p += len;
        p += strspn(p, " ");
    }
    text_reset(&safe);
}

const char *say_duration(char out[TEXT_DURATION_MAX], int64_t ms)
{
    uint64_t whole = ms < 0 ? 0 : (uint64_t)ms;
    return text_format_duration(out, whole < 1000 ? whole : whole / 1000 * 1000);
}

const char *say_bytes(char out[SAY_BYTES_MAX], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit < 6) {
        value /= 1024;
        unit++;
    }
    snprintf(out, SAY_BYTES_MAX, unit > 0 && value < 10 ? "%.1f %s" : "%.0f %s", value,
             units[unit]);
    return out;
}

const char *say_time(char out[SAY_TIME_MAX], const char *at)
{
    int64_t ms;
    if (!at || !text_parse_time(at, &ms)) {
        text_copy(out, SAY_TIME_MAX, "-");
        return out;
    }
    char full[TEXT_TIME_MAX];
    text_format_time(full, ms);
    text_copy(out, 20, full); /* to the second */
    out[10] = ' ';
    return out;
}

const char *say_mark(const struct terminal *t, enum mark mark)
{
    static const char *const nice[] = {"✓", "✗", "▸", "·", "–", "?"};
    static const char *const plain[] = {"+", "x", ">", ".", "-", "?"};
    return t->unicode ? nice[mark] : plain[mark];
}

enum style say_mark_style(enum mark mark)
{
    switch (mark) {
    case MARK_DONE:
        return STYLE_GREEN;
    case MARK_FAILED:
        return STYLE_RED;
    case MARK_WORKING:
        return STYLE_CYAN;
    case MARK_WAITING:
    case MARK_SKIPPED:
        return STYLE_DIM;
    case MARK_UNKNOWN:
        return STYLE_YELLOW;
    }
    return STYLE_PLAIN;
}

const char *say_arrow(const struct terminal *t)
{
    return t->unicode ? "→" : "->";
}
