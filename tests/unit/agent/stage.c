/* stage.c - see stage.h. */
#include "tests/unit/agent/stage.h"

#include "common/must.h"
#include "proto/codec.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const all_pools[] = {"*"};

void stage_tell(struct stage *s, const char *fmt, ...)
{
    char line[1400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    text_addf(&s->story, "%3" PRIu64 ".%03" PRIu64 " %s\n", s->now_ms / 1000, s->now_ms % 1000,
              line);
}

struct stage *stage_new(void)
{
    struct stage *s = must_alloc(1, sizeof(*s));
    box_init(&s->box);
    memset(s->incarnation.bytes, 7, 16);
    memset(s->boot.bytes, 9, 16);
    s->fence.number = 5;
    memset(s->fence.instance.bytes, 5, 16);
    s->settings = (struct agent_settings){
        .name = "web01",
        .heartbeat_ms = 15000,
        .beat_ms = 1000,
        .look_every_ms = 300000,
        .veto = {.profile = PROFILE_OPERATE_SERVICES, .pools = all_pools, .pool_count = 1},
    };
    s->settings.veto.verbs[VERB_RECYCLE] = true;
    s->settings.veto.verbs[VERB_START] = true;
    s->settings.veto.verbs[VERB_STOP] = true;
    s->settings.veto.verbs[VERB_SET] = true;
    recipe_limits_init(&s->settings.recipe);
    s->quiet_reports = true;
    return s;
}

void stage_free(struct stage *s)
{
    agent_free(s->agent);
    for (size_t i = 0; i < s->journal_count; i++)
        record_free(s->journal[i]);
    text_reset(&s->story);
    free(s);
}

/* ---- the journal ---- */

static struct record *find(struct stage *s, const struct command_id *id)
{
    for (size_t i = 0; i < s->journal_count; i++)
        if (command_id_equal(&s->journal[i]->id, id))
            return s->journal[i];
    return NULL;
}

static void put(struct stage *s, const struct record *record)
{
    struct record *copy = record_copy(record);
    for (size_t i = 0; i < s->journal_count; i++) {
        if (!command_id_equal(&s->journal[i]->id, &record->id))
            continue;
        record_free(s->journal[i]);
        s->journal[i] = copy;
        return;
    }
    must(s->journal_count < STAGE_RECORDS);
    s->journal[s->journal_count++] = copy;
}

static const char *write_name(enum journal_write_kind kind)
{
    static const char *const names[] = {
        [JOURNAL_FENCE] = "fence",       [JOURNAL_LAST] = "last",
        [JOURNAL_RECEIVED] = "received", [JOURNAL_BEGUN] = "begun",
        [JOURNAL_ENDED] = "ended",       [JOURNAL_ACKNOWLEDGED] = "acknowledged",
        [JOURNAL_HEALTHY] = "healthy",   [JOURNAL_NOTED] = "noted"};
    must(kind < sizeof(names) / sizeof(names[0]));
    return names[kind];
}

static void write_journal(struct stage *s, const struct journal_write *write)
{
    if (write->kind == JOURNAL_FENCE) {
        if (!fence_equal(&s->journal_fence, &write->fence))
            s->journal_last = (struct command_id){.fence = write->fence};
        s->journal_fence = write->fence;
    }
    if (write->kind != JOURNAL_FENCE && write->kind != JOURNAL_ACKNOWLEDGED &&
        write->kind != JOURNAL_NOTED && write->id.seq > s->journal_last.seq)
        s->journal_last = write->id;
    if (write->kind == JOURNAL_RECEIVED || write->kind == JOURNAL_BEGUN ||
        write->kind == JOURNAL_ENDED)
        put(s, write->record);
    if (write->kind == JOURNAL_NOTED) {
        text_copy(s->noted, sizeof(s->noted), write->record->detail);
        s->noted_count++;
    }
    if (write->kind == JOURNAL_ACKNOWLEDGED)
        find(s, &write->id)->acknowledged = true;
}

/* ---- effects ---- */

static void tell_message(struct stage *s, const struct agent_message *m)
{
    char since[TEXT_DURATION_MAX];
    switch (m->kind) {
    case AGENT_LISTEN:
        stage_tell(s, "-> listen, last %" PRIu64 "%s", m->listen.last.seq,
                   m->listen.running.seq ? ", running" : "");
        return;
    case AGENT_REPORT:
        if (!s->quiet_reports)
            stage_tell(s, "-> report %s, %zu workers, %s old%s%s",
                       m->report.state.whole ? "whole" : "small", m->report.state.worker_count,
                       text_format_duration(since, m->report.state.age_ms),
                       m->report.state.trouble[0] ? ": " : "", m->report.state.trouble);
        return;
    case AGENT_PROGRESS:
        stage_tell(s, "-> progress %" PRIu64 ": %s", m->progress.id.seq, m->progress.step);
        return;
    case AGENT_RESULT:
        stage_tell(s, "-> result %" PRIu64 ": %s (%s): %s", m->result.id.seq,
                   outcome_name(m->result.outcome), cause_name(m->result.cause), m->result.detail);
        return;
    case AGENT_OBSERVATION:
        stage_tell(s, "-> observation %" PRIu64 ": %s, %s with %zu workers%s",
                   m->observation.id.seq, cause_name(m->observation.cause),
                   pool_state_name(m->observation.pool.state), m->observation.worker_count,
                   m->observation.probed
                       ? m->observation.probe_passed ? ", probe passed" : ", probe failed"
                       : "");
        return;
    case AGENT_RENEW:
        break; /* the shell's own */
    }
}

static void take_message(struct stage *s, const struct agent_message *m)
{
    switch (m->kind) {
    case AGENT_LISTEN:
        s->listen = m->listen;
        s->listen_no = m->listen.listen_no;
        must(s->listen_no > s->last_listen_no);
        s->last_listen_no = s->listen_no;
        return;
    case AGENT_REPORT:
        s->reports++;
        s->whole_reports += m->report.state.whole;
        s->last_state = m->report.state;
        text_copy(s->last_trouble, sizeof(s->last_trouble), m->report.state.trouble);
        return;
    case AGENT_PROGRESS:
        s->progresses++;
        return;
    case AGENT_RESULT:
        s->results++;
        s->last_result = m->result;
        text_copy(s->result_detail, sizeof(s->result_detail), m->result.detail);
        s->last_result.detail = s->result_detail;
        return;
    case AGENT_OBSERVATION:
        s->observations++;
        s->last_observation = m->observation;
        return;
    case AGENT_RENEW:
        break;
    }
}

struct due {
    bool set;
    struct agent_event event;
    struct coordinator_message message;
};

static void answer_talk(struct stage *s, uint64_t token, struct due *due)
{
    due->set = true;
    due->message = (struct coordinator_message){
        .version = WIRE_VERSION, .fence = s->fence, .kind = COORDINATOR_ACK, .detail = ""};
    if (s->quarantines) {
        due->message.kind = COORDINATOR_QUARANTINED;
        due->message.detail = "new journal";
    }
    if (s->resend_whole)
        due->message.kind = COORDINATOR_RESEND_WHOLE;
    s->resend_whole = false;
    due->event = (struct agent_event){
        .kind = AGENT_EVENT_ANSWER, .channel = AGENT_CHANNEL_TALK, .token = token};
}

/* Whatever the heart says has to fit the wire. */
static void must_encode(const struct agent_message *message)
{
    struct error err = {0};
    uint8_t *bytes;
    size_t len;
    if (codec_encode_agent(message, &bytes, &len, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    free(bytes);
}

static void execute_send(struct stage *s, const struct agent_effect *effect, struct due *talk)
{
    must_encode(&effect->send.message);
    tell_message(s, &effect->send.message);
    take_message(s, &effect->send.message);
    if (effect->send.channel == AGENT_CHANNEL_LISTEN) {
        s->listening = true;
        s->listen_token = effect->send.token;
        s->listen_sent_ms = s->now_ms;
    } else if (!s->deaf) {
        answer_talk(s, effect->send.token, talk);
    }
}

static bool execute_journal(struct stage *s, const struct journal_write *write,
                            struct agent_event *answer)
{
    s->writes++;
    if (s->crash_after_writes && s->writes > s->crash_after_writes)
        return false;
    stage_tell(s, "   journal %s %" PRIu64 "%s", write_name(write->kind), write->id.seq,
               s->journal_full ? ": full" : "");
    *answer = (struct agent_event){.kind = AGENT_EVENT_JOURNALED};
    bool fails = s->journal_full || s->failing_writes > 0;
    if (s->failing_writes > 0)
        s->failing_writes--;
    if (fails) {
        answer->code = ERR_FULL;
        answer->text = "disk full";
    } else {
        write_journal(s, write);
    }
    return true;
}

static struct agent_event execute_keepalive(struct stage *s, enum keepalive_op op)
{
    static const char *const words[] = {"look", "remove", "put"};
    if (op != KEEPALIVE_OP_LOOK)
        stage_tell(s, "   file %s%s", words[op], s->file_fails ? ": fails" : "");
    if (op != KEEPALIVE_OP_LOOK && !s->file_fails)
        s->file = op == KEEPALIVE_OP_PUT;
    return (struct agent_event){.kind = AGENT_EVENT_KEEPALIVE,
                                .present = s->file,
                                .code = s->file_fails ? ERR_DENIED : ERR_NONE,
                                .text = s->file_fails ? "not allowed" : NULL};
}

static void execute(struct stage *s, const struct agent_effects *effects)
{
    struct agent_event answers[16];
    size_t answer_count = 0;
    struct due talk = {0};
    for (size_t i = 0; i < effects->count && !s->crashed; i++) {
        const struct agent_effect *effect = &effects->items[i];
        switch (effect->kind) {
        case EFFECT_JOURNAL:
            must(answer_count < 16);
            s->crashed = !execute_journal(s, &effect->journal, &answers[answer_count]);
            answer_count++;
            break;
        case EFFECT_RECALL:
            answers[answer_count++] = (struct agent_event){.kind = AGENT_EVENT_RECALLED,
                                                           .record = find(s, &effect->recall)};
            break;
        case EFFECT_CALL:
            must(!s->calling);
            s->calling = true;
            s->call = effect->call;
            s->call_ends_ms = s->now_ms + box_duration(&s->box, &effect->call);
            if (effect->call.kind != CALL_BEAT && effect->call.kind != CALL_LOOK)
                stage_tell(s, "   call %s", call_name(effect->call.kind));
            break;
        case EFFECT_SEND:
            execute_send(s, effect, &talk);
            break;
        case EFFECT_HANGUP:
            s->hangups++;
            s->listening = false;
            stage_tell(s, "   hang up");
            break;
        case EFFECT_KEEPALIVE:
            must(answer_count < 16);
            answers[answer_count++] = execute_keepalive(s, effect->keepalive);
            break;
        case EFFECT_NOTE:
            break;
        }
    }
    for (size_t i = 0; i < answer_count && !s->crashed; i++)
        stage_event(s, &answers[i]);
    if (talk.set && !s->crashed) {
        talk.event.message = &talk.message;
        stage_event(s, &talk.event);
    }
}

void stage_event(struct stage *s, const struct agent_event *event)
{
    struct agent_effects effects = agent_handle(s->agent, event, s->now_ms);
    execute(s, &effects);
}

/* ---- life ---- */

static void remember(struct stage *s, struct agent_memory *memory, struct record **open,
                     struct record **unacknowledged)
{
    *memory = (struct agent_memory){.incarnation = s->incarnation,
                                    .start_no = ++s->start_no,
                                    .fence = s->journal_fence,
                                    .last = s->journal_last,
                                    .open = open,
                                    .unacknowledged = unacknowledged};
    for (size_t i = 0; i < s->journal_count; i++) {
        struct record *record = s->journal[i];
        if (verb_is_of_rotation(record->verb) && record->outcome != OUTCOME_REFUSED)
            memory->drained = record->verb == VERB_DRAIN;
        if (record->state != RECORD_ENDED)
            open[memory->open_count++] = record_copy(record);
        else if (!record->acknowledged)
            unacknowledged[memory->unacknowledged_count++] = record_copy(record);
    }
}

void stage_start(struct stage *s)
{
    struct record *open[STAGE_RECORDS], *unacknowledged[STAGE_RECORDS];
    struct agent_memory memory;
    remember(s, &memory, open, unacknowledged);
    s->crashed = false;
    s->crash_after_writes = 0;
    s->agent = agent_new(&s->settings, &memory, &s->boot, s->now_ms);
    stage_event(s, &(struct agent_event){.kind = AGENT_EVENT_TICK});
    stage_link(s, true);
    stage_run(s, 1000);
}

void stage_crash(struct stage *s)
{
    agent_free(s->agent);
    s->agent = NULL;
    if (s->calling && call_acts(s->call.kind)) {
        struct call_result lost;
        box_call(&s->box, &s->call, s->now_ms, &lost);
    }
    s->calling = false;
    s->listening = false;
    stage_tell(s, "   the agent dies");
}

void stage_link(struct stage *s, bool up)
{
    if (!up)
        s->listening = false;
    stage_event(s, &(struct agent_event){.kind = up ? AGENT_EVENT_LINK_UP : AGENT_EVENT_LINK_DOWN});
}

static void finish_call(struct stage *s)
{
    struct call_result result;
    s->calling = false;
    box_call(&s->box, &s->call, s->now_ms, &result);
    stage_event(s, &(struct agent_event){.kind = AGENT_EVENT_CALLED, .result = &result});
}

/* The coordinator answers a parked listen with nothing after 20 s. */
static void answer_nothing(struct stage *s)
{
    struct coordinator_message nothing = {.version = WIRE_VERSION,
                                          .fence = s->fence,
                                          .kind = s->quarantines ? COORDINATOR_QUARANTINED
                                                                 : COORDINATOR_NOTHING,
                                          .detail = "new journal"};
    s->listening = false;
    stage_event(s, &(struct agent_event){.kind = AGENT_EVENT_ANSWER,
                                         .channel = AGENT_CHANNEL_LISTEN,
                                         .token = s->listen_token,
                                         .message = &nothing});
}

void stage_run(struct stage *s, uint64_t ms)
{
    uint64_t until_ms = s->now_ms + ms;
    while (!s->crashed) {
        uint64_t parks_ms = s->quarantines ? 0 : 20000;
        uint64_t parked_ms = s->listening && !s->deaf ? s->listen_sent_ms + parks_ms : UINT64_MAX;
        uint64_t next_ms = agent_deadline(s->agent);
        if (s->calling && s->call_ends_ms < next_ms)
            next_ms = s->call_ends_ms;
        if (parked_ms < next_ms)
            next_ms = parked_ms;
        if (next_ms > until_ms)
            break;
        if (next_ms > s->now_ms)
            s->now_ms = next_ms;
        if (s->calling && s->call_ends_ms <= s->now_ms)
            finish_call(s);
        else if (parked_ms <= s->now_ms)
            answer_nothing(s);
        else
            stage_event(s, &(struct agent_event){.kind = AGENT_EVENT_TICK});
    }
    if (!s->crashed && until_ms > s->now_ms)
        s->now_ms = until_ms;
}

void stage_settle(struct stage *s)
{
    for (int i = 0; i < 36000 && !s->crashed && !agent_is_quiet(s->agent); i++)
        stage_run(s, 100);
}

struct command stage_command(const struct stage *s, enum verb verb, uint64_t seq)
{
    return (struct command){
        .id = {.fence = s->fence, .seq = seq},
        .incarnation = s->incarnation,
        .nonce = {{(uint8_t)seq}},
        .verb = verb,
        .pool = "Shop",
        .listen_no = s->listen_no,
        .expires_ms = 60000,
        .actor = "ann",
        .reason = "test",
    };
}

void stage_give(struct stage *s, const struct command *command)
{
    must(s->listening);
    struct coordinator_message message = {.version = WIRE_VERSION,
                                          .fence = s->fence,
                                          .kind = COORDINATOR_COMMAND,
                                          .command = *command,
                                          .detail = ""};
    s->listening = false;
    stage_tell(s, "<- %s %" PRIu64, verb_name(command->verb), command->id.seq);
    stage_event(s, &(struct agent_event){.kind = AGENT_EVENT_ANSWER,
                                         .channel = AGENT_CHANNEL_LISTEN,
                                         .token = s->listen_token,
                                         .message = &message});
}
