/* Whole runs on virtual time. Each scenario is named after what it guards against. */
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MINUTE 60000

static void expect_transcript(const struct play *p, const char *expected)
{
    assert_string_equal(play_transcript(p), expected);
}

static void expect_line(const struct play *p, const char *part)
{
    if (!strstr(play_transcript(p), part)) {
        fail_msg("no '%s' in:\n%s", part, play_transcript(p));
    }
}

/* What must hold for every server at the end of every run that ended well. */
static void expect_all_back(const struct play *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct play_server *s = &p->servers[i];
        assert_int_equal(s->admin, BALANCER_READY);
        assert_false(s->act_while_serving);
        assert_false(p->run->targets[i].holds);
    }
}

static void two_servers_one_after_the_other(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 3;
    play_to_end(&p, MINUTE);
    expect_transcript(&p, "  0.0s web01 waiting -> checking\n"
                          "  0.1s web01 checking -> draining\n"
                          "  1.4s web01 draining -> acting\n"
                          "  2.4s web01 acting -> gating\n"
                          "  3.0s web01 gating -> returning\n"
                          "  3.1s web01 returning -> done\n"
                          "  3.1s web02 waiting -> checking\n"
                          "  3.2s web02 checking -> draining\n"
                          "  3.6s web02 draining -> acting\n"
                          "  4.6s web02 acting -> gating\n"
                          "  5.2s web02 gating -> returning\n"
                          "  5.3s web02 returning -> done\n"
                          "  5.3s run done: 2 done, 0 had nothing to do, 0 failed, 0 skipped, 0 "
                          "not begun\n");
    expect_all_back(&p);
    assert_int_equal(p.servers[0].acts + p.servers[1].acts, 2);
    play_end(&p);
}

static void batch_of_two_holds_two_never_three(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 5);
    p.run->options.batch = 2;
    while (!run_state_ended(p.run->state)) {
        play_until(&p, p.now_ms + 100);
        int out = 0;
        for (size_t i = 0; i < p.count; i++) {
            out += p.servers[i].admin != BALANCER_READY;
        }
        assert_true(out <= 2);
        assert_true(p.now_ms < MINUTE);
    }
    expect_all_back(&p);
    play_end(&p);
}

static void successor_that_answers_500_stays_out_and_stops_the_run(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    p.servers[0].probe_after = 500;
    play_to_end(&p, MINUTE);
    expect_line(&p,
                "web01 gating -> failed: gate: the probe answered 500; it stays out of rotation");
    expect_line(&p, "web01 incident: gate");
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(p.servers[0].admin, BALANCER_DRAIN);
    assert_int_equal(p.servers[0].readies, 0);
    assert_int_equal(p.servers[1].acts + p.servers[2].acts, 0);
    play_end(&p);
}

static void gate_wants_its_passes_in_a_row(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.run->options.gate_passes = 5;
    p.run->options.gate_min_ms = 0;
    play_until(&p, 2700); /* acted at 0.5s, gating since 1.5s: passes come every half second */
    assert_int_equal(p.run->targets[0].passes, 3);
    p.servers[0].probe_status = 503;
    play_until(&p, 3300);
    assert_int_equal(p.run->targets[0].passes, 0);
    p.servers[0].probe_status = 200;
    play_until(&p, 5200);
    assert_int_equal(p.run->targets[0].state, TARGET_GATING);
    assert_int_equal(p.servers[0].readies, 0);
    play_to_end(&p, MINUTE);
    expect_all_back(&p);
    play_end(&p);
}

static void act_that_failed_on_a_serving_pool_is_put_back(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].act_outcome = OUTCOME_FAILED;
    p.servers[0].act_cause = CAUSE_DRIVER;
    play_to_end(&p, MINUTE);
    expect_line(&p, "web01 returning -> failed\n");
    assert_int_equal(p.run->state, RUN_FAILED);
    expect_all_back(&p);
    play_end(&p);
}

static void continue_goes_on_after_a_failure_and_ends_partial(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    rollout_policies(&p.run->options, ON_FAILURE_CONTINUE, 0);
    p.servers[1].act_outcome = OUTCOME_FAILED;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_PARTIAL);
    assert_int_equal(p.servers[2].acts, 1);
    expect_all_back(&p);
    play_end(&p);
}

