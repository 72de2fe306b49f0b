/* SIGKILL of the coordinator at 50 random moments of runs under traffic.
 *
 * Judged by the lab and the visitors alone: no request lost, every server recycled exactly once by
 * each run that says it was done there, none left drained. The seed is printed; E2E_SEED repeats
 * its choices (the moments are then the same as far as the machine's own timing allows), E2E_KILLS
 * changes their number.
 */
#include "tests/e2e/harness.h"

#include "common/clock.h"
#include "common/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERVERS      4
#define KILLS        50
#define LIFE_MAX_MS  4400 /* from one start of the coordinator to its end */
#define RUN_LIMIT_MS 120000
#define START_TRY_MS 100

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){
        "--servers", "4", "--traffic", "--rate", "100", "--coordinator", "coordinator.settle=1s",
        "--coordinator", "defaults.soak=500ms", "--coordinator", "defaults.gate_min=500ms", "--lab",
        "server.appcmd_delay_ms=50-120", NULL});
    return 0;
}

static unsigned from_env(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text && text[0] ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static unsigned choose_seed(void)
{
    unsigned seed = 1;
    os_random(&seed, sizeof(seed), NULL);
    seed = from_env("E2E_SEED", seed);
    fprintf(stderr, "seed %u (E2E_SEED=%u repeats it)\n", seed, seed);
    return seed;
}

/* Is there a run that has not ended? -1: the coordinator cannot say now. */
static int is_running(void)
{
    json_t *answer = harness_get(h, "/v1/runs?limit=1");
    const json_t *runs = json_object_get(answer, "runs");
    int running = -1;
    if (runs)
        running = json_array_size(runs) > 0 &&
                  !json_is_true(json_object_get(json_array_get(runs, 0), "ended"));
    json_decref(answer);
    return running;
}

/* Starts the next run if the last has ended; whatever comes of it is found later in the list. */
static void keep_a_run_going(void)
{
    int status;
    if (is_running() != 0)
        return;
    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "action", "recycle", "pool", "Shop", "on",
                             "all", "reason", "kill test");
    json_decref(harness_post(h, "/v1/runs", body, &status));
}

/* One life of the coordinator: to a random moment, with a run going on as soon as it can. */
static void live_and_die(unsigned *seed)
{
    uint64_t end_ms = clock_boot_ms() + (uint64_t)rand_r(seed) % LIFE_MAX_MS;
    while (clock_boot_ms() + START_TRY_MS < end_ms) {
        keep_a_run_going();
        harness_sleep_ms(START_TRY_MS);
    }
    if (clock_boot_ms() < end_ms)
        harness_sleep_ms((unsigned)(end_ms - clock_boot_ms()));
    assert_int_equal(FARM(h, "kill", "coordinator"), 0);
    assert_int_equal(FARM(h, "start", "coordinator"), 0);
}

/* How many runs say that the server was recycled. Every run must have ended as done. */
static long long runs_done_on(const char *server, size_t *run_count)
{
    char path[64];
    long long done = 0;
    json_t *answer = harness_get(h, "/v1/runs?limit=1000");
    const json_t *runs = json_object_get(answer, "runs");
    size_t i;
    json_t *item;
    assert_non_null(runs);
    *run_count = json_array_size(runs);
    json_array_foreach(runs, i, item)
    {
        long long id = json_integer_value(json_object_get(item, "id"));
        snprintf(path, sizeof(path), "%lld", id);
        json_t *run = harness_run_end(h, id, 20000);
        if (strcmp(harness_word(run, "state"), "done") != 0) {
            char *text = json_dumps(run, JSON_INDENT(1));
            fprintf(stderr, "run %s: %s\n", path, text);
            free(text);
        }
        assert_string_equal(harness_word(run, "state"), "done");
        done += strcmp(harness_word(harness_target(run, server), "state"), "done") == 0;
        json_decref(run);
    }
    json_decref(answer);
    return done;
}

static void coordinator_killed_at_random_moments_resumes(void **state)
{
    (void)state;
    char name[FARM_NAME_MAX];
    size_t runs = 0;
    unsigned kills = from_env("E2E_KILLS", KILLS);
    unsigned seed = choose_seed();
    harness_phase(h, "kills");
    for (unsigned i = 0; i < kills; i++)
        live_and_die(&seed);
    harness_wait_fresh(h, SERVERS, 30000);
    keep_a_run_going(); /* one more, in peace, unless one is on its way */
    uint64_t end_ms = clock_boot_ms() + RUN_LIMIT_MS;
    while (is_running() != 0 && clock_boot_ms() < end_ms)
        harness_sleep_ms(200);
    for (unsigned i = 0; i < SERVERS; i++) {
        farm_server_name(name, i);
        assert_int_equal(harness_recycles(h, name, "Shop"), runs_done_on(name, &runs));
    }
    fprintf(stderr, "%u kills, %zu runs\n", kills, runs);
    assert_true(runs >= 2);
    harness_wait_all_up(h, 20000);
    harness_nothing_lost(h, "kills");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coordinator_killed_at_random_moments_resumes),
    };
    int failed = cmocka_run_group_tests_name("e2e_kill", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
