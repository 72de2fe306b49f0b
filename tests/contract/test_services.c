/* What every driver with services promises (agent/driver.h), tried on a rig: each act with its
 * codes, judged by what the world counts; and the figures and events it tells. */
#include "agent/services.h"
#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"
#include "proto/events.h"
#include "tests/contract/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ENOUGH_MS 20000 /* for anything that should work; a busy machine is no failure */
#define SHORT_MS  700   /* a deadline that has to pass */
#define LATE_MS   10000 /* how much later a call may return on a busy machine */

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

static void expect_code(enum error_code code, enum error_code expected, const struct error *err,
                        const char *what)
{
    if (code != expected)
        fail_msg("%s: %s instead of %s (%s)", what, error_code_name(code),
                 error_code_name(expected), code ? err->text : "");
}

static void start(struct rig *rig, const char *name, enum error_code expected)
{
    struct error err;
    expect_code(rig->driver->ops->service_start(rig->driver, name, ENOUGH_MS, &err), expected, &err,
                name);
}

static void stop(struct rig *rig, const char *name, enum error_code expected)
{
    struct error err;
    expect_code(rig->driver->ops->service_stop(rig->driver, name, ENOUGH_MS, &err), expected, &err,
                name);
}

static void await(struct rig *rig, const char *name, enum service_state wanted)
{
    struct error err;
    expect_code(rig->driver->ops->service_wait(rig->driver, name, wanted, ENOUGH_MS, &err),
                ERR_NONE, &err, name);
}

static struct driver_host host_of(struct rig *rig, const char *name)
{
    struct driver_host host;
    struct error err;
    expect_code(rig->driver->ops->service_host(rig->driver, name, ENOUGH_MS, &host, &err), ERR_NONE,
                &err, name);
    return host;
}

static bool lives_in(const struct driver_host *host, const char *name)
{
    for (size_t i = 0; i < host->lodger_count; i++)
        if (text_equal(host->lodgers[i].service, name))
            return true;
    return false;
}

static enum error_code kill_host(struct rig *rig, const char *name, const struct driver_host *host,
                                 struct error *err)
{
    return rig->driver->ops->service_kill_host(rig->driver, name, host->pid, host->created,
                                               ENOUGH_MS, err);
}

static struct services_graph look(struct rig *rig, struct driver_view *view)
{
    struct error err;
    expect_code(rig->driver->ops->look(rig->driver, ENOUGH_MS, view, &err), ERR_NONE, &err, "look");
    assert_true(view->services_known);
    return (struct services_graph){view->services, view->service_count, view->needs,
                                   view->need_count};
}

static enum service_state state_of(struct rig *rig, const char *name)
{
    struct driver_view view;
    struct services_graph graph = look(rig, &view);
    const struct service *service = services_find(&graph, name);
    assert_non_null(service);
    enum service_state state = service->state;
    driver_view_reset(&view);
    return state;
}

static void stop_and_wait(struct rig *rig, const char *name)
{
    stop(rig, name, ERR_NONE);
    await(rig, name, SVC_STOPPED);
}

/* ---- in peace ---- */

static void services_are_seen_with_who_needs_whom(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct services_graph graph = look(rig, &view);
    assert_true(services_depends(&graph, rig->services.front, rig->services.base));
    assert_true(services_depends(&graph, rig->services.dependent, rig->services.base));
    assert_false(services_depends(&graph, rig->services.base, rig->services.front));
    const struct service *base = services_find(&graph, rig->services.base);
    assert_int_equal(base->state, SVC_RUNNING);
    assert_int_not_equal(base->pid, 0);
    driver_view_reset(&view);
}

static void all_are_stopped_in_order_and_started_again(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct services_graph graph = look(rig, &view);
    struct rig_service_acts before = rig->ops->service_acts(rig, rig->services.base);
    struct services_order stops = services_stop_order(&graph, &rig->services.base, 1);
    struct services_order starts = services_start_order(&graph, stops.names, stops.count);
    assert_int_equal(stops.count, 3);
    for (size_t i = 0; i < stops.count; i++)
        stop_and_wait(rig, stops.names[i]);
    assert_int_equal(state_of(rig, rig->services.base), SVC_STOPPED);
    for (size_t i = 0; i < starts.count; i++) {
        start(rig, starts.names[i], ERR_NONE);
        await(rig, starts.names[i], SVC_RUNNING);
    }
    struct rig_service_acts after = rig->ops->service_acts(rig, rig->services.base);
    assert_int_equal(after.stops, before.stops + 1);
    assert_int_equal(after.starts, before.starts + 1);
    assert_int_equal(after.died, before.died);
    driver_view_reset(&view);
}

