/* store_run.c - runs and their targets in the store. See store.h. */
#include "coordinator/store/store_internal.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/core/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the run itself: its row in, its row out ---- */

static void bind_options(struct binding *b, const struct rollout_options *o)
{
    bind_uint(b, o->batch);
    bind_uint(b, o->max_unavailable);
    bind_uint(b, o->soak_ms);
    bind_uint(b, o->limit_ms);
    bind_bool(b, o->drain);
    bind_uint(b, o->drain_limit_ms);
    bind_text(b, on_drain_limit_name(o->on_drain_limit));
    bind_uint(b, o->gate_passes);
    bind_uint(b, o->gate_min_ms);
    bind_uint(b, o->gate_deadline_ms);
    bind_uint(b, o->gate_interval_ms);
    bind_text(b, on_failure_name(o->policies[TROUBLE_FAILED].then));
    bind_uint(b, o->policies[TROUBLE_FAILED].run.number);
    bind_text(b, on_unreachable_name(o->unreachable));
    bind_bool(b, o->start_idle);
    bind_bool(b, o->keep_autostart);
}

/* Waves and order: what was asked for, and where the run stands. */
static void bind_waves(struct binding *b, const struct rollout *run)
{
    const struct rollout_options *o = &run->options;
    bind_uint(b, o->batch_percent);
    bind_text(b, o->waves);
    bind_uint(b, o->canary);
    bind_bool(b, o->pause_after_canary);
    bind_uint(b, o->bake_ms);
    bind_text(b, o->order_by);
    bind_uint(b, run->wave);
    bind_bool(b, run->wave_over);
    bind_text(b, o->approve_by);
    bind_int(b, o->approve_until_ms);
}

static uint64_t failures_of(const struct rollout *run)
{
    uint64_t sum = 0;
    for (int k = 0; k < ROLLOUT_TROUBLES; k++)
        sum += run->troubles[k];
    return sum;
}

static void bind_troubles(struct binding *b, const struct rollout *run)
{
    char policies[POLICIES_TEXT_MAX], troubles[TROUBLES_TEXT_MAX];
    bind_text(b, policies_format(policies, run->options.policies));
    bind_text(b, troubles_format(troubles, run->troubles, run->troubles_in_wave));
}

static void bind_bounds(struct binding *b, const struct rollout_options *o)
{
    char text[BOUND_TEXT_MAX];
    bind_text(b, bound_format(text, &o->gate_latency));
    bind_text(b, bound_format(text, &o->gate_queue));
    bind_text(b, bound_format(text, &o->gate_memory));
    bind_bool(b, o->enable);
    bind_bool(b, o->all_servers);
    bind_uint(b, o->worker_pid);
    bind_uint(b, o->worker_created);
}

static void bind_gate_errors(struct binding *b, const struct rollout_options *o)
{
    char text[BOUND_TEXT_MAX];
    bind_text(b, bound_format(text, &o->gate_errors));
}

static void bind_run(struct binding *b, const struct rollout *run)
{
    char causes[PAUSE_CAUSES_MAX];
    bind_reference(b, run->id);
    bind_text(b, rollout_action_name(run->action));
    bind_text(b, run->pool);
    bind_text(b, run->selector);
    bind_text(b, run->actor);
    bind_text(b, run->reason);
    bind_options(b, &run->options);
    bind_text(b, run_state_name(run->state));
    bind_text(b, pause_causes_format(causes, run->pause_causes));
    bind_text(b, run->why);
    bind_int(b, run->created_wall_ms);
    bind_int(b, run->ended_wall_ms);
    bind_uint(b, failures_of(run));
    bind_waves(b, run);
    bind_troubles(b, run);
    bind_reference(b, run->parent);
    bind_text(b, run->options.window);
    bind_bounds(b, &run->options);
    bind_text(b, run->hold_key);
    bind_bool(b, run->options.shared);
    bind_gate_errors(b, &run->options);
}

