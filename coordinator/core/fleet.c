#include "coordinator/core/fleet.h"

#include "common/must.h"
#include "common/text.h"
#include "proto/events.h"

#include <stdlib.h>
#include <string.h>

struct fleet {
    struct fleet_spec spec;
    struct fleet_server **servers; /* by name, ascending */
    size_t count, cap;
    struct fleet_server **gone; /* removed ones, that somebody may still point to */
    size_t gone_count;
    bool mass_silence;
    struct fleet_server **touched;
    size_t touched_count, touched_cap;
    bool all_touched;
};

static const struct state no_state;

struct fleet *fleet_new(const struct fleet_spec *spec)
{
    struct fleet *f = must_alloc(1, sizeof *f);
    f->spec = *spec;
    return f;
}

static void drop_reports(struct fleet *f, struct fleet_server *s)
{
    f->spec.free_message(s->whole);
    f->spec.free_message(s->latest);
    s->whole = s->latest = NULL;
    s->services_down[0] = s->pool_seen_up[0] = '\0';
    s->services_seen_up = false;
}

static void free_server(struct fleet *f, struct fleet_server *s)
{
    drop_reports(f, s);
    free(s->figures);
    free(s->probes);
    free(s);
}

void fleet_free(struct fleet *f)
{
    if (!f) {
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        free_server(f, f->servers[i]);
    }
    for (size_t i = 0; i < f->gone_count; i++) {
        free_server(f, f->gone[i]);
    }
    free(f->servers);
    free(f->touched);
    free(f->gone);
    free(f);
}

