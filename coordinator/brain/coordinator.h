/* coordinator.h - the brain of the centre: event -> decide -> save -> send.
 *
 * Owns fleet, runs, leases, incidents and commands in memory, mirrors of what stands in the store.
 * Knows no socket, no clock and no JSON: time comes with each call, the outside is a table of
 * functions (ports), so that the simulator can run it as it is. One thread. Blocks only for the
 * store.
 */
#ifndef FARMHAND_COORDINATOR_COORDINATOR_H
#define FARMHAND_COORDINATOR_COORDINATOR_H

#include "common/error.h"
#include "coordinator/core/budget.h"
#include "coordinator/core/fleet.h"
#include "coordinator/core/plan.h"
#include "coordinator/core/remedy.h"
#include "coordinator/core/rollout.h"
#include "coordinator/core/windows.h"
#include "coordinator/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How to answer one request of an agent; opaque here, by value (see link.h). */
struct coordinator_peer {
    uint32_t pipe;
    uint8_t bytes[80];
    uint32_t len;
};

struct coordinator_ports {
    void *ctx;
    /* Answer a request. It may be lost without a word. */
    void (*reply)(void *ctx, const struct coordinator_peer *to,
                  const struct coordinator_message *message);
    void (*close_pipe)(void *ctx, uint32_t pipe); /* of a silent peer */
    /* Ask the balancer; false: not now. NULL: there is no balancer. */
    bool (*balancer)(void *ctx, const struct balancer_request *request);
    /* Where would (server, pool) stand in rotation? 0: nowhere. NULL: no balancer. */
    size_t (*map)(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                  size_t max);
    /* Is that balancer one that reads the agents' keep-alive files, and how long after a change
     * has its check seen it at the latest? NULL: there is none. */
    bool (*keepalive)(void *ctx, const char *balancer, uint64_t *check_ms);
    /* Is that user in that group of this machine? NULL: there are no groups. */
    bool (*in_group)(void *ctx, const char *user, const char *group);
    void (*random_id)(void *ctx, struct wire_id *out);
    /* An event was made (durably, except those of kind target.step): for those who follow. */
    void (*event)(void *ctx, const struct event *event);
    /* A report of this server was taken: for samples. NULL: nobody keeps any. */
    void (*seen)(void *ctx, const struct fleet_server *server, int64_t wall_ms);
};

struct coordinator_spec {
    struct store *store; /* borrowed */
    struct fence fence;  /* as store_open gave it */
    struct coordinator_ports ports;
    uint64_t silent_after_ms;
    uint64_t settle_ms;
    uint64_t hold_max_ms;             /* others may have a server so long; 0: as long as asked */
    struct budget_rule budget;        /* of the default group */
    const struct budget_rule *groups; /* the others; lent, with their strings */
    size_t group_count;
    struct rollout_options defaults;
    const struct windows *windows; /* when runs may do something; NULL: always. Lent */
    const char *own_server; /* this coordinator runs on it; NULL: on none of the farm. Lent */
    const struct remedy_rule *rules; /* of remediation; lent, see coordinator_take_rules */
    size_t rule_count;
    struct remedy_guards guards;
    uint64_t now_ms;
    int64_t wall_ms;
};

struct coordinator;

/* Loads servers, open runs, leases and incidents; runs go on where they were. */
enum error_code coordinator_open(const struct coordinator_spec *spec, struct coordinator **out,
                                 struct error *err);
void coordinator_close(struct coordinator *c);

/* Labels from the configuration; before the first event. They must outlive the coordinator. */
void coordinator_declare_server(struct coordinator *c, const char *name,
                                const struct selector_label *labels, size_t count);

/* ---- events; each ends with everything saved and sent that follows from it ---- */

/* Takes ownership of the message (codec_free_agent). */
void coordinator_on_agent(struct coordinator *c, struct agent_message *message,
                          const struct coordinator_peer *from, const char *address, uint64_t now_ms,
                          int64_t wall_ms);
void coordinator_on_pipe_gone(struct coordinator *c, uint32_t pipe, uint64_t now_ms,
                              int64_t wall_ms);
void coordinator_on_balancer(struct coordinator *c, const struct balancer_answer *answer,
                             uint64_t now_ms, int64_t wall_ms);
void coordinator_on_time(struct coordinator *c, uint64_t now_ms, int64_t wall_ms);
/* When coordinator_on_time is next needed. */
uint64_t coordinator_wake_ms(const struct coordinator *c, uint64_t now_ms);

/* An event of somebody else in this program, kept and told like any. */
void coordinator_tell(struct coordinator *c, const struct event *event, uint64_t now_ms,
                      int64_t wall_ms);

/* ---- what operators ask; actor is never empty ---- */

/* A plan becomes a run; ERR_EXISTS names who holds which server; ERR_UNAVAILABLE: the store or
 * settling. On success *out_id is the run's. */
