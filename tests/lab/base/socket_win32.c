#include "tests/lab/base/socket.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ws2tcpip.h>

#define WORD_BYTES  16
#define WORD_LEN    (2 * WORD_BYTES) /* as hexadecimal */
#define LOCALS_MAX  8
#define GREETING_MS 5000

/* Wine has no unix sockets, so a local socket is a port of the loopback. Its file says which, and a
 * random word that the listener says first to whoever connects: a port that somebody else has got
 * meanwhile is no local socket any more. */
struct local {
    SOCKET listener;
    char word[WORD_LEN + 1];
};
static struct local locals[LOCALS_MAX];
static size_t local_count;

static enum error_code wrong(struct error *err, const char *what)
{
    return sys_error(err, (DWORD)WSAGetLastError(), "%s", what);
}

/* Tests use sockets without lab_os_begin(). */
static void begin(void)
{
    static bool begun;
    WSADATA data;
    if (!begun)
        must(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    begun = true;
}

static SOCKET made(bool waits)
{
    u_long on = 1;
    begin();
    SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                          WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (s != INVALID_SOCKET && !waits)
        ioctlsocket(s, FIONBIO, &on);
    return s;
}

static void no_delay(SOCKET s)
{
    BOOL on = TRUE;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on);
}

static struct sockaddr_in loopback(unsigned port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((u_short)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sa;
}

static unsigned port_of(SOCKET s, int (*name)(SOCKET, struct sockaddr *, int *))
{
    struct sockaddr_in sa;
    int len = sizeof sa;
    return name(s, (struct sockaddr *)&sa, &len) == 0 ? ntohs(sa.sin_port) : 0;
}

static SOCKET listening(struct sockaddr_in sa, int backlog, struct error *err)
{
    SOCKET s = made(false);
    if (s == INVALID_SOCKET || bind(s, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        listen(s, backlog) != 0) {
        wrong(err, "listen");
        if (s != INVALID_SOCKET)
            closesocket(s);
        return INVALID_SOCKET;
    }
    return s;
}

static SOCKET connected(unsigned port, struct error *err)
{
    struct sockaddr_in sa = loopback(port);
    SOCKET s = made(true);
    if (s == INVALID_SOCKET || connect(s, (struct sockaddr *)&sa, sizeof sa) != 0) {
        wrong(err, "connect");
        if (s != INVALID_SOCKET)
            closesocket(s);
        return INVALID_SOCKET;
    }
    no_delay(s);
    return s;
}

int socket_listen_local(const char *path, struct error *err)
{
    struct local *l = &locals[local_count];
    uint8_t random[WORD_BYTES];
    char text[WORD_LEN + 16];
    must(local_count < LOCALS_MAX);
    if (os_random(random, sizeof random, err) != ERR_NONE)
        return -1;
    text_to_hex(l->word, random, sizeof random);
    l->listener = listening(loopback(0), 128, err);
    if (l->listener == INVALID_SOCKET)
        return -1;
    int len = snprintf(text, sizeof text, "%u %s\n", port_of(l->listener, getsockname), l->word);
    if (os_write_file(path, text, (size_t)len, 0644, err) != ERR_NONE) {
        closesocket(l->listener);
        return -1;
    }
    local_count++;
    return (int)l->listener;
}

/* The port and the word that stand in the file of a local socket. */
static bool read_local(const char *path, unsigned *port, char word[WORD_LEN + 1], struct error *err)
{
    char *text = NULL;
    if (os_read_file(path, 256, &text, NULL, err) != ERR_NONE)
        return false;
    bool ok = sscanf(text, "%u %32s", port, word) == 2 && strlen(word) == WORD_LEN;
    free(text);
    if (!ok)
        error_set(err, ERR_CORRUPT, "%s is no local socket", path);
    return ok;
}

int socket_connect_local(const char *path, struct error *err)
{
    char word[WORD_LEN + 1], said[WORD_LEN];
    unsigned port;
    if (!read_local(path, &port, word, err))
        return -1;
    SOCKET s = connected(port, err);
    if (s == INVALID_SOCKET)
        return -1;
    size_t got = 0;
    for (long n; got < sizeof said; got += (size_t)n) {
        n = socket_take((int)s, said + got, sizeof said - got, GREETING_MS);
        if (n <= 0)
            break;
    }
    if (got == sizeof said && memcmp(said, word, sizeof said) == 0)
        return (int)s;
    error_set(err, ERR_UNREACHABLE, "%s: nobody of ours listens there", path);
    closesocket(s);
    return -1;
}

int socket_listen_tcp(const char *address, unsigned port, struct error *err)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((u_short)port)};
    if (inet_pton(AF_INET, address, &sa.sin_addr) != 1) {
        error_set(err, ERR_INVALID, "%s is not an IPv4 address", address);
        return -1;
    }
    SOCKET s = listening(sa, SOMAXCONN, err);
    if (s == INVALID_SOCKET) {
        error_wrap(err, "%s:%u", address, port);
        return -1;
    }
    return (int)s;
}

