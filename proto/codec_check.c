/* codec_check.c - the bounds of messages.h, the same for what is sent and what arrives. */
#include "common/must.h"
#include "proto/codec_internal.h"

#include <inttypes.h>
#include <string.h>

#define PERMILLE_MAX    1000
#define HTTP_STATUS_MAX 999 /* three digits, RFC 9110 section 15 */

static enum error_code check_text(const struct codec_check *c, const char *field, const char *text,
                                  size_t size_max)
{
    if (!text)
        return ERR_NONE; /* not given, as "" */
    size_t len = strlen(text);
    if (len >= size_max)
        return error_set(c->err, c->over, "%s: %zu bytes, at most %zu", field, len, size_max - 1);
    if (!wire_text_is_clean(text))
        return error_set(c->err, c->wrong, "%s: control characters or not UTF-8", field);
    return ERR_NONE;
}

static enum error_code check_name(const struct codec_check *c, const char *field, const char *name)
{
    return check_text(c, field, name, WIRE_NAME_MAX);
}

static enum error_code check_sentence(const struct codec_check *c, const char *field,
                                      const char *text)
{
    return check_text(c, field, text, WIRE_TEXT_MAX);
}

static enum error_code check_given(const struct codec_check *c, const char *field, bool given)
{
    if (given)
        return ERR_NONE;
    return error_set(c->err, c->wrong, "%s: missing", field);
}

static enum error_code check_required_name(const struct codec_check *c, const char *field,
                                           const char *name)
{
    TRY(check_given(c, field, name && *name));
    return check_name(c, field, name);
}

static enum error_code check_range(const struct codec_check *c, const char *field, int64_t value,
                                   int64_t min, int64_t max)
{
    if (value >= min && value <= max)
        return ERR_NONE;
    return error_set(c->err, c->wrong, "%s: %" PRId64 ", expected %" PRId64 " to %" PRId64, field,
                     value, min, max);
}

static enum error_code check_enum(const struct codec_check *c, const char *field, int64_t value,
                                  int64_t count)
{
    return check_range(c, field, value, 0, count - 1);
}

static enum error_code check_count(const struct codec_check *c, const char *field,
                                   const void *items, size_t count, size_t max)
{
    if (count > max)
        return error_set(c->err, c->over, "%s: %zu of them, at most %zu", field, count, max);
    must(count == 0 || items);
    return ERR_NONE;
}

static enum error_code check_command_id(const struct codec_check *c, const char *field,
                                        const struct command_id *id)
{
    return check_given(c, field, id->seq > 0 && id->fence.number > 0);
}

static enum error_code check_workers(const struct codec_check *c, const char *field,
                                     const struct worker *workers, size_t count)
{
    TRY(check_count(c, field, workers, count, WIRE_WORKERS_MAX));
    for (size_t i = 0; i < count; i++)
        TRY(WITHIN(c->err, check_name(c, "pool", workers[i].pool), "%s[%zu]", field, i));
    return ERR_NONE;
}

static enum error_code check_pool(const struct codec_check *c, const struct pool *p)
{
    TRY(check_name(c, "name", p->name));
    TRY(check_enum(c, "state", p->state, POOL_STATE_COUNT));
    TRY(check_enum(c, "start_mode", p->start_mode, START_MODE_COUNT));
    return check_range(c, "queued", p->queued, -1, INT64_MAX);
}

static enum error_code check_pools(const struct codec_check *c, const struct state *s)
{
    TRY(check_count(c, "pools", s->pools, s->pool_count, WIRE_POOLS_MAX));
    for (size_t i = 0; i < s->pool_count; i++) {
        TRY(WITHIN(c->err, check_required_name(c, "name", s->pools[i].name), "pools[%zu]", i));
        TRY(WITHIN(c->err, check_pool(c, &s->pools[i]), "pools[%zu]", i));
    }
    return ERR_NONE;
}

static enum error_code check_site(const struct codec_check *c, const struct site *s)
{
    TRY(check_required_name(c, "name", s->name));
    TRY(check_sentence(c, "bindings", s->bindings));
    return check_name(c, "pool", s->pool);
}

static enum error_code check_sites(const struct codec_check *c, const struct state *s)
{
    TRY(check_count(c, "sites", s->sites, s->site_count, WIRE_SITES_MAX));
    for (size_t i = 0; i < s->site_count; i++)
        TRY(WITHIN(c->err, check_site(c, &s->sites[i]), "sites[%zu]", i));
    return ERR_NONE;
}

