/* test_text.c - strings, UTF-8, globs, numbers, durations, times. */
#include "tests/unit/common/testing.h"

#include "common/clock.h"
#include "common/text.h"

static void a_buffer_grows_and_is_handed_over(void **state)
{
    (void)state;
    struct text t = {0};
    assert_string_equal(text_get(&t), "");
    for (int i = 0; i < 1000; i++)
        text_addf(&t, "%d,", i % 10);
    assert_int_equal(t.len, 2000);
    text_add(&t, "end");
    text_add_bytes(&t, "\0x", 2);
    assert_int_equal(t.len, 2005);
    assert_memory_equal(t.data + 2000, "end\0x", 6);
    char *taken = text_take(&t);
    assert_null(t.data);
    assert_memory_equal(taken, "0,1,2,", 6);
    free(taken);
    taken = text_take(&t);
    assert_string_equal(taken, "");
    free(taken);
    text_reset(&t);
}

static void a_copy_that_does_not_fit_ends_at_a_character(void **state)
{
    (void)state;
    char out[8];
    assert_true(text_copy(out, sizeof(out), "1234567"));
    assert_false(text_copy(out, sizeof(out), "12345678"));
    assert_string_equal(out, "1234567");
    assert_false(text_copy(out, sizeof(out), "12345\xE2\x82\xAC"));
    assert_string_equal(out, "12345");
    assert_true(text_copy(out, sizeof(out), "1234\xE2\x82\xAC"));
    assert_false(text_copy(out, sizeof(out),
                           "1234\xE2\x82\xAC"
                           "5"));
    assert_string_equal(out, "1234\xE2\x82\xAC");
    assert_false(text_copy(out, 0, "x"));
    assert_true(text_format(out, sizeof(out), "%d", 1234567));
    assert_false(text_format(out, sizeof(out), "%s", "123456\xC3\xA4"));
    assert_string_equal(out, "123456");
}

static void comparisons_take_null_and_ascii_case(void **state)
{
    (void)state;
    assert_true(text_equal(NULL, NULL));
    assert_false(text_equal(NULL, ""));
    assert_true(text_equal_nocase("Web-03", "wEB-03"));
    assert_false(text_equal_nocase("web", "web0"));
    assert_false(text_equal_nocase("web0", "web"));
    assert_false(text_equal_nocase("\xC3\x84", "\xC3\xA4")); /* ASCII only */
    assert_true(text_compare_nocase("WEB03", "web03") == 0);
    assert_true(text_compare_nocase("Web02", "web03") < 0 && text_compare_nocase("x", "W9") > 0);
    assert_true(text_compare_nocase("web", "web0") < 0 && text_compare_nocase("\xC3", "z") > 0);
    assert_true(text_starts("web03", "web"));
    assert_false(text_starts("we", "web"));
}

static void utf8_refuses_what_is_not(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\xC3\xA4",
                                       "\xE2\x82\xAC",
                                       "\xF0\x9F\x98\x80",
                                       "\xF4\x8F\xBF\xBF",
                                       "\xEF\xBF\xBF",
                                       "\xED\x9F\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x80\x80",
                                      "\xED\xA0\x80",
                                      "\xF0\x80\x80\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF8\x88\x80\x80\x80",
                                      "\xC3",
                                      "\xE2\x82",
                                      "a\xFF",
                                      "\xC3(",
                                      "\xE2\x82("};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    assert_false(text_is_utf8("a\0b", 3));
}

static void columns_count_wide_and_combining(void **state)
{
    (void)state;
    assert_int_equal(text_columns("web03"), 5);
    assert_int_equal(text_columns("B\xC3\xBCro"), 4);
    assert_int_equal(text_columns("\xE6\x9D\xB1\xE4\xBA\xAC"), 4); /* Tokyo */
    assert_int_equal(text_columns("e\xCC\x81"), 1);                /* e, combining acute */
    assert_int_equal(text_columns("\xF0\x9F\x98\x80"), 2);
    assert_int_equal(text_columns("a\xFF"), 2);
    assert_true(text_has_control("a\tb"));
    assert_true(text_has_control("\x7f"));
    assert_false(text_has_control("\xC3\xA4 b"));
}

