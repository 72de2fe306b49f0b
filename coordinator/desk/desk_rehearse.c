/* desk_rehearse.c - see desk_internal.h: what a run would come to, by the agents' own words, and
 * how long such runs took. */
#include "coordinator/desk/desk_body.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define TIMES_MAX 1000

static void rehearse(struct asking *a, const struct plan_request *q)
{
    struct error err;
    uint64_t id = 0;
    if (coordinator_rehearse(a->desk->brain, q, a->view.now_ms, a->view.wall_ms, &id, &err))
        desk_refuse(a, &err);
    else
        desk_answer(a, 202, json_pack("{s:I}", "rehearsal", (json_int_t)id));
}

void desk_rehearse(struct asking *a)
{
    struct error err;
    struct plan_request q;
    bool dry_run = true;
    json_t *body = NULL;
    if (desk_take_run(a, &q, &dry_run, &body, &err))
        desk_refuse(a, &err);
    else if (gate_plan(a, &q))
        rehearse(a, &q);
    json_decref(body);
}

/* ---- times ---- */

struct times {
    const char *pool; /* of this pool alone; "": of any */
    uint64_t *spans;
    size_t count;
};

static void add_span(void *arg, const struct store_time *t)
{
    struct times *times = arg;
    if (times->count < TIMES_MAX && (!times->pool[0] || text_equal_nocase(times->pool, t->pool)))
        times->spans[times->count++] = (uint64_t)(t->ended_wall_ms - t->started_wall_ms);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The median of what such targets took; 0: there was none yet. */
static uint64_t median_of(struct asking *a, const struct rollout *plan)
{
    bool one = plan->target_count > 0 && strcmp(plan->pool, plan->targets[0].pool) == 0;
    struct times times = {.pool = one ? plan->pool : "",
                          .spans = must_alloc(TIMES_MAX, sizeof(uint64_t))};
    uint64_t median = 0;
    if (!store_load_times(a->desk->store, plan->action, TIMES_MAX, add_span, &times, NULL) &&
        times.count > 0) {
        qsort(times.spans, times.count, sizeof(*times.spans), compare);
        median = times.spans[times.count / 2];
    }
    free(times.spans);
    return median;
}

/* How many would act, by the agents where they said so. */
static size_t count_acting(const struct rollout *plan, const struct rehearsed *answers)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->target_count; i++)
        count += answers[i].would == OUTCOME_DONE || answers[i].would == OUTCOME_NONE;
    return count;
}

static json_t *estimate(struct asking *a, const struct rollout *plan,
                        const struct rehearsed *answers)
{
    uint64_t each = median_of(a, plan);
    size_t acting = count_acting(plan, answers);
    uint32_t room = coordinator_budget_room(a->desk->brain, plan);
    uint32_t width = plan->options.batch < room || room == 0 ? plan->options.batch : room;
    if (each == 0)
        return json_null();
    uint64_t rounds = (acting + width - 1) / width;
    return json_integer((json_int_t)(rounds * each));
}

/* ---- what was answered ---- */

static json_t *view_answer(const struct rehearsed *r)
{
    if (!r->answered)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:o}", "would", outcome_name(r->would), "cause",
                     r->cause == CAUSE_NONE ? json_null() : json_string(cause_name(r->cause)),
                     "text", view_string(r->text), "settings",
                     r->settings ? view_string(r->settings) : json_null());
}

void desk_get_rehearsal(struct asking *a)
{
    const struct rollout *plan;
    const struct rehearsed *answers;
    bool complete;
    if (!desk_no_args(a))
        return;
    if (!coordinator_rehearsal(a->desk->brain, a->id, &plan, &answers, &complete)) {
        desk_refuse_as(a, ERR_NOT_FOUND,
                       "there is no rehearsal %llu any more: they are kept for two minutes",
                       (unsigned long long)a->id);
        return;
    }
    json_t *view = view_plan(&a->view, plan), *targets = json_object_get(view, "targets");
    for (size_t i = 0; i < plan->target_count; i++)
        json_object_set_new(json_array_get(targets, i), "agent", view_answer(&answers[i]));
    json_object_set_new(view, "estimate_ms", estimate(a, plan, answers));
    desk_answer(a, 200, json_pack("{s:o, s:b}", "plan", view, "complete", (int)complete));
}

/* ---- how large the gaps were ---- */

static void add_time(void *arg, const struct store_time *t)
{
    struct asking *a = arg;
    json_array_append_new(
        a->list, json_pack("{s:s, s:o, s:o, s:I, s:I, s:I}", "server", t->server, "pool",
                           view_string(t->pool), "ended_at", view_time(t->ended_wall_ms), "took_ms",
                           (json_int_t)(t->ended_wall_ms - t->started_wall_ms), "gap_ms",
                           (json_int_t)t->gap_ms, "probe_ms", (json_int_t)t->probe_ms));
}

void desk_get_recycles(struct asking *a)
{
    struct error err;
    if (!desk_no_args(a))
        return;
    a->list = json_array();
    if (store_load_times(a->desk->store, ROLLOUT_RECYCLE, TIMES_MAX, add_time, a, &err)) {
        json_decref(a->list);
        desk_refuse(a, &err);
        return;
    }
    desk_answer(a, 200, json_pack("{s:o}", "recycles", a->list));
}
