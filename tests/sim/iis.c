/* iis.c - see iis.h. */
#include "tests/sim/iis.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

#define IIS_HEAVY   (UINT64_C(3) << 30)
#define RAPID_ENDS  5
#define RAPID_MS    60000
#define EVENT_ENDED 5011

const char *const iis_pool_names[IIS_POOLS] = {"Shop", "Api"};
const char *const iis_setting_names[IIS_SETTINGS] = {"startMode",
                                                     "processModel.idleTimeout",
                                                     "processModel.startupTimeLimit",
                                                     "recycling.disallowOverlappingRotation",
                                                     "preloadEnabled[",
                                                     "doAppInitAfterRestart["};
#define SETTING_NO_OVERLAP 3

/* ---- settings ---- */

void iis_setting_name(const struct iis *s, size_t at, char *out, size_t size)
{
    bool of_application = strchr(iis_setting_names[at], '[') != NULL;
    text_format(out, size, "%s%s%s", iis_setting_names[at], of_application ? s->pool.name : "",
                of_application ? "/]" : "");
}

const char *iis_setting_in(const struct iis *s, size_t at, const char *text, char *out, size_t size)
{
    char name[64];
    iis_setting_name(s, at, name, sizeof(name));
    size_t len = strlen(name);
    for (const char *pair = text; *pair;) {
        size_t pair_len = strcspn(pair, ";");
        if (pair_len > len && strncmp(pair, name, len) == 0 && pair[len] == '=') {
            text_format(out, size, "%.*s", (int)(pair_len - len - 1), pair + len + 1);
            return out;
        }
        pair += pair_len + (pair[pair_len] == ';');
    }
    return NULL;
}

bool iis_is_as_its_owner_set_it(const struct iis *s)
{
    return memcmp(s->settings, s->own_settings, sizeof(s->settings)) == 0;
}

/* As IIS has them by itself; the start-up limit of every other server is longer than is asked. */
static void set_up_settings(struct iis *s, bool patient)
{
    static const char *const values[IIS_SETTINGS] = {"AlwaysRunning", "00:20:00", "00:01:00",
                                                     "false",         "false",    "false"};
    memset(s->settings, 0, sizeof(s->settings));
    for (size_t i = 0; i < IIS_SETTINGS; i++)
        text_copy(s->settings[i], IIS_SETTING_MAX, values[i]);
    if (patient)
        text_copy(s->settings[2], IIS_SETTING_MAX, "00:05:00");
    if (!s->pool.overlap)
        text_copy(s->settings[SETTING_NO_OVERLAP], IIS_SETTING_MAX, "true");
    memcpy(s->own_settings, s->settings, sizeof(s->settings));
}

static struct iis_worker *add(struct iis *s, uint64_t created_ms)
{
    must(s->worker_count < IIS_WORKERS);
    struct iis_worker *w = &s->workers[s->worker_count++];
    *w = (struct iis_worker){.pid = s->next_pid,
                             .created_ms = created_ms,
                             .up_ms = created_ms + s->startup_ms,
                             .stopping_ms = IIS_NEVER,
                             .dies_ms = IIS_NEVER,
                             .status = s->next_status};
    /* Windows hands pids out again soon: creation time is what tells workers apart. */
    s->next_pid = s->next_pid >= s->first_pid + 16 ? s->first_pid : s->next_pid + 4;
    return w;
}

void iis_init(struct iis *s, const char *name, size_t pool, struct rng *rng, uint64_t now_ms)
{
    *s = (struct iis){.was_up = true,
                      .web_up = true,
                      .first_pid = 100 + 200 * (uint32_t)pool,
                      .next_pid = 100 + 200 * (uint32_t)pool,
                      .next_status = 200,
                      .startup_ms = rng_between(rng, 100, 900),
                      .drain_ms = rng_between(rng, 100, 1500),
                      .tool_ms = rng_between(rng, 50, 250)};
    text_copy(s->name, sizeof(s->name), name);
    s->pool = (struct pool){.name = iis_pool_names[pool],
                            .state = POOL_STATE_STARTED,
                            .auto_start = true,
                            .start_mode = START_MODE_ALWAYS_RUNNING,
                            .overlap = !rng_chance(rng, 200),
                            .max_processes = 1,
                            .queue_length = 1000,
                            .queued = -1,
                            .startup_limit_ms = 10000,
                            .shutdown_limit_ms = 6000};
    set_up_settings(s, name[0] && name[strlen(name) - 1] % 2 == 0);
    add(s, now_ms)->up_ms = now_ms;
}

