/* remedy_impl.h - shared by the remedy*.c files alone.
 *
 * remedy.c         life, what is due: incidents open, climb their ladder, close
 * remedy_act.c     the rung in hand, the next one, a person
 * remedy_watch.c   looks: does a rule's condition hold, for how long
 * remedy_guards.c  may something be done now, and if not, why
 * remedy_rules.c   a rule's words
 * remedy_exchange.c  other rules while incidents are open
 * remedy_words.c   people: approve, dismiss, release; what is seen, in sentences
 */
#ifndef FARMHAND_COORDINATOR_REMEDY_IMPL_H
#define FARMHAND_COORDINATOR_REMEDY_IMPL_H

#include "common/format.h"
#include "coordinator/core/remedy.h"

#define REJECTED_MARKS 16 /* of a counter, spread over its window */
#define PAST_MAX       4096
#define PAST_MS        (24ll * 3600000) /* what is older brakes nothing any more */

/* One rule about one server or pool. Made when a look first holds (or needs a counter's past). */
struct watch {
    size_t rule;
    char server[WIRE_NAME_MAX], pool[WIRE_NAME_MAX];
    uint32_t bits;  /* of the last looks, the newest is bit 0 */
    uint32_t looks; /* so many, at most REMEDY_LOOKS_MAX */
    uint64_t last_ms;
    uint64_t since_ms; /* it holds on enough looks since; 0: it does not */
    uint64_t clear_ms; /* it held on no look since; 0: it does */
    uint64_t shown_ms; /* it last held on enough looks at; 0: never */
    char text[INCIDENT_TEXT_MAX];
    char held[INCIDENT_TEXT_MAX]; /* why there is no incident of it, "" */
    uint64_t mark_ms[REJECTED_MARKS];
    int64_t mark[REJECTED_MARKS];
    size_t marks;
    /* of the newest look */
    uint64_t told; /* an incident tells of it, as of memo->round */
    bool has_worker, on_purpose, identity;
    uint64_t worker_age_ms;
    uint32_t worker_pid;
    uint64_t worker_created;
};

/* What was opened or done lately. */
struct past {
    char rule[INCIDENT_RULE_MAX];
    char server[WIRE_NAME_MAX], pool[WIRE_NAME_MAX];
    int64_t wall_ms;
    bool acted; /* else: opened */
};

/* What decisions remember between two of them; nothing follows from it but speed and whose turn it
 * is. */
struct remedy_memo {
    uint64_t round;
    uint64_t storm; /* the incident that is the brake; 0: it is off */
    size_t next;    /* the incident whose turn it is to be looked at closely */
    struct shows {
        uint64_t looks, now_ms; /* as of these */
        uint32_t count;
    } * shows; /* of each rule */
};

struct remedy {
    const struct remedy_rule *rules;
    size_t rule_count;
    struct remedy_guards guards;
    struct watch *watches;
    size_t watch_count, watch_cap;
    uint32_t *slots; /* index + 1 of the watch, by its hash; 0: free */
    size_t slot_count;
    uint64_t born_ms;
    uint64_t looks; /* grows with each */
    struct remedy_memo *memo;
    struct past *past; /* oldest first */
    size_t past_count;
    int64_t released_wall_ms; /* the storm brake, when last */
};

/* Holds on enough looks, the newest among them. */
bool watch_shows(const struct watch *w);
/* And for long enough, as far as is known now. */
bool watch_fires(const struct remedy *m, const struct watch *w, uint64_t now_ms);
void watches_sort(struct remedy *m); /* their rules were numbered anew */
struct watch *watch_find(const struct remedy *m, size_t rule, const char *server, const char *pool);

/* The first guard that says no, with `why`; GUARD_NONE: it may be done. w NULL: nothing of this
 * server was seen in this life. */
enum incident_guard guards_ask(const struct remedy *m, const struct incident *n,
                               const struct remedy_rule *rule, enum remedy_act act,
                               const struct watch *w, const struct remedy_view *view,
                               uint64_t now_ms, char *why);

void change_note(struct remedy_change *c, int64_t wall_ms, const char *kind, const char *fmt, ...)
    FORMAT_PRINTF(4, 5);
void change_phase(struct remedy_change *c, enum incident_phase phase, int64_t wall_ms);
void change_close(struct remedy_change *c, int64_t wall_ms, const char *how);
void change_call(struct remedy_change *c, int64_t wall_ms, const char *why); /* a person */

/* What is to be done about the rung in hand now: it is begun, only told, or stays blocked. */
void rung_decide(const struct remedy *m, struct remedy_change *c, const struct remedy_rule *rule,
                 const struct watch *w, const struct remedy_view *view, uint64_t now_ms);
/* What was tried did not help: the next rung, or a person. */
void rung_climb(struct remedy_change *c, const struct remedy_rule *rule, const char *why,
                const struct remedy_view *view);

#endif
