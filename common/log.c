/* log.c - see log.h. */
#include "common/log.h"

#include "common/clock.h"
#include "common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line that fits PIPE_BUF reaches a pipe whole, whoever else writes to it (pipe(7)). */
#define LINE_MAX_BYTES 4096

static _Atomic int g_level = LOG_LEVEL_INFO;
static _Atomic int g_fd = STDERR_FILENO;
static log_sink *g_sink; /* set before threads start */
static void *g_sink_arg;

/* A line being written. What does not fit is left out, never half an escape. */
struct line {
    char *out;
    size_t size;
    size_t len;
};

static bool put(struct line *line, const char *bytes, size_t len, size_t keep_free)
{
    if (line->len + len + keep_free >= line->size)
        return false;
    memcpy(line->out + line->len, bytes, len);
    line->len += len;
    line->out[line->len] = '\0';
    return true;
}

/* Characters that would end a line, steer a terminal or turn the direction of writing. */
static bool must_be_escaped(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == '"' || c == '\\' ||
           (c >= 0x200E && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* Writes one character of a value into out; returns how many of its bytes were read. */
static size_t escape(const char *s, size_t left, char out[20])
{
    uint32_t c = 0;
    size_t count = text_utf8_next(s, left, &c);
    if (count > 0 && !must_be_escaped(c)) {
        memcpy(out, s, count);
        out[count] = '\0';
        return count;
    }
    count += count == 0;
    const char *named = c ? strchr("\nn\rr\tt\"\"\\\\", (int)c) : NULL;
    if (count == 1 && named) {
        out[0] = '\\';
        out[1] = named[1];
        out[2] = '\0';
        return count;
    }
    for (size_t i = 0; i < count; i++)
        snprintf(out + 4 * i, 5, "\\x%02x", (unsigned char)s[i]);
    return count;
}

static bool needs_quotes(const char *s)
{
    size_t left = strlen(s);
    if (left == 0)
        return true;
    while (left > 0) {
        uint32_t c = 0;
        size_t count = text_utf8_next(s, left, &c);
        if (count == 0 || c == ' ' || c == '=' || must_be_escaped(c))
            return true;
        s += count;
        left -= count;
    }
    return false;
}

static void put_text(struct line *line, const char *s)
{
    static const char cut[] = "...\"";
    bool quoted = needs_quotes(s) || strlen(s) + sizeof(cut) + line->len >= line->size;
    if (!quoted) {
        put(line, s, strlen(s), 0);
        return;
    }
    put(line, "\"", 1, sizeof(cut));
    size_t left = strlen(s);
    while (left > 0) {
        char one[20];
        size_t count = escape(s, left, one);
        if (!put(line, one, strlen(one), sizeof(cut))) {
            put(line, cut, sizeof(cut) - 1, 0);
            return;
        }
        s += count;
        left -= count;
    }
    put(line, "\"", 1, 0);
}

static void put_number(struct line *line, const struct log_field *field)
{
    char number[24];
    if (field->kind == LOG_KIND_INT)
        snprintf(number, sizeof(number), "%" PRId64, field->i);
    else
        snprintf(number, sizeof(number), "%" PRIu64, field->u);
    put(line, number, strlen(number), 0);
}

#define VALUE_LEAST                                                                                \
    32 /* a key is only begun when a number, or the start of a text, fits as well                  \
        */

static void put_field(struct line *line, const struct log_field *field)
{
    size_t key_len = strlen(field->key);
    if (line->len + key_len + 2 + VALUE_LEAST >= line->size)
        return;
    put(line, " ", 1, 0);
    put(line, field->key, key_len, 0);
    put(line, "=", 1, 0);
    switch (field->kind) {
    case LOG_KIND_TEXT:
        if (field->text)
            put_text(line, field->text);
        else
            put(line, "-", 1, 0);
        return;
    case LOG_KIND_INT:
    case LOG_KIND_UINT:
        put_number(line, field);
        return;
    case LOG_KIND_BOOL:
        put(line, field->b ? "yes" : "no", field->b ? 3 : 2, 0);
        return;
    }
}

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};

#define LEVELS (sizeof(level_names) / sizeof(level_names[0]))

static const char *level_name(enum log_level level)
{
    return (size_t)level < LEVELS ? level_names[level] : "error";
}

size_t log_format(char *out, size_t size_bytes, enum log_level level, const char *event,
                  const struct log_field *fields, size_t count)
{
    if (size_bytes == 0)
        return 0;
    text_format(out, size_bytes, "level=%s event=%s", level_name(level), event);
    struct line line = {.out = out, .size = size_bytes, .len = strlen(out)};
    for (size_t i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    return line.len;
}

static void write_whole(const char *bytes, size_t len)
{
    int fd = atomic_load(&g_fd);
    while (len > 0) {
        ssize_t done = write(fd, bytes, (unsigned)len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody is left to be told */
        bytes += done;
        len -= (size_t)done;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    if ((int)level < atomic_load(&g_level))
        return;
    int saved_errno = errno;
    char line[LINE_MAX_BYTES];
    char time[TEXT_TIME_MAX];
    text_format(line, sizeof(line), "time=%s ", text_format_time(time, clock_wall_ms()));
    size_t len = strlen(line);
    len += log_format(line + len, sizeof(line) - 1 - len, level, event, fields, count);
    line[len++] = '\n';
    if (g_sink)
        g_sink(g_sink_arg, level, line, len);
    else
        write_whole(line, len);
    errno = saved_errno;
}

void log_set_level(enum log_level level)
{
    atomic_store(&g_level, (int)level);
}

void log_set_fd(int fd)
{
    atomic_store(&g_fd, fd);
}

void log_set_sink(log_sink *sink, void *arg)
{
    g_sink = sink;
    g_sink_arg = arg;
}

bool log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (!text_equal(word, level_names[i]))
            continue;
        *out = (enum log_level)i;
        return true;
    }
    return false;
}
