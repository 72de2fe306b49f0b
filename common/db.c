/* db.c - see db.h. The only user of sqlite3.h. */
#include "common/db.h"

#include "common/db_schema.h"
#include "common/must.h"
#include "common/os.h"
#include "common/system.h"
#include "common/text.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a call waits for another process that holds the file (a shell, a backup program). */
#define BUSY_WAIT_MS   2000
#define PATH_BYTES_MAX 4096
/* The write-ahead log is cut back to this after a checkpoint. */
#define LOG_KEEP_BYTES "16777216"

struct statement {
    sqlite3_stmt *stmt;
    int bind_failure; /* the first SQLite code of a bind since the last reset, or SQLITE_OK */
    bool at_row;
};

struct db {
    sqlite3 *handle;
    char *path;
    struct statement *statements;
    size_t statement_count;
    bool in_transaction; /* between db_begin and db_commit or db_rollback */
    bool full_sync;
    uint64_t changes;
};

/* ---- what SQLite says, in our words ---- */

static enum error_code code_of_open(int number)
{
    enum error_code code = system_code(number);
    bool tells = code == ERR_DENIED || code == ERR_NOT_FOUND || code == ERR_FULL;
    return tells ? code : ERR_IO;
}

/* A quota and a limit on the size of files arrive as I/O errors; SQLITE_FULL is a full disk alone.
 */
static enum error_code code_of_io(int rc, int number)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return ERR_NOMEM;
    return system_code(number) == ERR_FULL ? ERR_FULL : ERR_IO;
}

/* rc is an extended code; number what the system said, for IOERR and CANTOPEN, else 0. Source:
 * https://www.sqlite.org/rescode.html */
static enum error_code code_of(int rc, int number)
{
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
        rc == SQLITE_CONSTRAINT_ROWID)
        return ERR_EXISTS;
    switch (rc & 0xFF) {
    case SQLITE_OK:
        return ERR_NONE;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_IOERR:
        return code_of_io(rc, number);
    case SQLITE_CANTOPEN:
        return code_of_open(number);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return ERR_CORRUPT;
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        return ERR_NOMEM;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

static const char *advice_for(enum error_code code)
{
    switch (code) {
    case ERR_FULL:
        return "no space is left: free some on the file system it lies on, then it goes on by "
               "itself";
    case ERR_DENIED:
        return "give this program's user the right to write the file and its directory, and see "
               "that the file system is not mounted read-only";
    case ERR_NOT_FOUND:
        return "make its directory first";
    case ERR_BUSY:
        return "another process holds it: close whatever has the file open";
    case ERR_CORRUPT:
        return "the file is damaged: move it away with its -wal and -shm, and put a backup in its "
               "place";
    case ERR_IO:
        return "the disk or file system failed: see the system's log";
    case ERR_NONE:
    case ERR_INVALID:
    case ERR_EXISTS:
    case ERR_STATE:
    case ERR_TIMEOUT:
    case ERR_UNREACHABLE:
    case ERR_UNAVAILABLE:
    case ERR_NEWER:
    case ERR_NOMEM:
        return NULL;
    }
    return NULL;
}

/* What the system said to SQLite in the call that failed with rc. SQLite keeps it after a step, but
 * not after a commit; then it is still there, since it was cleared before. */
static int system_error(const struct db *db, int rc)
{
    if ((rc & 0xFF) != SQLITE_IOERR && (rc & 0xFF) != SQLITE_CANTOPEN)
        return 0;
    int number = system_number();
    return number != 0 ? number : sqlite3_system_errno(db->handle);
}

/* SQLite tries to read what it may not create, and tells ENOENT for that second try: where the
 * directory is there, the first one was denied. */
static bool may_not_create(const struct db *db, int rc, int number)
{
    char dir[PATH_BYTES_MAX];
    struct os_file_id id = {0};
    if ((rc & 0xFF) != SQLITE_CANTOPEN || system_code(number) != ERR_NOT_FOUND ||
        !text_copy(dir, sizeof(dir), db->path))
        return false;
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir ? 1 : 0] = '\0';
    return os_file_id(slash ? dir : ".", &id, NULL) == ERR_NONE && id.inode != 0;
}

static enum error_code fail(const struct db *db, int rc, const char *what, struct error *err)
{
    int number = system_error(db, rc);
    if (may_not_create(db, rc, number))
        number = system_denied;
    enum error_code code = code_of(rc, number);
    const char *advice = advice_for(code);
    char system[128] = ", ";
    if (number != 0)
        system_words(number, system + 2, sizeof(system) - 2);
    else
        system[0] = '\0';
    return error_set(err, code, "%s: cannot %s: %s (SQLite code %d%s)%s%s", db->path, what,
                     sqlite3_errmsg(db->handle), rc, system, advice ? "; " : "",
                     advice ? advice : "");
}

