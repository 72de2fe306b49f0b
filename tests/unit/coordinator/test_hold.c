/* Servers in the hands of others: the pure run on a stage, and the brain with its store. */
#include "tests/unit/coordinator/farm.h"
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MINUTE 60000

/* ---- on the stage ---- */

static void begin_hold(struct play *p)
{
    play_begin(p, ROLLOUT_HOLD, 1);
    p->servers[0].others = 3;
    p->run->options.limit_ms = 5 * MINUTE;
    text_copy(p->run->actor, sizeof p->run->actor, "anna");
    play_until(p, 10000);
}

static void held_server_is_drained_and_comes_back_by_its_proof(void **state)
{
    (void)state;
    struct play p;
    begin_hold(&p);
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    assert_int_equal(p.servers[0].admin, BALANCER_DRAIN);
    assert_int_equal(p.servers[0].acts, 0); /* nothing is asked of its agent */
    play_until(&p, MINUTE);
    p.servers[0].probe_status = 503; /* they are at it */
    assert_true(play_release(&p, 0, false));
    play_until(&p, MINUTE + 3000);
    assert_int_equal(p.servers[0].admin, BALANCER_DRAIN);
    p.servers[0].probe_status = 200;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    assert_false(play_release(&p, 0, false));
    play_end(&p);
}

/* Its services may come up in the middle of a deployment: visitors must not be sent there. */
static void server_that_is_down_is_drained_all_the_same(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_HOLD, 1);
    p.servers[0].others = 3;
    p.servers[0].services_down = true;
    p.run->options.limit_ms = 5 * MINUTE;
    play_until(&p, 10000);
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    assert_int_equal(p.servers[0].admin, BALANCER_DRAIN);
    p.servers[0].services_down = false;
    play_release(&p, 0, false);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    play_end(&p);
}

static void hold_whose_proof_fails_leaves_an_incident(void **state)
{
    (void)state;
    struct play p;
    begin_hold(&p);
    p.servers[0].probe_status = 500;
    play_release(&p, 0, false);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(p.servers[0].admin, BALANCER_DRAIN);
    assert_non_null(strstr(play_transcript(&p), "web01 incident: gate: the probe answered 500"));
    play_end(&p);
}

/* What they did failed, and the server serves all the same: it is put back, and the run says so. */
static void work_that_failed_is_told_though_the_server_serves(void **state)
{
    (void)state;
    struct play p;
    begin_hold(&p);
    play_release(&p, 0, true);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(p.run->targets[0].state, TARGET_FAILED);
    assert_string_equal(p.run->targets[0].detail, "deploy failed");
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    play_end(&p);
}

/* kured: its lock stays when the one who took it is gone, and the reboots of all others wait for it
 * without a word. Here the hold ends by itself, says whose it was, keeps the server out, since
 * nobody knows what became of it, and a late word still settles it. */
