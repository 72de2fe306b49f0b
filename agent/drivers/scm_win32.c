/* scm_win32.c - see scm_win32.h: the service control manager of Windows as a back end. */
#include "agent/drivers/scm_win32.h"

#include "agent/drivers/counters_win32.h"
#include "agent/drivers/event_log_win32.h"
#include "agent/drivers/scm_codes.h"
#include "agent/drivers/scm_machine.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define NEEDS_FRESH_MS 30000 /* who depends on whom changes with installations alone */
#define POLL_MS        200   /* where the manager does not tell of changes */

struct scm_windows {
    struct scm base;
    struct scm_rows needs; /* rows empty: who depends on whom, of all services */
    uint64_t needs_ms;     /* when that was read; 0: never */
    struct counters_reader *counters;
    struct events_reader *events;
    struct bookmark *mark;
};

static enum error_code windows_open(const char *tool, const char *state_dir, struct scm **out,
                                    struct error *err)
{
    (void)tool, (void)err;
    struct scm_windows *windows = must_alloc(1, sizeof(*windows));
    windows->base.ops = &scm_windows_ops;
    windows->mark = bookmark_new(state_dir);
    *out = &windows->base;
    return ERR_NONE;
}

static void windows_close(struct scm *scm)
{
    struct scm_windows *windows = (struct scm_windows *)scm;
    if (!windows)
        return;
    scm_rows_reset(&windows->needs);
    counters_close(windows->counters);
    events_close(windows->events);
    bookmark_free(windows->mark);
    free(windows);
}

static struct scm_request *request_new(enum scm_request_kind kind, const char *name,
                                       uint64_t timeout_ms)
{
    struct scm_request *request = must_alloc(1, sizeof(*request));
    request->call = (struct guard_call){scm_request_run, scm_request_release};
    request->kind = kind;
    request->deadline_ms = clock_boot_ms() + timeout_ms;
    if (!name)
        return request;
    text_copy(request->utf8, sizeof(request->utf8), name);
    request->name = sys_wide(request->utf8);
    must(request->name != NULL); /* names are clean UTF-8: checked by whoever takes them in */
    return request;
}

/* On failure the request is gone. A code of the manager counts as one. */
static enum error_code ask(struct scm_request *request, enum scm_act act, uint64_t timeout_ms,
                           struct error *err)
{
    uint32_t number;
    enum error_code code =
        guard_run(&request->call, timeout_ms, "the service manager", &number, err);
    if (code)
        return code;
    const char *name = request->name ? request->utf8 : NULL;
    code = scm_code_error(number, act, name, err);
    if (code && request->culprit[0] != '\0')
        error_wrap(err, "%s", request->culprit);
    if (code)
        scm_request_release(&request->call);
    return code;
}

/* ---- reading ---- */

static void give_needs(struct scm_windows *windows, struct scm_request *request)
{
    if (windows->needs_ms == 0 || clock_boot_ms() - windows->needs_ms > NEEDS_FRESH_MS)
        return;
    for (size_t i = 0; i < windows->needs.need_count; i++)
        scm_rows_need(&request->rows, windows->needs.needs[i].service,
                      windows->needs.needs[i].needs);
    request->needs_given = true;
}

static void keep_needs(struct scm_windows *windows, const struct scm_request *request)
{
    if (request->needs_given)
        return;
    scm_rows_reset(&windows->needs);
    for (size_t i = 0; i < request->rows.need_count; i++)
        scm_rows_need(&windows->needs, request->rows.needs[i].service,
                      request->rows.needs[i].needs);
    windows->needs_ms = clock_boot_ms();
}

static void hand_over(struct scm_request *request, struct scm_rows *out)
{
    *out = request->rows;
    out->known = true;
    request->rows = (struct scm_rows){0};
    scm_request_release(&request->call);
}

/* What was kept of the needs is already cut to those of our services, which is all that is asked.
 */