static void read_options(struct row *r, struct rollout_options *o)
{
    o->batch = row_u32(r, "batch");
    o->max_unavailable = row_u32(r, "max_unavailable");
    o->soak_ms = row_uint(r, "soak_ms", INT64_MAX);
    o->limit_ms = row_uint(r, "limit_ms", INT64_MAX);
    o->drain = row_bool(r, "drain");
    o->drain_limit_ms = row_uint(r, "drain_limit_ms", INT64_MAX);
    ROW_WORD(r, "on_drain_limit", on_drain_limit, &o->on_drain_limit);
    o->gate_passes = row_u32(r, "gate_passes");
    o->gate_min_ms = row_uint(r, "gate_min_ms", INT64_MAX);
    o->gate_deadline_ms = row_uint(r, "gate_deadline_ms", INT64_MAX);
    o->gate_interval_ms = row_uint(r, "gate_interval_ms", INT64_MAX);
    enum on_failure then = ON_FAILURE_STOP;
    ROW_WORD(r, "on_failure", on_failure, &then);
    rollout_policies(o, then, row_u32(r, "max_failures"));
    ROW_WORD(r, "unreachable", on_unreachable, &o->unreachable);
    o->start_idle = row_bool(r, "start_idle");
    o->keep_autostart = row_bool(r, "keep_autostart");
}

static void read_waves(struct row *r, struct rollout *run)
{
    struct rollout_options *o = &run->options;
    o->batch_percent = row_u32(r, "batch_percent");
    row_text(r, "waves", o->waves, sizeof(o->waves));
    o->canary = row_u32(r, "canary");
    o->pause_after_canary = row_bool(r, "pause_after_canary");
    o->bake_ms = row_uint(r, "bake_ms", INT64_MAX);
    row_text(r, "order_by", o->order_by, sizeof(o->order_by));
    run->wave = row_u32(r, "wave");
    run->wave_over = row_bool(r, "wave_over");
    row_text(r, "approve_by", o->approve_by, sizeof(o->approve_by));
    o->approve_until_ms = row_int(r);
}

/* A run from before these columns has what on_failure and max_failures said. */
static void read_troubles(struct row *r, struct rollout *run)
{
    const char *word = row_word(r);
    if (word[0] && !policies_parse(word, run->options.policies))
        row_bad(r, "policies", word);
    word = row_word(r);
    if (word[0] && !troubles_parse(word, run->troubles, run->troubles_in_wave))
        row_bad(r, "troubles", word);
}

static void read_run(struct row *r, struct rollout *run)
{
    run->id = row_uint(r, "id", INT64_MAX);
    r->id = run->id;
    ROW_WORD(r, "action", rollout_action, &run->action);
    row_text(r, "pool", run->pool, sizeof(run->pool));
    row_text(r, "selector", run->selector, sizeof(run->selector));
    row_text(r, "actor", run->actor, sizeof(run->actor));
    row_text(r, "reason", run->reason, sizeof(run->reason));
    read_options(r, &run->options);
    ROW_WORD(r, "state", run_state, &run->state);
    ROW_WORD(r, "pause_causes", pause_causes, &run->pause_causes);
    row_text(r, "why", run->why, sizeof(run->why));
    run->created_wall_ms = row_int(r);
    run->ended_wall_ms = row_int(r);
    row_int(r); /* failures: the sum of what troubles tells */
    read_waves(r, run);
    read_troubles(r, run);
    run->parent = row_uint(r, "parent", INT64_MAX); /* NULL reads as 0 */
    row_text(r, "hours", run->options.window, sizeof(run->options.window));
    ROW_WORD(r, "gate_latency", bound, &run->options.gate_latency);
    ROW_WORD(r, "gate_queue", bound, &run->options.gate_queue);
    ROW_WORD(r, "gate_memory", bound, &run->options.gate_memory);
    run->options.enable = row_bool(r, "enable");
    run->options.all_servers = row_bool(r, "all_servers");
    run->options.worker_pid = row_u32(r, "worker_pid");
    run->options.worker_created = row_uint(r, "worker_created", INT64_MAX);
    row_text(r, "hold_key", run->hold_key, sizeof(run->hold_key));
    run->options.shared = row_bool(r, "shared");
    ROW_WORD(r, "gate_errors", bound, &run->options.gate_errors);
}

/* "1 12 -1 7340032 1 5": probed, probe_ms, queued, memory, and whether 503s are known, and how
 * many;
 * "": not taken. */
#define MEASURE_TEXT_MAX 120

static const char *measure_format(char out[MEASURE_TEXT_MAX], const struct measure *m)
{
    out[0] = '\0';
    if (m->taken)
        text_format(out, MEASURE_TEXT_MAX, "%d %" PRIu32 " %" PRId64 " %" PRIu64 " %d %" PRIu64,
                    (int)m->probed, m->probe_ms, m->queued, m->memory_bytes, (int)m->rejected_known,
                    m->rejected);
    return out;
}

