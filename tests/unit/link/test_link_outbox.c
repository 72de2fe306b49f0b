/* What waits for its turn on the agent's link, on virtual time. */
#include "agent/link_outbox.h"

#include "common/must.h"
#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RETRY_MS 5000

static struct link_outbox box;

static int fresh_box(void **state)
{
    (void)state;
    outbox_init(&box, RETRY_MS);
    return 0;
}

static int empty_box(void **state)
{
    (void)state;
    outbox_reset(&box);
    return 0;
}

/* number: the command's, or of a report its host's uptime. */
static struct agent_message *make(enum agent_message_kind kind, uint64_t number, bool whole)
{
    struct agent_message m = {.agent = "web01", .kind = kind}, *copy = NULL;
    struct command_id id = {.fence = {.number = 1}, .seq = number};
    uint8_t *bytes = NULL;
    size_t len;
    m.incarnation.bytes[0] = m.boot.bytes[0] = 1;
    if (kind == AGENT_RESULT)
        m.result = (struct result){.id = id, .outcome = OUTCOME_DONE};
    else if (kind == AGENT_OBSERVATION)
        m.observation.id = id;
    else if (kind == AGENT_PROGRESS)
        m.progress.id = id;
    else {
        m.report.state.whole = whole;
        m.report.state.host.uptime_ms = number;
    }
    must(codec_encode_agent(&m, &bytes, &len, NULL) == ERR_NONE);
    must(codec_decode_agent(bytes, len, &copy, NULL) == ERR_NONE);
    free(bytes);
    return copy;
}

static void put(enum agent_message_kind kind, uint64_t number, bool whole)
{
    assert_int_equal(outbox_put(&box, make(kind, number, whole), 0, NULL), ERR_NONE);
}

static uint64_t number_of(const struct agent_message *m)
{
    if (m->kind == AGENT_RESULT)
        return m->result.id.seq;
    if (m->kind == AGENT_OBSERVATION)
        return m->observation.id.seq;
    if (m->kind == AGENT_PROGRESS)
        return m->progress.id.seq;
    return m->report.state.host.uptime_ms;
}

static struct agent_message *expect(uint64_t now_ms, enum agent_message_kind kind, uint64_t number)
{
    struct agent_message *m = outbox_take(&box, now_ms);
    assert_non_null(m);
    assert_int_equal(m->kind, kind);
    assert_int_equal(number_of(m), number);
    return m;
}

static void done(struct agent_message *m)
{
    outbox_settle(&box, m, true, 0);
}

static void results_come_first_and_reports_last(void **state)
{
    (void)state;
    put(AGENT_REPORT, 1, true);
    put(AGENT_REPORT, 2, false);
    put(AGENT_PROGRESS, 3, false);
    put(AGENT_OBSERVATION, 4, false);
    put(AGENT_RESULT, 5, false);
    put(AGENT_RESULT, 6, false);
    done(expect(0, AGENT_RESULT, 5));
    done(expect(0, AGENT_RESULT, 6));
    done(expect(0, AGENT_OBSERVATION, 4));
    done(expect(0, AGENT_PROGRESS, 3));
    done(expect(0, AGENT_REPORT, 1));
    done(expect(0, AGENT_REPORT, 2));
    assert_null(outbox_take(&box, 0));
}

static void newest_report_and_progress_remain(void **state)
{
    (void)state;
    put(AGENT_PROGRESS, 1, false);
    put(AGENT_PROGRESS, 2, false);
    put(AGENT_REPORT, 3, true);
    put(AGENT_REPORT, 4, false);
    put(AGENT_REPORT, 5, true); /* says all that 3 and 4 did */
    put(AGENT_REPORT, 6, false);
    put(AGENT_REPORT, 7, false);
    done(expect(0, AGENT_PROGRESS, 2));
    done(expect(0, AGENT_REPORT, 5));
    done(expect(0, AGENT_REPORT, 7));
    assert_null(outbox_take(&box, 0));
}

