/* selector, budget, plan and fleet: the small decisions. */
#include "common/text.h"
#include "coordinator/core/budget.h"
#include "coordinator/core/fleet.h"
#include "coordinator/core/plan.h"
#include "coordinator/core/selector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* ---- selector ---- */

static bool matches(const char *selector, const char *server)
{
    static const struct selector_label labels[] = {{"farm", "web"}, {"zone", "a"}};
    struct error err;
    if (selector_check(selector, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    return selector_match(selector, server, labels, 2);
}

static void selector_means_what_it_says(void **state)
{
    (void)state;
    assert_true(matches("all", "web01"));
    assert_true(matches("WEB01", "web01"));
    assert_true(matches("web*", "web01"));
    assert_true(matches("db01, web0?", "web01"));
    assert_true(matches("farm=web,zone=a", "web01"));
    assert_true(matches("farm=w*", "web01"));
    assert_true(matches("!zone=b", "web01"));
    assert_false(matches("farm=web,zone=b", "web01"));
    assert_false(matches("all,!web01", "web01"));
    assert_false(matches("web*,!zone=a", "web01"));
    assert_false(matches("db*", "web01"));
    assert_false(matches("db*,farm=web", "web01"));
}

static void selector_refuses_what_means_nothing(void **state)
{
    (void)state;
    const char *const bad[] = {"", "  ", ",", "web01,", "!", "=a", "zone=", "a b", "!!web01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err;
        if (selector_check(bad[i], &err) != ERR_INVALID) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
    assert_int_equal(selector_check(NULL, NULL), ERR_INVALID);
}

/* ---- budget ---- */

#define WHY_MAX 200

static bool may_take(struct budget *b, const char *server, uint32_t limit, char *why)
{
    budget_sum(b);
    return budget_may_take(b, server, limit, why, WHY_MAX);
}

static bool may_drain_again(struct budget *b, const char *server, char *why)
{
    budget_sum(b);
    return budget_lets_drain_again(b, server, 0, why, WHY_MAX);
}

static void budget_counts_all_causes_together(void **state)
{
    (void)state;
    struct budget_member m[4] = {
        {.server = "a"}, {.server = "b"}, {.server = "c"}, {.server = "d"}};
    struct budget b = {.max_out = 1, .members = m, .count = 4};
    char why[WHY_MAX];
    assert_true(may_take(&b, "a", 0, why));
    m[1] = (struct budget_member){.server = "b", .held = true, .held_by = "run 7"};
    assert_false(may_take(&b, "a", 0, why));
    assert_string_equal(why, "budget 1/1 used by b (run 7)");
    m[1] = (struct budget_member){.server = "b", .out = true, .why = "silent for 12s"};
    assert_false(may_take(&b, "a", 0, why));
    assert_string_equal(why, "budget 1/1 used by b (silent for 12s)");
    assert_true(may_take(&b, "b", 0, why)); /* out already: costs nothing */
    b.max_out = 2;
    assert_true(may_take(&b, "a", 0, why));
    assert_false(may_take(&b, "a", 1, why)); /* a run's own, smaller limit */
    assert_true(may_take(&b, "a", 9, why));
    m[0].held = true;
    assert_false(may_take(&b, "c", 9, why)); /* never above the budget */
}

/* Silence is not being down: it takes a place, and gives none for free. */
static void silent_server_may_serve(void **state)
{
    (void)state;
    struct budget_member m[2] = {
        {.server = "a", .out = true, .unsure = true, .why = "silent for 12s"},
        {.server = "b", .held = true, .held_by = "run 7"}};
    struct budget b = {.max_out = 1, .members = m, .count = 2};
    char why[WHY_MAX];
    assert_false(may_take(&b, "a", 0, why));
    m[1].held = false;
    assert_true(may_take(&b, "a", 0, why));
}

/* An incident holds it, and somebody at the balancer has put it back: taking it takes it away. */
static void held_server_that_serves_has_to_fit(void **state)
{
    (void)state;
    struct budget_member m[2] = {{.server = "a", .held = true, .held_by = "incident 3"},
                                 {.server = "b", .held = true, .held_by = "run 7", .out = true}};
    struct budget b = {.max_out = 1, .members = m, .count = 2};
    char why[WHY_MAX];
    assert_false(may_take(&b, "a", 0, why));
    assert_string_equal(why, "budget 2/1 used by a (incident 3), b (run 7)");
    m[0].out = true;
    assert_true(may_take(&b, "a", 0, why));
    m[0].out = m[1].held = m[1].out = false;
    assert_true(may_take(&b, "a", 0, why));
}

/* Out with another pool: what is to be taken serves there, and has to fit in. */
static void server_that_is_partly_out_counts_once_and_has_to_fit(void **state)
{
    (void)state;
    struct budget_member m[3] = {
        {.server = "a", .out = true, .partly = true, .why = "down in backend api"},
        {.server = "b"},
        {.server = "c"}};
    struct budget b = {.max_out = 1, .min_in_service = 2, .members = m, .count = 3};
    char why[WHY_MAX];
    assert_true(may_take(&b, "a", 0, why));
    b.min_in_service = 3;
    assert_false(may_take(&b, "a", 0, why));
    b.min_in_service = 0;
    m[1].out = true;
    assert_false(may_take(&b, "a", 0, why));
    assert_false(may_drain_again(&b, "a", why));
    m[0].held = true; /* by an incident of that other pool */
    assert_false(may_take(&b, "a", 0, why));
    m[0].partly = false;
    assert_true(may_take(&b, "a", 0, why));
}

static void silent_server_may_be_one_of_those_that_have_to_stay(void **state)
{
    (void)state;
    struct budget_member m[3] = {{.server = "a", .out = true, .unsure = true},
                                 {.server = "b"},
                                 {.server = "c", .out = true, .declared_out = true}};
    struct budget b = {.max_out = 2, .min_in_service = 2, .members = m, .count = 3};
    char why[WHY_MAX];
    assert_false(may_take(&b, "a", 0, why));
    m[0].unsure = false; /* it is down: nothing is taken away */
    assert_true(may_take(&b, "a", 0, why));
    b.min_in_service = 1;
    m[0].unsure = true; /* b stays */
    assert_true(may_take(&b, "a", 0, why));
}

static void declared_out_leaves_the_budget_but_not_the_minimum(void **state)
{
    (void)state;
    struct budget_member m[3] = {
        {.server = "a"}, {.server = "b", .out = true, .declared_out = true}, {.server = "c"}};
    struct budget b = {.max_out = 1, .min_in_service = 1, .members = m, .count = 3};
    char why[WHY_MAX];
    assert_true(may_take(&b, "a", 0, why));
    b.min_in_service = 2;
    assert_false(may_take(&b, "a", 0, why));
    assert_string_equal(why, "budget: 2 in service, the minimum is 2");
}

static void server_that_is_held_and_out_counts_once(void **state)
{
    (void)state;
    struct budget_member m[2] = {{.server = "a", .held = true, .held_by = "run 1", .out = true},
                                 {.server = "b"}};
    struct budget b = {.max_out = 2, .members = m, .count = 2};
    budget_sum(&b);
    const struct budget_use use = b.use;
    assert_int_equal(use.held, 1);
    assert_int_equal(use.out, 0);
    char why[WHY_MAX];
    assert_true(may_take(&b, "b", 0, why));
}

static void limits_are_numbers_or_shares(void **state)
{
    (void)state;
    struct budget_limit limit = {7, true};
    static const char *const bad[] = {"",     "%",   "101%",   "-1",  "1.5",
                                      "10 %", "%10", "100001", "1%%", "0000000000000000000000001"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (budget_limit_parse(bad[i], &limit)) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
    assert_int_equal(limit.value, 7); /* untouched */
    assert_true(budget_limit_parse("12", &limit));
    assert_int_equal(limit.value, 12);
    assert_false(limit.percent);
    assert_true(budget_limit_parse("100%", &limit));
    assert_int_equal(limit.value, 100);
    assert_true(limit.percent);
}

/* 25% of 10 servers: 2 may be out, 3 must be in service; never none. Who is declared out leaves the
 * first count, not the second. */
static void shares_are_rounded_to_the_safe_side(void **state)
{
    (void)state;
    struct budget_member m[10] = {{.server = "a"}};
    struct budget b = {.members = m, .count = 10};
    struct budget_rule rule = {
        .name = "zone-a", .max_out = {25, true}, .min_in_service = {25, true}};
    budget_apply_rule(&b, &rule);
    assert_int_equal(b.max_out, 2);
    assert_int_equal(b.min_in_service, 3);
    m[0].declared_out = m[1].declared_out = m[2].declared_out = true;
    budget_apply_rule(&b, &rule);
    assert_int_equal(b.max_out, 1);
    assert_int_equal(b.min_in_service, 3);
    b.count = 2;
    budget_apply_rule(&b, &rule);
    assert_int_equal(b.max_out, 1);
    rule.max_out = (struct budget_limit){4, false};
    budget_apply_rule(&b, &rule);
    assert_int_equal(b.max_out, 4);
}

static void full_group_is_named(void **state)
{
    (void)state;
    struct budget_member m[2] = {{.server = "a"},
                                 {.server = "b", .held = true, .held_by = "run 7"}};
    struct budget b = {.group = "zone-a", .max_out = 1, .members = m, .count = 2};
    char why[WHY_MAX];
    assert_false(may_take(&b, "a", 0, why));
    assert_string_equal(why, "budget zone-a 1/1 used by b (run 7)");
    b.max_out = 2;
    b.min_in_service = 1;
    assert_false(may_take(&b, "a", 0, why));
    assert_string_equal(why, "budget zone-a: 1 in service, the minimum is 1");
}

/* ---- fleet ---- */

static const struct pool shop = {
    .name = "Shop", .state = POOL_STATE_STARTED, .auto_start = true, .overlap = true};
static const struct pool shop_dead = {
    .name = "Shop", .state = POOL_STATE_STOPPED, .auto_start = true};
static const struct pool shop_off = {.name = "Shop", .state = POOL_STATE_STOPPED};
static const struct service up[] = {{.name = "WAS", .state = SVC_RUNNING},
                                    {.name = "W3SVC", .state = SVC_RUNNING}};
static const struct service down[] = {{.name = "WAS", .state = SVC_RUNNING},
                                      {.name = "W3SVC", .state = SVC_STOPPED}};
static const struct worker worker = {.pool = "Shop", .pid = 11, .created = 5, .cpu_ms = 100};

static void free_message(struct agent_message *m)
{
    free(m);
}

static struct agent_message *report(const char *agent, uint64_t seq, const struct pool *pool,
                                    const struct service *services)
{
    struct agent_message *m = calloc(1, sizeof *m);
    *m = (struct agent_message){.agent = agent,
                                .incarnation = {{1}},
                                .boot = {{2}},
                                .start_no = 1,
                                .seq = seq,
                                .kind = AGENT_REPORT};
    m->report.state = (struct state){.whole = pool != NULL,
                                     .config_identity = "",
                                     .trouble = "",
                                     .services = services,
                                     .service_count = services ? 2 : 0,
                                     .pools = pool,
                                     .pool_count = pool ? 1 : 0,
                                     .workers = &worker,
                                     .worker_count = 1};
    return m;
}

static char heard[2000];

static void hear_change(void *arg, const struct fleet_change *change)
{
    (void)arg;
    size_t used = strlen(heard);
    text_format(heard + used, sizeof heard - used, "%s %s: %s\n", change->kind, change->server,
                change->text);
}

static struct fleet *new_fleet(void)
{
    heard[0] = '\0';
    const struct fleet_spec spec = {.silent_after_ms = 5000, .free_message = free_message};
    return fleet_new(&spec);
}

static enum fleet_hearing hear(struct fleet *f, struct agent_message *m, uint64_t now_ms)
{
    bool first;
    enum fleet_hearing hearing = fleet_hear(f, m, now_ms, &first, hear_change, NULL);
    fleet_tick(f, now_ms, 1, hear_change, NULL);
    return hearing;
}

static void fleet_tells_what_changed(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    assert_int_equal(hear(f, report("web01", 1, &shop, up), 1000), FLEET_TAKEN);
    hear(f, report("web01", 2, &shop_dead, down), 2000);
    assert_string_equal(heard, "server.presence web01: fresh, was never-seen\n"
                               "pool.state web01: pool Shop: Stopped, was Started\n"
                               "service.state web01: service W3SVC: STOPPED, was RUNNING\n");
    fleet_free(f);
}

static void new_event_of_a_pool_is_told_once(void **state)
{
    (void)state;
    static const struct server_event events[] = {
        {"Shop", 5079, 0, 0, 1, 500}, {"Shop", 5002, 0, 0, 2, 10}, {"", 4242, 0, 0, 3, 10}};
    struct fleet *f = new_fleet();
    struct agent_message *m = report("web01", 1, &shop, up);
    m->report.state.events = events;
    m->report.state.event_count = 1;
    hear(f, m, 1000); /* the first report tells nothing: those events are old */
    for (uint64_t seq = 2; seq <= 3; seq++) {
        m = report("web01", seq, NULL, NULL);
        m->report.state.events = events;
        m->report.state.event_count = 3;
        hear(f, m, 1000 * seq);
    }
    assert_string_equal(heard, "server.presence web01: fresh, was never-seen\n"
                               "pool.event web01: pool Shop: event 5002, rapid-fail protection "
                               "disabled the pool\n"
                               "pool.event web01: event 4242\n");
    fleet_free(f);
}

static void older_report_is_dropped(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 5, &shop, up), 1000);
    assert_int_equal(hear(f, report("web01", 4, &shop_dead, up), 1100), FLEET_OLD);
    assert_int_equal(hear(f, report("web01", 5, &shop_dead, up), 1100), FLEET_OLD);
    assert_int_equal(fleet_pool(fleet_find(f, "WEB01"), "shop")->state, POOL_STATE_STARTED);
    struct agent_message *old_start = report("web01", 9, &shop_dead, up);
    old_start->start_no = 0;
    assert_int_equal(hear(f, old_start, 1200), FLEET_OLD);
    fleet_free(f);
}

static void small_report_after_a_restart_asks_for_a_whole_one(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 5, &shop, up), 1000);
    struct agent_message *m = report("web01", 1, NULL, NULL);
    m->start_no = 2;
    assert_int_equal(hear(f, m, 1100), FLEET_WANT_WHOLE);
    fleet_free(f);
}

