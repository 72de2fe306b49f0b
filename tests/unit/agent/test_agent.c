/* test_agent.c - whole command lives of the agent on virtual time, and a test for every refusal. */
#include "tests/unit/agent/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct stage *new_stage(void)
{
    struct stage *s = stage_new();
    stage_start(s);
    text_reset(&s->story);
    return s;
}

static void assert_last(const struct stage *s, enum outcome outcome, enum cause cause)
{
    if (s->results == 0 || s->last_result.outcome != outcome || s->last_result.cause != cause)
        fail_msg("expected %s (%s):\n%s", outcome_name(outcome), cause_name(cause),
                 text_get(&s->story));
}

static void give(struct stage *s, enum verb verb, uint64_t seq)
{
    struct command command = stage_command(s, verb, seq);
    stage_give(s, &command);
}

/* ---- whole lives ---- */

static void the_life_of_a_recycle(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_settle(s);
    assert_string_equal(text_get(&s->story),
                        "  1.000 <- recycle 1\n"
                        "  1.000    journal received 1\n"
                        "  1.000    call look-pool\n"
                        "  1.000 -> listen, last 1, running\n"
                        "  1.200    journal begun 1\n"
                        "  1.200    call recycle\n"
                        "  1.200 -> progress 1: recycling\n"
                        "  1.400 -> progress 1: waiting for 1 old worker to end\n"
                        "  2.650    journal ended 1\n"
                        "  2.650 -> result 1: done (none): recycled\n"
                        "  2.650    journal acknowledged 1\n");
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    assert_int_equal(s->last_result.elapsed_ms, 1650);
    stage_free(s);
}

static void the_life_of_an_observation(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_OBSERVE, 1);
    command.probe = true;
    stage_give(s, &command);
    stage_run(s, 300);
    assert_string_equal(text_get(&s->story),
                        "  1.000 <- observe 1\n"
                        "  1.000    call look-pool\n"
                        "  1.000 -> listen, last 1\n"
                        "  1.200    call probe\n"
                        "  1.205 -> observation 1: none, Started with 1 workers, probe passed\n");
    assert_true(s->last_observation.services_up);
    assert_int_equal(s->last_observation.probe_status, 200);
    assert_int_equal(s->last_observation.nonce.bytes[0], 1);
    stage_free(s);
}

static void the_life_of_a_stop_and_a_start(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_STOP, 1);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_false(s->box.pool.auto_start);
    give(s, VERB_START, 2);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_true(s->box.pool.auto_start);
    assert_int_equal(s->results, 2);
    stage_free(s);
}

/* ---- reports ---- */

static void the_first_report_is_whole(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    assert_int_equal(s->whole_reports, 1);
    assert_int_equal(s->last_state.worker_count, 1);
    stage_free(s);
}

static void heartbeats_are_small_and_carry_figures(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    unsigned before = s->reports;
    stage_run(s, 60000);
    assert_true(s->reports - before >= 3 && s->reports - before <= 5);
    assert_int_equal(s->whole_reports, 1);
    assert_int_equal(s->last_state.host.processors, 2);
    assert_in_range(s->last_state.host.cpu_permille, 240, 260);
    stage_free(s);
}

static void a_new_worker_is_told_within_the_beat(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    unsigned before = s->reports;
    stage_run(s, 5000);
    box_add_worker(&s->box, 400, s->now_ms);
    stage_run(s, 1000);
    assert_int_equal(s->reports, before + 1);
    assert_int_equal(s->last_state.worker_count, 2);
    assert_false(s->last_state.whole);
    stage_free(s);
}

static void a_changed_pool_is_told_whole(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->box.pool.auto_start = false;
    s->box.changed = true;
    stage_run(s, 4000);
    assert_int_equal(s->whole_reports, 2);
    assert_false(s->last_state.pools[0].auto_start);
    s->box.changed = true; /* touched, but nothing differs */
    stage_run(s, 4000);
    assert_int_equal(s->whole_reports, 2);
    stage_free(s);
}

static void a_coordinator_that_asks_gets_a_fresh_whole_report(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->resend_whole = true;
    stage_run(s, 20000);
    assert_int_equal(s->whole_reports, 2);
    stage_free(s);
}

