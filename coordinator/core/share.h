/* share.h - so many of the servers of a run: "5" or "20%". Pure.
 */
#ifndef FARMHAND_COORDINATOR_SHARE_H
#define FARMHAND_COORDINATOR_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_NUMBER_MAX 100000
#define SHARE_TEXT_MAX   16

struct share {
    uint32_t number; /* of servers, or percent (then at most 100) */
    bool percent;
};

/* false: neither a number nor a percentage up to 100; *out is untouched then. */
bool share_parse(const char *text, struct share *out);
const char *share_format(char out[SHARE_TEXT_MAX], struct share share);

/* How many of `total` that is, rounded down. */
uint32_t share_of(struct share share, size_t total);

#endif
