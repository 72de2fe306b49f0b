/* http.c - see http.h. The only user of libcurl. */
#include "common/http.h"

#include "common/must.h"
#include "common/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct transfer {
    const struct http_call *call;
    CURL *curl;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    struct text body;
    bool stopped;  /* by on_data or go_on */
    bool too_long; /* the body went over the limit */
    char words[CURL_ERROR_SIZE];
};

/* Source: curl's documentation of CURLOPT_SSLCERT: "(Schannel only) ... PKCS#12 format". */
bool http_shows_identity(void)
{
    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;
    return tls && !strstr(tls, "Schannel");
}

void http_start(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* ---- while it runs ---- */

static bool is_stream(const struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    return t->call->on_data && status >= 200 && status < 300;
}

/* libcurl's write callback: anything but the number of bytes ends the transfer. */
static size_t take_data(char *bytes, size_t one, size_t len, void *arg)
{
    (void)one; /* always 1 */
    struct transfer *t = arg;
    if (is_stream(t)) {
        t->stopped = !t->call->on_data(t->call->on_data_arg, bytes, len);
        return t->stopped ? 0 : len;
    }
    t->too_long = len > t->call->response_max_bytes - t->body.len;
    if (t->too_long)
        return 0;
    text_add_bytes(&t->body, bytes, len);
    return len;
}

static int ask_to_go_on(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d; /* amounts */
    struct transfer *t = arg;
    t->stopped = !t->call->go_on(t->call->on_data_arg);
    return t->stopped;
}

/* ---- preparing ---- */

static void set_long(CURL *curl, CURLoption option, long value)
{
    must(curl_easy_setopt(curl, option, value) == CURLE_OK);
}

static void set_text(CURL *curl, CURLoption option, const char *value)
{
    must(curl_easy_setopt(curl, option, value) == CURLE_OK);
}

static void add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    must(longer != NULL);
    *list = longer;
}

static bool has_header(const struct http_call *call, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; call->headers && call->headers[i]; i++) {
        char start[64];
        text_copy(start, len + 1 < sizeof(start) ? len + 1 : sizeof(start), call->headers[i]);
        if (text_equal_nocase(start, name))
            return true;
    }
    return false;
}

/* The caller's, and none of those that libcurl adds by itself to a body. */
static void set_headers(struct transfer *t)
{
    for (size_t i = 0; t->call->headers && t->call->headers[i]; i++)
        add(&t->headers, t->call->headers[i]);
    add(&t->headers, "Expect:");
    if (!has_header(t->call, "Content-Type:"))
        add(&t->headers, "Content-Type:");
    must(curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK);
}

static void set_method(struct transfer *t)
{
    const struct http_call *call = t->call;
    bool with_body = call->body || text_equal(call->method, "POST");
    if (with_body) {
        must(curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                              (curl_off_t)(call->body ? call->body_len : 0)) == CURLE_OK);
        set_text(t->curl, CURLOPT_POSTFIELDS, call->body ? call->body : "");
    }
    if (text_equal(call->method, "HEAD"))
        set_long(t->curl, CURLOPT_NOBODY, 1);
    else
        set_text(t->curl, CURLOPT_CUSTOMREQUEST, call->method);
}

/* How to get there: directly, on a connection of our own, to where the caller says. */
static void set_way(struct transfer *t)
{
    CURL *curl = t->curl;
    set_text(curl, CURLOPT_PROXY, "");
    set_long(curl, CURLOPT_FRESH_CONNECT, 1);
    set_long(curl, CURLOPT_FORBID_REUSE, 1);
    set_long(curl, CURLOPT_TCP_KEEPALIVE, 1);
    if (t->call->unix_socket)
        set_text(curl, CURLOPT_UNIX_SOCKET_PATH, t->call->unix_socket);
    if (t->call->connect_to) {
        struct text any = {0};
        text_addf(&any, "::%s", t->call->connect_to);
        add(&t->connect_to, any.data);
        text_reset(&any);
        must(curl_easy_setopt(curl, CURLOPT_CONNECT_TO, t->connect_to) == CURLE_OK);
    }
    if (t->call->ca_file)
        set_text(curl, CURLOPT_CAINFO, t->call->ca_file);
    if (t->call->identity_file) {
        set_text(curl, CURLOPT_SSLCERT, t->call->identity_file);
        set_text(curl, CURLOPT_SSLKEY, t->call->identity_file);
    }
    if (t->call->any_certificate) {
        set_long(curl, CURLOPT_SSL_VERIFYPEER, 0);
        set_long(curl, CURLOPT_SSL_VERIFYHOST, 0);
    }
}

