/* books.c - see books.h. Reads the tables of coordinator/store/schema.c. */
#include "tests/e2e/chaos/books.h"

#include "common/must.h"
#include "common/text.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_MAX 20000

enum weight { WEIGHT_PERHAPS, WEIGHT_NOT, WEIGHT_DONE }; /* the higher one is believed */

struct command {
    char server[32], pool[32], id[96];
    enum weight weight;
};

struct books {
    struct command commands[COMMANDS_MAX];
    unsigned count;
};

struct books *books_new(void)
{
    return must_alloc(1, sizeof(struct books));
}

void books_free(struct books *b)
{
    free(b);
}

static enum error_code told(struct error *err, sqlite3 *db, const char *path)
{
    return error_set(err, ERR_IO, "%s: %s", path, sqlite3_errmsg(db));
}

static enum weight weigh(const char *outcome)
{
    if (strcmp(outcome, "done") == 0)
        return WEIGHT_DONE;
    if (strcmp(outcome, "nothing") == 0 || strcmp(outcome, "refused") == 0 ||
        strcmp(outcome, "unheard") == 0)
        return WEIGHT_NOT;
    return WEIGHT_PERHAPS;
}

static void take_in(struct books *b, const struct command *c)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (strcmp(b->commands[i].id, c->id) != 0 || strcmp(b->commands[i].server, c->server) != 0)
            continue;
        if (c->weight > b->commands[i].weight)
            b->commands[i].weight = c->weight;
        return;
    }
    must(b->count < COMMANDS_MAX);
    b->commands[b->count++] = *c;
}

static const char *column(sqlite3_stmt *row, int at)
{
    const char *text = (const char *)sqlite3_column_text(row, at);
    return text ? text : "";
}

static enum error_code read_commands(struct books *b, sqlite3 *db, const char *path,
                                     struct error *err)
{
    sqlite3_stmt *row;
    int got;
    if (sqlite3_prepare_v2(db,
                           "SELECT server, pool, fence_number || '-' || hex(fence_instance) ||"
                           " '-' || seq, outcome FROM command WHERE verb = 'recycle'",
                           -1, &row, NULL) != SQLITE_OK)
        return told(err, db, path);
    while ((got = sqlite3_step(row)) == SQLITE_ROW) {
        struct command c = {.weight = weigh(column(row, 3))};
        text_copy(c.server, sizeof(c.server), column(row, 0));
        text_copy(c.pool, sizeof(c.pool), column(row, 1));
        text_copy(c.id, sizeof(c.id), column(row, 2));
        take_in(b, &c);
    }
    sqlite3_finalize(row);
    return got == SQLITE_DONE ? ERR_NONE : told(err, db, path);
}

static enum error_code check_once(sqlite3 *db, const char *path, struct error *err)
{
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(db,
                           "SELECT run, server, count(*) FROM command WHERE verb = 'recycle'"
                           " AND outcome = 'done' GROUP BY run, place, server HAVING count(*) > 1",
                           -1, &row, NULL) != SQLITE_OK)
        return told(err, db, path);
    enum error_code code = ERR_NONE;
    if (sqlite3_step(row) == SQLITE_ROW)
        code = error_set(err, ERR_STATE, "%s: run %s recycled %s %s times", path, column(row, 0),
                         column(row, 1), column(row, 2));
    sqlite3_finalize(row);
    return code;
}

enum error_code books_add(struct books *b, const char *path, struct error *err)
{
    sqlite3 *db = NULL;
    enum error_code code = ERR_NONE;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        code = told(err, db, path);
    sqlite3_busy_timeout(db, 2000);
    if (code == ERR_NONE)
        code = read_commands(b, db, path, err);
    if (code == ERR_NONE)
        code = check_once(db, path, err);
    sqlite3_close(db);
    return code;
}

struct books_sum books_sum(const struct books *b, const char *server, const char *pool)
{
    struct books_sum sum = {0};
    for (unsigned i = 0; i < b->count; i++) {
        const struct command *c = &b->commands[i];
        if (strcmp(c->server, server) != 0 || strcmp(c->pool, pool) != 0)
            continue;
        sum.done += c->weight == WEIGHT_DONE;
        sum.perhaps += c->weight == WEIGHT_PERHAPS;
    }
    return sum;
}

/* --- copies --- */

static enum error_code read_fence(sqlite3 *db, const char *path, uint64_t *fence, struct error *err)
{
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(db, "SELECT fence_number FROM self", -1, &row, NULL) != SQLITE_OK)
        return told(err, db, path);
    bool got = sqlite3_step(row) == SQLITE_ROW;
    if (got)
        *fence = (uint64_t)sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return got ? ERR_NONE : told(err, db, path);
}

enum error_code books_fence(const char *path, uint64_t *fence, struct error *err)
{
    sqlite3 *db = NULL;
    enum error_code code;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        code = told(err, db, path);
    } else {
        sqlite3_busy_timeout(db, 2000);
        code = read_fence(db, path, fence, err);
    }
    sqlite3_close(db);
    return code;
}

enum error_code books_copy(const char *from, const char *to, uint64_t *fence, struct error *err)
{
    sqlite3 *source = NULL, *copy = NULL;
    enum error_code code = ERR_NONE;
    if (sqlite3_open_v2(from, &source, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        code = told(err, source, from);
    else if (sqlite3_open(to, &copy) != SQLITE_OK)
        code = told(err, copy, to);
    sqlite3_busy_timeout(source, 2000);
    if (code == ERR_NONE) {
        sqlite3_backup *work = sqlite3_backup_init(copy, "main", source, "main");
        int got = work ? sqlite3_backup_step(work, -1) : SQLITE_ERROR;
        sqlite3_backup_finish(work);
        code = got == SQLITE_DONE ? read_fence(copy, to, fence, err) : told(err, copy, to);
    }
    sqlite3_close(copy);
    sqlite3_close(source);
    return code;
}
