/* Pools and services that are to stay stopped: the brain with its store, on virtual time. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void ask(struct farm *f, enum rollout_action action, const char *on, bool keep)
{
    struct plan_request q = farm_request(f, action, on);
    q.options.keep_autostart = keep;
    q.options.gate_deadline_ms = 20000;
    farm_ask(f, &q);
    farm_run_to_end(f, 120000);
}

static void begin_stopped(struct farm *f)
{
    farm_begin(f, 2);
    ask(f, ROLLOUT_STOP, "web01", false);
    farm_run(f, 12000);
    assert_int_equal(coordinator_kept_count(f->brain), 1);
}

static void change(struct farm *f, bool stopped, bool manual)
{
    f->agents[0].shop_stopped = stopped;
    f->agents[0].shop_manual = manual;
    f->agents[0].want_whole = true;
    farm_run(f, 1000);
}

static void expect_told(const struct farm *f, const char *part, bool there)
{
    if ((strstr(farm_events(f), part) != NULL) != there) {
        fail_msg("'%s' was %stold:\n%s", part, there ? "not " : "", farm_events(f));
    }
}

static void pool_that_comes_back_raises_an_alarm(void **state)
{
    (void)state;
    struct farm f;
    begin_stopped(&f);
    change(&f, false, false);
    expect_told(&f,
                "pool.came-back: it runs again, though run 1 stopped it to stay stopped (anna: "
                "leak)",
                true);
    assert_true(coordinator_kept_at(f.brain, 0)->back_wall_ms > 0);
    farm_crash(&f); /* it stands over restarts, and is told once */
    text_reset(&f.events);
    farm_start(&f);
    farm_run(&f, 5000);
    assert_true(coordinator_kept_at(f.brain, 0)->back_wall_ms > 0);
    expect_told(&f, "pool.came-back", false);
    change(&f, true, true);
    expect_told(&f, "pool.stopped-again", true);
    assert_int_equal(coordinator_kept_at(f.brain, 0)->back_wall_ms, 0);
    farm_end(&f);
}

static void autostart_alone_is_an_alarm_too(void **state)
{
    (void)state;
    struct farm f;
    begin_stopped(&f);
    change(&f, true, false);
    expect_told(&f, "pool.came-back: its autoStart is on again", true);
    farm_end(&f);
}

static void restart_of_was_and_reboot_are_checked(void **state)
{
    (void)state;
    struct farm f;
    begin_stopped(&f);
    change(&f, true, true);
    expect_told(&f, "still stopped", false);
    f.agents[0].was_pid = 6;
    change(&f, true, true);
    expect_told(&f, "pool.still-stopped: still stopped after a restart of WAS", true);
    assert_true(coordinator_kept_at(f.brain, 0)->checked_wall_ms > 0);
    f.agents[0].boot = 77;
    change(&f, true, true);
    expect_told(&f, "pool.still-stopped: still stopped after a reboot", true);
    f.agents[0].boot = 78;
    change(&f, false, false); /* the reboot brought it back */
    expect_told(&f, "it runs again, after a reboot", true);
    farm_end(&f);
}

static void start_ends_the_wish(void **state)
{
    (void)state;
    struct farm f;
    begin_stopped(&f);
    ask(&f, ROLLOUT_START, "web01", false);
    farm_run(&f, 12000);
    assert_int_equal(coordinator_kept_count(f.brain), 0);
    expect_told(&f, "pool.came-back", false);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 3000);
    assert_int_equal(coordinator_kept_count(f.brain), 0);
    farm_end(&f);
}

/* Somebody started it by hand and means it: a run that finds it started ends the wish as well. */
static void start_that_has_nothing_to_do_ends_the_wish(void **state)
{
    (void)state;
    struct farm f;
    begin_stopped(&f);
    change(&f, false, false);
    ask(&f, ROLLOUT_START, "web01", false);
    assert_int_equal(coordinator_kept_count(f.brain), 0);
    farm_end(&f);
}

static void stop_that_keeps_autostart_wishes_nothing(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    ask(&f, ROLLOUT_STOP, "web01", true);
    assert_int_equal(coordinator_kept_count(f.brain), 0);
    farm_end(&f);
}

/* ---- the web services of a server ---- */

static void ask_services(struct farm *f, enum rollout_action action, bool enable)
{
    struct plan_request q = farm_request(f, action, "web01");
    q.pool = "";
    q.options.enable = enable;
    q.options.gate_deadline_ms = 20000;
    farm_ask(f, &q);
    farm_run_to_end(f, 120000);
}

