/* oracle.c - see oracle.h: what is judged as it happens. The store's side is in oracle_store.c. */
#include "tests/sim/oracle_impl.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/vfs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The baseline is looked up so long before the act is begun, at most: who came later than that is
 * not of it. */
#define LOOK_MS 700

struct oracle *oracle_new(void)
{
    struct oracle *o = must_alloc(1, sizeof(*o));
    for (size_t i = 0; i < MACHINES_MAX; i++)
        o->servers[i].well = true;
    return o;
}

void oracle_free(struct oracle *o)
{
    if (!o)
        return;
    free(o->acts);
    free(o->handed);
    free(o);
}

uint64_t oracle_acts(const struct world *w)
{
    return w->oracle->act_total;
}

uint64_t oracle_acts_on(const struct world *w, int unit)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->oracle->act_count; i++)
        sum += w->oracle->acts[i].unit == unit ? w->oracle->acts[i].times : 0;
    return sum;
}

bool oracle_journal_was_lost(const struct world *w, int server)
{
    return w->oracle->servers[server].journal_lost;
}

void oracle_clock_stopped(struct world *w, int centre, uint64_t until_ms)
{
    w->oracle->stores[centre].unclocked_ms = until_ms;
}

void oracle_journal_lost(struct world *w, int server)
{
    w->oracle->servers[server].journal_lost = true;
    w->oracle->services[server].open = false;
}

/* While its server is silent, nobody can tell a clone from it: what it says and does counts as done
 * there. From the moment on at which both were heard, both are blocked: see oracle_boot_heard. */
bool oracle_is_cloned(const struct world *w, int server)
{
    return w->machines > w->servers && world_server(w, server) == w->cloned;
}

/* ---- acts: at most once ---- */

struct act *oracle_act(struct oracle *o, uint64_t run, int unit, bool make)
{
    for (size_t i = 0; i < o->act_count; i++)
        if (o->acts[i].run == run && o->acts[i].unit == unit)
            return &o->acts[i];
    if (!make)
        return NULL;
    o->acts = must_realloc(o->acts, o->act_count + 1, sizeof(*o->acts));
    o->acts[o->act_count] = (struct act){.run = run, .unit = unit};
    return &o->acts[o->act_count++];
}

/* In service, as far as evidence could tell. */
static bool was_well(const struct world *w, const struct server_seen *seen)
{
    int machine = (int)(seen - w->oracle->servers);
    return seen->well && w->now_ms >= seen->unwell_ms + EVIDENCE_MS &&
           !oracle_services_down_lately(w, machine);
}

void oracle_before_act(struct world *w, int unit, const struct command_id *id, uint64_t run)
{
    struct iis *s = world_iis(w, unit);
    (void)id;
    struct act *a = oracle_act(w->oracle, run, unit, true);
    iis_now(s, w->now_ms);
    a->tried = true;
    a->acted_ms = w->now_ms;
    a->proved = false;
    a->before_count = 0;
    for (size_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].created_ms + LOOK_MS <= a->begun_ms)
            a->before[a->before_count++] = s->workers[i];
}

/* Ordered before the store was put back from a copy that does not have the order: who asks it
 * cannot know that this is still under way. */
static bool is_lost_order(const struct oracle *o, const struct act *a, const struct command_id *id)
{
    bool copied = a->copied.seq == id->seq && a->copied.fence.number == id->fence.number;
    return o->restored && id->fence.number <= o->restored_fence && !copied;
}

