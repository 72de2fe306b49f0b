/* What other tools do badly, and what bad luck does: each a scenario on virtual time, named after
 * what it guards against. Those of holds (kured) are in test_hold.c, those of deaths between any
 * two steps in test_rollout.c, test_brain.c and the simulator. */
#include "tests/unit/coordinator/farm.h"
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MINUTE 60000

static struct rollout *ended(struct farm *f, uint64_t id)
{
    struct rollout *r = NULL;
    struct error err;
    farm_run_to_end(f, 20 * MINUTE);
    if (store_load_run(f->store, id, &r, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    return r;
}

static const struct rollout *open_run(const struct farm *f, uint64_t id)
{
    const struct rollout *r = coordinator_run_find(f->brain, id);
    if (!r) {
        fail_msg("run %llu has ended:\n%s", (unsigned long long)id, farm_events(f));
    }
    return r;
}

static uint64_t retry(struct farm *f, const struct rollout *of)
{
    struct plan_request q = farm_request(f, ROLLOUT_RECYCLE, of->selector);
    q.retry = of;
    return farm_ask(f, &q);
}

/* ---- what other tools do badly ---- */

/* A rolling play dies at the third server, and its next start begins at the top. */
static void ansible_play_that_dies_at_the_third_begins_at_the_top(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 5);
    f.agents[2].probe_status = 500;
    struct rollout *first = ended(&f, farm_recycle(&f, "all"));
    assert_int_equal(first->state, RUN_FAILED);
    assert_int_equal(first->targets[2].state, TARGET_FAILED);
    assert_int_equal(first->targets[3].state, TARGET_WAITING);
    assert_non_null(strstr(first->why, "`farmhand run retry 1` takes up the rest"));
    f.agents[2].probe_status = 200;
    farm_crash(&f); /* it need not even be the same coordinator */
    farm_start(&f);
    farm_run(&f, 3000);
    struct rollout *second = ended(&f, retry(&f, first));
    assert_int_equal(second->state, RUN_DONE);
    assert_int_equal(second->target_count, 3);
    const int acts[] = {1, 1, 2, 1, 1};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(f.agents[i].acts, acts[i]);
    }
    rollout_free(first);
    rollout_free(second);
    farm_end(&f);
}

/* A minion dies in the middle of a batch, and the batch waits for it for ever without a word. */
static void salt_minion_that_dies_hangs_the_batch(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    p.run->options.batch = 2;
    p.run->options.policies[TROUBLE_UNKNOWN].run.number = 1; /* one is borne */
    p.servers[0].act_ms = 5000;
    play_until(&p, 3000);
    assert_int_equal(p.servers[0].acts, 1);
    p.servers[0].dead = true;
    play_until(&p, 5 * MINUTE);
    assert_int_equal(p.run->targets[0].state,
                     TARGET_UNKNOWN); /* named, not waited for in silence */
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(p.run->targets[i].state, TARGET_DONE);
    }
    p.servers[0].dead = false; /* its journal settles it */
    play_to_end(&p, 7 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[0].acts, 1);
    play_end(&p);
}

/* A restart of the controller marks jobs that run as failed, whatever becomes of them. */
static void awx_restart_reaps_jobs_that_run(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    f.agents[0].act_ms = 8000;
    uint64_t id = farm_recycle(&f, "all");
    farm_run(&f, 3000);
    assert_int_equal(open_run(&f, id)->targets[0].state, TARGET_ACTING);
    farm_crash(&f);
    farm_run(&f, 3000); /* the agent goes on meanwhile */
    farm_start(&f);
    struct rollout *r = ended(&f, id);
    assert_int_equal(r->state, RUN_DONE);
    assert_int_equal(f.agents[0].acts, 1);
    assert_int_equal(f.agents[1].acts, 1);
    rollout_free(r);
    farm_end(&f);
}

