/* messages.c - see messages.h. */
#include "proto/messages.h"

#include <string.h>

#define NAME(names, value)                                                                         \
    ((unsigned)(value) < sizeof(names) / sizeof((names)[0]) && (names)[value] ? (names)[value]     \
                                                                              : "?")
#define ALL_NAMED(names, count)                                                                    \
    _Static_assert(sizeof(names) / sizeof((names)[0]) == (count), "a name for each value")

static const char *const verb_names[] = {
    [VERB_NONE] = "none",
    [VERB_RECYCLE] = "recycle",
    [VERB_START] = "start",
    [VERB_STOP] = "stop",
    [VERB_OBSERVE] = "observe",
    [VERB_QUERY] = "query",
    [VERB_SERVICE_RECOVER] = "service-recover",
    [VERB_SERVICE_RESTART] = "service-restart",
    [VERB_SERVICE_STOP] = "service-stop",
    [VERB_SERVICE_START] = "service-start",
    [VERB_WORKER_KILL] = "worker-kill",
    [VERB_DRAIN] = "drain",
    [VERB_READY] = "ready",
    [VERB_ROTATION] = "rotation",
    [VERB_SET] = "set",
};
ALL_NAMED(verb_names, VERB_COUNT);

static const char *const outcome_names[] = {
    [OUTCOME_NONE] = "none",       [OUTCOME_DONE] = "done",
    [OUTCOME_NOTHING] = "nothing", [OUTCOME_FAILED] = "failed",
    [OUTCOME_REFUSED] = "refused", [OUTCOME_INTERRUPTED] = "interrupted",
    [OUTCOME_RUNNING] = "running", [OUTCOME_UNHEARD] = "unheard",
};
ALL_NAMED(outcome_names, OUTCOME_COUNT);

static const char *const cause_names[] = {
    [CAUSE_NONE] = "none",
    [CAUSE_UNKNOWN_POOL] = "unknown-pool",
    [CAUSE_POOL_STOPPED] = "pool-stopped",
    [CAUSE_POOL_IDLE] = "pool-idle",
    [CAUSE_ALREADY] = "already",
    [CAUSE_DENIED_BY_AGENT] = "denied-by-agent",
    [CAUSE_EXPIRED] = "expired",
    [CAUSE_FENCE] = "fence",
    [CAUSE_INCARNATION] = "incarnation",
    [CAUSE_BUSY] = "busy",
    [CAUSE_NOT_ELEVATED] = "not-elevated",
    [CAUSE_SERVICE_DOWN] = "service-down",
    [CAUSE_TIMEOUT] = "timeout",
    [CAUSE_PROBE] = "probe",
    [CAUSE_SHARED_CONFIG] = "shared-config",
    [CAUSE_IDENTITY] = "identity",
    [CAUSE_RAPID_FAIL] = "rapid-fail",
    [CAUSE_JOURNAL] = "journal",
    [CAUSE_DRIVER] = "driver",
    [CAUSE_UNSUPPORTED] = "unsupported",
    [CAUSE_ON_PURPOSE] = "on-purpose",
    [CAUSE_SHARED_HOST] = "shared-host",
    [CAUSE_GONE] = "gone",
};
ALL_NAMED(cause_names, CAUSE_COUNT);

static const char *const pool_state_names[] = {
    [POOL_STATE_UNKNOWN] = "Unknown", [POOL_STATE_STARTING] = "Starting",
    [POOL_STATE_STARTED] = "Started", [POOL_STATE_STOPPING] = "Stopping",
    [POOL_STATE_STOPPED] = "Stopped",
};
ALL_NAMED(pool_state_names, POOL_STATE_COUNT);

static const char *const start_mode_names[] = {
    [START_MODE_ON_DEMAND] = "OnDemand",
    [START_MODE_ALWAYS_RUNNING] = "AlwaysRunning",
};
ALL_NAMED(start_mode_names, START_MODE_COUNT);

