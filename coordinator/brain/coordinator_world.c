/* The world beyond a run, as rollout is shown it: who holds what, whom it may take, what incidents
 * have out there, what has just been taken. It only looks.
 */
#include "coordinator/brain/coordinator_impl.h"

#include "common/text.h"

#include <string.h>

const struct lease *lease_find(const struct coordinator *c, const char *server, const char *pool)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        const struct lease *l = &c->leases[i];
        bool same = !pool || !pool[0] || !l->pool[0] || text_equal_nocase(l->pool, pool);
        if (same && text_equal_nocase(l->server, server)) {
            return l;
        }
    }
    return NULL;
}

bool incident_has_place(const struct incident *n, const struct balancer_entry *place)
{
    return balancer_find_place(n->places, n->place_count, place) != NULL;
}

bool lease_passes(const struct coordinator *c, uint64_t run, const char *server, const char *pool,
                  const struct lease *l)
{
    if (l->owner != LEASE_INCIDENT || !text_equal_nocase(l->server, server) ||
        (pool[0] && !text_equal_nocase(l->pool, pool))) {
        return false;
    }
    const struct incident *n = incident_by_id(c, l->owner_id);
    return n && (!incident_is_apart(n) || n->run == run); /* left alone, but for its own way back */
}

bool lease_lends(const struct coordinator *c, enum rollout_action action, const char *pool,
                 const struct lease *l)
{
    const struct incident *n = l->owner == LEASE_INCIDENT ? incident_by_id(c, l->owner_id) : NULL;
    return action == ROLLOUT_START && pool[0] && !l->pool[0] && n && n->phase == INCIDENT_LEFT;
}

bool lease_is_lent(const struct coordinator *c, const struct incident *n)
{
    const struct lease *l = lease_exact(c, n->server, "");
    return n->phase == INCIDENT_LEFT && !n->pool[0] && l && l->owner == LEASE_RUN;
}

/* A lease there that a run cannot take over; NULL: none. */
static const struct lease *lease_in_the_way(const struct coordinator *c, const struct rollout *r,
                                            const struct rollout_target *t)
{
    size_t passing = 0; /* no more can be taken over at once than a target remembers */
    for (size_t i = 0; i < c->lease_count; i++) {
        const struct lease *l = &c->leases[i];
        bool meets = !t->pool[0] || !l->pool[0] || text_equal_nocase(l->pool, t->pool);
        if (meets && text_equal_nocase(l->server, t->server) &&
            !lease_lends(c, r->action, t->pool, l) &&
            (!lease_passes(c, r->id, t->server, t->pool, l) || ++passing > ROLLOUT_TAKEN_MAX)) {
            return l;
        }
    }
    return NULL;
}

/* Agents dial again up to a minute apart: after our own start a server that has not spoken yet is
 * waited for, whatever a run does with unreachable ones. */
static bool is_awaited(const struct coordinator *c, const struct fleet_server *s)
{
    return s && s->presence == PRESENCE_NEVER_SEEN && /* a listen alone shows nothing of it */
           c->now_ms < c->started_ms + c->spec.settle_ms + REJOIN_MS;
}

static enum presence view_presence(void *ctx, const char *server, char *why, size_t why_size)
{
    struct coordinator *c = ctx;
    const struct fleet_server *s = fleet_find(c->fleet, server);
    if (!s) {
        text_copy(why, why_size, "not known");
        return PRESENCE_NEVER_SEEN;
    }
    if (s->presence == PRESENCE_DECLARED_OUT) {
        text_format(why, why_size, "%s (by %s)", s->declared_out_reason, s->declared_out_by);
    } else if (s->presence == PRESENCE_QUARANTINED) {
        text_copy(why, why_size, s->quarantine_why);
    } else {
        fleet_is_out(s, NULL, c->now_ms, why, why_size);
    }
    if (is_awaited(c, s)) {
        return PRESENCE_SILENT;
    }
    return s->presence;
}

/* An agent does one act at a time, and the pools of a server may stand in the same place in
 * rotation: what one run puts back, another may just be about to stop. So runs take turns. */
static const struct lease *lease_of_run(const struct coordinator *c, const char *server)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        const struct lease *l = &c->leases[i];
        if (l->owner == LEASE_RUN && text_equal_nocase(l->server, server)) {
            return l;
        }
    }
    return NULL;
}

/* "held by run 7 (hold, by anna: patching)" */
static void say_holder(const struct coordinator *c, const struct lease *l, char *out, size_t size)
{
    const struct rollout *r = runs_find(c, l->owner_id);
    text_format(out, size, "held by run %llu", (unsigned long long)l->owner_id);
    if (r) {
        size_t len = strlen(out);
        text_format(out + len, size - len, " (%s%s%.100s, by %.60s: %.120s)",
                    rollout_action_name(r->action), l->pool[0] ? " " : "", l->pool, r->actor,
                    r->reason);
    }
}

