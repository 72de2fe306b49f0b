/* doctor_pools.c - see doctor.h: what would make a recycle of a pool visible, and the shapes of
 * configuration that bite (IIS.md sections 1 and 8).
 *
 * Facts of a pool: state · workers N · probe passed|failed|none|skipped · probe.detail ·
 * preload.off, warmup.off, offline (applications) · and its configuration under the names that IIS
 * gives, with a dot for each level: startMode, processModel.idleTimeout,
 * recycling.periodicRestart.time, ...
 */
#include "agent/doctor.h"

#include "common/text.h"

#include <string.h>

/* ---- values ---- */

static bool is_false(const char *value)
{
    return text_equal_nocase(value, "false");
}

static bool is_true(const char *value)
{
    return text_equal_nocase(value, "true");
}

/* "00:00:00" and "0" alike. */
static bool is_set(const char *value)
{
    return strspn(value, "0:.") != strlen(value);
}

static bool is_on_demand(const char *value)
{
    return text_equal_nocase(value, "OnDemand");
}

static bool is_suspend(const char *value)
{
    return text_equal_nocase(value, "Suspend");
}

static bool is_garden(const char *value)
{
    uint64_t count = 1;
    text_parse_u64(value, 0, UINT32_MAX, &count);
    return count != 1;
}

static bool is_http_level(const char *value)
{
    return text_equal_nocase(value, "HttpLevel");
}

static bool is_user(const char *value)
{
    return text_equal_nocase(value, "SpecificUser");
}

/* ---- the table ---- */

/* A line for each value that meets `when`. */
static const struct {
    const char *check, *key;
    bool (*when)(const char *value);
    enum doctor_level level;
    const char *means, *advice;
} rules[] = {
    {"auto-start", "autoStart", is_false, DOCTOR_INFO,
     "the pool stays stopped when WAS or the server restarts", ""},
    {"start-mode", "startMode", is_on_demand, DOCTOR_WARN,
     "after a recycle the new worker may be cold for its first visitor",
     "set startMode to AlwaysRunning"},
    {"idle", "processModel.idleTimeout", is_set, DOCTOR_WARN,
     "the worker ends when nobody asks, and the next visitor waits for a new one",
     "set idleTimeout to 0 for pools that must be warm"},
    {"suspend", "processModel.idleTimeoutAction", is_suspend, DOCTOR_WARN,
     "an idle worker is paged out: its first answer, and the first probe, are slow", ""},
    {"overlap", "recycling.disallowOverlappingRotation", is_true, DOCTOR_WARN,
     "a recycle is an outage of this pool: the old worker ends before the new one starts",
     "allow overlapping, or always recycle it drained"},
    {"periodic", "recycling.periodicRestart.time", is_set, DOCTOR_WARN,
     "the pool recycles by itself, at an hour that wanders through the day, on every server",
     "set it to 0 and recycle it with Farmhand, one server at a time"},
    {"requests-limit", "recycling.periodicRestart.requests", is_set, DOCTOR_INFO,
     "the pool recycles by itself after so many requests", ""},
    {"memory-limit", "recycling.periodicRestart.privateMemory", is_set, DOCTOR_INFO,
     "the pool recycles by itself above so many KB of private memory", ""},
    {"memory-limit", "recycling.periodicRestart.memory", is_set, DOCTOR_INFO,
     "the pool recycles by itself above so many KB of virtual memory", ""},
    {"garden", "processModel.maxProcesses", is_garden, DOCTOR_WARN,
     "a web garden: one probe sees one of its workers",
     "keep sessions out of the process, and look at all its workers after a recycle"},
    {"orphans", "failure.orphanWorkerProcess", is_true, DOCTOR_WARN,
     "a worker that is given up stays as an orphan: the proof of a recycle says \"orphaned\"", ""},
    {"ping", "processModel.pingingEnabled", is_false, DOCTOR_WARN,
     "WAS does not notice a worker that hangs", "set pingingEnabled to true"},
    {"rapid-fail", "failure.rapidFailProtection", is_false, DOCTOR_INFO,
     "a worker that crashes is started again for ever", ""},
    {"balancer-level", "failure.loadBalancerCapabilities", is_http_level, DOCTOR_INFO,
     "a pool that is down answers 503, which looks healthy to a balancer that only connects",
     "set it to TcpLevel behind a layer-4 balancer"},
    {"identity", "processModel.identityType", is_user, DOCTOR_INFO,
     "the password of that account may expire or change: then events 5021 and 5057 come, and "
     "Farmhand does not try again",
     ""},
};

