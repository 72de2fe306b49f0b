/* Which pipes are listened to, on virtual time. */
#include "coordinator/link/allowance.h"
#include "coordinator/link/link_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BUSY "127.0.0.1"

static struct link_guard_report report;

static bool add(struct link_guard *g, uint32_t pipe, uint64_t now_ms)
{
    char peer[LINK_PEER_MAX];
    snprintf(peer, sizeof(peer), BUSY ":%u", pipe);
    return link_guard_add(g, pipe, BUSY, peer, now_ms);
}

static void bad_pipe(struct link_guard *g, uint32_t pipe, uint64_t now_ms)
{
    assert_true(add(g, pipe, now_ms));
    link_guard_bad(g, pipe, now_ms, &report);
}

static void bad_pipe_is_not_heard_again(void **state)
{
    struct link_guard *g = link_guard_new(10);
    (void)state;
    assert_true(add(g, 1, 0));
    assert_true(link_guard_admit(g, 1, 100, 0, &report));
    link_guard_bad(g, 1, 0, &report);
    assert_true(report.due);
    assert_string_equal(report.peer, BUSY ":1");
    assert_int_equal(report.dropped, 1);
    assert_false(link_guard_admit(g, 1, 100, 100000000, &report));
    assert_false(link_guard_good(g, 1));
    assert_int_equal(link_guard_quarantined(g), 1);
    assert_false(link_guard_remove(g, 1, 0, &report));
    assert_int_equal(link_guard_quarantined(g), 0);
    assert_int_equal(link_guard_pipes(g), 0);
    link_guard_free(g);
}

static void one_report_per_address_in_its_time(void **state)
{
    struct link_guard *g = link_guard_new(10);
    (void)state;
    bad_pipe(g, 1, 0);
    assert_true(report.due);
    for (uint64_t t = 1; t < LINK_GUARD_REPORT_MS; t += 100) {
        assert_false(link_guard_admit(g, 1, 100, t, &report));
        assert_false(report.due);
    }
    assert_false(link_guard_admit(g, 1, 100, LINK_GUARD_REPORT_MS, &report));
    assert_true(report.due);
    assert_int_equal(report.dropped, 101);
    assert_true(link_guard_add(g, 2, "ipc pid 7", "ipc pid 7", 5));
    link_guard_bad(g, 2, 5, &report);
    assert_true(report.due); /* another address has its own */
    link_guard_free(g);
}

static void address_in_disfavour_waits_and_its_proven_pipes_do_not(void **state)
{
    struct link_guard *g = link_guard_new(100);
    (void)state;
    assert_true(add(g, 1, 0));
    assert_true(link_guard_good(g, 1));
    for (uint32_t i = 0; i < LINK_GUARD_STRIKES; i++)
        bad_pipe(g, 100 + i, 0);
    assert_true(link_guard_admit(g, 1, 100, 0, &report));
    assert_true(add(g, 2, 0));
    assert_false(link_guard_admit(g, 2, 100, LINK_GUARD_WAIT_MS - 1, &report));
    assert_true(link_guard_admit(g, 2, 100, LINK_GUARD_WAIT_MS, &report)); /* it stayed */
    assert_true(link_guard_add(g, 3, "127.0.0.2", "127.0.0.2:1", 0));
    assert_true(link_guard_admit(g, 3, 100, 0, &report));
    link_guard_free(g);
}

static void strikes_are_forgotten_with_time(void **state)
{
    struct link_guard *g = link_guard_new(100);
    (void)state;
    for (uint32_t i = 0; i < LINK_GUARD_STRIKES; i++)
        bad_pipe(g, 100 + i, 0);
    assert_true(add(g, 1, LINK_GUARD_FORGET_MS - 1));
    assert_false(link_guard_admit(g, 1, 100, LINK_GUARD_FORGET_MS - 1, &report));
    assert_true(link_guard_admit(g, 1, 100, LINK_GUARD_FORGET_MS, &report));
    link_guard_free(g);
}

static void pipes_that_end_without_a_word_count(void **state)
{
    struct link_guard *g = link_guard_new(100);
    (void)state;
    for (uint32_t i = 0; i < LINK_GUARD_STRIKES; i++) {
        assert_false(report.due && i > 0);
        assert_true(add(g, i, 0));
        assert_false(link_guard_remove(g, i, 0, &report));
    }
    assert_true(report.due); /* by then it is no accident */
    assert_true(add(g, 50, 0));
    assert_false(link_guard_admit(g, 50, 100, 0, &report));
    link_guard_free(g);
}

