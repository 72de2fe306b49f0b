/* oracle_run.c - see oracle.h: how a run goes through its targets: at most a batch at once, one
 * wave after the other with its bake between, never two zones, never outside its hours; and what
 * only gives back waits for nobody.
 */
#include "tests/sim/oracle_impl.h"

#include "common/text.h"

#include <inttypes.h>
#include <string.h>

#define RESTORING_WAITS_MS 20000 /* longer than checking takes */
#define HEARTBEAT_MS       6000  /* agents speak that often */
#define DISK_AGAIN_MS      5000

static bool restores(const struct view_target *t)
{
    return text_equal(t->action, "start") || text_equal(t->action, "undrain");
}

/* May r take nothing away now? */
static bool is_closed(const struct world *w, int centre, const struct view_run *r,
                      const struct view_target *t)
{
    return !restores(t) && !w->oracle->stores[centre].reopened &&
           hours_closed(&w->hours, r->hours, centre_wall_ms(w->centres[centre]));
}

/* ---- waves ---- */

static struct wave_seen *wave_of(struct store_seen *s, uint64_t run, uint32_t wave)
{
    struct wave_seen *at = &s->waves[(run * 7 + wave) % WAVES_KEPT];
    if (at->run != run || at->wave != wave)
        *at = (struct wave_seen){.run = run, .wave = wave};
    return at;
}

/* Has every target of the wave, and of those before it, ended? */
static bool is_over(const struct view *v, uint64_t run, uint32_t wave)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == run && v->targets[i].wave <= wave &&
            !view_target_ended(&v->targets[i]))
            return false;
    return true;
}

/* What the copy has been through: its runs, as far as it has them. */
void oracle_run_meet_copy(struct store_seen *s)
{
    for (size_t i = 0; i < WAVES_KEPT; i++) {
        struct wave_seen *at = &s->waves[i];
        const struct view_run *r = oracle_run_of(&s->view, at->run);
        if (!r || at->wave > r->wave)
            *at = (struct wave_seen){0};
        else if (!is_over(&s->view, at->run, at->wave))
            at->over_ms = 0;
    }
}

void oracle_run_look(struct world *w, struct store_seen *s)
{
    for (size_t i = 0; i < s->view.run_count; i++) {
        const struct view_run *r = &s->view.runs[i];
        if (view_run_ended(r))
            continue;
        for (uint32_t k = 0; k <= r->wave; k++) {
            struct wave_seen *seen = wave_of(s, r->id, k);
            if (!seen->over_ms && is_over(&s->view, r->id, k))
                seen->over_ms = w->now_ms;
            if (strstr(r->causes, "canary"))
                seen->paused = true;
        }
    }
}

static void check_wave(struct world *w, struct store_seen *s, const struct view_run *r,
                       const struct view_target *t)
{
    const char *name = w->iis[t->server].name;
    if (t->wave == 0)
        return;
    const struct wave_seen *before = wave_of(s, r->id, t->wave - 1);
    if (!is_over(&s->former, r->id, t->wave - 1))
        world_violate(w, "%s of wave %u is taken, and the wave before it has not ended", name,
                      t->wave + 1);
    else if (w->now_ms < before->over_ms + r->bake_ms)
        world_violate(w, "%s of wave %u is taken %" PRIu64 " ms after the wave before it", name,
                      t->wave + 1, w->now_ms - before->over_ms);
    else if (t->wave == 1 && r->pauses_after_canary && !before->paused)
        world_violate(w, "%s is taken, and its run never waited for a person after the canary",
                      name);
}

/* ---- one more is taken ---- */

static void check_company(struct world *w, const struct view *v, const struct view_run *r,
                          const struct view_target *t)
{
    const struct selector_label *zone = groups_label(&w->groups, (size_t)t->server);
    size_t in_hand = 0;
    for (size_t i = 0; i < v->target_count; i++) {
        const struct view_target *other = &v->targets[i];
        if (other->run != t->run || !other->holds)
            continue;
        in_hand++;
        if (r->by_zone && groups_label(&w->groups, (size_t)other->server) != zone)
            world_violate(w, "%s is taken, and %s of another zone is in hand",
                          w->iis[t->server].name, w->iis[other->server].name);
    }
    if (in_hand > r->batch)
        world_violate(w, "%s is taken, and so run %" PRIu64 " has %zu in hand, with a batch of %u",
                      w->iis[t->server].name, r->id, in_hand, r->batch);
}

