/* system_win32.c - see system.h. */
#include "common/system.h"

#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>

const int system_denied = ERROR_ACCESS_DENIED;

int system_number(void)
{
    return (int)GetLastError();
}

void system_clear(void)
{
    SetLastError(0);
}

enum error_code system_code(int number)
{
    return sys_code((DWORD)number);
}

void system_words(int number, char *out, size_t size_bytes)
{
    sys_words((DWORD)number, out, size_bytes);
}
