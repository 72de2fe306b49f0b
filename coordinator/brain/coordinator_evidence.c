/* Evidence first: what was known of a server and pool when its incident opened, kept with it. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/audit_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_KEPT_MAX  16         /* entries of the event log... */
#define WORKERS_KEPT_MAX 16         /* ...and workers that an incident keeps */
#define ANSWER           "requests" /* a note that each answer of an agent has, and nothing else */

struct writing {
    struct coordinator *c;
    uint64_t incident;
    const char *kind; /* of notes; NULL: "evidence" */
    enum error_code code;
    struct error *err;
};

static void FORMAT_PRINTF(2, 3) keep(struct writing *w, const char *fmt, ...)
{
    if (w->code != ERR_NONE) {
        return;
    }
    struct incident_note note = {.incident = w->incident, .wall_ms = w->c->wall_ms};
    text_copy(note.kind, sizeof note.kind, w->kind ? w->kind : "evidence");
    char text[INCIDENT_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    wire_clean_text(note.text, sizeof note.text, text);
    w->code = store_add_note(w->c->spec.store, &note, w->err);
}

static bool concerns(const struct incident *n, const char *pool)
{
    return !n->pool[0] || text_equal_nocase(n->pool, pool);
}

static void keep_workers(struct writing *w, const struct incident *n, const struct fleet_server *s,
                         const struct state *latest)
{
    size_t kept = 0;
    for (size_t i = 0; i < latest->worker_count && kept < WORKERS_KEPT_MAX; i++) {
        const struct worker *worker = &latest->workers[i];
        char age[TEXT_DURATION_MAX], cpu[TEXT_DURATION_MAX];
        if (!concerns(n, worker->pool)) {
            continue;
        }
        uint32_t permille = 0;
        for (size_t k = 0; k < s->figure_count; k++) {
            if (s->figures[k].pid == worker->pid && s->figures[k].created == worker->created) {
                permille = s->figures[k].cpu_permille;
            }
        }
        uint64_t age_ms = fleet_worker_age_ms(s, worker, w->c->now_ms);
        keep(w,
             "worker %u of pool %s: %.0f MiB, %.0f of its own, %u %% of a processor, %s in all, "
             "%s old",
             worker->pid, worker->pool, (double)worker->memory_bytes / (1024.0 * 1024),
             (double)worker->private_bytes / (1024.0 * 1024), permille / 10,
             text_format_duration(cpu, worker->cpu_ms),
             text_format_duration(age, age_ms / 1000 * 1000));
        kept++;
    }
}

static void keep_figures(struct writing *w, const struct incident *n, const struct state *latest)
{
    char age[TEXT_DURATION_MAX];
    for (size_t i = 0; i < latest->figure_count; i++) {
        const struct pool_figures *f = &latest->figures[i];
        if (concerns(n, f->pool)) {
            keep(w, "pool %s: %lld requests wait, %lld were rejected since its queue exists",
                 f->pool, (long long)f->queued, (long long)f->rejected);
        }
    }
    size_t from = latest->event_count > EVENTS_KEPT_MAX ? latest->event_count - EVENTS_KEPT_MAX : 0;
    for (size_t i = from; i < latest->event_count; i++) {
        const struct server_event *e = &latest->events[i];
        if (concerns(n, e->pool) || !e->pool[0]) {
            keep(w, "event %u, %s ago: %s%s%s (pid %u, code %u)", e->id,
                 text_format_duration(age, e->age_ms / 1000 * 1000), event_words(e->id),
                 e->pool[0] ? ", pool " : "", e->pool, e->pid, e->code);
        }
    }
}

enum error_code evidence_write_known(struct coordinator *c, const struct incident *n,
                                     struct error *err)
{
    struct writing w = {.c = c, .incident = n->id, .err = err};
    const struct fleet_server *s = fleet_find(c->fleet, n->server);
    const struct state *whole = s ? fleet_whole(s) : NULL, *latest = s ? fleet_latest(s) : NULL;
    if (!whole || !latest) {
        return ERR_NONE;
    }
    char age[TEXT_DURATION_MAX];
    keep(&w, "host: %u %% of %u processors busy, %.0f of %.0f MiB free; reported %s before",
         latest->host.cpu_permille / 10, latest->host.processors,
         (double)latest->host.memory_available_bytes / (1024.0 * 1024),
         (double)latest->host.memory_total_bytes / (1024.0 * 1024),
         text_format_duration(age, c->now_ms - s->state_ms + latest->age_ms));
    for (size_t i = 0; i < whole->service_count && !n->pool[0]; i++) {
        const struct service *v = &whole->services[i];
        keep(&w, "service %s: %s (%s), pid %u", v->name, service_state_name(v->state),
             service_start_name(v->start), v->pid);
    }
    keep_workers(&w, n, s, latest);
    keep_figures(&w, n, latest);
    return w.code;
}

/* ---- what only the agent can tell ---- */

/* The worker that a dump is worth most of where none is named: the one with the most memory. */
static void choose_worker(struct coordinator *c, const struct incident *n, struct command *command)
{
    const struct fleet_server *s = fleet_find(c->fleet, n->server);
    const struct state *latest = s ? fleet_latest(s) : NULL;
    uint64_t most = 0;
    for (size_t i = 0; latest && i < latest->worker_count; i++) {
        const struct worker *w = &latest->workers[i];
        if (text_equal_nocase(w->pool, n->pool) && w->memory_bytes >= most) {
            most = w->memory_bytes;
            command->worker_pid = w->pid;
            command->worker_created = w->created;
        }
    }
}

static struct ask *ask_agent(struct coordinator *c, const struct incident *n, struct pending *q)
{
    struct session *session = session_find(c, n->server);
    if (!session) {
        return NULL;
    }
    q->command.verb = VERB_OBSERVE;
    q->command.run = n->id; /* a dump is called by it */
    q->command.id = session_next_id(c, session);
    struct ask *a = ask_new(c);
    a->incident = n->id;
    text_copy(a->server, sizeof a->server, n->server);
    text_copy(a->pool, sizeof a->pool, n->pool);
    c->spec.ports.random_id(c->spec.ports.ctx, &a->nonce);
    q->command.nonce = a->nonce;
    session_send(c, session, q);
    return a;
}

/* false: its agent cannot be asked now. */
static bool ask_of_change(struct coordinator *c, const struct remedy_change *change)
{
    const struct incident *n = &change->incident;
    struct pending q = {.command = {.probe = true,
                                    .requests = true,
                                    .dump = change->wants_dump,
                                    .worker_pid = change->worker_pid,
                                    .worker_created = change->worker_created}};
    if (!n->pool[0]) {
        return true; /* it would have nothing to tell */
    }
    text_copy(q.pool, sizeof q.pool, n->pool);
    if (change->wants_dump && !change->worker_pid) {
        choose_worker(c, n, &q.command);
    }
    return ask_agent(c, n, &q) != NULL;
}

void evidence_ask(struct coordinator *c, const struct remedy_change *change)
{
    ask_of_change(c, change);
}

static void look_for_answer(void *arg, const struct incident_note *note)
{
    bool *answered = arg;
    *answered = *answered || text_equal(note->kind, ANSWER);
}

/* Its rule found it, and nothing was done about it yet: what its agent tells is of before. The run
 * of its first act may be there already, and have given no command. */
static bool wants_answer(const struct coordinator *c, const struct incident *n)
{
    const struct rollout *run = n->run ? runs_find(c, n->run) : NULL;
    bool waits = run && run->target_count && run->targets[0].state < TARGET_ACTING;
    return n->rule[0] && n->pool[0] && n->rung == 0 && (!n->run || waits);
}

enum error_code evidence_open(struct coordinator *c, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->incident_count && code == ERR_NONE; i++) {
        bool answered = false;
        if (wants_answer(c, &c->incidents[i])) {
            code = store_load_notes(c->spec.store, c->incidents[i].id, look_for_answer, &answered,
                                    err);
            if (!answered) {
                c->unasked = must_realloc(c->unasked, c->unasked_count + 1, sizeof *c->unasked);
                c->unasked[c->unasked_count++] = c->incidents[i].id;
            }
        }
    }
    return code;
}

