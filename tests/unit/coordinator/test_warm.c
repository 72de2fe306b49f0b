/* Settings that keep pools warm, shared configuration, and plans that agents rehearse. */
#include "coordinator/core/warm.h"
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void what_was_before_the_first_change_is_kept(void **state)
{
    (void)state;
    char out[200];
    assert_true(warm_merge("", "a=1;b=2", out, sizeof out));
    assert_string_equal(out, "a=1;b=2");
    assert_true(warm_merge("a=1;b=2", "b=3;c=4", out, sizeof out));
    assert_string_equal(out, "a=1;b=2;c=4");
    assert_true(warm_merge("ab=1", "a=2", out, sizeof out));
    assert_string_equal(out, "ab=1;a=2");
    char small[8];
    assert_false(warm_merge("a=1;b=2", "c=4", small, sizeof small));
    assert_string_equal(small, "a=1;b=2");
}

static uint64_t ask(struct farm *f, enum rollout_action action, const char *on)
{
    struct plan_request q = farm_request(f, action, on);
    q.options.shared = true;
    return farm_ask(f, &q);
}

static void warm_is_undone_over_a_restart(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    uint64_t id;
    farm_begin_balanced(&f, 2, 1);
    f.agents[0].former = "startMode=OnDemand";
    ask(&f, ROLLOUT_WARM, "all");
    farm_run_to_end(&f, 60000);
    assert_string_equal(f.agents[0].set, WARM_SETTINGS);
    assert_int_equal(f.acts_in_rotation, 0); /* IIS may recycle for it: drained like any act */
    assert_true(coordinator_has_former(f.brain, "web01", "Shop"));
    assert_false(coordinator_has_former(f.brain, "web02", "Shop")); /* it was warm already */
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 2000);
    assert_true(coordinator_has_former(f.brain, "web01", "Shop"));
    f.agents[0].former = NULL;
    ask(&f, ROLLOUT_UNWARM, "all"); /* web02 has nothing to undo: it is no target */
    farm_run_to_end(&f, 60000);
    assert_string_equal(f.agents[0].set, "startMode=OnDemand");
    assert_int_equal(f.agents[1].acts, 1);
    assert_false(coordinator_has_former(f.brain, "web01", "Shop"));
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 2000);
    struct plan_request q = farm_request(&f, ROLLOUT_UNWARM, "all");
    assert_int_equal(coordinator_start_run(f.brain, &q, f.now_ms, WALL(&f), &id, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "no settings of 'Shop' are kept"));
    farm_end(&f);
}

/* Made warm twice, since somebody had changed a setting meanwhile: undone is what was before both.
 */
static void warm_made_twice_is_undone_to_what_was_before_the_first(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 2, 1);
    f.agents[0].former = "startMode=OnDemand;preloadEnabled[Shop/]=false";
    ask(&f, ROLLOUT_WARM, "web01");
    farm_run_to_end(&f, 60000);
    f.agents[0].former = "startMode=Manual;doAppInitAfterRestart[Shop/]=false";
    ask(&f, ROLLOUT_WARM, "web01");
    farm_run_to_end(&f, 60000);
    f.agents[0].former = NULL;
    ask(&f, ROLLOUT_UNWARM, "web01");
    farm_run_to_end(&f, 60000);
    assert_string_equal(f.agents[0].set, "startMode=OnDemand;preloadEnabled[Shop/]=false;"
                                         "doAppInitAfterRestart[Shop/]=false");
    farm_end(&f);
}

/* Two servers read one file: never is it changed on both at the same time, whatever the batch. */
static void shared_configuration_is_changed_under_one_lock(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    farm_crash(&f);
    f.max_out = 3;
    farm_start(&f);
    for (size_t i = 0; i < 3; i++) {
        f.agents[i].shares_config = i < 2;
        f.agents[i].want_whole = true;
        f.agents[i].act_ms = 2000;
    }
    farm_run(&f, 2000);
    struct plan_request q = farm_request(&f, ROLLOUT_WARM, "all");
    q.options.batch = 3;
    uint64_t id = farm_ask(&f, &q);
    bool third_beside = false;
    for (int i = 0; i < 2000; i++) {
        farm_run(&f, 10);
        const struct rollout *r = coordinator_run_find(f.brain, id);
        if (!r)
            break;
        assert_false(r->targets[0].holds && r->targets[1].holds);
        third_beside = third_beside || (r->targets[0].holds && r->targets[2].holds);
    }
    assert_null(coordinator_run_find(f.brain, id));
    assert_true(third_beside); /* it has its own: nobody waits for it */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f.agents[i].acts, 1);
    farm_end(&f);
}

