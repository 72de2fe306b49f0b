/* options.h - the command line of our services: --config, --check, --help, --version.
 *
 * Writes to stdout and stderr, since it runs before anything else does. Operators' commands have a
 * richer line of their own (coordinator/cli).
 */
#ifndef FARMHAND_COMMON_OPTIONS_H
#define FARMHAND_COMMON_OPTIONS_H

#include "common/error.h"

#include <stdbool.h>

#define OPTIONS_EXIT_USAGE 2

struct options_program {
    const char *name;
    const char *help;   /* whole text, ends with a newline */
    const char *config; /* the file without --config */
};

struct options {
    const char *config; /* lent from argv or the program */
    bool check;
};

/* Returns the exit code to end with at once, or -1 to go on. */
int options_parse(const struct options_program *program, int argc, char **argv,
                  struct options *out);

/* Where help is, on stderr, once getopt has said what is wrong. Returns the exit code. */
int options_usage(const struct options_program *program);

/* What is wrong with the line, and where help is, on stderr. Returns the exit code. */
int options_refused(const struct options_program *program, const char *what, const char *value);

/* For config_read's report: each line on stderr; *(bool *)told becomes true. */
void options_config_line(void *told, const char *line);

/* The end of a configuration that was refused: what no line of a file could say is said here.
 * Returns the exit code. */
int options_config_refused(const struct options_program *program, bool told,
                           const struct error *err);

#endif
