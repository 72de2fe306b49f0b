/* ending.c - see ending.h. */
#include "agent/ending.h"

bool ending_waits_for(enum call_kind kind)
{
    return call_acts(kind) || kind == CALL_SERVICE_WAIT;
}

void ending_begin(struct ending *ending, uint64_t now_ms)
{
    if (!ending->begun)
        *ending = (struct ending){.begun = true, .since_ms = now_ms, .acted_ms = now_ms};
}

bool ending_is_over(struct ending *ending, bool acting, bool quiet, bool shutdown, uint64_t now_ms)
{
    if (!ending->begun)
        return false;
    if (acting || ending->acting)
        ending->acted_ms = now_ms;
    ending->acting = acting;
    if (now_ms - ending->since_ms >= (shutdown ? ENDING_SHUTDOWN_MS : ENDING_STOP_MS))
        return true;
    return !acting && (quiet || now_ms - ending->acted_ms >= ENDING_FLUSH_MS);
}

uint64_t ending_wake_ms(const struct ending *ending, uint64_t now_ms)
{
    return ending->begun ? now_ms + ENDING_STEP_MS : UINT64_MAX;
}
