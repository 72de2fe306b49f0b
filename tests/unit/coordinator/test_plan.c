/* What a run's words become: order, waves, rules, windows; all before anything moves. */
#include "coordinator/core/plan.h"
#include "coordinator/core/share.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct selector_label zone_a[] = {{"zone", "a"}}, zone_b[] = {{"Zone", "b"}};

static void free_nothing(struct agent_message *message)
{
    (void)message; /* nobody ever spoke */
}

/* web01.., in turn in zones a and b. */
static struct fleet *a_fleet(size_t count)
{
    struct fleet_spec spec = {.silent_after_ms = 1000, .free_message = free_nothing};
    struct fleet *f = fleet_new(&spec);
    for (size_t i = 0; i < count; i++) {
        char name[16];
        text_format(name, sizeof name, "web%02zu", i + 1);
        struct fleet_server *s = fleet_add(f, name);
        s->labels = i % 2 ? zone_b : zone_a;
        s->label_count = 1;
        s->presence = PRESENCE_FRESH;
    }
    return f;
}

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

static struct rollout *make(const struct plan_request *q, const struct fleet *f)
{
    struct rollout *run = NULL;
    struct error err = {0};
    if (plan_make(q, f, 5, &run, &err)) {
        fail_msg("%s", err.text);
    }
    return run;
}

static void assert_refused(const struct plan_request *q, const struct fleet *f, const char *part)
{
    struct rollout *run = NULL;
    struct error err = {0};
    assert_int_equal(plan_make(q, f, 5, &run, &err), ERR_INVALID);
    if (!strstr(err.text, part)) {
        fail_msg("no '%s' in: %s", part, err.text);
    }
}

/* "web01 web03 | web02": the order, with waves between the bars. */
static void assert_order(const struct plan_request *q, struct fleet *f, const char *expected)
{
    struct rollout *run = make(q, f);
    struct text text = {0};
    for (size_t i = 0; i < run->target_count; i++) {
        bool bar = i && run->targets[i].wave != run->targets[i - 1].wave;
        assert_int_equal(run->targets[i].order, i);
        text_addf(&text, "%s%s%s", i ? " " : "", bar ? "| " : "", run->targets[i].server + 4);
    }
    assert_string_equal(text_get(&text), expected);
    text_reset(&text);
    rollout_free(run);
    fleet_free(f);
}

static void collect(void *arg, const char *sentence)
{
    text_addf(arg, "%s\n", sentence);
}

/* ---- shares ---- */

static void share_is_a_number_or_a_percentage(void **state)
{
    (void)state;
    struct share s;
    char text[SHARE_TEXT_MAX];
    assert_true(share_parse("5", &s));
    assert_int_equal(share_of(s, 3), 5);
    assert_true(share_parse("20%", &s));
    assert_int_equal(share_of(s, 14), 2);
    assert_string_equal(share_format(text, s), "20%");
    static const char *const wrong[] = {"", "%", "101%", "-1", "1.5", "5 %", "x", "100001", "5%%"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(share_parse(wrong[i], &s));
    }
}

/* ---- order and waves ---- */

static void order_is_by_name_and_one_wave(void **state)
{
    (void)state;
    struct plan_request q = request();
    assert_order(&q, a_fleet(4), "1 2 3 4");
}

static void order_by_label_takes_one_zone_after_the_other(void **state)
{
    (void)state;
    struct plan_request q = request();
    q.order = "zone";
    assert_order(&q, a_fleet(5), "1 3 5 2 4");
    struct fleet *f = a_fleet(3);
    fleet_add(f, "db01");
    assert_refused(&q, f, "db01 has no label zone");
    fleet_free(f);
}

static void own_server_comes_last(void **state)
{
    (void)state;
    struct plan_request q = request();
    q.own_server = "WEB01";
    q.waves = "1";
    assert_order(&q, a_fleet(3), "2 | 3 | 1");
    q.order = "zone";
    q.waves = NULL;
    assert_order(&q, a_fleet(4), "3 2 4 | 1");
    q.own_server = "elsewhere";
    assert_order(&q, a_fleet(4), "1 3 2 4");
}

