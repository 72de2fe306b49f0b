/* The little HTTP that joining and doctor need. */
#include "agent/join_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ANSWER(headers) "HTTP/1.1 404 Not Found\r\n" headers "\r\n\r\nbody"

static void the_other_sides_clock_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int64_t ms; /* 0: none */
    } cases[] = {
        {ANSWER("Date: Fri, 27 Nov 2026 07:36:15 GMT"), INT64_C(1795764975000)},
        {ANSWER("Connection: close\r\ndate:Thu, 01 Jan 1970 00:00:01 GMT"), 1000},
        {ANSWER("Connection: close"), 0},
        {ANSWER("Date: Friday, 27-Nov-26 07:36:15 GMT"), 0},
        {ANSWER("Date: Fri, 27 ovD 2026 07:36:15 GMT"), 0}, /* within two months' names */
        {ANSWER("Date: Fri, 27 Nov 2026 07:36:15 CET"), 0},
        {ANSWER("Date: Fri, 99 Nov 2026 07:36:15 GMT"), 0},
        {ANSWER("X: y") "Date: Fri, 27 Nov 2026 07:36:15 GMT\r\n", 0}, /* not in the body */
        {"HTTP/1.1 200 OK\r\nDate: Fri, 27 Nov 2026 07:36:15 GMT\r\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 0;
        assert_int_equal(join_reply_date(cases[i].answer, &ms), cases[i].ms != 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_other_sides_clock_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
