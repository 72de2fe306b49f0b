/* recipe_rehearse.c - see recipes.h: the first steps of a recipe, and what it would do after them.
 */
#include "agent/recipe_internal.h"

#include "common/text.h"

static void say_act(const struct recipe *r, char *out, size_t size_bytes)
{
    size_t workers = r->record->before.count;
    const char *s = workers == 1 ? "" : "s";
    switch (r->record->verb) {
    case VERB_RECYCLE:
        if (r->act == CALL_NONE)
            text_format(out, size_bytes, "would start a worker by a probe: the pool is idle");
        else
            text_format(out, size_bytes, "would recycle %zu worker%s%s%s", workers, s,
                        r->pool.overlap ? ", overlapped" : ", with a gap: overlap is off",
                        r->pool.start_mode == START_MODE_ALWAYS_RUNNING ? ""
                                                                        : "; the new one is cold");
        return;
    case VERB_START:
        text_format(out, size_bytes, "would %s%s%s",
                    r->set_autostart ? "set autoStart to true" : "",
                    r->set_autostart && r->act == CALL_START ? ", then " : "",
                    r->act == CALL_START ? "start it" : "");
        return;
    case VERB_STOP:
        text_format(out, size_bytes, "would %s%sstop it, with %zu worker%s",
                    r->set_autostart ? "set autoStart to false, " : "",
                    r->set_autostart ? "then " : "", workers, s);
        return;
    case VERB_WORKER_KILL:
        text_format(out, size_bytes, "would end worker %u", (unsigned)r->record->worker_pid);
        return;
    default:
        text_copy(out, size_bytes, "would act");
    }
}

enum outcome recipe_rehearse(const struct record *record, const struct recipe_limits *limits,
                             const struct call_result *look, uint64_t now_ms, enum cause *cause,
                             char *text, size_t size_bytes)
{
    struct record *copy = record_copy(record);
    struct recipe *r = recipe_new(copy, limits, now_ms);
    enum outcome outcome = OUTCOME_DONE;
    recipe_on_result(r, look, now_ms);
    *cause = CAUSE_NONE;
    if (r->step == RECIPE_STEP_END) {
        outcome = copy->outcome;
        *cause = copy->cause;
        text_copy(text, size_bytes, copy->detail);
    } else if (r->step == RECIPE_STEP_LOOK) {
        text_format(text, size_bytes, "would wait: the pool is %s", pool_state_name(r->pool.state));
    } else if (r->step == RECIPE_STEP_PROBE) {
        outcome = OUTCOME_NOTHING;
        *cause = CAUSE_ALREADY;
        text_copy(text, size_bytes, "is started already");
    } else {
        say_act(r, text, size_bytes);
    }
    recipe_free(r);
    record_free(copy);
    return outcome;
}
