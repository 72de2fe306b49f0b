/* fuzz_commands.c - a coordinator that lies, to the heart of an agent, with its journal and a
 * server on virtual time.
 *
 * An input is messages one after the other: a byte that says how true it is and what happens around
 * it, two bytes of length, and the bytes of its message. What a lie needs to be looked at (fence,
 * journal, listen, time) is put right, each unless its bit is set.
 *
 * Whatever it is told: only verbs of the allow-list are carried out, only on the pools of the list,
 * each command once; the fence in the journal never falls.
 */
#include "fuzz.h"

#include "common/must.h"
#include "proto/codec.h"
#include "tests/unit/agent/stage.h"
#include "tests/unit/proto/fields.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX 24
#define HEAD         3
#define PATTERNS     4

/* Bits of the first byte. */
#define OWN_FENCE   1u  /* the fence is what the bytes say, not the one in force */
#define OWN_JOURNAL 2u  /* and so are incarnation, listen and expiry */
#define OWN_SEQ     4u  /* and the number of the command */
#define OTHER_POOL  8u  /* the pool is what the bytes say, not one that exists and is allowed */
#define CRASH_AFTER 16u /* the agent dies, and starts again on its journal */
#define ON_TALK     32u /* it answers what was told, not the listen */
#define WAIT_AFTER  64u /* for minutes, not a second */

static const char *const pools[] = {"Shop"};

struct told {
    struct stage *stage;
    uint64_t next_seq;
    unsigned recycles; /* commands to recycle so far, each under a number of its own or not */
};

/* Messages on TALK are answered by the stage itself, so this one comes beside the point. */
static void answer(struct stage *s, uint8_t how, const struct coordinator_message *m)
{
    const struct agent_event event = {.kind = AGENT_EVENT_ANSWER,
                                      .channel =
                                          how & ON_TALK ? AGENT_CHANNEL_TALK : AGENT_CHANNEL_LISTEN,
                                      .token = s->listen_token,
                                      .message = m};
    if (!(how & ON_TALK))
        s->listening = false;
    stage_event(s, &event);
}

static void make_plausible(struct told *t, uint8_t how, struct coordinator_message *m)
{
    struct command *c = &m->command;
    if (!(how & OWN_FENCE))
        m->fence = c->id.fence = t->stage->fence;
    if (!(how & OWN_JOURNAL)) {
        c->incarnation = t->stage->incarnation;
        c->listen_no = t->stage->listen_no;
        c->expires_ms = 60000;
    }
    if (!(how & OWN_SEQ))
        c->id.seq = ++t->next_seq;
    if (!(how & OTHER_POOL) && !verb_is_of_services(c->verb) && !verb_is_of_rotation(c->verb))
        c->pool = "Shop";
    if (c->verb == VERB_RECYCLE)
        t->recycles++;
}

/* Only RECYCLE is on the list. It may stop nothing, and sets nothing. */
static void check(const struct told *t, const struct fence *before)
{
    const struct box *b = &t->stage->box;
    static const enum call_kind never[] = {
        CALL_START,        CALL_STOP,         CALL_SET_AUTOSTART,     CALL_CONFIGURE,
        CALL_WORKER_KILL,  CALL_SERVICE_STOP, CALL_SERVICE_KILL_HOST, CALL_SERVICE_SET_START,
        CALL_SERVICE_START};
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        must(b->acts[never[i]] == 0);
    must(b->acts[CALL_RECYCLE] <= t->recycles);
    must(t->stage->journal_fence.number >= before->number);
}

static void take(struct told *t, uint8_t how, const uint8_t *bytes, size_t len)
{
    struct coordinator_message *m = NULL;
    struct stage *s = t->stage;
    struct fence before = s->journal_fence;
    if (codec_decode_coordinator(bytes, len, &m, NULL) != ERR_NONE)
        return;
    make_plausible(t, how, m);
    if (s->listening)
        answer(s, how, m);
    codec_free_coordinator(m);
    check(t, &before);
    stage_run(s, how & WAIT_AFTER ? 300000 : 1000);
    if (how & CRASH_AFTER) {
        stage_crash(s);
        stage_start(s);
    }
    check(t, &before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told t = {.stage = stage_new()};
    memset(t.stage->settings.veto.verbs, 0, sizeof(t.stage->settings.veto.verbs));
    t.stage->settings.veto.verbs[VERB_RECYCLE] = true;
    t.stage->settings.veto.pools = pools;
    stage_start(t.stage);
    stage_run(t.stage, 1000);
    for (int n = 0; size > HEAD && n < MESSAGES_MAX; n++) {
        size_t len = (size_t)data[1] << 8 | data[2];
        len = len < size - HEAD ? len : size - HEAD;
        take(&t, data[0], data + HEAD, len);
        data += HEAD + len;
        size -= HEAD + len;
    }
    stage_free(t.stage);
    return 0;
}

static const enum coordinator_message_kind kinds[] = {
    COORDINATOR_NOTHING, COORDINATOR_ACK, COORDINATOR_QUARANTINED, COORDINATOR_RESEND_WHOLE};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint8_t *seed_of(const struct coordinator_message *m, uint8_t how, size_t *size)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    must(codec_encode_coordinator(m, &bytes, &len, NULL) == ERR_NONE && len <= UINT16_MAX);
    uint8_t *seed = must_alloc(len + HEAD, 1);
    seed[0] = how;
    seed[1] = (uint8_t)(len >> 8);
    seed[2] = (uint8_t)len;
    memcpy(seed + HEAD, bytes, len);
    free(bytes);
    *size = len + HEAD;
    return seed;
}

/* A command of each verb, in two patterns of its other fields; then all other messages. */
uint8_t *fuzz_seed(size_t n, size_t *size)
{
    struct coordinator_message m;
    const size_t verbs = VERB_COUNT - 1; /* without NONE */
    bool command = n < 2 * verbs;
    size_t other = n - 2 * verbs;
    if (!command && other >= KINDS * PATTERNS)
        return NULL;
    struct fill fill = {.pattern = command ? n / verbs : other / KINDS, .array_count = 2};
    fill_coordinator(&fill, command ? COORDINATOR_COMMAND : kinds[other % KINDS], &m);
    if (command) {
        m.command.verb = (enum verb)(1 + n % verbs);
        m.command.pool = "Shop";
        m.command.settings = m.command.verb == VERB_SET ? "startMode=OnDemand" : "";
        m.command.rehearse = VERB_NONE;
        m.command.piece_of = "";
    }
    uint8_t *seed = seed_of(&m, (uint8_t)(n % 3 == 2 ? CRASH_AFTER : 0), size);
    fill_reset(&fill);
    return seed;
}
