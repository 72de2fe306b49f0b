#include "tests/lab/base/loop.h"

#include "common/clock.h"
#include "common/must.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct watch {
    void (*ready)(unsigned events, void *arg);
    void *arg;
};

struct deferred {
    void (*call)(void *arg);
    void *arg;
};

struct loop {
    int epoll_fd;
    int signal_fd;
    bool stopping;
    struct watch *watches; /* by descriptor */
    size_t watch_count;
    struct loop_timer **heap; /* earliest first */
    size_t heap_len, heap_cap;
    struct deferred *deferred;
    size_t deferred_len, deferred_cap;
    void (*on_signal)(int number, void *arg);
    void *signal_arg;
};

struct loop *loop_open(struct error *err)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        error_errno(err, errno, "epoll_create1");
        return NULL;
    }
    struct loop *loop = must_alloc(1, sizeof *loop);
    loop->epoll_fd = fd;
    loop->signal_fd = -1;
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
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    close(loop->epoll_fd);
    free(loop->watches);
    free(loop->heap);
    free(loop->deferred);
    free(loop);
}

static uint32_t to_epoll(unsigned events)
{
    return (events & LOOP_READ ? (uint32_t)EPOLLIN : 0) |
           (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
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
    struct epoll_event e = {.events = to_epoll(events), .data.fd = fd};
    must(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0);
}

void loop_change(struct loop *loop, int fd, unsigned events)
{
    struct epoll_event e = {.events = to_epoll(events), .data.fd = fd};
    must(epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0);
}

void loop_forget(struct loop *loop, int fd)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
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

static void signal_ready(unsigned events, void *arg)
{
    (void)events;
    struct loop *loop = arg;
    struct signalfd_siginfo info;
    while (read(loop->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        loop->on_signal((int)info.ssi_signo, loop->signal_arg);
}

bool loop_signals(struct loop *loop, const int *signals, size_t count,
                  void (*each)(int number, void *arg), void *arg, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signal_fd < 0) {
        error_errno(err, errno, "signalfd");
        return false;
    }
    loop->on_signal = each;
    loop->signal_arg = arg;
    loop_watch(loop, loop->signal_fd, LOOP_READ, signal_ready, loop);
    return true;
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

void loop_run(struct loop *loop)
{
    struct epoll_event events[64];
    loop->stopping = false;
    while (!loop->stopping) {
        int n = epoll_wait(loop->epoll_fd, events, 64, wait_ms(loop));
        for (int i = 0; i < n && !loop->stopping; i++) {
            struct watch w = loop->watches[events[i].data.fd];
            unsigned told = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? LOOP_READ : 0) |
                            (events[i].events & EPOLLOUT ? LOOP_WRITE : 0);
            if (w.ready)
                w.ready(told, w.arg);
        }
        fire_due(loop);
        run_deferred(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
