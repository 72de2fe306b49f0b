/* verbs.h - `farmhand-agent install|remove|start|stop|setup|purge`: the agent as a service of
 * this system. Windows alone has them; elsewhere the system's own tools do it, and each says so.
 */
#ifndef FARMHAND_AGENT_VERBS_H
#define FARMHAND_AGENT_VERBS_H

#include "common/error.h"
#include "common/service.h"

/* The exit code of the verb that argv[1] names, or -1: it names none. */
int verbs_run(const struct service_name *service, int argc, char **argv);

/* Their part of the help, "" where there are none. */
extern const char verbs_help[];

/* For struct service_name: a directory that is not ours refuses the start; settings of the service
 * that an MSI cannot make are set at each start. */
enum error_code verbs_prepare(const struct service_name *service, struct error *err);
enum error_code verbs_settle(const struct service_name *service, struct error *err);

#endif