void evidence_ask_again(struct coordinator *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->unasked_count; i++) {
        const struct incident *n = incident_by_id(c, c->unasked[i]);
        if (!n || !wants_answer(c, n)) {
            continue;
        }
        const struct fleet_server *s = fleet_find(c->fleet, n->server);
        const struct remedy_rule *rule = remedy_rule_find(c->remedy, n->rule);
        const struct remedy_change change = {.incident = *n, .wants_dump = rule && rule->dump};
        if (!s || !fleet_latest(s) || !ask_of_change(c, &change)) { /* a dump is of a worker */
            c->unasked[kept++] = c->unasked[i];
        }
    }
    c->unasked_count = kept;
}

static void keep_answer(struct writing *w, const struct observation *seen)
{
    char oldest[TEXT_DURATION_MAX];
    if (seen->probed) {
        keep(w, "probe: %s, status %d in %u ms%s%s", seen->probe_passed ? "passed" : "failed",
             seen->probe_status, seen->probe_ms, seen->detail[0] ? ": " : "", seen->detail);
    }
    w->kind = ANSWER;
    if (!seen->requests_known) {
        keep(w, "executing requests are not known: %s",
             seen->requests[0] ? seen->requests : seen->detail);
    } else if (seen->executing == 0) {
        keep(w, "no request is executing");
    } else {
        keep(w, "%u request%s executing, the oldest for %s: %s", seen->executing,
             seen->executing == 1 ? " is" : "s are", text_format_duration(oldest, seen->oldest_ms),
             seen->requests);
    }
    if (seen->dump_bytes) {
        w->kind = "dump";
        keep(w, "%s, %.1f MiB", seen->dump, (double)seen->dump_bytes / (1024.0 * 1024));
    } else if (seen->dump[0]) {
        w->kind = NULL;
        keep(w, "no dump: %s", seen->dump);
    }
}