enum error_code coordinator_start_run(struct coordinator *c, const struct plan_request *request,
                                      uint64_t now_ms, int64_t wall_ms, uint64_t *out_id,
                                      struct error *err);
enum error_code coordinator_request(struct coordinator *c, uint64_t run, enum rollout_request what,
                                    const char *actor, const char *reason, uint64_t now_ms,
                                    int64_t wall_ms, struct error *err);
/* A second person lets it begin; see rollout_may_approve. */
enum error_code coordinator_approve(struct coordinator *c, uint64_t run, const char *actor,
                                    const char *reason, uint64_t now_ms, int64_t wall_ms,
                                    struct error *err);
/* Somebody who is known asked for what they may not: a row of the audit trail. */
void coordinator_refused(struct coordinator *c, const char *actor, const char *what,
                         const char *why, uint64_t now_ms, int64_t wall_ms);
/* Other options for a run that is going on; `was` and `is` tell those that differ, for the audit
 * trail: "batch 1", "batch 3". */
enum error_code coordinator_set(struct coordinator *c, uint64_t run,
                                const struct rollout_options *options, const char *was,
                                const char *is, const char *actor, const char *reason,
                                uint64_t now_ms, int64_t wall_ms, struct error *err);
enum error_code coordinator_resolve(struct coordinator *c, uint64_t run, const char *server,
                                    enum outcome as, const char *actor, const char *reason,
                                    uint64_t now_ms, int64_t wall_ms, struct error *err);
enum error_code coordinator_declare_out(struct coordinator *c, const char *server, uint64_t for_ms,
                                        const char *actor, const char *reason, uint64_t now_ms,
                                        int64_t wall_ms, struct error *err);
/* Nobody touches this server for so long: runs skip it and say so. for_ms 0: no longer. */
enum error_code coordinator_maintenance(struct coordinator *c, const char *server, uint64_t for_ms,
                                        const char *actor, const char *reason, uint64_t now_ms,
                                        int64_t wall_ms, struct error *err);
/* Holds: the server of the request (action HOLD) is taken like any target, and is somebody else's
 * until its token, or its name, releases it. `token` is told once: only its hash is kept. */
#define HOLD_TOKEN_MAX 33
enum error_code coordinator_start_hold(struct coordinator *c, const struct plan_request *request,
                                       uint64_t now_ms, int64_t wall_ms, uint64_t *out_run,
                                       char token[HOLD_TOKEN_MAX], struct error *err);
struct hold_release {
    const char *token;  /* or */
    const char *server; /* "" */
    bool failed;        /* what was done there failed */
};
/* The run that would be released; NULL: there is none. Lent until the next event. */
const struct rollout *coordinator_find_hold(const struct coordinator *c,
                                            const struct hold_release *release);
/* One that is not in their hands yet is given up. ERR_NOT_FOUND: no such hold; ERR_STATE: it is
 * given back already. */
enum error_code coordinator_release_hold(struct coordinator *c, const struct hold_release *release,
                                         const char *actor, const char *reason, uint64_t now_ms,
                                         int64_t wall_ms, uint64_t *out_run, struct error *err);
/* Out of rotation and left alone, with an incident: by a run, as budget and balancer allow. for_ms
 * 0: until coordinator_release. */
enum error_code coordinator_quarantine(struct coordinator *c, const char *server, uint64_t for_ms,
                                       const char *actor, const char *reason, uint64_t now_ms,
                                       int64_t wall_ms, struct error *err);
/* It may do what it proposes, and past the brakes that call a person; other guards stay. */
enum error_code coordinator_approve_incident(struct coordinator *c, uint64_t id, const char *actor,
                                             const char *reason, uint64_t now_ms, int64_t wall_ms,
                                             struct error *err);
/* Other rules and guards from now on, lent like those before, which are needed no more; a row of
 * the audit trail for each that differs, open incidents as remedy_reconsider has it. On failure
 * those before stay in force. */
enum error_code coordinator_take_rules(struct coordinator *c, const struct remedy_rule *rules,
                                       size_t count, const struct remedy_guards *guards,
                                       const char *actor, const char *reason, uint64_t now_ms,
                                       int64_t wall_ms, struct error *err);
/* A piece of the dump that belongs to the evidence, from byte `at` on: *out is lent until the next
 * event, NULL: its agent was asked, try again in a moment. Pieces come in order, from 0 on, to
 * who began: the audit trail has that it began, and what left (bytes and hash) when it is whole, or
 * was left for another: a dump holds secrets. */
struct coordinator_piece {
    uint64_t incident, at;
    uint64_t bytes; /* of the whole dump */
    char *hex;      /* NULL: it cannot be had, `why` */
    char why[256];
};
enum error_code coordinator_fetch_dump(struct coordinator *c, const struct incident *n,
                                       const char *dump, uint64_t at, const char *actor,
                                       const char *reason, uint64_t now_ms, int64_t wall_ms,
                                       const struct coordinator_piece **out, struct error *err);
