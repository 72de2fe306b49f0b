/* audit_chain.c - see audit_chain.h. */
#include "coordinator/store/audit_chain.h"

#include "common/text.h"

#include <inttypes.h>
#include <string.h>

/* "5:hello,": no field can be taken for a part of another. */
static void add_text(struct sha256 *hash, const char *text)
{
    char length[24];
    text_format(length, sizeof(length), "%zu:", strlen(text));
    sha256_add(hash, length, strlen(length));
    sha256_add(hash, text, strlen(text));
    sha256_add(hash, ",", 1);
}

void audit_chain_hash(const char before[SHA256_HEX], const struct audit_row *row,
                      char out[SHA256_HEX])
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    char numbers[64];
    text_format(numbers, sizeof(numbers), "%" PRIu64 " %" PRId64, row->id, row->wall_ms);
    sha256_begin(&hash);
    add_text(&hash, before);
    add_text(&hash, numbers);
    add_text(&hash, row->actor);
    add_text(&hash, row->origin);
    add_text(&hash, row->action);
    add_text(&hash, row->object);
    add_text(&hash, row->reason);
    /* Rows from before these were kept have the hash that they always had. */
    if (row->before[0] != '\0' || row->after[0] != '\0' || row->result[0] != '\0') {
        add_text(&hash, row->before);
        add_text(&hash, row->after);
        add_text(&hash, row->result);
    }
    sha256_end(&hash, digest);
    sha256_hex(digest, out);
}

void audit_chain_begin(struct audit_chain *chain)
{
    *chain = (struct audit_chain){.id = 0};
    memset(chain->hash, '0', SHA256_HEX - 1);
}

const char *audit_chain_add(struct audit_chain *chain, const struct audit_row *row)
{
    char hash[SHA256_HEX];
    if (row->id != chain->id + 1)
        return row->id > chain->id ? "rows before it are missing" : "it is there twice";
    audit_chain_hash(chain->hash, row, hash);
    if (row->hash[0] == '\0' && chain->hashed)
        return "it has no hash: it was put in, or its hash was taken away";
    if (row->hash[0] != '\0' && !text_equal(row->hash, hash))
        return "its hash does not fit: it was changed, or put in, or the row before it was";
    chain->hashed = row->hash[0] != '\0';
    chain->id = row->id;
    memcpy(chain->hash, hash, sizeof(hash));
    return NULL;
}
