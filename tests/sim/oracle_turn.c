/* oracle_turn.c - see oracle.h: the order inside a wave. By zone, where the run goes by it, by the
 * server's name, by the pool's: whoever comes later does not take what one before it could take.
 *
 * Which of them are being looked at stands in no store, so that only what both want is judged: the
 * last room in a budget, the server of both, the zone. And what a coordinator may know is never
 * quite what is so: one is judged to be passed over only while nothing is broken, and where every
 * message of the last seconds has told that it could be taken. Who is out, silent, held, in
 * maintenance, declared out, blocked is passed over rightly, and so is who was turned back a moment
 * ago, since another one was just being taken out of its backend.
 */
#include "tests/sim/oracle_impl.h"

#include "common/text.h"

#define HEARTBEAT_MS   6000  /* agents speak that often */
#define TOLD_MS        5000  /* whoever speaks has told all by then, after a start */
#define QUIET_MS       40000 /* what breaks is broken for no longer, and a lost listen is given up */
#define TURNED_BACK_MS 5000  /* tried again by then */

static const char *pool_of(const struct view_target *t)
{
    return t->part == PART_WHOLE ? "" : iis_pool_names[t->part];
}

static const char *zone_of(const struct world *w, const struct view_run *r,
                           const struct view_target *t)
{
    const struct selector_label *zone = groups_label(&w->groups, (size_t)t->server);
    return r->by_zone && zone ? zone->value : "";
}

static bool comes_before(const struct world *w, const struct view_run *r,
                         const struct view_target *a, const struct view_target *b)
{
    int by = text_compare_nocase(zone_of(w, r, a), zone_of(w, r, b));
    by = by ? by : text_compare_nocase(w->iis[a->server].name, w->iis[b->server].name);
    by = by ? by : text_compare_nocase(pool_of(a), pool_of(b));
    return by < 0;
}

/* Nobody who was told of it at all can take it for anything else than in service and free. */
static bool is_surely_free(const struct world *w, int centre, int server)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    const struct server_seen *seen = &w->oracle->servers[server];
    const struct view_server *is = &s->view.servers[server], *was = &s->former.servers[server];
    bool speaks = seen->reported_ms[centre] > s->attached_ms &&
                  w->now_ms < seen->reported_ms[centre] + HEARTBEAT_MS;
    bool trusted = !oracle_is_cloned(w, server) && !seen->journal_lost && !is->blocked &&
                   !seen->observed[centre].two_machines;
    bool no_word = !is->declared_until_ms && !was->declared_until_ms && !is->maintenance_until_ms &&
                   !was->maintenance_until_ms;
    for (size_t b = 0; b < lb_backends(w); b++) {
        const struct line_seen *line = &w->oracle->lines[world_unit_at(server, b)];
        bool meant = line->purpose_ms && w->now_ms < line->purpose_ms + LONG_OUT_MS;
        bool settled = !line->changed_ms || w->now_ms > line->changed_ms + LONG_OUT_MS;
        if (!line->well || !settled || line->told[centre].place_out || meant)
            return false;
    }
    return speaks && trusted && no_word && !oracle_held(&s->former, server) &&
           !oracle_services_down_lately(w, server);
}

static bool all_others_are_free(const struct world *w, int centre, int server)
{
    for (int i = 0; i < (int)w->servers; i++)
        if (i != server && !is_surely_free(w, centre, i))
            return false;
    return true;
}

/* What let x be taken would have let y: every budget that y spends x spends too. What one of their
 * pools is missed for somewhere else may not concern the other. */
static bool fits_as_well(const struct world *w, int centre, const struct view_target *x,
                         const struct view_target *y)
{
    for (size_t i = 0; i < w->groups.count; i++) {
        const struct group *g = &w->groups.all[i];
        if (group_has(g, (size_t)y->server) && !group_has(g, (size_t)x->server))
            return false;
    }
    return x->part == y->part || all_others_are_free(w, centre, y->server);
}

/* In the budget of one group that both are in there is no room for y beside what is held now. */
static bool spends_the_last(const struct world *w, const struct view *v, int x, int y)
{
    for (size_t k = 0; k < w->groups.count; k++) {
        const struct group *g = &w->groups.all[k];
        size_t held = 0;
        for (int i = 0; i < (int)w->servers; i++)
            held += group_has(g, (size_t)i) && oracle_held(v, i) && !oracle_apart(v, i) &&
                    !v->servers[i].declared_until_ms;
        if (group_has(g, (size_t)x) && group_has(g, (size_t)y) && held + 1 > g->max_out)
            return true;
    }
    return false;
}

/* Where a budget allows more than one, or backends reach over groups, one that is looked at may
 * find that another is just leaving its backend. */
static bool may_be_turned_back(const struct world *w, const struct store_seen *s)
{
    bool alone = w->groups.count == 1 && w->groups.all[0].max_out == 1;
    return !alone && s->in_hand_ms && w->now_ms < s->in_hand_ms + TURNED_BACK_MS;
}

static bool waits(const struct view *v, const struct view_target *t)
{
    const struct view_target *is = oracle_target_of(v, t->run, t->unit);
    return is && !is->holds &&
           (text_equal(is->state, "waiting") || text_equal(is->state, "checking"));
}

static bool is_passed_over(const struct world *w, int centre, const struct view_run *r,
                           const struct view_target *x, const struct view_target *y)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    if (y->run != x->run || y->wave != x->wave || !comes_before(w, r, y, x) ||
        !waits(&s->view, y) || !waits(&s->former, y) || !is_surely_free(w, centre, y->server) ||
        !fits_as_well(w, centre, x, y))
        return false;
    return x->server == y->server || !text_equal(zone_of(w, r, x), zone_of(w, r, y)) ||
           spends_the_last(w, &s->view, x->server, y->server);
}

static bool is_judged(const struct world *w, int centre, const struct view_target *x)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    bool clocked = !s->unclocked_ms || w->now_ms >= s->unclocked_ms + LONG_OUT_MS;
    bool takes = !text_equal(x->action, "start") && !text_equal(x->action, "undrain") &&
                 !text_equal(x->action, "service-recover");
    bool quiet = !w->struck_ms || w->now_ms > w->struck_ms + QUIET_MS;
    bool told = !s->reopened && w->now_ms > s->attached_ms + TOLD_MS;
    return takes && clocked && quiet && told && is_surely_free(w, centre, x->server) &&
           !may_be_turned_back(w, s);
}

void oracle_turn_taken(struct world *w, int centre, const struct view_target *x)
{
    const struct view *v = &w->oracle->stores[centre].view;
    const struct view_run *r = oracle_run_of(v, x->run);
    if (!r || r->remedies || !is_judged(w, centre, x))
        return;
    for (size_t i = 0; i < v->target_count; i++)
        if (is_passed_over(w, centre, r, x, &v->targets[i]))
            world_violate(w, "%s %s is taken, and %s %s, which could be, comes first",
                          w->iis[x->server].name, pool_of(x), w->iis[v->targets[i].server].name,
                          pool_of(&v->targets[i]));
}
