/* scm_machine.c - see scm_machine.h. */
#include "agent/drivers/scm_machine.h"

#include "common/text.h"

const char *scm_machine_barred(const struct scm_machine *machine, char *out, size_t size_bytes)
{
    const char *why = "";
    if (machine->shutting_down)
        why = "the machine is shutting down";
    else if (machine->container)
        why = "this is a container, which ends when W3SVC stops: restart the container instead";
    else if (machine->reboot_setup)
        why = "a reboot of the machine is pending (Windows component setup): restart it";
    else if (machine->reboot_updates)
        why = "a reboot of the machine is pending (Windows Update): restart it";
    text_copy(out, size_bytes, why);
    return out;
}