static void proven_pipe_is_told_gone_and_counts_nothing(void **state)
{
    struct link_guard *g = link_guard_new(100);
    (void)state;
    for (uint32_t i = 0; i < 3 * LINK_GUARD_STRIKES; i++) {
        assert_true(add(g, 7, 0));
        assert_true(link_guard_admit(g, 7, 100, 0, &report));
        assert_true(link_guard_good(g, 7));
        assert_string_equal(link_guard_peer(g, 7), BUSY ":7");
        assert_true(link_guard_remove(g, 7, 0, &report));
    }
    assert_string_equal(link_guard_peer(g, 7), "");
    link_guard_free(g);
}

static void message_after_the_end_of_its_pipe_is_dropped(void **state)
{
    struct link_guard *g = link_guard_new(100);
    (void)state;
    assert_true(add(g, 1, 0));
    assert_true(link_guard_good(g, 1));
    assert_true(link_guard_remove(g, 1, 0, &report));
    assert_false(link_guard_admit(g, 1, 100, 0, &report));
    assert_false(link_guard_good(g, 1));
    assert_false(link_guard_remove(g, 1, 0, &report)); /* told twice */
    link_guard_bad(g, 1, 0, &report);
    assert_false(report.due);
    link_guard_free(g);
}

static void memory_is_bounded(void **state)
{
    struct link_guard *g = link_guard_new(3);
    char address[LINK_PEER_MAX];
    (void)state;
    assert_true(add(g, 1, 0) && add(g, 2, 0) && add(g, 3, 0));
    assert_false(add(g, 4, 0));
    assert_int_equal(link_guard_pipes(g), 3);
    link_guard_bad(g, 1, 0, &report);
    link_guard_bad(g, 2, 0, &report); /* two strikes: the last to be forgotten */
    link_guard_remove(g, 3, 0, &report);
    for (uint32_t i = 0; i < 3 * LINK_GUARD_ADDRESSES; i++) {
        snprintf(address, sizeof(address), "10.0.0.%u", i);
        assert_true(link_guard_add(g, 9, address, address, 0));
        link_guard_bad(g, 9, 0, &report);
        link_guard_remove(g, 9, 0, &report);
    }
    assert_false(link_guard_admit(g, 1, 100, LINK_GUARD_REPORT_MS - 1, &report));
    assert_false(report.due); /* it is still known when it was last told */
    link_guard_free(g);
}

static void named_and_idle_pipes_are_found(void **state)
{
    struct link_guard *g = link_guard_new(10);
    uint32_t found[10];
    (void)state;
    for (uint32_t pipe = 1; pipe <= 3; pipe++)
        assert_true(add(g, pipe, 0));
    link_guard_set_name(g, 1, "web01", 0);
    link_guard_set_name(g, 2, "web02", 0);
    assert_string_equal(link_guard_name(g, 2), "web02");
    assert_string_equal(link_guard_name(g, 3), "");
    assert_int_equal(link_guard_named(g, "WEB01", found, 10), 1);
    assert_int_equal(found[0], 1);
    assert_int_equal(link_guard_idle(g, 60000, 60000, found, 2), 2); /* no more than asked for */
    link_guard_admit(g, 1, 100, 59999, &report);
    link_guard_bad(g, 2, 59999, &report);
    assert_int_equal(link_guard_idle(g, 60000, 60000, found, 10), 2); /* 2 said nothing either */
    link_guard_free(g);
}

/* A server that restarts ten times is no stranger who tries something. */
static void named_pipes_that_end_are_no_strikes(void **state)
{
    struct link_guard *g = link_guard_new(100);
    (void)state;
    for (uint32_t pipe = 1; pipe <= 2 * LINK_GUARD_STRIKES; pipe++) {
        assert_true(add(g, pipe, 0));
        link_guard_set_name(g, pipe, "web01", 0);
        link_guard_remove(g, pipe, 0, &report);
        assert_false(report.due);
    }
    assert_true(add(g, 99, 0));
    assert_true(link_guard_admit(g, 99, 100, 0, &report));
    link_guard_free(g);
}

/* Beyond its allowance nothing is decoded, and with time it is heard again; others do not feel it.
 */
