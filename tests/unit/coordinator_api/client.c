/* client.c - see client.h. */
#include "client.h"

#include "common/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

struct client client_open(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    must(text_copy(address.sun_path, sizeof(address.sun_path), socket_path));
    struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct timeval limit = {.tv_sec = 10};
    must(c.fd >= 0);
    must(setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    must(connect(c.fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    return c;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    text_reset(&c->unread);
}

bool client_send(struct client *c, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t sent = send(c->fd, p, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p += sent;
        len -= (size_t)sent;
    }
    return true;
}

void client_ask(struct client *c, const char *method, const char *target, const char *body)
{
    struct text request = {0};
    text_addf(&request, "%s %s HTTP/1.1\r\nHost: farmhand\r\nContent-Length: %zu\r\n\r\n", method,
              target, body ? strlen(body) : 0);
    text_add(&request, body ? body : "");
    client_send(c, request.data, request.len);
    text_reset(&request);
}

static bool read_more(struct client *c)
{
    char piece[65536];
    ssize_t got;
    do { /* with a limit of time a socket's wait is never taken up again by itself (signal(7)) */
        got = recv(c->fd, piece, sizeof(piece), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return false;
    text_add_bytes(&c->unread, piece, (size_t)got);
    return true;
}

bool client_read_until(struct client *c, const char *part)
{
    while (!strstr(text_get(&c->unread), part))
        if (!read_more(c))
            return false;
    return true;
}

void client_read_rest(struct client *c)
{
    while (read_more(c))
        ;
}

static void drop_read(struct client *c, size_t len)
{
    memmove(c->unread.data, c->unread.data + len, c->unread.len - len + 1);
    c->unread.len -= len;
}

int client_answer(struct client *c, struct text *body)
{
    if (!client_read_until(c, "\r\n\r\n"))
        return -1;
    int status = atoi(c->unread.data + strlen("HTTP/1.1 "));
    const char *length = strcasestr(c->unread.data, "\r\nContent-Length:");
    size_t head = (size_t)(strstr(c->unread.data, "\r\n\r\n") + 4 - c->unread.data);
    size_t len = length ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    while (c->unread.len < head + len)
        if (!read_more(c))
            return -1;
    if (body)
        text_add_bytes(body, c->unread.data + head, len);
    drop_read(c, head + len);
    return status;
}
