/* box.c - see box.h. */
#include "tests/unit/agent/box.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

void box_init(struct box *b)
{
    memset(b, 0, sizeof(*b));
    b->pool = (struct pool){
        .name = "Shop",
        .state = POOL_STATE_STARTED,
        .auto_start = true,
        .start_mode = START_MODE_ALWAYS_RUNNING,
        .overlap = true,
        .max_processes = 1,
        .queue_length = 1000,
        .queued = -1,
        .startup_limit_ms = 90000,
        .shutdown_limit_ms = 90000,
        .idle_timeout_ms = 1200000,
    };
    b->next_pid = 200;
    b->start_ms = 400;
    b->drain_ms = 1000;
    b->tool_ms = 200;
    b->stop_ms = 1000;
    b->probe_status = 200;
    box_add_worker(b, 100, 0);
}

static struct box_worker *add(struct box *b, uint32_t pid, uint64_t born_ms)
{
    must(b->worker_count < BOX_WORKERS);
    struct box_worker *worker = &b->workers[b->worker_count++];
    *worker = (struct box_worker){.pid = pid, .born_ms = born_ms, .dies_ms = BOX_FOR_EVER};
    return worker;
}

void box_add_worker(struct box *b, uint32_t pid, uint64_t born_ms)
{
    add(b, pid, born_ms);
}

void box_clear_workers(struct box *b)
{
    b->worker_count = 0;
}

static void script(struct box *b, enum call_kind kind, enum error_code code, bool and_acts)
{
    must(b->script_count < BOX_SCRIPTS);
    b->scripts[b->script_count++] = (struct box_script){kind, code, and_acts};
}

void box_script(struct box *b, enum call_kind kind, enum error_code code)
{
    script(b, kind, code, false);
}

void box_script_done(struct box *b, enum call_kind kind, enum error_code code)
{
    script(b, kind, code, true);
}

uint64_t box_duration(const struct box *b, const struct call *call)
{
    switch (call->kind) {
    case CALL_NONE:
    case CALL_BEAT:
        return 0;
    case CALL_STOP:
        return b->stop_ms;
    case CALL_PROBE:
        return 5;
    case CALL_LOOK:
    case CALL_LOOK_POOL:
    case CALL_RECYCLE:
    case CALL_START:
    case CALL_SET_AUTOSTART:
    default: /* services are sbox.c's */
        break;
    }
    return b->tool_ms;
}

static bool lives(const struct box_worker *worker, uint64_t now_ms)
{
    return worker->born_ms <= now_ms && now_ms < worker->dies_ms;
}

static void end_all(struct box *b, uint64_t now_ms, uint64_t *last_ms, size_t *count)
{
    *last_ms = now_ms;
    *count = 0;
    for (size_t i = 0; i < b->worker_count; i++) {
        if (!lives(&b->workers[i], now_ms) || b->workers[i].dies_ms != BOX_FOR_EVER)
            continue;
        b->workers[i].dies_ms =
            b->drain_ms == BOX_FOR_EVER ? BOX_FOR_EVER - 1 : now_ms + b->drain_ms;
        *last_ms = b->workers[i].dies_ms;
        *count += 1;
    }
}

static void recycle(struct box *b, uint64_t now_ms)
{
    uint64_t last_ms;
    size_t count;
    end_all(b, now_ms, &last_ms, &count);
    if (b->start_ms == BOX_FOR_EVER)
        return;
    for (size_t i = 0; i < count; i++) {
        if (b->pool.overlap)
            add(b, b->next_pid++, now_ms + b->start_ms);
        else if (b->pool.start_mode == START_MODE_ALWAYS_RUNNING)
            add(b, b->next_pid++, last_ms + b->start_ms);
    }
}

static int configure_one(const char *part, void *arg)
{
    struct box *b = arg;
    struct text all = {0};
    size_t name = strcspn(part, "=") + 1;
    for (const char *at = b->settings; *at;) {
        size_t len = strcspn(at, ";");
        bool same = strncmp(at, part, name) == 0;
        text_addf(&all, "%s%.*s", all.len ? ";" : "", same ? (int)strlen(part) : (int)len,
                  same ? part : at);
        at += len + (at[len] == ';');
    }
    text_copy(b->settings, sizeof(b->settings), text_get(&all));
    text_reset(&all);
    return 0;
}

static void act(struct box *b, const struct call *call, uint64_t now_ms)
{
    uint64_t last_ms;
    size_t count;
    b->acts[call->kind]++;
    switch (call->kind) {
    case CALL_RECYCLE:
        recycle(b, now_ms);
        return;
    case CALL_START:
        b->pool.state = POOL_STATE_STARTED;
        if (b->pool.start_mode == START_MODE_ALWAYS_RUNNING && b->start_ms != BOX_FOR_EVER)
            add(b, b->next_pid++, now_ms + b->start_ms);
        return;
    case CALL_STOP:
        b->pool.state = POOL_STATE_STOPPED;
        end_all(b, now_ms, &last_ms, &count);
        return;
    case CALL_SET_AUTOSTART:
        b->pool.auto_start = call->on;
        return;
    case CALL_CONFIGURE: /* IIS recycles the pool for it */
        text_split(call->settings, ';', configure_one, b);
        recycle(b, now_ms);
        return;
    case CALL_WORKER_KILL:
        for (size_t i = 0; i < b->worker_count; i++)
            if (b->workers[i].pid == call->pid && lives(&b->workers[i], now_ms))
                b->workers[i].dies_ms = now_ms;
        if (b->pool.start_mode == START_MODE_ALWAYS_RUNNING)
            add(b, b->next_pid++, now_ms + b->start_ms);
        return;
    case CALL_NONE:
    case CALL_BEAT:
    case CALL_LOOK:
    case CALL_LOOK_POOL:
    case CALL_PROBE:
    default:
        return;
    }
}

