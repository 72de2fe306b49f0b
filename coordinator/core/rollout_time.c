/* What is due by time and by the state of the world, with no event of its own. */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#include <string.h>

/* ---- beginning targets ---- */

static bool say_if_new(const struct rollout *r, struct rollout_change *c, size_t i,
                       const char *step)
{
    if (strcmp(r->targets[i].step, step) == 0) {
        return false;
    }
    change_edit(r, c, i);
    text_copy(c->target.step, sizeof c->target.step, step);
    return true;
}

/* An agent that cannot be asked: what the operator chose for that. */
static bool meet_unreachable(const struct rollout *r, struct rollout_change *c, size_t i,
                             enum presence presence, const char *why,
                             const struct rollout_view *view, uint64_t now_ms)
{
    if (presence == PRESENCE_DECLARED_OUT) {
        change_edit(r, c, i);
        change_end_target(r, c, TARGET_SKIPPED, view, now_ms, "declared out: %s", why);
        return true;
    }
    char step[ROLLOUT_STEP_MAX];
    switch (r->options.unreachable) {
    case UNREACHABLE_FAIL:
        change_edit(r, c, i);
        c->target.trouble = TROUBLE_UNREACHABLE;
        change_end_target(r, c, TARGET_FAILED, view, now_ms, "unreachable: %s", why);
        return true;
    case UNREACHABLE_SKIP:
        change_edit(r, c, i);
        c->target.trouble = TROUBLE_UNREACHABLE;
        change_end_target(r, c, TARGET_SKIPPED, view, now_ms, "unreachable: %s", why);
        change_count_trouble(r, c);
        return true;
    case UNREACHABLE_WAIT:
        break;
    }
    text_format(step, sizeof step, "waiting for its agent: %s", why);
    return say_if_new(r, c, i, step);
}

static void begin_checking(const struct rollout *r, struct rollout_change *c, size_t i,
                           uint64_t now_ms)
{
    change_edit(r, c, i);
    change_enter(c, TARGET_CHECKING, now_ms, "asking agent and balancer for their state");
    c->target_saved = false; /* holds nothing: after a restart it simply begins again */
    change_ask_agent(c, now_ms, compare_asks_probe(r));
    change_ask_balancer(c, BALANCER_OP_READ, now_ms);
}

/* A look alone takes nothing away, and tells that nothing is to be done. */
static bool ends_healthy_ones(const struct rollout *r)
{
    return r->action == ROLLOUT_SERVICE_RECOVER && !r->options.all_servers;
}

/* One waiting target; true: something came of it. *blocked: the budget or a lease says no. */
static bool try_begin(const struct rollout *r, struct rollout_change *c, size_t i,
                      const struct rollout_view *view, uint64_t now_ms, bool *blocked)
{
    const struct rollout_target *t = &r->targets[i];
    char why[ROLLOUT_STEP_MAX] = "";
    if (window_hands_off(view, t->server, why, sizeof why)) {
        change_edit(r, c, i);
        change_end_target(r, c, TARGET_SKIPPED, view, now_ms, "%s", why);
        return true;
    }
    enum presence presence = view->presence(view->ctx, t->server, why, sizeof why);
    if (presence == PRESENCE_FRESH || presence == PRESENCE_SILENT) {
        /* A full budget stops a silent target too: its silence alone fails nothing then. */
        *blocked = !view->may_take(view->ctx, r, t, why, sizeof why);
        if (*blocked && !(presence == PRESENCE_FRESH && ends_healthy_ones(r))) {
            char step[ROLLOUT_STEP_MAX];
            text_format(step, sizeof step, "blocked: %.230s", why);
            return say_if_new(r, c, i, step);
        }
    }
    if (presence != PRESENCE_FRESH) {
        view->presence(view->ctx, t->server, why, sizeof why);
        return meet_unreachable(r, c, i, presence, why, view, now_ms);
    }
    begin_checking(r, c, i, now_ms);
    return true;
}

/* It came back from checking a moment ago. */
static bool is_resting(const struct rollout_target *t, uint64_t now_ms)
{
    return t->entered_ms && now_ms < t->entered_ms + BLOCKED_AGAIN_MS;
}

/* Where the last of those begins that are looked at; 0: none is. */
static size_t last_looked_at(const struct rollout *r)
{
    size_t last = 0;
    for (size_t k = 0; k < r->in_hand_count; k++) {
        size_t i = r->in_hand[k];
        last = r->targets[i].state == TARGET_CHECKING && i > last ? i : last;
    }
    return last;
}

