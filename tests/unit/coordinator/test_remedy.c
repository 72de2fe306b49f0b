/* Rules, guards and ladders of remediation as scenarios on virtual time. */
#include "common/text.h"
#include "coordinator/core/remedy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define SECOND  1000
#define MINUTE  60000
#define LOOK_MS 10000
#define SERVERS 10
#define RUNS    64
#define MIB     (1024ull * 1024)

struct run {
    struct remedy_run is;
    enum remedy_act act;
    char server[32];
    bool back;
};

struct world {
    struct remedy *m;
    struct remedy_rule rules[4];
    size_t rule_count; /* 0: 3 */
    struct remedy_guards guards;
    struct incident incidents[32];
    size_t count;
    uint64_t now_ms;
    uint64_t next_id;
    struct run runs[RUNS];
    uint64_t run_count;
    struct text story; /* "kind: text" of every note, and events as "! kind" */
    /* what is true */
    uint64_t memory[SERVERS + 1];
    bool red[SERVERS + 1]; /* its probe fails */
    bool down[SERVERS + 1], silent[SERVERS + 1], identity[SERVERS + 1], on_purpose[SERVERS + 1];
    uint64_t worker_age_ms;
    uint64_t age_ms;
    int64_t probe_failures;
    uint32_t serving, total;
    const char *blocked; /* by budget, lease, window */
    bool holds;
};

static int64_t wall(const struct world *w)
{
    return (int64_t)w->now_ms + 1000000000;
}

static unsigned index_of(const char *server)
{
    return (unsigned)atoi(server + 3);
}

static bool view_fresh(void *ctx, const char *server, uint64_t *age_ms)
{
    const struct world *w = ctx;
    *age_ms = w->age_ms;
    return !w->silent[index_of(server)];
}

static size_t view_fresh_count(void *ctx, const char *servers)
{
    (void)ctx;
    (void)servers;
    return SERVERS;
}

static enum incident_guard view_may_act(void *ctx, const struct remedy_rule *rule,
                                        enum remedy_act act, const char *server, const char *pool,
                                        char *why)
{
    const struct world *w = ctx;
    (void)rule;
    (void)act;
    (void)server;
    (void)pool;
    text_copy(why, INCIDENT_TEXT_MAX, w->blocked ? w->blocked : "");
    return w->blocked ? GUARD_BUDGET : GUARD_NONE;
}

static bool view_healthy(void *ctx, size_t at, const char *server, const char *pool,
                         uint32_t *serving, uint32_t *total, bool *itself)
{
    const struct world *w = ctx;
    (void)pool;
    *serving = w->serving;
    *total = w->total;
    *itself = !w->down[index_of(server)];
    return at == 0;
}

static struct remedy_run view_run(void *ctx, uint64_t id, const char *server)
{
    const struct world *w = ctx;
    (void)server;
    return id && id <= w->run_count ? w->runs[id - 1].is : (struct remedy_run){0};
}

static bool view_holds(void *ctx, uint64_t incident)
{
    (void)incident;
    return ((const struct world *)ctx)->holds;
}

static struct remedy_view view_of(struct world *w)
{
    return (struct remedy_view){.ctx = w,
                                .wall_ms = wall(w),
                                .fresh = view_fresh,
                                .fresh_count = view_fresh_count,
                                .may_act = view_may_act,
                                .healthy = view_healthy,
                                .run = view_run,
                                .holds = view_holds};
}

static void apply(struct world *w, struct remedy_change *c)
{
    if (c->opens) {
        c->incident.id = ++w->next_id;
    }
    if (c->effect == REMEDY_BEGIN || c->effect == REMEDY_GIVE_BACK) {
        struct run *r = &w->runs[w->run_count++];
        assert_true(w->run_count < RUNS);
        *r = (struct run){.is = {.known = true,
                                 .open = true,
                                 .state = TARGET_ACTING,
                                 .apart = c->act == REMEDY_QUARANTINE},
                          .act = c->act,
                          .back = c->effect == REMEDY_GIVE_BACK};
        text_copy(r->server, sizeof r->server, c->incident.server);
        c->incident.run = w->run_count;
    }
    if (c->effect == REMEDY_ABORT) {
        w->runs[c->incident.run - 1].is = (struct remedy_run){
            .known = true, .state = TARGET_ABORTED, .detail = "aborted by remediation"};
    }
    for (size_t i = 0; i < c->note_count; i++) {
        text_addf(&w->story, "%s: %s\n", c->notes[i].kind, c->notes[i].text);
    }
    if (c->kind) {
        text_addf(&w->story, "! %s\n", c->kind);
    }
    size_t at = 0;
    while (at < w->count && w->incidents[at].id != c->incident.id) {
        at++;
    }
    if (c->closes) {
        w->incidents[at] = w->incidents[--w->count];
    } else {
        w->incidents[at] = c->incident;
        w->count += at == w->count;
    }
    remedy_install(w->m, c, wall(w));
}

static void decide(struct world *w)
{
    struct remedy_change c;
    for (int i = 0; i < 100; i++) {
        const struct remedy_view view = view_of(w);
        remedy_next(w->m, w->incidents, w->count, &view, w->now_ms, &c);
        if (!c.any) {
            return;
        }
        apply(w, &c);
    }
    fail_msg("it never comes to rest:\n%s", text_get(&w->story));
}

