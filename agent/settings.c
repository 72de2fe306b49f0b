/* settings.c - see settings.h. What holds without the file, and what its lines say together. */
#include "agent/settings_internal.h"

#include "agent/drivers/iis_defaults.h"
#include "agent/home.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "proto/url.h"

#include <stdlib.h>

static void init(struct settings *settings)
{
    *settings = (struct settings){
        .heartbeat_ms = 15 * SECOND,
        .beat_ms = SECOND,
        .look_every_ms = 5 * MINUTE,
        .reconnect_min_ms = SECOND,
        .reconnect_max_ms = MINUTE,
        .log_level = LOG_LEVEL_INFO,
        .profile = SETTINGS_NO_PROFILE,
        .cool_down_ms = 10 * SECOND,
        .service_stop_ms = 100 * SECOND,
        .dependent_ms = 30 * SECOND,
        .service_start_ms = 2 * MINUTE,
        .site_ms = MINUTE,
        .silent_ms = 10 * SECOND,
        .max_per_hour = 20,
        .dumps_kept = 4,
        .dump_max_bytes = UINT64_C(1) << 30,
        .dump_free_bytes = UINT64_C(5) << 30,
        .dump_wait_ms = 20 * SECOND,
    };
    iis_settings_init(&settings->iis);
}

static enum error_code find_name(struct settings *settings, struct error *err)
{
    char host[WIRE_NAME_MAX];
    settings->named = settings->name != NULL;
    if (!settings->name) {
        enum error_code code = os_hostname(host, sizeof(host), err);
        if (code != ERR_NONE)
            return error_wrap(err, "[agent] name is not given");
        settings->name = must_copy(host);
    }
    if (wire_check_server_name(settings->name, err))
        return error_wrap(err, "[agent] name");
    return ERR_NONE;
}

/* Nobody speaks without TLS by oversight. */
static enum error_code check_plain(const struct settings *settings, struct error *err)
{
    if (!settings->coordinator)
        return ERR_NONE;
    bool plain = !wire_url_has_tls(settings->coordinator);
    if (plain && settings->without_tls != SETTINGS_LOOPBACK_ONLY)
        return error_set(
            err, ERR_INVALID,
            "[agent] coordinator = %s is without TLS: write tls+tcp://HOST:PORT, or, if "
            "the coordinator runs on this machine, without_tls = " WIRE_WITHOUT_TLS,
            settings->coordinator);
    if (!plain && settings->without_tls == SETTINGS_LOOPBACK_ONLY)
        return error_set(err, ERR_INVALID,
                         "[agent] without_tls = " WIRE_WITHOUT_TLS
                         " does not go with coordinator = %s",
                         settings->coordinator);
    return ERR_NONE;
}

/* Verbs that the owner listed are a word of the owner too: the least profile that has them all. */
static void find_profile(struct settings *settings)
{
    if (settings->profile != SETTINGS_NO_PROFILE)
        return;
    for (size_t i = 0; i < settings->verbs.count; i++) {
        int needed = (int)profile_needed(settings_verb(settings->verbs.items[i]));
        if (needed > settings->profile)
            settings->profile = needed;
    }
}

static enum error_code check(struct settings *settings, struct error *err)
{
    enum error_code code = find_name(settings, err);
    code = code != ERR_NONE ? code : check_plain(settings, err);
    if (code != ERR_NONE)
        return code;
    find_profile(settings);
    if (!settings->data_dir)
        settings->data_dir = must_copy(home_data());
    if (settings->data_dir[0] == '\0')
        return error_set(err, ERR_INVALID, "[agent] data_dir: expected a directory");
    settings->iis.state_dir = must_copy(settings->data_dir);
    if (settings->reconnect_min_ms > settings->reconnect_max_ms)
        return error_set(err, ERR_INVALID, "[agent] reconnect_min is above reconnect_max");
    iis_defaults(&settings->iis);
    return iis_settings_check(&settings->iis, err);
}

static enum error_code finish(enum error_code code, const char *name, struct settings *settings,
                              struct settings *out, void (*report)(void *, const char *), void *arg,
                              struct error *err)
{
    if (code == ERR_NONE) {
        code = check(settings, err);
        if (code != ERR_NONE) {
            error_wrap(err, "%s", name);
            if (report)
                report(arg, err->text);
        }
    }
    if (code == ERR_NONE)
        *out = *settings;
    else
        settings_reset(settings);
    return code;
}

