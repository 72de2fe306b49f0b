/* mailbox.c - see mailbox.h. A ring under one lock; the lock is held for a few instructions. */
#include "common/mailbox.h"

#include "common/clock.h"
#include "common/must.h"

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <stdlib.h>

/* nng's clock may stand still while the machine sleeps, the deadlines do not: a long wait is cut
 * into pieces, so that after a suspension the deadline is noticed within this time. */
#define LONGEST_WAIT_MS 5000

struct mailbox {
    nng_mtx *lock;
    nng_cv *news;
    void **letters; /* ring: `count` of them from `first` on */
    size_t capacity, first, count;
    bool woken;
    void (*release)(void *letter);
};

struct mailbox *mailbox_open(size_t capacity, void (*release)(void *letter))
{
    must(capacity > 0);
    struct mailbox *box = must_alloc(1, sizeof(*box));
    box->letters = must_alloc(capacity, sizeof(*box->letters));
    box->capacity = capacity;
    box->release = release;
    must(nng_mtx_alloc(&box->lock) == 0);
    must(nng_cv_alloc(&box->news, box->lock) == 0);
    return box;
}

static void *pop(struct mailbox *box)
{
    void *letter = box->letters[box->first];
    box->first = (box->first + 1) % box->capacity;
    box->count--;
    return letter;
}

void mailbox_close(struct mailbox *box)
{
    if (!box)
        return;
    while (box->count > 0) {
        void *letter = pop(box);
        if (box->release)
            box->release(letter);
    }
    nng_cv_free(box->news);
    nng_mtx_free(box->lock);
    free(box->letters);
    free(box);
}

bool mailbox_post(struct mailbox *box, void *letter)
{
    must(letter != NULL);
    nng_mtx_lock(box->lock);
    bool room = box->count < box->capacity;
    if (room) {
        box->letters[(box->first + box->count) % box->capacity] = letter;
        box->count++;
        nng_cv_wake(box->news);
    }
    nng_mtx_unlock(box->lock);
    return room;
}

/* Waits once, under the lock; the caller looks again at what it waits for. */
static void wait_once(struct mailbox *box, uint64_t now_ms, uint64_t deadline_ms)
{
    uint64_t left_ms = deadline_ms - now_ms;
    if (deadline_ms == UINT64_MAX) {
        nng_cv_wait(box->news); /* no deadline, no reason to wake up in between */
        return;
    }
    if (left_ms > LONGEST_WAIT_MS)
        left_ms = LONGEST_WAIT_MS;
    nng_cv_until(box->news, nng_clock() + left_ms);
}

void *mailbox_take(struct mailbox *box, uint64_t deadline_ms)
{
    void *letter = NULL;
    nng_mtx_lock(box->lock);
    while (!box->woken && box->count == 0) {
        uint64_t now_ms = clock_boot_ms();
        if (now_ms >= deadline_ms)
            break;
        wait_once(box, now_ms, deadline_ms);
    }
    if (box->woken)
        box->woken = false;
    else if (box->count > 0)
        letter = pop(box);
    nng_mtx_unlock(box->lock);
    return letter;
}

void mailbox_wake(struct mailbox *box)
{
    nng_mtx_lock(box->lock);
    box->woken = true;
    nng_cv_wake(box->news);
    nng_mtx_unlock(box->lock);
}
