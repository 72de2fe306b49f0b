/* oracle_order.c - see oracle.h: what was ordered. An agent begins only what a coordinator has
 * given to its journal, under no lower fence than it has named, for that pool and run, and in time:
 * a command is good for so long after the agent sent the listen that it answers, by the clock of
 * its own machine. And it is carried out once; of a run's target one, as far as a store can know.
 */
#include "tests/sim/oracle_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

/* The baseline is looked up so long before the act is begun, at most: who came later than that is
 * not of it. */
#define LOOK_MS 700

struct order *oracle_order(struct oracle *o, int machine, const struct command_id *id, bool make)
{
    for (size_t i = o->order_count; i-- > 0;)
        if (o->orders[i].machine == machine && command_id_equal(&o->orders[i].id, id))
            return &o->orders[i];
    if (!make)
        return NULL;
    o->orders = must_realloc(o->orders, o->order_count + 1, sizeof(*o->orders));
    o->orders[o->order_count] = (struct order){.id = *id, .machine = machine, .unit = -1};
    return &o->orders[o->order_count++];
}

struct order *oracle_order_of(struct oracle *o, const struct view_target *t)
{
    return t->command.seq ? oracle_order(o, t->server, &t->command, false) : NULL;
}

/* ---- on the wire ---- */

void oracle_order_listen(struct world *w, int machine, uint64_t listen_no, uint64_t clock_ms)
{
    struct server_seen *s = &w->oracle->servers[machine];
    size_t at = s->listen_count++ % LISTENS_KEPT;
    s->listens[at].no = listen_no;
    s->listens[at].at_ms = clock_ms;
}

void oracle_order_given(struct world *w, int centre, int machine, const struct command *command)
{
    struct oracle *o = w->oracle;
    struct server_seen *s = &o->servers[machine];
    s->given[s->given_count++ % GIVEN_KEPT] = (struct given){.id = command->id,
                                                             .incarnation = command->incarnation,
                                                             .listen_no = command->listen_no,
                                                             .expires_ms = command->expires_ms};
    if (command->verb == VERB_OBSERVE || command->verb == VERB_QUERY)
        return;
    /* A clone's commands are its server's as well: nobody can tell. */
    for (int at = machine;; at = world_server(w, machine)) {
        struct order *a = oracle_order(o, at, &command->id, true);
        a->unit = world_unit(at, command->pool);
        a->run = command->run;
        a->known |= 1u << centre;
        if (at == world_server(w, machine))
            return;
    }
}

/* ---- in the agent ---- */

static bool is_in_time(const struct server_seen *s, const struct given *g, uint64_t clock_ms)
{
    for (size_t i = 0; i < LISTENS_KEPT; i++)
        if (s->listens[i].no == g->listen_no && g->listen_no != 0)
            return clock_ms < s->listens[i].at_ms + g->expires_ms;
    return false;
}

void oracle_begun(struct world *w, int unit, const struct command_id *id, uint64_t run,
                  uint64_t clock_ms)
{
    const struct server_seen *s = &w->oracle->servers[world_machine(unit)];
    const char *name = world_unit_name(w, unit);
    struct order *a = oracle_order(w->oracle, world_machine(unit), id, true);
    bool given = false, own = false, in_time = false;
    for (size_t i = 0; i < GIVEN_KEPT; i++) {
        const struct given *g = &s->given[i];
        if (!command_id_equal(&g->id, id))
            continue;
        given = true;
        own = own || wire_id_equal(&g->incarnation, &s->incarnation);
        in_time = in_time || is_in_time(s, g, clock_ms);
    }
    if (id->fence.number < s->said_fence)
        world_violate(w, "%s: it begins a command under fence %" PRIu64 ", and has said %" PRIu64,
                      name, id->fence.number, s->said_fence);
    if (id->fence.number == s->said_fence && !wire_id_equal(&id->fence.instance, &s->said_instance))
        world_violate(w, "%s: it begins a command of another instance of fence %" PRIu64, name,
                      id->fence.number);
    if (!given)
        world_violate(w, "%s: it begins a command that nobody gave it", name);
    else if (!own)
        world_violate(w, "%s: it begins a command that was given to another journal", name);
    else if (!in_time)
        world_violate(w, "%s: it begins a command whose time is over", name);
    else if (a->unit != unit || a->run != run)
        world_violate(w, "%s: it begins what was ordered of another pool or run", name);
    a->begun_ms = w->now_ms;
}

void oracle_before_act(struct world *w, int unit, const struct command_id *id)
{
    struct iis *s = world_iis(w, unit);
    struct order *a = oracle_order(w->oracle, world_machine(unit), id, true);
    iis_now(s, w->now_ms);
    a->tried = true;
    a->acted_ms = w->now_ms;
    a->proved = false;
    a->before_count = 0;
    for (size_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].created_ms + LOOK_MS <= a->begun_ms)
            a->before[a->before_count++] = s->workers[i];
}

