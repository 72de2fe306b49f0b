/* Sessions with agents: one parked listen each is the address of its next command. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "proto/codec.h"
#include "proto/url.h"

#include <stdlib.h>
#include <string.h>

/* No agent makes us go above: the store counts to 2^63, and every start needs room. */
#define FENCE_NUMBER_MAX ((uint64_t)1 << 62)

/* ---- who waits for which answer ---- */

struct ask *ask_new(struct coordinator *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->ask_count; i++) {
        if (c->now_ms - c->asks[i].at_ms < ASK_LIFE_MS) {
            c->asks[kept++] = c->asks[i];
        }
    }
    c->asks = must_realloc(c->asks, kept + 1, sizeof *c->asks);
    c->ask_count = kept + 1;
    c->asks[kept] = (struct ask){.at_ms = c->now_ms};
    return &c->asks[kept];
}

void ask_drop(struct coordinator *c, struct ask *a)
{
    *a = c->asks[--c->ask_count];
}

static struct ask *ask_find(struct coordinator *c, const struct wire_id *nonce)
{
    for (size_t i = 0; i < c->ask_count && !wire_id_is_zero(nonce); i++) {
        if (wire_id_equal(&c->asks[i].nonce, nonce)) {
            return &c->asks[i];
        }
    }
    return NULL;
}

/* ---- sessions ---- */

struct session *session_find(struct coordinator *c, const char *server)
{
    const struct fleet_server *s = fleet_find(c->fleet, server);
    return s ? s->session : NULL;
}

struct session *session_of(struct coordinator *c, struct fleet_server *server)
{
    struct session *s = server->session;
    if (s) {
        return s;
    }
    server->session = s = must_alloc(1, sizeof *s);
    s->server = server;
    s->next_seq = 1;
    s->queue = must_alloc(QUEUE_MAX, sizeof *s->queue);
    c->sessions = must_realloc(c->sessions, c->session_count + 1, sizeof(struct session *));
    c->sessions[c->session_count++] = s;
    return s;
}

struct command_id session_next_id(struct coordinator *c, struct session *s)
{
    return (struct command_id){.fence = c->spec.fence, .seq = s->next_seq++};
}

static void reply(struct coordinator *c, const struct coordinator_peer *to, uint64_t seq,
                  enum coordinator_message_kind kind, const char *detail)
{
    const struct coordinator_message m = {.version = WIRE_VERSION,
                                          .fence = c->spec.fence,
                                          .kind = kind,
                                          .seq = seq,
                                          .command = {.pool = "", .actor = "", .reason = ""},
                                          .detail = detail};
    c->spec.ports.reply(c->spec.ports.ctx, to, &m);
}

static void queue_remove(struct session *s, size_t at)
{
    s->queue_count--;
    memmove(s->queue + at, s->queue + at + 1, (s->queue_count - at) * sizeof *s->queue);
}

static bool is_read_only(const struct pending *p)
{
    return p->command.verb == VERB_OBSERVE || p->command.verb == VERB_QUERY ||
           p->command.verb == VERB_ROTATION;
}

/* Hands the oldest command to the parked listen. It stays in the queue until a later listen or an
 * answer names it, since a reply may be lost without a word. */
static void pump(struct coordinator *c, struct session *s)
{
    for (size_t i = 0; i < s->queue_count;) {
        bool stale =
            is_read_only(&s->queue[i]) && c->now_ms - s->queue[i].asked_ms > OBSERVE_STALE_MS;
        if (stale) {
            queue_remove(s, i);
        } else {
            i++;
        }
    }
    if (!s->parked || s->queue_count == 0 || c->frozen[0] || s->server->quarantined) {
        return;
    }
    struct pending *p = &s->queue[0];
    p->command.pool = p->pool;
    p->command.piece_of = p->piece_of;
    p->command.actor = p->actor;
    p->command.reason = p->reason;
    p->command.incarnation = s->server->incarnation;
    p->command.listen_no = s->listen_no;
    bool judged = verb_is_of_services(p->command.verb);
    p->command.expires_ms =
        c->now_ms - s->parked_ms + (judged ? SERVICES_WINDOW_MS : COMMAND_WINDOW_MS);
    const struct coordinator_message m = {.version = WIRE_VERSION,
                                          .fence = c->spec.fence,
                                          .kind = COORDINATOR_COMMAND,
                                          .seq = s->request_seq,
                                          .command = p->command,
                                          .detail = ""};
    s->parked = false;
    p->handed = true;
    c->spec.ports.reply(c->spec.ports.ctx, &s->peer, &m);
}

