/* identity.h - who this agent is in its farm: what joining left in data_dir/identity.
 *
 * One file, 0600, replaced as a whole (a key without its certificate is worth nothing):
 *
 *   name = web01                                  lines of words, in any order
 *   coordinator = tls+tcp://farm.example:7600
 *   https = https://farm.example:7601          where it joined; may be missing
 *   profile = observe
 *   -----BEGIN EC PRIVATE KEY-----                made here; never leaves this machine
 *   -----BEGIN CERTIFICATE-----                   ours, then the farm's CA
 *
 * Certificates are mbedTLS's (identity_key.c; a key and its request: common/keypair.h), which nng brings along on both
 * systems; text is looked at here. Blocks on files and for arithmetic.
 */
#ifndef FARMHAND_AGENT_IDENTITY_H
#define FARMHAND_AGENT_IDENTITY_H

#include "common/error.h"
#include "proto/profile.h"

#include <stdbool.h>
#include <stdint.h>

struct identity {
    char *name, *coordinator; /* url */
    char *https;              /* url; NULL */
    enum profile profile;
    char *key_pem, *cert_pem, *ca_pem;
};

void identity_reset(struct identity *id); /* wipes the key */

/* ERR_CORRUPT names what is missing. Pure. */
enum error_code identity_parse(const char *text, struct identity *out, struct error *err);
/* ERR_NOT_FOUND: this machine has not joined a farm. */
enum error_code identity_read(const char *data_dir, struct identity *out, struct error *err);
enum error_code identity_write(const char *data_dir, const struct identity *id, struct error *err);

struct identity_cert {
    int64_t from_ms, until_ms; /* wall */
};
/* Does the certificate belong to the key, come from the CA, and bear the name? ERR_DENIED says what
 * does not fit. Its time is told, not judged: clocks are wrong now and then. */
enum error_code identity_check(const struct identity *id, struct identity_cert *out,
                               struct error *err);

/* When a new certificate is asked for: two thirds of its life are over. */
int64_t identity_renew_ms(const struct identity_cert *cert);

#endif
