/* log_system_win32.c - see log_system_win32.h. */
#include "common/log_system_win32.h"

#include "common/clock.h"
#include "common/log_file.h"
#include "common/must.h"
#include "common/os.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES   ((uint64_t)10 << 20)
#define FILES_KEPT       5
#define STDERR_MAX_BYTES (1u << 20)
#define FULL_MS          60000
#define STDERR           2

/* Numbers of deploy/windows/events.mc, where the text of each is one parameter. */
#define EVENT_INFO  0x40000001u
#define EVENT_WARN  0x80000002u
#define EVENT_ERROR 0xC0000003u

struct log_system {
    struct log_file *file; /* NULL: could not be opened */
    HANDLE events;         /* NULL: not registered */
    SRWLOCK lock;
    struct log_rate rate;
};

/* ---- how many events ---- */

void log_rate_init(struct log_rate *rate, uint64_t now_ms)
{
    *rate = (struct log_rate){.tokens_ms = FULL_MS, .last_ms = now_ms};
}

bool log_rate_take(struct log_rate *rate, uint64_t now_ms)
{
    uint64_t passed = now_ms > rate->last_ms ? now_ms - rate->last_ms : 0;
    rate->last_ms = now_ms;
    rate->tokens_ms = passed > FULL_MS - rate->tokens_ms ? FULL_MS : rate->tokens_ms + passed;
    if (rate->tokens_ms < FULL_MS / LOG_RATE_PER_MINUTE)
        return false;
    rate->tokens_ms -= FULL_MS / LOG_RATE_PER_MINUTE;
    return true;
}

/* ---- writing ---- */

static void write_event(struct log_system *log, enum log_level level, const char *line, size_t len)
{
    AcquireSRWLockExclusive(&log->lock);
    bool room = log_rate_take(&log->rate, clock_boot_ms());
    ReleaseSRWLockExclusive(&log->lock);
    if (!room)
        return;
    char *text = must_alloc(len + 1, 1);
    memcpy(text, line, len);
    text[strcspn(text, "\r\n")] = '\0';
    wchar_t *wide = sys_wide(text);
    const wchar_t *strings[] = {wide ? wide : L"(a line that is not valid UTF-8)"};
    bool warn = level == LOG_LEVEL_WARN;
    ReportEventW(log->events, warn ? EVENTLOG_WARNING_TYPE : EVENTLOG_ERROR_TYPE, 0,
                 warn ? EVENT_WARN : EVENT_ERROR, NULL, 1, 0, strings, NULL);
    free(wide);
    free(text);
}

static void write_line(void *arg, enum log_level level, const char *line, size_t len)
{
    struct log_system *log = arg;
    if (log->file)
        log_file_write(log->file, line, len);
    if (log->events && (level == LOG_LEVEL_WARN || level == LOG_LEVEL_ERROR))
        write_event(log, level, line, len);
}

/* ---- starting ---- */

/* What the C library and broken promises say goes to NAME.err; begun anew when it is large. */
static void redirect_stderr(const char *dir, const char *name)
{
    WIN32_FILE_ATTRIBUTE_DATA info;
    struct text path = {0};
    text_addf(&path, "%s/%s.err", dir, name);
    wchar_t *wide = sys_path(path.data, NULL);
    text_reset(&path);
    if (!wide)
        return;
    if (GetFileAttributesExW(wide, GetFileExInfoStandard, &info) &&
        (info.nFileSizeHigh > 0 || info.nFileSizeLow > STDERR_MAX_BYTES))
        DeleteFileW(wide);
    int fd = _wopen(wide, _O_WRONLY | _O_CREAT | _O_APPEND | _O_BINARY | _O_NOINHERIT,
                    _S_IREAD | _S_IWRITE);
    free(wide);
    if (fd < 0)
        return;
    /* A service has no standard handles: the stream of the C library is then on no descriptor, and
     * freopen refuses that. */
    if (_dup2(fd, STDERR) == 0)
        stderr->_file = STDERR;
    _close(fd);
    setvbuf(stderr, NULL, _IONBF, 0);
}

void log_system_start(const struct service_name *name, bool with_files)
{
    struct error err = {0};
    struct log_system *log = must_alloc(1, sizeof(*log)); /* lives as long as the process */
    wchar_t *source = sys_wide(name->display);
    log->events = RegisterEventSourceW(NULL, source);
    free(source);
    InitializeSRWLock(&log->lock);
    log_rate_init(&log->rate, clock_boot_ms());
    log_set_sink(write_line, log);
    if (!with_files)
        return;
    enum error_code code = os_make_dir(name->log_dir, 0700, &err);
    if (!code)
        code = log_file_open(name->log_dir, name->log, FILE_MAX_BYTES, FILES_KEPT, &log->file, &err);
    if (code)
        log_error("log_file_failed", LOG_TEXT("error", err.text));
    else
        redirect_stderr(name->log_dir, name->log);
}
