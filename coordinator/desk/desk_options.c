/* desk_options.c - see desk_body.h: the options of a run. */
#include "coordinator/desk/desk_body.h"

#include "common/text.h"
#include "coordinator/core/words.h"

static bool parse_on_failure(const char *word, void *out)
{
    return on_failure_parse(word, out);
}

static bool parse_unreachable(const char *word, void *out)
{
    return on_unreachable_parse(word, out);
}

static bool parse_on_drain_limit(const char *word, void *out)
{
    return on_drain_limit_parse(word, out);
}

static bool parse_limits(const char *word, void *out)
{
    return limits_parse(word, out);
}

static bool parse_bound(const char *word, void *out)
{
    return bound_parse(word, out);
}

#define BOUND(field, of, words)                                                                    \
    {                                                                                              \
        .name = (field), .kind = FIELD_LIMITS, .out = &o->of, .parse = parse_bound,                \
        .expected = (words)                                                                        \
    }

#define POLICY(on, most, of)                                                                       \
    WORD(on, &o->policies[of].then, parse_on_failure, "stop, pause or continue"),                  \
    {                                                                                              \
        .name = (most), .kind = FIELD_LIMITS, .out = &o->policies[of], .parse = parse_limits,      \
        .expected = "how many are borne: a number, or a text such as \"10%\" or \"3,1/wave\""      \
    }

static enum error_code take_each(json_t *object, struct plan_request *q, struct share *batch,
                                 struct error *err)
{
    struct rollout_options *o = &q->options;
    const struct field fields[] = {
        SHARE("batch", batch, 1),
        TEXT("waves", &q->waves),
        U32("canary", &o->canary, 0, DESK_SERVERS_MAX),
        BOOL("pause_after_canary", &o->pause_after_canary),
        U64("bake_ms", &o->bake_ms, 0, 30 * DESK_DAY_MS),
        TEXT("order", &q->order),
        TEXT("window", &q->window),
        TEXT("approve_by", &q->approve_by),
        U64("approve_within_ms", &q->approve_within_ms, 60000, 30 * DESK_DAY_MS),
        U32("max_unavailable", &o->max_unavailable, 0, DESK_SERVERS_MAX),
        U64("soak_ms", &o->soak_ms, 0, DESK_DAY_MS),
        U64("limit_ms", &o->limit_ms, 1000, DESK_HOLD_MAX_MS),
        BOOL("drain", &o->drain),
        U64("drain_limit_ms", &o->drain_limit_ms, 0, DESK_DAY_MS),
        WORD("on_drain_limit", &o->on_drain_limit, parse_on_drain_limit, "fail or proceed"),
        U32("gate_passes", &o->gate_passes, 1, 1000),
        U64("gate_min_ms", &o->gate_min_ms, 0, DESK_DAY_MS),
        U64("gate_deadline_ms", &o->gate_deadline_ms, 1000, DESK_DAY_MS),
        U64("gate_interval_ms", &o->gate_interval_ms, 100, DESK_DAY_MS),
        BOUND("gate_latency", gate_latency, "\"150%\" of before, or a number of ms"),
        BOUND("gate_queue", gate_queue, "a number of requests"),
        BOUND("gate_errors", gate_errors, "a number of requests"),
        BOUND("gate_memory", gate_memory, "\"150%\" of before, or a text with a number of bytes"),
        POLICY("on_failure", "max_failures", TROUBLE_FAILED),
        POLICY("on_gate_failure", "max_gate_failures", TROUBLE_GATE),
        POLICY("on_unreachable", "max_unreachable", TROUBLE_UNREACHABLE),
        POLICY("on_unknown", "max_unknown", TROUBLE_UNKNOWN),
        WORD("unreachable", &o->unreachable, parse_unreachable, "fail, skip or wait"),
        U32("expect", &q->expect, 1, DESK_SERVERS_MAX),
        BOOL("start_idle", &o->start_idle),
        BOOL("keep_autostart", &o->keep_autostart),
        BOOL("enable", &o->enable),
        BOOL("shared", &o->shared),
        BOOL("all_servers", &o->all_servers),
        U32("worker_pid", &o->worker_pid, 1, UINT32_MAX),
        U64("worker_created", &o->worker_created, 0, INT64_MAX),
        BOOL("dump", &q->dump),
    };
    return take_object(object, "options.", fields, COUNT(fields), err);
}

static bool given(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

/* What is said of failures holds for failed gates and unreachable servers too, unless they have
 * words of their own. Who asks to skip unreachable ones bears them. */
static void spread(const json_t *object, struct rollout_options *o)
{
    const struct policy *failed = &o->policies[TROUBLE_FAILED];
    for (int k = TROUBLE_GATE; k <= TROUBLE_UNREACHABLE; k++) {
        if (given(object, "on_failure"))
            o->policies[k].then = failed->then;
        if (given(object, "max_failures")) {
            enum on_failure then = o->policies[k].then;
            o->policies[k] = *failed;
            o->policies[k].then = then;
        }
    }
    if (given(object, "unreachable") && o->unreachable == UNREACHABLE_SKIP)
        o->policies[TROUBLE_UNREACHABLE].then = ON_FAILURE_CONTINUE;
    else if (given(object, "unreachable") && !given(object, "on_failure"))
        o->policies[TROUBLE_UNREACHABLE].then = failed->then;
}

enum error_code take_options(json_t *object, struct plan_request *q, struct error *err)
{
    struct rollout_options *o = &q->options;
    struct share batch = {.number = o->batch};
    enum error_code code = take_each(object, q, &batch, err);
    if (code)
        return code;
    spread(object, o);
    code = take_each(object, q, &batch, err); /* their own words last */
    if (given(object, "batch")) {
        o->batch = batch.percent ? 1 : batch.number;
        o->batch_percent = batch.percent ? batch.number : 0;
    }
    return code;
}
