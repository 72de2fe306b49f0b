/* signs.c - see signs.h. */
#include "coordinator/cli/signs.h"

#include "coordinator/cli/table.h"

static enum style style_of(const char *kind)
{
    if (text_equal(kind, "recycled") || text_equal(kind, "idle") || text_equal(kind, "other"))
        return STYLE_PLAIN;
    return text_equal(kind, "rapid-fail") || text_equal(kind, "identity") ||
                   text_equal(kind, "cannot-start")
               ? STYLE_RED
               : STYLE_YELLOW;
}

static void add_event(struct table *t, const char *server, const json_t *event)
{
    char length[TEXT_DURATION_MAX];
    const char *words = cli_text(event, "text");
    table_cell(t, STYLE_BOLD, server ? server : cli_text(event, "pool"));
    table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(event, "id"));
    table_cell(t, style_of(cli_text(event, "kind")), *words ? words : "not known to Farmhand");
    if (cli_number(event, "pid") != 0)
        table_cellf(t, STYLE_DIM, "%lld", (long long)cli_number(event, "pid"));
    else
        table_cell(t, STYLE_DIM, NULL);
    table_cell(t, STYLE_DIM, say_duration(length, cli_number(event, "age_ms")));
}

struct table *signs_open(bool servers)
{
    static const struct table_column by_server[] = {{"SERVER", 9, 8, false},
                                                    {"EVENT", 8, 5, true},
                                                    {"MEANING", 7, 10, false},
                                                    {"WORKER", 2, 5, true},
                                                    {"AGO", 6, 3, true}};
    static const struct table_column by_pool[] = {{"POOL", 9, 8, false},
                                                  {"EVENT", 8, 5, true},
                                                  {"MEANING", 7, 10, false},
                                                  {"WORKER", 2, 5, true},
                                                  {"AGO", 6, 3, true}};
    return table_open(servers ? by_server : by_pool, 5);
}

size_t signs_add(struct table *t, const char *server, const json_t *events)
{
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event) add_event(t, server, event);
    return i;
}
