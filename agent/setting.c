/* setting.c - see setting.h. */
#include "agent/setting.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SET_TRIES    4 /* somebody else may be writing the configuration */
#define RETRY_MS     1000
#define PROBE_GAP_MS 500
#define OWN_LIMIT_MS 60000

enum setting_step {
    SETTING_LOOK,
    SETTING_READ,
    SETTING_BEGIN,
    SETTING_SET,
    SETTING_CHECK,
    SETTING_PROBE,
    SETTING_END,
};

struct setting {
    struct record *record;
    struct recipe_limits limits;
    enum setting_step step;
    bool resumed, started;
    unsigned tries;
    uint64_t since_ms, retry_at_ms, deadline_ms, probe_until_ms;
    char to[SETTING_TEXT_MAX];
    char trouble[WIRE_TEXT_MAX / 2];
};

/* ---- the text ---- */

/* The next "name=value" of *at; false: none is left. */
static bool next_pair(const char **at, char name[WIRE_NAME_MAX], char value[WIRE_NAME_MAX])
{
    const char *end = *at + strcspn(*at, ";"), *equals = memchr(*at, '=', (size_t)(end - *at));
    if (!equals || equals == *at || equals - *at >= WIRE_NAME_MAX || end - equals > WIRE_NAME_MAX)
        return false;
    memcpy(name, *at, (size_t)(equals - *at));
    name[equals - *at] = '\0';
    memcpy(value, equals + 1, (size_t)(end - equals - 1));
    value[end - equals - 1] = '\0';
    *at = *end ? end + 1 : end;
    return true;
}

/* "preloadEnabled" means "preloadEnabled[Shop/]". */
static bool is_meant(const char *wanted, const char *name)
{
    size_t len = strlen(wanted);
    return text_equal_nocase(wanted, name) ||
           (!strchr(wanted, '[') && strncasecmp(wanted, name, len) == 0 && name[len] == '[');
}

/* IIS prints 20 minutes as 00:20:00, whatever was written. */
static bool same_value(const char *a, const char *b)
{
    bool zero_a = strspn(a, "0:.") == strlen(a), zero_b = strspn(b, "0:.") == strlen(b);
    return text_equal_nocase(a, b) || (zero_a && zero_b && *a && *b);
}

/* "[d.]hh:mm:ss", in seconds; false: no span of time. */
static bool span_of(const char *value, uint64_t *out)
{
    unsigned long days = 0, hours, minutes, seconds;
    const char *dot = strchr(value, '.');
    char rest;
    bool whole = !dot || sscanf(value, "%lu.", &days) == 1;
    if (!whole ||
        sscanf(dot ? dot + 1 : value, "%lu:%lu:%lu%c", &hours, &minutes, &seconds, &rest) != 3)
        return false;
    *out = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    return true;
}

/* Is what is there as wanted? */
static bool fits(char how, const char *wanted, const char *is)
{
    uint64_t least, there;
    if (how == SETTING_AT_LEAST && span_of(wanted, &least) && span_of(is, &there))
        return there >= least;
    return same_value(wanted, is);
}

/* "name?" and "name>": what stands behind it is taken off and given back; '\0': nothing does. */
static char take_how(char name[WIRE_NAME_MAX])
{
    size_t len = strlen(name);
    char last = len ? name[len - 1] : '\0';
    if (last != SETTING_IF_THERE && last != SETTING_AT_LEAST)
        return '\0';
    name[len - 1] = '\0';
    return last;
}

static bool add_pair(char out[SETTING_TEXT_MAX], const char *name, const char *value)
{
    size_t used = strlen(out);
    return text_format(out + used, SETTING_TEXT_MAX - used, "%s%s=%s", used ? ";" : "", name,
                       value);
}