static void silence_is_unknown_and_counts_as_out(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 1, &shop, up), 1000);
    struct fleet_server *s = fleet_find(f, "web01");
    char why[200];
    assert_false(fleet_is_out(s, "Shop", 1000, why, sizeof why));
    fleet_tick(f, 6001, 1, hear_change, NULL);
    assert_int_equal(s->presence, PRESENCE_SILENT);
    assert_true(fleet_is_out(s, "Shop", 13000, why, sizeof why));
    assert_string_equal(why, "silent for 12s");
    fleet_free(f);
}

static void nothing_is_silent_while_settling(void **state)
{
    (void)state;
    const struct fleet_spec spec = {
        .silent_after_ms = 5000, .settle_until_ms = 20000, .free_message = free_message};
    struct fleet *f = fleet_new(&spec);
    hear(f, report("web01", 1, &shop, up), 1000);
    fleet_tick(f, 19000, 1, hear_change, NULL);
    assert_int_equal(fleet_find(f, "web01")->presence, PRESENCE_FRESH);
    fleet_tick(f, 20000, 1, hear_change, NULL);
    assert_int_equal(fleet_find(f, "web01")->presence, PRESENCE_SILENT);
    fleet_free(f);
}

static void out_of_service_is_told_with_its_cause(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 1, &shop_dead, up), 1000);
    hear(f, report("web02", 1, &shop_off, up), 1000);
    hear(f, report("web03", 1, &shop, down), 1000);
    char why[200];
    assert_true(fleet_is_out(fleet_find(f, "web01"), "Shop", 1000, why, sizeof why));
    assert_string_equal(why, "pool Shop is Stopped");
    assert_false(fleet_is_out(fleet_find(f, "web02"), "Shop", 1000, why, sizeof why));
    assert_true(fleet_is_out(fleet_find(f, "web03"), "Shop", 1000, why, sizeof why));
    assert_string_equal(why, "W3SVC is STOPPED");
    fleet_free(f);
}

