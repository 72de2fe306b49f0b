/* desk.c - see desk.h. */
#include "tests/unit/agent/desk.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RESULT_WAIT_MS 120000 /* of an act that may have to wait for others */

struct letter {
    struct agent_message *message;
    struct link_peer peer;
};

static void letter_free(void *memory)
{
    struct letter *letter = memory;
    codec_free_agent(letter->message);
    free(letter);
}

static void on_event(void *arg, const struct link_event *event)
{
    struct desk *d = arg;
    if (event->kind != LINK_MESSAGE)
        return;
    struct letter *letter = must_alloc(1, sizeof(*letter));
    letter->message = event->message;
    letter->peer = event->peer;
    if (!mailbox_post(d->letters, letter))
        letter_free(letter);
}

void desk_open(struct desk *d)
{
    struct error err = {0};
    memset(d, 0, sizeof(*d));
    d->fence.number = 1;
    memset(d->fence.instance.bytes, 0x5a, sizeof(d->fence.instance.bytes));
    d->letters = mailbox_open(1024, letter_free);
    const struct link_spec spec = {.url = "tcp://127.0.0.1:0", .on_event = on_event, .arg = d};
    if (link_open(&spec, &d->link, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

void desk_close(struct desk *d)
{
    link_close(d->link);
    mailbox_close(d->letters);
    codec_free_agent(d->listen);
}

static void reply(struct desk *d, const struct link_peer *to, uint64_t seq,
                  enum coordinator_message_kind kind, const struct command *command)
{
    static const struct command none = {.pool = "", .actor = "", .reason = ""};
    struct error err = {0};
    struct coordinator_message message = {.version = WIRE_VERSION,
                                          .fence = d->fence,
                                          .kind = kind,
                                          .seq = seq,
                                          .command = command ? *command : none,
                                          .detail = ""};
    if (link_reply(d->link, to, &message, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

static void park(struct desk *d, struct letter *letter)
{
    codec_free_agent(d->listen);
    d->listen = letter->message;
    d->listen_peer = letter->peer;
    d->listening = true;
    letter->message = NULL;
}

/* One letter; gives the message back unless it was a listen. */
static struct agent_message *step(struct desk *d, uint64_t deadline_ms)
{
    struct letter *letter = mailbox_take(d->letters, deadline_ms);
    if (!letter)
        return NULL;
    struct agent_message *message = letter->message;
    if (message->kind == AGENT_LISTEN) {
        park(d, letter);
        message = NULL;
    } else {
        reply(d, &letter->peer, message->seq, COORDINATOR_ACK, NULL);
        letter->message = NULL;
        d->reports += message->kind == AGENT_REPORT;
        d->whole_reports += message->kind == AGENT_REPORT && message->report.state.whole;
        d->progresses += message->kind == AGENT_PROGRESS;
    }
    letter_free(letter);
    return message;
}

struct agent_message *desk_wait(struct desk *d, enum agent_message_kind kind)
{
    uint64_t deadline_ms = clock_boot_ms() + DESK_WAIT_MS;
    while (clock_boot_ms() < deadline_ms) {
        struct agent_message *message = step(d, deadline_ms);
        if (message && message->kind == kind)
            return message;
        codec_free_agent(message);
    }
    fail_msg("no message of kind %d came", kind);
    return NULL;
}

struct agent_message *desk_wait_whole(struct desk *d)
{
    for (;;) {
        struct agent_message *message = desk_wait(d, AGENT_REPORT);
        if (message->report.state.whole)
            return message;
        codec_free_agent(message);
    }
}

uint64_t desk_command(struct desk *d, enum verb verb, const char *pool, bool probe)
{
    uint64_t deadline_ms = clock_boot_ms() + DESK_WAIT_MS;
    while (!d->listening && clock_boot_ms() < deadline_ms)
        codec_free_agent(step(d, deadline_ms));
    if (!d->listening)
        fail_msg("the agent does not listen");
    struct command command = {
        .id = {.fence = d->fence, .seq = ++d->seq},
        .incarnation = d->listen->incarnation,
        .nonce = {{1, 2, 3, (uint8_t)d->seq}},
        .verb = verb,
        .pool = pool,
        .listen_no = d->listen->listen.listen_no,
        .expires_ms = 60000,
        .probe = probe,
        .actor = "test",
        .reason = "test",
    };
    d->listening = false;
    reply(d, &d->listen_peer, d->listen->seq, COORDINATOR_COMMAND, &command);
    return d->seq;
}

struct agent_message *desk_result(struct desk *d, uint64_t seq)
{
    uint64_t deadline_ms = clock_boot_ms() + RESULT_WAIT_MS;
    while (clock_boot_ms() < deadline_ms) {
        struct agent_message *message = step(d, deadline_ms);
        if (message && message->kind == AGENT_RESULT && message->result.id.seq == seq)
            return message;
        codec_free_agent(message);
    }
    fail_msg("no result of command %llu came", (unsigned long long)seq);
    return NULL;
}

struct agent_message *desk_act(struct desk *d, enum verb verb, const char *pool, bool probe)
{
    return desk_result(d, desk_command(d, verb, pool, probe));
}
