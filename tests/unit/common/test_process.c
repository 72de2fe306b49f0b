/* test_process.c - a program is run within limits, and nothing of it is left behind. */
#include "tests/unit/common/testing.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/pidfd.h>

/* Runs a line of shell with ample limits. */
static enum error_code run_shell(const char *line, struct process_result *out, struct error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 20000, .output_max_bytes = 1 << 20};
    return process_run(&call, out, err);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void output_and_exit_code_come_back(void **state)
{
    (void)state;
    struct process_result result;
    struct error err = {0};
    assert_code(run_shell("printf 'a\\0b'; echo lost >&2; exit 37", &result, &err), ERR_NONE, &err);
    assert_int_equal(result.exit_code, 37);
    assert_false(result.signalled);
    assert_int_equal(result.output_len, 3);
    assert_memory_equal(result.output, "a\0b", 4);
    free(result.output);
    assert_code(run_shell("true", &result, &err), ERR_NONE, &err);
    assert_int_equal(result.exit_code, 0);
    assert_string_equal(result.output, "");
    free(result.output);
}

static void arguments_reach_the_program_unchanged(void **state)
{
    (void)state;
    const char *const argv[] = {"/usr/bin/printf", "%s|", "two words", "\"q\"",
                                "$HOME;*",         "",    NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 20000, .output_max_bytes = 1000};
    struct process_result result;
    struct error err = {0};
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    assert_string_equal(result.output, "two words|\"q\"|$HOME;*||");
    free(result.output);
}

static void a_signal_is_told(void **state)
{
    (void)state;
    struct process_result result;
    struct error err = {0};
    assert_code(run_shell("kill -TERM $$", &result, &err), ERR_NONE, &err);
    assert_true(result.signalled);
    assert_int_equal(result.exit_code, 128 + SIGTERM);
    free(result.output);
}

static void what_cannot_be_started_says_why(void **state)
{
    struct process_result result = {.exit_code = 99};
    struct error err = {0};
    const char *argv[] = {"/no/such/program", NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 1000, .output_max_bytes = 10};
    size_t before = open_descriptors();
    assert_code(process_run(&call, &result, &err), ERR_NOT_FOUND, &err);
    assert_contains(err.text, "/no/such/program");
    argv[0] = in_dir(state, "plain");
    FILE *file = fopen(argv[0], "w");
    fputs("this is no program\n", file);
    fclose(file);
    assert_code(process_run(&call, &result, &err), ERR_DENIED, &err);
    chmod(argv[0], 0700);
    assert_code(process_run(&call, &result, &err), ERR_DENIED, &err);
    assert_contains(err.text, "not a program");
    assert_int_equal(result.exit_code, 99);
    assert_int_equal(open_descriptors(), before);
}

static void the_deadline_kills_the_whole_group(void **state)
{
    struct process_result result = {.exit_code = 99};
    struct error err = {0};
    char line[5000];
    const char *path = in_dir(state, "grandchild");
    snprintf(line, sizeof(line), "sleep 60 & echo $! >'%s'; wait", path);
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 300, .output_max_bytes = 1000};
    uint64_t before = clock_boot_ms();
    assert_code(process_run(&call, &result, &err), ERR_TIMEOUT, &err);
    assert_true(clock_boot_ms() - before >= 300);
    assert_true(clock_boot_ms() - before < 10000);
    assert_contains(err.text, "300 ms");
    assert_int_equal(result.exit_code, 99);
    FILE *file = fopen(path, "r");
    int pid = 0;
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    /* The signal was sent; its end is for whoever adopts orphans to see, so wait for that. */
    int pidfd = pidfd_open(pid, 0);
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    assert_true(pidfd < 0 ? errno == ESRCH : poll(&end, 1, 20000) == 1);
    if (pidfd >= 0)
        close(pidfd);
}

static void a_program_that_ignores_signals_is_killed(void **state)
{
    (void)state;
    const char *const argv[] = {"/bin/sh", "-c", "trap '' TERM INT HUP; sleep 60", NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 200, .output_max_bytes = 1000};
    struct process_result result;
    struct error err = {0};
    assert_code(process_run(&call, &result, &err), ERR_TIMEOUT, &err);
}