/* A restart of a job goes on to the next allocation though the last one is not healthy. */
static void nomad_job_restart_ignores_health_checks(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    f.agents[0].probe_status = 503;
    uint64_t id = farm_recycle(&f, "all");
    struct rollout *r = ended(&f, id);
    assert_int_equal(r->state, RUN_FAILED);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_int_equal(f.agents[1].acts + f.agents[2].acts, 0);
    rollout_free(r);
    farm_end(&f);
}

/* It lives in the terminal that started it: here nobody is there from the first moment on, and the
 * coordinator itself dies twice. */
static void nomad_job_restart_ends_with_its_terminal(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 4);
    uint64_t id = farm_recycle(&f, "all");
    for (int i = 0; i < 2; i++) {
        farm_run(&f, 1500);
        farm_crash(&f);
        farm_run(&f, 500);
        farm_start(&f);
    }
    struct rollout *r = ended(&f, id);
    assert_int_equal(r->state, RUN_DONE);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f.agents[i].acts, 1);
    }
    rollout_free(r);
    farm_end(&f);
}

/* Retry takes the nodes that failed, and forgets those that were never reached. */
static void rundeck_retry_forgets_nodes_never_reached(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 4);
    f.agents[1].dead = true;
    farm_run(&f, 4000);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
    q.options.unreachable = UNREACHABLE_SKIP;
    q.options.policies[TROUBLE_UNREACHABLE].then = ON_FAILURE_CONTINUE;
    f.max_out = 2;
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 95000); /* nobody is waited for any more */
    struct rollout *first = ended(&f, farm_ask(&f, &q));
    assert_int_equal(first->targets[1].state, TARGET_SKIPPED);
    f.agents[1].dead = false;
    f.agents[1].want_whole = true;
    f.agents[1].listening = false;
    farm_run(&f, 3000);
    struct rollout *second = ended(&f, retry(&f, first));
    assert_int_equal(second->target_count, 1);
    assert_string_equal(second->targets[0].server, "web02");
    assert_int_equal(second->state, RUN_DONE);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f.agents[i].acts, 1);
    }
    rollout_free(first);
    rollout_free(second);
    farm_end(&f);
}

/* A disruption budget restrains evictions, and not the roll-out itself. Here there is one: whatever
 * the batch, and whoever is out for whatever cause. */
static void kubernetes_budget_does_not_restrain_the_rollout(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 5, 2);
    f.agents[4].dead = true; /* out, and nobody's doing */
    farm_run(&f, 4000);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "web01,web02,web03,web04");
    q.options.batch = 4;
    f.serving_least = 5;
    uint64_t id = farm_ask(&f, &q);
    size_t most = 0;
    for (int i = 0; i < 6000 && coordinator_run_find(f.brain, id); i++) {
        size_t holding = 0;
        const struct rollout *r = coordinator_run_find(f.brain, id);
        for (size_t k = 0; k < r->target_count; k++) {
            holding += r->targets[k].holds;
        }
        most = holding > most ? holding : most;
        farm_run(&f, 10);
    }
    assert_null(coordinator_run_find(f.brain, id));
    assert_int_equal(most, 1); /* two may be out, one is already */
    farm_end(&f);
}

/* ---- bad luck ---- */

static void pool_deleted_between_plan_and_step_is_told_and_nothing_is_done(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    f.agents[0].act_ms = 5000;
    uint64_t id = farm_recycle(&f, "web01,web02,web03");
    farm_run(&f, 2000);
    f.agents[1].shop_gone = true; /* its turn has not come */
    struct rollout *r = ended(&f, id);
    assert_int_equal(r->state, RUN_FAILED);
    assert_int_equal(r->targets[0].state, TARGET_DONE);
    assert_int_equal(r->targets[1].state, TARGET_FAILED);
    assert_int_equal(r->targets[1].cause, CAUSE_UNKNOWN_POOL);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    rollout_free(r);
    farm_end(&f);
}

