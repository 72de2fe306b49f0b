/* os.h - what the machine tells: processes, host figures, boot, random bytes, files.
 *
 * One header, a body per system (os_posix.c now). Blocks only on local files.
 */
#ifndef FARMHAND_COMMON_OS_H
#define FARMHAND_COMMON_OS_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A process's identity is its pid and its creation time together, since pids are reused.
 * created: on Linux clock ticks since boot (field 22 of /proc/PID/stat, proc(5)); on Windows the
 * FILETIME of GetProcessTimes. Compare for equality and order only. */
struct os_process {
    uint32_t pid;
    uint64_t created;
    uint64_t cpu_ms;         /* user + system time so far */
    uint64_t memory_bytes;   /* resident */
    uint64_t private_bytes;  /* shared with no other process; 0: not known */
    uint64_t age_ms;         /* since it was created; 0: not known */
    const char *const *argv; /* lent for the call, NULL-terminated; may be empty */
};

/* Calls each process whose executable is `image_path` (absolute; compared with argv[0] and, where
 * readable, the executable's own path). Stops at the first non-zero return and gives it back in
 * *stopped. A process that ends while it is read is left out. */
enum error_code os_processes(const char *image_path,
                             int (*each)(const struct os_process *process, void *arg), void *arg,
                             int *stopped, struct error *err);

/* ERR_NOT_FOUND when there is none, or it has ended and only waits to be reaped; argv is NULL
 * here. */
enum error_code os_process_find(uint32_t pid, struct os_process *out, struct error *err);

/* SIGKILL / TerminateProcess, only if pid and created still match; ERR_NOT_FOUND: gone already. */
enum error_code os_process_kill(uint32_t pid, uint64_t created, struct error *err);

struct os_host {
    uint64_t cpu_busy_ms, cpu_total_ms; /* counters since boot, all processors added */
    uint64_t memory_total_bytes, memory_available_bytes;
    uint64_t uptime_ms;
    uint32_t processors;
};
enum error_code os_host(struct os_host *out, struct error *err);

/* Random at every boot of the machine, the same until the next. Source: random(4),
 * /proc/sys/kernel/random/boot_id. */
enum error_code os_boot_id(uint8_t out[16], struct error *err);
enum error_code os_hostname(char *out, size_t size_bytes, struct error *err); /* lower case */

enum error_code os_random(void *out, size_t len, struct error *err); /* from the kernel */

/* With parents, which get 0755; a directory that is there stays as it is. */
enum error_code os_make_dir(const char *path, unsigned mode, struct error *err);
/* A change of file is told by any of these being different; all 0 when it does not exist. */
struct os_file_id {
    uint64_t modified_ns, size_bytes, inode;
};
enum error_code os_file_id(const char *path, struct os_file_id *out, struct error *err);
/* The whole file, at most max_bytes (ERR_NOMEM above), NUL-terminated; free() it. Only regular
 * files and devices (ERR_INVALID), since a pipe could block for ever. */
enum error_code os_read_file(const char *path, size_t max_bytes, char **out, size_t *out_len,
                             struct error *err);
/* Up to `size` bytes from `offset` on; *got less at the end of the file, 0 beyond it. */
enum error_code os_read_at(const char *path, uint64_t offset, void *out, size_t size, size_t *got,
                           struct error *err);
/* Written to a new file beside it, synced and renamed over it: old or new, never half. */
enum error_code os_write_file(const char *path, const void *bytes, size_t len, unsigned mode,
                              struct error *err);
/* Renamed over what is there, the directory synced: after ERR_NONE it is there for good. */
enum error_code os_move_file(const char *from, const char *to, struct error *err);
/* ERR_NONE as well where there is no such file. */
enum error_code os_remove_file(const char *path, struct error *err);
/* Takes the lock file for the life of the process; ERR_EXISTS names the holder's pid. */
enum error_code os_lock_file(const char *path, struct error *err);

#endif
