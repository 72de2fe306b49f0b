/* iis_look.c - see iis_driver.h: reads pools, sites, services and workers.
 *
 * What costs a tool (appcmd, 130 to 280 ms each) is asked for in `look`; between two looks the
 * files of the configuration, the services and the list of workers tell whether another one is due.
 */
#include "agent/drivers/iis_driver.h"
#include "agent/drivers/view.h"
#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>

#define SERVICES_TIMEOUT_MS 5000 /* a service manager answers at once or is stuck */
#define QUICK_TIMEOUT_MS    2000 /* the same, on a beat */

/* ---- workers ---- */

struct worker_walk {
    struct view *out;
    const char *pool; /* NULL: of every pool */
    uint64_t stamp;   /* of who is there; the same in any order */
};

/* The word after -ap on the command line. Source: w3wp's own command line, IIS.md section 8. */
const char *iis_pool_of(const char *const *argv)
{
    for (size_t i = 1; argv[0] && argv[i]; i++)
        if (text_equal(argv[i], "-ap"))
            return argv[i + 1];
    return NULL;
}

static uint64_t identity_of(const struct os_process *process)
{
    uint64_t mixed = process->created * 0x9E3779B97F4A7C15u + process->pid;
    mixed ^= mixed >> 29;
    return mixed * 0xBF58476D1CE4E5B9u;
}

static int on_process(const struct os_process *process, void *arg)
{
    struct worker_walk *w = arg;
    const char *pool = iis_pool_of(process->argv);
    if (!pool)
        return 0;
    w->stamp += identity_of(process);
    if (w->pool && !text_equal_nocase(w->pool, pool))
        return 0;
    struct worker row = {
        .pool = pool,
        .pid = process->pid,
        .created = process->created,
        .cpu_ms = process->cpu_ms,
        .memory_bytes = process->memory_bytes,
        .private_bytes = process->private_bytes,
        .age_ms = process->age_ms,
    };
    if (w->out)
        view_add_worker(w->out, &row);
    return 0;
}

static enum error_code read_workers(const struct iis *iis, const char *pool, struct view *out,
                                    uint64_t *stamp, struct error *err)
{
    struct worker_walk w = {.out = out, .pool = pool};
    int stopped;
    enum error_code code = os_processes(iis->settings->worker, on_process, &w, &stopped, err);
    if (!code && stamp)
        *stamp = w.stamp;
    return code;
}

enum error_code iis_workers(struct driver *d, struct driver_view *out, struct error *err)
{
    struct view view;
    view_init(&view);
    enum error_code code = read_workers(iis_of(d), NULL, &view, NULL, err);
    if (code) {
        view_reset(&view);
        return code;
    }
    *out = (struct driver_view){.workers_known = true, .config_identity = ""};
    iis_read_signs_if_due(iis_of(d));
    iis_tell_signs(iis_of(d), &view, out);
    view_finish(&view, out);
    return ERR_NONE;
}

/* ---- parts of a look ---- */

/* What a look gathers, part by part. A part that fails is told in `view.trouble`. */
struct look {
    struct iis *iis;
    uint64_t deadline_ms;
    struct view view;
    struct driver_view out; /* the flags and the identity */
    bool appcmd_out;        /* it hangs or cannot be started: do not ask it again */
    uint64_t services_stamp, workers_stamp;
    size_t failures;
    struct error first; /* failure */
};

static void failed(struct look *look, const char *part, const struct error *why)
{
    if (look->failures++ == 0)
        look->first = *why;
    view_trouble(&look->view, part, why->text);
}

static bool is_lasting(enum error_code code)
{
    return code == ERR_TIMEOUT || code == ERR_UNAVAILABLE || code == ERR_DENIED;
}

/* The answer to a list, or an error, be it told by exit code or inside the XML by `parse`. */
static enum error_code list(struct look *look, const char *const *args, struct iis_answer *answer,
                            struct error *err)
{
    if (look->appcmd_out)
        return error_set(err, ERR_UNAVAILABLE, "not asked, since appcmd failed before");
    struct iis_appcmd appcmd = iis_appcmd_of(look->iis);
    enum error_code code = iis_appcmd_run(&appcmd, IIS_LIST, args, look->deadline_ms, answer, err);
    look->appcmd_out = is_lasting(code);
    return code;
}

static enum error_code told_failure(struct look *look, const struct iis_failure *failure,
                                    uint32_t exit_code, struct error *err)
{
    struct iis_appcmd appcmd = iis_appcmd_of(look->iis);
    return iis_appcmd_failure(&appcmd, failure, exit_code, err);
}

