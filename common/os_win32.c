/* os_win32.c - see os.h: this machine and random bytes. Files are in os_file_win32.c, processes in
 * os_process_win32.c. */
#include "common/os.h"

#include "common/clock.h"
#include "common/sys_win32.h"

#include <bcrypt.h>
#include <stdlib.h>
#include <string.h>

/* Kernel time contains idle time. All processors of this process's group, which on machines above
 * 64 processors is one of several: the share that is busy is still right. Source:
 * GetSystemTimes. */
static enum error_code read_cpu(struct os_host *out, struct error *err)
{
    FILETIME idle, kernel, user;
    if (!GetSystemTimes(&idle, &kernel, &user))
        return sys_error(err, GetLastError(), "cannot read the processor times");
    uint64_t total = sys_filetime(kernel) + sys_filetime(user);
    uint64_t resting = sys_filetime(idle);
    out->cpu_total_ms = total / 10000;
    out->cpu_busy_ms = (total > resting ? total - resting : 0) / 10000;
    return ERR_NONE;
}

enum error_code os_host(struct os_host *out, struct error *err)
{
    struct os_host host = {0};
    enum error_code code = read_cpu(&host, err);
    if (code)
        return code;
    MEMORYSTATUSEX memory = {.dwLength = sizeof(memory)};
    if (!GlobalMemoryStatusEx(&memory))
        return sys_error(err, GetLastError(), "cannot read the size of the memory");
    host.memory_total_bytes = memory.ullTotalPhys;
    host.memory_available_bytes = memory.ullAvailPhys;
    host.uptime_ms = clock_boot_ms();
    host.processors = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    if (host.processors == 0)
        host.processors = 1;
    *out = host;
    return ERR_NONE;
}

/* ---- the boot ----
 *
 * Windows has no boot id. A volatile registry key does the same, by documented means: it lives in
 * memory and is gone after a restart ("RegCreateKeyExW", REG_OPTION_VOLATILE), so the first of us
 * after a boot writes a random number into it and all others find that. Sleep, hibernation and a
 * clock that is set do not touch it, while the boot time that Windows tells moves with the clock.
 * Only administrators can write below HKEY_LOCAL_MACHINE\SOFTWARE.
 */

#define BOOT_KEY   L"SOFTWARE\\Farmhand.Boot" /* not below a key of the MSI's: it could not be volatile */
#define BOOT_VALUE L"Id"
#define BOOT_TRIES 50 /* for another of us who has just made the key */
#define BOOT_WAIT  20 /* ms between them */

static LSTATUS read_boot_id(HKEY key, uint8_t out[16])
{
    DWORD size = 16;
    LSTATUS status = RegGetValueW(key, NULL, BOOT_VALUE, RRF_RT_REG_BINARY, NULL, out, &size);
    return status == ERROR_SUCCESS && size != 16 ? ERROR_INVALID_DATA : status;
}

static LSTATUS make_boot_id(HKEY key, uint8_t out[16], struct error *err)
{
    if (os_random(out, 16, err))
        return ERROR_GEN_FAILURE;
    return RegSetValueExW(key, BOOT_VALUE, 0, REG_BINARY, out, 16);
}

/* The key is there and its value is not: its maker is about to write it, or died before. */
static LSTATUS wait_boot_id(HKEY key, uint8_t out[16], struct error *err)
{
    LSTATUS status = read_boot_id(key, out);
    for (int i = 0; status == ERROR_FILE_NOT_FOUND && i < BOOT_TRIES; i++) {
        Sleep(BOOT_WAIT);
        status = read_boot_id(key, out);
    }
    return status == ERROR_FILE_NOT_FOUND ? make_boot_id(key, out, err) : status;
}

enum error_code os_boot_id(uint8_t out[16], struct error *err)
{
    HKEY key = NULL;
    DWORD made = 0;
    uint8_t id[16];
    LSTATUS status = RegOpenKeyExW(HKEY_LOCAL_MACHINE, BOOT_KEY, 0, KEY_QUERY_VALUE, &key);
    if (status == ERROR_SUCCESS)
        status = read_boot_id(key, id);
    if (status == ERROR_FILE_NOT_FOUND) {
        if (key)
            RegCloseKey(key);
        key = NULL;
        status = RegCreateKeyExW(HKEY_LOCAL_MACHINE, BOOT_KEY, 0, NULL, REG_OPTION_VOLATILE,
                                 KEY_QUERY_VALUE | KEY_SET_VALUE, NULL, &key, &made);
        if (status == ERROR_SUCCESS)
            status = made == REG_CREATED_NEW_KEY ? make_boot_id(key, id, err)
                                                 : wait_boot_id(key, id, err);
    }
    if (key)
        RegCloseKey(key);
    if (status != ERROR_SUCCESS)
        return sys_error(err, (DWORD)status, "cannot read the boot id in HKLM\\%ls", BOOT_KEY);
    memcpy(out, id, sizeof(id));
    return ERR_NONE;
}

/* ---- name, random bytes ---- */

enum error_code os_hostname(char *out, size_t size_bytes, struct error *err)
{
    wchar_t wide[256];
    DWORD size = sizeof(wide) / sizeof(wide[0]);
    if (!GetComputerNameExW(ComputerNamePhysicalDnsHostname, wide, &size))
        return sys_error(err, GetLastError(), "cannot read the name of this machine");
    CharLowerBuffW(wide, size);
    char *name = sys_utf8_len(wide, size);
    if (!name)
        return error_set(err, ERR_INVALID, "the name of this machine is not valid Unicode");
    size_t len = strlen(name);
    enum error_code code = ERR_NONE;
    if (len >= size_bytes)
        code = error_set(err, ERR_NOMEM,
                         "the name of this machine, %s, is longer than %zu bytes", name,
                         size_bytes - 1);
    else
        memcpy(out, name, len + 1);
    free(name);
    return code;
}

enum error_code os_random(void *out, size_t len, struct error *err)
{
    if (len > ULONG_MAX)
        return error_set(err, ERR_INVALID, "%zu random bytes are too many", len);
    NTSTATUS status = BCryptGenRandom(NULL, out, (ULONG)len, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
    if (status < 0)
        return error_set(err, ERR_IO, "cannot read random bytes (status %08lx)",
                         (unsigned long)status);
    return ERR_NONE;
}
