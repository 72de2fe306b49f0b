/* Remediation in auto on real lab servers under traffic: what breaks is put right and no person is
 * asked; what must be left alone is. The rules stand in a file as an operator would write it. */
#include "tests/e2e/remedies.h"

#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVERS 4

static struct harness *h;
static char database[] = "/tmp/farmhand-e2e-database-XXXXXX"; /* of web01 to web03 */

static const char rules[] = REMEDIES_GUARDS
    "[rule dead]\nwhen = services = down\nfor = 2s\nsamples = 2/3\n"
    "actions = recover-services 2m, quarantine\nmode = auto\n"
    "[rule stopped]\nwhen = pool = stopped\nfor = 2s\nsamples = 2/3\n"
    "actions = start 30s, start 30s, call\nmode = auto\n"
    "[rule leak]\nwhen = private-memory > 120M\nfor = 2s\nsamples = 2/3\nactions = recycle 1m, "
    "call\n"
    "mode = auto\n"
    "[rule sick]\nwhen = probe-failures > 2\nfor = 2s\nsamples = 2/3\npools = Shop\n"
    "actions = recycle 1m, kill-worker 30s, quarantine\nmode = auto\n"
    "[rule watched]\nwhen = memory > 1M\nfor = 2s\nsamples = 2/3\npools = Api\n"
    "actions = recycle 1m\nmode = observe\n"
    "[rule asked]\nwhen = memory > 1M\nfor = 2s\nsamples = 2/3\npools = Api\nservers = web04\n"
    "actions = recycle 20s, call\nmode = propose\n";

static void make_database(void)
{
    FILE *f = fopen(database, "we");
    assert_non_null(f);
    fclose(f);
}

static int bring_up(void **state)
{
    (void)state;
    char given[128], needs[3][96];
    int fd = mkstemp(database);
    assert_true(fd >= 0);
    close(fd);
    for (unsigned i = 0; i < 3; i++)
        text_format(needs[i], sizeof(needs[i]), "web%02u:server.database=%s", i + 1, database);
    text_format(given, sizeof(given), "coordinator.remediation=%s", remedies_file(rules));
    h = harness_up((const char *const[]){"--servers", "4", REMEDIES_FARM, "--lab", needs[0],
                                         "--lab", needs[1], "--lab", needs[2], "--coordinator",
                                         given, NULL});
    return 0;
}

static json_t *wait_for_phase(const char *rule, const char *server, const char *phases,
                              unsigned timeout_ms)
{
    return remedies_wait(h, rule, server, phases, timeout_ms);
}

static void expect_note(const json_t *incident, const char *kind, const char *words)
{
    remedies_expect_note(h, incident, kind, words);
}

static void in_order_again(void)
{
    assert_int_equal(FARM(h, "fault", "all", "all", "off"), 0);
    harness_wait_all_up(h, 60000);
}

/* ---- the troubles ---- */

/* Rapid-fail protection stops the pool; the crashes end; it is started, and nobody was asked. */
static void crashed_pool_is_put_right_without_a_person(void **state)
{
    (void)state;
    FARM(h, "fault", "web02", "worker-crashes", "on", "--scope", "Shop", "--value", "150");
    remedies_wait_for_rapid_fail(h, "web02", "Shop");
    FARM(h, "fault", "web02", "worker-crashes", "off", "--scope", "Shop");
    json_t *one = wait_for_phase("stopped", "web02", "closed", 90000);
    expect_note(one, "seen", "the pool is stopped, though it should run");
    expect_note(one, "action", "start pool Shop on web02");
    expect_note(one, "evidence", "event 5002");
    expect_note(one, "end", "solved");
    json_decref(one);
    harness_wait_all_up(h, 20000);
}

/* A deployment took the application off line: its probe fails, and that is nobody's trouble here.
 */
