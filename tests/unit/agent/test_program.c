/* test_program.c - the whole agent, a process of its own, against one lab server and a desk that
 * plays the coordinator over a real link. What was really done is judged by the lab's own count. */
#include "agent/worker.h"
#include "common/clock.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"
#include "proto/codec.h"
#include "tests/unit/agent/labfarm.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- programs ---- */

static uint64_t truth(struct farm *f, const char *key)
{
    char *json;
    farm_run(&json, (const char *const[]){LAB_SC, "--server", f->server, "truth", NULL});
    char *pool = strstr(json, "\"Shop\"");
    char *at = pool ? strstr(pool, key) : NULL;
    if (!at)
        fail_msg("no %s in %s", key, json);
    uint64_t value = strtoull(at + strlen(key), NULL, 10);
    free(json);
    return value;
}

static int set_up(void **state)
{
    *state = farm_open(
        "[allow]\nverbs = recycle, start, stop\npools = *, !Reports\ncool_down = 0\n", NULL);
    return 0;
}

static int tear_down(void **state)
{
    farm_close(*state);
    return 0;
}

static const struct pool *find_pool(const struct state *s, const char *name)
{
    for (size_t i = 0; i < s->pool_count; i++)
        if (text_equal(s->pools[i].name, name))
            return &s->pools[i];
    return NULL;
}

/* ---- tests ---- */

static void it_reports_what_is_there(void **state)
{
    struct farm *f = *state;
    struct agent_message *m = desk_wait_whole(&f->desk);
    const struct pool *shop = find_pool(&m->report.state, "Shop");
    assert_string_equal(m->agent, "web01");
    assert_string_equal(m->report.state.trouble, "");
    assert_non_null(shop);
    assert_int_equal(shop->state, POOL_STATE_STARTED);
    assert_non_null(find_pool(&m->report.state, "Api"));
    assert_int_equal(m->report.state.figure_count, 3);
    assert_int_equal(m->report.state.figures[0].rejected, 0);
    assert_true(m->report.state.worker_count >= 1);
    assert_true(m->report.state.service_count >= 2);
    assert_true(m->report.state.host.processors > 0);
    assert_true(m->report.state.host.memory_total_bytes > 0);
    codec_free_agent(m);
}

static void it_observes_recycles_stops_and_starts(void **state)
{
    struct farm *f = *state;
    uint64_t seq = desk_command(&f->desk, VERB_OBSERVE, "Shop", true);
    struct agent_message *m = desk_wait(&f->desk, AGENT_OBSERVATION);
    assert_int_equal(m->observation.id.seq, seq);
    assert_int_equal(m->observation.nonce.bytes[3], seq);
    assert_int_equal(m->observation.cause, CAUSE_NONE);
    assert_true(m->observation.services_up);
    assert_true(m->observation.probe_passed);
    codec_free_agent(m);

    m = desk_act(&f->desk, VERB_RECYCLE, "Shop", true);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_true(m->result.proof.baseline_gone);
    assert_true(m->result.proof.after_count >= 1);
    assert_int_equal(m->result.proof.probe_status, 200);
    codec_free_agent(m);
    assert_int_equal(truth(f, "\"recycles\":"), 1);

    m = desk_act(&f->desk, VERB_STOP, "Shop", false);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    codec_free_agent(m);
    m = desk_act(&f->desk, VERB_RECYCLE, "Shop", false);
    assert_outcome(m, OUTCOME_REFUSED, CAUSE_POOL_STOPPED);
    codec_free_agent(m);
    m = desk_act(&f->desk, VERB_START, "Shop", true);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(m->result.proof.probe_status, 200);
    codec_free_agent(m);
    assert_int_equal(truth(f, "\"recycles\":"), 1);
    assert_int_equal(truth(f, "\"stops\":"), 1);
}

