/* test_db.c - stores open, migrate, save, and fail with words that help. */
#include "tests/unit/common/testing.h"

#include "common/db.h"
#include "common/os.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { INSERT, SELECT, UPDATE, CHILD, GET_SYNC, GET_KEYS, GET_MODE };

static const char *const migrations[] = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB) STRICT;"
    "CREATE TABLE child (of INTEGER NOT NULL REFERENCES t(id)) STRICT",
    "ALTER TABLE t ADD COLUMN size INTEGER",
};

static const char *const statements[] = {
    [INSERT] = "INSERT INTO t(id, name, bytes, size) VALUES (?1, ?2, ?3, ?4)",
    [SELECT] = "SELECT id, name, bytes, size FROM t ORDER BY id",
    [UPDATE] = "UPDATE t SET size = ?1",
    [CHILD] = "INSERT INTO child VALUES (?1)",
    [GET_SYNC] = "PRAGMA synchronous",
    [GET_KEYS] = "PRAGMA foreign_keys",
    [GET_MODE] = "PRAGMA journal_mode",
};

static struct db_spec spec_of(const char *path)
{
    return (struct db_spec){
        .path = path,
        .migrations = migrations,
        .migration_count = 2,
        .statements = statements,
        .statement_count = sizeof(statements) / sizeof(statements[0]),
        .full_sync = true,
    };
}

static struct db *open_db(const char *path)
{
    struct db_spec spec = spec_of(path);
    struct db *db = NULL;
    struct error err = {0};
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    return db;
}

static enum error_code insert(struct db *db, int64_t id, const char *name, struct error *err)
{
    db_bind_int(db, INSERT, 1, id);
    db_bind_text(db, INSERT, 2, name);
    return db_run(db, INSERT, err);
}

static int count_rows(struct db *db)
{
    struct error err = {0};
    int count = 0;
    bool got = true;
    while (got) {
        assert_code(db_row(db, SELECT, &got, &err), ERR_NONE, &err);
        count += got;
    }
    return count;
}

static void values_come_back_as_bound(void **state)
{
    struct db *db = open_db(in_dir(state, "values.db"));
    struct error err = {0};
    char name[] = "web03";
    db_bind_int(db, INSERT, 1, INT64_MIN);
    db_bind_text(db, INSERT, 2, name);
    db_bind_blob(db, INSERT, 3, "a\0b", 3);
    db_bind_uint(db, INSERT, 4, INT64_MAX);
    name[0] = 'X'; /* it was copied */
    assert_code(db_run(db, INSERT, &err), ERR_NONE, &err);
    assert_true(db_last_id(db) == INT64_MIN);
    assert_true(db_changes(db) == 1);
    db_bind_int(db, INSERT, 1, 5); /* nothing else: what was bound before is forgotten */
    assert_code(db_run(db, INSERT, &err), ERR_NONE, &err);
    db_bind_int(db, INSERT, 1, 6);
    db_bind_blob(db, INSERT, 3, "", 0);
    assert_code(db_run(db, INSERT, &err), ERR_NONE, &err);
    bool got = false;
    size_t len = 9;
    assert_code(db_row(db, SELECT, &got, &err), ERR_NONE, &err);
    assert_true(got && db_int(db, SELECT, 0) == INT64_MIN && db_uint(db, SELECT, 0) == 0);
    assert_string_equal(db_text(db, SELECT, 1), "web03");
    assert_memory_equal(db_blob(db, SELECT, 2, &len), "a\0b", 3);
    assert_int_equal(len, 3);
    assert_true(db_uint(db, SELECT, 3) == INT64_MAX);
    assert_code(db_row(db, SELECT, &got, &err), ERR_NONE, &err);
    assert_true(got && db_is_null(db, SELECT, 1) && db_is_null(db, SELECT, 2));
    assert_null(db_text(db, SELECT, 1));
    assert_code(db_row(db, SELECT, &got, &err), ERR_NONE, &err);
    assert_true(got && !db_is_null(db, SELECT, 2));
    db_reset(db, SELECT);
    assert_int_equal(count_rows(db), 3);
    db_bind_int(db, UPDATE, 1, 1);
    assert_code(db_run(db, UPDATE, &err), ERR_NONE, &err);
    assert_true(db_changes(db) == 3);
    db_close(db);
    db_close(NULL);
}

static int64_t ask(struct db *db, int statement)
{
    bool got = false;
    assert_int_equal(db_row(db, statement, &got, NULL), ERR_NONE);
    assert_true(got);
    int64_t value = db_int(db, statement, 0);
    db_reset(db, statement);
    return value;
}

