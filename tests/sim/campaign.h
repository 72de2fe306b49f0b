/* campaign.h - millions of histories, a block at a time; what was reached stands in a file of its
 * own after each block, so that it can be stopped at any moment and goes on where it was.
 */
#ifndef FARMHAND_TESTS_SIM_CAMPAIGN_H
#define FARMHAND_TESTS_SIM_CAMPAIGN_H

#include "tests/sim/play.h"

struct campaign {
    const char *path;    /* of its state; made if it is not there */
    const char *options; /* what a seed stands for, in words: a file of other ones is refused */
    struct play play;    /* options, arg and jobs; first and last as asked for */
    uint64_t seconds;    /* 0: until the last seed */
};

/* Returns the exit code: 0, 1 if seeds failed (they stand in the file, up to PLAY_FAILURES_MAX of
 * each block, and all are counted), 2: the file is no good, or of another campaign. */
int campaign_run(struct campaign *c);

#endif