static void what_cannot_be_read_is_trouble(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    box_script(&s->box, CALL_BEAT, ERR_IO);
    stage_run(s, 1000);
    assert_non_null(strstr(s->last_trouble, "workers could not be read"));
    assert_true(s->last_state.age_ms > 0);
    stage_run(s, 16000);
    box_script(&s->box, CALL_LOOK, ERR_TIMEOUT);
    s->box.changed = true;
    stage_run(s, 3000);
    assert_non_null(strstr(s->last_trouble, "could not be looked at"));
    stage_run(s, 15000);
    assert_string_equal(s->last_trouble, "");
    stage_free(s);
}

static void a_long_call_never_passes_old_workers_as_fresh(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->box.stop_ms = 100000;
    give(s, VERB_STOP, 1);
    unsigned before = s->reports;
    unsigned told = s->progresses;
    stage_run(s, 60000);
    assert_true(s->reports - before >= 3); /* heartbeats go on */
    assert_true(s->progresses - told >= 10);
    assert_true(s->last_state.age_ms > 40000);
    assert_non_null(strstr(s->last_trouble, "stop of pool Shop has been running for"));
    assert_int_equal(s->listen.running.seq, 1); /* and so does listening */
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    stage_run(s, 20000);
    assert_string_equal(s->last_trouble, "");
    assert_true(s->last_state.age_ms <= 1000);
    stage_free(s);
}

static void an_observation_does_not_starve_a_recipe_nor_the_other_way(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    for (uint64_t seq = 2; seq < 8; seq++) {
        give(s, VERB_OBSERVE, seq);
        stage_run(s, 50);
    }
    stage_run(s, 3000);
    assert_int_equal(s->observations, 6);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_true(s->now_ms < 6000);
    stage_free(s);
}

static void recipe_and_observations_take_turns(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    give(s, VERB_OBSERVE, 2);
    give(s, VERB_OBSERVE, 3);
    stage_settle(s);
    const char *order = strstr(text_get(&s->story), "call recycle");
    const char *look = text_get(&s->story);
    size_t before = 0, after = 0;
    while ((look = strstr(look, "call look-pool"))) {
        before += look < order;
        after += look > order;
        look++;
    }
    assert_int_equal(before, 2); /* the recipe's, and one observation's */
    assert_int_equal(after, 1);
    stage_free(s);
}

/* As a patrol of many pools asks, where appcmd is slow. */
static void questions_without_end_do_not_starve_readings(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    uint64_t seq = 1, end_ms = s->now_ms + 60000;
    s->box.pool.auto_start = false;
    s->box.changed = true; /* the configuration: it wants a whole look */
    while (s->now_ms < end_ms) {
        while (seq - s->observations < 4)
            give(s, VERB_OBSERVE, seq++);
        stage_run(s, 50);
    }
    assert_true(s->observations > 100);
    assert_true(s->last_state.age_ms < 10000);
    assert_int_equal(s->whole_reports, 2);
    stage_free(s);
}

static void too_many_observations_are_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    for (uint64_t seq = 1; seq < 12; seq++)
        give(s, VERB_OBSERVE, seq);
    assert_int_equal(s->last_observation.cause, CAUSE_BUSY);
    stage_free(s);
}

static void a_late_timer_makes_everything_be_read_anew(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    stage_run(s, 10000);
    s->now_ms += 3600000; /* suspended */
    stage_event(s, &(struct agent_event){.kind = AGENT_EVENT_TICK});
    stage_run(s, 3000);
    assert_int_equal(s->whole_reports, 2);
    stage_free(s);
}

/* ---- refusals ---- */

static void assert_refused(struct stage *s, const struct command *command, enum cause cause)
{
    unsigned results = s->results;
    stage_give(s, command);
    stage_settle(s);
    assert_int_equal(s->results, results + 1);
    assert_last(s, OUTCOME_REFUSED, cause);
    assert_true(s->result_detail[0] != '\0');
    for (int kind = CALL_RECYCLE; kind <= CALL_SET_AUTOSTART; kind++)
        assert_int_equal(s->box.acts[kind], 0);
}

static void a_lower_fence_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    command.id.fence.number = 4;
    assert_refused(s, &command, CAUSE_FENCE);
    assert_int_equal(s->listen.fence.number, 5); /* the listen tells which is in force */
    stage_free(s);
}

