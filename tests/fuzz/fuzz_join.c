/* fuzz_join.c - any bytes as what a coordinator that is none answers to a join, and as a spoiled
 * identity file. */
#include "fuzz.h"

#include "agent/identity.h"
#include "agent/join_http.h"
#include "common/must.h"

#include <stdlib.h>
#include <string.h>

static void replies(const char *text, size_t size)
{
    int status = 0;
    const char *body = NULL;
    struct error err = {0};
    if (join_reply(text, size, &status, &body, &err) == ERR_NONE)
        must(status >= 100 && status <= 599 && body >= text && body <= text + size);
    else
        must(err.text[0]);
}

static void identities(const char *text)
{
    struct identity id = {0};
    struct identity_cert cert;
    struct error err = {0};
    if (identity_parse(text, &id, &err) == ERR_NONE) {
        must(id.name && id.coordinator && id.key_pem && id.cert_pem && id.ca_pem);
        (void)identity_check(&id, &cert, &err);
    }
    identity_reset(&id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct join_where where;
    char *text = must_alloc(size + 1, 1);
    memcpy(text, data, size);
    replies(text, size);
    identities(text);
    (void)join_where_parse(text, &where, NULL);
    free(text);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    static const char *const seeds[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"state\":\"in\"}",
        "HTTP/1.1 403 Forbidden\r\ncontent-length:  2\r\n\r\n{}",
        "https://[2001:db8::1]:7601",
        "name = web01\ncoordinator = tls+tcp://h:1\nprofile = observe\n"
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----\n"
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
    };
    if (n >= sizeof(seeds) / sizeof(seeds[0]))
        return NULL;
    *size = strlen(seeds[n]);
    return (uint8_t *)must_copy(seeds[n]);
}