static void too_much_output_kills(void **state)
{
    (void)state;
    const char *const argv[] = {"/usr/bin/yes", NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 20000, .output_max_bytes = 100000};
    struct process_result result = {.exit_code = 99};
    struct error err = {0};
    uint64_t before = clock_boot_ms();
    assert_code(process_run(&call, &result, &err), ERR_NOMEM, &err);
    assert_true(clock_boot_ms() - before < 10000);
    assert_contains(err.text, "100000 bytes");
    assert_int_equal(result.exit_code, 99);
    const char *const exact[] = {"/usr/bin/printf", "12345", NULL};
    call = (struct process_call){.argv = exact, .timeout_ms = 20000, .output_max_bytes = 5};
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    assert_string_equal(result.output, "12345");
    free(result.output);
    call.output_max_bytes = 4;
    assert_code(process_run(&call, &result, &err), ERR_NOMEM, &err);
}

static void a_grandchild_that_keeps_stdout_open_does_not_hold_us(void **state)
{
    (void)state;
    struct process_result result;
    struct error err = {0};
    uint64_t before = clock_boot_ms();
    assert_code(run_shell("sleep 60 & echo started; exit 3", &result, &err), ERR_NONE, &err);
    assert_true(clock_boot_ms() - before < 10000);
    assert_int_equal(result.exit_code, 3);
    assert_string_equal(result.output, "started\n");
    free(result.output);
}

static void the_full_exit_code_comes_by_its_descriptor(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint32_t code;
    } cases[] = {
        {"echo 2147943461 >&$FULL; exit 37", 2147943461u},
        {"printf 1056 >&$FULL; exit 32", 1056},
        {"exit 5", 5},
        {"echo nonsense >&$FULL; exit 6", 6},
        {"echo 4294967296 >&$FULL; exit 7", 7},
        {"yes | head -c 100000 >&$FULL; exit 8", 8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const argv[] = {"/bin/sh", "-c", cases[i].line, NULL};
        struct process_call call = {
            .argv = argv, .timeout_ms = 20000, .output_max_bytes = 10, .exit_fd_env = "FULL"};
        struct process_result result;
        struct error err = {0};
        assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
        assert_int_equal(result.exit_code, cases[i].code);
        free(result.output);
    }
}

static void the_environment_is_ours_with_additions(void **state)
{
    (void)state;
    setenv("FARMHAND_TEST_OURS", "kept", 1);
    setenv("FARMHAND_TEST_CHANGED", "old", 1);
    const char *const argv[] = {
        "/bin/sh", "-c", "echo $FARMHAND_TEST_OURS $FARMHAND_TEST_CHANGED $FARMHAND_TEST_NEW",
        NULL};
    const char *const env[] = {"FARMHAND_TEST_CHANGED=new", "FARMHAND_TEST_NEW=1", NULL};
    struct process_call call = {
        .argv = argv, .env = env, .timeout_ms = 20000, .output_max_bytes = 1000};
    struct process_result result;
    struct error err = {0};
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    assert_string_equal(result.output, "kept new 1\n");
    free(result.output);
}

/* Of a line "NAME:\t<hexadecimal>", the signals 1 to 31; glibc itself ignores two above them. */
static unsigned long long ordinary_signals(const char *status, const char *name)
{
    unsigned long long set = ~0ull;
    const char *line = strstr(status, name);
    assert_non_null(line);
    assert_int_equal(sscanf(line + strlen(name), ": %llx", &set), 1);
    return set & 0x7FFFFFFF;
}

static void the_child_gets_no_descriptor_and_no_signal_setting_of_ours(void **state)
{
    (void)state;
    struct error err = {0};
    struct process_result result;
    int leak = open("/dev/null", O_RDONLY); /* no O_CLOEXEC, as a library might */
    assert_true(leak >= 0);
    signal(SIGPIPE, SIG_IGN);
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    enum error_code code =
        run_shell("ls /proc/self/fd | tr '\\n' ' '; cat /proc/self/status", &result, &err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    signal(SIGPIPE, SIG_DFL);
    close(leak);
    assert_code(code, ERR_NONE, &err);
    /* 3 is the directory that ls itself reads */
    assert_int_equal(strncmp(result.output, "0 1 2 3 Name:", 13), 0);
    assert_int_equal(ordinary_signals(result.output, "SigBlk"), 0);
    assert_int_equal(ordinary_signals(result.output, "SigIgn"), 0);
    free(result.output);
}

static void descriptors_are_closed_afterwards(void **state)
{
    (void)state;
    struct process_result result;
    struct error err = {0};
    size_t before = open_descriptors();
    for (int i = 0; i < 5; i++) {
        assert_code(run_shell("echo x", &result, &err), ERR_NONE, &err);
        free(result.output);
    }
    assert_int_equal(open_descriptors(), before);
}

static void it_works_while_our_standard_descriptors_are_closed(void **state)
{
    (void)state;
    struct process_result result;
    struct error err = {0};
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 100);
    close(0);
    enum error_code code = run_shell("cat; echo done", &result, &err);
    if (saved >= 0) {
        dup2(saved, 0);
        close(saved);
    }
    assert_code(code, ERR_NONE, &err);
    assert_string_equal(result.output, "done\n");
    free(result.output);
}

