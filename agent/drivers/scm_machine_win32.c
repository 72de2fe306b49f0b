/* scm_machine_win32.c - see scm_machine.h.
 *
 * The two keys exist while a restart is pending and are gone after it; the same places that
 * Windows' own tools look at. ContainerType is in the registry of Windows containers alone.
 */
#include "agent/drivers/scm_machine.h"

#include "common/service.h"
#include "common/sys_win32.h"

#define SETUP                                                                                      \
    L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending"
#define UPDATES                                                                                    \
    L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update\\RebootRequired"
#define SESSIONS  L"SYSTEM\\CurrentControlSet\\Control\\Session Manager"
#define RENAMES   L"PendingFileRenameOperations"
#define CONTROL   L"SYSTEM\\CurrentControlSet\\Control"
#define CONTAINER L"ContainerType"

static bool has_key(const wchar_t *path)
{
    HKEY key;
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE | KEY_WOW64_64KEY, &key) !=
        ERROR_SUCCESS)
        return false;
    RegCloseKey(key);
    return true;
}

/* More than `least` bytes: an empty list of texts has two. */
static bool has_value(const wchar_t *path, const wchar_t *name, DWORD least)
{
    DWORD bytes = 0;
    return RegGetValueW(HKEY_LOCAL_MACHINE, path, name, RRF_RT_ANY, NULL, NULL, &bytes) ==
               ERROR_SUCCESS &&
           bytes > least;
}

void scm_machine_read(struct scm_machine *out)
{
    *out = (struct scm_machine){
        .shutting_down = service_shutting_down() || GetSystemMetrics(SM_SHUTTINGDOWN) != 0,
        .container = has_value(CONTROL, CONTAINER, 0),
        .reboot_setup = has_key(SETUP),
        .reboot_updates = has_key(UPDATES),
        .renames = has_value(SESSIONS, RENAMES, 2 * sizeof(wchar_t)),
    };
}
