/* crowd.c - see crowd.h.
 *
 * A connection is connecting, then busy with one visit at a time, then (if kept) idle, in the order
 * of last use. All busy ones stand in one queue: since every visit has the same time limit, the
 * oldest is at its head.
 */
#include "tests/farm/visitors/crowd.h"

#include "tests/farm/visitors/response.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 1024
#define PHASES_MAX  64

struct connection {
    struct source source; /* first */
    struct crowd *crowd;
    struct connection *prev, *next; /* in the busy queue, or next alone in idle and spare lists */
    int fd;
    bool busy;
    struct visit visit;
    struct tally *phase;
    struct response response;
    char request[REQUEST_MAX];
    size_t request_len, written;
};

struct crowd {
    struct source source; /* first: the timer */
    struct poller *poller;
    struct crowd_options options;
    unsigned weight_sum;
    int timer;
    uint64_t start_us, next; /* next: number of the next request */
    bool stopped;
    struct connection *oldest, *youngest; /* the busy queue */
    struct connection *idle, *spare;
    struct tally *total, *phases[PHASES_MAX];
    size_t phase_count;
    uint64_t outstanding;
};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t due_us(const struct crowd *c, uint64_t number)
{
    return c->start_us + number * 1000000u / c->options.rate;
}

/* --- the queue of busy connections --- */

static void enqueue(struct crowd *c, struct connection *k)
{
    k->prev = c->youngest;
    k->next = NULL;
    *(c->youngest ? &c->youngest->next : &c->oldest) = k;
    c->youngest = k;
    k->busy = true;
}

static void dequeue(struct crowd *c, struct connection *k)
{
    *(k->prev ? &k->prev->next : &c->oldest) = k->next;
    *(k->next ? &k->next->prev : &c->youngest) = k->prev;
    k->busy = false;
}

/* --- one visit --- */

static void hang_up(struct connection *k)
{
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
    k->next = k->crowd->spare;
    k->crowd->spare = k;
}

static void put_idle(struct connection *k)
{
    k->next = k->crowd->idle;
    k->crowd->idle = k;
}

/* The one place where a visit ends. The connection is idle or closed afterwards. */
static void finish(struct connection *k, enum failure failure, int error, bool reusable)
{
    struct crowd *c = k->crowd;
    dequeue(c, k);
    k->visit.over_us = now_us();
    k->visit.failure = failure;
    k->visit.error = error;
    k->visit.status = k->response.status;
    k->visit.server = k->response.server;
    tally_over(c->total, &k->visit);
    tally_over(k->phase, &k->visit);
    c->outstanding--;
    if (reusable)
        put_idle(k);
    else
        hang_up(k);
}

