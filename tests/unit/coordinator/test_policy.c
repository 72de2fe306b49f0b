/* What a run bears: each kind of trouble is counted apart, in the run and in its wave. */
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MINUTE 60000

static void bear(struct play *p, enum trouble kind, uint32_t count)
{
    p->run->options.policies[kind].run = (struct share){.number = count};
}

static size_t done(const struct play *p)
{
    struct rollout_counts n;
    rollout_count(p->run, &n);
    return n.done;
}

static void expect_why(const struct play *p, const char *part)
{
    if (!strstr(p->run->why, part)) {
        fail_msg("no '%s' in: %s\n%s", part, p->run->why, play_transcript(p));
    }
}

/* dies-at-the-third-server: what one server did ends a run only where it was told so. */
static void run_bears_two_failures_and_stops_at_the_third(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 6);
    bear(&p, TROUBLE_FAILED, 2);
    for (size_t i = 0; i < 6; i += 2) {
        p.servers[i].act_outcome = OUTCOME_FAILED;
    }
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(done(&p), 2);
    assert_int_equal(p.run->targets[5].state, TARGET_WAITING);
    expect_why(&p, "stopped by the 3rd failure: web05");
    expect_why(&p, "2 done, 0 had nothing to do, 3 failed, 0 skipped, 1 not begun");
    play_end(&p);
}

static void gates_and_failures_are_counted_apart(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 5);
    bear(&p, TROUBLE_FAILED, 1);
    bear(&p, TROUBLE_GATE, 1);
    p.servers[0].act_outcome = OUTCOME_FAILED;
    p.servers[1].probe_after = 500;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->targets[0].trouble, TROUBLE_FAILED);
    assert_int_equal(p.run->targets[1].trouble, TROUBLE_GATE);
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_PARTIAL); /* one of each was borne */
    assert_int_equal(done(&p), 3);
    play_end(&p);
    play_begin(&p, ROLLOUT_RECYCLE, 5);
    bear(&p, TROUBLE_FAILED, 9);
    p.servers[1].probe_after = 500;
    play_to_end(&p, 5 * MINUTE);
    expect_why(&p, "stopped by the 1st failed gate: web02: gate: the probe answered 500");
    assert_int_equal(done(&p), 1);
    play_end(&p);
}

static void unreachable_servers_have_a_limit_of_their_own(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    bear(&p, TROUBLE_UNREACHABLE, 1);
    p.servers[0].presence = p.servers[2].presence = PRESENCE_SILENT;
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(done(&p), 1);
    expect_why(&p, "stopped by the 2nd unreachable server: web03: unreachable: silent");
    play_end(&p);
}

static void skipped_ones_count_as_unreachable(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    p.run->options.unreachable = UNREACHABLE_SKIP;
    bear(&p, TROUBLE_UNREACHABLE, 1);
    p.servers[0].presence = p.servers[1].presence = PRESENCE_SILENT;
    play_to_end(&p, 5 * MINUTE);
    expect_why(&p, "stopped by the 2nd unreachable server");
    assert_int_equal(p.run->targets[0].state, TARGET_SKIPPED);
    assert_int_equal(done(&p), 0);
    play_end(&p);
}