/* Shop and Mail in backend "shop", Api in "api". */
static size_t map_apart(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                        size_t max)
{
    size_t count = 0;
    (void)ctx;
    (void)server;
    (void)max;
    if (strcmp(pool, "Api") != 0) {
        out[count++] = (struct balancer_entry){.backend = "shop"};
    }
    if (strcmp(pool, "Api") == 0 || !pool[0]) {
        out[count++] = (struct balancer_entry){.backend = "api"};
    }
    return count;
}

/* An answer is newer than the whole report: what runs again is not taken as one that is out. */
static void what_an_answer_found_running_is_not_out(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    const struct observation running = {.services_up = true,
                                        .pool = {.name = "shop", .state = POOL_STATE_STARTED}};
    const struct observation refused = {.cause = CAUSE_BUSY, .services_up = true};
    const struct observation stands = {.pool = {.name = "Shop", .state = POOL_STATE_STOPPED}};
    char why[200];
    hear(f, report("web01", 1, &shop_dead, down), 1000);
    struct fleet_server *s = fleet_find(f, "web01");
    fleet_observed(f, s, &refused);
    fleet_observed(f, s, &stands);
    assert_true(fleet_services_down(s));
    assert_true(fleet_is_out(s, "Shop", 1000, why, sizeof why));
    fleet_observed(f, s, &running);
    assert_false(fleet_services_down(s));
    assert_false(fleet_is_out(s, "Shop", 1000, why, sizeof why));
    hear(f, report("web01", 2, &shop_dead, up), 2000);
    assert_true(fleet_is_out(s, "Shop", 2000, why, sizeof why));
    fleet_free(f);
}