static void who_says_too_much_is_not_heard_for_a_while(void **state)
{
    struct link_guard *g = link_guard_new(10);
    (void)state;
    for (uint32_t pipe = 1; pipe <= 3; pipe++)
        assert_true(add(g, pipe, 0));
    link_guard_set_name(g, 1, "web01", 0);
    link_guard_set_name(g, 2, "WEB01", 0); /* a second connection does not double it */
    link_guard_set_name(g, 3, "web02", 0);
    for (int i = 0; i < ALLOWANCE_MESSAGES_ONCE; i++)
        assert_true(link_guard_admit(g, 1 + i % 2, 100, 5, &report));
    assert_false(link_guard_admit(g, 1, 100, 5, &report));
    assert_true(report.due);
    assert_non_null(strstr(report.why, "allowance"));
    assert_false(link_guard_admit(g, 2, 100, 5, &report));
    assert_true(link_guard_admit(g, 3, 100, 5, &report));
    assert_true(link_guard_admit(g, 1, 100, 5 + 1000 / ALLOWANCE_MESSAGES, &report));
    assert_false(link_guard_admit(g, 1, 100, 5 + 1000 / ALLOWANCE_MESSAGES, &report));
    link_guard_free(g);
}

static void allowance_counts_bytes_too(void **state)
{
    struct allowance a = {0};
    (void)state;
    assert_true(allowance_take(&a, ALLOWANCE_BYTES_ONCE, 7));
    assert_false(allowance_take(&a, 1, 7));
    assert_true(allowance_take(&a, ALLOWANCE_BYTES / 2, 7 + 501));
    assert_false(allowance_take(&a, ALLOWANCE_BYTES / 2, 7 + 501));
    assert_true(allowance_take(&a, ALLOWANCE_BYTES_ONCE, UINT64_MAX / 2)); /* after ages */
    assert_false(allowance_take(&a, 1, 3)); /* a clock that went back gives nothing */
}

/* The oldest that is silent goes: an agent whose network flaps is never locked out by ends that
 * nobody was told. Where all speak, there are no more. */
static void connections_of_one_name_are_bounded(void **state)
{
    struct link_guard *g = link_guard_new(100);
    const uint64_t later = LINK_GUARD_SILENT_MS;
    uint32_t pipe = 1;
    (void)state;
    for (; pipe <= LINK_GUARD_PIPES; pipe++) {
        assert_true(add(g, pipe, 0));
        assert_int_equal(link_guard_set_name(g, pipe, "web01", 0), 0);
    }
    assert_true(add(g, 90, 0));
    assert_int_equal(link_guard_set_name(g, 90, "web02", 0), 0);
    assert_true(add(g, 91, 0));
    assert_int_equal(link_guard_set_name(g, 91, "web01", later - 1), 91);
    link_guard_remove(g, 91, 0, &report);
    assert_true(link_guard_admit(g, 1, 100, later, &report));
    assert_true(add(g, 92, later));
    assert_int_equal(link_guard_set_name(g, 92, "web01", later), 2); /* 1 has just spoken */
    link_guard_remove(g, 3, later, &report);
    assert_true(add(g, 93, later));
    assert_int_equal(link_guard_set_name(g, 93, "web01", later), 0); /* there is room again */
    assert_string_equal(link_guard_name(g, 2), "web01");             /* until it ends */
    link_guard_remove(g, 2, later, &report);
    link_guard_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_and_idle_pipes_are_found),
        cmocka_unit_test(who_says_too_much_is_not_heard_for_a_while),
        cmocka_unit_test(allowance_counts_bytes_too),
        cmocka_unit_test(connections_of_one_name_are_bounded),
        cmocka_unit_test(named_pipes_that_end_are_no_strikes),
        cmocka_unit_test(bad_pipe_is_not_heard_again),
        cmocka_unit_test(one_report_per_address_in_its_time),
        cmocka_unit_test(address_in_disfavour_waits_and_its_proven_pipes_do_not),
        cmocka_unit_test(strikes_are_forgotten_with_time),
        cmocka_unit_test(pipes_that_end_without_a_word_count),
        cmocka_unit_test(proven_pipe_is_told_gone_and_counts_nothing),
        cmocka_unit_test(message_after_the_end_of_its_pipe_is_dropped),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests_name("link_guard", tests, NULL, NULL);
}
