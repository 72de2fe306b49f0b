/* db_schema.h - are the tables of a file those that its migrations make? For db_file.c alone.
 *
 * SQLite's own check holds rows against the constraints that stand in the file. Whoever changes the
 * file can take those away, or leave a trigger that undoes what is written; then a store would read
 * values that it never wrote. So what the file says of its tables, indexes and triggers is compared
 * with what the migrations up to its version make, blanks and quotation marks aside.
 */
#ifndef FARMHAND_COMMON_DB_SCHEMA_H
#define FARMHAND_COMMON_DB_SCHEMA_H

#include <sqlite3.h>

#include <stdbool.h>
#include <stddef.h>

/* Gives SQLite's code. *same only when that is SQLITE_OK; what is otherwise: the name of one of
 * them, in `which`. */
int db_schema_is(sqlite3 *file, const char *const *migrations, size_t count, bool *same,
                 char *which, size_t which_size);

#endif
