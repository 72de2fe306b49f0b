/* scm.c - see scm.h: what is the same for every back end, and the back end that has none. */
#include "agent/drivers/scm.h"

#include "agent/drivers/scm_codes.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

void scm_rows_reset(struct scm_rows *rows)
{
    free(rows->items);
    free(rows->needs);
    *rows = (struct scm_rows){0};
}

const struct scm_row *scm_rows_find(const struct scm_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->count; i++)
        if (text_equal_nocase(rows->items[i].name, name))
            return &rows->items[i];
    return NULL;
}

void scm_rows_add(struct scm_rows *rows, const struct scm_row *row)
{
    rows->items = must_realloc(rows->items, rows->count + 1, sizeof(*row));
    rows->items[rows->count++] = *row;
}

void scm_rows_need(struct scm_rows *rows, const char *service, const char *needs)
{
    struct scm_need need;
    if (!text_copy(need.service, sizeof(need.service), service) ||
        !text_copy(need.needs, sizeof(need.needs), needs))
        return; /* no service has a name that long: Windows allows 256 characters */
    rows->needs = must_realloc(rows->needs, rows->need_count + 1, sizeof(need));
    rows->needs[rows->need_count++] = need;
}

enum service_state scm_state_of(uint32_t number)
{
    switch (number) {
    case 1:
        return SVC_STOPPED;
    case 2:
        return SVC_START_PENDING;
    case 3:
        return SVC_STOP_PENDING;
    case 4:
        return SVC_RUNNING;
    case 5: /* CONTINUE_PENDING */
    case 6: /* PAUSE_PENDING */
    case 7:
        return SVC_PAUSED;
    default:
        return SVC_UNKNOWN;
    }
}

enum service_start scm_start_of(uint32_t number)
{
    switch (number) {
    case 0: /* BOOT, SYSTEM: of drivers */
    case 1:
    case 2:
        return SVC_START_AUTO;
    case 3:
        return SVC_START_DEMAND;
    case 4:
        return SVC_START_DISABLED;
    default:
        return SVC_START_UNKNOWN;
    }
}

/* ---- which services matter ---- */

#define DEPTH_MAX 8 /* of a chain of dependencies */

/* Those that a web server is made of; on a real one hundreds of others run. */
static bool is_part_of_iis(const char *name)
{
    static const char *const names[] = {"HTTP",     "WAS",        "W3SVC",    "NetMsmqActivator",
                                        "IISADMIN", "FTPSVC",     "WMSVC",    "NetPipeActivator",
                                        "W3LOGSVC", "AppHostSvc", "MSFTPSVC", "NetTcpActivator"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_equal_nocase(name, names[i]))
            return true;
    return false;
}

/* Depends on WAS or W3SVC, directly or through others; `depth` ends circles. */
static bool rests_on_iis(const struct scm_rows *all, const char *name, int depth)
{
    for (size_t i = 0; i < all->need_count && depth > 0; i++) {
        const struct scm_need *need = &all->needs[i];
        if (!text_equal_nocase(need->service, name))
            continue;
        if (text_equal_nocase(need->needs, "WAS") || text_equal_nocase(need->needs, "W3SVC") ||
            rests_on_iis(all, need->needs, depth - 1))
            return true;
    }
    return false;
}

static void keep_row(struct scm_rows *ours, const struct scm_row *row)
{
    if (ours->count < WIRE_SERVICES_MAX && !scm_rows_find(ours, row->name))
        scm_rows_add(ours, row);
}

static void add_if_absent(struct scm_rows *rows, const char *name)
{
    struct scm_row row = {.state = SVC_ABSENT};
    text_copy(row.name, sizeof(row.name), name);
    keep_row(rows, &row);
}

void scm_rows_keep_ours(struct scm_rows *rows)
{
    struct scm_rows ours = {.known = rows->known};
    text_copy(ours.barred, sizeof(ours.barred), rows->barred);
    for (size_t i = 0; i < rows->count; i++)
        if (is_part_of_iis(rows->items[i].name))
            keep_row(&ours, &rows->items[i]);
    add_if_absent(&ours, "WAS");
    add_if_absent(&ours, "W3SVC");
    for (size_t i = 0; i < rows->count; i++)
        if (rests_on_iis(rows, rows->items[i].name, DEPTH_MAX))
            keep_row(&ours, &rows->items[i]);
    for (size_t i = 0; i < rows->need_count; i++)
        if (scm_rows_find(&ours, rows->needs[i].service))
            scm_rows_need(&ours, rows->needs[i].service, rows->needs[i].needs);
    scm_rows_reset(rows);
    *rows = ours;
}

enum error_code scm_rows_lodgers(const struct scm_rows *all, const char *name, uint32_t pid,
                                 struct scm_rows *out, struct error *err)
{
    struct scm_rows some = {.known = true};
    if (!scm_rows_find(all, name))
        return scm_code_error(1060, SCM_QUERY, name, err);
    for (size_t i = 0; i < all->count; i++) {
        const struct scm_row *row = &all->items[i];
        if (text_equal_nocase(row->name, name) || (pid != 0 && row->pid == pid))
            scm_rows_add(&some, row);
    }
    *out = some;
    return ERR_NONE;
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}

