/* A farm over TLS, every server joined by a token: the main job, a veto by profile, and what a
 * removal does to a run that has the server in hand. */
#include "tests/e2e/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){"--tls", "--servers", "3", "--traffic", "--agent",
                                         "web03:agent.profile=observe", NULL});
    return 0;
}

static void rolling_recycle_over_tls_loses_nothing(void **state)
{
    (void)state;
    harness_phase(h, "tls");
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "web01,web02", NULL), 60000);
    assert_string_equal(harness_word(run, "state"), "done");
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), 1);
    assert_int_equal(harness_recycles(h, "web02", "Shop"), 1);
    harness_nothing_lost(h, "tls");
}

/* The server's owner said observe: nothing is done there, and the refusal says what would allow it.
 */
static void agent_that_only_observes_refuses(void **state)
{
    (void)state;
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "web03", NULL), 60000);
    assert_string_not_equal(harness_word(run, "state"), "done");
    char *text = json_dumps(run, 0);
    assert_non_null(strstr(text, "needs the profile operate"));
    free(text);
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web03", "Shop"), 0);
    harness_wait_all_up(h, 30000);
}

/* Cut at once, but not out of the list while a run has it; and the visitors notice nothing. */
static void removal_in_the_middle_of_a_run_cuts_the_server(void **state)
{
    (void)state;
    long long id = harness_run(h, "recycle", "Shop", "web02", json_pack("{s:i}", "soak_ms", 20000));
    harness_wait_target(h, id, "web02", "soaking", 60000);
    int status = 0;
    json_t *answer =
        harness_post(h, "/v1/servers/web02/remove", json_pack("{s:s}", "reason", "sold"), &status);
    assert_int_equal(status, 200);
    assert_true(json_is_true(json_object_get(answer, "listed")));
    json_decref(answer);
    harness_wait_fresh(h, 2, 30000);
    for (int tries = 0; !harness_finds(h, "logs", "link_down"); tries++) {
        assert_true(tries < 200);
        harness_sleep_ms(100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rolling_recycle_over_tls_loses_nothing),
        cmocka_unit_test(agent_that_only_observes_refuses),
        cmocka_unit_test(removal_in_the_middle_of_a_run_cuts_the_server),
    };
    int failed = cmocka_run_group_tests_name("e2e_tls", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
