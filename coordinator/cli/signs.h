/* signs.h - entries of servers' event logs, as a table. */
#ifndef FARMHAND_COORDINATOR_CLI_SIGNS_H
#define FARMHAND_COORDINATOR_CLI_SIGNS_H

#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* servers: a column of servers in the place of that of pools. Closed by table_close. */
struct table *signs_open(bool servers);
/* One row each; gives back how many. server NULL: the event's pool is told. */
size_t signs_add(struct table *t, const char *server, const json_t *events);

#endif
