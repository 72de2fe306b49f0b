/* What only Windows has, or has otherwise than Linux: paths, files that somebody holds, processes,
 * code pages, and the log that turns over. */
#include "common/codepage.h"
#include "common/log_file.h"
#include "common/must.h"
#include "common/os.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/unit/common/os_cases.h"
#include "tests/unit/common/testing.h"

#define NAME "B\xC3\xBCro \xE5\xBA\x97\xE9\x93\xBA"

static char *read_text(const char *path)
{
    char *content = NULL;
    struct error err = {0};
    assert_code(os_read_file(path, 1 << 20, &content, NULL, &err), ERR_NONE, &err);
    return content;
}

static bool exists(const char *path)
{
    struct os_file_id id = {0};
    return os_file_id(path, &id, NULL) == ERR_NONE && (id.size_bytes | id.modified_ns | id.inode);
}

/* ---- the machine ---- */

static void the_host_has_plausible_figures(void **state)
{
    (void)state;
    struct os_host host;
    struct error err = {0};
    char name[256];
    assert_code(os_host(&host, &err), ERR_NONE, &err);
    assert_true(host.memory_total_bytes > (1u << 20));
    assert_true(host.memory_available_bytes <= host.memory_total_bytes);
    assert_true(host.cpu_busy_ms <= host.cpu_total_ms);
    assert_true(host.processors >= 1);
    assert_code(os_hostname(name, sizeof(name), &err), ERR_NONE, &err);
    assert_true(name[0] != '\0');
}

/* ---- files ---- */

/* The C library's own calls stop at MAX_PATH. */
static void remove_tree(char *path, size_t keep)
{
    for (size_t len = strlen(path); len > keep; len = strlen(path)) {
        wchar_t *wide = sys_path(path, NULL);
        RemoveDirectoryW(wide);
        free(wide);
        *strrchr(path, '/') = '\0';
    }
}

static void paths_may_be_long_and_in_any_script(void **state)
{
    struct error err = {0};
    struct text path = {0};
    text_addf(&path, "%s", (const char *)*state);
    for (int i = 0; i < 12; i++) /* beyond MAX_PATH, each part within its own limit */
        text_addf(&path, "/" NAME " %d and so on, until the path is long", i);
    assert_code(os_make_dir(text_get(&path), 0700, &err), ERR_NONE, &err);
    text_add(&path, "/" NAME ".txt");
    assert_true(path.len > 400);
    assert_code(os_write_file(text_get(&path), "one", 3, 0600, &err), ERR_NONE, &err);
    assert_code(os_write_file(text_get(&path), "two", 3, 0600, &err), ERR_NONE, &err);
    char *content = read_text(text_get(&path));
    assert_string_equal(content, "two");
    free(content);
    assert_code(os_remove_file(text_get(&path), &err), ERR_NONE, &err);
    assert_code(os_remove_file(text_get(&path), &err), ERR_NONE, &err); /* gone already: fine */
    assert_false(exists(text_get(&path)));
    remove_tree(path.data, strlen(*state));
    text_reset(&path);
    assert_code(os_make_dir("", 0700, &err), ERR_INVALID, &err);
    assert_code(os_write_file("a\xFF", "x", 1, 0600, &err), ERR_INVALID, &err);
}

static void reading_has_limits_and_reasons(void **state)
{
    struct error err = {0};
    char *content = NULL;
    const char *path = in_dir(state, "four");
    assert_code(os_write_file(path, "1234", 4, 0600, &err), ERR_NONE, &err);
    assert_code(os_read_file(path, 3, &content, NULL, &err), ERR_NOMEM, &err);
    assert_code(os_read_file(in_dir(state, "none"), 3, &content, NULL, &err), ERR_NOT_FOUND, &err);
    assert_code(os_read_file("NUL", 3, &content, NULL, &err), ERR_INVALID, &err);
    assert_null(content);
    assert_code(os_write_file(in_dir(state, "no/such"), "x", 1, 0600, &err), ERR_NOT_FOUND, &err);
}

/* A virus scanner, say, has the file open for a moment and lets nobody delete it. */
static DWORD WINAPI let_go_soon(void *arg)
{
    Sleep(150);
    CloseHandle(arg);
    return 0;
}

static void file_that_is_held_for_a_moment_is_replaced(void **state)
{
    struct error err = {0};
    const char *path = in_dir(state, "held");
    assert_code(os_write_file(path, "old", 3, 0600, &err), ERR_NONE, &err);
    wchar_t *wide = sys_path(path, &err);
    HANDLE held = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    free(wide);
    assert_true(held != INVALID_HANDLE_VALUE);
    HANDLE thread = CreateThread(NULL, 0, let_go_soon, held, 0, NULL);
    assert_code(os_write_file(path, "new", 3, 0600, &err), ERR_NONE, &err);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    char *content = read_text(path);
    assert_string_equal(content, "new");
    free(content);
}

static void a_lock_has_one_holder_who_is_named(void **state)
{
    struct error err = {0};
    char pid[32];
    const char *path = in_dir(state, "lock");
    assert_code(os_lock_file(path, &err), ERR_NONE, &err);
    assert_code(os_lock_file(path, &err), ERR_EXISTS, &err);
    snprintf(pid, sizeof(pid), "process %lu", (unsigned long)GetCurrentProcessId());
    assert_contains(err.text, pid);
}

