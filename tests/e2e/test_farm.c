/* The lab farm itself, without agents: what other tests stand on. */
#include "tests/e2e/harness.h"

#include "tests/farm/farm/programs.h"

#include "common/os.h"
#include "common/process.h"
#include "common/text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){"--servers", "2", "--no-agents", "--traffic", NULL});
    return 0;
}

/* farm VERB... as a person would call it; the exit code. */
static uint32_t farm(const char *const *words)
{
    char tool[PATH_MAX];
    const char *argv[16] = {tool};
    struct error err = {0};
    struct process_result result = {0};
    assert_int_equal(programs_find(PROGRAM_FARM, tool, &err), ERR_NONE);
    for (size_t i = 0; words[i]; i++)
        argv[i + 1] = words[i];
    struct process_call call = {.argv = argv, .timeout_ms = 60000, .output_max_bytes = 1 << 20};
    if (process_run(&call, &result, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    free(result.output);
    return result.exit_code;
}
#define FARM_PLAIN(...) farm((const char *const[]){__VA_ARGS__, NULL})

static void second_farm_lives_beside_in_a_deep_directory(void **state)
{
    char deep[PATH_MAX];
    struct farm other;
    struct error err = {0};
    (void)state;
    /* Longer than a unix socket's path may be, with a blank. */
    text_format(deep, sizeof(deep), "%s/%0120d/a farm", h->base, 0);
    assert_int_equal(FARM_PLAIN("up", "--servers", "2", "--no-agents", "--traffic", "--dir", deep),
                     0);
    assert_int_equal(farm_load(&other, deep, &err), ERR_NONE);
    assert_int_not_equal(farm_port_front(&other), farm_port_front(&h->farm));
    assert_int_equal(FARM_PLAIN("fault", "--dir", deep, "web02", "worker-500", "on", "--scope",
                                "Shop", "--value", "all"),
                     0);
    assert_int_equal(FARM_PLAIN("status", "--json", "--dir", deep), 0);
    assert_int_equal(FARM_PLAIN("down", "--dir", deep), 0);
    assert_int_equal(farm_load(&other, deep, &err), ERR_NOT_FOUND);
    assert_int_not_equal(access(other.run, F_OK), 0);
    harness_wait_all_up(h, 20000); /* the first one did not notice */
    harness_nothing_lost(h, "start");
}

static void taken_directory_is_refused(void **state)
{
    (void)state;
    assert_int_equal(FARM_PLAIN("up", "--servers", "1", "--dir", h->farm.dir), 1);
    assert_int_equal(FARM_PLAIN("up", "--servers", "1", "--dir", "/etc"), 1);
    harness_wait_all_up(h, 20000);
}

static void bad_words_are_refused(void **state)
{
    (void)state;
    assert_int_equal(FARM_PLAIN("up", "--servers", "0", "--dir", "/tmp/never"), 2);
    assert_int_equal(FARM_PLAIN("up", "--servres", "3", "--dir", "/tmp/never"), 2);
    assert_int_equal(FARM_PLAIN("up", "--balancer", "f5", "--dir", "/tmp/never"), 2);
    assert_int_equal(FARM(h, "fault", "web09", "was-stuck"), 2);
    assert_int_not_equal(FARM(h, "fault", "web01", "no-such-fault"), 0);
    assert_int_equal(FARM(h, "kill", "dragon"), 2);
    assert_int_equal(FARM(h, "kill", "haproxy", "--signal", "NONSENSE"), 2);
    assert_int_not_equal(access("/tmp/never", F_OK), 0);
}

static void farm_that_cannot_start_leaves_nothing_running(void **state)
{
    char dir[PATH_MAX];
    struct farm gone;
    struct error err = {0};
    (void)state;
    text_format(dir, sizeof(dir), "%s/broken", h->base);
    assert_int_equal(FARM_PLAIN("up", "--servers", "2", "--no-agents", "--dir", dir, "--lab",
                                "web02:server.name=web02\nneither key nor section"),
                     1);
    assert_int_equal(farm_load(&gone, dir, &err), ERR_NOT_FOUND);
    text_format(dir, sizeof(dir), "%s/broken/logs", h->base);
    assert_int_equal(access(dir, F_OK), 0); /* but the logs say why */
}

static void farm_ends_with_the_process_it_is_for(void **state)
{
    char dir[PATH_MAX], pid[16];
    struct farm f;
    struct error err = {0};
    (void)state;
    pid_t parent = fork();
    if (parent == 0) {
        pause();
        _exit(0);
    }
    text_format(dir, sizeof(dir), "%s/guarded", h->base);
    text_format(pid, sizeof(pid), "%d", (int)parent);
    assert_int_equal(
        FARM_PLAIN("up", "--servers", "1", "--no-agents", "--dir", dir, "--while", pid), 0);
    assert_int_equal(farm_load(&f, dir, &err), ERR_NONE);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    for (int tries = 0; tries < 400 && farm_load(&f, dir, &err) == ERR_NONE; tries++)
        harness_sleep_ms(100);
    assert_int_equal(farm_load(&f, dir, &err), ERR_NOT_FOUND);
}

/* The measure of everything else: a farm treated badly loses requests, and it shows. */
static void services_stopped_at_once_lose_requests(void **state)
{
    (void)state;
    char tool[PATH_MAX], name[FARM_NAME_MAX];
    struct error err = {0};
    harness_phase(h, "bad");
    static const char *const verbs[] = {"stop", "start"};
    for (size_t v = 0; v < 2; v++) {
        for (unsigned i = 0; i < h->farm.servers; i++) {
            farm_server_name(name, i);
            farm_path(tool, &h->farm, "servers/%s/inetsrv/sc", name);
            const char *argv[] = {tool, verbs[v], "W3SVC", NULL};
            struct process_call call = {
                .argv = argv, .timeout_ms = 30000, .output_max_bytes = 65536};
            struct process_result result = {0};
            assert_int_equal(process_run(&call, &result, &err), ERR_NONE);
            free(result.output);
        }
        harness_sleep_ms(1500);
    }
    harness_wait_all_up(h, 20000);
    harness_phase(h, "better");
    json_t *bad = harness_seen(h, "bad");
    assert_true(json_integer_value(json_object_get(bad, "failed")) > 50);
    assert_true(json_integer_value(json_object_get(json_object_get(bad, "posts"), "failed")) > 15);
    json_decref(bad);
    harness_sleep_ms(500);
    harness_nothing_lost(h, "better");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_farm_lives_beside_in_a_deep_directory),
        cmocka_unit_test(taken_directory_is_refused),
        cmocka_unit_test(bad_words_are_refused),
        cmocka_unit_test(farm_that_cannot_start_leaves_nothing_running),
        cmocka_unit_test(farm_ends_with_the_process_it_is_for),
        cmocka_unit_test(services_stopped_at_once_lose_requests),
    };
    int failed = cmocka_run_group_tests_name("e2e_farm", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