/* Whose place is down, and why, decides for whom its server is out. */
static void place_is_missed_by_those_who_stand_there(void **state)
{
    (void)state;
    const struct fleet_spec spec = {
        .silent_after_ms = 5000, .free_message = free_message, .map = map_apart};
    struct fleet *f = fleet_new(&spec);
    const struct pool on = {.name = "Api", .state = POOL_STATE_STARTED, .auto_start = true};
    const struct pool crashed = {.name = "Api", .state = POOL_STATE_STOPPED, .auto_start = true};
    const struct pool off = {.name = "Api", .state = POOL_STATE_STOPPED};
    const struct balancer_entry places[] = {
        {.backend = "shop", .admin = BALANCER_READY, .up = true},
        {.backend = "api", .admin = BALANCER_READY, .up = false}};
    char why[200];
    hear(f, report("web01", 1, &on, up), 1000);
    struct fleet_server *s = fleet_find(f, "web01");
    fleet_note_places(s, places, 2, true, 1000);
    assert_true(fleet_is_out(s, "Shop", 1000, why, sizeof why));
    assert_string_equal(why, "down in backend api");
    assert_true(fleet_serves_still(s, "Shop", 1000));
    assert_true(fleet_serves_still(s, NULL, 1000));
    assert_false(fleet_is_out(s, "Shop", 12000, why, sizeof why)); /* stale */
    assert_false(fleet_serves_still(s, "Api", 1000));
    hear(f, report("web01", 2, &crashed, up), 1000);
    assert_true(fleet_is_out(s, "Shop", 1000, why, sizeof why));
    assert_false(fleet_serves_still(s, "Api", 1000));
    hear(f, report("web01", 3, &off, up), 1000);
    assert_false(fleet_is_out(s, "Shop", 1000, why, sizeof why));
    assert_false(fleet_is_out(s, NULL, 1000, why, sizeof why));
    assert_false(fleet_is_out(s, "Api", 1000, why, sizeof why));
    fleet_forget_freshness(f);
    assert_true(fleet_is_dark(s, "Api", 1000, why, sizeof why)); /* Shop's place is missed */
    fleet_free(f);
}