static enum error_code look_at_pools(struct look *look, const char *name_argument,
                                     struct error *err)
{
    const char *all[] = {"list", "apppool", "/xml", "/config:*", NULL};
    const char *one[] = {"list", "apppool", name_argument, "/xml", "/config:*", NULL};
    struct iis_answer answer = {0};
    struct iis_failure failure;
    enum error_code code = list(look, name_argument ? one : all, &answer, err);
    if (code)
        return code;
    code = iis_parse_pools(answer.utf8, answer.len, &look->view, &failure, err);
    if (code)
        error_wrap(err, "appcmd list apppool");
    else
        code = told_failure(look, &failure, answer.exit_code, err);
    iis_answer_reset(&answer);
    return code;
}

static enum error_code look_at_roots(struct look *look, struct iis_roots *roots, struct error *err)
{
    const char *const args[] = {"list", "app", "/xml", NULL};
    struct iis_answer answer = {0};
    struct iis_failure failure;
    enum error_code code = list(look, args, &answer, err);
    if (code)
        return code;
    code = iis_parse_roots(answer.utf8, answer.len, roots, &failure, err);
    if (code)
        error_wrap(err, "appcmd list app");
    else
        code = told_failure(look, &failure, answer.exit_code, err);
    iis_answer_reset(&answer);
    return code;
}

static enum error_code look_at_sites(struct look *look, struct error *err)
{
    const char *const args[] = {"list", "site", "/xml", NULL};
    struct iis_roots roots = {0};
    struct iis_answer answer = {0};
    struct iis_failure failure;
    enum error_code code = look_at_roots(look, &roots, err);
    if (!code)
        code = list(look, args, &answer, err);
    if (code)
        goto out;
    code = iis_parse_sites(answer.utf8, answer.len, &roots, &look->view, &failure, err);
    if (code)
        error_wrap(err, "appcmd list site");
    else
        code = told_failure(look, &failure, answer.exit_code, err);
out:
    iis_answer_reset(&answer);
    iis_roots_reset(&roots);
    return code;
}

static enum error_code query_services(struct iis *iis, uint64_t deadline_ms, uint64_t most_ms,
                                      struct scm_rows *out, struct error *err)
{
    uint64_t left = iis_time_left(deadline_ms);
    iis->services_asked_ms = clock_boot_ms();
    return iis->scm->ops->query(iis->scm, left < most_ms ? left : most_ms, out, err);
}

static void look_at_services(struct look *look)
{
    struct scm_rows rows;
    struct error err;
    if (query_services(look->iis, look->deadline_ms, SERVICES_TIMEOUT_MS, &rows, &err)) {
        failed(look, "services", &err);
        return;
    }
    look->out.services_known = rows.known;
    look->services_stamp = scm_rows_stamp(&rows);
    for (size_t i = 0; i < rows.count; i++) {
        const struct scm_row *row = &rows.items[i];
        struct service service = {row->name, row->state, row->start, row->pid};
        view_add_service(&look->view, &service);
    }
    for (size_t i = 0; i < rows.need_count; i++)
        view_add_need(&look->view, rows.needs[i].service, rows.needs[i].needs);
    scm_rows_reset(&rows);
}

static void look_at_signs(struct look *look)
{
    struct iis *iis = look->iis;
    iis_read_signs(iis, look->deadline_ms);
    for (size_t i = 0; i < look->view.pool_count; i++)
        look->view.pools[i].queued = scm_counters_queued(&iis->figures, look->view.pools[i].name);
    iis_tell_signs(iis, &look->view, &look->out);
}

static void look_at_workers(struct look *look, const char *pool)
{
    struct error err;
    if (read_workers(look->iis, pool, &look->view, &look->workers_stamp, &err))
        failed(look, "workers", &err);
    else
        look->out.workers_known = true;
}

static void look_at_config(struct look *look)
{
    struct iis_config config;
    struct error err;
    if (iis_config_read(look->iis->settings->config, &config, &err))
        failed(look, "configuration", &err);
    look->out.config_shared = config.shared;
    look->out.config_identity = hold_copy(look->view.hold, config.identity);
}

static void look_begin(struct look *look, struct iis *iis, uint64_t timeout_ms)
{
    *look = (struct look){.iis = iis};
    look->deadline_ms = iis_deadline(timeout_ms, iis->settings->appcmd_timeout_ms);
    view_init(&look->view);
    look_at_config(look);
}

/* ---- look ---- */

/* Probes need to know where sites listen, long after the view has gone to the agent. */
static void keep_sites(struct iis *iis, const struct look *look,
                       const struct iis_config_stamp *config)
{
    struct view copy;
    view_init(&copy);
    for (size_t i = 0; i < look->view.site_count; i++)
        view_add_site(&copy, &look->view.sites[i]);
    driver_view_reset(&iis->sites);
    iis->sites = (struct driver_view){.sites_known = true};
    view_finish(&copy, &iis->sites);
    iis->sites_config = *config;
}

static void remember(struct iis *iis, const struct look *look,
                     const struct iis_config_stamp *config)
{
    iis->looked = true;
    iis->troubled = look->failures > 0;
    iis->looked_ms = clock_boot_ms();
    iis->config = *config;
    iis->services_stamp = look->services_stamp;
    iis->workers_stamp = look->workers_stamp;
}

