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
                                         "--tls",
                                         "--traffic",
                                         "--rate",
                                         "20",
                                         "--lab",
                                         "server.appcmd_delay_ms=0",
                                         "--lab",
                                         "service NetTcpActivator.start=auto",
                                         "--lab",
                                         "service NetTcpActivator.depends=WAS",
                                         "--agent",
                                         "allow.verbs=recycle, start, stop, service-recover, "
                                         "service-restart",
                                         "--agent",
                                         "services.stop_wait=10s",
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

/* ---- services ---- */

static long long service_count(const char *server, const char *service, const char *what)
{
    json_t *truth = harness_truth(h, server);
    const json_t *row = json_object_get(json_object_get(truth, "services"), service);
    long long count = json_integer_value(json_object_get(row, what));
    json_decref(truth);
    return count;
}

static void wait_service_count(const char *server, const char *service, const char *what,
                               long long least, unsigned timeout_ms)
{
    for (unsigned waited = 0; service_count(server, service, what) < least; waited += 100) {
        if (waited >= timeout_ms)
            fail_msg("%s: %s of %s are still %lld", server, what, service,
                     service_count(server, service, what));
        harness_sleep_ms(100);
    }
}

static void expect_running(const char *server)
{
    static const char *const names[] = {"WAS", "W3SVC", "NetTcpActivator"};
    char path[64];
    snprintf(path, sizeof(path), "/v1/servers/%s", server);
    json_t *answer = harness_get(h, path);
    const json_t *inner = json_object_get(answer, "server");
    for (size_t i = 0; i < 3; i++) {
        const json_t *service = service_of(inner ? inner : answer, names[i]);
        assert_non_null(service);
        assert_string_equal(harness_word(service, "state"), "RUNNING");
    }
    json_decref(answer);
}

/* The run, done, with these words in what is told of its one target. */
static void expect_done_and_said(long long id, const char *server, const char *words)
{
    json_t *run = harness_run_end(h, id, RUN_MS);
    const char *detail = harness_word(harness_target(run, server), "detail");
    if (strcmp(harness_word(run, "state"), "done") != 0 || !strstr(detail, words))
        fail_msg("run %lld is %s, and \"%s\" is to be said in: %s", id, harness_word(run, "state"),
                 words, detail);
    json_decref(run);
}

/* What a failed IISRESET leaves: everything is told to stop, and WAS never does. */
static void break_services(const char *server)
{
    assert_int_equal(FARM(h, "fault", server, "was-stuck", "on"), 0);
    assert_int_equal(FARM(h, "in", server, "sc", "stop", "NetTcpActivator"), 0);
    assert_int_equal(FARM(h, "in", server, "sc", "stop", "W3SVC"), 0);
    for (int tries = 0; FARM(h, "in", server, "sc", "stop", "WAS") != 0; tries++) {
        assert_true(tries < 60); /* 1051: the others have not stopped yet */
        harness_sleep_ms(500);
    }
}

/* The deadline of its stop, the end of its process, the start of what ran before. */
static void was_that_does_not_stop_is_recovered(void **state)
{
    (void)state;
    long long died = service_count("web02", "WAS", "died");
    break_services("web02");
    long long id = harness_run(h, "service-recover", "", "web02", NULL);
    expect_done_and_said(id, "web02", "the host of WAS, was ended");
    assert_int_equal(service_count("web02", "WAS", "died"), died + 1);
    harness_wait_all_up(h, 60000);
    expect_running("web02");
}

/* Its agent is gone in the middle of a recovery and nobody starts it: the guardian does the rest.
 */
static void agent_that_is_gone_leaves_the_start_to_its_guardian(void **state)
{
    (void)state;
    long long stops = service_count("web03", "NetTcpActivator", "stops");
    long long starts = service_count("web03", "NetTcpActivator", "starts");
    assert_int_equal(
        FARM(h, "fault", "web03", "service-slow-stop", "on", "--scope", "W3SVC", "--value", "4000"),
        0);
    long long id = harness_run(h, "service-restart", "", "web03", NULL);
    wait_service_count("web03", "NetTcpActivator", "stops", stops + 1, 120000);
    assert_int_equal(FARM(h, "kill", "agent", "web03"), 0);
    wait_service_count("web03", "NetTcpActivator", "starts", starts + 1, 120000);
    assert_int_equal(FARM(h, "fault", "web03", "all", "off"), 0);
    assert_int_equal(FARM(h, "start", "agent", "web03"), 0);
    expect_done_and_said(id, "web03", "the guardian acted, since the agent was gone");
    harness_wait_all_up(h, 60000);
    expect_running("web03");
}

/* ---- what a person does at the server ---- */

static long long worker_of(const char *server, const char *pool)
{
    json_t *truth = harness_truth(h, server), *worker;
    const json_t *row = json_object_get(json_object_get(truth, "pools"), pool);
    long long pid = 0;
    size_t i;
    json_array_foreach(json_object_get(row, "workers"), i, worker)
    {
        if (json_is_null(json_object_get(worker, "how")))
            pid = json_integer_value(json_object_get(worker, "pid"));
    }
    json_decref(truth);
    return pid;
}

static void doctor_finds_nothing_that_fails(void **state)
{
    (void)state;
    assert_int_equal(FARM(h, "in", "web04", "agent", "doctor", "--json"), 0);
}

static void worker_is_dumped_and_goes_on(void **state)
{
    (void)state;
    char pid[24];
    long long worker = worker_of("web04", "Shop");
    snprintf(pid, sizeof(pid), "%lld", worker);
    assert_int_equal(FARM(h, "in", "web04", "agent", "worker", "dump", pid, "--keep-free", "1M"),
                     0);
    assert_true(harness_finds(h, "agents/web04/dumps", "MDMP"));
    assert_int_equal(worker_of("web04", "Shop"), worker);
    assert_int_not_equal(FARM(h, "in", "web04", "agent", "worker", "dump", "4"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_of_windows_are_shown),
        cmocka_unit_test(one_by_one_recycle_loses_no_request),
        cmocka_unit_test(name_of_any_kind_goes_all_the_way),
        cmocka_unit_test(agent_killed_in_the_middle_answers_from_its_journal),
        cmocka_unit_test(doctor_finds_nothing_that_fails),
        cmocka_unit_test(worker_is_dumped_and_goes_on),
        cmocka_unit_test(was_that_does_not_stop_is_recovered),
        cmocka_unit_test(agent_that_is_gone_leaves_the_start_to_its_guardian),
    };
    int failed = cmocka_run_group_tests_name("windows_farm", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
