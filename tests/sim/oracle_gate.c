/* oracle_gate.c - see oracle.h: every gate is passed on answers to questions that were asked after
 * it had opened, of the machine's last boot that the coordinator knew of; and a server is taken on
 * fresh ones. Judged by the messages alone: the nonce of the question that left, and the answer
 * that came.
 */
#include "tests/sim/oracle_impl.h"

#include "common/text.h"

#include <inttypes.h>

#define GATE_PASSES    2     /* as centre.c sets it */
#define BELATED_MS     3000  /* a store that failed is tried again by then */
#define CLOCK_AGAIN_MS 15000 /* everybody was heard of again by then */

void oracle_gate_sent(struct world *w, int centre, const struct command *command, int server)
{
    struct observed *o = &w->oracle->servers[server].observed[centre];
    size_t at = o->asked_no++ % ASKED_KEPT;
    o->asked[at].nonce = command->nonce;
    o->asked[at].at_ms = w->now_ms;
    o->asked[at].unit = world_unit(server, command->pool);
}

/* The first time it was asked; 0: never. *unit: about which pool. */
static uint64_t asked_ms(const struct observed *o, const struct wire_id *nonce, int *unit)
{
    uint64_t first_ms = 0;
    for (size_t i = 0; i < ASKED_KEPT; i++)
        if (wire_id_equal(&o->asked[i].nonce, nonce) && !wire_id_is_zero(nonce) &&
            (!first_ms || o->asked[i].at_ms < first_ms)) {
            first_ms = o->asked[i].at_ms;
            *unit = o->asked[i].unit;
        }
    return first_ms;
}

static void hear_boot(struct observed *o, const struct wire_id *boot)
{
    if (!o->heard_any)
        o->former_boot = o->boot = *boot;
    o->heard_any = true;
    if (wire_id_equal(&o->boot, boot))
        return;
    if (wire_id_equal(&o->former_boot, boot))
        o->two_machines = true;
    o->former_boot = o->boot;
    o->boot = *boot;
}

void oracle_gate_forget(struct world *w, int centre)
{
    for (size_t i = 0; i < w->servers; i++) {
        struct observed *o = &w->oracle->servers[i].observed[centre];
        o->heard_any = false; /* what it has saved of late was judged by what it knew then */
    }
    for (size_t i = 0; i < UNITS_MAX; i++)
        w->oracle->lines[i].told[centre].place_ms = 0;
}

/* That two machines spoke stands in the copy, or is not known there. */
void oracle_gate_meet_copy(struct world *w, int centre)
{
    for (size_t i = 0; i < w->servers; i++) {
        struct observed *all = w->oracle->servers[i].observed;
        all[centre].two_machines =
            all[0].two_machines && w->oracle->stores[centre].view.servers[i].blocked;
    }
}

void oracle_released(struct world *w, int centre, int server)
{
    struct observed *o = &w->oracle->servers[server].observed[centre];
    o->two_machines = false;
    o->former_boot = (struct wire_id){{0}};
}

/* All its pools were stopped on purpose: as a whole it has nothing to prove. */
static bool nothing_is_to_run(struct world *w, int server)
{
    for (size_t k = 0; k < w->pools; k++) {
        const struct pool *p = &world_iis(w, world_unit_at(server, k))->pool;
        if (p->state != POOL_STATE_STOPPED || p->auto_start)
            return false;
    }
    return true;
}

void oracle_gate_heard(struct world *w, int centre, const struct agent_message *m, int server)
{
    struct observed *o = &w->oracle->servers[server].observed[centre];
    hear_boot(o, &m->boot);
    if (m->kind != AGENT_OBSERVATION)
        return;
    const struct observation *seen = &m->observation;
    size_t at = o->seen_no++ % SEEN_KEPT;
    o->seen[at].boot = m->boot;
    o->seen[at].asked_ms = asked_ms(o, &seen->nonce, &o->seen[at].unit);
    o->seen[at].heard_ms = w->now_ms;
    o->seen[at].told = seen->cause == CAUSE_NONE && o->seen[at].asked_ms != 0;
    o->seen[at].good = seen->cause == CAUSE_NONE &&
                       (seen->probe_passed || (!seen->probed && nothing_is_to_run(w, server)));
    o->seen[at].stopped = seen->cause == CAUSE_NONE && seen->pool.state == POOL_STATE_STOPPED;
}

