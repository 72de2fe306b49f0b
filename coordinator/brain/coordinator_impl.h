/* coordinator_impl.h - shared by the coordinator_*.c files alone.
 *
 * coordinator.c          life, time, what views ask
 * coordinator_agents.c   sessions: parked listens, commands under way, what agents say
 * coordinator_runs.c     a change of a run: save, install, perform
 * coordinator_world.c    the world beyond a run, as rollout is shown it
 * coordinator_rotation.c places that are the agents' keep-alive files
 * coordinator_budget.c   the groups of the budget
 * coordinator_mend.c     drains of ours that a balancer forgot
 * coordinator_store.c    transactions, leases, incidents, events; what is done when it cannot write
 * coordinator_story.c    each step of each target, kept for good
 * coordinator_ops.c      what operators ask of runs, and who is in charge
 * coordinator_servers.c  what people say of servers
 * coordinator_hold.c     servers in the hands of others
 * coordinator_kept.c     pools that are to stay stopped
 * coordinator_rehearse.c what a plan would come to, asked of the agents
 * coordinator_warm.c     settings as they were; configuration that servers share
 * coordinator_maintenance.c  servers that nobody is to touch for a while
 * coordinator_remedy.c   remediation: decisions become rows, events and runs
 * coordinator_rules.c    other rules of remediation, while incidents are open
 * coordinator_patrol.c   pools that rules judge by probes are asked, one after another
 * coordinator_looks.c    what agents report, as remediation looks at it
 * coordinator_incidents.c what people say of incidents
 * coordinator_evidence.c what was known when an incident opened
 */
#ifndef FARMHAND_COORDINATOR_COORDINATOR_IMPL_H
#define FARMHAND_COORDINATOR_COORDINATOR_IMPL_H

#include "common/sha256.h"
#include "coordinator/brain/coordinator.h"
#include "coordinator/store/audit_words.h"

#define PARK_LIMIT_MS     18000 /* a parked listen is answered after so long, with nothing */
#define COMMAND_WINDOW_MS 10000 /* to begin a command, from when it is handed over */
/* A recovery looks for ten seconds before it believes that no site answers, and begins after. */
#define SERVICES_WINDOW_MS 45000
#define OBSERVE_STALE_MS   5000  /* an OBSERVE not yet handed over is asked anew by then */
#define QUEUE_MAX          16    /* commands under way to one agent */
#define ASK_LIFE_MS        60000 /* an answer after so long belongs to nobody */
#define REJOIN_MS          90000 /* after our start agents have so long to dial again */
#define SUSPENDED_MS       3000  /* turns come every second: a longer gap means we slept */
#define ROUND_AGAIN_MS     30000 /* ...the next one, though the last answer never came */
#define BALANCER_ROUND_MS  250   /* places are read this often, of some servers in turn... */
#define ROUND_MS           6000  /* ...so many that all were read within */
#define ROUND_READS_MAX    500   /* ...but no more; one after another, so a slow one slows itself */
#define ROUND_OLD_MS       2500  /* so old may a reading of a whole backend be for the round */

/* A command under way to one agent: waiting for its listen, or handed over and not yet confirmed.
 */
struct pending {
    struct command command; /* strings point into the run that owns it, or are "" */
    char pool[WIRE_NAME_MAX];
    char piece_of[64];
    char actor[128];
    char reason[512];
    uint64_t asked_ms;
    bool handed;
};

struct session {
    struct fleet_server *server;
    bool parked;
    struct coordinator_peer peer; /* of the parked listen */
    uint64_t request_seq, listen_no, parked_ms;
    struct wire_id boot;
    uint64_t start_no;
    uint32_t pipe;    /* of its last message */
    bool pipe_closed; /* by our sweep */
    uint64_t next_seq;
    struct pending *queue; /* QUEUE_MAX of them, oldest first */
    size_t queue_count;
};

