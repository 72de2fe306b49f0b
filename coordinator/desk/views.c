/* views.c - see views.h: status, servers and pools. Runs, plans and events are in views_run.c. */
#include "coordinator/desk/views.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/core/words.h"

#include <string.h>

/* ---- small things ---- */

json_t *view_string(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char clean[WIRE_TEXT_MAX];
    return json_string(wire_clean_text(clean, sizeof(clean), text));
}

json_t *view_text(const char *text)
{
    return text ? view_string(text) : json_null();
}

json_t *view_time(int64_t wall_ms)
{
    char time[TEXT_TIME_MAX];
    return wall_ms == 0 ? json_null() : json_string(text_format_time(time, wall_ms));
}

static json_t *number(uint64_t value)
{
    return json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static json_t *hex_id(const struct wire_id *id)
{
    char hex[2 * sizeof(id->bytes) + 1];
    if (wire_id_is_zero(id))
        return json_null();
    text_to_hex(hex, id->bytes, sizeof(id->bytes));
    return json_string(hex);
}

/* Since `since_ms`; 0 is never: null. */
static json_t *age(const struct view *v, uint64_t since_ms)
{
    if (since_ms == 0)
        return json_null();
    return number(v->now_ms > since_ms ? v->now_ms - since_ms : 0);
}

json_t *view_error(const char *code, const char *text)
{
    return json_pack("{s:{s:s, s:o}}", "error", "code", code, "text", view_string(text));
}

/* ---- pools ---- */

static json_t *cpu_of(const struct fleet_server *s, const struct worker *w)
{
    for (size_t i = 0; i < s->figure_count; i++)
        if (s->figures[i].pid == w->pid && s->figures[i].created == w->created)
            return number(s->figures[i].cpu_permille);
    return json_null();
}

static json_t *view_workers(const struct fleet_server *s, const char *pool)
{
    const struct state *state = fleet_latest(s);
    json_t *list = json_array();
    for (size_t i = 0; state && i < state->worker_count; i++) {
        const struct worker *w = &state->workers[i];
        if (!text_equal_nocase(w->pool, pool))
            continue;
        json_t *one = json_pack("{s:o, s:o, s:o, s:o, s:o}", "pid", number(w->pid), "created",
                                number(w->created), "cpu_ms", number(w->cpu_ms), "cpu_permille",
                                cpu_of(s, w), "memory_bytes", number(w->memory_bytes));
        json_object_set_new(one, "private_bytes",
                            w->private_bytes ? number(w->private_bytes) : json_null());
        json_object_set_new(one, "running_ms", w->age_ms ? number(w->age_ms) : json_null());
        json_array_append_new(list, one);
    }
    return list;
}

/* How old the figures of its workers are: when they were read, not when they came. */
static json_t *state_age(const struct view *v, const struct fleet_server *s)
{
    const struct state *state = fleet_latest(s);
    if (!state || s->state_ms == 0)
        return json_null();
    uint64_t since_ms = v->now_ms > s->state_ms ? v->now_ms - s->state_ms : 0;
    return number(since_ms + state->age_ms);
}

json_t *view_pool(const struct view *v, const struct fleet_server *s, const struct pool *p)
{
    json_t *queued = p->queued < 0 ? json_null() : json_integer(p->queued);
    json_t *pool = json_pack(
        "{s:s, s:o, s:s, s:b, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "server", s->name, "name",
        view_string(p->name), "state", pool_state_name(p->state), "auto_start", (int)p->auto_start,
        "start_mode", start_mode_name(p->start_mode), "overlap", (int)p->overlap, "max_processes",
        number(p->max_processes), "queue_length", number(p->queue_length), "queued", queued,
        "workers", view_workers(s, p->name), "age_ms", state_age(v, s));
    must(pool != NULL);
    view_add_figures(v, s, p, pool);
    json_object_set_new(pool, "events", view_server_events(v, s, p->name));
    return pool;
}

/* ---- servers ---- */

static json_t *view_labels(const struct fleet_server *s)
{
    json_t *labels = json_object();
    for (size_t i = 0; i < s->label_count; i++)
        json_object_set_new(labels, s->labels[i].key, view_string(s->labels[i].value));
    return labels;
}

/* Everywhere ready and up; null: behind no balancer, or not read yet. */
static json_t *in_rotation(const struct fleet_server *s)
{
    if (s->place_count == 0 || s->places_ms == 0)
        return json_null();
    bool all = true;
    for (size_t i = 0; i < s->place_count; i++)
        all &= s->places[i].admin == BALANCER_READY && s->places[i].up;
    return json_boolean(all);
}

static json_t *view_backends(const struct view *v, const struct fleet_server *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->place_count; i++) {
        const struct balancer_entry *e = &s->places[i];
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:s, s:b, s:o, s:o}", "balancer",
                                              view_string(e->balancer), "backend",
                                              view_string(e->backend), "name", view_string(e->name),
                                              "admin", balancer_admin_name(e->admin), "up",
                                              (int)e->up, "sessions", number(e->sessions), "age_ms",
                                              age(v, s->places_ms)));
    }
    return list;
}

