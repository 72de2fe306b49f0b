/* views_run.c - see views.h: runs, plans and events. */
#include "coordinator/desk/views.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_WARNINGS 5 /* servers are told of in so many sentences, each with so many names */
#define KEPT_NAMES    8

static json_t *pids(const uint32_t *pid, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)pid[i]));
    return list;
}

/* ---- runs ---- */

static json_t *view_proof(const struct rollout_target *t)
{
    if (t->outcome == OUTCOME_NONE && t->baseline_count == 0 && t->after_count == 0)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:I, s:I, s:I}", "before", pids(t->baseline_pid, t->baseline_count), "after",
        pids(t->after_pid, t->after_count), "probe_status", (json_int_t)t->probe_status, "probe_ms",
        (json_int_t)t->probe_ms, "gap_ms", (json_int_t)t->gap_ms);
}

static json_t *elapsed(const struct view *v, int64_t started_ms, int64_t ended_ms)
{
    if (started_ms == 0)
        return json_null();
    int64_t until_ms = ended_ms != 0 ? ended_ms : v->wall_ms;
    return json_integer(until_ms > started_ms ? until_ms - started_ms : 0);
}

/* Of which kind the trouble was that ended it. */
static json_t *view_trouble(const struct rollout_target *t)
{
    bool skipped = t->state == TARGET_SKIPPED && t->trouble == TROUBLE_UNREACHABLE;
    return t->state == TARGET_FAILED || skipped ? json_string(trouble_name(t->trouble))
                                                : json_null();
}

static json_t *view_measure(const struct measure *m)
{
    if (!m->taken)
        return json_null();
    return json_pack("{s:o, s:o, s:I}", "probe_ms",
                     m->probed ? json_integer((json_int_t)m->probe_ms) : json_null(), "queued",
                     m->queued < 0 ? json_null() : json_integer((json_int_t)m->queued),
                     "memory_bytes", (json_int_t)m->memory_bytes);
}

static json_t *view_target(const struct view *v, const struct rollout *run, size_t index)
{
    const struct rollout_target *t = &run->targets[index];
    char key[PLAN_KEY_MAX];
    return json_pack(
        "{s:o, s:o, s:I, s:s, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:I, s:o, "
        "s:o, "
        "s:o}",
        "key", view_string(plan_key(run, index, key)), "pool", view_string(t->pool),
        "sessions_left", (json_int_t)t->sessions_left, "server", t->server, "order",
        (json_int_t)t->order, "wave", (json_int_t)t->wave + 1, "state", target_state_name(t->state),
        "trouble", view_trouble(t), "step", view_string(t->step), "cause",
        t->cause == CAUSE_NONE ? json_null() : json_string(cause_name(t->cause)), "detail",
        view_string(t->detail), "in_rotation_again", (int)t->back, "started_at",
        view_time(t->started_wall_ms), "ended_at", view_time(t->ended_wall_ms), "elapsed_ms",
        elapsed(v, t->started_wall_ms, t->ended_wall_ms), "attempts", (json_int_t)t->attempts,
        "proof", view_proof(t), "before", view_measure(&t->before), "after",
        view_measure(&t->after));
}

/* "kill: process 700 was ended": a finding of a recovery, kept among the steps. */
static void add_finding(json_t *target, const struct store_step *step)
{
    const char *colon = strstr(step->text, ": ");
    json_t *findings = json_object_get(target, "findings");
    if (!findings) {
        findings = json_array();
        json_object_set_new(target, "findings", findings);
    }
    json_array_append_new(
        findings,
        json_pack("{s:o, s:o}", "rung",
                  colon ? json_stringn(step->text, (size_t)(colon - step->text)) : json_string(""),
                  "text", view_string(colon ? colon + 2 : step->text)));
}

void view_add_step(json_t *run, const struct store_step *step)
{
    json_t *target = json_array_get(json_object_get(run, "targets"), step->place);
    if (step->from == TARGET_ACTING && step->to == TARGET_ACTING) {
        add_finding(target, step);
        return;
    }
    json_t *steps = json_object_get(target, "steps");
    if (!steps) {
        steps = json_array();
        json_object_set_new(target, "steps", steps);
    }
    json_array_append_new(steps,
                          json_pack("{s:o, s:s, s:s, s:o}", "at", view_time(step->wall_ms), "from",
                                    target_state_name(step->from), "to",
                                    target_state_name(step->to), "text", view_string(step->text)));
}

