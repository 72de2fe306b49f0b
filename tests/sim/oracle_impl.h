/* oracle_impl.h - shared by the oracle*.c files alone. */
#ifndef FARMHAND_TESTS_SIM_ORACLE_IMPL_H
#define FARMHAND_TESTS_SIM_ORACLE_IMPL_H

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* A command as it was given to one machine, what came of it there, and which coordinators have it
 * in their stores: one that was put back from a copy cannot know what left since. Bits are of
 * those. */
struct order {
    struct command_id id;
    int machine;
    int unit; /* -1: nothing has left yet that says it */
    uint64_t run;
    unsigned known;
    unsigned person;     /* somebody settled it */
    unsigned unexecuted; /* ...as not executed */
    unsigned nothing;    /* there was nothing to do, as was heard */
    uint64_t person_ms;
    uint64_t heard_ms[CENTRES_MAX]; /* that it has ended was heard first; 0: it was not */
    uint32_t times;                 /* it was carried out */
    bool tried;                     /* the call was made, done or not */
    uint64_t begun_ms, acted_ms;
    struct iis_worker before[IIS_WORKERS];
    size_t before_count;
    bool proved; /* a newer worker answered a probe that was asked after the act */
};

#define FENCES_KEPT  128
#define ASKED_KEPT   64
#define SEEN_KEPT    16
#define LISTENS_KEPT 32
#define GIVEN_KEPT   32

/* A command as it was handed to a machine. */
struct given {
    struct command_id id;
    struct wire_id incarnation;
    uint64_t listen_no, expires_ms;
};

/* What one coordinator asked about one server, and what it heard. */
struct observed {
    struct {
        struct wire_id nonce;
        uint64_t at_ms;
        int unit;
    } asked[ASKED_KEPT];
    struct {
        struct wire_id boot;
        int unit;
        uint64_t asked_ms, heard_ms;
        bool good, stopped, told; /* told: what it is like, not that it could not be asked */
    } seen[SEEN_KEPT];
    uint64_t asked_no, seen_no;
    struct wire_id boot, former_boot; /* the last that it heard of */
    bool heard_any;                   /* by this process */
    bool two_machines;                /* they spoke in turn, and nobody has released it since */
};

struct server_seen {
    struct wire_id incarnation;
    uint64_t said_fence, act_fence;
    struct wire_id said_instance; /* whose number that was */
    bool journal_lost;
    uint64_t reported_ms[CENTRES_MAX]; /* a report reached that coordinator */
    struct command_id durable;         /* the last one that left; its record was durable then */
    struct observed observed[CENTRES_MAX];
    struct { /* that it sent, by its own clock */
        uint64_t no, at_ms;
    } listens[LISTENS_KEPT];
    struct given given[GIVEN_KEPT];
    uint64_t listen_count, given_count;
};

/* A line of the balancer. */
struct line_seen {
    struct {
        uint64_t read_ms;  /* the balancer said where it stands, to a run that had asked */
        uint64_t place_ms; /* the same to anybody, to this process */
        bool place_out;    /* and that was out of service */
    } told[CENTRES_MAX];
    /* drained for somebody, and the balancer does not know any more; 0: no */
    uint64_t forgotten_ms;
    uint64_t drained_ms; /* by us */
    int drained_by;      /* that coordinator */
    bool orphan; /* its store was put back from a copy that does not have it, or it is gone */
    bool
        copied[CENTRES_MAX]; /* that store has had it since it was copied: another had it as well */
    bool kept_out;           /* drained by us, and not set ready by us since */
    bool taken;              /* in service when we drained it: it counts as taken out by us */
    bool well;
    uint64_t purpose_ms;            /* a pool that stands there was stopped on purpose */
    uint64_t changed_ms, unwell_ms; /* of well; when it was last not */
};

struct pool_seen {
    uint64_t acted_ms;
    uint64_t probed_ms;             /* a probe that was asked then passed */
    uint64_t taken_ms[CENTRES_MAX]; /* a run took it */
    bool out_by_act;                /* recycled by us, and no newer worker has served since */
    struct command_id out_id;       /* by that command */
    uint64_t off_ms;                /* stopped to stay stopped, when last */
    bool off_by_us;                 /* somebody asked us for it to be stopped */
};

