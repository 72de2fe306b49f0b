/* log_file_win32.c - see log_file.h. */
#include "common/log_file.h"

#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdbool.h>
#include <stdlib.h>

struct log_file {
    SRWLOCK lock;
    char *dir, *name;
    uint64_t max_bytes;
    uint64_t size_bytes;
    uint64_t rotate_at; /* bytes; above max_bytes after a rotation that was refused */
    unsigned keep;
    HANDLE handle; /* NULL: it could not be opened again; the next line tries */
};

/* NAME.log for 0, NAME.3.log for 3; free() it. */
static wchar_t *path_of(const struct log_file *file, unsigned number, struct error *err)
{
    struct text path = {0};
    text_addf(&path, "%s/%s", file->dir, file->name);
    if (number > 0)
        text_addf(&path, ".%u", number);
    text_add(&path, ".log");
    wchar_t *wide = sys_path(path.data, err);
    text_reset(&path);
    return wide;
}

/* Others may read, rename and delete it meanwhile; FILE_APPEND_DATA alone makes every write an
 * appending one. */
static enum error_code open_current(struct log_file *file, struct error *err)
{
    wchar_t *path = path_of(file, 0, err);
    if (!path)
        return ERR_INVALID;
    HANDLE handle =
        CreateFileW(path, FILE_APPEND_DATA | SYNCHRONIZE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_ALWAYS,
                    FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD number = GetLastError();
    free(path);
    if (handle == INVALID_HANDLE_VALUE)
        return sys_error(err, number, "cannot open the log file %s/%s.log", file->dir, file->name);
    LARGE_INTEGER size = {0};
    GetFileSizeEx(handle, &size);
    file->handle = handle;
    file->size_bytes = (uint64_t)size.QuadPart;
    file->rotate_at = file->max_bytes;
    return ERR_NONE;
}

static bool move(const struct log_file *file, unsigned from, unsigned to)
{
    wchar_t *old = path_of(file, from, NULL), *new = path_of(file, to, NULL);
    bool moved = old && new && MoveFileExW(old, new, MOVEFILE_REPLACE_EXISTING);
    free(old);
    free(new);
    return moved;
}

/* From the oldest on, each takes the next number; the one above `keep` is written over. A file that
 * somebody holds is tried again a tenth later, and lines go on meanwhile. */
static void rotate(struct log_file *file)
{
    for (unsigned i = file->keep; i > 1; i--)
        move(file, i - 1, i);
    if (!move(file, 0, 1)) {
        file->rotate_at = file->size_bytes + file->max_bytes / 10;
        return;
    }
    sys_close(&file->handle);
    open_current(file, NULL);
}

enum error_code log_file_open(const char *dir, const char *name, uint64_t max_bytes, unsigned keep,
                              struct log_file **out, struct error *err)
{
    must(max_bytes > 0 && keep > 0);
    struct log_file *file = must_alloc(1, sizeof(*file));
    InitializeSRWLock(&file->lock);
    file->dir = must_copy(dir);
    file->name = must_copy(name);
    file->max_bytes = max_bytes;
    file->keep = keep;
    enum error_code code = open_current(file, err);
    if (code)
        log_file_close(file);
    else
        *out = file;
    return code;
}

void log_file_write(struct log_file *file, const char *line, size_t len)
{
    DWORD done = 0;
    AcquireSRWLockExclusive(&file->lock);
    if (!file->handle)
        open_current(file, NULL);
    if (file->handle && file->size_bytes > 0 && file->size_bytes + len > file->rotate_at)
        rotate(file);
    if (file->handle && WriteFile(file->handle, line, (DWORD)len, &done, NULL))
        file->size_bytes += done;
    ReleaseSRWLockExclusive(&file->lock);
}

void log_file_close(struct log_file *file)
{
    if (!file)
        return;
    sys_close(&file->handle);
    free(file->dir);
    free(file->name);
    free(file);
}
