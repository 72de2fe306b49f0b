/* The groups of the budget: who belongs to which, and who is out in each of them now. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- who belongs where ---- */

static bool stands_in_backend(const struct coordinator *c, const char *server, const char *backend)
{
    struct balancer_entry places[BALANCER_ENTRIES_MAX];
    const struct coordinator_ports *ports = &c->spec.ports;
    size_t count =
        ports->map ? ports->map(ports->ctx, server, "", places, BALANCER_ENTRIES_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        if (text_equal(places[i].backend, backend)) {
            return true;
        }
    }
    return false;
}

static bool belongs(const struct coordinator *c, const struct budget_rule *rule,
                    const struct fleet_server *s)
{
    return rule->backend ? stands_in_backend(c, s->name, rule->backend)
                         : selector_match(rule->selector, s->name, s->labels, s->label_count);
}

static void add_member(struct budget_group *g, size_t at)
{
    if (g->count == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 16;
        g->at = must_realloc(g->at, g->cap, sizeof *g->at);
        g->members = must_realloc(g->members, g->cap, sizeof *g->members);
        g->whys = must_realloc(g->whys, g->cap, sizeof *g->whys);
        g->holders = must_realloc(g->holders, g->cap, sizeof *g->holders);
    }
    g->at[g->count++] = (uint32_t)at;
}

void budgets_open(struct coordinator *c)
{
    c->group_count = c->spec.group_count + 1;
    c->groups = must_alloc(c->group_count, sizeof *c->groups);
    for (size_t i = 0; i < c->spec.group_count; i++) {
        c->groups[i].rule = c->spec.groups[i];
    }
    c->groups[c->spec.group_count].rule = c->spec.budget;
}

void budgets_close(struct coordinator *c)
{
    for (size_t i = 0; i < c->group_count; i++) {
        free(c->groups[i].at);
        free(c->groups[i].members);
        free(c->groups[i].whys);
        free(c->groups[i].holders);
    }
    free(c->groups);
}

/* Labels and the map stand fast; a server that goes sets `grouped` to no number. */
static void sort_into_groups(struct coordinator *c)
{
    if (c->grouped == fleet_count(c->fleet)) {
        return;
    }
    c->grouped = fleet_count(c->fleet);
    for (size_t k = 0; k < c->group_count; k++) {
        c->groups[k].count = 0;
        c->groups[k].seen = false;
    }
    for (size_t i = 0; i < c->grouped; i++) {
        const struct fleet_server *s = fleet_at(c->fleet, i);
        bool any = false;
        for (size_t k = 0; k < c->spec.group_count; k++) {
            if (belongs(c, &c->groups[k].rule, s)) {
                add_member(&c->groups[k], i);
                any = true;
            }
        }
        if (!any) {
            add_member(&c->groups[c->spec.group_count], i);
        }
    }
}

/* ---- who is out ---- */

/* A place that was not read is no evidence that it serves: after a start, or while the balancer is
 * silent, it may be drained by whoever it was. */
static bool is_dark(const struct coordinator *c, const struct fleet_server *s, const char *pool,
                    char *why, size_t why_size)
{
    return fleet_is_dark(s, pool, c->now_ms, why, why_size) && stands_in_rotation(c, s->name, "");
}

static void look_at_member(struct coordinator *c, struct budget_group *g, size_t i,
                           const char *pool)
{
    const struct fleet_server *s = fleet_at(c->fleet, g->at[i]);
    struct budget_member *m = &g->members[i];
    const char *holder = coordinator_holder(c, s->name, NULL);
    *m = (struct budget_member){.server = s->name, .held = holder != NULL};
    text_copy(g->holders[i], sizeof g->holders[i], holder ? holder : "");
    m->held_by = g->holders[i];
    m->out = fleet_is_out(s, pool, c->now_ms, g->whys[i], sizeof g->whys[i]);
    m->why = g->whys[i];
    m->unsure = s->presence != PRESENCE_FRESH && s->presence != PRESENCE_DECLARED_OUT;
    if (!m->out && is_dark(c, s, pool, g->whys[i], sizeof g->whys[i])) {
        m->out = m->unsure = true;
    }
    m->partly = m->out && !m->unsure && fleet_serves_still(s, pool, c->now_ms);
    m->declared_out = s->presence == PRESENCE_DECLARED_OUT;
    const struct incident *apart = holder ? remedies_apart(c, s->name) : NULL;
    if (apart && apart->phase == INCIDENT_QUARANTINED) {
        m->held = false; /* like one that a person declared out: it counts in the minimum alone */
        m->declared_out = true;
    }
}

#define NOWHERE SIZE_MAX

static size_t find_member(const struct coordinator *c, const struct budget_group *g,
                          const char *server)
{
    size_t low = 0,
           high = g->count; /* the members stand in the order of their names, as the fleet */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = text_compare_nocase(fleet_at(c->fleet, g->at[mid])->name, server);
        if (order == 0) {
            return mid;
        }
        low = order < 0 ? mid + 1 : low;
        high = order < 0 ? high : mid;
    }
    return NOWHERE;
}

static bool has_server(const struct coordinator *c, const struct budget_group *g,
                       const char *server)
{
    return find_member(c, g, server) != NOWHERE;
}

/* ---- what was seen stands until something changes ----
 *
 * A run asks a dozen times per server, and of ten thousand servers one or two have changed by then:
 * those alone are looked at again. All of them are once a second, since a reading of places ages
 * and nobody tells; and every turn as long as there are incidents, whose phases bear on who counts.
 */

#define ALL_AGAIN_MS 1000

