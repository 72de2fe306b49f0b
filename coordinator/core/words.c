/* words.c - see words.h. */
#include "coordinator/core/words.h"

#include "common/text.h"

const char *const on_failure_words[] = {"stop", "pause", "continue", NULL};
const char *const on_unreachable_words[] = {"fail", "skip", "wait", NULL};
const char *const on_drain_limit_words[] = {"fail", "proceed", NULL};

const char *on_failure_name(enum on_failure value)
{
    switch (value) {
    case ON_FAILURE_STOP:
    case ON_FAILURE_PAUSE:
    case ON_FAILURE_CONTINUE:
        return on_failure_words[value];
    }
    return "?";
}

const char *on_unreachable_name(enum on_unreachable value)
{
    switch (value) {
    case UNREACHABLE_FAIL:
    case UNREACHABLE_SKIP:
    case UNREACHABLE_WAIT:
        return on_unreachable_words[value];
    }
    return "?";
}

const char *on_drain_limit_name(enum on_drain_limit value)
{
    switch (value) {
    case DRAIN_LIMIT_FAIL:
    case DRAIN_LIMIT_PROCEED:
        return on_drain_limit_words[value];
    }
    return "?";
}

const char *balancer_admin_name(enum balancer_admin value)
{
    switch (value) {
    case BALANCER_READY:
        return "ready";
    case BALANCER_DRAIN:
        return "drain";
    case BALANCER_MAINT:
        return "maint";
    }
    return "?";
}

const char *lease_owner_name(enum lease_owner value)
{
    switch (value) {
    case LEASE_RUN:
        return "run";
    case LEASE_INCIDENT:
        return "incident";
    }
    return "?";
}

/* bool TYPE_parse(word, out): the value among [first, end) whose name is the word. */
#define PARSE_BY_NAME(type, first, end)                                                            \
    bool type##_parse(const char *word, enum type *out)                                            \
    {                                                                                              \
        for (int i = (first); i < (end); i++) {                                                    \
            if (!text_equal(word, type##_name((enum type)i)))                                      \
                continue;                                                                          \
            *out = (enum type)i;                                                                   \
            return true;                                                                           \
        }                                                                                          \
        return false;                                                                              \
    }

PARSE_BY_NAME(on_failure, ON_FAILURE_STOP, ON_FAILURE_CONTINUE + 1)
PARSE_BY_NAME(on_unreachable, UNREACHABLE_FAIL, UNREACHABLE_WAIT + 1)
PARSE_BY_NAME(on_drain_limit, DRAIN_LIMIT_FAIL, DRAIN_LIMIT_PROCEED + 1)
PARSE_BY_NAME(balancer_admin, BALANCER_READY, BALANCER_MAINT + 1)
PARSE_BY_NAME(lease_owner, LEASE_RUN, LEASE_INCIDENT + 1)
PARSE_BY_NAME(rollout_action, 0, ROLLOUT_ACTION_COUNT)
PARSE_BY_NAME(run_state, 0, RUN_STATE_COUNT)
PARSE_BY_NAME(target_state, 0, TARGET_STATE_COUNT)
PARSE_BY_NAME(verb, 0, VERB_COUNT)
PARSE_BY_NAME(outcome, 0, OUTCOME_COUNT)
PARSE_BY_NAME(cause, 0, CAUSE_COUNT)
PARSE_BY_NAME(incident_phase, 0, INCIDENT_PHASE_COUNT)
PARSE_BY_NAME(incident_guard, 0, INCIDENT_GUARD_COUNT)

const char *pause_causes_format(char out[PAUSE_CAUSES_MAX], uint32_t causes)
{
    out[0] = '\0';
    for (int bit = 0; bit < PAUSE_BITS; bit++) {
        if (!(causes & (1U << bit)))
            continue;
        char before[PAUSE_CAUSES_MAX];
        text_copy(before, sizeof(before), out);
        text_format(out, PAUSE_CAUSES_MAX, "%s%s%s", before, before[0] ? "," : "",
                    pause_cause_name((enum pause_cause)(1U << bit)));
    }
    return out;
}

static int add_cause(const char *word, void *arg)
{
    uint32_t *causes = arg;
    for (int bit = 0; bit < PAUSE_BITS; bit++) {
        if (!text_equal(word, pause_cause_name((enum pause_cause)(1U << bit))))
            continue;
        *causes |= 1U << bit;
        return 0;
    }
    return 1;
}

bool pause_causes_parse(const char *words, uint32_t *out)
{
    uint32_t causes = 0;
    if (words[0] != '\0' && text_split(words, ',', add_cause, &causes) != 0)
        return false;
    *out = causes;
    return true;
}
