/* fields.c - see fields.h. */
#include "fields.h"

#include "common/must.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER(type, member) offsetof(type, member), sizeof(((type *)0)->member)

#define F_BOOL(type, member)                                                                       \
    {                                                                                              \
        FIELD_BOOL, #member, MEMBER(type, member), 0, 1, NULL, 0                                   \
    }
#define F_U32(type, member)                                                                        \
    {                                                                                              \
        FIELD_U32, #member, MEMBER(type, member), 0, UINT32_MAX, NULL, 0                           \
    }
#define F_U32_TO(type, member, max)                                                                \
    {                                                                                              \
        FIELD_U32, #member, MEMBER(type, member), 0, max, NULL, 0                                  \
    }
#define F_U64(type, member)                                                                        \
    {                                                                                              \
        FIELD_U64, #member, MEMBER(type, member), 0, INT64_MAX, NULL, 0                            \
    }
#define F_I32(type, member, min, max)                                                              \
    {                                                                                              \
        FIELD_I32, #member, MEMBER(type, member), min, max, NULL, 0                                \
    }
#define F_I64(type, member, min, max)                                                              \
    {                                                                                              \
        FIELD_I64, #member, MEMBER(type, member), min, max, NULL, 0                                \
    }
#define F_ENUM(type, member, count)                                                                \
    {                                                                                              \
        FIELD_ENUM, #member, MEMBER(type, member), 0, (count)-1, NULL, 0                           \
    }
#define F_ID(type, member)                                                                         \
    {                                                                                              \
        FIELD_ID, #member, MEMBER(type, member), 0, 0, NULL, 0                                     \
    }
#define F_NAME(type, member)                                                                       \
    {                                                                                              \
        FIELD_TEXT, #member, MEMBER(type, member), 0, WIRE_NAME_MAX - 1, NULL, 0                   \
    }
#define F_TEXT(type, member)                                                                       \
    {                                                                                              \
        FIELD_TEXT, #member, MEMBER(type, member), 0, WIRE_TEXT_MAX - 1, NULL, 0                   \
    }
#define F_STRUCT(type, member, shape)                                                              \
    {                                                                                              \
        FIELD_STRUCT, #member, MEMBER(type, member), 0, 0, &shape, 0                               \
    }
#define F_ARRAY(type, member, count, max, shape)                                                   \
    {                                                                                              \
        FIELD_ARRAY, #member, MEMBER(type, member), 0, max, &shape, offsetof(type, count)          \
    }
#define F_END                                                                                      \
    {                                                                                              \
        FIELD_END, NULL, 0, 0, 0, 0, NULL, 0                                                       \
    }

#define SHAPE(type, fields)                                                                        \
    {                                                                                              \
#type, sizeof(struct type), alignof(struct type), fields                                   \
    }

static const struct field fence_fields[] = {F_U64(struct fence, number),
                                            F_ID(struct fence, instance), F_END};
static const struct shape fence_shape = SHAPE(fence, fence_fields);

static const struct field command_id_fields[] = {F_STRUCT(struct command_id, fence, fence_shape),
                                                 F_U64(struct command_id, seq), F_END};
static const struct shape command_id_shape = SHAPE(command_id, command_id_fields);

static const struct field worker_fields[] = {
    F_NAME(struct worker, pool),        F_U32(struct worker, pid),
    F_U64(struct worker, created),      F_U64(struct worker, cpu_ms),
    F_U64(struct worker, memory_bytes), F_U64(struct worker, private_bytes),
    F_U64(struct worker, age_ms),       F_END};
static const struct shape worker_shape = SHAPE(worker, worker_fields);

static const struct field pool_fields[] = {F_NAME(struct pool, name),
                                           F_ENUM(struct pool, state, POOL_STATE_COUNT),
                                           F_BOOL(struct pool, auto_start),
                                           F_ENUM(struct pool, start_mode, START_MODE_COUNT),
                                           F_BOOL(struct pool, overlap),
                                           F_BOOL(struct pool, orphans),
                                           F_U32(struct pool, max_processes),
                                           F_U32(struct pool, queue_length),
                                           F_I64(struct pool, queued, -1, INT64_MAX),
                                           F_U64(struct pool, startup_limit_ms),
                                           F_U64(struct pool, shutdown_limit_ms),
                                           F_U64(struct pool, idle_timeout_ms),
                                           F_BOOL(struct pool, rapid_fail),
                                           F_U32(struct pool, rapid_fail_crashes),
                                           F_U64(struct pool, rapid_fail_interval_ms),
                                           F_END};
static const struct shape pool_shape = SHAPE(pool, pool_fields);

