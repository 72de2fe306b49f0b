/* http_sys.c - listening sockets, connections and their one request each; see was.h. */
#include "tests/lab/was/was.h"

#include "tests/lab/base/words.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX (HTTP_BODY_MAX + 65536u) /* bytes a client may send ahead */
#define CACHE_MS    5000

struct conn {
    struct conn *next, *previous;
    struct was *was;
    struct listener *listener; /* NULL: closed meanwhile */
    struct stream stream;
    struct request *request; /* in the house; no other is read until it is answered */
    bool keep_alive, head_only;
};

static void conn_free(void *arg)
{
    free(arg);
}

/* Out of the list; the memory goes after this round of the loop. The stream is closed. */
static void conn_drop(struct conn *c)
{
    if (c->previous)
        c->previous->next = c->next;
    else
        c->was->conns = c->next;
    if (c->next)
        c->next->previous = c->previous;
    loop_defer(c->was->loop, conn_free, c);
}

static void on_end(struct stream *s)
{
    struct conn *c = s->owner;
    struct request *r = c->request;
    if (r)
        r->conn = NULL;
    if (r && !r->worker && r->pool) {
        list_remove(&r->pool->queue, r);
        request_free(r);
    }
    conn_drop(c);
}

static void conn_send(struct conn *c, int status, const char *head, size_t head_len,
                      const char *body, size_t body_len)
{
    char top[256];
    if (c->was->web_stopping)
        c->keep_alive = false;
    int n = snprintf(top, sizeof top,
                     "HTTP/1.1 %d %s\r\nServer: Microsoft-IIS/10.0\r\nContent-Length: %zu\r\n"
                     "Connection: %s\r\n",
                     status, http_status_text(status), body_len,
                     c->keep_alive ? "keep-alive" : "close");
    struct buffer all = {0};
    buffer_add(&all, top, (size_t)n);
    buffer_add(&all, head, head_len);
    buffer_add(&all, "\r\n", 2);
    if (!c->head_only)
        buffer_add(&all, body, body_len);
    stream_send(&c->stream, all.data, all.len);
    buffer_reset(&all);
    if (!c->keep_alive)
        stream_finish(&c->stream);
}

static void conn_refuse(struct conn *c, int status)
{
    char body[96];
    int n = snprintf(body, sizeof body, "%d %s\n", status, http_status_text(status));
    if (status != 404)
        c->keep_alive = false;
    conn_send(c, status, "Content-Type: text/plain\r\n", 26, body, (size_t)n);
}

static void next_request(struct conn *c);

static void read_on(void *arg)
{
    struct conn *c = arg;
    if (c->stream.fd >= 0 && !c->request && c->stream.in.len)
        next_request(c);
}

static struct conn *request_done(struct request *r)
{
    struct conn *c = r->conn;
    if (c)
        c->request = NULL;
    request_free(r);
    return c;
}

static void cache_put(struct was *w, const struct request *r, const char *bytes, size_t len)
{
    struct cached *slot = &w->cache[w->cache_at++ % (sizeof w->cache / sizeof *w->cache)];
    free(slot->bytes);
    *slot = (struct cached){.until_ms = clock_boot_ms() + CACHE_MS, .len = len};
    text_copy(slot->target, sizeof slot->target, r->target);
    text_copy(slot->pool, sizeof slot->pool, r->pool->set.name);
    slot->bytes = must_alloc(len + 1, 1);
    memcpy(slot->bytes, bytes, len);
}

void http_answer(struct request *r, int status, const char *head, size_t head_len, const char *body,
                 size_t body_len)
{
    struct was *w = r->pool->was;
    if (r->cacheable && status == 200 && fault_on(w->settings, "kernel-cache", r->pool->set.name))
        cache_put(w, r, head, head_len + 2 + body_len);
    struct conn *c = request_done(r);
    if (!c)
        return;
    conn_send(c, status, head, head_len, body, body_len);
    if (c->stream.fd >= 0 && c->keep_alive && c->stream.in.len)
        loop_defer(w->loop, read_on, c);
}

