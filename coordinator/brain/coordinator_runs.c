/* A change of a run: save, install, perform. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define DRIVE_CHANGES 64 /* of a run in one turn: each may be a synced commit, and agents wait */

/* ---- performing effects ---- */

static struct pending pending_for(const struct coordinator *c, const struct rollout *r,
                                  size_t target, enum verb verb)
{
    struct pending p = {.command = {.verb = verb, .run = r->id}, .asked_ms = c->now_ms};
    text_copy(p.pool, sizeof p.pool, r->targets[target].pool);
    text_copy(p.actor, sizeof p.actor, r->actor);
    text_copy(p.reason, sizeof p.reason, r->reason);
    return p;
}

static struct ask *ask_for(struct coordinator *c, const struct rollout *r, size_t target,
                           uint64_t run_ticket)
{
    struct ask *a = ask_new(c);
    a->run = r->id;
    a->target = target;
    a->run_ticket = run_ticket;
    text_copy(a->server, sizeof a->server, r->targets[target].server);
    return a;
}

static void send_question(struct coordinator *c, struct rollout *r, size_t target,
                          const struct rollout_effect *effect)
{
    struct session *s = session_find(c, r->targets[target].server);
    if (!s) {
        r->targets[target].ask_ticket = 0; /* nobody to ask yet: nothing is outstanding */
        return;
    }
    bool observe = effect->kind == EFFECT_OBSERVE;
    struct pending p = pending_for(c, r, target, observe ? VERB_OBSERVE : VERB_QUERY);
    p.command.id = session_next_id(c, s);
    p.command.probe = effect->probe;
    if (effect->incident) {
        text_copy(p.pool, sizeof p.pool, incident_by_id(c, effect->incident)->pool);
    }
    p.command.about = observe ? (struct command_id){.seq = 0} : r->targets[target].command;
    struct ask *a = ask_for(c, r, target, effect->ticket);
    c->spec.ports.random_id(c->spec.ports.ctx, &a->nonce);
    p.command.nonce = a->nonce;
    session_send(c, s, &p);
}

static void send_command(struct coordinator *c, const struct rollout *r, size_t target,
                         enum verb verb)
{
    struct session *s = session_find(c, r->targets[target].server);
    must(s);
    struct pending p = pending_for(c, r, target, verb);
    p.command.id = r->targets[target].command;
    p.command.limit_ms = r->options.limit_ms;
    p.command.keep_autostart = r->options.keep_autostart;
    p.command.start_idle = r->options.start_idle;
    p.command.enable = r->options.enable;
    p.command.force = r->options.all_servers || r->options.shared;
    p.command.settings = settings_for(c, r, target);
    p.command.worker_pid = r->options.worker_pid;
    p.command.worker_created = r->options.worker_created;
    p.command.probe = verb != VERB_STOP;
    if (!session_send(c, s, &p)) {
        log_warn("command_queue_full", LOG_TEXT("server", r->targets[target].server));
    }
}

bool stands_in_rotation(const struct coordinator *c, const char *server, const char *pool)
{
    const struct coordinator_ports *ports = &c->spec.ports;
    struct balancer_entry one;
    return ports->balancer && ports->map(ports->ctx, server, pool, &one, 1) > 0;
}

/* Nothing stands in rotation there, as far as the configuration tells. What we took out by a former
 * one is not put back by that. */
static void answer_without_balancer(struct coordinator *c, struct rollout *r, size_t target,
                                    const struct rollout_effect *effect)
{
    const struct rollout_target *t = &r->targets[target];
    struct balancer_answer none = {.ticket = effect->ticket, .op = effect->op};
    if (effect->op != BALANCER_OP_READ && t->place_count) {
        none.code = ERR_NOT_FOUND;
        text_format(none.text, sizeof none.text,
                    "none is configured, but %s in backend %s of %s is ours to put back: give its "
                    "section back",
                    t->places[0].name, t->places[0].backend, t->places[0].balancer);
    }
    struct rollout_view view = runs_view(c);
    struct rollout_change change;
    rollout_on_balancer(r, target, &none, &view, c->now_ms, &change);
    runs_apply(c, r, &change);
}

