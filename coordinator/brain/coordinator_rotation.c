/* Places in rotation that are the agents' keep-alive files, which a balancer's own check reads.
 *
 * For a run they are places like any other. What a balancer is asked about them goes to the agent:
 * ROTATION, DRAIN or READY, under the fence as any command; what remains goes to the balancer
 * thread, and one answer is made of both. A file that has changed takes effect when the balancer
 * has checked: until then a drain is not over, and a place that is back is not up. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/text.h"

#include <string.h>

#define SERVING_LIFE_MS 1000 /* a count of those that serve, for the round */

/* Places by who is asked about them. */
struct split {
    struct balancer_entry files[BALANCER_ENTRIES_MAX], rest[BALANCER_ENTRIES_MAX];
    size_t file_count, rest_count;
};

static bool is_file(const struct coordinator *c, const struct balancer_entry *e, uint64_t *check_ms)
{
    const struct coordinator_ports *ports = &c->spec.ports;
    return ports->keepalive && ports->keepalive(ports->ctx, e->balancer, check_ms);
}

static void split_places(const struct coordinator *c, const struct balancer_entry *places,
                         size_t count, struct split *out)
{
    uint64_t check_ms;
    out->file_count = out->rest_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_file(c, &places[i], &check_ms)) {
            out->files[out->file_count++] = places[i];
        } else {
            out->rest[out->rest_count++] = places[i];
        }
    }
}

/* All places of the server for that pool ("": any). */
static void split_map(const struct coordinator *c, const char *server, const char *pool,
                      struct split *out)
{
    const struct coordinator_ports *ports = &c->spec.ports;
    struct balancer_entry all[BALANCER_ENTRIES_MAX];
    out->file_count = out->rest_count = 0;
    if (ports->keepalive) {
        split_places(c, all, ports->map(ports->ctx, server, pool, all, BALANCER_ENTRIES_MAX), out);
    }
}

/* What an op on that target is about. */
static void split_target(const struct coordinator *c, const struct rollout_target *t,
                         enum balancer_op op, struct split *out)
{
    if (op == BALANCER_OP_READ) {
        split_map(c, t->server, t->pool, out);
    } else {
        split_places(c, t->places, t->place_count, out);
    }
}

/* ---- what a file means ---- */

static bool stands_beside(const struct coordinator *c, const char *server,
                          const struct balancer_entry *e)
{
    const struct coordinator_ports *ports = &c->spec.ports;
    struct balancer_entry all[BALANCER_ENTRIES_MAX];
    size_t count = ports->map(ports->ctx, server, "", all, BALANCER_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].balancer, e->balancer) == 0 && strcmp(all[i].backend, e->backend) == 0) {
            return true;
        }
    }
    return false;
}

/* By what its agent said last: the file is there, long enough for the balancer to have seen it. */
static bool is_serving(const struct coordinator *c, const struct fleet_server *s, uint64_t check_ms)
{
    const struct state *state = fleet_latest(s);
    return s->presence == PRESENCE_FRESH && state && state->keepalive == KEEPALIVE_PRESENT &&
           state->keepalive_age_ms + (c->now_ms - s->state_ms) >= check_ms;
}

static uint32_t count_serving(struct coordinator *c, const struct balancer_entry *e,
                              uint64_t check_ms, bool fresh)
{
    struct serving_cache *cache = &c->serving;
    bool same =
        strcmp(cache->balancer, e->balancer) == 0 && strcmp(cache->backend, e->backend) == 0;
    if (!same || fresh || c->now_ms - cache->at_ms > SERVING_LIFE_MS) {
        text_copy(cache->balancer, sizeof cache->balancer, e->balancer);
        text_copy(cache->backend, sizeof cache->backend, e->backend);
        cache->at_ms = c->now_ms;
        cache->count = 0;
        for (size_t i = 0; i < fleet_count(c->fleet); i++) {
            const struct fleet_server *s = fleet_at(c->fleet, i);
            cache->count += is_serving(c, s, check_ms) && stands_beside(c, s->name, e);
        }
    }
    return cache->count;
}

