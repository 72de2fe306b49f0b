/* test_store.c - what is written is read back, what must not be is refused. */
#include "files.h"
#include "samples.h"

#include "common/db.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/core/words.h"
#include "coordinator/store/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct files files;
    const char *path;
    struct store *store;
    struct fence fence;
    struct error err;
};

static int set_up(void **state)
{
    struct fixture *f = must_alloc(1, sizeof(*f));
    files_open(&f->files);
    f->path = must_copy(files_path(&f->files, "state.db"));
    f->store = sample_store(f->path, &f->fence);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    files_close(&f->files);
    free((char *)f->path);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = sample_store(f->path, &f->fence);
}

static void begin(struct fixture *f)
{
    assert_int_equal(store_begin(f->store, &f->err), ERR_NONE);
}

static void commit(struct fixture *f)
{
    if (store_commit(f->store, &f->err))
        fail_msg("%s", f->err.text);
}

static void assert_says(const struct fixture *f, const char *part)
{
    if (!strstr(f->err.text, part))
        fail_msg("\"%s\" is not in: %s", part, f->err.text);
}

/* ---- the fence ---- */

static void fence_grows_with_every_open(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->fence.number, 1);
    struct wire_id instance = sample_id(1);
    assert_memory_equal(&f->fence.instance, &instance, sizeof(instance));
    for (uint64_t n = 2; n < 5; n++) {
        reopen(f);
        assert_int_equal(f->fence.number, n);
    }
}

/* ---- runs ---- */

static void assert_same_options(const struct rollout_options *a, const struct rollout_options *b)
{
    assert_int_equal(a->batch, b->batch);
    assert_int_equal(a->max_unavailable, b->max_unavailable);
    assert_int_equal(a->soak_ms, b->soak_ms);
    assert_int_equal(a->limit_ms, b->limit_ms);
    assert_int_equal(a->drain, b->drain);
    assert_int_equal(a->drain_limit_ms, b->drain_limit_ms);
    assert_int_equal(a->on_drain_limit, b->on_drain_limit);
    assert_int_equal(a->gate_passes, b->gate_passes);
    assert_int_equal(a->gate_min_ms, b->gate_min_ms);
    assert_int_equal(a->gate_deadline_ms, b->gate_deadline_ms);
    assert_int_equal(a->gate_interval_ms, b->gate_interval_ms);
    char x[POLICIES_TEXT_MAX], y[POLICIES_TEXT_MAX];
    assert_string_equal(policies_format(x, a->policies), policies_format(y, b->policies));
    assert_int_equal(a->unreachable, b->unreachable);
    assert_int_equal(a->start_idle, b->start_idle);
    assert_int_equal(a->keep_autostart, b->keep_autostart);
    assert_int_equal(a->batch_percent, b->batch_percent);
    assert_int_equal(a->enable, b->enable);
    assert_int_equal(a->all_servers, b->all_servers);
    assert_int_equal(a->worker_pid, b->worker_pid);
    assert_true(a->worker_created == b->worker_created);
    assert_string_equal(a->waves, b->waves);
    assert_int_equal(a->canary, b->canary);
    assert_int_equal(a->pause_after_canary, b->pause_after_canary);
    assert_int_equal(a->bake_ms, b->bake_ms);
    assert_string_equal(a->order_by, b->order_by);
    assert_string_equal(a->approve_by, b->approve_by);
    assert_int_equal(a->approve_until_ms, b->approve_until_ms);
    assert_string_equal(a->window, b->window);
    char m[BOUND_TEXT_MAX], n[BOUND_TEXT_MAX];
    assert_string_equal(bound_format(m, &a->gate_latency), bound_format(n, &b->gate_latency));
    assert_string_equal(bound_format(m, &a->gate_queue), bound_format(n, &b->gate_queue));
    assert_string_equal(bound_format(m, &a->gate_errors), bound_format(n, &b->gate_errors));
    assert_int_equal(a->shared, b->shared);
    assert_string_equal(bound_format(m, &a->gate_memory), bound_format(n, &b->gate_memory));
}

static void assert_same_measure(const struct measure *a, const struct measure *b)
{
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->probed, b->probed);
    assert_int_equal(a->probe_ms, b->probe_ms);
    assert_int_equal(a->queued, b->queued);
    assert_int_equal(a->memory_bytes, b->memory_bytes);
    assert_int_equal(a->rejected_known, b->rejected_known);
    assert_int_equal(a->rejected, b->rejected);
}