static void kured_lock_that_outlives_its_holder_is_told_and_settled(void **state)
{
    (void)state;
    struct play p;
    begin_hold(&p);
    play_until(&p, 4 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    play_until(&p, 6 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    assert_int_equal(p.run->pause_causes, PAUSE_UNKNOWN);
    assert_non_null(strstr(p.run->why, "web01 was held for longer than 5m by anna"));
    assert_true(p.run->targets[0].holds);
    play_until(&p, 60 * MINUTE);
    assert_int_equal(p.servers[0].admin, BALANCER_DRAIN);
    assert_true(play_release(&p, 0, false));
    play_to_end(&p, 62 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    play_end(&p);
}

static void person_settles_a_hold_that_expired(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct play p;
        begin_hold(&p);
        play_until(&p, 6 * MINUTE);
        if (how == 2) {
            play_request(&p, REQUEST_ABORT);
        } else {
            struct rollout_view v = {.ctx = &p};
            struct rollout_change c;
            rollout_resolve(p.run, 0, how == 0 ? OUTCOME_DONE : OUTCOME_UNHEARD, "bert", &v,
                            p.now_ms, &c);
            rollout_install(p.run, &c);
        }
        play_to_end(&p, 9 * MINUTE);
        const enum run_state ends[] = {RUN_DONE, RUN_FAILED, RUN_ABORTED};
        assert_int_equal(p.run->state, ends[how]);
        assert_int_equal(p.servers[0].admin, BALANCER_READY);
        play_end(&p);
    }
}

/* A restart of ours begins our own clock anew, not the hold; and a clock that jumps ends it early
 * and loudly rather than never. */
static void hold_ends_by_either_clock(void **state)
{
    (void)state;
    struct play p;
    begin_hold(&p);
    play_until(&p, 3 * MINUTE);
    play_restart(&p);
    play_until(&p, 4 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    play_until(&p, 5 * MINUTE + 20000); /* not three minutes later */
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    play_end(&p);

    begin_hold(&p);
    p.wall_jump_ms = 3600000;
    play_until(&p, 11000);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    play_end(&p);

    begin_hold(&p);
    p.wall_jump_ms = -3600000;
    play_until(&p, 6 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    play_end(&p);
}

static void abort_puts_a_held_server_back(void **state)
{
    (void)state;
    struct play p;
    begin_hold(&p);
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_ABORTED);
    assert_int_equal(p.run->targets[0].state, TARGET_ABORTED);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    assert_non_null(strstr(p.run->targets[0].detail, "aborted while others had it; they have to"));
    play_end(&p);
}

/* One had the machine started anew, one is with others, one was not reached: three words. */
static void aborted_cycle_says_what_became_of_each(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_CYCLE, 3);
    p.run->options.limit_ms = 20 * MINUTE;
    play_until(&p, 3 * MINUTE);
    p.servers[0].boot = 2;
    play_until(&p, p.now_ms + 3 * MINUTE);
    assert_int_equal(p.run->targets[1].state, TARGET_ACTING);
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, p.now_ms + 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_ABORTED);
    assert_int_equal(p.servers[1].admin, BALANCER_READY);
    assert_non_null(
        strstr(p.run->targets[1].detail, "a restart from here on meets it in rotation"));
    assert_non_null(strstr(p.run->why, "1 done, 0 had nothing to do, 0 failed, 0 skipped, "
                                       "1 given up, 1 not begun; `farmhand run retry"));
    play_end(&p);
}

/* Given before it is durable, somebody would work on a server that nobody knows is held. */
static void hold_is_not_given_while_the_store_cannot_write(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_HOLD, 1);
    p.servers[0].others = 3;
    p.servers[0].sessions = 3;
    p.run->options.drain_limit_ms = 5 * MINUTE;
    play_until(&p, 900);
    assert_int_equal(p.run->targets[0].state, TARGET_DRAINING);
    p.refuse_saves = true;
    play_until(&p, 20000);
    assert_int_equal(p.run->targets[0].state, TARGET_DRAINING);
    p.refuse_saves = false;
    play_until(&p, MINUTE); /* the balancer is asked again */
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    play_end(&p);
}

/* ---- reboots that others do ---- */

static void cycle_waits_for_each_reboot_before_the_next(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_CYCLE, 3);
    p.run->options.limit_ms = 20 * MINUTE;
    for (size_t i = 0; i < 3; i++) {
        play_until(&p, p.now_ms + 3 * MINUTE);
        assert_int_equal(p.run->targets[i].state, TARGET_ACTING);
        if (i + 1 < 3)
            assert_int_equal(p.run->targets[i + 1].state, TARGET_WAITING);
        p.servers[i].boot = 0; /* it goes down */
        play_until(&p, p.now_ms + MINUTE);
        assert_int_equal(p.run->targets[i].state, TARGET_ACTING);
        if (i == 1)
            play_restart(&p);
        p.servers[i].boot = 2;
    }
    play_to_end(&p, 60 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(p.servers[i].admin, BALANCER_READY);
    play_end(&p);
}

static void machine_that_does_not_come_back_stops_the_cycle(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_CYCLE, 2);
    p.run->options.limit_ms = 5 * MINUTE;
    play_until(&p, MINUTE);
    p.servers[0].boot = 0;
    p.servers[0].dead = true;
    play_until(&p, 30 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    assert_int_equal(p.run->targets[1].state, TARGET_WAITING);
    assert_non_null(strstr(p.run->why, "web01 did not start anew within 5m"));
    p.servers[0].dead = false;
    p.servers[0].boot = 2;
    play_until(&p, 32 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_DONE);
    assert_int_equal(p.run->targets[1].state, TARGET_ACTING); /* the pause went with its cause */
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, 40 * MINUTE);
    play_end(&p);
}

/* ---- in the brain ---- */

struct held {
    uint64_t run;
    char token[HOLD_TOKEN_MAX];
};

static struct held hold(struct farm *f, const char *server, uint64_t for_ms)
{
    struct held h;
    struct error err;
    struct plan_request q = farm_request(f, ROLLOUT_HOLD, server);
    q.pool = "";
    q.options.limit_ms = for_ms;
    if (coordinator_start_hold(f->brain, &q, f->now_ms, WALL(f), &h.run, h.token, &err) !=
        ERR_NONE) {
        fail_msg("%s", err.text);
    }
    farm_run(f, 5000);
    return h;
}

static enum target_state state_of(const struct farm *f, uint64_t run)
{
    const struct rollout *r = coordinator_run_find(f->brain, run);
    return r ? r->targets[0].state : TARGET_DONE;
}

static enum error_code release(struct farm *f, const char *token, const char *server,
                               struct error *err)
{
    uint64_t run;
    const struct hold_release r = {.token = token, .server = server};
    return coordinator_release_hold(f->brain, &r, "deploy", "done", f->now_ms, WALL(f), &run, err);
}

