/* remedy.h - what is to be done about troubles of servers and pools, and whether it may be. Pure.
 *
 * Rules say what is a trouble and what helps, rung by rung; guards say when nothing may be done.
 * Looks (what agents report of a server or pool) go in; due decisions come out one by one as a
 * `struct remedy_change`, which the caller saves, installs and performs, as with rollout.h. What
 * cannot be saved is thrown away and comes again. Nothing here acts: an act is a run like any
 * other, with the same budget, leases, fences and gates; here it is only decided that there should
 * be one.
 *
 * Times are boot milliseconds where their name says `now`, wall time where it is stored.
 */
#ifndef FARMHAND_COORDINATOR_REMEDY_H
#define FARMHAND_COORDINATOR_REMEDY_H

#include "common/error.h"
#include "coordinator/core/incident.h"
#include "coordinator/core/rollout.h"
#include "coordinator/core/selector.h"
#include "coordinator/core/share.h"
#include "proto/events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REMEDY_CONDITIONS_MAX 4
#define REMEDY_RUNGS_MAX      8
#define REMEDY_LOOKS_MAX      32
#define REMEDY_NOTES_MAX      4

/* ---- rules ---- */

enum remedy_mode { REMEDY_OBSERVE, REMEDY_PROPOSE, REMEDY_AUTO };
#define REMEDY_MODE_COUNT 3

enum remedy_act {
    REMEDY_RECYCLE,
    REMEDY_START,
    REMEDY_KILL_WORKER,
    REMEDY_RECOVER_SERVICES,
    REMEDY_RESTART_SERVICES,
    REMEDY_QUARANTINE,
    REMEDY_CALL, /* nothing is done: a person is called */
};
#define REMEDY_ACT_COUNT 7

enum remedy_fact {
    FACT_SERVICES,       /* services = down */
    FACT_POOL,           /* pool = stopped, though its autoStart is on */
    FACT_AUTOSTART,      /* autostart = off */
    FACT_QUEUE,          /* queue > 100, or > 50% of its limit */
    FACT_REJECTED,       /* rejected > 10 in 5m */
    FACT_OLDEST_REQUEST, /* oldest-request > 30s */
    FACT_MEMORY,         /* memory > 2G: of its largest worker, resident */
    FACT_PRIVATE,        /* private-memory > 2G: shared with nobody */
    FACT_CPU,            /* cpu > 90%: of one processor, of its busiest worker */
    FACT_PROBE,          /* probe-failures > 2: in a row */
    FACT_EVENT,          /* crash > 2 in 10m; any word of proto/events.h */
};
#define REMEDY_FACT_COUNT 11

struct remedy_condition {
    enum remedy_fact fact;
    enum event_kind event; /* FACT_EVENT */
    uint64_t more_than;    /* ms, bytes, permille, requests or a count; 0 where it is a state */
    bool percent;          /* FACT_QUEUE: of the queue's limit */
    uint64_t window_ms;    /* FACT_REJECTED, FACT_EVENT */
};

struct remedy_rung {
    enum remedy_act act;
    uint64_t limit_ms; /* for the act and its proof; then the next rung */
};

struct remedy_rule {
    const char *name; /* strings are lent */
    const char *servers, *pools;
    const char *window; /* as windows_resolve gave it; "": any time */
    const char *when;   /* its conditions in words, as remedy_parse_conditions was given them */
    struct remedy_condition conditions[REMEDY_CONDITIONS_MAX]; /* all have to hold */
    size_t condition_count;
    uint64_t for_ms;                 /* so long */
    uint32_t samples_of, samples_in; /* on so many of the last looks */
    struct remedy_rung rungs[REMEDY_RUNGS_MAX];
    size_t rung_count;
    enum remedy_mode mode;
    bool of_server;        /* its conditions are of the server, not of a pool */
    uint64_t cool_down_ms; /* between two acts of this rule, anywhere */
    uint64_t min_worker_age_ms;
    uint64_t quarantine_ms;    /* 0: until a person ends it */
    struct share common_cause; /* more servers than that at once: the cause lies elsewhere */
    bool dump;                 /* with the evidence */
};

