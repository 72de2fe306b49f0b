/* Rules about who may be taken and who is put right: the brain on virtual time. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct rollout_target *target_of(const struct farm *f, uint64_t run, size_t at)
{
    const struct rollout *r = coordinator_run_find(f->brain, run);
    if (!r) {
        fail_msg("run %llu has ended:\n%s", (unsigned long long)run, farm_events(f));
    }
    return &r->targets[at];
}

static void expect_step(const struct farm *f, uint64_t run, size_t at, const char *part)
{
    const struct rollout_target *t = target_of(f, run, at);
    if (!strstr(t->step, part)) {
        fail_msg("%s: no '%s' in '%s'\n%s", t->server, part, t->step, farm_events(f));
    }
}

static void declare_out(struct farm *f, const char *server, uint64_t for_ms)
{
    struct error err;
    if (coordinator_declare_out(f->brain, server, for_ms, "anna", "dead board", f->now_ms, WALL(f),
                                &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
}

/* ---- groups of the budget ---- */

static const struct budget_rule two_zones[] = {
    {.name = "zone-a", .selector = "web01,web02", .max_out = {1, false}},
    {.name = "zone-b", .selector = "web03,web04", .max_out = {1, false}},
};

static void begin_in_groups(struct farm *f, size_t count, uint32_t balanced,
                            const struct budget_rule *groups, size_t group_count)
{
    farm_begin_balanced(f, count, balanced);
    farm_crash(f);
    f->groups = groups;
    f->group_count = group_count;
    farm_start(f);
    farm_run(f, 1500);
}

static void full_group_does_not_block_the_other(void **state)
{
    (void)state;
    struct farm f;
    begin_in_groups(&f, 5, 0, two_zones, 2);
    f.agents[3].dead = true;
    farm_run(&f, 4000);
    uint64_t run = farm_recycle(&f, "web01,web02,web03,web05");
    farm_run(&f, 20000);
    assert_int_equal(target_of(&f, run, 0)->state, TARGET_DONE);
    assert_int_equal(target_of(&f, run, 1)->state, TARGET_DONE);
    expect_step(&f, run, 2, "blocked: budget zone-b 1/1 used by web04 (silent");
    assert_int_equal(target_of(&f, run, 3)->state, TARGET_DONE); /* of the default group */
    f.agents[3].dead = false;
    farm_run_to_end(&f, 60000);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.agents[i].acts, 1);
    }
    farm_end(&f);
}

/* Two at a time, and yet never two of one group. */
static void each_group_has_room_of_its_own(void **state)
{
    (void)state;
    struct farm f;
    begin_in_groups(&f, 4, 0, two_zones, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_RECYCLE, "all");
    q.options.batch = 4;
    uint64_t run = farm_ask(&f, &q);
    uint32_t most = 0;
    for (int i = 0; i < 4000 && coordinator_run_count(f.brain); i++) {
        const struct rollout_target *t = coordinator_run_find(f.brain, run)->targets;
        assert_false(t[0].holds && t[1].holds);
        assert_false(t[2].holds && t[3].holds);
        uint32_t held = (uint32_t)t[0].holds + t[1].holds + t[2].holds + t[3].holds;
        most = held > most ? held : most;
        farm_run(&f, 10);
    }
    assert_int_equal(coordinator_run_count(f.brain), 0);
    assert_int_equal(most, 2);
    farm_end(&f);
}

/* web02 is in both: either may be the one that is full. */
static void server_of_two_groups_must_fit_into_both(void **state)
{
    (void)state;
    static const struct budget_rule rules[] = {
        {.name = "left", .selector = "web01,web02", .max_out = {1, false}},
        {.name = "right", .selector = "web02,web03", .max_out = {1, false}},
    };
    struct farm f;
    begin_in_groups(&f, 3, 0, rules, 2);
    f.agents[2].dead = true;
    farm_run(&f, 4000);
    uint64_t run = farm_recycle(&f, "web02");
    farm_run(&f, 3000);
    expect_step(&f, run, 0, "blocked: budget right 1/1 used by web03");
    f.agents[2].dead = false;
    f.agents[0].dead = true;
    farm_run(&f, 6000);
    uint64_t second = farm_recycle(&f, "web02");
    farm_run(&f, 3000);
    expect_step(&f, second, 0, "blocked: budget left 1/1 used by web01");
    farm_end(&f);
}

