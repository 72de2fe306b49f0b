#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void load_server(void *arg, const struct store_server *row)
{
    struct coordinator *c = arg;
    struct fleet_server *s = fleet_add(c->fleet, row->name);
    s->incarnation = row->incarnation;
    s->stored = !wire_id_is_zero(&row->incarnation);
    s->declared_out_until_ms = row->declared_out_until_ms;
    text_copy(s->declared_out_reason, sizeof s->declared_out_reason, row->declared_out_reason);
    text_copy(s->declared_out_by, sizeof s->declared_out_by, row->declared_out_by);
    if (row->blocked_why[0]) {
        fleet_block(s, row->blocked_why);
    }
}

static void load_run(void *arg, struct rollout *run)
{
    struct coordinator *c = arg;
    c->runs = must_realloc(c->runs, c->run_count + 1, sizeof(struct rollout *));
    c->runs[c->run_count++] = run;
    /* Deadlines begin when agents have had time to speak. */
    rollout_restart(run, c->now_ms + c->spec.settle_ms);
    log_info("run_resumed", LOG_UINT("run", run->id), LOG_TEXT("pool", run->pool),
             LOG_TEXT("state", run_state_name(run->state)));
}

static void load_lease(void *arg, const struct lease *lease)
{
    struct coordinator *c = arg;
    c->leases = must_realloc(c->leases, c->lease_count + 1, sizeof *c->leases);
    c->leases[c->lease_count++] = *lease;
}

static void load_incident(void *arg, const struct incident *incident)
{
    struct coordinator *c = arg;
    c->incidents = must_realloc(c->incidents, c->incident_count + 1, sizeof *c->incidents);
    c->incidents[c->incident_count++] = *incident;
}

/* A cause that the former life saw is looked at anew: silence and store come back by themselves if
 * they still hold. */
static void forget_seen_causes(struct coordinator *c)
{
    for (size_t i = 0; i < c->run_count; i++) {
        c->runs[i]->pause_causes &= ~(uint32_t)(PAUSE_SILENCE | PAUSE_STORE | PAUSE_FENCE);
    }
}

/* A freeze does not: our new number may be above what agents know. Only a person ends it. */
static enum error_code stay_frozen(struct coordinator *c, struct error *err)
{
    struct store_freeze freeze;
    enum error_code code = store_load_freeze(c->spec.store, &freeze, err);
    if (code != ERR_NONE || !freeze.why[0]) {
        return code;
    }
    text_copy(c->frozen, sizeof c->frozen, freeze.why);
    c->highest_fence = freeze.number;
    for (size_t i = 0; i < c->run_count; i++) {
        c->runs[i]->pause_causes |= PAUSE_FENCE;
    }
    return ERR_NONE;
}

enum error_code coordinator_open(const struct coordinator_spec *spec, struct coordinator **out,
                                 struct error *err)
{
    struct coordinator *c = must_alloc(1, sizeof *c);
    c->spec = *spec;
    c->now_ms = c->started_ms = c->last_turn_ms = spec->now_ms;
    c->wall_ms = spec->wall_ms;
    c->next_ticket = 1;
    c->turn = 1;
    const struct fleet_spec fleet = {.silent_after_ms = spec->silent_after_ms,
                                     .settle_until_ms = spec->now_ms + spec->settle_ms,
                                     .free_message = codec_free_agent,
                                     .map = spec->ports.map,
                                     .map_ctx = spec->ports.ctx};
    c->fleet = fleet_new(&fleet);
    budgets_open(c);
    enum error_code code = store_load_servers(spec->store, load_server, c, err);
    code = code != ERR_NONE ? code : maintenance_load(c, err);
    code = code != ERR_NONE ? code : kept_load(c, err);
    code = code != ERR_NONE ? code : formers_load(c, err);
    code = code != ERR_NONE ? code : store_load_open_runs(spec->store, load_run, c, err);
    code = code != ERR_NONE ? code : store_load_leases(spec->store, load_lease, c, err);
    code = code != ERR_NONE ? code : store_load_open_incidents(spec->store, load_incident, c, err);
    code = code != ERR_NONE ? code : remedies_open(c, err);
    code = code != ERR_NONE ? code : evidence_open(c, err);
    forget_seen_causes(c);
    code = code != ERR_NONE ? code : stay_frozen(c, err);
    if (code != ERR_NONE) {
        coordinator_close(c);
        return code;
    }
    char text[160];
    text_format(text, sizeof text, "coordinator started, fence %llu, %zu runs go on",
                (unsigned long long)spec->fence.number, c->run_count);
    const struct event event = {.kind = "coordinator.started", .text = text};
    event_add(c, &event);
    events_flush(c);
    *out = c;
    return ERR_NONE;
}