/* Whatever the batch: nothing else is in hand when it is its turn. */
static void own_server_has_a_wave_of_its_own(void **state)
{
    (void)state;
    struct plan_request q = request();
    q.own_server = "web01";
    q.options.batch = 9;
    assert_order(&q, a_fleet(4), "2 3 4 | 1");
    assert_order(&q, a_fleet(1), "1");
    q.waves = "1,2,30%"; /* more waves than servers: none is empty */
    assert_order(&q, a_fleet(3), "2 | 3 | 1");
    q.waves = NULL;
    q.options.canary = 5;
    assert_order(&q, a_fleet(3), "2 3 | 1");
    q.options.canary = 0;
    struct fleet *f = a_fleet(3);
    struct rollout *run = make(&q, f);
    struct text said = {0};
    plan_order(run, q.own_server, 9, collect, &said);
    assert_non_null(strstr(text_get(&said), "2 waves, each waits for the end of the one before: 2, "
                                            "1; the last is web01, where the coordinator runs"));
    text_reset(&said);
    rollout_free(run);
    fleet_free(f);
    q.action = ROLLOUT_START; /* which strikes nobody: last by name, and none waits */
    assert_order(&q, a_fleet(3), "2 3 1");
    q.action = ROLLOUT_RECYCLE; /* out already it spends the budget, for which the others wait */
    f = a_fleet(3);
    fleet_find(f, "web01")->presence = PRESENCE_SILENT;
    assert_order(&q, f, "2 3 1");
}

static void last_wave_repeats_until_all_are_dealt(void **state)
{
    (void)state;
    struct plan_request q = request();
    q.waves = "1,2,30%"; /* of 9: 2 */
    assert_order(&q, a_fleet(9), "1 | 2 3 | 4 5 | 6 7 | 8 9");
    q.waves = "1,100%";
    assert_order(&q, a_fleet(4), "1 | 2 3 4");
    q.waves = "1%"; /* never none */
    assert_order(&q, a_fleet(3), "1 | 2 | 3");
    q.waves = NULL;
    q.options.canary = 2;
    assert_order(&q, a_fleet(5), "1 2 | 3 4 5");
    q.waves = "1,2";
    assert_order(&q, a_fleet(6), "1 2 | 3 | 4 5 | 6");
}

static void waves_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct fleet *f = a_fleet(3);
    struct plan_request q = request();
    q.waves = "1,x";
    assert_refused(&q, f, "\"x\" is neither a number of servers nor a percentage");
    q.waves = "1,,2";
    assert_refused(&q, f, "\"\" is neither");
    q.waves = "1,0";
    assert_refused(&q, f, "a wave of \"0\" is none");
    q.waves = "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1";
    assert_refused(&q, f, "at most 32");
    q = request();
    q.options.pause_after_canary = true;
    assert_refused(&q, f, "--canary 1");
    q = request();
    q.options.bake_ms = 1000;
    assert_refused(&q, f, "there is only one");
    fleet_free(f);
}

static void batch_in_percent_is_of_the_selection_and_never_none(void **state)
{
    (void)state;
    struct plan_request q = request();
    struct fleet *f = a_fleet(9);
    q.options.batch_percent = 25;
    struct rollout *run = make(&q, f);
    assert_int_equal(run->options.batch, 2);
    rollout_free(run);
    q.options.batch_percent = 1;
    run = make(&q, f);
    assert_int_equal(run->options.batch, 1);
    rollout_free(run);
    fleet_free(f);
}

static void plan_tells_which_limit_wins(void **state)
{
    (void)state;
    struct fleet *f = a_fleet(9);
    struct plan_request q = request();
    struct text said = {0};
    q.options.batch_percent = 50;
    q.options.max_unavailable = 3;
    q.options.canary = 1;
    q.options.bake_ms = 600000;
    q.options.pause_after_canary = true;
    q.waves = "2";
    q.order = "zone";
    struct rollout *run = make(&q, f);
    plan_order(run, NULL, 2, collect, &said);
    assert_string_equal(
        text_get(&said),
        "at once: 2, the smallest of batch 4 (50% of 9), max-unavailable 3 and the budget of 2 "
        "(only the configuration raises that)\n"
        "by zone: never servers of two at once\n"
        "5 waves, each waits for the end of the one before: 1 (canary), 2, 2, 2, 2\n"
        "after the canary: pauses until `farmhand run resume`\n"
        "between waves: 10m of baking\n");
    text_reset(&said);
    plan_order(run, NULL, 9, collect, &said);
    assert_non_null(strstr(text_get(&said), "at once: 3,"));
    text_reset(&said);
    run->action = ROLLOUT_SERVICE_RECOVER;
    plan_order(run, NULL, 2, collect, &said);
    assert_non_null(strstr(text_get(&said), "is down costs no budget: of those 4 at once\n"));
    text_reset(&said);
    rollout_free(run);
    fleet_free(f);
}

