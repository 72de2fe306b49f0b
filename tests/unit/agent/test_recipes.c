/* test_recipes.c - whole lives of recipes on virtual time, as transcripts, and every refusal. */
#include "agent/recipes.h"

#include "common/text.h"
#include "tests/unit/agent/box.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct life {
    struct box box;
    struct recipe_limits limits;
    struct command command;
    struct record *record;
    struct recipe *recipe;
    uint64_t now_ms;
    struct text story;
    enum cause refuse_at_begin;
};

static struct life *new_life(enum verb verb)
{
    struct life *life = calloc(1, sizeof(*life));
    assert_non_null(life);
    box_init(&life->box);
    recipe_limits_init(&life->limits);
    life->command =
        (struct command){.verb = verb, .pool = "Shop", .actor = "ann", .reason = "test"};
    return life;
}

static void end_life(struct life *life)
{
    recipe_free(life->recipe);
    record_free(life->record);
    text_reset(&life->story);
    free(life);
}

static void begin_life(struct life *life)
{
    life->record = record_new(&life->command);
    life->recipe = recipe_new(life->record, &life->limits, life->now_ms);
}

/* As after a restart of the agent: the record comes from the journal. */
static void resume_life(struct life *life, const uint32_t *baseline, size_t count)
{
    struct worker workers[4];
    life->record = record_new(&life->command);
    life->record->state = RECORD_BEGUN;
    for (size_t i = 0; i < count; i++)
        workers[i] = (struct worker){.pool = "Shop", .pid = baseline[i], .created = 1000};
    record_set_workers(life->record, &life->record->before, workers, count);
    life->recipe = recipe_resume(life->record, &life->limits, life->now_ms);
}

static void tell(struct life *life, const char *fmt, ...)
{
    char line[512];
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
    char now[128];
    life->now_ms += box_duration(&life->box, call);
    box_call(&life->box, call, life->now_ms, &result);
    box_text(&life->box, life->now_ms, now, sizeof(now));
    if (call->kind == CALL_PROBE && result.code == ERR_NONE)
        tell(life, "probe: %d", result.probe.status);
    else if (result.code != ERR_NONE)
        tell(life, "%s: %s", call_name(call->kind), error_code_name(result.code));
    else if (call->kind != CALL_BEAT)
        tell(life, "%s%s: %s", call_name(call->kind),
             call->kind == CALL_SET_AUTOSTART ? (call->on ? " true" : " false") : "", now);
    char before[96];
    text_copy(before, sizeof(before), recipe_text(life->recipe));
    recipe_on_result(life->recipe, &result, life->now_ms);
    if (call->kind == CALL_BEAT && !text_equal(before, recipe_text(life->recipe)))
        tell(life, "beat: %s", now);
}

/* Runs to the end; the story tells calls and changes, the last line the end. */
static const char *live(struct life *life)
{
    for (int steps = 0; steps < 5000; steps++) {
        struct recipe_next next = recipe_next(life->recipe, life->now_ms);
        if (next.want == RECIPE_CALL) {
            make_call(life, &next.call);
        } else if (next.want == RECIPE_WAIT) {
            assert_true(next.until_ms > life->now_ms);
            life->now_ms = next.until_ms;
        } else if (next.want == RECIPE_BEGIN && life->refuse_at_begin != CAUSE_NONE) {
            recipe_refuse(life->recipe, life->refuse_at_begin, "not now", life->now_ms);
        } else if (next.want == RECIPE_BEGIN) {
            tell(life, "begun, journaled");
            recipe_on_begun(life->recipe, life->now_ms);
        } else {
            tell(life, "%s (%s): %s", outcome_name(life->record->outcome),
                 cause_name(life->record->cause), life->record->detail);
            return text_get(&life->story);
        }
    }
    fail_msg("the recipe did not end:\n%s", text_get(&life->story));
    return "";
}

static const char *run(struct life *life)
{
    begin_life(life);
    return live(life);
}

static void assert_end(const struct life *life, enum outcome outcome, enum cause cause)
{
    if (life->record->outcome != outcome || life->record->cause != cause)
        fail_msg("%s", text_get(&life->story));
}

/* ---- recycle ---- */