static void a_store_is_set_up_as_promised(void **state)
{
    struct db_spec spec = spec_of(in_dir(state, "setup.db"));
    struct db *db = NULL;
    struct error err = {0};
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_true(ask(db, GET_SYNC) == 2 && ask(db, GET_KEYS) == 1); /* FULL, on */
    bool got = false;
    assert_int_equal(db_row(db, GET_MODE, &got, NULL), ERR_NONE);
    assert_string_equal(db_text(db, GET_MODE, 0), "wal");
    db_close(db);
    spec.full_sync = false;
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_true(ask(db, GET_SYNC) == 1 && ask(db, GET_KEYS) == 1);
    db_close(db);
}

static void migrations_go_on_from_where_the_file_is(void **state)
{
    struct db_spec spec = spec_of(in_dir(state, "migrated.db"));
    struct db *db = NULL;
    struct error err = {0};
    static const char *const first_insert[] = {"INSERT INTO t(id, name) VALUES (1, 'kept')"};
    spec.migration_count = 1;
    spec.statements = first_insert;
    spec.statement_count = 1;
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_code(db_run(db, 0, &err), ERR_NONE, &err);
    db_close(db);
    db = open_db(spec.path);
    assert_int_equal(count_rows(db), 1);
    assert_true(ask(db, GET_KEYS) == 1);
    assert_code(insert(db, 2, "new", &err), ERR_NONE, &err);
    db_close(db);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    struct db_spec spec = spec_of(in_dir(state, "failing.db"));
    db_close(open_db(spec.path));
    static const char *const bad[] = {NULL, NULL, "CREATE TABLE extra (x)", "CREATE TABLE t (x)"};
    static const char *const orphan[] = {NULL, NULL, "INSERT INTO child VALUES (42)"};
    struct db *db = NULL;
    struct error err = {0};
    spec.migrations = bad;
    spec.any_tables = true;
    spec.migration_count = 4;
    assert_code(db_open(&spec, &db, &err), ERR_IO, &err);
    assert_contains(err.text, "version 3 to 4");
    spec.migrations = orphan;
    spec.migration_count = 3;
    assert_code(db_open(&spec, &db, &err), ERR_CORRUPT, &err);
    assert_contains(err.text, "child");
    assert_null(db);
    static const char *const look[] = {"SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"};
    spec = spec_of(spec.path);
    spec.statements = look;
    spec.statement_count = 1;
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err); /* still version 2 */
    assert_true(ask(db, 0) == 0);
    db_close(db);
}

static void a_newer_file_is_refused_and_stays_as_it_is(void **state)
{
    const char *path = in_dir(state, "newer.db");
    db_close(open_db(path));
    struct db_spec spec = spec_of(path);
    char *before = NULL, *after = NULL;
    size_t before_len = 0, after_len = 0;
    struct os_file_id id_before, id_after;
    struct error err = {0};
    struct db *db = NULL;
    assert_code(os_read_file(path, 1 << 20, &before, &before_len, &err), ERR_NONE, &err);
    assert_code(os_file_id(path, &id_before, &err), ERR_NONE, &err);
    spec.migration_count = 1;
    assert_code(db_open(&spec, &db, &err), ERR_NEWER, &err);
    assert_null(db);
    assert_contains(err.text, "newer.db: its schema is version 2");
    assert_contains(err.text, "run the newer program");
    assert_code(os_read_file(path, 1 << 20, &after, &after_len, &err), ERR_NONE, &err);
    assert_code(os_file_id(path, &id_after, &err), ERR_NONE, &err);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    assert_memory_equal(&id_before, &id_after, sizeof(id_before));
    free(before);
    free(after);
}

/* The newer program died and left a log: it must be there for it afterwards. */
static void the_log_of_a_newer_file_is_left_alone(void **state)
{
    const char *path = in_dir(state, "newer-log.db");
    pid_t pid = fork();
    if (pid == 0) {
        struct db *db = open_db(path);
        _exit(insert(db, 1, "in the log", NULL) == ERR_NONE ? 0 : 1); /* not closed */
    }
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    struct os_file_id before, after, log_before, log_after;
    struct error err = {0};
    struct db *db = NULL;
    struct db_spec spec = spec_of(path);
    spec.migration_count = 1;
    assert_code(os_file_id(path, &before, &err), ERR_NONE, &err);
    assert_code(os_file_id(in_dir(state, "newer-log.db-wal"), &log_before, &err), ERR_NONE, &err);
    assert_true(log_before.size_bytes > 0);
    assert_code(db_open(&spec, &db, &err), ERR_NEWER, &err);
    assert_code(os_file_id(path, &after, &err), ERR_NONE, &err);
    assert_code(os_file_id(in_dir(state, "newer-log.db-wal"), &log_after, &err), ERR_NONE, &err);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_memory_equal(&log_before, &log_after, sizeof(log_before));
    db = open_db(path);
    assert_int_equal(count_rows(db), 1);
    db_close(db);
}

