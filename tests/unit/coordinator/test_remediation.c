/* Remediation with the whole brain, a real store and agents that speak the wire, on virtual time.
 */
#include "tests/unit/coordinator/farm.h"

#include "common/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define GIB (1024ull * 1024 * 1024)

static struct remedy_rule rules[4];

static void begin(struct farm *f, size_t count, uint32_t balanced)
{
    rules[0] = farm_rule("leak", "memory > 2G", "recycle 60s, quarantine");
    rules[1] = farm_rule("dead", "services = down", "recover-services 60s, quarantine");
    rules[2] = farm_rule("sick", "probe-failures > 2", "recycle 60s, call");
    farm_begin_balanced(f, count, balanced);
    farm_crash(f);
    farm_set_rules(f, rules, 3);
    farm_start(f);
    farm_run(f, 1500);
}

static const struct incident *only_incident(const struct farm *f)
{
    if (coordinator_incident_count(f->brain) != 1) {
        fail_msg("%zu incidents:\n%s", coordinator_incident_count(f->brain), farm_events(f));
    }
    return coordinator_incident_at(f->brain, 0);
}

static void keep_sentence(void *arg, const char *sentence)
{
    text_addf(arg, "%s\n", sentence);
}

static void leak_is_recycled_without_a_person(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 1);
    assert_int_equal(f.acts_in_rotation, 0);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_false(f.unsaved_send);
    farm_expect_event(&f, "incident.opened: incident 1: a worker has 3072 MiB");
    farm_expect_event(&f, "incident.action: incident 1: recycle pool Shop on web02");
    farm_expect_event(&f, "incident.closed: incident 1: solved: the trouble is gone after run 1");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f.agents[i].admin, BALANCER_READY);
        assert_int_equal(f.agents[i].acts, i == 1);
    }
    farm_end(&f);
}

static void dead_services_are_recovered(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    f.agents[2].down = true;
    farm_run(&f, 20000);
    assert_false(f.agents[2].down);
    assert_int_equal(f.agents[2].act_verb, VERB_SERVICE_RECOVER);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

static void what_is_disabled_is_left_alone_and_explained(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    f.agents[2].down = f.agents[2].disabled = true;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[2].acts, 0);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

static void what_a_person_stopped_is_left_alone_by_name(void **state)
{
    (void)state;
    struct farm f;
    struct text said = {0};
    begin(&f, 4, 1);
    struct plan_request q = farm_request(&f, ROLLOUT_SERVICE_STOP, "web03");
    q.pool = "";
    f.checks = true; /* else nobody would see it down, and the run would wait for that */
    farm_ask(&f, &q);
    farm_run_to_end(&f, 60000);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[2].acts, 1);
    assert_true(f.agents[2].down);
    remedy_explain(coordinator_remedy(f.brain), "web03", f.now_ms, keep_sentence, &said);
    assert_non_null(strstr(text_get(&said), "Nothing is done: WAS is disabled: anna took it down "
                                            "with run 1 (leak): left alone"));
    text_reset(&said);
    farm_end(&f);
}

