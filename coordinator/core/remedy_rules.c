/* remedy_rules.c - a rule's words: conditions, ladder, samples, both ways. See remedy.h. */
#include "coordinator/core/remedy.h"

#include "common/text.h"

#include <string.h>

#define WINDOW_MAX_MS (24ull * 3600000)
#define LIMIT_MIN_MS  1000
#define LIMIT_MAX_MS  (24ull * 3600000)

static const char *const mode_names[REMEDY_MODE_COUNT] = {"observe", "propose", "auto"};
static const char *const act_names[REMEDY_ACT_COUNT] = {
    "recycle",          "start",      "kill-worker", "recover-services",
    "restart-services", "quarantine", "call"};

const char *remedy_mode_name(enum remedy_mode mode)
{
    return (unsigned)mode < REMEDY_MODE_COUNT ? mode_names[mode] : "?";
}

const char *remedy_act_name(enum remedy_act act)
{
    return (unsigned)act < REMEDY_ACT_COUNT ? act_names[act] : "?";
}

enum rollout_action remedy_act_run(enum remedy_act act)
{
    switch (act) {
    case REMEDY_START:
        return ROLLOUT_START;
    case REMEDY_KILL_WORKER:
        return ROLLOUT_WORKER_KILL;
    case REMEDY_RECOVER_SERVICES:
        return ROLLOUT_SERVICE_RECOVER;
    case REMEDY_RESTART_SERVICES:
        return ROLLOUT_SERVICE_RESTART;
    case REMEDY_QUARANTINE:
        return ROLLOUT_QUARANTINE;
    case REMEDY_RECYCLE:
    case REMEDY_CALL:
        break;
    }
    return ROLLOUT_RECYCLE;
}

void remedy_say_act(enum remedy_act act, const char *server, const char *pool, char *out,
                    size_t size)
{
    switch (act) {
    case REMEDY_RECYCLE:
    case REMEDY_START:
        text_format(out, size, "%s pool %s on %s", remedy_act_name(act), pool, server);
        return;
    case REMEDY_KILL_WORKER:
        text_format(out, size, "kill the worker of pool %s on %s", pool, server);
        return;
    case REMEDY_RECOVER_SERVICES:
        text_format(out, size, "recover the web services of %s", server);
        return;
    case REMEDY_RESTART_SERVICES:
        text_format(out, size, "restart the web services of %s", server);
        return;
    case REMEDY_QUARANTINE:
        text_format(out, size, "put %s into quarantine", server);
        return;
    case REMEDY_CALL:
        text_copy(out, size, "call a person");
        return;
    }
    text_copy(out, size, "?");
}

/* ---- conditions ---- */

static const struct fact_word {
    const char *word;
    enum remedy_fact fact;
    const char *state; /* what stands after "="; NULL: a number after ">" */
    const char *expected;
} fact_words[] = {
    {"services", FACT_SERVICES, "down", "services = down"},
    {"pool", FACT_POOL, "stopped", "pool = stopped"},
    {"autostart", FACT_AUTOSTART, "off", "autostart = off"},
    {"queue", FACT_QUEUE, NULL, "queue > 100, or queue > 50%"},
    {"rejected", FACT_REJECTED, NULL, "rejected > 10 in 5m"},
    {"oldest-request", FACT_OLDEST_REQUEST, NULL, "oldest-request > 30s"},
    {"memory", FACT_MEMORY, NULL, "memory > 2G"},
    {"private-memory", FACT_PRIVATE, NULL, "private-memory > 2G"},
    {"cpu", FACT_CPU, NULL, "cpu > 90%"},
    {"probe-failures", FACT_PROBE, NULL, "probe-failures > 2"},
};

static enum error_code unknown_word(const char *word, struct error *err)
{
    return error_set(err, ERR_INVALID,
                     "'%.40s' is nothing that agents report: services, pool, autostart, queue, "
                     "rejected, oldest-request, memory, private-memory, cpu, probe-failures, or a "
                     "kind of event "
                     "such as crash, hang, rapid-fail",
                     word);
}

/* The kind of event of that word; EVENT_OTHER: none. */
static enum event_kind event_of(const char *word)
{
    for (int kind = EVENT_OTHER + 1; kind < EVENT_KIND_COUNT; kind++) {
        if (text_equal(event_kind_name((enum event_kind)kind), word)) {
            return (enum event_kind)kind;
        }
    }
    return EVENT_OTHER;
}