void oracle_read_place(struct world *w, int centre, int line, bool for_run, bool out)
{
    struct line_seen *seen = &w->oracle->lines[line];
    seen->told[centre].read_ms = for_run ? w->now_ms : seen->told[centre].read_ms;
    seen->told[centre].place_ms = w->now_ms;
    seen->told[centre].place_out = out;
}

/* Since when is it known where the target stands in rotation: the oldest of its lines. */
static uint64_t read_ms(const struct world *w, int centre, const struct view_target *t)
{
    uint64_t oldest_ms = UINT64_MAX;
    for (size_t b = 0; b < lb_backends(w); b++) {
        int line = world_unit_at(t->server, b);
        uint64_t at_ms = w->oracle->lines[line].told[centre].read_ms;
        if (oracle_covers(w, t, line) && at_ms < oldest_ms)
            oldest_ms = at_ms;
    }
    return oldest_ms;
}

/* A clock that stood still makes old what could not be known to be. */
static bool tells_time(const struct world *w, int centre)
{
    uint64_t unclocked_ms = w->oracle->stores[centre].unclocked_ms;
    return !unclocked_ms || w->now_ms > unclocked_ms + CLOCK_AGAIN_MS;
}

void oracle_gate_taken(struct world *w, int centre, const struct view_target *t)
{
    const struct observed *o = &w->oracle->servers[t->server].observed[centre];
    uint64_t told_ms = 0;
    w->oracle->pools[t->unit].taken_ms[centre] = w->now_ms;
    for (size_t i = 0; i < SEEN_KEPT; i++)
        if (o->seen[i].told && o->seen[i].unit == t->unit && o->seen[i].heard_ms > told_ms)
            told_ms = o->seen[i].heard_ms;
    if (!tells_time(w, centre) || w->oracle->stores[centre].reopened)
        return;
    if (w->now_ms > told_ms + EVIDENCE_MS)
        world_violate(w, "%s is taken on what its agent has said %" PRIu64 " ms ago",
                      w->iis[t->server].name, w->now_ms - told_ms);
    if (w->now_ms > read_ms(w, centre, t) + EVIDENCE_MS)
        world_violate(w, "%s is taken on what the balancer has said %" PRIu64 " ms ago",
                      w->iis[t->server].name, w->now_ms - read_ms(w, centre, t));
}

/* When the way to the gate was free: the act's end was heard, a person settled it (whatever is
 * heard of it after that), or (nothing was to be done) the server was taken. */
static uint64_t opened_ms(const struct world *w, int centre, const struct view_target *t)
{
    const struct order *a = oracle_order_of(w->oracle, t);
    uint64_t at_ms = w->oracle->pools[t->unit].taken_ms[centre];
    if (a && a->person >> centre & 1 && a->person_ms > a->begun_ms)
        return a->person_ms;
    return a && a->heard_ms[centre] > at_ms ? a->heard_ms[centre] : at_ms;
}

void oracle_gate_passed(struct world *w, int centre, const struct view_target *t)
{
    const struct observed *o = &w->oracle->servers[t->server].observed[centre];
    /* Passed while the store could not write, and saved when it could again: boots since then are
     * news. */
    bool belated = w->oracle->stores[centre].failed_ms + BELATED_MS > w->now_ms;
    uint64_t since_ms = opened_ms(w, centre, t);
    uint64_t back_ms = oracle_hold_gate_ms(w, centre, t);
    since_ms = back_ms > since_ms ? back_ms : since_ms;
    bool stops = text_equal(t->action, "stop") && !t->act_failed;
    size_t good = 0;
    if (text_equal(t->action, "quarantine") && !t->act_failed)
        return; /* it stays out and is asked for nothing */
    for (size_t i = 0; i < SEEN_KEPT; i++)
        good += (stops ? o->seen[i].stopped : o->seen[i].good) && o->seen[i].unit == t->unit &&
                o->seen[i].asked_ms >= since_ms &&
                (wire_id_equal(&o->seen[i].boot, &o->boot) ||
                 (belated && wire_id_equal(&o->seen[i].boot, &o->former_boot)));
    if (good < GATE_PASSES)
        world_violate(w,
                      "%s is %s on %zu good answers of this boot to what was asked since its gate"
                      " opened at %" PRIu64 " ms",
                      w->iis[t->server].name, t->state, good, since_ms);
}
