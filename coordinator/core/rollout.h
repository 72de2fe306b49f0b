/* rollout.h - one run: an action carried out on a frozen list of servers, few at a time.
 *
 * Pure: no I/O, no clock, no randomness. An event with its time goes in, a `struct rollout_change`
 * comes out: the new header of the run, at most one changed target, and what to do. Nothing is
 * changed in place: the caller first saves the change (one transaction), then installs it with
 * rollout_install(), then performs the effects. If it cannot be saved:
 *   - a change with `restoring` set may be installed and performed all the same (promise 2), and is
 *     saved when that works again;
 *   - any other is thrown away as if the event had not come; every state asks again by itself, and
 *     a result that was not acknowledged is sent again by the agent.
 *
 * A target's life (R: holds its lease and budget slot):
 *
 *   waiting -> checking -> draining(R) -> acting(R) -> gating(R) -> returning(R) -> soaking(R) ->
 * done ^          |            |             |  ^         | |          v            v             v
 * |         v
 *      +---- (blocked)     returning     unknown(R)    failed (its lease goes to an incident)
 *                 |
 *                 +-> nothing | skipped | failed
 *
 * waiting    its turn has not come, or it may not be taken: `step` says why
 * checking   fresh evidence was asked: the pool by the agent, the places by the balancer
 * draining   taken; the balancer lets sessions run out
 * acting     the command stands in the store as sent; its result is awaited. Of a hold: it is in
 *            the hands of others, until they release it, or its machine has started anew
 * unknown    no answer within the limit; left only by the journal's word or a person
 * gating     the probe must pass `gate_passes` times in a row for `gate_min_ms`, before the
 * deadline returning  the balancer is told to put back what we took out, and must see it up soaking
 * in rotation again, watched a little longer An act that failed is still gated: if the pool serves,
 * its server is put back before the target ends as failed; if not, it stays out and an incident
 * inherits the lease. A command that was certainly never begun is given again: from acting and
 * unknown back to draining, where the places are looked at anew.
 */
#ifndef FARMHAND_COORDINATOR_ROLLOUT_H
#define FARMHAND_COORDINATOR_ROLLOUT_H

#include "coordinator/balancer/balancer.h"
#include "coordinator/core/share.h"
#include "coordinator/core/window.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROLLOUT_STEP_MAX     512 /* bytes of a sentence, NUL included */
#define ROLLOUT_BASELINE_MAX 64
#define ROLLOUT_TAKEN_MAX    32 /* incidents of one server, one per pool at most */
#define ROLLOUT_WAVES_MAX    128
#define ROLLOUT_LABEL_MAX    64
#define ROLLOUT_KEY_MAX      65

enum rollout_action {
    ROLLOUT_RECYCLE,
    ROLLOUT_START,
    ROLLOUT_STOP,
    ROLLOUT_UNDRAIN,
    /* of a server's services: their pool is "", the server as a whole */
    ROLLOUT_SERVICE_RECOVER,
    ROLLOUT_SERVICE_RESTART,
    ROLLOUT_SERVICE_STOP,
    ROLLOUT_SERVICE_START,
    ROLLOUT_WORKER_KILL,
    /* the server as a whole, while others work on it: nothing is asked of its agent */
    ROLLOUT_HOLD,       /* until they release it */
    ROLLOUT_CYCLE,      /* until its machine has started anew */
    ROLLOUT_QUARANTINE, /* out of rotation and left there, with an incident */
    /* the settings that keep a pool warm */
    ROLLOUT_WARM,
    ROLLOUT_UNWARM, /* as they were before */
};
#define ROLLOUT_ACTION_COUNT 14

enum target_state {
    TARGET_WAITING,
    TARGET_CHECKING,
    TARGET_DRAINING,
    TARGET_ACTING,
    TARGET_UNKNOWN,
    TARGET_GATING,
    TARGET_RETURNING,
    TARGET_SOAKING,
    TARGET_DONE,
    TARGET_NOTHING,
    TARGET_SKIPPED,
    TARGET_FAILED,
    TARGET_ABORTED,
};
#define TARGET_STATE_COUNT 13

enum run_state {
    RUN_RUNNING,  /* paused while pause_causes is not 0 */
    RUN_STOPPING, /* a failure stopped it: nothing new begins, what is in hand is finished */
    RUN_ABORTING, /* a person ended it: the same */
    RUN_DONE,
    RUN_PARTIAL, /* ended, some skipped or failed within what was allowed */
    RUN_FAILED,
    RUN_ABORTED,
};
#define RUN_STATE_COUNT 7

