/* settings.c - see settings.h. */
#include "coordinator/settings/settings.h"

#include "coordinator/settings/settings_internal.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/api/api_socket.h"
#include "coordinator/core/words.h"
#include "proto/messages.h"
#include "proto/url.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS 1000ULL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* ---- values that have to be more than their type ---- */

static enum error_code check_listen(const char *value, struct error *err)
{
    return wire_check_url(value, true, err);
}

static enum error_code check_https(const char *value, struct error *err)
{
    return text_equal(value, "none") ? ERR_NONE : api_socket_far_check(value, err);
}

static enum error_code check_path(const char *value, struct error *err)
{
    return value[0] == '/' ? ERR_NONE
                           : error_set(err, ERR_INVALID, "%s: expected an absolute path", value);
}

static enum error_code check_label(const char *value, struct error *err)
{
    const char *sign = strchr(value, '=');
    if (!sign || sign == value || sign[1] == '\0' || strchr(sign + 1, '='))
        return error_set(err, ERR_INVALID, "\"%s\": expected KEY=VALUE, such as zone=a", value);
    return ERR_NONE;
}

static enum error_code check_pattern(const char *value, struct error *err)
{
    if (!strstr(value, "{server}"))
        return error_set(err, ERR_INVALID,
                         "%s: expected {server} in it, else all servers would share one line",
                         value);
    return ERR_NONE;
}

static enum error_code check_limit(const char *value, struct error *err)
{
    struct budget_limit limit;
    return budget_limit_parse(value, &limit)
               ? ERR_NONE
               : error_set(err, ERR_INVALID,
                           "\"%s\": expected a number of servers such as 2, or a share of them "
                           "such as 10%%",
                           value);
}

static enum error_code check_max_out(const char *value, struct error *err)
{
    struct budget_limit limit;
    if (budget_limit_parse(value, &limit) && limit.value == 0)
        return error_set(err, ERR_INVALID, "%s: with none out nothing could ever be done", value);
    return check_limit(value, err);
}

static enum error_code check_url(const char *value, struct error *err)
{
    if (!text_starts(value, "https://") && !text_starts(value, "http://"))
        return error_set(err, ERR_INVALID, "\"%s\": expected https://... or http://...", value);
    return ERR_NONE;
}

static enum error_code check_notice_kind(const char *value, struct error *err)
{
    for (size_t i = 0; notice_words[i]; i++)
        if (text_equal(value, notice_words[i]))
            return ERR_NONE;
    struct text words = {0};
    for (size_t i = 0; notice_words[i]; i++)
        text_addf(&words, "%s%s", i ? ", " : "", notice_words[i]);
    error_set(err, ERR_INVALID, "\"%s\": expected some of %s", value, text_get(&words));
    text_reset(&words);
    return ERR_INVALID;
}

static enum error_code check_pair(const char *value, struct error *err)
{
    const char *colon = strchr(value, ':');
    if (!colon || colon == value || colon[1] == '\0')
        return error_set(err, ERR_INVALID, "\"%s\": expected SERVER:NAME, such as web01:srv1",
                         value);
    return ERR_NONE;
}

/* ---- the table of what may stand in the file ---- */

static const char *const plain_words[] = {"no", WIRE_WITHOUT_TLS, NULL};
static const char *const log_level_words[] = {"debug", "info", "warn", "error", NULL};

#define KEY(where, name, kind, holder, field)                                                      \
    .section = (where), .key = (name), .type = (kind), .offset = offsetof(struct holder, field)
#define MAIN(name, kind, field)    KEY("coordinator", name, kind, settings, field)
#define RUNS(name, kind, field)    KEY("defaults", name, kind, settings_defaults, field)
#define BUDGET(where, name, field) KEY(where, name, CONFIG_TEXT, settings_budget, field)
#define TOLD(name, kind, field)    KEY("notice *", name, kind, settings_notice, field)
#define BEHIND(name, field)        KEY("backend *", name, CONFIG_TEXT, settings_backend, field)

