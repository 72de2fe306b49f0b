/* store_internal.h - what the files of the store share; nobody else includes it.
 *
 * Writes: each begins with store_may_write() and puts its failure into s->first, where it stays
 * until the transaction ends, and returns store_tell(). Columns are bound and read in the order of
 * the statement, so a row is written and read by two functions that look alike.
 */
#ifndef FARMHAND_COORDINATOR_STORE_INTERNAL_H
#define FARMHAND_COORDINATOR_STORE_INTERNAL_H

#include "common/db.h"
#include "coordinator/store/schema.h"
#include "coordinator/store/store.h"

struct store {
    struct db *db;
    char *path;
    bool begun;         /* between store_begin and its end, also when that failed */
    struct error first; /* of this transaction; code ERR_NONE: none */
    const struct store_notice_rule *rules; /* who is told of which events */
    size_t rule_count;
    char origin[64];                                            /* of audit rows, from now on */
    void (*audit_told)(void *arg, const struct audit_row *row); /* NULL: nobody is told */
    void *audit_arg;
    struct audit_row *told; /* of this transaction; texts are ours */
    size_t told_count;
    /* The end of the audit trail as we know it, whatever becomes of the file meanwhile: of what was
     * committed, and of this transaction. */
    struct audit_chain audit_kept, audit_now;
};

/* store_audit.c: takes the end of the trail from the file, as it is opened. */
enum error_code store_audit_begin(struct store *s, struct error *err);
/* The transaction has ended. */
void store_audit_end(struct store *s, bool committed);

/* store_notice.c: rows for those who are told of this event. */
void store_write_notices(struct store *s, const struct event *event);
/* And of this row of the audit trail. */
void store_write_audit_notices(struct store *s, const struct audit_row *row);

/* false: something failed before in this transaction. */
bool store_may_write(const struct store *s);
/* Copies the first failure of the transaction to err (may be NULL) and returns its code. */
enum error_code store_tell(const struct store *s, struct error *err);
/* db_run of a write, with its failure in s->first. */
void store_run_write(struct store *s, enum schema_statement statement);
/* The same where exactly one row must have been changed, else ERR_NOT_FOUND: "run 7 is not in the
 * store". */
void store_run_one(struct store *s, enum schema_statement statement, const char *what);

/* Binds parameters 1, 2, 3 ... */
struct binding {
    struct db *db;
    int statement;
    int at; /* of the last one bound */
};
struct binding binding_of(struct store *s, enum schema_statement statement);
void bind_text(struct binding *b, const char *value);
void bind_uint(struct binding *b, uint64_t value);
void bind_int(struct binding *b, int64_t value);
void bind_bool(struct binding *b, bool value);
void bind_id(struct binding *b, const struct wire_id *id);
void bind_reference(struct binding *b, uint64_t id); /* 0 is NULL */

/* Reads columns 0, 1, 2 ... The first one that cannot be is ERR_CORRUPT with its place, and what
 * is read after it is worthless. */
struct row {
    struct store *s;
    int statement;
    int at;           /* the next column */
    const char *what; /* "run", for the place in an error; with id or name */
    uint64_t id;
    const char *name;
    struct error *err;
    enum error_code code;
};
struct row row_of(struct store *s, enum schema_statement statement, const char *what,
                  struct error *err);
/* Steps to the next row; false: no more, or failed (then r->code). */
bool row_next(struct row *r);
const char *row_word(struct row *r); /* never NULL; lent until the next step */
void row_text(struct row *r, const char *column, char *out, size_t size_bytes);
uint64_t row_uint(struct row *r, const char *column, uint64_t max);
uint32_t row_u32(struct row *r, const char *column);
int64_t row_int(struct row *r);
bool row_bool(struct row *r, const char *column);
void row_id(struct row *r, const char *column, struct wire_id *out);
void row_bad(struct row *r, const char *column, const char *value);

#define ROW_WORD(r, column, type, out)                                                             \
    do {                                                                                           \
        const char *word_ = row_word(r);                                                           \
        if (!type##_parse(word_, (out)))                                                           \
            row_bad((r), (column), word_);                                                         \
    } while (0)

/* Lists in one column, as compact JSON. *_format: the caller frees; NULL with s->first filled. */
char *places_format(struct store *s, const struct balancer_entry *places, uint32_t count);
void row_places(struct row *r, struct balancer_entry *out, uint32_t *out_count);
char *workers_format(const uint32_t *pids, const uint64_t *created, uint32_t count);
/* created NULL: the list has pids only. */
void row_workers(struct row *r, const char *column, uint32_t *pids, uint64_t *created,
                 uint32_t *out_count);

#endif
