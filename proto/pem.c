/* pem.c - see pem.h. */
#include "proto/pem.h"

#include <string.h>

#define LINE 64

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
}

static const char *find(const char *pem, const char *kind, const char *label)
{
    char line[80];
    if (!text_format(line, sizeof(line), "-----%s %s-----", kind, label))
        return NULL;
    return strstr(pem, line);
}

/* After the line that begins the n-th block. */
static const char *begin_of(const char *pem, const char *label, size_t n)
{
    for (;; n--) {
        pem = find(pem, "BEGIN", label);
        if (!pem)
            return NULL;
        pem += strlen("-----BEGIN -----") + strlen(label);
        if (n == 0)
            return pem;
    }
}

bool pem_inside(const char *pem, const char *label, size_t n, struct text *out)
{
    struct text inside = {0};
    const char *from = begin_of(pem, label, n);
    const char *to = from ? find(from, "END", label) : NULL;
    for (const char *c = from; to && c < to; c++) {
        if (is_base64(*c))
            text_add_bytes(&inside, c, 1);
        else if (*c != '\n' && *c != '\r')
            to = NULL;
    }
    if (!to || inside.len == 0) {
        text_reset(&inside);
        return false;
    }
    text_reset(out);
    *out = inside;
    return true;
}

void pem_add(struct text *out, const char *label, const char *inside)
{
    size_t len = strlen(inside);
    text_addf(out, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < len; at += LINE) {
        text_add_bytes(out, inside + at, len - at < LINE ? len - at : LINE);
        text_add(out, "\n");
    }
    text_addf(out, "-----END %s-----\n", label);
}