static const struct config_key keys[] = {
    {MAIN("listen", CONFIG_TEXT, listen),
     .expected = "where agents reach us, such as tls+tcp://0.0.0.0:7600", .check = check_listen},
    {MAIN("https", CONFIG_TEXT, https),
     .expected = "where servers join and operators come from afar, such as 0.0.0.0:7601, or none",
     .check = check_https},
    {MAIN("address", CONFIG_TEXT, address),
     .expected = "the name by which other machines reach this one, such as farm.example"},
    {MAIN("certificate_life", CONFIG_DURATION, certificate_life_ms), .min = 10 * SECOND_MS,
     .max = 3650 * DAY_MS},
    {MAIN("own_certificate_life", CONFIG_DURATION, own_certificate_life_ms), .min = 10 * SECOND_MS,
     .max = 3650 * DAY_MS},
    {MAIN("handshakes", CONFIG_UINT, handshakes), .min = 16, .max = 100000},
    {MAIN("handshakes_of_one", CONFIG_UINT, handshakes_of_one), .min = 4, .max = 100000},
    {MAIN("https_of_one", CONFIG_UINT, https_of_one), .min = 4, .max = 256},
    {MAIN("audit_syslog", CONFIG_BOOL, audit_syslog), .expected = "yes or no"},
    {MAIN("without_tls", CONFIG_CHOICE, without_tls), .choices = plain_words},
    {MAIN("socket", CONFIG_TEXT, socket), .expected = "the absolute path of a unix socket",
     .check = check_path},
    {MAIN("data_dir", CONFIG_TEXT, data_dir), .expected = "the absolute path of a directory",
     .check = check_path},
    {MAIN("remediation", CONFIG_TEXT, remediation_file),
     .expected = "the absolute path of a file with rules, such as /etc/farmhand/remediation.conf",
     .check = check_path},
    {MAIN("own_server", CONFIG_TEXT, own_server),
     .expected = "the name of the server of the farm that this coordinator runs on"},
    {MAIN("window", CONFIG_TEXT, window), .expected = "the name of a [window NAME] section"},
    {MAIN("time_zone", CONFIG_TEXT, time_zone), .expected = "a name such as Europe/Berlin"},
    {MAIN("silent_after", CONFIG_DURATION, silent_after_ms), .min = SECOND_MS, .max = HOUR_MS},
    {MAIN("settle", CONFIG_DURATION, settle_ms), .min = 0, .max = HOUR_MS},
    {MAIN("max_hold", CONFIG_DURATION, max_hold_ms), .min = MINUTE_MS, .max = 31 * DAY_MS},
    {MAIN("keep_history", CONFIG_DURATION, keep_history_ms), .min = HOUR_MS, .max = 3650 * DAY_MS},
    {MAIN("log_level", CONFIG_CHOICE, log_level), .choices = log_level_words},

    {BUDGET("budget", "max_out", max_out), .check = check_max_out},
    {BUDGET("budget", "min_in_service", min_in_service), .check = check_limit},
    {BUDGET("budget *", "servers", servers), .check = selector_check},
    {BUDGET("budget *", "backend", backend)},
    {BUDGET("budget *", "max_out", max_out), .check = check_max_out},
    {BUDGET("budget *", "min_in_service", min_in_service), .check = check_limit},

    {RUNS("soak", CONFIG_DURATION, soak_ms), .max = DAY_MS},
    {RUNS("limit", CONFIG_DURATION, limit_ms), .min = SECOND_MS, .max = DAY_MS},
    {RUNS("gate_passes", CONFIG_UINT, gate_passes), .min = 1, .max = 1000},
    {RUNS("gate_min", CONFIG_DURATION, gate_min_ms), .max = DAY_MS},
    {RUNS("gate_deadline", CONFIG_DURATION, gate_deadline_ms), .min = SECOND_MS, .max = DAY_MS},
    {RUNS("gate_interval", CONFIG_DURATION, gate_interval_ms), .min = 100, .max = HOUR_MS},
    {RUNS("drain_limit", CONFIG_DURATION, drain_limit_ms), .max = DAY_MS},
    {RUNS("on_drain_limit", CONFIG_CHOICE, on_drain_limit), .choices = on_drain_limit_words},
    {RUNS("unreachable", CONFIG_CHOICE, unreachable), .choices = on_unreachable_words},

    {KEY("server *", "labels", CONFIG_LIST, settings_server, given),
     .expected = "labels with commas between them, such as farm=web, zone=a", .check = check_label},

    {KEY("window *", "hours", CONFIG_TEXT, settings_window, hours), .required = true,
     .expected = "hours such as Mon-Fri 22:00-05:00, Sat,Sun 00:00-24:00"},
    {KEY("blackout *", "from", CONFIG_TEXT, settings_blackout, from), .required = true,
     .expected = "local time such as 2026-12-24 18:00"},
    {KEY("blackout *", "until", CONFIG_TEXT, settings_blackout, until), .required = true,
     .expected = "local time such as 2027-01-04 06:00"},
    {KEY("blackout *", "reason", CONFIG_TEXT, settings_blackout, reason), .required = true,
     .expected = "why, for those who ask"},

    {KEY("haproxy *", "address", CONFIG_TEXT, settings_balancer, address), .required = true,
     .expected = "its runtime API: the absolute path of a socket, or ADDRESS:PORT"},
    {KEY("haproxy *", "timeout", CONFIG_DURATION, settings_balancer, timeout_ms), .min = 100,
     .max = MINUTE_MS},

    {KEY("command *", "run", CONFIG_LIST, settings_balancer, run), .required = true,
     .expected = "the absolute path of a program, then its arguments, with commas between"},
    {KEY("command *", "timeout", CONFIG_DURATION, settings_balancer, timeout_ms), .min = 100,
     .max = 5 * MINUTE_MS},

    {KEY("keepalive *", "check", CONFIG_DURATION, settings_balancer, check_ms), .required = true,
     .min = 100, .max = 10 * MINUTE_MS,
     .expected = "after so long the balancer's own check has surely seen a change, such as 15s"},

    {KEY("backend *", "balancers", CONFIG_LIST, settings_backend, balancers), .required = true,
     .expected =
         "names of [haproxy NAME], [command NAME] or [keepalive NAME] sections, with commas "
         "between"},
    {BEHIND("pools", pools), .expected = "the pools behind it, such as Shop or *"},
    {BEHIND("name", name_of), .expected = "how it calls a server, such as {server} or iis-{server}",
     .check = check_pattern},
    {KEY("backend *", "renamed", CONFIG_LIST, settings_backend, renamed),
     .expected = "exceptions with commas between them, such as web01:srv1", .check = check_pair},

    {TOLD("url", CONFIG_TEXT, url), .expected = "where it is posted to, https://...",
     .check = check_url},
    {TOLD("secret_file", CONFIG_TEXT, secret_file),
     .expected = "the absolute path of a file that holds the key of signatures",
     .check = check_path},
    {TOLD("run", CONFIG_LIST, run),
     .expected = "the absolute path of a program, then its arguments, with commas between"},
    {TOLD("timeout", CONFIG_DURATION, timeout_ms), .min = SECOND_MS, .max = 5 * MINUTE_MS},
    {TOLD("on", CONFIG_LIST, on), .expected = "what is told, such as run.paused, run.ended",
     .check = check_notice_kind},
    {TOLD("keep", CONFIG_DURATION, keep_ms), .min = MINUTE_MS, .max = 30 * DAY_MS},
};

