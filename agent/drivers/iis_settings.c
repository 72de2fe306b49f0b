/* iis_settings.c - see iis.h: the settings' life and their check. */
#include "agent/drivers/iis.h"
#include "agent/drivers/iis_defaults.h"

#include "agent/drivers/iis_decode.h"
#include "agent/drivers/iis_probe.h"
#include "agent/drivers/scm.h"
#include "common/must.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define URL_MAX 900 /* bytes; leaves room for the parameter that no cache has seen */

void iis_settings_init(struct iis_settings *settings)
{
    *settings = (struct iis_settings){
        .service_backend = iis_default_back_end(),
        .appcmd_timeout_ms = 30 * 1000,
        .stop_timeout_ms = 120 * 1000,
        .services_every_ms = 2 * 1000,
        .look_again_ms = 30 * 1000,
        .look_workers_ms = 5 * 1000,
    };
}

struct iis_probe *iis_settings_add_probe(struct iis_settings *settings, const char *pool,
                                         struct error *err)
{
    struct iis_probe **at = &settings->probes;
    for (; *at; at = &(*at)->next)
        if (text_equal_nocase((*at)->pool, pool)) {
            error_set(err, ERR_EXISTS, "there is a section [probe %s] already", pool);
            return NULL;
        }
    struct iis_probe *probe = must_alloc(1, sizeof(*probe));
    probe->pool = must_copy(pool);
    probe->timeout_ms = 5 * 1000;
    probe->warm_up_limit_ms = 60 * 1000;
    *at = probe;
    return probe;
}

static void free_list(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static void free_probe(struct iis_probe *probe)
{
    free(probe->pool);
    free(probe->url);
    free(probe->connect_to);
    free_list(&probe->status);
    free_list(&probe->warm_up);
    free(probe);
}

void iis_settings_reset(struct iis_settings *settings)
{
    free(settings->appcmd);
    free(settings->worker);
    free(settings->service_tool);
    free(settings->state_dir);
    free(settings->config);
    free(settings->code_page);
    for (struct iis_probe *probe = settings->probes, *next; probe; probe = next) {
        next = probe->next;
        free_probe(probe);
    }
    iis_settings_init(settings);
}

/* ---- check ---- */

static bool is_absolute(const char *path)
{
    bool drive = path[0] != '\0' && path[1] == ':' && (path[2] == '\\' || path[2] == '/');
    return path[0] == '/' || text_starts(path, "\\\\") || drive;
}

enum error_code iis_settings_check_path(const char *path, struct error *err)
{
    if (!is_absolute(path))
        return error_set(err, ERR_INVALID, "%s: expected an absolute path", path);
    return ERR_NONE;
}

enum error_code iis_settings_check_url(const char *url, struct error *err)
{
    char address[300];
    if (strlen(url) > URL_MAX || strchr(url, '#') || strchr(url, ' ') || text_has_control(url) ||
        !iis_probe_url_address(url, address, sizeof(address)))
        return error_set(err, ERR_INVALID,
                         "%s: expected http://host[:port]/path or https://..., "
                         "without #, blanks and names of users",
                         url);
    return ERR_NONE;
}

enum error_code iis_settings_check_warm_up(const char *address, struct error *err)
{
    if (address[0] == '/' && strlen(address) <= URL_MAX && !strpbrk(address, "# ") &&
        !text_has_control(address))
        return ERR_NONE;
    if (iis_settings_check_url(address, NULL) == ERR_NONE)
        return ERR_NONE;
    return error_set(err, ERR_INVALID,
                     "%s: expected a path such as /cart, or a whole URL, without # and blanks",
                     address);
}

enum error_code iis_settings_check_address(const char *address, struct error *err)
{
    char host[300];
    uint16_t port;
    if (strlen(address) >= 300 || !iis_probe_parse_address(address, host, sizeof(host), &port))
        return error_set(err, ERR_INVALID, "%s: expected host:port such as 127.0.0.1:8080",
                         address);
    return ERR_NONE;
}

enum error_code iis_settings_check_status(const char *status, struct error *err)
{
    int first, last;
    if (!iis_probe_parse_status(status, &first, &last))
        return error_set(err, ERR_INVALID,
                         "%s is neither a status such as 401 nor a range such as 200-299", status);
    return ERR_NONE;
}

static enum error_code check_path(const char *key, const char *path, struct error *err)
{
    if (!path)
        return error_set(err, ERR_INVALID, "[iis] %s is missing: expected a path", key);
    enum error_code code = iis_settings_check_path(path, err);
    if (code)
        error_wrap(err, "[iis] %s", key);
    return code;
}

static enum error_code check_values(const struct iis_probe *probe, struct error *err)
{
    const char *key = "url";
    enum error_code code = probe->url ? iis_settings_check_url(probe->url, err) : ERR_NONE;
    if (!code && probe->connect_to) {
        key = "connect_to";
        code = iis_settings_check_address(probe->connect_to, err);
    }
    for (size_t i = 0; !code && i < probe->warm_up.count; i++) {
        key = "warm_up";
        code = iis_settings_check_warm_up(probe->warm_up.items[i], err);
    }
    for (size_t i = 0; !code && i < probe->status.count; i++) {
        key = "status";
        code = iis_settings_check_status(probe->status.items[i], err);
    }
    if (code)
        error_wrap(err, "[probe %s] %s", probe->pool, key);
    return code;
}

static enum error_code check_probe(const struct iis_probe *probe, struct error *err)
{
    enum error_code code = check_values(probe, err);
    if (!code && probe->timeout_ms == 0)
        code = error_set(err, ERR_INVALID, "[probe %s] timeout = 0: expected a duration above 0",
                         probe->pool);
    if (!code && probe->tcp_only && probe->warm_up.count > 0)
        code = error_set(err, ERR_INVALID,
                         "[probe %s] a tcp_only probe warms nothing up: leave out warm_up or tcp_only",
                         probe->pool);
    if (!code && probe->tcp_only && probe->status.count > 0)
        code = error_set(err, ERR_INVALID,
                         "[probe %s] a tcp_only probe sees no status: leave out status or tcp_only",
                         probe->pool);
    return code;
}

static enum error_code check_times(const struct iis_settings *s, struct error *err)
{
    if (s->appcmd_timeout_ms == 0 || s->stop_timeout_ms == 0 || s->services_every_ms == 0)
        return error_set(
            err, ERR_INVALID,
            "[iis] appcmd_timeout, stop_timeout and services_every: expected durations "
            "above 0");
    return ERR_NONE;
}

static enum error_code check_back_end(const struct iis_settings *s, struct error *err)
{
    const struct scm_ops *ops = scm_ops_get(s->service_backend);
    if (!ops)
        return error_set(err, ERR_INVALID, "[iis] service_backend: there is no such back end");
    return ops->starts_tool ? check_path("service_tool", s->service_tool, err) : ERR_NONE;
}

enum error_code iis_settings_check(const struct iis_settings *settings, struct error *err)
{
    enum error_code code = check_path("appcmd", settings->appcmd, err);
    if (!code)
        code = check_path("worker", settings->worker, err);
    if (!code)
        code = check_path("config", settings->config, err);
    if (!code)
        code = check_back_end(settings, err);
    if (!code)
        code = check_times(settings, err);
    if (!code && settings->code_page && !iis_code_page_known(settings->code_page))
        code = error_set(err, ERR_INVALID,
                         "[iis] code_page = %s: expected a name that iconv knows, such as CP850",
                         settings->code_page);
    for (const struct iis_probe *p = settings->probes; p && !code; p = p->next)
        code = check_probe(p, err);
    return code;
}
