/* Every condition, every rung and every guard of remediation.conf, each alone, with the whole
 * brain, a real store and agents that speak the wire, on virtual time.
 * tests/unit/coordinator/REMEDIATION.md is the list of what is tested where. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define GIB (1024ull * 1024 * 1024)

static struct remedy_rule rule; /* lent to the brain over a restart */

static void begin(struct farm *f, const char *when, const char *ladder)
{
    rule = farm_rule("one", when, ladder);
    rule.common_cause.number = 50;
    farm_begin_balanced(f, 4, 1);
    farm_crash(f);
    farm_set_rules(f, &rule, 1);
    farm_start(f);
    farm_run(f, 3000);
}

static void expect_event(const struct farm *f, const char *what, const char *part)
{
    if (!strstr(farm_events(f), part)) {
        fail_msg("%s: no '%s' in:\n%s", what, part, farm_events(f));
    }
}

static void again(struct farm *f) /* with rule and guards as they are now */
{
    farm_crash(f);
    farm_start(f);
    farm_run(f, 3000);
}

/* web02 shows it, or no longer. */
typedef void show(struct farm_agent *a, bool on);

static void show_services(struct farm_agent *a, bool on)
{
    a->down = on;
}

static void show_stopped(struct farm_agent *a, bool on)
{
    a->shop_stopped = on;
}

static void show_autostart(struct farm_agent *a, bool on)
{
    a->shop_manual = on;
}

static void show_queue(struct farm_agent *a, bool on)
{
    a->tells_figures = true;
    a->queue_limit = 200;
    a->queued = on ? 120 : 20;
}

static void show_rejected(struct farm_agent *a, bool on)
{
    a->tells_figures = true;
    a->rejected += on ? 40 : 0;
}

static void show_oldest(struct farm_agent *a, bool on)
{
    a->oldest_ms = on ? 90000 : 10;
}

static void show_memory(struct farm_agent *a, bool on)
{
    a->memory_bytes = on ? 3 * GIB : GIB;
}

static void show_private(struct farm_agent *a, bool on)
{
    a->memory_bytes = 4 * GIB; /* resident, and mostly shared */
    a->private_bytes = on ? 3 * GIB : GIB;
}

static void show_cpu(struct farm_agent *a, bool on)
{
    a->cpu_permille = on ? 970 : 100;
}

static void show_probe(struct farm_agent *a, bool on)
{
    a->shop_status = on ? 500 : 200;
}

static const struct condition {
    const char *when, *ladder, *said;
    show *show;
    bool by_itself; /* an act mends nothing of it: it goes when it is mended */
} conditions[] = {
    {"services = down", "recover-services 60s", "WAS or W3SVC does not run", show_services, false},
    {"pool = stopped", "start 60s", "stopped, though it should run", show_stopped, false},
    {"autostart = off", "start 60s", "autoStart is off", show_autostart, false},
    {"queue > 100", "recycle 60s", "120 requests wait, of 200", show_queue, false},
    {"queue > 50%", "recycle 60s", "120 requests wait, of 200", show_queue, false},
    {"rejected > 10 in 20s", "recycle 60s", "40 requests were rejected within 20s", show_rejected,
     true},
    {"oldest-request > 1m", "recycle 60s", "executing for 1m30s, more than 1m", show_oldest, false},
    {"memory > 2G", "recycle 60s", "3072 MiB, more than 2048 MiB", show_memory, false},
    {"private-memory > 2G", "recycle 60s", "3072 MiB of its own", show_private, false},
    {"cpu > 90%", "recycle 60s", "uses 97 % of a processor", show_cpu, false},
    {"probe-failures > 2", "recycle 60s", "the probe failed", show_probe, true},
    {"cpu > 90%, memory > 2G", "recycle 60s", "3072 MiB, more than 2048 MiB", show_memory, true},
};

/* Without it nothing happens; with it one act on that server alone; and it ends well. */
static void every_condition_opens_acts_and_closes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        const struct condition *c = &conditions[i];
        struct farm f;
        begin(&f, c->when, c->ladder);
        bool both = strchr(c->when, ',') != NULL;
        c->show(&f.agents[1], false);
        farm_run(&f, 10000);
        assert_int_equal(f.agents[1].acts, 0);
        c->show(&f.agents[1], true);
        farm_run(&f, 10000);
        if (both) { /* one of two is not enough */
            assert_int_equal(f.agents[1].acts, 0);
            show_cpu(&f.agents[1], true);
            farm_run(&f, 10000);
        }
        expect_event(&f, c->when, "incident.opened: incident 1: ");
        expect_event(&f, c->when, c->said);
        assert_int_equal(f.agents[1].acts, 1);
        if (c->by_itself) {
            c->show(&f.agents[1], false);
        }
        farm_run(&f, 40000);
        assert_int_equal(f.agents[1].acts, 1);
        assert_int_equal(coordinator_incident_count(f.brain), 0);
        expect_event(&f, c->when, "incident.closed: incident 1: solved");
        assert_int_equal(f.agents[0].acts + f.agents[2].acts + f.agents[3].acts, 0);
        farm_end(&f);
    }
}