static void maintenance_keeps_its_hands_off_and_says_so(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    begin(&f, 4, 1);
    assert_int_equal(coordinator_maintenance(f.brain, "web02", 30000, "anna", "patching", f.now_ms,
                                             WALL(&f), &err),
                     ERR_NONE);
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_non_null(strstr(only_incident(&f)->why, "maintenance: patching (by anna)"));
    farm_run(&f, 25000); /* it is over */
    assert_int_equal(f.agents[1].acts, 1);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

static void word_that_could_not_be_kept_was_not_given(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    begin(&f, 4, 1);
    assert_int_equal(coordinator_maintenance(f.brain, "web02", 60000, "anna", "patching", f.now_ms,
                                             WALL(&f), &err),
                     ERR_NONE);
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    uint64_t id = only_incident(&f)->id;
    files_disk_is_full(true);
    enum error_code code =
        coordinator_dismiss_incident(f.brain, id, "anna", "known", f.now_ms, WALL(&f), &err);
    files_disk_is_full(false);
    assert_int_not_equal(code, ERR_NONE);
    farm_run(&f, 5000);
    assert_int_equal(only_incident(&f)->id, id);
    assert_int_equal(files_audited(&f.files, "incident.dismiss"), 0);
    assert_int_equal(
        coordinator_dismiss_incident(f.brain, id, "anna", "known", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    assert_int_equal(files_audited(&f.files, "incident.dismiss"), 1);
    farm_end(&f);
}

static void rule_waits_for_its_window(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    rules[0].window = "00:18-05:00"; /* it is 00:16 when a farm begins */
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_non_null(strstr(only_incident(&f)->why, "00:18"));
    farm_run(&f, 100000);
    assert_int_equal(f.agents[1].acts, 1);
    farm_end(&f);
}

/* Its successor answers 500: the server stays out, with the incident that asked for the recycle. */
static void add_row(void *arg, const struct audit_row *row)
{
    text_addf(arg, "%s from '%s': %s %s: %s\n", row->actor, row->origin, row->action, row->object,
              row->reason);
}

static void expect_row(const struct text *rows, const char *row)
{
    if (!strstr(text_get(rows), row)) {
        fail_msg("no row '%s':\n%s", row, text_get(rows));
    }
}

/* A person's word lets it, and the act is the rule's: asked for by remediation, from nowhere. */
static void act_that_was_approved_says_by_whom(void **state)
{
    (void)state;
    struct farm f;
    struct text rows = {0};
    struct error err;
    begin(&f, 4, 1);
    farm_crash(&f);
    rules[0] = farm_rule("leak", "memory > 2G", "recycle 60s, quarantine");
    rules[0].mode = REMEDY_PROPOSE;
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 15000);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_PROPOSED);
    store_audit_origin(f.store, "192.0.2.7");
    assert_int_equal(
        coordinator_approve_incident(f.brain, 1, "anna", "looked", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    assert_string_equal(store_audit_origin_now(f.store), "192.0.2.7");
    assert_int_equal(store_load_audit(f.store, 0, 100, add_row, &rows, &err), ERR_NONE);
    expect_row(&rows, "anna from '192.0.2.7': incident.approve incident 1 on web02: looked\n");
    expect_row(&rows, "remediation from '': pool.recycle run 1: incident 1, rule leak, approved by "
                      "anna: ");
    text_reset(&rows);
    farm_end(&f);
}

static void failed_act_stays_one_incident_until_it_is_put_back(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    f.agents[1].memory_bytes = 3 * GIB;
    f.agents[1].probe_status = 500;
    farm_run(&f, 30000);
    const struct incident *n = only_incident(&f);
    assert_string_equal(n->rule, "leak");
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    assert_int_equal(f.agents[1].acts, 1);
    f.agents[1].probe_status = 200;
    farm_run(&f, 30000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    assert_null(coordinator_holder(f.brain, "web02", NULL));
    farm_end(&f);
}

/* The coordinator is killed again and again while it remedies. */
/* By the store's word: brakes and cool-downs begin no new count with a new process. */
static void what_was_done_before_a_restart_counts(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    farm_crash(&f);
    f.guards.max_per_hour = 1;
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 1);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[2].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[2].acts, 0);
    farm_expect_event(&f, "remediation has acted 1 times within an hour, and no more is let");
    farm_end(&f);
}

static uint64_t storm_of(const struct farm *f)
{
    for (size_t i = 0; i < coordinator_incident_count(f->brain); i++) {
        const struct incident *n = coordinator_incident_at(f->brain, i);
        if (strcmp(n->kind, INCIDENT_STORM) == 0) {
            return n->id;
        }
    }
    return 0;
}

/* The brake is durable, and so is its release; either is in the audit trail. */
static void storm_brake_survives_restarts_and_so_does_its_release(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    begin(&f, 4, 1);
    farm_crash(&f);
    f.guards.max_per_hour = 1;
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[1].memory_bytes = f.agents[2].memory_bytes = 3 * GIB;
    farm_run(&f, 30000);
    assert_int_equal(f.agents[1].acts + f.agents[2].acts, 1);
    uint64_t storm = storm_of(&f);
    assert_true(storm != 0);
    assert_int_equal(files_audited(&f.files, "remediation.stop"), 1);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 30000);
    assert_int_equal(storm_of(&f), storm);
    assert_int_equal(f.agents[1].acts + f.agents[2].acts, 1);
    assert_int_equal(files_audited(&f.files, "remediation.stop"), 1);
    f.agents[1].memory_bytes = f.agents[2].memory_bytes = 0;
    farm_run(&f, 10000); /* nothing is wrong any more, so that the release itself does nothing */
    assert_int_equal(coordinator_dismiss_incident(f.brain, storm, "anna", "looked at it", f.now_ms,
                                                  WALL(&f), &err),
                     ERR_NONE);
    assert_int_equal(files_audited(&f.files, "incident.dismiss"), 1);
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[3].memory_bytes = 3 * GIB;
    farm_run(&f, 30000);
    assert_int_equal(f.agents[3].acts, 1);
    assert_int_equal(storm_of(&f), 0);
    farm_end(&f);
}

static void remediation_survives_any_restart(void **state)
{
    (void)state;
    for (uint64_t at = 500; at < 9000; at += 400) {
        struct farm f;
        begin(&f, 4, 1);
        f.agents[1].memory_bytes = 3 * GIB;
        farm_run(&f, at);
        farm_crash(&f);
        farm_start(&f);
        farm_run(&f, 30000);
        if (f.agents[1].acts != 1 || coordinator_incident_count(f.brain)) {
            fail_msg("killed after %u ms: %d acts, %zu incidents\n%s", (unsigned)at,
                     f.agents[1].acts, coordinator_incident_count(f.brain), farm_events(&f));
        }
        assert_int_equal(f.agents[1].admin, BALANCER_READY);
        assert_false(f.unsaved_send);
        farm_end(&f);
    }
}

static void run_of_a_person_goes_first(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    f.agents[3].act_ms = 6000;
    uint64_t run = farm_recycle(&f, "web04");
    farm_run(&f, 1000);
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 5000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_BLOCKED);
    char why[64];
    text_format(why, sizeof why, "used by web04 (run %u)", (unsigned)run);
    assert_non_null(strstr(only_incident(&f)->why, why));
    farm_run(&f, 30000);
    assert_int_equal(f.agents[1].acts, 1);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

/* What ails a server that a tool holds is that tool's matter, and said so; once it is given back it
 * is ours again. */
static void server_in_the_hands_of_others_is_left_alone(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    char token[HOLD_TOKEN_MAX];
    uint64_t run;
    begin(&f, 4, 2);
    struct plan_request q = farm_request(&f, ROLLOUT_HOLD, "web02");
    q.pool = "";
    q.options.limit_ms = 600000;
    assert_int_equal(coordinator_start_hold(f.brain, &q, f.now_ms, WALL(&f), &run, token, &err),
                     ERR_NONE);
    farm_run(&f, 5000);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    f.agents[1].memory_bytes = 3 * GIB;
    f.agents[1].probe_status = 503; /* they are at it */
    farm_run(&f, 60000);
    assert_int_equal(f.agents[1].acts, 0);
    for (size_t i = 0; i < coordinator_incident_count(f.brain); i++) {
        const struct incident *n = coordinator_incident_at(f.brain, i);
        assert_int_equal(n->phase, INCIDENT_BLOCKED);
        assert_non_null(strstr(n->why, "web02 is on the list of run 1 (by anna)"));
    }
    assert_true(coordinator_incident_count(f.brain) > 0);
    f.agents[1].probe_status = 200;
    const struct hold_release release = {.token = token, .server = ""};
    assert_int_equal(
        coordinator_release_hold(f.brain, &release, "anna", "done", f.now_ms, WALL(&f), &run, &err),
        ERR_NONE);
    farm_run(&f, 60000);
    assert_int_equal(f.agents[1].acts, 1); /* it leaks still */
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

static void half_of_the_farm_is_no_matter_for_single_servers(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 6, 2);
    for (size_t i = 0; i < 4; i++) {
        f.agents[i].probe_status = 500;
    }
    farm_run(&f, 60000);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(f.agents[i].acts, 0);
    }
    assert_int_equal(coordinator_incident_count(f.brain), 4);
    farm_expect_event(&f, "common cause: 4 of 6 servers show it at once");
    farm_end(&f);
}