static void ask_balancer(struct coordinator *c, struct rollout *r, size_t target,
                         const struct rollout_effect *effect)
{
    const struct rollout_target *t = &r->targets[target];
    const struct coordinator_ports *ports = &c->spec.ports;
    bool ours = effect->op != BALANCER_OP_READ && t->place_count;
    if (!ports->balancer || (!ours && !stands_in_rotation(c, t->server, t->pool))) {
        answer_without_balancer(c, r, target, effect);
        return;
    }
    if (rotation_ask(c, r, target, effect)) {
        return;
    }
    struct balancer_request q = {.ticket = c->next_ticket++, .op = effect->op};
    text_copy(q.server, sizeof q.server, t->server);
    text_copy(q.pool, sizeof q.pool, t->pool);
    if (effect->op != BALANCER_OP_READ) {
        memcpy(q.places, t->places, sizeof q.places);
        q.place_count = t->place_count;
    }
    struct ask *a = ask_for(c, r, target, effect->ticket);
    a->ticket = q.ticket;
    if (!ports->balancer(ports->ctx, &q)) { /* full: nothing is outstanding */
        ask_drop(c, a);
        r->targets[target].place_ticket = 0;
    }
}

static void perform(struct coordinator *c, struct rollout *r, const struct rollout_change *change)
{
    if (r->action == ROLLOUT_WORKER_KILL && change->target.state == TARGET_CHECKING) {
        evidence_ask_awaited(c, r);
    }
    for (size_t i = 0; i < change->effect_count; i++) {
        const struct rollout_effect *effect = &change->effects[i];
        switch (effect->kind) {
        case EFFECT_OBSERVE:
        case EFFECT_QUERY:
            send_question(c, r, change->target_index, effect);
            break;
        case EFFECT_COMMAND:
            send_command(c, r, change->target_index, effect->verb);
            break;
        case EFFECT_BALANCER:
            ask_balancer(c, r, change->target_index, effect);
            break;
        case EFFECT_INCIDENT: /* opened in the transaction */
        case EFFECT_NONE:
            break;
        }
    }
}

/* ---- save, install, perform ---- */

static void assign_command(struct coordinator *c, struct rollout_change *change)
{
    for (size_t i = 0; i < change->effect_count; i++) {
        if (change->effects[i].kind == EFFECT_COMMAND) {
            struct fleet_server *s = fleet_add(c->fleet, change->target.server);
            change->target.command = session_next_id(c, session_of(c, s));
        }
    }
}

static void tell_step(struct coordinator *c, const struct rollout *r,
                      const struct rollout_change *change)
{
    const struct rollout_target *was = &r->targets[change->target_index], *is = &change->target;
    if (!change->target_changed || strcmp(was->step, is->step) == 0 || !is->step[0]) {
        return;
    }
    const struct event event = {.kind = "target.step",
                                .run = r->id,
                                .server = is->server,
                                .pool = is->pool,
                                .text = is->step,
                                .to = target_state_name(is->state)};
    event_live(c, &event);
}

/* A command that nobody waits for any more must not leave late: neither of a target that went on
 * without it, nor where another one takes its place. */
static void recall_command(struct coordinator *c, const struct rollout *r,
                           const struct rollout_change *change)
{
    if (!change->target_changed) {
        return;
    }
    const struct rollout_target *was = &r->targets[change->target_index], *is = &change->target;
    bool awaited = (is->state == TARGET_ACTING || is->state == TARGET_UNKNOWN) &&
                   command_id_equal(&was->command, &is->command);
    if (!awaited && (was->state == TARGET_ACTING || was->state == TARGET_UNKNOWN)) {
        session_forget(c, was->server, &was->command);
    }
}

bool runs_apply(struct coordinator *c, struct rollout *r, struct rollout_change *change)
{
    if (!change->any) {
        return true;
    }
    assign_command(c, change);
    bool stored =
        change->run_changed || change->target_saved || change->pause_causes != r->pause_causes;
    change->run_changed = change->run_changed || change->pause_causes != r->pause_causes;
    bool saved = !stored || save_change(c, r, change);
    if (!saved) {
        bool incident = change->effect_count && change->effects[0].kind == EFFECT_INCIDENT;
        if (!change->restoring || incident || leasing_settles(r, change)) {
            rollout_throw_away(r, change);
            return false;
        }
        note_unsaved(c, r, change);
    }
    tell_step(c, r, change);
    recall_command(c, r, change);
    rollout_install(r, change);
    if (run_state_ended(r->state)) {
        r->ended_wall_ms = c->wall_ms;
    }
    c->turn++;
    perform(c, r, change);
    return saved;
}