/* Why a run begins nothing new; each is removed by its own remedy only. */
enum pause_cause {
    PAUSE_PERSON = 1,     /* `run pause`; `run resume` */
    PAUSE_UNKNOWN = 2,    /* a target is unknown; settled by journal or person */
    PAUSE_FAILURES = 4,   /* --on-failure pause; `run resume` */
    PAUSE_SILENCE = 8,    /* most agents silent at once: the cause is on our side; they come back */
    PAUSE_STORE = 16,     /* the store cannot be written; it can again */
    PAUSE_FENCE = 32,     /* agents know a higher fence than ours: `takeover` */
    PAUSE_CANARY = 64,    /* --pause-after-canary; `run resume` */
    PAUSE_APPROVAL = 128, /* --approve-by; `run approve` by somebody else than its starter */
    PAUSE_WINDOW = 256,   /* outside its hours, or a blackout; time */
};
#define PAUSE_BITS 9

enum on_failure { ON_FAILURE_STOP, ON_FAILURE_PAUSE, ON_FAILURE_CONTINUE };
/* What can go wrong with a target; each kind is counted apart and has its own limit. */
enum trouble {
    TROUBLE_FAILED,      /* the act failed, or could not begin */
    TROUBLE_GATE,        /* acted, but the pool did not prove well, or did not come back */
    TROUBLE_UNREACHABLE, /* its agent could not be asked */
    TROUBLE_UNKNOWN,     /* no answer: as long as it stands, not once settled */
};
#define ROLLOUT_TROUBLES 4

struct policy {
    enum on_failure then;
    struct share run;  /* so many are borne in the whole run */
    bool wave_limited; /* `wave` counts too */
    struct share wave; /* so many in one wave */
};

enum on_unreachable { UNREACHABLE_FAIL, UNREACHABLE_SKIP, UNREACHABLE_WAIT };
enum on_drain_limit { DRAIN_LIMIT_FAIL, DRAIN_LIMIT_PROCEED };

/* A limit on what is measured after the act: a number (ms, requests, bytes), or percent of before.
 */
struct bound {
    uint64_t value;
    bool percent;
    bool set; /* 0 may be one */
};

/* What a pool was like at one look. */
struct measure {
    bool taken;
    bool probed; /* a probe passed, in probe_ms */
    uint32_t probe_ms;
    int64_t queued; /* -1: not known */
    bool rejected_known;
    uint64_t rejected;     /* 503s since the pool's queue exists */
    uint64_t memory_bytes; /* of its workers */
};

struct rollout_options {
    uint32_t batch;           /* targets taken at the same time, >= 1 */
    uint32_t batch_percent;   /* what it was given as, 0: as a number */
    uint32_t max_unavailable; /* 0: the budget alone limits */
    uint64_t soak_ms;
    uint64_t limit_ms; /* one act; then its target is unknown */
    bool drain;
    uint64_t drain_limit_ms;
    enum on_drain_limit on_drain_limit;
    uint32_t gate_passes;
    uint64_t gate_min_ms, gate_deadline_ms, gate_interval_ms;
    struct policy policies[ROLLOUT_TROUBLES];
    enum on_unreachable unreachable;
    bool start_idle;
    bool keep_autostart;
    bool enable;             /* SERVICE_RECOVER, SERVICE_START: a disabled WAS is enabled first */
    bool all_servers;        /* SERVICE_RECOVER: healthy ones too */
    bool shared;             /* configuration that servers share is changed, once for all of them */
    uint32_t worker_pid;     /* WORKER_KILL, with */
    uint64_t worker_created; /* its creation time */
    /* Waves and order, as they were given: the targets carry what came of it. */
    char waves[ROLLOUT_WAVES_MAX]; /* "1,5,20%", the last repeats; "": all in one */
    uint32_t canary;               /* servers of a wave before all others; 0: none */
    bool pause_after_canary;
    struct bound gate_latency, gate_queue, gate_memory;
    struct bound gate_errors;         /* requests that were answered 503 since before: a number */
    uint64_t bake_ms;                 /* between two waves */
    char window[WINDOW_TEXT_MAX];     /* its hours, "": any; see window.h */
    char order_by[ROLLOUT_LABEL_MAX]; /* a label: never two of its values at once; "": by name */
    char approve_by[256];             /* "anna,@ops" or "anyone"; "": nobody is waited for */
    int64_t approve_until_ms;         /* wall; after it the run ends, with nothing done */
};

