/* oracle_store.c - see oracle.h: what must hold between what stands committed in a coordinator's
 * store and the world, and from one transaction to the next.
 */
#include "tests/sim/oracle_impl.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/vfs.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define PUT_RIGHT_MS 5000
#define LONG_OUT_MS  15000 /* out for so long: every reading has told it */

static const struct view_run *run_of(const struct view *v, uint64_t id)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (v->runs[i].id == id)
            return &v->runs[i];
    return NULL;
}

bool oracle_is_target(struct world *w, uint64_t run, int unit)
{
    const struct store_seen *s = &w->oracle->stores[0];
    for (size_t i = 0; i < s->view.target_count; i++)
        if (s->view.targets[i].run == run && s->view.targets[i].unit == unit)
            return true;
    return false;
}

/* ---- what leaves ---- */

/* No number belongs to two instances. */
static void check_fence(struct world *w, const struct fence *fence)
{
    struct oracle *o = w->oracle;
    for (size_t i = 0; i < o->fence_count; i++) {
        if (o->fences[i].number != fence->number)
            continue;
        if (!wire_id_equal(&o->fences[i].instance, &fence->instance) && !o->restored)
            world_violate(w, "fence %" PRIu64 " belongs to two instances", fence->number);
        return;
    }
    if (o->fence_count < sizeof(o->fences) / sizeof(o->fences[0]))
        o->fences[o->fence_count++] = *fence;
}

/* Save, then send: as sent, under the sender's fence, with its lease; and what is committed would
 * survive a crash now. */
void oracle_sent(struct world *w, int centre, const struct coordinator_message *m, int server)
{
    struct store_seen *s = &w->oracle->stores[centre];
    if (m->kind == COORDINATOR_COMMAND)
        oracle_order_given(w, server, &m->command);
    server = world_server(w, server);
    check_fence(w, &m->fence);
    if (m->kind == COORDINATOR_COMMAND && m->command.verb == VERB_OBSERVE)
        oracle_gate_sent(w, centre, &m->command, server);
    if (m->kind != COORDINATOR_COMMAND || !verb_is_disruptive(m->command.verb) || !s->db)
        return;
    const struct command_id *id = &m->command.id;
    const char *name = w->iis[server].name;
    if (w->oracle->servers[server].observed[centre].two_machines)
        world_violate(w, "%s: a command leaves, and two machines speak under its name", name);
    if (!fence_equal(&m->fence, &id->fence))
        world_violate(w, "%s: a command under another fence than its sender's", name);
    struct server_seen *seen = &w->oracle->servers[server];
    bool again = command_id_equal(&seen->durable, id);
    seen->durable = *id;
    if (!again && !vfs_is_synced(centre_disk(w->centres[centre])))
        world_violate(w, "%s: a command leaves before its record would survive a crash", name);
    sqlite3_stmt *q = s->statements[Q_COMMAND];
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)id->fence.number);
    sqlite3_bind_blob(q, 3, id->fence.instance.bytes, sizeof(id->fence.instance.bytes),
                      SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, (sqlite3_int64)id->seq);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    bool state_fits = found && (text_equal(oracle_word(q, 1), "acting") ||
                                text_equal(oracle_word(q, 1), "unknown"));
    if (!found || !text_equal(oracle_word(q, 0), verb_name(m->command.verb)))
        world_violate(w, "%s: a %s leaves that does not stand in the store", name,
                      verb_name(m->command.verb));
    else if (!state_fits || (uint64_t)sqlite3_column_int64(q, 3) != id->seq ||
             (uint64_t)sqlite3_column_int64(q, 4) != id->fence.number)
        world_violate(w, "%s: a command leaves, and its target is %s", name, oracle_word(q, 1));
    else if (sqlite3_column_int(q, 2) == 0 || sqlite3_column_int(q, 5) == 0)
        world_violate(w, "%s: a command leaves without a lease", name);
    else if (sqlite3_column_int(q, 8))
        world_violate(w, "%s: a command leaves, and its coordinator is frozen", name);
    else if (!sqlite3_column_int(q, 7))
        world_violate(w, "%s: a command under a fence that is not the store's", name);
    sqlite3_reset(q);
}

/* ---- what changed ---- */

