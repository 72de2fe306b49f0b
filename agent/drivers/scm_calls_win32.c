/* scm_calls_win32.c - see scm_win32.h: one request, on a thread of its own.
 *
 * The manager knows who depends on whom (EnumDependentServices), and so does the registry
 * (DependOnService). Both are read: the registry also names those that the manager would have to
 * start first, and is all there is where the manager keeps no dependencies (Wine).
 */
#include "agent/drivers/scm_win32.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define SERVICES_KEY L"SYSTEM\\CurrentControlSet\\Services"
#define ANSWER_BYTES (256 * 1024) /* EnumServicesStatusEx and its kin give no more at once */
#define CONFIG_BYTES 8192         /* the most that QueryServiceConfig gives */
#define POLL_MS      100
#define DEPTH_MAX    8 /* of a chain of dependencies */

void scm_request_release(struct guard_call *call)
{
    struct scm_request *request = (struct scm_request *)call;
    scm_rows_reset(&request->rows);
    free(request->name);
    free(request);
}

/* ---- rows ---- */

static void add_row(struct scm_rows *rows, const wchar_t *wide,
                    const SERVICE_STATUS_PROCESS *status, enum service_start start)
{
    char *name = sys_utf8(wide);
    struct scm_row row = {
        .state = scm_state_of(status->dwCurrentState),
        .start = start,
        .pid = status->dwProcessId,
        .exit_code = status->dwWin32ExitCode,
        .checkpoint = status->dwCheckPoint,
    };
    if (name && text_copy(row.name, sizeof(row.name), name))
        scm_rows_add(rows, &row);
    free(name);
}

static DWORD read_all(SC_HANDLE manager, struct scm_rows *rows)
{
    BYTE *answer = must_alloc(1, ANSWER_BYTES);
    DWORD resume = 0, number = ERROR_MORE_DATA;
    while (number == ERROR_MORE_DATA) {
        DWORD missing = 0, count = 0;
        BOOL good = EnumServicesStatusExW(manager, SC_ENUM_PROCESS_INFO,
                                          SERVICE_WIN32 | SERVICE_DRIVER, SERVICE_STATE_ALL, answer,
                                          ANSWER_BYTES, &missing, &count, &resume, NULL);
        number = good ? ERROR_SUCCESS : GetLastError();
        if (number != ERROR_SUCCESS && number != ERROR_MORE_DATA)
            break;
        const ENUM_SERVICE_STATUS_PROCESSW *items = (const void *)answer;
        for (DWORD i = 0; i < count; i++)
            add_row(rows, items[i].lpServiceName, &items[i].ServiceStatusProcess,
                    SVC_START_UNKNOWN);
        if (number == ERROR_MORE_DATA && count == 0)
            break; /* one row above the size of an answer: there is none in any system */
    }
    free(answer);
    return number;
}

static enum service_start read_start(SC_HANDLE service)
{
    DWORD missing;
    enum service_start start = SVC_START_UNKNOWN;
    QUERY_SERVICE_CONFIGW *config = must_alloc(1, CONFIG_BYTES);
    if (QueryServiceConfigW(service, config, CONFIG_BYTES, &missing))
        start = scm_start_of(config->dwStartType);
    free(config);
    return start;
}

static void read_starts(SC_HANDLE manager, struct scm_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        wchar_t *name = rows->items[i].state == SVC_ABSENT ? NULL : sys_wide(rows->items[i].name);
        SC_HANDLE service = name ? OpenServiceW(manager, name, SERVICE_QUERY_CONFIG) : NULL;
        if (service) {
            rows->items[i].start = read_start(service);
            CloseServiceHandle(service);
        }
        free(name);
    }
}

/* ---- who depends on whom ---- */

static bool has_need(const struct scm_rows *rows, const char *service, const char *needs)
{
    for (size_t i = 0; i < rows->need_count; i++)
        if (text_equal_nocase(rows->needs[i].needs, needs) &&
            text_equal_nocase(rows->needs[i].service, service))
            return true;
    return false;
}

/* A name with a plus before it is a group, not a service. */
static void add_needs(struct scm_rows *rows, const wchar_t *wide, const wchar_t *list)
{
    char *service = sys_utf8(wide);
    for (; service && *list; list += wcslen(list) + 1) {
        char *needs = sys_utf8(list);
        if (needs && needs[0] != '+' && !has_need(rows, service, needs))
            scm_rows_need(rows, service, needs);
        free(needs);
    }
    free(service);
}