/* Those of another zone that come after it are looked at, and will give way to it (rollout_turn.c):
 * nothing more of their zone is begun, or it never would be. */
static bool is_kept_by_a_look(const struct rollout *r, size_t i, const struct rollout_view *view)
{
    const struct rollout_target *t = &r->targets[i];
    return wave_is_open(r, t) && turn_zone_is_free(r, t) && turn_could_take(r, i, view);
}

static bool begin_next(const struct rollout *r, struct rollout_change *c,
                       const struct rollout_view *view, uint64_t now_ms)
{
    struct wave_room room;
    size_t looked = 0, looked_at = last_looked_at(r);
    bool any_blocked = false;
    wave_look(r, &room);
    for (size_t i = r->open_from; i < r->target_count && !room.full && looked < BLOCKED_LOOKAHEAD;
         i++) {
        if (!wave_lets_begin(r, &room, &r->targets[i])) {
            if (room.zone && i < looked_at && is_kept_by_a_look(r, i, view)) {
                return false;
            }
            continue;
        }
        bool blocked = is_resting(&r->targets[i], now_ms);
        if (blocked && turn_could_take(r, i, view)) {
            return false; /* none behind it goes first for that */
        }
        if (!blocked && try_begin(r, c, i, view, now_ms, &blocked)) {
            return true;
        }
        any_blocked = any_blocked || blocked;
        looked += any_blocked;
    }
    return false;
}

/* ---- targets in hand ---- */

static bool since(uint64_t at_ms, uint64_t span_ms, uint64_t now_ms)
{
    return now_ms >= at_ms + span_ms;
}

/* Evidence of an agent: asked again when no answer came, or when it is due again. */
static bool ask_due(const struct rollout_target *t, uint64_t again_ms, uint64_t every_ms,
                    uint64_t now_ms)
{
    return since(t->ask_at_ms, t->ask_ticket ? again_ms : every_ms, now_ms);
}

static bool place_due(const struct rollout_target *t, uint64_t every_ms, uint64_t now_ms)
{
    return since(t->place_at_ms, t->place_ticket ? PLACE_AGAIN_MS : every_ms, now_ms);
}

static bool due_checking(const struct rollout *r, struct rollout_change *c, size_t i,
                         const struct rollout_view *view, uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    if (run_begins_nothing(r)) {
        change_edit(r, c, i);
        change_enter(c, TARGET_WAITING, now_ms, "not begun");
        c->target_saved = false;
        return true;
    }
    size_t first;
    bool ready = t->agent_seen_ms && t->places_seen_ms;
    if (ready && turn_of(r, t, i, view, &first) != TURN_SOON) {
        change_edit(r, c, i);
        change_decide_take(r, c, view, now_ms);
        return true;
    }
    if (since(t->ready_ms ? t->ready_ms : t->entered_ms, BALANCER_LIMIT_MS, now_ms)) {
        char step[ROLLOUT_STEP_MAX];
        text_copy(step, sizeof step, t->step);
        change_edit(r, c, i);
        c->target.trouble = t->agent_seen_ms ? TROUBLE_FAILED : TROUBLE_UNREACHABLE;
        change_end_target(r, c, TARGET_FAILED, view, now_ms, "no fresh evidence within %us: %.180s",
                          BALANCER_LIMIT_MS / 1000, step);
        return true;
    }
    uint64_t again_ms = compare_asks_probe(r) ? PROBE_AGAIN_MS : ASK_AGAIN_MS;
    bool agent = ask_due(t, again_ms, EVIDENCE_FRESH_MS, now_ms);
    bool places = place_due(t, EVIDENCE_FRESH_MS, now_ms);
    if (!agent && !places) {
        return false;
    }
    change_edit(r, c, i);
    if (agent) {
        change_ask_agent(c, now_ms, compare_asks_probe(r));
    }
    if (places) {
        change_ask_balancer(c, BALANCER_OP_READ, now_ms);
    }
    return true;
}

/* A drain that was not confirmed is told again, after a restart for example. By then another
 * coordinator may be in charge, or this store may be an old copy: so first its agent has to answer
 * under our fence. */
static bool drain_is_confirmed(const struct rollout_target *t, const struct rollout_view *view,
                               uint64_t now_ms)
{
    return !view->settling && t->agent_seen_ms && now_ms - t->agent_seen_ms <= EVIDENCE_FRESH_MS;
}