static void read_measure(struct row *r, const char *column, struct measure *m)
{
    int probed = 0, known = 0;
    const char *text = row_word(r);
    *m = (struct measure){.taken = text[0] != '\0'};
    int got = sscanf(text, "%d %" SCNu32 " %" SCNd64 " %" SCNu64 " %d %" SCNu64, &probed,
                     &m->probe_ms, &m->queued, &m->memory_bytes, &known, &m->rejected);
    if (m->taken && got != 4 && got != 6) /* 4: from before the last two */
        row_bad(r, column, text);
    m->probed = m->taken && probed == 1;
    m->rejected_known = m->taken && known == 1;
}

/* "12 15!": ids of incidents, with a mark at those whose pools did not prove; "": none. */
#define TAKEN_TEXT_MAX (ROLLOUT_TAKEN_MAX * 22)

static const char *taken_format(char out[TAKEN_TEXT_MAX], const struct rollout_target *t)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t k = 0; k < t->taken_count; k++) {
        text_format(out + len, TAKEN_TEXT_MAX - len, "%s%" PRIu64 "%s", k ? " " : "", t->taken[k],
                    t->taken_left >> k & 1 ? "!" : "");
        len += strlen(out + len);
    }
    return out;
}

static void read_taken(struct row *r, struct rollout_target *t)
{
    const char *text = row_word(r), *at = text;
    while (*at && t->taken_count < ROLLOUT_TAKEN_MAX) {
        char *end;
        uint64_t id = strtoull(at, &end, 10);
        if (end == at || id == 0 || *at == '-') {
            break;
        }
        t->taken_left |= (uint32_t)(*end == '!') << t->taken_count;
        t->taken[t->taken_count++] = id;
        at = end + (*end == '!');
        at += *at == ' ';
    }
    if (*at)
        row_bad(r, "taken", text);
}

/* ---- a target: its row in, its row out ---- */

static void bind_target(struct binding *b, uint64_t run, const struct rollout_target *t,
                        const char *places, const char *baseline, const char *after)
{
    char before[MEASURE_TEXT_MAX], now[MEASURE_TEXT_MAX], taken[TAKEN_TEXT_MAX];
    bind_uint(b, run);
    bind_uint(b, t->order);
    bind_text(b, t->server);
    bind_text(b, target_state_name(t->state));
    bind_bool(b, t->holds);
    bind_bool(b, t->act_failed);
    bind_bool(b, t->back);
    bind_uint(b, t->attempts);
    bind_uint(b, t->command.fence.number);
    bind_id(b, &t->command.fence.instance);
    bind_uint(b, t->command.seq);
    bind_text(b, outcome_name(t->outcome));
    bind_text(b, cause_name(t->cause));
    bind_text(b, t->step);
    bind_text(b, t->detail);
    bind_text(b, places);
    bind_text(b, baseline);
    bind_text(b, after);
    bind_int(b, t->probe_status);
    bind_uint(b, t->probe_ms);
    bind_uint(b, t->gap_ms);
    bind_bool(b, t->orphans_allowed);
    bind_int(b, t->started_wall_ms);
    bind_int(b, t->ended_wall_ms);
    bind_uint(b, t->wave);
    bind_text(b, t->zone);
    bind_text(b, trouble_name(t->trouble));
    bind_bool(b, t->put_off);
    bind_text(b, t->pool);
    bind_uint(b, t->sessions_left);
    bind_text(b, measure_format(before, &t->before));
    bind_text(b, measure_format(now, &t->after));
    bind_int(b, t->handed_wall_ms);
    bind_id(b, &t->boot_before);
    bind_text(b, taken_format(taken, t));
}

