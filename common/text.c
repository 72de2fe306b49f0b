/* text.c - see text.h. Growing, copying, comparing, splitting, UTF-8 and globs; numbers, durations
 * and times are in text_number.c. */
#include "common/text.h"

#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_wipe(void *bytes, size_t len)
{
    volatile unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        at[i] = 0;
}

/* ---- growing ---- */

static void reserve(struct text *t, size_t more)
{
    must(more < SIZE_MAX / 4 && t->len < SIZE_MAX / 4);
    size_t need = t->len + more + 1;
    if (need <= t->cap)
        return;
    size_t cap = t->cap ? t->cap : 64;
    while (cap < need)
        cap *= 2;
    t->data = must_realloc(t->data, cap, 1);
    t->cap = cap;
}

void text_add_bytes(struct text *t, const void *bytes, size_t len)
{
    reserve(t, len);
    if (len > 0)
        memcpy(t->data + t->len, bytes, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
    text_add_bytes(t, s, strlen(s));
}

void text_vaddf(struct text *t, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    must(len >= 0);
    reserve(t, (size_t)len);
    vsnprintf(t->data + t->len, (size_t)len + 1, fmt, again);
    va_end(again);
    t->len += (size_t)len;
}

void text_addf(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    text_vaddf(t, fmt, args);
    va_end(args);
}

const char *text_get(const struct text *t)
{
    return t->data ? t->data : "";
}

char *text_take(struct text *t)
{
    char *data = t->data ? t->data : must_copy("");
    *t = (struct text){0};
    return data;
}

void text_reset(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

/* ---- UTF-8 ---- */

static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 4;
    return 0;
}

size_t text_utf8_next(const char *s, size_t len, uint32_t *code_point)
{
    const unsigned char *bytes = (const unsigned char *)s;
    size_t count = len > 0 ? sequence_length(bytes[0]) : 0;
    if (count == 0 || count > len)
        return 0;
    static const unsigned char lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t value = bytes[0] & lead_mask[count];
    for (size_t i = 1; i < count; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3F);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < smallest[count] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code_point = value;
    return count;
}

bool text_is_utf8(const char *s, size_t len)
{
    while (len > 0) {
        uint32_t code_point;
        size_t count = text_utf8_next(s, len, &code_point);
        if (count == 0 || code_point == 0)
            return false;
        s += count;
        len -= count;
    }
    return true;
}

bool text_has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

struct range {
    uint32_t first, last;
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t code_point)
{
    for (size_t i = 0; i < count; i++)
        if (code_point >= ranges[i].first && code_point <= ranges[i].last)
            return true;
    return false;
}

/* The blocks that matter for names of servers and pools, after Unicode's EastAsianWidth.txt (W and
 * F) and the general categories Mn, Me and Cf. */
static size_t character_columns(uint32_t code_point)
{
    static const struct range none[] = {
        {0x0000, 0x001F}, {0x007F, 0x009F}, {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},
        {0x0610, 0x061A}, {0x064B, 0x065F}, {0x06D6, 0x06DC}, {0x093A, 0x093A}, {0x093C, 0x093C},
        {0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},
        {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F},
        {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
    };
    static const struct range two[] = {
        {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x2705, 0x2705},
        {0x274C, 0x274C},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
        {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
        {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
    };
    if (in_ranges(none, sizeof(none) / sizeof(none[0]), code_point))
        return 0;
    return in_ranges(two, sizeof(two) / sizeof(two[0]), code_point) ? 2 : 1;
}

size_t text_columns(const char *s)
{
    size_t columns = 0;
    size_t len = strlen(s);
    while (len > 0) {
        uint32_t code_point = '?'; /* a byte that is not UTF-8 is shown as one mark */
        size_t count = text_utf8_next(s, len, &code_point);
        columns += character_columns(code_point);
        count += count == 0;
        s += count;
        len -= count;
    }
    return columns;
}

/* ---- bounded copies ---- */

/* Bytes of s[0..len) without a character that the cut left unfinished at its end. */
static size_t whole_characters(const char *s, size_t len)
{
    size_t lead = len;
    while (lead > 0 && len - lead < 3 && ((unsigned char)s[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return len;
    lead--;
    return sequence_length((unsigned char)s[lead]) > len - lead ? lead : len;
}

bool text_copy(char *out, size_t size_bytes, const char *s)
{
    if (size_bytes == 0)
        return false;
    size_t len = strlen(s);
    bool fits = len < size_bytes;
    if (!fits)
        len = whole_characters(s, size_bytes - 1);
    memmove(out, s, len);
    out[len] = '\0';
    return fits;
}

bool text_format(char *out, size_t size_bytes, const char *fmt, ...)
{
    if (size_bytes == 0)
        return false;
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(out, size_bytes, fmt, args);
    va_end(args);
    must(len >= 0);
    if ((size_t)len < size_bytes)
        return true;
    out[whole_characters(out, size_bytes - 1)] = '\0';
    return false;
}

/* ---- comparing ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equal(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

int text_compare_nocase(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return (unsigned char)lower(*a) - (unsigned char)lower(*b);
}

bool text_equal_nocase(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return text_compare_nocase(a, b) == 0;
}

uint32_t text_hash_nocase(uint32_t hash, const char *s)
{
    for (; *s; s++)
        hash = (hash ^ (uint8_t)(*s >= 'A' && *s <= 'Z' ? *s + ('a' - 'A') : *s)) * 16777619u;
    return hash;
}

bool text_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static const char *next_character(const char *s)
{
    s++;
    while (((unsigned char)*s & 0xC0) == 0x80)
        s++;
    return s;
}

/* On a mismatch only the last `*` is widened by one character: an earlier one can stay as short as
 * it is, so the work is at most the product of both lengths. */
bool text_glob_match(const char *pattern, const char *s)
{
    const char *star = NULL;
    const char *star_at = NULL;
    while (*s) {
        if (*pattern == '*') {
            star = ++pattern;
            star_at = s;
        } else if (*pattern == '?') {
            pattern++;
            s = next_character(s);
        } else if (*pattern && lower(*pattern) == lower(*s)) {
            pattern++;
            s++;
        } else if (star) {
            star_at = next_character(star_at);
            pattern = star;
            s = star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* ---- splitting ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int give_part(const char *start, const char *end, int (*each)(const char *, void *),
                     void *arg)
{
    while (start < end && is_blank(*start))
        start++;
    while (end > start && is_blank(end[-1]))
        end--;
    struct text part = {0};
    text_add_bytes(&part, start, (size_t)(end - start));
    int stopped = each(text_get(&part), arg);
    text_reset(&part);
    return stopped;
}

int text_split(const char *s, char separator, int (*each)(const char *part, void *arg), void *arg)
{
    for (;;) {
        const char *end = strchr(s, separator);
        const char *stop = end ? end : s + strlen(s);
        int stopped = give_part(s, stop, each, arg);
        if (stopped != 0 || !end)
            return stopped;
        s = end + 1;
    }
}

/* Control characters of both sets, line and paragraph separators, and the marks that reorder text
 * (Unicode Standard Annex 9, explicit directional formatting). */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0x200e ||
           c == 0x200f || c == 0x061c || c == 0xfeff || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

void text_add_safe(struct text *out, const char *s)
{
    size_t left = strlen(s);
    text_add(out, "");
    while (left > 0) {
        uint32_t c = 0;
        size_t len = text_utf8_next(s, left, &c);
        if (len == 0 || is_unsafe(c))
            text_add(out, c == '\n' || c == '\t' ? " " : "?");
        else
            text_add_bytes(out, s, len);
        len = len ? len : 1;
        s += len;
        left -= len;
    }
}