static const struct field site_fields[] = {
    F_NAME(struct site, name),     F_U32(struct site, id),    F_BOOL(struct site, started),
    F_TEXT(struct site, bindings), F_NAME(struct site, pool), F_END};
static const struct shape site_shape = SHAPE(site, site_fields);

static const struct field service_fields[] = {
    F_NAME(struct service, name), F_ENUM(struct service, state, SVC_STATE_COUNT),
    F_ENUM(struct service, start, SVC_START_COUNT), F_U32(struct service, pid), F_END};
static const struct shape service_shape = SHAPE(service, service_fields);

static const struct field host_fields[] = {
    F_U32(struct host, processors),         F_U32_TO(struct host, cpu_permille, 1000),
    F_U64(struct host, memory_total_bytes), F_U64(struct host, memory_available_bytes),
    F_U64(struct host, uptime_ms),          F_END};
static const struct shape host_shape = SHAPE(host, host_fields);

static const struct field figures_fields[] = {
    F_NAME(struct pool_figures, pool), F_I64(struct pool_figures, queued, -1, INT64_MAX),
    F_I64(struct pool_figures, rejected, -1, INT64_MAX), F_END};
static const struct shape figures_shape = SHAPE(pool_figures, figures_fields);

static const struct field event_fields[] = {F_NAME(struct server_event, pool),
                                            F_U32(struct server_event, id),
                                            F_U32(struct server_event, pid),
                                            F_U32(struct server_event, code),
                                            F_U64(struct server_event, record),
                                            F_U64(struct server_event, age_ms),
                                            F_END};
static const struct shape event_shape = SHAPE(server_event, event_fields);

static const struct field state_fields[] = {
    F_BOOL(struct state, whole),
    F_NAME(struct state, config_identity),
    F_BOOL(struct state, config_shared),
    F_TEXT(struct state, trouble),
    F_U64(struct state, age_ms),
    F_ENUM(struct state, keepalive, KEEPALIVE_COUNT),
    F_U64(struct state, keepalive_age_ms),
    F_U64(struct state, figures_age_ms),
    F_ARRAY(struct state, figures, figure_count, WIRE_POOLS_MAX, figures_shape),
    F_ARRAY(struct state, events, event_count, WIRE_EVENTS_MAX, event_shape),
    F_ARRAY(struct state, services, service_count, WIRE_SERVICES_MAX, service_shape),
    F_ARRAY(struct state, pools, pool_count, WIRE_POOLS_MAX, pool_shape),
    F_ARRAY(struct state, sites, site_count, WIRE_SITES_MAX, site_shape),
    F_ARRAY(struct state, workers, worker_count, WIRE_WORKERS_MAX, worker_shape),
    F_STRUCT(struct state, host, host_shape),
    F_END};
static const struct shape state_shape = SHAPE(state, state_fields);

static const struct field proof_fields[] = {
    F_ARRAY(struct proof, before, before_count, WIRE_WORKERS_MAX, worker_shape),
    F_ARRAY(struct proof, after, after_count, WIRE_WORKERS_MAX, worker_shape),
    F_BOOL(struct proof, baseline_gone),
    F_BOOL(struct proof, orphaned),
    F_BOOL(struct proof, probed),
    F_I32(struct proof, probe_status, 0, 999),
    F_U32(struct proof, probe_ms),
    F_U32(struct proof, gap_ms),
    F_END};
static const struct shape proof_shape = SHAPE(proof, proof_fields);

static const struct field listen_fields[] = {
    F_STRUCT(struct listen, last, command_id_shape), F_STRUCT(struct listen, fence, fence_shape),
    F_U64(struct listen, listen_no), F_STRUCT(struct listen, running, command_id_shape), F_END};
const struct shape listen_shape = SHAPE(listen, listen_fields);

static const struct field report_fields[] = {F_STRUCT(struct report, state, state_shape), F_END};
const struct shape report_shape = SHAPE(report, report_fields);

static const struct field progress_fields[] = {F_STRUCT(struct progress, id, command_id_shape),
                                               F_TEXT(struct progress, step),
                                               F_U64(struct progress, elapsed_ms), F_END};
const struct shape progress_shape = SHAPE(progress, progress_fields);

static const struct field finding_fields[] = {
    F_NAME(struct finding, rung), F_TEXT(struct finding, text), F_END};
static const struct shape finding_shape = SHAPE(finding, finding_fields);