void iis_protect(struct iis *s)
{
    s->pool.rapid_fail = true;
    s->pool.rapid_fail_crashes = RAPID_ENDS;
    s->pool.rapid_fail_interval_ms = RAPID_MS;
}

void iis_now(struct iis *s, uint64_t now_ms)
{
    size_t kept = 0, living = 0;
    for (size_t i = 0; i < s->worker_count; i++) {
        if (s->workers[i].dies_ms <= now_ms)
            continue;
        living += s->workers[i].created_ms <= now_ms && !s->workers[i].orphan;
        s->workers[kept++] = s->workers[i];
    }
    s->worker_count = kept;
    if (s->pool.state == POOL_STATE_STOPPING && living == 0)
        s->pool.state = POOL_STATE_STOPPED;
}

static bool lives(const struct iis_worker *w, uint64_t now_ms)
{
    return w->created_ms <= now_ms && now_ms < w->dies_ms;
}

uint64_t iis_call_ms(struct iis *s, const struct call *call, struct rng *rng)
{
    switch (call->kind) {
    case CALL_NONE:
    case CALL_BEAT:
        return 1;
    case CALL_PROBE:
        return rng_between(rng, 2, 60);
    case CALL_LOOK:
    case CALL_LOOK_POOL:
    case CALL_RECYCLE:
    case CALL_START:
    case CALL_STOP:
    case CALL_SET_AUTOSTART:
    case CALL_WORKER_KILL:
    default:
        break;
    }
    return rng_between(rng, s->tool_ms, 2 * s->tool_ms);
}

/* Ends all that live; gives back when the last will be gone. */
static uint64_t end_all(struct iis *s, uint64_t stopping_ms)
{
    uint64_t last_ms = stopping_ms;
    for (size_t i = 0; i < s->worker_count; i++) {
        struct iis_worker *w = &s->workers[i];
        if (w->stopping_ms != IIS_NEVER || w->orphan)
            continue;
        w->stopping_ms = stopping_ms;
        w->dies_ms = stopping_ms + (s->stubborn ? s->pool.shutdown_limit_ms : s->drain_ms);
        last_ms = w->dies_ms > last_ms ? w->dies_ms : last_ms;
    }
    return last_ms;
}

static enum error_code recycle(struct iis *s, uint64_t now_ms)
{
    if (s->pool.state != POOL_STATE_STARTED)
        return ERR_STATE;
    if (s->worker_count >= IIS_WORKERS - 2)
        return ERR_BUSY;
    if (s->pool.overlap) {
        end_all(s, now_ms + s->startup_ms);
        add(s, now_ms);
    } else {
        add(s, end_all(s, now_ms));
    }
    return ERR_NONE;
}

static enum error_code start(struct iis *s, uint64_t now_ms)
{
    if (s->pool.state == POOL_STATE_STARTED)
        return ERR_EXISTS;
    if (s->pool.state != POOL_STATE_STOPPED)
        return ERR_BUSY;
    s->pool.state = POOL_STATE_STARTED;
    s->off_by_others = s->rapid_failed = s->killed_off = false;
    add(s, now_ms);
    return ERR_NONE;
}

static enum error_code stop(struct iis *s, uint64_t now_ms)
{
    if (s->pool.state == POOL_STATE_STOPPED)
        return ERR_EXISTS;
    s->pool.state = POOL_STATE_STOPPING;
    end_all(s, now_ms);
    return ERR_NONE;
}

/* ---- workers that end, and rapid-fail protection ---- */

static const struct iis_end *end_at(const struct iis *s, uint64_t no)
{
    return &s->ends[no % IIS_EVENTS];
}

/* WAS counts what ended since the pool was started within its interval. */
static size_t ends_of_late(const struct iis *s, uint64_t now_ms)
{
    size_t count = 0;
    for (uint64_t i = 0; i < s->end_count && i < IIS_EVENTS; i++)
        count += end_at(s, s->end_count - 1 - i)->at_ms + RAPID_MS >= now_ms;
    return count;
}