void http_reject(struct request *r, enum reject reason)
{
    char head[160], body[160];
    struct pool *p = r->pool;
    p->tally->rejected[reason]++;
    if (reason == REJECT_SILENT) {
        struct conn *cut = request_done(r);
        if (cut) {
            stream_abort(&cut->stream);
            conn_drop(cut);
        }
        return;
    }
    int h = snprintf(head, sizeof head, "Content-Type: text/html\r\nX-Lab-Reason: %s\r\n",
                     reject_name(reason));
    int b = snprintf(body, sizeof body,
                     "<h2>Service Unavailable</h2><p>HTTP Error 503. The service is unavailable. "
                     "(%s)</p>\n",
                     reject_name(reason));
    if (r->conn)
        r->conn->keep_alive = false;
    r->cacheable = false;
    http_answer(r, 503, head, (size_t)h, body, (size_t)b);
}

void http_lose(struct request *r)
{
    struct conn *c = request_done(r);
    if (!c)
        return;
    stream_abort(&c->stream);
    conn_drop(c);
}

/* An earlier answer for the same URL, if the fault kernel-cache lets http.sys keep them. */
static const struct cached *cache_find(struct was *w, const struct pool *p, const char *target)
{
    if (!fault_on(w->settings, "kernel-cache", p->set.name))
        return NULL;
    for (size_t i = 0; i < sizeof w->cache / sizeof *w->cache; i++) {
        const struct cached *e = &w->cache[i];
        if (e->bytes && e->until_ms > clock_boot_ms() && strcmp(e->target, target) == 0 &&
            text_equal_nocase(e->pool, p->set.name))
            return e;
    }
    return NULL;
}

static void answer_from_cache(struct conn *c, const struct cached *e)
{
    const char *end = words_find(e->bytes, e->len, "\r\n\r\n");
    size_t head_len = (size_t)(end - e->bytes) + 2;
    conn_send(c, 200, e->bytes, head_len, e->bytes + head_len + 2, e->len - head_len - 2);
}

static struct request *make_request(struct conn *c, const struct http_request *h,
                                    const struct app *app, struct pool *p, const char *body,
                                    size_t body_len)
{
    struct request *r = must_alloc(1, sizeof *r);
    struct buffer b = {0};
    buffer_add(&b, app->root, strlen(app->root));
    buffer_add(&b, "\n", 1);
    buffer_add(&b, c->stream.in.data + c->stream.in.start, h->head_len);
    buffer_add(&b, body, body_len);
    *r = (struct request){.conn = c,
                          .pool = p,
                          .id = ++c->was->next_id,
                          .arrived_ms = clock_boot_ms(),
                          .cacheable = strcmp(h->method, "GET") == 0 && !h->no_store,
                          .payload = b.data,
                          .payload_len = b.len};
    text_copy(r->method, sizeof r->method, h->method);
    text_copy(r->target, sizeof r->target, h->target);
    return r;
}

/* The whole request is there: to its pool, or an answer at once. */
static void deliver(struct conn *c, const struct http_request *h, const char *body, size_t body_len)
{
    struct was *w = c->was;
    const struct app *app = sites_find(w, c->listener, h->host, h->target);
    struct pool *p = app ? pool_find(w, app->pool) : NULL;
    c->keep_alive = h->keep_alive;
    c->head_only = strcmp(h->method, "HEAD") == 0;
    if (!app) {
        conn_refuse(c, 404);
        return;
    }
    if (!p) {
        conn_refuse(c, 503);
        return;
    }
    const struct cached *e = c->head_only || h->no_store ? NULL : cache_find(w, p, h->target);
    if (e && strcmp(h->method, "GET") == 0) {
        answer_from_cache(c, e);
        return;
    }
    c->request = make_request(c, h, app, p, body, body_len);
    pool_submit(p, c->request);
}

static bool chunked_body(struct conn *c, const struct http_request *h)
{
    const char *start = c->stream.in.data + c->stream.in.start + h->head_len;
    size_t have = c->stream.in.len - h->head_len, len = 0;
    char *body = must_alloc(have + 1, 1);
    long used = http_chunked(start, have, body, &len);
    if (used < 0)
        conn_refuse(c, 400);
    else if (used > 0)
        deliver(c, h, body, len);
    free(body);
    if (used > 0 && c->stream.fd >= 0)
        buffer_skip(&c->stream.in, h->head_len + (size_t)used);
    return used > 0;
}

