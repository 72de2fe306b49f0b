/* process_win32.c - see process.h.
 *
 * A child starts suspended, is put into a job that dies with its handle, and only then runs: what
 * it starts in turn is in the job too, and nothing is left behind, not even if we are killed. It
 * inherits the three handles that are named to CreateProcessW, and no other of this program's,
 * whichever threads start children at the same time. Its exit code has 32 bits: exit_fd_env is not
 * needed.
 *
 * The output is kept as it comes. Which code page it is in is known to the one who reads it
 * (codepage.h).
 */
#include "common/process.h"

#include "common/clock.h"
#include "common/command_line.h"
#include "common/must.h"
#include "common/os.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REST_OF_OUTPUT_MS 500 /* for what is still in the pipe after the child has ended */
#define REAP_MS           5000
#define PIECE             16384
#define LONGEST_WAIT_MS   60000
#define COMMAND_LINE_MAX  32767 /* units; source: CreateProcessW */

struct run {
    const struct process_call *call;
    HANDLE job, process, thread;
    HANDLE output;      /* our end of the pipe; NULL at its end */
    OVERLAPPED reading; /* of the read under way; its event is set when it is done */
    bool is_reading;
    char piece[PIECE];
    uint64_t started_ms, deadline_ms;
    struct text text;
};

/* ---- what the child gets ---- */

/* A pipe that we can read with a deadline (anonymous ones cannot be). Its name cannot be foreseen,
 * and nobody else can be the first to open it: one instance, of this machine. */
static DWORD make_pipe(HANDLE *ours, HANDLE *childs)
{
    uint8_t random[16];
    wchar_t name[80] = L"\\\\.\\pipe\\farmhand-";
    if (os_random(random, sizeof(random), NULL))
        return ERROR_GEN_FAILURE;
    wchar_t *at = name + wcslen(name);
    for (size_t i = 0; i < sizeof(random); i++) {
        *at++ = L"0123456789abcdef"[random[i] >> 4];
        *at++ = L"0123456789abcdef"[random[i] & 15];
    }
    *ours = CreateNamedPipeW(
        name, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, 65536, 65536,
        0, NULL);
    if (*ours == INVALID_HANDLE_VALUE) {
        *ours = NULL;
        return GetLastError();
    }
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof(inherited), .bInheritHandle = TRUE};
    *childs = CreateFileW(name, GENERIC_WRITE, 0, &inherited, OPEN_EXISTING, 0, NULL);
    if (*childs != INVALID_HANDLE_VALUE)
        return 0;
    *childs = NULL;
    return GetLastError();
}

static DWORD open_null(HANDLE *out)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof(inherited), .bInheritHandle = TRUE};
    *out = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                       &inherited, OPEN_EXISTING, 0, NULL);
    if (*out != INVALID_HANDLE_VALUE)
        return 0;
    *out = NULL;
    return GetLastError();
}

/* A job that ends with its last handle, ours. */
static DWORD make_job(HANDLE *out)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    *out = CreateJobObjectW(NULL, NULL);
    if (*out &&
        SetInformationJobObject(*out, JobObjectExtendedLimitInformation, &limits, sizeof(limits)))
        return 0;
    return GetLastError();
}

static bool same_name(const wchar_t *entry, const wchar_t *other)
{
    /* Names of Windows' own such as "=C:" begin with the sign. */
    const wchar_t *end = wcschr(entry + 1, L'='), *other_end = wcschr(other + 1, L'=');
    size_t len = end ? (size_t)(end - entry) : wcslen(entry);
    size_t other_len = other_end ? (size_t)(other_end - other) : wcslen(other);
    return CompareStringOrdinal(entry, (int)len, other, (int)other_len, TRUE) == CSTR_EQUAL;
}

static bool is_replaced(const wchar_t *entry, wchar_t *const *added, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_name(entry, added[i]))
            return true;
    return false;
}

