/* Whose turn it is inside a wave, whoever answers first. */
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MINUTE 60000

static bool has_begun(const struct rollout_target *t)
{
    return t->state != TARGET_WAITING && t->state != TARGET_CHECKING;
}

/* Who has been taken before one that comes first has left it its place. */
static void expect_in_order(const struct play *p)
{
    size_t held = 0, passed = 0, before = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct rollout_target *t = &p->run->targets[i];
        held += t->holds;
        before += !has_begun(t);
        passed = t->holds ? before : passed;
    }
    if (passed && held + passed > (p->room ? p->room : 1)) {
        fail_msg("%zu that come first have no place any more:\n%s", passed, play_transcript(p));
    }
}

static void play_in_order(struct play *p, uint64_t limit_ms)
{
    while (!run_state_ended(p->run->state)) {
        play_until(p, p->now_ms + 100);
        expect_in_order(p);
        assert_true(p->now_ms < limit_ms);
    }
    assert_int_equal(p->run->state, RUN_DONE);
}

/* The batch is wider than the room: all are asked at once, and the last answers first. */
static void who_answers_first_takes_no_place_of_one_before_it(void **state)
{
    (void)state;
    for (uint32_t room = 1; room <= 3; room++) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 5);
        p.run->options.batch = 5;
        p.room = room;
        for (size_t i = 0; i < p.count; i++) {
            p.servers[i].answers_ms = 900 - 200 * i;
            p.servers[i].others = 5;
        }
        play_in_order(&p, 5 * MINUTE);
        play_end(&p);
    }
}

/* The own agent's answers are old when its turn comes: it is looked at again, and loses nothing. */
static void turn_that_comes_late_is_taken_on_fresh_evidence(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.run->options.batch = 2;
    p.room = 1;
    p.servers[0].answers_ms = 4500;
    p.servers[1].answers_ms = 100;
    play_until(&p, 4000);
    assert_int_equal(p.run->targets[1].state, TARGET_CHECKING);
    assert_non_null(strstr(p.run->targets[1].step, "web01, which comes first"));
    play_in_order(&p, 2 * MINUTE);
    play_end(&p);
}

/* It does not answer, and nobody has found it silent yet: its own limit ends it, then come others.
 */
static void slow_one_holds_up_the_others_until_its_limit(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    p.run->options.batch = 3;
    rollout_policies(&p.run->options, ON_FAILURE_CONTINUE, 0);
    p.room = 1;
    p.servers[0].dead = true;
    play_until(&p, 59000);
    assert_int_equal(p.servers[1].drains + p.servers[2].drains, 0);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_FAILED);
    assert_int_equal(p.servers[1].acts + p.servers[2].acts, 2);
    play_end(&p);
}

static void silent_one_is_not_waited_for(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    p.run->options.batch = 3;
    p.run->options.unreachable = UNREACHABLE_WAIT;
    rollout_policies(&p.run->options, ON_FAILURE_CONTINUE, 0);
    p.room = 1;
    p.servers[0].dead = true;
    play_until(&p, 3000);
    p.servers[0].presence = PRESENCE_SILENT; /* in the middle of the look */
    play_until(&p, 5000);
    assert_int_equal(p.servers[1].drains, 1);
    p.servers[0].presence = PRESENCE_FRESH;
    p.servers[0].dead = false;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

/* Room for both: then it is nobody's place, and a slow agent holds up nobody. */
static void with_room_for_all_nobody_waits(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    p.run->options.batch = 2;
    rollout_policies(&p.run->options, ON_FAILURE_CONTINUE, 0);
    p.room = 2;
    p.servers[0].dead = true;
    play_until(&p, 50000);
    assert_int_equal(p.run->targets[0].state, TARGET_CHECKING);
    assert_int_equal(p.servers[1].acts + p.servers[2].acts + p.servers[3].acts, 3);
    play_end(&p);
}

/* The budget has room for two, the backend can spare one. */
static void last_servers_of_a_backend_are_a_place_too(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.run->options.batch = 2;
    p.servers[0].answers_ms = 700;
    p.servers[0].others = p.servers[1].others = 1;
    play_in_order(&p, 2 * MINUTE);
    play_end(&p);
}

/* Two pools of one server: one lease, whatever the budget. */
static void server_itself_is_a_place_too(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.run->options.batch = 2;
    p.servers[0].answers_ms = 700;
    text_copy(p.run->targets[1].server, sizeof p.run->targets[1].server, "web01");
    play_in_order(&p, 2 * MINUTE);
    play_end(&p);
}

/* It waited for somebody's lease, which is free now; the one that is looked at gives way. */
static void one_that_may_go_again_goes_first(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].blocked = true;
    p.servers[1].answers_ms = 1000;
    play_until(&p, 500);
    assert_int_equal(p.run->targets[1].state, TARGET_CHECKING); /* all of the batch */
    p.servers[0].blocked = false;
    play_in_order(&p, 2 * MINUTE);
    play_end(&p);
}