static void assert_same_target(const struct rollout_target *a, const struct rollout_target *b)
{
    assert_string_equal(a->server, b->server);
    assert_int_equal(a->order, b->order);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->holds, b->holds);
    assert_int_equal(a->act_failed, b->act_failed);
    assert_int_equal(a->back, b->back);
    assert_int_equal(a->attempts, b->attempts);
    assert_true(command_id_equal(&a->command, &b->command));
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->cause, b->cause);
    assert_string_equal(a->step, b->step);
    assert_string_equal(a->detail, b->detail);
    assert_int_equal(a->place_count, b->place_count);
    for (uint32_t i = 0; i < a->place_count; i++) {
        const struct balancer_entry *x = &a->places[i], *y = &b->places[i];
        assert_string_equal(x->balancer, y->balancer);
        assert_string_equal(x->backend, y->backend);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->admin, y->admin);
        assert_int_equal(x->up, y->up);
        assert_int_equal(x->sessions, y->sessions);
        assert_int_equal(x->others_serving, y->others_serving);
    }
    assert_int_equal(a->baseline_count, b->baseline_count);
    assert_memory_equal(a->baseline_pid, b->baseline_pid, sizeof(a->baseline_pid));
    assert_memory_equal(a->baseline_created, b->baseline_created, sizeof(a->baseline_created));
    assert_int_equal(a->after_count, b->after_count);
    assert_memory_equal(a->after_pid, b->after_pid, sizeof(a->after_pid));
    assert_int_equal(a->probe_status, b->probe_status);
    assert_int_equal(a->probe_ms, b->probe_ms);
    assert_int_equal(a->gap_ms, b->gap_ms);
    assert_int_equal(a->orphans_allowed, b->orphans_allowed);
    assert_int_equal(a->started_wall_ms, b->started_wall_ms);
    assert_int_equal(a->ended_wall_ms, b->ended_wall_ms);
    assert_int_equal(a->wave, b->wave);
    assert_string_equal(a->zone, b->zone);
    assert_int_equal(a->trouble, b->trouble);
    assert_int_equal(a->put_off, b->put_off);
    assert_int_equal(a->taken_count, b->taken_count);
    assert_int_equal(a->taken_left, b->taken_left);
    for (uint32_t k = 0; k < a->taken_count; k++) {
        assert_int_equal(a->taken[k], b->taken[k]);
    }
    assert_string_equal(a->pool, b->pool);
    assert_int_equal(a->sessions_left, b->sessions_left);
    assert_same_measure(&a->before, &b->before);
    assert_same_measure(&a->after, &b->after);
}

static void assert_same_header(const struct rollout *a, const struct rollout *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->action, b->action);
    assert_string_equal(a->pool, b->pool);
    assert_string_equal(a->selector, b->selector);
    assert_string_equal(a->actor, b->actor);
    assert_string_equal(a->reason, b->reason);
    assert_same_options(&a->options, &b->options);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->pause_causes, b->pause_causes);
    assert_string_equal(a->why, b->why);
    assert_int_equal(a->created_wall_ms, b->created_wall_ms);
    assert_int_equal(a->ended_wall_ms, b->ended_wall_ms);
    assert_memory_equal(a->troubles, b->troubles, sizeof(a->troubles));
    assert_memory_equal(a->troubles_in_wave, b->troubles_in_wave, sizeof(a->troubles_in_wave));
    assert_int_equal(a->wave, b->wave);
    assert_int_equal(a->wave_over, b->wave_over);
}

static void assert_same_run(const struct rollout *a, const struct rollout *b)
{
    assert_same_header(a, b);
    assert_int_equal(a->target_count, b->target_count);
    for (size_t i = 0; i < a->target_count; i++)
        assert_same_target(&a->targets[i], &b->targets[i]);
}

static struct rollout *insert(struct fixture *f, size_t target_count)
{
    struct rollout *run = sample_run(target_count);
    begin(f);
    assert_int_equal(store_insert_run(f->store, run, &f->err), ERR_NONE);
    commit(f);
    return run;
}

static void run_is_read_back_in_every_field(void **state)
{
    struct fixture *f = *state;
    struct rollout *run = insert(f, 20); /* more than there are states, outcomes and causes */
    assert_int_equal(run->id, 1);
    reopen(f);
    struct rollout *again = NULL;
    assert_int_equal(store_load_run(f->store, 1, &again, &f->err), ERR_NONE);
    assert_same_run(run, again);
    rollout_free(again);
    rollout_free(run);
}

static void saved_run_and_target_replace_the_former(void **state)
{
    struct fixture *f = *state;
    struct rollout *run = insert(f, 2);
    run->state = RUN_FAILED;
    run->pause_causes = 0;
    run->troubles[1] = 0;
    run->options.keep_autostart = true;
    run->options.start_idle = false;
    run->options.drain = false;
    run->ended_wall_ms = 1790000000011;
    struct rollout_target blank = {.order = 1, .state = TARGET_ABORTED};
    text_copy(blank.server, sizeof(blank.server), run->targets[1].server);
    text_copy(blank.pool, sizeof(blank.pool), run->targets[1].pool);
    run->targets[1] = blank;
    begin(f);
    assert_int_equal(store_save_run(f->store, run, &f->err), ERR_NONE);
    assert_int_equal(store_save_target(f->store, run->id, &blank, &f->err), ERR_NONE);
    commit(f);
    struct rollout *again = NULL;
    assert_int_equal(store_load_run(f->store, run->id, &again, &f->err), ERR_NONE);
    assert_same_run(run, again);
    rollout_free(again);
    rollout_free(run);
}

static void target_of_no_run_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct rollout *run = sample_run(1);
    begin(f);
    assert_int_equal(store_save_target(f->store, 9, &run->targets[0], &f->err), ERR_NOT_FOUND);
    assert_says(f, "target web00 of run 9");
    store_rollback(f->store);
    run->id = 9;
    begin(f);
    assert_int_equal(store_save_run(f->store, run, &f->err), ERR_NOT_FOUND);
    assert_says(f, "run 9");
    store_rollback(f->store);
    rollout_free(run);
}