void coordinator_close(struct coordinator *c)
{
    if (!c) {
        return;
    }
    events_flush(c);
    for (size_t i = 0; i < c->run_count; i++) {
        rollout_free(c->runs[i]);
    }
    for (size_t i = 0; i < c->session_count; i++) {
        free(c->sessions[i]->queue);
        free(c->sessions[i]);
    }
    fleet_free(c->fleet);
    events_forget(c);
    story_kept(c);
    free(c->runs);
    free(c->sessions);
    free(c->leases);
    free(c->incidents);
    free(c->kept);
    formers_close(c);
    rehearsals_close(c);
    free(c->asks);
    free(c->kills);
    free(c->unasked);
    free(c->unsaved_drops);
    budgets_close(c);
    remedy_free(c->remedy);
    free(c->piece.hex);
    free(c);
}

void coordinator_declare_server(struct coordinator *c, const char *name,
                                const struct selector_label *labels, size_t count)
{
    struct fleet_server *s = fleet_add(c->fleet, name);
    s->labels = labels;
    s->label_count = count;
    c->grouped = 0; /* its labels may put it into another group */
}

/* ---- time ---- */

/* One question at a time: a balancer that hangs must not have a queue of them before it puts back
 * what a run returns. */
static bool round_is_open(const struct coordinator *c)
{
    for (size_t i = 0; i < c->ask_count; i++) {
        const struct ask *a = &c->asks[i];
        if (a->ticket && !a->run && !a->mends && c->now_ms - a->at_ms < ROUND_AGAIN_MS) {
            return true;
        }
    }
    return false;
}

/* Reads of one turn. */
static size_t round_share(const struct coordinator *c)
{
    size_t share = 1 + fleet_count(c->fleet) * BALANCER_ROUND_MS / ROUND_MS;
    return share < ROUND_READS_MAX ? share : ROUND_READS_MAX;
}

uint64_t round_span_ms(const struct coordinator *c)
{
    return (fleet_count(c->fleet) / round_share(c) + 1) * BALANCER_ROUND_MS;
}

void read_places(struct coordinator *c, const char *server, uint32_t may_be_ms)
{
    const struct coordinator_ports *ports = &c->spec.ports;
    struct balancer_request q = {
        .ticket = c->next_ticket++, .op = BALANCER_OP_READ, .may_be_ms = may_be_ms};
    text_copy(q.server, sizeof q.server, server);
    struct ask asked = {.ticket = q.ticket, .at_ms = c->now_ms};
    text_copy(asked.server, sizeof asked.server, server);
    if (!rotation_round(c, fleet_find(c->fleet, server), &q, &asked)) {
        return;
    }
    struct ask *a = ask_new(c);
    *a = asked;
    if (!ports->balancer(ports->ctx, &q)) {
        ask_drop(c, a);
    }
}

void round_go_on(struct coordinator *c)
{
    size_t count = fleet_count(c->fleet);
    while (count && c->round_left && !round_is_open(c)) {
        c->round_left--;
        const struct fleet_server *s = fleet_at(c->fleet, c->round_at++ % count);
        if (stands_in_rotation(c, s->name, "")) {
            read_places(c, s->name, ROUND_OLD_MS);
        }
    }
}

/* The places of one server after another are read all the time, for people and for the budget: of
 * each every ROUND_MS, as far as the balancer can be asked that much. */
static void round_of_places(struct coordinator *c)
{
    size_t count = fleet_count(c->fleet);
    if (!c->spec.ports.balancer || !count || c->now_ms < c->round_ms + BALANCER_ROUND_MS) {
        return;
    }
    c->round_left = round_share(c);
    c->round_ms = c->now_ms;
    round_go_on(c);
}

/* No agent could answer in that time, so it makes nobody late; and after a long sleep they dial
 * again first. */
static void wake_runs(struct coordinator *c, uint64_t slept_ms)
{
    uint64_t dialling_ms = slept_ms >= REJOIN_MS ? c->spec.settle_ms : 0;
    for (size_t i = 0; i < c->run_count; i++) {
        rollout_woke(c->runs[i], slept_ms + dialling_ms);
    }
}

/* Turns come every second at the latest: a longer gap means the machine slept, and that everything
 * known is old. So are answers to what was asked before: they wait in buffers, and are the first
 * that is heard after waking. */
