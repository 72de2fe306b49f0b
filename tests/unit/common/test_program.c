/* What a program does before anything else. */
#include "common/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

#include <cmocka.h>

/* Then no core is dumped, wherever core_pattern leads and whatever the limit says: core(5). */
static void nothing_of_its_memory_is_dumped(void **state)
{
    int argc = 0;
    char **argv = NULL;
    (void)state;
    assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
    program_start(&argc, &argv);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_its_memory_is_dumped),
    };
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
