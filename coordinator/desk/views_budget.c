/* views_budget.c - see views.h: the groups of the budget. */
#include "coordinator/desk/views.h"

#include "common/text.h"

/* Who is out of one group, and who is held. */
static json_t *view_members(const struct budget *b, bool held)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->count; i++) {
        const struct budget_member *m = &b->members[i];
        if (m->held != held || (!held && (!m->out || m->declared_out)))
            continue;
        const char *why = held ? m->held_by : m->why;
        json_array_append_new(list, json_pack("{s:s, s:o}", "server", m->server,
                                              held ? "by" : "why", view_string(why ? why : "")));
    }
    return list;
}

static json_t *view_group(const struct budget *b)
{
    const struct budget_use use = b->use;
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "group", view_text(b->group),
                     "servers", (json_int_t)b->count, "limit", (json_int_t)b->max_out, "used",
                     (json_int_t)use.held + use.out, "declared_out", (json_int_t)use.declared,
                     "in_service", (json_int_t)use.in_service, "min_in_service",
                     (json_int_t)b->min_in_service, "out", view_members(b, false), "held",
                     view_members(b, true));
}

static bool concerns(const struct view *v, size_t group, const struct rollout *plan)
{
    for (size_t i = 0; i < plan->target_count; i++)
        if (coordinator_in_budget(v->brain, group, plan->targets[i].server))
            return true;
    return false;
}

json_t *view_budgets(const struct view *v, const struct rollout *plan)
{
    json_t *list = json_array();
    size_t count = coordinator_budget_count(v->brain);
    for (size_t i = 0; i < count; i++) {
        struct budget b;
        if (plan && !concerns(v, i, plan))
            continue;
        bool one = plan && pools_are_one(plan->pool);
        coordinator_budget(v->brain, i, one ? plan->pool : NULL, v->now_ms, &b);
        bool unused_default = !b.group && b.count == 0 && count > 1;
        if (!unused_default)
            json_array_append_new(list, view_group(&b));
    }
    return list;
}

json_t *view_groups_of(const struct view *v, const char *server)
{
    json_t *list = json_array();
    for (size_t i = 0; i < coordinator_budget_count(v->brain); i++) {
        struct budget b;
        if (!coordinator_in_budget(v->brain, i, server))
            continue;
        coordinator_budget(v->brain, i, NULL, v->now_ms, &b);
        if (b.group)
            json_array_append_new(list, view_string(b.group));
    }
    return list;
}
