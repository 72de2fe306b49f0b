/* The brain with a real store and the real wire, on virtual time. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void expect_each_once(const struct farm *f)
{
    for (size_t i = 0; i < f->count; i++) {
        assert_int_equal(f->agents[i].acts, 1);
    }
    assert_false(f->unsaved_send);
    for (size_t i = 0; i < f->count; i++) {
        assert_null(coordinator_holder(f->brain, f->agents[i].name, NULL));
    }
}

static void run_walks_the_farm_and_owns_nothing_at_its_end(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 4);
    uint64_t run = farm_recycle(&f, "all");
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    expect_each_once(&f);
    farm_expect_event(&f, "run.created: anna recycle pool Shop on 4 servers (all): leak");
    farm_expect_event(&f, "run.ended: 4 done");
    farm_end(&f);
}

static void canary_that_waits_survives_a_restart(void **state)
{
    (void)state;
    struct farm f;
    struct error err = {0};
    farm_begin(&f, 3);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
    q.options.canary = 1;
    q.options.pause_after_canary = true;
    q.own_server = "web01";
    uint64_t run = farm_ask(&f, &q);
    farm_run(&f, 20000);
    farm_expect_event(&f, "run.wave: wave 1 of 3 (canary) ended: 1 done");
    assert_int_equal(f.agents[1].acts, 1);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 30000);
    assert_int_equal(coordinator_run_find(f.brain, run)->pause_causes, PAUSE_CANARY);
    assert_int_equal(f.agents[0].acts + f.agents[2].acts, 0);
    assert_int_equal(
        coordinator_request(f.brain, run, REQUEST_RESUME, "anna", "looks well", f.now_ms, 1, &err),
        ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    expect_each_once(&f);
    farm_end(&f);
}

static void what_was_set_survives_a_restart(void **state)
{
    (void)state;
    struct farm f;
    struct error err = {0};
    farm_begin(&f, 3);
    uint64_t run = farm_recycle(&f, "all");
    struct rollout_options other = coordinator_run_find(f.brain, run)->options;
    other.soak_ms = 4321;
    assert_int_equal(coordinator_set(f.brain, run, &other, "soak_ms 0", "soak_ms 4321", "anna",
                                     "slowly", f.now_ms, 1, &err),
                     ERR_NONE);
    farm_crash(&f);
    farm_start(&f);
    assert_int_equal(coordinator_run_find(f.brain, run)->options.soak_ms, 4321);
    farm_run_to_end(&f, 120000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

static void killed_at_any_moment_it_goes_on_and_acts_once(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 2400; at += 20) {
        struct farm f;
        farm_begin(&f, 2);
        uint64_t run = farm_recycle(&f, "all");
        farm_run(&f, at);
        farm_crash(&f);
        farm_run(&f, 200);
        farm_start(&f);
        farm_run_to_end(&f, 120000);
        if (farm_run_state(&f, run) != RUN_DONE) {
            fail_msg("killed after %d ms:\n%s", (int)at, farm_events(&f));
        }
        expect_each_once(&f);
        farm_end(&f);
    }
}

static void lost_command_is_handed_over_again(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "web01");
    f.agents[0].lose_commands = true;
    farm_run(&f, 1000);
    assert_int_equal(f.agents[0].acts, 0);
    f.agents[0].lose_commands = false;
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

/* It never arrived, and a person has said what became of it: it must not arrive any more. Given
 * again, it is another one, and the only one. (That it is done, its gate does not believe.) */
static void command_that_a_person_settled_does_not_leave_late(void **state)
{
    (void)state;
    const enum outcome said[] = {OUTCOME_FAILED, OUTCOME_DONE, OUTCOME_UNHEARD};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct farm f;
        struct error err;
        farm_begin(&f, 2);
        f.agents[0].lose_commands = true;
        uint64_t run = farm_recycle(&f, "web01");
        while (coordinator_run_find(f.brain, run)->targets[0].state != TARGET_UNKNOWN) {
            farm_run(&f, 10);
        }
        assert_true(f.acts_sent > 0);
        assert_int_equal(coordinator_resolve(f.brain, run, "web01", said[i], "anna", "I looked",
                                             f.now_ms, WALL(&f), &err),
                         ERR_NONE);
        f.agents[0].lose_commands = false;
        farm_run(&f, 60000);
        assert_int_equal(f.agents[0].acts, said[i] == OUTCOME_UNHEARD ? 1 : 0);
        assert_int_equal(farm_run_state(&f, run),
                         said[i] == OUTCOME_UNHEARD ? RUN_DONE : RUN_FAILED);
        farm_end(&f);
    }
}

