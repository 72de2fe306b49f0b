/* A run over a whole server takes the leases of its pools' incidents. That a site of the server
 * answers proves none of them: each pool proves by itself, and where one does not, its incident has
 * all back that it had. */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

static uint32_t bit(uint32_t k)
{
    return 1U << k;
}

bool rollout_proved(const struct rollout_target *t, uint32_t k)
{
    return (t->taken_proved & ~t->taken_left & bit(k)) != 0;
}

bool rollout_solved(const struct rollout_target *t, uint32_t k)
{
    return (t->taken_solved & bit(k)) != 0;
}

void taken_note(const struct rollout *r, struct rollout_target *t, const struct rollout_view *view)
{
    bool whole = !t->pool[0] && view->taken;
    t->taken_count = whole ? (uint32_t)view->taken(view->ctx, r, t->server, t->taken) : 0;
    t->taken_left = t->taken_proved = t->taken_solved = 0;
}

/* NULL: passes. Else what is missing, in words. */
const char *taken_misses(const struct observation *seen, char *text, size_t size)
{
    const char *pool = seen->pool.name;
    if (seen->cause != CAUSE_NONE) {
        text_format(text, size, "pool %.100s: %.180s", pool,
                    seen->detail[0] ? seen->detail : cause_name(seen->cause));
    } else if (!seen->services_up) {
        text_copy(text, size, "WAS or W3SVC is not running");
    } else if (seen->pool.state != POOL_STATE_STARTED) {
        text_format(text, size, "pool %.100s is %s", pool, pool_state_name(seen->pool.state));
    } else if (seen->probed && !seen->probe_passed && seen->probe_status) {
        text_format(text, size, "pool %.100s: the probe answered %d", pool, seen->probe_status);
    } else if (seen->probed && !seen->probe_passed) {
        text_format(text, size, "pool %.100s: the probe got no answer", pool);
    } else {
        return NULL;
    }
    return text;
}

/* The server is asked next: its own proof is not to be older than that of a pool which waits. */
void taken_failed(struct rollout_target *t)
{
    t->asks = 0;
    t->passes = 0;
}

/* The one after the last that was asked about; taken_count: all have passed. */
static uint32_t next_open(const struct rollout_target *t)
{
    for (uint32_t n = 0; n < t->taken_count; n++) {
        uint32_t k = (t->taken_at + n) % t->taken_count;
        if (!((t->taken_proved | t->taken_left) & bit(k))) {
            return k;
        }
    }
    return t->taken_count;
}

void taken_passed(const struct rollout *r, struct rollout_change *c,
                  const struct rollout_view *view, uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    bool dark = rollout_action_stops(r->action) && !t->act_failed;
    if (t->asks) {
        t->taken_proved |= bit(t->asks - 1);
    } else if (!t->proved_ms) {
        t->proved_ms = now_ms;
    }
    uint32_t next = next_open(t);
    if (next == t->taken_count || dark) {
        change_return(r, c, view, now_ms);
        return;
    }
    t->asks = next + 1;
    t->taken_at = (next + 1) % t->taken_count;
    t->passes = 0;
    t->ask_at_ms = 0; /* at once */
}

bool taken_over_time(const struct rollout *r, const struct rollout_target *t, uint64_t now_ms)
{
    return t->proved_ms && now_ms >= t->proved_ms + r->options.gate_deadline_ms;
}

void taken_leave(struct rollout_target *t)
{
    char detail[ROLLOUT_STEP_MAX];
    for (uint32_t k = 0; k < t->taken_count; k++) {
        if ((t->taken_left & bit(k)) || rollout_proved(t, k)) {
            continue;
        }
        t->taken_left |= bit(k);
        text_format(detail, sizeof detail, "%.400s%sincident %llu is left, its pool has not proved",
                    t->detail, t->detail[0] ? "; " : "", (unsigned long long)t->taken[k]);
        text_copy(t->detail, sizeof t->detail, detail);
    }
}