enum error_code settings_read(const char *path, struct settings *out,
                              void (*report)(void *arg, const char *line), void *arg,
                              struct error *err)
{
    struct error own = {0};
    struct settings settings;
    init(&settings);
    if (!err)
        err = &own;
    enum error_code code = config_read(path, &settings_schema, &settings, report, arg, err);
    return finish(code, path, &settings, out, report, arg, err);
}

enum error_code settings_parse(const char *content, const char *name, struct settings *out,
                               void (*report)(void *arg, const char *line), void *arg,
                               struct error *err)
{
    struct error own = {0};
    struct settings settings;
    init(&settings);
    if (!err)
        err = &own;
    enum error_code code =
        config_parse(content, name, &settings_schema, &settings, report, arg, err);
    return finish(code, name, &settings, out, report, arg, err);
}

enum error_code settings_apply(struct settings *settings, const struct identity *identity,
                               struct error *err)
{
    bool tls = !settings->coordinator || wire_url_has_tls(settings->coordinator);
    if (tls && !identity)
        return error_set(
            err, ERR_STATE,
            "this server has joined no farm: `farmhand token create` on the coordinator "
            "prints the line that lets it, farmhand-agent join URL TOKEN");
    if (tls && settings->named && !text_equal_nocase(settings->name, identity->name))
        return error_set(
            err, ERR_INVALID,
            "[agent] name = %s, and the certificate of this server is for %s: write that "
            "name, or join again",
            settings->name, identity->name);
    if (tls && !settings->named) {
        free(settings->name);
        settings->name = must_copy(identity->name);
    }
    if (!settings->coordinator)
        settings->coordinator = must_copy(identity->coordinator);
    if (settings->profile == SETTINGS_NO_PROFILE)
        settings->profile = tls ? (int)identity->profile : PROFILE_OBSERVE;
    return ERR_NONE;
}

static void free_list(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){0};
}

void settings_reset(struct settings *settings)
{
    free(settings->name);
    free(settings->coordinator);
    free(settings->data_dir);
    free(settings->keepalive);
    free_list(&settings->verbs);
    free_list(&settings->pools);
    iis_settings_reset(&settings->iis);
    *settings = (struct settings){0};
}

struct agent_settings settings_for_agent(const struct settings *settings)
{
    static const char *const all[] = {"*"};
    bool free_hand = settings->verbs.count == 0 && settings->pools.count == 0; /* no [allow] */
    struct agent_settings agent = {
        .name = settings->name,
        .heartbeat_ms = settings->heartbeat_ms,
        .beat_ms = settings->beat_ms,
        .look_every_ms = settings->look_every_ms,
        .veto =
            {
                .profile =
                    settings->profile < 0 ? PROFILE_OBSERVE : (enum profile)settings->profile,
                .pools = free_hand ? all : (const char *const *)settings->pools.items,
                .pool_count = free_hand ? 1 : settings->pools.count,
                .cool_down_ms = settings->cool_down_ms,
                .max_per_hour = settings->max_per_hour,
            },
    };
    for (size_t i = 0; i < settings->verbs.count; i++)
        agent.veto.verbs[settings_verb(settings->verbs.items[i])] = true;
    for (size_t i = 0; settings_verb_at(i) != VERB_NONE && settings->verbs.count == 0; i++)
        agent.veto.verbs[settings_verb_at(i)] = true; /* the profile alone says what is allowed */
    agent.keepalive = settings->keepalive != NULL;
    recipe_limits_init(&agent.recipe);
    agent.recipe.stop_ms = settings->iis.stop_timeout_ms;
    agent.recipe.service_stop_ms = settings->service_stop_ms;
    agent.recipe.dependent_ms = settings->dependent_ms;
    agent.recipe.service_start_ms = settings->service_start_ms;
    agent.recipe.site_ms = settings->site_ms;
    agent.recipe.silent_ms = settings->silent_ms;
    for (const struct iis_probe *p = settings->iis.probes; p; p = p->next)
        if (p->warm_up.count > 0 && p->warm_up_limit_ms > agent.recipe.probe_retry_ms)
            agent.recipe.probe_retry_ms = p->warm_up_limit_ms;
    return agent;
}

struct dumps_spec settings_for_dumps(const struct settings *settings)
{
    return (struct dumps_spec){.data_dir = settings->data_dir,
                               .allowed = settings->dumps,
                               .kept = settings->dumps_kept,
                               .limits = {.timeout_ms = settings->dump_wait_ms,
                                          .max_bytes = settings->dump_max_bytes,
                                          .keep_free_bytes = settings->dump_free_bytes}};
}
