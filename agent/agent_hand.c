/* agent_hand.c - see agent_internal.h: the recipe in hand, the journal's answers, results. */
#include "agent/agent_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- results, kept until acknowledged and written ---- */

static struct outcome_kept *kept_of(struct agent *a, const struct record *record)
{
    for (size_t i = 0; i < a->kept_count; i++)
        if (a->kept[i].record == record)
            return &a->kept[i];
    return NULL;
}

static void write_ended(struct agent *a, struct outcome_kept *kept)
{
    kept->writing = true;
    agent_journal(a, JOURNAL_ENDED, kept->record, NULL);
}

void agent_keep_result(struct agent *a, struct record *record)
{
    record->state = RECORD_ENDED;
    a->kept = must_realloc(a->kept, a->kept_count + 1, sizeof(*a->kept));
    struct outcome_kept *kept = &a->kept[a->kept_count++];
    *kept = (struct outcome_kept){.record = record};
    write_ended(a, kept);
}

static void forget(struct agent *a, struct outcome_kept *kept)
{
    agent_discard_record(a, kept->record);
    *kept = a->kept[--a->kept_count];
}

void agent_acknowledged(struct agent *a, const struct record *record)
{
    struct outcome_kept *kept = kept_of(a, record);
    if (!kept || kept->told)
        return;
    kept->told = true;
    kept->record->acknowledged = true;
    if (!kept->written)
        return; /* ENDED, which is still to be written, will carry it */
    kept->releasing = true;
    agent_journal(a, JOURNAL_ACKNOWLEDGED, kept->record, NULL);
}

/* The oldest that is not being written: what was begun is told even if the journal refuses. */
struct record *agent_result_to_send(struct agent *a)
{
    struct record *best = NULL;
    for (size_t i = 0; i < a->kept_count; i++) {
        struct outcome_kept *kept = &a->kept[i];
        if (kept->told || kept->writing)
            continue;
        if (!best || kept->record->id.seq < best->id.seq)
            best = kept->record;
    }
    return best;
}

struct record *agent_find_record(struct agent *a, const struct command_id *id)
{
    if (a->hand.record && command_id_equal(&a->hand.record->id, id))
        return a->hand.record;
    if (a->rotation.record && command_id_equal(&a->rotation.record->id, id))
        return a->rotation.record;
    for (size_t i = 0; i < a->kept_count; i++)
        if (command_id_equal(&a->kept[i].record->id, id))
            return a->kept[i].record;
    for (size_t i = 0; i < a->resumable_count; i++)
        if (command_id_equal(&a->resumable[i]->id, id))
            return a->resumable[i];
    return NULL;
}

/* ---- into the hand, and out of it ---- */

void agent_take_in_hand(struct agent *a, struct record *record, uint64_t expires_at_ms,
                        uint64_t now_ms)
{
    (void)now_ms;
    must(!a->hand.record);
    a->hand = (struct hand){.record = record, .expires_at_ms = expires_at_ms};
    agent_services_before(a, record);
    agent_note(a, AGENT_NOTE_INFO, "command_received", &record->id, record->pool, "%s by %s: %s",
               verb_name(record->verb), record->actor, record->reason);
    agent_journal(a, JOURNAL_RECEIVED, record, NULL);
}

/* After a restart. What was only received is refused, nothing of it was done. */
static void take_resumable(struct agent *a, uint64_t now_ms)
{
    struct record *record = a->resumable[0];
    a->resumable_count--;
    memmove(a->resumable, a->resumable + 1, a->resumable_count * sizeof(*a->resumable));
    if (record->state == RECORD_BEGUN) {
        a->hand = (struct hand){.record = record, .expires_at_ms = UINT64_MAX};
        text_copy(record->kept_by, sizeof(record->kept_by), a->kept_by);
        a->hand.recipe = recipe_resume(record, &a->settings.recipe, now_ms);
        agent_note(a, AGENT_NOTE_WARN, "command_resumed", &record->id, record->pool,
                   "%s was begun before the agent's restart", verb_name(record->verb));
        return;
    }
    record->outcome = OUTCOME_REFUSED;
    record->cause = CAUSE_EXPIRED;
    text_copy(record->detail, sizeof(record->detail),
              "the agent was restarted before the command was begun: nothing was done");
    agent_note(a, AGENT_NOTE_WARN, "command_refused", &record->id, record->pool, "%s",
               record->detail);
    agent_keep_result(a, record);
}