static const char *const service_state_names[] = {
    [SVC_UNKNOWN] = "UNKNOWN",
    [SVC_STOPPED] = "STOPPED",
    [SVC_START_PENDING] = "START_PENDING",
    [SVC_STOP_PENDING] = "STOP_PENDING",
    [SVC_RUNNING] = "RUNNING",
    [SVC_PAUSED] = "PAUSED",
    [SVC_ABSENT] = "ABSENT",
};
ALL_NAMED(service_state_names, SVC_STATE_COUNT);

static const char *const service_start_names[] = {
    [SVC_START_UNKNOWN] = "UNKNOWN",
    [SVC_START_AUTO] = "AUTO",
    [SVC_START_DEMAND] = "DEMAND",
    [SVC_START_DISABLED] = "DISABLED",
};
ALL_NAMED(service_start_names, SVC_START_COUNT);

const char *verb_name(enum verb verb)
{
    return NAME(verb_names, verb);
}

const char *outcome_name(enum outcome outcome)
{
    return NAME(outcome_names, outcome);
}

const char *cause_name(enum cause cause)
{
    return NAME(cause_names, cause);
}

const char *pool_state_name(enum pool_state state)
{
    return NAME(pool_state_names, state);
}

const char *start_mode_name(enum start_mode mode)
{
    return NAME(start_mode_names, mode);
}

const char *service_state_name(enum service_state state)
{
    return NAME(service_state_names, state);
}

const char *service_start_name(enum service_start start)
{
    return NAME(service_start_names, start);
}

bool verb_is_disruptive(enum verb verb)
{
    switch (verb) {
    case VERB_RECYCLE:
    case VERB_STOP:
    case VERB_SERVICE_RECOVER:
    case VERB_SERVICE_RESTART:
    case VERB_SERVICE_STOP:
    case VERB_WORKER_KILL:
    case VERB_SET:
    case VERB_DRAIN:
        return true;
    case VERB_NONE:
    case VERB_START:
    case VERB_SERVICE_START:
    case VERB_READY:
    case VERB_OBSERVE:
    case VERB_QUERY:
    case VERB_ROTATION:
        return false;
    }
    return true; /* a verb that is not known may do anything */
}

bool verb_is_of_services(enum verb verb)
{
    return verb == VERB_SERVICE_RECOVER || verb == VERB_SERVICE_RESTART ||
           verb == VERB_SERVICE_STOP || verb == VERB_SERVICE_START;
}

bool verb_is_of_rotation(enum verb verb)
{
    return verb == VERB_DRAIN || verb == VERB_READY || verb == VERB_ROTATION;
}

bool wire_id_equal(const struct wire_id *a, const struct wire_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool wire_id_is_zero(const struct wire_id *id)
{
    static const struct wire_id zero;
    return wire_id_equal(id, &zero);
}

bool fence_equal(const struct fence *a, const struct fence *b)
{
    return a->number == b->number && wire_id_equal(&a->instance, &b->instance);
}

bool command_id_equal(const struct command_id *a, const struct command_id *b)
{
    return a->seq == b->seq && fence_equal(&a->fence, &b->fence);
}

/* Length of the valid UTF-8 sequence at s, 0 if there is none (RFC 3629). */
static size_t sequence_len(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f;
    bool beyond = s[0] == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : len;
}

static bool is_control(const unsigned char *s)
{
    return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f);
}

bool wire_server_name_ok(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len < WIRE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len;
}

bool wire_text_is_clean(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t len = sequence_len(s);
        if (len == 0 || is_control(s))
            return false;
        s += len;
    }
    return true;
}

const char *wire_clean_text(char *out, size_t size_bytes, const char *text)
{
    size_t used = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t len = sequence_len(s);
        size_t taken = len ? len : 1;
        if (used + taken + 1 > size_bytes)
            break;
        if (len == 0)
            out[used++] = '?';
        else if (is_control(s))
            out[used++] = ' ';
        else
            memcpy(out + used, s, len), used += len;
        s += taken;
    }
    if (size_bytes > 0)
        out[used] = '\0';
    return out;
}
