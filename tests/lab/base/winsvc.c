#include "tests/lab/base/winsvc.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/lab/base/win32.h"
#include "tests/lab/base/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX     1024 /* bytes of names */
#define RETRY_MS     20
#define RETRY_FOR_MS 10000
#define SET_STATUS   0x8000 /* SERVICE_SET_STATUS, which Wine's manager has and no header names */

static SC_HANDLE manager(void)
{
    static SC_HANDLE kept;
    if (!kept)
        kept = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    return kept;
}

static SC_HANDLE open_service(const char *name, DWORD access)
{
    wchar_t *wide = sys_wide(name);
    SC_HANDLE s = wide ? OpenServiceW(manager(), wide, access) : NULL;
    DWORD number = GetLastError();
    free(wide);
    SetLastError(number);
    return s;
}

/* The configuration; free() it. NULL: GetLastError() says why. */
static QUERY_SERVICE_CONFIGW *config_of(SC_HANDLE s)
{
    DWORD size = 0;
    QueryServiceConfigW(s, NULL, 0, &size);
    QUERY_SERVICE_CONFIGW *c = must_alloc(1, size ? size : 1);
    if (size && QueryServiceConfigW(s, c, size, &size))
        return c;
    free(c);
    return NULL;
}

unsigned winsvc_query(const char *name, struct winsvc_row *out)
{
    SERVICE_STATUS_PROCESS p;
    DWORD size;
    *out = (struct winsvc_row){0};
    SC_HANDLE s = open_service(name, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG);
    if (!s)
        return GetLastError();
    unsigned code = 0;
    QUERY_SERVICE_CONFIGW *c = config_of(s);
    if (!c || !QueryServiceStatusEx(s, SC_STATUS_PROCESS_INFO, (BYTE *)&p, sizeof p, &size))
        code = GetLastError();
    else
        *out = (struct winsvc_row){.state = p.dwCurrentState,
                                   .checkpoint = p.dwCheckPoint,
                                   .wait_hint_ms = p.dwWaitHint,
                                   .exit_code = p.dwWin32ExitCode,
                                   .start_type = c->dwStartType,
                                   .type = c->dwServiceType,
                                   .pid = p.dwProcessId,
                                   .accepts_stop = p.dwControlsAccepted & SERVICE_ACCEPT_STOP};
    free(c);
    CloseServiceHandle(s);
    return code;
}

/* "HTTP WAS" as the manager wants it: each name ended by NUL, the list by one more. */
static wchar_t *double_null(const char *names)
{
    char copy[LIST_MAX];
    text_copy(copy, sizeof copy, names);
    size_t len = strlen(copy);
    wchar_t *wide = sys_wide(copy), *list = must_alloc(len + 2, sizeof *list);
    for (size_t i = 0; i < len; i++)
        list[i] = wide[i] == L' ' ? L'\0' : wide[i];
    free(wide);
    return list;
}

unsigned winsvc_install(const char *name, const char *display, const char *command,
                        const char *depends, unsigned start_type)
{
    wchar_t *n = sys_wide(name), *d = sys_wide(display), *c = sys_wide(command);
    wchar_t *list = double_null(depends);
    unsigned code = 0;
    SC_HANDLE s = OpenServiceW(manager(), n, SERVICE_CHANGE_CONFIG);
    if (s && !ChangeServiceConfigW(s, SERVICE_WIN32_SHARE_PROCESS, start_type, SERVICE_ERROR_NORMAL,
                                   c, NULL, NULL, list, NULL, NULL, d))
        code = GetLastError();
    if (!s)
        s = CreateServiceW(manager(), n, d, SERVICE_QUERY_STATUS, SERVICE_WIN32_SHARE_PROCESS,
                           start_type, SERVICE_ERROR_NORMAL, c, NULL, NULL, list, NULL, NULL);
    if (!s)
        code = GetLastError();
    else
        CloseServiceHandle(s);
    free(n);
    free(d);
    free(c);
    free(list);
    return code;
}

/* Runs one call on the service, with the right for it. */
static unsigned with_service(const char *name, DWORD access, BOOL (*call)(SC_HANDLE s, DWORD arg),
                             DWORD arg)
{
    SC_HANDLE s = open_service(name, access);
    if (!s)
        return GetLastError();
    unsigned code = call(s, arg) ? 0 : GetLastError();
    CloseServiceHandle(s);
    return code;
}

static BOOL call_start(SC_HANDLE s, DWORD unused)
{
    (void)unused;
    return StartServiceW(s, 0, NULL);
}

static BOOL call_stop(SC_HANDLE s, DWORD unused)
{
    SERVICE_STATUS status;
    (void)unused;
    return ControlService(s, SERVICE_CONTROL_STOP, &status);
}

static BOOL call_say_stopped(SC_HANDLE s, DWORD exit_code)
{
    SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_SHARE_PROCESS,
                             .dwCurrentState = SERVICE_STOPPED,
                             .dwWin32ExitCode = exit_code};
    return SetServiceStatus((SERVICE_STATUS_HANDLE)s, &status);
}

