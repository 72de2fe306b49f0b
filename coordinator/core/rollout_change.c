/* How a change is put together: its parts, the one place where a target's state changes and which
 * moves it may make.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
void change_sentence(char out[ROLLOUT_STEP_MAX], const char *fmt, va_list args)
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
    target_forget_unsaved(t, now_ms);
    va_list args;
    va_start(args, step);
    change_sentence(t->step, step, args);
    va_end(args);
}

void change_say(struct rollout_change *c, const char *step, ...)
{
    va_list args;
    va_start(args, step);
    change_sentence(c->target.step, step, args);
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
    change_sentence(text, detail, args);
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