bool setting_differ(const char *wanted, const char *now, char to[SETTING_TEXT_MAX],
                    char from[SETTING_TEXT_MAX], size_t *count, char missing[WIRE_NAME_MAX])
{
    char name[WIRE_NAME_MAX], value[WIRE_NAME_MAX], there[WIRE_NAME_MAX], is[WIRE_NAME_MAX];
    to[0] = from[0] = '\0';
    *count = 0;
    for (const char *at = wanted; *at;) {
        bool found = false;
        if (!next_pair(&at, name, value)) {
            text_copy(missing, WIRE_NAME_MAX, at);
            return false;
        }
        char how = take_how(name);
        for (const char *all = now; *all && next_pair(&all, there, is);) {
            if (!is_meant(name, there))
                continue;
            found = true;
            if (fits(how, value, is))
                continue;
            text_copy(missing, WIRE_NAME_MAX, there);
            if (!add_pair(to, there, value) || !add_pair(from, there, is))
                return false;
            ++*count;
        }
        text_copy(missing, WIRE_NAME_MAX, name);
        if (!found && how != SETTING_IF_THERE)
            return false;
    }
    return true;
}

void setting_say(const char *to, const char *from, char *out, size_t size_bytes)
{
    char name[WIRE_NAME_MAX], value[WIRE_NAME_MAX], is[WIRE_NAME_MAX];
    size_t used = 0;
    out[0] = '\0';
    while (*to && *from && next_pair(&to, name, value) && next_pair(&from, name, is) &&
           used + 1 < size_bytes) {
        text_format(out + used, size_bytes - used, "%s%s %s -> %s", used ? ", " : "", name,
                    is[0] ? is : "(empty)", value[0] ? value : "(empty)");
        used += strlen(out + used);
    }
}

/* ---- moves ---- */

static void enter(struct setting *s, enum setting_step step)
{
    s->step = step;
    s->tries = 0;
    s->retry_at_ms = 0;
}

FORMAT_PRINTF(5, 6)
static void finish(struct setting *s, uint64_t now_ms, enum outcome outcome, enum cause cause,
                   const char *fmt, ...)
{
    struct record *record = s->record;
    char raw[WIRE_TEXT_MAX];
    va_list args;
    bool well = outcome == OUTCOME_DONE || outcome == OUTCOME_NOTHING;
    record->outcome = s->resumed ? (well ? OUTCOME_DONE : OUTCOME_INTERRUPTED) : outcome;
    record->cause = record->outcome == OUTCOME_DONE ? CAUSE_NONE : cause;
    va_start(args, fmt);
    vsnprintf(raw, sizeof(raw), fmt, args);
    va_end(args);
    clean_text(record->detail, sizeof(record->detail), raw);
    record->elapsed_ms = now_ms - s->since_ms;
    enter(s, SETTING_END);
}

static struct setting *begin_at(struct record *record, const struct recipe_limits *limits,
                                uint64_t now_ms)
{
    struct setting *s = must_alloc(1, sizeof(*s));
    s->record = record;
    s->limits = *limits;
    s->since_ms = now_ms;
    s->deadline_ms = now_ms + (record->limit_ms ? record->limit_ms : OWN_LIMIT_MS);
    return s;
}

struct setting *setting_new(struct record *record, const struct recipe_limits *limits,
                            uint64_t now_ms)
{
    return begin_at(record, limits, now_ms);
}

struct setting *setting_resume(struct record *record, const struct recipe_limits *limits,
                               uint64_t now_ms)
{
    struct setting *s = begin_at(record, limits, now_ms);
    s->resumed = true;
    return s;
}

void setting_free(struct setting *s)
{
    free(s);
}

/* ---- what next ---- */

