/* The audit trail as a chain: what is done to its rows behind our back is found. */
#include "coordinator/store/store.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/audit_line.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 10

struct trail {
    struct files files;
    const char *path;
    struct store *store;
    struct error err;
    struct audit_chain chain; /* as verify finds it */
    const char *bad;
    uint64_t bad_id;
    size_t told;
};

static void open_store(struct trail *t)
{
    struct fence fence;
    const struct store_spec spec = {.path = t->path, .instance = {{1}}, .wall_ms = 1000};
    if (store_open(&spec, &t->store, &fence, &t->err) != ERR_NONE)
        fail_msg("%s", t->err.text);
}

static void add(struct trail *t, int i)
{
    char object[32];
    snprintf(object, sizeof(object), "run %d", i);
    store_audit_origin(t->store, i % 2 ? "192.0.2.7" : "socket");
    must(store_begin(t->store, NULL) == ERR_NONE);
    const struct audit_row said = {.wall_ms = 1000 + i,
                                   .actor = "anna",
                                   .action = "run.pause",
                                   .object = object,
                                   .reason = "lunch",
                                   .before = "running",
                                   .after = "paused (person)"};
    must(store_add_audit(t->store, &said, NULL) == ERR_NONE);
    must(store_commit(t->store, NULL) == ERR_NONE);
}

static int setup(void **state)
{
    struct trail *t = must_alloc(1, sizeof(*t));
    static char path[FILES_PATH_MAX];
    files_open(&t->files);
    text_copy(path, sizeof(path), files_path(&t->files, "state.db"));
    t->path = path;
    open_store(t);
    for (int i = 0; i < ROWS; i++)
        add(t, i);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct trail *t = *state;
    store_close(t->store);
    files_close(&t->files);
    free(t);
    return 0;
}

static void look(void *arg, const struct audit_row *row)
{
    struct trail *t = arg;
    if (t->bad)
        return;
    t->bad = audit_chain_add(&t->chain, row);
    t->bad_id = row->id;
}

/* NULL: whole. */
static const char *verify(struct trail *t)
{
    uint64_t last = 0;
    audit_chain_begin(&t->chain);
    t->bad = NULL;
    must(store_load_audit(t->store, 0, SIZE_MAX, look, t, NULL) == ERR_NONE);
    must(store_audit_last(t->store, &last, NULL) == ERR_NONE);
    if (!t->bad && last > t->chain.id)
        t->bad = "rows at the end are missing";
    return t->bad;
}

static int run_sql(const char *statement, void *arg)
{
    if (statement[0] != '\0')
        files_sql(((struct trail *)arg)->path, statement);
    return 0;
}

#define TRIGGER(name, what)                                                                        \
    "CREATE TRIGGER " name " BEFORE " what " ON audit"                                             \
    " BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END"

/* As an intruder would: its triggers are taken away first, and put back, since a store without them
 * does not open. */
static void tamper_beside(struct trail *t, const char *sql)
{
    files_sql(t->path, "DROP TRIGGER IF EXISTS audit_stays");
    files_sql(t->path, "DROP TRIGGER IF EXISTS audit_is_kept");
    text_split(sql, ';', run_sql, t);
    files_sql(t->path, TRIGGER("audit_stays", "UPDATE"));
    files_sql(t->path, TRIGGER("audit_is_kept", "DELETE"));
}

/* With the store closed. */
static void tamper(struct trail *t, const char *sql)
{
    store_close(t->store);
    tamper_beside(t, sql);
    open_store(t);
}

static void store_without_its_triggers_does_not_open(void **state)
{
    struct trail *t = *state;
    struct fence fence;
    const struct store_spec spec = {.path = t->path, .instance = {{1}}, .wall_ms = 1000};
    store_close(t->store);
    files_sql(t->path, "DROP TRIGGER audit_stays");
    assert_int_equal(store_open(&spec, &t->store, &fence, &t->err), ERR_CORRUPT);
    assert_non_null(strstr(t->err.text, "audit_stays is not as it was made"));
    files_sql(t->path, TRIGGER("audit_stays", "UPDATE"));
    open_store(t);
}

static void untouched_trail_is_whole_over_restarts(void **state)
{
    struct trail *t = *state;
    assert_null(verify(t));
    assert_int_equal(t->chain.id, ROWS);
    store_close(t->store);
    open_store(t);
    add(t, ROWS);
    assert_null(verify(t));
}

static void found(struct trail *t, const char *sql, uint64_t id)
{
    tamper(t, sql);
    assert_non_null(verify(t));
    assert_int_equal(t->bad_id, id);
}

static void changed_row_is_found(void **state)
{
    found(*state, "UPDATE audit SET actor = 'otto' WHERE id = 4;", 4);
}

