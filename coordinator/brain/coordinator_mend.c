/* Drains of ours that a balancer forgot when it was reloaded: noticed by every read of places, and
 * drained again. Never what somebody else drained, and never what a person set ready: that is seen
 * by the balancer's life, which is another one after a reload. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/text.h"

#include <string.h>

#define FENCE_FRESH_MS                                                                             \
    2000 /* a confirmation is that old at most when a command follows from it                      \
          */

/* ---- who keeps what out ---- */

/* A run's target whose places must be drained now. While it drains it looks itself. */
static bool keeps_out(const struct rollout *r, const struct rollout_target *t)
{
    switch (t->state) {
    case TARGET_ACTING:
    case TARGET_UNKNOWN:
    case TARGET_GATING:
        return true;
    case TARGET_RETURNING: /* a stop waits until the balancer sees it down */
        return rollout_action_stops(r->action) && !t->act_failed && !t->told;
    case TARGET_WAITING:
    case TARGET_CHECKING:
    case TARGET_DRAINING:
    case TARGET_SOAKING:
    case TARGET_DONE:
    case TARGET_NOTHING:
    case TARGET_SKIPPED:
    case TARGET_FAILED:
    case TARGET_ABORTED:
        break;
    }
    return false;
}

/* A run with its target, or an incident, and the places that it keeps out. */
struct keeper {
    const struct rollout *run;
    const struct rollout_target *target;
    const struct incident *incident;
    struct balancer_entry *places;
    size_t count;
};
typedef void on_keeper(void *arg, const struct keeper *keeper);

static void each_keeper(struct coordinator *c, const char *server, on_keeper *each, void *arg)
{
    if (!lease_find(c, server, NULL)) {
        return; /* nobody's: whatever is drained there is not ours */
    }
    for (size_t i = 0; i < c->run_count; i++) {
        struct rollout *r = c->runs[i];
        for (size_t k = 0; k < r->in_hand_count; k++) {
            struct rollout_target *t = &r->targets[r->in_hand[k]];
            if (t->holds && keeps_out(r, t) && text_equal_nocase(t->server, server)) {
                each(arg, &(struct keeper){r, t, NULL, t->places, t->place_count});
            }
        }
    }
    for (size_t i = 0; i < c->incident_count; i++) {
        struct incident *n = &c->incidents[i];
        if (text_equal_nocase(n->server, server)) {
            each(arg, &(struct keeper){NULL, NULL, n, n->places, n->place_count});
        }
    }
}

struct seen {
    const struct balancer_answer *answer;
    struct balancer_request *forgotten; /* what is to be drained again */
};

static void find_forgotten(void *arg, const struct keeper *k)
{
    const struct seen *seen = arg;
    struct balancer_request *q = seen->forgotten;
    for (size_t i = 0; i < k->count && q->place_count < BALANCER_ENTRIES_MAX; i++) {
        const struct balancer_entry *e =
            balancer_find_place(seen->answer->entries, seen->answer->entry_count, &k->places[i]);
        if (e && balancer_forgot(&k->places[i], e)) {
            q->places[q->place_count++] = *e;
        }
    }
}

static void note_life(void *arg, const struct keeper *k)
{
    const struct seen *seen = arg;
    for (size_t i = 0; i < k->count; i++) {
        const struct balancer_entry *e =
            balancer_find_place(seen->answer->entries, seen->answer->entry_count, &k->places[i]);
        k->places[i].life = e ? e->life : k->places[i].life;
    }
}

struct saving {
    struct store *store;
    enum error_code code;
    struct error *err;
};

static void save_places(void *arg, const struct keeper *k)
{
    struct saving *s = arg;
    if (s->code == ERR_NONE) {
        s->code = k->run ? store_save_target(s->store, k->run->id, k->target, s->err)
                         : store_save_places(s->store, k->incident, s->err);
    }
}

/* ---- under a confirmed fence ---- */

void mend_fence_seen(struct coordinator *c, const struct ask *a, enum cause cause)
{
    if (cause != CAUSE_FENCE && cause != CAUSE_INCARNATION && a->at_ms > c->fence_seen_ms) {
        c->fence_seen_ms = a->at_ms;
    }
}

/* Its own agent, or any other that is alive: all remember the same fence. */
static struct session *whom_to_ask(struct coordinator *c, struct fleet_server *s)
{
    struct session *own = s->presence == PRESENCE_FRESH ? s->session : NULL;
    for (size_t i = 0; i < c->session_count && !own; i++) {
        bool fresh = c->sessions[i]->server->presence == PRESENCE_FRESH;
        own = fresh && c->sessions[i]->parked ? c->sessions[i] : NULL;
    }
    return own;
}