static void a_recycle_is_proved_by_its_workers(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.probe = true;
    assert_string_equal(run(life), "  0.200 look-pool: Started 100\n"
                                   "  0.200 begun, journaled\n"
                                   "  0.400 recycle: Started 100\n"
                                   "  1.650 beat: Started 200\n"
                                   "  1.655 probe: 200\n"
                                   "  1.655 beat: Started 200\n"
                                   "  1.655 done (none): recycled; the probe passed\n");
    assert_true(life->record->baseline_gone);
    assert_int_equal(life->record->before.count, 1);
    assert_int_equal(life->record->after.items[0].pid, 200);
    assert_int_equal(life->record->probe_status, 200);
    assert_int_equal(life->record->gap_ms, 0);
    end_life(life);
}

static void a_worker_that_ignores_its_stop_is_waited_for(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.drain_ms = 90000;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_true(life->now_ms > 90000 && life->now_ms < 92000);
    end_life(life);
}

static void a_worker_that_never_ends_fails_the_recycle(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.drain_ms = BOX_FOR_EVER;
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_TIMEOUT);
    assert_non_null(strstr(life->record->detail, "1 of 1 old workers still run"));
    assert_false(life->record->baseline_gone);
    assert_true(life->now_ms >= 190000 && life->now_ms < 192000);
    end_life(life);
}

static void an_orphan_is_allowed_where_configured(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.drain_ms = BOX_FOR_EVER;
    life->box.pool.orphans = true;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_true(life->record->orphaned);
    assert_false(life->record->baseline_gone);
    assert_true(life->now_ms >= 90000 && life->now_ms < 92000);
    end_life(life);
}

static void a_garden_needs_all_its_workers(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_add_worker(&life->box, 101, 0);
    box_add_worker(&life->box, 102, 0);
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->record->before.count, 3);
    assert_int_equal(life->record->after.count, 3);
    end_life(life);
}

static void a_garden_that_lacks_one_is_not_done(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_add_worker(&life->box, 101, 0);
    begin_life(life);
    while (life->box.acts[CALL_RECYCLE] == 0) {
        struct recipe_next next = recipe_next(life->recipe, life->now_ms);
        if (next.want == RECIPE_BEGIN)
            recipe_on_begun(life->recipe, life->now_ms);
        else
            make_call(life, &next.call);
    }
    life->box.worker_count--; /* one newcomer never comes */
    live(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_TIMEOUT);
    assert_non_null(strstr(life->record->detail, "1 of 2 new ones are there"));
    end_life(life);
}

static void without_overlap_the_gap_is_told(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.pool.overlap = false;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_true(life->record->gap_ms > 0 && life->record->gap_ms <= 900);
    end_life(life);
}

static void a_pid_that_is_used_again_is_another_worker(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.pool.overlap = false;
    life->box.next_pid = 100;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->record->after.items[0].pid, 100);
    assert_true(life->now_ms < 5000);
    end_life(life);
}

static void an_on_demand_pool_without_overlap_is_started_by_the_probe(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.pool.overlap = false;
    life->box.pool.start_mode = START_MODE_ON_DEMAND;
    life->command.probe = true;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->record->after.count, 1);
    assert_int_equal(life->record->after.items[0].pid, 200);
    end_life(life);
}

static void an_idle_pool_has_nothing_to_recycle(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_clear_workers(&life->box);
    assert_string_equal(run(life),
                        "  0.200 look-pool: Started\n"
                        "  0.200 nothing (pool-idle): the pool is started and has no worker: there "
                        "is nothing to recycle\n");
    end_life(life);
}

static void an_idle_pool_is_started_by_a_probe_when_asked(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_clear_workers(&life->box);
    life->command.start_idle = true;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.acts[CALL_RECYCLE], 0);
    assert_int_equal(life->record->after.count, 1);
    end_life(life);
}

static void an_idle_pool_that_cannot_be_probed_is_not_started(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_clear_workers(&life->box);
    life->command.start_idle = true;
    life->box.nothing_to_probe = true;
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_PROBE);
    end_life(life);
}

