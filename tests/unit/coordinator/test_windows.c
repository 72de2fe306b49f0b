/* Hours of the week in some place's local time, over changes of its clocks; blackouts; and runs
 * that meet the end of their window. */
#include "coordinator/core/windows.h"
#include "coordinator/settings/zones.h"
#include "tests/unit/coordinator/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE 60000

static int64_t utc(const char *text)
{
    int64_t wall_ms;
    if (!text_parse_time(text, &wall_ms)) {
        fail_msg("%s", text);
    }
    return wall_ms;
}

/* ---- zones ---- */

/* A file of version 2 with one type and nothing but a footer. */
static size_t compiled(uint8_t *out, const char *footer)
{
    static const uint8_t header[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 4};
    static const uint8_t body[10] = {0, 0, 0x0e, 0x10, 0, 0, 'C', 'E', 'T', 0};
    size_t len = 0;
    for (int half = 0; half < 2; half++) {
        memcpy(out + len, header, sizeof header);
        memcpy(out + len + sizeof header, body, sizeof body);
        len += sizeof header + sizeof body;
    }
    len += (size_t)sprintf((char *)out + len, "\n%s\n", footer);
    return len;
}

static struct zone *zone_of(const char *footer)
{
    uint8_t bytes[400];
    struct zone *z = NULL;
    struct error err = {0};
    if (zone_parse(bytes, compiled(bytes, footer), &z, &err)) {
        fail_msg("%s: %s", footer, err.text);
    }
    return z;
}

static void assert_offset(const struct zone *z, const char *at, int32_t hours_60)
{
    if (zone_offset_s(z, utc(at) / 1000) != hours_60 * 60) {
        fail_msg("%s: %d s", at, (int)zone_offset_s(z, utc(at) / 1000));
    }
}

static void rule_of_the_footer_changes_clocks_to_the_second(void **state)
{
    (void)state;
    struct zone *berlin = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_offset(berlin, "2026-03-29T00:59:59Z", 60);
    assert_offset(berlin, "2026-03-29T01:00:00Z", 120);
    assert_offset(berlin, "2026-10-25T00:59:59Z", 120);
    assert_offset(berlin, "2026-10-25T01:00:00Z", 60);
    assert_offset(berlin, "2099-07-01T00:00:00Z", 120);
    zone_free(berlin);
    struct zone *sydney = zone_of("AEST-10AEDT,M10.1.0,M4.1.0/3"); /* over the turn of the year */
    assert_offset(sydney, "2026-12-31T23:00:00Z", 660);
    assert_offset(sydney, "2026-04-04T15:59:59Z", 660);
    assert_offset(sydney, "2026-04-04T16:00:00Z", 600);
    zone_free(sydney);
    struct zone *kathmandu = zone_of("<+0545>-5:45");
    assert_offset(kathmandu, "2026-01-01T00:00:00Z", 345);
    zone_free(kathmandu);
    struct zone *new_york = zone_of("EST5EDT,M3.2.0,M11.1.0");
    assert_offset(new_york, "2026-03-08T06:59:59Z", -300);
    assert_offset(new_york, "2026-03-08T07:00:00Z", -240);
    zone_free(new_york);
    struct zone *days = zone_of("XST0XDT,J60/0,300/0"); /* the first of March, never a leap day */
    assert_offset(days, "2028-02-29T12:00:00Z", 0);
    assert_offset(days, "2028-03-01T00:00:00Z", 60);
    zone_free(days);
}

static void file_that_is_cut_or_wrong_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[400];
    struct zone *z = NULL;
    size_t len = compiled(bytes, "CET-1CEST,M3.5.0,M10.5.0/3");
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(zone_parse(bytes, cut, &z, NULL), ERR_CORRUPT);
    }
    static const char *const wrong[] = {"CET-1CEST", "CE-1", "CET-1CEST,M13.5.0,M10.5.0",
                                        "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0,x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        len = compiled(bytes, wrong[i]);
        assert_int_equal(zone_parse(bytes, len, &z, NULL), ERR_CORRUPT);
    }
    len = compiled(bytes, "");
    memset(bytes + 54 + 32, 0xff, 4); /* so many transitions that no file holds them */
    assert_int_equal(zone_parse(bytes, len, &z, NULL), ERR_CORRUPT);
    assert_null(z);
}

