/* setting.h - VERB_SET as steps over driver calls: some settings of a pool, changed once.
 *
 * Pure, and driven by recipes.c as the other recipes are.
 *
 *   LOOK ──► READ ──► BEGIN ──► SET ──► CHECK ──► PROBE ──► END
 *     │       │     (journal)            (read again)  (if asked, and the pool runs)
 *     └───────┴──► END: refused, nothing to do
 *
 * What is changed, as it was before, stands in the record before the change, so that it can be put
 * back by the same verb whatever happens. Configuration that others share is only changed where the
 * command says that it is done once for all of them.
 *
 * Settings are a text, "name=value;name=value", the names as IIS has them, with a dot for each
 * level; those of an application of the pool have its name in brackets behind theirs. A name
 * without brackets means that of every application.
 */
#ifndef FARMHAND_AGENT_SETTING_H
#define FARMHAND_AGENT_SETTING_H

#include "agent/recipes.h"

#define SETTING_TEXT_MAX WIRE_TEXT_MAX

struct setting;

struct setting *setting_new(struct record *record, const struct recipe_limits *limits,
                            uint64_t now_ms);
/* Begun before a restart of the agent: looks whether it was done. */
struct setting *setting_resume(struct record *record, const struct recipe_limits *limits,
                               uint64_t now_ms);
void setting_free(struct setting *s);

struct recipe_next setting_next(const struct setting *s, uint64_t now_ms);
void setting_on_result(struct setting *s, const struct call_result *result, uint64_t now_ms);
void setting_on_begun(struct setting *s, uint64_t now_ms);
void setting_refuse(struct setting *s, enum cause cause, const char *detail, uint64_t now_ms);
const char *setting_text(const struct setting *s);
uint64_t setting_since_ms(const struct setting *s);

/* Behind a name that is wanted: */
#define SETTING_IF_THERE '?' /* "name?=value": where there is such a setting, none is fine */
#define SETTING_AT_LEAST '>' /* "name>=hh:mm:ss": no less */

/* Those of `wanted` that `now` has otherwise: as they should be, and as they are. *count: how many;
 * false: one of them is not there at all, or it would not fit; its name is in `missing`. */
bool setting_differ(const char *wanted, const char *now, char to[SETTING_TEXT_MAX],
                    char from[SETTING_TEXT_MAX], size_t *count, char missing[WIRE_NAME_MAX]);
/* "startMode OnDemand -> AlwaysRunning, ..." for people. */
void setting_say(const char *to, const char *from, char *out, size_t size_bytes);

#endif