static void a_busy_pool_is_tried_again(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_script(&life->box, CALL_RECYCLE, ERR_BUSY);
    box_script(&life->box, CALL_RECYCLE, ERR_BUSY);
    assert_string_equal(run(life), "  0.200 look-pool: Started 100\n"
                                   "  0.200 begun, journaled\n"
                                   "  0.400 recycle: busy\n"
                                   "  1.100 recycle: busy\n"
                                   "  2.300 recycle: Started 100\n"
                                   "  3.550 beat: Started 200\n"
                                   "  3.550 done (none): recycled\n");
    assert_int_equal(life->box.acts[CALL_RECYCLE], 1);
    end_life(life);
}

static void a_pool_that_stays_busy_fails_untouched(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.limit_ms = 10000;
    for (int i = 0; i < 20; i++)
        box_script(&life->box, CALL_RECYCLE, ERR_BUSY);
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_TIMEOUT);
    assert_int_equal(life->box.acts[CALL_RECYCLE], 0);
    assert_true(life->now_ms < 11000);
    end_life(life);
}

static void an_odd_state_is_looked_at_again_once(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_script(&life->box, CALL_RECYCLE, ERR_STATE);
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
    life = new_life(VERB_RECYCLE);
    box_script(&life->box, CALL_RECYCLE, ERR_STATE);
    box_script(&life->box, CALL_RECYCLE, ERR_STATE);
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_DRIVER);
    end_life(life);
}

static void a_worker_that_left_by_itself_leaves_nothing_to_do(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_script(&life->box, CALL_RECYCLE, ERR_STATE);
    life->box.workers[0].dies_ms = 300;
    run(life);
    assert_end(life, OUTCOME_NOTHING, CAUSE_POOL_IDLE);
    assert_int_equal(life->box.acts[CALL_RECYCLE], 0);
    end_life(life);
}

static void an_unknown_answer_is_settled_by_what_is_seen(void **state)
{
    (void)state;
    static const enum error_code codes[] = {ERR_TIMEOUT, ERR_CORRUPT, ERR_UNAVAILABLE, ERR_IO};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct life *life = new_life(VERB_RECYCLE);
        box_script_done(&life->box, CALL_RECYCLE, codes[i]);
        run(life);
        assert_end(life, OUTCOME_DONE, CAUSE_NONE);
        assert_int_equal(life->box.acts[CALL_RECYCLE], 1);
        end_life(life);
    }
}

static void an_unknown_answer_is_never_ordered_twice(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_script(&life->box, CALL_RECYCLE, ERR_TIMEOUT);
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_TIMEOUT);
    assert_int_equal(life->box.acts[CALL_RECYCLE], 0);
    assert_non_null(strstr(life->record->detail, "whether the order was carried out is not known"));
    end_life(life);
}

static void orders_that_did_nothing_fail_at_once(void **state)
{
    (void)state;
    static const struct {
        enum error_code code;
        enum cause cause;
    } cases[] = {{ERR_DENIED, CAUSE_NOT_ELEVATED}, {ERR_NOT_FOUND, CAUSE_UNKNOWN_POOL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct life *life = new_life(VERB_RECYCLE);
        box_script(&life->box, CALL_RECYCLE, cases[i].code);
        run(life);
        assert_end(life, OUTCOME_FAILED, cases[i].cause);
        assert_true(life->now_ms < 1000);
        end_life(life);
    }
}

static void a_successor_that_answers_500_fails_the_probe(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.probe = true;
    life->box.probe_status = 500;
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_PROBE);
    assert_true(life->record->baseline_gone);
    assert_true(life->record->probed);
    assert_int_equal(life->record->probe_status, 500);
    assert_true(life->now_ms > 10000 && life->now_ms < 13000);
    end_life(life);
}

static void a_probe_that_cannot_be_made_fails(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.probe = true;
    for (int i = 0; i < 40; i++)
        box_script(&life->box, CALL_PROBE, ERR_TIMEOUT);
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_PROBE);
    end_life(life);
}

static void a_pool_with_nothing_to_probe_says_so(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.probe = true;
    life->box.nothing_to_probe = true;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_false(life->record->probed);
    assert_non_null(strstr(life->record->detail, "nothing to probe"));
    end_life(life);
}