static void run_that_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct rollout *run = NULL;
    assert_int_equal(store_load_run(f->store, 1, &run, &f->err), ERR_NOT_FOUND);
    assert_int_equal(store_load_run(f->store, UINT64_MAX, &run, &f->err), ERR_NOT_FOUND);
    assert_says(f, "no run 18446744073709551615");
    assert_null(run);
}

struct gathered {
    struct rollout *runs[8];
    struct store_run_row rows[8];
    size_t count;
};

static void gather_run(void *arg, struct rollout *run)
{
    struct gathered *g = arg;
    g->runs[g->count++] = run;
}

static void gather_row(void *arg, const struct store_run_row *row)
{
    struct gathered *g = arg;
    g->rows[g->count++] = *row;
}

static void insert_in_state(struct fixture *f, enum run_state state)
{
    struct rollout *run = sample_run(1);
    run->state = state;
    begin(f);
    assert_int_equal(store_insert_run(f->store, run, &f->err), ERR_NONE);
    commit(f);
    rollout_free(run);
}

static void open_runs_are_those_not_ended(void **state)
{
    struct fixture *f = *state;
    for (int s = 0; s < RUN_STATE_COUNT; s++)
        insert_in_state(f, (enum run_state)s);
    struct gathered g = {0};
    assert_int_equal(store_load_open_runs(f->store, gather_run, &g, &f->err), ERR_NONE);
    assert_int_equal(g.count, 3);
    for (size_t i = 0; i < g.count; i++) {
        assert_int_equal(g.runs[i]->id, i + 1);
        assert_false(run_state_ended(g.runs[i]->state));
        assert_int_equal(g.runs[i]->target_count, 1);
        rollout_free(g.runs[i]);
    }
}

static void list_is_newest_first_with_counts(void **state)
{
    struct fixture *f = *state;
    struct rollout *first = insert(f, 1), *second = insert(f, 30);
    struct gathered g = {0};
    assert_int_equal(store_list_runs(f->store, 10, gather_row, &g, &f->err), ERR_NONE);
    assert_int_equal(g.count, 2);
    assert_int_equal(g.rows[0].run.id, 2);
    assert_null(g.rows[0].run.targets);
    assert_same_header(&g.rows[0].run, second);
    struct rollout_counts counts;
    rollout_count(second, &counts);
    assert_memory_equal(&g.rows[0].counts, &counts, sizeof(counts));
    g.count = 0;
    assert_int_equal(store_list_runs(f->store, 1, gather_row, &g, &f->err), ERR_NONE);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.rows[0].run.id, 2);
    rollout_free(first);
    rollout_free(second);
}

/* ---- rows that were changed behind our back ---- */

static void assert_damage_is_told(struct fixture *f, const char *sql, const char *part)
{
    store_close(f->store);
    files_sql(f->path, sql);
    f->store = sample_store(f->path, NULL);
    struct rollout *run = NULL;
    f->err.text[0] = '\0';
    assert_int_equal(store_load_run(f->store, 1, &run, &f->err), ERR_CORRUPT);
    assert_null(run);
    assert_says(f, part);
    assert_says(f, "state.db");
    assert_says(f, "run 1");
}

static void unknown_words_are_told_with_their_place(void **state)
{
    struct fixture *f = *state;
    rollout_free(insert(f, 2));
    assert_damage_is_told(f, "UPDATE target SET state = 'draning' WHERE server = 'web01'",
                          "server web01: its state is \"draning\"");
    assert_damage_is_told(f, "UPDATE target SET state = 'waiting', cause = 'bad luck'",
                          "its cause is \"bad luck\"");
    assert_damage_is_told(f, "UPDATE run SET pause_causes = 'person,mood'",
                          "pause_causes is \"person,mood\"");
    assert_damage_is_told(f, "UPDATE run SET action = ''", "its action is \"\"");
}

static void values_that_do_not_fit_are_told(void **state)
{
    struct fixture *f = *state;
    rollout_free(insert(f, 1));
    static const char *const bad[][2] = {
        {"UPDATE target SET probe_status = 4294967296", "probe_status"},
        {"UPDATE target SET probe_status = 0, gap_ms = -1", "its gap_ms is \"-1\""},
        {"UPDATE target SET gap_ms = 0, detail = printf('%.*c', 512, 'x')", "its detail is"},
        {"UPDATE target SET detail = '', places = '{}'", "its places is \"{}\""},
        {"UPDATE target SET places = '[{\"balancer\":\"lb\"}]'", "its places is"},
        {"UPDATE target SET places = '[]', baseline = '[[1,2]]'", "its baseline is \"[[1,2]]\""},
        {"UPDATE target SET baseline = '[[4294967296,\"2\"]]'", "its baseline is"},
        {"UPDATE target SET baseline = '[]', after = '[\"1\"]'", "its after is"},
        {"UPDATE target SET after = '[1,2]'; ", "its batch is \"4294967296\""},
    };
    size_t count = sizeof(bad) / sizeof(bad[0]);
    for (size_t i = 0; i + 1 < count; i++)
        assert_damage_is_told(f, bad[i][0], bad[i][1]);
    assert_damage_is_told(f, "UPDATE run SET batch = 4294967296", bad[count - 1][1]);
}

/* ---- leases ---- */

