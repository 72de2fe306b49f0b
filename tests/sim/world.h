/* world.h - the simulated farm: one virtual clock, one list of what is due, everything from a seed.
 *
 *   node      the real agent heart and journal of one server, the worker thread and the link faked
 *   iis       its web server: pools, workers, what the driver's calls do to it
 *   scm       its services; guard stands by while an agent recovers them
 *   centre    the real coordinator brain and store behind faked ports
 *   net       between them, as nng behaves: silent losses, dead pipes, late and doubled messages
 *   lb        the balancer
 *   people    operators; and the hand that breaks things (faults)
 *   oracle    looks at all this, and at what stands durably in the store, after every event
 *
 * agent/agent.h and coordinator/core/rollout.h never meet in one file (both name their effects
 * EFFECT_*), so node and centre are opaque here. Times are milliseconds of the world's clock, which
 * counts suspension, as the programs' boot clocks do.
 */
#ifndef FARMHAND_TESTS_SIM_WORLD_H
#define FARMHAND_TESTS_SIM_WORLD_H

#include "coordinator/balancer/balancer.h"
#include "tests/sim/groups.h"
#include "tests/sim/hours.h"
#include "tests/sim/iis.h"
#include "tests/sim/lb.h"
#include "tests/sim/lessons.h"
#include "tests/sim/others.h"
#include "tests/sim/rng.h"
#include "tests/sim/scm.h"
#include "tests/sim/script.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVERS_MAX            16
#define MACHINES_MAX           (SERVERS_MAX + 1) /* the last may be a clone */
#define CENTRES_MAX            2
#define CENTRE_HEALTHY_PERCENT 50 /* so many have to stay healthy when a rule acts */
#define WALL_ZERO              INT64_C(1700000000000)

enum fault_bit {
    FAULT_NET = 1,
    FAULT_CRASH = 2,
    FAULT_DISK = 4,
    FAULT_IIS = 8,
    FAULT_BALANCER = 16,
    FAULT_PEOPLE = 32,
    FAULT_SLEEP = 64,
    FAULT_RESTORE = 128,
    FAULT_JOURNAL = 256,
    FAULT_TWINS = 512,
    FAULT_OTHERS = 1024, /* does not strike: who else works on the farm, see others.h */
};
#define FAULT_BITS  10 /* those that strike */
#define FAULT_KINDS 11

#define RUNS_WANTED_MAX 3

/* Where a process can be made to die: before each of its effects, events and syncs. */
enum actor { ACTOR_NONE, ACTOR_CENTRE, ACTOR_NODE };

struct world_options {
    uint64_t seed;
    size_t servers;
    uint32_t faults;     /* bits */
    uint64_t without;    /* faults that do not strike: bit 0 is the first one planned */
    bool nobody_meddles; /* people ask for runs and mend, no more */
    uint32_t runs_max;   /* 0: as many as the seed says */
    bool trace;
    bool apart;        /* two pools, each with a backend of its own */
    bool remedy;       /* rules of remediation are in auto, and servers break in more ways */
    bool services;     /* those of servers break as well, and people ask for recoveries */
    bool warm;         /* people ask for settings that keep a pool warm, and for the former ones */
    bool remedy_looks; /* with it: the rules only observe */
    bool hour; /* with it: an hour of troubles of single servers; a person mends every half hour */
    enum actor crash_actor; /* dies once, at its crash_at-th step; node: the first server's */
    uint64_t crash_at;
    bool lose_journal;           /* and its disk with it */
    const struct lesson *lesson; /* what is asked and what breaks, in place of chance; NULL: none */
    const struct script *script; /* the same; NULL: none */
};

struct world;
struct due;
typedef void due_fn(struct world *w, const struct due *d);
struct due {
    uint64_t at_ms, order;
    due_fn *fn;
    int who;
    uint64_t arg;
    void *data; /* malloc'd, freed after fn */
    size_t len;
};

struct net_pipe {
    uint32_t id; /* 0: down */
    int centre;
    bool dead; /* nothing gets through any more, and nobody is told */
    uint32_t tries;
};

/* The small process that starts the services when an agent cannot (agent/guardian.h). */
struct guard {
    bool stands;
    bool widowed;  /* the agent dies while the next one stands by, and stays away */
    uint64_t no;   /* of its next look: an older one is void */
    uint64_t life; /* of the agent that started it */
    uint64_t since_ms, gone_ms, acts_ms; /* by the machine's clock; 0: not */
    uint64_t within_ms;
    char services[256];
    char told[80];
};

struct node;
struct centre;
struct oracle;

