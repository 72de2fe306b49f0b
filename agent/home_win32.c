/* home_win32.c - see home.h and home_win32.h.
 *
 * Source: "Access Control Lists", "SDDL", GetSecurityInfo; the known attack is CWE-379 and the
 * like: a user makes C:\ProgramData\PRODUCT before the installer does.
 */
#include "agent/home_win32.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <aclapi.h>
#include <knownfolders.h>
#include <sddl.h>
#include <shlobj.h>
#include <stdlib.h>
#include <string.h>

/* Owner Administrators; protected, so that nothing comes from above; SYSTEM and Administrators
 * alone, for all that is below too. */
#define HOME_RIGHTS L"O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
#define TRUSTED_INSTALLER L"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

/* What lets somebody change a directory, or who may. */
#define WRITING                                                                                    \
    (FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES |                  \
     FILE_DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL)
#define PURGE_WAIT_MS 10000
#define READING (FILE_READ_DATA | GENERIC_READ)

/* ---- places ---- */

/* The folder as the system knows it: the environment variable can be set by a user for his own
 * processes, elevated ones included. */
static const char *program_data(void)
{
    static char *path; /* set by the first call, in main() */
    if (path)
        return path;
    PWSTR wide = NULL;
    if (SHGetKnownFolderPath(&FOLDERID_ProgramData, 0, NULL, &wide) == S_OK)
        path = sys_utf8(wide);
    CoTaskMemFree(wide);
    if (!path)
        path = must_copy("C:\\ProgramData");
    return path;
}

static const char *below(char **place, const char *rest)
{
    if (!*place) {
        struct text path = {0};
        text_addf(&path, "%s\\Farmhand%s", program_data(), rest);
        *place = text_take(&path);
    }
    return *place;
}

const char *home_root(void)
{
    static char *place;
    return below(&place, "");
}

const char *home_config(void)
{
    static char *place;
    return below(&place, "\\agent.conf");
}

const char *home_data(void)
{
    static char *place;
    return below(&place, "\\data");
}

const char *home_logs(void)
{
    static char *place;
    return below(&place, "\\log");
}

/* ---- who may be trusted ---- */

static bool is_own(PSID sid)
{
    HANDLE token = NULL;
    BYTE buffer[256];
    DWORD size = 0;
    bool own = false;
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token) &&
        GetTokenInformation(token, TokenUser, buffer, sizeof(buffer), &size))
        own = EqualSid(sid, ((TOKEN_USER *)(void *)buffer)->User.Sid);
    sys_close(&token);
    return own;
}

static bool is_installer(PSID sid)
{
    PSID installer = NULL;
    bool same = ConvertStringSidToSidW(TRUSTED_INSTALLER, &installer) && EqualSid(sid, installer);
    LocalFree(installer);
    return same;
}

/* Rights of a creator-owner entry are those of the owner, who is judged for himself. */
static bool is_trusted(PSID sid)
{
    return sid && (IsWellKnownSid(sid, WinLocalSystemSid) ||
                   IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
                   IsWellKnownSid(sid, WinCreatorOwnerSid) || is_installer(sid) || is_own(sid));
}

/* What the entries of a list allow to those who are not trusted. No list at all allows
 * everything. */
static ACCESS_MASK allowed_to_others(PACL list)
{
    ACCESS_MASK allowed = list ? 0 : GENERIC_ALL;
    for (DWORD i = 0; list && i < list->AceCount; i++) {
        ACCESS_ALLOWED_ACE *entry = NULL;
        if (!GetAce(list, i, (void **)&entry) || entry->Header.AceType == ACCESS_DENIED_ACE_TYPE)
            continue;
        if (entry->Header.AceType != ACCESS_ALLOWED_ACE_TYPE)
            return GENERIC_ALL; /* kinds that grant under conditions: not ours, not understood */
        if (!is_trusted((PSID)&entry->SidStart))
            allowed |= entry->Mask;
    }
    return allowed;
}

/* ---- looking ---- */

/* The thing itself, not where a link leads. */
static HANDLE open_itself(const wchar_t *path, DWORD access)
{
    return CreateFileW(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                       OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
                       NULL);
}

