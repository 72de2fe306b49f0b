/* service_setup_win32.c - see service_setup_win32.h.
 *
 * Decisions:
 * - Started automatically, not delayed: a delayed start comes about two minutes after the boot, and
 *   a server that a run restarted is out of rotation until its agent answers.
 * - When it fails it is started again after 5 s, 30 s, and every 60 s; a day without failure begins
 *   anew. Also when it ends by itself with a failure (FAILURE_ACTIONS_FLAG), not only in a crash.
 * - A preshutdown may take 60 s: an act in hand is waited for up to 50 s (ending.h). Of a recovery
 *   that lasts longer its guardian, or the next start, goes on.
 * - LocalSystem with few of its privileges (privileges_win32.h). A SID of its own, so that other
 *   things can be opened to it alone.
 *
 * Source: ChangeServiceConfig2W and the structures it takes.
 */
#include "agent/service_setup_win32.h"

#include "agent/home.h"
#include "agent/privileges_win32.h"
#include "common/clock.h"
#include "common/command_line.h"
#include "common/log.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>

#define PATH_UNITS_MAX  32768
#define PRESHUTDOWN_MS  60000
#define FORGIVEN_SEC    86400
#define CHANGE_WAIT_MS  60000
#define CHANGE_POLL_MS  250
#define EVENT_TYPES     7 /* error, warning, information */
#define EVENT_LOG_KEY   L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\"
#define DESCRIPTION                                                                                \
    L"Recycles and recovers the web server of this machine for the Farmhand coordinator, one "     \
    L"server of the farm at a time."

/* ---- opening ---- */

static enum error_code open_manager(DWORD access, SC_HANDLE *out, struct error *err)
{
    *out = OpenSCManagerW(NULL, NULL, access);
    if (*out)
        return ERR_NONE;
    enum error_code code = sys_error(err, GetLastError(), "cannot reach the service manager");
    if (code == ERR_DENIED)
        return error_set(err, ERR_DENIED, "only an administrator can do this: start the console "
                                          "with \"Run as administrator\"");
    return code;
}

static enum error_code failed(const struct service_name *name, const char *what, struct error *err)
{
    DWORD number = GetLastError();
    if (number == ERROR_SERVICE_DOES_NOT_EXIST)
        return error_set(err, ERR_NOT_FOUND, "there is no service %s: it is not installed",
                         name->name);
    return sys_error(err, number, "cannot %s the service %s", what, name->name);
}

/* Opens manager and service; both are to be closed by close_both. */
static enum error_code open_service(const struct service_name *name, DWORD access,
                                    SC_HANDLE *manager, SC_HANDLE *service, struct error *err)
{
    enum error_code code = open_manager(SC_MANAGER_CONNECT, manager, err);
    if (code)
        return code;
    wchar_t *wide = sys_wide(name->name);
    *service = OpenServiceW(*manager, wide, access);
    free(wide);
    if (*service)
        return ERR_NONE;
    code = failed(name, "open", err);
    CloseServiceHandle(*manager);
    return code;
}

static void close_both(SC_HANDLE manager, SC_HANDLE service)
{
    CloseServiceHandle(service);
    CloseServiceHandle(manager);
}

/* ---- what a service has beside its entry ---- */

struct setting {
    DWORD level;
    void *value;
    const char *what;
};

/* A system that does not know a level says so; that is told, and the service works without it. */
static enum error_code set_all(SC_HANDLE service, const struct setting *settings, size_t count,
                               struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (ChangeServiceConfig2W(service, settings[i].level, settings[i].value))
            continue;
        DWORD number = GetLastError();
        if (number != ERROR_INVALID_LEVEL && number != ERROR_CALL_NOT_IMPLEMENTED)
            return sys_error(err, number, "cannot set the service's %s", settings[i].what);
        log_debug("service_setting_unknown", LOG_TEXT("what", settings[i].what));
    }
    return ERR_NONE;
}

