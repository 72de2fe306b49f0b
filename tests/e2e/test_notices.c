/* A webhook and a command are told of runs by the real coordinator, over its death and theirs. */
#include "tests/e2e/harness.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "tests/unit/fake_hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct harness *h;
static struct fake_hook *hook;
static unsigned port;
static char dir[64];

static void write_file(const char *name, const char *text, unsigned mode)
{
    char path[PATH_MAX];
    text_format(path, sizeof(path), "%s/%s", dir, name);
    must(os_write_file(path, text, strlen(text), mode, NULL) == ERR_NONE);
}

static int bring_up(void **state)
{
    (void)state;
    static char url[96], secret[128], run[128], script[256];
    strcpy(dir, "/tmp/e2e-notice-XXXXXX");
    must(mkdtemp(dir) != NULL);
    hook = fake_hook_open(0);
    port = fake_hook_port(hook);
    write_file("secret", "a-secret-of-some-length\n", 0600);
    text_format(script, sizeof(script), "#!/bin/sh\ncat >>%s/told && echo >>%s/told\n", dir, dir);
    write_file("page", script, 0755);
    text_format(url, sizeof(url), "notice ops.url=http://127.0.0.1:%u/hook", port);
    text_format(secret, sizeof(secret), "notice ops.secret_file=%s/secret", dir);
    text_format(run, sizeof(run), "notice pager.run=%s/page", dir);
    h = harness_up((const char *const[]){"--servers", "2", "--coordinator", url, "--coordinator",
                                         secret, "--coordinator", "notice ops.timeout=5s",
                                         "--coordinator", run, "--coordinator",
                                         "notice pager.on=run.paused, run.ended", NULL});
    harness_wait_fresh(h, 2, 20000);
    return 0;
}

static int bring_down(void **state)
{
    (void)state;
    char command[128];
    fake_hook_close(hook);
    text_format(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void wait_taken(size_t count)
{
    uint64_t until_ms = clock_boot_ms() + 40000;
    while (fake_hook_taken(hook) < count && clock_boot_ms() < until_ms)
        harness_sleep_ms(50);
    assert_int_equal(fake_hook_taken(hook), count);
}

static void expect_request(size_t n, const char *part)
{
    char *request = fake_hook_request(hook, n);
    if (!strstr(request, part))
        fail_msg("request %zu has no '%s': %s", n, part, request);
    assert_non_null(strstr(request, "X-Farmhand-Signature: sha256="));
    free(request);
}

static void a_run_is_told_to_both(void **state)
{
    (void)state;
    char path[PATH_MAX], *told = NULL;
    size_t len;
    json_decref(harness_run_end(h, harness_run(h, "recycle", "Shop", "all", NULL), 60000));
    wait_taken(2);
    expect_request(0, "\"kind\":\"run.started\"");
    expect_request(1, "\"kind\":\"run.ended\"");
    text_format(path, sizeof(path), "%s/told", dir);
    uint64_t until_ms = clock_boot_ms() + 20000;
    while (!told || !strchr(told, '\n')) { /* the end of what it was told */
        if (clock_boot_ms() > until_ms)
            fail_msg("told: %s", told ? told : "nothing");
        harness_sleep_ms(50);
        free(told);
        told = NULL;
        os_read_file(path, 10000, &told, &len, NULL);
    }
    assert_non_null(strstr(told, "\"kind\":\"run.ended\""));
    assert_null(strstr(told, "run.started")); /* not wanted there */
    free(told);
}

static void test_is_delivered_or_says_why_not(void **state)
{
    (void)state;
    struct harness_cli cli = CLI(h, "notice", "test", "ops");
    if (cli.code != 0)
        fail_msg("%d: %s", cli.code, cli.out);
    harness_cli_free(&cli);
    wait_taken(3);
    expect_request(2, "\"kind\":\"notice.test\"");
    fake_hook_set(hook, HOOK_HANGS);
    cli = CLI(h, "notice", "test", "ops");
    assert_int_equal(cli.code, 1);
    assert_non_null(strstr(cli.out, "not delivered"));
    harness_cli_free(&cli);
    cli = CLI(h, "notice", "test", "nobody");
    assert_int_equal(cli.code, 1);
    assert_non_null(strstr(cli.out, "[notice nobody]"));
    harness_cli_free(&cli);
    cli = CLI(h, "status");
    assert_non_null(strstr(cli.out, "Notice"));
    harness_cli_free(&cli);
    fake_hook_set(hook, HOOK_WELL);
    wait_taken(4); /* tried again by itself */
}

/* The hook is gone, a run comes and ends, the coordinator is killed; then all is well again. */
static void nothing_is_lost_over_a_kill(void **state)
{
    (void)state;
    fake_hook_close(hook);
    hook = NULL;
    json_decref(harness_run_end(h, harness_run(h, "recycle", "Shop", "web01", NULL), 60000));
    assert_int_equal(FARM(h, "kill", "coordinator", "--signal", "KILL"), 0);
    hook = fake_hook_open(port);
    assert_int_equal(FARM(h, "start", "coordinator"), 0);
    wait_taken(2);
    expect_request(0, "\"kind\":\"run.started\"");
    expect_request(1, "\"kind\":\"run.ended\"");
    harness_wait_fresh(h, 2, 20000);
    uint64_t until_ms = clock_boot_ms() + 20000;
    for (bool waiting = true; waiting;) { /* it learns of an answer a moment after that was given */
        struct harness_cli cli = CLI(h, "notice", "list", "--json");
        assert_int_equal(cli.code, 0);
        assert_null(strstr(cli.out, "/hook")); /* a hook's path may be its password */
        waiting = !strstr(cli.out, "\"waiting\": 0");
        if (waiting && clock_boot_ms() > until_ms)
            fail_msg("%s", cli.out);
        harness_cli_free(&cli);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_told_to_both),
        cmocka_unit_test(test_is_delivered_or_says_why_not),
        cmocka_unit_test(nothing_is_lost_over_a_kill),
    };
    int failed = cmocka_run_group_tests_name("e2e_notices", tests, bring_up, bring_down);
    harness_down(h, failed != 0);
    return failed;
}