static void read_registry(struct scm_rows *rows)
{
    wchar_t name[256], list[4096];
    HKEY services;
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, SERVICES_KEY, 0, KEY_READ, &services) != ERROR_SUCCESS)
        return;
    for (DWORD i = 0;; i++) {
        DWORD len = sizeof(name) / sizeof(name[0]);
        LSTATUS status = RegEnumKeyExW(services, i, name, &len, NULL, NULL, NULL, NULL);
        if (status == ERROR_NO_MORE_ITEMS)
            break;
        DWORD bytes = sizeof(list) - 2 * sizeof(list[0]);
        if (status != ERROR_SUCCESS ||
            RegGetValueW(services, name, L"DependOnService", RRF_RT_REG_MULTI_SZ, NULL, list,
                         &bytes) != ERROR_SUCCESS)
            continue;
        list[bytes / sizeof(list[0])] = L'\0'; /* a list that was written without its end */
        list[bytes / sizeof(list[0]) + 1] = L'\0';
        add_needs(rows, name, list);
    }
    RegCloseKey(services);
}

/* The manager also counts those that depend through a group. It names the far ones too: that says
 * less than the registry, but nothing wrong. */
static void read_dependents(SC_HANDLE manager, const char *needs, struct scm_rows *rows)
{
    wchar_t *name = sys_wide(needs);
    SC_HANDLE service = name ? OpenServiceW(manager, name, SERVICE_ENUMERATE_DEPENDENTS) : NULL;
    BYTE *answer = must_alloc(1, ANSWER_BYTES / 4);
    DWORD missing, count = 0;
    if (service && EnumDependentServicesW(service, SERVICE_STATE_ALL, (void *)answer,
                                          ANSWER_BYTES / 4, &missing, &count)) {
        const ENUM_SERVICE_STATUSW *items = (const void *)answer;
        for (DWORD i = 0; i < count; i++) {
            char *dependent = sys_utf8(items[i].lpServiceName);
            if (dependent && !has_need(rows, dependent, needs))
                scm_rows_need(rows, dependent, needs);
            free(dependent);
        }
    }
    if (service)
        CloseServiceHandle(service);
    free(answer);
    free(name);
}

static void read_needs(SC_HANDLE manager, struct scm_rows *rows)
{
    read_registry(rows);
    read_dependents(manager, "WAS", rows);
    read_dependents(manager, "W3SVC", rows);
}

/* ---- requests that read ---- */

static DWORD run_ours(SC_HANDLE manager, struct scm_request *request)
{
    DWORD number = read_all(manager, &request->rows);
    if (number != ERROR_SUCCESS)
        return number;
    if (!request->needs_given)
        read_needs(manager, &request->rows);
    scm_rows_keep_ours(&request->rows);
    read_starts(manager, &request->rows);
    return ERROR_SUCCESS;
}

static DWORD read_status(SC_HANDLE service, SERVICE_STATUS_PROCESS *out)
{
    DWORD missing;
    return QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)out, sizeof(*out),
                                &missing)
               ? ERROR_SUCCESS
               : GetLastError();
}

static DWORD run_one(SC_HANDLE manager, struct scm_request *request)
{
    SERVICE_STATUS_PROCESS status;
    SC_HANDLE service =
        OpenServiceW(manager, request->name, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG);
    if (!service)
        return GetLastError();
    DWORD number = read_status(service, &status);
    if (number == ERROR_SUCCESS)
        add_row(&request->rows, request->name, &status, read_start(service));
    CloseServiceHandle(service);
    return number;
}

/* ---- start ---- */

static bool state_is(SC_HANDLE manager, const char *name, DWORD state, bool *there)
{
    SERVICE_STATUS_PROCESS status = {0};
    wchar_t *wide = sys_wide(name);
    SC_HANDLE service = wide ? OpenServiceW(manager, wide, SERVICE_QUERY_STATUS) : NULL;
    bool read = service && read_status(service, &status) == ERROR_SUCCESS;
    if (service)
        CloseServiceHandle(service);
    free(wide);
    *there = read;
    return read && status.dwCurrentState == state;
}