static void hold_spends_the_budget_of_all(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin_balanced(&f, 3, 1);
    struct held h = hold(&f, "web01", 600000);
    assert_int_equal(state_of(&f, h.run), TARGET_ACTING);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_string_equal(coordinator_holder(f.brain, "web01", NULL), "run 1, a hold of anna");
    uint64_t other = farm_recycle(&f, "web02");
    farm_run(&f, 10000);
    assert_int_equal(state_of(&f, other), TARGET_WAITING);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(release(&f, h.token, "", &err), ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[1].acts, 1);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    farm_end(&f);
}

/* Nothing shows that it is out but the hold itself: no balancer stands before it, and its agent
 * says that all is well. */
static void hold_spends_the_budget_where_nothing_else_shows_it(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 3);
    struct held h = hold(&f, "web01", 600000);
    assert_int_equal(state_of(&f, h.run), TARGET_ACTING);
    uint64_t other = farm_recycle(&f, "web02");
    farm_run(&f, 10000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_string_equal(coordinator_run_find(f.brain, other)->targets[0].step,
                        "blocked: budget 1/1 used by web01 (run 1, a hold of anna)");
    assert_int_equal(release(&f, h.token, "", &err), ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[1].acts, 1);
    farm_end(&f);
}

/* web01 is out as a whole by an incident, and its Shop stands still. */
static void begin_left_out(struct farm *f)
{
    struct error err;
    farm_begin_balanced(f, 3, 1);
    struct held h = hold(f, "web01", 600000);
    f->agents[0].probe_status = 500;
    assert_int_equal(release(f, h.token, "", &err), ERR_NONE);
    farm_run_to_end(f, 600000);
    assert_int_equal(coordinator_incident_count(f->brain), 1);
    f->agents[0].shop_stopped = f->agents[0].want_whole = true;
    f->agents[0].probe_status = 200;
    farm_run(f, 5000);
}

static uint64_t ask(struct farm *f, enum rollout_action action, const char *pool)
{
    struct plan_request q = farm_request(f, action, "web01");
    q.pool = pool;
    return farm_ask(f, &q);
}

/* What a failed hold left is the whole server's: a run of one pool says who helps, and how. */
static void pool_of_a_server_that_a_hold_left_out_says_what_helps(void **state)
{
    (void)state;
    struct farm f;
    begin_left_out(&f);
    f.agents[0].shop_stopped = false;
    f.agents[0].want_whole = true;
    uint64_t id = ask(&f, ROLLOUT_RECYCLE, "Shop");
    farm_run(&f, 5000);
    const struct rollout *r = coordinator_run_find(f.brain, id);
    assert_string_equal(r->targets[0].step,
                        "blocked: web01 is held by incident 1, as a whole: `pool start` starts "
                        "what stands still there, then `server undrain` puts it back");
    farm_end(&f);
}

/* The pool that the incident waits for is started beside it, over any restart; the server stays out
 * until it is undrained, and the incident is there all the time. */
static void pool_that_an_incident_waits_for_is_started_beside_it(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 3000; at += 100) {
        struct farm f;
        begin_left_out(&f);
        uint64_t start = ask(&f, ROLLOUT_START, "Shop");
        farm_run(&f, at);
        struct error err;
        if (at && coordinator_run_find(f.brain, start)) {
            assert_int_equal(
                coordinator_dismiss_incident(f.brain, 1, "anna", "gone", f.now_ms, WALL(&f), &err),
                ERR_STATE);
        }
        farm_crash(&f);
        farm_start(&f);
        farm_run(&f, 1500);
        farm_run_to_end(&f, 60000);
        assert_false(f.agents[0].shop_stopped);
        assert_int_equal(f.agents[0].acts, 1);
        assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
        assert_int_equal(coordinator_incident_count(f.brain), 1);
        assert_string_equal(coordinator_holder(f.brain, "web01", NULL), "incident 1");
        ask(&f, ROLLOUT_UNDRAIN, "");
        farm_run_to_end(&f, 60000);
        assert_int_equal(f.agents[0].admin, BALANCER_READY);
        assert_int_equal(coordinator_incident_count(f.brain), 0);
        assert_null(coordinator_holder(f.brain, "web01", NULL));
        farm_end(&f);
    }
}

/* It does not come up: that is the start's, and the incident has its lease back all the same. */
static void start_beside_an_incident_that_fails_leaves_it_as_it_was(void **state)
{
    (void)state;
    struct farm f;
    begin_left_out(&f);
    f.agents[0].probe_status = 503;
    uint64_t start = ask(&f, ROLLOUT_START, "Shop");
    farm_run_to_end(&f, 120000);
    assert_null(coordinator_run_find(f.brain, start));
    assert_int_equal(coordinator_incident_count(f.brain), 1);
    assert_string_equal(coordinator_holder(f.brain, "web01", NULL), "incident 1");
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    f.agents[0].probe_status = 200;
    ask(&f, ROLLOUT_UNDRAIN, "");
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    assert_null(coordinator_holder(f.brain, "web01", NULL));
    farm_end(&f);
}