static void end(struct agent *a)
{
    struct record *record = a->hand.record;
    recipe_free(a->hand.recipe);
    a->hand = (struct hand){0};
    agent_services_ended(a, record);
    bool well = record->outcome == OUTCOME_DONE || record->outcome == OUTCOME_NOTHING;
    agent_note(a, well ? AGENT_NOTE_INFO : AGENT_NOTE_WARN, "command_ended", &record->id,
               record->pool, "%s %s (%s): %s", verb_name(record->verb),
               outcome_name(record->outcome), cause_name(record->cause), record->detail);
    if (record->state == RECORD_BEGUN)
        a->look_wanted = true; /* the state of the pool may differ now */
    agent_keep_result(a, record);
}

/* BEGUN is the gate: what is true here is what the act is begun on. */
static void begin(struct agent *a, uint64_t now_ms)
{
    struct hand *hand = &a->hand;
    if (now_ms >= hand->expires_at_ms) {
        recipe_refuse(hand->recipe, CAUSE_EXPIRED,
                      "the command's time was over before it could be begun", now_ms);
        return;
    }
    if (!agent_fence_in_force(a, &hand->record->id.fence)) {
        recipe_refuse(hand->recipe, CAUSE_EXPIRED,
                      "another coordinator took charge before the command could be begun", now_ms);
        return;
    }
    if (a->winding_down) {
        recipe_refuse(hand->recipe, CAUSE_DENIED_BY_AGENT, "this agent is being stopped", now_ms);
        return;
    }
    hand->record->state = RECORD_BEGUN;
    hand->writing = true;
    agent_journal(a, JOURNAL_BEGUN, hand->record, NULL);
}

void agent_drive(struct agent *a, uint64_t now_ms)
{
    struct hand *hand = &a->hand;
    while (!hand->record && a->resumable_count > 0 && agent_journal_settled(a))
        take_resumable(a, now_ms);
    if (!hand->recipe || hand->writing || a->caller == CALLER_RECIPE || !agent_journal_settled(a))
        return;
    struct recipe_next next = recipe_next(hand->recipe, now_ms);
    if (next.want == RECIPE_BEGIN) {
        begin(a, now_ms);
        next = recipe_next(hand->recipe, now_ms);
    }
    if (next.want == RECIPE_END)
        end(a);
    else if (next.want == RECIPE_WAIT)
        agent_wake_at(a, next.until_ms);
}

bool agent_recipe_wants_call(struct agent *a, struct call *call, uint64_t now_ms)
{
    struct hand *hand = &a->hand;
    if (!hand->recipe || hand->writing || !agent_journal_settled(a))
        return false;
    struct recipe_next next = recipe_next(hand->recipe, now_ms);
    *call = next.call;
    return next.want == RECIPE_CALL;
}

/* ---- the journal's answers ---- */

static const char journal_help[] =
    "the agent's journal cannot be written, so nothing disruptive is begun: make room on the disk "
    "of its data_dir, or mend its rights";

static void journal_failed(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    agent_note(a, AGENT_NOTE_ERROR, "journal_failed", NULL, NULL, "%s: %s", journal_help,
               event->text ? event->text : error_code_name(event->code));
    a->journal_retry_ms = now_ms + JOURNAL_MS;
}

static void on_received(struct agent *a, bool written, uint64_t now_ms)
{
    struct hand *hand = &a->hand;
    must(hand->record && !hand->recipe);
    if (written || !verb_is_disruptive(hand->record->verb)) {
        hand->recipe = recipe_new(hand->record, &a->settings.recipe, now_ms);
        return;
    }
    hand->record->outcome = OUTCOME_REFUSED;
    hand->record->cause = CAUSE_JOURNAL;
    text_copy(hand->record->detail, sizeof(hand->record->detail), journal_help);
    end(a);
}