/* Its probe fails for good, since a deployment took the application off line: its own people's
 * matter, and said so. When they are through and it fails still, it is ours. */
static void deployment_is_left_alone_and_explained(void **state)
{
    (void)state;
    struct farm f;
    struct text said = {0};
    begin(&f, 4, 1);
    f.agents[1].probe_status = 503;
    f.agents[1].offline = "Shop/";
    farm_run(&f, 30000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    remedy_explain(coordinator_remedy(f.brain), "web02", f.now_ms, keep_sentence, &said);
    assert_non_null(strstr(text_get(&said),
                           "Nothing is done: an app_offline.htm lies in the folder "
                           "of Shop/: a deployment: left alone"));
    f.agents[1].offline = NULL;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 1);
    text_reset(&said);
    farm_end(&f);
}

/* What it shares with others is no leak of its own. */
static void private_memory_is_judged_apart(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    farm_crash(&f);
    rules[0] = farm_rule("leak", "private-memory > 2G", "recycle 60s, quarantine");
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[1].memory_bytes = 5 * GIB;
    f.agents[1].private_bytes = GIB;
    farm_run(&f, 20000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    f.agents[1].private_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 1);
    farm_expect_event(&f, "a worker has 3072 MiB of its own, more than 2048 MiB");
    farm_end(&f);
}

