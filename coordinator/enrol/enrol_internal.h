/* enrol_internal.h - what the files of enrolment share; nobody else includes it.
 *
 *   enrol.c           what is in memory, and how a change of it is written
 *   enrol_tokens.c    tokens
 *   enrol_join.c      a server asks to join
 *   enrol_members.c   renewal, approval, removal
 *
 * A change is written first, and put into memory once it is durable:
 *
 *   code = enrol_begin(e, err);
 *   code = code ? code : store_save_...(e->spec.store, ..., err);
 *   code = enrol_end(e, code, &word, err);
 *   if (code == ERR_NONE)
 *       enrol_put_...(e, ...);
 */
#ifndef FARMHAND_COORDINATOR_ENROL_INTERNAL_H
#define FARMHAND_COORDINATOR_ENROL_INTERNAL_H

#include "coordinator/enrol/enrol.h"

struct enrol {
    struct enrol_spec spec;
    struct join_right *rights;
    size_t right_count;
    struct member *members;
    size_t member_count;
    struct joining *joining;
    size_t joining_count;
};

/* What a person or a server said, for audit trail and event. Strings are lent. */
struct enrol_word {
    int64_t wall_ms;
    const char *actor, *action, *object, *reason;
    const char *server; /* NULL: none */
    const char *before, *after;
};

/* enrol.c. Found ones are lent until the next put or drop; NULL: there is none. Names in any case.
 */
struct join_right *enrol_find_right(const struct enrol *e, const char *id);
struct member *enrol_find_member(const struct enrol *e, const char *name);
struct joining *enrol_find_joining(const struct enrol *e, const char *key);
bool enrol_is_in(const struct member *m); /* was not removed; NULL: false */

/* Copies; in the place of the one with that id, name or key. `enrol`: as store_load_... gives it. A
 * member's put tells the table of the agents' port and the owner as well. */
void enrol_put_right(void *enrol, const struct join_right *right);
void enrol_put_member(void *enrol, const struct member *member);
void enrol_put_joining(void *enrol, const struct joining *joining);
void enrol_drop_joining(struct enrol *e, const char *key); /* none of that key: nothing */

/* Its last certificate was issued a moment ago: it gets no other yet. enrol_members.c */
bool enrol_is_too_soon(const struct enrol *e, const struct member *m, int64_t wall_ms);

/* One transaction of the store; blocks for the disk. enrol_end writes the word and commits, if
 * `code` is no failure, and tells the event; else it rolls back. Gives code, or what failed. */
enum error_code enrol_begin(struct enrol *e, struct error *err);
enum error_code enrol_end(struct enrol *e, enum error_code code, const struct enrol_word *word,
                          struct error *err);

#endif
