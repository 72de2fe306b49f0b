/* rig.c - see rig.h. */
#include "rig.h"

#include "common/must.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- notes ---- */

static void notes_init(struct notes *n)
{
    pthread_condattr_t attr;
    memset(n, 0, sizeof(*n));
    pthread_mutex_init(&n->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&n->more, &attr);
    pthread_condattr_destroy(&attr);
}

static void notes_reset(struct notes *n)
{
    pthread_mutex_destroy(&n->lock);
    pthread_cond_destroy(&n->more);
}

static void notes_put(struct notes *n, void *item)
{
    pthread_mutex_lock(&n->lock);
    must(n->count < RIG_NOTES);
    n->items[(n->first + n->count++) % RIG_NOTES] = item;
    pthread_cond_signal(&n->more);
    pthread_mutex_unlock(&n->lock);
}

/* NULL: nothing came in time. */
static void *notes_take(struct notes *n, uint64_t wait_ms)
{
    struct timespec until;
    void *item = NULL;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&n->lock);
    while (n->count == 0 && pthread_cond_timedwait(&n->more, &n->lock, &until) == 0)
        ;
    if (n->count > 0) {
        item = n->items[n->first];
        n->first = (n->first + 1) % RIG_NOTES;
        n->count--;
    }
    pthread_mutex_unlock(&n->lock);
    return item;
}

static size_t notes_count(struct notes *n)
{
    pthread_mutex_lock(&n->lock);
    size_t count = n->count;
    pthread_mutex_unlock(&n->lock);
    return count;
}

/* ---- the coordinator's side ---- */

static void note_link_event(void *arg, const struct link_event *event)
{
    struct centre *c = arg;
    struct centre_note *n = must_alloc(1, sizeof(*n));
    n->kind = event->kind;
    n->message = event->message;
    n->peer = event->peer;
    n->dropped = event->dropped;
    text_copy(n->address, sizeof(n->address), event->address ? event->address : "");
    text_copy(n->why, sizeof(n->why), event->why ? event->why : "");
    notes_put(&c->notes, n);
}

