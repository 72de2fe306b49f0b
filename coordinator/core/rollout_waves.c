/* Waves, and which of their targets may begin.
 *
 * A wave is a barrier: its targets begin in order, at most `batch` at a time (a window that
 * slides), and the next wave opens when every one of them has ended. Between two waves the run may
 * bake for a while, and it may wait for a person after the canary. The bake is measured by this
 * life of the coordinator: after a restart it begins anew, never shorter.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#include <string.h>

uint32_t rollout_wave_count(const struct rollout *r)
{
    uint32_t last = 0;
    for (size_t i = 0; i < r->target_count; i++) {
        last = r->targets[i].wave > last ? r->targets[i].wave : last;
    }
    return last + 1;
}

/* The label whose values are never out together: of whatever is in hand. NULL: nothing is. */
static const char *zone_in_hand(const struct rollout *r)
{
    return r->in_hand_count ? r->targets[r->in_hand[0]].zone : NULL;
}

void wave_look(const struct rollout *r, struct wave_room *out)
{
    *out = (struct wave_room){.full = r->in_hand_count >= r->options.batch,
                              .zone = r->options.order_by[0] ? zone_in_hand(r) : NULL};
}

bool wave_is_open(const struct rollout *r, const struct rollout_target *t)
{
    return t->state == TARGET_WAITING && !r->wave_over && t->wave <= r->wave;
}

bool wave_lets_begin(const struct rollout *r, const struct wave_room *room,
                     const struct rollout_target *t)
{
    return wave_is_open(r, t) && (!room->zone || text_equal_nocase(room->zone, t->zone));
}

struct wave_counts {
    uint32_t open, done, failed, other, later;
};

static struct wave_counts count_wave(const struct rollout *r)
{
    struct wave_counts n = {0};
    for (size_t i = 0; i < r->target_count; i++) {
        const struct rollout_target *t = &r->targets[i];
        n.later += t->wave > r->wave;
        n.open += t->wave <= r->wave && !target_state_ended(t->state);
        if (t->wave == r->wave) {
            n.done += t->state == TARGET_DONE || t->state == TARGET_NOTHING;
            n.failed += t->state == TARGET_FAILED;
            n.other += t->state == TARGET_SKIPPED || t->state == TARGET_ABORTED;
        }
    }
    return n;
}

/* "wave 1 of 4 (canary) ended: 1 done, 0 failed, 0 left out" */
static void say_ended(const struct rollout *r, const struct wave_counts *n, char *out, size_t size)
{
    bool canary = r->wave == 0 && r->options.canary;
    text_format(out, size, "wave %u of %u%s ended: %u done, %u failed, %u left out", r->wave + 1,
                rollout_wave_count(r), canary ? " (canary)" : "", n->done, n->failed, n->other);
}

static void open_next(const struct rollout *r, struct rollout_change *c)
{
    c->wave_over = false;
    c->wave = r->wave + 1;
    memset(c->troubles_in_wave, 0, sizeof c->troubles_in_wave);
}

static void end_wave(const struct rollout *r, struct rollout_change *c, const struct wave_counts *n,
                     uint64_t now_ms)
{
    bool pauses = r->wave == 0 && r->options.canary && r->options.pause_after_canary;
    char ended[160], span[TEXT_DURATION_MAX];
    say_ended(r, n, ended, sizeof ended);
    c->wave_over = true;
    c->wave_over_ms = now_ms;
    if (pauses) {
        change_pause(c, PAUSE_CANARY, true);
        text_format(c->why, sizeof c->why, "%s; look at it, then `farmhand run resume %llu`", ended,
                    (unsigned long long)r->id);
    } else if (r->options.bake_ms) {
        text_format(c->why, sizeof c->why, "%s; baking for %s", ended,
                    text_format_duration(span, r->options.bake_ms));
    } else {
        text_copy(c->why, sizeof c->why, ended);
        open_next(r, c);
    }
}

bool wave_turn(const struct rollout *r, struct rollout_change *c, uint64_t now_ms)
{
    bool open = r->open_from < r->target_count && r->targets[r->open_from].wave <= r->wave;
    if (r->state != RUN_RUNNING || open) {
        return false;
    }
    struct wave_counts n = count_wave(r);
    if (n.open || !n.later) {
        return false;
    }
    bool baked = r->wave_over && now_ms - r->wave_over_ms >= r->options.bake_ms;
    if (r->wave_over && (!baked || run_begins_nothing(r))) {
        return false;
    }
    c->any = c->run_changed = true; /* durable first: what opens a wave is not forgotten */
    if (!r->wave_over) {
        end_wave(r, c, &n, now_ms);
    } else {
        open_next(r, c);
        text_format(c->why, sizeof c->why, "wave %u of %u begins", c->wave + 1,
                    rollout_wave_count(r));
    }
    return true;
}