static void result_in_vain_waits_and_holds_up_nothing(void **state)
{
    (void)state;
    put(AGENT_RESULT, 1, false);
    put(AGENT_REPORT, 2, false);
    outbox_settle(&box, expect(0, AGENT_RESULT, 1), false, 100);
    assert_int_equal(outbox_due_ms(&box), 100 + RETRY_MS);
    done(expect(100, AGENT_REPORT, 2));
    assert_null(outbox_take(&box, 99 + RETRY_MS));
    outbox_settle(&box, expect(100 + RETRY_MS, AGENT_RESULT, 1), false, 200);
    outbox_hurry(&box); /* a new connection */
    done(expect(200, AGENT_RESULT, 1));
    assert_int_equal(outbox_due_ms(&box), UINT64_MAX);
}

static void same_result_waits_once(void **state)
{
    (void)state;
    put(AGENT_RESULT, 1, false);
    put(AGENT_RESULT, 1, false);
    struct agent_message *m = expect(0, AGENT_RESULT, 1);
    put(AGENT_RESULT, 1, false);
    outbox_settle(&box, m, false, 0); /* the newer one waits already */
    done(expect(0, AGENT_RESULT, 1));
    assert_null(outbox_take(&box, UINT64_MAX));
}

static void full_of_results_says_so(void **state)
{
    struct error err = {0};
    (void)state;
    for (uint64_t i = 1; i <= OUTBOX_RESULTS; i++)
        put(AGENT_RESULT, i, false);
    struct agent_message *more = make(AGENT_RESULT, 1000, false);
    assert_int_equal(outbox_put(&box, more, 0, &err), ERR_FULL);
    assert_non_null(strstr(err.text, "64 results"));
    put(AGENT_RESULT, 1, false); /* known: takes no room */
}

static void oldest_observation_is_pushed_out(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= OUTBOX_OBSERVATIONS + 2; i++)
        put(AGENT_OBSERVATION, i, false);
    for (uint64_t i = 3; i <= OUTBOX_OBSERVATIONS + 2; i++)
        done(expect(0, AGENT_OBSERVATION, i));
    assert_null(outbox_take(&box, 0));
}

static void failed_report_is_kept_unless_overtaken(void **state)
{
    (void)state;
    put(AGENT_REPORT, 1, true);
    struct agent_message *m = expect(0, AGENT_REPORT, 1);
    put(AGENT_REPORT, 2, false); /* does not say what the whole one said */
    outbox_settle(&box, m, false, 0);
    m = expect(0, AGENT_REPORT, 1);
    put(AGENT_REPORT, 3, true);
    outbox_settle(&box, m, false, 0);
    done(expect(0, AGENT_REPORT, 3));
    assert_null(outbox_take(&box, 0));
    put(AGENT_REPORT, 4, false);
    outbox_settle(&box, expect(0, AGENT_REPORT, 4), false, 0);
    m = expect(0, AGENT_REPORT, 4);
    put(AGENT_REPORT, 5, false);
    outbox_settle(&box, m, false, 0);
    done(expect(0, AGENT_REPORT, 5));
    assert_null(outbox_take(&box, 0));
}

static void failed_progress_and_observation_are_dropped(void **state)
{
    (void)state;
    put(AGENT_PROGRESS, 1, false);
    put(AGENT_OBSERVATION, 2, false);
    outbox_settle(&box, expect(0, AGENT_OBSERVATION, 2), false, 0);
    outbox_settle(&box, expect(0, AGENT_PROGRESS, 1), false, 0);
    assert_null(outbox_take(&box, UINT64_MAX));
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, fresh_box, empty_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOXED(results_come_first_and_reports_last),
        BOXED(newest_report_and_progress_remain),
        BOXED(result_in_vain_waits_and_holds_up_nothing),
        BOXED(same_result_waits_once),
        BOXED(full_of_results_says_so),
        BOXED(oldest_observation_is_pushed_out),
        BOXED(failed_report_is_kept_unless_overtaken),
        BOXED(failed_progress_and_observation_are_dropped),
    };
    return cmocka_run_group_tests_name("link_outbox", tests, NULL, NULL);
}
