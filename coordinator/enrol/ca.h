/* ca.h - the farm's own certificate authority: made once by `farmhand-coordinator init`, used to
 * sign what agents ask for. Over OpenSSL. Blocks on files and for arithmetic (under 1 ms a
 * signature).
 *
 * In its directory (0700): ca.crt, ca.key, coordinator.crt (with ca.crt behind it: the chain) and
 * coordinator.key; keys are 0600. All keys are P-256, all signatures ECDSA with SHA-256.
 *
 * A certificate names its server in one DNS entry of subjectAltName, and is for clients; the
 * coordinator's is for servers and says WIRE_COORDINATOR_NAME (proto/url.h), which no agent is ever
 * given, so that a stolen agent's key cannot play the coordinator. An operator's has a use of its
 * own (CA_OPERATOR_USE, and not "for clients") and names them in a URI: neither is ever taken for
 * the other, at either port. Serial numbers are the time of issue (milliseconds since 1970, 8
 * bytes) and 8 random bytes: who is let in is decided by name and time of issue (members.h), so
 * that a removal needs no list of revoked numbers. Since they are compared, an agent's is later
 * than all that its name had before, whatever the clock says (after_ms).
 */
#ifndef FARMHAND_COORDINATOR_CA_H
#define FARMHAND_COORDINATOR_CA_H

#include "common/error.h"
#include "common/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CA_REQUEST_MAX 8192 /* bytes of a signing request */

struct ca;

/* Makes all four files; ERR_EXISTS: there is a CA already. hosts: names and addresses by which
 * operators reach the coordinator, for its certificate (NULL-terminated). */
enum error_code ca_make(const char *dir, const char *const *hosts, int64_t wall_ms,
                        struct error *err);
/* ERR_NOT_FOUND: there is none; the text says how to make one. own_life_ms: for how long the
 * coordinator's own certificate is good; 0: two years. It is made anew where that is due. */
enum error_code ca_open(const char *dir, uint64_t own_life_ms, int64_t wall_ms, struct ca **out,
                        struct error *err);
void ca_close(struct ca *ca); /* NULL is fine */

const char *ca_pem(const struct ca *ca); /* its certificate */
/* The coordinator's, and ca_pem; and the coordinator's key. Both lent until ca_renew_own. */
const char *ca_chain_pem(const struct ca *ca);
const char *ca_key_pem(const struct ca *ca);

/* Key and certificate of the coordinator anew, with the same names, once two thirds of their time
 * are over, or if they do not belong together (it was stopped in the middle of this). *renewed
 * tells; on failure what there was stays, and is to be tried again. Costs nothing while it is not
 * due. */
enum error_code ca_renew_own(struct ca *ca, int64_t wall_ms, bool *renewed, struct error *err);
int64_t ca_own_until_ms(const struct ca *ca);
/* SHA-256 of the certificate (DER): what a join token carries. */
void ca_fingerprint(const struct ca *ca, uint8_t out[SHA256_BYTES]);

/* Is it a signing request for a P-256 key, signed by that key? What name it asks for is not looked
 * at. key_hash: SHA-256 of the public key (DER). Pure but for memory. */
enum error_code ca_request_read(const char *request_pem, uint8_t key_hash[SHA256_BYTES],
                                struct error *err);

struct ca_issued {
    char *pem; /* free() it */
    int64_t issued_wall_ms, until_wall_ms;
};
/* A certificate for an agent, good for life_ms, and from five minutes ago (clocks
 * differ), or from a tenth of its life if that is less. Its time of issue is now, or right after
 * after_ms where the clock is behind that; 0: there was none before. */
enum error_code ca_sign(const struct ca *ca, const char *request_pem, const char *name,
                        uint64_t life_ms, int64_t wall_ms, int64_t after_ms, struct ca_issued *out,
                        struct error *err);

/* ---- operators ---- */

/* An extended key usage of our own, from a random number (X.667); and what their names follow. */
#define CA_OPERATOR_USE "2.25.287097974298196124803766746498156425985"
#define CA_OPERATOR_URI "farmhand:operator:"
#define CA_NAME_MAX     128

enum error_code ca_sign_operator(const struct ca *ca, const char *request_pem, const char *name,
                                 uint64_t life_ms, int64_t wall_ms, struct ca_issued *out,
                                 struct error *err);
/* Whose certificate (DER) is it? ca_operator.c. ERR_DENIED: not of this CA, not of an operator, or
 * its time is not now: the text says which. That its peer has the key is TLS's to prove; what they
 * may do is not in it. key_hash: SHA-256 of the public key, as ca_request_read tells it. */
enum error_code ca_operator_read(const struct ca *ca, const uint8_t *der, size_t len,
                                 int64_t wall_ms, char name[CA_NAME_MAX],
                                 uint8_t key_hash[SHA256_BYTES], struct error *err);

#endif