static enum error_code take(struct fixture *f, const char *server, const char *pool,
                            enum lease_owner owner, uint64_t id)
{
    struct lease lease = {.owner = owner, .owner_id = id, .since_wall_ms = 77};
    text_copy(lease.server, sizeof(lease.server), server);
    text_copy(lease.pool, sizeof(lease.pool), pool);
    begin(f);
    store_take_lease(f->store, &lease, NULL);
    return store_commit(f->store, &f->err);
}

static void lease_is_refused_with_its_holder(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take(f, "web01", "Shop", LEASE_RUN, 7), ERR_NONE);
    assert_int_equal(take(f, "web01", "Shop", LEASE_RUN, 8), ERR_EXISTS);
    assert_says(f, "web01, pool Shop is held by run 7");
    assert_int_equal(take(f, "WEB01", "shop", LEASE_RUN, 8), ERR_EXISTS);
    assert_int_equal(take(f, "web01", "Api", LEASE_RUN, 8), ERR_NONE);
    assert_int_equal(take(f, "web02", "Shop", LEASE_RUN, 8), ERR_NONE);
}

static void whole_server_and_pool_exclude_each_other(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take(f, "web01", "Shop", LEASE_RUN, 7), ERR_NONE);
    assert_int_equal(take(f, "web01", "", LEASE_INCIDENT, 3), ERR_EXISTS);
    assert_says(f, "run 7");
    assert_int_equal(take(f, "web02", "", LEASE_INCIDENT, 3), ERR_NONE);
    assert_int_equal(take(f, "web02", "Shop", LEASE_RUN, 7), ERR_EXISTS);
    assert_says(f, "web02 is held by incident 3");
    assert_int_equal(take(f, "web02", "", LEASE_RUN, 7), ERR_EXISTS);
}

/* A file as that version wrote it, with these rows; the store is opened on it. */
static void open_older(struct fixture *f, size_t version, const char *const rows[2])
{
    const char *path = files_path(&f->files, "old.db");
    struct db_spec old = {.path = path,
                          .migrations = schema_migrations,
                          .migration_count = version,
                          .statements = rows,
                          .statement_count = 2};
    struct db *db = NULL;
    assert_int_equal(db_open(&old, &db, &f->err), ERR_NONE);
    assert_int_equal(db_run(db, 0, &f->err), ERR_NONE);
    assert_int_equal(db_run(db, 1, &f->err), ERR_NONE);
    db_close(db);
    store_close(f->store);
    f->store = sample_store(path, NULL);
}

/* A run of the first version that is still going on: nothing of it is lost, its targets know their
 * pool, and it bears what it bore. */
static void run_of_an_older_file_goes_on(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[] = {
        "INSERT INTO run VALUES (7, 'recycle', 'Shop', 'all', 'anna', 'leak', 2, 3, 4, 5000, 1, "
        "6000,"
        " 'proceed', 7, 8, 9, 10, 'pause', 11, 'wait', 1, 0, 'running', 'person', 'w', 12, 0, 1)",
        "INSERT INTO target VALUES (7, 0, 'web01', 'draining', 1, 0, 0, 0, 0, zeroblob(16), 0, "
        "'none',"
        " 'none', 's', 'd', '[]', '[]', '[]', 0, 0, 0, 0, 13, 0)"};
    open_older(f, 2, rows);
    struct rollout *run = NULL;
    assert_int_equal(store_load_run(f->store, 7, &run, &f->err), ERR_NONE);
    assert_int_equal(run->target_count, 1);
    assert_string_equal(run->targets[0].server, "web01");
    assert_string_equal(run->targets[0].pool, "Shop");
    assert_int_equal(run->targets[0].state, TARGET_DRAINING);
    assert_int_equal(run->targets[0].started_wall_ms, 13);
    assert_int_equal(run->options.policies[TROUBLE_GATE].then, ON_FAILURE_PAUSE);
    assert_int_equal(run->options.policies[TROUBLE_FAILED].run.number, 11);
    assert_int_equal(run->options.policies[TROUBLE_UNKNOWN].run.number, 0);
    assert_int_equal(run->pause_causes, PAUSE_PERSON);
    begin(f);
    assert_int_equal(store_save_target(f->store, 7, &run->targets[0], &f->err), ERR_NONE);
    commit(f);
    rollout_free(run);
}

static void add_kind(void *arg, const struct incident_note *note)
{
    text_addf(arg, "%s ", note->kind);
}

/* Up to version 27 the words alone told that an agent had answered. */
static void answers_in_an_older_file_are_known_by_their_kind(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[] = {
        "INSERT INTO incident (id, server, pool, kind, text, places, opened_ms, closed_ms)"
        " VALUES (1, 'web01', 'Shop', 'rule', 'a leak', '[]', 1, 0)",
        "INSERT INTO incident_note (incident, at_ms, kind, text) VALUES"
        " (1, 1, 'seen', 'a worker has 3072 MiB'),"
        " (1, 1, 'evidence', 'worker 10 of pool Shop: 3072 MiB'),"
        " (1, 2, 'evidence', 'probe: passed, status 200 in 3 ms: no request is executing'),"
        " (1, 2, 'evidence', 'no request is executing'),"
        " (1, 3, 'evidence', 'executing requests are not known: appcmd did not answer'),"
        " (1, 4, 'evidence', '2 requests are executing, the oldest for 7s: /slow'),"
        " (1, 4, 'evidence', '1 request is executing, the oldest for 7s: /slow'),"
        " (1, 4, 'evidence', 'no dump: dumps are off')"};
    struct text kinds = {0};
    open_older(f, 27, rows);
    assert_int_equal(store_load_notes(f->store, 1, add_kind, &kinds, &f->err), ERR_NONE);
    assert_string_equal(text_get(&kinds),
                        "seen evidence evidence requests requests requests requests evidence ");
    text_reset(&kinds);
}