static const struct field result_fields[] = {F_STRUCT(struct result, id, command_id_shape),
                                             F_ID(struct result, nonce),
                                             F_ENUM(struct result, verb, VERB_COUNT),
                                             F_NAME(struct result, pool),
                                             F_ENUM(struct result, outcome, OUTCOME_COUNT),
                                             F_ENUM(struct result, cause, CAUSE_COUNT),
                                             F_TEXT(struct result, detail),
                                             F_STRUCT(struct result, proof, proof_shape),
                                             F_U64(struct result, elapsed_ms),
                                             F_TEXT(struct result, former),
                                             F_ARRAY(struct result, findings, finding_count,
                                                     WIRE_FINDINGS_MAX, finding_shape),
                                             F_END};
const struct shape result_shape = SHAPE(result, result_fields);

static const struct field observation_fields[] = {
    F_STRUCT(struct observation, id, command_id_shape),
    F_ID(struct observation, nonce),
    F_ENUM(struct observation, cause, CAUSE_COUNT),
    F_TEXT(struct observation, detail),
    F_STRUCT(struct observation, pool, pool_shape),
    F_ARRAY(struct observation, workers, worker_count, WIRE_WORKERS_MAX, worker_shape),
    F_BOOL(struct observation, services_up),
    F_BOOL(struct observation, probed),
    F_BOOL(struct observation, probe_passed),
    F_I32(struct observation, probe_status, 0, 999),
    F_U32(struct observation, probe_ms),
    F_BOOL(struct observation, rejected_known),
    F_U64(struct observation, rejected),
    F_BOOL(struct observation, requests_known),
    F_U32(struct observation, executing),
    F_U64(struct observation, oldest_ms),
    F_TEXT(struct observation, requests),
    F_TEXT(struct observation, dump),
    F_U64(struct observation, dump_bytes),
    F_TEXT(struct observation, offline),
    {FIELD_TEXT, "piece", MEMBER(struct observation, piece), 0, WIRE_PIECE_MAX - 1, NULL, 0},
    F_ENUM(struct observation, keepalive, KEEPALIVE_COUNT),
    F_U64(struct observation, keepalive_age_ms),
    F_ENUM(struct observation, would, OUTCOME_COUNT),
    F_ENUM(struct observation, would_cause, CAUSE_COUNT),
    F_TEXT(struct observation, would_text),
    F_TEXT(struct observation, settings),
    F_END};
const struct shape observation_shape = SHAPE(observation, observation_fields);

static const struct field renew_fields[] = {F_TEXT(struct renew, request), F_END};
const struct shape renew_shape = SHAPE(renew, renew_fields);

static const struct field command_fields[] = {F_STRUCT(struct command, id, command_id_shape),
                                              F_ID(struct command, incarnation),
                                              F_ID(struct command, nonce),
                                              F_ENUM(struct command, verb, VERB_COUNT),
                                              F_NAME(struct command, pool),
                                              F_U64(struct command, listen_no),
                                              F_U64(struct command, expires_ms),
                                              F_U64(struct command, limit_ms),
                                              F_BOOL(struct command, keep_autostart),
                                              F_BOOL(struct command, start_idle),
                                              F_BOOL(struct command, probe),
                                              F_STRUCT(struct command, about, command_id_shape),
                                              F_BOOL(struct command, enable),
                                              F_BOOL(struct command, force),
                                              F_BOOL(struct command, requests),
                                              F_BOOL(struct command, dump),
                                              F_NAME(struct command, piece_of),
                                              F_U64(struct command, piece_at),
                                              F_U32(struct command, worker_pid),
                                              F_U64(struct command, worker_created),
                                              F_ENUM(struct command, rehearse, VERB_COUNT),
                                              F_TEXT(struct command, settings),
                                              F_U64(struct command, run),
                                              F_NAME(struct command, actor),
                                              F_TEXT(struct command, reason),
                                              F_END};
const struct shape command_shape = SHAPE(command, command_fields);

/* The envelopes; version and kind are set by whoever fills. An agent's body is apart. */
static const struct field agent_fields[] = {
    F_NAME(struct agent_message, agent), F_ID(struct agent_message, incarnation),
    F_ID(struct agent_message, boot),    F_U64(struct agent_message, start_no),
    F_U64(struct agent_message, seq),    F_END};
const struct shape agent_shape = {"agent_message", offsetof(struct agent_message, kind), 8,
                                  agent_fields};

static const struct field coordinator_fields[] = {
    F_STRUCT(struct coordinator_message, fence, fence_shape),
    F_U64(struct coordinator_message, seq),
    F_STRUCT(struct coordinator_message, command, command_shape),
    F_TEXT(struct coordinator_message, detail),
    F_TEXT(struct coordinator_message, certificate),
    F_END};
const struct shape coordinator_shape = SHAPE(coordinator_message, coordinator_fields);