/* The machine's own file agrees with the rule, and knows history. */
static void zones_of_this_machine_are_read(void **state)
{
    (void)state;
    struct zones *zones = zones_open();
    const struct zone *berlin = zones_find(zones, "Europe/Berlin");
    assert_non_null(berlin); /* package tzdata */
    struct zone *rule = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");
    for (int64_t at = utc("2026-01-01T00:00:00Z") / 1000; at < utc("2045-01-01T00:00:00Z") / 1000;
         at += 1800) {
        assert_int_equal(zone_offset_s(berlin, at), zone_offset_s(rule, at));
    }
    assert_offset(berlin, "1945-07-01T00:00:00Z", 180); /* double summer time */
    assert_ptr_equal(zones_find(zones, "Europe/Berlin"), berlin);
    assert_null(zones_find(zones, "Europe/Atlantis"));
    assert_null(zones_find(zones, "../../etc/passwd"));
    assert_null(zones_find(zones, ""));
    zone_free(rule);
    zones_close(zones);
}

static void local_time_becomes_a_moment_also_where_clocks_jump(void **state)
{
    (void)state;
    struct zone *berlin = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");
    static const char *const pairs[][2] = {
        {"2026-12-24 18:00", "2026-12-24T17:00:00Z"}, {"2026-07-01 00:30", "2026-06-30T22:30:00Z"},
        {"2026-03-29 01:59", "2026-03-29T00:59:00Z"}, {"2026-03-29 02:30", "2026-03-29T01:00:00Z"},
        {"2026-03-29 03:00", "2026-03-29T01:00:00Z"}, {"2026-10-25 02:30", "2026-10-25T00:30:00Z"},
        {"2026-10-25 03:00", "2026-10-25T02:00:00Z"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        int64_t at;
        assert_true(window_parse_moment(pairs[i][0], berlin, &at));
        if (at != utc(pairs[i][1])) {
            fail_msg("%s: %lld", pairs[i][0], (long long)at);
        }
    }
    int64_t at;
    assert_false(window_parse_moment("2026-13-24 18:00", berlin, &at));
    assert_false(window_parse_moment("2026-12-24T18:00", berlin, &at));
    zone_free(berlin);
}

/* ---- windows ---- */

static bool open_at(const char *window, const struct zone *zone, const char *at)
{
    struct window w;
    struct error err = {0};
    if (window_parse(window, &w, &err)) {
        fail_msg("%s", err.text);
    }
    return window_is_open(&w, zone, utc(at));
}

static void hours_belong_to_the_day_on_which_they_begin(void **state)
{
    (void)state;
    const char *night = "Mon-Fri 22:00-05:00";
    assert_false(open_at(night, NULL, "2026-11-27T21:59:59Z")); /* a Friday */
    assert_true(open_at(night, NULL, "2026-11-27T22:00:00Z"));
    assert_true(open_at(night, NULL, "2026-11-28T04:59:59Z"));
    assert_false(open_at(night, NULL, "2026-11-28T05:00:00Z"));
    assert_false(open_at(night, NULL, "2026-11-28T22:00:00Z"));
    assert_false(open_at(night, NULL, "2026-11-30T04:00:00Z")); /* Sunday's night is none */
    const char *mixed = "Mon-Fri 22:00-05:00, Sat,Sun 00:00-24:00, Wed 12:00-13:00, 18:00-18:30";
    assert_true(open_at(mixed, NULL, "2026-11-29T23:59:59Z"));
    assert_true(open_at(mixed, NULL, "2026-11-25T12:30:00Z"));
    assert_true(open_at(mixed, NULL, "2026-11-25T18:15:00Z"));  /* of Wednesday, too */
    assert_false(open_at(mixed, NULL, "2026-11-26T18:15:00Z")); /* a Thursday */
    assert_true(open_at("02:00-03:00", NULL, "2026-11-26T02:30:00Z"));
    assert_true(open_at("fri-mon 02:00-03:00", NULL, "2026-11-29T02:30:00Z"));
}

static void clocks_that_change_skip_an_hour_or_count_it_twice(void **state)
{
    (void)state;
    struct zone *berlin = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");
    const char *hour = "02:00-03:00";
    for (int64_t at = utc("2026-03-29T00:00:00Z"); at < utc("2026-03-29T12:00:00Z"); at += MINUTE) {
        struct window w;
        window_parse(hour, &w, NULL);
        assert_false(window_is_open(&w, berlin, at)); /* it did not come */
    }
    assert_true(open_at(hour, berlin, "2026-10-25T00:30:00Z"));
    assert_true(open_at(hour, berlin, "2026-10-25T01:30:00Z"));
    assert_false(open_at(hour, berlin, "2026-10-25T02:00:00Z"));
    /* A night is eight hours on the wall, and seven or nine in the world. */
    const char *night = "Sat 22:00-06:00";
    assert_true(open_at(night, berlin, "2026-03-28T21:00:00Z"));
    assert_true(open_at(night, berlin, "2026-03-29T03:59:59Z"));
    assert_false(open_at(night, berlin, "2026-03-29T04:00:00Z"));
    assert_true(open_at(night, berlin, "2026-10-24T20:00:00Z"));
    assert_true(open_at(night, berlin, "2026-10-25T04:59:59Z"));
    assert_false(open_at(night, berlin, "2026-10-25T05:00:00Z"));
    zone_free(berlin);
}

static void next_opening_is_found_over_a_change_of_clocks(void **state)
{
    (void)state;
    struct zone *berlin = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");
    struct window w;
    char text[WINDOW_MOMENT_MAX];
    window_parse("02:15-03:00", &w, NULL);
    int64_t next = window_next_ms(&w, berlin, utc("2026-03-28T12:00:00Z"));
    assert_string_equal(window_format_moment(text, berlin, next), "Mon 2026-03-30 02:15");
    window_parse("Mon 22:00-23:00", &w, NULL);
    next = window_next_ms(&w, berlin, utc("2026-10-19T21:00:00Z")); /* just closed */
    assert_true(next == utc("2026-10-26T21:00:00Z"));
    window_parse("00:00-24:00", &w, NULL);
    assert_true(window_next_ms(&w, berlin, utc("2026-03-28T12:00:00Z")) == 0);
    zone_free(berlin);
}

static void words_that_are_no_window_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "Mon",
                                        "22:00",
                                        "22:00-25:00",
                                        "9:00-10:00",
                                        "10:00-10:00",
                                        "Mo 1:00-2:00",
                                        "Monday 01:00-02:00",
                                        "01:00-02:00 x",
                                        "24:00-02:00",
                                        "01:00-02:00 @",
                                        "01:00-02:00 @../x",
                                        "01:60-02:00"};
    struct window w = {.span_count = 7};
    struct error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (window_parse(wrong[i], &w, &err) != ERR_INVALID) {
            fail_msg("'%s' was taken", wrong[i]);
        }
        assert_int_equal(w.span_count, 7);
    }
}