static const struct view_target *target_in(const struct view *v, uint64_t run, int unit)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == run && v->targets[i].unit == unit)
            return &v->targets[i];
    return NULL;
}

static bool has_event(struct store_seen *s, const char *server, const char *state)
{
    sqlite3_stmt *q = s->statements[Q_EVENT];
    sqlite3_bind_int64(q, 1, (sqlite3_int64)s->former.last_event);
    sqlite3_bind_text(q, 2, server, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, state, -1, SQLITE_STATIC);
    bool found = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0) > 0;
    sqlite3_reset(q);
    return found;
}

static bool held(const struct view *v, int server)
{
    for (size_t i = 0; i < v->hold_count; i++)
        if (v->holds[i].server == server)
            return true;
    return false;
}

/* Is it out for so long that every observation has to have told it? */
static bool long_out(const struct world *w, int centre, int server)
{
    const struct server_seen *seen = &w->oracle->servers[server];
    bool on_purpose = seen->purpose_ms && w->now_ms < seen->purpose_ms + LONG_OUT_MS;
    bool silent = w->now_ms > seen->reported_ms[centre] + LONG_OUT_MS;
    bool lb_told = w->now_ms > w->oracle->lb_away_ms + LONG_OUT_MS;
    bool out = !seen->well && w->now_ms > seen->changed_ms + LONG_OUT_MS;
    uint64_t unclocked_ms = w->oracle->stores[centre].unclocked_ms;
    if (unclocked_ms && w->now_ms < unclocked_ms + LONG_OUT_MS)
        return false;
    return silent || (out && lb_told && !on_purpose);
}

/* Declared out for so long, or not any more, that the brain has to know it; in between either. */
enum declared { DECLARED_NOT, DECLARED_PERHAPS, DECLARED_SURELY };

static enum declared declared_out(const struct world *w, int centre, const struct store_seen *s,
                                  int server)
{
    int64_t left_ms = s->view.declared_until_ms[server] - centre_wall_ms(w->centres[centre]);
    int64_t was_left_ms = s->former.declared_until_ms[server] - centre_wall_ms(w->centres[centre]);
    if (left_ms < -EVIDENCE_MS && was_left_ms < -EVIDENCE_MS)
        return DECLARED_NOT;
    return left_ms > EVIDENCE_MS && was_left_ms > EVIDENCE_MS ? DECLARED_SURELY : DECLARED_PERHAPS;
}

/* Held + observed out + this one stay within the budget of the group; and what is left in service
 * is enough, whoever is declared out. */
static void check_group(struct world *w, int centre, const struct store_seen *s,
                        const struct view_target *t, const struct group *g)
{
    size_t spent = 1, serving = 0;
    char names[200] = "";
    for (int i = 0; i < (int)w->servers; i++) {
        if (!group_has(g, (size_t)i))
            continue;
        enum declared declared = declared_out(w, centre, s, i);
        bool is_held = held(&s->view, i) && i != t->server;
        bool out = long_out(w, centre, i);
        serving += !is_held && !out && declared != DECLARED_SURELY;
        if (i == t->server || (!is_held && (!out || declared != DECLARED_NOT)))
            continue;
        size_t len = strlen(names);
        text_format(names + len, sizeof(names) - len, " %s (%s)", w->iis[i].name,
                    is_held ? "held" : "out");
        spent++;
    }
    if (spent > g->max_out)
        world_violate(w, "%s is taken though the budget of %s is spent by%s",
                      w->iis[t->server].name, g->name, names);
    bool serves =
        !long_out(w, centre, t->server) && declared_out(w, centre, s, t->server) == DECLARED_NOT;
    if (serves && serving < g->min_in_service + 1)
        world_violate(w, "%s is taken though only %zu of %s are in service, and %u have to stay",
                      w->iis[t->server].name, serving, g->name, (unsigned)g->min_in_service);
}