static void pause_on_failure_waits_for_a_person(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    rollout_policies(&p.run->options, ON_FAILURE_PAUSE, 0);
    p.servers[0].act_outcome = OUTCOME_FAILED;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_FAILURES);
    assert_int_equal(p.servers[1].acts, 0);
    play_request(&p, REQUEST_RESUME);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.servers[1].acts, 1);
    play_end(&p);
}

static void agent_that_dies_in_the_act_is_unknown_not_failed(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    play_until(&p, 900);
    p.servers[0].dead = true;
    p.servers[0].presence = PRESENCE_SILENT;
    play_until(&p, 10 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    assert_true(p.run->targets[0].holds);
    assert_int_equal(p.run->pause_causes, PAUSE_UNKNOWN);
    assert_int_equal(p.servers[1].acts, 0);
    p.servers[0].dead = false;
    p.servers[0].presence = PRESENCE_FRESH;
    play_to_end(&p, 11 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    expect_all_back(&p);
    play_end(&p);
}

static void command_that_never_arrived_is_given_again_under_a_new_id(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    p.servers[0].deaf = true;
    play_until(&p, 1000);
    uint64_t first = p.run->targets[0].command.seq;
    p.servers[0].deaf = false;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    assert_true(p.run->targets[0].command.seq > first);
    play_end(&p);
}

static void command_that_never_arrives_is_given_up_and_the_server_put_back(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].deaf = true;
    play_to_end(&p, 10 * MINUTE);
    expect_line(&p, "failed: the command never reached the agent");
    assert_int_equal(p.servers[0].acts, 0);
    expect_all_back(&p);
    play_end(&p);
}

static enum presence is_fresh(void *ctx, const char *server, char *why, size_t why_size)
{
    (void)ctx;
    (void)server;
    (void)why;
    (void)why_size;
    return PRESENCE_FRESH;
}

static void person_settles_what_stays_unknown(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    play_until(&p, 900);
    p.servers[0].dead = true;
    play_until(&p, 2 * MINUTE);
    struct rollout_view v = {.wall_ms = 1, .presence = is_fresh};
    struct rollout_change c;
    rollout_resolve(p.run, 0, OUTCOME_DONE, "anna", &v, p.now_ms, &c);
    assert_true(c.any);
    assert_int_equal(c.target.state, TARGET_GATING);
    assert_int_equal(c.pause_causes, 0);
    rollout_resolve(p.run, 0, OUTCOME_UNHEARD, "anna", &v, p.now_ms, &c);
    assert_int_equal(c.target.state, TARGET_DRAINING); /* is it still out? */
    play_end(&p);
}

static void restart_between_any_two_turns_acts_once(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 6000; at += 100) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 2);
        p.servers[0].sessions = 2;
        play_until(&p, at);
        play_restart(&p);
        play_to_end(&p, 5 * MINUTE);
        assert_int_equal(p.run->state, RUN_DONE);
        assert_int_equal(p.servers[0].acts, 1);
        assert_int_equal(p.servers[1].acts, 1);
        expect_all_back(&p);
        play_end(&p);
    }
}

/* What was proved before we were away, for nobody knows how long, proves nothing now. */
static void restart_while_returning_asks_for_the_proof_again(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    while (p.run->targets[0].state != TARGET_RETURNING) {
        p.balancer_broken = p.run->targets[0].state == TARGET_GATING;
        assert_true(p.now_ms < MINUTE);
        play_until(&p, p.now_ms + 100);
    }
    p.servers[0].probe_status = 500;
    play_restart(&p);
    assert_int_equal(p.run->targets[0].state, TARGET_RETURNING); /* as it stands in the store */
    p.balancer_broken = false;
    play_until(&p, p.now_ms + 100);
    assert_int_equal(p.run->targets[0].state, TARGET_GATING); /* by a change that is saved */
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.servers[0].readies, 0);
    assert_int_equal(p.run->targets[0].state, TARGET_FAILED);
    play_end(&p);
}

