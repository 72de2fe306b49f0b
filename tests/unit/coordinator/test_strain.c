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

/* A clone: the same journal under another boot, in turn with the first. */
static void clone_speaks_in_turn(struct farm *f, size_t i)
{
    uint8_t boot = f->agents[i].boot;
    for (int turn = 0; turn < 2; turn++) {
        f->agents[i].boot = turn == 0 ? 99 : boot;
        f->agents[i].want_whole = true;
        f->agents[i].listening = false;
        farm_run(f, 500);
    }
}

static void two_machines_under_one_name_are_not_commanded(void **state)
{
    (void)state;
    struct farm f;
    farm_begin(&f, 2);
    farm_recycle(&f, "web01");
    f.agents[0].lose_commands = true; /* it stays in the queue */
    farm_run(&f, 1000);
    clone_speaks_in_turn(&f, 0);
    assert_int_equal(presence_of(&f, "web01"), PRESENCE_QUARANTINED);
    f.agents[0].lose_commands = false;
    farm_run(&f, 30000);
    assert_int_equal(f.agents[0].acts, 0);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_declared_out_stays_out_over_restarts),
        cmocka_unit_test(two_machines_under_one_name_are_not_commanded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
