/* words.h - the stable words of the coordinator's choices, both ways: for stores, JSON and files.
 *
 * Names that rollout.h, incident.h and messages.h give are parsed here; the others have their names
 * here too. A word that is not one of ours gives false and leaves *out untouched. Pure.
 */
#ifndef FARMHAND_COORDINATOR_WORDS_H
#define FARMHAND_COORDINATOR_WORDS_H

#include "coordinator/core/rollout.h"
#include "coordinator/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL-terminated, in the order of their enums: what a configuration file may choose from. */
extern const char *const on_failure_words[];     /* stop pause continue */
extern const char *const on_unreachable_words[]; /* fail skip wait */
extern const char *const on_drain_limit_words[]; /* fail proceed */

const char *on_failure_name(enum on_failure value);
const char *on_unreachable_name(enum on_unreachable value);
const char *on_drain_limit_name(enum on_drain_limit value);
const char *balancer_admin_name(enum balancer_admin value); /* ready drain maint */
const char *lease_owner_name(enum lease_owner value);       /* run incident */

bool on_failure_parse(const char *word, enum on_failure *out);
bool on_unreachable_parse(const char *word, enum on_unreachable *out);
bool on_drain_limit_parse(const char *word, enum on_drain_limit *out);
bool balancer_admin_parse(const char *word, enum balancer_admin *out);
bool lease_owner_parse(const char *word, enum lease_owner *out);
bool rollout_action_parse(const char *word, enum rollout_action *out);
bool run_state_parse(const char *word, enum run_state *out);
bool target_state_parse(const char *word, enum target_state *out);
bool verb_parse(const char *word, enum verb *out);
bool outcome_parse(const char *word, enum outcome *out);
bool cause_parse(const char *word, enum cause *out);
bool incident_phase_parse(const char *word, enum incident_phase *out);
bool incident_guard_parse(const char *word, enum incident_guard *out);

/* What a run bears, words_policy.c: "2", "10%", "2,1/wave" or "1/wave" (any number in the run);
 * `then` stays. All four kinds: "stop 0;stop 0;pause 10%,1/wave;pause 0". */
#define LIMITS_TEXT_MAX   40
#define POLICIES_TEXT_MAX 256
#define TROUBLES_TEXT_MAX 128
bool limits_parse(const char *text, struct policy *out);
const char *limits_format(char out[LIMITS_TEXT_MAX], const struct policy *p);
bool policies_parse(const char *text, struct policy *out);
const char *policies_format(char out[POLICIES_TEXT_MAX], const struct policy *policies);
/* Counts in the run and in the wave: "1/0 0/0 2/1 0/0". */
const char *troubles_format(char out[TROUBLES_TEXT_MAX], const uint32_t *run, const uint32_t *wave);
bool troubles_parse(const char *text, uint32_t *run, uint32_t *wave);
bool trouble_parse(const char *word, enum trouble *out);

/* A limit: "", "150%" or a number. */
#define BOUND_TEXT_MAX 32
bool bound_parse(const char *text, struct bound *out);
const char *bound_format(char out[BOUND_TEXT_MAX], const struct bound *b);

/* "person,store" from bits and back; 0 is "". */
#define PAUSE_CAUSES_MAX 128
const char *pause_causes_format(char out[PAUSE_CAUSES_MAX], uint32_t causes);
bool pause_causes_parse(const char *words, uint32_t *out);

#endif
