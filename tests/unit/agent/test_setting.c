/* Settings of pools: what differs, the recipe that changes them, and rehearsals. */
#include "agent/setting.h"
#include "common/text.h"
#include "tests/unit/agent/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define COLD                                                                                       \
    "startMode=OnDemand;processModel.idleTimeout=00:20:00;"                                        \
    "recycling.disallowOverlappingRotation=false;preloadEnabled[Default Web Site/]=false"
#define WARM                                                                                       \
    "startMode=AlwaysRunning;processModel.idleTimeout=00:00:00;"                                   \
    "recycling.disallowOverlappingRotation=false;preloadEnabled=true"
#define FORMER                                                                                     \
    "startMode=OnDemand;processModel.idleTimeout=00:20:00;preloadEnabled[Default Web Site/]=false"

/* ---- what differs ---- */

static void only_what_differs_is_changed(void **state)
{
    (void)state;
    char to[SETTING_TEXT_MAX], from[SETTING_TEXT_MAX], missing[WIRE_NAME_MAX], said[400];
    size_t count;
    assert_true(setting_differ(WARM, COLD, to, from, &count, missing));
    assert_int_equal(count, 3);
    assert_string_equal(from, FORMER);
    assert_string_equal(to, "startMode=AlwaysRunning;processModel.idleTimeout=00:00:00;"
                            "preloadEnabled[Default Web Site/]=true");
    setting_say(to, from, said, sizeof(said));
    assert_string_equal(said, "startMode OnDemand -> AlwaysRunning, processModel.idleTimeout "
                              "00:20:00 -> 00:00:00, preloadEnabled[Default Web Site/] false -> "
                              "true");
    assert_true(setting_differ("processModel.idleTimeout=0", "processModel.idleTimeout=00:00:00",
                               to, from, &count, missing));
    assert_int_equal(count, 0);
    assert_false(setting_differ("queueLength=5", COLD, to, from, &count, missing));
    assert_string_equal(missing, "queueLength");
    assert_false(setting_differ("nonsense", COLD, to, from, &count, missing));
}

static void expect_differ(const char *wanted, const char *now, const char *to)
{
    char is[SETTING_TEXT_MAX], from[SETTING_TEXT_MAX], missing[WIRE_NAME_MAX];
    size_t count;
    if (!setting_differ(wanted, now, is, from, &count, missing))
        fail_msg("%s is not there", missing);
    assert_string_equal(is, to);
}

/* A pool without an application has nothing that could be preloaded: that keeps it from nothing. */
static void what_is_wanted_where_it_is_there_may_be_missing(void **state)
{
    (void)state;
    expect_differ("preloadEnabled?=true", "startMode=OnDemand", "");
    expect_differ("preloadEnabled?=true", COLD, "preloadEnabled[Default Web Site/]=true");
    expect_differ("doAppInitAfterRestart?=true",
                  "doAppInitAfterRestart[Shop/]=false;doAppInitAfterRestart[Shop/api]=true",
                  "doAppInitAfterRestart[Shop/]=true");
}

/* A limit that somebody has raised for a slow start is not lowered. */
static void limit_is_raised_and_never_lowered(void **state)
{
    (void)state;
    static const struct {
        const char *is;
        bool raised;
    } limits[] = {{"00:01:00", true},
                  {"00:01:30", false},
                  {"00:10:00", false},
                  {"1.00:00:00", false},
                  {"00:00:00", true}};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        char now[64];
        text_format(now, sizeof(now), "processModel.startupTimeLimit=%s", limits[i].is);
        expect_differ("processModel.startupTimeLimit>=00:01:30", now,
                      limits[i].raised ? "processModel.startupTimeLimit=00:01:30" : "");
    }
    char to[SETTING_TEXT_MAX], from[SETTING_TEXT_MAX], missing[WIRE_NAME_MAX];
    size_t count;
    assert_false(
        setting_differ("processModel.startupTimeLimit>=1", COLD, to, from, &count, missing));
    assert_string_equal(missing, "processModel.startupTimeLimit");
}

/* ---- the recipe, in the agent ---- */

static struct stage *begin(const char *settings)
{
    struct stage *s = stage_new();
    text_copy(s->box.settings, sizeof(s->box.settings), settings);
    stage_start(s);
    stage_settle(s);
    return s;
}

static void give_set(struct stage *s, uint64_t seq, const char *settings)
{
    struct command c = stage_command(s, VERB_SET, seq);
    c.settings = settings;
    c.probe = true;
    stage_give(s, &c);
    stage_settle(s);
}

static void settings_are_changed_and_kept_for_undo(void **state)
{
    (void)state;
    struct stage *s = begin(COLD);
    give_set(s, 1, WARM);
    assert_int_equal(s->last_result.outcome, OUTCOME_DONE);
    assert_non_null(strstr(s->result_detail, "the probe passed; before: " FORMER));
    assert_non_null(strstr(s->box.settings, "startMode=AlwaysRunning"));
    assert_int_equal(s->box.acts[CALL_CONFIGURE], 1);
    give_set(s, 2, WARM);
    assert_int_equal(s->last_result.outcome, OUTCOME_NOTHING);
    give_set(s, 3, FORMER);
    assert_int_equal(s->last_result.outcome, OUTCOME_DONE);
    assert_string_equal(s->box.settings, COLD);
    give_set(s, 4, "autoStart=false");
    assert_int_equal(s->last_result.outcome, OUTCOME_REFUSED);
    assert_int_equal(s->last_result.cause, CAUSE_UNSUPPORTED);
    assert_int_equal(s->box.acts[CALL_CONFIGURE], 2);
    stage_free(s);
}

