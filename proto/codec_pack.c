/* codec_pack.c - plain structs to protobuf-c's. The arena remembers when it ran out, so that only
 * the entry points ask; until then a NULL is passed on. */
#include "proto/codec_internal.h"

#include <string.h>

static ProtobufCBinaryData pack_text(const char *text)
{
    return (ProtobufCBinaryData){.len = text ? strlen(text) : 0, .data = (uint8_t *)text};
}

static ProtobufCBinaryData pack_id(const struct wire_id *id)
{
    size_t len = wire_id_is_zero(id) ? 0 : sizeof(id->bytes);
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)id->bytes};
}

static Wire__Fence *pack_fence(struct arena *arena, const struct fence *f)
{
    Wire__Fence *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__fence__init(w);
    w->number = f->number;
    w->instance = pack_id(&f->instance);
    return w;
}

static Wire__CommandId *pack_command_id(struct arena *arena, const struct command_id *id)
{
    Wire__CommandId *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__command_id__init(w);
    w->fence = pack_fence(arena, &id->fence);
    w->seq = id->seq;
    return w;
}

static Wire__Worker *pack_worker(struct arena *arena, const struct worker *p)
{
    Wire__Worker *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__worker__init(w);
    w->pool = pack_text(p->pool);
    w->pid = p->pid;
    w->created = p->created;
    w->cpu_ms = p->cpu_ms;
    w->memory_bytes = p->memory_bytes;
    w->private_bytes = p->private_bytes;
    w->age_ms = p->age_ms;
    return w;
}

static Wire__Worker **pack_workers(struct arena *arena, const struct worker *workers, size_t count,
                                   size_t *out_count)
{
    Wire__Worker **all = arena_take(arena, count * sizeof(Wire__Worker *));
    for (size_t i = 0; all && i < count; i++)
        all[i] = pack_worker(arena, &workers[i]);
    *out_count = count;
    return all;
}

static Wire__Pool *pack_pool(struct arena *arena, const struct pool *p)
{
    Wire__Pool *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__pool__init(w);
    w->name = pack_text(p->name);
    w->state = (Wire__PoolState)p->state;
    w->auto_start = p->auto_start;
    w->start_mode = (Wire__StartMode)p->start_mode;
    w->queued = p->queued;
    w->overlap = p->overlap;
    w->orphans = p->orphans;
    w->max_processes = p->max_processes;
    w->queue_length = p->queue_length;
    w->startup_limit_ms = p->startup_limit_ms;
    w->shutdown_limit_ms = p->shutdown_limit_ms;
    w->idle_timeout_ms = p->idle_timeout_ms;
    w->rapid_fail = p->rapid_fail;
    w->rapid_fail_crashes = p->rapid_fail_crashes;
    w->rapid_fail_interval_ms = p->rapid_fail_interval_ms;
    return w;
}

static Wire__PoolFigures *pack_figures(struct arena *arena, const struct pool_figures *f)
{
    Wire__PoolFigures *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__pool_figures__init(w);
    w->pool = pack_text(f->pool);
    w->queued = f->queued;
    w->rejected = f->rejected;
    return w;
}

static Wire__ServerEvent *pack_event(struct arena *arena, const struct server_event *e)
{
    Wire__ServerEvent *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__server_event__init(w);
    w->pool = pack_text(e->pool);
    w->id = e->id;
    w->pid = e->pid;
    w->code = e->code;
    w->record = e->record;
    w->age_ms = e->age_ms;
    return w;
}

static void pack_signs(struct arena *arena, const struct state *s, Wire__State *w)
{
    w->figures_age_ms = s->figures_age_ms;
    w->figures = arena_take(arena, s->figure_count * sizeof(*w->figures));
    w->events = arena_take(arena, s->event_count * sizeof(*w->events));
    if (!w->figures || !w->events)
        return;
    w->n_figures = s->figure_count;
    w->n_events = s->event_count;
    for (size_t i = 0; i < s->figure_count; i++)
        w->figures[i] = pack_figures(arena, &s->figures[i]);
    for (size_t i = 0; i < s->event_count; i++)
        w->events[i] = pack_event(arena, &s->events[i]);
}

static Wire__Site *pack_site(struct arena *arena, const struct site *s)
{
    Wire__Site *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__site__init(w);
    w->name = pack_text(s->name);
    w->id = s->id;
    w->started = s->started;
    w->bindings = pack_text(s->bindings);
    w->pool = pack_text(s->pool);
    return w;
}

static Wire__Service *pack_service(struct arena *arena, const struct service *s)
{
    Wire__Service *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__service__init(w);
    w->name = pack_text(s->name);
    w->state = (Wire__ServiceState)s->state;
    w->start = (Wire__ServiceStart)s->start;
    w->pid = s->pid;
    return w;
}

