/* lab_child_win32.c - see lab_os.h: child processes, and those of a server's folder. */
#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/lab_os_win32.h"

#include "common/command_line.h"
#include "common/must.h"
#include "common/os.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>

#define CHILDREN_MAX 512
#define HANDED_MAX   4
#define KILLED_CODE  137 /* what this file kills with; as a Linux shell would tell it */

struct child {
    HANDLE process, wait;
    DWORD pid;
};

static struct child children[CHILDREN_MAX];
static size_t child_count;
static void (*child_wake)(void *arg);
static void *child_wake_arg;

void lab_os_on_child_end(void (*wake)(void *arg), void *arg)
{
    child_wake = wake;
    child_wake_arg = arg;
}

/* ---- who ---- */

static uint64_t created_of(HANDLE process)
{
    FILETIME created, ended, kernel, user;
    return GetProcessTimes(process, &created, &ended, &kernel, &user) ? sys_filetime(created) : 0;
}

uint64_t lab_os_created(uint32_t pid)
{
    HANDLE h = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, pid);
    if (!h)
        return 0;
    uint64_t created = WaitForSingleObject(h, 0) == WAIT_TIMEOUT ? created_of(h) : 0;
    CloseHandle(h);
    return created;
}

struct lab_id lab_os_self(void)
{
    return (struct lab_id){GetCurrentProcessId(), created_of(GetCurrentProcess())};
}

/* ---- starting ---- */

static wchar_t *wide_line(const char *const *argv)
{
    struct text line = {0};
    wchar_t *wide = command_line_add(&line, argv) ? sys_wide(text_get(&line)) : NULL;
    text_reset(&line);
    return wide;
}

static HANDLE open_null(DWORD access)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    return CreateFileW(L"NUL", access, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited,
                       OPEN_EXISTING, 0, NULL);
}

/* A copy that children may have. */
static HANDLE lent(HANDLE h)
{
    HANDLE copy = NULL, self = GetCurrentProcess();
    if (h && h != INVALID_HANDLE_VALUE)
        DuplicateHandle(self, h, self, &copy, 0, TRUE, DUPLICATE_SAME_ACCESS);
    return copy;
}

enum { STREAM_IN, STREAM_OUT, STREAM_ERROR, STREAM_COUNT };

/* An inherited socket is none to Wine's Winsock. So what is handed over is duplicated for the child
 * once it exists, and the description of it is the first thing on its standard input. */
struct start {
    HANDLE streams[STREAM_COUNT];
    HANDLE hand_over; /* the other end of its input; NULL: nothing is handed over */
    STARTUPINFOEXW info;
};

static bool prepare(struct start *s, bool hands_over)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    SIZE_T size = 0;
    if (!hands_over)
        s->streams[STREAM_IN] = open_null(GENERIC_READ);
    else if (CreatePipe(&s->streams[STREAM_IN], &s->hand_over, &inherited, 0))
        SetHandleInformation(s->hand_over, HANDLE_FLAG_INHERIT, 0);
    s->streams[STREAM_OUT] = open_null(GENERIC_WRITE);
    s->streams[STREAM_ERROR] = lent(GetStdHandle(STD_ERROR_HANDLE));
    if (!s->streams[STREAM_ERROR])
        s->streams[STREAM_ERROR] = open_null(GENERIC_WRITE);
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    s->info.lpAttributeList = must_alloc(1, size);
    s->info.StartupInfo = (STARTUPINFOW){.cb = sizeof s->info,
                                         .dwFlags = STARTF_USESTDHANDLES,
                                         .hStdInput = s->streams[STREAM_IN],
                                         .hStdOutput = s->streams[STREAM_OUT],
                                         .hStdError = s->streams[STREAM_ERROR]};
    return InitializeProcThreadAttributeList(s->info.lpAttributeList, 1, 0, &size) &&
           UpdateProcThreadAttribute(s->info.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                     s->streams, sizeof s->streams, NULL, NULL);
}

static void clean(struct start *s)
{
    DeleteProcThreadAttributeList(s->info.lpAttributeList);
    free(s->info.lpAttributeList);
    for (int i = 0; i < STREAM_COUNT; i++)
        sys_close(&s->streams[i]);
    sys_close(&s->hand_over);
}

static bool hand_over(const struct start *s, DWORD pid, const int *keep, size_t keep_count)
{
    for (size_t i = 0; i < keep_count; i++) {
        WSAPROTOCOL_INFOW info;
        DWORD written = 0;
        if (WSADuplicateSocketW((SOCKET)keep[i], pid, &info) != 0 ||
            !WriteFile(s->hand_over, &info, sizeof info, &written, NULL) || written != sizeof info)
            return false;
    }
    return true;
}

static void CALLBACK ended(void *arg, BOOLEAN timed_out)
{
    (void)arg;
    (void)timed_out;
    if (child_wake)
        child_wake(child_wake_arg);
}

static void remember(HANDLE process, DWORD pid)
{
    must(child_count < CHILDREN_MAX);
    struct child *c = &children[child_count++];
    *c = (struct child){.process = process, .pid = pid};
    RegisterWaitForSingleObject(&c->wait, process, ended, NULL, INFINITE,
                                WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD);
}