/* By its process's own age, not since this coordinator has seen it: a restart makes no old worker
 * young, nor one that was told late old. */
static void workers_are_as_old_as_their_processes(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    farm_crash(&f);
    rules[0].min_worker_age_ms = 300000;
    f.agents[1].worker_age_ms = 10000;
    f.agents[2].worker_age_ms = 301000;
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[1].memory_bytes = f.agents[2].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(f.agents[2].acts, 1);
    farm_expect_event(&f, "young: its worker is 1");
    farm_end(&f);
}

/* Its gate failed, so the incident keeps it out; it is asked on all the same, and put back when it
 * is well again. */
static void what_an_incident_keeps_out_is_probed_on(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    f.agents[1].probe_status = 500;
    farm_run(&f, 60000);
    const struct incident *n = only_incident(&f);
    assert_string_equal(n->rule, "sick");
    assert_int_equal(n->phase, INCIDENT_CALLED);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    f.agents[1].probe_status = 200;
    farm_run(&f, 60000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    farm_end(&f);
}

/* Taken at the moment at which another server fell: the minimum is looked at again. */
static void minimum_is_asked_again_when_the_server_is_taken(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 3);
    f.guards.min_healthy = (struct share){75, true};
    farm_crash(&f);
    farm_start(&f);
    farm_run(&f, 1500);
    f.agents[1].memory_bytes = 3 * GIB;
    while (coordinator_run_count(f.brain) == 0) {
        farm_run(&f, 10);
    }
    f.agents[2].down = f.agents[2].disabled = true; /* nobody will bring that one back */
    f.agents[2].report_at_ms = 0;
    farm_run(&f, 10000);
    assert_int_equal(f.agents[1].acts, 0);
    f.agents[2].down = f.agents[2].disabled = false;
    farm_run(&f, 90000);
    assert_int_equal(f.agents[1].acts, 1);
    farm_end(&f);
}

/* ---- evidence ---- */

static void add_note(void *arg, const struct incident_note *note)
{
    text_addf(arg, "%s: %s\n", note->kind, note->text);
}