/* Fills in what is known of a server's places that are its file. */
static void fill_files(struct coordinator *c, const struct fleet_server *s, struct split *split,
                       enum keepalive is, uint64_t age_ms, bool fresh)
{
    for (size_t i = 0; i < split->file_count; i++) {
        struct balancer_entry *e = &split->files[i];
        uint64_t check_ms = 0;
        is_file(c, e, &check_ms);
        uint32_t serving = count_serving(c, e, check_ms, fresh);
        bool there = is == KEEPALIVE_PRESENT;
        e->admin = there ? BALANCER_READY : BALANCER_DRAIN;
        e->up = there && age_ms >= check_ms;
        e->sessions = 0; /* nobody counts them here */
        e->check_left_ms = age_ms < check_ms ? check_ms - age_ms : 0;
        e->others_serving = serving - (serving && is_serving(c, s, check_ms));
    }
}

/* ---- a question of a run ---- */

static enum verb verb_of(enum balancer_op op)
{
    switch (op) {
    case BALANCER_OP_READ:
        return VERB_ROTATION;
    case BALANCER_OP_DRAIN:
        return VERB_DRAIN;
    case BALANCER_OP_READY:
        return VERB_READY;
    }
    return VERB_NONE;
}

/* What was asked before about the file and has not been taken is overtaken by what comes now: an
 * agent that is silent for hours has one such command waiting, not hundreds. */
static void forget_former(struct coordinator *c, struct session *s)
{
    for (size_t i = s->queue_count; i-- > 0;) {
        if (verb_is_of_rotation(s->queue[i].command.verb)) {
            session_forget(c, s->server->name, &s->queue[i].command.id);
        }
    }
}

static void ask_agent(struct coordinator *c, struct rollout *r, size_t target,
                      const struct rollout_effect *effect)
{
    struct session *s = session_find(c, r->targets[target].server);
    if (!s) {
        r->targets[target].place_ticket = 0; /* nobody to ask yet: nothing is outstanding */
        return;
    }
    forget_former(c, s);
    struct pending p = {.command = {.verb = verb_of(effect->op), .run = r->id}};
    text_copy(p.actor, sizeof p.actor, r->actor);
    text_copy(p.reason, sizeof p.reason, r->reason);
    p.command.id = session_next_id(c, s);
    struct ask *a = ask_new(c);
    *a = (struct ask){.of_file = true,
                      .op = effect->op,
                      .id = p.command.id,
                      .run = r->id,
                      .target = target,
                      .run_ticket = effect->ticket,
                      .at_ms = c->now_ms};
    text_copy(a->server, sizeof a->server, r->targets[target].server);
    c->spec.ports.random_id(c->spec.ports.ctx, &a->nonce);
    p.command.nonce = a->nonce;
    if (!session_send(c, s, &p)) {
        ask_drop(c, &c->asks[c->ask_count - 1]);
        r->targets[target].place_ticket = 0;
    }
}

bool rotation_ask(struct coordinator *c, struct rollout *r, size_t target,
                  const struct rollout_effect *effect)
{
    struct split split;
    split_target(c, &r->targets[target], effect->op, &split);
    if (split.file_count) {
        ask_agent(c, r, target, effect);
    }
    return split.file_count != 0;
}

/* ---- its answer ---- */

static void deliver(struct coordinator *c, const struct ask *asked, struct balancer_answer *answer)
{
    struct rollout *r = runs_find(c, asked->run);
    struct fleet_server *s = fleet_find(c->fleet, asked->server);
    if (s && answer->code == ERR_NONE) {
        fleet_note_places(s, answer->entries, answer->entry_count, false, c->now_ms);
        fleet_touch(c->fleet, s);
    }
    if (r) {
        struct rollout_view view = runs_view(c);
        struct rollout_change change;
        answer->ticket = asked->run_ticket;
        rollout_on_balancer(r, asked->target, answer, &view, c->now_ms, &change);
        runs_apply(c, r, &change);
    }
}

static void deliver_failure(struct coordinator *c, const struct ask *asked, const char *text)
{
    struct balancer_answer answer = {.op = asked->op, .code = ERR_UNAVAILABLE};
    text_format(answer.text, sizeof answer.text, "keep-alive file of %.100s: %.300s", asked->server,
                text);
    deliver(c, asked, &answer);
}

