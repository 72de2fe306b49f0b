/* The brain when several things go wrong at once. Each scenario is named after what must hold. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void restart(struct farm *f)
{
    farm_crash(f);
    farm_start(f);
    farm_run(f, 2000);
}

static enum presence presence_of(struct farm *f, const char *server)
{
    return fleet_find(coordinator_fleet(f->brain), server)->presence;
}

static void what_was_declared_out_stays_out_over_restarts(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    assert_int_equal(coordinator_declare_out(f.brain, "web02", 3600000, "anna", "dead board",
                                             f.now_ms, WALL(&f), &err),
                     ERR_NONE);
    restart(&f);
    assert_int_equal(presence_of(&f, "web02"), PRESENCE_DECLARED_OUT);
    restart(&f);
    assert_int_equal(presence_of(&f, "web02"), PRESENCE_DECLARED_OUT);
    farm_end(&f);
}

/* A clone: the same journal under another boot, in turn with the first. */
static void clone_speaks_in_turn(struct farm *f, size_t i)
{
    uint8_t boot = f->agents[i].boot;
    for (int turn = 0; turn < 2; turn++) {
        f->agents[i].boot = turn == 0 ? 99 : boot;
        f->agents[i].want_whole = true;
        f->agents[i].listening = false;
        farm_run(f, 500);
    }
}

static void two_machines_under_one_name_are_not_commanded(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    farm_recycle(&f, "web01");
    f.agents[0].lose_commands = true; /* it stays in the queue */
    farm_run(&f, 1000);
    clone_speaks_in_turn(&f, 0);
    assert_int_equal(presence_of(&f, "web01"), PRESENCE_QUARANTINED);
    f.agents[0].lose_commands = false;
    farm_run(&f, 30000);
    assert_int_equal(f.agents[0].acts, 0);
    restart(&f); /* only one of them may be speaking now: which one, nobody knows */
    f.agents[0].want_whole = true;
    f.agents[0].listening = false;
    farm_run(&f, 30000);
    assert_int_equal(presence_of(&f, "web01"), PRESENCE_QUARANTINED);
    assert_int_equal(f.agents[0].acts, 0);
    farm_end(&f);
}