/* One ended that nobody asked to: another takes its place, or the pool is stopped. */
static void ended(struct iis *s, const struct iis_worker *w, bool by_us, uint64_t now_ms)
{
    s->ends[s->end_count % IIS_EVENTS] =
        (struct iis_end){.at_ms = now_ms, .record = s->end_count + 1, .pid = w->pid};
    s->end_count++;
    if (s->pool.rapid_fail && ends_of_late(s, now_ms) >= RAPID_ENDS) {
        s->rapid_failed = s->changed = true;
        s->killed_off = by_us;
        s->off_by_others = !by_us;
        stop(s, now_ms);
    } else {
        add(s, now_ms);
    }
}

static void end_worker(struct iis *s, struct iis_worker *of, bool by_us, uint64_t now_ms)
{
    struct iis_worker w = *of;
    of->dies_ms = now_ms;
    iis_now(s, now_ms);
    if (w.stopping_ms == IIS_NEVER && s->pool.state == POOL_STATE_STARTED)
        ended(s, &w, by_us, now_ms);
}

static enum error_code kill_worker(struct iis *s, const struct call *call, uint64_t now_ms)
{
    for (size_t i = 0; i < s->worker_count; i++) {
        struct iis_worker *w = &s->workers[i];
        if (w->pid != call->pid || w->created_ms != call->created || !lives(w, now_ms))
            continue;
        end_worker(s, w, true, now_ms);
        return ERR_NONE;
    }
    return ERR_NOT_FOUND;
}

/* The first `most` of them. IIS recycles a pool whose configuration has changed. */
static enum error_code configure(struct iis *s, const char *settings, size_t most, uint64_t now_ms)
{
    size_t set = 0;
    for (size_t i = 0; i < IIS_SETTINGS && set < most; i++) {
        char value[IIS_SETTING_MAX];
        if (!iis_setting_in(s, i, settings, value, sizeof(value)))
            continue;
        memset(s->settings[i], 0, IIS_SETTING_MAX);
        text_copy(s->settings[i], IIS_SETTING_MAX, value);
        set++;
    }
    s->pool.overlap = text_equal(s->settings[SETTING_NO_OVERLAP], "false");
    s->changed = true;
    if (set && s->pool.state == POOL_STATE_STARTED && s->was_up)
        recycle(s, now_ms);
    return ERR_NONE;
}

static enum error_code carry_out(struct iis *s, const struct call *call, uint64_t now_ms)
{
    switch (call->kind) {
    case CALL_RECYCLE:
        return recycle(s, now_ms);
    case CALL_START:
        return start(s, now_ms);
    case CALL_STOP:
        return stop(s, now_ms);
    case CALL_WORKER_KILL:
        return kill_worker(s, call, now_ms);
    case CALL_SET_AUTOSTART:
        s->pool.auto_start = call->on;
        s->off_by_others = s->off_by_others && call->on; /* if it is, it is meant to be */
        s->changed = true;
        return ERR_NONE;
    default:
        return ERR_NONE;
    }
}

bool iis_act(struct iis *s, const struct call *call, uint64_t now_ms, enum error_code *code)
{
    iis_now(s, now_ms);
    enum error_code forced = s->next_error;
    bool done_all_the_same = s->error_but_done;
    s->next_error = ERR_NONE;
    s->error_but_done = false;
    if (forced != ERR_NONE && !done_all_the_same) {
        *code = forced;
        return false;
    }
    if (!s->was_up) {
        *code = ERR_UNAVAILABLE;
        return false;
    }
    enum error_code came = call->kind == CALL_CONFIGURE /* told as failed: a part of it is done */
                               ? configure(s, call->settings, forced ? 1 : IIS_SETTINGS, now_ms)
                               : carry_out(s, call, now_ms);
    *code = forced != ERR_NONE ? forced : came;
    return came == ERR_NONE;
}

bool iis_stop_is_over(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    return s->pool.state != POOL_STATE_STOPPING;
}

static void fill_whole(struct iis *s, const struct iis *other, struct driver_view *view)
{
    s->seen_pools[0] = s->pool;
    if (other)
        s->seen_pools[1] = other->pool;
    for (size_t i = 0; i < IIS_POOLS && !s->was_up; i++)
        s->seen_pools[i].state = POOL_STATE_UNKNOWN;
    view->pools_known = view->sites_known = true;
    view->pools = s->seen_pools;
    view->pool_count = other ? 2 : 1;
}

