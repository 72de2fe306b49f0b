/* operators.h - who may come from afar, and what they may do there: tokens and client certificates,
 * each with a role.
 *
 *   viewer     looks
 *   operator   and starts, steers and ends runs, holds, drains
 *   admin      and lets servers and people in, and takes over
 *
 * A role may be bound to servers (a selector such as farm=web): what it changes then is theirs
 * alone; it still sees the whole farm. At the unix socket nobody needs a token: who may open it is
 * an admin. The secret of a token is told once, and kept as its SHA-256. Of a certificate the
 * public key is known: what its owner may do stands here, and is looked up at every request, so
 * that it ends with its revocation. For the brain thread; blocks for the store, and for signatures.
 */
#ifndef FARMHAND_COORDINATOR_OPERATORS_H
#define FARMHAND_COORDINATOR_OPERATORS_H

#include "common/error.h"
#include "coordinator/enrol/ca.h"
#include "coordinator/enrol/member.h"
#include "coordinator/store/store.h"

#include <stddef.h>
#include <stdint.h>

struct operators;

struct operators_spec {
    struct store *store; /* borrowed, as the other */
    const struct ca *ca; /* NULL: no certificates */
    void *ctx;
    void (*event)(void *ctx, const struct event *event);
};

enum error_code operators_open(const struct operators_spec *spec, struct operators **out,
                               struct error *err);
void operators_close(struct operators *o); /* NULL is fine */

struct operators_wish {
    const char *name;
    enum role role;
    const char *servers; /* a selector; "all" */
    uint64_t for_ms;     /* 0: until it is revoked; a certificate ends by itself, at the latest */
    const char *actor, *reason;
};
/* The token is told this once. ERR_EXISTS: that name has a good one already. */
enum error_code operators_create(struct operators *o, const struct operators_wish *wish,
                                 int64_t wall_ms, char token[TOKEN_TEXT_MAX],
                                 const struct operator_right **out, struct error *err);
/* The same with a certificate for the key of that signing request (PEM); for_ms 0: 90 days. pem is
 * the caller's to free. ERR_EXISTS as well: that key has been somebody's before. */
enum error_code operators_certify(struct operators *o, const struct operators_wish *wish,
                                  const char *request, int64_t wall_ms, char **pem,
                                  const struct operator_right **out, struct error *err);
/* Another for the same person, role and servers; the former is good for overlap_ms more (or until
 * its own end, if that is sooner), so that there is time to bring the new one to where it is used.
 * ERR_EXISTS: there is a second one that is good already. ERR_DENIED: the former is good no more.
 */
struct operators_renewal {
    const char *id;      /* of the former */
    const char *request; /* PEM: a certificate for that key; "": a token */
    uint64_t for_ms;     /* of the new one; 0: as long as the former was made for */
    uint64_t overlap_ms; /* 30 days at most */
    const char *actor, *reason;
};
/* Gives the token, or else *pem (the caller's to free). */
enum error_code operators_renew(struct operators *o, const struct operators_renewal *r,
                                int64_t wall_ms, char token[TOKEN_TEXT_MAX], char **pem,
                                const struct operator_right **out, struct error *err);
enum error_code operators_revoke(struct operators *o, const char *id, const char *actor,
                                 const char *reason, int64_t wall_ms, struct error *err);

/* Whose token it is. ERR_DENIED: nobody's, or it is not good any more, and then *out says whose it
 * was; *wrong: it was guessed. */
enum error_code operators_find(const struct operators *o, const char *token, int64_t wall_ms,
                               const struct operator_right **out, bool *wrong, struct error *err);

/* Whose certificate (DER) it is that a TLS peer has proved to have the key of; the same. */
enum error_code operators_find_certificate(const struct operators *o, const uint8_t *der,
                                           size_t len, int64_t wall_ms,
                                           const struct operator_right **out, bool *wrong,
                                           struct error *err);

size_t operators_count(const struct operators *o);
const struct operator_right *operators_at(const struct operators *o, size_t index);
/* NULL: good. */
const char *operator_right_spent(const struct operator_right *right, int64_t wall_ms);

#endif
