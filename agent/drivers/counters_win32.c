/* counters_win32.c - see counters_win32.h. */
#include "agent/drivers/counters_win32.h"

#include "agent/drivers/guard_win32.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

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
    struct text others; /* of the first counter */
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

static void take(struct counters_call *call, enum scm_figure figure,
                 const PDH_FMT_COUNTERVALUE_ITEM_W *items, DWORD count)
{
    for (DWORD i = 0; i < count; i++) {
        bool good = items[i].FmtValue.CStatus == PDH_CSTATUS_VALID_DATA ||
                    items[i].FmtValue.CStatus == PDH_CSTATUS_NEW_DATA;
        char *instance = good ? sys_utf8(items[i].szName) : NULL;
        if (instance)
            scm_counters_take(&call->counters, instance, figure, items[i].FmtValue.largeValue);
        if (instance && figure == SCM_FIGURE_QUEUED && !scm_is_pool_instance(instance))
            text_addf(&call->others, "%s%s", call->others.len ? " " : "", instance);
        free(instance);
    }
}

static PDH_STATUS read_one(PDH_HCOUNTER counter, enum scm_figure figure, struct counters_call *call)
{
    DWORD bytes = 0, count = 0;
    PDH_STATUS status = PdhGetFormattedCounterArrayW(counter, PDH_FMT_LARGE, &bytes, &count, NULL);
    if (status != (PDH_STATUS)PDH_MORE_DATA || bytes > ANSWER_MAX)
        return status == ERROR_SUCCESS ? status : (PDH_STATUS)PDH_NO_DATA;
    PDH_FMT_COUNTERVALUE_ITEM_W *items = must_alloc(1, bytes);
    status = PdhGetFormattedCounterArrayW(counter, PDH_FMT_LARGE, &bytes, &count, items);
    if (status == ERROR_SUCCESS)
        take(call, figure, items, count);
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
        status = read_one(call->reader->queued, SCM_FIGURE_QUEUED, call);
    if (status == ERROR_SUCCESS)
        status = read_one(call->reader->rejected, SCM_FIGURE_REJECTED, call);
    return (uint32_t)status;
}

static void release(struct guard_call *base)
{
    struct counters_call *call = (struct counters_call *)base;
    counters_close(call->reader);
    scm_counters_reset(&call->counters);
    text_reset(&call->others);
    free(call);
}

/* On failure the call is gone. */
static enum error_code ask(struct counters_call *call, uint64_t timeout_ms, struct error *err)
{
    uint32_t status;
    enum error_code code =
        guard_run(&call->call, timeout_ms, "the performance counters", &status, err);
    if (code || status == ERROR_SUCCESS)
        return code;
    release(&call->call); /* the reader too: it is opened anew, IIS may have come meanwhile */
    return error_set(err, ERR_UNAVAILABLE,
                     "the counters of request queues cannot be read: PDH code %08" PRIX32
                     "; lodctr /R rebuilds broken ones",
                     status);
}

static struct counters_call *call_new(struct counters_reader *reader)
{
    struct counters_call *call = must_alloc(1, sizeof(*call));
    call->call = (struct guard_call){run, release};
    call->reader = reader;
    return call;
}

enum error_code counters_others(uint64_t timeout_ms, char *out, size_t size_bytes,
                                struct error *err)
{
    struct counters_call *call = call_new(NULL);
    enum error_code code = ask(call, timeout_ms, err);
    if (code)
        return code;
    text_copy(out, size_bytes, text_get(&call->others));
    release(&call->call);
    return ERR_NONE;
}

enum error_code counters_read(struct counters_reader **reader, uint64_t timeout_ms,
                              struct scm_counters *out, struct error *err)
{
    struct counters_call *call = call_new(*reader);
    *reader = NULL;
    enum error_code code = ask(call, timeout_ms, err);
    if (code)
        return code;
    *out = call->counters;
    *reader = call->reader;
    call->counters = (struct scm_counters){0};
    call->reader = NULL;
    release(&call->call);
    return ERR_NONE;
}
