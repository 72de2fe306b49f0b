/* drivers_tool.h - a folder of one test, and programs in it that play appcmd, sc or a worker. */
#ifndef TESTS_UNIT_DRIVERS_TOOL_H
#define TESTS_UNIT_DRIVERS_TOOL_H

#include <stddef.h>
#include <sys/types.h>

/* Makes a folder below $TMPDIR or /tmp; removed, with what is in it, by tool_folder_remove. */
char *tool_folder_new(void);
void tool_folder_remove(char *folder); /* frees the name too */

/* FOLDER/NAME; free() it. */
char *tool_path(const char *folder, const char *name);

/* Writes FOLDER/NAME. */
void tool_write(const char *folder, const char *name, const void *bytes, size_t len);

/* Writes a program: the lines of a shell script. $HERE is the folder, `code N` ends it with that
 * code, told in full as the lab does. */
void tool_script(const char *folder, const char *name, const char *lines);

/* The text that a script collected, "" if there is none; free() it. */
char *tool_read(const char *folder, const char *name);

/* A process that looks like a worker: argv[0] is `image`, with -ap POOL. Ended by tool_worker_end.
 */
struct tool_worker {
    pid_t pid;
    int leash; /* it ends when this is closed */
};
struct tool_worker tool_worker_start(const char *image, const char *pool);
void tool_worker_end(struct tool_worker *worker);

#endif
