/* test_recovery.c - the recipe of services on virtual time: every kind of trouble as a transcript,
 * and promise 6 with the recipe killed between any two steps. */
#include "agent/recovery.h"

#include "agent/recipes.h"
#include "common/text.h"
#include "tests/unit/agent/sbox.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SET "WAS\nW3SVC\nNetTcpActivator"

struct life {
    struct sbox box;
    struct recipe_limits limits;
    struct command command;
    struct record *record, *begun; /* begun: as the journal has it */
    struct recipe *recipe;
    uint64_t now_ms;
    struct text story;
    unsigned steps;
};

static struct life *new_life(enum verb verb)
{
    struct life *life = calloc(1, sizeof(*life));
    assert_non_null(life);
    sbox_init(&life->box);
    recipe_limits_init(&life->limits);
    life->command = (struct command){.verb = verb, .pool = "", .actor = "ann", .reason = "test"};
    return life;
}

static void end_life(struct life *life)
{
    recipe_free(life->recipe);
    record_free(life->record);
    record_free(life->begun);
    text_reset(&life->story);
    free(life);
}

static void begin_life(struct life *life)
{
    life->record = record_new(&life->command);
    text_copy(life->record->services, sizeof(life->record->services), SET);
    life->recipe = recipe_new(life->record, &life->limits, life->now_ms);
}

static void tell(struct life *life, const char *fmt, ...)
{
    char line[1400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    text_addf(&life->story, "%3" PRIu64 ".%03" PRIu64 " %s\n", life->now_ms / 1000,
              life->now_ms % 1000, line);
}

static void make_call(struct life *life, const struct call *call)
{
    struct call_result result;
    /* Whatever the test: the guardian stands by before anything is stopped or killed, but for a
     * stop that stays, which it would undo. */
    if ((call->kind == CALL_SERVICE_STOP || call->kind == CALL_SERVICE_KILL_HOST) &&
        !life->box.no_guardian)
        assert_true(life->box.guarded == (life->command.verb != VERB_SERVICE_STOP));
    life->now_ms = sbox_call(&life->box, call, life->now_ms, &result);
    const char *of = call->service[0] ? call->service : call->pool;
    tell(life, "%s%s%s: %s", call_name(call->kind), of[0] ? " " : "", of,
         error_code_name(result.code));
    recipe_on_result(life->recipe, &result, life->now_ms);
}

/* One step; false: it has ended. */
static bool step(struct life *life)
{
    struct recipe_next next = recipe_next(life->recipe, life->now_ms);
    life->steps++;
    switch (next.want) {
    case RECIPE_CALL:
        make_call(life, &next.call);
        return true;
    case RECIPE_WAIT:
        assert_true(next.until_ms > life->now_ms);
        life->now_ms = next.until_ms;
        return true;
    case RECIPE_BEGIN:
        tell(life, "begun, journaled");
        life->record->state = RECORD_BEGUN;
        record_free(life->begun);
        life->begun = record_copy(life->record);
        recipe_on_begun(life->recipe, life->now_ms);
        return true;
    case RECIPE_END:
        return false;
    }
    return false;
}

static const char *live(struct life *life)
{
    for (int steps = 0; steps < 5000; steps++)
        if (!step(life)) {
            tell(life, "%s (%s): %s", outcome_name(life->record->outcome),
                 cause_name(life->record->cause), life->record->detail);
            assert_true(wire_text_is_clean(life->record->detail));
            return text_get(&life->story);
        }
    fail_msg("the recipe did not end:\n%s", text_get(&life->story));
    return "";
}

static void assert_ends(struct life *life, enum outcome outcome, enum cause cause)
{
    begin_life(life);
    const char *story = live(life);
    if (life->record->outcome != outcome || life->record->cause != cause)
        fail_msg("%s (%s) was expected:\n%s", outcome_name(outcome), cause_name(cause), story);
    assert_false(life->box.guarded);
}

static void assert_says(const struct life *life, const char *what)
{
    if (!strstr(life->record->detail, what))
        fail_msg("\"%s\" is not said in: %s", what, life->record->detail);
}

static void assert_all_run(const struct life *life)
{
    for (int i = 0; i <= SBOX_TCP; i++)
        if (life->box.services[i].state != SVC_RUNNING)
            fail_msg("%s is %s:\n%s", life->box.services[i].name,
                     service_state_name(life->box.services[i].state), text_get(&life->story));
}

/* ---- the kinds of trouble ---- */

static void stopped_and_nothing_wrong_is_started(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    begin_life(life);
    assert_string_equal(
        live(life),
        "  0.020 services: none\n"
        "  0.020 begun, journaled\n"
        "  0.040 beat: none\n"
        "  0.060 service-start W3SVC: none\n"
        "  0.560 service-wait W3SVC: none\n"
        "  0.580 services: none\n"
        "  0.600 service-start NetTcpActivator: none\n"
        "  1.100 service-wait NetTcpActivator: none\n"
        "  1.120 look: none\n"
        "  1.140 probe Shop: none\n"
        "  1.140 done (none): WAS and W3SVC run, the pools that should run do, and a site answers. "
        "In turn: WAS and W3SVC were stopped; WAS and W3SVC run, after 540ms; NetTcpActivator "
        "runs\n");
    assert_all_run(life);
    end_life(life);
}

static void stuck_was_loses_its_process(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.services[SBOX_WEB].state = life->box.services[SBOX_TCP].state = SVC_STOPPED;
    life->box.services[SBOX_WAS].state = SVC_STOP_PENDING;
    life->box.services[SBOX_WAS].until_ms = SBOX_STUCK;
    life->box.orphans = 2;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(life);
    assert_int_equal(life->box.kills, 1);
    assert_int_equal(life->box.worker_kills, 2);
    assert_true(life->now_ms >= 100000 && life->now_ms < 130000); /* it had its hundred seconds */
    assert_says(life, "WAS was STOP_PENDING, W3SVC STOPPED");
    assert_says(life, "process 700, the host of WAS, was ended; 2 workers left behind were ended");
    end_life(life);
}

static void denied_stop_leads_to_the_process(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.silent = life->box.silent_heals = true;
    life->box.services[SBOX_WEB].stop_answer = ERR_DENIED;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(life);
    assert_int_equal(life->box.kills, 1);
    assert_says(life, "W3SVC did not stop: 5: Access denied");
    end_life(life);
}

static void transition_is_waited_for_then_ended(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.services[SBOX_WEB].stop_answer = ERR_BUSY; /* 1061, for ever */
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(life);
    assert_int_equal(life->box.kills, 1);
    assert_true(life->now_ms >= 100000);
    assert_says(life, "W3SVC did not stop: it is RUNNING");
    end_life(life);
}

static void disabled_is_left_alone(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_WAS].start = SVC_START_DISABLED;
    assert_ends(life, OUTCOME_REFUSED, CAUSE_ON_PURPOSE);
    assert_says(life, "WAS is disabled, so a person or a tool keeps it down; --enable");
    assert_int_equal(life->box.services[SBOX_WEB].starts, 0);
    end_life(life);
}

