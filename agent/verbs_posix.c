/* verbs_posix.c - see verbs.h. */
#include "agent/verbs.h"

const char verbs_help[] = "";

int verbs_run(const struct service_name *service, int argc, char **argv)
{
    (void)service, (void)argc, (void)argv;
    return -1;
}

enum error_code verbs_prepare(const struct service_name *service, struct error *err)
{
    (void)service, (void)err;
    return ERR_NONE;
}

enum error_code verbs_settle(const struct service_name *service, struct error *err)
{
    (void)service, (void)err;
    return ERR_NONE;
}
