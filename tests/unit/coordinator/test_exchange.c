/* Other rules of remediation while incidents are open: the whole brain with its store, on virtual
 * time. */
#include "tests/unit/coordinator/farm.h"

#include "common/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define GIB (1024ull * 1024 * 1024)

static struct remedy_rule leak_rule(const char *ladder, enum remedy_mode mode)
{
    struct remedy_rule rule = farm_rule("leak", "memory > 2G", ladder);
    rule.mode = mode;
    return rule;
}

/* Four servers; the second leaks, and has done so for twenty seconds. */
static void begin(struct farm *f, const struct remedy_rule *rule)
{
    farm_begin_balanced(f, 4, 1);
    farm_crash(f);
    farm_set_rules(f, rule, 1);
    farm_start(f);
    farm_run(f, 1500);
    f->agents[1].memory_bytes = 3 * GIB;
    farm_run(f, 20000);
}

static enum error_code try_take(struct farm *f, const struct remedy_rule *rules, size_t count)
{
    struct error err;
    return coordinator_take_rules(f->brain, rules, count, &f->guards, "SIGHUP", "read anew",
                                  f->now_ms, WALL(f), &err);
}

static void take(struct farm *f, const struct remedy_rule *rules, size_t count)
{
    assert_int_equal(try_take(f, rules, count), ERR_NONE);
}

static const struct incident *only_incident(const struct farm *f)
{
    if (coordinator_incident_count(f->brain) != 1) {
        fail_msg("%zu incidents:\n%s", coordinator_incident_count(f->brain), farm_events(f));
    }
    return coordinator_incident_at(f->brain, 0);
}

static void approve(struct farm *f)
{
    struct error err;
    uint64_t id = only_incident(f)->id;
    assert_int_equal(
        coordinator_approve_incident(f->brain, id, "anna", "seen", f->now_ms, WALL(f), &err),
        ERR_NONE);
}

static void maintain(struct farm *f, uint64_t for_ms)
{
    struct error err;
    assert_int_equal(coordinator_maintenance(f->brain, "web02", for_ms, "anna", "patching",
                                             f->now_ms, WALL(f), &err),
                     ERR_NONE);
}

static void promoted_rule_acts_on_what_is_open(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule observe = leak_rule("recycle 60s, call", REMEDY_OBSERVE);
    const struct remedy_rule act = leak_rule("recycle 60s, call", REMEDY_AUTO);
    begin(&f, &observe);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_OBSERVED);
    take(&f, &act, 1);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 1);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_expect_event(&f, "SIGHUP: remediation.rules rule leak: read anew [mode observe -> mode "
                          "auto]");
    assert_int_equal(files_audited(&f.files, "remediation.rules"), 1);
    take(&f, &act, 1); /* nothing differs: nothing is told */
    assert_int_equal(files_audited(&f.files, "remediation.rules"), 1);
    farm_end(&f);
}

static void demoted_rule_ends_what_it_has_begun_and_no_more(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule act = leak_rule("recycle 60s, recycle 60s, call", REMEDY_AUTO);
    const struct remedy_rule observe = leak_rule("recycle 60s, recycle 60s, call", REMEDY_OBSERVE);
    begin(&f, &observe);
    f.agents[1].act_ms = 6000;
    f.agents[1].probe_status = 500; /* its gate fails: the next rung would be due */
    take(&f, &act, 1);
    farm_run(&f, 4000);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_ACTING);
    take(&f, &observe, 1);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_ACTING);
    farm_run(&f, 60000);
    assert_int_equal(f.agents[1].acts, 1);
    f.agents[1].probe_status = 200;
    farm_run(&f, 60000);
    assert_int_equal(f.agents[1].acts, 1);
    assert_int_equal(f.agents[1].admin, BALANCER_READY); /* what was taken out is put back */
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

static void approval_is_for_the_act_that_was_read(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule gentle = leak_rule("recycle 60s, call", REMEDY_PROPOSE);
    const struct remedy_rule harsh = leak_rule("restart-services 60s, call", REMEDY_PROPOSE);
    begin(&f, &gentle);
    maintain(&f, 60000);
    approve(&f);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_BLOCKED);
    take(&f, &harsh, 1);
    farm_run(&f, 90000); /* the maintenance is over long ago */
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_PROPOSED);
    assert_non_null(strstr(only_incident(&f)->why, "restart the web services of web02"));
    farm_crash(&f); /* the approval is gone for good */
    farm_set_rules(&f, &harsh, 1);
    farm_start(&f);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    approve(&f);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].act_verb, VERB_SERVICE_RESTART);
    farm_end(&f);
}

static void approval_of_the_same_act_holds(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule before = leak_rule("recycle 60s, call", REMEDY_PROPOSE);
    const struct remedy_rule after = leak_rule("recycle 90s, quarantine", REMEDY_PROPOSE);
    begin(&f, &before);
    maintain(&f, 30000);
    approve(&f);
    take(&f, &after, 1);
    farm_run(&f, 60000);
    assert_int_equal(f.agents[1].acts, 1);
    farm_expect_event(&f, "[actions recycle 1m, call -> actions recycle 1m30s, quarantine]");
    farm_end(&f);
}

