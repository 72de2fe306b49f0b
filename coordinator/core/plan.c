#include "coordinator/core/plan_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define ACT_LIMIT_MAX_MS  (24ull * 3600 * 1000)
#define APPROVE_WITHIN_MS (24ull * 3600 * 1000) /* where nothing else is said */
/* Two stops of a hundred seconds, a process that has to go, dependents, and two minutes to start.
 */
#define SERVICES_LIMIT_MS (15 * 60 * 1000)
#define STARTING_MS       (10 * 60 * 1000) /* from the first word of a new boot to a warm site */

/* ---- checking the words ---- */

static enum error_code check_words(const struct plan_request *q, struct error *err)
{
    enum error_code code = selector_check(q->selector, err);
    if (code != ERR_NONE) {
        return code;
    }
    bool whole = q->action == ROLLOUT_UNDRAIN && q->pool && !q->pool[0];
    bool of_server = whole || rollout_action_of_server(q->action);
    if (!q->pool || (!q->pool[0] && !of_server)) {
        return error_set(err, ERR_INVALID, "no pool was named");
    }
    if (q->pool[0] && of_server) {
        return error_set(err, ERR_INVALID,
                         "'%.100s': %s is about a server as a whole, without a pool", q->pool,
                         rollout_action_name(q->action));
    }
    if (q->action == ROLLOUT_WORKER_KILL && !q->options.worker_pid) {
        return error_set(err, ERR_INVALID,
                         "worker_pid and worker_created are missing: which worker, as `farmhand "
                         "worker list` shows it");
    }
    if (strlen(q->pool) >= WIRE_NAME_MAX || !wire_text_is_clean(q->pool)) {
        return error_set(err, ERR_INVALID,
                         "the pool's name is too long or holds control characters");
    }
    code = of_server ? ERR_NONE : pools_check(q->pool, err);
    if (code != ERR_NONE) {
        return code;
    }
    if (!q->reason || !q->reason[strspn(q->reason, " \t")]) {
        return error_set(err, ERR_INVALID, "a reason is required: say why this is done");
    }
    if (!wire_text_is_clean(q->reason) || strlen(q->reason) >= 512 || strlen(q->selector) >= 512) {
        return error_set(err, ERR_INVALID,
                         "reason and selector: at most 511 bytes, no control "
                         "characters");
    }
    return ERR_NONE;
}

enum error_code plan_check_options(const struct rollout_options *o, struct error *err)
{
    if (o->batch < 1) {
        return error_set(err, ERR_INVALID, "batch must be at least 1");
    }
    if (o->gate_passes < 1 || o->gate_interval_ms < 10) {
        return error_set(err, ERR_INVALID, "the gate needs at least 1 pass, and 10ms between asks");
    }
    if (o->gate_deadline_ms <= o->gate_min_ms) {
        return error_set(
            err, ERR_INVALID, "gate_deadline (%llums) must be longer than gate_min (%llums)",
            (unsigned long long)o->gate_deadline_ms, (unsigned long long)o->gate_min_ms);
    }
    uint64_t least_ms = (uint64_t)(o->gate_passes - 1) * o->gate_interval_ms;
    if (o->gate_deadline_ms <= least_ms) {
        return error_set(err, ERR_INVALID,
                         "%u passes of the gate, %llums apart, take longer than gate_deadline "
                         "(%llums): no server could ever pass",
                         o->gate_passes, (unsigned long long)o->gate_interval_ms,
                         (unsigned long long)o->gate_deadline_ms);
    }
    if (o->gate_errors.percent) {
        return error_set(err, ERR_INVALID,
                         "gate_errors is a number of requests: of none before there is no part");
    }
    if (o->gate_queue.percent) {
        return error_set(err, ERR_INVALID,
                         "gate_queue is a number of requests: a queue of before is none to go by");
    }
    if (o->limit_ms < 1000 || o->drain_limit_ms < 1000) {
        return error_set(err, ERR_INVALID, "limits must be at least 1s");
    }
    return ERR_NONE;
}

enum error_code plan_check_limit(enum rollout_action action, uint64_t limit_ms,
                                 uint64_t hold_max_ms, struct error *err)
{
    char asked[TEXT_DURATION_MAX], most[TEXT_DURATION_MAX];
    bool others = rollout_action_by_others(action);
    uint64_t max_ms = others ? hold_max_ms : ACT_LIMIT_MAX_MS;
    if (!max_ms || limit_ms <= max_ms) {
        return ERR_NONE;
    }
    text_format_duration(asked, limit_ms);
    text_format_duration(most, max_ms);
    return others ? error_set(err, ERR_INVALID,
                              "%s is longer than servers may be in the hands of others here (%s): "
                              "raise max_hold in coordinator.conf, or let `server declare-out` "
                              "take the server out of the budget for that time",
                              asked, most)
                  : error_set(err, ERR_INVALID,
                              "limit_ms: one act is waited for %s at most, not %s", most, asked);
}