/* ---- processes ---- */

static void own_process_is_found_and_a_stranger_is_not_killed(void **state)
{
    (void)state;
    struct error err = {0};
    struct os_process me;
    assert_code(os_process_find(GetCurrentProcessId(), &me, &err), ERR_NONE, &err);
    assert_int_equal(me.pid, GetCurrentProcessId());
    assert_true(me.created > 0);
    assert_true(me.memory_bytes > 100000);
    assert_code(os_process_kill(me.pid, me.created + 1, &err), ERR_NOT_FOUND, &err);
    assert_code(os_process_find(UINT32_MAX - 3, &me, &err), ERR_NOT_FOUND, &err);
}

/* ---- code pages ---- */

static void expect_page(const char *page, const char *bytes, const char *expected)
{
    char *out = NULL;
    size_t len = 0;
    assert_true(codepage_to_utf8(page, bytes, strlen(bytes), &out, &len));
    assert_string_equal(out, expected);
    assert_int_equal(len, strlen(expected));
    free(out);
}

static void bytes_of_code_pages_become_utf8(void **state)
{
    (void)state;
    char page[16];
    expect_page("CP850", "M\x81ller", "M\xC3\xBCller");
    expect_page("CP437", "M\x81ller", "M\xC3\xBCller");
    expect_page("WINDOWS-1252", "M\xFCller", "M\xC3\xBCller");
    expect_page("CP936", "\xB5\xEA\xC6\xCC", "\xE5\xBA\x97\xE9\x93\xBA");
    expect_page("932", "\x93\x58", "\xE5\xBA\x97");
    assert_false(codepage_known("CP99999"));
    assert_false(codepage_known("nonsense"));
    codepage_of_consoles(page);
    assert_string_equal(page, "CP437"); /* of this Wine, and not what the manifest asks for */
    codepage_of_programs(page);
    assert_string_equal(page, "CP1252");
}

/* ---- the log ---- */

static void write_line(struct log_file *file, const char *line)
{
    log_file_write(file, line, strlen(line));
}

/* 10 bytes a line, 25 a file. */
static void log_turns_over_and_keeps_what_it_should(void **state)
{
    struct log_file *file = NULL;
    struct error err = {0};
    char line[16];
    assert_code(log_file_open(*state, "agent", 25, 2, &file, &err), ERR_NONE, &err);
    for (int i = 0; i < 8; i++) {
        snprintf(line, sizeof(line), "line %03d\r\n", i);
        write_line(file, line);
    }
    log_file_close(file);
    static const struct {
        const char *name, *content;
    } files[] = {{"agent.log", "line 006\r\nline 007\r\n"},
                 {"agent.1.log", "line 004\r\nline 005\r\n"},
                 {"agent.2.log", "line 002\r\nline 003\r\n"}};
    for (size_t i = 0; i < 3; i++) {
        char *content = read_text(in_dir(state, files[i].name));
        assert_string_equal(content, files[i].content);
        free(content);
    }
    assert_false(exists(in_dir(state, "agent.3.log")));
    assert_code(log_file_open(*state, "agent", 25, 2, &file, &err), ERR_NONE, &err);
    write_line(file, "appended\r\n"); /* the size of what was there counts */
    log_file_close(file);
    char *content = read_text(in_dir(state, "agent.log"));
    assert_string_equal(content, "appended\r\n");
    free(content);
}

/* Somebody reads it with a program that lets nobody rename it: no line is lost. */
static void log_that_is_held_grows_on(void **state)
{
    struct log_file *file = NULL;
    struct error err = {0};
    assert_code(log_file_open(*state, "held", 25, 2, &file, &err), ERR_NONE, &err);
    write_line(file, "line 000\r\nline 001\r\n");
    wchar_t *wide = sys_path(in_dir(state, "held.log"), &err);
    HANDLE reader = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, 0, NULL);
    free(wide);
    assert_true(reader != INVALID_HANDLE_VALUE);
    write_line(file, "line 002\r\n");
    assert_false(exists(in_dir(state, "held.1.log")));
    CloseHandle(reader);
    write_line(file, "line 003\r\n");
    log_file_close(file);
    char *first = read_text(in_dir(state, "held.1.log")),
         *now = read_text(in_dir(state, "held.log"));
    assert_string_equal(first, "line 000\r\nline 001\r\nline 002\r\n");
    assert_string_equal(now, "line 003\r\n");
    free(first);
    free(now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_has_plausible_figures),
        cmocka_unit_test(the_boot_id_stays_and_random_bytes_do_not),
        cmocka_unit_test(paths_may_be_long_and_in_any_script),
        cmocka_unit_test(reading_has_limits_and_reasons),
        cmocka_unit_test(a_piece_is_read_from_any_place),
        cmocka_unit_test(file_that_is_held_for_a_moment_is_replaced),
        cmocka_unit_test(a_changed_file_has_another_identity),
        cmocka_unit_test(a_lock_has_one_holder_who_is_named),
        cmocka_unit_test(own_process_is_found_and_a_stranger_is_not_killed),
        cmocka_unit_test(bytes_of_code_pages_become_utf8),
        cmocka_unit_test(log_turns_over_and_keeps_what_it_should),
        cmocka_unit_test(log_that_is_held_grows_on),
    };
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