uint64_t scm_rows_stamp(const struct scm_rows *rows)
{
    uint64_t sum = rows->known;
    for (size_t i = 0; i < rows->count; i++) {
        const struct scm_row *row = &rows->items[i];
        uint32_t facts[] = {(uint32_t)row->state, (uint32_t)row->start, row->pid};
        uint64_t hash = mix(14695981039346656037u, row->name, strlen(row->name));
        sum += mix(hash, facts, sizeof(facts));
    }
    return sum;
}

void scm_counters_reset(struct scm_counters *counters)
{
    free(counters->items);
    *counters = (struct scm_counters){0};
}

struct scm_counter *scm_counters_row(struct scm_counters *counters, const char *pool)
{
    struct scm_counter counter = {.queued = -1, .rejected = -1};
    for (size_t i = 0; i < counters->count; i++)
        if (text_equal_nocase(counters->items[i].pool, pool))
            return &counters->items[i];
    if (counters->count >= WIRE_POOLS_MAX || !text_copy(counter.pool, sizeof(counter.pool), pool))
        return NULL;
    counters->items = must_realloc(counters->items, counters->count + 1, sizeof(counter));
    counters->items[counters->count] = counter;
    return &counters->items[counters->count++];
}

bool scm_is_pool_instance(const char *instance)
{
    size_t dashes = strspn(instance, "-");
    bool numbered = dashes > 0 && instance[dashes] != '\0' &&
                    strspn(instance + dashes, "0123456789") == strlen(instance + dashes);
    return *instance && !numbered && !text_equal_nocase(instance, "_Total");
}

void scm_counters_take(struct scm_counters *counters, const char *instance, enum scm_figure figure,
                       int64_t value)
{
    struct scm_counter *counter = NULL;
    if (scm_is_pool_instance(instance) && value >= 0)
        counter = scm_counters_row(counters, instance);
    if (!counter)
        return;
    switch (figure) {
    case SCM_FIGURE_QUEUED:
        counter->queued = value;
        break;
    case SCM_FIGURE_REJECTED:
        counter->rejected = value;
        break;
    }
}

int64_t scm_counters_queued(const struct scm_counters *counters, const char *pool)
{
    for (size_t i = 0; i < counters->count; i++)
        if (text_equal_nocase(counters->items[i].pool, pool))
            return counters->items[i].queued;
    return -1;
}

/* ---- none ---- */

static enum error_code none_open(const char *tool, const char *state_dir, struct scm **out,
                                 struct error *err)
{
    (void)tool, (void)state_dir, (void)err;
    struct scm *scm = must_alloc(1, sizeof(*scm));
    scm->ops = &scm_none_ops;
    *out = scm;
    return ERR_NONE;
}

static enum error_code none_query(struct scm *scm, uint64_t timeout_ms, struct scm_rows *out,
                                  struct error *err)
{
    (void)scm, (void)timeout_ms, (void)err;
    *out = (struct scm_rows){.known = false};
    return ERR_NONE;
}

static enum error_code none_counters(struct scm *scm, uint64_t timeout_ms, struct scm_counters *out,
                                     struct error *err)
{
    (void)scm, (void)timeout_ms, (void)out;
    return error_set(err, ERR_UNAVAILABLE, "there are no counters here");
}

static enum error_code none_there(struct error *err)
{
    return error_set(err, ERR_UNAVAILABLE,
                     "there is no service manager here: see [iis] service_backend");
}

static enum error_code none_lodgers(struct scm *scm, const char *name, uint32_t pid,
                                    uint64_t timeout_ms, struct scm_rows *out, struct error *err)
{
    (void)scm, (void)name, (void)pid, (void)timeout_ms, (void)out;
    return none_there(err);
}

static enum error_code none_act(struct scm *scm, const char *name, uint64_t timeout_ms,
                                struct error *err)
{
    (void)scm, (void)name, (void)timeout_ms;
    return none_there(err);
}

static enum error_code none_set_start(struct scm *scm, const char *name, enum service_start start,
                                      uint64_t timeout_ms, struct error *err)
{
    (void)scm, (void)name, (void)start, (void)timeout_ms;
    return none_there(err);
}

static enum error_code none_events(struct scm *scm, uint64_t timeout_ms, struct event_entries *out,
                                   struct error *err)
{
    (void)scm, (void)timeout_ms, (void)out;
    return error_set(err, ERR_UNAVAILABLE, "there is no event log here");
}

static void none_await_change(struct scm *scm, const char *name, enum service_state state,
                              uint64_t most_ms)
{
    (void)scm, (void)name, (void)state, (void)most_ms;
}

static void none_close(struct scm *scm)
{
    free(scm);
}

const struct scm_ops scm_none_ops = {
    .name = "none",
    .open = none_open,
    .query = none_query,
    .lodgers = none_lodgers,
    .start = none_act,
    .stop = none_act,
    .set_start = none_set_start,
    .await_change = none_await_change,
    .counters = none_counters,
    .events = none_events,
    .close = none_close,
};
