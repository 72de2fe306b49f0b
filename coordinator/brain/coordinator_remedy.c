/* Remediation in the brain: what agents report becomes looks, and what remedy decides becomes rows,
 * events and runs. An act is a run like any other: planned, leased, budgeted, fenced and gated by
 * the same code; its first row is written together with the incident that asked for it. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define DECISIONS    32 /* of one turn: each is a synced commit, and agents wait */
#define ACTOR        "remediation"
#define PAST_WALL_MS (24ll * 3600000)

/* ---- the world, as remedy is shown it ---- */

static bool view_fresh(void *ctx, const char *server, uint64_t *age_ms)
{
    const struct coordinator *c = ctx;
    const struct fleet_server *s = fleet_find(c->fleet, server);
    const struct state *latest = s ? fleet_latest(s) : NULL;
    bool speaks = latest && (s->presence == PRESENCE_FRESH || s->presence == PRESENCE_DECLARED_OUT);
    if (!speaks) {
        return false;
    }
    *age_ms = c->now_ms - s->state_ms + latest->age_ms;
    return true;
}

static size_t view_fresh_count(void *ctx, const char *servers)
{
    const struct coordinator *c = ctx;
    size_t count = 0;
    for (size_t i = 0; i < fleet_count(c->fleet); i++) {
        const struct fleet_server *s = fleet_at(c->fleet, i);
        count += s->presence == PRESENCE_FRESH &&
                 selector_match(servers, s->name, s->labels, s->label_count);
    }
    return count;
}

static enum rollout_action action_of(enum remedy_act act)
{
    return remedy_act_run(act);
}

static const char *pool_of(enum remedy_act act, const char *pool)
{
    return rollout_action_of_server(action_of(act)) ? "" : pool;
}

/* A run of somebody else has that server on its list, and will come to it. */
static bool is_on_a_list(const struct coordinator *c, const char *server, const char *pool,
                         char *why)
{
    for (size_t i = 0; i < c->run_count; i++) {
        const struct rollout *r = c->runs[i];
        for (size_t k = 0; k < r->target_count && !run_state_ended(r->state); k++) {
            const struct rollout_target *t = &r->targets[k];
            bool meets = !pool[0] || !t->pool[0] || text_equal_nocase(t->pool, pool);
            if (meets && text_equal_nocase(t->server, server) && !target_state_ended(t->state)) {
                text_format(why, INCIDENT_TEXT_MAX, "run: %s is on the list of run %llu (by %s)",
                            server, (unsigned long long)r->id, r->actor);
                return true;
            }
        }
    }
    return false;
}

static enum incident_guard hands_off(const struct coordinator *c, const struct fleet_server *s,
                                     char *why)
{
    if (s->presence == PRESENCE_DECLARED_OUT) {
        text_format(why, INCIDENT_TEXT_MAX, "declared out: %.200s (by %s)", s->declared_out_reason,
                    s->declared_out_by);
        return GUARD_DECLARED_OUT;
    }
    if (s->maintenance_until_ms > c->wall_ms) {
        text_format(why, INCIDENT_TEXT_MAX, "maintenance: %.200s (by %s)", s->maintenance_reason,
                    s->maintenance_by);
        return GUARD_MAINTENANCE;
    }
    return GUARD_NONE;
}

static enum incident_guard view_may_act(void *ctx, const struct remedy_rule *rule,
                                        enum remedy_act act, const char *server, const char *pool,
                                        char *why)
{
    struct coordinator *c = ctx;
    const struct fleet_server *s = fleet_find(c->fleet, server);
    struct rollout probe = {.action = action_of(act), .options = c->spec.defaults};
    struct rollout_target target = {0};
    const char *at = pool_of(act, pool);
    text_copy(target.server, sizeof target.server, server);
    text_copy(target.pool, sizeof target.pool, at);
    enum incident_guard off = s ? hands_off(c, s, why) : GUARD_STALE;
    if (off != GUARD_NONE) {
        return off;
    }
    if (windows_closed(c->spec.windows, rule->window, c->wall_ms, why, INCIDENT_TEXT_MAX)) {
        return GUARD_WINDOW;
    }
    if (is_on_a_list(c, server, at, why)) {
        return GUARD_RUN;
    }
    const struct rollout_view view = runs_view(c);
    if (view.may_take(view.ctx, &probe, &target, why, INCIDENT_TEXT_MAX)) {
        return GUARD_NONE;
    }
    return coordinator_holder(c, server, at) ? GUARD_LEASE : GUARD_BUDGET;
}

