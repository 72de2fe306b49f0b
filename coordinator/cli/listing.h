/* listing.h - a list that the coordinator tells, as a table: a heading, and a row for each of it.
 */
#ifndef FARMHAND_CLI_LISTING_H
#define FARMHAND_CLI_LISTING_H

#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

struct cli_listing {
    const struct table_column *columns;
    size_t column_count;
    void (*add)(struct table *t, const json_t *one); /* its row: as many cells as columns */
    const char *none; /* a sentence in place of the table where nothing is listed; NULL: the heading
                         alone */
};

/* Of `list` (NULL or empty: nothing), to stdout. */
void cli_print_listing(const struct cli *cli, const struct cli_listing *listing,
                       const json_t *list);

/* A whole verb: asks for `path`, and tells the list under `key` of the answer; with --json the
 * answer as it came. Blocks for the answer. Gives the exit code. */
int cli_show_listing(struct cli *cli, const char *path, const char *key,
                     const struct cli_listing *listing);

#endif
