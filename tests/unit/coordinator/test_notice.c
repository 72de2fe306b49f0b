/* The queue of a notice on virtual time: a hook that is gone for an hour, one that takes all but
 * one row, too many rows, old ones. And which events are told at all. */
#include "coordinator/core/notice.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

/* A hook and its queue; `out` decides what becomes of a try. */
struct stage {
    struct notice_queue queue;
    uint64_t now_ms;
    uint64_t gone_until_ms; /* the hook answers nothing before */
    uint64_t poison;        /* a row it never takes */
    uint64_t delivered[2048];
    size_t count, tries;
};

static void begin(struct stage *s)
{
    *s = (struct stage){.queue = {.keep_ms = 24 * HOUR}};
}

static void add(struct stage *s, uint64_t id)
{
    const struct notice_row row = {.id = id, .wall_ms = (int64_t)s->now_ms};
    notice_add(&s->queue, &row);
}

/* Until `ms`, as notices.c does it: at every time that the queue names. */
static void run_until(struct stage *s, uint64_t ms)
{
    while (s->now_ms <= ms) {
        while (notice_give_up(&s->queue, (int64_t)s->now_ms)) {
        }
        for (uint64_t id; (id = notice_next(&s->queue, s->now_ms));) {
            bool fails = s->now_ms < s->gone_until_ms || id == s->poison;
            s->tries++;
            if (!fails)
                s->delivered[s->count++] = id;
            notice_done(&s->queue, fails ? "answered 500" : NULL, s->now_ms, (int64_t)s->now_ms);
        }
        uint64_t wake = notice_wake_ms(&s->queue, s->now_ms);
        assert_true(wake > s->now_ms); /* never a busy loop */
        if (wake > ms)
            break;
        s->now_ms = wake;
    }
    s->now_ms = ms;
}

static void rows_go_out_in_order(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    for (uint64_t id = 1; id <= 5; id++)
        add(&s, id);
    run_until(&s, 1);
    assert_int_equal(s.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(s.delivered[i], i + 1);
    assert_int_equal(s.queue.count, 0);
    assert_int_equal(notice_wake_ms(&s.queue, s.now_ms), UINT64_MAX);
    notice_queue_reset(&s.queue);
}

static void a_hook_gone_for_an_hour_loses_nothing_and_is_not_hammered(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    s.gone_until_ms = HOUR;
    for (uint64_t id = 1; id <= 20; id++) {
        add(&s, id);
        run_until(&s, s.now_ms + 3 * MINUTE);
    }
    run_until(&s, 2 * HOUR);
    assert_int_equal(s.count, 20);
    assert_int_equal(s.queue.given_up, 0);
    assert_string_equal(s.queue.trouble, "");
    assert_in_range(s.tries - s.count, 5, 15); /* 5 s, doubled up to 10 min */
    notice_queue_reset(&s.queue);
}

static void pauses_double_up_to_the_longest(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    s.gone_until_ms = UINT64_MAX;
    add(&s, 1);
    uint64_t at = 0;
    static const uint64_t pauses[] = {5, 10, 20, 40, 80, 160, 320, 600, 600};
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        run_until(&s, at);
        assert_int_equal(s.tries, i + 1);
        at += pauses[i] * SECOND;
        assert_int_equal(notice_wake_ms(&s.queue, s.now_ms), at);
    }
    notice_queue_reset(&s.queue);
}

static void news_is_the_first_failure_and_the_first_success(void **state)
{
    (void)state;
    struct notice_queue q = {.keep_ms = HOUR};
    for (uint64_t id = 1; id <= 3; id++)
        notice_add(&q, &(struct notice_row){.id = id});
    notice_next(&q, 0);
    assert_false(notice_done(&q, NULL, 0, 1));
    notice_next(&q, 0);
    assert_true(notice_done(&q, "refused", 0, 1));
    assert_string_equal(q.trouble, "refused");
    assert_int_not_equal(notice_next(&q, MINUTE), 0);
    assert_false(notice_done(&q, "refused", MINUTE, 1));
    assert_int_not_equal(notice_next(&q, HOUR), 0);
    assert_true(notice_done(&q, NULL, HOUR, 1));
    notice_queue_reset(&q);
}