static void globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *s;
        bool matches;
    } cases[] = {
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"web*", "web03", true},
        {"web*", "WEB03", true},
        {"web*", "we", false},
        {"w?b", "web", true},
        {"w?b", "wb", false},
        {"?", "\xC3\xA4", true},
        {"??", "\xC3\xA4", false},
        {"*?", "", false},
        {"*03", "web0303", true},
        {"*a*b", "xaxbxb", true},
        {"*a*b", "xaxbx", false},
        {"a.c", "abc", false},
        {"[ab]", "a", false},
        {"[ab]", "[ab]", true},
        {"**", "x", true},
        {"a*", "a", true},
        {"*?c",
         "\xC3\xA4"
         "c",
         true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (text_glob_match(cases[i].pattern, cases[i].s) != cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].s);
}

/* A matcher that tries every `*` anew would need longer than the age of the universe here. */
static void a_glob_of_stars_is_quick(void **state)
{
    (void)state;
    char name[4001];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(text_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

static void numbers_are_whole_and_within(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(text_parse_u64("18446744073709551615", 0, UINT64_MAX, &u));
    assert_true(u == UINT64_MAX);
    static const char *const bad[] = {
        "",    " 1", "1 ", "-1", "+1", "0x10", "18446744073709551616", "99999999999999999999",
        "1.5", "a"};
    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        u = 7;
        assert_false(text_parse_u64(bad[n], 0, UINT64_MAX, &u));
        assert_true(u == 7);
    }
    assert_false(text_parse_u64("5", 6, 9, &u));
    assert_false(text_parse_u64("10", 6, 9, &u));
    assert_true(text_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i));
    assert_true(i == INT64_MIN);
    assert_false(text_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &i));
    assert_false(text_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i));
    assert_false(text_parse_i64("-", INT64_MIN, INT64_MAX, &i));
    assert_false(text_parse_i64("--1", INT64_MIN, INT64_MAX, &i));
    assert_false(text_parse_i64("-2", -1, 1, &i));
}

static void durations_need_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        uint64_t ms;
    } good[] = {{"0", 0},       {"0s", 0},       {"250ms", 250},   {"30s", 30000},
                {"5m", 300000}, {"2h", 7200000}, {"7d", 604800000}};
    static const char *const bad[] = {
        "", "30", "s", "30 s", "-1s", "1.5s", "1w", "1hh", "1h30m", "99999999999999999d", "30S"};
    uint64_t ms;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(text_parse_duration(good[i].s, &ms));
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (text_parse_duration(bad[i], &ms))
            fail_msg("%s was taken", bad[i]);
}

static void durations_are_shown_short(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *s;
    } cases[] = {{0, "0s"},
                 {250, "250ms"},
                 {1000, "1s"},
                 {1250, "1.2s"},
                 {9990, "9.9s"},
                 {45999, "45s"},
                 {60000, "1m"},
                 {190000, "3m10s"},
                 {7500000, "2h05m"},
                 {7200000, "2h"},
                 {604800000, "7d"},
                 {97200000, "1d03h"},
                 {UINT64_MAX, "213503982334d14h"}};
    char out[TEXT_DURATION_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(text_format_duration(out, cases[i].ms), cases[i].s);
}

static void sizes_are_powers_of_1024(void **state)
{
    (void)state;
    uint64_t bytes;
    assert_true(text_parse_size("4096", &bytes) && bytes == 4096);
    assert_true(text_parse_size("64K", &bytes) && bytes == 65536);
    assert_true(text_parse_size("2G", &bytes) && bytes == UINT64_C(2) << 30);
    assert_false(text_parse_size("", &bytes));
    assert_false(text_parse_size("K", &bytes));
    assert_false(text_parse_size("1KB", &bytes));
    assert_false(text_parse_size("1T", &bytes));
    assert_false(text_parse_size("18014398509481984K", &bytes));
}

