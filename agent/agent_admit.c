/* agent_admit.c - see agent_internal.h: fences, and what becomes of a command that arrives.
 *
 *   arrive ──► fence of the message in force? a higher one is journaled first
 *     │
 *     ├─ OBSERVE, QUERY, ROTATION: the last number is journaled, then answered
 *     ├─ DRAIN, READY: as below, but beside what is in hand (agent_rotate.c)
 *     └─ all others: known? answered from the journal
 *                              refused? journaled as ended, so that a repeat is refused as well
 *                              else     journaled as received, then in hand
 *
 * Refusals for a wrong fence, incarnation or verb are not journaled: a repeat meets the same
 * refusal, and nobody without authority may fill this disk. The audit trail has one of them a
 * minute, with the number of those that it has not.
 */
#include "agent/agent_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

/* ---- fences ---- */

bool agent_fence_in_force(const struct agent *a, const struct fence *fence)
{
    return fence->number > 0 && fence_equal(fence, &a->fence);
}

void agent_accept_fence(struct agent *a, const struct fence *fence)
{
    if (fence->number <= a->fence.number)
        return;
    a->fence = *fence;
    a->fence_written = false;
    a->last = (struct command_id){.fence = *fence};
    agent_journal(a, JOURNAL_FENCE, NULL, NULL);
    agent_note(a, AGENT_NOTE_INFO, "fence_accepted", &a->last, NULL,
               "a coordinator with fence %llu is in charge", (unsigned long long)fence->number);
}

/* ---- refusals ---- */

static struct record *refused_record(const struct command *command, enum cause cause,
                                     const char *detail)
{
    struct record *record = record_new(command);
    record->state = RECORD_ENDED;
    record->outcome = OUTCOME_REFUSED;
    record->cause = cause;
    clean_text(record->detail, sizeof(record->detail), detail);
    return record;
}

static void note_refused(struct agent *a, const struct command *command, enum cause cause,
                         const char *detail)
{
    agent_note(a, AGENT_NOTE_WARN, "command_refused", &command->id, command->pool, "%s (%s): %s",
               verb_name(command->verb), cause_name(cause), detail);
}

/* In the audit trail alone. */
static void audit_refused(struct agent *a, const struct command *command, enum cause cause,
                          const char *detail, uint64_t now_ms)
{
    char said[WIRE_TEXT_MAX];
    if (a->refusal_noted_ms != 0 && now_ms - a->refusal_noted_ms < REFUSALS_EVERY_MS) {
        a->refusals_left_out++;
        return;
    }
    text_copy(said, sizeof(said), detail);
    if (a->refusals_left_out > 0)
        text_format(said, sizeof(said), "%.900s (and %llu others before it)", detail,
                    (unsigned long long)a->refusals_left_out);
    a->refusal_noted_ms = now_ms ? now_ms : 1;
    a->refusals_left_out = 0;
    agent_journal(a, JOURNAL_NOTED, refused_record(command, cause, said), NULL);
}

/* Told, but not journaled. */
static void refuse_lightly(struct agent *a, enum cause cause, const char *detail, uint64_t now_ms)
{
    const struct command *command = &a->arriving.command;
    note_refused(a, command, cause, detail);
    audit_refused(a, command, cause, detail, now_ms);
    if (command->verb == VERB_OBSERVE || command->verb == VERB_ROTATION)
        agent_refuse_observe(a, command, cause, detail, now_ms);
    else
        agent_answer_result(a, refused_record(command, cause, detail), &command->nonce, now_ms);
    a->arriving.stage = ARRIVING_NONE;
}

/* Told and journaled. */
static void refuse(struct agent *a, enum cause cause, const char *detail)
{
    const struct command *command = &a->arriving.command;
    note_refused(a, command, cause, detail);
    if (command->id.seq > a->last.seq)
        a->last = command->id;
    agent_keep_result(a, refused_record(command, cause, detail));
    a->arriving.stage = ARRIVING_NONE;
}

/* ---- arrival ---- */

static uint64_t expiry_of(const struct agent *a, const struct command *command)
{
    for (size_t i = 0; i < LISTENS_KEPT; i++)
        if (command->listen_no != 0 && a->listens[i].no == command->listen_no)
            return a->listens[i].sent_ms + command->expires_ms;
    return 0;
}

