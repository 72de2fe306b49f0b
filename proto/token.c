/* token.c - see token.h. */
#include "proto/token.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

#define SUM_BYTES      4
#define JOIN_BYTES     (SHA256_BYTES + TOKEN_ID_BYTES + TOKEN_SECRET_BYTES + 1)
#define OPERATOR_BYTES (TOKEN_ID_BYTES + TOKEN_SECRET_BYTES)
#define BYTES_MAX      (JOIN_BYTES + SUM_BYTES)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void sum_of(const char *prefix, const uint8_t *bytes, size_t len, uint8_t out[SUM_BYTES])
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    sha256_begin(&hash);
    sha256_add(&hash, prefix, strlen(prefix));
    sha256_add(&hash, bytes, len);
    sha256_end(&hash, digest);
    memcpy(out, digest, SUM_BYTES);
}

/* Base64url without padding, RFC 4648 section 5. */
static void encode(const uint8_t *bytes, size_t len, char *out)
{
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            *out++ = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *out++ = digits[bits << (6 - held) & 63];
    *out = '\0';
}

/* Exactly len bytes; bits that are left over must be zero, so that each token has one spelling. */
static bool decode(const char *text, size_t text_len, uint8_t *out, size_t len)
{
    uint32_t bits = 0;
    int held = 0;
    size_t made = 0;
    for (size_t i = 0; i < text_len; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (made == len)
            return false;
        out[made++] = (uint8_t)(bits >> held);
    }
    return made == len && held < 6 && (bits & ((1u << held) - 1)) == 0;
}

static void print(const char *prefix, uint8_t *bytes, size_t len, char out[TOKEN_TEXT_MAX])
{
    _Static_assert(5 + (BYTES_MAX * 4 + 2) / 3 < TOKEN_TEXT_MAX, "the longest one fits");
    sum_of(prefix, bytes, len, bytes + len);
    text_copy(out, TOKEN_TEXT_MAX, prefix);
    encode(bytes, len + SUM_BYTES, out + strlen(prefix));
    text_wipe(bytes, len);
}

static enum error_code parse(const char *text, const char *prefix, const char *kind, uint8_t *bytes,
                             size_t len, struct error *err)
{
    uint8_t sum[SUM_BYTES];
    text += strspn(text, " \t\r\n");
    size_t text_len = strcspn(text, " \t\r\n");
    if (text[text_len + strspn(text + text_len, " \t\r\n")] != '\0' || !text_starts(text, prefix))
        return error_set(err, ERR_INVALID, "that is no %s: one begins with %s", kind, prefix);
    size_t prefix_len = strlen(prefix);
    bool good = decode(text + prefix_len, text_len - prefix_len, bytes, len + SUM_BYTES);
    if (good)
        sum_of(prefix, bytes, len, sum);
    if (!good || memcmp(sum, bytes + len, SUM_BYTES) != 0)
        return error_set(err, ERR_INVALID,
                         "that %s is not whole: was a part of it lost on the way here?", kind);
    return ERR_NONE;
}

void join_token_print(const struct join_token *token, char out[TOKEN_TEXT_MAX])
{
    uint8_t bytes[BYTES_MAX], *at = bytes;
    memcpy(at, token->ca, SHA256_BYTES);
    memcpy(at += SHA256_BYTES, token->id, TOKEN_ID_BYTES);
    memcpy(at += TOKEN_ID_BYTES, token->secret, TOKEN_SECRET_BYTES);
    at[TOKEN_SECRET_BYTES] = (uint8_t)token->profile;
    print(JOIN_TOKEN_PREFIX, bytes, JOIN_BYTES, out);
}

void operator_token_print(const struct operator_token *token, char out[TOKEN_TEXT_MAX])
{
    uint8_t bytes[BYTES_MAX];
    memcpy(bytes, token->id, TOKEN_ID_BYTES);
    memcpy(bytes + TOKEN_ID_BYTES, token->secret, TOKEN_SECRET_BYTES);
    print(OPERATOR_TOKEN_PREFIX, bytes, OPERATOR_BYTES, out);
}

enum error_code join_token_parse(const char *text, struct join_token *out, struct error *err)
{
    uint8_t bytes[BYTES_MAX], *at = bytes;
    enum error_code code = parse(text, JOIN_TOKEN_PREFIX, "join token", bytes, JOIN_BYTES, err);
    if (code == ERR_NONE && bytes[JOIN_BYTES - 1] >= PROFILE_COUNT)
        code = error_set(err, ERR_NEWER,
                         "that join token names a profile that this version does not know: update "
                         "this agent");
    if (code == ERR_NONE) {
        memcpy(out->ca, at, SHA256_BYTES);
        memcpy(out->id, at += SHA256_BYTES, TOKEN_ID_BYTES);
        memcpy(out->secret, at += TOKEN_ID_BYTES, TOKEN_SECRET_BYTES);
        out->profile = (enum profile)at[TOKEN_SECRET_BYTES];
    }
    text_wipe(bytes, sizeof(bytes));
    return code;
}

enum error_code operator_token_parse(const char *text, struct operator_token *out,
                                     struct error *err)
{
    uint8_t bytes[BYTES_MAX];
    enum error_code code =
        parse(text, OPERATOR_TOKEN_PREFIX, "operator token", bytes, OPERATOR_BYTES, err);
    if (code == ERR_NONE) {
        memcpy(out->id, bytes, TOKEN_ID_BYTES);
        memcpy(out->secret, bytes + TOKEN_ID_BYTES, TOKEN_SECRET_BYTES);
    }
    text_wipe(bytes, sizeof(bytes));
    return code;
}

void token_hash(const uint8_t secret[TOKEN_SECRET_BYTES], uint8_t out[SHA256_BYTES])
{
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, secret, TOKEN_SECRET_BYTES);
    sha256_end(&hash, out);
}

bool token_equal(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t differs = 0;
    for (size_t i = 0; i < len; i++)
        differs |= (uint8_t)(x[i] ^ y[i]);
    return differs == 0;
}