bool session_send(struct coordinator *c, struct session *s, const struct pending *p)
{
    if (s->queue_count == QUEUE_MAX) {
        return false;
    }
    s->queue[s->queue_count] = *p;
    s->queue[s->queue_count].asked_ms = c->now_ms;
    s->queue[s->queue_count++].handed = false;
    pump(c, s);
    return true;
}

void session_forget(struct coordinator *c, const char *server, const struct command_id *id)
{
    struct session *s = session_find(c, server);
    for (size_t i = 0; s && i < s->queue_count; i++) {
        if (command_id_equal(&s->queue[i].command.id, id)) {
            queue_remove(s, i);
            return;
        }
    }
}

void sessions_restart(struct coordinator *c)
{
    for (size_t i = 0; i < c->session_count; i++) {
        c->sessions[i]->queue_count = 0;
        c->sessions[i]->next_seq = 1;
    }
    c->ask_count = 0;
}

void sessions_on_time(struct coordinator *c)
{
    for (size_t i = 0; i < c->session_count; i++) {
        struct session *s = c->sessions[i];
        if (s->parked && c->now_ms - s->parked_ms >= PARK_LIMIT_MS) {
            s->parked = false;
            reply(c, &s->peer, s->request_seq,
                  s->server->quarantined ? COORDINATOR_QUARANTINED : COORDINATOR_NOTHING,
                  s->server->quarantine_why);
        }
        /* The transport may never tell that a connection is dead: closing it clears it up. */
        if (s->server->presence == PRESENCE_SILENT && s->pipe && !s->pipe_closed) {
            s->pipe_closed = true;
            s->parked = false;
            c->spec.ports.close_pipe(c->spec.ports.ctx, s->pipe);
        }
    }
}

void coordinator_on_pipe_gone(struct coordinator *c, uint32_t pipe, uint64_t now_ms,
                              int64_t wall_ms)
{
    (void)now_ms;
    (void)wall_ms;
    for (size_t i = 0; i < c->session_count; i++) {
        if (c->sessions[i]->pipe == pipe) {
            c->sessions[i]->parked = false; /* nothing else follows from it: silence is not down */
        }
    }
}

/* ---- what agents say ---- */

/* Kept over restarts; while the store cannot write it is tried again with every listen. */
static void save_freeze(struct coordinator *c)
{
    struct error err = {0};
    struct store_freeze freeze = {.number = c->highest_fence};
    text_copy(freeze.why, sizeof freeze.why, c->frozen);
    if (c->store_trouble[0]) {
        return;
    }
    if (store_begin(c->spec.store, &err) == ERR_NONE &&
        store_save_freeze(c->spec.store, &freeze, &err) == ERR_NONE &&
        store_commit(c->spec.store, &err) == ERR_NONE) {
        c->freeze_unsaved = false;
        return;
    }
    store_rollback(c->spec.store);
    store_failed(c, &err);
}

static void freeze(struct coordinator *c, const char *agent, const struct fence *theirs)
{
    text_format(c->frozen, sizeof c->frozen,
                "%s has accepted fence %llu, ours is %llu: another coordinator runs, or this store "
                "was restored from an older copy. Stop the other one, then `farmhand takeover`; "
                "until then nothing is commanded here",
                agent, (unsigned long long)theirs->number,
                (unsigned long long)c->spec.fence.number);
    log_error("frozen", LOG_TEXT("why", c->frozen));
    c->freeze_unsaved = true;
    runs_set_pause(c, PAUSE_FENCE, true);
}

/* Agents that know a higher fence, or ours under another instance, mean that this store is behind:
 * a restored backup, a reverted snapshot, a second coordinator. */
