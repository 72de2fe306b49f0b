/* doctor_run.h - `farmhand-agent doctor`: gathers facts, has them judged, prints.
 *
 * Reads only. Blocks for as long as appcmd, the service manager and the coordinator take, each
 * within its limit.
 */
#ifndef FARMHAND_AGENT_DOCTOR_RUN_H
#define FARMHAND_AGENT_DOCTOR_RUN_H

#include "agent/doctor.h"
#include "agent/driver.h"
#include "agent/settings.h"
#include "common/text.h"

/* argv[0] is "doctor". Exit code: 0 all ok or warnings, 1 something fails, 2 usage or
 * configuration. */
int doctor_main(int argc, char **argv);

/* The parts, for tests. */
void doctor_gather(const struct settings *settings, struct driver *driver,
                   struct doctor_facts *out);
void doctor_print_text(const struct doctor_facts *facts, const struct doctor_report *report,
                       struct text *out);
void doctor_print_json(const struct doctor_facts *facts, const struct doctor_report *report,
                       struct text *out);

#endif
