/* worker.c - see worker.h. */
#include "agent/worker.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MAX     16   /* the brain gives one at a time */
#define HOST_EVERY_MS 1000 /* during an act looks follow each other within milliseconds */

struct worker_thread {
    struct driver *driver;
    const struct guardian_spec *guardian;
    worker_deliver *deliver;
    void *arg;
    struct mailbox *calls;
    atomic_bool stop;
    pthread_t thread;
    struct dumps_spec dumps; /* set before the first call */
    struct call_host host;   /* the thread's own: as it was read last */
    uint64_t host_due_ms;
};

/* ---- one call ---- */

static enum error_code make_of_services(struct driver *d, const struct call *call,
                                        struct call_result *out, struct error *err)
{
    const struct driver_ops *ops = d->ops;
    uint64_t limit_ms = call->timeout_ms;
    if (call->kind != CALL_NONE && !ops->services)
        return error_set(err, ERR_UNAVAILABLE, "the driver %s has no services", ops->name);
    switch (call->kind) {
    case CALL_SERVICES:
        return ops->services(d, limit_ms, &out->view, err);
    case CALL_SERVICE_START:
        return ops->service_start(d, call->service, limit_ms, err);
    case CALL_SERVICE_STOP:
        return ops->service_stop(d, call->service, limit_ms, err);
    case CALL_SERVICE_WAIT:
        return ops->service_wait(d, call->service, call->state, limit_ms, err);
    case CALL_SERVICE_HOST:
        return ops->service_host(d, call->service, limit_ms, &out->lodgers, err);
    case CALL_SERVICE_KILL_HOST:
        return ops->service_kill_host(d, call->service, call->pid, call->created, limit_ms, err);
    case CALL_SERVICE_SET_START:
        return ops->service_set_start(d, call->service, call->start, limit_ms, err);
    case CALL_WORKER_KILL:
        return ops->worker_kill(d, call->pool, call->pid, call->created, err);
    case CALL_SETTINGS:
        if (!ops->pool_settings)
            break;
        return ops->pool_settings(d, call->pool, limit_ms, out->settings, sizeof(out->settings),
                                  err);
    case CALL_CONFIGURE:
        if (!ops->pool_configure)
            break;
        return ops->pool_configure(d, call->pool, call->settings, limit_ms, err);
    case CALL_VERDICT:
        return ops->verdict(d, call->pool, limit_ms, &out->verdict, err);
    default:
        break;
    }
    return error_set(err, ERR_INVALID, "no such call");
}

static enum error_code make(struct driver *d, const struct call *call, struct call_result *out,
                            struct error *err)
{
    const struct driver_ops *ops = d->ops;
    switch (call->kind) {
    case CALL_BEAT:
        out->changed = ops->changed(d);
        return ops->workers(d, &out->view, err);
    case CALL_LOOK:
        return ops->look(d, call->timeout_ms, &out->view, err);
    case CALL_LOOK_POOL:
        return ops->look_pool(d, call->pool, call->timeout_ms, &out->view, err);
    case CALL_RECYCLE:
        return ops->pool_recycle(d, call->pool, call->timeout_ms, err);
    case CALL_START:
        return ops->pool_start(d, call->pool, call->timeout_ms, err);
    case CALL_STOP:
        return ops->pool_stop(d, call->pool, call->timeout_ms, err);
    case CALL_SET_AUTOSTART:
        return ops->pool_set_autostart(d, call->pool, call->on, call->timeout_ms, err);
    case CALL_PROBE:
        return ops->probe(d, call->pool, call->timeout_ms, &out->probe, err);
    case CALL_REQUESTS:
        if (!ops->executing)
            return error_set(err, ERR_UNAVAILABLE, "the driver %s cannot list requests", ops->name);
        return ops->executing(d, call->pool, call->timeout_ms, &out->requests, err);
    case CALL_OFFLINE: /* which they are is the text of a call that went well */
        if (!ops->offline)
            return error_set(err, ERR_UNAVAILABLE, "the driver %s cannot know it", ops->name);
        return ops->offline(d, call->pool, call->timeout_ms, out->text, sizeof(out->text), err);
    default:
        break;
    }
    return make_of_services(d, call, out, err);
}

