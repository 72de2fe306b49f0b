#include "coordinator/core/rollout_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static const char *const action_names[ROLLOUT_ACTION_COUNT] = {
    "recycle",         "start",        "stop",          "undrain",     "service-recover",
    "service-restart", "service-stop", "service-start", "worker-kill", "hold",
    "cycle",           "quarantine",   "warm",          "unwarm"};
static const char *const run_names[RUN_STATE_COUNT] = {"running", "stopping", "aborting", "done",
                                                       "partial", "failed",   "aborted"};
static const char *const target_names[TARGET_STATE_COUNT] = {
    "waiting", "checking", "draining", "acting",  "unknown", "gating", "returning",
    "soaking", "done",     "nothing",  "skipped", "failed",  "aborted"};
static const char *const presence_names[PRESENCE_COUNT] = {"never-seen", "fresh", "silent",
                                                           "quarantined", "declared-out"};

static const char *name_at(const char *const *names, size_t count, unsigned at)
{
    return at < count ? names[at] : "?";
}

const char *rollout_action_name(enum rollout_action action)
{
    return name_at(action_names, ROLLOUT_ACTION_COUNT, action);
}

const char *run_state_name(enum run_state state)
{
    return name_at(run_names, RUN_STATE_COUNT, state);
}

const char *target_state_name(enum target_state state)
{
    return name_at(target_names, TARGET_STATE_COUNT, state);
}

const char *presence_name(enum presence presence)
{
    return name_at(presence_names, PRESENCE_COUNT, presence);
}

const char *pause_cause_name(enum pause_cause cause)
{
    switch (cause) {
    case PAUSE_PERSON:
        return "person";
    case PAUSE_UNKNOWN:
        return "unknown";
    case PAUSE_FAILURES:
        return "failures";
    case PAUSE_SILENCE:
        return "silence";
    case PAUSE_STORE:
        return "store";
    case PAUSE_FENCE:
        return "fence";
    case PAUSE_APPROVAL:
        return "approval";
    case PAUSE_CANARY:
        return "canary";
    case PAUSE_WINDOW:
        return "window";
    }
    return "?";
}

/* ---- the whole run ---- */

struct rollout *rollout_new(size_t target_count)
{
    struct rollout *r = must_alloc(1, sizeof *r);
    r->targets = must_alloc(target_count ? target_count : 1, sizeof *r->targets);
    r->target_count = target_count;
    r->next_ticket = 1;
    return r;
}

void rollout_free(struct rollout *r)
{
    if (r) {
        free(r->targets);
        free(r->in_hand);
        free(r);
    }
}

bool run_state_ended(enum run_state state)
{
    return state >= RUN_DONE;
}

bool target_state_ended(enum target_state state)
{
    return state >= TARGET_DONE;
}

bool target_active(const struct rollout_target *t)
{
    return t->state != TARGET_WAITING && !target_state_ended(t->state);
}

bool run_begins_nothing(const struct rollout *r)
{
    return r->state != RUN_RUNNING || r->pause_causes != 0;
}

bool rollout_action_restores(enum rollout_action action)
{
    return action == ROLLOUT_START || action == ROLLOUT_UNDRAIN || action == ROLLOUT_SERVICE_START;
}

bool rollout_action_stops(enum rollout_action action)
{
    return action == ROLLOUT_STOP || action == ROLLOUT_SERVICE_STOP;
}

bool rollout_action_of_services(enum rollout_action action)
{
    return action == ROLLOUT_SERVICE_RECOVER || action == ROLLOUT_SERVICE_RESTART ||
           action == ROLLOUT_SERVICE_STOP || action == ROLLOUT_SERVICE_START;
}

enum verb rollout_action_verb(enum rollout_action action)
{
    switch (action) {
    case ROLLOUT_RECYCLE:
        return VERB_RECYCLE;
    case ROLLOUT_START:
        return VERB_START;
    case ROLLOUT_STOP:
        return VERB_STOP;
    case ROLLOUT_SERVICE_RECOVER:
        return VERB_SERVICE_RECOVER;
    case ROLLOUT_SERVICE_RESTART:
        return VERB_SERVICE_RESTART;
    case ROLLOUT_SERVICE_STOP:
        return VERB_SERVICE_STOP;
    case ROLLOUT_SERVICE_START:
        return VERB_SERVICE_START;
    case ROLLOUT_WORKER_KILL:
        return VERB_WORKER_KILL;
    case ROLLOUT_WARM:
    case ROLLOUT_UNWARM:
        return VERB_SET;
    case ROLLOUT_UNDRAIN:
    case ROLLOUT_HOLD:
    case ROLLOUT_CYCLE:
    case ROLLOUT_QUARANTINE:
        break;
    }
    return VERB_NONE;
}

