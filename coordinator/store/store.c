/* store.c - see store.h: the file itself, transactions, the fence, events and audit. */
#include "coordinator/store/store.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

/* The number of the coordinator before us; 0: this file is new. */
static enum error_code read_fence(struct store *s, uint64_t *number, struct error *err)
{
    struct row r = row_of(s, SQL_READ_FENCE, "the fence", err);
    if (row_next(&r)) {
        *number = row_uint(&r, "number", INT64_MAX - 1);
        db_reset(s->db, SQL_READ_FENCE);
    }
    return r.code;
}

static enum error_code take_fence(struct store *s, const struct store_spec *spec, struct fence *out,
                                  struct error *err)
{
    struct fence fence = {.instance = spec->instance};
    enum error_code code = store_begin(s, err);
    if (!code)
        code = read_fence(s, &fence.number, err);
    if (code) {
        store_rollback(s);
        return code;
    }
    struct binding b = binding_of(s, fence.number == 0 ? SQL_FIRST_FENCE : SQL_NEXT_FENCE);
    fence.number++;
    bind_uint(&b, fence.number);
    bind_id(&b, &fence.instance);
    bind_int(&b, spec->wall_ms);
    store_run_write(s, (enum schema_statement)b.statement);
    code = store_commit(s, err);
    if (!code)
        *out = fence;
    return code;
}

enum error_code store_open(const struct store_spec *spec, struct store **out,
                           struct fence *out_fence, struct error *err)
{
    struct db_spec file = {
        .path = spec->path,
        .migrations = schema_migrations,
        .migration_count = schema_migration_count,
        .statements = schema_statements,
        .statement_count = SCHEMA_STATEMENT_COUNT,
        .full_sync = true,
        .vfs = spec->vfs,
    };
    struct store *s = must_alloc(1, sizeof(*s));
    s->path = must_copy(spec->path);
    enum error_code code = db_open(&file, &s->db, err);
    if (!code)
        code = take_fence(s, spec, out_fence, err);
    if (!code)
        code = store_audit_begin(s, err);
    if (code)
        store_close(s);
    else
        *out = s;
    return code;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    db_close(s->db);
    store_audit_end(s, false);
    free(s->told);
    free(s->path);
    free(s);
}

enum error_code store_write_fence(struct store *s, const struct fence *fence, int64_t wall_ms,
                                  struct error *err)
{
    struct binding b = binding_of(s, SQL_NEXT_FENCE);
    bind_uint(&b, fence->number);
    bind_id(&b, &fence->instance);
    bind_int(&b, wall_ms);
    store_run_write(s, (enum schema_statement)b.statement);
    return store_tell(s, err);
}

enum error_code store_save_freeze(struct store *s, const struct store_freeze *freeze,
                                  struct error *err)
{
    struct binding b = binding_of(s, SQL_SAVE_FREEZE);
    bind_uint(&b, freeze->number);
    bind_text(&b, freeze->why);
    store_run_write(s, (enum schema_statement)b.statement);
    return store_tell(s, err);
}

enum error_code store_load_freeze(struct store *s, struct store_freeze *out, struct error *err)
{
    struct store_freeze freeze = {0};
    struct row r = row_of(s, SQL_FREEZE, "the freeze", err);
    if (row_next(&r)) {
        freeze.number = row_uint(&r, "freeze_fence", INT64_MAX - 1);
        row_text(&r, "freeze_why", freeze.why, sizeof freeze.why);
        db_reset(s->db, SQL_FREEZE);
    }
    if (!r.code)
        *out = freeze;
    return r.code;
}

/* ---- transactions ---- */

/* A begin that fails is a failure of the transaction like any other: who goes on all the same gets
 * it again from every write and from store_commit. */
enum error_code store_begin(struct store *s, struct error *err)
{
    must(!db_in_transaction(s->db));
    s->begun = true;
    s->first.code = ERR_NONE;
    db_begin(s->db, &s->first);
    return store_tell(s, err);
}

enum error_code store_commit(struct store *s, struct error *err)
{
    must(s->begun);
    if (!s->first.code)
        db_commit(s->db, &s->first);
    else
        db_rollback(s->db);
    s->begun = false;
    store_audit_end(s, !s->first.code);
    return store_tell(s, err);
}

void store_rollback(struct store *s)
{
    db_rollback(s->db);
    s->begun = false;
    store_audit_end(s, false);
}

enum error_code store_probe(struct store *s, struct error *err)
{
    store_begin(s, NULL);
    store_run_write(s, SQL_PROBE);
    return store_commit(s, err);
}

bool store_may_write(const struct store *s)
{
    must(s->begun); /* a write outside of a transaction */
    return !s->first.code;
}

