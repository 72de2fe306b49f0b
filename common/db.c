/* db.c - see db.h. Transactions and statements of a file that db_file.c opened. */
#include "common/db_internal.h"

#include "common/must.h"
#include "common/system.h"

enum error_code db_run_sql(struct db *db, const char *sql, const char *what, struct error *err)
{
    system_clear();
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_NONE : db_fail(db, rc, what, err);
}

/* ---- transactions ---- */

enum error_code db_begin(struct db *db, struct error *err)
{
    must(!db->in_transaction);
    enum error_code code = db_run_sql(db, "BEGIN IMMEDIATE", "begin a change", err);
    db->in_transaction = !code;
    return code;
}

/* SQLite rolls back by itself after some failures (full, I/O). What is run then would be saved
 * piece by piece, so it is refused until the caller has rolled back as well. */
static bool lost_transaction(const struct db *db)
{
    return db->in_transaction && sqlite3_get_autocommit(db->handle);
}

static enum error_code refuse_lost(const struct db *db, struct error *err)
{
    return error_set(err, ERR_STATE, "%s: nothing was saved: the failure before undid the change",
                     db->path);
}

enum error_code db_sync(struct db *db, bool full, struct error *err)
{
    must(!db->in_transaction);
    if (db->full_sync == full)
        return ERR_NONE;
    enum error_code code =
        db_run_sql(db, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                   full ? "sync its commits" : "leave a sync to the next commit", err);
    if (!code)
        db->full_sync = full;
    return code;
}

enum error_code db_commit(struct db *db, struct error *err)
{
    must(db->in_transaction);
    enum error_code code = lost_transaction(db) ? refuse_lost(db, err)
                                                : db_run_sql(db, "COMMIT", "save a change", err);
    if (code)
        db_rollback(db);
    db->in_transaction = false;
    return code;
}

void db_rollback(struct db *db)
{
    /* Should ROLLBACK itself fail, SQLite has rolled back already or does so at the next open. */
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    db->in_transaction = false;
}

bool db_in_transaction(const struct db *db)
{
    return db->in_transaction;
}

/* ---- binding and stepping ---- */

static struct db_statement *get(struct db *db, int statement)
{
    must(statement >= 0 && (size_t)statement < db->statement_count);
    return &db->statements[statement];
}

static struct db_statement *get_to_bind(struct db *db, int statement)
{
    struct db_statement *s = get(db, statement);
    must(!s->at_row); /* half read: db_reset was forgotten */
    return s;
}

static void note_bind(struct db_statement *s, int rc)
{
    must(rc != SQLITE_RANGE && rc != SQLITE_MISUSE); /* no such parameter in the SQL */
    if (s->bind_failure == SQLITE_OK)
        s->bind_failure = rc;
}

void db_bind_int(struct db *db, int statement, int at, int64_t value)
{
    struct db_statement *s = get_to_bind(db, statement);
    note_bind(s, sqlite3_bind_int64(s->stmt, at, value));
}

void db_bind_uint(struct db *db, int statement, int at, uint64_t value)
{
    must(value <= INT64_MAX);
    db_bind_int(db, statement, at, (int64_t)value);
}

void db_bind_text(struct db *db, int statement, int at, const char *value)
{
    struct db_statement *s = get_to_bind(db, statement);
    note_bind(s, sqlite3_bind_text(s->stmt, at, value, -1, SQLITE_TRANSIENT));
}

void db_bind_blob(struct db *db, int statement, int at, const void *bytes, size_t len)
{
    struct db_statement *s = get_to_bind(db, statement);
    note_bind(s, sqlite3_bind_blob64(s->stmt, at, bytes, len, SQLITE_TRANSIENT));
}

static void reset(struct db_statement *s)
{
    sqlite3_reset(s->stmt); /* repeats the failure of the step, which was told already */
    sqlite3_clear_bindings(s->stmt);
    s->bind_failure = SQLITE_OK;
    s->at_row = false;
}

void db_reset(struct db *db, int statement)
{
    reset(get(db, statement));
}

static enum error_code fail_statement(struct db *db, const struct db_statement *s, int rc,
                                      struct error *err)
{
    enum error_code code = db_fail(db, rc, "run a statement", err);
    if (err)
        error_set(err, code, "%s, in: %.60s", err->text, sqlite3_sql(s->stmt));
    return code;
}

/* *rc: SQLITE_ROW or SQLITE_DONE. On failure the statement is reset. */
static enum error_code step(struct db *db, struct db_statement *s, int *rc, struct error *err)
{
    enum error_code code = ERR_NONE;
    if (lost_transaction(db))
        code = refuse_lost(db, err);
    else if (s->bind_failure != SQLITE_OK)
        code = error_set(err, db_code_of(s->bind_failure, 0),
                         "%s: a value is too large: %s, in: %.60s", db->path,
                         sqlite3_errstr(s->bind_failure), sqlite3_sql(s->stmt));
    system_clear();
    if (!code)
        *rc = sqlite3_step(s->stmt);
    if (!code && *rc != SQLITE_ROW && *rc != SQLITE_DONE)
        code = fail_statement(db, s, *rc, err);
    if (code)
        reset(s);
    return code;
}

enum error_code db_run(struct db *db, int statement, struct error *err)
{
    struct db_statement *s = get_to_bind(db, statement);
    int rc = SQLITE_DONE;
    enum error_code code = step(db, s, &rc, err);
    if (code)
        return code;
    must(rc == SQLITE_DONE); /* a statement with rows is for db_row */
    db->changes = sqlite3_stmt_readonly(s->stmt) ? 0 : (uint64_t)sqlite3_changes64(db->handle);
    reset(s);
    return ERR_NONE;
}

enum error_code db_row(struct db *db, int statement, bool *got, struct error *err)
{
    struct db_statement *s = get(db, statement);
    int rc = SQLITE_DONE;
    enum error_code code = step(db, s, &rc, err);
    if (code)
        return code;
    s->at_row = rc == SQLITE_ROW;
    if (!s->at_row)
        reset(s);
    *got = rc == SQLITE_ROW;
    return ERR_NONE;
}

/* ---- columns ---- */

static sqlite3_stmt *get_row(struct db *db, int statement, int column)
{
    struct db_statement *s = get(db, statement);
    must(s->at_row && column >= 0 && column < sqlite3_column_count(s->stmt));
    return s->stmt;
}

int64_t db_int(struct db *db, int statement, int column)
{
    return sqlite3_column_int64(get_row(db, statement, column), column);
}

uint64_t db_uint(struct db *db, int statement, int column)
{
    int64_t value = db_int(db, statement, column);
    return value < 0 ? 0 : (uint64_t)value;
}

const char *db_text(struct db *db, int statement, int column)
{
    return (const char *)sqlite3_column_text(get_row(db, statement, column), column);
}

const void *db_blob(struct db *db, int statement, int column, size_t *len)
{
    sqlite3_stmt *stmt = get_row(db, statement, column);
    const void *bytes = sqlite3_column_blob(stmt, column);
    *len = (size_t)sqlite3_column_bytes(stmt, column);
    return bytes;
}

bool db_is_null(struct db *db, int statement, int column)
{
    return sqlite3_column_type(get_row(db, statement, column), column) == SQLITE_NULL;
}

int64_t db_last_id(struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

uint64_t db_changes(struct db *db)
{
    return db->changes;
}