static void *run_many(void *arg)
{
    int *good = arg;
    for (int i = 0; i < 20; i++) {
        struct process_result result;
        if (run_shell("printf 12345; exit 9", &result, NULL) != ERR_NONE)
            continue;
        *good += result.exit_code == 9 && strcmp(result.output, "12345") == 0;
        free(result.output);
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    int good[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, &good[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(good[i], 20);
    }
}

static void secret_output_is_handed_over_whole(void **state)
{
    (void)state;
    const char *const argv[] = {"/bin/sh", "-c", "yes password | head -c 60000", NULL};
    struct process_call call = {
        .argv = argv, .timeout_ms = 20000, .output_max_bytes = 60000, .secret = true};
    struct process_result result;
    struct error err = {0};
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    assert_int_equal(result.output_len, 60000);
    free(result.output);
    call.output_max_bytes = 59999;
    assert_code(process_run(&call, &result, &err), ERR_NOMEM, &err);
}

static void input_is_written_whole_and_closed(void **state)
{
    (void)state;
    size_t len = 300 * 1000; /* more than a pipe holds */
    char *input = must_alloc(len, 1);
    for (size_t i = 0; i < len; i++)
        input[i] = (char)('a' + i % 26);
    const char *const argv[] = {"/bin/cat", NULL};
    struct process_call call = {.argv = argv,
                                .timeout_ms = 20000,
                                .output_max_bytes = len,
                                .input = input,
                                .input_len = len};
    struct process_result result;
    struct error err = {0};
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    assert_int_equal(result.output_len, len);
    assert_memory_equal(result.output, input, len);
    free(result.output);
    call.input_len = 0; /* an empty input is an end at once */
    assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
    assert_int_equal(result.output_len, 0);
    free(result.output);
    free(input);
}

static void a_program_that_does_not_read_is_no_failure(void **state)
{
    (void)state;
    size_t len = 300 * 1000;
    char *input = must_alloc(len, 1);
    const char *const lines[] = {"exec 0<&-; sleep 0.1; exit 4", "exit 4", "head -c 10; exit 4"};
    signal(SIGPIPE, SIG_DFL); /* whoever calls us need not ignore it */
    for (size_t i = 0; i < 3; i++) {
        const char *const argv[] = {"/bin/sh", "-c", lines[i], NULL};
        struct process_call call = {.argv = argv,
                                    .timeout_ms = 20000,
                                    .output_max_bytes = 100,
                                    .input = input,
                                    .input_len = len};
        struct process_result result;
        struct error err = {0};
        assert_code(process_run(&call, &result, &err), ERR_NONE, &err);
        assert_int_equal(result.exit_code, 4);
        free(result.output);
    }
    free(input);
}

static void it_is_broken_off_from_outside(void **state)
{
    (void)state;
    int cancel[2];
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    struct process_call call = {
        .argv = argv, .timeout_ms = 1000 * 1000, .output_max_bytes = 10, .cancel_fd = cancel[0]};
    struct process_result result;
    struct error err = {0};
    assert_code(process_run(&call, &result, &err), ERR_UNAVAILABLE, &err);
    close(cancel[0]);
    close(cancel[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_exit_code_come_back),
        cmocka_unit_test(arguments_reach_the_program_unchanged),
        cmocka_unit_test(a_signal_is_told),
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(the_deadline_kills_the_whole_group),
        cmocka_unit_test(a_program_that_ignores_signals_is_killed),
        cmocka_unit_test(too_much_output_kills),
        cmocka_unit_test(a_grandchild_that_keeps_stdout_open_does_not_hold_us),
        cmocka_unit_test(the_full_exit_code_comes_by_its_descriptor),
        cmocka_unit_test(the_environment_is_ours_with_additions),
        cmocka_unit_test(the_child_gets_no_descriptor_and_no_signal_setting_of_ours),
        cmocka_unit_test(descriptors_are_closed_afterwards),
        cmocka_unit_test(it_works_while_our_standard_descriptors_are_closed),
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(secret_output_is_handed_over_whole),
        cmocka_unit_test(input_is_written_whole_and_closed),
        cmocka_unit_test(a_program_that_does_not_read_is_no_failure),
        cmocka_unit_test(it_is_broken_off_from_outside),
    };
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