void agent_arrive(struct agent *a, const struct command *command, uint64_t now_ms)
{
    struct arriving *in = &a->arriving;
    (void)now_ms;
    must(in->stage == ARRIVING_NONE);
    in->stage = ARRIVING_FENCED;
    in->command = *command;
    text_copy(in->pool, sizeof(in->pool), command->pool);
    text_copy(in->actor, sizeof(in->actor), command->actor);
    text_copy(in->reason, sizeof(in->reason), command->reason);
    text_copy(in->settings, sizeof(in->settings), command->settings ? command->settings : "");
    text_copy(in->piece_of, sizeof(in->piece_of), command->piece_of ? command->piece_of : "");
    in->command.settings = in->settings;
    in->command.piece_of = in->piece_of;
    in->command.pool = in->pool;
    in->command.actor = in->actor;
    in->command.reason = in->reason;
    in->expires_at_ms = expiry_of(a, command);
}

static bool lacks_authority(struct agent *a, uint64_t now_ms)
{
    const struct command *command = &a->arriving.command;
    char why[WIRE_TEXT_MAX];
    if (!agent_fence_in_force(a, &command->id.fence)) {
        text_format(
            why, sizeof(why), "the command carries fence %llu, fence %llu%s is in force here",
            (unsigned long long)command->id.fence.number, (unsigned long long)a->fence.number,
            command->id.fence.number == a->fence.number ? " of another coordinator" : "");
        refuse_lightly(a, CAUSE_FENCE, why, now_ms);
        return true;
    }
    if (wire_id_equal(&command->incarnation, &a->incarnation))
        return false;
    refuse_lightly(a, CAUSE_INCARNATION,
                   "the command is meant for another journal than this agent has: it was "
                   "reinstalled, cloned or restored",
                   now_ms);
    return true;
}

static bool is_expired(const struct agent *a, uint64_t now_ms, char *why, size_t size)
{
    const struct arriving *in = &a->arriving;
    if (in->expires_at_ms == 0)
        text_format(why, size, "the command answers a listen that this agent did not send of late");
    else if (now_ms >= in->expires_at_ms)
        text_format(why, size, "the command came %u ms after its time",
                    (unsigned)(now_ms - in->expires_at_ms));
    else
        return false;
    return true;
}

/* A piece that does not follow the one before it, of the same dump: a fetch begins, wherever. */
static bool begins_fetch(struct agent *a, const struct command *command)
{
    bool follows =
        text_equal(a->handed_out, command->piece_of) && command->piece_at >= a->handed_at;
    text_copy(a->handed_out, sizeof(a->handed_out), command->piece_of);
    a->handed_at = command->piece_at;
    return !follows || command->piece_at == 0;
}

/* Memory of a worker leaves this server: a row for each fetch, not for each of its pieces. */
static void audit_dump(struct agent *a, const struct command *command)
{
    bool piece = command->piece_of && command->piece_of[0] != '\0';
    if (command->verb != VERB_OBSERVE || !(command->dump || (piece && begins_fetch(a, command))))
        return;
    struct record *record = record_new(command);
    if (piece)
        text_format(record->detail, sizeof(record->detail), "the dump %.200s is fetched",
                    command->piece_of);
    else
        text_format(record->detail, sizeof(record->detail), "worker %lu is dumped",
                    (unsigned long)command->worker_pid);
    agent_journal(a, JOURNAL_NOTED, record, NULL);
}

static void admit_read(struct agent *a, uint64_t now_ms)
{
    struct arriving *in = &a->arriving;
    char why[WIRE_TEXT_MAX];
    if (is_expired(a, now_ms, why, sizeof(why))) {
        refuse_lightly(a, CAUSE_EXPIRED, why, now_ms);
        return;
    }
    bool is_query = in->command.verb == VERB_QUERY;
    const struct command_id *about = &in->command.about;
    if (is_query && fence_equal(&about->fence, &in->command.id.fence) &&
        about->seq >= in->command.id.seq) {
        refuse_lightly(a, CAUSE_UNSUPPORTED, "the question is about a command after itself",
                       now_ms);
        return;
    }
    /* A question changes nothing, and whoever asks it anew loses nothing: no synced write for it,
     * unless the journal is in trouble: then it is a try. */
    if (in->command.id.seq > a->last.seq) {
        a->last = in->command.id;
        if (in->command.verb != VERB_OBSERVE || a->journal_retry_ms != 0)
            agent_journal(a, JOURNAL_LAST, NULL, &a->last);
    }
    if (is_query) {
        in->stage = ARRIVING_WAITS;
        agent_effect_add(a, EFFECT_RECALL)->recall = *about;
        a->recalls++;
        return;
    }
    audit_dump(a, &in->command);
    if (in->command.verb == VERB_ROTATION)
        agent_rotate_ask(a, agent_new_observation(&in->command), now_ms);
    else
        agent_observe(a, in, now_ms);
    in->stage = ARRIVING_NONE;
}