/* How often one run acted on a pool, by the orders that this store has; and how often it might. */
static void check_once(struct world *w, int centre, const struct order *of)
{
    const struct oracle *o = w->oracle;
    uint32_t times = 0, may = 1;
    for (size_t i = 0; i < o->order_count; i++) {
        const struct order *a = &o->orders[i];
        if (a->run != of->run || a->unit != of->unit || !(a->known >> centre & 1))
            continue;
        times += a->times;
        may += a->unexecuted >> centre & 1;
    }
    if (times > may && !oracle_is_cloned(w, of->machine))
        world_violate(w, "%s: run %" PRIu64 " acted on it %u times", world_unit_name(w, of->unit),
                      of->run, times);
}

void oracle_acted(struct world *w, int unit, const struct command_id *id, uint64_t run,
                  enum verb verb)
{
    struct oracle *o = w->oracle;
    int machine = world_machine(unit);
    struct server_seen *seen = &o->servers[machine];
    struct order *a = oracle_order(o, machine, id, true);
    const char *name = world_unit_name(w, unit);
    o->act_total++;
    if (id->seq == 0)
        world_violate(w, "%s: a disruptive act that no journal knows as begun", name);
    if (a->times++)
        world_violate(w, "%s: command %" PRIu64 "/%" PRIu64 " was carried out twice", name,
                      id->fence.number, id->seq);
    if (a->unit != unit || a->run != run)
        world_violate(w, "%s: run %" PRIu64 " acts on it, and has ordered that of something else",
                      name, run);
    for (int k = 0; k < CENTRES_MAX; k++)
        if (a->known >> k & 1)
            check_once(w, k, a);
    if (id->fence.number < seen->act_fence)
        world_violate(w, "%s: an act under fence %" PRIu64 " after one under %" PRIu64, name,
                      id->fence.number, seen->act_fence);
    seen->act_fence = id->fence.number;
    struct pool_seen *p = &o->pools[unit];
    p->acted_ms = w->now_ms;
    p->out_id = *id;
    int line = lb_line_of(w, unit);
    /* Out already, by others' doing: we took nothing. */
    p->out_by_act = (verb == VERB_RECYCLE || verb == VERB_WORKER_KILL) &&
                    (w->lb.lines[line].ours ? o->lines[line].taken : oracle_was_well(w, line));
}

static bool was_before(const struct order *a, const struct iis_worker *worker)
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
    for (size_t i = 0; worker && i < o->order_count; i++) {
        struct order *a = &o->orders[i];
        if (a->unit == unit && a->tried && asked_ms >= a->acted_ms && !was_before(a, worker))
            a->proved = true;
    }
}

/* ---- a store becomes another one ---- */

static bool has_command(const struct world *w, struct store_seen *s, const struct order *a)
{
    sqlite3_stmt *q = s->statements[Q_HAS_COMMAND];
    const struct fence *f = &a->id.fence;
    sqlite3_bind_text(q, 1, w->iis[world_server(w, a->machine)].name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)f->number);
    sqlite3_bind_blob(q, 3, f->instance.bytes, sizeof(f->instance.bytes), SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, (sqlite3_int64)a->id.seq);
    bool found = sqlite3_step(q) == SQLITE_ROW;
    sqlite3_reset(q);
    return found;
}

/* It stands there as ordered, and nothing has been heard of it yet. */
static bool awaits(const struct view *v, const struct order *a)
{
    for (size_t i = 0; i < v->target_count; i++) {
        const struct view_target *t = &v->targets[i];
        if (t->server == a->machine && command_id_equal(&t->command, &a->id))
            return text_equal(t->state, "acting") || text_equal(t->state, "unknown");
    }
    return false;
}

void oracle_order_meet_copy(struct world *w, int centre)
{
    struct store_seen *s = &w->oracle->stores[centre];
    unsigned bit = 1u << centre;
    for (size_t i = 0; i < w->oracle->order_count; i++) {
        struct order *a = &w->oracle->orders[i];
        bool has = has_command(w, s, a);
        if (centre > 0) { /* what the first one has been told stands in the copy as well */
            a->person |= (a->person & 1) << centre;
            a->unexecuted |= (a->unexecuted & 1) << centre;
            a->nothing |= (a->nothing & 1) << centre;
            a->heard_ms[centre] = a->heard_ms[0];
        }
        a->known = has ? a->known | bit : a->known & ~bit;
        if (has && !awaits(&s->view, a))
            continue;
        a->person &= ~bit;
        a->unexecuted &= ~bit;
        a->nothing &= ~bit;
        a->heard_ms[centre] = 0;
    }
}