struct rollout_target {
    char server[WIRE_NAME_MAX];
    char pool[WIRE_NAME_MAX];
    uint32_t order;               /* from 0 */
    uint32_t wave;                /* from 0 */
    char zone[ROLLOUT_LABEL_MAX]; /* value of the label of --order, "" without */
    enum target_state state;
    bool holds;                /* lease and slot */
    enum trouble trouble;      /* FAILED, or an unreachable one SKIPPED: of which kind */
    bool put_off;              /* act_failed, but only until its turn comes again */
    bool act_failed;           /* finish by putting back, then end as failed */
    bool back;                 /* put back (or never taken out) */
    uint32_t attempts;         /* commands given */
    struct command_id command; /* the one in force; seq 0: none */
    enum outcome outcome;
    enum cause cause;
    char step[ROLLOUT_STEP_MAX];   /* what it does or waits for, a sentence */
    char detail[ROLLOUT_STEP_MAX]; /* how it ended, a sentence */
    /* what we took out of rotation, and must put back: places that were ready before */
    struct balancer_entry places[BALANCER_ENTRIES_MAX];
    uint32_t place_count;
    /* the workers that must be gone: the proof's baseline */
    uint32_t baseline_pid[ROLLOUT_BASELINE_MAX];
    uint64_t baseline_created[ROLLOUT_BASELINE_MAX];
    uint32_t baseline_count;
    uint32_t after_pid[ROLLOUT_BASELINE_MAX];
    uint32_t after_count;
    int32_t probe_status;
    uint32_t probe_ms, gap_ms;
    bool orphans_allowed;
    int64_t handed_wall_ms;     /* HOLD, CYCLE: in the hands of others since; 0: not yet */
    struct wire_id boot_before; /* CYCLE: of its machine, when it was taken */
    /* Of a server as a whole: incidents of its pools whose leases it has taken. Each keeps what it
     * holds out until its own pool has proved, and gets its lease back where that did not. */
    uint64_t taken[ROLLOUT_TAKEN_MAX];
    uint32_t taken_count;
    uint32_t taken_left;   /* bits: not proved when the server was put back */
    uint32_t taken_solved; /* bits, not saved: as it gives its lease up, those that are over */
    struct measure before, after; /* before: with the decision to take it; after: the last look */
    uint32_t sessions_left;       /* when the act began: the drain had come to its limit */
    int64_t started_wall_ms, ended_wall_ms; /* 0: not yet */

    /* Not saved: begins anew after a restart of the coordinator. Times are boot milliseconds. */
    uint64_t entered_ms; /* when this state was entered here */
    uint64_t ask_ticket; /* evidence asked of the agent, 0: none outstanding */
    uint64_t ask_at_ms;
    uint64_t place_ticket; /* asked of the balancer, 0: none outstanding */
    uint64_t place_at_ms;
    uint64_t agent_seen_ms; /* fresh evidence came at; 0: none in this state */
    uint64_t places_seen_ms;
    uint32_t inherits;     /* places of incidents, as of places_seen_ms */
    uint32_t passes;       /* of the gate, in a row */
    uint64_t proved_ms;    /* the server as a whole has passed at; 0: not yet */
    uint32_t taken_proved; /* bits: their pools have passed as well, since the act */
    uint32_t asks;         /* 1 + which of the taken is asked about; 0: the server itself */
    uint32_t taken_at;     /* which is the next */
    uint64_t first_pass_ms;
    uint32_t quiet;                  /* reads without a session, in a row */
    char evidence[ROLLOUT_STEP_MAX]; /* what the gate saw, look by look: kept with its step */
    bool told;                       /* the balancer confirmed drain or ready in this state */
    bool turned_back;  /* the balancer forbade it, and it alone: nobody behind it waits for it */
    uint64_t ready_ms; /* nothing but its turn was missing at; 0: never in this state */
    bool down;      /* its services did not run when it was looked at: there is nothing to drain */
    bool proof_old; /* returning since before a restart of ours: back to its gate first */
};

