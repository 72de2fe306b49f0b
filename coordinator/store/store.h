/* store.h - what must survive: runs, targets, commands, leases, incidents, audit, fence.
 *
 * state.db, SQLite, synchronous=FULL: decisions read this file alone, and a disruptive step is in
 * it before its command leaves. Everything is written between store_begin and store_commit, one
 * transaction per change, with its audit row and its outbox rows. Once a failure is told inside a
 * transaction, later calls in it do nothing and store_commit fails and rolls back. Used by the
 * brain thread alone; blocks for the disk. Structs are filled from rows and owned by the caller.
 */
#ifndef FARMHAND_COORDINATOR_STORE_H
#define FARMHAND_COORDINATOR_STORE_H

#include "common/error.h"
#include "coordinator/core/incident.h"
#include "coordinator/core/rollout.h"
#include "coordinator/enrol/member.h"
#include "coordinator/store/audit_chain.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct store_spec {
    const char *path;
    const char *vfs;         /* NULL: the system's; the simulator's own */
    struct wire_id instance; /* random, of this start */
    int64_t wall_ms;
};

/* Opens, checks, migrates, and takes a new fence (number + 1, instance), durably. */
enum error_code store_open(const struct store_spec *spec, struct store **out,
                           struct fence *out_fence, struct error *err);
void store_close(struct store *s);

/* Everything below that writes must stand between these. A begin that failed counts as a failure
 * inside; reading never does. */
/* A person's takeover: this instance goes on under a higher number. Inside a transaction. */
enum error_code store_write_fence(struct store *s, const struct fence *fence, int64_t wall_ms,
                                  struct error *err);

/* Frozen: agents know `number`, which is above ours; `why` is the sentence for people. {0}: not.
 * It outlives restarts. Saved inside a transaction. */
struct store_freeze {
    uint64_t number;
    char why[256];
};
enum error_code store_save_freeze(struct store *s, const struct store_freeze *freeze,
                                  struct error *err);
enum error_code store_load_freeze(struct store *s, struct store_freeze *out, struct error *err);

enum error_code store_begin(struct store *s, struct error *err);
enum error_code store_commit(struct store *s, struct error *err);
void store_rollback(struct store *s);
/* A write that changes nothing, to learn whether the store can be written again. */
enum error_code store_probe(struct store *s, struct error *err);

/* Runs. store_insert_run gives the run its id and writes all targets. */
enum error_code store_insert_run(struct store *s, struct rollout *run, struct error *err);
enum error_code store_save_run(struct store *s, const struct rollout *run, struct error *err);
enum error_code store_save_target(struct store *s, uint64_t run,
                                  const struct rollout_target *target, struct error *err);
/* Runs that have not ended, oldest first; each is handed to `each`, which owns it. */
enum error_code store_load_open_runs(struct store *s, void (*each)(void *arg, struct rollout *run),
                                     void *arg, struct error *err);
/* Any run, ended ones too; ERR_NOT_FOUND. */
enum error_code store_load_run(struct store *s, uint64_t id, struct rollout **out,
                               struct error *err);
/* The run that takes up what that one left; *out 0: none does. Of several the newest. */
enum error_code store_find_retry(struct store *s, uint64_t run, uint64_t *out, struct error *err);
/* Newest first, without targets but with counts. */
struct store_run_row {
    struct rollout run; /* targets NULL */
    struct rollout_counts counts;
};
enum error_code store_list_runs(struct store *s, size_t limit,
                                void (*each)(void *arg, const struct store_run_row *row), void *arg,
                                struct error *err);

/* The story of a run, kept for good and only added to: steps of its targets in the order in which
 * they were made, and the plan as it was shown (JSON, NULL: none was kept; free() it). */
struct store_step {
    uint64_t run;
    uint32_t place; /* of the target */
    int64_t wall_ms;
    enum target_state from, to;
    char text[2 * ROLLOUT_STEP_MAX + 32];
};
enum error_code store_add_step(struct store *s, const struct store_step *step, struct error *err);
enum error_code store_load_steps(struct store *s, uint64_t run,
                                 void (*each)(void *arg, const struct store_step *step), void *arg,
                                 struct error *err);