/* "in quarantine by incident 7 until ...": what ends it comes first, since steps are cut. */
static void say_quarantine(const struct incident *n, char *out, size_t size)
{
    char until[TEXT_TIME_MAX];
    bool ends = n->until_wall_ms != 0;
    text_format(out, size,
                "in quarantine by incident %llu%s%s: `farmhand server release` ends it; %s%s%.200s",
                (unsigned long long)n->id, ends ? " until " : "",
                ends ? text_format_time(until, n->until_wall_ms) : "", n->rule,
                n->rule[0] ? ": " : "", n->rule[0] ? n->text : n->why);
}

/* Does somebody else have that server? `why` says who, and what ends it. */
static bool is_held(const struct coordinator *c, const struct rollout *r,
                    const struct rollout_target *t, char *why, size_t why_size)
{
    const struct lease *l = lease_of_run(c, t->server);
    l = l ? l : lease_in_the_way(c, r, t);
    if (!l) {
        return false;
    }
    const struct incident *n = l->owner == LEASE_INCIDENT ? incident_by_id(c, l->owner_id) : NULL;
    if (!n) {
        say_holder(c, l, why, why_size);
    } else if (n->phase == INCIDENT_QUARANTINED) {
        say_quarantine(n, why, why_size);
    } else {
        bool as_a_whole = !l->pool[0] && t->pool[0];
        text_format(why, why_size, "held by incident %llu%s", (unsigned long long)n->id,
                    as_a_whole ? ", as a whole: `pool start` starts what stands still there, "
                                 "then `server undrain` puts it back"
                               : "");
    }
    return true;
}

static bool view_may_take(void *ctx, const struct rollout *r, const struct rollout_target *t,
                          char *why, size_t why_size)
{
    struct coordinator *c = ctx;
    const char *server = t->server;
    if (c->store_trouble[0] || c->frozen[0]) {
        text_copy(why, why_size, c->frozen[0] ? c->frozen : c->store_trouble);
        return false;
    }
    if (is_awaited(c, fleet_find(c->fleet, server))) {
        text_format(why, why_size, "the agent of %s has not spoken since the coordinator started",
                    server);
        return false;
    }
    char held[ROLLOUT_STEP_MAX];
    if (is_held(c, r, t, held, sizeof held)) {
        text_format(why, why_size, "%s is %s", server, held);
        return false;
    }
    if (shared_is_in_hand(c, r, t, why, why_size)) {
        return false;
    }
    return rollout_action_restores(r->action) ||
           (budgets_may_take(c, t->pool, server, r->options.max_unavailable, why, why_size) &&
            remedies_may_take(c, r, server, t->pool, why, why_size));
}

static bool view_room_beside(void *ctx, const struct rollout *r, const struct rollout_target *t,
                             const size_t *ahead, size_t count)
{
    return budgets_have_room_beside(ctx, r, t, ahead, count);
}

static bool view_closed(void *ctx, const struct rollout *r, char *why, size_t why_size)
{
    const struct coordinator *c = ctx;
    return windows_closed(c->spec.windows, r->options.window, c->wall_ms, why, why_size);
}

static bool view_hands_off(void *ctx, const char *server, char *why, size_t why_size)
{
    const struct coordinator *c = ctx;
    const struct fleet_server *s = fleet_find(c->fleet, server);
    return s && fleet_in_maintenance(s, c->wall_ms, why, why_size);
}

/* Two boots in turn under one name are no evidence of anything: such a server is in quarantine. */
static bool view_boot(void *ctx, const char *server, struct wire_id *out)
{
    const struct coordinator *c = ctx;
    const struct fleet_server *s = fleet_find(c->fleet, server);
    if (!s || !s->seen || s->quarantined || s->presence != PRESENCE_FRESH) {
        return false;
    }
    *out = s->boot;
    return true;
}

static bool view_may_drain_again(void *ctx, const struct rollout_target *t, char *why,
                                 size_t why_size)
{
    return budgets_let_drain_again(ctx, t->pool, t->server, why, why_size);
}

static bool passes(const struct coordinator *c, const struct incident *n, const char *server,
                   const char *pool)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        const struct lease *l = &c->leases[i];
        if (l->owner == LEASE_INCIDENT && l->owner_id == n->id &&
            lease_passes(c, n->run, server, pool, l)) {
            return true;
        }
    }
    return false;
}

static size_t view_inherited(void *ctx, const char *server, const char *pool,
                             struct balancer_entry *out, size_t max)
{
    const struct coordinator *c = ctx;
    size_t count = 0;
    for (size_t i = 0; i < c->incident_count; i++) {
        const struct incident *n = &c->incidents[i];
        if (!passes(c, n, server, pool) && (pool[0] || !leasing_takes(c, n->run, server, n))) {
            continue; /* may_take has said whether it is this run's to take over */
        }
        for (uint32_t k = 0; k < n->place_count; k++) {
            if (count < max && !balancer_find_place(out, count, &n->places[k])) {
                out[count++] = n->places[k];
            }
        }
    }
    return count;
}

