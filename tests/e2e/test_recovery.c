/* Recovery over a whole farm of real lab servers under traffic: the failed IISRESET, and each kind
 * of trouble on a server of its own beside healthy ones. */
#include "tests/e2e/remedies.h"

#include "tests/farm/farm/programs.h"

#include "common/clock.h"
#include "common/process.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERVERS 8

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){
        "--servers", "8", REMEDIES_FARM, "--lab", "web08:service Spooler.start=auto", "--lab",
        "web08:service Spooler.depends=HTTP", "--lab", "web08:service Spooler.host=iissvcs",
        /* one that is off on purpose spends a place, and one where a single pool is dead serves
         * others still, so that recovering it as a whole needs a second */
        "--coordinator", "budget.max_out=2", NULL});
    return 0;
}

static int in_order(void **state)
{
    (void)state;
    assert_int_equal(FARM(h, "fault", "all", "all", "off"), 0);
    harness_wait_fresh(h, SERVERS, 30000);
    harness_wait_all_up(h, 30000);
    harness_sleep_ms(1200); /* the agents' cool-down between two acts */
    return 0;
}

/* Its agent has told that WAS or W3SVC does not run: by what a recovery orders its targets. That
 * the balancer has it down comes sooner or later, and of others, too. */
static bool told_down(const char *server)
{
    char path[64];
    bool down = false;
    json_t *one;
    size_t i;
    text_format(path, sizeof(path), "/v1/servers/%s", server);
    json_t *is = harness_get(h, path);
    json_array_foreach(json_object_get(is, "services"), i, one)
    {
        const char *service = harness_word(one, "name"), *state = harness_word(one, "state");
        down = down || ((strcmp(service, "WAS") == 0 || strcmp(service, "W3SVC") == 0) &&
                        strcmp(state, "RUNNING") != 0 && strcmp(state, "UNKNOWN") != 0);
    }
    json_decref(is);
    return down;
}

static void wait_for_down(const char *server)
{
    uint64_t end_ms = clock_boot_ms() + 30000;
    while (!told_down(server)) {
        if (clock_boot_ms() > end_ms)
            fail_msg("the agent of %s does not tell that its services are down", server);
        harness_sleep_ms(100);
    }
}

static const char *name_of(unsigned at)
{
    static char name[FARM_NAME_MAX];
    farm_server_name(name, at);
    return name;
}

static long long recycles_in_all(void)
{
    long long all = 0;
    for (unsigned i = 0; i < SERVERS; i++)
        all += harness_recycles(h, name_of(i), "Shop");
    return all;
}

static void expect_code(struct harness_cli *cli, int code)
{
    if (cli->code != code)
        fail_msg("exit code %d, not %d:\n%s", cli->code, code, cli->out);
    harness_cli_free(cli);
}

/* All eight down, three of them stuck in their stop: one command. */
static void failed_iisreset_farm_comes_back_by_one_command(void **state)
{
    (void)state;
    harness_phase(h, "outage");
    for (unsigned i = 0; i < 3; i++) {
        FARM(h, "fault", name_of(i), "was-stuck", "on");
        REMEDIES_SC(h, name_of(i), "stop", "W3SVC");
    }
    static const char *const stopped[] = {"web04", "web05", "web06", "web07", "web08"};
    remedies_stop_services_of(h, stopped, 5);
    for (unsigned i = 0; i < SERVERS; i++)
        wait_for_down(name_of(i));
    struct harness_cli cli = CLI(h, "service", "recover", "--on", "all", "--max-unavailable", "4",
                                 "--yes", "--reason", "the IISRESET of this night");
    expect_code(&cli, 0);
    harness_phase(h, "after");
    for (unsigned i = 0; i < SERVERS; i++) {
        assert_true(remedies_service_is(h, name_of(i), "WAS", "RUNNING"));
        assert_true(remedies_service_is(h, name_of(i), "W3SVC", "RUNNING"));
    }
    harness_wait_all_up(h, 20000);
    harness_sleep_ms(4000);
    harness_nothing_lost(h, "after");
    json_t *seen = harness_seen(h, "outage");
    print_message("the outage itself: %lld of %lld requests lost\n",
                  (long long)json_integer_value(json_object_get(seen, "failed")),
                  (long long)json_integer_value(json_object_get(seen, "sent")));
    json_decref(seen);
}

/* Nothing is wrong anywhere: nothing is done anywhere. */
static void healthy_farm_is_left_alone(void **state)
{
    (void)state;
    long long before = recycles_in_all();
    harness_phase(h, "healthy");
    struct harness_cli cli = CLI(h, "service", "recover", "--on", "all", "--yes", "--reason", "?");
    expect_code(&cli, 0);
    harness_nothing_lost(h, "healthy");
    assert_int_equal(recycles_in_all(), before);
}

static const char *detail_of(const json_t *run, const char *server)
{
    return harness_word(harness_target(run, server), "detail");
}

static void expect_end(const json_t *run, const char *server, const char *state_word,
                       const char *said)
{
    const char *is = harness_word(harness_target(run, server), "state");
    if (strcmp(is, state_word) != 0 || !strstr(detail_of(run, server), said))
        fail_msg("%s is %s, not %s with '%s': %s", server, is, state_word, said,
                 detail_of(run, server));
}

