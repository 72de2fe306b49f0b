/* agent.h - the agent's heart: what runs, what is reported, what is answered, and when.
 *
 * Pure: an event with its time goes in, effects come out. Knows no driver, no SQLite, no nng, no
 * clock. The shell executes the effects in their order, one after the other, and hands what comes
 * of them back as events. Used by one thread.
 *
 * Order. A batch never holds an effect that relies on a journal write of the same batch: the write
 * comes out alone in its cause, AGENT_EVENT_JOURNALED comes in, then what follows comes out. So a
 * crash between any two effects leaves the journal ahead of the deed.
 *
 * Talk. Two channels, each with at most one message unanswered: LISTEN, where the coordinator
 * parks, and TALK for everything else (first fresh answers, then results, progress, reports).
 * Every message that is not answered within its time closes the pipe (EFFECT_HANGUP): over nng a
 * lost reply looks like silence. A result is sent until it is acknowledged.
 *
 * Latency of what is reported, by source (settings in brackets):
 *   workers, their CPU and memory, host    read from the process list every `beat` (1 s); a changed
 *                                          set of workers is sent with that reading, figures at the
 *                                          latest after `heartbeat` (15 s)
 *   configuration file, service states     looked for with every beat, cheaply; a difference
 *                                          starts a whole look, sent when it is done
 *   pools, sites, autoStart                by that look, or the one every `look_every` (5 min); a
 *                                          state that changes without a trace in either (somebody
 *                                          stops a pool by hand) shows after `look_every` at most,
 *                                          and at once to OBSERVE
 *   requests waiting and rejected, events  with a beat, as often as services are asked for; a new
 *                                          event is sent with that reading, figures at the latest
 *                                          after `heartbeat`
 * While one call holds the worker thread for long (a stop may take two minutes) nothing can be
 * read. Heartbeats go on with the last workers, but never as if they were fresh: `age_ms` of the
 * state says how old they are, and `trouble` what holds the thread. Parts that a look could not
 * read are sent as unknown (states) with the last known rows, and named in `trouble`.
 *
 * DRAIN and READY are about the keep-alive file, beside whatever is in hand: a server can be taken
 * out while a stop holds the worker thread. The file is what counts: a person may take it away or
 * bring it back, and is left alone; at a start, what the journal says was drained by us is drained
 * again.
 *
 * OBSERVE and QUERY are reads: answered while a command runs. An observation queues behind the
 * driver call in hand, then takes turns with the recipe, call by call, so neither starves; and so
 * it does with a reading that is late.
 */
#ifndef FARMHAND_AGENT_AGENT_H
#define FARMHAND_AGENT_AGENT_H

#include "agent/call.h"
#include "agent/recipes.h"
#include "agent/record.h"
#include "agent/veto.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;

struct agent_settings {
    const char *name; /* lent for the agent's life */
    uint64_t heartbeat_ms, beat_ms, look_every_ms;
    struct veto_settings veto;
    struct recipe_limits recipe;
    bool keepalive; /* there is a keep-alive file to look after */
};

/* What the journal knows when the process starts. Records move to the agent. */
struct agent_memory {
    struct wire_id incarnation;
    uint64_t start_no;
    struct fence fence;
    struct command_id last; /* last command received; seq 0: none under that fence */
    bool drained;           /* the last DRAIN or READY that was begun is a DRAIN */
    struct record **open;   /* received or begun, not ended */
    size_t open_count;
    struct record **unacknowledged; /* ended */
    size_t unacknowledged_count;
    const struct veto_act *acts; /* disruptive acts of the last hour, lent */
    size_t act_count;
    char healthy[RECORD_SERVICES_MAX]; /* the last healthy set of services, one a line */
    enum service_start kept;     /* how WAS was started before `service stop`; UNKNOWN: it is not
                                    kept down by one */
    char kept_by[WIRE_TEXT_MAX]; /* who did that, and why */
};

enum agent_channel { AGENT_CHANNEL_LISTEN, AGENT_CHANNEL_TALK };
#define AGENT_CHANNEL_COUNT 2

/* ---- effects ---- */

enum journal_write_kind {
    JOURNAL_FENCE,        /* the fence in force; the last sequence number starts anew */
    JOURNAL_LAST,         /* a reading command was received */
    JOURNAL_RECEIVED,     /* the command is on record, and the last one received */
    JOURNAL_BEGUN,        /* before the first call that acts: its baseline is in the record */
    JOURNAL_ENDED,        /* its outcome and proof (the record may be new: a refusal) */
    JOURNAL_ACKNOWLEDGED, /* the coordinator has the result */
    JOURNAL_HEALTHY,      /* the services that ran when all was well */
    JOURNAL_NOTED,        /* for the audit trail alone */
};

