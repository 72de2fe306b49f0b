/* event_log_win32.c - see event_log_win32.h. */
#include "agent/drivers/event_log_win32.h"

#include "agent/drivers/guard_win32.h"
#include "common/must.h"
#include "common/sys_win32.h"

#include <stdlib.h>
#include <string.h>
#include <winevt.h>

#define BATCH       16
#define BATCHES_MAX 64 /* a thousand entries at a call; the rest comes with the next */
#define XML_MAX     ((DWORD)256 * 1024)

/* The providers under their present and their former names. Source: IIS.md section 5. */
#define PROVIDERS_SYSTEM                                                                           \
    L"(@Name='Microsoft-Windows-WAS' or @Name='WAS' or @Name='Microsoft-Windows-IIS-W3SVC' or "    \
    L"@Name='W3SVC')"
#define PROVIDERS_APPLICATION L"(@Name='Microsoft-Windows-IIS-W3SVC-WP' or @Name='W3SVC-WP')"
#define SELECT(channel, providers, more)                                                           \
    L"<Select Path=\"" channel L"\">*[System[Provider[" providers L"]" more L"]]</Select>"
#define QUERY(more)                                                                                \
    L"<QueryList><Query Id=\"0\">" SELECT(L"System", PROVIDERS_SYSTEM, more)                       \
        SELECT(L"Application", PROVIDERS_APPLICATION, more) L"</Query></QueryList>"
#define QUERY_PATH L"System"
#define LAST_HOUR  L" and TimeCreated[timediff(@SystemTime) &lt;= 3600000]"

struct events_reader {
    HANDLE signal;
    EVT_HANDLE subscription, bookmark;
};

static void close_event(EVT_HANDLE *handle)
{
    if (*handle)
        EvtClose(*handle);
    *handle = NULL;
}

void events_close(struct events_reader *reader)
{
    if (!reader)
        return;
    close_event(&reader->subscription);
    close_event(&reader->bookmark);
    sys_close(&reader->signal);
    free(reader);
}

/* The reader travels with the call: one that hangs keeps it, and is never used beside it. */
struct events_call {
    struct guard_call call;
    struct events_reader *reader;
    wchar_t *mark; /* the bookmark's text, when the reader is opened; NULL: none */
    struct event_entries entries;
    char *new_mark; /* NULL: nothing came */
};

/* Asked before anything else: what is not there (Wine has the library, and aborts in most of its
 * functions) is told by this one as well. */
static DWORD check_log(void)
{
    EVT_HANDLE query =
        EvtQuery(NULL, QUERY_PATH, L"*[System[EventRecordID=0]]", EvtQueryChannelPath);
    DWORD number = query ? ERROR_SUCCESS : GetLastError();
    if (!query)
        return number == ERROR_SUCCESS ? ERROR_CALL_NOT_IMPLEMENTED : number;
    close_event(&query);
    return ERROR_SUCCESS;
}

/* A bookmark that Windows does not take, since it is damaged say, counts as none. */
static DWORD open_reader(struct events_call *call)
{
    DWORD number = check_log();
    if (number != ERROR_SUCCESS)
        return number;
    struct events_reader *reader = must_alloc(1, sizeof(*reader));
    call->reader = reader;
    reader->signal = CreateEventW(NULL, TRUE, TRUE, NULL);
    if (!reader->signal)
        return GetLastError();
    EVT_HANDLE kept = call->mark ? EvtCreateBookmark(call->mark) : NULL;
    reader->bookmark = kept ? kept : EvtCreateBookmark(NULL);
    if (!reader->bookmark)
        return GetLastError();
    if (kept)
        reader->subscription = EvtSubscribe(NULL, reader->signal, NULL, QUERY(L""), kept, NULL,
                                            NULL, EvtSubscribeStartAfterBookmark);
    if (!reader->subscription)
        reader->subscription = EvtSubscribe(NULL, reader->signal, NULL, QUERY(LAST_HOUR), NULL,
                                            NULL, NULL, EvtSubscribeStartAtOldestRecord);
    return reader->subscription ? ERROR_SUCCESS : GetLastError();
}

