/* nng_close.c - see nng_close.h. */
#include "common/nng_close.h"

#include "common/must.h"

#include <nng/supplemental/util/platform.h>
#include <stdlib.h>

/* Shared with the thread that closes; whoever is last to leave frees it. */
struct closing {
    nng_socket socket;
    nng_mtx *lock;
    nng_cv *done;
    bool closed, abandoned;
    nng_thread *thread;
};

static void closing_free(struct closing *c)
{
    nng_cv_free(c->done);
    nng_mtx_free(c->lock);
    free(c);
}

static void close_it(void *arg)
{
    struct closing *c = arg;
    nng_close(c->socket);
    nng_mtx_lock(c->lock);
    c->closed = true;
    bool abandoned = c->abandoned;
    nng_cv_wake(c->done);
    nng_mtx_unlock(c->lock);
    if (abandoned)
        closing_free(c);
}

bool nng_close_within(nng_socket socket, uint32_t limit_ms)
{
    struct closing *c = must_alloc(1, sizeof(*c));
    c->socket = socket;
    must(nng_mtx_alloc(&c->lock) == 0 && nng_cv_alloc(&c->done, c->lock) == 0);
    nng_time until = nng_clock() + limit_ms;
    int rv = 0;
    must(nng_thread_create(&c->thread, close_it, c) == 0);
    nng_mtx_lock(c->lock);
    while (!c->closed && rv == 0)
        rv = nng_cv_until(c->done, until);
    bool closed = c->closed;
    c->abandoned = !closed;
    nng_mtx_unlock(c->lock);
    if (!closed)
        return false;
    nng_thread_destroy(c->thread); /* waits for its last steps */
    closing_free(c);
    return true;
}