/* Names are compared without case, as Windows does. */
static size_t lower_bound(const struct fleet *f, const char *name)
{
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text_compare_nocase(f->servers[middle]->name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct fleet_server *fleet_find(const struct fleet *f, const char *name)
{
    size_t at = lower_bound(f, name);
    return at < f->count && text_compare_nocase(f->servers[at]->name, name) == 0 ? f->servers[at]
                                                                                 : NULL;
}

struct fleet_server *fleet_add(struct fleet *f, const char *name)
{
    struct fleet_server *s = fleet_find(f, name);
    if (s) {
        return s;
    }
    must(wire_server_name_ok(name));
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->servers = must_realloc(f->servers, f->cap, sizeof *f->servers);
    }
    size_t at = lower_bound(f, name);
    memmove(f->servers + at + 1, f->servers + at, (f->count - at) * sizeof *f->servers);
    s = f->servers[at] = must_alloc(1, sizeof *s);
    s->spec = &f->spec;
    f->count++;
    text_copy(s->name, sizeof s->name, name);
    return s;
}

void fleet_touch(struct fleet *f, struct fleet_server *s)
{
    if (s->touched || f->all_touched) {
        return;
    }
    if (f->touched_count == f->touched_cap) {
        f->touched_cap = f->touched_cap ? f->touched_cap * 2 : 16;
        f->touched = must_realloc(f->touched, f->touched_cap, sizeof *f->touched);
    }
    s->touched = true;
    f->touched[f->touched_count++] = s;
}

static void touch_all(struct fleet *f)
{
    for (size_t i = 0; i < f->touched_count; i++) {
        f->touched[i]->touched = false;
    }
    f->touched_count = 0;
    f->all_touched = true;
}

bool fleet_each_touched(struct fleet *f, void (*each)(void *arg, struct fleet_server *s), void *arg)
{
    bool some = !f->all_touched;
    for (size_t i = 0; i < f->touched_count; i++) {
        f->touched[i]->touched = false;
        each(arg, f->touched[i]);
    }
    f->touched_count = 0;
    f->all_touched = false;
    return some;
}

void fleet_remove(struct fleet *f, struct fleet_server *s)
{
    touch_all(f);
    size_t at = lower_bound(f, s->name);
    must(at < f->count && f->servers[at] == s);
    f->count--;
    memmove(f->servers + at, f->servers + at + 1, (f->count - at) * sizeof *f->servers);
    f->gone = must_realloc(f->gone, f->gone_count + 1, sizeof *f->gone);
    f->gone[f->gone_count++] = s;
}

size_t fleet_count(const struct fleet *f)
{
    return f->count;
}

struct fleet_server *fleet_at(const struct fleet *f, size_t index)
{
    must(index < f->count);
    return f->servers[index];
}

const struct state *fleet_whole(const struct fleet_server *s)
{
    return s->whole ? &s->whole->report.state : NULL;
}

const struct state *fleet_latest(const struct fleet_server *s)
{
    return s->latest ? &s->latest->report.state : fleet_whole(s);
}

static const struct pool *state_pool(const struct state *state, const char *pool)
{
    for (size_t i = 0; state && i < state->pool_count; i++) {
        if (text_equal_nocase(state->pools[i].name, pool)) {
            return &state->pools[i];
        }
    }
    return NULL;
}

const struct pool *fleet_pool(const struct fleet_server *s, const char *pool)
{
    return state_pool(fleet_whole(s), pool);
}

const struct service *fleet_service(const struct fleet_server *s, const char *name)
{
    const struct state *whole = fleet_whole(s);
    for (size_t i = 0; whole && i < whole->service_count; i++) {
        if (text_equal_nocase(whole->services[i].name, name)) {
            return &whole->services[i];
        }
    }
    return NULL;
}

/* ---- what changed between two states ---- */

struct telling {
    const struct fleet_server *server;
    fleet_on_change *changed;
    void *arg;
};

static void tell(const struct telling *t, const char *kind, const char *pool, const char *from,
                 const char *to, const char *text)
{
    const struct fleet_change change = {kind, t->server->name, pool, from, to, text};
    t->changed(t->arg, &change);
}

static void tell_pools(const struct telling *t, const struct state *was, const struct state *is)
{
    for (size_t i = 0; i < is->pool_count; i++) {
        const struct pool *now = &is->pools[i], *before = state_pool(was, now->name);
        if (!before || before->state == now->state) {
            continue;
        }
        char text[400];
        text_format(text, sizeof text, "pool %s: %s, was %s", now->name,
                    pool_state_name(now->state), pool_state_name(before->state));
        tell(t, "pool.state", now->name, pool_state_name(before->state),
             pool_state_name(now->state), text);
    }
}

static void tell_services(const struct telling *t, const struct state *was, const struct state *is)
{
    for (size_t i = 0; i < is->service_count; i++) {
        const struct service *now = &is->services[i];
        for (size_t k = 0; k < was->service_count; k++) {
            const struct service *before = &was->services[k];
            if (strcmp(before->name, now->name) != 0 || before->state == now->state) {
                continue;
            }
            char text[400];
            text_format(text, sizeof text, "service %s: %s, was %s", now->name,
                        service_state_name(now->state), service_state_name(before->state));
            tell(t, "service.state", NULL, service_state_name(before->state),
                 service_state_name(now->state), text);
        }
    }
}

static const struct worker *find_worker(const struct state *state, const struct worker *w)
{
    for (size_t i = 0; i < state->worker_count; i++) {
        if (state->workers[i].pid == w->pid && state->workers[i].created == w->created) {
            return &state->workers[i];
        }
    }
    return NULL;
}

static void tell_workers(const struct telling *t, const struct state *was, const struct state *is)
{
    char text[400];
    for (size_t i = 0; i < is->worker_count; i++) {
        const struct worker *w = &is->workers[i];
        if (!find_worker(was, w)) {
            text_format(text, sizeof text, "pool %s: worker %u started", w->pool, w->pid);
            tell(t, "worker.changed", w->pool, NULL, "started", text);
        }
    }
    for (size_t i = 0; i < was->worker_count; i++) {
        const struct worker *w = &was->workers[i];
        if (!find_worker(is, w)) {
            text_format(text, sizeof text, "pool %s: worker %u gone", w->pool, w->pid);
            tell(t, "worker.changed", w->pool, NULL, "gone", text);
        }
    }
}

static bool has_event(const struct state *state, const struct server_event *e)
{
    for (size_t i = 0; i < state->event_count; i++) {
        if (state->events[i].record == e->record && state->events[i].id == e->id) {
            return true;
        }
    }
    return false;
}

static void tell_events(const struct telling *t, const struct state *was, const struct state *is)
{
    for (size_t i = 0; i < is->event_count; i++) {
        const struct server_event *e = &is->events[i];
        const char *words = event_words(e->id);
        if (has_event(was, e)) {
            continue;
        }
        char text[400];
        text_format(text, sizeof text, "%s%s%sevent %u%s%s", *e->pool ? "pool " : "", e->pool,
                    *e->pool ? ": " : "", e->id, *words ? ", " : "", words);
        tell(t, "pool.event", *e->pool ? e->pool : NULL, NULL,
             event_kind_name(event_kind_of(e->id)), text);
    }
}

/* ---- a report comes in ---- */

static uint64_t first_seen(const struct fleet_server *s, const struct worker *w, uint64_t now_ms)
{
    for (size_t i = 0; i < s->figure_count; i++) {
        if (s->figures[i].pid == w->pid && s->figures[i].created == w->created) {
            return s->figures[i].first_ms;
        }
    }
    return now_ms;
}

uint64_t fleet_worker_age_ms(const struct fleet_server *s, const struct worker *w, uint64_t now_ms)
{
    if (w->age_ms) {
        return w->age_ms + (now_ms - s->state_ms);
    }
    uint64_t first_ms = first_seen(s, w, now_ms);
    return now_ms - first_ms;
}

static void renew_figures(struct fleet_server *s, const struct state *is, uint64_t now_ms)
{
    const struct state *was = fleet_latest(s);
    uint64_t span_ms = now_ms > s->state_ms ? now_ms - s->state_ms : 0;
    struct fleet_figure *figures = must_alloc(is->worker_count + 1, sizeof *figures);
    for (size_t i = 0; i < is->worker_count; i++) {
        const struct worker *w = &is->workers[i];
        const struct worker *before = was && span_ms ? find_worker(was, w) : NULL;
        figures[i] = (struct fleet_figure){
            .pid = w->pid, .created = w->created, .first_ms = first_seen(s, w, now_ms)};
        if (before && w->cpu_ms >= before->cpu_ms) {
            figures[i].cpu_permille = (uint32_t)((w->cpu_ms - before->cpu_ms) * 1000 / span_ms);
        }
    }
    free(s->figures);
    s->figures = figures;
    s->figure_count = is->worker_count;
}

/* Asked of every server of a group with every budget: so it is read once per report. */
static void note_services(struct fleet_server *s)
{
    const struct state *state = &s->whole->report.state;
    for (size_t i = 0; i < state->service_count && !s->services_down[0]; i++) {
        const struct service *v = &state->services[i];
        bool needed = text_equal_nocase(v->name, "WAS") || text_equal_nocase(v->name, "W3SVC");
        if (needed && v->state != SVC_RUNNING && v->state != SVC_UNKNOWN) {
            text_format(s->services_down, sizeof s->services_down, "%s is %s", v->name,
                        service_state_name(v->state));
        }
    }
}

static void take_report(struct fleet *f, struct fleet_server *s, struct agent_message *message,
                        uint64_t now_ms, fleet_on_change *changed, void *arg)
{
    const struct telling t = {s, changed, arg};
    const struct state *is = &message->report.state;
    const struct state *was = fleet_latest(s), *was_whole = fleet_whole(s);
    renew_figures(s, is, now_ms);
    tell_workers(&t, was ? was : &no_state, was ? is : &no_state);
    tell_events(&t, was ? was : is, is);
    if (is->whole) {
        tell_pools(&t, was_whole ? was_whole : &no_state, is);
        tell_services(&t, was_whole ? was_whole : &no_state, is);
        drop_reports(f, s);
        s->whole = message;
        s->whole_ms = now_ms;
        note_services(s);
    } else {
        f->spec.free_message(s->latest);
        s->latest = message;
    }
    s->seq = message->seq;
    s->state_ms = now_ms;
    fleet_touch(f, s);
}

void fleet_observed(struct fleet *f, struct fleet_server *s, const struct observation *seen)
{
    if (seen->cause != CAUSE_NONE || s->presence != PRESENCE_FRESH) {
        return;
    }
    bool started = seen->pool.name && seen->pool.state == POOL_STATE_STARTED;
    s->services_seen_up = s->services_seen_up || seen->services_up;
    if (started) {
        text_copy(s->pool_seen_up, sizeof s->pool_seen_up, seen->pool.name);
    }
    if (started || seen->services_up) {
        fleet_touch(f, s);
    }
}

static enum fleet_hearing quarantine(struct fleet_server *s, const struct agent_message *message,
                                     const char *why)
{
    bool was = s->quarantined;
    s->quarantined = true;
    s->asking = message->incarnation;
    text_copy(s->quarantine_why, sizeof s->quarantine_why, why);
    return was ? FLEET_QUARANTINED : FLEET_NEW_JOURNAL;
}

/* Who is speaking? Old means: overtaken by a later start of the same agent. */
static enum fleet_hearing identify(struct fleet_server *s, const struct agent_message *message)
{
    if (wire_id_is_zero(&s->incarnation)) {
        s->incarnation = message->incarnation;
    }
    if (!wire_id_equal(&s->incarnation, &message->incarnation)) {
        return quarantine(s, message,
                          "another journal than the approved one: the agent was "
                          "reinstalled, cloned or restored; `server release` approves");
    }
    if (!s->seen || wire_id_equal(&s->boot, &message->boot)) {
        bool late = s->seen && message->start_no < s->start_no;
        return late ? FLEET_OLD : s->quarantined ? FLEET_QUARANTINED : FLEET_TAKEN;
    }
    if (wire_id_equal(&s->former_boot, &message->boot)) {
        text_copy(s->blocked_why, sizeof s->blocked_why,
                  "two machines speak under this name in turn: one is a "
                  "clone; stop it, then `server release`");
        return quarantine(s, message, s->blocked_why);
    }
    return s->quarantined ? FLEET_QUARANTINED : FLEET_TAKEN;
}

static void note_start(struct fleet *f, struct fleet_server *s, const struct agent_message *message)
{
    bool same_boot = s->seen && wire_id_equal(&s->boot, &message->boot);
    if (same_boot && s->start_no == message->start_no) {
        return;
    }
    if (s->seen && !same_boot) {
        s->former_boot = s->boot;
    }
    s->boot = message->boot;
    s->start_no = message->start_no;
    s->seq = 0;
    f->spec.free_message(s->latest); /* figures of the former start mean nothing now */
    s->latest = NULL;
    s->whole_ms = 0;
}

enum fleet_hearing fleet_hear(struct fleet *f, struct agent_message *message, uint64_t now_ms,
                              bool *first, fleet_on_change *changed, void *arg)
{
    struct fleet_server *s = fleet_add(f, message->agent);
    *first = !s->seen;
    bool is_report = message->kind == AGENT_REPORT;
    enum fleet_hearing hearing = identify(s, message);
    if (hearing == FLEET_OLD || hearing == FLEET_NEW_JOURNAL ||
        !wire_id_equal(&s->incarnation, &message->incarnation)) {
        if (is_report) {
            f->spec.free_message(message);
        }
        return hearing;
    }
    note_start(f, s, message);
    s->seen = true;
    s->heard_ms = now_ms;
    if (!is_report) {
        return hearing;
    }
    if (message->seq <= s->seq) {
        f->spec.free_message(message);
        return FLEET_OLD;
    }
    take_report(f, s, message, now_ms, changed, arg);
    return hearing == FLEET_TAKEN && s->whole_ms == 0 ? FLEET_WANT_WHOLE : hearing;
}

void fleet_block(struct fleet_server *s, const char *why)
{
    s->quarantined = true;
    s->asking = s->incarnation;
    text_copy(s->quarantine_why, sizeof s->quarantine_why, why);
    text_copy(s->blocked_why, sizeof s->blocked_why, why);
}

bool fleet_is_blocked(const struct fleet_server *s)
{
    return s->blocked_why[0] != '\0';
}

bool fleet_in_maintenance(const struct fleet_server *s, int64_t wall_ms, char *why, size_t why_size)
{
    char until[TEXT_TIME_MAX];
    if (s->maintenance_until_ms <= wall_ms) {
        return false;
    }
    text_format(why, why_size, "in maintenance until %s: %.200s (by %.60s)",
                text_format_time(until, s->maintenance_until_ms), s->maintenance_reason,
                s->maintenance_by);
    return true;
}

void fleet_release(struct fleet_server *s)
{
    if (s->quarantined) {
        s->incarnation = s->asking;
        s->quarantined = false;
        s->quarantine_why[0] = s->blocked_why[0] = '\0';
        s->former_boot = (struct wire_id){{0}};
        s->seen = false; /* what it says next begins a new life */
    }
    s->declared_out_until_ms = 0;
}

void fleet_note_places(struct fleet_server *s, const struct balancer_entry *entries, size_t count,
                       bool all, uint64_t now_ms)
{
    if (all) {
        s->place_count = count;
        memcpy(s->places, entries, count * sizeof *entries);
        s->places_ms = now_ms;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < s->place_count; k++) {
            if (balancer_same_place(&s->places[k], &entries[i])) {
                s->places[k] = entries[i];
            }
        }
    }
}