static void add_entry(struct text *block, const wchar_t *entry)
{
    text_add_bytes(block, entry, (wcslen(entry) + 1) * sizeof(*entry));
}

/* Our environment with the additions, as CreateProcessW takes it; free() it. NULL: an addition is
 * not valid UTF-8. */
static wchar_t *build_environment(const char *const *env)
{
    size_t count = 0;
    while (env && env[count])
        count++;
    wchar_t **added = must_alloc(count, sizeof(*added));
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        added[i] = sys_wide(env[i]);
        good = good && added[i];
    }
    struct text block = {0};
    wchar_t *ours = GetEnvironmentStringsW();
    for (const wchar_t *entry = ours; good && entry && *entry; entry += wcslen(entry) + 1)
        if (!is_replaced(entry, added, count))
            add_entry(&block, entry);
    for (size_t i = 0; good && i < count; i++)
        add_entry(&block, added[i]);
    add_entry(&block, L"");
    FreeEnvironmentStringsW(ours);
    for (size_t i = 0; i < count; i++)
        free(added[i]);
    free(added);
    if (good)
        return (wchar_t *)(void *)text_take(&block);
    text_reset(&block);
    return NULL;
}

/* ---- starting ---- */

/* A batch file is run by cmd.exe, which takes the line apart by rules of its own: no quoting of
 * ours would be safe. */
static bool is_batch(const char *path)
{
    size_t len = strlen(path);
    return len >= 4 && (text_equal_nocase(path + len - 4, ".bat") ||
                        text_equal_nocase(path + len - 4, ".cmd"));
}

static enum error_code build_line(const struct process_call *call, wchar_t **out, struct error *err)
{
    struct text line = {0};
    const char *path = call->argv[0];
    enum error_code code = ERR_NONE;
    if (call->input || call->cancel_fd > 0)
        return error_set(err, ERR_UNAVAILABLE, "cannot start %s with input on Windows", path);
    if (is_batch(path))
        return error_set(err, ERR_DENIED, "cannot start %s: a batch file reads its arguments anew, "
                         "name the program that it would start", path);
    if (!command_line_add(&line, call->argv))
        code = error_set(err, ERR_INVALID, "cannot start %s: its name holds a quote", path);
    wchar_t *wide = code ? NULL : sys_wide(line.data);
    if (!code && !wide)
        code = error_set(err, ERR_INVALID, "cannot start %s: an argument is not valid UTF-8", path);
    if (!code && wcslen(wide) >= COMMAND_LINE_MAX)
        code = error_set(err, ERR_INVALID, "cannot start %s: its arguments are longer than %d", path,
                         COMMAND_LINE_MAX);
    text_reset(&line);
    if (code)
        free(wide);
    else
        *out = wide;
    return code;
}

/* The child's standard handles, and nothing else, are inherited. The list must live until the
 * process was made. 0 or an error number; free() *out after DeleteProcThreadAttributeList. */
static DWORD name_handles(HANDLE *list, size_t count, LPPROC_THREAD_ATTRIBUTE_LIST *out)
{
    SIZE_T size = 0;
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    *out = must_alloc(size, 1);
    if (!InitializeProcThreadAttributeList(*out, 1, 0, &size)) {
        DWORD number = GetLastError(); /* before free() may change it */
        free(*out);
        *out = NULL;
        return number;
    }
    if (UpdateProcThreadAttribute(*out, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list,
                                  count * sizeof(*list), NULL, NULL))
        return 0;
    return GetLastError();
}

