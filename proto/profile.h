/* profile.h - how far an agent lets a coordinator go: three steps, chosen by the server's owner.
 * Pure. Reading is always allowed; putting back into rotation what was taken out (READY) too, where
 * a keep-alive file is configured.
 */
#ifndef FARMHAND_PROTO_PROFILE_H
#define FARMHAND_PROTO_PROFILE_H

#include "proto/messages.h"

#include <stdbool.h>

enum profile {
    PROFILE_OBSERVE,          /* reports only: where every agent begins */
    PROFILE_OPERATE,          /* and pools, workers, rotation */
    PROFILE_OPERATE_SERVICES, /* and WAS, W3SVC and what depends on them */
};
#define PROFILE_COUNT 3

/* "observe", "operate", "operate-services", NULL-terminated. */
extern const char *const profile_words[];
const char *profile_name(enum profile profile); /* "?" out of range */
bool profile_parse(const char *word, enum profile *out);
/* The least one that allows the verb. */
enum profile profile_needed(enum verb verb);

#endif
