/* renewal.h - a new key and certificate before the old ones end, by itself.
 *
 *            two thirds of its life are over: a key and a request are made, and sent
 *   RESTS ------------------------------------------------------------> ASKED
 *     ^   the certificate came, fits the key, and is on the disk          |
 *     +-------------------------------------------------------------------+
 *     +-----------no answer, or none that fits: tried again, a tenth of what is left later
 *
 * The old identity holds until the new one is written. Wall time decides when (certificates are of
 * the wall), boot time when it is tried again. Blocks on the file and for arithmetic.
 */
#ifndef FARMHAND_AGENT_RENEWAL_H
#define FARMHAND_AGENT_RENEWAL_H

#include "agent/identity.h"

#include <stdbool.h>
#include <stdint.h>

struct renewal {
    struct identity *identity; /* NULL: without TLS, nothing is due ever */
    const char *data_dir;
    struct identity_cert cert;
    char *key_pem;          /* of the request that is under way */
    uint64_t not_before_ms; /* boot */
};

/* ERR_DENIED: the identity does not hold together. */
enum error_code renewal_init(struct renewal *r, struct identity *identity, const char *data_dir,
                             struct error *err);
void renewal_reset(struct renewal *r);

/* When to look again (boot); UINT64_MAX: never. */
uint64_t renewal_wake_ms(const struct renewal *r, uint64_t now_ms, int64_t wall_ms);
bool renewal_is_due(const struct renewal *r, uint64_t now_ms, int64_t wall_ms);
/* The inside of a request's PEM, to be freed. The next try comes later, whatever becomes of it. */
enum error_code renewal_ask(struct renewal *r, uint64_t now_ms, int64_t wall_ms, char **request,
                            struct error *err);
/* The inside of the certificate's PEM: on ERR_NONE identity is the new one, on the disk as well. */
enum error_code renewal_take(struct renewal *r, const char *certificate, struct error *err);

#endif