static const struct fact_word *find_fact(const char *word)
{
    for (size_t i = 0; i < sizeof fact_words / sizeof fact_words[0]; i++) {
        if (text_equal(fact_words[i].word, word)) {
            return &fact_words[i];
        }
    }
    return NULL;
}

static bool parse_percent(const char *text, uint64_t max, uint64_t *out)
{
    char number[24];
    size_t len = strlen(text);
    if (len < 2 || len >= sizeof number || text[len - 1] != '%') {
        return false;
    }
    memcpy(number, text, len - 1);
    number[len - 1] = '\0';
    return text_parse_u64(number, 0, max, out);
}

static bool parse_value(struct remedy_condition *c, const char *text)
{
    uint64_t percent = 0;
    switch (c->fact) {
    case FACT_MEMORY:
    case FACT_PRIVATE:
        return text_parse_size(text, &c->more_than);
    case FACT_OLDEST_REQUEST:
        return text_parse_duration(text, &c->more_than);
    case FACT_CPU:
        if (!parse_percent(text, 100000, &percent)) {
            return false;
        }
        c->more_than = percent * 10;
        return true;
    case FACT_QUEUE:
        c->percent = parse_percent(text, 100, &c->more_than);
        return c->percent || text_parse_u64(text, 0, 1000000, &c->more_than);
    case FACT_REJECTED:
    case FACT_EVENT:
    case FACT_PROBE:
        return text_parse_u64(text, 0, 1000000, &c->more_than);
    case FACT_SERVICES:
    case FACT_POOL:
    case FACT_AUTOSTART:
        break;
    }
    return false;
}

/* "KEY", "=" or ">", "VALUE" and perhaps "in", "5m": cut at blanks. */
struct words {
    char word[5][48];
    size_t count;
};

static bool cut_words(const char *part, struct words *w)
{
    w->count = 0;
    while (*part) {
        size_t blank = strspn(part, " \t");
        size_t len = strcspn(part + blank, " \t=>");
        const char *at = part + blank;
        if (!len && *at) {
            len = 1; /* the sign itself */
        }
        if (!len) {
            break;
        }
        if (w->count == 5 || len >= sizeof w->word[0]) {
            return false;
        }
        memcpy(w->word[w->count], at, len);
        w->word[w->count++][len] = '\0';
        part = at + len;
    }
    return true;
}

static bool wants_window(enum remedy_fact fact)
{
    return fact == FACT_REJECTED || fact == FACT_EVENT;
}

static enum error_code parse_condition(const char *part, struct remedy_condition *c,
                                       struct error *err)
{
    struct words w;
    *c = (struct remedy_condition){0};
    if (!cut_words(part, &w) || w.count == 0) {
        return error_set(err, ERR_INVALID, "'%.80s': expected such as memory > 2G", part);
    }
    const struct fact_word *fact = find_fact(w.word[0]);
    c->event = fact ? EVENT_OTHER : event_of(w.word[0]);
    if (!fact && c->event == EVENT_OTHER) {
        return unknown_word(w.word[0], err);
    }
    c->fact = fact ? fact->fact : FACT_EVENT;
    const char *expected = fact ? fact->expected : "crash > 2 in 10m";
    bool good;
    if (fact && fact->state) {
        good = w.count == 3 && text_equal(w.word[1], "=") && text_equal(w.word[2], fact->state);
    } else {
        good = w.count >= 3 && text_equal(w.word[1], ">") && parse_value(c, w.word[2]);
        good = good && w.count == (wants_window(c->fact) ? 5u : 3u);
    }
    if (good && wants_window(c->fact)) {
        good = text_equal(w.word[3], "in") && text_parse_duration(w.word[4], &c->window_ms) &&
               c->window_ms >= 1000 && c->window_ms <= WINDOW_MAX_MS;
    }
    return good ? ERR_NONE
                : error_set(err, ERR_INVALID, "'%.80s': expected such as %s", part, expected);
}

struct parsing {
    struct remedy_rule *rule;
    struct error *err;
};

static int add_condition(const char *part, void *arg)
{
    struct parsing *p = arg;
    if (p->rule->condition_count == REMEDY_CONDITIONS_MAX) {
        return error_set(p->err, ERR_INVALID, "at most %d conditions", REMEDY_CONDITIONS_MAX);
    }
    return parse_condition(part, &p->rule->conditions[p->rule->condition_count++], p->err);
}

static bool of_server(enum remedy_fact fact)
{
    return fact == FACT_SERVICES;
}

