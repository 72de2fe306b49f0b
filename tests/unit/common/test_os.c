/* test_os.c - the machine, its processes and its files. */
#include "tests/unit/common/os_cases.h"
#include "tests/unit/common/testing.h"

#include "common/clock.h"
#include "common/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void the_host_has_plausible_figures(void **state)
{
    (void)state;
    struct os_host host;
    struct error err = {0};
    assert_code(os_host(&host, &err), ERR_NONE, &err);
    assert_true(host.cpu_total_ms > 0 && host.cpu_busy_ms <= host.cpu_total_ms);
    assert_true(host.memory_total_bytes > (1u << 20));
    assert_true(host.memory_available_bytes <= host.memory_total_bytes);
    assert_true(host.processors >= 1);
    assert_true(host.uptime_ms > 0 && host.uptime_ms <= clock_boot_ms());
}

static void the_host_name_is_lower_case_and_must_fit(void **state)
{
    (void)state;
    char name[256], tiny[1] = {'x'};
    struct error err = {0};
    assert_code(os_hostname(name, sizeof(name), &err), ERR_NONE, &err);
    assert_true(name[0] != '\0');
    for (const char *c = name; *c; c++)
        assert_false(*c >= 'A' && *c <= 'Z');
    assert_code(os_hostname(tiny, sizeof(tiny), &err), ERR_NOMEM, &err);
    assert_int_equal(tiny[0], 'x');
}

/* ---- processes ---- */

/* A `cat` of ours, which lives until its stdin closes. */
struct child {
    pid_t pid;
    int keep_alive;
};

static struct child spawn_cat(const char *const *argv, int *answers)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    struct child child = {.keep_alive = in[1]};
    assert_int_equal(posix_spawn(&child.pid, "/bin/cat", &actions, NULL, (char *const *)argv, NULL),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    *answers = out[0];
    return child;
}

/* posix_spawn returns in the middle of the exec; when a byte has come back it is over. */
static struct child start_child(const char *const *argv)
{
    int answers;
    char byte = 'x';
    struct child child = spawn_cat(argv, &answers);
    assert_int_equal(write(child.keep_alive, &byte, 1), 1);
    assert_int_equal(read(answers, &byte, 1), 1);
    close(answers);
    return child;
}

static int end_child(struct child *child)
{
    int status = 0;
    close(child->keep_alive);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    return status;
}

struct seen {
    pid_t wanted;
    struct os_process process;
    char argument[64];
    int count;
};

static int look_for(const struct os_process *process, void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    if ((pid_t)process->pid != seen->wanted)
        return 0;
    seen->process = *process;
    if (process->argv[0] && process->argv[1])
        snprintf(seen->argument, sizeof(seen->argument), "%s", process->argv[1]);
    return 7;
}

static void a_process_is_found_by_its_path_with_its_arguments(void **state)
{
    (void)state;
    static const char *const argv[] = {"/pretended/w3wp.exe", "-", NULL};
    struct child child = start_child(argv);
    struct error err = {0};
    struct seen seen = {.wanted = child.pid};
    int stopped = 0;
    assert_code(os_processes("/pretended/w3wp.exe", look_for, &seen, &stopped, &err), ERR_NONE,
                &err);
    assert_int_equal(stopped, 7);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.argument, "-");
    assert_true(seen.process.created > 0);
    seen = (struct seen){.wanted = child.pid}; /* by the program's own path, through a link too */
    assert_code(os_processes("/bin/cat", look_for, &seen, &stopped, &err), ERR_NONE, &err);
    assert_int_equal(stopped, 7);
    struct os_process found;
    assert_code(os_process_find((uint32_t)child.pid, &found, &err), ERR_NONE, &err);
    assert_true(found.created == seen.process.created);
    assert_null(found.argv);
    end_child(&child);
    seen = (struct seen){.wanted = child.pid};
    assert_code(os_processes("/pretended/w3wp.exe", look_for, &seen, &stopped, &err), ERR_NONE,
                &err);
    assert_int_equal(stopped, 0);
    assert_int_equal(seen.count, 0);
}

/* A new worker must not be missed, nor be seen without its arguments. */
static void a_process_in_the_middle_of_its_exec_is_found(void **state)
{
    (void)state;
    static const char *const argv[] = {"/bin/cat", "-", NULL};
    struct error err = {0};
    for (int i = 0; i < 20; i++) {
        int answers, stopped = 0;
        struct child child = spawn_cat(argv, &answers);
        struct seen seen = {.wanted = child.pid};
        assert_code(os_processes("/bin/cat", look_for, &seen, &stopped, &err), ERR_NONE, &err);
        assert_int_equal(stopped, 7);
        assert_string_equal(seen.argument, "-");
        close(answers);
        end_child(&child);
    }
}