static void a_newcomer_that_dies_after_its_probe_is_no_proof(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.probe = true;
    begin_life(life);
    bool killed = false;
    for (int i = 0; i < 5000; i++) {
        struct recipe_next next = recipe_next(life->recipe, life->now_ms);
        if (next.want == RECIPE_END)
            break;
        if (next.want == RECIPE_BEGIN)
            recipe_on_begun(life->recipe, life->now_ms);
        else if (next.want == RECIPE_WAIT)
            life->now_ms = next.until_ms;
        else
            make_call(life, &next.call);
        if (next.want == RECIPE_CALL && next.call.kind == CALL_PROBE && !killed) {
            life->box.workers[1].dies_ms = life->now_ms;
            box_add_worker(&life->box, 300, life->now_ms + 700);
            killed = true;
        }
    }
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->record->after.items[0].pid, 300);
    end_life(life);
}

static void a_pool_that_dies_of_rapid_fail_is_told(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.start_ms = BOX_FOR_EVER;
    begin_life(life);
    for (int i = 0; i < 12; i++) {
        struct recipe_next next = recipe_next(life->recipe, life->now_ms);
        if (next.want == RECIPE_BEGIN)
            recipe_on_begun(life->recipe, life->now_ms);
        else if (next.want == RECIPE_WAIT)
            life->now_ms = next.until_ms;
        else
            make_call(life, &next.call);
    }
    life->box.pool.state = POOL_STATE_STOPPED;
    live(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_POOL_STOPPED);
    assert_true(life->now_ms < 12000);
    end_life(life);
}

static void limits_of_the_command_bound_the_watch(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.limit_ms = 5000;
    life->box.drain_ms = 60000;
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_TIMEOUT);
    assert_true(life->now_ms < 7000);
    end_life(life);
}

static void a_limit_without_measure_is_cut(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->command.limit_ms = UINT64_MAX;
    life->box.drain_ms = 60000;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
}

/* ---- refusals before anything began, for every verb ---- */

static void assert_refused(enum verb verb, void (*prepare)(struct life *), enum cause cause)
{
    struct life *life = new_life(verb);
    prepare(life);
    run(life);
    assert_end(life, OUTCOME_REFUSED, cause);
    for (int kind = CALL_RECYCLE; kind <= CALL_SET_AUTOSTART; kind++)
        assert_int_equal(life->box.acts[kind], 0);
    assert_null(strstr(text_get(&life->story), "begun"));
    end_life(life);
}

static void no_such_pool(struct life *life)
{
    box_script(&life->box, CALL_LOOK_POOL, ERR_NOT_FOUND);
}

static void not_elevated(struct life *life)
{
    box_script(&life->box, CALL_LOOK_POOL, ERR_DENIED);
}

static void services_down(struct life *life)
{
    life->box.pool.state = POOL_STATE_UNKNOWN;
}

static void always_stopping(struct life *life)
{
    life->box.pool.state = POOL_STATE_STOPPING;
}

static void unreadable(struct life *life)
{
    for (int i = 0; i < 3; i++)
        box_script(&life->box, CALL_LOOK_POOL, ERR_CORRUPT);
}

static void refused_by_the_agent(struct life *life)
{
    life->refuse_at_begin = CAUSE_JOURNAL;
    if (life->command.verb == VERB_START)
        life->box.pool.state = POOL_STATE_STOPPED;
}

static void what_cannot_be_begun_is_refused_untouched(void **state)
{
    (void)state;
    static const enum verb verbs[] = {VERB_RECYCLE, VERB_START, VERB_STOP};
    for (size_t i = 0; i < 3; i++) {
        assert_refused(verbs[i], no_such_pool, CAUSE_UNKNOWN_POOL);
        assert_refused(verbs[i], not_elevated, CAUSE_NOT_ELEVATED);
        assert_refused(verbs[i], services_down, CAUSE_SERVICE_DOWN);
        assert_refused(verbs[i], always_stopping, CAUSE_TIMEOUT);
        assert_refused(verbs[i], unreadable, CAUSE_DRIVER);
        assert_refused(verbs[i], refused_by_the_agent, CAUSE_JOURNAL);
    }
}

static void stopped(struct life *life)
{
    life->box.pool.state = POOL_STATE_STOPPED;
    box_clear_workers(&life->box);
}

static void shared(struct life *life)
{
    life->box.shared_config = true;
    if (life->command.verb == VERB_START)
        life->box.pool.auto_start = false;
}