/* A coordinator that was replaced, or that lies, cannot fill the audit trail: one a minute. */
static void refusals_without_authority_are_noted_once_a_minute(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    for (uint64_t seq = 1; seq <= 4; seq++) {
        struct command command = stage_command(s, VERB_RECYCLE, seq);
        command.id.fence.number = 4;
        assert_refused(s, &command, CAUSE_FENCE);
    }
    assert_int_equal(s->noted_count, 1);
    assert_non_null(strstr(s->noted, "fence 4"));
    stage_run(s, 61000);
    struct command command = stage_command(s, VERB_RECYCLE, 5);
    command.id.fence.number = 4;
    assert_refused(s, &command, CAUSE_FENCE);
    assert_int_equal(s->noted_count, 2);
    assert_non_null(strstr(s->noted, "(and 3 others before it)"));
    stage_free(s);
}

static void dumps_are_noted(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_OBSERVE, 1);
    command.dump = true;
    command.worker_pid = 77;
    stage_give(s, &command);
    stage_settle(s);
    assert_int_equal(s->noted_count, 1);
    assert_string_equal(s->noted, "worker 77 is dumped");
    stage_free(s);
}

static size_t dumps_told(const struct stage *s)
{
    size_t count = 0;
    for (const char *at = text_get(&s->story); (at = strstr(at, "call dump")) != NULL; at++)
        count++;
    return count;
}

/* A worker stands still for each: a coordinator that lies does not have them one after the other.
 */
static void dumps_cool_down_as_acts_do(void **state)
{
    (void)state;
    const uint64_t cool_down_ms = 600000;
    struct stage *s = stage_new();
    s->settings.veto.cool_down_ms = cool_down_ms;
    stage_start(s);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        struct command command = stage_command(s, VERB_OBSERVE, seq);
        command.pool = "Shop";
        command.dump = true;
        command.worker_pid = 77;
        stage_give(s, &command);
        stage_settle(s);
    }
    assert_int_equal(dumps_told(s), 1);
    stage_run(s, cool_down_ms);
    struct command command = stage_command(s, VERB_OBSERVE, 21);
    command.pool = "Shop";
    command.dump = true;
    command.worker_pid = 77;
    stage_give(s, &command);
    stage_settle(s);
    assert_int_equal(dumps_told(s), 2);
    stage_free(s);
}

/* A coordinator that lies begins in the middle, or goes back, and it is told all the same. */
static void each_fetch_of_a_dump_is_noted_once(void **state)
{
    static const struct {
        const char *dump;
        uint64_t at;
        size_t noted;
    } steps[] = {{"a.dmp", 400, 1}, {"a.dmp", 800, 1}, {"a.dmp", 800, 1}, {"a.dmp", 400, 2},
                 {"b.dmp", 800, 3}, {"a.dmp", 900, 4}, {"a.dmp", 0, 5},   {"a.dmp", 100, 5}};
    (void)state;
    struct stage *s = new_stage();
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct command command = stage_command(s, VERB_OBSERVE, i + 1);
        command.piece_of = steps[i].dump;
        command.piece_at = steps[i].at;
        stage_give(s, &command);
        stage_settle(s);
        assert_int_equal(s->noted_count, steps[i].noted);
    }
    assert_string_equal(s->noted, "the dump a.dmp is fetched");
    stage_free(s);
}

static void the_same_number_of_another_instance_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    command.id.fence.instance.bytes[0]++;
    assert_refused(s, &command, CAUSE_FENCE);
    stage_free(s);
}

static void an_old_coordinator_acknowledges_nothing(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    s->fence.number = 3;
    stage_run(s, 10000);
    assert_true(s->results >= 2); /* told again and again */
    assert_false(agent_is_quiet(s->agent));
    s->fence.number = 5;
    stage_settle(s);
    assert_true(agent_is_quiet(s->agent));
    stage_free(s);
}

static void a_higher_fence_is_journaled_before_anything_under_it(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->fence.number = 6;
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    stage_give(s, &command);
    assert_non_null(strstr(text_get(&s->story), "journal fence 0\n  1.000    journal received 1"));
    assert_int_equal(s->journal_fence.number, 6);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    stage_free(s);
}

static void another_journals_command_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    command.incarnation.bytes[3]++;
    assert_refused(s, &command, CAUSE_INCARNATION);
    stage_free(s);
}

static void an_expired_command_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    command.expires_ms = 500; /* the listen was sent a second ago */
    assert_refused(s, &command, CAUSE_EXPIRED);
    stage_free(s);
}

static void an_answer_to_somebody_elses_listen_is_expired(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    command.listen_no += 1;
    assert_refused(s, &command, CAUSE_EXPIRED);
    command = stage_command(s, VERB_RECYCLE, 2);
    command.listen_no = 0;
    assert_refused(s, &command, CAUSE_EXPIRED);
    stage_free(s);
}

