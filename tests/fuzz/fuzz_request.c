/* fuzz_request.c - any bytes as the signing request of somebody who has a token. */
#include "fuzz.h"

#include "common/must.h"
#include "coordinator/enrol/ca.h"
#include "tests/unit/link/certs.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t hash[SHA256_BYTES];
    struct error err = {0};
    char *text = must_alloc(size + 1, 1);
    memcpy(text, data, size);
    if (ca_request_read(text, hash, &err) != ERR_NONE)
        must(err.code == ERR_INVALID && err.text[0]);
    free(text);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    char *key, *request;
    if (n > 3)
        return NULL;
    certs_request(&key, &request);
    free(key);
    *size = strlen(request);
    return (uint8_t *)request;
}
