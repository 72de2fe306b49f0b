/* plan_say.c - see plan_impl.h: gates, warnings and rules, in sentences. */
#include "coordinator/core/plan_impl.h"

#include "common/text.h"

#include <string.h>

/* What is compared with before, if anything is. */
static void say_bounds(const struct rollout_options *o,
                       void (*each)(void *arg, const char *sentence), void *arg)
{
    struct text text = {0};
    char span[TEXT_DURATION_MAX];
    const char *join = "after, too: ";
    if (o->gate_latency.set) {
        text_addf(&text, "%sthe probe takes at most ", join);
        if (o->gate_latency.percent) {
            text_addf(&text, "%llu%% of before", (unsigned long long)o->gate_latency.value);
        } else {
            text_add(&text, text_format_duration(span, o->gate_latency.value));
        }
        join = ", ";
    }
    if (o->gate_queue.set) {
        text_addf(&text, "%sat most %llu requests are queued", join,
                  (unsigned long long)o->gate_queue.value);
        join = ", ";
    }
    if (o->gate_errors.set) {
        text_addf(&text, "%sat most %llu requests were answered 503 since before", join,
                  (unsigned long long)o->gate_errors.value);
        join = ", ";
    }
    if (o->gate_memory.set) {
        text_addf(&text, "%sits workers use at most %llu%s", join,
                  (unsigned long long)o->gate_memory.value,
                  o->gate_memory.percent ? "% of the memory of before" : " bytes");
    }
    if (text.len) {
        each(arg, text_get(&text));
    }
    text_reset(&text);
}

void plan_gates(const struct rollout *run, void (*each)(void *arg, const char *sentence), void *arg)
{
    const struct rollout_options *o = &run->options;
    char text[ROLLOUT_STEP_MAX], a[TEXT_DURATION_MAX], b[TEXT_DURATION_MAX];
    char when[TEXT_TIME_MAX];
    if (o->approve_by[0]) {
        text_format(text, sizeof text, "first: somebody else than %.60s approves it (%s), until %s",
                    run->actor, o->approve_by, text_format_time(when, o->approve_until_ms));
        each(arg, text);
    }
    each(arg, "before: agent and balancer are asked afresh, and the budget must have room");
    if (o->drain && !rollout_action_restores(run->action)) {
        text_format(text, sizeof text, "drain: until no session is left, at most %s, then %s",
                    text_format_duration(a, o->drain_limit_ms),
                    o->on_drain_limit == DRAIN_LIMIT_PROCEED ? "it goes on" : "it is put back");
        each(arg, text);
    }
    text_format(text, sizeof text,
                "after: the probe passes %u times in a row for at least %s, within %s",
                o->gate_passes, text_format_duration(a, o->gate_min_ms),
                text_format_duration(b, o->gate_deadline_ms));
    each(arg, text);
    say_bounds(o, each, arg);
    if (o->soak_ms) {
        text_format(text, sizeof text, "soak: %s in service, then one more look",
                    text_format_duration(a, o->soak_ms));
        each(arg, text);
    }
}

struct shapes {
    uint32_t no_overlap, shared, on_demand, cold, garden;
};

/* As far as its agent tells: whether a recycle is warm (startMode, idle time-out), whether it
 * overlaps, whether others read the same configuration. */
static void look_at_shape(const char *name, const struct fleet_server *s, struct shapes *n)
{
    const struct pool *pool = fleet_pool(s, name);
    const struct state *state = fleet_whole(s);
    if (!pool || !state) {
        return;
    }
    bool on_demand = pool->start_mode == START_MODE_ON_DEMAND;
    n->no_overlap += !pool->overlap;
    n->on_demand += on_demand;
    n->cold += on_demand || !pool->overlap;
    n->garden += pool->max_processes > 1;
    n->shared += state->config_shared;
}

static void warn_count(uint32_t count, size_t of, const char *what,
                       void (*each)(void *arg, const char *sentence), void *arg);

static const char *shared_identity(const struct fleet *fleet, const char *server)
{
    const struct fleet_server *s = fleet_find(fleet, server);
    const struct state *whole = s ? fleet_whole(s) : NULL;
    return whole && whole->config_shared && whole->config_identity ? whole->config_identity : "";
}

/* "web01, web02 and 3 others read one configuration": those of the farm, not of the plan alone. */
static void name_sharers(const struct fleet *fleet, const char *identity, struct text *out)
{
    size_t count = 0;
    for (size_t i = 0; i < fleet_count(fleet); i++) {
        const struct fleet_server *s = fleet_at(fleet, i);
        if (strcmp(shared_identity(fleet, s->name), identity) == 0 && ++count <= 5) {
            text_addf(out, "%s%s", count > 1 ? ", " : "", s->name);
        }
    }
    if (count > 5) {
        text_addf(out, " and %zu more", count - 5);
    }
}