/* Who waits for which answer. */
struct ask {
    struct wire_id nonce; /* of OBSERVE and QUERY; zero for the balancer */
    uint64_t ticket;      /* the balancer's; 0 for agents */
    uint64_t run;         /* 0: the round of places */
    uint64_t rehearsal;   /* not 0: its target */
    size_t target;
    uint64_t run_ticket;
    uint64_t at_ms;
    char server[WIRE_NAME_MAX];
    struct fleet_server *mends; /* a drain that was forgotten there is to be put right */
    bool patrol;                /* of the patrol of probes, about */
    char pool[WIRE_NAME_MAX];   /* this pool */
    uint64_t incident;          /* evidence for it; 0: none */
    bool fetches;               /* a piece of its dump, from */
    uint64_t piece_at;          /* this byte on */
    /* About the keep-alive file as well: asked of the agent first (no ticket yet), then of the
     * balancer, if there are other places. */
    bool of_file;
    enum balancer_op op;
    struct command_id id; /* of the command to the agent */
    enum keepalive file;  /* what it said, at file_ms */
    uint64_t file_age_ms, file_ms;
};

/* How many servers of a backend serve by their keep-alive files. */
struct serving_cache {
    char balancer[BALANCER_NAME_MAX], backend[BALANCER_NAME_MAX];
    uint64_t at_ms;
    uint32_t count;
};

/* A pool that is to stay stopped; `unsaved`: the store does not have it so yet. */
struct kept {
    struct kept_pool row;
    bool unsaved, dropped;
};

/* Settings as they were before a run changed them. */
struct kept_former {
    struct former row;
    bool unsaved, gone;
};

/* What would a plan come to, in the words of the agents themselves. */
#define REHEARSALS 4
struct rehearsal {
    uint64_t id; /* 0: none */
    struct rollout *plan;
    struct rehearsed *answers; /* of each target */
    size_t asked, answered;    /* asked: from the first target on */
    uint64_t begun_ms;
};

/* A group of the budget: its members, and what was seen of them in this turn. */
struct budget_group {
    struct budget_rule rule;
    uint32_t *at; /* in the fleet, ascending */
    size_t count, cap;
    bool seen;    /* its members were looked at, for `pool`, at seen_ms */
    bool changed; /* one of them since the budget was made */
    uint64_t seen_ms, turn;
    char pool[WIRE_NAME_MAX];
    struct budget_member *members;
    char (*whys)[96];
    char (*holders)[32];
    struct budget budget;
};

/* A person's word for the audit trail, written with the change that it brings. */
struct word {
    int64_t wall_ms;
    char origin[64]; /* whence it was asked, which is over by the time that it is written late */
    char actor[128], action[64], object[WIRE_NAME_MAX + 64], reason[512];
    char before[AUDIT_WORDS_MAX], after[AUDIT_WORDS_MAX];
    char result[AUDIT_WORDS_MAX]; /* "": done */
};

/* How much was waiting to be written. */
struct waiting {
    size_t events, words;
};

/* A dump that is being handed out; one at a time. */
struct fetch {
    uint64_t incident; /* 0: none */
    char actor[WIRE_NAME_MAX], dump[64], object[WIRE_NAME_MAX + 64], reason[256];
    uint64_t last, next, bytes; /* its last piece began there, the next does here; of all */
    struct sha256 hash;         /* of what left */
};

struct coordinator {
    struct coordinator_spec spec;
    struct fleet *fleet;
    struct rollout **runs; /* not ended, oldest first */
    size_t run_count;
    struct lease *leases;
    size_t lease_count;
    struct incident *incidents; /* open */
    size_t incident_count;
    struct kept *kept;
    size_t kept_count;
    struct kept_former **formers;
    size_t former_count;
    struct rehearsal rehearsals[REHEARSALS];
    uint64_t next_rehearsal;
    struct session **sessions;
    size_t session_count;
    struct ask *asks;
    size_t ask_count;
    struct remedy_change *kills; /* by hand, of which the evidence is not asked for yet */
    size_t kill_count;
    uint64_t *unasked; /* incidents of a former life whose evidence its agent has not told */
    size_t unasked_count;
    uint64_t next_ticket; /* of the balancer */
    uint64_t turn;        /* grows with every event and change: what caches are valid for */
    uint64_t last_turn_ms;
    uint64_t fence_seen_ms; /* an agent answered under our fence what was asked then; 0: none */
    uint64_t started_ms;
    uint64_t now_ms;
    int64_t wall_ms;
    size_t round_at; /* of the round of places */
    uint64_t round_ms;
    size_t round_left; /* reads that this turn is still for */
    char store_trouble[256];
    bool unsaved; /* changes were installed that the store does not have yet */
    struct lease *unsaved_drops;
    size_t unsaved_drop_count;
    uint64_t store_retry_ms;
    char frozen[256];
    uint64_t highest_fence; /* of any agent, while frozen */
    bool freeze_unsaved;    /* the store does not have these two yet */
    char holder[96];        /* lent by coordinator_holder */
    struct remedy *remedy;
    uint64_t remedy_wait_ms; /* a run of its could not be begun: not again before */
    char remedy_detail[INCIDENT_TEXT_MAX];
    struct coordinator_piece piece; /* of a dump: the last that came */
    struct fetch fetch;
    uint64_t piece_asked_ms;
    size_t patrol_at;
    uint64_t patrol_ms;
    struct budget_group *groups; /* the default one last */
    size_t group_count;
    size_t grouped; /* so many servers were sorted into them */
    bool had_incidents;
    struct serving_cache serving;
    struct event *events; /* of this turn, not durable yet; they own their strings */
    size_t event_count;
    uint64_t events_due_ms;     /* 0: none wait */
    bool drive_more;            /* a run has more to do at once than one turn is for */
    const struct result *found; /* what a recovery found, while its result is taken; NULL */
    struct store_step *steps;   /* made while the store could not be written */
    size_t step_count;
    struct word *words; /* of this turn, or as long as the store cannot write */
    size_t word_count;
};

