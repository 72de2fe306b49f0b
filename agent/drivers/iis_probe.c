/* iis_probe.c - see iis_probe.h. */
#include "agent/drivers/iis_probe.h"

#include "agent/drivers/tcp.h"
#include "common/http.h"
#include "common/os.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH_OF_BODY ((size_t)1 << 20) /* bytes after which a good answer is good enough */

/* ---- bindings ---- */

static bool copy_part(char *out, size_t size, const char *from, const char *to)
{
    size_t len = (size_t)(to - from);
    if (len >= size)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

static bool parse_port(const char *from, const char *to, uint16_t *out)
{
    char digits[8];
    uint64_t value;
    if (!copy_part(digits, sizeof(digits), from, to) || !text_parse_u64(digits, 1, 65535, &value))
        return false;
    *out = (uint16_t)value;
    return true;
}

/* The last colon before `to`; NULL: none. */
static const char *last_colon(const char *from, const char *to)
{
    while (to > from && to[-1] != ':')
        to--;
    return to > from ? to - 1 : NULL;
}

/* Taken apart from the right: an IPv6 address has colons of its own. */
static bool parse_binding(const char *from, const char *to, struct iis_binding *out)
{
    const char *slash = memchr(from, '/', (size_t)(to - from));
    const char *host = slash ? last_colon(slash, to) : NULL;
    const char *port = host ? last_colon(slash, host) : NULL;
    if (!port)
        return false;
    const char *ip = slash + 1;
    const char *ip_end = port;
    if (ip < ip_end && *ip == '[' && ip_end[-1] == ']') {
        ip++;
        ip_end--;
    }
    return copy_part(out->scheme, sizeof(out->scheme), from, slash) &&
           copy_part(out->ip, sizeof(out->ip), ip, ip_end) &&
           parse_port(port + 1, host, &out->port) &&
           copy_part(out->host, sizeof(out->host), host + 1, to);
}

bool iis_binding_next(const char **cursor, struct iis_binding *out)
{
    while (**cursor) {
        const char *from = *cursor;
        const char *to = from + strcspn(from, ",");
        *cursor = *to ? to + 1 : to;
        if (parse_binding(from, to, out))
            return true;
    }
    return false;
}

static bool find_binding(const struct site *site, const char *scheme, struct iis_binding *out)
{
    const char *cursor = site->bindings;
    struct iis_binding binding;
    while (iis_binding_next(&cursor, &binding))
        if (text_equal_nocase(binding.scheme, scheme)) {
            *out = binding;
            return true;
        }
    return false;
}

/* ---- the target ---- */

const struct iis_probe *iis_probe_find(const struct iis_settings *settings, const char *pool)
{
    const struct iis_probe *any = NULL;
    for (const struct iis_probe *p = settings->probes; p; p = p->next) {
        if (text_equal_nocase(p->pool, pool))
            return p;
        if (text_equal(p->pool, "*"))
            any = p;
    }
    return any;
}

static void write_address(char *out, size_t size, const char *host, uint16_t port)
{
    bool v6 = strchr(host, ':') != NULL;
    text_format(out, size, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)port);
}

static void target_of_binding(const struct iis_binding *binding, struct iis_target *out)
{
    bool any = text_equal(binding->ip, "*") || text_equal(binding->ip, "0.0.0.0") ||
               binding->ip[0] == '\0';
    const char *ip = any ? "127.0.0.1" : text_equal(binding->ip, "::") ? "::1" : binding->ip;
    char authority[300];
    write_address(out->connect_to, sizeof(out->connect_to), ip, binding->port);
    bool named = binding->host[0] != '\0' && !strchr(binding->host, '*');
    write_address(authority, sizeof(authority), named ? binding->host : ip, binding->port);
    text_format(out->url, sizeof(out->url), "%s://%s/", binding->scheme, authority);
}

static bool target_of_sites(const char *pool, const char *scheme, const struct site *sites,
                            size_t count, struct iis_target *out)
{
    struct iis_binding binding;
    for (size_t i = 0; i < count; i++) {
        if (!text_equal_nocase(sites[i].pool, pool) || !find_binding(&sites[i], scheme, &binding))
            continue;
        target_of_binding(&binding, out);
        return true;
    }
    return false;
}

bool iis_probe_needs_sites(const struct iis_probe *probe)
{
    if (!probe)
        return true;
    return !probe->off && !probe->url && !(probe->tcp_only && probe->connect_to);
}

