/* Recycles, starts and stops on a farm of three under traffic: the good days, and bad input. */
#include "tests/e2e/harness.h"

#include "tests/farm/farm/configs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){"--servers", "3", "--traffic", NULL});
    return 0;
}

static long long recycles_in_all(const char *pool)
{
    return harness_recycles(h, "web01", pool) + harness_recycles(h, "web02", pool) +
           harness_recycles(h, "web03", pool);
}

/* Runs farmhand; it must end with a code of `codes` (words) and have said `said` somewhere. */
static void expect_refusal(const char *const *words, const char *said)
{
    long long before = recycles_in_all("Shop");
    struct harness_cli cli = harness_cli(h, words);
    if (cli.code == 0 || cli.code == 3 || !strstr(cli.out, said))
        fail_msg("exit code %d, and this instead of '%s':\n%s", cli.code, said, cli.out);
    harness_cli_free(&cli);
    assert_int_equal(recycles_in_all("Shop"), before);
}

#define RECYCLE(pool, on)                                                                          \
    (const char *const[])                                                                          \
    {                                                                                              \
        "pool", "recycle", pool, "--on", on, "--yes", "--reason", "end-to-end test", NULL          \
    }

static void dry_run_prints_the_plan_and_changes_nothing(void **state)
{
    (void)state;
    struct harness_cli cli =
        CLI(h, "pool", "recycle", "Shop", "--on", "all", "--dry-run", "--reason", "a look");
    const char *first = strstr(cli.out, "web01");
    const char *last = strstr(cli.out, "web03");
    if (cli.code != 0 || !first || !last || first > last)
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
    assert_int_equal(recycles_in_all("Shop"), 0);
}

static void one_by_one_recycle_loses_no_request(void **state)
{
    (void)state;
    harness_phase(h, "rolling");
    struct harness_cli cli = harness_cli(h, RECYCLE("Shop", "all"));
    if (cli.code != 0)
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
    harness_nothing_lost(h, "rolling");
    assert_int_equal(harness_recycles(h, "web01", "Shop"), 1);
    assert_int_equal(harness_recycles(h, "web02", "Shop"), 1);
    assert_int_equal(harness_recycles(h, "web03", "Shop"), 1);
    harness_wait_all_up(h, 20000);
}

/* The proof names the workers that the lab says were there. */
static void proof_is_what_the_lab_counted(void **state)
{
    (void)state;
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "web02", NULL), 60000);
    assert_string_equal(harness_word(run, "state"), "done");
    const json_t *proof = json_object_get(harness_target(run, "web02"), "proof");
    const json_t *before = json_object_get(proof, "before");
    const json_t *after = json_object_get(proof, "after");
    assert_int_equal(json_array_size(before), 1);
    assert_int_equal(json_array_size(after), 1);
    json_t *truth = harness_truth(h, "web02");
    const json_t *workers =
        json_object_get(json_object_get(json_object_get(truth, "pools"), "Shop"), "workers");
    size_t count = json_array_size(workers);
    assert_true(count >= 3); /* the first, that of the whole run, this one */
    const json_t *old = json_array_get(workers, count - 2);
    const json_t *new = json_array_get(workers, count - 1);
    assert_int_equal(json_integer_value(json_array_get(before, 0)),
                     json_integer_value(json_object_get(old, "pid")));
    assert_int_equal(json_integer_value(json_array_get(after, 0)),
                     json_integer_value(json_object_get(new, "pid")));
    assert_string_equal(harness_word(old, "how"), "recycled");
    json_decref(truth);
    json_decref(run);
}

static void unknown_pool_is_refused(void **state)
{
    (void)state;
    expect_refusal(RECYCLE("Shpo", "all"), "Shpo");
}

static void unknown_server_is_refused(void **state)
{
    (void)state;
    expect_refusal(RECYCLE("Shop", "web07"), "web07");
}

static void empty_selection_is_refused(void **state)
{
    (void)state;
    expect_refusal(RECYCLE("Shop", "zone=nowhere"), "zone=nowhere");
    expect_refusal((const char *const[]){"pool", "recycle", "Shop", "--on", "", "--yes", "--reason",
                                         "test", NULL},
                   "--on");
}

