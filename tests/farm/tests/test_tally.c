/* What the visitors remember: histogram and tally. */
#include "tests/farm/visitors/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void percentiles_are_at_most_three_percent_high(void **state)
{
    (void)state;
    static struct histogram h;
    memset(&h, 0, sizeof(h));
    for (uint64_t us = 1; us <= 100000; us++)
        histogram_add(&h, us);
    uint64_t half = histogram_permille(&h, 500);
    uint64_t most = histogram_permille(&h, 990);
    assert_true(half >= 50000 && half <= 51600);
    assert_true(most >= 99000 && most <= 100000);
    assert_int_equal(histogram_permille(&h, 1000), 100000);
    assert_int_equal(h.max_us, 100000);
}

static void histogram_takes_any_value(void **state)
{
    (void)state;
    static struct histogram h;
    memset(&h, 0, sizeof(h));
    assert_int_equal(histogram_permille(&h, 500), 0);
    histogram_add(&h, 0);
    assert_int_equal(histogram_permille(&h, 500), 0);
    histogram_add(&h, UINT64_MAX);
    assert_int_equal(h.max_us, UINT64_MAX);
    assert_int_equal(h.total, 2);
}

static json_int_t number(const json_t *json, const char *key, const char *inside)
{
    const json_t *value = json_object_get(json, key);
    if (inside)
        value = json_object_get(value, inside);
    assert_non_null(value);
    return json_integer_value(value);
}

static void visit(struct tally *t, bool post, uint64_t due_us, uint64_t took_us, enum failure how)
{
    struct visit v = {.path = "/",
                      .post = post,
                      .due_us = due_us,
                      .sent_us = due_us,
                      .over_us = due_us + took_us,
                      .failure = how,
                      .status = how == FAILURE_STATUS ? 503
                                : how == FAILURE_NONE ? 200
                                                      : 0,
                      .server = how == FAILURE_NONE ? "web01" : ""};
    tally_sent(t, post, false, v.due_us, v.sent_us);
    tally_over(t, &v);
}

static void failures_are_counted_by_kind_method_and_second(void **state)
{
    (void)state;
    struct tally *t = tally_new("x", 1000000, 0);
    visit(t, false, 1000000, 500, FAILURE_NONE);
    visit(t, true, 1500000, 100, FAILURE_REFUSED);
    visit(t, true, 3100000, 100, FAILURE_STATUS);
    visit(t, false, 3200000, 5000000, FAILURE_TIMEOUT);
    json_t *json = tally_json(t, 9000000);
    assert_int_equal(number(json, "sent", NULL), 4);
    assert_int_equal(number(json, "answered", NULL), 1);
    assert_int_equal(number(json, "failed", NULL), 3);
    assert_int_equal(number(json, "pending", NULL), 0);
    assert_int_equal(number(json, "failures", "refused"), 1);
    assert_int_equal(number(json, "failures", "5xx"), 1);
    assert_int_equal(number(json, "failures", "timeout"), 1);
    assert_int_equal(number(json, "failures", "reset"), 0);
    assert_int_equal(number(json, "posts", "failed"), 2);
    assert_int_equal(number(json, "gets", "failed"), 1);
    assert_int_equal(number(json, "servers", "web01"), 1);
    assert_int_equal(number(json, "statuses", "503"), 1);
    const json_t *seconds = json_object_get(json, "seconds");
    assert_int_equal(json_array_size(seconds), 2); /* the first and the third */
    assert_int_equal(number(json_array_get(seconds, 0), "refused", NULL), 1);
    assert_int_equal(number(json_array_get(seconds, 1), "second", NULL), 2);
    assert_int_equal(number(json_array_get(seconds, 1), "timeout", NULL), 1);
    assert_int_equal(json_array_size(json_object_get(json, "failed_visits")), 3);
    json_decref(json);
    tally_free(t);
}

static void late_visitor_is_told_apart(void **state)
{
    (void)state;
    struct tally *t = tally_new("x", 0, 0);
    struct visit v = {.path = "/",
                      .due_us = 1000,
                      .sent_us = 1000 + TALLY_LATE_US,
                      .over_us = 2000 + TALLY_LATE_US,
                      .failure = FAILURE_RESET,
                      .server = ""};
    tally_sent(t, false, true, v.due_us, v.sent_us);
    tally_over(t, &v);
    visit(t, false, 5000, 10, FAILURE_RESET);
    json_t *json = tally_json(t, 1);
    assert_int_equal(number(json, "failed", NULL), 2); /* a lost request is a lost request */
    assert_int_equal(number(json, "own_delay_ms", "late"), 1);
    assert_int_equal(number(json, "own_delay_ms", "late_and_failed"), 1);
    json_decref(json);
    tally_free(t);
}

static void what_is_not_answered_yet_is_pending(void **state)
{
    (void)state;
    struct tally *t = tally_new("x", 0, 0);
    tally_sent(t, false, false, 0, 0);
    assert_int_equal(tally_pending(t), 1);
    tally_close(t, 3000000);
    json_t *json = tally_json(t, 9000000);
    assert_int_equal(number(json, "duration_ms", NULL), 3000);
    assert_int_equal(number(json, "failed", NULL), 0);
    json_decref(json);
    tally_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_at_most_three_percent_high),
        cmocka_unit_test(histogram_takes_any_value),
        cmocka_unit_test(failures_are_counted_by_kind_method_and_second),
        cmocka_unit_test(late_visitor_is_told_apart),
        cmocka_unit_test(what_is_not_answered_yet_is_pending),
    };
    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