static void look_again(void *arg, struct fleet_server *s)
{
    struct coordinator *c = arg;
    for (size_t k = 0; k < c->group_count; k++) {
        struct budget_group *g = &c->groups[k];
        size_t at = g->seen ? find_member(c, g, s->name) : NOWHERE;
        if (at != NOWHERE) {
            look_at_member(c, g, at, g->pool);
            g->changed = true;
        }
    }
}

static void refresh(struct coordinator *c)
{
    bool incidents = c->incident_count > 0;
    bool some = fleet_each_touched(c->fleet, look_again, c);
    bool none_left = c->had_incidents && !incidents;
    for (size_t k = 0; k < c->group_count; k++) {
        struct budget_group *g = &c->groups[k];
        bool of_this_turn = !incidents || g->turn == c->turn;
        g->seen = g->seen && some && of_this_turn && !none_left;
    }
    c->had_incidents = incidents;
}

static const struct budget *look(struct coordinator *c, struct budget_group *g, const char *pool)
{
    bool same = strcmp(g->pool, pool ? pool : "") == 0;
    refresh(c);
    if (!g->seen || !same || c->now_ms - g->seen_ms >= ALL_AGAIN_MS || c->now_ms < g->seen_ms) {
        for (size_t i = 0; i < g->count; i++) {
            look_at_member(c, g, i, pool);
        }
        g->seen = g->changed = true;
        g->seen_ms = c->now_ms;
        g->turn = c->turn;
        text_copy(g->pool, sizeof g->pool, pool ? pool : "");
    }
    if (g->changed) {
        g->budget = (struct budget){.members = g->members, .count = g->count};
        budget_apply_rule(&g->budget, &g->rule);
        g->changed = false;
    }
    return &g->budget;
}

/* Every group that the server belongs to; one that is in none is the default group's. */
static bool each_group_allows(struct coordinator *c, const char *pool, const char *server,
                              bool (*allows)(const struct budget *b, const char *server,
                                             uint32_t limit, char *why, size_t why_size),
                              uint32_t limit, char *why, size_t why_size)
{
    sort_into_groups(c);
    bool any = false;
    for (size_t k = 0; k < c->group_count; k++) {
        struct budget_group *g = &c->groups[k];
        bool last = k + 1 == c->group_count;
        if (!has_server(c, g, server) && (!last || any)) {
            continue;
        }
        any = true;
        if (!allows(look(c, g, pool), server, limit, why, why_size)) {
            return false;
        }
    }
    return true;
}

bool budgets_let_drain_again(struct coordinator *c, const char *pool, const char *server, char *why,
                             size_t why_size)
{
    return each_group_allows(c, pool, server, budget_lets_drain_again, 0, why, why_size);
}

bool budgets_may_take(struct coordinator *c, const char *pool, const char *server, uint32_t limit,
                      char *why, size_t why_size)
{
    return each_group_allows(c, pool, server, budget_may_take, limit, why, why_size);
}

/* Servers that are about to be taken count as held, or do not any more. */
static void set_aside(struct coordinator *c, const struct rollout *r, const size_t *ahead,
                      size_t count, bool on)
{
    for (size_t k = 0; k < c->group_count; k++) {
        struct budget_group *g = &c->groups[k];
        for (size_t i = 0; i < count; i++) {
            size_t at = find_member(c, g, r->targets[ahead[i]].server);
            struct budget_member *m = at == NOWHERE ? NULL : &g->members[at];
            if (m && (on ? !m->held : m->set_aside)) {
                m->held = m->set_aside = on;
                g->changed = true;
            }
        }
    }
}

bool budgets_have_room_beside(struct coordinator *c, const struct rollout *r,
                              const struct rollout_target *t, const size_t *ahead, size_t count)
{
    char why[256];
    uint32_t limit = r->options.max_unavailable;
    if (!budgets_may_take(c, t->pool, t->server, limit, why, sizeof why)) {
        return false;
    } /* and with that all its groups have been looked at for this pool, in this turn */
    set_aside(c, r, ahead, count, true);
    bool room = budgets_may_take(c, t->pool, t->server, limit, why, sizeof why);
    set_aside(c, r, ahead, count, false);
    return room;
}

/* ---- what views ask ---- */

size_t coordinator_budget_count(const struct coordinator *c)
{
    return c->group_count;
}

void coordinator_budget(const struct coordinator *c, size_t index, const char *pool,
                        uint64_t now_ms, struct budget *out)
{
    struct coordinator *changing = (struct coordinator *)c;
    must(index < c->group_count);
    changing->now_ms = now_ms;
    sort_into_groups(changing);
    changing->groups[index].seen = false; /* people see ages */
    *out = *look(changing, &changing->groups[index], pool);
}

void budgets_look(struct coordinator *c, size_t index, const char *pool, struct budget *out)
{
    sort_into_groups(c);
    *out = *look(c, &c->groups[index], pool);
}

bool coordinator_in_budget(const struct coordinator *c, size_t index, const char *server)
{
    must(index < c->group_count);
    sort_into_groups((struct coordinator *)c);
    return has_server(c, &c->groups[index], server);
}

uint32_t coordinator_budget_room(const struct coordinator *c, const struct rollout *plan)
{
    uint32_t room = 0;
    sort_into_groups((struct coordinator *)c);
    for (size_t k = 0; k < c->group_count; k++) {
        bool any = false;
        for (size_t i = 0; i < plan->target_count && !any; i++) {
            any = has_server(c, &c->groups[k], plan->targets[i].server);
        }
        room += any ? look((struct coordinator *)c, &c->groups[k], NULL)->max_out : 0;
    }
    return room;
}

bool coordinator_may_take(const struct coordinator *c, const char *server, uint64_t now_ms,
                          char *why, size_t why_size)
{
    struct coordinator *changing = (struct coordinator *)c;
    changing->now_ms = now_ms;
    return budgets_may_take(changing, NULL, server, 0, why, why_size);
}