static bool view_healthy(void *ctx, size_t at, const char *server, const char *pool,
                         uint32_t *serving, uint32_t *total, bool *itself)
{
    struct coordinator *c = ctx;
    size_t found = 0;
    for (size_t i = 0; i < coordinator_budget_count(c); i++) {
        bool last = i + 1 == coordinator_budget_count(c); /* of those that are in no other */
        if (!coordinator_in_budget(c, i, server) && (!last || found > 0)) {
            continue;
        }
        if (found++ < at) {
            continue;
        }
        struct budget b;
        char why[160];
        budgets_look(c, i, pool, &b);
        *serving = b.use.in_service;
        *total = (uint32_t)b.count;
        const struct fleet_server *s = fleet_find(c->fleet, server);
        *itself = s && s->presence != PRESENCE_DECLARED_OUT &&
                  !coordinator_holder(c, server, NULL) &&
                  !fleet_is_out(s, pool, c->now_ms, why, sizeof why);
        return true;
    }
    return false;
}

bool remedies_may_take(struct coordinator *c, const struct rollout *r, const char *server,
                       const char *pool, char *why, size_t why_size)
{
    char said[INCIDENT_TEXT_MAX] = "";
    uint32_t serving = 0, total = 0;
    bool ours = false, itself = false;
    for (size_t i = 0; i < c->incident_count; i++) {
        ours = ours || (c->incidents[i].run == r->id && c->incidents[i].rule[0] &&
                        c->incidents[i].phase == INCIDENT_ACTING);
    }
    for (size_t at = 0; ours && view_healthy(c, at, server, pool, &serving, &total, &itself);
         at++) {
        if (itself && !remedy_enough_stay(c->remedy, serving, total, said)) {
            text_copy(why, why_size, said);
            return false;
        }
    }
    return true;
}

static struct remedy_run run_of(const struct rollout *r, const char *server, char *detail,
                                size_t size)
{
    struct remedy_run out = {.known = true,
                             .open = !run_state_ended(r->state),
                             .apart = r->action == ROLLOUT_QUARANTINE,
                             .detail = detail};
    text_copy(detail, size, r->why);
    for (size_t i = 0; i < r->target_count; i++) {
        const struct rollout_target *t = &r->targets[i];
        if (text_equal_nocase(t->server, server)) {
            out.state = t->state;
            out.cause = t->cause;
            out.waiting = t->state == TARGET_WAITING || t->state == TARGET_CHECKING;
            text_copy(detail, size, t->detail[0] ? t->detail : t->step[0] ? t->step : r->why);
        }
    }
    return out;
}

/* One that has ended stands in the store alone. What cannot be read is open still: nothing follows
 * from it. */
static struct remedy_run view_run(void *ctx, uint64_t id, const char *server)
{
    struct coordinator *c = ctx;
    struct rollout *r = runs_find(c, id), *stored = NULL;
    struct error err;
    if (!r) {
        enum error_code code = store_load_run(c->spec.store, id, &stored, &err);
        if (code != ERR_NONE && code != ERR_NOT_FOUND) {
            return (struct remedy_run){.known = true, .open = true, .detail = ""};
        }
        r = stored;
    }
    struct remedy_run out = {.state = TARGET_ABORTED, .detail = "its run is gone"};
    if (r) {
        out = run_of(r, server, c->remedy_detail, sizeof c->remedy_detail);
    }
    rollout_free(stored);
    return out;
}

static bool view_holds(void *ctx, uint64_t incident)
{
    return remedies_hold(ctx, incident);
}

static bool view_taken(void *ctx, uint64_t incident)
{
    return leasing_taker(ctx, incident) != 0;
}

bool remedies_hold(const struct coordinator *c, uint64_t incident)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        if (c->leases[i].owner == LEASE_INCIDENT && c->leases[i].owner_id == incident) {
            return true;
        }
    }
    return false;
}

static struct remedy_view remedies_view(struct coordinator *c)
{
    return (struct remedy_view){.ctx = c,
                                .wall_ms = c->wall_ms,
                                .settling = coordinator_settling(c, c->now_ms),
                                .fresh = view_fresh,
                                .fresh_count = view_fresh_count,
                                .may_act = view_may_act,
                                .healthy = view_healthy,
                                .run = view_run,
                                .holds = view_holds,
                                .taken = view_taken};
}

