/* frame.h - what WAS and a worker say to each other, over one stream.
 *
 *   WAS -> worker   REQUEST id=request, payload: folder of the application, '\n', head and body
 *                   STOP    finish what you have, then end
 *                   PING    ORPHAN: nobody looks after you any longer, live on
 *   worker -> WAS   READY   a= served so far (0)    PONG
 *                   ANSWER  id=request, a=status, payload: header lines, empty line, body
 */
#ifndef LAB_BASE_FRAME_H
#define LAB_BASE_FRAME_H

#include "tests/lab/base/stream.h"

enum frame_type {
    FRAME_REQUEST = 1,
    FRAME_STOP,
    FRAME_PING,
    FRAME_ORPHAN,
    FRAME_READY,
    FRAME_PONG,
    FRAME_ANSWER,
};

struct frame {
    uint32_t type;
    uint32_t len; /* of the payload that follows */
    uint64_t id;
    uint64_t a;
};

void frame_send(struct stream *s, enum frame_type type, uint64_t id, uint64_t a,
                const void *payload, size_t len);
/* Takes the next whole frame out of s->in. The payload is lent until buffer_skip by
 * frame_done(), which must follow each true. */
bool frame_next(struct stream *s, struct frame *out, const char **payload);
void frame_done(struct stream *s, const struct frame *frame);

#endif
