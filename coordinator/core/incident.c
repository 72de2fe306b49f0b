/* incident.c - see incident.h. */
#include "coordinator/core/incident.h"

#include "common/text.h"

static const char *const phase_names[INCIDENT_PHASE_COUNT] = {
    "left",   "opened",  "observed",  "proposed",    "blocked",
    "acting", "proving", "returning", "quarantined", "called"};

const char *incident_phase_name(enum incident_phase phase)
{
    return (unsigned)phase < INCIDENT_PHASE_COUNT ? phase_names[phase] : "?";
}

bool incident_phase_parse(const char *word, enum incident_phase *out)
{
    for (int i = 0; i < INCIDENT_PHASE_COUNT; i++) {
        if (text_equal(word, phase_names[i])) {
            *out = (enum incident_phase)i;
            return true;
        }
    }
    return false;
}

static const char *const guard_names[INCIDENT_GUARD_COUNT] = {
    "",      "stale",    "on-purpose", "identity", "young",        "nobody",      "common-cause",
    "storm", "flapping", "cool-down",  "minimum",  "declared-out", "maintenance", "window",
    "run",   "lease",    "budget",     "begun"};

const char *incident_guard_name(enum incident_guard guard)
{
    return (unsigned)guard < INCIDENT_GUARD_COUNT ? guard_names[guard] : "?";
}

bool incident_guard_parse(const char *word, enum incident_guard *out)
{
    for (int i = 0; i < INCIDENT_GUARD_COUNT; i++) {
        if (text_equal(word, guard_names[i])) {
            *out = (enum incident_guard)i;
            return true;
        }
    }
    return false;
}