static void dead_agent_leaves_its_server_unknown_until_it_is_back(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "all");
    while (f.agents[0].acts == 0) {
        farm_run(&f, 10);
    }
    f.agents[0].dead = true;
    farm_run(&f, 60000);
    const struct rollout *r = coordinator_run_find(f.brain, run);
    assert_int_equal(r->targets[0].state, TARGET_UNKNOWN);
    assert_string_equal(coordinator_holder(f.brain, "web01", "Shop"), "run 1");
    assert_int_equal(f.agents[1].acts, 0);
    f.agents[0].dead = f.agents[0].listening = false;
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    expect_each_once(&f);
    farm_end(&f);
}

static void second_run_over_the_same_server_is_refused_and_told_by_whom(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    farm_recycle(&f, "all");
    struct error err;
    assert_int_equal(farm_try_recycle(&f, "web02", &err), ERR_EXISTS);
    assert_non_null(strstr(err.text, "run 1 holds web02 (pool Shop, by anna: leak)"));
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_try_recycle(&f, "web02", &err), ERR_NONE);
    farm_run_to_end(&f, 60000);
    farm_end(&f);
}

static void silent_server_spends_the_budget_of_all(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    f.agents[2].dead = true;
    farm_run(&f, 4000);
    uint64_t run = farm_recycle(&f, "web01");
    farm_run(&f, 10000);
    const struct rollout *r = coordinator_run_find(f.brain, run);
    assert_non_null(strstr(r->targets[0].step, "blocked: budget 1/1 used by web03 (silent"));
    struct error err;
    assert_int_equal(coordinator_declare_out(f.brain, "web03", 3600000, "anna", "dead board",
                                             f.now_ms, WALL(&f), &err),
                     ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

static void failed_gate_leaves_an_incident_that_a_later_run_inherits(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    f.agents[0].probe_status = 500;
    uint64_t run = farm_recycle(&f, "all");
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_FAILED);
    assert_int_equal(coordinator_incident_count(f.brain), 1);
    assert_string_equal(coordinator_holder(f.brain, "web01", "Shop"), "incident 1");
    farm_crash(&f); /* the owner survives */
    farm_start(&f);
    farm_run(&f, 2000);
    assert_string_equal(coordinator_holder(f.brain, "web01", "Shop"), "incident 1");
    f.agents[0].probe_status = 200;
    run = farm_recycle(&f, "web01");
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_null(coordinator_holder(f.brain, "web01", NULL));
    farm_end(&f);
}

static void higher_fence_at_an_agent_freezes_this_coordinator(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "all");
    f.agents[1].fence = (struct fence){.number = 99};
    farm_run(&f, 30000);
    assert_non_null(coordinator_frozen(f.brain));
    assert_true(coordinator_run_find(f.brain, run)->pause_causes & PAUSE_FENCE);
    assert_int_equal(f.agents[1].acts, 0);
    struct error err;
    assert_int_equal(farm_try_recycle(&f, "all", &err), ERR_UNAVAILABLE);
    farm_end(&f);
}

static void stranger_with_a_high_fence_freezes_nobody(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    f.agents[1].incarnation = 77; /* cloned from another farm */
    f.agents[1].fence = (struct fence){.number = 99};
    farm_run(&f, 3000);
    assert_int_equal(fleet_find(coordinator_fleet(f.brain), "web02")->presence,
                     PRESENCE_QUARANTINED);
    assert_null(coordinator_frozen(f.brain));
    farm_end(&f);
}

