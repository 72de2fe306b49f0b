/* farmhand audit verify, against trails of a scripted coordinator, and notes of them. */
#include "cli_bench.h"

#include "common/must.h"
#include "common/os.h"
#include "coordinator/store/audit_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Rows 1 to count, of who is told; each with its hash, or none. */
static char *trail_of(const char *actor, int count, bool hashed)
{
    struct text t = {0};
    struct audit_chain chain;
    audit_chain_begin(&chain);
    text_add(&t, "{\"rows\":[");
    for (int i = 1; i <= count; i++) {
        struct audit_row row = {.id = (uint64_t)i,
                                .wall_ms = i,
                                .actor = actor,
                                .origin = "socket",
                                .action = "run.pause",
                                .object = "run 1",
                                .reason = "x",
                                .before = "",
                                .after = "",
                                .result = "done",
                                .hash = ""};
        char hash[SHA256_HEX];
        audit_chain_hash(chain.hash, &row, hash);
        row.hash = hash;
        must(audit_chain_add(&chain, &row) == NULL);
        text_addf(&t,
                  "%s{\"id\":%d,\"at\":\"\",\"at_ms\":%d,\"actor\":\"%s\",\"origin\":\"socket\","
                  "\"action\":\"run.pause\",\"object\":\"run 1\",\"reason\":\"x\",\"before\":\"\","
                  "\"after\":\"\",\"result\":\"done\",\"hash\":\"%s\"}",
                  i > 1 ? "," : "", i, i, actor, hashed ? hash : "");
    }
    text_addf(&t, "],\"last\":%d}", count);
    return text_take(&t);
}

/* The trail as it stands now is that of actor, with so many rows. The former coordinator's thread
 * is over before what it may still read is written anew. */
static void verify(struct bench *b, const char *actor, int count, const char *note)
{
    static char end[64];
    if (b->api)
        fake_api_close(b->api);
    char *rows = trail_of(actor, count, true), line[256];
    snprintf(end, sizeof(end), "GET /v1/audit?after=%d&", count);
    const struct fake_route routes[] = {{end, 200, "{\"rows\":[],\"last\":0}", 0},
                                        {"GET /v1/audit", 200, rows, 0}};
    serve(b, routes, COUNT(routes), NULL, 0);
    snprintf(line, sizeof(line), "audit|verify|--note|%s", note);
    run(b, line);
    free(rows);
}

static const char *note_in(const struct bench *b)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/note", b->dir);
    return path;
}

static void noted_row_is_met_the_next_time(void **state)
{
    struct bench *b = *state;
    verify(b, "anna", 3, note_in(b));
    assert_ended(b, 0);
    assert_has(&b->out, "3 rows, all as they were written\n");
    assert_has(&b->out, "The last one's hash, noted now: ");
    verify(b, "anna", 5, note_in(b));
    assert_ended(b, 0);
    assert_has(&b->out, "5 rows, all as they were written\nRow 3 is the one that was noted in ");
    verify(b, "anna", 5, note_in(b));
    assert_ended(b, 0);
    assert_has(&b->out, "Row 5 is the one");
}

/* The number that the coordinator tells is set back as well: only the note knows. */
static void end_that_was_cut_off_since_is_found_each_time(void **state)
{
    struct bench *b = *state;
    verify(b, "anna", 5, note_in(b));
    assert_ended(b, 0);
    for (int i = 0; i < 2; i++) {
        verify(b, "anna", 4, note_in(b));
        assert_ended(b, 1);
        assert_has(&b->err, "the last rows are missing: row 4 is the last one there, and row 5 was "
                            "when ");
    }
    verify(b, "anna", 0, note_in(b));
    assert_ended(b, 1);
    verify(b, "anna", 6, note_in(b));
    assert_ended(b, 0);
}

static void trail_that_was_made_anew_is_found(void **state)
{
    struct bench *b = *state;
    verify(b, "anna", 3, note_in(b));
    assert_ended(b, 0);
    verify(b, "otto", 9, note_in(b));
    assert_ended(b, 1);
    assert_has(&b->err, "row 3: it had another hash when it was noted");
}

static void file_that_is_no_note_is_left_alone(void **state)
{
    struct bench *b = *state;
    struct error err = {0};
    static const char content[] = "127.0.0.1 localhost\n";
    char *now = NULL;
    must(os_write_file(note_in(b), content, strlen(content), 0600, &err) == ERR_NONE);
    verify(b, "anna", 3, note_in(b));
    assert_ended(b, 1);
    assert_has(&b->err, "expected number and hash of a row");
    must(os_read_file(note_in(b), 1000, &now, NULL, &err) == ERR_NONE);
    assert_string_equal(now, content);
    free(now);
    verify(b, "anna", 3, "/nowhere/at/all");
    assert_ended(b, 1);
    assert_has(&b->err, "not noted");
}

static void trail_without_any_hash_is_not_called_whole(void **state)
{
    struct bench *b = *state;
    char *rows = trail_of("anna", 3, false);
    const struct fake_route routes[] = {
        {"GET /v1/audit?after=3&", 200, "{\"rows\":[],\"last\":3}", 0},
        {"GET /v1/audit", 200, rows, 0}};
    serve(b, routes, COUNT(routes), NULL, 0);
    run(b, "audit|verify");
    assert_ended(b, 1);
    assert_has(&b->err, "nothing proves any of the 3 rows: none has a hash");
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(noted_row_is_met_the_next_time),
        TEST(end_that_was_cut_off_since_is_found_each_time),
        TEST(trail_that_was_made_anew_is_found),
        TEST(file_that_is_no_note_is_left_alone),
        TEST(trail_without_any_hash_is_not_called_whole),
    };
    return cmocka_run_group_tests_name("cli_audit", tests, NULL, NULL);
}