void oracle_acted(struct world *w, int unit, const struct command_id *id, uint64_t run,
                  enum verb verb)
{
    struct oracle *o = w->oracle;
    int machine = world_machine(unit);
    struct server_seen *seen = &o->servers[machine];
    struct act *a = oracle_act(o, run, unit, true);
    const char *name = world_unit_name(w, unit);
    o->act_total++;
    if (id->seq == 0)
        world_violate(w, "%s: a disruptive act that no journal knows as begun", name);
    if (command_id_equal(&a->last, id))
        world_violate(w, "%s: command %" PRIu64 "/%" PRIu64 " was carried out twice", name,
                      id->fence.number, id->seq);
    a->times += !is_lost_order(o, a, id);
    a->last = *id;
    if (a->times > 1 + a->resolved && !o->twins && !oracle_is_cloned(w, machine))
        world_violate(w, "%s: run %" PRIu64 " acted on it %u times", name, run, a->times);
    if (id->fence.number < seen->act_fence)
        world_violate(w, "%s: an act under fence %" PRIu64 " after one under %" PRIu64, name,
                      id->fence.number, seen->act_fence);
    if (!o->restored && machine < (int)w->servers && !oracle_is_target(w, run, unit))
        world_violate(w, "%s was never a target of run %" PRIu64 ", and was acted on", name, run);
    seen->act_fence = id->fence.number;
    o->pools[unit].acted_ms = w->now_ms;
    /* Out already, by others' doing: we took nothing. */
    o->pools[unit].out_by_act = (verb == VERB_RECYCLE || verb == VERB_WORKER_KILL) &&
                                (w->lb.lines[machine].ours ? seen->taken : was_well(w, seen));
}

static bool was_before(const struct act *a, const struct iis_worker *worker)
{
    for (size_t i = 0; i < a->before_count; i++)
        if (a->before[i].pid == worker->pid && a->before[i].created_ms == worker->created_ms)
            return true;
    return false;
}

void oracle_probed(struct world *w, int unit, uint64_t asked_ms)
{
    struct oracle *o = w->oracle;
    const struct iis_worker *worker = iis_serving(world_iis(w, unit), w->now_ms);
    o->pools[unit].probed_ms = asked_ms;
    for (size_t i = 0; worker && i < o->act_count; i++) {
        struct act *a = &o->acts[i];
        if (a->unit == unit && a->tried && asked_ms >= a->acted_ms && !was_before(a, worker))
            a->proved = true;
    }
}

/* ---- words on the wire ---- */

void oracle_said(struct world *w, int machine, const struct agent_message *m, uint64_t clock_ms)
{
    struct server_seen *seen = &w->oracle->servers[machine];
    if (!wire_id_equal(&seen->incarnation, &m->incarnation)) {
        seen->incarnation = m->incarnation;
        seen->said_fence = 0;
        seen->act_fence = 0;
        memset(seen->listens, 0, sizeof(seen->listens)); /* it begins to count anew */
    }
    if (m->kind != AGENT_LISTEN)
        return;
    if (m->listen.fence.number < seen->said_fence)
        world_violate(w, "%s: its fence fell from %" PRIu64 " to %" PRIu64, w->iis[machine].name,
                      seen->said_fence, m->listen.fence.number);
    if (m->listen.fence.number == seen->said_fence && seen->said_fence &&
        !wire_id_equal(&m->listen.fence.instance, &seen->said_instance))
        world_violate(w, "%s: its fence %" PRIu64 " went to another instance", w->iis[machine].name,
                      seen->said_fence);
    seen->said_fence = m->listen.fence.number;
    seen->said_instance = m->listen.fence.instance;
    oracle_order_listen(w, machine, m->listen.listen_no, clock_ms);
}

static void keep_result(const struct world *w, struct server_seen *seen,
                        const struct command_id *id)
{
    for (size_t i = 0; i < RESULTS_KEPT; i++)
        if (command_id_equal(&seen->results[i], id))
            return;
    size_t at = seen->result_no++ % RESULTS_KEPT;
    seen->results[at] = *id;
    seen->results_ms[at] = w->now_ms;
}

void oracle_heard(struct world *w, int centre, const struct agent_message *m, int server)
{
    server = world_server(w, server);
    struct server_seen *seen = &w->oracle->servers[server];
    oracle_gate_heard(w, centre, m, server);
    if (m->kind == AGENT_REPORT)
        seen->reported_ms[centre] = w->now_ms;
    if (m->kind != AGENT_RESULT)
        return;
    if (m->result.outcome != OUTCOME_RUNNING && m->result.outcome != OUTCOME_NONE)
        keep_result(w, seen, &m->result.id);
    if (m->result.outcome == OUTCOME_NOTHING)
        seen->nothing = m->result.id;
}