static void changed_time_is_found(void **state)
{
    found(*state, "UPDATE audit SET at_ms = at_ms + 1 WHERE id = 7;", 7);
}

static void changed_origin_is_found(void **state)
{
    found(*state, "UPDATE audit SET origin = '' WHERE id = 10;", 10);
}

static void changed_words_of_the_change_are_found(void **state)
{
    found(*state, "UPDATE audit SET before = 'stopping' WHERE id = 9;", 9);
    found(*state, "UPDATE audit SET after = 'running' WHERE id = 8;", 8);
    found(*state, "UPDATE audit SET result = 'refused: no' WHERE id = 7;", 7);
}

/* Nor can a word be moved from one field into its neighbour, or all be taken away. */
static void moved_words_of_the_change_are_found(void **state)
{
    found(*state, "UPDATE audit SET before = 'runningpaused (person)', after = '' WHERE id = 6;",
          6);
    found(*state, "UPDATE audit SET before = '', after = '', result = '' WHERE id = 5;", 5);
}

/* What a coordinator wrote that kept no before and after: the hashes that it gave still hold, and
 * the chain goes on from them. The hash stands here as that version made it. */
static void rows_from_before_the_words_of_change_still_verify(void **state)
{
    struct trail *t = *state;
    tamper(
        t,
        "DELETE FROM audit WHERE id > 1;"
        "UPDATE audit SET origin = 'socket', object = 'run 7', before = '', after = '',"
        " result = '', hash = '559be791e07f236aacd5d80ae57ba48759aa1d432cb1d58e0f1e1c6ecee957ff';"
        "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'audit'");
    assert_null(verify(t));
    assert_int_equal(t->chain.id, 1);
    add(t, 1);
    assert_null(verify(t));
    assert_int_equal(t->chain.id, 2);
    found(t, "UPDATE audit SET after = 'paused' WHERE id = 1;", 1);
}

static void removed_row_is_found(void **state)
{
    found(*state, "DELETE FROM audit WHERE id = 5;", 6);
}

static void first_row_that_was_removed_is_found(void **state)
{
    found(*state, "DELETE FROM audit WHERE id = 1;", 2);
}

static void row_moved_down_over_a_removed_one_is_found(void **state)
{
    found(*state, "DELETE FROM audit WHERE id = 5; UPDATE audit SET id = 5 WHERE id = 6;", 5);
}

static void inserted_row_is_found(void **state)
{
    found(*state,
          "INSERT INTO audit (id, at_ms, actor, action, object, reason, hash) VALUES (11, 1, 'x', "
          "'y', "
          "'z', 'w', 'abc');",
          11);
}

static void inserted_row_without_a_hash_is_found(void **state)
{
    found(*state,
          "INSERT INTO audit (id, at_ms, actor, action, object, reason) VALUES (11, 1, 'x', 'y', "
          "'z', "
          "'w');",
          11);
}

static void last_rows_that_were_removed_are_found_even_after_new_ones(void **state)
{
    struct trail *t = *state;
    tamper(t, "DELETE FROM audit WHERE id > 8;");
    assert_non_null(verify(t));
    add(t, 50);
    assert_non_null(verify(t));
}

#define CUT_TO(last)                                                                               \
    "DELETE FROM audit WHERE id > " last ";"                                                       \
    "UPDATE sqlite_sequence SET seq = " last " WHERE name = 'audit'"

/* Whoever sets back sqlite's own count as well would not be found by the file alone. */
static void end_that_is_cut_off_while_it_is_open_is_found(void **state)
{
    struct trail *t = *state;
    tamper_beside(t, CUT_TO("8"));
    assert_non_null(verify(t));
    add(t, 50);
    assert_non_null(verify(t));
    assert_int_equal(t->bad_id, ROWS + 1);
    store_close(t->store); /* it stays found */
    open_store(t);
    assert_non_null(verify(t));
}

static void trail_that_is_emptied_while_it_is_open_is_found(void **state)
{
    struct trail *t = *state;
    tamper_beside(t, CUT_TO("0"));
    assert_non_null(verify(t));
    add(t, 50);
    assert_non_null(verify(t));
}

/* With a hash that fits, from who knows how they are made: the next row does not go on from it. */
static void row_put_in_at_the_end_while_it_is_open_is_found(void **state)
{
    struct trail *t = *state;
    struct text sql = {0};
    struct audit_row row = {.id = ROWS + 1,
                            .wall_ms = 1,
                            .actor = "mallory",
                            .origin = "",
                            .action = "a",
                            .object = "b",
                            .reason = "c",
                            .before = "",
                            .after = "",
                            .result = ""};
    char hash[SHA256_HEX];
    assert_null(verify(t));
    audit_chain_hash(t->chain.hash, &row, hash);
    text_addf(&sql,
              "INSERT INTO audit (id, at_ms, actor, action, object, reason, hash) VALUES (%d, 1, "
              "'mallory', 'a', 'b', 'c', '%s')",
              ROWS + 1, hash);
    tamper_beside(t, text_get(&sql));
    assert_null(verify(t)); /* not yet */
    add(t, 50);
    assert_non_null(verify(t));
    assert_int_equal(t->bad_id, ROWS + 2);
    text_reset(&sql);
}

