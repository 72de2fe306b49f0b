/* oracle.h - what must hold, judged by the simulated world and by what stands in the store.
 *
 * Nothing here asks the code under test: the store is read by SQL of the oracle's own, through its
 * own connection, and only what is committed counts.
 */
#ifndef FARMHAND_TESTS_SIM_ORACLE_H
#define FARMHAND_TESTS_SIM_ORACLE_H

#include "agent/call.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;
struct oracle;

struct oracle *oracle_new(void);
void oracle_free(struct oracle *o);

/* A coordinator's store is there (again), or about to be closed. */
void oracle_attach(struct world *w, int centre);
void oracle_detach(struct world *w, int centre);
/* The store is another one from now on, a copy: put back from an older one, or the first one's for
 * a second coordinator. What it cannot know is not held against it. */
void oracle_restored(struct world *w, int centre);
void oracle_retired(struct world *w, int centre); /* it is not started again */
/* It cannot know how old what it knows is, until it has heard of everybody again. */
void oracle_clock_stopped(struct world *w, int centre, uint64_t until_ms);
void oracle_journal_lost(struct world *w, int server);

/* Before a sync of that coordinator's disk: what stands committed now is one transaction further
 * than at the last look. */
void oracle_before_sync(struct world *w, int centre);

/* What happens in the world. */
void oracle_sent(struct world *w, int centre, const struct coordinator_message *m, int server);
/* clock_ms: by the clock of the machine. */
void oracle_said(struct world *w, int machine, const struct agent_message *m, uint64_t clock_ms);
void oracle_heard(struct world *w, int centre, const struct agent_message *m, int server);
void oracle_acted(struct world *w, int unit, const struct command_id *id, uint64_t run,
                  enum verb verb);
void oracle_begun(struct world *w, int unit, const struct command_id *id, uint64_t run,
                  uint64_t clock_ms);
/* A coordinator hears how that line of the balancer stands. */
void oracle_read_place(struct world *w, int centre, int line, bool for_run, bool out);
/* Any act of a driver's call, as carried out. */
void oracle_called(struct world *w, int unit, const struct call *call, enum verb verb);
void oracle_before_act(struct world *w, int unit, const struct command_id *id);
void oracle_probed(struct world *w, int unit, uint64_t asked_ms);
/* Settings of a pool were changed, or a call that changes them failed. */
void oracle_configured(struct world *w, int unit, const struct command_id *id, uint64_t run);
void oracle_drained(struct world *w, int centre, int line);
void oracle_ready(struct world *w, int centre, int line, bool ours, bool foreign);
void oracle_released(struct world *w, int centre, int server);
void oracle_resolved(struct world *w, int centre, uint64_t run, int server, bool not_executed);
/* A person or a tool gives a held server back, before it is told. */
void oracle_given_back(struct world *w, int centre, uint64_t run, int server);
/* A person aborts a run, before it is told: what others hold of it is given back by that. */
void oracle_aborted(struct world *w, int centre, uint64_t run);
/* A second person approves, before it is told. */
void oracle_approved(struct world *w, int centre, uint64_t run);
/* ---- services: oracle_services.c ---- */
/* A recipe of services stands in the journal as begun; as ended. */
void oracle_services_begun(struct world *w, int machine, const struct command_id *id);
void oracle_services_ended(struct world *w, int machine, const struct command_id *id);
/* An act of its is about to be carried out; it was. */
void oracle_services_before(struct world *w, int machine, const struct call *call,
                            const struct command_id *id);
void oracle_services_called(struct world *w, int machine, const struct call *call,
                            const struct command_id *id, uint64_t run, enum verb verb);
void oracle_services_start(struct world *w, int machine, int who); /* by the guardian */
/* Something breaks there: what comes next may take longer. others: somebody else stops services. */
void oracle_services_trouble(struct world *w, int machine, bool others);
/* A recipe stopped them, and has not brought them back yet: nobody else needs to. */
bool oracle_services_are_ours(const struct world *w, int machine);

/* Before a coordinator dies: what it has committed until now counts. */
void oracle_look_at_stores(struct world *w);
/* After every event. */
void oracle_look(struct world *w);
/* At the end of the history: everything must have come to its end. */
void oracle_end(struct world *w);

/* ---- what people see of the store ---- */

/* As many as an hour with rules asks for, and as many again. */
#define VIEW_TARGETS 512
#define VIEW_RUNS    192
#define VIEW_HOLDS   64
#define VIEW_SERVERS 16
#define VIEW_WORDS   16

#define PART_WHOLE 2

struct view_target {
    uint64_t run;
    int server, unit; /* unit: with its pool, see world.h */
    char state[12];
    int part; /* 0, 1: which pool; PART_WHOLE: the server */
    bool holds;
    unsigned places;           /* what it has to put back, and has not yet: a bit per backend */
    bool act_failed;           /* it ends as failed, and is put back before if it serves */
    struct command_id command; /* the one in force; seq 0: none */
    char action[20];
    uint32_t wave;
};
struct view_run {
    uint64_t id;
    char state[12];
    char causes[64];
    char action[20];
    char why[32]; /* its first words */
    uint64_t limit_ms;
    int64_t approve_until_ms;
    uint32_t batch, wave; /* wave: the open one */
    uint64_t bake_ms;
    bool by_zone, pauses_after_canary;
    bool remedies; /* a rule asked for it */
    char hours[64];
};
struct view_hold {
    int server, unit;
    bool by_run;
    bool whole; /* of the server, not of a pool */
    uint64_t owner;
};
struct view_incident {
    uint64_t id;
    int server, unit, part; /* part: as a target's */
    bool left;              /* by a run; no rule looks after it, and it is not set apart */
    unsigned places;
    bool apart; /* the server is in quarantine by it */
};
/* What people have said of a server, and what is known of it by their word. */
struct view_server {
    int64_t declared_until_ms;    /* declared out, wall clock; 0: not */
    int64_t maintenance_until_ms; /* the same */
    bool blocked;                 /* two machines speak under its name */
    struct wire_id incarnation;   /* whose journal is trusted */
};
/* A row of the audit trail. */
struct view_word {
    char action[32], object[80];
};
struct view {
    struct view_target targets[VIEW_TARGETS];
    size_t target_count;
    struct view_run runs[VIEW_RUNS];
    size_t run_count;
    struct view_hold holds[VIEW_HOLDS];
    size_t hold_count;
    struct view_incident incidents[VIEW_HOLDS];
    size_t incident_count;
    uint64_t last_event, last_audit;
    struct view_word words[VIEW_WORDS]; /* that came with the last change */
    size_t word_count;
    struct view_server servers[VIEW_SERVERS];
    bool frozen;
};
/* NULL: no store is attached. Lent until the next look. */
const struct view *oracle_view(struct world *w, int centre);
bool view_run_ended(const struct view_run *r);
bool view_target_ended(const struct view_target *t);
bool view_by_others(const char *action); /* the act is somebody else's: hold, cycle */
/* Drained by us, and by an older copy of the store or a second coordinator forgotten. */
bool oracle_is_forgotten(const struct world *w, int line);
/* Nobody wanted this pool stopped: in the end it runs. */
bool oracle_should_run(const struct world *w, int unit);
bool oracle_journal_was_lost(const struct world *w, int server);
uint64_t oracle_acts(const struct world *w);
uint64_t oracle_acts_on(const struct world *w, int unit);

#endif
