/* configs.h - writes the files that a farm's parts start from.
 *
 *   servers' applicationHost.config and lab.conf, agents' and coordinator's configuration with
 * quick intervals (a farm in a box need not wait like a real one), and haproxy.cfg without anything
 * that would hide a lost request: no retries, no redispatch.
 *
 * Pools of each server: Shop (AlwaysRunning, overlapped, slow to start, 10 s to stop), Api
 * (OnDemand, under /api), Reports (OnDemand, nobody visits it), Old (stopped, autoStart off).
 */
#ifndef FARM_FARM_CONFIGS_H
#define FARM_FARM_CONFIGS_H

#include "tests/farm/farm/farm.h"

#include <stddef.h>

#define CONFIGS_OVERRIDES_MAX 64

/* The password of Reports' account: whoever reads the configuration must not pass it on. */
#define CONFIGS_PASSWORD "Lab-Secret-4711"

/* A pool of Windows farms: blanks, quotes, an umlaut, Chinese letters; and as it stands in XML. */
#define CONFIGS_ODD     "B\xc3\xbcro \"Lager\" \xe5\xba\x97\xe9\x93\xba"
#define CONFIGS_ODD_XML "B\xc3\xbcro &quot;Lager&quot; \xe5\xba\x97\xe9\x93\xba"

/* "[NAME:]SECTION.KEY=VALUE", as given on the command line; NAME is a server. */
struct configs_overrides {
    unsigned garden; /* worker processes of Shop, usually 1 */
    const char *agent[CONFIGS_OVERRIDES_MAX], *coordinator[CONFIGS_OVERRIDES_MAX],
        *lab[CONFIGS_OVERRIDES_MAX];
    size_t agent_count, coordinator_count, lab_count;
};

/* Into DIR/conf: web01.config, web01.lab, web01.agent, ..., coordinator.conf, haproxy.cfg. */
enum error_code configs_write(const struct farm *f, const struct configs_overrides *overrides,
                              struct error *err);

#endif
