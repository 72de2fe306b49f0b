/* own_services.c - see own_services.h. */
#include "tests/windows/own_services.h"

#include "common/must.h"
#include "common/sys_win32.h"

#include <stdbool.h>
#include <stdlib.h>
#include <wchar.h>

static SERVICE_STATUS_HANDLE handle;
static HANDLE stopped;

static void report(DWORD state)
{
    SERVICE_STATUS status = {
        .dwServiceType = SERVICE_WIN32_OWN_PROCESS,
        .dwCurrentState = state,
        .dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP : 0,
        .dwWaitHint = state == SERVICE_STOP_PENDING ? 60000 : 0,
    };
    SetServiceStatus(handle, &status);
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context)
{
    (void)type, (void)data, (void)context;
    if (control != SERVICE_CONTROL_STOP)
        return NO_ERROR;
    report(SERVICE_STOP_PENDING);
    HANDLE stuck = OpenEventW(SYNCHRONIZE, FALSE, OWN_SERVICES_STUCK);
    if (!stuck)
        SetEvent(stopped);
    sys_close(&stuck);
    return NO_ERROR;
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
    (void)argc;
    stopped = CreateEventW(NULL, TRUE, FALSE, NULL);
    handle = RegisterServiceCtrlHandlerExW(argv[0], on_control, NULL);
    report(SERVICE_START_PENDING);
    report(SERVICE_RUNNING);
    WaitForSingleObject(stopped, INFINITE);
    report(SERVICE_STOPPED);
}

int own_services_serve(void)
{
    wchar_t name[] = L"";
    const SERVICE_TABLE_ENTRYW table[] = {{name, service_main}, {NULL, NULL}};
    return StartServiceCtrlDispatcherW(table) ? 0 : 1;
}

static void make_service(SC_HANDLE manager, const wchar_t *name, DWORD start,
                         const wchar_t *depends)
{
    wchar_t self[MAX_PATH], command[MAX_PATH + 32];
    GetModuleFileNameW(NULL, self, MAX_PATH);
    swprintf(command, MAX_PATH + 32, L"\"%ls\" --service", self);
    SC_HANDLE service =
        CreateServiceW(manager, name, name, SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS, start,
                       SERVICE_ERROR_IGNORE, command, NULL, NULL, depends, NULL, NULL);
    must(service != NULL || GetLastError() == ERROR_SERVICE_EXISTS);
    if (service)
        CloseServiceHandle(service);
}

void own_services_make(void)
{
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CREATE_SERVICE);
    must(manager != NULL);
    make_service(manager, L"WAS", SERVICE_DEMAND_START, NULL);
    make_service(manager, L"W3SVC", SERVICE_DEMAND_START, L"WAS\0");
    make_service(manager, L"NetTcpActivator", SERVICE_DEMAND_START, L"WAS\0");
    make_service(manager, L"Bystander", SERVICE_DEMAND_START, NULL);
    CloseServiceHandle(manager);
}