/* The same as a list, rung by rung. */
static void expect_finding(const json_t *run, const char *server, const char *rung,
                           const char *said)
{
    const json_t *list = json_object_get(harness_target(run, server), "findings");
    json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        if (strcmp(harness_word(one, "rung"), rung) == 0 && strstr(harness_word(one, "text"), said))
            return;
    }
    fail_msg("%s: no finding of %s with '%s' among %zu", server, rung, said, json_array_size(list));
}

/* web01 stopped, web02 stuck, web03 does not answer, web04 disabled on purpose, web05 with a pool
 * that rapid-fail protection stopped; the others are healthy. */
static void each_trouble_is_told_apart_beside_healthy_servers(void **state)
{
    (void)state;
    static const char *const stopped[] = {"web01", "web04"};
    FARM(h, "fault", "web05", "worker-crashes", "on", "--scope", "Shop", "--value", "100");
    remedies_stop_services_of(h, stopped, 2);
    FARM(h, "fault", "web02", "was-stuck", "on");
    REMEDIES_SC(h, "web02", "stop", "W3SVC");
    FARM(h, "fault", "web03", "site-refuses", "on");
    FARM(h, "fault", "web03", "service-slow-start", "on", "--scope", "WAS", "--value", "4000");
    REMEDIES_SC(h, "web04", "config", "WAS", "start=", "disabled");
    wait_for_down("web01");
    wait_for_down("web02");
    wait_for_down("web04");
    remedies_wait_for_rapid_fail(h, "web05", "Shop");
    FARM(h, "fault", "web05", "worker-crashes", "off", "--scope", "Shop");
    harness_phase(h, "repair");
    json_t *options = json_pack("{s:s}", "on_failure", "continue");
    long long id = harness_run(h, "service-recover", "", "all", options);
    harness_wait_target(h, id, "web03", "acting", 120000);
    remedies_wait_for_service(h, "web03", "WAS", "START_PENDING"); /* it is on its whole way */
    FARM(h, "fault", "web03", "site-refuses", "off");
    json_t *run = harness_run_end(h, id, 180000);
    expect_end(run, "web01", "done", "");
    expect_end(run, "web02", "done", "the host of WAS, was ended");
    expect_finding(run, "web02", "kill", "the host of WAS, was ended");
    expect_end(run, "web03", "done", "no site answered");
    expect_end(run, "web04", "skipped", "--enable");
    expect_end(run, "web05", "done", "");
    expect_end(run, "web06", "nothing", "");
    expect_end(run, "web07", "nothing", "");
    expect_end(run, "web08", "nothing", "");
    json_decref(run);
    assert_true(remedies_service_is(h, "web04", "WAS", "STOPPED"));
    struct harness_cli cli = CLI(h, "service", "start", "--on", "web04", "--enable", "--yes",
                                 "--reason", "the work on it is over");
    expect_code(&cli, 0);
    harness_phase(h, "after");
    harness_wait_all_up(h, 20000);
    harness_sleep_ms(3000);
    harness_nothing_lost(h, "after");
}

/* web06 denies the stop of W3SVC, web07 answers it with 1061, web08 shares its process with a
 * stranger; web05 has a pool whose account is refused. The sites of the first three are silent, so
 * that something has to be done; the others are healthy. */
static void stops_that_are_refused_and_accounts_that_are(void **state)
{
    (void)state;
    static const char *const silent[] = {"web06", "web07", "web08"};
    size_t tries = remedies_refuse_account(h, "web05");
    for (size_t i = 0; i < 3; i++) {
        FARM(h, "fault", silent[i], "site-refuses", "on");
        FARM(h, "fault", silent[i], "service-slow-start", "on", "--scope", "WAS", "--value",
             "4000");
    }
    FARM(h, "fault", "web06", "service-denied", "on", "--scope", "W3SVC");
    FARM(h, "fault", "web07", "service-refuses-stop", "on", "--scope", "W3SVC");
    FARM(h, "fault", "web08", "service-refuses-stop", "on", "--scope", "W3SVC");
    harness_sleep_ms(2000);
    json_t *options = json_pack("{s:s}", "on_failure", "continue");
    long long id = harness_run(h, "service-recover", "", "all", options);
    harness_wait_target(h, id, "web06", "acting", 180000);
    remedies_wait_for_service(h, "web06", "WAS", "STOPPED"); /* its process was ended */
    FARM(h, "fault", "web06", "all", "off");
    harness_wait_target(h, id, "web07", "acting", 180000);
    remedies_wait_for_service(h, "web07", "WAS", "START_PENDING");
    FARM(h, "fault", "web07", "all", "off");
    json_t *run = harness_run_end(h, id, 240000);
    expect_end(run, "web01", "nothing", "");
    expect_end(run, "web06", "done", "the host of WAS, was ended");
    expect_end(run, "web07", "done", "the host of WAS, was ended");
    expect_end(run, "web08", "failed", "Spooler lives there too");
    json_decref(run);
    assert_int_equal(harness_identity_tries(h, "web05"), tries); /* never tried again, by nobody */
    assert_true(remedies_service_is(h, "web08", "Spooler", "RUNNING"));
    FARM(h, "fault", "web08", "all", "off");
    FARM(h, "fault", "web05", "all", "off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(failed_iisreset_farm_comes_back_by_one_command, in_order),
        cmocka_unit_test_setup(healthy_farm_is_left_alone, in_order),
        cmocka_unit_test_setup(each_trouble_is_told_apart_beside_healthy_servers, in_order),
        cmocka_unit_test_setup(stops_that_are_refused_and_accounts_that_are, in_order),
    };
    int failed = cmocka_run_group_tests_name("e2e_recovery", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
