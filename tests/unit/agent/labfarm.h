/* labfarm.h - one lab server, one agent as a process, and a desk for a coordinator. */
#ifndef FARMHAND_TESTS_UNIT_AGENT_LABFARM_H
#define FARMHAND_TESTS_UNIT_AGENT_LABFARM_H

#include "tests/unit/agent/desk.h"

#include <stdint.h>
#include <sys/types.h>

#define PATH_BYTES 512

struct farm {
    char dir[PATH_BYTES];    /* of everything */
    char server[PATH_BYTES]; /* the lab server's */
    char config[PATH_BYTES];
    char port[16]; /* its site's */
    struct desk desk;
    pid_t agent; /* 0: not running */
};

/* Runs a program to its end; output NULL: it is dropped. Gives back its exit code. */
uint32_t farm_run(char **output, const char *const *argv);
/* lab-sc with these words. */
#define LAB(...) farm_run(NULL, (const char *const[]){LAB_SC, __VA_ARGS__, NULL})

/* A server that is up, and its agent. `config`: sections for the agent beside [agent] and [iis].
 * lab: lab.conf; NULL: the default. */
struct farm *farm_open(const char *config, const char *lab);
void farm_close(struct farm *f);
void farm_start_agent(struct farm *f);
/* Its exit status, or -1 when a signal ended it. */
int farm_end_agent(struct farm *f, int signal);

void assert_outcome(struct agent_message *m, enum outcome outcome, enum cause cause);

#endif
