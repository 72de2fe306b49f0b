/* messages.h - what agents and coordinator say to each other, as plain structs.
 *
 * The wire itself is farmhand.proto; codec.h turns one into the other and checks every bound.
 * Pure code sees only this file. Strings are valid UTF-8 without control characters, never NULL
 * ("" is "not given"); pointers lead into the message that holds them and die with it.
 *
 * The talk: an agent dials out and sends one of `struct agent_message`; each is answered by exactly
 * one `struct coordinator_message`. A LISTEN is parked by the coordinator and answered with a
 * command, or with nothing after 20 s at most. Everything else is answered at once with an ACK.
 */
#ifndef FARMHAND_PROTO_MESSAGES_H
#define FARMHAND_PROTO_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 1

/* Bounds that the codec enforces on both sides. */
#define WIRE_MESSAGE_MAX  (1024 * 1024) /* bytes of one encoded message */
#define WIRE_NAME_MAX     256    /* bytes of a name, NUL included: agent, pool, site, service */
#define WIRE_TEXT_MAX     1024   /* bytes of a sentence, NUL included */
#define WIRE_PIECE_MAX    131073 /* bytes of a piece of a dump in hex, NUL included */
#define WIRE_POOLS_MAX    2000
#define WIRE_WORKERS_MAX  4000
#define WIRE_SITES_MAX    4000
#define WIRE_SERVICES_MAX 64
#define WIRE_EVENTS_MAX   32
#define WIRE_FINDINGS_MAX 24

/* 16 random bytes: a journal's incarnation, a boot, an instance of a coordinator, a nonce. */
struct wire_id {
    uint8_t bytes[16];
};

/* A coordinator's authority: `number` grows with every start, `instance` is random. Agents remember
 * the highest and refuse a lower number, and the same number from another instance. */
struct fence {
    uint64_t number; /* 0: none yet */
    struct wire_id instance;
};

/* A command is known by its fence and a number per agent that only grows; 0: no command. */
struct command_id {
    struct fence fence;
    uint64_t seq;
};

enum verb {
    VERB_NONE,
    VERB_RECYCLE, /* disruptive where the pool cannot overlap: always treated as such */
    VERB_START,   /* restoring; sets autoStart=true unless keep_autostart */
    VERB_STOP,    /* disruptive; sets autoStart=false first unless keep_autostart */
    VERB_OBSERVE, /* reads only: fresh state of one pool, with a probe if asked; may repeat. Without
                     a pool: of the server, see struct observation */
    VERB_QUERY,   /* reads only: what the journal knows of command `about` */
    /* Of the server's web services, WAS and W3SVC and what depends on them; no pool is named. */
    VERB_SERVICE_RECOVER, /* whatever is wrong with them: they run again, or it is said why not */
    VERB_SERVICE_RESTART, /* the same from a healthy state: the safe replacement of IISRESET */
    VERB_SERVICE_STOP,    /* down on purpose, over reboots too, until SERVICE_START */
    VERB_SERVICE_START,   /* restoring; undoes SERVICE_STOP */
    VERB_WORKER_KILL,     /* one worker of a pool, named by pid and creation time */
    /* Of the server's keep-alive file, which a balancer's own check reads; no pool is named.
     * Setting what is set already is DONE again. */
    VERB_DRAIN,    /* the file goes; journaled, and holds over restarts of the agent */
    VERB_READY,    /* restoring; the file is there again */
    VERB_ROTATION, /* reads only: an observation of the file alone, which costs nothing */
    VERB_SET,      /* disruptive: some settings of a pool, as `settings` has them; IIS may recycle
                      the pool for it */
};
#define VERB_COUNT 15

/* The keep-alive file of a server. */
enum keepalive {
    KEEPALIVE_NONE,    /* the agent has none to look after */
    KEEPALIVE_PRESENT, /* in rotation */
    KEEPALIVE_ABSENT,
    KEEPALIVE_UNKNOWN, /* could not be looked for */
};
#define KEEPALIVE_COUNT 4

