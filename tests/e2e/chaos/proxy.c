/* proxy.c - see proxy.h. One thread, one poll; every chunk of bytes waits in a list until due. */
#include "tests/e2e/chaos/proxy.h"

#include "common/clock.h"
#include "common/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNS_MAX    64
#define CHUNK_BYTES  16384
#define CHUNKS_MAX   64 /* waiting in one direction; then nothing more is read */
#define TICK_MS      10
#define DELAY_MAX_MS 10000

struct chunk {
    struct chunk *next;
    uint64_t due_ms;
    size_t len, sent;
    char bytes[CHUNK_BYTES];
};

/* One direction: what came from fd[i] and goes to fd[1 - i]. */
struct lane {
    struct chunk *first, *last;
    unsigned count;
};

struct conn {
    bool used;
    unsigned link;
    int fd[2]; /* the agent's, the coordinator's */
    struct lane lane[2];
};

struct link {
    int listener;
    unsigned port, to_port;
    enum proxy_mode mode;
    unsigned delay_ms;
    bool reset; /* connections of before are to go */
};

struct proxy {
    pthread_t thread;
    pthread_mutex_t lock; /* over links[].to_port, mode, delay_ms, reset, and stop */
    bool stop;
    unsigned link_count;
    struct link links[PROXY_LINKS_MAX];
    struct conn conns[CONNS_MAX];
};

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* --- connections --- */

static void drop_lane(struct lane *lane)
{
    while (lane->first) {
        struct chunk *next = lane->first->next;
        free(lane->first);
        lane->first = next;
    }
    *lane = (struct lane){0};
}

