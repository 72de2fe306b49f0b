/* counters_win32.c - see counters_win32.h. */
#include "agent/drivers/counters_win32.h"

#include "agent/drivers/guard_win32.h"
#include "common/must.h"
#include "common/sys_win32.h"

#include <inttypes.h>
#include <pdh.h>
#include <pdhmsg.h>
#include <stdlib.h>

/* Source: IIS.md section 6, "HTTP Service Request Queues". */
#define QUEUED   L"\\HTTP Service Request Queues(*)\\CurrentQueueSize"
#define REJECTED L"\\HTTP Service Request Queues(*)\\RejectedRequests"

#define ANSWER_MAX ((DWORD)4 << 20) /* bytes of one counter's instances */

struct counters_reader {
    PDH_HQUERY query;
    PDH_HCOUNTER queued, rejected;
};

void counters_close(struct counters_reader *reader)
{
    if (reader && reader->query)
        PdhCloseQuery(reader->query);
    free(reader);
}

/* The reader travels with the call: one that hangs keeps it, and is never used beside it. */
struct counters_call {
    struct guard_call call;
    struct counters_reader *reader;
    struct scm_counters counters;
};

static PDH_STATUS open_reader(struct counters_reader **out)
{
    struct counters_reader *reader = must_alloc(1, sizeof(*reader));
    PDH_STATUS status = PdhOpenQueryW(NULL, 0, &reader->query);
    if (status == ERROR_SUCCESS)
        status = PdhAddEnglishCounterW(reader->query, QUEUED, 0, &reader->queued);
    if (status == ERROR_SUCCESS)
        status = PdhAddEnglishCounterW(reader->query, REJECTED, 0, &reader->rejected);
    if (status != ERROR_SUCCESS) {
        counters_close(reader);
        return status;
    }
    *out = reader;
    return ERROR_SUCCESS;
}

static void take(struct scm_counters *counters, enum scm_figure figure,
                 const PDH_FMT_COUNTERVALUE_ITEM_W *items, DWORD count)
{
    for (DWORD i = 0; i < count; i++) {
        bool good = items[i].FmtValue.CStatus == PDH_CSTATUS_VALID_DATA ||
                    items[i].FmtValue.CStatus == PDH_CSTATUS_NEW_DATA;
        char *instance = good ? sys_utf8(items[i].szName) : NULL;
        if (instance)
            scm_counters_take(counters, instance, figure, items[i].FmtValue.largeValue);
        free(instance);
    }
}

static PDH_STATUS read_one(PDH_HCOUNTER counter, enum scm_figure figure,
                           struct scm_counters *counters)
{
    DWORD bytes = 0, count = 0;
    PDH_STATUS status = PdhGetFormattedCounterArrayW(counter, PDH_FMT_LARGE, &bytes, &count, NULL);
    if (status != (PDH_STATUS)PDH_MORE_DATA || bytes > ANSWER_MAX)
        return status == ERROR_SUCCESS ? status : (PDH_STATUS)PDH_NO_DATA;
    PDH_FMT_COUNTERVALUE_ITEM_W *items = must_alloc(1, bytes);
    status = PdhGetFormattedCounterArrayW(counter, PDH_FMT_LARGE, &bytes, &count, items);
    if (status == ERROR_SUCCESS)
        take(counters, figure, items, count);
    free(items);
    return status;
}

static uint32_t run(struct guard_call *base)
{
    struct counters_call *call = (struct counters_call *)base;
    PDH_STATUS status = call->reader ? ERROR_SUCCESS : open_reader(&call->reader);
    if (status == ERROR_SUCCESS)
        status = PdhCollectQueryData(call->reader->query);
    if (status == ERROR_SUCCESS)
        status = read_one(call->reader->queued, SCM_FIGURE_QUEUED, &call->counters);
    if (status == ERROR_SUCCESS)
        status = read_one(call->reader->rejected, SCM_FIGURE_REJECTED, &call->counters);
    return (uint32_t)status;
}

static void release(struct guard_call *base)
{
    struct counters_call *call = (struct counters_call *)base;
    counters_close(call->reader);
    scm_counters_reset(&call->counters);
    free(call);
}

enum error_code counters_read(struct counters_reader **reader, uint64_t timeout_ms,
                              struct scm_counters *out, struct error *err)
{
    struct counters_call *call = must_alloc(1, sizeof(*call));
    uint32_t status;
    call->call = (struct guard_call){run, release};
    call->reader = *reader;
    *reader = NULL;
    enum error_code code =
        guard_run(&call->call, timeout_ms, "the performance counters", &status, err);
    if (code)
        return code;
    if (status != ERROR_SUCCESS) {
        release(&call->call); /* the reader too: it is opened anew, IIS may have come meanwhile */
        return error_set(err, ERR_UNAVAILABLE,
                         "the counters of request queues cannot be read: PDH code %08" PRIX32
                         "; lodctr /R rebuilds broken ones",
                         status);
    }
    *out = call->counters;
    *reader = call->reader;
    call->counters = (struct scm_counters){0};
    call->reader = NULL;
    release(&call->call);
    return ERR_NONE;
}