static void disabled_is_enabled_when_told(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_WAS].start = SVC_START_DISABLED;
    life->box.services[SBOX_WEB].start = SVC_START_DISABLED;
    life->command.enable = true;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(life);
    assert_int_equal(life->box.services[SBOX_WAS].start, SVC_START_AUTO);
    assert_says(life, "WAS was disabled and is AUTO now");
    end_life(life);
}

static void disabled_and_running_is_not_restarted(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.services[SBOX_WAS].start = SVC_START_DISABLED; /* once stopped it could not start */
    assert_ends(life, OUTCOME_REFUSED, CAUSE_ON_PURPOSE);
    assert_all_run(life);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 0);
    end_life(life);
}

static void shared_process_is_not_killed(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.services[SBOX_WAS].stop_takes = 200000;
    life->box.stranger = true;
    assert_ends(life, OUTCOME_FAILED, CAUSE_SHARED_HOST);
    assert_all_run(life); /* the start half came all the same, as soon as WAS let it */
    assert_int_equal(life->box.kills, 0);
    assert_says(life, "WAS does not stop, and its process 700 was not ended since Spooler lives "
                      "there too");
    end_life(life);
}

/* It stops some day, and then somebody has to be there. */
static void what_stops_too_late_is_left_to_a_guardian(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.services[SBOX_WAS].stop_takes = 2000000;
    life->box.stranger = true;
    begin_life(life);
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_FAILED);
    assert_int_equal(life->record->cause, CAUSE_SHARED_HOST);
    assert_says(life, "a guardian goes on trying to start it");
    assert_true(life->box.guarded);
    assert_int_equal(life->box.guard_within_ms, 0);
    assert_string_equal(life->box.guarded_services, SET);
    sbox_let(&life->box, life->now_ms + 2000000);
    sbox_guardian_acts(&life->box, life->now_ms + 2000000);
    sbox_let(&life->box, life->now_ms + 2100000);
    assert_int_equal(life->box.services[SBOX_WAS].state, SVC_RUNNING);
    assert_int_equal(life->box.services[SBOX_WEB].state, SVC_RUNNING);
    end_life(life);
}