/* coordinator.c */
/* At the start of every event: its time, and whether the machine slept since the last. */
void turn_begin(struct coordinator *c, uint64_t now_ms, int64_t wall_ms);

/* coordinator_agents.c */
struct session *session_of(struct coordinator *c, struct fleet_server *server);
struct session *session_find(struct coordinator *c, const char *server); /* NULL: never heard */
struct command_id session_next_id(struct coordinator *c, struct session *s);
/* Queues and, if its listen is parked, hands over. false: too many are under way. */
bool session_send(struct coordinator *c, struct session *s, const struct pending *p);
void session_forget(struct coordinator *c, const char *server, const struct command_id *id);
/* Under a new fence: nothing that was under way counts any more, numbers begin anew. */
void sessions_restart(struct coordinator *c);
void sessions_on_time(struct coordinator *c);
struct ask *ask_new(struct coordinator *c);
void ask_drop(struct coordinator *c, struct ask *a);

/* coordinator_mend.c */
/* What the balancer says of a server's places: is one of ours ready again by its own forgetting? */
void mend_look(struct coordinator *c, struct fleet_server *s, const struct balancer_answer *answer);
/* The answer to a drain that was told again. */
void mend_done(struct coordinator *c, struct fleet_server *s, const struct balancer_answer *answer);
/* The question was answered; cause: what its answer said. */
void mend_fence_seen(struct coordinator *c, const struct ask *a, enum cause cause);

/* coordinator.c: the round of places */
/* may_be_ms: as in struct balancer_request. */
void read_places(struct coordinator *c, const char *server, uint32_t may_be_ms);
void round_go_on(struct coordinator *c);
uint64_t round_span_ms(const struct coordinator *c); /* after so long each was read anew */

/* coordinator_rotation.c */
/* true: some of what is asked about are files, and their agent is asked. */
bool rotation_ask(struct coordinator *c, struct rollout *r, size_t target,
                  const struct rollout_effect *effect);
/* The agent's answer to it; false: it is not. */
bool rotation_on_observation(struct coordinator *c, const struct ask *asked,
                             const struct observation *seen);
bool rotation_on_result(struct coordinator *c, const struct result *result);
/* Adds the places that are files to the balancer's answer, as the agent said. */
void rotation_add(struct coordinator *c, const struct ask *asked, struct balancer_answer *answer);
/* The round: files are known from reports. true: the balancer is to be asked as `rest` says. */
bool rotation_round(struct coordinator *c, struct fleet_server *s, struct balancer_request *rest,
                    struct ask *asked);

/* coordinator_runs.c */
void runs_drive(struct coordinator *c);
/* false: it could not be saved and was thrown away. */
bool runs_apply(struct coordinator *c, struct rollout *r, struct rollout_change *change);
void runs_set_pause(struct coordinator *c, enum pause_cause cause, bool on);
struct rollout *runs_find(const struct coordinator *c, uint64_t id);
/* Is there a balancer that has a place for it? pool "": for any pool. */
bool stands_in_rotation(const struct coordinator *c, const char *server, const char *pool);

