/* The visitors' reader of HTTP responses. */
#include "tests/farm/visitors/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct response r;

static enum response_state feed(const char *bytes)
{
    response_begin(&r);
    return response_feed(&r, bytes, strlen(bytes));
}

static void sized_body_is_whole_at_its_last_byte(void **state)
{
    (void)state;
    assert_int_equal(
        feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Lab-Server: web07\r\n\r\nhell"),
        RESPONSE_MORE);
    assert_int_equal(response_feed(&r, "o", 1), RESPONSE_WHOLE);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.server, "web07");
    assert_false(r.close);
}

/* However the network cuts it. */
static void any_cut_gives_the_same(void **state)
{
    (void)state;
    const char *bytes = "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n"
                        "Connection: close\r\n\r\n4;x=y\r\nWiki\r\n0\r\nTrailer: x\r\n\r\n";
    for (size_t cut = 1; cut < strlen(bytes); cut++) {
        response_begin(&r);
        assert_int_equal(response_feed(&r, bytes, cut), RESPONSE_MORE);
        assert_int_equal(response_feed(&r, bytes + cut, strlen(bytes) - cut), RESPONSE_WHOLE);
        assert_int_equal(r.status, 503);
        assert_true(r.close);
    }
}

static void empty_body_and_no_content_are_whole_at_once(void **state)
{
    (void)state;
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), RESPONSE_WHOLE);
    assert_int_equal(feed("HTTP/1.1 204 No Content\r\n\r\n"), RESPONSE_WHOLE);
}

static void interim_response_is_skipped(void **state)
{
    (void)state;
    assert_int_equal(feed("HTTP/1.1 100 Continue\r\n\r\n"
                          "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
                     RESPONSE_WHOLE);
    assert_int_equal(r.status, 500);
}

static void end_of_connection_ends_only_an_unsized_body(void **state)
{
    (void)state;
    assert_int_equal(feed("HTTP/1.1 200 OK\r\n\r\nsome"), RESPONSE_MORE);
    assert_int_equal(response_end(&r), RESPONSE_WHOLE);
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), RESPONSE_MORE);
    assert_int_equal(response_end(&r), RESPONSE_CUT);
    assert_int_equal(feed("HTTP/1.1 20"), RESPONSE_MORE);
    assert_int_equal(response_end(&r), RESPONSE_CUT);
    response_begin(&r);
    assert_int_equal(response_end(&r), RESPONSE_CUT); /* before the first byte */
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki"),
                     RESPONSE_MORE);
    assert_int_equal(response_end(&r), RESPONSE_CUT);
}

static void nonsense_is_broken(void **state)
{
    (void)state;
    char line[2 * RESPONSE_LINE_MAX];
    assert_int_equal(feed("SSH-2.0-OpenSSH\r\n"), RESPONSE_BROKEN);
    assert_int_equal(feed("HTTP/1.1 999 What\r\n"), RESPONSE_BROKEN);
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nno colon\r\n"), RESPONSE_BROKEN);
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), RESPONSE_BROKEN);
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
                     RESPONSE_BROKEN);
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    assert_int_equal(feed(line), RESPONSE_BROKEN);
}

static void more_than_was_announced_is_broken(void **state)
{
    (void)state;
    assert_int_equal(feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200"),
                     RESPONSE_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sized_body_is_whole_at_its_last_byte),
        cmocka_unit_test(any_cut_gives_the_same),
        cmocka_unit_test(empty_body_and_no_content_are_whole_at_once),
        cmocka_unit_test(interim_response_is_skipped),
        cmocka_unit_test(end_of_connection_ends_only_an_unsized_body),
        cmocka_unit_test(nonsense_is_broken),
        cmocka_unit_test(more_than_was_announced_is_broken),
    };
    return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