/* One place for both: stopping one takes the other's visitors. */
static void place_that_pools_share_is_missed_by_those_that_run(void **state)
{
    (void)state;
    const struct fleet_spec spec = {
        .silent_after_ms = 5000, .free_message = free_message, .map = map_apart};
    struct fleet *f = fleet_new(&spec);
    const struct pool pools[] = {{.name = "Mail", .state = POOL_STATE_STARTED, .auto_start = true},
                                 {.name = "Shop", .state = POOL_STATE_STOPPED}};
    const struct balancer_entry place = {.backend = "shop", .admin = BALANCER_READY};
    char why[200];
    struct agent_message *m = report("web01", 1, pools, up);
    m->report.state.pool_count = 2;
    hear(f, m, 1000);
    struct fleet_server *s = fleet_find(f, "web01");
    fleet_note_places(s, &place, 1, true, 1000);
    assert_true(fleet_is_out(s, "Mail", 1000, why, sizeof why));
    assert_false(fleet_serves_still(s, "Mail", 1000));
    assert_false(fleet_is_out(s, "Shop", 1000, why, sizeof why)); /* `pool stop` goes on */
    fleet_forget_freshness(f);
    assert_true(fleet_is_dark(s, "Mail", 1000, why, sizeof why));
    fleet_free(f);
}