/* ---- freezing the selection ---- */

static bool lacks_former(const struct plan_request *q, const struct fleet_server *s,
                         const char *pool)
{
    return q->action == ROLLOUT_UNWARM && q->has_former &&
           !q->has_former(q->former_ctx, s->name, pool);
}

/* A server that we know well enough to say that it has no such pool is not meant. */
static bool lacks_pool(const struct fleet_server *s, const char *pool)
{
    return pool[0] && s->presence == PRESENCE_FRESH && fleet_whole(s) && !fleet_pool(s, pool);
}

struct selection {
    size_t matched; /* servers */
    size_t chosen, cap;
    struct choice *choices;
    const struct fleet_server *unknown; /* one whose pools are not known */
};

static void choose(struct selection *n, const struct fleet_server *s, const char *pool)
{
    if (n->chosen == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 64;
        n->choices = must_realloc(n->choices, n->cap, sizeof *n->choices);
    }
    n->choices[n->chosen++] = (struct choice){.server = s, .pool = pool};
}

/* Those of its pools that are meant, as it last told of them. */
static void choose_pools(const struct plan_request *q, struct selection *n,
                         const struct fleet_server *s)
{
    const char *pools = q->pool;
    const struct state *whole = fleet_whole(s);
    n->unknown = n->unknown || whole ? n->unknown : s;
    for (size_t i = 0; whole && i < whole->pool_count; i++) {
        if (pools_match(pools, whole->pools[i].name) && !lacks_former(q, s, whole->pools[i].name)) {
            choose(n, s, whole->pools[i].name);
        }
    }
}

static struct selection select_servers(const struct plan_request *q, const struct fleet *fleet)
{
    struct selection n = {0};
    bool one = pools_are_one(q->pool);
    for (size_t i = 0; i < fleet_count(fleet); i++) {
        const struct fleet_server *s = fleet_at(fleet, i);
        if (!selector_match(q->selector, s->name, s->labels, s->label_count)) {
            continue;
        }
        n.matched++;
        if (!one) {
            choose_pools(q, &n, s);
        } else if (!lacks_pool(s, q->pool) && !lacks_former(q, s, q->pool)) {
            choose(&n, s, q->pool);
        }
    }
    return n;
}

/* What the former run left: its exclusions stay, and nobody is taken in who was not there. */
static struct selection select_rest(const struct plan_request *q, const struct fleet *fleet)
{
    struct selection n = {0};
    for (size_t i = 0; i < q->retry->target_count; i++) {
        const struct rollout_target *t = &q->retry->targets[i];
        const struct fleet_server *s = fleet_find(fleet, t->server);
        n.matched++;
        if (s && rollout_is_left(q->retry, t) && !lacks_former(q, s, t->pool)) {
            choose(&n, s, t->pool);
        }
    }
    return n;
}

struct rollout_options plan_options_again(const struct rollout *former)
{
    struct rollout_options o = former->options;
    if (o.canary && former->wave > 0) {
        o.canary = 0;
        o.pause_after_canary = false;
        o.bake_ms = o.waves[0] ? o.bake_ms : 0; /* between two waves, and there is one */
    }
    return o;
}

static enum error_code check_rest(const struct rollout *retry, struct error *err)
{
    unsigned long long id = (unsigned long long)retry->id;
    if (!run_state_ended(retry->state)) {
        return error_set(err, ERR_STATE,
                         "run %llu has not ended: `farmhand run resume %llu` goes on with it, "
                         "`farmhand run abort %llu` ends it",
                         id, id, id);
    }
    for (size_t i = 0; i < retry->target_count; i++) {
        if (rollout_is_left(retry, &retry->targets[i])) {
            return ERR_NONE;
        }
    }
    return error_set(err, ERR_STATE, "run %llu left nothing to retry", id);
}

/* The pools of a server come one after the other. */
static size_t count_servers(const struct selection *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->chosen; i++) {
        count += i == 0 || n->choices[i].server != n->choices[i - 1].server;
    }
    return count;
}