/* How a command ended, or where it stands. */
enum outcome {
    OUTCOME_NONE,
    OUTCOME_DONE,        /* carried out and proved */
    OUTCOME_NOTHING,     /* nothing to do: idle pool, already started or stopped */
    OUTCOME_FAILED,      /* tried, not achieved; detail says what is known */
    OUTCOME_REFUSED,     /* never begun: veto, expired, unknown pool, lower fence */
    OUTCOME_INTERRUPTED, /* begun, then the agent died; what it then observed is in the proof */
    OUTCOME_RUNNING,     /* answer to QUERY: begun, not ended */
    OUTCOME_UNHEARD,     /* answer to QUERY: this journal never saw that command; since the fence
                            of the QUERY is now in force, it never will */
};
#define OUTCOME_COUNT 8

/* Why, in a word that code may decide by; the sentence stands beside it. */
enum cause {
    CAUSE_NONE,
    CAUSE_UNKNOWN_POOL,
    CAUSE_POOL_STOPPED,
    CAUSE_POOL_IDLE,       /* started, without a worker, none expected */
    CAUSE_ALREADY,         /* already as asked */
    CAUSE_DENIED_BY_AGENT, /* allow-list, rate, cool-down */
    CAUSE_EXPIRED,
    CAUSE_FENCE,       /* lower number, or same number from another instance */
    CAUSE_INCARNATION, /* meant for another journal */
    CAUSE_BUSY,        /* another command runs */
    CAUSE_NOT_ELEVATED,
    CAUSE_SERVICE_DOWN,  /* WAS or W3SVC not running */
    CAUSE_TIMEOUT,       /* the limit passed, the proof was not complete */
    CAUSE_PROBE,         /* the probe did not pass */
    CAUSE_SHARED_CONFIG, /* a set would change other servers too */
    CAUSE_IDENTITY,      /* the pool's identity is invalid: never retried */
    CAUSE_RAPID_FAIL,    /* the pool was disabled by rapid-fail protection */
    CAUSE_JOURNAL,       /* the agent could not write its journal */
    CAUSE_DRIVER,        /* appcmd or the service manager failed: see the sentence */
    CAUSE_UNSUPPORTED,
    CAUSE_ON_PURPOSE,  /* a person, a tool or the machine keeps it down: left alone */
    CAUSE_SHARED_HOST, /* the process to be killed hosts a service that is not ours to kill */
    CAUSE_GONE,        /* that worker is no longer there */
};
#define CAUSE_COUNT 23

enum pool_state {
    POOL_STATE_UNKNOWN,
    POOL_STATE_STARTING,
    POOL_STATE_STARTED,
    POOL_STATE_STOPPING,
    POOL_STATE_STOPPED
};
#define POOL_STATE_COUNT 5
enum start_mode { START_MODE_ON_DEMAND, START_MODE_ALWAYS_RUNNING };
#define START_MODE_COUNT 2
enum service_state {
    SVC_UNKNOWN,
    SVC_STOPPED,
    SVC_START_PENDING,
    SVC_STOP_PENDING,
    SVC_RUNNING,
    SVC_PAUSED,
    SVC_ABSENT
};
#define SVC_STATE_COUNT 7
enum service_start { SVC_START_UNKNOWN, SVC_START_AUTO, SVC_START_DEMAND, SVC_START_DISABLED };
#define SVC_START_COUNT 4

/* One w3wp. Identity is pid and created together (see common/os.h for created's unit). */
struct worker {
    const char *pool;
    uint32_t pid;
    uint64_t created;
    uint64_t cpu_ms;        /* processor time so far */
    uint64_t memory_bytes;  /* resident */
    uint64_t private_bytes; /* shared with nobody; 0: not known */
    uint64_t age_ms;        /* since its process began, as of the report; 0: not known */
};

