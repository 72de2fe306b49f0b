/* guardian_win32.c - see guardian.h: out of the agent's job, console and life.
 *
 * There is no fork: the process that was started starts another one like itself, with the name of
 * an event in its environment, and waits until that event is set. A job that kills its processes at
 * its end is left where it allows that (CREATE_BREAKAWAY_FROM_JOB, winbase.h).
 */
#include "agent/guardian.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

#define STAND_MS  8000
#define EVENT_ENV L"FARMHAND_GUARDIAN_EVENT"
#define NAME_ROOM 64

static enum error_code system_error(struct error *err, const char *what)
{
    return error_set(err, ERR_IO, "%s: Windows error %lu", what, GetLastError());
}

enum error_code guardian_program(char *out, size_t size_bytes, struct error *err)
{
    wchar_t path[4096];
    DWORD len = GetModuleFileNameW(NULL, path, 4096);
    if (len == 0 || len == 4096)
        return system_error(err, "this program's own path");
    if (WideCharToMultiByte(CP_UTF8, 0, path, -1, out, (int)size_bytes, NULL, NULL) == 0)
        return system_error(err, "this program's own path");
    return ERR_NONE;
}

static BOOL start_again(DWORD flags, PROCESS_INFORMATION *out)
{
    STARTUPINFOW startup = {.cb = sizeof(startup)};
    wchar_t *line = _wcsdup(GetCommandLineW()); /* CreateProcessW may write into it */
    BOOL good =
        line && CreateProcessW(NULL, line, NULL, NULL, FALSE, flags, NULL, NULL, &startup, out);
    free(line);
    return good;
}

int guardian_leave(int *exit_code, struct error *err)
{
    wchar_t name[NAME_ROOM];
    if (GetEnvironmentVariableW(EVENT_ENV, name, NAME_ROOM) > 0)
        return 0; /* the second one */
    _snwprintf(name, NAME_ROOM, L"Local\\farmhand-guardian-%lu", GetCurrentProcessId());
    HANDLE stands = CreateEventW(NULL, TRUE, FALSE, name);
    if (!stands || !SetEnvironmentVariableW(EVENT_ENV, name)) {
        system_error(err, "the guardian's event");
        return -1;
    }
    const DWORD flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP | CREATE_UNICODE_ENVIRONMENT;
    PROCESS_INFORMATION process;
    if (!start_again(flags | CREATE_BREAKAWAY_FROM_JOB, &process) &&
        !start_again(flags, &process)) {
        system_error(err, "the guardian's process");
        CloseHandle(stands);
        return -1;
    }
    HANDLE either[2] = {stands, process.hProcess};
    DWORD which = WaitForMultipleObjects(2, either, FALSE, STAND_MS);
    *exit_code = which == WAIT_OBJECT_0 ? EXIT_SUCCESS : EXIT_FAILURE;
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    CloseHandle(stands);
    return 1;
}

void guardian_stands(void)
{
    wchar_t name[NAME_ROOM];
    if (GetEnvironmentVariableW(EVENT_ENV, name, NAME_ROOM) == 0)
        return;
    HANDLE stands = OpenEventW(EVENT_MODIFY_STATE, FALSE, name);
    if (stands) {
        SetEvent(stands);
        CloseHandle(stands);
    }
}