static enum error_code check_selection(const struct plan_request *q, const struct fleet *fleet,
                                       const struct selection *n, struct error *err)
{
    if (n->matched == 0) {
        return error_set(err, ERR_NOT_FOUND,
                         "'%s' selects no server of %zu: `farmhand server list` shows their names "
                         "and labels",
                         q->selector, fleet_count(fleet));
    }
    if (n->unknown) {
        return error_set(err, ERR_UNAVAILABLE,
                         "which pools %s has is not known: its agent has not told them since the "
                         "coordinator started. Name one pool, or leave the server out: --on "
                         "'%s,!%s'",
                         n->unknown->name, q->selector, n->unknown->name);
    }
    if (n->chosen == 0 && q->action == ROLLOUT_UNWARM) {
        return error_set(err, ERR_NOT_FOUND,
                         "no settings of '%s' are kept for the selected servers: `pool warm "
                         "--apply` has changed none there, or they were put back; of configuration "
                         "that is shared they are kept with the server that was changed first",
                         q->pool);
    }
    if (n->chosen == 0) {
        return error_set(err, ERR_NOT_FOUND,
                         "no pool '%s' on any of the %zu selected servers: `farmhand pool list` "
                         "shows what there is",
                         q->pool, n->matched);
    }
    size_t servers = count_servers(n);
    if (q->expect && servers != q->expect) {
        return error_set(err, ERR_INVALID, "%zu servers would be touched, %u were expected",
                         servers, q->expect);
    }
    return ERR_NONE;
}

const char *plan_key(const struct rollout *run, size_t target, char out[PLAN_KEY_MAX])
{
    const struct rollout_target *t = &run->targets[target];
    bool one = pools_are_one(run->pool);
    text_format(out, PLAN_KEY_MAX, "%s%s%s", t->server, one ? "" : "/", one ? "" : t->pool);
    return out;
}

/* What a person saw in the plan is what is done: the first name that differs is told. */
static enum error_code check_frozen(const struct rollout *run, const char *targets,
                                    struct error *err)
{
    const char *at = targets;
    for (size_t i = 0; i < run->target_count; i++) {
        char name[PLAN_KEY_MAX];
        plan_key(run, i, name);
        size_t len = strlen(name);
        if (strncmp(at, name, len) != 0 || (at[len] != ',' && at[len] != '\0')) {
            return error_set(err, ERR_STATE,
                             "the selection has changed since the plan: it now holds %s; look at "
                             "a new plan",
                             name);
        }
        at += len + (at[len] == ',');
    }
    if (*at) {
        return error_set(err, ERR_STATE,
                         "the selection has changed since the plan: it no longer holds %.100s; "
                         "look at a new plan",
                         at);
    }
    return ERR_NONE;
}

/* A recovery begins with those that are down: they cost nothing. The order stays as it was among
 * them, and among the others. */
