/* child_posix.c - see child.h. */
#include "coordinator/cli/child.h"

#include "common/must.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Ours with what is added; the strings are lent. */
static char **join(const char *const *more)
{
    size_t own = 0, count = 0, at = 0;
    while (environ[own])
        own++;
    while (more[count])
        count++;
    char **all = must_alloc(own + count + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[at++] = (char *)more[i];
    for (size_t i = 0; i < own; i++) {
        bool replaced = false;
        for (size_t k = 0; k < count; k++) {
            size_t len = strcspn(more[k], "=") + 1;
            replaced = replaced || strncmp(environ[i], more[k], len) == 0;
        }
        if (!replaced)
            all[at++] = environ[i];
    }
    return all;
}

/* Terminals send Ctrl-C and Ctrl-\ to us as well; what stops us alone is handed on. */
static volatile sig_atomic_t child;

static void hand_on(int number)
{
    if (child > 0)
        kill(child, number);
}

static void catch_signals(struct sigaction before[3])
{
    static const int signals[3] = {SIGINT, SIGQUIT, SIGTERM};
    for (int i = 0; i < 3; i++) {
        struct sigaction act = {.sa_handler = signals[i] == SIGTERM ? hand_on : SIG_IGN};
        sigaction(signals[i], &act, &before[i]);
    }
}

static void restore_signals(const struct sigaction before[3])
{
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGQUIT, &before[1], NULL);
    sigaction(SIGTERM, &before[2], NULL);
}

static int start(pid_t *pid, char *const *argv, char **env)
{
    posix_spawnattr_t how;
    sigset_t all;
    posix_spawnattr_init(&how);
    sigemptyset(&all);
    sigaddset(&all, SIGINT);
    sigaddset(&all, SIGQUIT);
    posix_spawnattr_setsigdefault(&how, &all); /* ignored by us, not by it */
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF);
    int number = posix_spawnp(pid, argv[0], NULL, &how, argv, env);
    posix_spawnattr_destroy(&how);
    return number;
}

enum error_code child_run(char *const *argv, const char *const *env, int *exit_code,
                          struct error *err)
{
    struct sigaction before[3];
    pid_t pid = 0;
    int status = 0;
    char **all = join(env);
    catch_signals(before);
    int number = start(&pid, argv, all);
    child = number == 0 ? pid : 0;
    while (number == 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    child = 0;
    restore_signals(before);
    free(all);
    if (number != 0)
        return error_set(err, number == EACCES ? ERR_DENIED : ERR_NOT_FOUND,
                         "%s could not be started: %s", argv[0], strerror(number));
    *exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return ERR_NONE;
}
