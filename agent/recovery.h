/* recovery.h - the recipe of a server's web services: recover, restart, stop that stays, start.
 *
 * Pure, like the other recipes, and driven through agent/recipes.h alone: recipes.c gives a record
 * of a SERVICE_* verb to this one. Facts: IIS.md sections 1, 4 and 8.
 *
 *  LOOK ─► JUDGE ─► JUDGE_PROBE ─► BEGIN ─► GUARD ─► STOP ◄─► STOPPED ─► ORPHANS ◄─► ORPHAN
 *   │     (recover: is anything   (journal)           │          │          ▲   │
 *   │      wrong at all?)                             └─► HOST ◄─┘          │   │
 *   │                                                     │ ─► KILL ─► KILLED   │
 *   │ resumed, or nothing to stop                         │ not ours to kill    │
 *   └─────────────────────────────────────────────────────┴──────────┐          │
 *                                                                    ▼          ▼
 *   END ◄─ RELEASE ◄─ PROBE ◄─ POOLS ◄─► VERDICT, POOL_START ◄─ REST ◄─ SEE ◄─ START ◄─ ENABLE
 *
 * True everywhere. Before BEGIN only reading calls are made; a judgement that took long is followed
 * by one more LOOK, since meanwhile a person may have taken the services down. BEGIN makes durable
 * which services shall run in the end; no stop is ordered before that, nor before the guardian
 * stands by. Whatever goes wrong between the first stop and START, START comes (promise 6): every
 * way out of the stop half leads there, save that of a stop that is to stay. Each rung has a
 * deadline of its own and leaves what it found in the record's detail. A stop or a kill is ordered
 * once; a start may repeat.
 *
 * A recipe that is resumed makes the start half, and orders no stop. Where WAS or W3SVC is still
 * stopping by what was begun (`stops` in the record says that it was), nothing can be started:
 * GUARD, and STOPPED gives it its full time once more; then its process goes, by the same rungs.
 *
 * A dependent that does not stop or start is told, and fails nothing. What is down on purpose (WAS
 * or W3SVC disabled, a machine that shuts down or waits for a reboot) is left alone, and said so.
 */
#ifndef FARMHAND_AGENT_RECOVERY_H
#define FARMHAND_AGENT_RECOVERY_H

#include "agent/recipes.h"

struct recovery;

/* For a record of a SERVICE_* verb, RECEIVED or BEGUN (then it is resumed). The record is lent; its
 * `services` hold the last healthy set, `former` and `kept_by` what the agent knows of a stop that
 * stays. */
struct recovery *recovery_new(struct record *record, const struct recipe_limits *limits,
                              uint64_t now_ms);
void recovery_free(struct recovery *r); /* NULL is fine */

/* As the functions of recipes.h with these names. */
struct recipe_next recovery_next(struct recovery *r, uint64_t now_ms);
void recovery_on_result(struct recovery *r, const struct call_result *result, uint64_t now_ms);
void recovery_on_begun(struct recovery *r, uint64_t now_ms);
void recovery_refuse(struct recovery *r, enum cause cause, const char *detail, uint64_t now_ms);
const char *recovery_text(const struct recovery *r);
uint64_t recovery_since_ms(const struct recovery *r);

/* The last healthy set that a view of the services shows: the names of WAS, W3SVC and of what
 * depends on WAS and runs, one a line. false: WAS or W3SVC does not run, or is not known. */
bool recovery_healthy(const struct driver_view *view, char *out, size_t size_bytes);
/* Every line of `few` is in `many`, in any order, whatever the case. */
bool recovery_set_within(const char *few, const char *many);

#endif