/* What forbids a new act; CAUSE_NONE: nothing. */
static enum cause act_forbidden(struct agent *a, uint64_t now_ms, char *why, size_t size)
{
    const struct command *command = &a->arriving.command;
    bool disruptive = verb_is_disruptive(command->verb);
    if (is_expired(a, now_ms, why, size))
        return CAUSE_EXPIRED;
    if (a->winding_down) {
        text_copy(why, size, "this agent is being stopped");
        return CAUSE_DENIED_BY_AGENT;
    }
    if (!veto_allows(a->veto, command->verb, command->pool, now_ms, why, size))
        return CAUSE_DENIED_BY_AGENT;
    if (a->hand.record || a->resumable_count > 0) {
        const struct record *other = a->hand.record ? a->hand.record : a->resumable[0];
        text_format(why, size, "%s%s%s is in hand", verb_name(other->verb),
                    other->pool[0] ? " of pool " : "", other->pool);
        return CAUSE_BUSY;
    }
    if (disruptive && (!a->fence_written || a->journal_retry_ms != 0)) {
        text_copy(why, size,
                  "the agent's journal cannot be written: make room on the disk of its "
                  "data_dir, or mend its rights; see the agent's log");
        return CAUSE_JOURNAL;
    }
    return CAUSE_NONE;
}

/* What forbids a DRAIN or READY; its file being configured is the owner's consent. */
static enum cause rotation_forbidden(struct agent *a, uint64_t now_ms, char *why, size_t size)
{
    bool drains = a->arriving.command.verb == VERB_DRAIN;
    if (is_expired(a, now_ms, why, size))
        return CAUSE_EXPIRED;
    if (!a->settings.keepalive) {
        text_copy(why, size, "this agent has no keep-alive file: give it a [keepalive] section");
        return CAUSE_DENIED_BY_AGENT;
    }
    if (!veto_profile_allows(a->veto, a->arriving.command.verb, why, size))
        return CAUSE_DENIED_BY_AGENT;
    if (drains && a->winding_down) {
        text_copy(why, size, "this agent is being stopped");
        return CAUSE_DENIED_BY_AGENT;
    }
    if (a->rotation.record) {
        text_format(why, size, "another %s is in hand", verb_name(a->rotation.record->verb));
        return CAUSE_BUSY;
    }
    if (drains && (!a->fence_written || a->journal_retry_ms != 0)) {
        text_copy(why, size,
                  "the agent's journal cannot be written: make room on the disk of its "
                  "data_dir, or mend its rights; see the agent's log");
        return CAUSE_JOURNAL;
    }
    return CAUSE_NONE;
}

static void admit_rotation(struct agent *a, uint64_t now_ms)
{
    struct arriving *in = &a->arriving;
    char why[WIRE_TEXT_MAX] = "";
    enum cause cause = rotation_forbidden(a, now_ms, why, sizeof(why));
    if (cause != CAUSE_NONE) {
        refuse(a, cause, why);
        return;
    }
    a->last = in->command.id;
    agent_rotate_take(a, record_new(&in->command));
    in->stage = ARRIVING_NONE;
}

static void admit_new(struct agent *a, uint64_t now_ms)
{
    struct arriving *in = &a->arriving;
    char why[WIRE_TEXT_MAX] = "";
    enum cause cause = act_forbidden(a, now_ms, why, sizeof(why));
    if (cause != CAUSE_NONE) {
        refuse(a, cause, why);
        return;
    }
    a->last = in->command.id;
    agent_take_in_hand(a, record_new(&in->command), in->expires_at_ms, now_ms);
    in->stage = ARRIVING_NONE;
}

/* A command that was here before, or that a later one overtook. */
static void admit_repeat(struct agent *a)
{
    struct arriving *in = &a->arriving;
    in->stage = ARRIVING_WAITS;
    agent_effect_add(a, EFFECT_RECALL)->recall = in->command.id;
    a->recalls++;
}