static void special_refusals(void **state)
{
    (void)state;
    assert_refused(VERB_RECYCLE, stopped, CAUSE_POOL_STOPPED);
    assert_refused(VERB_STOP, shared, CAUSE_SHARED_CONFIG);
    assert_refused(VERB_START, shared, CAUSE_SHARED_CONFIG);
}

static void a_reading_is_tried_three_times(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    box_script(&life->box, CALL_LOOK_POOL, ERR_TIMEOUT);
    box_script(&life->box, CALL_LOOK_POOL, ERR_CORRUPT);
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
}

static void a_pool_in_transition_is_waited_for(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->box.pool.state = POOL_STATE_STARTING;
    begin_life(life);
    make_call(life, &(struct call){.kind = CALL_LOOK_POOL, .pool = "Shop"});
    life->box.pool.state = POOL_STATE_STARTED;
    live(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
}

/* ---- stop ---- */

static void a_stop_stays_stopped(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    assert_string_equal(run(life),
                        "  0.200 look-pool: Started 100\n"
                        "  0.200 begun, journaled\n"
                        "  0.400 set-autostart false: Started 100\n"
                        "  1.400 stop: Stopped 100\n"
                        "  1.600 look-pool: Stopped 100\n"
                        "  2.800 look-pool: Stopped\n"
                        "  2.800 done (none): stopped, no worker is left; autoStart is false\n");
    assert_false(life->box.pool.auto_start);
    end_life(life);
}

static void a_stop_may_leave_autostart_alone(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    life->command.keep_autostart = true;
    life->box.shared_config = true; /* does not matter: nothing is set */
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_true(life->box.pool.auto_start);
    end_life(life);
}

static void a_stopped_pool_is_stopped_already(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    stopped(life);
    life->box.pool.auto_start = false;
    run(life);
    assert_end(life, OUTCOME_NOTHING, CAUSE_ALREADY);
    end_life(life);
}

static void a_stopped_pool_that_would_come_back_is_set(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    stopped(life);
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.acts[CALL_STOP], 0);
    assert_false(life->box.pool.auto_start);
    end_life(life);
}

static void a_stop_without_an_answer_is_watched(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    box_script_done(&life->box, CALL_STOP, ERR_TIMEOUT);
    life->box.drain_ms = 30000;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.acts[CALL_STOP], 1);
    end_life(life);
}

static void a_stop_that_did_not_happen_fails(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    box_script(&life->box, CALL_STOP, ERR_TIMEOUT);
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_TIMEOUT);
    assert_non_null(strstr(life->record->detail, "Started with 1 worker, autoStart is false"));
    end_life(life);
}

static void a_stop_with_an_orphan_says_so(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    life->box.pool.orphans = true;
    life->box.drain_ms = BOX_FOR_EVER;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_true(life->record->orphaned);
    end_life(life);
}

static void a_locked_configuration_is_tried_again(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    for (int i = 0; i < 5; i++)
        box_script(&life->box, CALL_SET_AUTOSTART, ERR_BUSY);
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
}

static void a_configuration_that_cannot_be_set_stops_nothing(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_STOP);
    for (int i = 0; i < 3; i++)
        box_script(&life->box, CALL_SET_AUTOSTART, ERR_CORRUPT);
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_DRIVER);
    assert_int_equal(life->box.acts[CALL_STOP], 0);
    end_life(life);
}

/* ---- start ---- */

static void a_start_brings_its_worker(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_START);
    stopped(life);
    life->box.pool.auto_start = false;
    life->command.probe = true;
    assert_string_equal(run(life), "  0.200 look-pool: Stopped\n"
                                   "  0.200 begun, journaled\n"
                                   "  0.400 set-autostart true: Stopped\n"
                                   "  0.600 start: Started\n"
                                   "  0.800 look-pool: Started\n"
                                   "  1.150 beat: Started 200\n"
                                   "  1.155 probe: 200\n"
                                   "  1.155 beat: Started 200\n"
                                   "  1.155 done (none): started; the probe passed\n");
    assert_true(life->box.pool.auto_start);
    end_life(life);
}