static enum error_code windows_query(struct scm *scm, uint64_t timeout_ms, struct scm_rows *out,
                                     struct error *err)
{
    struct scm_windows *windows = (struct scm_windows *)scm;
    struct scm_request *request = request_new(SCM_REQUEST_OURS, NULL, timeout_ms);
    give_needs(windows, request);
    enum error_code code = ask(request, SCM_QUERY, timeout_ms, err);
    if (code)
        return code;
    struct scm_machine machine;
    keep_needs(windows, request);
    hand_over(request, out);
    scm_machine_read(&machine);
    scm_machine_barred(&machine, out->barred, sizeof(out->barred));
    return ERR_NONE;
}

static enum error_code windows_lodgers(struct scm *scm, const char *name, uint32_t pid,
                                       uint64_t timeout_ms, struct scm_rows *out, struct error *err)
{
    (void)scm;
    enum scm_request_kind kind = pid == 0 ? SCM_REQUEST_ONE : SCM_REQUEST_ALL;
    struct scm_request *request = request_new(kind, name, timeout_ms);
    enum error_code code = ask(request, SCM_QUERY, timeout_ms, err);
    if (code)
        return code;
    struct scm_rows all;
    hand_over(request, &all);
    code = scm_rows_lodgers(&all, name, pid, out, err);
    scm_rows_reset(&all);
    return code;
}

/* ---- acting ---- */

static enum error_code act(enum scm_request_kind kind, enum scm_act which, const char *name,
                           enum service_start start, uint64_t timeout_ms, struct error *err)
{
    struct scm_request *request = request_new(kind, name, timeout_ms);
    request->start = start;
    enum error_code code = ask(request, which, timeout_ms, err);
    if (!code)
        scm_request_release(&request->call);
    return code;
}

static enum error_code windows_start(struct scm *scm, const char *name, uint64_t timeout_ms,
                                     struct error *err)
{
    (void)scm;
    return act(SCM_REQUEST_START, SCM_START, name, SVC_START_UNKNOWN, timeout_ms, err);
}

static enum error_code windows_stop(struct scm *scm, const char *name, uint64_t timeout_ms,
                                    struct error *err)
{
    (void)scm;
    return act(SCM_REQUEST_STOP, SCM_STOP, name, SVC_START_UNKNOWN, timeout_ms, err);
}

static enum error_code windows_set_start(struct scm *scm, const char *name,
                                         enum service_start start, uint64_t timeout_ms,
                                         struct error *err)
{
    (void)scm;
    return act(SCM_REQUEST_SET_START, SCM_CONFIG, name, start, timeout_ms, err);
}

static void windows_await_change(struct scm *scm, const char *name, enum service_state state,
                                 uint64_t most_ms)
{
    (void)scm;
    uint64_t until_ms = clock_boot_ms() + (most_ms < POLL_MS ? most_ms : POLL_MS);
    struct scm_request *request = request_new(SCM_REQUEST_AWAIT, name, most_ms);
    request->state = state;
    if (ask(request, SCM_QUERY, most_ms + POLL_MS, NULL) == ERR_NONE) {
        scm_request_release(&request->call);
        return;
    }
    uint64_t now = clock_boot_ms();
    clock_sleep_ms(now < until_ms ? (uint32_t)(until_ms - now) : 0);
}

static enum error_code windows_counters(struct scm *scm, uint64_t timeout_ms,
                                        struct scm_counters *out, struct error *err)
{
    struct scm_windows *windows = (struct scm_windows *)scm;
    return counters_read(&windows->counters, timeout_ms, out, err);
}

static enum error_code windows_events(struct scm *scm, uint64_t timeout_ms,
                                      struct event_entries *out, struct error *err)
{
    struct scm_windows *windows = (struct scm_windows *)scm;
    return events_read(&windows->events, windows->mark, timeout_ms, out, err);
}

const struct scm_ops scm_windows_ops = {
    .name = "windows",
    .starts_tool = false,
    .open = windows_open,
    .query = windows_query,
    .lodgers = windows_lodgers,
    .start = windows_start,
    .stop = windows_stop,
    .set_start = windows_set_start,
    .await_change = windows_await_change,
    .counters = windows_counters,
    .events = windows_events,
    .close = windows_close,
};
