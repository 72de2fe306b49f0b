/* Room for other tools, a second person's word and maintenance, with real processes: the operator's
 * own command is what is run, the lab, the balancer and the visitors are what is believed. */
#include "tests/e2e/harness.h"

#include "common/clock.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){
        "--servers", "3", "--traffic", "--rate", "60", "--coordinator", "coordinator.settle=1s",
        "--coordinator", "defaults.soak=0s", "--coordinator", "defaults.gate_min=300ms", NULL});
    harness_wait_fresh(h, 3, 20000);
    return 0;
}

/* The command restarts the whole server's workers, as a deployment does: nobody notices. */
static void work_of_others_costs_the_visitors_nothing(void **state)
{
    (void)state;
    char flag[PATH_MAX], script[2 * PATH_MAX];
    text_format(flag, sizeof(flag), "%s/go", h->base);
    text_format(script, sizeof(script), "while ! test -e %s; do sleep 0.1; done", flag);
    harness_phase(h, "hold");
    struct harness_cli hold = harness_cli_start(
        h, (const char *const[]){"hold", "run", "web02", "--for", "5m", "--reason", "deploy v2",
                                 "--", "sh", "-c", script, NULL});
    harness_wait_target(h, 1, "web02", "acting", 30000);
    harness_expect_balancer(h, "shop", "web02", "DRAIN");
    long long other = harness_run(h, "recycle", "Shop", "web01", NULL);
    struct harness_cli waiting =
        harness_cli_start(h, (const char *const[]){"hold", "acquire", "web03", "--for", "5m",
                                                   "--reason", "patch", NULL});
    harness_wait_target(h, 3, "web03", "waiting", 10000);
    assert_int_equal(FARM(h, "kill", "coordinator"), 0); /* the hold does not end with it */
    assert_int_equal(FARM(h, "start", "coordinator"), 0);
    harness_wait_fresh(h, 3, 20000);
    harness_sleep_ms(2000);
    harness_expect_balancer(h, "shop", "web02", "DRAIN");
    assert_int_equal(harness_recycles(h, "web01", "Shop"), 0); /* it has no room */
    FILE *f = fopen(flag, "w");
    assert_non_null(f);
    fclose(f);
    harness_cli_wait(&hold, 60000);
    harness_cli_expect(&hold, 0, "");
    harness_cli_wait(&waiting, 60000); /* it was not told of the restart either */
    harness_cli_expect(&waiting, 0, "");
    struct harness_cli back = CLI(h, "hold", "release", "web03", "--reason", "patched");
    harness_cli_expect(&back, 0, "web03");
    json_decref(harness_run_end(h, other, 60000));
    assert_int_equal(harness_recycles(h, "web01", "Shop"), 1);
    harness_wait_all_up(h, 20000);
    harness_nothing_lost(h, "hold");
}

/* A script that takes a server and never gives it back. */
static void hold_that_expires_is_loud_until_it_is_released(void **state)
{
    (void)state;
    struct harness_cli cli =
        CLI(h, "hold", "acquire", "web03", "--for", "3s", "--reason", "patch", "--json");
    char token[64] = "";
    json_t *got = json_loads(cli.out, 0, NULL);
    text_copy(token, sizeof(token), harness_word(got, "token"));
    json_decref(got);
    assert_int_equal(cli.code, 0);
    harness_cli_free(&cli);
    harness_sleep_ms(5000);
    cli = CLI(h, "status");
    if (cli.code != 1 || !strstr(cli.out, "web03 expired, by "))
        fail_msg("%d: %s", cli.code, cli.out);
    harness_cli_free(&cli);
    harness_expect_balancer(h, "shop", "web03", "DRAIN");
    cli = CLI(h, "hold", "release", token);
    harness_cli_expect(&cli, 0, "web03");
    harness_expect_balancer(h, "shop", "web03", "UP");
    cli = CLI(h, "hold", "list");
    harness_cli_expect(&cli, 0, "nobody holds a server");
}

static void server_in_maintenance_is_left_alone(void **state)
{
    (void)state;
    long long before = harness_recycles(h, "web01", "Shop");
    struct harness_cli cli =
        CLI(h, "server", "maintenance", "on", "web01", "--for", "1h", "--reason", "board");
    harness_cli_expect(&cli, 0, "web01 is in maintenance for 1h");
    cli = CLI(h, "pool", "recycle", "Shop", "--on", "web01,web02", "--reason", "leak");
    harness_cli_expect(&cli, 4, "in maintenance until");
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before);
    cli = CLI(h, "server", "maintenance", "list");
    harness_cli_expect(&cli, 0, "board");
    cli = CLI(h, "server", "maintenance", "off", "web01", "--reason", "new board");
    harness_cli_expect(&cli, 0, "out of maintenance");
    cli = CLI(h, "pool", "recycle", "Shop", "--on", "web01", "--reason", "leak");
    harness_cli_expect(&cli, 0, "web01");
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before + 1);
}

