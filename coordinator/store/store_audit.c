/* store_audit.c - the audit trail and its chain. See store.h and audit_chain.h. */
#include "coordinator/store/store_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

void store_audit_origin(struct store *s, const char *origin)
{
    text_copy(s->origin, sizeof(s->origin), origin);
}

const char *store_audit_origin_now(const struct store *s)
{
    return s->origin;
}

void store_on_audit(struct store *s, void (*told)(void *arg, const struct audit_row *row),
                    void *arg)
{
    s->audit_told = told;
    s->audit_arg = arg;
}

/* ---- reading ---- */

static void read_row(struct row *r, struct audit_row *out)
{
    *out = (struct audit_row){.id = row_uint(r, "id", INT64_MAX)};
    r->id = out->id;
    out->wall_ms = row_int(r);
    out->actor = row_word(r);
    out->origin = row_word(r);
    out->action = row_word(r);
    out->object = row_word(r);
    out->reason = row_word(r);
    out->before = row_word(r);
    out->after = row_word(r);
    out->result = row_word(r);
    out->hash = row_word(r);
}

enum error_code store_load_audit(struct store *s, uint64_t after, size_t limit,
                                 void (*each)(void *arg, const struct audit_row *row), void *arg,
                                 struct error *err)
{
    struct binding b = binding_of(s, SQL_AUDIT);
    bind_uint(&b, after < INT64_MAX ? after : INT64_MAX);
    bind_uint(&b, limit < INT64_MAX ? limit : INT64_MAX);
    struct row r = row_of(s, SQL_AUDIT, "audit", err);
    while (row_next(&r)) {
        struct audit_row row;
        read_row(&r, &row);
        if (!r.code)
            each(arg, &row);
    }
    return r.code;
}

/* The highest number that was ever given. */
static uint64_t highest(const struct store *s, uint64_t there, uint64_t given)
{
    uint64_t most = given > there ? given : there;
    return s->audit_now.id > most ? s->audit_now.id : most;
}

enum error_code store_audit_last(struct store *s, uint64_t *out_id, struct error *err)
{
    struct row r = row_of(s, SQL_LAST_AUDIT, "audit", err);
    if (row_next(&r)) {
        uint64_t there = row_uint(&r, "id", INT64_MAX), given = row_uint(&r, "seq", INT64_MAX);
        *out_id = highest(s, there, given);
        db_reset(s->db, SQL_LAST_AUDIT);
    }
    return r.code;
}

/* ---- writing ---- */

static void fold(void *arg, const struct audit_row *row)
{
    struct audit_chain *chain = arg;
    char hash[SHA256_HEX];
    audit_chain_hash(chain->hash, row, hash);
    text_copy(chain->hash, sizeof(chain->hash), hash);
}

/* The hash that the first row of ours continues: the last one's, or, once, that of all rows from
 * before there were hashes. */
static enum error_code find_end(struct store *s, struct audit_chain *chain, struct error *err)
{
    audit_chain_begin(chain);
    struct row r = row_of(s, SQL_LAST_AUDIT, "audit", err);
    if (!row_next(&r))
        return r.code;
    uint64_t there = row_uint(&r, "id", INT64_MAX), given = row_uint(&r, "seq", INT64_MAX);
    const char *hash = row_word(&r);
    chain->id = highest(s, there, given);
    chain->hashed = hash[0] != '\0';
    if (chain->hashed)
        text_copy(chain->hash, sizeof(chain->hash), hash);
    db_reset(s->db, SQL_LAST_AUDIT);
    return !chain->hashed && there > 0 ? store_load_audit(s, 0, SIZE_MAX, fold, chain, err)
                                       : ERR_NONE;
}

enum error_code store_audit_begin(struct store *s, struct error *err)
{
    enum error_code code = find_end(s, &s->audit_kept, err);
    s->audit_now = s->audit_kept;
    return code;
}

static void insert(struct store *s, const struct audit_row *row)
{
    struct binding b = binding_of(s, SQL_INSERT_AUDIT);
    bind_uint(&b, row->id);
    bind_int(&b, row->wall_ms);
    bind_text(&b, row->actor);
    bind_text(&b, row->origin);
    bind_text(&b, row->action);
    bind_text(&b, row->object);
    bind_text(&b, row->reason);
    bind_text(&b, row->before);
    bind_text(&b, row->after);
    bind_text(&b, row->result);
    bind_text(&b, row->hash);
    store_run_write(s, SQL_INSERT_AUDIT);
}

/* For who is told of it once it is there for good. */
static void keep(struct store *s, const struct audit_row *row)
{
    if (!s->audit_told)
        return;
    s->told = must_realloc(s->told, s->told_count + 1, sizeof(*s->told));
    s->told[s->told_count++] = (struct audit_row){.id = row->id,
                                                  .wall_ms = row->wall_ms,
                                                  .actor = must_copy(row->actor),
                                                  .origin = must_copy(row->origin),
                                                  .action = must_copy(row->action),
                                                  .object = must_copy(row->object),
                                                  .reason = must_copy(row->reason),
                                                  .before = must_copy(row->before),
                                                  .after = must_copy(row->after),
                                                  .result = must_copy(row->result),
                                                  .hash = must_copy(row->hash)};
}

static const char *or_none(const char *text)
{
    return text ? text : "";
}

/* Numbers that were given are not given again, and the chain goes on from what we wrote last, not
 * from what the file says by now: rows that were cut off, put in or changed at its end while we run
 * so break it for good, sqlite's own count of them set back or not. */
enum error_code store_add_audit(struct store *s, const struct audit_row *said, struct error *err)
{
    uint64_t last = 0;
    char hash[SHA256_HEX];
    if (!store_may_write(s))
        return store_tell(s, err);
    store_audit_last(s, &last, &s->first);
    struct audit_row row = *said;
    row.id = last + 1;
    row.origin = said->origin ? said->origin : s->origin;
    row.before = or_none(said->before);
    row.after = or_none(said->after);
    row.result = said->result ? said->result : "done";
    audit_chain_hash(s->audit_now.hash, &row, hash);
    row.hash = hash;
    if (!s->first.code)
        insert(s, &row);
    if (!s->first.code) {
        s->audit_now.id = row.id;
        memcpy(s->audit_now.hash, hash, sizeof(hash));
    }
    if (!s->first.code)
        store_write_audit_notices(s, &row);
    if (!s->first.code)
        keep(s, &row);
    return store_tell(s, err);
}

void store_audit_end(struct store *s, bool committed)
{
    if (committed)
        s->audit_kept = s->audit_now;
    else
        s->audit_now = s->audit_kept;
    for (size_t i = 0; i < s->told_count; i++) {
        struct audit_row *row = &s->told[i];
        if (committed)
            s->audit_told(s->audit_arg, row);
        free((void *)(uintptr_t)row->actor);
        free((void *)(uintptr_t)row->origin);
        free((void *)(uintptr_t)row->action);
        free((void *)(uintptr_t)row->object);
        free((void *)(uintptr_t)row->reason);
        free((void *)(uintptr_t)row->before);
        free((void *)(uintptr_t)row->after);
        free((void *)(uintptr_t)row->result);
        free((void *)(uintptr_t)row->hash);
    }
    s->told_count = 0;
}
