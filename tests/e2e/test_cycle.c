/* `server cycle --wait-reboot` with real processes: somebody else starts the machines anew, one by
 * one, as an updater does; each is out of rotation while it is down, and visitors notice nothing.
 * The lab's servers have boot ids of their own, which only root can put in place. */
#include "tests/e2e/harness.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    h = harness_up((const char *const[]){
        "--servers", "3", "--traffic", "--rate", "60", "--coordinator", "coordinator.settle=1s",
        "--coordinator", "defaults.soak=0s", "--coordinator", "defaults.gate_min=300ms", NULL});
    harness_wait_fresh(h, 3, 20000);
    return 0;
}

static void only_root_has_reboots(void)
{
    if (!h)
        skip();
}

static void expect_state(long long id, const char *server, const char *state)
{
    char path[64];
    text_format(path, sizeof(path), "/v1/runs/%lld", id);
    json_t *run = harness_get(h, path);
    assert_non_null(run);
    assert_string_equal(harness_word(harness_target(run, server), "state"), state);
    json_decref(run);
}

/* What an updater does to a server that it was given: everything on it goes and comes again. */
static void reboot(const char *server)
{
    assert_int_equal(FARM(h, "reboot", server), 0);
}

static void restart_agent(const char *server)
{
    assert_int_equal(FARM(h, "kill", "agent", server), 0);
    assert_int_equal(FARM(h, "start", "agent", server), 0);
    harness_wait_fresh(h, 3, 20000);
}

static void machines_are_started_anew_one_by_one_and_nobody_notices(void **state)
{
    (void)state;
    static const char *const servers[] = {"web01", "web02", "web03"};
    only_root_has_reboots();
    harness_phase(h, "cycle");
    struct harness_cli cycle =
        harness_cli_start(h, (const char *const[]){"server", "cycle", "--on", "all",
                                                   "--wait-reboot", "--reason", "KB5", NULL});
    for (size_t i = 0; i < 3; i++) {
        harness_wait_target(h, 1, servers[i], "acting", 60000);
        for (size_t k = 0; k < 3; k++)
            harness_expect_balancer(h, "shop", servers[k], k == i ? "DRAIN" : "UP");
        if (i == 0) { /* not a reboot: the same machine, the same boot */
            restart_agent(servers[i]);
            harness_sleep_ms(2000);
            expect_state(1, servers[i], "acting");
        }
        if (i == 1) { /* the run is the store's, not the process's */
            assert_int_equal(FARM(h, "kill", "coordinator"), 0);
            assert_int_equal(FARM(h, "start", "coordinator"), 0);
        }
        reboot(servers[i]);
    }
    harness_cli_wait(&cycle, 60000);
    harness_cli_expect(&cycle, 0, "web03");
    json_t *run = harness_run_end(h, 1, 10000);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(harness_word(harness_target(run, servers[i]), "state"), "done");
    json_decref(run);
    harness_wait_all_up(h, 20000);
    harness_nothing_lost(h, "cycle");
}

/* Its time is over: told, paused, and out of rotation until it really comes, or a person says. */
static void reboot_that_never_comes_is_told_and_a_late_one_settles_it(void **state)
{
    (void)state;
    char id[24], why[PATH_MAX];
    only_root_has_reboots();
    harness_phase(h, "late");
    struct harness_cli cli = CLI(h, "server", "cycle", "--on", "web01,web02", "--wait-reboot",
                                 "--for", "3s", "--detach", "--reason", "KB6", "--json");
    json_t *begun = json_loads(cli.out, 0, NULL);
    long long run = json_integer_value(json_object_get(json_object_get(begun, "run"), "id"));
    if (cli.code != 0 || !run)
        fail_msg("%d: %s", cli.code, cli.out);
    json_decref(begun);
    harness_cli_free(&cli);
    text_format(id, sizeof(id), "%lld", run);
    harness_wait_target(h, run, "web01", "unknown", 30000);
    expect_state(run, "web02", "waiting");
    harness_expect_balancer(h, "shop", "web01", "DRAIN");
    cli = CLI(h, "run", "show", id);
    text_format(why, sizeof(why),
                "web01 did not start anew within 3s; it stays out until it does, "
                "or `farmhand run resolve %s web01` settles it",
                id);
    harness_cli_expect(&cli, 5, why);
    cli = CLI(h, "why", "web01");
    harness_cli_expect(&cli, 0, "did not start anew within 3s");
    reboot("web01");
    harness_wait_target(h, run, "web01", "done", 60000);
    harness_expect_balancer(h, "shop", "web01", "UP");
    /* The other one never does; a person has looked, and gives it up. */
    harness_wait_target(h, run, "web02", "unknown", 60000);
    harness_expect_balancer(h, "shop", "web02", "DRAIN");
    cli = CLI(h, "run", "resolve", id, "web02", "--as", "failed", "--reason", "no updates for it");
    harness_cli_expect(&cli, 0, "");
    json_t *ended = harness_run_end(h, run, 60000);
    assert_string_equal(harness_word(harness_target(ended, "web02"), "state"), "failed");
    json_decref(ended);
    harness_wait_all_up(h, 20000); /* its probe passed: it serves */
    harness_nothing_lost(h, "late");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_are_started_anew_one_by_one_and_nobody_notices),
        cmocka_unit_test(reboot_that_never_comes_is_told_and_a_late_one_settles_it),
    };
    int failed = cmocka_run_group_tests_name("e2e_cycle", tests, bring_up, NULL);
    if (h)
        harness_down(h, failed != 0);
    return failed;
}