/* Without a console: Wine would start a process for each. */
bool lab_os_spawn(const char *const *argv, const int *keep, size_t keep_count, bool detach,
                  uint32_t *pid, struct error *err)
{
    struct start s = {0};
    PROCESS_INFORMATION child;
    must(keep_count <= HANDED_MAX);
    wchar_t *program = sys_path(argv[0], err), *line = program ? wide_line(argv) : NULL;
    bool ok = line && prepare(&s, keep_count > 0);
    DWORD flags = DETACHED_PROCESS | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT |
                  (detach ? CREATE_NEW_PROCESS_GROUP : 0);
    if (ok)
        ok = CreateProcessW(program, line, NULL, NULL, TRUE, flags, NULL, NULL, &s.info.StartupInfo,
                            &child);
    if (!ok)
        sys_error(err, GetLastError(), "start %s", argv[0]);
    else if (!hand_over(&s, child.dwProcessId, keep, keep_count))
        TerminateProcess(child.hProcess, LAB_EXIT_FAILED); /* its end is told like any other */
    if (s.info.lpAttributeList)
        clean(&s);
    free(program);
    free(line);
    if (!ok)
        return false;
    CloseHandle(child.hThread);
    remember(child.hProcess, child.dwProcessId);
    *pid = child.dwProcessId;
    return true;
}

static SOCKET take_next(void)
{
    WSAPROTOCOL_INFOW info;
    DWORD got = 0;
    if (!ReadFile(GetStdHandle(STD_INPUT_HANDLE), &info, sizeof info, &got, NULL) ||
        got != sizeof info)
        return INVALID_SOCKET;
    return WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                      WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
}

int lab_os_handed(size_t i)
{
    static int taken[HANDED_MAX];
    static size_t count;
    must(i < HANDED_MAX);
    while (count <= i)
        taken[count++] = (int)take_next();
    return taken[i];
}

/* ---- ending ---- */

/* Codes that the lab's programs end with by themselves: done, usage, failed, crashed on purpose.
 * High ones are those of exceptions; any other was given by whoever killed it. */
static void judge(struct lab_end *end, DWORD code)
{
    bool own = code == 0 || code == 2 || code == LAB_EXIT_FAILED || code == 255;
    end->code = (int)code;
    end->aborted = !own;
    end->killed = !own && code < 0xC0000000u;
}

bool lab_os_reap(struct lab_end *out)
{
    for (size_t i = 0; i < child_count; i++) {
        struct child c = children[i];
        DWORD code = 0;
        if (WaitForSingleObject(c.process, 0) != WAIT_OBJECT_0)
            continue;
        GetExitCodeProcess(c.process, &code);
        UnregisterWaitEx(c.wait, NULL);
        CloseHandle(c.process);
        children[i] = children[--child_count];
        out->pid = c.pid;
        judge(out, code);
        return true;
    }
    return false;
}

void lab_os_reap_all(void)
{
    struct lab_end end;
    for (int i = 0; i < 200 && child_count; i++) {
        if (!lab_os_reap(&end))
            Sleep(5);
    }
}

static DWORD WINAPI wait_for_power(void *arg)
{
    WSAPOLLFD p = {.fd = (SOCKET)(uintptr_t)arg, .events = POLLRDNORM};
    while (WSAPoll(&p, 1, -1) <= 0)
        ;
    TerminateProcess(GetCurrentProcess(),
                     LAB_EXIT_FAILED); /* no destructors, which the others could hold up */
    return 0;
}

void lab_os_end_with(int power_fd)
{
    HANDLE thread = CreateThread(NULL, 0, wait_for_power, (void *)(uintptr_t)power_fd, 0, NULL);
    must(thread != NULL);
    CloseHandle(thread);
}

void lab_os_sleep_ms(uint64_t ms)
{
    Sleep((DWORD)ms);
}

int lab_os_exit_code(unsigned code)
{
    return (int)code;
}

void lab_os_many_files(void)
{
}

void lab_os_no_core(void)
{
}

/* Windows has no such thing as inheriting children: whoever must know of one waits for its handle.
 */
void lab_os_adopt_orphans(void)
{
}

void lab_os_suspend(uint32_t pid, bool yes)
{
    typedef LONG(WINAPI * act_on)(HANDLE process);
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    FARPROC found = GetProcAddress(ntdll, yes ? "NtSuspendProcess" : "NtResumeProcess");
    act_on act;
    HANDLE h = OpenProcess(PROCESS_SUSPEND_RESUME, FALSE, pid);
    memcpy(&act, &found, sizeof act);
    if (h && act)
        act(h);
    sys_close(&h);
}

static bool lies_in(HANDLE process, const char *folder)
{
    wchar_t wide[LAB_PATH_MAX];
    DWORD size = LAB_PATH_MAX;
    if (!QueryFullProcessImageNameW(process, 0, wide, &size))
        return false;
    for (DWORD i = 0; i < size; i++) {
        if (wide[i] == L'\\')
            wide[i] = L'/';
    }
    char *path = sys_utf8(wide);
    size_t len = strlen(folder);
    bool in = path && strlen(path) > len && path[len] == '/' && !strchr(path + len + 1, '/');
    if (in) {
        path[len] = '\0';
        in = text_equal_nocase(path, folder);
    }
    free(path);
    return in;
}

static bool kill_in(DWORD pid, const char *folder)
{
    DWORD rights = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE | SYNCHRONIZE;
    HANDLE h = OpenProcess(rights, FALSE, pid);
    bool killed = h && WaitForSingleObject(h, 0) == WAIT_TIMEOUT && lies_in(h, folder) &&
                  TerminateProcess(h, KILLED_CODE);
    sys_close(&h);
    return killed;
}

unsigned lab_os_kill_folder(const char *folder)
{
    PROCESSENTRY32W entry = {.dwSize = sizeof entry};
    unsigned killed = 0;
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    for (BOOL more = Process32FirstW(all, &entry); more; more = Process32NextW(all, &entry)) {
        if (entry.th32ProcessID && entry.th32ProcessID != GetCurrentProcessId())
            killed += kill_in(entry.th32ProcessID, folder);
    }
    sys_close(&all);
    return killed;
}