static const struct zone *one_zone(void *ctx, const char *name)
{
    return text_equal(name, "Europe/Berlin") ? ctx : NULL;
}

static void names_become_hours_with_their_zone(void **state)
{
    (void)state;
    struct zone *berlin = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");
    const struct windows_named named[] = {{"night", "22:00-05:00"}, {"lunch", "12:00-13:00 @UTC"}};
    const struct windows w = {.named = named,
                              .named_count = 2,
                              .zone = "Europe/Berlin",
                              .find_zone = one_zone,
                              .ctx = berlin};
    char text[WINDOW_TEXT_MAX] = "";
    struct error err = {0};
    assert_int_equal(windows_resolve(&w, "Night", text, &err), ERR_NONE);
    assert_string_equal(text, "22:00-05:00 @Europe/Berlin");
    assert_int_equal(windows_resolve(&w, "lunch", text, &err), ERR_NONE);
    assert_string_equal(text, "12:00-13:00 @UTC");
    assert_int_equal(windows_resolve(NULL, "Sat 01:00-02:00", text, &err), ERR_NONE);
    assert_string_equal(text, "Sat 01:00-02:00 @UTC");
    assert_int_equal(windows_resolve(&w, "nite", text, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "\"nite\" is no window of the configuration, and no hours"));
    assert_int_equal(windows_resolve(&w, "01:00-02:00 @Mars/Base", text, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "the time zone Mars/Base is not known"));
    zone_free(berlin);
}