/* All silent at once is us, not them: nobody is called failed, and the run goes on by itself. */
static void all_unreachable_at_once_pauses_the_run(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 5);
    f.agents[0].act_ms = 4000;
    uint64_t id = farm_recycle(&f, "all");
    farm_run(&f, 2000);
    for (size_t i = 0; i < 5; i++) {
        f.agents[i].dead = true;
    }
    farm_run(&f, 30000);
    assert_true((open_run(&f, id)->pause_causes & PAUSE_SILENCE) != 0);
    assert_int_equal(open_run(&f, id)->targets[1].state, TARGET_WAITING);
    for (size_t i = 0; i < 5; i++) {
        f.agents[i].dead = false;
        f.agents[i].want_whole = true;
        f.agents[i].listening = false;
    }
    struct rollout *r = ended(&f, id);
    assert_int_equal(r->state, RUN_DONE);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(f.agents[i].acts, 1);
    }
    rollout_free(r);
    farm_end(&f);
}

/* IIS recycles a pool by its own clock while a run is elsewhere: that server is out for a moment.
 */
static void recycle_that_iis_starts_itself_counts_against_the_budget(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    f.agents[2].workerless = true;
    f.agents[2].want_whole = true;
    farm_run(&f, 1000);
    uint64_t id = farm_recycle(&f, "web01");
    farm_run(&f, 5000);
    const struct rollout *r = open_run(&f, id);
    assert_int_equal(f.agents[0].acts, 0);
    if (!strstr(r->targets[0].step, "web03 (pool Shop has no worker now)")) {
        fail_msg("'%s'", r->targets[0].step);
    }
    f.agents[2].workerless = false;
    f.agents[2].want_whole = true;
    struct rollout *over = ended(&f, id);
    assert_int_equal(over->state, RUN_DONE);
    rollout_free(over);
    farm_end(&f);
}

/* A server leaves the configuration of the balancer while it is drained: nobody puts back what is
 * not there, and nothing is acted upon that may be serving elsewhere. */
static void server_removed_while_it_is_drained_is_not_acted_upon(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 500;
    play_until(&p, 2000);
    assert_int_equal(p.run->targets[0].state, TARGET_DRAINING);
    p.servers[0].behind = false;
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(p.servers[0].acts, 0);
    assert_non_null(strstr(p.run->targets[0].detail, "vanished from the balancer"));
    play_end(&p);
}

/* It is forgotten once it is put back, and not before: nobody would know whose drain that is. */
static void server_that_leaves_the_farm_while_it_is_drained_is_put_back_first(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin_balanced(&f, 3, 1);
    f.agents[0].act_ms = 8000;
    uint64_t id = farm_recycle(&f, "web01");
    farm_run(&f, 3000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_int_equal(
        coordinator_drop_server(f.brain, "web01", "anna", "sold", f.now_ms, WALL(&f), &err),
        ERR_BUSY);
    assert_non_null(strstr(err.text, "run 1 still has it"));
    struct rollout *r = ended(&f, id);
    assert_int_equal(r->state, RUN_DONE);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    f.agents[0].dead = true;
    assert_int_equal(
        coordinator_drop_server(f.brain, "web01", "anna", "sold", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    assert_null(fleet_find(coordinator_fleet(f.brain), "web01"));
    rollout_free(r);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ansible_play_that_dies_at_the_third_begins_at_the_top),
        cmocka_unit_test(salt_minion_that_dies_hangs_the_batch),
        cmocka_unit_test(awx_restart_reaps_jobs_that_run),
        cmocka_unit_test(nomad_job_restart_ignores_health_checks),
        cmocka_unit_test(nomad_job_restart_ends_with_its_terminal),
        cmocka_unit_test(rundeck_retry_forgets_nodes_never_reached),
        cmocka_unit_test(kubernetes_budget_does_not_restrain_the_rollout),
        cmocka_unit_test(pool_deleted_between_plan_and_step_is_told_and_nothing_is_done),
        cmocka_unit_test(all_unreachable_at_once_pauses_the_run),
        cmocka_unit_test(recycle_that_iis_starts_itself_counts_against_the_budget),
        cmocka_unit_test(server_removed_while_it_is_drained_is_not_acted_upon),
        cmocka_unit_test(server_that_leaves_the_farm_while_it_is_drained_is_put_back_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
