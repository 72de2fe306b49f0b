/* test_parts.c - the small parts of the heart: veto, what is known, records and clean texts. */
#include "agent/known.h"
#include "agent/record.h"
#include "agent/veto.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- clean texts ---- */

static void outside_text_becomes_fit_for_the_wire(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(clean_text(out, sizeof(out), "  ERROR (\r\n\tmessage:x )\x1b[2J\n"),
                        "ERROR ( message:x ) [2J");
    assert_string_equal(clean_text(out, sizeof(out), "a\xff\xc3z \xc2\x85 \xc3\xa4"),
                        "a??z \xc3\xa4");
    assert_string_equal(clean_text(out, 4, "ab\xc3\xa4"), "ab");
    assert_string_equal(clean_text(out, 5, "ab\xc3\xa4"), "ab\xc3\xa4");
    assert_string_equal(clean_text(out, sizeof(out), ""), "");
    assert_string_equal(clean_text(out, sizeof(out), " \n "), "");
}

/* ---- records ---- */

static void a_record_keeps_the_workers_of_its_pool(void **state)
{
    (void)state;
    struct command command = {.verb = VERB_STOP, .pool = "Shop", .actor = "a\n", .reason = "r"};
    const struct worker workers[] = {{.pool = "SHOP", .pid = 1}, {.pool = "Api", .pid = 2}};
    struct record *record = record_new(&command);
    assert_string_equal(record->actor, "a");
    record_set_workers(record, &record->before, workers, 2);
    assert_int_equal(record->before.count, 1);
    struct record *copy = record_copy(record);
    record_free(record);
    assert_int_equal(copy->before.items[0].pid, 1);
    assert_ptr_equal(copy->before.items[0].pool, copy->pool);
    struct result result = record_result(copy);
    assert_int_equal(result.proof.before_count, 1);
    assert_ptr_equal(result.pool, copy->pool);
    record_free(copy);
    record_free(NULL);
}

/* ---- veto ---- */

static struct veto_settings allow_all(void)
{
    static const char *const pools[] = {"*"};
    struct veto_settings settings = {
        .profile = PROFILE_OPERATE_SERVICES, .pools = pools, .pool_count = 1};
    settings.verbs[VERB_RECYCLE] = settings.verbs[VERB_START] = settings.verbs[VERB_STOP] = true;
    return settings;
}

static bool allows(struct veto *v, enum verb verb, const char *pool, uint64_t now_ms)
{
    char why[WIRE_TEXT_MAX] = "";
    bool allowed = veto_allows(v, verb, pool, now_ms, why, sizeof(why));
    assert_int_equal(allowed, why[0] == '\0');
    return allowed;
}

static void nothing_is_allowed_by_default_but_reading(void **state)
{
    (void)state;
    struct veto *v = veto_new(&(struct veto_settings){0}, NULL, 0, 0);
    assert_false(allows(v, VERB_RECYCLE, "Shop", 0));
    assert_false(allows(v, VERB_START, "Shop", 0));
    assert_false(allows(v, VERB_STOP, "Shop", 0));
    assert_true(allows(v, VERB_OBSERVE, "Shop", 0));
    assert_true(allows(v, VERB_QUERY, "", 0));
    veto_free(v);
    veto_free(NULL);
}

/* The refusal says what would allow it. */
static void profile_goes_before_every_list(void **state)
{
    (void)state;
    struct veto_settings settings = allow_all();
    char why[WIRE_TEXT_MAX];
    settings.verbs[VERB_SERVICE_START] = true;
    settings.profile = PROFILE_OBSERVE;
    struct veto *v = veto_new(&settings, NULL, 0, 0);
    assert_true(allows(v, VERB_OBSERVE, "Shop", 0));
    assert_false(veto_allows(v, VERB_RECYCLE, "Shop", 0, why, sizeof(why)));
    assert_non_null(
        strstr(why, "needs the profile operate, and this agent is in the profile observe"));
    assert_false(veto_profile_allows(v, VERB_DRAIN, why, sizeof(why)));
    assert_true(veto_profile_allows(v, VERB_READY, why, sizeof(why)));
    veto_free(v);
    settings.profile = PROFILE_OPERATE;
    v = veto_new(&settings, NULL, 0, 0);
    assert_true(allows(v, VERB_RECYCLE, "Shop", 0));
    assert_false(veto_allows(v, VERB_SERVICE_START, "", 0, why, sizeof(why)));
    assert_non_null(strstr(why, "profile = operate-services"));
    veto_free(v);
}

