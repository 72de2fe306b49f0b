/* iis_lock_win32.c - see iis_lock.h: a named mutex. */
#include "agent/drivers/iis_lock.h"

#include "common/sys_win32.h"

#define NAME L"Global\\Farmhand IIS configuration"

enum error_code iis_lock_take(struct iis_lock *lock, uint64_t timeout_ms, struct error *err)
{
    HANDLE mutex = CreateMutexW(NULL, FALSE, NAME);
    if (!mutex)
        return sys_error(err, GetLastError(), "the lock of IIS's configuration");
    DWORD wait_ms = timeout_ms < INFINITE - 1 ? (DWORD)timeout_ms : INFINITE - 1;
    switch (WaitForSingleObject(mutex, wait_ms)) {
    case WAIT_OBJECT_0:
    case WAIT_ABANDONED: /* its holder died: a commit is one step, so nothing is half done */
        lock->handle = mutex;
        return ERR_NONE;
    default:
        CloseHandle(mutex);
        return error_set(err, ERR_BUSY,
                         "another Farmhand on this machine changes the configuration of IIS");
    }
}

void iis_lock_give(struct iis_lock *lock)
{
    if (!lock->handle)
        return;
    ReleaseMutex(lock->handle);
    CloseHandle(lock->handle);
    lock->handle = NULL;
}
