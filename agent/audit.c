/* audit.c - see audit.h. */
#include "agent/audit.h"

#include "common/chain.h"
#include "common/text.h"

#include <inttypes.h>
#include <string.h>

void audit_line_hash(const char before[SHA256_HEX], const struct audit_line *line,
                     char out[SHA256_HEX])
{
    char numbers[128];
    text_format(numbers, sizeof(numbers),
                "%" PRIu64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64, line->id, line->wall_ms,
                line->fence, line->seq, line->run);
    const char *const texts[] = {numbers,     line->instance, line->verb,     line->pool,
                                 line->actor, line->reason,   line->decision, line->detail};
    chain_next(before, texts, sizeof(texts) / sizeof(texts[0]), out);
}

void audit_look_begin(struct audit_look *look, const struct audit_anchor *anchor)
{
    *look = (struct audit_look){.anchor = *anchor, .id = anchor->id};
    memcpy(look->hash, anchor->hash, sizeof(look->hash));
}

const char *audit_look_add(struct audit_look *look, const struct audit_line *line)
{
    char hash[SHA256_HEX];
    audit_line_hash(look->hash, line, hash);
    const char *bad = chain_number(look->id, line->id);
    bad = bad ? bad : chain_hash(line->hash, hash);
    if (bad)
        return bad;
    look->id = line->id;
    look->count++;
    memcpy(look->hash, hash, sizeof(hash));
    return NULL;
}

const char *audit_look_end(const struct audit_look *look, uint64_t last)
{
    if (look->id < last)
        return "the last rows are missing";
    if (look->anchor.id > 0 && look->count < AUDIT_ROWS_KEPT)
        return "the first rows are missing: fewer are left than an agent keeps";
    return NULL;
}
