/* recipe_order.c - see recipes.h: from the first look to the order given. */
#include "agent/recipe_internal.h"

#include "common/text.h"

#define READ_TRIES     3                               /* of a reading before anything began */
#define SET_TRIES      3                               /* of setting autoStart, which may repeat */
#define READ_RETRY_MS  1000                            /* IIS.md: retry reads once after 1 s */
#define RESUME_LOOK_MS 5000                            /* after a boot WAS may need a while */
#define LIMIT_MOST_MS  (UINT64_C(24) * 60 * 60 * 1000) /* whatever a command or a pool says */
#define BUSY_FIRST_MS  500
#define BUSY_MOST_MS   5000

static uint64_t back_off(const struct recipe *r)
{
    uint64_t wait = BUSY_FIRST_MS;
    for (unsigned i = 1; i < r->tries && wait < BUSY_MOST_MS; i++)
        wait *= 2;
    return wait < BUSY_MOST_MS ? wait : BUSY_MOST_MS;
}

/* ---- LOOK ---- */

bool recipe_take_view(struct recipe *r, const struct driver_view *view)
{
    if (!view->pools_known || view->pool_count == 0 || !view->workers_known)
        return false;
    r->pool = view->pools[0];
    r->pool.name = r->record->pool;
    r->shared_config = view->config_shared;
    return true;
}

/* A reading failed before anything began. */
static void look_failed(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    bool final = result->code == ERR_NOT_FOUND || result->code == ERR_DENIED;
    recipe_note(r, result);
    if (r->resumed && !final && now_ms - r->since_ms < r->limits.stop_ms) {
        r->retry_at_ms = now_ms + RESUME_LOOK_MS;
        return;
    }
    if (!r->resumed && !final && r->tries < READ_TRIES) {
        r->retry_at_ms = now_ms + READ_RETRY_MS;
        return;
    }
    recipe_finish(r, now_ms, OUTCOME_REFUSED, recipe_cause(result->code), "%s",
                  r->trouble[0] ? r->trouble : "the pool's state or workers could not be read");
}

static bool in_transition(const struct recipe *r)
{
    return r->pool.state == POOL_STATE_STARTING || r->pool.state == POOL_STATE_STOPPING;
}

/* True: the look was enough to say that nothing more is done now. */
static bool must_wait_or_end(struct recipe *r, uint64_t now_ms)
{
    if (r->pool.state == POOL_STATE_UNKNOWN) {
        recipe_finish(r, now_ms, OUTCOME_REFUSED, CAUSE_SERVICE_DOWN,
                      "the state of the pool is Unknown: WAS or W3SVC is not running");
        return true;
    }
    if (!in_transition(r))
        return false;
    if (now_ms - r->since_ms >= r->limits.transition_ms)
        recipe_finish(r, now_ms, OUTCOME_REFUSED, CAUSE_TIMEOUT,
                      "the pool has been %s for %u s, somebody else is at it",
                      pool_state_name(r->pool.state), (unsigned)(r->limits.transition_ms / 1000));
    else
        r->retry_at_ms = now_ms + back_off(r);
    return true;
}

/* A set would change every server that reads the same configuration. */
static bool set_is_refused(struct recipe *r, uint64_t now_ms)
{
    bool wanted = r->record->verb == VERB_START;
    r->set_autostart = !r->record->keep_autostart && r->pool.auto_start != wanted;
    if (!r->set_autostart || !r->shared_config || r->record->force)
        return false;
    recipe_finish(
        r, now_ms, OUTCOME_REFUSED, CAUSE_SHARED_CONFIG,
        "this server shares its configuration: setting autoStart here would set it on "
        "every server that shares it; keep autoStart as it is, or change it once for all");
    return true;
}

/* New workers that the recycle must bring without anybody's request. */
static size_t recycle_expects(const struct recipe *r)
{
    bool comes_by_itself = r->pool.overlap || r->pool.start_mode == START_MODE_ALWAYS_RUNNING;
    return comes_by_itself ? r->record->before.count : 0;
}

