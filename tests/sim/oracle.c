/* oracle.c - see oracle.h: what is judged as it happens. The store's side is in oracle_store.c. */
#include "tests/sim/oracle_impl.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/vfs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct oracle *oracle_new(void)
{
    struct oracle *o = must_alloc(1, sizeof(*o));
    for (size_t i = 0; i < UNITS_MAX; i++)
        o->lines[i].well = true;
    return o;
}

void oracle_free(struct oracle *o)
{
    if (!o)
        return;
    free(o->orders);
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
    for (size_t i = 0; i < w->oracle->order_count; i++)
        sum += w->oracle->orders[i].unit == unit ? w->oracle->orders[i].times : 0;
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

bool oracle_was_well(const struct world *w, int line)
{
    const struct line_seen *seen = &w->oracle->lines[line];
    return seen->well && w->now_ms >= seen->unwell_ms + EVIDENCE_MS &&
           !oracle_services_down_lately(w, world_machine(line));
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

void oracle_heard(struct world *w, int centre, const struct agent_message *m, int server)
{
    server = world_server(w, server);
    struct server_seen *seen = &w->oracle->servers[server];
    oracle_gate_heard(w, centre, m, server);
    if (m->kind == AGENT_REPORT)
        seen->reported_ms[centre] = w->now_ms;
    if (m->kind != AGENT_RESULT)
        return;
    struct order *a = oracle_order(w->oracle, server, &m->result.id, true);
    bool ended = m->result.outcome != OUTCOME_RUNNING && m->result.outcome != OUTCOME_NONE;
    if (ended && !a->heard_ms[centre])
        a->heard_ms[centre] = w->now_ms;
    if (m->result.outcome == OUTCOME_NOTHING)
        a->nothing |= 1u << centre;
}

void oracle_resolved(struct world *w, int centre, uint64_t run, int server, bool not_executed)
{
    const struct view *v = oracle_view(w, centre);
    for (size_t i = 0; v && i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        if (t->run != run || t->server != server || !text_equal(t->state, "unknown") ||
            oracle_hold_has_word(w, centre, t))
            continue;
        if (view_by_others(t->action)) { /* nothing was ordered: they have it no more */
            oracle_given_back(w, centre, run, server);
            return;
        }
        struct order *a = oracle_order(w->oracle, server, &t->command, true);
        unsigned bit = 1u << centre;
        a->unit = t->unit; /* it may never have left */
        a->run = run;
        a->known |= bit;
        a->person |= bit;
        a->person_ms = w->now_ms;
        a->unexecuted |= not_executed ? bit : 0;
        return;
    }
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

static void note_line(struct world *w, int line)
{
    struct line_seen *seen = &w->oracle->lines[line];
    bool well = lb_is_serving(&w->lb.lines[line]);
    if (well != seen->well)
        seen->changed_ms = w->now_ms;
    seen->well = well;
    seen->unwell_ms = well ? seen->unwell_ms : w->now_ms;
}

static void note_purpose(struct world *w, int unit)
{
    const struct pool *p = &world_iis(w, unit)->pool;
    if (p->state == POOL_STATE_STARTED || p->auto_start)
        return;
    w->oracle->lines[lb_line_of(w, unit)].purpose_ms = w->now_ms;
    if (p->state == POOL_STATE_STOPPED)
        w->oracle->pools[unit].off_ms = w->now_ms;
}

static void note_outs(struct world *w)
{
    for (int i = 0; i < (int)w->servers; i++) {
        for (size_t b = 0; b < lb_backends(w); b++)
            note_line(w, world_unit_at(i, b));
        for (size_t k = 0; k < w->pools; k++)
            note_purpose(w, world_unit_at(i, k));
    }
    if (w->now_ms < w->lb.down_until_ms)
        w->oracle->lb_away_ms = w->lb.down_until_ms;
    if (w->loss_permille + w->late_permille > 0)
        w->oracle->net_bad_ms = w->now_ms;
}

void oracle_look(struct world *w)
{
    note_outs(w);
    check_running(w);
    oracle_services_look(w);
    oracle_look_at_stores(w);
    oracle_owner_look(w);
    oracle_check_waiting(w);
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
