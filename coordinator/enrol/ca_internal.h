/* ca_internal.h - what the files of the CA share; nobody else includes it. */
#ifndef FARMHAND_COORDINATOR_CA_INTERNAL_H
#define FARMHAND_COORDINATOR_CA_INTERNAL_H

#include "coordinator/enrol/ca.h"
#include "coordinator/enrol/openssl.h"

#define CA_PATH_BYTES 512

struct ca {
    char dir[CA_PATH_BYTES];
    X509 *cert;
    EVP_PKEY *key;
    char *pem, *chain_pem, *own_key_pem;
    uint64_t own_life_ms;
    int64_t own_due_ms, own_until_ms; /* of the coordinator's own certificate */
};

#endif