/* What was not committed is no end of anything. */
static void rows_that_were_rolled_back_leave_no_gap(void **state)
{
    struct trail *t = *state;
    const struct audit_row said = {
        .wall_ms = 1, .actor = "anna", .action = "a", .object = "b", .reason = "c"};
    must(store_begin(t->store, NULL) == ERR_NONE);
    must(store_add_audit(t->store, &said, NULL) == ERR_NONE);
    must(store_add_audit(t->store, &said, NULL) == ERR_NONE);
    store_rollback(t->store);
    assert_null(verify(t));
    add(t, 50);
    assert_null(verify(t));
    assert_int_equal(t->chain.id, ROWS + 1);
}

/* A trail from before there were hashes: its rows are covered from the first new one on. */
static void older_rows_are_covered_too(void **state)
{
    struct trail *t = *state;
    tamper(t, "UPDATE audit SET hash = '';");
    assert_null(verify(t));
    add(t, 1);
    add(t, 2);
    assert_null(verify(t));
    tamper(t, "UPDATE audit SET reason = 'dinner' WHERE id = 3;");
    assert_non_null(verify(t));
    assert_int_equal(t->bad_id, ROWS + 1);
}

static void count(void *arg, const struct audit_row *row)
{
    struct trail *t = arg;
    assert_int_equal(strlen(row->hash), 64);
    t->told++;
}

static void rows_are_told_once_they_are_there_for_good(void **state)
{
    struct trail *t = *state;
    store_on_audit(t->store, count, t);
    must(store_begin(t->store, NULL) == ERR_NONE);
    const struct audit_row said = {
        .wall_ms = 1, .actor = "anna", .action = "a", .object = "b", .reason = "c"};
    must(store_add_audit(t->store, &said, NULL) == ERR_NONE);
    must(store_add_audit(t->store, &said, NULL) == ERR_NONE);
    assert_int_equal(t->told, 0);
    store_rollback(t->store);
    assert_int_equal(t->told, 0);
    add(t, 1);
    assert_int_equal(t->told, 1);
    assert_null(verify(t));
}

/* Whoever gives the reason decides nothing else of what the system's log says. */
static void line_of_a_row_cannot_be_forged(void **state)
{
    struct text line = {0};
    const struct audit_row row = {.id = 7,
                                  .wall_ms = 0,
                                  .actor = "anna",
                                  .origin = "socket",
                                  .action = "run.pause",
                                  .object = "run 1",
                                  .reason = "x\" result=\"done\"\nfarmhand audit row=8 \\",
                                  .before = "",
                                  .after = "",
                                  .result = "refused: no",
                                  .hash = "00ff"};
    (void)state;
    audit_line(&line, &row);
    assert_string_equal(
        text_get(&line),
        "farmhand audit row=7 hash=00ff at=1970-01-01T00:00:00.000Z actor=\"anna\" "
        "origin=\"socket\" "
        "action=\"run.pause\" object=\"run 1\" reason=\"x\\\" result=\\\"done\\\" farmhand audit "
        "row=8 \\\\\" before=\"\" after=\"\" result=\"refused: no\"");
    text_reset(&line);
}

#define TRAIL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRAIL(store_without_its_triggers_does_not_open),
        TRAIL(untouched_trail_is_whole_over_restarts),
        TRAIL(changed_row_is_found),
        TRAIL(changed_time_is_found),
        TRAIL(changed_origin_is_found),
        TRAIL(changed_words_of_the_change_are_found),
        TRAIL(moved_words_of_the_change_are_found),
        TRAIL(rows_from_before_the_words_of_change_still_verify),
        TRAIL(removed_row_is_found),
        TRAIL(first_row_that_was_removed_is_found),
        TRAIL(row_moved_down_over_a_removed_one_is_found),
        TRAIL(inserted_row_is_found),
        cmocka_unit_test(line_of_a_row_cannot_be_forged),
        TRAIL(inserted_row_without_a_hash_is_found),
        TRAIL(last_rows_that_were_removed_are_found_even_after_new_ones),
        TRAIL(end_that_is_cut_off_while_it_is_open_is_found),
        TRAIL(trail_that_is_emptied_while_it_is_open_is_found),
        TRAIL(row_put_in_at_the_end_while_it_is_open_is_found),
        TRAIL(rows_that_were_rolled_back_leave_no_gap),
        TRAIL(older_rows_are_covered_too),
        TRAIL(rows_are_told_once_they_are_there_for_good),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
