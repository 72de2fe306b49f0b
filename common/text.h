/* text.h - strings: a growable buffer, bounded copies, UTF-8, names, globs, numbers, durations.
 *
 * Text is UTF-8 inside the program. Nothing here blocks; only struct text allocates.
 */
#ifndef FARMHAND_COMMON_TEXT_H
#define FARMHAND_COMMON_TEXT_H

#include "common/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growable string, always NUL-terminated once something was added. Start with {0}. */
struct text {
    char *data; /* NULL while nothing was added */
    size_t len; /* bytes, without the NUL */
    size_t cap;
};

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const void *bytes, size_t len);
/* For a terminal: control characters, broken UTF-8 and marks that turn the direction of text become
 * "?" (a line end or tab: a space), so that nobody's name can move the cursor or hide a line. */
void text_add_safe(struct text *t, const char *s);
void text_addf(struct text *t, const char *fmt, ...) FORMAT_PRINTF(2, 3);
void text_vaddf(struct text *t, const char *fmt, va_list args);
const char *text_get(const struct text *t); /* "" while empty; lent until the next change */
char *text_take(struct text *t);            /* hands over the buffer, t is empty again */
void text_reset(struct text *t);            /* frees */

/* Copy with the NUL into out[size]; true if it fitted. A cut copy ends at a whole character. */
bool text_copy(char *out, size_t size_bytes, const char *s);
/* The same with a format. */
bool text_format(char *out, size_t size_bytes, const char *fmt, ...) FORMAT_PRINTF(3, 4);

bool text_equal(const char *a, const char *b);         /* NULL equals NULL only */
bool text_equal_nocase(const char *a, const char *b);  /* ASCII letters only */
int text_compare_nocase(const char *a, const char *b); /* <0, 0, >0, for sorting; never NULL */
/* FNV-1a, the same for what text_equal_nocase() calls equal; goes on from hash. */
#define TEXT_HASH_BEGIN 2166136261u
uint32_t text_hash_nocase(uint32_t hash, const char *s);
bool text_starts(const char *s, const char *prefix);
bool text_is_utf8(const char *s, size_t len); /* also refuses NUL, surrogates, overlong */
/* Bytes of the first character of s[0..len), 1 to 4, and its code point; 0: not valid UTF-8 there,
 * or len is 0. */
size_t text_utf8_next(const char *s, size_t len, uint32_t *code_point);
void text_wipe(void *bytes, size_t len); /* overwrites, also where the compiler sees no use in it */
bool text_has_control(const char *s);    /* any byte below 0x20, or 0x7f */

/* Columns of a terminal that the text takes: wide characters count 2, combining 0. */
size_t text_columns(const char *s);

/* `*` any run, `?` one character; everything else itself. ASCII case is ignored, since names of
 * Windows servers and pools are. */
bool text_glob_match(const char *pattern, const char *s);

/* Whole string, base 10, within [min, max]; false leaves *out untouched. */
bool text_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);
bool text_parse_i64(const char *s, int64_t min, int64_t max, int64_t *out);

/* "250ms", "30s", "5m", "2h", "7d", or "0"; a bare number other than 0 is refused. Result in ms. */
bool text_parse_duration(const char *s, uint64_t *out_ms);
/* "4096", "64K", "10M", "2G", powers of 1024. Result in bytes. */
bool text_parse_size(const char *s, uint64_t *out_bytes);
/* "250ms", "1.2s", "45s", "3m10s", "2h05m", "7d". Returns out. */
#define TEXT_DURATION_MAX 24
const char *text_format_duration(char out[TEXT_DURATION_MAX], uint64_t ms);

/* "2026-11-22T20:13:23.123Z" from milliseconds since 1970, and back (false: not this
 * shape; the milliseconds may be missing). */
#define TEXT_TIME_MAX 32
const char *text_format_time(char out[TEXT_TIME_MAX], int64_t wall_ms);
bool text_parse_time(const char *s, int64_t *wall_ms);

/* Lower-case hexadecimal; out takes 2 * len + 1 bytes. */
void text_to_hex(char *out, const uint8_t *bytes, size_t len);
bool text_from_hex(const char *hex, uint8_t *out, size_t len); /* exactly 2 * len digits */

/* Calls `each` for every part between separators, trimmed of blanks, empty parts included;
 * stops at the first non-zero return and gives it back. The part is lent for the call. */
int text_split(const char *s, char separator, int (*each)(const char *part, void *arg), void *arg);

#endif
