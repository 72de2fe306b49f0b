/* iis.c - see iis.h: acts, requests, probes and the life of the driver. Reading is in iis_look.c.
 */
#include "agent/drivers/iis_driver.h"
#include "agent/drivers/iis_lock.h"
#include "agent/drivers/iis_probe.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define PROBE_TIMEOUT_MS 5000 /* of a pool without a section of its own */

uint64_t iis_deadline(uint64_t timeout_ms, uint64_t own_ms)
{
    return clock_boot_ms() + (timeout_ms ? timeout_ms : own_ms);
}

uint64_t iis_time_left(uint64_t deadline_ms)
{
    uint64_t now = clock_boot_ms();
    return deadline_ms > now ? deadline_ms - now : 0;
}

enum error_code iis_no_pool(const char *pool, struct error *err)
{
    char clean[WIRE_NAME_MAX];
    return error_set(err, ERR_NOT_FOUND, "there is no pool %s on this server",
                     wire_clean_text(clean, sizeof(clean), pool));
}

/* ---- acts ---- */

/* A set writes the configuration: one at a time on this machine. */
static enum error_code run_act(const struct iis_appcmd *appcmd, enum iis_verb verb,
                               const char *const *args, uint64_t deadline_ms, struct error *err)
{
    struct iis_lock lock;
    if (verb != IIS_SET)
        return iis_appcmd_run(appcmd, verb, args, deadline_ms, NULL, err);
    enum error_code code = iis_lock_take(&lock, iis_time_left(deadline_ms), err);
    if (code)
        return code;
    code = iis_appcmd_run(appcmd, verb, args, deadline_ms, NULL, err);
    iis_lock_give(&lock);
    return code;
}

static enum error_code act(struct driver *d, enum iis_verb verb, const char *pool,
                           const char *setting, uint64_t timeout_ms, struct error *err)
{
    struct iis *iis = iis_of(d);
    struct iis_appcmd appcmd = iis_appcmd_of(iis);
    uint64_t own_ms =
        verb == IIS_STOP ? iis->settings->stop_timeout_ms : iis->settings->appcmd_timeout_ms;
    char *argument = iis_appcmd_pool_argument(pool, NULL);
    if (!argument)
        return iis_no_pool(pool, err);
    const char *const args[] = {iis_verb_name(verb), "apppool", argument, setting, NULL};
    struct error here;
    enum error_code code = run_act(&appcmd, verb, args, iis_deadline(timeout_ms, own_ms), &here);
    free(argument);
    return code ? error_set(err, code, "pool %s: %s", pool, here.text) : ERR_NONE;
}

static enum error_code iis_pool_recycle(struct driver *d, const char *pool, uint64_t timeout_ms,
                                        struct error *err)
{
    return act(d, IIS_RECYCLE, pool, NULL, timeout_ms, err);
}

static enum error_code iis_pool_start(struct driver *d, const char *pool, uint64_t timeout_ms,
                                      struct error *err)
{
    return act(d, IIS_START, pool, NULL, timeout_ms, err);
}

static enum error_code iis_pool_stop(struct driver *d, const char *pool, uint64_t timeout_ms,
                                     struct error *err)
{
    return act(d, IIS_STOP, pool, NULL, timeout_ms, err);
}

static enum error_code iis_pool_set_autostart(struct driver *d, const char *pool, bool on,
                                              uint64_t timeout_ms, struct error *err)
{
    return act(d, IIS_SET, pool, on ? "/autoStart:true" : "/autoStart:false", timeout_ms, err);
}

/* ---- requests and probes ---- */

/* Without the Request Monitor feature the list may come back empty, with the very code that stands
 * for "none". So an empty list counts only after a request was seen in one: installing or removing
 * a feature changes the configuration, and then the proof starts anew. */
static enum error_code trust_count(struct iis *iis, uint32_t count, struct error *err)
{
    struct iis_config_stamp config = iis_config_stamp(iis->settings->config);
    if (count > 0) {
        iis->monitor_seen = true;
        iis->monitor_config = config;
        return ERR_NONE;
    }
    if (iis->monitor_seen && iis_config_stamp_equal(&config, &iis->monitor_config))
        return ERR_NONE;
    return error_set(
        err, ERR_UNAVAILABLE,
        "no request was ever listed here, so an empty list proves nothing: the Request "
        "Monitor feature may be missing");
}

#define OLDEST_TOLD 5

struct oldest {
    struct driver_requests *out;
    uint64_t elapsed_ms[OLDEST_TOLD];
    char said[OLDEST_TOLD][WIRE_TEXT_MAX / OLDEST_TOLD - 2];
    size_t count;
};

/* Kept in order, the oldest first. */
static void take_request(const struct iis_request *request, void *arg)
{
    struct oldest *o = arg;
    char span[TEXT_DURATION_MAX];
    size_t at = o->count;
    while (at > 0 && o->elapsed_ms[at - 1] < request->elapsed_ms)
        at--;
    o->out->oldest_ms =
        request->elapsed_ms > o->out->oldest_ms ? request->elapsed_ms : o->out->oldest_ms;
    if (at == OLDEST_TOLD)
        return;
    size_t moved = o->count < OLDEST_TOLD ? o->count - at : OLDEST_TOLD - 1 - at;
    memmove(o->elapsed_ms + at + 1, o->elapsed_ms + at, moved * sizeof(o->elapsed_ms[0]));
    memmove(o->said + at + 1, o->said + at, moved * sizeof(o->said[0]));
    o->elapsed_ms[at] = request->elapsed_ms;
    text_format(o->said[at], sizeof(o->said[at]), "%s %.110s (client %.40s, %.30s)",
                text_format_duration(span, request->elapsed_ms), request->url, request->client,
                request->stage);
    o->count += o->count < OLDEST_TOLD;
}