static uint32_t id_of_kind(enum event_kind kind)
{
    for (uint32_t id = 1000; id < 6000; id++) {
        if (event_kind_of(id) == kind) {
            return id;
        }
    }
    fail_msg("no event is a %s", event_kind_name(kind));
    return 0;
}

/* Three are more than two within the window, and two are not; those of another kind are none; and
 * what is older than the window counts no more. */
static void every_kind_of_event_counts_within_its_window(void **state)
{
    (void)state;
    for (int kind = EVENT_OTHER + 1; kind < EVENT_KIND_COUNT; kind++) {
        const char *name = event_kind_name((enum event_kind)kind);
        uint32_t id = id_of_kind((enum event_kind)kind);
        uint32_t other = id_of_kind(kind == EVENT_CRASH ? EVENT_HANG : EVENT_CRASH);
        struct farm f;
        char when[64], said[96];
        text_format(when, sizeof when, "%s > 2 in 30s", name);
        text_format(said, sizeof said, "3 events of kind %s within 30s", name);
        begin(&f, when, "recycle 60s");
        struct farm_agent *a = &f.agents[1];
        a->events[0] = (struct farm_event){id, f.now_ms};
        a->events[1] = (struct farm_event){id, f.now_ms};
        a->events[2] = a->events[3] = (struct farm_event){other, f.now_ms};
        a->event_count = 4;
        farm_run(&f, 10000);
        assert_int_equal(coordinator_incident_count(f.brain), 0);
        a->events[4] = (struct farm_event){id, f.now_ms};
        a->event_count = 5;
        farm_run(&f, 15000);
        expect_event(&f, name, said);
        assert_int_equal(a->acts, 1);
        farm_run(&f, 40000); /* the first two are of before, by now */
        assert_int_equal(a->acts, 1);
        assert_int_equal(coordinator_incident_count(f.brain), 0);
        farm_end(&f);
    }
}

static const struct rung_case {
    const char *when, *ladder;
    enum verb verb;
    show *show;
} rung_cases[] = {
    {"memory > 2G", "recycle 60s", VERB_RECYCLE, show_memory},
    {"pool = stopped", "start 60s", VERB_START, show_stopped},
    {"memory > 2G", "kill-worker 60s", VERB_WORKER_KILL, show_memory},
    {"services = down", "recover-services 60s", VERB_SERVICE_RECOVER, show_services},
    {"memory > 2G", "restart-services 60s", VERB_SERVICE_RESTART, show_memory},
};

/* What leaves is that act, once, for that server, and what stood in rotation was drained first. */
static void every_rung_reaches_the_wire_as_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rung_cases / sizeof rung_cases[0]; i++) {
        const struct rung_case *c = &rung_cases[i];
        struct farm f;
        begin(&f, c->when, c->ladder);
        uint32_t pid = f.agents[1].generation * 10;
        c->show(&f.agents[1], true);
        farm_run(&f, 25000);
        assert_int_equal(f.agents[1].acts, 1);
        assert_int_equal(f.agents[1].act_verb, c->verb);
        assert_int_equal(f.agents[1].told_pid, c->verb == VERB_WORKER_KILL ? pid : 0);
        assert_int_equal(f.agents[1].admin, BALANCER_READY);
        assert_int_equal(coordinator_incident_count(f.brain), 0);
        if (c->verb == VERB_RECYCLE || c->verb == VERB_WORKER_KILL ||
            c->verb == VERB_SERVICE_RESTART) {
            assert_int_equal(f.acts_in_rotation, 0);
        }
        assert_false(f.unsaved_send);
        farm_end(&f);
    }
}

