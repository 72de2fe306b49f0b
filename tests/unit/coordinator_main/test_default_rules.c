/* The rules that ship, each a scenario of its own on virtual time: what just does not count, what
 * does, how long it has to hold, what would be done; and in auto its ladder to the end. */
#include "common/text.h"
#include "coordinator/settings/remediation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 10000
#define MINUTE  60000ull
#define GIB     (1ull << 30)
#define RUNS    32

struct world {
    struct remediation file;
    struct remedy *m;
    uint64_t now_ms, looks;
    struct incident incidents[8];
    size_t count;
    struct remedy_run runs[RUNS];
    size_t run_count;
    struct text acts, story;
};

/* ---- a farm in which everything is allowed ---- */

static bool view_fresh(void *ctx, const char *server, uint64_t *age_ms)
{
    (void)ctx, (void)server;
    *age_ms = 0;
    return true;
}

static size_t view_fresh_count(void *ctx, const char *servers)
{
    (void)ctx, (void)servers;
    return 10;
}

static enum incident_guard view_may_act(void *ctx, const struct remedy_rule *rule,
                                        enum remedy_act act, const char *server, const char *pool,
                                        char *why)
{
    (void)ctx, (void)rule, (void)act, (void)server, (void)pool, (void)why;
    return GUARD_NONE;
}

static bool view_healthy(void *ctx, size_t at, const char *server, const char *pool,
                         uint32_t *serving, uint32_t *total, bool *itself)
{
    (void)ctx, (void)server, (void)pool;
    *serving = *total = 10;
    *itself = true;
    return at == 0;
}

static struct remedy_run view_run(void *ctx, uint64_t id, const char *server)
{
    struct world *w = ctx;
    (void)server;
    return w->runs[id - 1];
}

static bool view_holds(void *ctx, uint64_t incident)
{
    (void)ctx, (void)incident;
    return false;
}

static int64_t wall(const struct world *w)
{
    return (int64_t)w->now_ms + 1000000000;
}

/* A run does what it was for, and the trouble stays. */
static void apply(struct world *w, struct remedy_change *c)
{
    if (c->opens)
        c->incident.id = w->count + 1;
    if (c->effect == REMEDY_BEGIN) {
        assert_true(w->run_count < RUNS);
        w->runs[w->run_count++] = (struct remedy_run){.known = true,
                                                      .state = TARGET_DONE,
                                                      .apart = c->act == REMEDY_QUARANTINE,
                                                      .detail = "done"};
        c->incident.run = w->run_count;
        text_addf(&w->acts, "%s ", remedy_act_name(c->act));
    }
    for (size_t i = 0; i < c->note_count; i++)
        text_addf(&w->story, "%s: %s\n", c->notes[i].kind, c->notes[i].text);
    if (c->opens)
        w->incidents[w->count++] = c->incident;
    else
        w->incidents[c->incident.id - 1] = c->incident;
    remedy_install(w->m, c, wall(w));
}

static void decide(struct world *w)
{
    const struct remedy_view view = {.ctx = w,
                                     .wall_ms = wall(w),
                                     .fresh = view_fresh,
                                     .fresh_count = view_fresh_count,
                                     .may_act = view_may_act,
                                     .healthy = view_healthy,
                                     .run = view_run,
                                     .holds = view_holds};
    struct remedy_change c;
    for (int i = 0; i < 20; i++) {
        remedy_next(w->m, w->incidents, w->count, &view, w->now_ms, &c);
        if (!c.any)
            return;
        apply(w, &c);
    }
    fail_msg("it never comes to rest:\n%s", text_get(&w->story));
}

/* ---- the troubles, one for each rule ---- */

static struct remedy_event events[4];

static void log_has(struct remedy_seen *seen, enum event_kind kind, size_t count)
{
    for (size_t i = 0; i < count; i++)
        events[i] = (struct remedy_event){kind, 60000 * (i + 1)};
    seen->events = events;
    seen->event_count = count;
}

static void services_down(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    seen->services_down = enough;
}

static void pool_stopped(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    seen->state = POOL_STATE_STOPPED;
    seen->auto_start = enough; /* else it is stopped on purpose */
}

static void crash_loop(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    log_has(seen, EVENT_CRASH, enough ? 4 : 3);
}

static void no_answer(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    seen->probe_failures = enough ? 4 : 3;
}

static void queue_grows(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    seen->queued = enough ? 501 : 500;
}

/* Of a counter: six a minute, or 20 in five minutes. */
static void rejects(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    seen->rejected = 1000 + (int64_t)(enough ? looks : looks * 20 / 30);
}

static void blocked_requests(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    seen->oldest_ms = enough ? 301000 : 300000;
    seen->queued = 11;
}

static void leak(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    seen->private_bytes = 4 * GIB + (enough ? 1 : 0);
}

static void spins(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    seen->cpu_permille = enough ? 951 : 950;
}

static void identity(struct remedy_seen *seen, bool enough, uint64_t looks)
{
    (void)looks;
    log_has(seen, enough ? EVENT_IDENTITY : EVENT_IDLE, 1);
}

