/* test_services_lab.c - the whole agent recovers a lab server from every kind of trouble; what was
 * really done is judged by the lab's own count. */
#include "common/clock.h"
#include "common/text.h"
#include "proto/codec.h"
#include "tests/unit/agent/labfarm.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define STATE_WAIT_MS 120000 /* a recipe looks for ten seconds before it believes a silent site */
#define SC(...)       LAB("--server", f->server, __VA_ARGS__)
#define FAULT(...)    assert_int_equal(SC("fault", __VA_ARGS__), 0)

static const char allow[] =
    "[allow]\nverbs = recycle, start, stop, service-recover, service-restart, service-stop,"
    " service-start, worker-kill\npools = *\ncool_down = 0\n"
    "[services]\nstop_wait = 3s\ndependent_wait = 5s\nstart_wait = 60s\nsite_wait = 20s\n";

static const char lab[] = "[server]\nname = web01\nappcmd_delay_ms = 10\n"
                          "[service NetTcpActivator]\nstart = auto\ndepends = WAS\nhost = own\n";
static const char lab_with_stranger[] =
    "[server]\nname = web01\nappcmd_delay_ms = 10\n"
    "[service Spooler]\nstart = auto\ndepends = HTTP\nhost = iissvcs\n";

static const char lab_that_reboots[] = "[server]\nname = web01\nappcmd_delay_ms = 10\n"
                                       "[service WAS]\non_failure = reboot\n";

static int set_up_that_reboots(void **state)
{
    *state = farm_open(allow, lab_that_reboots);
    codec_free_agent(desk_wait_whole(&((struct farm *)*state)->desk));
    return 0;
}

static int set_up(void **state)
{
    *state = farm_open(allow, lab);
    codec_free_agent(desk_wait_whole(&((struct farm *)*state)->desk)); /* what runs is known */
    return 0;
}

static int set_up_with_stranger(void **state)
{
    *state = farm_open(allow, lab_with_stranger);
    codec_free_agent(desk_wait_whole(&((struct farm *)*state)->desk));
    return 0;
}

static int tear_down(void **state)
{
    farm_close(*state);
    return 0;
}

/* The state's number, as Windows has it. */
static int state_of(struct farm *f, const char *service)
{
    char *json = NULL;
    struct text key = {0};
    int state = -1;
    farm_run(&json, (const char *const[]){LAB_SC, "--server", f->server, "--json", "query", NULL});
    text_addf(&key, "\"name\":\"%s\"", service);
    const char *row = strstr(json, text_get(&key));
    const char *number = row ? strstr(row, "\"state\":") : NULL;
    if (!number || sscanf(number, "\"state\":%d", &state) != 1)
        fail_msg("no %s in %s", service, json);
    free(json);
    text_reset(&key);
    return state;
}