/* ---- rows ---- */

static enum error_code write_incident(struct coordinator *c, struct remedy_change *change,
                                      struct error *err)
{
    struct store *s = c->spec.store;
    struct incident *n = &change->incident;
    enum error_code code =
        change->opens ? store_open_incident(s, n, err) : store_save_incident(s, n, err);
    if (code == ERR_NONE && change->closes) {
        code = store_close_incident(s, n->id, n->closed_wall_ms, n->why, err);
    }
    for (size_t i = 0; i < change->note_count && code == ERR_NONE; i++) {
        change->notes[i].incident = n->id;
        code = store_add_note(s, &change->notes[i], err);
    }
    return code;
}

enum error_code remedies_write(struct coordinator *c, struct remedy_change *change,
                               struct error *err)
{
    enum error_code code = write_incident(c, change, err);
    if (code == ERR_NONE && change->wants_evidence) {
        code = evidence_write_known(c, &change->incident, err);
    }
    if (code == ERR_NONE && change->kind) {
        const struct incident *n = &change->incident;
        char text[2 * INCIDENT_TEXT_MAX];
        text_format(text, sizeof text, "incident %llu: %s", (unsigned long long)n->id,
                    change->note_count ? change->notes[change->note_count - 1].text : n->text);
        const struct event event = {.kind = change->kind,
                                    .run = n->run,
                                    .server = n->server,
                                    .pool = n->pool,
                                    .actor = ACTOR,
                                    .text = text,
                                    .to = incident_phase_name(n->phase)};
        event_add(c, &event);
    }
    return code;
}

void remedies_install(struct coordinator *c, const struct remedy_change *change)
{
    struct incident *n = incident_by_id(c, change->incident.id);
    if (change->closes) {
        if (n) {
            *n = c->incidents[--c->incident_count];
        }
    } else if (n) {
        *n = change->incident;
    } else {
        c->incidents = must_realloc(c->incidents, c->incident_count + 1, sizeof *c->incidents);
        c->incidents[c->incident_count++] = change->incident;
    }
    remedy_install(c->remedy, change, c->wall_ms);
    log_info(
        "incident", LOG_UINT("incident", change->incident.id),
        LOG_TEXT("server", change->incident.server), LOG_TEXT("pool", change->incident.pool),
        LOG_TEXT("phase", change->closes ? "closed" : incident_phase_name(change->incident.phase)),
        LOG_TEXT("why", change->incident.why));
    c->turn++;
}

bool remedies_save(struct coordinator *c, struct remedy_change *change, struct error *err)
{
    const struct waiting before = events_waiting(c);
    enum error_code code = store_begin(c->spec.store, err);
    code = code != ERR_NONE ? code : remedies_write(c, change, err);
    return events_commit(c, code, &before, err) == ERR_NONE;
}

/* ---- the run of an act ---- */

struct plan_request remedies_request(struct coordinator *c, const struct remedy_change *change,
                                     char *reason, size_t size)
{
    const struct incident *n = &change->incident;
    const struct remedy_rule *rule = remedy_rule_find(c->remedy, n->rule);
    bool back = change->effect == REMEDY_GIVE_BACK;
    text_format(reason, size, "incident %llu%s%s%s%s: %.200s", (unsigned long long)n->id,
                n->rule[0] ? ", rule " : "", n->rule,
                change->approved_by[0] ? ", approved by " : "", change->approved_by, n->text);
    struct plan_request q = {.action = back ? ROLLOUT_UNDRAIN : action_of(change->act),
                             .pool =
                                 back ? remedies_pool_held(c, n) : pool_of(change->act, n->pool),
                             .selector = n->server,
                             .actor = ACTOR,
                             .reason = reason,
                             .window = rule && !back && rule->window[0] ? rule->window : NULL,
                             .windows = c->spec.windows,
                             .own_server = c->spec.own_server,
                             .options = c->spec.defaults};
    struct rollout_options *o = &q.options;
    o->batch = 1;
    o->on_drain_limit = DRAIN_LIMIT_PROCEED; /* what hangs never drains */
    o->unreachable = UNREACHABLE_FAIL;
    if (change->limit_ms && change->limit_ms / 3 < o->drain_limit_ms) {
        o->drain_limit_ms = change->limit_ms / 3;
    }
    if (change->act == REMEDY_KILL_WORKER) {
        o->worker_pid = change->worker_pid;
        o->worker_created = change->worker_created;
    }
    rollout_policies(o, ON_FAILURE_STOP, 0);
    return q;
}

