/* join.h - `farmhand-agent join URL TOKEN`: lets this server into a farm. Blocks; writes to stdout
 * and stderr. What it does, step by step, is in the help. */
#ifndef FARMHAND_AGENT_JOIN_H
#define FARMHAND_AGENT_JOIN_H

/* argv[0] is "join". Returns the exit code. */
int join_main(int argc, char **argv);

#endif
