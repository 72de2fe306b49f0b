/* test_log.c - one event, one line, whatever the values hold. */
#include "tests/unit/common/testing.h"

#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>

#define FORMAT(out, size, ...)                                                                     \
    log_format(out, size, LOG_LEVEL_INFO, "e", (const struct log_field[]){__VA_ARGS__},            \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

static void fields_are_typed(void **state)
{
    (void)state;
    char line[256];
    FORMAT(line, sizeof(line), LOG_INT("run", -7), LOG_TEXT("server", "web03"),
           LOG_UINT("max", UINT64_MAX), LOG_BOOL("ok", true), LOG_BOOL("bad", false),
           LOG_TEXT("none", NULL));
    assert_string_equal(line, "level=info event=e run=-7 server=web03 max=18446744073709551615 "
                              "ok=yes bad=no none=-");
}

static void values_from_outside_cannot_forge_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *value, *written;
    } cases[] = {
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"c:\\temp", "\"c:\\\\temp\""},
        {"a\nlevel=error event=fake", "\"a\\nlevel=error event=fake\""},
        {"tab\tcr\r", "\"tab\\tcr\\r\""},
        {"\x1b[31mred", "\"\\x1b[31mred\""},
        {"\x7f", "\"\\x7f\""},
        {"bad \xFF\xC3 utf-8", "\"bad \\xff\\xc3 utf-8\""},
        {"\xC2\x9B", "\"\\xc2\\x9b\""},          /* CSI as one character */
        {"\xE2\x80\xAE", "\"\\xe2\\x80\\xae\""}, /* turns the writing direction */
        {"\xE2\x80\xA8", "\"\\xe2\\x80\\xa8\""}, /* line separator */
        {"B\xC3\xBCro", "B\xC3\xBCro"},
    };
    char line[256], want[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = FORMAT(line, sizeof(line), LOG_TEXT("v", cases[i].value));
        snprintf(want, sizeof(want), "level=info event=e v=%s", cases[i].written);
        assert_string_equal(line, want);
        assert_int_equal(len, strlen(want));
    }
}

/* At every size the line is whole: UTF-8, ended, and with an even number of quotes. */
static void a_cut_line_is_still_a_line(void **state)
{
    (void)state;
    char value[200];
    for (size_t i = 0; i + 2 < sizeof(value); i += 2)
        memcpy(value + i, i % 4 ? "\xC3\xA4" : "\n\\", 3);
    for (size_t size = 1; size < 400; size++) {
        char *line = malloc(size);
        size_t len = FORMAT(line, size, LOG_TEXT("one", value), LOG_TEXT("plain", "abcdefghijklmn"),
                            LOG_UINT("two", 12345));
        assert_int_equal(strlen(line), len);
        assert_true(text_is_utf8(line, len));
        size_t quotes = 0;
        for (size_t i = 0; i < len; i++)
            quotes += line[i] == '"';
        if (quotes % 2)
            fail_msg("size %zu: %s", size, line);
        free(line);
    }
}

static size_t read_line(int fd, char *out, size_t size)
{
    ssize_t got = read(fd, out, size - 1);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static void a_line_is_written_at_once_with_its_time(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    log_set_fd(ends[1]);
    errno = 4711;
    log_warn("target_enter", LOG_INT("run", 7), LOG_TEXT("server", "web03"));
    assert_int_equal(errno, 4711);
    char line[8192], time[TEXT_TIME_MAX];
    size_t len = read_line(ends[0], line, sizeof(line));
    assert_int_equal(line[len - 1], '\n');
    assert_contains(line, " level=warn event=target_enter run=7 server=web03\n");
    assert_true(text_starts(line, "time="));
    memcpy(time, line + 5, 24);
    time[24] = '\0';
    int64_t wall_ms;
    assert_true(text_parse_time(time, &wall_ms));
    char big[10000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    log_error("big", LOG_TEXT("v", big));
    len = read_line(ends[0], line, sizeof(line));
    assert_true(len <= 4096);
    assert_contains(line, "...\"\n");
    log_set_fd(2);
    close(ends[0]);
    close(ends[1]);
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    log_set_fd(ends[1]);
    char line[1024];
    log_debug("quiet", LOG_INT("n", 1));
    assert_int_equal(read_line(ends[0], line, sizeof(line)), 0);
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("heard", LOG_INT("n", 1));
    read_line(ends[0], line, sizeof(line));
    assert_contains(line, "event=heard");
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("quiet", LOG_INT("n", 1));
    assert_int_equal(read_line(ends[0], line, sizeof(line)), 0);
    log_set_level(LOG_LEVEL_INFO);
    log_set_fd(2);
    close(ends[0]);
    close(ends[1]);
}

static void a_log_that_cannot_be_written_fails_nobody(void **state)
{
    (void)state;
    log_set_fd(-1);
    log_error("unheard", LOG_INT("n", 1));
    log_set_fd(2);
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_ERROR;
    assert_true(log_level_parse("debug", &level) && level == LOG_LEVEL_DEBUG);
    assert_true(log_level_parse("info", &level) && level == LOG_LEVEL_INFO);
    assert_true(log_level_parse("warn", &level) && level == LOG_LEVEL_WARN);
    assert_true(log_level_parse("error", &level) && level == LOG_LEVEL_ERROR);
    assert_false(log_level_parse("loud", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_typed),
        cmocka_unit_test(values_from_outside_cannot_forge_a_line),
        cmocka_unit_test(a_cut_line_is_still_a_line),
        cmocka_unit_test(a_line_is_written_at_once_with_its_time),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(a_log_that_cannot_be_written_fails_nobody),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