/* Its cause is none of an act that was never begun, which would be asked for again. */
static void start_that_is_left_to_a_guardian_was_begun(void **state)
{
    struct life *life = new_life(VERB_SERVICE_START);
    (void)state;
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_WEB].state = SVC_STOP_PENDING;
    life->box.services[SBOX_WEB].until_ms = SBOX_STUCK;
    begin_life(life);
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_FAILED);
    assert_int_equal(life->record->cause, CAUSE_TIMEOUT);
    assert_says(life, "a guardian goes on trying to start it");
    end_life(life);
}

static void machine_is_not_restarted_by_a_kill(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.services[SBOX_WAS].stop_takes = 200000;
    life->box.on_death = "reboot";
    assert_ends(life, OUTCOME_FAILED, CAUSE_DENIED_BY_AGENT);
    assert_all_run(life);
    assert_int_equal(life->box.kills, 0);
    assert_says(life, "its process 700 was not ended since the machine would restart then: a "
                      "failure action of WAS says so");
    end_life(life);
}

static void program_that_a_kill_runs_is_told(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.services[SBOX_WAS].stop_takes = 200000;
    life->box.on_death = "run";
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.kills, 1);
    assert_says(life, "the system runs a program when WAS ends: a failure action");
    end_life(life);
}

static void silent_sites_take_the_whole_way(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.silent = life->box.silent_heals = true;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(life);
    assert_int_equal(life->box.services[SBOX_WAS].stops, 1);
    assert_says(life, "the services ran but no site answered: refused");
    end_life(life);
}

/* The judgement takes its ten seconds; meanwhile somebody begins his work on the server. */
static void disabled_while_it_is_judged_is_left_alone(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.silent = true;
    begin_life(life);
    while (life->now_ms < 5000)
        assert_true(step(life));
    life->box.services[SBOX_WAS].start = SVC_START_DISABLED;
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_REFUSED);
    assert_int_equal(life->record->cause, CAUSE_ON_PURPOSE);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 0);
    assert_int_equal(life->box.guards, 0);
    end_life(life);
}

static void sites_that_stay_silent_are_a_failure(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.silent = true;
    assert_ends(life, OUTCOME_FAILED, CAUSE_PROBE);
    assert_all_run(life);
    assert_says(life, "the services run, but no site answers: refused");
    end_life(life);
}

static void dead_pool_is_started_without_touching_services(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.pools[1].state = POOL_STATE_STOPPED;
    life->box.pools[1].event = 5002;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.pools[1].starts, 1);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 0);
    assert_int_equal(life->box.guards, 0);
    assert_says(life, "pool Api was stopped though autoStart is on; pool Api was started");
    end_life(life);
}

static void dying_pool_is_started_a_few_times_only(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.pools[1].state = POOL_STATE_STOPPED;
    life->box.pools[1].dies = true;
    life->box.pools[1].event = 5002;
    assert_ends(life, OUTCOME_FAILED, CAUSE_RAPID_FAIL);
    assert_int_equal(life->box.pools[1].starts, 2);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 0);
    end_life(life);
}

static void identity_is_never_retried(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.pools[1].state = POOL_STATE_STOPPED;
    life->box.pools[1].dies = true;
    life->box.pools[1].event = 5057;
    assert_ends(life, OUTCOME_FAILED, CAUSE_IDENTITY);
    assert_int_equal(life->box.pools[1].starts, 0);
    assert_says(life, "pool Api does not run: its identity is invalid (event 5057)");
    end_life(life);
}

static void without_events_a_pool_is_started_once(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.pools[1].state = POOL_STATE_STOPPED;
    life->box.pools[1].dies = life->box.no_events = true;
    assert_ends(life, OUTCOME_FAILED, CAUSE_RAPID_FAIL);
    assert_int_equal(life->box.pools[1].starts, 1);
    end_life(life);
}