static void shared_configuration_is_changed_by_one_for_all(void **state)
{
    (void)state;
    struct stage *s = begin(COLD);
    s->box.shared_config = true;
    give_set(s, 1, WARM);
    assert_int_equal(s->last_result.outcome, OUTCOME_REFUSED);
    assert_int_equal(s->last_result.cause, CAUSE_SHARED_CONFIG);
    struct command c = stage_command(s, VERB_SET, 2);
    c.settings = WARM;
    c.force = true;
    stage_give(s, &c);
    stage_settle(s);
    assert_int_equal(s->last_result.outcome, OUTCOME_DONE);
    stage_free(s);
}

/* Somebody else writes the configuration at the same moment. */
static void locked_configuration_is_tried_again(void **state)
{
    (void)state;
    struct stage *s = begin(COLD);
    box_script(&s->box, CALL_CONFIGURE, ERR_BUSY);
    give_set(s, 1, WARM);
    assert_int_equal(s->last_result.outcome, OUTCOME_DONE);
    stage_free(s);
}

/* Its answer is lost: what is in force decides. */
static void change_without_an_answer_is_read_back(void **state)
{
    (void)state;
    struct stage *s = begin(COLD);
    for (int i = 0; i < 4; i++)
        box_script_done(&s->box, CALL_CONFIGURE, ERR_TIMEOUT);
    give_set(s, 1, WARM);
    assert_int_equal(s->last_result.outcome, OUTCOME_DONE);
    stage_free(s);
}

/* At every write of the journal the agent dies: a change is either proved or called interrupted,
 * and what was before is never forgotten. */
static void death_at_any_moment_forgets_nothing(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 8; at++) {
        struct stage *s = begin(COLD);
        struct command c = stage_command(s, VERB_SET, 1);
        c.settings = WARM;
        s->writes = 0;
        s->crash_after_writes = at;
        stage_give(s, &c);
        stage_settle(s);
        stage_crash(s);
        stage_start(s);
        stage_settle(s);
        const struct record *r = s->journal_count ? s->journal[s->journal_count - 1] : NULL;
        if (s->box.acts[CALL_CONFIGURE] > 0) {
            assert_non_null(r);
            assert_string_equal(r->former_settings, FORMER);
            assert_int_equal(r->state, RECORD_ENDED);
        }
        assert_true(s->box.acts[CALL_CONFIGURE] <= 1);
        stage_free(s);
    }
}

/* ---- rehearsals ---- */

static const struct observation *rehearse(struct stage *s, enum verb verb, uint64_t seq,
                                          const char *settings)
{
    struct command c = stage_command(s, VERB_OBSERVE, seq);
    c.rehearse = verb;
    c.settings = settings;
    stage_give(s, &c);
    stage_settle(s);
    return &s->last_observation;
}

static void rehearsal_says_what_would_be_done_and_does_nothing(void **state)
{
    (void)state;
    struct stage *s = begin(COLD);
    const struct observation *o = rehearse(s, VERB_RECYCLE, 1, "");
    assert_int_equal(o->would, OUTCOME_DONE);
    stage_tell(s, "%s", ""); /* the texts are in the transcript */
    o = rehearse(s, VERB_START, 2, "");
    assert_int_equal(o->would, OUTCOME_NOTHING);
    assert_int_equal(o->would_cause, CAUSE_ALREADY);
    o = rehearse(s, VERB_STOP, 3, "");
    assert_int_equal(o->would, OUTCOME_DONE);
    o = rehearse(s, VERB_SET, 4, WARM);
    assert_int_equal(o->would, OUTCOME_DONE);
    s->box.shared_config = true; /* and what it would refuse is told as refused */
    o = rehearse(s, VERB_SET, 6, WARM);
    assert_int_equal(o->would, OUTCOME_REFUSED);
    assert_int_equal(o->would_cause, CAUSE_SHARED_CONFIG);
    for (int kind = 0; kind < CALL_COUNT; kind++)
        assert_true(!call_acts((enum call_kind)kind) || s->box.acts[kind] == 0);
    s->box.pool.state = POOL_STATE_STOPPED;
    box_clear_workers(&s->box);
    o = rehearse(s, VERB_RECYCLE, 7, "");
    assert_int_equal(o->would, OUTCOME_REFUSED);
    assert_int_equal(o->would_cause, CAUSE_POOL_STOPPED);
    stage_free(s);
}

static void rehearsal_tells_this_servers_own_veto(void **state)
{
    (void)state;
    static const char *const none[] = {"Other", NULL};
    struct stage *s = stage_new();
    s->settings.veto.pools = none;
    s->settings.veto.pool_count = 1;
    stage_start(s);
    stage_settle(s);
    const struct observation *o = rehearse(s, VERB_RECYCLE, 1, "");
    assert_int_equal(o->would, OUTCOME_REFUSED);
    assert_int_equal(o->would_cause, CAUSE_DENIED_BY_AGENT);
    stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_differs_is_changed),
        cmocka_unit_test(what_is_wanted_where_it_is_there_may_be_missing),
        cmocka_unit_test(limit_is_raised_and_never_lowered),
        cmocka_unit_test(settings_are_changed_and_kept_for_undo),
        cmocka_unit_test(shared_configuration_is_changed_by_one_for_all),
        cmocka_unit_test(locked_configuration_is_tried_again),
        cmocka_unit_test(change_without_an_answer_is_read_back),
        cmocka_unit_test(death_at_any_moment_forgets_nothing),
        cmocka_unit_test(rehearsal_says_what_would_be_done_and_does_nothing),
        cmocka_unit_test(rehearsal_tells_this_servers_own_veto),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
