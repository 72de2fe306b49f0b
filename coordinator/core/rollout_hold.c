/* Servers in the hands of others: a tool that deploys, patches or reboots has the server for a
 * while, with the same budget, drain, gate and proof around its work as around ours.
 *
 * What they do is not known here, so nothing ends it but their own word, the machine's new boot
 * where one was waited for, or a person. When its time is over the target is unknown: the server
 * stays out and keeps its place in the budget, and the run says so and pauses. Its time runs on two
 * clocks, ours since it was handed over or since our start, and the wall's: whichever is over first
 * counts, so that neither a clock that jumps nor a restart of ours lets a hold last for ever.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#include <string.h>

void change_hand_over(const struct rollout *r, struct rollout_change *c,
                      const struct rollout_view *view, uint64_t now_ms)
{
    char span[TEXT_DURATION_MAX];
    text_format_duration(span, r->options.limit_ms);
    if (r->action == ROLLOUT_CYCLE) {
        change_enter(c, TARGET_ACTING, now_ms, "ready to be started anew, within %s", span);
        if (!view->boot || !view->boot(view->ctx, c->target.server, &c->target.boot_before)) {
            memset(&c->target.boot_before, 0, sizeof c->target.boot_before);
        }
    } else {
        change_enter(c, TARGET_ACTING, now_ms, "in the hands of %.100s for at most %s: %.200s",
                     r->actor, span, r->reason);
    }
    c->target.attempts++;
    c->target.told = true;
    c->target.handed_wall_ms = view->wall_ms;
    c->disruptive = true; /* they act on the word that it is theirs */
    c->restoring = false;
}

static bool is_over(const struct rollout *r, const struct rollout_target *t,
                    const struct rollout_view *view, uint64_t now_ms)
{
    return now_ms >= t->entered_ms + r->options.limit_ms ||
           view->wall_ms >= t->handed_wall_ms + (int64_t)r->options.limit_ms;
}

/* Only a boot that is known can differ: one that was not known when it was taken is learnt first.
 */
static bool has_new_boot(const struct rollout *r, const struct rollout_target *t,
                         const struct rollout_view *view, struct wire_id *boot)
{
    return r->action == ROLLOUT_CYCLE && !view->settling && view->boot &&
           view->boot(view->ctx, t->server, boot) && !wire_id_is_zero(boot) &&
           !wire_id_equal(boot, &t->boot_before);
}

static void expire(const struct rollout *r, struct rollout_change *c, uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    char span[TEXT_DURATION_MAX];
    text_format_duration(span, r->options.limit_ms);
    if (r->action == ROLLOUT_CYCLE) {
        change_enter(c, TARGET_UNKNOWN, now_ms, "it did not start anew within %s", span);
        text_format(c->why, sizeof c->why,
                    "%s did not start anew within %s; it stays out until it does, or "
                    "`farmhand run resolve %llu %s` settles it",
                    t->server, span, (unsigned long long)r->id, t->server);
    } else {
        change_enter(c, TARGET_UNKNOWN, now_ms, "held for longer than %s, and not released", span);
        text_format(c->why, sizeof c->why,
                    "%s was held for longer than %s by %.100s and not released: what became of it "
                    "is not known, it stays out; `farmhand hold release %s` gives it back",
                    t->server, span, r->actor, t->server);
    }
    c->run_changed = true;
    change_settle_unknown(r, c);
}

static void started_anew(const struct rollout *r, struct rollout_change *c, uint64_t now_ms)
{
    struct rollout_target *t = &c->target;
    t->outcome = OUTCOME_DONE;
    t->cause = CAUSE_NONE;
    text_copy(t->detail, sizeof t->detail, "its machine has started anew");
    change_gate(r, c, now_ms);
    change_settle_unknown(r, c);
}

/* What others have done by then is not known here; they may still be at it, or about to. */
static void take_back(const struct rollout *r, struct rollout_change *c, uint64_t now_ms)
{
    change_fail_act(r, c, CAUSE_NONE, now_ms,
                    r->action == ROLLOUT_CYCLE
                        ? "aborted before it started anew; whoever is to restart it has to know: "
                          "a restart from here on meets it in rotation"
                        : "aborted while others had it; they have to know: what they do from here "
                          "on meets it in rotation");
}

bool hold_turn(const struct rollout *r, struct rollout_change *c, size_t i,
               const struct rollout_view *view, uint64_t now_ms)
{
    const struct rollout_target *t = &r->targets[i];
    struct wire_id boot;
    if (r->state == RUN_ABORTING) {
        change_edit(r, c, i);
        c->target.attempts = 0; /* nothing of it counts */
        take_back(r, c, now_ms);
        change_settle_unknown(r, c);
        return true;
    }
    if (has_new_boot(r, t, view, &boot)) {
        change_edit(r, c, i);
        if (wire_id_is_zero(&t->boot_before)) {
            c->target.boot_before = boot;
            c->target_saved = true;
        } else {
            started_anew(r, c, now_ms);
        }
        return true;
    }
    if (t->state == TARGET_ACTING && is_over(r, t, view, now_ms)) {
        change_edit(r, c, i);
        expire(r, c, now_ms);
        return true;
    }
    return false;
}

void rollout_on_release(const struct rollout *r, size_t i, bool failed, const char *what,
                        uint64_t now_ms, struct rollout_change *c)
{
    change_begin(r, c);
    if (i >= r->target_count || !rollout_action_by_others(r->action) ||
        (r->targets[i].state != TARGET_ACTING && r->targets[i].state != TARGET_UNKNOWN)) {
        return;
    }
    struct rollout_target *t = change_edit(r, c, i);
    t->outcome = failed ? OUTCOME_FAILED : OUTCOME_DONE;
    if (failed) {
        change_fail_act(r, c, CAUSE_DRIVER, now_ms, "%.400s", what);
    } else {
        t->cause = CAUSE_NONE;
        wire_clean_text(t->detail, sizeof t->detail, what);
        change_gate(r, c, now_ms);
    }
    change_settle_unknown(r, c);
}