static Wire__Host *pack_host(struct arena *arena, const struct host *h)
{
    Wire__Host *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__host__init(w);
    w->processors = h->processors;
    w->cpu_permille = h->cpu_permille;
    w->memory_total_bytes = h->memory_total_bytes;
    w->memory_available_bytes = h->memory_available_bytes;
    w->uptime_ms = h->uptime_ms;
    return w;
}

static void pack_whole(struct arena *arena, const struct state *s, Wire__State *w)
{
    w->services = arena_take(arena, s->service_count * sizeof(*w->services));
    w->pools = arena_take(arena, s->pool_count * sizeof(*w->pools));
    w->sites = arena_take(arena, s->site_count * sizeof(*w->sites));
    if (!w->services || !w->pools || !w->sites)
        return;
    w->n_services = s->service_count;
    w->n_pools = s->pool_count;
    w->n_sites = s->site_count;
    for (size_t i = 0; i < s->service_count; i++)
        w->services[i] = pack_service(arena, &s->services[i]);
    for (size_t i = 0; i < s->pool_count; i++)
        w->pools[i] = pack_pool(arena, &s->pools[i]);
    for (size_t i = 0; i < s->site_count; i++)
        w->sites[i] = pack_site(arena, &s->sites[i]);
}

static Wire__State *pack_state(struct arena *arena, const struct state *s)
{
    Wire__State *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__state__init(w);
    w->whole = s->whole;
    w->workers = pack_workers(arena, s->workers, s->worker_count, &w->n_workers);
    w->host = pack_host(arena, &s->host);
    w->trouble = pack_text(s->trouble);
    w->age_ms = s->age_ms;
    w->keepalive = (Wire__Keepalive)s->keepalive;
    w->keepalive_age_ms = s->keepalive_age_ms;
    w->config_identity = pack_text(s->config_identity);
    w->config_shared = s->config_shared;
    pack_signs(arena, s, w);
    pack_whole(arena, s, w);
    return w;
}

static Wire__Listen *pack_listen(struct arena *arena, const struct listen *l)
{
    Wire__Listen *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__listen__init(w);
    w->last = pack_command_id(arena, &l->last);
    w->fence = pack_fence(arena, &l->fence);
    w->listen_no = l->listen_no;
    w->running = pack_command_id(arena, &l->running);
    return w;
}

static Wire__Report *pack_report(struct arena *arena, const struct report *r)
{
    Wire__Report *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__report__init(w);
    w->state = pack_state(arena, &r->state);
    return w;
}

static Wire__Progress *pack_progress(struct arena *arena, const struct progress *p)
{
    Wire__Progress *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__progress__init(w);
    w->id = pack_command_id(arena, &p->id);
    w->step = pack_text(p->step);
    w->elapsed_ms = p->elapsed_ms;
    return w;
}

static Wire__Proof *pack_proof(struct arena *arena, const struct proof *p)
{
    Wire__Proof *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__proof__init(w);
    w->before = pack_workers(arena, p->before, p->before_count, &w->n_before);
    w->after = pack_workers(arena, p->after, p->after_count, &w->n_after);
    w->baseline_gone = p->baseline_gone;
    w->orphaned = p->orphaned;
    w->gap_ms = p->gap_ms;
    w->probed = p->probed;
    w->probe_status = p->probe_status;
    w->probe_ms = p->probe_ms;
    return w;
}

static Wire__Finding **pack_findings(struct arena *arena, const struct result *r, size_t *count)
{
    Wire__Finding **all = arena_take(arena, r->finding_count * sizeof(*all));
    *count = 0;
    for (size_t i = 0; all && i < r->finding_count; i++) {
        Wire__Finding *w = arena_take(arena, sizeof(*w));
        if (!w)
            return NULL;
        wire__finding__init(w);
        w->rung = pack_text(r->findings[i].rung);
        w->text = pack_text(r->findings[i].text);
        all[(*count)++] = w;
    }
    return all;
}

static Wire__Result *pack_result(struct arena *arena, const struct result *r)
{
    Wire__Result *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__result__init(w);
    w->id = pack_command_id(arena, &r->id);
    w->nonce = pack_id(&r->nonce);
    w->verb = (Wire__Verb)r->verb;
    w->pool = pack_text(r->pool);
    w->outcome = (Wire__Outcome)r->outcome;
    w->cause = (Wire__Cause)r->cause;
    w->detail = pack_text(r->detail);
    w->proof = pack_proof(arena, &r->proof);
    w->elapsed_ms = r->elapsed_ms;
    w->former = pack_text(r->former);
    w->findings = pack_findings(arena, r, &w->n_findings);
    return w;
}

