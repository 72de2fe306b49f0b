/* keypair.h - a fresh P-256 key and a signing request for it, over mbedTLS: of agents that join,
 * and of operators who want a certificate. The key leaves the machine in neither case.
 */
#ifndef FARMHAND_COMMON_KEYPAIR_H
#define FARMHAND_COMMON_KEYPAIR_H

#include "common/error.h"

#include <stdbool.h>

/* Both PEM, to be freed (the key wiped before). name: what the request asks for, cut at 64 bytes;
 * whoever signs goes by what it was told instead. */
enum error_code keypair_make(const char *name, char **key_pem, char **request_pem,
                             struct error *err);

/* Both PEM: does the request ask for that key? false as well where one of them cannot be read. */
bool keypair_is_one(const char *key_pem, const char *request_pem);

/* "what: why (mbedTLS -0x...)", ERR_IO: for others who use it. */
enum error_code keypair_error(struct error *err, int rv, const char *what);

#endif