/* ---- of a kill by hand ---- */

struct remedy_change evidence_of_kill(const struct coordinator *c, const struct rollout *run,
                                      bool dump)
{
    struct remedy_change change = {.opens = true,
                                   .closes = true,
                                   .wants_evidence = true,
                                   .wants_dump = dump,
                                   .worker_pid = run->options.worker_pid,
                                   .worker_created = run->options.worker_created};
    struct incident *n = &change.incident;
    text_copy(n->server, sizeof n->server, run->targets[0].server);
    text_copy(n->pool, sizeof n->pool, run->targets[0].pool);
    text_copy(n->kind, sizeof n->kind, INCIDENT_KILL);
    text_format(n->text, sizeof n->text, "%.120s ends worker %u by hand: %.300s", run->actor,
                run->options.worker_pid, run->reason);
    text_copy(n->why, sizeof n->why, "evidence, kept before the worker is ended by hand");
    n->opened_wall_ms = n->closed_wall_ms = c->wall_ms;
    return change;
}

/* Those of runs that ended before they began. */
static void forget_ended(struct coordinator *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->kill_count; i++) {
        const struct rollout *run = runs_find(c, c->kills[i].incident.run);
        if (run && !run_state_ended(run->state)) {
            c->kills[kept++] = c->kills[i];
        }
    }
    c->kill_count = kept;
}

void evidence_await(struct coordinator *c, const struct remedy_change *kill)
{
    forget_ended(c);
    c->kills = must_realloc(c->kills, c->kill_count + 1, sizeof *c->kills);
    c->kills[c->kill_count++] = *kill;
}

void evidence_ask_awaited(struct coordinator *c, const struct rollout *run)
{
    for (size_t i = 0; i < c->kill_count; i++) {
        if (c->kills[i].incident.run == run->id) {
            evidence_ask(c, &c->kills[i]);
            c->kills[i] = c->kills[--c->kill_count];
            return;
        }
    }
}

/* A line of the run's story, where a recovery leaves what its rungs found. */
static enum error_code tell_run(struct coordinator *c, const struct incident *n, const char *text,
                                struct error *err)
{
    struct store_step step = {
        .run = n->run, .wall_ms = c->wall_ms, .from = TARGET_ACTING, .to = TARGET_ACTING};
    text_format(step.text, sizeof step.text, "evidence: %s", text);
    return store_add_step(c->spec.store, &step, err);
}

