#include "tests/lab/base/stream.h"

#include "common/must.h"

#include <stdlib.h>
#include <string.h>

#define READ_SIZE 16384

static void buffer_room(struct buffer *b, size_t len)
{
    if (b->start + b->len + len <= b->cap)
        return;
    if (b->start) {
        memmove(b->data, b->data + b->start, b->len);
        b->start = 0;
    }
    if (b->len + len > b->cap) {
        b->cap = (b->len + len) * 2;
        b->data = must_realloc(b->data, b->cap, 1);
    }
}

void buffer_add(struct buffer *b, const void *bytes, size_t len)
{
    if (!len)
        return;
    buffer_room(b, len);
    memcpy(b->data + b->start + b->len, bytes, len);
    b->len += len;
}

void buffer_skip(struct buffer *b, size_t len)
{
    must(len <= b->len);
    b->start += len;
    b->len -= len;
    if (!b->len)
        b->start = 0;
}

void buffer_reset(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

static void ended(struct stream *s)
{
    stream_close(s);
    if (s->on_end)
        s->on_end(s);
}

/* False when the stream has ended (and on_end was called). */
static bool flush(struct stream *s)
{
    while (s->out.len) {
        long n = socket_send(s->fd, s->out.data + s->out.start, s->out.len);
        if (n == 0)
            break;
        if (n < 0) {
            ended(s);
            return false;
        }
        buffer_skip(&s->out, (size_t)n);
    }
    if (!s->out.len && s->close_when_sent) {
        ended(s);
        return false;
    }
    loop_change(s->loop, s->fd, LOOP_READ | (s->out.len ? LOOP_WRITE : 0));
    return true;
}

static void stream_ready(unsigned events, void *arg)
{
    struct stream *s = arg;
    if ((events & LOOP_WRITE) && !flush(s))
        return;
    if (!(events & LOOP_READ))
        return;
    buffer_room(&s->in, READ_SIZE);
    long n = socket_receive(s->fd, s->in.data + s->in.start + s->in.len, READ_SIZE);
    if (n == 0)
        return;
    if (n < 0) {
        ended(s);
        return;
    }
    s->in.len += (size_t)n;
    s->on_data(s);
}

void stream_drain(struct stream *s)
{
    long n = 1;
    while (s->fd >= 0 && n > 0) {
        buffer_room(&s->in, READ_SIZE);
        n = socket_receive(s->fd, s->in.data + s->in.start + s->in.len, READ_SIZE);
        if (n > 0)
            s->in.len += (size_t)n;
    }
    if (s->fd >= 0 && s->in.len)
        s->on_data(s);
}

void stream_open(struct stream *s, struct loop *loop, int fd)
{
    s->loop = loop;
    s->fd = fd;
    loop_watch(loop, fd, LOOP_READ, stream_ready, s);
}

void stream_send(struct stream *s, const void *bytes, size_t len)
{
    if (s->fd < 0)
        return;
    bool idle = s->out.len == 0;
    buffer_add(&s->out, bytes, len);
    if (!idle)
        return;
    /* Try at once: most answers fit, and this saves a round through the loop. A broken connection
     * is left for the loop to find, so that no callback runs inside the caller. */
    long n = socket_send(s->fd, s->out.data + s->out.start, s->out.len);
    if (n > 0)
        buffer_skip(&s->out, (size_t)n);
    if (s->out.len)
        loop_change(s->loop, s->fd, LOOP_READ | LOOP_WRITE);
}

void stream_finish(struct stream *s)
{
    if (s->fd < 0)
        return;
    s->close_when_sent = true;
    loop_change(s->loop, s->fd, LOOP_READ | LOOP_WRITE);
}

/* Gives the descriptor to `close_fd`, if there still is one. */
static void let_go(struct stream *s, void (*close_fd)(int fd))
{
    if (s->fd >= 0) {
        loop_forget(s->loop, s->fd);
        close_fd(s->fd);
        s->fd = -1;
    }
    buffer_reset(&s->in);
    buffer_reset(&s->out);
}

void stream_close(struct stream *s)
{
    let_go(s, socket_close);
}

void stream_abort(struct stream *s)
{
    let_go(s, socket_abort);
}
