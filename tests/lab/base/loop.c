#include "tests/lab/base/poller.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdlib.h>
#include <string.h>

struct watch {
    void (*ready)(unsigned events, void *arg);
    void *arg;
};

struct deferred {
    void (*call)(void *arg);
    void *arg;
};

struct loop {
    struct poller *poller;
    bool stopping;
    struct watch *watches; /* by descriptor */
    size_t watch_count;
    struct loop_timer **heap; /* earliest first */
    size_t heap_len, heap_cap;
    struct deferred *deferred;
    size_t deferred_len, deferred_cap;
};

struct loop *loop_open(struct error *err)
{
    struct poller *poller = poller_open(err);
    if (!poller)
        return NULL;
    struct loop *loop = must_alloc(1, sizeof *loop);
    loop->poller = poller;
    return loop;
}

static void run_deferred(struct loop *loop)
{
    for (size_t i = 0; i < loop->deferred_len; i++) {
        struct deferred d = loop->deferred[i];
        d.call(d.arg);
    }
    loop->deferred_len = 0;
}

void loop_close(struct loop *loop)
{
    if (!loop)
        return;
    run_deferred(loop);
    poller_close(loop->poller);
    free(loop->watches);
    free(loop->heap);
    free(loop->deferred);
    free(loop);
}

void loop_watch(struct loop *loop, int fd, unsigned events,
                void (*ready)(unsigned events, void *arg), void *arg)
{
    must(fd >= 0);
    if ((size_t)fd >= loop->watch_count) {
        size_t count = (size_t)fd + 64;
        loop->watches = must_realloc(loop->watches, count, sizeof *loop->watches);
        memset(loop->watches + loop->watch_count, 0,
               (count - loop->watch_count) * sizeof *loop->watches);
        loop->watch_count = count;
    }
    loop->watches[fd] = (struct watch){ready, arg};
    poller_add(loop->poller, fd, events);
}

void loop_change(struct loop *loop, int fd, unsigned events)
{
    poller_change(loop->poller, fd, events);
}

void loop_forget(struct loop *loop, int fd)
{
    poller_remove(loop->poller, fd);
    loop->watches[fd] = (struct watch){0};
}

static void heap_put(struct loop *loop, size_t at, struct loop_timer *timer)
{
    loop->heap[at] = timer;
    timer->place = at + 1;
}

static void heap_up(struct loop *loop, size_t at)
{
    struct loop_timer *timer = loop->heap[at];
    while (at > 0 && loop->heap[(at - 1) / 2]->due_ms > timer->due_ms) {
        heap_put(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(loop, at, timer);
}

static void heap_down(struct loop *loop, size_t at)
{
    struct loop_timer *timer = loop->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= loop->heap_len)
            break;
        if (child + 1 < loop->heap_len && loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms)
            child++;
        if (loop->heap[child]->due_ms >= timer->due_ms)
            break;
        heap_put(loop, at, loop->heap[child]);
        at = child;
    }
    heap_put(loop, at, timer);
}

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t due_ms)
{
    loop_disarm(loop, timer);
    timer->due_ms = due_ms;
    if (loop->heap_len == loop->heap_cap) {
        loop->heap_cap = loop->heap_cap ? loop->heap_cap * 2 : 32;
        loop->heap = must_realloc(loop->heap, loop->heap_cap, sizeof(struct loop_timer *));
    }
    loop->heap[loop->heap_len] = timer;
    heap_up(loop, loop->heap_len++);
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->place)
        return;
    size_t at = timer->place - 1;
    timer->place = 0;
    struct loop_timer *last = loop->heap[--loop->heap_len];
    if (last == timer)
        return;
    heap_put(loop, at, last);
    heap_up(loop, at);
    heap_down(loop, last->place - 1);
}

bool loop_signals(struct loop *loop, void (*each)(enum loop_signal signal, void *arg), void *arg,
                  struct error *err)
{
    return poller_signals(loop->poller, each, arg, err);
}

void loop_defer(struct loop *loop, void (*call)(void *arg), void *arg)
{
    if (loop->deferred_len == loop->deferred_cap) {
        loop->deferred_cap = loop->deferred_cap ? loop->deferred_cap * 2 : 16;
        loop->deferred = must_realloc(loop->deferred, loop->deferred_cap, sizeof *loop->deferred);
    }
    loop->deferred[loop->deferred_len++] = (struct deferred){call, arg};
}

static void fire_due(struct loop *loop)
{
    uint64_t now = clock_boot_ms();
    while (loop->heap_len && loop->heap[0]->due_ms <= now && !loop->stopping) {
        struct loop_timer *timer = loop->heap[0];
        loop_disarm(loop, timer);
        timer->fire(timer->arg);
    }
}

static int wait_ms(const struct loop *loop)
{
    if (!loop->heap_len)
        return -1;
    uint64_t now = clock_boot_ms(), due = loop->heap[0]->due_ms;
    if (due <= now)
        return 0;
    return due - now > 60000 ? 60000 : (int)(due - now);
}

static bool ready(int fd, unsigned events, void *arg)
{
    struct loop *loop = arg;
    struct watch w = loop->watches[fd];
    if (w.ready)
        w.ready(events, w.arg);
    return !loop->stopping;
}

void loop_run(struct loop *loop)
{
    loop->stopping = false;
    while (!loop->stopping) {
        poller_wait(loop->poller, wait_ms(loop), ready, loop);
        fire_due(loop);
        run_deferred(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
