/* audit_words.c - see audit_words.h. */
#include "coordinator/store/audit_words.h"

#include "common/text.h"
#include "coordinator/core/words.h"

#include <inttypes.h>

#define KINDS_MAX 8 /* of pools told one by one; the rest is counted */

/* ---- runs ---- */

const char *audit_of_run(char out[AUDIT_WORDS_MAX], enum run_state state, uint32_t pause_causes)
{
    char causes[PAUSE_CAUSES_MAX];
    if (pause_causes != 0 && state == RUN_RUNNING)
        text_format(out, AUDIT_WORDS_MAX, "paused (%s)", pause_causes_format(causes, pause_causes));
    else
        text_copy(out, AUDIT_WORDS_MAX, run_state_name(state));
    return out;
}

const char *audit_of_change(char out[AUDIT_WORDS_MAX], const struct rollout *run,
                            const struct rollout_change *change)
{
    return change->any ? audit_of_run(out, change->run_state, change->pause_causes)
                       : audit_of_run(out, run->state, run->pause_causes);
}

const char *audit_of_target(char out[AUDIT_WORDS_MAX], const struct rollout_target *t)
{
    text_format(out, AUDIT_WORDS_MAX, "%s%s", target_state_name(t->state),
                t->holds ? ", holds its lease" : "");
    return out;
}

/* Of the targets: as many as are alike. */
struct pool_kind {
    const char *pool;
    const struct pool *is; /* NULL: not told by its agent */
    size_t count;
};

static const struct pool *find_pool(const struct fleet *fleet, const struct rollout_target *t)
{
    const struct fleet_server *s = fleet_find(fleet, t->server);
    const struct state *whole = s ? fleet_whole(s) : NULL;
    for (size_t i = 0; whole && i < whole->pool_count; i++)
        if (text_equal_nocase(whole->pools[i].name, t->pool))
            return &whole->pools[i];
    return NULL;
}

static bool is_alike(const struct pool_kind *kind, const char *name, const struct pool *pool)
{
    if (!text_equal_nocase(kind->pool, name) || !kind->is != !pool)
        return false;
    return !pool || (kind->is->state == pool->state && kind->is->auto_start == pool->auto_start);
}

static void say_kind(struct text *out, const struct pool_kind *kind)
{
    text_addf(out, "%s%s ", out->len ? "; " : "", kind->pool);
    if (kind->is)
        text_addf(out, "%s autoStart=%s", pool_state_name(kind->is->state),
                  kind->is->auto_start ? "yes" : "no");
    else
        text_add(out, "not known");
    text_addf(out, " on %zu", kind->count);
}

const char *audit_of_pools(char out[AUDIT_WORDS_MAX], const struct fleet *fleet,
                           const struct rollout *run)
{
    struct pool_kind kinds[KINDS_MAX];
    struct text said = {0};
    size_t count = 0, others = 0;
    for (size_t i = 0; i < run->target_count; i++) {
        const struct rollout_target *t = &run->targets[i];
        if (t->pool[0] == '\0')
            continue;
        const struct pool *pool = find_pool(fleet, t);
        size_t k = 0;
        while (k < count && !is_alike(&kinds[k], t->pool, pool))
            k++;
        if (k < count)
            kinds[k].count++;
        else if (count < KINDS_MAX)
            kinds[count++] = (struct pool_kind){t->pool, pool, 1};
        else
            others++;
    }
    for (size_t k = 0; k < count; k++)
        say_kind(&said, &kinds[k]);
    if (others > 0)
        text_addf(&said, "; %zu more", others);
    text_copy(out, AUDIT_WORDS_MAX, text_get(&said));
    text_reset(&said);
    return out;
}

/* ---- servers ---- */

