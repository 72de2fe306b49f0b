/* codec_internal.h - the codec's three steps, for codec.c alone.
 *
 * encode: check, pack, bytes. decode: bytes, unpack, check. One set of bounds serves both ways.
 */
#ifndef FARMHAND_PROTO_CODEC_INTERNAL_H
#define FARMHAND_PROTO_CODEC_INTERNAL_H

#include "common/error.h"
#include "proto/arena.h"
#include "proto/farmhand.pb-c.h"
#include "proto/messages.h"

/* Who is told what when a bound is broken: a sender is told ERR_INVALID in any case, a receiver
 * whether the bytes are wrong or too many. */
struct codec_check {
    enum error_code wrong, over;
    struct error *err;
};

/* codec_check.c: ranges, enums, text, required parts, counts. The text names the field. */
enum error_code codec_check_agent(const struct codec_check *check, const struct agent_message *m);
enum error_code codec_check_coordinator(const struct codec_check *check,
                                        const struct coordinator_message *m);

/* codec_pack.c: plain to protobuf-c's structs, in the arena; texts and ids are borrowed from m.
 * NULL: the arena is exhausted. */
Wire__AgentMessage *codec_pack_agent(struct arena *arena, const struct agent_message *m);
Wire__CoordinatorMessage *codec_pack_coordinator(struct arena *arena,
                                                 const struct coordinator_message *m);

/* codec_unpack.c: protobuf-c's structs to plain, all in the arena. Only what the plain form cannot
 * hold is refused here (a NUL in a text, an id of 3 bytes, too many of something); everything else
 * is left to codec_check. Counts are checked before anything is allocated for them. */
enum error_code codec_unpack_agent(struct arena *arena, const Wire__AgentMessage *w,
                                   struct agent_message *m, struct error *err);
enum error_code codec_unpack_coordinator(struct arena *arena, const Wire__CoordinatorMessage *w,
                                         struct coordinator_message *m, struct error *err);

/* Return early with the code of a call that failed. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum error_code try_code = (call);                                                         \
        if (try_code != ERR_NONE)                                                                  \
            return try_code;                                                                       \
    } while (0)

/* Puts where it happened before the text of a failure; passes the code on. */
#define WITHIN(err, code, ...) codec_within((err), (code), __VA_ARGS__)
enum error_code codec_within(struct error *err, enum error_code code, const char *fmt, ...)
    FORMAT_PRINTF(3, 4);

#endif