static json_t *view_services(const struct state *state)
{
    json_t *list = json_array();
    for (size_t i = 0; state && i < state->service_count; i++) {
        const struct service *service = &state->services[i];
        json_array_append_new(
            list, json_pack("{s:o, s:s, s:s, s:o}", "name", view_string(service->name), "state",
                            service_state_name(service->state), "start",
                            service_start_name(service->start), "pid", number(service->pid)));
    }
    return list;
}

static json_t *view_sites(const struct state *state)
{
    json_t *list = json_array();
    for (size_t i = 0; state && i < state->site_count; i++) {
        const struct site *site = &state->sites[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:b, s:o, s:o}", "name", view_string(site->name), "id",
                            number(site->id), "started", (int)site->started, "bindings",
                            view_string(site->bindings), "pool", view_string(site->pool)));
    }
    return list;
}

static json_t *view_host(const struct state *state)
{
    if (!state)
        return json_null();
    const struct host *h = &state->host;
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "processors", number(h->processors),
                     "cpu_permille", number(h->cpu_permille), "memory_total_bytes",
                     number(h->memory_total_bytes), "memory_available_bytes",
                     number(h->memory_available_bytes), "uptime_ms", number(h->uptime_ms));
}

static json_t *view_pools_of(const struct view *v, const struct fleet_server *s,
                             const struct state *whole)
{
    json_t *list = json_array();
    for (size_t i = 0; whole && i < whole->pool_count; i++)
        json_array_append_new(list, view_pool(v, s, &whole->pools[i]));
    return list;
}

static uint64_t pools_started(const struct state *whole)
{
    uint64_t started = 0;
    for (size_t i = 0; whole && i < whole->pool_count; i++)
        started += whole->pools[i].state == POOL_STATE_STARTED;
    return started;
}

/* Why its presence is what it is. */
static const char *presence_why(const struct fleet_server *s)
{
    switch (s->presence) {
    case PRESENCE_QUARANTINED:
        return s->quarantine_why;
    case PRESENCE_DECLARED_OUT:
        return s->declared_out_reason;
    case PRESENCE_NEVER_SEEN:
        return "no agent of this name was heard since the coordinator started";
    case PRESENCE_SILENT:
        return "no word from its agent: what it does is unknown";
    case PRESENCE_FRESH:
        return "";
    }
    return "";
}

/* null, or why not: who spends the budget. */
static json_t *view_may_take(const struct view *v, const char *server)
{
    char why[ROLLOUT_STEP_MAX];
    bool may = coordinator_may_take(v->brain, server, v->now_ms, why, sizeof(why));
    return may ? json_null() : view_string(why);
}

static void add_details(const struct view *v, const struct fleet_server *s, json_t *out)
{
    const struct state *whole = fleet_whole(s);
    json_object_set_new(out, "pools", view_pools_of(v, s, whole));
    json_object_set_new(out, "sites", view_sites(whole));
    json_object_set_new(out, "events", view_server_events(v, s, NULL));
    json_object_set_new(out, "backends", view_backends(v, s));
    json_object_set_new(out, "budgets", view_groups_of(v, s->name));
    json_object_set_new(out, "blocked", view_may_take(v, s->name));
    json_object_set_new(out, "declared_out_until", view_time(s->declared_out_until_ms));
}

static void add_sums(const struct fleet_server *s, json_t *out)
{
    const struct state *whole = fleet_whole(s);
    json_object_set_new(out, "pool_count", number(whole ? whole->pool_count : 0));
    json_object_set_new(out, "pools_started", number(pools_started(whole)));
}

/* null, or what a person said of it. */
static json_t *view_maintenance(const struct fleet_server *s)
{
    if (!s->maintenance_until_ms)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "until", view_time(s->maintenance_until_ms), "reason",
                     view_string(s->maintenance_reason), "by", view_string(s->maintenance_by));
}

json_t *view_server(const struct view *v, const struct fleet_server *s, bool whole)
{
    char why[256] = "";
    bool is_out = fleet_is_out(s, NULL, v->now_ms, why, sizeof(why));
    const struct state *state = fleet_whole(s), *latest = fleet_latest(s);
    json_t *out = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "name",
        s->name, "presence", presence_name(s->presence), "why", view_string(presence_why(s)),
        "age_ms", age(v, s->seen ? s->heard_ms : 0), "labels", view_labels(s), "in_rotation",
        in_rotation(s), "out", is_out ? view_string(why) : json_null(), "held_by",
        view_text(coordinator_holder(v->brain, s->name, NULL)), "services", view_services(state),
        "host", view_host(latest), "trouble",
        view_string(latest && latest->trouble ? latest->trouble : ""), "incarnation",
        hex_id(&s->incarnation), "boot", hex_id(&s->boot), "config_identity",
        view_string(state && state->config_identity ? state->config_identity : ""), "config_shared",
        state ? (int)state->config_shared : 0, "address", view_string(s->address));
    must(out != NULL);
    json_object_set_new(out, "maintenance", view_maintenance(s));
    if (whole)
        add_details(v, s, out);
    else
        add_sums(s, out);
    return out;
}