static void read_target(struct row *r, struct rollout_target *t)
{
    t->order = row_u32(r, "place");
    row_text(r, "server", t->server, sizeof(t->server));
    r->name = t->server;
    ROW_WORD(r, "state", target_state, &t->state);
    t->holds = row_bool(r, "holds");
    t->act_failed = row_bool(r, "act_failed");
    t->back = row_bool(r, "back");
    t->attempts = row_u32(r, "attempts");
    t->command.fence.number = row_uint(r, "command_fence", INT64_MAX);
    row_id(r, "command_instance", &t->command.fence.instance);
    t->command.seq = row_uint(r, "command_seq", INT64_MAX);
    ROW_WORD(r, "outcome", outcome, &t->outcome);
    ROW_WORD(r, "cause", cause, &t->cause);
    row_text(r, "step", t->step, sizeof(t->step));
    row_text(r, "detail", t->detail, sizeof(t->detail));
    row_places(r, t->places, &t->place_count);
    row_workers(r, "baseline", t->baseline_pid, t->baseline_created, &t->baseline_count);
    row_workers(r, "after", t->after_pid, NULL, &t->after_count);
    int64_t status = row_int(r);
    t->probe_status = (int32_t)status;
    if (status < INT32_MIN || status > INT32_MAX)
        row_bad(r, "probe_status", "out of range");
    t->probe_ms = row_u32(r, "probe_ms");
    t->gap_ms = row_u32(r, "gap_ms");
    t->orphans_allowed = row_bool(r, "orphans_allowed");
    t->started_wall_ms = row_int(r);
    t->ended_wall_ms = row_int(r);
    t->wave = row_u32(r, "wave");
    row_text(r, "zone", t->zone, sizeof(t->zone));
    ROW_WORD(r, "trouble", trouble, &t->trouble);
    t->put_off = row_bool(r, "put_off");
    row_text(r, "pool", t->pool, sizeof(t->pool));
    t->sessions_left = row_u32(r, "sessions_left");
    read_measure(r, "before", &t->before);
    read_measure(r, "now", &t->after);
    t->handed_wall_ms = row_int(r);
    row_id(r, "boot_before", &t->boot_before);
    read_taken(r, t);
}

static void write_target(struct store *s, enum schema_statement statement, uint64_t run,
                         const struct rollout_target *t)
{
    char *places = places_format(s, t->places, t->place_count);
    char *baseline = workers_format(t->baseline_pid, t->baseline_created, t->baseline_count);
    char *after = workers_format(t->after_pid, NULL, t->after_count);
    if (places) {
        char what[WIRE_NAME_MAX + 64];
        text_format(what, sizeof(what), "target %s of run %" PRIu64, t->server, run);
        struct binding b = binding_of(s, statement);
        bind_target(&b, run, t, places, baseline, after);
        store_run_one(s, statement, what);
    }
    free(places);
    free(baseline);
    free(after);
}

/* ---- saving ---- */

enum error_code store_insert_run(struct store *s, struct rollout *run, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    must(run->id == 0);
    struct binding b = binding_of(s, SQL_INSERT_RUN);
    bind_run(&b, run);
    store_run_write(s, SQL_INSERT_RUN);
    uint64_t id = s->first.code ? 0 : (uint64_t)db_last_id(s->db);
    for (size_t i = 0; i < run->target_count && !s->first.code; i++)
        write_target(s, SQL_INSERT_TARGET, id, &run->targets[i]);
    if (!s->first.code)
        run->id = id;
    return store_tell(s, err);
}

enum error_code store_save_run(struct store *s, const struct rollout *run, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    char what[32];
    text_format(what, sizeof(what), "run %" PRIu64, run->id);
    struct binding b = binding_of(s, SQL_UPDATE_RUN);
    bind_run(&b, run);
    store_run_one(s, SQL_UPDATE_RUN, what);
    return store_tell(s, err);
}

enum error_code store_save_target(struct store *s, uint64_t run,
                                  const struct rollout_target *target, struct error *err)
{
    if (store_may_write(s))
        write_target(s, SQL_UPDATE_TARGET, run, target);
    return store_tell(s, err);
}

/* ---- loading ---- */

static enum error_code count_targets(struct store *s, uint64_t run, size_t *out, struct error *err)
{
    db_bind_uint(s->db, SQL_COUNT_TARGETS, 1, run);
    struct row r = row_of(s, SQL_COUNT_TARGETS, "run", err);
    r.id = run;
    if (row_next(&r)) {
        *out = row_uint(&r, "number of targets", INT32_MAX);
        db_reset(s->db, SQL_COUNT_TARGETS);
    }
    return r.code;
}

static enum error_code read_targets(struct store *s, struct rollout *run, struct error *err)
{
    db_bind_uint(s->db, SQL_TARGETS, 1, run->id);
    struct row r = row_of(s, SQL_TARGETS, "run", err);
    r.id = run->id;
    for (size_t i = 0; row_next(&r); i++) {
        must(i < run->target_count); /* counted just now, and nobody else writes */
        r.name = NULL;
        read_target(&r, &run->targets[i]);
    }
    return r.code;
}

