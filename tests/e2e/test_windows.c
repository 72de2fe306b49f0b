/* Windows servers: the lab and the agents are Windows programs, each server in a Wine of its own;
 * coordinator, balancer and visitors are this machine's. */
#include "tests/e2e/harness.h"

#include "tests/farm/farm/configs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SERVERS 4

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    /* Wine takes ten times as long for a process as Linux does, and each look starts several: who
     * asks more often than that is answered about the past. */
    h = harness_up((const char *const[]){"--servers",
                                         "4",
                                         "--windows",
                                         "--traffic",
                                         "--rate",
                                         "20",
                                         "--lab",
                                         "server.appcmd_delay_ms=0",
                                         "--agent",
                                         "agent.beat=1s",
                                         "--agent",
                                         "agent.heartbeat=2s",
                                         "--agent",
                                         "agent.look_every=5m",
                                         "--coordinator",
                                         "coordinator.silent_after=20s",
                                         "--coordinator",
                                         "defaults.limit=4m",
                                         "--coordinator",
                                         "defaults.gate_interval=3s",
                                         "--coordinator",
                                         "defaults.gate_passes=1",
                                         "--coordinator",
                                         "defaults.gate_deadline=90s",
                                         NULL});
    return 0;
}

static void expect_recycles(const char *pool, long long each)
{
    static const char *const servers[SERVERS] = {"web01", "web02", "web03", "web04"};
    for (size_t i = 0; i < SERVERS; i++) {
        long long count = harness_recycles(h, servers[i], pool);
        if (count != each)
            fail_msg("%s was recycled %lld times on %s, not %lld", pool, count, servers[i], each);
    }
}

#define RUN_MS 600000 /* up to a minute a server where the machine is busy */

static void expect_done(long long id)
{
    json_t *run = harness_run_end(h, id, RUN_MS);
    assert_string_equal(harness_word(run, "state"), "done");
    json_decref(run);
}

static void one_by_one_recycle_loses_no_request(void **state)
{
    (void)state;
    harness_phase(h, "rolling");
    expect_done(harness_run(h, "recycle", "Shop", "all", NULL));
    harness_nothing_lost(h, "rolling");
    expect_recycles("Shop", 1);
    harness_wait_all_up(h, 20000);
}

/* From the command line over the wire to appcmd and the worker's command line, and back. */
static void name_of_any_kind_goes_all_the_way(void **state)
{
    (void)state;
    struct harness_cli cli =
        harness_cli_start(h, (const char *const[]){"pool", "recycle", CONFIGS_ODD, "--on", "web01",
                                                   "--yes", "--reason", "end-to-end test", NULL});
    harness_cli_wait(&cli, RUN_MS);
    if (cli.code != 0)
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
    assert_int_equal(harness_recycles(h, "web01", CONFIGS_ODD), 1);
    assert_int_equal(harness_recycles(h, "web02", CONFIGS_ODD), 0);
}

/* Whatever the moment was, its journal answers: nothing is done twice, and nobody loses a request.
 */
static void agent_killed_in_the_middle_answers_from_its_journal(void **state)
{
    (void)state;
    harness_phase(h, "killed agent");
    long long id = harness_run(h, "recycle", "Shop", "all", NULL);
    harness_wait_target(h, id, "web02", "acting", 120000);
    assert_int_equal(FARM(h, "kill", "agent", "web02"), 0);
    assert_int_equal(FARM(h, "start", "agent", "web02"), 0);
    expect_done(id);
    harness_nothing_lost(h, "killed agent");
    expect_recycles("Shop", 2);
    harness_wait_all_up(h, 20000);
}

static const json_t *service_of(const json_t *server, const char *name)
{
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(server, "services"), i, service)
    {
        if (strcmp(harness_word(service, "name"), name) == 0)
            return service;
    }
    return NULL;
}

/* The agent's own view of Windows' service manager, as it reaches people. */
static void services_of_windows_are_shown(void **state)
{
    (void)state;
    json_t *answer = harness_get(h, "/v1/servers/web03");
    const json_t *server = json_object_get(answer, "server");
    const json_t *was = service_of(server ? server : answer, "WAS");
    const json_t *web = service_of(server ? server : answer, "W3SVC");
    assert_non_null(was);
    assert_non_null(web);
    assert_string_equal(harness_word(was, "state"), "RUNNING");
    assert_string_equal(harness_word(web, "state"), "RUNNING");
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_of_windows_are_shown),
        cmocka_unit_test(one_by_one_recycle_loses_no_request),
        cmocka_unit_test(name_of_any_kind_goes_all_the_way),
        cmocka_unit_test(agent_killed_in_the_middle_answers_from_its_journal),
    };
    int failed = cmocka_run_group_tests_name("windows_farm", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
