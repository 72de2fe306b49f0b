/* scm_facts_posix.c - see scm_facts.h: nothing of it exists outside Windows. */
#include "agent/drivers/scm_facts.h"

void scm_facts(const char *appcmd, driver_each_fact *each, void *arg)
{
    (void)appcmd, (void)each, (void)arg;
}

void scm_on_death(const char *service, char *out, size_t size_bytes)
{
    (void)service;
    if (size_bytes > 0)
        out[0] = '\0';
}