enum error_code evidence_tell_kept(struct coordinator *c, const struct incident *n,
                                   struct error *err)
{
    char text[ROLLOUT_STEP_MAX];
    text_format(text, sizeof text,
                "what was known is kept with incident %llu: `farmhand incident show %llu`",
                (unsigned long long)n->id, (unsigned long long)n->id);
    return tell_run(c, n, text, err);
}

static enum error_code tell_answer(struct coordinator *c, uint64_t incident,
                                   const struct observation *seen, struct error *err)
{
    struct incident n;
    char text[2 * ROLLOUT_STEP_MAX], requests[ROLLOUT_STEP_MAX], id[24];
    enum error_code code = store_find_incident(c->spec.store, incident, &n, err);
    if (code != ERR_NONE || !text_equal(n.kind, INCIDENT_KILL)) {
        return code;
    }
    text_format(id, sizeof id, "%llu", (unsigned long long)incident);
    if (seen->requests_known) {
        text_format(requests, sizeof requests, "%u executing request%s listed", seen->executing,
                    seen->executing == 1 ? "" : "s");
    } else {
        text_copy(requests, sizeof requests, "executing requests could not be listed");
    }
    if (seen->dump_bytes) {
        text_format(text, sizeof text,
                    "%s, and a dump of %.1f MiB: `farmhand incident show %s`, `farmhand "
                    "incident fetch %s --to FILE`",
                    requests, (double)seen->dump_bytes / (1024.0 * 1024), id, id);
    } else {
        text_format(text, sizeof text, "%s%s%.300s: `farmhand incident show %s`", requests,
                    seen->dump[0] ? ", no dump: " : "", seen->dump, id);
    }
    return tell_run(c, &n, text, err);
}

void evidence_seen(struct coordinator *c, const struct ask *a, const struct observation *seen)
{
    struct error err;
    struct writing w = {.c = c, .incident = a->incident, .err = &err};
    if (c->store_trouble[0] || store_begin(c->spec.store, &err) != ERR_NONE) {
        return; /* evidence is worth having, and nothing waits for it */
    }
    keep_answer(&w, seen);
    w.code = w.code != ERR_NONE ? w.code : tell_answer(c, a->incident, seen, &err);
    if (w.code != ERR_NONE || store_commit(c->spec.store, &err) != ERR_NONE) {
        store_rollback(c->spec.store);
        store_failed(c, &err);
    }
}

/* ---- the dump, piece by piece ---- */

#define PIECE_AGAIN_MS 8000 /* an agent that has not answered by then is asked again */

static void forget_piece(struct coordinator *c)
{
    free(c->piece.hex);
    c->piece = (struct coordinator_piece){0};
}

void evidence_got_piece(struct coordinator *c, const struct ask *a, const struct observation *seen)
{
    forget_piece(c);
    c->piece_asked_ms = 0;
    c->piece.incident = a->incident;
    c->piece.at = a->piece_at;
    c->piece.bytes = seen->dump_bytes;
    if (seen->cause != CAUSE_NONE) {
        text_copy(c->piece.why, sizeof c->piece.why,
                  seen->detail[0] ? seen->detail : cause_name(seen->cause));
    } else {
        c->piece.hex = must_copy(seen->piece);
    }
}

static void fetch_word(struct coordinator *c, const char *action, const char *reason,
                       const char *after)
{
    word_add(c, c->fetch.actor, action, 0, c->fetch.object, reason, NULL, after);
    events_flush(c);
}

/* What left of one that nobody goes on with. */
static void fetch_left(struct coordinator *c)
{
    char left[AUDIT_WORDS_MAX];
    if (c->fetch.incident == 0 || c->fetch.next == 0) {
        return;
    }
    text_format(left, sizeof left, "%llu of %llu bytes left the coordinator",
                (unsigned long long)c->fetch.next, (unsigned long long)c->fetch.bytes);
    fetch_word(c, "incident.fetch-left", c->fetch.reason, left);
}

