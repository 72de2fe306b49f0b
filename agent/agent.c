/* agent.c - see agent.h: life, events in, effects out, deadlines. */
#include "agent/agent.h"

#include "agent/agent_internal.h"
#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- effects ---- */

struct agent_effect *agent_effect_add(struct agent *a, enum agent_effect_kind kind)
{
    if (a->effect_count == a->effect_room) {
        a->effect_room = a->effect_room ? 2 * a->effect_room : 8;
        a->effects = must_realloc(a->effects, a->effect_room, sizeof(*a->effects));
    }
    struct agent_effect *effect = &a->effects[a->effect_count++];
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    return effect;
}

void agent_journal(struct agent *a, enum journal_write_kind kind, struct record *record,
                   const struct command_id *id)
{
    struct agent_effect *effect = agent_effect_add(a, EFFECT_JOURNAL);
    effect->journal.kind = kind;
    effect->journal.fence = a->fence;
    effect->journal.record = record;
    effect->journal.healthy = a->healthy;
    if (record)
        effect->journal.id = record->id;
    else if (id)
        effect->journal.id = *id;
    a->pending = must_realloc(a->pending, a->pending_count + 1, sizeof(*a->pending));
    a->pending[a->pending_count++] =
        (struct journal_pending){.kind = kind, .record = record, .fence = a->fence};
}

void agent_note(struct agent *a, enum agent_note_level level, const char *event,
                const struct command_id *id, const char *pool, const char *fmt, ...)
{
    struct agent_effect *effect = agent_effect_add(a, EFFECT_NOTE);
    effect->note.level = level;
    effect->note.event = event;
    if (id)
        effect->note.id = *id;
    text_copy(effect->note.pool, sizeof(effect->note.pool), pool ? pool : "");
    va_list args;
    va_start(args, fmt);
    vsnprintf(effect->note.text, sizeof(effect->note.text), fmt, args);
    va_end(args);
}

bool agent_journal_settled(const struct agent *a)
{
    return a->pending_count == 0 && a->recalls == 0;
}

static void discard(struct agent *a, void *memory)
{
    for (size_t i = 0; i < AGENT_CHANNEL_COUNT; i++)
        if (a->channels[i].subject == memory)
            a->channels[i].subject = NULL;
    a->garbage = must_realloc(a->garbage, a->garbage_count + 1, sizeof(*a->garbage));
    a->garbage[a->garbage_count++] = memory;
}

void agent_discard_record(struct agent *a, struct record *record)
{
    if (!record)
        return;
    discard(a, record->before.items);
    discard(a, record->after.items);
    discard(a, record);
}

void agent_discard_answer(struct agent *a, struct answer *answer)
{
    if (!answer)
        return;
    agent_discard_record(a, answer->record);
    discard(a, answer->workers.items);
    discard(a, answer->piece);
    discard(a, answer);
}

static void sweep(struct agent *a)
{
    for (size_t i = 0; i < a->garbage_count; i++)
        free(a->garbage[i]);
    a->garbage_count = 0;
}

/* ---- time ---- */

void agent_wake_at(struct agent *a, uint64_t at_ms)
{
    if (at_ms < a->deadline_ms)
        a->deadline_ms = at_ms;
}

uint64_t agent_deadline(const struct agent *a)
{
    return a->deadline_ms;
}

/* The machine slept, or was starved: nothing that is known may pass as current. */
static void look_if_late(struct agent *a, uint64_t promised_ms, uint64_t now_ms)
{
    if (promised_ms == UINT64_MAX || now_ms <= promised_ms + LATE_MS)
        return;
    agent_note(a, AGENT_NOTE_WARN, "late_timer", NULL, NULL,
               "a timer came %u ms late: everything is read anew",
               (unsigned)(now_ms - promised_ms));
    a->look_wanted = true;
    a->whole_wanted = true;
    a->beat_at_ms = now_ms;
}

/* ---- life ---- */

static void take_memory(struct agent *a, struct agent_memory *memory, uint64_t now_ms)
{
    a->incarnation = memory->incarnation;
    a->start_no = memory->start_no;
    a->fence = a->fence_kept = memory->fence;
    a->fence_written = true;
    a->last = memory->last;
    agent_rotate_begin(a, memory->open, &memory->open_count, memory->drained, now_ms);
    text_copy(a->healthy, sizeof(a->healthy), memory->healthy);
    a->healthy_written = true;
    a->kept_start = memory->kept;
    text_copy(a->kept_by, sizeof(a->kept_by), memory->kept_by);
    a->resumable = must_alloc(memory->open_count, sizeof(*a->resumable));
    for (size_t i = 0; i < memory->open_count; i++)
        a->resumable[a->resumable_count++] = memory->open[i];
    a->kept = must_alloc(memory->unacknowledged_count, sizeof(*a->kept));
    for (size_t i = 0; i < memory->unacknowledged_count; i++)
        a->kept[a->kept_count++] =
            (struct outcome_kept){.record = memory->unacknowledged[i], .written = true};
    memory->open_count = 0;
    memory->unacknowledged_count = 0;
}

