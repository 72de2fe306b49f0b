/* api_follow.c - streams of server-sent events. See api.h.
 *
 * A follower first catches up: the brain feeds a page of history, the client reads it, the request
 * is delivered again for the next page, until the brain says that it has caught up. From then on it
 * is live and gets what is published. Source of the format: the HTML standard, "Server-sent
 * events".
 */
#include "coordinator/api/api_internal.h"

#include "common/must.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK_BYTES 16384 /* MHD reads a stream in pieces of at most this */

/* ---- the queue; lock held ---- */

static size_t queued(const struct exchange *x)
{
    return x->queue.len - x->queue_read;
}

/* What was read makes room when it is at least half, so that bytes are moved once on average. */
static void compact(struct exchange *x)
{
    if (x->queue_read == 0 || x->queue_read < x->queue.len / 2)
        return;
    memmove(x->queue.data, x->queue.data + x->queue_read, queued(x));
    x->queue.len = queued(x);
    x->queue_read = 0;
}

static void push(struct exchange *x, const char *bytes, size_t len)
{
    compact(x);
    text_add_bytes(&x->queue, bytes, len);
    x->last_push_ms = x->api->now_ms;
}

static void format_event(struct text *out, uint64_t seq, const char *json)
{
    if (seq != 0)
        text_addf(out, "id: %" PRIu64 "\n", seq);
    text_addf(out, "data: %s\n\n", json);
}

void follow_end(struct exchange *x, const char *type, const char *why)
{
    if (x->ended)
        return;
    struct text last = {0};
    text_addf(&last,
              "event: %s\ndata: {\"seq\": null, \"kind\": \"stream.%s\", \"text\": \"%s\"}\n\n",
              type, type, why);
    push(x, last.data, last.len);
    text_reset(&last);
    x->ended = true;
    x->live = false;
}

/* ---- MHD's thread ---- */

/* Lock held: everything that was fed has been read, and the brain has more. */
static void ask_for_more(struct exchange *x)
{
    struct api *a = x->api;
    x->request.hungry = true;
    atomic_fetch_add(&x->refs, 1);
    x->lent = true;
    if (a->spec.deliver(a->spec.arg, &x->request))
        return;
    atomic_fetch_sub(&x->refs, 1);
    x->lent = false;
    follow_end(x, "cut", "too much is asked of the coordinator at once; follow again in a second");
}

static ssize_t take(struct exchange *x, char *out, size_t max)
{
    size_t len = queued(x) < max ? queued(x) : max;
    memcpy(out, x->queue.data + x->queue_read, len);
    x->queue_read += len;
    compact(x);
    return (ssize_t)len;
}

static ssize_t read_stream(void *arg, uint64_t position, char *out, size_t max)
{
    struct exchange *x = arg;
    struct api *a = x->api;
    ssize_t got = 0;
    (void)position;
    pthread_mutex_lock(&a->lock);
    if (queued(x) == 0 && !x->live && !x->lent && !x->ended)
        ask_for_more(x);
    if (queued(x) > 0) {
        got = take(x, out, max);
    } else if (x->ended) {
        got = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        x->suspended = true;
        MHD_suspend_connection(x->connection);
    }
    pthread_mutex_unlock(&a->lock);
    return got;
}

static void forget_stream(void *arg)
{
    exchange_unref(arg);
}