static struct text story_of(struct farm *f, uint64_t incident)
{
    struct text story = {0};
    assert_int_equal(store_load_notes(f->store, incident, add_note, &story, NULL), ERR_NONE);
    return story;
}

static void evidence_stands_before_the_act(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    rules[0].dump = true;
    f.agents[1].dump = "a picture";
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    struct text story = story_of(&f, 1);
    static const char *const expected[] = {
        "seen: a worker has 3072 MiB", "evidence: worker 10 of pool Shop: 3072 MiB",
        "requests: no request is executing", "dump: incident-1-10.dmp, 0.0 MiB", "proof: run 1"};
    for (size_t i = 0; i < 5; i++) {
        if (!strstr(text_get(&story), expected[i])) {
            fail_msg("no '%s' in:\n%s", expected[i], text_get(&story));
        }
    }
    /* The dump was answered before the command of the act left: it is of the old worker. */
    assert_true(strstr(text_get(&story), "dump: ") < strstr(text_get(&story), "proof: "));
    text_reset(&story);
    farm_end(&f);
}

static size_t count_of(const struct text *story, const char *part)
{
    size_t count = 0;
    for (const char *at = text_get(story); (at = strstr(at, part)); at++) {
        count++;
    }
    return count;
}

/* Killed as it opens, or a little later: what its agent alone can tell is kept
 * before the act, and of the worker that was to go. */
static void evidence_is_asked_again_after_a_restart(void **state)
{
    (void)state;
    static const uint64_t later_ms[] = {0, 10, 50, 250, 1000};
    for (size_t i = 0; i < sizeof later_ms / sizeof later_ms[0]; i++) {
        struct farm f;
        begin(&f, 4, 1);
        rules[0].dump = true;
        f.agents[1].dump = "a picture";
        f.agents[1].memory_bytes = 3 * GIB;
        for (int turns = 0; turns < 2000 && !coordinator_incident_count(f.brain); turns++) {
            farm_run(&f, 10);
        }
        farm_run(&f, later_ms[i]);
        farm_crash(&f);
        farm_start(&f);
        farm_run(&f, 25000);
        struct text story = story_of(&f, 1);
        const char *dump = strstr(text_get(&story), "dump: incident-1-10.dmp, ");
        const char *proof = strstr(text_get(&story), "proof: run 1");
        if (count_of(&story, "requests: no request is executing") != 1 || !dump || !proof ||
            dump > proof) {
            fail_msg("killed %u ms later:\n%s", (unsigned)later_ms[i], text_get(&story));
        }
        text_reset(&story);
        farm_end(&f);
    }
}

static void add_after(void *arg, const struct audit_row *row)
{
    text_addf(arg, "%s -> %s\n", row->action, row->after);
}

static void dump_is_fetched_piece_by_piece(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    char got[32] = "";
    const struct coordinator_piece *piece = NULL;
    begin(&f, 4, 1);
    rules[0].dump = true;
    f.agents[1].dump = "a picture";
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    const struct incident n = {.id = 1, .server = "web02", .pool = "Shop"};
    assert_int_equal(coordinator_fetch_dump(f.brain, &n, "incident-1-10.dmp", 0, "anna", "",
                                            f.now_ms, WALL(&f), &piece, &err),
                     ERR_INVALID); /* who and why */
    /* Not from the middle: it would stand nowhere. */
    assert_int_equal(coordinator_fetch_dump(f.brain, &n, "incident-1-10.dmp", 4, "anna", "the leak",
                                            f.now_ms, WALL(&f), &piece, &err),
                     ERR_STATE);
    for (size_t at = 0; at < 9; at += 4) {
        for (int tries = 0; tries < 100 && !piece; tries++) {
            assert_int_equal(coordinator_fetch_dump(f.brain, &n, "incident-1-10.dmp", at, "anna",
                                                    "the leak", f.now_ms, WALL(&f), &piece, &err),
                             ERR_NONE);
            farm_run(&f, 50);
        }
        assert_non_null(piece);
        assert_int_equal(piece->bytes, 9);
        assert_true(text_from_hex(piece->hex, (uint8_t *)got + at, strlen(piece->hex) / 2));
        /* Nor what another began. */
        assert_int_equal(coordinator_fetch_dump(f.brain, &n, "incident-1-10.dmp", at + 4, "otto",
                                                "me too", f.now_ms, WALL(&f), &piece, &err),
                         ERR_STATE);
        piece = NULL;
    }
    assert_string_equal(got, "a picture");
    farm_expect_event(
        &f, "audit: anna: incident.fetch incident 1 on web02: incident-1-10.dmp: the leak");
    farm_expect_event(&f,
                      "audit: anna: incident.fetched incident 1 on web02: incident-1-10.dmp: the "
                      "leak");
    struct text rows = {0};
    must(store_load_audit(f.store, 0, SIZE_MAX, add_after, &rows, NULL) == ERR_NONE);
    if (!strstr(text_get(&rows), "incident.fetched -> 9 bytes, SHA-256 "
                                 "92b2fa58028958317e408bd84ecfa70f")) {
        fail_msg("%s", text_get(&rows));
    }
    text_reset(&rows);
    farm_end(&f);
}

