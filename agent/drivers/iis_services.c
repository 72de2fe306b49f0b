/* iis_services.c - see iis_driver.h: services, their host process, and the end of a worker. */
#include "agent/drivers/dump.h"
#include "agent/drivers/iis_driver.h"
#include "agent/drivers/view.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <string.h>

#define ACT_TIMEOUT_MS   30000 /* StartService waits that long for a service to answer */
#define QUERY_TIMEOUT_MS 10000
#define WAIT_TIMEOUT_MS  120000 /* draining alone may take 90 s */

static enum error_code check_name(const char *name, struct error *err)
{
    char clean[WIRE_NAME_MAX];
    size_t len = strlen(name);
    /* Signs that no service's name may have; a leading one could be taken for a switch. Source:
     * CreateServiceW, "lpServiceName". */
    if (len > 0 && len < WIRE_NAME_MAX && wire_text_is_clean(name) && !strpbrk(name, "/\\") &&
        name[0] != '-')
        return ERR_NONE;
    return error_set(err, ERR_NOT_FOUND, "no service can have the name \"%s\"",
                     wire_clean_text(clean, sizeof(clean), name));
}

static void view_add_services(struct view *view, const struct scm_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct scm_row *row = &rows->items[i];
        view_add_service(view, &(struct service){row->name, row->state, row->start, row->pid});
    }
    for (size_t i = 0; i < rows->need_count; i++)
        view_add_need(view, rows->needs[i].service, rows->needs[i].needs);
}

static uint64_t or_own(uint64_t timeout_ms, uint64_t own_ms)
{
    return timeout_ms ? timeout_ms : own_ms;
}

enum error_code iis_services(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                             struct error *err)
{
    struct scm *scm = iis_of(d)->scm;
    struct scm_rows rows = {0};
    struct view view;
    enum error_code code = scm->ops->query(scm, or_own(timeout_ms, QUERY_TIMEOUT_MS), &rows, err);
    if (code)
        return code;
    if (!rows.known)
        return error_set(err, ERR_UNAVAILABLE,
                         "there is no service manager: [iis] service_backend is none");
    view_init(&view);
    *out = (struct driver_view){.services_known = true, .config_identity = ""};
    view_add_services(&view, &rows);
    out->barred = hold_copy(view.hold, rows.barred);
    view_finish(&view, out);
    scm_rows_reset(&rows);
    return ERR_NONE;
}

enum error_code iis_verdict(struct driver *d, const char *pool, uint64_t timeout_ms,
                            struct driver_verdict *out, struct error *err)
{
    struct iis *iis = iis_of(d);
    iis_ask_events(iis, or_own(timeout_ms, QUERY_TIMEOUT_MS));
    if (!iis->events_known)
        return error_set(err, ERR_UNAVAILABLE, "the events of WAS cannot be read here");
    *out = event_ring_verdict(&iis->events, pool);
    return ERR_NONE;
}

enum error_code iis_service_start(struct driver *d, const char *name, uint64_t timeout_ms,
                                  struct error *err)
{
    struct scm *scm = iis_of(d)->scm;
    enum error_code code = check_name(name, err);
    return code ? code : scm->ops->start(scm, name, or_own(timeout_ms, ACT_TIMEOUT_MS), err);
}

enum error_code iis_service_stop(struct driver *d, const char *name, uint64_t timeout_ms,
                                 struct error *err)
{
    struct scm *scm = iis_of(d)->scm;
    enum error_code code = check_name(name, err);
    return code ? code : scm->ops->stop(scm, name, or_own(timeout_ms, ACT_TIMEOUT_MS), err);
}

enum error_code iis_service_wait(struct driver *d, const char *name, enum service_state state,
                                 uint64_t timeout_ms, struct error *err)
{
    enum error_code code = check_name(name, err);
    uint64_t limit_ms = or_own(timeout_ms, WAIT_TIMEOUT_MS);
    return code ? code : scm_wait(iis_of(d)->scm, name, state, limit_ms, err);
}

enum error_code iis_service_host(struct driver *d, const char *name, uint64_t timeout_ms,
                                 struct driver_host *out, struct error *err)
{
    enum error_code code = check_name(name, err);
    uint64_t limit_ms = or_own(timeout_ms, ACT_TIMEOUT_MS);
    return code ? code : scm_host(iis_of(d)->scm, name, limit_ms, out, err);
}

enum error_code iis_service_kill_host(struct driver *d, const char *name, uint32_t pid,
                                      uint64_t created, uint64_t timeout_ms, struct error *err)
{
    enum error_code code = check_name(name, err);
    uint64_t limit_ms = or_own(timeout_ms, ACT_TIMEOUT_MS);
    return code ? code : scm_kill_host(iis_of(d)->scm, name, pid, created, limit_ms, err);
}

enum error_code iis_service_set_start(struct driver *d, const char *name, enum service_start start,
                                      uint64_t timeout_ms, struct error *err)
{
    struct scm *scm = iis_of(d)->scm;
    must(start != SVC_START_UNKNOWN);
    enum error_code code = check_name(name, err);
    uint64_t limit_ms = or_own(timeout_ms, ACT_TIMEOUT_MS);
    return code ? code : scm->ops->set_start(scm, name, start, limit_ms, err);
}

/* ---- workers ---- */

struct wanted {
    const char *pool;
    uint32_t pid;
    uint64_t created;
};

static int is_wanted(const struct os_process *process, void *arg)
{
    const struct wanted *wanted = arg;
    if (process->pid != wanted->pid || process->created != wanted->created)
        return 0;
    const char *pool = iis_pool_of(process->argv);
    return pool && (wanted->pool[0] == '\0' || text_equal_nocase(pool, wanted->pool));
}

static enum error_code check_worker(struct driver *d, const char *pool, uint32_t pid,
                                    uint64_t created, struct error *err)
{
    struct wanted wanted = {pool, pid, created};
    int found = 0;
    enum error_code code =
        os_processes(iis_of(d)->settings->worker, is_wanted, &wanted, &found, err);
    if (!code && !found)
        return error_set(err, ERR_NOT_FOUND, "process %" PRIu32 " is no worker%s%s any more", pid,
                         pool[0] ? " of pool " : "", pool);
    return code;
}

enum error_code iis_worker_kill(struct driver *d, const char *pool, uint32_t pid, uint64_t created,
                                struct error *err)
{
    enum error_code code = check_worker(d, pool, pid, created, err);
    if (code)
        return code;
    code = os_process_kill(pid, created, err);
    return code ? error_wrap(err, "worker %" PRIu32, pid) : ERR_NONE;
}

enum error_code iis_worker_dump(struct driver *d, const char *pool, uint32_t pid, uint64_t created,
                                const char *path, const struct driver_dump_limits *limits,
                                uint64_t *out_bytes, struct error *err)
{
    enum error_code code = check_worker(d, pool, pid, created, err);
    if (code)
        return code;
    code = dump_process(pid, created, path, limits, out_bytes, err);
    return code ? error_wrap(err, "worker %" PRIu32, pid) : ERR_NONE;
}