/* The last two act on nothing: out of rotation and left alone; or a person is called. */
static void last_rungs_touch_no_server(void **state)
{
    (void)state;
    struct farm f;
    begin(&f, "memory > 2G", "quarantine");
    f.apart = true; /* Api stands in a backend of its own */
    again(&f);
    show_memory(&f.agents[1], true);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    assert_int_equal(f.agents[1].admin_api, BALANCER_DRAIN);
    assert_int_equal(coordinator_incident_at(f.brain, 0)->phase, INCIDENT_QUARANTINED);
    /* It is of pool Shop, so Shop has to prove when a person releases the server. */
    struct error err;
    f.agents[1].shop_status = 500;
    show_memory(&f.agents[1], false);
    assert_int_equal(
        coordinator_release(f.brain, "web02", "anna", "mended", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    farm_run(&f, 10000);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    farm_run(&f, 60000);
    expect_event(&f, "quarantine", "it could not be put back");
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    assert_int_equal(f.agents[1].admin_api, BALANCER_READY);
    assert_int_equal(coordinator_incident_at(f.brain, 0)->place_count, 1);
    assert_string_equal(coordinator_holder(f.brain, "web02", NULL), "incident 1");
    f.agents[1].shop_status = 200;
    farm_run(&f, 60000);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_null(coordinator_holder(f.brain, "web02", NULL));
    farm_end(&f);
    begin(&f, "memory > 2G", "call");
    show_memory(&f.agents[1], true);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(f.agents[1].admin, BALANCER_READY);
    assert_int_equal(coordinator_incident_at(f.brain, 0)->phase, INCIDENT_CALLED);
    expect_event(&f, "call", "incident.given-up: incident 1: ");
    farm_end(&f);
}

/* ---- guards ---- */

static void hands_off(struct farm *f)
{
    struct error err;
    assert_int_equal(coordinator_maintenance(f->brain, "web02", 600000, "anna", "patching",
                                             f->now_ms, WALL(f), &err),
                     ERR_NONE);
}

static void leak(struct farm *f)
{
    f->agents[1].memory_bytes = 3 * GIB;
    farm_run(f, 15000);
}

static void stale(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    hands_off(f);
    leak(f);
    f->agents[1].dead = true;
    farm_run(f, 20000);
}

static void purpose(struct farm *f)
{
    begin(f, "services = down", "recover-services 60s");
    hands_off(f);
    f->agents[1].down = true;
    farm_run(f, 15000);
    f->agents[1].disabled = true;
    farm_run(f, 10000);
}

static void identity(struct farm *f)
{
    begin(f, "pool = stopped", "start 60s");
    f->agents[1].events[0] = (struct farm_event){5057, f->now_ms};
    f->agents[1].event_count = 1;
    f->agents[1].shop_stopped = true;
    farm_run(f, 15000);
}

static void young(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    rule.min_worker_age_ms = 120000;
    f->agents[1].worker_age_ms = 5000;
    leak(f);
}

static void nobody(struct farm *f)
{
    begin(f, "pool = stopped", "kill-worker 60s");
    f->agents[1].shop_stopped = true;
    farm_run(f, 15000);
}

static void cause(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    f->agents[0].memory_bytes = f->agents[2].memory_bytes = 3 * GIB;
    leak(f);
}

static void storm(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    f->guards.max_per_hour = 1;
    again(f);
    f->agents[0].memory_bytes = 3 * GIB;
    farm_run(f, 30000);
    f->agents[0].acts = 0; /* that was the one */
    leak(f);
}

static void flapping(struct farm *f)
{
    begin(f, "cpu > 90%", "call");
    f->guards.flap_max = 1;
    again(f);
    for (int i = 0; i < 2; i++) {
        show_cpu(&f->agents[1], true);
        farm_run(f, 15000);
        show_cpu(&f->agents[1], false);
        farm_run(f, 15000);
    }
    assert_int_equal(remedy_parse_ladder("recycle 60s", &rule, NULL), ERR_NONE);
    show_cpu(&f->agents[1], true);
    farm_run(f, 15000);
}

static void cool_down(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    f->guards.server_cool_down_ms = 600000;
    again(f);
    leak(f);
    farm_run(f, 15000);
    assert_int_equal(f->agents[1].acts, 1);
    f->agents[1].acts = 0;
    leak(f);
}

static void minimum(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    f->guards.min_healthy = (struct share){100, true};
    again(f);
    f->agents[2].down = true;
    leak(f);
}

static void declared_out(struct farm *f)
{
    struct error err;
    begin(f, "memory > 2G", "recycle 60s");
    hands_off(f);
    leak(f);
    assert_int_equal(
        coordinator_maintenance(f->brain, "web02", 0, "anna", "done", f->now_ms, WALL(f), &err),
        ERR_NONE);
    assert_int_equal(coordinator_declare_out(f->brain, "web02", 600000, "anna", "dead disk",
                                             f->now_ms, WALL(f), &err),
                     ERR_NONE);
    farm_run(f, 10000);
}

static void maintenance(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    hands_off(f);
    leak(f);
}

static void window(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    rule.window = "02:00-05:00"; /* it is 00:16 when a farm begins */
    leak(f);
}

/* A person's run waits behind web04, and has web02 on its list. */
static void on_a_list(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    f->agents[0].act_ms = 600000;
    farm_recycle(f, "web01,web02");
    farm_run(f, 3000);
    assert_int_equal(f->agents[0].acts, 1);
    f->agents[0].acts = 0;
    leak(f);
}

/* Proposed, then a person puts the server into quarantine, and another one approves. */
static void lease(struct farm *f)
{
    struct error err;
    begin(f, "memory > 2G", "recycle 60s");
    rule.mode = REMEDY_PROPOSE;
    leak(f);
    uint64_t id = coordinator_incident_at(f->brain, 0)->id;
    assert_int_equal(
        coordinator_quarantine(f->brain, "web02", 0, "anna", "odd", f->now_ms, WALL(f), &err),
        ERR_NONE);
    farm_run(f, 10000);
    assert_int_equal(
        coordinator_approve_incident(f->brain, id, "ben", "yes", f->now_ms, WALL(f), &err),
        ERR_NONE);
    farm_run(f, 5000);
}

static void budget(struct farm *f)
{
    begin(f, "memory > 2G", "recycle 60s");
    f->agents[2].down = true;
    leak(f);
}

/* Its run was begun, and a person ends it before it has its turn. */
static void begun(struct farm *f)
{
    struct error err;
    begin(f, "memory > 2G", "recycle 60s");
    f->guards.retry_ms = 600000;
    again(f);
    f->agents[1].memory_bytes = 3 * GIB;
    while (coordinator_run_count(f->brain) == 0) {
        farm_run(f, 100);
    }
    assert_int_equal(coordinator_request(f->brain, 1, REQUEST_ABORT, "anna", "not now", f->now_ms,
                                         WALL(f), &err),
                     ERR_NONE);
    farm_run(f, 15000);
}

static const struct guard_case {
    enum incident_guard guard;
    void (*arrange)(struct farm *f);
    const char *why;
} guard_cases[] = {
    {GUARD_STALE, stale, "stale: web02 is silent"},
    {GUARD_PURPOSE, purpose, "WAS is disabled, so a person or a tool keeps it down: left alone"},
    {GUARD_IDENTITY, identity, "identity: the account of pool Shop is not accepted"},
    {GUARD_YOUNG, young, "young: its worker is"},
    {GUARD_NOBODY, nobody, "nothing: there is no worker to end"},
    {GUARD_CAUSE, cause, "common cause: 3 of 4 servers show it at once"},
    {GUARD_STORM, storm, "storm: "},
    {GUARD_FLAPPING, flapping, "flapping: it came and went 3 times"},
    {GUARD_COOL_DOWN, cool_down, "cool-down: something was done on web02 a moment ago"},
    {GUARD_MINIMUM, minimum, "minimum: 3 of 4 servers are healthy"},
    {GUARD_DECLARED_OUT, declared_out, "declared out: dead disk (by anna)"},
    {GUARD_MAINTENANCE, maintenance, "maintenance: patching (by anna)"},
    {GUARD_WINDOW, window, "02:00"},
    {GUARD_RUN, on_a_list, "run: web02 is on the list of run 1 (by anna)"},
    {GUARD_LEASE, lease, "web02 is in quarantine by incident 2"},
    {GUARD_BUDGET, budget, "budget 1/1 used by web03"},
    {GUARD_BEGUN, begun, "run 1: "},
};

/* No act leaves, and the incident says what holds it back: in a word for code, in a sentence for
 * people, and both stand in the store. Each guard has its case. */
static void every_guard_holds_back_and_says_so(void **state)
{
    (void)state;
    assert_int_equal(sizeof guard_cases / sizeof guard_cases[0], INCIDENT_GUARD_COUNT - 1);
    for (size_t i = 0; i < sizeof guard_cases / sizeof guard_cases[0]; i++) {
        const struct guard_case *g = &guard_cases[i];
        struct farm f;
        struct incident n = {0};
        struct error err;
        assert_int_equal(g->guard, i + 1);
        g->arrange(&f);
        for (size_t k = 0; k < coordinator_incident_count(f.brain); k++) {
            const struct incident *one = coordinator_incident_at(f.brain, k);
            if (strcmp(one->server, "web02") == 0 && strcmp(one->rule, "one") == 0) {
                assert_int_equal(store_find_incident(f.store, one->id, &n, &err), ERR_NONE);
            }
        }
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(f.agents[k].acts, 0);
        }
        if (n.phase != INCIDENT_BLOCKED || n.guard != g->guard || !strstr(n.why, g->why)) {
            fail_msg("%s: it is %s, by %s: %s", incident_guard_name(g->guard),
                     incident_phase_name(n.phase), incident_guard_name(n.guard), n.why);
        }
        farm_end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_condition_opens_acts_and_closes),
        cmocka_unit_test(every_kind_of_event_counts_within_its_window),
        cmocka_unit_test(every_rung_reaches_the_wire_as_itself),
        cmocka_unit_test(last_rungs_touch_no_server),
        cmocka_unit_test(every_guard_holds_back_and_says_so),
    };
    return cmocka_run_group_tests_name("conditions", tests, NULL, NULL);
}
