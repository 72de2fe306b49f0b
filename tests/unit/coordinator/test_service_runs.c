/* test_service_runs.c - runs on the services of servers: who is taken, drained, left alone, proved.
 */
#include "coordinator/core/fleet.h"
#include "coordinator/core/plan.h"
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE 60000

static void go_down(struct play *p, size_t i)
{
    p->servers[i].services_down = true;
    p->servers[i].up = false;
    p->servers[i].pool = POOL_STATE_UNKNOWN;
    p->servers[i].workers = 0;
}

static void down_servers_are_recovered_without_a_drain(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 3);
    for (size_t i = 0; i < 3; i++)
        go_down(&p, i);
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(p.run->targets[i].state, TARGET_DONE);
        assert_int_equal(p.servers[i].acts, 1);
        assert_int_equal(p.servers[i].drains, 0);
        assert_int_equal(p.servers[i].readies, 0); /* nothing was ours: a drain of others stays */
    }
    play_end(&p);
}

static void healthy_servers_are_left_alone(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 2);
    go_down(&p, 1);
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_NOTHING);
    assert_int_equal(p.servers[0].acts, 0);
    assert_int_equal(p.run->targets[1].state, TARGET_DONE);
    play_end(&p);
}

/* The budget is spent: the one that needs something waits, the one that needs nothing does not. */
static void healthy_server_costs_nothing_while_the_budget_is_spent(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 3);
    go_down(&p, 0);
    for (size_t i = 0; i < 3; i++)
        p.servers[i].blocked = true;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_WAITING);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(p.run->targets[i].state, TARGET_NOTHING);
        assert_string_equal(p.run->targets[i].detail, "healthy: left alone");
        assert_int_equal(p.servers[i].drains, 0);
    }
    p.servers[0].blocked = false;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void silent_sites_are_trouble_as_well(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 2);
    p.servers[0].probe_status = 0; /* the services run, nobody answers: drained like any other */
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    assert_int_equal(p.servers[0].drains, 1);
    assert_false(p.servers[0].act_while_serving);
    play_end(&p);
}

/* Its probe ends by its own limit of 5 s, and there was a look before it. */
static void site_that_hangs_is_waited_for_and_recovered(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 2);
    p.servers[0].probe_status = 0;
    p.servers[0].answers_ms = 6500;
    while (p.servers[0].acts == 0) {
        assert_true(p.now_ms < 30000);
        play_until(&p, p.now_ms + 100);
    }
    p.servers[0].answers_ms = 0; /* it was recovered */
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    assert_int_equal(p.run->targets[0].state, TARGET_DONE);
    play_end(&p);
}

static void all_servers_takes_healthy_ones_drained(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 2);
    p.run->options.all_servers = true;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(p.servers[i].acts, 1);
        assert_int_equal(p.servers[i].drains, 1);
        assert_false(p.servers[i].act_while_serving);
        assert_int_equal(p.servers[i].admin, BALANCER_READY);
    }
    play_end(&p);
}

static void recovery_that_fails_stays_out(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 2);
    go_down(&p, 0);
    go_down(&p, 1);
    p.servers[0].act_outcome = OUTCOME_FAILED;
    p.servers[0].act_cause = CAUSE_SHARED_HOST;
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(p.run->targets[0].state, TARGET_FAILED);
    assert_int_equal(p.run->targets[0].cause, CAUSE_SHARED_HOST);
    assert_int_equal(p.servers[1].acts, 0); /* stops at the first failure */
    play_end(&p);
}

/* One that is kept down on purpose stands first, since it is down: it is passed by, and the others
 * are recovered all the same. */
static void what_is_down_on_purpose_stops_no_recovery_of_others(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RECOVER, 2);
    go_down(&p, 0);
    go_down(&p, 1);
    p.servers[0].act_outcome = OUTCOME_REFUSED;
    p.servers[0].act_cause = CAUSE_ON_PURPOSE;
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_SKIPPED);
    assert_int_equal(p.run->targets[1].state, TARGET_DONE);
    assert_int_equal(p.run->state, RUN_PARTIAL);
    play_end(&p);
}

static void restart_is_drained_and_refuses_what_is_down(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_RESTART, 2);
    go_down(&p, 1);
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->targets[1].state, TARGET_FAILED);
    assert_int_equal(p.servers[1].acts, 0);
    assert_int_equal(p.run->targets[0].state, TARGET_DONE);
    assert_int_equal(p.servers[0].drains, 1);
    assert_false(p.servers[0].act_while_serving);
    play_end(&p);
}

static void stop_is_proved_by_services_that_are_down(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_STOP, 2);
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_true(p.servers[0].services_down);
    assert_int_equal(p.servers[0].drains, 1);
    play_end(&p);
}

static void start_needs_no_drain(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_SERVICE_START, 2);
    go_down(&p, 1);
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_NOTHING);
    assert_int_equal(p.run->targets[1].state, TARGET_DONE);
    assert_int_equal(p.servers[1].drains, 0);
    play_end(&p);
}

