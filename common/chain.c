/* chain.c - see chain.h. */
#include "common/chain.h"

#include "common/text.h"

#include <string.h>

static void add_text(struct sha256 *hash, const char *text)
{
    char length[24];
    text_format(length, sizeof(length), "%zu:", strlen(text));
    sha256_add(hash, length, strlen(length));
    sha256_add(hash, text, strlen(text));
    sha256_add(hash, ",", 1);
}

void chain_begin(char hash[SHA256_HEX])
{
    memset(hash, '0', SHA256_HEX - 1);
    hash[SHA256_HEX - 1] = '\0';
}

void chain_next(const char before[SHA256_HEX], const char *const *texts, size_t count,
                char out[SHA256_HEX])
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    sha256_begin(&hash);
    add_text(&hash, before);
    for (size_t i = 0; i < count; i++)
        add_text(&hash, texts[i]);
    sha256_end(&hash, digest);
    sha256_hex(digest, out);
}

const char *chain_number(uint64_t last, uint64_t id)
{
    if (id == last + 1)
        return NULL;
    return id > last ? "rows before it are missing" : "it is there twice";
}

const char *chain_hash(const char *stored, const char computed[SHA256_HEX])
{
    return text_equal(stored, computed)
               ? NULL
               : "its hash does not fit: it was changed, or put in, or the row before it was";
}
