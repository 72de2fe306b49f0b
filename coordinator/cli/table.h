/* table.h - rows and columns that fit the terminal.
 *
 * When the rows are too wide the least important column is cut first, with an ellipsis, down to its
 * least width; then the next. Output that is no terminal is never cut. Cells are made safe here.
 */
#ifndef FARMHAND_CLI_TABLE_H
#define FARMHAND_CLI_TABLE_H

#include "common/format.h"
#include "coordinator/cli/say.h"

#include <stddef.h>

#define TABLE_COLUMNS_MAX 12

struct table_column {
    const char *title;
    int importance; /* the lowest is cut first */
    size_t least;   /* columns it keeps, unless all others have given theirs */
    bool right;     /* numbers stand to the right */
};

struct table;

struct table *table_open(const struct table_column *columns, size_t count); /* columns: borrowed */
void table_close(struct table *t);

/* Cells from left to right; after the last one the next row begins. NULL is "-". Copied. */
void table_cell(struct table *t, enum style style, const char *s);
void table_cellf(struct table *t, enum style style, const char *fmt, ...) FORMAT_PRINTF(3, 4);

/* Heading and rows into out, each line ended. An unfinished last row is filled with "-". */
void table_lay(struct table *t, const struct terminal *terminal, size_t width, struct text *out);

#endif