static wchar_t *render(EVT_HANDLE event, DWORD flags)
{
    DWORD bytes = 0, count = 0;
    EvtRender(NULL, event, flags, 0, NULL, &bytes, &count);
    if (GetLastError() != ERROR_INSUFFICIENT_BUFFER || bytes > XML_MAX)
        return NULL;
    wchar_t *text = must_alloc(1, bytes + sizeof(wchar_t));
    if (EvtRender(NULL, event, flags, bytes, text, &bytes, &count))
        return text;
    free(text);
    return NULL;
}

/* One that cannot be read is passed over: the others matter. */
static void take(struct events_call *call, EVT_HANDLE event)
{
    struct event_entry entry;
    wchar_t *wide = render(event, EvtRenderEventXml);
    char *xml = wide ? sys_utf8(wide) : NULL;
    if (xml && event_parse(xml, strlen(xml), &entry, NULL) == ERR_NONE)
        event_entries_add(&call->entries, &entry);
    free(xml);
    free(wide);
    EvtUpdateBookmark(call->reader->bookmark, event);
}

static DWORD read_batches(struct events_call *call, bool *any)
{
    for (int batch = 0; batch < BATCHES_MAX; batch++) {
        EVT_HANDLE events[BATCH];
        DWORD count = 0;
        if (!EvtNext(call->reader->subscription, BATCH, events, 0, 0, &count))
            return GetLastError() == ERROR_NO_MORE_ITEMS || GetLastError() == ERROR_TIMEOUT
                       ? ERROR_SUCCESS
                       : GetLastError();
        for (DWORD i = 0; i < count; i++) {
            take(call, events[i]);
            close_event(&events[i]);
        }
        *any = true;
    }
    return ERROR_SUCCESS;
}

static uint32_t run(struct guard_call *base)
{
    struct events_call *call = (struct events_call *)base;
    bool any = false;
    DWORD number = call->reader ? ERROR_SUCCESS : open_reader(call);
    if (number == ERROR_SUCCESS)
        number = read_batches(call, &any);
    wchar_t *mark = any ? render(call->reader->bookmark, EvtRenderBookmark) : NULL;
    if (mark)
        call->new_mark = sys_utf8(mark);
    free(mark);
    return number;
}

static void release(struct guard_call *base)
{
    struct events_call *call = (struct events_call *)base;
    events_close(call->reader);
    event_entries_reset(&call->entries);
    free(call->mark);
    free(call->new_mark);
    free(call);
}

static wchar_t *wide_mark(struct bookmark *mark)
{
    char *text = bookmark_read(mark);
    wchar_t *wide = text ? sys_wide(text) : NULL;
    free(text);
    return wide;
}

enum error_code events_read(struct events_reader **reader, struct bookmark *mark,
                            uint64_t timeout_ms, struct event_entries *out, struct error *err)
{
    struct events_call *call = must_alloc(1, sizeof(*call));
    uint32_t number;
    call->call = (struct guard_call){run, release};
    call->reader = *reader;
    call->mark = *reader ? NULL : wide_mark(mark);
    *reader = NULL;
    enum error_code code = guard_run(&call->call, timeout_ms, "the event log", &number, err);
    if (code)
        return code;
    if (number != ERROR_SUCCESS) {
        release(&call->call);
        return number == ERROR_ACCESS_DENIED
                   ? error_set(err, ERR_DENIED, "the event log may not be read: run elevated")
                   : error_set(err, ERR_UNAVAILABLE, "the event log cannot be read: code %lu",
                               (unsigned long)number);
    }
    if (call->new_mark)
        bookmark_write(mark, call->new_mark);
    *out = call->entries;
    *reader = call->reader;
    call->entries = (struct event_entries){0};
    call->reader = NULL;
    release(&call->call);
    return ERR_NONE;
}
