/* child.c - ASP.NET Core out of process: the application is a child, dotnet.exe, of the worker.
 *
 * The worker goes on speaking to WAS; memory and CPU are used by the child. It ends with the
 * worker, since it holds one end of a pipe whose other end is the worker's alone, and a worker
 * whose child has died starts another.
 */
#include "tests/lab/w3wp/w3wp.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void faults_use(struct settings *settings, const char *pool)
{
    uint64_t value = 0;
    if (fault_number(settings, "worker-leaks", pool, 1024, &value)) {
        size_t bytes = (size_t)(value * 1024 * TICK_MS / 1000);
        memset(must_alloc(bytes, 1), 1, bytes); /* never given back: that is the fault */
    }
    if (fault_number(settings, "worker-burns", pool, 50, &value)) {
        uint64_t until = clock_boot_ms() + TICK_MS * (value > 100 ? 100 : value) / 100;
        while (clock_boot_ms() < until)
            ;
    }
}

bool child_wanted(const struct w3wp *w)
{
    const char *word = settings_get(w->settings, "pool", w->pool, "out_of_process");
    return word && strcmp(word, "yes") == 0;
}

void child_keep(struct w3wp *w)
{
    char program[LAB_PATH_MAX + 32], dll[128];
    struct lab_end end;
    struct error err = {0};
    int fds[2];
    while (lab_os_reap(&end)) {
        if (end.pid != w->child)
            continue;
        socket_close(w->child_fd);
        w->child = 0;
    }
    if (w->child || !socket_pair(fds, &err))
        return;
    snprintf(program, sizeof program, "%s/inetsrv/dotnet.exe", settings_dir(w->settings));
    snprintf(dll, sizeof dll, "%s.dll", w->pool);
    const char *argv[] = {program, dll, NULL};
    w->child_fd = fds[0]; /* stays open as long as this process lives */
    if (!lab_os_spawn(argv, &fds[1], 1, false, &w->child, &err)) {
        fprintf(stderr, "w3wp: %s\n", err.text);
        socket_close(fds[0]);
    }
    socket_close(fds[1]);
}

bool child_called(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    return argc == 2 && strcmp(slash ? slash + 1 : argv[0], "dotnet.exe") == 0;
}

int child_main(const char *server_dir, const char *dll)
{
    char pool[128];
    struct settings *settings = settings_open(server_dir, NULL);
    if (!settings)
        return 1;
    lab_os_end_with(lab_os_handed(0));
    snprintf(pool, sizeof pool, "%.*s", (int)(strlen(dll) - strlen(".dll")), dll);
    for (;;) {
        faults_use(settings, pool);
        lab_os_sleep_ms(TICK_MS);
    }
}