/* Owner and rights of what is open. 0 or an error number. */
static DWORD look_at_rights(HANDLE handle, struct home_facts *facts)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    PSID owner = NULL;
    PACL list = NULL;
    SECURITY_DESCRIPTOR_CONTROL control = 0;
    DWORD revision;
    DWORD number = GetSecurityInfo(handle, SE_FILE_OBJECT,
                                   OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &owner,
                                   NULL, &list, NULL, &descriptor);
    if (number != 0)
        return number;
    GetSecurityDescriptorControl(descriptor, &control, &revision);
    ACCESS_MASK others = allowed_to_others(list);
    facts->owner_trusted = is_trusted(owner);
    facts->others_write = (others & WRITING) != 0;
    facts->others_read = (others & READING) != 0;
    facts->inherits = (control & SE_DACL_PROTECTED) == 0;
    LocalFree(descriptor);
    return 0;
}

static DWORD look_at_one(const wchar_t *path, struct home_facts *facts)
{
    FILE_ATTRIBUTE_TAG_INFO info;
    *facts = (struct home_facts){0};
    HANDLE handle = open_itself(path, READ_CONTROL | FILE_READ_ATTRIBUTES);
    DWORD number = handle == INVALID_HANDLE_VALUE ? GetLastError() : 0;
    if (number == ERROR_FILE_NOT_FOUND || number == ERROR_PATH_NOT_FOUND)
        return 0;
    if (number != 0)
        return number;
    facts->exists = true;
    if (!GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &info, sizeof(info))) {
        BY_HANDLE_FILE_INFORMATION older;
        if (!GetFileInformationByHandle(handle, &older))
            number = GetLastError();
        info.FileAttributes = older.dwFileAttributes;
    }
    facts->directory = (info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    facts->link = (info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
    if (number == 0)
        number = look_at_rights(handle, facts);
    CloseHandle(handle);
    return number;
}

static bool is_dots(const wchar_t *name)
{
    return wcscmp(name, L".") == 0 || wcscmp(name, L"..") == 0;
}

static wchar_t *join(const wchar_t *dir, const wchar_t *name)
{
    wchar_t *path = must_alloc(wcslen(dir) + wcslen(name) + 2, sizeof(*path));
    wcscpy(path, dir);
    wcscat(path, L"\\");
    wcscat(path, name);
    return path;
}

/* Calls `each` for what is directly in dir. 0, the first number that it gave, or why the directory
 * cannot be read. */
static DWORD for_each(const wchar_t *dir,
                      DWORD (*each)(const wchar_t *path, const WIN32_FIND_DATAW *entry, void *arg),
                      void *arg)
{
    WIN32_FIND_DATAW entry;
    wchar_t *pattern = join(dir, L"*");
    HANDLE search = FindFirstFileW(pattern, &entry);
    DWORD number = search == INVALID_HANDLE_VALUE ? GetLastError() : 0;
    free(pattern);
    if (number != 0)
        return number == ERROR_FILE_NOT_FOUND ? 0 : number;
    do {
        if (is_dots(entry.cFileName))
            continue;
        wchar_t *path = join(dir, entry.cFileName);
        number = each(path, &entry, arg);
        free(path);
    } while (number == 0 && FindNextFileW(search, &entry));
    FindClose(search);
    return number;
}

static DWORD look_inside(const wchar_t *path, const WIN32_FIND_DATAW *entry, void *arg)
{
    struct home_facts *root = arg, facts;
    (void)entry;
    root->empty = false;
    DWORD number = look_at_one(path, &facts);
    if (number != 0 || !facts.exists)
        return number;
    if (facts.link || !facts.owner_trusted)
        root->foreign_own = true;
    return facts.directory && !root->foreign_own ? for_each(path, look_inside, root) : 0;
}

static DWORD look(const wchar_t *path, struct home_facts *facts)
{
    DWORD number = look_at_one(path, facts);
    facts->empty = true;
    if (number == 0 && facts->exists && facts->directory && !facts->link)
        number = for_each(path, look_inside, facts);
    return number;
}

/* ---- putting right ---- */

static PSECURITY_DESCRIPTOR rights(void)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    must(ConvertStringSecurityDescriptorToSecurityDescriptorW(HOME_RIGHTS, SDDL_REVISION_1,
                                                              &descriptor, NULL));
    return descriptor;
}

/* With its rights from the first moment on. */
static DWORD make(const wchar_t *path)
{
    PSECURITY_DESCRIPTOR descriptor = rights();
    SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes),
                                      .lpSecurityDescriptor = descriptor};
    DWORD number = CreateDirectoryW(path, &attributes) ? 0 : GetLastError();
    LocalFree(descriptor);
    return number;
}