static DWORD create(struct run *run, const wchar_t *path, wchar_t *line, wchar_t *environment,
                    HANDLE null, HANDLE output)
{
    HANDLE inherited[] = {null, output};
    STARTUPINFOEXW start = {.StartupInfo = {.cb = sizeof(start),
                                            .dwFlags = STARTF_USESTDHANDLES,
                                            .hStdInput = null,
                                            .hStdOutput = output,
                                            .hStdError = null}};
    PROCESS_INFORMATION made = {0};
    DWORD number = name_handles(inherited, 2, &start.lpAttributeList);
    if (number == 0 &&
        !CreateProcessW(path, line, NULL, NULL, TRUE,
                        CREATE_SUSPENDED | CREATE_NO_WINDOW | CREATE_UNICODE_ENVIRONMENT |
                            EXTENDED_STARTUPINFO_PRESENT,
                        environment, NULL, &start.StartupInfo, &made))
        number = GetLastError();
    if (start.lpAttributeList)
        DeleteProcThreadAttributeList(start.lpAttributeList);
    free(start.lpAttributeList);
    run->process = made.hProcess;
    run->thread = made.hThread;
    return number;
}

/* Into the job, then go. A child that is in no job does not run. */
static DWORD let_go(struct run *run)
{
    DWORD number = 0;
    if (!AssignProcessToJobObject(run->job, run->process) ||
        ResumeThread(run->thread) == (DWORD)-1)
        number = GetLastError();
    if (number != 0)
        TerminateProcess(run->process, 1);
    sys_close(&run->thread);
    return number;
}

static DWORD start_with(struct run *run, const wchar_t *path, wchar_t *line, wchar_t *environment)
{
    HANDLE null = NULL, output = NULL;
    DWORD number = make_job(&run->job);
    if (number == 0)
        number = make_pipe(&run->output, &output);
    if (number == 0)
        number = open_null(&null);
    if (number == 0)
        number = create(run, path, line, environment, null, output);
    sys_close(&null);
    sys_close(&output);
    if (number == 0)
        number = let_go(run);
    return number;
}

static enum error_code start(struct run *run, struct error *err)
{
    const struct process_call *call = run->call;
    wchar_t *line = NULL;
    enum error_code code = build_line(call, &line, err);
    if (code)
        return code;
    wchar_t *path = sys_wide(call->argv[0]);
    wchar_t *environment = build_environment(call->env);
    if (!environment)
        code = error_set(err, ERR_INVALID, "cannot start %s: a variable is not valid UTF-8",
                         call->argv[0]);
    DWORD number = code ? 0 : start_with(run, path, line, environment);
    if (number != 0)
        code = sys_error(err, number, "cannot start %s", call->argv[0]);
    free(environment);
    free(path);
    free(line);
    return code;
}

/* ---- while it runs ---- */

/* Begins a read, unless one is under way or the pipe has ended. */
static void begin_read(struct run *run)
{
    if (!run->output || run->is_reading)
        return;
    ResetEvent(run->reading.hEvent);
    run->is_reading = ReadFile(run->output, run->piece, PIECE, NULL, &run->reading) ||
                      GetLastError() == ERROR_IO_PENDING;
    if (!run->is_reading)
        sys_close(&run->output); /* ERROR_BROKEN_PIPE: the last writer has closed it */
}

/* Takes what a read has brought, without waiting. False: more than the limit came. */
static bool read_output(struct run *run)
{
    DWORD got;
    for (begin_read(run); run->is_reading; begin_read(run)) {
        if (!GetOverlappedResult(run->output, &run->reading, &got, FALSE)) {
            if (GetLastError() == ERROR_IO_INCOMPLETE)
                return true;
            run->is_reading = false;
            sys_close(&run->output);
            return true;
        }
        run->is_reading = false;
        bool fits = got <= run->call->output_max_bytes - run->text.len;
        if (fits)
            text_add_bytes(&run->text, run->piece, got);
        if (run->call->secret)
            text_wipe(run->piece, got);
        if (!fits)
            return false;
    }
    return true;
}

static bool has_ended(const struct run *run)
{
    return WaitForSingleObject(run->process, 0) == WAIT_OBJECT_0;
}

