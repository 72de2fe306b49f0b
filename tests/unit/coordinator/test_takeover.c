/* A run over a whole server takes over what incidents of its pools hold, and each of those pools
 * has to prove by itself: with the whole brain, a real store and agents on virtual time. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* A failed recycle has left web02 out with incident 1, of pool Shop; then its services die. */
static void begin_left(struct farm *f)
{
    farm_begin_balanced(f, 4, 1);
    f->agents[1].shop_status = 500;
    farm_recycle(f, "web02");
    farm_run_to_end(f, 30000);
    assert_int_equal(coordinator_incident_count(f->brain), 1);
    assert_int_equal(coordinator_incident_at(f->brain, 0)->phase, INCIDENT_LEFT);
    assert_int_equal(f->agents[1].admin, BALANCER_DRAIN);
    f->agents[1].down = true;
    f->agents[1].want_whole = true;
    farm_run(f, 2000);
}

static void expect_left(const struct farm *f)
{
    assert_int_equal(coordinator_incident_count(f->brain), 1);
    const struct incident *n = coordinator_incident_at(f->brain, 0);
    assert_int_equal(n->id, 1);
    assert_string_equal(n->pool, "Shop");
    assert_int_equal(n->place_count, 1);
    assert_string_equal(coordinator_holder(f->brain, "web02", NULL), "incident 1");
    assert_int_equal(f->agents[1].admin, BALANCER_DRAIN);
}

static void expect_back(const struct farm *f)
{
    assert_int_equal(coordinator_incident_count(f->brain), 0);
    assert_null(coordinator_holder(f->brain, "web02", NULL));
    assert_int_equal(f->agents[1].admin, BALANCER_READY);
}

static uint64_t whole(struct farm *f, enum rollout_action action)
{
    struct plan_request q = farm_request(f, action, "web02");
    q.pool = "";
    return farm_ask(f, &q);
}

static void expect_detail(struct farm *f, uint64_t id, enum target_state state, const char *part)
{
    struct rollout *r;
    struct error err;
    assert_int_equal(store_load_run(f->store, id, &r, &err), ERR_NONE);
    assert_int_equal(r->targets[0].state, state);
    if (!strstr(r->targets[0].detail, part)) {
        fail_msg("no '%s' in: %s", part, r->targets[0].detail);
    }
    rollout_free(r);
}

/* Shop answers again, and who undrains the server proves it. */
static void mend_and_end(struct farm *f)
{
    f->agents[1].shop_status = 200;
    whole(f, ROLLOUT_UNDRAIN);
    farm_run_to_end(f, 60000);
    expect_back(f);
    farm_end(f);
}

static void recovery_takes_over_what_pools_left(void **state)
{
    (void)state;
    struct farm f;
    begin_left(&f);
    f.agents[1].shop_status = 200;
    whole(&f, ROLLOUT_SERVICE_RECOVER);
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[1].act_verb, VERB_SERVICE_RECOVER);
    expect_back(&f);
    farm_expect_event(&f, "incident 1 is over: pool Shop proved in run 2");
    farm_end(&f);
}

/* Another site of the server answers all the time; Shop's own does not. */
static void pool_that_does_not_prove_stays_with_its_incident(void **state)
{
    (void)state;
    struct farm f;
    begin_left(&f);
    uint64_t run = whole(&f, ROLLOUT_SERVICE_RECOVER);
    farm_run_to_end(&f, 120000);
    assert_false(f.agents[1].down);
    expect_detail(&f, run, TARGET_DONE, "incident 1 is left, its pool has not proved");
    expect_left(&f);
    f.agents[1].shop_status = 200;
    farm_recycle(&f, "web02");
    farm_run_to_end(&f, 60000);
    expect_back(&f);
    farm_end(&f);
}

static void undrain_of_a_server_proves_its_pools(void **state)
{
    (void)state;
    struct farm f;
    begin_left(&f);
    f.agents[1].down = false;
    whole(&f, ROLLOUT_UNDRAIN);
    farm_run_to_end(&f, 120000);
    expect_left(&f);
    mend_and_end(&f);
}

