/* codepage.h - what old programs print, as UTF-8: the one place that knows code pages.
 *
 * Names are commands' targets, so a byte that a code page does not have is an error, never a
 * question mark. Allocates; does not block. Names of code pages: "CP850", "850", "WINDOWS-1252",
 * "UTF-8", "UTF-16LE", "UTF-16BE"; on Linux whatever iconv knows beside them.
 */
#ifndef FARMHAND_COMMON_CODEPAGE_H
#define FARMHAND_COMMON_CODEPAGE_H

#include <stdbool.h>
#include <stddef.h>

bool codepage_known(const char *name);

/* The code page that console programs of this machine write in, and that of its other old programs:
 * "CP850", "CP1252" and the like; "" where there is none (Linux). */
void codepage_of_consoles(char out[16]);
void codepage_of_programs(char out[16]);

/* *out: UTF-8, NUL-terminated, free() it (wiped first, should it be a secret). false, *out
 * untouched: unknown code page, a byte that it does not have, or a NUL among the characters. What
 * is left of a failed try was wiped. */
bool codepage_to_utf8(const char *name, const char *bytes, size_t len, char **out, size_t *out_len);

#endif
