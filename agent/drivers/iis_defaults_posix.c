/* iis_defaults_posix.c - see iis_defaults.h. */
#include "agent/drivers/iis_defaults.h"

#include "common/must.h"

void iis_defaults(struct iis_settings *settings)
{
    (void)settings;
}

int iis_default_back_end(void)
{
    return 0;
}

char *iis_default_expand(const char *path)
{
    return must_copy(path);
}