static json_t *view_counts(const struct rollout_counts *c)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)c->total,
                     "waiting", (json_int_t)c->waiting, "active", (json_int_t)c->active, "done",
                     (json_int_t)c->done, "nothing", (json_int_t)c->nothing, "skipped",
                     (json_int_t)c->skipped, "failed", (json_int_t)c->failed, "unknown",
                     (json_int_t)c->unknown, "aborted", (json_int_t)c->aborted);
}

static json_t *view_causes(uint32_t causes)
{
    json_t *list = json_array();
    for (int bit = 0; bit < PAUSE_BITS; bit++)
        if (causes & (1U << bit))
            json_array_append_new(list,
                                  json_string(pause_cause_name((enum pause_cause)(1U << bit))));
    return list;
}

static const char *state_word(const struct rollout *run)
{
    return run->state == RUN_RUNNING && run->pause_causes != 0 ? "paused"
                                                               : run_state_name(run->state);
}

json_t *view_run(const struct view *v, const struct rollout *run,
                 const struct rollout_counts *counts)
{
    struct rollout_counts own;
    if (!counts)
        rollout_count(run, &own);
    json_t *out =
        json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                  (json_int_t)run->id, "action", rollout_action_name(run->action), "pool",
                  view_string(run->pool), "on", view_string(run->selector), "reason",
                  view_string(run->reason), "actor", view_string(run->actor), "state",
                  state_word(run), "ended", (int)run_state_ended(run->state), "pause_causes",
                  view_causes(run->pause_causes), "why", view_string(run->why), "created_at",
                  view_time(run->created_wall_ms), "ended_at", view_time(run->ended_wall_ms),
                  "elapsed_ms", elapsed(v, run->created_wall_ms, run->ended_wall_ms), "counts",
                  view_counts(counts ? counts : &own));
    json_object_set_new(out, "parent",
                        run->parent ? json_integer((json_int_t)run->parent) : json_null());
    json_object_set_new(out, "wave", json_integer((json_int_t)run->wave + 1));
    if (counts)
        return out;
    char rule[ROLLOUT_STEP_MAX];
    json_object_set_new(out, "options", view_options(&run->options));
    json_object_set_new(out, "rule", view_string(rollout_rule(&run->options, rule, sizeof(rule))));
    json_t *targets = json_array();
    for (size_t i = 0; i < run->target_count; i++)
        json_array_append_new(targets, view_target(v, run, i));
    json_object_set_new(out, "targets", targets);
    return out;
}

/* ---- plans ---- */

static const char *will_word(const struct rollout *plan, enum plan_will will)
{
    switch (will) {
    case PLAN_ACT:
        return rollout_action_name(plan->action);
    case PLAN_SKIP:
        return "skip";
    case PLAN_WAIT:
        return "wait";
    case PLAN_FAIL:
        return "fail";
    }
    return "?";
}

static json_t *view_drain(const struct view *v, const struct rollout *plan,
                          const struct rollout_target *t)
{
    json_t *list = json_array();
    struct balancer_entry places[BALANCER_ENTRIES_MAX];
    bool drains = v->map && plan->options.drain && !rollout_action_restores(plan->action);
    size_t count =
        drains ? v->map(v->map_ctx, t->server, t->pool, places, BALANCER_ENTRIES_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        char place[2 * BALANCER_NAME_MAX + 1];
        text_format(place, sizeof(place), "%s/%s", places[i].backend, places[i].name);
        json_array_append_new(list, view_string(place));
    }
    return list;
}

/* *kept: see plan_target. */
static json_t *view_plan_target(const struct view *v, const struct rollout *plan, size_t index,
                                bool *kept)
{
    struct plan_target seen = {0};
    const struct rollout_target *t = &plan->targets[index];
    coordinator_foresee(v->brain, plan, index, v->now_ms, &seen);
    *kept = seen.kept;
    char key[PLAN_KEY_MAX];
    return json_pack("{s:o, s:o, s:I, s:I, s:s, s:s, s:o, s:o, s:I}", "key",
                     view_string(plan_key(plan, index, key)), "pool", view_string(t->pool), "order",
                     (json_int_t)t->order, "wave", (json_int_t)t->wave + 1, "server", t->server,
                     "will", will_word(plan, seen.will), "why", view_string(seen.why), "drain",
                     view_drain(v, plan, t), "workers", (json_int_t)seen.workers);
}

static void add_sentence(void *arg, const char *sentence)
{
    json_array_append_new(arg, view_string(sentence));
}

static int compare_pools(const void *a, const void *b)
{
    const struct rollout_target *left = *(const struct rollout_target *const *)a,
                                *right = *(const struct rollout_target *const *)b;
    int order = strcmp(left->pool, right->pool);
    return order ? order : (left > right) - (left < right); /* of one list */
}