static void stopped_on_purpose_pool_is_left_alone(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.pools[1].state = POOL_STATE_STOPPED;
    life->box.pools[1].auto_start = false;
    assert_ends(life, OUTCOME_NOTHING, CAUSE_ALREADY);
    assert_int_equal(life->box.pools[1].starts, 0);
    end_life(life);
}

static void healthy_is_left_alone_unless_forced(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    assert_ends(life, OUTCOME_NOTHING, CAUSE_ALREADY);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 0);
    end_life(life);
    life = new_life(VERB_SERVICE_RECOVER);
    life->command.force = true;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 1);
    assert_all_run(life);
    end_life(life);
}

static void was_that_does_not_answer_takes_the_whole_way(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.appcmd_hangs = true;
    assert_ends(life, OUTCOME_FAILED, CAUSE_DRIVER); /* it hangs after the start as well */
    assert_int_equal(life->box.services[SBOX_WAS].stops, 1);
    assert_all_run(life);
    end_life(life);
}

static void machine_that_goes_down_is_left_alone(void **state)
{
    static const enum verb verbs[] = {VERB_SERVICE_RECOVER, VERB_SERVICE_RESTART, VERB_SERVICE_STOP,
                                      VERB_SERVICE_START};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct life *life = new_life(verbs[i]);
        life->box.barred = "a reboot is pending";
        assert_ends(life, OUTCOME_REFUSED, CAUSE_ON_PURPOSE);
        assert_says(life, "a reboot is pending");
        assert_all_run(life);
        end_life(life);
    }
}

/* ---- dependents ---- */

static void disabled_dependent_is_told_and_fails_nothing(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_TCP].start = SVC_START_DISABLED;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_says(life, "NetTcpActivator ran before and is disabled now: left alone");
    assert_int_equal(life->box.services[SBOX_TCP].starts, 0);
    end_life(life);
}

static void dependent_that_is_refused_once_is_asked_again(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_TCP].start_answer = ERR_IO;
    begin_life(life);
    while (!strstr(text_get(&life->story), "service-start NetTcpActivator"))
        assert_true(step(life));
    life->box.services[SBOX_TCP].start_answer = ERR_NONE;
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_all_run(life);
    end_life(life);
}

static void failing_dependent_is_told_and_fails_nothing(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_TCP].start_answer = ERR_IO;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_says(life, "NetTcpActivator ran before and did not start: start refused");
    end_life(life);
}

static void dependent_that_did_not_run_is_not_started(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    life->record = record_new(&life->command);
    text_copy(life->record->services, sizeof(life->record->services), "WAS\nW3SVC");
    life->recipe = recipe_new(life->record, &life->limits, life->now_ms);
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_int_equal(life->box.services[SBOX_TCP].starts, 0);
    end_life(life);
}

static void dependent_that_does_not_stop_goes_with_was(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.services[SBOX_TCP].stop_takes = SBOX_STUCK;
    life->box.services[SBOX_TCP].host = 700;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(life);
    assert_says(life, "NetTcpActivator did not stop: it is STOP_PENDING");
    end_life(life);
}

static void missing_dependent_alone_is_started(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.services[SBOX_TCP].state = SVC_STOPPED;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_all_run(life);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 0);
    end_life(life);
}

/* ---- restart, stop, start ---- */

static void restart_is_the_same_from_a_healthy_state(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    begin_life(life);
    assert_string_equal(
        live(life),
        "  0.020 services: none\n"
        "  0.020 begun, journaled\n"
        "  0.040 guard: none\n"
        "  0.060 service-stop W3SVC: none\n"
        "  1.060 service-wait W3SVC: none\n"
        "  1.080 service-stop NetTcpActivator: none\n"
        "  2.080 service-wait NetTcpActivator: none\n"
        "  2.100 service-stop WAS: none\n"
        "  3.100 service-wait WAS: none\n"
        "  3.120 beat: none\n"
        "  3.140 service-start W3SVC: none\n"
        "  3.640 service-wait W3SVC: none\n"
        "  3.660 services: none\n"
        "  3.680 service-start NetTcpActivator: none\n"
        "  4.180 service-wait NetTcpActivator: none\n"
        "  4.200 look: none\n"
        "  4.220 probe Shop: none\n"
        "  4.240 guard-end: none\n"
        "  4.240 done (none): WAS and W3SVC run, the pools that should run do, and a site answers. "
        "In turn: W3SVC stopped after 1s; NetTcpActivator stopped after 1s; WAS stopped after 1s; "
        "WAS and W3SVC run, after 540ms; NetTcpActivator runs\n");
    assert_string_equal(life->box.guarded_services, SET);
    assert_true(life->box.guard_within_ms > 200000);
    end_life(life);
}

