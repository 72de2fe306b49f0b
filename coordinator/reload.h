/* reload.h - the rules of remediation read anew while the coordinator runs, when SIGHUP asks.
 *
 * remediation.conf alone: what else stands in coordinator.conf, the windows that rules name
 * included, is as it was at the start. A file with mistakes is refused whole: each mistake is
 * logged, all are told in one event (rules.refused), and the rules from before stay in force. What
 * a change of rules means for incidents that are open is the brain's matter
 * (coordinator_take_rules).
 *
 * That SIGHUP came is the coordinator's one global beside those of common/service.h.
 */
#ifndef FARMHAND_COORDINATOR_RELOAD_H
#define FARMHAND_COORDINATOR_RELOAD_H

#include "coordinator/brain/coordinator.h"
#include "coordinator/settings/remediation.h"

#include <stdbool.h>
#include <stdint.h>

/* From here on SIGHUP asks, and ends the program no more. */
void reload_listen(void);
/* It has asked since this was called last. */
bool reload_asked(void);

struct reload {
    const char *path;              /* lent; NULL: coordinator.conf names no file of rules */
    const struct windows *windows; /* lent */
    struct coordinator *brain;
    struct remediation taken; /* what the brain lends since; nothing yet: what it began with */
};

/* Reads the file, which blocks, and hands it to the brain, whole or not at all. */
void reload_rules(struct reload *r, uint64_t now_ms, int64_t wall_ms);
/* When the brain is closed. */
void reload_release(struct reload *r);

#endif