/* Somebody takes a part, and another comes: how much left is told. */
static void what_left_of_a_dump_is_told_though_it_was_not_whole(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    const struct coordinator_piece *piece = NULL;
    begin(&f, 4, 1);
    rules[0].dump = true;
    f.agents[1].dump = "a picture";
    f.agents[1].memory_bytes = 3 * GIB;
    farm_run(&f, 20000);
    const struct incident n = {.id = 1, .server = "web02", .pool = "Shop"};
    for (int tries = 0; tries < 100 && !piece; tries++) {
        assert_int_equal(coordinator_fetch_dump(f.brain, &n, "incident-1-10.dmp", 0, "anna",
                                                "the leak", f.now_ms, WALL(&f), &piece, &err),
                         ERR_NONE);
        farm_run(&f, 50);
    }
    assert_int_equal(coordinator_fetch_dump(f.brain, &n, "incident-1-10.dmp", 0, "otto", "me too",
                                            f.now_ms, WALL(&f), &piece, &err),
                     ERR_NONE);
    assert_null(piece); /* what anna got is not otto's */
    struct text rows = {0};
    must(store_load_audit(f.store, 0, SIZE_MAX, add_after, &rows, NULL) == ERR_NONE);
    assert_non_null(strstr(text_get(&rows), "incident.fetch-left -> 4 of 9 bytes"));
    text_reset(&rows);
    farm_end(&f);
}

/* ---- quarantine ---- */

