/* A run that waits for a second person: who may, who may not, until when; over restarts. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define HOUR_MS UINT64_C(3600000)

static uint64_t ask(struct farm *f, const char *approvers, uint64_t within_ms)
{
    struct plan_request q = farm_request(f, ROLLOUT_RECYCLE, "all");
    q.approve_by = approvers;
    q.approve_within_ms = within_ms;
    return farm_ask(f, &q);
}

static enum error_code approve(struct farm *f, uint64_t run, const char *actor)
{
    struct error err = {0};
    return coordinator_approve(f->brain, run, actor, "looked at it", f->now_ms, WALL(f), &err);
}

static struct rollout *load(struct farm *f, uint64_t run)
{
    struct rollout *r;
    struct error err;
    if (store_load_run(f->store, run, &r, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    return r;
}

static int acts(const struct farm *f)
{
    int count = 0;
    for (size_t i = 0; i < f->count; i++) {
        count += f->agents[i].acts;
    }
    return count;
}

static void nothing_begins_until_somebody_else_approves(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = ask(&f, "bert, clara", 0);
    farm_run(&f, 30000);
    assert_int_equal(acts(&f), 0);
    farm_expect_event(&f, "run.approval: waits for the approval of bert, clara "
                          "(not anna's own), until ");
    assert_int_equal(approve(&f, run, "anna"), ERR_DENIED);
    assert_int_equal(approve(&f, run, "dora"), ERR_DENIED);
    farm_run(&f, 5000);
    assert_int_equal(acts(&f), 0);
    assert_int_equal(approve(&f, run, "clara"), ERR_NONE);
    farm_run_to_end(&f, 60000);
    assert_int_equal(acts(&f), 2);
    assert_int_equal(approve(&f, run, "clara"), ERR_STATE); /* ended */
    farm_expect_event(&f, "clara: run.approve");
    struct rollout *r = load(&f, run);
    assert_int_equal(r->state, RUN_DONE);
    assert_string_equal(r->options.approve_by, "bert, clara");
    rollout_free(r);
    farm_end(&f);
}

static void its_own_starter_never_may_not_even_as_anyone(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = ask(&f, "anyone", 0);
    assert_int_equal(approve(&f, run, "anna"), ERR_DENIED);
    assert_int_equal(approve(&f, run, "zoe"), ERR_NONE);
    assert_int_equal(approve(&f, run, "zoe"), ERR_STATE); /* once */
    farm_run_to_end(&f, 60000);
    farm_end(&f);
}

static void resume_is_no_approval(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    uint64_t run = ask(&f, "bert", 0);
    assert_int_equal(
        coordinator_request(f.brain, run, REQUEST_PAUSE, "anna", "wait", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    assert_int_equal(approve(&f, run, "bert"), ERR_NONE);
    farm_run(&f, 5000);
    assert_int_equal(acts(&f), 0); /* each cause is removed by its own remedy */
    coordinator_request(f.brain, run, REQUEST_RESUME, "anna", "go", f.now_ms, WALL(&f), &err);
    farm_run_to_end(&f, 60000);
    assert_int_equal(acts(&f), 2);
    run = ask(&f, "bert", 0);
    coordinator_request(f.brain, run, REQUEST_RESUME, "anna", "go", f.now_ms, WALL(&f), &err);
    farm_run(&f, 5000);
    assert_int_equal(acts(&f), 2);
    farm_end(&f);
}

static void it_waits_over_a_restart(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = ask(&f, "bert", 0);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 20000);
    assert_int_equal(acts(&f), 0);
    assert_int_equal(approve(&f, run, "anna"), ERR_DENIED);
    assert_int_equal(approve(&f, run, "bert"), ERR_NONE);
    farm_crash(&f); /* its word was durable before anything began */
    farm_start(&f);
    farm_run_to_end(&f, 300000);
    assert_int_equal(acts(&f), 2);
    farm_end(&f);
}

static void unapproved_it_ends_with_nothing_done(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    uint64_t run = ask(&f, "bert", 60000);
    farm_run(&f, 30000);
    farm_crash(&f);
    f.now_ms += HOUR_MS; /* it expires while nobody runs, too */
    farm_start(&f);
    farm_run(&f, 10000);
    assert_int_equal(approve(&f, run, "bert"), ERR_STATE);
    assert_int_equal(coordinator_run_count(f.brain), 0);
    struct rollout *r = load(&f, run);
    assert_int_equal(r->state, RUN_ABORTED);
    assert_non_null(strstr(r->why, "nobody approved it in time (bert)"));
    assert_int_equal(acts(&f), 0);
    rollout_free(r);
    farm_end(&f);
}

static bool in_group(void *ctx, const char *user, const char *group)
{
    (void)ctx;
    return strcmp(group, "ops") == 0 && user[0] == 'o';
}

static void groups_are_asked_of_the_system(void **state)
{
    (void)state;
    struct rollout *r = rollout_new(1);
    struct error err = {0};
    strcpy(r->actor, "otto");
    assert_int_equal(rollout_ask_approval(r, "@ops", HOUR_MS, 0, &err), ERR_NONE);
    assert_int_equal(rollout_may_approve(r, "olga", in_group, NULL, 1, &err), ERR_NONE);
    assert_int_equal(rollout_may_approve(r, "otto", in_group, NULL, 1, &err), ERR_DENIED);
    assert_int_equal(rollout_may_approve(r, "anna", in_group, NULL, 1, &err), ERR_DENIED);
    assert_int_equal(rollout_may_approve(r, "olga", NULL, NULL, 1, &err), ERR_DENIED);
    assert_int_equal(rollout_may_approve(r, "olga", in_group, NULL, HOUR_MS, &err), ERR_STATE);
    rollout_free(r);
}

static void lists_that_name_nobody_else_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"anna", ",",    " ",         "be rt;x",
                                      "@",    "a\tb", "anna,anna", "b@ops"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rollout *r = rollout_new(1);
        struct error err = {0};
        strcpy(r->actor, "anna");
        if (rollout_ask_approval(r, bad[i], HOUR_MS, 0, &err) != ERR_INVALID) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_int_equal(r->pause_causes, 0);
        rollout_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_begins_until_somebody_else_approves),
        cmocka_unit_test(its_own_starter_never_may_not_even_as_anyone),
        cmocka_unit_test(resume_is_no_approval),
        cmocka_unit_test(it_waits_over_a_restart),
        cmocka_unit_test(unapproved_it_ends_with_nothing_done),
        cmocka_unit_test(groups_are_asked_of_the_system),
        cmocka_unit_test(lists_that_name_nobody_else_are_refused),
    };
    return cmocka_run_group_tests_name("approval", tests, NULL, NULL);
}
