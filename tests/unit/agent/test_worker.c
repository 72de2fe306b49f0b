/* test_worker.c - the worker thread, over a driver of the test's own. */
#include "agent/worker.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A driver that notes what it was asked. */
struct noting {
    struct driver driver;
    struct text asked;
    struct mailbox *gate; /* recycle waits for a letter, if there is one */
};

static void note(struct driver *d, const char *what, const char *pool)
{
    text_addf(&((struct noting *)d)->asked, "%s %s\n", what, pool);
}

static enum error_code do_workers(struct driver *d, struct driver_view *out, struct error *err)
{
    (void)err;
    note(d, "workers", "");
    out->workers_known = true;
    return ERR_NONE;
}

static bool do_changed(struct driver *d)
{
    note(d, "changed", "");
    return true;
}

static enum error_code do_look(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                               struct error *err)
{
    (void)timeout_ms, (void)out, (void)err;
    note(d, "look", "");
    return ERR_NONE;
}

static enum error_code do_look_pool(struct driver *d, const char *pool, uint64_t timeout_ms,
                                    struct driver_view *out, struct error *err)
{
    (void)timeout_ms, (void)out;
    note(d, "look_pool", pool);
    return error_set(err, ERR_NOT_FOUND, "no pool %s", pool);
}

static enum error_code do_recycle(struct driver *d, const char *pool, uint64_t timeout_ms,
                                  struct error *err)
{
    struct noting *noting = (struct noting *)d;
    (void)timeout_ms, (void)err;
    if (noting->gate)
        free(mailbox_take(noting->gate, UINT64_MAX));
    note(d, "recycle", pool);
    return ERR_NONE;
}

static enum error_code do_start(struct driver *d, const char *pool, uint64_t timeout_ms,
                                struct error *err)
{
    (void)timeout_ms, (void)err;
    note(d, "start", pool);
    return ERR_NONE;
}

static enum error_code do_stop(struct driver *d, const char *pool, uint64_t timeout_ms,
                               struct error *err)
{
    (void)err;
    note(d, timeout_ms == 77 ? "stop within 77 ms" : "stop", pool);
    return ERR_NONE;
}

static enum error_code do_autostart(struct driver *d, const char *pool, bool on,
                                    uint64_t timeout_ms, struct error *err)
{
    (void)timeout_ms, (void)err;
    note(d, on ? "autostart on" : "autostart off", pool);
    return ERR_NONE;
}

static enum error_code do_probe(struct driver *d, const char *pool, uint64_t timeout_ms,
                                struct driver_probe *out, struct error *err)
{
    (void)timeout_ms, (void)err;
    note(d, "probe", pool);
    out->status = 204;
    return ERR_NONE;
}

static const struct driver_ops ops = {
    .name = "noting",
    .workers = do_workers,
    .changed = do_changed,
    .look = do_look,
    .look_pool = do_look_pool,
    .pool_recycle = do_recycle,
    .pool_start = do_start,
    .pool_stop = do_stop,
    .pool_set_autostart = do_autostart,
    .probe = do_probe,
};

static void deliver(void *arg, struct call_result *result)
{
    must(mailbox_post(arg, result));
}

static struct call call_of(enum call_kind kind)
{
    struct call call = {.kind = kind, .timeout_ms = 77, .on = true};
    text_copy(call.pool, sizeof(call.pool), "Shop");
    return call;
}

static void calls_reach_the_driver_in_order(void **state)
{
    (void)state;
    struct noting noting = {.driver = {.ops = &ops}};
    struct mailbox *results = mailbox_open(32, NULL);
    struct worker_thread *w = NULL;
    struct error err = {0};
    assert_int_equal(worker_open(&noting.driver, NULL, deliver, results, &w, &err), ERR_NONE);
    for (int kind = CALL_BEAT; kind <= CALL_PROBE; kind++) {
        struct call call = call_of((enum call_kind)kind);
        worker_give(w, &call);
    }
    for (int kind = CALL_BEAT; kind <= CALL_PROBE; kind++) {
        struct call_result *result = mailbox_take(results, UINT64_MAX);
        assert_non_null(result);
        assert_int_equal(result->call.kind, kind);
        if (kind == CALL_BEAT)
            assert_true(result->changed && result->view.workers_known);
        if (kind == CALL_BEAT || kind == CALL_LOOK)
            assert_true(result->host.processors > 0);
        if (kind == CALL_LOOK_POOL) {
            assert_int_equal(result->code, ERR_NOT_FOUND);
            assert_string_equal(result->text, "no pool Shop");
        }
        if (kind == CALL_PROBE)
            assert_int_equal(result->probe.status, 204);
        worker_result_free(result);
    }
    worker_close(w);
    assert_string_equal(text_get(&noting.asked),
                        "changed \nworkers \nlook \nlook_pool Shop\nrecycle Shop\nstart Shop\n"
                        "stop within 77 ms Shop\nautostart on Shop\nprobe Shop\n");
    mailbox_close(results);
    text_reset(&noting.asked);
}

static void host_figures_are_read_once_a_second(void **state)
{
    (void)state;
    struct noting noting = {.driver = {.ops = &ops}};
    struct mailbox *results = mailbox_open(1, NULL);
    struct worker_thread *w = NULL;
    struct error err = {0};
    struct call beat = call_of(CALL_BEAT);
    uint64_t read_ms = 0;
    assert_int_equal(worker_open(&noting.driver, NULL, deliver, results, &w, &err), ERR_NONE);
    for (int i = 0; i < 500; i++) { /* many milliseconds */
        worker_give(w, &beat);
        struct call_result *result = mailbox_take(results, UINT64_MAX);
        uint64_t at_ms = result->host.uptime_ms;
        assert_true(at_ms == read_ms || at_ms >= read_ms + 1000);
        read_ms = at_ms;
        worker_result_free(result);
    }
    worker_close(w);
    mailbox_close(results);
    text_reset(&noting.asked);
}

static void a_closed_thread_takes_its_calls_along(void **state)
{
    (void)state;
    struct noting noting = {.driver = {.ops = &ops}, .gate = mailbox_open(1, free)};
    struct mailbox *results = mailbox_open(32, NULL);
    struct worker_thread *w = NULL;
    struct error err = {0};
    assert_int_equal(worker_open(&noting.driver, NULL, deliver, results, &w, &err), ERR_NONE);
    struct call recycle = call_of(CALL_RECYCLE);
    worker_give(w, &recycle);
    assert_null(mailbox_take(results, 0)); /* nothing was delivered while the call lasts */
    assert_true(mailbox_post(noting.gate, must_alloc(1, 1)));
    worker_close(w); /* when it is back the thread is gone, with the call done or never begun */
    worker_close(NULL);
    struct call_result *result = mailbox_take(results, 0);
    assert_int_equal(result != NULL, noting.asked.len > 0);
    worker_result_free(result);
    worker_result_free(NULL);
    mailbox_close(results);
    mailbox_close(noting.gate);
    text_reset(&noting.asked);
}

static void an_unknown_call_is_an_error(void **state)
{
    (void)state;
    struct noting noting = {.driver = {.ops = &ops}};
    struct call none = {.kind = CALL_NONE};
    struct call_result *result = worker_call(&noting.driver, NULL, &none);
    assert_int_equal(result->code, ERR_INVALID);
    worker_result_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_reach_the_driver_in_order),
        cmocka_unit_test(host_figures_are_read_once_a_second),
        cmocka_unit_test(a_closed_thread_takes_its_calls_along),
        cmocka_unit_test(an_unknown_call_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
