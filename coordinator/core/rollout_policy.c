/* What a run bears: failures, failed gates, unreachable servers and unknown outcomes are counted
 * apart, in the run and in its open wave, and each has its own limit.
 *
 * The first three are counted as targets end; `run resume` after a pause forgives what was counted.
 * Unknown ones are counted as they stand: settled, they are forgotten.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#include <string.h>

static const char *const trouble_names[ROLLOUT_TROUBLES] = {"failed", "gate-failed", "unreachable",
                                                            "unknown"};
static const char *const trouble_nouns[ROLLOUT_TROUBLES] = {
    "failure", "failed gate", "unreachable server", "unknown outcome"};

const char *trouble_name(enum trouble kind)
{
    return (unsigned)kind < ROLLOUT_TROUBLES ? trouble_names[kind] : "none";
}

const char *trouble_noun(enum trouble kind)
{
    return (unsigned)kind < ROLLOUT_TROUBLES ? trouble_nouns[kind] : "?";
}

void rollout_policies(struct rollout_options *o, enum on_failure then, uint32_t max)
{
    for (int k = 0; k < ROLLOUT_TROUBLES; k++) {
        o->policies[k] = (struct policy){.then = then, .run = {.number = max}};
    }
    o->policies[TROUBLE_UNKNOWN] = (struct policy){.then = ON_FAILURE_PAUSE};
}

static size_t wave_size(const struct rollout *r, uint32_t wave)
{
    size_t size = 0;
    for (size_t i = 0; i < r->target_count; i++) {
        size += r->targets[i].wave == wave;
    }
    return size;
}

/* Those that hold with the change. */
static const struct rollout_options *options_of(const struct rollout *r,
                                                const struct rollout_change *c)
{
    return c->options_changed ? &c->options : &r->options;
}

/* Is that more than the policy of this kind bears? */
static bool exceeded(const struct rollout *r, const struct rollout_change *c, enum trouble kind,
                     uint32_t in_run, uint32_t in_wave)
{
    const struct policy *p = &options_of(r, c)->policies[kind];
    if (in_run > share_of(p->run, r->target_count)) {
        return true;
    }
    return p->wave_limited && in_wave > share_of(p->wave, wave_size(r, r->wave));
}

