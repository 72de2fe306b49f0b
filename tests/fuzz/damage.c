/* damage.c - see damage.h. */
#include "tests/fuzz/damage.h"

#include "common/must.h"
#include "common/text.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define TABLES_MAX  64
#define COLUMNS_MAX 64
#define STEPS_MAX   64

struct input {
    const uint8_t *data;
    size_t left;
};

static unsigned byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->data++;
}

static unsigned word(struct input *in)
{
    unsigned high = byte(in);
    return high << 8 | byte(in);
}

/* The n-th name of a column of what sql gives; NULL: none. Wraps around. */
static char *pick(sqlite3 *db, const char *sql, int column, unsigned n)
{
    char *names[TABLES_MAX];
    size_t count = 0;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return NULL;
    while (count < TABLES_MAX && sqlite3_step(stmt) == SQLITE_ROW)
        if (sqlite3_column_text(stmt, column))
            names[count++] = must_copy((const char *)sqlite3_column_text(stmt, column));
    sqlite3_finalize(stmt);
    char *picked = count ? names[n % count] : NULL;
    for (size_t i = 0; i < count; i++)
        if (names[i] != picked)
            free(names[i]);
    return picked;
}

static char *pick_table(sqlite3 *db, unsigned n)
{
    return pick(db,
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                " ORDER BY name",
                0, n);
}

static char *pick_column(sqlite3 *db, const char *table, unsigned n)
{
    char sql[256];
    text_format(sql, sizeof(sql), "PRAGMA table_info(%s)", table);
    return pick(db, sql, 1, n);
}

static void bind_value(sqlite3_stmt *stmt, struct input *in)
{
    static const sqlite3_int64 numbers[] = {
        0,         1,         2,         -1,      7,  255, 65536,      INT32_MAX,
        INT32_MIN, INT64_MAX, INT64_MIN, 1000000, 99, 3,   UINT32_MAX, 4611686018427387904};
    static const char *const texts[] = {"", "x", "web01", "all", "Shop", "\xff\xfe", "a\nb", "-1"};
    unsigned kind = byte(in), which = byte(in);
    size_t len = which < in->left ? which : in->left;
    switch (kind % 5) {
    case 0:
        sqlite3_bind_int64(stmt, 1, numbers[which % (sizeof(numbers) / sizeof(numbers[0]))]);
        return;
    case 1:
        sqlite3_bind_text(stmt, 1, texts[which % 8], -1, SQLITE_STATIC);
        return;
    case 2:
        sqlite3_bind_null(stmt, 1);
        return;
    case 3: /* longer than anything has room for */
        sqlite3_bind_zeroblob(stmt, 1, 1 + (int)which * 64);
        return;
    default:
        sqlite3_bind_text(stmt, 1, (const char *)in->data, (int)len, SQLITE_TRANSIENT);
        in->data += len;
        in->left -= len;
    }
}

static void change_value(sqlite3 *db, struct input *in)
{
    char *table = pick_table(db, byte(in)), sql[512];
    char *column = table ? pick_column(db, table, byte(in)) : NULL;
    sqlite3_stmt *stmt = NULL;
    if (column) {
        text_format(sql, sizeof(sql),
                    "UPDATE %s SET %s = ?1 WHERE rowid IN (SELECT rowid FROM %s LIMIT 1 OFFSET %u)",
                    table, column, table, byte(in) % 8);
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
            bind_value(stmt, in);
            sqlite3_step(stmt);
        }
        sqlite3_finalize(stmt);
    }
    free(table);
    free(column);
}

/* Rows go, come twice, or a trigger is left behind that would undo what is written. */
static void change_rows(sqlite3 *db, struct input *in)
{
    static const char *const sql[] = {
        "DELETE FROM %s",
        "DELETE FROM %s WHERE rowid IN (SELECT rowid FROM %s LIMIT 1 OFFSET 1)",
        "INSERT INTO %s SELECT * FROM %s LIMIT 1",
        "CREATE TRIGGER t AFTER INSERT ON %s BEGIN DELETE FROM %s; END",
        "CREATE TRIGGER t BEFORE UPDATE ON %s BEGIN SELECT RAISE(FAIL, 'no'); END",
        "DROP TABLE %s",
        "ALTER TABLE %s ADD COLUMN more TEXT DEFAULT 'x'",
    };
    unsigned which = byte(in) % 7;
    char *table = pick_table(db, byte(in)), *said;
    if (!table)
        return;
    said = sqlite3_mprintf(sql[which], table, table);
    sqlite3_exec(db, said, NULL, NULL, NULL);
    sqlite3_free(said);
    free(table);
}

static void strip_constraints(sqlite3 *db)
{
    sqlite3_exec(db,
                 "PRAGMA writable_schema=ON;"
                 "UPDATE sqlite_schema SET sql = replace(replace(replace(replace(replace(sql,"
                 "'STRICT', ''), 'INTEGER NOT NULL', 'INTEGER'), 'TEXT NOT NULL', 'TEXT'),"
                 "'BLOB NOT NULL', 'BLOB'), 'CHECK (', 'CHECK (1 OR ') WHERE type = 'table';"
                 "PRAGMA writable_schema=RESET",
                 NULL, NULL, NULL);
}

static void change_values(const char *path, struct input *in)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_exec(db, "PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON", NULL, NULL,
                     NULL);
        if (byte(in) % 8 == 0)
            strip_constraints(db);
        for (size_t i = 0; i < STEPS_MAX && in->left > 3; i++) {
            if (byte(in) % 8)
                change_value(db, in);
            else
                change_rows(db, in);
        }
    }
    sqlite3_close(db);
}

static void change_bytes(const char *path, struct input *in)
{
    sqlite3 *db = NULL;
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_exec(db, "PRAGMA user_version", NULL, NULL, NULL);
        sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
        must(file && file->pMethods && file->pMethods->xFileSize(file, &size) == SQLITE_OK);
        for (size_t i = 0; i < STEPS_MAX && in->left > 2; i++) {
            uint8_t value[1];
            /* Half of them in the head of a page, where most of the structure is. */
            sqlite3_int64 at = word(in);
            at = at % 2 ? at / 2 * 7919 % size : at / 2 % 16 + at / 32 * 4096 % size;
            value[0] = (uint8_t)byte(in);
            file->pMethods->xWrite(file, value, 1, at < size ? at : 0);
        }
    }
    sqlite3_close(db);
}

void damage_file(const char *path, const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    if (byte(&in) % 4 == 0)
        change_bytes(path, &in);
    else
        change_values(path, &in);
}
