/* os_process_win32.c - see os.h: the processes of this machine.
 *
 * The list comes from a toolhelp snapshot, which tells names without a path; each that fits is then
 * read through one handle, so that a pid that is used again meanwhile cannot mix two processes into
 * one. The command line stands in the process's own memory, below its environment block: Windows
 * has no call for another process's. Source: "PEB", "RTL_USER_PROCESS_PARAMETERS" (winternl.h).
 */
#include "common/os.h"

#include "common/command_line.h"
#include "common/must.h"
#include "common/sys_win32.h"

#include <inttypes.h>
#include <psapi.h>
#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>
#include <winternl.h>

#define PATH_UNITS_MAX 32768
#define ARGUMENTS_MAX  ((size_t)128 << 10) /* bytes; Windows allows 64 KiB */

/* ---- one process, through its handle ---- */

/* Workers run as identities of their own, whose processes an administrator may open with
 * SeDebugPrivilege alone. */
static HANDLE open_process(uint32_t pid, DWORD access)
{
    static volatile LONG enabled;
    if (InterlockedExchange(&enabled, 1) == 0)
        sys_enable(L"SeDebugPrivilege");
    return OpenProcess(access | PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, pid);
}

static bool has_ended(HANDLE process)
{
    return WaitForSingleObject(process, 0) == WAIT_OBJECT_0;
}

static bool read_times(HANDLE process, struct os_process *out)
{
    FILETIME created, ended, kernel, user;
    if (!GetProcessTimes(process, &created, &ended, &kernel, &user))
        return false;
    out->created = sys_filetime(created);
    out->cpu_ms = (sys_filetime(kernel) + sys_filetime(user)) / 10000;
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    out->age_ms = sys_filetime(now) > out->created ? (sys_filetime(now) - out->created) / 10000 : 1;
    return true;
}

static bool read_figures(HANDLE process, struct os_process *out)
{
    PROCESS_MEMORY_COUNTERS_EX memory = {.cb = sizeof(memory)};
    if (has_ended(process) || !read_times(process, out))
        return false;
    if (!GetProcessMemoryInfo(process, (PROCESS_MEMORY_COUNTERS *)&memory, sizeof(memory)))
        return false;
    out->memory_bytes = memory.WorkingSetSize;
    /* Both are the commit charge; Wine 8 leaves the first at 0, as old Windows does. */
    out->private_bytes = memory.PrivateUsage ? memory.PrivateUsage : memory.PagefileUsage;
    return true;
}

static bool read_at(HANDLE process, const void *at, void *out, size_t size)
{
    SIZE_T got = 0;
    return ReadProcessMemory(process, at, out, size, &got) && got == size;
}

/* The command line, UTF-8; NULL where it cannot be read. The layout that winternl.h describes is of
 * our own width: the 64-bit block of a 32-bit process says the same as its own. */
static char *read_command_line(HANDLE process)
{
    PROCESS_BASIC_INFORMATION basic;
    PEB peb;
    RTL_USER_PROCESS_PARAMETERS parameters;
    ULONG len;
    if (NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof(basic), &len) != 0)
        return NULL;
    if (!read_at(process, basic.PebBaseAddress, &peb, sizeof(peb)) ||
        !read_at(process, peb.ProcessParameters, &parameters, sizeof(parameters)))
        return NULL;
    size_t bytes = parameters.CommandLine.Length;
    if (bytes > ARGUMENTS_MAX)
        return NULL;
    wchar_t *wide = must_alloc(bytes + sizeof(*wide), 1);
    char *line = NULL;
    if (read_at(process, parameters.CommandLine.Buffer, wide, bytes))
        line = sys_utf8_len(wide, bytes / sizeof(*wide));
    free(wide);
    return line;
}

/* ---- which ones ---- */

/* The executables that a path names: the path itself and, below System32, its 32-bit brother in
 * SysWOW64, which runs the pools with enable32BitAppOnWin64. */
struct images {
    wchar_t path[PATH_UNITS_MAX];
    wchar_t brother[PATH_UNITS_MAX]; /* "": none */
    const wchar_t *name;             /* of the file, within path */
};

static bool same(const wchar_t *a, const wchar_t *b)
{
    return CompareStringOrdinal(a, -1, b, -1, TRUE) == CSTR_EQUAL;
}

static void fill_brother(struct images *images)
{
    wchar_t system[MAX_PATH], other[MAX_PATH];
    UINT len = GetSystemDirectoryW(system, MAX_PATH);
    UINT other_len = GetSystemWow64DirectoryW(other, MAX_PATH);
    if (len == 0 || len >= MAX_PATH || other_len == 0 || other_len >= MAX_PATH)
        return;
    if (wcslen(images->path) < len || images->path[len] != L'\\' ||
        CompareStringOrdinal(images->path, (int)len, system, (int)len, TRUE) != CSTR_EQUAL)
        return;
    if (other_len + wcslen(images->path + len) >= PATH_UNITS_MAX)
        return;
    wcscpy(images->brother, other);
    wcscat(images->brother, images->path + len);
}