static void deployment_is_left_alone(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct error err = {0};
    long long before = harness_recycles(h, "web02", "Shop");
    farm_path(path, &h->farm, "servers/web02/sites/Shop/app_offline.htm");
    if (os_write_file(path, "back soon", 9, 0644, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    uint64_t end_ms = clock_boot_ms() + 30000;
    struct harness_cli cli = CLI(h, "why", "web02");
    while (!strstr(cli.out, "an app_offline.htm lies in the folder of Shop/")) {
        if (clock_boot_ms() > end_ms)
            fail_msg("%s", cli.out);
        harness_cli_free(&cli);
        harness_sleep_ms(300);
        cli = CLI(h, "why", "web02");
    }
    harness_cli_free(&cli);
    harness_sleep_ms(4000);
    json_t *one = remedies_newest(h, "sick", "web02");
    assert_null(one);
    assert_int_equal(harness_recycles(h, "web02", "Shop"), before);
    assert_int_equal(unlink(path), 0);
    harness_wait_all_up(h, 20000);
}

static void leaking_worker_is_recycled_and_nothing_is_lost(void **state)
{
    (void)state;
    long long before = harness_recycles(h, "web03", "Shop");
    harness_phase(h, "leak");
    FARM(h, "fault", "web03", "worker-leaks", "20", "--scope", "Shop", "--value", "20000");
    json_t *one = wait_for_phase("leak", "web03", "acting proving closed", 60000);
    FARM(h, "fault", "web03", "worker-leaks", "off", "--scope", "Shop");
    json_decref(one);
    one = wait_for_phase("leak", "web03", "closed", 90000);
    expect_note(one, "evidence", "worker ");
    expect_note(one, "proof", "run ");
    json_decref(one);
    assert_int_equal(harness_recycles(h, "web03", "Shop"), before + 1);
    harness_nothing_lost(h, "leak");
}

static void hung_worker_is_replaced(void **state)
{
    (void)state;
    FARM(h, "fault", "web01", "worker-hangs", "on", "--scope", "Shop");
    harness_sleep_ms(2000);
    json_t *one = wait_for_phase("sick", "web01", "acting", 60000);
    json_decref(one);
    FARM(h, "fault", "web01", "worker-hangs", "off", "--scope", "Shop");
    one = wait_for_phase("sick", "web01", "closed", 150000);
    expect_note(one, "seen", "the probe failed");
    json_decref(one);
    harness_wait_all_up(h, 20000);
}

static void dead_services_come_back(void **state)
{
    (void)state;
    REMEDIES_SC(h, "web04", "stop", "W3SVC");
    harness_sleep_ms(1500);
    REMEDIES_SC(h, "web04", "stop", "WAS");
    json_t *one = wait_for_phase("dead", "web04", "closed", 120000);
    expect_note(one, "action", "recover the web services of web04");
    json_decref(one);
    harness_wait_all_up(h, 20000);
}

/* Most of the farm is red at once: the cause lies elsewhere, and it is said. */
static void red_farm_is_left_alone(void **state)
{
    (void)state;
    long long before = 0, after = 0;
    static const char *const red[] = {"web01", "web02", "web03"};
    for (size_t i = 0; i < 3; i++)
        before += harness_recycles(h, red[i], "Shop");
    assert_int_equal(unlink(database), 0); /* all three at this moment */
    for (size_t i = 0; i < 3; i++) {
        json_t *one = wait_for_phase("sick", red[i], "blocked", 60000);
        assert_non_null(strstr(harness_word(one, "why"), "common cause: 3 of 4 servers"));
        json_decref(one);
    }
    harness_sleep_ms(8000);
    struct harness_cli cli = CLI(h, "why", "web02");
    if (cli.code != 0 || !strstr(cli.out, "common cause"))
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
    make_database();
    in_order_again();
    for (size_t i = 0; i < 3; i++) {
        json_t *one = wait_for_phase("sick", red[i], "closed", 60000);
        expect_note(one, "end", "went away by itself");
        json_decref(one);
        after += harness_recycles(h, red[i], "Shop");
    }
    assert_int_equal(after, before);
}

static void rule_that_observes_only_tells(void **state)
{
    (void)state;
    struct harness_cli cli = CLI(h, "incident", "list", "--would");
    if (cli.code != 0 || !strstr(cli.out, "recycle pool Api on"))
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
}

static void expect_said(const char *words, int code, struct harness_cli cli)
{
    remedies_expect_said(cli, code, words);
}

/* Nothing is done before the approval, once after it; it does not help, so a person is called. */
static void proposal_waits_for_a_person(void **state)
{
    (void)state;
    char id[24];
    json_t *one = wait_for_phase("asked", "web04", "proposed", 60000);
    text_format(id, sizeof(id), "%lld", (long long)json_integer_value(json_object_get(one, "id")));
    long long before = harness_recycles(h, "web04", "Api");
    harness_sleep_ms(4000);
    assert_int_equal(harness_recycles(h, "web04", "Api"), before);
    expect_said("recycle pool Api on web04", 0, CLI(h, "incident", "show", id));
    expect_said("incident approve", 0, CLI(h, "why", "web04"));
    expect_said(
        "has no dump", 1,
        CLI(h, "incident", "fetch", id, "--to", "/tmp/farmhand-e2e-none", "--reason", "a look"));
    expect_said("may do what it proposes", 0,
                CLI(h, "incident", "approve", id, "--reason", "a quiet hour"));
    json_decref(one);
    one = wait_for_phase("asked", "web04", "called", 90000);
    assert_int_equal(harness_recycles(h, "web04", "Api"), before + 1);
    expect_note(one, "word", "a quiet hour");
    expect_said("a quiet hour", 0, CLI(h, "incident", "show", id));
    expect_said("is closed", 0, CLI(h, "incident", "dismiss", id, "--reason", "it is meant so"));
    json_decref(one);
}

static void quarantine_takes_a_server_out_and_release_puts_it_back(void **state)
{
    (void)state;
    char status[32] = "";
    harness_phase(h, "quarantine");
    struct harness_cli cli =
        CLI(h, "server", "quarantine", "web03", "--reason", "it answers oddly");
    if (cli.code != 0)
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
    uint64_t end_ms = clock_boot_ms() + 30000;
    while (!strstr(status, "DRAIN")) {
        if (clock_boot_ms() > end_ms)
            fail_msg("web03 is %s", status);
        harness_sleep_ms(200);
        harness_balancer(h, "shop", "web03", status);
    }
    cli = CLI(h, "why", "web03");
    if (!strstr(cli.out, "quarantine"))
        fail_msg("%s", cli.out);
    harness_cli_free(&cli);
    harness_sleep_ms(2000);
    cli = CLI(h, "server", "release", "web03", "--reason", "looked at");
    if (cli.code != 0)
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
    harness_wait_all_up(h, 30000);
    harness_nothing_lost(h, "quarantine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashed_pool_is_put_right_without_a_person),
        cmocka_unit_test(deployment_is_left_alone),
        cmocka_unit_test(leaking_worker_is_recycled_and_nothing_is_lost),
        cmocka_unit_test(hung_worker_is_replaced),
        cmocka_unit_test(dead_services_come_back),
        cmocka_unit_test(red_farm_is_left_alone),
        cmocka_unit_test(rule_that_observes_only_tells),
        cmocka_unit_test(proposal_waits_for_a_person),
        cmocka_unit_test(quarantine_takes_a_server_out_and_release_puts_it_back),
    };
    int failed = cmocka_run_group_tests_name("e2e_remediation", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    remedies_forget();
    unlink(database);
    return failed;
}
