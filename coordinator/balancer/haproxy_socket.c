/* haproxy_socket.c - the connection of one exchange: dial, send, take the answer, by a deadline. */
#include "coordinator/balancer/haproxy.h"

#include "common/clock.h"
#include "common/must.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST_MAX 256

/* "host:port" or "[v6]:port" into its two halves. */
static bool split_address(const char *address, char host[HOST_MAX], const char **port)
{
    const char *colon = strrchr(address, ':');
    uint64_t number;
    if (!colon || colon == address || !text_parse_u64(colon + 1, 1, 65535, &number))
        return false;
    const char *begin = address;
    size_t len = (size_t)(colon - address);
    if (address[0] == '[') {
        if (len < 3 || address[len - 1] != ']')
            return false;
        begin++;
        len -= 2;
    } else if (memchr(address, ':', len)) {
        return false; /* an IPv6 address without brackets: which colon is the port's? */
    }
    if (len >= HOST_MAX)
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

enum error_code haproxy_address_check(const char *address, struct error *err)
{
    char host[HOST_MAX];
    const char *port;
    if (address[0] == '/') {
        if (strlen(address) < sizeof(((struct sockaddr_un *)0)->sun_path))
            return ERR_NONE;
        return error_set(err, ERR_INVALID, "socket path \"%s\" is too long: at most %zu bytes",
                         address, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    }
    if (split_address(address, host, &port))
        return ERR_NONE;
    return error_set(err, ERR_INVALID,
                     "\"%s\" is no address: expected a path such as /run/haproxy/admin.sock, or "
                     "host:port, or [::1]:port",
                     address);
}

/* Waits until the socket is ready for `events`. */
static enum error_code wait_for(const struct haproxy *h, int fd, short events, uint64_t deadline_ms,
                                struct error *err)
{
    for (;;) {
        uint64_t now = clock_boot_ms();
        if (now >= deadline_ms)
            return error_set(err, ERR_TIMEOUT,
                             "no answer within %llu ms: is it overloaded or stopped?",
                             (unsigned long long)h->timeout_ms);
        uint64_t left = deadline_ms - now;
        struct pollfd fds[2] = {{.fd = fd, .events = events},
                                {.fd = h->cancel_fd, .events = POLLIN}};
        int ready = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (ready < 0 && errno != EINTR)
            return error_errno(err, errno, "poll");
        if (ready > 0 && fds[1].revents)
            return error_set(err, ERR_UNAVAILABLE, "given up: the program is stopping");
        if (ready > 0 && fds[0].revents)
            return ERR_NONE;
    }
}

/* A failed dial, in words that help: what is not there is unreachable, not "not found". */
static enum error_code dial_failed(int errnum, struct error *err)
{
    const char *advice = errnum == ECONNREFUSED || errnum == ENOENT
                             ? " - is HAProxy running, and is this its stats socket?"
                         : errnum == EACCES
                             ? " - this user needs the right to write to the stats socket"
                             : "";
    enum error_code code = errnum == EACCES ? ERR_DENIED : ERR_UNREACHABLE;
    return error_set(err, code, "cannot connect: %s%s", strerror(errnum), advice);
}

static enum error_code dial_one(const struct haproxy *h, const struct sockaddr *address,
                                socklen_t len, uint64_t deadline_ms, int *out, struct error *err)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, errno, "socket");
    enum error_code code = ERR_NONE;
    int failed = 0;
    socklen_t size = sizeof(failed);
    if (connect(fd, address, len) == 0)
        goto out;
    /* EAGAIN: a unix socket whose queue of waiting connections is full. */
    if (errno != EINPROGRESS && errno != EINTR) {
        code = dial_failed(errno, err);
        goto out;
    }
    code = wait_for(h, fd, POLLOUT, deadline_ms, err);
    if (code != ERR_NONE)
        goto out;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
        failed = errno;
    if (failed)
        code = dial_failed(failed, err);
out:
    if (code != ERR_NONE)
        close(fd);
    else
        *out = fd;
    return code;
}

