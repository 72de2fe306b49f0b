/* worker.c - one w3wp.exe; see was.h for its states. */
#include "tests/lab/was/was.h"

#include "tests/lab/base/words.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void limit_over(void *arg);
static void ping_due(void *arg);
static void pong_missing(void *arg);
static void idle_due(void *arg);
static void period_over(void *arg);
static void paged_in(void *arg);

bool worker_can_take(const struct worker *worker)
{
    struct was *w = worker->pool->was;
    uint64_t most = settings_number(w->settings, worker->pool->set.name, "threads", w->threads);
    return !worker->draining &&
           (worker->state == WORKER_RUNNING || worker->state == WORKER_SUSPENDED) &&
           worker->inside.count < most;
}

static void arm(struct worker *worker, struct loop_timer *timer, uint64_t after_ms)
{
    loop_arm(worker->pool->was->loop, timer, clock_boot_ms() + after_ms);
}

static void disarm_all(struct worker *worker)
{
    struct loop *loop = worker->pool->was->loop;
    loop_disarm(loop, &worker->limit);
    loop_disarm(loop, &worker->ping);
    loop_disarm(loop, &worker->pong);
    loop_disarm(loop, &worker->idle);
    loop_disarm(loop, &worker->period);
}

static void resume(struct worker *worker)
{
    if (worker->state != WORKER_SUSPENDED)
        return;
    worker->state = WORKER_RUNNING;
    /* It is read back from the page file first: that is the slow first request. */
    arm(worker, &worker->wake,
        settings_number(worker->pool->was->settings, worker->pool->set.name, "resume_ms", 150));
    truth_write(
        worker->pool->was->dir, "worker_resumed",
        json_pack("{s:s, s:o}", "pool", worker->pool->set.name, "worker", truth_id(worker->id)));
    if (worker->pool->set.pings)
        arm(worker, &worker->ping, worker->pool->set.ping_interval_ms);
    if (worker->pool->set.idle_ms)
        arm(worker, &worker->idle, worker->pool->set.idle_ms);
}

void worker_give(struct worker *worker, struct request *r)
{
    resume(worker);
    r->worker = worker;
    list_add(&worker->inside, r);
    worker->tally->inside++;
    worker->last_given_ms = worker->last_active_ms = clock_boot_ms();
    frame_send(&worker->stream, FRAME_REQUEST, r->id, 0, r->payload, r->payload_len);
    free(r->payload);
    r->payload = NULL;
}

static void warm_page(const char *page, const char *root, void *arg)
{
    struct worker *worker = arg;
    struct request *r = must_alloc(1, sizeof *r);
    struct text payload = {0};
    *r = (struct request){.pool = worker->pool,
                          .id = ++worker->pool->was->next_id,
                          .arrived_ms = clock_boot_ms(),
                          .warm_up = true};
    text_copy(r->method, sizeof r->method, "GET");
    text_copy(r->target, sizeof r->target, page);
    text_addf(&payload,
              "%s\nGET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: IIS Application "
              "Initialization Warmup\r\n\r\n",
              root, page);
    r->payload_len = payload.len;
    r->payload = text_take(&payload);
    worker->warm_left++;
    worker_give(worker, r);
}

static void run(struct worker *worker)
{
    const struct pool_settings *set = &worker->pool->set;
    struct was *w = worker->pool->was;
    worker->state = WORKER_RUNNING;
    worker->last_active_ms = clock_boot_ms();
    loop_disarm(w->loop, &worker->limit);
    truth_write(w->dir, "worker_ready",
                json_pack("{s:s, s:o}", "pool", set->name, "worker", truth_id(worker->id)));
    if (set->pings)
        arm(worker, &worker->ping, set->ping_interval_ms);
    if (set->idle_ms)
        arm(worker, &worker->idle, set->idle_ms);
    if (set->period_ms)
        arm(worker, &worker->period, set->period_ms);
    pool_worker_ready(worker);
}

static void ready(struct worker *worker)
{
    if (worker->state != WORKER_STARTING || worker->draining)
        return;
    worker->state = WORKER_WARMING;
    sites_warm_pages(worker->pool->was, worker->pool->set.name, warm_page, worker);
    if (!worker->warm_left)
        run(worker);
}

