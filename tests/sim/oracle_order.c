/* oracle_order.c - see oracle.h: an agent begins only what a coordinator has given to its journal,
 * under no lower fence than it has named, and in time: a command is good for so long after the
 * agent sent the listen that it answers, by the clock of its own machine.
 */
#include "tests/sim/oracle_impl.h"

#include <inttypes.h>

void oracle_order_listen(struct world *w, int machine, uint64_t listen_no, uint64_t clock_ms)
{
    struct server_seen *s = &w->oracle->servers[machine];
    size_t at = s->listen_count++ % LISTENS_KEPT;
    s->listens[at].no = listen_no;
    s->listens[at].at_ms = clock_ms;
}

void oracle_order_given(struct world *w, int machine, const struct command *command)
{
    struct server_seen *s = &w->oracle->servers[machine];
    s->given[s->given_count++ % GIVEN_KEPT] = (struct given){.id = command->id,
                                                             .incarnation = command->incarnation,
                                                             .listen_no = command->listen_no,
                                                             .expires_ms = command->expires_ms};
}

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
    oracle_act(w->oracle, run, unit, true)->begun_ms = w->now_ms;
}