static void it_refuses_what_its_owner_does_not_allow(void **state)
{
    struct farm *f = *state;
    struct agent_message *m = desk_act(&f->desk, VERB_RECYCLE, "Reports", false);
    assert_outcome(m, OUTCOME_REFUSED, CAUSE_DENIED_BY_AGENT);
    codec_free_agent(m);
    m = desk_act(&f->desk, VERB_RECYCLE, "Nope", false);
    assert_outcome(m, OUTCOME_REFUSED, CAUSE_UNKNOWN_POOL);
    codec_free_agent(m);
    m = desk_act(&f->desk, VERB_RECYCLE, "Api", false);
    assert_outcome(m, OUTCOME_NOTHING, CAUSE_POOL_IDLE);
    codec_free_agent(m);
}

static void it_goes_on_reporting_while_a_stop_takes_long(void **state)
{
    struct farm *f = *state;
    assert_int_equal(
        LAB("--server", f->server, "fault", "worker-ignores-stop", "on", "--value", "8"), 0);
    desk_command(&f->desk, VERB_STOP, "Shop", false);
    unsigned reports = f->desk.reports;
    uint64_t oldest_ms = 0;
    struct agent_message *m = NULL;
    uint64_t deadline_ms = clock_boot_ms() + DESK_WAIT_MS;
    for (bool held = false; !held || f->desk.reports < reports + 3 || oldest_ms < 2000;) {
        m = desk_wait(&f->desk, AGENT_REPORT);
        if (m->report.state.age_ms > oldest_ms)
            oldest_ms = m->report.state.age_ms;
        held = strstr(m->report.state.trouble, "stop of pool Shop has been running") != NULL;
        codec_free_agent(m);
        assert_true(clock_boot_ms() < deadline_ms);
    }
    m = desk_wait(&f->desk, AGENT_RESULT);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    codec_free_agent(m);
}

static void killed_in_the_middle_it_proves_what_was_done(void **state)
{
    struct farm *f = *state;
    assert_int_equal(
        LAB("--server", f->server, "fault", "worker-ignores-stop", "on", "--value", "3"), 0);
    uint64_t seq = desk_command(&f->desk, VERB_RECYCLE, "Shop", false);
    struct agent_message *m = NULL;
    for (bool watching = false; !watching;) {
        m = desk_wait(&f->desk, AGENT_PROGRESS);
        watching = text_starts(m->progress.step, "waiting");
        codec_free_agent(m);
    }
    assert_int_equal(farm_end_agent(f, SIGKILL), -1);
    f->desk.listening = false;
    farm_start_agent(f);
    m = desk_wait(&f->desk, AGENT_RESULT);
    assert_int_equal(m->result.id.seq, seq);
    assert_outcome(m, OUTCOME_DONE, CAUSE_NONE);
    assert_true(text_starts(m->result.detail, "proved after the agent's restart"));
    codec_free_agent(m);
    assert_int_equal(truth(f, "\"recycles\":"), 1);
}

static void told_to_stop_it_ends_cleanly(void **state)
{
    struct farm *f = *state;
    codec_free_agent(desk_wait_whole(&f->desk));
    uint64_t begun_ms = clock_boot_ms();
    assert_int_equal(farm_end_agent(f, SIGTERM), 0);
    assert_true(clock_boot_ms() - begun_ms < 12000);
}

/* appcmd takes longer than results are told for; cut off, it would not recycle. */
static void told_to_stop_it_lets_an_act_in_hand_end(void **state)
{
    struct farm *f = *state;
    assert_int_equal(LAB("--server", f->server, "fault", "appcmd-slow", "on", "--scope", "recycle",
                         "--value", "8000"),
                     0);
    desk_command(&f->desk, VERB_RECYCLE, "Shop", false);
    for (bool acting = false; !acting;) {
        struct agent_message *m = desk_wait(&f->desk, AGENT_REPORT);
        acting = strstr(m->report.state.trouble, "recycle of pool Shop has been running") != NULL;
        codec_free_agent(m);
    }
    uint64_t begun_ms = clock_boot_ms();
    assert_int_equal(farm_end_agent(f, SIGTERM), 0);
    assert_true(clock_boot_ms() - begun_ms < 19000);
    assert_int_equal(truth(f, "\"recycles\":"), 1);
}

