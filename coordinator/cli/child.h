/* child.h - another program in this one's place: with its terminal, its input and its output.
 *
 * For commands that a person or a script would have started themselves. While it runs, Ctrl-C is
 * its alone: this program lives to do what comes after it. One body per system.
 */
#ifndef FARMHAND_CLI_CHILD_H
#define FARMHAND_CLI_CHILD_H

#include "common/error.h"

/* Runs argv (NULL-terminated; argv[0] is looked for in PATH) with `env` ("NAME=value", NULL-
 * terminated) added to ours, and waits for its end. *exit_code: its own; 128 + the signal that
 * ended it. ERR_NOT_FOUND, ERR_DENIED: it could not be started. */
enum error_code child_run(char *const *argv, const char *const *env, int *exit_code,
                          struct error *err);

#endif
