/* books.h - what coordinators' stores claim was recycled, over every store there ever was.
 *
 * A store may be lost (an older copy took its place) or be one of two, so commands are told apart
 * by their whole id: a command that two stores know counts once.
 */
#ifndef E2E_CHAOS_BOOKS_H
#define E2E_CHAOS_BOOKS_H

#include "common/error.h"

#include <stdint.h>

struct books;

struct books *books_new(void);
void books_free(struct books *b);

/* Takes in the commands of one store (a state.db). ERR_STATE: one target of a run in it was
 * recycled by two commands. */
enum error_code books_add(struct books *b, const char *path, struct error *err);

struct books_sum {
    unsigned done;    /* recycles that a store claims */
    unsigned perhaps; /* commands that no store knows the end of, or that failed half-way */
};
struct books_sum books_sum(const struct books *b, const char *server, const char *pool);

/* A consistent copy of a store, also of one in use; and the fence it stands at. */
enum error_code books_copy(const char *from, const char *to, uint64_t *fence, struct error *err);

/* The fence in a coordinator's store, or the one that an agent's journal has accepted; also of one
 * in use. */
enum error_code books_fence(const char *path, uint64_t *fence, struct error *err);

#endif