static Wire__Observation *pack_observation(struct arena *arena, const struct observation *o)
{
    Wire__Observation *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__observation__init(w);
    w->id = pack_command_id(arena, &o->id);
    w->nonce = pack_id(&o->nonce);
    w->cause = (Wire__Cause)o->cause;
    w->detail = pack_text(o->detail);
    w->pool = pack_pool(arena, &o->pool);
    w->workers = pack_workers(arena, o->workers, o->worker_count, &w->n_workers);
    w->services_up = o->services_up;
    w->probed = o->probed;
    w->probe_passed = o->probe_passed;
    w->probe_status = o->probe_status;
    w->probe_ms = o->probe_ms;
    w->rejected_known = o->rejected_known;
    w->rejected = o->rejected;
    w->requests_known = o->requests_known;
    w->executing = o->executing;
    w->oldest_ms = o->oldest_ms;
    w->requests = pack_text(o->requests);
    w->offline = pack_text(o->offline);
    w->dump = pack_text(o->dump);
    w->dump_bytes = o->dump_bytes;
    w->piece = pack_text(o->piece);
    w->keepalive = (Wire__Keepalive)o->keepalive;
    w->keepalive_age_ms = o->keepalive_age_ms;
    w->would = (Wire__Outcome)o->would;
    w->would_cause = (Wire__Cause)o->would_cause;
    w->would_text = pack_text(o->would_text);
    w->settings = pack_text(o->settings);
    return w;
}

static Wire__Renew *pack_renew(struct arena *arena, const struct renew *r)
{
    Wire__Renew *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__renew__init(w);
    w->request = pack_text(r->request);
    return w;
}

static void pack_agent_body(struct arena *arena, const struct agent_message *m,
                            Wire__AgentMessage *w)
{
    switch (m->kind) {
    case AGENT_LISTEN:
        w->listen = pack_listen(arena, &m->listen);
        w->body_case = WIRE__AGENT_MESSAGE__BODY_LISTEN;
        break;
    case AGENT_REPORT:
        w->report = pack_report(arena, &m->report);
        w->body_case = WIRE__AGENT_MESSAGE__BODY_REPORT;
        break;
    case AGENT_PROGRESS:
        w->progress = pack_progress(arena, &m->progress);
        w->body_case = WIRE__AGENT_MESSAGE__BODY_PROGRESS;
        break;
    case AGENT_RESULT:
        w->result = pack_result(arena, &m->result);
        w->body_case = WIRE__AGENT_MESSAGE__BODY_RESULT;
        break;
    case AGENT_OBSERVATION:
        w->observation = pack_observation(arena, &m->observation);
        w->body_case = WIRE__AGENT_MESSAGE__BODY_OBSERVATION;
        break;
    case AGENT_RENEW:
        w->renew = pack_renew(arena, &m->renew);
        w->body_case = WIRE__AGENT_MESSAGE__BODY_RENEW;
        break;
    }
}

Wire__AgentMessage *codec_pack_agent(struct arena *arena, const struct agent_message *m)
{
    Wire__AgentMessage *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__agent_message__init(w);
    w->version = WIRE_VERSION;
    w->agent = pack_text(m->agent);
    w->incarnation = pack_id(&m->incarnation);
    w->boot = pack_id(&m->boot);
    w->start_no = m->start_no;
    w->seq = m->seq;
    pack_agent_body(arena, m, w);
    return arena->exhausted ? NULL : w;
}

static Wire__Command *pack_command(struct arena *arena, const struct command *m)
{
    Wire__Command *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__command__init(w);
    w->id = pack_command_id(arena, &m->id);
    w->incarnation = pack_id(&m->incarnation);
    w->nonce = pack_id(&m->nonce);
    w->verb = (Wire__Verb)m->verb;
    w->pool = pack_text(m->pool);
    w->listen_no = m->listen_no;
    w->expires_ms = m->expires_ms;
    w->limit_ms = m->limit_ms;
    w->keep_autostart = m->keep_autostart;
    w->start_idle = m->start_idle;
    w->enable = m->enable;
    w->force = m->force;
    w->worker_pid = m->worker_pid;
    w->worker_created = m->worker_created;
    w->rehearse = (Wire__Verb)m->rehearse;
    w->settings = pack_text(m->settings);
    w->requests = m->requests;
    w->dump = m->dump;
    w->piece_of = pack_text(m->piece_of);
    w->piece_at = m->piece_at;
    w->probe = m->probe;
    w->about = pack_command_id(arena, &m->about);
    w->run = m->run;
    w->actor = pack_text(m->actor);
    w->reason = pack_text(m->reason);
    return w;
}

Wire__CoordinatorMessage *codec_pack_coordinator(struct arena *arena,
                                                 const struct coordinator_message *m)
{
    Wire__CoordinatorMessage *w = arena_take(arena, sizeof(*w));
    if (!w)
        return NULL;
    wire__coordinator_message__init(w);
    w->version = WIRE_VERSION;
    w->fence = pack_fence(arena, &m->fence);
    w->kind = (Wire__AnswerKind)m->kind;
    w->seq = m->seq;
    w->detail = pack_text(m->detail);
    w->certificate = pack_text(m->certificate);
    if (m->kind == COORDINATOR_COMMAND)
        w->command = pack_command(arena, &m->command);
    return arena->exhausted ? NULL : w;
}
