/* rollout_impl.h - shared by the rollout_*.c files alone: how a change is put together.
 *
 * rollout.c         names, counts, install, restart
 * rollout_change.c  how a change is put together, and the one place where states change
 * rollout_way.c     from the take to the end: what each step begins with
 * rollout_approval.c a second person's word
 * rollout_time.c    what is due by time: rollout_next, rollout_wake_ms
 * rollout_events.c  what answers of agents, results and people bring
 * rollout_places.c  what answers of the balancer bring
 * rollout_taken.c   pools whose incidents a run over the whole server has taken over
 * rollout_policy.c  what a run bears, counted apart
 * rollout_hold.c    servers in the hands of others
 * rollout_window.c  hours, blackouts, servers declared out: looked at before every step
 * rollout_compare.c before and after: latency, queue, memory
 * rollout_waves.c   which target may begin, and what happens between two waves
 * rollout_turn.c    the order inside a wave
 */
#ifndef FARMHAND_COORDINATOR_ROLLOUT_IMPL_H
#define FARMHAND_COORDINATOR_ROLLOUT_IMPL_H

#include "common/format.h"
#include "coordinator/core/rollout.h"

#include <stdarg.h>

#define EVIDENCE_FRESH_MS    2000  /* a drain is decided on evidence no older than this */
#define ASK_AGAIN_MS         5000  /* an agent that has not answered is asked again */
#define PROBE_AGAIN_MS       20000 /* the same, where the answer tells of a site that may hang */
#define PLACE_AGAIN_MS       45000 /* a balancer: it answers all in turn, if late */
#define PLACE_POLL_MS        300   /* between reads while sessions run out or a place comes up */
#define QUERY_EVERY_MS       15000 /* a command in hand: the journal is asked, results get lost */
#define BALANCER_LIMIT_MS    60000 /* checking: unreadable so long fails the target */
#define UP_LIMIT_MS          60000 /* returning: the balancer must see it up within */
#define QUIET_READS          2     /* reads without a session, in a row: "0" is a moment */
#define COMMAND_ATTEMPTS_MAX 3     /* of commands that were certainly not begun */
#define BLOCKED_AGAIN_MS     1000  /* after evidence said no, it is asked again */
#define BLOCKED_LOOKAHEAD    32    /* waiting targets tried when the first is blocked */

/* Starts a change: nothing changed yet, the header as it is. */
void change_begin(const struct rollout *r, struct rollout_change *c);

/* Makes target i part of the change and lends it for editing. */
struct rollout_target *change_edit(const struct rollout *r, struct rollout_change *c, size_t i);

/* The only way into a state: checks the move against the table, starts its clocks anew. */
void change_enter(struct rollout_change *c, enum target_state state, uint64_t now_ms,
                  const char *step, ...) FORMAT_PRINTF(4, 5);

/* Ends the target (an ended state), with a sentence; FAILED counts as trouble of the kind that the
 * target carries, and may stop the run. */
void change_end_target(const struct rollout *r, struct rollout_change *c, enum target_state state,
                       const struct rollout_view *view, uint64_t now_ms, const char *detail, ...)
    FORMAT_PRINTF(6, 7);

/* Sets or clears a cause. PAUSE_UNKNOWN stands as long as any target is unknown. */
void change_pause(struct rollout_change *c, enum pause_cause cause, bool on);
void change_settle_unknown(const struct rollout *r, struct rollout_change *c);
/* The target ended in trouble of its kind: count it, and let that stop or pause the run. */
void change_count_trouble(const struct rollout *r, struct rollout_change *c);

/* A sentence about what it does now; not worth a commit. */
void change_say(struct rollout_change *c, const char *step, ...) FORMAT_PRINTF(2, 3);

struct rollout_effect *change_add(struct rollout_change *c, enum effect_kind kind);
void change_ask_agent(struct rollout_change *c, uint64_t now_ms, bool probe);
void change_ask_balancer(struct rollout_change *c, enum balancer_op op, uint64_t now_ms);
void change_command(const struct rollout *r, struct rollout_change *c,
                    const struct rollout_view *view, uint64_t now_ms);

/* rollout_hold.c: it is in the hands of others from here on. */
void change_hand_over(const struct rollout *r, struct rollout_change *c,
                      const struct rollout_view *view, uint64_t now_ms);
/* ACTING or UNKNOWN there: true, with the change that time or the world brings. */
bool hold_turn(const struct rollout *r, struct rollout_change *c, size_t i,
               const struct rollout_view *view, uint64_t now_ms);

/* The act is over (or never came to be): prove that the pool serves before putting back. */
void change_gate(const struct rollout *r, struct rollout_change *c, uint64_t now_ms);
/* The act failed: remember why, then gate. */
void change_fail_act(const struct rollout *r, struct rollout_change *c, enum cause cause,
                     uint64_t now_ms, const char *detail, ...) FORMAT_PRINTF(5, 6);
/* Put back what we took; then soak, then done. */
void change_return(const struct rollout *r, struct rollout_change *c,
                   const struct rollout_view *view, uint64_t now_ms);
