/* join_key.h - the key of a server that has no certificate yet, kept in data_dir/joining from
 * before the coordinator is first asked until the certificate is on the disk.
 *
 * So an attempt that was cut off anywhere (no answer came, the machine went down) goes on as the
 * same one: the coordinator knows a request by its key, and certifies it again without another use
 * of the token. A file of the same mode and in the same directory as the identity that comes of it:
 *
 *   name = web01                                  the two that make it the same attempt
 *   token = 0123456789abcdef                      the token's number, which is no secret
 *   -----BEGIN EC PRIVATE KEY-----
 *   -----BEGIN CERTIFICATE REQUEST-----
 *
 * Blocks on the file and for arithmetic.
 */
#ifndef FARMHAND_AGENT_JOIN_KEY_H
#define FARMHAND_AGENT_JOIN_KEY_H

#include "common/error.h"

struct join_key {
    char *key_pem, *request_pem;
};

/* The one that is kept, if it is of that name and token and whole; else a fresh one, which is on
 * the disk for good when this returns. */
enum error_code join_key_take(const char *data_dir, const char *name, const char *token,
                              struct join_key *out, struct error *err);
/* It is certified, and that is on the disk. */
enum error_code join_key_drop(const char *data_dir, struct error *err);

void join_key_reset(struct join_key *k); /* wipes the key */

#endif
