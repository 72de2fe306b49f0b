/* url.c - see url.h. */
#include "proto/url.h"

#include "common/text.h"
#include "proto/messages.h"

#include <string.h>

/* sun_path is 108 bytes, NUL included: unix(7). */
#define IPC_PATH_MAX 107
#define HOST_MAX     256
#define TLS          "tls+tcp://"

static enum error_code check_ipc(const char *url, const char *path, struct error *err)
{
    if (path[0] != '/')
        return error_set(err, ERR_INVALID, "%s: expected an absolute path, as ipc:///run/NAME",
                         url);
    if (strlen(path) > IPC_PATH_MAX)
        return error_set(err, ERR_INVALID, "%s: the path has %zu bytes, a socket's at most %d", url,
                         strlen(path), IPC_PATH_MAX);
    return ERR_NONE;
}

static enum error_code check_port(const char *url, const char *port, bool any_port,
                                  struct error *err)
{
    uint64_t number;
    if (text_parse_u64(port, any_port ? 0 : 1, 65535, &number))
        return ERR_NONE;
    return error_set(err, ERR_INVALID, "%s: expected a port from 1 to 65535 after the address",
                     url);
}

struct dotted {
    int parts;
    bool plain; /* four decimal numbers without leading zeros, the first of them 127 */
};

static int check_part(const char *part, void *arg)
{
    struct dotted *d = arg;
    uint64_t number;
    bool ok = text_parse_u64(part, 0, 255, &number) && (part[0] != '0' || part[1] == '\0');
    d->plain = d->plain && ok && (d->parts > 0 || number == 127);
    d->parts++;
    return 0;
}

/* By hand: what getaddrinfo and inet_aton take (127.1, 0x7f000001, 0177.0.0.1) is for nobody's
 * eyes, and each library reads it in its own way. */
static bool is_loopback(const char *host)
{
    if (text_equal(host, "[::1]"))
        return true;
    struct dotted d = {.parts = 0, .plain = true};
    if (strspn(host, "0123456789.") != strlen(host))
        return false;
    text_split(host, '.', check_part, &d);
    return d.plain && d.parts == 4;
}

/* Letters, digits and what names and addresses have between them. */
static bool is_host(const char *host)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".-_";
    size_t len = strlen(host);
    if (host[0] == '[') {
        size_t inside = strspn(host + 1, "0123456789abcdefABCDEF:.");
        return inside >= 2 && inside == len - 2;
    }
    return len > 0 && strspn(host, letters) == len;
}

/* HOST:PORT; shape: what was expected, for people. */
static enum error_code cut_host(const char *url, const char *rest, bool any_port, const char *shape,
                                char host[HOST_MAX], struct error *err)
{
    const char *colon = strrchr(rest, ':');
    if (!colon || colon == rest || (size_t)(colon - rest) >= HOST_MAX ||
        (rest[0] == '[' && colon[-1] != ']'))
        return error_set(err, ERR_INVALID, "%s: expected %s", url, shape);
    memcpy(host, rest, (size_t)(colon - rest));
    host[colon - rest] = '\0';
    return check_port(url, colon + 1, any_port, err);
}

static enum error_code check_tls(const char *url, const char *rest, bool any_port,
                                 struct error *err)
{
    char host[HOST_MAX];
    enum error_code code = cut_host(
        url, rest, any_port, "tls+tcp://HOST:PORT, as tls+tcp://farm.example:7600", host, err);
    if (code == ERR_NONE && !is_host(host))
        return error_set(err, ERR_INVALID, "%s: \"%s\" is neither a host's name nor an address",
                         url, host);
    return code;
}

static enum error_code check_tcp(const char *url, const char *rest, bool any_port,
                                 struct error *err)
{
    char host[HOST_MAX];
    enum error_code code =
        cut_host(url, rest, any_port, "tcp://ADDRESS:PORT, as tcp://127.0.0.1:7411", host, err);
    if (code != ERR_NONE)
        return code;
    if (is_loopback(host))
        return ERR_NONE;
    return error_set(err, ERR_DENIED,
                     "%s: leaves this machine without TLS: anybody could take over the farm; write "
                     "tls+tcp://HOST:PORT, or stay here with 127.0.0.1, [::1] or ipc:///PATH",
                     url);
}

enum error_code wire_check_url(const char *url, bool any_port, struct error *err)
{
    if (text_starts(url, "ipc://"))
        return check_ipc(url, url + strlen("ipc://"), err);
    if (text_starts(url, TLS))
        return check_tls(url, url + strlen(TLS), any_port, err);
    if (text_starts(url, "tcp://"))
        return check_tcp(url, url + strlen("tcp://"), any_port, err);
    return error_set(err, ERR_INVALID,
                     "%s: expected tls+tcp://HOST:PORT; on this machine alone also "
                     "tcp://127.0.0.1:PORT or ipc:///PATH",
                     url);
}

bool wire_url_has_tls(const char *url)
{
    return text_starts(url, TLS);
}

bool wire_url_host(const char *url, char *out, size_t size_bytes)
{
    const char *start = strstr(url, "://"), *end = strrchr(url, ':');
    if (!start || end <= start)
        return false;
    start += 3;
    if (*start == '[' && end[-1] == ']')
        start++, end--;
    size_t len = (size_t)(end - start);
    if (len == 0 || len >= size_bytes)
        return false;
    memcpy(out, start, len);
    out[len] = '\0';
    return true;
}

enum error_code wire_check_server_name(const char *name, struct error *err)
{
    static const char no_first[] = ".-_";
    if (!wire_server_name_ok(name) || strchr(no_first, name[0]) || text_equal_nocase(name, "all") ||
        text_equal_nocase(name, WIRE_COORDINATOR_NAME))
        return error_set(err, ERR_INVALID,
                         "\"%.80s\" cannot be a server's name: letters, digits, '.', '-' and '_' "
                         "only, %d at most, a letter or digit first, and neither all "
                         "nor " WIRE_COORDINATOR_NAME,
                         name, WIRE_NAME_MAX - 1);
    return ERR_NONE;
}