static void group_by_backend_is_who_stands_there(void **state)
{
    (void)state;
    static const struct budget_rule rules[] = {
        {.name = "shop", .backend = "web", .max_out = {50, true}, .min_in_service = {75, true}}};
    struct farm f;
    begin_in_groups(&f, 4, 1, rules, 1);
    struct budget b;
    coordinator_budget(f.brain, 0, NULL, f.now_ms, &b);
    assert_string_equal(b.group, "shop");
    assert_int_equal(b.count, 4);
    assert_int_equal(b.max_out, 2);
    assert_int_equal(b.min_in_service, 3);
    coordinator_budget(f.brain, 1, NULL, f.now_ms, &b);
    assert_null(b.group);
    assert_int_equal(b.count, 0);
    f.agents[3].dead = true; /* two may be out, but three must serve */
    farm_run(&f, 4000);
    uint64_t run = farm_recycle(&f, "web01");
    farm_run(&f, 3000);
    expect_step(&f, run, 0, "blocked: budget shop: 3 in service, the minimum is 3");
    farm_end(&f);
}

/* A machine that a person gave up does not block the farm, but it does not serve either; and when
 * the word runs out it blocks again, and that is told. */
/* ---- a pool with a backend of its own ---- */

static uint64_t recycle(struct farm *f, const char *pool, const char *selector)
{
    struct plan_request q = farm_request(f, ROLLOUT_RECYCLE, selector);
    q.pool = pool;
    return farm_ask(f, &q);
}

/* Nobody misses it there: its place is down, and Shop's visitors are served as ever. */
static void place_of_a_pool_stopped_on_purpose_spends_no_budget(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_apart(&f, 3, 1);
    f.agents[0].api_off = f.agents[0].want_whole = true;
    farm_run(&f, 1500);
    recycle(&f, "Shop", "all");
    farm_run_to_end(&f, 60000);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.agents[i].acts, 1);
    }
    assert_int_equal(f.serving_least, 2);
    assert_int_equal(f.acts_in_rotation, 0);
    farm_end(&f);
}

/* Api is down on one, Shop on another: each costs its place. But the one whose Shop serves is not
 * free to take for Shop, since then two would be out for its visitors; while for Api it is. */
static void server_that_is_out_with_another_pool_is_not_free(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_apart(&f, 3, 1);
    f.agents[0].api_down = true;
    f.agents[1].admin = BALANCER_DRAIN; /* by somebody else */
    farm_run(&f, 1500);
    uint64_t run = recycle(&f, "Shop", "web01");
    farm_run(&f, 3000);
    assert_int_equal(f.agents[0].acts, 0);
    expect_step(&f, run, 0, "budget 2/1 used by web01 (down in backend api), web02 (drained in");
    recycle(&f, "Api", "web01"); /* puts right what is down there, and waits for nobody */
    farm_run(&f, 4000);
    assert_int_equal(f.agents[0].acts, 1);
    assert_false(f.agents[0].api_down);
    f.agents[1].admin = BALANCER_READY;
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].acts, 2);
    assert_int_equal(f.serving_least, 2);
    farm_end(&f);
}

/* It is in the sum once: alone it does not wait for itself. */
static void server_that_is_out_with_another_pool_has_its_own_place_in_the_budget(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_apart(&f, 3, 1);
    f.agents[0].api_down = true;
    farm_run(&f, 1500);
    uint64_t run = recycle(&f, "Shop", "all");
    farm_run(&f, 8000);
    assert_int_equal(f.agents[0].acts, 1);
    assert_int_equal(f.agents[1].acts, 0);
    expect_step(&f, run, 1, "budget 1/1 used by web01 (down in backend api)");
    f.agents[0].api_down = false;
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[2].acts, 1);
    assert_int_equal(f.serving_least, 2);
    farm_end(&f);
}

static void declared_out_leaves_the_budget_until_it_expires(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 3);
    f.agents[2].dead = true;
    farm_run(&f, 4000);
    declare_out(&f, "web03", 30000);
    farm_recycle(&f, "web01");
    farm_run_to_end(&f, 20000);
    farm_run(&f, 30000);
    farm_expect_event(&f, "audit: coordinator: server.declare-out-ended web03: ");
    uint64_t run = farm_recycle(&f, "web02");
    farm_run(&f, 3000);
    expect_step(&f, run, 0, "blocked: budget 1/1 used by web03 (silent");
    farm_end(&f);
}

/* ---- drains that a balancer forgot ---- */

/* Until the first target is in `state`. */
static void run_until(struct farm *f, uint64_t run, size_t at, enum target_state state)
{
    for (int i = 0; i < 3000; i++) {
        if (target_of(f, run, at)->state == state) {
            return;
        }
        farm_run(f, 10);
    }
    fail_msg("it is %s:\n%s", target_state_name(target_of(f, run, at)->state), farm_events(f));
}

