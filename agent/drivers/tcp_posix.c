/* tcp_posix.c - see tcp.h. */
#include "agent/drivers/tcp.h"

#include "common/clock.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *host, uint16_t port, union address *out, socklen_t *len)
{
    memset(out, 0, sizeof(*out));
    const char *digits = text_equal_nocase(host, "localhost") ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, digits, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        *len = sizeof(out->v4);
        return true;
    }
    if (inet_pton(AF_INET6, digits, &out->v6.sin6_addr) != 1)
        return false;
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    *len = sizeof(out->v6);
    return true;
}

/* 0, an errno value, or ETIMEDOUT at the deadline. */
static int wait_connected(int fd, uint64_t deadline_ms)
{
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    for (;;) {
        uint64_t now = clock_boot_ms();
        uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
        int ready = poll(&wanted, 1, (int)(left < 60000 ? left : 60000));
        if (ready > 0)
            break;
        if (ready < 0 && errno != EINTR)
            return errno;
        if (left == 0)
            return ETIMEDOUT;
    }
    int errnum = 0;
    socklen_t size = sizeof(errnum);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) == 0 ? errnum : errno;
}

static int try_connect(const union address *address, socklen_t len, uint64_t deadline_ms)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int errnum = connect(fd, &address->any, len) == 0 ? 0 : errno;
    if (errnum == EINPROGRESS)
        errnum = wait_connected(fd, deadline_ms);
    close(fd);
    return errnum;
}

enum error_code tcp_connect(const char *host, uint16_t port, uint64_t timeout_ms,
                            uint32_t *out_elapsed_ms, struct error *err)
{
    union address address;
    socklen_t len;
    if (!parse_address(host, port, &address, &len))
        return error_set(err, ERR_INVALID, "%s is no address: expected one such as 127.0.0.1",
                         host);
    uint64_t started_ms = clock_boot_ms();
    int errnum = try_connect(&address, len, started_ms + timeout_ms);
    if (errnum)
        return error_errno(err, errnum, "cannot connect to %s port %u", host, (unsigned)port);
    *out_elapsed_ms = (uint32_t)(clock_boot_ms() - started_ms);
    return ERR_NONE;
}
