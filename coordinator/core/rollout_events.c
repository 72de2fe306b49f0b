/* What answers of agents, results and people bring. */
#include "coordinator/core/rollout_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

/* ---- evidence before the act ---- */

static void note_baseline(struct rollout_target *t, const struct worker *workers, size_t count)
{
    t->baseline_count = 0;
    for (size_t i = 0; i < count && i < ROLLOUT_BASELINE_MAX; i++) {
        t->baseline_pid[i] = workers[i].pid;
        t->baseline_created[i] = workers[i].created;
        t->baseline_count++;
    }
}

static bool seen_healthy(const struct observation *seen)
{
    return seen->services_up && seen->pool.state == POOL_STATE_STARTED &&
           (!seen->probed || seen->probe_passed);
}

/* The same for the services of a server. */
static bool services_are_idle(const struct rollout *r, struct rollout_change *c,
                              const struct observation *seen, const struct rollout_view *view,
                              uint64_t now_ms)
{
    const char *idle = NULL;
    c->target.down = !seen->services_up;
    if (r->action == ROLLOUT_SERVICE_RECOVER && seen_healthy(seen) && !r->options.all_servers) {
        idle = "healthy: left alone";
    } else if (r->action == ROLLOUT_SERVICE_START && seen->services_up) {
        idle = "WAS and W3SVC run already";
    }
    if (idle) {
        c->target.cause = CAUSE_ALREADY;
        change_end_target(r, c, TARGET_NOTHING, view, now_ms, "%s", idle);
        return true;
    }
    if (r->action == ROLLOUT_SERVICE_RESTART && c->target.down) {
        c->target.cause = CAUSE_SERVICE_DOWN;
        change_end_target(r, c, TARGET_FAILED, view, now_ms,
                          "WAS or W3SVC is not running: `service recover` is for that");
        return true;
    }
    return false;
}

/* Does the pool's state make the act needless or senseless? Ends the target then. */
static bool act_is_idle(const struct rollout *r, struct rollout_change *c,
                        const struct observation *seen, const struct rollout_view *view,
                        uint64_t now_ms)
{
    const struct pool *pool = &seen->pool;
    bool stopped = pool->state == POOL_STATE_STOPPED;
    bool auto_as_asked =
        r->options.keep_autostart || pool->auto_start == (r->action == ROLLOUT_START);
    switch (r->action) {
    case ROLLOUT_RECYCLE:
        if (stopped) {
            c->target.cause = CAUSE_POOL_STOPPED;
            change_end_target(r, c, pool->auto_start ? TARGET_FAILED : TARGET_SKIPPED, view, now_ms,
                              "pool %.100s is stopped%s: `pool start` brings it back", pool->name,
                              pool->auto_start ? " though autoStart is on" : " on purpose");
            return true;
        }
        if (seen->worker_count == 0 && !r->options.start_idle) {
            c->target.cause = CAUSE_POOL_IDLE;
            change_end_target(r, c, TARGET_NOTHING, view, now_ms,
                              "pool %.100s is idle, without a worker: nothing to recycle",
                              pool->name);
            return true;
        }
        return false;
    case ROLLOUT_START:
        if (pool->state == POOL_STATE_STARTED && auto_as_asked) {
            c->target.cause = CAUSE_ALREADY;
            change_end_target(r, c, TARGET_NOTHING, view, now_ms, "started already");
            return true;
        }
        return false;
    case ROLLOUT_STOP:
        if (stopped && auto_as_asked) {
            c->target.cause = CAUSE_ALREADY;
            change_end_target(r, c, TARGET_NOTHING, view, now_ms, "stopped already");
            return true;
        }
        return false;
    case ROLLOUT_WORKER_KILL: /* the agent looks for the worker itself */
    case ROLLOUT_HOLD:
    case ROLLOUT_CYCLE:
    case ROLLOUT_WARM: /* its agent knows what is to be changed */
    case ROLLOUT_UNWARM:
    case ROLLOUT_UNDRAIN:
    case ROLLOUT_SERVICE_RECOVER:
    case ROLLOUT_SERVICE_RESTART:
    case ROLLOUT_SERVICE_STOP:
    case ROLLOUT_SERVICE_START:
    case ROLLOUT_QUARANTINE:
        break;
    }
    return false;
}

