/* service_setup_win32.h - the agent's entry in the service manager of Windows. All calls block on the
 * manager.
 */
#ifndef FARMHAND_AGENT_SERVICE_SETUP_WIN32_H
#define FARMHAND_AGENT_SERVICE_SETUP_WIN32_H

#include "common/error.h"
#include "common/service.h"

#include <stdbool.h>

/* Makes the service, or sets an existing one to the same. config: NULL, or a file that it reads
 * instead of its own. ERR_DENIED: not elevated. */
enum error_code service_setup_install(const struct service_name *name, const char *config,
                                      struct error *err);

/* Stops it first; ERR_NOT_FOUND: there is none. What the event log knows of it is gone as well. */
enum error_code service_setup_remove(const struct service_name *name, struct error *err);

/* What the event log knows of it, where the entry is gone already: an MSI takes the entry alone. */
void service_setup_forget(const struct service_name *name);

/* Waits until it runs, or has stopped, at most 60 s. ERR_NONE if that was so already. */
enum error_code service_setup_start(const struct service_name *name, struct error *err);
enum error_code service_setup_stop(const struct service_name *name, struct error *err);

/* What an entry by ServiceInstall of an MSI lacks: description, failure actions, time for a
 * shutdown, privileges, a SID; and the event log's source. Sets what the system knows. */
enum error_code service_setup_settle(const struct service_name *name, struct error *err);

#endif
