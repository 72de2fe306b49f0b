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

#define PLACES_COUNT_MS                                                                            \
    11500 /* so old a reading of a place counts, and is looked at once a second */

const struct view_run *oracle_run_of(const struct view *v, uint64_t id)
{
    for (size_t i = 0; i < v->run_count; i++)
        if (v->runs[i].id == id)
            return &v->runs[i];
    return NULL;
}

const struct view_target *oracle_target_of(const struct view *v, uint64_t run, int unit)
{
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].run == run && v->targets[i].unit == unit)
            return &v->targets[i];
    return NULL;
}

bool oracle_held(const struct view *v, int server)
{
    for (size_t i = 0; i < v->hold_count; i++)
        if (v->holds[i].server == server)
            return true;
    return false;
}

bool oracle_apart(const struct view *v, int server)
{
    for (size_t i = 0; i < v->incident_count; i++)
        if (v->incidents[i].server == server && v->incidents[i].apart)
            return true;
    return false;
}

/* ---- what leaves ---- */

/* No number belongs to two instances of one coordinator, and no instance to two. A copy of its
 * store gives numbers a second time; then it is the instance that tells them apart. */
static void check_fence(struct world *w, int centre, const struct fence *fence)
{
    struct oracle *o = w->oracle;
    unsigned lineage = o->stores[centre].lineage;
    bool known = false;
    for (size_t i = 0; i < o->fence_count; i++) {
        const struct numbered *n = &o->fences[i];
        bool same = n->centre == centre && n->lineage == lineage;
        bool instance = wire_id_equal(&n->fence.instance, &fence->instance);
        if (same && !instance && n->fence.number == fence->number)
            world_violate(w, "fence %" PRIu64 " belongs to two instances", fence->number);
        if (!same && instance)
            world_violate(w, "fence %" PRIu64 " is used by two coordinators", fence->number);
        known = known || (same && fence_equal(&n->fence, fence));
    }
    if (known)
        return;
    must(o->fence_count < FENCES_KEPT);
    o->fences[o->fence_count++] = (struct numbered){*fence, centre, lineage};
}

/* The verb that a run's action asks for. */
static bool is_what_it_is_for(const char *action, enum verb verb)
{
    if (verb == VERB_SET)
        return text_equal(action, "warm") || text_equal(action, "unwarm");
    return text_equal(action, verb_name(verb));
}

/* As sent, under the sender's fence, with its lease, for a target of its run. */
static void check_stored(struct world *w, const struct command *c, const char *name,
                         sqlite3_stmt *q)
{
    const char *state = oracle_word(q, 1);
    if (!text_equal(state, "acting") && !text_equal(state, "unknown"))
        world_violate(w, "%s: a command leaves, and its target is %s", name, state);
    else if ((uint64_t)sqlite3_column_int64(q, 3) != c->id.seq ||
             (uint64_t)sqlite3_column_int64(q, 4) != c->id.fence.number)
        world_violate(w, "%s: a command leaves, and another is in force", name);
    else if (sqlite3_column_int(q, 2) == 0 || sqlite3_column_int(q, 5) == 0)
        world_violate(w, "%s: a command leaves without a lease", name);
    else if (sqlite3_column_int(q, 8))
        world_violate(w, "%s: a command leaves, and its coordinator is frozen", name);
    else if (!sqlite3_column_int(q, 7) ||
             (uint64_t)sqlite3_column_int64(q, 6) != c->id.fence.number)
        world_violate(w, "%s: a command under a fence that is not the store's", name);
    else if (!sqlite3_column_int(q, 9) || !text_equal(oracle_word(q, 10), c->pool) ||
             (uint64_t)sqlite3_column_int64(q, 11) != c->run)
        world_violate(w, "%s: a command leaves for what was never a target of run %" PRIu64, name,
                      c->run);
    else if (!is_what_it_is_for(oracle_word(q, 12), c->verb))
        world_violate(w, "%s: run %" PRIu64 " is to %s, and orders %s", name, c->run,
                      oracle_word(q, 12), verb_name(c->verb));
}

