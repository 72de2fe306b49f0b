/* home_posix.c - see home.h. */
#include "agent/home.h"

const char *home_config(void)
{
    return "/etc/farmhand/agent.conf";
}

const char *home_data(void)
{
    return "/var/lib/farmhand-agent";
}

const char *home_logs(void)
{
    return "";
}