static void a_command_that_expires_before_it_is_begun_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    command.expires_ms = 1100; /* the first look takes 200 ms */
    assert_refused(s, &command, CAUSE_EXPIRED);
    assert_null(strstr(text_get(&s->story), "journal begun"));
    stage_free(s);
}

static void a_command_is_not_begun_under_a_fence_that_fell_meanwhile(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    s->fence.number = 6;
    give(s, VERB_OBSERVE, 1); /* before the recycle's first look is over */
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_EXPIRED);
    assert_int_equal(s->journal_fence.number, 6);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 0);
    assert_null(strstr(text_get(&s->story), "journal begun"));
    stage_free(s);
}

static void a_verb_that_is_not_allowed_is_refused(void **state)
{
    (void)state;
    struct stage *s = stage_new();
    s->settings.veto.verbs[VERB_STOP] = false;
    stage_start(s);
    struct command command = stage_command(s, VERB_STOP, 1);
    assert_refused(s, &command, CAUSE_DENIED_BY_AGENT);
    stage_free(s);
}

static void a_pool_that_is_not_allowed_is_refused(void **state)
{
    (void)state;
    static const char *const pools[] = {"*", "!shop"};
    struct stage *s = stage_new();
    s->settings.veto.pools = pools;
    s->settings.veto.pool_count = 2;
    stage_start(s);
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    assert_refused(s, &command, CAUSE_DENIED_BY_AGENT);
    stage_free(s);
}

static void a_pool_that_cools_down_is_refused_but_may_be_started(void **state)
{
    (void)state;
    struct stage *s = stage_new();
    s->settings.veto.cool_down_ms = 60000;
    stage_start(s);
    give(s, VERB_RECYCLE, 1);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    give(s, VERB_RECYCLE, 2);
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_DENIED_BY_AGENT);
    give(s, VERB_START, 3);
    stage_settle(s);
    assert_last(s, OUTCOME_NOTHING, CAUSE_ALREADY);
    stage_run(s, 60000);
    give(s, VERB_RECYCLE, 4);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    stage_free(s);
}

static void too_many_acts_within_the_hour_are_refused(void **state)
{
    (void)state;
    struct stage *s = stage_new();
    s->settings.veto.max_per_hour = 2;
    stage_start(s);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        give(s, VERB_RECYCLE, seq);
        stage_settle(s);
    }
    assert_last(s, OUTCOME_REFUSED, CAUSE_DENIED_BY_AGENT);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 2);
    stage_run(s, 3600000);
    give(s, VERB_RECYCLE, 4);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    stage_free(s);
}

static void a_second_command_is_refused_while_one_runs(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    give(s, VERB_STOP, 2);
    stage_run(s, 100);
    assert_last(s, OUTCOME_REFUSED, CAUSE_BUSY);
    assert_int_equal(s->last_result.id.seq, 2);
    stage_settle(s);
    assert_int_equal(s->box.acts[CALL_STOP], 0);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    stage_free(s);
}

static void an_unknown_verb_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_NONE, 1);
    assert_refused(s, &command, CAUSE_UNSUPPORTED);
    stage_free(s);
}

static void a_process_that_winds_down_begins_nothing(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    agent_wind_down(s->agent);
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    assert_refused(s, &command, CAUSE_DENIED_BY_AGENT);
    stage_free(s);
}

static void refusals_of_a_read_come_as_observations(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_OBSERVE, 1);
    command.incarnation.bytes[0]++;
    stage_give(s, &command);
    assert_int_equal(s->last_observation.cause, CAUSE_INCARNATION);
    command = stage_command(s, VERB_OBSERVE, 2);
    command.expires_ms = 1;
    stage_run(s, 10);
    stage_give(s, &command);
    assert_int_equal(s->last_observation.cause, CAUSE_EXPIRED);
    stage_free(s);
}