/* ---- opening ---- */

static enum error_code run_sql(struct db *db, const char *sql, const char *what, struct error *err)
{
    system_clear();
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_NONE : fail(db, rc, what, err);
}

/* The first column of the first row, as text that the caller frees; NULL if there is no row. */
static enum error_code ask_text(struct db *db, const char *sql, const char *what, char **out,
                                struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    system_clear();
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    enum error_code code = ERR_NONE;
    if (rc == SQLITE_ROW)
        *out = must_copy((const char *)sqlite3_column_text(stmt, 0));
    else if (rc == SQLITE_DONE)
        *out = NULL;
    else
        code = fail(db, rc, what, err);
    sqlite3_finalize(stmt);
    return code;
}

static enum error_code ask_int(struct db *db, const char *sql, const char *what, int64_t *out,
                               struct error *err)
{
    char *answer = NULL;
    enum error_code code = ask_text(db, sql, what, &answer, err);
    if (!code && (!answer || !text_parse_i64(answer, INT64_MIN, INT64_MAX, out)))
        code = error_set(err, ERR_CORRUPT, "%s: cannot %s: the answer is not a number", db->path,
                         what);
    free(answer);
    return code;
}

static enum error_code open_handle(const struct db_spec *spec, struct db *db, struct error *err)
{
    struct os_file_id id;
    if (spec->only_read && os_file_id(spec->path, &id, NULL) == ERR_NONE && id.modified_ns == 0)
        return error_set(err, ERR_NOT_FOUND,
                         "%s is not there: the program that writes it has not run yet", spec->path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (spec->only_read ? 0 : SQLITE_OPEN_CREATE);
    system_clear();
    int rc = sqlite3_open_v2(spec->path, &db->handle, flags, spec->vfs);
    must(db->handle != NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc, "open it", err);
    sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return ERR_NONE;
}

/* Before anything is written. A newer file must stay as it is, so its log is not folded into it
 * when we close either. */
static enum error_code check_version(const struct db_spec *spec, struct db *db, int64_t *version,
                                     struct error *err)
{
    int64_t tables = 0;
    enum error_code code = ask_int(db, "PRAGMA user_version", "read its version", version, err);
    if (!code && *version == 0)
        code = ask_int(db, "SELECT count(*) FROM sqlite_schema", "read its tables", &tables, err);
    if (code)
        return code;
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (*version < 0 || tables > 0)
        return error_set(err, ERR_STATE,
                         "%s: this is an SQLite file of another program; name another file",
                         db->path);
    if ((uint64_t)*version > spec->migration_count)
        return error_set(err, ERR_NEWER,
                         "%s: its schema is version %" PRId64 " and this program knows up to %zu: "
                         "run the newer program, or put back the backup made before it",
                         db->path, *version, spec->migration_count);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return ERR_NONE;
}

/* Before anything of it is believed. */
static enum error_code check_schema(const struct db_spec *spec, struct db *db, int64_t version,
                                    struct error *err)
{
    char which[128] = "";
    bool same = true;
    system_clear();
    int rc =
        db_schema_is(db->handle, spec->migrations, (size_t)version, &same, which, sizeof(which));
    if (rc != SQLITE_OK)
        return fail(db, rc, "read its tables", err);
    if (same)
        return ERR_NONE;
    return error_set(err, ERR_CORRUPT,
                     "%s: its tables are not those of its version, somebody has changed them (%s "
                     "is not as it was made); %s",
                     db->path, which, advice_for(ERR_CORRUPT));
}

static enum error_code check_pages(struct db *db, struct error *err)
{
    char *answer = NULL;
    enum error_code code = ask_text(db, "PRAGMA quick_check(1)", "check it", &answer, err);
    if (!code && !text_equal(answer, "ok"))
        code = error_set(err, ERR_CORRUPT, "%s: the check failed: %s; %s", db->path,
                         answer ? answer : "no answer", advice_for(ERR_CORRUPT));
    free(answer);
    return code;
}

static enum error_code set_up(const struct db_spec *spec, struct db *db, struct error *err)
{
    char *mode = NULL;
    enum error_code code =
        ask_text(db, "PRAGMA journal_mode=WAL", "switch it to a write-ahead log", &mode, err);
    if (!code && !text_equal(mode, "wal") && !text_equal(mode, "memory"))
        code = error_set(err, ERR_UNAVAILABLE,
                         "%s: no write-ahead log is possible here (%s): use a local file system",
                         db->path, mode ? mode : "no answer");
    free(mode);
    if (!code)
        code =
            run_sql(db, spec->full_sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                    "set it up", err);
    db->full_sync = spec->full_sync;
    if (!code)
        code = run_sql(db, "PRAGMA journal_size_limit=" LOG_KEEP_BYTES "; PRAGMA temp_store=MEMORY",
                       "set it up", err);
    return code;
}

/* ---- migrating ---- */

static enum error_code check_references(struct db *db, struct error *err)
{
    char *table = NULL;
    enum error_code code =
        ask_text(db, "PRAGMA foreign_key_check", "check its references", &table, err);
    if (!code && table)
        code = error_set(err, ERR_CORRUPT,
                         "%s: the migration would leave a row of %s that refers to nothing",
                         db->path, table);
    free(table);
    return code;
}

static enum error_code run_migrations(const struct db_spec *spec, struct db *db, int64_t from,
                                      struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = (size_t)from; i < spec->migration_count && !code; i++) {
        char what[64];
        text_format(what, sizeof(what), "migrate it from version %zu to %zu", i, i + 1);
        code = run_sql(db, spec->migrations[i], what, err);
    }
    if (!code)
        code = check_references(db, err);
    if (code)
        return code;
    char sql[64];
    text_format(sql, sizeof(sql), "PRAGMA user_version=%zu", spec->migration_count);
    return run_sql(db, sql, "write its version", err);
}

