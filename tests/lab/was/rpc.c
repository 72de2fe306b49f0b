/* rpc.c - what appcmd asks WAS, over inetsrv/was.sock: {"op":...} -> {"code": Win32 code, ...}.
 *
 *   state                       pools with workers, sites
 *   recycle|start|stop  pool    stop is answered when the last worker is gone, or at timeout_ms
 *   requests  elapsed_ms        what executes in workers
 *   reload                      the configuration was changed
 */
#include "tests/lab/was/was.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CODE_NOT_SUPPORTED   50
#define CODE_TIMEOUT         258
#define CODE_ALREADY_RUNNING 1056
#define CODE_IN_TRANSITION   1061
#define CODE_NOT_ACTIVE      1062
#define CODE_NO_SUCH_POOL    4312
#define HANG_POLL_MS         200

struct call {
    struct call *next;
    struct was *was;
    struct line line;
    struct pool *stopping; /* waited for */
    json_t *held;          /* asked while the fault was-hangs is on */
    struct loop_timer timer;
};

static void handle(struct call *call, json_t *request);

static void call_free(void *arg)
{
    struct call *call = arg;
    json_decref(call->held);
    free(call);
}

static void on_end(struct line *line)
{
    struct call *call = line->owner, **at = &call->was->calls;
    loop_disarm(call->was->loop, &call->timer);
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    loop_defer(call->was->loop, call_free, call);
}

static void reply_code(struct call *call, int code)
{
    line_send(&call->line, json_pack("{s:i}", "code", code));
}

static json_t *worker_json(const struct worker *w)
{
    static const char *const states[] = {"Starting", "Starting", "Running", "Running"};
    return json_pack("{s:I, s:I, s:s, s:b, s:I, s:I}", "pid", (json_int_t)w->id.pid, "created",
                     (json_int_t)w->id.created, "state",
                     w->draining ? "Stopping" : states[w->state], "suspended",
                     w->state == WORKER_SUSPENDED, "active", (json_int_t)w->inside.count, "served",
                     (json_int_t)w->served);
}

static json_t *pool_json(const struct pool *p)
{
    json_t *workers = json_array();
    json_int_t active = 0, rejected = 0;
    for (const struct worker *w = p->workers; w; w = w->next) {
        json_array_append_new(workers, worker_json(w));
        active += (json_int_t)w->inside.count;
    }
    for (int i = 0; i < REJECT_COUNT; i++)
        rejected += (json_int_t)p->tally->rejected[i];
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I}", "name", p->set.name, "state",
                     pool_state_name(pool_shown_state(p)), "workers", workers, "queue",
                     (json_int_t)p->queue.count, "active", active, "rejected", rejected, "arrived",
                     (json_int_t)p->arrived);
}

static bool listens(const struct was *w, const struct site *s)
{
    for (const struct listener *l = w->listeners; l; l = l->next) {
        for (size_t i = 0; i < s->binding_count; i++) {
            if (l->fd >= 0 && l->port == s->bindings[i].port &&
                strcmp(l->address, s->bindings[i].address) == 0)
                return true;
        }
    }
    return false;
}

static void answer_state(struct call *call)
{
    struct was *w = call->was;
    json_t *pools = json_array(), *sites = json_array();
    for (const struct pool *p = w->pools; p; p = p->next) {
        if (p->in_config)
            json_array_append_new(pools, pool_json(p));
    }
    for (const struct site *s = w->sites; s; s = s->next) {
        const char *state = !w->web_on ? "Unknown" : listens(w, s) ? "Started" : "Stopped";
        json_array_append_new(sites, json_pack("{s:s, s:s}", "name", s->name, "state", state));
    }
    line_send(&call->line, json_pack("{s:i, s:o, s:o}", "code", 0, "pools", pools, "sites", sites));
}

static json_t *request_json(const struct request *r, uint64_t now)
{
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:I}", "id", (json_int_t)r->id, "verb", r->method,
                     "url", r->target, "ms", (json_int_t)(now - r->arrived_ms), "pool",
                     r->pool->set.name, "pid", (json_int_t)r->worker->id.pid);
}

static void answer_requests(struct call *call, json_int_t elapsed_ms)
{
    json_t *list = json_array();
    uint64_t now = clock_boot_ms();
    for (const struct pool *p = call->was->pools; p; p = p->next) {
        for (const struct worker *w = p->workers; w; w = w->next) {
            for (const struct request *r = w->inside.first; r; r = r->next) {
                if (now - r->arrived_ms >= (uint64_t)elapsed_ms)
                    json_array_append_new(list, request_json(r, now));
            }
        }
    }
    line_send(&call->line, json_pack("{s:i, s:o}", "code", 0, "requests", list));
}

