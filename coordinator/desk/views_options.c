/* views_options.c - see views.h: the options of a run under the names that requests give them. */
#include "coordinator/desk/views.h"

#include "common/text.h"
#include "coordinator/core/share.h"
#include "coordinator/core/words.h"

static void set_number(json_t *out, const char *key, uint64_t value)
{
    json_object_set_new(out, key, json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX));
}

static void set_text(json_t *out, const char *key, const char *value)
{
    json_object_set_new(out, key, view_string(value));
}

static void set_bool(json_t *out, const char *key, bool value)
{
    json_object_set_new(out, key, json_boolean(value));
}

static void set_policy(json_t *out, const char *on, const char *most, const struct policy *p)
{
    char limits[LIMITS_TEXT_MAX];
    set_text(out, on, on_failure_name(p->then));
    set_text(out, most, limits_format(limits, p));
}

static void set_policies(json_t *out, const struct policy *p)
{
    set_policy(out, "on_failure", "max_failures", &p[TROUBLE_FAILED]);
    set_policy(out, "on_gate_failure", "max_gate_failures", &p[TROUBLE_GATE]);
    set_policy(out, "on_unreachable", "max_unreachable", &p[TROUBLE_UNREACHABLE]);
    set_policy(out, "on_unknown", "max_unknown", &p[TROUBLE_UNKNOWN]);
}

static void set_shape(json_t *out, const struct rollout_options *o)
{
    char percent[SHARE_TEXT_MAX];
    set_number(out, "batch", o->batch);
    if (o->batch_percent)
        set_text(
            out, "batch",
            share_format(percent, (struct share){.number = o->batch_percent, .percent = true}));
    set_text(out, "waves", o->waves);
    set_number(out, "canary", o->canary);
    set_bool(out, "pause_after_canary", o->pause_after_canary);
    set_number(out, "bake_ms", o->bake_ms);
    set_text(out, "order", o->order_by);
    set_text(out, "window", o->window);
    set_number(out, "max_unavailable", o->max_unavailable);
}

json_t *view_options(const struct rollout_options *o)
{
    json_t *out = json_object();
    set_shape(out, o);
    set_number(out, "soak_ms", o->soak_ms);
    set_number(out, "limit_ms", o->limit_ms);
    set_bool(out, "drain", o->drain);
    set_number(out, "drain_limit_ms", o->drain_limit_ms);
    set_text(out, "on_drain_limit", on_drain_limit_name(o->on_drain_limit));
    set_number(out, "gate_passes", o->gate_passes);
    set_number(out, "gate_min_ms", o->gate_min_ms);
    set_number(out, "gate_deadline_ms", o->gate_deadline_ms);
    set_number(out, "gate_interval_ms", o->gate_interval_ms);
    char text[BOUND_TEXT_MAX];
    set_text(out, "gate_latency", bound_format(text, &o->gate_latency));
    set_text(out, "gate_queue", bound_format(text, &o->gate_queue));
    set_text(out, "gate_errors", bound_format(text, &o->gate_errors));
    set_text(out, "gate_memory", bound_format(text, &o->gate_memory));
    set_policies(out, o->policies);
    set_text(out, "unreachable", on_unreachable_name(o->unreachable));
    set_bool(out, "start_idle", o->start_idle);
    set_bool(out, "keep_autostart", o->keep_autostart);
    set_bool(out, "shared", o->shared);
    return out;
}