static uint64_t begin_act(struct farm *f, uint64_t act_ms)
{
    farm_begin_balanced(f, 3, 1);
    f->agents[0].act_ms = act_ms;
    uint64_t run = farm_recycle(f, "web01");
    run_until(f, run, 0, TARGET_ACTING);
    return run;
}

static void reload_during_the_act_is_put_right(void **state)
{
    (void)state;
    struct farm f;
    begin_act(&f, 9000);
    farm_reload(&f);
    farm_run(&f, 8000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    farm_expect_event(&f, "forgot that web01 is out of backend web");
    farm_run_to_end(&f, 20000);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

static void reload_while_draining_is_put_right_before_the_act(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    uint64_t run = farm_recycle(&f, "web01");
    run_until(&f, run, 0, TARGET_DRAINING);
    while (!target_of(&f, run, 0)->told) {
        farm_run(&f, 10);
    }
    farm_reload(&f);
    farm_run_to_end(&f, 20000);
    assert_int_equal(f.acts_in_rotation, 0);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

/* Another one went out meanwhile: two are not drained for the sake of order. */
static void reload_is_not_put_right_while_another_is_out(void **state)
{
    (void)state;
    struct farm f;
    begin_act(&f, 20000);
    farm_reload(&f);
    f.agents[1].admin = BALANCER_DRAIN;
    for (int i = 0; i < 600; i++) {
        farm_run(&f, 10);
        assert_int_equal(f.agents[0].admin, BALANCER_READY);
    }
    f.agents[1].admin = BALANCER_READY;
    farm_run(&f, 6000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    farm_run_to_end(&f, 40000);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

/* The store is an older copy: another server is drained of which it knows nothing. */
static void drain_from_an_old_store_waits_for_room(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    uint64_t run = farm_recycle(&f, "web01");
    run_until(&f, run, 0, TARGET_DRAINING);
    while (!target_of(&f, run, 0)->told) {
        farm_run(&f, 10);
    }
    farm_crash(&f);
    f.agents[0].admin = BALANCER_READY;
    f.agents[1].admin = BALANCER_DRAIN;
    farm_start(&f);
    for (int i = 0; i < 400; i++) {
        farm_run(&f, 10);
        assert_int_equal(f.agents[0].admin, BALANCER_READY);
    }
    assert_non_null(strstr(target_of(&f, run, 0)->step, "web02"));
    f.agents[1].admin = BALANCER_READY;
    farm_run_to_end(&f, 40000);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

/* The store is an older copy again, and the balancer is silent as it starts: that nobody said that
 * web02 is drained does not mean that it serves. */
static void place_that_was_not_read_is_not_in_service(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 1);
    farm_crash(&f);
    f.agents[1].admin = BALANCER_DRAIN;
    f.balancer_mute = true;
    farm_start(&f);
    farm_run(&f, 5000);
    uint64_t run = farm_recycle(&f, "web01");
    farm_run(&f, 4000);
    expect_step(&f, run, 0, "web02 (its balancer has not told yet where it stands)");
    f.balancer_mute =
        false; /* what was asked before is never answered: web02 is not read at once */
    for (int i = 0; i < 500; i++) {
        farm_run(&f, 10);
        assert_int_equal(f.agents[0].admin, BALANCER_READY);
    }
    f.agents[1].admin = BALANCER_READY;
    farm_run_to_end(&f, 60000);
    assert_int_equal(f.agents[0].acts, 1);
    farm_end(&f);
}

/* The same life: a person set it ready, and that stands. */
static void ready_by_a_person_is_left_alone(void **state)
{
    (void)state;
    struct farm f;
    begin_act(&f, 9000);
    f.agents[0].admin = BALANCER_READY;
    for (int i = 0; i < 800; i++) {
        farm_run(&f, 10);
        assert_int_equal(f.agents[0].admin, BALANCER_READY);
    }
    farm_end(&f);
}

static void strand_first(struct farm *f)
{
    farm_begin_balanced(f, 3, 1);
    f->agents[0].probe_status = 500;
    farm_recycle(f, "web01");
    farm_run_to_end(f, 20000);
    assert_int_equal(coordinator_incident_count(f->brain), 1);
    assert_int_equal(f->agents[0].admin, BALANCER_DRAIN);
}

/* Its own agent is dead: any other shows which fence is in force. And what is not ours, a drain by
 * somebody else, stays forgotten. */
static void drain_of_an_incident_is_put_right_and_no_other(void **state)
{
    (void)state;
    struct farm f;
    strand_first(&f);
    f.agents[0].dead = true;
    f.agents[1].admin = BALANCER_DRAIN;
    farm_run(&f, 15000);
    farm_reload(&f);
    farm_run(&f, 8000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    farm_end(&f);
}

static void what_was_forgotten_while_we_were_away_is_put_right(void **state)
{
    (void)state;
    struct farm f;
    strand_first(&f);
    farm_crash(&f);
    farm_reload(&f);
    farm_start(&f);
    farm_run(&f, 10000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    farm_end(&f);
}

/* What it drained again it drained in the new life: a person's word in that one stands, also after
 * a crash of ours. */
static void ready_by_a_person_after_a_reload_is_left_alone(void **state)
{
    (void)state;
    struct farm f;
    strand_first(&f);
    farm_reload(&f);
    farm_run(&f, 8000);
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    farm_crash(&f);
    f.agents[0].admin = BALANCER_READY;
    farm_start(&f);
    farm_run(&f, 10000);
    assert_int_equal(f.agents[0].admin, BALANCER_READY);
    farm_end(&f);
}

/* The round may tell what was read a moment before: it is shown with its age, no run decides by it,
 * and a drain is told again only after a reading of now. */
static void old_readings_are_for_the_round_alone(void **state)
{
    (void)state;
    struct farm f;
    farm_begin_balanced(&f, 3, 2);
    f.reading_age_ms = 800;
    farm_run(&f, 8000);
    for (size_t i = 0; i < f.count; i++) {
        const struct fleet_server *s = fleet_at(coordinator_fleet(f.brain), i);
        assert_true(s->places_ms && f.now_ms - s->places_ms >= 800);
    }
    f.agents[0].probe_status = f.agents[1].probe_status = 500;
    farm_recycle(&f, "web01");
    farm_run_to_end(&f, 20000);
    uint64_t run = farm_recycle(&f, "web02");
    run_until(&f, run, 0, TARGET_GATING); /* asked all the time: the fence is always fresh */
    assert_int_equal(f.reread, 0);
    farm_reload(&f);
    while (f.agents[0].admin == BALANCER_READY && coordinator_run_count(f.brain)) {
        farm_run(&f, 10);
    }
    assert_int_equal(f.agents[0].admin, BALANCER_DRAIN);
    assert_true(f.reread > 0);
    assert_false(f.run_takes_old);
    farm_end(&f);
}

/* Another coordinator is in charge: an agent that knows its fence does not confirm ours. */
static void nothing_is_drained_again_under_a_lost_fence(void **state)
{
    (void)state;
    struct farm f;
    strand_first(&f);
    farm_run(&f, 3000);
    for (size_t i = 0; i < f.count; i++) {
        f.agents[i].fence = (struct fence){.number = f.fence.number + 5};
    }
    farm_reload(&f);
    for (int i = 0; i < 1000; i++) {
        farm_run(&f, 10);
        assert_int_equal(f.agents[0].admin, BALANCER_READY);
    }
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_group_does_not_block_the_other),
        cmocka_unit_test(each_group_has_room_of_its_own),
        cmocka_unit_test(server_of_two_groups_must_fit_into_both),
        cmocka_unit_test(group_by_backend_is_who_stands_there),
        cmocka_unit_test(place_of_a_pool_stopped_on_purpose_spends_no_budget),
        cmocka_unit_test(server_that_is_out_with_another_pool_is_not_free),
        cmocka_unit_test(server_that_is_out_with_another_pool_has_its_own_place_in_the_budget),
        cmocka_unit_test(declared_out_leaves_the_budget_until_it_expires),
        cmocka_unit_test(reload_during_the_act_is_put_right),
        cmocka_unit_test(reload_while_draining_is_put_right_before_the_act),
        cmocka_unit_test(reload_is_not_put_right_while_another_is_out),
        cmocka_unit_test(drain_from_an_old_store_waits_for_room),
        cmocka_unit_test(place_that_was_not_read_is_not_in_service),
        cmocka_unit_test(ready_by_a_person_is_left_alone),
        cmocka_unit_test(drain_of_an_incident_is_put_right_and_no_other),
        cmocka_unit_test(what_was_forgotten_while_we_were_away_is_put_right),
        cmocka_unit_test(ready_by_a_person_after_a_reload_is_left_alone),
        cmocka_unit_test(old_readings_are_for_the_round_alone),
        cmocka_unit_test(nothing_is_drained_again_under_a_lost_fence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
