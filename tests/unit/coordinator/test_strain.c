/* The brain when several things go wrong at once. Each scenario is named after what must hold. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define WALL(f) ((int64_t)(f)->now_ms + 1000000)

static void restart(struct farm *f)
{
    farm_crash(f);
    farm_start(f);
    farm_run(f, 2000);
}

static enum presence presence_of(struct farm *f, const char *server)
{
    return fleet_find(coordinator_fleet(f->brain), server)->presence;
}

static void what_was_declared_out_stays_out_over_restarts(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    farm_begin(&f, 2);
    assert_int_equal(coordinator_declare_out(f.brain, "web02", 3600000, "anna", "dead board",
                                             f.now_ms, WALL(&f), &err),
                     ERR_NONE);
    restart(&f);
    assert_int_equal(presence_of(&f, "web02"), PRESENCE_DECLARED_OUT);
    restart(&f);
    assert_int_equal(presence_of(&f, "web02"), PRESENCE_DECLARED_OUT);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_declared_out_stays_out_over_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
