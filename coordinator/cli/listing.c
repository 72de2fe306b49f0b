/* listing.c - see listing.h. */
#include "coordinator/cli/listing.h"

#include <stdio.h>

void cli_print_listing(const struct cli *cli, const struct cli_listing *listing, const json_t *list)
{
    if (listing->none && json_array_size(list) == 0) {
        printf("%s\n", listing->none);
        return;
    }
    struct text out = {0};
    struct table *t = table_open(listing->columns, listing->column_count);
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) listing->add(t, one);
    table_lay(t, &cli->terminal, cli_columns(cli), &out);
    table_close(t);
    cli_print(&out);
}

int cli_show_listing(struct cli *cli, const char *path, const char *key,
                     const struct cli_listing *listing)
{
    json_t *answer = NULL;
    int code = cli_get(cli, path, &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer))
        cli_print_listing(cli, listing, cli_list(answer, key));
    json_decref(answer);
    return code;
}