static void the_file_of_another_program_is_refused(void **state)
{
    const char *path = in_dir(state, "foreign.db");
    static const char *const foreign[] = {"CREATE TABLE theirs (x)", "PRAGMA user_version=0"};
    struct db_spec spec = {.path = path, .statements = foreign, .statement_count = 1};
    struct db *db = NULL;
    struct error err = {0};
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_code(db_run(db, 0, &err), ERR_NONE, &err);
    db_close(db);
    spec = spec_of(path);
    assert_code(db_open(&spec, &db, &err), ERR_STATE, &err);
    assert_contains(err.text, "another program");
}

static void damage(const char *path, long from, size_t len)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, from, SEEK_SET);
    for (size_t i = 0; i < len; i++)
        fputc('?', file);
    assert_int_equal(fclose(file), 0);
}

static void damaged_files_are_refused_with_advice(void **state)
{
    struct db *db = NULL;
    struct error err = {0};
    struct db_spec spec = spec_of(in_dir(state, "damaged.db"));
    db = open_db(spec.path);
    for (int i = 0; i < 2000; i++) {
        char name[64];
        snprintf(name, sizeof(name), "a name of some length %d", i);
        assert_code(insert(db, i, name, &err), ERR_NONE, &err);
    }
    db_close(db);
    damage(spec.path, 5 * 4096, 4096 * 4);
    assert_code(db_open(&spec, &db, &err), ERR_CORRUPT, &err);
    assert_contains(err.text, "damaged.db");
    assert_contains(err.text, "put a backup in its place");
    spec.path = in_dir(state, "text.db");
    assert_code(os_write_file(spec.path, "", 0, 0600, &err), ERR_NONE, &err);
    damage(spec.path, 0, 5000);
    assert_code(db_open(&spec, &db, &err), ERR_CORRUPT, &err);
}

static void a_store_that_cannot_be_opened_says_why(void **state)
{
    struct db *db = NULL;
    struct error err = {0};
    struct db_spec spec = spec_of(in_dir(state, "no/such.db"));
    assert_code(db_open(&spec, &db, &err), ERR_NOT_FOUND, &err);
    assert_contains(err.text, "make its directory first");
    spec.path = (const char *)*state; /* a directory */
    assert_int_not_equal(db_open(&spec, &db, &err), ERR_NONE);
    static const char *const typo[] = {"SELECT nothing FROM nowhere"};
    spec = spec_of(in_dir(state, "typo.db"));
    spec.statements = typo;
    spec.statement_count = 1;
    assert_code(db_open(&spec, &db, &err), ERR_CORRUPT, &err);
    assert_contains(err.text, "nowhere");
    spec.vfs = "no-such-vfs";
    assert_int_not_equal(db_open(&spec, &db, &err), ERR_NONE);
    assert_null(db);
}

static void constraints_have_their_codes(void **state)
{
    struct db *db = open_db(in_dir(state, "constraints.db"));
    struct error err = {0};
    assert_code(insert(db, 1, "a", &err), ERR_NONE, &err);
    assert_code(insert(db, 1, "b", &err), ERR_EXISTS, &err);
    assert_code(insert(db, 2, "a", &err), ERR_EXISTS, &err);
    assert_contains(err.text, "INSERT INTO t");
    db_bind_int(db, CHILD, 1, 99);
    assert_code(db_run(db, CHILD, &err), ERR_INVALID, &err);
    assert_code(db_run(db, CHILD, &err), ERR_INVALID, &err); /* NULL now: NOT NULL */
    assert_code(insert(db, 2, "b", &err), ERR_NONE, &err);   /* still usable */
    assert_int_equal(count_rows(db), 2);
    db_close(db);
}

static void a_transaction_is_all_or_nothing(void **state)
{
    const char *path = in_dir(state, "transaction.db");
    struct db *db = open_db(path);
    struct error err = {0};
    assert_code(db_begin(db, &err), ERR_NONE, &err);
    assert_true(db_in_transaction(db));
    assert_code(insert(db, 1, "a", &err), ERR_NONE, &err);
    db_rollback(db);
    assert_false(db_in_transaction(db));
    db_rollback(db);
    assert_int_equal(count_rows(db), 0);
    assert_code(db_begin(db, &err), ERR_NONE, &err);
    assert_code(insert(db, 1, "a", &err), ERR_NONE, &err);
    assert_code(insert(db, 1, "again", &err), ERR_EXISTS, &err); /* does not undo the rest */
    assert_code(db_commit(db, &err), ERR_NONE, &err);
    db_close(db);
    db = open_db(path);
    assert_int_equal(count_rows(db), 1);
    db_close(db);
}