static enum error_code set_extras(SC_HANDLE service, struct error *err)
{
    static wchar_t description_text[] = DESCRIPTION;
    SC_ACTION actions[] = {
        {SC_ACTION_RESTART, 5000}, {SC_ACTION_RESTART, 30000}, {SC_ACTION_RESTART, 60000}};
    SERVICE_DESCRIPTIONW description = {description_text};
    SERVICE_FAILURE_ACTIONSW failure = {
        .dwResetPeriod = FORGIVEN_SEC, .cActions = 3, .lpsaActions = actions};
    SERVICE_FAILURE_ACTIONS_FLAG also_by_itself = {TRUE};
    SERVICE_DELAYED_AUTO_START_INFO delayed = {FALSE};
    SERVICE_PRESHUTDOWN_INFO preshutdown = {PRESHUTDOWN_MS};
    SERVICE_REQUIRED_PRIVILEGES_INFOW declared = {privileges_list()};
    SERVICE_SID_INFO sid = {SERVICE_SID_TYPE_UNRESTRICTED};
    const struct setting settings[] = {
        {SERVICE_CONFIG_DESCRIPTION, &description, "description"},
        {SERVICE_CONFIG_FAILURE_ACTIONS, &failure, "failure actions"},
        {SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &also_by_itself, "failure actions' flag"},
        {SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed, "delayed start"},
        {SERVICE_CONFIG_PRESHUTDOWN_INFO, &preshutdown, "time for a shutdown"},
        {SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, &declared, "privileges"},
        {SERVICE_CONFIG_SERVICE_SID_INFO, &sid, "SID"},
    };
    return set_all(service, settings, sizeof(settings) / sizeof(settings[0]), err);
}

/* ---- the event log's source ---- */

static wchar_t *own_path(void)
{
    wchar_t *path = must_alloc(PATH_UNITS_MAX, sizeof(*path));
    DWORD len = GetModuleFileNameW(NULL, path, PATH_UNITS_MAX);
    must(len > 0 && len < PATH_UNITS_MAX);
    return path;
}

static wchar_t *source_key(const struct service_name *name)
{
    wchar_t *source = sys_wide(name->display);
    wchar_t *key = must_alloc(wcslen(EVENT_LOG_KEY) + wcslen(source) + 1, sizeof(*key));
    wcscpy(key, EVENT_LOG_KEY);
    wcscat(key, source);
    free(source);
    return key;
}

static enum error_code register_source(const struct service_name *name, struct error *err)
{
    DWORD types = EVENT_TYPES;
    wchar_t *path = own_path(), *key = source_key(name);
    LSTATUS status =
        RegSetKeyValueW(HKEY_LOCAL_MACHINE, key, L"EventMessageFile", REG_EXPAND_SZ, path,
                        (DWORD)((wcslen(path) + 1) * sizeof(*path)));
    if (status == 0)
        status = RegSetKeyValueW(HKEY_LOCAL_MACHINE, key, L"TypesSupported", REG_DWORD, &types,
                                 sizeof(types));
    free(path);
    free(key);
    if (status != 0)
        return sys_error(err, (DWORD)status, "cannot register %s in the event log", name->display);
    return ERR_NONE;
}

void service_setup_forget(const struct service_name *name)
{
    wchar_t *key = source_key(name);
    RegDeleteTreeW(HKEY_LOCAL_MACHINE, key);
    RegDeleteKeyW(HKEY_LOCAL_MACHINE, key);
    free(key);
}

/* ---- the entry ---- */

/* The service runs in System32, wherever the one who installs it stands. NULL: no path. */
static char *absolute(const char *path)
{
    wchar_t *wide = sys_wide(path), *full = must_alloc(PATH_UNITS_MAX, sizeof(*full));
    DWORD len = wide ? GetFullPathNameW(wide, PATH_UNITS_MAX, full, NULL) : 0;
    char *utf8 = len > 0 && len < PATH_UNITS_MAX ? sys_utf8(full) : NULL;
    free(full);
    free(wide);
    return utf8;
}