static DWORD start_named(SC_HANDLE manager, const wchar_t *name)
{
    SC_HANDLE service = OpenServiceW(manager, name, SERVICE_START);
    DWORD number = service && StartServiceW(service, 0, NULL) ? ERROR_SUCCESS : GetLastError();
    if (service)
        CloseServiceHandle(service);
    return number;
}

static bool starts_within(SC_HANDLE manager, const char *name, uint64_t deadline_ms)
{
    wchar_t *wide = sys_wide(name);
    DWORD number = wide ? start_named(manager, wide) : ERROR_INVALID_NAME;
    free(wide);
    if (number != ERROR_SUCCESS && number != ERROR_SERVICE_ALREADY_RUNNING)
        return false;
    bool there = true;
    while (there && clock_boot_ms() < deadline_ms) {
        if (state_is(manager, name, SERVICE_RUNNING, &there))
            return true;
        if (state_is(manager, name, SERVICE_STOPPED, &there))
            return false;
        clock_sleep_ms(POLL_MS);
    }
    return false;
}

/* What it needs is started first, by name, so that the one that fails can be told. What is not
 * there is left to the manager, which knows better. */
static DWORD start_needs(SC_HANDLE manager, struct scm_request *request, const struct scm_rows *all,
                         const char *name, int depth)
{
    for (size_t i = 0; i < all->need_count && depth > 0; i++) {
        const struct scm_need *need = &all->needs[i];
        bool there;
        if (!text_equal_nocase(need->service, name) ||
            state_is(manager, need->needs, SERVICE_RUNNING, &there) || !there)
            continue;
        DWORD number = start_needs(manager, request, all, need->needs, depth - 1);
        if (number != ERROR_SUCCESS)
            return number;
        if (!starts_within(manager, need->needs, request->deadline_ms)) {
            text_copy(request->culprit, sizeof(request->culprit), need->needs);
            return ERROR_SERVICE_DEPENDENCY_FAIL;
        }
    }
    return ERROR_SUCCESS;
}

static enum service_start start_type_of(SC_HANDLE manager, const wchar_t *name)
{
    SC_HANDLE service = OpenServiceW(manager, name, SERVICE_QUERY_CONFIG);
    enum service_start start = service ? read_start(service) : SVC_START_UNKNOWN;
    if (service)
        CloseServiceHandle(service);
    return start;
}

/* Nothing else is started for one that runs already, or will not start. */
static DWORD run_start(SC_HANDLE manager, struct scm_request *request)
{
    struct scm_rows all = {0};
    bool there;
    DWORD number = ERROR_SUCCESS;
    if (state_is(manager, request->utf8, SERVICE_STOPPED, &there) &&
        start_type_of(manager, request->name) != SVC_START_DISABLED) {
        read_registry(&all);
        number = start_needs(manager, request, &all, request->utf8, DEPTH_MAX);
        scm_rows_reset(&all);
    }
    return number == ERROR_SUCCESS ? start_named(manager, request->name) : number;
}

/* ---- stop ---- */

static bool has_running_dependent(SC_HANDLE manager, struct scm_request *request)
{
    struct scm_rows all = {0};
    bool found = false;
    read_registry(&all);
    read_dependents(manager, request->utf8, &all);
    for (size_t i = 0; i < all.need_count && !found; i++) {
        bool there;
        if (!text_equal_nocase(all.needs[i].needs, request->utf8) ||
            state_is(manager, all.needs[i].service, SERVICE_STOPPED, &there) || !there)
            continue;
        text_copy(request->culprit, sizeof(request->culprit), all.needs[i].service);
        found = true;
    }
    scm_rows_reset(&all);
    return found;
}

static DWORD run_stop(SC_HANDLE manager, struct scm_request *request)
{
    SERVICE_STATUS status;
    bool there;
    if (!state_is(manager, request->utf8, SERVICE_STOPPED, &there) &&
        has_running_dependent(manager, request))
        return ERROR_DEPENDENT_SERVICES_RUNNING;
    SC_HANDLE service = OpenServiceW(manager, request->name, SERVICE_STOP);
    DWORD number = service && ControlService(service, SERVICE_CONTROL_STOP, &status)
                       ? ERROR_SUCCESS
                       : GetLastError();
    if (service)
        CloseServiceHandle(service);
    return number;
}

/* ---- the rest ---- */

