/* Runs on a farm whose places in rotation are the agents' keep-alive files. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define CHECK_MS 4000

static void begin(struct farm *f, size_t count)
{
    farm_begin_balanced(f, count, 1);
    farm_crash(f); /* begun anew with the files */
    f->check_ms = CHECK_MS;
    farm_start(f);
    farm_run(f, 10000);
    f->balancer_asked = 0;
}

static void expect_all_back(const struct farm *f)
{
    for (size_t i = 0; i < f->count; i++) {
        assert_int_equal(f->agents[i].admin, BALANCER_READY);
        assert_null(coordinator_holder(f->brain, f->agents[i].name, NULL));
    }
    assert_int_equal(f->acts_in_rotation, 0);
}

/* Until an act is at work; the time that its server's file was gone by then. */
static uint64_t run_to_act(struct farm *f, size_t i)
{
    uint64_t limit = f->now_ms + 60000;
    while (f->agents[i].act_outcome != OUTCOME_RUNNING) {
        assert_true(f->now_ms < limit);
        farm_run(f, 100);
    }
    return f->now_ms - f->agents[i].admin_since_ms;
}

static void drain_counts_once_the_balancers_check_has_seen_it(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 3);
    uint64_t run = farm_recycle(&f, "all");
    assert_true(run_to_act(&f, 0) >= CHECK_MS);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    farm_run_to_end(&f, 200000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.agents[i].acts, 1);
    }
    expect_all_back(&f);
    assert_int_equal(f.balancer_asked, 0); /* files are the agents' alone */
    farm_end(&f);
}

/* Back is back when the balancer has checked: the next server waits for that. */
static void next_server_waits_until_the_last_one_serves_again(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 2);
    farm_recycle(&f, "all");
    run_to_act(&f, 1);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    assert_true(f.agents[1].admin_since_ms >= f.agents[0].admin_since_ms + CHECK_MS);
    farm_run_to_end(&f, 200000);
    expect_all_back(&f);
    farm_end(&f);
}

static void coordinator_killed_at_any_time_strands_no_file(void **state)
{
    (void)state;
    for (uint64_t at = 100; at < 16000; at += 500) {
        struct farm f;
        begin(&f, 2);
        uint64_t run = farm_recycle(&f, "web01");
        farm_run(&f, at);
        farm_crash(&f);
        farm_run(&f, 1000);
        farm_start(&f);
        farm_run_to_end(&f, 300000);
        assert_int_equal(farm_run_state(&f, run), RUN_DONE);
        assert_int_equal(f.agents[0].acts, 1);
        expect_all_back(&f);
        farm_end(&f);
    }
}

static void file_that_a_person_took_away_is_left_alone(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 3);
    f.agents[0].admin = BALANCER_DRAIN;
    f.agents[0].admin_since_ms = f.now_ms;
    farm_run(&f, 8000);
    uint64_t run = farm_recycle(&f, "web01");
    farm_run_to_end(&f, 200000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    assert_int_equal(f.agents[0].acts, 1);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    farm_end(&f);
}

static void file_that_a_person_brings_back_stops_the_act(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 3);
    farm_recycle(&f, "web01");
    uint64_t limit = f.now_ms + 60000;
    while (f.agents[0].admin == BALANCER_READY && f.now_ms < limit) {
        farm_run(&f, 100);
    }
    farm_run(&f, 1500); /* told, and the check's time is not over */
    f.agents[0].admin = BALANCER_READY;
    f.agents[0].admin_since_ms = f.now_ms;
    farm_run_to_end(&f, 200000);
    farm_expect_event(&f, "web/web01 was set ready by somebody else while it was drained");
    assert_int_equal(f.agents[0].acts, 0);
    expect_all_back(&f);
    farm_end(&f);
}

static void last_one_that_serves_is_never_taken(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 2);
    f.agents[1].admin = BALANCER_DRAIN;
    f.agents[1].admin_since_ms = f.now_ms;
    f.max_out = 2;
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 10000);
    farm_recycle(&f, "web01");
    farm_run(&f, 30000);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    assert_int_equal(f.agents[0].acts, 0);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drain_counts_once_the_balancers_check_has_seen_it),
        cmocka_unit_test(next_server_waits_until_the_last_one_serves_again),
        cmocka_unit_test(coordinator_killed_at_any_time_strands_no_file),
        cmocka_unit_test(file_that_a_person_took_away_is_left_alone),
        cmocka_unit_test(file_that_a_person_brings_back_stops_the_act),
        cmocka_unit_test(last_one_that_serves_is_never_taken),
    };
    return cmocka_run_group_tests_name("rotation", tests, NULL, NULL);
}
