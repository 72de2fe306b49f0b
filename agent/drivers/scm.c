/* scm.c - see scm.h: what is the same for every back end, and the back end that has none. */
#include "agent/drivers/scm.h"

#include "agent/drivers/iis.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

const char *const scm_names[] = {"none", "lab", NULL};

const struct scm_ops *scm_ops_get(int index)
{
    static const struct scm_ops *const all[] = {&scm_none_ops, &scm_lab_ops};
    if (index < 0 || (size_t)index >= sizeof(all) / sizeof(all[0]))
        return NULL;
    return all[index];
}

void scm_rows_reset(struct scm_rows *rows)
{
    free(rows->items);
    *rows = (struct scm_rows){0};
}

const struct scm_row *scm_rows_find(const struct scm_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->count; i++)
        if (text_equal_nocase(rows->items[i].name, name))
            return &rows->items[i];
    return NULL;
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

int64_t scm_counters_queued(const struct scm_counters *counters, const char *pool)
{
    for (size_t i = 0; i < counters->count; i++)
        if (text_equal_nocase(counters->items[i].pool, pool))
            return counters->items[i].queued;
    return -1;
}

/* ---- none ---- */

static enum error_code none_open(const char *tool, struct scm **out, struct error *err)
{
    (void)tool, (void)err;
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

static void none_close(struct scm *scm)
{
    free(scm);
}

const struct scm_ops scm_none_ops = {
    .name = "none",
    .open = none_open,
    .query = none_query,
    .counters = none_counters,
    .close = none_close,
};