void oracle_resolved(struct world *w, int centre, uint64_t run, int server, bool not_executed)
{
    const struct view *v = oracle_view(w, centre);
    for (size_t i = 0; v && i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        if (t->run != run || t->server != server || !text_equal(t->state, "unknown") ||
            oracle_hold_has_word(w, t))
            continue;
        struct act *a = oracle_act(w->oracle, run, t->unit, true);
        a->person = true;
        a->person_ms = w->now_ms;
        a->resolved += not_executed;
        return;
    }
}

void oracle_drained(struct world *w, int line)
{
    struct server_seen *seen = &w->oracle->servers[line];
    if (!seen->kept_out) /* drained again, for the one who has it out already: nothing new to prove
                          */
        seen->drained_ms = w->now_ms;
    seen->kept_out = true;
    seen->taken = was_well(w, seen);
}

/* By a run that took the server as a whole: any of its sites proves it. */
static bool is_back_as_a_whole(const struct world *w, int line)
{
    const struct view *v = &w->oracle->stores[0].view;
    for (size_t i = 0; i < v->target_count; i++)
        if (v->targets[i].server == line && v->targets[i].whole && v->targets[i].holds)
            return true;
    return false;
}

/* The pool that was acted on while the server was out has proved well since; or any, when none was
 * acted on. One that was stopped on purpose has nothing to prove. */
static bool is_proved(struct world *w, int line)
{
    const struct oracle *o = w->oracle;
    uint64_t out_ms = o->servers[line].drained_ms, acted_ms = 0, probed_ms = 0, newest_ms = 0;
    bool stopped = false, acted_stopped = false, any = false;
    for (size_t k = 0; k < w->pools; k++) {
        int unit = world_unit_at(line, k);
        const struct pool_seen *p = &o->pools[unit];
        bool off = world_iis(w, unit)->pool.state != POOL_STATE_STARTED;
        stopped = stopped || off;
        newest_ms = p->probed_ms > newest_ms ? p->probed_ms : newest_ms;
        any = any || off || p->probed_ms >= p->acted_ms;
        if (p->acted_ms > acted_ms && p->acted_ms >= out_ms) {
            acted_ms = p->acted_ms;
            probed_ms = p->probed_ms;
            acted_stopped = off;
        } else if (!acted_ms && p->probed_ms > probed_ms) {
            probed_ms = p->probed_ms;
        }
    }
    if (w->options.services && is_back_as_a_whole(w, line))
        return stopped || newest_ms >= (acted_ms > out_ms ? acted_ms : out_ms);
    if (o->restored)
        return any; /* an old copy drains what was back, and cannot know of acts on the other pool
                     */
    return (acted_ms ? acted_stopped : stopped) ||
           probed_ms >= (acted_ms > out_ms ? acted_ms : out_ms);
}

void oracle_ready(struct world *w, int line, bool ours, bool foreign)
{
    w->oracle->servers[line].kept_out = false;
    if (ours)
        oracle_hold_ready(w, line);
    if (foreign && !ours && !w->oracle->restored)
        world_violate(w, "%s: somebody else drained it, and we put it back", w->iis[line].name);
    if (!oracle_is_cloned(w, line) && ours && !is_proved(w, line))
        world_violate(w, "%s: put back, and no probe passed since it was taken out",
                      w->iis[line].name);
}

/* ---- what runs ---- */

void oracle_called(struct world *w, int unit, const struct call *call, enum verb verb)
{
    bool stops = call->kind == CALL_STOP || (call->kind == CALL_SET_AUTOSTART && !call->on);
    if (stops || call->kind == CALL_START)
        w->oracle->pools[unit].off_by_us = stops && verb == VERB_STOP;
}

