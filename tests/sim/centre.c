/* centre.c - see world.h: one coordinator, as its shell would run it.
 *
 * A crash inside a call of the brain cannot unwind it. Instead the process is *dying* from that
 * moment on: its disk takes nothing more, nothing that it says leaves, and it is closed as soon as
 * the call returns. For the world outside that is the same.
 */
#include "common/must.h"
#include "common/text.h"
#include "proto/codec.h"
#include "tests/sim/centre_impl.h"
#include "tests/sim/oracle.h"
#include "tests/sim/vfs.h"

#include <stdlib.h>
#include <string.h>

#define RESTART_MIN_MS 1000
#define RESTART_MAX_MS 5000
#define SILENT_MS      12000
#define SETTLE_MS      3000
#define TURN_MS        1000

/* Rules in auto, with spans that fit into a history of minutes. */
static const struct remedy_rule remedies[] = {
    {.name = "sick",
     .servers = "all",
     .pools = "*",
     .window = "",
     .conditions = {{.fact = FACT_PROBE, .more_than = 2}},
     .condition_count = 1,
     .for_ms = 8000,
     .samples_of = 2,
     .samples_in = 3,
     .rungs = {{REMEDY_RECYCLE, 30000}, {REMEDY_KILL_WORKER, 30000}, {REMEDY_QUARANTINE, 30000}},
     .rung_count = 3,
     .mode = REMEDY_AUTO,
     .quarantine_ms = 20000,
     .common_cause = {40, true}},
    {.name = "stopped",
     .servers = "all",
     .pools = "*",
     .window = "",
     .conditions = {{.fact = FACT_POOL}},
     .condition_count = 1,
     .for_ms = 8000,
     .samples_of = 2,
     .samples_in = 3,
     .rungs = {{REMEDY_START, 15000}, {REMEDY_START, 15000}, {REMEDY_CALL, 0}},
     .rung_count = 3,
     .mode = REMEDY_AUTO,
     .common_cause = {100, true}},
    {.name = "leak",
     .servers = "all",
     .pools = "*",
     .window = "",
     .conditions = {{.fact = FACT_MEMORY, .more_than = 1000000}},
     .condition_count = 1,
     .for_ms = 8000,
     .samples_of = 2,
     .samples_in = 3,
     .rungs = {{REMEDY_RECYCLE, 30000}},
     .rung_count = 1,
     .mode = REMEDY_AUTO,
     .common_cause = {40, true}},
    {.name = "dead", /* with --services alone, as the rung before the last of "sick" */
     .servers = "all",
     .pools = "*",
     .window = "",
     .conditions = {{.fact = FACT_SERVICES}},
     .condition_count = 1,
     .of_server = true,
     .for_ms = 4000,
     .samples_of = 2,
     .samples_in = 3,
     .rungs = {{REMEDY_RECOVER_SERVICES, 60000},
               {REMEDY_RECOVER_SERVICES, 60000},
               {REMEDY_CALL, 0}},
     .rung_count = 3,
     .mode = REMEDY_AUTO,
     .common_cause = {100, true}},
};
static const struct remedy_rung restart_rung = {REMEDY_RESTART_SERVICES, 60000};
#define REMEDIES (sizeof(remedies) / sizeof(remedies[0]))
_Static_assert(REMEDIES <= REMEDIES_MAX, "there is room for them");

uint64_t centre_clock(const struct centre *c)
{
    return c->world->now_ms - c->stopped_ms;
}

static int64_t wall(const struct centre *c)
{
    return WALL_ZERO + (int64_t)c->world->now_ms + c->wall_ms;
}

int64_t centre_wall_ms(const struct centre *c)
{
    return wall(c);
}

bool centre_up(const struct centre *c)
{
    return c && c->brain;
}

const char *centre_disk(const struct centre *c)
{
    return c->disk;
}

/* ---- ports ---- */

/* True: the process is dead, whatever the brain believes. */
static bool step(struct centre *c)
{
    if (!c->dying && world_step(c->world, ACTOR_CENTRE, c->index))
        centre_dies_now(c->world, c->index);
    return c->dying;
}