struct remedy_guards {
    struct share min_healthy; /* of a budget group, in service after the act */
    uint64_t server_cool_down_ms;
    uint32_t max_per_hour; /* acts over the farm; then the brake is on; 0: no limit */
    uint64_t storm_ms;     /* so long; 0: until a person releases it */
    uint32_t flap_max;     /* the same trouble so often within flap_ms: a person */
    uint64_t flap_ms;
    uint64_t max_age_ms;       /* no act on what is older */
    uint32_t common_least;     /* fewer servers than this are never a common cause */
    uint64_t clear_ms;         /* a trouble is over when it was gone so long */
    uint64_t retry_ms;         /* after an act that never began */
    uint64_t blocked_alarm_ms; /* blocked so long is told once more, loudly */
    uint64_t probe_every_ms;   /* pools that a rule judges by probes or requests are asked so often;
                                  0: never */
};

/* "memory > 2G, queue > 50%", lent to the rule; ERR_INVALID says what may stand there. */
enum error_code remedy_parse_conditions(const char *text, struct remedy_rule *out,
                                        struct error *err);
/* "recycle 10m, kill-worker 5m, restart-services 10m, quarantine" */
enum error_code remedy_parse_ladder(const char *text, struct remedy_rule *out, struct error *err);
/* "4/5"; "3" is 3/3 */
enum error_code remedy_parse_samples(const char *text, struct remedy_rule *out, struct error *err);
/* Do conditions and ladder go together? */
enum error_code remedy_check_rule(const struct remedy_rule *rule, struct error *err);

const char *remedy_mode_name(enum remedy_mode mode);
const char *remedy_act_name(enum remedy_act act);
enum rollout_action remedy_act_run(enum remedy_act act); /* not of REMEDY_CALL */
/* "recycle pool Shop on web03" */
void remedy_say_act(enum remedy_act act, const char *server, const char *pool, char *out,
                    size_t size);

/* ---- looks ---- */

struct remedy_event {
    enum event_kind kind;
    uint64_t age_ms;
};

/* What is known of a server ("" for pool) or of one of its pools, from one report. -1: not known.
 */
struct remedy_seen {
    const char *server, *pool;
    const struct selector_label *labels;
    size_t label_count;
    bool services_down;
    const char *on_purpose; /* why it is down or must be left alone; NULL: it is not */
    enum pool_state state;
    bool auto_start;
    int64_t queued, queue_limit, rejected, oldest_ms;
    uint64_t memory_bytes;  /* of the largest worker, which is */
    uint64_t private_bytes; /* of the one that has most of it; 0: not known */
    uint32_t cpu_permille;  /* of the busiest */
    uint32_t worker_pid;    /* the one that a kill would mean; 0: none */
    uint64_t worker_created;
    uint64_t worker_age_ms; /* the youngest, since its process began */
    bool has_worker;
    int64_t probe_failures; /* in a row */
    const struct remedy_event *events;
    size_t event_count;
};

struct remedy;

/* rules are lent, with their strings. */
struct remedy *remedy_new(const struct remedy_rule *rules, size_t count,
                          const struct remedy_guards *guards, uint64_t now_ms);
void remedy_free(struct remedy *m);
const struct remedy_rule *remedy_rule_at(const struct remedy *m, size_t index); /* NULL: no more */
const struct remedy_rule *remedy_rule_find(const struct remedy *m, const char *name);
const struct remedy_guards *remedy_guards_of(const struct remedy *m);

/* A report came. */
void remedy_look(struct remedy *m, const struct remedy_seen *seen, uint64_t now_ms);

/* What was done and opened before this life of the program, for cool-downs, storms and flapping. */
void remedy_remember(struct remedy *m, const char *rule, const char *server, const char *pool,
                     int64_t wall_ms, bool acted);
/* The storm brake was released then: what was done before counts no more. */
void remedy_released(struct remedy *m, int64_t wall_ms);

/* ---- decisions ---- */

struct remedy_run {
    bool known, open;
    bool waiting; /* it has not got its turn yet */
    bool apart;   /* it was to take the server out and leave it alone */
    enum target_state state;
    enum cause cause;
    const char *detail; /* lent */
};

/* The world, as the caller knows it now. Each `why` has INCIDENT_TEXT_MAX bytes. */
struct remedy_view {
    void *ctx;
    int64_t wall_ms;
    bool settling;
    /* The newest report: how old; false: silent, or never heard. */
    bool (*fresh)(void *ctx, const char *server, uint64_t *age_ms);
    size_t (*fresh_count)(void *ctx, const char *servers); /* of those that the selector names */
    /* May the act begin by lease, budget, maintenance, declared out, window, store, fence? What
     * says no, with `why`. */
    enum incident_guard (*may_act)(void *ctx, const struct remedy_rule *rule, enum remedy_act act,
                                   const char *server, const char *pool, char *why);
    /* In the at-th of the server's budget groups (false: it has no more): how many serve, of how
     * many; is it one of them? */
    bool (*healthy)(void *ctx, size_t at, const char *server, const char *pool, uint32_t *serving,
                    uint32_t *total, bool *itself);
    struct remedy_run (*run)(void *ctx, uint64_t id, const char *server);
    bool (*holds)(void *ctx, uint64_t incident); /* a lease */
    /* A run over the whole server has it in hand: what becomes of it is decided when that has
     * ended. NULL: none ever has. */
    bool (*taken)(void *ctx, uint64_t incident);
};