static void restarted_in_a_drain_it_asks_the_agent_before_it_drains_again(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 5000;
    play_until(&p, 1000);
    assert_int_equal(p.servers[0].drains, 1);
    play_restart(&p);
    p.servers[0].dead = true; /* or under the fence of another coordinator */
    play_until(&p, 10000);
    assert_int_equal(p.servers[0].drains, 1);
    p.servers[0].dead = false;
    p.servers[0].sessions = 2;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    expect_all_back(&p);
    play_end(&p);
}

static void abort_while_draining_puts_back_without_acting(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 5000; /* never ends */
    play_until(&p, 1000);
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_ABORTED);
    assert_int_equal(p.run->targets[0].state, TARGET_ABORTED);
    assert_int_equal(p.servers[0].acts, 0);
    assert_int_equal(p.run->targets[1].state, TARGET_WAITING);
    expect_all_back(&p);
    play_end(&p);
}

static void abort_in_the_act_finishes_the_server_in_hand(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    play_until(&p, 900);
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_ABORTED);
    assert_int_equal(p.run->targets[0].state, TARGET_DONE);
    assert_int_equal(p.servers[1].acts, 0);
    expect_all_back(&p);
    play_end(&p);
}

/* Whatever the server in hand is doing: it is finished or put back, and the next is not begun. */
static void abort_at_any_moment_leaves_nothing_out(void **state)
{
    (void)state;
    for (uint64_t at = 100; at < 3000; at += 100) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 2);
        p.run->options.soak_ms = 500;
        p.servers[0].sessions = 2;
        play_until(&p, at);
        play_request(&p, REQUEST_ABORT);
        play_restart(&p);
        play_to_end(&p, 2 * MINUTE);
        assert_int_equal(p.run->state, RUN_ABORTED);
        assert_int_equal(p.run->targets[1].state, TARGET_WAITING);
        assert_int_equal(p.servers[1].acts + p.servers[1].drains, 0);
        expect_all_back(&p);
        play_end(&p);
    }
}

static void set_counts_from_the_next_step_on(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    p.run->options.soak_ms = 30000;
    play_until(&p, 3000);
    struct rollout_options other = p.run->options;
    other.batch = 3;
    other.soak_ms = 0;
    play_set(&p, &other);
    play_restart(&p);
    play_to_end(&p, 20000); /* the soak that had begun is over at once, too */
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.run->options.batch, 3);
    expect_all_back(&p);
    play_end(&p);
}

/* What is unknown now may be borne from now on. */
static void bearing_the_unknown_ends_its_pause(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    p.run->options.batch = 2;
    play_until(&p, 900);
    p.servers[0].dead = p.servers[1].dead = true;
    play_until(&p, 3 * MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_UNKNOWN);
    struct rollout_options other = p.run->options;
    other.policies[TROUBLE_UNKNOWN].run.number = 2;
    other.batch = 3;
    play_set(&p, &other);
    assert_int_equal(p.run->pause_causes, 0);
    play_until(&p, 4 * MINUTE);
    assert_int_equal(p.run->targets[2].state, TARGET_DONE);
    play_end(&p);
}

/* drains-that-never-end: web sockets, long polls. */
static void drain_that_comes_to_its_limit_goes_on_and_tells_what_was_left(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.run->options.on_drain_limit = DRAIN_LIMIT_PROCEED;
    p.servers[0].sessions = 5000;
    play_until(&p, 31000);
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    assert_string_equal(p.run->targets[0].step,
                        "goes on after 30s of draining with 5000 sessions left");
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.run->targets[0].sessions_left, 5000);
    assert_int_equal(p.run->targets[1].sessions_left, 0);
    expect_all_back(&p);
    play_end(&p);
}