static int recycle(struct pool *p)
{
    if (p->state == POOL_STOPPED)
        return CODE_NOT_ACTIVE;
    if (p->state != POOL_STARTED)
        return CODE_IN_TRANSITION;
    if (!p->workers && fault_on(p->was->settings, "recycle-idle-4312", p->set.name))
        return CODE_NO_SUCH_POOL;
    pool_recycle(p, NULL, "admin", 5079);
    return 0;
}

static int start(struct pool *p)
{
    if (p->state == POOL_STARTED)
        return fault_on(p->was->settings, "start-started-ok", p->set.name) ? 0
                                                                           : CODE_ALREADY_RUNNING;
    if (p->state != POOL_STOPPED)
        return CODE_IN_TRANSITION;
    truth_write(p->was->dir, "pool_start",
                json_pack("{s:s, s:s}", "pool", p->set.name, "by", "admin"));
    pool_start(p);
    return 0;
}

static void stop_late(void *arg)
{
    struct call *call = arg;
    call->stopping = NULL;
    reply_code(call, CODE_TIMEOUT);
}

static void stop(struct call *call, struct pool *p, json_int_t timeout_ms)
{
    if (p->state == POOL_STOPPED) {
        reply_code(call, CODE_NOT_ACTIVE);
        return;
    }
    if (p->state != POOL_STARTED) {
        reply_code(call, CODE_IN_TRANSITION);
        return;
    }
    truth_write(p->was->dir, "pool_stop",
                json_pack("{s:s, s:s}", "pool", p->set.name, "by", "admin"));
    call->stopping = p;
    call->timer = (struct loop_timer){.fire = stop_late, .arg = call};
    if (timeout_ms > 0)
        loop_arm(call->was->loop, &call->timer, clock_boot_ms() + (uint64_t)timeout_ms);
    pool_stop(p, "stopped");
    rpc_look(call->was);
}

void rpc_look(struct was *w)
{
    for (struct call *call = w->calls; call; call = call->next) {
        if (!call->stopping || call->stopping->workers)
            continue;
        call->stopping = NULL;
        loop_disarm(w->loop, &call->timer);
        reply_code(call, 0);
    }
}

static void on_pool(struct call *call, const char *op, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "pool"));
    struct pool *p = name ? pool_find(call->was, name) : NULL;
    if (!p)
        reply_code(call, CODE_NO_SUCH_POOL);
    else if (strcmp(op, "recycle") == 0)
        reply_code(call, recycle(p));
    else if (strcmp(op, "start") == 0)
        reply_code(call, start(p));
    else
        stop(call, p, json_integer_value(json_object_get(request, "timeout_ms")));
}

static void look_again(void *arg)
{
    struct call *call = arg;
    json_t *request = call->held;
    call->held = NULL;
    handle(call, request);
    json_decref(request);
}

static void handle(struct call *call, json_t *request)
{
    struct was *w = call->was;
    const char *op = json_string_value(json_object_get(request, "op"));
    if (fault_on(w->settings, "was-hangs", NULL) && !call->held) {
        call->held = json_incref(request);
        call->timer = (struct loop_timer){.fire = look_again, .arg = call};
        loop_arm(w->loop, &call->timer, clock_boot_ms() + HANG_POLL_MS);
    } else if (!op || !w->was_on) {
        reply_code(call, CODE_NOT_SUPPORTED);
    } else if (strcmp(op, "state") == 0) {
        answer_state(call);
    } else if (strcmp(op, "requests") == 0) {
        answer_requests(call, json_integer_value(json_object_get(request, "elapsed_ms")));
    } else if (strcmp(op, "reload") == 0) {
        was_read_config(w);
        reply_code(call, 0);
    } else if (strcmp(op, "recycle") == 0 || strcmp(op, "start") == 0 || strcmp(op, "stop") == 0) {
        on_pool(call, op, request);
    } else {
        reply_code(call, CODE_NOT_SUPPORTED);
    }
}

static void on_object(struct line *line, json_t *object)
{
    handle(line->owner, object);
}

static void accept_ready(unsigned events, void *arg)
{
    struct was *w = arg;
    (void)events;
    for (int fd; (fd = socket_accept(w->rpc_fd)) >= 0;) {
        struct call *call = must_alloc(1, sizeof *call);
        *call = (struct call){.was = w, .next = w->calls};
        call->line = (struct line){.on_object = on_object, .on_end = on_end, .owner = call};
        w->calls = call;
        line_open(&call->line, w->loop, fd);
    }
}

bool rpc_open(struct was *w, struct error *err)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/inetsrv/was.sock", w->dir);
    w->rpc_fd = socket_listen_local(path, err);
    if (w->rpc_fd < 0)
        return false;
    loop_watch(w->loop, w->rpc_fd, LOOP_READ, accept_ready, w);
    return true;
}