static void fill_workers(struct iis *s, const struct iis *of, uint64_t now_ms,
                         struct driver_view *view)
{
    for (size_t i = 0; i < of->worker_count; i++)
        if (lives(&of->workers[i], now_ms))
            s->seen[view->worker_count++] =
                (struct worker){.pool = of->pool.name,
                                .pid = of->workers[i].pid,
                                .created = of->workers[i].created_ms,
                                .memory_bytes = of->workers[i].heavy ? IIS_HEAVY : 1};
}

/* Oldest first. */
static void fill_events(struct iis *s, const struct iis *of, uint64_t now_ms,
                        struct driver_view *view)
{
    uint64_t from = of->end_count > IIS_EVENTS ? of->end_count - IIS_EVENTS : 0;
    for (uint64_t i = from; of->pool.rapid_fail && i < of->end_count; i++)
        s->seen_events[view->event_count++] =
            (struct server_event){.pool = of->pool.name,
                                  .id = EVENT_ENDED,
                                  .pid = end_at(of, i)->pid,
                                  /* one log for both pools */
                                  .record = 2 * end_at(of, i)->record + (of->first_pid > 100),
                                  .age_ms = now_ms - end_at(of, i)->at_ms};
    view->events_known = of->pool.rapid_fail;
    view->events = s->seen_events;
}

static void fill_probe(struct iis *s, uint64_t now_ms, struct driver_probe *probe)
{
    const struct iis_worker *w = iis_serving(s, now_ms);
    bool off = s->pool.state != POOL_STATE_STARTED && s->was_up && s->web_up;
    probe->status = w ? w->status : off ? 503 : 0;
    probe->answered = probe->status != 0;
    probe->passed = probe->status == 200;
    probe->elapsed_ms = 5;
    text_format(probe->detail, sizeof(probe->detail), "status %d", probe->status);
}

static void fill_settings(const struct iis *s, char *out, size_t size)
{
    struct text all = {0};
    for (size_t i = 0; i < IIS_SETTINGS; i++) {
        char name[64];
        iis_setting_name(s, i, name, sizeof(name));
        text_addf(&all, "%s%s=%s", i ? ";" : "", name, s->settings[i]);
    }
    must(text_copy(out, size, text_get(&all)));
    text_reset(&all);
}

void iis_fill(struct iis *s, struct iis *other, uint64_t now_ms, struct call_result *out)
{
    struct driver_view *view = &out->view;
    iis_now(s, now_ms);
    out->host = (struct call_host){.cpu_busy_ms = now_ms / 4,
                                   .cpu_total_ms = now_ms,
                                   .memory_total_bytes = 8,
                                   .memory_available_bytes = 4,
                                   .uptime_ms = now_ms,
                                   .processors = 2};
    if (out->call.kind == CALL_PROBE) {
        fill_probe(s, now_ms, &out->probe);
        return;
    }
    if (out->call.kind == CALL_SETTINGS) {
        fill_settings(s, out->settings, sizeof(out->settings));
        return;
    }
    if (out->call.kind == CALL_VERDICT) {
        out->verdict.rapid_fail = s->rapid_failed;
        return;
    }
    *view = (struct driver_view){
        .workers_known = true, .workers = s->seen, .config_identity = "own", .trouble = ""};
    fill_workers(s, s, now_ms, view);
    fill_events(s, s, now_ms, view);
    if (other) {
        iis_now(other, now_ms);
        fill_workers(s, other, now_ms, view);
        fill_events(s, other, now_ms, view);
        s->changed = s->changed || other->changed;
        other->changed = false;
    }
    if (out->call.kind != CALL_BEAT)
        fill_whole(s, other, view);
    out->changed = s->changed;
    s->changed = out->call.kind != CALL_BEAT && s->changed;
}

const struct iis_worker *iis_serving(struct iis *s, uint64_t now_ms)
{
    const struct iis_worker *best = NULL;
    iis_now(s, now_ms);
    for (size_t i = 0; i < s->worker_count && s->was_up && s->web_up; i++) {
        const struct iis_worker *w = &s->workers[i];
        if (w->up_ms <= now_ms && now_ms < w->stopping_ms && !w->orphan &&
            (!best || w->created_ms > best->created_ms))
            best = w;
    }
    return s->pool.state == POOL_STATE_STARTED ? best : NULL;
}

bool iis_serves(struct iis *s, uint64_t now_ms)
{
    const struct iis_worker *w = iis_serving(s, now_ms);
    return w && w->status == 200;
}

