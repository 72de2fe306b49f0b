#include "tests/lab/base/words.h"

#include <string.h>

char *words_next(char **rest, const char *separators)
{
    char *piece = *rest;
    if (!piece)
        return NULL;
    char *end = piece + strcspn(piece, separators);
    *rest = *end ? end + 1 : NULL;
    *end = '\0';
    return piece;
}

const char *words_find(const char *bytes, size_t len, const char *what)
{
    size_t what_len = strlen(what);
    for (size_t at = 0; at + what_len <= len; at++) {
        const char *first = memchr(bytes + at, what[0], len - at - what_len + 1);
        if (!first)
            return NULL;
        if (memcmp(first, what, what_len) == 0)
            return first;
        at = (size_t)(first - bytes);
    }
    return NULL;
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool words_same(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
        if (!a[i])
            break;
    }
    return true;
}

bool words_contain(const char *text, const char *what)
{
    for (size_t len = strlen(what); *text; text++) {
        if (words_same(text, what, len))
            return true;
    }
    return *what == '\0';
}