static void an_observation_that_cannot_be_made_says_why(void **state)
{
    (void)state;
    static const struct {
        enum error_code code;
        enum cause cause;
    } cases[] = {{ERR_NOT_FOUND, CAUSE_UNKNOWN_POOL},
                 {ERR_DENIED, CAUSE_NOT_ELEVATED},
                 {ERR_UNAVAILABLE, CAUSE_SERVICE_DOWN},
                 {ERR_TIMEOUT, CAUSE_TIMEOUT},
                 {ERR_CORRUPT, CAUSE_DRIVER}};
    struct stage *s = new_stage();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        box_script(&s->box, CALL_LOOK_POOL, cases[i].code);
        give(s, VERB_OBSERVE, i + 1);
        stage_run(s, 300);
        assert_int_equal(s->last_observation.cause, cases[i].cause);
    }
    s->box.pool.state = POOL_STATE_UNKNOWN;
    give(s, VERB_OBSERVE, 9);
    stage_run(s, 300);
    assert_int_equal(s->last_observation.cause, CAUSE_NONE);
    assert_false(s->last_observation.services_up);
    stage_free(s);
}

/* ---- once ---- */

static void a_repeat_is_answered_from_the_journal(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_settle(s);
    give(s, VERB_RECYCLE, 1);
    stage_settle(s);
    assert_int_equal(s->results, 2);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    stage_free(s);
}

static void a_repeat_while_it_runs_is_not_begun_again(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_run(s, 300);
    give(s, VERB_RECYCLE, 1);
    stage_settle(s);
    assert_int_equal(s->results, 1);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    stage_free(s);
}

static void a_refusal_stays_a_refusal(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    give(s, VERB_RECYCLE, 2); /* busy */
    stage_settle(s);
    give(s, VERB_RECYCLE, 2); /* not busy any more, but refused for good */
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_BUSY);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    stage_free(s);
}

static void an_overtaken_command_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_OBSERVE, 5);
    stage_run(s, 1000);
    struct command command = stage_command(s, VERB_RECYCLE, 4);
    assert_refused(s, &command, CAUSE_EXPIRED);
    stage_free(s);
}

static void query_tells_what_the_journal_knows(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_run(s, 300);
    struct command query = stage_command(s, VERB_QUERY, 2);
    query.about = (struct command_id){.fence = s->fence, .seq = 1};
    stage_give(s, &query);
    assert_last(s, OUTCOME_RUNNING, CAUSE_NONE);
    assert_int_equal(s->last_result.id.seq, 1);
    assert_int_equal(s->last_result.nonce.bytes[0], 2);
    stage_settle(s);
    query = stage_command(s, VERB_QUERY, 3);
    query.about = (struct command_id){.fence = s->fence, .seq = 1};
    stage_give(s, &query);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(s->last_result.nonce.bytes[0], 3);
    stage_free(s);
}

static void a_command_told_unheard_is_never_begun(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command late = stage_command(s, VERB_RECYCLE, 1);
    struct command query = stage_command(s, VERB_QUERY, 2);
    query.about = late.id;
    stage_give(s, &query);
    assert_last(s, OUTCOME_UNHEARD, CAUSE_NONE);
    stage_run(s, 10);
    assert_refused(s, &late, CAUSE_EXPIRED);
    stage_free(s);
}

static void a_question_about_the_future_is_refused(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command query = stage_command(s, VERB_QUERY, 2);
    query.about = (struct command_id){.fence = s->fence, .seq = 7};
    assert_refused(s, &query, CAUSE_UNSUPPORTED);
    stage_free(s);
}

/* ---- the journal fails ---- */

static void a_full_disk_begins_nothing_disruptive(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    stage_run(s, 10);
    give(s, VERB_OBSERVE, 1); /* the fence is accepted by then */
    stage_run(s, 1000);
    s->journal_full = true;
    struct command command = stage_command(s, VERB_RECYCLE, 2);
    stage_give(s, &command);
    stage_run(s, 1000);
    assert_last(s, OUTCOME_REFUSED, CAUSE_JOURNAL);
    assert_non_null(strstr(s->result_detail, "make room on the disk"));
    assert_int_equal(s->box.acts[CALL_RECYCLE], 0);
    s->journal_full = false;
    stage_run(s, 11000);
    assert_true(agent_is_quiet(s->agent)); /* written when it became possible */
    assert_int_equal(s->journal[0]->cause, CAUSE_JOURNAL);
    give(s, VERB_RECYCLE, 3);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    stage_free(s);
}

/* It would be forgotten by a crash, and a lower one be obeyed again. */
static void a_fence_is_not_told_before_it_is_written(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_OBSERVE, 1);
    stage_run(s, 1000);
    s->journal_full = true;
    s->fence.number++;
    stage_run(s, 40000); /* the listen is answered with the new fence */
    assert_int_equal(s->listen.fence.number, s->fence.number - 1);
    s->journal_full = false;
    stage_run(s, 40000);
    assert_int_equal(s->listen.fence.number, s->fence.number);
    stage_free(s);
}