static void one_row_that_is_never_taken_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    s.poison = 1;
    for (uint64_t id = 1; id <= 10; id++)
        add(&s, id);
    run_until(&s, HOUR);
    assert_int_equal(s.count, 9);
    assert_int_equal(s.queue.count, 1);
    run_until(&s, 25 * HOUR);
    assert_int_equal(s.queue.count, 0);
    assert_int_equal(s.queue.given_up, 1);
    notice_queue_reset(&s.queue);
}

static void too_many_give_up_the_oldest(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    s.gone_until_ms = HOUR;
    for (uint64_t id = 1; id <= NOTICE_QUEUE_MAX + 5; id++)
        add(&s, id);
    run_until(&s, 2 * HOUR);
    assert_int_equal(s.queue.given_up, 5);
    assert_int_equal(s.count, NOTICE_QUEUE_MAX);
    for (size_t i = 0; i < s.count; i++)
        assert_true(s.delivered[i] > 5);
    notice_queue_reset(&s.queue);
}

static void the_one_under_way_is_never_given_up(void **state)
{
    (void)state;
    struct notice_queue q = {.keep_ms = 1000};
    notice_add(&q, &(struct notice_row){.id = 1});
    notice_add(&q, &(struct notice_row){.id = 2});
    assert_int_equal(notice_next(&q, 0), 1);
    assert_int_equal(notice_next(&q, 0), 0); /* one at a time */
    assert_int_equal(notice_give_up(&q, 5000), 2);
    assert_int_equal(notice_give_up(&q, 5000), 0);
    notice_done(&q, "late", 0, 5000);
    assert_int_equal(notice_give_up(&q, 5000), 1);
    notice_queue_reset(&q);
}

static void a_test_goes_at_once_whatever_waits(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    s.gone_until_ms = HOUR;
    add(&s, 1);
    run_until(&s, MINUTE);
    notice_add(&s.queue, &(struct notice_row){.id = 2, .urgent = true, .wall_ms = 0});
    assert_int_equal(notice_next(&s.queue, s.now_ms), 2);
    notice_done(&s.queue, "gone", s.now_ms, 1);
    assert_int_equal(s.queue.last_failed, 2);
    assert_int_equal(notice_next(&s.queue, s.now_ms), 0); /* once: then it waits like the others */
    notice_queue_reset(&s.queue);
}

static void events_become_notices(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *from, *to;
        enum notice_kind want;
    } cases[] = {
        {"run.created", NULL, NULL, NOTICE_RUN_STARTED},
        {"run.state", "running", "paused", NOTICE_RUN_PAUSED},
        {"run.state", "paused", "running", NOTICE_RUN_RESUMED},
        {"run.state", "running", "stopping", NOTICE_RUN_FAILURE},
        {"run.state", "running", "aborting", NOTICE_NONE},
        {"run.wave", NULL, "ended", NOTICE_WAVE_DONE},
        {"run.wave", NULL, "begun", NOTICE_NONE},
        {"run.ended", "running", "done", NOTICE_RUN_ENDED},
        {"incident.opened", NULL, NULL, NOTICE_INCIDENT_OPENED},
        {"incident.closed", NULL, NULL, NOTICE_INCIDENT_CLOSED},
        {"target.state", "acting", "failed", NOTICE_NONE},
        {"notice.failing", NULL, NULL, NOTICE_NONE}, /* never about itself */
        {"notice.test", NULL, NULL, NOTICE_NONE},
        {"run.paused", NULL, NULL, NOTICE_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(notice_of_event(cases[i].kind, cases[i].from, cases[i].to), cases[i].want);
    for (size_t i = 0; notice_words[i]; i++)
        assert_string_equal(notice_kind_name(notice_kind_parse(notice_words[i])), notice_words[i]);
    assert_int_equal(notice_kind_parse("run.exploded"), NOTICE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_out_in_order),
        cmocka_unit_test(a_hook_gone_for_an_hour_loses_nothing_and_is_not_hammered),
        cmocka_unit_test(pauses_double_up_to_the_longest),
        cmocka_unit_test(news_is_the_first_failure_and_the_first_success),
        cmocka_unit_test(one_row_that_is_never_taken_does_not_hold_up_the_others),
        cmocka_unit_test(too_many_give_up_the_oldest),
        cmocka_unit_test(the_one_under_way_is_never_given_up),
        cmocka_unit_test(a_test_goes_at_once_whatever_waits),
        cmocka_unit_test(events_become_notices),
    };
    return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