static void notice_suspension(struct coordinator *c)
{
    if (c->now_ms - c->last_turn_ms > SUSPENDED_MS) {
        log_warn("was_suspended", LOG_UINT("gap_ms", c->now_ms - c->last_turn_ms),
                 LOG_TEXT("effect", "nothing known is fresh until agents speak again"));
        fleet_forget_freshness(c->fleet);
        fleet_tick(c->fleet, c->now_ms, c->wall_ms, fleet_told, c);
        c->ask_count = 0;
        c->started_ms = c->now_ms; /* settles as after a start: who is out is not known yet */
        wake_runs(c, c->now_ms - c->last_turn_ms);
    }
    c->last_turn_ms = c->now_ms;
}

void turn_begin(struct coordinator *c, uint64_t now_ms, int64_t wall_ms)
{
    c->now_ms = now_ms;
    c->wall_ms = wall_ms;
    c->turn++;
    notice_suspension(c);
}

void coordinator_on_time(struct coordinator *c, uint64_t now_ms, int64_t wall_ms)
{
    turn_begin(c, now_ms, wall_ms);
    store_try_again(c);
    declared_out_expire(c);
    maintenance_expire(c);
    fleet_tick(c->fleet, now_ms, wall_ms, fleet_told, c);
    sessions_on_time(c);
    rehearse_on_time(c);
    round_of_places(c);
    if (!coordinator_settling(c, now_ms)) {
        runs_set_pause(c, PAUSE_SILENCE, fleet_mass_silence(c->fleet));
    }
    runs_set_pause(c, PAUSE_STORE, c->store_trouble[0] != '\0');
    runs_drive(c);
    remedies_drive(c);
    patrol_turn(c);
}

uint64_t coordinator_wake_ms(const struct coordinator *c, uint64_t now_ms)
{
    uint64_t wake = now_ms + (c->spec.ports.balancer ? BALANCER_ROUND_MS : 1000);
    for (size_t i = 0; i < c->run_count; i++) {
        uint64_t at = rollout_wake_ms(c->runs[i], now_ms);
        wake = at < wake ? at : wake;
    }
    if (c->events_due_ms && c->events_due_ms < wake && !c->store_trouble[0]) {
        wake = c->events_due_ms;
    }
    return c->drive_more ? now_ms : wake;
}

/* ---- what views ask ---- */

const struct fleet *coordinator_fleet(const struct coordinator *c)
{
    return c->fleet;
}

size_t coordinator_run_count(const struct coordinator *c)
{
    return c->run_count;
}

const struct rollout *coordinator_run_at(const struct coordinator *c, size_t index)
{
    must(index < c->run_count);
    return c->runs[index];
}

const struct rollout *coordinator_run_find(const struct coordinator *c, uint64_t id)
{
    return runs_find(c, id);
}

size_t coordinator_incident_count(const struct coordinator *c)
{
    return c->incident_count;
}

const struct incident *coordinator_incident_at(const struct coordinator *c, size_t index)
{
    must(index < c->incident_count);
    return &c->incidents[index];
}

const char *coordinator_holder(const struct coordinator *c, const char *server, const char *pool)
{
    const struct lease *l = lease_find(c, server, pool);
    if (!l) {
        return NULL;
    }
    char *out = ((struct coordinator *)c)->holder;
    const struct rollout *r = l->owner == LEASE_RUN ? runs_find(c, l->owner_id) : NULL;
    text_format(out, sizeof c->holder, "%s %llu%s%.40s", l->owner == LEASE_RUN ? "run" : "incident",
                (unsigned long long)l->owner_id,
                r && r->action == ROLLOUT_HOLD ? ", a hold of " : "",
                r && r->action == ROLLOUT_HOLD ? r->actor : "");
    return out;
}

const struct rollout_options *coordinator_defaults(const struct coordinator *c)
{
    return &c->spec.defaults;
}

const struct windows *coordinator_windows(const struct coordinator *c)
{
    return c->spec.windows;
}

uint64_t coordinator_hold_max_ms(const struct coordinator *c)
{
    return c->spec.hold_max_ms;
}

const char *coordinator_own_server(const struct coordinator *c)
{
    return c->spec.own_server;
}

bool coordinator_settling(const struct coordinator *c, uint64_t now_ms)
{
    return now_ms < c->started_ms + c->spec.settle_ms;
}

struct fence coordinator_fence(const struct coordinator *c)
{
    return c->spec.fence;
}

const char *coordinator_store_trouble(const struct coordinator *c)
{
    return c->store_trouble[0] ? c->store_trouble : NULL;
}

const char *coordinator_frozen(const struct coordinator *c)
{
    return c->frozen[0] ? c->frozen : NULL;
}