static void ready_to_begin(struct recipe *r, uint64_t now_ms)
{
    if (r->record->state == RECORD_RECEIVED)
        recipe_enter(r, RECIPE_STEP_BEGIN, now_ms);
    else
        recipe_enter(r, r->set_autostart ? RECIPE_STEP_AUTOSTART : RECIPE_STEP_ACT, now_ms);
}

static void plan_recycle(struct recipe *r, uint64_t now_ms)
{
    struct record *record = r->record;
    if (r->pool.state == POOL_STATE_STOPPED) {
        recipe_finish(r, now_ms, OUTCOME_REFUSED, CAUSE_POOL_STOPPED,
                      "the pool is stopped: a stopped pool cannot be recycled, start it");
        return;
    }
    r->act = record->before.count > 0 ? CALL_RECYCLE : CALL_NONE;
    r->expected = record->before.count > 0 ? recycle_expects(r) : 1;
    if (r->act == CALL_NONE && !record->start_idle) {
        recipe_finish(r, now_ms, OUTCOME_NOTHING, CAUSE_POOL_IDLE,
                      "the pool is started and has no worker: there is nothing to recycle");
        return;
    }
    r->probe_wanted = record->probe || r->act == CALL_NONE;
    ready_to_begin(r, now_ms);
}

static void plan_start(struct recipe *r, uint64_t now_ms)
{
    if (set_is_refused(r, now_ms))
        return;
    bool started = r->pool.state == POOL_STATE_STARTED;
    r->already = started && !r->set_autostart;
    r->act = started ? CALL_NONE : CALL_START;
    r->expected = !started && r->pool.start_mode == START_MODE_ALWAYS_RUNNING ? 1 : 0;
    if (!r->already)
        ready_to_begin(r, now_ms);
    else if (r->probe_wanted)
        recipe_enter(r, RECIPE_STEP_PROBE, now_ms);
    else
        recipe_finish(r, now_ms, OUTCOME_NOTHING, CAUSE_ALREADY, "the pool is started already");
}

static void plan_stop(struct recipe *r, uint64_t now_ms)
{
    if (set_is_refused(r, now_ms))
        return;
    bool stopped = r->pool.state == POOL_STATE_STOPPED && r->record->before.count == 0;
    r->act = stopped ? CALL_NONE : CALL_STOP;
    if (stopped && !r->set_autostart)
        recipe_finish(r, now_ms, OUTCOME_NOTHING, CAUSE_ALREADY, "the pool is stopped already");
    else
        ready_to_begin(r, now_ms);
}

/* ---- the kill of one worker ---- */

static const struct worker *worker_named(const struct record *record)
{
    for (size_t i = 0; i < record->after.count; i++)
        if (record->after.items[i].pid == record->worker_pid &&
            record->after.items[i].created == record->worker_created)
            return &record->after.items[i];
    return NULL;
}

/* Events 5009 to 5012 count towards rapid-fail protection, our own kills among them. */
static uint32_t recent_crashes(const struct recipe *r, const struct driver_view *view)
{
    uint32_t count = 0;
    for (size_t i = 0; i < view->event_count; i++) {
        const struct server_event *event = &view->events[i];
        count += event->id >= 5009 && event->id <= 5012 &&
                 text_equal_nocase(event->pool, r->pool.name) &&
                 event->age_ms <= r->pool.rapid_fail_interval_ms;
    }
    return count;
}

/* True: one more could make WAS stop the pool. While workers end, another may have ended that is
 * not in the log yet. */
static bool would_stop_pool(struct recipe *r, const struct driver_view *view, uint64_t now_ms)
{
    uint32_t recent = recent_crashes(r, view);
    if (!r->pool.rapid_fail)
        return false;
    if (!view->events_known)
        recipe_finish(r, now_ms, OUTCOME_REFUSED, CAUSE_RAPID_FAIL,
                      "the events of WAS cannot be read, so it is not known how close the pool is "
                      "to its rapid-fail protection");
    else if (recent + 1 + (recent > 0) >= r->pool.rapid_fail_crashes)
        recipe_finish(
            r, now_ms, OUTCOME_REFUSED, CAUSE_RAPID_FAIL,
            "workers of this pool ended %u times of late, and rapid-fail protection stops "
            "it at %u: a kill is not worth that, recycle it or wait",
            (unsigned)recent, (unsigned)r->pool.rapid_fail_crashes);
    else
        return false;
    return true;
}