static void set_limits(struct transfer *t)
{
    CURL *curl = t->curl;
    set_long(curl, CURLOPT_NOSIGNAL, 1); /* signals and threads do not go together */
    set_long(curl, CURLOPT_FOLLOWLOCATION, 0);
    if (t->call->timeout_ms <= INT_MAX) {
        set_long(curl, CURLOPT_TIMEOUT_MS, (long)t->call->timeout_ms);
        set_long(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)t->call->timeout_ms);
    }
    if (t->call->go_on) {
        set_long(curl, CURLOPT_NOPROGRESS, 0);
        must(curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_to_go_on) == CURLE_OK);
        must(curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t) == CURLE_OK);
    }
}

static enum error_code check_call(const struct http_call *call, struct error *err)
{
    must(call->method && call->url && call->timeout_ms > 0);
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        if (text_has_control(call->headers[i]))
            return error_set(err, ERR_INVALID, "%s: a header holds a control character", call->url);
    if (!text_starts(call->url, "http://") && !text_starts(call->url, "https://"))
        return error_set(err, ERR_INVALID,
                         "%s: expected a URL that begins with http:// or https://", call->url);
    return ERR_NONE;
}

static void prepare(struct transfer *t)
{
    t->curl = curl_easy_init();
    must(t->curl != NULL);
    set_text(t->curl, CURLOPT_URL, t->call->url);
    set_text(t->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    set_text(t->curl, CURLOPT_USERAGENT, "farmhand/" FARMHAND_VERSION);
    set_long(t->curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    set_long(t->curl, CURLOPT_PATH_AS_IS, 1);
    must(curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, t->words) == CURLE_OK);
    must(curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, take_data) == CURLE_OK);
    must(curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t) == CURLE_OK);
    set_method(t);
    set_headers(t);
    set_way(t);
    set_limits(t);
}

/* ---- at the end ---- */

static enum error_code code_of(CURLcode result, long errnum)
{
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return errnum == EACCES || errnum == EPERM ? ERR_DENIED : ERR_UNREACHABLE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
        return ERR_UNREACHABLE;
    case CURLE_URL_MALFORMAT:
        return ERR_INVALID;
    case CURLE_PEER_FAILED_VERIFICATION:
        return ERR_DENIED;
    case CURLE_UNSUPPORTED_PROTOCOL: /* the URL was checked: what answers does not speak HTTP */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERR_CORRUPT;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default:
        return ERR_IO;
    }
}

static enum error_code conclude(const struct transfer *t, CURLcode result, struct error *err)
{
    const char *url = t->call->url;
    if (result == CURLE_OK || t->stopped)
        return ERR_NONE;
    if (t->too_long)
        return error_set(err, ERR_NOMEM, "%s: the answer is longer than %zu bytes", url,
                         t->call->response_max_bytes);
    long errnum = 0;
    curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &errnum);
    return error_set(err, code_of(result, errnum), "%s%s%s: %s", url,
                     t->call->unix_socket ? " through " : "",
                     t->call->unix_socket ? t->call->unix_socket : "",
                     *t->words ? t->words : curl_easy_strerror(result));
}

enum error_code http_request(const struct http_call *call, struct http_reply *out,
                             struct error *err)
{
    enum error_code code = check_call(call, err);
    if (code)
        return code;
    struct transfer t = {.call = call};
    prepare(&t);
    code = conclude(&t, curl_easy_perform(t.curl), err);
    if (!code) {
        long status = 0;
        curl_off_t elapsed_us = 0;
        curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(t.curl, CURLINFO_TOTAL_TIME_T, &elapsed_us);
        *out = (struct http_reply){.status = (int)status,
                                   .body_len = t.body.len,
                                   .elapsed_ms = (uint64_t)elapsed_us / 1000};
        out->body = text_take(&t.body);
    }
    curl_easy_cleanup(t.curl);
    curl_slist_free_all(t.headers);
    curl_slist_free_all(t.connect_to);
    text_reset(&t.body);
    return code;
}
