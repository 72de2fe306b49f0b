/* farmhand notice ..., against a scripted coordinator. */
#include "cli_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOTICE(delivered, failed, trouble)                                                         \
    "{\"notices\":[{\"name\":\"ops\",\"by\":\"url\",\"to\":\"https://hooks.example/...\","         \
    "\"waiting\":3,\"delivered\":41,\"given_up\":1,\"last_delivered\":" delivered                  \
    ",\"last_failed\":" failed                                                                     \
    ",\"delivered_at\":\"2026-11-22T20:00:00.000Z\",\"trouble\":\"" trouble "\"}]}"

static void notices_are_listed_with_their_trouble(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"GET /v1/notices", 200, NOTICE("40", "41", "answered 503\\u001b[2J"), 1},
        {"GET /v1/notices", 200, "{\"notices\":[]}", 1},
        {"GET /v1/notices", 200, NOTICE("40", "41", ""), 0},
    };
    serve(b, routes, 3, NULL, 0);
    run(b, "notice|list");
    assert_ended(b, 0);
    assert_has(&b->out, "answered 503");
    assert_has(&b->out, "https://hooks.example/...");
    assert_lacks(&b->out, "\033");
    run(b, "notice|list");
    assert_ended(b, 0);
    assert_has(&b->out, "no [notice NAME] section");
    run(b, "notice|list|--json");
    assert_ended(b, 0);
    assert_has(&b->out, "\"given_up\": 1");
}

/* It waits until the very notice that it sent was delivered, not any. */
static void test_waits_for_its_own_delivery(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"POST /v1/notices/ops/test", 202, "{\"id\":50}", 0},
        {"GET /v1/notices", 200, NOTICE("49", "0", ""), 2},
        {"GET /v1/notices", 200, NOTICE("50", "0", ""), 0},
        {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
    };
    serve(b, routes, 4, NULL, 0);
    run(b, "notice|test|ops");
    assert_ended(b, 0);
    assert_has(&b->out, "Delivered to https://hooks.example/...");
}

static void test_that_is_not_delivered_says_why(void **state)
{
    struct bench *b = *state;
    const struct fake_route routes[] = {
        {"POST /v1/notices/ops/test", 202, "{\"id\":50}", 1},
        {"POST /v1/notices/ops/test", 404,
         "{\"error\":{\"code\":\"not-found\",\"text\":\"there is no [notice ops]\"}}", 0},
        {"GET /v1/notices", 200, NOTICE("49", "50", "answered 503"), 0},
        {"GET /v1/runs", 200, "{\"runs\":[]}", 0},
    };
    serve(b, routes, 4, NULL, 0);
    run(b, "notice|test|ops");
    assert_ended(b, 1);
    assert_has(&b->err, "not delivered: answered 503");
    run(b, "notice|test|ops");
    assert_ended(b, 1);
    assert_has(&b->err, "there is no [notice ops]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(notices_are_listed_with_their_trouble),
        TEST(test_waits_for_its_own_delivery),
        TEST(test_that_is_not_delivered_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