static enum error_code fill_images(const char *image_path, struct images **out, struct error *err)
{
    wchar_t *wide = sys_wide(image_path);
    if (!wide)
        return error_set(err, ERR_INVALID, "%s is no path: it is not valid UTF-8", image_path);
    struct images *images = must_alloc(1, sizeof(*images));
    DWORD len = GetFullPathNameW(wide, PATH_UNITS_MAX, images->path, NULL);
    free(wide);
    if (len == 0 || len >= PATH_UNITS_MAX) {
        free(images);
        return error_set(err, ERR_INVALID, "%s is no path", image_path);
    }
    const wchar_t *slash = wcsrchr(images->path, L'\\');
    images->name = slash ? slash + 1 : images->path;
    fill_brother(images);
    *out = images;
    return ERR_NONE;
}

static bool has_image(HANDLE process, const struct images *images)
{
    wchar_t *path = must_alloc(PATH_UNITS_MAX, sizeof(*path));
    DWORD size = PATH_UNITS_MAX;
    bool fits = QueryFullProcessImageNameW(process, 0, path, &size) &&
                (same(path, images->path) || (*images->brother && same(path, images->brother)));
    free(path);
    return fits;
}

/* ---- the calls ---- */

/* Calls `each` if the process is one of those looked for. Nothing is guessed: one of that name that
 * may not be read is an error, one that has gone is not there. */
static enum error_code visit(uint32_t pid, const struct images *images, const char *image_path,
                             int (*each)(const struct os_process *process, void *arg), void *arg,
                             int *stop, struct error *err)
{
    HANDLE process = open_process(pid, PROCESS_VM_READ);
    if (!process && GetLastError() != ERROR_ACCESS_DENIED)
        return ERR_NONE;
    if (!process)
        return error_set(err, ERR_DENIED,
                         "process %" PRIu32 " is called like %s and may not be read: only an "
                         "administrator or LocalSystem may",
                         pid, image_path);
    struct os_process found = {.pid = pid};
    if (has_image(process, images) && read_figures(process, &found)) {
        char *line = read_command_line(process);
        char **argv = command_line_split(line ? line : "", NULL);
        found.argv = (const char *const *)argv;
        if (!has_ended(process))
            *stop = each(&found, arg);
        free(argv);
        free(line);
    }
    CloseHandle(process);
    return ERR_NONE;
}

enum error_code os_processes(const char *image_path,
                             int (*each)(const struct os_process *process, void *arg), void *arg,
                             int *stopped, struct error *err)
{
    struct images *images = NULL;
    enum error_code code = fill_images(image_path, &images, err);
    if (code)
        return code;
    int stop = 0;
    PROCESSENTRY32W entry = {.dwSize = sizeof(entry)};
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (snapshot == INVALID_HANDLE_VALUE || !Process32FirstW(snapshot, &entry)) {
        code = sys_error(err, GetLastError(), "cannot list the processes of this machine");
    } else {
        do
            if (same(entry.szExeFile, images->name))
                code = visit(entry.th32ProcessID, images, image_path, each, arg, &stop, err);
        while (!code && stop == 0 && Process32NextW(snapshot, &entry));
    }
    sys_close(&snapshot);
    free(images);
    if (!code && stopped)
        *stopped = stop;
    return code;
}

/* OpenProcess says ERROR_INVALID_PARAMETER for a pid that nobody has. */
static enum error_code not_opened(uint32_t pid, struct error *err)
{
    DWORD number = GetLastError();
    if (number == ERROR_INVALID_PARAMETER)
        return error_set(err, ERR_NOT_FOUND, "there is no process %" PRIu32, pid);
    return sys_error(err, number, "cannot open process %" PRIu32, pid);
}

enum error_code os_process_find(uint32_t pid, struct os_process *out, struct error *err)
{
    HANDLE process = open_process(pid, 0);
    if (!process)
        return not_opened(pid, err);
    struct os_process found = {.pid = pid};
    enum error_code code = ERR_NONE;
    if (read_figures(process, &found))
        *out = found;
    else if (has_ended(process))
        code = error_set(err, ERR_NOT_FOUND, "process %" PRIu32 " has ended", pid);
    else
        code = sys_error(err, GetLastError(), "cannot look at process %" PRIu32, pid);
    CloseHandle(process);
    return code;
}

/* The handle holds the pid: between looking and killing it cannot become somebody else's. */
enum error_code os_process_kill(uint32_t pid, uint64_t created, struct error *err)
{
    HANDLE process = open_process(pid, PROCESS_TERMINATE);
    if (!process)
        return not_opened(pid, err);
    struct os_process now = {0};
    enum error_code code = ERR_NONE;
    if (has_ended(process) || !read_times(process, &now) || now.created != created)
        code = error_set(err, ERR_NOT_FOUND,
                         "process %" PRIu32 " has ended, its number belongs to another by now", pid);
    else if (!TerminateProcess(process, 1) && !has_ended(process))
        code = sys_error(err, GetLastError(), "cannot end process %" PRIu32, pid);
    CloseHandle(process);
    return code;
}
