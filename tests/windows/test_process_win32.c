/* Other programs, run within limits, as Windows has them: arguments, jobs, whole exit codes. This
 * program is the test and, with a first word of `--...`, each of the programs that it runs. */
#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/program.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/unit/common/testing.h"

#define ENOUGH_MS 60000
#define LATE_MS   10000 /* how much later a call may return on a busy machine */

static char *self;

/* ---- what is run ---- */

static int say(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        printf("[%s]\n", argv[i]);
    return 0;
}

/* A program of its own that outlives this one, unless somebody ends the job. */
static int start_sleeper(const char *pid_file, bool inherits)
{
    wchar_t line[MAX_PATH + 32], path[MAX_PATH];
    STARTUPINFOW start = {.cb = sizeof(start)};
    PROCESS_INFORMATION made;
    char pid[16];
    if (GetModuleFileNameW(NULL, path, MAX_PATH) == 0)
        return 1;
    swprintf(line, MAX_PATH + 32, L"\"%ls\" --sleep", path);
    if (!CreateProcessW(NULL, line, NULL, NULL, inherits, 0, NULL, NULL, &start, &made))
        return 2;
    snprintf(pid, sizeof(pid), "%lu", (unsigned long)made.dwProcessId);
    return os_write_file(pid_file, pid, strlen(pid), 0600, NULL) == ERR_NONE ? 0 : 3;
}

static enum error_code run(const char *const *words, uint64_t timeout_ms, size_t output_max,
                           struct process_result *out, struct error *err)
{
    const char *argv[16] = {self};
    for (size_t i = 0; words[i]; i++)
        argv[i + 1] = words[i];
    struct process_call call = {
        .argv = argv, .timeout_ms = timeout_ms, .output_max_bytes = output_max};
    return process_run(&call, out, err);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int play(int argc, char **argv)
{
    uint64_t number = 0;
    struct process_result result;
    if (text_equal(argv[1], "--say"))
        return say(argc, argv);
    if (text_equal(argv[1], "--exit") && text_parse_u64(argv[2], 0, UINT32_MAX, &number))
        return (int)(uint32_t)number;
    if (text_equal(argv[1], "--env"))
        return printf("%s\n", getenv(argv[2])) > 0 ? 0 : 1;
    if (text_equal(argv[1], "--spam"))
        for (;;)
            puts("more and more and more");
    if (text_equal(argv[1], "--leave"))
        return start_sleeper(argv[2], true);
    if (text_equal(argv[1], "--stay")) {
        start_sleeper(argv[2], true);
        Sleep(INFINITE);
    }
    if (text_equal(argv[1], "--run-stay")) /* one that runs another, as the agent does */
        run(WORDS("--stay", argv[2]), ENOUGH_MS, 1000, &result, NULL);
    Sleep(INFINITE);
    return 0;
}

/* ---- the tests ---- */

static void run_well(const char *const *words, struct process_result *out)
{
    struct error err = {0};
    assert_code(run(words, ENOUGH_MS, 1 << 20, out, &err), ERR_NONE, &err);
}

static uint32_t pid_in(const char *path)
{
    char *text = NULL;
    uint64_t pid = 0, until_ms = clock_boot_ms() + ENOUGH_MS;
    while (os_read_file(path, 100, &text, NULL, NULL) != ERR_NONE) {
        assert_true(clock_boot_ms() < until_ms);
        clock_sleep_ms(20);
    }
    assert_true(text_parse_u64(text, 1, UINT32_MAX, &pid));
    free(text);
    return (uint32_t)pid;
}

static void wait_until_gone(uint32_t pid)
{
    struct os_process process;
    uint64_t until_ms = clock_boot_ms() + ENOUGH_MS;
    while (os_process_find(pid, &process, NULL) == ERR_NONE) {
        if (clock_boot_ms() > until_ms)
            fail_msg("process %lu was left behind", (unsigned long)pid);
        clock_sleep_ms(20);
    }
}

static void arguments_reach_the_program_unchanged(void **state)
{
    (void)state;
    struct process_result result;
    run_well(WORDS("--say", "", "two words", "say \"hi\"", "c:\\dir\\", "c:\\two words\\", "\\\"",
                   "a\\\\\"b", "%PATH% ^& | > *", "B\xC3\xBCro \"Lager\" \xE5\xBA\x97\xE9\x93\xBA",
                   "\tx"),
             &result);
    assert_string_equal(result.output,
                        "[]\n[two words]\n[say \"hi\"]\n[c:\\dir\\]\n[c:\\two words\\]\n[\\\"]\n"
                        "[a\\\\\"b]\n[%PATH% ^& | > *]\n"
                        "[B\xC3\xBCro \"Lager\" \xE5\xBA\x97\xE9\x93\xBA]\n[\tx]\n");
    free(result.output);
}

static void exit_codes_have_32_bits(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        uint32_t code;
    } cases[] = {{"0", 0}, {"1056", 1056}, {"2147942405", 0x80070005}, {"4294967295", UINT32_MAX}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct process_result result;
        run_well(WORDS("--exit", cases[i].word), &result);
        assert_int_equal(result.exit_code, cases[i].code);
        assert_false(result.signalled);
        free(result.output);
    }
}