/* ---- sections ---- */

/* Room for one more at the end of an array, zeroed. */
static void *grow(void **array, size_t *count, size_t size_bytes)
{
    *array = must_realloc(*array, *count + 1, size_bytes);
    void *added = (char *)*array + *count * size_bytes;
    memset(added, 0, size_bytes);
    ++*count;
    return added;
}

static void *add_server(struct settings *s, const char *name, struct error *err)
{
    if (wire_check_server_name(name, err) != ERR_NONE)
        return NULL;
    struct settings_server *server =
        grow((void **)&s->servers, &s->server_count, sizeof(*s->servers));
    server->name = must_copy(name);
    return server;
}

static void *add_budget(struct settings *s, const char *name)
{
    struct settings_budget *budget =
        grow((void **)&s->budgets, &s->budget_count, sizeof(*s->budgets));
    budget->name = must_copy(name);
    return budget;
}

static void *add_balancer(struct settings *s, const char *kind, const char *name,
                          uint64_t timeout_ms)
{
    struct settings_balancer *balancer =
        grow((void **)&s->balancers, &s->balancer_count, sizeof(*s->balancers));
    balancer->kind = kind;
    balancer->name = must_copy(name);
    balancer->timeout_ms = timeout_ms;
    return balancer;
}

static void *add_window(struct settings *s, const char *name)
{
    struct settings_window *window =
        grow((void **)&s->windows, &s->window_count, sizeof(*s->windows));
    window->name = must_copy(name);
    return window;
}