static void an_exclusion_wins_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const pools[] = {"!Shop*", "*"};
    static const char *const none[] = {"!Shop"};
    struct veto_settings settings = allow_all();
    settings.pools = pools;
    settings.pool_count = 2;
    struct veto *v = veto_new(&settings, NULL, 0, 0);
    assert_false(allows(v, VERB_START, "shop2", 0));
    assert_true(allows(v, VERB_START, "Api", 0));
    veto_free(v);
    settings.pools = none; /* excluding alone allows nothing */
    settings.pool_count = 1;
    v = veto_new(&settings, NULL, 0, 0);
    assert_false(allows(v, VERB_START, "Api", 0));
    veto_free(v);
}

static void cool_down_is_per_pool_and_for_disruptive_verbs(void **state)
{
    (void)state;
    struct veto_settings settings = allow_all();
    settings.cool_down_ms = 1000;
    struct veto *v = veto_new(&settings, NULL, 0, 0);
    veto_count(v, "Shop", 5000);
    assert_false(allows(v, VERB_RECYCLE, "SHOP", 5999));
    assert_true(allows(v, VERB_RECYCLE, "SHOP", 6000));
    assert_true(allows(v, VERB_RECYCLE, "Api", 5001));
    assert_true(allows(v, VERB_START, "Shop", 5001));
    veto_free(v);
}

static void acts_of_before_the_restart_count(void **state)
{
    (void)state;
    const struct veto_act acts[] = {{.pool = "Shop", .age_ms = VETO_HOUR_MS - 5000},
                                    {.pool = "Api", .age_ms = 400}};
    struct veto_settings settings = allow_all();
    settings.cool_down_ms = 1000;
    settings.max_per_hour = 2;
    struct veto *v = veto_new(&settings, acts, 2, 100); /* the machine has just booted */
    assert_false(allows(v, VERB_STOP, "Shop", 100));    /* the rate */
    assert_false(allows(v, VERB_STOP, "Api", 600));     /* the cool-down */
    assert_true(allows(v, VERB_STOP, "Shop", 5101));
    veto_free(v);
}

/* ---- what is known ---- */

struct sight {
    struct pool pools[2];
    struct site sites[1];
    struct service services[1];
    struct worker workers[2];
    struct call_result result;
};

static void init_sight(struct sight *s)
{
    memset(s, 0, sizeof(*s));
    s->pools[0] = (struct pool){.name = "Shop", .state = POOL_STATE_STARTED, .queued = 3};
    s->pools[1] = (struct pool){.name = "Api", .state = POOL_STATE_STARTED, .queued = -1};
    s->sites[0] = (struct site){.name = "Site", .id = 1, .bindings = "http/*:80:", .pool = "Shop"};
    s->services[0] = (struct service){.name = "WAS", .state = SVC_RUNNING, .pid = 7};
    s->workers[0] = (struct worker){.pool = "Shop", .pid = 1, .created = 10};
    s->workers[1] = (struct worker){.pool = "Api", .pid = 2, .created = 10};
    s->result.view = (struct driver_view){
        .pools_known = true,
        .sites_known = true,
        .services_known = true,
        .workers_known = true,
        .pools = s->pools,
        .pool_count = 2,
        .sites = s->sites,
        .site_count = 1,
        .services = s->services,
        .service_count = 1,
        .workers = s->workers,
        .worker_count = 2,
        .config_identity = "c1",
        .trouble = "",
    };
    s->result.host = (struct call_host){.cpu_busy_ms = 100, .cpu_total_ms = 1000, .processors = 4};
}

