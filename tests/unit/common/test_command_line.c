/* The line that Windows' programs get, and what they make of it. */
#include "common/command_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_line(const char *const *argv, const char *expected)
{
    struct text line = {0};
    assert_true(command_line_add(&line, argv));
    assert_string_equal(line.data, expected);
    text_reset(&line);
}

static void plain_words_stay_as_they_are(void **state)
{
    (void)state;
    assert_line((const char *[]){"C:\\Windows\\appcmd.exe", "list", "wp", "/xml", NULL},
                "\"C:\\Windows\\appcmd.exe\" list wp /xml");
}

static void blanks_quotes_and_nothing_are_quoted(void **state)
{
    (void)state;
    assert_line((const char *[]){"a.exe", "two words", "", "say \"hi\"", NULL},
                "\"a.exe\" \"two words\" \"\" \"say \\\"hi\\\"\"");
}

static void backslashes_are_doubled_before_quotes_alone(void **state)
{
    (void)state;
    assert_line((const char *[]){"a.exe", "C:\\dir\\", "C:\\my dir\\", "a\\\"b", NULL},
                "\"a.exe\" C:\\dir\\ \"C:\\my dir\\\\\" \"a\\\\\\\"b\"");
}

static void a_program_with_a_quote_is_refused(void **state)
{
    (void)state;
    struct text line = {0};
    assert_false(command_line_add(&line, (const char *[]){"a\".exe", NULL}));
    text_reset(&line);
}

static void assert_words(const char *line, size_t expected, const char *const *words)
{
    size_t count = 0;
    char **made = command_line_split(line, &count);
    assert_int_equal(count, expected);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(made[i], words[i]);
    assert_null(made[count]);
    free(made);
}

/* Source: the table in "Parsing C command-line arguments". */
static void lines_split_as_the_table_of_microsoft_says(void **state)
{
    (void)state;
    assert_words("p \"a b c\" d e", 4, (const char *[]){"p", "a b c", "d", "e"});
    assert_words("p \"ab\\\"c\" \"\\\\\" d", 4, (const char *[]){"p", "ab\"c", "\\", "d"});
    assert_words("p a\\\\\\b d\"e f\"g h", 4, (const char *[]){"p", "a\\\\\\b", "de fg", "h"});
    assert_words("p a\\\\\\\"b c d", 4, (const char *[]){"p", "a\\\"b", "c", "d"});
    assert_words("p a\\\\\\\\\"b c\" d e", 4, (const char *[]){"p", "a\\\\b c", "d", "e"});
    assert_words("p \"a\"\"b\" c", 3, (const char *[]){"p", "a\"b", "c"});
}

static void a_worker_of_iis_is_understood(void **state)
{
    (void)state;
    assert_words("c:\\windows\\system32\\inetsrv\\w3wp.exe -ap \"Bj\xc3\xb6rn's Shop\" -v \"v4.0\" -w \"\" "
                 "-m 0",
                 9,
                 (const char *[]){"c:\\windows\\system32\\inetsrv\\w3wp.exe", "-ap",
                                  "Bj\xc3\xb6rn's Shop", "-v", "v4.0", "-w", "", "-m", "0"});
}

static void odd_lines_do_no_harm(void **state)
{
    (void)state;
    assert_words("", 0, NULL);
    assert_words("\"no end", 1, (const char *[]){"no end"});
    assert_words("p   \t ", 1, (const char *[]){"p"});
    assert_words("p \"", 2, (const char *[]){"p", ""});
    assert_words("\"C:\\a b\\p.exe\"x y", 2, (const char *[]){"C:\\a b\\p.exex", "y"});
    assert_words(" p", 2, (const char *[]){"", "p"});
}

/* Whatever stands in the words comes back. */
static void what_is_joined_splits_into_the_same(void **state)
{
    (void)state;
    static const char letters[] = "a \\\"\t\xc3\xa4";
    uint32_t random = 12345;
    for (int round = 0; round < 20000; round++) {
        char words[3][8];
        const char *argv[5] = {"p.exe", words[0], words[1], words[2], NULL};
        for (size_t w = 0; w < 3; w++) {
            size_t len = 0;
            for (; len < 7; len++) {
                random = random * 1664525u + 1013904223u;
                words[w][len] = letters[(random >> 16) % (sizeof(letters) - 1)];
                if ((random >> 28) == 0)
                    break;
            }
            words[w][len] = '\0';
        }
        struct text line = {0};
        assert_true(command_line_add(&line, argv));
        assert_words(line.data, 4, argv);
        text_reset(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stay_as_they_are),
        cmocka_unit_test(blanks_quotes_and_nothing_are_quoted),
        cmocka_unit_test(backslashes_are_doubled_before_quotes_alone),
        cmocka_unit_test(a_program_with_a_quote_is_refused),
        cmocka_unit_test(lines_split_as_the_table_of_microsoft_says),
        cmocka_unit_test(a_worker_of_iis_is_understood),
        cmocka_unit_test(odd_lines_do_no_harm),
        cmocka_unit_test(what_is_joined_splits_into_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