static void restart_refuses_what_does_not_run(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    sbox_all_stopped(&life->box);
    assert_ends(life, OUTCOME_REFUSED, CAUSE_SERVICE_DOWN);
    assert_says(life, "`service recover`");
    end_life(life);
}

static void nothing_is_stopped_without_a_guardian(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    life->box.no_guardian = true;
    assert_ends(life, OUTCOME_FAILED, CAUSE_DRIVER);
    assert_int_equal(life->box.services[SBOX_WEB].stops, 0);
    assert_all_run(life);
    end_life(life);
}

/* While the guardian was tried others brought the services up: they are not taken down again. */
static void what_others_brought_up_is_not_stopped_without_a_guardian(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    struct sbox_service *web = &life->box.services[SBOX_WEB];
    web->state = SVC_STOPPED; /* WAS runs: there is something to stop */
    life->box.no_guardian = true;
    begin_life(life);
    while (!life->begun)
        assert_true(step(life));
    web->state = SVC_RUNNING;
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_int_equal(web->stops + life->box.services[SBOX_WAS].stops, 0);
    assert_says(life, "others brought W3SVC up meanwhile: nothing is stopped");
    assert_all_run(life);
    end_life(life);
}

static void what_is_down_is_recovered_without_a_guardian(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    life->box.services[SBOX_WEB].state = SVC_STOPPED;
    life->box.no_guardian = true;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.services[SBOX_WAS].stops, 1);
    assert_all_run(life);
    end_life(life);
}

static void stop_stays_and_start_undoes_it(void **state)
{
    struct life *life = new_life(VERB_SERVICE_STOP);
    (void)state;
    assert_ends(life, OUTCOME_DONE, CAUSE_NONE);
    assert_says(life, "stopped; WAS is disabled (it was DEMAND) until `service start`");
    assert_int_equal(life->box.services[SBOX_WAS].start, SVC_START_DISABLED);
    assert_int_equal(life->box.services[SBOX_WAS].state, SVC_STOPPED);
    assert_int_equal(life->box.guards, 0);
    assert_int_equal(life->begun->former, SVC_START_DEMAND); /* durable before it is changed */
    struct sbox down = life->box;
    end_life(life);

    life = new_life(VERB_SERVICE_RECOVER); /* down on purpose */
    life->box = down;
    life->record = record_new(&life->command);
    life->record->former = SVC_START_DEMAND;
    text_copy(life->record->kept_by, sizeof(life->record->kept_by), "ann: patching");
    life->recipe = recipe_new(life->record, &life->limits, 0);
    live(life);
    assert_int_equal(life->record->cause, CAUSE_ON_PURPOSE);
    assert_says(life, "kept down by ann: patching; `service start` brings it back");
    end_life(life);

    life = new_life(VERB_SERVICE_START);
    life->box = down;
    life->record = record_new(&life->command);
    life->record->former = SVC_START_DEMAND;
    text_copy(life->record->services, sizeof(life->record->services), SET);
    life->recipe = recipe_new(life->record, &life->limits, 0);
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_int_equal(life->box.services[SBOX_WAS].start, SVC_START_DEMAND);
    assert_all_run(life);
    end_life(life);
}

static void start_alone_does_not_enable_what_others_disabled(void **state)
{
    struct life *life = new_life(VERB_SERVICE_START);
    (void)state;
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_WAS].start = SVC_START_DISABLED;
    assert_ends(life, OUTCOME_REFUSED, CAUSE_ON_PURPOSE);
    end_life(life);
}

static void stop_and_start_say_when_nothing_is_to_be_done(void **state)
{
    struct life *life = new_life(VERB_SERVICE_START);
    (void)state;
    assert_ends(life, OUTCOME_NOTHING, CAUSE_ALREADY);
    end_life(life);
    life = new_life(VERB_SERVICE_STOP);
    sbox_all_stopped(&life->box);
    life->box.services[SBOX_WAS].start = SVC_START_DISABLED;
    assert_ends(life, OUTCOME_NOTHING, CAUSE_ALREADY);
    end_life(life);
}