void change_soak(const struct rollout *r, struct rollout_change *c, const struct rollout_view *view,
                 uint64_t now_ms);
/* Stays out: ends as failed, an incident inherits lease and places. */
void change_strand(const struct rollout *r, struct rollout_change *c,
                   const struct rollout_view *view, uint64_t now_ms, const char *detail, ...)
    FORMAT_PRINTF(5, 6);
/* Quarantine: ends as done, an incident inherits lease and places. */
void change_set_apart(const struct rollout *r, struct rollout_change *c,
                      const struct rollout_view *view, uint64_t now_ms);
/* An incident came or went since the places were read: what is ours there has to be found anew. */
bool places_inherit_more(const struct rollout_target *t, const struct rollout_view *view);
/* Are both answers, of agent and balancer, here and young? Then take the server, or say what
 * forbids it. */
void change_decide_take(const struct rollout *r, struct rollout_change *c,
                        const struct rollout_view *view, uint64_t now_ms);
/* Everything needed was seen and is fresh: take the server. */
void change_take(const struct rollout *r, struct rollout_change *c, const struct rollout_view *view,
                 uint64_t now_ms);

/* A window closed or opened: true, with the pause that comes or goes. */
bool window_turn(const struct rollout *r, struct rollout_change *c,
                 const struct rollout_view *view);
/* May nothing be taken from this server now, by the clock or by a person's word? */
bool window_forbids(const struct rollout *r, const struct rollout_target *t,
                    const struct rollout_view *view, char *why, size_t size);
/* Its maintenance alone: who has not begun there skips it. */
bool window_hands_off(const struct rollout_view *view, const char *server, char *why, size_t size);
/* It was drained, and is not to be acted on now: prove, put back, wait again. */
void change_put_off(const struct rollout *r, struct rollout_change *c, uint64_t now_ms,
                    const char *why);
/* It is back: as if it had never been begun. */
void change_wait_again(struct rollout_change *c, uint64_t now_ms);

/* What gates compare beside the probe: NULL, or what is missing, in words. */
const char *compare_misses(const struct rollout *r, const struct rollout_target *t,
                           const struct observation *seen, char *text, size_t size);
struct measure compare_measure(const struct observation *seen);
bool compare_wants_probe(const struct rollout *r); /* before the act, too */
/* Of an agent before the take; of a recovery always: whether anything is wrong, a probe tells. */
bool compare_asks_probe(const struct rollout *r);

/* Room for one more: asked once, then for each waiting target. */
struct wave_room {
    bool full;        /* as many are in hand as may be */
    const char *zone; /* only targets of this zone may begin; NULL: any */
};
void wave_look(const struct rollout *r, struct wave_room *out);
/* It waits, and its wave is open. */
bool wave_is_open(const struct rollout *r, const struct rollout_target *t);
bool wave_lets_begin(const struct rollout *r, const struct wave_room *room,
                     const struct rollout_target *t);
/* The open wave has ended, or its bake has: true, with the change. */
bool wave_turn(const struct rollout *r, struct rollout_change *c, uint64_t now_ms);

/* rollout_turn.c: may a target that has been looked at be taken, as far as those before it go? */
enum turn {
    TURN_NOW,
    TURN_SOON,  /* one before it is being looked at, and there is no room for both */
    TURN_LATER, /* one before it waits, and could be begun now: it goes first */
};
/* NOW leaves *first alone; else it is the target that comes first. */
enum turn turn_of(const struct rollout *r, const struct rollout_target *t, size_t i,
                  const struct rollout_view *view, size_t *first);
/* Could it be taken now, as far as is known without looking at it? */
bool turn_could_take(const struct rollout *r, size_t i, const struct rollout_view *view);
/* Nothing that is held keeps it back because of its zone. What is looked at only gives way. */
bool turn_zone_is_free(const struct rollout *r, const struct rollout_target *t);

/* rollout_taken.c: at the take; an answer about a pool; the server, or the pool that was asked
 * about, has passed often enough (the next, or all is put back); at the return, what has not passed
 * is left to its incidents. */
void taken_note(const struct rollout *r, struct rollout_target *t, const struct rollout_view *view);
const char *taken_misses(const struct observation *seen, char *text, size_t size);
void taken_failed(struct rollout_target *t);
void taken_passed(const struct rollout *r, struct rollout_change *c,
                  const struct rollout_view *view, uint64_t now_ms);
bool taken_over_time(const struct rollout *r, const struct rollout_target *t, uint64_t now_ms);
void taken_leave(struct rollout_target *t);

/* A sentence into a fixed field. What came from outside may have been cut inside a character. */
void change_sentence(char out[ROLLOUT_STEP_MAX], const char *fmt, va_list args);

/* What is not saved begins anew, as its state is entered, or as if it were. */
void target_forget_unsaved(struct rollout_target *t, uint64_t now_ms);
bool target_active(const struct rollout_target *t); /* between waiting and ended */
bool run_begins_nothing(const struct rollout *r);   /* paused, stopping, aborting */

/* rollout_approval.c: the time to approve it is over. */
bool approval_turn(const struct rollout *r, struct rollout_change *c,
                   const struct rollout_view *view);

#endif