/* The coordinator is killed every so often; whatever it had seen of the gate begins anew. */
static void restarts_forget_no_incident(void **state)
{
    (void)state;
    for (uint64_t at_ms = 100; at_ms < 10000; at_ms += 300) {
        struct farm f;
        begin_left(&f);
        whole(&f, ROLLOUT_SERVICE_RECOVER);
        farm_run(&f, at_ms);
        farm_crash(&f);
        farm_start(&f);
        farm_run_to_end(&f, 180000);
        farm_run(&f, 5000);
        expect_left(&f);
        f.agents[1].shop_status = 200;
        whole(&f, ROLLOUT_UNDRAIN);
        farm_run(&f, at_ms);
        farm_crash(&f);
        farm_start(&f);
        farm_run_to_end(&f, 120000);
        expect_back(&f);
        farm_end(&f);
    }
}

/* The recovery itself fails: the server is an incident of its own then, and that of the pool stands
 * behind it, with what it has out. What puts the server back still has to prove the pool. */
static void pool_stands_behind_an_incident_of_its_server(void **state)
{
    (void)state;
    struct farm f;
    begin_left(&f);
    f.agents[1].services_hopeless = true;
    whole(&f, ROLLOUT_SERVICE_RECOVER);
    farm_run_to_end(&f, 120000);
    assert_int_equal(coordinator_incident_count(f.brain), 2);
    assert_string_equal(coordinator_holder(f.brain, "web02", NULL), "incident 2");
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 5000);
    f.agents[1].down = false;
    f.agents[1].want_whole = true;
    farm_run(&f, 2000);
    whole(&f, ROLLOUT_UNDRAIN);
    farm_run_to_end(&f, 120000);
    expect_left(&f);
    mend_and_end(&f);
}

static uint64_t recycle_pool(struct farm *f, const char *pool)
{
    struct plan_request q = farm_request(f, ROLLOUT_RECYCLE, "web02");
    q.pool = pool;
    return farm_ask(f, &q);
}

/* Both pools stand in one place of the balancer, and each has failed: the first to prove itself
 * well does not put back what the other keeps out, though only the first one had drained it. */
static void place_of_two_pools_goes_back_with_the_last(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 4, 1);
    f.agents[1].shop_status = 500;
    recycle_pool(&f, "Shop");
    farm_run_to_end(&f, 30000);
    f.agents[1].probe_status = 500;
    recycle_pool(&f, "Api");
    farm_run_to_end(&f, 30000);
    assert_int_equal(coordinator_incident_count(f.brain), 2);
    assert_int_equal(coordinator_incident_at(f.brain, 1)->place_count, 1);
    f.agents[1].shop_status = 200;
    recycle_pool(&f, "Shop");
    farm_run_to_end(&f, 60000);
    assert_int_equal(coordinator_incident_count(f.brain), 1);
    assert_string_equal(coordinator_incident_at(f.brain, 0)->pool, "Api");
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    f.agents[1].probe_status = 200;
    recycle_pool(&f, "Api");
    farm_run_to_end(&f, 60000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    farm_end(&f);
}

/* A person may not end by a word what a run is about to prove. */
static void incident_in_the_hands_of_a_run_is_not_dismissed(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    begin_left(&f);
    whole(&f, ROLLOUT_SERVICE_RECOVER);
    while (strcmp(coordinator_holder(f.brain, "web02", NULL), "run 2") != 0) {
        farm_run(&f, 100);
    }
    assert_int_equal(coordinator_dismiss_incident(f.brain, 1, "anna", "enough", f.now_ms,
                                                  (int64_t)f.now_ms + 1000000, &err),
                     ERR_STATE);
    assert_non_null(strstr(err.text, "in the hands of run 2"));
    farm_run_to_end(&f, 120000);
    expect_left(&f);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery_takes_over_what_pools_left),
        cmocka_unit_test(pool_that_does_not_prove_stays_with_its_incident),
        cmocka_unit_test(undrain_of_a_server_proves_its_pools),
        cmocka_unit_test(restarts_forget_no_incident),
        cmocka_unit_test(pool_stands_behind_an_incident_of_its_server),
        cmocka_unit_test(place_of_two_pools_goes_back_with_the_last),
        cmocka_unit_test(incident_in_the_hands_of_a_run_is_not_dismissed),
    };
    return cmocka_run_group_tests_name("takeover", tests, NULL, NULL);
}