/* Save, then send; and what is committed would survive a crash now. */
static void check_disruptive(struct world *w, int centre, const struct coordinator_message *m,
                             int server)
{
    struct store_seen *s = &w->oracle->stores[centre];
    struct server_seen *seen = &w->oracle->servers[server];
    const struct command_id *id = &m->command.id;
    const char *name = w->iis[server].name;
    if (seen->observed[centre].two_machines)
        world_violate(w, "%s: a command leaves, and two machines speak under its name", name);
    if (!fence_equal(&m->fence, &id->fence))
        world_violate(w, "%s: a command under another fence than its sender's", name);
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
    if (sqlite3_step(q) == SQLITE_ROW && text_equal(oracle_word(q, 0), verb_name(m->command.verb)))
        check_stored(w, &m->command, name, q);
    else
        world_violate(w, "%s: a %s leaves that does not stand in the store", name,
                      verb_name(m->command.verb));
    sqlite3_reset(q);
}

void oracle_sent(struct world *w, int centre, const struct coordinator_message *m, int server)
{
    bool commands = m->kind == COORDINATOR_COMMAND;
    if (commands)
        oracle_order_given(w, centre, server, &m->command);
    server = world_server(w, server);
    check_fence(w, centre, &m->fence);
    if (commands && m->command.verb == VERB_OBSERVE)
        oracle_gate_sent(w, centre, &m->command, server);
    if (commands && verb_is_disruptive(m->command.verb) && w->oracle->stores[centre].db)
        check_disruptive(w, centre, m, server);
}

/* ---- what changed ---- */

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

bool oracle_covers(const struct world *w, const struct view_target *t, int line)
{
    return t->server == world_machine(line) &&
           (t->part == PART_WHOLE || lb_line_of(w, t->unit) == line);
}

/* What was stopped on purpose is missed by nobody, where it stands alone: another pool with another
 * line is none the better or worse for it. */
static bool is_meant(const struct world *w, const struct line_seen *seen)
{
    return seen->purpose_ms && w->now_ms < seen->purpose_ms + LONG_OUT_MS;
}

/* Is it out for so long that every observation has to have told it? */
static bool long_out(const struct world *w, const struct line_seen *seen)
{
    bool lb_told = w->now_ms > w->oracle->lb_away_ms + LONG_OUT_MS;
    bool out = !seen->well && w->now_ms > seen->changed_ms + LONG_OUT_MS;
    return out && lb_told;
}

/* Out of rotation, as the balancer has told this coordinator last; or not told for longer than that
 * counts. */
static bool place_out(const struct world *w, int centre, const struct line_seen *seen)
{
    bool dark = w->now_ms > seen->told[centre].place_ms + PLACES_COUNT_MS;
    bool told = seen->told[centre].place_out && !seen->well &&
                seen->told[centre].place_ms >= seen->changed_ms;
    return dark || told;
}

/* One line that is out is enough: its visitors miss the server. */
static bool is_out(const struct world *w, int centre, int server)
{
    const struct store_seen *s = &w->oracle->stores[centre];
    uint64_t reported_ms = w->oracle->servers[server].reported_ms[centre];
    bool clocked = !s->unclocked_ms || w->now_ms >= s->unclocked_ms + LONG_OUT_MS;
    bool out = w->now_ms > reported_ms + LONG_OUT_MS; /* silent */
    for (size_t b = 0; b < lb_backends(w); b++) {
        const struct line_seen *seen = &w->oracle->lines[world_unit_at(server, b)];
        bool place = !s->reopened && place_out(w, centre, seen);
        out = out || (!is_meant(w, seen) && (place || long_out(w, seen)));
    }
    return clocked && out;
}

