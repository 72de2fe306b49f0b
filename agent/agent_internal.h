/* agent_internal.h - what the files of the agent's heart share; nobody else includes it.
 *
 *   agent.c        life, events in, effects out, deadlines
 *   agent_admit.c  fences, and what becomes of a command that arrives
 *   agent_hand.c   the recipe in hand, the journal's answers, results
 *   agent_calls.c  what the worker thread does next; what was read
 *   agent_observe.c  fresh answers, of a pool or of the server
 *   agent_rotate.c the keep-alive file
 *   agent_services.c  what is remembered of services
 *   agent_talk.c   the two channels to the coordinator
 */
#ifndef FARMHAND_AGENT_AGENT_INTERNAL_H
#define FARMHAND_AGENT_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/known.h"
#include "common/format.h"

#define OBSERVES_MAX      8     /* waiting at once; one more is answered CAUSE_BUSY */
#define ANSWERS_MAX       32    /* waiting to be sent; the oldest is dropped, it would be stale */
#define LISTENS_KEPT      8     /* whose commands may still come */
#define LISTEN_MS         32000 /* the link gives up after 30 s by itself: this is the net below it */
#define TALK_MS           15000 /* answered at once; the link gives up after 10 s */
#define AGAIN_MS          1000  /* before a channel is tried again after a loss */
#define QUARANTINE_MS     5000  /* between listens while quarantined */
#define UNTAKEN_MS        5000  /* before what was not taken is sent again */
#define JOURNAL_MS        10000 /* before a failed write is tried again */
#define LOOK_GAP_MS       2000  /* least time between two looks */
#define LOOK_RETRY_MS     10000
#define READING_LATE_MS   5000  /* from then on a reading takes turns with observations */
#define PROGRESS_MS       5000  /* at least this often */
#define PROGRESS_GAP_MS   200   /* at most this often, and not sooner after the act began */
#define NEWS_GAP_MS       50    /* a small report waits so long: answers and results go first */
#define REFUSALS_EVERY_MS 60000 /* of those without authority one is noted */
#define HELD_MS           2000  /* a call that lasts longer is told as trouble */
#define LATE_MS           2000  /* DESIGN.md: a timer this late means a suspended machine */
#define FEWER_MS                                                                                   \
    600000              /* a service that is gone that long belongs to no healthy set: a failed    \
                          IISRESET stops one after the other while the rest still runs */
#define ANSWER_MS 60000 /* an observation older than this proves nothing to anybody */

/* ---- a command on its way in ---- */

enum arriving_stage { ARRIVING_NONE, ARRIVING_FENCED, ARRIVING_WAITS };
/* FENCED: decide; WAITS: for the journal (a write or a recall). */
struct arriving {
    enum arriving_stage stage;
    struct command command; /* its texts point into the arrays below */
    char pool[WIRE_NAME_MAX];
    char actor[WIRE_NAME_MAX];
    char reason[WIRE_TEXT_MAX];
    char settings[WIRE_TEXT_MAX];
    char piece_of[CALL_FILE_MAX];
    uint64_t expires_at_ms; /* 0: answers a listen that this process did not send */
};

/* ---- the command in hand ---- */

struct hand {
    struct record *record; /* NULL: idle */
    struct recipe *recipe; /* NULL: RECEIVED is being written */
    uint64_t expires_at_ms;
    bool writing;  /* BEGUN is being written */
    char told[96]; /* the progress last sent */
    uint64_t told_ms;
};

/* An ended command that the coordinator has not acknowledged, or the journal not written. */
struct outcome_kept {
    struct record *record;
    bool written; /* ENDED is in the journal */
    bool writing;
    bool told;      /* acknowledged by the coordinator */
    bool releasing; /* ACKNOWLEDGED is being written */
};

/* ---- reads ---- */

struct answer;
struct observe {
    struct command command; /* pool points to the array */
    char pool[WIRE_NAME_MAX];
    bool looked, settings_read;
    bool shared_config; /* as it was looked at */
    char settings[WIRE_TEXT_MAX]; /* asked to be rehearsed */
    bool asks_offline;            /* its probe failed: is it off line on purpose? */
    bool listing;                 /* its requests are asked for, the rest is there */
    bool dumping;                 /* the dump is, and that is the last */
    char piece_of[CALL_FILE_MAX]; /* "": no piece is asked for */
    char **probe_names;           /* of a server: pools to be probed until one answers */
    size_t probe_count, probe_at;
    struct answer *answer; /* being filled */
};