static enum error_code check_service(const struct codec_check *c, const struct service *s)
{
    TRY(check_required_name(c, "name", s->name));
    TRY(check_enum(c, "state", s->state, SVC_STATE_COUNT));
    return check_enum(c, "start", s->start, SVC_START_COUNT);
}

static enum error_code check_services(const struct codec_check *c, const struct state *s)
{
    TRY(check_count(c, "services", s->services, s->service_count, WIRE_SERVICES_MAX));
    for (size_t i = 0; i < s->service_count; i++)
        TRY(WITHIN(c->err, check_service(c, &s->services[i]), "services[%zu]", i));
    return ERR_NONE;
}

static enum error_code check_figures(const struct codec_check *c, const struct state *s)
{
    TRY(check_count(c, "figures", s->figures, s->figure_count, WIRE_POOLS_MAX));
    for (size_t i = 0; i < s->figure_count; i++) {
        const struct pool_figures *f = &s->figures[i];
        TRY(WITHIN(c->err, check_required_name(c, "pool", f->pool), "figures[%zu]", i));
        TRY(WITHIN(c->err, check_range(c, "queued", f->queued, -1, INT64_MAX), "figures[%zu]", i));
        TRY(WITHIN(c->err, check_range(c, "rejected", f->rejected, -1, INT64_MAX), "figures[%zu]",
                   i));
    }
    return ERR_NONE;
}

static enum error_code check_events(const struct codec_check *c, const struct state *s)
{
    TRY(check_count(c, "events", s->events, s->event_count, WIRE_EVENTS_MAX));
    for (size_t i = 0; i < s->event_count; i++)
        TRY(WITHIN(c->err, check_name(c, "pool", s->events[i].pool), "events[%zu]", i));
    return ERR_NONE;
}

static enum error_code check_state(const struct codec_check *c, const struct state *s)
{
    TRY(check_name(c, "config_identity", s->config_identity));
    TRY(check_sentence(c, "trouble", s->trouble));
    TRY(check_enum(c, "keepalive", s->keepalive, KEEPALIVE_COUNT));
    if (!s->whole && s->service_count + s->pool_count + s->site_count > 0)
        return error_set(c->err, c->wrong, "whole: false, yet services, pools or sites are there");
    TRY(check_services(c, s));
    TRY(check_pools(c, s));
    TRY(check_sites(c, s));
    TRY(check_workers(c, "workers", s->workers, s->worker_count));
    TRY(check_figures(c, s));
    TRY(check_events(c, s));
    return WITHIN(c->err, check_range(c, "cpu_permille", s->host.cpu_permille, 0, PERMILLE_MAX),
                  "host");
}

static enum error_code check_progress(const struct codec_check *c, const struct progress *p)
{
    TRY(check_command_id(c, "id", &p->id));
    return check_sentence(c, "step", p->step);
}

static enum error_code check_proof(const struct codec_check *c, const struct proof *p)
{
    TRY(check_workers(c, "before", p->before, p->before_count));
    TRY(check_workers(c, "after", p->after, p->after_count));
    return check_range(c, "probe_status", p->probe_status, 0, HTTP_STATUS_MAX);
}

static enum error_code check_findings(const struct codec_check *c, const struct result *r)
{
    TRY(check_count(c, "findings", r->findings, r->finding_count, WIRE_FINDINGS_MAX));
    for (size_t i = 0; i < r->finding_count; i++) {
        TRY(WITHIN(c->err, check_name(c, "rung", r->findings[i].rung), "findings[%zu]", i));
        TRY(WITHIN(c->err, check_sentence(c, "text", r->findings[i].text), "findings[%zu]", i));
    }
    return ERR_NONE;
}

static enum error_code check_result(const struct codec_check *c, const struct result *r)
{
    TRY(check_command_id(c, "id", &r->id));
    TRY(check_enum(c, "verb", r->verb, VERB_COUNT));
    TRY(check_name(c, "pool", r->pool));
    TRY(check_given(c, "outcome", r->outcome != OUTCOME_NONE));
    TRY(check_enum(c, "outcome", r->outcome, OUTCOME_COUNT));
    TRY(check_enum(c, "cause", r->cause, CAUSE_COUNT));
    TRY(check_sentence(c, "detail", r->detail));
    TRY(check_sentence(c, "former", r->former));
    TRY(check_findings(c, r));
    return WITHIN(c->err, check_proof(c, &r->proof), "proof");
}

