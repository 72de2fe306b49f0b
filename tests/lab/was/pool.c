/* pool.c - application pools: states, queues, rotation, rapid-fail protection; see was.h. */
#include "tests/lab/was/was.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pool_state_name(enum pool_state state)
{
    switch (state) {
    case POOL_STARTING:
        return "Starting";
    case POOL_STARTED:
        return "Started";
    case POOL_STOPPING:
        return "Stopping";
    case POOL_STOPPED:
        return "Stopped";
    case POOL_UNKNOWN:
        break;
    }
    return "Unknown";
}

void list_add(struct request_list *list, struct request *r)
{
    r->next = NULL;
    r->previous = list->last;
    if (list->last)
        list->last->next = r;
    else
        list->first = r;
    list->last = r;
    list->count++;
}

void list_remove(struct request_list *list, struct request *r)
{
    if (r->previous)
        r->previous->next = r->next;
    else
        list->first = r->next;
    if (r->next)
        r->next->previous = r->previous;
    else
        list->last = r->previous;
    r->next = r->previous = NULL;
    list->count--;
}

void request_free(struct request *r)
{
    free(r->payload);
    free(r);
}

struct pool *pool_find(struct was *w, const char *name)
{
    struct pool *p = w->pools;
    while (p && !(p->in_config && text_equal_nocase(p->set.name, name)))
        p = p->next;
    return p;
}

enum pool_state pool_shown_state(const struct pool *p)
{
    return p->was->web_on ? p->state : POOL_UNKNOWN;
}

bool pools_idle(const struct was *w)
{
    for (const struct pool *p = w->pools; p; p = p->next) {
        if (p->workers)
            return false;
    }
    return true;
}

static bool may_start(const struct pool *p)
{
    return p->state == POOL_STARTED && p->was->was_on && p->was->web_on && p->in_config;
}

/* Workers that will serve: not counted twice while one replaces one, and not on their way out,
 * unless overlapping is disallowed: then the next waits until the last has gone. */
static size_t serving(const struct pool *p, bool *starting)
{
    size_t count = 0;
    *starting = false;
    for (const struct worker *w = p->workers; w; w = w->next) {
        if (w->draining && p->set.overlaps)
            continue;
        count += w->predecessor ? 0 : 1;
        *starting |= w->state == WORKER_STARTING || w->state == WORKER_WARMING;
    }
    return count;
}

/* The least busy, then the one that was given nothing for longest: gardens share evenly. */
static bool better(const struct worker *a, const struct worker *b)
{
    if (a->inside.count != b->inside.count)
        return a->inside.count < b->inside.count;
    if (a->last_given_ms != b->last_given_ms)
        return a->last_given_ms < b->last_given_ms;
    return a->served < b->served;
}

static struct worker *pick(struct pool *p)
{
    struct worker *best = NULL;
    for (struct worker *w = p->workers; w; w = w->next) {
        if (worker_can_take(w) && (!best || better(w, best)))
            best = w;
    }
    return best;
}

void pool_pump(struct pool *p)
{
    struct worker *w;
    bool starting, demand = p->queue.first != NULL;
    while (p->queue.first && (w = pick(p))) {
        struct request *r = p->queue.first;
        list_remove(&p->queue, r);
        worker_give(w, r);
    }
    /* A garden grows with its visitors; a single worker comes when somebody waits for it. */
    bool grow = demand && (p->queue.first || p->set.max_processes > 1);
    if (grow && may_start(p) && serving(p, &starting) < p->set.max_processes && !starting)
        worker_start(p);
}

void pool_submit(struct pool *p, struct request *r)
{
    p->arrived++;
    if (p->state != POOL_STARTED && p->app_offline && p->set.tcp_level)
        http_reject(r, REJECT_SILENT);
    else if (p->state != POOL_STARTED)
        http_reject(r, p->app_offline ? REJECT_APP_OFFLINE : REJECT_DISABLED);
    else if (p->queue.count >= p->set.queue_length)
        http_reject(r, REJECT_QUEUE_FULL);
    else {
        list_add(&p->queue, r);
        pool_pump(p);
    }
}

static void reject_queue(struct pool *p, enum reject reason)
{
    for (struct request *r; (r = p->queue.first);) {
        list_remove(&p->queue, r);
        http_reject(r, reason);
    }
}

static void always_running(struct pool *p)
{
    bool starting;
    while (p->set.always_running && may_start(p) && serving(p, &starting) < p->set.max_processes) {
        if (!worker_start(p))
            return;
    }
}

void pool_start(struct pool *p)
{
    p->state = POOL_STARTED;
    p->app_offline = false;
    p->crash_count = 0;
    always_running(p);
}

