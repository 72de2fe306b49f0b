/* zones.h - time zones of this machine, read once each. Blocks on reading a file.
 *
 * They lie under /usr/share/zoneinfo (package tzdata), or where the environment's TZDIR says.
 */
#ifndef FARMHAND_COORDINATOR_ZONES_H
#define FARMHAND_COORDINATOR_ZONES_H

#include "coordinator/core/zone.h"

struct zones;

struct zones *zones_open(void);
void zones_close(struct zones *z);

/* NULL: there is none of that name, or its file cannot be read. Lent until zones_close. */
const struct zone *zones_find(struct zones *z, const char *name);

#endif
