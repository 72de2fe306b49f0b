/* run_posix.c - `lab-sc run` on Linux: the machine and its service manager. */
#include "tests/lab/sc/scm.h"

#include "common/os.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_signal(enum loop_signal signal, void *arg)
{
    struct scm *scm = arg;
    struct lab_end end;
    if (signal == LOOP_ASKED_TO_END) {
        loop_stop(scm->loop);
        return;
    }
    while (lab_os_reap(&end))
        scm_child_ended(scm, &end);
}

static bool open_all(struct scm *scm, struct error *err)
{
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
    return scm->tally && loop_signals(scm->loop, on_signal, scm, err) && database_open(scm, err) &&
           desk_open(scm, err);
}

/* This machine's, new with each boot, written as the kernel writes its own. An agent sees it when
 * it is started with this file bound over the kernel's (tests/farm does, where it may). */
static bool write_boot_id(const char *dir, struct error *err)
{
    char path[LAB_PATH_MAX + 32], hex[33], text[64];
    uint8_t id[16];
    if (os_random(id, sizeof id, err) != ERR_NONE)
        return false;
    text_to_hex(hex, id, sizeof id);
    snprintf(path, sizeof path, "%s/boot_id", dir);
    snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%.12s\n", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return os_write_file(path, text, strlen(text), 0644, err) == ERR_NONE;
}

int run_server(const char *dir, struct error *err)
{
    struct scm scm = {.dir = dir};
    char folder[LAB_PATH_MAX + 16];
    lab_os_adopt_orphans();
    if (!open_all(&scm, err) || !write_boot_id(dir, err))
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