static void tables_themselves_refuse_a_second_lease(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take(f, "web01", "Shop", LEASE_RUN, 7), ERR_NONE);
    store_close(f->store);
    const char *sql = "INSERT INTO lease VALUES ('web01', '', 'run', 8, 0)";
    struct db_spec file = {.path = f->path,
                           .migrations = schema_migrations,
                           .migration_count = schema_migration_count,
                           .statements = &sql,
                           .statement_count = 1};
    struct db *db = NULL;
    assert_int_equal(db_open(&file, &db, &f->err), ERR_NONE);
    assert_int_not_equal(db_run(db, 0, &f->err), ERR_NONE);
    assert_says(f, "leased already");
    db_close(db);
    f->store = sample_store(f->path, NULL);
}

struct leases {
    struct lease all[4];
    size_t count;
};

static void gather_lease(void *arg, const struct lease *lease)
{
    struct leases *l = arg;
    l->all[l->count++] = *lease;
}

static void lease_moves_to_an_incident_and_is_dropped(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take(f, "web01", "Shop", LEASE_RUN, 7), ERR_NONE);
    begin(f);
    assert_int_equal(store_move_lease(f->store, "web01", "Shop", LEASE_INCIDENT, 3, &f->err),
                     ERR_NONE);
    commit(f);
    reopen(f);
    struct leases l = {0};
    assert_int_equal(store_load_leases(f->store, gather_lease, &l, &f->err), ERR_NONE);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.all[0].server, "web01");
    assert_string_equal(l.all[0].pool, "Shop");
    assert_int_equal(l.all[0].owner, LEASE_INCIDENT);
    assert_int_equal(l.all[0].owner_id, 3);
    assert_int_equal(l.all[0].since_wall_ms, 77);
    begin(f);
    assert_int_equal(store_drop_lease(f->store, "web01", "Shop", &f->err), ERR_NONE);
    assert_int_equal(store_drop_lease(f->store, "web01", "Shop", &f->err), ERR_NONE);
    commit(f);
    l.count = 0;
    store_load_leases(f->store, gather_lease, &l, &f->err);
    assert_int_equal(l.count, 0);
    begin(f);
    assert_int_equal(store_move_lease(f->store, "web01", "Shop", LEASE_RUN, 3, &f->err),
                     ERR_NOT_FOUND);
    store_rollback(f->store);
}

/* ---- commands ---- */

static void command_is_found_until_it_ended_and_after(void **state)
{
    struct fixture *f = *state;
    rollout_free(insert(f, 2));
    struct store_command c = sample_command(1), found;
    begin(f);
    assert_int_equal(store_insert_command(f->store, &c, &f->err), ERR_NONE);
    commit(f);
    reopen(f);
    assert_int_equal(store_find_command(f->store, "web01", &c.id, &found, &f->err), ERR_NONE);
    assert_true(command_id_equal(&found.id, &c.id));
    assert_string_equal(found.server, c.server);
    assert_string_equal(found.pool, c.pool);
    assert_int_equal(found.verb, c.verb);
    assert_int_equal(found.run, c.run);
    assert_int_equal(found.target_order, c.target_order);
    assert_int_equal(found.sent_wall_ms, c.sent_wall_ms);
    assert_int_equal(found.outcome, OUTCOME_NONE);
    begin(f);
    assert_int_equal(store_end_command(f->store, "web01", &c.id, OUTCOME_FAILED, &f->err),
                     ERR_NONE);
    commit(f);
    assert_int_equal(store_find_command(f->store, "web01", &c.id, &found, &f->err), ERR_NONE);
    assert_int_equal(found.outcome, OUTCOME_FAILED);
}

static void command_number_is_used_once(void **state)
{
    struct fixture *f = *state;
    struct store_command c = sample_command(0);
    begin(f);
    assert_int_equal(store_insert_command(f->store, &c, &f->err), ERR_NONE);
    assert_int_equal(store_insert_command(f->store, &c, &f->err), ERR_EXISTS);
    store_rollback(f->store);
    begin(f);
    store_insert_command(f->store, &c, &f->err);
    c.id.fence.instance = sample_id(99);
    store_insert_command(f->store, &c, &f->err);
    text_copy(c.server, sizeof(c.server), "web02");
    store_insert_command(f->store, &c, &f->err);
    commit(f);
}