static void seen_checking(const struct rollout *r, struct rollout_change *c,
                          const struct observation *seen, const struct rollout_view *view,
                          uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    bool apart = r->action == ROLLOUT_QUARANTINE; /* whatever state it is in */
    if (seen->cause != CAUSE_NONE && !apart) {
        t->cause = seen->cause;
        change_end_target(r, c, TARGET_FAILED, view, now_ms, "%.250s",
                          seen->detail[0] ? seen->detail : cause_name(seen->cause));
        return;
    }
    bool of_services = rollout_of_server(r);
    if (!seen->services_up && !of_services) {
        t->cause = CAUSE_SERVICE_DOWN;
        change_end_target(r, c, TARGET_FAILED, view, now_ms,
                          "WAS or W3SVC is not running: `farmhand service recover --on %.100s` "
                          "brings them back",
                          t->server);
        return;
    }
    if (of_services && services_are_idle(r, c, seen, view, now_ms)) {
        return;
    }
    if (!of_services && act_is_idle(r, c, seen, view, now_ms)) {
        return;
    }
    t->baseline_count = 0; /* services: their workers go with them */
    if (r->action == ROLLOUT_WORKER_KILL) {
        note_baseline(
            t, &(struct worker){.pid = r->options.worker_pid, .created = r->options.worker_created},
            1);
    } else if (!of_services) {
        note_baseline(t, seen->workers, seen->worker_count);
    }
    t->before = compare_measure(seen);
    t->orphans_allowed = seen->pool.orphans;
    t->agent_seen_ms = now_ms;
    change_decide_take(r, c, view, now_ms);
}

/* ---- the gate ---- */

static bool baseline_alive(const struct rollout_target *t, const struct observation *seen)
{
    for (size_t i = 0; i < seen->worker_count; i++) {
        for (uint32_t k = 0; k < t->baseline_count; k++) {
            if (seen->workers[i].pid == t->baseline_pid[k] &&
                seen->workers[i].created == t->baseline_created[k]) {
                return true;
            }
        }
    }
    return false;
}

/* NULL: passes. Else what is missing, in words. */
static const char *gate_misses(const struct rollout *r, const struct rollout_target *t,
                               const struct observation *seen, char *text, size_t size)
{
    if (seen->cause != CAUSE_NONE) {
        text_format(text, size, "%.200s", seen->detail[0] ? seen->detail : cause_name(seen->cause));
        return text;
    }
    if (r->action == ROLLOUT_SERVICE_STOP && !t->act_failed) {
        return seen->services_up ? "WAS and W3SVC run still" : NULL;
    }
    if (!seen->services_up) {
        return "WAS or W3SVC is not running";
    }
    if (r->action == ROLLOUT_STOP && !t->act_failed) {
        if (seen->pool.state != POOL_STATE_STOPPED) {
            return "the pool is not stopped";
        }
        return seen->worker_count && !seen->pool.orphans ? "a worker is still there" : NULL;
    }
    bool sets = r->action == ROLLOUT_WARM || r->action == ROLLOUT_UNWARM;
    if (sets && seen->pool.state == POOL_STATE_STOPPED && !seen->pool.auto_start) {
        return NULL; /* stopped on purpose before, and still */
    }
    if (seen->pool.state != POOL_STATE_STARTED) {
        text_format(text, size, "%s %s",
                    seen->pool.name[0] ? "the pool is" : "a pool that should run is",
                    pool_state_name(seen->pool.state));
        return text;
    }
    bool replaces = r->action == ROLLOUT_RECYCLE || r->action == ROLLOUT_WORKER_KILL;
    if (replaces && !t->act_failed && !t->orphans_allowed && baseline_alive(t, seen)) {
        return "a worker from before is still there";
    }
    if (seen->probed && !seen->probe_passed) {
        if (seen->probe_status) {
            text_format(text, size, "the probe answered %d", seen->probe_status);
            return text;
        }
        return "the probe got no answer";
    }
    return compare_misses(r, t, seen, text, size);
}

/* "passed: 200 in 12ms; failed: the probe answered 500": as much as fits, the newest are kept. */
static void note_evidence(struct rollout_target *t, const struct observation *seen,
                          const char *missing)
{
    char one[160], all[ROLLOUT_STEP_MAX + sizeof one];
    if (missing) {
        text_format(one, sizeof one, "failed: %.120s", missing);
    } else if (seen->probed) {
        text_format(one, sizeof one, "passed: %d in %ums", seen->probe_status, seen->probe_ms);
    } else {
        text_copy(one, sizeof one, "passed");
    }
    text_format(all, sizeof all, "%s%s%s", t->evidence, t->evidence[0] ? "; " : "", one);
    size_t len = strlen(all), cut = 0;
    while (len - cut >= ROLLOUT_STEP_MAX - 3) {
        const char *next = strstr(all + cut, "; ");
        cut = next ? (size_t)(next - all) + 2 : len;
    }
    char clean[ROLLOUT_STEP_MAX];
    text_format(clean, sizeof clean, "%s%s", cut ? "..." : "", all + cut);
    wire_clean_text(t->evidence, sizeof t->evidence, clean);
}