static void takeover_goes_on_above_every_fence_and_acts_once(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    struct error err;
    assert_int_equal(coordinator_takeover(f.brain, "anna", "test", f.now_ms, WALL(&f), &err),
                     ERR_STATE);
    uint64_t run = farm_recycle(&f, "all");
    while (f.agents[0].acts == 0) {
        farm_run(&f, 10);
    }
    f.agents[0].fence = (struct fence){.number = 99}; /* another coordinator spoke to it */
    f.agents[2].fence = (struct fence){.number = 120};
    farm_run(&f, 30000);
    assert_non_null(coordinator_frozen(f.brain));
    assert_int_equal(coordinator_takeover(f.brain, "anna", " ", f.now_ms, WALL(&f), &err),
                     ERR_INVALID);
    assert_int_equal(
        coordinator_takeover(f.brain, "anna", "the other is gone", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    assert_null(coordinator_frozen(f.brain));
    assert_int_equal(coordinator_fence(f.brain).number, 121);
    farm_run_to_end(&f, 120000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    expect_each_once(&f);
    farm_expect_event(&f, "audit: anna: takeover, fence 121: the other is gone");
    farm_crash(&f);
    farm_start(&f); /* the next start is above it */
    assert_int_equal(f.fence.number, 122);
    farm_end(&f);
}

/* Each start takes a higher number: restarts alone must not climb over what agents know. */
static void freeze_outlives_restarts_until_a_person_takes_over(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    farm_recycle(&f, "all");
    f.agents[0].fence = (struct fence){.number = f.fence.number + 1};
    farm_run(&f, 30000);
    assert_non_null(coordinator_frozen(f.brain));
    for (int starts = 0; starts < 3; starts++) {
        farm_crash(&f);
        farm_start(&f);
        assert_non_null(coordinator_frozen(f.brain));
    }
    int acts = f.agents[0].acts + f.agents[1].acts;
    farm_run(&f, 60000);
    assert_non_null(coordinator_frozen(f.brain));
    assert_int_equal(f.agents[0].acts + f.agents[1].acts, acts);
    struct error err;
    assert_int_equal(coordinator_takeover(f.brain, "anna", "it is gone", f.now_ms, WALL(&f), &err),
                     ERR_NONE);
    farm_crash(&f);
    farm_start(&f);
    assert_null(coordinator_frozen(f.brain));
    farm_run_to_end(&f, 120000);
    assert_null(coordinator_frozen(f.brain));
    farm_end(&f);
}

static void absurd_fence_of_an_agent_spoils_no_store(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    f.agents[0].fence = (struct fence){.number = UINT64_MAX};
    farm_run(&f, 30000);
    assert_non_null(coordinator_frozen(f.brain));
    assert_int_equal(coordinator_takeover(f.brain, "anna", "try", f.now_ms, WALL(&f), &err),
                     ERR_NONE);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 30000);
    assert_non_null(coordinator_frozen(f.brain)); /* that agent is still not below */
    farm_crash(&f);
    farm_start(&f);
    farm_end(&f);
}

static void reinstalled_agent_is_not_commanded_before_a_person_says_so(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    f.agents[0].incarnation = 77;
    f.agents[0].start_no = 1;
    f.agents[0].seq = 0;
    f.agents[0].want_whole = true;
    farm_run(&f, 2000);
    assert_int_equal(fleet_find(coordinator_fleet(f.brain), "web01")->presence,
                     PRESENCE_QUARANTINED);
    struct error err;
    assert_int_equal(
        coordinator_release(f.brain, "web01", "anna", "new disk", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    f.agents[0].want_whole = true;
    farm_run(&f, 2000);
    assert_int_equal(fleet_find(coordinator_fleet(f.brain), "web01")->presence, PRESENCE_FRESH);
    farm_recycle(&f, "web01");
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

static void full_disk_begins_nothing_finishes_what_is_begun_and_loses_nothing(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    uint64_t run = farm_recycle(&f, "all");
    while (f.agents[0].acts == 0) {
        farm_run(&f, 10);
    }
    files_disk_is_full(true);
    farm_run(&f, 20000);
    bool trouble = coordinator_store_trouble(f.brain) != NULL;
    const struct rollout *r = coordinator_run_find(f.brain, run);
    enum target_state first = r->targets[0].state;
    uint32_t causes = r->pause_causes;
    int others = f.agents[1].acts + f.agents[2].acts;
    struct error err;
    enum error_code refused = farm_try_recycle(&f, "web03", &err);
    files_disk_is_full(false);
    assert_true(trouble);
    assert_int_equal(first, TARGET_DONE);
    assert_true(causes & PAUSE_STORE);
    assert_int_equal(others, 0);
    assert_int_equal(refused, ERR_UNAVAILABLE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    expect_each_once(&f);
    farm_crash(&f); /* what was saved late is there after all */
    farm_start(&f);
    assert_int_equal(coordinator_run_count(f.brain), 0);
    farm_end(&f);
}

static void full_disk_met_by_the_act_itself_lets_nothing_leave(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    farm_recycle(&f, "all");
    files_disk_is_full(true); /* nobody has noticed yet: the first save of a step will */
    farm_run(&f, 5000);
    files_disk_is_full(false);
    assert_int_equal(f.acts_sent, 0);
    farm_run_to_end(&f, 60000);
    expect_each_once(&f);
    farm_end(&f);
}

static void pause_by_a_person_survives_a_kill(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "all");
    struct error err;
    assert_int_equal(
        coordinator_request(f.brain, run, REQUEST_PAUSE, "anna", "lunch", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 20000);
    assert_int_equal(coordinator_run_find(f.brain, run)->pause_causes, PAUSE_PERSON);
    assert_int_equal(f.agents[0].acts + f.agents[1].acts, 0);
    assert_int_equal(coordinator_request(f.brain, run, REQUEST_RESUME, "bert", "lunch is over",
                                         f.now_ms, WALL(&f), &err),
                     ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

static void killed_while_the_disk_is_full_it_still_goes_on(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "all");
    while (f.agents[0].acts == 0) {
        farm_run(&f, 10);
    }
    files_disk_is_full(true);
    farm_run(&f, 5000);
    farm_crash(&f);
    files_disk_is_full(false);
    farm_start(&f);
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    expect_each_once(&f);
    farm_end(&f);
}

static void run_waits_for_agents_that_dial_again_late(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    uint64_t run = farm_recycle(&f, "all");
    f.agents[1].dead = true; /* its next try is a minute away */
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 40000);
    const struct rollout *r = coordinator_run_find(f.brain, run);
    assert_non_null(r);
    assert_int_equal(r->targets[1].state, TARGET_WAITING);
    f.agents[1].dead = false;
    f.agents[1].want_whole = true;
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    expect_each_once(&f);
    farm_end(&f);
}

static void run_waits_for_the_first_report_not_the_first_word(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    farm_crash(&f);
    farm_start(&f);
    f.agents[1].report_at_ms = f.now_ms + 2500; /* it listens before it reports */
    farm_run(&f, 1500);
    uint64_t run = farm_recycle(&f, "all");
    farm_run_to_end(&f, 60000);
    assert_int_equal(farm_run_state(&f, run), RUN_DONE);
    farm_end(&f);
}

static void agent_that_never_dials_again_is_unreachable_in_the_end(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = farm_recycle(&f, "all");
    f.agents[1].dead = true;
    farm_crash(&f);
    farm_start(&f);
    farm_run_to_end(&f, 200000);
    assert_int_equal(farm_run_state(&f, run), RUN_FAILED);
    farm_expect_event(&f, "unreachable: never seen");
    farm_end(&f);
}

static void suspended_machine_trusts_nothing_it_knew(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    f.now_ms += 60000;
    coordinator_on_time(f.brain, f.now_ms, WALL(&f));
    assert_int_equal(fleet_find(coordinator_fleet(f.brain), "web01")->presence, PRESENCE_SILENT);
    farm_run(&f, 2000);
    assert_int_equal(fleet_find(coordinator_fleet(f.brain), "web01")->presence, PRESENCE_FRESH);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_walks_the_farm_and_owns_nothing_at_its_end),
        cmocka_unit_test(canary_that_waits_survives_a_restart),
        cmocka_unit_test(what_was_set_survives_a_restart),
        cmocka_unit_test(killed_at_any_moment_it_goes_on_and_acts_once),
        cmocka_unit_test(lost_command_is_handed_over_again),
        cmocka_unit_test(command_that_a_person_settled_does_not_leave_late),
        cmocka_unit_test(dead_agent_leaves_its_server_unknown_until_it_is_back),
        cmocka_unit_test(second_run_over_the_same_server_is_refused_and_told_by_whom),
        cmocka_unit_test(silent_server_spends_the_budget_of_all),
        cmocka_unit_test(failed_gate_leaves_an_incident_that_a_later_run_inherits),
        cmocka_unit_test(higher_fence_at_an_agent_freezes_this_coordinator),
        cmocka_unit_test(stranger_with_a_high_fence_freezes_nobody),
        cmocka_unit_test(takeover_goes_on_above_every_fence_and_acts_once),
        cmocka_unit_test(freeze_outlives_restarts_until_a_person_takes_over),
        cmocka_unit_test(absurd_fence_of_an_agent_spoils_no_store),
        cmocka_unit_test(reinstalled_agent_is_not_commanded_before_a_person_says_so),
        cmocka_unit_test(full_disk_begins_nothing_finishes_what_is_begun_and_loses_nothing),
        cmocka_unit_test(full_disk_met_by_the_act_itself_lets_nothing_leave),
        cmocka_unit_test(pause_by_a_person_survives_a_kill),
        cmocka_unit_test(killed_while_the_disk_is_full_it_still_goes_on),
        cmocka_unit_test(run_waits_for_agents_that_dial_again_late),
        cmocka_unit_test(run_waits_for_the_first_report_not_the_first_word),
        cmocka_unit_test(agent_that_never_dials_again_is_unreachable_in_the_end),
        cmocka_unit_test(suspended_machine_trusts_nothing_it_knew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