/* The second one reads what was set on the first: it is proved where it stands, and serves on. */
static void who_shares_what_was_set_is_proved_and_not_drained(void **state)
{
    (void)state;
    struct farm f;
    bool drained[3] = {false};
    farm_begin_balanced(&f, 3, 1);
    for (size_t i = 0; i < 3; i++) {
        f.agents[i].shares_config = i < 2;
        f.agents[i].want_whole = true;
    }
    farm_run(&f, 2000);
    struct plan_request q = farm_request(&f, ROLLOUT_WARM, "all");
    q.options.shared = true;
    uint64_t id = farm_ask(&f, &q);
    for (const struct rollout *r; (r = coordinator_run_find(f.brain, id)); farm_run(&f, 10)) {
        for (size_t i = 0; i < 3; i++)
            drained[i] = drained[i] || f.agents[i].admin == BALANCER_DRAIN;
        assert_true(f.now_ms < 120000);
    }
    assert_true(drained[0] && !drained[1] && drained[2]);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.agents[i].acts, 1); /* asked; a real one answers: nothing to do */
        assert_int_equal(f.agents[i].admin, BALANCER_READY);
    }
    farm_end(&f);
}

/* ---- rehearsals ---- */

static const struct rehearsed *rehearse(struct farm *f, enum rollout_action action, bool *complete)
{
    struct error err;
    uint64_t id;
    const struct rollout *plan;
    const struct rehearsed *answers = NULL;
    struct plan_request q = farm_request(f, action, "all");
    if (coordinator_rehearse(f->brain, &q, f->now_ms, WALL(f), &id, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    farm_run(f, 1000);
    assert_true(coordinator_rehearsal(f->brain, id, &plan, &answers, complete));
    return answers;
}

static void agents_say_themselves_what_they_would_do(void **state)
{
    (void)state;
    struct farm f;
    bool complete;
    farm_begin(&f, 3);
    f.agents[1].would = OUTCOME_REFUSED;
    f.agents[2].dead = true;
    farm_run(&f, 4000);
    const struct rehearsed *a = rehearse(&f, ROLLOUT_RECYCLE, &complete);
    assert_true(complete);
    assert_int_equal(a[0].would, OUTCOME_DONE);
    assert_string_equal(a[0].text, "would do as asked");
    assert_int_equal(a[1].would, OUTCOME_REFUSED);
    assert_int_equal(a[2].would, OUTCOME_NONE);
    assert_string_equal(a[2].text, "its agent cannot be asked now");
    assert_int_equal(f.agents[0].acts + f.agents[1].acts, 0);
    a = rehearse(&f, ROLLOUT_WARM, &complete);
    assert_string_equal(a[0].settings, "startMode=OnDemand");
    farm_end(&f);
}

static void agent_that_does_not_answer_is_told_as_that(void **state)
{
    (void)state;
    struct farm f;
    bool complete;
    farm_begin(&f, 2);
    f.agents[1].dead = true; /* nobody knows it yet */
    const struct rehearsed *a = rehearse(&f, ROLLOUT_RECYCLE, &complete);
    assert_false(complete);
    assert_true(a[0].answered);
    farm_run(&f, 25000);
    assert_true(a[1].answered);
    assert_string_equal(a[1].text, "its agent did not answer in time");
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_before_the_first_change_is_kept),
        cmocka_unit_test(warm_is_undone_over_a_restart),
        cmocka_unit_test(warm_made_twice_is_undone_to_what_was_before_the_first),
        cmocka_unit_test(shared_configuration_is_changed_under_one_lock),
        cmocka_unit_test(who_shares_what_was_set_is_proved_and_not_drained),
        cmocka_unit_test(agents_say_themselves_what_they_would_do),
        cmocka_unit_test(agent_that_does_not_answer_is_told_as_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