static struct request *inside(struct worker *worker, uint64_t id)
{
    struct request *r = worker->inside.first;
    while (r && r->id != id)
        r = r->next;
    return r;
}

static void answered(struct worker *worker, const struct frame *f, const char *payload)
{
    struct request *r = inside(worker, f->id);
    const char *end = words_find(payload, f->len, "\r\n\r\n");
    if (!r || !end)
        return;
    struct pool *p = worker->pool;
    size_t head_len = (size_t)(end - payload) + 2;
    list_remove(&worker->inside, r);
    r->worker = NULL;
    worker->last_active_ms = clock_boot_ms();
    worker->tally->inside--;
    bool warm_up = r->warm_up;
    if (!warm_up) {
        worker->served++;
        worker->tally->served++;
        p->tally->served++;
    }
    http_answer(r, (int)f->a, payload, head_len, payload + head_len + 2, f->len - head_len - 2);
    if (warm_up && worker->warm_left && --worker->warm_left == 0 &&
        worker->state == WORKER_WARMING && !worker->draining)
        run(worker);
    if (p->set.period_requests && worker->served >= p->set.period_requests && !worker->draining &&
        !worker->successor)
        pool_recycle(p, worker, "requests", 5075);
}

static void on_data(struct stream *s)
{
    struct worker *worker = s->owner;
    struct frame f;
    const char *payload;
    bool answers = false;
    while (frame_next(s, &f, &payload)) {
        if (f.type == FRAME_READY)
            ready(worker);
        else if (f.type == FRAME_PONG)
            loop_disarm(worker->pool->was->loop, &worker->pong);
        else if (f.type == FRAME_ANSWER) {
            answered(worker, &f, payload);
            answers = true;
        }
        frame_done(s, &f);
    }
    if (answers)
        pool_pump(worker->pool);
}

static void on_end(struct stream *s)
{
    (void)s; /* the end of the process follows, and is what counts */
}

static bool spawn(struct worker *worker, struct error *err)
{
    struct was *w = worker->pool->was;
    char program[LAB_PATH_MAX + 32], config[LAB_PATH_MAX + 128];
    int pair[2];
    snprintf(program, sizeof program, "%s/inetsrv/w3wp.exe", w->dir);
    snprintf(config, sizeof config, "%s/apppools/%s.config", w->dir, worker->pool->set.name);
    const char *argv[] = {program,
                          "-ap",
                          worker->pool->set.name,
                          "-v",
                          "v4.0",
                          "-l",
                          "webengine4.dll",
                          "-a",
                          "\\\\.\\pipe\\iisipm",
                          "-h",
                          config,
                          "-w",
                          "",
                          "-m",
                          "0",
                          "-t",
                          "20",
                          "-ta",
                          "0",
                          NULL};
    if (!socket_pair(pair, err))
        return false;
    const int keep[] = {pair[1], w->hosted.power_fd};
    bool ok = lab_os_spawn(argv, keep, 2, false, &worker->id.pid, err);
    socket_close(pair[1]);
    if (!ok) {
        socket_close(pair[0]);
        return false;
    }
    worker->id.created = lab_os_created(worker->id.pid);
    stream_open(&worker->stream, w->loop, pair[0]);
    return true;
}

/* The account cannot log on: WAS tries once, says so, and closes the pool (IIS.md section 5). */
static bool identity_refused(struct pool *p)
{
    if (!fault_on(p->was->settings, "identity-fails", p->set.name))
        return false;
    truth_write(p->was->dir, "identity_try",
                json_pack("{s:s, s:s}", "pool", p->set.name, "user", p->set.user));
    truth_event(p->was->dir, 5021, p->set.name, 0);
    truth_event(p->was->dir, 5057, p->set.name, 0);
    pool_offline(p, 5059);
    return true;
}

