/* os_file_win32.c - see os.h: directories and files.
 *
 * `mode` is for systems that have one: here a file gets what its directory passes on, and the
 * data directory is closed to all but SYSTEM and Administrators when the service is installed
 * (agent/home). Files of ours are opened so that others may rename and delete them meanwhile.
 */
#include "common/os.h"

#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHARE_ALL    (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define PIECE_MAX    ((size_t)1 << 20)
#define REPLACE_MAX  20 /* times a replacement is tried while somebody holds the file */
#define REPLACE_WAIT 25 /* ms between them */

/* ---- directories ---- */

static bool is_directory(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

static enum error_code make_one(const wchar_t *wide, const char *path, struct error *err)
{
    if (CreateDirectoryW(wide, NULL) || is_directory(wide))
        return ERR_NONE;
    DWORD number = GetLastError();
    if (number == ERROR_ALREADY_EXISTS)
        return error_set(err, ERR_EXISTS, "%s is there and not a directory: move it away", path);
    return sys_error(err, number, "cannot make the directory %s", path);
}

/* Makes what is missing of the parents, from the top. `wide` is absolute, \\?\C:\a\b. */
static enum error_code make_parents(wchar_t *wide, const char *path, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (wchar_t *at = wcschr(wide + 4, L'\\'); at && !code; at = wcschr(at + 1, L'\\')) {
        *at = L'\0';
        bool root = at[-1] == L':';
        if (!root && GetFileAttributesW(wide) == INVALID_FILE_ATTRIBUTES)
            code = make_one(wide, path, err);
        *at = L'\\';
    }
    return code;
}

enum error_code os_make_dir(const char *path, unsigned mode, struct error *err)
{
    (void)mode;
    wchar_t *wide = sys_path(path, err);
    if (!wide)
        return err ? err->code : ERR_INVALID;
    enum error_code code = ERR_NONE;
    if (!is_directory(wide)) {
        code = make_parents(wide, path, err);
        if (!code)
            code = make_one(wide, path, err);
    }
    free(wide);
    return code;
}

/* ---- reading ---- */

/* INVALID_HANDLE_VALUE: *code tells. */
static HANDLE open_file(const char *path, DWORD access, DWORD how, DWORD flags,
                        enum error_code *code, struct error *err)
{
    wchar_t *wide = sys_path(path, err);
    *code = ERR_INVALID;
    if (!wide)
        return INVALID_HANDLE_VALUE;
    HANDLE file = CreateFileW(wide, access, SHARE_ALL, NULL, how, flags, NULL);
    DWORD number = GetLastError();
    free(wide);
    *code = ERR_NONE;
    if (file == INVALID_HANDLE_VALUE)
        *code = sys_error(err, number, "cannot open %s", path);
    return file;
}

enum error_code os_file_id(const char *path, struct os_file_id *out, struct error *err)
{
    BY_HANDLE_FILE_INFORMATION info;
    enum error_code code;
    HANDLE file = open_file(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS,
                            &code, err);
    if (code == ERR_NOT_FOUND) {
        *out = (struct os_file_id){0};
        return ERR_NONE;
    }
    if (code)
        return code;
    if (!GetFileInformationByHandle(file, &info))
        code = sys_error(err, GetLastError(), "cannot look at %s", path);
    else
        *out = (struct os_file_id){
            .modified_ns = sys_filetime(info.ftLastWriteTime) * 100,
            .size_bytes = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow,
            .inode = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow,
        };
    CloseHandle(file);
    return code;
}

static enum error_code read_all(HANDLE file, const char *path, size_t max_bytes,
                                struct text *content, struct error *err)
{
    char piece[16384];
    for (;;) {
        DWORD got = 0;
        if (!ReadFile(file, piece, sizeof(piece), &got, NULL))
            return sys_error(err, GetLastError(), "cannot read %s", path);
        if (got == 0)
            return ERR_NONE;
        if (got > max_bytes - content->len)
            return error_set(err, ERR_NOMEM, "%s is larger than the %zu bytes allowed", path,
                             max_bytes);
        text_add_bytes(content, piece, got);
    }
}

enum error_code os_read_file(const char *path, size_t max_bytes, char **out, size_t *out_len,
                             struct error *err)
{
    enum error_code code;
    HANDLE file = open_file(path, GENERIC_READ, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, &code,
                            err);
    if (code)
        return code;
    struct text content = {0};
    if (GetFileType(file) != FILE_TYPE_DISK)
        code = error_set(err, ERR_INVALID, "%s is not a file", path);
    else
        code = read_all(file, path, max_bytes, &content, err);
    CloseHandle(file);
    if (code) {
        text_reset(&content);
        return code;
    }
    if (out_len)
        *out_len = content.len;
    *out = text_take(&content);
    return ERR_NONE;
}

enum error_code os_read_at(const char *path, uint64_t offset, void *out, size_t size, size_t *got,
                           struct error *err)
{
    enum error_code code;
    HANDLE file = open_file(path, GENERIC_READ, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, &code, err);
    if (code)
        return code;
    LARGE_INTEGER at = {.QuadPart = (LONGLONG)offset};
    size_t done = 0;
    DWORD part = 1;
    bool good = SetFilePointerEx(file, at, NULL, FILE_BEGIN) != FALSE;
    while (good && part > 0 && done < size) {
        size_t want = size - done < PIECE_MAX ? size - done : PIECE_MAX;
        good = ReadFile(file, (char *)out + done, (DWORD)want, &part, NULL) != FALSE;
        done += good ? part : 0;
    }
    if (good)
        *got = done;
    else
        code = sys_error(err, GetLastError(), "cannot read %s", path);
    CloseHandle(file);
    return code;
}

/* ---- writing ---- */

/* A search indexer or a virus scanner holds a new file for moments, and Windows then refuses to
 * rename it: short retries, then the failure is told. */
static bool is_held(DWORD number)
{
    return number == ERROR_SHARING_VIOLATION || number == ERROR_ACCESS_DENIED ||
           number == ERROR_LOCK_VIOLATION;
}

/* 0 or the error number. MOVEFILE_WRITE_THROUGH: back when the rename is on the disk. */
static DWORD replace(const wchar_t *from, const wchar_t *to)
{
    for (int i = 0;; i++) {
        if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
            return 0;
        DWORD number = GetLastError();
        if (!is_held(number) || i == REPLACE_MAX || is_directory(to))
            return number;
        Sleep(REPLACE_WAIT);
    }
}

enum error_code os_move_file(const char *from, const char *to, struct error *err)
{
    wchar_t *wide_from = sys_path(from, err);
    wchar_t *wide_to = wide_from ? sys_path(to, err) : NULL;
    enum error_code code = ERR_INVALID;
    if (wide_to) {
        DWORD number = replace(wide_from, wide_to);
        code = number ? sys_error(err, number, "cannot rename %s to %s", from, to) : ERR_NONE;
    }
    free(wide_from);
    free(wide_to);
    return code;
}

enum error_code os_remove_file(const char *path, struct error *err)
{
    wchar_t *wide = sys_path(path, err);
    if (!wide)
        return ERR_INVALID;
    DWORD number = 0;
    for (int i = 0; i <= REPLACE_MAX; i++) {
        number = DeleteFileW(wide) ? 0 : GetLastError();
        if (!is_held(number) || is_directory(wide))
            break;
        Sleep(REPLACE_WAIT);
    }
    free(wide);
    if (number == 0 || number == ERROR_FILE_NOT_FOUND || number == ERROR_PATH_NOT_FOUND)
        return ERR_NONE;
    return sys_error(err, number, "cannot remove %s", path);
}

static DWORD write_all(HANDLE file, const char *bytes, size_t len)
{
    while (len > 0) {
        DWORD done = 0;
        if (!WriteFile(file, bytes, (DWORD)(len < PIECE_MAX ? len : PIECE_MAX), &done, NULL))
            return GetLastError();
        bytes += done;
        len -= done;
    }
    return 0;
}

/* Fills and syncs a new file; 0 or the error number. It is gone again after a failure. */
static DWORD fill_new(const wchar_t *path, const void *bytes, size_t len)
{
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return GetLastError();
    DWORD number = write_all(file, bytes, len);
    if (number == 0 && !FlushFileBuffers(file))
        number = GetLastError();
    CloseHandle(file);
    if (number != 0)
        DeleteFileW(path);
    return number;
}

/* PATH.new.HEX, a name that nobody has yet. NULL and err. */
static wchar_t *name_beside(const char *path, struct error *err)
{
    uint8_t random[8];
    if (os_random(random, sizeof(random), err))
        return NULL;
    struct text beside = {0};
    text_addf(&beside, "%s.new.", path);
    for (size_t i = 0; i < sizeof(random); i++)
        text_addf(&beside, "%02x", random[i]);
    wchar_t *wide = sys_path(beside.data, err);
    text_reset(&beside);
    return wide;
}

enum error_code os_write_file(const char *path, const void *bytes, size_t len, unsigned mode,
                              struct error *err)
{
    (void)mode;
    wchar_t *to = sys_path(path, err);
    if (!to)
        return ERR_INVALID;
    wchar_t *beside = name_beside(path, err);
    enum error_code code = ERR_IO;
    if (beside) {
        DWORD number = fill_new(beside, bytes, len);
        if (number == 0) {
            number = replace(beside, to);
            if (number != 0)
                DeleteFileW(beside);
        }
        code = number ? sys_error(err, number, "cannot write %s", path) : ERR_NONE;
    }
    free(beside);
    free(to);
    return code;
}

/* ---- the lock ---- */

/* The holder's pid stands in the file; the byte that is locked lies beyond it, so that others can
 * read it (a lock of Windows keeps readers out). Locks end with the process. */
static OVERLAPPED lock_place(void)
{
    return (OVERLAPPED){.Offset = 0x7fffffff};
}

static enum error_code held_by_other(HANDLE file, const char *path, struct error *err)
{
    char holder[16] = "";
    DWORD got = 0;
    uint64_t pid;
    if (ReadFile(file, holder, sizeof(holder) - 1, &got, NULL))
        holder[strcspn(holder, "\r\n")] = '\0';
    if (got > 0 && text_parse_u64(holder, 1, UINT32_MAX, &pid))
        return error_set(err, ERR_EXISTS, "%s is held by process %" PRIu64 ": it runs already",
                         path, pid);
    return error_set(err, ERR_EXISTS, "%s is held by another process: it runs already", path);
}

enum error_code os_lock_file(const char *path, struct error *err)
{
    enum error_code code;
    HANDLE file =
        open_file(path, GENERIC_READ | GENERIC_WRITE, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, &code, err);
    if (code)
        return code;
    OVERLAPPED place = lock_place();
    if (!LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place)) {
        DWORD number = GetLastError();
        bool held = number == ERROR_LOCK_VIOLATION || number == ERROR_IO_PENDING;
        code = held ? held_by_other(file, path, err) : sys_error(err, number, "cannot lock %s", path);
        CloseHandle(file);
        return code;
    }
    char pid[16];
    text_format(pid, sizeof(pid), "%lu\n", (unsigned long)GetCurrentProcessId());
    DWORD number = SetEndOfFile(file) ? write_all(file, pid, strlen(pid)) : GetLastError();
    if (number == 0)
        return ERR_NONE; /* the handle stays open: it is the lock */
    code = sys_error(err, number, "cannot write %s", path);
    CloseHandle(file);
    return code;
}