enum error_code remedy_parse_conditions(const char *text, struct remedy_rule *out,
                                        struct error *err)
{
    struct parsing p = {out, err};
    out->condition_count = 0;
    out->when = text;
    int code = text_split(text, ',', add_condition, &p);
    if (code) {
        return (enum error_code)code;
    }
    out->of_server = of_server(out->conditions[0].fact);
    for (size_t i = 1; i < out->condition_count; i++) {
        if (of_server(out->conditions[i].fact) != out->of_server) {
            return error_set(err, ERR_INVALID,
                             "services = down is of the server, the others are of a pool: two "
                             "rules");
        }
    }
    return ERR_NONE;
}

/* ---- ladder and samples ---- */

static int add_rung(const char *part, void *arg)
{
    struct parsing *p = arg;
    struct words w;
    if (!cut_words(part, &w) || w.count == 0 || w.count > 2) {
        return error_set(p->err, ERR_INVALID,
                         "'%.80s': expected an act and its time limit: "
                         "recycle 10m",
                         part);
    }
    if (p->rule->rung_count == REMEDY_RUNGS_MAX) {
        return error_set(p->err, ERR_INVALID, "at most %d rungs", REMEDY_RUNGS_MAX);
    }
    struct remedy_rung *rung = &p->rule->rungs[p->rule->rung_count++];
    *rung = (struct remedy_rung){.act = REMEDY_ACT_COUNT};
    for (int act = 0; act < REMEDY_ACT_COUNT; act++) {
        rung->act = text_equal(act_names[act], w.word[0]) ? (enum remedy_act)act : rung->act;
    }
    if (rung->act == REMEDY_ACT_COUNT) {
        return error_set(p->err, ERR_INVALID,
                         "'%.40s' is no act: recycle, start, kill-worker, recover-services, "
                         "restart-services, quarantine or call",
                         w.word[0]);
    }
    bool last = rung->act == REMEDY_QUARANTINE || rung->act == REMEDY_CALL;
    rung->limit_ms = 10 * 60000;
    bool limited = w.count == 2 && text_parse_duration(w.word[1], &rung->limit_ms) &&
                   rung->limit_ms >= LIMIT_MIN_MS && rung->limit_ms <= LIMIT_MAX_MS;
    if (last ? w.count != 1 : !limited) {
        return error_set(
            p->err, ERR_INVALID,
            last ? "'%.80s': takes no time limit" : "'%.80s': needs a time limit, 1s to 24h", part);
    }
    return ERR_NONE;
}

enum error_code remedy_parse_ladder(const char *text, struct remedy_rule *out, struct error *err)
{
    struct parsing p = {out, err};
    out->rung_count = 0;
    return (enum error_code)text_split(text, ',', add_rung, &p);
}

enum error_code remedy_parse_samples(const char *text, struct remedy_rule *out, struct error *err)
{
    char first[8];
    uint64_t of = 0, in = 0;
    size_t len = strcspn(text, "/");
    bool good = len < sizeof first;
    if (good) {
        memcpy(first, text, len);
        first[len] = '\0';
        good = text_parse_u64(first, 1, REMEDY_LOOKS_MAX, &of);
    }
    in = of;
    good = good && (text[len] == '\0' || text_parse_u64(text + len + 1, 1, REMEDY_LOOKS_MAX, &in));
    if (!good || of > in) {
        return error_set(err, ERR_INVALID,
                         "'%.40s': expected such as 4/5 (on four of the last five looks), at most "
                         "of %d",
                         text, REMEDY_LOOKS_MAX);
    }
    out->samples_of = (uint32_t)of;
    out->samples_in = (uint32_t)in;
    return ERR_NONE;
}

static bool needs_pool(enum remedy_act act)
{
    return act == REMEDY_RECYCLE || act == REMEDY_START || act == REMEDY_KILL_WORKER;
}

enum error_code remedy_check_rule(const struct remedy_rule *rule, struct error *err)
{
    for (size_t i = 0; i < rule->rung_count; i++) {
        enum remedy_act act = rule->rungs[i].act;
        if (rule->of_server && needs_pool(act)) {
            return error_set(err, ERR_INVALID,
                             "%s is for a pool, and the condition is of the server: "
                             "recover-services, restart-services, quarantine, call",
                             remedy_act_name(act));
        }
        bool last = act == REMEDY_QUARANTINE || act == REMEDY_CALL;
        if (last && i + 1 < rule->rung_count) {
            return error_set(err, ERR_INVALID, "%s comes last: nothing is done after it",
                             remedy_act_name(act));
        }
    }
    return ERR_NONE;
}