static void second_run_over_the_same_servers_is_refused(void **state)
{
    (void)state;
    int status;
    char holder[32];
    long long first = harness_run(h, "recycle", "Shop", "web01,web02", NULL);
    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "action", "recycle", "pool", "Shop", "on",
                             "web02,web03", "reason", "the second");
    json_t *answer = harness_post(h, "/v1/runs", body, &status);
    const char *text = harness_word(json_object_get(answer, "error"), "text");
    snprintf(holder, sizeof(holder), "run %lld", first);
    assert_int_equal(status, 409);
    if (!strstr(text, holder) || !strstr(text, "web02"))
        fail_msg("neither the run nor the server is named: %s", text);
    json_decref(answer);
    json_decref(harness_run_end(h, first, 60000));
    harness_wait_all_up(h, 20000);
}

static void stopped_pool_is_not_recycled(void **state)
{
    (void)state;
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Old", "web01", NULL), 60000);
    const json_t *target = harness_target(run, "web01");
    assert_string_not_equal(harness_word(target, "state"), "done");
    assert_string_equal(harness_word(target, "cause"), "pool-stopped");
    assert_true(strlen(harness_word(run, "why")) > 0);
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web01", "Old"), 0);
}

static void pool_without_a_worker_needs_nothing(void **state)
{
    (void)state;
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Reports", "web01", NULL), 60000);
    assert_string_equal(harness_word(run, "state"), "done");
    assert_string_equal(harness_word(harness_target(run, "web01"), "state"), "nothing");
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web01", "Reports"), 0);
}

static const json_t *pool_of(const json_t *server, const char *name)
{
    size_t i;
    json_t *pool;
    json_array_foreach(json_object_get(server, "pools"), i, pool)
    {
        if (strcmp(harness_word(pool, "name"), name) == 0)
            return pool;
    }
    fail_msg("no pool %s", name);
    return NULL;
}

/* Until the coordinator knows the pool to be so. */
static void wait_pool(const char *name, const char *state_word, bool auto_start)
{
    for (int tries = 0; tries < 200; tries++) {
        json_t *answer = harness_get(h, "/v1/servers/web01");
        const json_t *server = json_object_get(answer, "server");
        const json_t *pool = pool_of(server ? server : answer, name);
        bool as_wanted = strcmp(harness_word(pool, "state"), state_word) == 0 &&
                         json_is_true(json_object_get(pool, "auto_start")) == auto_start;
        json_decref(answer);
        if (as_wanted)
            return;
        harness_sleep_ms(100);
    }
    fail_msg("%s is not known to be %s with autoStart %d", name, state_word, auto_start);
}

static void started_and_stopped_pool_stays_as_it_was_left(void **state)
{
    (void)state;
    json_t *run = harness_run_end(h, harness_run(h, "start", "Old", "web01", NULL), 60000);
    assert_string_equal(harness_word(run, "state"), "done");
    json_decref(run);
    wait_pool("Old", "Started", true);
    run = harness_run_end(h, harness_run(h, "stop", "Old", "web01", NULL), 60000);
    assert_string_equal(harness_word(run, "state"), "done");
    json_decref(run);
    wait_pool("Old", "Stopped", false);
    json_t *truth = harness_truth(h, "web01");
    const json_t *pool = json_object_get(json_object_get(truth, "pools"), "Old");
    assert_int_equal(json_integer_value(json_object_get(pool, "starts")), 1);
    assert_int_equal(json_integer_value(json_object_get(pool, "stops")), 1);
    json_decref(truth);
}

/* Last: after everything above had its chance to write it down. */
static void password_of_an_identity_is_nowhere(void **state)
{
    (void)state;
    assert_true(harness_finds(h, "servers/web01", CONFIGS_PASSWORD)); /* the search works */
    assert_false(harness_finds(h, "agents", CONFIGS_PASSWORD));
    assert_false(harness_finds(h, "coordinator", CONFIGS_PASSWORD));
    assert_false(harness_finds(h, "logs", CONFIGS_PASSWORD));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dry_run_prints_the_plan_and_changes_nothing),
        cmocka_unit_test(one_by_one_recycle_loses_no_request),
        cmocka_unit_test(proof_is_what_the_lab_counted),
        cmocka_unit_test(unknown_pool_is_refused),
        cmocka_unit_test(unknown_server_is_refused),
        cmocka_unit_test(empty_selection_is_refused),
        cmocka_unit_test(second_run_over_the_same_servers_is_refused),
        cmocka_unit_test(stopped_pool_is_not_recycled),
        cmocka_unit_test(pool_without_a_worker_needs_nothing),
        cmocka_unit_test(started_and_stopped_pool_stays_as_it_was_left),
        cmocka_unit_test(password_of_an_identity_is_nowhere),
    };
    int failed = cmocka_run_group_tests_name("e2e_recycle", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
