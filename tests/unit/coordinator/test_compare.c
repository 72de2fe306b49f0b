/* Gates that compare with before: latency, queue, memory; and what a run keeps of what they saw. */
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MINUTE 60000

static void expect_failed(struct play *p, const char *part)
{
    play_to_end(p, 2 * MINUTE);
    assert_int_equal(p->run->targets[0].state, TARGET_FAILED);
    assert_int_equal(p->run->targets[0].trouble, TROUBLE_GATE);
    assert_int_equal(p->servers[0].readies, 0);
    if (!strstr(p->run->targets[0].detail, part)) {
        fail_msg("no '%s' in: %s", part, p->run->targets[0].detail);
    }
    play_end(p);
}

static void expect_done(struct play *p)
{
    play_to_end(p, 2 * MINUTE);
    assert_int_equal(p->run->state, RUN_DONE);
    play_end(p);
}

static void begin(struct play *p)
{
    play_begin(p, ROLLOUT_RECYCLE, 1);
    p->servers[0].others = 1;
    p->servers[0].probe_ms = 100;
    p->servers[0].memory_bytes = UINT64_C(1000) << 20;
}

static void slower_than_before_does_not_pass(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.run->options.gate_latency = (struct bound){200, true, true};
    play_until(&p, 1200);
    p.servers[0].probe_ms = 201;
    expect_failed(&p, "the probe took 201ms, at most 200ms are allowed (before: 100ms)");
    begin(&p);
    p.run->options.gate_latency = (struct bound){200, true, true};
    play_until(&p, 1200);
    p.servers[0].probe_ms = 200;
    expect_done(&p);
    begin(&p);
    p.run->options.gate_latency = (struct bound){150, false, true};
    p.servers[0].probe_ms = 151;
    expect_failed(&p, "at most 150ms");
}

/* Twice of 2 ms is chance; and what a sick pool did not answer before is no measure. */
static void little_or_nothing_before_is_no_measure(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.run->options.gate_latency = (struct bound){200, true, true};
    p.servers[0].probe_ms = 2;
    play_until(&p, 1200);
    p.servers[0].probe_ms = 19;
    expect_done(&p);
    begin(&p);
    p.run->options.gate_latency = (struct bound){200, true, true};
    p.servers[0].probe_status = 500;
    play_until(&p, 1200);
    p.servers[0].probe_ms = 900;
    expect_done(&p);
}

static void queue_above_its_limit_or_unknown_does_not_pass(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.run->options.gate_queue = (struct bound){.value = 0, .set = true};
    p.servers[0].queued = 3;
    expect_failed(&p, "3 requests are queued, at most 0 are allowed");
    begin(&p);
    p.run->options.gate_queue = (struct bound){.value = 5, .set = true};
    p.servers[0].queued = -1;
    expect_failed(&p, "the length of the queue is not known");
    begin(&p);
    p.run->options.gate_queue = (struct bound){.value = 5, .set = true};
    p.servers[0].queued = 5;
    expect_done(&p);
}

static void more_memory_than_before_does_not_pass(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.run->options.gate_memory = (struct bound){150, true, true};
    play_until(&p, 1200);
    p.servers[0].memory_bytes = UINT64_C(1501) << 20;
    expect_failed(&p, "its workers use 1501 MiB, at most 1500 are allowed (before: 1000)");
    begin(&p);
    p.run->options.gate_memory = (struct bound){UINT64_C(2) << 30, false, true};
    p.servers[0].memory_bytes = UINT64_C(2) << 30;
    expect_done(&p);
}

/* An act that failed is only put back: there is nothing to compare. */
static void failed_act_is_put_back_without_comparison(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.run->options.gate_queue = (struct bound){.value = 0, .set = true};
    p.servers[0].queued = 9;
    p.servers[0].act_outcome = OUTCOME_FAILED;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    assert_int_equal(p.run->targets[0].trouble, TROUBLE_FAILED);
    play_end(&p);
}

static void soak_compares_as_well(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.run->options.gate_queue = (struct bound){.value = 5, .set = true};
    p.run->options.soak_ms = 5000;
    while (p.run->targets[0].state != TARGET_SOAKING) {
        play_until(&p, p.now_ms + 100);
    }
    p.servers[0].queued = 50;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_FAILED);
    assert_non_null(strstr(p.run->targets[0].detail, "after the soak: 50 requests are queued"));
    play_end(&p);
}

static void gate_keeps_what_it_saw_look_by_look(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.servers[0].probe_after = 503;
    while (p.run->targets[0].state != TARGET_GATING) {
        play_until(&p, p.now_ms + 100);
    }
    play_until(&p, p.now_ms + 700);
    p.servers[0].probe_status = 200;
    while (p.run->targets[0].state == TARGET_GATING) {
        play_until(&p, p.now_ms + 100);
    }
    assert_string_equal(p.run->targets[0].evidence,
                        "failed: the probe answered 503; failed: the probe answered 503; passed: "
                        "200 in 100ms; passed: 200 in 100ms");
    assert_int_equal(p.run->targets[0].before.probe_ms, 0); /* nobody asked for a probe then */
    assert_int_equal(p.run->targets[0].after.probe_ms, 100);
    play_end(&p);
}

static void long_evidence_keeps_its_newest_looks(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.run->options.gate_deadline_ms = 60000;
    p.servers[0].probe_after = 503;
    play_to_end(&p, 3 * MINUTE);
    const char *evidence = p.run->targets[0].evidence;
    assert_true(strlen(evidence) < ROLLOUT_STEP_MAX);
    assert_true(strlen(evidence) > ROLLOUT_STEP_MAX / 2);
    assert_memory_equal(evidence, "...failed", 9);
    play_end(&p);
}

/* What was rejected before the act is not held against it; what is since, is. */
static void visitors_turned_away_since_before_pass_no_gate(void **state)
{
    (void)state;
    const struct {
        uint64_t before, after;
        bool unknown;
        enum run_state end;
    } cases[] = {
        {40, 40, false, RUN_DONE},  {40, 43, false, RUN_DONE}, {40, 44, false, RUN_FAILED},
        {40, 2, false, RUN_DONE}, /* the queue is another one: it counts from 0 */
        {40, 5, false, RUN_FAILED}, {0, 0, true, RUN_FAILED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 1);
        p.servers[0].others = 2;
        p.servers[0].rejected = cases[i].before;
        p.servers[0].no_figures = cases[i].unknown;
        p.run->options.gate_errors = (struct bound){.value = 3, .set = true};
        for (int n = 0; n < 200 && p.servers[0].acts == 0; n++)
            play_until(&p, p.now_ms + 100);
        p.servers[0].rejected = cases[i].after;
        play_to_end(&p, 120000);
        assert_int_equal(p.run->state, cases[i].end);
        play_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slower_than_before_does_not_pass),
        cmocka_unit_test(little_or_nothing_before_is_no_measure),
        cmocka_unit_test(queue_above_its_limit_or_unknown_does_not_pass),
        cmocka_unit_test(more_memory_than_before_does_not_pass),
        cmocka_unit_test(failed_act_is_put_back_without_comparison),
        cmocka_unit_test(soak_compares_as_well),
        cmocka_unit_test(gate_keeps_what_it_saw_look_by_look),
        cmocka_unit_test(long_evidence_keeps_its_newest_looks),
        cmocka_unit_test(visitors_turned_away_since_before_pass_no_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
