/* service_win32.c - see service.h.
 *
 *      START_PENDING --service_ready--> RUNNING --stop, preshutdown, shutdown--> STOP_PENDING
 *            |                             |                                         |
 *            +------------ the program returns, whatever the state ------------> STOPPED
 *
 * The main thread waits in the dispatcher, where the manager's controls arrive; the program runs in
 * the thread that the dispatcher starts. Controls are accepted from RUNNING on: before, the program
 * could not be woken. Every word to the manager goes through report(), which counts checkpoints.
 *
 * Source: "Service State Transitions", "SetServiceStatus", "HandlerEx", "HandlerRoutine".
 */
#include "common/service.h"

#include "common/log.h"
#include "common/log_system_win32.h"
#include "common/must.h"
#include "common/program.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define START_HINT_MS 60000 /* a journal that is checked, a slow disk after a boot */
#define STOP_HINT_MS  30000
#define CLOSE_WAIT_MS 10000 /* Windows ends a console program 5 s after its window was closed */

struct program {
    const struct service_name *name;
    int argc;
    char **argv;
    int (*run)(int argc, char **argv);
};

static struct {
    struct program program;
    SERVICE_STATUS_HANDLE manager; /* NULL: on a console */
    SRWLOCK lock;                  /* of status */
    SERVICE_STATUS status;
    void (*_Atomic wake)(void *arg);
    void *wake_arg; /* set before wake */
    atomic_bool stopping, shutting_down;
} g_service = {.lock = SRWLOCK_INIT};

/* ---- what the manager is told ---- */

static bool is_pending(DWORD state)
{
    return state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;
}

/* The one place that changes the state. exit_code is ours, told as a service-specific error. */
static void report(DWORD state, DWORD hint_ms, int exit_code)
{
    AcquireSRWLockExclusive(&g_service.lock);
    SERVICE_STATUS *status = &g_service.status;
    bool again = status->dwCurrentState == state;
    bool possible = status->dwCurrentState != SERVICE_STOPPED || status->dwServiceType == 0;
    if (g_service.manager && possible) {
        status->dwServiceType = SERVICE_WIN32_OWN_PROCESS;
        status->dwCurrentState = state;
        status->dwControlsAccepted =
            state == SERVICE_RUNNING
                ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PRESHUTDOWN
                : 0;
        status->dwCheckPoint = !is_pending(state) ? 0 : again ? status->dwCheckPoint + 1 : 1;
        status->dwWaitHint = is_pending(state) ? hint_ms : 0;
        status->dwWin32ExitCode = exit_code ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR;
        status->dwServiceSpecificExitCode = (DWORD)exit_code;
        SetServiceStatus(g_service.manager, status);
    }
    ReleaseSRWLockExclusive(&g_service.lock);
}

static DWORD current_state(void)
{
    AcquireSRWLockShared(&g_service.lock);
    DWORD state = g_service.status.dwCurrentState;
    ReleaseSRWLockShared(&g_service.lock);
    return state;
}

/* ---- being told to stop ---- */

/* false: it was asked for before. */
static bool ask_to_stop(const char *by, bool shutdown)
{
    if (shutdown)
        atomic_store(&g_service.shutting_down, true);
    if (atomic_exchange(&g_service.stopping, true))
        return false;
    log_info("stop_requested", LOG_TEXT("by", by));
    void (*wake)(void *arg) = atomic_load(&g_service.wake);
    if (wake)
        wake(g_service.wake_arg);
    return true;
}

static const char *control_name(DWORD control)
{
    switch (control) {
    case SERVICE_CONTROL_STOP:
        return "stop";
    case SERVICE_CONTROL_SHUTDOWN:
        return "shutdown";
    case SERVICE_CONTROL_PRESHUTDOWN:
        return "preshutdown";
    default:
        return NULL;
    }
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *arg)
{
    (void)type, (void)data, (void)arg;
    if (control == SERVICE_CONTROL_INTERROGATE)
        return NO_ERROR;
    const char *by = control_name(control);
    if (!by)
        return ERROR_CALL_NOT_IMPLEMENTED;
    report(SERVICE_STOP_PENDING, STOP_HINT_MS, 0);
    ask_to_stop(by, control != SERVICE_CONTROL_STOP);
    return NO_ERROR;
}

