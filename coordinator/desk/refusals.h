/* refusals.h - how many refusals of one person go into the audit trail. Pure: time comes with each
 * call.
 *
 * Each row is synced to the disk and stays, so nobody may write as many as he likes by asking for
 * what he may not: ten a minute of each, and the next one that is written says how many were left
 * out. Each has his own, so that whoever asks a hundred times a second hides nobody else. Memory is
 * bounded: whose last row is the longest ago is forgotten first.
 */
#ifndef FARMHAND_COORDINATOR_REFUSALS_H
#define FARMHAND_COORDINATOR_REFUSALS_H

#include "coordinator/enrol/member.h"

#include <stdbool.h>
#include <stdint.h>

#define REFUSALS_A_MINUTE 10
#define REFUSALS_PEOPLE   64

struct refusals {
    struct {
        char id[MEMBER_ID_HEX]; /* "": free */
        uint64_t since_ms;
        uint32_t written; /* since then */
        uint64_t left_out;
    } items[REFUSALS_PEOPLE];
};

/* Is one of that right to be written? *left_out: so many before it were not. */
bool refusals_take(struct refusals *r, const char *id, uint64_t now_ms, uint64_t *left_out);

#endif
