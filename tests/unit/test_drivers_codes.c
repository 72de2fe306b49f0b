/* Every exit code of appcmd means one thing per verb, and retries end. */
#include "agent/drivers/iis_codes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE 1000000

static void every_code_is_translated_for_every_verb(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        /* list, list request, recycle, start, stop, set */
        enum error_code means[IIS_VERB_COUNT];
    } expected[] = {
        {0, {ERR_NONE, ERR_NONE, ERR_NONE, ERR_NONE, ERR_NONE, ERR_NONE}},
        {1, {ERR_NONE, ERR_NONE, ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_INVALID}},
        {5, {ERR_DENIED, ERR_DENIED, ERR_DENIED, ERR_DENIED, ERR_DENIED, ERR_DENIED}},
        {13, {ERR_CORRUPT, ERR_CORRUPT, ERR_CORRUPT, ERR_CORRUPT, ERR_CORRUPT, ERR_CORRUPT}},
        {32, {ERR_BUSY, ERR_BUSY, ERR_BUSY, ERR_BUSY, ERR_BUSY, ERR_BUSY}},
        {50,
         {ERR_UNAVAILABLE, ERR_UNAVAILABLE, ERR_UNAVAILABLE, ERR_UNAVAILABLE, ERR_UNAVAILABLE,
          ERR_UNAVAILABLE}},
        {87, {ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_INVALID, ERR_INVALID}},
        {183, {ERR_IO, ERR_IO, ERR_IO, ERR_IO, ERR_IO, ERR_IO}},
        {258, {ERR_TIMEOUT, ERR_TIMEOUT, ERR_TIMEOUT, ERR_TIMEOUT, ERR_TIMEOUT, ERR_TIMEOUT}},
        {1056, {ERR_STATE, ERR_STATE, ERR_STATE, ERR_EXISTS, ERR_STATE, ERR_STATE}},
        {1061, {ERR_BUSY, ERR_BUSY, ERR_BUSY, ERR_BUSY, ERR_BUSY, ERR_BUSY}},
        {1062, {ERR_STATE, ERR_STATE, ERR_STATE, ERR_STATE, ERR_EXISTS, ERR_STATE}},
        {1168,
         {ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND,
          ERR_NOT_FOUND}},
        {1726, {ERR_UNAVAILABLE, ERR_UNAVAILABLE, ERR_IO, ERR_IO, ERR_IO, ERR_IO}},
        {2147549190u, {ERR_UNAVAILABLE, ERR_UNAVAILABLE, ERR_IO, ERR_IO, ERR_IO, ERR_IO}},
        {4312, {ERR_STATE, ERR_STATE, ERR_STATE, ERR_STATE, ERR_STATE, ERR_STATE}},
        {999999, {ERR_IO, ERR_IO, ERR_IO, ERR_IO, ERR_IO, ERR_IO}},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        for (int verb = 0; verb < IIS_VERB_COUNT; verb++) {
            const struct iis_code *means = iis_code_find(expected[i].code, (enum iis_verb)verb);
            if (means->result != expected[i].means[verb])
                fail_msg("code %u, verb %d: %s", expected[i].code, verb,
                         error_code_name(means->result));
            assert_non_null(means->advice);
        }
}

static void hresult_of_win32_is_its_code(void **state)
{
    (void)state;
    assert_int_equal(iis_code_of_hresult(0x80070425u), 1061);
    assert_int_equal(iis_code_of_hresult(2147943461u), 1061);
    assert_int_equal(iis_code_of_hresult(0x80010006u), 0x80010006u);
    assert_int_equal(iis_code_of_hresult(1062), 1062);
    assert_int_equal(iis_code_find(0x80070426u, IIS_STOP)->result, ERR_EXISTS);
}

static void only_fifty_asks_the_service_and_never_for_requests(void **state)
{
    (void)state;
    assert_true(iis_code_find(50, IIS_RECYCLE)->ask_service);
    assert_true(iis_code_find(50, IIS_LIST)->ask_service);
    assert_false(iis_code_find(50, IIS_LIST_REQUESTS)->ask_service);
    assert_false(iis_code_find(5, IIS_RECYCLE)->ask_service);
}

static void hresult_is_found_in_text(void **state)
{
    (void)state;
    uint32_t code = 7;
    assert_true(
        iis_code_in_text("ERROR ( hresult:80070425, message:Command execution failed.\r\n", &code));
    assert_int_equal(code, 1061);
    assert_false(iis_code_in_text("ERROR ( message:Cannot find it )", &code));
    assert_false(iis_code_in_text("hresult:8007", &code));
    assert_false(iis_code_in_text("hresult:800704251", &code));
    assert_int_equal(code, 1061);
}

static void locked_file_is_tried_again_until_the_deadline(void **state)
{
    (void)state;
    struct iis_retry retry = {0};
    uint64_t now = DEADLINE - 10000, wait = 0, waited = 0;
    unsigned tries = 0;
    while (iis_retry_next(&retry, IIS_REPEAT_LOCKED, now, DEADLINE, &wait)) {
        assert_true(wait >= 250 && wait <= 4000);
        now += wait;
        waited += wait;
        tries++;
    }
    assert_int_equal(tries, 5); /* 250 + 500 + 1000 + 2000 + 4000 */
    assert_int_equal(waited, 7750);
}

static void broken_call_is_tried_once_more_after_a_second(void **state)
{
    (void)state;
    struct iis_retry retry = {0};
    uint64_t wait = 0;
    assert_true(iis_retry_next(&retry, IIS_REPEAT_BROKEN, 0, DEADLINE, &wait));
    assert_int_equal(wait, 1000);
    assert_false(iis_retry_next(&retry, IIS_REPEAT_BROKEN, 1000, DEADLINE, &wait));
}

static void other_failures_are_never_repeated(void **state)
{
    (void)state;
    struct iis_retry retry = {0};
    uint64_t wait = 0;
    assert_false(iis_retry_next(&retry, IIS_REPEAT_NEVER, 0, DEADLINE, &wait));
    assert_false(iis_retry_next(&retry, IIS_REPEAT_LOCKED, DEADLINE - 100, DEADLINE, &wait));
    assert_int_equal(iis_code_find(1726, IIS_RECYCLE)->repeat, IIS_REPEAT_NEVER);
    assert_int_equal(iis_code_find(1726, IIS_LIST)->repeat, IIS_REPEAT_BROKEN);
    assert_int_equal(iis_code_find(32, IIS_SET)->repeat, IIS_REPEAT_LOCKED);
}

static void verbs_have_the_names_that_appcmd_knows(void **state)
{
    (void)state;
    assert_string_equal(iis_verb_name(IIS_RECYCLE), "recycle");
    assert_string_equal(iis_verb_name(IIS_START), "start");
    assert_string_equal(iis_verb_name(IIS_STOP), "stop");
    assert_string_equal(iis_verb_name(IIS_SET), "set");
    assert_false(iis_verb_acts(IIS_LIST));
    assert_false(iis_verb_acts(IIS_LIST_REQUESTS));
    assert_true(iis_verb_acts(IIS_SET));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_translated_for_every_verb),
        cmocka_unit_test(hresult_of_win32_is_its_code),
        cmocka_unit_test(only_fifty_asks_the_service_and_never_for_requests),
        cmocka_unit_test(hresult_is_found_in_text),
        cmocka_unit_test(locked_file_is_tried_again_until_the_deadline),
        cmocka_unit_test(broken_call_is_tried_once_more_after_a_second),
        cmocka_unit_test(other_failures_are_never_repeated),
        cmocka_unit_test(verbs_have_the_names_that_appcmd_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
