/* iis_decode.h - the bytes that appcmd printed, as UTF-8.
 *
 * appcmd writes in the console's OEM code page, in UTF-8 or in UTF-16, with or without a byte-order
 * mark, and its XML declaration says UTF-8 whatever it wrote. So: a mark decides; then zero bytes
 * (UTF-16); then valid UTF-8; then the encoding that a declaration names, if it is another one;
 * then the code page of the settings; then that of the machine's consoles or that of its other
 * programs, whichever makes letters of more bytes (CP850 and Windows-1252 where the machine has
 * none). Names are commands' targets, so a byte that fits none is an error, never a question mark.
 * Allocates; does not block.
 */
#ifndef FARMHAND_AGENT_DRIVERS_IIS_DECODE_H
#define FARMHAND_AGENT_DRIVERS_IIS_DECODE_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

/* code_page may be NULL. *out: UTF-8 without a mark and without NUL, NUL-terminated; release it by
 * iis_wipe_free, since it may hold a password. ERR_CORRUPT: no encoding fits. The text of an error
 * holds nothing of the bytes. */
enum error_code iis_decode(const char *bytes, size_t len, const char *code_page, char **out,
                           size_t *out_len, struct error *err);

/* The same where the machine's pages are these: "" means it has none. */
enum error_code iis_decode_on(const char *bytes, size_t len, const char *code_page,
                              const char *consoles, const char *programs, char **out,
                              size_t *out_len, struct error *err);

/* Whether the system knows this code page. */
bool iis_code_page_known(const char *code_page);

/* Overwrites, then frees; NULL is fine. */
void iis_wipe_free(char *bytes, size_t len);

#endif
