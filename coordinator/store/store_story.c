/* store_story.c - steps and plans of runs in the store. See store.h. */
#include "coordinator/store/store_internal.h"

#include "common/must.h"
#include "coordinator/core/words.h"

#include <inttypes.h>

enum error_code store_add_step(struct store *s, const struct store_step *step, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_INSERT_STEP);
    bind_uint(&b, step->run);
    bind_uint(&b, step->place);
    bind_int(&b, step->wall_ms);
    bind_text(&b, target_state_name(step->from));
    bind_text(&b, target_state_name(step->to));
    bind_text(&b, step->text);
    store_run_write(s, SQL_INSERT_STEP);
    return store_tell(s, err);
}

enum error_code store_load_steps(struct store *s, uint64_t run,
                                 void (*each)(void *arg, const struct store_step *step), void *arg,
                                 struct error *err)
{
    db_bind_uint(s->db, SQL_STEPS, 1, run);
    struct row r = row_of(s, SQL_STEPS, "step of run", err);
    r.id = run;
    while (row_next(&r)) {
        struct store_step step = {.run = run};
        step.place = row_u32(&r, "place");
        step.wall_ms = row_int(&r);
        ROW_WORD(&r, "from_state", target_state, &step.from);
        ROW_WORD(&r, "to_state", target_state, &step.to);
        row_text(&r, "text", step.text, sizeof(step.text));
        if (!r.code)
            each(arg, &step);
    }
    return r.code;
}

enum error_code store_save_plan(struct store *s, uint64_t run, const char *json, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_INSERT_PLAN);
    bind_uint(&b, run);
    bind_text(&b, json);
    store_run_write(s, SQL_INSERT_PLAN);
    return store_tell(s, err);
}

enum error_code store_load_plan(struct store *s, uint64_t run, char **out, struct error *err)
{
    *out = NULL;
    db_bind_uint(s->db, SQL_PLAN, 1, run);
    struct row r = row_of(s, SQL_PLAN, "plan of run", err);
    if (row_next(&r)) {
        *out = must_copy(row_word(&r));
        db_reset(s->db, SQL_PLAN);
    }
    return r.code;
}

enum error_code store_load_times(struct store *s, enum rollout_action action, size_t limit,
                                 void (*each)(void *arg, const struct store_time *t), void *arg,
                                 struct error *err)
{
    struct binding b = binding_of(s, SQL_TIMES);
    bind_text(&b, rollout_action_name(action));
    bind_uint(&b, limit);
    struct row r = row_of(s, SQL_TIMES, "times of targets", err);
    while (row_next(&r)) {
        struct store_time t = {0};
        row_text(&r, "server", t.server, sizeof(t.server));
        row_text(&r, "pool", t.pool, sizeof(t.pool));
        t.started_wall_ms = row_int(&r);
        t.ended_wall_ms = row_int(&r);
        t.gap_ms = row_u32(&r, "gap_ms");
        t.probe_ms = row_u32(&r, "probe_ms");
        if (!r.code)
            each(arg, &t);
    }
    return r.code;
}
