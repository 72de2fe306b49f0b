/* test_rotation.c - the keep-alive file: taken away and put back as told, whatever dies meanwhile.
 */
#include "tests/unit/agent/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct stage *new_stage(void)
{
    struct stage *s = stage_new();
    s->settings.keepalive = true;
    s->file = true;
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
    if (verb_is_of_rotation(verb))
        command.pool = "";
    stage_give(s, &command);
}

static void the_life_of_a_drain(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_DRAIN, 1);
    stage_settle(s);
    assert_string_equal(text_get(&s->story), "  1.000 <- drain 1\n"
                                             "  1.000    journal begun 1\n"
                                             "  1.000    file remove\n"
                                             "  1.000 -> listen, last 1\n"
                                             "  1.000    journal ended 1\n"
                                             "  1.000 -> result 1: done (none): the keep-alive "
                                             "file is gone\n"
                                             "  1.000    journal acknowledged 1\n");
    assert_false(s->file);
    give(s, VERB_READY, 2);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_true(s->file);
    stage_free(s);
}

static void what_is_so_already_is_done_again(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_READY, 1);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    give(s, VERB_DRAIN, 2);
    stage_settle(s);
    give(s, VERB_DRAIN, 3);
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    assert_false(s->file);
    stage_free(s);
}

static void reports_and_answers_tell_the_file_and_its_age(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    assert_int_equal(s->last_state.keepalive, KEEPALIVE_PRESENT);
    give(s, VERB_DRAIN, 1);
    stage_settle(s);
    stage_run(s, 3000);
    assert_int_equal(s->last_state.keepalive, KEEPALIVE_ABSENT);
    give(s, VERB_ROTATION, 2);
    stage_settle(s);
    assert_int_equal(s->last_observation.cause, CAUSE_NONE);
    assert_int_equal(s->last_observation.keepalive, KEEPALIVE_ABSENT);
    assert_in_range(s->last_observation.keepalive_age_ms, 3000, 4000);
    s->file = true; /* a person brings it back: seen at once when asked, without being told */
    give(s, VERB_ROTATION, 3);
    stage_settle(s);
    assert_int_equal(s->last_observation.keepalive, KEEPALIVE_PRESENT);
    assert_int_equal(s->last_observation.keepalive_age_ms, 0);
    stage_free(s);
}

static void killed_at_any_write_the_drain_is_ended_after_the_restart(void **state)
{
    (void)state;
    for (unsigned writes = 1; writes <= 4; writes++) {
        struct stage *s = new_stage();
        s->crash_after_writes = s->writes + writes;
        give(s, VERB_DRAIN, 1);
        if (!s->crashed)
            stage_run(s, 5000);
        stage_crash(s);
        stage_start(s);
        stage_settle(s);
        assert_false(s->file);
        assert_last(s, OUTCOME_DONE, CAUSE_NONE);
        stage_free(s);
    }
}

static void what_was_drained_is_drained_after_a_restart(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_DRAIN, 1);
    stage_settle(s);
    stage_crash(s);
    s->file = true; /* a crash brought it back */
    stage_start(s);
    stage_settle(s);
    assert_false(s->file);
    stage_free(s);
}

static void what_a_person_took_away_stays_away(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_READY, 1);
    stage_settle(s);
    s->file = false;
    stage_crash(s);
    stage_start(s);
    stage_run(s, 60000);
    assert_false(s->file);
    assert_int_equal(s->last_state.keepalive, KEEPALIVE_ABSENT);
    stage_free(s);
}

static void without_a_journal_it_is_put_back_but_not_taken_away(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->journal_full = true;
    give(s, VERB_DRAIN, 1);
    stage_run(s, 1000);
    assert_last(s, OUTCOME_REFUSED, CAUSE_JOURNAL);
    assert_true(s->file);
    s->file = false;
    give(s, VERB_READY, 2);
    stage_run(s, 3000);
    assert_true(s->file);
    stage_free(s);
}

static void it_is_taken_away_while_an_act_holds_the_worker(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    give(s, VERB_RECYCLE, 1);
    give(s, VERB_DRAIN, 2);
    assert_false(s->file);
    stage_settle(s);
    assert_int_equal(s->box.acts[CALL_RECYCLE], 1);
    stage_free(s);
}

static void a_file_that_cannot_be_moved_fails_and_says_why(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    s->file_fails = true;
    give(s, VERB_DRAIN, 1);
    stage_run(s, 3000);
    assert_last(s, OUTCOME_FAILED, CAUSE_NOT_ELEVATED);
    assert_string_equal(s->result_detail, "not allowed");
    assert_int_equal(s->last_state.keepalive, KEEPALIVE_UNKNOWN);
    give(s, VERB_ROTATION, 2);
    stage_run(s, 3000);
    assert_int_equal(s->last_observation.cause, CAUSE_DRIVER);
    stage_free(s);
}

static void an_agent_without_one_refuses(void **state)
{
    (void)state;
    struct stage *s = stage_new();
    s->file = true;
    stage_start(s);
    give(s, VERB_DRAIN, 1);
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_DENIED_BY_AGENT);
    give(s, VERB_ROTATION, 2);
    stage_settle(s);
    assert_int_equal(s->last_observation.cause, CAUSE_UNSUPPORTED);
    assert_true(s->file);
    assert_int_equal(s->last_state.keepalive, KEEPALIVE_NONE);
    stage_free(s);
}

static void a_lower_fence_takes_nothing_away(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_DRAIN, 1);
    command.pool = "";
    command.id.fence.number--;
    stage_give(s, &command);
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_FENCE);
    assert_true(s->file);
    stage_free(s);
}

static void a_drain_that_came_late_or_again_is_not_done(void **state)
{
    (void)state;
    struct stage *s = new_stage();
    struct command command = stage_command(s, VERB_DRAIN, 1);
    command.pool = "";
    command.expires_ms = 0;
    stage_give(s, &command);
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_EXPIRED);
    give(s, VERB_DRAIN, 3);
    stage_settle(s);
    give(s, VERB_READY, 4);
    stage_settle(s);
    give(s, VERB_DRAIN, 3); /* answered from the journal */
    stage_settle(s);
    assert_last(s, OUTCOME_DONE, CAUSE_NONE);
    give(s, VERB_DRAIN, 2); /* overtaken */
    stage_settle(s);
    assert_last(s, OUTCOME_REFUSED, CAUSE_EXPIRED);
    assert_true(s->file);
    stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_life_of_a_drain),
        cmocka_unit_test(what_is_so_already_is_done_again),
        cmocka_unit_test(reports_and_answers_tell_the_file_and_its_age),
        cmocka_unit_test(killed_at_any_write_the_drain_is_ended_after_the_restart),
        cmocka_unit_test(what_was_drained_is_drained_after_a_restart),
        cmocka_unit_test(what_a_person_took_away_stays_away),
        cmocka_unit_test(without_a_journal_it_is_put_back_but_not_taken_away),
        cmocka_unit_test(it_is_taken_away_while_an_act_holds_the_worker),
        cmocka_unit_test(a_file_that_cannot_be_moved_fails_and_says_why),
        cmocka_unit_test(an_agent_without_one_refuses),
        cmocka_unit_test(a_lower_fence_takes_nothing_away),
        cmocka_unit_test(a_drain_that_came_late_or_again_is_not_done),
    };
    return cmocka_run_group_tests_name("agent_rotation", tests, NULL, NULL);
}