void oracle_run_taken(struct world *w, int centre, const struct view_target *t)
{
    struct store_seen *s = &w->oracle->stores[centre];
    const struct view_run *r = oracle_run_of(&s->view, t->run);
    if (!r)
        return;
    check_company(w, &s->view, r, t);
    check_wave(w, s, r, t);
    if (is_closed(w, centre, r, t))
        world_violate(w, "%s is taken outside the hours of its run", w->iis[t->server].name);
}

/* A run that was ended orders nothing any more, and none does outside its hours. */
void oracle_run_ordered(struct world *w, int centre, const struct view_target *t)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    const struct view_run *r = oracle_run_of(&s->former, t->run);
    const char *name = w->iis[t->server].name;
    if (r && !text_equal(r->state, "running"))
        world_violate(w, "%s: its run is %s, and something is ordered", name, r->state);
    if (r && is_closed(w, centre, r, t))
        world_violate(w, "%s: something is ordered outside the hours of its run", name);
}

/* ---- what only gives back waits for nobody ---- */

bool oracle_anything_in_hand(const struct view *v)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].holds)
            return true;
    return false;
}

static bool was_left(const struct view *v, uint64_t incident)
{
    for (size_t i = 0; i < v->incident_count; i++)
        if (v->incidents[i].id == incident)
            return v->incidents[i].left;
    return false;
}

/* A run takes over what an incident of its pool holds; one of the server as a whole is settled by a
 * run over the whole, and lends its lease to a start, if a run has left it. */
static bool leased_by_others(const struct view *v, const struct view_target *t)
{
    for (size_t k = 0; k < v->hold_count; k++) {
        const struct view_hold *h = &v->holds[k];
        bool lent = text_equal(t->action, "start") && !h->by_run && was_left(v, h->owner);
        if (h->server == t->server && (h->by_run || (h->whole && !lent)))
            return true;
    }
    return false;
}

static bool speaks(const struct world *w, const struct store_seen *s, int server)
{
    uint64_t reported_ms = w->oracle->servers[server].reported_ms[0];
    return reported_ms > s->attached_ms && w->now_ms < reported_ms + HEARTBEAT_MS;
}

/* A run whose turn is with a server that fell silent looks at it for a minute (what is looked at is
 * not saved: it may be any of its targets). */
static bool turn_may_be_silent(const struct world *w, const struct store_seen *s)
{
    const struct view *v = &s->view;
    for (size_t i = 0; i < v->target_count; i++)
        if (restores(&v->targets[i]) && text_equal(v->targets[i].state, "waiting") &&
            !speaks(w, s, v->targets[i].server))
            return true;
    return false;
}

/* A start or undrain whose turn it is, on a server that speaks and that nobody else holds: it does
 * not wait for the budget or for the farm's health. */
static bool waits_in_vain(const struct world *w, const struct store_seen *s,
                          const struct view_target *t)
{
    const struct view *v = &s->view;
    const struct view_run *r = oracle_run_of(v, t->run);
    return restores(t) && r && text_equal(r->state, "running") && r->causes[0] == '\0' &&
           (text_equal(t->state, "waiting") || text_equal(t->state, "checking")) && t->wave == 0 &&
           !leased_by_others(v, t) && v->servers[t->server].declared_until_ms == 0 &&
           !oracle_is_cloned(w, t->server) && !oracle_journal_was_lost(w, t->server) &&
           speaks(w, s, t->server);
}

/* Could it ask what it has to know, all this time? */
static bool is_able(const struct world *w, const struct store_seen *s)
{
    const struct oracle *o = w->oracle;
    return s->valid && centre_up(w->centres[0]) && !centre_frozen(w->centres[0]) &&
           !centre_asleep(w->centres[0]) && w->now_ms >= w->lb.down_until_ms &&
           (!s->failed_ms || w->now_ms > s->failed_ms + DISK_AGAIN_MS) &&
           (!o->net_bad_ms || w->now_ms > o->net_bad_ms + LISTEN_LOST_MS);
}

void oracle_check_waiting(struct world *w)
{
    struct store_seen *s = &w->oracle->stores[0];
    bool waits = false;
    if (!is_able(w, s) || oracle_anything_in_hand(&s->view) || turn_may_be_silent(w, s)) {
        s->waits_since_ms = 0;
        return;
    }
    for (size_t i = 0; i < s->view.target_count && !waits; i++)
        waits = waits_in_vain(w, s, &s->view.targets[i]);
    if (!waits)
        s->waits_since_ms = 0;
    else if (!s->waits_since_ms)
        s->waits_since_ms = w->now_ms;
    else if (w->now_ms > s->waits_since_ms + RESTORING_WAITS_MS)
        world_violate(w, "a run that only gives back waits in vain for %u s",
                      (unsigned)((w->now_ms - s->waits_since_ms) / 1000));
}
