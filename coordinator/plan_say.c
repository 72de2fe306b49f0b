/* plan_say.c - see plan_impl.h: gates, warnings and rules, in sentences. */
#include "coordinator/plan_impl.h"

#include "common/text.h"

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
    if (o->soak_ms) {
        text_format(text, sizeof text, "soak: %s in service, then one more look",
                    text_format_duration(a, o->soak_ms));
        each(arg, text);
    }
}

struct shapes {
    uint32_t no_overlap, shared, on_demand;
};

static void look_at_shape(const struct rollout *run, const struct fleet_server *s, struct shapes *n)
{
    const struct pool *pool = fleet_pool(s, run->pool);
    const struct state *state = fleet_whole(s);
    if (!pool || !state) {
        return;
    }
    n->no_overlap += !pool->overlap;
    n->on_demand += pool->start_mode == START_MODE_ON_DEMAND;
    n->shared += state->config_shared;
}

static void warn_count(uint32_t count, size_t of, const char *what,
                       void (*each)(void *arg, const char *sentence), void *arg)
{
    if (count) {
        char text[ROLLOUT_STEP_MAX];
        text_format(text, sizeof text, "on %u of %zu servers %s", count, of, what);
        each(arg, text);
    }
}

void plan_warnings(const struct rollout *run, const struct fleet *fleet, uint64_t now_ms,
                   void (*each)(void *arg, const char *sentence), void *arg)
{
    (void)now_ms;
    struct shapes n = {0};
    for (size_t i = 0; i < run->target_count; i++) {
        const struct fleet_server *s = fleet_find(fleet, run->targets[i].server);
        if (s) {
            look_at_shape(run, s, &n);
        }
    }
    if (run->action == ROLLOUT_RECYCLE) {
        warn_count(n.no_overlap, run->target_count,
                   "overlapped recycling is off: the pool is away for a moment", each, arg);
        warn_count(n.on_demand, run->target_count,
                   "startMode is OnDemand: the first request meets a cold worker", each, arg);
        each(arg, "sessions kept in the worker's memory end with it");
    }
    if (run->action == ROLLOUT_STOP && !run->options.keep_autostart) {
        each(arg, "the pool stays stopped, also after restarts, until `pool start`");
    }
    if (run->action == ROLLOUT_STOP || run->action == ROLLOUT_START) {
        warn_count(n.shared, run->target_count,
                   "the configuration is shared: autoStart will not be changed there", each, arg);
    }
}

static const char *ordinal_suffix(uint32_t n)
{
    if (n % 100 >= 11 && n % 100 <= 13) {
        return "th";
    }
    return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

const char *plan_rule(const struct rollout *run, char *out, size_t size)
{
    uint32_t nth = run->options.max_failures + 1;
    switch (run->options.on_failure) {
    case ON_FAILURE_STOP:
        text_format(out, size, "stops after the %u%s failure", nth, ordinal_suffix(nth));
        break;
    case ON_FAILURE_PAUSE:
        text_format(out, size, "pauses after the %u%s failure", nth, ordinal_suffix(nth));
        break;
    case ON_FAILURE_CONTINUE:
        text_copy(out, size, "goes on after failures, within the budget");
        break;
    }
    return out;
}
