/* sha256.h - SHA-256 and HMAC-SHA-256, for signing what is sent to others.
 *
 * Sources: FIPS 180-4, sections 4.1.2 to 6.2 (the hash), RFC 2104 (HMAC). Pure. Not in constant
 * time with regard to the length of its inputs; nothing is compared here.
 */
#ifndef FARMHAND_COMMON_SHA256_H
#define FARMHAND_COMMON_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX   (2 * SHA256_BYTES + 1)

struct sha256 {
    uint32_t state[8];
    uint64_t total_bytes;
    uint8_t block[64];
    size_t used;
};

void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *bytes, size_t len);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_BYTES]);

void hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                 uint8_t out[SHA256_BYTES]);
/* Lower-case hexadecimal, NUL-terminated. Returns out. */
const char *sha256_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX]);

#endif