/* The lab's own word for the application behind /api. */
static bool warms_after_restart(const char *server)
{
    char line[2 * PATH_MAX];
    text_format(line, sizeof(line),
                "%s/servers/%s/inetsrv/appcmd list config Shop/api "
                "/section:system.webServer/applicationInitialization /xml | "
                "grep -q 'doAppInitAfterRestart=\"true\"'",
                h->farm.dir, server);
    return system(line) == 0;
}

/* Api starts cold: what is missing is told, set one server after the other under traffic, proved by
 * the agents' own reading, and put back as it was. */
static void pool_is_warmed_and_cooled_again(void **state)
{
    (void)state;
    struct harness_cli cli = CLI(h, "pool", "warm", "Api", "--on", "all", "--check");
    harness_cli_expect(&cli, 1, "startMode OnDemand -> AlwaysRunning");
    harness_phase(h, "warm");
    cli = CLI(h, "pool", "warm", "Api", "--on", "all", "--apply", "--reason", "no cold starts");
    harness_cli_expect(&cli, 0, "web03");
    harness_nothing_lost(h, "warm");
    assert_true(warms_after_restart("web01") && warms_after_restart("web03"));
    cli = CLI(h, "pool", "warm", "Api", "--on", "all", "--check");
    harness_cli_expect(&cli, 0, "warm");
    cli = CLI(h, "pool", "warm", "Api", "--on", "all", "--undo", "--reason", "as it was");
    harness_cli_expect(&cli, 0, "web03");
    cli = CLI(h, "pool", "warm", "Api", "--on", "web02", "--check");
    harness_cli_expect(&cli, 1, "startMode OnDemand -> AlwaysRunning");
    assert_false(warms_after_restart("web02"));
    cli = CLI(h, "pool", "warm", "Api", "--on", "all", "--undo", "--reason", "again");
    harness_cli_expect(&cli, 1, "no settings of 'Api' are kept");
    harness_wait_all_up(h, 20000);
}

static void agents_answer_a_dry_run_themselves(void **state)
{
    (void)state;
    struct harness_cli cli = CLI(h, "pool", "recycle", "Shop", "--on", "web01", "--dry-run");
    if (!strstr(cli.out, "time: about "))
        fail_msg("no estimate: %s", cli.out);
    harness_cli_expect(&cli, 0, "would recycle 1 worker, overlapped");
    cli = CLI(h, "pool", "stop", "Nowhere", "--on", "web01", "--dry-run");
    harness_cli_expect(&cli, 1, "Nowhere");
    cli = CLI(h, "pool", "recycle", "Old", "--on", "web01", "--dry-run");
    harness_cli_expect(&cli, 0, "the pool is stopped: a stopped pool cannot be recycled");
}

/* As another user of this machine: only root can be two people. */
static int as_nobody(const char *words)
{
    char socket[108], line[1024];
    farm_socket(socket, &h->farm, "farmhand");
    chmod(socket, 0666);
    text_format(line, sizeof(line),
                "chmod -R a+rX %s && setpriv --reuid=65534 --clear-groups %s %s --socket %s "
                ">/dev/null 2>&1",
                h->base, FARMHAND_PROGRAM, words, socket);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void run_begins_with_a_second_persons_word(void **state)
{
    (void)state;
    char line[96], id[24];
    long long before = harness_recycles(h, "web01", "Shop");
    json_t *options = json_pack("{s:s}", "approve_by", "anyone");
    long long run = harness_run(h, "recycle", "Shop", "web01", options);
    text_format(id, sizeof(id), "%lld", run);
    struct harness_cli cli = CLI(h, "run", "approve", id, "--reason", "my own");
    if (cli.code != 1)
        fail_msg("its starter approved it: %s", cli.out);
    harness_cli_free(&cli);
    harness_sleep_ms(1500);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before);
    if (geteuid() != 0) {
        cli = CLI(h, "run", "abort", id, "--reason", "nobody else is here");
        harness_cli_free(&cli);
        json_decref(harness_run_end(h, run, 20000));
        skip();
    }
    text_format(line, sizeof(line), "run approve %s --reason looked", id);
    assert_int_equal(as_nobody(line), 0);
    json_t *ended = harness_run_end(h, run, 60000);
    assert_string_equal(harness_word(ended, "state"), "done");
    json_decref(ended);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before + 1);
}