enum error_code iis_probe_target(const struct iis_settings *settings, const char *pool,
                                 const struct site *sites, size_t site_count,
                                 struct iis_target *out, struct error *err)
{
    const struct iis_probe *probe = iis_probe_find(settings, pool);
    struct iis_target target = {.expect = probe};
    if (probe && probe->off)
        return error_set(err, ERR_NOT_FOUND, "the configuration says that pool %s has no probe",
                         pool);
    bool found = true;
    if (probe && probe->url)
        text_copy(target.url, sizeof(target.url), probe->url);
    else if (iis_probe_needs_sites(probe))
        found = target_of_sites(pool, "http", sites, site_count, &target) ||
                target_of_sites(pool, "https", sites, site_count, &target);
    if (!found)
        return error_set(err, ERR_NOT_FOUND,
                         "no site with an http binding has its root in pool %s: name a URL in "
                         "[probe %s]",
                         pool, pool);
    if (probe && probe->connect_to)
        text_copy(target.connect_to, sizeof(target.connect_to), probe->connect_to);
    target.tcp_only = probe && probe->tcp_only;
    target.unique = probe && probe->unique;
    *out = target;
    return ERR_NONE;
}

/* ---- expectations ---- */

bool iis_probe_parse_status(const char *word, int *out_first, int *out_last)
{
    uint64_t first, last;
    char digits[4] = {0};
    size_t len = strspn(word, "0123456789");
    if (len != 3 || (word[3] != '\0' && word[3] != '-'))
        return false;
    memcpy(digits, word, 3);
    if (!text_parse_u64(digits, 100, 599, &first))
        return false;
    last = first;
    if (word[3] == '-' && !text_parse_u64(word + 4, first, 599, &last))
        return false;
    *out_first = (int)first;
    *out_last = (int)last;
    return true;
}

bool iis_probe_status_passes(const struct iis_probe *probe, int status)
{
    if (!probe || probe->status.count == 0)
        return status >= 200 && status <= 399;
    for (size_t i = 0; i < probe->status.count; i++) {
        int first, last;
        if (iis_probe_parse_status(probe->status.items[i], &first, &last) && status >= first &&
            status <= last)
            return true;
    }
    return false;
}

bool iis_probe_parse_address(const char *s, char *host, size_t host_size, uint16_t *out_port)
{
    const char *colon = strrchr(s, ':');
    if (!colon || colon == s || !parse_port(colon + 1, s + strlen(s), out_port))
        return false;
    const char *from = s;
    const char *to = colon;
    bool bracketed = *from == '[' && to[-1] == ']';
    if (bracketed) {
        from++;
        to--;
    }
    if (from == to || (!bracketed && memchr(from, ':', (size_t)(to - from))))
        return false;
    return copy_part(host, host_size, from, to);
}

bool iis_probe_url_address(const char *url, char *out, size_t size_bytes)
{
    bool secure = text_starts(url, "https://");
    if (!secure && !text_starts(url, "http://"))
        return false;
    const char *from = url + (secure ? strlen("https://") : strlen("http://"));
    const char *to = from + strcspn(from, "/?#");
    char authority[300], host[300];
    uint16_t port;
    if (from == to || !copy_part(authority, sizeof(authority), from, to) || strchr(authority, '@'))
        return false;
    if (iis_probe_parse_address(authority, host, sizeof(host), &port))
        return text_copy(out, size_bytes, authority);
    if (strchr(authority, ':') && authority[strlen(authority) - 1] != ']')
        return false;
    return text_format(out, size_bytes, "%s:%d", authority, secure ? 443 : 80);
}

/* ---- asking ---- */

static enum error_code run_tcp(const struct iis_target *target, uint64_t timeout_ms,
                               struct driver_probe *out, struct error *err)
{
    char address[300], host[300];
    uint16_t port;
    bool good = target->connect_to[0]
                    ? text_copy(address, sizeof(address), target->connect_to)
                    : iis_probe_url_address(target->url, address, sizeof(address));
    if (!good || !iis_probe_parse_address(address, host, sizeof(host), &port))
        return error_set(err, ERR_INVALID, "a tcp_only probe needs an address and a port");
    struct driver_probe probe = {0};
    struct error here;
    enum error_code code = tcp_connect(host, port, timeout_ms, &probe.elapsed_ms, &here);
    if (code == ERR_INVALID)
        return error_set(err, code, "%s", here.text);
    probe.answered = code == ERR_NONE;
    probe.passed = probe.answered;
    if (code)
        wire_clean_text(probe.detail, sizeof(probe.detail), here.text);
    else
        text_format(probe.detail, sizeof(probe.detail), "%s accepts connections", address);
    *out = probe;
    return ERR_NONE;
}

