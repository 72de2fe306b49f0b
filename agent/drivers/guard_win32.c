/* guard_win32.c - see guard_win32.h. */
#include "agent/drivers/guard_win32.h"

#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>

#define LATE_MAX 16

static volatile LONG late; /* threads that were given up and have not ended */

/* Shared by both threads; the last one that leaves frees it. */
struct errand {
    struct guard_call *call;
    HANDLE done;
    volatile LONG given_up; /* whoever sets it first leaves the rest to the other */
    uint32_t result;
};

static void errand_free(struct errand *errand)
{
    sys_close(&errand->done);
    free(errand);
}

static DWORD WINAPI run(void *arg)
{
    struct errand *errand = arg;
    errand->result = errand->call->run(errand->call);
    if (InterlockedExchange(&errand->given_up, 1) == 0) {
        SetEvent(errand->done);
        return 0;
    }
    errand->call->release(errand->call);
    errand_free(errand);
    InterlockedDecrement(&late);
    return 0;
}

static enum error_code give_up(struct errand *errand, const char *what, uint64_t timeout_ms,
                               bool *ended, struct error *err)
{
    char text[TEXT_DURATION_MAX];
    InterlockedIncrement(&late);
    *ended = InterlockedExchange(&errand->given_up, 1) != 0;
    if (!*ended)
        return error_set(err, ERR_TIMEOUT, "%s did not answer within %s", what,
                         text_format_duration(text, timeout_ms));
    InterlockedDecrement(&late); /* it ended at the last moment */
    WaitForSingleObject(errand->done, INFINITE);
    return ERR_NONE;
}

enum error_code guard_run(struct guard_call *call, uint64_t timeout_ms, const char *what,
                          uint32_t *result, struct error *err)
{
    if (late >= LATE_MAX || timeout_ms == 0) {
        call->release(call);
        return timeout_ms == 0
                   ? error_set(err, ERR_TIMEOUT, "no time left to ask %s", what)
                   : error_set(err, ERR_UNAVAILABLE,
                               "%s: %d earlier calls have not come back: not asked again", what,
                               LATE_MAX);
    }
    struct errand *errand = must_alloc(1, sizeof(*errand));
    errand->call = call;
    errand->done = CreateEventW(NULL, TRUE, FALSE, NULL);
    HANDLE thread = errand->done ? CreateThread(NULL, 0, run, errand, 0, NULL) : NULL;
    if (!thread) {
        DWORD number = GetLastError();
        call->release(call);
        errand_free(errand);
        return sys_error(err, number, "a thread to ask %s", what);
    }
    CloseHandle(thread);
    DWORD wait_ms = timeout_ms < INFINITE - 1 ? (DWORD)timeout_ms : INFINITE - 1;
    bool ended = WaitForSingleObject(errand->done, wait_ms) == WAIT_OBJECT_0;
    enum error_code code = ended ? ERR_NONE : give_up(errand, what, timeout_ms, &ended, err);
    if (!ended)
        return code;
    *result = errand->result;
    errand_free(errand);
    return ERR_NONE;
}