struct recipe_next setting_next(const struct setting *s, uint64_t now_ms)
{
    static const enum call_kind calls[] = {
        [SETTING_LOOK] = CALL_LOOK_POOL, [SETTING_READ] = CALL_SETTINGS,
        [SETTING_SET] = CALL_CONFIGURE,  [SETTING_CHECK] = CALL_SETTINGS,
        [SETTING_PROBE] = CALL_PROBE,    [SETTING_END] = CALL_NONE,
    };
    if (s->step == SETTING_END)
        return (struct recipe_next){.want = RECIPE_END};
    if (s->step == SETTING_BEGIN)
        return (struct recipe_next){.want = RECIPE_BEGIN};
    if (now_ms < s->retry_at_ms)
        return (struct recipe_next){.want = RECIPE_WAIT, .until_ms = s->retry_at_ms};
    struct recipe_next next = {.want = RECIPE_CALL, .call = {.kind = calls[s->step]}};
    text_copy(next.call.pool, sizeof(next.call.pool), s->record->pool);
    next.call.settings = s->to;
    return next;
}

const char *setting_text(const struct setting *s)
{
    static const char *const words[] = {
        [SETTING_LOOK] = "looking at the pool",
        [SETTING_READ] = "reading its settings",
        [SETTING_BEGIN] = "writing the journal",
        [SETTING_SET] = "changing its settings",
        [SETTING_CHECK] = "reading its settings again",
        [SETTING_PROBE] = "probing",
        [SETTING_END] = "done",
    };
    return words[s->step];
}

uint64_t setting_since_ms(const struct setting *s)
{
    return s->since_ms;
}

/* ---- what came of it ---- */

/* True: it is tried again later. */
static bool again(struct setting *s, uint64_t now_ms)
{
    if (++s->tries >= SET_TRIES || now_ms + RETRY_MS >= s->deadline_ms)
        return false;
    s->retry_at_ms = now_ms + RETRY_MS * s->tries;
    return true;
}

static void looked(struct setting *s, const struct call_result *result, uint64_t now_ms)
{
    const struct driver_view *view = &result->view;
    bool good = result->code == ERR_NONE && view->pools_known && view->pool_count == 1;
    if (!good && (result->code == ERR_NOT_FOUND || result->code == ERR_DENIED || !again(s, now_ms)))
        finish(s, now_ms, OUTCOME_REFUSED, recipe_cause(result->code), "%s",
               s->trouble[0] ? s->trouble : "the pool could not be read");
    if (!good)
        return;
    record_set_workers(s->record, &s->record->before, view->workers, view->worker_count);
    s->started = view->pools[0].state == POOL_STATE_STARTED;
    if (view->config_shared && !s->record->force)
        finish(s, now_ms, OUTCOME_REFUSED, CAUSE_SHARED_CONFIG,
               "this server shares its configuration: what is set here is set on every server "
               "that shares it, so it is done once for all of them (--shared)");
    else
        enter(s, SETTING_READ);
}

static void compare(struct setting *s, const char *now, uint64_t now_ms)
{
    struct record *record = s->record;
    char from[SETTING_TEXT_MAX], missing[WIRE_NAME_MAX] = "", said[WIRE_TEXT_MAX];
    size_t count;
    if (!setting_differ(record->settings, now, s->to, from, &count, missing)) {
        finish(s, now_ms, OUTCOME_REFUSED, CAUSE_UNSUPPORTED,
               "there is no setting %.200s of this pool that this agent may change", missing);
        return;
    }
    if (count == 0) {
        finish(s, now_ms, OUTCOME_NOTHING, CAUSE_ALREADY, "everything is set as asked already");
        return;
    }
    text_copy(record->former_settings, sizeof(record->former_settings), from);
    setting_say(s->to, from, said, sizeof(said));
    clean_text(record->detail, sizeof(record->detail), said);
    enter(s, SETTING_BEGIN);
}