/* Runs in a thread of its own. The second Ctrl-C ends at once (FALSE: Windows' own handler does
 * it); after a closed window or a shutdown the process lives no longer than this call. */
static BOOL WINAPI on_console(DWORD event)
{
    bool interrupt = event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
    bool first = ask_to_stop(interrupt ? "ctrl-c" : "console", event == CTRL_SHUTDOWN_EVENT);
    if (interrupt)
        return first;
    Sleep(CLOSE_WAIT_MS); /* the program's end comes first, if all goes well */
    return TRUE;
}

enum error_code service_start(void (*wake)(void *arg), void *arg, struct error *err)
{
    must(atomic_load(&g_service.wake) == NULL); /* once per process */
    g_service.wake_arg = arg;
    atomic_store(&g_service.wake, wake);
    if (!g_service.manager && !SetConsoleCtrlHandler(on_console, TRUE))
        return sys_error(err, GetLastError(), "cannot wait for Ctrl-C");
    return ERR_NONE;
}

bool service_stopping(void)
{
    return atomic_load(&g_service.stopping);
}

bool service_shutting_down(void)
{
    return atomic_load(&g_service.shutting_down);
}

void service_ready(void)
{
    if (current_state() == SERVICE_START_PENDING)
        report(SERVICE_RUNNING, 0, 0);
}

void service_progress(unsigned within_ms)
{
    DWORD state = current_state();
    if (is_pending(state))
        report(state, within_ms, 0);
}

/* ---- running ---- */

/* Not ExitProcess: it waits for locks that other threads may hold for ever. */
static _Noreturn void leave(int end)
{
    fflush(NULL);
    program_end();
    TerminateProcess(GetCurrentProcess(), (UINT)end);
    abort();
}

/* false: said in the event log, since the directory of the log is what is wrong. */
static bool prepare(const struct service_name *name)
{
    struct error err = {0};
    enum error_code code = name->prepare ? name->prepare(name, &err) : ERR_NONE;
    log_system_start(name, code == ERR_NONE);
    if (code)
        log_error("service_refused", LOG_TEXT("error", err.text));
    else if (name->settle && name->settle(name, &err))
        log_warn("service_settings", LOG_TEXT("error", err.text));
    return code == ERR_NONE;
}

static void WINAPI run_as_service(DWORD argc, wchar_t **argv)
{
    (void)argc, (void)argv; /* of StartService: whoever may start us shall not steer us */
    const struct program *program = &g_service.program;
    wchar_t *name = sys_wide(program->name->name);
    g_service.manager = RegisterServiceCtrlHandlerExW(name, on_control, NULL);
    DWORD number = GetLastError();
    free(name);
    if (!g_service.manager) { /* nobody could stop us, nor would ever hear that we run */
        prepare(program->name);
        log_error("service_refused", LOG_TEXT("error", "the service manager does not take the "
                                                       "handler of its controls"),
                  LOG_UINT("number", number));
        leave(EXIT_FAILURE);
    }
    report(SERVICE_START_PENDING, START_HINT_MS, 0);
    int end = prepare(program->name) ? program->run(program->argc, program->argv) : EXIT_FAILURE;
    if (end != 0)
        log_error("service_ended", LOG_INT("exit", end), LOG_TEXT("log_dir", program->name->log_dir));
    report(SERVICE_STOPPED, 0, end);
    leave(end);
}

static _Noreturn void dispatch(const struct service_name *name)
{
    wchar_t *wide = sys_wide(name->name);
    SERVICE_TABLE_ENTRYW table[] = {{wide, run_as_service}, {NULL, NULL}};
    if (StartServiceCtrlDispatcherW(table))
        Sleep(INFINITE); /* it comes back when STOPPED was told: the other thread is about to end us */
    fprintf(stderr,
            "%s: --service is for the service manager alone (error %lu). Without it the program "
            "runs on this console.\n",
            name->display, (unsigned long)GetLastError());
    leave(EXIT_FAILURE);
}

_Noreturn void service_run(const struct service_name *name, int argc, char **argv,
                           int (*program)(int argc, char **argv))
{
    bool managed = argc > 1 && text_equal(argv[1], "--service");
    if (!managed)
        leave(program(argc, argv));
    argv[1] = argv[0]; /* the program does not see the word */
    g_service.program =
        (struct program){.name = name, .argc = argc - 1, .argv = argv + 1, .run = program};
    dispatch(name);
}