static void command_of_somebody_else_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct store_command c = sample_command(0), found;
    begin(f);
    store_insert_command(f->store, &c, &f->err);
    commit(f);
    struct command_id id = c.id;
    id.fence.instance = sample_id(50);
    assert_int_equal(store_find_command(f->store, "web01", &id, &found, &f->err), ERR_NOT_FOUND);
    assert_int_equal(store_find_command(f->store, "web02", &c.id, &found, &f->err), ERR_NOT_FOUND);
    id.seq = UINT64_MAX;
    id.fence.number = UINT64_MAX;
    assert_int_equal(store_find_command(f->store, "web01", &id, &found, &f->err), ERR_NOT_FOUND);
    begin(f);
    assert_int_equal(store_end_command(f->store, "web01", &id, OUTCOME_DONE, &f->err),
                     ERR_NOT_FOUND);
    assert_says(f, "no command");
    id = c.id;
    id.seq++;
    assert_int_equal(store_end_command(f->store, "web01", &id, OUTCOME_DONE, &f->err),
                     ERR_NOT_FOUND);
    commit(f); /* an answer, not a failure */
}

static void command_of_a_run_that_is_not_there_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_command c = sample_command(5);
    begin(f);
    assert_int_not_equal(store_insert_command(f->store, &c, &f->err), ERR_NONE);
    assert_int_not_equal(store_commit(f->store, &f->err), ERR_NONE);
}

/* ---- incidents and servers ---- */

struct incidents {
    struct incident all[4];
    size_t count;
};

static void gather_incident(void *arg, const struct incident *incident)
{
    struct incidents *g = arg;
    g->all[g->count++] = *incident;
}

static void incident_is_read_back_until_it_is_closed(void **state)
{
    struct fixture *f = *state;
    rollout_free(insert(f, 1));
    struct incident i = {.server = "web03", .pool = "Shop", .kind = "gate-failed", .run = 1};
    text_copy(i.text, sizeof(i.text), "answers 500");
    i.opened_wall_ms = 1790000000021;
    i.phase = INCIDENT_BLOCKED;
    i.guard = GUARD_STORM;
    i.place_count = 2;
    sample_places(i.places, 2);
    begin(f);
    assert_int_equal(store_open_incident(f->store, &i, &f->err), ERR_NONE);
    commit(f);
    assert_int_equal(i.id, 1);
    reopen(f);
    struct incidents g = {0};
    assert_int_equal(store_load_open_incidents(f->store, gather_incident, &g, &f->err), ERR_NONE);
    assert_int_equal(g.count, 1);
    const struct incident *got = &g.all[0];
    assert_int_equal(got->id, 1);
    assert_string_equal(got->server, "web03");
    assert_string_equal(got->pool, "Shop");
    assert_string_equal(got->kind, "gate-failed");
    assert_string_equal(got->text, "answers 500");
    assert_int_equal(got->run, 1);
    assert_int_equal(got->place_count, 2);
    assert_string_equal(got->places[1].name, "srv41");
    assert_int_equal(got->opened_wall_ms, 1790000000021);
    assert_int_equal(got->closed_wall_ms, 0);
    assert_int_equal(got->phase, INCIDENT_BLOCKED);
    assert_int_equal(got->guard, GUARD_STORM);
    begin(f);
    assert_int_equal(store_close_incident(f->store, 1, 9, "undrained by anna", &f->err), ERR_NONE);
    commit(f);
    g.count = 0;
    store_load_open_incidents(f->store, gather_incident, &g, &f->err);
    assert_int_equal(g.count, 0);
    begin(f);
    assert_int_equal(store_close_incident(f->store, 1, 9, "again", &f->err), ERR_NOT_FOUND);
    assert_says(f, "open incident 1");
    store_rollback(f->store);
}

struct servers {
    struct store_server all[4];
    size_t count;
};

static void gather_server(void *arg, const struct store_server *server)
{
    struct servers *g = arg;
    g->all[g->count++] = *server;
}

static void server_is_saved_over_its_former_self(void **state)
{
    struct fixture *f = *state;
    struct store_server a = {.name = "web01", .first_seen_wall_ms = 31};
    struct store_server b = {.name = "web01",
                             .incarnation = sample_id(3),
                             .first_seen_wall_ms = 32,
                             .declared_out_until_ms = 33,
                             .declared_out_reason = "dead board",
                             .declared_out_by = "anna"};
    begin(f);
    assert_int_equal(store_save_server(f->store, &a, &f->err), ERR_NONE);
    assert_int_equal(store_save_server(f->store, &b, &f->err), ERR_NONE);
    commit(f);
    reopen(f);
    struct servers g = {0};
    assert_int_equal(store_load_servers(f->store, gather_server, &g, &f->err), ERR_NONE);
    assert_int_equal(g.count, 1);
    assert_string_equal(g.all[0].name, "web01");
    assert_true(wire_id_equal(&g.all[0].incarnation, &b.incarnation));
    assert_int_equal(g.all[0].first_seen_wall_ms, 32);
    assert_int_equal(g.all[0].declared_out_until_ms, 33);
    assert_string_equal(g.all[0].declared_out_reason, "dead board");
    assert_string_equal(g.all[0].declared_out_by, "anna");
}

/* ---- events and audit ---- */

struct events {
    uint64_t seqs[16];
    struct event last; /* texts copied below */
    char text[64], kind[64];
    size_t count;
};

static void gather_event(void *arg, const struct event *event)
{
    struct events *g = arg;
    g->seqs[g->count++] = event->seq;
    g->last = *event;
    text_copy(g->text, sizeof(g->text), event->text ? event->text : "(null)");
    text_copy(g->kind, sizeof(g->kind), event->kind);
}

