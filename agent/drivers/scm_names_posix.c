/* scm_names_posix.c - the service back ends of a system that is not Windows: see scm.h. */
#include "agent/drivers/iis.h"
#include "agent/drivers/scm.h"

const char *const scm_names[] = {"none", "lab", NULL};

const struct scm_ops *scm_ops_get(int index)
{
    static const struct scm_ops *const all[] = {&scm_none_ops, &scm_lab_ops};
    if (index < 0 || (size_t)index >= sizeof(all) / sizeof(all[0]))
        return NULL;
    return all[index];
}