/* ON CONFLICT ROLLBACK stands for the failures after which SQLite undoes all by itself. */
static void after_an_undone_transaction_nothing_is_saved_alone(void **state)
{
    static const char *const undoing[] = {"INSERT INTO t(id) VALUES (?1)",
                                          "INSERT OR ROLLBACK INTO t(id) VALUES (1)",
                                          "SELECT count(*) FROM t"};
    struct db_spec spec = spec_of(in_dir(state, "undone.db"));
    spec.statements = undoing;
    spec.statement_count = 3;
    struct db *db = NULL;
    struct error err = {0};
    bool got = false;
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_code(db_begin(db, &err), ERR_NONE, &err);
    assert_code(db_run(db, 1, &err), ERR_NONE, &err);
    assert_code(db_run(db, 1, &err), ERR_EXISTS, &err);
    assert_true(db_in_transaction(db)); /* until the caller has understood */
    db_bind_int(db, 0, 1, 2);
    assert_code(db_run(db, 0, &err), ERR_STATE, &err);
    assert_contains(err.text, "nothing was saved");
    assert_code(db_row(db, 2, &got, &err), ERR_STATE, &err);
    assert_code(db_commit(db, &err), ERR_STATE, &err);
    assert_false(db_in_transaction(db));
    assert_true(ask(db, 2) == 0);
    assert_code(db_run(db, 1, &err), ERR_NONE, &err);
    assert_true(ask(db, 2) == 1);
    db_close(db);
}

static void a_lock_of_another_process_is_busy(void **state)
{
    const char *path = in_dir(state, "busy.db");
    struct db *one = open_db(path), *two = open_db(path);
    struct error err = {0};
    assert_code(db_begin(one, &err), ERR_NONE, &err);
    assert_code(db_begin(two, &err), ERR_BUSY, &err);
    assert_contains(err.text, "another process holds it");
    assert_false(db_in_transaction(two));
    assert_code(db_commit(one, &err), ERR_NONE, &err);
    assert_code(db_begin(two, &err), ERR_NONE, &err);
    db_rollback(two);
    db_close(one);
    db_close(two);
}

static const char *const full_statements[] = {
    "INSERT INTO t(bytes) VALUES (zeroblob(200000))",
    "PRAGMA max_page_count=20",
    "PRAGMA max_page_count=10000",
    "SELECT count(*) FROM t",
    "INSERT INTO t(name) VALUES ('small')",
};

static struct db *open_full(const char *path)
{
    struct db_spec spec = spec_of(path);
    spec.statements = full_statements;
    spec.statement_count = 5;
    struct db *db = NULL;
    struct error err = {0};
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    return db;
}

static void a_full_store_saves_nothing_by_halves_and_recovers(void **state)
{
    struct db *db = open_full(in_dir(state, "full.db"));
    struct error err = {0};
    ask(db, 1);
    assert_code(db_begin(db, &err), ERR_NONE, &err);
    assert_code(db_run(db, 4, &err), ERR_NONE, &err);
    assert_code(db_run(db, 0, &err), ERR_FULL, &err);
    assert_contains(err.text, "full.db");
    assert_contains(err.text, "free some");
    if (db_run(db, 4, &err) == ERR_NONE) /* SQLite undid the statement alone: the rest still can */
        assert_code(db_commit(db, &err), ERR_NONE, &err);
    else
        assert_code(db_commit(db, &err), ERR_STATE, &err);
    assert_false(db_in_transaction(db));
    int64_t kept = ask(db, 3);
    assert_true(kept == 0 || kept == 2);
    ask(db, 2);
    assert_code(db_run(db, 0, &err), ERR_NONE, &err);
    assert_true(ask(db, 3) == kept + 1);
    db_close(db);
}