/* Waits for output, the child's end or the deadline, whichever comes first. */
static void wait_for_news(const struct run *run, bool ended, uint64_t deadline_ms)
{
    HANDLE news[2];
    DWORD count = 0;
    if (run->is_reading)
        news[count++] = run->reading.hEvent;
    if (!ended)
        news[count++] = run->process;
    uint64_t now = clock_boot_ms();
    uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
    DWORD most = (DWORD)(left < LONGEST_WAIT_MS ? left : LONGEST_WAIT_MS);
    if (count > 0)
        WaitForMultipleObjects(count, news, FALSE, most);
    else
        Sleep(most);
}

/* Reads until the child has ended and its output too, or ERR_TIMEOUT, ERR_NOMEM. */
static enum error_code watch(struct run *run, struct error *err)
{
    uint64_t deadline_ms = run->deadline_ms;
    bool ended_before = false;
    for (;;) {
        bool ended = has_ended(run); /* before reading, so that what it wrote last is seen */
        if (!read_output(run))
            return error_set(err, ERR_NOMEM, "%s printed more than %zu bytes and was killed",
                             run->call->argv[0], run->call->output_max_bytes);
        if (ended && !run->output)
            return ERR_NONE;
        uint64_t now = clock_boot_ms();
        if (ended && !ended_before && now + REST_OF_OUTPUT_MS < deadline_ms)
            deadline_ms = now + REST_OF_OUTPUT_MS;
        ended_before = ended;
        if (now >= deadline_ms && ended)
            return ERR_NONE; /* a descendant holds stdout open; the child itself is done */
        if (now >= deadline_ms)
            return error_set(err, ERR_TIMEOUT,
                             "%s did not end within %" PRIu64 " ms and was killed",
                             run->call->argv[0], run->call->timeout_ms);
        wait_for_news(run, ended, deadline_ms);
    }
}

/* ---- at the end ---- */

/* Ends whoever of the job is left, and waits until the child is gone: killing takes a moment. */
static void end(struct run *run)
{
    if (run->job)
        TerminateJobObject(run->job, 1);
    if (run->process)
        WaitForSingleObject(run->process, REAP_MS);
    if (run->is_reading) {
        DWORD got;
        CancelIoEx(run->output, &run->reading);
        GetOverlappedResult(run->output, &run->reading, &got, TRUE);
        run->is_reading = false;
    }
}

static enum error_code conclude(struct run *run, struct process_result *out, struct error *err)
{
    DWORD exit_code;
    if (!GetExitCodeProcess(run->process, &exit_code))
        return sys_error(err, GetLastError(), "cannot read the exit code of %s", run->call->argv[0]);
    *out = (struct process_result){
        .exit_code = exit_code,
        .output_len = run->text.len,
        .elapsed_ms = clock_boot_ms() - run->started_ms,
    };
    out->output = text_take(&run->text);
    return ERR_NONE;
}

static void release(struct run *run)
{
    sys_close(&run->output);
    sys_close(&run->process);
    sys_close(&run->job);
    sys_close(&run->reading.hEvent);
    if (run->call->secret) {
        text_wipe(run->piece, sizeof(run->piece));
        if (run->text.data)
            text_wipe(run->text.data, run->text.cap);
    }
    text_reset(&run->text);
    free(run);
}

enum error_code process_run(const struct process_call *call, struct process_result *out,
                            struct error *err)
{
    must(call->argv && call->argv[0] && call->timeout_ms > 0);
    struct run *run = must_alloc(1, sizeof(*run));
    run->call = call;
    run->reading.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    must(run->reading.hEvent != NULL);
    run->started_ms = clock_boot_ms();
    run->deadline_ms = call->timeout_ms < UINT64_MAX - run->started_ms
                           ? run->started_ms + call->timeout_ms
                           : UINT64_MAX;
    if (call->secret) { /* growing would leave what was there before in freed memory */
        run->text.cap = call->output_max_bytes + 1;
        run->text.data = must_alloc(run->text.cap, 1);
    }
    enum error_code code = start(run, err);
    if (!code)
        code = watch(run, err);
    if (!code)
        code = conclude(run, out, err);
    end(run);
    release(run);
    return code;
}