/* Remediation never lowers the number of healthy servers below its minimum, whatever is broken. */
static void check_minimum(struct world *w, int centre, const struct store_seen *s,
                          const struct view_target *t, const struct group *g)
{
    size_t serving = 0, total = 0;
    for (int i = 0; i < (int)w->servers; i++) {
        if (!group_has(g, (size_t)i))
            continue;
        bool others = i != t->server && held(&s->view, i);
        total++;
        serving +=
            !others && !long_out(w, centre, i) && declared_out(w, centre, s, i) != DECLARED_SURELY;
    }
    size_t least = (total * CENTRE_HEALTHY_PERCENT + 99) / 100;
    least = least < total ? least : total - 1;
    if (!long_out(w, centre, t->server) && declared_out(w, centre, s, t->server) == DECLARED_NOT &&
        serving < least + 1)
        world_violate(w, "%s is remedied though only %zu of %zu of %s are healthy",
                      w->iis[t->server].name, serving, total, g->name);
}

/* Silence, the store's trouble and the fence are found anew by every start: those may come and go
 * without a word. */
static const char *const kept_causes[] = {"person", "unknown",  "failures",
                                          "canary", "approval", "window"};
#define KEPT_CAUSES (sizeof(kept_causes) / sizeof(kept_causes[0]))

static bool is_paused(const char *causes)
{
    for (size_t i = 0; i < KEPT_CAUSES; i++)
        if (strstr(causes, kept_causes[i]))
            return true;
    return false;
}

static void check_take(struct world *w, int centre, const struct store_seen *s,
                       const struct view_target *t)
{
    const struct server_seen *self = &w->oracle->servers[t->server];
    if (w->now_ms < self->unwell_ms + EVIDENCE_MS || held(&s->former, t->server) ||
        text_equal(t->action, "start") || text_equal(t->action, "undrain") ||
        oracle_services_down_lately(w, t->server)) /* out already */
        return;
    const struct view_run *r = run_of(&s->former, t->run);
    if (r && is_paused(r->causes))
        world_violate(w, "%s is taken though its run is paused by %s", w->iis[t->server].name,
                      r->causes);
    for (size_t i = 0; i < w->groups.count; i++)
        if (group_has(&w->groups.all[i], (size_t)t->server)) {
            check_group(w, centre, s, t, &w->groups.all[i]);
            const struct view_run *is = run_of(&s->view, t->run);
            if (is && is->remedies)
                check_minimum(w, centre, s, t, &w->groups.all[i]);
        }
}

/* What was ordered ends by the journal's word or a person's alone; the clock makes it unknown. */
static void check_ordered(struct world *w, const struct view_target *was)
{
    const struct server_seen *seen = &w->oracle->servers[was->server];
    const struct act *a = oracle_act(w->oracle, was->run, was->unit, false);
    bool journal = false;
    for (size_t i = 0; i < RESULTS_KEPT; i++)
        journal = journal ||
                  (seen->results[i].seq == was->seq && seen->results[i].fence.number == was->fence);
    if (!journal && !(a && a->person))
        world_violate(w, "%s: %s was left without the journal's or a person's word",
                      w->iis[was->server].name, was->state);
}

/* Done means: those from before are gone, and a newer one answered a probe asked after the act. */
static void check_done(struct world *w, const struct view_target *t)
{
    struct iis *s = world_iis(w, t->unit);
    struct act *a = oracle_act(w->oracle, t->run, t->unit, false);
    const struct command_id *nothing = &w->oracle->servers[t->server].nothing;
    if (!text_equal(t->action, "recycle") || (a && a->person) || w->oracle->restored ||
        oracle_is_cloned(w, t->server))
        return; /* a clone that speaks alone is the server, as far as anybody can tell */
    if (!a || !a->tried) {
        if (nothing->seq != t->seq || nothing->fence.number != t->fence)
            world_violate(w, "%s is done, and nobody tried to recycle it", s->name);
        return;
    }
    for (size_t i = 0; i < a->before_count; i++)
        if (iis_lives(s, a->before[i].pid, a->before[i].created_ms, w->now_ms))
            world_violate(w, "%s is done, and worker %u from before still lives", s->name,
                          a->before[i].pid);
    if (!a->proved)
        world_violate(w, "%s is done, and no newer worker answered a probe", s->name);
}

static bool is_past_gate(const char *state)
{
    return text_equal(state, "returning") || text_equal(state, "soaking") ||
           text_equal(state, "done");
}