/* Another one speaks as well, with a journal of its own, and people say something else of it. */
static void two_machines_stay_blocked_whoever_else_speaks(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    uint8_t incarnation = f.agents[0].incarnation;
    clone_speaks_in_turn(&f, 0);
    f.agents[0].incarnation = 77;
    f.agents[0].want_whole = true;
    f.agents[0].listening = false;
    farm_run(&f, 1000);
    assert_int_equal(coordinator_declare_out(f.brain, "web01", 2000, "anna", "a riddle", f.now_ms,
                                             WALL(&f), &err),
                     ERR_NONE);
    f.agents[0].incarnation = incarnation;
    restart(&f);
    f.agents[0].want_whole = true;
    f.agents[0].listening = false;
    farm_run(&f, 5000);
    assert_int_equal(presence_of(&f, "web01"), PRESENCE_QUARANTINED);
    assert_int_equal(
        coordinator_release(f.brain, "web01", "anna", "one is gone", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    f.agents[0].want_whole = true;
    f.agents[0].listening = false;
    farm_run(&f, 5000);
    assert_int_equal(presence_of(&f, "web01"), PRESENCE_FRESH);
    farm_end(&f);
}

static void new_journal_that_never_heard_of_an_act_does_not_mean_it_was_not_done(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "web01");
    while (f.agents[0].acts == 0) {
        farm_run(&f, 10);
    }
    struct farm_agent *a = &f.agents[0]; /* done, and its journal is lost before it could tell */
    a->generation++;
    a->act_outcome = OUTCOME_NONE;
    a->act_unacknowledged = a->listening = false;
    a->act_id = (struct command_id){.seq = 0};
    a->incarnation = 77;
    a->seq = a->last_seq = a->listen_no = 0;
    a->start_no++;
    a->want_whole = true;
    farm_run(&f, 1000);
    assert_int_equal(
        coordinator_release(f.brain, "web01", "anna", "reinstalled", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    a->want_whole = true;
    farm_run(&f, 30000);
    assert_int_equal(a->acts, 1);
    const struct rollout *r = coordinator_run_find(f.brain, run);
    assert_int_equal(r->targets[0].state, TARGET_UNKNOWN);
    assert_true(r->pause_causes & PAUSE_UNKNOWN);
    restart(&f);
    farm_run(&f, 30000);
    assert_int_equal(a->acts, 1);
    assert_int_equal(coordinator_resolve(f.brain, run, "web01", OUTCOME_DONE, "anna", "I looked",
                                         f.now_ms, WALL(&f), &err),
                     ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    assert_int_equal(a->acts, 1);
    farm_end(&f);
}

static void word_given_while_the_disk_is_full_is_in_the_audit_trail_later(void **state)
{
    (void)state;
    struct farm f;
    struct error err = {0};
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "all");
    files_disk_is_full(true);
    enum error_code paused =
        coordinator_request(f.brain, run, REQUEST_PAUSE, "anna", "oh", f.now_ms, WALL(&f), &err);
    farm_run(&f, 3000);
    enum error_code resumed =
        coordinator_request(f.brain, run, REQUEST_RESUME, "anna", "go", f.now_ms, WALL(&f), &err);
    enum error_code no_run =
        coordinator_request(f.brain, 999, REQUEST_ABORT, "anna", "no", f.now_ms, WALL(&f), &err);
    enum error_code no_reason =
        coordinator_request(f.brain, run, REQUEST_ABORT, "anna", " ", f.now_ms, WALL(&f), &err);
    enum error_code aborted =
        coordinator_request(f.brain, run, REQUEST_ABORT, "anna", "no", f.now_ms, WALL(&f), &err);
    farm_run(&f, 3000);
    files_disk_is_full(false);
    assert_int_equal(no_run, ERR_STATE);
    assert_int_equal(no_reason, ERR_INVALID);
    assert_int_equal(paused, ERR_NONE);
    assert_int_equal(resumed, ERR_UNAVAILABLE);
    assert_int_equal(aborted, ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_ABORTED);
    assert_int_equal(files_audited(&f.files, "run.pause"), 1);
    assert_int_equal(files_audited(&f.files, "run.resume"), 0);
    assert_int_equal(files_audited(&f.files, "run.abort"), 1);
    farm_expect_event(&f, "audit: anna: run.abort run 1: no");
    farm_end(&f);
}

static void runs_of_two_pools_take_turns_on_a_server(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 2);
    uint64_t first = farm_recycle(&f, "all");
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
    q.pool = "Api";
    uint64_t second = farm_ask(&f, &q);
    farm_run_to_end(&f, 120000);
    assert_int_equal(farm_run_state(&f, first), RUN_DONE);
    assert_int_equal(farm_run_state(&f, second), RUN_DONE);
    assert_int_equal(f.agents[0].acts, 2);
    assert_int_equal(f.agents[1].acts, 2);
    assert_int_equal(f.acts_in_rotation, 0);
    farm_end(&f);
}

/* Killed at some moments too: each pool of each server once, and a server is never out for two. */
static void run_of_several_pools_takes_them_one_by_one(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 8000; at += 700) {
        struct farm f;
        farm_begin_balanced(&f, 2, 1);
        struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
        q.pool = "*";
        q.options.batch = 4;
        uint64_t run = farm_ask(&f, &q);
        assert_int_equal(coordinator_run_find(f.brain, run)->target_count, 4);
        assert_string_equal(coordinator_run_find(f.brain, run)->targets[1].pool, "Shop");
        farm_run(&f, at);
        farm_crash(&f);
        farm_start(&f);
        farm_run_to_end(&f, 240000);
        assert_int_equal(farm_run_state(&f, run), RUN_DONE);
        assert_int_equal(f.agents[0].acts, 2);
        assert_int_equal(f.agents[1].acts, 2);
        assert_int_equal(f.acts_in_rotation, 0);
        assert_int_equal(f.serving_least, 1);
        assert_null(coordinator_holder(f.brain, "web01", NULL));
        farm_end(&f);
    }
}

static void runs_share_no_pool_of_a_server_however_they_name_it(void **state)
{
    (void)state;
    struct farm f;
    struct error err = {0};
    uint64_t id;
    farm_begin(&f, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
    q.pool = "*,!Shop";
    farm_ask(&f, &q); /* Api alone */
    q.pool = "Sh*";
    farm_ask(&f, &q);
    q.pool = "api";
    assert_int_equal(coordinator_start_run(f.brain, &q, f.now_ms, 1, &id, &err), ERR_EXISTS);
    assert_non_null(strstr(err.text, "run 1 holds web01 (pool Api"));
    farm_end(&f);
}

static void place_that_left_the_configuration_is_not_forgotten_in_drain(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    uint64_t run = farm_recycle(&f, "web01");
    while (f.agents[0].acts == 0) {
        farm_run(&f, 10);
    }
    farm_crash(&f);
    f.balanced = false;
    farm_start(&f);
    farm_run(&f, 30000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_string_equal(coordinator_holder(f.brain, "web01", "Shop"), "run 1");
    assert_non_null(
        strstr(coordinator_run_find(f.brain, run)->targets[0].step, "web01 in backend web"));
    farm_crash(&f);
    f.balanced = true;
    farm_start(&f);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    farm_end(&f);
}

static void mute_balancer_is_not_buried_in_questions(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    f.balancer_mute = true;
    f.balancer_asked = 0;
    farm_run(&f, 60000);
    assert_in_range(f.balancer_asked, 1, 4);
    f.balancer_mute = false;
    f.balancer_asked = 0;
    farm_run(&f, 60000); /* it is asked again, though the answer never came */
    assert_true(f.balancer_asked > 50);
    farm_end(&f);
}

static void slow_balancer_is_slow_but_gets_there(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "web01");
    q.options.drain_limit_ms = 60000;
    f.balancer_slow_ms = 6000;
    uint64_t run = farm_ask(&f, &q);
    farm_run_to_end(&f, 120000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    farm_end(&f);
}

static void server_is_never_held_without_its_lease(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    const struct plan_request q = farm_request(&f, ROLLOUT_UNDRAIN, "web01");
    uint64_t run = farm_ask(&f, &q);
    files_disk_is_full(true); /* nobody has noticed yet */
    farm_run(&f, 100);
    bool holds = coordinator_run_find(f.brain, run)->targets[0].holds;
    bool leased = coordinator_holder(f.brain, "web01", "Shop") != NULL;
    files_disk_is_full(false);
    assert_int_equal(holds, leased);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

/* Else a coordinator that dies now would know of an act, and the journal would tell it no more. */
static void result_is_acknowledged_once_it_is_on_the_disk(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 1);
    uint64_t run = farm_recycle(&f, "all");
    while (f.agents[0].acts == 0) {
        farm_run(&f, 10);
    }
    files_disk_is_full(true);
    farm_run(&f, 5000);
    bool told = f.agents[0].act_outcome != OUTCOME_RUNNING;
    bool kept = f.agents[0].act_unacknowledged;
    files_disk_is_full(false);
    assert_true(told);
    assert_true(kept);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_run(&f, 10000); /* it is told again now and then */
    assert_false(f.agents[0].act_unacknowledged);
    farm_end(&f);
}

static void batch_never_empties_a_backend(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
    q.options.batch = 2;
    f.serving_least = UINT32_MAX;
    uint64_t run = farm_ask(&f, &q);
    farm_run_to_end(&f, 120000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    assert_int_equal(f.serving_least, 1);
    farm_end(&f);
}

/* The first one's agent answers late. Whoever answers before it goes on only with room for both. */
static void place_in_the_budget_is_kept_for_who_comes_first(void **state)
{
    (void)state;
    for (uint32_t max_out = 1; max_out <= 2; max_out++) {
        struct farm f;
        farm_begin_balanced(&f, 4, max_out);
        f.agents[0].late_questions = 2;
        struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
        q.options.batch = 4;
        uint64_t run = farm_ask(&f, &q);
        bool second_first = false;
        for (bool first_begun = false; !first_begun; farm_run(&f, 10)) {
            const struct rollout *r = coordinator_run_find(f.brain, run);
            first_begun = r->targets[0].holds;
            second_first = second_first || (r->targets[1].holds && !first_begun);
            size_t held = 0;
            for (size_t i = 0; i < r->target_count; i++) {
                held += r->targets[i].holds;
            }
            assert_true(held + !first_begun <= max_out);
            assert_true(f.now_ms < 60000);
        }
        assert_int_equal(second_first, max_out == 2);
        farm_run_to_end(&f, 120000);
        assert_int_equal(farm_run_state(&f, run), RUN_DONE);
        farm_end(&f);
    }
}

static void full_disk_keeps_no_server_out_for_the_sake_of_another(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "web01,web02");
    q.options.batch = 2;
    farm_ask(&f, &q);
    f.agents[0].probe_status = 500;
    while (f.agents[0].acts == 0 || f.agents[1].acts == 0) {
        farm_run(&f, 10);
    }
    f.agents[1].probe_status = 500; /* for longer than the deadline of the first */
    files_disk_is_full(true);
    farm_run(&f, 4000);
    f.agents[1].act_ms = 0;
    farm_run(&f, 1500);
    f.agents[1].probe_status = 200;
    farm_run(&f, 20000);
    enum balancer_admin second = f.agents[1].admin;
    files_disk_is_full(false);
    assert_int_equal(second, BALANCER_READY);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_non_null(strstr(coordinator_holder(f.brain, "web01", "Shop"), "incident"));
    farm_end(&f);
}

/* The next wave asks to be written with every turn: that does not put off the next try. */
static void store_that_works_again_is_found_out_however_much_is_asked_of_it(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
    q.waves = "1";
    q.options.soak_ms = 2000;
    uint64_t run = farm_ask(&f, &q);
    while (coordinator_run_find(f.brain, run)->targets[0].state != TARGET_SOAKING) {
        farm_run(&f, 10);
    }
    files_disk_is_full(true);
    farm_run(&f, 10000); /* the first wave ends, in memory */
    files_disk_is_full(false);
    farm_run(&f, 3000);
    assert_null(coordinator_store_trouble(f.brain));
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

/* Each skipped target is a commit: what is due for all of them at once is done in portions. */
static void one_turn_is_short_however_much_is_due(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    for (int i = 0; i < 500; i++) {
        char name[16];
        text_format(name, sizeof name, "gone%03d", i);
        coordinator_declare_server(f.brain, name, NULL, 0);
    }
    farm_run(&f, 100000); /* so long a server is waited for after a start */
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "gone*");
    q.options.unreachable = UNREACHABLE_SKIP;
    q.options.policies[TROUBLE_UNREACHABLE].then = ON_FAILURE_CONTINUE;
    uint64_t run = farm_ask(&f, &q);
    struct rollout_counts n;
    rollout_count(coordinator_run_find(f.brain, run), &n);
    assert_in_range(n.skipped, 1, 64);
    assert_int_equal(coordinator_wake_ms(f.brain, f.now_ms), f.now_ms);
    farm_run_to_end(&f, 1000);
    assert_int_equal(farm_run_state(&f, run), RUN_PARTIAL);
    farm_end(&f);
}

/* A report that brings news is acknowledged at once and written with others. */
static void news_of_reports_are_written_together_and_soon(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 6);
    uint64_t before, after;
    for (size_t i = 0; i < f.count; i++) {
        f.agents[i].generation++; /* a worker went, another came */
        f.agents[i].report_at_ms = 0;
    }
    assert_int_equal(store_last_event(f.store, &before, NULL), ERR_NONE);
    farm_reports(&f);
    assert_int_equal(store_last_event(f.store, &after, NULL), ERR_NONE);
    assert_int_equal(after, before);
    assert_in_range(coordinator_wake_ms(f.brain, f.now_ms), f.now_ms, f.now_ms + 50);
    farm_run(&f, 50);
    assert_int_equal(store_last_event(f.store, &after, NULL), ERR_NONE);
    assert_int_equal(after, before + 12);
    farm_end(&f);
}

/* A blocked run looks at the whole farm: that is done by time, not with each of its messages. */
static void listening_agents_drive_no_run(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    f.agents[2].dead = true;
    farm_run(&f, 4000);
    farm_recycle(&f, "web01");
    farm_run(&f, 2000);
    int steps = f.steps;
    f.now_ms += 2000; /* "silent for 6s" is 8s now */
    f.agents[0].listening = f.agents[1].listening = false;
    farm_reports(&f);
    assert_int_equal(f.steps, steps);
    farm_run(&f, 100);
    assert_true(f.steps > steps);
    farm_end(&f);
}

static void question_that_came_too_late_says_nothing_of_the_server(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "web01");
    q.options.soak_ms = 1000;
    f.agents[0].late_questions = 1; /* before the act */
    uint64_t run = farm_ask(&f, &q);
    const struct rollout *r = coordinator_run_find(f.brain, run);
    while (r->targets[0].state != TARGET_SOAKING) {
        assert_false(run_state_ended(r->state));
        farm_run(&f, 10);
        r = coordinator_run_find(f.brain, run);
        if (!r) {
            fail_msg("%s", farm_events(&f));
        }
    }
    f.agents[0].late_questions = 1; /* and after it */
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

/* However large the farm: who is out of rotation spends the budget until the next reading. */
static void server_in_maintenance_is_never_forgotten_between_two_readings(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 6, 1);
    for (int i = 0; i < 600; i++) {
        char name[16];
        text_format(name, sizeof name, "x%03d", i);
        coordinator_declare_server(f.brain, name, NULL, 0);
    }
    f.agents[5].admin = BALANCER_MAINT;
    farm_run(&f, 60000);
    const struct fleet_server *s = fleet_find(coordinator_fleet(f.brain), "web06");
    for (int i = 0; i < 600; i++) {
        char why[256];
        if (!fleet_is_out(s, "Shop", f.now_ms, why, sizeof why)) {
            fail_msg("forgotten after %d ms", (int)(f.now_ms - s->places_ms));
        }
        farm_run(&f, 100);
    }
    farm_end(&f);
}

static void gate_that_nobody_could_pass_is_refused(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    uint64_t id;
    farm_begin(&f, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "web01");
    q.options.gate_passes = 51; /* 100 ms apart, within 5 s */
    assert_int_equal(coordinator_start_run(f.brain, &q, f.now_ms, WALL(&f), &id, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.text, "51 passes of the gate"));
    q.options.gate_passes = 2;
    assert_int_equal(coordinator_start_run(f.brain, &q, f.now_ms, WALL(&f), &id, &err), ERR_NONE);
    farm_end(&f);
}

static void act_that_is_given_again_looks_at_the_place_again(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    uint64_t run = farm_recycle(&f, "web01");
    f.agents[0].lose_commands = true;
    while (coordinator_run_find(f.brain, run)->targets[0].state != TARGET_ACTING) {
        farm_run(&f, 10);
    }
    farm_crash(&f);
    f.agents[0].admin = BALANCER_READY; /* by a person, since it was drained for so long */
    f.agents[0].lose_commands = false;
    farm_start(&f);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].acts, 0);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    assert_int_equal(farm_run_state(&f, run), RUN_FAILED);
    farm_end(&f);
}

