/* What goes wrong on a server while its pool is recycled: workers, agents, appcmd, the network. */
#include "tests/e2e/harness.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct harness *h;

static int bring_up(void **state)
{
    (void)state;
    h = harness_up((const char *const[]){"--servers", "3", "--traffic", "--rate", "100", "--agent",
                                         "iis.appcmd_timeout=8s", NULL});
    return 0;
}

/* Every test starts from a farm in order, and leaves one. */
static int in_order(void **state)
{
    (void)state;
    assert_int_equal(FARM(h, "fault", "all", "all", "off"), 0);
    harness_wait_fresh(h, 3, 20000);
    harness_wait_all_up(h, 20000);
    harness_sleep_ms(1200); /* the agents' cool-down between two acts */
    harness_phase(h, "test");
    return 0;
}

static void expect_run(const json_t *run, const char *state_word)
{
    char *text = json_dumps(run, JSON_INDENT(1));
    if (strcmp(harness_word(run, "state"), state_word) != 0)
        fail_msg("the run is not '%s': %s", state_word, text);
    free(text);
}

/* The run ended without a server recycled more often than before. */
static void expect_untouched(long long id, const char *server, long long before)
{
    json_t *run = harness_run_end(h, id, 90000);
    if (strcmp(harness_word(run, "state"), "done") == 0)
        expect_run(run, "failed");
    assert_true(strlen(harness_word(harness_target(run, server), "detail")) > 0);
    json_decref(run);
    assert_int_equal(harness_recycles(h, server, "Shop"), before);
}

static void worker_that_ignores_its_stop_is_waited_for(void **state)
{
    (void)state;
    long long before = harness_recycles(h, "web01", "Shop");
    uint64_t start_ms = clock_boot_ms();
    FARM(h, "fault", "web01", "worker-ignores-stop", "on", "--scope", "Shop");
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "web01", NULL), 90000);
    expect_run(run, "done");
    assert_true(clock_boot_ms() - start_ms >= 10000); /* Shop's shutdownTimeLimit */
    json_decref(run);
    json_t *truth = harness_truth(h, "web01");
    const json_t *workers =
        json_object_get(json_object_get(json_object_get(truth, "pools"), "Shop"), "workers");
    const json_t *old = json_array_get(workers, json_array_size(workers) - 2);
    assert_string_equal(harness_word(old, "how"), "overdue"); /* WAS ended it, not we */
    json_decref(truth);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before + 1);
    harness_nothing_lost(h, "test");
}

static void successor_that_answers_500_stays_out_and_stops_the_run(void **state)
{
    (void)state;
    char status[32];
    long long third = harness_recycles(h, "web03", "Shop");
    FARM(h, "fault", "web02", "worker-500", "on", "--scope", "Shop");
    json_t *options = json_pack("{s:i}", "gate_deadline_ms", 12000);
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "all", options), 90000);
    expect_run(run, "failed");
    assert_string_equal(harness_word(harness_target(run, "web01"), "state"), "done");
    assert_string_equal(harness_word(harness_target(run, "web02"), "state"), "failed");
    assert_string_not_equal(harness_word(harness_target(run, "web03"), "state"), "done");
    assert_non_null(strstr(harness_word(run, "why"), "web02"));
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web03", "Shop"), third);
    harness_balancer(h, "shop", "web02", status);
    assert_null(strstr(status, "UP")); /* nobody is sent to it */
    harness_nothing_lost(h, "test");

    /* It holds its place in the budget: another server may not go out meanwhile. */
    int code;
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:b}", "action", "recycle", "pool", "Shop", "on",
                             "web03", "reason", "may not", "dry_run", 1);
    json_t *answer = harness_post(h, "/v1/runs", body, &code);
    assert_int_equal(code, 200);
    const json_t *plan = json_object_get(answer, "plan");
    const json_t *budget = json_array_get(json_object_get(plan, "budgets"), 0);
    assert_int_equal(json_integer_value(json_object_get(budget, "used")), 1);
    const json_t *target = json_array_get(json_object_get(plan, "targets"), 0);
    assert_string_equal(harness_word(target, "will"), "wait");
    json_decref(answer);

    /* The way back: the fault is mended, a recycle makes a good worker, and it is put back. */
    FARM(h, "fault", "web02", "worker-500", "off", "--scope", "Shop");
    harness_sleep_ms(1200);
    struct harness_cli cli = CLI(h, "pool", "recycle", "Shop", "--on", "web02", "--yes", "--reason",
                                 "the fault is mended");
    if (cli.code != 0)
        fail_msg("exit code %d:\n%s", cli.code, cli.out);
    harness_cli_free(&cli);
    harness_wait_all_up(h, 20000);
}

