/* agent_services.c - see agent_internal.h: what is remembered of services: the last healthy set,
 * and whether a person keeps them down. */
#include "agent/agent_internal.h"

#include "agent/recovery.h"
#include "common/text.h"

/* After a failed IISRESET everything is stopped already: what ran before is kept all the time. The
 * set grows at once; it shrinks only when fewer have run for long. */
static bool is_healthy_set(struct agent *a, const char *set, uint64_t now_ms)
{
    if (!recovery_set_within(a->healthy, set)) {
        a->fewer_since_ms = a->fewer_since_ms ? a->fewer_since_ms : now_ms;
        return now_ms - a->fewer_since_ms >= FEWER_MS;
    }
    a->fewer_since_ms = 0;
    return true;
}

void agent_note_services(struct agent *a, const struct call_result *look, uint64_t now_ms)
{
    char set[RECORD_SERVICES_MAX];
    bool in_hand = a->hand.record && verb_is_of_services(a->hand.record->verb);
    if (in_hand || look->code != ERR_NONE || !recovery_healthy(&look->view, set, sizeof(set))) {
        a->fewer_since_ms = 0;
        return;
    }
    if (!is_healthy_set(a, set, now_ms))
        return;
    bool same = recovery_set_within(a->healthy, set) && recovery_set_within(set, a->healthy);
    if (same && a->healthy_written)
        return;
    text_copy(a->healthy, sizeof(a->healthy), set);
    a->fewer_since_ms = 0;
    agent_journal(a, JOURNAL_HEALTHY, NULL, NULL);
}

void agent_services_before(struct agent *a, struct record *record)
{
    if (!verb_is_of_services(record->verb))
        return;
    text_copy(record->services, sizeof(record->services), a->healthy);
    if (record->verb != VERB_SERVICE_STOP)
        record->former = a->kept_start;
    text_copy(record->kept_by, sizeof(record->kept_by), a->kept_by);
}

void agent_services_begun(struct agent *a, const struct record *record)
{
    if (record->verb != VERB_SERVICE_STOP)
        return;
    a->kept_start = record->former;
    text_format(a->kept_by, sizeof(a->kept_by), "%s (%.700s)", record->actor, record->reason);
}

void agent_services_ended(struct agent *a, const struct record *record)
{
    bool back = record->verb == VERB_SERVICE_START || record->verb == VERB_SERVICE_RECOVER;
    if (!back || record->outcome != OUTCOME_DONE)
        return;
    a->kept_start = SVC_START_UNKNOWN;
    a->kept_by[0] = '\0';
}