bool iis_lives(struct iis *s, uint32_t pid, uint64_t created_ms, uint64_t now_ms)
{
    iis_now(s, now_ms);
    for (size_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].pid == pid && s->workers[i].created_ms == created_ms)
            return lives(&s->workers[i], now_ms);
    return false;
}

size_t iis_orphans(struct iis *s, uint64_t now_ms)
{
    size_t count = 0;
    iis_now(s, now_ms);
    for (size_t i = 0; i < s->worker_count; i++)
        count += s->workers[i].orphan;
    return count;
}

/* ---- with the services ---- */

void iis_services(struct iis *s, bool was_up, bool web_up, uint64_t now_ms)
{
    bool comes_up = was_up && !s->was_up;
    s->changed = s->changed || was_up != s->was_up || web_up != s->web_up;
    s->was_up = was_up;
    s->web_up = web_up;
    if (!comes_up)
        return;
    iis_now(s, now_ms);
    s->pool.state = POOL_STATE_STOPPED;
    if (s->pool.auto_start)
        start(s, now_ms);
}

uint64_t iis_end_workers(struct iis *s, bool stuck, uint64_t now_ms)
{
    iis_now(s, now_ms);
    uint64_t last_ms = end_all(s, now_ms);
    for (size_t i = 0; i < s->worker_count && stuck; i++)
        s->workers[i].dies_ms = IIS_NEVER;
    return last_ms;
}

void iis_host_died(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    for (size_t i = 0; i < s->worker_count; i++) {
        struct iis_worker *w = &s->workers[i];
        bool hangs = w->status == 0 || (w->stopping_ms != IIS_NEVER && w->dies_ms == IIS_NEVER);
        w->orphan = hangs;
        w->dies_ms = hangs ? IIS_NEVER : now_ms;
    }
    iis_now(s, now_ms);
}

bool iis_end_orphan(struct iis *s, uint32_t pid, uint64_t created_ms, uint64_t now_ms)
{
    iis_now(s, now_ms);
    for (size_t i = 0; i < s->worker_count; i++) {
        struct iis_worker *w = &s->workers[i];
        if (w->pid != pid || w->created_ms != created_ms || s->was_up)
            continue;
        w->dies_ms = now_ms;
        iis_now(s, now_ms);
        return true;
    }
    return false;
}

void iis_end_orphans(struct iis *s, uint64_t now_ms)
{
    for (size_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].orphan)
            s->workers[i].dies_ms = now_ms;
    iis_now(s, now_ms);
}

/* ---- what others do ---- */

void iis_crash_worker(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    for (size_t i = 0; i < s->worker_count; i++) {
        if (!lives(&s->workers[i], now_ms) || !s->was_up)
            continue;
        end_worker(s, &s->workers[i], false, now_ms);
        return;
    }
}

void iis_own_recycle(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    if (s->was_up)
        recycle(s, now_ms);
}

void iis_foreign_stop(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    if (s->pool.state != POOL_STATE_STARTED || !s->was_up)
        return;
    s->off_by_others = true;
    stop(s, now_ms);
}

void iis_answers(struct iis *s, int status)
{
    for (size_t i = 0; i < s->worker_count; i++)
        s->workers[i].status = status;
}

void iis_hang(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    iis_answers(s, 0);
}

void iis_leak(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    for (size_t i = 0; i < s->worker_count; i++)
        s->workers[i].heavy = true;
}

void iis_power_off(struct iis *s, uint64_t now_ms)
{
    for (size_t i = 0; i < s->worker_count; i++)
        s->workers[i].dies_ms = now_ms;
    iis_now(s, now_ms);
    s->was_up = s->web_up = false;
    s->powered_off = true;
}

void iis_power_on(struct iis *s)
{
    s->powered_off = false;
}

void iis_mend(struct iis *s, uint64_t now_ms)
{
    iis_now(s, now_ms);
    if (s->powered_off)
        return;
    s->next_status = 200;
    s->stubborn = false;
    s->next_error = ERR_NONE;
    for (size_t i = 0; i < s->worker_count; i++)
        s->workers[i].status = 200;
    for (size_t i = 0; i < s->worker_count; i++)
        s->workers[i].heavy = false;
    iis_end_orphans(s, now_ms);
    if (s->pool.state == POOL_STATE_STOPPED && s->off_by_others) {
        start(s, now_ms);
        s->changed = true;
    }
}
