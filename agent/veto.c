/* veto.c - see veto.h. */
#include "agent/veto.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

struct act {
    char pool[WIRE_NAME_MAX];
    int64_t begun_ms; /* may lie before this machine's boot */
};

struct veto {
    struct veto_settings settings;
    struct act *acts; /* oldest first, of the last hour or cool-down */
    size_t count;
};

static void add(struct veto *v, const char *pool, int64_t begun_ms)
{
    v->acts = must_realloc(v->acts, v->count + 1, sizeof(*v->acts));
    struct act *act = &v->acts[v->count++];
    text_copy(act->pool, sizeof(act->pool), pool);
    act->begun_ms = begun_ms;
}

struct veto *veto_new(const struct veto_settings *settings, const struct veto_act *acts,
                      size_t count, uint64_t now_ms)
{
    struct veto *v = must_alloc(1, sizeof(*v));
    v->settings = *settings;
    for (size_t i = 0; i < count; i++)
        add(v, acts[i].pool, (int64_t)now_ms - (int64_t)acts[i].age_ms);
    return v;
}

void veto_free(struct veto *v)
{
    if (!v)
        return;
    free(v->acts);
    free(v);
}

static void forget_old(struct veto *v, uint64_t now_ms)
{
    uint64_t keep_ms =
        v->settings.cool_down_ms > VETO_HOUR_MS ? v->settings.cool_down_ms : VETO_HOUR_MS;
    size_t kept = 0;
    for (size_t i = 0; i < v->count; i++)
        if ((int64_t)now_ms - v->acts[i].begun_ms < (int64_t)keep_ms)
            v->acts[kept++] = v->acts[i];
    v->count = kept;
}

static bool pool_matches(const struct veto *v, const char *pool)
{
    bool matched = false;
    for (size_t i = 0; i < v->settings.pool_count; i++) {
        const char *pattern = v->settings.pools[i];
        if (pattern[0] == '!' && text_glob_match(pattern + 1, pool))
            return false;
        matched = matched || (pattern[0] != '!' && text_glob_match(pattern, pool));
    }
    return matched;
}

/* Milliseconds until the pool has cooled down; 0: it has. */
static uint64_t cooling(const struct veto *v, const char *pool, uint64_t now_ms)
{
    for (size_t i = v->count; i > 0; i--) {
        if (!text_equal_nocase(v->acts[i - 1].pool, pool))
            continue;
        int64_t left =
            v->acts[i - 1].begun_ms + (int64_t)v->settings.cool_down_ms - (int64_t)now_ms;
        return left > 0 ? (uint64_t)left : 0;
    }
    return 0;
}

static size_t in_last_hour(const struct veto *v, uint64_t now_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < v->count; i++)
        count += (int64_t)now_ms - v->acts[i].begun_ms < VETO_HOUR_MS;
    return count;
}

static bool rate_allows(struct veto *v, const char *pool, uint64_t now_ms, char *why, size_t size)
{
    char left[TEXT_DURATION_MAX];
    forget_old(v, now_ms);
    uint64_t wait_ms = cooling(v, pool, now_ms);
    if (wait_ms > 0) {
        text_format(why, size,
                    "%s%s%s cooling down after the last act: wait %s (cool_down of the agent's "
                    "[allow])",
                    pool[0] ? "pool " : "", pool[0] ? pool : "the services",
                    pool[0] ? " is" : " are", text_format_duration(left, wait_ms));
        return false;
    }
    if (v->settings.max_per_hour && in_last_hour(v, now_ms) >= v->settings.max_per_hour) {
        text_format(why, size,
                    "this server had %u disruptive acts within the hour, which is its "
                    "limit (max_per_hour of the agent's [allow])",
                    (unsigned)v->settings.max_per_hour);
        return false;
    }
    return true;
}

bool veto_profile_allows(const struct veto *v, enum verb verb, char *why, size_t why_size_bytes)
{
    enum profile needed = profile_needed(verb);
    if (v->settings.profile >= needed)
        return true;
    text_format(why, why_size_bytes,
                "%s needs the profile %s, and this agent is in the profile %s: write profile = %s "
                "into [agent] of its agent.conf, or let it join with a token of that profile",
                verb_name(verb), profile_name(needed), profile_name(v->settings.profile),
                profile_name(needed));
    return false;
}

bool veto_allows(struct veto *v, enum verb verb, const char *pool, uint64_t now_ms, char *why,
                 size_t why_size_bytes)
{
    if (verb == VERB_OBSERVE || verb == VERB_QUERY)
        return true;
    if (!veto_profile_allows(v, verb, why, why_size_bytes))
        return false;
    if ((unsigned)verb >= VERB_COUNT || !v->settings.verbs[verb]) {
        text_format(why, why_size_bytes,
                    "%s is not among the verbs that this agent's [allow] "
                    "section lists",
                    verb_name(verb));
        return false;
    }
    if (!verb_is_of_services(verb) && !pool_matches(v, pool)) {
        text_format(why, why_size_bytes,
                    "pool %s is not among the pools that this agent's [allow] "
                    "section lists",
                    pool);
        return false;
    }
    return !verb_is_disruptive(verb) || rate_allows(v, pool, now_ms, why, why_size_bytes);
}

void veto_count(struct veto *v, const char *pool, uint64_t now_ms)
{
    forget_old(v, now_ms);
    add(v, pool, (int64_t)now_ms);
}
