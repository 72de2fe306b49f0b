/* remediation.c - see remediation.h. */
#include "coordinator/settings/remediation.h"

#include "common/config.h"
#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS 1000ull
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* As the file has them. */
struct guards_read {
    char *min_healthy, *common_cause;
    uint64_t server_cool_down_ms, rule_cool_down_ms, flap_ms, max_age_ms, clear_ms, retry_ms,
        blocked_alarm_ms, min_worker_age_ms, probe_every_ms, storm_ms;
    uint64_t max_per_hour, flap_max, common_least;
};

struct rule_read {
    char *name, *when, *samples, *actions, *servers, *pools, *window, *common_cause;
    char *hours; /* of window, resolved */
    uint64_t for_ms, cool_down_ms, min_worker_age_ms, quarantine_ms;
    int mode;
    bool dump;
};

struct remediation_file {
    struct guards_read guards;
    struct rule_read *rules;
    size_t count;
};

/* ---- the table of what may stand in the file ---- */

static enum error_code check_share(const char *value, struct error *err)
{
    struct share share;
    return share_parse(value, &share)
               ? ERR_NONE
               : error_set(err, ERR_INVALID,
                           "\"%s\": expected a number such as 3, or a share such "
                           "as 30%%",
                           value);
}

static enum error_code check_pools(const char *value, struct error *err)
{
    return pools_check(value, err);
}

static const char *const mode_words[] = {"observe", "propose", "auto", NULL};

#define KEY(where, name, kind, holder, field)                                                      \
    .section = (where), .key = (name), .type = (kind), .offset = offsetof(struct holder, field)
#define GUARD(name, kind, field) KEY("guards", name, kind, guards_read, field)
#define RULE(name, kind, field)  KEY("rule *", name, kind, rule_read, field)

static const struct config_key keys[] = {
    {GUARD("min_healthy", CONFIG_TEXT, min_healthy), .check = check_share},
    {GUARD("server_cool_down", CONFIG_DURATION, server_cool_down_ms), .max = DAY_MS},
    {GUARD("rule_cool_down", CONFIG_DURATION, rule_cool_down_ms), .max = DAY_MS},
    {GUARD("max_per_hour", CONFIG_UINT, max_per_hour), .min = 1, .max = 10000},
    {GUARD("storm_lasts", CONFIG_DURATION, storm_ms), .max = DAY_MS},
    {GUARD("flap_max", CONFIG_UINT, flap_max), .min = 1, .max = 1000},
    {GUARD("flap_within", CONFIG_DURATION, flap_ms), .min = MINUTE_MS, .max = DAY_MS},
    {GUARD("max_age", CONFIG_DURATION, max_age_ms), .min = SECOND_MS, .max = 10 * MINUTE_MS},
    {GUARD("min_worker_age", CONFIG_DURATION, min_worker_age_ms), .max = DAY_MS},
    {GUARD("common_cause", CONFIG_TEXT, common_cause), .check = check_share},
    {GUARD("common_least", CONFIG_UINT, common_least), .min = 2, .max = 100000},
    {GUARD("clear", CONFIG_DURATION, clear_ms), .min = SECOND_MS, .max = DAY_MS},
    {GUARD("retry", CONFIG_DURATION, retry_ms), .min = SECOND_MS, .max = DAY_MS},
    {GUARD("blocked_alarm", CONFIG_DURATION, blocked_alarm_ms), .min = SECOND_MS, .max = DAY_MS},
    {GUARD("probe_every", CONFIG_DURATION, probe_every_ms), .min = SECOND_MS, .max = HOUR_MS},

    {RULE("when", CONFIG_TEXT, when), .required = true,
     .expected = "conditions with commas between them, such as memory > 2G"},
    {RULE("for", CONFIG_DURATION, for_ms), .max = DAY_MS},
    {RULE("samples", CONFIG_TEXT, samples)},
    {RULE("actions", CONFIG_TEXT, actions), .required = true,
     .expected = "a ladder such as recycle 10m, kill-worker 5m, quarantine"},
    {RULE("mode", CONFIG_CHOICE, mode), .choices = mode_words},
    {RULE("servers", CONFIG_TEXT, servers), .check = selector_check},
    {RULE("pools", CONFIG_TEXT, pools), .check = check_pools},
    {RULE("window", CONFIG_TEXT, window)},
    {RULE("cool_down", CONFIG_DURATION, cool_down_ms), .max = DAY_MS},
    {RULE("min_worker_age", CONFIG_DURATION, min_worker_age_ms), .max = DAY_MS},
    {RULE("common_cause", CONFIG_TEXT, common_cause), .check = check_share},
    {RULE("quarantine", CONFIG_DURATION, quarantine_ms), .max = 366 * DAY_MS},
    {RULE("dump", CONFIG_BOOL, dump)},
};

