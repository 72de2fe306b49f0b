/* process.h - run another program to its end, within limits.
 *
 * No shell: an argument vector. The child gets no descriptor of ours but those named here, and is
 * a process group of its own (on Windows a job); at the deadline, or above the output limit, the
 * whole group is killed and reaped. When the child has ended and a descendant still holds its
 * stdout open, half a second is given to it, then the group is killed, and what was read counts. On
 * Windows the job ends with the call in any case. Blocks until the child has ended: for worker
 * threads, never the brain.
 */
#ifndef FARMHAND_COMMON_PROCESS_H
#define FARMHAND_COMMON_PROCESS_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_call {
    const char *const *argv; /* argv[0] is the path; NULL-terminated */
    const char *const *env;  /* "NAME=value" added to ours; NULL: none */
    uint64_t timeout_ms;     /* must be > 0 */
    size_t output_max_bytes; /* stdout kept at most; more kills the child with ERR_NOMEM */
    const char *exit_fd_env; /* NULL, or the name of a variable that tells the child a descriptor
                                on which it may write its full exit code as decimal text (a Linux
                                exit status has 8 bits only); if it writes one, that counts. Not
                                used on Windows, whose exit codes have 32 bits */
    bool secret;             /* the output may hold a password: no copy of it is left in memory but
                                the one handed over, which the caller overwrites before free() */
    const void *input;       /* written to its stdin, then closed; a child that does not read it is
                                no failure. NULL: stdin is /dev/null */
    size_t input_len;
    int cancel_fd;           /* readable: the group is killed, ERR_UNAVAILABLE; 0: none */
};

struct process_result {
    uint32_t exit_code; /* as the child gave it; 128 + signal if a signal ended it */
    bool signalled;
    char *output; /* stdout, NUL-terminated, free() it; may hold any bytes */
    size_t output_len;
    uint64_t elapsed_ms;
};

/* ERR_NONE: it ran and ended by itself, whatever the code. ERR_NOT_FOUND, ERR_DENIED: could not be
 * started (batch files of Windows are refused: they read their arguments anew). ERR_TIMEOUT: killed
 * at the deadline. ERR_NOMEM: killed over the output limit. On failure *out is untouched. stderr of
 * the child is /dev/null. On Windows input and cancel_fd are refused with ERR_UNAVAILABLE: only the
 * coordinator uses them. */
enum error_code process_run(const struct process_call *call, struct process_result *out,
                            struct error *err);

#endif
