/* scm_facts.h - what the system alone can tell doctor, beside what a back end tells the agent:
 * whether this process is elevated, the version of appcmd, what Windows does when a service's
 * process ends, the names that counters list. A body per system. Reads only; blocks shortly.
 */
#ifndef FARMHAND_AGENT_DRIVERS_SCM_FACTS_H
#define FARMHAND_AGENT_DRIVERS_SCM_FACTS_H

#include "agent/driver.h"

/* What cannot be had is left out. */
void scm_facts(const char *appcmd, driver_each_fact *each, void *arg);

/* The first of the service's failure actions that is one, as struct driver_lodger has it. */
void scm_on_death(const char *service, char *out, size_t size_bytes);

#endif