/* For all that is in it as well: what it inherited is replaced. */
static DWORD tighten(const wchar_t *path)
{
    PSECURITY_DESCRIPTOR descriptor = rights();
    PACL list = NULL;
    BOOL present, defaulted;
    GetSecurityDescriptorDacl(descriptor, &present, &list, &defaulted);
    wchar_t *name = wcsdup(path);
    DWORD number = SetNamedSecurityInfoW(
        name, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, NULL,
        NULL, list, NULL);
    free(name);
    LocalFree(descriptor);
    return number;
}

static DWORD remake(const wchar_t *path)
{
    return RemoveDirectoryW(path) ? make(path) : GetLastError();
}

static DWORD carry_out(enum home_verdict verdict, const wchar_t *path)
{
    switch (verdict) {
    case HOME_MAKE:
        return make(path);
    case HOME_TIGHTEN:
        return tighten(path);
    case HOME_REMAKE:
        return remake(path);
    case HOME_KEEP:
    case HOME_REFUSE:
        break;
    }
    return 0;
}

enum error_code home_secure(const char *root, const char **changed, struct error *err)
{
    struct home_facts facts;
    const char *why = NULL;
    enum home_verdict verdict = HOME_KEEP;
    wchar_t *path = sys_path(root, err);
    if (!path)
        return ERR_INVALID;
    DWORD number = look(path, &facts);
    if (number == 0) {
        verdict = home_judge(&facts, &why);
        number = carry_out(verdict, path);
    }
    free(path);
    if (number != 0)
        return sys_error(err, number, "cannot secure %s", root);
    if (verdict == HOME_REFUSE)
        return error_set(err, ERR_DENIED,
                         "%s is not to be trusted: %s. Look at what is in it, move it away, and "
                         "install again",
                         root, why);
    if (changed)
        *changed = why;
    return ERR_NONE;
}

/* ---- taking away ---- */

struct purge {
    bool keep_logs; /* on the top level */
};

static DWORD purge_entry(const wchar_t *path, const WIN32_FIND_DATAW *entry, void *arg)
{
    struct purge *purge = arg, all = {.keep_logs = false};
    bool directory = (entry->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    bool link = (entry->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
    if (directory && !link && purge->keep_logs && _wcsicmp(entry->cFileName, L"log") == 0)
        return 0;
    DWORD number = directory && !link ? for_each(path, purge_entry, &all) : 0;
    if (number != 0)
        return number;
    if (directory)
        return RemoveDirectoryW(path) ? 0 : GetLastError();
    return DeleteFileW(path) ? 0 : GetLastError();
}

/* What is deleted while somebody has it open is gone with his handle, and until then it fills its
 * directory (before Windows 10 1809), or may not be opened. */
static bool is_held(DWORD number)
{
    return number == ERROR_SHARING_VIOLATION || number == ERROR_DIR_NOT_EMPTY ||
           number == ERROR_ACCESS_DENIED || number == ERROR_DELETE_PENDING;
}

/* A service that has told STOPPED holds its files until its process has ended, moments later. */
static DWORD purge_patiently(const wchar_t *path, struct purge *purge)
{
    uint64_t deadline_ms = clock_boot_ms() + PURGE_WAIT_MS;
    for (;;) {
        DWORD number = for_each(path, purge_entry, purge);
        if (!is_held(number) || clock_boot_ms() >= deadline_ms)
            return number;
        clock_sleep_ms(100);
    }
}

enum error_code home_purge(const char *root, bool keep_logs, struct error *err)
{
    struct home_facts facts;
    struct purge purge = {.keep_logs = keep_logs};
    wchar_t *path = sys_path(root, err);
    if (!path)
        return ERR_INVALID;
    DWORD number = look_at_one(path, &facts);
    if (number == 0 && facts.exists && !facts.link)
        number = purge_patiently(path, &purge);
    if (number == 0 && facts.exists && !RemoveDirectoryW(path)) {
        number = GetLastError();
        if (number == ERROR_DIR_NOT_EMPTY && keep_logs)
            number = 0;
    }
    free(path);
    return number == 0 ? ERR_NONE : sys_error(err, number, "cannot remove all of %s", root);
}
