/* The way of a target: taken on what was seen, acted upon, proved, put back, watched, ended. Events
 * and time lead from one step to the next; what a step begins with stands here.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <string.h>

/* ---- the way from the act to the end ---- */

void change_gate(const struct rollout *r, struct rollout_change *c, uint64_t now_ms)
{
    bool stopped = rollout_action_stops(r->action) && !c->target.act_failed;
    c->target.evidence[0] = '\0';
    c->target.taken_proved = 0;
    change_enter(c, TARGET_GATING, now_ms, "%s",
                 stopped ? "waiting until it is seen stopped" : "waiting for the probe to pass");
    change_ask_agent(c, now_ms, true);
}

void change_fail_act(const struct rollout *r, struct rollout_change *c, enum cause cause,
                     uint64_t now_ms, const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    change_sentence(c->target.detail, detail, args);
    va_end(args);
    c->target.act_failed = true;
    c->target.cause = cause;
    change_gate(r, c, now_ms);
}

/* Ends a target whose server is back (or was never taken out). */
static void end_returned(const struct rollout *r, struct rollout_change *c,
                         const struct rollout_view *view, uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    char detail[ROLLOUT_STEP_MAX];
    t->taken_solved = ~t->taken_left;
    if (t->put_off && r->state == RUN_RUNNING) {
        change_wait_again(c, now_ms);
        return;
    }
    text_copy(detail, sizeof detail, t->detail);
    t->back = true;
    bool given_up = t->act_failed && t->attempts == 0 && t->cause == CAUSE_NONE;
    enum target_state end = !t->act_failed ? TARGET_DONE
                            : given_up     ? TARGET_ABORTED
                                           : TARGET_FAILED;
    change_end_target(r, c, end, view, now_ms, "%s", detail);
}

void change_soak(const struct rollout *r, struct rollout_change *c, const struct rollout_view *view,
                 uint64_t now_ms)
{
    if (c->target.act_failed || r->options.soak_ms == 0) {
        end_returned(r, c, view, now_ms);
        return;
    }
    c->target.back = true;
    change_enter(c, TARGET_SOAKING, now_ms, "%s",
                 rollout_action_stops(r->action) ? "stopped, watched for a while"
                                                 : "in service again, watched for a while");
}

/* Places where another pool of the server has not proved well stay out: its incident keeps them. */
static bool leave_to_others(struct rollout_target *t, const struct rollout_view *view, char *why,
                            size_t why_size)
{
    uint32_t kept = 0, had = t->place_count;
    for (uint32_t i = 0; i < had; i++) {
        if (!view->kept_out || !view->kept_out(view->ctx, t, &t->places[i], why, why_size)) {
            t->places[kept++] = t->places[i];
        }
    }
    t->place_count = kept;
    return kept < had;
}

void change_return(const struct rollout *r, struct rollout_change *c,
                   const struct rollout_view *view, uint64_t now_ms)
{
    char why[128], detail[ROLLOUT_STEP_MAX];
    taken_leave(&c->target);
    if (leave_to_others(&c->target, view, why, sizeof why)) {
        text_format(detail, sizeof detail, "%.300s; out of rotation still, for %s",
                    c->target.detail[0] ? c->target.detail : "proved", why);
        text_copy(c->target.detail, sizeof c->target.detail, detail);
        if (c->target.place_count == 0) {
            end_returned(r, c, view,
                         now_ms); /* nothing of it is in service that a soak could watch */
            return;
        }
    }
    if (c->target.place_count == 0) {
        change_soak(r, c, view, now_ms);
        return;
    }
    bool dark = rollout_action_stops(r->action) && !c->target.act_failed;
    change_enter(c, TARGET_RETURNING, now_ms,
                 dark ? "waiting until the balancer sees it down" : "putting back into rotation");
    change_ask_balancer(c, dark ? BALANCER_OP_READ : BALANCER_OP_READY, now_ms);
}

void change_strand(const struct rollout *r, struct rollout_change *c,
                   const struct rollout_view *view, uint64_t now_ms, const char *detail, ...)
{
    char text[ROLLOUT_STEP_MAX];
    va_list args;
    va_start(args, detail);
    change_sentence(text, detail, args);
    va_end(args);
    c->target.trouble = c->target.act_failed ? TROUBLE_FAILED : TROUBLE_GATE;
    change_add(c, EFFECT_INCIDENT);
    change_end_target(r, c, TARGET_FAILED, view, now_ms, "%s", text);
}

/* Quarantine: it stays out, and that is what was wanted. */
void change_set_apart(const struct rollout *r, struct rollout_change *c,
                      const struct rollout_view *view, uint64_t now_ms)
{
    change_add(c, EFFECT_INCIDENT);
    change_end_target(r, c, TARGET_DONE, view, now_ms,
                      "out of rotation and left alone: `farmhand server release %.100s` ends it",
                      c->target.server);
}

