/* join_http.c - see join_http.h. */
#include "agent/join_http.h"

#include <string.h>

#define DEFAULT_PORT "7601"

static enum error_code bad_url(const char *url, struct error *err)
{
    return error_set(err, ERR_INVALID,
                     "%s: expected https://HOST:PORT, as `farmhand token create` prints it", url);
}

enum error_code join_where_parse(const char *url, struct join_where *out, struct error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_";
    uint64_t port = 0;
    if (!text_starts(url, "https://"))
        return bad_url(url, err);
    const char *host = url + strlen("https://");
    bool brackets = host[0] == '[';
    size_t len = brackets ? strspn(++host, "0123456789abcdefABCDEF:.") : strspn(host, letters);
    const char *rest = host + len;
    if (brackets && *rest++ != ']')
        return bad_url(url, err);
    if (text_equal(rest, "/"))
        rest++;
    if (len == 0 || len >= sizeof(out->host) ||
        (*rest && (*rest != ':' || !text_parse_u64(rest + 1, 1, 65535, &port))))
        return bad_url(url, err);
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    text_copy(out->port, sizeof(out->port), *rest ? rest + 1 : DEFAULT_PORT);
    return ERR_NONE;
}

void join_request(struct text *out, const char *host, const char *path, const char *json)
{
    text_addf(out,
              "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
              "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
              path, host, strlen(json), json);
}

/* The value of a header, up to its line's end; NULL: there is none before `end`. */
static const char *find_header(const char *line, const char *end, const char *name)
{
    size_t len = strlen(name);
    while ((line = strstr(line, "\r\n")) && line < end) {
        line += 2;
        char found[32] = "";
        if (len < sizeof(found) && (size_t)(end - line) > len && line[len] == ':') {
            memcpy(found, line, len);
            if (text_equal_nocase(found, name))
                return line + len + 1 + strspn(line + len + 1, " \t");
        }
    }
    return NULL;
}

enum error_code join_reply(const char *bytes, size_t len, int *status, const char **body,
                           struct error *err)
{
    uint64_t number = 0, length = 0;
    char digits[24] = "";
    const char *end = strstr(bytes, "\r\n\r\n");
    bool good = strlen(bytes) == len && end && text_starts(bytes, "HTTP/1.1 ") && len > 12;
    if (good) {
        memcpy(digits, bytes + 9, 3);
        digits[3] = '\0';
        good = text_parse_u64(digits, 100, 599, &number);
    }
    const char *value = good ? find_header(bytes, end + 2, "Content-Length") : NULL;
    size_t span = value ? strcspn(value, "\r\n") : 0;
    if (value && span < sizeof(digits)) {
        memcpy(digits, value, span);
        digits[span] = '\0';
        good = text_parse_u64(digits, 0, len, &length) && (size_t)(end + 4 - bytes) + length == len;
    }
    if (!good || !value)
        return error_set(err, ERR_CORRUPT,
                         "what answers there is no Farmhand coordinator, or its answer was cut");
    *status = (int)number;
    *body = end + 4;
    return ERR_NONE;
}

/* "Fri, 27 Nov 2026 07:36:15 GMT", the one form that is written today. Source: RFC 9110, 5.6.7. */
bool join_reply_date(const char *bytes, int64_t *wall_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char *end = strstr(bytes, "\r\n\r\n");
    const char *value = end ? find_header(bytes, end + 2, "Date") : NULL;
    char iso[32], month[4] = "";
    if (!value || strcspn(value, "\r\n") != 29 || strncmp(value + 25, " GMT", 4) != 0)
        return false;
    memcpy(month, value + 8, 3);
    const char *found = strstr(months, month);
    if (!found || (found - months) % 3 != 0)
        return false;
    text_format(iso, sizeof(iso), "%.4s-%02d-%.2sT%.8sZ", value + 12, (int)(found - months) / 3 + 1,
                value + 5, value + 17);
    return text_parse_time(iso, wall_ms);
}
