/* child_win32.c - see child.h. */
#include "coordinator/cli/child.h"

#include "common/command_line.h"
#include "common/sys_win32.h"

#include <stdlib.h>

/* Added to our own environment, which the child inherits: there is nothing else here that reads it
 * afterwards. */
static enum error_code add_env(const char *const *env, struct error *err)
{
    for (; *env; env++) {
        wchar_t *wide = sys_wide(*env);
        wchar_t *equals = wide ? wcschr(wide, L'=') : NULL;
        if (!equals) {
            free(wide);
            return error_set(err, ERR_INVALID, "%s is no variable", *env);
        }
        *equals = L'\0';
        BOOL set = SetEnvironmentVariableW(wide, equals + 1);
        free(wide);
        if (!set)
            return sys_error(err, GetLastError(), "setting %s", *env);
    }
    return ERR_NONE;
}

/* The console sends Ctrl-C to the child as well. */
static BOOL WINAPI ignore_ctrl(DWORD kind)
{
    return kind == CTRL_C_EVENT || kind == CTRL_BREAK_EVENT;
}

static enum error_code start(char *const *argv, PROCESS_INFORMATION *out, struct error *err)
{
    struct text line = {0};
    STARTUPINFOW how = {.cb = sizeof(how)};
    bool good = command_line_add(&line, (const char *const *)argv);
    wchar_t *wide = good ? sys_wide(text_get(&line)) : NULL;
    text_reset(&line);
    if (!wide)
        return error_set(err, ERR_INVALID, "%s: not a command", argv[0]);
    BOOL started = CreateProcessW(NULL, wide, NULL, NULL, TRUE, 0, NULL, NULL, &how, out);
    DWORD number = GetLastError();
    free(wide);
    return started ? ERR_NONE : sys_error(err, number, "%s could not be started", argv[0]);
}

enum error_code child_run(char *const *argv, const char *const *env, int *exit_code,
                          struct error *err)
{
    PROCESS_INFORMATION child = {0};
    DWORD ended = 1;
    enum error_code code = add_env(env, err);
    SetConsoleCtrlHandler(ignore_ctrl, TRUE);
    code = code ? code : start(argv, &child, err);
    if (!code) {
        WaitForSingleObject(child.hProcess, INFINITE);
        GetExitCodeProcess(child.hProcess, &ended);
        sys_close(&child.hProcess);
        sys_close(&child.hThread);
        *exit_code = (int)ended;
    }
    SetConsoleCtrlHandler(ignore_ctrl, FALSE);
    return code;
}
