/* settings_internal.h - what settings.c and settings_keys.c share; nobody else includes it. */
#ifndef FARMHAND_AGENT_SETTINGS_INTERNAL_H
#define FARMHAND_AGENT_SETTINGS_INTERNAL_H

#include "agent/settings.h"

/* In milliseconds. */
#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* settings_keys.c: of struct settings. */
extern const struct config_schema settings_schema;
/* The verb that a word of [allow] stands for, in any case of letters; VERB_NONE: none. */
enum verb settings_verb(const char *word);
enum verb settings_verb_at(size_t at); /* of all that have a word; VERB_NONE: past the last */

#endif
