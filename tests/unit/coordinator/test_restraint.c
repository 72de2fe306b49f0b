/* Restraint, with the whole brain, a real store and agents that speak the wire: a database is gone
 * and seven of ten servers fail their probes, while one worker really leaks, one pool's account is
 * refused, and the services of one server are disabled on purpose. Judged by what leaves for the
 * agents and what stands in the store. */
#include "tests/unit/coordinator/farm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define GIB     (1024ull * 1024 * 1024)
#define SERVERS 10
#define RED     7 /* web01 to web07 */
#define LEAKS   7 /* web08 */
#define REFUSED 8 /* web09 */
#define OFF     9 /* web10 */

static struct remedy_rule rules[4];

static struct remedy_rule rule_of(const char *name, const char *when, const char *ladder)
{
    struct remedy_rule r = farm_rule(name, when, ladder);
    r.for_ms = 5000;
    r.common_cause.number = 30;
    return r;
}

static void begin(struct farm *f)
{
    rules[0] = rule_of("leak", "memory > 2G", "recycle 60s, kill-worker 60s, quarantine");
    rules[1] = rule_of("dead", "services = down", "recover-services 60s, quarantine");
    rules[2] =
        rule_of("sick", "probe-failures > 2", "recycle 60s, restart-services 60s, quarantine");
    rules[3] = rule_of("stopped", "pool = stopped", "start 60s, start 60s, quarantine");
    farm_begin_balanced(f, SERVERS, 3);
    farm_crash(f);
    f->checks = true;
    farm_set_rules(f, rules, 4);
    f->guards = (struct remedy_guards){.min_healthy = {50, true},
                                       .server_cool_down_ms = 60000,
                                       .max_per_hour = 6,
                                       .flap_max = 3,
                                       .flap_ms = 3600000,
                                       .max_age_ms = 5000,
                                       .common_least = 3,
                                       .clear_ms = 5000,
                                       .retry_ms = 5000,
                                       .blocked_alarm_ms = 60000,
                                       .probe_every_ms = 2000};
    farm_start(f);
    farm_run(f, 5000);
}

static void break_all(struct farm *f)
{
    for (size_t i = 0; i < RED; i++) {
        f->agents[i].probe_status = 500;
    }
    farm_run(f, 20000); /* seven that fail are known by then */
    f->agents[LEAKS].memory_bytes = 3 * GIB;
    f->agents[REFUSED].shop_stopped = true;
    f->agents[REFUSED].events[0] = (struct farm_event){5057, f->now_ms};
    f->agents[REFUSED].event_count = 1;
    f->agents[OFF].down = f->agents[OFF].disabled = true;
}

/* Nothing that acts has left, nothing is out of rotation, no run was begun. */
static void expect_untouched(struct farm *f)
{
    struct rollout *r;
    struct error err;
    assert_int_equal(f->acts_sent, 0);
    for (size_t i = 0; i < SERVERS; i++) {
        assert_int_equal(f->agents[i].acts, 0);
        assert_int_equal(f->agents[i].admin, BALANCER_READY);
        assert_null(coordinator_holder(f->brain, f->agents[i].name, NULL));
    }
    assert_int_equal(store_load_run(f->store, 1, &r, &err), ERR_NOT_FOUND);
}

struct told {
    const char *kind;
    unsigned count;
    char last[INCIDENT_TEXT_MAX];
};

static void take_note(void *arg, const struct incident_note *note)
{
    struct told *t = arg;
    if (strcmp(note->kind, t->kind) == 0) {
        t->count++;
        text_copy(t->last, sizeof t->last, note->text);
    }
}

static struct told told_of(struct farm *f, uint64_t incident, const char *kind)
{
    struct told t = {.kind = kind};
    struct error err;
    assert_int_equal(store_load_notes(f->store, incident, take_note, &t, &err), ERR_NONE);
    return t;
}

struct open {
    struct incident all[32];
    size_t count;
};

static void gather(void *arg, const struct incident *n)
{
    struct open *o = arg;
    assert_true(o->count < 32);
    o->all[o->count++] = *n;
}

/* As the store has it: every inaction has its guard, its reason, and its line in the story; which
 * grows with what is new, not with time. */
