/* warm.h - what keeps a pool warm over a recycle, as settings. Pure.
 *
 * Source: IIS.md section 1: a recycle is free only when the new worker is warm. What can be set is
 * in WARM_SETTINGS; the addresses of applicationInitialization are the application's own, and a
 * start-up limit above the warm-up time is a number nobody but its owner knows: those are told.
 */
#ifndef FARMHAND_COORDINATOR_WARM_H
#define FARMHAND_COORDINATOR_WARM_H

#include <stdbool.h>
#include <stddef.h>

/* As agent/setting.h of the agent reads them. */
#define WARM_SETTINGS                                                                              \
    "startMode=AlwaysRunning;processModel.idleTimeout=00:00:00;"                                   \
    "recycling.disallowOverlappingRotation=false;preloadEnabled=true"

/* What was before two changes one after the other: `newer` where the older has nothing to say of a
 * setting. false: it would not fit, out is as `older`. */
bool warm_merge(const char *older, const char *newer, char *out, size_t size_bytes);

#endif