void centre_open_spec(struct centre *c, struct link_spec spec)
{
    struct error err = {0};
    notes_init(&c->notes);
    spec.on_event = note_link_event;
    spec.arg = c;
    if (link_open(&spec, &c->link, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

void centre_open(struct centre *c, const char *url)
{
    centre_open_spec(c, (struct link_spec){.url = url});
}

void centre_note_free(struct centre_note *n)
{
    codec_free_agent(n->message);
    free(n);
}

void centre_close(struct centre *c)
{
    struct centre_note *n;
    link_close(c->link);
    while ((n = notes_take(&c->notes, 0)))
        centre_note_free(n);
    notes_reset(&c->notes);
}

struct centre_note *centre_wait(struct centre *c, enum link_event_kind kind)
{
    struct centre_note *n;
    while ((n = notes_take(&c->notes, WAIT_MS))) {
        if (n->kind == kind)
            return n;
        centre_note_free(n);
    }
    fail_msg("no event of kind %d reached the coordinator", kind);
    return NULL;
}

size_t centre_waiting(struct centre *c)
{
    return notes_count(&c->notes);
}

void centre_reply(struct centre *c, const struct centre_note *to,
                  enum coordinator_message_kind kind)
{
    struct error err = {0};
    struct coordinator_message m = {.kind = kind, .seq = to->message->seq};
    m.fence.number = 3;
    m.command = (struct command){.id = {m.fence, 17}, .verb = VERB_RECYCLE, .pool = "Shop"};
    m.command.incarnation = to->message->incarnation;
    if (link_reply(c->link, &to->peer, &m, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

enum agent_message_kind centre_answer(struct centre *c, enum coordinator_message_kind kind)
{
    struct centre_note *n = centre_wait(c, LINK_MESSAGE);
    enum agent_message_kind asked = n->message->kind;
    centre_reply(c, n, kind);
    centre_note_free(n);
    return asked;
}

void centre_settle_pipes(struct centre *c, size_t count)
{
    struct link_figures figures = {0};
    for (int i = 0; i < WAIT_MS; i++) {
        link_figures(c->link, &figures);
        if (figures.pipes == count)
            return;
        usleep(1000); /* nng tells the end of a pipe that said nothing to nobody else */
    }
    fail_msg("%zu pipes are open, expected %zu", figures.pipes, count);
}

/* ---- the agents' side ---- */

static void note_agent_event(void *arg, const struct agent_link_event *event)
{
    struct agent *a = arg;
    struct agent_note *n = must_alloc(1, sizeof(*n));
    *n = (struct agent_note){.kind = event->kind,
                             .request = event->request,
                             .id = event->id,
                             .listen_no = event->listen_no,
                             .seq = event->seq,
                             .answer = event->answer};
    if (event->error)
        n->error = *event->error;
    notes_put(&a->notes, n);
}

void agent_open(struct agent *a, const char *url, struct agent_link_spec spec)
{
    struct error err = {0};
    notes_init(&a->notes);
    spec.url = url;
    spec.on_event = note_agent_event;
    spec.arg = a;
    spec.reconnect_min_ms = spec.reconnect_min_ms ? spec.reconnect_min_ms : 5;
    spec.reconnect_max_ms = spec.reconnect_max_ms ? spec.reconnect_max_ms : 20;
    if (agent_link_open(&spec, &a->link, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

void agent_note_free(struct agent_note *n)
{
    codec_free_coordinator(n->answer);
    free(n);
}

void agent_close(struct agent *a)
{
    struct agent_note *n;
    agent_link_close(a->link);
    while ((n = notes_take(&a->notes, 0)))
        agent_note_free(n);
    notes_reset(&a->notes);
}

struct agent_note *agent_wait(struct agent *a, enum agent_link_event_kind kind)
{
    struct agent_note *n;
    while ((n = notes_take(&a->notes, WAIT_MS))) {
        if (n->kind == kind)
            return n;
        agent_note_free(n);
    }
    fail_msg("no event of kind %d reached the agent", kind);
    return NULL;
}

struct agent_note *agent_wait_any(struct agent *a)
{
    struct agent_note *n = notes_take(&a->notes, WAIT_MS);
    if (!n)
        fail_msg("no event reached the agent");
    return n;
}

size_t agent_waiting(struct agent *a)
{
    return notes_count(&a->notes);
}

struct agent_message rig_message(enum agent_message_kind kind, uint64_t number)
{
    struct agent_message m = {.agent = "web01", .start_no = 1, .kind = kind};
    struct command_id id = {.fence = {.number = 3}, .seq = number};
    memset(m.incarnation.bytes, 0x11, sizeof(m.incarnation.bytes));
    memset(m.boot.bytes, 0x22, sizeof(m.boot.bytes));
    if (kind == AGENT_LISTEN)
        m.listen.listen_no = number;
    else if (kind == AGENT_PROGRESS)
        m.progress = (struct progress){.id = id, .step = "recycling"};
    else if (kind == AGENT_RESULT)
        m.result = (struct result){.id = id, .verb = VERB_RECYCLE, .outcome = OUTCOME_DONE};
    else if (kind == AGENT_OBSERVATION)
        m.observation = (struct observation){.id = id};
    else
        m.report.state.host.uptime_ms = number;
    return m;
}

void agent_listen(struct agent *a, uint64_t listen_no)
{
    struct error err = {0};
    struct agent_message m = rig_message(AGENT_LISTEN, listen_no);
    if (agent_link_listen(a->link, &m, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

void agent_send(struct agent *a, enum agent_message_kind kind, uint64_t number)
{
    struct error err = {0};
    struct agent_message m = rig_message(kind, number);
    if (agent_link_send(a->link, &m, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

const char *rig_ipc(char *out)
{
    static int n;
    snprintf(out, 128, "ipc:///tmp/farmhand-link-%d-%d", (int)getpid(), n++);
    return out;
}
