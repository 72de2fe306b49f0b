/* dump_win32.c - see dump.h.
 *
 * The threads of the process are suspended by this process while MiniDumpWriteDump works, and
 * resumed by it when it returns: it is asked to give up (CancelCallback), never killed.
 */
#include "agent/drivers/dump.h"

#include "agent/drivers/guard_win32.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/sys_win32.h"

#include <dbghelp.h>
#include <inttypes.h>
#include <psapi.h>
#include <sddl.h>
#include <stdlib.h>

/* SYSTEM and Administrators alone, nothing inherited. */
#define OWNERS L"D:P(A;;FA;;;SY)(A;;FA;;;BA)"

#define SMALL_BYTES ((uint64_t)64 << 20) /* room for a dump without memory */
#define GRACE_MS    10000                /* for MiniDumpWriteDump to notice that it is to give up */

struct dump_call {
    struct guard_call call;
    HANDLE process, file;
    DWORD pid;
    struct driver_dump_limits limits;
    uint64_t until_ms;
    bool too_late, too_large;
    wchar_t *path;
};

/* ---- while it is written ---- */

static bool give_up(struct dump_call *call)
{
    LARGE_INTEGER size;
    if (clock_boot_ms() >= call->until_ms)
        call->too_late = true;
    if (GetFileSizeEx(call->file, &size) && (uint64_t)size.QuadPart > call->limits.max_bytes)
        call->too_large = true;
    return call->too_late || call->too_large;
}

static BOOL CALLBACK on_step(void *arg, MINIDUMP_CALLBACK_INPUT *input,
                             MINIDUMP_CALLBACK_OUTPUT *output)
{
    struct dump_call *call = arg;
    if (input->CallbackType == CancelCallback) {
        output->Cancel = give_up(call);
        output->CheckCancel = TRUE;
    }
    /* A whole dump asks about each region, and without this word it would end there. Source:
     * MINIDUMP_CALLBACK_OUTPUT. */
    if (input->CallbackType == IncludeVmRegionCallback)
        output->Continue = TRUE;
    /* TRUE to these two says that there is another region to add, or to leave out */
    return input->CallbackType != MemoryCallback && input->CallbackType != RemoveMemoryCallback;
}

static uint32_t run(struct guard_call *base)
{
    struct dump_call *call = (struct dump_call *)base;
    MINIDUMP_CALLBACK_INFORMATION steps = {on_step, call};
    MINIDUMP_TYPE type =
        MiniDumpWithThreadInfo | MiniDumpWithUnloadedModules | MiniDumpWithHandleData |
        (call->limits.full ? MiniDumpWithFullMemory | MiniDumpWithFullMemoryInfo : MiniDumpNormal);
    bool good =
        MiniDumpWriteDump(call->process, call->pid, call->file, type, NULL, NULL, &steps) != FALSE;
    DWORD number = GetLastError();
    give_up(call); /* where it was not asked in between */
    return good ? ERROR_SUCCESS : number ? number : ERROR_GEN_FAILURE;
}

static void release(struct guard_call *base)
{
    struct dump_call *call = (struct dump_call *)base;
    sys_close(&call->file);
    sys_close(&call->process);
    free(call->path);
    free(call);
}

/* ---- before ---- */

static enum error_code open_process(struct dump_call *call, uint64_t created, struct error *err)
{
    FILETIME born, ended, kernel, user;
    BOOL is_32_bit = FALSE;
    call->process = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ | PROCESS_DUP_HANDLE,
                                FALSE, call->pid);
    if (!call->process) {
        DWORD number = GetLastError();
        return number == ERROR_INVALID_PARAMETER
                   ? error_set(err, ERR_NOT_FOUND, "process %lu is gone", call->pid)
                   : sys_error(err, number, "process %lu", call->pid);
    }
    if (GetProcessTimes(call->process, &born, &ended, &kernel, &user) &&
        sys_filetime(born) != created)
        return error_set(err, ERR_NOT_FOUND, "process %lu is another one now", call->pid);
    if (IsWow64Process(call->process, &is_32_bit) && is_32_bit)
        return error_set(err, ERR_UNAVAILABLE,
                         "process %lu is a 32-bit one: it needs a 32-bit dumper", call->pid);
    return ERR_NONE;
}