enum MHD_Result follow_start(struct exchange *x)
{
    atomic_fetch_add(&x->refs, 1);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, x, forget_stream);
    must(response != NULL);
    MHD_add_response_header(response, "Content-Type", "text/event-stream; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "Connection", "close"); /* nothing can follow a stream */
    enum MHD_Result result = MHD_queue_response(x->connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- the brain ---- */

bool api_follow(struct api *a, struct api_request *request, uint64_t since, uint64_t run,
                const char *server)
{
    struct exchange *x = exchange_of(request), *chain = NULL;
    pthread_mutex_lock(&a->lock);
    must(x->lent && !x->follows && !x->answered);
    bool room = a->follower_count < a->spec.followers_max;
    if (room) {
        x->follows = true;
        a->follower_count++;
        request->fed_seq = since;
        request->run = run;
        text_copy(x->server, sizeof(x->server), server);
        x->last_push_ms = a->now_ms;
        exchange_claim(x, &chain);
    }
    pthread_mutex_unlock(&a->lock);
    exchange_resume(chain);
    if (!room)
        api_answer(a, request, 503,
                   must_copy("{\"error\": {\"code\": \"unavailable\", \"text\": \"too many follow "
                             "the events already: end one of those, or ask without follow\"}}"));
    return room;
}

void api_follow_as(struct api *a, struct api_request *request, const char *who, uint64_t until_ms)
{
    struct exchange *x = exchange_of(request);
    pthread_mutex_lock(&a->lock);
    must(x->lent && x->follows);
    text_copy(x->who, sizeof(x->who), who);
    x->until_ms = until_ms;
    pthread_mutex_unlock(&a->lock);
}

void api_follow_until(struct api *a, const char *who, uint64_t until_ms)
{
    pthread_mutex_lock(&a->lock);
    for (struct exchange *x = a->all; x; x = x->next)
        if (x->follows && text_equal(x->who, who) && until_ms < x->until_ms)
            x->until_ms = until_ms;
    pthread_mutex_unlock(&a->lock);
}

void api_cut(struct api *a, const char *who)
{
    struct exchange *chain = NULL;
    pthread_mutex_lock(&a->lock);
    for (struct exchange *x = a->all; x; x = x->next) {
        if (!x->follows || x->ended || !text_equal(x->who, who))
            continue;
        follow_end(x, "cut", "what you came by was revoked");
        exchange_claim(x, &chain);
    }
    pthread_mutex_unlock(&a->lock);
    exchange_resume(chain);
}

void api_feed(struct api *a, struct api_request *request, uint64_t seq, const char *json)
{
    struct exchange *x = exchange_of(request);
    struct text event = {0};
    format_event(&event, seq, json);
    pthread_mutex_lock(&a->lock);
    must(x->lent && x->follows);
    if (!x->ended)
        push(x, event.data, event.len);
    if (seq > request->fed_seq)
        request->fed_seq = seq;
    pthread_mutex_unlock(&a->lock);
    text_reset(&event);
}

void api_fed(struct api *a, struct api_request *request, bool caught_up)
{
    struct exchange *x = exchange_of(request), *chain = NULL;
    pthread_mutex_lock(&a->lock);
    must(x->lent && x->follows);
    x->lent = false;
    x->live = caught_up && !x->ended;
    if (queued(x) > 0 || !caught_up)
        exchange_claim(x, &chain);
    pthread_mutex_unlock(&a->lock);
    exchange_resume(chain);
    exchange_unref(x);
}

static bool wants(const struct exchange *x, uint64_t run, const char *server)
{
    return x->live && (x->request.run == 0 || x->request.run == run) &&
           (x->server[0] == '\0' || text_equal(x->server, server));
}

bool api_is_followed(struct api *a, uint64_t run, const char *server)
{
    pthread_mutex_lock(&a->lock);
    const struct exchange *x = a->all;
    while (x && !wants(x, run, server))
        x = x->next;
    pthread_mutex_unlock(&a->lock);
    return x != NULL;
}

/* Lock held. */
static void push_live(struct exchange *x, const struct text *event, struct exchange **chain)
{
    if (queued(x) + event->len > x->api->spec.follower_queue_bytes)
        follow_end(
            x, "cut",
            "the events were read too slowly and the rest was dropped; follow again from the "
            "last one");
    else
        push(x, event->data, event->len);
    exchange_claim(x, chain);
}

void api_publish(struct api *a, uint64_t seq, uint64_t run, const char *server, const char *json)
{
    struct exchange *chain = NULL;
    struct text event = {0};
    pthread_mutex_lock(&a->lock);
    for (struct exchange *x = a->all; x; x = x->next) {
        if (!wants(x, run, server))
            continue;
        if (event.len == 0)
            format_event(&event, seq, json);
        push_live(x, &event, &chain);
    }
    pthread_mutex_unlock(&a->lock);
    exchange_resume(chain);
    text_reset(&event);
}

/* ---- comment lines, which keep what lies between alive and find out who is gone ---- */

static bool is_quiet(const struct exchange *x)
{
    return x->live && queued(x) == 0;
}

void api_on_time(struct api *a, uint64_t now_ms)
{
    struct exchange *chain = NULL;
    pthread_mutex_lock(&a->lock);
    a->now_ms = now_ms;
    far_sweep(a, now_ms);
    for (struct exchange *x = a->all; x; x = x->next) {
        if (x->follows && !x->ended && now_ms >= x->until_ms) {
            follow_end(x, "cut", "what you came by has expired");
            exchange_claim(x, &chain);
        }
        if (!is_quiet(x))
            continue;
        if (now_ms < x->last_push_ms + API_COMMENT_MS)
            continue;
        push(x, ":\n\n", 3);
        exchange_claim(x, &chain);
    }
    pthread_mutex_unlock(&a->lock);
    exchange_resume(chain);
}

uint64_t api_wake_ms(struct api *a)
{
    uint64_t wake_ms = UINT64_MAX;
    pthread_mutex_lock(&a->lock);
    for (const struct exchange *x = a->all; x; x = x->next) {
        if (is_quiet(x) && x->last_push_ms + API_COMMENT_MS < wake_ms)
            wake_ms = x->last_push_ms + API_COMMENT_MS;
        if (x->follows && !x->ended && x->until_ms < wake_ms)
            wake_ms = x->until_ms;
    }
    pthread_mutex_unlock(&a->lock);
    return wake_ms;
}