static void plan_kill(struct recipe *r, const struct driver_view *view, uint64_t now_ms)
{
    struct record *record = r->record;
    const struct worker *found = worker_named(record);
    if (!found) {
        recipe_finish(r, now_ms, OUTCOME_REFUSED, CAUSE_GONE,
                      "worker %u of that creation time is no longer there",
                      (unsigned)record->worker_pid);
        return;
    }
    if (r->pool.state != POOL_STATE_STARTED) {
        recipe_finish(r, now_ms, OUTCOME_REFUSED, CAUSE_POOL_STOPPED,
                      "the pool is %s: nobody would take the worker's place",
                      pool_state_name(r->pool.state));
        return;
    }
    if (would_stop_pool(r, view, now_ms))
        return;
    struct worker only = *found;
    record_set_workers(record, &record->before, &only, 1);
    r->act = CALL_WORKER_KILL;
    r->expected = r->pool.start_mode == START_MODE_ALWAYS_RUNNING ? 1 : 0;
    ready_to_begin(r, now_ms);
}

/* Once the recipe began, however it was begun. */
void recipe_set_deadline(struct recipe *r, uint64_t now_ms)
{
    uint64_t own = r->record->verb == VERB_STOP
                       ? r->limits.stop_ms
                       : r->pool.startup_limit_ms + r->pool.shutdown_limit_ms;
    uint64_t limit = r->record->limit_ms ? r->record->limit_ms : own + r->limits.margin_ms;
    r->deadline_ms = now_ms + (limit < LIMIT_MOST_MS ? limit : LIMIT_MOST_MS);
}

/* Recycle or stop, begun by an agent process that is gone: nothing is ordered any more. */
static void plan_resumed(struct recipe *r, uint64_t now_ms)
{
    struct record *record = r->record;
    r->act = CALL_NONE;
    r->acted_ms = now_ms;
    r->probe_wanted = record->verb == VERB_RECYCLE && (record->probe || record->before.count == 0);
    if (record->verb == VERB_RECYCLE)
        r->expected = record->before.count > 0 ? recycle_expects(r) : 1;
    recipe_set_deadline(r, now_ms);
    bool starts_idle = record->verb == VERB_RECYCLE && record->before.count == 0;
    recipe_enter(r, starts_idle ? RECIPE_STEP_PROBE : RECIPE_STEP_WATCH, now_ms);
}

void recipe_look_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    r->tries++;
    if (result->code != ERR_NONE || !recipe_take_view(r, &result->view)) {
        look_failed(r, result, now_ms);
        return;
    }
    struct record *record = r->record;
    record_set_workers(record, &record->after, result->view.workers, result->view.worker_count);
    if (r->resumed && record->verb != VERB_START) {
        plan_resumed(r, now_ms);
        return;
    }
    if (must_wait_or_end(r, now_ms))
        return;
    if (record->verb == VERB_WORKER_KILL) {
        plan_kill(r, &result->view, now_ms);
        return;
    }
    record_set_workers(record, &record->before, result->view.workers, result->view.worker_count);
    if (record->state == RECORD_BEGUN)
        recipe_set_deadline(r, now_ms);
    if (record->verb == VERB_RECYCLE)
        plan_recycle(r, now_ms);
    else if (record->verb == VERB_START)
        plan_start(r, now_ms);
    else
        plan_stop(r, now_ms);
}

/* ---- AUTOSTART and ACT ---- */

static const char *begun_but(const struct recipe *r)
{
    if (r->record->verb == VERB_STOP && r->set_autostart && r->step != RECIPE_STEP_AUTOSTART)
        return " (autoStart was set to false before)";
    return "";
}

/* True when the call is tried again later: nothing was done, or doing it twice is harmless. */
static bool retried(struct recipe *r, const struct call_result *result, bool repeatable,
                    uint64_t now_ms)
{
    uint64_t at = now_ms + back_off(r);
    bool again = result->code == ERR_BUSY || (repeatable && r->tries < SET_TRIES);
    if (result->code == ERR_NOT_FOUND || result->code == ERR_DENIED || !again ||
        at >= r->deadline_ms)
        return false;
    r->retry_at_ms = at;
    return true;
}

