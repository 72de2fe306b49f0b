/* sys_win32.c - see sys_win32.h. */
#include "common/sys_win32.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wchar_t *sys_wide(const char *utf8)
{
    int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, NULL, 0);
    if (units <= 0)
        return NULL;
    wchar_t *wide = must_alloc((size_t)units, sizeof(*wide));
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, wide, units);
    return wide;
}

char *sys_utf8_len(const wchar_t *wide, size_t len)
{
    if (len == 0)
        return must_copy("");
    if (len > INT_MAX)
        return NULL;
    int bytes = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, (int)len, NULL, 0, NULL,
                                    NULL);
    if (bytes <= 0)
        return NULL;
    char *utf8 = must_alloc((size_t)bytes + 1, 1);
    WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, (int)len, utf8, bytes, NULL, NULL);
    return utf8;
}

char *sys_utf8(const wchar_t *wide)
{
    return sys_utf8_len(wide, wcslen(wide));
}

/* GetFullPathNameW; free() it. NULL: GetLastError() tells why. */
static wchar_t *full_path(const wchar_t *path)
{
    DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
    if (size == 0)
        return NULL;
    wchar_t *full = must_alloc(size, sizeof(*full));
    DWORD len = GetFullPathNameW(path, size, full, NULL);
    if (len > 0 && len < size)
        return full;
    free(full);
    return NULL;
}

/* \\?\C:\..., \\?\UNC\server\share; what is a device or has the form already stays. */
static wchar_t *long_form(const wchar_t *full)
{
    bool device = wcsncmp(full, L"\\\\?\\", 4) == 0 || wcsncmp(full, L"\\\\.\\", 4) == 0;
    bool unc = !device && wcsncmp(full, L"\\\\", 2) == 0;
    const wchar_t *start = device ? L"" : unc ? L"\\\\?\\UNC" : L"\\\\?\\";
    const wchar_t *rest = unc ? full + 1 : full;
    size_t size = wcslen(start) + wcslen(rest) + 1;
    wchar_t *path = must_alloc(size, sizeof(*path));
    wcscpy(path, start);
    wcscat(path, rest);
    return path;
}

wchar_t *sys_path(const char *utf8, struct error *err)
{
    wchar_t *wide = sys_wide(utf8);
    if (!wide || !*wide) {
        error_set(err, ERR_INVALID, "\"%s\" is no path: %s", utf8,
                  wide ? "it is empty" : "it is not valid UTF-8");
        free(wide);
        return NULL;
    }
    wchar_t *full = full_path(wide);
    DWORD number = GetLastError();
    free(wide);
    if (!full) {
        sys_error(err, number, "%s is no path", utf8);
        return NULL;
    }
    wchar_t *path = long_form(full);
    free(full);
    return path;
}

enum error_code sys_code(DWORD number)
{
    switch (number) {
    case ERROR_INVALID_PARAMETER:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_NO_UNICODE_TRANSLATION:
        return ERR_INVALID;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_NOT_FOUND:
        return ERR_NOT_FOUND;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
        return ERR_EXISTS;
    case ERROR_DIR_NOT_EMPTY:
    case ERROR_DIRECTORY:
        return ERR_STATE;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
    case 740: /* ERROR_ELEVATION_REQUIRED */
    case ERROR_WRITE_PROTECT:
    case ERROR_ACCESS_DISABLED_BY_POLICY:
    case ERROR_BAD_EXE_FORMAT:
    case 225: /* ERROR_VIRUS_INFECTED */
        return ERR_DENIED;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_BUSY:
    case ERROR_NOT_READY:
        return ERR_BUSY;
    case ERROR_SEM_TIMEOUT:
    case ERROR_TIMEOUT:
    case WAIT_TIMEOUT:
    case WSAETIMEDOUT:
        return ERR_TIMEOUT;
    case ERROR_CONNECTION_REFUSED:
    case ERROR_NETWORK_UNREACHABLE:
    case ERROR_HOST_UNREACHABLE:
    case ERROR_PORT_UNREACHABLE:
    case WSAECONNREFUSED:
    case WSAECONNRESET:
    case WSAENETUNREACH:
    case WSAEHOSTUNREACH:
    case WSAENETDOWN:
        return ERR_UNREACHABLE;
    case ERROR_CALL_NOT_IMPLEMENTED:
    case ERROR_NOT_SUPPORTED:
    case ERROR_PROC_NOT_FOUND:
    case ERROR_MOD_NOT_FOUND:
        return ERR_UNAVAILABLE;
    case ERROR_CRC:
    case ERROR_FILE_CORRUPT:
    case ERROR_DISK_CORRUPT:
        return ERR_CORRUPT;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case 1295: /* ERROR_DISK_QUOTA_EXCEEDED */
        return ERR_FULL;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_COMMITMENT_LIMIT:
        return ERR_NOMEM;
    default:
        return ERR_IO;
    }
}

void sys_words(DWORD number, char *out, size_t size)
{
    wchar_t wide[256];
    DWORD len = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                                   FORMAT_MESSAGE_MAX_WIDTH_MASK,
                               NULL, number, 0, wide, sizeof(wide) / sizeof(wide[0]), NULL);
    while (len > 0 && (wide[len - 1] <= L' ' || wide[len - 1] == L'.'))
        len--;
    char *utf8 = sys_utf8_len(wide, len);
    text_copy(out, size, utf8 ? utf8 : "");
    free(utf8);
}

enum error_code sys_error(struct error *err, DWORD number, const char *fmt, ...)
{
    enum error_code code = sys_code(number);
    if (!err)
        return code;
    char what[ERROR_TEXT_MAX], words[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    sys_words(number, words, sizeof(words));
    return error_set(err, code, "%s: %s%s(error %lu)", what, words, *words ? " " : "",
                     (unsigned long)number);
}

void sys_enable(const wchar_t *privilege)
{
    HANDLE token = NULL;
    TOKEN_PRIVILEGES wanted = {.PrivilegeCount = 1,
                               .Privileges[0].Attributes = SE_PRIVILEGE_ENABLED};
    if (LookupPrivilegeValueW(NULL, privilege, &wanted.Privileges[0].Luid) &&
        OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token))
        AdjustTokenPrivileges(token, FALSE, &wanted, 0, NULL, NULL);
    sys_close(&token);
}

uint64_t sys_filetime(FILETIME time)
{
    return (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
}

void sys_close(HANDLE *handle)
{
    if (*handle && *handle != INVALID_HANDLE_VALUE)
        CloseHandle(*handle);
    *handle = NULL;
}
