/* agent_rotate.c - see agent_internal.h: the keep-alive file, which a balancer's own check reads.
 *
 *   admitted ──► BEGUN is journaled ──► the file goes, or comes ──► kept as a result
 *
 * It may be begun again after a crash, since it sets what it sets. A DRAIN that the journal cannot
 * take is refused; a READY only gives back, and is done all the same. The file is looked at with
 * every beat, and afresh for each ROTATION.
 */
#include "agent/agent_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

static bool is_about_file(const struct record *record)
{
    return record->verb == VERB_DRAIN || record->verb == VERB_READY;
}

void agent_rotate_begin(struct agent *a, struct record **open, size_t *count, bool drained,
                        uint64_t now_ms)
{
    struct rotation *r = &a->rotation;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (!is_about_file(open[i]))
            open[kept++] = open[i];
        else if (!r->record)
            r->record = open[i]; /* there is one at a time */
        else
            record_free(open[i]);
    }
    *count = kept;
    r->is = a->settings.keepalive ? KEEPALIVE_UNKNOWN : KEEPALIVE_NONE;
    r->since_ms = now_ms;
    r->look_at_ms = now_ms;
    r->put_right = a->settings.keepalive && drained && !r->record;
    if (r->record)
        agent_note(a, AGENT_NOTE_WARN, "command_resumed", &r->record->id, NULL,
                   "%s was begun before the agent's restart", verb_name(r->record->verb));
}

void agent_rotate_free(struct agent *a)
{
    record_free(a->rotation.record);
    for (size_t i = 0; i < a->rotation.waiting_count; i++)
        agent_discard_answer(a, a->rotation.waiting[i]);
}

void agent_rotate_take(struct agent *a, struct record *record)
{
    must(!a->rotation.record);
    agent_note(a, AGENT_NOTE_INFO, "command_received", &record->id, NULL, "%s by %s: %s",
               verb_name(record->verb), record->actor, record->reason);
    record->state = RECORD_BEGUN;
    a->rotation.record = record;
    a->rotation.writing = true;
    agent_journal(a, JOURNAL_BEGUN, record, NULL);
}

static void end(struct agent *a, enum outcome outcome, enum cause cause, const char *detail)
{
    struct record *record = a->rotation.record;
    a->rotation.record = NULL;
    record->outcome = outcome;
    record->cause = cause;
    clean_text(record->detail, sizeof(record->detail), detail);
    agent_note(a, outcome == OUTCOME_DONE ? AGENT_NOTE_INFO : AGENT_NOTE_WARN, "command_ended",
               &record->id, NULL, "%s %s (%s): %s", verb_name(record->verb), outcome_name(outcome),
               cause_name(cause), record->detail);
    agent_keep_result(a, record);
}

void agent_rotate_begun(struct agent *a, const struct record *record, bool written)
{
    must(a->rotation.record == record && a->rotation.writing);
    a->rotation.writing = false;
    if (!written && record->verb == VERB_DRAIN)
        end(a, OUTCOME_REFUSED, CAUSE_JOURNAL,
            "the agent's journal cannot be written, so the keep-alive file stays: make room on the "
            "disk of its data_dir, or mend its rights");
}

void agent_rotate_ask(struct agent *a, struct answer *answer, uint64_t now_ms)
{
    struct rotation *r = &a->rotation;
    if (!a->settings.keepalive)
        agent_end_observation(a, answer, CAUSE_UNSUPPORTED,
                              "this agent has no keep-alive file: give it a [keepalive] section",
                              now_ms);
    else if (r->waiting_count == ROTATIONS_MAX)
        agent_end_observation(a, answer, CAUSE_BUSY, "too many observations wait already", now_ms);
    else
        r->waiting[r->waiting_count++] = answer;
}

static void act(struct agent *a, enum keepalive_op op)
{
    agent_effect_add(a, EFFECT_KEEPALIVE)->keepalive = op;
    a->rotation.acting = true;
}

void agent_rotate_drive(struct agent *a, uint64_t now_ms)
{
    struct rotation *r = &a->rotation;
    if (r->acting || r->writing || !agent_journal_settled(a))
        return;
    if (!a->settings.keepalive) {
        if (r->record) /* begun before the restart, under another configuration */
            end(a, OUTCOME_FAILED, CAUSE_UNSUPPORTED, "this agent has no keep-alive file any more");
        return;
    }
    if (r->record)
        act(a, r->record->verb == VERB_DRAIN ? KEEPALIVE_OP_REMOVE : KEEPALIVE_OP_PUT);
    else if (r->put_right)
        act(a, KEEPALIVE_OP_REMOVE);
    else if (r->waiting_count || now_ms >= r->look_at_ms)
        act(a, KEEPALIVE_OP_LOOK);
    else
        agent_wake_at(a, r->look_at_ms);
}

static void take_sight(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    struct rotation *r = &a->rotation;
    bool known = event->code == ERR_NONE;
    enum keepalive is = !known           ? KEEPALIVE_UNKNOWN
                        : event->present ? KEEPALIVE_PRESENT
                                         : KEEPALIVE_ABSENT;
    r->look_at_ms = now_ms + a->settings.beat_ms;
    clean_text(r->trouble, sizeof(r->trouble), known || !event->text ? "" : event->text);
    if (is == r->is)
        return;
    r->is = is;
    r->since_ms = now_ms;
    a->small_due = true;
    agent_note(a, known ? AGENT_NOTE_INFO : AGENT_NOTE_WARN, "keepalive", NULL, NULL,
               "the keep-alive file %s%s%s",
               is == KEEPALIVE_PRESENT  ? "is there: in rotation"
               : is == KEEPALIVE_ABSENT ? "is not there: out of rotation"
                                        : "cannot be looked for",
               r->trouble[0] ? ": " : "", r->trouble);
}

static void answer_waiting(struct agent *a, uint64_t now_ms)
{
    struct rotation *r = &a->rotation;
    for (size_t i = 0; i < r->waiting_count; i++) {
        struct observation *told = &r->waiting[i]->observation;
        bool known = r->is != KEEPALIVE_UNKNOWN;
        told->keepalive = r->is;
        told->keepalive_age_ms = now_ms - r->since_ms;
        agent_end_observation(a, r->waiting[i], known ? CAUSE_NONE : CAUSE_DRIVER, r->trouble,
                              now_ms);
    }
    r->waiting_count = 0;
}

void agent_keepalive(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    struct rotation *r = &a->rotation;
    must(r->acting);
    r->acting = false;
    take_sight(a, event, now_ms);
    if (r->record) {
        bool wanted = event->present == (r->record->verb == VERB_READY);
        if (event->code != ERR_NONE)
            end(a, OUTCOME_FAILED, event->code == ERR_DENIED ? CAUSE_NOT_ELEVATED : CAUSE_DRIVER,
                r->trouble);
        else if (!wanted)
            end(a, OUTCOME_FAILED, CAUSE_DRIVER, "somebody else changed the file at that moment");
        else
            end(a, OUTCOME_DONE, CAUSE_NONE,
                event->present ? "the keep-alive file is there" : "the keep-alive file is gone");
    } else if (r->put_right) {
        r->put_right = false; /* once: after it the coordinator sees what is, and tells us */
        if (event->code != ERR_NONE)
            agent_note(a, AGENT_NOTE_ERROR, "keepalive_stays", NULL, NULL,
                       "drained before the restart, but the keep-alive file cannot be removed: %s",
                       r->trouble);
    }
    answer_waiting(a, now_ms);
}