static void a_started_pool_is_started_already(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_START);
    run(life);
    assert_end(life, OUTCOME_NOTHING, CAUSE_ALREADY);
    end_life(life);
    life = new_life(VERB_START);
    life->command.probe = true;
    run(life);
    assert_end(life, OUTCOME_NOTHING, CAUSE_ALREADY);
    assert_true(life->record->probed);
    end_life(life);
    life = new_life(VERB_START);
    life->command.probe = true;
    life->box.probe_status = 503;
    run(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_PROBE);
    end_life(life);
}

static void a_start_is_tried_once(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_START);
    stopped(life);
    life->box.start_ms = 100;
    begin_life(life);
    for (int i = 0; life->box.acts[CALL_START] == 0 && i < 20; i++) {
        struct recipe_next next = recipe_next(life->recipe, life->now_ms);
        if (next.want == RECIPE_BEGIN)
            recipe_on_begun(life->recipe, life->now_ms);
        else
            make_call(life, &next.call);
    }
    life->box.pool.state = POOL_STATE_STOPPED; /* its worker cannot start: WAS gives up */
    life->box.worker_count = 0;
    live(life);
    assert_end(life, OUTCOME_FAILED, CAUSE_RAPID_FAIL);
    assert_int_equal(life->box.acts[CALL_START], 1);
    end_life(life);
}

/* A start that WAS ends, with these events of these times (0: none). */
static void start_ended_by(uint32_t first, uint64_t first_ms, uint32_t second, uint64_t second_ms,
                           const char *pool, enum cause expected)
{
    struct life *life = new_life(VERB_START);
    stopped(life);
    life->box.start_ms = 100;
    life->box.events_known = true;
    begin_life(life);
    for (int i = 0; life->box.acts[CALL_START] == 0 && i < 20; i++) {
        struct recipe_next next = recipe_next(life->recipe, life->now_ms);
        if (next.want == RECIPE_BEGIN)
            recipe_on_begun(life->recipe, life->now_ms);
        else
            make_call(life, &next.call);
    }
    uint64_t now = life->now_ms;
    life->box.pool.state = POOL_STATE_STOPPED;
    life->box.worker_count = 0;
    life->box.events[0] = (struct server_event){pool, first, 0, 0, 1, now + first_ms};
    life->box.events[1] = (struct server_event){pool, second, 0, 0, 2, now + second_ms};
    life->box.event_count = second ? 2 : first ? 1 : 0;
    live(life);
    assert_end(life, OUTCOME_FAILED, expected);
    assert_int_equal(life->box.acts[CALL_START], 1);
    assert_true(life->now_ms < now + 10000);
    end_life(life);
}

static void events_tell_why_a_start_ended(void **state)
{
    (void)state;
    start_ended_by(5021, 0, 5059, 1, "Shop", CAUSE_IDENTITY);
    start_ended_by(5059, 0, 5057, 1, "shop", CAUSE_IDENTITY); /* the cause outweighs what follows */
    start_ended_by(5002, 0, 0, 0, "Shop", CAUSE_RAPID_FAIL);
    start_ended_by(5057, 2000, 0, 0, "Shop", CAUSE_IDENTITY); /* the log is a moment behind */
    start_ended_by(5021, 0, 0, 0, "Api", CAUSE_RAPID_FAIL);   /* of another pool: nothing is said */
    start_ended_by(0, 0, 0, 0, "Shop", CAUSE_RAPID_FAIL);
}

static void events_of_before_say_nothing(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_START);
    stopped(life);
    life->now_ms += 100000;
    life->box.events_known = true;
    life->box.events[0] = (struct server_event){"Shop", 5021, 0, 0, 1, 5};
    life->box.event_count = 1;
    life->box.start_ms = 100;
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
}

static void already_started_meanwhile_is_fine(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_START);
    stopped(life);
    box_script_done(&life->box, CALL_START, ERR_EXISTS);
    run(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
}

/* ---- after a restart of the agent ---- */

static void a_begun_recycle_is_proved_but_not_repeated(void **state)
{
    (void)state;
    static const uint32_t baseline[] = {99};
    struct life *life = new_life(VERB_RECYCLE);
    resume_life(life, baseline, 1);
    assert_string_equal(live(life),
                        "  0.200 look-pool: Started 100\n"
                        "  0.200 beat: Started 100\n"
                        "  0.200 done (none): proved after the agent's restart: recycled\n");
    assert_int_equal(life->box.acts[CALL_RECYCLE], 0);
    end_life(life);
}

