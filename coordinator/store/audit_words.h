/* audit_words.h - what a thing is like, in a few words, for "before" and "after" of the audit
 * trail.
 *
 * Pure. Each writes at most AUDIT_WORDS_MAX bytes, NUL included, and returns `out`; what is longer
 * is cut. No secret is ever among them: ids of tokens are, their hashes are not.
 */
#ifndef FARMHAND_COORDINATOR_AUDIT_WORDS_H
#define FARMHAND_COORDINATOR_AUDIT_WORDS_H

#include "coordinator/core/fleet.h"
#include "coordinator/core/incident.h"
#include "coordinator/core/rollout.h"
#include "coordinator/enrol/member.h"

#include <stddef.h>
#include <stdint.h>

#define AUDIT_WORDS_MAX 512

/* "running", "paused (person, failures)", "aborting" */
const char *audit_of_run(char out[AUDIT_WORDS_MAX], enum run_state state, uint32_t pause_causes);
/* The same once `change` is made. */
const char *audit_of_change(char out[AUDIT_WORDS_MAX], const struct rollout *run,
                            const struct rollout_change *change);
/* The target of a run: "unknown", "failed, holds its lease" */
const char *audit_of_target(char out[AUDIT_WORDS_MAX], const struct rollout_target *target);
/* "in the farm", "declared out until T by anna: dead fan", "in quarantine: two machines ..." */
const char *audit_of_server(char out[AUDIT_WORDS_MAX], const struct fleet_server *s,
                            int64_t wall_ms);
/* until_ms 0: "not in maintenance" */
const char *audit_of_maintenance(char out[AUDIT_WORDS_MAX], int64_t until_ms, const char *by,
                                 const char *reason);
/* The servers of the run: "2 in the farm; 1 declared out" */
const char *audit_of_servers(char out[AUDIT_WORDS_MAX], const struct fleet *fleet,
                             const struct rollout *run, int64_t wall_ms);
/* "proposed, rung 1: its queue is 900 long" */
const char *audit_of_incident(char out[AUDIT_WORDS_MAX], const struct incident *n);
/* The pools of the run's targets, as their agents last told them: "Shop Started autoStart=yes on 3;
 * " "Shop Stopped autoStart=no on 1". "" for a run on whole servers. */
const char *audit_of_pools(char out[AUDIT_WORDS_MAX], const struct fleet *fleet,
                           const struct rollout *run);

/* spent NULL: it is good. */
const char *audit_of_join_right(char out[AUDIT_WORDS_MAX], const struct join_right *right,
                                const char *spent);
const char *audit_of_member(char out[AUDIT_WORDS_MAX], const struct member *m); /* NULL: none */
const char *audit_of_operator(char out[AUDIT_WORDS_MAX], const struct operator_right *right,
                              const char *spent);

#endif