static void expect_explained(struct farm *f, unsigned restarts)
{
    struct open open = {.count = 0};
    struct error err;
    unsigned of[SERVERS] = {0};
    assert_int_equal(store_load_open_incidents(f->store, gather, &open, &err), ERR_NONE);
    assert_int_equal(open.count, RED + 2);
    for (size_t k = 0; k < open.count; k++) {
        const struct incident *n = &open.all[k];
        size_t i = (size_t)((n->server[3] - '0') * 10 + n->server[4] - '1');
        enum incident_guard guard = i < RED      ? GUARD_CAUSE
                                    : i == LEAKS ? GUARD_MINIMUM
                                                 : GUARD_IDENTITY;
        struct told seen = told_of(f, n->id, "seen"), blocked = told_of(f, n->id, "blocked");
        of[i]++;
        assert_int_equal(n->phase, INCIDENT_BLOCKED);
        if (n->guard != guard) {
            fail_msg("%s is held back by %s: %s", n->server, incident_guard_name(n->guard), n->why);
        }
        assert_int_equal(n->run, 0);
        assert_int_equal(seen.count, 1);
        assert_int_equal(told_of(f, n->id, "action").count, 0);
        if (blocked.count < 1 || blocked.count > 3 + 2 * restarts) {
            fail_msg("%s was told %u times: %s", n->server, blocked.count, blocked.last);
        }
    }
    for (size_t i = 0; i < SERVERS; i++) {
        assert_int_equal(of[i], i == OFF ? 0 : 1);
    }
}

static void keep_sentence(void *arg, const char *sentence)
{
    text_addf(arg, "%s\n", sentence);
}

static void expect_left_alone_on_purpose(struct farm *f)
{
    struct text said = {0};
    remedy_explain(coordinator_remedy(f->brain), "web10", f->now_ms, keep_sentence, &said);
    if (!strstr(text_get(&said),
                "WAS is disabled, so a person or a tool keeps it down: left alone")) {
        fail_msg("web10: %s", text_get(&said));
    }
    text_reset(&said);
}

static void outage_of_a_database_makes_nothing_worse(void **state)
{
    (void)state;
    struct farm f;
    begin(&f);
    break_all(&f);
    farm_run(&f, 120000);
    expect_untouched(&f);
    expect_explained(&f, 0);
    expect_left_alone_on_purpose(&f);
    farm_expect_event(&f, "incident.blocked-long");

    farm_crash(&f); /* nor does a restart forget why */
    farm_start(&f);
    farm_run(&f, 120000);
    expect_untouched(&f);
    expect_explained(&f, 1);
    expect_left_alone_on_purpose(&f);
    farm_end(&f);
}

/* Half of the farm is well again: now the leak may be recycled, and nothing else is done. */
static void what_guards_allow_is_done_and_no_more(void **state)
{
    (void)state;
    struct farm f;
    begin(&f);
    break_all(&f);
    farm_run(&f, 60000);
    expect_untouched(&f);
    for (size_t i = 0; i < RED; i++) {
        f.agents[i].probe_status = 200;
    }
    farm_run(&f, 60000);
    assert_int_equal(f.acts_sent, 1);
    assert_int_equal(f.agents[LEAKS].acts, 1);
    assert_int_equal(f.agents[LEAKS].act_verb, VERB_RECYCLE);
    assert_int_equal(f.acts_in_rotation, 0);
    assert_false(f.unsaved_send);

    /* What is left is the refused account. A person's word does not lift that guard. */
    assert_int_equal(coordinator_incident_count(f.brain), 1);
    uint64_t id = coordinator_incident_at(f.brain, 0)->id;
    struct error err;
    assert_string_equal(coordinator_incident_at(f.brain, 0)->server, "web09");
    assert_int_equal(
        coordinator_approve_incident(f.brain, id, "anna", "do it", f.now_ms, WALL(&f), &err),
        ERR_NONE);
    farm_run(&f, 60000);
    assert_int_equal(f.agents[REFUSED].acts, 0);
    assert_int_equal(coordinator_incident_at(f.brain, 0)->guard, GUARD_IDENTITY);

    f.agents[REFUSED].shop_stopped = false; /* who keeps the account mended it, and started it */
    f.agents[OFF].down = f.agents[OFF].disabled = false;
    farm_run(&f, 60000);
    assert_int_equal(coordinator_incident_count(f.brain), 0);
    assert_int_equal(f.acts_sent, 1);
    farm_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outage_of_a_database_makes_nothing_worse),
        cmocka_unit_test(what_guards_allow_is_done_and_no_more),
    };
    return cmocka_run_group_tests_name("restraint", tests, NULL, NULL);
}