void pool_stop(struct pool *p, const char *how)
{
    if (p->state == POOL_STARTED)
        p->state = POOL_STOPPING;
    reject_queue(p, p->app_offline ? REJECT_APP_OFFLINE : REJECT_DISABLED);
    for (struct worker *w = p->workers; w; w = w->next)
        worker_stop(w, how);
    if (!p->workers && p->state == POOL_STOPPING)
        p->state = POOL_STOPPED;
}

void pool_offline(struct pool *p, unsigned event)
{
    truth_event(p->was->dir, event, p->set.name, 0);
    p->app_offline = true;
    pool_stop(p, "stopped");
    was_changed(p->was);
}

void pool_failed(struct pool *p)
{
    uint64_t now = clock_boot_ms(), most = p->set.max_crashes, recent = 0;
    memmove(p->crashes + 1, p->crashes, sizeof p->crashes - sizeof *p->crashes);
    p->crashes[0] = now;
    if (p->crash_count < CRASHES_KEPT)
        p->crash_count++;
    for (size_t i = 0; i < p->crash_count; i++)
        recent += now - p->crashes[i] <= p->set.fail_interval_ms;
    if (!p->set.rapid_fail || p->state != POOL_STARTED || recent < most)
        return;
    truth_write(p->was->dir, "rapid_fail",
                json_pack("{s:s, s:I}", "pool", p->set.name, "crashes", (json_int_t)recent));
    pool_offline(p, 5002);
}

static bool rotate(struct pool *p, struct worker *w, bool overlaps)
{
    if (!overlaps) {
        worker_stop(w, "recycled");
        return true;
    }
    struct worker *successor = worker_start(p);
    if (!successor)
        return false;
    successor->predecessor = w;
    w->successor = successor;
    return true;
}

/* How many workers it began to replace. Those that are new or on their way out are left alone. */
unsigned pool_recycle(struct pool *p, struct worker *only, const char *by, unsigned event)
{
    struct worker *old[256];
    size_t count = 0;
    unsigned done = 0;
    json_t *ids = json_array();
    for (struct worker *w = p->workers; w && count < 256; w = w->next) {
        if (!w->draining && !w->successor && !w->predecessor && (!only || only == w))
            old[count++] = w;
    }
    bool overlaps = p->set.overlaps && may_start(p);
    for (size_t i = 0; i < count; i++) {
        json_t *id = truth_id(old[i]->id);
        if (rotate(p, old[i], overlaps)) {
            done++;
            truth_event(p->was->dir, event, p->set.name, old[i]->id.pid);
            json_array_append(ids, id);
        }
        json_decref(id);
    }
    if (done)
        truth_write(p->was->dir, "recycle",
                    json_pack("{s:s, s:s, s:b, s:O}", "pool", p->set.name, "by", by, "overlapped",
                              overlaps, "workers", ids));
    json_decref(ids);
    return done;
}

void pool_worker_ready(struct worker *worker)
{
    struct worker *old = worker->predecessor;
    if (old) {
        old->successor = NULL;
        worker->predecessor = NULL;
        worker_stop(old, "recycled");
    }
    pool_pump(worker->pool);
}

void pool_worker_gone(struct pool *p, bool demand)
{
    if (p->state == POOL_STOPPING && !p->workers)
        p->state = POOL_STOPPED;
    if (demand)
        always_running(p);
    pool_pump(p);
    was_changed(p->was);
}

static struct pool *add_pool(struct was *w, const struct pool_settings *set)
{
    struct pool *p = must_alloc(1, sizeof *p), **end = &w->pools;
    *p = (struct pool){.was = w, .state = POOL_STOPPED, .set = *set, .in_config = true};
    p->tally = tally_pool(w->tally, set->name);
    while (*end)
        end = &(*end)->next;
    *end = p;
    return p;
}

/* Known pools take the new settings; what asks for it rotates them at once (event 5080). */
static void change_pool(struct pool *p, const struct pool_settings *set)
{
    bool rotates = set->rotation_mark != p->set.rotation_mark && p->set.rotates_on_change;
    p->set = *set;
    p->in_config = true;
    if (rotates && p->state == POOL_STARTED)
        pool_recycle(p, NULL, "config", 5080);
    always_running(p);
}

void pools_read(struct was *w)
{
    struct pool_settings set;
    for (struct pool *p = w->pools; p; p = p->next)
        p->in_config = false;
    for (struct xml *node = iisconf_first_pool(&w->conf); node; node = xml_next(node)) {
        iisconf_pool_settings(&w->conf, node, &set);
        struct pool *p = w->pools;
        while (p && !text_equal_nocase(p->set.name, set.name))
            p = p->next;
        if (p) {
            change_pool(p, &set);
            continue;
        }
        p = add_pool(w, &set);
        if (w->was_on && set.auto_start)
            pool_start(p);
    }
    for (struct pool *p = w->pools; p; p = p->next) {
        if (!p->in_config)
            pool_stop(p, "stopped");
    }
}
