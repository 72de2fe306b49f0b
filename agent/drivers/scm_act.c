/* scm_act.c - see scm.h: what is done with a back end, the same for all of them. */
#include "agent/drivers/scm.h"
#include "agent/drivers/scm_facts.h"
#include "agent/drivers/scm_codes.h"
#include "agent/services.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOOK_MS 1000 /* a wait looks at least that often, whatever the back end tells */

static uint64_t time_left(uint64_t deadline_ms)
{
    uint64_t now = clock_boot_ms();
    return deadline_ms > now ? deadline_ms - now : 0;
}

static enum error_code read_one(struct scm *scm, const char *name, uint64_t timeout_ms,
                                struct scm_row *out, struct error *err)
{
    struct scm_rows rows;
    enum error_code code = scm->ops->lodgers(scm, name, 0, timeout_ms, &rows, err);
    if (code)
        return code;
    const struct scm_row *row = scm_rows_find(&rows, name);
    if (row)
        *out = *row;
    else
        code = scm_code_error(1060, SCM_QUERY, name, err);
    scm_rows_reset(&rows);
    return code;
}

/* ---- waiting ---- */

enum scm_waiting scm_judge_wait(const struct scm_row *row, enum service_state wanted, bool moved)
{
    if (row->state == wanted)
        return SCM_WAIT_OVER;
    if (wanted == SVC_RUNNING && row->state == SVC_STOPPED && (moved || row->exit_code != 0))
        return SCM_WAIT_ENDED;
    return SCM_WAIT_MORE;
}

static enum error_code ended_instead(const struct scm_row *row, struct error *err)
{
    const struct scm_code *means = scm_code_find(row->exit_code, SCM_START);
    return error_set(
        err, ERR_STATE, "service %s stopped instead of running, exit code %" PRIu32 "%s%s",
        row->name, row->exit_code, row->exit_code ? ": " : "", row->exit_code ? means->advice : "");
}

static enum error_code too_late(const struct scm_row *row, enum service_state wanted,
                                uint64_t timeout_ms, struct error *err)
{
    char within[TEXT_DURATION_MAX];
    return error_set(err, ERR_TIMEOUT,
                     "service %s is %s after %s, not %s (checkpoint %" PRIu32 ", pid %" PRIu32 ")",
                     row->name, service_state_name(row->state),
                     text_format_duration(within, timeout_ms), service_state_name(wanted),
                     row->checkpoint, row->pid);
}

enum error_code scm_wait(struct scm *scm, const char *name, enum service_state wanted,
                         uint64_t timeout_ms, struct error *err)
{
    uint64_t deadline_ms = clock_boot_ms() + timeout_ms;
    bool moved = false, looked = false;
    struct scm_row row = {0};
    must(wanted == SVC_RUNNING || wanted == SVC_STOPPED);
    for (;;) {
        uint64_t left = time_left(deadline_ms);
        if (left == 0 && looked)
            return too_late(&row, wanted, timeout_ms, err);
        enum error_code code = read_one(scm, name, left, &row, err);
        if (code == ERR_TIMEOUT && looked)
            return too_late(&row, wanted, timeout_ms, err);
        if (code)
            return code;
        looked = true;
        moved |= row.state != SVC_STOPPED;
        switch (scm_judge_wait(&row, wanted, moved)) {
        case SCM_WAIT_OVER:
            return ERR_NONE;
        case SCM_WAIT_ENDED:
            return ended_instead(&row, err);
        case SCM_WAIT_MORE:
            break;
        }
        left = time_left(deadline_ms);
        scm->ops->await_change(scm, name, row.state, left < LOOK_MS ? left : LOOK_MS);
    }
}

/* ---- the host process ---- */

static void add_lodger(struct driver_host *host, const struct scm_row *row, bool expendable)
{
    if (host->lodger_count == DRIVER_LODGERS_MAX) {
        host->more = true;
        return;
    }
    struct driver_lodger *lodger = &host->lodgers[host->lodger_count++];
    text_copy(lodger->service, sizeof(lodger->service), row->name);
    lodger->expendable = expendable;
    if (row->on_death[0])
        text_copy(lodger->on_death, sizeof(lodger->on_death), row->on_death);
    else
        scm_on_death(row->name, lodger->on_death, sizeof(lodger->on_death));
}