static void port_reply(void *ctx, const struct coordinator_peer *to,
                       const struct coordinator_message *message)
{
    struct centre *c = ctx;
    struct net_return ret;
    struct error err = {0};
    uint8_t *bytes;
    size_t len;
    if (step(c))
        return;
    memcpy(&ret, to->bytes, sizeof(ret));
    if (codec_encode_coordinator(message, &bytes, &len, &err) != ERR_NONE) {
        world_violate(c->world, "a coordinator says what does not fit the wire: %s", err.text);
        return;
    }
    if (message->kind == COORDINATOR_COMMAND && verb_is_disruptive(message->command.verb))
        world_say(c->world, "c%d: -> %s: %s, command %u/%u", c->index, c->world->iis[ret.node].name,
                  verb_name(message->command.verb), (unsigned)message->command.id.fence.number,
                  (unsigned)message->command.id.seq);
    oracle_sent(c->world, c->index, message, ret.node);
    net_reply(c->world, c->index, &ret, bytes, len);
    free(bytes);
}

static void port_close_pipe(void *ctx, uint32_t pipe)
{
    struct centre *c = ctx;
    if (!step(c))
        net_close(c->world, pipe);
}

static bool port_balancer(void *ctx, const struct balancer_request *request)
{
    struct centre *c = ctx;
    if (request->may_be_ms == 0) /* what the round gets may be old */
        c->run_tickets[c->ticket_count++ % TICKETS_KEPT] = request->ticket;
    if (!step(c))
        lb_ask(c->world, c->index, c->life, request);
    return true;
}

static size_t port_map(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                       size_t max)
{
    struct centre *c = ctx;
    return lb_map(c->world, server, pool, out, max);
}

static void port_random(void *ctx, struct wire_id *out)
{
    struct centre *c = ctx;
    for (size_t i = 0; i < sizeof(out->bytes); i++)
        out->bytes[i] = (uint8_t)rng_next(&c->world->ids);
}

static void port_event(void *ctx, const struct event *e)
{
    struct centre *c = ctx;
    if (!c->dying)
        world_say(c->world, "c%d: %s %s%s%s%s%s", c->index, e->kind, e->server ? e->server : "",
                  e->server ? " " : "", e->to ? e->to : "", e->to && e->text ? ": " : "",
                  e->text ? e->text : "");
}

/* ---- life ---- */

struct rollout_options centre_defaults(void)
{
    struct rollout_options o = {.batch = 1,
                                .limit_ms = 25000,
                                .drain = true,
                                .drain_limit_ms = 20000,
                                .gate_passes = 2,
                                .gate_min_ms = 400,
                                .gate_deadline_ms = 20000,
                                .gate_interval_ms = 300,
                                .unreachable = UNREACHABLE_WAIT};
    rollout_policies(&o, ON_FAILURE_CONTINUE, 0);
    return o;
}

static void on_time(struct world *w, const struct due *d);

static void plan_time(struct centre *c)
{
    uint64_t now_ms = centre_clock(c);
    uint64_t at_ms = coordinator_wake_ms(c->brain, now_ms);
    at_ms = at_ms < now_ms + TURN_MS ? at_ms : now_ms + TURN_MS;
    at_ms = at_ms > now_ms ? at_ms : now_ms + 1;
    world_at(c->world, at_ms + c->stopped_ms, on_time, c->index, ++c->timer, NULL, 0);
}

static void start(struct world *w, const struct due *d);

static void bury(struct centre *c, const char *why)
{
    struct world *w = c->world;
    world_say(w, "c%d: the coordinator dies: %s", c->index, why);
    if (!c->dying)
        centre_dies_now(w, c->index);
    oracle_detach(w, c->index);
    coordinator_close(c->brain);
    store_close(c->store);
    c->brain = NULL;
    c->store = NULL;
    c->dying = false;
    memset(c->run_tickets, 0, sizeof(c->run_tickets));
    c->life++;
    c->timer++;
    c->crashes++;
    net_drop_all(w, c->index);
    world_at(w, w->now_ms + rng_between(&w->faults, RESTART_MIN_MS, RESTART_MAX_MS), start,
             c->index, c->life, NULL, 0);
}

