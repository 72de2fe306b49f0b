/* Two HAProxy processes in front of one farm, one that only a command of the operator's speaks to,
 * and keep-alive files. The farm brings lb1; lb2 is made here: the same servers, its runtime API on
 * TCP. The files belong to a balancer that is not there: its check is the test's own look. */
#include "tests/e2e/harness.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "coordinator/balancer/haproxy.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct harness *h;
static char dir[64], api[32], script[96];
static pid_t lb2;

/* A port for lb2 alone, though it comes and goes: bound to the end, never listened on, and shared
 * with whoever shares his (as haproxy does). Else one of the visitors' connections could take it.
 */
static unsigned keep_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
         setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0);
    must(bind(fd, (struct sockaddr *)&address, len) == 0);
    must(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    return ntohs(address.sin_port);
}

/* ---- lb2 ---- */

/* The farm's own configuration with other ways in. */
static void write_config(void)
{
    char path[PATH_MAX], *text = NULL;
    struct text out = {0};
    size_t len;
    unsigned front = 0;
    farm_path(path, &h->farm, "conf/haproxy.cfg");
    must(os_read_file(path, 1 << 20, &text, &len, NULL) == ERR_NONE);
    for (char *rest = text, *line; (line = strtok_r(rest, "\n", &rest));) {
        if (strstr(line, "stats socket"))
            text_addf(&out, "    stats socket ipv4@%s level admin\n", api);
        else if (strstr(line, "    bind "))
            text_addf(&out, "    bind %s/front%u\n", dir, front++);
        else
            text_addf(&out, "%s\n", line);
    }
    text_format(path, sizeof(path), "%s/lb2.cfg", dir);
    must(os_write_file(path, text_get(&out), out.len, 0644, NULL) == ERR_NONE);
    text_reset(&out);
    free(text);
}

static struct haproxy link2(void)
{
    return (struct haproxy){"lb2", api, 3000, -1};
}