static void *add_blackout(struct settings *s, const char *name)
{
    struct settings_blackout *blackout =
        grow((void **)&s->blackouts, &s->blackout_count, sizeof(*s->blackouts));
    blackout->name = must_copy(name);
    return blackout;
}

static void *add_backend(struct settings *s, const char *name)
{
    struct settings_backend *backend =
        grow((void **)&s->backends, &s->backend_count, sizeof(*s->backends));
    backend->name = must_copy(name);
    return backend;
}

static void *add_notice(struct settings *s, const char *name)
{
    struct settings_notice *notice =
        grow((void **)&s->notices, &s->notice_count, sizeof(*s->notices));
    notice->name = must_copy(name);
    notice->timeout_ms = 10 * SECOND_MS;
    return notice;
}

static void *section(void *target, const char *section, const char *name, struct error *err)
{
    struct settings *s = target;
    if (text_equal(section, "defaults"))
        return &s->defaults;
    if (text_equal(section, "budget"))
        return &s->budget;
    if (text_equal(section, "server *"))
        return add_server(s, name, err);
    if (name && strlen(name) >= BALANCER_NAME_MAX) {
        error_set(err, ERR_INVALID, "\"%.40s...\" is too long for a name here: %d bytes at most",
                  name, BALANCER_NAME_MAX - 1);
        return NULL;
    }
    if (text_equal(section, "budget *"))
        return add_budget(s, name);
    if (text_equal(section, "window *"))
        return add_window(s, name);
    if (text_equal(section, "blackout *"))
        return add_blackout(s, name);
    if (text_equal(section, "haproxy *"))
        return add_balancer(s, "haproxy", name, 3 * SECOND_MS);
    if (text_equal(section, "command *"))
        return add_balancer(s, "command", name, 20 * SECOND_MS);
    if (text_equal(section, "keepalive *"))
        return add_balancer(s, "keepalive", name, SECOND_MS);
    if (text_equal(section, "backend *"))
        return add_backend(s, name);
    if (text_equal(section, "notice *"))
        return add_notice(s, name);
    return s;
}

static const struct config_schema schema = {
    .keys = keys, .key_count = sizeof(keys) / sizeof(keys[0]), .section = section};

static void set_defaults(struct settings *s)
{
    *s = (struct settings){
        .silent_after_ms = 45 * SECOND_MS,
        .settle_ms = 10 * SECOND_MS,
        .max_hold_ms = DAY_MS,
        .keep_history_ms = 90 * DAY_MS,
        .certificate_life_ms = 90 * DAY_MS,
        .own_certificate_life_ms = 730 * DAY_MS,
        .handshakes = 8192,
        .handshakes_of_one = 64,
        .https_of_one = 16,
        .log_level = LOG_LEVEL_INFO,
        .defaults = {.soak_ms = 10 * SECOND_MS,
                     .limit_ms = 5 * MINUTE_MS,
                     .gate_passes = 3,
                     .gate_min_ms = 3 * SECOND_MS,
                     .gate_deadline_ms = 2 * MINUTE_MS,
                     .gate_interval_ms = SECOND_MS,
                     .drain_limit_ms = 2 * MINUTE_MS,
                     .on_drain_limit = DRAIN_LIMIT_FAIL,
                     .unreachable = UNREACHABLE_FAIL},
    };
}

