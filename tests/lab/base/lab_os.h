/* lab_os.h - what the lab needs of the system beyond common/os.h: where am I, start a child, share
 * memory. A body per system (lab_os_posix.c, lab_os_win32.c). Paths are UTF-8, with `/`. */
#ifndef LAB_BASE_LAB_OS_H
#define LAB_BASE_LAB_OS_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_PATH_MAX 2048

/* First of all in main(): arguments as UTF-8, output as bytes, no signal for a broken pipe. */
void lab_os_begin(int *argc, char ***argv);

struct lab_id { /* a process: see common/os.h for the unit of created */
    uint32_t pid;
    uint64_t created;
};

/* The folder that this program lies in. */
bool lab_os_own_folder(char out[LAB_PATH_MAX], struct error *err);
struct lab_id lab_os_self(void);
uint64_t lab_os_created(uint32_t pid); /* 0: no such process */

/* The path as absolute one without links; false: not there. */
bool lab_os_real(const char *path, char out[LAB_PATH_MAX]);
bool lab_os_exists(const char *path);
/* A new, empty folder below the system's for temporary files, whose name begins with `prefix`. */
bool lab_os_temp(const char *prefix, char out[LAB_PATH_MAX], struct error *err);
/* The folder or file and everything below it. */
void lab_os_remove(const char *path);

/* Starts argv[0]; the child gets keep[i] as lab_os_handed(i), nothing else is inherited but stdin
 * and stdout as /dev/null and our stderr. A session of its own if `detach`. */
bool lab_os_spawn(const char *const *argv, const int *keep, size_t keep_count, bool detach,
                  uint32_t *pid, struct error *err);

int lab_os_handed(size_t i);

struct lab_end {
    uint32_t pid;
    bool aborted; /* not by itself: killed, or a fatal signal */
    bool killed;  /* by somebody */
    int code;     /* exit code or signal */
};
bool lab_os_reap(struct lab_end *out); /* one ended child, without waiting; false: none */

void lab_os_reap_all(void); /* waits until every child has ended and is gone; a second at most */

/* What our own programs end with when they cannot go on; 1 is what others kill with on Windows. */
#define LAB_EXIT_FAILED 3

/* A thread that ends this process with LAB_EXIT_FAILED when the other side of that is gone. Even a
 * process whose other threads hang obeys. */
void lab_os_end_with(int power_fd);
void lab_os_sleep_ms(uint64_t ms);
/* On Linux. The server's power: a pipe whose one end stays with this process as long as it lives,
 * the other (returned, -1 on failure) is handed to children for lab_os_end_with(). */
int lab_os_power(struct error *err);
/* Locks the file, made if missing, until lab_os_unlock(); -1: somebody else holds it. */
int lab_os_try_lock(const char *path);
void lab_os_unlock(int lock);
bool lab_os_stderr_to(const char *path, struct error *err); /* appended, for our children too */
void lab_os_many_files(void);                /* raises the limit of open descriptors */
void lab_os_no_core(void);                   /* crashes on purpose leave no core files */
void lab_os_suspend(uint32_t pid, bool yes); /* as WAS pages out an idle worker */
void lab_os_adopt_orphans(void);             /* children of dead children become ours */
/* The Win32 code as main() returns it: the whole goes to the descriptor named in FARMHAND_EXIT_FD,
 * too, where an exit status has 8 bits. */
int lab_os_exit_code(unsigned code);
/* Ends all processes whose own program lies in the folder, but not this one; how many. */
unsigned lab_os_kill_folder(const char *folder);

/* Shared, zeroed memory backed by the file; survives the death of every user. NULL on failure. */
void *lab_os_map(const char *path, size_t bytes, struct error *err);
/* One write at the end of the file, made if missing; whole lines of several writers never mix. */
bool lab_os_append(const char *path, const char *bytes, size_t len);
/* The text in the code page CP850, CP1252 or UTF-16LE; characters that it lacks become something
 * similar or a question mark, as on a console. NULL: no such code page. free() it. */
char *lab_os_encode(const char *code_page, const char *text, size_t len, size_t *out_len);
/* Hard link, or a copy where that cannot be. Replaces `to`. */
bool lab_os_link(const char *from, const char *to, struct error *err);

#endif