struct rollout {
    uint64_t id;
    uint64_t parent; /* the run whose rest this one retries; 0: none */
    enum rollout_action action;
    char pool[WIRE_NAME_MAX]; /* as it was asked for: a name, or which ones ("*,!Shop") */
    char selector[512];
    char actor[128];
    char reason[512];
    char hold_key[ROLLOUT_KEY_MAX]; /* HOLD: SHA-256 of the token that releases it; "": none */
    struct rollout_options options;
    enum run_state state;
    uint32_t pause_causes;      /* bits of enum pause_cause */
    char why[ROLLOUT_STEP_MAX]; /* what it waits for, or why it ended */
    int64_t created_wall_ms, ended_wall_ms;
    uint32_t troubles[ROLLOUT_TROUBLES]; /* counted since the last `run resume` */
    uint32_t troubles_in_wave[ROLLOUT_TROUBLES];
    uint32_t wave;         /* the open one; those before have ended */
    bool wave_over;        /* it has ended too, the next waits for bake or person */
    uint64_t wave_over_ms; /* not saved: boot milliseconds of this life */
    uint64_t next_ticket;  /* not saved */
    struct rollout_target *targets;
    size_t target_count;
    /* Not saved, kept by rollout_install() and rollout_restart(): a turn looks at those in hand
     * alone, so that the ten thousandth server of a walk costs what the hundredth did. */
    size_t open_from; /* no target before it waits or is in hand */
    size_t *in_hand;  /* neither waiting nor ended, ascending */
    size_t in_hand_count, in_hand_cap;
};

/* ---- what comes out ---- */

enum effect_kind {
    EFFECT_NONE,
    EFFECT_OBSERVE,  /* ask the agent afresh; ticket comes back with the answer */
    EFFECT_COMMAND,  /* give the target's verb; the caller assigns the command id (it stands in
                        the saved target) before saving */
    EFFECT_QUERY,    /* ask the agent's journal about the target's command */
    EFFECT_BALANCER, /* op on the target's places */
    EFFECT_INCIDENT, /* open one that inherits the lease: the server stays out */
};

struct rollout_effect {
    enum effect_kind kind;
    uint64_t ticket;
    bool probe;          /* OBSERVE */
    uint64_t incident;   /* OBSERVE: the pool of that one, not what the target names */
    enum verb verb;      /* COMMAND */
    enum balancer_op op; /* BALANCER */
};

#define ROLLOUT_EFFECTS_MAX 4

struct rollout_change {
    bool any;        /* false: nothing to do */
    bool restoring;  /* only gives back or finishes: never waits for the store */
    bool disruptive; /* takes something out or acts: must be durable first */
    bool run_changed;
    enum run_state run_state; /* the new header, valid if any */
    uint32_t pause_causes;
    uint32_t troubles[ROLLOUT_TROUBLES];
    uint32_t troubles_in_wave[ROLLOUT_TROUBLES];
    uint32_t wave;
    bool wave_over;
    uint64_t wave_over_ms;
    uint64_t next_ticket;
    char why[ROLLOUT_STEP_MAX];
    bool options_changed;
    struct rollout_options options; /* if they did */
    bool target_changed;
    bool target_saved; /* a saved field differs: write it */
    size_t target_index;
    enum target_state from;
    struct rollout_target target;
    const char *former; /* WARM: settings as they were before, as the agent told; lent; NULL */
    struct rollout_effect effects[ROLLOUT_EFFECTS_MAX];
    size_t effect_count;
};

/* ---- what goes in ---- */

enum presence {
    PRESENCE_NEVER_SEEN,
    PRESENCE_FRESH,
    PRESENCE_SILENT,
    PRESENCE_QUARANTINED,
    PRESENCE_DECLARED_OUT,
};
#define PRESENCE_COUNT 5