static void times_go_both_ways(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *s;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {INT64_C(1795378403123), "2026-11-22T20:13:23.123Z"},
                 {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
                 {INT64_C(-1), "1969-12-31T23:59:59.999Z"},
                 {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
                 {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"}};
    char out[TEXT_TIME_MAX];
    int64_t back;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(text_format_time(out, cases[i].ms), cases[i].s);
        assert_true(text_parse_time(cases[i].s, &back));
        assert_true(back == cases[i].ms);
    }
    for (int64_t day = -800000; day < 800000; day += 37) {
        assert_true(text_parse_time(text_format_time(out, day * 86400000 + 4711), &back));
        if (day > -719000)
            assert_true(back == day * 86400000 + 4711);
    }
    assert_string_equal(text_format_time(out, INT64_MAX), "9999-12-31T23:59:59.999Z");
    assert_string_equal(text_format_time(out, INT64_MIN), "0000-01-01T00:00:00.000Z");
    assert_true(text_parse_time("2026-11-22T20:13:23Z", &back));
    assert_true(back == INT64_C(1795378403000));
}

static void times_of_another_shape_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2026-11-22",
                                      "2026-11-22T20:13:23",
                                      "2026-11-22T20:13:23.1Z",
                                      "2026-11-22 20:13:23Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2026-11-31T00:00:00Z",
                                      "2026-11-00T00:00:00Z",
                                      "2026-11-22T24:00:00Z",
                                      "2026-11-22T20:60:00Z",
                                      "2026-11-22T20:13:60Z",
                                      "2026-11-22T20:13:23Zx"};
    int64_t ms = 5;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (text_parse_time(bad[i], &ms))
            fail_msg("%s was taken", bad[i]);
    assert_true(ms == 5);
}

static void hexadecimal_goes_both_ways(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x7f, 0xA5, 0xff};
    char hex[9];
    uint8_t back[4] = {1, 2, 3, 4};
    text_to_hex(hex, bytes, 4);
    assert_string_equal(hex, "007fa5ff");
    assert_false(text_from_hex("007fa5f", back, 4));
    assert_false(text_from_hex("007fa5fg", back, 4));
    assert_int_equal(back[0], 1);
    assert_true(text_from_hex("007FA5ff", back, 4));
    assert_memory_equal(back, bytes, 4);
}

static int join(const char *part, void *arg)
{
    text_addf(arg, "<%s>", part);
    return strcmp(part, "stop") == 0 ? 42 : 0;
}

static void splitting_trims_and_stops(void **state)
{
    (void)state;
    struct text t = {0};
    assert_int_equal(text_split(" a ,b b,, \tc\r\n", ',', join, &t), 0);
    assert_string_equal(t.data, "<a><b b><><c>");
    text_reset(&t);
    assert_int_equal(text_split("", ',', join, &t), 0);
    assert_string_equal(t.data, "<>");
    text_reset(&t);
    assert_int_equal(text_split("a,stop,b", ',', join, &t), 42);
    assert_string_equal(t.data, "<a><stop>");
    text_reset(&t);
}

static void clocks_agree_with_their_units(void **state)
{
    (void)state;
    uint64_t boot = clock_boot_ms();
    assert_true(boot > 0 && clock_boot_ms() >= boot);
    assert_true(clock_wall_ms() > INT64_C(1577836800000)); /* 2020 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_is_handed_over),
        cmocka_unit_test(a_copy_that_does_not_fit_ends_at_a_character),
        cmocka_unit_test(comparisons_take_null_and_ascii_case),
        cmocka_unit_test(utf8_refuses_what_is_not),
        cmocka_unit_test(columns_count_wide_and_combining),
        cmocka_unit_test(globs),
        cmocka_unit_test(a_glob_of_stars_is_quick),
        cmocka_unit_test(numbers_are_whole_and_within),
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(durations_are_shown_short),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(times_go_both_ways),
        cmocka_unit_test(times_of_another_shape_are_refused),
        cmocka_unit_test(hexadecimal_goes_both_ways),
        cmocka_unit_test(splitting_trims_and_stops),
        cmocka_unit_test(clocks_agree_with_their_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