/* What a change of configuration touches, group by group. */
static void say_shared(const struct rollout *run, const struct fleet *fleet, uint32_t shared,
                       void (*each)(void *arg, const char *sentence), void *arg)
{
    if (!rollout_action_configures(run) || shared == 0) {
        if (shared && run->action == ROLLOUT_RECYCLE) {
            warn_count(
                shared, run->target_count,
                "the configuration is shared: a change of it recycles pools on all that share "
                "it, whoever is drained",
                each, arg);
        }
        return;
    }
    for (size_t i = 0; i < run->target_count; i++) {
        const char *identity = shared_identity(fleet, run->targets[i].server);
        struct text text = {0};
        bool told = false;
        for (size_t k = 0; k < i && !told; k++) {
            told = strcmp(identity, shared_identity(fleet, run->targets[k].server)) == 0;
        }
        if (!identity[0] || told) {
            continue;
        }
        name_sharers(fleet, identity, &text);
        text_add(&text,
                 run->options.shared
                     ? " share one configuration: it is changed once, on the first of them, and "
                       "holds for all; pools on the others may be recycled by it, undrained; each "
                       "of them that is selected has to pass its probe after it"
                     : " share one configuration: their agents refuse to change it for one of "
                       "them; --shared changes it once for all");
        each(arg, text_get(&text));
        text_reset(&text);
    }
}

static void warn_count(uint32_t count, size_t of, const char *what,
                       void (*each)(void *arg, const char *sentence), void *arg)
{
    if (count) {
        char text[ROLLOUT_STEP_MAX];
        text_format(text, sizeof text, "on %u of %zu targets %s", count, of, what);
        each(arg, text);
    }
}

/* Of recycles: what their pools are like. */
static void warn_of_recycle(const struct rollout *run, const struct shapes *n,
                            void (*each)(void *arg, const char *sentence), void *arg)
{
    warn_count(n->no_overlap, run->target_count,
               "overlapped recycling is off: the pool is away for a moment", each, arg);
    warn_count(n->on_demand, run->target_count,
               "startMode is OnDemand: the first request meets a cold worker", each, arg);
    warn_count(n->garden, run->target_count,
               "the pool is a web garden: each of its workers is replaced", each, arg);
    if (!run->options.drain) {
        warn_count(n->cold, run->target_count,
                   "--no-drain is not for this pool: its recycle does not overlap, or is cold, "
                   "and visitors will notice",
                   each, arg);
    }
    each(arg, "sessions kept in the worker's memory (InProc) end with it, drained or not");
}

/* What such an act brings with it, whatever the pools. */
static void warn_of_act(const struct rollout *run, void (*each)(void *arg, const char *sentence),
                        void *arg)
{
    if (run->action == ROLLOUT_STOP && !run->options.keep_autostart) {
        each(arg, "the pool stays stopped, also after restarts, until `pool start`");
    }
    if (run->action == ROLLOUT_SERVICE_RESTART ||
        (run->action == ROLLOUT_SERVICE_RECOVER && run->options.all_servers)) {
        each(arg, "each server is away for as long as its slowest worker drains, 90 s or more");
    }
    if (run->action == ROLLOUT_SERVICE_STOP) {
        each(arg, "WAS is disabled: the services stay down, also after restarts, until `service "
                  "start`");
    }
    if (rollout_action_by_others(run->action)) {
        char text[ROLLOUT_STEP_MAX], span[TEXT_DURATION_MAX];
        text_format(text, sizeof text,
                    "others have it for at most %s; later than that it stays out until they, or a "
                    "person, settle it",
                    text_format_duration(span, run->options.limit_ms));
        each(arg, text);
    }
    if (run->action == ROLLOUT_WORKER_KILL) {
        each(arg, "requests in that worker are lost, and it counts towards rapid-fail protection");
    }
    if (run->action == ROLLOUT_WARM || run->action == ROLLOUT_UNWARM) {
        each(arg,
             "IIS may recycle the pool at once when its settings change: each server is drained "
             "for it");
    }
}

void plan_warnings(const struct rollout *run, const struct fleet *fleet,
                   void (*each)(void *arg, const char *sentence), void *arg)
{
    struct shapes n = {0};
    for (size_t i = 0; i < run->target_count; i++) {
        const struct fleet_server *s = fleet_find(fleet, run->targets[i].server);
        if (s) {
            look_at_shape(run->targets[i].pool, s, &n);
        }
    }
    order_warn(run, each, arg);
    if (run->action == ROLLOUT_RECYCLE) {
        warn_of_recycle(run, &n, each, arg);
    }
    warn_of_act(run, each, arg);
    say_shared(run, fleet, n.shared, each, arg);
}