static bool ask_before_drain(const struct rollout *r, struct rollout_change *c, size_t i,
                             const struct rollout_view *view, uint64_t now_ms)
{
    if (view->settling || !ask_due(&r->targets[i], ASK_AGAIN_MS, PLACE_POLL_MS, now_ms)) {
        return false;
    }
    change_edit(r, c, i);
    change_say(c, "asking its agent before it is drained again");
    change_ask_agent(c, now_ms, false);
    return true;
}

/* Others went out meanwhile, or were out all the time and this store did not know. */
static bool budget_forbids_drain(const struct rollout *r, struct rollout_change *c, size_t i,
                                 const struct rollout_view *view, uint64_t now_ms)
{
    char why[256];
    const struct rollout_target *t = &r->targets[i];
    if (!view->may_drain_again || view->may_drain_again(view->ctx, t, why, sizeof why)) {
        return false;
    }
    change_edit(r, c, i);
    change_say(c, "not drained yet: %s", why);
    c->target.place_at_ms = now_ms; /* looked at again with the next read */
    return true;
}

static bool due_draining(const struct rollout *r, struct rollout_change *c, size_t i,
                         const struct rollout_view *view, uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    bool goes_on = r->options.on_drain_limit == DRAIN_LIMIT_PROCEED && t->told;
    char why[ROLLOUT_STEP_MAX] = "";
    if (r->state != RUN_RUNNING) {
        change_edit(r, c, i);
        change_fail_act(r, c, CAUSE_NONE, now_ms, "the run ended before its turn: put back");
        return true;
    }
    if (window_forbids(r, t, view, why, sizeof why)) {
        change_edit(r, c, i);
        change_put_off(r, c, now_ms, why);
        return true;
    }
    if (since(t->entered_ms, r->options.drain_limit_ms, now_ms) &&
        !(goes_on && view->store_broken)) {
        change_edit(r, c, i);
        char limit[TEXT_DURATION_MAX];
        if (goes_on) {
            uint32_t left = c->target.sessions_left;
            change_command(r, c, view, now_ms);
            change_say(c, "goes on after %s of draining with %u session%s left",
                       text_format_duration(limit, r->options.drain_limit_ms), left,
                       left == 1 ? "" : "s");
        } else {
            change_fail_act(r, c, CAUSE_TIMEOUT, now_ms, "not drained within %s: %.200s",
                            text_format_duration(limit, r->options.drain_limit_ms),
                            r->targets[i].step);
        }
        return true;
    }
    if (!place_due(t, PLACE_POLL_MS, now_ms)) {
        return false;
    }
    if (!t->told && !drain_is_confirmed(t, view, now_ms)) {
        return ask_before_drain(r, c, i, view, now_ms);
    }
    if (!t->told && budget_forbids_drain(r, c, i, view, now_ms)) {
        return true;
    }
    change_edit(r, c, i);
    change_ask_balancer(c, t->told ? BALANCER_OP_READ : BALANCER_OP_DRAIN, now_ms);
    return true;
}

static bool due_acting(const struct rollout *r, struct rollout_change *c, size_t i, uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    if (since(t->entered_ms, r->options.limit_ms, now_ms)) {
        change_edit(r, c, i);
        change_enter(c, TARGET_UNKNOWN, now_ms,
                     "no answer within the limit: waiting for the agent's journal");
        text_format(c->why, sizeof c->why,
                    "%s: outcome unknown; `run resolve` settles it if its "
                    "agent never comes back",
                    t->server);
        change_settle_unknown(r, c);
        c->run_changed = true;
        change_add(c, EFFECT_QUERY);
        c->target.ask_at_ms = now_ms;
        return true;
    }
    /* After a restart of ours the journal is asked at once: what became of the command? */
    if (t->told && !since(t->ask_at_ms, QUERY_EVERY_MS, now_ms)) {
        return false;
    }
    if (!t->told && t->ask_at_ms && !since(t->ask_at_ms, ASK_AGAIN_MS, now_ms)) {
        return false;
    }
    change_edit(r, c, i);
    change_add(c, EFFECT_QUERY);
    c->target.ask_at_ms = now_ms;
    return true;
}

static bool due_unknown(const struct rollout *r, struct rollout_change *c, size_t i,
                        uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    bool nobody_knows = t->cause == CAUSE_INCARNATION;
    if (nobody_knows || (t->ask_at_ms && !since(t->ask_at_ms, ASK_AGAIN_MS, now_ms))) {
        return false;
    }
    change_edit(r, c, i);
    change_add(c, EFFECT_QUERY);
    c->target.ask_at_ms = now_ms;
    return true;
}