/* What lb2 says of a server. */
static enum balancer_admin lb2_says(const char *backend, const char *server)
{
    struct haproxy link = link2();
    struct haproxy_server *servers = NULL;
    size_t count = 0;
    struct error err = {0};
    enum balancer_admin admin = BALANCER_MAINT;
    if (haproxy_read(&link, backend, &servers, &count, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++)
        if (strcmp(servers[i].name, server) == 0)
            admin = servers[i].admin;
    free(servers);
    return admin;
}

static void start_lb2(void)
{
    char config[PATH_MAX];
    text_format(config, sizeof(config), "%s/lb2.cfg", dir);
    lb2 = fork();
    must(lb2 >= 0);
    if (lb2 == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("haproxy", "haproxy", "-db", "-f", config, NULL);
        _exit(127);
    }
    struct text answer = {0};
    struct haproxy link = link2();
    uint64_t until_ms = clock_boot_ms() + 20000;
    while (haproxy_exchange(&link, "show info", &answer, NULL) != ERR_NONE) {
        assert_true(clock_boot_ms() < until_ms);
        harness_sleep_ms(50);
    }
    text_reset(&answer);
}

static void kill_lb2(void)
{
    if (lb2 > 0) {
        kill(lb2, SIGKILL);
        waitpid(lb2, NULL, 0);
    }
    lb2 = 0;
}

/* ---- the command: bash, over TCP to lb2 ---- */

static void write_script(void)
{
    struct text out = {0};
    text_addf(&out,
              "#!/bin/bash\n"
              "verb=$1 name=$2 backend=$FARMHAND_BACKEND\n"
              "ask() { exec 3<>/dev/tcp/${1%%:*}/${1#*:} || exit 4; echo \"$2\" >&3; cat <&3; }\n"
              "echo \"$verb $backend/$name\" >>%s/asked\n"
              "if [ \"$verb\" != state ]; then\n"
              "    answer=$(ask %s \"set server $backend/$name state $verb\") || exit 4\n"
              "    [ -z \"$answer\" ] || { echo \"$answer\"; exit 3; }\n"
              "    exit 0\n"
              "fi\n"
              "states=$(ask %s \"show servers state $backend\") || exit 4\n"
              "stats=$(ask %s \"show stat $backend 4 -1\") || exit 4\n"
              "awk -v name=\"$name\" '\n"
              "    NR == FNR { if ($4 == name) { up = $6 == 2; admin = $7 }\n"
              "                else if ($6 == 2 && $7 == 0) others++; next }\n"
              "    { split($0, f, \",\"); if (f[2] == name) sessions = f[3] + f[5] }\n"
              "    END { if (admin == \"\") exit 3\n"
              "          printf \"admin=%%s up=%%s sessions=%%d others=%%d\\n\",\n"
              "              admin == 0 ? \"ready\" : admin == 8 ? \"drain\" : \"maint\",\n"
              "              up ? \"yes\" : \"no\", sessions, others }' \\\n"
              "    <(echo \"$states\" | tail -n +3) <(echo \"$stats\")\n",
              dir, api, api, api);
    must(os_write_file(script, text_get(&out), out.len, 0755, NULL) == ERR_NONE);
    text_reset(&out);
}

/* ---- the keep-alive files ---- */

static void file_of(unsigned server, char out[PATH_MAX])
{
    text_format(out, PATH_MAX, "%s/alive0%u", dir, server);
}

static bool has_file(unsigned server)
{
    char path[PATH_MAX];
    file_of(server, path);
    return access(path, F_OK) == 0;
}

static int bring_up(void **state)
{
    (void)state;
    static char address[96], run[160], files[3][160];
    strcpy(dir, "/tmp/e2e-lb-XXXXXX");
    must(mkdtemp(dir) != NULL);
    text_format(script, sizeof(script), "%s/balance", dir);
    text_format(api, sizeof(api), "127.0.0.1:%u", keep_port());
    text_format(address, sizeof(address), "haproxy lb2.address=%s", api);
    text_format(run, sizeof(run), "command own.run=%s", script);
    for (unsigned i = 0; i < 3; i++) {
        char path[PATH_MAX];
        file_of(i + 1, path);
        must(os_write_file(path, "here\n", 5, 0644, NULL) == ERR_NONE);
        text_format(files[i], sizeof(files[i]), "web0%u:keepalive.file=%.100s", i + 1, path);
    }
    h = harness_up((const char *const[]){"--servers",
                                         "3",
                                         "--traffic",
                                         "--rate",
                                         "60",
                                         "--coordinator",
                                         address,
                                         "--coordinator",
                                         run,
                                         "--coordinator",
                                         "keepalive file.check=1s",
                                         "--coordinator",
                                         "backend shop.balancers=lb1, lb2, file",
                                         "--coordinator",
                                         "backend api.balancers=lb1, own",
                                         "--agent",
                                         files[0],
                                         "--agent",
                                         files[1],
                                         "--agent",
                                         files[2],
                                         NULL});
    write_config();
    write_script();
    start_lb2();
    return 0;
}

static int bring_down(void **state)
{
    char path[PATH_MAX];
    static const char *const files[] = {"lb2.cfg", "balance", "asked",   "front0",
                                        "front1",  "alive01", "alive02", "alive03"};
    (void)state;
    kill_lb2();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        text_format(path, sizeof(path), "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
    return 0;
}

static int in_order(void **state)
{
    (void)state;
    harness_wait_fresh(h, 3, 20000);
    harness_wait_all_up(h, 20000);
    harness_sleep_ms(1200); /* the agents' cool-down between two acts */
    harness_phase(h, "test");
    return 0;
}

static void expect_state(const json_t *run, const char *word)
{
    char *text = json_dumps(run, JSON_INDENT(1));
    if (strcmp(harness_word(run, "state"), word) != 0)
        fail_msg("the run is not '%s': %s", word, text);
    free(text);
}

/* ---- */

static void both_are_drained_and_both_are_put_back(void **state)
{
    (void)state;
    char said[32];
    json_t *options = json_pack("{s:i, s:i}", "soak_ms", 0, "gate_min_ms", 2500);
    long long id = harness_run(h, "recycle", "Shop", "all", options);
    harness_wait_target(h, id, "web01", "acting gating", 30000);
    assert_int_equal(lb2_says("shop", "web01"), BALANCER_DRAIN);
    harness_balancer(h, "shop", "web01", said);
    assert_non_null(strstr(said, "DRAIN"));
    assert_false(has_file(1));
    assert_true(has_file(2));
    json_t *run = harness_run_end(h, id, 90000);
    expect_state(run, "done");
    json_decref(run);
    for (unsigned i = 1; i <= 3; i++) {
        text_format(said, sizeof(said), "web0%u", i);
        assert_int_equal(lb2_says("shop", said), BALANCER_READY);
        assert_int_equal(lb2_says("api", said), BALANCER_READY);
        assert_true(has_file(i));
    }
    harness_nothing_lost(h, "test");
}

/* Until the target's step holds the words. */
static void wait_step(long long id, const char *server, const char *words)
{
    uint64_t until_ms = clock_boot_ms() + 30000;
    char path[64], last[600] = "";
    text_format(path, sizeof(path), "/v1/runs/%lld", id);
    while (clock_boot_ms() < until_ms) {
        json_t *run = harness_get(h, path);
        text_copy(last, sizeof(last), run ? harness_word(harness_target(run, server), "step") : "");
        json_decref(run);
        if (strstr(last, words))
            return;
        harness_sleep_ms(100);
    }
    fail_msg("%s never said \"%s\", but \"%s\"", server, words, last);
}

static void one_that_disagrees_is_named_and_nothing_is_touched(void **state)
{
    (void)state;
    struct haproxy link = link2();
    long long before = harness_recycles(h, "web02", "Shop");
    assert_int_equal(haproxy_set(&link, "shop", "web02", BALANCER_DRAIN, NULL), ERR_NONE);
    long long id = harness_run(h, "recycle", "Shop", "web02", NULL);
    wait_step(id, "web02", "disagree about shop/web02: lb1 says ready, lb2 says drain");
    assert_int_equal(harness_recycles(h, "web02", "Shop"), before);
    /* The person who drained it there puts it back: the run goes on by itself. */
    assert_int_equal(haproxy_set(&link, "shop", "web02", BALANCER_READY, NULL), ERR_NONE);
    json_t *run = harness_run_end(h, id, 60000);
    expect_state(run, "done");
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web02", "Shop"), before + 1);
    harness_nothing_lost(h, "test");
}

static void one_that_goes_in_the_middle_leaves_nothing_half_drained(void **state)
{
    (void)state;
    char said[32];
    json_t *options = json_pack("{s:i, s:i}", "soak_ms", 0, "gate_min_ms", 3000);
    long long id = harness_run(h, "recycle", "Shop", "web03", options);
    harness_wait_target(h, id, "web03", "acting gating", 30000);
    kill_lb2();
    wait_step(id, "web03", "balancer lb2");
    /* Its owner is the run, still; and it comes back with lb2. */
    json_t *server = harness_get(h, "/v1/servers/web03");
    char *text = json_dumps(server, 0);
    assert_non_null(strstr(text, "run "));
    free(text);
    json_decref(server);
    start_lb2();
    json_t *run = harness_run_end(h, id, 90000);
    expect_state(run, "done");
    json_decref(run);
    assert_int_equal(lb2_says("shop", "web03"), BALANCER_READY);
    harness_balancer(h, "shop", "web03", said);
    assert_null(strstr(said, "DRAIN"));
    harness_nothing_lost(h, "test");
}

static size_t asked(const char *line)
{
    char path[PATH_MAX], *text = NULL;
    size_t len, count = 0;
    text_format(path, sizeof(path), "%s/asked", dir);
    must(os_read_file(path, 8 << 20, &text, &len, NULL) == ERR_NONE);
    for (char *at = text; (at = strstr(at, line)); at++)
        count++;
    free(text);
    return count;
}

static void a_command_drains_and_puts_back(void **state)
{
    (void)state;
    long long id = harness_run(h, "recycle", "Api", "web01,web02",
                               json_pack("{s:i, s:b}", "soak_ms", 0, "start_idle", 1));
    json_t *run = harness_run_end(h, id, 90000);
    expect_state(run, "done");
    json_decref(run);
    assert_int_equal(asked("drain api/web01\n"), 1);
    assert_int_equal(asked("ready api/web01\n"), 1);
    assert_int_equal(asked("drain api/web02\n"), 1);
    assert_int_equal(asked("drain api/web03\n"), 0);
    assert_int_equal(lb2_says("api", "web01"), BALANCER_READY);
    harness_nothing_lost(h, "test");
}

/* The agent dies while its server is out, and the file comes back by accident: it goes again. */
static void agent_that_dies_while_its_file_is_gone_keeps_it_gone(void **state)
{
    (void)state;
    char path[PATH_MAX];
    json_t *options = json_pack("{s:i, s:i}", "soak_ms", 0, "gate_min_ms", 4000);
    long long id = harness_run(h, "recycle", "Shop", "web02", options);
    harness_wait_target(h, id, "web02", "gating", 60000);
    assert_false(has_file(2));
    assert_int_equal(FARM(h, "kill", "agent", "web02", "--signal", "KILL"), 0);
    file_of(2, path);
    must(os_write_file(path, "a copy\n", 7, 0644, NULL) == ERR_NONE);
    assert_int_equal(FARM(h, "start", "agent", "web02"), 0);
    uint64_t until_ms = clock_boot_ms() + 20000;
    while (has_file(2) && clock_boot_ms() < until_ms)
        harness_sleep_ms(20);
    assert_false(has_file(2));
    json_t *run = harness_run_end(h, id, 90000);
    expect_state(run, "done");
    json_decref(run);
    assert_true(has_file(2));
    harness_nothing_lost(h, "test");
}

#define FROM_ORDER(f) cmocka_unit_test_setup(f, in_order)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FROM_ORDER(both_are_drained_and_both_are_put_back),
        FROM_ORDER(one_that_disagrees_is_named_and_nothing_is_touched),
        FROM_ORDER(a_command_drains_and_puts_back),
        FROM_ORDER(agent_that_dies_while_its_file_is_gone_keeps_it_gone),
        FROM_ORDER(one_that_goes_in_the_middle_leaves_nothing_half_drained),
    };
    int failed = cmocka_run_group_tests_name("e2e_balancers", tests, bring_up, bring_down);
    harness_down(h, failed != 0);
    return failed;
}