/* Made pool by pool: a budget remembers what it saw of its servers for one pool at a time. */
static json_t *view_plan_targets(const struct view *v, const struct rollout *plan, bool *kept)
{
    json_t *list = json_array();
    size_t count = plan->target_count;
    const struct rollout_target **by_pool = must_alloc(count + 1, sizeof(*by_pool));
    json_t **rows = must_alloc(count + 1, sizeof(*rows));
    for (size_t i = 0; i < count; i++)
        by_pool[i] = &plan->targets[i];
    qsort(by_pool, count, sizeof(*by_pool), compare_pools);
    for (size_t k = 0; k < count; k++) {
        size_t i = (size_t)(by_pool[k] - plan->targets);
        rows[i] = view_plan_target(v, plan, i, &kept[i]);
    }
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, rows[i]);
    free(rows);
    free(by_pool);
    return list;
}

static bool same_words(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "will"), json_object_get(b, "will")) &&
           json_equal(json_object_get(a, "why"), json_object_get(b, "why"));
}

/* The names of those rows from `from` on of which the same is said, and that they are told of. */
static void name_kept(const json_t *targets, size_t from, bool *kept, struct text *out)
{
    const json_t *first = json_array_get(targets, from);
    const char *last = "";
    size_t servers = 0;
    for (size_t i = from; i < json_array_size(targets); i++) {
        const json_t *row = json_array_get(targets, i);
        const char *server = json_string_value(json_object_get(row, "server"));
        if (!kept[i] || !same_words(row, first))
            continue;
        kept[i] = false;
        servers += !text_equal_nocase(server, last);
        if (servers <= KEPT_NAMES && !text_equal_nocase(server, last))
            text_addf(out, "%s%s", servers > 1 ? ", " : "", server);
        last = server;
    }
    if (servers > KEPT_NAMES)
        text_addf(out, " and %zu more", servers - KEPT_NAMES);
}

/* Servers that a person keeps out, or that somebody has: a column that is cut tells too little. */
static void warn_of_kept(const json_t *targets, bool *kept, json_t *warnings)
{
    size_t told = 0, rest = 0;
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *row = json_array_get(targets, i);
        const char *will = json_string_value(json_object_get(row, "will"));
        struct text text = {0};
        if (!kept[i] || told == KEPT_WARNINGS) {
            rest += kept[i];
            continue;
        }
        text_add(&text, text_equal(will, "wait")   ? "the run waits for "
                        : text_equal(will, "fail") ? "fails: "
                                                   : "left out: ");
        name_kept(targets, i, kept, &text);
        text_addf(&text, ": %s", json_string_value(json_object_get(row, "why")));
        add_sentence(warnings, text_get(&text));
        text_reset(&text);
        told++;
    }
    if (rest) {
        char text[96];
        text_format(text, sizeof(text), "%zu more targets are left out or waited for: see each",
                    rest);
        add_sentence(warnings, text);
    }
}

json_t *view_plan(const struct view *v, const struct rollout *plan)
{
    char rule[ROLLOUT_STEP_MAX];
    bool *kept = must_alloc(plan->target_count + 1, sizeof(*kept));
    json_t *targets = view_plan_targets(v, plan, kept), *gates = json_array();
    json_t *order = json_array(), *warnings = json_array();
    warn_of_kept(targets, kept, warnings);
    free(kept);
    plan_gates(plan, add_sentence, gates);
    plan_warnings(plan, coordinator_fleet(v->brain), add_sentence, warnings);
    plan_order(plan, coordinator_own_server(v->brain), coordinator_budget_room(v->brain, plan),
               add_sentence, order);
    plan_hours(plan, coordinator_windows(v->brain), v->wall_ms, add_sentence, order);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "action",
                     rollout_action_name(plan->action), "pool", view_string(plan->pool), "on",
                     view_string(plan->selector), "targets", targets, "order", order, "gates",
                     gates, "warnings", warnings, "budgets", view_budgets(v, plan), "rule",
                     view_string(rollout_rule(&plan->options, rule, sizeof(rule))));
}

/* ---- events ---- */

static json_t *number_or_null(uint64_t value)
{
    return value == 0 ? json_null() : json_integer((json_int_t)value);
}

json_t *view_event(const struct event *e)
{
    return json_pack(
        "{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seq", number_or_null(e->seq), "at",
        view_time(e->wall_ms), "kind", e->kind, "run", number_or_null(e->run), "server",
        view_text(e->server), "pool", view_text(e->pool), "actor", view_text(e->actor), "text",
        view_string(e->text ? e->text : ""), "from", view_text(e->from), "to", view_text(e->to));
}
