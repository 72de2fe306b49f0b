/* words.h - small searches that one of the two systems lacks. Pure. */
#ifndef LAB_BASE_WORDS_H
#define LAB_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The next piece of *rest up to one of the separators, which is overwritten; *rest goes behind it,
 * NULL after the last piece. NULL when *rest is. */
char *words_next(char **rest, const char *separators);
/* Where `what` begins in the bytes; NULL: nowhere. */
const char *words_find(const char *bytes, size_t len, const char *what);
bool words_contain(const char *text, const char *what); /* whatever the case of ASCII letters */
/* Whether the texts agree in the first len bytes, whatever the case of ASCII letters. */
bool words_same(const char *a, const char *b, size_t len);

#endif