/* "C:\Program Files\Farmhand\farmhand-agent.exe" --service [--config FILE]; free() it. */
static wchar_t *command(const char *config)
{
    wchar_t *wide = own_path();
    char *path = sys_utf8(wide);
    free(wide);
    must(path != NULL);
    const char *argv[] = {path, "--service", config ? "--config" : NULL, config, NULL};
    struct text line = {0};
    must(command_line_add(&line, argv));
    wide = sys_wide(line.data);
    text_reset(&line);
    free(path);
    return wide;
}

/* Makes the entry, or brings an existing one to the same. NULL: GetLastError. */
static SC_HANDLE make_entry(SC_HANDLE manager, const wchar_t *name, const wchar_t *display,
                            const wchar_t *line)
{
    SC_HANDLE service =
        CreateServiceW(manager, name, display, SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
                       SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, line, NULL, NULL, NULL, NULL, NULL);
    if (service || GetLastError() != ERROR_SERVICE_EXISTS)
        return service;
    service = OpenServiceW(manager, name, SERVICE_ALL_ACCESS);
    if (service && !ChangeServiceConfigW(service, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
                                         SERVICE_ERROR_NORMAL, line, NULL, NULL, NULL, NULL, NULL,
                                         display)) {
        CloseServiceHandle(service);
        service = NULL;
    }
    return service;
}

enum error_code service_setup_install(const struct service_name *name, const char *config,
                                      struct error *err)
{
    SC_HANDLE manager;
    enum error_code code = open_manager(SC_MANAGER_CREATE_SERVICE, &manager, err);
    if (code)
        return code;
    char *file = config ? absolute(config) : NULL;
    if (config && !file) {
        CloseServiceHandle(manager);
        return error_set(err, ERR_INVALID, "--config: %s is no path", config);
    }
    wchar_t *wide = sys_wide(name->name), *display = sys_wide(name->display), *line = command(file);
    free(file);
    SC_HANDLE service = make_entry(manager, wide, display, line);
    if (!service)
        code = failed(name, "make", err);
    free(wide);
    free(display);
    free(line);
    if (!code)
        code = set_extras(service, err);
    if (!code)
        code = register_source(name, err);
    if (service)
        CloseServiceHandle(service);
    CloseServiceHandle(manager);
    return code;
}

/* Not every installer quotes the path, and Windows would then try C:\Program.exe first. */
static enum error_code quote_path(SC_HANDLE service, struct error *err)
{
    BYTE buffer[8192]; /* the most that a service's entry takes; source: QueryServiceConfigW */
    QUERY_SERVICE_CONFIGW *entry = (void *)buffer;
    DWORD size;
    if (!QueryServiceConfigW(service, entry, sizeof(buffer), &size))
        return sys_error(err, GetLastError(), "cannot read the service's entry");
    if (!entry->lpBinaryPathName || entry->lpBinaryPathName[0] == L'"')
        return ERR_NONE;
    wchar_t *line = command(NULL);
    enum error_code code = ERR_NONE;
    if (!ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, line,
                              NULL, NULL, NULL, NULL, NULL, NULL))
        code = sys_error(err, GetLastError(), "cannot quote the path of the service");
    free(line);
    return code;
}

enum error_code service_setup_settle(const struct service_name *name, struct error *err)
{
    SC_HANDLE manager, service;
    /* START: the failure action "restart" wants it. Source: ChangeServiceConfig2W. */
    enum error_code code =
        open_service(name, SERVICE_CHANGE_CONFIG | SERVICE_QUERY_CONFIG | SERVICE_START, &manager,
                     &service, err);
    if (code)
        return code;
    code = quote_path(service, err);
    if (!code)
        code = set_extras(service, err);
    close_both(manager, service);
    return code ? code : register_source(name, err);
}

/* ---- start, stop, remove ---- */

/* What it said of its end: its own code only where it says that it has one. */
static DWORD exit_of(const SERVICE_STATUS_PROCESS *status)
{
    bool own = status->dwWin32ExitCode == ERROR_SERVICE_SPECIFIC_ERROR;
    return own ? status->dwServiceSpecificExitCode : status->dwWin32ExitCode;
}