static void expect_warned(const struct plan_request *q, struct fleet *f, const char *first)
{
    struct text said = {0};
    struct rollout *run = make(q, f);
    plan_warnings(run, f, collect, &said);
    if (strncmp(text_get(&said), first, strlen(first)) != 0) {
        fail_msg("%s", text_get(&said));
    }
    text_reset(&said);
    rollout_free(run);
}

/* It is done as it was asked for, and holds nothing back: a person who wrote it means otherwise. */
static void canary_as_wide_as_the_run_is_told(void **state)
{
    (void)state;
    struct fleet *f = a_fleet(5);
    struct plan_request q = request();
    q.options.canary = 9;
    expect_warned(&q, f, "--canary 9 takes all there are (5): nothing comes after it\n");
    q.options.canary = 5;
    q.options.pause_after_canary = true;
    expect_warned(&q, f,
                  "--canary 5 takes all there are (5): nothing comes after it; "
                  "nor is there anything to pause for\n");
    q.own_server = "web01";
    expect_warned(&q, f,
                  "--canary 5 takes all there are (5): nothing but the coordinator's own "
                  "server comes after it\n");
    q.options.canary = 4;
    expect_warned(&q, f, "sessions kept");
    q = request();
    q.waves = "7,10%";
    q.options.bake_ms = 1000;
    expect_warned(&q, f,
                  "--waves 7,10%: the first takes all there are (5), so there is one wave, "
                  "and nothing to bake between\n");
    q.waves = "100%";
    q.options.bake_ms = 0;
    expect_warned(&q, f, "--waves 100%: the first takes all there are (5), so there is one wave\n");
    q.waves = "1,10"; /* the second is what is left */
    expect_warned(&q, f, "sessions kept");
    fleet_free(f);
    q.waves = NULL; /* a canary that nobody asked for is none of one server */
    q.action = ROLLOUT_SERVICE_RECOVER;
    q.pool = "";
    q.options.batch = 4;
    struct fleet *one = a_fleet(1);
    struct rollout *run = make(&q, one);
    assert_int_equal(run->options.canary, 0);
    rollout_free(run);
    fleet_free(one);
}

static void batch_wider_than_the_run_is_told(void **state)
{
    (void)state;
    struct fleet *f = a_fleet(5);
    struct plan_request q = request();
    struct text said = {0};
    q.options.batch = 10;
    struct rollout *run = make(&q, f);
    plan_order(run, NULL, 20, collect, &said);
    assert_string_equal(text_get(&said),
                        "at once: 5, as many as there are; no more than 10, the smallest of batch "
                        "10 and the budget of 20 (only the configuration raises that)\n");
    text_reset(&said);
    plan_order(run, NULL, 5, collect, &said);
    assert_non_null(strstr(text_get(&said), "at once: 5, the smallest of"));
    text_reset(&said);
    run->action = ROLLOUT_START;
    plan_order(run, NULL, 1, collect, &said);
    assert_string_equal(text_get(&said),
                        "at once: 5, as many as there are; no more than 10, the batch; this action "
                        "takes no capacity away\n");
    text_reset(&said);
    rollout_free(run);
    fleet_free(f);
}

/* ---- retry ---- */

static void settle(struct rollout *run, const char *states)
{
    static const struct {
        char letter;
        enum target_state state;
    } letters[] = {{'d', TARGET_DONE},    {'n', TARGET_NOTHING}, {'s', TARGET_SKIPPED},
                   {'u', TARGET_SKIPPED}, {'f', TARGET_FAILED},  {'a', TARGET_ABORTED},
                   {'w', TARGET_WAITING}};
    for (size_t i = 0; i < run->target_count; i++) {
        for (size_t k = 0; k < sizeof letters / sizeof *letters; k++) {
            if (letters[k].letter == states[i]) {
                run->targets[i].state = letters[k].state;
                run->targets[i].trouble = states[i] == 'u' ? TROUBLE_UNREACHABLE : TROUBLE_FAILED;
            }
        }
    }
}

