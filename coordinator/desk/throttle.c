/* throttle.c - see throttle.h. */
#include "coordinator/desk/throttle.h"

#include "common/text.h"

#include <stddef.h>

static int find(const struct throttle *t, const char *address)
{
    for (int i = 0; i < THROTTLE_ADDRESSES && address[0]; i++) /* "": not known, and not counted */
        if (text_equal(t->items[i].address, address))
            return i;
    return -1;
}

static uint64_t wait_of(uint32_t wrong)
{
    if (wrong < THROTTLE_FREE)
        return 0;
    uint32_t doublings = wrong - THROTTLE_FREE;
    return doublings >= 6 ? THROTTLE_WAIT_MAX : UINT64_C(1000) << doublings;
}

uint64_t throttle_wait_ms(const struct throttle *t, const char *address, uint64_t now_ms)
{
    int at = find(t, address);
    if (at < 0 || now_ms - t->items[at].last_ms >= THROTTLE_FORGET_MS)
        return 0;
    uint64_t until_ms = t->items[at].last_ms + wait_of(t->items[at].wrong);
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/* A free place, or that of the one who tried the longest ago. */
static int place_for(const struct throttle *t, const char *address)
{
    int at = find(t, address), oldest = 0;
    for (int i = 0; at < 0 && i < THROTTLE_ADDRESSES; i++) {
        if (t->items[i].address[0] == '\0')
            return i;
        if (t->items[i].last_ms < t->items[oldest].last_ms)
            oldest = i;
    }
    return at >= 0 ? at : oldest;
}

void throttle_wrong(struct throttle *t, const char *address, uint64_t now_ms)
{
    if (!address[0])
        return;
    int at = place_for(t, address);
    bool same = text_equal(t->items[at].address, address);
    if (!same || now_ms - t->items[at].last_ms >= THROTTLE_FORGET_MS)
        t->items[at].wrong = 0;
    text_copy(t->items[at].address, sizeof(t->items[at].address), address);
    t->items[at].wrong++;
    t->items[at].last_ms = now_ms;
}

void throttle_right(struct throttle *t, const char *address)
{
    int at = find(t, address);
    if (at >= 0 && --t->items[at].wrong == 0)
        t->items[at].address[0] = '\0';
}