struct world {
    struct world_options options;
    uint64_t now_ms, order;
    struct due *heap;
    size_t heap_count, heap_cap;
    struct rng net, iis_rng, scm_rng, lb_rng, faults, people, ids;
    size_t servers;
    size_t machines; /* as many, or one more: a clone of server `cloned` */
    int cloned;
    struct iis iis[MACHINES_MAX], api[MACHINES_MAX]; /* the first pool of each, and the second */
    size_t pools;                                    /* of each machine: 1 or 2 */
    struct scm scm[MACHINES_MAX];
    struct guard guards[MACHINES_MAX];
    struct groups groups;
    struct hours hours;
    struct lb lb;
    struct others others;
    uint64_t booted_ms[MACHINES_MAX]; /* when the machine was started anew last */
    struct node *nodes[MACHINES_MAX];
    struct centre *centres[CENTRES_MAX];
    struct net_pipe pipes[MACHINES_MAX];
    uint32_t next_pipe;
    uint32_t loss_permille, double_permille, late_permille; /* of the network, now */
    struct oracle *oracle;
    uint64_t strikes[FAULT_BITS];
    uint32_t faults_planned;
    bool faults_over;
    uint64_t calm_since_ms; /* valid if faults_over */
    uint64_t struck_ms;     /* something broke, when last; 0: nothing has */
    uint64_t runs_wanted, runs_begun;
    uint64_t recoveries; /* that people asked for beside those */
    struct script_state script;
    size_t lesson_scene;
    uint64_t lesson_since_ms, lesson_runs; /* when that scene began, and what was asked by then */
    uint64_t lesson_run;                   /* the one it is about; 0: the newest */
    bool people_done;                      /* nothing more will be asked by them */
    uint64_t steps[3];                     /* by actor */
    bool counting;                         /* steps are counted, from the first run's start on */
    bool crashed_once;
    bool disk_is_lost;   /* of the node that dies now */
    char violation[700]; /* "": none */
    uint64_t events, hash;
    uint64_t lost_permille; /* of visitors' requests, summed over samples of a tenth of a second */
    uint64_t samples;
};

/* Runs one history to its end; true: no oracle objected. */
struct world_result {
    bool ok;
    char violation[700];
    uint64_t hash, events, ended_ms;
    uint64_t steps_centre, steps_node;
    uint64_t acts, crashes, runs;
    uint64_t lost_permille, samples;
    uint64_t strikes[FAULT_BITS];
    uint64_t deeds[DEED_COUNT];
    uint32_t faults_planned;
};
void world_play(const struct world_options *options, struct world_result *out);

/* ---- for the parts ---- */

void world_at(struct world *w, uint64_t at_ms, due_fn *fn, int who, uint64_t arg, const void *data,
              size_t len);