static void act_that_is_given_again_is_carried_out_if_the_place_is_drained(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    uint64_t run = farm_recycle(&f, "web01");
    f.agents[0].lose_commands = true;
    while (coordinator_run_find(f.brain, run)->targets[0].state != TARGET_ACTING) {
        farm_run(&f, 10);
    }
    farm_crash(&f);
    f.agents[0].lose_commands = false;
    farm_start(&f);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].acts, 1);
    assert_int_equal(f.acts_in_rotation, 0);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_declared_out_stays_out_over_restarts),
        cmocka_unit_test(two_machines_under_one_name_are_not_commanded),
        cmocka_unit_test(two_machines_stay_blocked_whoever_else_speaks),
        cmocka_unit_test(new_journal_that_never_heard_of_an_act_does_not_mean_it_was_not_done),
        cmocka_unit_test(word_given_while_the_disk_is_full_is_in_the_audit_trail_later),
        cmocka_unit_test(runs_of_two_pools_take_turns_on_a_server),
        cmocka_unit_test(run_of_several_pools_takes_them_one_by_one),
        cmocka_unit_test(runs_share_no_pool_of_a_server_however_they_name_it),
        cmocka_unit_test(place_that_left_the_configuration_is_not_forgotten_in_drain),
        cmocka_unit_test(mute_balancer_is_not_buried_in_questions),
        cmocka_unit_test(slow_balancer_is_slow_but_gets_there),
        cmocka_unit_test(server_is_never_held_without_its_lease),
        cmocka_unit_test(result_is_acknowledged_once_it_is_on_the_disk),
        cmocka_unit_test(batch_never_empties_a_backend),
        cmocka_unit_test(place_in_the_budget_is_kept_for_who_comes_first),
        cmocka_unit_test(full_disk_keeps_no_server_out_for_the_sake_of_another),
        cmocka_unit_test(store_that_works_again_is_found_out_however_much_is_asked_of_it),
        cmocka_unit_test(one_turn_is_short_however_much_is_due),
        cmocka_unit_test(listening_agents_drive_no_run),
        cmocka_unit_test(question_that_came_too_late_says_nothing_of_the_server),
        cmocka_unit_test(server_in_maintenance_is_never_forgotten_between_two_readings),
        cmocka_unit_test(gate_that_nobody_could_pass_is_refused),
        cmocka_unit_test(act_that_is_given_again_looks_at_the_place_again),
        cmocka_unit_test(act_that_is_given_again_is_carried_out_if_the_place_is_drained),
        cmocka_unit_test(news_of_reports_are_written_together_and_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
