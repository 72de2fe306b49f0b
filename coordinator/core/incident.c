/* incident.c - see incident.h. */
#include "coordinator/core/incident.h"

static const char *const phase_names[INCIDENT_PHASE_COUNT] = {
    "left",   "opened",  "observed",  "proposed",    "blocked",
    "acting", "proving", "returning", "quarantined", "called"};

const char *incident_phase_name(enum incident_phase phase)
{
    return (unsigned)phase < INCIDENT_PHASE_COUNT ? phase_names[phase] : "?";
}

static const char *const guard_names[INCIDENT_GUARD_COUNT] = {
    "",      "stale",    "on-purpose", "identity", "young",        "nobody",      "common-cause",
    "storm", "flapping", "cool-down",  "minimum",  "declared-out", "maintenance", "window",
    "run",   "lease",    "budget",     "begun"};

const char *incident_guard_name(enum incident_guard guard)
{
    return (unsigned)guard < INCIDENT_GUARD_COUNT ? guard_names[guard] : "?";
}