enum error_code store_save_plan(struct store *s, uint64_t run, const char *json, struct error *err);
enum error_code store_load_plan(struct store *s, uint64_t run, char **out, struct error *err);

/* Leases: (server, pool), pool "" is the whole server and excludes every other of that server.
 * Owner is a run's target or an incident. ERR_EXISTS names the holder: "web01, pool Shop is held by
 * run 7". Moving one that is not there is ERR_NOT_FOUND, dropping it is fine. */
enum lease_owner { LEASE_RUN = 1, LEASE_INCIDENT = 2 };
struct lease {
    char server[WIRE_NAME_MAX];
    char pool[WIRE_NAME_MAX];
    enum lease_owner owner;
    uint64_t owner_id;
    int64_t since_wall_ms;
};
enum error_code store_take_lease(struct store *s, const struct lease *lease, struct error *err);
enum error_code store_move_lease(struct store *s, const char *server, const char *pool,
                                 enum lease_owner owner, uint64_t owner_id, struct error *err);
enum error_code store_drop_lease(struct store *s, const char *server, const char *pool,
                                 struct error *err);
enum error_code store_load_leases(struct store *s, void (*each)(void *arg, const struct lease *l),
                                  void *arg, struct error *err);

/* Commands: written as sent, in the transaction of the step that gives them. */
struct store_command {
    struct command_id id;
    char server[WIRE_NAME_MAX];
    char pool[WIRE_NAME_MAX];
    enum verb verb;
    uint64_t run;
    uint32_t target_order;
    int64_t sent_wall_ms;
    enum outcome outcome; /* OUTCOME_NONE until its result came */
};
/* The caller numbers: ERR_EXISTS if this agent was given that id before. */
enum error_code store_insert_command(struct store *s, const struct store_command *c,
                                     struct error *err);
/* ERR_NOT_FOUND if it was never sent by this store; that alone does not fail the transaction. */
enum error_code store_end_command(struct store *s, const char *server, const struct command_id *id,
                                  enum outcome outcome, struct error *err);
/* ERR_NOT_FOUND if it was never sent by this store. */
enum error_code store_find_command(struct store *s, const char *server, const struct command_id *id,
                                   struct store_command *out, struct error *err);

/* Incidents, see incident.h. Opening gives the id. */
enum error_code store_open_incident(struct store *s, struct incident *incident, struct error *err);
enum error_code store_close_incident(struct store *s, uint64_t id, int64_t wall_ms, const char *how,
                                     struct error *err);
/* Phase, rung, run and what else changes in an open one's life; not its places. */
enum error_code store_save_incident(struct store *s, const struct incident *incident,
                                    struct error *err);
/* Its places alone. */
enum error_code store_save_places(struct store *s, const struct incident *incident,
                                  struct error *err);
enum error_code store_load_open_incidents(struct store *s,
                                          void (*each)(void *arg, const struct incident *i),
                                          void *arg, struct error *err);
/* Closed ones too, newest first, those opened since then; closed_how of a closed one stands in
 * `why`. */
enum error_code store_list_incidents(struct store *s, int64_t since_wall_ms, size_t limit,
                                     void (*each)(void *arg, const struct incident *i), void *arg,
                                     struct error *err);
enum error_code store_find_incident(struct store *s, uint64_t id, struct incident *out,
                                    struct error *err);
/* Their stories, kept for good and only added to; but evidence is forgotten when it is old. */
enum error_code store_add_note(struct store *s, const struct incident_note *note,
                               struct error *err);
enum error_code store_load_notes(struct store *s, uint64_t incident,
                                 void (*each)(void *arg, const struct incident_note *note),
                                 void *arg, struct error *err);
/* Notes of one kind over all incidents since then, oldest first, each with its incident. */
enum error_code store_recent_notes(struct store *s, const char *kind, int64_t since_wall_ms,
                                   void (*each)(void *arg, const struct incident *i,
                                                const struct incident_note *note),
                                   void *arg, struct error *err);

/* Forgets evidence of closed incidents from before then, some rows at a time, in a transaction of
 * its own; *more: there is more. */
enum error_code store_forget_evidence(struct store *s, int64_t before_wall_ms, bool *more,
                                      struct error *err);