/* The newest look at what the target is about. */
static void note_look(struct rollout_target *t, const struct observation *seen)
{
    t->after = compare_measure(seen);
    if (seen->probed) {
        t->probe_status = seen->probe_status;
        t->probe_ms = seen->probe_ms;
    }
}

static void seen_gating(const struct rollout *r, struct rollout_change *c,
                        const struct observation *seen, const struct rollout_view *view,
                        uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    char text[ROLLOUT_STEP_MAX];
    const char *missing = t->asks ? taken_misses(seen, text, sizeof text)
                                  : gate_misses(r, t, seen, text, sizeof text);
    t->agent_seen_ms = now_ms;
    note_evidence(t, seen, missing);
    if (!t->asks) {
        note_look(t, seen);
    }
    if (missing) {
        t->proved_ms = t->asks ? t->proved_ms : 0;
        taken_failed(t);
        change_say(c, "%.250s", missing);
        return;
    }
    t->first_pass_ms = t->passes ? t->first_pass_ms : now_ms;
    t->passes++;
    change_say(c, "%s%.100s%sthe probe passed %u of %u times", t->asks ? "pool " : "",
               t->asks ? seen->pool.name : "", t->asks ? ": " : "", t->passes,
               r->options.gate_passes);
    if (t->passes >= r->options.gate_passes &&
        now_ms - t->first_pass_ms >= r->options.gate_min_ms) {
        taken_passed(r, c, view, now_ms);
    }
}

static void seen_soaking(const struct rollout *r, struct rollout_change *c,
                         const struct observation *seen, const struct rollout_view *view,
                         uint64_t now_ms)
{
    char text[ROLLOUT_STEP_MAX];
    const char *missing = gate_misses(r, &c->target, seen, text, sizeof text);
    if (missing) {
        c->target.cause = CAUSE_PROBE;
        c->target.trouble = TROUBLE_GATE;
        change_end_target(r, c, TARGET_FAILED, view, now_ms, "after the soak: %.200s", missing);
    } else {
        char detail[ROLLOUT_STEP_MAX];
        text_copy(detail, sizeof detail, c->target.detail);
        change_end_target(r, c, TARGET_DONE, view, now_ms, "%s", detail);
    }
}

/* It came too late, or too much was asked already: nothing was looked at. */
static bool is_refusal(const struct observation *seen)
{
    return seen->cause == CAUSE_EXPIRED || seen->cause == CAUSE_BUSY;
}

void rollout_on_observation(const struct rollout *r, size_t i, uint64_t ticket,
                            const struct observation *seen, const struct rollout_view *view,
                            uint64_t now_ms, struct rollout_change *c)
{
    change_begin(r, c);
    if (i >= r->target_count || !ticket || r->targets[i].ask_ticket != ticket) {
        return; /* asked in another state, or answered already */
    }
    struct rollout_target *t = change_edit(r, c, i);
    t->ask_ticket = 0;
    if (is_refusal(seen)) {
        change_say(c, "its agent is asked again: %.220s", seen->detail);
        return;
    }
    switch (t->state) {
    case TARGET_CHECKING:
        seen_checking(r, c, seen, view, now_ms);
        break;
    case TARGET_DRAINING:
        if (seen->cause == CAUSE_NONE) {
            t->agent_seen_ms = now_ms; /* our fence is in force there */
        }
        break;
    case TARGET_GATING:
        seen_gating(r, c, seen, view, now_ms);
        break;
    case TARGET_SOAKING:
        seen_soaking(r, c, seen, view, now_ms);
        break;
    default:
        break;
    }
}

/* ---- the agent's word on the command ---- */

void rollout_on_progress(const struct rollout *r, size_t i, const struct progress *progress,
                         uint64_t now_ms, struct rollout_change *c)
{
    change_begin(r, c);
    if (i >= r->target_count || r->targets[i].state != TARGET_ACTING ||
        !command_id_equal(&progress->id, &r->targets[i].command)) {
        return;
    }
    struct rollout_target *t = change_edit(r, c, i);
    t->told = true;
    t->ask_at_ms = now_ms;
    change_say(c, "%.250s", progress->step);
}

