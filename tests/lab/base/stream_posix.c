#include "tests/lab/base/stream.h"

#include "common/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
        ssize_t n = send(s->fd, s->out.data + s->out.start, s->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
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
    ssize_t n = recv(s->fd, s->in.data + s->in.start + s->in.len, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        ended(s);
        return;
    }
    s->in.len += (size_t)n;
    s->on_data(s);
}

void stream_drain(struct stream *s)
{
    ssize_t n = 1;
    while (s->fd >= 0 && n > 0) {
        buffer_room(&s->in, READ_SIZE);
        n = recv(s->fd, s->in.data + s->in.start + s->in.len, READ_SIZE, MSG_DONTWAIT);
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
    ssize_t n = send(s->fd, s->out.data + s->out.start, s->out.len, MSG_NOSIGNAL);
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

void stream_close(struct stream *s)
{
    if (s->fd >= 0) {
        loop_forget(s->loop, s->fd);
        close(s->fd);
        s->fd = -1;
    }
    buffer_reset(&s->in);
    buffer_reset(&s->out);
}

void stream_abort(struct stream *s)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (s->fd >= 0)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    stream_close(s);
}

/* A socket address holds 107 bytes of path: the folder is opened and named by its descriptor. */
static int local_address(const char *path, struct sockaddr_un *out, struct error *err)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) : 1;
    snprintf(folder, sizeof folder, "%.*s", len ? len : 1, slash ? path : ".");
    int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        error_errno(err, errno, "%s", folder);
        return -1;
    }
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/%s", dir,
             slash ? slash + 1 : path);
    return dir;
}

static int local_socket(const char *path, bool listening, struct error *err)
{
    struct sockaddr_un address;
    int dir = local_address(path, &address, err);
    if (dir < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (listening ? SOCK_NONBLOCK : 0), 0);
    const struct sockaddr *sa = (const struct sockaddr *)&address;
    int rc = -1;
    if (fd >= 0 && listening) {
        unlink(path);
        rc = bind(fd, sa, sizeof address) == 0 && listen(fd, 128) == 0 ? 0 : -1;
    } else if (fd >= 0) {
        rc = connect(fd, sa, sizeof address);
    }
    if (rc != 0) {
        error_errno(err, errno, "%s", path);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    close(dir);
    return fd;
}

int stream_listen_local(const char *path, struct error *err)
{
    return local_socket(path, true, err);
}

int stream_connect_local(const char *path, struct error *err)
{
    return local_socket(path, false, err);
}

int stream_listen_tcp(const char *address, unsigned port, struct error *err)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &sa.sin_addr) != 1) {
        error_set(err, ERR_INVALID, "%s is not an IPv4 address", address);
        return -1;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, 1024) != 0) {
        error_errno(err, errno, "listen on %s:%u", address, port);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

int stream_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

bool stream_pair(int out[2], struct error *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out) == 0)
        return true;
    error_errno(err, errno, "socketpair");
    return false;
}