static void start_brings_up_what_is_needed(void **state)
{
    struct rig *rig = *state;
    stop_and_wait(rig, rig->services.front);
    stop_and_wait(rig, rig->services.dependent);
    stop_and_wait(rig, rig->services.base);
    start(rig, rig->services.front, ERR_NONE);
    await(rig, rig->services.front, SVC_RUNNING);
    assert_int_equal(state_of(rig, rig->services.base), SVC_RUNNING);
}

static void what_is_so_already_is_told(void **state)
{
    struct rig *rig = *state;
    start(rig, rig->services.front, ERR_EXISTS);
    stop_and_wait(rig, rig->services.front);
    stop(rig, rig->services.front, ERR_EXISTS);
}

static void service_that_others_need_is_not_stopped(void **state)
{
    struct rig *rig = *state;
    struct rig_service_acts before = rig->ops->service_acts(rig, rig->services.base);
    stop(rig, rig->services.base, ERR_STATE);
    assert_int_equal(state_of(rig, rig->services.base), SVC_RUNNING);
    assert_int_equal(rig->ops->service_acts(rig, rig->services.base).stops, before.stops);
}

static void service_that_is_not_there_is_not_found(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"No such service", "", "../x", "--json", "a/b"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct driver_ops *ops = rig->driver->ops;
        struct driver_host host;
        start(rig, names[i], ERR_NOT_FOUND);
        stop(rig, names[i], ERR_NOT_FOUND);
        struct error err;
        expect_code(ops->service_wait(rig->driver, names[i], SVC_RUNNING, ENOUGH_MS, &err),
                    ERR_NOT_FOUND, &err, "wait");
        expect_code(ops->service_host(rig->driver, names[i], ENOUGH_MS, &host, &err), ERR_NOT_FOUND,
                    &err, "host");
        expect_code(ops->service_set_start(rig->driver, names[i], SVC_START_AUTO, ENOUGH_MS, &err),
                    ERR_NOT_FOUND, &err, "set_start");
    }
}

static void disabled_service_is_not_started(void **state)
{
    struct rig *rig = *state;
    const struct driver_ops *ops = rig->driver->ops;
    struct error err;
    stop_and_wait(rig, rig->services.dependent);
    expect_code(ops->service_set_start(rig->driver, rig->services.dependent, SVC_START_DISABLED,
                                       ENOUGH_MS, &err),
                ERR_NONE, &err, "disable");
    start(rig, rig->services.dependent, ERR_STATE);
    struct driver_view view;
    struct services_graph graph = look(rig, &view);
    assert_int_equal(services_find(&graph, rig->services.dependent)->start, SVC_START_DISABLED);
    driver_view_reset(&view);
    expect_code(ops->service_set_start(rig->driver, rig->services.dependent, SVC_START_AUTO,
                                       ENOUGH_MS, &err),
                ERR_NONE, &err, "enable");
    start(rig, rig->services.dependent, ERR_NONE);
    await(rig, rig->services.dependent, SVC_RUNNING);
}

/* ---- the host process ---- */

static void lodgers_of_a_process_are_known(void **state)
{
    struct rig *rig = *state;
    struct driver_host base = host_of(rig, rig->services.base);
    assert_int_not_equal(base.pid, 0);
    assert_true(lives_in(&base, rig->services.base));
    assert_int_equal(lives_in(&base, rig->services.front), rig->shares_process);
    assert_false(lives_in(&base, rig->services.dependent));
    assert_false(lives_in(&base, rig->services.lodger)); /* it is stopped */
    assert_int_equal(services_judge_host(&base, NULL, 0), SERVICES_HOST_OURS);
    stop_and_wait(rig, rig->services.dependent);
    assert_int_equal(host_of(rig, rig->services.dependent).pid, 0);
}

static void process_of_a_stranger_is_never_killed(void **state)
{
    struct rig *rig = *state;
    struct error err;
    if (!rig->shares_process)
        skip();
    start(rig, rig->services.lodger, ERR_NONE);
    await(rig, rig->services.lodger, SVC_RUNNING);
    struct driver_host host = host_of(rig, rig->services.base);
    assert_true(lives_in(&host, rig->services.lodger));
    expect_code(kill_host(rig, rig->services.base, &host, &err), ERR_STATE, &err, "kill");
    assert_non_null(strstr(err.text, rig->services.lodger));
    struct os_process process;
    assert_int_equal(os_process_find(host.pid, &process, NULL), ERR_NONE);
    assert_int_equal(process.created, host.created);
}

