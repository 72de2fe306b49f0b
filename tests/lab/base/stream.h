/* stream.h - a connected socket with buffers, driven by a loop; and how sockets are made.
 *
 * The owner embeds struct stream and reads `in`. Both buffers grow as needed; the owner bounds
 * what it accepts. Everything made here is non-blocking and not inherited by child processes.
 * Socket paths may be longer than the system's limit for socket addresses.
 */
#ifndef LAB_BASE_STREAM_H
#define LAB_BASE_STREAM_H

#include "tests/lab/base/loop.h"

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

/* -1 on failure. */
int stream_listen_local(const char *path, struct error *err); /* replaces an old socket */
int stream_connect_local(const char *path, struct error *err);
int stream_listen_tcp(const char *address, unsigned port, struct error *err);
int stream_accept(int listener); /* -1: nobody there */
bool stream_pair(int out[2], struct error *err);

#endif