static void check(struct setting *s, const char *now, uint64_t now_ms)
{
    struct record *record = s->record;
    char to[SETTING_TEXT_MAX], from[SETTING_TEXT_MAX], missing[WIRE_NAME_MAX] = "";
    char said[WIRE_TEXT_MAX / 2];
    size_t count;
    if (!setting_differ(record->settings, now, to, from, &count, missing) || count > 0) {
        setting_say(to, from, said, sizeof(said));
        finish(s, now_ms, OUTCOME_FAILED, CAUSE_DRIVER,
               "set, but not in force: %s; what was before: %.300s", said, record->former_settings);
    } else if (s->resumed || !record->probe || !s->started) {
        setting_say(record->settings, record->settings, said, sizeof(said));
        finish(s, now_ms, OUTCOME_DONE, CAUSE_NONE, "set; before: %.400s", record->former_settings);
    } else {
        s->probe_until_ms = now_ms + s->limits.probe_retry_ms;
        enter(s, SETTING_PROBE);
    }
}

static void read(struct setting *s, const struct call_result *result, uint64_t now_ms)
{
    bool first = s->step == SETTING_READ;
    if (result->code == ERR_NONE && first)
        compare(s, result->settings, now_ms);
    else if (result->code == ERR_NONE)
        check(s, result->settings, now_ms);
    else if (!again(s, now_ms))
        finish(s, now_ms, first ? OUTCOME_REFUSED : OUTCOME_FAILED, recipe_cause(result->code),
               "the settings of the pool could not be read: %s", s->trouble);
}

static void set(struct setting *s, const struct call_result *result, uint64_t now_ms)
{
    bool final = result->code == ERR_NOT_FOUND || result->code == ERR_DENIED;
    if (result->code == ERR_NONE || result->code == ERR_EXISTS)
        enter(s, SETTING_CHECK);
    else if (final || !again(s, now_ms))
        enter(s, SETTING_CHECK); /* some of it may be set: what is in force decides */
}

/* IIS may have recycled the pool for it: the new worker answers, or the server stays out. */
static void probed(struct setting *s, const struct call_result *result, uint64_t now_ms)
{
    struct record *record = s->record;
    bool nothing = result->code == ERR_NOT_FOUND;
    bool passed = result->code == ERR_NONE && result->probe.passed;
    record->probed = passed;
    record->probe_status = result->probe.status;
    record->probe_ms = result->probe.elapsed_ms;
    if (!passed && !nothing && now_ms + PROBE_GAP_MS < s->probe_until_ms) {
        s->retry_at_ms = now_ms + PROBE_GAP_MS;
        return;
    }
    if (passed || nothing)
        finish(s, now_ms, OUTCOME_DONE, CAUSE_NONE, "set%s; before: %.400s",
               nothing ? "" : ", the probe passed", record->former_settings);
    else
        finish(s, now_ms, OUTCOME_FAILED, CAUSE_PROBE,
               "set, but the probe does not pass; before: %.400s", record->former_settings);
}

void setting_on_result(struct setting *s, const struct call_result *result, uint64_t now_ms)
{
    if (result->code != ERR_NONE)
        clean_text(s->trouble, sizeof(s->trouble), result->text);
    switch (s->step) {
    case SETTING_LOOK:
        if (s->resumed)
            enter(s, SETTING_CHECK);
        else
            looked(s, result, now_ms);
        return;
    case SETTING_READ:
    case SETTING_CHECK:
        read(s, result, now_ms);
        return;
    case SETTING_SET:
        set(s, result, now_ms);
        return;
    case SETTING_PROBE:
        probed(s, result, now_ms);
        return;
    case SETTING_BEGIN:
    case SETTING_END:
        break;
    }
    must(!"a result for a setting that asked for none");
}

void setting_on_begun(struct setting *s, uint64_t now_ms)
{
    (void)now_ms;
    must(s->step == SETTING_BEGIN);
    s->record->state = RECORD_BEGUN;
    enter(s, SETTING_SET);
}

void setting_refuse(struct setting *s, enum cause cause, const char *detail, uint64_t now_ms)
{
    finish(s, now_ms, OUTCOME_REFUSED, cause, "%s", detail);
}