static enum error_code dial_tcp(const struct haproxy *h, uint64_t deadline_ms, int *out,
                                struct error *err)
{
    char host[HOST_MAX];
    const char *port;
    if (!split_address(h->address, host, &port))
        return haproxy_address_check(h->address, err);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(host, port, &hints, &list);
    if (failed)
        return error_set(err, ERR_UNREACHABLE, "\"%s\" cannot be resolved: %s", host,
                         gai_strerror(failed));
    enum error_code code = ERR_UNREACHABLE;
    for (struct addrinfo *a = list; a && code != ERR_NONE; a = a->ai_next)
        code = dial_one(h, a->ai_addr, a->ai_addrlen, deadline_ms, out, err);
    freeaddrinfo(list);
    return code;
}

static enum error_code dial(const struct haproxy *h, uint64_t deadline_ms, int *out,
                            struct error *err)
{
    enum error_code code = haproxy_address_check(h->address, err);
    if (code != ERR_NONE)
        return code;
    if (h->address[0] != '/')
        return dial_tcp(h, deadline_ms, out, err);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    text_copy(address.sun_path, sizeof(address.sun_path), h->address);
    return dial_one(h, (struct sockaddr *)&address, sizeof(address), deadline_ms, out, err);
}

static enum error_code send_all(const struct haproxy *h, int fd, const char *bytes, size_t len,
                                uint64_t deadline_ms, struct error *err)
{
    while (len > 0) {
        enum error_code code = wait_for(h, fd, POLLOUT, deadline_ms, err);
        if (code != ERR_NONE)
            return code;
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (sent < 0)
            return error_set(err, ERR_UNREACHABLE,
                             "the connection broke while the command was sent: %s",
                             strerror(errno));
        bytes += sent;
        len -= (size_t)sent;
    }
    return ERR_NONE;
}

static enum error_code take_all(const struct haproxy *h, int fd, uint64_t deadline_ms,
                                struct text *answer, struct error *err)
{
    char chunk[16 * 1024];
    for (;;) {
        enum error_code code = wait_for(h, fd, POLLIN, deadline_ms, err);
        if (code != ERR_NONE)
            return code;
        ssize_t got = recv(fd, chunk, sizeof(chunk), 0);
        if (got == 0)
            return ERR_NONE;
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got < 0)
            return error_set(err, ERR_UNREACHABLE,
                             "the connection broke before the answer was complete: %s",
                             strerror(errno));
        if (answer->len + (size_t)got > HAPROXY_ANSWER_MAX)
            return error_set(err, ERR_NOMEM, "the answer is longer than %d bytes",
                             HAPROXY_ANSWER_MAX);
        text_add_bytes(answer, chunk, (size_t)got);
    }
}

/* Every answer ends with an empty line, an empty answer is only that line (guide, 9.3). */
static bool is_whole(const struct text *answer)
{
    const char *s = text_get(answer);
    if (strlen(s) != answer->len)
        return false; /* a NUL inside: not HAProxy's */
    return text_equal(s, "\n") || (answer->len >= 2 && text_equal(s + answer->len - 2, "\n\n"));
}

enum error_code haproxy_exchange(const struct haproxy *h, const char *command, struct text *answer,
                                 struct error *err)
{
    must(h->timeout_ms > 0 && !strchr(command, '\n'));
    uint64_t deadline_ms = clock_boot_ms() + h->timeout_ms;
    struct text line = {0}, got = {0};
    int fd = -1;
    text_addf(&line, "%s\n", command);
    enum error_code code = dial(h, deadline_ms, &fd, err);
    if (code == ERR_NONE)
        code = send_all(h, fd, line.data, line.len, deadline_ms, err);
    if (code == ERR_NONE)
        code = take_all(h, fd, deadline_ms, &got, err);
    if (code == ERR_NONE && !is_whole(&got))
        code = error_set(err, ERR_CORRUPT,
                         "the answer was cut after %zu bytes (HAProxy stopped or restarted in the "
                         "middle, or this is no HAProxy socket): look, then try again",
                         got.len);
    if (code == ERR_NONE)
        text_add_bytes(answer, text_get(&got), got.len);
    else
        error_wrap(err, "balancer %s (%s)", h->name, h->address);
    if (fd >= 0)
        close(fd);
    text_reset(&line);
    text_reset(&got);
    return code;
}