static void a_disk_that_fills_before_begin_stops_the_act(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    s->journal_full = true;
    stage_run(s, 1000);
    assert_last(s, OUTCOME_REFUSED, CAUSE_JOURNAL);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 0);
    stage_free(s);
}

static void what_was_begun_is_finished_and_told_on_a_full_disk(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_run(s, 300);
    s->journal_full = true;
    stage_run(s, 5000);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_false(agent_is_quiet(s->agent)); /* still to be written */
    s->journal_full = false;
    stage_run(s, 11000);
    assert_true(agent_is_quiet(s->agent));
    assert_int_equal(s->journal[0]->state, RECORD_ENDED);
    assert_true(s->journal[0]->acknowledged);
    stage_free(s);
}

static void a_result_is_written_late_even_if_other_writes_came_first(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_run(s, 1500);
    s->journal_full = true;
    stage_run(s, 500);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    s->journal_full = false;
    give(s, VERB_OBSERVE, 2); /* a write that goes through */
    stage_run(s, 1000);
    assert_int_equal(s->journal[0]->state, RECORD_ENDED);
    give(s, VERB_RECYCLE, 3); /* and nothing is held up any more */
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    stage_free(s);
}

static void a_start_needs_no_disk(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->box.pool.state = POOL_STATE_STOPPED;
    box_clear_workers(&s->box);
    s->journal_full = true;
    give(s, VERB_START, 1);
    stage_run(s, 5000);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(s->box.acts[CALL_START], 1);
    stage_free(s);
}

static void an_unwritten_fence_allows_nothing_disruptive(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->journal_full = true;
    s->fence.number = 6;
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    stage_give(s, &command);
    stage_run(s, 1000);
    assert_last(s, OUTCOME_REFUSED, CAUSE_JOURNAL);
    s->journal_full = false;
    stage_run(s, 11000);
    assert_int_equal(s->journal_fence.number, 6);
    stage_free(s);
}

static void a_fence_that_failed_alone_allows_nothing_disruptive_either(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->failing_writes = 1;
    s->fence.number = 6;
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    assert_refused(s, &command, CAUSE_JOURNAL);
    stage_run(s, 11000);
    assert_int_equal(s->journal_fence.number, 6);
    stage_free(s);
}

/* ---- the link ---- */

static void a_result_is_sent_until_it_is_acknowledged(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_run(s, 300);
    s->deaf = true;
    stage_run(s, 120000);
    assert_true(s->hangups >= 1);
    stage_link(s, false);
    stage_run(s, 5000);
    s->deaf = false;
    stage_link(s, true);
    stage_settle(s);
    assert_true(agent_is_quiet(s->agent));
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    stage_free(s);
}

static void a_silent_listen_closes_the_pipe(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    uint64_t first = s->listen_no;
    s->deaf = true;
    stage_run(s, 33000);
    assert_true(s->hangups >= 1);
    stage_run(s, 2000);
    assert_true(s->listen_no > first); /* a fresh request, not a repeat */
    stage_free(s);
}

static void an_answer_to_what_was_given_up_is_ignored(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    struct coordinator_message message = {.version = WIRE_VERSION,
                                          .fence = s->fence,
                                          .kind = COORDINATOR_COMMAND,
                                          .command = command,
                                          .detail = ""};
    stage_event(s, &(struct agent_event){.kind = AGENT_EVENT_ANSWER,
                                         .channel = AGENT_CHANNEL_LISTEN,
                                         .token = s->listen_token - 1,
                                         .message = &message});
    stage_run(s, 5000);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 0);
    stage_free(s);
}

static void nothing_is_sent_while_the_link_is_down(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    stage_link(s, false);
    unsigned reports = s->reports;
    stage_run(s, 60000);
    assert_int_equal(s->reports, reports);
    assert_false(s->listening);
    stage_link(s, true);
    stage_run(s, 3000);
    assert_true(s->listening);
    assert_int_equal(s->whole_reports, 2);
    stage_free(s);
}

static void a_lost_report_is_told_again(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->deaf = true;
    box_add_worker(&s->box, 400, s->now_ms);
    stage_run(s, 2000);
    assert_int_equal(s->last_state.worker_count, 2);
    unsigned reports = s->reports;
    s->deaf = false;
    stage_run(s, 16000); /* given up, hung up, sent again */
    assert_true(s->reports > reports);
    stage_free(s);
}

