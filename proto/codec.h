/* codec.h - bytes <-> structs of messages.h, with every bound checked.
 *
 * The only user of protobuf-c. Input is never trusted: length, counts, enum ranges, UTF-8, control
 * characters, required parts are checked, and what protobuf-c unpacks is bounded (a capped arena),
 * since 1 MiB of empty sub-messages would otherwise become 60 MiB. Nothing here blocks.
 */
#ifndef FARMHAND_PROTO_CODEC_H
#define FARMHAND_PROTO_CODEC_H

#include "common/error.h"
#include "proto/messages.h"

#include <stddef.h>
#include <stdint.h>

/* Encode: *out is malloc'ed, free() it. ERR_INVALID names the field that breaks a bound. */
enum error_code codec_encode_agent(const struct agent_message *message, uint8_t **out,
                                   size_t *out_len, struct error *err);
enum error_code codec_encode_coordinator(const struct coordinator_message *message, uint8_t **out,
                                         size_t *out_len, struct error *err);

/* Decode: *out owns everything it points to; free with codec_free (also takes NULL).
 * ERR_CORRUPT: not ours or broken. ERR_NEWER: a version we do not speak. ERR_NOMEM: over a bound.
 */
enum error_code codec_decode_agent(const uint8_t *bytes, size_t len, struct agent_message **out,
                                   struct error *err);
enum error_code codec_decode_coordinator(const uint8_t *bytes, size_t len,
                                         struct coordinator_message **out, struct error *err);
void codec_free_agent(struct agent_message *message);
void codec_free_coordinator(struct coordinator_message *message);

#endif