static uint64_t add_event(struct fixture *f, bool keep)
{
    struct event e = {
        .wall_ms = 41, .kind = "target.state", .run = 42, .server = "web01", .text = "draining"};
    begin(f);
    assert_int_equal(store_add_event(f->store, &e, &f->err), ERR_NONE);
    if (keep)
        commit(f);
    else
        store_rollback(f->store);
    return e.seq;
}

static void events_are_numbered_without_gaps(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add_event(f, true), 1);
    assert_int_equal(add_event(f, false), 2);
    assert_int_equal(add_event(f, true), 2);
    reopen(f);
    assert_int_equal(store_outbox_done(f->store, 2, &f->err), ERR_NONE);
    assert_int_equal(add_event(f, true), 3); /* not 1, though the outbox was empty */
    struct events g = {0};
    assert_int_equal(store_outbox(f->store, 0, 10, gather_event, &g, &f->err), ERR_NONE);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.seqs[0], 3);
    assert_int_equal(g.last.wall_ms, 41);
    assert_string_equal(g.kind, "target.state");
    assert_int_equal(g.last.run, 42);
    assert_string_equal(g.text, "draining");
    assert_null(g.last.pool);
    assert_null(g.last.actor);
    assert_null(g.last.from);
    assert_null(g.last.to);
}

static void outbox_is_read_from_and_to(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 6; i++)
        add_event(f, true);
    struct events g = {0};
    assert_int_equal(store_outbox(f->store, 2, 3, gather_event, &g, &f->err), ERR_NONE);
    assert_int_equal(g.count, 3);
    assert_int_equal(g.seqs[0], 3);
    assert_int_equal(g.seqs[2], 5);
    begin(f);
    assert_int_equal(store_outbox_done(f->store, 4, &f->err), ERR_NONE);
    store_rollback(f->store);
    g.count = 0;
    store_outbox(f->store, 0, 10, gather_event, &g, &f->err);
    assert_int_equal(g.count, 6);
}

static void numbers_that_history_has_are_passed_over(void **state)
{
    struct fixture *f = *state;
    add_event(f, true);
    assert_int_equal(store_pass_events(f->store, 500, &f->err), ERR_NONE);
    assert_int_equal(add_event(f, true), 501);
    assert_int_equal(store_pass_events(f->store, 3, &f->err), ERR_NONE);
    assert_int_equal(add_event(f, true), 502);
    uint64_t last = 0;
    assert_int_equal(store_last_event(f->store, &last, &f->err), ERR_NONE);
    assert_int_equal(last, 502);
}

static void audit_trail_is_only_added_to(void **state)
{
    struct fixture *f = *state;
    begin(f);
    struct audit_row said = {.wall_ms = 51,
                             .actor = "anna",
                             .action = "run.create",
                             .object = "run 1",
                             .reason = "leaks"};
    assert_int_equal(store_add_audit(f->store, &said, &f->err), ERR_NONE);
    commit(f);
    begin(f);
    said.actor = "";
    assert_int_not_equal(store_add_audit(f->store, &said, &f->err), ERR_NONE);
    store_rollback(f->store);
    store_close(f->store);
    static const char *const attempts[] = {"UPDATE audit SET actor = 'nobody'",
                                           "DELETE FROM audit"};
    for (size_t i = 0; i < 2; i++) {
        struct db_spec file = {.path = f->path,
                               .migrations = schema_migrations,
                               .migration_count = schema_migration_count,
                               .statements = &attempts[i],
                               .statement_count = 1};
        struct db *db = NULL;
        assert_int_equal(db_open(&file, &db, &f->err), ERR_NONE);
        assert_int_not_equal(db_run(db, 0, &f->err), ERR_NONE);
        assert_says(f, "only added to");
        db_close(db);
    }
    f->store = sample_store(f->path, NULL);
}

/* ---- transactions ---- */

static void nothing_is_done_after_the_first_failure(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take(f, "web01", "Shop", LEASE_RUN, 7), ERR_NONE);
    struct rollout *run = sample_run(1);
    struct lease lease = {.server = "web01", .pool = "Shop", .owner = LEASE_RUN, .owner_id = 8};
    struct event event = {.kind = "run.created"};
    struct store_command command = sample_command(0);
    struct incident incident = {.server = "web01", .kind = "k"};
    struct store_server server = {.name = "web09"};
    begin(f);
    assert_int_equal(store_take_lease(f->store, &lease, NULL), ERR_EXISTS);
    assert_int_equal(store_insert_run(f->store, run, &f->err), ERR_EXISTS);
    assert_says(f, "held by run 7");
    assert_int_equal(store_save_run(f->store, run, NULL), ERR_EXISTS);
    assert_int_equal(store_save_target(f->store, 1, &run->targets[0], NULL), ERR_EXISTS);
    assert_int_equal(store_add_event(f->store, &event, NULL), ERR_EXISTS);
    const struct audit_row said = {.actor = "a", .action = "b", .object = "c", .reason = "d"};
    assert_int_equal(store_add_audit(f->store, &said, NULL), ERR_EXISTS);
    assert_int_equal(store_insert_command(f->store, &command, NULL), ERR_EXISTS);
    assert_int_equal(store_end_command(f->store, "web01", &command.id, OUTCOME_DONE, NULL),
                     ERR_EXISTS);
    assert_int_equal(store_open_incident(f->store, &incident, NULL), ERR_EXISTS);
    assert_int_equal(store_close_incident(f->store, 1, 0, "", NULL), ERR_EXISTS);
    assert_int_equal(store_save_server(f->store, &server, NULL), ERR_EXISTS);
    assert_int_equal(store_move_lease(f->store, "web01", "Shop", LEASE_RUN, 8, NULL), ERR_EXISTS);
    assert_int_equal(store_drop_lease(f->store, "web01", "Shop", NULL), ERR_EXISTS);
    assert_int_equal(store_outbox_done(f->store, 9, NULL), ERR_EXISTS);
    f->err.text[0] = '\0';
    assert_int_equal(store_commit(f->store, &f->err), ERR_EXISTS);
    assert_says(f, "held by run 7");
    assert_int_equal(run->id, 0);
    assert_int_equal(event.seq, 0);
    assert_int_equal(incident.id, 0);
    struct leases l = {0};
    store_load_leases(f->store, gather_lease, &l, NULL);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.all[0].owner_id, 7);
    begin(f); /* and the next transaction is a fresh one */
    assert_int_equal(store_drop_lease(f->store, "web01", "Shop", &f->err), ERR_NONE);
    commit(f);
    rollout_free(run);
}