/* All or nothing. References are checked at the end instead of row by row, so that a migration may
 * build a table anew (https://www.sqlite.org/lang_altertable.html, section 7). */
static enum error_code migrate(const struct db_spec *spec, struct db *db, int64_t version,
                               struct error *err)
{
    enum error_code code = ERR_NONE;
    if ((size_t)version == spec->migration_count)
        goto out;
    code = run_sql(db, "PRAGMA foreign_keys=OFF", "set it up", err);
    if (!code)
        code = db_begin(db, err);
    /* Another process may have been quicker. */
    if (!code)
        code = ask_int(db, "PRAGMA user_version", "read its version", &version, err);
    if (!code)
        code = run_migrations(spec, db, version, err);
    if (!code)
        code = db_commit(db, err);
    db_rollback(db);
out:
    return code ? code : run_sql(db, "PRAGMA foreign_keys=ON", "set it up", err);
}

/* ---- statements ---- */

static enum error_code prepare_all(const struct db_spec *spec, struct db *db, struct error *err)
{
    db->statements = must_alloc(spec->statement_count, sizeof(*db->statements));
    db->statement_count = spec->statement_count;
    for (size_t i = 0; i < spec->statement_count; i++) {
        const char *sql = spec->statements[i];
        must(sql != NULL); /* a hole in the store's table of statements */
        int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                    &db->statements[i].stmt, NULL);
        if ((rc & 0xFF) == SQLITE_ERROR)
            return error_set(err, ERR_CORRUPT,
                             "%s: its tables are not those of its version: %s, in: %.120s",
                             db->path, sqlite3_errmsg(db->handle), sql);
        if (rc != SQLITE_OK)
            return fail(db, rc, "prepare a statement", err);
    }
    return ERR_NONE;
}

/* Of the log that who writes it keeps, nothing is folded into the file when we close. */
static enum error_code set_up_reading(const struct db_spec *spec, struct db *db, int64_t version,
                                      struct error *err)
{
    if ((size_t)version != spec->migration_count)
        return error_set(err, ERR_STATE,
                         "%s: it was written by an older version: start the program that writes it "
                         "once, and look again",
                         db->path);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return run_sql(db, "PRAGMA query_only=ON", "set it up", err);
}

static enum error_code set_up_writing(const struct db_spec *spec, struct db *db, int64_t version,
                                      struct error *err)
{
    enum error_code code = set_up(spec, db, err);
    return code ? code : migrate(spec, db, version, err);
}

enum error_code db_open(const struct db_spec *spec, struct db **out, struct error *err)
{
    struct db *db = must_alloc(1, sizeof(*db));
    db->path = must_copy(spec->path);
    int64_t version = 0;
    enum error_code code = open_handle(spec, db, err);
    if (!code)
        code = check_version(spec, db, &version, err);
    if (!code && version > 0 && !spec->any_tables)
        code = check_schema(spec, db, version, err);
    if (!code && version > 0)
        code = check_pages(db, err);
    if (!code)
        code = spec->only_read ? set_up_reading(spec, db, version, err)
                               : set_up_writing(spec, db, version, err);
    if (!code)
        code = prepare_all(spec, db, err);
    if (code)
        db_close(db);
    else
        *out = db;
    return code;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->statement_count; i++)
        sqlite3_finalize(db->statements[i].stmt);
    must(sqlite3_close(db->handle) == SQLITE_OK); /* busy: a statement or backup was forgotten */
    free(db->statements);
    free(db->path);
    free(db);
}

/* ---- transactions ---- */

