#include "tests/lab/base/line.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (4u << 20)

static void handle(struct line *line, const char *text, size_t len)
{
    json_t *object = json_loadb(text, len, 0, NULL);
    if (object && json_is_object(object))
        line->on_object(line, object);
    json_decref(object);
}

static void data(struct stream *s)
{
    struct line *line = s->owner;
    while (s->fd >= 0 && s->in.len) {
        char *start = s->in.data + s->in.start;
        char *end = memchr(start, '\n', s->in.len);
        if (!end)
            break;
        size_t len = (size_t)(end - start);
        char *copy = must_alloc(len + 1, 1);
        memcpy(copy, start, len);
        buffer_skip(&s->in, len + 1);
        handle(line, copy, len);
        free(copy);
    }
    if (s->fd >= 0 && s->in.len > LINE_MAX_BYTES) {
        stream_close(s);
        line->on_end(line);
    }
}

static void end(struct stream *s)
{
    struct line *line = s->owner;
    line->on_end(line);
}

void line_open(struct line *line, struct loop *loop, int fd)
{
    line->stream =
        (struct stream){.on_data = data, .on_end = end, .owner = line, .close_when_sent = false};
    stream_open(&line->stream, loop, fd);
}

void line_send(struct line *line, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    must(text != NULL);
    size_t len = strlen(text);
    text[len] = '\n';
    stream_send(&line->stream, text, len + 1);
    free(text);
}

void line_close(struct line *line)
{
    stream_close(&line->stream);
}

/* Reads up to a newline or the end into `in`. */
static enum error_code read_line(int fd, struct buffer *in, uint64_t deadline_ms, struct error *err)
{
    for (;;) {
        if (in->len && memchr(in->data + in->start, '\n', in->len))
            return ERR_NONE;
        uint64_t now = clock_boot_ms();
        if (deadline_ms && now >= deadline_ms)
            return error_set(err, ERR_TIMEOUT, "no answer in time");
        char chunk[16384];
        long n = socket_take(fd, chunk, sizeof chunk, deadline_ms ? deadline_ms - now : 0);
        if (n == 0)
            return error_set(err, ERR_UNREACHABLE, "closed before it answered");
        if (n > 0)
            buffer_add(in, chunk, (size_t)n);
    }
}

json_t *line_call(const char *socket_path, json_t *request, uint64_t timeout_ms, struct error *err)
{
    struct buffer in = {0};
    json_t *answer = NULL;
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    int fd = socket_connect_local(socket_path, err);
    if (fd < 0)
        goto out;
    uint64_t deadline = timeout_ms ? clock_boot_ms() + timeout_ms : 0;
    if (!socket_put(fd, text, strlen(text)) || !socket_put(fd, "\n", 1)) {
        error_set(err, ERR_UNREACHABLE, "%s: closed", socket_path);
        goto out;
    }
    if (read_line(fd, &in, deadline, err) != ERR_NONE) {
        error_wrap(err, "%s", socket_path);
        goto out;
    }
    answer = json_loadb(in.data + in.start, in.len, JSON_DISABLE_EOF_CHECK, NULL);
    if (!json_is_object(answer)) {
        json_decref(answer);
        answer = NULL;
        error_set(err, ERR_CORRUPT, "%s: the answer is not a JSON object", socket_path);
    }
out:
    if (fd >= 0)
        socket_close(fd);
    buffer_reset(&in);
    free(text);
    return answer;
}

json_t *line_load(const char *path)
{
    char *text = NULL;
    size_t len = 0;
    if (os_read_file(path, LINE_MAX_BYTES, &text, &len, NULL) != ERR_NONE)
        return NULL;
    json_t *value = json_loadb(text, len, 0, NULL);
    free(text);
    return value;
}