static enum error_code check_observation(const struct codec_check *c, const struct observation *o)
{
    TRY(check_command_id(c, "id", &o->id));
    TRY(check_enum(c, "cause", o->cause, CAUSE_COUNT));
    TRY(check_sentence(c, "detail", o->detail));
    TRY(check_enum(c, "would", o->would, OUTCOME_COUNT));
    TRY(check_enum(c, "would_cause", o->would_cause, CAUSE_COUNT));
    TRY(check_sentence(c, "would_text", o->would_text));
    TRY(check_sentence(c, "settings", o->settings));
    TRY(check_sentence(c, "requests", o->requests ? o->requests : ""));
    TRY(check_sentence(c, "offline", o->offline ? o->offline : ""));
    TRY(check_sentence(c, "dump", o->dump ? o->dump : ""));
    TRY(check_text(c, "piece", o->piece ? o->piece : "", WIRE_PIECE_MAX));
    TRY(check_enum(c, "keepalive", o->keepalive, KEEPALIVE_COUNT));
    TRY(WITHIN(c->err, check_pool(c, &o->pool), "pool"));
    TRY(check_workers(c, "workers", o->workers, o->worker_count));
    return check_range(c, "probe_status", o->probe_status, 0, HTTP_STATUS_MAX);
}

static enum error_code check_agent_body(const struct codec_check *c, const struct agent_message *m)
{
    switch (m->kind) {
    case AGENT_LISTEN:
        return ERR_NONE; /* numbers only, 0 is "none" for each */
    case AGENT_REPORT:
        return WITHIN(c->err, check_state(c, &m->report.state), "report: state");
    case AGENT_PROGRESS:
        return WITHIN(c->err, check_progress(c, &m->progress), "progress");
    case AGENT_RESULT:
        return WITHIN(c->err, check_result(c, &m->result), "result");
    case AGENT_OBSERVATION:
        return WITHIN(c->err, check_observation(c, &m->observation), "observation");
    case AGENT_RENEW:
        return WITHIN(c->err, check_sentence(c, "request", m->renew.request), "renew");
    }
    return error_set(c->err, c->wrong, "kind: %d is none of this version's", (int)m->kind);
}

enum error_code codec_check_agent(const struct codec_check *c, const struct agent_message *m)
{
    TRY(check_required_name(c, "agent", m->agent));
    TRY(check_given(c, "incarnation", !wire_id_is_zero(&m->incarnation)));
    TRY(check_given(c, "boot", !wire_id_is_zero(&m->boot)));
    return check_agent_body(c, m);
}

static enum error_code check_command(const struct codec_check *c, const struct command *m)
{
    TRY(check_command_id(c, "id", &m->id));
    TRY(check_given(c, "incarnation", !wire_id_is_zero(&m->incarnation)));
    TRY(check_given(c, "verb", m->verb != VERB_NONE));
    TRY(check_enum(c, "verb", m->verb, VERB_COUNT));
    if (m->verb == VERB_QUERY)
        TRY(check_command_id(c, "about", &m->about));
    else if (m->verb != VERB_OBSERVE && !verb_is_of_services(m->verb) &&
             !verb_is_of_rotation(m->verb))
        TRY(check_required_name(c, "pool", m->pool));
    if (m->verb == VERB_WORKER_KILL)
        TRY(check_given(c, "worker_pid", m->worker_pid != 0));
    if (m->verb == VERB_SET)
        TRY(check_given(c, "settings", m->settings && m->settings[0]));
    TRY(check_enum(c, "rehearse", m->rehearse, VERB_COUNT));
    TRY(check_sentence(c, "settings", m->settings));
    TRY(check_name(c, "pool", m->pool));
    TRY(check_name(c, "actor", m->actor));
    TRY(check_name(c, "piece_of", m->piece_of ? m->piece_of : ""));
    return check_sentence(c, "reason", m->reason);
}

enum error_code codec_check_coordinator(const struct codec_check *c,
                                        const struct coordinator_message *m)
{
    TRY(check_given(c, "fence", m->fence.number > 0));
    TRY(check_range(c, "kind", m->kind, COORDINATOR_NOTHING, COORDINATOR_CERTIFICATE));
    TRY(check_sentence(c, "detail", m->detail));
    TRY(check_sentence(c, "certificate", m->certificate));
    if (m->kind != COORDINATOR_COMMAND)
        return ERR_NONE;
    return WITHIN(c->err, check_command(c, &m->command), "command");
}
