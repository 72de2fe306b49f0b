/* Who has a server or pool: leases pass from incidents to runs and back, in the transaction of the
 * run's own change, and are mirrored once that is durable. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

static bool has_effect(const struct rollout_change *change, enum effect_kind kind)
{
    for (size_t i = 0; i < change->effect_count; i++) {
        if (change->effects[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static bool is_taken(const struct rollout_target *t, uint64_t incident)
{
    for (uint32_t k = 0; k < t->taken_count; k++) {
        if (t->taken[k] == incident) {
            return true;
        }
    }
    return false;
}

bool leasing_settles(const struct rollout *r, const struct rollout_change *change)
{
    return change->target_changed && r->targets[change->target_index].holds &&
           !change->target.holds && change->target.taken_count > 0;
}

static bool is_on_map(const struct coordinator *c, const char *server, const char *pool,
                      const struct balancer_entry *place)
{
    const struct coordinator_ports *ports = &c->spec.ports;
    struct balancer_entry own[BALANCER_ENTRIES_MAX];
    size_t count = ports->map ? ports->map(ports->ctx, server, pool, own, BALANCER_ENTRIES_MAX) : 0;
    return balancer_find_place(own, count, place) != NULL;
}

/* What the configuration knows no more is nobody else's either. */
bool leasing_stands_in(const struct coordinator *c, const struct incident *n,
                       const struct balancer_entry *place)
{
    return is_on_map(c, n->server, n->pool, place) || !is_on_map(c, n->server, "", place);
}

/* One that had the whole server in quarantine keeps no more than where its pool stands: the rest
 * was put back. */
static void keep_own_places(const struct coordinator *c, struct incident *n)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < n->place_count; k++) {
        if (leasing_stands_in(c, n, &n->places[k])) {
            n->places[kept++] = n->places[k];
        }
    }
    n->place_count = kept;
}

uint64_t leasing_taker(const struct coordinator *c, uint64_t incident)
{
    for (size_t i = 0; i < c->run_count; i++) {
        const struct rollout *r = c->runs[i];
        for (size_t k = 0; k < r->in_hand_count; k++) {
            const struct rollout_target *t = &r->targets[r->in_hand[k]];
            if (t->holds && is_taken(t, incident)) {
                return r->id;
            }
        }
    }
    return 0;
}

bool incident_is_apart(const struct incident *n)
{
    return n->phase == INCIDENT_QUARANTINED || n->phase == INCIDENT_RETURNING;
}

/* Of one of its pools, with a lease (of that, or of the server, where it put that into quarantine),
 * or still out behind an incident of the whole server. */
bool leasing_takes(const struct coordinator *c, uint64_t run, const char *server,
                   const struct incident *n)
{
    bool own = n->run == run; /* its own way back */
    bool has = n->place_count || remedies_hold(c, n->id);
    return n->pool[0] && text_equal_nocase(n->server, server) && (own || !incident_is_apart(n)) &&
           has && !leasing_taker(c, n->id);
}

size_t leasing_taken(void *ctx, const struct rollout *r, const char *server, uint64_t *out)
{
    const struct coordinator *c = ctx;
    size_t count = 0;
    for (size_t i = 0; i < c->incident_count && count < ROLLOUT_TAKEN_MAX; i++) {
        if (leasing_takes(c, r->id, server, &c->incidents[i])) {
            out[count++] = c->incidents[i].id;
        }
    }
    return count;
}

struct lease *lease_exact(const struct coordinator *c, const char *server, const char *pool)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        struct lease *l = &c->leases[i];
        if (text_equal_nocase(l->server, server) && text_equal_nocase(l->pool, pool)) {
            return l;
        }
    }
    return NULL;
}

/* What a run over a whole server left waits perhaps for a pool that stands still. That is started
 * under the same lease: the incident lends it, and has it back when the start has ended, however
 * that was. The places stay the incident's: only a run over the whole puts them back. */
