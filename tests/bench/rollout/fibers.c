/* fibers.c - see fibers.h. */
#include "tests/bench/rollout/fibers.h"

#include "common/must.h"

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#define STACK_BYTES (256 * 1024)

struct fiber {
    ucontext_t at;
    void *(*run)(void *);
    void *arg;
    struct fiber *next;   /* of those that may run */
    uint64_t deadline_ms; /* while it waits; by nng's clock */
    size_t place;         /* in the heap of those with a deadline, from 1 on; 0: not there */
    bool ready;
};

/* Stands for an nng_cv. One fiber waits at most: a mailbox has one owner. */
struct condition {
    nng_mtx *lock;
    struct fiber *waiter;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what follows */
static pthread_cond_t news;
static struct fiber *first_ready, **last_ready = &first_ready;
static struct fiber **heap; /* the earliest deadline at 1 */
static size_t heap_count, heap_room;

static struct fiber *self; /* of the thread that runs them, which alone uses these two */
static ucontext_t scheduler;

/* ---- deadlines ---- */

static void put(struct fiber *f, size_t place)
{
    heap[place] = f;
    f->place = place;
}

static void sift(struct fiber *f, size_t place)
{
    for (; place > 1 && heap[place / 2]->deadline_ms > f->deadline_ms; place /= 2)
        put(heap[place / 2], place);
    for (size_t child; (child = 2 * place) <= heap_count; place = child) {
        if (child < heap_count && heap[child + 1]->deadline_ms < heap[child]->deadline_ms)
            child++;
        if (heap[child]->deadline_ms >= f->deadline_ms)
            break;
        put(heap[child], place);
    }
    put(f, place);
}

static void arm(struct fiber *f, uint64_t deadline_ms)
{
    f->deadline_ms = deadline_ms;
    if (deadline_ms == UINT64_MAX)
        return;
    if (++heap_count >= heap_room) {
        heap_room = 2 * heap_count;
        heap = must_realloc(heap, heap_room, sizeof(*heap));
    }
    sift(f, heap_count);
}

static void disarm(struct fiber *f)
{
    size_t place = f->place;
    if (place == 0)
        return;
    struct fiber *last = heap[heap_count--];
    f->place = 0;
    if (last != f)
        sift(last, place);
}

/* ---- who may run ---- */

static void make_ready(struct fiber *f)
{
    if (f->ready)
        return;
    disarm(f);
    f->ready = true;
    f->next = NULL;
    *last_ready = f;
    last_ready = &f->next;
    pthread_cond_signal(&news);
}

static void wait_for_news(void)
{
    if (heap_count == 0) {
        pthread_cond_wait(&news, &lock);
        return;
    }
    uint64_t now_ms = nng_clock(), at_ms = heap[1]->deadline_ms;
    if (at_ms <= now_ms)
        return;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + (at_ms - now_ms) * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&news, &lock, &until);
}

static struct fiber *next_ready(void)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (heap_count > 0 && heap[1]->deadline_ms <= nng_clock())
            make_ready(heap[1]);
        if (first_ready)
            break;
        wait_for_news();
    }
    struct fiber *f = first_ready;
    first_ready = f->next;
    if (!first_ready)
        last_ready = &first_ready;
    f->ready = false;
    pthread_mutex_unlock(&lock);
    return f;
}

static void begin(void)
{
    self->run(self->arg);
    for (;;) /* there is no end: it sleeps, and nobody wakes it */
        must(swapcontext(&self->at, &scheduler) == 0);
}

void fibers_add(void *(*run)(void *arg), void *arg)
{
    struct fiber *f = must_alloc(1, sizeof(*f));
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    must(stack != MAP_FAILED && getcontext(&f->at) == 0);
    f->run = run;
    f->arg = arg;
    f->at.uc_stack.ss_sp = stack;
    f->at.uc_stack.ss_size = STACK_BYTES;
    makecontext(&f->at, begin, 0);
    pthread_mutex_lock(&lock);
    make_ready(f);
    pthread_mutex_unlock(&lock);
}

void fibers_yield(void)
{
    struct fiber *f = self;
    pthread_mutex_lock(&lock);
    make_ready(f);
    pthread_mutex_unlock(&lock);
    must(swapcontext(&f->at, &scheduler) == 0);
}

void fibers_run(void)
{
    for (;;) {
        self = next_ready();
        must(swapcontext(&scheduler, &self->at) == 0);
    }
}

/* ---- in place of nng's conditions and of threads (ld --wrap) ---- */

int __wrap_nng_cv_alloc(nng_cv **out, nng_mtx *mtx);
void __wrap_nng_cv_free(nng_cv *cv);
void __wrap_nng_cv_wait(nng_cv *cv);
int __wrap_nng_cv_until(nng_cv *cv, nng_time deadline_ms);
void __wrap_nng_cv_wake(nng_cv *cv);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *how, void *(*run)(void *),
                          void *arg);

int __wrap_nng_cv_alloc(nng_cv **out, nng_mtx *mtx)
{
    struct condition *c = must_alloc(1, sizeof(*c));
    c->lock = mtx;
    *out = (nng_cv *)c;
    return 0;
}

void __wrap_nng_cv_free(nng_cv *cv)
{
    free(cv);
}

int __wrap_nng_cv_until(nng_cv *cv, nng_time deadline_ms)
{
    struct condition *c = (struct condition *)cv;
    struct fiber *f = self;
    pthread_mutex_lock(&lock);
    must(f && !c->waiter);
    c->waiter = f;
    arm(f, deadline_ms);
    pthread_mutex_unlock(&lock);
    nng_mtx_unlock(c->lock);
    must(swapcontext(&f->at, &scheduler) == 0);
    nng_mtx_lock(c->lock);
    pthread_mutex_lock(&lock);
    c->waiter = NULL;
    disarm(f); /* a wake that came while it ran lets it run once more */
    pthread_mutex_unlock(&lock);
    return nng_clock() < deadline_ms ? 0 : NNG_ETIMEDOUT;
}

void __wrap_nng_cv_wait(nng_cv *cv)
{
    __wrap_nng_cv_until(cv, UINT64_MAX);
}

void __wrap_nng_cv_wake(nng_cv *cv)
{
    struct condition *c = (struct condition *)cv;
    pthread_mutex_lock(&lock);
    if (c->waiter)
        make_ready(c->waiter);
    pthread_mutex_unlock(&lock);
}

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *how, void *(*run)(void *),
                          void *arg)
{
    (void)how;
    *out = pthread_self();
    fibers_add(run, arg);
    return 0;
}

__attribute__((constructor)) static void prepare(void)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(&news, &how);
    pthread_condattr_destroy(&how);
}