/* One that has not happened yet is not in the log yet. */
static void fill_events(struct box *b, uint64_t now_ms, struct driver_view *view)
{
    for (size_t i = 0; i < b->event_count; i++) {
        if (b->events[i].age_ms > now_ms)
            continue;
        b->seen_events[view->event_count] = b->events[i];
        b->seen_events[view->event_count++].age_ms = now_ms - b->events[i].age_ms;
    }
    view->events = b->seen_events;
    view->events_known = b->events_known;
}

static void fill_view(struct box *b, uint64_t now_ms, bool whole, struct driver_view *view)
{
    size_t count = 0;
    for (size_t i = 0; i < b->worker_count; i++)
        if (lives(&b->workers[i], now_ms))
            b->seen[count++] = (struct worker){
                .pool = "Shop", .pid = b->workers[i].pid, .created = b->workers[i].born_ms + 1000};
    *view = (struct driver_view){.workers_known = true,
                                 .workers = b->seen,
                                 .worker_count = count,
                                 .config_identity = "c",
                                 .config_shared = b->shared_config,
                                 .trouble = ""};
    if (!whole)
        return;
    b->seen_pool = b->pool;
    b->services[0] = (struct service){.name = "WAS", .state = SVC_RUNNING};
    b->services[1] = (struct service){.name = "W3SVC", .state = SVC_RUNNING};
    if (b->pool.state == POOL_STATE_UNKNOWN)
        b->services[0].state = b->services[1].state = SVC_STOPPED;
    view->pools_known = view->sites_known = view->services_known = true;
    view->pools = &b->seen_pool;
    view->pool_count = 1;
    view->services = b->services;
    view->service_count = 2;
    fill_events(b, now_ms, view);
}

static void fill_probe(struct box *b, uint64_t now_ms, struct call_result *out)
{
    bool any = false;
    for (size_t i = 0; i < b->worker_count; i++)
        any = any || lives(&b->workers[i], now_ms);
    if (b->nothing_to_probe) {
        out->code = ERR_NOT_FOUND;
        text_copy(out->text, sizeof(out->text), "nothing to probe");
        return;
    }
    if (!any && b->pool.state == POOL_STATE_STARTED)
        add(b, b->next_pid++, now_ms);
    out->probe = (struct driver_probe){.answered = b->probe_status != 0,
                                       .passed = b->probe_status >= 200 && b->probe_status < 400,
                                       .status = b->probe_status,
                                       .elapsed_ms = 5};
    text_format(out->probe.detail, sizeof(out->probe.detail), "status %d", b->probe_status);
}

/* Takes the oldest script for that kind. */
static bool scripted(struct box *b, enum call_kind kind, struct box_script *out)
{
    for (size_t i = 0; i < b->script_count; i++) {
        if (b->scripts[i].kind != kind)
            continue;
        *out = b->scripts[i];
        b->script_count--;
        memmove(b->scripts + i, b->scripts + i + 1, (b->script_count - i) * sizeof(b->scripts[0]));
        return true;
    }
    return false;
}

void box_call(struct box *b, const struct call *call, uint64_t now_ms, struct call_result *out)
{
    struct box_script instead = {.and_acts = true};
    memset(out, 0, sizeof(*out));
    out->call = *call;
    out->host = (struct call_host){.cpu_busy_ms = now_ms / 4,
                                   .cpu_total_ms = now_ms,
                                   .memory_total_bytes = 8,
                                   .memory_available_bytes = 4,
                                   .uptime_ms = now_ms,
                                   .processors = 2};
    bool replaced = scripted(b, call->kind, &instead);
    if (instead.and_acts)
        act(b, call, now_ms);
    if (replaced && instead.code != ERR_NONE) {
        out->code = instead.code;
        text_format(out->text, sizeof(out->text), "scripted: %s", error_code_name(instead.code));
        return;
    }
    if (call->kind == CALL_BEAT || call->kind == CALL_LOOK || call->kind == CALL_LOOK_POOL)
        fill_view(b, now_ms, call->kind != CALL_BEAT, &out->view);
    if (call->kind == CALL_BEAT) {
        out->changed = b->changed;
        b->changed = false;
    }
    if (call->kind == CALL_PROBE)
        fill_probe(b, now_ms, out);
    if (call->kind == CALL_SETTINGS)
        text_copy(out->settings, sizeof(out->settings), b->settings);
    if (call->kind == CALL_SETTINGS && !b->settings[0])
        out->code = ERR_UNAVAILABLE;
}

const char *box_text(const struct box *b, uint64_t now_ms, char *out, size_t size)
{
    struct text t = {0};
    text_add(&t, pool_state_name(b->pool.state));
    for (size_t i = 0; i < b->worker_count; i++)
        if (lives(&b->workers[i], now_ms))
            text_addf(&t, " %u", (unsigned)b->workers[i].pid);
    text_copy(out, size, text_get(&t));
    text_reset(&t);
    return out;
}