static void rule_that_is_gone_ends_its_incidents(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule observe = leak_rule("recycle 60s, call", REMEDY_OBSERVE);
    const struct remedy_rule other = farm_rule("dead", "services = down", "recover-services 60s");
    begin(&f, &observe);
    take(&f, &other, 1);
    farm_run(&f, 2000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_expect_event(&f, "its rule is no longer configured");
    farm_expect_event(&f, "rule leak: read anew [mode observe; when memory > 2G; ");
    farm_expect_event(&f, " -> not there]");
    farm_expect_event(&f, "rule dead: read anew [not there -> mode auto; when services = down; ");
    assert_int_equal(files_audited(&f.files, "remediation.rules"), 2);
    farm_end(&f);
}

/* Its place among the others is another one: what was seen so far still counts. */
static void other_order_forgets_nothing(void **state)
{
    (void)state;
    struct farm f;
    struct remedy_rule rules[2] = {leak_rule("recycle 60s, call", REMEDY_OBSERVE),
                                   farm_rule("dead", "services = down", "recover-services 60s")};
    struct remedy_rule turned[2];
    begin(&f, rules);
    uint64_t id = only_incident(&f)->id;
    rules[0].for_ms = 40000;
    take(&f, rules, 1);
    f.agents[2].memory_bytes = 3 * GIB;
    farm_run(&f, 30000);
    turned[0] = rules[1], turned[1] = rules[0];
    take(&f, turned, 2);
    farm_run(&f, 1000);
    assert_int_equal(only_incident(&f)->id, id); /* neither closed nor opened again */
    farm_run(&f, 15000);
    assert_int_equal(coordinator_incident_count(f.brain), 2); /* 40 s since it was seen first */
    farm_end(&f);
}

/* What was seen by the former condition says nothing of the new one: nothing is taken for clear
 * before it was for its time. */
static void other_condition_begins_anew(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule low = leak_rule("recycle 60s, call", REMEDY_OBSERVE);
    struct remedy_rule high = farm_rule("leak", "memory > 4G", "recycle 60s, call");
    begin(&f, &low);
    take(&f, &high, 1);
    farm_run(&f, 1000);
    assert_int_equal(coordinator_incident_count(f.brain), 1);
    farm_run(&f, 10000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_int_equal(f.agents[1].acts, 0);
    farm_end(&f);
}

/* The rung that an incident has in hand is no longer there: its act is judged as what it was, and
 * the ladder ends with its last rung. */
static void shorter_ladder_ends_with_its_last_rung(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule longer =
        farm_rule("manual", "autostart = off", "recycle 5s, recycle 60s, call");
    struct remedy_rule shorter = farm_rule("manual", "autostart = off", "quarantine");
    begin(&f, &longer);
    f.agents[1].shop_manual = true; /* and a recycle helps nothing */
    f.agents[1].want_whole = true;
    f.agents[1].act_ms = 4000;
    for (int i = 0; i < 600 && f.agents[1].acts < 2; i++) {
        farm_run(&f, 100);
    }
    assert_int_equal(only_incident(&f)->rung, 1);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_ACTING);
    shorter.rungs[0].limit_ms = 30000;
    take(&f, &shorter, 1);
    assert_int_equal(only_incident(&f)->rung, 0);
    farm_run(&f, 90000);
    farm_expect_event(&f, "incident.given-up");
    assert_int_equal(only_incident(&f)->phase, INCIDENT_CALLED); /* a recycle is no quarantine */
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    assert_int_equal(f.agents[1].acts, 2);
    f.agents[1].shop_manual = false;
    f.agents[1].want_whole = true;
    farm_run(&f, 20000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

static void what_cannot_be_written_is_not_taken(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule observe = leak_rule("recycle 60s, call", REMEDY_OBSERVE);
    const struct remedy_rule act = leak_rule("recycle 60s, call", REMEDY_AUTO);
    begin(&f, &observe);
    files_disk_is_full(true);
    enum error_code code = try_take(&f, &act, 1);
    files_disk_is_full(false);
    assert_int_not_equal(code, ERR_NONE);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(files_audited(&f.files, "remediation.rules"), 0);
    take(&f, &act, 1);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 1);
    farm_end(&f);
}

static void guards_are_exchanged_and_told(void **state)
{
    (void)state;
    struct farm f;
    const struct remedy_rule act = leak_rule("recycle 60s, call", REMEDY_AUTO);
    begin(&f, &act);
    assert_int_equal(f.agents[1].acts, 1);
    f.guards.max_per_hour = 1;
    take(&f, &act, 1);
    farm_expect_event(&f, "guards: read anew [max_per_hour 100 -> max_per_hour 1]");
    f.agents[2].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[2].acts, 0); /* what was done before counts */
    farm_expect_event(&f, "remediation has acted 1 times within an hour");
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promoted_rule_acts_on_what_is_open),
        cmocka_unit_test(demoted_rule_ends_what_it_has_begun_and_no_more),
        cmocka_unit_test(approval_is_for_the_act_that_was_read),
        cmocka_unit_test(approval_of_the_same_act_holds),
        cmocka_unit_test(rule_that_is_gone_ends_its_incidents),
        cmocka_unit_test(other_order_forgets_nothing),
        cmocka_unit_test(other_condition_begins_anew),
        cmocka_unit_test(shorter_ladder_ends_with_its_last_rung),
        cmocka_unit_test(what_cannot_be_written_is_not_taken),
        cmocka_unit_test(guards_are_exchanged_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