static void another_process_is_never_killed(void **state)
{
    struct rig *rig = *state;
    struct error err;
    struct driver_host host = host_of(rig, rig->services.base), wrong = host;
    wrong.created++;
    expect_code(kill_host(rig, rig->services.base, &wrong, &err), ERR_STATE, &err, "other time");
    wrong = host_of(rig, rig->services.dependent);
    expect_code(kill_host(rig, rig->services.base, &wrong, &err), ERR_STATE, &err, "other process");
    assert_int_equal(rig->ops->service_acts(rig, rig->services.dependent).died, 0);
    assert_int_equal(host_of(rig, rig->services.base).pid, host.pid);
}

/* The way of every recovery: a stop that hangs, the deadline, the kill, the start. */
static void service_that_hangs_in_its_stop_is_killed_and_started(void **state)
{
    struct rig *rig = *state;
    struct error err;
    if (!rig->ops->disturb(rig, SERVICE_STAYS))
        skip();
    struct rig_service_acts before = rig->ops->service_acts(rig, rig->services.base);
    stop_and_wait(rig, rig->services.front);
    stop_and_wait(rig, rig->services.dependent);
    stop(rig, rig->services.base, ERR_NONE);
    uint64_t began = clock_boot_ms();
    expect_code(rig->driver->ops->service_wait(rig->driver, rig->services.base, SVC_STOPPED,
                                               SHORT_MS, &err),
                ERR_TIMEOUT, &err, "wait");
    assert_true(clock_boot_ms() - began < SHORT_MS + LATE_MS);
    assert_non_null(strstr(err.text, "STOP_PENDING"));
    stop(rig, rig->services.base, ERR_BUSY);
    struct driver_host host = host_of(rig, rig->services.base);
    expect_code(kill_host(rig, rig->services.base, &host, &err), ERR_NONE, &err, "kill");
    await(rig, rig->services.base, SVC_STOPPED);
    expect_code(kill_host(rig, rig->services.base, &host, &err), ERR_EXISTS, &err, "kill again");
    start(rig, rig->services.front, ERR_NONE);
    await(rig, rig->services.front, SVC_RUNNING);
    assert_int_equal(state_of(rig, rig->services.base), SVC_RUNNING);
    assert_int_equal(rig->ops->service_acts(rig, rig->services.base).died, before.died + 1);
}

/* ---- in trouble ---- */

static void refusals_are_told_as_what_they_are(void **state)
{
    struct rig *rig = *state;
    if (rig->ops->disturb(rig, SERVICE_REFUSES))
        stop(rig, rig->services.front, ERR_BUSY);
    rig->ops->reset(rig);
    if (rig->ops->disturb(rig, SERVICE_DENIED)) {
        stop(rig, rig->services.front, ERR_DENIED);
        start(rig, rig->services.lodger, ERR_DENIED);
    }
    rig->ops->reset(rig);
    if (rig->ops->disturb(rig, SERVICES_LOCKED))
        start(rig, rig->services.lodger, ERR_BUSY);
    assert_int_equal(state_of(rig, rig->services.front), SVC_RUNNING);
    assert_int_equal(state_of(rig, rig->services.base), SVC_RUNNING);
}

static void start_that_fails_is_told_with_its_code(void **state)
{
    struct rig *rig = *state;
    const struct driver_ops *ops = rig->driver->ops;
    struct error err;
    stop_and_wait(rig, rig->services.front);
    stop_and_wait(rig, rig->services.dependent);
    stop_and_wait(rig, rig->services.base);
    if (!rig->ops->disturb(rig, SERVICE_FAILS))
        skip();
    start(rig, rig->services.base, ERR_NONE);
    uint64_t began = clock_boot_ms();
    expect_code(ops->service_wait(rig->driver, rig->services.base, SVC_RUNNING, ENOUGH_MS, &err),
                ERR_STATE, &err, "wait");
    assert_true(clock_boot_ms() - began < ENOUGH_MS);
    assert_non_null(strstr(err.text, "1066"));
    start(rig, rig->services.front, ERR_BUSY); /* what it needs did not start */
}

/* ---- workers ---- */

static void worker_is_killed_by_its_identity_alone(void **state)
{
    struct rig *rig = *state;
    const struct driver_ops *ops = rig->driver->ops;
    struct driver_view view;
    struct error err;
    struct os_process process;
    expect_code(ops->look_pool(rig->driver, rig->pool, ENOUGH_MS, &view, &err), ERR_NONE, &err,
                "look");
    assert_int_equal(view.worker_count, 1);
    uint32_t pid = view.workers[0].pid;
    uint64_t created = view.workers[0].created;
    driver_view_reset(&view);
    expect_code(ops->worker_kill(rig->driver, rig->pool, pid, created + 1, &err), ERR_NOT_FOUND,
                &err, "another time");
    expect_code(ops->worker_kill(rig->driver, rig->odd, pid, created, &err), ERR_NOT_FOUND, &err,
                "another pool");
    struct driver_host host = host_of(rig, rig->services.base);
    expect_code(ops->worker_kill(rig->driver, "", host.pid, host.created, &err), ERR_NOT_FOUND,
                &err, "no worker");
    assert_int_equal(os_process_find(pid, &process, NULL), ERR_NONE);
    expect_code(ops->worker_kill(rig->driver, rig->pool, pid, created, &err), ERR_NONE, &err,
                "kill");
    uint64_t deadline = clock_boot_ms() + ENOUGH_MS;
    while (os_process_find(pid, &process, NULL) == ERR_NONE && process.created == created)
        assert_true(clock_boot_ms() < deadline);
    expect_code(ops->worker_kill(rig->driver, rig->pool, pid, created, &err), ERR_NOT_FOUND, &err,
                "gone");
}

