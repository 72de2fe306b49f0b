/* The coordinator's store on a full disk, and a store from a newer version.
 *
 * The full disk is a small tmpfs in a mount namespace of this test's own, so it needs root and
 * vanishes with the test; without root those tests are skipped and say so.
 */
#include "tests/e2e/harness.h"

#include "tests/farm/farm/proc.h"
#include "tests/farm/farm/programs.h"

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static struct harness *h;
static char data_dir[64];
static bool is_small; /* data_dir lies on the tmpfs */

static bool mount_small(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", data_dir, "tmpfs", 0, "size=6m,mode=0700") == 0;
}

static int bring_up(void **state)
{
    char option[128];
    (void)state;
    text_copy(data_dir, sizeof(data_dir), "/tmp/farmhand-e2e-data-XXXXXX");
    if (!mkdtemp(data_dir))
        return -1;
    is_small = mount_small();
    text_format(option, sizeof(option), "coordinator.data_dir=%s", data_dir);
    h = harness_up((const char *const[]){"--servers", "3", "--traffic", "--rate", "100",
                                         "--coordinator", option, NULL});
    return 0;
}

/* --- a full disk --- */

static void filler_path(char out[96])
{
    text_format(out, 96, "%s/filler", data_dir);
}

/* Until not a byte more goes in. */
static void fill_disk(void)
{
    static const char block[4096];
    char path[96];
    filler_path(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0) {
    }
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void free_disk(void)
{
    char path[96];
    filler_path(path);
    assert_int_equal(unlink(path), 0);
}

/* What the coordinator says of its store. */
static void store_word(char out[256])
{
    json_t *status = harness_get(h, "/v1/status");
    text_copy(out, 256, harness_word(json_object_get(status, "coordinator"), "store"));
    json_decref(status);
}

static void wait_store(bool writable)
{
    char word[256];
    for (int tries = 0; tries < 600; tries++) {
        if (!writable)
            fill_disk(); /* what was given back meanwhile is taken again */
        store_word(word);
        if (word[0] && (strcmp(word, "ok") == 0) == writable)
            return;
        harness_sleep_ms(100);
    }
    fail_msg("after a minute the store is still '%s'", word);
}

static long long recycles_in_all(void)
{
    return harness_recycles(h, "web01", "Shop") + harness_recycles(h, "web02", "Shop") +
           harness_recycles(h, "web03", "Shop");
}

static void full_disk_begins_nothing_new_and_loses_nothing(void **state)
{
    (void)state;
    int status;
    if (!is_small) {
        fprintf(stderr, "skipped: a small file system cannot be mounted without root\n");
        skip();
    }
    long long before = recycles_in_all();
    harness_phase(h, "full");
    long long id = harness_run(h, "recycle", "Shop", "all", NULL);
    harness_wait_target(h, id, "web01", "acting", 20000);
    fill_disk();
    wait_store(false);

    harness_sleep_ms(6000); /* what was begun comes to its end */
    long long stuck = recycles_in_all();
    assert_true(stuck - before < 3);
    harness_sleep_ms(4000);
    assert_int_equal(recycles_in_all(), stuck);

    json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "action", "recycle", "pool", "Api", "on",
                             "web01", "reason", "not now");
    json_t *answer = harness_post(h, "/v1/runs", body, &status);
    const char *text = harness_word(json_object_get(answer, "error"), "text");
    if ((status != 503 && status != 409) || strlen(text) < 20)
        fail_msg("status %d: %s", status, text);
    json_decref(answer);

    free_disk();
    wait_store(true);
    json_t *run = harness_run_end(h, id, 90000);
    assert_string_equal(harness_word(run, "state"), "done");
    json_decref(run);
    assert_int_equal(recycles_in_all(), before + 3);
    harness_wait_all_up(h, 20000);
    harness_nothing_lost(h, "full");
}

/* --- a store from a newer version --- */

static int set_version(int version)
{
    char path[96], sql[64];
    sqlite3 *db;
    sqlite3_stmt *old;
    int was = -1;
    text_format(path, sizeof(path), "%s/state.db", data_dir);
    text_format(sql, sizeof(sql), "PRAGMA user_version = %d", version);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &old, NULL), SQLITE_OK);
    if (sqlite3_step(old) == SQLITE_ROW)
        was = sqlite3_column_int(old, 0);
    sqlite3_finalize(old);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    return was;
}

static void store_from_a_newer_version_is_refused(void **state)
{
    (void)state;
    assert_int_equal(FARM(h, "kill", "coordinator", "--signal", "TERM"), 0);
    assert_true(proc_wait(&h->farm, "coordinator", 10000));
    int version = set_version(9999);
    FARM(h, "start", "coordinator"); /* may report that it ended at once */
    assert_true(proc_wait(&h->farm, "coordinator", 10000));
    assert_true(harness_finds(h, "logs", "run the newer program"));
    set_version(version);
    assert_int_equal(FARM(h, "start", "coordinator"), 0);
    harness_wait_fresh(h, 3, 20000);
}

static void nothing_else_may_use_the_same_store(void **state)
{
    char path[PATH_MAX];
    (void)state;
    farm_path(path, &h->farm, "conf/coordinator.conf");
    struct error err = {0};
    /* A second one under another name: proc_start itself would refuse the same name. */
    char tool[PATH_MAX];
    assert_int_equal(programs_find(PROGRAM_COORDINATOR, tool, &err), ERR_NONE);
    const char *argv[] = {tool, "--config", path, NULL};
    proc_start(&h->farm, "second", argv, &err);
    assert_true(proc_wait(&h->farm, "second", 10000));
    assert_int_equal(proc_pid(&h->farm, "second"), 0);
    harness_wait_fresh(h, 3, 20000); /* the first goes on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk_begins_nothing_new_and_loses_nothing),
        cmocka_unit_test(store_from_a_newer_version_is_refused),
        cmocka_unit_test(nothing_else_may_use_the_same_store),
    };
    int failed = cmocka_run_group_tests_name("e2e_store", tests, bring_up, NULL);
    harness_down(h, failed != 0);
    umount2(data_dir, MNT_DETACH);
    rmdir(data_dir);
    return failed;
}