static void look(struct world *w, unsigned i)
{
    char name[16];
    const struct remedy_event identity = {.kind = EVENT_IDENTITY, .age_ms = 5000};
    text_format(name, sizeof name, "web%02u", i);
    struct remedy_seen seen = {.server = name,
                               .pool = "",
                               .services_down = w->down[i],
                               .on_purpose = w->on_purpose[i] ? "WAS is disabled" : NULL,
                               .queued = -1,
                               .rejected = -1,
                               .oldest_ms = -1,
                               .probe_failures = -1};
    remedy_look(w->m, &seen, w->now_ms);
    if (w->down[i]) {
        return;
    }
    seen.pool = "Shop";
    seen.state = w->identity[i] ? POOL_STATE_STOPPED : POOL_STATE_STARTED;
    seen.auto_start = true;
    seen.memory_bytes = w->memory[i];
    seen.has_worker = true;
    seen.worker_pid = 7;
    seen.worker_age_ms = w->worker_age_ms;
    seen.probe_failures = w->red[i] ? 9 : w->probe_failures;
    seen.events = w->identity[i] ? &identity : NULL;
    seen.event_count = w->identity[i];
    remedy_look(w->m, &seen, w->now_ms);
}

static void run(struct world *w, uint64_t ms)
{
    for (uint64_t end = w->now_ms + ms; w->now_ms < end; w->now_ms += LOOK_MS) {
        for (unsigned i = 1; i <= SERVERS; i++) {
            if (!w->silent[i]) {
                look(w, i);
            }
        }
        decide(w);
    }
}

static struct remedy_rule rule_of(const char *name, const char *when, const char *ladder,
                                  enum remedy_mode mode)
{
    struct remedy_rule r = {.name = name,
                            .servers = "all",
                            .pools = "*",
                            .window = "",
                            .for_ms = MINUTE,
                            .mode = mode,
                            .cool_down_ms = 5 * MINUTE,
                            .min_worker_age_ms = 2 * MINUTE,
                            .common_cause = {30, true}};
    struct error err;
    if (remedy_parse_conditions(when, &r, &err) || remedy_parse_ladder(ladder, &r, &err) ||
        remedy_parse_samples("3/4", &r, &err) || remedy_check_rule(&r, &err)) {
        fail_msg("%s", err.text);
    }
    return r;
}

static void restart(struct world *w)
{
    remedy_free(w->m);
    w->m = remedy_new(w->rules, w->rule_count ? w->rule_count : 3, &w->guards, w->now_ms);
}

static void begin(struct world *w, enum remedy_mode mode)
{
    *w = (struct world){.now_ms = 5 * MINUTE,
                        .worker_age_ms = 60 * MINUTE,
                        .serving = SERVERS,
                        .total = SERVERS,
                        .guards = {.min_healthy = {50, true},
                                   .server_cool_down_ms = 10 * MINUTE,
                                   .max_per_hour = 6,
                                   .flap_max = 3,
                                   .flap_ms = 60 * MINUTE,
                                   .max_age_ms = 30 * SECOND,
                                   .common_least = 3,
                                   .clear_ms = MINUTE,
                                   .retry_ms = MINUTE,
                                   .blocked_alarm_ms = 15 * MINUTE}};
    w->rules[0] = rule_of("leak", "memory > 2G", "recycle 5m, kill-worker 3m, quarantine", mode);
    w->rules[1] = rule_of("dead", "services = down", "recover-services 10m, quarantine", mode);
    w->rules[2] = rule_of("stopped", "pool = stopped", "start 2m, start 5m, call", mode);
    restart(w);
}

static void end(struct world *w)
{
    remedy_free(w->m);
    text_reset(&w->story);
}

static void expect(const struct world *w, const char *part)
{
    if (!strstr(text_get(&w->story), part)) {
        fail_msg("no '%s' in:\n%s", part, text_get(&w->story));
    }
}

static void finish(struct world *w, enum target_state state, enum cause cause, const char *detail)
{
    struct run *r = &w->runs[w->run_count - 1];
    r->is = (struct remedy_run){.known = true,
                                .state = state,
                                .cause = cause,
                                .apart = r->act == REMEDY_QUARANTINE,
                                .detail = detail};
}

static void leak(struct world *w, unsigned server, bool on)
{
    w->memory[server] = on ? 3000 * MIB : 500 * MIB;
}

/* ---- what is a trouble ---- */

static void trouble_has_to_hold(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 80 * SECOND); /* three looks, and not yet a minute since the third */
    assert_int_equal(w.count, 0);
    leak(&w, 3, false);
    run(&w, 5 * MINUTE);
    assert_int_equal(w.count, 0);
    leak(&w, 3, true);
    run(&w, 100 * SECOND);
    assert_int_equal(w.count, 1);
    expect(&w, "seen: a worker has 3000 MiB, more than 2048 MiB (rule leak");
    end(&w);
}

