/* The story of runs, kept for good: each step of each target, in the transaction that makes it,
 * with what the gate saw where it left one. Steps that were made while the store could not be
 * written wait here, and are written with what they belong to. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>

#define STEPS_KEPT 4096 /* while the store cannot write; later ones are lost, and said so */

static bool is_step(const struct rollout_change *change)
{
    return change->target_changed && change->from != change->target.state;
}

static void describe(const struct coordinator *c, const struct rollout *r,
                     const struct rollout_change *change, struct store_step *out)
{
    const struct rollout_target *t = &change->target;
    const char *more = t->detail[0] && target_state_ended(t->state) ? t->detail : t->step;
    *out = (struct store_step){.run = r->id,
                               .place = t->order,
                               .wall_ms = c->wall_ms,
                               .from = change->from,
                               .to = t->state};
    if (change->from == TARGET_GATING && t->evidence[0]) {
        text_format(out->text, sizeof out->text, "%s%sthe gate saw: %s", more, more[0] ? "; " : "",
                    t->evidence);
    } else {
        text_copy(out->text, sizeof out->text, more);
    }
}

/* What its rungs found goes before the step that the result brings: from acting to acting. */
static size_t finding_count(const struct coordinator *c, const struct rollout_change *change)
{
    bool ends = change->from == TARGET_ACTING || change->from == TARGET_UNKNOWN;
    return c->found && ends ? c->found->finding_count : 0;
}

static struct store_step finding_step(const struct coordinator *c, const struct rollout *r,
                                      const struct rollout_change *change, size_t at)
{
    const struct finding *found = &c->found->findings[at];
    struct store_step step = {.run = r->id,
                              .place = change->target.order,
                              .wall_ms = c->wall_ms,
                              .from = TARGET_ACTING,
                              .to = TARGET_ACTING};
    text_format(step.text, sizeof step.text, "%s: %s", found->rung, found->text);
    return step;
}

enum error_code story_write(struct coordinator *c, const struct rollout *r,
                            const struct rollout_change *change, struct error *err)
{
    struct store_step step;
    if (!is_step(change)) {
        return ERR_NONE;
    }
    for (size_t i = 0; i < finding_count(c, change); i++) {
        step = finding_step(c, r, change, i);
        enum error_code code = store_add_step(c->spec.store, &step, err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    describe(c, r, change, &step);
    return store_add_step(c->spec.store, &step, err);
}

void story_keep(struct coordinator *c, const struct rollout *r, const struct rollout_change *change)
{
    if (!is_step(change)) {
        return;
    }
    if (c->step_count >= STEPS_KEPT) {
        log_warn("step_lost", LOG_UINT("run", r->id), LOG_TEXT("server", change->target.server));
        return;
    }
    size_t found = finding_count(c, change);
    c->steps = must_realloc(c->steps, c->step_count + found + 1, sizeof *c->steps);
    for (size_t i = 0; i < found; i++) {
        c->steps[c->step_count++] = finding_step(c, r, change, i);
    }
    describe(c, r, change, &c->steps[c->step_count++]);
}

enum error_code story_write_kept(struct coordinator *c, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->step_count && code == ERR_NONE; i++) {
        code = store_add_step(c->spec.store, &c->steps[i], err);
    }
    return code;
}

void story_kept(struct coordinator *c)
{
    free(c->steps);
    c->steps = NULL;
    c->step_count = 0;
}