static void rolled_back_run_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct rollout *run = sample_run(3);
    begin(f);
    assert_int_equal(store_insert_run(f->store, run, &f->err), ERR_NONE);
    store_rollback(f->store);
    struct gathered g = {0};
    store_list_runs(f->store, 9, gather_row, &g, &f->err);
    assert_int_equal(g.count, 0);
    rollout_free(run);
}

static void probe_changes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_probe(f->store, &f->err), ERR_NONE);
    assert_int_equal(store_probe(f->store, &f->err), ERR_NONE);
    assert_int_equal(add_event(f, true), 1);
}

/* ---- words ---- */

static void what_a_run_bears_has_words_both_ways(void **state)
{
    (void)state;
    struct policy p = {.then = ON_FAILURE_PAUSE};
    char text[LIMITS_TEXT_MAX];
    static const char *const good[] = {"0", "3", "10%", "2,1/wave", "5%,10%/wave", "100%,0/wave"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(limits_parse(good[i], &p));
        assert_string_equal(limits_format(text, &p), good[i]);
        assert_int_equal(p.then, ON_FAILURE_PAUSE);
    }
    assert_true(limits_parse("1/wave", &p));
    assert_string_equal(limits_format(text, &p), "100%,1/wave");
    static const char *const wrong[] = {"", "x", "-1", "2,3", "/wave", "1/wave,2/wave,3"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(limits_parse(wrong[i], &p));
    struct policy all[ROLLOUT_TROUBLES];
    assert_false(policies_parse("stop 0;stop 0;stop 0", all));
    assert_false(policies_parse("stop 0;stop 0;stop 0;cry 0", all));
    uint32_t run[ROLLOUT_TROUBLES], wave[ROLLOUT_TROUBLES];
    assert_false(troubles_parse("1/2 3/4 5/6", run, wave));
}

static void every_pause_cause_has_a_word(void **state)
{
    (void)state;
    char words[PAUSE_CAUSES_MAX];
    uint32_t causes = 99;
    assert_true(pause_causes_parse(pause_causes_format(words, (1U << PAUSE_BITS) - 1), &causes));
    assert_int_equal(causes, (1U << PAUSE_BITS) - 1);
    assert_string_equal(words,
                        "person,unknown,failures,silence,store,fence,canary,approval,window");
    assert_true(pause_causes_parse("", &causes));
    assert_int_equal(causes, 0);
    assert_false(pause_causes_parse("person,", &causes));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(fence_grows_with_every_open),
        CASE(run_is_read_back_in_every_field),
        CASE(saved_run_and_target_replace_the_former),
        CASE(target_of_no_run_is_not_found),
        CASE(run_that_is_not_there_is_not_found),
        CASE(open_runs_are_those_not_ended),
        CASE(list_is_newest_first_with_counts),
        CASE(unknown_words_are_told_with_their_place),
        CASE(values_that_do_not_fit_are_told),
        CASE(lease_is_refused_with_its_holder),
        CASE(whole_server_and_pool_exclude_each_other),
        CASE(run_of_an_older_file_goes_on),
        CASE(answers_in_an_older_file_are_known_by_their_kind),
        CASE(tables_themselves_refuse_a_second_lease),
        CASE(lease_moves_to_an_incident_and_is_dropped),
        CASE(command_is_found_until_it_ended_and_after),
        CASE(command_number_is_used_once),
        CASE(command_of_somebody_else_is_not_found),
        CASE(command_of_a_run_that_is_not_there_is_refused),
        CASE(incident_is_read_back_until_it_is_closed),
        CASE(server_is_saved_over_its_former_self),
        CASE(events_are_numbered_without_gaps),
        CASE(outbox_is_read_from_and_to),
        CASE(numbers_that_history_has_are_passed_over),
        CASE(audit_trail_is_only_added_to),
        CASE(nothing_is_done_after_the_first_failure),
        CASE(rolled_back_run_leaves_nothing),
        CASE(probe_changes_nothing),
        cmocka_unit_test(what_a_run_bears_has_words_both_ways),
        cmocka_unit_test(every_pause_cause_has_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
