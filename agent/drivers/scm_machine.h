/* scm_machine.h - what the machine itself is about, as far as its services are concerned.
 *
 * Read on Windows alone (scm_machine_win32.c); what it means is pure, and tested everywhere.
 */
#ifndef FARMHAND_AGENT_DRIVERS_SCM_MACHINE_H
#define FARMHAND_AGENT_DRIVERS_SCM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

struct scm_machine {
    bool shutting_down;
    bool container;      /* ServiceMonitor ends it when W3SVC stops */
    bool reboot_setup;   /* Windows' own component setup waits for a restart */
    bool reboot_updates; /* Windows Update does */
    bool renames; /* some file is to be replaced at the next restart: installers leave that behind
                     for months, so it bars nothing */
};

/* Reads the registry and the system; never fails: what cannot be read is false. */
void scm_machine_read(struct scm_machine *out);

/* Why services must not be touched (driver_view.barred), "": they may be. Out is given back. */
const char *scm_machine_barred(const struct scm_machine *machine, char *out, size_t size_bytes);

#endif