struct worker *worker_start(struct pool *p)
{
    struct error err = {0};
    if (identity_refused(p))
        return NULL;
    struct worker *worker = must_alloc(1, sizeof *worker);
    *worker = (struct worker){.pool = p, .state = WORKER_STARTING, .last_active_ms = 0};
    worker->stream = (struct stream){.on_data = on_data, .on_end = on_end, .owner = worker};
    worker->limit = (struct loop_timer){.fire = limit_over, .arg = worker};
    worker->ping = (struct loop_timer){.fire = ping_due, .arg = worker};
    worker->pong = (struct loop_timer){.fire = pong_missing, .arg = worker};
    worker->idle = (struct loop_timer){.fire = idle_due, .arg = worker};
    worker->period = (struct loop_timer){.fire = period_over, .arg = worker};
    worker->wake = (struct loop_timer){.fire = paged_in, .arg = worker};
    if (!spawn(worker, &err)) {
        fprintf(stderr, "lab-was: pool %s: %s\n", p->set.name, err.text);
        free(worker);
        pool_offline(p, 5059);
        return NULL;
    }
    worker->tally = tally_worker(p->was->tally, worker->id, p->set.name);
    worker->next = p->workers;
    p->workers = worker;
    truth_write(p->was->dir, "worker_start",
                json_pack("{s:s, s:o}", "pool", p->set.name, "worker", truth_id(worker->id)));
    if (p->set.startup_ms)
        arm(worker, &worker->limit, p->set.startup_ms);
    return worker;
}

void worker_stop(struct worker *worker, const char *how)
{
    if (worker->draining)
        return;
    resume(worker);
    disarm_all(worker);
    worker->draining = true;
    worker->how = how;
    frame_send(&worker->stream, FRAME_STOP, 0, 0, NULL, 0);
    arm(worker, &worker->limit, worker->pool->set.shutdown_ms);
}

static void unlink_worker(struct worker *worker)
{
    struct worker **at = &worker->pool->workers;
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    if (worker->successor)
        worker->successor->predecessor = NULL;
    if (worker->predecessor)
        worker->predecessor->successor = NULL;
    worker->successor = worker->predecessor = NULL;
}

static void lose_inside(struct worker *worker)
{
    for (struct request *r; (r = worker->inside.first);) {
        list_remove(&worker->inside, r);
        worker->tally->inside--;
        if (!r->warm_up) {
            worker->tally->lost++;
            worker->pool->tally->lost++;
        }
        http_lose(r);
    }
}

/* WAS looks after it no longer; it may live for ever (failure/@orphanWorkerProcess). */
static void orphan(struct worker *worker)
{
    struct was *w = worker->pool->was;
    disarm_all(worker);
    frame_send(&worker->stream, FRAME_ORPHAN, 0, 0, NULL, 0);
    lose_inside(worker);
    truth_worker_end(w->dir, worker->tally, "orphaned", 0);
    worker->tally = NULL;
    unlink_worker(worker);
    worker->orphaned = true;
    worker->next = w->orphans;
    w->orphans = worker;
}

static void put_to_death(struct worker *worker, const char *how)
{
    struct pool *p = worker->pool;
    if (p->set.orphans) {
        orphan(worker);
        pool_worker_gone(p, true);
        return;
    }
    worker->how = how;
    worker->draining = true;
    disarm_all(worker);
    os_process_kill(worker->id.pid, worker->id.created, NULL);
}

/* Its start-up or its shutdown took too long. */
static void limit_over(void *arg)
{
    struct worker *worker = arg;
    struct pool *p = worker->pool;
    if (worker->draining) {
        truth_event(p->was->dir, 5013, p->set.name, worker->id.pid);
        put_to_death(worker, "overdue");
        return;
    }
    truth_event(p->was->dir, 5012, p->set.name, worker->id.pid);
    worker->how = "unready";
    worker->draining = true;
    disarm_all(worker);
    os_process_kill(worker->id.pid, worker->id.created, NULL);
}

static void ping_due(void *arg)
{
    struct worker *worker = arg;
    const struct pool_settings *set = &worker->pool->set;
    frame_send(&worker->stream, FRAME_PING, 0, 0, NULL, 0);
    if (!worker->pong.place)
        arm(worker, &worker->pong, set->ping_response_ms);
    arm(worker, &worker->ping, set->ping_interval_ms);
}

static void pong_missing(void *arg)
{
    struct worker *worker = arg;
    struct pool *p = worker->pool;
    truth_event(p->was->dir, 5010, p->set.name, worker->id.pid);
    put_to_death(worker, "unresponsive");
    pool_failed(p);
}