static enum error_code iis_executing(struct driver *d, const char *pool, uint64_t timeout_ms,
                                     struct driver_requests *out, struct error *err)
{
    struct iis *iis = iis_of(d);
    struct iis_appcmd appcmd = iis_appcmd_of(iis);
    char *argument = iis_appcmd_pool_argument(pool, NULL);
    struct iis_answer answer = {0};
    if (!argument)
        return iis_no_pool(pool, err);
    const char *const args[] = {"list", "request", argument, NULL};
    enum error_code code =
        iis_appcmd_run(&appcmd, IIS_LIST_REQUESTS, args,
                       iis_deadline(timeout_ms, iis->settings->appcmd_timeout_ms), &answer, err);
    free(argument);
    if (code)
        return code;
    uint32_t count = 0;
    struct driver_requests told = {0};
    struct oldest oldest = {.out = &told};
    code = iis_parse_requests(answer.utf8, answer.len, take_request, &oldest, &count, err);
    if (code)
        error_wrap(err, "appcmd list request");
    else
        code = trust_count(iis, count, err);
    for (size_t i = 0; i < oldest.count && !code; i++) {
        size_t len = strlen(told.text);
        text_format(told.text + len, sizeof(told.text) - len, "%s%s", i ? "; " : "",
                    oldest.said[i]);
    }
    told.count = count;
    if (!code)
        *out = told;
    iis_answer_reset(&answer);
    return code;
}

static enum error_code iis_requests(struct driver *d, const char *pool, uint64_t timeout_ms,
                                    uint32_t *out_count, struct error *err)
{
    struct driver_requests told;
    enum error_code code = iis_executing(d, pool, timeout_ms, &told, err);
    if (!code)
        *out_count = told.count;
    return code;
}

static enum error_code iis_probe(struct driver *d, const char *pool, uint64_t timeout_ms,
                                 struct driver_probe *out, struct error *err)
{
    struct iis *iis = iis_of(d);
    const struct iis_probe *probe = iis_probe_find(iis->settings, pool);
    uint64_t own_ms = probe ? probe->timeout_ms : PROBE_TIMEOUT_MS;
    uint64_t all_ms = own_ms * (1 + (probe ? probe->warm_up.count : 0));
    uint64_t deadline_ms = iis_deadline(timeout_ms, all_ms + iis->settings->appcmd_timeout_ms);
    struct iis_target target;
    enum error_code code = ERR_NONE;
    if (iis_probe_needs_sites(probe))
        code = iis_refresh_sites(iis, deadline_ms, err);
    if (!code)
        code = iis_probe_target(iis->settings, pool, iis->sites.sites, iis->sites.site_count,
                                &target, err);
    if (code)
        return code;
    uint64_t left = iis_time_left(deadline_ms);
    if (left == 0)
        return error_set(err, ERR_TIMEOUT, "no time left to probe pool %s", pool);
    return iis_probe_run(&target, left < own_ms ? left : own_ms, out, err);
}

/* ---- life ---- */

static void iis_close(struct driver *d)
{
    if (!d)
        return;
    struct iis *iis = iis_of(d);
    if (iis->scm)
        iis->scm->ops->close(iis->scm);
    driver_view_reset(&iis->sites);
    scm_counters_reset(&iis->figures);
    free(iis);
}

static const struct driver_ops iis_ops = {
    .name = "iis",
    .workers = iis_workers,
    .changed = iis_changed,
    .look = iis_look,
    .look_pool = iis_look_pool,
    .pool_recycle = iis_pool_recycle,
    .pool_start = iis_pool_start,
    .pool_stop = iis_pool_stop,
    .pool_set_autostart = iis_pool_set_autostart,
    .pool_settings = iis_pool_settings,
    .pool_configure = iis_pool_configure,
    .requests = iis_requests,
    .executing = iis_executing,
    .offline = iis_offline,
    .probe = iis_probe,
    .services = iis_services,
    .service_start = iis_service_start,
    .service_stop = iis_service_stop,
    .service_wait = iis_service_wait,
    .service_host = iis_service_host,
    .service_kill_host = iis_service_kill_host,
    .service_set_start = iis_service_set_start,
    .worker_kill = iis_worker_kill,
    .worker_dump = iis_worker_dump,
    .facts = iis_facts,
    .verdict = iis_verdict,
    .close = iis_close,
};

enum error_code iis_open(const struct iis_settings *settings, struct driver **out,
                         struct error *err)
{
    enum error_code code = iis_settings_check(settings, err);
    if (code)
        return code;
    const struct scm_ops *scm_ops = scm_ops_get(settings->service_backend);
    struct scm *scm;
    code = scm_ops->open(settings->service_tool, settings->state_dir, &scm, err);
    if (code)
        return code;
    struct iis *iis = must_alloc(1, sizeof(*iis));
    iis->base.ops = &iis_ops;
    iis->settings = settings;
    iis->scm = scm;
    *out = &iis->base;
    return ERR_NONE;
}
