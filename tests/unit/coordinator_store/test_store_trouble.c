/* test_store_trouble.c - the coordinator is killed, the disk is full, the file is not ours to use:
 * what was committed is there, what was not is gone, and the error says what to do. */
#include "files.h"
#include "samples.h"

#include "common/db.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/schema.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct files *f = must_alloc(1, sizeof(*f));
    files_open(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    files_close(*state);
    free(*state);
    return 0;
}

/* Runs it in a child process and gives back its exit status; 128 + signal when it was killed. */
static int in_child(void (*act)(void *arg), void *arg)
{
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        act(arg);
        _exit(0);
    }
    int status = 0;
    must(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static enum error_code try_open(const char *path, struct store **out, struct error *err)
{
    struct store_spec spec = {.path = path, .instance = sample_id(1), .wall_ms = 1};
    struct fence fence;
    return store_open(&spec, out, &fence, err);
}

static void assert_says(const struct error *err, const char *part)
{
    if (!strstr(err->text, part))
        fail_msg("\"%s\" is not in: %s", part, err->text);
}

/* ---- killed in the middle of a step ---- */

#define STEP_COUNT 8 /* calls in one step; the last is the commit */

/* A step as the coordinator saves it: run, lease, command, target, event, audit, in one
 * transaction; ends after so many calls. */
struct kill_plan {
    const char *path;
    int calls;
};

static void do_step(struct store *s, struct rollout *run, int calls)
{
    struct lease lease = {.server = "web00", .pool = "Shop", .owner = LEASE_RUN, .owner_id = 1};
    struct store_command command = sample_command(1);
    struct event event = {.kind = "target.state", .text = "acting"};
    const struct audit_row said = {
        .wall_ms = 1, .actor = "anna", .action = "run.create", .object = "run 1", .reason = "why"};
    int code = 0;
    for (int i = 1; i <= calls && !code; i++) {
        if (i == 1)
            code = store_begin(s, NULL);
        else if (i == 2)
            code = store_insert_run(s, run, NULL);
        else if (i == 3)
            code = store_take_lease(s, &lease, NULL);
        else if (i == 4)
            code = store_insert_command(s, &command, NULL);
        else if (i == 5)
            code = store_save_target(s, 1, &run->targets[1], NULL);
        else if (i == 6)
            code = store_add_event(s, &event, NULL);
        else if (i == 7)
            code = store_add_audit(s, &said, NULL);
        else
            code = store_commit(s, NULL);
    }
    must(!code);
}

static void be_killed(void *arg)
{
    struct kill_plan *plan = arg;
    struct store *s = sample_store(plan->path, NULL);
    struct rollout *run = sample_run(3);
    do_step(s, run, plan->calls);
    kill(getpid(), SIGKILL);
}

static void count_lease(void *arg, const struct lease *lease)
{
    (void)lease;
    ++*(int *)arg;
}

static void count_event(void *arg, const struct event *event)
{
    (void)event;
    ++*(int *)arg;
}

static void assert_all_or_nothing(const char *path, bool all)
{
    struct store *s = sample_store(path, NULL);
    struct rollout *run = NULL;
    struct store_command command = sample_command(1);
    int leases = 0, events = 0;
    assert_int_equal(store_load_run(s, 1, &run, NULL), all ? ERR_NONE : ERR_NOT_FOUND);
    assert_int_equal(store_find_command(s, "web01", &command.id, &command, NULL),
                     all ? ERR_NONE : ERR_NOT_FOUND);
    assert_int_equal(store_load_leases(s, count_lease, &leases, NULL), ERR_NONE);
    assert_int_equal(store_outbox(s, 0, 9, count_event, &events, NULL), ERR_NONE);
    assert_int_equal(leases, all ? 1 : 0);
    assert_int_equal(events, all ? 1 : 0);
    if (all)
        assert_int_equal(run->target_count, 3);
    rollout_free(run);
    store_close(s);
}

static void killed_anywhere_a_step_is_whole_or_not_there(void **state)
{
    for (int calls = 0; calls <= STEP_COUNT; calls++) {
        char name[32];
        text_format(name, sizeof(name), "state-%d.db", calls);
        struct kill_plan plan = {files_path(*state, name), calls};
        assert_int_equal(in_child(be_killed, &plan), 128 + SIGKILL);
        assert_all_or_nothing(plan.path, calls == STEP_COUNT);
    }
}

/* ---- a full disk ---- */

/* Exit statuses that say which promise broke. */
enum full_verdict { FULL_GOOD, FULL_NEVER_CAME, FULL_CODE, FULL_TEXT, FULL_HALF, FULL_NO_RETURN };

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static size_t rows_of(struct store *s)
{
    int events = 0;
    must(!store_outbox(s, 0, 1000000, count_event, &events, NULL));
    return (size_t)events;
}

static void fill_up(void *arg)
{
    signal(SIGXFSZ, SIG_IGN);
    struct store *s = sample_store(arg, NULL);
    set_file_limit(1024 * 1024);
    struct error err = {0};
    char filler[4000];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    size_t good = 0;
    for (; good < 10000; good++) {
        struct event event = {.kind = "filler", .text = filler};
        store_begin(s, NULL);
        store_add_event(s, &event, NULL);
        store_add_event(s, &event, NULL);
        if (store_commit(s, &err))
            break;
    }
    if (good == 10000)
        _exit(FULL_NEVER_CAME);
    if (err.code != ERR_FULL || store_probe(s, &err) != ERR_FULL)
        _exit(FULL_CODE);
    if (!strstr(err.text, "no space is left"))
        _exit(FULL_TEXT);
    if (rows_of(s) != 2 * good)
        _exit(FULL_HALF);
    set_file_limit(RLIM_INFINITY);
    struct event event = {.kind = "again"};
    if (store_probe(s, &err) || store_begin(s, &err) || store_add_event(s, &event, &err) ||
        store_commit(s, &err) || event.seq != 2 * good + 1)
        _exit(FULL_NO_RETURN);
}

static void full_disk_is_told_and_goes_on_when_there_is_room(void **state)
{
    assert_int_equal(in_child(fill_up, (void *)files_path(*state, "state.db")), FULL_GOOD);
}

/* ---- files that cannot be used ---- */

static void open_as_nobody(void *arg)
{
    if (geteuid() == 0 && seteuid(65534) != 0)
        _exit(99);
    struct store *s = NULL;
    struct error err = {0};
    _exit((int)try_open(arg, &s, &err));
}

static void directory_without_rights_is_told(void **state)
{
    struct files *f = *state;
    assert_int_equal(chmod(f->dir, 0555), 0);
    int code = in_child(open_as_nobody, (void *)files_path(f, "state.db"));
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(code, ERR_DENIED);
}

static void directory_that_is_missing_is_told(void **state)
{
    struct store *s = NULL;
    struct error err = {0};
    assert_int_equal(try_open(files_path(*state, "nowhere/state.db"), &s, &err), ERR_NOT_FOUND);
    assert_says(&err, "nowhere/state.db");
    assert_null(s);
}

static void damaged_file_is_told(void **state)
{
    const char *path = files_path(*state, "state.db");
    store_close(sample_store(path, NULL));
    files_overwrite(path, 0, "This is not a database any more, sorry for that.");
    struct store *s = NULL;
    struct error err = {0};
    assert_int_equal(try_open(path, &s, &err), ERR_CORRUPT);
    assert_says(&err, "backup");
    assert_null(s);
}

static void damaged_page_is_found_at_the_start(void **state)
{
    const char *path = files_path(*state, "state.db");
    store_close(sample_store(path, NULL));
    char noise[2000];
    memset(noise, 'z', sizeof(noise) - 1);
    noise[sizeof(noise) - 1] = '\0';
    files_overwrite(path, 4096 + 100, noise);
    files_overwrite(path, 2 * 4096, noise);
    struct store *s = NULL;
    struct error err = {0};
    assert_int_equal(try_open(path, &s, &err), ERR_CORRUPT);
    assert_null(s);
}

static void newer_file_is_refused_and_stays_as_it_is(void **state)
{
    const char *path = files_path(*state, "state.db");
    const char *migrations[64];
    assert_true(schema_migration_count < 64);
    memcpy(migrations, schema_migrations, schema_migration_count * sizeof(*migrations));
    migrations[schema_migration_count] = "CREATE TABLE later (x TEXT) STRICT";
    struct db_spec newer = {
        .path = path, .migrations = migrations, .migration_count = schema_migration_count + 1};
    struct db *db = NULL;
    struct error err = {0};
    assert_int_equal(db_open(&newer, &db, &err), ERR_NONE);
    db_close(db);
    size_t before_len = 0, after_len = 0;
    unsigned char *before = files_read(path, &before_len);
    struct store *s = NULL;
    assert_int_equal(try_open(path, &s, &err), ERR_NEWER);
    assert_says(&err, "newer");
    unsigned char *after = files_read(path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    free(before);
    free(after);
}

static void backup_is_a_store_of_its_own(void **state)
{
    const char *path = files_path(*state, "state.db"), *copy = files_path(*state, "copy.db");
    struct store *s = sample_store(path, NULL);
    struct rollout *run = sample_run(3);
    do_step(s, run, STEP_COUNT);
    struct error err = {0};
    assert_int_equal(store_backup(s, copy, &err), ERR_NONE);
    assert_int_equal(store_backup(s, copy, &err), ERR_EXISTS);
    store_close(s);
    rollout_free(run);
    assert_all_or_nothing(copy, true);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(killed_anywhere_a_step_is_whole_or_not_there),
        CASE(full_disk_is_told_and_goes_on_when_there_is_room),
        CASE(directory_without_rights_is_told),
        CASE(directory_that_is_missing_is_told),
        CASE(damaged_file_is_told),
        CASE(damaged_page_is_found_at_the_start),
        CASE(newer_file_is_refused_and_stays_as_it_is),
        CASE(backup_is_a_store_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
