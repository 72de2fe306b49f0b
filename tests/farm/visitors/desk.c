/* desk.c - see desk.h. */
#include "tests/farm/visitors/desk.h"

#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX      16
#define REQUEST_LINE_MAX 256

struct client {
    struct source source; /* first */
    struct desk *desk;
    int fd; /* -1: free */
    char line[REQUEST_LINE_MAX];
    size_t line_len;
    struct text out;
    size_t sent;
};

struct desk {
    struct source source; /* first: the listening socket */
    struct poller *poller;
    struct crowd *crowd;
    int fd;
    char path[108];
    struct client clients[CLIENTS_MAX];
};

static void hang_up(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    text_reset(&client->out);
    client->line_len = client->sent = 0;
}

static json_t *answer(struct desk *d, const char *line)
{
    if (strcmp(line, "report") == 0)
        return crowd_report(d->crowd);
    if (text_starts(line, "phase ") && line[6] != '\0') {
        crowd_phase(d->crowd, line + 6);
        return json_pack("{s:s}", "phase", line + 6);
    }
    return json_pack("{s:s}", "error", "say: report, or: phase NAME");
}

static void take_line(struct client *client)
{
    client->line[client->line_len] = '\0';
    client->line_len = 0;
    json_t *json = answer(client->desk, client->line);
    char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;
    text_add(&client->out, line ? line : "{\"error\":\"not UTF-8\"}");
    text_add(&client->out, "\n");
    free(line);
    json_decref(json);
}

/* False: hung up. */
static bool read_all(struct client *client)
{
    char bytes[512];
    ssize_t got;
    while ((got = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (bytes[i] == '\n')
                take_line(client);
            else if (client->line_len + 1 < sizeof(client->line))
                client->line[client->line_len++] = bytes[i];
        }
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    hang_up(client);
    return false;
}

static void write_all(struct client *client)
{
    while (client->sent < client->out.len) {
        ssize_t sent = send(client->fd, client->out.data + client->sent,
                            client->out.len - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0) {
            hang_up(client);
            return;
        }
        client->sent += (size_t)sent;
    }
    text_reset(&client->out);
    client->sent = 0;
}

static void client_ready(struct source *source)
{
    struct client *client = (struct client *)source;
    if (client->fd >= 0 && read_all(client))
        write_all(client);
}

static void admit(struct desk *d, int fd)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &d->clients[i];
        if (client->fd >= 0)
            continue;
        *client = (struct client){.source = {client_ready}, .desk = d, .fd = fd};
        if (!poller_add(d->poller, fd, &client->source))
            hang_up(client);
        return;
    }
    close(fd); /* all seats taken */
}

static void desk_ready(struct source *source)
{
    struct desk *d = (struct desk *)source;
    int fd;
    while ((fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        admit(d, fd);
}

static bool listen_at(struct desk *d, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    text_copy(at.sun_path, sizeof(at.sun_path), path);
    unlink(path);
    d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return d->fd >= 0 && bind(d->fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
           listen(d->fd, CLIENTS_MAX) == 0 && poller_add(d->poller, d->fd, &d->source);
}

struct desk *desk_open(struct poller *poller, struct crowd *crowd, const char *path,
                       struct error *err)
{
    struct desk *d = must_alloc(1, sizeof(*d));
    *d = (struct desk){.source = {desk_ready}, .poller = poller, .crowd = crowd, .fd = -1};
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        d->clients[i].fd = -1;
    if (!text_copy(d->path, sizeof(d->path), path)) {
        error_set(err, ERR_INVALID, "socket path '%s' is longer than 107 bytes", path);
        d->path[0] = '\0';
    } else if (listen_at(d, path)) {
        return d;
    } else {
        error_errno(err, errno, "listen at %s", path);
    }
    desk_close(d);
    return NULL;
}

void desk_close(struct desk *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (d->clients[i].fd >= 0)
            hang_up(&d->clients[i]);
    if (d->fd >= 0)
        close(d->fd);
    if (d->path[0])
        unlink(d->path);
    free(d);
}