/* retry-forgets-the-unreached: those too, and nobody who was not in the run or was left out. */
static void retry_takes_what_was_left_and_no_other(void **state)
{
    (void)state;
    struct plan_request q = request();
    struct fleet *f = a_fleet(8);
    q.selector = "all,!web08";
    struct rollout *first = make(&q, f);
    first->id = 3;
    settle(first, "dnsufaw");
    first->state = RUN_FAILED;
    struct fleet_server *late = fleet_add(f, "web09"); /* matches the selector by now */
    late->label_count = 0;
    q.retry = first;
    q.waves = "1";
    struct rollout *again = make(&q, f);
    assert_int_equal(again->parent, 3);
    assert_int_equal(again->target_count, 4);
    assert_string_equal(again->targets[0].server, "web04");
    assert_string_equal(again->targets[1].server, "web05");
    assert_string_equal(again->targets[2].server, "web06");
    assert_string_equal(again->targets[3].server, "web07");
    assert_int_equal(again->targets[3].wave, 3);
    rollout_free(again);
    rollout_free(first);
    fleet_free(f);
}

/* A person has looked at it and said `run resume`: that word is not asked for a second time. One
 * that failed, or at which the run was ended, has shown nothing. */
static void retry_repeats_no_canary_that_was_passed(void **state)
{
    (void)state;
    struct rollout first = {.options = {.canary = 1, .pause_after_canary = true, .bake_ms = 5000}};
    struct rollout_options o = plan_options_again(&first);
    assert_int_equal(o.canary, 1);
    assert_true(o.pause_after_canary);
    first.wave = 1;
    o = plan_options_again(&first);
    assert_int_equal(o.canary, 0);
    assert_false(o.pause_after_canary);
    assert_int_equal(o.bake_ms, 0);
    text_copy(first.options.waves, sizeof first.options.waves, "2,50%");
    o = plan_options_again(&first);
    assert_int_equal(o.bake_ms, 5000);
    assert_string_equal(o.waves, "2,50%");
}

static void retry_of_what_goes_on_or_left_nothing_is_refused(void **state)
{
    (void)state;
    struct plan_request q = request();
    struct fleet *f = a_fleet(2);
    struct rollout *first = make(&q, f), *again = NULL;
    struct error err = {0};
    first->id = 3;
    q.retry = first;
    assert_int_equal(plan_make(&q, f, 5, &again, &err), ERR_STATE);
    assert_non_null(strstr(err.text, "run 3 has not ended: `farmhand run resume 3`"));
    first->state = RUN_DONE;
    settle(first, "dn");
    assert_int_equal(plan_make(&q, f, 5, &again, &err), ERR_STATE);
    assert_string_equal(err.text, "run 3 left nothing to retry");
    rollout_free(first);
    fleet_free(f);
}

/* A patch weekend is longer than a day: where the administrator allows it, and not by accident. */
static void others_have_a_server_as_long_as_the_administrator_says(void **state)
{
    (void)state;
    const uint64_t hour_ms = 3600000;
    struct fleet *f = a_fleet(2);
    struct plan_request q = request();
    q.action = ROLLOUT_CYCLE;
    q.pool = "";
    q.options.limit_ms = 60 * hour_ms;
    q.hold_max_ms = 24 * hour_ms;
    assert_refused(&q, f,
                   "2d12h is longer than servers may be in the hands of others here (1d): "
                   "raise max_hold in coordinator.conf");
    q.hold_max_ms = 60 * hour_ms;
    rollout_free(make(&q, f));
    q.hold_max_ms = 0;
    rollout_free(make(&q, f));
    q.action = ROLLOUT_RECYCLE; /* our own acts take minutes, whatever others may */
    q.pool = "Shop";
    assert_refused(&q, f, "one act is waited for 1d at most, not 2d12h");
    fleet_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_have_a_server_as_long_as_the_administrator_says),
        cmocka_unit_test(share_is_a_number_or_a_percentage),
        cmocka_unit_test(order_is_by_name_and_one_wave),
        cmocka_unit_test(order_by_label_takes_one_zone_after_the_other),
        cmocka_unit_test(own_server_comes_last),
        cmocka_unit_test(own_server_has_a_wave_of_its_own),
        cmocka_unit_test(last_wave_repeats_until_all_are_dealt),
        cmocka_unit_test(waves_that_make_no_sense_are_refused),
        cmocka_unit_test(batch_in_percent_is_of_the_selection_and_never_none),
        cmocka_unit_test(canary_as_wide_as_the_run_is_told),
        cmocka_unit_test(batch_wider_than_the_run_is_told),
        cmocka_unit_test(plan_tells_which_limit_wins),
        cmocka_unit_test(retry_takes_what_was_left_and_no_other),
        cmocka_unit_test(retry_repeats_no_canary_that_was_passed),
        cmocka_unit_test(retry_of_what_goes_on_or_left_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