/* Whatever of the server is to be taken is out already, or may have been as it was looked at. */
static bool was_out(const struct world *w, const struct store_seen *s, const struct view_target *t)
{
    bool all = true;
    for (size_t b = 0; b < lb_backends(w); b++) {
        int line = world_unit_at(t->server, b);
        all = all && (!oracle_covers(w, t, line) ||
                      w->now_ms < w->oracle->lines[line].unwell_ms + EVIDENCE_MS);
    }
    /* Where all its pools stand in one line, who holds one of them has that line. */
    return all || (lb_backends(w) == 1 && oracle_held(&s->former, t->server));
}

/* Declared out for so long, or not any more, that the brain has to know it; in between either. */
enum declared { DECLARED_NOT, DECLARED_PERHAPS, DECLARED_SURELY };

static enum declared declared_out(const struct world *w, int centre, const struct store_seen *s,
                                  int server)
{
    if (oracle_apart(&s->view, server)) /* leaves the budget in the same way */
        return DECLARED_SURELY;
    int64_t left_ms =
        s->view.servers[server].declared_until_ms - centre_wall_ms(w->centres[centre]);
    int64_t was_left_ms =
        s->former.servers[server].declared_until_ms - centre_wall_ms(w->centres[centre]);
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
        bool is_held = oracle_held(&s->view, i) && i != t->server && !oracle_apart(&s->view, i);
        bool out = is_out(w, centre, i);
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
        !is_out(w, centre, t->server) && declared_out(w, centre, s, t->server) == DECLARED_NOT;
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
        bool others = i != t->server && oracle_held(&s->view, i);
        total++;
        serving +=
            !others && !is_out(w, centre, i) && declared_out(w, centre, s, i) != DECLARED_SURELY;
    }
    size_t least = (total * CENTRE_HEALTHY_PERCENT + 99) / 100;
    least = least < total ? least : total - 1;
    if (!is_out(w, centre, t->server) && declared_out(w, centre, s, t->server) == DECLARED_NOT &&
        serving < least + 1)
        world_violate(w, "%s is remedied though only %zu of %zu of %s are healthy",
                      w->iis[t->server].name, serving, total, g->name);
}

static void check_take(struct world *w, int centre, const struct store_seen *s,
                       const struct view_target *t)
{
    if (was_out(w, s, t) || text_equal(t->action, "start") || text_equal(t->action, "undrain") ||
        oracle_services_down_lately(w, t->server)) /* out already */
        return;
    const struct view_run *r = oracle_run_of(&s->former, t->run);
    if (r && oracle_is_paused(r->causes))
        world_violate(w, "%s is taken though its run is paused by %s", w->iis[t->server].name,
                      r->causes);
    for (size_t i = 0; i < w->groups.count; i++)
        if (group_has(&w->groups.all[i], (size_t)t->server)) {
            check_group(w, centre, s, t, &w->groups.all[i]);
            const struct view_run *is = oracle_run_of(&s->view, t->run);
            if (is && is->remedies)
                check_minimum(w, centre, s, t, &w->groups.all[i]);
        }
}

/* What was ordered ends by the journal's word or a person's alone, as this coordinator was told;
 * the clock makes it unknown. */
static void check_ordered(struct world *w, int centre, struct store_seen *s,
                          const struct view_target *was)
{
    const struct order *a = oracle_order_of(w->oracle, was);
    if (a && a->heard_ms[centre])
        return;
    if (a && a->person >> centre & 1)
        oracle_word_settled(w, s, was);
    else
        world_violate(w, "%s: %s was left without the journal's or a person's word",
                      w->iis[was->server].name, was->state);
}