static void on_begun(struct agent *a, bool written, uint64_t now_ms)
{
    struct hand *hand = &a->hand;
    bool disruptive = verb_is_disruptive(hand->record->verb);
    must(hand->recipe && hand->writing);
    hand->writing = false;
    if (!written && disruptive) {
        hand->record->state = RECORD_RECEIVED;
        recipe_refuse(hand->recipe, CAUSE_JOURNAL, journal_help, now_ms);
        return;
    }
    if (disruptive)
        veto_count(a->veto, hand->record->pool, now_ms);
    agent_services_begun(a, hand->record);
    agent_note(a, AGENT_NOTE_INFO, "command_begun", &hand->record->id, hand->record->pool, "%s",
               verb_name(hand->record->verb));
    recipe_on_begun(hand->recipe, now_ms);
}

static void on_ended(struct agent *a, const struct record *record, bool written)
{
    struct outcome_kept *kept = kept_of(a, record);
    must(kept != NULL);
    kept->writing = false;
    kept->written = written;
    if (written && kept->told)
        forget(a, kept);
}

static void on_released(struct agent *a, const struct record *record)
{
    struct outcome_kept *kept = kept_of(a, record);
    must(kept != NULL);
    forget(a, kept); /* if that was not written it is told once more after a restart: harmless */
}

/* Something that could not be written before is still not written, nor on its way. */
static bool owes_the_journal(const struct agent *a, enum journal_write_kind done)
{
    for (size_t i = 0; i < a->kept_count; i++)
        if (!a->kept[i].written && !a->kept[i].writing)
            return true;
    return !a->fence_written && done != JOURNAL_FENCE;
}

void agent_journaled(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    must(a->pending_count > 0);
    struct journal_pending done = a->pending[0];
    a->pending_count--;
    memmove(a->pending, a->pending + 1, a->pending_count * sizeof(*a->pending));
    bool written = event->code == ERR_NONE;
    if (!written)
        journal_failed(a, event, now_ms);
    else if (a->journal_retry_ms != 0)
        a->journal_retry_ms = owes_the_journal(a, done.kind) ? now_ms : 0;
    switch (done.kind) {
    case JOURNAL_FENCE:
        a->fence_written = written;
        if (written)
            a->fence_kept = done.fence;
        return;
    case JOURNAL_LAST:
        return; /* unwritten: it holds as long as this process lives, and a later process knows
                   none of our listens, so what comes late is expired */
    case JOURNAL_RECEIVED:
        on_received(a, written, now_ms);
        return;
    case JOURNAL_BEGUN:
        if (verb_is_of_rotation(done.record->verb))
            agent_rotate_begun(a, done.record, written);
        else
            on_begun(a, written, now_ms);
        return;
    case JOURNAL_ENDED:
        on_ended(a, done.record, written);
        return;
    case JOURNAL_ACKNOWLEDGED:
        on_released(a, done.record);
        return;
    case JOURNAL_NOTED:
        agent_discard_record(a, done.record);
        return;
    case JOURNAL_HEALTHY:
        a->healthy_written = written;
        return;
    }
}

/* After a failed write: the fence first, then results, one try of all every JOURNAL_MS. */
void agent_retry_journal(struct agent *a, uint64_t now_ms)
{
    if (a->journal_retry_ms == 0 || !agent_journal_settled(a))
        return;
    if (now_ms < a->journal_retry_ms) {
        agent_wake_at(a, a->journal_retry_ms);
        return;
    }
    a->journal_retry_ms = now_ms + JOURNAL_MS;
    agent_wake_at(a, a->journal_retry_ms);
    if (a->fence.number > 0)
        agent_journal(a, JOURNAL_FENCE, NULL, NULL);
    for (size_t i = 0; i < a->kept_count; i++)
        if (!a->kept[i].written && !a->kept[i].writing)
            write_ended(a, &a->kept[i]);
}