bool oracle_should_run(const struct world *w, int unit)
{
    return !w->oracle->pools[unit].off_by_us;
}

/* A pool stands still only if somebody said so: we by order, others by themselves. */
static void check_running(struct world *w)
{
    for (size_t i = 0; i < w->servers * w->pools; i++) {
        int unit = world_unit_at((int)(i / w->pools), i % w->pools);
        const struct iis *s = world_iis(w, unit);
        if (s->killed_off)
            world_violate(w, "%s: rapid-fail protection stopped its pool after our own kill",
                          world_unit_name(w, unit));
        else if (s->pool.state == POOL_STATE_STOPPED && !s->off_by_others &&
                 !w->oracle->pools[unit].off_by_us)
            world_violate(w, "%s: its pool is stopped, and nobody asked for that",
                          world_unit_name(w, unit));
    }
}

/* ---- after every event ---- */

static bool is_out_by_act(struct world *w, int unit)
{
    struct pool_seen *p = &w->oracle->pools[unit];
    struct iis *s = world_iis(w, unit);
    const struct iis_worker *worker = p->out_by_act ? iis_serving(s, w->now_ms) : NULL;
    if (worker && worker->status == 200 && worker->created_ms >= p->acted_ms)
        p->out_by_act = false;
    return p->out_by_act && !iis_serves(s, w->now_ms);
}

/* What we took out of a group is never more than its budget, at no moment. */
static void check_budget(struct world *w, const struct group *g)
{
    struct oracle *o = w->oracle;
    size_t out = 0;
    char names[200] = "";
    for (size_t i = 0; i < w->servers; i++) {
        if (!group_has(g, i))
            continue;
        const struct server_seen *seen = &o->servers[i];
        bool by_act = false;
        for (size_t k = 0; k < w->pools; k++)
            by_act = is_out_by_act(w, world_unit_at((int)i, k)) || by_act;
        if (!by_act && !(w->lb.lines[i].ours && seen->taken))
            continue;
        out++;
        size_t len = strlen(names);
        text_format(names + len, sizeof(names) - len, " %s%s", w->iis[i].name,
                    by_act ? " (by our act)" : " (drained)");
    }
    if (out > g->max_out && !o->restored)
        world_violate(w, "the budget of %s is %u, and we took out%s", g->name, (unsigned)g->max_out,
                      names);
}

static void note_outs(struct world *w)
{
    for (size_t i = 0; i < w->servers; i++) {
        struct server_seen *seen = &w->oracle->servers[i];
        bool well = w->lb.lines[i].admin == BALANCER_READY && w->lb.lines[i].up;
        if (well != seen->well)
            seen->changed_ms = w->now_ms;
        seen->well = well;
        for (size_t k = 0; k < w->pools; k++) {
            const struct pool *p = &world_iis(w, world_unit_at((int)i, k))->pool;
            if (p->state != POOL_STATE_STARTED && !p->auto_start)
                seen->purpose_ms = w->now_ms;
        }
        seen->unwell_ms = well ? seen->unwell_ms : w->now_ms;
    }
    if (w->now_ms < w->lb.down_until_ms)
        w->oracle->lb_away_ms = w->lb.down_until_ms;
    if (w->loss_permille + w->late_permille > 0)
        w->oracle->net_bad_ms = w->now_ms;
}

void oracle_look(struct world *w)
{
    note_outs(w);
    for (size_t i = 0; i < w->groups.count; i++)
        check_budget(w, &w->groups.all[i]);
    check_running(w);
    oracle_services_look(w);
    oracle_look_at_stores(w);
    oracle_check_owners(w);
    oracle_check_waiting(w);
    oracle_check_forgotten(w);
    oracle_hold_look(w);
}

void oracle_end(struct world *w)
{
    if (w->people_done)
        return;
    for (int k = 0; k < CENTRES_MAX; k++)
        oracle_tell_open(w, k);
    if (!w->violation[0])
        world_violate(w, "nothing breaks any more, but not everything came to its end");
}
