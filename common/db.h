/* db.h - SQLite as our stores use it: opened safely, migrated, statements prepared once.
 *
 * One connection per store, used by one thread. Every failure is an error with SQLite's own words
 * and what to do (disk full, read-only, damaged, written by a newer version). SQLite's codes are
 * translated here and nowhere else.
 */
#ifndef FARMHAND_COMMON_DB_H
#define FARMHAND_COMMON_DB_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

struct db_spec {
    const char *path;
    const char *const *migrations; /* migrations[i] takes the schema from version i to i + 1; only
                                      ever appended to */
    size_t migration_count;
    const char *const *statements; /* SQL by the store's own enum, prepared at open */
    size_t statement_count;
    bool any_tables; /* they are not held against the migrations: who only looks at what somebody
                        may have changed, and tests that do so */
    bool only_read;  /* beside who writes: nothing is made, migrated or changed */
    bool full_sync;  /* synchronous=FULL, else NORMAL; WAL either way */
    const char *vfs; /* NULL: the system's; tests name their own */
};

/* Opens or creates, checks (quick_check), migrates in one transaction, prepares. ERR_NEWER: its
 * user_version is above migration_count, nothing was changed. ERR_CORRUPT: the check failed, or its
 * tables, indexes and triggers are not those that the migrations make.
 * ERR_STATE: an SQLite file of something else. only_read: ERR_NOT_FOUND: it is not there; ERR_STATE
 * as well: of an older version, which who writes it migrates. Waits at most 2 s for another
 * process' lock, here and in every call below (then ERR_BUSY). */
enum error_code db_open(const struct db_spec *spec, struct db **out, struct error *err);
void db_close(struct db *db); /* NULL is fine */

enum error_code db_begin(struct db *db, struct error *err);  /* BEGIN IMMEDIATE */
enum error_code db_commit(struct db *db, struct error *err); /* on failure it is rolled back */
/* Between transactions: whether those that follow are on the disk when they are committed, or with
 * the next one that is. A file opened with full_sync begins with true. */
enum error_code db_sync(struct db *db, bool full, struct error *err);
/* After a failure SQLite may have undone the transaction by itself; statements are then refused
 * (ERR_STATE) until it is rolled back here, so that nothing is saved by halves. */
void db_rollback(struct db *db); /* never fails; fine when none is open */
bool db_in_transaction(const struct db *db);

/* A statement's life: db_bind_* by 1-based position, then db_run (no rows) or db_row until it
 * says false, each followed by an automatic reset that also forgets what was bound (a parameter
 * that was not bound is NULL). The first failure is kept until db_run or
 * db_row tells it, so binds need no check of their own. Texts and blobs are copied at bind. */
void db_bind_int(struct db *db, int statement, int at, int64_t value);
void db_bind_uint(struct db *db, int statement, int at, uint64_t value);    /* <= INT64_MAX, must */
void db_bind_text(struct db *db, int statement, int at, const char *value); /* NULL: NULL */
void db_bind_blob(struct db *db, int statement, int at, const void *bytes, size_t len);
enum error_code db_run(struct db *db, int statement, struct error *err);
/* *got: a row is there. After *got == false or an error the statement is reset. */
enum error_code db_row(struct db *db, int statement, bool *got, struct error *err);
void db_reset(struct db *db, int statement); /* leave a half-read statement */

int64_t db_int(struct db *db, int statement, int column); /* columns from 0 */
uint64_t db_uint(struct db *db, int statement, int column);
const char *db_text(struct db *db, int statement, int column); /* lent until the next step; NULL */
const void *db_blob(struct db *db, int statement, int column, size_t *len);
bool db_is_null(struct db *db, int statement, int column);

int64_t db_last_id(struct db *db);
uint64_t db_changes(struct db *db); /* rows changed by the last db_run */

/* Online backup into a new file of the system's VFS (ERR_EXISTS if it is there), not within a
 * transaction. It appears under its name only when it is whole. Blocks for its length. */
enum error_code db_backup(struct db *db, const char *to_path, struct error *err);

#endif