/* coordinator_world.c */
struct rollout_view runs_view(struct coordinator *c);
const struct lease *lease_find(const struct coordinator *c, const char *server, const char *pool);
/* In quarantine, or on its way back from there: touched by nobody else. */
bool incident_is_apart(const struct incident *n);
bool incident_has_place(const struct incident *n, const struct balancer_entry *place);
/* Is that the lease of an incident which a run on (server, pool) takes over? pool "": of any pool.
 */
bool lease_passes(const struct coordinator *c, uint64_t run, const char *server, const char *pool,
                  const struct lease *lease);

/* The same of a whole server, which a start of one of its pools borrows: see lent_by. */
bool lease_lends(const struct coordinator *c, enum rollout_action action, const char *pool,
                 const struct lease *lease);
/* Is it lent now? */
bool lease_is_lent(const struct coordinator *c, const struct incident *n);

/* coordinator_remedy.c */
enum error_code remedies_open(struct coordinator *c, struct error *err);
void remedies_drive(struct coordinator *c);
/* A run that a rule asked for: does the minimum of healthy servers still let it take this one? */
bool remedies_may_take(struct coordinator *c, const struct rollout *r, const char *server,
                       const char *pool, char *why, size_t why_size);
/* Its rows, in the open transaction; its event waits for events_write. */
enum error_code remedies_write(struct coordinator *c, struct remedy_change *change,
                               struct error *err);
/* A transaction of its own. */
bool remedies_save(struct coordinator *c, struct remedy_change *change, struct error *err);
void remedies_install(struct coordinator *c, const struct remedy_change *change);
bool remedies_hold(const struct coordinator *c, uint64_t incident); /* a lease */
const char *remedies_pool_held(const struct coordinator *c, const struct incident *n);
/* The run of a change's effect. Strings are lent from c, change and reason. */
struct plan_request remedies_request(struct coordinator *c, const struct remedy_change *change,
                                     char *reason, size_t size);

/* coordinator_patrol.c */
void patrol_turn(struct coordinator *c);
void patrol_seen(struct coordinator *c, const struct ask *a, const struct observation *seen);

/* coordinator_looks.c */
void remedies_look(struct coordinator *c, const struct fleet_server *s);

/* coordinator_incidents.c */
/* In quarantine, or given up and still out; NULL: neither. */
struct incident *remedies_apart(struct coordinator *c, const char *server);
enum error_code remedies_release(struct coordinator *c, struct incident *n, const char *actor,
                                 const char *reason, struct error *err);

/* coordinator_evidence.c */
/* Executing requests, and a dump where the change wants one (of the worker that it names), asked of
 * its agent; they come as notes when it answers. */
void evidence_ask(struct coordinator *c, const struct remedy_change *change);
/* Of open incidents about which nothing was done yet, and which have no answer: it was lost with
 * the coordinator that had asked. They are asked when their agents can be. */
enum error_code evidence_open(struct coordinator *c, struct error *err);
void evidence_ask_again(struct coordinator *c);
/* What keeps the evidence before this run, a person's, ends a worker: to be written with its first
 * row. */
struct remedy_change evidence_of_kill(const struct coordinator *c, const struct rollout *run,
                                      bool dump);
/* And what its agent alone can tell, asked once, when the run begins to look at that server: not
 * before it is approved, its hours have come and maintenance is over, for a dump makes a worker
 * stand still. Before the run's own question, since agents answer in turn. Not kept over a restart.
 */
void evidence_await(struct coordinator *c, const struct remedy_change *kill);
void evidence_ask_awaited(struct coordinator *c, const struct rollout *run);
/* In the run's story, in the open transaction: where that is. */
enum error_code evidence_tell_kept(struct coordinator *c, const struct incident *n,
                                   struct error *err);
void evidence_got_piece(struct coordinator *c, const struct ask *a, const struct observation *seen);
void evidence_seen(struct coordinator *c, const struct ask *a, const struct observation *seen);
/* What the reports tell of the server and pool, as notes, in the open transaction. */
enum error_code evidence_write_known(struct coordinator *c, const struct incident *n,
                                     struct error *err);

/* coordinator_maintenance.c */
void maintenance_expire(struct coordinator *c);
enum error_code maintenance_load(struct coordinator *c, struct error *err);