static void fill_text(char **field, const char *value)
{
    if (!*field)
        *field = must_copy(value);
}

static void fill_missing(struct settings *s)
{
    fill_text(&s->listen, "tls+tcp://0.0.0.0:7600");
    fill_text(&s->https, wire_url_has_tls(s->listen) ? "0.0.0.0:7601" : "none");
    fill_text(&s->socket, "/run/farmhand/farmhand.sock");
    fill_text(&s->data_dir, "/var/lib/farmhand");
    fill_text(&s->budget.max_out, "1");
    fill_text(&s->budget.min_in_service, "0");
    for (size_t i = 0; i < s->budget_count; i++) {
        fill_text(&s->budgets[i].max_out, "1");
        fill_text(&s->budgets[i].min_in_service, "0");
    }
    for (size_t i = 0; i < s->backend_count; i++) {
        fill_text(&s->backends[i].pools, "*");
        fill_text(&s->backends[i].name_of, "{server}");
    }
}

/* ---- the whole ---- */

static enum error_code conclude(enum error_code code, struct settings *s,
                                struct settings_checking *c, struct settings *out)
{
    if (!code) {
        fill_missing(s);
        code = settings_check(s, c);
    }
    remediation_default(&s->remediation);
    if (!code && s->remediation_file)
        code = remediation_read(s->remediation_file, &s->hours, &s->remediation, c->report, c->arg,
                                c->err);
    if (code)
        settings_release(s);
    else
        *out = *s;
    return code;
}

enum error_code settings_read(const char *path, struct settings *out,
                              void (*report)(void *arg, const char *line), void *arg,
                              struct error *err)
{
    struct settings s;
    struct settings_checking c = {.file = path, .report = report, .arg = arg, .err = err};
    set_defaults(&s);
    return conclude(config_read(path, &schema, &s, report, arg, err), &s, &c, out);
}

enum error_code settings_parse(const char *content, const char *name, struct settings *out,
                               void (*report)(void *arg, const char *line), void *arg,
                               struct error *err)
{
    struct settings s;
    struct settings_checking c = {.file = name, .report = report, .arg = arg, .err = err};
    set_defaults(&s);
    return conclude(config_parse(content, name, &schema, &s, report, arg, err), &s, &c, out);
}

void settings_release(struct settings *s)
{
    for (size_t i = 0; i < s->server_count; i++) {
        config_release(&schema, "server *", &s->servers[i]);
        free(s->servers[i].labels);
        free(s->servers[i].name);
    }
    for (size_t i = 0; i < s->balancer_count; i++) {
        config_release(&schema, "haproxy *", &s->balancers[i]);
        config_release(&schema, "command *", &s->balancers[i]);
        config_release(&schema, "keepalive *", &s->balancers[i]);
        free(s->balancers[i].argv);
        free(s->balancers[i].name);
    }
    for (size_t i = 0; i < s->backend_count; i++) {
        config_release(&schema, "backend *", &s->backends[i]);
        free(s->backends[i].renamed_pairs);
        free(s->backends[i].name);
    }
    for (size_t i = 0; i < s->budget_count; i++) {
        config_release(&schema, "budget *", &s->budgets[i]);
        free(s->budgets[i].name);
    }
    config_release(&schema, "budget", &s->budget);
    for (size_t i = 0; i < s->notice_count; i++) {
        config_release(&schema, "notice *", &s->notices[i]);
        free(s->notices[i].argv);
        free(s->notices[i].name);
    }
    for (size_t i = 0; i < s->window_count; i++) {
        config_release(&schema, "window *", &s->windows[i]);
        free(s->windows[i].name);
    }
    for (size_t i = 0; i < s->blackout_count; i++) {
        config_release(&schema, "blackout *", &s->blackouts[i]);
        free(s->blackouts[i].name);
    }
    settings_release_hours(s);
    remediation_release(&s->remediation);
    free(s->windows);
    free(s->blackouts);
    config_release(&schema, "coordinator", s);
    free(s->budgets);
    free(s->servers);
    free(s->balancers);
    free(s->backends);
    free(s->notices);
    *s = (struct settings){0};
}

