/* farm.h - the brain with a real store, and a farm of invented agents that speak the real wire, on
 * virtual time. Messages go through the codec; the network is a list of letters with a delay.
 */
#ifndef FARMHAND_TESTS_UNIT_COORDINATOR_FARM_H
#define FARMHAND_TESTS_UNIT_COORDINATOR_FARM_H

#include "common/text.h"
#include "coordinator/brain/coordinator.h"
#include "tests/unit/coordinator_store/files.h"

#define FARM_AGENTS  10
#define FARM_LETTERS 512
#define FARM_ASKED   256

/* An entry of the event log, of pool Shop. */
struct farm_event {
    uint32_t id;
    uint64_t at_ms;
};

struct farm_agent {
    char name[16];
    uint8_t incarnation, boot;
    uint64_t start_no, seq, listen_no;
    struct fence fence;
    uint64_t last_seq; /* of commands received under that fence */
    bool dead;         /* neither hears nor speaks */
    bool listening;
    int late_questions; /* so many OBSERVEs are refused as expired */
    bool lose_commands; /* replies that hold an act are lost without a word */
    uint64_t report_at_ms;
    bool want_whole;
    /* its journal: the last act */
    struct command_id act_id;
    enum outcome act_outcome; /* RUNNING while it is at it */
    bool act_unacknowledged;
    uint64_t act_done_ms;
    uint64_t result_at_ms; /* when it is told again */
    enum verb act_verb;
    const char *former;             /* told with a SET; NULL: nothing was changed */
    char set[512];                  /* what it was told to set last */
    enum outcome would;             /* of a rehearsal; 0: DONE */
    bool shares_config;             /* with all others that do */
    bool workerless;                /* Shop always runs, and has no worker just now */
    bool shop_gone;                 /* somebody deleted the pool */
    bool shop_stopped, shop_manual; /* Stopped; autoStart off */
    uint32_t was_pid;               /* 0: 5 */
    uint32_t generation;
    int acts;
    int probe_status;
    int shop_status;        /* of Shop's own site; 0: as the server's */
    bool services_hopeless; /* an act on its services changes nothing */
    uint64_t act_ms;
    uint64_t memory_bytes;    /* of its worker; a successor has little */
    uint64_t private_bytes;   /* the same */
    uint64_t worker_age_ms;   /* as its agent tells it; 0: it does not */
    bool tells_figures;       /* it reports these: */
    int64_t queued, rejected; /* of Shop, and */
    uint32_t queue_limit;     /* its limit */
    uint64_t oldest_ms;       /* its oldest request */
    uint32_t cpu_permille;    /* of its worker */
    struct farm_event events[8];
    size_t event_count;
    uint32_t told_pid;             /* the worker that an act was to end */
    const char *offline;           /* taken off line by its own people; NULL: not */
    bool down;                     /* its services do not run; a recovery mends it */
    bool disabled;                 /* WAS is */
    const char *dump;              /* its dumps hold this; NULL: it makes none */
    enum balancer_admin admin;     /* its place in rotation, if the farm is balanced */
    enum balancer_admin admin_api; /* and that of Api, where it has one of its own */
    bool api_off;                  /* Api is stopped, to stay so: its own place is down */
    bool api_down;                 /* Api's own place is, until it is recycled */
    bool act_of_api;
    uint64_t admin_since_ms;
};

/* What the balancer was asked and has not answered yet. */
struct farm_asked {
    bool used;
    uint64_t at_ms;
    struct balancer_request request;
};

struct farm_letter {
    bool used;
    uint64_t at_ms;
    size_t agent;
    struct agent_message *message; /* to the coordinator; decoded, owned */
};

/* As it went over the wire. */
struct farm_taped {
    uint8_t *bytes;
    size_t len;
    enum agent_message_kind kind;
};

#define FARM_STRANGER                                                                              \
    1000 /* a pipe of somebody who plays tapes; what is said to it nobody hears                    \
          */

#define WALL(f) ((int64_t)(f)->now_ms + 1000000) /* the wall clock of a farm, in ms */