bool rollout_of_server(const struct rollout *r)
{
    return rollout_action_of_server(r->action) || (r->action == ROLLOUT_UNDRAIN && !r->pool[0]);
}

bool rollout_action_by_others(enum rollout_action action)
{
    return action == ROLLOUT_HOLD || action == ROLLOUT_CYCLE;
}

bool rollout_action_configures(const struct rollout *r)
{
    bool autostart = r->action == ROLLOUT_STOP || r->action == ROLLOUT_START;
    return r->action == ROLLOUT_WARM || r->action == ROLLOUT_UNWARM ||
           (autostart && !r->options.keep_autostart);
}

bool rollout_action_of_server(enum rollout_action action)
{
    return rollout_action_of_services(action) || rollout_action_by_others(action) ||
           action == ROLLOUT_QUARANTINE;
}

void rollout_count(const struct rollout *r, struct rollout_counts *out)
{
    *out = (struct rollout_counts){.total = (uint32_t)r->target_count};
    for (size_t i = 0; i < r->target_count; i++) {
        const struct rollout_target *t = &r->targets[i];
        out->waiting += t->state == TARGET_WAITING;
        out->active += target_active(t);
        out->done += t->state == TARGET_DONE;
        out->nothing += t->state == TARGET_NOTHING;
        out->skipped += t->state == TARGET_SKIPPED;
        out->failed += t->state == TARGET_FAILED;
        out->unknown += t->state == TARGET_UNKNOWN;
        out->aborted += t->state == TARGET_ABORTED;
    }
}

bool rollout_is_left(const struct rollout *r, const struct rollout_target *t)
{
    bool unreached = t->state == TARGET_SKIPPED && t->trouble == TROUBLE_UNREACHABLE;
    bool never = t->state == TARGET_WAITING && run_state_ended(r->state);
    return never || unreached || t->state == TARGET_FAILED || t->state == TARGET_ABORTED;
}

/* Where target i stands among those in hand, or would. */
static size_t place_in_hand(const struct rollout *r, size_t i)
{
    size_t at = 0;
    while (at < r->in_hand_count && r->in_hand[at] < i) {
        at++;
    }
    return at;
}

/* Target i is in another state than before. */
static void list_again(struct rollout *r, size_t i)
{
    size_t at = place_in_hand(r, i), *list = r->in_hand;
    bool is = target_active(&r->targets[i]), was = at < r->in_hand_count && list[at] == i;
    if (is && !was) {
        if (r->in_hand_count == r->in_hand_cap) {
            r->in_hand_cap = r->in_hand_cap ? 2 * r->in_hand_cap : 8;
            r->in_hand = list = must_realloc(list, r->in_hand_cap, sizeof *list);
        }
        memmove(list + at + 1, list + at, (r->in_hand_count++ - at) * sizeof *list);
        list[at] = i;
    } else if (was && !is) {
        memmove(list + at, list + at + 1, (--r->in_hand_count - at) * sizeof *list);
    }
    while (r->open_from < r->target_count && target_state_ended(r->targets[r->open_from].state)) {
        r->open_from++;
    }
}

void rollout_install(struct rollout *r, const struct rollout_change *c)
{
    if (!c->any) {
        return;
    }
    r->state = c->run_state;
    r->pause_causes = c->pause_causes;
    memcpy(r->troubles, c->troubles, sizeof r->troubles);
    memcpy(r->troubles_in_wave, c->troubles_in_wave, sizeof r->troubles_in_wave);
    r->wave = c->wave;
    r->wave_over = c->wave_over;
    r->wave_over_ms = c->wave_over_ms;
    r->next_ticket = c->next_ticket;
    text_copy(r->why, sizeof r->why, c->why);
    if (c->options_changed) {
        r->options = c->options;
    }
    if (c->target_changed) {
        r->targets[c->target_index] = c->target;
        list_again(r, c->target_index);
    }
}

void rollout_throw_away(struct rollout *r, const struct rollout_change *c)
{
    if (c->target_changed) {
        r->targets[c->target_index].ask_ticket = 0;
        r->targets[c->target_index].place_ticket = 0;
    }
}

