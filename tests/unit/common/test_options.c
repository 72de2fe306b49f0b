/* test_options.c - the command line of our services. */
#include "common/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <getopt.h>

static const struct options_program program = {
    .name = "some-service", .help = "help\n", .config = "/etc/some.conf"};

static int parse(struct options *out, const char *a, const char *b, const char *c)
{
    char name[] = "some-service";
    char *argv[] = {name, (char *)a, (char *)b, (char *)c, NULL};
    int argc = 1 + (a != NULL) + (b != NULL) + (c != NULL);
    optind = 0; /* getopt begins anew */
    return options_parse(&program, argc, argv, out);
}

static void options_are_read(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, NULL, NULL, NULL), -1);
    assert_string_equal(o.config, "/etc/some.conf");
    assert_false(o.check);
    assert_int_equal(parse(&o, "--check", "--config", "x.conf"), -1);
    assert_string_equal(o.config, "x.conf");
    assert_true(o.check);
}

static void questions_end_well_and_mistakes_do_not(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "--help", NULL, NULL), 0);
    assert_int_equal(parse(&o, "--version", NULL, NULL), 0);
    assert_int_equal(parse(&o, "--bogus", NULL, NULL), OPTIONS_EXIT_USAGE);
    assert_int_equal(parse(&o, "--config", NULL, NULL), OPTIONS_EXIT_USAGE);
    assert_int_equal(parse(&o, "stray", NULL, NULL), OPTIONS_EXIT_USAGE);
}

static void refused_configuration_is_told_once(void **state)
{
    (void)state;
    bool told = false;
    struct error err;
    error_set(&err, ERR_NOT_FOUND, "cannot open it");
    assert_int_equal(options_config_refused(&program, told, &err), OPTIONS_EXIT_USAGE);
    options_config_line(&told, "x.conf:1: expected a number");
    assert_true(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(questions_end_well_and_mistakes_do_not),
        cmocka_unit_test(refused_configuration_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