#define UNSET UINT64_MAX /* a rule that says nothing: the guards' own */

static void *add_rule(struct remediation_file *f, const char *name, struct error *err)
{
    if (strlen(name) >= INCIDENT_RULE_MAX || name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                               "0123456789-_")]) {
        error_set(err, ERR_INVALID,
                  "\"%.80s\" cannot be a rule's name: letters, digits, '-' and '_', at most %d",
                  name, INCIDENT_RULE_MAX - 1);
        return NULL;
    }
    f->rules = must_realloc(f->rules, f->count + 1, sizeof *f->rules);
    struct rule_read *rule = &f->rules[f->count++];
    *rule = (struct rule_read){.name = must_copy(name),
                               .for_ms = MINUTE_MS,
                               .cool_down_ms = UNSET,
                               .min_worker_age_ms = UNSET};
    return rule;
}

static void *section(void *target, const char *section, const char *name, struct error *err)
{
    struct remediation_file *f = target;
    return text_equal(section, "guards") ? (void *)&f->guards : add_rule(f, name, err);
}

static const struct config_schema schema = {
    .keys = keys, .key_count = sizeof(keys) / sizeof(keys[0]), .section = section};

static const struct guards_read guards_default = {
    .server_cool_down_ms = 10 * MINUTE_MS,
    .rule_cool_down_ms = 2 * MINUTE_MS,
    .max_per_hour = 6,
    .flap_max = 3,
    .flap_ms = HOUR_MS,
    .max_age_ms = 45 * SECOND_MS,
    .min_worker_age_ms = 5 * MINUTE_MS,
    .common_least = 3,
    .clear_ms = MINUTE_MS,
    .retry_ms = MINUTE_MS,
    .blocked_alarm_ms = 15 * MINUTE_MS,
    .probe_every_ms = 30 * SECOND_MS,
};

/* ---- from words to rules ---- */

static struct share share_of_text(const char *text, const char *otherwise)
{
    struct share share = {0};
    if (!text || !share_parse(text, &share)) /* check_share told it */
        must(share_parse(otherwise, &share));
    return share;
}

struct making {
    const char *file;
    const struct windows *windows;
    void (*report)(void *arg, const char *line);
    void *arg;
    size_t errors;
    struct error *err;
};

static void FORMAT_PRINTF(2, 3) complain(struct making *m, const char *fmt, ...)
{
    struct text line = {0};
    va_list args;
    text_addf(&line, "%s: ", m->file);
    va_start(args, fmt);
    text_vaddf(&line, fmt, args);
    va_end(args);
    if (m->errors++ == 0)
        error_set(m->err, ERR_INVALID, "%s", text_get(&line));
    if (m->report)
        m->report(m->arg, text_get(&line));
    text_reset(&line);
}

static void make_window(struct making *m, struct rule_read *read, struct remedy_rule *rule)
{
    char text[WINDOW_TEXT_MAX] = "";
    struct error err;
    if (read->window && windows_resolve(m->windows, read->window, text, &err) != ERR_NONE)
        complain(m, "[rule %s] window = %s: %s", read->name, read->window, err.text);
    read->hours = must_copy(text);
    rule->window = read->hours;
}

