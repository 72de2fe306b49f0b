/* openssl.h - OpenSSL's headers, of which one claims a name of ours: ERR_STATE is an error code
 * here (common/error.h), and there a type that nobody needs (openssl/types.h). */
#ifndef FARMHAND_COORDINATOR_OPENSSL_H
#define FARMHAND_COORDINATOR_OPENSSL_H

#define ERR_STATE openssl_err_state
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#endif
