/* Every condition and every rung of remediation.conf, each alone, with the whole brain, a real
 * store and agents that speak the wire, on virtual time. tests/unit/coordinator/REMEDIATION.md is
 * the list of what is tested where. */
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
    struct error err;
    rule = (struct remedy_rule){.name = "one",
                                .servers = "all",
                                .pools = "Shop",
                                .window = "",
                                .for_ms = 2000,
                                .mode = REMEDY_AUTO,
                                .common_cause = {50, true}};
    if (remedy_parse_conditions(when, &rule, &err) || remedy_parse_ladder(ladder, &rule, &err) ||
        remedy_parse_samples("3/4", &rule, &err) || remedy_check_rule(&rule, &err)) {
        fail_msg("%s: %s", when, err.text);
    }
    farm_begin_balanced(f, 4, 1);
    farm_crash(f);
    f->rules = &rule;
    f->rule_count = 1;
    f->probe_every_ms = 1000;
    f->guards = (struct remedy_guards){.min_healthy = {50, true},
                                       .max_per_hour = 100,
                                       .flap_max = 100,
                                       .flap_ms = 3600000,
                                       .max_age_ms = 5000,
                                       .common_least = 3,
                                       .clear_ms = 2000,
                                       .retry_ms = 2000,
                                       .blocked_alarm_ms = 60000};
    farm_start(f);
    farm_run(f, 3000);
}

static void expect_event(const struct farm *f, const char *what, const char *part)
{
    if (!strstr(farm_events(f), part)) {
        fail_msg("%s: no '%s' in:\n%s", what, part, farm_events(f));
    }
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
    a->queue_limit = 200;
    a->queued = on ? 120 : 20;
}

static void show_rejected(struct farm_agent *a, bool on)
{
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
    show_memory(&f.agents[1], true);
    farm_run(&f, 20000);
    assert_int_equal(f.agents[1].acts, 0);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    assert_int_equal(coordinator_incident_at(f.brain, 0)->phase, INCIDENT_QUARANTINED);
    /* It is of pool Shop, so Shop has to prove when a person releases the server. */
    struct error err;
    f.agents[1].shop_status = 500;
    show_memory(&f.agents[1], false);
    assert_int_equal(coordinator_release(f.brain, "web02", "anna", "mended", f.now_ms,
                                         (int64_t)f.now_ms + 1000000, &err),
                     ERR_NONE);
    farm_run(&f, 10000);
    assert_int_equal(f.agents[1].admin, BALANCER_DRAIN);
    farm_run(&f, 60000);
    expect_event(&f, "quarantine", "it could not be put back");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_condition_opens_acts_and_closes),
        cmocka_unit_test(every_kind_of_event_counts_within_its_window),
        cmocka_unit_test(every_rung_reaches_the_wire_as_itself),
        cmocka_unit_test(last_rungs_touch_no_server),
    };
    return cmocka_run_group_tests_name("conditions", tests, NULL, NULL);
}