struct pool {
    const char *name;
    enum pool_state state;
    bool auto_start;
    enum start_mode start_mode;
    bool overlap;           /* overlapped rotation is allowed */
    bool orphans;           /* orphanWorkerProcess */
    uint32_t max_processes; /* > 1: a web garden */
    uint32_t queue_length;  /* the limit */
    int64_t queued;         /* requests waiting now; -1: not known */
    uint64_t startup_limit_ms, shutdown_limit_ms;
    uint64_t idle_timeout_ms; /* 0: never */
    bool rapid_fail;          /* so many crashes within the interval disable the pool */
    uint32_t rapid_fail_crashes;
    uint64_t rapid_fail_interval_ms;
};

/* What the system counts for one pool. Source: IIS.md section 6. */
struct pool_figures {
    const char *pool;
    int64_t queued;   /* requests that wait for a worker; -1: not known */
    int64_t rejected; /* requests that were answered 503, since the queue exists; -1: not known */
};

/* An entry of the system's event log about pools; proto/events.h says what its id means. */
struct server_event {
    const char *pool; /* "": of no pool, or of all */
    uint32_t id;
    uint32_t pid;    /* of the worker; 0: none */
    uint32_t code;   /* Win32 code or HRESULT; 0: none */
    uint64_t record; /* its number in the log: id and record together are its identity */
    uint64_t age_ms; /* when this was sent, by the server's own clock */
};

struct site {
    const char *name;
    uint32_t id;
    bool started;
    const char *bindings; /* as appcmd prints them */
    const char *pool;     /* of the root application */
};

struct service {
    const char *name;
    enum service_state state;
    enum service_start start;
    uint32_t pid; /* 0: none */
};

struct host {
    uint32_t processors;
    uint32_t cpu_permille; /* busy, since the last report; 0..1000 */
    uint64_t memory_total_bytes, memory_available_bytes;
    uint64_t uptime_ms;
};

/* What a server looks like. `whole` false: services, pools and sites are as in the last whole one
 * and left out; workers, host, figures and events are always there. */
struct state {
    bool whole;
    const char *config_identity; /* which configuration this server reads; shared ones are equal */
    bool config_shared;
    const char *trouble; /* why part of this could not be read; "" if all could */
    uint64_t age_ms;     /* of the workers below when this was sent: not 0 while the agent's worker
                            thread is held by a long call and the last reading is repeated */
    uint64_t figures_age_ms;            /* of the figures */
    const struct pool_figures *figures; /* none: they cannot be had here */
    size_t figure_count;
    const struct server_event *events; /* the latest, oldest first */
    size_t event_count;
    const struct service *services;
    size_t service_count;
    const struct pool *pools;
    size_t pool_count;
    const struct site *sites;
    size_t site_count;
    const struct worker *workers;
    size_t worker_count;
    struct host host;
    enum keepalive keepalive;
    uint64_t keepalive_age_ms; /* so long it has been so, as far as this agent saw it */
};

/* Evidence that a recycle, start or stop really happened, or why it did not. */
struct proof {
    const struct worker *before;
    size_t before_count; /* the baseline, noted before the act */
    const struct worker *after;
    size_t after_count;
    bool baseline_gone;
    bool orphaned;        /* some of the baseline may stay by configuration */
    bool probed;          /* a probe was made on a fresh connection */
    int32_t probe_status; /* HTTP status; 0: no answer */
    uint32_t probe_ms;
    uint32_t gap_ms; /* time without a worker, 0 if none was seen */
};

/* ---- agent -> coordinator ---- */

enum agent_message_kind {
    AGENT_LISTEN = 1,
    AGENT_REPORT,
    AGENT_PROGRESS,
    AGENT_RESULT,
    AGENT_OBSERVATION,
    AGENT_RENEW
};

struct listen {
    struct command_id last;    /* last command received, seq 0 if none under the fence in force */
    struct fence fence;        /* the highest it has accepted, durably */
    uint64_t listen_no;        /* grows with each listen of this boot; expiry counts from it */
    struct command_id running; /* seq 0: idle */
};

struct report {
    struct state state;
};