static void note_proof(struct rollout_target *t, const struct result *result)
{
    const struct proof *p = &result->proof;
    if (p->before_count) {
        note_baseline(t, p->before, p->before_count);
    }
    t->after_count = 0;
    for (size_t i = 0; i < p->after_count && i < ROLLOUT_BASELINE_MAX; i++) {
        t->after_pid[t->after_count++] = p->after[i].pid;
    }
    t->orphans_allowed = t->orphans_allowed || p->orphaned;
    t->gap_ms = p->gap_ms;
    if (p->probed) {
        t->probe_status = p->probe_status;
        t->probe_ms = p->probe_ms;
    }
}

/* It certainly never began: may be given again, under a new id. */
static bool never_begun(const struct result *result)
{
    return result->outcome == OUTCOME_UNHEARD ||
           (result->outcome == OUTCOME_REFUSED &&
            (result->cause == CAUSE_EXPIRED || result->cause == CAUSE_BUSY));
}

/* Much may have happened since it was drained: somebody may have set it ready again. */
static void look_at_places_again(struct rollout_change *c, uint64_t now_ms)
{
    change_enter(c, TARGET_DRAINING, now_ms,
                 "it never reached the agent: looking at its places again");
    c->target.told = true;
    change_ask_balancer(c, BALANCER_OP_READ, now_ms);
}

/* A command that was certainly never begun is given again, if it may be now. */
static void give_again(const struct rollout *r, struct rollout_change *c,
                       const struct rollout_view *view, uint64_t now_ms)
{
    char why[ROLLOUT_STEP_MAX] = "";
    bool restores = rollout_action_restores(r->action);
    if (restores ? window_hands_off(view, c->target.server, why, sizeof why)
                 : window_forbids(r, &c->target, view, why, sizeof why)) {
        change_put_off(r, c, now_ms, why);
    } else if (c->target.place_count && r->options.drain && !restores) {
        look_at_places_again(c, now_ms);
    } else {
        change_command(r, c, view, now_ms);
        change_say(c, "it never reached the agent: asked again");
    }
}

static void command_again(const struct rollout *r, struct rollout_change *c,
                          const struct rollout_view *view, uint64_t now_ms)
{
    if (r->state == RUN_RUNNING && c->target.attempts < COMMAND_ATTEMPTS_MAX) {
        give_again(r, c, view, now_ms);
    } else {
        change_fail_act(r, c, CAUSE_EXPIRED, now_ms, "the command never reached the agent");
    }
}

static void act_ended(const struct rollout *r, struct rollout_change *c,
                      const struct result *result, const struct rollout_view *view, uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    t->outcome = result->outcome;
    t->cause = result->cause;
    note_proof(t, result);
    switch (result->outcome) {
    case OUTCOME_DONE:
    case OUTCOME_NOTHING:
        text_copy(t->detail, sizeof t->detail, result->detail);
        change_gate(r, c, now_ms);
        break;
    case OUTCOME_FAILED:
    case OUTCOME_REFUSED:
    case OUTCOME_INTERRUPTED:
        if (never_begun(result)) {
            command_again(r, c, view, now_ms);
        } else {
            bool failed = result->outcome == OUTCOME_FAILED; /* the state says so already */
            change_fail_act(r, c, result->cause, now_ms, "%s%s%.400s",
                            failed ? "" : outcome_name(result->outcome), failed ? "" : ": ",
                            result->detail);
        }
        break;
    case OUTCOME_UNHEARD:
        command_again(r, c, view, now_ms);
        break;
    case OUTCOME_RUNNING:
    case OUTCOME_NONE:
        must(!"only ended outcomes come here");
    }
}

void rollout_on_result(const struct rollout *r, size_t i, const struct result *result,
                       const struct rollout_view *view, uint64_t now_ms, struct rollout_change *c)
{
    change_begin(r, c);
    if (i >= r->target_count || !command_id_equal(&result->id, &r->targets[i].command)) {
        return;
    }
    enum target_state state = r->targets[i].state;
    if (state != TARGET_ACTING && state != TARGET_UNKNOWN) {
        return;
    }
    if (r->targets[i].cause == CAUSE_INCARNATION && result->outcome == OUTCOME_UNHEARD) {
        return; /* a journal that is younger than the command cannot have heard of it */
    }
    struct rollout_target *t = change_edit(r, c, i);
    if (result->outcome == OUTCOME_RUNNING || result->outcome == OUTCOME_NONE) {
        t->told = true;
        t->ask_at_ms = now_ms;
        change_say(c, "the agent is at it: %.200s", result->detail);
        return;
    }
    act_ended(r, c, result, view, now_ms);
    change_settle_unknown(r, c);
}

