/* stream.h - a connected socket with buffers, driven by a loop.
 *
 * The owner embeds struct stream and reads `in`. Both buffers grow as needed; the owner bounds
 * what it accepts.
 */
#ifndef LAB_BASE_STREAM_H
#define LAB_BASE_STREAM_H

#include "tests/lab/base/loop.h"
#include "tests/lab/base/socket.h"

#include <stddef.h>

struct buffer {
    char *data;
    size_t start, len, cap; /* live bytes are data[start .. start + len) */
};

void buffer_add(struct buffer *b, const void *bytes, size_t len);
void buffer_skip(struct buffer *b, size_t len);
void buffer_reset(struct buffer *b);

struct stream {
    struct loop *loop;
    int fd; /* -1: closed */
    struct buffer in, out;
    bool close_when_sent;
    void (*on_data)(struct stream *s); /* something was added to `in` */
    void (*on_end)(struct stream *s);  /* the peer is gone; the stream is closed already */
    void *owner;
};

void stream_open(struct stream *s, struct loop *loop, int fd); /* takes the descriptor */
void stream_send(struct stream *s, const void *bytes, size_t len);
void stream_finish(struct stream *s); /* close when everything is sent; on_end follows */
void stream_close(struct stream *s);  /* now; buffers are released, on_end is not called */
void stream_abort(struct stream *s);  /* the same, and the peer sees a reset */

/* Everything that has arrived, now: for a peer that is known to have ended. on_end is not called.
 */
void stream_drain(struct stream *s);

#endif