/* batch-hangs-when-a-minion-dies: one unknown server holds its place, the others go on if told. */
static void unknown_that_is_borne_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    p.run->options.batch = 2;
    bear(&p, TROUBLE_UNKNOWN, 1);
    play_until(&p, 900);
    p.servers[0].dead = true;
    p.servers[0].presence = PRESENCE_SILENT;
    play_until(&p, 10 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    assert_true(p.run->targets[0].holds);
    assert_int_equal(p.run->pause_causes, 0);
    assert_int_equal(done(&p), 3);
    assert_false(run_state_ended(p.run->state)); /* nothing is guessed */
    p.servers[0].dead = false;
    p.servers[0].presence = PRESENCE_FRESH;
    play_to_end(&p, 12 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void second_unknown_pauses_and_goes_when_it_is_settled(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    p.run->options.batch = 2;
    bear(&p, TROUBLE_UNKNOWN, 1);
    play_until(&p, 900);
    p.servers[0].dead = p.servers[1].dead = true;
    play_until(&p, 5 * MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_UNKNOWN);
    p.servers[1].dead = false;
    play_until(&p, 6 * MINUTE);
    assert_int_equal(p.run->pause_causes, 0);
    assert_true(done(&p) >= 2);
    play_end(&p);
}

static void unknown_may_stop_a_run_that_then_waits_for_the_journal(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    p.run->options.policies[TROUBLE_UNKNOWN].then = ON_FAILURE_STOP;
    play_until(&p, 900);
    p.servers[0].dead = true;
    play_until(&p, 10 * MINUTE);
    assert_int_equal(p.run->state, RUN_STOPPING);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    p.servers[0].dead = false;
    play_to_end(&p, 12 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(p.servers[1].acts, 0);
    play_end(&p);
}

static void wave_has_a_limit_that_begins_anew_with_the_next(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 8);
    for (size_t i = 0; i < 8; i++) {
        p.run->targets[i].wave = (uint32_t)i / 4;
    }
    struct policy *failed = &p.run->options.policies[TROUBLE_FAILED];
    *failed = (struct policy){
        .run = {100, true}, .wave_limited = true, .wave = {.number = 25, .percent = true}};
    p.servers[0].act_outcome = p.servers[5].act_outcome = OUTCOME_FAILED; /* one in each: borne */
    p.servers[6].act_outcome = OUTCOME_FAILED;                            /* the second */
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->targets[6].state, TARGET_FAILED);
    assert_int_equal(p.run->targets[7].state, TARGET_WAITING);
    assert_int_equal(p.run->state, RUN_FAILED);
    play_end(&p);
}

static void resume_forgives_what_was_counted(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    rollout_policies(&p.run->options, ON_FAILURE_PAUSE, 1);
    for (size_t i = 0; i < 3; i++) {
        p.servers[i].act_outcome = OUTCOME_FAILED;
    }
    play_until(&p, MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_FAILURES);
    expect_why(&p, "paused by the 2nd failure: web02");
    play_request(&p, REQUEST_RESUME);
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->targets[3].state, TARGET_DONE);
    play_end(&p);
}

static void assert_rule(const struct rollout_options *o, const char *expected)
{
    char text[ROLLOUT_STEP_MAX];
    assert_string_equal(rollout_rule(o, text, sizeof text), expected);
}

static void rule_is_told_in_words(void **state)
{
    (void)state;
    struct rollout_options o = {0};
    rollout_policies(&o, ON_FAILURE_STOP, 0);
    assert_rule(&o, "stops after the 1st failure or failed gate or unreachable server; pauses "
                    "after the 1st unknown outcome");
    rollout_policies(&o, ON_FAILURE_STOP, 2);
    o.policies[TROUBLE_GATE].then = ON_FAILURE_PAUSE;
    o.policies[TROUBLE_GATE].run = (struct share){10, true};
    o.policies[TROUBLE_UNREACHABLE].then = ON_FAILURE_CONTINUE;
    o.policies[TROUBLE_UNKNOWN].run.number = 10;
    assert_rule(&o, "stops after the 3rd failure; pauses when more than 10% are failed gates; goes "
                    "on after every unreachable server, within the budget; pauses after the 11th "
                    "unknown outcome");
    rollout_policies(&o, ON_FAILURE_CONTINUE, 0);
    o.policies[TROUBLE_FAILED] = (struct policy){
        .then = ON_FAILURE_STOP, .run = {3, false}, .wave_limited = true, .wave = {1, false}};
    assert_rule(&o, "stops after the 4th failure or after the 2nd failure of a wave; goes on after "
                    "every failed gate or unreachable server, within the budget; pauses after the "
                    "1st unknown outcome");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_bears_two_failures_and_stops_at_the_third),
        cmocka_unit_test(gates_and_failures_are_counted_apart),
        cmocka_unit_test(unreachable_servers_have_a_limit_of_their_own),
        cmocka_unit_test(skipped_ones_count_as_unreachable),
        cmocka_unit_test(unknown_that_is_borne_does_not_hold_up_the_others),
        cmocka_unit_test(second_unknown_pauses_and_goes_when_it_is_settled),
        cmocka_unit_test(unknown_may_stop_a_run_that_then_waits_for_the_journal),
        cmocka_unit_test(wave_has_a_limit_that_begins_anew_with_the_next),
        cmocka_unit_test(resume_forgives_what_was_counted),
        cmocka_unit_test(rule_is_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
