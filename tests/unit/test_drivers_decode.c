/* What appcmd may print, byte by byte, and what becomes of it. */
#include "agent/drivers/iis_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(s) s, sizeof(s) - 1

static void expect(const char *bytes, size_t len, const char *code_page, const char *expected)
{
    char *out = NULL;
    size_t out_len = 0;
    struct error err;
    assert_int_equal(iis_decode_on(bytes, len, code_page, "CP850", "CP1252", &out, &out_len, &err),
                     ERR_NONE);
    assert_int_equal(out_len, strlen(expected));
    assert_string_equal(out, expected);
    iis_wipe_free(out, out_len);
}

static void expect_corrupt(const char *bytes, size_t len, const char *code_page)
{
    char *out = NULL;
    size_t out_len = 0;
    struct error err = {0};
    assert_int_equal(iis_decode_on(bytes, len, code_page, "CP850", "CP1252", &out, &out_len, &err),
                     ERR_CORRUPT);
    assert_null(out);
    assert_true(strlen(err.text) > 0);
}

static void plain_and_utf8_stay_as_they_are(void **state)
{
    (void)state;
    expect(BYTES(""), NULL, "");
    expect(BYTES("<appcmd></appcmd>\r\n"), NULL, "<appcmd></appcmd>\r\n");
    expect(BYTES("M\xC3\xBCll"), NULL, "M\xC3\xBCll");
}

static void byte_order_marks_go(void **state)
{
    (void)state;
    expect(BYTES("\xEF\xBB\xBF<a/>"), NULL, "<a/>");
    expect(BYTES("\xFF\xFE<\0a\0/\0>\0"), NULL, "<a/>");
    expect(BYTES("\xFE\xFF\0<\0a\0/\0>"), NULL, "<a/>");
    expect(BYTES("\xEF\xBB\xBF"), NULL, "");
}

static void utf16_is_known_without_a_mark(void **state)
{
    (void)state;
    expect(BYTES("<\0a\0/\0>\0"), NULL, "<a/>");
    expect(BYTES("\0<\0a\0/\0>"), NULL, "<a/>");
    expect(BYTES("\xFF\xFE\xFC\0"), NULL, "\xC3\xBC");
}

static void oem_and_ansi_are_told_apart_by_their_letters(void **state)
{
    (void)state;
    const char *expected = "<APPPOOL APPPOOL.NAME=\"M\xC3\xBCller \xC3\x84pfel\"/>";
    expect(BYTES("<APPPOOL APPPOOL.NAME=\"M\x81ller \x8Epfel\"/>"), NULL, expected);
    expect(BYTES("<APPPOOL APPPOOL.NAME=\"M\xFCller \xC4pfel\"/>"), NULL, expected);
    expect(BYTES("\x84\x94\x81\x8E\x99\x9A\xE1"), NULL,
           "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x84\xC3\x96\xC3\x9C\xC3\x9F");
    expect(BYTES("\xE4\xF6\xFC\xC4\xD6\xDC\xDF"), NULL,
           "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x84\xC3\x96\xC3\x9C\xC3\x9F");
}

static void declaration_that_lies_about_utf8_is_not_believed(void **state)
{
    (void)state;
    expect(BYTES("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a b=\"M\x81ller\"/>"), NULL,
           "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a b=\"M\xC3\xBCller\"/>");
}

static void declared_code_page_is_used(void **state)
{
    (void)state;
    expect(BYTES("<?xml version=\"1.0\" encoding='windows-1251'?><a b=\"\xCC\"/>"), NULL,
           "<?xml version=\"1.0\" encoding='windows-1251'?><a b=\"\xD0\x9C\"/>");
    /* unknown to the system: the rest of the rules */
    expect(BYTES("<?xml version=\"1.0\" encoding=\"klingon\"?><a b=\"\x81\"/>"), NULL,
           "<?xml version=\"1.0\" encoding=\"klingon\"?><a b=\"\xC3\xBC\"/>");
}

static void code_page_of_the_settings_comes_before_the_guess(void **state)
{
    (void)state;
    expect(BYTES("\xCC"), "WINDOWS-1251", "\xD0\x9C");
    expect(BYTES("M\xC3\xBCll"), "WINDOWS-1251", "M\xC3\xBCll"); /* but not before valid UTF-8 */
    expect_corrupt(BYTES("\x81\xFF"), "CP932"); /* of one byte, Windows has every one */
}

static void what_fits_nothing_is_corrupt(void **state)
{
    (void)state;
    expect_corrupt(BYTES("\xFF\xFE<\0a"), NULL);        /* half a character of UTF-16 */
    expect_corrupt(BYTES("\xFF\xFE\x00\xD8<\0"), NULL); /* a surrogate alone */
    expect_corrupt(BYTES("abc\0\x81"), NULL);
    expect_corrupt(BYTES("\xEF\xBB\xBF"
                         "a\0b"),
                   NULL);
    expect_corrupt(BYTES("\xFF\xFE"
                         "a\0\0\0"),
                   NULL);
}

static void expect_on(const char *consoles, const char *programs, const char *bytes,
                      const char *expected)
{
    char *out = NULL;
    size_t out_len = 0;
    struct error err;
    assert_int_equal(
        iis_decode_on(bytes, strlen(bytes), NULL, consoles, programs, &out, &out_len, &err),
        ERR_NONE);
    assert_string_equal(out, expected);
    iis_wipe_free(out, out_len);
}

/* What the guess of a western machine would make of these is other letters. */
static void code_pages_of_the_machine_are_its_own(void **state)
{
    (void)state;
    expect_on("CP437", "CP1252", "na\x8Bve", "na\xC3\xAFve");
    expect_on("CP852", "CP1250", "Mu\x9Fka", "Mu\xC4\x8Dka"); /* Czech: CP850 has no such letter */
    expect_on("CP866", "CP1251", "\x8C\xA0\xA3", "\xD0\x9C\xD0\xB0\xD0\xB3");
    expect_on("CP866", "CP1251", "\xCC\xE0\xE3", "\xD0\x9C\xD0\xB0\xD0\xB3");
    expect_on("CP936", "CP936", "\xB5\xEA\xC6\xCC", "\xE5\xBA\x97\xE9\x93\xBA"); /* Chinese */
    expect_on("CP932", "CP932", "\x93\x58", "\xE5\xBA\x97");
    expect_on("", "", "M\x81ller", "M\xC3\xBCller");
}

static void known_code_pages(void **state)
{
    (void)state;
    assert_true(iis_code_page_known("CP850"));
    assert_true(iis_code_page_known("WINDOWS-1252"));
    assert_false(iis_code_page_known("CP-none-such"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_utf8_stay_as_they_are),
        cmocka_unit_test(byte_order_marks_go),
        cmocka_unit_test(utf16_is_known_without_a_mark),
        cmocka_unit_test(oem_and_ansi_are_told_apart_by_their_letters),
        cmocka_unit_test(declaration_that_lies_about_utf8_is_not_believed),
        cmocka_unit_test(declared_code_page_is_used),
        cmocka_unit_test(code_page_of_the_settings_comes_before_the_guess),
        cmocka_unit_test(what_fits_nothing_is_corrupt),
        cmocka_unit_test(code_pages_of_the_machine_are_its_own),
        cmocka_unit_test(known_code_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
