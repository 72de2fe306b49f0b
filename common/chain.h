/* chain.h - rows that are only added to, each with a hash over itself and the hash before it: one
 * that was changed, taken out or put in breaks every hash from there on. Pure.
 */
#ifndef FARMHAND_COMMON_CHAIN_H
#define FARMHAND_COMMON_CHAIN_H

#include "common/sha256.h"

#include <stddef.h>
#include <stdint.h>

/* What the first row follows: zeros. */
void chain_begin(char hash[SHA256_HEX]);
/* SHA-256 over `before` and the texts, each as "5:hello,": none can be taken for a part of another.
 * out may be `before`. */
void chain_next(const char before[SHA256_HEX], const char *const *texts, size_t count,
                char out[SHA256_HEX]);
/* Whether the row `id`, stored with that hash, is the one after `last`. NULL: it is; else what is
 * wrong with it. */
const char *chain_number(uint64_t last, uint64_t id);
const char *chain_hash(const char *stored, const char computed[SHA256_HEX]);

#endif
