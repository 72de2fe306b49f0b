/* warm.h - what keeps a pool warm over a recycle, as settings. Pure.
 *
 * Source: IIS.md section 1: a recycle is free only when the new worker is warm. What can be set is
 * in WARM_SETTINGS: of applications what is there (a pool may have none, a server may lack
 * Application Initialization), of the start-up limit no less than what IIS gives by itself. How far
 * above it a warm-up needs to go nobody but its owner knows, and the addresses of
 * applicationInitialization are the application's own: doctor tells who has none.
 */
#ifndef FARMHAND_COORDINATOR_WARM_H
#define FARMHAND_COORDINATOR_WARM_H

#include <stdbool.h>
#include <stddef.h>

/* As agent/setting.h of the agent reads them. */
#define WARM_SETTINGS                                                                              \
    "startMode=AlwaysRunning;processModel.idleTimeout=00:00:00;"                                   \
    "processModel.startupTimeLimit>=00:01:30;recycling.disallowOverlappingRotation=false;"         \
    "preloadEnabled?=true;doAppInitAfterRestart?=true"

/* What was before two changes one after the other: `newer` where the older has nothing to say of a
 * setting. false: it would not fit, out is as `older`. */
bool warm_merge(const char *older, const char *newer, char *out, size_t size_bytes);

#endif
