/* main.c - lab-sc (and sc): which server, which verb. */
#include "tests/lab/sc/scm.h"
#include "tests/lab/sc/verbs.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: lab-sc [--server DIR] [--json] query|queryex|qc|start|stop|enumdepend|config [NAME] "
    "[start= auto|demand|disabled]\n"
    "       lab-sc create DIR [--name N] [--port P] [--config FILE] [--lab FILE]\n"
    "       lab-sc up|run|wait|down|crash DIR\n"
    "       lab-sc [--server DIR] fault [NAME [on|off|SECONDS] [--scope S] [--value V]]\n"
    "       lab-sc [--server DIR] truth [--log] | counters | events\n";

static const struct {
    const char *name;
    int (*run)(const struct verb_context *c);
    bool takes_dir; /* DIR is its first argument */
} VERBS[] = {
    {"create", verb_create, true},      {"up", verb_up, true},
    {"wait", verb_wait, true},          {"down", verb_down, true},
    {"crash", verb_crash, true},        {"fault", verb_fault, false},
    {"truth", verb_truth, false},       {"events", verb_events, false},
    {"counters", verb_counters, false},
};

static const char *const SERVICE_VERBS[] = {"query", "queryex",    "qc",    "start",
                                            "stop",  "enumdepend", "config"};

static bool is_service_verb(const char *word)
{
    for (size_t i = 0; i < sizeof SERVICE_VERBS / sizeof *SERVICE_VERBS; i++) {
        if (strcmp(SERVICE_VERBS[i], word) == 0)
            return true;
    }
    return false;
}

/* The server: named, or the one in whose inetsrv this program lies. */
static bool find_dir(const char *named, bool to_make, char out[LAB_PATH_MAX])
{
    char own[LAB_PATH_MAX + 32];
    struct error err = {0};
    if (named && to_make)
        return text_copy(out, LAB_PATH_MAX, named);
    if (!named) {
        if (!lab_os_own_folder(own, &err))
            return false;
        char *last = strrchr(own, '/');
        if (!last || strcmp(last, "/inetsrv") != 0) {
            fprintf(stderr, "lab-sc: no server lies here: say --server DIR\n");
            return false;
        }
        *last = '\0';
    }
    bool ok = lab_os_real(named ? named : own, out);
    if (ok) {
        snprintf(own, sizeof own, "%s/inetsrv", out);
        ok = lab_os_exists(own);
    }
    if (!ok)
        fprintf(stderr, "lab-sc: %s is not a lab server (lab-sc create makes one)\n",
                named ? named : own);
    return ok;
}

static int dispatch(struct verb_context *c, char dir[LAB_PATH_MAX], const char *named)
{
    struct error err = {0};
    const char *verb = c->argv[0];
    bool run = strcmp(verb, "run") == 0;
    if (is_service_verb(verb)) {
        if (!find_dir(named, false, dir))
            return lab_os_exit_code(WIN32_NO_SUCH_SERVICE);
        return lab_os_exit_code(verb_service(c));
    }
    for (size_t i = 0; i < sizeof VERBS / sizeof *VERBS; i++) {
        if (strcmp(VERBS[i].name, verb) != 0)
            continue;
        const char *at = VERBS[i].takes_dir && c->argc > 1 ? c->argv[1] : named;
        if (VERBS[i].takes_dir && !at)
            break;
        return find_dir(at, i == 0, dir) ? VERBS[i].run(c) : 1;
    }
    if (run && c->argc > 1 && find_dir(c->argv[1], false, dir)) {
        int code = run_server(dir, &err);
        if (code)
            fprintf(stderr, "lab-sc: %s\n", err.text);
        _exit(code); /* the power is off: nothing is taken down in order */
    }
    fputs(USAGE, stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static char dir[LAB_PATH_MAX];
    struct verb_context c = {.dir = dir};
    const char *named = NULL;
    int at = 1;
    lab_os_begin(&argc, &argv);
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--json") == 0)
            c.json = true;
        else if (strcmp(argv[at], "--server") == 0 && at + 1 < argc)
            named = argv[++at];
        else
            break;
    }
    c.argc = argc - at;
    c.argv = argv + at;
    if (c.argc < 1) {
        fputs(USAGE, stderr);
        return 2;
    }
    if (strcmp(c.argv[0], "idle") == 0)
        return run_idle(c.argv + 1, c.argc - 1);
    return dispatch(&c, dir, named);
}