static void wait_recycles(const char *server, long long count)
{
    uint64_t end_ms = clock_boot_ms() + 30000;
    while (harness_recycles(h, server, "Shop") < count) {
        if (clock_boot_ms() > end_ms)
            fail_msg("%s was not recycled", server);
        harness_sleep_ms(30);
    }
}

static void agent_that_dies_in_the_middle_is_asked_again(void **state)
{
    (void)state;
    long long before = harness_recycles(h, "web02", "Shop");
    FARM(h, "fault", "web02", "worker-slow-start", "on", "--scope", "Shop", "--value", "3000");
    long long id = harness_run(h, "recycle", "Shop", "web02,web03", NULL);
    wait_recycles("web02", before + 1); /* appcmd was called; the new worker is on its way */
    assert_int_equal(FARM(h, "kill", "agent", "web02"), 0);
    harness_sleep_ms(2000);
    assert_int_equal(FARM(h, "start", "agent", "web02"), 0);
    json_t *run = harness_run_end(h, id, 90000);
    expect_run(run, "done");
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web02", "Shop"), before + 1);
    harness_nothing_lost(h, "test");
}

static void server_that_is_down_at_the_start_stops_the_run(void **state)
{
    (void)state;
    long long before = harness_recycles(h, "web01", "Shop");
    assert_int_equal(FARM(h, "kill", "agent", "web03"), 0);
    assert_int_equal(FARM(h, "kill", "server", "web03"), 0);
    harness_wait_fresh(h, 2, 20000);
    harness_phase(h, "test"); /* what the power cut itself cost is nobody's business here */
    long long id = harness_run(h, "recycle", "Shop", "all", NULL);
    /* The server that is down takes the only place in the budget: nobody else may go. */
    harness_sleep_ms(5000);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before);
    int status;
    char path[64];
    snprintf(path, sizeof(path), "/v1/runs/%lld/abort", id);
    json_decref(harness_post(h, path, json_pack("{s:s}", "reason", "test"), &status));
    json_decref(harness_run_end(h, id, 30000));
    harness_nothing_lost(h, "test");
    assert_int_equal(FARM(h, "start", "server", "web03"), 0);
    assert_int_equal(FARM(h, "start", "agent", "web03"), 0);
    harness_wait_fresh(h, 3, 20000);
}

/* Output that is only dressed oddly is understood. */
static void odd_appcmd_output_is_understood(void **state)
{
    (void)state;
    static const char *const dresses[] = {"bom", "crlf"};
    for (size_t i = 0; i < sizeof(dresses) / sizeof(dresses[0]); i++) {
        long long before = harness_recycles(h, "web01", "Shop");
        FARM(h, "fault", "web01", "appcmd-output", "on", "--scope", "list", "--value", dresses[i]);
        json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "web01", NULL), 60000);
        expect_run(run, "done");
        json_decref(run);
        assert_int_equal(harness_recycles(h, "web01", "Shop"), before + 1);
        FARM(h, "fault", "web01", "all", "off");
        harness_sleep_ms(1200);
    }
    harness_nothing_lost(h, "test");
}

static void another_language_is_understood(void **state)
{
    (void)state;
    long long before = harness_recycles(h, "web01", "Shop");
    FARM(h, "fault", "web01", "appcmd-language", "on", "--value", "de-cp850");
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "web01", NULL), 60000);
    expect_run(run, "done");
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before + 1);
    harness_nothing_lost(h, "test");
}

