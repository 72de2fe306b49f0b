/* down.c - farm down: ends what belongs to this farm, and nothing else. */
#include "tests/farm/farm/parts.h"
#include "tests/farm/farm/proc.h"
#include "tests/farm/farm/verbs.h"

#include "common/os.h"
#include "common/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define VISITORS_LIMIT_MS 8000 /* they wait for the answers still due */
#define STOP_LIMIT_MS     5000

static void stop_agents(const struct farm *f)
{
    char name[32];
    for (unsigned i = 0; i < f->servers; i++) {
        parts_agent_name(name, i);
        proc_signal(f, name, SIGTERM, NULL);
        proc_signal(f, name, SIGCONT, NULL); /* a test may have stopped it */
    }
    for (unsigned i = 0; i < f->servers; i++) {
        parts_agent_name(name, i);
        if (!proc_stop(f, name, STOP_LIMIT_MS))
            fprintf(stderr, "farm: %s did not end by itself and was killed\n", name);
    }
}

static void stop_one(const struct farm *f, const char *name, unsigned limit_ms)
{
    proc_signal(f, name, SIGCONT, NULL);
    if (!proc_stop(f, name, limit_ms))
        fprintf(stderr, "farm: %s did not end by itself and was killed\n", name);
}

enum error_code farm_down(const struct farm *f, bool purge, struct error *err)
{
    struct error why = {0};
    if (proc_pid(f, "guard") != getpid())
        stop_one(f, "guard", STOP_LIMIT_MS);
    stop_one(f, "visitors", VISITORS_LIMIT_MS); /* first: they must not see the rest end */
    stop_agents(f);
    stop_one(f, "coordinator", STOP_LIMIT_MS);
    stop_one(f, "haproxy", STOP_LIMIT_MS);
    stop_one(f, "haproxy-old", STOP_LIMIT_MS);
    enum error_code code = parts_stop_servers(f, &why);
    if (code != ERR_NONE)
        return error_set(err, code, "%s", why.text);
    return farm_remove(f, purge, err);
}

int verb_down(int argc, char **argv)
{
    struct farm f;
    struct error err = {0};
    bool purge = verb_flag(&argc, argv, "--purge");
    bool quiet = verb_flag(&argc, argv, "--quiet");
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (argc > 0) {
        fprintf(stderr, "farm down: what is '%s'?\n", argv[0]);
        return 2;
    }
    if (farm_down(&f, purge, &err) != ERR_NONE)
        return verb_fail(&err);
    if (!quiet && !purge)
        printf("stopped; logs are in %s/logs\n", f.dir);
    return 0;
}

/* farm guard --dir DIR PID: what --while starts. Sleeps until PID has ended, then takes down. */
int verb_guard(int argc, char **argv)
{
    struct farm f;
    struct error err = {0};
    uint64_t pid;
    if (!verb_open(&argc, argv, &f) || argc != 1 || !text_parse_u64(argv[0], 1, 1 << 30, &pid))
        return 2;
    struct pollfd end = {.fd = pidfd_open((pid_t)pid, 0), .events = POLLIN};
    while (end.fd >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    return farm_down(&f, false, &err) == ERR_NONE ? 0 : verb_fail(&err);
}