/* After each call of the brain. */
static void settle(struct centre *c)
{
    if (c->dying || world_step(c->world, ACTOR_CENTRE, c->index))
        bury(c, "in the middle of its work");
}

/* After what comes from outside; time turns plan the next by themselves. */
void centre_after(struct centre *c)
{
    settle(c);
    if (c->brain)
        plan_time(c);
}

void centre_dies_now(struct world *w, int index)
{
    struct centre *c = w->centres[index];
    oracle_look_at_stores(w);
    c->dying = true;
    vfs_crash(c->disk, rng_next(&w->faults));
}

void centre_crash(struct world *w, int index, const char *why)
{
    if (centre_up(w->centres[index]))
        bury(w->centres[index], why);
}

static bool open_store(struct centre *c, struct error *err)
{
    struct store_spec spec = {.path = c->path, .vfs = VFS_NAME, .wall_ms = wall(c)};
    port_random(c, &spec.instance);
    return store_open(&spec, &c->store, &c->fence, err) == ERR_NONE;
}

static const struct remedy_guards guards = {.min_healthy = {CENTRE_HEALTHY_PERCENT, true},
                                            .server_cool_down_ms = 2000,
                                            .max_per_hour = 1000,
                                            .flap_max = 1000,
                                            .flap_ms = 3600000,
                                            .max_age_ms = 20000,
                                            .common_least = 3,
                                            .clear_ms = 2000,
                                            .retry_ms = 5000,
                                            .blocked_alarm_ms = 60000,
                                            .probe_every_ms = 1000};

static void choose_rules(struct centre *c)
{
    for (size_t i = 0; i < REMEDIES; i++) {
        c->rules[i] = remedies[i];
        c->rules[i].mode = c->world->options.remedy_looks ? REMEDY_OBSERVE : REMEDY_AUTO;
    }
    struct remedy_rule *sick = &c->rules[0];
    if (c->world->options.services) {
        sick->rungs[sick->rung_count] = sick->rungs[sick->rung_count - 1];
        sick->rungs[sick->rung_count++ - 1] = restart_rung;
    }
}

static bool open_brain(struct centre *c, struct error *err)
{
    bool remedy = c->world->options.remedy;
    choose_rules(c);
    struct coordinator_spec spec = {.store = c->store,
                                    .fence = c->fence,
                                    .ports = {.ctx = c,
                                              .reply = port_reply,
                                              .close_pipe = port_close_pipe,
                                              .balancer = port_balancer,
                                              .map = port_map,
                                              .random_id = port_random,
                                              .event = port_event},
                                    .silent_after_ms = SILENT_MS,
                                    .settle_ms = SETTLE_MS,
                                    .budget = c->world->groups.rest,
                                    .groups = c->world->groups.rules,
                                    .group_count = c->world->groups.rule_count,
                                    .defaults = centre_defaults(),
                                    .windows = &c->world->hours.windows,
                                    .rules = remedy ? c->rules : NULL,
                                    .rule_count = !remedy                      ? 0
                                                  : c->world->options.services ? REMEDIES
                                                                               : REMEDIES - 1,
                                    .guards = guards,
                                    .now_ms = centre_clock(c),
                                    .wall_ms = wall(c)};
    if (coordinator_open(&spec, &c->brain, err) != ERR_NONE)
        return false;
    for (size_t i = 0; i < c->world->servers; i++) {
        const struct selector_label *label = groups_label(&c->world->groups, i);
        coordinator_declare_server(c->brain, c->world->iis[i].name, label, label != NULL);
    }
    return true;
}

static bool sleeps(struct world *w, struct centre *c, const struct due *d)
{
    if (w->now_ms >= c->asleep_until_ms)
        return false;
    world_at(w, c->asleep_until_ms, d->fn, d->who, d->arg, d->data, d->len);
    return true;
}

