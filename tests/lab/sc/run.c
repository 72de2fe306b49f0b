/* run.c - the long-lived side of lab-sc: the machine's service manager, and idle hosts. */
#include "tests/lab/sc/scm.h"

#include "common/os.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANNEL_FD 3
#define POWER_FD   4

static void on_signal(int number, void *arg)
{
    struct scm *scm = arg;
    struct lab_end end;
    if (number == SIGTERM || number == SIGINT) {
        loop_stop(scm->loop);
        return;
    }
    while (lab_os_reap(&end))
        scm_child_ended(scm, &end);
}

static bool open_all(struct scm *scm, struct error *err)
{
    const int signals[] = {SIGCHLD, SIGTERM, SIGINT};
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/lab.lock", scm->dir);
    if (os_lock_file(path, err) != ERR_NONE) {
        error_wrap(err, "%s is running already", scm->dir);
        return false;
    }
    scm->power_fd = lab_os_power(err);
    if (scm->power_fd < 0)
        return false;
    scm->settings = settings_open(scm->dir, err);
    scm->loop = scm->settings ? loop_open(err) : NULL;
    scm->tally = scm->loop ? tally_open(scm->dir, err) : NULL;
    return scm->tally && loop_signals(scm->loop, signals, 3, on_signal, scm, err) &&
           database_open(scm, err) && desk_open(scm, err);
}

int run_server(const char *dir, struct error *err)
{
    struct scm scm = {.dir = dir};
    char folder[LAB_PATH_MAX + 16];
    signal(SIGPIPE, SIG_IGN);
    lab_os_adopt_orphans();
    if (!open_all(&scm, err))
        return 1;
    truth_all_end(dir, scm.tally, "power"); /* what a power cut left behind */
    scm_boot(&scm);
    loop_run(scm.loop);
    truth_write(dir, "power_off", json_object());
    snprintf(folder, sizeof folder, "%s/inetsrv", dir);
    lab_os_kill_folder(folder);
    lab_os_reap_all();
    return 0;
}

static void idle_start(void *arg)
{
    hosted_running(arg);
}

static void idle_stop(void *arg)
{
    hosted_stopped(arg);
}

static void power_gone(unsigned events, void *arg)
{
    (void)events;
    (void)arg;
    _exit(1);
}

int run_idle(char **names, int count)
{
    static struct hosted_service services[SCM_SERVICES];
    struct hosted host = {.services = services};
    char dir[LAB_PATH_MAX];
    if (!lab_os_own_folder(dir, NULL))
        return 1;
    dir[strlen(dir) - strlen("/inetsrv")] = '\0';
    signal(SIGPIPE, SIG_IGN);
    host.settings = settings_open(dir, NULL);
    host.loop = loop_open(NULL);
    if (!host.settings || !host.loop)
        return 1;
    for (int i = 0; i < count && i < SCM_SERVICES; i++) {
        struct hosted_service *s = &services[host.count++];
        *s = (struct hosted_service){
            .name = names[i], .start = idle_start, .stop = idle_stop, .arg = s};
    }
    loop_watch(host.loop, POWER_FD, LOOP_READ, power_gone, NULL);
    hosted_open(&host, CHANNEL_FD);
    loop_run(host.loop);
    return 0;
}