static void single_bad_looks_open_nothing(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    for (int i = 0; i < 60; i++) { /* every second look: never three of four */
        leak(&w, 3, i % 2 == 0);
        run(&w, LOOK_MS);
    }
    assert_int_equal(w.count, 0);
    end(&w);
}

static void counter_is_judged_over_its_window(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.rules[0] = rule_of("full", "rejected > 10 in 5m", "recycle 5m", REMEDY_OBSERVE);
    struct remedy_seen seen = {.server = "web03", .pool = "Shop", .rejected = 1000};
    for (int i = 0; i < 60; i++) { /* one in each look of ten seconds: 30 in five minutes */
        remedy_look(w.m, &seen, w.now_ms);
        seen.rejected += i < 20 ? 0 : 1;
        decide(&w);
        assert_true(i >= 30 || w.count == 0);
        w.now_ms += LOOK_MS;
    }
    assert_int_equal(w.count, 1);
    end(&w);
}

/* ---- modes ---- */

static void observing_says_what_it_would_do(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_OBSERVE);
    leak(&w, 3, true);
    run(&w, 10 * MINUTE);
    assert_int_equal(w.run_count, 0);
    expect(&w, "would: recycle pool Shop on web03\n");
    leak(&w, 3, false);
    run(&w, 5 * MINUTE);
    assert_int_equal(w.count, 0);
    expect(&w, "end: over: the trouble went away by itself");
    end(&w);
}

static void proposal_waits_for_a_word(void **state)
{
    (void)state;
    struct world w;
    struct remedy_change c;
    struct error err;
    begin(&w, REMEDY_PROPOSE);
    leak(&w, 3, true);
    run(&w, 10 * MINUTE);
    assert_int_equal(w.run_count, 0);
    expect(&w, "! incident.proposed");
    assert_int_equal(
        remedy_approve(w.m, &w.incidents[0], "anna", "looked at it", wall(&w), &c, &err), ERR_NONE);
    apply(&w, &c);
    run(&w, LOOK_MS);
    assert_int_equal(w.run_count, 1);
    expect(&w, "approved by anna");
    assert_int_equal(
        remedy_approve(w.m, &w.incidents[0], "anna", "looked at it", wall(&w), &c, &err),
        ERR_STATE);
    end(&w);
}

/* What comes after it on the ladder is asked for anew. */
static void approval_is_for_one_act(void **state)
{
    (void)state;
    struct world w;
    struct remedy_change c;
    struct error err;
    begin(&w, REMEDY_PROPOSE);
    leak(&w, 3, true);
    run(&w, 10 * MINUTE);
    assert_int_equal(
        remedy_approve(w.m, &w.incidents[0], "anna", "looked at it", wall(&w), &c, &err), ERR_NONE);
    apply(&w, &c);
    run(&w, LOOK_MS);
    assert_int_equal(w.run_count, 1);
    finish(&w, TARGET_FAILED, CAUSE_TIMEOUT, "it did not end");
    run(&w, 10 * MINUTE);
    assert_int_equal(w.run_count, 1);
    assert_int_equal(w.incidents[0].phase, INCIDENT_PROPOSED);
    end(&w);
}

/* To call one needs no word of a person. */
static void person_is_called_without_being_asked(void **state)
{
    (void)state;
    struct world w;
    struct remedy_change c;
    struct error err;
    begin(&w, REMEDY_PROPOSE);
    w.rules[0] = rule_of("leak", "memory > 2G", "recycle 5m, call", REMEDY_PROPOSE);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    assert_int_equal(
        remedy_approve(w.m, &w.incidents[0], "anna", "looked at it", wall(&w), &c, &err), ERR_NONE);
    apply(&w, &c);
    run(&w, LOOK_MS);
    finish(&w, TARGET_DONE, CAUSE_NONE, "recycled"); /* and it leaks on */
    run(&w, 10 * MINUTE);
    assert_int_equal(w.run_count, 1);
    assert_int_equal(w.incidents[0].phase, INCIDENT_CALLED);
    expect(&w, "! incident.given-up");
    end(&w);
}

static void act_that_helps_closes_the_incident(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    assert_int_equal(w.run_count, 1);
    assert_int_equal(w.runs[0].act, REMEDY_RECYCLE);
    finish(&w, TARGET_DONE, CAUSE_NONE, "recycled");
    leak(&w, 3, false);
    run(&w, 3 * MINUTE);
    assert_int_equal(w.count, 0);
    expect(&w, "proof: run 1: recycled");
    expect(&w, "end: solved: the trouble is gone after run 1");
    end(&w);
}

/* ---- the ladder ---- */

static void ladder_is_climbed_to_its_end(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    finish(&w, TARGET_DONE, CAUSE_NONE, "recycled"); /* and it leaks on */
    run(&w, 7 * MINUTE);
    assert_int_equal(w.runs[1].act, REMEDY_KILL_WORKER);
    expect(&w, "decided: the trouble is still there; next on its ladder: kill-worker");
    finish(&w, TARGET_FAILED, CAUSE_TIMEOUT, "not gone");
    run(&w, MINUTE);
    assert_int_equal(w.runs[2].act, REMEDY_QUARANTINE);
    finish(&w, TARGET_DONE, CAUSE_NONE, "out of rotation");
    run(&w, MINUTE);
    assert_int_equal(w.incidents[0].phase, INCIDENT_QUARANTINED);
    expect(&w, "! incident.quarantined");
    run(&w, 60 * MINUTE); /* it is left alone */
    assert_int_equal(w.run_count, 3);
    end(&w);
}