/* What a whole dump takes is what the process has committed. */
static enum error_code check_room(const struct dump_call *call, const char *path, struct error *err)
{
    PROCESS_MEMORY_COUNTERS memory = {.cb = sizeof(memory)};
    ULARGE_INTEGER available;
    wchar_t *folder = sys_path(path, err);
    if (!folder)
        return ERR_INVALID;
    wchar_t *slash = wcsrchr(folder, L'\\');
    if (slash)
        slash[1] = L'\0';
    bool known = slash && GetDiskFreeSpaceExW(folder, &available, NULL, NULL);
    DWORD number = GetLastError();
    free(folder);
    if (!known)
        return sys_error(err, number, "%s", path);
    uint64_t needed = SMALL_BYTES;
    if (call->limits.full && GetProcessMemoryInfo(call->process, &memory, sizeof(memory)))
        needed += memory.PagefileUsage > memory.WorkingSetSize ? memory.PagefileUsage
                                                               : memory.WorkingSetSize;
    if (call->limits.full && needed - SMALL_BYTES > call->limits.max_bytes)
        return error_set(err, ERR_FULL,
                         "the process has %" PRIu64 " MB, and a dump may have %" PRIu64 " MB",
                         (needed - SMALL_BYTES) >> 20, call->limits.max_bytes >> 20);
    if (available.QuadPart < call->limits.keep_free_bytes + needed)
        return error_set(err, ERR_FULL,
                         "%" PRIu64 " MB are free, a dump needs %" PRIu64 " MB and %" PRIu64
                         " MB must stay free",
                         (uint64_t)available.QuadPart >> 20, needed >> 20,
                         call->limits.keep_free_bytes >> 20);
    return ERR_NONE;
}

static enum error_code open_file(struct dump_call *call, const char *path, struct error *err)
{
    SECURITY_ATTRIBUTES security = {.nLength = sizeof(security)};
    call->path = sys_path(path, err);
    if (!call->path)
        return ERR_INVALID;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(OWNERS, SDDL_REVISION_1,
                                                              &security.lpSecurityDescriptor, NULL))
        return sys_error(err, GetLastError(), "rights of %s", path);
    /* share DELETE, so that a dump that hangs can be taken away */
    call->file = CreateFileW(call->path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_DELETE, &security,
                             CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD number = GetLastError();
    LocalFree(security.lpSecurityDescriptor);
    if (call->file != INVALID_HANDLE_VALUE)
        return ERR_NONE;
    call->file = NULL;
    return number == ERROR_FILE_EXISTS ? error_set(err, ERR_EXISTS, "%s is there already", path)
                                       : sys_error(err, number, "%s", path);
}

/* ---- the whole ---- */

static enum error_code judge(const struct dump_call *call, uint32_t number, struct error *err)
{
    if (call->too_large)
        return error_set(err, ERR_FULL, "the dump grew above %" PRIu64 " MB",
                         call->limits.max_bytes >> 20);
    if (call->too_late)
        return error_set(err, ERR_TIMEOUT, "the dump took longer than %" PRIu64 " ms",
                         call->limits.timeout_ms);
    if (number != ERROR_SUCCESS)
        return error_set(err, ERR_IO, "MiniDumpWriteDump of process %lu failed with %08" PRIX32,
                         call->pid, number);
    return ERR_NONE;
}

static enum error_code write_dump(struct dump_call *call, uint64_t *out_bytes, struct error *err)
{
    LARGE_INTEGER size = {0};
    uint32_t number;
    wchar_t *path = _wcsdup(call->path);
    call->until_ms = clock_boot_ms() + call->limits.timeout_ms;
    enum error_code code = guard_run(&call->call, call->limits.timeout_ms + GRACE_MS,
                                     "MiniDumpWriteDump", &number, err);
    if (code) { /* the call is the other thread's now */
        DeleteFileW(path);
        free(path);
        return code;
    }
    code = judge(call, number, err);
    GetFileSizeEx(call->file, &size);
    release(&call->call);
    if (code)
        DeleteFileW(path);
    else
        *out_bytes = (uint64_t)size.QuadPart;
    free(path);
    return code;
}

enum error_code dump_process(uint32_t pid, uint64_t created, const char *path,
                             const struct driver_dump_limits *limits, uint64_t *out_bytes,
                             struct error *err)
{
    struct dump_call *call = must_alloc(1, sizeof(*call));
    call->call = (struct guard_call){run, release};
    call->pid = pid;
    call->limits = *limits;
    enum error_code code = open_process(call, created, err);
    if (!code)
        code = check_room(call, path, err);
    if (!code)
        code = open_file(call, path, err);
    if (!code)
        return write_dump(call, out_bytes, err);
    release(&call->call);
    return code;
}