static void all_that_holds_must_be_open_and_says_until_when(void **state)
{
    (void)state;
    struct zone *berlin = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");
    const struct windows_blackout xmas = {"xmas", "nobody is here", utc("2026-12-23T12:00:00Z"),
                                          utc("2027-01-04T05:00:00Z")};
    const struct windows w = {.blackouts = &xmas,
                              .blackout_count = 1,
                              .always = "20:00-06:00 @Europe/Berlin",
                              .zone = "Europe/Berlin",
                              .find_zone = one_zone,
                              .ctx = berlin};
    const char *own = "22:00-08:00 @Europe/Berlin";
    char why[400];
    assert_false(windows_closed(&w, own, utc("2026-11-27T21:30:00Z"), why, sizeof why));
    assert_true(windows_closed(&w, own, utc("2026-11-27T20:00:00Z"), why, sizeof why));
    assert_string_equal(why, "outside the window 22:00-08:00 @Europe/Berlin: it opens Fri "
                             "2026-11-27 22:00");
    assert_true(windows_closed(&w, own, utc("2026-11-27T06:00:00Z"), why, sizeof why));
    assert_string_equal(why, "outside the window 20:00-06:00 @Europe/Berlin: it opens Fri "
                             "2026-11-27 20:00");
    assert_true(windows_closed(&w, own, utc("2026-12-24T23:00:00Z"), why, sizeof why));
    assert_string_equal(why, "blackout xmas (nobody is here) until Mon 2027-01-04 06:00 "
                             "Europe/Berlin");
    assert_true(windows_closed(NULL, own, utc("2026-11-27T22:00:00Z"), why, sizeof why));
    assert_non_null(strstr(why, "is its time zone known here?"));
    assert_false(windows_closed(NULL, "", 0, why, sizeof why));
    zone_free(berlin);
}

/* ---- runs ---- */

static void run_meets_the_end_of_its_window_and_goes_on_in_the_next(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 3);
    play_until(&p, 1000); /* web01 acts */
    p.closed = true;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_WINDOW);
    assert_string_equal(p.run->why, "outside the window: it opens at ten");
    assert_int_equal(p.run->targets[0].state, TARGET_DONE); /* what had acted is finished */
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    assert_int_equal(p.servers[1].acts + p.servers[1].drains, 0);
    play_restart(&p);
    play_until(&p, 10 * MINUTE);
    assert_int_equal(p.servers[1].acts + p.servers[1].drains, 0);
    p.closed = false;
    play_to_end(&p, 11 * MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    assert_int_equal(p.servers[2].acts, 1);
    play_end(&p);
}

/* At every moment: whoever is out when the window closes is back soon, and is acted on once, later.
 */
static void window_that_closes_at_any_moment_leaves_nobody_out(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 3500; at += 100) {
        struct play p;
        play_begin(&p, ROLLOUT_RECYCLE, 2);
        p.servers[0].sessions = 4;
        play_until(&p, at);
        int begun = p.servers[0].acts;
        p.closed = true;
        play_until(&p, at + 20000);
        if (at % 300 == 0) {
            play_restart(&p);
        }
        for (size_t i = 0; i < p.count; i++) {
            assert_int_equal(p.servers[i].admin, BALANCER_READY);
            assert_false(p.run->targets[i].holds);
        }
        assert_int_equal(p.servers[0].acts, begun);
        assert_int_equal(p.run->targets[0].state, begun ? TARGET_DONE : TARGET_WAITING);
        p.closed = false;
        play_to_end(&p, 5 * MINUTE);
        assert_int_equal(p.run->state, RUN_DONE);
        assert_int_equal(p.servers[0].acts, 1);
        assert_int_equal(p.servers[1].acts, 1);
        assert_false(p.servers[0].act_while_serving);
        play_end(&p);
    }
}

