/* sse.c - server-sent events out of pieces of bytes. See stream.h. */
#include "coordinator/cli/stream.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (1024 * 1024)

static void append(char **to, size_t *len, size_t *cap, const char *bytes, size_t count)
{
    if (*len + count + 1 > *cap) {
        *cap = 2 * (*len + count + 1);
        *to = must_realloc(*to, *cap, 1);
    }
    memcpy(*to + *len, bytes, count);
    *len += count;
    (*to)[*len] = '\0';
}

static void end_event(struct sse *s, void (*each)(void *arg, const char *data), void *arg)
{
    if (s->data_len > 0)
        each(arg, s->data);
    s->data_len = 0;
}

static void end_line(struct sse *s, void (*each)(void *arg, const char *data), void *arg)
{
    const char *line = s->line ? s->line : "";
    size_t len = s->len;
    if (len > 0 && line[len - 1] == '\r')
        s->line[--len] = '\0';
    if (len == 0) {
        end_event(s, each, arg);
    } else if (text_starts(line, "data:")) {
        const char *value = line + 5 + (line[5] == ' ');
        if (s->data_len > 0)
            append(&s->data, &s->data_len, &s->data_cap, "\n", 1);
        append(&s->data, &s->data_len, &s->data_cap, value, strlen(value));
    }
    s->len = 0;
}

bool sse_feed(struct sse *s, const char *bytes, size_t len,
              void (*each)(void *arg, const char *data), void *arg)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t part = end ? (size_t)(end - bytes) : len;
        s->too_long =
            s->too_long || s->len + part > LINE_MAX_BYTES || s->data_len + part > LINE_MAX_BYTES;
        if (s->too_long)
            return false;
        append(&s->line, &s->len, &s->cap, bytes, part);
        bytes += part + (end != NULL);
        len -= part + (end != NULL);
        if (end)
            end_line(s, each, arg);
    }
    return true;
}

void sse_reset(struct sse *s)
{
    free(s->line);
    free(s->data);
    *s = (struct sse){0};
}
