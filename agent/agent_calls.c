/* agent_calls.c - see agent_internal.h: what the worker thread does next; observations; readings.
 */
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

/* ---- observations ---- */

struct answer *agent_new_observation(const struct command *command)
{
    struct answer *answer = must_alloc(1, sizeof(*answer));
    answer->kind = AGENT_OBSERVATION;
    text_copy(answer->pool, sizeof(answer->pool), command->pool);
    answer->observation.id = command->id;
    answer->observation.nonce = command->nonce;
    answer->observation.pool.name = answer->pool;
    answer->observation.pool.queued = -1;
    answer->observation.detail = answer->detail;
    return answer;
}

void agent_end_observation(struct agent *a, struct answer *answer, enum cause cause,
                           const char *detail, uint64_t now_ms)
{
    answer->observation.cause = cause;
    clean_text(answer->detail, sizeof(answer->detail), detail);
    answer->until_ms = now_ms + ANSWER_MS;
    agent_add_answer(a, answer);
}

void agent_refuse_observe(struct agent *a, const struct command *command, enum cause cause,
                          const char *detail, uint64_t now_ms)
{
    agent_end_observation(a, agent_new_observation(command), cause, detail, now_ms);
}

void agent_observe(struct agent *a, const struct arriving *arriving, uint64_t now_ms)
{
    const struct command *command = &arriving->command;
    if (a->observe_count == OBSERVES_MAX) {
        agent_refuse_observe(a, command, CAUSE_BUSY, "too many observations wait already", now_ms);
        return;
    }
    struct observe *observe = must_alloc(1, sizeof(*observe));
    observe->command = *command;
    text_copy(observe->pool, sizeof(observe->pool), command->pool);
    observe->command.pool = observe->pool;
    observe->command.actor = "";
    observe->command.reason = "";
    observe->answer = agent_new_observation(command);
    a->observes[a->observe_count++] = observe;
}

static bool is_up(const struct driver_view *view, const char *name, bool *listed)
{
    for (size_t i = 0; i < view->service_count; i++) {
        if (!text_equal_nocase(view->services[i].name, name))
            continue;
        *listed = true;
        return view->services[i].state == SVC_RUNNING;
    }
    return true;
}

/* By the services where they are known; else IIS itself says it, by the pool's state (IIS.md: it
 * is Unknown when WAS or W3SVC is down). */
static bool services_up(const struct driver_view *view, const struct pool *pool)
{
    bool listed = false;
    bool up = view->services_known && is_up(view, "WAS", &listed);
    up = up && is_up(view, "W3SVC", &listed);
    return pool->state != POOL_STATE_UNKNOWN && (up || !listed);
}

static void take_pool_view(struct answer *answer, const struct driver_view *view)
{
    struct observation *told = &answer->observation;
    clean_text(answer->pool, sizeof(answer->pool), view->pools[0].name);
    told->pool = view->pools[0];
    told->pool.name = answer->pool;
    told->services_up = services_up(view, &told->pool);
    answer->workers.items = must_alloc(view->worker_count, sizeof(*answer->workers.items));
    for (size_t i = 0; i < view->worker_count && answer->workers.count < WIRE_WORKERS_MAX; i++) {
        if (!text_equal_nocase(view->workers[i].pool, answer->pool))
            continue;
        answer->workers.items[answer->workers.count] = view->workers[i];
        answer->workers.items[answer->workers.count++].pool = answer->pool;
    }
    told->workers = answer->workers.items;
    told->worker_count = answer->workers.count;
}

static void observe_ends(struct agent *a, enum cause cause, const char *detail, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    a->observe_count--;
    memmove(a->observes, a->observes + 1, a->observe_count * sizeof(*a->observes));
    agent_end_observation(a, observe->answer, cause, detail, now_ms);
    free(observe);
}

static void observe_looked(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    const struct driver_view *view = &result->view;
    if (result->code != ERR_NONE) {
        observe_ends(a, recipe_cause(result->code), result->text, now_ms);
        return;
    }
    if (!view->pools_known || view->pool_count == 0 || !view->workers_known) {
        observe_ends(a, CAUSE_DRIVER,
                     view->trouble && *view->trouble ? view->trouble : "the pool could not be read",
                     now_ms);
        return;
    }
    take_pool_view(observe->answer, view);
    observe->looked = true;
    if (!observe->command.probe)
        observe_ends(a, CAUSE_NONE, "", now_ms);
}

static void observe_probed(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct observation *told = &a->observes[0]->answer->observation;
    if (result->code == ERR_NOT_FOUND) {
        observe_ends(a, CAUSE_NONE, "the pool has nothing to probe", now_ms);
        return;
    }
    bool probed = result->code == ERR_NONE;
    told->probed = true;
    told->probe_passed = probed && result->probe.passed;
    told->probe_status = probed ? result->probe.status : 0;
    told->probe_ms = probed ? result->probe.elapsed_ms : 0;
    observe_ends(a, CAUSE_NONE, probed ? result->probe.detail : result->text, now_ms);
}

static void observe_on_result(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    must(a->observe_count > 0);
    if (result->call.kind == CALL_PROBE)
        observe_probed(a, result, now_ms);
    else
        observe_looked(a, result, now_ms);
}

static struct call observe_call(const struct agent *a)
{
    const struct observe *observe = a->observes[0];
    struct call call = {.kind = observe->looked ? CALL_PROBE : CALL_LOOK_POOL};
    text_copy(call.pool, sizeof(call.pool), observe->pool);
    return call;
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

void agent_next_call(struct agent *a, uint64_t now_ms)
{
    struct call call = {.kind = CALL_NONE};
    if (a->caller != CALLER_NONE || !agent_journal_settled(a))
        return; /* the journal answers at once, and then the recipe may want its turn */
    bool recipe = agent_recipe_wants_call(a, &call, now_ms);
    bool observe = a->observe_count > 0;
    if (observe && (!recipe || a->last_caller == CALLER_RECIPE)) {
        call = observe_call(a);
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
        observe_on_result(a, result, now_ms);
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
