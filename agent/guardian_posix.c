/* guardian_posix.c - see guardian.h: out of the agent's session. */
#include "agent/guardian.h"

#include "common/process.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define STAND_MS   10000
#define OUTPUT_MAX 4096

static int ready_fd = -1;

/* A program replaced on the disk is still there under /proc, proc(5). */
static enum error_code find_program(char *out, size_t size_bytes, struct error *err)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len < 0)
        return error_errno(err, errno, "this program's own path");
    path[len] = '\0';
    text_copy(out, size_bytes, access(path, X_OK) == 0 ? path : "/proc/self/exe");
    return ERR_NONE;
}

enum error_code guardian_start(const char *order_path, const struct guardian_order *order,
                               struct error *err)
{
    char program[4096];
    struct process_result result;
    (void)order;
    enum error_code code = find_program(program, sizeof(program), err);
    if (code != ERR_NONE)
        return code;
    const char *const argv[] = {program, "guardian", order_path, NULL};
    const struct process_call call = {
        .argv = argv, .timeout_ms = STAND_MS, .output_max_bytes = OUTPUT_MAX};
    code = process_run(&call, &result, err);
    if (code != ERR_NONE)
        return error_wrap(err, "the guardian");
    if (result.exit_code != 0)
        code = error_set(err, ERR_IO, "the guardian ended with %" PRIu32 ": %s", result.exit_code,
                         result.output);
    free(result.output);
    return code;
}

static void let_go(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    setsid();
    if (chdir("/") != 0)
        return; /* it only keeps a file system busy */
}

/* One process, one thread: fork is safe here, and init inherits who goes on. */
int guardian_leave(int *exit_code, struct error *err)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        error_errno(err, errno, "a pipe for the guardian");
        return -1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        error_errno(err, errno, "the guardian's process");
        return -1;
    }
    if (pid == 0) {
        close(ends[0]);
        ready_fd = ends[1];
        signal(SIGHUP, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        let_go();
        return 0;
    }
    close(ends[1]);
    *exit_code = read(ends[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
    return 1;
}

void guardian_stands(const struct guardian_order *order)
{
    (void)order;
    if (write(ready_fd, "!", 1) == 1)
        close(ready_fd);
}