static void start(struct world *w, const struct due *d)
{
    struct centre *c = w->centres[d->who];
    struct error err = {0};
    if (c->brain || d->arg != c->life || sleeps(w, c, d))
        return;
    bool ok = open_store(c, &err);
    if (ok && !c->dying) {
        oracle_attach(w, c->index);
        ok = open_brain(c, &err);
    }
    if (!ok || c->dying) {
        world_say(w, "c%d: the coordinator cannot start: %s", c->index, err.text);
        if (!c->dying && err.code == ERR_CORRUPT)
            world_violate(w, "its store is damaged: %s", err.text);
        oracle_detach(w, c->index);
        coordinator_close(c->brain);
        store_close(c->store);
        c->brain = NULL;
        c->store = NULL;
        c->dying = false;
        world_at(w, w->now_ms + 2000, start, c->index, ++c->life, NULL, 0);
        return;
    }
    world_say(w, "c%d: the coordinator starts, fence %u", c->index, (unsigned)c->fence.number);
    plan_time(c);
}

void centre_start_store(const char *path)
{
    struct store_spec spec = {.path = path, .vfs = VFS_NAME, .wall_ms = WALL_ZERO};
    struct store *store;
    struct fence fence;
    struct error err = {0};
    must(store_open(&spec, &store, &fence, &err) == ERR_NONE);
    store_close(store);
}

struct centre *centre_new(struct world *w, int index, const char *disk)
{
    struct centre *c = must_alloc(1, sizeof(*c));
    c->world = w;
    c->index = index;
    text_copy(c->disk, sizeof(c->disk), disk);
    text_format(c->path, sizeof(c->path), "%s/state.db", disk);
    world_at(w, w->now_ms, start, index, c->life, NULL, 0);
    return c;
}

void centre_twin(struct world *w, unsigned starts)
{
    const struct view *v = oracle_view(w, 0);
    world_say(w, "a second coordinator is started on a copy of the store");
    vfs_copy(centre_disk(w->centres[0]), "c1", true);
    for (unsigned i = 0; i < starts; i++)
        centre_start_store("c1/state.db");
    w->centres[1] = centre_new(w, 1, "c1");
    if (starts == 0 || !v || v->run_count > 0) /* else it shares neither runs nor numbers */
        oracle_restored(w, 1);
}

void centre_free(struct centre *c)
{
    if (!c)
        return;
    c->dying = true;
    coordinator_close(c->brain);
    store_close(c->store);
    free(c);
}

/* ---- events ---- */

static void on_time(struct world *w, const struct due *d)
{
    struct centre *c = w->centres[d->who];
    if (!c->brain || d->arg != c->timer || sleeps(w, c, d))
        return;
    coordinator_on_time(c->brain, centre_clock(c), wall(c));
    centre_after(c);
}

struct heard {
    struct net_return from;
    size_t len;
    uint8_t bytes[];
};

static void on_heard(struct world *w, const struct due *d)
{
    const struct heard *h = d->data;
    struct centre *c = w->centres[d->who];
    struct agent_message *m;
    struct error err = {0};
    if (!c->brain || sleeps(w, c, d))
        return;
    if (codec_decode_agent(h->bytes, h->len, &m, &err) != ERR_NONE) {
        world_violate(w, "a message of an agent does not decode: %s", err.text);
        return;
    }
    struct coordinator_peer peer = {.pipe = h->from.pipe, .len = sizeof(h->from)};
    memcpy(peer.bytes, &h->from, sizeof(h->from));
    oracle_heard(w, c->index, m, h->from.node);
    coordinator_on_agent(c->brain, m, &peer, "sim", centre_clock(c), wall(c));
    centre_after(c);
}

void centre_hear(struct world *w, int index, const struct net_return *from, const void *bytes,
                 size_t len)
{
    struct heard *h = must_alloc(1, sizeof(*h) + len);
    _Static_assert(sizeof(*from) <= sizeof(((struct coordinator_peer *)0)->bytes), "it travels");
    h->from = *from;
    h->len = len;
    memcpy(h->bytes, bytes, len);
    world_at(w, w->now_ms, on_heard, index, 0, h, sizeof(*h) + len);
    free(h);
}

static void on_gone(struct world *w, const struct due *d)
{
    struct centre *c = w->centres[d->who];
    if (!c->brain || sleeps(w, c, d))
        return;
    coordinator_on_pipe_gone(c->brain, (uint32_t)d->arg, centre_clock(c), wall(c));
    centre_after(c);
}