/* Output that cannot be trusted is not acted upon. */
static void spoilt_appcmd_output_recycles_nothing(void **state)
{
    (void)state;
    static const char *const spoils[] = {"half", "huge", "garbage"};
    for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
        long long before = harness_recycles(h, "web01", "Shop");
        FARM(h, "fault", "web01", "appcmd-output", "on", "--scope", "list", "--value", spoils[i]);
        expect_untouched(harness_run(h, "recycle", "Shop", "web01", NULL), "web01", before);
        FARM(h, "fault", "web01", "all", "off");
        harness_wait_all_up(h, 20000);
    }
    harness_nothing_lost(h, "test");
}

static void appcmd_that_hangs_is_killed(void **state)
{
    (void)state;
    long long before = harness_recycles(h, "web01", "Shop");
    FARM(h, "fault", "web01", "appcmd-hangs", "on", "--scope", "recycle");
    expect_untouched(harness_run(h, "recycle", "Shop", "web01", NULL), "web01", before);
    harness_nothing_lost(h, "test");
}

/* --- nonsense on the agents' port --- */

static int dial_agents_port(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)farm_port_coordinator(&h->farm)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t len)
{
    if (send(fd, bytes, len, MSG_NOSIGNAL) < 0)
        return; /* hung up on: as it should be */
}

/* The handshake of nng's TCP transport as a REQ peer (protocol 0x30), then a message of `len`
 * bytes announced, of which only some come. Source: nanomsg's sp-tcp-mapping-01. */
static void send_message(uint64_t announced, const void *bytes, size_t len)
{
    static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    uint8_t header[8];
    int fd = dial_agents_port();
    put(fd, hello, sizeof(hello));
    for (int i = 0; i < 8; i++)
        header[i] = (uint8_t)(announced >> (56 - 8 * i));
    put(fd, header, sizeof(header));
    put(fd, bytes, len);
    harness_sleep_ms(50);
    close(fd);
}

static void nonsense_on_the_agents_port_harms_nobody(void **state)
{
    (void)state;
    uint8_t junk[65536];
    unsigned seed = 4711;
    for (size_t i = 0; i < sizeof(junk); i++)
        junk[i] = (uint8_t)rand_r(&seed);
    int fd = dial_agents_port();
    put(fd, junk, sizeof(junk));
    close(fd);
    send_message(1000, junk, 1000);                      /* a message of nonsense */
    send_message(UINT64_MAX, junk, sizeof(junk));        /* a length beyond all memory */
    send_message((uint64_t)1 << 30, junk, sizeof(junk)); /* a gigabyte announced */
    junk[0] = 0x80;                                      /* a request id, as REQ sends one */
    for (size_t len = 4; len < 64; len++)
        send_message(len, junk, len);
    harness_wait_fresh(h, 3, 10000);
    long long before = harness_recycles(h, "web01", "Shop");
    json_t *run = harness_run_end(h, harness_run(h, "recycle", "Shop", "web01", NULL), 60000);
    expect_run(run, "done");
    json_decref(run);
    assert_int_equal(harness_recycles(h, "web01", "Shop"), before + 1);
    harness_nothing_lost(h, "test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(worker_that_ignores_its_stop_is_waited_for, in_order),
        cmocka_unit_test_setup(successor_that_answers_500_stays_out_and_stops_the_run, in_order),
        cmocka_unit_test_setup(agent_that_dies_in_the_middle_is_asked_again, in_order),
        cmocka_unit_test_setup(server_that_is_down_at_the_start_stops_the_run, in_order),
        cmocka_unit_test_setup(odd_appcmd_output_is_understood, in_order),
        cmocka_unit_test_setup(another_language_is_understood, in_order),
        cmocka_unit_test_setup(spoilt_appcmd_output_recycles_nothing, in_order),
        cmocka_unit_test_setup(appcmd_that_hangs_is_killed, in_order),
        cmocka_unit_test_setup(nonsense_on_the_agents_port_harms_nobody, in_order),
    };
    int failed = cmocka_run_group_tests_name("e2e_trouble", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    return failed;
}