static void of_another_zone_it_goes_first_as_well(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.run->options.batch = 2;
    text_copy(p.run->options.order_by, sizeof p.run->options.order_by, "zone");
    p.run->targets[0].zone[0] = 'a';
    p.run->targets[1].zone[0] = 'b';
    p.servers[0].blocked = true;
    p.servers[1].answers_ms = 1000;
    play_until(&p, 500);
    assert_int_equal(p.run->targets[1].state, TARGET_CHECKING);
    p.servers[0].blocked = false;
    play_in_order(&p, 2 * MINUTE);
    play_end(&p);
}

/* What the balancer forbids to one alone keeps it back alone, however often it is looked at. */
static void who_is_turned_back_keeps_nobody(void **state)
{
    (void)state;
    for (uint32_t room = 0; room <= 1; room++) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 4);
        p.run->options.batch = 2;
        p.room = room;
        p.servers[0].others = 0;
        p.servers[0].answers_ms = 300;
        play_until(&p, MINUTE);
        assert_int_equal(p.servers[0].acts, 0);
        assert_int_equal(p.servers[1].acts + p.servers[2].acts + p.servers[3].acts, 3);
        p.servers[0].others = 3;
        play_to_end(&p, 2 * MINUTE);
        play_end(&p);
    }
}

/* What gives capacity back takes nobody's place: a slow one keeps none from starting. */
static void starts_wait_for_nobody(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_START, 3);
    p.run->options.batch = 3;
    rollout_policies(&p.run->options, ON_FAILURE_CONTINUE, 0);
    for (size_t i = 0; i < p.count; i++) {
        p.servers[i].pool = POOL_STATE_STOPPED;
    }
    p.servers[0].dead = true;
    play_until(&p, 10000);
    assert_int_equal(p.servers[1].acts + p.servers[2].acts, 2);
    play_end(&p);
}

/* Who waits for its turn for a minute has not been without evidence for a minute. */
static void time_spent_waiting_for_the_turn_fails_nobody(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    p.run->options.batch = 3;
    rollout_policies(&p.run->options, ON_FAILURE_CONTINUE, 0);
    p.room = 1;
    p.servers[0].dead = true;
    play_until(&p, 30000);
    p.servers[1].dead = true; /* has its own minute since it was last ready */
    play_until(&p, 75000);
    assert_int_equal(p.run->targets[0].state, TARGET_FAILED);
    assert_int_equal(p.run->targets[1].state, TARGET_CHECKING);
    play_to_end(&p, 3 * MINUTE);
    assert_int_equal(p.run->targets[1].state, TARGET_FAILED);
    assert_int_equal(p.run->targets[2].state, TARGET_DONE);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_answers_first_takes_no_place_of_one_before_it),
        cmocka_unit_test(turn_that_comes_late_is_taken_on_fresh_evidence),
        cmocka_unit_test(slow_one_holds_up_the_others_until_its_limit),
        cmocka_unit_test(silent_one_is_not_waited_for),
        cmocka_unit_test(with_room_for_all_nobody_waits),
        cmocka_unit_test(last_servers_of_a_backend_are_a_place_too),
        cmocka_unit_test(server_itself_is_a_place_too),
        cmocka_unit_test(one_that_may_go_again_goes_first),
        cmocka_unit_test(of_another_zone_it_goes_first_as_well),
        cmocka_unit_test(who_is_turned_back_keeps_nobody),
        cmocka_unit_test(starts_wait_for_nobody),
        cmocka_unit_test(time_spent_waiting_for_the_turn_fails_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