static void check_fence(struct coordinator *c, const char *agent, const struct fence *theirs)
{
    bool behind = theirs->number > c->spec.fence.number ||
                  (theirs->number == c->spec.fence.number && !fence_equal(theirs, &c->spec.fence));
    uint64_t number = theirs->number < FENCE_NUMBER_MAX ? theirs->number : FENCE_NUMBER_MAX;
    if (behind && number > c->highest_fence) {
        c->highest_fence = number;
        c->freeze_unsaved = true;
    }
    if (behind && !c->frozen[0]) {
        freeze(c, agent, theirs);
    }
    if (c->freeze_unsaved) {
        save_freeze(c);
    }
}

/* Commands that the agent says it received are confirmed. */
static void confirm(struct coordinator *c, struct session *s, const struct command_id *last)
{
    if (!fence_equal(&last->fence, &c->spec.fence)) {
        return;
    }
    while (s->queue_count && s->queue[0].handed && s->queue[0].command.id.seq <= last->seq) {
        queue_remove(s, 0);
    }
}

/* What gates have seen of a server belongs to the boot it was seen of. */
static void leave_former_boot(struct coordinator *c, const struct fleet_server *s)
{
    for (size_t i = 0; i < c->run_count; i++) {
        struct rollout *r = c->runs[i];
        for (size_t k = 0; k < r->target_count; k++) {
            if (text_equal_nocase(r->targets[k].server, s->name)) {
                struct rollout_change change;
                rollout_on_new_boot(r, k, c->now_ms, &change);
                runs_apply(c, r, &change);
            }
        }
    }
}

static void on_listen(struct coordinator *c, struct session *s, const struct agent_message *m,
                      const struct coordinator_peer *from, enum fleet_hearing hearing)
{
    const struct listen *l = &m->listen;
    if (hearing == FLEET_OLD || hearing == FLEET_NEW_JOURNAL) {
        reply(c, from, m->seq, hearing == FLEET_OLD ? COORDINATOR_NOTHING : COORDINATOR_QUARANTINED,
              s->server->quarantine_why);
        return;
    }
    bool same_start = wire_id_equal(&s->boot, &m->boot) && s->start_no == m->start_no;
    if (same_start && l->listen_no <= s->listen_no) {
        reply(c, from, m->seq, COORDINATOR_NOTHING, "");
        return;
    }
    if (s->parked) {
        reply(c, &s->peer, s->request_seq, COORDINATOR_NOTHING, ""); /* the newest wins */
    }
    bool new_boot = !wire_id_is_zero(&s->boot) && !wire_id_equal(&s->boot, &m->boot);
    s->boot = m->boot;
    s->start_no = m->start_no;
    s->parked = true;
    s->peer = *from;
    s->request_seq = m->seq;
    s->listen_no = l->listen_no;
    s->parked_ms = c->now_ms;
    s->server->agent_fence = l->fence;
    if (new_boot) { /* also of a machine that is not believed: which one had passed the gate? */
        leave_former_boot(c, s->server);
    }
    if (hearing == FLEET_QUARANTINED) {
        return; /* parked, never commanded, not believed */
    }
    check_fence(c, m->agent, &l->fence);
    confirm(c, s, &l->last);
    pump(c, s);
}

/* Of those in hand: what waits has no command, and what has ended takes no answer any more. */
static struct rollout *find_target(struct coordinator *c, const char *server,
                                   const struct command_id *id, size_t *target)
{
    for (size_t i = 0; i < c->run_count; i++) {
        for (size_t k = 0; k < c->runs[i]->in_hand_count; k++) {
            size_t at = c->runs[i]->in_hand[k];
            const struct rollout_target *t = &c->runs[i]->targets[at];
            if (t->command.seq && command_id_equal(&t->command, id) &&
                text_equal_nocase(t->server, server)) {
                *target = at;
                return c->runs[i];
            }
        }
    }
    return NULL;
}

