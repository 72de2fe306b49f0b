/* lab_os_win32.c - see lab_os.h: paths, files, memory. Processes are in lab_child_win32.c. */
#include "tests/lab/base/lab_os.h"

#include "common/must.h"
#include "common/os.h"
#include "common/program.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_AT 0x7fffffffu /* of a file, beyond its content: what writers take turns by */

void lab_os_begin(int *argc, char ***argv)
{
    WSADATA data;
    program_start(argc, argv);
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
    must(WSAStartup(MAKEWORD(2, 2), &data) == 0);
}

/* ---- paths ---- */

/* Windows' own path as the lab has it. */
static bool take_path(const wchar_t *wide, char out[LAB_PATH_MAX])
{
    char *text = sys_utf8(wide);
    bool ok = text && text_copy(out, LAB_PATH_MAX, text);
    free(text);
    for (char *at = out; ok && *at; at++) {
        if (*at == '\\')
            *at = '/';
    }
    return ok;
}

bool lab_os_own_folder(char out[LAB_PATH_MAX], struct error *err)
{
    wchar_t wide[LAB_PATH_MAX];
    DWORD len = GetModuleFileNameW(NULL, wide, LAB_PATH_MAX);
    if (len == 0 || len == LAB_PATH_MAX || !take_path(wide, out)) {
        sys_error(err, GetLastError(), "the path of this program");
        return false;
    }
    *strrchr(out, '/') = '\0';
    return true;
}

bool lab_os_exists(const char *path)
{
    wchar_t *wide = sys_path(path, NULL);
    bool there = wide && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
    free(wide);
    return there;
}

bool lab_os_real(const char *path, char out[LAB_PATH_MAX])
{
    wchar_t full[LAB_PATH_MAX], *wide = sys_wide(path);
    DWORD len = wide ? GetFullPathNameW(wide, LAB_PATH_MAX, full, NULL) : 0;
    free(wide);
    return len > 0 && len < LAB_PATH_MAX && take_path(full, out) && lab_os_exists(out);
}

bool lab_os_temp(const char *prefix, char out[LAB_PATH_MAX], struct error *err)
{
    wchar_t folder[MAX_PATH + 1];
    char base[LAB_PATH_MAX], word[17];
    uint8_t random[8];
    DWORD len = GetTempPathW(MAX_PATH + 1, folder);
    if (len == 0 || len > MAX_PATH || !take_path(folder, base)) {
        sys_error(err, GetLastError(), "the folder for temporary files");
        return false;
    }
    if (os_random(random, sizeof random, err) != ERR_NONE)
        return false;
    text_to_hex(word, random, sizeof random);
    text_format(out, LAB_PATH_MAX, "%s%s%s", base, prefix, word);
    return os_make_dir(out, 0755, err) == ERR_NONE;
}

