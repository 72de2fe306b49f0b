/* codec_unpack.c - protobuf-c's structs to plain ones. A sub-message that is not there reads as
 * one with every field zero, as proto3 has it. */
#include "proto/codec_internal.h"

#include <string.h>

/* Where things go and who is told. */
struct unpack {
    struct arena *arena;
    struct error *err;
};

static enum error_code no_memory(const struct unpack *u)
{
    return error_set(u->err, ERR_NOMEM, "message: needs more memory than its cap");
}

static enum error_code unpack_text(const struct unpack *u, const char *field,
                                   const ProtobufCBinaryData *w, const char **out)
{
    if (w->len > 0 && memchr(w->data, 0, w->len))
        return error_set(u->err, ERR_CORRUPT, "%s: a NUL inside", field);
    char *text = arena_take(u->arena, w->len + 1);
    if (!text)
        return no_memory(u);
    if (w->len > 0)
        memcpy(text, w->data, w->len);
    *out = text;
    return ERR_NONE;
}

static enum error_code unpack_id(const struct unpack *u, const char *field,
                                 const ProtobufCBinaryData *w, struct wire_id *out)
{
    if (w->len == 0)
        return ERR_NONE;
    if (w->len != sizeof(out->bytes))
        return error_set(u->err, ERR_CORRUPT, "%s: %zu bytes, expected 16", field, w->len);
    memcpy(out->bytes, w->data, sizeof(out->bytes));
    return ERR_NONE;
}

static enum error_code unpack_count(const struct unpack *u, const char *field, size_t count,
                                    size_t max)
{
    if (count <= max)
        return ERR_NONE;
    return error_set(u->err, ERR_NOMEM, "%s: %zu of them, at most %zu", field, count, max);
}

static enum error_code unpack_fence(const struct unpack *u, const Wire__Fence *w, struct fence *f)
{
    if (!w)
        return ERR_NONE;
    f->number = w->number;
    return unpack_id(u, "instance", &w->instance, &f->instance);
}

static enum error_code unpack_command_id(const struct unpack *u, const char *field,
                                         const Wire__CommandId *w, struct command_id *id)
{
    if (!w)
        return ERR_NONE;
    id->seq = w->seq;
    return WITHIN(u->err, unpack_fence(u, w->fence, &id->fence), "%s: fence", field);
}

static enum error_code unpack_worker(const struct unpack *u, const Wire__Worker *w,
                                     struct worker *p)
{
    p->pid = w->pid;
    p->created = w->created;
    p->cpu_ms = w->cpu_ms;
    p->memory_bytes = w->memory_bytes;
    p->private_bytes = w->private_bytes;
    p->age_ms = w->age_ms;
    return unpack_text(u, "pool", &w->pool, &p->pool);
}

static enum error_code unpack_workers(const struct unpack *u, const char *field,
                                      Wire__Worker *const *w, size_t count,
                                      const struct worker **out, size_t *out_count)
{
    TRY(unpack_count(u, field, count, WIRE_WORKERS_MAX));
    struct worker *all = arena_take(u->arena, count * sizeof(*all));
    if (!all)
        return no_memory(u);
    for (size_t i = 0; i < count; i++)
        TRY(WITHIN(u->err, unpack_worker(u, w[i], &all[i]), "%s[%zu]", field, i));
    *out = all;
    *out_count = count;
    return ERR_NONE;
}

static const Wire__Pool no_pool = WIRE__POOL__INIT;

static enum error_code unpack_pool(const struct unpack *u, const Wire__Pool *w, struct pool *p)
{
    if (!w)
        w = &no_pool;
    p->state = (enum pool_state)w->state;
    p->auto_start = w->auto_start;
    p->start_mode = (enum start_mode)w->start_mode;
    p->queued = w->queued;
    p->overlap = w->overlap;
    p->orphans = w->orphans;
    p->max_processes = w->max_processes;
    p->queue_length = w->queue_length;
    p->startup_limit_ms = w->startup_limit_ms;
    p->shutdown_limit_ms = w->shutdown_limit_ms;
    p->idle_timeout_ms = w->idle_timeout_ms;
    p->rapid_fail = w->rapid_fail;
    p->rapid_fail_crashes = w->rapid_fail_crashes;
    p->rapid_fail_interval_ms = w->rapid_fail_interval_ms;
    return unpack_text(u, "name", &w->name, &p->name);
}

static enum error_code unpack_pools(const struct unpack *u, const Wire__State *w, struct state *s)
{
    TRY(unpack_count(u, "pools", w->n_pools, WIRE_POOLS_MAX));
    struct pool *all = arena_take(u->arena, w->n_pools * sizeof(*all));
    if (!all)
        return no_memory(u);
    for (size_t i = 0; i < w->n_pools; i++)
        TRY(WITHIN(u->err, unpack_pool(u, w->pools[i], &all[i]), "pools[%zu]", i));
    s->pools = all;
    s->pool_count = w->n_pools;
    return ERR_NONE;
}

