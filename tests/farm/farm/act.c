/* act.c - farm fault, kill, start, reboot: how a farm is disturbed, and mended. */
#include "tests/farm/farm/parts.h"
#include "tests/farm/farm/proc.h"
#include "tests/farm/farm/programs.h"
#include "tests/farm/farm/verbs.h"

#include "common/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- fault --- */

/* Runs lab-sc on the server's files, with our output. */
static int run_lab_sc(const struct farm *f, unsigned index, char *const *words, int count)
{
    char tool[PATH_MAX], dir[PATH_MAX], name[FARM_NAME_MAX];
    char *argv[32] = {tool, (char *)"--server", dir, (char *)"fault"};
    struct error err = {0};
    if (programs_find(PROGRAM_LAB_SC, tool, &err) != ERR_NONE)
        return verb_fail(&err);
    farm_server_name(name, index);
    farm_path(dir, f, "servers/%s", name);
    for (int i = 0; i < count && i < 26; i++)
        argv[4 + i] = words[i];
    pid_t pid = fork();
    if (pid == 0) {
        execv(tool, argv);
        fprintf(stderr, "farm: cannot run %s: %s\n", tool, strerror(errno));
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int verb_fault(int argc, char **argv)
{
    struct farm f;
    struct error err = {0};
    unsigned first = 0, last;
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (argc < 1) {
        fprintf(stderr, "usage: farm fault SERVER|all FAULT [on|off|SECONDS] [--scope S] "
                        "[--value V]\nWithout a fault: what is on. tests/lab/LAB.md lists them.\n");
        return 2;
    }
    last = f.servers - 1;
    if (strcmp(argv[0], "all") != 0) {
        if (farm_server_find(&f, argv[0], &first, &err) != ERR_NONE) {
            verb_fail(&err);
            return 2;
        }
        last = first;
    }
    int code = 0;
    for (unsigned i = first; i <= last; i++)
        code |= run_lab_sc(&f, i, argv + 1, argc - 1);
    return code;
}

/* --- kill and start --- */

struct part {
    char kind[16]; /* "coordinator", "agent", "server", "haproxy", "visitors" */
    unsigned index;
    char process[32]; /* pid file's name; "" for a server */
};

static bool needs_server(const char *kind)
{
    return strcmp(kind, "agent") == 0 || strcmp(kind, "server") == 0;
}

static bool parse_part(const struct farm *f, int argc, char **argv, struct part *part)
{
    struct error err = {0};
    bool known = argc >= 1 && (needs_server(argv[0]) || strcmp(argv[0], "coordinator") == 0 ||
                               strcmp(argv[0], "haproxy") == 0 || strcmp(argv[0], "visitors") == 0);
    if (!known || argc != (needs_server(argv[0]) ? 2 : 1)) {
        fprintf(stderr,
                "usage: farm kill|start coordinator|haproxy|visitors\n"
                "       farm kill|start agent|server SERVER\n"
                "kill takes --signal NAME or NUMBER (KILL); a server has its plug pulled\n");
        return false;
    }
    *part = (struct part){.index = 0};
    text_copy(part->kind, sizeof(part->kind), argv[0]);
    if (needs_server(argv[0]) && farm_server_find(f, argv[1], &part->index, &err) != ERR_NONE) {
        verb_fail(&err);
        return false;
    }
    if (strcmp(argv[0], "agent") == 0)
        parts_agent_name(part->process, part->index);
    else if (strcmp(argv[0], "server") != 0)
        text_copy(part->process, sizeof(part->process), argv[0]);
    return true;
}

static int parse_signal(const char *word)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"KILL", SIGKILL}, {"TERM", SIGTERM}, {"INT", SIGINT},  {"HUP", SIGHUP},
                   {"STOP", SIGSTOP}, {"CONT", SIGCONT}, {"USR1", SIGUSR1}};
    uint64_t number;
    if (!word)
        return SIGKILL;
    if (text_parse_u64(word, 1, 64, &number))
        return (int)number;
    if (text_starts(word, "SIG"))
        word += 3;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (strcmp(word, signals[i].name) == 0)
            return signals[i].number;
    return 0;
}

static enum error_code kill_part(const struct farm *f, const struct part *part, int number,
                                 struct error *err)
{
    if (part->process[0] == '\0')
        return parts_server(f, part->index, "crash", err);
    enum error_code code = proc_signal(f, part->process, number, err);
    if (code == ERR_NONE && number == SIGKILL && !proc_wait(f, part->process, 5000))
        return error_set(err, ERR_TIMEOUT, "%s is still there after SIGKILL", part->process);
    return code;
}

int verb_kill(int argc, char **argv)
{
    struct farm f;
    struct part part;
    struct error err = {0};
    const char *word = verb_option(&argc, argv, "--signal");
    int number = parse_signal(word);
    if (number == 0) {
        fprintf(stderr, "farm kill: '%s' is no signal\n", word);
        return 2;
    }
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (!parse_part(&f, argc, argv, &part))
        return 2;
    return kill_part(&f, &part, number, &err) == ERR_NONE ? 0 : verb_fail(&err);
}

static enum error_code start_part(const struct farm *f, const struct part *part, struct error *err)
{
    if (strcmp(part->kind, "server") == 0)
        return parts_server(f, part->index, "up", err);
    if (strcmp(part->kind, "agent") == 0)
        return parts_start_agent(f, part->index, err);
    if (strcmp(part->kind, "haproxy") == 0)
        return parts_start_balancer(f, err);
    if (strcmp(part->kind, "visitors") == 0)
        return parts_start_visitors(f, err);
    return parts_start_coordinator(f, err);
}

int verb_start(int argc, char **argv)
{
    struct farm f;
    struct part part;
    struct error err = {0};
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (!parse_part(&f, argc, argv, &part))
        return 2;
    return start_part(&f, &part, &err) == ERR_NONE ? 0 : verb_fail(&err);
}

int verb_reboot(int argc, char **argv)
{
    struct farm f;
    unsigned index;
    struct error err = {0};
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (argc != 1) {
        fprintf(stderr, "usage: farm reboot SERVER\n");
        return 2;
    }
    if (farm_server_find(&f, argv[0], &index, &err) != ERR_NONE) {
        verb_fail(&err);
        return 2;
    }
    return parts_reboot(&f, index, &err) == ERR_NONE ? 0 : verb_fail(&err);
}