static void wait_for_state(struct farm *f, const char *service, int state)
{
    uint64_t until_ms = clock_boot_ms() + STATE_WAIT_MS;
    while (state_of(f, service) != state) {
        if (clock_boot_ms() > until_ms)
            fail_msg("%s is %d, not %d", service, state_of(f, service), state);
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
}

static void assert_all_run(struct farm *f)
{
    assert_int_equal(state_of(f, "WAS"), 4);
    assert_int_equal(state_of(f, "W3SVC"), 4);
}

/* As a failed IISRESET leaves it: everything stopped, nothing wrong. */
static void stop_all(struct farm *f)
{
    SC("stop", "NetTcpActivator");
    SC("stop", "W3SVC");
    wait_for_state(f, "W3SVC", 1);
    SC("stop", "WAS");
    wait_for_state(f, "WAS", 1);
}

static void assert_says(const struct agent_message *m, const char *what)
{
    if (!strstr(m->result.detail, what))
        fail_msg("\"%s\" is not said in: %s", what, m->result.detail);
}

static size_t count_in_truth(struct farm *f, const char *what)
{
    char *json;
    size_t count = 0;
    farm_run(&json, (const char *const[]){LAB_SC, "--server", f->server, "truth", "--log", NULL});
    for (const char *at = json; (at = strstr(at, what)); at += strlen(what))
        count++;
    free(json);
    return count;
}

/* The lab looks at its faults twice a second. */
static void wait_until_site_refuses(struct farm *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(f->port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    uint64_t until_ms = clock_boot_ms() + STATE_WAIT_MS;
    for (bool refused = false; !refused;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        refused = connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0;
        close(fd);
        if (clock_boot_ms() > until_ms)
            fail_msg("the site still answers");
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
}

/* Told by its rung as well as in the sentence. */
static void assert_found(const struct agent_message *m, const char *rung, const char *what)
{
    for (size_t i = 0; i < m->result.finding_count; i++) {
        const struct finding *f = &m->result.findings[i];
        if (strcmp(f->rung, rung) == 0 && strstr(f->text, what))
            return;
    }
    fail_msg("no finding of %s with \"%s\" among %zu: %s", rung, what, m->result.finding_count,
             m->result.detail);
}

/* ---- the kinds of trouble ---- */

static void stopped_services_are_started(void **state)
{
    struct farm *f = *state;
    stop_all(f);
    struct agent_message *m = desk_act(&f->desk, VERB_SERVICE_RECOVER, "", false);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_true(m->result.proof.probed && m->result.proof.probe_status == 200);
    assert_all_run(f);
    assert_int_equal(state_of(f, "NetTcpActivator"), 4); /* it ran before */
    codec_free_agent(m);

    m = desk_act(&f->desk, VERB_SERVICE_RECOVER, "", false);
    assert_outcome(m, OUTCOME_NOTHING, CAUSE_ALREADY); /* healthy: left alone */
    codec_free_agent(m);
    uint64_t seq = desk_command(&f->desk, VERB_OBSERVE, "", true);
    m = desk_wait(&f->desk, AGENT_OBSERVATION);
    assert_int_equal(m->observation.id.seq, seq);
    assert_true(m->observation.services_up && m->observation.probe_passed);
    assert_int_equal(m->observation.pool.state, POOL_STATE_STARTED);
    codec_free_agent(m);
}

/* The hung worker would hold W3SVC and WAS in their stop, and outlives the host. */
static void stuck_was_loses_its_process(void **state)
{
    struct farm *f = *state;
    FAULT("was-stuck", "on");
    FAULT("worker-hangs", "on", "--scope", "Shop");
    FAULT("service-slow-start", "on", "--scope", "WAS", "--value", "3000");
    SC("stop", "NetTcpActivator");
    SC("stop", "W3SVC");
    uint64_t seq = desk_command(&f->desk, VERB_SERVICE_RECOVER, "", false);
    wait_for_state(f, "WAS", 2); /* it is being started again */
    FAULT("all", "off");
    struct agent_message *m = desk_result(&f->desk, seq);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_says(m, "W3SVC STOP_PENDING");
    assert_says(m, "the host of WAS, was ended");
    assert_found(m, "kill", "the host of WAS, was ended");
    assert_found(m, "start", "WAS and W3SVC run");
    assert_says(m, "left behind");
    assert_all_run(f);
    assert_int_equal(state_of(f, "NetTcpActivator"), 4);
    codec_free_agent(m);
}

static void denied_and_refused_stops_lead_to_the_process(void **state)
{
    struct farm *f = *state;
    FAULT("service-denied", "on", "--scope", "W3SVC");
    uint64_t seq = desk_command(&f->desk, VERB_SERVICE_RESTART, "", false);
    wait_for_state(f, "WAS", 1); /* its process was ended, since the stop was denied */
    FAULT("service-denied", "off", "--scope", "W3SVC");
    struct agent_message *m = desk_result(&f->desk, seq);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_says(m, "W3SVC did not stop");
    assert_says(m, "the host of WAS, was ended");
    assert_all_run(f);
    codec_free_agent(m);

    FAULT("service-refuses-stop", "on", "--scope", "W3SVC"); /* 1061 */
    m = desk_act(&f->desk, VERB_SERVICE_RESTART, "", false);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_says(m, "the host of WAS, was ended");
    assert_all_run(f);
    codec_free_agent(m);
}

static void disabled_was_is_left_alone(void **state)
{
    struct farm *f = *state;
    stop_all(f);
    SC("config", "WAS", "start=", "disabled");
    struct agent_message *m = desk_act(&f->desk, VERB_SERVICE_RECOVER, "", false);
    assert_outcome(m, OUTCOME_REFUSED, CAUSE_ON_PURPOSE);
    assert_says(m, "--enable");
    assert_int_equal(state_of(f, "WAS"), 1);
    codec_free_agent(m);
}

static void pending_reboot_is_left_alone(void **state)
{
    struct farm *f = *state;
    FAULT("reboot-pending", "on");
    struct agent_message *m = desk_act(&f->desk, VERB_SERVICE_RESTART, "", false);
    assert_outcome(m, OUTCOME_REFUSED, CAUSE_ON_PURPOSE);
    assert_says(m, "a reboot of the machine is pending");
    assert_all_run(f);
    codec_free_agent(m);
}

static void shared_process_is_not_ended(void **state)
{
    struct farm *f = *state;
    FAULT("service-refuses-stop", "on", "--scope", "W3SVC");
    struct agent_message *m = desk_act(&f->desk, VERB_SERVICE_RESTART, "", false);
    assert_outcome(m, OUTCOME_FAILED, CAUSE_SHARED_HOST);
    assert_says(m, "Spooler");
    assert_int_equal(count_in_truth(f, "\"host_end\""), 0);
    assert_all_run(f);
    codec_free_agent(m);
}

/* Killing it would restart the machine: looked at before. */
static void process_with_a_restart_behind_it_is_not_ended(void **state)
{
    struct farm *f = *state;
    FAULT("service-refuses-stop", "on", "--scope", "W3SVC");
    struct agent_message *m = desk_act(&f->desk, VERB_SERVICE_RESTART, "", false);
    assert_outcome(m, OUTCOME_FAILED, CAUSE_DENIED_BY_AGENT);
    assert_says(m, "a failure action of WAS");
    assert_int_equal(count_in_truth(f, "\"host_end\""), 0);
    assert_all_run(f);
    codec_free_agent(m);
}

static void silent_site_takes_the_whole_way(void **state)
{
    struct farm *f = *state;
    FAULT("site-refuses", "on");
    FAULT("service-slow-start", "on", "--scope", "WAS", "--value", "3000");
    wait_until_site_refuses(f);
    uint64_t seq = desk_command(&f->desk, VERB_SERVICE_RECOVER, "", false);
    wait_for_state(f, "WAS", 2);
    FAULT("site-refuses", "off");
    struct agent_message *m = desk_result(&f->desk, seq);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_says(m, "no site answered");
    assert_all_run(f);
    codec_free_agent(m);
}

static void broken_identity_is_not_retried(void **state)
{
    struct farm *f = *state;
    FAULT("identity-fails", "on", "--scope", "Shop");
    struct agent_message *m = desk_act(&f->desk, VERB_RECYCLE, "Shop", false);
    codec_free_agent(m);
    FAULT("worker-crashes", "on", "--scope", "Shop", "--value", "1");
    size_t tries = count_in_truth(f, "identity_try");
    m = desk_act(&f->desk, VERB_SERVICE_RECOVER, "", false);
    if (m->result.outcome != OUTCOME_NOTHING)
        assert_outcome(m, OUTCOME_FAILED, CAUSE_IDENTITY);
    assert_int_equal(count_in_truth(f, "identity_try"), tries);
    codec_free_agent(m);
}

/* ---- stop and start ---- */

static void stop_stays_and_start_undoes_it(void **state)
{
    struct farm *f = *state;
    struct agent_message *m = desk_act(&f->desk, VERB_SERVICE_STOP, "", false);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(state_of(f, "WAS"), 1);
    codec_free_agent(m);
    farm_end_agent(f, SIGKILL);
    farm_start_agent(f);
    m = desk_act(&f->desk, VERB_SERVICE_RECOVER, "", false);
    assert_outcome(m, OUTCOME_REFUSED, CAUSE_ON_PURPOSE);
    assert_says(m, "kept down by test (test)");
    codec_free_agent(m);
    m = desk_act(&f->desk, VERB_SERVICE_START, "", false);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(f);
    assert_int_equal(state_of(f, "NetTcpActivator"), 4);
    codec_free_agent(m);
}

/* ---- promise 6 ---- */

static void agent_killed_in_the_middle_starts_them_again(void **state)
{
    struct farm *f = *state;
    FAULT("service-slow-stop", "on", "--scope", "W3SVC", "--value", "2500");
    uint64_t seq = desk_command(&f->desk, VERB_SERVICE_RESTART, "", false);
    wait_for_state(f, "W3SVC", 3);
    farm_end_agent(f, SIGKILL);
    farm_start_agent(f);
    struct agent_message *m = desk_result(&f->desk, seq);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_says(m, "finished after the agent's restart");
    assert_found(m, "start", "WAS and W3SVC run");
    assert_all_run(f);
    codec_free_agent(m);
}

/* WAS sticks in the stop that the agent had ordered when that was killed: nothing can be started
 * before its process has gone, and nobody else would end it. */
static void agent_killed_while_was_sticks_ends_its_process(void **state)
{
    struct farm *f = *state;
    FAULT("was-stuck", "on");
    FAULT("service-slow-start", "on", "--scope", "WAS", "--value", "3000");
    uint64_t seq = desk_command(&f->desk, VERB_SERVICE_RESTART, "", false);
    wait_for_state(f, "WAS", 3);
    farm_end_agent(f, SIGKILL);
    farm_start_agent(f);
    wait_for_state(f, "WAS", 2); /* it is being started again */
    FAULT("all", "off");
    struct agent_message *m = desk_result(&f->desk, seq);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_says(m, "finished after the agent's restart");
    assert_found(m, "look", "WAS was stopping still");
    assert_found(m, "kill", "the host of WAS, was ended");
    assert_all_run(f);
    codec_free_agent(m);
}

/* The guardian has ended. */
static void wait_for_word(struct farm *f)
{
    char path[PATH_BYTES + 32];
    uint64_t until_ms = clock_boot_ms() + DESK_WAIT_MS;
    snprintf(path, sizeof(path), "%s/data/guardian.done", f->dir);
    while (access(path, F_OK) != 0) {
        assert_true(clock_boot_ms() < until_ms);
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
}

static void agent_killed_for_good_leaves_it_to_the_guardian(void **state)
{
    struct farm *f = *state;
    FAULT("service-slow-stop", "on", "--scope", "W3SVC", "--value", "2500");
    desk_command(&f->desk, VERB_SERVICE_RESTART, "", false);
    wait_for_state(f, "W3SVC", 3);
    farm_end_agent(f, SIGKILL);
    wait_for_state(f, "W3SVC", 1);
    wait_for_state(f, "W3SVC", 4); /* nobody but the guardian is there */
    wait_for_state(f, "NetTcpActivator", 4);
    wait_for_word(f);
    farm_start_agent(f); /* and it tells what happened */
    struct agent_message *m = desk_wait(&f->desk, AGENT_RESULT);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_says(m, "the guardian acted, since the agent was gone");
    codec_free_agent(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stopped_services_are_started, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stuck_was_loses_its_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(denied_and_refused_stops_lead_to_the_process, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(disabled_was_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pending_reboot_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shared_process_is_not_ended, set_up_with_stranger,
                                        tear_down),
        cmocka_unit_test_setup_teardown(process_with_a_restart_behind_it_is_not_ended,
                                        set_up_that_reboots, tear_down),
        cmocka_unit_test_setup_teardown(silent_site_takes_the_whole_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_identity_is_not_retried, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_stays_and_start_undoes_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(agent_killed_in_the_middle_starts_them_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(agent_killed_while_was_sticks_ends_its_process, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(agent_killed_for_good_leaves_it_to_the_guardian, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