const char *remedies_pool_held(const struct coordinator *c, const struct incident *n)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        if (c->leases[i].owner == LEASE_INCIDENT && c->leases[i].owner_id == n->id) {
            return c->leases[i].pool;
        }
    }
    return n->pool;
}

static void begin_run(struct coordinator *c, struct remedy_change *change)
{
    char reason[INCIDENT_TEXT_MAX];
    struct error err = {0};
    uint64_t id = 0;
    struct plan_request q = remedies_request(c, change, reason, sizeof reason);
    if (runs_begin(c, &q, change, &id, &err) != ERR_NONE) {
        /* Nothing was written: it is decided anew, with what is known then. */
        log_warn("remediation_not_begun", LOG_UINT("incident", change->incident.id),
                 LOG_TEXT("error", err.text));
        c->remedy_wait_ms = c->now_ms + 5000;
    }
}

static void end_run(struct coordinator *c, uint64_t id)
{
    struct rollout *r = runs_find(c, id);
    if (r && !run_state_ended(r->state)) {
        struct rollout_view view = runs_view(c);
        struct rollout_change change;
        rollout_on_request(r, REQUEST_ABORT, ACTOR, &view, c->now_ms, &change);
        word_of_run(c, r, &change, "run.abort", ACTOR, "it got no turn in time");
        runs_apply(c, r, &change);
    }
}

static bool perform(struct coordinator *c, struct remedy_change *change)
{
    struct error err;
    if (change->effect == REMEDY_BEGIN || change->effect == REMEDY_GIVE_BACK) {
        begin_run(c, change);
        return change->incident.run != 0;
    }
    const struct waiting before = events_waiting(c);
    bool brake = change->opens && text_equal(change->incident.kind, INCIDENT_STORM);
    if (brake) { /* by nobody's word, and everybody's matter */
        word_add(c, ACTOR, "remediation.stop", 0, "remediation of the farm", change->incident.text,
                 "acts", "acts no more");
    }
    if (!remedies_save(c, change, &err)) {
        events_undo(c, &before);
        return false;
    }
    remedies_install(c, change);
    if (change->wants_evidence) {
        evidence_ask(c, change);
    }
    if (change->effect == REMEDY_ABORT) {
        end_run(c, change->incident.run);
    }
    return true;
}

static void decide(struct coordinator *c)
{
    for (int i = 0; i < DECISIONS && !c->frozen[0] && !c->store_trouble[0]; i++) {
        struct remedy_change change;
        const struct remedy_view view = remedies_view(c);
        if (c->now_ms < c->remedy_wait_ms) {
            return;
        }
        remedy_next(c->remedy, c->incidents, c->incident_count, &view, c->now_ms, &change);
        if (!change.any || !perform(c, &change)) {
            return;
        }
    }
}

/* Also in the turn of a person's word, which may be what it waited for: the act is ours all the
 * same, and is asked for from nowhere. */
void remedies_drive(struct coordinator *c)
{
    char origin[64];
    text_copy(origin, sizeof origin, store_audit_origin_now(c->spec.store));
    store_audit_origin(c->spec.store, "");
    decide(c);
    store_audit_origin(c->spec.store, origin);
}

/* ---- life ---- */

static void load_past(void *arg, const struct incident *n, const struct incident_note *note)
{
    struct coordinator *c = arg;
    bool ended = text_equal(note->kind, "end");
    if (ended && text_equal(n->kind, INCIDENT_STORM)) {
        remedy_released(c->remedy, note->wall_ms);
    } else if (!ended && n->rule[0]) {
        remedy_remember(c->remedy, n->rule, n->server, n->pool, note->wall_ms,
                        text_equal(note->kind, "action"));
    }
}

enum error_code remedies_open(struct coordinator *c, struct error *err)
{
    c->remedy = remedy_new(c->spec.rules, c->spec.rule_count, &c->spec.guards, c->now_ms);
    int64_t since = c->wall_ms - PAST_WALL_MS;
    static const char *const kinds[] = {"seen", "action", "end"};
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && code == ERR_NONE; i++) {
        code = store_recent_notes(c->spec.store, kinds[i], since, load_past, c, err);
    }
    return code;
}

const struct remedy *coordinator_remedy(const struct coordinator *c)
{
    return c->remedy;
}