enum remedy_effect {
    REMEDY_NOTHING,
    REMEDY_BEGIN,     /* the run of `act`; its id goes into the incident, in one transaction */
    REMEDY_GIVE_BACK, /* the run that puts back what the incident holds */
    REMEDY_ABORT,     /* its run */
};

struct remedy_change {
    bool any;
    bool opens, closes;
    struct incident incident; /* as it is to be; id 0 where it opens */
    const char *kind;         /* of the event, NULL: not worth one */
    struct incident_note notes[REMEDY_NOTES_MAX];
    size_t note_count;
    enum remedy_effect effect;
    enum remedy_act act;
    uint64_t limit_ms;
    uint32_t worker_pid;
    uint64_t worker_created;
    char approved_by[128]; /* BEGIN: whose word lets it; "": the mode of its rule does */
    bool wants_evidence;   /* to be asked for, before the act */
    bool wants_dump;
    bool storms; /* inside: the limit of acts holds it back, and nothing else */
};

/* The next decision that is due; any == false: none. incidents: all that are open. */
void remedy_next(const struct remedy *m, const struct incident *incidents, size_t count,
                 const struct remedy_view *view, uint64_t now_ms, struct remedy_change *out);
/* May one of `serving` of a group's `total` servers be taken away? On no, `why`. The guard by which
 * acts are decided, to be asked again when their run takes the server. */
bool remedy_enough_stay(const struct remedy *m, uint32_t serving, uint32_t total, char *why);
/* It was saved. */
void remedy_install(struct remedy *m, const struct remedy_change *change, int64_t wall_ms);
/* A person's words; any == false: `err` says why not. */
enum error_code remedy_approve(const struct remedy *m, const struct incident *n, const char *actor,
                               const char *reason, int64_t wall_ms, struct remedy_change *out,
                               struct error *err);
enum error_code remedy_dismiss(const struct incident *n, const char *actor, const char *reason,
                               bool holds, int64_t wall_ms, struct remedy_change *out,
                               struct error *err);
/* The server is to be taken out and left alone: opens an incident of its own. for_ms 0: until a
 * person ends it. */
void remedy_quarantine(const char *server, uint64_t for_ms, const char *actor, const char *reason,
                       int64_t wall_ms, struct remedy_change *out);
enum error_code remedy_release(const struct incident *n, const char *actor, const char *reason,
                               int64_t wall_ms, struct remedy_change *out, struct error *err);

/* ---- other rules, while incidents are open ---- */

/* What would differ, in words of the file: "rule leak", "mode observe", "mode auto"; first the
 * guards, then rule after rule. One that is new, or gone, is told whole. */
typedef void (*remedy_difference_fn)(void *arg, const char *what, const char *was, const char *is);
void remedy_differences(const struct remedy *m, const struct remedy_rule *rules, size_t count,
                        const struct remedy_guards *guards, remedy_difference_fn each, void *arg);
/* What becomes of this open incident under them; to be asked, and saved, before remedy_exchange.
 * false: it stays as it is. What is acted goes on to its end and its proof under any rules; where
 * the next act is another one now, it is decided anew and an approval holds no more. One whose rule
 * is gone is ended, or handed to a person, by remedy_next. */
bool remedy_reconsider(const struct remedy *m, const struct remedy_rule *rules, size_t count,
                       const struct incident *n, int64_t wall_ms, struct remedy_change *out);
/* From now on these hold, lent like those before, which are needed no more. What was seen is kept
 * where a rule still looks at the same, and so is what was done and when. */
void remedy_exchange(struct remedy *m, const struct remedy_rule *rules, size_t count,
                     const struct remedy_guards *guards, uint64_t now_ms);

/* ---- in words ---- */

/* Sentences about what is seen on that server and no incident tells yet: how long it has to hold
 * still, or why nothing is done about it. */
void remedy_explain(const struct remedy *m, const char *server, uint64_t now_ms,
                    void (*each)(void *arg, const char *sentence), void *arg);

#endif
