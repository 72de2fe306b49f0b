/* reduce.c - see reduce.h. */
#include "tests/sim/reduce.h"

#include "common/text.h"
#include "tests/sim/play.h"

#include <inttypes.h>
#include <string.h>

static void same(const void *arg, uint64_t number, struct world_options *out)
{
    (void)number;
    *out = *(const struct world_options *)arg;
    out->trace = false;
}

/* Names of servers, runs and fences differ from one history to the next; the rule does not. */
static void rule_of(char *out, size_t size, const char *text)
{
    size_t len = 0;
    for (; *text && len + 1 < size; text++)
        if (*text < '0' || *text > '9')
            out[len++] = *text;
    out[len] = '\0';
}

struct trial {
    char text[700], rule[700];
    uint32_t faults_planned;
};

static bool fails(const struct world_options *o, struct trial *t)
{
    struct play p = {
        .options = same, .arg = o, .first = o->seed, .last = o->seed, .jobs = 1, .apart = true};
    play_all(&p);
    if (p.failure_count == 0)
        return false;
    text_copy(t->text, sizeof(t->text), p.failures[0].text);
    rule_of(t->rule, sizeof(t->rule), t->text);
    t->faults_planned = p.result.faults_planned;
    return true;
}

/* Keeps what still breaks the same rule. */
static bool keep_if_fails(struct world_options *o, const struct world_options *smaller,
                          struct trial *t)
{
    struct trial now = {0};
    if (!fails(smaller, &now) || !text_equal(now.rule, t->rule))
        return false;
    *o = *smaller;
    text_copy(t->text, sizeof(t->text), now.text);
    return true;
}

static bool fewer_servers(struct world_options *o, struct trial *t)
{
    struct world_options smaller = *o;
    for (smaller.servers = 2; smaller.servers < o->servers; smaller.servers++)
        if (keep_if_fails(o, &smaller, t))
            return true;
    return false;
}

static bool fewer_faults(struct world_options *o, struct trial *t)
{
    bool any = false;
    for (uint32_t i = 0; i < t->faults_planned; i++) {
        struct world_options smaller = *o;
        smaller.without |= UINT64_C(1) << i;
        any = (smaller.without != o->without && keep_if_fails(o, &smaller, t)) || any;
    }
    return any;
}

static bool fewer_wishes(struct world_options *o, struct trial *t)
{
    struct world_options smaller = *o;
    bool any = false;
    smaller.nobody_meddles = true;
    any = !o->nobody_meddles && keep_if_fails(o, &smaller, t);
    smaller = *o;
    for (smaller.runs_max = 1; smaller.runs_max < (o->runs_max ? o->runs_max : RUNS_WANTED_MAX);
         smaller.runs_max++)
        if (keep_if_fails(o, &smaller, t))
            return true;
    return any;
}

bool reduce(struct world_options *o, char *text, size_t size)
{
    struct trial t = {0};
    if (!fails(o, &t))
        return false;
    for (bool any = true; any;) {
        any = fewer_servers(o, &t);
        any = fewer_faults(o, &t) || any;
        any = fewer_wishes(o, &t) || any;
    }
    text_copy(text, size, t.text);
    return true;
}

void reduce_other_arguments(const struct world_options *o, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < 64; i++) {
        if (!(o->without >> i & 1))
            continue;
        text_format(out + len, size - len, "%s%u",
                    o->without & ((UINT64_C(1) << i) - 1) ? "," : " --without ", (unsigned)i + 1);
        len = strlen(out);
    }
    if (o->runs_max)
        text_format(out + len, size - len, " --runs %u", (unsigned)o->runs_max);
    len = strlen(out);
    text_format(out + len, size - len, "%s%s%s%s%s", o->apart ? " --apart" : "",
                o->remedy ? " --remedy" : "", o->services ? " --services" : "",
                o->warm ? " --warm" : "", o->nobody_meddles ? " --nobody-meddles" : "");
}

const char *reduce_command_line(const struct world_options *o, char *out, size_t size)
{
    text_format(out, size, "--seed %" PRIu64 " --servers %zu --faults %#x", o->seed, o->servers,
                (unsigned)o->faults);
    size_t len = strlen(out);
    reduce_other_arguments(o, out + len, size - len);
    return out;
}
