/* others.h - who else works on a farm: tools that deploy, patch and reboot, people who ask
 * everybody to keep their hands off a server, and the second person whose word a run waits for.
 * They know what the coordinator tells them, do as they please, forget, and die in the middle.
 */
#ifndef FARMHAND_TESTS_SIM_OTHERS_H
#define FARMHAND_TESTS_SIM_OTHERS_H

#include "tests/sim/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOOLS_MAX    2
#define TOKEN_MAX    33
#define OTHERS_HOSTS 16 /* SERVERS_MAX */

/* What came of them, counted. */
enum others_deed {
    DEED_HELD,       /* a server was in a tool's hands */
    DEED_DEPLOYED,   /* and the tool worked on its pools */
    DEED_REBOOTED,   /* or started its machine anew */
    DEED_EXPIRED,    /* or kept it for longer than it had said */
    DEED_CYCLED,     /* a machine was started anew in a cycle */
    DEED_MAINTAINED, /* a server was put into maintenance */
    DEED_RAN_OUT,    /* and that ran out by itself */
    DEED_APPROVED,   /* a second person let a run begin */
    DEED_UNAPPROVED, /* nobody did in time */
    DEED_COUNT,
};
extern const char *const others_deed_names[DEED_COUNT];

enum tool_state { TOOL_IDLE, TOOL_WAITS, TOOL_WORKS, TOOL_GIVES_BACK, TOOL_GONE };
enum tool_work { WORK_NOTHING, WORK_DEPLOY, WORK_REBOOT, WORK_FORGET, WORK_DIE };

struct tool {
    enum tool_state state;
    int server;
    uint64_t run, done_ms;
    char token[TOKEN_MAX];
    enum tool_work work;
    bool failed;
};

struct others {
    bool on;
    struct rng rng;
    struct tool tools[TOOLS_MAX];
    struct { /* of a cycle, per server */
        uint64_t run, reboot_ms;
    } cycles[OTHERS_HOSTS];
    bool maintained[OTHERS_HOSTS]; /* as seen last */
    bool ended_early[OTHERS_HOSTS];
    uint64_t counted_run[DEED_COUNT]; /* so that none is counted twice */
    uint64_t deeds[DEED_COUNT];
};

struct world;
void others_begin(struct world *w);
/* Who has to approve the next run; NULL: nobody. */
const char *others_approver(struct world *w);

#endif