static void a_look_is_a_change_when_it_differs(void **state)
{
    (void)state;
    struct sight s;
    init_sight(&s);
    struct known *k = known_new();
    assert_false(known_has_look(k));
    assert_true(known_take_look(k, &s.result, 0));
    assert_false(known_take_look(k, &s.result, 0));
    s.pools[0].queued = 4;
    assert_false(known_take_look(k, &s.result, 0)); /* queues alone are none */
    s.pools[0].auto_start = true;
    assert_true(known_take_look(k, &s.result, 0));
    s.sites[0].bindings = "http/*:81:";
    assert_true(known_take_look(k, &s.result, 0));
    s.services[0].pid = 8;
    assert_true(known_take_look(k, &s.result, 0));
    s.result.view.config_shared = true;
    assert_true(known_take_look(k, &s.result, 0));
    s.result.view.trouble = "sites: denied";
    assert_true(known_take_look(k, &s.result, 0));
    s.result.view.pool_count = 1;
    assert_true(known_take_look(k, &s.result, 0));
    known_free(k);
    known_free(NULL);
}

static void the_order_of_workers_is_no_change(void **state)
{
    (void)state;
    struct sight s;
    init_sight(&s);
    struct known *k = known_new();
    assert_true(known_take_beat(k, &s.result, 0));
    struct worker first = s.workers[0];
    s.workers[0] = s.workers[1];
    s.workers[1] = first;
    assert_false(known_take_beat(k, &s.result, 0));
    s.workers[0].created++; /* the pid was used again */
    assert_true(known_take_beat(k, &s.result, 0));
    s.workers[0].cpu_ms = 99; /* a figure */
    assert_false(known_take_beat(k, &s.result, 0));
    known_free(k);
}

static void figures_and_events_are_told_with_their_ages(void **state)
{
    (void)state;
    struct sight s;
    init_sight(&s);
    struct known *k = known_new();
    const struct pool_figures figures[] = {{"Shop", 3, 17}};
    struct server_event events[] = {{"Shop", 5002, 7, 0, 41, 500},
                                    {"", 5172, 0, 0, 42, EVENTS_TOLD_MS - 50}};
    s.result.view.figures = figures;
    s.result.view.figure_count = 1;
    s.result.view.figures_age_ms = 200;
    s.result.view.events = events;
    s.result.view.event_count = 2;
    assert_true(known_take_beat(k, &s.result, 1000));
    assert_false(known_take_beat(k, &s.result, 1000)); /* the same events are no news */
    struct state told = known_state(k, false, "", 1100);
    assert_int_equal(told.figure_count, 1);
    assert_int_equal(told.figures[0].rejected, 17);
    assert_int_equal(told.figures_age_ms, 300);
    assert_int_equal(told.event_count, 1); /* the other is too old by now */
    assert_int_equal(told.events[0].id, 5002);
    assert_int_equal(told.events[0].age_ms, 600);
    events[1] = (struct server_event){"Shop", 5079, 0, 0, 43, 0};
    assert_true(known_take_beat(k, &s.result, 2000));
    assert_int_equal(known_state(k, false, "", 2000).event_count, 2);
    s.result.view.figure_count = 0; /* they cannot be had any more */
    assert_false(known_take_beat(k, &s.result, 3000));
    assert_int_equal(known_state(k, false, "", 3000).figure_count, 0);
    known_free(k);
}

static void unknown_parts_never_pass_as_known(void **state)
{
    (void)state;
    struct sight s;
    init_sight(&s);
    struct known *k = known_new();
    known_take_look(k, &s.result, 0);
    s.result.view.pools_known = s.result.view.services_known = false;
    s.result.view.pool_count = s.result.view.service_count = 0;
    s.result.view.trouble = "pools: WAS is down";
    assert_true(known_take_look(k, &s.result, 0));
    struct state told = known_state(k, true, "", 0);
    assert_int_equal(told.pool_count, 2);
    assert_int_equal(told.pools[0].state, POOL_STATE_UNKNOWN);
    assert_int_equal(told.pools[0].queued, -1);
    assert_int_equal(told.services[0].state, SVC_UNKNOWN);
    assert_int_equal(told.services[0].pid, 0);
    assert_string_equal(told.trouble, "pools: WAS is down");
    known_free(k);
}

