/* views_hold.c - see views.h: servers in the hands of others. */
#include "coordinator/desk/views.h"

static const char *word_of(enum target_state state)
{
    switch (state) {
    case TARGET_WAITING:
    case TARGET_CHECKING:
        return "waiting";
    case TARGET_DRAINING:
        return "draining";
    case TARGET_ACTING:
        return "held";
    case TARGET_UNKNOWN:
        return "expired";
    case TARGET_GATING:
    case TARGET_RETURNING:
    case TARGET_SOAKING:
        return "returning";
    case TARGET_DONE:
    case TARGET_NOTHING:
    case TARGET_SKIPPED:
    case TARGET_FAILED:
    case TARGET_ABORTED:
        break;
    }
    return NULL;
}

/* Those of a hold from its beginning on; those of a run over many servers while others have them.
 */
static bool is_shown(const struct rollout *run, const struct rollout_target *t)
{
    bool with_others = t->state == TARGET_ACTING || t->state == TARGET_UNKNOWN;
    return rollout_action_by_others(run->action) && word_of(t->state) &&
           (run->action == ROLLOUT_HOLD || with_others);
}

static json_t *view_one(const struct rollout *run, const struct rollout_target *t)
{
    int64_t since = t->handed_wall_ms;
    return json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "server", t->server, "run",
                     (json_int_t)run->id, "action", rollout_action_name(run->action), "state",
                     word_of(t->state), "by", view_string(run->actor), "reason",
                     view_string(run->reason), "since", view_time(since), "until",
                     since ? view_time(since + (int64_t)run->options.limit_ms) : json_null(),
                     "step", view_string(t->step));
}

json_t *view_holds(const struct view *v, bool *expired)
{
    json_t *list = json_array();
    *expired = false;
    for (size_t i = 0; i < coordinator_run_count(v->brain); i++) {
        const struct rollout *run = coordinator_run_at(v->brain, i);
        for (size_t k = 0; k < run->target_count && !run_state_ended(run->state); k++) {
            if (!is_shown(run, &run->targets[k]))
                continue;
            *expired = *expired || run->targets[k].state == TARGET_UNKNOWN;
            json_array_append_new(list, view_one(run, &run->targets[k]));
        }
    }
    return list;
}