/* ---- figures and events ---- */

static void look_pool(struct rig *rig, struct driver_view *view)
{
    struct error err;
    expect_code(rig->driver->ops->look_pool(rig->driver, rig->pool, ENOUGH_MS, view, &err),
                ERR_NONE, &err, "look");
}

static void clock_pause(void)
{
    clock_sleep_ms(20);
}

/* The latest. */
static const struct server_event *find_event(const struct driver_view *view, const char *pool,
                                             enum event_kind kind)
{
    for (size_t i = view->event_count; i-- > 0;)
        if (text_equal(view->events[i].pool, pool) && event_kind_of(view->events[i].id) == kind)
            return &view->events[i];
    return NULL;
}

/* A beat tells it some time after it was written. */
static void event_of_a_recycle_is_told_with_its_age(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct error err;
    look_pool(rig, &view);
    bool known = view.events_known;
    size_t before = view.event_count;
    uint64_t last = before > 0 ? view.events[before - 1].record : 0;
    driver_view_reset(&view);
    if (!known)
        skip();
    uint64_t began = clock_boot_ms();
    expect_code(rig->driver->ops->pool_recycle(rig->driver, rig->pool, ENOUGH_MS, &err), ERR_NONE,
                &err, "recycle");
    for (;;) {
        enum error_code code = rig->driver->ops->workers(rig->driver, &view, &err);
        expect_code(code, ERR_NONE, &err, "workers");
        const struct server_event *event = find_event(&view, rig->pool, EVENT_RECYCLED);
        bool there = event && event->record > last;
        if (there)
            assert_true(event->age_ms <= clock_boot_ms() - began + 1000);
        driver_view_reset(&view);
        if (there)
            break;
        assert_true(clock_boot_ms() - began < ENOUGH_MS);
        clock_pause();
    }
}

static void rejected_requests_are_counted(void **state)
{
    struct rig *rig = *state;
    struct driver_view view;
    struct driver_probe probe;
    struct error err;
    expect_code(rig->driver->ops->pool_stop(rig->driver, rig->pool, ENOUGH_MS, &err), ERR_NONE,
                &err, "stop");
    look_pool(rig, &view);
    if (view.figure_count == 0)
        skip();
    int64_t before = -1, after = -1;
    for (size_t i = 0; i < view.figure_count; i++)
        before = text_equal(view.figures[i].pool, rig->pool) ? view.figures[i].rejected : before;
    driver_view_reset(&view);
    expect_code(rig->driver->ops->probe(rig->driver, rig->pool, ENOUGH_MS, &probe, &err), ERR_NONE,
                &err, "probe");
    look_pool(rig, &view);
    for (size_t i = 0; i < view.figure_count; i++)
        after = text_equal(view.figures[i].pool, rig->pool) ? view.figures[i].rejected : after;
    driver_view_reset(&view);
    assert_true(before >= 0);
    assert_int_equal(after, before + 1);
}

#define ON_RIG(test) cmocka_unit_test_setup(test, reset_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_RIG(services_are_seen_with_who_needs_whom),
        ON_RIG(all_are_stopped_in_order_and_started_again),
        ON_RIG(start_brings_up_what_is_needed),
        ON_RIG(what_is_so_already_is_told),
        ON_RIG(service_that_others_need_is_not_stopped),
        ON_RIG(service_that_is_not_there_is_not_found),
        ON_RIG(disabled_service_is_not_started),
        ON_RIG(lodgers_of_a_process_are_known),
        ON_RIG(process_of_a_stranger_is_never_killed),
        ON_RIG(another_process_is_never_killed),
        ON_RIG(service_that_hangs_in_its_stop_is_killed_and_started),
        ON_RIG(refusals_are_told_as_what_they_are),
        ON_RIG(start_that_fails_is_told_with_its_code),
        ON_RIG(event_of_a_recycle_is_told_with_its_age),
        ON_RIG(rejected_requests_are_counted),
        ON_RIG(worker_is_killed_by_its_identity_alone),
    };
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