/* The world beyond this run, as the caller knows it now. Pure functions over plain structs. */
struct rollout_view {
    void *ctx;
    enum presence (*presence)(void *ctx, const char *server, char *why, size_t why_size);
    /* May this server be taken now? Lease free and budget has room, on fresh observations.
     * false: `why` says who holds it or what is out. */
    bool (*may_take)(void *ctx, const struct rollout *r, const struct rollout_target *t, char *why,
                     size_t why_size);
    /* Would there be room in the budget for this server if those of `ahead` were taken as well, of
     * the same run? may_take has said yes to each of them by itself. NULL: there would not. */
    bool (*room_beside)(void *ctx, const struct rollout *r, const struct rollout_target *t,
                        const size_t *ahead, size_t count);
    /* May nothing be taken away now by the clock: hours of the run, blackouts? `why` says which,
     * and until when. NULL: always may. */
    bool (*closed)(void *ctx, const struct rollout *r, char *why, size_t why_size);
    /* Has a person asked that nobody touches this server now, whatever is wanted of it? `why` says
     * who, why and until when. NULL: never. */
    bool (*hands_off)(void *ctx, const char *server, char *why, size_t why_size);
    /* Places of this server that are ours already: an incident left them out. They are put back by
     * the target that takes the server. */
    size_t (*inherited)(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                        size_t max);
    /* Incidents of single pools of this server whose leases a target takes that takes the server as
     * a whole, ROLLOUT_TAKEN_MAX at most. NULL: there are none. */
    size_t (*taken)(void *ctx, const struct rollout *r, const char *server, uint64_t *out);
    /* Does an incident keep this place out of rotation as well, of another pool that stands in it?
     * Then it is not the target's alone to put back. Those whose pool it has proved do not. `why`
     * says which. NULL: none does. */
    bool (*kept_out)(void *ctx, const struct rollout_target *t, const struct balancer_entry *place,
                     char *why, size_t why_size);
    /* Has anybody taken a place out of one of the target's backends since then (or is at it)? Then
     * what the balancer said of those that remain is old. NULL: nobody could. */
    bool (*taken_since)(void *ctx, const struct rollout *r, const struct rollout_target *t,
                        uint64_t since_ms);
    /* A target that holds its slot is drained again, after a restart of ours or a reload of the
     * balancer: is the budget kept with it out? false: `why` says who else is. NULL: it is. */
    bool (*may_drain_again)(void *ctx, const struct rollout_target *t, char *why, size_t why_size);
    /* The machine's boot, by a fresh word of its agent; false: not known now. */
    bool (*boot)(void *ctx, const char *server, struct wire_id *out);
    /* Do both read one configuration, so that what is set on one holds for the other? NULL: none
     * do. */
    bool (*same_config)(void *ctx, const char *server, const char *other);
    bool store_broken; /* what must be durable first is not tried: it would only be thrown away */
    bool settling;     /* after a start: nothing new begins, nothing is concluded from silence */
    int64_t wall_ms;   /* for started and ended times */
};

/* Is it about servers as a whole, its pool ""? */
bool rollout_of_server(const struct rollout *r);

/* Has the pool of the k-th incident that the target has taken over proved? */
bool rollout_proved(const struct rollout_target *t, uint32_t k);
/* Is that incident over, as the target gives its lease up? */
bool rollout_solved(const struct rollout_target *t, uint32_t k);

/* The next thing that is due by time or by the world; call until it says any == false. */
void rollout_next(const struct rollout *r, const struct rollout_view *view, uint64_t now_ms,
                  struct rollout_change *out);

/* Earliest time at which rollout_next may have something, UINT64_MAX: only events can. */
uint64_t rollout_wake_ms(const struct rollout *r, uint64_t now_ms);

/* Events. Late, foreign or repeated ones give any == false. */
void rollout_on_observation(const struct rollout *r, size_t target, uint64_t ticket,
                            const struct observation *seen, const struct rollout_view *view,
                            uint64_t now_ms, struct rollout_change *out);
void rollout_on_balancer(const struct rollout *r, size_t target,
                         const struct balancer_answer *answer, const struct rollout_view *view,
                         uint64_t now_ms, struct rollout_change *out);
void rollout_on_progress(const struct rollout *r, size_t target, const struct progress *progress,
                         uint64_t now_ms, struct rollout_change *out);
void rollout_on_result(const struct rollout *r, size_t target, const struct result *result,
                       const struct rollout_view *view, uint64_t now_ms,
                       struct rollout_change *out);

enum rollout_request { REQUEST_PAUSE, REQUEST_RESUME, REQUEST_ABORT };
void rollout_on_request(const struct rollout *r, enum rollout_request request, const char *actor,
                        const struct rollout_view *view, uint64_t now_ms,
                        struct rollout_change *out);
/* Makes a run that has not begun wait for a second person. approvers: names of users, "@group",
 * "anyone", with commas between. ERR_INVALID: nobody else than its starter is among them. */
enum error_code rollout_ask_approval(struct rollout *r, const char *approvers, uint64_t within_ms,
                                     int64_t wall_ms, struct error *err);
/* ERR_STATE: it is not waiting, or its time is over. ERR_DENIED: not by this one. in_group NULL:
 * there are no groups. */
enum error_code rollout_may_approve(const struct rollout *r, const char *actor,
                                    bool (*in_group)(void *ctx, const char *user,
                                                     const char *group),
                                    void *ctx, int64_t wall_ms, struct error *err);
/* It may. The run begins once this is durable. */
void rollout_approve(const struct rollout *r, const char *actor, struct rollout_change *out);

