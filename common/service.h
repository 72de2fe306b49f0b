/* service.h - our own life as a service of the system: being told to stop, telling we are ready.
 *
 * The stop flag is the second of the program's two globals. On Linux: SIGTERM and SIGINT, and
 * sd_notify's READY=1 by NOTIFY_SOCKET. (On Windows: the service control manager.)
 */
#ifndef FARMHAND_COMMON_SERVICE_H
#define FARMHAND_COMMON_SERVICE_H

#include "common/error.h"

#include <stdbool.h>

/* Once per process. `wake` is called in a thread of its own, not in a signal handler, when stopping
 * is asked for; SIGPIPE is ignored from here on. */
enum error_code service_start(void (*wake)(void *arg), void *arg, struct error *err);

/* A second SIGTERM or SIGINT after the first ends the process at once. */
bool service_stopping(void); /* any thread */
void service_ready(void);    /* tells the system that we are up; harmless without one */

#endif
