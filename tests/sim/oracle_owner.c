/* oracle_owner.c - see oracle.h: what we took out. It has exactly one owner, is within the budget
 * at any moment, is put back after a probe, and is taken out anew when a reload has forgotten it.
 *
 * Judged for each coordinator by its own store. A store that was put back from a copy does not have
 * what was drained and ordered since the copy was made, and a second coordinator does not have what
 * the first one does: that alone is not held against it.
 */
#include "tests/sim/oracle_impl.h"

#include "common/text.h"

#include <string.h>

#define PUT_RIGHT_MS 5000
#define PARTS        (PART_WHOLE + 1)

static bool has_line(int server, unsigned places, int line)
{
    return server == world_machine(line) && (places >> (line >= MACHINES_MAX) & 1);
}

static bool target_owns(const struct view_target *t, int line)
{
    return t->holds && has_line(t->server, t->places, line);
}

static bool owned_in(const struct view *v, int line)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (target_owns(&v->targets[i], line))
            return true;
    for (size_t i = 0; i < v->incident_count; i++)
        if (has_line(v->incidents[i].server, v->incidents[i].places, line))
            return true;
    return false;
}

static bool is_returning(const struct world *w, const struct view *v, int line)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (oracle_covers(w, &v->targets[i], line) && text_equal(v->targets[i].state, "returning"))
            return true;
    return false;
}

/* Of all servers, one after the other. */
static int line_at(const struct world *w, size_t i)
{
    return world_unit_at((int)(i % w->servers), i / w->servers);
}

/* ---- exactly one owner ---- */

bool oracle_is_forgotten(const struct world *w, int line)
{
    return w->lb.lines[line].ours && w->oracle->lines[line].orphan &&
           !owned_in(&w->oracle->stores[0].view, line);
}

/* One run or incident; but of each pool behind the place one incident, since the place goes back
 * with the last of them. */
static void check_owner(struct world *w, const struct view *v, int line)
{
    size_t of[PARTS] = {0}, runs = 0, all = 0;
    for (size_t i = 0; i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        bool owns = target_owns(t, line);
        of[t->part] += owns;
        runs += owns;
        all += owns;
    }
    for (size_t i = 0; i < v->incident_count; i++) {
        bool owns = has_line(v->incidents[i].server, v->incidents[i].places, line);
        of[v->incidents[i].part] += owns;
        all += owns;
    }
    if (all == 0)
        world_violate(w, "%s was drained by us and belongs to nobody", world_unit_name(w, line));
    for (size_t k = 0; k < PARTS; k++)
        if (of[k] > 1 || runs > 1)
            world_violate(w, "%s was drained by us and belongs to %zu at once",
                          world_unit_name(w, line), all);
}

static void check_owners(struct world *w)
{
    for (size_t i = 0; i < w->servers * lb_backends(w); i++) {
        int line = line_at(w, i);
        const struct line_seen *seen = &w->oracle->lines[line];
        const struct store_seen *s = &w->oracle->stores[seen->drained_by];
        if (w->lb.lines[line].ours && !seen->orphan && s->valid)
            check_owner(w, &s->view, line);
    }
}

/* ---- within the budget at any moment ---- */

static bool is_out_by_act(struct world *w, int unit)
{
    struct pool_seen *p = &w->oracle->pools[unit];
    struct iis *s = world_iis(w, unit);
    const struct iis_worker *worker = p->out_by_act ? iis_serving(s, w->now_ms) : NULL;
    if (worker && worker->status == 200 && worker->created_ms >= p->acted_ms)
        p->out_by_act = false;
    return p->out_by_act && !iis_serves(s, w->now_ms);
}

/* By an order that this store has? */
static bool acted_for(struct world *w, int centre, int server)
{
    for (size_t k = 0; k < w->pools; k++) {
        int unit = world_unit_at(server, k);
        if (!is_out_by_act(w, unit))
            continue;
        const struct order *a =
            oracle_order(w->oracle, server, &w->oracle->pools[unit].out_id, false);
        if (a && a->known >> centre & 1)
            return true;
    }
    return false;
}

static bool is_taken(const struct world *w, const struct view *v, int server)
{
    for (size_t b = 0; b < lb_backends(w); b++) {
        int line = world_unit_at(server, b);
        if (w->lb.lines[line].ours && w->oracle->lines[line].taken && owned_in(v, line))
            return true;
    }
    return false;
}