void recipe_autostart_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    r->tries++;
    if (result->code == ERR_NONE || result->code == ERR_EXISTS) {
        r->pool.auto_start = result->call.on;
        r->acted_ms = now_ms;
        recipe_enter(r, r->act == CALL_NONE ? RECIPE_STEP_WATCH : RECIPE_STEP_ACT, now_ms);
        return;
    }
    recipe_note(r, result);
    if (!retried(r, result, true, now_ms))
        recipe_finish(r, now_ms, OUTCOME_FAILED, recipe_cause(result->code),
                      "autoStart could not be set, the pool was not %s: %s",
                      r->record->verb == VERB_START ? "started" : "stopped", r->trouble);
}

/* The order went out: from here the pool's own limits count, unless the command named one. */
static void acted(struct recipe *r, uint64_t now_ms)
{
    r->acted_ms = now_ms;
    if (r->record->limit_ms == 0 && r->record->verb == VERB_STOP)
        r->deadline_ms = now_ms + r->pool.shutdown_limit_ms + r->limits.margin_ms;
    else if (r->record->limit_ms == 0)
        recipe_set_deadline(r, now_ms);
    recipe_enter(r, RECIPE_STEP_WATCH, now_ms);
}

void recipe_act_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    r->tries++;
    recipe_note(r, result);
    switch (result->code) {
    case ERR_NONE:
    case ERR_EXISTS:
        acted(r, now_ms);
        return;
    case ERR_BUSY:
        if (!retried(r, result, false, now_ms))
            recipe_finish(r, now_ms, OUTCOME_FAILED, CAUSE_TIMEOUT,
                          "the pool stayed in transition, nothing was done%s: %s", begun_but(r),
                          r->trouble);
        return;
    case ERR_STATE:
        if (r->relooked)
            recipe_finish(r, now_ms, OUTCOME_FAILED, CAUSE_DRIVER, "refused twice%s: %s",
                          begun_but(r), r->trouble);
        else
            recipe_enter(r, RECIPE_STEP_RELOOK, now_ms);
        return;
    case ERR_NOT_FOUND:
    case ERR_DENIED:
        if (r->act == CALL_WORKER_KILL && result->code == ERR_NOT_FOUND) {
            recipe_finish(r, now_ms, OUTCOME_NOTHING, CAUSE_GONE, "the worker ended by itself");
            return;
        }
        recipe_finish(r, now_ms, OUTCOME_FAILED, recipe_cause(result->code),
                      "nothing was done%s: %s", begun_but(r), r->trouble);
        return;
    default: /* whether it was done is not known: the workers will tell */
        r->act_unknown = true;
        acted(r, now_ms);
        return;
    }
}

/* The order met a state that it does not fit: has the pool changed since the first look? */
void recipe_relook_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    struct record *record = r->record;
    r->tries++;
    if (result->code != ERR_NONE || !recipe_take_view(r, &result->view)) {
        recipe_note(r, result);
        if (!retried(r, result, true, now_ms))
            recipe_finish(r, now_ms, OUTCOME_FAILED, recipe_cause(result->code),
                          "the pool could not be read again%s: %s", begun_but(r), r->trouble);
        return;
    }
    r->relooked = true;
    record_set_workers(record, &record->after, result->view.workers, result->view.worker_count);
    if (record->verb == VERB_RECYCLE && r->pool.state == POOL_STATE_STOPPED)
        recipe_finish(r, now_ms, OUTCOME_FAILED, CAUSE_POOL_STOPPED,
                      "the pool was stopped by somebody else before it could be recycled");
    else if (record->verb == VERB_RECYCLE && record->after.count == 0)
        recipe_finish(r, now_ms, OUTCOME_NOTHING, CAUSE_POOL_IDLE,
                      "the last worker ended by itself before the recycle");
    else
        recipe_enter(r, RECIPE_STEP_ACT, now_ms);
}
