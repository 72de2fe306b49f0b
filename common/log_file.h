/* log_file.h - a log file that rotates: NAME.log, and NAME.1.log (the newest of the old) to
 * NAME.KEEP.log. For systems without a journal that does it (a service of Windows).
 *
 * Any thread may write. Nothing here fails the one who logs: a disk that is full loses lines.
 */
#ifndef FARMHAND_COMMON_LOG_FILE_H
#define FARMHAND_COMMON_LOG_FILE_H

#include "common/error.h"

#include <stddef.h>
#include <stdint.h>

struct log_file;

/* dir must be there. A file grows to max_bytes, then it is renamed; `keep` old ones stay (> 0). */
enum error_code log_file_open(const char *dir, const char *name, uint64_t max_bytes, unsigned keep,
                              struct log_file **out, struct error *err);
void log_file_write(struct log_file *file, const char *line, size_t len);
void log_file_close(struct log_file *file); /* NULL is fine */

#endif
