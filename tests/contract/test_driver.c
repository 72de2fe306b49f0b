/* What every driver promises (agent/driver.h), tried on a rig: in peace, and under every
 * disturbance that the rig's world has. Judged by what the world counts, not by what the driver
 * says. */
#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"
#include "tests/contract/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ENOUGH_MS 20000 /* for anything that should work; a busy machine is no failure */
#define SHORT_MS  700   /* a deadline that has to pass */
#define LOCKED_MS 8000  /* several tries, on a system where programs start slowly */
#define LATE_MS   10000 /* how much later a call may return on a busy machine */
#define NOBODY    "No such pool"
#define ANY       UINT32_MAX

static int open_rig(void **state)
{
    *state = rig_open();
    return 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;
    rig->ops->close(rig);
    return 0;
}

static int reset_rig(void **state)
{
    struct rig *rig = *state;
    rig->ops->reset(rig);
    return 0;
}

/* ---- words for the tests ---- */

static void sleep_ms(unsigned ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static void expect_code(enum error_code code, enum error_code expected, const struct error *err,
                        const char *what)
{
    if (code != expected)
        fail_msg("%s: %s instead of %s (%s)", what, error_code_name(code),
                 error_code_name(expected), code ? err->text : "");
}

static enum error_code recycle(struct rig *rig, const char *pool, struct error *err)
{
    return rig->driver->ops->pool_recycle(rig->driver, pool, ENOUGH_MS, err);
}

static enum error_code start(struct rig *rig, const char *pool, struct error *err)
{
    return rig->driver->ops->pool_start(rig->driver, pool, ENOUGH_MS, err);
}

static enum error_code stop(struct rig *rig, const char *pool, struct error *err)
{
    return rig->driver->ops->pool_stop(rig->driver, pool, ENOUGH_MS, err);
}

static enum error_code set_autostart(struct rig *rig, const char *pool, bool on, struct error *err)
{
    return rig->driver->ops->pool_set_autostart(rig->driver, pool, on, ENOUGH_MS, err);
}

static void look_pool(struct rig *rig, const char *pool, struct driver_view *out)
{
    struct error err;
    enum error_code code = rig->driver->ops->look_pool(rig->driver, pool, ENOUGH_MS, out, &err);
    expect_code(code, ERR_NONE, &err, pool);
    assert_int_equal(out->pool_count, 1);
    assert_true(out->pools_known);
    assert_true(out->workers_known);
}

static bool has_worker(const struct driver_view *view, const struct worker *worker)
{
    for (size_t i = 0; i < view->worker_count; i++)
        if (view->workers[i].pid == worker->pid && view->workers[i].created == worker->created)
            return true;
    return false;
}

static const struct pool *find_pool(const struct driver_view *view, const char *name)
{
    for (size_t i = 0; i < view->pool_count; i++)
        if (text_equal(view->pools[i].name, name))
            return &view->pools[i];
    return NULL;
}

static size_t workers_of(const struct driver_view *view, const char *pool)
{
    size_t count = 0;
    for (size_t i = 0; i < view->worker_count; i++)
        count += text_equal(view->workers[i].pool, pool);
    return count;
}

/* Waits until none of the baseline is left and `count` others are there. */
static void wait_replaced(struct rig *rig, const char *pool, const struct driver_view *baseline,
                          size_t count)
{
    uint64_t deadline = clock_boot_ms() + ENOUGH_MS;
    for (;;) {
        struct driver_view now;
        struct error err;
        enum error_code code = rig->driver->ops->workers(rig->driver, &now, &err);
        expect_code(code, ERR_NONE, &err, "workers");
        size_t left = 0;
        for (size_t i = 0; i < baseline->worker_count; i++)
            left += has_worker(&now, &baseline->workers[i]);
        bool done = left == 0 && workers_of(&now, pool) == count;
        driver_view_reset(&now);
        if (done)
            return;
        if (clock_boot_ms() > deadline)
            fail_msg("%zu old workers of %s are still there", left, pool);
        sleep_ms(20);
    }
}

static void expect_state(struct rig *rig, const char *pool, enum pool_state state)
{
    struct driver_view view;
    look_pool(rig, pool, &view);
    if (view.pools[0].state != state)
        fail_msg("%s is %s", pool, pool_state_name(view.pools[0].state));
    driver_view_reset(&view);
}

static bool disturb(struct rig *rig, enum disturbance what)
{
    return rig->ops->disturb(rig, what);
}

/* ---- in peace ---- */

static void look_shows_the_whole_server(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct error err;
    expect_code(rig->driver->ops->look(rig->driver, ENOUGH_MS, &view, &err), ERR_NONE, &err,
                "look");
    assert_string_equal(view.trouble, "");
    assert_true(view.pools_known && view.sites_known && view.services_known && view.workers_known);
    const struct pool *pool = find_pool(&view, rig->pool);
    assert_non_null(pool);
    assert_int_equal(pool->state, POOL_STATE_STARTED);
    assert_true(pool->auto_start);
    assert_int_equal(pool->max_processes, 1);
    assert_int_equal(pool->shutdown_limit_ms, rig->stop_limit_ms);
    assert_int_equal(workers_of(&view, rig->pool), 1);
    if (rig->garden)
        assert_int_equal(workers_of(&view, rig->garden), rig->garden_size);
    if (rig->idle)
        assert_int_equal(workers_of(&view, rig->idle), 0);
    assert_non_null(find_pool(&view, rig->odd));
    assert_true(strlen(view.config_identity) > 0);
    driver_view_reset(&view);
}

static void workers_are_known_by_pid_and_creation_time(void **state)
{
    struct rig *rig = *state;
    struct driver_view view, beat;
    struct error err;
    look_pool(rig, rig->pool, &view);
    assert_int_equal(view.worker_count, 1);
    struct os_process process;
    assert_int_equal(os_process_find(view.workers[0].pid, &process, NULL), ERR_NONE);
    assert_int_equal(process.created, view.workers[0].created);
    assert_true(view.workers[0].memory_bytes > 0);
    expect_code(rig->driver->ops->workers(rig->driver, &beat, &err), ERR_NONE, &err, "workers");
    assert_true(has_worker(&beat, &view.workers[0]));
    driver_view_reset(&view);
    driver_view_reset(&beat);
}

static void name_is_found_whatever_its_case(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    char upper[64];
    text_copy(upper, sizeof(upper), rig->pool);
    for (char *c = upper; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    look_pool(rig, upper, &view);
    assert_string_equal(view.pools[0].name, rig->pool);
    assert_int_equal(view.worker_count, 1);
    driver_view_reset(&view);
}

static void pool_that_is_not_there_is_not_found(void **state)
{
    struct rig *rig = *state;
    const char *const names[] = {NOBODY, "", "/apppool.name:Shop", "*", "$=*", "a\nb"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct driver_view view;
        struct driver_probe probe;
        struct error err = {0};
        const char *name = names[i];
        expect_code(rig->driver->ops->look_pool(rig->driver, name, ENOUGH_MS, &view, &err),
                    ERR_NOT_FOUND, &err, "look_pool");
        assert_true(strlen(err.text) > 0);
        expect_code(recycle(rig, name, &err), ERR_NOT_FOUND, &err, "recycle");
        expect_code(start(rig, name, &err), ERR_NOT_FOUND, &err, "start");
        expect_code(stop(rig, name, &err), ERR_NOT_FOUND, &err, "stop");
        expect_code(set_autostart(rig, name, false, &err), ERR_NOT_FOUND, &err, "set");
        expect_code(rig->driver->ops->probe(rig->driver, name, ENOUGH_MS, &probe, &err),
                    ERR_NOT_FOUND, &err, "probe");
    }
    struct rig_acts acts = rig->ops->acts(rig, rig->pool);
    struct driver_view view;
    look_pool(rig, rig->pool, &view);
    assert_true(view.pools[0].auto_start);
    assert_int_equal(view.worker_count, 1);
    assert_int_equal(rig->ops->acts(rig, rig->pool).stops, acts.stops);
    driver_view_reset(&view);
}

static void recycle_of(struct rig *rig, const char *pool, size_t count)
{
    struct driver_view before;
    struct error err;
    struct rig_acts acts = rig->ops->acts(rig, pool);
    look_pool(rig, pool, &before);
    assert_int_equal(before.worker_count, count);
    expect_code(recycle(rig, pool, &err), ERR_NONE, &err, "recycle");
    wait_replaced(rig, pool, &before, count);
    assert_int_equal(rig->ops->acts(rig, pool).recycles, acts.recycles + 1);
    driver_view_reset(&before);
}

static void recycle_replaces_the_worker_once(void **state)
{
    struct rig *rig = *state;
    recycle_of(rig, rig->pool, 1);
}

static void recycle_replaces_a_whole_garden(void **state)
{
    struct rig *rig = *state;
    if (!rig->garden)
        skip();
    recycle_of(rig, rig->garden, rig->garden_size);
}

static void names_of_any_kind_work_all_the_way(void **state)
{
    struct rig *rig = *state;
    recycle_of(rig, rig->odd, 1);
    if (rig->foreign)
        recycle_of(rig, rig->foreign, 1);
}

static void recycle_of_an_idle_pool_starts_nothing(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct error err;
    if (!rig->idle)
        skip();
    enum error_code code = recycle(rig, rig->idle, &err);
    if (code != ERR_STATE)
        expect_code(code, ERR_NONE, &err, "recycle of an idle pool");
    look_pool(rig, rig->idle, &view);
    assert_int_equal(view.pools[0].state, POOL_STATE_STARTED);
    assert_int_equal(view.worker_count, 0);
    driver_view_reset(&view);
    if (disturb(rig, IDLE_REFUSED))
        expect_code(recycle(rig, rig->idle, &err), ERR_STATE, &err, "refused recycle");
}

static void stopped_pool_is_stopped_before_the_call_returns(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct error err;
    struct rig_acts acts = rig->ops->acts(rig, rig->pool);
    expect_code(stop(rig, rig->pool, &err), ERR_NONE, &err, "stop");
    look_pool(rig, rig->pool, &view);
    assert_int_equal(view.pools[0].state, POOL_STATE_STOPPED);
    assert_int_equal(view.worker_count, 0);
    driver_view_reset(&view);
    expect_code(stop(rig, rig->pool, &err), ERR_EXISTS, &err, "second stop");
    assert_int_equal(rig->ops->acts(rig, rig->pool).stops, acts.stops + 1);
}

static void stopped_pool_is_not_recycled(void **state)
{
    struct rig *rig = *state;
    struct error err;
    expect_code(stop(rig, rig->pool, &err), ERR_NONE, &err, "stop");
    struct rig_acts acts = rig->ops->acts(rig, rig->pool);
    expect_code(recycle(rig, rig->pool, &err), ERR_STATE, &err, "recycle");
    expect_state(rig, rig->pool, POOL_STATE_STOPPED);
    assert_int_equal(rig->ops->acts(rig, rig->pool).recycles, acts.recycles);
}

static void pool_is_started_once(void **state)
{
    struct rig *rig = *state;
    struct driver_view nobody = {0};
    struct error err;
    expect_code(start(rig, rig->pool, &err), ERR_EXISTS, &err, "start of a started pool");
    expect_code(stop(rig, rig->pool, &err), ERR_NONE, &err, "stop");
    struct rig_acts acts = rig->ops->acts(rig, rig->pool);
    expect_code(start(rig, rig->pool, &err), ERR_NONE, &err, "start");
    wait_replaced(rig, rig->pool, &nobody, 1);
    expect_state(rig, rig->pool, POOL_STATE_STARTED);
    assert_int_equal(rig->ops->acts(rig, rig->pool).starts, acts.starts + 1);
}

static void autostart_is_kept_and_makes_a_look_due(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct error err;
    expect_code(rig->driver->ops->look(rig->driver, ENOUGH_MS, &view, &err), ERR_NONE, &err,
                "look");
    driver_view_reset(&view);
    assert_false(rig->driver->ops->changed(rig->driver));
    expect_code(set_autostart(rig, rig->pool, false, &err), ERR_NONE, &err, "set");
    assert_true(rig->driver->ops->changed(rig->driver));
    look_pool(rig, rig->pool, &view);
    assert_false(view.pools[0].auto_start);
    assert_int_equal(view.pools[0].state, POOL_STATE_STARTED);
    driver_view_reset(&view);
    expect_code(set_autostart(rig, rig->pool, true, &err), ERR_NONE, &err, "set");
    look_pool(rig, rig->pool, &view);
    assert_true(view.pools[0].auto_start);
    driver_view_reset(&view);
}

static void requests_are_counted_while_they_run(void **state)
{
    struct rig *rig = *state;
    struct error err;
    uint32_t count = 0;
    rig->ops->request(rig, 60000);
    expect_code(rig->driver->ops->requests(rig->driver, rig->pool, ENOUGH_MS, &count, &err),
                ERR_NONE, &err, "requests");
    assert_int_equal(count, 1);
    if (!rig->garden)
        return;
    expect_code(rig->driver->ops->requests(rig->driver, rig->garden, ENOUGH_MS, &count, &err),
                ERR_NONE, &err, "requests of another pool");
    assert_int_equal(count, 0);
}

static void requests_that_cannot_be_listed_are_not_none(void **state)
{
    struct rig *rig = *state;
    struct error err;
    uint32_t count = 77;
    if (!disturb(rig, NO_REQUEST_LIST))
        skip();
    expect_code(rig->driver->ops->requests(rig->driver, rig->pool, ENOUGH_MS, &count, &err),
                ERR_UNAVAILABLE, &err, "requests without the feature");
    rig->ops->reset(rig);
    if (disturb(rig, NO_REQUEST_ANSWER))
        expect_code(rig->driver->ops->requests(rig->driver, rig->pool, ENOUGH_MS, &count, &err),
                    ERR_UNAVAILABLE, &err, "an empty list of requests");
    assert_int_equal(count, 77);
}

/* ---- probes ---- */

static struct driver_probe probe(struct rig *rig)
{
    struct driver_probe probe;
    struct error err;
    expect_code(rig->driver->ops->probe(rig->driver, rig->pool, ENOUGH_MS, &probe, &err), ERR_NONE,
                &err, "probe");
    return probe;
}

static void probe_tells_good_bad_and_no_answers_apart(void **state)
{
    struct rig *rig = *state;
    struct driver_probe seen = probe(rig);
    if (!seen.passed)
        fail_msg("%s", seen.detail);
    assert_true(seen.answered);
    if (disturb(rig, POOL_FAILS)) {
        seen = probe(rig);
        assert_true(seen.answered);
        assert_false(seen.passed);
        assert_int_equal(seen.status, 500);
    }
    rig->ops->reset(rig);
    if (disturb(rig, SITE_GONE)) {
        seen = probe(rig);
        assert_false(seen.answered);
        assert_false(seen.passed);
        assert_int_equal(seen.status, 0);
    }
}

static void probe_of_a_stopped_pool_does_not_pass(void **state)
{
    struct rig *rig = *state;
    struct error err;
    expect_code(stop(rig, rig->pool, &err), ERR_NONE, &err, "stop");
    assert_false(probe(rig).passed);
}

/* ---- disturbed ---- */

/* What each call makes of a disturbance, and whether the world was really changed by it. ANY: the
 * caller is told that it is not known. */
static const struct expectation {
    enum disturbance what;
    const char *name;
    enum error_code look_pool, recycle, set;
    uint32_t recycled; /* how often, by the world's count */
} expectations[] = {
    {TOOL_SLOW, "slow tool", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {TOOL_MARK, "byte-order mark", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {TOOL_CRLF, "CR LF", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {TOOL_WIDE, "UTF-16", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {TOOL_HALF, "half a document", ERR_CORRUPT, ERR_NONE, ERR_NONE, 1},
    {TOOL_GARBAGE, "garbage", ERR_CORRUPT, ERR_NONE, ERR_NONE, 1},
    {TOOL_EMPTY, "no output", ERR_NOT_FOUND, ERR_NONE, ERR_NONE, 1},
    {TOOL_NOTHING, "nothing matched", ERR_NOT_FOUND, ERR_INVALID, ERR_INVALID, ANY},
    {TOOL_HUGE, "64 MB", ERR_CORRUPT, ERR_CORRUPT, ERR_CORRUPT, ANY},
    {LANGUAGE_OEM, "OEM language", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {LANGUAGE_ANSI, "ANSI language", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {LANGUAGE_WIDE, "UTF-16 language", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {LANGUAGE_UTF8, "UTF-8 language", ERR_NONE, ERR_NONE, ERR_NONE, 1},
    {ACCESS_DENIED, "access denied", ERR_DENIED, ERR_DENIED, ERR_DENIED, 0},
    {CONFIG_BROKEN, "broken configuration", ERR_CORRUPT, ERR_CORRUPT, ERR_CORRUPT, 0},
};

static void expect_no_secret(struct rig *rig, const char *text)
{
    if (rig->ops->tells_secret(rig, text))
        fail_msg("the secret is in: %s", text);
}

static void try_expectation(struct rig *rig, const struct expectation *e)
{
    struct driver_view view;
    struct error err = {0};
    rig->ops->reset(rig);
    struct rig_acts acts = rig->ops->acts(rig, rig->pool);
    if (!disturb(rig, e->what))
        return;
    enum error_code code =
        rig->driver->ops->look_pool(rig->driver, rig->pool, ENOUGH_MS, &view, &err);
    expect_code(code, e->look_pool, &err, e->name);
    expect_no_secret(rig, err.text);
    if (!code) {
        assert_string_equal(view.pools[0].name, rig->pool);
        assert_int_equal(view.pools[0].state, POOL_STATE_STARTED);
        assert_string_equal(view.trouble, "");
        driver_view_reset(&view);
    }
    expect_code(recycle(rig, rig->pool, &err), e->recycle, &err, e->name);
    expect_no_secret(rig, err.text);
    uint32_t recycled = rig->ops->acts(rig, rig->pool).recycles - acts.recycles;
    if (e->recycled != ANY && recycled != e->recycled)
        fail_msg("%s: recycled %u times", e->name, recycled);
    expect_code(set_autostart(rig, rig->pool, true, &err), e->set, &err, e->name);
    expect_no_secret(rig, err.text);
    code = rig->driver->ops->look(rig->driver, ENOUGH_MS, &view, &err);
    expect_code(code, ERR_NONE, &err, e->name);
    expect_no_secret(rig, view.trouble);
    assert_true(view.workers_known);
    bool silent = e->look_pool == ERR_NONE || e->look_pool == ERR_NOT_FOUND;
    if (view.pools_known != silent || (view.trouble[0] == '\0') != silent)
        fail_msg("%s: pools known %d, trouble \"%s\"", e->name, view.pools_known, view.trouble);
    driver_view_reset(&view);
}

static void disturbances_are_told_as_what_they_are(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
        try_expectation(rig, &expectations[i]);
}

static void names_survive_every_language(void **state)
{
    struct rig *rig = *state;
    static const enum disturbance languages[] = {LANGUAGE_OEM, LANGUAGE_ANSI, LANGUAGE_WIDE,
                                                 LANGUAGE_UTF8};
    for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
        struct driver_view view;
        struct error err;
        rig->ops->reset(rig);
        if (!disturb(rig, languages[i]))
            continue;
        expect_code(rig->driver->ops->look(rig->driver, ENOUGH_MS, &view, &err), ERR_NONE, &err,
                    "look");
        if (!find_pool(&view, rig->odd))
            fail_msg("%s was not found in language %zu", rig->odd, i);
        driver_view_reset(&view);
        recycle_of(rig, rig->odd, 1);
        expect_code(recycle(rig, NOBODY, &err), ERR_NOT_FOUND, &err, "unknown pool");
    }
}

static uint64_t late(uint64_t began_ms)
{
    uint64_t took = clock_boot_ms() - began_ms;
    return took > SHORT_MS ? took - SHORT_MS : 0;
}

static void expect_deadlines(struct rig *rig, bool acts_too)
{
    const struct driver_ops *ops = rig->driver->ops;
    struct driver_view view;
    struct error err;
    uint64_t began = clock_boot_ms();
    enum error_code code = ops->look(rig->driver, SHORT_MS, &view, &err);
    assert_true(late(began) < LATE_MS);
    if (code == ERR_NONE) {
        assert_true(view.workers_known);
        assert_true(view.pools_known || view.trouble[0] != '\0');
        driver_view_reset(&view);
    }
    if (!acts_too)
        return;
    began = clock_boot_ms();
    expect_code(ops->look_pool(rig->driver, rig->pool, SHORT_MS, &view, &err), ERR_TIMEOUT, &err,
                "look_pool");
    assert_true(late(began) < LATE_MS);
    began = clock_boot_ms();
    expect_code(ops->pool_recycle(rig->driver, rig->pool, SHORT_MS, &err), ERR_TIMEOUT, &err,
                "recycle");
    assert_true(late(began) < LATE_MS);
    began = clock_boot_ms();
    expect_code(ops->pool_stop(rig->driver, rig->pool, SHORT_MS, &err), ERR_TIMEOUT, &err, "stop");
    assert_true(late(began) < LATE_MS);
    began = clock_boot_ms();
    expect_code(ops->pool_set_autostart(rig->driver, rig->pool, true, SHORT_MS, &err), ERR_TIMEOUT,
                &err, "set");
    assert_true(late(began) < LATE_MS);
}

/* Told, changed, told again, and back; a change may recycle the pool. */
static void settings_are_changed_and_put_back(void **state)
{
    struct rig *rig = *state;
    const struct driver_ops *ops = rig->driver->ops;
    struct error err;
    char before[WIRE_TEXT_MAX] = "", after[WIRE_TEXT_MAX] = "";
    if (!ops->pool_settings)
        skip();
    expect_code(ops->pool_settings(rig->driver, rig->pool, ENOUGH_MS, before, sizeof(before), &err),
                ERR_NONE, &err, "settings");
    assert_non_null(strstr(before, "startMode=AlwaysRunning"));
    const char *app = strstr(before, "preloadEnabled[");
    assert_non_null(app);
    const char *section = strstr(before, "doAppInitAfterRestart[");
    assert_non_null(section);
    char change[WIRE_TEXT_MAX], back[WIRE_TEXT_MAX];
    int app_len = (int)(strchr(app, '=') - app);
    int section_len = (int)(strchr(section, '=') - section);
    bool warms = section[section_len + 1] == 't'; /* not set anywhere: IIS' own false */
    text_format(change, sizeof(change),
                "startMode=OnDemand;processModel.startupTimeLimit=00:05:00;%.*s=false;%.*s=%s",
                app_len, app, section_len, section, warms ? "false" : "true");
    text_format(back, sizeof(back),
                "startMode=AlwaysRunning;processModel.startupTimeLimit=00:01:30;%.*s=true;%.*s=%s",
                app_len, app, section_len, section, warms ? "true" : "false");
    expect_code(ops->pool_configure(rig->driver, rig->pool, change, ENOUGH_MS, &err), ERR_NONE,
                &err, "configure");
    expect_code(ops->pool_settings(rig->driver, rig->pool, ENOUGH_MS, after, sizeof(after), &err),
                ERR_NONE, &err, "settings");
    assert_non_null(strstr(after, "startMode=OnDemand"));
    assert_non_null(strstr(after, "startupTimeLimit=00:05:00"));
    for (const char *one = change + strlen("startMode=OnDemand;"); one; one = strchr(one, ';')) {
        one += *one == ';';
        char set[WIRE_TEXT_MAX];
        text_format(set, sizeof(set), "%.*s", (int)strcspn(one, ";"), one);
        assert_non_null(strstr(after, set));
    }
    expect_code(ops->pool_configure(rig->driver, rig->pool, back, ENOUGH_MS, &err), ERR_NONE, &err,
                "configure");
    expect_code(ops->pool_settings(rig->driver, rig->pool, ENOUGH_MS, after, sizeof(after), &err),
                ERR_NONE, &err, "settings");
    assert_string_equal(after, before);
    expect_code(ops->pool_configure(rig->driver, rig->pool, "queueLength=5", ENOUGH_MS, &err),
                ERR_INVALID, &err, "configure");
    expect_code(
        ops->pool_settings(rig->driver, "No such pool", ENOUGH_MS, after, sizeof(after), &err),
        ERR_NOT_FOUND, &err, "settings");
}

static void deadlines_hold_when_the_tool_hangs(void **state)
{
    struct rig *rig = *state;
    if (!disturb(rig, TOOL_HANGS))
        skip();
    expect_deadlines(rig, true);
}

static void deadlines_hold_when_the_manager_hangs(void **state)
{
    struct rig *rig = *state;
    struct error err;
    if (!disturb(rig, MANAGER_HANGS))
        skip();
    expect_deadlines(rig, false);
    uint64_t began = clock_boot_ms();
    enum error_code code = rig->driver->ops->pool_recycle(rig->driver, rig->pool, SHORT_MS, &err);
    expect_code(code, ERR_TIMEOUT, &err, "recycle");
    assert_true(late(began) < LATE_MS);
}

static void locked_configuration_is_busy_and_only_for_changes(void **state)
{
    struct rig *rig = *state;
    struct error err;
    if (!disturb(rig, CONFIG_LOCKED))
        skip();
    uint64_t began = clock_boot_ms();
    expect_code(
        rig->driver->ops->pool_set_autostart(rig->driver, rig->pool, false, LOCKED_MS, &err),
        ERR_BUSY, &err, "set");
    assert_true(clock_boot_ms() - began < LOCKED_MS + LATE_MS);
    struct driver_view view;
    look_pool(rig, rig->pool, &view);
    assert_true(view.pools[0].auto_start);
    driver_view_reset(&view);
    recycle_of(rig, rig->pool, 1);
}

/* Two changes at once would collide, and the loser's would be lost: the second waits its time, and
 * nothing of it is done. */
static void configuration_is_changed_by_one_of_us_at_a_time(void **state)
{
    struct rig *rig = *state;
    struct error err;
    if (!disturb(rig, CONFIG_HELD))
        skip();
    uint64_t began = clock_boot_ms();
    expect_code(rig->driver->ops->pool_set_autostart(rig->driver, rig->pool, false, SHORT_MS, &err),
                ERR_BUSY, &err, "set");
    assert_true(late(began) < LATE_MS);
    recycle_of(rig, rig->pool, 1); /* that changes no configuration */
    rig->ops->reset(rig);
    struct driver_view view;
    look_pool(rig, rig->pool, &view);
    assert_true(view.pools[0].auto_start);
    driver_view_reset(&view);
    expect_code(set_autostart(rig, rig->pool, true, &err), ERR_NONE, &err, "set");
}

static void manager_that_is_down_is_told_and_never_guessed(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct error err;
    expect_code(rig->driver->ops->look(rig->driver, ENOUGH_MS, &view, &err), ERR_NONE, &err,
                "look");
    driver_view_reset(&view);
    struct rig_acts acts = rig->ops->acts(rig, rig->pool);
    if (!disturb(rig, MANAGER_DOWN))
        skip();
    assert_true(rig->driver->ops->changed(rig->driver));
    expect_code(recycle(rig, rig->pool, &err), ERR_UNAVAILABLE, &err, "recycle");
    expect_code(start(rig, rig->pool, &err), ERR_UNAVAILABLE, &err, "start");
    assert_int_equal(rig->ops->acts(rig, rig->pool).recycles, acts.recycles);
    expect_code(rig->driver->ops->look(rig->driver, ENOUGH_MS, &view, &err), ERR_NONE, &err,
                "look");
    assert_true(view.services_known);
    for (size_t i = 0; i < view.service_count; i++)
        if (text_equal(view.services[i].name, "WAS"))
            assert_int_equal(view.services[i].state, SVC_STOPPED);
    const struct pool *pool = find_pool(&view, rig->pool);
    if (view.pools_known)
        assert_int_equal(pool->state, POOL_STATE_UNKNOWN);
    assert_int_equal(workers_of(&view, rig->pool), 0);
    driver_view_reset(&view);
    assert_false(probe(rig).passed);
}

/* On a busy machine the time may be over before the tool has said anything to the manager: then it
 * is given more, still less than the worker takes. */
static void stop_in_too_short_a_time(struct rig *rig, const struct driver_view *before)
{
    struct driver_view view;
    struct error err;
    bool said = false;
    for (uint64_t limit_ms = SHORT_MS; !said; limit_ms *= 2) {
        uint64_t began = clock_boot_ms();
        assert_true(limit_ms < rig->stop_limit_ms);
        expect_code(rig->driver->ops->pool_stop(rig->driver, rig->pool, limit_ms, &err),
                    ERR_TIMEOUT, &err, "stop with a short deadline");
        assert_true(clock_boot_ms() - began < limit_ms + LATE_MS);
        look_pool(rig, rig->pool, &view);
        assert_true(has_worker(&view, &before->workers[0]));
        said = view.pools[0].state != POOL_STATE_STARTED;
        driver_view_reset(&view);
    }
}

static void worker_that_stays_is_waited_for(void **state)
{
    struct rig *rig = *state;
    struct driver_view before;
    struct error err;
    if (!disturb(rig, WORKER_STAYS))
        skip();
    look_pool(rig, rig->pool, &before);
    stop_in_too_short_a_time(rig, &before);
    enum error_code code = start(rig, rig->pool, &err); /* in transition: nothing was done */
    expect_code(code, ERR_BUSY, &err, "start of a stopping pool");
    wait_replaced(rig, rig->pool, &before, 0);
    expect_state(rig, rig->pool, POOL_STATE_STOPPED);
    driver_view_reset(&before);
}

static void stop_lasts_until_the_limit_of_a_stubborn_worker(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct error err;
    if (!disturb(rig, WORKER_STAYS))
        skip();
    uint64_t began = clock_boot_ms();
    expect_code(stop(rig, rig->pool, &err), ERR_NONE, &err, "stop");
    assert_true(clock_boot_ms() - began + 500 >= rig->stop_limit_ms);
    look_pool(rig, rig->pool, &view);
    assert_int_equal(view.pools[0].state, POOL_STATE_STOPPED);
    assert_int_equal(view.worker_count, 0);
    driver_view_reset(&view);
}

/* ---- secrets ---- */

static void no_copy_of_the_secret_is_left_in_memory(void **state)
{
    struct rig *rig = *state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)rig;
    skip(); /* freed memory is kept apart there, and terabytes of shadow would be searched */
#else
    if (!rig->memory_tells)
        skip();
    static const enum disturbance outputs[] = {TOOL_CRLF, TOOL_MARK, TOOL_HALF, TOOL_WIDE,
                                               LANGUAGE_OEM};
    for (size_t i = 0; i <= sizeof(outputs) / sizeof(outputs[0]); i++) {
        struct driver_view view;
        struct error err;
        if (i > 0 && !disturb(rig, outputs[i - 1]))
            continue;
        if (rig->driver->ops->look(rig->driver, ENOUGH_MS, &view, &err) == ERR_NONE)
            driver_view_reset(&view);
        if (rig->driver->ops->look_pool(rig->driver, rig->pool, ENOUGH_MS, &view, &err) == ERR_NONE)
            driver_view_reset(&view);
        char settings[WIRE_TEXT_MAX];
        if (rig->driver->ops->pool_settings)
            rig->driver->ops->pool_settings(rig->driver, rig->pool, ENOUGH_MS, settings,
                                            sizeof(settings), &err);
        char *found = rig->ops->secret_in_memory(rig);
        if (found)
            fail_msg("after output %zu: %s", i, found);
    }
#endif
}

#define ON_RIG(test) cmocka_unit_test_setup(test, reset_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_RIG(look_shows_the_whole_server),
        ON_RIG(workers_are_known_by_pid_and_creation_time),
        ON_RIG(name_is_found_whatever_its_case),
        ON_RIG(pool_that_is_not_there_is_not_found),
        ON_RIG(recycle_replaces_the_worker_once),
        ON_RIG(recycle_replaces_a_whole_garden),
        ON_RIG(names_of_any_kind_work_all_the_way),
        ON_RIG(recycle_of_an_idle_pool_starts_nothing),
        ON_RIG(stopped_pool_is_stopped_before_the_call_returns),
        ON_RIG(stopped_pool_is_not_recycled),
        ON_RIG(pool_is_started_once),
        ON_RIG(autostart_is_kept_and_makes_a_look_due),
        ON_RIG(requests_are_counted_while_they_run),
        ON_RIG(requests_that_cannot_be_listed_are_not_none),
        ON_RIG(probe_tells_good_bad_and_no_answers_apart),
        ON_RIG(probe_of_a_stopped_pool_does_not_pass),
        ON_RIG(disturbances_are_told_as_what_they_are),
        ON_RIG(names_survive_every_language),
        ON_RIG(settings_are_changed_and_put_back),
        ON_RIG(deadlines_hold_when_the_tool_hangs),
        ON_RIG(deadlines_hold_when_the_manager_hangs),
        ON_RIG(locked_configuration_is_busy_and_only_for_changes),
        ON_RIG(configuration_is_changed_by_one_of_us_at_a_time),
        ON_RIG(manager_that_is_down_is_told_and_never_guessed),
        ON_RIG(worker_that_stays_is_waited_for),
        ON_RIG(stop_lasts_until_the_limit_of_a_stubborn_worker),
        ON_RIG(no_copy_of_the_secret_is_left_in_memory),
    };
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
