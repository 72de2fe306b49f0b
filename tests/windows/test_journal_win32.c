/* The journal on Windows' files: a process that is ended after any of its writes has left that
 * write. This program is the test and, as `--live PATH N`, the process that is ended. */
#include "agent/journal.h"
#include "common/program.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/unit/common/testing.h"

#define WALL INT64_C(1790000000000)

static const struct command_id about = {.fence = {.number = 5}, .seq = 1};

static struct journal *open_journal(const char *path)
{
    struct error err = {0};
    struct journal *j = NULL;
    assert_code(journal_open(path, NULL, &j, &err), ERR_NONE, &err);
    return j;
}

static void put(struct journal *j, enum journal_write_kind kind, const struct record *record)
{
    struct error err = {0};
    const struct journal_write write = {
        .kind = kind, .fence = about.fence, .id = about, .record = record};
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
}

/* No clean-up of any kind: TerminateProcess is what Windows has for SIGKILL. */
static int live(const char *path, uint64_t writes)
{
    static const enum journal_write_kind kinds[] = {JOURNAL_RECEIVED, JOURNAL_BEGUN, JOURNAL_ENDED};
    static const enum record_state states[] = {RECORD_RECEIVED, RECORD_BEGUN, RECORD_ENDED};
    const struct command command = {
        .id = about, .verb = VERB_RECYCLE, .pool = "B\xC3\xBCro", .actor = "ann", .reason = "why"};
    struct journal *j = open_journal(path);
    struct record *record = record_new(&command);
    record->outcome = OUTCOME_NONE;
    for (uint64_t i = 0; i < writes; i++) {
        record->state = states[i];
        if (states[i] == RECORD_ENDED)
            record->outcome = OUTCOME_DONE;
        put(j, kinds[i], record);
    }
    TerminateProcess(GetCurrentProcess(), 9);
    return 1;
}

static void live_and_die(const char *path, int writes)
{
    wchar_t self[MAX_PATH], *wide = sys_wide(path);
    wchar_t line[4 * MAX_PATH];
    STARTUPINFOW start = {.cb = sizeof(start)};
    PROCESS_INFORMATION made;
    DWORD code = 0;
    assert_true(GetModuleFileNameW(NULL, self, MAX_PATH) > 0);
    swprintf(line, 4 * MAX_PATH, L"\"%ls\" --live \"%ls\" %d", self, wide, writes);
    assert_true(CreateProcessW(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &made));
    WaitForSingleObject(made.hProcess, INFINITE);
    GetExitCodeProcess(made.hProcess, &code);
    assert_int_equal(code, 9);
    CloseHandle(made.hThread);
    CloseHandle(made.hProcess);
    free(wide);
}

static void killed_after_any_write_it_knows_that_write(void **state)
{
    static const enum record_state states[] = {RECORD_RECEIVED, RECORD_BEGUN, RECORD_ENDED};
    for (int writes = 0; writes <= 3; writes++) {
        char name[32];
        struct record *found = NULL;
        struct error err = {0};
        snprintf(name, sizeof(name), "B\xC3\xBCro %d.db", writes);
        const char *path = in_dir(state, name);
        live_and_die(path, writes);
        struct journal *j = open_journal(path);
        assert_code(journal_find(j, &about, &found, &err), ERR_NONE, &err);
        if (writes == 0) {
            assert_null(found);
        } else {
            assert_non_null(found);
            assert_int_equal(found->state, states[writes - 1]);
            assert_string_equal(found->pool, "B\xC3\xBCro");
        }
        record_free(found);
        journal_close(j);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_after_any_write_it_knows_that_write),
    };
    uint64_t writes = 0;
    program_start(&argc, &argv);
    if (argc == 4 && text_equal(argv[1], "--live") && text_parse_u64(argv[3], 0, 3, &writes))
        return live(argv[2], writes);
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
