/* Whose turn it is: the order inside a wave.
 *
 * Several targets are looked at at the same time, and their agents answer as they like. Who answers
 * first must not take what one before it could take: the last room in the budget, the last servers
 * that a backend can spare, its server, the configuration that both read. So a target that has been
 * looked at goes on when none before it could be taken now, or when there is room for all of them.
 *
 * Nobody is waited for without end: a look ends within its limit, by taking the server, by going
 * back to wait or by failing, as its policy says; and who is silent, in maintenance or held could
 * not be taken, so that those behind it go on.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#define AHEAD_MAX 32 /* with more before it, it waits */

struct ahead {
    size_t targets[AHEAD_MAX];
    size_t count;
};

bool turn_could_take(const struct rollout *r, size_t i, const struct rollout_view *view)
{
    const struct rollout_target *t = &r->targets[i];
    char why[ROLLOUT_STEP_MAX];
    return !t->turned_back && !window_hands_off(view, t->server, why, sizeof why) &&
           view->presence(view->ctx, t->server, why, sizeof why) == PRESENCE_FRESH &&
           view->may_take(view->ctx, r, t, why, sizeof why);
}

bool turn_zone_is_free(const struct rollout *r, const struct rollout_target *t)
{
    for (size_t k = 0; k < r->in_hand_count && r->options.order_by[0]; k++) {
        const struct rollout_target *other = &r->targets[r->in_hand[k]];
        if (other->holds && !text_equal_nocase(other->zone, t->zone)) {
            return false;
        }
    }
    return true;
}

/* It gives capacity back, or has none. */
static bool takes_nothing(const struct rollout *r, const struct rollout_target *t)
{
    return rollout_action_restores(r->action) || (t->down && rollout_action_of_services(r->action));
}

/* Are they at odds beyond the budget? */
static bool exclude_each_other(const struct rollout *r, const struct rollout_target *a,
                               const struct rollout_target *b, const struct rollout_view *view)
{
    return text_equal_nocase(a->server, b->server) ||
           (rollout_action_configures(r) && view->same_config &&
            view->same_config(view->ctx, a->server, b->server));
}

static bool has_room_beside(const struct rollout *r, const struct rollout_target *t,
                            const struct ahead *ahead, const struct rollout_view *view)
{
    for (size_t k = 0; k < ahead->count; k++) {
        if (exclude_each_other(r, &r->targets[ahead->targets[k]], t, view)) {
            return false;
        }
    }
    for (uint32_t k = 0; k < t->place_count; k++) {
        const struct balancer_entry *e = &t->places[k];
        if (e->admin == BALANCER_READY && e->up && e->others_serving <= ahead->count) {
            return false; /* they may all stand there */
        }
    }
    return view->room_beside && view->room_beside(view->ctx, r, t, ahead->targets, ahead->count);
}

enum turn turn_of(const struct rollout *r, const struct rollout_target *t, size_t i,
                  const struct rollout_view *view, size_t *first)
{
    struct ahead ahead = {.count = 0};
    for (size_t k = r->open_from; k < i; k++) {
        const struct rollout_target *before = &r->targets[k];
        bool waits = before->state == TARGET_WAITING && turn_zone_is_free(r, before);
        bool looked_at = before->state == TARGET_CHECKING && !takes_nothing(r, t);
        if ((!waits && !looked_at) || !turn_could_take(r, k, view)) {
            continue;
        }
        if (waits || ahead.count == AHEAD_MAX) {
            *first = k;
            return waits ? TURN_LATER : TURN_SOON;
        }
        ahead.targets[ahead.count++] = k;
    }
    if (ahead.count == 0 || has_room_beside(r, t, &ahead, view)) {
        return TURN_NOW;
    }
    *first = ahead.targets[0];
    return TURN_SOON;
}