/* A person sets other options while it runs; they count from the next step on. What the targets
 * carry already (waves, order) is not looked at. The caller has checked them. */
void rollout_on_set(const struct rollout *r, const struct rollout_options *options,
                    struct rollout_change *out);
/* A cause that the caller sees (silence, store, fence) comes or goes. */
void rollout_set_pause(const struct rollout *r, enum pause_cause cause, bool on,
                       struct rollout_change *out);
/* A person settles an unknown target: as DONE, FAILED or OUTCOME_UNHEARD (not executed). */
void rollout_resolve(const struct rollout *r, size_t target, enum outcome as, const char *actor,
                     const struct rollout_view *view, uint64_t now_ms, struct rollout_change *out);

/* Those who held the server give it back, in time or late: it has to prove itself, and is put back.
 * failed: what they did failed, and so does the target, whatever the probe says. `what` is a
 * sentence. Any == false: it is not in their hands. */
void rollout_on_release(const struct rollout *r, size_t target, bool failed, const char *what,
                        uint64_t now_ms, struct rollout_change *out);

/* The server's agent has another journal than the one the target's command was given to: nothing
 * that it says of that command settles it any more, a person does. */
void rollout_on_new_journal(const struct rollout *r, size_t target, uint64_t now_ms,
                            struct rollout_change *out);

/* The target's machine has started anew: what its gate has seen until now was seen of the former
 * boot and proves nothing, even if it is being put back already. */
void rollout_on_new_boot(const struct rollout *r, size_t target, uint64_t now_ms,
                         struct rollout_change *out);

void rollout_install(struct rollout *r, const struct rollout_change *change);
/* It could not be saved and is thrown away: what it was decided on is asked again soon, not after
 * the time that a lost answer is waited for. */
void rollout_throw_away(struct rollout *r, const struct rollout_change *change);

/* After loading from the store: what is not saved begins anew at now_ms. */
void rollout_restart(struct rollout *r, uint64_t now_ms);
/* We slept: nobody could be asked. What was asked is asked again, and deadlines come later by so
 * much, not anew: who sleeps all the time comes to them as well. Those who hold a server had all
 * that time. */
void rollout_woke(struct rollout *r, uint64_t later_ms);

struct rollout_counts {
    uint32_t total, waiting, active, done, nothing, skipped, failed, unknown, aborted;
};
void rollout_count(const struct rollout *r, struct rollout_counts *out);
uint32_t rollout_wave_count(const struct rollout *r); /* at least 1 */

/* Does a retry of this run take the target up again: failed, aborted, never begun or not reached?
 * What was left out on purpose, or had nothing to do, stays out. */
bool rollout_is_left(const struct rollout *r, const struct rollout_target *t);

/* start and undrain only give back: they never wait for a budget and need no drain. */
bool rollout_action_restores(enum rollout_action action);
/* It ends with the pool, or the whole server, down: a probe that passes is no proof of it. */
bool rollout_action_stops(enum rollout_action action);
bool rollout_action_of_services(enum rollout_action action);
/* What an agent is asked to do for it; VERB_NONE: nothing. */
enum verb rollout_action_verb(enum rollout_action action);
/* Of a server as a whole: no pool is named. */
bool rollout_action_of_server(enum rollout_action action);
/* It changes configuration, which servers may share. */
bool rollout_action_configures(const struct rollout *r);
/* The act is somebody else's. */
bool rollout_action_by_others(enum rollout_action action);
bool run_state_ended(enum run_state state);
bool target_state_ended(enum target_state state);
const char *rollout_action_name(enum rollout_action action);
const char *run_state_name(enum run_state state); /* without regard to pausing */
const char *target_state_name(enum target_state state);
const char *pause_cause_name(enum pause_cause cause);
const char *presence_name(enum presence presence);
const char *trouble_name(enum trouble kind); /* failed, gate-failed, unreachable, unknown */
const char *trouble_noun(enum trouble kind); /* "failed gate", for sentences */

/* Sets all kinds to bear `max` and then do that, but unknown ones to pause at once. */
void rollout_policies(struct rollout_options *o, enum on_failure then, uint32_t max);
/* "stops after the 3rd failure; pauses after the 1st unknown outcome" */
const char *rollout_rule(const struct rollout_options *o, char *out, size_t size);

struct rollout *rollout_new(size_t target_count); /* zeroed; targets in the same life */
void rollout_free(struct rollout *r);

#endif