static void restart_of_the_coordinator_at_any_moment_recovers_once(void **state)
{
    (void)state;
    for (uint64_t at = 100; at < 8000; at += 300) {
        struct play p;
        play_begin(&p, ROLLOUT_SERVICE_RECOVER, 2);
        go_down(&p, 0);
        go_down(&p, 1);
        play_until(&p, at);
        play_restart(&p);
        play_to_end(&p, 5 * MINUTE);
        assert_int_equal(p.run->state, RUN_DONE);
        assert_int_equal(p.servers[0].acts, 1);
        assert_int_equal(p.servers[1].acts, 1);
        play_end(&p);
    }
}

/* ---- plans ---- */

static void free_message(struct agent_message *message)
{
    free(message);
}

static struct fleet *farm_of(size_t count, const char *down)
{
    const struct fleet_spec spec = {.silent_after_ms = 60000, .free_message = free_message};
    struct fleet *f = fleet_new(&spec);
    for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "web%02zu", i + 1);
        struct fleet_server *s = fleet_add(f, name);
        static struct service up[] = {{.name = "WAS", .state = SVC_RUNNING},
                                      {.name = "W3SVC", .state = SVC_RUNNING}};
        static struct service off[] = {{.name = "WAS", .state = SVC_STOPPED},
                                       {.name = "W3SVC", .state = SVC_STOPPED}};
        bool is_down = strstr(down, name) != NULL;
        s->presence = PRESENCE_FRESH;
        s->whole = calloc(1, sizeof *s->whole);
        s->whole->report.state = (struct state){
            .whole = true, .services = is_down ? off : up, .service_count = 2, .trouble = ""};
        if (is_down) { /* as the fleet reads it from a report that it is told */
            text_copy(s->services_down, sizeof s->services_down, "WAS is stopped");
        }
    }
    return f;
}

static struct plan_request request_of(enum rollout_action action, const char *pool)
{
    return (struct plan_request){.action = action,
                                 .pool = pool,
                                 .selector = "all",
                                 .actor = "ann",
                                 .reason = "test",
                                 .options = {.batch = 1,
                                             .limit_ms = 1000,
                                             .drain_limit_ms = 1000,
                                             .gate_passes = 1,
                                             .gate_interval_ms = 100,
                                             .gate_deadline_ms = 1000}};
}

static void down_servers_come_first_and_side_by_side_after_a_canary(void **state)
{
    (void)state;
    struct fleet *f = farm_of(4, "web02 web04");
    struct plan_request q = request_of(ROLLOUT_SERVICE_RECOVER, "");
    struct rollout *run;
    struct error err;
    q.options.max_unavailable = 3;
    assert_int_equal(plan_make(&q, f, 0, &run, &err), ERR_NONE);
    static const char *const order[] = {"web02", "web04", "web01", "web03"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(run->targets[i].server, order[i]);
        assert_int_equal(run->targets[i].wave, i == 0 ? 0 : 1);
    }
    assert_int_equal(run->options.batch, 3);
    assert_int_equal(run->options.canary, 1);
    assert_true(run->options.limit_ms >= 600000);
    rollout_free(run);
    q.options.max_unavailable = 0; /* one at a time by default */
    assert_int_equal(plan_make(&q, f, 0, &run, &err), ERR_NONE);
    assert_int_equal(run->options.batch, 1);
    assert_int_equal(run->options.canary, 0);
    rollout_free(run);
    q.options.batch = 3; /* the same by a batch alone */
    assert_int_equal(plan_make(&q, f, 0, &run, &err), ERR_NONE);
    assert_int_equal(run->options.canary, 1);
    assert_int_equal(run->targets[0].wave, 0);
    assert_int_equal(run->targets[1].wave, 1);
    rollout_free(run);
    q.waves = "2,2"; /* who says it himself */
    assert_int_equal(plan_make(&q, f, 0, &run, &err), ERR_NONE);
    assert_int_equal(run->options.canary, 0);
    rollout_free(run);
    fleet_free(f);
}

static void words_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct fleet *f = farm_of(2, "");
    struct plan_request q = request_of(ROLLOUT_SERVICE_RESTART, "Shop");
    struct rollout *run;
    struct error err;
    assert_int_equal(plan_make(&q, f, 0, &run, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "without a pool"));
    q = request_of(ROLLOUT_RECYCLE, "");
    assert_int_equal(plan_make(&q, f, 0, &run, &err), ERR_INVALID);
    q = request_of(ROLLOUT_WORKER_KILL, "Shop");
    assert_int_equal(plan_make(&q, f, 0, &run, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "worker_pid"));
    fleet_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(down_servers_are_recovered_without_a_drain),
        cmocka_unit_test(healthy_servers_are_left_alone),
        cmocka_unit_test(healthy_server_costs_nothing_while_the_budget_is_spent),
        cmocka_unit_test(silent_sites_are_trouble_as_well),
        cmocka_unit_test(site_that_hangs_is_waited_for_and_recovered),
        cmocka_unit_test(all_servers_takes_healthy_ones_drained),
        cmocka_unit_test(recovery_that_fails_stays_out),
        cmocka_unit_test(what_is_down_on_purpose_stops_no_recovery_of_others),
        cmocka_unit_test(restart_is_drained_and_refuses_what_is_down),
        cmocka_unit_test(stop_is_proved_by_services_that_are_down),
        cmocka_unit_test(start_needs_no_drain),
        cmocka_unit_test(restart_of_the_coordinator_at_any_moment_recovers_once),
        cmocka_unit_test(down_servers_come_first_and_side_by_side_after_a_canary),
        cmocka_unit_test(words_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