struct farm {
    struct files files;
    struct store *store;
    struct fence fence;
    struct coordinator *brain;
    struct farm_agent agents[FARM_AGENTS];
    size_t count;
    uint64_t now_ms;
    struct farm_letter letters[FARM_LETTERS];
    struct text events; /* "kind server: text" lines that followers were told */
    uint8_t next_instance;
    uint64_t next_id;
    int steps;               /* sentences of targets that followers were told */
    int acts_sent;           /* disruptive commands that left */
    bool unsaved_send;       /* one of them was not in the store as sent */
    bool balanced;           /* all stand in backend "web"; set before farm_start */
    bool apart;              /* Api in one of its own, "api" */
    bool checks;             /* the balancer's own check sees who does not answer */
    uint64_t check_ms;       /* > 0: these places are keep-alive files, seen after so long */
    uint32_t reloads;        /* of the balancer, see farm_reload */
    uint32_t reading_age_ms; /* of what the background round gets */
    bool run_takes_old;      /* a run asked for a reading that may be old */
    int reread;              /* readings of now that no run asked for */
    bool balancer_mute;      /* it takes requests and answers none */
    int balancer_asked;
    uint64_t balancer_slow_ms;
    uint32_t serving_least;           /* the fewest places that were ready at a time */
    uint32_t max_out;                 /* 0: 1; of the default group */
    const struct budget_rule *groups; /* taken by the next farm_start */
    size_t group_count;
    const struct remedy_rule *rules; /* the same */
    size_t rule_count;
    struct remedy_guards guards;
    int acts_in_rotation; /* acts that were at work while the place was ready */
    struct farm_asked asked[FARM_ASKED];
    bool stranger_commanded; /* see FARM_STRANGER */
    bool taping;             /* what agents send is kept as well */
    struct farm_taped *tape;
    size_t taped;
};

void farm_begin(struct farm *f, size_t count);
/* All behind one backend of a balancer, and a budget of max_out (>= 1). */
void farm_begin_balanced(struct farm *f, size_t count, uint32_t max_out);
/* The same, and Api has a backend of its own. */
void farm_begin_apart(struct farm *f, size_t count, uint32_t max_out);
/* The balancer is reloaded: every place is ready. */
void farm_reload(struct farm *f);
void farm_end(struct farm *f);
/* One more onto the tape; all of it to the coordinator once more, over another connection. */
void farm_tape(struct farm *f, const struct agent_message *m);
void farm_replay(struct farm *f);
void farm_crash(struct farm *f); /* the coordinator dies; letters to and from it are lost */
/* Of Shop on all servers, on auto, with 3 of 4 looks for two seconds. */
struct remedy_rule farm_rule(const char *name, const char *when, const char *ladder);
/* Before farm_start: these rules, a probe every second, and guards that bind as good as nothing. */
void farm_set_rules(struct farm *f, const struct remedy_rule *rules, size_t count);
void farm_start(struct farm *f); /* and comes back on what is in the store */
void farm_run(struct farm *f, uint64_t ms);
/* What agents send next arrives, and no turn of the brain comes after it. */
void farm_reports(struct farm *f);
/* Until no run is open; fails after limit_ms. */
void farm_run_to_end(struct farm *f, uint64_t limit_ms);
/* Recycles Shop on the selection; the run's id, fails the test if it is refused. */
/* What farm_recycle asks, to be changed; and any such request. */
struct plan_request farm_request(const struct farm *f, enum rollout_action action,
                                 const char *selector);
uint64_t farm_ask(struct farm *f, const struct plan_request *q);
uint64_t farm_recycle(struct farm *f, const char *selector);
enum error_code farm_try_recycle(struct farm *f, const char *selector, struct error *err);
const char *farm_events(const struct farm *f);
/* Each fails the test: `part` stands in farm_events; the run of that id is in the store. */
void farm_expect_event(const struct farm *f, const char *part);
enum run_state farm_run_state(const struct farm *f, uint64_t run);

#endif