static uint64_t lent_by(struct coordinator *c, const struct rollout *r,
                        const struct rollout_target *t)
{
    const struct lease *l = t->pool[0] ? lease_exact(c, t->server, "") : NULL;
    bool lent = l && l->owner == LEASE_RUN && l->owner_id == r->id;
    for (size_t i = 0; lent && i < c->incident_count; i++) {
        const struct incident *n = &c->incidents[i];
        if (n->phase == INCIDENT_LEFT && !n->pool[0] && text_equal_nocase(n->server, t->server)) {
            return n->id;
        }
    }
    return 0;
}

struct leasing plan_leasing(struct coordinator *c, const struct rollout *r,
                            const struct rollout_change *change)
{
    struct leasing l = {0};
    if (!change->target_changed) {
        return l;
    }
    const struct rollout_target *was = &r->targets[change->target_index], *is = &change->target;
    bool ends = was->holds && !is->holds;
    l.incident = has_effect(change, EFFECT_INCIDENT);
    l.give_back = ends ? lent_by(c, r, is) : 0;
    l.to_incident = ends && !l.give_back && l.incident;
    l.drop = ends && !l.give_back && !l.to_incident;
    bool takes = !was->holds && is->holds;
    for (size_t i = 0; takes && i < c->lease_count && l.inherited_count < ROLLOUT_TAKEN_MAX; i++) {
        if (lease_passes(c, r->id, is->server, is->pool, &c->leases[i])) {
            l.inherited[l.inherited_count++] = c->leases[i].owner_id;
        }
    }
    const struct lease *whole = takes ? lease_exact(c, is->server, "") : NULL;
    l.inherit = l.inherited_count > 0;
    l.borrow = whole && lease_lends(c, r->action, is->pool, whole);
    l.take = takes && !l.inherit && !l.borrow;
    l.settles = leasing_settles(r, change);
    return l;
}

struct incident *incident_by_id(const struct coordinator *c, uint64_t id)
{
    for (size_t i = 0; i < c->incident_count; i++) {
        if (c->incidents[i].id == id) {
            return &c->incidents[i];
        }
    }
    return NULL;
}

/* The incident that asked for this run takes back what the run held, if there is one. */
bool find_own(const struct coordinator *c, const struct rollout *r, struct incident *out)
{
    for (size_t i = 0; i < c->incident_count; i++) {
        const struct incident *n = &c->incidents[i];
        if (n->run == r->id && (n->phase == INCIDENT_ACTING || n->phase == INCIDENT_RETURNING)) {
            *out = *n;
            return true;
        }
    }
    return false;
}

/* Pools may stand in one place. One that was acted upon while another's incident kept that out has
 * to prove well before it is put back, as if it had taken it out itself: both incidents keep it. */
static void keep_shared_places(const struct coordinator *c, struct incident *i)
{
    for (size_t n = 0; n < c->incident_count; n++) {
        const struct incident *other = &c->incidents[n];
        for (uint32_t k = 0; k < other->place_count && other->id != i->id; k++) {
            const struct balancer_entry *place = &other->places[k];
            if (text_equal_nocase(other->server, i->server) && !incident_has_place(i, place) &&
                i->place_count < BALANCER_ENTRIES_MAX && is_on_map(c, i->server, i->pool, place)) {
                i->places[i->place_count++] = *place;
            }
        }
    }
}

static void describe_incident(struct coordinator *c, const struct rollout *r,
                              const struct rollout_target *t, struct incident *i)
{
    text_copy(i->server, sizeof i->server, t->server);
    text_copy(i->pool, sizeof i->pool, t->pool);
    text_copy(i->kind, sizeof i->kind, t->act_failed ? "act-failed" : "gate-failed");
    text_copy(i->text, sizeof i->text, t->detail);
    i->run = r->id;
    i->place_count = t->place_count;
    memcpy(i->places, t->places, sizeof i->places);
    i->opened_wall_ms = c->wall_ms;
}

