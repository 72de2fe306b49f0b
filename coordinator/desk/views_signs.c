/* views_signs.c - see views.h: figures of pools and entries of the event log, with their ages. */
#include "coordinator/desk/views.h"

#include "common/text.h"
#include "proto/events.h"

/* How long ago the newest state came. */
static uint64_t since_report(const struct view *v, const struct fleet_server *s)
{
    return s->state_ms != 0 && v->now_ms > s->state_ms ? v->now_ms - s->state_ms : 0;
}

static json_t *known(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

void view_add_figures(const struct view *v, const struct fleet_server *s, const struct pool *p,
                      json_t *pool)
{
    const struct state *state = fleet_latest(s);
    for (size_t i = 0; state && i < state->figure_count; i++) {
        const struct pool_figures *figures = &state->figures[i];
        if (!text_equal_nocase(figures->pool, p->name))
            continue;
        json_object_set_new(pool, "queued", known(figures->queued));
        json_object_set_new(pool, "rejected", known(figures->rejected));
        json_object_set_new(pool, "figures_age_ms",
                            json_integer((json_int_t)(since_report(v, s) + state->figures_age_ms)));
        return;
    }
    json_object_set_new(pool, "rejected", json_null());
    json_object_set_new(pool, "figures_age_ms", json_null());
}

json_t *view_server_events(const struct view *v, const struct fleet_server *s, const char *pool)
{
    const struct state *state = fleet_latest(s);
    json_t *list = json_array();
    for (size_t i = 0; state && i < state->event_count; i++) {
        const struct server_event *event = &state->events[i];
        if (pool && !text_equal_nocase(event->pool, pool))
            continue;
        json_array_append_new(
            list, json_pack("{s:I, s:s, s:s, s:o, s:I, s:I, s:I}", "id", (json_int_t)event->id,
                            "kind", event_kind_name(event_kind_of(event->id)), "text",
                            event_words(event->id), "pool", view_string(event->pool), "pid",
                            (json_int_t)event->pid, "code", (json_int_t)event->code, "age_ms",
                            (json_int_t)(since_report(v, s) + event->age_ms)));
    }
    return list;
}
