/* hosted_win32.c - services of Windows' own manager, in the process it has started.
 *
 * The manager calls service_main() in a thread of its own for each service of the process. Windows
 * has one process for all that share one; Wine 8 starts one for each. So the process of the first
 * service is the host, and the thread of every service, wherever it runs, connects to that host's
 * inetsrv/host.sock: it passes on what the manager wants, and tells the manager what the host
 * reports. lab-sc gets the same reports, by control.sock, for the truth; when that connection
 * breaks, it knows that the process has ended, which Wine does not notice.
 *
 * What Wine's manager leaves out is done here: a start first starts what the service depends on,
 * and no stop is accepted while others run that depend on it.
 */
#include "tests/lab/base/hosted_internal.h"
#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/win32.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/lab/base/winsvc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX    9
#define CONNECT_MS   20000
#define POLL_MS      20
#define WAIT_HINT_MS 3000
#define LOOK_MS      100 /* how soon it is seen whether it may be stopped */

/* The side of one service that speaks to the manager. */
struct side {
    const char *name;
    SERVICE_STATUS_HANDLE status;
    SERVICE_STATUS told; /* last */
    CRITICAL_SECTION lock;
    int host_fd, desk_fd; /* -1: not connected */
    struct settings *settings;
    struct buffer in;
};

/* A process has one place among the services, and service_main() gets no argument. */
static struct {
    const char *dir;
    const char *names[NAMES_MAX];
    size_t count;
    HANDLE host_wanted; /* the service of the host was started here */
    HANDLE listens;     /* host.sock can be connected to */
    int listener, power_fd;
    struct hosted *hosted;
} process;

/* ---- to the manager ---- */

/* Not while others need it, nor while the fault service-refuses-stop is on. */
static bool may_stop(struct side *s)
{
    return !fault_on(s->settings, "service-refuses-stop", s->name) &&
           !winsvc_needed(s->settings, s->name);
}

static void tell(struct side *s, DWORD state, DWORD checkpoint, DWORD hint_ms, DWORD code)
{
    EnterCriticalSection(&s->lock);
    bool accepts = state == SERVICE_RUNNING && may_stop(s);
    s->told = (SERVICE_STATUS){.dwServiceType = SERVICE_WIN32_SHARE_PROCESS,
                               .dwCurrentState = state,
                               .dwControlsAccepted = accepts ? SERVICE_ACCEPT_STOP : 0,
                               .dwCheckPoint = checkpoint,
                               .dwWaitHint = hint_ms,
                               .dwWin32ExitCode = code};
    SetServiceStatus(s->status, &s->told);
    LeaveCriticalSection(&s->lock);
}

/* What others do, and faults, may change that while it runs. */
static void look_again(struct side *s)
{
    EnterCriticalSection(&s->lock);
    bool accepted = s->told.dwControlsAccepted != 0;
    if (s->told.dwCurrentState == SERVICE_RUNNING && may_stop(s) != accepted)
        tell(s, SERVICE_RUNNING, 0, 0, 0);
    LeaveCriticalSection(&s->lock);
}

/* ---- to lab-sc ---- */

static void note(struct side *s, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!socket_put(s->desk_fd, text, strlen(text)) || !socket_put(s->desk_fd, "\n", 1))
        TerminateProcess(GetCurrentProcess(), LAB_EXIT_FAILED); /* the power is off */
    free(text);
}

static void note_word(struct side *s, const char *op)
{
    struct lab_id self = lab_os_self();
    note(s, json_pack("{s:s, s:s, s:I, s:I}", "op", op, "service", s->name, "pid",
                      (json_int_t)self.pid, "created", (json_int_t)self.created));
}

static bool open_desk(struct side *s)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/control.sock", process.dir);
    s->desk_fd = socket_connect_local(path, NULL);
    if (s->desk_fd >= 0)
        note_word(s, "present");
    return s->desk_fd >= 0;
}

/* ---- to the host ---- */

static void control_host(struct side *s, const char *word)
{
    char line[256];
    int len =
        snprintf(line, sizeof line, "{\"control\":\"%s\",\"service\":\"%s\"}\n", word, s->name);
    socket_put(s->host_fd, line, (size_t)len);
}

/* Wine's manager gives a process one stop in its life, so it must be taken: what may not be stopped
 * does not accept the control in the first place. */
static void stop_asked(struct side *s)
{
    note_word(s, "stop");
    tell(s, SERVICE_STOP_PENDING, 1, WAIT_HINT_MS, 0);
    winsvc_release(s->settings, s->name);
    control_host(s, "stop");
}

static DWORD WINAPI control(DWORD what, DWORD event, void *data, void *context)
{
    (void)event;
    (void)data;
    if (what == SERVICE_CONTROL_STOP || what == SERVICE_CONTROL_SHUTDOWN)
        stop_asked(context);
    return NO_ERROR;
}

static bool open_host(struct side *s)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/inetsrv/%s.host", process.dir, process.names[0]);
    for (uint64_t start = clock_boot_ms(); clock_boot_ms() - start < CONNECT_MS; Sleep(POLL_MS)) {
        s->host_fd = socket_connect_local(path, NULL);
        if (s->host_fd >= 0)
            return true;
    }
    return false;
}

static DWORD number(const json_t *o, const char *key)
{
    return (DWORD)json_integer_value(json_object_get(o, key));
}

/* One report of the host. lab-sc hears of it first: who sees the state may ask for the truth. */
static bool reported(struct side *s, const char *text, size_t len)
{
    json_t *o = json_loadb(text, len, 0, NULL);
    must(json_is_object(o));
    DWORD state = number(o, "state");
    note(s, json_incref(o));
    tell(s, state, number(o, "checkpoint"), number(o, "wait_hint_ms"), number(o, "exit_code"));
    json_decref(o);
    return state != SERVICE_STOPPED;
}