static void last_rung_calls_a_person(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.rules[0] = rule_of("leak", "memory > 2G", "recycle 5m", REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    finish(&w, TARGET_FAILED, CAUSE_PROBE, "gate");
    run(&w, 30 * MINUTE);
    assert_int_equal(w.run_count, 1);
    assert_int_equal(w.incidents[0].phase, INCIDENT_CALLED);
    expect(&w, "! incident.given-up");
    leak(&w, 3, false); /* somebody mended it */
    run(&w, 3 * MINUTE);
    assert_int_equal(w.count, 0);
    end(&w);
}

static void broken_identity_is_never_tried(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.identity[4] = true;
    run(&w, 30 * MINUTE);
    assert_int_equal(w.run_count, 0);
    expect(&w, "blocked: would start pool Shop on web04, and may not yet: identity:");
    struct remedy_change c;
    assert_int_equal(
        remedy_approve(w.m, &w.incidents[0], "anna", "looked at it", wall(&w), &c, NULL), ERR_NONE);
    apply(&w, &c); /* no word lifts that */
    run(&w, 5 * MINUTE);
    assert_int_equal(w.run_count, 0);
    end(&w);
}

static void identity_found_by_the_act_ends_the_ladder(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    finish(&w, TARGET_FAILED, CAUSE_IDENTITY, "its identity is invalid");
    run(&w, 30 * MINUTE);
    assert_int_equal(w.run_count, 1);
    assert_int_equal(w.incidents[0].phase, INCIDENT_CALLED);
    end(&w);
}

static void say(void *arg, const char *sentence)
{
    text_addf(arg, "%s\n", sentence);
}

static void what_is_down_on_purpose_is_left_alone(void **state)
{
    (void)state;
    struct world w;
    struct text said = {0};
    begin(&w, REMEDY_AUTO);
    w.down[4] = w.on_purpose[4] = true;
    run(&w, 30 * MINUTE);
    assert_int_equal(w.count, 0);
    remedy_explain(w.m, "web04", w.now_ms, say, &said);
    assert_non_null(strstr(text_get(&said), "Nothing is done: WAS is disabled: left alone"));
    text_reset(&said);
    end(&w);
}

static void dead_services_explain_their_pools(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 30 * SECOND);
    w.down[3] = true;
    run(&w, 5 * MINUTE);
    assert_int_equal(w.count, 1);
    assert_string_equal(w.incidents[0].rule, "dead");
    assert_int_equal(w.runs[0].act, REMEDY_RECOVER_SERVICES);
    end(&w);
}

/* ---- guards ---- */

/* A leak on web03 that meets that reason: nothing is begun while it holds. */
static void expect_blocked(struct world *w, const char *why)
{
    leak(w, 3, true);
    run(w, 10 * MINUTE);
    assert_int_equal(w->run_count, 0);
    expect(w, why);
    expect(w, "! incident.blocked\n");
}

static void budget_and_lease_block(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.blocked = "budget 1/1 used by web07 (run 12)";
    expect_blocked(&w, "and may not yet: budget 1/1 used by web07 (run 12)");
    w.blocked = NULL;
    run(&w, LOOK_MS);
    assert_int_equal(w.run_count, 1);
    end(&w);
}

static unsigned count_of(const struct world *w, const char *part)
{
    unsigned count = 0;
    for (const char *at = text_get(&w->story); (at = strstr(at, part)); at++) {
        count++;
    }
    return count;
}

/* What stands in the way is a guard, not a sentence: one with another number is no news. */
static void another_guard_is_told_and_the_same_one_is_not(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.blocked = "budget: web07 is out for 1 s";
    expect_blocked(&w, "and may not yet: budget: web07 is out for 1 s");
    for (int i = 0; i < 20; i++) {
        char now[64];
        text_format(now, sizeof now, "web%02d is out for %d s", i % 9, 10 * i);
        w.blocked = now;
        run(&w, LOOK_MS);
    }
    assert_int_equal(count_of(&w, "\nblocked: "), 1);
    assert_int_equal(w.incidents[0].guard, GUARD_BUDGET);
    w.serving = 5;
    run(&w, LOOK_MS);
    assert_int_equal(count_of(&w, "\nblocked: "), 2);
    assert_int_equal(w.incidents[0].guard, GUARD_MINIMUM);
    end(&w);
}

static void minimum_of_healthy_servers_blocks(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.serving = 5;
    expect_blocked(&w, "minimum: 5 of 10 servers are healthy, at least 5 (50%) have to stay so");
    w.down[5] = true; /* one that is down costs nothing */
    run(&w, 3 * MINUTE);
    assert_int_equal(w.run_count, 1);
    assert_string_equal(w.runs[0].server, "web05");
    end(&w);
}