/* Waits until the events of the server have the words. */
static void wait_event(const char *server, const char *words)
{
    char path[96];
    text_format(path, sizeof(path), "/v1/events?server=%s&limit=1000", server);
    for (int i = 0; i < 150; i++) {
        json_t *answer = harness_get(h, path);
        char *text = answer ? json_dumps(answer, JSON_INDENT(1)) : NULL;
        bool found = text && strstr(text, words);
        if (!found && i == 149)
            fail_msg("no '%s' in %s", words, text);
        free(text);
        json_decref(answer);
        if (found)
            return;
        harness_sleep_ms(200);
    }
}

/* Each ended before the next one was begun. */
static void expect_one_at_a_time(const json_t *run)
{
    const json_t *targets = json_object_get(run, "targets"), *t;
    const char *until = "";
    size_t i;
    json_array_foreach(targets, i, t)
    {
        assert_string_equal(harness_word(t, "state"), "done");
        if (strcmp(harness_word(t, "started_at"), until) < 0)
            fail_msg("%s was begun at %s, and the one before ended at %s",
                     harness_word(t, "server"), harness_word(t, "started_at"), until);
        until = harness_word(t, "ended_at");
        assert_string_not_equal(until, "");
    }
    assert_int_equal(i, 3);
}

/* Api has a backend of its own, and that of web03 is down since it was stopped: nobody misses it
 * there, so that Shop is recycled everywhere, one server after the other. */
static void recycle_the_other_pool(void)
{
    char said[32];
    uint64_t end_ms = clock_boot_ms() + 20000;
    do {
        assert_true(clock_boot_ms() < end_ms);
        harness_balancer(h, "api", "web03", said);
    } while (strstr(said, "UP"));
    harness_phase(h, "beside");
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "all", NULL), 60000);
    expect_one_at_a_time(run);
    json_decref(run);
    harness_nothing_lost(h, "beside");
}

/* The zombie: a pool that was stopped is there again after the next restart. Not this one; and when
 * another hand starts it, that is told. */
static void stopped_pool_stays_stopped_or_raises_an_alarm(void **state)
{
    (void)state;
    char line[2 * PATH_MAX];
    struct harness_cli cli =
        CLI(h, "pool", "stop", "Api", "--on", "web03", "--reason", "no longer needed");
    harness_cli_expect(&cli, 0, "web03");
    uint64_t since_ms = clock_boot_ms();
    recycle_the_other_pool();
    while (clock_boot_ms() < since_ms + 11000) /* what was seen before is not held against it */
        harness_sleep_ms(100);
    assert_int_equal(FARM(h, "kill", "server", "web03", "--signal", "KILL"), 0);
    assert_int_equal(FARM(h, "start", "server", "web03"), 0);
    wait_event("web03", "still stopped after a restart of WAS");
    harness_wait_fresh(h, 3, 20000);
    cli = CLI(h, "pool", "list", "Api", "--on", "web03");
    harness_cli_expect(&cli, 0, "Stopped");
    text_format(line, sizeof(line),
                "%s/servers/web03/inetsrv/appcmd start apppool /apppool.name:Api >/dev/null",
                h->farm.dir);
    assert_int_equal(system(line), 0);
    wait_event("web03", "it runs again, though run");
    cli = CLI(h, "status");
    harness_cli_expect(&cli, 1, "Api on web03: it runs again");
    cli = CLI(h, "pool", "start", "Api", "--on", "web03", "--reason", "needed after all");
    harness_cli_expect(&cli, 0, "web03");
    cli = CLI(h, "status", "--json");
    harness_cli_expect(&cli, 0, "\"kept_stopped\": []");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_of_others_costs_the_visitors_nothing),
        cmocka_unit_test(hold_that_expires_is_loud_until_it_is_released),
        cmocka_unit_test(server_in_maintenance_is_left_alone),
        cmocka_unit_test(stopped_pool_stays_stopped_or_raises_an_alarm),
        cmocka_unit_test(pool_is_warmed_and_cooled_again),
        cmocka_unit_test(agents_answer_a_dry_run_themselves),
        cmocka_unit_test(run_begins_with_a_second_persons_word),
    };
    int failed = cmocka_run_group_tests_name("e2e_holds", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