static void pause_begins_nothing_new_and_survives_a_restart(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    play_until(&p, 900);
    play_request(&p, REQUEST_PAUSE);
    play_restart(&p);
    play_until(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_DONE);
    assert_int_equal(p.run->targets[1].state, TARGET_WAITING);
    assert_int_equal(p.run->pause_causes, PAUSE_PERSON);
    play_request(&p, REQUEST_RESUME);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void drain_that_never_ends_fails_and_puts_back(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 5000;
    play_to_end(&p, 5 * MINUTE);
    expect_line(&p, "not drained within 30s: draining: 5000 sessions left");
    assert_int_equal(p.servers[0].acts, 0);
    expect_all_back(&p);
    play_end(&p);
}

static void drain_that_never_ends_proceeds_if_asked(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.run->options.on_drain_limit = DRAIN_LIMIT_PROCEED;
    p.servers[0].sessions = 5000;
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    play_end(&p);
}

static void server_set_ready_by_somebody_else_is_not_acted_upon(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 5000;
    play_until(&p, 1500);
    p.servers[0].admin = BALANCER_READY;
    play_to_end(&p, MINUTE);
    expect_line(&p, "was set ready by somebody else while it was drained");
    assert_int_equal(p.servers[0].acts, 0);
    play_end(&p);
}

static void drain_by_somebody_else_is_left_alone(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].admin = BALANCER_MAINT;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].admin, BALANCER_MAINT);
    assert_int_equal(p.servers[0].drains + p.servers[0].readies, 0);
    play_end(&p);
}

static void balancers_that_disagree_are_named_and_waited_for(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].other_differs = true;
    play_until(&p, 10000);
    assert_int_equal(p.servers[0].drains + p.servers[0].acts, 0);
    assert_string_equal(p.run->targets[0].step,
                        "balancers disagree about shop/web01: lb says ready, lb2 says drain");
    p.servers[0].other_differs = false;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    play_end(&p);
}

static void balancers_that_go_on_disagreeing_fail_the_server_untouched(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].other_differs = true;
    p.servers[0].admin = BALANCER_MAINT; /* whichever of the two it is */
    play_to_end(&p, 5 * MINUTE);
    expect_line(&p, "failed: no fresh evidence within 60s: balancers disagree about shop/web01: lb "
                    "says maint, lb2 says ready");
    assert_int_equal(p.servers[0].drains + p.servers[0].acts, 0);
    play_end(&p);
}

static void last_server_of_a_backend_is_never_taken(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1); /* no others */
    play_until(&p, MINUTE);
    assert_int_equal(p.servers[0].drains + p.servers[0].acts, 0);
    assert_string_equal(p.run->targets[0].step,
                        "blocked: no other server would serve backend shop");
    play_end(&p);
}

/* Stopping a pool everywhere empties its backend in the end: allowed, but never by accident. */
static void last_server_of_a_backend_is_stopped_with_no_drain_alone(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_STOP, 1);
    p.servers[0].others = 0;
    play_until(&p, 5000);
    assert_string_equal(p.run->targets[0].step,
                        "blocked: no other server would serve backend shop; "
                        "if it is to end everywhere: --no-drain");
    play_end(&p);
    play_begin(&p, ROLLOUT_STOP, 1);
    p.servers[0].others = 0;
    p.run->options.drain = false;
    play_to_end(&p, 60000);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void broken_balancer_fails_before_anything_is_touched(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.balancer_broken = true;
    play_to_end(&p, 5 * MINUTE);
    expect_line(&p, "failed: no fresh evidence within 60s: balancer: its socket is gone");
    assert_int_equal(p.servers[0].drains + p.servers[0].acts, 0);
    play_end(&p);
}

static void balancer_lost_while_out_is_tried_until_it_is_back(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    play_until(&p, 900);
    p.balancer_broken = true;
    play_until(&p, 10 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_RETURNING);
    assert_true(p.run->targets[0].holds);
    p.balancer_broken = false;
    play_to_end(&p, 11 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    expect_all_back(&p);
    play_end(&p);
}

static void store_that_cannot_write_begins_nothing_but_finishes(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    play_until(&p, 900); /* web01 is in the act */
    p.refuse_saves = true;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_DONE);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    assert_int_equal(p.servers[1].drains + p.servers[1].acts, 0);
    p.refuse_saves = false;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void what_could_not_be_saved_is_tried_again_at_once(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    p.servers[0].sessions = 4;
    play_until(&p, 500);
    assert_int_equal(p.run->targets[0].state, TARGET_DRAINING);
    p.refuse_saves = true; /* just when its sessions have run out */
    play_until(&p, 5000);
    assert_int_equal(p.run->targets[0].state, TARGET_DRAINING);
    p.refuse_saves = false;
    play_until(&p, 6000);
    assert_int_equal(p.servers[0].acts, 1);
    play_end(&p);
}

static void held_server_is_waited_for(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].blocked = p.servers[1].blocked = true;
    play_until(&p, MINUTE);
    assert_string_equal(p.run->targets[0].step, "blocked: held by run 9");
    p.servers[0].blocked = p.servers[1].blocked = false;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void silent_server_meets_the_chosen_policy(void **state)
{
    (void)state;
    const enum run_state expected[] = {[UNREACHABLE_FAIL] = RUN_FAILED,
                                       [UNREACHABLE_SKIP] = RUN_PARTIAL,
                                       [UNREACHABLE_WAIT] = RUN_DONE};
    for (int policy = UNREACHABLE_FAIL; policy <= UNREACHABLE_WAIT; policy++) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 2);
        p.run->options.unreachable = (enum on_unreachable)policy;
        p.run->options.policies[TROUBLE_UNREACHABLE].run.number = policy == UNREACHABLE_SKIP;
        p.servers[0].presence = PRESENCE_SILENT;
        play_until(&p, MINUTE);
        p.servers[0].presence = PRESENCE_FRESH;
        play_to_end(&p, 2 * MINUTE);
        assert_int_equal(p.run->state, expected[policy]);
        play_end(&p);
    }
}