static void two_agents_do_not_share_a_journal(void **state)
{
    struct farm *f = *state;
    codec_free_agent(desk_wait_whole(&f->desk));
    pid_t first = f->agent;
    farm_start_agent(f);
    pid_t second = f->agent;
    int status = 0;
    waitpid(second, &status, 0);
    f->agent = first;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static uint32_t doctor(struct farm *f, const char *option, char **output)
{
    return farm_run(output, (const char *const[]){FARMHAND_AGENT, "doctor", "--config", f->config,
                                                  option, NULL});
}

/* Beside a running agent, whose bookmark and journal it leaves alone. */
static void doctor_looks_and_changes_nothing(void **state)
{
    struct farm *f = *state;
    char *before, *after, *text;
    codec_free_agent(desk_wait_whole(&f->desk));
    uint64_t starts = truth(f, "\"starts\":"), served = truth(f, "\"served\":");
    farm_run(&before, (const char *const[]){"/bin/ls", "-R", f->dir, NULL});
    if (doctor(f, NULL, &text) != 0)
        fail_msg("%s", text);
    assert_non_null(strstr(text, "service WAS is RUNNING"));
    assert_non_null(strstr(text, "the coordinator at"));
    assert_non_null(strstr(text, "pool Shop: the probe passed"));
    assert_non_null(strstr(text, "pool Api: startMode is OnDemand"));
    assert_null(strstr(text, "\nfail "));
    free(text);
    farm_run(&after, (const char *const[]){"/bin/ls", "-R", f->dir, NULL});
    assert_string_equal(before, after);
    assert_int_equal(truth(f, "\"starts\":"), starts);
    assert_int_equal(truth(f, "\"recycles\":"), 0);
    assert_true(truth(f, "\"served\":") <= served + 1); /* the probe */
    free(before);
    free(after);
}

static void doctor_says_what_fails(void **state)
{
    struct farm *f = *state;
    char *text;
    codec_free_agent(desk_wait_whole(&f->desk));
    farm_run(NULL, (const char *const[]){LAB_SC, "--server", f->server, "stop", "W3SVC", NULL});
    assert_int_equal(doctor(f, "--json", &text), 1);
    assert_non_null(strstr(text, "\"ok\": false"));
    assert_non_null(strstr(text, "service W3SVC is STOP"));
    free(text);
    assert_int_equal(doctor(f, "--no-such-option", &text), 2);
    free(text);
}

static uint32_t dump(struct farm *f, const char *pid, const char *option, const char *value)
{
    return farm_run(NULL, (const char *const[]){FARMHAND_AGENT, "worker", "dump", "--config",
                                                f->config, pid, option, value, NULL});
}

/* What a dump holds is tried where there is one, tests/e2e/test_windows.c. */
static void dump_is_of_a_worker_and_says_what_it_wants(void **state)
{
    struct farm *f = *state;
    char pid[16], *help = NULL;
    snprintf(pid, sizeof(pid), "%ld", (long)f->agent);
    assert_int_equal(dump(f, pid, NULL, NULL), 1); /* a process, but no worker */
    assert_int_equal(dump(f, "0", NULL, NULL), 2);
    assert_int_equal(dump(f, pid, "--within", "soon"), 2);
    assert_int_equal(dump(f, pid, "--max-size", "0"), 2);
    assert_int_equal(dump(f, pid, "--to", "here.dmp"), 2);
    assert_int_equal(dump(f, pid, "too", "much"), 2);
    assert_int_equal(dump(f, pid, "--keep-free", "0"), 1);
    assert_int_equal(
        farm_run(&help, (const char *const[]){FARMHAND_AGENT, "worker", "dump", "--help", NULL}),
        0);
    assert_non_null(strstr(help, "--keep-free SIZE"));
    free(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_reports_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_observes_recycles_stops_and_starts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_refuses_what_its_owner_does_not_allow, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_goes_on_reporting_while_a_stop_takes_long, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(killed_in_the_middle_it_proves_what_was_done, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(told_to_stop_it_ends_cleanly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(told_to_stop_it_lets_an_act_in_hand_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(doctor_looks_and_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(doctor_says_what_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dump_is_of_a_worker_and_says_what_it_wants, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(two_agents_do_not_share_a_journal, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