static const char *ordinal(uint32_t n)
{
    if (n % 100 >= 11 && n % 100 <= 13) {
        return "th";
    }
    return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

/* "stopped by the 2nd failed gate: web03: the probe answered 500" */
static void say_exceeded(struct rollout_change *c, const char *word, enum trouble kind)
{
    uint32_t n = c->troubles[kind];
    text_format(c->why, sizeof c->why, "%s by the %u%s %s: %.100s: %.300s", word, n, ordinal(n),
                trouble_noun(kind), c->target.server, c->target.detail);
}

void change_count_trouble(const struct rollout *r, struct rollout_change *c)
{
    enum trouble kind = c->target.trouble;
    c->troubles[kind]++;
    c->troubles_in_wave[kind]++;
    c->run_changed = true;
    if (c->run_state != RUN_RUNNING ||
        !exceeded(r, c, kind, c->troubles[kind], c->troubles_in_wave[kind])) {
        return;
    }
    switch (r->options.policies[kind].then) {
    case ON_FAILURE_STOP:
        c->run_state = RUN_STOPPING;
        say_exceeded(c, "stopped", kind);
        break;
    case ON_FAILURE_PAUSE:
        change_pause(c, PAUSE_FAILURES, true);
        say_exceeded(c, "paused", kind);
        break;
    case ON_FAILURE_CONTINUE:
        break;
    }
}

struct unknowns {
    uint32_t run, wave;
};

static struct unknowns count_unknown(const struct rollout *r, const struct rollout_change *c)
{
    struct unknowns n = {0};
    for (size_t k = 0; k < r->in_hand_count; k++) {
        size_t i = r->in_hand[k];
        bool edited = c->target_changed && i == c->target_index; /* in hand before, too */
        bool unknown = (edited ? c->target.state : r->targets[i].state) == TARGET_UNKNOWN;
        n.run += unknown;
        n.wave += unknown && r->targets[i].wave == r->wave;
    }
    return n;
}

void change_settle_unknown(const struct rollout *r, struct rollout_change *c)
{
    struct unknowns n = count_unknown(r, c);
    enum on_failure then = options_of(r, c)->policies[TROUBLE_UNKNOWN].then;
    bool too_many = n.run && exceeded(r, c, TROUBLE_UNKNOWN, n.run, n.wave);
    bool pauses = too_many && then == ON_FAILURE_PAUSE;
    bool over = !pauses && (c->pause_causes & PAUSE_UNKNOWN);
    change_pause(c, PAUSE_UNKNOWN, pauses);
    if (too_many && then == ON_FAILURE_STOP && c->run_state == RUN_RUNNING) {
        c->run_state = RUN_STOPPING;
        c->run_changed = true;
    }
    if (over && c->run_state == RUN_RUNNING) {
        text_copy(c->why, sizeof c->why, "");
    }
}

/* ---- in words ---- */

static const char *then_word(enum on_failure then)
{
    switch (then) {
    case ON_FAILURE_STOP:
        return "stops";
    case ON_FAILURE_PAUSE:
        return "pauses";
    case ON_FAILURE_CONTINUE:
        break;
    }
    return "goes on";
}

static void say_limit(struct text *out, struct share limit, const char *noun, const char *where)
{
    if (limit.percent) {
        text_addf(out, "when more than %u%% are %ss%s", limit.number, noun, where);
    } else {
        text_addf(out, "after the %u%s %s%s", limit.number + 1, ordinal(limit.number + 1), noun,
                  where);
    }
}

static void say_policy(struct text *out, const struct policy *p, const char *noun)
{
    bool bears_all = p->run.percent && p->run.number == 100;
    text_addf(out, "%s%s ", out->len ? "; " : "", then_word(p->then));
    if (p->then == ON_FAILURE_CONTINUE) {
        text_addf(out, "after every %s, within the budget", noun);
        return;
    }
    if (!bears_all) {
        say_limit(out, p->run, noun, "");
    }
    if (p->wave_limited) {
        text_add(out, bears_all ? "" : " or ");
        say_limit(out, p->wave, noun, " of a wave");
    }
    if (bears_all && !p->wave_limited) {
        text_addf(out, "after no %s", noun);
    }
}

/* Counted apart, but where none or all are borne that makes no difference: one sentence does. */
static bool is_zero_or_all(const struct policy *p)
{
    return p->then == ON_FAILURE_CONTINUE ||
           (!p->wave_limited && !p->run.percent && p->run.number == 0);
}

static bool same_policy(const struct policy *a, const struct policy *b)
{
    return a->then == b->then && is_zero_or_all(a) && is_zero_or_all(b);
}

const char *rollout_rule(const struct rollout_options *o, char *out, size_t size)
{
    struct text text = {0};
    const struct policy *p = o->policies;
    bool said[ROLLOUT_TROUBLES] = {false};
    for (int k = 0; k < ROLLOUT_TROUBLES; k++) {
        char nouns[128];
        text_copy(nouns, sizeof nouns, trouble_nouns[k]);
        for (int j = k + 1; j < ROLLOUT_TROUBLES && !said[k]; j++) {
            if (!said[j] && same_policy(&p[k], &p[j])) {
                char before[128];
                text_copy(before, sizeof before, nouns);
                text_format(nouns, sizeof nouns, "%s or %s", before, trouble_nouns[j]);
                said[j] = true;
            }
        }
        if (!said[k]) {
            say_policy(&text, &p[k], nouns);
        }
    }
    text_copy(out, size, text_get(&text));
    text_reset(&text);
    return out;
}