static void stale_data_blocks(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.age_ms = 40 * SECOND;
    expect_blocked(&w, "stale: what is known of web03 is 40s old, the limit is 30s");
    end(&w);
}

static void silent_server_is_neither_acted_on_nor_well(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.blocked = "budget";
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    w.silent[3] = true;
    w.blocked = NULL;
    run(&w, 60 * MINUTE);
    assert_int_equal(w.run_count, 0);
    assert_int_equal(w.count, 1);
    expect(&w, "stale: web03 is silent");
    end(&w);
}

static void young_worker_is_left_alone(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.worker_age_ms = 30 * SECOND;
    expect_blocked(&w, "young: its worker is 30s old");
    end(&w);
}

static void common_cause_stops_all(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    for (unsigned i = 1; i <= 7; i++) {
        leak(&w, i, true);
    }
    run(&w, 30 * MINUTE);
    assert_int_equal(w.run_count, 0);
    assert_int_equal(w.count, 7);
    expect(&w, "common cause: 7 of 10 servers show it at once (more than 30%)");
    expect(&w, "! incident.blocked-long");
    end(&w);
}

/* The outage ends, and one server recovers a look later than the others. */
static void last_one_of_a_common_cause_is_no_case_of_its_own(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    for (unsigned i = 1; i <= 7; i++) {
        leak(&w, i, true);
    }
    run(&w, 10 * MINUTE);
    for (unsigned i = 1; i <= 6; i++) {
        leak(&w, i, false);
    }
    run(&w, MINUTE);
    leak(&w, 7, false);
    run(&w, 5 * MINUTE);
    assert_int_equal(w.run_count, 0);
    assert_int_equal(w.count, 0);
    end(&w);
}

static void two_servers_are_no_common_cause(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.rules[0].common_cause = (struct share){10, true};
    restart(&w);
    leak(&w, 1, true);
    leak(&w, 2, true);
    run(&w, 3 * MINUTE);
    assert_int_equal(w.run_count, 1); /* the second one waits for the cool-down of the rule */
    end(&w);
}

static void rule_cools_down_between_servers(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 1, true);
    leak(&w, 2, true);
    run(&w, 3 * MINUTE);
    assert_int_equal(w.run_count, 1);
    expect(&w, "cool-down: rule leak acted elsewhere a moment ago");
    run(&w, 5 * MINUTE);
    assert_int_equal(w.run_count, 2);
    end(&w);
}

static void server_cools_down_after_an_act(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    remedy_remember(w.m, "stopped", "web03", "Api", wall(&w), true); /* of a former life */
    leak(&w, 3, true);
    run(&w, 8 * MINUTE);
    assert_int_equal(w.run_count, 0);
    expect(&w, "cool-down: something was done on web03 a moment ago");
    run(&w, 5 * MINUTE);
    assert_int_equal(w.run_count, 1);
    end(&w);
}

static void storm_brake_holds_until_a_person_looked(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    for (int i = 0; i < 6; i++) {
        remedy_remember(w.m, "other", "web09", "Api", wall(&w), true);
    }
    expect_blocked(&w, "storm: the brake is on (incident ");
    struct remedy_change c;
    const struct incident *leaks = &w.incidents[w.incidents[0].rule[0] ? 0 : 1];
    assert_int_equal(remedy_approve(w.m, leaks, "anna", "looked at it", wall(&w), &c, NULL),
                     ERR_NONE);
    apply(&w, &c);
    run(&w, LOOK_MS);
    assert_int_equal(w.run_count, 1);
    end(&w);
}

static const struct incident *storm_of(const struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->incidents[i].kind, INCIDENT_STORM) == 0) {
            return &w->incidents[i];
        }
    }
    return NULL;
}

/* The last of them is done, and one more is wanted. */
static void begin_storm(struct world *w, uint64_t lasts_ms)
{
    begin(w, REMEDY_AUTO);
    w->guards.storm_ms = lasts_ms;
    restart(w);
    for (int i = 0; i < 6; i++) {
        assert_null(storm_of(w));
        remedy_remember(w->m, "other", "web09", "Api", wall(w), true);
    }
    run(w, 5 * MINUTE);
    assert_null(storm_of(w)); /* six were done and no more is wanted: nobody is called */
    leak(w, 3, true);
    run(w, 3 * MINUTE);
    assert_int_equal(w->run_count, 0);
}

static void storm_brake_stays_on_until_it_is_released(void **state)
{
    (void)state;
    struct world w;
    struct remedy_change c;
    begin_storm(&w, 0);
    const struct incident *storm = storm_of(&w);
    assert_non_null(storm);
    assert_string_equal(storm->server, INCIDENT_FARM);
    assert_int_equal(storm->phase, INCIDENT_CALLED);
    expect(&w,
           "given-up: remediation has acted 6 times within an hour, and no more is let: no rule "
           "acts by itself any more: `farmhand incident dismiss` of this one releases the brake");
    expect(&w, "! incident.given-up\n");
    run(&w, 5 * 60 * MINUTE); /* the hour is long over */
    assert_int_equal(w.run_count, 0);
    expect(&w, "storm: the brake is on (incident ");
    assert_int_equal(remedy_dismiss(storm_of(&w), "anna", "it was the rollout of the day", false,
                                    wall(&w), &c, NULL),
                     ERR_NONE);
    apply(&w, &c);
    run(&w, LOOK_MS);
    assert_int_equal(w.run_count, 1);
    assert_null(storm_of(&w));
    end(&w);
}

