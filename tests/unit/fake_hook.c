/* fake_hook.c - see fake_hook.h. One connection after the other. */
#include "fake_hook.h"

#include "common/must.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 2000

struct fake_hook {
    int listener, stop_fd;
    unsigned port;
    pthread_mutex_t lock;
    enum hook_mood mood;
    size_t came, taken;
    char *requests[REQUESTS_MAX];
    pthread_t thread;
};

static bool readable(const struct fake_hook *h, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = h->stop_fd, .events = POLLIN}};
    must(poll(fds, 2, -1) > 0);
    return !fds[1].revents;
}

/* The whole of one request: its head says how long its body is. */
static bool read_request(const struct fake_hook *h, int fd, struct text *out)
{
    char piece[4096];
    for (;;) {
        const char *end = strstr(text_get(out), "\r\n\r\n");
        const char *length = end ? strcasestr(text_get(out), "content-length:") : NULL;
        if (end && length &&
            out->len >= (size_t)(end + 4 - out->data) + strtoul(length + 15, NULL, 10))
            return true;
        ssize_t got = readable(h, fd) ? read(fd, piece, sizeof(piece)) : 0;
        if (got <= 0)
            return false;
        text_add_bytes(out, piece, (size_t)got);
    }
}

static void serve(struct fake_hook *h, int fd)
{
    struct text request = {0};
    bool whole = read_request(h, fd, &request);
    pthread_mutex_lock(&h->lock);
    enum hook_mood mood = h->mood;
    h->came += whole;
    if (whole && mood == HOOK_WELL) {
        must(h->taken < REQUESTS_MAX);
        h->requests[h->taken++] = text_take(&request);
    }
    pthread_mutex_unlock(&h->lock);
    const char *answer = mood == HOOK_WELL
                             ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                             : "HTTP/1.1 500 Oops\r\nContent-Length: 11\r\nConnection: "
                               "close\r\n\r\nout of tea\n";
    if (whole && (mood == HOOK_WELL || mood == HOOK_500))
        send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    if (mood == HOOK_HANGS)
        readable(h, fd); /* until the client gives up, or we end */
    text_reset(&request);
    close(fd);
}

static void *hook_run(void *arg)
{
    struct fake_hook *h = arg;
    while (readable(h, h->listener)) {
        int fd = accept(h->listener, NULL, NULL);
        if (fd >= 0)
            serve(h, fd);
    }
    return NULL;
}

struct fake_hook *fake_hook_open(unsigned port)
{
    struct fake_hook *h = must_alloc(1, sizeof(*h));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int on = 1;
    h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(setsockopt(h->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
    must(bind(h->listener, (struct sockaddr *)&address, len) == 0);
    must(getsockname(h->listener, (struct sockaddr *)&address, &len) == 0);
    must(listen(h->listener, 16) == 0);
    h->port = ntohs(address.sin_port);
    h->stop_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&h->lock, NULL);
    must(pthread_create(&h->thread, NULL, hook_run, h) == 0);
    return h;
}

void fake_hook_close(struct fake_hook *h)
{
    if (!h)
        return;
    uint64_t one = 1;
    must(write(h->stop_fd, &one, sizeof(one)) == sizeof(one));
    pthread_join(h->thread, NULL);
    for (size_t i = 0; i < h->taken; i++)
        free(h->requests[i]);
    close(h->listener);
    close(h->stop_fd);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

unsigned fake_hook_port(const struct fake_hook *h)
{
    return h->port;
}

void fake_hook_set(struct fake_hook *h, enum hook_mood mood)
{
    pthread_mutex_lock(&h->lock);
    h->mood = mood;
    pthread_mutex_unlock(&h->lock);
}

size_t fake_hook_count(struct fake_hook *h)
{
    pthread_mutex_lock(&h->lock);
    size_t count = h->came;
    pthread_mutex_unlock(&h->lock);
    return count;
}

size_t fake_hook_taken(struct fake_hook *h)
{
    pthread_mutex_lock(&h->lock);
    size_t count = h->taken;
    pthread_mutex_unlock(&h->lock);
    return count;
}

char *fake_hook_request(struct fake_hook *h, size_t n)
{
    pthread_mutex_lock(&h->lock);
    must(n < h->taken);
    char *copy = must_copy(h->requests[n]);
    pthread_mutex_unlock(&h->lock);
    return copy;
}
