/* stream.c - see stream.h. The thread shares only the mailbox and two flags with its reader. */
#include "coordinator/cli/stream.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX   4096
#define GIVE_UP_MS  60000
#define RETRY_MS    500
#define SILENT_MS   45000 /* a comment comes every 15 s: three missed are a broken stream */
#define ERROR_MAX   65536
#define FOR_EVER_MS UINT64_C(0x7fffffffffffff)

struct letter {
    enum stream_news news;
    json_t *event;
};

struct stream {
    struct way way;
    char *query;
    struct mailbox *box;
    atomic_bool closing;
    atomic_int owners; /* reader and thread: the last one to leave frees */
    /* the thread's own: */
    uint64_t since;
    uint64_t give_up_ms;
    bool lost;
    uint64_t heard_ms; /* when something came last */
    struct sse sse;
};

static void release_letter(void *memory)
{
    struct letter *letter = memory;
    json_decref(letter->event);
    free(letter);
}

static void leave(struct stream *s)
{
    if (atomic_fetch_sub(&s->owners, 1) > 1)
        return;
    mailbox_close(s->box);
    sse_reset(&s->sse);
    free(s->query);
    free(s);
}

/* Waits while the reader is slow: the coordinator then waits too. */
static void tell(struct stream *s, enum stream_news news, json_t *event)
{
    struct letter *letter = must_alloc(1, sizeof(*letter));
    letter->news = news;
    letter->event = event;
    while (!mailbox_post(s->box, letter)) {
        if (atomic_load(&s->closing)) {
            release_letter(letter);
            return;
        }
        clock_sleep_ms(10);
    }
}

static void heard(struct stream *s)
{
    s->heard_ms = clock_boot_ms();
    if (s->lost)
        tell(s, STREAM_BACK, NULL);
    s->lost = false;
}

static void on_event(void *arg, const char *data)
{
    struct stream *s = arg;
    json_t *event = json_loads(data, 0, NULL);
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(event, "seq"));
    /* Without a number it speaks of the stream itself, which ends then and is dialled again; one
     * that is not newer was seen before the connection broke. */
    if (!json_is_object(event) || seq <= s->since) {
        json_decref(event);
        return;
    }
    s->since = seq;
    tell(s, STREAM_EVENT, event);
}

static bool on_data(void *arg, const char *bytes, size_t len)
{
    struct stream *s = arg;
    heard(s);
    return sse_feed(&s->sse, bytes, len, on_event, s) && !atomic_load(&s->closing);
}

static bool go_on(void *arg)
{
    struct stream *s = arg;
    return !atomic_load(&s->closing) && clock_boot_ms() - s->heard_ms < SILENT_MS;
}

/* One connection, to its end. false: no use in another one. */
static bool connect_once(struct stream *s)
{
    struct text url = {0};
    struct http_reply reply = {0};
    const char *headers[WAY_HEADERS_MAX];
    text_addf(&url, "%s/v1/events?follow=1&since=%llu%s%s", s->way.base,
              (unsigned long long)s->since, s->query[0] ? "&" : "", s->query);
    struct http_call call = {.method = "GET",
                             .url = text_get(&url),
                             .timeout_ms = FOR_EVER_MS,
                             .response_max_bytes = ERROR_MAX,
                             .on_data = on_data,
                             .on_data_arg = s,
                             .go_on = go_on};
    way_go(&s->way, "Accept: text/event-stream", headers, &call);
    uint64_t heard_before_ms = s->heard_ms;
    s->heard_ms = clock_boot_ms();
    enum error_code code = http_request(&call, &reply, NULL);
    text_reset(&url);
    sse_reset(&s->sse);
    bool answered = code == ERR_NONE && reply.status >= 200 && reply.status < 300;
    bool refused = code == ERR_NONE && reply.status >= 400 && reply.status < 500;
    if (!answered && !refused && s->lost)
        s->heard_ms = heard_before_ms; /* still nothing: the 60 seconds go on */
    if (refused)
        tell(s, STREAM_REFUSED, json_loads(reply.body ? reply.body : "", 0, NULL));
    free(reply.body);
    return !refused;
}

static void *stream_run(void *arg)
{
    struct stream *s = arg;
    s->heard_ms = clock_boot_ms();
    while (!atomic_load(&s->closing) && connect_once(s) && !atomic_load(&s->closing)) {
        if (!s->lost) {
            s->lost = true;
            s->heard_ms = clock_boot_ms();
            tell(s, STREAM_LOST, NULL);
        } else if (clock_boot_ms() - s->heard_ms > s->give_up_ms) {
            tell(s, STREAM_GONE, NULL);
            break;
        }
        clock_sleep_ms(RETRY_MS);
    }
    leave(s);
    return NULL;
}

struct stream *stream_open(const struct way *way, const char *query, uint64_t since,
                           uint64_t give_up_ms)
{
    struct stream *s = must_alloc(1, sizeof(*s));
    pthread_t thread;
    s->way = *way;
    s->query = must_copy(query);
    s->since = since;
    s->give_up_ms = give_up_ms;
    s->box = mailbox_open(QUEUE_MAX, release_letter);
    atomic_store(&s->owners, 2);
    must(pthread_create(&thread, NULL, stream_run, s) == 0);
    pthread_detach(thread);
    return s;
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    atomic_store(&s->closing, true);
    leave(s);
}

enum stream_news stream_next(struct stream *s, uint64_t wait_ms, json_t **event)
{
    struct letter *letter = mailbox_take(s->box, clock_boot_ms() + wait_ms);
    *event = NULL;
    if (!letter)
        return STREAM_NOTHING;
    enum stream_news news = letter->news;
    *event = letter->event;
    free(letter);
    return news;
}
