/* command_line.h - an argument vector as one line, and back, by the rules of Windows' C library.
 *
 * Windows hands a program one string; the program takes it apart. CreateProcessW is given what
 * command_line_add makes, and the line that a process was started with is read by
 * command_line_split. Pure, so that it is tested on every system. Source: "Parsing C command-line
 * arguments" and CommandLineToArgvW.
 */
#ifndef FARMHAND_COMMON_COMMAND_LINE_H
#define FARMHAND_COMMON_COMMAND_LINE_H

#include "common/text.h"

#include <stddef.h>

/* Appends argv (NULL-terminated) to `line`, quoted where it must be. false: argv[0] holds a quote,
 * which no program's name can. */
bool command_line_add(struct text *line, const char *const *argv);

/* NULL-terminated; one free() for all of it. The first word is the program and knows no
 * backslashes before quotes; in the others two backslashes before a quote are one, and two quotes
 * inside of quotes are one. */
char **command_line_split(const char *line, size_t *count);

#endif