static void make_rule(struct making *m, const struct guards_read *g, struct rule_read *read,
                      struct remedy_rule *rule)
{
    struct error err;
    *rule = (struct remedy_rule){
        .name = read->name,
        .servers = read->servers ? read->servers : "all",
        .pools = read->pools ? read->pools : "*",
        .for_ms = read->for_ms,
        .mode = (enum remedy_mode)read->mode,
        .cool_down_ms = read->cool_down_ms == UNSET ? g->rule_cool_down_ms : read->cool_down_ms,
        .min_worker_age_ms =
            read->min_worker_age_ms == UNSET ? g->min_worker_age_ms : read->min_worker_age_ms,
        .quarantine_ms = read->quarantine_ms,
        .common_cause =
            share_of_text(read->common_cause ? read->common_cause : g->common_cause, "30%"),
        .dump = read->dump,
    };
    if (remedy_parse_conditions(read->when, rule, &err))
        complain(m, "[rule %s] when: %s", read->name, err.text);
    if (remedy_parse_samples(read->samples ? read->samples : "3/4", rule, &err))
        complain(m, "[rule %s] samples: %s", read->name, err.text);
    if (remedy_parse_ladder(read->actions, rule, &err))
        complain(m, "[rule %s] actions: %s", read->name, err.text);
    else if (remedy_check_rule(rule, &err))
        complain(m, "[rule %s] actions: %s", read->name, err.text);
    make_window(m, read, rule);
}

static void make_guards(const struct guards_read *g, struct remediation *out)
{
    out->guards = (struct remedy_guards){
        .min_healthy = share_of_text(g->min_healthy, "50%"),
        .server_cool_down_ms = g->server_cool_down_ms,
        .max_per_hour = (uint32_t)g->max_per_hour,
        .storm_ms = g->storm_ms,
        .flap_max = (uint32_t)g->flap_max,
        .flap_ms = g->flap_ms,
        .max_age_ms = g->max_age_ms,
        .common_least = (uint32_t)g->common_least,
        .clear_ms = g->clear_ms,
        .retry_ms = g->retry_ms,
        .blocked_alarm_ms = g->blocked_alarm_ms,
        .probe_every_ms = g->probe_every_ms,
    };
}

void remediation_default(struct remediation *out)
{
    *out = (struct remediation){0};
    make_guards(&guards_default, out);
}

static enum error_code conclude(enum error_code code, struct remediation_file *file,
                                struct making *m, struct remediation *out)
{
    struct remediation made = {.file = file, .count = file->count};
    made.rules = must_alloc(file->count + 1, sizeof *made.rules);
    make_guards(&file->guards, &made);
    m->errors = code ? 1 : 0; /* the first stays in *err; those of conditions are told as well */
    for (size_t i = 0; i < file->count; i++)
        if (file->rules[i].when && file->rules[i].actions)
            make_rule(m, &file->guards, &file->rules[i], &made.rules[i]);
    code = code ? code : m->errors ? ERR_INVALID : ERR_NONE;
    if (code)
        remediation_release(&made);
    else
        *out = made;
    return code;
}

static struct remediation_file *file_new(void)
{
    struct remediation_file *file = must_alloc(1, sizeof *file);
    file->guards = guards_default;
    return file;
}

enum error_code remediation_read(const char *path, const struct windows *windows,
                                 struct remediation *out,
                                 void (*report)(void *arg, const char *line), void *arg,
                                 struct error *err)
{
    struct remediation_file *file = file_new();
    struct making m = {path, windows, report, arg, 0, err};
    return conclude(config_read(path, &schema, file, report, arg, err), file, &m, out);
}

enum error_code remediation_parse(const char *content, const char *name,
                                  const struct windows *windows, struct remediation *out,
                                  void (*report)(void *arg, const char *line), void *arg,
                                  struct error *err)
{
    struct remediation_file *file = file_new();
    struct making m = {name, windows, report, arg, 0, err};
    return conclude(config_parse(content, name, &schema, file, report, arg, err), file, &m, out);
}

void remediation_release(struct remediation *r)
{
    struct remediation_file *file = r->file;
    for (size_t i = 0; file && i < file->count; i++) {
        config_release(&schema, "rule *", &file->rules[i]);
        free(file->rules[i].hours);
        free(file->rules[i].name);
    }
    if (file) {
        config_release(&schema, "guards", &file->guards);
        free(file->rules);
        free(file);
    }
    free(r->rules);
    *r = (struct remediation){0};
}