static void another_journal_is_quarantined_until_released(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 1, &shop, up), 1000);
    struct agent_message *m = report("web01", 1, &shop_dead, up);
    m->incarnation.bytes[0] = 9;
    assert_int_equal(hear(f, m, 1100), FLEET_NEW_JOURNAL);
    struct fleet_server *s = fleet_find(f, "web01");
    assert_int_equal(s->presence, PRESENCE_QUARANTINED);
    assert_int_equal(fleet_pool(s, "Shop")->state, POOL_STATE_STARTED); /* its word is not taken */
    fleet_release(s);
    m = report("web01", 2, &shop_dead, up);
    m->incarnation.bytes[0] = 9;
    assert_int_equal(hear(f, m, 1200), FLEET_TAKEN);
    assert_int_equal(s->presence, PRESENCE_FRESH);
    fleet_free(f);
}

static void two_machines_under_one_name_are_found_out(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 1, &shop, up), 1000);
    struct agent_message *clone = report("web01", 1, &shop, up);
    clone->boot.bytes[0] = 7;
    assert_int_equal(hear(f, clone, 1100), FLEET_TAKEN); /* could be a reboot */
    assert_int_equal(hear(f, report("web01", 2, &shop, up), 1200), FLEET_NEW_JOURNAL);
    assert_int_equal(fleet_find(f, "web01")->presence, PRESENCE_QUARANTINED);
    fleet_free(f);
}

static void many_silent_at_once_is_our_own_trouble(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        hear(f, report(names[i], 1, &shop, up), 1000);
    }
    hear(f, report("a", 2, &shop, up), 5000);
    hear(f, report("b", 2, &shop, up), 5000);
    assert_false(fleet_mass_silence(f));
    fleet_tick(f, 6500, 1, hear_change, NULL);
    assert_true(fleet_mass_silence(f));
    hear(f, report("c", 2, &shop, up), 6600);
    assert_false(fleet_mass_silence(f));
    fleet_free(f);
}

/* ---- plan ---- */

static struct plan_request request(void)
{
    return (struct plan_request){.action = ROLLOUT_RECYCLE,
                                 .pool = "Shop",
                                 .selector = "all",
                                 .actor = "anna",
                                 .reason = "leak",
                                 .options = {.batch = 1,
                                             .limit_ms = 60000,
                                             .drain_limit_ms = 60000,
                                             .gate_passes = 3,
                                             .gate_min_ms = 1000,
                                             .gate_deadline_ms = 60000,
                                             .gate_interval_ms = 1000}};
}

