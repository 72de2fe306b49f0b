/* privileges_win32.c - see privileges_win32.h.
 *
 * What needs none of them, so that none is there for it: the service manager, the event log, the
 * counters and the registry let LocalSystem in by their own lists; files are below a folder that is
 * ours; an owner is set only on what we have made; appcmd writes IIS's configuration as an
 * administrator may. Nothing here logs on as somebody else, shuts the machine down, sets its clock,
 * loads a driver, or reads past a file's list (backup, restore, take ownership).
 */
#include "agent/privileges_win32.h"

#include "common/must.h"
#include "common/sys_win32.h"

#include <stdlib.h>

const struct privilege privileges[PRIVILEGES] = {
    {L"SeChangeNotifyPrivilege", "paths through folders that one may not list"},
    {L"SeDebugPrivilege", "reading, dumping and ending workers of every identity"},
    {L"SeImpersonatePrivilege", "appcmd's calls of COM"},
};

wchar_t *privileges_list(void)
{
    static wchar_t list[256];
    size_t at = 0;
    for (size_t i = 0; i < PRIVILEGES; i++) {
        size_t len = wcslen(privileges[i].name) + 1;
        must(at + len < sizeof(list) / sizeof(list[0]));
        wmemcpy(list + at, privileges[i].name, len);
        at += len;
    }
    list[at] = L'\0';
    return list;
}

static bool is_kept(LUID luid)
{
    for (size_t i = 0; i < PRIVILEGES; i++) {
        LUID kept;
        if (LookupPrivilegeValueW(NULL, privileges[i].name, &kept) &&
            kept.LowPart == luid.LowPart && kept.HighPart == luid.HighPart)
            return true;
    }
    return false;
}

/* free() it; NULL: GetLastError. */
static TOKEN_PRIVILEGES *read_all(HANDLE token)
{
    DWORD size = 0;
    GetTokenInformation(token, TokenPrivileges, NULL, 0, &size);
    TOKEN_PRIVILEGES *all = must_alloc(size + sizeof(*all), 1);
    if (GetTokenInformation(token, TokenPrivileges, all, size, &size))
        return all;
    free(all);
    return NULL;
}

/* In place: those that are to go alone. */
static void leave_out_kept(TOKEN_PRIVILEGES *all)
{
    DWORD count = 0;
    for (DWORD i = 0; i < all->PrivilegeCount; i++) {
        if (is_kept(all->Privileges[i].Luid))
            continue;
        all->Privileges[count] = all->Privileges[i];
        all->Privileges[count++].Attributes = SE_PRIVILEGE_REMOVED;
    }
    all->PrivilegeCount = count;
}

enum error_code privileges_keep(size_t *removed, struct error *err)
{
    HANDLE token = NULL;
    TOKEN_PRIVILEGES *all = NULL;
    enum error_code code = ERR_NONE;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES, &token) ||
        !(all = read_all(token)))
        code = sys_error(err, GetLastError(), "cannot read this process's privileges");
    if (!code) {
        leave_out_kept(all);
        if (all->PrivilegeCount > 0 && !AdjustTokenPrivileges(token, FALSE, all, 0, NULL, NULL))
            code = sys_error(err, GetLastError(), "cannot give privileges up");
        else
            *removed = all->PrivilegeCount;
    }
    free(all);
    sys_close(&token);
    return code;
}
