#include "tests/lab/base/schema.h"

#include "tests/lab/base/words.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UINT_TOP 4294967295u

/* clang-format off */
const struct schema_attribute SCHEMA_POOL[] = {
    {"", "queueLength", SCHEMA_UINT, "1000", 10, 65535, NULL, false},
    {"", "autoStart", SCHEMA_BOOL, "true", 0, 0, NULL, false},
    {"", "enable32BitAppOnWin64", SCHEMA_BOOL, "false", 0, 0, NULL, true},
    {"", "managedRuntimeVersion", SCHEMA_TEXT, "", 0, 0, NULL, true},
    {"", "managedPipelineMode", SCHEMA_ENUM, "Integrated", 0, 0, "Integrated Classic", true},
    {"", "startMode", SCHEMA_ENUM, "OnDemand", 0, 0, "OnDemand AlwaysRunning", false},
    {"processModel", "identityType", SCHEMA_ENUM, "ApplicationPoolIdentity", 0, 0,
     "LocalSystem LocalService NetworkService SpecificUser ApplicationPoolIdentity", true},
    {"processModel", "userName", SCHEMA_TEXT, "", 0, 0, NULL, true},
    {"processModel", "password", SCHEMA_TEXT, "", 0, 0, NULL, true},
    {"processModel", "idleTimeout", SCHEMA_SPAN, "00:20:00", 0, 0, NULL, true},
    {"processModel", "idleTimeoutAction", SCHEMA_ENUM, "Terminate", 0, 0, "Terminate Suspend", true},
    {"processModel", "maxProcesses", SCHEMA_UINT, "1", 0, 2147483647, NULL, true},
    {"processModel", "shutdownTimeLimit", SCHEMA_SPAN, "00:01:30", 0, 0, NULL, true},
    {"processModel", "startupTimeLimit", SCHEMA_SPAN, "00:01:30", 0, 0, NULL, true},
    {"processModel", "pingingEnabled", SCHEMA_BOOL, "true", 0, 0, NULL, true},
    {"processModel", "pingInterval", SCHEMA_SPAN, "00:00:30", 0, 0, NULL, true},
    {"processModel", "pingResponseTime", SCHEMA_SPAN, "00:01:30", 0, 0, NULL, true},
    {"recycling", "disallowOverlappingRotation", SCHEMA_BOOL, "false", 0, 0, NULL, false},
    {"recycling", "disallowRotationOnConfigChange", SCHEMA_BOOL, "false", 0, 0, NULL, false},
    {"recycling", "logEventOnRecycle", SCHEMA_FLAGS, "Time, Memory, PrivateMemory", 0, 0,
     "Time Requests Schedule Memory IsapiUnhealthy OnDemand ConfigChange PrivateMemory", false},
    {"recycling/periodicRestart", "memory", SCHEMA_UINT, "0", 0, UINT_TOP, NULL, true},
    {"recycling/periodicRestart", "privateMemory", SCHEMA_UINT, "0", 0, UINT_TOP, NULL, true},
    {"recycling/periodicRestart", "requests", SCHEMA_UINT, "0", 0, UINT_TOP, NULL, true},
    {"recycling/periodicRestart", "time", SCHEMA_SPAN, "1.05:00:00", 0, 0, NULL, true},
    {"failure", "loadBalancerCapabilities", SCHEMA_ENUM, "HttpLevel", 0, 0, "TcpLevel HttpLevel", false},
    {"failure", "orphanWorkerProcess", SCHEMA_BOOL, "false", 0, 0, NULL, false},
    {"failure", "rapidFailProtection", SCHEMA_BOOL, "true", 0, 0, NULL, false},
    {"failure", "rapidFailProtectionInterval", SCHEMA_SPAN, "00:05:00", 0, 0, NULL, false},
    {"failure", "rapidFailProtectionMaxCrashes", SCHEMA_UINT, "5", 0, 2147483647, NULL, false},
    {"cpu", "limit", SCHEMA_UINT, "0", 0, 100000, NULL, true},
    {"cpu", "action", SCHEMA_ENUM, "NoAction", 0, 0, "NoAction KillW3wp Throttle ThrottleUnderLoad", true},
    {"cpu", "resetInterval", SCHEMA_SPAN, "00:05:00", 0, 0, NULL, true},
};
/* clang-format on */
const size_t SCHEMA_POOL_COUNT = sizeof SCHEMA_POOL / sizeof *SCHEMA_POOL;

const struct schema_attribute *schema_find(const char *path)
{
    for (size_t i = 0; i < SCHEMA_POOL_COUNT; i++) {
        const struct schema_attribute *a = &SCHEMA_POOL[i];
        char full[128];
        snprintf(full, sizeof full, "%s%s%s", a->element, *a->element ? "." : "", a->name);
        for (char *c = full; (c = strchr(c, '/'));)
            *c = '.';
        if (text_equal_nocase(full, path))
            return a;
    }
    return NULL;
}

bool schema_parse_span(const char *text, uint64_t *out_ms)
{
    unsigned days = 0, hours, minutes, seconds;
    int used = 0;
    if (strchr(text, '.')) {
        if (sscanf(text, "%u.%u:%u:%u%n", &days, &hours, &minutes, &seconds, &used) != 4)
            return false;
    } else if (sscanf(text, "%u:%u:%u%n", &hours, &minutes, &seconds, &used) != 3) {
        return false;
    }
    if (text[used] || minutes > 59 || seconds > 59)
        return false;
    *out_ms = (((uint64_t)days * 24 + hours) * 3600 + minutes * 60 + seconds) * 1000;
    return true;
}

void schema_format_span(char out[32], uint64_t ms)
{
    uint64_t s = ms / 1000, days = s / 86400;
    int at = days ? snprintf(out, 32, "%u.", (unsigned)days) : 0;
    snprintf(out + at, 32 - (size_t)at, "%02u:%02u:%02u", (unsigned)(s / 3600 % 24),
             (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

/* The word of the list that equals value; without case. */
static bool word(const char *words, const char *value, char *out, size_t size_bytes)
{
    char copy[256], *rest = copy, *one;
    text_copy(copy, sizeof copy, words);
    while ((one = words_next(&rest, " "))) {
        if (text_equal_nocase(one, value))
            return text_copy(out, size_bytes, one);
    }
    return false;
}

static bool flags(const char *words, const char *value, char *out, size_t size_bytes)
{
    char copy[256], one_normal[64], *rest = copy, *one;
    text_copy(copy, sizeof copy, value);
    while ((one = words_next(&rest, ", "))) {
        if (*one && !word(words, one, one_normal, sizeof one_normal))
            return false;
    }
    return text_copy(out, size_bytes, value);
}

bool schema_normal(const struct schema_attribute *a, const char *value, char *out,
                   size_t size_bytes)
{
    uint64_t number;
    char span[32];
    switch (a->type) {
    case SCHEMA_TEXT:
        return text_copy(out, size_bytes, value);
    case SCHEMA_BOOL:
        return word("true false", value, out, size_bytes);
    case SCHEMA_UINT:
        return text_parse_u64(value, a->min, a->max, &number) &&
               text_format(out, size_bytes, "%llu", (unsigned long long)number);
    case SCHEMA_SPAN:
        if (!schema_parse_span(value, &number))
            return false;
        schema_format_span(span, number);
        return text_copy(out, size_bytes, span);
    case SCHEMA_ENUM:
        return word(a->words, value, out, size_bytes);
    case SCHEMA_FLAGS:
        return flags(a->words, value, out, size_bytes);
    }
    return false;
}