static void check_target(struct world *w, int centre, struct store_seen *s,
                         const struct view_target *t)
{
    const struct view_target *was = target_in(&s->former, t->run, t->unit);
    if (t->holds && (!was || !was->holds)) {
        oracle_gate_taken(w, centre, t);
        oracle_run_taken(w, centre, t);
        oracle_hands_off(w, centre, t, "taken");
        check_take(w, centre, s, t);
    }
    if (!was && run_of(&s->former, t->run))
        world_violate(w, "%s became a target of run %" PRIu64 " after that had begun",
                      w->iis[t->server].name, t->run);
    bool gets_order =
        text_equal(t->state, "acting") &&
        (!was || !text_equal(was->state, "acting") || was->seq != t->seq || was->fence != t->fence);
    if (was && gets_order) {
        oracle_run_ordered(w, centre, t);
        oracle_hands_off(w, centre, t, "acted upon");
    }
    if (!was || text_equal(was->state, t->state))
        return;
    /* Waiting and checking hold nothing: they are written by the way, with the whole run. */
    bool holds_nothing = text_equal(t->state, "checking") || text_equal(t->state, "waiting");
    if (!holds_nothing && !has_event(s, w->iis[t->server].name, t->state))
        world_violate(w, "%s went to %s without an event", w->iis[t->server].name, t->state);
    bool ordered = text_equal(was->state, "unknown") || text_equal(was->state, "acting");
    if (ordered && view_by_others(was->action))
        oracle_hold_left(w, centre, was, t);
    else if (ordered && !text_equal(t->state, "unknown"))
        check_ordered(w, was);
    if (text_equal(t->state, "acting") && view_by_others(t->action))
        oracle_hold_handed(w, centre, t);
    if (text_equal(t->state, "done"))
        check_done(w, t);
    if (is_past_gate(t->state) && !is_past_gate(was->state))
        oracle_gate_passed(w, centre, t);
}

static bool is_in_hand(const char *state)
{
    return text_equal(state, "draining") || text_equal(state, "acting") ||
           text_equal(state, "unknown") || text_equal(state, "gating") ||
           text_equal(state, "returning") || text_equal(state, "soaking");
}

/* A target in hand holds its lease; an ended run holds nothing. */
static void check_leases(struct world *w, const struct view *v)
{
    for (size_t i = 0; i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        const struct view_run *r = run_of(v, t->run);
        bool leased = false;
        for (size_t k = 0; k < v->hold_count; k++)
            leased = leased || (v->holds[k].unit == t->unit && v->holds[k].by_run &&
                                v->holds[k].owner == t->run);
        if (!t->holds && is_in_hand(t->state))
            world_violate(w, "%s is %s and holds nothing", w->iis[t->server].name, t->state);
        for (size_t k = 0; k < i; k++)
            if (t->holds && v->targets[k].holds && v->targets[k].server == t->server)
                world_violate(w, "%s: two of its pools are in hand at once",
                              w->iis[t->server].name);
        if (t->holds && !leased)
            world_violate(w, "%s is %s without a lease", w->iis[t->server].name, t->state);
        if (t->holds && r && view_run_ended(r))
            world_violate(w, "run %" PRIu64 " has ended and still holds %s", t->run,
                          w->iis[t->server].name);
    }
    for (size_t k = 0; k < v->hold_count; k++) {
        const struct view_run *r = v->holds[k].by_run ? run_of(v, v->holds[k].owner) : NULL;
        if (v->holds[k].by_run && (!r || view_run_ended(r)))
            world_violate(w, "run %" PRIu64 " has ended and still has a lease on %s",
                          v->holds[k].owner, w->iis[v->holds[k].server].name);
    }
}

static bool has_run_event(struct store_seen *s, uint64_t run)
{
    sqlite3_stmt *q = s->statements[Q_RUN_EVENT];
    sqlite3_bind_int64(q, 1, (sqlite3_int64)s->former.last_event);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)run);
    bool found = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0) > 0;
    sqlite3_reset(q);
    return found;
}

static bool same_causes(const char *was, const char *is)
{
    for (size_t i = 0; i < KEPT_CAUSES; i++)
        if (!strstr(was, kept_causes[i]) != !strstr(is, kept_causes[i]))
            return false;
    return true;
}

/* What people ask for stands in the audit trail, what else happens to a run is an event: in the
 * same transaction, which is the one between two views. */