static bool plain_body(struct conn *c, const struct http_request *h)
{
    if (c->stream.in.len < h->head_len + h->body_len)
        return false;
    deliver(c, h, c->stream.in.data + c->stream.in.start + h->head_len, h->body_len);
    if (c->stream.fd >= 0)
        buffer_skip(&c->stream.in, h->head_len + h->body_len);
    return true;
}

static void next_request(struct conn *c)
{
    struct http_request h;
    bool more = true;
    while (more && c->stream.fd >= 0 && !c->request && !c->stream.close_when_sent && c->listener) {
        int rc = http_parse(c->stream.in.data + c->stream.in.start, c->stream.in.len, &h);
        if (rc < 0)
            conn_refuse(c, -rc);
        if (rc <= 0)
            return;
        if (h.expects_continue && c->stream.in.len == h.head_len && (h.body_len || h.chunked))
            stream_send(&c->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        more = h.chunked ? chunked_body(c, &h) : plain_body(c, &h);
    }
}

static void on_data(struct stream *s)
{
    struct conn *c = s->owner;
    if (s->in.len > WAITING_MAX) {
        stream_abort(s);
        on_end(s);
        return;
    }
    next_request(c);
}

static void accept_ready(unsigned events, void *arg)
{
    struct listener *l = arg;
    struct was *w = l->was;
    (void)events;
    for (int fd; (fd = socket_accept(l->fd)) >= 0;) {
        struct conn *c = must_alloc(1, sizeof *c);
        *c = (struct conn){.was = w, .listener = l, .next = w->conns};
        c->stream = (struct stream){.on_data = on_data, .on_end = on_end, .owner = c};
        if (w->conns)
            w->conns->previous = c;
        w->conns = c;
        stream_open(&c->stream, w->loop, fd);
    }
}

/* Connections that wait for nothing go at once; the others when they are answered. */
static void leave_conns(struct was *w, const struct listener *l)
{
    for (struct conn *c = w->conns, *next; c; c = next) {
        next = c->next;
        if (c->listener != l)
            continue;
        c->listener = NULL;
        c->keep_alive = false;
        if (c->request)
            continue;
        stream_close(&c->stream);
        conn_drop(c);
    }
}

static void close_listener(struct was *w, struct listener *l)
{
    if (l->fd >= 0) {
        loop_forget(w->loop, l->fd);
        socket_close(l->fd);
        l->fd = -1;
    }
    leave_conns(w, l);
}

static void want(struct was *w, const struct site *site, const struct binding *b)
{
    bool refused = fault_on(w->settings, "site-refuses", site->name);
    for (struct listener *l = w->listeners; l; l = l->next) {
        if (l->port == b->port && strcmp(l->address, b->address) == 0) {
            l->wanted |= !refused;
            return;
        }
    }
    struct listener *l = must_alloc(1, sizeof *l);
    *l = (struct listener){
        .next = w->listeners, .was = w, .fd = -1, .port = b->port, .wanted = !refused};
    text_copy(l->address, sizeof l->address, b->address);
    w->listeners = l;
}

/* Listeners stay in the list for good, closed or open: connections point at them. */
void http_open_listeners(struct was *w)
{
    struct error err = {0};
    for (struct listener *l = w->listeners; l; l = l->next)
        l->wanted = false;
    for (const struct site *s = w->sites; s; s = s->next) {
        for (size_t i = 0; s->started && i < s->binding_count; i++)
            want(w, s, &s->bindings[i]);
    }
    for (struct listener *l = w->listeners; l; l = l->next) {
        if (!l->wanted && l->fd >= 0)
            close_listener(w, l);
        if (!l->wanted || l->fd >= 0)
            continue;
        l->fd = socket_listen_tcp(l->address, l->port, &err);
        if (l->fd >= 0)
            loop_watch(w->loop, l->fd, LOOP_READ, accept_ready, l);
        else
            fprintf(stderr, "lab-was: W3SVC: %s\n", err.text);
    }
}

void http_close_listeners(struct was *w)
{
    for (struct listener *l = w->listeners; l; l = l->next)
        close_listener(w, l);
}
