/* play.h - a run on a stage: a few invented servers and a balancer answer the effects of one
 * rollout on virtual time, and what happened stands in a transcript that a person can read.
 */
#ifndef FARMHAND_TESTS_UNIT_COORDINATOR_PLAY_H
#define FARMHAND_TESTS_UNIT_COORDINATOR_PLAY_H

#include "common/text.h"
#include "coordinator/core/rollout.h"

#define PLAY_SERVERS 8
#define PLAY_MAIL    64

struct play_server {
    char name[16];
    enum presence presence;
    bool dead;        /* neither answers nor acts, though presence may still say fresh */
    bool deaf;        /* never receives a command; questions are answered */
    bool blocked;     /* by lease or budget */
    bool maintained;  /* nobody is to touch it */
    uint8_t boot;     /* of its machine; 0: not known now */
    bool journal_has; /* the command is in its journal */
    enum pool_state pool;
    bool auto_start;
    bool services_down;
    uint32_t workers; /* each has pid = generation * 10 + index */
    uint32_t generation;
    uint64_t answers_ms; /* how long its agent takes to answer a question, 0: as any */
    uint32_t probe_ms;
    int64_t queued;
    uint64_t rejected;
    bool no_figures;       /* 503s are not counted there */
    uint64_t memory_bytes; /* of each worker */
    int probe_status;      /* what a probe of it answers */
    int probe_after;       /* status that a worker started by us will answer with; 0: 200 */
    uint64_t act_ms;       /* how long a recycle takes */
    enum outcome act_outcome;
    enum cause act_cause;
    /* balancer */
    bool behind; /* has a place in rotation */
    enum balancer_admin admin;
    bool other_differs; /* a second balancer, lb2, says ready where this one does not, or drain */
    bool up;
    uint32_t sessions; /* fall by one with each read while drained */
    uint32_t others;
    /* what was really done to it */
    int acts, drains, readies;
    bool act_while_serving; /* an act met a place that was ready: visitors would have noticed */
};

struct play_letter {
    uint64_t at_ms;
    bool used;
    size_t server;
    int kind; /* 1 observation, 2 balancer, 3 result */
    uint64_t ticket;
    enum balancer_op op;
    bool probe;
    enum outcome outcome;
    struct command_id id;
};

struct play {
    struct rollout *run;
    struct play_server servers[PLAY_SERVERS];
    size_t count;
    uint64_t now_ms;
    uint64_t next_seq;
    struct play_letter mail[PLAY_MAIL];
    struct text transcript;
    bool balancer_broken;
    bool refuse_saves; /* the store cannot be written: disruptive changes are thrown away */
    int saves;         /* changes that would have been a transaction */
    bool settling;
    uint32_t room; /* in the budget, 0: for all */
    bool closed;   /* by the clock */
    int64_t wall_jump_ms;
};

/* A run of `action` over `count` servers, web01.., all well and behind a balancer; no soak, quick
 * gates. Change servers and run->options before playing. */
void play_begin(struct play *p, enum rollout_action action, size_t count);
void play_until(struct play *p, uint64_t ms);
/* Until it ended; fails the test after limit_ms of virtual time. */
void play_to_end(struct play *p, uint64_t limit_ms);
void play_request(struct play *p, enum rollout_request request);
void play_resolve(struct play *p, size_t server, enum outcome as); /* a person settles it */
void play_set(struct play *p, const struct rollout_options *options);
/* Those who hold it give it back. false: it is not in their hands. */
bool play_release(struct play *p, size_t server, bool failed);
void play_restart(struct play *p); /* the coordinator dies and comes back: answers are lost */
void play_end(struct play *p);

/* Lines "  1.2s web01 waiting -> checking" and "  3.0s run done: ..." so far. */
const char *play_transcript(const struct play *p);

#endif
