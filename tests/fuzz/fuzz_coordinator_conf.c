/* fuzz_coordinator_conf.c - any bytes as coordinator.conf. */
#include "conf.h"

#include "coordinator/settings/settings.h"

enum error_code conf_parse(const char *text, void (*told)(void *arg, const char *line), void *arg,
                           struct error *err)
{
    struct settings settings;
    enum error_code code = settings_parse(text, "fuzz.conf", &settings, told, arg, err);
    if (code == ERR_NONE)
        settings_release(&settings);
    return code;
}