static void check_run(struct world *w, int centre, struct store_seen *s, const struct view_run *r)
{
    const struct view_run *was = run_of(&s->former, r->id);
    bool audited = s->view.last_audit > s->former.last_audit;
    if (!was && !audited)
        world_violate(w, "run %" PRIu64 " began without a row in the audit trail", r->id);
    if (!was || (text_equal(was->state, r->state) && same_causes(was->causes, r->causes)))
        return;
    oracle_check_approval(w, was, r);
    if (!has_run_event(s, r->id))
        world_violate(w, "run %" PRIu64 " went from %s '%s' to %s '%s' without an event", r->id,
                      was->state, was->causes, r->state, r->causes);
    bool paused = strstr(r->causes, "person") != NULL;
    bool was_paused = strstr(was->causes, "person") != NULL;
    bool unapproved = strstr(was->causes, "approval") &&
                      centre_wall_ms(w->centres[centre]) >= r->approve_until_ms;
    bool aborted =
        text_equal(r->state, "aborting") && !text_equal(was->state, "aborting") && !unapproved;
    if (((paused != was_paused && !view_run_ended(r)) || aborted) && !audited)
        world_violate(w, "a person changed run %" PRIu64 " without a row in the audit trail",
                      r->id);
}

static void check_runs(struct world *w, int centre, struct store_seen *s)
{
    for (size_t i = 0; i < s->view.run_count; i++)
        check_run(w, centre, s, &s->view.runs[i]);
}

/* A store put back from a copy gives numbers of runs a second time. */
static void forget_acts(struct oracle *o, uint64_t run)
{
    for (size_t i = 0; i < o->act_count; i++)
        if (o->acts[i].run == run)
            o->acts[i].times = o->acts[i].resolved = 0;
}

static void meet_new_runs(struct oracle *o, const struct store_seen *s)
{
    for (size_t i = 0; i < s->view.run_count; i++)
        if (!run_of(&s->former, s->view.runs[i].id))
            forget_acts(o, s->view.runs[i].id);
}

/* What the copy knows to be ordered must not be ordered again; what it does not know may be. */
static void meet_copy(struct oracle *o, const struct store_seen *s)
{
    for (size_t i = 0; i < o->act_count; i++) {
        struct act *a = &o->acts[i];
        const struct view_target *t = target_in(&s->view, a->run, a->unit);
        a->copied = (struct command_id){.seq = 0};
        if (!t || t->seq != a->last.seq || t->fence != a->last.fence.number)
            a->times = a->resolved = 0;
    }
    for (size_t i = 0; i < s->view.target_count; i++) {
        const struct view_target *t = &s->view.targets[i];
        oracle_act(o, t->run, t->unit, true)->copied =
            (struct command_id){.fence = {.number = t->fence}, .seq = t->seq};
    }
}

static void look_at(struct world *w, int centre)
{
    struct store_seen *s = &w->oracle->stores[centre];
    if (!s->db)
        return;
    uint64_t syncs = vfs_syncs(centre_disk(w->centres[centre]));
    uint64_t failures = vfs_failures(centre_disk(w->centres[centre]));
    if (failures != s->failures)
        s->failed_ms = w->now_ms;
    s->failures = failures;
    if (s->valid && syncs == s->syncs)
        return;
    s->syncs = syncs;
    s->former = s->view;
    oracle_read_view(w, s);
    if (s->valid) {
        for (size_t i = 0; i < s->view.target_count; i++)
            check_target(w, centre, s, &s->view.targets[i]);
        check_runs(w, centre, s);
        meet_new_runs(w->oracle, s);
    } else if (w->oracle->restored) {
        meet_copy(w->oracle, s);
    }
    s->valid = true;
    s->reopened = false;
    oracle_run_look(w, s);
    check_leases(w, &s->view);
}

void oracle_before_sync(struct world *w, int centre)
{
    if (w->oracle->stores[centre].valid)
        look_at(w, centre);
}

void oracle_look_at_stores(struct world *w)
{
    for (int k = 0; k < CENTRES_MAX; k++)
        if (w->centres[k])
            look_at(w, k);
}

/* ---- owners ---- */

