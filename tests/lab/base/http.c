#include "tests/lab/base/http.h"
#include "tests/lab/base/words.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool copy(char *out, size_t size, const char *from, size_t len)
{
    if (len >= size)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

static int request_line(const char *line, size_t len, struct http_request *out)
{
    const char *blank = memchr(line, ' ', len);
    const char *end = line + len;
    if (!blank || !copy(out->method, sizeof out->method, line, (size_t)(blank - line)))
        return -400;
    const char *target = blank + 1;
    const char *second = memchr(target, ' ', (size_t)(end - target));
    if (!second || *target != '/')
        return -400;
    if (!copy(out->target, sizeof out->target, target, (size_t)(second - target)))
        return -414;
    size_t version_len = (size_t)(end - second - 1);
    if (version_len != 8 || memcmp(second + 1, "HTTP/1.", 7) != 0)
        return -505;
    out->keep_alive = second[8] == '1';
    return 1;
}

static bool is(const char *name, size_t len, const char *wanted)
{
    return strlen(wanted) == len && words_same(name, wanted, len);
}

static int header(const char *name, size_t name_len, const char *value, struct http_request *out)
{
    if (is(name, name_len, "Content-Length")) {
        uint64_t n;
        if (!text_parse_u64(value, 0, UINT32_MAX, &n))
            return -400;
        out->body_len = (size_t)n;
        return n > HTTP_BODY_MAX ? -413 : 1;
    }
    if (is(name, name_len, "Transfer-Encoding"))
        out->chunked = words_contain(value, "chunked");
    else if (is(name, name_len, "Connection") && words_contain(value, "close"))
        out->keep_alive = false;
    else if (is(name, name_len, "Connection") && words_contain(value, "keep-alive"))
        out->keep_alive = true;
    else if (is(name, name_len, "Cache-Control"))
        out->no_store = words_contain(value, "no-store") || words_contain(value, "no-cache");
    else if (is(name, name_len, "Expect"))
        out->expects_continue = words_contain(value, "100-continue");
    else if (is(name, name_len, "Cookie"))
        text_copy(out->cookie, sizeof out->cookie, value);
    else if (is(name, name_len, "Host")) {
        text_copy(out->host, sizeof out->host, value);
        out->host[strcspn(out->host, ":")] = '\0';
    }
    return 1;
}

static int header_line(const char *line, size_t len, struct http_request *out)
{
    char value[2048];
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return -400;
    const char *start = colon + 1, *end = line + len;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (!copy(value, sizeof value, start, (size_t)(end - start)))
        return 1; /* long ones are none of ours */
    return header(line, (size_t)(colon - line), value, out);
}

int http_parse(const char *bytes, size_t len, struct http_request *out)
{
    const char *end = len ? words_find(bytes, len, "\r\n\r\n") : NULL;
    if (!end)
        return len > HTTP_HEAD_MAX ? -400 : 0;
    memset(out, 0, sizeof *out);
    const char *line = bytes;
    for (bool first = true; line < end + 2; first = false) {
        const char *stop = words_find(line, (size_t)(end + 2 - line), "\r\n");
        size_t line_len = (size_t)(stop - line);
        int rc = first ? request_line(line, line_len, out) : header_line(line, line_len, out);
        if (rc < 0)
            return rc;
        line = stop + 2;
    }
    out->head_len = (size_t)(end + 4 - bytes);
    return 1;
}

long http_chunked(const char *bytes, size_t len, char *out, size_t *out_len)
{
    size_t at = 0, total = 0;
    for (;;) {
        const char *eol = words_find(bytes + at, len - at, "\r\n");
        if (!eol)
            return len - at > 64 ? -1 : 0;
        char size_text[65], *stop;
        if (!copy(size_text, sizeof size_text, bytes + at, (size_t)(eol - bytes) - at))
            return -1;
        unsigned long size = strtoul(size_text, &stop, 16);
        if (stop == size_text || size > HTTP_BODY_MAX || total + size > HTTP_BODY_MAX)
            return -1;
        at = (size_t)(eol - bytes) + 2;
        if (len - at < size + 2)
            return 0;
        if (memcmp(bytes + at + size, "\r\n", 2) != 0)
            return -1;
        if (out)
            memcpy(out + total, bytes + at, size);
        total += size;
        at += size + 2;
        if (size == 0)
            break;
    }
    if (out_len)
        *out_len = total;
    return (long)at;
}

long http_query_number(const char *target, const char *name, long otherwise)
{
    const char *at = strchr(target, '?');
    size_t len = strlen(name);
    while (at) {
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return strtol(at + len + 1, NULL, 10);
        at = strchr(at, '&');
    }
    return otherwise;
}

const char *http_status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 413:
        return "Payload Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return status < 400 ? "OK" : "Error";
    }
}