static void on_progress(struct coordinator *c, const struct agent_message *m)
{
    size_t target;
    struct rollout *r = find_target(c, m->agent, &m->progress.id, &target);
    if (r) {
        struct rollout_change change;
        rollout_on_progress(r, target, &m->progress, c->now_ms, &change);
        runs_apply(c, r, &change);
    }
}

/* Asked to see our fence in force: then what it was for is looked at again, and put right. */
static bool answers_mending(struct coordinator *c, const struct result *result)
{
    struct ask *a = ask_find(c, &result->nonce);
    if (!a) {
        return false;
    }
    mend_fence_seen(c, a, result->cause);
    struct fleet_server *mends = a->mends;
    if (mends) {
        ask_drop(c, a);
        read_places(c, mends->name, 0);
    }
    return mends != NULL;
}

/* An answer to QUERY counts only if we asked it: UNHEARD is true as of that question alone. */
static bool result_is_ours(struct coordinator *c, const struct result *result)
{
    bool answers_query = result->outcome == OUTCOME_UNHEARD || result->outcome == OUTCOME_RUNNING;
    struct ask *a = ask_find(c, &result->nonce);
    if (a) {
        ask_drop(c, a);
        return true;
    }
    return !answers_query;
}

/* true: taken durably (or nothing to take): the agent may forget it. */
static bool on_result(struct coordinator *c, struct session *s, const struct agent_message *m)
{
    const struct result *result = &m->result;
    if (rotation_on_result(c, result)) {
        return true;
    }
    size_t target;
    if (answers_mending(c, result)) {
        return true;
    }
    struct rollout *r = find_target(c, m->agent, &result->id, &target);
    if (!r || !result_is_ours(c, result)) {
        return !c->store_trouble[0] && !c->unsaved;
    }
    if (result->outcome != OUTCOME_RUNNING && result->outcome != OUTCOME_NONE) {
        session_forget(c, s->server->name, &result->id);
    }
    struct rollout_view view = runs_view(c);
    struct rollout_change change;
    rollout_on_result(r, target, result, &view, c->now_ms, &change);
    change.former = result->former;
    c->found = result;
    bool saved = runs_apply(c, r, &change);
    c->found = NULL;
    return saved && !c->unsaved;
}

static void on_observation(struct coordinator *c, struct session *s, const struct agent_message *m)
{
    const struct observation *seen = &m->observation;
    session_forget(c, s->server->name, &seen->id);
    struct ask *a = ask_find(c, &seen->nonce);
    if (!a || !text_equal_nocase(a->server, m->agent)) {
        return;
    }
    struct ask asked = *a;
    mend_fence_seen(c, a, seen->cause);
    ask_drop(c, a);
    fleet_observed(c->fleet, s->server, seen);
    if (asked.rehearsal) {
        rehearse_on_observation(c, &asked, seen);
        return;
    }
    if (asked.patrol || asked.incident) {
        (asked.patrol    ? patrol_seen
         : asked.fetches ? evidence_got_piece
                         : evidence_seen)(c, &asked, seen);
        return;
    }
    if (rotation_on_observation(c, &asked, seen)) {
        return;
    }
    struct rollout *r = runs_find(c, asked.run);
    if (r) {
        struct rollout_view view = runs_view(c);
        struct rollout_change change;
        rollout_on_observation(r, asked.target, asked.run_ticket, seen, &view, c->now_ms, &change);
        runs_apply(c, r, &change);
    }
}

/* The server's row. What people said of it before stands there as well. */
static void remember(struct coordinator *c, struct fleet_server *s)
{
    if (c->store_trouble[0]) {
        return;
    }
    struct error err;
    if (store_begin(c->spec.store, &err) != ERR_NONE || write_server(c, s, &err) != ERR_NONE ||
        store_commit(c->spec.store, &err) != ERR_NONE) {
        store_rollback(c->spec.store);
        store_failed(c, &err);
        return;
    }
    s->stored = true;
}

