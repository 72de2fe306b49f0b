/* audit_run.h - `farmhand-agent audit [verify]`: the agent's own audit trail, read beside a running
 * agent, and whether all of it is still there as it was written (audit.h).
 */
#ifndef FARMHAND_AGENT_AUDIT_RUN_H
#define FARMHAND_AGENT_AUDIT_RUN_H

/* argv[0] is "audit". The exit code. */
int audit_main(int argc, char **argv);

#endif
