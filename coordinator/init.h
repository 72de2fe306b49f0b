/* init.h - `farmhand-coordinator init`: makes the farm's CA and the coordinator's certificate,
 * once, in data_dir/tls. Writes to stdout and stderr. */
#ifndef FARMHAND_COORDINATOR_INIT_H
#define FARMHAND_COORDINATOR_INIT_H

/* argv[0] is "init". Returns the exit code. */
int init_main(int argc, char **argv, const char *config);

#endif
