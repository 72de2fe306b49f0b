/* Dumps of evidence: made only where allowed, kept within limits, read in pieces. */
#include "agent/dumps.h"
#include "agent/worker.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/farmhand-dumps-XXXXXX";

static enum error_code write_dump(struct driver *d, const char *pool, uint32_t pid,
                                  uint64_t created, const char *path,
                                  const struct driver_dump_limits *limits, uint64_t *out_bytes,
                                  struct error *err)
{
    (void)d;
    assert_string_equal(pool, "Shop");
    assert_int_equal(created, 99);
    if (pid == 13)
        return error_set(err, ERR_FULL, "it would not fit");
    size_t len = CALL_PIECE_BYTES + pid;
    assert_true(len <= limits->max_bytes);
    char *bytes = must_alloc(len, 1);
    memset(bytes, (int)('a' + pid), len);
    enum error_code code = os_write_file(path, bytes, len, 0600, err);
    free(bytes);
    *out_bytes = len;
    return code;
}

static const struct driver_ops ops = {.name = "test", .worker_dump = write_dump};
static struct driver driver = {.ops = &ops};

static struct dumps_spec spec_of(bool allowed)
{
    return (struct dumps_spec){
        .data_dir = dir, .allowed = allowed, .kept = 2, .limits = {.max_bytes = 1 << 20}};
}

static struct call_result *make(bool allowed, const char *file, uint32_t pid)
{
    const struct dumps_spec spec = spec_of(allowed);
    struct call call = {.kind = CALL_DUMP, .pid = pid, .created = 99};
    text_copy(call.pool, sizeof(call.pool), "Shop");
    text_copy(call.file, sizeof(call.file), file);
    return dumps_call(&spec, &driver, &call);
}

static struct call_result *piece(const char *file, uint64_t at)
{
    const struct dumps_spec spec = spec_of(true);
    struct call call = {.kind = CALL_PIECE, .offset = at};
    text_copy(call.file, sizeof(call.file), file);
    return dumps_call(&spec, &driver, &call);
}

static void expect_made(const char *file, uint32_t pid)
{
    struct call_result *r = make(true, file, pid);
    if (r->code != ERR_NONE)
        fail_msg("%s", r->text);
    assert_int_equal(r->bytes, CALL_PIECE_BYTES + pid);
    worker_result_free(r);
}

static bool is_there(const char *file)
{
    char path[200];
    text_format(path, sizeof(path), "%s/dumps/%s", dir, file);
    return access(path, F_OK) == 0;
}

static void none_is_made_where_it_is_not_allowed(void **state)
{
    (void)state;
    struct call_result *r = make(false, "incident-1-1.dmp", 1);
    assert_int_equal(r->code, ERR_DENIED);
    assert_non_null(strstr(r->text, "dumps = yes"));
    assert_false(is_there("incident-1-1.dmp"));
    worker_result_free(r);
}

static void oldest_goes_when_there_are_too_many(void **state)
{
    (void)state;
    expect_made("incident-1-1.dmp", 1);
    expect_made("incident-2-2.dmp", 2);
    expect_made("incident-3-3.dmp", 3);
    assert_false(is_there("incident-1-1.dmp"));
    assert_true(is_there("incident-2-2.dmp") && is_there("incident-3-3.dmp"));
    struct call_result *r = piece("incident-1-1.dmp", 0);
    assert_int_equal(r->code, ERR_NOT_FOUND);
    worker_result_free(r);
}

static void failure_is_told(void **state)
{
    (void)state;
    struct call_result *r = make(true, "incident-4-13.dmp", 13);
    assert_int_equal(r->code, ERR_FULL);
    assert_string_equal(r->text, "it would not fit");
    worker_result_free(r);
}

static void pieces_make_the_whole(void **state)
{
    (void)state;
    expect_made("incident-5-4.dmp", 4);
    struct call_result *first = piece("incident-5-4.dmp", 0);
    assert_int_equal(strlen(first->piece), 2 * CALL_PIECE_BYTES);
    assert_int_equal(first->bytes, CALL_PIECE_BYTES + 4);
    worker_result_free(first);
    struct call_result *last = piece("incident-5-4.dmp", CALL_PIECE_BYTES);
    assert_string_equal(last->piece, "65656565"); /* "eeee" */
    worker_result_free(last);
    struct call_result *none = piece("incident-5-4.dmp", CALL_PIECE_BYTES + 4);
    assert_string_equal(none->piece, "");
    worker_result_free(none);
}

static void name_leads_nowhere_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "../journal.db", "a/b", ".list", "C:x", "a\\b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct call_result *r = piece(bad[i], 0);
        assert_int_equal(r->code, ERR_INVALID);
        worker_result_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_made_where_it_is_not_allowed),
        cmocka_unit_test(oldest_goes_when_there_are_too_many),
        cmocka_unit_test(failure_is_told),
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(name_leads_nowhere_else),
    };
    char command[300];
    must(mkdtemp(dir) != NULL);
    int failed = cmocka_run_group_tests_name("dumps", tests, NULL, NULL);
    text_format(command, sizeof(command), "rm -rf %s", dir);
    return system(command) || failed;
}