/* A server that is down is not taken out of rotation: what was ready there is not ours. */
static void keep_inherited(struct rollout_target *t)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->place_count; i++) {
        if (t->places[i].admin != BALANCER_READY) {
            t->places[kept++] = t->places[i];
        }
    }
    t->place_count = kept;
}

/* Another target has changed the configuration that this server reads too: here nothing changes any
 * more, so nothing is taken out for it. Its agent reads the settings, and its probe has to pass. */
static bool is_set_already(const struct rollout *r, const struct rollout_target *t,
                           const struct rollout_view *view)
{
    if (!r->options.shared || !view->same_config || !rollout_action_configures(r)) {
        return false;
    }
    for (size_t i = 0; i < r->target_count; i++) {
        const struct rollout_target *other = &r->targets[i];
        if (other->state == TARGET_DONE && text_equal_nocase(other->pool, t->pool) &&
            view->same_config(view->ctx, other->server, t->server)) {
            return true;
        }
    }
    return false;
}

static void take(const struct rollout *r, struct rollout_change *c, const struct rollout_view *view,
                 uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    t->holds = true;
    t->started_wall_ms = view->wall_ms;
    taken_note(r, t, view);
    if (r->action == ROLLOUT_UNDRAIN) {
        change_gate(r, c, now_ms);
        return;
    }
    /* Others, and who puts it into quarantine, have to find it out of rotation when it comes up. */
    bool down = t->down && rollout_action_of_services(r->action);
    bool stays = down || is_set_already(r, t, view);
    if (stays) {
        keep_inherited(t);
    }
    if (t->place_count == 0 || !r->options.drain || stays || rollout_action_restores(r->action)) {
        change_command(r, c, view, now_ms);
        return;
    }
    change_enter(c, TARGET_DRAINING, now_ms, "taking it out of rotation");
    change_ask_balancer(c, BALANCER_OP_DRAIN, now_ms);
    c->disruptive = true;
}

/* Whatever is to be done to it: nobody holds a server whose lease is not durable. */
void change_take(const struct rollout *r, struct rollout_change *c, const struct rollout_view *view,
                 uint64_t now_ms)
{
    take(r, c, view, now_ms);
    c->restoring = false;
}

/* It could be taken, but not before those that come before it. */
static bool waits_for_its_turn(const struct rollout *r, struct rollout_change *c,
                               const struct rollout_view *view, uint64_t now_ms)
{
    size_t first = 0;
    switch (turn_of(r, &c->target, c->target_index, view, &first)) {
    case TURN_NOW:
        return false;
    case TURN_SOON:
        c->target.ready_ms = now_ms;
        change_say(c, "ready; %.100s, which comes first, is looked at still",
                   r->targets[first].server);
        break;
    case TURN_LATER:
        change_enter(c, TARGET_WAITING, now_ms, "blocked: %.100s comes first",
                     r->targets[first].server);
        c->target_saved = false;
        break;
    }
    return true;
}

void change_decide_take(const struct rollout *r, struct rollout_change *c,
                        const struct rollout_view *view, uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    if (!t->agent_seen_ms || !t->places_seen_ms) {
        return;
    }
    if (now_ms - t->agent_seen_ms > EVIDENCE_FRESH_MS) {
        t->agent_seen_ms = 0;
        change_ask_agent(c, now_ms, compare_asks_probe(r));
        return;
    }
    if (now_ms - t->places_seen_ms > EVIDENCE_FRESH_MS) {
        t->places_seen_ms = 0;
        change_ask_balancer(c, BALANCER_OP_READ, now_ms);
        return;
    }
    if (places_inherit_more(t, view)) {
        t->places_seen_ms = 0;
        change_ask_balancer(c, BALANCER_OP_READ, now_ms);
        return;
    }
    char why[ROLLOUT_STEP_MAX] = "";
    if (run_begins_nothing(r) || view->settling || window_forbids(r, t, view, why, sizeof why) ||
        !view->may_take(view->ctx, r, t, why, sizeof why)) {
        change_enter(c, TARGET_WAITING, now_ms, "blocked: %.230s", why[0] ? why : "paused");
        c->target_saved = false;
        return;
    }
    if (waits_for_its_turn(r, c, view, now_ms)) {
        return;
    }
    if (t->place_count && view->taken_since && view->taken_since(view->ctx, r, t, t->place_at_ms)) {
        change_enter(c, TARGET_WAITING, now_ms,
                     "blocked: another server is just being taken out of the same backend");
        t->turned_back = true; /* those behind it in other backends go on */
        c->target_saved = false;
        return;
    }
    change_take(r, c, view, now_ms);
}
