/* farm - a whole farm of lab servers on one machine: starts, disturbs, asks and stops it.
 *
 * Options and the table of verbs; tests/lab/farm runs the built program.
 */
#include "tests/farm/farm/verbs.h"

#include "common/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: farm VERB [--dir DIR] ...      DIR may also stand in FARM_DIR\n"
    "  up [--servers N] [--traffic] [--rate R] [--no-agents] [--balancer haproxy|none] [--quiet]\n"
    "     [--slow-page MS]                 one visitor in 28 asks for a page that takes so long\n"
    "     [--garden N]                     worker processes of the pool Shop\n"
    "     [--tls]                          between coordinator and agents; every server joins\n"
    "     [--windows]                      servers and agents are Windows programs under Wine\n"
    "     [--while PID]                    taken down when that process has ended\n"
    "     [--agent [SERVER:]SECTION.KEY=VALUE] [--coordinator SECTION.KEY=VALUE]\n"
    "     [--lab [SERVER:]SECTION.KEY=VALUE]   other values in the files written for them\n"
    "  down [--purge]                      stops it; logs stay unless --purge\n"
    "  status [--json]\n"
    "  fault SERVER|all FAULT [on|off|SECONDS] [--scope S] [--value V]\n"
    "  kill  coordinator|haproxy|visitors|agent SERVER|server SERVER [--signal NAME]\n"
    "  start coordinator|haproxy|visitors|agent SERVER|server SERVER\n"
    "  reboot SERVER                       the whole machine: agent, server, another boot id\n"
    "  in SERVER sc|agent WORDS...         its sc, or its agent's program, there (in its Wine)\n"
    "  visitors [--phase NAME]             what they saw so far, as JSON; or: count anew as NAME\n"
    "  report [PHASE]...                   the same for people; exit 4 if the first PHASE lost "
    "any\n"
    "  truth SERVER|--all                  what was really done to it, as the lab counted, as "
    "JSON\n"
    "  counts POOL [--expect N]            recycles ordered per server; exit 4 unless all are N\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"up", verb_up},         {"down", verb_down},         {"guard", verb_guard},
    {"fault", verb_fault},   {"kill", verb_kill},         {"start", verb_start},
    {"status", verb_status}, {"visitors", verb_visitors}, {"report", verb_report},
    {"truth", verb_truth},   {"counts", verb_counts},     {"in", verb_in},
    {"reboot", verb_reboot},
};

/* Takes argv[at] and the `count - 1` words after it out. */
static void take_out(int *argc, char **argv, int at, int count)
{
    memmove(argv + at, argv + at + count, (size_t)(*argc - at - count) * sizeof(*argv));
    *argc -= count;
}

const char *verb_option(int *argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < *argc; i++) {
        if (strncmp(argv[i], name, len) != 0)
            continue;
        if (argv[i][len] == '=') {
            const char *value = argv[i] + len + 1;
            take_out(argc, argv, i, 1);
            return value;
        }
        if (argv[i][len] == '\0' && i + 1 < *argc) {
            const char *value = argv[i + 1];
            take_out(argc, argv, i, 2);
            return value;
        }
    }
    return NULL;
}

bool verb_flag(int *argc, char **argv, const char *name)
{
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], name) != 0)
            continue;
        take_out(argc, argv, i, 1);
        return true;
    }
    return false;
}

bool verb_stray(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] != '-')
            continue;
        fprintf(stderr, "farm: unknown option, or one without its value: %s\n", argv[i]);
        return true;
    }
    return false;
}

bool verb_open(int *argc, char **argv, struct farm *f)
{
    struct error err = {0};
    const char *dir = verb_option(argc, argv, "--dir");
    dir = dir ? dir : getenv("FARM_DIR");
    if (!dir) {
        fprintf(stderr, "farm: which one? Give --dir DIR or set FARM_DIR\n");
        return false;
    }
    if (farm_load(f, dir, &err) == ERR_NONE)
        return true;
    verb_fail(&err);
    return false;
}

int verb_fail(const struct error *err)
{
    fprintf(stderr, "farm: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    http_start();
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return verbs[i].run(argc - 2, argv + 2);
    fprintf(stderr, "farm: no verb '%s'\n%s", argv[1], usage);
    return 2;
}