void rollout_on_new_journal(const struct rollout *r, size_t i, uint64_t now_ms,
                            struct rollout_change *c)
{
    change_begin(r, c);
    enum target_state state = r->targets[i].state;
    if ((state != TARGET_ACTING && state != TARGET_UNKNOWN) || !r->targets[i].command.seq) {
        return;
    }
    struct rollout_target *t = change_edit(r, c, i);
    if (state == TARGET_ACTING) {
        change_enter(c, TARGET_UNKNOWN, now_ms, "%s", "");
    }
    t->cause = CAUSE_INCARNATION;
    c->target_saved = c->run_changed = true;
    change_say(c, "the journal that knew the command is gone: `run resolve` settles it");
    text_format(c->why, sizeof c->why,
                "%.100s: outcome unknown, its agent has a new journal; `run resolve` settles it",
                t->server);
    change_settle_unknown(r, c);
}

void rollout_on_new_boot(const struct rollout *r, size_t i, uint64_t now_ms,
                         struct rollout_change *c)
{
    change_begin(r, c);
    enum target_state state = r->targets[i].state;
    if (state != TARGET_GATING && state != TARGET_RETURNING) {
        return;
    }
    struct rollout_target *t = change_edit(r, c, i);
    if (state == TARGET_RETURNING) {
        change_gate(r, c, now_ms);
    }
    t->passes = 0;
    change_say(c, "its machine has started anew: the probe has to pass again");
}

/* ---- people ---- */

void rollout_on_request(const struct rollout *r, enum rollout_request request, const char *actor,
                        const struct rollout_view *view, uint64_t now_ms, struct rollout_change *c)
{
    (void)view;
    (void)now_ms;
    change_begin(r, c);
    if (run_state_ended(r->state)) {
        return;
    }
    c->any = c->run_changed = c->restoring = true;
    switch (request) {
    case REQUEST_PAUSE:
        change_pause(c, PAUSE_PERSON, true);
        text_format(c->why, sizeof c->why, "paused by %.100s", actor);
        break;
    case REQUEST_RESUME:
        change_pause(c, PAUSE_PERSON, false);
        change_pause(c, PAUSE_FAILURES, false);
        change_pause(c, PAUSE_CANARY, false);
        memset(c->troubles, 0, sizeof c->troubles);
        memset(c->troubles_in_wave, 0, sizeof c->troubles_in_wave);
        if (!(c->pause_causes & PAUSE_APPROVAL)) {
            text_copy(c->why, sizeof c->why, "");
        }
        break;
    case REQUEST_ABORT:
        c->run_state = RUN_ABORTING;
        text_format(c->why, sizeof c->why, "aborted by %.100s", actor);
        break;
    }
}

void rollout_on_set(const struct rollout *r, const struct rollout_options *options,
                    struct rollout_change *c)
{
    change_begin(r, c);
    if (run_state_ended(r->state)) {
        return;
    }
    c->any = c->run_changed = c->options_changed = true;
    c->options = *options;
    change_settle_unknown(r, c); /* what is borne may be another number now */
}

void rollout_set_pause(const struct rollout *r, enum pause_cause cause, bool on,
                       struct rollout_change *c)
{
    change_begin(r, c);
    bool is_on = (r->pause_causes & cause) != 0;
    if (run_state_ended(r->state) || is_on == on) {
        return;
    }
    c->any = c->restoring = true;
    change_pause(c, cause, on);
}

void rollout_resolve(const struct rollout *r, size_t i, enum outcome as, const char *actor,
                     const struct rollout_view *view, uint64_t now_ms, struct rollout_change *c)
{
    change_begin(r, c);
    if (i >= r->target_count || r->targets[i].state != TARGET_UNKNOWN) {
        return;
    }
    struct rollout_target *t = change_edit(r, c, i);
    t->outcome = as;
    t->cause = CAUSE_NONE;
    if (as == OUTCOME_DONE) {
        text_format(t->detail, sizeof t->detail, "settled as done by %.100s", actor);
        change_gate(r, c, now_ms);
    } else if (as == OUTCOME_UNHEARD && r->state == RUN_RUNNING &&
               !rollout_action_by_others(r->action)) {
        give_again(r, c, view, now_ms);
    } else {
        change_fail_act(r, c, CAUSE_NONE, now_ms, "settled as %s by %.100s",
                        as == OUTCOME_UNHEARD ? "not executed" : "failed", actor);
        t->cause = CAUSE_TIMEOUT;
    }
    change_settle_unknown(r, c);
}