/* Those from before are gone, and a newer one answered a probe asked after the act. */
static void check_recycled(struct world *w, int centre, const struct view_target *t)
{
    struct iis *s = world_iis(w, t->unit);
    const struct order *a = oracle_order_of(w->oracle, t);
    if (!a || !a->tried) {
        if (!a || !(a->nothing >> centre & 1))
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

static void check_done(struct world *w, int centre, const struct view_target *t)
{
    const struct order *a = oracle_order_of(w->oracle, t);
    const struct pool_seen *p = &w->oracle->pools[t->unit];
    const char *name = world_unit_name(w, t->unit);
    if (oracle_is_cloned(w, t->server))
        return; /* a clone that speaks alone is the server, as far as anybody can tell */
    if (text_equal(t->action, "recycle") && !(a && a->person >> centre & 1))
        check_recycled(w, centre, t);
    oracle_warm_done(w, centre, t);
    if (text_equal(t->action, "start") && p->probed_ms < p->taken_ms[centre])
        world_violate(w, "%s is started, and no probe passed since", name);
    if (text_equal(t->action, "stop") && p->off_ms < p->taken_ms[centre])
        world_violate(w, "%s is done, and was not stopped for good since its run took it", name);
    if (text_equal(t->action, "stop") && w->now_ms > p->off_ms + EVIDENCE_MS)
        world_violate(w, "%s is done, and is not stopped for good", name);
}

static bool is_past_gate(const char *state)
{
    return text_equal(state, "returning") || text_equal(state, "soaking") ||
           text_equal(state, "done");
}

static void check_target(struct world *w, int centre, struct store_seen *s,
                         const struct view_target *t)
{
    const struct view_target *was = oracle_target_of(&s->former, t->run, t->unit);
    if (t->holds && (!was || !was->holds)) {
        oracle_gate_taken(w, centre, t);
        oracle_run_taken(w, centre, t);
        oracle_turn_taken(w, centre, t);
        oracle_hands_off(w, centre, t, "taken");
        check_take(w, centre, s, t);
    }
    if (!was && oracle_run_of(&s->former, t->run))
        world_violate(w, "%s became a target of run %" PRIu64 " after that had begun",
                      w->iis[t->server].name, t->run);
    bool gets_order =
        text_equal(t->state, "acting") && (!was || !text_equal(was->state, "acting") ||
                                           !command_id_equal(&was->command, &t->command));
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
        check_ordered(w, centre, s, was);
    if (ordered && !text_equal(t->state, "unknown"))
        oracle_warm_ended(w, centre, t);
    if (text_equal(t->state, "acting") && view_by_others(t->action))
        oracle_hold_handed(w, centre, t);
    if (text_equal(t->state, "done"))
        check_done(w, centre, t);
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
        const struct view_run *r = oracle_run_of(v, t->run);
        bool leased = false;
        for (size_t k = 0; k < v->hold_count; k++)
            leased = leased || ((v->holds[k].unit == t->unit ||
                                 (v->holds[k].server == t->server && v->holds[k].whole)) &&
                                v->holds[k].by_run && v->holds[k].owner == t->run);
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
        const struct view_run *r = v->holds[k].by_run ? oracle_run_of(v, v->holds[k].owner) : NULL;
        if (v->holds[k].by_run && (!r || view_run_ended(r)))
            world_violate(w, "run %" PRIu64 " has ended and still has a lease on %s",
                          v->holds[k].owner, w->iis[v->holds[k].server].name);
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
    if (oracle_anything_in_hand(&s->former))
        s->in_hand_ms = w->now_ms;
    oracle_read_view(w, s);
    if (s->valid) {
        for (size_t i = 0; i < s->view.target_count; i++)
            check_target(w, centre, s, &s->view.targets[i]);
        oracle_word_look(w, centre);
    } else if (s->copied) {
        oracle_order_meet_copy(w, centre);
        oracle_run_meet_copy(s);
        oracle_gate_meet_copy(w, centre);
        oracle_owner_meet_copy(w, centre);
        oracle_hold_meet_copy(w, centre);
    }
    s->valid = true;
    s->copied = false;
    s->reopened = false;
    oracle_run_look(w, s);
    oracle_owner_seen(w, centre);
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

void oracle_restored(struct world *w, int centre)
{
    struct store_seen *s = &w->oracle->stores[centre];
    s->valid = false;
    s->copied = true;
    s->lineage++;
    if (centre > 0) /* a copy of the first one's: what that has been through */
        memcpy(s->waves, w->oracle->stores[0].waves, sizeof(s->waves));
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