static bool due_gating(const struct rollout *r, struct rollout_change *c, size_t i,
                       const struct rollout_view *view, uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    if (r->action == ROLLOUT_QUARANTINE && !t->act_failed) {
        change_edit(r, c, i);
        change_set_apart(r, c, view, now_ms);
        return true;
    }
    if (t->act_failed && t->cause == CAUSE_ON_PURPOSE && t->place_count == 0) {
        char said[ROLLOUT_STEP_MAX];
        text_copy(said, sizeof said, t->detail);
        /* Nothing was changed, nothing of ours is to be proved. Of a farm that is recovered it is
         * left alone, and stops nothing; who named it for another act is told that it failed. */
        bool passed_by = r->action == ROLLOUT_SERVICE_RECOVER;
        change_edit(r, c, i);
        change_end_target(r, c, passed_by ? TARGET_SKIPPED : TARGET_FAILED, view, now_ms, "%s",
                          said);
        return true;
    }
    if (taken_over_time(r, t, now_ms)) {
        change_edit(r, c, i);
        change_return(r, c, view, now_ms);
        return true;
    }
    /* It may still pass while the incident cannot be written. */
    if (!t->proved_ms && since(t->entered_ms, r->options.gate_deadline_ms, now_ms) &&
        !view->store_broken) {
        char last[ROLLOUT_STEP_MAX];
        text_copy(last, sizeof last, t->agent_seen_ms ? t->step : "its agent did not answer");
        char before[ROLLOUT_STEP_MAX];
        text_copy(before, sizeof before, t->act_failed ? t->detail : "");
        change_edit(r, c, i);
        c->target.cause = t->act_failed ? t->cause : CAUSE_PROBE;
        change_strand(r, c, view, now_ms, "gate: %.180s; it stays out of rotation%s%.240s", last,
                      before[0] ? "; before that: " : "", before);
        return true;
    }
    if (!ask_due(t, ASK_AGAIN_MS, r->options.gate_interval_ms, now_ms)) {
        return false;
    }
    change_edit(r, c, i);
    change_ask_agent(c, now_ms, true);
    return true;
}

/* Its probe passed before a restart of ours: it passes once more before anything is put back. */
static bool prove_again(const struct rollout *r, struct rollout_change *c, size_t i,
                        const struct rollout_view *view, uint64_t now_ms)
{
    if (view->settling) {
        return false; /* its agent has time to speak first */
    }
    change_edit(r, c, i);
    change_gate(r, c, now_ms);
    return true;
}

static bool due_returning(const struct rollout *r, struct rollout_change *c, size_t i,
                          const struct rollout_view *view, uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    bool dark = rollout_action_stops(r->action) && !t->act_failed;
    if (t->proof_old) {
        return prove_again(r, c, i, view, now_ms);
    }
    if (since(t->entered_ms, UP_LIMIT_MS, now_ms) && (t->told || dark) && !view->store_broken) {
        char last[ROLLOUT_STEP_MAX];
        text_copy(last, sizeof last, t->step);
        change_edit(r, c, i);
        if (t->told) {
            c->target.place_count = 0; /* told ready: nothing of ours keeps it out any more */
        }
        change_strand(r, c, view, now_ms, "put back, but not in service after %us: %.150s",
                      UP_LIMIT_MS / 1000, last);
        return true;
    }
    if (!place_due(t, PLACE_POLL_MS, now_ms)) {
        return false;
    }
    change_edit(r, c, i);
    change_ask_balancer(c, t->told || dark ? BALANCER_OP_READ : BALANCER_OP_READY, now_ms);
    return true;
}

static bool due_soaking(const struct rollout *r, struct rollout_change *c, size_t i,
                        const struct rollout_view *view, uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    if (!since(t->entered_ms, r->options.soak_ms, now_ms)) {
        return false;
    }
    if (since(t->entered_ms, r->options.soak_ms + r->options.gate_deadline_ms, now_ms)) {
        change_edit(r, c, i);
        c->target.trouble = TROUBLE_GATE;
        change_end_target(r, c, TARGET_FAILED, view, now_ms,
                          "after the soak its agent did not answer");
        return true;
    }
    if (!ask_due(t, ASK_AGAIN_MS, r->options.gate_interval_ms, now_ms)) {
        return false;
    }
    change_edit(r, c, i);
    change_ask_agent(c, now_ms, true);
    return true;
}