static void storm_brake_forgets_what_was_before_its_release(void **state)
{
    (void)state;
    struct world w;
    struct remedy_change c;
    begin_storm(&w, 0);
    assert_int_equal(
        remedy_dismiss(storm_of(&w), "anna", "looked at it", false, wall(&w), &c, NULL), ERR_NONE);
    apply(&w, &c);
    run(&w, 2 * MINUTE); /* within the hour still */
    assert_int_equal(w.run_count, 1);
    assert_null(storm_of(&w));
    end(&w);
}

static void storm_brake_ends_by_its_time_where_that_is_set(void **state)
{
    (void)state;
    struct world w;
    begin_storm(&w, 20 * MINUTE);
    run(&w, 15 * MINUTE);
    assert_int_equal(w.run_count, 0);
    run(&w, 5 * MINUTE);
    assert_int_equal(w.run_count, 1);
    expect(&w, "end: released: the time of the brake is over");
    end(&w);
}

/* Rules that only look or ask are held back too, but nobody is called for what they would do. */
static void storm_brake_is_for_what_would_be_done(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_PROPOSE);
    for (int i = 0; i < 6; i++) {
        remedy_remember(w.m, "other", "web09", "Api", wall(&w), true);
    }
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    assert_null(storm_of(&w));
    end(&w);
}

static void storm_of_an_hour_ago_brakes_nothing(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    for (int i = 0; i < 6; i++) {
        remedy_remember(w.m, "other", "web09", "Api", wall(&w) - 61 * MINUTE, true);
    }
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    assert_int_equal(w.run_count, 1);
    end(&w);
}

static void flapping_trouble_is_damped(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.rules[0].cool_down_ms = 0;
    w.guards.server_cool_down_ms = 0;
    restart(&w);
    for (int i = 0; i < 6; i++) { /* it comes and goes, whatever is done */
        leak(&w, 3, true);
        run(&w, 3 * MINUTE);
        if (w.run_count && w.runs[w.run_count - 1].is.open) {
            finish(&w, TARGET_DONE, CAUSE_NONE, "recycled");
        }
        leak(&w, 3, false);
        run(&w, 4 * MINUTE);
    }
    assert_int_equal(w.run_count, 3);
    expect(&w, "flapping: it came and went 4 times within");
    end(&w);
}

static void long_block_alarms_once(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    w.blocked = "window: it opens at 22:00";
    leak(&w, 3, true);
    run(&w, 60 * MINUTE);
    const char *first = strstr(text_get(&w.story), "! incident.blocked-long");
    assert_non_null(first);
    assert_null(strstr(first + 1, "! incident.blocked-long"));
    end(&w);
}

static void run_without_a_turn_is_ended_and_tried_again(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    w.runs[0].is.waiting = true;
    run(&w, 6 * MINUTE);
    expect(&w, "run 1 got no turn in time: it is ended");
    assert_int_equal(w.incidents[0].rung, 0); /* nothing was tried: the same rung again */
    run(&w, 2 * MINUTE);
    assert_int_equal(w.run_count, 2);
    assert_int_equal(w.runs[1].act, REMEDY_RECYCLE);
    end(&w);
}

/* ---- back again ---- */

static void what_is_held_is_put_back_at_the_end(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    finish(&w, TARGET_FAILED, CAUSE_PROBE, "gate: it stays out of rotation");
    w.blocked = "budget"; /* the next rung */
    w.holds = true;
    leak(&w, 3, false);
    run(&w, 3 * MINUTE);
    assert_true(w.runs[w.run_count - 1].back);
    finish(&w, TARGET_DONE, CAUSE_NONE, "back");
    w.holds = false;
    run(&w, MINUTE);
    assert_int_equal(w.count, 0);
    end(&w);
}

/* The server was put back, and its own pool did not prove: it is held still, so it is not over. */
static void what_is_held_still_is_not_over(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    finish(&w, TARGET_FAILED, CAUSE_PROBE, "gate: it stays out of rotation");
    w.holds = true;
    leak(&w, 3, false);
    run(&w, 3 * MINUTE);
    finish(&w, TARGET_DONE, CAUSE_NONE, "incident 1 is left, its pool has not proved");
    run(&w, LOOK_MS);
    assert_int_equal(w.count, 1);
    assert_int_equal(w.incidents[0].phase, INCIDENT_CALLED);
    expect(&w, "given-up: it could not be put back: its pool has not proved; a person");
    end(&w);
}

