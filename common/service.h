/* service.h - our own life as a service of the system: being told to stop, telling we are ready.
 *
 * The stop flag is the second of the program's two globals. On Linux: SIGTERM and SIGINT, and
 * sd_notify's READY=1 by NOTIFY_SOCKET. On Windows: the service control manager's stop, preshutdown
 * and shutdown, or, on a console, Ctrl-C, Ctrl-Break and the window's end.
 */
#ifndef FARMHAND_COMMON_SERVICE_H
#define FARMHAND_COMMON_SERVICE_H

#include "common/error.h"

#include <stdbool.h>

/* What the system needs to know of a service of its own. */
struct service_name {
    const char *name;    /* "FarmhandAgent" */
    const char *display; /* "Farmhand Agent": in lists, and as the source in the event log */
    const char *log_dir; /* where a service of Windows logs */
    const char *log;     /* file name without extension: agent -> agent.log, agent.1.log, ... */
    /* A service of Windows calls them before anything of its own is read or written, and when its
     * log is open; NULL: nothing to do. The first one's failure ends the start, the second's is
     * logged: it is about the entry in the manager, which works without. */
    enum error_code (*prepare)(const struct service_name *name, struct error *err);
    enum error_code (*settle)(const struct service_name *name, struct error *err);
};

/* Runs `program` to its end and ends the process with what it returns; never comes back, and calls
 * no atexit handler: threads may still be at work. As a service of Windows (first argument
 * --service, which is taken out) the program runs under the service manager: START_PENDING until
 * service_ready, and its log goes to files and the event log. */
_Noreturn void service_run(const struct service_name *name, int argc, char **argv,
                           int (*program)(int argc, char **argv));

/* Once per process. `wake` is called in a thread of its own, not in a signal handler, when stopping
 * is asked for; SIGPIPE is ignored from here on. */
enum error_code service_start(void (*wake)(void *arg), void *arg, struct error *err);

/* A second SIGTERM or SIGINT (Ctrl-C) after the first ends the process at once. */
bool service_stopping(void);      /* any thread */
bool service_shutting_down(void); /* told to stop because the machine shuts down, as far as known */
void service_ready(void);         /* tells the system that we are up; harmless without one */

/* Starting or stopping still goes on and needs up to within_ms more: the system waits that long for
 * the next word. Harmless without one. */
void service_progress(unsigned within_ms);

#endif
