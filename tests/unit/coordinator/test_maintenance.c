/* Servers that nobody is to touch: the pure run on a stage, and the brain with its store. */
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

static void server_in_maintenance_is_skipped_and_said_so(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    p.servers[1].maintained = true;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_PARTIAL);
    assert_int_equal(p.run->targets[1].state, TARGET_SKIPPED);
    assert_string_equal(p.run->targets[1].detail, "in maintenance: patching");
    assert_int_equal(p.servers[1].acts + p.servers[1].drains, 0);
    assert_int_equal(p.servers[2].acts, 1);
    play_end(&p);
}

/* Whatever moment it comes at: what has acted is finished, what has not is put back untouched. */
static void maintenance_at_any_moment_leaves_nobody_out(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 6000; at += 50) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 2);
        p.servers[0].sessions = 3;
        play_until(&p, at);
        int before = p.servers[0].acts;
        p.servers[0].maintained = true;
        play_to_end(&p, MINUTE);
        const struct rollout_target *t = &p.run->targets[0];
        assert_int_equal(p.servers[0].admin, BALANCER_READY);
        if (p.servers[0].acts > before && before == 0 && t->state == TARGET_SKIPPED) {
            fail_msg("acted and skipped at %llu:\n%s", (unsigned long long)at, play_transcript(&p));
        }
        assert_true(t->state == (p.servers[0].acts ? TARGET_DONE : TARGET_SKIPPED));
        assert_int_equal(p.servers[1].acts, 1);
        play_end(&p);
    }
}

/* A command that certainly never arrived is not given again there. */
static void command_that_got_lost_is_not_given_again_in_maintenance(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].behind = false; /* nothing to drain: the command itself is asked again */
    p.servers[0].deaf = true;
    play_until(&p, 2000);
    assert_int_equal(p.run->targets[0].state, TARGET_ACTING);
    p.servers[0].maintained = true;
    p.servers[0].deaf = false;
    play_to_end(&p, 10 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_SKIPPED);
    assert_int_equal(p.servers[0].acts, 0);
    play_end(&p);
}

/* ---- in the brain ---- */

static enum error_code maintain(struct farm *f, uint64_t for_ms, struct error *err)
{
    return coordinator_maintenance(f->brain, "web01", for_ms, "anna", "patching", f->now_ms,
                                   WALL(f), err);
}

static int64_t until_of(const struct farm *f)
{
    return fleet_find(coordinator_fleet(f->brain), "web01")->maintenance_until_ms;
}

static void maintenance_holds_over_restarts_and_ends_loudly(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    assert_int_equal(maintain(&f, 60000, &err), ERR_NONE);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 2000);
    assert_true(until_of(&f) > 0);
    farm_recycle(&f, "all");
    farm_run_to_end(&f, 20000);
    assert_int_equal(f.agents[0].acts, 0);
    assert_int_equal(f.agents[1].acts, 1);
    farm_run(&f, 60000);
    farm_expect_event(&f, "server.maintenance-ended web01: its time ran out");
    assert_int_equal(until_of(&f), 0);
    farm_recycle(&f, "web01");
    farm_run_to_end(&f, 20000);
    assert_int_equal(f.agents[0].acts, 1);
    farm_crash(&f); /* the store knows, too */
    farm_start(&f);
    assert_int_equal(until_of(&f), 0);
    farm_end(&f);
}

static void words_that_are_wrong_are_refused(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 1);
    assert_int_equal(maintain(&f, 0, &err), ERR_STATE);
    assert_string_equal(err.text, "web01 is not in maintenance");
    assert_int_equal(maintain(&f, 500, &err), ERR_INVALID);
    assert_int_equal(maintain(&f, 400ull * 86400000, &err), ERR_INVALID);
    assert_int_equal(maintain(&f, 5000, &err), ERR_NONE);
    assert_int_equal(maintain(&f, 0, &err), ERR_NONE);
    assert_int_equal(until_of(&f), 0);
    assert_int_equal(
        coordinator_maintenance(f.brain, "web01", 5000, "anna", " ", f.now_ms, WALL(&f), &err),
        ERR_INVALID);
    assert_int_equal(
        coordinator_maintenance(f.brain, "web99", 5000, "anna", "x", f.now_ms, WALL(&f), &err),
        ERR_NOT_FOUND);
    farm_end(&f);
}

/* It is not a word about whether it serves: a server that is down still blocks. */
static void maintenance_says_nothing_about_the_budget(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    assert_int_equal(maintain(&f, 60000, &err), ERR_NONE);
    f.agents[0].dead = true;
    farm_run(&f, 4000);
    uint64_t run = farm_recycle(&f, "web02");
    farm_run(&f, 3000);
    const struct rollout *r = coordinator_run_find(f.brain, run);
    assert_non_null(r);
    assert_non_null(strstr(r->targets[0].step, "blocked: budget 1/1 used by web01"));
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_in_maintenance_is_skipped_and_said_so),
        cmocka_unit_test(maintenance_at_any_moment_leaves_nobody_out),
        cmocka_unit_test(command_that_got_lost_is_not_given_again_in_maintenance),
        cmocka_unit_test(maintenance_holds_over_restarts_and_ends_loudly),
        cmocka_unit_test(words_that_are_wrong_are_refused),
        cmocka_unit_test(maintenance_says_nothing_about_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