/* The guardian's own word, if it has one, is the text of a call that went well. */
static enum error_code make_guard(const struct guardian_spec *spec, const struct call *call,
                                  struct call_result *out, struct error *err)
{
    if (!spec)
        return error_set(err, ERR_UNAVAILABLE, "no guardian can be started here");
    if (call->kind == CALL_GUARD)
        return guardian_arm(spec, call->services, call->within_ms, err);
    return guardian_end(spec, out->text, sizeof(out->text), err);
}

struct call_result *worker_call(struct driver *driver, const struct guardian_spec *guardian,
                                const struct call *call)
{
    struct error err = {0};
    struct call_result *result = must_alloc(1, sizeof(*result));
    result->call = *call;
    if (call->kind == CALL_GUARD || call->kind == CALL_GUARD_END)
        result->code = make_guard(guardian, call, result, &err);
    else
        result->code = make(driver, call, result, &err);
    if (result->code != ERR_NONE)
        text_copy(result->text, sizeof(result->text), err.text);
    return result;
}

void worker_result_free(struct call_result *result)
{
    if (!result)
        return;
    if (result->code == ERR_NONE)
        driver_view_reset(&result->view);
    free(result->piece);
    free(result);
}

/* ---- the thread ---- */

/* Figures that cannot be read are told as 0: the brain keeps its former ones. */
static void refresh_host(struct worker_thread *w)
{
    struct os_host host;
    uint64_t now_ms = clock_boot_ms();
    if (now_ms < w->host_due_ms)
        return;
    w->host_due_ms = now_ms + HOST_EVERY_MS;
    w->host = (struct call_host){0};
    if (os_host(&host, NULL) != ERR_NONE)
        return;
    w->host = (struct call_host){
        .cpu_busy_ms = host.cpu_busy_ms,
        .cpu_total_ms = host.cpu_total_ms,
        .memory_total_bytes = host.memory_total_bytes,
        .memory_available_bytes = host.memory_available_bytes,
        .uptime_ms = host.uptime_ms,
        .processors = host.processors,
    };
}

static struct call_result *make_one(struct worker_thread *w, const struct call *call)
{
    struct call_result *result = worker_call(w->driver, w->guardian, call);
    if (call->kind != CALL_BEAT && call->kind != CALL_LOOK)
        return result;
    refresh_host(w);
    result->host = w->host;
    return result;
}

static void *run(void *arg)
{
    struct worker_thread *w = arg;
    while (!atomic_load(&w->stop)) {
        struct call *call = mailbox_take(w->calls, UINT64_MAX);
        if (!call)
            continue;
        if (!atomic_load(&w->stop) && dumps_is_call(call->kind))
            w->deliver(w->arg, dumps_call(&w->dumps, w->driver, call));
        else if (!atomic_load(&w->stop))
            w->deliver(w->arg, make_one(w, call));
        free(call);
    }
    return NULL;
}

enum error_code worker_open(struct driver *driver, const struct guardian_spec *guardian,
                            worker_deliver *deliver, void *arg, struct worker_thread **out,
                            struct error *err)
{
    struct worker_thread *w = must_alloc(1, sizeof(*w));
    w->driver = driver;
    w->guardian = guardian;
    w->deliver = deliver;
    w->arg = arg;
    w->calls = mailbox_open(CALLS_MAX, free);
    int errnum = pthread_create(&w->thread, NULL, run, w);
    if (errnum != 0) {
        mailbox_close(w->calls);
        free(w);
        return error_errno(err, errnum, "cannot start the worker thread");
    }
    *out = w;
    return ERR_NONE;
}

void worker_set_dumps(struct worker_thread *w, const struct dumps_spec *spec)
{
    w->dumps = *spec;
}

void worker_close(struct worker_thread *w)
{
    if (!w)
        return;
    atomic_store(&w->stop, true);
    mailbox_wake(w->calls);
    pthread_join(w->thread, NULL);
    mailbox_close(w->calls);
    free(w);
}

void worker_give(struct worker_thread *w, const struct call *call)
{
    struct call *copy = must_alloc(1, sizeof(*copy));
    *copy = *call;
    must(mailbox_post(w->calls, copy));
}