/* Until the state is `wanted`; `never`: a state in which it will not come. */
static enum error_code await(SC_HANDLE service, const struct service_name *name, DWORD wanted,
                             DWORD never, struct error *err)
{
    uint64_t deadline_ms = clock_boot_ms() + CHANGE_WAIT_MS;
    SERVICE_STATUS_PROCESS status = {0};
    for (;;) {
        DWORD size;
        if (!QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof(status),
                                  &size))
            return failed(name, "ask", err);
        if (status.dwCurrentState == wanted)
            return ERR_NONE;
        if (status.dwCurrentState == never)
            return error_set(err, ERR_STATE,
                             "the service %s ended at once (exit %lu): its log is in %s", name->name,
                             (unsigned long)exit_of(&status), home_logs());
        if (clock_boot_ms() >= deadline_ms)
            return error_set(err, ERR_TIMEOUT, "the service %s is still in state %lu after %d s",
                             name->name, (unsigned long)status.dwCurrentState, CHANGE_WAIT_MS / 1000);
        clock_sleep_ms(CHANGE_POLL_MS);
    }
}

/* One that is stopping says that it runs: it is waited for, and started then. Source: StartServiceW,
 * ERROR_SERVICE_ALREADY_RUNNING. */
static enum error_code start(SC_HANDLE service, const struct service_name *name, struct error *err)
{
    SERVICE_STATUS status = {0};
    uint64_t deadline_ms = clock_boot_ms() + CHANGE_WAIT_MS;
    while (!StartServiceW(service, 0, NULL)) {
        if (GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
            return failed(name, "start", err);
        if (!QueryServiceStatus(service, &status))
            return failed(name, "ask", err);
        bool ends = status.dwCurrentState == SERVICE_STOP_PENDING ||
                    status.dwCurrentState == SERVICE_STOPPED;
        if (!ends || clock_boot_ms() >= deadline_ms)
            break;
        clock_sleep_ms(CHANGE_POLL_MS);
    }
    return await(service, name, SERVICE_RUNNING, SERVICE_STOPPED, err);
}

enum error_code service_setup_start(const struct service_name *name, struct error *err)
{
    SC_HANDLE manager, service;
    enum error_code code = open_service(name, SERVICE_START | SERVICE_QUERY_STATUS, &manager,
                                        &service, err);
    if (code)
        return code;
    code = start(service, name, err);
    close_both(manager, service);
    return code;
}

/* One that is just starting takes no control yet, and one that is stopping none any more: asked
 * until it takes it or is down. */
static enum error_code stop(SC_HANDLE service, const struct service_name *name, struct error *err)
{
    SERVICE_STATUS status;
    uint64_t deadline_ms = clock_boot_ms() + CHANGE_WAIT_MS;
    while (!ControlService(service, SERVICE_CONTROL_STOP, &status)) {
        DWORD number = GetLastError();
        if (number == ERROR_SERVICE_NOT_ACTIVE)
            return ERR_NONE;
        if (number != ERROR_SERVICE_CANNOT_ACCEPT_CTRL)
            return failed(name, "stop", err);
        if (clock_boot_ms() >= deadline_ms)
            break;
        clock_sleep_ms(CHANGE_POLL_MS);
    }
    return await(service, name, SERVICE_STOPPED, 0, err);
}

enum error_code service_setup_stop(const struct service_name *name, struct error *err)
{
    SC_HANDLE manager, service;
    enum error_code code =
        open_service(name, SERVICE_STOP | SERVICE_QUERY_STATUS, &manager, &service, err);
    if (code)
        return code;
    code = stop(service, name, err);
    close_both(manager, service);
    return code;
}

enum error_code service_setup_remove(const struct service_name *name, struct error *err)
{
    SC_HANDLE manager, service;
    enum error_code code =
        open_service(name, SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE, &manager, &service, err);
    if (code)
        return code;
    code = stop(service, name, err);
    if (!code && !DeleteService(service) && GetLastError() != ERROR_SERVICE_MARKED_FOR_DELETE)
        code = failed(name, "remove", err);
    close_both(manager, service);
    if (!code)
        service_setup_forget(name);
    return code;
}