static void a_process_that_ended_is_not_found(void **state)
{
    (void)state;
    struct os_process found = {.pid = 77};
    struct error err = {0};
    static const char *const argv[] = {"/bin/cat", NULL};
    struct child child = start_child(argv);
    kill(child.pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    assert_code(os_process_find((uint32_t)child.pid, &found, &err), ERR_NOT_FOUND, &err);
    end_child(&child);
    assert_code(os_process_find((uint32_t)child.pid, &found, &err), ERR_NOT_FOUND, &err);
    assert_code(os_process_find(0, &found, &err), ERR_NOT_FOUND, &err);
    assert_code(os_process_find(UINT32_MAX, &found, &err), ERR_NOT_FOUND, &err);
    assert_int_equal(found.pid, 77);
}

static void figures_are_those_of_the_process(void **state)
{
    (void)state;
    struct os_process me;
    struct error err = {0};
    assert_code(os_process_find((uint32_t)getpid(), &me, &err), ERR_NONE, &err);
    assert_int_equal(me.pid, getpid());
    assert_true(me.memory_bytes > 100000);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    uint64_t ms = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
                  (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
    assert_true(me.cpu_ms <= ms + 20);
}

static void only_the_process_that_was_meant_is_killed(void **state)
{
    (void)state;
    struct error err = {0};
    struct os_process found;
    static const char *const argv[] = {"/bin/cat", NULL};
    struct child child = start_child(argv);
    uint32_t pid = (uint32_t)child.pid;
    assert_code(os_process_find(pid, &found, &err), ERR_NONE, &err);
    assert_code(os_process_kill(pid, found.created + 1, &err), ERR_NOT_FOUND, &err);
    assert_contains(err.text, "used by another");
    assert_int_equal(waitpid(child.pid, NULL, WNOHANG), 0); /* still there */
    assert_code(os_process_kill(pid, found.created, &err), ERR_NONE, &err);
    int status = end_child(&child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_code(os_process_kill(pid, found.created, &err), ERR_NOT_FOUND, &err);
    assert_code(os_process_kill(0, 1, &err), ERR_NOT_FOUND, &err);
}

/* ---- files ---- */

static void write_bytes(const char *path, const char *bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(bytes, file);
    assert_int_equal(fclose(file), 0);
}

static void directories_are_made_with_their_parents(void **state)
{
    struct error err = {0};
    struct stat info;
    assert_code(os_make_dir(in_dir(state, "a/b//c"), 0700, &err), ERR_NONE, &err);
    assert_int_equal(stat(in_dir(state, "a/b/c"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_code(os_make_dir(in_dir(state, "a/b/c/"), 0755, &err), ERR_NONE, &err);
    write_bytes(in_dir(state, "file"), "x");
    assert_code(os_make_dir(in_dir(state, "file"), 0700, &err), ERR_EXISTS, &err);
    assert_code(os_make_dir(in_dir(state, "file/under"), 0700, &err), ERR_EXISTS, &err);
    assert_contains(err.text, "not a directory");
    assert_code(os_make_dir("", 0700, &err), ERR_INVALID, &err);
    assert_code(os_make_dir("/proc/farmhand", 0700, &err), ERR_NOT_FOUND, &err);
}

/* Windows takes such a path, and says that nothing is there. */
static void a_path_that_is_too_long_is_told(void **state)
{
    (void)state;
    struct error err = {0};
    struct os_file_id id;
    char too_long[5000];
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    assert_code(os_file_id(too_long, &id, &err), ERR_INVALID, &err);
}

static void a_file_comes_back_as_written(void **state)
{
    struct error err = {0};
    char *content = NULL;
    size_t len = 0;
    const char *path = in_dir(state, "data");
    assert_code(os_write_file(path, "a\0b", 3, 0640, &err), ERR_NONE, &err);
    assert_code(os_read_file(path, 3, &content, &len, &err), ERR_NONE, &err);
    assert_int_equal(len, 3);
    assert_memory_equal(content, "a\0b", 4);
    free(content);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_code(os_write_file(path, "", 0, 0640, &err), ERR_NONE, &err);
    assert_code(os_read_file(path, 0, &content, NULL, &err), ERR_NONE, &err);
    assert_string_equal(content, "");
    free(content);
    assert_code(os_read_file("/dev/null", 10, &content, &len, &err), ERR_NONE, &err);
    assert_int_equal(len, 0);
    free(content);
}

static void reading_has_limits_and_reasons(void **state)
{
    struct error err = {0};
    char *content = NULL;
    size_t len = 99;
    const char *path = in_dir(state, "four");
    write_bytes(path, "1234");
    assert_code(os_read_file(path, 3, &content, &len, &err), ERR_NOMEM, &err);
    assert_contains(err.text, "3 bytes");
    assert_code(os_read_file("/dev/zero", 1 << 20, &content, &len, &err), ERR_NOMEM, &err);
    assert_code(os_read_file(in_dir(state, "none"), 3, &content, &len, &err), ERR_NOT_FOUND, &err);
    assert_contains(err.text, "none");
    assert_code(os_read_file((const char *)*state, 3, &content, &len, &err), ERR_INVALID, &err);
    assert_int_equal(mkfifo(in_dir(state, "pipe"), 0600), 0);
    assert_code(os_read_file(in_dir(state, "pipe"), 3, &content, &len, &err), ERR_INVALID, &err);
    assert_null(content);
    assert_int_equal(len, 99);
}

/* The limit on the size of a file stands for a full disk; it is put back at once. */
static void a_write_that_fails_leaves_the_old_file(void **state)
{
    struct error err = {0};
    const char *path = in_dir(state, "kept");
    char big[100000];
    memset(big, 'x', sizeof(big));
    assert_code(os_write_file(path, "old", 3, 0600, &err), ERR_NONE, &err);
    struct rlimit before, small = {.rlim_cur = 4096};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    enum error_code code = os_write_file(path, big, sizeof(big), 0600, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_code(code, ERR_FULL, &err);
    char *content = NULL;
    assert_code(os_read_file(path, 100, &content, NULL, &err), ERR_NONE, &err);
    assert_string_equal(content, "old");
    free(content);
    char command[5000]; /* nothing is left beside it */
    snprintf(command, sizeof(command), "test $(ls '%s' | grep -c '^kept') = 1", (char *)*state);
    assert_int_equal(system(command), 0);
    assert_code(os_write_file(in_dir(state, "no/such"), "x", 1, 0600, &err), ERR_NOT_FOUND, &err);
    assert_int_equal(mkdir(in_dir(state, "isdir"), 0700), 0);
    assert_code(os_write_file(in_dir(state, "isdir"), "x", 1, 0600, &err), ERR_STATE, &err);
}

static void a_file_is_moved_over_another(void **state)
{
    struct error err = {0};
    write_bytes(in_dir(state, "from"), "new");
    write_bytes(in_dir(state, "to"), "old");
    assert_code(os_move_file(in_dir(state, "from"), in_dir(state, "to"), &err), ERR_NONE, &err);
    char *content = NULL;
    assert_code(os_read_file(in_dir(state, "to"), 10, &content, NULL, &err), ERR_NONE, &err);
    assert_string_equal(content, "new");
    free(content);
    assert_code(os_move_file(in_dir(state, "from"), in_dir(state, "to"), &err), ERR_NOT_FOUND,
                &err);
}

static void a_lock_has_one_holder_who_is_named(void **state)
{
    struct error err = {0};
    const char *path = in_dir(state, "lock");
    assert_code(os_lock_file(path, &err), ERR_NONE, &err);
    assert_code(os_lock_file(path, &err), ERR_EXISTS, &err);
    char pid[32];
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_contains(err.text, pid);
    assert_code(os_lock_file(in_dir(state, "no/lock"), &err), ERR_NOT_FOUND, &err);
}

static void a_lock_ends_with_its_process(void **state)
{
    struct error err = {0};
    const char *path = in_dir(state, "lock-of-child");
    pid_t pid = fork();
    if (pid == 0)
        _exit(os_lock_file(path, NULL) == ERR_NONE ? 0 : 1);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_code(os_lock_file(path, &err), ERR_NONE, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_has_plausible_figures),
        cmocka_unit_test(the_boot_id_stays_and_random_bytes_do_not),
        cmocka_unit_test(the_host_name_is_lower_case_and_must_fit),
        cmocka_unit_test(a_process_is_found_by_its_path_with_its_arguments),
        cmocka_unit_test(a_process_in_the_middle_of_its_exec_is_found),
        cmocka_unit_test(a_process_that_ended_is_not_found),
        cmocka_unit_test(figures_are_those_of_the_process),
        cmocka_unit_test(only_the_process_that_was_meant_is_killed),
        cmocka_unit_test(directories_are_made_with_their_parents),
        cmocka_unit_test(a_changed_file_has_another_identity),
        cmocka_unit_test(a_path_that_is_too_long_is_told),
        cmocka_unit_test(a_file_comes_back_as_written),
        cmocka_unit_test(reading_has_limits_and_reasons),
        cmocka_unit_test(a_piece_is_read_from_any_place),
        cmocka_unit_test(a_write_that_fails_leaves_the_old_file),
        cmocka_unit_test(a_file_is_moved_over_another),
        cmocka_unit_test(a_lock_has_one_holder_who_is_named),
        cmocka_unit_test(a_lock_ends_with_its_process),
    };
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
