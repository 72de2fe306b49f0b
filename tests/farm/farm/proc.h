/* proc.h - the farm's long-lived processes: started detached, known by pid and creation time.
 *
 * DIR/pids/NAME holds "PID CREATED". Nothing is ever signalled unless both still match, so a pid
 * that was used again is safe. Output goes to DIR/logs/NAME.log.
 */
#ifndef FARM_FARM_PROC_H
#define FARM_FARM_PROC_H

#include "tests/farm/farm/farm.h"

#include <sys/types.h>

/* Starts argv[0] in a session of its own. ERR_EXISTS: it runs already. */
enum error_code proc_start(const struct farm *f, const char *name, const char *const *argv,
                           struct error *err);
/* The same on a machine with that boot id: the file stands where the kernel's own would be read, in
 * a mount namespace of its own. Only root can do that (ERR_DENIED, and nothing is started). */
enum error_code proc_start_booted(const struct farm *f, const char *name, const char *const *argv,
                                  const char *boot_id, struct error *err);
/* A running process goes on under another name, so that its successor can take the old one.
 * Whatever had the new name must have ended (ERR_EXISTS). */
enum error_code proc_rename(const struct farm *f, const char *name, const char *to,
                            struct error *err);
/* The pid, or 0 if it was never started or has ended. */
pid_t proc_pid(const struct farm *f, const char *name);
/* ERR_NOT_FOUND: it does not run. */
enum error_code proc_signal(const struct farm *f, const char *name, int number, struct error *err);
/* Waits until it has ended; false: it still runs after timeout_ms. */
bool proc_wait(const struct farm *f, const char *name, unsigned timeout_ms);
/* SIGTERM, up to timeout_ms, then SIGKILL. True: SIGTERM was enough, or it did not run. */
bool proc_stop(const struct farm *f, const char *name, unsigned timeout_ms);
/* Prints on stderr how it ended, if this process started it, and the end of its log. */
void proc_show_log(const struct farm *f, const char *name, unsigned lines);

/* Starts all and waits for all; output of each goes to logs/NAME.log (appended). On failure err
 * names the first that failed, and its log's end is on stderr. */
struct proc_job {
    char name[64];
    const char *argv[16]; /* NULL-terminated */
};
enum error_code proc_run_all(const struct farm *f, const struct proc_job *jobs, unsigned count,
                             unsigned timeout_ms, struct error *err);

/* Set by SIGINT and SIGTERM once proc_catch_stop() was called; waits end early then. */
void proc_catch_stop(void);
bool proc_stop_asked(void);
/* From now on nothing interrupts: for cleaning up. */
void proc_ignore_stop(void);
/* Polls every 50 ms until `done` says so. ERR_TIMEOUT, or ERR_STATE when told to stop. */
enum error_code proc_poll(bool (*done)(void *arg), void *arg, unsigned timeout_ms, const char *what,
                          struct error *err);

#endif