static enum error_code unpack_figures(const struct unpack *u, const Wire__State *w, struct state *s)
{
    TRY(unpack_count(u, "figures", w->n_figures, WIRE_POOLS_MAX));
    struct pool_figures *all = arena_take(u->arena, w->n_figures * sizeof(*all));
    if (!all)
        return no_memory(u);
    for (size_t i = 0; i < w->n_figures; i++) {
        all[i].queued = w->figures[i]->queued;
        all[i].rejected = w->figures[i]->rejected;
        TRY(WITHIN(u->err, unpack_text(u, "pool", &w->figures[i]->pool, &all[i].pool),
                   "figures[%zu]", i));
    }
    s->figures = all;
    s->figure_count = w->n_figures;
    return ERR_NONE;
}

static enum error_code unpack_events(const struct unpack *u, const Wire__State *w, struct state *s)
{
    TRY(unpack_count(u, "events", w->n_events, WIRE_EVENTS_MAX));
    struct server_event *all = arena_take(u->arena, w->n_events * sizeof(*all));
    if (!all)
        return no_memory(u);
    for (size_t i = 0; i < w->n_events; i++) {
        const Wire__ServerEvent *from = w->events[i];
        all[i].id = from->id;
        all[i].pid = from->pid;
        all[i].code = from->code;
        all[i].record = from->record;
        all[i].age_ms = from->age_ms;
        TRY(WITHIN(u->err, unpack_text(u, "pool", &from->pool, &all[i].pool), "events[%zu]", i));
    }
    s->events = all;
    s->event_count = w->n_events;
    return ERR_NONE;
}

static enum error_code unpack_site(const struct unpack *u, const Wire__Site *w, struct site *s)
{
    s->id = w->id;
    s->started = w->started;
    TRY(unpack_text(u, "name", &w->name, &s->name));
    TRY(unpack_text(u, "bindings", &w->bindings, &s->bindings));
    return unpack_text(u, "pool", &w->pool, &s->pool);
}

static enum error_code unpack_sites(const struct unpack *u, const Wire__State *w, struct state *s)
{
    TRY(unpack_count(u, "sites", w->n_sites, WIRE_SITES_MAX));
    struct site *all = arena_take(u->arena, w->n_sites * sizeof(*all));
    if (!all)
        return no_memory(u);
    for (size_t i = 0; i < w->n_sites; i++)
        TRY(WITHIN(u->err, unpack_site(u, w->sites[i], &all[i]), "sites[%zu]", i));
    s->sites = all;
    s->site_count = w->n_sites;
    return ERR_NONE;
}

static enum error_code unpack_service(const struct unpack *u, const Wire__Service *w,
                                      struct service *s)
{
    s->state = (enum service_state)w->state;
    s->start = (enum service_start)w->start;
    s->pid = w->pid;
    return unpack_text(u, "name", &w->name, &s->name);
}

static enum error_code unpack_services(const struct unpack *u, const Wire__State *w,
                                       struct state *s)
{
    TRY(unpack_count(u, "services", w->n_services, WIRE_SERVICES_MAX));
    struct service *all = arena_take(u->arena, w->n_services * sizeof(*all));
    if (!all)
        return no_memory(u);
    for (size_t i = 0; i < w->n_services; i++)
        TRY(WITHIN(u->err, unpack_service(u, w->services[i], &all[i]), "services[%zu]", i));
    s->services = all;
    s->service_count = w->n_services;
    return ERR_NONE;
}

static void unpack_host(const Wire__Host *w, struct host *h)
{
    if (!w)
        return;
    h->processors = w->processors;
    h->cpu_permille = w->cpu_permille;
    h->memory_total_bytes = w->memory_total_bytes;
    h->memory_available_bytes = w->memory_available_bytes;
    h->uptime_ms = w->uptime_ms;
}

static const Wire__State no_state = WIRE__STATE__INIT;

static enum error_code unpack_state(const struct unpack *u, const Wire__State *w, struct state *s)
{
    if (!w)
        w = &no_state;
    s->whole = w->whole;
    s->config_shared = w->config_shared;
    s->age_ms = w->age_ms;
    s->keepalive = (enum keepalive)w->keepalive;
    s->keepalive_age_ms = w->keepalive_age_ms;
    s->figures_age_ms = w->figures_age_ms;
    unpack_host(w->host, &s->host);
    TRY(unpack_figures(u, w, s));
    TRY(unpack_events(u, w, s));
    TRY(unpack_text(u, "config_identity", &w->config_identity, &s->config_identity));
    TRY(unpack_text(u, "trouble", &w->trouble, &s->trouble));
    TRY(unpack_services(u, w, s));
    TRY(unpack_pools(u, w, s));
    TRY(unpack_sites(u, w, s));
    return unpack_workers(u, "workers", w->workers, w->n_workers, &s->workers, &s->worker_count);
}

