/* progress.h - the picture of a run that is being watched: bar, counts, a line per server.
 *
 * Pure: the run as the coordinator told it, the events since, and the time go in; lines come out.
 */
#ifndef FARMHAND_CLI_PROGRESS_H
#define FARMHAND_CLI_PROGRESS_H

#include "coordinator/cli/say.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    json_t *run;      /* API.md, "run", kept up to date by events */
    const char *note; /* what stands in place of the run's own "why"; NULL: nothing */
};

/* Takes what the coordinator says now; run is copied. */
void progress_set(struct progress *p, const json_t *run);
void progress_reset(struct progress *p);
/* Applies one event; those it does not know change nothing. */
void progress_event(struct progress *p, const json_t *event);

/* At most `rows` lines, none wider than `columns`, each ended. now_ms: wall time. */
void progress_lay(const struct progress *p, const struct terminal *t, size_t columns, size_t rows,
                  int64_t now_ms, struct text *out);

#endif
