/* agent_observe.c - see agent_internal.h: fresh answers to OBSERVE, of a pool or of the server. */
#include "agent/agent_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

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

/* A pool without a name for all that should run. */
static struct pool whole_pool(const struct driver_view *view)
{
    struct pool whole = {.state = POOL_STATE_STARTED, .auto_start = true, .queued = -1};
    for (size_t i = 0; i < view->pool_count; i++) {
        const struct pool *pool = &view->pools[i];
        if (pool->auto_start && pool->state != POOL_STATE_STARTED &&
            whole.state == POOL_STATE_STARTED)
            whole.state = pool->state;
    }
    if (!view->pools_known)
        whole.state = POOL_STATE_UNKNOWN;
    return whole;
}

/* Its services, pools and workers; which pools may be probed is kept for then. */
static void take_server_view(struct observe *observe, const struct driver_view *view)
{
    struct answer *answer = observe->answer;
    struct observation *told = &answer->observation;
    bool listed = false;
    bool up = view->services_known && is_up(view, "WAS", &listed) && is_up(view, "W3SVC", &listed);
    told->pool = whole_pool(view);
    told->pool.name = "";
    told->services_up = up && listed;
    size_t count = view->worker_count < WIRE_WORKERS_MAX ? view->worker_count : WIRE_WORKERS_MAX;
    answer->workers.items = must_alloc(count, sizeof(*answer->workers.items));
    for (size_t i = 0; i < count; i++) {
        struct worker *row = &answer->workers.items[i];
        *row = view->workers[i];
        row->pool = "*"; /* whose they are is in the reports */
    }
    answer->workers.count = count;
    told->workers = answer->workers.items;
    told->worker_count = count;
    observe->probe_names = must_alloc(view->pool_count, sizeof(*observe->probe_names));
    for (size_t i = 0; i < view->pool_count; i++)
        if (view->pools[i].auto_start && view->pools[i].state == POOL_STATE_STARTED)
            observe->probe_names[observe->probe_count++] = must_copy(view->pools[i].name);
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

void agent_observe_free(struct observe *observe)
{
    for (size_t i = 0; i < observe->probe_count; i++)
        free(observe->probe_names[i]);
    free(observe->probe_names);
    free(observe);
}

static void observe_ends(struct agent *a, enum cause cause, const char *detail, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    a->observe_count--;
    memmove(a->observes, a->observes + 1, a->observe_count * sizeof(*a->observes));
    agent_end_observation(a, observe->answer, cause, detail, now_ms);
    agent_observe_free(observe);
}

static void observe_looked(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    struct observe *observe = a->observes[0];
    const struct driver_view *view = &result->view;
    if (result->code == ERR_NONE && observe->pool[0] == '\0') {
        take_server_view(observe, view);
        observe->looked = true;
        if (!observe->command.probe || observe->probe_count == 0)
            observe_ends(a, CAUSE_NONE, view->trouble ? view->trouble : "", now_ms);
        return;
    }
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
    struct observe *observe = a->observes[0];
    struct observation *told = &observe->answer->observation;
    bool more = observe->pool[0] == '\0' && ++observe->probe_at < observe->probe_count;
    bool fails = result->code != ERR_NONE || !result->probe.passed;
    if (more && fails) { /* another site may answer */
        told->probed = told->probed || result->code != ERR_NOT_FOUND;
        return;
    }
    if (result->code == ERR_NOT_FOUND && told->probed) {
        observe_ends(a, CAUSE_NONE, "no site answers", now_ms);
        return;
    }
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

void agent_observe_on_result(struct agent *a, const struct call_result *result, uint64_t now_ms)
{
    must(a->observe_count > 0);
    if (result->call.kind == CALL_PROBE)
        observe_probed(a, result, now_ms);
    else
        observe_looked(a, result, now_ms);
}

struct call agent_observe_call(const struct agent *a)
{
    const struct observe *observe = a->observes[0];
    bool whole = observe->pool[0] == '\0';
    struct call call = {.kind = observe->looked ? CALL_PROBE : whole ? CALL_LOOK : CALL_LOOK_POOL};
    const char *pool =
        whole && observe->looked ? observe->probe_names[observe->probe_at] : observe->pool;
    text_copy(call.pool, sizeof(call.pool), pool);
    return call;
}