/* What was done to the services of one machine. */
struct services_seen {
    bool open;               /* a recipe stands in the journal as begun, and not as ended: */
    struct command_id begun; /* that one */
    uint64_t begun_ms, begun_life;
    bool ran_then;             /* WAS and W3SVC did */
    struct command_id acted;   /* the last that took something away */
    bool ours;                 /* it stopped something that does not run again yet */
    bool wanted[SCM_SERVICES]; /* what ran before */
    bool killed;               /* a host, since they last ran */
    uint64_t trouble_ms;       /* the last act, fault, death there */
    uint64_t others_ms;        /* somebody else meddled, when last */
    uint64_t down_ms;          /* WAS or W3SVC did not run, when last */
};

struct sqlite3;
struct sqlite3_stmt;

enum query {
    Q_TARGETS,
    Q_RUNS,
    Q_LEASES,
    Q_INCIDENTS,
    Q_LAST,
    Q_COMMAND,
    Q_HAS_COMMAND,
    Q_EVENT,
    Q_RUN_EVENT,
    Q_SERVERS,
    Q_MAINTENANCE,
    Q_WORDS,
    Q_EXPIRED,
    Q_FORMER,
    QUERY_COUNT,
};

#define WAVES_KEPT     61
#define APPROVED_KEPT  64
#define LISTEN_LOST_MS 40000 /* a listen that was lost is given up, and another sent */

struct wave_seen {
    uint64_t run, over_ms; /* 0: not over yet */
    uint32_t wave;
    bool paused; /* for a person, as after a canary */
};

struct store_seen {
    struct sqlite3 *db;
    struct sqlite3_stmt *statements[QUERY_COUNT];
    struct view view, former;
    bool valid;
    bool copied; /* what is seen first is a copy of another's */
    bool retired;
    unsigned lineage; /* so many times it became another one */
    uint64_t syncs;
    uint64_t attached_ms;
    bool reopened; /* what is seen first was committed by the former process, as it died */
    uint64_t failures, failed_ms; /* of its disk; when last */
    uint64_t in_hand_ms;          /* a run had something in hand, when last */
    uint64_t waits_since_ms;      /* something that only gives back waits; 0: nothing */
    uint64_t unclocked_ms;        /* its clock had stood still until then */
    struct wave_seen waves[WAVES_KEPT];
    uint64_t approved[APPROVED_KEPT]; /* runs, by their number */
    uint64_t able_since_ms;           /* it can tell what is over; 0: it cannot */
    int64_t wall_ms;                  /* its clock, as looked at last */
};

/* A server that others got. */
struct handed {
    int centre; /* by whom */
    uint64_t run;
    int server;
    uint64_t taken_ms; /* out of rotation by us since then, or later */
    uint64_t since_ms, limit_ms;
    bool seen_late;        /* it was committed as the former process died */
    int64_t since_wall_ms; /* by the coordinator's clock */
    uint64_t word_ms;      /* somebody gave it back; 0: nobody */
};
/* Whose number is whose. */
struct numbered {
    struct fence fence;
    int centre;
    unsigned lineage;
};

struct oracle {
    struct order *orders;
    size_t order_count;
    uint64_t act_total;
    struct server_seen servers[MACHINES_MAX];
    struct line_seen lines[UNITS_MAX];
    struct pool_seen pools[UNITS_MAX];
    struct services_seen services[MACHINES_MAX];
    struct store_seen stores[CENTRES_MAX];
    struct numbered fences[FENCES_KEPT];
    size_t fence_count;
    uint64_t lb_away_ms, net_bad_ms; /* when last */
    struct handed *handed;
    size_t handed_count;
};

#define EVIDENCE_MS 2500  /* a server is taken on evidence no older than this */
#define LONG_OUT_MS 15000 /* out for so long: every reading has told it */

bool oracle_is_cloned(const struct world *w, int server);
/* In service, as far as evidence could tell. */
bool oracle_was_well(const struct world *w, int line);