static void answered(struct connection *k)
{
    bool failed = k->response.status >= 500;
    char byte;
    bool quiet = recv(k->fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    bool reusable = k->visit.kept && !k->response.close && quiet;
    finish(k, failed ? FAILURE_STATUS : FAILURE_NONE, 0, reusable);
}

static void fail_errno(struct connection *k, int error)
{
    finish(k, error == ECONNREFUSED ? FAILURE_REFUSED : FAILURE_RESET, error, false);
}

/* Gives false when the visit has ended here. */
static bool send_more(struct connection *k)
{
    while (k->written < k->request_len) {
        ssize_t sent = send(k->fd, k->request + k->written, k->request_len - k->written,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            k->written += (size_t)sent;
        } else if (errno == EAGAIN || errno == ENOTCONN) {
            return true;
        } else if (errno != EINTR) {
            fail_errno(k, errno);
            return false;
        }
    }
    return true;
}

/* What came: true while the visit goes on. */
static bool take(struct connection *k, const char *bytes, ssize_t got)
{
    enum response_state state =
        got > 0 ? response_feed(&k->response, bytes, (size_t)got) : response_end(&k->response);
    switch (state) {
    case RESPONSE_MORE:
        return true;
    case RESPONSE_WHOLE:
        answered(k);
        return false;
    case RESPONSE_BROKEN:
        finish(k, FAILURE_BROKEN, 0, false);
        return false;
    case RESPONSE_CUT:
        finish(k, FAILURE_RESET, 0, false);
        return false;
    }
    return false;
}

static void receive_more(struct connection *k)
{
    char bytes[16384];
    for (;;) {
        ssize_t got = recv(k->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return;
        if (got < 0) {
            fail_errno(k, errno);
            return;
        }
        if (!take(k, bytes, got))
            return;
    }
}

static void drop_idle(struct connection *k)
{
    struct connection **at = &k->crowd->idle;
    while (*at && *at != k)
        at = &(*at)->next;
    must(*at == k);
    *at = k->next;
    hang_up(k);
}

/* An idle connection that is still of use: open, and silent. */
static bool is_silent(const struct connection *k)
{
    char byte;
    return recv(k->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void connection_ready(struct source *source)
{
    struct connection *k = (struct connection *)source;
    if (k->busy) {
        if (send_more(k))
            receive_more(k);
    } else if (!is_silent(k)) {
        drop_idle(k); /* closed by the other side between two visits: nobody's loss */
    }
}

/* --- sending --- */

static const char *path_of(const struct crowd *c, uint64_t number)
{
    /* Six requests in a row go through all combinations of method and connection. */
    unsigned at = (unsigned)(number / 6 % c->weight_sum);
    size_t i = 0;
    while (at >= c->options.paths[i].weight)
        at -= c->options.paths[i++].weight;
    return c->options.paths[i].path;
}

static void write_request(struct connection *k)
{
    const struct visit *v = &k->visit;
    char body[64] = "";
    if (v->post)
        text_format(body, sizeof(body), "order=%llu&pieces=1", (unsigned long long)v->number);
    char length[48] = "";
    if (v->post)
        text_format(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    text_format(
        k->request, sizeof(k->request), "%s %s HTTP/1.1\r\nHost: %s\r\nX-Visit: %llu\r\n%s%s\r\n%s",
        v->post ? "POST" : "GET", v->path, k->crowd->options.host, (unsigned long long)v->number,
        length, v->kept ? "" : "Connection: close\r\n", body);
    k->request_len = strlen(k->request);
    k->written = 0;
    response_begin(&k->response);
}

static struct connection *take_idle(struct crowd *c)
{
    while (c->idle) {
        struct connection *k = c->idle;
        c->idle = k->next;
        if (is_silent(k))
            return k;
        hang_up(k);
    }
    return NULL;
}

static struct connection *take_spare(struct crowd *c)
{
    struct connection *k = c->spare;
    if (k)
        c->spare = k->next;
    else
        k = must_alloc(1, sizeof(*k));
    k->source.ready = connection_ready;
    k->crowd = c;
    k->fd = -1;
    return k;
}

/* 0, or the errno that says why no connection could be begun. */
static int dial(struct connection *k)
{
    const struct sockaddr_in *to = &k->crowd->options.to;
    k->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0)
        return errno;
    int one = 1;
    setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(k->fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS)
        return errno;
    return poller_add(k->crowd->poller, k->fd, &k->source) ? 0 : errno;
}

static void launch(struct crowd *c, uint64_t number)
{
    bool kept = number % 2 == 1;
    struct connection *k = kept ? take_idle(c) : NULL;
    bool fresh = k == NULL;
    if (fresh)
        k = take_spare(c);
    k->visit = (struct visit){.number = number,
                              .path = path_of(c, number),
                              .post = number % 3 == 2,
                              .kept = kept,
                              .due_us = due_us(c, number),
                              .sent_us = now_us()};
    k->phase = c->phases[c->phase_count - 1];
    write_request(k);
    enqueue(c, k);
    c->outstanding++;
    tally_sent(c->total, k->visit.post, kept, k->visit.due_us, k->visit.sent_us);
    tally_sent(k->phase, k->visit.post, kept, k->visit.due_us, k->visit.sent_us);
    int error = fresh ? dial(k) : 0;
    if (error == ECONNREFUSED)
        finish(k, FAILURE_REFUSED, error, false);
    else if (error)
        finish(k, FAILURE_OWN, error, false);
    else
        send_more(k);
}

static void expire(struct crowd *c)
{
    uint64_t limit_us = c->options.timeout_ms * 1000u;
    uint64_t now = now_us();
    while (c->oldest && now >= c->oldest->visit.sent_us + limit_us)
        finish(c->oldest, FAILURE_TIMEOUT, 0, false);
}

/* The timer rings when the next request is due; while stopped, often enough for time-outs. */
static void set_timer(struct crowd *c)
{
    uint64_t at = c->stopped ? now_us() + 20000 : due_us(c, c->next);
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at / 1000000u), .tv_nsec = (long)(at % 1000000u) * 1000}};
    timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void timer_ready(struct source *source)
{
    struct crowd *c = (struct crowd *)source;
    uint64_t rings;
    while (read(c->timer, &rings, sizeof(rings)) > 0) {
    }
}

void crowd_turn(struct crowd *c, bool all_told)
{
    while (!c->stopped && due_us(c, c->next) <= now_us())
        launch(c, c->next++);
    if (all_told)
        expire(c);
    set_timer(c);
}

/* --- life --- */

struct crowd *crowd_open(struct poller *poller, const struct crowd_options *options,
                         struct error *err)
{
    struct crowd *c = must_alloc(1, sizeof(*c));
    c->source.ready = timer_ready;
    c->poller = poller;
    c->options = *options;
    for (size_t i = 0; i < options->path_count; i++)
        c->weight_sum += options->paths[i].weight;
    must(c->weight_sum > 0 && options->rate > 0);
    c->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (c->timer < 0 || !poller_add(poller, c->timer, &c->source)) {
        error_errno(err, errno, "timerfd");
        crowd_close(c);
        return NULL;
    }
    c->start_us = now_us();
    c->total = tally_new("total", c->start_us, clock_wall_ms());
    crowd_phase(c, "start");
    set_timer(c);
    return c;
}

static void free_list(struct connection *k)
{
    while (k) {
        struct connection *next = k->next;
        if (k->fd >= 0)
            close(k->fd);
        free(k);
        k = next;
    }
}

void crowd_close(struct crowd *c)
{
    if (!c)
        return;
    free_list(c->oldest);
    free_list(c->idle);
    free_list(c->spare);
    for (size_t i = 0; i < c->phase_count; i++)
        tally_free(c->phases[i]);
    tally_free(c->total);
    if (c->timer >= 0)
        close(c->timer);
    free(c);
}

void crowd_phase(struct crowd *c, const char *name)
{
    uint64_t now = now_us();
    if (c->phase_count > 0)
        tally_close(c->phases[c->phase_count - 1], now);
    if (c->phase_count == PHASES_MAX) /* the last one goes on */
        return;
    c->phases[c->phase_count++] = tally_new(name, now, clock_wall_ms());
}

void crowd_stop(struct crowd *c)
{
    if (c->stopped)
        return;
    c->stopped = true;
    tally_close(c->phases[c->phase_count - 1], now_us());
    tally_close(c->total, now_us());
}

bool crowd_is_over(const struct crowd *c)
{
    return c->stopped && c->outstanding == 0;
}

json_t *crowd_report(const struct crowd *c)
{
    char now[TEXT_TIME_MAX];
    json_t *phases = json_array();
    for (size_t i = 0; i < c->phase_count; i++)
        json_array_append_new(phases, tally_json(c->phases[i], now_us()));
    json_t *json =
        json_pack("{s:s, s:i, s:I, s:b, s:o, s:o}", "at", text_format_time(now, clock_wall_ms()),
                  "rate", (int)c->options.rate, "timeout_ms", (json_int_t)c->options.timeout_ms,
                  "stopped", c->stopped, "total", tally_json(c->total, now_us()), "phases", phases);
    must(json != NULL);
    return json;
}