/* ---- promise 6 ---- */

/* The agent dies after so many steps; another one finds what the journal has, half an hour later
 * or at once. */
static void crash_and_resume(struct life *life, uint64_t away_ms, bool guardian)
{
    recipe_free(life->recipe);
    record_free(life->record);
    life->recipe = NULL;
    life->record = NULL;
    tell(life, "the agent dies");
    life->now_ms += away_ms;
    sbox_let(&life->box, life->now_ms);
    if (guardian && life->box.guarded)
        sbox_guardian_acts(&life->box, life->now_ms);
    if (!life->begun)
        return;
    life->record = record_copy(life->begun);
    life->recipe = recipe_resume(life->record, &life->limits, life->now_ms);
}

static void set_trouble(struct life *life, int trouble)
{
    struct sbox *b = &life->box;
    if (trouble == 1)
        sbox_all_stopped(b);
    if (trouble == 2)
        b->services[SBOX_WAS].stop_takes = SBOX_STUCK;
    if (trouble == 3)
        b->services[SBOX_WEB].stop_answer = ERR_DENIED;
    if (trouble == 4)
        b->services[SBOX_WAS].stop_takes = 150000;
    if (trouble == 5)
        b->stranger = true;
    if (trouble == 6)
        b->orphans = 3, b->services[SBOX_WEB].stop_takes = SBOX_STUCK;
}

static bool kill_after(enum verb verb, int trouble, unsigned steps, uint64_t away_ms, bool guardian)
{
    struct life *life = new_life(verb);
    life->command.force = verb == VERB_SERVICE_RECOVER;
    set_trouble(life, trouble);
    begin_life(life);
    bool more = true;
    while (more && life->steps < steps)
        more = step(life);
    if (more) {
        unsigned stops = life->box.services[SBOX_WAS].stops, kills = life->box.kills;
        crash_and_resume(life, away_ms, guardian);
        if (life->begun) {
            live(life);
            assert_all_run(life);
            assert_false(life->box.guarded);
            /* nothing disruptive is done twice; what sticks in its stop is ended then, once */
            bool sticks = trouble == 2 || trouble == 6;
            assert_int_equal(life->box.services[SBOX_WAS].stops, stops);
            assert_in_range(life->box.kills, kills, sticks ? 1 : kills);
        } else {
            assert_true(trouble == 1 || sbox_serves(&life->box));
        }
    }
    end_life(life);
    return more;
}

static void killed_between_any_two_steps_it_starts_again(void **state)
{
    static const enum verb verbs[] = {VERB_SERVICE_RECOVER, VERB_SERVICE_RESTART};
    unsigned tried = 0;
    (void)state;
    for (size_t v = 0; v < 2; v++)
        for (int trouble = v; trouble < 7; trouble++) {
            for (unsigned steps = 1;; steps++, tried++)
                if (!kill_after(verbs[v], trouble == 1 && v ? 0 : trouble, steps,
                                trouble == 4 ? 160000 : 1000, steps % 2 == 0))
                    break;
        }
    assert_true(tried > 100);
}

/* Killed while WAS sticks in the stop that it had ordered. */
static struct life *stuck_and_resumed(int trouble, bool stranger)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    set_trouble(life, trouble);
    life->box.orphans = 2;
    life->box.stranger = stranger;
    begin_life(life);
    while (life->box.services[SBOX_WAS].stops == 0)
        assert_true(step(life));
    crash_and_resume(life, trouble == 4 ? 60000 : 1000, false);
    live(life);
    return life;
}

static void what_sticks_in_its_stop_is_ended_by_a_resumed_recipe(void **state)
{
    (void)state;
    struct life *life = stuck_and_resumed(2, false);
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_int_equal(life->box.kills, 1);
    assert_int_equal(life->box.worker_kills, 2);
    assert_true(life->now_ms >= 100000); /* it had its hundred seconds once more */
    assert_int_equal(life->box.guards, 2);
    assert_says(life, "finished after the agent's restart: ");
    assert_says(life, "WAS was stopping still; WAS did not stop: it is STOP_PENDING; process 700");
    assert_all_run(life);
    end_life(life);
}