void agent_admit(struct agent *a, uint64_t now_ms)
{
    struct arriving *in = &a->arriving;
    if (in->stage != ARRIVING_FENCED || !agent_journal_settled(a) || lacks_authority(a, now_ms))
        return;
    switch (in->command.verb) {
    case VERB_OBSERVE:
    case VERB_QUERY:
    case VERB_ROTATION:
        admit_read(a, now_ms);
        return;
    case VERB_DRAIN:
    case VERB_READY:
        if (in->command.id.seq > a->last.seq)
            admit_rotation(a, now_ms);
        else
            admit_repeat(a);
        return;
    case VERB_RECYCLE:
    case VERB_START:
    case VERB_STOP:
    case VERB_SERVICE_RECOVER:
    case VERB_SERVICE_RESTART:
    case VERB_SERVICE_STOP:
    case VERB_SERVICE_START:
    case VERB_WORKER_KILL:
    case VERB_SET:
        if (in->command.id.seq > a->last.seq)
            admit_new(a, now_ms);
        else
            admit_repeat(a);
        return;
    case VERB_NONE:
        break;
    }
    refuse_lightly(a, CAUSE_UNSUPPORTED, "this agent does not know that verb", now_ms);
}

/* ---- the journal's answer ---- */

static struct record *unheard_record(const struct command *query)
{
    struct command about = *query;
    about.id = query->about;
    about.verb = VERB_NONE;
    struct record *record = record_new(&about);
    record->state = RECORD_ENDED;
    record->outcome = OUTCOME_UNHEARD;
    text_copy(record->detail, sizeof(record->detail),
              "this agent never received that command, and will not begin it any more");
    return record;
}

/* The record as an answer: one that is not ended is running. */
static struct record *answer_record(const struct agent *a, const struct record *found,
                                    uint64_t now_ms)
{
    struct record *record = record_copy(found);
    if (record->state == RECORD_ENDED)
        return record;
    record->outcome = OUTCOME_RUNNING;
    const struct recipe *recipe =
        a->hand.record && command_id_equal(&a->hand.record->id, &found->id) ? a->hand.recipe : NULL;
    text_copy(record->detail, sizeof(record->detail), recipe ? recipe_text(recipe) : "");
    record->elapsed_ms = recipe ? now_ms - recipe_since_ms(recipe) : 0;
    return record;
}

static void answer_query(struct agent *a, const struct record *found, enum error_code code,
                         uint64_t now_ms)
{
    const struct command *query = &a->arriving.command;
    struct record *record;
    if (found) {
        record = answer_record(a, found, now_ms);
    } else if (code != ERR_NONE) {
        struct command about = *query;
        about.id = query->about;
        record = refused_record(&about, CAUSE_JOURNAL,
                                "the agent's journal cannot be read: see the agent's log");
        record->outcome = OUTCOME_NONE;
    } else {
        record = unheard_record(query);
    }
    agent_answer_result(a, record, &query->nonce, now_ms);
}

static void answer_repeat(struct agent *a, const struct record *found, enum error_code code,
                          uint64_t now_ms)
{
    struct wire_id none = {{0}};
    if (found && found->state == RECORD_ENDED)
        agent_answer_result(a, record_copy(found), &none, now_ms);
    else if (found)
        a->hand.told[0] = '\0'; /* in hand: its progress is told again */
    else if (code != ERR_NONE)
        refuse_lightly(a, CAUSE_JOURNAL,
                       "the agent's journal cannot be read, so it is not known whether this "
                       "command was carried out before: see the agent's log",
                       now_ms);
    else
        refuse(a, CAUSE_EXPIRED, "a later command overtook this one");
}

void agent_recalled(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    struct arriving *in = &a->arriving;
    must(a->recalls > 0 && in->stage == ARRIVING_WAITS);
    a->recalls--;
    bool is_query = in->command.verb == VERB_QUERY;
    const struct record *found =
        agent_find_record(a, is_query ? &in->command.about : &in->command.id);
    if (!found)
        found = event->record;
    if (is_query)
        answer_query(a, found, event->code, now_ms);
    else
        answer_repeat(a, found, event->code, now_ms);
    in->stage = ARRIVING_NONE;
}
