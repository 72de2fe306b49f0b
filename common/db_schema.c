/* db_schema.c - see db_schema.h. */
#include "common/db_schema.h"

#include "common/must.h"
#include "common/text.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What migrations make never changes: worked out once, kept until the end of the process. */
struct known {
    struct known *next;
    const char *const *migrations;
    size_t count;
    char *text;
};
static _Atomic(struct known *) all_known;

static const char all_of_it[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                                "WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name";

static void add_bare(struct text *out, const char *s)
{
    for (; s && *s; s++)
        if (!strchr(" \t\r\n\"", *s))
            text_add_bytes(out, s, 1);
    text_add(out, "\t");
}

/* A line each: type, name, table, SQL, with a tab behind every one. */
static int describe(sqlite3 *db, struct text *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, all_of_it, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int i = 0; i < 4; i++)
            add_bare(out, (const char *)sqlite3_column_text(stmt, i));
        text_add(out, "\n");
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int make(const char *const *migrations, size_t count, struct text *out)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++)
        rc = sqlite3_exec(db, migrations[i], NULL, NULL, NULL);
    rc = rc == SQLITE_OK ? describe(db, out) : rc;
    sqlite3_close(db);
    return rc;
}

static const char *recall(const char *const *migrations, size_t count)
{
    for (const struct known *k = atomic_load(&all_known); k; k = k->next)
        if (k->migrations == migrations && k->count == count)
            return k->text;
    return NULL;
}

static int expected(const char *const *migrations, size_t count, const char **out)
{
    struct text made = {0};
    *out = recall(migrations, count);
    if (*out)
        return SQLITE_OK;
    int rc = make(migrations, count, &made);
    if (rc != SQLITE_OK) {
        text_reset(&made);
        return rc;
    }
    struct known *k = must_alloc(1, sizeof(*k));
    *k = (struct known){.migrations = migrations, .count = count, .text = text_take(&made)};
    k->next = atomic_load(&all_known);
    while (!atomic_compare_exchange_weak(&all_known, &k->next, k))
        ;
    *out = k->text;
    return SQLITE_OK;
}

/* The name in the first line that differs: of what is there and should not be, or is missing. */
static void name_first(const char *is, const char *should, char *which, size_t size)
{
    size_t at = 0;
    while (is[at] && is[at] == should[at])
        at++;
    while (at > 0 && is[at - 1] != '\n')
        at--;
    char *line = must_copy(is + at);
    line[strcspn(line, "\n")] = '\0';
    bool missing = line[0] == '\0' || strstr(should, line);
    const char *name = strchr((missing ? should : is) + at, '\t');
    free(line);
    if (name)
        text_format(which, size, "%.*s", (int)strcspn(name + 1, "\t"), name + 1);
}

int db_schema_is(sqlite3 *file, const char *const *migrations, size_t count, bool *same,
                 char *which, size_t which_size)
{
    struct text is = {0};
    const char *should = NULL;
    int rc = expected(migrations, count, &should);
    rc = rc == SQLITE_OK ? describe(file, &is) : rc;
    if (rc == SQLITE_OK) {
        *same = text_equal(text_get(&is), should);
        if (!*same)
            name_first(text_get(&is), should, which, which_size);
    }
    text_reset(&is);
    return rc;
}
