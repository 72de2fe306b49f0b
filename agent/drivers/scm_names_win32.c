/* scm_names_win32.c - the service back ends of Windows: see scm.h. */
#include "agent/drivers/iis.h"
#include "agent/drivers/scm.h"

const char *const scm_names[] = {"none", "lab", "windows", NULL};

const struct scm_ops *scm_ops_get(int index)
{
    static const struct scm_ops *const all[] = {&scm_none_ops, &scm_lab_ops, &scm_windows_ops};
    if (index < 0 || (size_t)index >= sizeof(all) / sizeof(all[0]))
        return NULL;
    return all[index];
}
