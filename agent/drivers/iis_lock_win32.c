/* iis_lock_win32.c - see iis_lock.h: a lock on a byte of a file that SYSTEM and Administrators
 * alone can open.
 *
 * A named object would not do: every pool's identity may make one in Global\ first, and hold it.
 * The file is the same for all agents of the machine, wherever their data lie, and nobody shares
 * its deletion: while one has it open, no second file of that name can come. The system lets go
 * what a process held that died. A commit is one step, so nothing is half done then.
 *
 * Source: LockFileEx, "Kernel object namespaces".
 */
#include "agent/drivers/iis_lock.h"

#include "agent/home_win32.h"
#include "common/clock.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>

#define NAME    "iis.lock"
#define POLL_MS 50

static enum error_code open_file(HANDLE *out, struct error *err)
{
    struct text path = {0};
    enum error_code code = home_secure(home_root(), NULL, err);
    if (code)
        return code;
    text_addf(&path, "%s\\" NAME, home_root());
    wchar_t *wide = sys_path(text_get(&path), err);
    text_reset(&path);
    if (!wide)
        return ERR_INVALID;
    *out = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD number = GetLastError();
    free(wide);
    return *out != INVALID_HANDLE_VALUE ? ERR_NONE : sys_error(err, number, "cannot open " NAME);
}

static enum error_code lock_file(HANDLE file, uint64_t timeout_ms, struct error *err)
{
    uint64_t began_ms = clock_boot_ms();
    for (;;) {
        OVERLAPPED place = {0};
        if (LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place))
            return ERR_NONE;
        DWORD number = GetLastError();
        if (number != ERROR_LOCK_VIOLATION && number != ERROR_IO_PENDING)
            return sys_error(err, number, "cannot lock " NAME);
        if (clock_boot_ms() - began_ms >= timeout_ms)
            return error_set(err, ERR_BUSY,
                             "another Farmhand on this machine changes the configuration of IIS");
        clock_sleep_ms(POLL_MS);
    }
}

enum error_code iis_lock_take(struct iis_lock *lock, uint64_t timeout_ms, struct error *err)
{
    HANDLE file = NULL;
    lock->handle = NULL;
    enum error_code code = open_file(&file, err);
    if (code)
        return error_wrap(err, "the lock of IIS's configuration");
    code = lock_file(file, timeout_ms, err);
    if (code) {
        CloseHandle(file);
        return code == ERR_BUSY ? code : error_wrap(err, "the lock of IIS's configuration");
    }
    lock->handle = file;
    return ERR_NONE;
}

/* The lock ends with its handle, but for a moment that the system may take: so it is let go. */
void iis_lock_give(struct iis_lock *lock)
{
    OVERLAPPED place = {0};
    if (!lock->handle)
        return;
    UnlockFileEx(lock->handle, 0, 1, 0, &place);
    CloseHandle(lock->handle);
    lock->handle = NULL;
}