static void judge_settings(const struct doctor_facts *f, const char *pool, struct doctor_report *r)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const char *value = doctor_fact(f, pool, rules[i].key);
        if (value && rules[i].when(value))
            doctor_say(r, rules[i].level, rules[i].check, pool, rules[i].advice, "%s is %s: %s",
                       rules[i].key, value, rules[i].means);
    }
}

static void judge_state(const struct doctor_facts *f, const char *pool, struct doctor_report *r)
{
    const char *state = doctor_fact(f, pool, "state");
    const char *workers = doctor_fact(f, pool, "workers");
    if (text_equal(state, "Started"))
        doctor_say(r, DOCTOR_OK, "state", pool, "", "Started, workers: %s",
                   workers ? workers : "unknown");
    else if (text_equal(state, "Stopped") && doctor_fact_is(f, pool, "autoStart", "false"))
        doctor_say(r, DOCTOR_INFO, "state", pool, "", "Stopped, on purpose: autoStart is false");
    else if (text_equal(state, "Stopped"))
        doctor_say(r, DOCTOR_WARN, "state", pool,
                   "look into the event log for 5002, 5021, 5057, then start it",
                   "Stopped, though it should run: it will come back by itself with WAS");
    else
        doctor_say(r, DOCTOR_WARN, "state", pool, "", "the pool is %s", state ? state : "unknown");
}

static void judge_preload(const struct doctor_facts *f, const char *pool, struct doctor_report *r)
{
    const char *off = doctor_fact(f, pool, "preload.off");
    if (off && *off)
        doctor_say(r, DOCTOR_WARN, "preload", pool,
                   "set preloadEnabled, and give applicationInitialization real addresses",
                   "not preloaded: %s; the first visitor after a recycle waits", off);
}

/* Only preloaded applications are among them: the others are cold anyway. */
static void judge_warm_up(const struct doctor_facts *f, const char *pool, struct doctor_report *r)
{
    const char *off = doctor_fact(f, pool, "warmup.off");
    if (off && *off)
        doctor_say(r, DOCTOR_WARN, "warm-up", pool,
                   "give applicationInitialization the addresses that matter, and "
                   "doAppInitAfterRestart=true",
                   "started without a visitor, but nothing in it is warmed up: %s", off);
}

static void judge_offline(const struct doctor_facts *f, const char *pool, struct doctor_report *r)
{
    const char *offline = doctor_fact(f, pool, "offline");
    if (offline && *offline)
        doctor_say(r, DOCTOR_WARN, "offline", pool,
                   "is a deployment going on? Recycle nothing until it is gone",
                   "an app_offline.htm lies in the folder of: %s", offline);
}

static void judge_probe(const struct doctor_facts *f, const char *pool, struct doctor_report *r)
{
    const char *probe = doctor_fact(f, pool, "probe"),
               *detail = doctor_fact(f, pool, "probe.detail");
    detail = detail ? detail : "";
    if (!probe)
        return;
    if (text_equal(probe, "passed"))
        doctor_say(r, DOCTOR_OK, "probe", pool, "", "the probe passed: %s", detail);
    else if (text_equal(probe, "failed"))
        doctor_say(r, DOCTOR_WARN, "probe", pool,
                   "give the address and the statuses that pass in [probe NAME]",
                   "the probe does not pass, so no recycle of this pool would: %s", detail);
    else if (text_equal(probe, "none"))
        doctor_say(r, DOCTOR_INFO, "probe", pool, "", "there is nothing to probe");
    else
        doctor_say(r, DOCTOR_INFO, "probe", pool, "", "not probed: that would start a worker");
}

void doctor_judge_pool(const struct doctor_facts *facts, const char *pool,
                       struct doctor_report *out)
{
    judge_state(facts, pool, out);
    judge_settings(facts, pool, out);
    judge_preload(facts, pool, out);
    judge_warm_up(facts, pool, out);
    judge_offline(facts, pool, out);
    judge_probe(facts, pool, out);
}
