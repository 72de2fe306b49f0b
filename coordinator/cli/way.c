/* way.c - see way.h. */
#include "coordinator/cli/way.h"

#include "common/os.h"
#include "common/text.h"
#include "proto/url.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET    "/run/farmhand/farmhand.sock"
#define TOKEN_FILE_MAX    4096
#define IDENTITY_FILE_MAX 65536

static const char *given(const char *word, const char *variable)
{
    const char *env = getenv(variable);
    return word ? word : env && env[0] ? env : NULL;
}

static enum error_code take_token(const char *token, struct way *out, struct error *err)
{
    token += strspn(token, " \t\r\n");
    size_t len = strcspn(token, " \t\r\n");
    if (len == 0 || len > 200)
        return error_set(err, ERR_INVALID, "there is no operator token in it");
    text_format(out->authorization, sizeof(out->authorization), "Authorization: Bearer %.*s",
                (int)len, token);
    return ERR_NONE;
}

static enum error_code find_token(const struct way_words *words, struct way *out, struct error *err)
{
    const char *file = given(words->token_file, "FARMHAND_TOKEN_FILE");
    const char *env = given(NULL, "FARMHAND_TOKEN");
    char *bytes = NULL;
    size_t len = 0;
    if (!file && !env)
        return error_set(err, ERR_INVALID,
                         "from afar a token is needed: --token-file FILE, FARMHAND_TOKEN_FILE or "
                         "FARMHAND_TOKEN; or a certificate: --identity FILE. `farmhand operator "
                         "create` on the coordinator makes one");
    if (!file)
        return take_token(env, out, err);
    enum error_code code = os_read_file(file, TOKEN_FILE_MAX, &bytes, &len, err);
    if (code == ERR_NONE && (code = take_token(bytes, out, err)) != ERR_NONE)
        error_wrap(err, "%s", file);
    if (bytes)
        text_wipe(bytes, len);
    free(bytes);
    return code;
}

/* libcurl's own words about a file without one of the two help nobody. */
static enum error_code check_identity(const char *path, struct error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    if (!http_shows_identity())
        return error_set(err, ERR_INVALID,
                         "--identity: this program's TLS cannot show a certificate from a file: "
                         "use a token, --token-file FILE, which `farmhand operator create` makes");
    enum error_code code = os_read_file(path, IDENTITY_FILE_MAX, &bytes, &len, err);
    if (code)
        return code;
    if (!strstr(bytes, "PRIVATE KEY-----") || !strstr(bytes, "-----BEGIN CERTIFICATE-----"))
        code = error_set(err, ERR_INVALID,
                         "%s: expected a key and its certificate, PEM, one behind the other: "
                         "`farmhand operator request` makes the key, the administrator the "
                         "certificate",
                         path);
    text_wipe(bytes, len);
    free(bytes);
    return code;
}

static enum error_code find_far(const char *address, const struct way_words *words, struct way *out,
                                struct error *err)
{
    size_t len = strlen(address);
    while (len > 0 && address[len - 1] == '/')
        len--;
    if (!text_starts(address, "https://") || len >= sizeof(out->base) ||
        strcspn(address + strlen("https://"), "/?#@") < len - strlen("https://"))
        return error_set(err, ERR_INVALID,
                         "\"%.100s\": expected https://HOST:PORT, and nothing behind it", address);
    memcpy(out->shown, address, len);
    out->shown[len] = '\0';
    text_copy(out->base, sizeof(out->base), out->shown);
    out->ca_file = given(words->ca, "FARMHAND_CA");
    if (out->ca_file) {
        const char *host = out->shown + strlen("https://");
        const char *bracket = strrchr(host, ']');
        bool port = strchr(bracket ? bracket : host, ':') != NULL;
        text_copy(out->base, sizeof(out->base), "https://" WIRE_COORDINATOR_NAME);
        text_format(out->connect_to, sizeof(out->connect_to), "%s%s", host, port ? "" : ":443");
    }
    out->identity = given(words->identity, "FARMHAND_IDENTITY");
    return out->identity ? check_identity(out->identity, err) : find_token(words, out, err);
}

enum error_code way_find(const struct way_words *words, struct way *out, struct error *err)
{
    *out = (struct way){.base = "http://farmhand"};
    const char *far = words->socket ? NULL : given(words->coordinator, "FARMHAND_COORDINATOR");
    if (far)
        return find_far(far, words, out, err);
    const char *socket = given(words->socket, "FARMHAND_SOCKET");
    out->unix_socket = socket ? socket : DEFAULT_SOCKET;
    text_copy(out->shown, sizeof(out->shown), out->unix_socket);
    return ERR_NONE;
}

const char *way_name(const struct way *way)
{
    return way->shown;
}

void way_go(const struct way *way, const char *extra, const char *headers[WAY_HEADERS_MAX],
            struct http_call *call)
{
    size_t count = 0;
    if (extra)
        headers[count++] = extra;
    if (way->authorization[0])
        headers[count++] = way->authorization;
    headers[count] = NULL;
    call->headers = count > 0 ? headers : NULL;
    call->unix_socket = way->unix_socket;
    call->ca_file = way->ca_file;
    call->identity_file = way->identity;
    call->connect_to = way->connect_to[0] ? way->connect_to : NULL;
}
