/* A web garden: a pool with three worker processes is recycled when all three are others. */
#include "tests/e2e/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){"--servers", "2", "--garden", "3", "--traffic", NULL});
    return 0;
}

static bool holds(const json_t *list, json_int_t pid)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (json_integer_value(item) == pid)
            return true;
    }
    return false;
}

static void garden_is_recycled_when_every_worker_is_another(void **state)
{
    (void)state;
    harness_phase(h, "garden");
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "all", NULL), 60000);
    assert_string_equal(harness_word(run, "state"), "done");
    const json_t *proof = json_object_get(harness_target(run, "web01"), "proof");
    const json_t *before = json_object_get(proof, "before");
    const json_t *after = json_object_get(proof, "after");
    assert_int_equal(json_array_size(before), 3);
    assert_int_equal(json_array_size(after), 3);
    for (size_t i = 0; i < 3; i++)
        assert_false(holds(after, json_integer_value(json_array_get(before, i))));
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), 1);
    assert_int_equal(harness_recycles(h, "web02", "Shop"), 1);
    harness_nothing_lost(h, "garden");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garden_is_recycled_when_every_worker_is_another),
    };
    int failed = cmocka_run_group_tests_name("e2e_garden", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