static BOOL call_accept_stop(SC_HANDLE s, DWORD unused)
{
    SERVICE_STATUS status;
    (void)unused;
    if (!QueryServiceStatus(s, &status) || status.dwCurrentState != SERVICE_RUNNING)
        return FALSE;
    status.dwControlsAccepted = SERVICE_ACCEPT_STOP;
    return SetServiceStatus((SERVICE_STATUS_HANDLE)s, &status);
}

unsigned winsvc_set_start_type(const char *name, const char *depends, unsigned start_type)
{
    SC_HANDLE s = open_service(name, SERVICE_CHANGE_CONFIG);
    if (!s)
        return GetLastError();
    wchar_t *list = double_null(depends);
    unsigned code = ChangeServiceConfigW(s, SERVICE_NO_CHANGE, start_type, SERVICE_NO_CHANGE, NULL,
                                         NULL, NULL, list, NULL, NULL, NULL)
                        ? 0
                        : GetLastError();
    free(list);
    CloseServiceHandle(s);
    return code;
}

unsigned winsvc_start(const char *name)
{
    unsigned code;
    uint64_t start = clock_boot_ms();
    do {
        code = with_service(name, SERVICE_START, call_start, 0);
        if (code != ERROR_SERVICE_DATABASE_LOCKED)
            return code;
        Sleep(RETRY_MS);
    } while (clock_boot_ms() - start < RETRY_FOR_MS);
    return code;
}

unsigned winsvc_stop(const char *name)
{
    return with_service(name, SERVICE_STOP, call_stop, 0);
}

unsigned winsvc_say_stopped(const char *name, unsigned exit_code)
{
    return with_service(name, SET_STATUS, call_say_stopped, exit_code);
}

/* From the registry, where the manager keeps it: Wine's QueryServiceConfig tells of none. */
void winsvc_depends(const char *name, char *out, size_t size_bytes)
{
    char path[LIST_MAX];
    wchar_t list[LIST_MAX];
    DWORD size = sizeof list;
    struct text text = {0};
    snprintf(path, sizeof path, "SYSTEM\\CurrentControlSet\\Services\\%s", name);
    wchar_t *key = sys_wide(path);
    bool found = key && RegGetValueW(HKEY_LOCAL_MACHINE, key, L"DependOnService",
                                     RRF_RT_REG_MULTI_SZ, NULL, list, &size) == ERROR_SUCCESS;
    free(key);
    for (const wchar_t *at = list; found && *at; at += wcslen(at) + 1) {
        char *one = sys_utf8(at);
        text_addf(&text, "%s%s", text.len ? " " : "", one ? one : "");
        free(one);
    }
    text_copy(out, size_bytes, text_get(&text));
    text_reset(&text);
}

static bool is_driver(const struct winsvc_row *row)
{
    return row->type & (SERVICE_KERNEL_DRIVER | SERVICE_FILE_SYSTEM_DRIVER);
}

/* As the manager does before a start: what is being stopped cannot be depended on. */
static unsigned start_one(const char *name)
{
    struct winsvc_row row;
    bool started = false;
    for (;; Sleep(RETRY_MS)) {
        if (winsvc_query(name, &row))
            return WIN32_DEPENDENCY_FAIL;
        if (is_driver(&row) || row.state == SERVICE_RUNNING)
            return 0;
        if (row.state == SERVICE_STOP_PENDING || (row.state == SERVICE_STOPPED && started))
            return WIN32_DEPENDENCY_FAIL;
        if (row.state != SERVICE_STOPPED)
            continue;
        unsigned code = winsvc_start(name);
        if (code && code != ERROR_SERVICE_ALREADY_RUNNING)
            return WIN32_DEPENDENCY_FAIL;
        started = true;
    }
}

unsigned winsvc_start_needed(const char *name)
{
    char list[LIST_MAX], *rest = list, *one;
    winsvc_depends(name, list, sizeof list);
    while ((one = words_next(&rest, " "))) {
        unsigned code = *one ? start_one(one) : 0;
        if (code)
            return code;
    }
    return 0;
}

struct search {
    const char *name;
    bool found;
};

static void look_at(const char *service, void *arg)
{
    struct search *search = arg;
    struct winsvc_row row;
    char list[LIST_MAX], *rest = list, *one;
    winsvc_depends(service, list, sizeof list);
    while ((one = words_next(&rest, " "))) {
        if (text_equal_nocase(one, search->name) && winsvc_query(service, &row) == 0 &&
            (row.state == SERVICE_RUNNING || row.state == SERVICE_START_PENDING))
            search->found = true;
    }
}

bool winsvc_needed(const struct settings *settings, const char *name)
{
    struct search search = {.name = name};
    look_at("W3SVC", &search);
    settings_each(settings, "service", look_at, &search);
    return search.found;
}

void winsvc_release(const struct settings *settings, const char *name)
{
    char list[LIST_MAX], *rest = list, *one;
    winsvc_depends(name, list, sizeof list);
    while ((one = words_next(&rest, " "))) {
        if (*one && !winsvc_needed(settings, one))
            with_service(one, SET_STATUS | SERVICE_QUERY_STATUS, call_accept_stop, 0);
    }
}
