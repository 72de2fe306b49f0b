/* db_internal.h - what the files of common/db share; nobody else includes it, since it shows
 * sqlite3.h.
 *
 *   db.c         transactions, statements, columns
 *   db_file.c    the file: opened, checked, migrated, closed, backed up
 *   db_words.c   SQLite's codes as errors of ours, with what to do
 *
 * One thread per connection, as db.h says.
 */
#ifndef FARMHAND_COMMON_DB_INTERNAL_H
#define FARMHAND_COMMON_DB_INTERNAL_H

#include "common/db.h"

#include <sqlite3.h>

struct db_statement {
    sqlite3_stmt *stmt;
    int bind_failure; /* the first SQLite code of a bind since the last reset, or SQLITE_OK */
    bool at_row;
};

struct db {
    sqlite3 *handle; /* ours, with the statements; db_close ends them */
    char *path;
    struct db_statement *statements;
    size_t statement_count;
    bool in_transaction; /* between db_begin and db_commit or db_rollback */
    bool full_sync;
    uint64_t changes;
};

/* db.c: statements that give no row, one after another. Blocks on the disk; `what` as in db_fail.
 */
enum error_code db_run_sql(struct db *db, const char *sql, const char *what, struct error *err);

/* db_words.c. `rc` is an extended code of SQLite; `number` what the system said, for IOERR and
 * CANTOPEN, else 0. Source: https://www.sqlite.org/rescode.html */
enum error_code db_code_of(int rc, int number);
/* What a person is to do about it; NULL: nothing that we know. Static. */
const char *db_advice(enum error_code code);
/* Says that "cannot `what`" came of it, in SQLite's words, the system's and ours. To be called
 * before anything else is asked of SQLite or the system, system_clear() before the call that
 * failed. Gives the code. */
enum error_code db_fail(const struct db *db, int rc, const char *what, struct error *err);

#endif
