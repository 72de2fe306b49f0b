/* must.h - a broken promise of our own stops the program, in every build.
 *
 * For what callers promise each other inside the program, never for input from outside (that is
 * an error, see error.h). Prints file, line and condition on stderr, then abort()s.
 */
#ifndef FARMHAND_COMMON_MUST_H
#define FARMHAND_COMMON_MUST_H

#include <stddef.h>

#define must(condition)                                                                            \
    ((condition) ? (void)0 : must_failed(__FILE__, __LINE__, __func__, #condition))

__attribute__((noreturn)) void must_failed(const char *file, int line, const char *function,
                                           const char *condition);

/* Allocation that cannot be refused: an agent or coordinator without memory for its own
 * bookkeeping stops (and resumes from its store). Sizes that come from outside are bounded before
 * they get here. Zeroed; free() releases. */
void *must_alloc(size_t count, size_t size_bytes);
void *must_realloc(void *old, size_t count, size_t size_bytes);
char *must_copy(const char *text); /* strdup; NULL stays NULL */

#endif