/* Each is one synced transaction. */
struct journal_write {
    enum journal_write_kind kind;
    struct fence fence;          /* FENCE */
    struct command_id id;        /* LAST, ACKNOWLEDGED; of the record otherwise */
    const struct record *record; /* RECEIVED, BEGUN, ENDED, NOTED; lent */
    const char *healthy;         /* HEALTHY; lent */
};

enum agent_note_level { AGENT_NOTE_INFO, AGENT_NOTE_WARN, AGENT_NOTE_ERROR };

enum agent_effect_kind {
    EFFECT_JOURNAL, /* then AGENT_EVENT_JOURNALED, before any other event */
    EFFECT_RECALL,  /* read a command's record, then AGENT_EVENT_RECALLED, as above */
    EFFECT_CALL,    /* give to the worker thread; AGENT_EVENT_CALLED comes when it is done */
    EFFECT_SEND,    /* then AGENT_EVENT_ANSWER or AGENT_EVENT_LOST, some time, with the token */
    EFFECT_HANGUP,  /* close the pipe and dial again; what was sent on it is forgotten. A link that
                       watches its own requests has done so already */
    EFFECT_KEEPALIVE, /* then AGENT_EVENT_KEEPALIVE, as the journal */
    EFFECT_NOTE,      /* one line of the log */
};

enum keepalive_op { KEEPALIVE_OP_LOOK, KEEPALIVE_OP_REMOVE, KEEPALIVE_OP_PUT };

/* Pointers are lent until the next agent_handle. */
struct agent_effect {
    enum agent_effect_kind kind;
    union {
        struct journal_write journal;
        struct command_id recall;
        enum keepalive_op keepalive;
        struct call call;
        struct {
            enum agent_channel channel;
            uint64_t token;               /* grows; the message's seq too, unless the link numbers
                                             what leaves */
            struct agent_message message; /* encoded or copied at once */
        } send;
        struct {
            enum agent_note_level level;
            const char *event;
            struct command_id id; /* seq 0: none */
            char pool[WIRE_NAME_MAX];
            char text[WIRE_TEXT_MAX];
        } note;
    };
};

struct agent_effects {
    struct agent_effect *items; /* the agent's; lent until the next agent_handle */
    size_t count;
};

/* ---- events ---- */

enum agent_event_kind {
    AGENT_EVENT_TICK,      /* only time has passed */
    AGENT_EVENT_LINK_UP,   /* a pipe to the coordinator is there */
    AGENT_EVENT_LINK_DOWN, /* it is gone: what was unanswered is lost */
    AGENT_EVENT_ANSWER,    /* the coordinator answered on `channel` */
    AGENT_EVENT_LOST,      /* the message on `channel` will not be answered */
    AGENT_EVENT_JOURNALED, /* the oldest EFFECT_JOURNAL not yet told; code ERR_NONE: durable */
    AGENT_EVENT_RECALLED,  /* the oldest EFFECT_RECALL; record NULL: none, or code says why */
    AGENT_EVENT_CALLED,
    AGENT_EVENT_KEEPALIVE, /* the oldest EFFECT_KEEPALIVE; present, or code says why not known */
};

/* Everything is lent for the call. */
struct agent_event {
    enum agent_event_kind kind;
    enum agent_channel channel;                /* ANSWER, LOST */
    uint64_t token;                            /* ANSWER, LOST: of the message that was sent */
    const struct coordinator_message *message; /* ANSWER */
    enum error_code code;                      /* LOST, JOURNALED, RECALLED */
    const char *text;                          /* of the failure; may be NULL */
    const struct record *record;               /* RECALLED */
    const struct call_result *result;          /* CALLED */
    bool present;                              /* KEEPALIVE: the file is there now */
};

/* Takes the records out of `memory`. An open record that was begun is resumed, one that was only
 * received is refused: both results are sent like any other. */
struct agent *agent_new(const struct agent_settings *settings, struct agent_memory *memory,
                        const struct wire_id *boot, uint64_t now_ms);
void agent_free(struct agent *a); /* NULL is fine */

struct agent_effects agent_handle(struct agent *a, const struct agent_event *event,
                                  uint64_t now_ms);

/* When to send the next TICK at the latest; UINT64_MAX: not needed. A tick that comes more than
 * 2 s late means that the machine was suspended: everything is read and told anew. */
uint64_t agent_deadline(const struct agent *a);

/* For a clean end: nothing is waiting to be told (results, answers) and no recipe is in hand. */
bool agent_is_quiet(const struct agent *a);
/* No new command is begun from now on (refused CAUSE_DENIED_BY_AGENT): the process is to end. */
/* Who speaks, for a message that the shell sends of its own; texts are lent. */
void agent_hello(const struct agent *a, struct agent_message *out);
void agent_wind_down(struct agent *a);

#endif