static void forget_unsaved(struct rollout_target *t, uint64_t now_ms)
{
    t->entered_ms = now_ms;
    t->ask_ticket = t->place_ticket = 0;
    t->ask_at_ms = t->place_at_ms = 0;
    t->agent_seen_ms = t->places_seen_ms = 0;
    t->passes = t->quiet = 0;
    t->first_pass_ms = 0;
    t->told = false;
    t->proof_old = t->turned_back = false;
    t->proved_ms = t->ready_ms = 0;
    t->asks = t->taken_at = 0;
}

/* What was asked is asked again. */
static void begin_again(struct rollout *r, size_t i, uint64_t entered_ms)
{
    struct rollout_target *t = &r->targets[i];
    forget_unsaved(t, entered_ms);
    if (t->state == TARGET_CHECKING) {
        t->state = TARGET_WAITING; /* it held nothing */
    } else if (t->state == TARGET_RETURNING) {
        t->proof_old = true; /* by as much as our absence was long */
    }
    list_again(r, i);
}

void rollout_restart(struct rollout *r, uint64_t now_ms)
{
    r->next_ticket = 1;
    r->wave_over_ms = now_ms;
    for (size_t i = 0; i < r->target_count; i++) {
        begin_again(r, i, now_ms);
    }
}

void rollout_woke(struct rollout *r, uint64_t later_ms)
{
    r->wave_over_ms += later_ms;
    for (size_t i = 0; i < r->target_count; i++) {
        enum target_state state = r->targets[i].state;
        bool in_their_hands = rollout_action_by_others(r->action) &&
                              (state == TARGET_ACTING || state == TARGET_UNKNOWN);
        begin_again(r, i, r->targets[i].entered_ms + (in_their_hands ? 0 : later_ms));
    }
}

/* ---- how a change is put together ---- */

void change_begin(const struct rollout *r, struct rollout_change *c)
{
    memset(c, 0, sizeof *c);
    c->run_state = r->state;
    c->pause_causes = r->pause_causes;
    memcpy(c->troubles, r->troubles, sizeof c->troubles);
    memcpy(c->troubles_in_wave, r->troubles_in_wave, sizeof c->troubles_in_wave);
    c->wave = r->wave;
    c->wave_over = r->wave_over;
    c->wave_over_ms = r->wave_over_ms;
    c->next_ticket = r->next_ticket;
    text_copy(c->why, sizeof c->why, r->why);
}

struct rollout_target *change_edit(const struct rollout *r, struct rollout_change *c, size_t i)
{
    must(!c->target_changed && i < r->target_count);
    c->any = c->target_changed = true;
    c->target_index = i;
    c->target = r->targets[i];
    c->from = c->target.state;
    c->restoring = true; /* until change_take or change_command says otherwise */
    return &c->target;
}

/* A sentence into a fixed field. What came from outside may have been cut inside a character. */
static void write_sentence(char out[ROLLOUT_STEP_MAX], const char *fmt, va_list args)
{
    char text[2 * ROLLOUT_STEP_MAX];
    vsnprintf(text, sizeof text, fmt, args);
    wire_clean_text(out, ROLLOUT_STEP_MAX, text);
}

#define BIT(state) (1u << (state))

static const unsigned allowed_moves[TARGET_STATE_COUNT] = {
    [TARGET_WAITING] = BIT(TARGET_CHECKING) | BIT(TARGET_SKIPPED) | BIT(TARGET_FAILED),
    [TARGET_CHECKING] = BIT(TARGET_WAITING) | BIT(TARGET_DRAINING) | BIT(TARGET_ACTING) |
                        BIT(TARGET_GATING) | BIT(TARGET_NOTHING) | BIT(TARGET_SKIPPED) |
                        BIT(TARGET_FAILED),
    [TARGET_DRAINING] = BIT(TARGET_ACTING) | BIT(TARGET_GATING),
    [TARGET_ACTING] =
        BIT(TARGET_DRAINING) | BIT(TARGET_ACTING) | BIT(TARGET_UNKNOWN) | BIT(TARGET_GATING),
    [TARGET_UNKNOWN] = BIT(TARGET_DRAINING) | BIT(TARGET_ACTING) | BIT(TARGET_GATING),
    [TARGET_GATING] = BIT(TARGET_WAITING) | BIT(TARGET_RETURNING) | BIT(TARGET_SOAKING) |
                      BIT(TARGET_DONE) | BIT(TARGET_SKIPPED) | BIT(TARGET_FAILED) |
                      BIT(TARGET_ABORTED),
    [TARGET_RETURNING] = BIT(TARGET_WAITING) | BIT(TARGET_GATING) | BIT(TARGET_SOAKING) |
                         BIT(TARGET_DONE) | BIT(TARGET_FAILED) | BIT(TARGET_ABORTED),
    [TARGET_SOAKING] = BIT(TARGET_DONE) | BIT(TARGET_FAILED),
};