/* With a limit on the size of files, which stands for a full disk, in a child of its own. */
static int fill_disk(const char *path)
{
    struct error err = {0};
    struct rlimit small = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY}, none;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &none);
    small.rlim_max = none.rlim_max;
    struct db *db = open_full(path);
    setrlimit(RLIMIT_FSIZE, &small);
    if (db_begin(db, &err) || db_run(db, 4, &err))
        return 1;
    enum error_code code = db_run(db, 0, &err);
    if (!code)
        code = db_commit(db, &err);
    if (code != ERR_FULL || !strstr(err.text, "free some"))
        return fprintf(stderr, "%s: %s\n", error_code_name(code), err.text), 2;
    if (db_in_transaction(db)) {
        /* a statement now must not be saved alone */
        enum error_code after = db_run(db, 4, &err);
        db_rollback(db);
        if (after == ERR_NONE && ask(db, 3) != 0)
            return 3;
    }
    setrlimit(RLIMIT_FSIZE, &none);
    if (ask(db, 3) != 0)
        return 4;
    if (db_begin(db, &err) || db_run(db, 0, &err) || db_commit(db, &err))
        return fprintf(stderr, "%s\n", err.text), 5;
    db_close(db);
    return 0;
}

static void a_full_disk_is_told_and_overcome(void **state)
{
    const char *path = in_dir(state, "disk.db");
    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_disk(path));
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    struct db *db = open_full(path);
    assert_true(ask(db, 3) == 1);
    db_close(db);
}

/* Rights do not bind root, so the child gives them up where it can. */
static void an_unwritable_store_is_denied_with_advice(void **state)
{
    const char *dir = in_dir(state, "locked"), *path = in_dir(state, "locked/store.db");
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(chmod((const char *)*state, 0755), 0);
    db_close(open_db(path));
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct db_spec spec = spec_of(path);
        struct db *db = NULL;
        struct error err = {0};
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(1);
        enum error_code code = db_open(&spec, &db, &err);
        if (code == ERR_DENIED && strstr(err.text, "the right to write"))
            _exit(0);
        fprintf(stderr, "%s: %s\n", error_code_name(code), err.text);
        _exit(2);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    chmod(dir, 0755);
    assert_int_equal(status, 0);
}

static void a_value_that_is_too_large_is_told_at_the_run(void **state)
{
    struct db *db = open_db(in_dir(state, "large.db"));
    struct error err = {0};
    db_bind_int(db, INSERT, 1, 1);
    db_bind_blob(db, INSERT, 3, "", (size_t)2000000000); /* above SQLite's limit: not even read */
    assert_code(db_run(db, INSERT, &err), ERR_NOMEM, &err);
    assert_code(insert(db, 1, "a", &err), ERR_NONE, &err);
    db_close(db);
}

static void a_backup_is_whole_and_never_overwrites(void **state)
{
    struct db *db = open_db(in_dir(state, "source.db"));
    const char *to = in_dir(state, "backup.db");
    struct error err = {0};
    for (int i = 0; i < 100; i++)
        assert_code(insert(db, i, NULL, &err), ERR_NONE, &err);
    assert_code(db_backup(db, to, &err), ERR_NONE, &err);
    assert_int_equal(access(in_dir(state, "backup.db-wal"), F_OK), -1);
    assert_int_equal(access(in_dir(state, "backup.db.part"), F_OK), -1);
    assert_code(insert(db, 1000, "later", &err), ERR_NONE, &err);
    assert_code(db_backup(db, to, &err), ERR_EXISTS, &err);
    assert_code(db_backup(db, in_dir(state, "no/such.db"), &err), ERR_NOT_FOUND, &err);
    db_close(db);
    db = open_db(to);
    assert_int_equal(count_rows(db), 100);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_bound),
        cmocka_unit_test(a_store_is_set_up_as_promised),
        cmocka_unit_test(migrations_go_on_from_where_the_file_is),
        cmocka_unit_test(a_migration_that_fails_changes_nothing),
        cmocka_unit_test(a_newer_file_is_refused_and_stays_as_it_is),
        cmocka_unit_test(the_log_of_a_newer_file_is_left_alone),
        cmocka_unit_test(the_file_of_another_program_is_refused),
        cmocka_unit_test(damaged_files_are_refused_with_advice),
        cmocka_unit_test(a_store_that_cannot_be_opened_says_why),
        cmocka_unit_test(constraints_have_their_codes),
        cmocka_unit_test(a_transaction_is_all_or_nothing),
        cmocka_unit_test(after_an_undone_transaction_nothing_is_saved_alone),
        cmocka_unit_test(a_lock_of_another_process_is_busy),
        cmocka_unit_test(a_full_store_saves_nothing_by_halves_and_recovers),
        cmocka_unit_test(a_full_disk_is_told_and_overcome),
        cmocka_unit_test(an_unwritable_store_is_denied_with_advice),
        cmocka_unit_test(a_value_that_is_too_large_is_told_at_the_run),
        cmocka_unit_test(a_backup_is_whole_and_never_overwrites),
    };
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
