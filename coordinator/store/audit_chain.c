/* audit_chain.c - see audit_chain.h. */
#include "coordinator/store/audit_chain.h"

#include "common/chain.h"
#include "common/text.h"

#include <inttypes.h>
#include <string.h>

void audit_chain_hash(const char before[SHA256_HEX], const struct audit_row *row,
                      char out[SHA256_HEX])
{
    char numbers[64];
    text_format(numbers, sizeof(numbers), "%" PRIu64 " %" PRId64, row->id, row->wall_ms);
    const char *const texts[] = {numbers,     row->actor,  row->origin, row->action, row->object,
                                 row->reason, row->before, row->after,  row->result};
    /* Rows from before the last three were kept have the hash that they always had. */
    bool old = row->before[0] == '\0' && row->after[0] == '\0' && row->result[0] == '\0';
    chain_next(before, texts, old ? 6 : 9, out);
}

void audit_chain_begin(struct audit_chain *chain)
{
    *chain = (struct audit_chain){.id = 0};
    chain_begin(chain->hash);
}

const char *audit_chain_add(struct audit_chain *chain, const struct audit_row *row)
{
    char hash[SHA256_HEX];
    audit_chain_hash(chain->hash, row, hash);
    const char *bad = chain_number(chain->id, row->id);
    if (!bad && row->hash[0] == '\0' && chain->hashed)
        bad = "it has no hash: it was put in, or its hash was taken away";
    if (!bad && row->hash[0] != '\0')
        bad = chain_hash(row->hash, hash);
    if (bad)
        return bad;
    chain->hashed = row->hash[0] != '\0';
    chain->id = row->id;
    memcpy(chain->hash, hash, sizeof(hash));
    return NULL;
}