static void a_recycle_begun_but_never_ordered_is_interrupted(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_RECYCLE);
    life->record = record_new(&life->command);
    life->record->state = RECORD_BEGUN;
    record_set_workers(life->record, &life->record->before,
                       &(struct worker){.pool = "Shop", .pid = 100, .created = 1000}, 1);
    life->recipe = recipe_resume(life->record, &life->limits, 0);
    live(life);
    assert_end(life, OUTCOME_INTERRUPTED, CAUSE_TIMEOUT);
    assert_int_equal(life->box.acts[CALL_RECYCLE], 0);
    assert_false(life->record->baseline_gone);
    end_life(life);
}

static void a_begun_stop_is_proved_or_interrupted(void **state)
{
    (void)state;
    static const uint32_t baseline[] = {100};
    struct life *life = new_life(VERB_STOP);
    stopped(life);
    life->box.pool.auto_start = false;
    resume_life(life, baseline, 1);
    live(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);

    life = new_life(VERB_STOP);
    stopped(life); /* but it would come back */
    resume_life(life, baseline, 1);
    live(life);
    assert_end(life, OUTCOME_INTERRUPTED, CAUSE_TIMEOUT);
    assert_int_equal(life->box.acts[CALL_STOP] + life->box.acts[CALL_SET_AUTOSTART], 0);
    end_life(life);
}