static DWORD run_set_start(SC_HANDLE manager, const struct scm_request *request)
{
    static const DWORD types[] = {[SVC_START_AUTO] = SERVICE_AUTO_START,
                                  [SVC_START_DEMAND] = SERVICE_DEMAND_START,
                                  [SVC_START_DISABLED] = SERVICE_DISABLED};
    SC_HANDLE service = OpenServiceW(manager, request->name, SERVICE_CHANGE_CONFIG);
    DWORD number =
        service && ChangeServiceConfigW(service, SERVICE_NO_CHANGE, types[request->start],
                                        SERVICE_NO_CHANGE, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
            ? ERROR_SUCCESS
            : GetLastError();
    if (service)
        CloseServiceHandle(service);
    return number;
}

static void CALLBACK on_change(void *notify)
{
    (void)notify; /* its arrival ends the sleep, and that is all it is for */
}

static DWORD others_than(enum service_state state)
{
    DWORD mask = SERVICE_NOTIFY_STOPPED | SERVICE_NOTIFY_START_PENDING |
                 SERVICE_NOTIFY_STOP_PENDING | SERVICE_NOTIFY_RUNNING |
                 SERVICE_NOTIFY_PAUSE_PENDING | SERVICE_NOTIFY_PAUSED |
                 SERVICE_NOTIFY_CONTINUE_PENDING;
    switch (state) {
    case SVC_STOPPED:
        return mask & ~(DWORD)SERVICE_NOTIFY_STOPPED;
    case SVC_START_PENDING:
        return mask & ~(DWORD)SERVICE_NOTIFY_START_PENDING;
    case SVC_STOP_PENDING:
        return mask & ~(DWORD)SERVICE_NOTIFY_STOP_PENDING;
    case SVC_RUNNING:
        return mask & ~(DWORD)SERVICE_NOTIFY_RUNNING;
    case SVC_PAUSED:
        return SERVICE_NOTIFY_STOPPED | SERVICE_NOTIFY_STOP_PENDING | SERVICE_NOTIFY_RUNNING;
    case SVC_UNKNOWN:
    case SVC_ABSENT:
        break;
    }
    return mask;
}

/* A state that is there already is told at once, so no change is missed between the reading and
 * this call. Source: NotifyServiceStatusChangeW; the handle is closed before the buffer goes. */
static DWORD run_await(SC_HANDLE manager, const struct scm_request *request)
{
    SERVICE_NOTIFYW notify = {.dwVersion = SERVICE_NOTIFY_STATUS_CHANGE,
                              .pfnNotifyCallback = on_change};
    SC_HANDLE service = OpenServiceW(manager, request->name, SERVICE_QUERY_STATUS);
    if (!service)
        return GetLastError();
    DWORD number = NotifyServiceStatusChangeW(service, others_than(request->state), &notify);
    uint64_t now = clock_boot_ms();
    if (number == ERROR_SUCCESS && now < request->deadline_ms)
        SleepEx((DWORD)(request->deadline_ms - now), TRUE);
    CloseServiceHandle(service);
    SleepEx(0, TRUE); /* one that was on its way when the handle was closed */
    return number;
}

static DWORD rights_of(enum scm_request_kind kind)
{
    return SC_MANAGER_CONNECT |
           (kind == SCM_REQUEST_OURS || kind == SCM_REQUEST_ALL ? SC_MANAGER_ENUMERATE_SERVICE : 0);
}

static DWORD run_on(SC_HANDLE manager, struct scm_request *request)
{
    switch (request->kind) {
    case SCM_REQUEST_OURS:
        return run_ours(manager, request);
    case SCM_REQUEST_ALL:
        return read_all(manager, &request->rows);
    case SCM_REQUEST_ONE:
        return run_one(manager, request);
    case SCM_REQUEST_START:
        return run_start(manager, request);
    case SCM_REQUEST_STOP:
        return run_stop(manager, request);
    case SCM_REQUEST_SET_START:
        return run_set_start(manager, request);
    case SCM_REQUEST_AWAIT:
        return run_await(manager, request);
    }
    return ERROR_INVALID_PARAMETER;
}

uint32_t scm_request_run(struct guard_call *call)
{
    struct scm_request *request = (struct scm_request *)call;
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, rights_of(request->kind));
    if (!manager)
        return GetLastError();
    DWORD number = run_on(manager, request);
    CloseServiceHandle(manager);
    return number;
}
