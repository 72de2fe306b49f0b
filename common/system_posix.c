/* system_posix.c - see system.h. */
#include "common/system.h"

#include "common/text.h"

#include <errno.h>
#include <string.h>

const int system_denied = EACCES;

int system_number(void)
{
    return errno;
}

void system_clear(void)
{
    errno = 0;
}

enum error_code system_code(int number)
{
    return error_errno(NULL, number, "%d", number);
}

void system_words(int number, char *out, size_t size_bytes)
{
    text_copy(out, size_bytes, strerror(number));
}
