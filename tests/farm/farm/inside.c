/* inside.c - farm in SERVER agent|sc ...: a program of that server, run where the server is,
 * for Windows servers in their Wine. */
#include "tests/farm/farm/programs.h"
#include "tests/farm/farm/verbs.h"

#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 32

struct inside {
    char wine[PATH_MAX], prefix[PATH_MAX], tool[PATH_MAX], config[PATH_MAX];
    const char *argv[WORDS_MAX + 8];
    size_t count;
};

static void add(struct inside *in, const char *word)
{
    in->argv[in->count++] = word;
}

static enum error_code fill(const struct farm *f, unsigned index, const char *what,
                            struct inside *in, struct error *err)
{
    char server[FARM_NAME_MAX];
    enum error_code code = ERR_NONE;
    bool sc = strcmp(what, "sc") == 0;
    farm_server_name(server, index);
    farm_path(in->prefix, f, "wine/%s", server);
    farm_server_path(in->config, f, "conf/%s.agent", server);
    if (sc)
        farm_path(in->tool, f, "servers/%s/inetsrv/sc%s", server, f->windows ? ".exe" : "");
    else
        code = programs_find(f->windows ? PROGRAM_WINDOWS_AGENT : PROGRAM_AGENT, in->tool, err);
    if (code == ERR_NONE && f->windows)
        code = programs_find(PROGRAM_WINE, in->wine, err);
    if (f->windows) {
        add(in, in->wine);
        add(in, "--in");
        add(in, in->prefix);
    }
    add(in, in->tool);
    return code;
}

/* The agent's verbs get its configuration behind their words: `farm in web01 agent doctor`. */
int verb_in(int argc, char **argv)
{
    struct farm f;
    struct inside in = {.count = 0};
    struct error err = {0};
    unsigned index;
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (argc < 2 || argc > WORDS_MAX ||
        (strcmp(argv[1], "sc") != 0 && strcmp(argv[1], "agent") != 0)) {
        fprintf(stderr, "usage: farm in SERVER sc|agent WORDS...\n");
        return 2;
    }
    if (farm_server_find(&f, argv[0], &index, &err) != ERR_NONE ||
        fill(&f, index, argv[1], &in, &err) != ERR_NONE)
        return verb_fail(&err);
    for (int i = 2; i < argc; i++)
        add(&in, argv[i]);
    if (strcmp(argv[1], "agent") == 0) {
        add(&in, "--config");
        add(&in, in.config);
    }
    execv(in.argv[0], (char *const *)in.argv);
    fprintf(stderr, "farm: cannot run %s: %s\n", in.argv[0], strerror(errno));
    return 127;
}
