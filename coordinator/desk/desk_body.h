/* desk_body.h - what a request's JSON may hold, field by field; shared by the desk_*.c files alone.
 *
 * A table says which fields an object may have and of which kind; what is not in it is an error
 * that names the field.
 */
#ifndef FARMHAND_COORDINATOR_DESK_BODY_H
#define FARMHAND_COORDINATOR_DESK_BODY_H

#include "coordinator/core/share.h"
#include "coordinator/desk/desk_internal.h"

#include <jansson.h>

enum field_kind {
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_U32,
    FIELD_U64,
    FIELD_WORD,
    FIELD_OBJECT,
    FIELD_SHARE,
    FIELD_LIMITS
};

struct field {
    const char *name;
    enum field_kind kind;
    void *out; /* const char **, bool *, uint32_t *, uint64_t *, the enum *, json_t **, struct share
                *, struct policy * */
    uint64_t min, max;
    bool (*parse)(const char *word, void *out); /* WORD */
    const char *expected;                       /* WORD: "stop, pause or continue" */
};

#define NUMBER(field, of, to, from, until)                                                         \
    {                                                                                              \
        .name = (field), .kind = (of), .out = (to), .min = (from), .max = (until)                  \
    }
#define U32(field, to, from, until) NUMBER(field, FIELD_U32, to, from, until)
#define U64(field, to, from, until) NUMBER(field, FIELD_U64, to, from, until)
#define TEXT(field, to)                                                                            \
    {                                                                                              \
        .name = (field), .kind = FIELD_TEXT, .out = (to)                                           \
    }
#define BOOL(field, to)                                                                            \
    {                                                                                              \
        .name = (field), .kind = FIELD_BOOL, .out = (to)                                           \
    }
#define SHARE(field, to, from)                                                                     \
    {                                                                                              \
        .name = (field), .kind = FIELD_SHARE, .out = (to), .min = (from), .max = SHARE_NUMBER_MAX  \
    }
#define OBJECT(field, to)                                                                          \
    {                                                                                              \
        .name = (field), .kind = FIELD_OBJECT, .out = (to)                                         \
    }
#define WORD(field, to, by, words)                                                                 \
    {                                                                                              \
        .name = (field), .kind = FIELD_WORD, .out = (to), .parse = (by), .expected = (words)       \
    }

#define COUNT(fields)    (sizeof(fields) / sizeof((fields)[0]))
#define DESK_DAY_MS      (24ULL * 60 * 60 * 1000)
#define DESK_HOLD_MAX_MS (31 * DESK_DAY_MS) /* what max_hold can be; our own acts have a day */
#define DESK_SERVERS_MAX 100000

/* ERR_INVALID names the field; `where` stands before its name. Texts are lent from the object. */
enum error_code take_object(json_t *object, const char *where, const struct field *fields,
                            size_t count, struct error *err);
/* The body's values are lent from *out_body, which the caller drops. */
enum error_code take_body(struct asking *a, const struct field *fields, size_t count,
                          json_t **out_body, struct error *err);
/* A reason is required, of at most 255 bytes, on one line: as the brain judges it. */
enum error_code want_reason(const char *reason, struct error *err);

/* The body of a run that is asked for; its strings are lent from *out_body. */
enum error_code desk_take_run(struct asking *a, struct plan_request *q, bool *dry_run,
                              json_t **out_body, struct error *err);
/* Of plan_request, with the brain as its context. */
bool desk_has_former(const void *brain, const char *server, const char *pool);
/* The "options" of a run. */
enum error_code take_options(json_t *object, struct plan_request *q, struct error *err);

#endif
