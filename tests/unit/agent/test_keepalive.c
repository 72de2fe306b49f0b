/* test_keepalive.c - the file itself, on a real disk, and what the journal says of it. */
#include "agent/journal.h"
#include "agent/keepalive.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96], aside[112];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/keepalive-XXXXXX");
    must(mkdtemp(dir) != NULL);
    text_format(path, sizeof(path), "%s/alive.html", dir);
    text_format(aside, sizeof(aside), "%s.drained", path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    text_format(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static bool there(void)
{
    bool present = false;
    assert_int_equal(keepalive_look(path, &present, NULL), ERR_NONE);
    return present;
}

static void what_its_owner_wrote_comes_back_with_it(void **state)
{
    (void)state;
    char *text;
    size_t len;
    struct stat info;
    assert_int_equal(os_write_file(path, "site 4\n", 7, 0640, NULL), ERR_NONE);
    assert_int_equal(keepalive_remove(path, NULL), ERR_NONE);
    assert_false(there());
    assert_int_equal(keepalive_remove(path, NULL), ERR_NONE); /* gone already */
    assert_int_equal(keepalive_put(path, NULL), ERR_NONE);
    assert_int_equal(keepalive_put(path, NULL), ERR_NONE); /* there already */
    assert_int_equal(os_read_file(path, 100, &text, &len, NULL), ERR_NONE);
    assert_string_equal(text, "site 4\n");
    free(text);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_not_equal(access(aside, F_OK), 0);
}

static void one_that_never_was_is_made(void **state)
{
    (void)state;
    assert_false(there());
    assert_int_equal(keepalive_put(path, NULL), ERR_NONE);
    assert_true(there());
}

static void one_that_came_back_meanwhile_is_left_as_it_is(void **state)
{
    (void)state;
    char *text;
    size_t len;
    assert_int_equal(os_write_file(path, "old\n", 4, 0644, NULL), ERR_NONE);
    assert_int_equal(keepalive_remove(path, NULL), ERR_NONE);
    assert_int_equal(os_write_file(path, "new\n", 4, 0644, NULL), ERR_NONE);
    assert_int_equal(keepalive_put(path, NULL), ERR_NONE);
    assert_int_equal(os_read_file(path, 100, &text, &len, NULL), ERR_NONE);
    assert_string_equal(text, "new\n");
    free(text);
    assert_int_equal(keepalive_remove(path, NULL), ERR_NONE); /* over the one kept aside */
    assert_false(there());
}

static void a_directory_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct error err = {0};
    char lost[128];
    text_format(lost, sizeof(lost), "%s/gone/alive", dir);
    assert_int_not_equal(keepalive_put(lost, &err), ERR_NONE);
    assert_non_null(strstr(err.text, "keep-alive file"));
}

/* ---- the journal's part ---- */

static void write_record(struct journal *j, uint64_t seq, enum verb verb, enum record_state how,
                         enum outcome outcome)
{
    const struct command command = {.id = {.fence = {.number = 1}, .seq = seq},
                                    .verb = verb,
                                    .pool = "",
                                    .actor = "",
                                    .reason = ""};
    struct record *record = record_new(&command);
    record->state = RECORD_BEGUN;
    struct journal_write write = {.kind = JOURNAL_BEGUN, .id = record->id, .record = record};
    if (outcome != OUTCOME_REFUSED)
        assert_int_equal(journal_write(j, &write, 1000, NULL), ERR_NONE);
    record->state = how;
    record->outcome = outcome;
    write.kind = JOURNAL_ENDED;
    if (how == RECORD_ENDED)
        assert_int_equal(journal_write(j, &write, 1001, NULL), ERR_NONE);
    record_free(record);
}

static bool drained_at_start(struct journal *j, size_t *acts)
{
    struct agent_memory memory;
    assert_int_equal(journal_start(j, 2000, 3600000, &memory, NULL), ERR_NONE);
    bool drained = memory.drained;
    *acts = memory.act_count;
    journal_memory_reset(&memory);
    return drained;
}

static void the_last_that_was_begun_says_what_is_wanted(void **state)
{
    (void)state;
    char file[112];
    struct journal *j;
    size_t acts;
    text_format(file, sizeof(file), "%s/journal.db", dir);
    assert_int_equal(journal_open(file, NULL, &j, NULL), ERR_NONE);
    assert_false(drained_at_start(j, &acts));
    write_record(j, 1, VERB_DRAIN, RECORD_ENDED, OUTCOME_DONE);
    write_record(j, 2, VERB_RECYCLE, RECORD_ENDED, OUTCOME_DONE);
    write_record(j, 3, VERB_READY, RECORD_ENDED, OUTCOME_REFUSED); /* never begun */
    assert_true(drained_at_start(j, &acts));
    assert_int_equal(acts, 1); /* a drain is no disruptive act of a pool: it cools nothing down */
    write_record(j, 4, VERB_READY, RECORD_BEGUN, OUTCOME_NONE);
    assert_false(drained_at_start(j, &acts));
    journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_its_owner_wrote_comes_back_with_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_never_was_is_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_came_back_meanwhile_is_left_as_it_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_is_not_there_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_that_was_begun_says_what_is_wanted, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("agent_keepalive", tests, NULL, NULL);
}
