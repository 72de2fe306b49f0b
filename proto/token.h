/* token.h - what proves that somebody was let in: one to join a farm, one to operate it. Pure.
 *
 *   fhj1.BASE64URL   join: the farm's CA (SHA-256 of its certificate), the token's number, its
 *                    secret, and the profile that the agent is to begin with
 *   fho1.BASE64URL   operate: number and secret
 *
 * Both end in four bytes of SHA-256 over all before, so that one that was cut or mistyped is told
 * as such and no try is lost. The coordinator keeps the SHA-256 of secrets alone.
 */
#ifndef FARMHAND_PROTO_TOKEN_H
#define FARMHAND_PROTO_TOKEN_H

#include "common/error.h"
#include "common/sha256.h"
#include "common/text.h"
#include "proto/profile.h"

#include <stdbool.h>
#include <stdint.h>

#define JOIN_TOKEN_PREFIX     "fhj1."
#define OPERATOR_TOKEN_PREFIX "fho1."

#define TOKEN_ID_BYTES     8
#define TOKEN_SECRET_BYTES 24
#define TOKEN_TEXT_MAX     128 /* with the NUL */

struct join_token {
    uint8_t ca[SHA256_BYTES];
    uint8_t id[TOKEN_ID_BYTES];
    uint8_t secret[TOKEN_SECRET_BYTES];
    enum profile profile;
};

struct operator_token {
    uint8_t id[TOKEN_ID_BYTES];
    uint8_t secret[TOKEN_SECRET_BYTES];
};

void join_token_print(const struct join_token *token, char out[TOKEN_TEXT_MAX]);
void operator_token_print(const struct operator_token *token, char out[TOKEN_TEXT_MAX]);
/* ERR_INVALID never repeats the token. Blanks around it do not matter. */
enum error_code join_token_parse(const char *text, struct join_token *out, struct error *err);
enum error_code operator_token_parse(const char *text, struct operator_token *out,
                                     struct error *err);

/* It begins as either does: a secret, where it may have been put by mistake. Here, since the
 * operator's command has it without the rest. */
static inline bool token_begins(const char *text)
{
    return text_starts(text, JOIN_TOKEN_PREFIX) || text_starts(text, OPERATOR_TOKEN_PREFIX);
}

/* What is kept of a secret. */
void token_hash(const uint8_t secret[TOKEN_SECRET_BYTES], uint8_t out[SHA256_BYTES]);
/* In a time that does not tell where they differ. */
bool token_equal(const void *a, const void *b, size_t len);

#endif
