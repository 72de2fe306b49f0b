/* idle.c - `lab-sc idle NAME...`: the host process of services that do nothing. */
#include "tests/lab/sc/scm.h"

#include <string.h>

static void idle_start(void *arg)
{
    hosted_running(arg);
}

static void idle_stop(void *arg)
{
    hosted_stopped(arg);
}

int run_idle(char **names, int count)
{
    static struct hosted_service services[SCM_SERVICES];
    struct hosted host = {.services = services};
    char dir[LAB_PATH_MAX];
    if (!lab_os_own_folder(dir, NULL))
        return 1;
    dir[strlen(dir) - strlen("/inetsrv")] = '\0';
    if (!hosted_begin(dir, (const char *const *)names, (size_t)count, NULL))
        return 1;
    host.settings = settings_open(dir, NULL);
    host.loop = loop_open(NULL);
    if (!host.settings || !host.loop)
        return 1;
    for (int i = 0; i < count && i < SCM_SERVICES; i++) {
        struct hosted_service *s = &services[host.count++];
        *s = (struct hosted_service){
            .name = names[i], .start = idle_start, .stop = idle_stop, .arg = s};
    }
    if (!hosted_open(&host, NULL))
        return 1;
    loop_run(host.loop);
    return 0;
}