/* ---- status ---- */

struct tally {
    size_t fresh, silent, down, quarantined, declared_out, never_seen;
};

static void count_server(const struct view *v, const struct fleet_server *s, struct tally *t)
{
    char why[256];
    t->fresh += s->presence == PRESENCE_FRESH;
    t->silent += s->presence == PRESENCE_SILENT;
    t->quarantined += s->presence == PRESENCE_QUARANTINED;
    t->declared_out += s->presence == PRESENCE_DECLARED_OUT;
    t->never_seen += s->presence == PRESENCE_NEVER_SEEN;
    t->down += s->presence == PRESENCE_FRESH && fleet_is_out(s, NULL, v->now_ms, why, sizeof(why));
}

static struct tally count_servers(const struct view *v)
{
    struct tally t = {0};
    const struct fleet *fleet = coordinator_fleet(v->brain);
    for (size_t i = 0; i < fleet_count(fleet); i++)
        count_server(v, fleet_at(fleet, i), &t);
    return t;
}

static json_t *view_tally(const struct view *v, const struct tally *t)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "total",
                     number(fleet_count(coordinator_fleet(v->brain))), "fresh", number(t->fresh),
                     "silent", number(t->silent), "down", number(t->down), "quarantined",
                     number(t->quarantined), "declared_out", number(t->declared_out), "never_seen",
                     number(t->never_seen));
}

static json_t *view_open_runs(const struct view *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < coordinator_run_count(v->brain); i++) {
        const struct rollout *run = coordinator_run_at(v->brain, i);
        struct rollout_counts counts;
        rollout_count(run, &counts);
        if (!run_state_ended(run->state))
            json_array_append_new(list, view_run(v, run, &counts));
    }
    return list;
}

static json_t *view_incidents(const struct view *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < coordinator_incident_count(v->brain); i++) {
        json_array_append_new(list, view_incident(v, coordinator_incident_at(v->brain, i)));
    }
    return list;
}

static json_t *view_maintained(const struct view *v)
{
    json_t *list = json_array();
    const struct fleet *fleet = coordinator_fleet(v->brain);
    for (size_t i = 0; i < fleet_count(fleet); i++) {
        const struct fleet_server *s = fleet_at(fleet, i);
        if (!s->maintenance_until_ms)
            continue;
        json_t *one = view_maintenance(s);
        json_object_set_new(one, "server", json_string(s->name));
        json_array_append_new(list, one);
    }
    return list;
}

/* What is to stay stopped, on servers that are there; *back: some of it did not. */
static json_t *view_kept(const struct view *v, bool *back)
{
    json_t *list = json_array();
    *back = false;
    for (size_t i = 0; i < coordinator_kept_count(v->brain); i++) {
        const struct kept_pool *k = coordinator_kept_at(v->brain, i);
        if (!fleet_find(coordinator_fleet(v->brain), k->server))
            continue; /* removed: nobody waits for it */
        *back = *back || k->back_wall_ms != 0;
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:I, s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "server",
                            k->server, "pool", view_string(k->pool), "run", (json_int_t)k->run,
                            "by", view_string(k->actor), "reason", view_string(k->reason),
                            "found_down", (int)k->found_down, "since", view_time(k->since_wall_ms),
                            "checked_at", view_time(k->checked_wall_ms), "back_since",
                            view_time(k->back_wall_ms), "back_how", view_string(k->back_how)));
    }
    return list;
}

json_t *view_status(const struct view *v, int64_t started_wall_ms, const char *history_trouble)
{
    const struct coordinator *c = v->brain;
    struct tally t = count_servers(v);
    const char *trouble = coordinator_store_trouble(c);
    if (!trouble)
        trouble = history_trouble;
    bool expired, back;
    json_t *holds = view_holds(v, &expired), *kept = view_kept(v, &back);
    bool healthy = !expired && !back && t.silent + t.down + t.quarantined + t.never_seen == 0 &&
                   !trouble && !coordinator_frozen(c) && coordinator_incident_count(c) == 0;
    json_t *self =
        json_pack("{s:s, s:o, s:o, s:b, s:o, s:o}", "version", FARMHAND_VERSION, "started_at",
                  view_time(started_wall_ms), "fence", number(coordinator_fence(c).number),
                  "settling", (int)coordinator_settling(c, v->now_ms), "frozen",
                  view_text(coordinator_frozen(c)), "store", view_string(trouble ? trouble : "ok"));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "coordinator", self,
                     "servers", view_tally(v, &t), "budgets", view_budgets(v, NULL), "runs",
                     view_open_runs(v), "incidents", view_incidents(v), "maintenance",
                     view_maintained(v), "holds", holds, "kept_stopped", kept, "health",
                     healthy ? "healthy" : "degraded");
}