static bool is_asked(const struct coordinator *c, const struct fleet_server *s)
{
    for (size_t i = 0; i < c->ask_count; i++) {
        if (c->asks[i].mends == s && c->now_ms - c->asks[i].at_ms < FENCE_FRESH_MS) {
            return true;
        }
    }
    return false;
}

/* A question about a command that never was: its answer shows under which fence the agent lives. */
static void ask_fence(struct coordinator *c, struct fleet_server *s)
{
    struct session *agent = whom_to_ask(c, s);
    if (!agent) {
        return;
    }
    struct pending p = {.command = {.verb = VERB_QUERY}};
    text_copy(p.pool, sizeof p.pool, lease_find(c, s->name, NULL)->pool);
    p.command.about = session_next_id(c, agent); /* is given to nobody */
    p.command.id = session_next_id(c, agent);
    struct ask *a = ask_new(c);
    a->mends = s;
    text_copy(a->server, sizeof a->server, agent->server->name);
    c->spec.ports.random_id(c->spec.ports.ctx, &a->nonce);
    p.command.nonce = a->nonce;
    session_send(c, agent, &p);
}

static void drain_again(struct coordinator *c, struct fleet_server *s, struct balancer_request *q)
{
    q->ticket = c->next_ticket++;
    q->op = BALANCER_OP_DRAIN;
    text_copy(q->server, sizeof q->server, s->name);
    struct ask *a = ask_new(c);
    a->ticket = q->ticket;
    a->mends = s;
    text_copy(a->server, sizeof a->server, s->name);
    if (!c->spec.ports.balancer(c->spec.ports.ctx, q)) {
        ask_drop(c, a);
    }
}

static bool has_room(struct coordinator *c, const struct fleet_server *s)
{
    char why[256];
    const struct lease *l = lease_find(c, s->name, NULL);
    bool allows = budgets_let_drain_again(c, l->pool, s->name, why, sizeof why);
    if (!allows) {
        log_debug("not_drained_again", LOG_TEXT("server", s->name), LOG_TEXT("why", why));
    }
    return allows;
}

void mend_look(struct coordinator *c, struct fleet_server *s, const struct balancer_answer *answer)
{
    struct balancer_request q = {.place_count = 0};
    struct seen seen = {answer, &q};
    if (c->frozen[0] || coordinator_settling(c, c->now_ms)) {
        return;
    }
    each_keeper(c, s->name, find_forgotten, &seen);
    if (q.place_count == 0 || is_asked(c, s)) {
        return;
    }
    if (answer->age_ms) {
        read_places(c, s->name, 0); /* afresh, before anything follows from it */
    } else if (c->fence_seen_ms && c->now_ms - c->fence_seen_ms <= FENCE_FRESH_MS) {
        if (has_room(c, s)) {
            drain_again(c, s, &q);
        }
    } else {
        ask_fence(c, s); /* and then the place is read again */
    }
}

/* In which life it is drained now: after a crash of ours, what a person sets ready in this one is
 * not taken for another reload. The drain itself stands in the store since it was first told. */
static void save_lives(struct coordinator *c, const struct fleet_server *s)
{
    struct error err;
    struct saving saving = {c->spec.store, ERR_NONE, &err};
    if (c->store_trouble[0]) {
        return;
    }
    saving.code = store_begin(c->spec.store, &err);
    each_keeper(c, s->name, save_places, &saving);
    events_commit(c, saving.code, NULL, &err);
}

void mend_done(struct coordinator *c, struct fleet_server *s, const struct balancer_answer *answer)
{
    struct seen seen = {answer, NULL};
    char text[512];
    if (answer->code != ERR_NONE) {
        return; /* the next read sees that it is still to be done */
    }
    each_keeper(c, s->name, note_life, &seen);
    text_format(text, sizeof text,
                "balancer %s was reloaded and forgot that %s is out of backend %s: drained again "
                "for %s",
                answer->entries[0].balancer, s->name, answer->entries[0].backend,
                coordinator_holder(c, s->name, NULL));
    log_warn("drained_again", LOG_TEXT("server", s->name), LOG_TEXT("why", text));
    const struct event event = {.kind = "balancer.trouble", .server = s->name, .text = text};
    event_add(c, &event);
    save_lives(c, s);
}