static void the_state_tells_its_age_and_all_troubles(void **state)
{
    (void)state;
    struct sight s;
    init_sight(&s);
    struct known *k = known_new();
    known_take_look(k, &s.result, 1000);
    known_take_beat(k, &s.result, 5000);
    struct call_result failed = {.code = ERR_IO, .text = "no\n/proc"};
    assert_true(known_take_beat(k, &failed, 6000));
    assert_false(known_take_beat(k, &failed, 7000)); /* the same trouble */
    assert_true(known_take_look(k, &failed, 7000));
    struct state told = known_state(k, false, "held", 9000);
    assert_int_equal(told.age_ms, 4000);
    assert_string_equal(told.trouble, "held; workers could not be read: no /proc; "
                                      "the server could not be looked at: no /proc");
    assert_int_equal(told.pool_count, 0);
    assert_int_equal(told.worker_count, 2);
    known_free(k);
}

static void the_processors_share_counts_from_the_last_report(void **state)
{
    (void)state;
    struct sight s;
    init_sight(&s);
    struct known *k = known_new();
    known_take_beat(k, &s.result, 0);
    known_told(k);
    s.result.host.cpu_busy_ms += 250;
    s.result.host.cpu_total_ms += 1000;
    known_take_beat(k, &s.result, 0);
    assert_int_equal(known_state(k, false, "", 0).host.cpu_permille, 250);
    assert_int_equal(known_state(k, false, "", 0).host.processors, 4);
    known_told(k);
    known_take_beat(k, &s.result, 0); /* nothing was counted since: as it was told */
    assert_int_equal(known_state(k, false, "", 0).host.cpu_permille, 250);
    known_told(k);
    assert_int_equal(known_state(k, false, "", 0).host.cpu_permille, 250);
    s.result.host = (struct call_host){0}; /* could not be read: the former figures stay */
    known_take_beat(k, &s.result, 0);
    assert_int_equal(known_state(k, false, "", 0).host.processors, 4);
    known_free(k);
}

static void more_than_the_wire_takes_is_cut_and_said(void **state)
{
    (void)state;
    struct sight s;
    init_sight(&s);
    struct worker *many = calloc(WIRE_WORKERS_MAX + 5, sizeof(*many));
    for (size_t i = 0; i < WIRE_WORKERS_MAX + 5; i++)
        many[i] = (struct worker){.pool = "Shop", .pid = (uint32_t)i + 1};
    s.result.view.workers = many;
    s.result.view.worker_count = WIRE_WORKERS_MAX + 5;
    struct known *k = known_new();
    known_take_beat(k, &s.result, 0);
    struct state told = known_state(k, false, "", 0);
    assert_int_equal(told.worker_count, WIRE_WORKERS_MAX);
    assert_string_equal(told.trouble, "4000 of 4005 workers are told");
    known_free(k);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_text_becomes_fit_for_the_wire),
        cmocka_unit_test(a_record_keeps_the_workers_of_its_pool),
        cmocka_unit_test(nothing_is_allowed_by_default_but_reading),
        cmocka_unit_test(profile_goes_before_every_list),
        cmocka_unit_test(an_exclusion_wins_wherever_it_stands),
        cmocka_unit_test(cool_down_is_per_pool_and_for_disruptive_verbs),
        cmocka_unit_test(acts_of_before_the_restart_count),
        cmocka_unit_test(a_look_is_a_change_when_it_differs),
        cmocka_unit_test(the_order_of_workers_is_no_change),
        cmocka_unit_test(figures_and_events_are_told_with_their_ages),
        cmocka_unit_test(unknown_parts_never_pass_as_known),
        cmocka_unit_test(the_state_tells_its_age_and_all_troubles),
        cmocka_unit_test(the_processors_share_counts_from_the_last_report),
        cmocka_unit_test(more_than_the_wire_takes_is_cut_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
