/* log.h - one event, one line: `time=... level=info event=target_enter run=7 server=web03`.
 *
 * Values are typed fields and are escaped here, so nothing that came from outside can forge a
 * line. Error: someone must act. Warn: someone should look. No secrets: do not pass them.
 * May be called from any thread; writes with one write() to stderr (or the file set, or hands the
 * line to a sink), and never fails the caller. The level is one of the two globals of the program.
 */
#ifndef FARMHAND_COMMON_LOG_H
#define FARMHAND_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum log_kind { LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_UINT, LOG_KIND_BOOL };

struct log_field {
    const char *key;
    enum log_kind kind;
    union {
        const char *text; /* UTF-8; NULL is written as "-" */
        int64_t i;
        uint64_t u;
        bool b;
    };
};

#define LOG_TEXT(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_TEXT, .text = (v)})
#define LOG_INT(k, v)  ((struct log_field){.key = (k), .kind = LOG_KIND_INT, .i = (v)})
#define LOG_UINT(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_UINT, .u = (v)})
#define LOG_BOOL(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_BOOL, .b = (v)})

/* log_info("target_enter", LOG_INT("run", 7), LOG_TEXT("server", name)); at least one field. */
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_event(level, event, ...)                                                               \
    log_write(level, event, (const struct log_field[]){__VA_ARGS__},                               \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

void log_set_level(enum log_level level);
void log_set_fd(int fd);                                     /* default 2; borrowed */
bool log_level_parse(const char *word, enum log_level *out); /* "debug" | "info" | ... */

/* Lines go to `sink` instead of the file, with their line end; NULL: to the file again. It is called
 * in the thread that logs, and must not log. Set before other threads start. */
typedef void log_sink(void *arg, enum log_level level, const char *line, size_t len);
void log_set_sink(log_sink *sink, void *arg);

/* The line as log_write would write it, without time and line end, into out (for tests). Returns
 * its length; what does not fit is cut between characters, and says so by "..." in the value. */
size_t log_format(char *out, size_t size_bytes, enum log_level level, const char *event,
                  const struct log_field *fields, size_t count);

#endif