/* The run takes what the incident of its own pool, or of the server, holds: it is the one who
 * proves that. One that a failed run left is over with that; what a rule looks after goes on, with
 * nothing out of its own. Incidents of a server's pools keep what they have out (is_taken). */
static enum error_code write_inherited(struct coordinator *c, const struct rollout_target *t,
                                       const struct leasing *l, struct error *err)
{
    struct store *s = c->spec.store;
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->lease_count; i++) {
        const struct lease *lease = &c->leases[i];
        for (size_t k = 0; k < l->inherited_count && code == ERR_NONE; k++) {
            bool one = lease->owner == LEASE_INCIDENT && lease->owner_id == l->inherited[k] &&
                       text_equal_nocase(lease->server, t->server);
            code = one ? store_drop_lease(s, lease->server, lease->pool, err) : ERR_NONE;
        }
    }
    for (size_t k = 0; k < l->inherited_count && code == ERR_NONE; k++) {
        struct incident n = *incident_by_id(c, l->inherited[k]);
        if (is_taken(t, n.id)) {
            continue;
        }
        n.place_count = 0;
        code = n.phase == INCIDENT_LEFT
                   ? store_close_incident(s, n.id, c->wall_ms, "taken over by a run", err)
                   : store_save_places(s, &n, err);
    }
    return code;
}

/* The server is given up: what has proved is over, the rest is its incident's again; or, where an
 * incident of the whole server has it from now on, stands behind that. */
static enum error_code write_settled(struct coordinator *c, const struct rollout *r,
                                     const struct rollout_target *t, const struct leasing *l,
                                     struct error *err)
{
    struct store *s = c->spec.store;
    enum error_code code = ERR_NONE;
    for (uint32_t k = 0; l->settles && k < t->taken_count && code == ERR_NONE; k++) {
        struct incident n = *incident_by_id(c, t->taken[k]);
        struct lease lease = {
            .owner = LEASE_INCIDENT, .owner_id = n.id, .since_wall_ms = c->wall_ms};
        char how[64];
        if (!rollout_solved(t, k)) {
            text_copy(lease.server, sizeof lease.server, n.server);
            text_copy(lease.pool, sizeof lease.pool, n.pool);
            keep_own_places(c, &n);
            code = l->to_incident ? ERR_NONE : store_take_lease(s, &lease, err);
            code = code != ERR_NONE || l->to_incident ? code : store_save_places(s, &n, err);
        } else if (n.phase == INCIDENT_LEFT) {
            text_format(how, sizeof how, "its pool proved in run %llu", (unsigned long long)r->id);
            code = store_close_incident(s, n.id, c->wall_ms, how, err);
        } else {
            n.place_count = 0;
            code = store_save_places(s, &n, err);
        }
    }
    return code;
}

enum error_code write_leasing(struct coordinator *c, const struct rollout *r,
                              const struct rollout_target *t, struct leasing *l, struct error *err)
{
    struct store *s = c->spec.store;
    enum error_code code = ERR_NONE;
    if (l->inherit || l->take) {
        struct lease lease = {.owner = LEASE_RUN, .owner_id = r->id, .since_wall_ms = c->wall_ms};
        text_copy(lease.server, sizeof lease.server, t->server);
        text_copy(lease.pool, sizeof lease.pool, t->pool);
        code = write_inherited(c, t, l, err);
        return code != ERR_NONE ? code : store_take_lease(s, &lease, err);
    }
    if (l->borrow || l->give_back) {
        return store_move_lease(s, t->server, "", l->borrow ? LEASE_RUN : LEASE_INCIDENT,
                                l->borrow ? r->id : l->give_back, err);
    }
    if (l->to_incident) {
        l->own = find_own(c, r, &l->opened);
        if (l->own) {
            l->opened.place_count = t->place_count;
            memcpy(l->opened.places, t->places, sizeof l->opened.places);
            keep_shared_places(c, &l->opened);
            code = store_save_places(s, &l->opened, err);
        } else {
            describe_incident(c, r, t, &l->opened);
            keep_shared_places(c, &l->opened);
            code = store_open_incident(s, &l->opened, err);
        }
        code = code != ERR_NONE
                   ? code
                   : store_move_lease(s, t->server, t->pool, LEASE_INCIDENT, l->opened.id, err);
    } else if (l->drop) {
        code = store_drop_lease(s, t->server, t->pool, err);
    }
    return code != ERR_NONE ? code : write_settled(c, r, t, l, err);
}

