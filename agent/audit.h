/* audit.h - the agent's own audit trail: what it was ordered, by whom as it was told, and what it
 * decided, as a chain (common/chain.h) in the journal. Pure.
 *
 *   obeys     a coordinator with a higher fence is in charge from here on
 *   begun     the act begins with the next call
 *   done ...  its end: the words of outcomes; "refused" has the cause and the agent's own words in
 *             `detail`, whether the owner's settings, a fence or the time forbade it
 *   told      nothing was changed, but memory of a worker left this server: a dump, or a piece of
 * one
 *
 * The trail is bounded: beyond AUDIT_ROWS_KEPT the oldest rows go, and an anchor keeps number and
 * hash of the last that went, so that the chain is still held at both ends. So many rows are always
 * left: with an anchor and fewer of them somebody has taken rows away. Whoever can write the file
 * can make the whole trail anew; a hash that was noted elsewhere gives that away.
 */
#ifndef FARMHAND_AGENT_AUDIT_H
#define FARMHAND_AGENT_AUDIT_H

#include "common/sha256.h"

#include <stdbool.h>
#include <stdint.h>

#define AUDIT_ROWS_KEPT  10000
#define AUDIT_ROWS_SLACK 500 /* pruned together */

struct audit_line {
    uint64_t id; /* 1, 2, 3 ... */
    int64_t wall_ms;
    uint64_t fence, seq, run;
    const char *instance; /* of the coordinator, 32 hexadecimal digits */
    const char *verb, *pool, *actor, *reason, *decision, *detail;
    const char *hash;
};

/* The last row that went; id 0: none has. */
struct audit_anchor {
    uint64_t id;
    char hash[SHA256_HEX];
};

/* The hash of a line after `before`. */
void audit_line_hash(const char before[SHA256_HEX], const struct audit_line *line,
                     char out[SHA256_HEX]);

struct audit_look {
    struct audit_anchor anchor;
    char hash[SHA256_HEX]; /* of the last line */
    uint64_t id, count;
};
void audit_look_begin(struct audit_look *look, const struct audit_anchor *anchor);
/* The next line. NULL: it fits; else what is wrong with it. */
const char *audit_look_add(struct audit_look *look, const struct audit_line *line);
/* After all: NULL, or what is wrong with the trail. last: the highest id ever given. */
const char *audit_look_end(const struct audit_look *look, uint64_t last);

#endif