static void plan_freezes_the_selection_in_order(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web02", 1, &shop, up), 1000);
    hear(f, report("web01", 1, &shop, up), 1000);
    fleet_add(f, "web03"); /* never seen: may have the pool */
    struct plan_request q = request();
    struct rollout *run;
    struct error err;
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_NONE);
    assert_int_equal(run->target_count, 3);
    assert_string_equal(run->targets[0].server, "web01");
    assert_string_equal(run->targets[2].server, "web03");
    struct plan_target foreseen;
    plan_foresee(run, 0, f, 1000, &foreseen);
    assert_int_equal(foreseen.will, PLAN_ACT);
    plan_foresee(run, 2, f, 1000, &foreseen);
    assert_int_equal(foreseen.will, PLAN_FAIL);
    rollout_free(run);
    fleet_free(f);
}

static void plan_refuses_with_what_to_do(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 1, &shop, up), 1000);
    struct rollout *run = NULL;
    struct error err;
    struct plan_request q = request();
    q.selector = "db*";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "selects no server"));
    q = request();
    q.pool = "Shopp";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "no pool 'Shopp'"));
    q = request();
    q.expect = 8;
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_INVALID);
    assert_string_equal(err.text, "1 servers would be touched, 8 were expected");
    q = request();
    q.reason = " ";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_INVALID);
    q = request();
    q.selector = "";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_INVALID);
    q = request();
    q.options.batch = 0;
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_INVALID);
    q = request();
    q.options.gate_deadline_ms = 10;
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_INVALID);
    assert_null(run);
    fleet_free(f);
}

static void pools_are_named_globbed_and_taken_away(void **state)
{
    (void)state;
    static const struct {
        const char *pools, *pool;
        bool hit;
    } cases[] = {{"Shop", "shop", true},
                 {"*", "Api", true},
                 {"*,!Shop", "Shop", false},
                 {"*,!Shop", "Api", true},
                 {"!Shop", "Api", true},
                 {"!S*", "Shop", false},
                 {"Shop,Api", "Api", true},
                 {"Shop,Api", "Old", false},
                 {"Sh*,!Shop2", "Shop2", false},
                 {"S?op", "Shop", true},
                 {"Default Pool,!x", "default pool", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (pools_match(cases[i].pools, cases[i].pool) != cases[i].hit) {
            fail_msg("%s of %s", cases[i].pool, cases[i].pools);
        }
    }
    assert_true(pools_are_one("Default Pool"));
    assert_false(pools_are_one("!Shop"));
    static const char *const wrong[] = {"", ",", "Shop,", "!", "*,!", " "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(pools_check(wrong[i], NULL), ERR_INVALID);
    }
}

static void plan_takes_pools_that_servers_have(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    struct error err = {0};
    struct rollout *run = NULL;
    hear(f, report("web01", 1, &shop, up), 1000);
    hear(f, report("web02", 1, &shop, up), 1000);
    struct plan_request q = request();
    q.pool = "*";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_NONE);
    assert_int_equal(run->target_count, 2);
    assert_string_equal(run->targets[0].pool, "Shop");
    char key[PLAN_KEY_MAX];
    assert_string_equal(plan_key(run, 1, key), "web02/Shop");
    rollout_free(run);
    run = NULL;
    q.targets = "web01/Shop,web02/Shop";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_NONE);
    rollout_free(run);
    run = NULL;
    q.targets = "web01/Shop,web02/Old";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_STATE);
    q.targets = NULL;
    q.pool = "*,!Shop";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_NOT_FOUND);
    fleet_add(f, "web03"); /* never spoke: what it has cannot be told */
    q.pool = "S*";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "which pools web03 has is not known"));
    assert_null(run);
    fleet_free(f);
}

static void gather(void *arg, const char *sentence)
{
    text_addf(arg, "%s\n", sentence);
}

