/* guardian_win32.c - see guardian.h: out of the agent's job, console and life.
 *
 * Never through process_run(), whose job ends what is in it. The guardian is started detached, and
 * says that it stands by through an event whose name only the order tells. A job that the agent
 * itself was put into is left where that job allows it (CREATE_BREAKAWAY_FROM_JOB, winbase.h).
 */
#include "agent/guardian.h"

#include "common/command_line.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>

#define STAND_MS   10000
#define PATH_UNITS 32768
#define NAME_ROOM  80

static void name_event(const struct guardian_order *order, wchar_t out[NAME_ROOM])
{
    _snwprintf(out, NAME_ROOM, L"Local\\farmhand-guardian-%hs", order->id);
    out[NAME_ROOM - 1] = L'\0';
}

/* This program, in UTF-8; NULL and err. */
static char *find_program(struct error *err)
{
    wchar_t *path = must_alloc(PATH_UNITS, sizeof(*path));
    DWORD len = GetModuleFileNameW(NULL, path, PATH_UNITS);
    char *utf8 = len > 0 && len < PATH_UNITS ? sys_utf8_len(path, len) : NULL;
    free(path);
    if (!utf8)
        sys_error(err, GetLastError(), "this program's own path");
    return utf8;
}

/* Nothing is inherited: no handle of the agent's may live on in it. */
static BOOL create(const wchar_t *line, DWORD flags, PROCESS_INFORMATION *out)
{
    STARTUPINFOW startup = {.cb = sizeof(startup)};
    wchar_t system[MAX_PATH];
    UINT len = GetSystemDirectoryW(system, MAX_PATH);
    wchar_t *own = _wcsdup(line); /* CreateProcessW may write into it */
    BOOL made = own && CreateProcessW(NULL, own, NULL, NULL, FALSE, flags, NULL,
                                      len > 0 && len < MAX_PATH ? system : NULL, &startup, out);
    DWORD number = GetLastError();
    free(own);
    SetLastError(number);
    return made;
}

static enum error_code create_detached(const wchar_t *line, HANDLE *process, struct error *err)
{
    const DWORD flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
    PROCESS_INFORMATION made;
    if (!create(line, flags | CREATE_BREAKAWAY_FROM_JOB, &made) && !create(line, flags, &made))
        return sys_error(err, GetLastError(), "the guardian cannot be started");
    CloseHandle(made.hThread);
    *process = made.hProcess;
    return ERR_NONE;
}

static enum error_code wait_until_it_stands(HANDLE stands, HANDLE process, struct error *err)
{
    HANDLE either[2] = {stands, process};
    DWORD exit_code = 0;
    switch (WaitForMultipleObjects(2, either, FALSE, STAND_MS)) {
    case WAIT_OBJECT_0:
        return ERR_NONE;
    case WAIT_OBJECT_0 + 1:
        GetExitCodeProcess(process, &exit_code);
        return error_set(err, ERR_IO, "the guardian ended with %lu", (unsigned long)exit_code);
    default:
        TerminateProcess(process, 1);
        return error_set(err, ERR_TIMEOUT, "the guardian does not stand by after %d s",
                         STAND_MS / 1000);
    }
}

static enum error_code start_line(const wchar_t *line, const struct guardian_order *order,
                                  struct error *err)
{
    wchar_t name[NAME_ROOM];
    HANDLE process = NULL;
    name_event(order, name);
    HANDLE stands = CreateEventW(NULL, TRUE, FALSE, name);
    if (!stands)
        return sys_error(err, GetLastError(), "the guardian's event");
    enum error_code code = create_detached(line, &process, err);
    if (code == ERR_NONE)
        code = wait_until_it_stands(stands, process, err);
    sys_close(&process);
    sys_close(&stands);
    return code;
}

enum error_code guardian_start(const char *order_path, const struct guardian_order *order,
                               struct error *err)
{
    struct text line = {0};
    char *program = find_program(err);
    if (!program)
        return ERR_IO;
    const char *const argv[] = {program, "guardian", order_path, NULL};
    wchar_t *wide = command_line_add(&line, argv) ? sys_wide(line.data) : NULL;
    enum error_code code = wide ? start_line(wide, order, err)
                                : error_set(err, ERR_INVALID, "%s cannot be told", order_path);
    free(wide);
    text_reset(&line);
    free(program);
    return code;
}

/* It was started outside of everything already. */
int guardian_leave(int *exit_code, struct error *err)
{
    (void)exit_code, (void)err;
    return 0;
}

void guardian_stands(const struct guardian_order *order)
{
    wchar_t name[NAME_ROOM];
    name_event(order, name);
    HANDLE stands = OpenEventW(EVENT_MODIFY_STATE, FALSE, name);
    if (stands)
        SetEvent(stands);
    sys_close(&stands);
}
