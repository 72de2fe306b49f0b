/* Waves, canaries and zones on virtual time. */
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MINUTE 60000

static void waves(struct play *p, const uint32_t *wave)
{
    for (size_t i = 0; i < p->count; i++) {
        p->run->targets[i].wave = wave[i];
    }
}

static void zones(struct play *p, const char *zone)
{
    text_copy(p->run->options.order_by, sizeof p->run->options.order_by, "zone");
    for (size_t i = 0; i < p->count; i++) {
        p->run->targets[i].zone[0] = zone[i];
    }
}

static size_t in_hand(const struct play *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        enum target_state state = p->run->targets[i].state;
        count += state != TARGET_WAITING && !target_state_ended(state);
    }
    return count;
}

static void expect_line(const struct play *p, const char *part)
{
    if (!strstr(play_transcript(p), part)) {
        fail_msg("no '%s' in:\n%s", part, play_transcript(p));
    }
}

static void wave_begins_when_the_one_before_has_ended(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 5);
    waves(&p, (const uint32_t[]){0, 1, 1, 2, 2});
    p.run->options.batch = 5;
    size_t most = 0;
    while (!run_state_ended(p.run->state)) {
        play_until(&p, p.now_ms + 100);
        for (size_t i = 0; i < p.count; i++) {
            for (size_t k = 0; k < p.count; k++) {
                bool earlier = p.run->targets[k].wave < p.run->targets[i].wave;
                bool began = p.run->targets[i].state != TARGET_WAITING;
                assert_false(earlier && began && !target_state_ended(p.run->targets[k].state));
            }
        }
        most = in_hand(&p) > most ? in_hand(&p) : most;
        assert_true(p.now_ms < 5 * MINUTE);
    }
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(most, 2); /* a wave as wide as it is long */
    play_end(&p);
}

/* A slow server does not hold up those behind it in its wave, and no more than batch are in hand.
 */
static void window_slides_inside_a_wave(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 6);
    p.run->options.batch = 2;
    p.servers[0].act_ms = 20000;
    while (p.run->targets[0].state != TARGET_DONE) {
        play_until(&p, p.now_ms + 100);
        assert_true(in_hand(&p) <= 2);
        assert_true(p.now_ms < 5 * MINUTE);
    }
    assert_int_equal(p.run->targets[4].state, TARGET_DONE);
    play_end(&p);
}

static void canary_pauses_until_a_person_has_looked(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    waves(&p, (const uint32_t[]){0, 1, 1});
    p.run->options.canary = 1;
    p.run->options.pause_after_canary = true;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_CANARY);
    expect_line(&p, "run paused: wave 1 of 2 (canary) ended: 1 done, 0 failed, 0 left out; look at "
                    "it, then `farmhand run resume 7`");
    play_restart(&p);
    play_until(&p, 2 * MINUTE);
    assert_non_null(strstr(p.run->why, "look at it")); /* as long as it waits it says so */
    assert_int_equal(p.servers[1].acts + p.servers[2].acts, 0);
    play_request(&p, REQUEST_RESUME);
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[1].acts + p.servers[2].acts, 2);
    play_end(&p);
}

static void canary_that_fails_ends_the_run_before_the_others(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    waves(&p, (const uint32_t[]){0, 1, 1});
    p.run->options.canary = 1;
    p.servers[0].probe_after = 500;
    play_to_end(&p, 5 * MINUTE);
    assert_int_equal(p.run->state, RUN_FAILED);
    assert_int_equal(p.servers[1].acts + p.servers[2].acts, 0);
    play_end(&p);
}

static void bake_is_waited_out_and_begins_anew_after_a_restart(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    waves(&p, (const uint32_t[]){0, 1});
    p.run->options.bake_ms = 10 * MINUTE;
    play_until(&p, 9 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_DONE);
    play_restart(&p);
    play_until(&p, 18 * MINUTE);
    assert_int_equal(p.servers[1].acts, 0);
    play_to_end(&p, 20 * MINUTE);
    assert_int_equal(p.servers[1].acts, 1);
    play_end(&p);
}

static void pause_during_the_bake_outlives_it(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    waves(&p, (const uint32_t[]){0, 1});
    p.run->options.bake_ms = MINUTE;
    play_until(&p, MINUTE / 2);
    play_request(&p, REQUEST_PAUSE);
    play_until(&p, 10 * MINUTE);
    assert_int_equal(p.servers[1].acts, 0);
    play_request(&p, REQUEST_RESUME);
    play_to_end(&p, 11 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void abort_between_waves_ends_the_run_at_once(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    waves(&p, (const uint32_t[]){0, 1});
    p.run->options.bake_ms = 60 * MINUTE;
    play_until(&p, MINUTE);
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->state, RUN_ABORTED);
    assert_int_equal(p.run->targets[1].state, TARGET_WAITING);
    play_end(&p);
}

/* With a slow one in zone a nothing of zone b begins, though the batch had room. */
static void two_zones_are_never_out_at_once(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 4);
    zones(&p, "aabb");
    p.run->options.batch = 4;
    p.servers[0].act_ms = 20000;
    while (!run_state_ended(p.run->state)) {
        play_until(&p, p.now_ms + 100);
        bool a = false, b = false;
        for (size_t i = 0; i < p.count; i++) {
            a = a || (i < 2 && p.servers[i].admin != BALANCER_READY);
            b = b || (i >= 2 && p.servers[i].admin != BALANCER_READY);
        }
        assert_false(a && b);
        assert_true(p.now_ms < 5 * MINUTE);
    }
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void opened_wave_is_saved_before_its_first_server(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    waves(&p, (const uint32_t[]){0, 1});
    while (p.run->targets[0].state != TARGET_DONE) {
        play_until(&p, p.now_ms + 100);
        p.refuse_saves = p.run->targets[0].state == TARGET_RETURNING;
    }
    p.refuse_saves = true;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->wave, 0);
    assert_int_equal(p.run->targets[1].state, TARGET_WAITING);
    p.refuse_saves = false;
    play_to_end(&p, 2 * MINUTE);
    assert_int_equal(p.run->wave, 1);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wave_begins_when_the_one_before_has_ended),
        cmocka_unit_test(window_slides_inside_a_wave),
        cmocka_unit_test(canary_pauses_until_a_person_has_looked),
        cmocka_unit_test(canary_that_fails_ends_the_run_before_the_others),
        cmocka_unit_test(bake_is_waited_out_and_begins_anew_after_a_restart),
        cmocka_unit_test(pause_during_the_bake_outlives_it),
        cmocka_unit_test(abort_between_waves_ends_the_run_at_once),
        cmocka_unit_test(two_zones_are_never_out_at_once),
        cmocka_unit_test(opened_wave_is_saved_before_its_first_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
