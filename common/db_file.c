/* db_file.c - the file of a store: opened, checked, migrated, closed, backed up. See db.h. */
#include "common/db_internal.h"

#include "common/db_schema.h"
#include "common/must.h"
#include "common/os.h"
#include "common/system.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* How long a call waits for another process that holds the file (a shell, a backup program). */
#define BUSY_WAIT_MS 2000
/* The write-ahead log is cut back to this after a checkpoint. */
#define LOG_KEEP_BYTES "16777216"

/* ---- opening ---- */

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
        code = db_fail(db, rc, what, err);
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
        return db_fail(db, rc, "open it", err);
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
        return db_fail(db, rc, "read its tables", err);
    if (same)
        return ERR_NONE;
    return error_set(err, ERR_CORRUPT,
                     "%s: its tables are not those of its version, somebody has changed them (%s "
                     "is not as it was made); %s",
                     db->path, which, db_advice(ERR_CORRUPT));
}

static enum error_code check_pages(struct db *db, struct error *err)
{
    char *answer = NULL;
    enum error_code code = ask_text(db, "PRAGMA quick_check(1)", "check it", &answer, err);
    if (!code && !text_equal(answer, "ok"))
        code = error_set(err, ERR_CORRUPT, "%s: the check failed: %s; %s", db->path,
                         answer ? answer : "no answer", db_advice(ERR_CORRUPT));
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
        code = db_run_sql(db,
                          spec->full_sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                          "set it up", err);
    db->full_sync = spec->full_sync;
    if (!code)
        code =
            db_run_sql(db, "PRAGMA journal_size_limit=" LOG_KEEP_BYTES "; PRAGMA temp_store=MEMORY",
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
        code = db_run_sql(db, spec->migrations[i], what, err);
    }
    if (!code)
        code = check_references(db, err);
    if (code)
        return code;
    char sql[64];
    text_format(sql, sizeof(sql), "PRAGMA user_version=%zu", spec->migration_count);
    return db_run_sql(db, sql, "write its version", err);
}

/* All or nothing. References are checked at the end instead of row by row, so that a migration may
 * build a table anew (https://www.sqlite.org/lang_altertable.html, section 7). */
static enum error_code migrate(const struct db_spec *spec, struct db *db, int64_t version,
                               struct error *err)
{
    enum error_code code = ERR_NONE;
    if ((size_t)version == spec->migration_count)
        goto out;
    code = db_run_sql(db, "PRAGMA foreign_keys=OFF", "set it up", err);
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
    return code ? code : db_run_sql(db, "PRAGMA foreign_keys=ON", "set it up", err);
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
            return db_fail(db, rc, "prepare a statement", err);
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
    return db_run_sql(db, "PRAGMA query_only=ON", "set it up", err);
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

/* ---- backup ---- */

static enum error_code copy_pages(struct db *db, struct db *to, struct error *err)
{
    system_clear();
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", db->handle, "main");
    if (!backup)
        return db_fail(to, sqlite3_extended_errcode(to->handle), "begin the backup", err);
    sqlite3_backup_step(backup, -1);
    int rc = sqlite3_backup_finish(backup);
    return rc == SQLITE_OK ? ERR_NONE : db_fail(to, rc, "write the backup", err);
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