const struct shape *const all_shapes[] = {
    &fence_shape,   &command_id_shape, &worker_shape, &pool_shape,
    &site_shape,    &service_shape,    &host_shape,   &state_shape,
    &figures_shape, &event_shape,      &proof_shape,  &listen_shape,
    &report_shape,  &progress_shape,   &result_shape, &observation_shape,
    &renew_shape,   &command_shape,    NULL};

const struct shape *agent_body_shape(enum agent_message_kind kind)
{
    switch (kind) {
    case AGENT_LISTEN:
        return &listen_shape;
    case AGENT_REPORT:
        return &report_shape;
    case AGENT_PROGRESS:
        return &progress_shape;
    case AGENT_RESULT:
        return &result_shape;
    case AGENT_OBSERVATION:
        return &observation_shape;
    case AGENT_RENEW:
        return &renew_shape;
    }
    must_failed(__FILE__, __LINE__, __func__, "a kind of agent message");
}

void *agent_body(struct agent_message *m)
{
    switch (m->kind) {
    case AGENT_LISTEN:
        return &m->listen;
    case AGENT_REPORT:
        return &m->report;
    case AGENT_PROGRESS:
        return &m->progress;
    case AGENT_RESULT:
        return &m->result;
    case AGENT_OBSERVATION:
        return &m->observation;
    case AGENT_RENEW:
        return &m->renew;
    }
    must_failed(__FILE__, __LINE__, __func__, "a kind of agent message");
}

/* A gap that padding does not explain, or end bytes beyond the alignment, is a field unknown. */
bool fields_cover(const struct shape *shape, size_t *gap)
{
    bool *seen = must_alloc(shape->size, sizeof(bool));
    for (const struct field *f = shape->fields; f->kind != FIELD_END; f++) {
        memset(seen + f->offset, true, f->size);
        if (f->kind == FIELD_ARRAY)
            memset(seen + f->count_offset, true, sizeof(size_t));
    }
    size_t run = 0, longest = 0;
    for (size_t i = 0; i < shape->size; i++) {
        run = seen[i] ? 0 : run + 1;
        if (run > longest) {
            longest = run;
            *gap = i + 1 - run;
        }
    }
    free(seen);
    /* Padding is shorter than 4 before a 32-bit field and shorter than 8 before others; no field of
     * ours but a bool could hide in it, and bools are always set side by side. */
    return longest < shape->align;
}

/* ---- filling ---- */

void *fill_take(struct fill *fill, size_t size)
{
    fill->pieces = must_realloc(fill->pieces, fill->piece_count + 1, sizeof(void *));
    fill->pieces[fill->piece_count] = must_alloc(1, size ? size : 1);
    return fill->pieces[fill->piece_count++];
}

void fill_reset(struct fill *fill)
{
    for (size_t i = 0; i < fill->piece_count; i++)
        free(fill->pieces[i]);
    free(fill->pieces);
    *fill = (struct fill){0};
}

static int64_t within(const struct field *f, uint64_t value)
{
    uint64_t span = (uint64_t)f->max - (uint64_t)f->min;
    uint64_t offset = span == UINT64_MAX ? value : value % (span + 1);
    return (int64_t)((uint64_t)f->min + offset);
}

static const char *fill_text(struct fill *fill, const struct field *f, uint64_t n)
{
    char *text = fill_take(fill, 64);
    snprintf(text, 64, "%.20s \xc3\xa9 %llu", f->name, (unsigned long long)n);
    return text;
}

static void fill_array(struct fill *fill, const struct field *f, char *base)
{
    size_t count = fill->array_count;
    char *items = fill_take(fill, count * f->shape->size);
    for (size_t i = 0; i < count; i++)
        fill_shape(fill, f->shape, items + i * f->shape->size);
    memcpy(base + f->offset, &items, sizeof(items));
    memcpy(base + f->count_offset, &count, sizeof(count));
}

static void fill_field(struct fill *fill, const struct field *f, char *base)
{
    uint64_t n = ++fill->next;
    uint64_t big = (n * 2654435761u) ^ (fill->pattern << 20) ^ n;
    void *at = base + f->offset;
    switch (f->kind) {
    case FIELD_BOOL:
        *(bool *)at = (n >> (fill->pattern % 8)) & 1;
        break;
    case FIELD_U32:
        *(uint32_t *)at = (uint32_t)within(f, big);
        break;
    case FIELD_U64:
        *(uint64_t *)at = (uint64_t)within(f, big | (fill->pattern << 56));
        break;
    case FIELD_I32:
        *(int32_t *)at = (int32_t)within(f, big);
        break;
    case FIELD_I64:
        *(int64_t *)at = within(f, big);
        break;
    case FIELD_ENUM:
        *(int *)at = (int)within(f, n + fill->pattern);
        break;
    case FIELD_ID:
        memset(at, (int)(n % 255) + 1, sizeof(struct wire_id));
        memcpy(at, &big, sizeof(big));
        break;
    case FIELD_TEXT:
        *(const char **)at = fill_text(fill, f, big);
        break;
    case FIELD_STRUCT:
        fill_shape(fill, f->shape, at);
        break;
    case FIELD_ARRAY:
        fill_array(fill, f, base);
        break;
    case FIELD_END:
        break;
    }
}