static void nothing_begins_while_settling(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.settling = true;
    p.servers[0].presence = PRESENCE_NEVER_SEEN;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_WAITING);
    play_end(&p);
}

static void idle_and_stopped_pools_are_told_apart(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    rollout_policies(&p.run->options, ON_FAILURE_CONTINUE, 0);
    p.servers[0].workers = 0;
    p.servers[1].pool = POOL_STATE_STOPPED;
    p.servers[1].auto_start = false;
    p.servers[2].pool = POOL_STATE_STOPPED;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_NOTHING);
    assert_int_equal(p.run->targets[1].state, TARGET_SKIPPED);
    assert_int_equal(p.run->targets[2].state, TARGET_FAILED);
    assert_int_equal(p.run->targets[3].state, TARGET_DONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(p.servers[i].drains + p.servers[i].acts, 0);
    }
    play_end(&p);
}

static void stop_goes_dark_before_it_is_ready_again(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_STOP, 2);
    p.run->options.soak_ms = 5000;
    for (uint64_t ms = 100; ms < MINUTE && p.run->targets[0].state != TARGET_SOAKING; ms += 100) {
        play_until(&p, ms);
    }
    assert_string_equal(p.run->targets[0].step, "stopped, watched for a while");
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_false(p.servers[0].auto_start);
    expect_all_back(&p);
    play_end(&p);
}

static void start_needs_no_drain_and_no_budget(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_START, 2);
    p.servers[0].pool = p.servers[1].pool = POOL_STATE_STOPPED;
    p.servers[0].workers = p.servers[1].workers = 0;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].drains, 0);
    play_end(&p);
}

static void late_observation_passes_no_gate(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    play_until(&p, 2000);
    assert_int_equal(p.run->targets[0].state, TARGET_GATING);
    struct observation seen = {.detail = "",
                               .pool = {.name = "Shop", .state = POOL_STATE_STARTED},
                               .services_up = true,
                               .probed = true,
                               .probe_passed = true};
    struct rollout_view v = {.wall_ms = 1};
    struct rollout_change c;
    rollout_on_observation(p.run, 0, 1 /* the ticket of the first check */, &seen, &v, p.now_ms,
                           &c);
    assert_false(c.any);
    play_end(&p);
}

static void a_new_boot_begins_the_gate_anew(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    while (p.run->targets[0].passes == 0)
        play_until(&p, p.now_ms + 10);
    assert_int_equal(p.run->targets[0].state, TARGET_GATING);
    struct rollout_change c;
    rollout_on_new_boot(p.run, 0, p.now_ms, &c);
    assert_true(c.any);
    assert_int_equal(c.target.passes, 0);
    rollout_install(p.run, &c);
    while (p.run->targets[0].state != TARGET_RETURNING)
        play_until(&p, p.now_ms + 1);
    rollout_on_new_boot(p.run, 0, p.now_ms, &c); /* put back on what the former boot proved: no */
    assert_int_equal(c.target.state, TARGET_GATING);
    assert_int_equal(c.effects[0].kind, EFFECT_OBSERVE);
    rollout_install(p.run, &c);
    play_end(&p);
}

