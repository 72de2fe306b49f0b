/* join_tls.h - the one connection of this program that is made before anybody has proved anything:
 * to a coordinator that is known by the fingerprint of its CA alone.
 *
 * The handshake is made first; then the chain that the other side showed is judged: a certificate
 * in it must have that fingerprint, the first one must come from it, be for servers and bear
 * WIRE_COORDINATOR_NAME. Only then does the first byte leave. Over mbedTLS. Blocks.
 */
#ifndef FARMHAND_AGENT_JOIN_TLS_H
#define FARMHAND_AGENT_JOIN_TLS_H

#include "common/error.h"
#include "common/sha256.h"

#include <stddef.h>

/* Sends, reads until the end. *reply is NUL-terminated, free() it; *ca_pem the CA's certificate,
 * too. ERR_UNREACHABLE: nobody there; ERR_DENIED: somebody else. */
enum error_code join_exchange(const char *host, const char *port,
                              const uint8_t fingerprint[SHA256_BYTES], const char *request,
                              char **reply, size_t *reply_len, char **ca_pem, struct error *err);

/* What a token would say of that CA. ERR_CORRUPT: it is none. */
enum error_code join_fingerprint(const char *ca_pem, uint8_t out[SHA256_BYTES], struct error *err);

#endif