static void pool_that_visitors_would_miss_is_told_before_anything_moves(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    struct pool warm = shop, cold = shop;
    warm.overlap = true;
    warm.start_mode = START_MODE_ALWAYS_RUNNING;
    cold.overlap = false;
    cold.start_mode = START_MODE_ON_DEMAND;
    cold.max_processes = 4;
    hear(f, report("web01", 1, &warm, up), 1000);
    hear(f, report("web02", 1, &cold, up), 1000);
    struct plan_request q = request();
    struct rollout *run = NULL;
    struct text said = {0};
    assert_int_equal(plan_make(&q, f, 5, &run, NULL), ERR_NONE);
    run->options.drain = true;
    plan_warnings(run, f, gather, &said);
    assert_non_null(strstr(text_get(&said), "on 1 of 2 targets overlapped recycling is off"));
    assert_non_null(strstr(text_get(&said), "on 1 of 2 targets startMode is OnDemand"));
    assert_non_null(strstr(text_get(&said), "on 1 of 2 targets the pool is a web garden"));
    assert_non_null(strstr(text_get(&said), "(InProc)"));
    assert_null(strstr(text_get(&said), "--no-drain"));
    text_reset(&said);
    run->options.drain = false;
    plan_warnings(run, f, gather, &said);
    assert_non_null(strstr(text_get(&said), "on 1 of 2 targets --no-drain is not for this pool"));
    text_reset(&said);
    rollout_free(run);
    fleet_free(f);
}

static void plan_that_was_shown_is_the_one_that_is_done(void **state)
{
    (void)state;
    struct fleet *f = new_fleet();
    hear(f, report("web01", 1, &shop, up), 1000);
    hear(f, report("web02", 1, &shop, up), 1000);
    struct rollout *run = NULL;
    struct error err;
    struct plan_request q = request();
    q.targets = "web01,web02";
    assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_NONE);
    rollout_free(run);
    const char *const others[] = {"web01", "web01,web03", "web01,web02,web03", "web0", "web012"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        q.targets = others[i];
        assert_int_equal(plan_make(&q, f, 5, &run, &err), ERR_STATE);
    }
    q.targets = "web01,web03";
    plan_make(&q, f, 5, &run, &err);
    assert_non_null(strstr(err.text, "it now holds web02"));
    fleet_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selector_means_what_it_says),
        cmocka_unit_test(selector_refuses_what_means_nothing),
        cmocka_unit_test(budget_counts_all_causes_together),
        cmocka_unit_test(limits_are_numbers_or_shares),
        cmocka_unit_test(shares_are_rounded_to_the_safe_side),
        cmocka_unit_test(full_group_is_named),
        cmocka_unit_test(silent_server_may_serve),
        cmocka_unit_test(held_server_that_serves_has_to_fit),
        cmocka_unit_test(silent_server_may_be_one_of_those_that_have_to_stay),
        cmocka_unit_test(server_that_is_partly_out_counts_once_and_has_to_fit),
        cmocka_unit_test(declared_out_leaves_the_budget_but_not_the_minimum),
        cmocka_unit_test(server_that_is_held_and_out_counts_once),
        cmocka_unit_test(fleet_tells_what_changed),
        cmocka_unit_test(new_event_of_a_pool_is_told_once),
        cmocka_unit_test(older_report_is_dropped),
        cmocka_unit_test(small_report_after_a_restart_asks_for_a_whole_one),
        cmocka_unit_test(silence_is_unknown_and_counts_as_out),
        cmocka_unit_test(nothing_is_silent_while_settling),
        cmocka_unit_test(out_of_service_is_told_with_its_cause),
        cmocka_unit_test(what_an_answer_found_running_is_not_out),
        cmocka_unit_test(place_is_missed_by_those_who_stand_there),
        cmocka_unit_test(place_that_pools_share_is_missed_by_those_that_run),
        cmocka_unit_test(another_journal_is_quarantined_until_released),
        cmocka_unit_test(two_machines_under_one_name_are_found_out),
        cmocka_unit_test(many_silent_at_once_is_our_own_trouble),
        cmocka_unit_test(plan_freezes_the_selection_in_order),
        cmocka_unit_test(plan_refuses_with_what_to_do),
        cmocka_unit_test(pools_are_named_globbed_and_taken_away),
        cmocka_unit_test(plan_takes_pools_that_servers_have),
        cmocka_unit_test(pool_that_visitors_would_miss_is_told_before_anything_moves),
        cmocka_unit_test(plan_that_was_shown_is_the_one_that_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
