/* audit_chain.h - the audit trail as a chain: each row's hash covers the row and the hash before
 * it. Pure; used by the store that writes it and by `farmhand audit verify`, which trusts no store.
 *
 * A row that was changed, taken out or put in breaks every hash from there on. Rows from before
 * there were hashes are covered by the first one that has. Whoever can write the file could make
 * the whole chain anew: a head noted elsewhere (syslog has each, see audit_syslog) is what gives
 * that away.
 */
#ifndef FARMHAND_COORDINATOR_AUDIT_CHAIN_H
#define FARMHAND_COORDINATOR_AUDIT_CHAIN_H

#include "common/sha256.h"

#include <stdbool.h>
#include <stdint.h>

struct audit_row {
    uint64_t id; /* 1, 2, 3 ... */
    int64_t wall_ms;
    const char *actor, *origin, *action, *object, *reason;
    /* What the object was like, what it is like then, and what came of it: "done", or "refused: "
     * and why. "" each: there was nothing before; all three: from before they were kept. */
    const char *before, *after, *result;
    const char *hash; /* "": from before there were hashes */
};

struct audit_chain {
    char hash[SHA256_HEX]; /* of the last row */
    uint64_t id;           /* of it; 0: there was none */
    bool hashed;           /* a row with a hash has come */
};

void audit_chain_begin(struct audit_chain *chain);
/* The next row. NULL: it fits; else what is wrong with it, and the chain is where it was. */
const char *audit_chain_add(struct audit_chain *chain, const struct audit_row *row);
/* The hash that a row after `before` has. */
void audit_chain_hash(const char before[SHA256_HEX], const struct audit_row *row,
                      char out[SHA256_HEX]);

#endif
