/* crowd.h - the visitors themselves: requests at a fixed rate that wait for nobody.
 *
 * Request n is due at start + n / rate, whatever became of the ones before. Its latency counts from
 * that moment; so a slow farm cannot slow its own visitors down and look fast. Every second request
 * goes over a connection that is kept alive, the others over fresh ones; every third is a POST, and
 * none is ever sent twice. Nobody is spared: what fails is counted as failed, by kind.
 *
 * One thread; nothing blocks but the poller.
 */
#ifndef FARM_VISITORS_CROWD_H
#define FARM_VISITORS_CROWD_H

#include "tests/farm/visitors/poller.h"
#include "tests/farm/visitors/tally.h"

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define CROWD_PATHS_MAX 16

struct crowd_path {
    const char *path; /* "/", with query; outlives the crowd */
    unsigned weight;
};

struct crowd_options {
    struct sockaddr_in to;
    const char *host; /* for the Host header; outlives the crowd */
    unsigned rate;    /* requests a second, 1 to 10000 */
    uint64_t timeout_ms;
    struct crowd_path paths[CROWD_PATHS_MAX];
    size_t path_count; /* at least 1 */
};

struct crowd;

/* Begins at once, with the phase "start". NULL on failure. */
struct crowd *crowd_open(struct poller *poller, const struct crowd_options *options,
                         struct error *err);
void crowd_close(struct crowd *c);

/* After every round of the poller: sends what is due, and gives up on what took too long. The
 * latter only if the poller had told everything (`all_told`): an answer that waits to be read is
 * an answer. */
void crowd_turn(struct crowd *c, bool all_told);
/* From now on requests count in another phase. */
void crowd_phase(struct crowd *c, const char *name);
void crowd_stop(struct crowd *c);            /* nothing new is sent */
bool crowd_is_over(const struct crowd *c);   /* stopped, and nothing is outstanding */
json_t *crowd_report(const struct crowd *c); /* total and phases; the caller's */

#endif