enum error_code iis_look(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                         struct error *err)
{
    struct iis *iis = iis_of(d);
    /* Taken before anything is asked: what changes meanwhile is asked for again. */
    struct iis_config_stamp config = iis_config_stamp(iis->settings->config);
    struct look look;
    struct error here;
    look_begin(&look, iis, timeout_ms);
    look_at_services(&look);
    if (look_at_pools(&look, NULL, &here))
        failed(&look, "pools", &here);
    else
        look.out.pools_known = true;
    if (look_at_sites(&look, &here))
        failed(&look, "sites", &here);
    else
        look.out.sites_known = true;
    look_at_signs(&look);
    look_at_workers(&look, NULL);
    if (look.out.sites_known)
        keep_sites(iis, &look, &config);
    remember(iis, &look, &config);
    if (!look.out.pools_known && !look.out.sites_known && !look.out.services_known &&
        !look.out.workers_known) {
        view_reset(&look.view);
        return error_set(err, look.first.code, "nothing could be read: %s", look.first.text);
    }
    *out = look.out;
    view_finish(&look.view, out);
    return ERR_NONE;
}

/* The row of that name alone, should more have come. */
static bool keep_pool(struct view *view, const char *pool)
{
    for (size_t i = 0; i < view->pool_count; i++) {
        if (!text_equal_nocase(view->pools[i].name, pool))
            continue;
        view->pools[0] = view->pools[i];
        view->pool_count = 1;
        return true;
    }
    return false;
}

enum error_code iis_look_pool(struct driver *d, const char *pool, uint64_t timeout_ms,
                              struct driver_view *out, struct error *err)
{
    char *argument = iis_appcmd_pool_argument(pool, NULL);
    struct look look;
    if (!argument)
        return iis_no_pool(pool, err);
    look_begin(&look, iis_of(d), timeout_ms);
    enum error_code code = look_at_pools(&look, argument, err);
    free(argument);
    if (code)
        goto out;
    if (!keep_pool(&look.view, pool)) {
        code = iis_no_pool(pool, err);
        goto out;
    }
    look.out.pools_known = true;
    look_at_services(&look);
    look_at_signs(&look);
    look_at_workers(&look, look.view.pools[0].name);
    if (!look.out.workers_known) {
        code = error_set(err, look.first.code, "%s", look.first.text);
        goto out;
    }
    *out = look.out;
    view_finish(&look.view, out);
out:
    view_reset(&look.view);
    return code;
}

/* ---- whether another look is due ---- */

static bool services_changed(struct iis *iis, uint64_t now)
{
    struct scm_rows rows;
    if (iis->scm->ops->starts_tool &&
        now < iis->services_asked_ms + iis->settings->services_every_ms)
        return false;
    /* No answer is no news: the last look said what it could, the next one will. */
    if (query_services(iis, now + QUICK_TIMEOUT_MS, QUICK_TIMEOUT_MS, &rows, NULL))
        return iis->services_stamp != 0;
    bool changed = scm_rows_stamp(&rows) != iis->services_stamp;
    scm_rows_reset(&rows);
    return changed;
}

/* A pool that somebody else stopped or started shows in its workers, not in any file. */
static bool workers_changed(const struct iis *iis, uint64_t now)
{
    uint64_t stamp;
    if (now < iis->looked_ms + iis->settings->look_workers_ms)
        return false;
    if (read_workers(iis, NULL, NULL, &stamp, NULL))
        return false;
    return stamp != iis->workers_stamp;
}

bool iis_changed(struct driver *d)
{
    struct iis *iis = iis_of(d);
    uint64_t now = clock_boot_ms();
    if (!iis->looked || (iis->troubled && now >= iis->looked_ms + iis->settings->look_again_ms))
        return true;
    struct iis_config_stamp config = iis_config_stamp(iis->settings->config);
    return !iis_config_stamp_equal(&config, &iis->config) || services_changed(iis, now) ||
           workers_changed(iis, now);
}

/* ---- sites for probes ---- */

enum error_code iis_refresh_sites(struct iis *iis, uint64_t deadline_ms, struct error *err)
{
    struct iis_config_stamp config = iis_config_stamp(iis->settings->config);
    if (iis->sites.sites_known && iis_config_stamp_equal(&config, &iis->sites_config))
        return ERR_NONE;
    uint64_t left = iis_time_left(deadline_ms);
    struct look look;
    if (left == 0)
        return error_set(err, ERR_TIMEOUT, "no time left to find where the pool's sites listen");
    look_begin(&look, iis, left);
    enum error_code code = look_at_sites(&look, err);
    if (!code)
        keep_sites(iis, &look, &config);
    view_reset(&look.view);
    return code;
}