void centre_gone(struct world *w, int index, uint32_t pipe)
{
    world_at(w, w->now_ms, on_gone, index, pipe, NULL, 0);
}

int centre_server(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->servers; i++)
        if (text_equal(w->iis[i].name, name))
            return (int)i;
    return -1;
}

static void note_places(struct centre *c, const struct balancer_answer *answer)
{
    bool by_run = false;
    for (size_t i = 0; i < TICKETS_KEPT; i++)
        by_run = by_run || (answer->ticket && c->run_tickets[i] == answer->ticket);
    for (size_t i = 0; i < answer->entry_count; i++) {
        const struct balancer_entry *e = &answer->entries[i];
        int line = lb_line_named(c->world, e);
        if (line >= 0 && answer->code == ERR_NONE && answer->op == BALANCER_OP_READ)
            oracle_read_place(c->world, c->index, line, by_run,
                              e->admin != BALANCER_READY || !e->up);
    }
}

static void on_lb(struct world *w, const struct due *d)
{
    struct centre *c = w->centres[d->who];
    if (!c->brain || d->arg != c->life || sleeps(w, c, d))
        return;
    note_places(c, d->data);
    coordinator_on_balancer(c->brain, d->data, centre_clock(c), wall(c));
    centre_after(c);
}

void centre_lb_answer(struct world *w, int index, uint64_t life,
                      const struct balancer_answer *answer)
{
    world_at(w, w->now_ms, on_lb, index, life, answer, sizeof(*answer));
}

void centre_sleep(struct world *w, int index, uint64_t ms, bool clock_stops)
{
    if (w->now_ms < w->centres[index]->asleep_until_ms)
        return;
    world_say(w, "c%d: its machine sleeps for %u ms%s", index, (unsigned)ms,
              clock_stops ? ", and so does its clock" : "");
    w->centres[index]->asleep_until_ms = w->now_ms + ms;
    w->centres[index]->stopped_ms += clock_stops ? ms : 0;
    if (clock_stops)
        oracle_clock_stopped(w, index, w->now_ms + ms);
}

void centre_jump(struct centre *c, int64_t ms)
{
    c->wall_ms += ms;
}

bool centre_asleep(const struct centre *c)
{
    return c->world->now_ms < c->asleep_until_ms;
}

bool centre_frozen(const struct centre *c)
{
    return centre_up(c) && coordinator_frozen(c->brain);
}

uint64_t centre_crash_count(const struct centre *c)
{
    return c ? c->crashes : 0;
}

size_t centre_open_runs(const struct centre *c)
{
    return centre_up(c) ? coordinator_run_count(c->brain) : 0;
}

void centre_tell_runs(struct world *w, int index)
{
    const struct centre *c = w->centres[index];
    const char *trouble = centre_up(c) ? coordinator_store_trouble(c->brain) : NULL;
    if (trouble)
        world_say(w, "c%d: its store is in trouble: %s", index, trouble);
    for (size_t i = 0; centre_up(c) && i < coordinator_run_count(c->brain); i++) {
        const struct rollout *r = coordinator_run_at(c->brain, i);
        world_say(w, "c%d: run %u is %s, paused by %x: %s", index, (unsigned)r->id,
                  run_state_name(r->state), (unsigned)r->pause_causes, r->why);
        for (size_t k = 0; k < r->target_count; k++)
            world_say(w, "c%d:   %s %s: %s %s", index, r->targets[k].server,
                      target_state_name(r->targets[k].state), r->targets[k].step,
                      r->targets[k].detail);
    }
}

void centre_restore(struct world *w, int index, const char *copy)
{
    struct centre *c = w->centres[index];
    centre_crash(w, index, "its store is put back from a copy");
    vfs_copy(copy, c->disk, true);
    oracle_restored(w, index);
}

void centre_retire(struct world *w, int index)
{
    struct centre *c = w->centres[index];
    centre_crash(w, index, "it is stopped for good");
    c->life++; /* the start that is due is void */
    oracle_retired(w, index);
}