/* A fresh answer, sent until acknowledged or too old. */
struct answer {
    enum agent_message_kind kind; /* OBSERVATION or RESULT */
    struct observation observation;
    struct result result;
    struct record *record; /* RESULT: what it points into */
    struct record_workers workers;
    char pool[WIRE_NAME_MAX];
    char detail[WIRE_TEXT_MAX];
    char would[WIRE_TEXT_MAX], settings[WIRE_TEXT_MAX]; /* "" unless rehearsed */
    char requests[WIRE_TEXT_MAX];
    char offline[WIRE_TEXT_MAX];
    char dump[WIRE_TEXT_MAX];
    char *piece; /* owned; NULL: none */
    uint64_t until_ms;
};

/* ---- the keep-alive file ---- */

#define ROTATIONS_MAX 8 /* reads waiting at once; one more is answered CAUSE_BUSY */

struct rotation {
    enum keepalive is;
    uint64_t since_ms; /* seen to be so since */
    uint64_t look_at_ms;
    bool acting;           /* an effect is not answered yet */
    bool put_right;        /* drained by us before the restart: to be made so */
    struct record *record; /* DRAIN or READY in hand: begun, or about to be */
    bool writing;
    struct answer *waiting[ROTATIONS_MAX]; /* ROTATION, to be answered by the next look */
    size_t waiting_count;
    char trouble[WIRE_TEXT_MAX / 2];
};

/* ---- the worker thread ---- */

enum caller { CALLER_NONE, CALLER_RECIPE, CALLER_OBSERVE, CALLER_LOOK, CALLER_BEAT };

/* ---- the channels ---- */

enum talk { TALK_NONE, TALK_ANSWER, TALK_RESULT, TALK_PROGRESS, TALK_REPORT };

struct channel {
    bool waiting;
    uint64_t seq; /* of the message that is unanswered */
    uint64_t sent_ms;
    uint64_t limit_at_ms;
    uint64_t not_before_ms;
    enum talk what;      /* TALK */
    const void *subject; /* the answer or record that was sent */
    bool whole;          /* the report was */
};

struct sent_listen {
    uint64_t no, sent_ms;
};

struct journal_pending {
    enum journal_write_kind kind;
    struct record *record;
    struct fence fence; /* FENCE */
};

struct agent {
    struct agent_settings settings;
    struct wire_id incarnation, boot;
    uint64_t start_no, seq;

    struct fence fence;
    bool fence_written;
    struct fence fence_kept;   /* stands in the journal: what is told, since it survives a crash */
    uint64_t journal_retry_ms; /* 0: nothing failed */
    struct command_id last;
    char handed_out[CALL_FILE_MAX]; /* the dump whose pieces leave, as the audit trail has it... */
    uint64_t handed_at;  /* ...and from where the last one was */
    uint64_t dumped_ms;  /* when a dump was last begun; 0: never */
    struct veto *veto;
    bool winding_down;
    bool quarantined;

    bool link_up;
    struct channel channels[AGENT_CHANNEL_COUNT];
    uint64_t listen_no;
    struct sent_listen listens[LISTENS_KEPT];

    struct arriving arriving;
    uint64_t refusal_noted_ms, refusals_left_out; /* of those without authority */
    struct hand hand;
    struct rotation rotation;
    struct record **resumable; /* begun before the restart, not yet resumed */
    size_t resumable_count;
    struct outcome_kept *kept;
    size_t kept_count;

    struct observe *observes[OBSERVES_MAX];
    size_t observe_count;
    struct answer *answers[ANSWERS_MAX];
    size_t answer_count;

    enum caller caller, last_caller;
    enum call_kind calling;
    char calling_pool[WIRE_NAME_MAX];
    uint64_t call_since_ms;

    /* services */
    char healthy[RECORD_SERVICES_MAX]; /* as the journal has it, or is being told */
    bool healthy_written;
    uint64_t fewer_since_ms; /* fewer run than in the healthy set since; 0: no */
    enum service_start kept_start;
    char kept_by[WIRE_TEXT_MAX];

    struct known *known;
    uint64_t beat_at_ms, look_at_ms, look_not_before_ms, heartbeat_at_ms;
    bool look_wanted, whole_wanted; /* whole_wanted: the next look is told whole, changed or not */
    bool whole_due, small_due;
    uint64_t news_at_ms; /* when a small report that is due leaves; 0: not yet known */

    struct journal_pending *pending; /* oldest first */
    size_t pending_count;
    size_t recalls; /* unanswered */

    uint64_t deadline_ms; /* as agent_deadline tells it */
    struct agent_effect *effects;
    size_t effect_count, effect_room;
    void **garbage; /* freed at the next event, since effects may point there */
    size_t garbage_count;
};