static void person_settles_outside_the_window_and_it_acts_again_within(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 1);
    p.servers[0].behind = false; /* nothing to drain: it would be acted on at once */
    play_until(&p, 300);
    p.servers[0].dead = true;
    play_until(&p, 10 * MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_UNKNOWN);
    p.closed = true;
    p.servers[0].dead = false;
    p.servers[0].acts = 0;
    play_resolve(&p, 0, OUTCOME_UNHEARD);
    play_until(&p, 11 * MINUTE);
    assert_int_equal(p.servers[0].acts, 0);
    assert_int_equal(p.run->targets[0].state, TARGET_WAITING);
    p.closed = false;
    play_to_end(&p, 12 * MINUTE);
    assert_int_equal(p.servers[0].acts, 1);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

static void person_and_window_pause_apart(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.closed = true;
    play_until(&p, 1000);
    play_request(&p, REQUEST_PAUSE);
    assert_int_equal(p.run->pause_causes, PAUSE_WINDOW | PAUSE_PERSON);
    p.closed = false;
    play_until(&p, MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_PERSON);
    p.closed = true;
    play_until(&p, 2 * MINUTE);
    play_request(&p, REQUEST_RESUME);
    play_until(&p, 3 * MINUTE);
    assert_int_equal(p.run->pause_causes, PAUSE_WINDOW);
    assert_int_equal(p.servers[0].acts, 0);
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, 4 * MINUTE);
    assert_int_equal(p.run->state, RUN_ABORTED);
    play_end(&p);
}

static void start_gives_back_and_waits_for_no_window(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_START, 1);
    p.servers[0].pool = POOL_STATE_STOPPED;
    p.closed = true;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_DONE);
    play_end(&p);
}

/* A person's word comes while its sessions run out. */
static void server_declared_out_in_its_drain_is_put_back_and_skipped(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 5000;
    play_until(&p, 1000);
    assert_int_equal(p.servers[0].drains, 1);
    p.servers[0].presence = PRESENCE_DECLARED_OUT;
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->targets[0].state, TARGET_SKIPPED);
    assert_int_equal(p.servers[0].acts, 0);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    assert_int_equal(p.servers[1].acts, 1);
    play_end(&p);
}

static void abort_while_it_is_put_off_ends_it_as_aborted(void **state)
{
    (void)state;
    struct play p;
    play_begin(&p, ROLLOUT_RECYCLE, 2);
    p.servers[0].sessions = 5000;
    play_until(&p, 1000);
    p.closed = true;
    play_until(&p, 1300);
    play_request(&p, REQUEST_ABORT);
    play_to_end(&p, MINUTE);
    assert_int_equal(p.run->state, RUN_ABORTED);
    assert_int_equal(p.run->targets[0].state, TARGET_ABORTED);
    assert_int_equal(p.servers[0].admin, BALANCER_READY);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_of_the_footer_changes_clocks_to_the_second),
        cmocka_unit_test(file_that_is_cut_or_wrong_is_refused),
        cmocka_unit_test(zones_of_this_machine_are_read),
        cmocka_unit_test(local_time_becomes_a_moment_also_where_clocks_jump),
        cmocka_unit_test(hours_belong_to_the_day_on_which_they_begin),
        cmocka_unit_test(clocks_that_change_skip_an_hour_or_count_it_twice),
        cmocka_unit_test(next_opening_is_found_over_a_change_of_clocks),
        cmocka_unit_test(words_that_are_no_window_are_refused),
        cmocka_unit_test(names_become_hours_with_their_zone),
        cmocka_unit_test(all_that_holds_must_be_open_and_says_until_when),
        cmocka_unit_test(run_meets_the_end_of_its_window_and_goes_on_in_the_next),
        cmocka_unit_test(window_that_closes_at_any_moment_leaves_nobody_out),
        cmocka_unit_test(person_settles_outside_the_window_and_it_acts_again_within),
        cmocka_unit_test(person_and_window_pause_apart),
        cmocka_unit_test(start_gives_back_and_waits_for_no_window),
        cmocka_unit_test(server_declared_out_in_its_drain_is_put_back_and_skipped),
        cmocka_unit_test(abort_while_it_is_put_off_ends_it_as_aborted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
