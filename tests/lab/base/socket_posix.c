#include "tests/lab/base/socket.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

int socket_listen_local(const char *path, struct error *err)
{
    return local_socket(path, true, err);
}

int socket_connect_local(const char *path, struct error *err)
{
    return local_socket(path, false, err);
}

int socket_listen_tcp(const char *address, unsigned port, struct error *err)
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

int socket_connect_tcp(unsigned port, struct error *err)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    error_errno(err, errno, "connect to port %u", port);
    if (fd >= 0)
        close(fd);
    return -1;
}

unsigned socket_port(int fd)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 ? ntohs(sa.sin_port) : 0;
}

int socket_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

bool socket_pair(int out[2], struct error *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out) == 0)
        return true;
    error_errno(err, errno, "socketpair");
    return false;
}

void socket_close(int fd)
{
    close(fd);
}

void socket_abort(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static bool not_now(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

long socket_send(int fd, const void *bytes, size_t len)
{
    ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n > 0 ? n : n < 0 && not_now() ? 0 : -1;
}

long socket_receive(int fd, void *out, size_t size)
{
    ssize_t n = recv(fd, out, size, MSG_DONTWAIT);
    return n > 0 ? n : n < 0 && not_now() ? 0 : -1;
}

bool socket_put(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

long socket_take(int fd, void *out, size_t size, uint64_t timeout_ms)
{
    uint64_t start = clock_boot_ms();
    for (;;) {
        uint64_t waited = clock_boot_ms() - start;
        if (timeout_ms && waited >= timeout_ms)
            return -1;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, timeout_ms ? (int)(timeout_ms - waited) : -1) <= 0)
            continue;
        long n = socket_receive(fd, out, size);
        if (n != 0)
            return n > 0 ? n : 0;
    }
}