/* agent.c */
struct agent_effect *agent_effect_add(struct agent *a, enum agent_effect_kind kind);
void agent_journal(struct agent *a, enum journal_write_kind kind, struct record *record,
                   const struct command_id *id);
void agent_note(struct agent *a, enum agent_note_level level, const char *event,
                const struct command_id *id, const char *pool, const char *fmt, ...)
    FORMAT_PRINTF(6, 7);
void agent_wake_at(struct agent *a, uint64_t at_ms);
bool agent_journal_settled(const struct agent *a);
void agent_discard_record(struct agent *a, struct record *record); /* at the next event */
void agent_discard_answer(struct agent *a, struct answer *answer);

/* agent_admit.c */
void agent_accept_fence(struct agent *a, const struct fence *fence);
bool agent_fence_in_force(const struct agent *a, const struct fence *fence);
void agent_arrive(struct agent *a, const struct command *command, uint64_t now_ms);
void agent_admit(struct agent *a, uint64_t now_ms); /* moves the arriving command on */
void agent_recalled(struct agent *a, const struct agent_event *event, uint64_t now_ms);

/* agent_hand.c */
void agent_take_in_hand(struct agent *a, struct record *record, uint64_t expires_at_ms,
                        uint64_t now_ms);
void agent_drive(struct agent *a, uint64_t now_ms);
bool agent_recipe_wants_call(struct agent *a, struct call *call, uint64_t now_ms);
void agent_journaled(struct agent *a, const struct agent_event *event, uint64_t now_ms);
void agent_keep_result(struct agent *a, struct record *record); /* takes it; journals ENDED */
void agent_retry_journal(struct agent *a, uint64_t now_ms);
struct record *agent_find_record(struct agent *a, const struct command_id *id);
void agent_acknowledged(struct agent *a, const struct record *record);
struct record *agent_result_to_send(struct agent *a);

/* agent_calls.c */
void agent_observe(struct agent *a, const struct arriving *arriving, uint64_t now_ms);
void agent_refuse_observe(struct agent *a, const struct command *command, enum cause cause,
                          const char *detail, uint64_t now_ms);
void agent_called(struct agent *a, const struct call_result *result, uint64_t now_ms);
void agent_next_call(struct agent *a, uint64_t now_ms);
const char *agent_held_text(const struct agent *a, uint64_t now_ms, char *out, size_t size_bytes);
void agent_add_answer(struct agent *a, struct answer *answer);
/* An observation to be filled in; agent_end_observation sends it. */
struct answer *agent_new_observation(const struct command *command);
void agent_end_observation(struct agent *a, struct answer *answer, enum cause cause,
                           const char *detail, uint64_t now_ms);
/* A RESULT that answers a QUERY, or refuses what has no place in the journal. Takes `record`. */
void agent_answer_result(struct agent *a, struct record *record, const struct wire_id *nonce,
                         uint64_t now_ms);

/* agent_rotate.c */
void agent_rotate_begin(struct agent *a, struct record **open, size_t *count, bool drained,
                        uint64_t now_ms); /* takes the open record that is about the file */
void agent_rotate_take(struct agent *a, struct record *record); /* DRAIN, READY: admitted */
/* ROTATION. Takes the answer, and fills it in. */
void agent_rotate_ask(struct agent *a, struct answer *answer, uint64_t now_ms);
void agent_rotate_drive(struct agent *a, uint64_t now_ms);
void agent_rotate_begun(struct agent *a, const struct record *record, bool written);
void agent_keepalive(struct agent *a, const struct agent_event *event, uint64_t now_ms);
void agent_rotate_free(struct agent *a);
/* agent_observe.c */
struct call agent_observe_call(const struct agent *a);
void agent_observe_free(struct observe *observe); /* not its answer */
void agent_observe_on_result(struct agent *a, const struct call_result *result, uint64_t now_ms);

/* agent_services.c */
void agent_note_services(struct agent *a, const struct call_result *look, uint64_t now_ms);
void agent_services_before(struct agent *a, struct record *record); /* it is taken in hand */
void agent_services_begun(struct agent *a, const struct record *record);
void agent_services_ended(struct agent *a, const struct record *record);

/* agent_talk.c */
void agent_link(struct agent *a, bool up, uint64_t now_ms);
void agent_answered(struct agent *a, const struct agent_event *event, uint64_t now_ms);
void agent_lost(struct agent *a, const struct agent_event *event, uint64_t now_ms);
void agent_talk(struct agent *a, uint64_t now_ms);

#endif