static enum error_code fetch_begin(struct coordinator *c, const struct incident *n,
                                   const char *dump, const char *actor, const char *reason,
                                   struct error *err)
{
    enum error_code code = check_reason(reason, err);
    code = code != ERR_NONE ? code : check_writable(c, err);
    if (code != ERR_NONE) {
        return code;
    }
    fetch_left(c);
    c->fetch = (struct fetch){.incident = n->id};
    text_copy(c->fetch.actor, sizeof c->fetch.actor, actor);
    text_copy(c->fetch.reason, sizeof c->fetch.reason, reason);
    text_copy(c->fetch.dump, sizeof c->fetch.dump, dump);
    text_format(c->fetch.object, sizeof c->fetch.object, "incident %llu on %s: %.60s",
                (unsigned long long)n->id, n->server, dump);
    sha256_begin(&c->fetch.hash);
    fetch_word(c, "incident.fetch", reason, "its pieces are handed out");
    return ERR_NONE;
}

/* Is it the one under way, by whom it was begun? Its last piece may be asked for again. */
static bool fetch_goes_on(const struct coordinator *c, const struct incident *n, const char *dump,
                          const char *actor, uint64_t at)
{
    const struct fetch *f = &c->fetch;
    return f->incident == n->id && text_equal(f->actor, actor) && text_equal(f->dump, dump) &&
           (at == f->next || (at == f->last && at != 0));
}

static void fetch_done(struct coordinator *c)
{
    char hex[SHA256_HEX], what[AUDIT_WORDS_MAX];
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash = c->fetch.hash;
    sha256_end(&hash, digest);
    text_format(what, sizeof what, "%llu bytes, SHA-256 %s", (unsigned long long)c->fetch.next,
                sha256_hex(digest, hex));
    fetch_word(c, "incident.fetched", c->fetch.reason, what);
    c->fetch.next = 0; /* and nothing of it is left to tell */
    c->fetch.incident = 0;
}

/* A piece leaves: it is counted before. */
static void fetch_count(struct coordinator *c, const struct coordinator_piece *piece)
{
    size_t len = piece->hex ? strlen(piece->hex) / 2 : 0;
    if (!piece->hex) { /* it cannot be had: whoever tries again begins again */
        fetch_left(c);
        c->fetch.incident = 0;
    }
    if (len == 0 || piece->at != c->fetch.next) {
        return;
    }
    uint8_t *bytes = must_alloc(len, 1);
    if (text_from_hex(piece->hex, bytes, len)) {
        sha256_add(&c->fetch.hash, bytes, len);
    }
    free(bytes);
    c->fetch.last = piece->at;
    c->fetch.next = piece->at + len;
    c->fetch.bytes = piece->bytes;
    if (c->fetch.next >= piece->bytes) {
        fetch_done(c);
    }
}

static enum error_code ask_piece(struct coordinator *c, const struct incident *n, uint64_t at,
                                 struct error *err)
{
    struct pending q = {.command = {.piece_of = c->fetch.dump, .piece_at = at}};
    text_copy(q.piece_of, sizeof q.piece_of, c->fetch.dump);
    struct ask *a = ask_agent(c, n, &q);
    if (!a) {
        return error_set(err, ERR_UNAVAILABLE, "%s has not been heard of: its dump lies there",
                         n->server);
    }
    a->fetches = true;
    a->piece_at = at;
    c->piece_asked_ms = c->now_ms;
    return ERR_NONE;
}

enum error_code coordinator_fetch_dump(struct coordinator *c, const struct incident *n,
                                       const char *dump, uint64_t at, const char *actor,
                                       const char *reason, uint64_t now_ms, int64_t wall_ms,
                                       const struct coordinator_piece **out, struct error *err)
{
    turn_begin(c, now_ms, wall_ms);
    *out = NULL;
    if (!fetch_goes_on(c, n, dump, actor, at)) {
        if (at != 0) {
            return error_set(err, ERR_STATE,
                             "that piece does not follow one that was handed out to %s: begin at 0",
                             actor);
        }
        enum error_code code = fetch_begin(c, n, dump, actor, reason, err);
        if (code != ERR_NONE) {
            return code;
        }
        forget_piece(c); /* it was another's */
        c->piece_asked_ms = 0;
    }
    if (c->piece.incident == n->id && c->piece.at == at) {
        *out = &c->piece;
        fetch_count(c, &c->piece);
        return ERR_NONE;
    }
    if (c->piece_asked_ms && now_ms - c->piece_asked_ms < PIECE_AGAIN_MS) {
        return ERR_NONE;
    }
    return ask_piece(c, n, at, err);
}
