/* tcp_win32.c - see tcp.h. */
#include "agent/drivers/tcp.h"

#include "common/clock.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <string.h>
#include <ws2tcpip.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *host, uint16_t port, union address *out, int *len)
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

/* 0, an error number, or WSAETIMEDOUT at the deadline. select, since WSAPoll does not tell of a
 * refused connection before Windows 10 2004. */
static int wait_connected(SOCKET s, uint64_t timeout_ms)
{
    fd_set done, failed;
    FD_ZERO(&done);
    FD_SET(s, &done);
    failed = done;
    struct timeval limit = {.tv_sec = (long)(timeout_ms / 1000),
                            .tv_usec = (long)(timeout_ms % 1000) * 1000};
    int ready = select(0, NULL, &done, &failed, &limit);
    if (ready == 0)
        return WSAETIMEDOUT;
    int number = 0, size = sizeof(number);
    if (ready < 0 || getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&number, &size) != 0)
        return WSAGetLastError();
    return number;
}

static int try_connect(const union address *address, int len, uint64_t timeout_ms)
{
    SOCKET s = WSASocketW(address->any.sa_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                          WSA_FLAG_NO_HANDLE_INHERIT | WSA_FLAG_OVERLAPPED);
    if (s == INVALID_SOCKET)
        return WSAGetLastError();
    u_long nonblocking = 1;
    ioctlsocket(s, FIONBIO, &nonblocking);
    int number = connect(s, &address->any, len) == 0 ? 0 : WSAGetLastError();
    if (number == WSAEWOULDBLOCK)
        number = wait_connected(s, timeout_ms);
    closesocket(s);
    return number;
}

enum error_code tcp_connect(const char *host, uint16_t port, uint64_t timeout_ms,
                            uint32_t *out_elapsed_ms, struct error *err)
{
    WSADATA data;
    union address address;
    int len;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return error_set(err, ERR_UNAVAILABLE, "this machine has no network");
    enum error_code code = ERR_NONE;
    uint64_t started_ms = clock_boot_ms();
    if (!parse_address(host, port, &address, &len)) {
        code = error_set(err, ERR_INVALID, "%s is no address: expected one such as 127.0.0.1", host);
    } else {
        int number = try_connect(&address, len, timeout_ms);
        if (number != 0)
            code = sys_error(err, (DWORD)number, "cannot connect to %s port %u", host,
                             (unsigned)port);
        else
            *out_elapsed_ms = (uint32_t)(clock_boot_ms() - started_ms);
    }
    WSACleanup();
    return code;
}
