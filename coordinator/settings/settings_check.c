/* settings_check.c - see settings_internal.h: what one line alone cannot tell. */
#include "coordinator/settings/settings_internal.h"

#include "common/must.h"
#include "common/text.h"
#include "proto/url.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NOTICE_KEEP_MS (24ULL * 60 * 60 * 1000)
#define AUDIT_KEEP_MS  (30 * NOTICE_KEEP_MS) /* as long as may be asked for */

FORMAT_PRINTF(2, 3) static void complain(struct settings_checking *c, const char *fmt, ...)
{
    struct text line = {0};
    va_list args;
    text_addf(&line, "%s: ", c->file);
    va_start(args, fmt);
    text_vaddf(&line, fmt, args);
    va_end(args);
    if (c->errors++ == 0)
        error_set(c->err, ERR_INVALID, "%s", line.data);
    if (c->report)
        c->report(c->arg, line.data);
    text_reset(&line);
}

/* Nobody speaks without TLS by oversight. */
static void check_plain(struct settings_checking *c, const struct settings *s)
{
    if (!wire_url_has_tls(s->listen) && s->without_tls != SETTINGS_LOOPBACK_ONLY)
        complain(c,
                 "[coordinator] listen = %s is without TLS: write tls+tcp://ADDRESS:PORT, or, if "
                 "all agents run on this machine, without_tls = " WIRE_WITHOUT_TLS,
                 s->listen);
    if (wire_url_has_tls(s->listen) && s->without_tls == SETTINGS_LOOPBACK_ONLY)
        complain(c, "[coordinator] without_tls = " WIRE_WITHOUT_TLS " does not go with listen = %s",
                 s->listen);
}

static void check_far(struct settings_checking *c, const struct settings *s)
{
    if (!wire_url_has_tls(s->listen) && !text_equal(s->https, "none"))
        complain(c, "[coordinator] https = %s needs the certificates of a tls+tcp:// listen",
                 s->https);
}

static void check_times(struct settings_checking *c, const struct settings_defaults *d)
{
    if (d->gate_min_ms > d->gate_deadline_ms)
        complain(c, "[defaults] gate_min is longer than gate_deadline: no gate could ever pass");
    if (d->gate_passes * d->gate_interval_ms > d->gate_deadline_ms)
        complain(c, "[defaults] gate_passes times gate_interval is longer than gate_deadline: no "
                    "gate could ever pass");
}

/* "zone=a" becomes key and value, where it stands. */
static struct selector_label cut_label(char *given)
{
    char *sign = strchr(given, '=');
    must(sign != NULL); /* check_label saw to it */
    *sign = '\0';
    return (struct selector_label){.key = given, .value = sign + 1};
}

static void check_server(struct settings_checking *c, struct settings_server *server)
{
    server->labels = must_alloc(server->given.count + 1, sizeof(*server->labels));
    for (size_t i = 0; i < server->given.count; i++) {
        struct selector_label *label = &server->labels[server->label_count];
        *label = cut_label(server->given.items[i]);
        for (size_t k = 0; k < server->label_count; k++)
            if (text_equal_nocase(server->labels[k].key, label->key))
                complain(c, "[server %s] labels: %s is given twice", server->name, label->key);
        server->label_count++;
    }
}

static void check_budget(struct settings_checking *c, const struct settings *s,
                         const struct settings_budget *b)
{
    if (!b->servers == !b->backend)
        complain(c,
                 "[budget %s] %s: which servers are in this group? Either servers = SELECTOR or "
                 "backend = the name of a [backend NAME] section",
                 b->name,
                 b->servers ? "has both servers and backend" : "has neither servers nor backend");
    bool found = !b->backend;
    for (size_t i = 0; i < s->backend_count; i++)
        found |= b->backend && text_equal(s->backends[i].name, b->backend);
    if (!found)
        complain(c, "[budget %s] backend = %s: there is no section [backend %s]", b->name,
                 b->backend, b->backend);
}

/* The same, NULL-terminated; lent but for the array. */
static const char **list_of(const struct config_list *given)
{
    const char **list = must_alloc(given->count + 1, sizeof(*list));
    for (size_t i = 0; i < given->count; i++)
        list[i] = given->items[i];
    return list;
}