/* Its own incident is over since it has taken the server, or holds nothing any more. */
static bool lets_go(const struct coordinator *c, const struct rollout_target *t,
                    const struct incident *n, const struct balancer_entry *place)
{
    for (uint32_t k = 0; k < t->taken_count; k++) {
        if (t->taken[k] == n->id) {
            return rollout_proved(t, k) || !leasing_stands_in(c, n, place);
        }
    }
    return false;
}

static bool view_kept_out(void *ctx, const struct rollout_target *t,
                          const struct balancer_entry *place, char *why, size_t why_size)
{
    const struct coordinator *c = ctx;
    for (size_t i = 0; i < c->incident_count; i++) {
        const struct incident *n = &c->incidents[i];
        if (text_equal_nocase(n->server, t->server) && incident_has_place(n, place) &&
            !lets_go(c, t, n, place)) {
            text_format(why, why_size, "incident %llu (%.60s)", (unsigned long long)n->id,
                        n->pool[0] ? n->pool : n->kind);
            return true;
        }
    }
    return false;
}

static bool share_a_backend(const struct rollout_target *a, const struct rollout_target *b)
{
    for (uint32_t i = 0; i < a->place_count; i++) {
        for (uint32_t k = 0; k < b->place_count; k++) {
            if (strcmp(a->places[i].balancer, b->places[k].balancer) == 0 &&
                strcmp(a->places[i].backend, b->places[k].backend) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool view_taken_since(void *ctx, const struct rollout *r, const struct rollout_target *t,
                             uint64_t since_ms)
{
    const struct coordinator *c = ctx;
    for (size_t i = 0; i < c->run_count; i++) {
        for (size_t k = 0; k < c->runs[i]->in_hand_count; k++) {
            const struct rollout_target *other = &c->runs[i]->targets[c->runs[i]->in_hand[k]];
            bool on_its_way = other->state == TARGET_DRAINING && !other->told;
            if (other->holds && (on_its_way || other->entered_ms >= since_ms) &&
                (c->runs[i] != r || other->order != t->order) && share_a_backend(other, t)) {
                return true;
            }
        }
    }
    return false;
}

struct rollout_view runs_view(struct coordinator *c)
{
    return (struct rollout_view){.ctx = c,
                                 .presence = view_presence,
                                 .may_take = view_may_take,
                                 .room_beside = view_room_beside,
                                 .closed = view_closed,
                                 .hands_off = view_hands_off,
                                 .boot = view_boot,
                                 .may_drain_again = view_may_drain_again,
                                 .inherited = view_inherited,
                                 .taken = leasing_taken,
                                 .kept_out = view_kept_out,
                                 .taken_since = view_taken_since,
                                 .same_config = shares_configuration,
                                 .store_broken = c->store_trouble[0] != '\0',
                                 .settling = coordinator_settling(c, c->now_ms),
                                 .wall_ms = c->wall_ms};
}

/* It is asked, whoever has it, and left alone where nothing is wrong with it. */
static bool may_be_well(const struct rollout *plan, const struct fleet_server *s)
{
    return plan->action == ROLLOUT_SERVICE_RECOVER && !plan->options.all_servers &&
           s->presence == PRESENCE_FRESH && !fleet_services_down(s);
}

static void foresee_wait(const struct rollout *plan, const struct fleet_server *s, const char *why,
                         bool held, struct plan_target *out)
{
    if (may_be_well(plan, s)) {
        text_format(out->why, sizeof out->why,
                    "left alone if a fresh look finds it healthy, else it waits: %.400s", why);
        return;
    }
    out->will = PLAN_WAIT;
    out->kept = held;
    text_copy(out->why, sizeof out->why, why);
}

void coordinator_foresee(const struct coordinator *c, const struct rollout *plan, size_t target,
                         uint64_t now_ms, struct plan_target *out)
{
    struct coordinator *changing = (struct coordinator *)c;
    const struct rollout_target *t = &plan->targets[target];
    const struct fleet_server *s = fleet_find(c->fleet, t->server);
    char why[ROLLOUT_STEP_MAX];
    changing->now_ms = now_ms;
    plan_foresee(plan, target, c->fleet, now_ms, out);
    bool asked = s && (s->presence == PRESENCE_FRESH || s->presence == PRESENCE_SILENT);
    if (!asked || out->kept) {
        return;
    }
    if (is_held(c, plan, t, why, sizeof why)) {
        foresee_wait(plan, s, why, true, out);
    } else if (out->will == PLAN_ACT && !rollout_action_restores(plan->action) &&
               !budgets_may_take(changing, t->pool, t->server, plan->options.max_unavailable, why,
                                 sizeof why)) {
        foresee_wait(plan, s, why, false, out);
    }
}