static void a_begun_start_is_repeated(void **state)
{
    (void)state;
    struct life *life = new_life(VERB_START);
    stopped(life);
    resume_life(life, NULL, 0);
    live(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    assert_int_equal(life->box.acts[CALL_START], 1);
    end_life(life);
}

static void a_server_that_is_still_booting_is_waited_for(void **state)
{
    (void)state;
    static const uint32_t baseline[] = {99};
    struct life *life = new_life(VERB_RECYCLE);
    for (int i = 0; i < 10; i++)
        box_script(&life->box, CALL_LOOK_POOL, ERR_UNAVAILABLE);
    resume_life(life, baseline, 1);
    live(life);
    assert_end(life, OUTCOME_DONE, CAUSE_NONE);
    end_life(life);
}

/* ---- the kill of one worker ---- */

static struct life *kill_of(uint32_t pid)
{
    struct life *life = new_life(VERB_WORKER_KILL);
    life->command.worker_pid = pid;
    life->command.worker_created = 1000;
    life->box.pool.rapid_fail = true;
    life->box.pool.rapid_fail_crashes = 5;
    life->box.pool.rapid_fail_interval_ms = 300000;
    life->box.events_known = true;
    return life;
}

static void crashed(struct life *life, size_t times)
{
    life->box.event_count = times;
    for (size_t i = 0; i < times; i++)
        life->box.events[i] = (struct server_event){.pool = "Shop", .id = 5011};
}

static void one_worker_is_ended_and_replaced(void **state)
{
    struct life *life = kill_of(100);
    (void)state;
    crashed(life, 2);
    begin_life(life);
    const char *story = live(life);
    assert_non_null(strstr(story, "worker-kill: Started"));
    assert_int_equal(life->record->outcome, OUTCOME_DONE);
    assert_int_equal(life->record->before.count, 1);
    assert_true(life->record->baseline_gone);
    assert_non_null(strstr(life->record->detail, "worker 100, with "));
    assert_int_equal(life->box.acts[CALL_STOP], 0);
    end_life(life);
}

static void worker_of_another_time_is_not_ended(void **state)
{
    struct life *life = kill_of(100);
    (void)state;
    life->command.worker_created = 999; /* the pid is somebody else's now */
    begin_life(life);
    live(life);
    assert_int_equal(life->record->outcome, OUTCOME_REFUSED);
    assert_int_equal(life->record->cause, CAUSE_GONE);
    assert_int_equal(life->box.acts[CALL_WORKER_KILL], 0);
    end_life(life);
}

static void kill_never_causes_a_rapid_fail(void **state)
{
    (void)state;
    for (int blind = 0; blind < 2; blind++) {
        struct life *life = kill_of(100);
        crashed(life, blind ? 0 : 3); /* the fifth stops the pool, the fourth may be on its way */
        life->box.events_known = !blind;
        begin_life(life);
        live(life);
        assert_int_equal(life->record->outcome, OUTCOME_REFUSED);
        assert_int_equal(life->record->cause, CAUSE_RAPID_FAIL);
        assert_int_equal(life->box.acts[CALL_WORKER_KILL], 0);
        end_life(life);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_is_ended_and_replaced),
        cmocka_unit_test(worker_of_another_time_is_not_ended),
        cmocka_unit_test(kill_never_causes_a_rapid_fail),
        cmocka_unit_test(a_recycle_is_proved_by_its_workers),
        cmocka_unit_test(a_worker_that_ignores_its_stop_is_waited_for),
        cmocka_unit_test(a_worker_that_never_ends_fails_the_recycle),
        cmocka_unit_test(an_orphan_is_allowed_where_configured),
        cmocka_unit_test(a_garden_needs_all_its_workers),
        cmocka_unit_test(a_garden_that_lacks_one_is_not_done),
        cmocka_unit_test(without_overlap_the_gap_is_told),
        cmocka_unit_test(a_pid_that_is_used_again_is_another_worker),
        cmocka_unit_test(an_on_demand_pool_without_overlap_is_started_by_the_probe),
        cmocka_unit_test(an_idle_pool_has_nothing_to_recycle),
        cmocka_unit_test(an_idle_pool_is_started_by_a_probe_when_asked),
        cmocka_unit_test(an_idle_pool_that_cannot_be_probed_is_not_started),
        cmocka_unit_test(a_busy_pool_is_tried_again),
        cmocka_unit_test(a_pool_that_stays_busy_fails_untouched),
        cmocka_unit_test(an_odd_state_is_looked_at_again_once),
        cmocka_unit_test(a_worker_that_left_by_itself_leaves_nothing_to_do),
        cmocka_unit_test(an_unknown_answer_is_settled_by_what_is_seen),
        cmocka_unit_test(an_unknown_answer_is_never_ordered_twice),
        cmocka_unit_test(orders_that_did_nothing_fail_at_once),
        cmocka_unit_test(a_successor_that_answers_500_fails_the_probe),
        cmocka_unit_test(a_probe_that_cannot_be_made_fails),
        cmocka_unit_test(a_pool_with_nothing_to_probe_says_so),
        cmocka_unit_test(a_newcomer_that_dies_after_its_probe_is_no_proof),
        cmocka_unit_test(a_pool_that_dies_of_rapid_fail_is_told),
        cmocka_unit_test(limits_of_the_command_bound_the_watch),
        cmocka_unit_test(a_limit_without_measure_is_cut),
        cmocka_unit_test(what_cannot_be_begun_is_refused_untouched),
        cmocka_unit_test(special_refusals),
        cmocka_unit_test(a_reading_is_tried_three_times),
        cmocka_unit_test(a_pool_in_transition_is_waited_for),
        cmocka_unit_test(a_stop_stays_stopped),
        cmocka_unit_test(a_stop_may_leave_autostart_alone),
        cmocka_unit_test(a_stopped_pool_is_stopped_already),
        cmocka_unit_test(a_stopped_pool_that_would_come_back_is_set),
        cmocka_unit_test(a_stop_without_an_answer_is_watched),
        cmocka_unit_test(a_stop_that_did_not_happen_fails),
        cmocka_unit_test(a_stop_with_an_orphan_says_so),
        cmocka_unit_test(a_locked_configuration_is_tried_again),
        cmocka_unit_test(a_configuration_that_cannot_be_set_stops_nothing),
        cmocka_unit_test(a_start_brings_its_worker),
        cmocka_unit_test(a_started_pool_is_started_already),
        cmocka_unit_test(a_start_is_tried_once),
        cmocka_unit_test(events_tell_why_a_start_ended),
        cmocka_unit_test(events_of_before_say_nothing),
        cmocka_unit_test(already_started_meanwhile_is_fine),
        cmocka_unit_test(a_begun_recycle_is_proved_but_not_repeated),
        cmocka_unit_test(a_recycle_begun_but_never_ordered_is_interrupted),
        cmocka_unit_test(a_begun_stop_is_proved_or_interrupted),
        cmocka_unit_test(a_begun_start_is_repeated),
        cmocka_unit_test(a_server_that_is_still_booting_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
