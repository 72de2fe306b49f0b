/* error.c - see error.h. */
#include "common/error.h"

#include "common/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORK_MAX (2 * ERROR_TEXT_MAX) /* a wrapped text before it is cut */

enum error_code error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    if (!err)
        return code;
    char work[WORK_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(work, sizeof(work), fmt, args);
    va_end(args);
    err->code = code;
    text_copy(err->text, sizeof(err->text), work);
    return code;
}

enum error_code error_wrap(struct error *err, const char *fmt, ...)
{
    if (!err)
        return ERR_IO;
    char work[WORK_MAX];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(work, ERROR_TEXT_MAX, fmt, args);
    va_end(args);
    size_t used = len < 0 ? 0 : strlen(work);
    snprintf(work + used, sizeof(work) - used, ": %s", err->text);
    text_copy(err->text, sizeof(err->text), work);
    return err->code;
}

static enum error_code code_of_errno(int errnum)
{
    switch (errnum) {
    case EINVAL:
    case ENAMETOOLONG:
        return ERR_INVALID;
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
        return ERR_NOT_FOUND;
    case EEXIST:
    case EADDRINUSE:
        return ERR_EXISTS;
    case EISDIR:
    case ENOTEMPTY:
        return ERR_STATE;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case EBUSY:
    case EAGAIN:
    case ETXTBSY:
        return ERR_BUSY;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_UNREACHABLE;
    case ENOSYS:
    case EOPNOTSUPP:
        return ERR_UNAVAILABLE;
    case ENOSPC:
#ifdef EDQUOT
    case EDQUOT:
#endif
    case EFBIG:
        return ERR_FULL;
    case ENOMEM:
    case E2BIG:
        return ERR_NOMEM;
    default:
        return ERR_IO;
    }
}

enum error_code error_errno(struct error *err, int errnum, const char *fmt, ...)
{
    enum error_code code = code_of_errno(errnum);
    if (!err)
        return code;
    char work[WORK_MAX];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(work, ERROR_TEXT_MAX, fmt, args);
    va_end(args);
    size_t used = len < 0 ? 0 : strlen(work);
    /* strerror has a buffer per thread in glibc 2.32 and later, and in Windows' C library. */
    snprintf(work + used, sizeof(work) - used, ": %s (errno %d)", strerror(errnum), errnum);
    err->code = code;
    text_copy(err->text, sizeof(err->text), work);
    return code;
}

const char *error_code_name(enum error_code code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_INVALID:
        return "invalid";
    case ERR_NOT_FOUND:
        return "not-found";
    case ERR_EXISTS:
        return "exists";
    case ERR_STATE:
        return "state";
    case ERR_DENIED:
        return "denied";
    case ERR_BUSY:
        return "busy";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_UNREACHABLE:
        return "unreachable";
    case ERR_UNAVAILABLE:
        return "unavailable";
    case ERR_CORRUPT:
        return "corrupt";
    case ERR_NEWER:
        return "newer";
    case ERR_FULL:
        return "full";
    case ERR_NOMEM:
        return "out-of-memory";
    case ERR_IO:
        return "io";
    }
    return "unknown";
}