/* ---- presence ---- */

void fleet_forget_freshness(struct fleet *f)
{
    touch_all(f);
    for (size_t i = 0; i < f->count; i++) {
        f->servers[i]->heard_ms = f->servers[i]->places_ms = 0;
    }
}

static enum presence presence_of(const struct fleet *f, const struct fleet_server *s,
                                 uint64_t now_ms, int64_t wall_ms)
{
    if (s->quarantined) {
        return PRESENCE_QUARANTINED;
    }
    if (s->declared_out_until_ms > wall_ms) {
        return PRESENCE_DECLARED_OUT;
    }
    if (!s->seen || !s->whole) {
        return PRESENCE_NEVER_SEEN;
    }
    bool heard = s->heard_ms && s->state_ms && now_ms - s->heard_ms <= f->spec.silent_after_ms &&
                 now_ms - s->state_ms <= f->spec.silent_after_ms;
    return heard ? PRESENCE_FRESH : PRESENCE_SILENT;
}

void fleet_tick_one(struct fleet *f, struct fleet_server *s, uint64_t now_ms, int64_t wall_ms,
                    fleet_on_change *changed, void *arg)
{
    enum presence was = s->presence, is = presence_of(f, s, now_ms, wall_ms);
    if (was == is || (is == PRESENCE_SILENT && now_ms < f->spec.settle_until_ms)) {
        return;
    }
    s->presence = is;
    fleet_touch(f, s);
    char text[400];
    text_format(text, sizeof text, "%s, was %s%s%s", presence_name(is), presence_name(was),
                is == PRESENCE_QUARANTINED ? ": " : "",
                is == PRESENCE_QUARANTINED ? s->quarantine_why : "");
    const struct telling t = {s, changed, arg};
    tell(&t, "server.presence", NULL, presence_name(was), presence_name(is), text);
}

void fleet_tick(struct fleet *f, uint64_t now_ms, int64_t wall_ms, fleet_on_change *changed,
                void *arg)
{
    size_t silent = 0, fresh = 0;
    for (size_t i = 0; i < f->count; i++) {
        fleet_tick_one(f, f->servers[i], now_ms, wall_ms, changed, arg);
        silent += f->servers[i]->presence == PRESENCE_SILENT;
        fresh += f->servers[i]->presence == PRESENCE_FRESH;
    }
    f->mass_silence = silent >= 3 && silent > fresh;
}

bool fleet_mass_silence(const struct fleet *f)
{
    return f->mass_silence;
}