/* Who may die is judged by the dependencies as they stand now. */
static enum error_code judge_lodgers(struct scm *scm, const struct scm_rows *lodgers,
                                     uint64_t timeout_ms, struct driver_host *host,
                                     struct error *err)
{
    struct scm_rows ours;
    enum error_code code = scm->ops->query(scm, timeout_ms, &ours, err);
    if (code)
        return code;
    struct service_need *needs = must_alloc(ours.need_count + 1, sizeof(*needs));
    for (size_t i = 0; i < ours.need_count; i++)
        needs[i] = (struct service_need){ours.needs[i].service, ours.needs[i].needs};
    struct services_graph graph = {.needs = needs, .need_count = ours.need_count};
    for (size_t i = 0; i < lodgers->count; i++)
        if (lodgers->items[i].pid == host->pid)
            add_lodger(host, &lodgers->items[i],
                       services_is_expendable(&graph, lodgers->items[i].name));
    free(needs);
    scm_rows_reset(&ours);
    return ERR_NONE;
}

enum error_code scm_host(struct scm *scm, const char *name, uint64_t timeout_ms,
                         struct driver_host *out, struct error *err)
{
    uint64_t deadline_ms = clock_boot_ms() + timeout_ms;
    struct scm_row row = {0};
    struct driver_host host = {0};
    struct os_process process = {0};
    enum error_code code = read_one(scm, name, timeout_ms, &row, err);
    if (code)
        return code;
    if (row.pid == 0 || os_process_find(row.pid, &process, NULL) == ERR_NOT_FOUND) {
        *out = host;
        return ERR_NONE;
    }
    host.pid = row.pid;
    host.created = process.created;
    struct scm_rows lodgers;
    code = scm->ops->lodgers(scm, name, row.pid, time_left(deadline_ms), &lodgers, err);
    if (code)
        return code;
    code = judge_lodgers(scm, &lodgers, time_left(deadline_ms), &host, err);
    scm_rows_reset(&lodgers);
    if (!code)
        *out = host;
    return code;
}

static enum error_code check_host(const struct driver_host *host, const char *name, uint32_t pid,
                                  uint64_t created, struct error *err)
{
    char strangers[256];
    if (host->pid != 0 && (host->pid != pid || host->created != created))
        return error_set(err, ERR_STATE,
                         "service %s lives in process %" PRIu32 " now, not in %" PRIu32
                         ": look again before anything is killed",
                         name, host->pid, pid);
    switch (services_judge_host(host, strangers, sizeof(strangers))) {
    case SERVICES_HOST_NONE:
        return error_set(err, ERR_EXISTS, "process %" PRIu32 " of service %s is gone already", pid,
                         name);
    case SERVICES_HOST_SHARED:
        return error_set(err, ERR_STATE,
                         "process %" PRIu32 " of service %s is not killed, since others live in "
                         "it: %s",
                         pid, name, strangers);
    case SERVICES_HOST_REBOOTS:
        return error_set(err, ERR_STATE,
                         "process %" PRIu32 " of service %s is not killed, since the system would "
                         "restart the machine: a failure action of %s",
                         pid, name, strangers);
    case SERVICES_HOST_OURS:
        break;
    }
    return ERR_NONE;
}

enum error_code scm_kill_host(struct scm *scm, const char *name, uint32_t pid, uint64_t created,
                              uint64_t timeout_ms, struct error *err)
{
    struct driver_host host;
    enum error_code code = scm_host(scm, name, timeout_ms, &host, err);
    if (!code)
        code = check_host(&host, name, pid, created, err);
    if (code)
        return code;
    code = os_process_kill(pid, created, err);
    if (code == ERR_NOT_FOUND)
        return error_set(err, ERR_EXISTS, "process %" PRIu32 " of service %s is gone already", pid,
                         name);
    return code ? error_wrap(err, "process of service %s", name) : ERR_NONE;
}