/* coordinator_warm.c */
enum error_code formers_load(struct coordinator *c, struct error *err);
void formers_close(struct coordinator *c);
bool knows_former(const void *coordinator, const char *server, const char *pool); /* ops */
const char *former_of(const struct coordinator *c, const char *server, const char *pool);
enum error_code former_write(struct coordinator *c, const struct rollout *r,
                             const struct rollout_change *change, struct error *err);
void former_mirror(struct coordinator *c, const struct rollout *r,
                   const struct rollout_change *change, bool saved);
enum error_code formers_write_unsaved(struct coordinator *c, struct error *err);
void formers_saved(struct coordinator *c);
/* What a run sets there; "": nothing. Lent for good. */
const char *settings_for(const struct coordinator *c, const struct rollout *r, size_t target);
/* Do both read one configuration? As the rollout asks it. */
bool shares_configuration(void *coordinator, const char *server, const char *other);
/* Is configuration that this target's server shares being changed on another one? */
bool shared_is_in_hand(const struct coordinator *c, const struct rollout *r,
                       const struct rollout_target *t, char *why, size_t why_size);

/* coordinator_rehearse.c */
void rehearse_on_observation(struct coordinator *c, const struct ask *asked,
                             const struct observation *seen);
void rehearse_on_time(struct coordinator *c);
void rehearsals_close(struct coordinator *c);

/* coordinator_kept.c */
enum error_code kept_load(struct coordinator *c, struct error *err);
/* What the change says about a pool that is to stay stopped: in the open transaction... */
enum error_code kept_write(struct coordinator *c, const struct rollout *r,
                           const struct rollout_change *change, struct error *err);
/* ...and in memory, once it is durable, or installed all the same. */
void kept_mirror(struct coordinator *c, const struct rollout *r,
                 const struct rollout_change *change, bool saved);
enum error_code kept_write_unsaved(struct coordinator *c, struct error *err);
void kept_saved(struct coordinator *c);
/* A whole report came: is it still stopped? */
void kept_look(struct coordinator *c, const struct fleet_server *s);
/* Who took its web services down to stay down; NULL: nobody, by us. */
const struct kept_pool *kept_services(const struct coordinator *c, const char *server);

/* coordinator_ops.c */
/* The same as coordinator_start_run, within a turn; with: written in the same transaction, with the
 * run's id. */
enum error_code runs_begin(struct coordinator *c, const struct plan_request *request,
                           struct remedy_change *with, uint64_t *out_id, struct error *err);
enum error_code check_reason(const char *reason, struct error *err);
enum error_code check_writable(const struct coordinator *c, struct error *err);

/* coordinator_servers.c */
/* A person's word about a server: is there such a one, a reason, and a store that can write? */
enum error_code begin_word(struct coordinator *c, const char *server, const char *reason,
                           struct fleet_server **out, struct error *err);
void declared_out_expire(struct coordinator *c);

/* coordinator_budget.c */
void budgets_open(struct coordinator *c);
void budgets_close(struct coordinator *c);
/* As coordinator_budget, within a turn. */
void budgets_look(struct coordinator *c, size_t index, const char *pool, struct budget *out);
/* Has every group that this server is in room for it? On no, `why` names the group and who. */
bool budgets_may_take(struct coordinator *c, const char *pool, const char *server, uint32_t limit,
                      char *why, size_t why_size);
/* And would it still, were those targets of the run taken as well? */
bool budgets_have_room_beside(struct coordinator *c, const struct rollout *r,
                              const struct rollout_target *t, const size_t *ahead, size_t count);
/* May a server that is held, and serves since its drain was forgotten, be drained again? Not while
 * others are out as well: it takes capacity away like the first drain. */
bool budgets_let_drain_again(struct coordinator *c, const char *pool, const char *server, char *why,
                             size_t why_size);

/* coordinator_story.c */
/* The step that the change is, if it is one: in the open transaction... */
enum error_code story_write(struct coordinator *c, const struct rollout *r,
                            const struct rollout_change *change, struct error *err);
/* ...or kept until the store can write again. */
void story_keep(struct coordinator *c, const struct rollout *r,
                const struct rollout_change *change);
enum error_code story_write_kept(struct coordinator *c, struct error *err);
void story_kept(struct coordinator *c); /* they are durable now, or never will be */

