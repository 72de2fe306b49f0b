/* Windows and maintenance: looked at before every step that takes something away.
 *
 * A run whose window closes pauses by itself, and goes on by itself in the next one. What has acted
 * is finished; what was only drained is put back and waits for its turn again, so that nobody stays
 * out over a day for the sake of a night.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#include <string.h>

static bool is_closed(const struct rollout *r, const struct rollout_view *view, char *why,
                      size_t size)
{
    return view->closed && !rollout_action_restores(r->action) &&
           view->closed(view->ctx, r, why, size);
}

bool window_turn(const struct rollout *r, struct rollout_change *c, const struct rollout_view *view)
{
    char why[ROLLOUT_STEP_MAX] = "";
    bool closed = r->state == RUN_RUNNING && is_closed(r, view, why, sizeof why);
    bool paused = (r->pause_causes & PAUSE_WINDOW) != 0;
    if (closed == paused) {
        return false;
    }
    c->any = c->restoring = true;
    change_pause(c, PAUSE_WINDOW, closed);
    if (closed || r->state == RUN_RUNNING) {
        text_copy(c->why, sizeof c->why, closed ? why : "");
    }
    return true;
}

bool window_hands_off(const struct rollout_view *view, const char *server, char *why, size_t size)
{
    return view->hands_off && view->hands_off(view->ctx, server, why, size);
}

bool window_forbids(const struct rollout *r, const struct rollout_target *t,
                    const struct rollout_view *view, char *why, size_t size)
{
    char reason[ROLLOUT_STEP_MAX] = "";
    if (is_closed(r, view, why, size) || window_hands_off(view, t->server, why, size)) {
        return true;
    }
    if (view->presence(view->ctx, t->server, reason, sizeof reason) != PRESENCE_DECLARED_OUT) {
        return false;
    }
    text_format(why, size, "declared out: %.300s", reason);
    return true;
}

void change_put_off(const struct rollout *r, struct rollout_change *c, uint64_t now_ms,
                    const char *why)
{
    c->target.put_off = true;
    change_fail_act(r, c, CAUSE_NONE, now_ms, "not begun: %s", why);
}

void change_wait_again(struct rollout_change *c, uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    char why[ROLLOUT_STEP_MAX];
    text_copy(why, sizeof why, t->detail);
    change_enter(c, TARGET_WAITING, now_ms, "put back, its turn comes again; %.400s", why);
    t->put_off = t->act_failed = t->holds = t->back = false;
    t->place_count = t->baseline_count = t->attempts = 0;
    t->started_wall_ms = 0;
    t->detail[0] = '\0';
}
