/* lab_os.h - what the lab needs of the system beyond common/os.h: where am I, start a child, share
 * memory. A body per system (lab_os_posix.c). */
#ifndef LAB_BASE_LAB_OS_H
#define LAB_BASE_LAB_OS_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_PATH_MAX 2048

struct lab_id { /* a process: see common/os.h for the unit of created */
    uint32_t pid;
    uint64_t created;
};

/* The folder that this program lies in. */
bool lab_os_own_folder(char out[LAB_PATH_MAX], struct error *err);
struct lab_id lab_os_self(void);
uint64_t lab_os_created(uint32_t pid); /* 0: no such process */

/* Starts argv[0]; keep[i] becomes the child's descriptor 3 + i, nothing else is inherited but
 * stdin and stdout as /dev/null and our stderr. A session of its own if `detach`. */
bool lab_os_spawn(const char *const *argv, const int *keep, size_t keep_count, bool detach,
                  uint32_t *pid, struct error *err);

struct lab_end {
    uint32_t pid;
    bool signalled;
    int code; /* exit code or signal */
};
bool lab_os_reap(struct lab_end *out); /* one ended child, without waiting; false: none */

void lab_os_reap_all(void); /* waits until every child has ended and is gone; a second at most */

/* A thread that ends this process with code 1 when the pipe's other side is gone. Even a process
 * whose other threads hang obeys. */
void lab_os_end_with(int power_fd);
void lab_os_sleep_ms(uint64_t ms);
void lab_os_close(int fd);
/* The server's power: a pipe whose one end stays with this process as long as it lives, the other
 * (returned, -1 on failure) is handed to children for lab_os_end_with(). */
int lab_os_power(struct error *err);
/* Locks the file, made if missing, until lab_os_close(); -1: somebody else holds it. */
int lab_os_try_lock(const char *path);
bool lab_os_stderr_to(const char *path, struct error *err); /* appended, for our children too */
void lab_os_many_files(void);                /* raises the limit of open descriptors */
void lab_os_no_core(void);                   /* crashes on purpose leave no core files */
void lab_os_suspend(uint32_t pid, bool yes); /* as WAS pages out an idle worker */
void lab_os_adopt_orphans(void);             /* children of dead children become ours */
/* Ends all processes whose own program lies in the folder, but not this one; how many. */
unsigned lab_os_kill_folder(const char *folder);

/* Shared, zeroed memory backed by the file; survives the death of every user. NULL on failure. */
void *lab_os_map(const char *path, size_t bytes, struct error *err);
/* One write at the end of the file, made if missing; whole lines of several writers never mix. */
bool lab_os_append(const char *path, const char *bytes, size_t len);
/* Hard link, or a copy where that cannot be. Replaces `to`. */
bool lab_os_link(const char *from, const char *to, struct error *err);

#endif