static void a_lost_whole_report_is_told_whole_again(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->deaf = true;
    s->box.pool.auto_start = false;
    s->box.changed = true;
    stage_run(s, 4000);
    assert_int_equal(s->whole_reports, 2);
    s->deaf = false;
    stage_run(s, 20000);
    assert_int_equal(s->whole_reports, 3);
    stage_free(s);
}

static void a_quarantined_agent_goes_on_reporting_and_listening(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->quarantines = true;
    unsigned reports = s->reports;
    uint64_t listen_no = s->listen_no;
    stage_run(s, 120000);
    assert_true(s->reports > reports + 3);
    assert_true(s->listen_no > listen_no + 3);
    assert_true(s->listen_no < listen_no + 30); /* without haste */
    stage_free(s);
}

/* ---- restarts ---- */

static void a_command_received_but_not_begun_is_never_executed(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_crash(s);
    stage_start(s);
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_EXPIRED);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 0);
    stage_free(s);
}

static void the_life_of_a_recycle_whose_agent_dies(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_run(s, 300); /* the order is on its way */
    stage_crash(s);
    stage_start(s);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_string_equal(s->result_detail, "proved after the agent's restart: recycled");
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    stage_free(s);
}

static void an_unacknowledged_result_survives_a_restart(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    stage_run(s, 300);
    s->deaf = true;
    stage_run(s, 5000);
    stage_crash(s);
    s->deaf = false;
    unsigned results = s->results;
    stage_start(s);
    stage_settle(s);
    assert_int_equal(s->results, results + 1);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    stage_free(s);
}

static void a_command_for_the_process_before_is_expired(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_RECYCLE, 1);
    stage_crash(s);
    stage_start(s);
    assert_refused(s, &command, CAUSE_EXPIRED);
    stage_free(s);
}

/* Killed between any two writes of a command's life: at most one act, and always an end. */
static void killed_at_any_write_it_acts_at_most_once(void **state)
{
    (void)state;
    static const enum verb verbs[] = {VERB_RECYCLE, VERB_STOP};
    for (size_t v = 0; v < 2; v++) {
        for (unsigned at = 1; at <= 5; at++) {
            struct stage *s = new_stage();
            s->writes = 0;
            s->crash_after_writes = at - 1;
            if (at == 1)
                s->crash_after_writes = 0;
            give(s, verbs[v], 1);
            stage_settle(s);
            stage_crash(s);
            stage_start(s);
            stage_settle(s);
            assert_true(s->box.acts[CALL_RECYCLE] + s->box.acts[CALL_STOP] <= 1);
            if (s->journal_count > 0)
                assert_int_equal(s->journal[0]->state, RECORD_ENDED);
            assert_true(agent_is_quiet(s->agent));
            stage_free(s);
        }
    }
}