static void quarantine_ends_by_time_or_word(void **state)
{
    (void)state;
    struct world w;
    struct remedy_change c;
    struct error err;
    begin(&w, REMEDY_AUTO);
    w.holds = true;
    w.incidents[w.count++] = (struct incident){.id = ++w.next_id,
                                               .server = "web03",
                                               .kind = "quarantine",
                                               .phase = INCIDENT_QUARANTINED,
                                               .until_wall_ms = wall(&w) + 10 * MINUTE};
    leak(&w, 3, true);
    run(&w, 9 * MINUTE);
    assert_int_equal(w.run_count, 0); /* what is in quarantine is left alone */
    leak(&w, 3, false);
    run(&w, 2 * MINUTE);
    assert_true(w.run_count == 1 && w.runs[0].back);

    w.incidents[0].phase = INCIDENT_QUARANTINED;
    w.incidents[0].until_wall_ms = 0;
    run(&w, 100 * MINUTE);
    assert_int_equal(w.run_count, 1);
    assert_int_equal(remedy_release(&w.incidents[0], "anna", "mended", wall(&w), &c, &err), 0);
    apply(&w, &c);
    assert_int_equal(w.run_count, 2);
    assert_int_equal(remedy_release(&w.incidents[0], "anna", "mended", wall(&w), &c, &err),
                     ERR_STATE);
    end(&w);
}

static void restart_forgets_no_incident_and_concludes_nothing_early(void **state)
{
    (void)state;
    struct world w;
    begin(&w, REMEDY_AUTO);
    leak(&w, 3, true);
    run(&w, 3 * MINUTE);
    finish(&w, TARGET_DONE, CAUSE_NONE, "recycled");
    run(&w, LOOK_MS);
    restart(&w); /* proving, and no look of this life yet */
    decide(&w);
    assert_int_equal(w.count, 1);
    run(&w, 10 * MINUTE);
    assert_int_equal(w.runs[1].act, REMEDY_KILL_WORKER); /* it goes on where it was */
    end(&w);
}

/* ---- an outage of thousands ---- */

static size_t view_fresh_thousands(void *ctx, const char *servers)
{
    (void)ctx;
    (void)servers;
    return 5000;
}

/* Every one of 5000 servers fails its probe: each is told once, nothing is done, and a turn stays
 * short. index_of gives 0 for such names, which is nobody's. */
static void thousands_at_once_are_told_and_left_alone(void **state)
{
    (void)state;
    struct world w;
    struct remedy_change c;
    begin(&w, REMEDY_AUTO);
    w.rules[0] = rule_of("sick", "probe-failures > 2", "recycle 5m, quarantine", REMEDY_AUTO);
    size_t count = 0, opened = 0, room = 5000;
    struct incident *all = calloc(room, sizeof *all);
    for (int round = 0; round < 12; round++, w.now_ms += LOOK_MS) {
        for (unsigned i = 0; i < 5000; i++) {
            char name[16];
            text_format(name, sizeof name, "xyz.%04u", i);
            const struct remedy_seen seen = {.server = name,
                                             .pool = "Shop",
                                             .queued = -1,
                                             .rejected = -1,
                                             .oldest_ms = -1,
                                             .probe_failures = 9};
            remedy_look(w.m, &seen, w.now_ms);
        }
        for (int turns = 0; turns < 600; turns++) { /* as many decisions as ten seconds may bring */
            struct remedy_view view = view_of(&w);
            view.fresh_count = view_fresh_thousands;
            remedy_next(w.m, all, count, &view, w.now_ms, &c);
            if (!c.any) {
                break;
            }
            assert_int_not_equal(c.effect, REMEDY_BEGIN);
            if (c.opens) {
                opened++;
                c.incident.id = count + 1;
                all[count++] = c.incident;
            } else {
                all[c.incident.id - 1] = c.incident;
            }
        }
    }
    assert_true(opened > 1000);
    assert_int_equal(opened, count);
    free(all);
    end(&w);
}

/* ---- restraint ---- */

/* A database is gone: seven of ten servers fail their probes. One worker really leaks, one pool has
 * an account that is refused, the WAS of one server is disabled on purpose. */
static void outage_of_a_database_makes_nothing_worse(void **state)
{
    (void)state;
    struct world w;
    struct text said = {0};
    begin(&w, REMEDY_AUTO);
    w.rules[3] = rule_of("sick", "probe-failures > 2", "recycle 5m, kill-worker 3m, quarantine",
                         REMEDY_AUTO);
    w.rule_count = 4;
    restart(&w);
    for (unsigned i = 1; i <= 7; i++) {
        w.red[i] = true;
    }
    w.serving = 4; /* the balancer has taken red ones out: fewer than half are left */
    leak(&w, 8, true);
    w.identity[9] = true;
    w.down[10] = w.on_purpose[10] = true;
    run(&w, 30 * MINUTE);

    /* Nothing is done anywhere, and each inaction has its reason. */
    assert_int_equal(w.run_count, 0);
    assert_int_equal(w.count, 9);
    for (size_t i = 0; i < w.count; i++) {
        const struct incident *n = &w.incidents[i];
        unsigned server = index_of(n->server);
        const char *why = server <= 7   ? "common cause: 7 of 10"
                          : server == 8 ? "minimum: 4 of 10"
                                        : "identity:";
        assert_int_equal(n->phase, INCIDENT_BLOCKED);
        if (!strstr(n->why, why)) {
            fail_msg("%s: no '%s' in '%s'", n->server, why, n->why);
        }
    }
    remedy_explain(w.m, "web10", w.now_ms, say, &said);
    assert_non_null(strstr(text_get(&said), "Nothing is done: WAS is disabled: left alone"));

    /* The farm is half well again: now the leak may be recycled, and only the leak. */
    for (unsigned i = 1; i <= 6; i++) {
        w.red[i] = false;
    }
    w.serving = 8;
    run(&w, 30 * SECOND);
    assert_int_equal(w.run_count, 1);
    assert_string_equal(w.runs[0].server, "web08");
    assert_int_equal(w.runs[0].act, REMEDY_RECYCLE);
    text_reset(&said);
    end(&w);
}