enum error_code db_begin(struct db *db, struct error *err)
{
    must(!db->in_transaction);
    enum error_code code = run_sql(db, "BEGIN IMMEDIATE", "begin a change", err);
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
        run_sql(db, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                full ? "sync its commits" : "leave a sync to the next commit", err);
    if (!code)
        db->full_sync = full;
    return code;
}

enum error_code db_commit(struct db *db, struct error *err)
{
    must(db->in_transaction);
    enum error_code code =
        lost_transaction(db) ? refuse_lost(db, err) : run_sql(db, "COMMIT", "save a change", err);
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

static struct statement *get(struct db *db, int statement)
{
    must(statement >= 0 && (size_t)statement < db->statement_count);
    return &db->statements[statement];
}

static struct statement *get_to_bind(struct db *db, int statement)
{
    struct statement *s = get(db, statement);
    must(!s->at_row); /* half read: db_reset was forgotten */
    return s;
}

static void note_bind(struct statement *s, int rc)
{
    must(rc != SQLITE_RANGE && rc != SQLITE_MISUSE); /* no such parameter in the SQL */
    if (s->bind_failure == SQLITE_OK)
        s->bind_failure = rc;
}

void db_bind_int(struct db *db, int statement, int at, int64_t value)
{
    struct statement *s = get_to_bind(db, statement);
    note_bind(s, sqlite3_bind_int64(s->stmt, at, value));
}

void db_bind_uint(struct db *db, int statement, int at, uint64_t value)
{
    must(value <= INT64_MAX);
    db_bind_int(db, statement, at, (int64_t)value);
}

void db_bind_text(struct db *db, int statement, int at, const char *value)
{
    struct statement *s = get_to_bind(db, statement);
    note_bind(s, sqlite3_bind_text(s->stmt, at, value, -1, SQLITE_TRANSIENT));
}

void db_bind_blob(struct db *db, int statement, int at, const void *bytes, size_t len)
{
    struct statement *s = get_to_bind(db, statement);
    note_bind(s, sqlite3_bind_blob64(s->stmt, at, bytes, len, SQLITE_TRANSIENT));
}

static void reset(struct statement *s)
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

static enum error_code fail_statement(struct db *db, const struct statement *s, int rc,
                                      struct error *err)
{
    enum error_code code = fail(db, rc, "run a statement", err);
    if (err)
        error_set(err, code, "%s, in: %.60s", err->text, sqlite3_sql(s->stmt));
    return code;
}

/* *rc: SQLITE_ROW or SQLITE_DONE. On failure the statement is reset. */
static enum error_code step(struct db *db, struct statement *s, int *rc, struct error *err)
{
    enum error_code code = ERR_NONE;
    if (lost_transaction(db))
        code = refuse_lost(db, err);
    else if (s->bind_failure != SQLITE_OK)
        code =
            error_set(err, code_of(s->bind_failure, 0), "%s: a value is too large: %s, in: %.60s",
                      db->path, sqlite3_errstr(s->bind_failure), sqlite3_sql(s->stmt));
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
    struct statement *s = get_to_bind(db, statement);
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
    struct statement *s = get(db, statement);
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
    struct statement *s = get(db, statement);
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

/* ---- backup ---- */

static enum error_code copy_pages(struct db *db, struct db *to, struct error *err)
{
    system_clear();
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", db->handle, "main");
    if (!backup)
        return fail(to, sqlite3_extended_errcode(to->handle), "begin the backup", err);
    sqlite3_backup_step(backup, -1);
    int rc = sqlite3_backup_finish(backup);
    return rc == SQLITE_OK ? ERR_NONE : fail(to, rc, "write the backup", err);
}

/* One file without a log beside it, so that it can be copied anywhere as it is. */
static enum error_code write_backup(struct db *db, const char *path, struct error *err)
{
    struct db to = {.path = (char *)path};
    struct db_spec spec = {.path = path};
    char *mode = NULL;
    enum error_code code = open_handle(&spec, &to, err);
    if (!code)
        code = copy_pages(db, &to, err);
    if (!code)
        code = ask_text(&to, "PRAGMA journal_mode=DELETE", "close the backup", &mode, err);
    free(mode);
    must(sqlite3_close(to.handle) == SQLITE_OK);
    return code;
}

enum error_code db_backup(struct db *db, const char *to_path, struct error *err)
{
    must(!db->in_transaction);
    struct os_file_id there;
    enum error_code code = os_file_id(to_path, &there, err);
    if (!code && there.inode != 0)
        code = error_set(err, ERR_EXISTS, "%s is there already: name a new file", to_path);
    if (code)
        return code;
    struct text part = {0};
    text_addf(&part, "%s.part", to_path);
    remove(part.data); /* left by a backup that was cut short */
    code = write_backup(db, part.data, err);
    if (!code)
        code = os_move_file(part.data, to_path, err);
    if (code)
        remove(part.data);
    text_reset(&part);
    return code;
}
