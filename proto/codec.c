/* codec.c - see codec.h: framing, versions, memory. The steps stand in codec_internal.h. */
#include "proto/codec.h"

#include "common/must.h"
#include "proto/codec_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What protobuf-c may take for one message, and what the plain form of it may. A report with every
 * list at its bound fits (tested); 1 MiB of empty sub-messages does not. */
#define UNPACK_CAP ((size_t)8 << 20)
#define OWNED_CAP  ((size_t)8 << 20)
#define PACK_CAP   ((size_t)8 << 20) /* of pointers and structs; texts are borrowed */

/* A plain message with all it points to; the message comes first, so that its address is ours. */
struct owned_agent {
    struct agent_message message;
    struct arena arena;
};
struct owned_coordinator {
    struct coordinator_message message;
    struct arena arena;
};

enum error_code codec_within(struct error *err, enum error_code code, const char *fmt, ...)
{
    if (code == ERR_NONE || !err)
        return code;
    char where[WIRE_NAME_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(where, sizeof(where), fmt, args);
    va_end(args);
    error_wrap(err, "%s", where);
    return code;
}

/* ---- encode ---- */

static enum error_code pack_bytes(const ProtobufCMessage *w, uint8_t **out, size_t *out_len,
                                  struct error *err)
{
    if (!w)
        return error_set(err, ERR_NOMEM, "message: no memory to encode it");
    size_t len = protobuf_c_message_get_packed_size(w);
    if (len > WIRE_MESSAGE_MAX)
        return error_set(err, ERR_INVALID, "message: %zu bytes encoded, at most %d", len,
                         WIRE_MESSAGE_MAX);
    uint8_t *bytes = must_alloc(1, len ? len : 1);
    protobuf_c_message_pack(w, bytes);
    *out = bytes;
    *out_len = len;
    return ERR_NONE;
}

enum error_code codec_encode_agent(const struct agent_message *message, uint8_t **out,
                                   size_t *out_len, struct error *err)
{
    const struct codec_check check = {.wrong = ERR_INVALID, .over = ERR_INVALID, .err = err};
    enum error_code code = codec_check_agent(&check, message);
    if (code != ERR_NONE)
        return code;
    struct arena arena;
    arena_init(&arena, PACK_CAP);
    Wire__AgentMessage *w = codec_pack_agent(&arena, message);
    code = pack_bytes(w ? &w->base : NULL, out, out_len, err);
    arena_reset(&arena);
    return code;
}

enum error_code codec_encode_coordinator(const struct coordinator_message *message, uint8_t **out,
                                         size_t *out_len, struct error *err)
{
    const struct codec_check check = {.wrong = ERR_INVALID, .over = ERR_INVALID, .err = err};
    enum error_code code = codec_check_coordinator(&check, message);
    if (code != ERR_NONE)
        return code;
    struct arena arena;
    arena_init(&arena, PACK_CAP);
    Wire__CoordinatorMessage *w = codec_pack_coordinator(&arena, message);
    code = pack_bytes(w ? &w->base : NULL, out, out_len, err);
    arena_reset(&arena);
    return code;
}

/* ---- decode ---- */

static void *unpack_alloc(void *arena, size_t size)
{
    return arena_take(arena, size);
}

/* The arena is released at once; what protobuf-c gives up in between counts against the cap. */
static void unpack_free(void *arena, void *piece)
{
    (void)arena;
    (void)piece;
}

/* Bytes to protobuf-c's form, in the arena. NULL: *err says why and the code is its. */
static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *kind, struct arena *arena,
                               const uint8_t *bytes, size_t len, enum error_code *code,
                               struct error *err)
{
    if (len > WIRE_MESSAGE_MAX) {
        *code = error_set(err, ERR_NOMEM, "message: %zu bytes, at most %d", len, WIRE_MESSAGE_MAX);
        return NULL;
    }
    ProtobufCAllocator allocator = {
        .alloc = unpack_alloc, .free = unpack_free, .allocator_data = arena};
    ProtobufCMessage *w = protobuf_c_message_unpack(kind, &allocator, len, bytes);
    if (!w && arena->exhausted)
        *code = error_set(err, ERR_NOMEM, "message: %zu bytes that unpack to more than %zu", len,
                          arena->cap_bytes);
    else if (!w)
        *code = error_set(err, ERR_CORRUPT, "message: %zu bytes that are not a message", len);
    return w;
}

static enum error_code check_version(uint32_t version, struct error *err)
{
    if (version == WIRE_VERSION)
        return ERR_NONE;
    if (version == 0)
        return error_set(err, ERR_CORRUPT, "version: missing");
    if (version < WIRE_VERSION)
        return error_set(err, ERR_CORRUPT, "version: %u is no longer spoken", version);
    return error_set(err, ERR_NEWER, "version: %u, this program speaks %d; update it", version,
                     WIRE_VERSION);
}

enum error_code codec_decode_agent(const uint8_t *bytes, size_t len, struct agent_message **out,
                                   struct error *err)
{
    const struct codec_check check = {.wrong = ERR_CORRUPT, .over = ERR_NOMEM, .err = err};
    struct owned_agent *owned = must_alloc(1, sizeof(*owned));
    struct arena scratch;
    enum error_code code = ERR_NONE;
    arena_init(&owned->arena, OWNED_CAP);
    arena_init(&scratch, UNPACK_CAP);
    const Wire__AgentMessage *w = (const Wire__AgentMessage *)parse(
        &wire__agent_message__descriptor, &scratch, bytes, len, &code, err);
    if (w)
        code = check_version(w->version, err);
    if (code == ERR_NONE)
        code = codec_unpack_agent(&owned->arena, w, &owned->message, err);
    if (code == ERR_NONE)
        code = codec_check_agent(&check, &owned->message);
    arena_reset(&scratch);
    if (code != ERR_NONE)
        codec_free_agent(&owned->message);
    else
        *out = &owned->message;
    return code;
}

enum error_code codec_decode_coordinator(const uint8_t *bytes, size_t len,
                                         struct coordinator_message **out, struct error *err)
{
    const struct codec_check check = {.wrong = ERR_CORRUPT, .over = ERR_NOMEM, .err = err};
    struct owned_coordinator *owned = must_alloc(1, sizeof(*owned));
    struct arena scratch;
    enum error_code code = ERR_NONE;
    arena_init(&owned->arena, OWNED_CAP);
    arena_init(&scratch, UNPACK_CAP);
    const Wire__CoordinatorMessage *w = (const Wire__CoordinatorMessage *)parse(
        &wire__coordinator_message__descriptor, &scratch, bytes, len, &code, err);
    if (w)
        code = check_version(w->version, err);
    if (code == ERR_NONE)
        code = codec_unpack_coordinator(&owned->arena, w, &owned->message, err);
    if (code == ERR_NONE)
        code = codec_check_coordinator(&check, &owned->message);
    arena_reset(&scratch);
    if (code != ERR_NONE)
        codec_free_coordinator(&owned->message);
    else
        *out = &owned->message;
    return code;
}

void codec_free_agent(struct agent_message *message)
{
    struct owned_agent *owned = (struct owned_agent *)message;
    if (!owned)
        return;
    arena_reset(&owned->arena);
    free(owned);
}

void codec_free_coordinator(struct coordinator_message *message)
{
    struct owned_coordinator *owned = (struct owned_coordinator *)message;
    if (!owned)
        return;
    arena_reset(&owned->arena);
    free(owned);
}
