/* scm_facts_win32.c - see scm_facts.h. */
#include "agent/drivers/scm_facts.h"

#include "agent/drivers/counters_win32.h"
#include "agent/drivers/scm_machine.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>
#include <winver.h>

#define CONFIG_BYTES 8192 /* the most that QueryServiceConfig2 gives */

/* LocalSystem's token is elevated as well. Source: GetTokenInformation, TokenElevation. */
static void tell_elevation(driver_each_fact *each, void *arg)
{
    HANDLE token = NULL;
    TOKEN_ELEVATION elevation = {0};
    DWORD bytes = 0;
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token) &&
        GetTokenInformation(token, TokenElevation, &elevation, sizeof(elevation), &bytes))
        each(arg, "", "elevated", elevation.TokenIsElevated ? "yes" : "no");
    sys_close(&token);
}

static void tell_version(const char *appcmd, driver_each_fact *each, void *arg)
{
    wchar_t *path = sys_wide(appcmd);
    DWORD ignored, bytes = path ? GetFileVersionInfoSizeW(path, &ignored) : 0;
    void *info = bytes ? must_alloc(1, bytes) : NULL;
    VS_FIXEDFILEINFO *fixed;
    UINT len;
    char text[48];
    if (info && GetFileVersionInfoW(path, 0, bytes, info) &&
        VerQueryValueW(info, L"\\", (void **)&fixed, &len) && len >= sizeof(*fixed)) {
        text_format(text, sizeof(text), "%u.%u.%u.%u", HIWORD(fixed->dwFileVersionMS),
                    LOWORD(fixed->dwFileVersionMS), HIWORD(fixed->dwFileVersionLS),
                    LOWORD(fixed->dwFileVersionLS));
        each(arg, "", "appcmd.version", text);
    }
    free(info);
    free(path);
}

static const char *action_name(SC_ACTION_TYPE type)
{
    switch (type) {
    case SC_ACTION_NONE:
        return "none";
    case SC_ACTION_RESTART:
        return "restart";
    case SC_ACTION_REBOOT:
        return "reboot";
    case SC_ACTION_RUN_COMMAND:
        return "run";
    default:
        return "other";
    }
}

static void tell_actions(SC_HANDLE manager, const wchar_t *name, const char *key,
                         driver_each_fact *each, void *arg)
{
    SC_HANDLE service = OpenServiceW(manager, name, SERVICE_QUERY_CONFIG);
    SERVICE_FAILURE_ACTIONSW *actions = must_alloc(1, CONFIG_BYTES);
    struct text text = {0};
    DWORD missing;
    if (service && QueryServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS, (BYTE *)actions,
                                        CONFIG_BYTES, &missing)) {
        for (DWORD i = 0; i < actions->cActions; i++)
            text_addf(&text, "%s%s", i ? " " : "", action_name(actions->lpsaActions[i].Type));
        each(arg, "", key, actions->cActions ? text_get(&text) : "none");
    }
    if (service)
        CloseServiceHandle(service);
    text_reset(&text);
    free(actions);
}

#define COUNTERS_MS 5000

static void tell_instances(driver_each_fact *each, void *arg)
{
    char others[256];
    if (counters_others(COUNTERS_MS, others, sizeof(others), NULL) == ERR_NONE)
        each(arg, "", "answer.instances", *others ? others : "none");
}

/* NT5DS: from the domain; NTP: from servers of its own; NoSync: from nobody. Source: "Windows Time
 * service tools and settings". */
#define TIME L"SYSTEM\\CurrentControlSet\\Services\\W32Time\\Parameters"

static void tell_clock(SC_HANDLE manager, driver_each_fact *each, void *arg)
{
    wchar_t wide[64] = L"";
    DWORD bytes = sizeof(wide);
    SERVICE_STATUS status;
    SC_HANDLE service = OpenServiceW(manager, L"W32Time", SERVICE_QUERY_STATUS);
    bool runs =
        service && QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_RUNNING;
    if (service)
        CloseServiceHandle(service);
    each(arg, "", "clock.service", runs ? "running" : "not running");
    if (RegGetValueW(HKEY_LOCAL_MACHINE, TIME, L"Type", RRF_RT_REG_SZ, NULL, wide, &bytes) !=
        ERROR_SUCCESS)
        return;
    char *source = sys_utf8(wide);
    if (source)
        each(arg, "", "clock.source", source);
    free(source);
}

static void tell_machine(driver_each_fact *each, void *arg)
{
    struct scm_machine machine;
    scm_machine_read(&machine);
    each(arg, "", "reboot.renames", machine.renames ? "yes" : "no");
}

void scm_facts(const char *appcmd, driver_each_fact *each, void *arg)
{
    tell_elevation(each, arg);
    tell_version(appcmd, each, arg);
    tell_machine(each, arg);
    tell_instances(each, arg);
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    if (!manager)
        return;
    tell_actions(manager, L"WAS", "WAS.failure", each, arg);
    tell_actions(manager, L"W3SVC", "W3SVC.failure", each, arg);
    tell_clock(manager, each, arg);
    CloseServiceHandle(manager);
}

void scm_on_death(const char *service, char *out, size_t size_bytes)
{
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT), one = NULL;
    wchar_t *name = sys_wide(service);
    SERVICE_FAILURE_ACTIONSW *actions = must_alloc(1, CONFIG_BYTES);
    DWORD missing, found = 0;
    text_copy(out, size_bytes, "");
    if (manager && name)
        one = OpenServiceW(manager, name, SERVICE_QUERY_CONFIG);
    if (one && QueryServiceConfig2W(one, SERVICE_CONFIG_FAILURE_ACTIONS, (BYTE *)actions,
                                    CONFIG_BYTES, &missing)) {
        while (found < actions->cActions && actions->lpsaActions[found].Type == SC_ACTION_NONE)
            found++;
        if (found < actions->cActions)
            text_copy(out, size_bytes, action_name(actions->lpsaActions[found].Type));
    }
    if (one)
        CloseServiceHandle(one);
    if (manager)
        CloseServiceHandle(manager);
    free(actions);
    free(name);
}
