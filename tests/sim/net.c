/* net.c - see world.h: what lies between agents and coordinators. A send always "succeeds". */
#include "common/must.h"
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

struct letter {
    struct net_return ret;
    int centre;
    size_t len;
    unsigned char bytes[];
};

static uint64_t delay(struct world *w)
{
    if (rng_chance(&w->net, w->late_permille))
        return rng_between(&w->net, 300, 14000);
    return rng_between(&w->net, 1, 15);
}

static void post(struct world *w, due_fn *fn, const struct net_return *ret, int centre,
                 const void *bytes, size_t len)
{
    struct letter *l = must_alloc(1, sizeof(*l) + len);
    l->ret = *ret;
    l->centre = centre;
    l->len = len;
    memcpy(l->bytes, bytes, len);
    if (!rng_chance(&w->net, w->loss_permille))
        world_at(w, w->now_ms + delay(w), fn, ret->node, 0, l, sizeof(*l) + len);
    if (rng_chance(&w->net, w->double_permille))
        world_at(w, w->now_ms + delay(w), fn, ret->node, 0, l, sizeof(*l) + len);
    free(l);
}

static bool pipe_carries(const struct world *w, int node, uint32_t id)
{
    const struct net_pipe *p = &w->pipes[node];
    return p->id == id && id != 0 && !p->dead;
}

/* ---- agent to coordinator ---- */

static void arrive_at_centre(struct world *w, const struct due *d)
{
    const struct letter *l = d->data;
    if (!w->pipes[l->ret.node].dead || w->pipes[l->ret.node].id != l->ret.pipe)
        centre_hear(w, l->centre, &l->ret, l->bytes, l->len);
}

void net_send(struct world *w, int node, int channel, uint64_t token, const void *bytes, size_t len)
{
    const struct net_pipe *p = &w->pipes[node];
    const struct net_return ret = {.node = node, .channel = channel, .pipe = p->id, .token = token};
    if (pipe_carries(w, node, p->id))
        post(w, arrive_at_centre, &ret, p->centre, bytes, len);
}

/* ---- coordinator to agent ---- */

static void arrive_at_node(struct world *w, const struct due *d)
{
    const struct letter *l = d->data;
    if (pipe_carries(w, l->ret.node, l->ret.pipe))
        node_answer(w, l->ret.node, l->ret.channel, l->ret.token, l->bytes, l->len);
}

void net_reply(struct world *w, int centre, const struct net_return *to, const void *bytes,
               size_t len)
{
    if (pipe_carries(w, to->node, to->pipe))
        post(w, arrive_at_node, to, centre, bytes, len);
}

/* ---- pipes come and go ---- */

static void dial(struct world *w, const struct due *d)
{
    struct net_pipe *p = &w->pipes[d->who];
    if (p->id != 0 || p->tries != d->arg || !node_up(w->nodes[d->who]))
        return;
    int centre = centre_up(w->centres[1]) ? (int)rng_between(&w->net, 0, 1) : 0;
    if (!centre_up(w->centres[centre])) {
        net_dial(w, d->who, rng_between(&w->net, 500, 2500));
        return;
    }
    *p = (struct net_pipe){.id = ++w->next_pipe, .centre = centre, .tries = p->tries};
    node_link(w, d->who, true);
}

void net_dial(struct world *w, int node, uint64_t in_ms)
{
    world_at(w, w->now_ms + in_ms, dial, node, ++w->pipes[node].tries, NULL, 0);
}

static void gone(struct world *w, const struct due *d)
{
    centre_gone(w, d->who, (uint32_t)d->arg);
}

/* The coordinator hears of it, late perhaps, or (over TLS) never does. */
static void lose_pipe(struct world *w, int node)
{
    struct net_pipe *p = &w->pipes[node];
    uint64_t late_ms = rng_chance(&w->net, 200) ? rng_between(&w->net, 500, 25000) : delay(w);
    if (p->id && !p->dead && rng_chance(&w->net, 600))
        world_at(w, w->now_ms + late_ms, gone, p->centre, p->id, NULL, 0);
    p->id = 0;
    p->dead = false;
}

void net_hang_up(struct world *w, int node)
{
    lose_pipe(w, node);
    net_dial(w, node, rng_between(&w->net, 200, 1500));
}

static void reset(struct world *w, const struct due *d)
{
    if (w->pipes[d->who].id != d->arg)
        return;
    lose_pipe(w, d->who);
    node_link(w, d->who, false);
    net_dial(w, d->who, rng_between(&w->net, 200, 1500));
}

void net_drop_all(struct world *w, int centre)
{
    for (size_t i = 0; i < w->machines; i++)
        if (w->pipes[i].id && w->pipes[i].centre == centre && !w->pipes[i].dead)
            world_at(w, w->now_ms + delay(w), reset, (int)i, w->pipes[i].id, NULL, 0);
}

void net_close(struct world *w, uint32_t pipe)
{
    for (size_t i = 0; i < w->machines; i++)
        if (w->pipes[i].id == pipe && !w->pipes[i].dead)
            world_at(w, w->now_ms + delay(w), reset, (int)i, pipe, NULL, 0);
}

void net_cut(struct world *w, int node)
{
    if (w->pipes[node].id) {
        world_say(w, "net: the pipe of %s is dead, nobody is told", w->iis[node].name);
        w->pipes[node].dead = true;
    }
}