static void old_worker_that_is_still_there_passes_no_gate(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    play_until(&p, 900);
    p.servers[0].generation = 1; /* the act is "done", but the baseline lives */
    play_to_end(&p, MINUTE);
    expect_line(&p, "gate: a worker from before is still there");
    play_end(&p);
}

static void result_of_another_command_changes_nothing(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].others = 1;
    p.servers[0].act_ms = 5000;
    play_until(&p, 1000);
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    struct result result = {.id = {.fence = {.number = 1}, .seq = 99},
                            .outcome = OUTCOME_DONE,
                            .pool = "Shop",
                            .detail = ""};
    struct rollout_view v = {.wall_ms = 1};
    struct rollout_change c;
    rollout_on_result(p.run, 0, &result, &v, p.now_ms, &c);
    assert_false(c.any);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_server_of_a_backend_is_stopped_with_no_drain_alone),
        cmocka_unit_test(two_servers_one_after_the_other),
        cmocka_unit_test(batch_of_two_holds_two_never_three),
        cmocka_unit_test(successor_that_answers_500_stays_out_and_stops_the_run),
        cmocka_unit_test(gate_wants_its_passes_in_a_row),
        cmocka_unit_test(act_that_failed_on_a_serving_pool_is_put_back),
        cmocka_unit_test(continue_goes_on_after_a_failure_and_ends_partial),
        cmocka_unit_test(pause_on_failure_waits_for_a_person),
        cmocka_unit_test(agent_that_dies_in_the_act_is_unknown_not_failed),
        cmocka_unit_test(command_that_never_arrived_is_given_again_under_a_new_id),
        cmocka_unit_test(command_that_never_arrives_is_given_up_and_the_server_put_back),
        cmocka_unit_test(person_settles_what_stays_unknown),
        cmocka_unit_test(restart_between_any_two_turns_acts_once),
        cmocka_unit_test(restarted_in_a_drain_it_asks_the_agent_before_it_drains_again),
        cmocka_unit_test(abort_while_draining_puts_back_without_acting),
        cmocka_unit_test(abort_in_the_act_finishes_the_server_in_hand),
        cmocka_unit_test(abort_at_any_moment_leaves_nothing_out),
        cmocka_unit_test(set_counts_from_the_next_step_on),
        cmocka_unit_test(bearing_the_unknown_ends_its_pause),
        cmocka_unit_test(drain_that_comes_to_its_limit_goes_on_and_tells_what_was_left),
        cmocka_unit_test(pause_begins_nothing_new_and_survives_a_restart),
        cmocka_unit_test(drain_that_never_ends_fails_and_puts_back),
        cmocka_unit_test(drain_that_never_ends_proceeds_if_asked),
        cmocka_unit_test(server_set_ready_by_somebody_else_is_not_acted_upon),
        cmocka_unit_test(drain_by_somebody_else_is_left_alone),
        cmocka_unit_test(balancers_that_disagree_are_named_and_waited_for),
        cmocka_unit_test(balancers_that_go_on_disagreeing_fail_the_server_untouched),
        cmocka_unit_test(last_server_of_a_backend_is_never_taken),
        cmocka_unit_test(broken_balancer_fails_before_anything_is_touched),
        cmocka_unit_test(balancer_lost_while_out_is_tried_until_it_is_back),
        cmocka_unit_test(store_that_cannot_write_begins_nothing_but_finishes),
        cmocka_unit_test(what_could_not_be_saved_is_tried_again_at_once),
        cmocka_unit_test(held_server_is_waited_for),
        cmocka_unit_test(silent_server_meets_the_chosen_policy),
        cmocka_unit_test(nothing_begins_while_settling),
        cmocka_unit_test(idle_and_stopped_pools_are_told_apart),
        cmocka_unit_test(stop_goes_dark_before_it_is_ready_again),
        cmocka_unit_test(start_needs_no_drain_and_no_budget),
        cmocka_unit_test(restart_while_returning_asks_for_the_proof_again),
        cmocka_unit_test(late_observation_passes_no_gate),
        cmocka_unit_test(a_new_boot_begins_the_gate_anew),
        cmocka_unit_test(old_worker_that_is_still_there_passes_no_gate),
        cmocka_unit_test(result_of_another_command_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