/* Killed at any moment: the same. */
static void killed_at_any_moment_it_acts_at_most_once(void **state)
{
    (void)state;
    for (uint64_t at_ms = 0; at_ms < 2000; at_ms += 40) {
        struct stage *s = new_stage();
        give(s, VERB_RECYCLE, 1);
        stage_run(s, at_ms);
        stage_crash(s);
        stage_start(s);
        stage_settle(s);
        assert_true(s->box.acts[CALL_RECYCLE] <= 1);
        assert_int_equal(s->journal[0]->state, RECORD_ENDED);
        bool acted = s->box.acts[CALL_RECYCLE] == 1;
        if (acted && s->last_result.outcome != OUTCOME_DONE)
            fail_msg("killed after %u ms:\n%s", (unsigned)at_ms, text_get(&s->story));
        if (!acted && s->last_result.outcome != OUTCOME_REFUSED &&
            s->last_result.outcome != OUTCOME_INTERRUPTED)
            fail_msg("killed after %u ms:\n%s", (unsigned)at_ms, text_get(&s->story));
        stage_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_life_of_a_recycle),
        cmocka_unit_test(the_life_of_an_observation),
        cmocka_unit_test(the_life_of_a_stop_and_a_start),
        cmocka_unit_test(the_first_report_is_whole),
        cmocka_unit_test(heartbeats_are_small_and_carry_figures),
        cmocka_unit_test(a_new_worker_is_told_within_the_beat),
        cmocka_unit_test(a_changed_pool_is_told_whole),
        cmocka_unit_test(a_coordinator_that_asks_gets_a_fresh_whole_report),
        cmocka_unit_test(what_cannot_be_read_is_trouble),
        cmocka_unit_test(a_long_call_never_passes_old_workers_as_fresh),
        cmocka_unit_test(an_observation_does_not_starve_a_recipe_nor_the_other_way),
        cmocka_unit_test(recipe_and_observations_take_turns),
        cmocka_unit_test(questions_without_end_do_not_starve_readings),
        cmocka_unit_test(too_many_observations_are_refused),
        cmocka_unit_test(a_late_timer_makes_everything_be_read_anew),
        cmocka_unit_test(a_lower_fence_is_refused),
        cmocka_unit_test(refusals_without_authority_are_noted_once_a_minute),
        cmocka_unit_test(dumps_are_noted),
        cmocka_unit_test(dumps_cool_down_as_acts_do),
        cmocka_unit_test(each_fetch_of_a_dump_is_noted_once),
        cmocka_unit_test(the_same_number_of_another_instance_is_refused),
        cmocka_unit_test(an_old_coordinator_acknowledges_nothing),
        cmocka_unit_test(a_higher_fence_is_journaled_before_anything_under_it),
        cmocka_unit_test(another_journals_command_is_refused),
        cmocka_unit_test(an_expired_command_is_refused),
        cmocka_unit_test(an_answer_to_somebody_elses_listen_is_expired),
        cmocka_unit_test(a_command_that_expires_before_it_is_begun_is_refused),
        cmocka_unit_test(a_command_is_not_begun_under_a_fence_that_fell_meanwhile),
        cmocka_unit_test(a_verb_that_is_not_allowed_is_refused),
        cmocka_unit_test(a_pool_that_is_not_allowed_is_refused),
        cmocka_unit_test(a_pool_that_cools_down_is_refused_but_may_be_started),
        cmocka_unit_test(too_many_acts_within_the_hour_are_refused),
        cmocka_unit_test(a_second_command_is_refused_while_one_runs),
        cmocka_unit_test(an_unknown_verb_is_refused),
        cmocka_unit_test(a_process_that_winds_down_begins_nothing),
        cmocka_unit_test(refusals_of_a_read_come_as_observations),
        cmocka_unit_test(an_observation_that_cannot_be_made_says_why),
        cmocka_unit_test(a_repeat_is_answered_from_the_journal),
        cmocka_unit_test(a_repeat_while_it_runs_is_not_begun_again),
        cmocka_unit_test(a_refusal_stays_a_refusal),
        cmocka_unit_test(an_overtaken_command_is_refused),
        cmocka_unit_test(query_tells_what_the_journal_knows),
        cmocka_unit_test(a_command_told_unheard_is_never_begun),
        cmocka_unit_test(a_question_about_the_future_is_refused),
        cmocka_unit_test(a_full_disk_begins_nothing_disruptive),
        cmocka_unit_test(a_disk_that_fills_before_begin_stops_the_act),
        cmocka_unit_test(what_was_begun_is_finished_and_told_on_a_full_disk),
        cmocka_unit_test(a_result_is_written_late_even_if_other_writes_came_first),
        cmocka_unit_test(a_start_needs_no_disk),
        cmocka_unit_test(an_unwritten_fence_allows_nothing_disruptive),
        cmocka_unit_test(a_fence_that_failed_alone_allows_nothing_disruptive_either),
        cmocka_unit_test(a_result_is_sent_until_it_is_acknowledged),
        cmocka_unit_test(a_silent_listen_closes_the_pipe),
        cmocka_unit_test(an_answer_to_what_was_given_up_is_ignored),
        cmocka_unit_test(nothing_is_sent_while_the_link_is_down),
        cmocka_unit_test(a_lost_report_is_told_again),
        cmocka_unit_test(a_lost_whole_report_is_told_whole_again),
        cmocka_unit_test(a_quarantined_agent_goes_on_reporting_and_listening),
        cmocka_unit_test(a_command_received_but_not_begun_is_never_executed),
        cmocka_unit_test(the_life_of_a_recycle_whose_agent_dies),
        cmocka_unit_test(an_unacknowledged_result_survives_a_restart),
        cmocka_unit_test(a_command_for_the_process_before_is_expired),
        cmocka_unit_test(a_fence_is_not_told_before_it_is_written),
        cmocka_unit_test(killed_at_any_write_it_acts_at_most_once),
        cmocka_unit_test(killed_at_any_moment_it_acts_at_most_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