/* By a reset, as a broken line would look at last. */
static void drop_conn(struct conn *c)
{
    struct linger hard = {.l_onoff = 1};
    for (int i = 0; i < 2; i++) {
        setsockopt(c->fd[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        close(c->fd[i]);
        drop_lane(&c->lane[i]);
    }
    c->used = false;
}

static int dial(unsigned port)
{
    struct sockaddr_in to = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

static struct conn *free_conn(struct proxy *p)
{
    for (unsigned i = 0; i < CONNS_MAX; i++)
        if (!p->conns[i].used)
            return &p->conns[i];
    return NULL;
}

static void take_conn(struct proxy *p, unsigned link, const struct link *now)
{
    int near = accept4(now->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct conn *c = free_conn(p);
    if (near < 0)
        return;
    int far = c && now->mode != PROXY_CUT ? dial(now->to_port) : -1;
    if (far < 0) {
        close(near);
        return;
    }
    *c = (struct conn){.used = true, .link = link, .fd = {near, far}};
}

/* False: the connection is over. */
static bool read_lane(struct conn *c, int side, unsigned delay_ms)
{
    struct lane *lane = &c->lane[side];
    struct chunk *chunk = must_alloc(1, sizeof(*chunk));
    ssize_t got = recv(c->fd[side], chunk->bytes, sizeof(chunk->bytes), 0);
    if (got <= 0) {
        free(chunk);
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    chunk->len = (size_t)got;
    chunk->due_ms = clock_boot_ms() + delay_ms;
    if (lane->last)
        lane->last->next = chunk;
    else
        lane->first = chunk;
    lane->last = chunk;
    lane->count++;
    return true;
}

static bool write_lane(struct conn *c, int side, uint64_t now_ms)
{
    struct lane *lane = &c->lane[side];
    while (lane->first && lane->first->due_ms <= now_ms) {
        struct chunk *chunk = lane->first;
        ssize_t put = send(c->fd[1 - side], chunk->bytes + chunk->sent, chunk->len - chunk->sent,
                           MSG_NOSIGNAL);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR;
        chunk->sent += (size_t)put;
        if (chunk->sent < chunk->len)
            return true;
        lane->first = chunk->next;
        lane->last = lane->first ? lane->last : NULL;
        lane->count--;
        free(chunk);
    }
    return true;
}

static void serve_conn(struct conn *c, const struct link *now, const short revents[2])
{
    bool alive = true;
    for (int side = 0; side < 2 && alive; side++)
        if (revents[side] & (POLLIN | POLLERR | POLLHUP))
            alive = read_lane(c, side, now->delay_ms);
    for (int side = 0; side < 2 && alive && now->mode == PROXY_PASS; side++)
        alive = write_lane(c, side, clock_boot_ms());
    if (!alive)
        drop_conn(c);
}

/* --- the thread --- */

static bool look_at_orders(struct proxy *p, struct link now[PROXY_LINKS_MAX])
{
    bool reset[PROXY_LINKS_MAX];
    pthread_mutex_lock(&p->lock);
    bool stop = p->stop;
    memcpy(now, p->links, sizeof(p->links));
    for (unsigned i = 0; i < p->link_count; i++) {
        reset[i] = p->links[i].reset;
        p->links[i].reset = false;
    }
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < CONNS_MAX; i++)
        if (p->conns[i].used && reset[p->conns[i].link])
            drop_conn(&p->conns[i]);
    return !stop;
}

/* A direction that is full is not read, so its sender feels it. */
static short wants(const struct conn *c, int side)
{
    return c->lane[side].count < CHUNKS_MAX ? POLLIN : 0;
}

static void turn(struct proxy *p, const struct link now[PROXY_LINKS_MAX])
{
    struct pollfd fds[PROXY_LINKS_MAX + 2 * CONNS_MAX];
    struct conn *of[CONNS_MAX];
    unsigned conns = 0;
    for (unsigned i = 0; i < p->link_count; i++)
        fds[i] = (struct pollfd){.fd = now[i].listener, .events = POLLIN};
    for (unsigned i = 0; i < CONNS_MAX; i++) {
        struct conn *c = &p->conns[i];
        if (!c->used)
            continue;
        for (int side = 0; side < 2; side++)
            fds[p->link_count + 2 * conns + (unsigned)side] =
                (struct pollfd){.fd = c->fd[side], .events = wants(c, side)};
        of[conns++] = c;
    }
    poll(fds, p->link_count + 2 * conns, TICK_MS);
    for (unsigned i = 0; i < conns; i++) {
        const struct pollfd *pair = &fds[p->link_count + 2 * i];
        serve_conn(of[i], &now[of[i]->link], (short[]){pair[0].revents, pair[1].revents});
    }
    for (unsigned i = 0; i < p->link_count; i++)
        if (fds[i].revents & POLLIN)
            take_conn(p, i, &now[i]);
}

static void *work(void *arg)
{
    struct proxy *p = arg;
    struct link now[PROXY_LINKS_MAX];
    while (look_at_orders(p, now))
        turn(p, now);
    return NULL;
}

/* --- outside --- */

static enum error_code listen_at(struct link *link, struct error *err)
{
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof(at);
    link->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->listener < 0 || bind(link->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(link->listener, 16) != 0 ||
        getsockname(link->listener, (struct sockaddr *)&at, &len) != 0)
        return error_errno(err, errno, "proxy");
    link->port = ntohs(at.sin_port);
    return ERR_NONE;
}

enum error_code proxy_open(unsigned links, unsigned to_port, struct proxy **out, struct error *err)
{
    must(links <= PROXY_LINKS_MAX);
    struct proxy *p = must_alloc(1, sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    enum error_code code = ERR_NONE;
    for (unsigned i = 0; i < links && code == ERR_NONE; i++) {
        p->links[i].to_port = to_port;
        code = listen_at(&p->links[i], err);
        p->link_count++;
    }
    if (code == ERR_NONE && pthread_create(&p->thread, NULL, work, p) != 0)
        code = error_set(err, ERR_IO, "proxy: no thread");
    if (code == ERR_NONE) {
        *out = p;
        return ERR_NONE;
    }
    for (unsigned i = 0; i < p->link_count; i++)
        if (p->links[i].listener >= 0)
            close(p->links[i].listener);
    free(p);
    return code;
}

void proxy_close(struct proxy *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    for (unsigned i = 0; i < CONNS_MAX; i++)
        if (p->conns[i].used)
            drop_conn(&p->conns[i]);
    for (unsigned i = 0; i < p->link_count; i++)
        close(p->links[i].listener);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

unsigned proxy_port(const struct proxy *p, unsigned link)
{
    return p->links[link].port;
}

void proxy_set(struct proxy *p, unsigned link, enum proxy_mode mode, unsigned delay_ms)
{
    must(link < p->link_count && delay_ms <= DELAY_MAX_MS);
    pthread_mutex_lock(&p->lock);
    p->links[link].mode = mode;
    p->links[link].delay_ms = delay_ms;
    p->links[link].reset = p->links[link].reset || mode == PROXY_CUT;
    pthread_mutex_unlock(&p->lock);
}

void proxy_lead(struct proxy *p, unsigned link, unsigned to_port)
{
    must(link < p->link_count);
    pthread_mutex_lock(&p->lock);
    p->links[link].to_port = to_port;
    p->links[link].reset = true;
    pthread_mutex_unlock(&p->lock);
}