/* The run of the row that stands, with its targets. */
static enum error_code load_run(struct row *r, struct rollout **out, struct error *err)
{
    size_t count = 0;
    struct rollout header = {0};
    read_run(r, &header);
    enum error_code code = r->code;
    if (!code)
        code = count_targets(r->s, header.id, &count, err);
    if (code)
        return code;
    struct rollout *run = rollout_new(count);
    struct rollout_target *targets = run->targets;
    *run = header;
    run->targets = targets;
    run->target_count = count;
    code = read_targets(r->s, run, err);
    if (code)
        rollout_free(run);
    else
        *out = run;
    return code;
}

enum error_code store_load_open_runs(struct store *s, void (*each)(void *arg, struct rollout *run),
                                     void *arg, struct error *err)
{
    struct row r = row_of(s, SQL_OPEN_RUNS, "run", err);
    while (row_next(&r)) {
        struct rollout *run = NULL;
        r.code = load_run(&r, &run, err);
        if (!r.code)
            each(arg, run);
    }
    return r.code;
}

enum error_code store_load_run(struct store *s, uint64_t id, struct rollout **out,
                               struct error *err)
{
    struct rollout *run = NULL;
    struct row r = row_of(s, SQL_ONE_RUN, "run", err);
    if (id <= INT64_MAX) {
        db_bind_uint(s->db, SQL_ONE_RUN, 1, id);
        if (row_next(&r))
            r.code = load_run(&r, &run, err);
        db_reset(s->db, SQL_ONE_RUN);
    }
    if (!r.code && !run)
        return error_set(err, ERR_NOT_FOUND, "there is no run %" PRIu64, id);
    if (!r.code)
        *out = run;
    return r.code;
}

enum error_code store_find_retry(struct store *s, uint64_t run, uint64_t *out, struct error *err)
{
    struct row r = row_of(s, SQL_RETRY, "retry of run", err);
    *out = 0;
    if (run > INT64_MAX)
        return ERR_NONE;
    db_bind_uint(s->db, SQL_RETRY, 1, run);
    if (row_next(&r)) {
        *out = row_uint(&r, "id", INT64_MAX); /* NULL reads as 0 */
        db_reset(s->db, SQL_RETRY);
    }
    return r.code;
}

/* As rollout_count does it for a run in memory. */
static void count_state(enum target_state state, uint32_t number, struct rollout_counts *counts)
{
    counts->total += number;
    switch (state) {
    case TARGET_WAITING:
        counts->waiting += number;
        break;
    case TARGET_CHECKING:
    case TARGET_DRAINING:
    case TARGET_ACTING:
    case TARGET_GATING:
    case TARGET_RETURNING:
    case TARGET_SOAKING:
        counts->active += number;
        break;
    case TARGET_UNKNOWN: /* still in hand: it keeps its place in the budget */
        counts->unknown += number;
        counts->active += number;
        break;
    case TARGET_DONE:
        counts->done += number;
        break;
    case TARGET_NOTHING:
        counts->nothing += number;
        break;
    case TARGET_SKIPPED:
        counts->skipped += number;
        break;
    case TARGET_FAILED:
        counts->failed += number;
        break;
    case TARGET_ABORTED:
        counts->aborted += number;
        break;
    }
}

static enum error_code count_states(struct store *s, uint64_t run, struct rollout_counts *out,
                                    struct error *err)
{
    db_bind_uint(s->db, SQL_COUNT_STATES, 1, run);
    struct row r = row_of(s, SQL_COUNT_STATES, "targets of run", err);
    r.id = run;
    while (row_next(&r)) {
        enum target_state state = TARGET_WAITING;
        ROW_WORD(&r, "state", target_state, &state);
        uint32_t number = row_u32(&r, "number of targets");
        if (!r.code)
            count_state(state, number, out);
    }
    return r.code;
}

enum error_code store_list_runs(struct store *s, size_t limit,
                                void (*each)(void *arg, const struct store_run_row *row), void *arg,
                                struct error *err)
{
    db_bind_uint(s->db, SQL_LIST_RUNS, 1, limit < INT64_MAX ? limit : INT64_MAX);
    struct row r = row_of(s, SQL_LIST_RUNS, "run", err);
    while (row_next(&r)) {
        struct store_run_row row = {0};
        read_run(&r, &row.run);
        if (!r.code)
            r.code = count_states(s, row.run.id, &row.counts, err);
        row.run.target_count = row.counts.total;
        if (!r.code)
            each(arg, &row);
    }
    return r.code;
}
