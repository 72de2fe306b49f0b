/* iis_defaults.h - where IIS lies on this system, for what the configuration does not say. */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_DEFAULTS_H
#define FARMHAND_AGENT_DRIVERS_IIS_DEFAULTS_H

#include "agent/drivers/iis.h"

/* Fills appcmd, worker and config where they are not given; reads nothing but the system's own
 * directory. Outside Windows there is nothing to fill. */
void iis_defaults(struct iis_settings *settings);

/* Index into scm_names: "windows" there, "none" elsewhere. */
int iis_default_back_end(void);

/* %SystemDrive%\inetpub with what the variable stands for, as paths of IIS may be written; free()
 * it. Outside Windows a path is what it is. */
char *iis_default_expand(const char *path);

#endif
