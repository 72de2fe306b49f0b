/* system.h - what the number means that the system gave for a failure: errno, or GetLastError on
 * Windows. For libraries that hand such a number on; code of ours that calls one system alone
 * translates its own (error_errno, sys_win32.h).
 */
#ifndef FARMHAND_COMMON_SYSTEM_H
#define FARMHAND_COMMON_SYSTEM_H

#include "common/error.h"

#include <stddef.h>

/* The last failure of this thread; 0 since system_clear: none. */
int system_number(void);
void system_clear(void);

enum error_code system_code(int number);
void system_words(int number, char *out, size_t size_bytes); /* the system's own */

/* The number of "access denied". */
extern const int system_denied;

#endif