struct agent *agent_new(const struct agent_settings *settings, struct agent_memory *memory,
                        const struct wire_id *boot, uint64_t now_ms)
{
    struct agent *a = must_alloc(1, sizeof(*a));
    a->settings = *settings;
    a->boot = *boot;
    a->known = known_new();
    a->veto = veto_new(&settings->veto, memory->acts, memory->act_count, now_ms);
    take_memory(a, memory, now_ms);
    /* Grows with each listen of this boot, over restarts of the process too: a command that
     * answers a listen of an earlier process is never taken for an answer to one of ours. */
    a->listen_no = a->start_no << 32;
    a->beat_at_ms = now_ms;
    a->look_at_ms = now_ms;
    a->look_wanted = true;
    a->whole_wanted = true;
    a->heartbeat_at_ms = now_ms;
    a->deadline_ms = now_ms;
    return a;
}

static void free_kept(struct agent *a)
{
    for (size_t i = 0; i < a->kept_count; i++)
        record_free(a->kept[i].record);
    for (size_t i = 0; i < a->resumable_count; i++)
        record_free(a->resumable[i]);
    for (size_t i = 0; i < a->answer_count; i++)
        agent_discard_answer(a, a->answers[i]);
    for (size_t i = 0; i < a->observe_count; i++) {
        agent_discard_answer(a, a->observes[i]->answer);
        agent_observe_free(a->observes[i]);
    }
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    free_kept(a);
    recipe_free(a->hand.recipe);
    record_free(a->hand.record);
    agent_rotate_free(a);
    veto_free(a->veto);
    known_free(a->known);
    sweep(a);
    free(a->garbage);
    free(a->kept);
    free(a->resumable);
    for (size_t i = 0; i < a->pending_count; i++)
        if (a->pending[i].kind == JOURNAL_NOTED)
            record_free(a->pending[i].record);
    free(a->pending);
    free(a->effects);
    free(a);
}

bool agent_is_quiet(const struct agent *a)
{
    return !a->hand.record && !a->rotation.record && a->kept_count == 0 && a->answer_count == 0 &&
           a->observe_count == 0;
}

void agent_hello(const struct agent *a, struct agent_message *out)
{
    *out = (struct agent_message){.version = WIRE_VERSION,
                                  .agent = a->settings.name,
                                  .incarnation = a->incarnation,
                                  .boot = a->boot,
                                  .start_no = a->start_no};
}

void agent_wind_down(struct agent *a)
{
    a->winding_down = true;
}

/* ---- events ---- */

static void dispatch(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    switch (event->kind) {
    case AGENT_EVENT_TICK:
        return;
    case AGENT_EVENT_LINK_UP:
    case AGENT_EVENT_LINK_DOWN:
        agent_link(a, event->kind == AGENT_EVENT_LINK_UP, now_ms);
        return;
    case AGENT_EVENT_ANSWER:
        agent_answered(a, event, now_ms);
        return;
    case AGENT_EVENT_LOST:
        agent_lost(a, event, now_ms);
        return;
    case AGENT_EVENT_JOURNALED:
        agent_journaled(a, event, now_ms);
        return;
    case AGENT_EVENT_RECALLED:
        agent_recalled(a, event, now_ms);
        return;
    case AGENT_EVENT_CALLED:
        agent_called(a, event->result, now_ms);
        return;
    case AGENT_EVENT_KEEPALIVE:
        agent_keepalive(a, event, now_ms);
        return;
    }
}

struct agent_effects agent_handle(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    uint64_t promised_ms = a->deadline_ms;
    sweep(a);
    a->effect_count = 0;
    a->deadline_ms = UINT64_MAX;
    look_if_late(a, promised_ms, now_ms);
    dispatch(a, event, now_ms);
    agent_retry_journal(a, now_ms);
    agent_admit(a, now_ms);
    agent_rotate_drive(a, now_ms);
    agent_drive(a, now_ms);
    agent_next_call(a, now_ms);
    agent_talk(a, now_ms);
    return (struct agent_effects){.items = a->effects, .count = a->effect_count};
}