static void check_budget(struct world *w, int centre, const struct group *g)
{
    const struct view *v = &w->oracle->stores[centre].view;
    size_t out = 0;
    char names[200] = "";
    for (int i = 0; i < (int)w->servers; i++) {
        if (!group_has(g, (size_t)i))
            continue;
        bool by_act = acted_for(w, centre, i);
        for (size_t b = 0; oracle_apart(v, i) && b < lb_backends(w); b++)
            w->oracle->lines[world_unit_at(i, b)].taken = false; /* not by the budget any more */
        bool drained = is_taken(w, v, i);
        if (!by_act && !drained)
            continue;
        out++;
        size_t len = strlen(names);
        text_format(names + len, sizeof(names) - len, " %s%s", w->iis[i].name,
                    by_act ? " (by our act)" : " (drained)");
    }
    if (out > g->max_out)
        world_violate(w, "the budget of %s is %u, and we took out%s", g->name, (unsigned)g->max_out,
                      names);
}

/* ---- drained and put back ---- */

void oracle_drained(struct world *w, int centre, int line)
{
    struct line_seen *seen = &w->oracle->lines[line];
    if (!seen->kept_out) /* drained again, for the one who has it out already: nothing new to prove
                          */
        seen->drained_ms = w->now_ms;
    seen->kept_out = true;
    seen->taken = oracle_was_well(w, line);
    seen->drained_by = centre;
    seen->orphan = w->oracle->stores[centre].retired;
}

/* Since when does the pool have to have proved well: its last act, of those that this store has. */
static uint64_t acted_ms(const struct oracle *o, int centre, int unit)
{
    uint64_t at_ms = 0;
    for (size_t i = 0; i < o->order_count; i++) {
        const struct order *a = &o->orders[i];
        if (a->unit == unit && a->times && a->known >> centre & 1 && a->acted_ms > at_ms)
            at_ms = a->acted_ms;
    }
    return at_ms;
}

/* Each pool that an incident keeps there has proved by itself, whoever else answers. */
static bool left_pools_proved(const struct world *w, const struct view *v, int line,
                              uint64_t out_ms)
{
    const struct oracle *o = w->oracle;
    for (size_t i = 0; i < v->incident_count; i++) {
        const struct view_incident *n = &v->incidents[i];
        if (has_line(n->server, n->places, line) && n->part < PART_WHOLE &&
            lb_line_of(w, world_unit_at(n->server, (size_t)n->part)) == line &&
            o->pools[world_unit_at(n->server, (size_t)n->part)].probed_ms < out_ms)
            return false;
    }
    return true;
}

/* By a run that took the server as a whole: any of its sites proves the rest. */
static bool is_back_as_a_whole(const struct view *v, int line)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].server == world_machine(line) && v->targets[i].part == PART_WHOLE &&
            v->targets[i].holds)
            return true;
    return false;
}

/* The pool that was acted on while the server was out has proved well since; or any, when none was
 * acted on. One that was stopped on purpose has nothing to prove. */
static bool is_proved(struct world *w, int centre, int line)
{
    const struct oracle *o = w->oracle;
    const struct line_seen *seen = &o->lines[line];
    /* Another one that has it as well may have put it back and taken it again. */
    uint64_t out_ms = seen->copied[centre] ? 0 : seen->drained_ms, last_ms = 0, probed_ms = 0;
    uint64_t newest_ms = 0;
    bool stopped = false, acted_stopped = false;
    for (size_t k = 0; k < w->pools; k++) {
        int unit = world_unit_at(world_machine(line), k);
        newest_ms = o->pools[unit].probed_ms > newest_ms ? o->pools[unit].probed_ms : newest_ms;
        if (lb_line_of(w, unit) != line)
            continue;
        uint64_t at_ms = acted_ms(o, centre, unit);
        bool off = world_iis(w, unit)->pool.state != POOL_STATE_STARTED;
        stopped = stopped || off;
        if (at_ms > last_ms && at_ms >= out_ms) {
            last_ms = at_ms;
            probed_ms = o->pools[unit].probed_ms;
            acted_stopped = off;
        } else if (!last_ms && o->pools[unit].probed_ms > probed_ms) {
            probed_ms = o->pools[unit].probed_ms;
        }
    }
    if ((w->options.services || w->options.apart) &&
        is_back_as_a_whole(&o->stores[centre].view, line))
        return left_pools_proved(w, &o->stores[centre].view, line, out_ms) &&
               (stopped || newest_ms >= (last_ms > out_ms ? last_ms : out_ms));
    return (last_ms ? acted_stopped : stopped) ||
           probed_ms >= (last_ms > out_ms ? last_ms : out_ms);
}

void oracle_ready(struct world *w, int centre, int line, bool ours, bool foreign)
{
    struct line_seen *seen = &w->oracle->lines[line];
    seen->kept_out = seen->orphan = false;
    if (ours)
        oracle_hold_ready(w, centre, line);
    /* A store that was copied may take for its own what another one has put back since. */
    if (foreign && !ours && !seen->copied[centre])
        world_violate(w, "%s: somebody else drained it, and we put it back",
                      world_unit_name(w, line));
    if (!oracle_is_cloned(w, world_machine(line)) && ours && !is_proved(w, centre, line))
        world_violate(w, "%s: put back, and no probe passed since it was taken out",
                      world_unit_name(w, line));
}