/* Servers that were ever seen, or declared. */
struct store_server {
    char name[WIRE_NAME_MAX];
    struct wire_id incarnation; /* of the journal that is approved */
    int64_t first_seen_wall_ms;
    int64_t declared_out_until_ms; /* wall; 0: not */
    char declared_out_reason[256];
    char declared_out_by[128];
    char blocked_why[160]; /* two machines speak under its name; "": not */
};
enum error_code store_save_server(struct store *s, const struct store_server *server,
                                  struct error *err);
enum error_code store_drop_server(struct store *s, const char *name, struct error *err);
enum error_code store_load_servers(struct store *s,
                                   void (*each)(void *arg, const struct store_server *server),
                                   void *arg, struct error *err);

/* A person asked that nobody touches this server until then, whatever they want of it. */
struct store_maintenance {
    char server[WIRE_NAME_MAX];
    int64_t until_ms; /* wall; 0: no longer */
    char reason[256];
    char by[128];
};
enum error_code store_save_maintenance(struct store *s, const struct store_maintenance *m,
                                       struct error *err);
enum error_code store_load_maintenance(struct store *s,
                                       void (*each)(void *arg, const struct store_maintenance *m),
                                       void *arg, struct error *err);

/* A pool that a run stopped so that it stays stopped, until one starts it. */
struct kept_pool {
    char server[WIRE_NAME_MAX];
    char pool[WIRE_NAME_MAX]; /* "": the web services of the server as a whole */
    uint64_t run;
    char actor[128], reason[512];
    int64_t since_wall_ms;
    /* Services that others had disabled before: no agent knows how WAS was started, so that a start
     * takes --enable. */
    bool found_down;
    /* as it was when it was last seen stopped: another boot or another WAS, and it is checked */
    struct wire_id boot;
    uint32_t was_pid;
    int64_t checked_wall_ms; /* seen stopped after a restart of WAS or a boot; 0: not yet */
    int64_t back_wall_ms;    /* something brought it back; 0: it is stopped */
    char back_how[160];
};
enum error_code store_save_kept(struct store *s, const struct kept_pool *k, struct error *err);
enum error_code store_drop_kept(struct store *s, const char *server, const char *pool,
                                struct error *err);
enum error_code store_load_kept(struct store *s, void (*each)(void *arg, const struct kept_pool *k),
                                void *arg, struct error *err);

/* Settings of a pool as they were before runs changed them. */
struct former {
    char server[WIRE_NAME_MAX];
    char pool[WIRE_NAME_MAX];
    uint64_t run;
    char settings[WIRE_TEXT_MAX]; /* "": none are kept any more */
};
enum error_code store_save_former(struct store *s, const struct former *f, struct error *err);
enum error_code store_load_former(struct store *s, void (*each)(void *arg, const struct former *f),
                                  void *arg, struct error *err);

/* What acts of that kind took on targets that were done, newest first. */
struct store_time {
    char server[WIRE_NAME_MAX];
    char pool[WIRE_NAME_MAX];
    int64_t started_wall_ms, ended_wall_ms;
    uint32_t gap_ms, probe_ms;
};
enum error_code store_load_times(struct store *s, enum rollout_action action, size_t limit,
                                 void (*each)(void *arg, const struct store_time *t), void *arg,
                                 struct error *err);

/* Audit and events in one: everything that history wants goes through the outbox, in the same
 * transaction, numbered without gaps. */
struct event {
    uint64_t seq; /* given by the store */
    int64_t wall_ms;
    const char *kind;                                     /* "target.state", ... see API.md */
    uint64_t run;                                         /* 0: none */
    const char *server, *pool, *actor, *text, *from, *to; /* NULL: none */
};
enum error_code store_add_event(struct store *s, struct event *event, struct error *err);
/* Who did what and why: also kept in state.db for good. Its number and its hash are given here;
 * origin NULL: as store_audit_origin says; before and after NULL: nothing to tell; result NULL:
 * "done". */
enum error_code store_add_audit(struct store *s, const struct audit_row *said, struct error *err);
/* Where the words of the next rows come from: "192.0.2.7", "socket"; "": from ourselves. */
void store_audit_origin(struct store *s, const char *origin);
const char *store_audit_origin_now(const struct store *s); /* lent until it is another */
/* Told of each row once it is there for good; lent for the call. */
void store_on_audit(struct store *s, void (*told)(void *arg, const struct audit_row *row),
                    void *arg);