static void what_stops_by_itself_after_a_crash_is_not_ended(void **state)
{
    (void)state;
    struct life *life = stuck_and_resumed(4, false);
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_int_equal(life->box.kills, 0);
    assert_all_run(life);
    end_life(life);
}

static void strangers_are_safe_from_a_resumed_recipe_too(void **state)
{
    (void)state;
    struct life *life = stuck_and_resumed(2, true);
    assert_int_equal(life->record->outcome, OUTCOME_INTERRUPTED);
    assert_int_equal(life->record->cause, CAUSE_SHARED_HOST);
    assert_int_equal(life->box.kills, 0);
    end_life(life);
}

/* It began from services that were stopped, so it had nothing to stop: who stops them now is
 * somebody else. */
static void resumed_recipe_ends_nothing_that_others_stop(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RECOVER);
    (void)state;
    sbox_all_stopped(&life->box);
    begin_life(life);
    while (life->box.services[SBOX_WAS].starts == 0)
        assert_true(step(life));
    life->box.services[SBOX_WAS].state = SVC_STOP_PENDING;
    life->box.services[SBOX_WAS].until_ms = SBOX_STUCK;
    life->box.services[SBOX_WEB].state = SVC_STOPPED;
    crash_and_resume(life, 1000, false);
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_INTERRUPTED);
    assert_says(life, "the agent was restarted in the middle, and then: W3SVC did not start: 1068");
    assert_int_equal(life->box.kills, 0);
    end_life(life);
}

/* Between two looks it had stopped and was started again, by the guardian of the process before. */
static void resumed_recipe_does_not_end_what_came_up_meanwhile(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    struct sbox_service *was = &life->box.services[SBOX_WAS], *web = was + SBOX_WEB - SBOX_WAS;
    (void)state;
    was->stop_takes = SBOX_STUCK;
    begin_life(life);
    while (was->stops == 0)
        assert_true(step(life));
    crash_and_resume(life, 1000, false);
    while (life->box.guards < 2)
        assert_true(step(life));
    was->state = web->state = SVC_RUNNING;
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_says(life, "WAS was brought up meanwhile");
    assert_int_equal(life->box.kills, 0);
    assert_int_equal(was->stops, 1);
    assert_all_run(life);
    end_life(life);
}

static void resumed_leaves_alone_what_was_disabled_meanwhile(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    begin_life(life);
    while (life->box.services[SBOX_WAS].state != SVC_STOPPED)
        assert_true(step(life));
    life->box.services[SBOX_WAS].start = SVC_START_DISABLED;
    crash_and_resume(life, 1000, false);
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_INTERRUPTED);
    assert_int_equal(life->record->cause, CAUSE_ON_PURPOSE);
    assert_int_equal(life->box.services[SBOX_WAS].state, SVC_STOPPED);
    end_life(life);
}

static void resumed_starts_though_nothing_can_be_read(void **state)
{
    struct life *life = new_life(VERB_SERVICE_RESTART);
    (void)state;
    begin_life(life);
    while (life->box.services[SBOX_WAS].state != SVC_STOPPED)
        assert_true(step(life));
    life->box.manager_down = true;
    crash_and_resume(life, 1000, false);
    live(life);
    assert_true(sbox_serves(&life->box));
    end_life(life);
}

static void stop_that_stays_is_not_undone_by_a_restart_of_the_agent(void **state)
{
    (void)state;
    for (unsigned steps = 3; steps < 12; steps++) {
        struct life *life = new_life(VERB_SERVICE_STOP);
        begin_life(life);
        bool more = true;
        while (more && life->steps < steps)
            more = step(life);
        if (more) {
            struct sbox before = life->box;
            crash_and_resume(life, 60000, false);
            live(life);
            assert_int_equal(life->box.services[SBOX_WEB].starts, before.services[SBOX_WEB].starts);
            assert_int_equal(life->box.services[SBOX_WAS].stops, before.services[SBOX_WAS].stops);
        }
        end_life(life);
    }
}

/* ---- the last healthy set ---- */