void change_pause(struct rollout_change *c, enum pause_cause cause, bool on)
{
    uint32_t causes = on ? c->pause_causes | cause : c->pause_causes & ~(uint32_t)cause;
    c->run_changed = c->run_changed || causes != c->pause_causes;
    c->pause_causes = causes;
}

void change_enter(struct rollout_change *c, enum target_state state, uint64_t now_ms,
                  const char *step, ...)
{
    struct rollout_target *t = &c->target;
    must(c->target_changed && (allowed_moves[t->state] & BIT(state)));
    t->state = state;
    c->target_saved = true;
    forget_unsaved(t, now_ms);
    va_list args;
    va_start(args, step);
    write_sentence(t->step, step, args);
    va_end(args);
}

void change_say(struct rollout_change *c, const char *step, ...)
{
    va_list args;
    va_start(args, step);
    write_sentence(c->target.step, step, args);
    va_end(args);
}

void change_end_target(const struct rollout *r, struct rollout_change *c, enum target_state state,
                       const struct rollout_view *view, uint64_t now_ms, const char *detail, ...)
{
    struct rollout_target *t = &c->target;
    must(target_state_ended(state));
    char text[ROLLOUT_STEP_MAX];
    va_list args;
    va_start(args, detail);
    write_sentence(text, detail, args);
    va_end(args);
    change_enter(c, state, now_ms, "%s", "");
    text_copy(t->detail, sizeof t->detail, text);
    t->taken_solved = t->back ? ~t->taken_left : 0;
    t->back = t->back || !t->holds; /* never taken out */
    t->holds = false;
    t->ended_wall_ms = view->wall_ms;
    t->started_wall_ms = t->started_wall_ms ? t->started_wall_ms : view->wall_ms;
    if (state == TARGET_FAILED) {
        change_count_trouble(r, c);
    }
}

struct rollout_effect *change_add(struct rollout_change *c, enum effect_kind kind)
{
    must(c->effect_count < ROLLOUT_EFFECTS_MAX);
    struct rollout_effect *effect = &c->effects[c->effect_count++];
    *effect = (struct rollout_effect){.kind = kind};
    return effect;
}

void change_ask_agent(struct rollout_change *c, uint64_t now_ms, bool probe)
{
    struct rollout_effect *effect = change_add(c, EFFECT_OBSERVE);
    effect->probe = probe;
    effect->incident = c->target.asks ? c->target.taken[c->target.asks - 1] : 0;
    effect->ticket = c->target.ask_ticket = c->next_ticket++;
    c->target.ask_at_ms = now_ms;
}

void change_ask_balancer(struct rollout_change *c, enum balancer_op op, uint64_t now_ms)
{
    struct rollout_effect *effect = change_add(c, EFFECT_BALANCER);
    effect->op = op;
    effect->ticket = c->target.place_ticket = c->next_ticket++;
    c->target.place_at_ms = now_ms;
}

void change_command(const struct rollout *r, struct rollout_change *c,
                    const struct rollout_view *view, uint64_t now_ms)
{
    enum verb verb = rollout_action_verb(r->action);
    if (r->action == ROLLOUT_QUARANTINE) {
        change_enter(c, TARGET_GATING, now_ms, "out of rotation"); /* nothing is asked of it */
        c->restoring = true;
        return;
    }
    if (rollout_action_by_others(r->action)) {
        change_hand_over(r, c, view, now_ms);
        return;
    }
    must(verb != VERB_NONE && c->target.holds);
    change_enter(c, TARGET_ACTING, now_ms, "%s is asked of the agent", verb_name(verb));
    c->target.attempts++;
    c->target.told = true;
    c->target.ask_at_ms = now_ms;
    change_add(c, EFFECT_COMMAND)->verb = verb;
    c->disruptive = !rollout_action_restores(r->action);
    c->restoring = !c->disruptive;
}

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
    write_sentence(c->target.detail, detail, args);
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
    write_sentence(text, detail, args);
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
        change_ask_agent(c, now_ms, compare_wants_probe(r));
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
        c->target_saved = false;
        return;
    }
    change_take(r, c, view, now_ms);
}