const char *audit_of_server(char out[AUDIT_WORDS_MAX], const struct fleet_server *s,
                            int64_t wall_ms)
{
    char until[TEXT_TIME_MAX];
    if (s->quarantined)
        text_format(out, AUDIT_WORDS_MAX, "in quarantine: %s", s->quarantine_why);
    else if (s->declared_out_until_ms > wall_ms)
        text_format(out, AUDIT_WORDS_MAX, "declared out until %s by %s: %s",
                    text_format_time(until, s->declared_out_until_ms), s->declared_out_by,
                    s->declared_out_reason);
    else
        text_copy(out, AUDIT_WORDS_MAX, "in the farm");
    return out;
}

const char *audit_of_servers(char out[AUDIT_WORDS_MAX], const struct fleet *fleet,
                             const struct rollout *run, int64_t wall_ms)
{
    static const char *const words[] = {"in the farm", "declared out", "in quarantine",
                                        "not listed any more"};
    size_t counts[sizeof(words) / sizeof(words[0])] = {0};
    struct text said = {0};
    for (size_t i = 0; i < run->target_count; i++) {
        const struct fleet_server *s = fleet_find(fleet, run->targets[i].server);
        counts[!s ? 3 : s->quarantined ? 2 : s->declared_out_until_ms > wall_ms]++;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (counts[i] > 0)
            text_addf(&said, "%s%zu %s", said.len ? "; " : "", counts[i], words[i]);
    text_copy(out, AUDIT_WORDS_MAX, text_get(&said));
    text_reset(&said);
    return out;
}

const char *audit_of_maintenance(char out[AUDIT_WORDS_MAX], int64_t until_ms, const char *by,
                                 const char *reason)
{
    char until[TEXT_TIME_MAX];
    if (until_ms)
        text_format(out, AUDIT_WORDS_MAX, "in maintenance until %s by %s: %s",
                    text_format_time(until, until_ms), by, reason);
    else
        text_copy(out, AUDIT_WORDS_MAX, "not in maintenance");
    return out;
}

const char *audit_of_incident(char out[AUDIT_WORDS_MAX], const struct incident *n)
{
    char rung[32] = "", approved[sizeof(n->approved_by) + 16] = "";
    if (n->rule[0])
        text_format(rung, sizeof(rung), ", rung %" PRIu32, n->rung + 1);
    if (n->approved_by[0])
        text_format(approved, sizeof(approved), ", approved by %s", n->approved_by);
    text_format(out, AUDIT_WORDS_MAX, "%s%s%s%s%s", incident_phase_name(n->phase), rung, approved,
                n->why[0] ? ": " : "", n->why);
    return out;
}

/* ---- who belongs to the farm ---- */

const char *audit_of_join_right(char out[AUDIT_WORDS_MAX], const struct join_right *right,
                                const char *spent)
{
    char until[TEXT_TIME_MAX];
    text_format(out, AUDIT_WORDS_MAX,
                "for %s, profile %s, labels %s, used %" PRIu64 "/%" PRIu64 ", until %s: %s",
                right->names, profile_name(right->profile),
                right->labels[0] ? right->labels : "none", right->used, right->uses,
                text_format_time(until, right->expires_ms), spent ? spent : "good");
    return out;
}

const char *audit_of_member(char out[AUDIT_WORDS_MAX], const struct member *m)
{
    char until[TEXT_TIME_MAX];
    if (!m || m->name[0] == '\0')
        text_copy(out, AUDIT_WORDS_MAX, "no member");
    else
        text_format(out, AUDIT_WORDS_MAX, "%s, profile %s, labels %s, key %.16s, until %s",
                    m->removed_ms ? "removed" : "member", profile_name(m->profile),
                    m->labels[0] ? m->labels : "none", m->key,
                    text_format_time(until, m->until_ms));
    return out;
}

const char *audit_of_operator(char out[AUDIT_WORDS_MAX], const struct operator_right *right,
                              const char *spent)
{
    char until[TEXT_TIME_MAX];
    text_format(out, AUDIT_WORDS_MAX, "%s, servers %s, until %s: %s", role_name(right->role),
                right->servers,
                right->expires_ms ? text_format_time(until, right->expires_ms) : "revoked",
                spent ? spent : "good");
    return out;
}