struct rollout_options settings_options(const struct settings *s)
{
    const struct settings_defaults *d = &s->defaults;
    struct rollout_options o = {
        .batch = 1,
        .soak_ms = d->soak_ms,
        .limit_ms = d->limit_ms,
        .drain = true,
        .drain_limit_ms = d->drain_limit_ms,
        .on_drain_limit = (enum on_drain_limit)d->on_drain_limit,
        .gate_passes = (uint32_t)d->gate_passes,
        .gate_min_ms = d->gate_min_ms,
        .gate_deadline_ms = d->gate_deadline_ms,
        .gate_interval_ms = d->gate_interval_ms,
        .unreachable = (enum on_unreachable)d->unreachable,
    };
    rollout_policies(&o, ON_FAILURE_STOP, 0);
    if (o.unreachable == UNREACHABLE_SKIP)
        o.policies[TROUBLE_UNREACHABLE].then = ON_FAILURE_CONTINUE;
    return o;
}

static struct budget_rule rule_of(const struct settings_budget *b)
{
    struct budget_rule rule = {.name = b->name, .selector = b->servers, .backend = b->backend};
    must(budget_limit_parse(b->max_out, &rule.max_out)); /* check_limit saw to it */
    must(budget_limit_parse(b->min_in_service, &rule.min_in_service));
    return rule;
}

struct budget_rule *settings_budgets(const struct settings *s)
{
    struct budget_rule *rules = must_alloc(s->budget_count + 1, sizeof(*rules));
    for (size_t i = 0; i < s->budget_count; i++)
        rules[i] = rule_of(&s->budgets[i]);
    return rules;
}

struct budget_rule settings_budget(const struct settings *s)
{
    return rule_of(&s->budget);
}

struct balancer_place *settings_places(const struct settings *s)
{
    struct balancer_place *places = must_alloc(s->balancer_count + 1, sizeof(*places));
    for (size_t i = 0; i < s->balancer_count; i++)
        places[i] = (struct balancer_place){.kind = s->balancers[i].kind,
                                            .name = s->balancers[i].name,
                                            .address = s->balancers[i].address,
                                            .timeout_ms = s->balancers[i].timeout_ms,
                                            .argv = s->balancers[i].argv,
                                            .check_ms = s->balancers[i].check_ms};
    return places;
}

struct balancer_backend *settings_backends(const struct settings *s, size_t *count)
{
    size_t total = 0, used = 0;
    for (size_t i = 0; i < s->backend_count; i++)
        total += s->backends[i].balancers.count;
    struct balancer_backend *backends = must_alloc(total + 1, sizeof(*backends));
    for (size_t i = 0; i < s->backend_count; i++)
        for (size_t k = 0; k < s->backends[i].balancers.count; k++)
            backends[used++] =
                (struct balancer_backend){.balancer = s->backends[i].balancers.items[k],
                                          .backend = s->backends[i].name,
                                          .pool_glob = s->backends[i].pools,
                                          .name_of = s->backends[i].name_of,
                                          .renamed = s->backends[i].renamed_pairs};
    *count = used;
    return backends;
}

struct notices_target *settings_notices(const struct settings *s)
{
    struct notices_target *targets = must_alloc(s->notice_count + 1, sizeof(*targets));
    for (size_t i = 0; i < s->notice_count; i++) {
        const struct settings_notice *n = &s->notices[i];
        targets[i] = (struct notices_target){.notifier = {.name = n->name,
                                                          .url = n->url,
                                                          .secret_file = n->secret_file,
                                                          .argv = n->argv,
                                                          .timeout_ms = n->timeout_ms},
                                             .kinds = n->kinds,
                                             .keep_ms = n->keep_ms};
    }
    return targets;
}