void runs_set_pause(struct coordinator *c, enum pause_cause cause, bool on)
{
    for (size_t i = 0; i < c->run_count; i++) {
        struct rollout_change change;
        rollout_set_pause(c->runs[i], cause, on, &change);
        runs_apply(c, c->runs[i], &change);
    }
}

struct rollout *runs_find(const struct coordinator *c, uint64_t id)
{
    for (size_t i = 0; i < c->run_count; i++) {
        if (c->runs[i]->id == id) {
            return c->runs[i];
        }
    }
    return NULL;
}

static void drive_one(struct coordinator *c, struct rollout *r)
{
    if (c->frozen[0]) {
        return; /* agents are not asked, so nothing may be concluded from their silence */
    }
    for (size_t n = 0; n < DRIVE_CHANGES; n++) {
        struct rollout_view view = runs_view(c);
        struct rollout_change change;
        rollout_next(r, &view, c->now_ms, &change);
        if (!change.any || (!runs_apply(c, r, &change) && c->store_trouble[0])) {
            return; /* what could not be saved is due again next turn */
        }
    }
    c->drive_more = true;
}

void runs_drive(struct coordinator *c)
{
    c->drive_more = false;
    if (c->unasked_count && !c->frozen[0]) {
        evidence_ask_again(c); /* before anything is done about them */
    }
    for (size_t i = 0; i < c->run_count; i++) {
        drive_one(c, c->runs[i]);
    }
    size_t kept = 0;
    for (size_t i = 0; i < c->run_count; i++) {
        bool gone = run_state_ended(c->runs[i]->state) && !c->unsaved;
        if (gone) {
            rollout_free(c->runs[i]);
        } else {
            c->runs[kept++] = c->runs[i];
        }
    }
    c->run_count = kept;
    events_flush(c);
}

/* What it says of the places, whoever asked. */
static void note_answer(struct coordinator *c, const struct ask *asked,
                        const struct balancer_answer *answer)
{
    struct fleet_server *s = fleet_find(c->fleet, asked->server);
    if (!s) {
        return;
    }
    if (answer->code == ERR_NONE) {
        bool all = asked->run == 0 && answer->op == BALANCER_OP_READ;
        fleet_note_places(s, answer->entries, answer->entry_count, all, c->now_ms - answer->age_ms);
        fleet_touch(c->fleet, s);
        s->places_life_ms = 2 * round_span_ms(c);
    }
    if (answer->op == BALANCER_OP_DRAIN && asked->mends) {
        mend_done(c, s, answer);
    } else if (answer->op == BALANCER_OP_READ && answer->code == ERR_NONE) {
        mend_look(c, s, answer);
    }
}

void coordinator_on_balancer(struct coordinator *c, const struct balancer_answer *answer,
                             uint64_t now_ms, int64_t wall_ms)
{
    turn_begin(c, now_ms, wall_ms);
    for (size_t i = 0; i < c->ask_count; i++) {
        if (c->asks[i].ticket != answer->ticket || !answer->ticket) {
            continue;
        }
        struct ask asked = c->asks[i];
        ask_drop(c, &c->asks[i]);
        struct balancer_answer own = *answer;
        rotation_add(c, &asked, &own);
        note_answer(c, &asked, &own);
        if (asked.run == 0 && !asked.mends) {
            round_go_on(c);
        }
        struct rollout *r = runs_find(c, asked.run);
        if (r) {
            own.ticket = asked.run_ticket;
            struct rollout_view view = runs_view(c);
            struct rollout_change change;
            rollout_on_balancer(r, asked.target, &own, &view, now_ms, &change);
            runs_apply(c, r, &change);
            runs_drive(c);
        }
        return;
    }
}