struct body {
    size_t len;
};

static bool on_body(void *arg, const char *bytes, size_t len)
{
    (void)bytes;
    struct body *body = arg;
    body->len += len;
    return body->len < ENOUGH_OF_BODY;
}

/* The URL, with a parameter that no cache has seen where that is allowed. */
static void write_url(const struct iis_target *target, char *out, size_t size)
{
    uint64_t random = 0;
    text_copy(out, size, target->url);
    if (!target->unique || os_random(&random, sizeof(random), NULL) != ERR_NONE)
        return;
    text_format(out, size, "%s%cfarmhand-probe=%016" PRIx64, target->url,
                strchr(target->url, '?') ? '&' : '?', random);
}

static void describe_status(const struct iis_target *target, struct driver_probe *probe)
{
    char clean[sizeof(probe->detail) - 32];
    wire_clean_text(clean, sizeof(clean), target->url);
    text_format(probe->detail, sizeof(probe->detail), "%s answered %d%s", clean, (int)probe->status,
                probe->passed ? "" : ", which is not expected");
}

static void run_http(const struct iis_target *target, uint64_t timeout_ms, struct driver_probe *out)
{
    static const char *const headers[] = {"Cache-Control: no-store", "Pragma: no-cache",
                                          "X-Farmhand-Probe: 1", NULL};
    char url[sizeof(target->url) + 64];
    struct body body = {0};
    write_url(target, url, sizeof(url));
    struct http_call call = {
        .method = "GET",
        .url = url,
        .connect_to = target->connect_to[0] ? target->connect_to : NULL,
        .headers = headers,
        .timeout_ms = timeout_ms,
        .response_max_bytes = 4 * ENOUGH_OF_BODY,
        .any_certificate = true,
        .on_data = on_body,
        .on_data_arg = &body,
    };
    struct http_reply reply;
    struct error here;
    enum error_code code = http_request(&call, &reply, &here);
    struct driver_probe probe = {0};
    if (code) {
        wire_clean_text(probe.detail, sizeof(probe.detail), here.text);
    } else {
        probe.answered = true;
        probe.status = reply.status;
        probe.elapsed_ms = (uint32_t)reply.elapsed_ms;
        probe.passed = iis_probe_status_passes(target->expect, reply.status);
        describe_status(target, &probe);
        free(reply.body);
    }
    *out = probe;
}

/* A path stands on the same site; what would not fit is asked as the site's root, and fails there
 * if anything does. */
static void warm_up_target(const struct iis_target *site, const char *address,
                           struct iis_target *out)
{
    *out = *site;
    out->unique = false;
    if (address[0] != '/') {
        text_copy(out->url, sizeof(out->url), address);
        out->connect_to[0] = '\0'; /* it leads there itself */
        return;
    }
    const char *host = strstr(site->url, "://");
    size_t origin = host ? (size_t)(host + 3 - site->url) + strcspn(host + 3, "/?#") : 0;
    text_format(out->url, sizeof(out->url), "%.*s%s", (int)origin, site->url, address);
}

/* What a new worker has to have answered before it is called warm, one after the other; the first
 * that does not is told. */
static void run_warm_up(const struct iis_target *target, uint64_t timeout_ms,
                        struct driver_probe *probe)
{
    const struct iis_probe *section = target->expect;
    for (size_t i = 0; section && probe->passed && i < section->warm_up.count; i++) {
        struct iis_target one;
        struct driver_probe answer;
        warm_up_target(target, section->warm_up.items[i], &one);
        run_http(&one, timeout_ms, &answer);
        if (answer.passed)
            continue;
        probe->passed = false;
        probe->status = answer.status;
        char clean[sizeof(probe->detail) - 16];
        wire_clean_text(clean, sizeof(clean), answer.detail);
        text_format(probe->detail, sizeof(probe->detail), "warm-up: %s", clean);
    }
}

enum error_code iis_probe_run(const struct iis_target *target, uint64_t timeout_ms,
                              struct driver_probe *out, struct error *err)
{
    if (target->tcp_only)
        return run_tcp(target, timeout_ms, out, err);
    run_http(target, timeout_ms, out);
    run_warm_up(target, timeout_ms, out);
    return ERR_NONE;
}
