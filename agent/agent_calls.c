/* agent_calls.c - see agent_internal.h: answers, readings, and what the worker thread does next. */
#include "agent/agent_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void drop_answer(struct agent *a, size_t at)
{
    agent_discard_answer(a, a->answers[at]);
    a->answer_count--;
    memmove(a->answers + at, a->answers + at + 1, (a->answer_count - at) * sizeof(*a->answers));
}

void agent_add_answer(struct agent *a, struct answer *answer)
{
    if (a->answer_count == ANSWERS_MAX)
        drop_answer(a, 0);
    a->answers[a->answer_count++] = answer;
}

void agent_answer_result(struct agent *a, struct record *record, const struct wire_id *nonce,
                         uint64_t now_ms)
{
    struct answer *answer = must_alloc(1, sizeof(*answer));
    answer->kind = AGENT_RESULT;
    answer->record = record;
    answer->result = record_result(record);
    answer->result.nonce = *nonce;
    answer->until_ms = now_ms + ANSWER_MS;
    agent_add_answer(a, answer);
}

/* ---- readings ---- */

static void take_beat(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    a->beat_at_ms = now_ms + a->settings.beat_ms;
    if (known_take_beat(a->known, result, now_ms))
        a->small_due = true;
    if (result->changed)
        a->look_wanted = true;
}

static void take_look(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    bool good = result->code == ERR_NONE;
    bool changed = known_take_look(a->known, result, now_ms);
    agent_note_services(a, result, now_ms);
    a->look_wanted = false;
    a->look_not_before_ms = now_ms + LOOK_GAP_MS;
    a->look_at_ms = now_ms + (good ? a->settings.look_every_ms : LOOK_RETRY_MS);
    if (good && (changed || a->whole_wanted)) {
        a->whole_due = true;
        a->whole_wanted = false;
    } else if (changed) {
        a->small_due = true;
    }
}

/* ---- whose turn it is ---- */

static void give(struct agent *a, enum caller caller, const struct call *call, uint64_t now_ms)
{
    agent_effect_add(a, EFFECT_CALL)->call = *call;
    a->caller = caller;
    a->calling = call->kind;
    text_copy(a->calling_pool, sizeof(a->calling_pool), call->pool);
    a->call_since_ms = now_ms;
}

static bool look_is_due(struct agent *a, uint64_t now_ms)
{
    if (now_ms >= a->look_at_ms)
        return true;
    if (a->look_wanted && now_ms >= a->look_not_before_ms)
        return true;
    agent_wake_at(a, a->look_wanted ? a->look_not_before_ms : a->look_at_ms);
    return false;
}

/* Questions that come without end, each behind a probe that hangs, must not keep us from our own
 * readings: all that is reported would grow old with them. */
static bool reading_is_late(const struct agent *a, uint64_t now_ms)
{
    bool beat = now_ms >= a->beat_at_ms + READING_LATE_MS;
    bool look = now_ms >= a->look_at_ms + READING_LATE_MS ||
                (a->look_wanted && now_ms >= a->look_not_before_ms + READING_LATE_MS);
    return a->last_caller == CALLER_OBSERVE && (beat || look);
}

void agent_next_call(struct agent *a, uint64_t now_ms)
{
    struct call call = {.kind = CALL_NONE};
    if (a->caller != CALLER_NONE || !agent_journal_settled(a))
        return; /* the journal answers at once, and then the recipe may want its turn */
    bool recipe = agent_recipe_wants_call(a, &call, now_ms);
    bool observe = a->observe_count > 0;
    bool first = recipe ? a->last_caller == CALLER_RECIPE : !reading_is_late(a, now_ms);
    if (observe && first) {
        call = agent_observe_call(a);
        give(a, CALLER_OBSERVE, &call, now_ms);
    } else if (recipe) {
        give(a, CALLER_RECIPE, &call, now_ms);
    } else if (look_is_due(a, now_ms)) {
        give(a, CALLER_LOOK, &(struct call){.kind = CALL_LOOK}, now_ms);
    } else if (now_ms >= a->beat_at_ms) {
        give(a, CALLER_BEAT, &(struct call){.kind = CALL_BEAT}, now_ms);
    } else {
        agent_wake_at(a, a->beat_at_ms);
    }
}

void agent_called(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    enum caller caller = a->caller;
    must(caller != CALLER_NONE && result->call.kind == a->calling);
    a->caller = CALLER_NONE;
    a->last_caller = caller;
    if (result->call.kind == CALL_BEAT)
        take_beat(a, result, now_ms);
    if (result->call.kind == CALL_LOOK)
        take_look(a, result, now_ms);
    if (caller == CALLER_RECIPE)
        recipe_on_result(a->hand.recipe, result, now_ms);
    if (caller == CALLER_OBSERVE)
        agent_observe_on_result(a, result, now_ms);
}

const char *agent_held_text(const struct agent *a, uint64_t now_ms, char *out, size_t size_bytes)
{
    char since[TEXT_DURATION_MAX];
    out[0] = '\0';
    if (a->caller == CALLER_NONE || now_ms - a->call_since_ms < HELD_MS)
        return out;
    text_format(out, size_bytes, "%s%s%s has been running for %s, nothing was read meanwhile",
                call_name(a->calling), a->calling_pool[0] ? " of pool " : "", a->calling_pool,
                text_format_duration(since, now_ms - a->call_since_ms));
    return out;
}