static enum error_code unpack_listen(const struct unpack *u, const Wire__Listen *w,
                                     struct listen *l)
{
    l->listen_no = w->listen_no;
    TRY(unpack_command_id(u, "last", w->last, &l->last));
    TRY(WITHIN(u->err, unpack_fence(u, w->fence, &l->fence), "fence"));
    return unpack_command_id(u, "running", w->running, &l->running);
}

static enum error_code unpack_progress(const struct unpack *u, const Wire__Progress *w,
                                       struct progress *p)
{
    p->elapsed_ms = w->elapsed_ms;
    TRY(unpack_command_id(u, "id", w->id, &p->id));
    return unpack_text(u, "step", &w->step, &p->step);
}

static const Wire__Proof no_proof = WIRE__PROOF__INIT;

static enum error_code unpack_proof(const struct unpack *u, const Wire__Proof *w, struct proof *p)
{
    if (!w)
        w = &no_proof;
    p->baseline_gone = w->baseline_gone;
    p->orphaned = w->orphaned;
    p->gap_ms = w->gap_ms;
    p->probed = w->probed;
    p->probe_status = w->probe_status;
    p->probe_ms = w->probe_ms;
    TRY(unpack_workers(u, "before", w->before, w->n_before, &p->before, &p->before_count));
    return unpack_workers(u, "after", w->after, w->n_after, &p->after, &p->after_count);
}

static enum error_code unpack_findings(const struct unpack *u, const Wire__Result *w,
                                       struct result *r)
{
    TRY(unpack_count(u, "findings", w->n_findings, WIRE_FINDINGS_MAX));
    struct finding *all = arena_take(u->arena, w->n_findings * sizeof(*all));
    if (!all)
        return no_memory(u);
    for (size_t i = 0; i < w->n_findings; i++) {
        TRY(WITHIN(u->err, unpack_text(u, "rung", &w->findings[i]->rung, &all[i].rung),
                   "findings[%zu]", i));
        TRY(WITHIN(u->err, unpack_text(u, "text", &w->findings[i]->text, &all[i].text),
                   "findings[%zu]", i));
    }
    r->findings = all;
    r->finding_count = w->n_findings;
    return ERR_NONE;
}

static enum error_code unpack_result(const struct unpack *u, const Wire__Result *w,
                                     struct result *r)
{
    r->verb = (enum verb)w->verb;
    r->outcome = (enum outcome)w->outcome;
    r->cause = (enum cause)w->cause;
    r->elapsed_ms = w->elapsed_ms;
    TRY(unpack_command_id(u, "id", w->id, &r->id));
    TRY(unpack_id(u, "nonce", &w->nonce, &r->nonce));
    TRY(unpack_text(u, "pool", &w->pool, &r->pool));
    TRY(unpack_text(u, "detail", &w->detail, &r->detail));
    TRY(unpack_text(u, "former", &w->former, &r->former));
    TRY(unpack_findings(u, w, r));
    return WITHIN(u->err, unpack_proof(u, w->proof, &r->proof), "proof");
}

static enum error_code unpack_observation(const struct unpack *u, const Wire__Observation *w,
                                          struct observation *o)
{
    o->cause = (enum cause)w->cause;
    o->services_up = w->services_up;
    o->probed = w->probed;
    o->probe_passed = w->probe_passed;
    o->probe_status = w->probe_status;
    o->probe_ms = w->probe_ms;
    o->rejected_known = w->rejected_known;
    o->rejected = w->rejected;
    o->requests_known = w->requests_known;
    o->executing = w->executing;
    o->oldest_ms = w->oldest_ms;
    TRY(unpack_text(u, "requests", &w->requests, &o->requests));
    TRY(unpack_text(u, "offline", &w->offline, &o->offline));
    TRY(unpack_text(u, "dump", &w->dump, &o->dump));
    o->dump_bytes = w->dump_bytes;
    TRY(unpack_text(u, "piece", &w->piece, &o->piece));
    o->keepalive = (enum keepalive)w->keepalive;
    o->keepalive_age_ms = w->keepalive_age_ms;
    o->would = (enum outcome)w->would;
    o->would_cause = (enum cause)w->would_cause;
    TRY(unpack_text(u, "would_text", &w->would_text, &o->would_text));
    TRY(unpack_text(u, "settings", &w->settings, &o->settings));
    TRY(unpack_command_id(u, "id", w->id, &o->id));
    TRY(unpack_id(u, "nonce", &w->nonce, &o->nonce));
    TRY(unpack_text(u, "detail", &w->detail, &o->detail));
    TRY(WITHIN(u->err, unpack_pool(u, w->pool, &o->pool), "pool"));
    return unpack_workers(u, "workers", w->workers, w->n_workers, &o->workers, &o->worker_count);
}