/* oracle_order.c */
/* NULL: there is none; with make never. Lent until the next one is made. */
struct order *oracle_order(struct oracle *o, int machine, const struct command_id *id, bool make);
/* The one that is in force for a target. */
struct order *oracle_order_of(struct oracle *o, const struct view_target *t);
void oracle_order_listen(struct world *w, int machine, uint64_t listen_no, uint64_t clock_ms);
void oracle_order_given(struct world *w, int centre, int machine, const struct command *command);
/* What the copy does not have is lost, and what it has not yet heard is to be heard again. */
void oracle_order_meet_copy(struct world *w, int centre);

/* oracle_gate.c */
/* A run took the server of t: on what? */
void oracle_gate_taken(struct world *w, int centre, const struct view_target *t);
/* A coordinator that starts knows of no boot. That two machines spoke stands in its store. */
void oracle_gate_forget(struct world *w, int centre);
void oracle_gate_meet_copy(struct world *w, int centre);
void oracle_gate_sent(struct world *w, int centre, const struct command *command, int server);
void oracle_gate_heard(struct world *w, int centre, const struct agent_message *m, int server);
/* The gate of t was passed: on what? */
void oracle_gate_passed(struct world *w, int centre, const struct view_target *t);

/* oracle_warm.c */
/* The command that changes settings there has ended; its run is done with it. */
void oracle_warm_ended(struct world *w, int centre, const struct view_target *t);
void oracle_warm_done(struct world *w, int centre, const struct view_target *t);

/* oracle_turn.c */
/* A run took the target: was it its turn? */
void oracle_turn_taken(struct world *w, int centre, const struct view_target *t);

/* oracle_view.c */
void oracle_read_view(const struct world *w, struct store_seen *s);
const char *oracle_word(struct sqlite3_stmt *q, int column); /* never NULL */

/* oracle_hold.c */
void oracle_hold_handed(struct world *w, int centre, const struct view_target *t);
void oracle_hold_left(struct world *w, int centre, const struct view_target *was,
                      const struct view_target *t);
uint64_t oracle_hold_gate_ms(struct world *w, int centre, const struct view_target *t);
void oracle_hold_ready(struct world *w, int centre, int line);
void oracle_hold_look(struct world *w);
void oracle_hold_meet_copy(struct world *w, int centre);
/* Somebody has given it back already, saved or not: who settles it now comes too late. */
bool oracle_hold_has_word(struct world *w, int centre, const struct view_target *t);
/* Something is begun on the server of t. */
void oracle_hands_off(struct world *w, int centre, const struct view_target *t, const char *what);
void oracle_check_approval(struct world *w, int centre, const struct view_run *was,
                           const struct view_run *is);

/* oracle_run.c */
void oracle_run_meet_copy(struct store_seen *s);
void oracle_run_look(struct world *w, struct store_seen *s);
void oracle_run_taken(struct world *w, int centre, const struct view_target *t);
bool oracle_anything_in_hand(const struct view *v);
void oracle_run_ordered(struct world *w, int centre, const struct view_target *t);
void oracle_check_waiting(struct world *w);

/* oracle_services.c */
/* WAS or W3SVC does not run, or did not a moment ago: who takes it takes nothing away. */
bool oracle_services_down_lately(const struct world *w, int machine);
void oracle_services_look(struct world *w);

/* oracle_store.c */
void oracle_tell_open(struct world *w, int centre);
/* Do they take that line out: of the server as a whole, or of the pool that stands there? */
bool oracle_covers(const struct world *w, const struct view_target *t, int line);
/* NULL: there is none in that view. */
const struct view_run *oracle_run_of(const struct view *v, uint64_t id);
const struct view_target *oracle_target_of(const struct view *v, uint64_t run, int unit);
bool oracle_held(const struct view *v, int server);
bool oracle_apart(const struct view *v, int server); /* in quarantine */

/* oracle_owner.c: what was taken out */
void oracle_owner_look(struct world *w);
void oracle_owner_meet_copy(struct world *w, int centre);
void oracle_owner_seen(struct world *w, int centre); /* that store was looked at */

/* oracle_word.c: what people say stands in the audit trail with what it brings */
bool oracle_is_paused(const char *causes); /* by what stays over a restart */
void oracle_word_look(struct world *w, int centre);
void oracle_word_given_back(struct world *w, struct store_seen *s, const struct view_target *was);
void oracle_word_settled(struct world *w, struct store_seen *s, const struct view_target *was);

#endif