/* False: the service has stopped. */
static bool take_reports(struct side *s)
{
    bool lives = true;
    for (char *end;
         lives && s->in.len && (end = memchr(s->in.data + s->in.start, '\n', s->in.len));) {
        size_t len = (size_t)(end - (s->in.data + s->in.start));
        lives = reported(s, s->in.data + s->in.start, len);
        buffer_skip(&s->in, len + 1);
    }
    return lives;
}

static void relay(struct side *s)
{
    char chunk[4096];
    control_host(s, "start");
    for (;;) {
        long n = socket_take(s->host_fd, chunk, sizeof chunk, LOOK_MS);
        if (n == 0) /* the host has died, and this process with it */
            TerminateProcess(GetCurrentProcess(), LAB_EXIT_FAILED);
        if (n < 0) {
            look_again(s);
            continue;
        }
        buffer_add(&s->in, chunk, (size_t)n);
        if (!take_reports(s))
            return;
    }
}

static struct side *side_of(const wchar_t *service)
{
    char *name = sys_utf8(service);
    for (size_t i = 0; name && i < process.count; i++) {
        if (!text_equal_nocase(process.names[i], name))
            continue;
        struct side *s = must_alloc(1, sizeof *s);
        s->name = process.names[i];
        s->host_fd = s->desk_fd = -1;
        s->settings = settings_open(process.dir, NULL);
        InitializeCriticalSection(&s->lock);
        free(name);
        return s;
    }
    free(name);
    return NULL;
}

/* Whether it came to run; the manager is told in any case. */
static void serve(struct side *s)
{
    unsigned code = winsvc_start_needed(s->name);
    if (code) {
        note(s, json_pack("{s:s, s:i, s:i}", "service", s->name, "state", SERVICE_STOPPED,
                          "exit_code", (int)code));
        tell(s, SERVICE_STOPPED, 0, 0, code);
        return;
    }
    if (s->name == process.names[0]) {
        SetEvent(process.host_wanted);
        WaitForSingleObject(process.listens, INFINITE);
    }
    if (!open_host(s)) {
        fprintf(stderr, "lab: %s: its host does not answer\n", s->name);
        TerminateProcess(GetCurrentProcess(), LAB_EXIT_FAILED);
    }
    relay(s);
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
    struct side *s = argc ? side_of(argv[0]) : NULL;
    if (!s || !s->settings)
        return;
    s->status = RegisterServiceCtrlHandlerExW(argv[0], control, s);
    tell(s, SERVICE_START_PENDING, 1, WAIT_HINT_MS, 0);
    if (open_desk(s))
        serve(s);
    else
        tell(s, SERVICE_STOPPED, 0, 0, WIN32_REQUEST_TIMEOUT); /* no power */
    if (s->host_fd >= 0)
        socket_close(s->host_fd);
    if (s->desk_fd >= 0)
        socket_close(s->desk_fd);
}

/* ---- the process ---- */

static DWORD WINAPI dispatch(void *arg)
{
    SERVICE_TABLE_ENTRYW *table = arg;
    if (!StartServiceCtrlDispatcherW(table)) {
        fprintf(stderr, "lab: the service manager starts this program, nobody else\n");
        TerminateProcess(GetCurrentProcess(), 2);
    }
    /* Every service of this process has stopped. The host has its own end, when all of its lines
     * are closed; a stand-in has nothing else to do. */
    if (WaitForSingleObject(process.host_wanted, 0) != WAIT_OBJECT_0)
        TerminateProcess(GetCurrentProcess(), 0);
    return 0;
}

bool hosted_begin(const char *server_dir, const char *const *names, size_t count, struct error *err)
{
    static SERVICE_TABLE_ENTRYW table[NAMES_MAX + 1];
    char path[LAB_PATH_MAX + 32];
    must(count < NAMES_MAX);
    process.dir = must_copy(server_dir);
    process.count = count;
    for (size_t i = 0; i < count; i++) {
        process.names[i] = must_copy(names[i]);
        table[i] = (SERVICE_TABLE_ENTRYW){sys_wide(names[i]), service_main};
    }
    snprintf(path, sizeof path, "%s/lab.log", server_dir);
    if (!lab_os_stderr_to(path, err))
        return false;
    process.host_wanted = CreateEventW(NULL, TRUE, FALSE, NULL);
    process.listens = CreateEventW(NULL, TRUE, FALSE, NULL);
    HANDLE thread = CreateThread(NULL, 0, dispatch, table, 0, NULL);
    must(thread && process.host_wanted && process.listens);
    WaitForSingleObject(process.host_wanted, INFINITE); /* a stand-in waits until its end */
    return true;
}

static void accept_ready(unsigned events, void *arg)
{
    (void)events;
    (void)arg;
    for (int fd; (fd = socket_accept(process.listener)) >= 0;)
        hosted_line(process.hosted, fd);
}

bool hosted_connect(struct hosted *h, struct error *err)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/control.sock", process.dir);
    h->power_fd = socket_connect_local(path, err);
    if (h->power_fd < 0)
        return false;
    snprintf(path, sizeof path, "%s/inetsrv/%s.host", process.dir, process.names[0]);
    process.hosted = h;
    process.listener = socket_listen_local(path, err);
    if (process.listener < 0)
        return false;
    loop_watch(h->loop, process.listener, LOOP_READ, accept_ready, NULL);
    SetEvent(process.listens);
    return true;
}
