/* fields.h - every struct of messages.h as a table of its fields, for tests.
 *
 * From the tables messages are filled with values of which no two are the same, compared, and
 * walked field by field. A field that is added to a struct and not to its table is found by
 * fields_cover(), so that no test of the codec can forget it.
 */
#ifndef FARMHAND_TESTS_PROTO_FIELDS_H
#define FARMHAND_TESTS_PROTO_FIELDS_H

#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
    FIELD_END,
    FIELD_BOOL,
    FIELD_U32,
    FIELD_U64,
    FIELD_I32,
    FIELD_I64,
    FIELD_ENUM,
    FIELD_ID,
    FIELD_TEXT,
    FIELD_STRUCT,
    FIELD_ARRAY, /* a pointer and its count */
};

struct shape;

struct field {
    enum field_kind kind;
    const char *name;
    size_t offset, size;
    int64_t min, max;          /* numbers and enums; bytes of a text without its NUL; of an array */
    const struct shape *shape; /* STRUCT, ARRAY */
    size_t count_offset;       /* ARRAY */
};

struct shape {
    const char *name;
    size_t size, align;
    const struct field *fields; /* by offset; FIELD_END closes */
};

extern const struct shape listen_shape, report_shape, progress_shape, result_shape,
    observation_shape, command_shape, agent_shape, coordinator_shape;
extern const struct shape *const all_shapes[]; /* NULL at the end */

/* The body of an agent's message and its shape. */
const struct shape *agent_body_shape(enum agent_message_kind kind);
void *agent_body(struct agent_message *m);

/* Is every byte of the struct a field's, padding aside? *gap: the first that is not. */
bool fields_cover(const struct shape *shape, size_t *gap);

/* Memory of filled messages. */
struct fill {
    uint64_t pattern; /* other values for another one; over 8 patterns no two booleans agree */
    size_t array_count;
    uint64_t next;
    void **pieces;
    size_t piece_count;
};
void fill_reset(struct fill *fill);
void fill_shape(struct fill *fill, const struct shape *shape, void *at);
void *fill_take(struct fill *fill, size_t size);

/* Valid messages of each kind, every field set. */
void fill_agent(struct fill *fill, enum agent_message_kind kind, struct agent_message *m);
void fill_coordinator(struct fill *fill, enum coordinator_message_kind kind,
                      struct coordinator_message *m);

/* Equal field by field; else *differs is the name of the first that is not. */
bool fields_equal(const struct shape *shape, const void *a, const void *b, const char **differs);
bool agents_equal(const struct agent_message *a, const struct agent_message *b,
                  const char **differs);
bool coordinators_equal(const struct coordinator_message *a, const struct coordinator_message *b,
                        const char **differs);

#endif