static void down_first(struct choice *choices, size_t count)
{
    struct choice *sorted = must_alloc(count + 1, sizeof(*sorted));
    size_t at = 0;
    for (int down = 1; down >= 0; down--) {
        for (size_t i = 0; i < count; i++) {
            if (fleet_services_down(choices[i].server) == (down == 1)) {
                sorted[at++] = choices[i];
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        choices[i] = sorted[i];
    }
    free(sorted);
}

/* What a recovery and a restart need beyond what any run does. */
static void fit_options(const struct plan_request *q, struct rollout *run)
{
    struct rollout_options *o = &run->options;
    if (q->action == ROLLOUT_CYCLE && o->gate_deadline_ms < STARTING_MS) {
        o->gate_deadline_ms = STARTING_MS;
    }
    if (!rollout_action_of_services(q->action)) {
        return;
    }
    o->limit_ms = o->limit_ms < SERVICES_LIMIT_MS ? SERVICES_LIMIT_MS : o->limit_ms;
    if (q->action != ROLLOUT_SERVICE_RECOVER) {
        return;
    }
    if (o->max_unavailable > o->batch) {
        o->batch = o->max_unavailable; /* what is down already may be recovered side by side */
    }
    bool has_said = q->retry || (q->waves && q->waves[0]);
    bool many = run->target_count > 1;
    if (many && (o->batch > 1 || o->batch_percent) && !o->canary && !has_said) {
        o->canary = 1; /* not all of a dead farm at once, by a recovery that does not help */
    }
}

/* Has it nothing to lose? Then it waits for nobody, and nobody for it. */
static bool own_is_out(const struct plan_request *q, const struct selection *n)
{
    char why[ROLLOUT_STEP_MAX];
    for (size_t i = 0; i < n->chosen; i++) {
        const struct choice *one = &n->choices[i];
        if (one->last && fleet_is_out(one->server, one->pool, q->now_ms, why, sizeof why)) {
            return true;
        }
    }
    return false;
}

static struct rollout *make_run(const struct plan_request *q, const struct selection *n,
                                int64_t wall_ms)
{
    struct rollout *run = rollout_new(n->chosen);
    run->action = q->action;
    run->parent = q->retry ? q->retry->id : 0;
    text_copy(run->hold_key, sizeof run->hold_key, q->hold_key ? q->hold_key : "");
    run->options = q->options;
    run->created_wall_ms = wall_ms;
    text_copy(run->pool, sizeof run->pool, q->pool);
    text_copy(run->selector, sizeof run->selector, q->selector);
    wire_clean_text(run->actor, sizeof run->actor, q->actor);
    text_copy(run->reason, sizeof run->reason, q->reason);
    for (size_t i = 0; i < n->chosen; i++) {
        struct rollout_target *t = &run->targets[i];
        t->order = (uint32_t)i;
        const struct fleet_server *s = n->choices[i].server;
        text_copy(t->server, sizeof t->server, s->name);
        text_copy(t->pool, sizeof t->pool, n->choices[i].pool);
        if (q->order && q->order[0]) {
            text_copy(t->zone, sizeof t->zone, order_zone(s, q->order));
        }
    }
    fit_options(q, run);
    order_waves(q, run, own_is_out(q, n));
    return run;
}

enum error_code plan_make(const struct plan_request *q, const struct fleet *fleet, int64_t wall_ms,
                          struct rollout **out, struct error *err)
{
    enum error_code code = check_words(q, err);
    code = code != ERR_NONE ? code : plan_check_options(&q->options, err);
    code = code != ERR_NONE ? code
                            : plan_check_limit(q->action, q->options.limit_ms, q->hold_max_ms, err);
    code = code != ERR_NONE ? code : order_check(q, err);
    if (code != ERR_NONE) {
        return code;
    }
    char window[WINDOW_TEXT_MAX] = "";
    if (q->window && q->window[0]) {
        code = windows_resolve(q->windows, q->window, window, err);
    }
    code = code == ERR_NONE && q->retry ? check_rest(q->retry, err) : code;
    if (code != ERR_NONE) {
        return code;
    }
    struct selection n = q->retry ? select_rest(q, fleet) : select_servers(q, fleet);
    code = check_selection(q, fleet, &n, err);
    if (code == ERR_NONE && q->action == ROLLOUT_WORKER_KILL && n.chosen != 1) {
        code = error_set(err, ERR_INVALID, "a worker is on one server, %zu are selected", n.chosen);
    }
    if (code == ERR_NONE && q->action == ROLLOUT_HOLD && n.chosen != 1) {
        code = error_set(err, ERR_INVALID, "a hold is of one server, %zu are selected", n.chosen);
    }
    code = code != ERR_NONE ? code : order_choices(q, n.choices, n.chosen, err);
    if (code == ERR_NONE && q->action == ROLLOUT_SERVICE_RECOVER) {
        down_first(n.choices, n.chosen);
    }
    struct rollout *run = code == ERR_NONE ? make_run(q, &n, wall_ms) : NULL;
    free(n.choices);
    code = run && q->targets ? check_frozen(run, q->targets, err) : code;
    if (code == ERR_NONE && q->approve_by && q->approve_by[0]) {
        uint64_t within_ms = q->approve_within_ms ? q->approve_within_ms : APPROVE_WITHIN_MS;
        code = rollout_ask_approval(run, q->approve_by, within_ms, wall_ms, err);
    }
    if (code != ERR_NONE) {
        rollout_free(run);
        return code;
    }
    text_copy(run->options.window, sizeof run->options.window, window);
    *out = run;
    return ERR_NONE;
}

/* ---- what would happen ---- */

static void foresee_unreachable(const struct rollout *run, const char *why, struct plan_target *out)
{
    switch (run->options.unreachable) {
    case UNREACHABLE_FAIL:
        out->will = PLAN_FAIL;
        break;
    case UNREACHABLE_SKIP:
        out->will = PLAN_SKIP;
        break;
    case UNREACHABLE_WAIT:
        out->will = PLAN_WAIT;
        break;
    }
    text_format(out->why, sizeof out->why, "unreachable now: %.200s", why);
}

/* Is it left alone by a person's word, or until there is one? */
static bool foresee_word(const struct rollout *run, const struct fleet_server *s,
                         struct plan_target *out)
{
    char text[ROLLOUT_STEP_MAX], until[TEXT_TIME_MAX];
    out->kept = true;
    if (s->maintenance_until_ms) { /* its end is seen to every second */
        out->will = PLAN_SKIP;
        fleet_in_maintenance(s, 0, text, sizeof text);
        text_format(out->why, sizeof out->why,
                    "%.400s; `farmhand server maintenance off` ends that", text);
    } else if (s->presence == PRESENCE_DECLARED_OUT) {
        out->will = PLAN_SKIP;
        text_format(out->why, sizeof out->why,
                    "declared out until %s: %.200s (by %.60s); `farmhand server release` ends that",
                    text_format_time(until, s->declared_out_until_ms), s->declared_out_reason,
                    s->declared_out_by);
    } else if (s->presence == PRESENCE_QUARANTINED) {
        text_format(text, sizeof text, "in quarantine: %s; `farmhand server release` ends that",
                    s->quarantine_why);
        foresee_unreachable(run, text, out);
    } else {
        out->kept = false;
    }
    return out->kept;
}

static void foresee_pool(const struct rollout *run, const struct pool *pool,
                         struct plan_target *out)
{
    bool stopped = pool->state == POOL_STATE_STOPPED;
    bool recycle = run->action == ROLLOUT_RECYCLE;
    if (recycle && stopped) {
        out->will = pool->auto_start ? PLAN_FAIL : PLAN_SKIP;
        text_copy(out->why, sizeof out->why,
                  pool->auto_start ? "stopped though autoStart is on" : "stopped on purpose");
    } else if (recycle && out->workers == 0 && !run->options.start_idle) {
        out->will = PLAN_SKIP;
        text_copy(out->why, sizeof out->why, "idle, without a worker: nothing to do");
    } else if (run->action == ROLLOUT_STOP && stopped && !pool->auto_start) {
        out->will = PLAN_SKIP;
        text_copy(out->why, sizeof out->why, "stopped already");
    } else if (run->action == ROLLOUT_START && pool->state == POOL_STATE_STARTED &&
               pool->auto_start) {
        out->will = PLAN_SKIP;
        text_copy(out->why, sizeof out->why, "started already");
    }
}

static void foresee_services(const struct rollout *run, const struct fleet_server *s,
                             struct plan_target *out)
{
    bool down = fleet_services_down(s);
    if (run->action == ROLLOUT_SERVICE_RECOVER && down) {
        text_copy(out->why, sizeof out->why, "its agent says that it is down");
    } else if (run->action == ROLLOUT_SERVICE_RECOVER && !run->options.all_servers) {
        text_copy(out->why, sizeof out->why, "left alone if a fresh look finds it healthy");
    } else if (run->action == ROLLOUT_SERVICE_RESTART && down) {
        out->will = PLAN_FAIL;
        text_copy(out->why, sizeof out->why, "its services do not run: `service recover`");
    } else if (run->action == ROLLOUT_SERVICE_START && !down) {
        out->will = PLAN_SKIP;
        text_copy(out->why, sizeof out->why, "its services run already");
    }
}

static uint32_t count_workers(const struct fleet_server *s, const char *pool)
{
    const struct state *state = fleet_latest(s);
    uint32_t count = 0;
    for (size_t i = 0; state && i < state->worker_count; i++) {
        count += !pool[0] || text_equal_nocase(state->workers[i].pool, pool);
    }
    return count;
}

void plan_foresee(const struct rollout *run, size_t target, const struct fleet *fleet,
                  uint64_t now_ms, struct plan_target *out)
{
    *out = (struct plan_target){.will = PLAN_ACT};
    const struct fleet_server *s = fleet_find(fleet, run->targets[target].server);
    const char *pool_name = run->targets[target].pool;
    if (!s || s->presence == PRESENCE_NEVER_SEEN) {
        foresee_unreachable(run, "never seen", out);
        return;
    }
    char why[ROLLOUT_STEP_MAX];
    if (foresee_word(run, s, out)) {
        return;
    }
    fleet_is_out(s, pool_name, now_ms, why, sizeof why);
    if (s->presence != PRESENCE_FRESH) {
        foresee_unreachable(run, why, out);
        return;
    }
    out->workers = count_workers(s, pool_name);
    const struct pool *pool = fleet_pool(s, pool_name);
    if (rollout_action_of_services(run->action)) {
        foresee_services(run, s, out);
    } else if (pool) {
        foresee_pool(run, pool, out);
    }
}