static void check_balancer(struct settings_checking *c, const struct settings *s, size_t at)
{
    struct settings_balancer *b = &s->balancers[at];
    b->argv = list_of(&b->run);
    for (size_t i = 0; i < at; i++)
        if (text_equal(s->balancers[i].name, b->name))
            complain(c, "[%s %s]: there is a [%s %s] already, and [backend] sections name either",
                     b->kind, b->name, s->balancers[i].kind, b->name);
    if (text_equal(b->kind, "command") && (!b->argv[0] || b->argv[0][0] != '/'))
        complain(c, "[command %s] run: expected the absolute path of a program, then its arguments",
                 b->name);
}

static void check_backend(struct settings_checking *c, const struct settings *s,
                          struct settings_backend *b)
{
    for (size_t k = 0; k < b->balancers.count; k++) {
        const char *name = b->balancers.items[k];
        bool found = false;
        for (size_t i = 0; i < s->balancer_count; i++)
            found |= text_equal(s->balancers[i].name, name);
        if (!found)
            complain(c,
                     "[backend %s] balancers: there is no section [haproxy %s], [command %s] or "
                     "[keepalive %s]",
                     b->name, name, name, name);
    }
    b->renamed_pairs = list_of(&b->renamed);
}

static void check_notice(struct settings_checking *c, struct settings_notice *n)
{
    char *secret;
    size_t len;
    struct error err;
    n->argv = list_of(&n->run);
    if ((n->url != NULL) == (n->run.count > 0))
        complain(c, "[notice %s]: expected either url or run", n->name);
    if (n->run.count > 0 && n->argv[0][0] != '/')
        complain(c, "[notice %s] run: expected the absolute path of a program, then its arguments",
                 n->name);
    if (n->secret_file && !n->url)
        complain(c, "[notice %s] secret_file: only what goes to a url is signed", n->name);
    if (n->secret_file && notifier_read_secret(n->secret_file, &secret, &len, &err) == ERR_NONE)
        free(secret);
    else if (n->secret_file)
        complain(c, "[notice %s] %s", n->name, err.text);
    for (size_t i = 0; i < n->on.count; i++)
        n->kinds |= 1u << notice_kind_parse(n->on.items[i]);
    for (size_t i = 0; n->on.count == 0 && notice_words[i]; i++)
        n->kinds |= 1u << notice_kind_parse(notice_words[i]);
    bool audit = n->on.count > 0 && (n->kinds & 1u << NOTICE_AUDIT);
    n->kinds &= audit ? UINT32_MAX : ~(1u << NOTICE_AUDIT);
    if (audit && n->on.count > 1)
        complain(c,
                 "[notice %s] on: audit stands alone, since its rows are told in their order: give "
                 "the others a section of their own",
                 n->name);
    if (n->keep_ms == 0)
        n->keep_ms = audit ? AUDIT_KEEP_MS : NOTICE_KEEP_MS;
}

static void complain_line(void *checking, const char *line)
{
    complain(checking, "%s", line);
}

enum error_code settings_check(struct settings *s, struct settings_checking *c)
{
    check_plain(c, s);
    check_far(c, s);
    check_times(c, &s->defaults);
    settings_hours(s, complain_line, c);
    for (size_t i = 0; i < s->server_count; i++)
        check_server(c, &s->servers[i]);
    for (size_t i = 0; i < s->balancer_count; i++)
        check_balancer(c, s, i);
    for (size_t i = 0; i < s->budget_count; i++)
        check_budget(c, s, &s->budgets[i]);
    for (size_t i = 0; i < s->backend_count; i++)
        check_backend(c, s, &s->backends[i]);
    for (size_t i = 0; i < s->notice_count; i++)
        check_notice(c, &s->notices[i]);
    if (c->errors > 1)
        error_set(c->err, ERR_INVALID, "%s holds %zu errors; the first: %s", c->file, c->errors,
                  c->err ? c->err->text : "");
    return c->errors > 0 ? ERR_INVALID : ERR_NONE;
}
