/* allowance.c - see allowance.h. */
#include "coordinator/link/allowance.h"

static uint64_t leak(uint64_t level, uint64_t elapsed_ms, uint64_t per_ms)
{
    return elapsed_ms >= level / per_ms + 1 ? 0 : level - elapsed_ms * per_ms;
}

bool allowance_take(struct allowance *a, size_t bytes, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms > a->counted_ms ? now_ms - a->counted_ms : 0;
    a->messages_milli = leak(a->messages_milli, elapsed_ms, ALLOWANCE_MESSAGES);
    a->bytes = leak(a->bytes, elapsed_ms, ALLOWANCE_BYTES / 1000);
    a->counted_ms = now_ms;
    if (a->messages_milli + 1000 > ALLOWANCE_MESSAGES_ONCE * 1000 ||
        a->bytes + bytes > ALLOWANCE_BYTES_ONCE)
        return false;
    a->messages_milli += 1000;
    a->bytes += bytes;
    return true;
}