static enum error_code unpack_agent_body(const struct unpack *u, const Wire__AgentMessage *w,
                                         struct agent_message *m)
{
    switch (w->body_case) {
    case WIRE__AGENT_MESSAGE__BODY_LISTEN:
        m->kind = AGENT_LISTEN;
        return WITHIN(u->err, unpack_listen(u, w->listen, &m->listen), "listen");
    case WIRE__AGENT_MESSAGE__BODY_REPORT:
        m->kind = AGENT_REPORT;
        return WITHIN(u->err, unpack_state(u, w->report->state, &m->report.state), "report: state");
    case WIRE__AGENT_MESSAGE__BODY_PROGRESS:
        m->kind = AGENT_PROGRESS;
        return WITHIN(u->err, unpack_progress(u, w->progress, &m->progress), "progress");
    case WIRE__AGENT_MESSAGE__BODY_RESULT:
        m->kind = AGENT_RESULT;
        return WITHIN(u->err, unpack_result(u, w->result, &m->result), "result");
    case WIRE__AGENT_MESSAGE__BODY_OBSERVATION:
        m->kind = AGENT_OBSERVATION;
        return WITHIN(u->err, unpack_observation(u, w->observation, &m->observation),
                      "observation");
    case WIRE__AGENT_MESSAGE__BODY_RENEW:
        m->kind = AGENT_RENEW;
        return WITHIN(u->err, unpack_text(u, "request", &w->renew->request, &m->renew.request),
                      "renew");
    case WIRE__AGENT_MESSAGE__BODY__NOT_SET:
    case _WIRE__AGENT_MESSAGE__BODY__CASE_IS_INT_SIZE:
        break;
    }
    return error_set(u->err, ERR_CORRUPT, "kind: none that this version knows");
}

enum error_code codec_unpack_agent(struct arena *arena, const Wire__AgentMessage *w,
                                   struct agent_message *m, struct error *err)
{
    struct unpack u = {.arena = arena, .err = err};
    m->version = w->version;
    m->start_no = w->start_no;
    m->seq = w->seq;
    TRY(unpack_text(&u, "agent", &w->agent, &m->agent));
    TRY(unpack_id(&u, "incarnation", &w->incarnation, &m->incarnation));
    TRY(unpack_id(&u, "boot", &w->boot, &m->boot));
    return unpack_agent_body(&u, w, m);
}

static const Wire__Command no_command = WIRE__COMMAND__INIT;

static enum error_code unpack_command(const struct unpack *u, const Wire__Command *w,
                                      struct command *m)
{
    m->verb = (enum verb)w->verb;
    m->listen_no = w->listen_no;
    m->expires_ms = w->expires_ms;
    m->limit_ms = w->limit_ms;
    m->keep_autostart = w->keep_autostart;
    m->start_idle = w->start_idle;
    m->enable = w->enable;
    m->force = w->force;
    m->worker_pid = w->worker_pid;
    m->worker_created = w->worker_created;
    m->rehearse = (enum verb)w->rehearse;
    TRY(unpack_text(u, "settings", &w->settings, &m->settings));
    m->requests = w->requests;
    m->dump = w->dump;
    TRY(unpack_text(u, "piece_of", &w->piece_of, &m->piece_of));
    m->piece_at = w->piece_at;
    m->probe = w->probe;
    m->run = w->run;
    TRY(unpack_command_id(u, "id", w->id, &m->id));
    TRY(unpack_id(u, "incarnation", &w->incarnation, &m->incarnation));
    TRY(unpack_id(u, "nonce", &w->nonce, &m->nonce));
    TRY(unpack_text(u, "pool", &w->pool, &m->pool));
    TRY(unpack_command_id(u, "about", w->about, &m->about));
    TRY(unpack_text(u, "actor", &w->actor, &m->actor));
    return unpack_text(u, "reason", &w->reason, &m->reason);
}

enum error_code codec_unpack_coordinator(struct arena *arena, const Wire__CoordinatorMessage *w,
                                         struct coordinator_message *m, struct error *err)
{
    struct unpack u = {.arena = arena, .err = err};
    m->version = w->version;
    m->kind = (enum coordinator_message_kind)w->kind;
    m->seq = w->seq;
    TRY(WITHIN(err, unpack_fence(&u, w->fence, &m->fence), "fence"));
    TRY(unpack_text(&u, "detail", &w->detail, &m->detail));
    TRY(unpack_text(&u, "certificate", &w->certificate, &m->certificate));
    return WITHIN(err, unpack_command(&u, w->command ? w->command : &no_command, &m->command),
                  "command");
}