int socket_connect_tcp(unsigned port, struct error *err)
{
    SOCKET s = connected(port, err);
    return s == INVALID_SOCKET ? -1 : (int)s;
}

unsigned socket_port(int fd)
{
    return port_of((SOCKET)fd, getsockname);
}

int socket_accept(int listener)
{
    u_long on = 1;
    SOCKET s = accept((SOCKET)listener, NULL, NULL);
    if (s == INVALID_SOCKET)
        return -1;
    SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
    ioctlsocket(s, FIONBIO, &on);
    no_delay(s);
    for (size_t i = 0; i < local_count; i++) {
        if (locals[i].listener == (SOCKET)listener)
            send(s, locals[i].word, WORD_LEN, 0); /* a new socket has room for it */
    }
    return (int)s;
}

/* Both ends of a connection through a listener that lives for it alone; what connects from another
 * port is not ours. */
static bool join(SOCKET listener, SOCKET out[2], struct error *err)
{
    u_long off = 0, on = 1;
    ioctlsocket(listener, FIONBIO, &off);
    out[0] = connected(port_of(listener, getsockname), err);
    if (out[0] == INVALID_SOCKET)
        return false;
    do {
        out[1] = accept(listener, NULL, NULL);
        if (out[1] == INVALID_SOCKET) {
            wrong(err, "accept");
            closesocket(out[0]);
            return false;
        }
        if (port_of(out[1], getpeername) == port_of(out[0], getsockname))
            break;
        closesocket(out[1]);
    } while (true);
    SetHandleInformation((HANDLE)out[1], HANDLE_FLAG_INHERIT, 0);
    no_delay(out[1]);
    ioctlsocket(out[0], FIONBIO, &on);
    ioctlsocket(out[1], FIONBIO, &on);
    return true;
}

bool socket_pair(int out[2], struct error *err)
{
    SOCKET ends[2], listener = listening(loopback(0), 8, err);
    if (listener == INVALID_SOCKET)
        return false;
    bool ok = join(listener, ends, err);
    closesocket(listener);
    for (int i = 0; ok && i < 2; i++)
        out[i] = (int)ends[i];
    return ok;
}

void socket_close(int fd)
{
    closesocket((SOCKET)fd);
}

void socket_abort(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt((SOCKET)fd, SOL_SOCKET, SO_LINGER, (const char *)&now, sizeof now);
    closesocket((SOCKET)fd);
}

static int most(size_t len)
{
    return len > INT_MAX ? INT_MAX : (int)len;
}

long socket_send(int fd, const void *bytes, size_t len)
{
    int n = send((SOCKET)fd, bytes, most(len), 0);
    return n > 0 ? n : n < 0 && WSAGetLastError() == WSAEWOULDBLOCK ? 0 : -1;
}

long socket_receive(int fd, void *out, size_t size)
{
    int n = recv((SOCKET)fd, out, most(size), 0);
    return n > 0 ? n : n < 0 && WSAGetLastError() == WSAEWOULDBLOCK ? 0 : -1;
}

bool socket_put(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len;) {
        int n = send((SOCKET)fd, at, most(len), 0);
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
        WSAPOLLFD p = {.fd = (SOCKET)fd, .events = POLLRDNORM};
        if (WSAPoll(&p, 1, timeout_ms ? (int)(timeout_ms - waited) : -1) <= 0)
            continue;
        long n = socket_receive(fd, out, size);
        if (n != 0)
            return n > 0 ? n : 0;
    }
}
