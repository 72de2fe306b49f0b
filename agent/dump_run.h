/* dump_run.h - `farmhand-agent worker dump PID`: a picture of one worker, before somebody recycles
 * the reason away.
 *
 * For a person at the server. Within limits of time, size and free disk (agent/drivers/dump.h); the
 * running agent is not asked and not disturbed.
 */
#ifndef FARMHAND_AGENT_DUMP_RUN_H
#define FARMHAND_AGENT_DUMP_RUN_H

/* argv[0] is "worker". Exit code: 0 the dump is written, 1 it is not, 2 usage or configuration. */
int dump_main(int argc, char **argv);

#endif
