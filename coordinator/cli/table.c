/* table.c - see table.h. */
#include "coordinator/cli/table.h"

#include "common/must.h"

#include <stdlib.h>

#define GAP   2 /* blanks between columns */
#define SCANT 4 /* columns below which nothing can be read */

struct cell {
    enum style style;
    char *s;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    struct cell *cells; /* row after row */
    size_t cell_count, cap;
};

struct table *table_open(const struct table_column *columns, size_t count)
{
    must(count > 0 && count <= TABLE_COLUMNS_MAX);
    struct table *t = must_alloc(1, sizeof(*t));
    t->columns = columns;
    t->column_count = count;
    return t;
}

void table_close(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i].s);
    free(t->cells);
    free(t);
}

void table_cell(struct table *t, enum style style, const char *s)
{
    if (t->cell_count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = must_realloc(t->cells, t->cap, sizeof(*t->cells));
    }
    struct text safe = {0};
    text_add_safe(&safe, s && s[0] ? s : "-");
    t->cells[t->cell_count++] = (struct cell){style, text_take(&safe)};
}

void table_cellf(struct table *t, enum style style, const char *fmt, ...)
{
    struct text s = {0};
    va_list args;
    va_start(args, fmt);
    text_vaddf(&s, fmt, args);
    va_end(args);
    table_cell(t, style, text_get(&s));
    text_reset(&s);
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS_MAX])
{
    for (size_t c = 0; c < t->column_count; c++)
        widths[c] = text_columns(t->columns[c].title);
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t wide = text_columns(t->cells[i].s);
        size_t c = i % t->column_count;
        widths[c] = wide > widths[c] ? wide : widths[c];
    }
}

static size_t total(const struct table *t, const size_t widths[TABLE_COLUMNS_MAX])
{
    size_t sum = (t->column_count - 1) * GAP;
    for (size_t c = 0; c < t->column_count; c++)
        sum += widths[c];
    return sum;
}

/* The least important column that is wider than its floor; column_count: none. */
static size_t next_to_cut(const struct table *t, const size_t widths[TABLE_COLUMNS_MAX],
                          const size_t floors[TABLE_COLUMNS_MAX])
{
    size_t found = t->column_count;
    for (size_t c = 0; c < t->column_count; c++)
        if (widths[c] > floors[c] &&
            (found == t->column_count || t->columns[c].importance < t->columns[found].importance))
            found = c;
    return found;
}

static void cut_to(const struct table *t, size_t widths[TABLE_COLUMNS_MAX],
                   const size_t floors[TABLE_COLUMNS_MAX], size_t width)
{
    for (size_t sum; (sum = total(t, widths)) > width;) {
        size_t c = next_to_cut(t, widths, floors);
        if (c == t->column_count)
            return;
        size_t give = widths[c] - floors[c];
        widths[c] -= give < sum - width ? give : sum - width;
    }
}

/* First down to what reads well, then to what can be told apart at all; in a window narrower than
 * that the terminal wraps. */
static void fit(const struct table *t, size_t widths[TABLE_COLUMNS_MAX], size_t width)
{
    size_t comfortable[TABLE_COLUMNS_MAX] = {0}, scant[TABLE_COLUMNS_MAX] = {0};
    for (size_t c = 0; c < t->column_count; c++) {
        comfortable[c] = t->columns[c].least;
        scant[c] = comfortable[c] < SCANT ? comfortable[c] : SCANT;
    }
    cut_to(t, widths, comfortable, width);
    cut_to(t, widths, scant, width);
}

static void lay_cell(const struct table *t, const struct terminal *terminal, size_t column,
                     const struct cell *cell, size_t width, struct text *out)
{
    struct text cut = {0};
    size_t taken = say_cut(&cut, terminal, cell->s, width);
    bool last = column + 1 == t->column_count;
    size_t rest = width > taken ? width - taken : 0;
    if (t->columns[column].right)
        say_spaces(out, rest);
    say_styled(out, terminal, cell->style, text_get(&cut));
    if (!t->columns[column].right && !last)
        say_spaces(out, rest);
    text_add(out, "");
    if (last)
        text_add(out, "\n");
    else
        say_spaces(out, GAP);
    text_reset(&cut);
}

void table_lay(struct table *t, const struct terminal *terminal, size_t width, struct text *out)
{
    size_t widths[TABLE_COLUMNS_MAX];
    while (t->cell_count % t->column_count != 0)
        table_cell(t, STYLE_PLAIN, NULL);
    measure(t, widths);
    fit(t, widths, width);
    for (size_t c = 0; c < t->column_count; c++) {
        struct text title = {0};
        text_add(&title, t->columns[c].title);
        struct cell head = {STYLE_BOLD, title.data};
        lay_cell(t, terminal, c, &head, widths[c], out);
        text_reset(&title);
    }
    for (size_t i = 0; i < t->cell_count; i++)
        lay_cell(t, terminal, i % t->column_count, &t->cells[i], widths[i % t->column_count], out);
}
