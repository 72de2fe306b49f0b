/* error.h - how a function says why it failed.
 *
 * A function that can fail returns an `enum error_code` and takes a last `struct error *`.
 * The one who fails writes the text (which thing, which value, what to do); callers above add
 * where with error_wrap(); only the top logs it, once. On failure outputs stay untouched.
 * Codes say what a caller may want to decide by; everything else is in the text.
 * Nothing here blocks or allocates. `err` may be NULL everywhere: then only the code is told (and
 * error_wrap, which would find its code there, says ERR_IO).
 */
#ifndef FARMHAND_COMMON_ERROR_H
#define FARMHAND_COMMON_ERROR_H

#include "common/format.h"

#include <stddef.h>

enum error_code {
    ERR_NONE = 0,
    ERR_INVALID,     /* bad input: the caller's or the user's words are wrong */
    ERR_NOT_FOUND,   /* the named thing does not exist */
    ERR_EXISTS,      /* it exists already, or somebody else holds it */
    ERR_STATE,       /* it exists but is in a state that forbids the act */
    ERR_DENIED,      /* not allowed: rights, allow-list, lower fence */
    ERR_BUSY,        /* in transition or locked: the same call may go through later */
    ERR_TIMEOUT,     /* the deadline came first; what happened is not known */
    ERR_UNREACHABLE, /* refused, reset, no such socket */
    ERR_UNAVAILABLE, /* the source cannot tell (feature missing, service down) */
    ERR_CORRUPT,     /* bytes that break a format, a damaged file */
    ERR_NEWER,       /* written by a newer version of this program */
    ERR_FULL,        /* disk, quota, queue */
    ERR_NOMEM,       /* out of memory or over a size limit of ours */
    ERR_IO,          /* any other failure of the system, its number is in the text */
};

#define ERROR_TEXT_MAX 512 /* bytes, NUL included; longer texts are cut at a character */

struct error {
    enum error_code code;
    char text[ERROR_TEXT_MAX];
};

/* Fill `err` and return `code`, so that `return error_set(err, ERR_INVALID, "...")` reads well.
 * Arguments of the format may point into err->text. */
enum error_code error_set(struct error *err, enum error_code code, const char *fmt, ...)
    FORMAT_PRINTF(3, 4);

/* Put "where: " before the text that is there; returns the code that is there. */
enum error_code error_wrap(struct error *err, const char *fmt, ...)
    FORMAT_PRINTF(2, 3);

/* Translate an errno value: the code, and "what: strerror (errno N)" as the text. */
enum error_code error_errno(struct error *err, int errnum, const char *fmt, ...)
    FORMAT_PRINTF(3, 4);

/* "invalid", "not-found", ...: stable, for logs and JSON. Never NULL. */
const char *error_code_name(enum error_code code);

#endif