/* coordinator_leasing.c: what a change of a run does to leases and incidents. */
struct leasing {
    bool take, inherit, drop, to_incident;
    bool incident;      /* the change asks for one */
    bool borrow;        /* an incident of the whole server lends its lease, and keeps all else */
    uint64_t give_back; /* the lease, to that one; 0: none */
    bool settles;       /* gives up a server whose pools' incidents it has taken over */
    uint64_t inherited[ROLLOUT_TAKEN_MAX]; /* incidents whose leases pass to the run */
    size_t inherited_count;
    bool own; /* `opened` is the incident that asked for the run: it is there already */
    struct incident opened; /* takes over from the run */
};
struct lease *lease_exact(const struct coordinator *c, const char *server, const char *pool);
struct leasing plan_leasing(struct coordinator *c, const struct rollout *r,
                            const struct rollout_change *change);
enum error_code write_leasing(struct coordinator *c, const struct rollout *r,
                              const struct rollout_target *t, struct leasing *l, struct error *err);
void mirror_leasing(struct coordinator *c, const struct rollout *r, const struct rollout_target *t,
                    const struct leasing *l);
void mirror_drop(struct coordinator *c, const char *server, const char *pool);
bool find_own(const struct coordinator *c, const struct rollout *r, struct incident *out);
struct incident *incident_by_id(const struct coordinator *c, uint64_t id); /* NULL: not open */
bool leasing_settles(const struct rollout *r, const struct rollout_change *change);
/* Does the incident's pool stand there, by the configuration? */
bool leasing_stands_in(const struct coordinator *c, const struct incident *n,
                       const struct balancer_entry *place);
/* The run over a whole server that has taken the incident over; 0: none. */
uint64_t leasing_taker(const struct coordinator *c, uint64_t incident);
/* Would one of that server take it over? */
bool leasing_takes(const struct coordinator *c, uint64_t run, const char *server,
                   const struct incident *n);
size_t leasing_taken(void *ctx, const struct rollout *r, const char *server,
                     uint64_t *out); /* as of struct rollout_view */

/* coordinator_store.c */
/* One transaction: leases, incident, target, run, command and the events of it. Memory mirrors of
 * leases and incidents follow only when it is durable. */
bool save_change(struct coordinator *c, struct rollout *r, struct rollout_change *change);
/* It could not be saved and only gives back: install anyway, remember that the store lags. */
void note_unsaved(struct coordinator *c, const struct rollout *r,
                  const struct rollout_change *change);
/* The server's row, with what people have said of it: in the open transaction. */
enum error_code write_server(struct coordinator *c, const struct fleet_server *s,
                             struct error *err);
void store_failed(struct coordinator *c, const struct error *err);
void store_try_again(struct coordinator *c);
/* An event to be kept: written with the next transaction, or by events_flush at the turn's end. */
void event_add(struct coordinator *c, const struct event *event);
void events_flush(struct coordinator *c);
/* As far as many came, else a little later: a farm that comes back is ten thousand events, and each
 * commit is synced. */
void events_soon(struct coordinator *c);
/* A row of the audit trail and its event, in the next transaction. run 0: about the server; server
 * NULL: about the run as a whole. before, after: see audit_words.h; NULL: there is none. */
void word_add(struct coordinator *c, const char *actor, const char *action, uint64_t run,
              const char *server, const char *reason, const char *before, const char *after);
/* The same of what a person makes of a run: to be said before the change is installed. */
void word_of_run(struct coordinator *c, const struct rollout *r,
                 const struct rollout_change *change, const char *action, const char *actor,
                 const char *reason);
struct waiting events_waiting(const struct coordinator *c);
/* What was added since then is not to be: the change failed that it tells of. */
void events_undo(struct coordinator *c, const struct waiting *since);
/* All that waits, in the open transaction; after its commit events_told. */
enum error_code events_write(struct coordinator *c, struct error *err);
void events_told(struct coordinator *c);
/* Ends the transaction that is open, if `code` is no failure, with all that waits in it; else takes
 * it back, and with it what was added since (NULL: that waits for the next one). Gives code, or
 * what failed here. */
enum error_code events_commit(struct coordinator *c, enum error_code code,
                              const struct waiting *since, struct error *err);
void events_forget(struct coordinator *c); /* frees what is left */
/* Followers only, not kept: progress. */
void event_live(struct coordinator *c, const struct event *event);
void fleet_told(void *coordinator, const struct fleet_change *change);

#endif
