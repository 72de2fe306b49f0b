/* Configuration files in the making. */
#include "tests/farm/farm/ini.h"

#include "common/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_file(const struct ini *ini, const char *expected)
{
    char path[] = "/tmp/test-ini-XXXXXX";
    char *got;
    size_t len;
    struct error err = {0};
    close(mkstemp(path));
    assert_int_equal(ini_write(ini, path, &err), ERR_NONE);
    assert_int_equal(os_read_file(path, 10000, &got, &len, &err), ERR_NONE);
    unlink(path);
    assert_string_equal(got, expected);
    free(got);
}

static void override_replaces_or_adds_in_its_section(void **state)
{
    (void)state;
    struct error err = {0};
    struct ini *ini = ini_new();
    ini_set(ini, "budget", "max_out", "%d", 1);
    ini_set(ini, "backend shop", "pools", "Shop");
    assert_int_equal(ini_override(ini, "budget.max_out=2", &err), ERR_NONE);
    assert_int_equal(ini_override(ini, "budget.min_in_service=3", &err), ERR_NONE);
    assert_int_equal(ini_override(ini, "backend shop.pools=a.b=c", &err), ERR_NONE);
    assert_int_equal(ini_override(ini, "new.key=", &err), ERR_NONE);
    expect_file(ini, "[budget]\nmax_out = 2\nmin_in_service = 3\n\n[backend shop]\n"
                     "pools = a.b=c\n\n[new]\nkey = \n");
    ini_free(ini);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"", "x", "x=1", ".x=1", "a.=1", "=a.b"};
    struct ini *ini = ini_new();
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct error err = {0};
        assert_int_equal(ini_override(ini, words[i], &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "SECTION.KEY=VALUE"));
    }
    ini_free(ini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(override_replaces_or_adds_in_its_section),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}
