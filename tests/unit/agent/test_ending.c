/* test_ending.c - how long an agent that is told to stop waits, and for what. */
#include "agent/ending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BEGIN_MS 1000000

static struct ending begun(void)
{
    struct ending e = {0};
    ending_begin(&e, BEGIN_MS);
    return e;
}

static void it_goes_on_until_it_is_told_to_stop(void **state)
{
    (void)state;
    struct ending e = {0};
    assert_false(ending_is_over(&e, false, true, false, BEGIN_MS));
    assert_true(ending_wake_ms(&e, BEGIN_MS) == UINT64_MAX);
    ending_begin(&e, BEGIN_MS);
    ending_begin(&e, BEGIN_MS + 500); /* told twice: the first counts */
    assert_int_equal(e.since_ms, BEGIN_MS);
    assert_int_equal(ending_wake_ms(&e, BEGIN_MS), BEGIN_MS + 1000);
    assert_true(ending_is_over(&e, false, true, false, BEGIN_MS));
}

static void results_are_told_for_a_moment(void **state)
{
    (void)state;
    struct ending e = begun();
    assert_false(ending_is_over(&e, false, false, false, BEGIN_MS + 1999));
    assert_true(ending_is_over(&e, false, false, false, BEGIN_MS + 2000));
}

/* Also where nothing else is left; and its result has its moment after it. */
static void an_act_in_hand_is_waited_for(void **state)
{
    (void)state;
    struct ending e = begun();
    assert_false(ending_is_over(&e, true, true, false, BEGIN_MS));
    assert_false(ending_is_over(&e, true, false, false, BEGIN_MS + 5000));
    assert_false(ending_is_over(&e, false, false, false, BEGIN_MS + 8000));
    assert_false(ending_is_over(&e, false, false, false, BEGIN_MS + 9999));
    assert_true(ending_is_over(&e, false, false, false, BEGIN_MS + 10000));
}

static void no_longer_than_the_system_waits(void **state)
{
    (void)state;
    struct ending e = begun();
    assert_false(ending_is_over(&e, true, false, false, BEGIN_MS + 19999));
    assert_true(ending_is_over(&e, true, false, false, BEGIN_MS + 20000));
    e = begun();
    assert_false(ending_is_over(&e, true, false, true, BEGIN_MS + 49999));
    assert_true(ending_is_over(&e, true, false, true, BEGIN_MS + 50000));
}

static void a_mere_look_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(ending_waits_for(CALL_RECYCLE));
    assert_true(ending_waits_for(CALL_SERVICE_STOP));
    assert_true(ending_waits_for(CALL_SERVICE_WAIT));
    assert_false(ending_waits_for(CALL_LOOK));
    assert_false(ending_waits_for(CALL_BEAT));
    assert_false(ending_waits_for(CALL_PROBE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_until_it_is_told_to_stop),
        cmocka_unit_test(results_are_told_for_a_moment),
        cmocka_unit_test(an_act_in_hand_is_waited_for),
        cmocka_unit_test(no_longer_than_the_system_waits),
        cmocka_unit_test(a_mere_look_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