static void dispatch(struct coordinator *c, struct session *s, const struct agent_message *m,
                     const struct coordinator_peer *from, enum fleet_hearing hearing)
{
    bool trusted = hearing == FLEET_TAKEN || hearing == FLEET_WANT_WHOLE;
    enum coordinator_message_kind answer = COORDINATOR_ACK;
    switch (m->kind) {
    case AGENT_LISTEN:
        on_listen(c, s, m, from, hearing);
        return;
    case AGENT_REPORT:
        must(!"reports belong to the fleet");
    case AGENT_PROGRESS:
        if (trusted) {
            on_progress(c, m);
        }
        break;
    case AGENT_RESULT:
        if (trusted && !on_result(c, s, m)) {
            answer = COORDINATOR_NOTHING; /* not durable: the agent sends it again */
        }
        break;
    case AGENT_OBSERVATION:
        if (trusted) {
            on_observation(c, s, m);
        }
        break;
    case AGENT_RENEW:
        break; /* the shell answers those itself */
    }
    bool old = hearing == FLEET_OLD;
    reply(c, from, m->seq, trusted || old ? answer : COORDINATOR_QUARANTINED,
          s->server->quarantine_why);
}

static void after_report(struct coordinator *c, struct session *s, uint64_t seq,
                         const struct coordinator_peer *from, enum fleet_hearing hearing)
{
    bool whole = hearing == FLEET_WANT_WHOLE;
    reply(c, from, seq,
          whole                                            ? COORDINATOR_RESEND_WHOLE
          : hearing == FLEET_TAKEN || hearing == FLEET_OLD ? COORDINATOR_ACK
                                                           : COORDINATOR_QUARANTINED,
          s->server->quarantine_why);
    if (hearing == FLEET_TAKEN && c->spec.ports.seen) {
        c->spec.ports.seen(c->spec.ports.ctx, s->server, c->wall_ms);
    }
    if (hearing == FLEET_TAKEN) {
        remedies_look(c, s->server);
    }
}

void coordinator_on_agent(struct coordinator *c, struct agent_message *m,
                          const struct coordinator_peer *from, const char *address, uint64_t now_ms,
                          int64_t wall_ms)
{
    turn_begin(c, now_ms, wall_ms);
    struct error err;
    if (wire_check_server_name(m->agent, &err) != ERR_NONE) {
        log_warn("agent_name_refused", LOG_TEXT("address", address), LOG_TEXT("name", m->agent));
        reply(c, from, m->seq, COORDINATOR_QUARANTINED, err.text);
        codec_free_agent(m);
        return;
    }
    bool is_report = m->kind == AGENT_REPORT, first;
    bool whole = is_report && m->report.state.whole;
    uint64_t seq = m->seq;
    struct fleet_server *server = fleet_add(c->fleet, m->agent);
    bool was_blocked = fleet_is_blocked(server);
    enum fleet_hearing hearing = fleet_hear(c->fleet, m, now_ms, &first, fleet_told, c);
    struct session *s = session_of(c, server);
    if (hearing == FLEET_NEW_JOURNAL) {
        log_warn("agent_quarantined", LOG_TEXT("server", server->name),
                 LOG_TEXT("why", server->quarantine_why));
    } else if (hearing != FLEET_OLD) {
        s->pipe = from->pipe;
        s->pipe_closed = false;
        text_copy(server->address, sizeof server->address, address);
    }
    if (!was_blocked && fleet_is_blocked(server)) {
        server->stored = false; /* if it cannot be written now, the next message tries again */
        remember(c, server);
    }
    /* Its first journal is approved as it comes, and from then on no other is. */
    if (hearing != FLEET_NEW_JOURNAL && !server->stored) {
        remember(c, server);
    }
    if (is_report) {
        after_report(c, s, seq, from, hearing);
        if (whole && hearing == FLEET_TAKEN) {
            kept_look(c, server);
        }
        fleet_tick_one(c->fleet, server, now_ms, wall_ms, fleet_told, c);
        events_soon(c);
        return; /* the next turn is soon, if there is news: runs look at the clock then */
    }
    bool answers = m->kind != AGENT_LISTEN;
    dispatch(c, s, m, from, hearing);
    codec_free_agent(m);
    if (answers) {
        runs_drive(c);
    } else {
        events_soon(c); /* thousands listen: that brings no run any further */
    }
}
