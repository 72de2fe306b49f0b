/* say.h - text for people: safe, coloured, cut to a width.
 *
 * Whatever comes from outside goes through text_add_safe (or a table cell, which does it) before it
 * is printed, so that no server's name can move the cursor or hide a line.
 */
#ifndef FARMHAND_CLI_SAY_H
#define FARMHAND_CLI_SAY_H

#include "common/text.h"
#include "coordinator/cli/terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GREEN, STYLE_YELLOW, STYLE_RED, STYLE_CYAN };

/* Safe, in a style where the terminal has colour. */
void say_styled(struct text *out, const struct terminal *t, enum style style, const char *s);

/* Safe, and cut with an ellipsis to at most `columns`. Returns the columns taken. */
size_t say_cut(struct text *out, const struct terminal *t, const char *s, size_t columns);

/* Safe, broken between words to lines of at most `columns`, each but the first indented. */
void say_wrapped(struct text *out, const char *s, size_t indent, size_t columns);

void say_spaces(struct text *out, size_t count);

/* "3m10s", "12s": as text_format_duration, without fractions from a second on. */
const char *say_duration(char out[TEXT_DURATION_MAX], int64_t ms);
/* "512 B", "47 MiB", "1.4 GiB". */
#define SAY_BYTES_MAX 16
const char *say_bytes(char out[SAY_BYTES_MAX], uint64_t bytes);
/* "2026-11-22 20:13:23" (UTC) of an API time; "-" for one that is missing. */
#define SAY_TIME_MAX 32
const char *say_time(char out[SAY_TIME_MAX], const char *at);

/* The mark before a line: done, failed, working, waiting, unknown. */
enum mark { MARK_DONE, MARK_FAILED, MARK_WORKING, MARK_WAITING, MARK_SKIPPED, MARK_UNKNOWN };
const char *say_mark(const struct terminal *t, enum mark mark); /* one column */
enum style say_mark_style(enum mark mark);

const char *say_arrow(const struct terminal *t); /* "→" or "->" */

#endif