static void hold_and_its_token_survive_restarts(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin_balanced(&f, 3, 1);
    struct held h = hold(&f, "web01", 600000);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 5000);
    assert_int_equal(state_of(&f, h.run), TARGET_ACTING);
    assert_int_equal(release(&f, "0123456789abcdef0123456789abcdef", "", &err), ERR_NOT_FOUND);
    assert_int_equal(release(&f, h.token, "", &err), ERR_NONE);
    farm_crash(&f);
    farm_start(&f);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    assert_int_equal(release(&f, h.token, "", &err), ERR_NOT_FOUND);
    farm_end(&f);
}

static void hold_that_expires_is_told_and_stays_out(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin_balanced(&f, 3, 1);
    struct held h = hold(&f, "web01", 30000);
    farm_run(&f, 40000);
    assert_int_equal(state_of(&f, h.run), TARGET_UNKNOWN);
    if (!strstr(farm_events(&f), "hold.expired web01") &&
        !strstr(farm_events(&f), "hold.expired: web01 was held for longer than 30s by anna")) {
        fail_msg("its end was not told:\n%s", farm_events(&f));
    }
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 20000);
    assert_int_equal(state_of(&f, h.run), TARGET_UNKNOWN);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_int_equal(release(&f, "", "web01", &err), ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    farm_end(&f);
}

/* Nobody has it yet: it is given up without a word to anybody. */
static void hold_that_is_waited_for_can_be_given_up(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin_balanced(&f, 3, 1);
    hold(&f, "web01", 600000);
    struct held second = hold(&f, "web02", 600000);
    assert_int_equal(state_of(&f, second.run), TARGET_WAITING);
    assert_int_equal(release(&f, second.token, "", &err), ERR_NONE);
    farm_run(&f, 2000);
    assert_null(coordinator_run_find(f.brain, second.run));
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    farm_end(&f);
}

/* A reload of the balancer forgets the drain while somebody deploys: it is put right. */
static void held_server_is_drained_again_after_a_reload(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    hold(&f, "web01", 600000);
    farm_reload(&f);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    farm_end(&f);
}

static void reboot_in_a_cycle_is_seen_also_over_our_restart(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    struct plan_request q = farm_request(&f, ROLLOUT_CYCLE, "web01");
    q.pool = "";
    q.options.limit_ms = 600000;
    uint64_t run = farm_ask(&f, &q);
    farm_run(&f, 5000);
    assert_int_equal(state_of(&f, run), TARGET_ACTING);
    farm_crash(&f);
    f.agents[0].boot = 77;
    f.agents[0].want_whole = true;
    farm_start(&f);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    assert_int_equal(f.agents[0].acts, 0);
    farm_expect_event(&f, "run.ended: 1 done");
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_server_is_drained_and_comes_back_by_its_proof),
        cmocka_unit_test(server_that_is_down_is_drained_all_the_same),
        cmocka_unit_test(hold_whose_proof_fails_leaves_an_incident),
        cmocka_unit_test(work_that_failed_is_told_though_the_server_serves),
        cmocka_unit_test(kured_lock_that_outlives_its_holder_is_told_and_settled),
        cmocka_unit_test(person_settles_a_hold_that_expired),
        cmocka_unit_test(hold_ends_by_either_clock),
        cmocka_unit_test(abort_puts_a_held_server_back),
        cmocka_unit_test(hold_is_not_given_while_the_store_cannot_write),
        cmocka_unit_test(aborted_cycle_says_what_became_of_each),
        cmocka_unit_test(cycle_waits_for_each_reboot_before_the_next),
        cmocka_unit_test(machine_that_does_not_come_back_stops_the_cycle),
        cmocka_unit_test(hold_spends_the_budget_of_all),
        cmocka_unit_test(hold_spends_the_budget_where_nothing_else_shows_it),
        cmocka_unit_test(pool_of_a_server_that_a_hold_left_out_says_what_helps),
        cmocka_unit_test(pool_that_an_incident_waits_for_is_started_beside_it),
        cmocka_unit_test(start_beside_an_incident_that_fails_leaves_it_as_it_was),
        cmocka_unit_test(hold_and_its_token_survive_restarts),
        cmocka_unit_test(hold_that_expires_is_told_and_stays_out),
        cmocka_unit_test(hold_that_is_waited_for_can_be_given_up),
        cmocka_unit_test(held_server_is_drained_again_after_a_reload),
        cmocka_unit_test(reboot_in_a_cycle_is_seen_also_over_our_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