static void environment_is_ours_with_additions(void **state)
{
    (void)state;
    const char *const argv[] = {self, "--env", "FARMHAND_TEST", NULL};
    const char *const env[] = {"FARMHAND_TEST=new", NULL};
    struct process_call call = {
        .argv = argv, .env = env, .timeout_ms = ENOUGH_MS, .output_max_bytes = 1000};
    struct process_result result;
    struct error err = {0};
    SetEnvironmentVariableW(L"FARMHAND_TEST", L"old");
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    assert_string_equal(result.output, "new\n");
    free(result.output);
}

static void the_deadline_ends_the_whole_job(void **state)
{
    struct process_result result;
    struct error err = {0};
    const char *file = in_dir(state, "deadline.pid");
    uint64_t began = clock_boot_ms();
    assert_code(run(WORDS("--stay", file), 5000, 1000, &result, &err), ERR_TIMEOUT, &err);
    assert_true(clock_boot_ms() - began < 5000 + LATE_MS);
    wait_until_gone(pid_in(file));
}

/* It still holds the output, and is not waited for. */
static void grandchild_is_not_left_behind(void **state)
{
    struct process_result result;
    const char *file = in_dir(state, "grandchild.pid");
    uint64_t began = clock_boot_ms();
    run_well(WORDS("--leave", file), &result);
    assert_int_equal(result.exit_code, 0);
    assert_true(clock_boot_ms() - began < LATE_MS);
    free(result.output);
    wait_until_gone(pid_in(file));
}

static void too_much_output_ends_it(void **state)
{
    (void)state;
    struct process_result result;
    struct error err = {0};
    assert_code(run(WORDS("--spam"), ENOUGH_MS, 100000, &result, &err), ERR_NOMEM, &err);
}

/* Killed as a whole or not at all: the job ends with its last handle, which was ours. */
static void nothing_outlives_a_caller_that_is_killed(void **state)
{
    const char *file = in_dir(state, "orphan.pid");
    wchar_t line[4 * MAX_PATH], path[MAX_PATH], *wide = sys_wide(file);
    STARTUPINFOW start = {.cb = sizeof(start)};
    PROCESS_INFORMATION caller;
    assert_true(GetModuleFileNameW(NULL, path, MAX_PATH) > 0);
    swprintf(line, 4 * MAX_PATH, L"\"%ls\" --run-stay \"%ls\"", path, wide);
    assert_true(CreateProcessW(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &caller));
    free(wide);
    uint32_t pid = pid_in(file);
    struct os_process process;
    assert_int_equal(os_process_find(pid, &process, NULL), ERR_NONE);
    TerminateProcess(caller.hProcess, 9);
    CloseHandle(caller.hThread);
    CloseHandle(caller.hProcess);
    wait_until_gone(pid);
}

static void what_cannot_be_started_says_why(void **state)
{
    struct process_result result;
    struct error err = {0};
    const char *argv[] = {"C:\\no\\such program.exe", NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 1000, .output_max_bytes = 10};
    assert_code(process_run(&call, &result, &err), ERR_NOT_FOUND, &err);
    const char *batch = in_dir(state, "batch.cmd");
    assert_code(os_write_file(batch, "exit 0\r\n", 8, 0600, &err), ERR_NONE, &err);
    argv[0] = batch;
    assert_code(process_run(&call, &result, &err), ERR_DENIED, &err);
    assert_contains(err.text, "batch file");
    argv[0] = self;
    call.input = "x";
    call.input_len = 1;
    assert_code(process_run(&call, &result, &err), ERR_UNAVAILABLE, &err);
}

static int count_pid(const struct os_process *process, void *arg)
{
    uint32_t *pid = arg;
    if (process->pid != *pid || !process->argv[0] || !process->argv[1])
        return 0;
    return text_equal(process->argv[1], "--sleep") ? 7 : 1;
}

static void process_is_found_by_its_path_with_its_arguments(void **state)
{
    const char *file = in_dir(state, "found.pid");
    struct error err = {0};
    struct os_process process;
    int stopped = 0;
    assert_int_equal(start_sleeper(file, false), 0);
    uint32_t pid = pid_in(file);
    assert_code(os_processes(self, count_pid, &pid, &stopped, &err), ERR_NONE, &err);
    assert_int_equal(stopped, 7);
    assert_code(os_process_find(pid, &process, &err), ERR_NONE, &err);
    assert_code(os_process_kill(pid, process.created, &err), ERR_NONE, &err);
    wait_until_gone(pid);
    assert_code(os_process_kill(pid, process.created, &err), ERR_NOT_FOUND, &err);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_reach_the_program_unchanged),
        cmocka_unit_test(exit_codes_have_32_bits),
        cmocka_unit_test(environment_is_ours_with_additions),
        cmocka_unit_test(the_deadline_ends_the_whole_job),
        cmocka_unit_test(grandchild_is_not_left_behind),
        cmocka_unit_test(too_much_output_ends_it),
        cmocka_unit_test(nothing_outlives_a_caller_that_is_killed),
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(process_is_found_by_its_path_with_its_arguments),
    };
    wchar_t path[MAX_PATH];
    program_start(&argc, &argv);
    must(GetModuleFileNameW(NULL, path, MAX_PATH) > 0);
    self = sys_utf8(path);
    if (argc > 1)
        return play(argc, argv);
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