/* ---- words ---- */

static void bad_words_are_told(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "memory",
                                      "memory > 2X",
                                      "memory < 2G",
                                      "services = up",
                                      "rejected > 10",
                                      "crash > 2 in 0s",
                                      "colour > 3",
                                      "memory > 2G, services = down",
                                      "cpu > 90"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct remedy_rule r = {0};
        struct error err = {0};
        if (remedy_parse_conditions(bad[i], &r, &err) == ERR_NONE) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_true(err.text[0] != '\0');
    }
    static const char *const ladders[] = {"",         "recycle", "recycle 0",
                                          "dance 5m", "call 5m", "recycle 5m 5m"};
    for (size_t i = 0; i < sizeof ladders / sizeof ladders[0]; i++) {
        struct remedy_rule r = {0};
        struct error err = {0};
        if (remedy_parse_ladder(ladders[i], &r, &err) == ERR_NONE) {
            fail_msg("'%s' was taken", ladders[i]);
        }
    }
    struct remedy_rule r = {0};
    struct error err = {0};
    assert_int_equal(remedy_parse_samples("5/4", &r, &err), ERR_INVALID);
    assert_int_equal(remedy_parse_conditions("services = down", &r, &err), ERR_NONE);
    assert_int_equal(remedy_parse_ladder("recycle 5m", &r, &err), ERR_NONE);
    assert_int_equal(remedy_check_rule(&r, &err), ERR_INVALID);
    assert_int_equal(remedy_parse_ladder("quarantine, recover-services 5m", &r, &err), ERR_NONE);
    assert_int_equal(remedy_check_rule(&r, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trouble_has_to_hold),
        cmocka_unit_test(single_bad_looks_open_nothing),
        cmocka_unit_test(counter_is_judged_over_its_window),
        cmocka_unit_test(observing_says_what_it_would_do),
        cmocka_unit_test(proposal_waits_for_a_word),
        cmocka_unit_test(approval_is_for_one_act),
        cmocka_unit_test(person_is_called_without_being_asked),
        cmocka_unit_test(act_that_helps_closes_the_incident),
        cmocka_unit_test(ladder_is_climbed_to_its_end),
        cmocka_unit_test(last_rung_calls_a_person),
        cmocka_unit_test(broken_identity_is_never_tried),
        cmocka_unit_test(identity_found_by_the_act_ends_the_ladder),
        cmocka_unit_test(what_is_down_on_purpose_is_left_alone),
        cmocka_unit_test(dead_services_explain_their_pools),
        cmocka_unit_test(budget_and_lease_block),
        cmocka_unit_test(another_guard_is_told_and_the_same_one_is_not),
        cmocka_unit_test(minimum_of_healthy_servers_blocks),
        cmocka_unit_test(stale_data_blocks),
        cmocka_unit_test(silent_server_is_neither_acted_on_nor_well),
        cmocka_unit_test(young_worker_is_left_alone),
        cmocka_unit_test(common_cause_stops_all),
        cmocka_unit_test(last_one_of_a_common_cause_is_no_case_of_its_own),
        cmocka_unit_test(two_servers_are_no_common_cause),
        cmocka_unit_test(rule_cools_down_between_servers),
        cmocka_unit_test(server_cools_down_after_an_act),
        cmocka_unit_test(storm_brake_holds_until_a_person_looked),
        cmocka_unit_test(storm_brake_stays_on_until_it_is_released),
        cmocka_unit_test(storm_brake_forgets_what_was_before_its_release),
        cmocka_unit_test(storm_brake_ends_by_its_time_where_that_is_set),
        cmocka_unit_test(storm_brake_is_for_what_would_be_done),
        cmocka_unit_test(storm_of_an_hour_ago_brakes_nothing),
        cmocka_unit_test(flapping_trouble_is_damped),
        cmocka_unit_test(long_block_alarms_once),
        cmocka_unit_test(run_without_a_turn_is_ended_and_tried_again),
        cmocka_unit_test(what_is_held_is_put_back_at_the_end),
        cmocka_unit_test(what_is_held_still_is_not_over),
        cmocka_unit_test(quarantine_ends_by_time_or_word),
        cmocka_unit_test(restart_forgets_no_incident_and_concludes_nothing_early),
        cmocka_unit_test(thousands_at_once_are_told_and_left_alone),
        cmocka_unit_test(outage_of_a_database_makes_nothing_worse),
        cmocka_unit_test(bad_words_are_told),
    };
    return cmocka_run_group_tests_name("remedy", tests, NULL, NULL);
}