static void quarantine(struct farm *f, const char *server, uint64_t for_ms)
{
    struct error err;
    if (coordinator_quarantine(f->brain, server, for_ms, "anna", "it smells", f->now_ms, WALL(f),
                               &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
}

static void quarantine_takes_out_and_leaves_alone(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    begin(&f, 4, 1);
    quarantine(&f, "web02", 0);
    farm_run(&f, 5000);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_QUARANTINED);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(coordinator_run_count(f.brain), 0);
    assert_int_equal(
        coordinator_quarantine(f.brain, "web02", 0, "anna", "again", f.now_ms, WALL(&f), &err),
        ERR_EXISTS);

    f.agents[1].memory_bytes = 3 * GIB;     /* no rule touches it */
    uint64_t run = farm_recycle(&f, "all"); /* nor does a run; the others are not blocked by it */
    farm_run(&f, 30000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(f.agents[0].acts + f.agents[2].acts + f.agents[3].acts, 3);
    assert_non_null(strstr(coordinator_run_find(f.brain, run)->targets[1].step, "in quarantine"));
    coordinator_request(f.brain, run, REQUEST_ABORT, "anna", "enough", f.now_ms, WALL(&f), &err);
    farm_run(&f, 1000);
    f.agents[1].memory_bytes = 0;

    farm_crash(&f); /* it outlives the coordinator */
    farm_start(&f);
    farm_run(&f, 3000);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    assert_int_equal(
        coordinator_release(f.brain, "web02", "anna", "mended", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    farm_run(&f, 10000);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

/* Asked for twice before its run had its turn: there is one incident of it, and one run. */
static void quarantine_is_begun_once(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    begin(&f, 4, 3);
    quarantine(&f, "web02", 0);
    assert_int_equal(
        coordinator_quarantine(f.brain, "web02", 0, "anna", "again", f.now_ms, WALL(&f), &err),
        ERR_EXISTS);
    assert_string_equal(err.text, "web02 is on its way into quarantine already (incident 1)");
    farm_run(&f, 5000);
    assert_int_equal(only_incident(&f)->phase, INCIDENT_QUARANTINED);
    assert_int_equal(coordinator_run_count(f.brain), 0);
    farm_end(&f);
}

static void quarantine_ends_by_itself(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    quarantine(&f, "web02", 20000);
    farm_run(&f, 15000);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    farm_run(&f, 15000);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    farm_end(&f);
}

static void reload_of_the_balancer_forgets_no_quarantine(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, 4, 1);
    quarantine(&f, "web02", 0);
    farm_run(&f, 5000);
    farm_reload(&f);
    farm_run(&f, 15000);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    farm_end(&f);
}

/* ---- a kill by hand ---- */

static void keep_note(void *arg, const struct incident_note *note)
{
    text_addf(arg, "%s: %s\n", note->kind, note->text);
}

static void keep_step(void *arg, const struct store_step *step)
{
    text_addf(arg, "%s\n", step->text);
}

static void expect_part(const struct text *said, const char *part)
{
    if (!strstr(text_get(said), part)) {
        fail_msg("no '%s' in:\n%s", part, text_get(said));
    }
}

static uint64_t kill_by_hand(struct farm *f, bool dump, const char *approver)
{
    struct plan_request q = farm_request(f, ROLLOUT_WORKER_KILL, "web02");
    const struct fleet_server *s = fleet_find(coordinator_fleet(f->brain), "web02");
    q.options.worker_pid = fleet_latest(s)->workers[0].pid;
    q.options.worker_created = fleet_latest(s)->workers[0].created;
    q.dump = dump;
    q.approve_by = approver;
    return farm_ask(f, &q);
}

/* A dump makes the worker stand still: not before a second person has said yes. */
static void kill_that_waits_for_approval_asks_for_nothing(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    struct text notes = {0};
    begin(&f, 4, 1);
    f.agents[1].dump = "MDMP";
    uint64_t run = kill_by_hand(&f, true, "clara");
    farm_run(&f, 10000);
    assert_int_equal(store_load_notes(f.store, 1, keep_note, &notes, &err), ERR_NONE);
    expect_part(&notes, "evidence: worker 10 of pool Shop");
    assert_null(strstr(text_get(&notes), "dump: "));
    assert_int_equal(f.agents[1].acts, 0);
    text_reset(&notes);
    assert_int_equal(
        coordinator_approve(f.brain, run, "clara", "looked at it", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    farm_run_to_end(&f, 120000);
    assert_int_equal(store_load_notes(f.store, 1, keep_note, &notes, &err), ERR_NONE);
    expect_part(&notes, "dump: incident-1-10.dmp, 0.0 MiB");
    assert_int_equal(f.agents[1].acts, 1);
    text_reset(&notes);
    farm_end(&f);
}

/* As before a rule's kill, by the same code: and nothing of it is open, or holds anything. */
static void kill_by_hand_keeps_evidence_first(void **state)
{
    (void)state;
    struct farm f;
    struct error err;
    struct incident n;
    for (int dump = 0; dump < 2; dump++) {
        struct text notes = {0}, steps = {0};
        begin(&f, 4, 1);
        f.agents[1].dump = dump ? "MDMP" : NULL;
        f.agents[1].oldest_ms = 7000;
        uint64_t run = kill_by_hand(&f, dump, NULL);
        assert_int_equal(coordinator_incident_count(f.brain), 0);
        while (f.agents[1].acts == 0) { /* all of it is there before anything is done */
            assert_true(f.now_ms < 600000);
            text_reset(&notes);
            assert_int_equal(store_load_notes(f.store, 1, keep_note, &notes, &err), ERR_NONE);
            farm_run(&f, 10);
        }
        expect_part(&notes, "evidence: worker 10 of pool Shop");
        expect_part(&notes, "requests: 1 request is executing, the oldest for 7s");
        if (dump) {
            expect_part(&notes, "dump: incident-1-10.dmp, 0.0 MiB");
        }
        farm_run_to_end(&f, 120000);
        assert_int_equal(store_load_steps(f.store, run, keep_step, &steps, &err), ERR_NONE);
        expect_part(&steps, "evidence: what was known is kept with incident 1: `farmhand incident "
                            "show 1`");
        expect_part(&steps,
                    dump ? "evidence: 1 executing request listed, and a dump of 0.0 MiB: "
                           "`farmhand incident show 1`, `farmhand incident fetch 1 --to FILE`"
                         : "evidence: 1 executing request listed: `farmhand incident show 1`");
        assert_int_equal(store_find_incident(f.store, 1, &n, &err), ERR_NONE);
        assert_string_equal(n.kind, "worker-kill");
        assert_int_equal(n.run, run);
        assert_true(n.closed_wall_ms > 0);
        assert_string_equal(n.text, "anna ends worker 10 by hand: leak");
        assert_int_equal(f.agents[1].told_pid, 10);
        text_reset(&notes);
        text_reset(&steps);
        farm_end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leak_is_recycled_without_a_person),
        cmocka_unit_test(kill_by_hand_keeps_evidence_first),
        cmocka_unit_test(kill_that_waits_for_approval_asks_for_nothing),
        cmocka_unit_test(dead_services_are_recovered),
        cmocka_unit_test(what_is_disabled_is_left_alone_and_explained),
        cmocka_unit_test(what_a_person_stopped_is_left_alone_by_name),
        cmocka_unit_test(maintenance_keeps_its_hands_off_and_says_so),
        cmocka_unit_test(word_that_could_not_be_kept_was_not_given),
        cmocka_unit_test(rule_waits_for_its_window),
        cmocka_unit_test(act_that_was_approved_says_by_whom),
        cmocka_unit_test(failed_act_stays_one_incident_until_it_is_put_back),
        cmocka_unit_test(what_was_done_before_a_restart_counts),
        cmocka_unit_test(storm_brake_survives_restarts_and_so_does_its_release),
        cmocka_unit_test(remediation_survives_any_restart),
        cmocka_unit_test(run_of_a_person_goes_first),
        cmocka_unit_test(server_in_the_hands_of_others_is_left_alone),
        cmocka_unit_test(half_of_the_farm_is_no_matter_for_single_servers),
        cmocka_unit_test(deployment_is_left_alone_and_explained),
        cmocka_unit_test(private_memory_is_judged_apart),
        cmocka_unit_test(workers_are_as_old_as_their_processes),
        cmocka_unit_test(what_an_incident_keeps_out_is_probed_on),
        cmocka_unit_test(minimum_is_asked_again_when_the_server_is_taken),
        cmocka_unit_test(evidence_stands_before_the_act),
        cmocka_unit_test(evidence_is_asked_again_after_a_restart),
        cmocka_unit_test(dump_is_fetched_piece_by_piece),
        cmocka_unit_test(what_left_of_a_dump_is_told_though_it_was_not_whole),
        cmocka_unit_test(quarantine_takes_out_and_leaves_alone),
        cmocka_unit_test(quarantine_is_begun_once),
        cmocka_unit_test(quarantine_ends_by_itself),
        cmocka_unit_test(reload_of_the_balancer_forgets_no_quarantine),
    };
    return cmocka_run_group_tests_name("remediation", tests, NULL, NULL);
}
