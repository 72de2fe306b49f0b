/* refusals.c - see refusals.h. */
#include "coordinator/desk/refusals.h"

#include "common/text.h"

#include <stddef.h>

#define MINUTE_MS 60000

/* His place, a free one, or that of whose minute began the longest ago. */
static size_t place_of(const struct refusals *r, const char *id)
{
    size_t oldest = 0;
    for (size_t i = 0; i < REFUSALS_PEOPLE; i++) {
        if (text_equal(r->items[i].id, id))
            return i;
        bool is_free = r->items[i].id[0] == '\0', was_free = r->items[oldest].id[0] == '\0';
        if (!was_free && (is_free || r->items[i].since_ms < r->items[oldest].since_ms))
            oldest = i;
    }
    return oldest;
}

bool refusals_take(struct refusals *r, const char *id, uint64_t now_ms, uint64_t *left_out)
{
    size_t at = place_of(r, id);
    bool known = text_equal(r->items[at].id, id);
    if (!known)
        r->items[at].left_out = 0;
    if (!known || now_ms - r->items[at].since_ms >= MINUTE_MS) {
        text_copy(r->items[at].id, sizeof(r->items[at].id), id);
        r->items[at].since_ms = now_ms;
        r->items[at].written = 0;
    }
    if (r->items[at].written >= REFUSALS_A_MINUTE) {
        r->items[at].left_out++;
        return false;
    }
    r->items[at].written++;
    *left_out = r->items[at].left_out;
    r->items[at].left_out = 0;
    return true;
}
