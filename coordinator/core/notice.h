/* notice.h - what is told to people elsewhere: which events are worth it, and when each is sent.
 *
 * Pure: no I/O, no clock. A queue per configured [notice NAME]; its rows stand in the store from
 * the transaction of their event until they were delivered, so a restart loses none, and a receiver
 * may get one twice (its id says so). One is under way at a time; after a failure the whole queue
 * waits, ever longer, and then the row with the fewest tries goes first: one that a receiver cannot
 * take does not hold up the others. A queue of audit rows keeps their order instead, and many more
 * of them. Nothing here is ever waited for by a run.
 */
#ifndef FARMHAND_COORDINATOR_NOTICE_H
#define FARMHAND_COORDINATOR_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTICE_QUEUE_MAX   1000   /* rows; the oldest are given up for new ones */
#define NOTICE_AUDIT_MAX   100000 /* the same of a queue in order */
#define NOTICE_FIRST_MS    5000   /* after the first failure; doubled with each... */
#define NOTICE_LONGEST_MS  600000 /* ...up to this */
#define NOTICE_TROUBLE_MAX 256

enum notice_kind {
    NOTICE_NONE,
    NOTICE_RUN_STARTED,
    NOTICE_WAVE_DONE,
    NOTICE_RUN_PAUSED,
    NOTICE_RUN_RESUMED,
    NOTICE_RUN_FAILURE,  /* it begins nothing more since something failed */
    NOTICE_RUN_APPROVAL, /* a second person is waited for */
    NOTICE_RUN_ENDED,
    NOTICE_INCIDENT_OPENED,
    NOTICE_INCIDENT_CLOSED,
    NOTICE_HOLD_EXPIRED,
    NOTICE_POOL_CAME_BACK,
    NOTICE_SERVICES_CAME_BACK,
    NOTICE_INCIDENT_ACTION,       /* remediation does something */
    NOTICE_INCIDENT_PROPOSED,     /* and waits for a person's word */
    NOTICE_INCIDENT_BLOCKED,      /* it would, and may not yet */
    NOTICE_INCIDENT_BLOCKED_LONG, /* still not */
    NOTICE_INCIDENT_QUARANTINED,
    NOTICE_INCIDENT_GIVEN_UP, /* a person has to look */
    NOTICE_TEST,
    NOTICE_AUDIT, /* a row of the audit trail; no event is one */
};
#define NOTICE_KIND_COUNT 21

/* "run.started", ...; and back, NOTICE_NONE: there is none such. */
const char *notice_kind_name(enum notice_kind kind);
enum notice_kind notice_kind_parse(const char *word);
/* NULL-terminated: what a configuration may choose from (all but the test); the last is "audit". */
extern const char *const notice_words[];

/* What an event of that kind and with these words (store.h, may be NULL) is to others. */
enum notice_kind notice_of_event(const char *kind, const char *from, const char *to);

struct notice_row {
    uint64_t id;
    int64_t wall_ms; /* of its event */
    uint32_t tries;
    bool urgent; /* a test: goes first, whatever the queue waits for */
};

struct notice_queue {
    uint64_t keep_ms;        /* older rows are given up */
    bool in_order;           /* the oldest goes first, however often it was tried */
    struct notice_row *rows; /* by id; owned */
    size_t count, room;
    uint64_t under_way; /* id; 0: none */
    uint64_t not_before_ms;
    uint32_t failures; /* in a row */
    uint64_t given_up; /* in this life of the coordinator */
    uint64_t delivered;
    uint64_t last_delivered;                   /* id */
    uint64_t last_failed;                      /* id */
    int64_t delivered_wall_ms, failed_wall_ms; /* 0: never */
    char trouble[NOTICE_TROUBLE_MAX];          /* of the last failure, "" after a success */
};

void notice_queue_reset(struct notice_queue *q);
void notice_add(struct notice_queue *q, const struct notice_row *row);
/* The id of one that is to be given up now: too old, or too many wait. 0: none. It is out of the
 * queue then; never the one under way. */
uint64_t notice_give_up(struct notice_queue *q, int64_t wall_ms);
/* The id of what is to be sent now; it is under way then. 0: nothing. */
uint64_t notice_next(struct notice_queue *q, uint64_t now_ms);
/* What became of the one under way. trouble NULL: delivered, and out of the queue. true: this is
 * news (the first failure, or the first success after failures). */
bool notice_done(struct notice_queue *q, const char *trouble, uint64_t now_ms, int64_t wall_ms);
uint64_t notice_wake_ms(const struct notice_queue *q,
                        uint64_t now_ms); /* UINT64_MAX: not by time */

#endif