static bool due_target(const struct rollout *r, struct rollout_change *c, size_t i,
                       const struct rollout_view *view, uint64_t now_ms)
{
    switch (r->targets[i].state) {
    case TARGET_CHECKING:
        return due_checking(r, c, i, view, now_ms);
    case TARGET_DRAINING:
        return due_draining(r, c, i, view, now_ms);
    case TARGET_ACTING:
    case TARGET_UNKNOWN:
        if (rollout_action_by_others(r->action)) {
            return hold_turn(r, c, i, view, now_ms);
        }
        return r->targets[i].state == TARGET_ACTING ? due_acting(r, c, i, now_ms)
                                                    : due_unknown(r, c, i, now_ms);
    case TARGET_GATING:
        return due_gating(r, c, i, view, now_ms);
    case TARGET_RETURNING:
        return due_returning(r, c, i, view, now_ms);
    case TARGET_SOAKING:
        return due_soaking(r, c, i, view, now_ms);
    case TARGET_WAITING:
    case TARGET_DONE:
    case TARGET_NOTHING:
    case TARGET_SKIPPED:
    case TARGET_FAILED:
    case TARGET_ABORTED:
        break;
    }
    return false;
}

/* ---- the run's own end ---- */

static bool is_something_left(const struct rollout *r)
{
    for (size_t i = 0; i < r->target_count; i++) {
        if (rollout_is_left(r, &r->targets[i]) || r->targets[i].state == TARGET_WAITING) {
            return true;
        }
    }
    return false;
}

static bool end_run(const struct rollout *r, struct rollout_change *c)
{
    struct rollout_counts n;
    if (r->in_hand_count || (r->state == RUN_RUNNING && r->open_from < r->target_count)) {
        return false;
    }
    rollout_count(r, &n);
    c->any = c->run_changed = c->restoring = true;
    change_pause(c, PAUSE_UNKNOWN, false);
    switch (r->state) {
    case RUN_STOPPING:
        c->run_state = RUN_FAILED;
        break;
    case RUN_ABORTING:
        c->run_state = RUN_ABORTED;
        break;
    default:
        c->run_state = n.failed && n.done + n.nothing == 0 ? RUN_FAILED
                       : n.failed + n.skipped + n.aborted  ? RUN_PARTIAL
                                                           : RUN_DONE;
    }
    c->pause_causes = 0;
    char counts[160], given_up[24] = "";
    if (n.aborted) {
        text_format(given_up, sizeof given_up, "%u given up, ", n.aborted);
    }
    text_format(counts, sizeof counts,
                "%u done, %u had nothing to do, %u failed, %u skipped, %s%u not begun", n.done,
                n.nothing, n.failed, n.skipped, given_up, n.waiting);
    char before[ROLLOUT_STEP_MAX], rest[64] = "";
    text_copy(before, sizeof before, r->state == RUN_RUNNING ? "" : r->why);
    if (is_something_left(r) && r->action != ROLLOUT_HOLD) { /* whose tool takes it again */
        text_format(rest, sizeof rest, "; `farmhand run retry %llu` takes up the rest",
                    (unsigned long long)r->id);
    }
    text_format(c->why, sizeof c->why, "%.300s%s%s%s", before, before[0] ? "; " : "", counts, rest);
    return true;
}

void rollout_next(const struct rollout *r, const struct rollout_view *view, uint64_t now_ms,
                  struct rollout_change *c)
{
    change_begin(r, c);
    if (run_state_ended(r->state)) {
        return;
    }
    if (window_turn(r, c, view)) {
        return;
    }
    for (size_t k = 0; k < r->in_hand_count; k++) {
        if (due_target(r, c, r->in_hand[k], view, now_ms)) {
            return;
        }
    }
    if (approval_turn(r, c, view) || end_run(r, c)) {
        return;
    }
    if (view->settling || wave_turn(r, c, now_ms) || run_begins_nothing(r)) {
        return;
    }
    begin_next(r, c, view, now_ms);
}

uint64_t rollout_wake_ms(const struct rollout *r, uint64_t now_ms)
{
    if (run_state_ended(r->state)) {
        return UINT64_MAX;
    }
    /* In hand: as often as the quickest poll. Waiting: the budget and presence change by events,
     * and are looked at every second besides. */
    return now_ms + (r->in_hand_count ? PLACE_POLL_MS / 3 : 1000);
}
