/* ca_internal.h - what the files of the CA share; nobody else includes it. */
#ifndef FARMHAND_COORDINATOR_CA_INTERNAL_H
#define FARMHAND_COORDINATOR_CA_INTERNAL_H

#include "coordinator/enrol/ca.h"
#include "coordinator/enrol/openssl.h"

struct ca {
    X509 *cert;
    EVP_PKEY *key;
    char *pem, *chain_pem, *own_key_pem;
};

#endif