/* The agent's part is there: the balancer's is asked for, where there is one. */
static void go_on(struct coordinator *c, const struct ask *asked)
{
    const struct coordinator_ports *ports = &c->spec.ports;
    struct rollout *r = runs_find(c, asked->run);
    if (!r) {
        return;
    }
    struct split split;
    split_target(c, &r->targets[asked->target], asked->op, &split);
    if (!split.rest_count) {
        struct balancer_answer answer = {.op = asked->op};
        rotation_add(c, asked, &answer);
        deliver(c, asked, &answer);
        return;
    }
    struct balancer_request q = {.ticket = c->next_ticket++, .op = asked->op};
    text_copy(q.server, sizeof q.server, asked->server);
    text_copy(q.pool, sizeof q.pool, r->targets[asked->target].pool);
    memcpy(q.places, split.rest, sizeof q.places);
    q.place_count = split.rest_count;
    struct ask *a = ask_new(c);
    *a = *asked;
    a->at_ms = c->now_ms;
    a->ticket = q.ticket;
    if (!ports->balancer(ports->ctx, &q)) {
        ask_drop(c, a);
        deliver_failure(c, asked, "the balancer has too much to do");
    }
}

void rotation_add(struct coordinator *c, const struct ask *asked, struct balancer_answer *answer)
{
    const struct fleet_server *s = fleet_find(c->fleet, asked->server);
    const struct rollout *r = runs_find(c, asked->run);
    if (!asked->of_file || answer->code != ERR_NONE || !s || (asked->run && !r)) {
        return;
    }
    struct split split;
    if (r) {
        split_target(c, &r->targets[asked->target], asked->op, &split);
    } else {
        split_map(c, asked->server, "", &split);
    }
    fill_files(c, s, &split, asked->file, asked->file_age_ms + (c->now_ms - asked->file_ms),
               r != NULL);
    for (size_t i = 0; i < split.file_count && answer->entry_count < BALANCER_ENTRIES_MAX; i++) {
        answer->entries[answer->entry_count++] = split.files[i];
    }
}

bool rotation_on_observation(struct coordinator *c, const struct ask *asked,
                             const struct observation *seen)
{
    if (!asked->of_file) {
        return false;
    }
    struct ask told = *asked;
    told.file = seen->keepalive;
    told.file_age_ms = seen->keepalive_age_ms;
    told.file_ms = c->now_ms;
    memset(&told.nonce, 0, sizeof told.nonce);
    if (seen->cause != CAUSE_NONE ||
        (told.file != KEEPALIVE_PRESENT && told.file != KEEPALIVE_ABSENT)) {
        deliver_failure(c, &told, seen->detail[0] ? seen->detail : cause_name(seen->cause));
    } else {
        go_on(c, &told);
    }
    return true;
}

bool rotation_on_result(struct coordinator *c, const struct result *result)
{
    for (size_t i = 0; i < c->ask_count; i++) {
        if (!c->asks[i].of_file || c->asks[i].ticket ||
            !command_id_equal(&c->asks[i].id, &result->id)) {
            continue;
        }
        struct ask told = c->asks[i];
        ask_drop(c, &c->asks[i]);
        session_forget(c, told.server, &result->id);
        told.file = told.op == BALANCER_OP_DRAIN ? KEEPALIVE_ABSENT : KEEPALIVE_PRESENT;
        told.file_ms = c->now_ms; /* it may have been so for long: the next look tells */
        memset(&told.nonce, 0, sizeof told.nonce);
        if (result->outcome != OUTCOME_DONE || told.op == BALANCER_OP_READ) {
            deliver_failure(c, &told,
                            result->detail[0] ? result->detail : cause_name(result->cause));
        } else {
            go_on(c, &told);
        }
        return true;
    }
    return verb_is_of_rotation(result->verb); /* asked by a former life, or overtaken */
}

/* ---- the round ---- */

bool rotation_round(struct coordinator *c, struct fleet_server *s, struct balancer_request *rest,
                    struct ask *asked)
{
    struct split split;
    split_map(c, s->name, "", &split);
    const struct state *state = fleet_latest(s);
    if (!split.file_count) {
        return true;
    }
    memcpy(rest->places, split.rest, sizeof rest->places);
    rest->place_count = split.rest_count;
    bool known = s->presence == PRESENCE_FRESH && state &&
                 (state->keepalive == KEEPALIVE_PRESENT || state->keepalive == KEEPALIVE_ABSENT);
    if (!known) {
        return false; /* what is not known is not told: its places grow old */
    }
    asked->of_file = true;
    asked->file = state->keepalive;
    asked->file_age_ms = state->keepalive_age_ms;
    asked->file_ms = s->state_ms;
    if (split.rest_count) {
        return true;
    }
    struct balancer_answer answer = {.op = BALANCER_OP_READ};
    rotation_add(c, asked, &answer);
    fleet_note_places(s, answer.entries, answer.entry_count, true, c->now_ms);
    fleet_touch(c->fleet, s);
    s->places_life_ms = 2 * round_span_ms(c);
    return false;
}
