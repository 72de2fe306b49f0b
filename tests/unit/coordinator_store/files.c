/* files.c - see files.h. */
#include "files.h"

#include "common/db.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/schema.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void files_open(struct files *f)
{
    const char *base = getenv("TMPDIR");
    text_format(f->dir, sizeof(f->dir), "%s/farmhand-test-XXXXXX", base ? base : "/tmp");
    must(mkdtemp(f->dir) != NULL);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

void files_close(struct files *f)
{
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *files_path(const struct files *f, const char *name)
{
    static char paths[8][FILES_PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 8];
    must(text_format(path, sizeof(paths[0]), "%s/%s", f->dir, name));
    return path;
}

void files_sql(const char *path, const char *sql)
{
    struct db_spec file = {.path = path,
                           .any_tables = true,
                           .migrations = schema_migrations,
                           .migration_count = schema_migration_count,
                           .statements = &sql,
                           .statement_count = 1};
    struct db *db = NULL;
    struct error err = {0};
    if (db_open(&file, &db, &err) || db_run(db, 0, &err))
        fprintf(stderr, "%s\n", err.text);
    must(!err.code);
    db_close(db);
}

unsigned char *files_read(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    must(file != NULL);
    must(fseek(file, 0, SEEK_END) == 0);
    size_t len = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = must_alloc(len + 1, 1);
    must(fread(bytes, 1, len, file) == len);
    fclose(file);
    *out_len = len;
    return bytes;
}

void files_overwrite(const char *path, size_t offset, const char *bytes)
{
    int fd = open(path, O_WRONLY);
    must(fd >= 0);
    must(pwrite(fd, bytes, strlen(bytes), (off_t)offset) == (ssize_t)strlen(bytes));
    close(fd);
}

int files_audited(const struct files *f, const char *action)
{
    sqlite3 *db;
    sqlite3_stmt *query;
    must(sqlite3_open(files_path(f, "state.db"), &db) == SQLITE_OK);
    must(sqlite3_prepare_v2(db, "SELECT count(*) FROM audit WHERE action = ?1", -1, &query, NULL) ==
         SQLITE_OK);
    sqlite3_bind_text(query, 1, action, -1, SQLITE_STATIC);
    must(sqlite3_step(query) == SQLITE_ROW);
    int count = sqlite3_column_int(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return count;
}

void files_disk_is_full(bool on)
{
    static struct rlimit before;
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    if (on) {
        before = limit;
    }
    limit.rlim_cur = on ? 4096 : before.rlim_cur;
    setrlimit(RLIMIT_FSIZE, &limit);
}