static bool owned_in(const struct view *v, int server)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].server == server && v->targets[i].holds && v->targets[i].has_place)
            return true;
    for (size_t i = 0; i < v->incident_count; i++)
        if (v->incidents[i].server == server && v->incidents[i].has_place)
            return true;
    return false;
}

bool oracle_is_forgotten(const struct world *w, int server)
{
    return w->oracle->restored && w->lb.lines[server].ours &&
           !owned_in(&w->oracle->stores[0].view, server);
}

void oracle_check_owners(struct world *w)
{
    if (w->oracle->restored || !w->oracle->stores[0].valid)
        return;
    for (int i = 0; i < (int)w->servers; i++)
        if (w->lb.lines[i].ours && !owned_in(&w->oracle->stores[0].view, i))
            world_violate(w, "%s was drained by us and belongs to nobody", w->iis[i].name);
}

/* ---- a reload forgets drains, we do not ---- */

static bool is_returning(const struct view *v, int server)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].server == server && text_equal(v->targets[i].state, "returning"))
            return true;
    return false;
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
        bool sure = seen->well && w->now_ms > seen->changed_ms + LONG_OUT_MS &&
                    w->now_ms < seen->reported_ms[0] + 5000 && !held(&s->view, i) &&
                    !oracle_is_cloned(w, i) && !oracle_journal_was_lost(w, i) &&
                    s->view.declared_until_ms[i] == 0;
        if (i != server && shares && !sure)
            return true;
    }
    return false;
}

/* Somebody's drain that the balancer forgot is put right, if the budget has room, while the one who
 * has to do it is well: it hears its agents and the balancer answers. */
void oracle_check_forgotten(struct world *w)
{
    const struct store_seen *s = &w->oracle->stores[0];
    bool able = s->valid && centre_up(w->centres[0]) && !centre_frozen(w->centres[0]) &&
                !w->oracle->restored && w->now_ms > w->lb.down_until_ms &&
                (!w->oracle->net_bad_ms || w->now_ms > w->oracle->net_bad_ms + LISTEN_LOST_MS);
    for (int i = 0; i < (int)w->servers; i++) {
        struct server_seen *seen = &w->oracle->servers[i];
        bool forgotten = able && w->lb.lines[i].forgotten && !oracle_is_cloned(w, i) &&
                         w->lb.lines[i].admin == BALANCER_READY && owned_in(&s->view, i) &&
                         !is_returning(&s->view, i) && w->now_ms < seen->reported_ms[0] + 5000 &&
                         !others_may_be_out(w, s, i);
        if (!forgotten)
            seen->forgotten_ms = 0;
        else if (!seen->forgotten_ms)
            seen->forgotten_ms = w->now_ms;
        else if (w->now_ms > seen->forgotten_ms + PUT_RIGHT_MS)
            world_violate(w, "%s: a reload forgot that it is out, and nobody put that right",
                          w->iis[i].name);
    }
}

void oracle_restored(struct world *w, int centre)
{
    w->oracle->restored = true;
    w->oracle->twins = w->oracle->twins || centre > 0;
    w->oracle->stores[centre].valid = false;
    if (centre > 0) /* a copy of the first one's: what that has been through */
        memcpy(w->oracle->stores[centre].waves, w->oracle->stores[0].waves,
               sizeof(w->oracle->stores[0].waves));
    for (size_t i = 0; i < w->oracle->fence_count; i++)
        if (w->oracle->fences[i].number > w->oracle->restored_fence)
            w->oracle->restored_fence = w->oracle->fences[i].number;
    for (size_t i = 0; i < w->servers; i++)
        w->oracle->servers[i].observed[centre].two_machines = false;
}

void oracle_tell_open(struct world *w, int centre)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    if (!s->valid)
        return;
    const struct view *v = &s->view;
    for (size_t i = 0; i < v->run_count; i++)
        if (!view_run_ended(&v->runs[i]))
            world_violate(w, "run %" PRIu64 " (%s) never ended: %s, paused by '%s'", v->runs[i].id,
                          v->runs[i].action, v->runs[i].state, v->runs[i].causes);
    for (size_t i = 0; i < v->incident_count; i++)
        world_violate(w, "the incident on %s was never settled",
                      w->iis[v->incidents[i].server].name);
}