void world_say(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first one counts: it ends the history. */
void world_violate(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As plain as can be: one pool, one budget, no hours; each of its steps is looked at. */
bool world_is_plain(const struct world *w);
/* Whose name that machine speaks under. */
int world_server(const struct world *w, int machine);
/* A pool of a machine, by a number: the machine's own for the first, MACHINES_MAX more for the
 * second. */
#define UNITS_MAX (2 * MACHINES_MAX)
int world_unit(int machine, const char *pool);
int world_unit_at(int machine, size_t pool);
int world_machine(int unit);
struct iis *world_iis(struct world *w, int unit);
void world_power(struct world *w, int machine, bool on); /* all its pools */
/* As it is told: "web01", "web01/Api". */
const char *world_unit_name(const struct world *w, int unit);
/* One more step of that actor is ahead: true if it dies before it. */
bool world_step(struct world *w, enum actor actor, int who);

/* net.c */
void net_send(struct world *w, int node, int channel, uint64_t token, const void *bytes,
              size_t len);
struct net_return { /* how a centre answers: travels in coordinator_peer */
    int node, channel;
    uint32_t pipe;
    uint64_t token;
};
void net_reply(struct world *w, int centre, const struct net_return *to, const void *bytes,
               size_t len);
void net_hang_up(struct world *w, int node);    /* by the agent; it dials again */
void net_drop_all(struct world *w, int centre); /* its process ended: pipes are reset */
void net_close(struct world *w, uint32_t pipe); /* by the coordinator */
void net_dial(struct world *w, int node, uint64_t in_ms);
void net_cut(struct world *w, int node); /* the pipe is dead from now on */

/* node.c */
struct node *node_new(struct world *w, int index);
void node_free(struct node *n);
void node_crash(struct world *w, int index, const char *why, bool reboot);
void node_dies_now(struct world *w, int index);
void node_link(struct world *w, int index, bool up);
void node_answer(struct world *w, int index, int channel, uint64_t token, const void *bytes,
                 size_t len);
bool node_up(const struct node *n);
/* A machine that sleeps; if its clock stops meanwhile, its programs cannot tell. */
void node_sleep(struct world *w, int index, uint64_t ms, bool clock_stops);
/* Another machine, with a copy of this one's disk, under the same name. */
void node_clone(struct world *w, int index);
void node_switch_off(struct world *w, int index);
/* Killed, and it stays away so long. */
void node_stay_away(struct world *w, int index, uint64_t ms);
uint64_t node_clock(const struct world *w,
                    int index);                       /* milliseconds, as its machine counts them */
uint64_t node_life(const struct world *w, int index); /* grows with each start of the agent */
uint64_t node_asleep_until_ms(const struct world *w, int index);
void node_jump(struct node *n, int64_t ms); /* its wall clock */
void node_lose_journal(struct world *w, int index);
const char *node_disk(const struct node *n);
uint64_t node_crashes(const struct world *w);

/* guard.c */
/* What the agent asks of a guardian, carried out. */
void guard_arm(struct world *w, int machine, const char *services, uint64_t within_ms);
bool guard_end(struct world *w, int machine, char *told, size_t size); /* false: none stood by */
void guard_dies(struct world *w, int machine); /* its machine loses its power */

/* centre.c */
/* Opens a store once, as a start does: migrated, with its first fence or the next one. */
void centre_start_store(const char *path);
struct centre *centre_new(struct world *w, int index, const char *disk);
void centre_free(struct centre *c);
/* A second coordinator, on a copy of the first one's store, as if it had been started so often. */
void centre_twin(struct world *w, unsigned starts);
void centre_crash(struct world *w, int index, const char *why);
void centre_dies_now(struct world *w, int index);
bool centre_up(const struct centre *c);
void centre_hear(struct world *w, int index, const struct net_return *from, const void *bytes,
                 size_t len);
void centre_gone(struct world *w, int index, uint32_t pipe);
void centre_lb_answer(struct world *w, int index, uint64_t life,
                      const struct balancer_answer *answer);
void centre_sleep(struct world *w, int index, uint64_t ms, bool clock_stops);
void centre_jump(struct centre *c, int64_t ms);
const char *centre_disk(const struct centre *c);
bool centre_frozen(const struct centre *c);
bool centre_asleep(const struct centre *c);
uint64_t centre_crash_count(const struct centre *c);
size_t centre_open_runs(const struct centre *c);
/* Words of the brain about its runs, for reports. */
void centre_tell_runs(struct world *w, int index);

/* What operators ask. */
enum ask_kind {
    ASK_RECYCLE,
    ASK_START,
    ASK_STOP,
    ASK_UNDRAIN,
    ASK_CYCLE,
    ASK_RECOVER,
    ASK_RESTART,
    ASK_WARM,
    ASK_UNWARM,
};
struct run_wish {
    enum ask_kind kind;
    const char *pool; /* or which ones */
    const char *selector;
    uint32_t batch, canary;
    const char *waves, *order; /* NULL: none */
    bool pause_after_canary;
    uint64_t bake_ms, soak_ms;
    uint32_t max_unavailable; /* ASK_RECOVER; 0: as the budget says */
    bool quick_gate;          /* as many passes as it takes, however soon */
    char hours[64];           /* "": any */
    const char *approver;     /* NULL: nobody is waited for */
    uint64_t approve_ms;
    uint64_t limit_ms, drain_ms; /* 0: the usual */
    bool stops;                  /* at the first failure */
    bool skips_silent;           /* leaves out whom it cannot ask */
    uint32_t bears_unknown;      /* so many, before it pauses */
};
bool centre_start_run(struct world *w, int index, const struct run_wish *wish);
bool centre_retry(struct world *w, int index, uint64_t run);
enum request_kind { REQ_PAUSE, REQ_RESUME, REQ_ABORT };
void centre_request(struct world *w, int index, uint64_t run, enum request_kind what);
enum resolve_kind { RESOLVE_DONE, RESOLVE_FAILED, RESOLVE_NOT_EXECUTED };
void centre_resolve(struct world *w, int index, uint64_t run, const char *server,
                    enum resolve_kind as);
/* "This one is the one": ends a freeze. */
void centre_takeover(struct world *w, int index);
/* Its store is put back as it was in the copy; it starts again from that. */
void centre_restore(struct world *w, int index, const char *copy);
/* A process that is not started again. */
void centre_retire(struct world *w, int index);
void centre_declare_out(struct world *w, int index, const char *server, uint64_t for_ms);
/* A hold of one server. */
bool centre_start_hold(struct world *w, int index, const char *server, uint64_t for_ms,
                       char token[TOKEN_MAX], uint64_t *out_run);
struct release_wish {
    const char *token; /* NULL: by the server's name */
    uint64_t run;      /* which hold that is, for the oracles; 0: of none */
    bool failed;
};
enum release_answer { RELEASE_TAKEN, RELEASE_OF_NONE, RELEASE_TRY_AGAIN };
enum release_answer centre_release_hold(struct world *w, int index, int server,
                                        const struct release_wish *wish);
/* for_ms 0: it ends. */
bool centre_maintenance(struct world *w, int index, const char *server, uint64_t for_ms);
bool centre_approve(struct world *w, int index, uint64_t run, const char *actor);
int64_t centre_wall_ms(const struct centre *c); /* what its wall clock says */
void centre_release(struct world *w, int index, const char *server);

/* people.c */
void people_begin(struct world *w);
/* faults.c */
void faults_begin(struct world *w);

#endif