static void healthy_set_is_what_runs_on_was(void **state)
{
    struct sbox box;
    struct call_result result;
    char set[256];
    (void)state;
    sbox_init(&box);
    sbox_call(&box, &(struct call){.kind = CALL_SERVICES}, 0, &result);
    assert_true(recovery_healthy(&result.view, set, sizeof(set)));
    assert_string_equal(set, SET);
    box.services[SBOX_TCP].state = SVC_STOPPED;
    sbox_call(&box, &(struct call){.kind = CALL_SERVICES}, 0, &result);
    assert_true(recovery_healthy(&result.view, set, sizeof(set)));
    assert_string_equal(set, "WAS\nW3SVC");
    box.services[SBOX_WEB].state = SVC_STOP_PENDING;
    sbox_call(&box, &(struct call){.kind = CALL_SERVICES}, 0, &result);
    assert_false(recovery_healthy(&result.view, set, sizeof(set)));
    assert_true(recovery_set_within("w3svc\nWAS", SET));
    assert_true(recovery_set_within("", ""));
    assert_false(recovery_set_within(SET, "WAS\nW3SVC"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_and_nothing_wrong_is_started),
        cmocka_unit_test(stuck_was_loses_its_process),
        cmocka_unit_test(denied_stop_leads_to_the_process),
        cmocka_unit_test(transition_is_waited_for_then_ended),
        cmocka_unit_test(disabled_is_left_alone),
        cmocka_unit_test(disabled_is_enabled_when_told),
        cmocka_unit_test(disabled_and_running_is_not_restarted),
        cmocka_unit_test(shared_process_is_not_killed),
        cmocka_unit_test(what_stops_too_late_is_left_to_a_guardian),
        cmocka_unit_test(start_that_is_left_to_a_guardian_was_begun),
        cmocka_unit_test(machine_is_not_restarted_by_a_kill),
        cmocka_unit_test(program_that_a_kill_runs_is_told),
        cmocka_unit_test(silent_sites_take_the_whole_way),
        cmocka_unit_test(disabled_while_it_is_judged_is_left_alone),
        cmocka_unit_test(sites_that_stay_silent_are_a_failure),
        cmocka_unit_test(dead_pool_is_started_without_touching_services),
        cmocka_unit_test(dying_pool_is_started_a_few_times_only),
        cmocka_unit_test(identity_is_never_retried),
        cmocka_unit_test(without_events_a_pool_is_started_once),
        cmocka_unit_test(stopped_on_purpose_pool_is_left_alone),
        cmocka_unit_test(healthy_is_left_alone_unless_forced),
        cmocka_unit_test(was_that_does_not_answer_takes_the_whole_way),
        cmocka_unit_test(machine_that_goes_down_is_left_alone),
        cmocka_unit_test(disabled_dependent_is_told_and_fails_nothing),
        cmocka_unit_test(dependent_that_is_refused_once_is_asked_again),
        cmocka_unit_test(failing_dependent_is_told_and_fails_nothing),
        cmocka_unit_test(dependent_that_did_not_run_is_not_started),
        cmocka_unit_test(dependent_that_does_not_stop_goes_with_was),
        cmocka_unit_test(missing_dependent_alone_is_started),
        cmocka_unit_test(restart_is_the_same_from_a_healthy_state),
        cmocka_unit_test(restart_refuses_what_does_not_run),
        cmocka_unit_test(nothing_is_stopped_without_a_guardian),
        cmocka_unit_test(what_others_brought_up_is_not_stopped_without_a_guardian),
        cmocka_unit_test(what_is_down_is_recovered_without_a_guardian),
        cmocka_unit_test(stop_stays_and_start_undoes_it),
        cmocka_unit_test(start_alone_does_not_enable_what_others_disabled),
        cmocka_unit_test(stop_and_start_say_when_nothing_is_to_be_done),
        cmocka_unit_test(killed_between_any_two_steps_it_starts_again),
        cmocka_unit_test(what_sticks_in_its_stop_is_ended_by_a_resumed_recipe),
        cmocka_unit_test(what_stops_by_itself_after_a_crash_is_not_ended),
        cmocka_unit_test(strangers_are_safe_from_a_resumed_recipe_too),
        cmocka_unit_test(resumed_recipe_ends_nothing_that_others_stop),
        cmocka_unit_test(resumed_recipe_does_not_end_what_came_up_meanwhile),
        cmocka_unit_test(resumed_leaves_alone_what_was_disabled_meanwhile),
        cmocka_unit_test(resumed_starts_though_nothing_can_be_read),
        cmocka_unit_test(stop_that_stays_is_not_undone_by_a_restart_of_the_agent),
        cmocka_unit_test(healthy_set_is_what_runs_on_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
