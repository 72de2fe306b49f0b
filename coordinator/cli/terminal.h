/* terminal.h - what stands at the other end of stdin, stdout and stderr, and how to ask a person.
 *
 * One header, a body per system. Knows nothing of farms.
 */
#ifndef FARMHAND_CLI_TERMINAL_H
#define FARMHAND_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#define TERMINAL_UNLIMITED 100000 /* columns of an output that is no terminal */

struct terminal {
    bool person;  /* stdin and stderr are terminals: a question can be asked */
    bool output;  /* stdout is a terminal */
    bool redraw;  /* it can move its cursor (not TERM=dumb) */
    bool colour;  /* and may be coloured: NO_COLOR is not set */
    bool unicode; /* it takes UTF-8 as far as the environment tells */
};

/* Also: output that nobody reads any more ("farmhand events | head") ends the program quietly. */
void terminal_look(struct terminal *t);

/* Its size now. COLUMNS counts for width where it is set; not a terminal: TERMINAL_UNLIMITED. */
void terminal_size(const struct terminal *t, size_t *columns, size_t *rows);

/* Asks on stderr, reads a line from stdin without its end. false: end of input, or Ctrl-C. */
bool terminal_ask(const char *question, char *out, size_t size_bytes);

/* From now on Ctrl-C does not end the program but is remembered; terminal_interrupted tells, and
 * forgets. terminal_leave gives both back: the cursor and the old Ctrl-C. */
void terminal_catch_interrupt(void);
bool terminal_interrupted(void);
void terminal_leave(void);

#endif
