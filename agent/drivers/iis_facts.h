/* iis_facts.h - what the files that gather doctor's facts of IIS share; nobody else includes it. */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_FACTS_H
#define FARMHAND_AGENT_DRIVERS_IIS_FACTS_H

#include "agent/drivers/iis_driver.h"

struct iis_facts {
    struct iis *iis;
    uint64_t deadline_ms;
    driver_each_fact *each;
    void *arg;
};

void iis_facts_tell(const struct iis_facts *f, const char *pool, const char *key,
                    const char *value);
enum error_code iis_facts_ask(const struct iis_facts *f, enum iis_verb verb,
                              const char *const *args, struct iis_answer *answer,
                              struct error *err);

/* Of each pool: applications without preload, without a warm-up of real addresses, and with an
 * app_offline.htm in their folder. Several calls of appcmd. */
void iis_facts_apps(const struct iis_facts *f);

#endif
