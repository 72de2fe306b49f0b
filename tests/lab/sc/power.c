/* power.c - the life of a server: create, up, wait, down, crash. */
#include "tests/lab/sc/create.h"
#include "tests/lab/sc/verbs.h"

#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/line.h"

#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UP_MS   60000
#define DOWN_MS 10000
#define POLL_MS 20

const char *verb_option(const struct verb_context *c, const char *name)
{
    for (int i = 1; i + 1 < c->argc; i++) {
        if (strcmp(c->argv[i], name) == 0)
            return c->argv[i + 1];
    }
    return NULL;
}

static int failed(const struct error *err)
{
    fprintf(stderr, "lab-sc: %s\n", err->text);
    return 1;
}

int verb_create(const struct verb_context *c)
{
    struct error err = {0};
    struct create_options options = {verb_option(c, "--name"), verb_option(c, "--port"),
                                     verb_option(c, "--config"), verb_option(c, "--lab")};
    return create_server(c->dir, &options, &err) == ERR_NONE ? 0 : failed(&err);
}

/* True when the boot is over; false: nobody there, or not in time. */
static bool ready(const char *dir, uint64_t timeout_ms)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/control.sock", dir);
    json_t *answer = line_call(path, json_pack("{s:s}", "op", "ready"), timeout_ms, NULL);
    json_decref(answer);
    return answer != NULL;
}

int verb_wait(const struct verb_context *c)
{
    uint64_t timeout_ms = UP_MS, start = clock_boot_ms(), now;
    const char *text = verb_option(c, "--timeout");
    if (text && !text_parse_u64(text, 1, 86400000, &timeout_ms)) {
        fprintf(stderr, "lab-sc: --timeout %s: expected milliseconds\n", text);
        return 2;
    }
    while ((now = clock_boot_ms()) - start < timeout_ms) {
        if (ready(c->dir, timeout_ms - (now - start)))
            return 0;
        lab_os_sleep_ms(POLL_MS);
    }
    fprintf(stderr, "lab-sc: %s is not ready after %llu ms\n", c->dir,
            (unsigned long long)timeout_ms);
    return 1;
}

static bool is_up(const char *dir)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/control.sock", dir);
    int fd = socket_connect_local(path, NULL);
    if (fd >= 0)
        socket_close(fd);
    return fd >= 0;
}

int verb_up(const struct verb_context *c)
{
    char program[LAB_PATH_MAX + 32], log[LAB_PATH_MAX + 32];
    struct error err = {0};
    uint32_t pid = 0;
    snprintf(program, sizeof program, "%s/inetsrv/lab-sc" LAB_EXE, c->dir);
    snprintf(log, sizeof log, "%s/lab.log", c->dir);
    if (is_up(c->dir)) {
        fprintf(stderr, "lab-sc: %s is running already\n", c->dir);
        return 1;
    }
    const char *argv[] = {program, "run", c->dir, NULL};
    if (!lab_os_stderr_to(log, &err) || !lab_os_spawn(argv, NULL, 0, true, &pid, &err))
        return failed(&err);
    struct lab_end end;
    for (uint64_t start = clock_boot_ms(); clock_boot_ms() - start < UP_MS;) {
        if (ready(c->dir, UP_MS))
            return 0;
        if (lab_os_reap(&end) && end.pid == pid)
            break;
        lab_os_sleep_ms(POLL_MS);
    }
    printf("lab-sc: %s did not come up; see %s\n", c->dir, log);
    return 1;
}

static void kill_all(const char *dir)
{
    char folder[LAB_PATH_MAX + 16];
    snprintf(folder, sizeof folder, "%s/inetsrv", dir);
    for (int round = 0; round < 250 && lab_os_kill_folder(folder); round++)
        lab_os_sleep_ms(POLL_MS); /* until none is left, the dying not counted */
}

int verb_down(const struct verb_context *c)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/control.sock", c->dir);
    json_decref(line_call(path, json_pack("{s:s}", "op", "down"), DOWN_MS, NULL));
    kill_all(c->dir);
    return 0;
}

int verb_crash(const struct verb_context *c)
{
    kill_all(c->dir);
    return 0;
}