struct progress {
    struct command_id id;
    const char *step; /* "recycling", "waiting for 2 old workers", ... */
    uint64_t elapsed_ms;
};

/* What one rung of a recovery found or did: "stop", "kill", "start", ... and a sentence. */
struct finding {
    const char *rung, *text;
};

/* The journal's word on a command: sent until acknowledged, and again as answer to QUERY. */
struct result {
    struct command_id id;
    struct wire_id nonce; /* of the QUERY it answers, else zero */
    enum verb verb;
    const char *pool;
    enum outcome outcome;
    enum cause cause;
    const char *detail;             /* a sentence for people */
    const struct finding *findings; /* of a recovery, rung by rung, in turn */
    size_t finding_count;
    struct proof proof;
    uint64_t elapsed_ms;
    const char *former; /* SET: what was changed, as it was before; see struct command */
};

/* Answer to OBSERVE: looked at after the request arrived. That of a server (the command named no
 * pool) has a pool without a name that stands for all pools with autoStart: Started when each of
 * them is, or Unknown when that could not be read; the workers of all pools; and the first probe
 * that passed, or the last one that did not. */
struct observation {
    struct command_id id;
    struct wire_id nonce;
    enum cause cause; /* CAUSE_NONE: the rest is valid */
    const char *detail;
    struct pool pool;
    const struct worker *workers;
    size_t worker_count;
    bool services_up; /* WAS and W3SVC both running */
    bool probed;
    bool probe_passed; /* by the agent's own expectation for the site */
    int32_t probe_status;
    uint32_t probe_ms;
    /* Where OBSERVE named a verb to rehearse: what it would come to, DONE, NOTHING or REFUSED
     * (NONE: nothing was rehearsed), why, and as a sentence. Of SET, also what the settings are
     * now. */
    enum outcome would;
    enum cause would_cause;
    const char *would_text;
    const char *settings;
    bool rejected_known; /* the system counts, and could be asked */
    uint64_t rejected;   /* requests of the pool that were answered 503, since its queue exists */
    bool requests_known; /* they were asked for, and could be listed */
    uint32_t executing;
    uint64_t oldest_ms;   /* so long the oldest of them has been executing */
    const char *requests; /* the oldest few in words, or why they are not known */
    const char *offline;  /* where they were asked for and the probe failed: who put the pool's
                             applications off line (an app_offline.htm), "": nobody */
    const char *dump;     /* asked for: the name of its file, or (dump_bytes 0) why there is none */
    uint64_t dump_bytes;  /* of the whole file; also where a piece was asked for */
    const char *piece;    /* in hex */
    enum keepalive keepalive;  /* answer to ROTATION; the pool and all above is empty there */
    uint64_t keepalive_age_ms; /* so long it has been so, as far as this agent saw it */
};

/* A certificate is wanted for a new key, under the name of the one this connection has. Answered
 * with CERTIFICATE, or ACK: not now. */
struct renew {
    const char *request; /* a PKCS #10 signing request: the inside of its PEM, see pem.h */
};

struct agent_message {
    uint32_t version;
    const char *agent;          /* its name */
    struct wire_id incarnation; /* of its journal */
    struct wire_id boot;        /* of this start of the machine */
    uint64_t start_no;          /* start of the agent process, counted in the journal */
    uint64_t seq;               /* grows within (boot, start_no); older ones are dropped */
    enum agent_message_kind kind;
    union {
        struct listen listen;
        struct report report;
        struct progress progress;
        struct result result;
        struct observation observation;
        struct renew renew;
    };
};

/* ---- coordinator -> agent ---- */

enum coordinator_message_kind {
    COORDINATOR_NOTHING = 1, /* the listen's time is over: listen again.
                                   To a result: not taken durably, send it again later */
    COORDINATOR_COMMAND,
    COORDINATOR_ACK,          /* what was sent is taken (a result: durably) */
    COORDINATOR_QUARANTINED,  /* not trusted yet or any more; detail says why; go on reporting */
    COORDINATOR_RESEND_WHOLE, /* ACK of a report, and: the next one must be whole */
    COORDINATOR_CERTIFICATE,  /* to a renew */
};