static const struct scenario {
    const char *rule;
    void (*trouble)(struct remedy_seen *seen, bool enough, uint64_t looks);
    const char *would;
    const char *ladder; /* in auto, while nothing helps */
    enum incident_phase end;
} scenarios[] = {
    {"services-down", services_down, "recover the web services of web01",
     "recover-services recover-services quarantine ", INCIDENT_QUARANTINED},
    {"pool-stopped", pool_stopped, "start pool Shop on web01", "start start ", INCIDENT_CALLED},
    {"crash-loop", crash_loop, "recycle pool Shop on web01", "recycle quarantine ",
     INCIDENT_QUARANTINED},
    {"no-answer", no_answer, "recycle pool Shop on web01",
     "recycle kill-worker restart-services quarantine ", INCIDENT_QUARANTINED},
    {"queue-grows", queue_grows, "recycle pool Shop on web01", "recycle ", INCIDENT_CALLED},
    {"rejects", rejects, "recycle pool Shop on web01", "recycle ", INCIDENT_CALLED},
    {"blocked-requests", blocked_requests, "recycle pool Shop on web01", "recycle ",
     INCIDENT_CALLED},
    {"leak", leak, "recycle pool Shop on web01", "recycle ", INCIDENT_CALLED},
    {"spins", spins, "recycle pool Shop on web01", "recycle ", INCIDENT_CALLED},
    {"identity", identity, "call a person", "", INCIDENT_CALLED},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static void look(struct world *w, const struct scenario *s, bool enough)
{
    struct remedy_seen seen = {.server = "web01",
                               .pool = s->trouble == services_down ? "" : "Shop",
                               .state = POOL_STATE_STARTED,
                               .auto_start = true,
                               .queue_limit = 1000,
                               .oldest_ms = 0,
                               .memory_bytes = GIB,
                               .private_bytes = GIB,
                               .has_worker = true,
                               .worker_pid = 7,
                               .worker_age_ms = 60 * MINUTE};
    s->trouble(&seen, enough, w->looks++);
    remedy_look(w->m, &seen, w->now_ms);
}

static void run(struct world *w, const struct scenario *s, bool enough, uint64_t ms)
{
    for (uint64_t end = w->now_ms + ms; w->now_ms < end; w->now_ms += LOOK_MS) {
        look(w, s, enough);
        decide(w);
    }
}

static void begin(struct world *w, const struct scenario *s, enum remedy_mode mode)
{
    struct error err = {0};
    *w = (struct world){.now_ms = 10 * MINUTE};
    if (remediation_read(SAMPLE_PATH, NULL, &w->file, NULL, NULL, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < w->file.count; i++)
        if (strcmp(w->file.rules[i].name, s->rule) == 0)
            w->file.rules[i].mode = mode;
    w->m = remedy_new(w->file.rules, w->file.count, &w->file.guards, w->now_ms);
}

static void end(struct world *w)
{
    remedy_free(w->m);
    remediation_release(&w->file);
    text_reset(&w->acts);
    text_reset(&w->story);
}

static const struct remedy_rule *rule_of(const struct world *w, const struct scenario *s)
{
    const struct remedy_rule *rule = remedy_rule_find(w->m, s->rule);
    if (!rule)
        fail_msg("no rule %s ships", s->rule);
    return rule;
}

static void every_rule_that_ships_has_its_scenario(void **state)
{
    (void)state;
    struct world w;
    begin(&w, &scenarios[0], REMEDY_OBSERVE);
    assert_int_equal(w.file.count, SCENARIOS);
    for (size_t i = 0; i < SCENARIOS; i++)
        rule_of(&w, &scenarios[i]);
    end(&w);
}

/* Up to its limit a figure is no trouble, however long. */
static void what_is_within_the_limits_is_no_trouble(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct world w;
        begin(&w, &scenarios[i], REMEDY_AUTO);
        run(&w, &scenarios[i], false, 60 * MINUTE);
        if (w.count)
            fail_msg("%s:\n%s", scenarios[i].rule, text_get(&w.story));
        end(&w);
    }
}

static void each_rule_finds_its_trouble_in_its_time_and_says_what_it_would_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        const struct scenario *s = &scenarios[i];
        struct world w;
        char would[128];
        begin(&w, s, REMEDY_OBSERVE);
        const struct remedy_rule *rule = rule_of(&w, s);
        uint64_t shows_ms = (rule->samples_of - 1) * (uint64_t)LOOK_MS + rule->for_ms;
        run(&w, s, true, shows_ms);
        if (w.count)
            fail_msg("%s: too early:\n%s", s->rule, text_get(&w.story));
        run(&w, s, true, 5 * MINUTE); /* a counter needs its window */
        text_format(would, sizeof would, "would: %s\n", s->would);
        if (w.count != 1 || strcmp(w.incidents[0].rule, s->rule) != 0 ||
            !strstr(text_get(&w.story), would))
            fail_msg("%s: no '%s' in:\n%s", s->rule, would, text_get(&w.story));
        assert_int_equal(w.run_count, 0);
        end(&w);
    }
}

static void each_ladder_is_climbed_rung_by_rung(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        const struct scenario *s = &scenarios[i];
        struct world w;
        begin(&w, s, REMEDY_AUTO);
        run(&w, s, true, 150 * MINUTE);
        if (strcmp(text_get(&w.acts), s->ladder) != 0 || w.incidents[0].phase != s->end)
            fail_msg("%s: '%s' and %s, not '%s' and %s:\n%s", s->rule, text_get(&w.acts),
                     incident_phase_name(w.incidents[0].phase), s->ladder,
                     incident_phase_name(s->end), text_get(&w.story));
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_that_ships_has_its_scenario),
        cmocka_unit_test(what_is_within_the_limits_is_no_trouble),
        cmocka_unit_test(each_rule_finds_its_trouble_in_its_time_and_says_what_it_would_do),
        cmocka_unit_test(each_ladder_is_climbed_rung_by_rung),
    };
    return cmocka_run_group_tests_name("default_rules", tests, NULL, NULL);
}
