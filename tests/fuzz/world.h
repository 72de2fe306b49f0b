/* world.h - a whole coordinator without sockets, for fuzzers: brain, stores, enrolment and desk
 * over a farm of three invented agents, on virtual time. The stores lie in memory
 * (tests/sim/vfs.h), and each world begins with copies of empty ones, so that an input finds the
 * same world every time.
 */
#ifndef FARMHAND_FUZZ_WORLD_H
#define FARMHAND_FUZZ_WORLD_H

#include "coordinator/desk/desk.h"
#include "tests/unit/coordinator/farm.h"

#define WORLD_SERVERS 3
#define WORLD_BOUND   "web01" /* all that the bound operator may touch */

struct world {
    struct farm farm;
    struct archive *archive;
    struct operators *operators;
    struct members *members;
    struct enrol *enrol;
    struct throttle throttle;
    struct desk desk;
    /* Tokens of operators by role, of one that is bound, and one to join by. */
    char viewer[TOKEN_TEXT_MAX], operates[TOKEN_TEXT_MAX], bound[TOKEN_TEXT_MAX];
    char admin[TOKEN_TEXT_MAX], join[TOKEN_TEXT_MAX];
    bool full; /* the disk is */
};

/* A fresh one in *w, settled; the former one's memory is given back. */
void world_begin(struct world *w);
void world_end(struct world *w);

int64_t world_wall_ms(const struct world *w);
/* The same as time goes by for all parts. */
void world_run(struct world *w, uint64_t ms);
void world_fill_disk(struct world *w, bool full);
/* Rows of the audit trail and events so far: nothing was changed while it stands still. */
uint64_t world_changes(const struct world *w);
/* A signing request that is good, and the same in every world. */
const char *world_request_pem(void);
/* A line of the coordinator's private key: nobody is ever told. */
const char *world_key_line(void);

#endif