static void idle_due(void *arg)
{
    struct worker *worker = arg;
    struct pool *p = worker->pool;
    uint64_t idle = clock_boot_ms() - worker->last_active_ms;
    if (worker->inside.count || worker->successor || idle < p->set.idle_ms) {
        arm(worker, &worker->idle, idle < p->set.idle_ms ? p->set.idle_ms - idle : p->set.idle_ms);
        return;
    }
    if (!p->set.suspends) {
        truth_event(p->was->dir, 5186, p->set.name, worker->id.pid);
        worker_stop(worker, "idle");
        return;
    }
    loop_disarm(p->was->loop, &worker->ping);
    loop_disarm(p->was->loop, &worker->pong);
    lab_os_suspend(worker->id.pid, true);
    worker->state = WORKER_SUSPENDED;
    truth_write(p->was->dir, "worker_suspended",
                json_pack("{s:s, s:o}", "pool", p->set.name, "worker", truth_id(worker->id)));
}

static void paged_in(void *arg)
{
    const struct worker *worker = arg;
    lab_os_suspend(worker->id.pid, false);
}

static void period_over(void *arg)
{
    struct worker *worker = arg;
    pool_recycle(worker->pool, worker, "time", 5074);
}

static struct worker *find(struct was *w, uint32_t pid)
{
    for (struct pool *p = w->pools; p; p = p->next) {
        for (struct worker *worker = p->workers; worker; worker = worker->next) {
            if (worker->id.pid == pid)
                return worker;
        }
    }
    for (struct worker *worker = w->orphans; worker; worker = worker->next) {
        if (worker->id.pid == pid)
            return worker;
    }
    return NULL;
}

static void orphan_ended(struct was *w, struct worker *worker)
{
    struct worker **at = &w->orphans;
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    truth_write(
        w->dir, "worker_gone",
        json_pack("{s:s, s:o}", "pool", worker->pool->set.name, "worker", truth_id(worker->id)));
    loop_disarm(w->loop, &worker->wake);
    stream_close(&worker->stream);
    loop_defer(w->loop, free, worker);
}

static const char *verdict(const struct worker *worker, const struct lab_end *end)
{
    bool by_us = worker->how &&
                 (strcmp(worker->how, "overdue") == 0 || strcmp(worker->how, "unready") == 0 ||
                  strcmp(worker->how, "unresponsive") == 0);
    if (end->killed && !by_us)
        return "killed";
    return worker->how ? worker->how : "crashed";
}

void worker_ended(struct was *w, const struct lab_end *end)
{
    struct worker *worker = find(w, end->pid);
    if (!worker)
        return;
    if (worker->orphaned) {
        orphan_ended(w, worker);
        return;
    }
    struct pool *p = worker->pool;
    const char *how = verdict(worker, end);
    /* Answers that it sent before its end are still in the socket. */
    stream_drain(&worker->stream);
    bool asked = worker->how != NULL, unready = asked && strcmp(worker->how, "unready") == 0;
    bool idle = asked && strcmp(worker->how, "idle") == 0;
    disarm_all(worker);
    loop_disarm(w->loop, &worker->wake);
    lose_inside(worker);
    truth_worker_end(w->dir, worker->tally, how, end->code);
    stream_close(&worker->stream);
    unlink_worker(worker);
    loop_defer(w->loop, free, worker);
    if (!asked)
        truth_event(w->dir, end->aborted ? 5009 : 5011, p->set.name, end->pid);
    if (!asked || unready)
        pool_failed(p);
    pool_worker_gone(p, !idle);
}

void workers_weigh(struct was *w)
{
    struct os_process process;
    for (struct pool *p = w->pools; p; p = p->next) {
        for (struct worker *worker = p->workers; worker && p->set.private_kb;
             worker = worker->next) {
            if (worker->draining || worker->successor || worker->state != WORKER_RUNNING ||
                os_process_find(worker->id.pid, &process, NULL) != ERR_NONE ||
                process.memory_bytes / 1024 <= p->set.private_kb)
                continue;
            pool_recycle(p, worker, "memory", 5117);
            break; /* the list has changed */
        }
    }
}
