#include "tests/lab/base/frame.h"

#include <string.h>

void frame_send(struct stream *s, enum frame_type type, uint64_t id, uint64_t a,
                const void *payload, size_t len)
{
    struct frame f = {.type = type, .len = (uint32_t)len, .id = id, .a = a};
    stream_send(s, &f, sizeof f);
    if (len)
        stream_send(s, payload, len);
}

bool frame_next(struct stream *s, struct frame *out, const char **payload)
{
    if (s->fd < 0 || s->in.len < sizeof *out)
        return false;
    memcpy(out, s->in.data + s->in.start, sizeof *out);
    if (s->in.len - sizeof *out < out->len)
        return false;
    *payload = s->in.data + s->in.start + sizeof *out;
    return true;
}

void frame_done(struct stream *s, const struct frame *frame)
{
    if (s->fd >= 0)
        buffer_skip(&s->in, sizeof *frame + frame->len);
}