static void remove_inside(const char *path)
{
    WIN32_FIND_DATAW found;
    char pattern[LAB_PATH_MAX + 8], inside[LAB_PATH_MAX];
    snprintf(pattern, sizeof pattern, "%s/*", path);
    wchar_t *wide = sys_path(pattern, NULL);
    HANDLE search = wide ? FindFirstFileW(wide, &found) : INVALID_HANDLE_VALUE;
    free(wide);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        char *name = sys_utf8(found.cFileName);
        if (name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            text_format(inside, sizeof inside, "%s/%s", path, name))
            lab_os_remove(inside);
        free(name);
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

void lab_os_remove(const char *path)
{
    wchar_t *wide = sys_path(path, NULL);
    if (!wide)
        return;
    if (!DeleteFileW(wide)) {
        remove_inside(path);
        RemoveDirectoryW(wide);
    }
    free(wide);
}

/* ---- files ---- */

static HANDLE open_file(const char *path, DWORD access, DWORD share, DWORD how, struct error *err)
{
    wchar_t *wide = sys_path(path, err);
    if (!wide)
        return INVALID_HANDLE_VALUE;
    HANDLE h = CreateFileW(wide, access, share, NULL, how, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD number = GetLastError();
    free(wide);
    if (h == INVALID_HANDLE_VALUE)
        sys_error(err, number, "%s", path);
    return h;
}

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

int lab_os_try_lock(const char *path)
{
    HANDLE h = open_file(path, GENERIC_WRITE, 0, OPEN_ALWAYS, NULL);
    return h == INVALID_HANDLE_VALUE ? -1 : (int)(intptr_t)h;
}

void lab_os_unlock(int lock)
{
    CloseHandle((HANDLE)(intptr_t)lock);
}

bool lab_os_stderr_to(const char *path, struct error *err)
{
    HANDLE h = open_file(path, FILE_APPEND_DATA | SYNCHRONIZE, SHARE_ALL, OPEN_ALWAYS, err);
    if (h == INVALID_HANDLE_VALUE)
        return false;
    int fd = _open_osfhandle((intptr_t)h, _O_APPEND | _O_BINARY);
    if (fd < 0 || _dup2(fd, 2) != 0) {
        error_set(err, ERR_IO, "%s cannot become the standard error", path);
        return false;
    }
    SetStdHandle(STD_ERROR_HANDLE, (HANDLE)_get_osfhandle(2));
    setvbuf(stderr, NULL, _IONBF, 0);
    return true;
}

void *lab_os_map(const char *path, size_t bytes, struct error *err)
{
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE, SHARE_ALL, OPEN_ALWAYS, err);
    if (file == INVALID_HANDLE_VALUE)
        return NULL;
    /* The file grows to that size, with zeros. */
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READWRITE, (DWORD)((uint64_t)bytes >> 32),
                                        (DWORD)bytes, NULL);
    void *memory = mapping ? MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, bytes) : NULL;
    if (!memory)
        sys_error(err, GetLastError(), "%s", path);
    sys_close(&mapping);
    sys_close(&file);
    return memory;
}

bool lab_os_append(const char *path, const char *bytes, size_t len)
{
    HANDLE h = open_file(path, FILE_WRITE_DATA | SYNCHRONIZE, SHARE_ALL, OPEN_ALWAYS, NULL);
    if (h == INVALID_HANDLE_VALUE)
        return false;
    OVERLAPPED at = {.Offset = LOCK_AT, .OffsetHigh = LOCK_AT};
    DWORD written = 0;
    bool ok = LockFileEx(h, LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &at);
    LARGE_INTEGER none = {.QuadPart = 0};
    ok = ok && SetFilePointerEx(h, none, NULL, FILE_END) &&
         WriteFile(h, bytes, (DWORD)len, &written, NULL) && written == len;
    UnlockFileEx(h, 0, 1, 0, &at);
    CloseHandle(h);
    return ok;
}

bool lab_os_link(const char *from, const char *to, struct error *err)
{
    wchar_t *old = sys_path(from, err), *new = old ? sys_path(to, err) : NULL;
    bool ok = false;
    if (new) {
        DeleteFileW(new);
        ok = CreateHardLinkW(new, old, NULL) || CopyFileW(old, new, TRUE);
        if (!ok)
            sys_error(err, GetLastError(), "%s", to);
    }
    free(old);
    free(new);
    return ok;
}

/* ---- text ---- */

char *lab_os_encode(const char *code_page, const char *text, size_t len, size_t *out_len)
{
    UINT page = strcmp(code_page, "CP850") == 0 ? 850 : strcmp(code_page, "CP1252") == 0 ? 1252 : 0;
    if (!page && strcmp(code_page, "UTF-16LE") != 0)
        return NULL;
    wchar_t *wide = must_alloc(len + 1, sizeof *wide);
    int units = MultiByteToWideChar(CP_UTF8, 0, text, (int)len, wide, (int)len + 1);
    if (!page) {
        *out_len = (size_t)units * sizeof *wide;
        return (char *)wide;
    }
    char *bytes = must_alloc((size_t)units * 2 + 1, 1);
    *out_len = (size_t)WideCharToMultiByte(page, 0, wide, units, bytes, units * 2, NULL, NULL);
    free(wide);
    return bytes;
}