enum error_code store_tell(const struct store *s, struct error *err)
{
    if (s->first.code && err)
        *err = s->first;
    return s->first.code;
}

void store_run_write(struct store *s, enum schema_statement statement)
{
    if (store_may_write(s))
        db_run(s->db, (int)statement, &s->first);
    else
        db_reset(s->db, (int)statement);
}

void store_run_one(struct store *s, enum schema_statement statement, const char *what)
{
    store_run_write(s, statement);
    if (!s->first.code && db_changes(s->db) != 1)
        error_set(&s->first, ERR_NOT_FOUND, "%s: %s is not in the store", s->path, what);
}

/* ---- events and audit ---- */

/* Without gaps: the counter moves in the transaction that uses the number. */
static void next_event(struct store *s, uint64_t *out_seq)
{
    bool got = false;
    db_row(s->db, SQL_NEXT_EVENT, &got, &s->first);
    if (got) {
        *out_seq = db_uint(s->db, SQL_NEXT_EVENT, 0);
        db_row(s->db, SQL_NEXT_EVENT, &got, &s->first); /* to its end, where it takes effect */
    }
}

enum error_code store_add_event(struct store *s, struct event *event, struct error *err)
{
    if (!store_may_write(s))
        return store_tell(s, err);
    uint64_t seq = 0;
    next_event(s, &seq);
    if (s->first.code)
        return store_tell(s, err);
    struct binding b = binding_of(s, SQL_INSERT_OUTBOX);
    bind_uint(&b, seq);
    bind_int(&b, event->wall_ms);
    bind_text(&b, event->kind);
    bind_uint(&b, event->run);
    bind_text(&b, event->server);
    bind_text(&b, event->pool);
    bind_text(&b, event->actor);
    bind_text(&b, event->text);
    bind_text(&b, event->from);
    bind_text(&b, event->to);
    store_run_write(s, SQL_INSERT_OUTBOX);
    if (!s->first.code)
        store_write_notices(s, event);
    if (!s->first.code)
        event->seq = seq;
    return store_tell(s, err);
}

enum error_code store_last_event(struct store *s, uint64_t *out_seq, struct error *err)
{
    struct row r = row_of(s, SQL_LAST_EVENT, "the outbox", err);
    if (row_next(&r)) {
        *out_seq = row_uint(&r, "last_event", INT64_MAX);
        db_reset(s->db, SQL_LAST_EVENT);
    }
    return r.code;
}

enum error_code store_pass_events(struct store *s, uint64_t seq, struct error *err)
{
    store_begin(s, NULL);
    db_bind_uint(s->db, SQL_RAISE_EVENT, 1, seq);
    store_run_write(s, SQL_RAISE_EVENT);
    return store_commit(s, err);
}

enum error_code store_outbox(struct store *s, uint64_t after, size_t limit,
                             void (*each)(void *arg, const struct event *event), void *arg,
                             struct error *err)
{
    if (after > INT64_MAX)
        return ERR_NONE;
    struct binding b = binding_of(s, SQL_OUTBOX);
    bind_uint(&b, after);
    bind_uint(&b, limit < INT64_MAX ? limit : INT64_MAX);
    struct row r = row_of(s, SQL_OUTBOX, "the outbox", err);
    while (row_next(&r)) {
        struct event event = {.seq = row_uint(&r, "seq", INT64_MAX)};
        event.wall_ms = row_int(&r);
        event.kind = row_word(&r);
        event.run = row_uint(&r, "run", INT64_MAX);
        event.server = db_text(s->db, SQL_OUTBOX, r.at++);
        event.pool = db_text(s->db, SQL_OUTBOX, r.at++);
        event.actor = db_text(s->db, SQL_OUTBOX, r.at++);
        event.text = db_text(s->db, SQL_OUTBOX, r.at++);
        event.from = db_text(s->db, SQL_OUTBOX, r.at++);
        event.to = db_text(s->db, SQL_OUTBOX, r.at++);
        if (!r.code)
            each(arg, &event);
    }
    return r.code;
}

enum error_code store_outbox_done(struct store *s, uint64_t seq, struct error *err)
{
    db_bind_uint(s->db, SQL_OUTBOX_DONE, 1, seq < INT64_MAX ? seq : INT64_MAX);
    if (!db_in_transaction(s->db))
        return db_run(s->db, SQL_OUTBOX_DONE, err);
    store_run_write(s, SQL_OUTBOX_DONE);
    return store_tell(s, err);
}

enum error_code store_backup(struct store *s, const char *path, struct error *err)
{
    return db_backup(s->db, path, err);
}