/* ---- a store becomes another one ---- */

void oracle_owner_meet_copy(struct world *w, int centre)
{
    const struct store_seen *stores = w->oracle->stores;
    for (size_t i = 0; i < w->servers * lb_backends(w); i++) {
        int line = line_at(w, i);
        struct line_seen *seen = &w->oracle->lines[line];
        bool owned = owned_in(&stores[centre].view, line);
        seen->copied[centre] = owned;
        if (centre > 0) /* both have it now */
            seen->copied[0] = seen->copied[0] || owned_in(&stores[0].view, line);
        if (w->lb.lines[line].ours && seen->drained_by == centre && !owned)
            seen->orphan = true;
    }
}

void oracle_owner_seen(struct world *w, int centre)
{
    for (size_t i = 0; i < w->servers * lb_backends(w); i++) {
        int line = line_at(w, i);
        bool *copied = &w->oracle->lines[line].copied[centre];
        *copied = *copied && owned_in(&w->oracle->stores[centre].view, line);
    }
}

void oracle_retired(struct world *w, int centre)
{
    w->oracle->stores[centre].retired = true;
    for (size_t i = 0; i < UNITS_MAX; i++)
        if (w->oracle->lines[i].drained_by == centre)
            w->oracle->lines[i].orphan = true;
}

/* ---- a reload forgets drains, we do not ---- */

static bool is_surely_well(const struct world *w, int server)
{
    for (size_t b = 0; b < lb_backends(w); b++) {
        const struct line_seen *seen = &w->oracle->lines[world_unit_at(server, b)];
        if (!seen->well || w->now_ms <= seen->changed_ms + LONG_OUT_MS)
            return false;
    }
    return true;
}

/* Might the budget forbid to drain it again? Somebody else of its groups is out, or nobody can be
 * sure that he is not. */
static bool others_may_be_out(const struct world *w, const struct store_seen *s, int server)
{
    for (int i = 0; i < (int)w->servers; i++) {
        const struct server_seen *seen = &w->oracle->servers[i];
        bool shares = false;
        for (size_t k = 0; k < w->groups.count; k++)
            shares = shares || (group_has(&w->groups.all[k], (size_t)i) &&
                                group_has(&w->groups.all[k], (size_t)server));
        bool sure = is_surely_well(w, i) && w->now_ms < seen->reported_ms[0] + 5000 &&
                    !oracle_held(&s->view, i) && !oracle_is_cloned(w, i) &&
                    !oracle_journal_was_lost(w, i) && s->view.servers[i].declared_until_ms == 0;
        if (i != server && shares && !sure)
            return true;
    }
    return false;
}

/* Somebody's drain that the balancer forgot is put right, if the budget has room, while the one who
 * has to do it is well: it hears its agents and the balancer answers. */
static void check_forgotten(struct world *w)
{
    const struct store_seen *s = &w->oracle->stores[0];
    bool able = s->valid && centre_up(w->centres[0]) && !centre_frozen(w->centres[0]) &&
                w->now_ms > w->lb.down_until_ms &&
                (!w->oracle->net_bad_ms || w->now_ms > w->oracle->net_bad_ms + LISTEN_LOST_MS);
    for (size_t i = 0; i < w->servers * lb_backends(w); i++) {
        int line = line_at(w, i), server = world_machine(line);
        struct line_seen *seen = &w->oracle->lines[line];
        bool forgotten = able && w->lb.lines[line].forgotten && !seen->orphan &&
                         !oracle_is_cloned(w, server) &&
                         w->lb.lines[line].admin == BALANCER_READY && owned_in(&s->view, line) &&
                         !is_returning(w, &s->view, line) &&
                         w->now_ms < w->oracle->servers[server].reported_ms[0] + 5000 &&
                         !others_may_be_out(w, s, server);
        if (!forgotten)
            seen->forgotten_ms = 0;
        else if (!seen->forgotten_ms)
            seen->forgotten_ms = w->now_ms;
        else if (w->now_ms > seen->forgotten_ms + PUT_RIGHT_MS)
            world_violate(w, "%s: a reload forgot that it is out, and nobody put that right",
                          world_unit_name(w, line));
    }
}

void oracle_owner_look(struct world *w)
{
    for (int k = 0; k < CENTRES_MAX; k++)
        for (size_t i = 0; w->centres[k] && !w->oracle->stores[k].retired && i < w->groups.count;
             i++)
            check_budget(w, k, &w->groups.all[i]);
    check_owners(w);
    check_forgotten(w);
}