static void begin_down(struct farm *f)
{
    farm_begin(f, 2);
    ask_services(f, ROLLOUT_SERVICE_STOP, false);
    farm_run(f, 12000);
    assert_int_equal(coordinator_kept_count(f->brain), 1);
}

static void hand_on_services(struct farm *f, bool down, bool disabled)
{
    f->agents[0].down = down;
    f->agents[0].disabled = disabled;
    f->agents[0].want_whole = true;
    farm_run(f, 1000);
}

static void services_that_a_person_stopped_say_who_and_why(void **state)
{
    (void)state;
    struct farm f;
    begin_down(&f);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 5000);
    const struct kept_pool *kept = coordinator_kept_at(f.brain, 0);
    assert_string_equal(kept->server, "web01");
    assert_string_equal(kept->pool, "");
    assert_string_equal(kept->actor, "anna");
    assert_string_equal(kept->reason, "leak");
    assert_int_equal(kept->run, 1);
    assert_false(kept->found_down);
    assert_true(kept->since_wall_ms > 0);
    f.agents[0].boot = 77;
    hand_on_services(&f, true, true);
    expect_told(&f, "services.still-stopped: still stopped after a reboot", true);
    farm_end(&f);
}

/* A person who says so of what was down already is named as well; who says it again is not: it was
 * not he who took them down. */
static void services_that_were_stopped_already_have_a_name_too(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    hand_on_services(&f, true, true); /* by whom nobody knows */
    assert_int_equal(coordinator_kept_count(f.brain), 0);
    ask_services(&f, ROLLOUT_SERVICE_STOP, false);
    farm_run(&f, 12000);
    assert_int_equal(f.agents[0].act_outcome, OUTCOME_NOTHING);
    assert_int_equal(coordinator_kept_count(f.brain), 1);
    assert_true(coordinator_kept_at(f.brain, 0)->found_down);
    assert_int_equal(coordinator_kept_at(f.brain, 0)->run, 1);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 5000);
    assert_string_equal(coordinator_kept_at(f.brain, 0)->actor, "anna");
    assert_true(coordinator_kept_at(f.brain, 0)->found_down);
    ask_services(&f, ROLLOUT_SERVICE_STOP, false);
    assert_int_equal(coordinator_kept_count(f.brain), 1);
    assert_int_equal(coordinator_kept_at(f.brain, 0)->run, 1);
    ask_services(&f, ROLLOUT_SERVICE_START, false);
    assert_int_equal(coordinator_kept_count(f.brain), 0);
    farm_end(&f);
}

static void services_that_come_back_raise_an_alarm(void **state)
{
    (void)state;
    struct farm f;
    begin_down(&f);
    hand_on_services(&f, true, false);
    expect_told(&f,
                "services.came-back: WAS is enabled again: the next restart starts the web "
                "services, though run 1 took them down to stay down (anna: leak)",
                true);
    hand_on_services(&f, true, true);
    expect_told(&f, "services.stopped-again", true);
    hand_on_services(&f, false, false);
    expect_told(&f, "services.came-back: its web services run again", true);
    assert_true(coordinator_kept_at(f.brain, 0)->back_wall_ms > 0);
    farm_end(&f);
}

static void start_of_services_ends_the_wish(void **state)
{
    (void)state;
    const enum rollout_action actions[] = {ROLLOUT_SERVICE_START, ROLLOUT_SERVICE_RECOVER};
    for (size_t i = 0; i < 2; i++) {
        struct farm f;
        begin_down(&f);
        f.agents[0].disabled = false; /* as the invented agent does not enable by itself */
        ask_services(&f, actions[i], true);
        assert_int_equal(coordinator_kept_count(f.brain), 0);
        farm_run(&f, 12000);
        expect_told(&f, "services.came-back", false);
        farm_crash(&f);
        farm_start(&f);
        farm_run(&f, 3000);
        assert_int_equal(coordinator_kept_count(f.brain), 0);
        farm_end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_that_comes_back_raises_an_alarm),
        cmocka_unit_test(autostart_alone_is_an_alarm_too),
        cmocka_unit_test(restart_of_was_and_reboot_are_checked),
        cmocka_unit_test(start_ends_the_wish),
        cmocka_unit_test(start_that_has_nothing_to_do_ends_the_wish),
        cmocka_unit_test(stop_that_keeps_autostart_wishes_nothing),
        cmocka_unit_test(services_that_a_person_stopped_say_who_and_why),
        cmocka_unit_test(services_that_were_stopped_already_have_a_name_too),
        cmocka_unit_test(services_that_come_back_raise_an_alarm),
        cmocka_unit_test(start_of_services_ends_the_wish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