enum error_code coordinator_dismiss_incident(struct coordinator *c, uint64_t id, const char *actor,
                                             const char *reason, uint64_t now_ms, int64_t wall_ms,
                                             struct error *err);
/* What a plan would come to, asked of every agent that can be asked; nothing is changed. Kept for a
 * minute or so, in memory alone. */
struct rehearsed {
    bool answered;
    enum outcome would; /* DONE, NOTHING, REFUSED; NONE: it said nothing of it */
    enum cause cause;
    char text[ROLLOUT_STEP_MAX];
    char *settings; /* SET: as they are now; NULL */
};
enum error_code coordinator_rehearse(struct coordinator *c, const struct plan_request *request,
                                     uint64_t now_ms, int64_t wall_ms, uint64_t *out_id,
                                     struct error *err);
/* false: there is none such any more. *plan and *answers (of each target) are lent. */
bool coordinator_rehearsal(const struct coordinator *c, uint64_t id, const struct rollout **plan,
                           const struct rehearsed **answers, bool *complete);
bool coordinator_has_former(const struct coordinator *c, const char *server, const char *pool);
/* This coordinator is the one: it goes on under a fence above every one that agents know, and runs
 * ask journals what became of their commands. ERR_STATE: it is not frozen. */
enum error_code coordinator_takeover(struct coordinator *c, const char *actor, const char *reason,
                                     uint64_t now_ms, int64_t wall_ms, struct error *err);
/* Ends quarantine (approving the journal that asks) and declare-out. */
enum error_code coordinator_release(struct coordinator *c, const char *server, const char *actor,
                                    const char *reason, uint64_t now_ms, int64_t wall_ms,
                                    struct error *err);

/* A server that left the farm is forgotten. ERR_BUSY names who still holds it: then nothing is
 * changed. ERR_NOT_FOUND: there is none of that name. */
enum error_code coordinator_drop_server(struct coordinator *c, const char *server,
                                        const char *actor, const char *reason, uint64_t now_ms,
                                        int64_t wall_ms, struct error *err);

/* ---- for views; lent until the next event ---- */

const struct fleet *coordinator_fleet(const struct coordinator *c);
size_t coordinator_run_count(const struct coordinator *c); /* not ended */
const struct rollout *coordinator_run_at(const struct coordinator *c, size_t index);
const struct rollout *coordinator_run_find(const struct coordinator *c, uint64_t id);
size_t coordinator_incident_count(const struct coordinator *c);
const struct incident *coordinator_incident_at(const struct coordinator *c, size_t index);
/* Pools that are to stay stopped. */
size_t coordinator_kept_count(const struct coordinator *c);
const struct kept_pool *coordinator_kept_at(const struct coordinator *c, size_t index);
/* "run 7" or "incident 3", NULL: nobody. pool NULL: any lease of that server. */
const char *coordinator_holder(const struct coordinator *c, const char *server, const char *pool);
/* The groups of the budget, as configured; the last is the default one (group NULL), which may have
 * no member. pool NULL: of servers as a whole. Members are valid until the next event. */
size_t coordinator_budget_count(const struct coordinator *c);
void coordinator_budget(const struct coordinator *c, size_t index, const char *pool,
                        uint64_t now_ms, struct budget *out);
/* As many as may be out at the same time in all groups of the plan's targets together. */
uint32_t coordinator_budget_room(const struct coordinator *c, const struct rollout *plan);
bool coordinator_in_budget(const struct coordinator *c, size_t index, const char *server);
/* Would every group that the server is in have room now for what takes it out as a whole? On no,
 * `why` names group and spenders. */
bool coordinator_may_take(const struct coordinator *c, const char *server, uint64_t now_ms,
                          char *why, size_t why_size);
/* What would happen to a target of a plan if its run began now: by its server and pool, by who has
 * that server, and by the budget. */
void coordinator_foresee(const struct coordinator *c, const struct rollout *plan, size_t target,
                         uint64_t now_ms, struct plan_target *out);
const struct remedy *coordinator_remedy(const struct coordinator *c);
const struct rollout_options *coordinator_defaults(const struct coordinator *c);
const struct windows *coordinator_windows(const struct coordinator *c); /* NULL: none */
uint64_t coordinator_hold_max_ms(const struct coordinator *c);
const char *coordinator_own_server(const struct coordinator *c); /* NULL: none */
bool coordinator_settling(const struct coordinator *c, uint64_t now_ms);
struct fence coordinator_fence(const struct coordinator *c);
const char *coordinator_store_trouble(const struct coordinator *c); /* NULL: fine */
const char *coordinator_frozen(const struct coordinator *c);        /* NULL: not */

#endif