void fill_shape(struct fill *fill, const struct shape *shape, void *at)
{
    for (const struct field *f = shape->fields; f->kind != FIELD_END; f++)
        fill_field(fill, f, at);
}

void fill_agent(struct fill *fill, enum agent_message_kind kind, struct agent_message *m)
{
    memset(m, 0, sizeof(*m));
    fill_shape(fill, &agent_shape, m);
    m->version = WIRE_VERSION;
    m->kind = kind;
    fill_shape(fill, agent_body_shape(kind), agent_body(m));
    if (kind == AGENT_RESULT && m->result.outcome == OUTCOME_NONE)
        m->result.outcome = OUTCOME_DONE;
    struct state *s = &m->report.state;
    if (kind == AGENT_REPORT && !s->whole)
        s->service_count = s->pool_count = s->site_count = 0;
}

void fill_coordinator(struct fill *fill, enum coordinator_message_kind kind,
                      struct coordinator_message *m)
{
    memset(m, 0, sizeof(*m));
    fill_shape(fill, &coordinator_shape, m);
    m->version = WIRE_VERSION;
    m->kind = kind;
    if (m->command.verb == VERB_NONE)
        m->command.verb = VERB_RECYCLE;
    if (m->command.worker_pid == 0)
        m->command.worker_pid = 1;
    if (m->command.verb == VERB_SET && !m->command.settings[0])
        m->command.settings = "startMode=OnDemand";
}

/* ---- comparing ---- */

static bool arrays_equal(const struct field *f, const char *a, const char *b, const char **differs)
{
    size_t count = *(const size_t *)(a + f->count_offset);
    const char *const *items_a = (const void *)(a + f->offset);
    const char *const *items_b = (const void *)(b + f->offset);
    if (count != *(const size_t *)(b + f->count_offset))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t at = i * f->shape->size;
        if (!fields_equal(f->shape, *items_a + at, *items_b + at, differs))
            return false;
    }
    return true;
}

static bool field_equal(const struct field *f, const char *a, const char *b, const char **differs)
{
    switch (f->kind) {
    case FIELD_TEXT:
        return strcmp(*(char *const *)(a + f->offset), *(char *const *)(b + f->offset)) == 0;
    case FIELD_STRUCT:
        return fields_equal(f->shape, a + f->offset, b + f->offset, differs);
    case FIELD_ARRAY:
        return arrays_equal(f, a, b, differs);
    case FIELD_BOOL:
    case FIELD_U32:
    case FIELD_U64:
    case FIELD_I32:
    case FIELD_I64:
    case FIELD_ENUM:
    case FIELD_ID:
    case FIELD_END:
        break;
    }
    return memcmp(a + f->offset, b + f->offset, f->size) == 0;
}

bool fields_equal(const struct shape *shape, const void *a, const void *b, const char **differs)
{
    for (const struct field *f = shape->fields; f->kind != FIELD_END; f++) {
        *differs = NULL;
        if (field_equal(f, a, b, differs))
            continue;
        if (!*differs)
            *differs = f->name;
        return false;
    }
    return true;
}

bool agents_equal(const struct agent_message *a, const struct agent_message *b,
                  const char **differs)
{
    *differs = "version or kind";
    if (a->version != b->version || a->kind != b->kind)
        return false;
    return fields_equal(&agent_shape, a, b, differs) &&
           fields_equal(agent_body_shape(a->kind), agent_body((struct agent_message *)a),
                        agent_body((struct agent_message *)b), differs);
}

bool coordinators_equal(const struct coordinator_message *a, const struct coordinator_message *b,
                        const char **differs)
{
    *differs = "version or kind";
    if (a->version != b->version || a->kind != b->kind)
        return false;
    if (a->kind == COORDINATOR_COMMAND)
        return fields_equal(&coordinator_shape, a, b, differs);
    *differs = "fence, seq or detail";
    return fence_equal(&a->fence, &b->fence) && a->seq == b->seq &&
           strcmp(a->detail, b->detail) == 0;
}
