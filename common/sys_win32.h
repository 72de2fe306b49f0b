/* sys_win32.h - what every *_win32.c needs: UTF-16 and UTF-8, and Windows' error numbers.
 *
 * Inside the program text is UTF-8; it becomes UTF-16 here, at the call. Windows lets names hold
 * lone surrogates, which no UTF-8 can: those are refused, never replaced, since a name is a target.
 */
#ifndef FARMHAND_COMMON_SYS_WIN32_H
#define FARMHAND_COMMON_SYS_WIN32_H

#include "common/error.h"
#include "common/format.h"

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>
#include <winsock2.h> /* before windows.h, which would bring its older brother */
#include <windows.h>

/* free() what they give back. NULL: not valid UTF-8, or UTF-16. */
wchar_t *sys_wide(const char *utf8);
char *sys_utf8(const wchar_t *wide);
char *sys_utf8_len(const wchar_t *wide, size_t len); /* units; not terminated */

/* A path as Windows' calls take it: absolute ones in the form that may be longer than 260 units,
 * which also switches off the reading of "..", "/" and names such as NUL; those are resolved
 * first. NULL and err: ERR_INVALID. Source: "Naming Files, Paths, and Namespaces". */
wchar_t *sys_path(const char *utf8, struct error *err);

/* GetLastError() and the like: the code, and "what: Windows' own words (number)" as the text. */
enum error_code sys_error(struct error *err, DWORD number, const char *fmt, ...)
    FORMAT_PRINTF(3, 4);

/* What a caller may want to decide by; services have more to say, see agent/drivers/scm. */
enum error_code sys_code(DWORD number);

/* Windows' own words, without their line end; "" where it has none. */
void sys_words(DWORD number, char *out, size_t size_bytes);

/* Switches on a privilege that this process has been given; an administrator's console has most of
 * them switched off, LocalSystem has not. Without it, the calls that want it say so. */
void sys_enable(const wchar_t *privilege);

uint64_t sys_filetime(FILETIME time); /* 100 ns since 1601 */

void sys_close(HANDLE *handle); /* NULL and INVALID_HANDLE_VALUE are fine; *handle becomes NULL */

#endif