/* Rows above `after`, oldest first, lent for the call; and the highest number ever given: where
 * rows at the end are missing it is more than the last one's. */
enum error_code store_load_audit(struct store *s, uint64_t after, size_t limit,
                                 void (*each)(void *arg, const struct audit_row *row), void *arg,
                                 struct error *err);
enum error_code store_audit_last(struct store *s, uint64_t *out_id, struct error *err);
/* Outbox rows above `after`, oldest first; at most `limit`. */
enum error_code store_outbox(struct store *s, uint64_t after, size_t limit,
                             void (*each)(void *arg, const struct event *event), void *arg,
                             struct error *err);
/* Rows up to and with `seq` are in history.db, synced: forget them. Also outside a transaction. */
enum error_code store_outbox_done(struct store *s, uint64_t seq, struct error *err);

/* The number of the newest event; 0: there was none. */
enum error_code store_last_event(struct store *s, uint64_t *out_seq, struct error *err);
/* Events up to and with `seq` are in history.db already, whatever this file remembers (it was put
 * back from a backup): the next one gets a higher number. A transaction of its own. */
enum error_code store_pass_events(struct store *s, uint64_t seq, struct error *err);

/* Notices: rows for those who are to be told of events elsewhere, written with the event by
 * store_add_event, or with the row of the audit trail by store_add_audit. `rules` are lent for the
 * store's life; before the first event. */
struct store_notice_rule {
    const char *name;
    uint32_t kinds; /* bits 1 << enum notice_kind */
};
void store_notify(struct store *s, const struct store_notice_rule *rules, size_t count);
/* One by hand, inside a transaction: a test. */
enum error_code store_add_notice(struct store *s, const char *name, const char *kind,
                                 const struct event *event, struct error *err);
struct store_notice {
    uint64_t id;
    const char *name, *kind;
    struct event event; /* its words; kind and seq are not given */
    uint64_t audit;     /* the row of the audit trail that it tells; 0: none */
};
/* Those above `after`, oldest first; lent for the call. */
enum error_code store_load_notices(struct store *s, uint64_t after,
                                   void (*each)(void *arg, const struct store_notice *n), void *arg,
                                   struct error *err);
/* ERR_NOT_FOUND. `each` is called once, with what is lent for the call. */
enum error_code store_find_notice(struct store *s, uint64_t id,
                                  void (*each)(void *arg, const struct store_notice *n), void *arg,
                                  struct error *err);
/* Delivered or given up. A transaction of its own unless one is open. */
enum error_code store_drop_notice(struct store *s, uint64_t id, struct error *err);
enum error_code store_last_notice(struct store *s, uint64_t *out_id, struct error *err);

/* Who belongs to the farm (enrol.h). Saving replaces the row of that id, name or key. */
enum error_code store_save_join_right(struct store *s, const struct join_right *right,
                                      struct error *err);
enum error_code store_load_join_rights(struct store *s,
                                       void (*each)(void *arg, const struct join_right *right),
                                       void *arg, struct error *err);
enum error_code store_save_member(struct store *s, const struct member *member, struct error *err);
enum error_code store_load_members(struct store *s,
                                   void (*each)(void *arg, const struct member *member), void *arg,
                                   struct error *err);
enum error_code store_save_joining(struct store *s, const struct joining *joining,
                                   struct error *err);
enum error_code store_drop_joining(struct store *s, const char *key, struct error *err);
enum error_code store_load_joining(struct store *s,
                                   void (*each)(void *arg, const struct joining *joining),
                                   void *arg, struct error *err);

/* People who come from afar (operators.h). */
enum error_code store_save_operator(struct store *s, const struct operator_right *right,
                                    struct error *err);
enum error_code store_load_operators(struct store *s,
                                     void (*each)(void *arg, const struct operator_right *right),
                                     void *arg, struct error *err);

/* Online copy into a new file (ERR_EXISTS if it is there); not within a transaction. */
enum error_code store_backup(struct store *s, const char *path, struct error *err);

#endif