struct command {
    struct command_id id;
    struct wire_id incarnation; /* of the journal it is meant for */
    struct wire_id nonce;       /* comes back in the answer to OBSERVE and QUERY */
    enum verb verb;
    const char *pool;
    uint64_t listen_no;  /* the listen this answers */
    uint64_t expires_ms; /* after the agent sent that listen; not begun by then: refused */
    uint64_t limit_ms;   /* for the whole act, of OBSERVE for the probe; 0: the agent's own */
    bool keep_autostart;
    bool start_idle;         /* RECYCLE: start a worker where there is none */
    bool probe;              /* make the pool's probe part of the proof */
    struct command_id about; /* QUERY */
    bool enable;             /* SERVICE_RECOVER, SERVICE_START: a disabled one is enabled first */
    bool force;              /* SERVICE_RECOVER: also where nothing is wrong. START, STOP, SET:
                                configuration that is shared is changed here for all */
    bool requests;           /* OBSERVE of a pool: list its executing requests as well */
    bool dump;               /* OBSERVE of a pool: and then write a dump of its worker worker_pid */
    const char *piece_of;    /* OBSERVE: in place of all else, a piece of that dump */
    uint64_t piece_at;       /* from this byte on */
    uint32_t worker_pid;     /* WORKER_KILL: which, with its creation time */
    uint64_t worker_created;
    enum verb rehearse; /* OBSERVE: say what this verb would come to, and do nothing; NONE: no */
    /* SET, or its rehearsal: "startMode=AlwaysRunning;processModel.idleTimeout=00:00:00", the names
     * as IIS has them; "preloadEnabled" of all applications of the pool, "preloadEnabled[NAME]" of
     * one. Of OBSERVE with SET alone the former ones may be asked for with "". */
    const char *settings;
    uint64_t run; /* for people and journals */
    const char *actor;
    const char *reason;
};

struct coordinator_message {
    uint32_t version;
    struct fence fence; /* of the sender, in every message */
    enum coordinator_message_kind kind;
    uint64_t seq;            /* of the agent message it answers */
    struct command command;  /* COMMAND */
    const char *detail;      /* QUARANTINED */
    const char *certificate; /* CERTIFICATE: X.509, the inside of its PEM; else "" or NULL */
};

/* Stable lower-case words for logs, JSON and stores; out of range gives "?" . */
const char *verb_name(enum verb verb);
const char *outcome_name(enum outcome outcome);
const char *cause_name(enum cause cause);
const char *pool_state_name(enum pool_state state); /* Started, Stopped, ... as IIS says */
const char *start_mode_name(enum start_mode mode);
const char *service_state_name(enum service_state state); /* RUNNING, STOP_PENDING, ... */
const char *service_start_name(enum service_start start);
bool verb_is_disruptive(enum verb verb);
bool verb_is_of_services(enum verb verb); /* SERVICE_*: no pool is named */
bool verb_is_of_rotation(enum verb verb); /* DRAIN, READY, ROTATION: no pool is named */

/* What a server may be called: 1 to WIRE_NAME_MAX - 1 bytes, letters, digits, '.', '-', '_'. The
 * name stands in selectors and in balancers. */
bool wire_server_name_ok(const char *name);

/* What the codec takes as text: UTF-8 without control characters (C0, DEL, C1). */
bool wire_text_is_clean(const char *text);
/* Makes text from elsewhere fit: control characters become blanks, bytes that are not UTF-8 '?',
 * cut at a whole character to size_bytes with the NUL. Returns out. */
const char *wire_clean_text(char *out, size_t size_bytes, const char *text);

bool wire_id_equal(const struct wire_id *a, const struct wire_id *b);
bool wire_id_is_zero(const struct wire_id *id);
bool fence_equal(const struct fence *a, const struct fence *b);
bool command_id_equal(const struct command_id *a, const struct command_id *b);

#endif
