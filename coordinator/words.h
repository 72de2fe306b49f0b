/* words.h - the stable words of the coordinator's choices, both ways: for stores, JSON and files.
 *
 * Names that rollout.h and messages.h give are parsed here; the others have their names here too.
 * A word that is not one of ours gives false and leaves *out untouched. Pure.
 */
#ifndef FARMHAND_COORDINATOR_WORDS_H
#define FARMHAND_COORDINATOR_WORDS_H

#include "coordinator/rollout.h"
#include "coordinator/store.h"

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

/* "person,store" from bits and back; 0 is "". */
#define PAUSE_CAUSES_MAX 128
const char *pause_causes_format(char out[PAUSE_CAUSES_MAX], uint32_t causes);
bool pause_causes_parse(const char *words, uint32_t *out);

#endif