/* Whose it is bears on the budget. */
static void touch(struct coordinator *c, const char *server)
{
    struct fleet_server *s = fleet_find(c->fleet, server);
    if (s) {
        fleet_touch(c->fleet, s);
    }
}

static void mirror_lease(struct coordinator *c, const char *server, const char *pool,
                         enum lease_owner owner, uint64_t owner_id)
{
    struct lease *l = lease_exact(c, server, pool);
    if (!l) {
        c->leases = must_realloc(c->leases, c->lease_count + 1, sizeof *c->leases);
        l = &c->leases[c->lease_count++];
        *l = (struct lease){.since_wall_ms = c->wall_ms};
        text_copy(l->server, sizeof l->server, server);
        text_copy(l->pool, sizeof l->pool, pool);
    }
    l->owner = owner;
    l->owner_id = owner_id;
    touch(c, server);
}

void mirror_drop(struct coordinator *c, const char *server, const char *pool)
{
    struct lease *l = lease_exact(c, server, pool);
    if (l) {
        *l = c->leases[--c->lease_count];
        touch(c, server);
    }
}

static void mirror_inherited(struct coordinator *c, const struct rollout_target *t, uint64_t id)
{
    const char *server = t->server;
    for (size_t i = c->lease_count; i-- > 0;) {
        const struct lease *l = &c->leases[i];
        if (l->owner == LEASE_INCIDENT && l->owner_id == id &&
            text_equal_nocase(l->server, server)) {
            c->leases[i] = c->leases[--c->lease_count];
        }
    }
    touch(c, server);
    if (is_taken(t, id)) {
        return;
    }
    struct incident *n = incident_by_id(c, id);
    n->place_count = 0;
    if (n->phase == INCIDENT_LEFT) {
        *n = c->incidents[--c->incident_count];
    }
}

static void mirror_settled(struct coordinator *c, const struct rollout_target *t,
                           const struct leasing *l)
{
    for (uint32_t k = 0; l->settles && k < t->taken_count; k++) {
        struct incident *n = incident_by_id(c, t->taken[k]);
        if (!rollout_solved(t, k)) {
            if (!l->to_incident) {
                keep_own_places(c, n);
                mirror_lease(c, n->server, n->pool, LEASE_INCIDENT, n->id);
            }
        } else if (n->phase == INCIDENT_LEFT) {
            *n = c->incidents[--c->incident_count];
        } else {
            n->place_count = 0;
        }
    }
}

void mirror_leasing(struct coordinator *c, const struct rollout *r, const struct rollout_target *t,
                    const struct leasing *l)
{
    for (size_t k = 0; k < l->inherited_count; k++) {
        mirror_inherited(c, t, l->inherited[k]);
    }
    if (l->take || l->inherit) {
        mirror_lease(c, t->server, t->pool, LEASE_RUN, r->id);
    } else if (l->borrow || l->give_back) {
        mirror_lease(c, t->server, "", l->borrow ? LEASE_RUN : LEASE_INCIDENT,
                     l->borrow ? r->id : l->give_back);
    } else if (l->to_incident) {
        mirror_lease(c, t->server, t->pool, LEASE_INCIDENT, l->opened.id);
        if (l->own) {
            *incident_by_id(c, l->opened.id) = l->opened;
        } else {
            c->incidents = must_realloc(c->incidents, c->incident_count + 1, sizeof *c->incidents);
            c->incidents[c->incident_count++] = l->opened;
        }
    } else if (l->drop) {
        mirror_drop(c, t->server, t->pool);
    }
    mirror_settled(c, t, l);
}
