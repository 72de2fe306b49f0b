/* api.c - see api.h: the HTTP server, requests and answers. */
#include "coordinator/api/api.h"

#include "common/log.h"
#include "common/must.h"
#include "coordinator/api/api_internal.h"

#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_DEFAULT 256
#define IDLE_S_DEFAULT      30
#define QUEUE_DEFAULT_BYTES (256 * 1024)
#define REQUEST_DEFAULT_MS  60000
#define DRAIN_S             1 /* for the last answers when the server stops */
/* A body that is too long is read up to here, so that the client hears why; then it is cut. */
#define DISCARD_MAX (4 * API_BODY_MAX)

/* ---- the life of an exchange ---- */

struct exchange *exchange_of(const struct api_request *request)
{
    return (struct exchange *)request;
}

static struct exchange *exchange_new(struct api *a, struct MHD_Connection *connection)
{
    struct exchange *x = must_alloc(1, sizeof(*x));
    x->api = a;
    x->connection = connection;
    x->until_ms = UINT64_MAX;
    atomic_init(&x->refs, 1);
    pthread_mutex_lock(&a->lock);
    x->next = a->all;
    if (a->all)
        a->all->prev = x;
    a->all = x;
    pthread_mutex_unlock(&a->lock);
    return x;
}

/* Lock held: its connection is gone, or has another request now. */
static void leave(struct exchange *x)
{
    struct api *a = x->api;
    if (x->next)
        x->next->prev = x->prev;
    if (x->prev)
        x->prev->next = x->next;
    else
        a->all = x->next;
    if (x->follows)
        a->follower_count--;
    x->ended = true;
    if (x->draining)
        pthread_cond_signal(&a->drained);
}

void exchange_unref(struct exchange *x)
{
    if (atomic_fetch_sub(&x->refs, 1) != 1)
        return;
    for (size_t i = 0; i < x->arg_count; i++) {
        free(x->args[i].name);
        free(x->args[i].value);
    }
    free(x->method);
    free(x->path);
    free(x->json);
    if (x->body.data)
        text_wipe(x->body.data, x->body.len); /* there may be a token in it */
    text_wipe(x->bearer, sizeof(x->bearer));
    free(x->certificate);
    text_reset(&x->body);
    text_reset(&x->queue);
    free(x);
}

void exchange_claim(struct exchange *x, struct exchange **chain)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    atomic_fetch_add(&x->refs, 1);
    x->next_resume = *chain;
    *chain = x;
}

void exchange_resume(struct exchange *chain)
{
    while (chain) {
        struct exchange *x = chain;
        chain = x->next_resume;
        MHD_resume_connection(x->connection);
        exchange_unref(x);
    }
}

/* ---- MHD's thread: reading a request ---- */

static void refuse(struct exchange *x, int status, const char *why)
{
    if (x->refused != 0)
        return;
    x->refused = status;
    x->refused_why = why;
}

static bool is_clean(const char *s)
{
    return text_is_utf8(s, strlen(s)) && !text_has_control(s);
}

static enum MHD_Result take_arg(void *arg, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    struct exchange *x = arg;
    (void)kind;
    if (!value)
        value = "";
    if (x->arg_count == API_ARGS_MAX) {
        refuse(x, 400, "too many parameters behind the ?");
    } else if (!is_clean(name) || !is_clean(value)) {
        refuse(x, 400, "a parameter behind the ? is not UTF-8, or has control characters");
    } else {
        x->args[x->arg_count].name = must_copy(name);
        x->args[x->arg_count++].value = must_copy(value);
    }
    return MHD_YES;
}

static void name_near(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    api_socket_peer(info ? info->connect_fd : -1, x->actor, sizeof(x->actor));
}

/* GnuTLS has seen in the handshake that the peer has its key, and no more than that. */
static void take_certificate(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned count = 0;
    const gnutls_datum_t *certs =
        info && info->tls_session ? gnutls_certificate_get_peers(info->tls_session, &count) : NULL;
    if (!certs || count == 0)
        return;
    if (certs[0].size > API_CERT_MAX) {
        refuse(x, 400, "the client's certificate is too large");
        return;
    }
    x->certificate = must_alloc(certs[0].size, 1);
    memcpy(x->certificate, certs[0].data, certs[0].size);
    x->certificate_len = certs[0].size;
}

/* A browser that has an operator's certificate shows it to whatever page asks. What such a page may
 * send without being asked about it first (Fetch standard, "CORS-safelisted request-header") is
 * forms and plain text: JSON is not among it, and that question is not answered here. */
static void check_type(struct exchange *x, const char *method)
{
    static const char json[] = "application/json";
    const char *type = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Type");
    char begin[sizeof(json)] = "";
    if (text_equal(method, "GET") || text_equal(method, "HEAD"))
        return;
    text_format(begin, sizeof(begin), "%.16s", type ? type : "");
    if (!text_equal_nocase(begin, json) || strcspn(type + 16, " ;") != 0)
        refuse(x, 415, "the Content-Type header must be: application/json");
}

/* Whoever it says to be is not believed here: see the desk. */
static void name_far(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const char *given =
        MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Authorization");
    api_socket_address(info ? info->client_addr : NULL, x->address, sizeof(x->address));
    api_socket_network(info ? info->client_addr : NULL, x->network);
    x->from = far_of(x->connection);
    take_certificate(x);
    if (!given)
        return;
    if (!text_starts(given, "Bearer ") || strlen(given) >= API_BEARER_MAX ||
        !text_copy(x->bearer, sizeof(x->bearer), given + strlen("Bearer ")))
        refuse(x, 401, "the Authorization header must be: Bearer, a blank, and a token");
}

static void take_head(struct exchange *x, const char *method, const char *path)
{
    if (x->far) {
        name_far(x);
        check_type(x, method);
    } else {
        name_near(x);
    }
    x->method = must_copy(method);
    x->path = must_copy(path);
    if (!is_clean(path))
        refuse(x, 400, "the path is not UTF-8, or has control characters");
    MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, take_arg, x);
    x->begun = true;
}

static enum MHD_Result take_body(struct exchange *x, const char *bytes, size_t *len)
{
    size_t total = x->body.len + *len;
    if (total > DISCARD_MAX)
        return MHD_NO; /* closes the connection */
    if (total > API_BODY_MAX)
        refuse(x, 413, "the body is larger than 256 KiB");
    text_add_bytes(&x->body, bytes, *len);
    *len = 0;
    return MHD_YES;
}

/* ---- MHD's thread: answering ---- */

static char *error_json(const char *code, const char *text)
{
    struct text t = {0}; /* both are ours: nothing to escape */
    text_addf(&t, "{\"error\": {\"code\": \"%s\", \"text\": \"%s\"}}", code, text);
    return text_take(&t);
}

/* Takes json. */
static enum MHD_Result queue_json(struct exchange *x, int status, char *json)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(json), json, MHD_RESPMEM_MUST_FREE);
    must(response != NULL);
    MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result queue_refusal(struct exchange *x)
{
    const char *code = x->refused == 503 ? "unavailable" : x->refused == 401 ? "denied" : "invalid";
    return queue_json(x, x->refused, error_json(code, x->refused_why));
}

/* Delivers and suspends as one step under the lock, so that the answer cannot come in between. */
static enum MHD_Result hand_over(struct exchange *x)
{
    struct api *a = x->api;
    if (strlen(text_get(&x->body)) != x->body.len || !text_is_utf8(text_get(&x->body), x->body.len))
        refuse(x, 400, "the body is not UTF-8");
    if (x->refused != 0)
        return queue_refusal(x);
    x->request = (struct api_request){.method = x->method,
                                      .path = x->path,
                                      .actor = x->actor,
                                      .far = x->far,
                                      .address = x->address,
                                      .network = x->network,
                                      .bearer = x->bearer,
                                      .certificate = x->certificate,
                                      .certificate_len = x->certificate_len,
                                      .body = text_get(&x->body),
                                      .body_len = x->body.len,
                                      .server = x->server};
    pthread_mutex_lock(&a->lock);
    if (a->stopping) {
        refuse(x, 503, "the coordinator stops");
    } else {
        atomic_fetch_add(&x->refs, 1);
        x->lent = true;
        if (a->spec.deliver(a->spec.arg, &x->request)) {
            x->suspended = true;
            far_turn(x->from, true);
            MHD_suspend_connection(x->connection);
        } else {
            atomic_fetch_sub(&x->refs, 1);
            x->lent = false;
            refuse(x, 503, "too much is asked at once: ask again in a second");
        }
    }
    pthread_mutex_unlock(&a->lock);
    return x->refused != 0 ? queue_refusal(x) : MHD_YES;
}

/* The connection was resumed: the brain has answered, follows, or the server stops. */
static enum MHD_Result go_on(struct exchange *x)
{
    struct api *a = x->api;
    pthread_mutex_lock(&a->lock);
    bool follows = x->follows;
    char *json = x->json;
    int status = x->status;
    x->json = NULL;
    pthread_mutex_unlock(&a->lock);
    if (follows)
        return follow_start(x);
    if (json)
        return queue_json(x, status, json);
    refuse(x, 503, "the coordinator stops");
    return queue_refusal(x);
}

static enum MHD_Result go_through(struct api *a, struct MHD_Connection *connection, bool far,
                                  const char *url, const char *method, const char *bytes,
                                  size_t *len, void **of_request)
{
    struct exchange *x = *of_request;
    if (!x) {
        x = exchange_new(a, connection);
        x->far = far;
        *of_request = x;
        take_head(x, method, url);
        return MHD_YES;
    }
    if (*len > 0)
        return take_body(x, bytes, len);
    pthread_mutex_lock(&x->api->lock);
    bool handed_over = x->answered || x->follows || x->lent || x->api->stopping;
    pthread_mutex_unlock(&x->api->lock);
    return handed_over ? go_on(x) : hand_over(x);
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *bytes,
                                 size_t *len, void **of_request)
{
    (void)version;
    return go_through(arg, connection, false, url, method, bytes, len, of_request);
}

enum MHD_Result exchange_on_far_access(void *arg, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *bytes, size_t *len, void **of_request)
{
    (void)version;
    return go_through(arg, connection, true, url, method, bytes, len, of_request);
}

void exchange_on_completed(void *arg, struct MHD_Connection *connection, void **of_request,
                           enum MHD_RequestTerminationCode why)
{
    struct api *a = arg;
    (void)connection, (void)why;
    struct exchange *x = *of_request;
    if (!x)
        return;
    *of_request = NULL;
    pthread_mutex_lock(&a->lock);
    far_turn(x->from, false);
    x->from = NULL;
    leave(x);
    pthread_mutex_unlock(&a->lock);
    exchange_unref(x);
}

/* ---- opening and closing ---- */

static void fill_defaults(struct api_spec *s)
{
    if (s->connections_max == 0)
        s->connections_max = CONNECTIONS_DEFAULT;
    if (s->followers_max == 0)
        s->followers_max = s->connections_max / 2;
    if (s->of_one_address_max == 0)
        s->of_one_address_max = API_OF_ONE_ADDRESS;
    if (s->idle_s == 0)
        s->idle_s = IDLE_S_DEFAULT;
    if (s->request_ms == 0)
        s->request_ms = REQUEST_DEFAULT_MS;
    if (s->follower_queue_bytes == 0)
        s->follower_queue_bytes = QUEUE_DEFAULT_BYTES;
}

static enum error_code start_daemon(struct api *a, struct error *err)
{
    a->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, a,
        MHD_OPTION_LISTEN_SOCKET, a->socket.fd, MHD_OPTION_NOTIFY_COMPLETED, exchange_on_completed,
        a, MHD_OPTION_CONNECTION_LIMIT, (unsigned)a->spec.connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)a->spec.idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)EXCHANGE_HEADER_BYTES, MHD_OPTION_END);
    if (a->daemon)
        return ERR_NONE;
    close(a->socket.fd);
    return error_set(err, ERR_IO, "cannot start the HTTP server on %s", a->socket.path);
}

static void destroy(struct api *a)
{
    far_free(a);
    pthread_cond_destroy(&a->drained);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static void init_locks(struct api *a)
{
    pthread_condattr_t attr;
    must(pthread_mutex_init(&a->lock, NULL) == 0);
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&a->drained, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

enum error_code api_open(const struct api_spec *spec, struct api **out, struct error *err)
{
    struct api *a = must_alloc(1, sizeof(*a));
    a->spec = *spec;
    a->spec.socket = NULL; /* borrowed for this call alone */
    a->spec.far = NULL;
    fill_defaults(&a->spec);
    init_locks(a);
    enum error_code code = api_socket_open(spec->socket, &a->socket, err);
    if (!code) {
        code = start_daemon(a, err);
        if (code)
            api_socket_remove(&a->socket);
    }
    if (!code && spec->far && (code = far_start(a, spec->far, err)) != ERR_NONE) {
        MHD_stop_daemon(a->daemon);
        api_socket_remove(&a->socket);
    }
    if (code)
        destroy(a);
    else
        *out = a;
    return code;
}

uint16_t api_port(const struct api *a)
{
    return a->port;
}

/* ---- stopping ---- */

/* MHD must not be stopped with suspended connections: all are resumed, and none is suspended once
 * `stopping` is set. */
static void resume_all(struct api *a)
{
    struct exchange *chain = NULL;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    for (struct exchange *x = a->all; x; x = x->next) {
        x->draining = x->suspended || x->follows || x->answered;
        if (x->follows)
            follow_end(x, "end", "the coordinator stops; follow again when it is back");
        exchange_claim(x, &chain);
    }
    pthread_mutex_unlock(&a->lock);
    exchange_resume(chain);
}

static bool is_draining(const struct api *a)
{
    for (const struct exchange *x = a->all; x; x = x->next)
        if (x->draining)
            return true;
    return false;
}

/* Gives the last answers a moment to be read. */
static void wait_drained(struct api *a)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DRAIN_S;
    pthread_mutex_lock(&a->lock);
    int failed = 0;
    while (!failed && is_draining(a))
        failed = pthread_cond_timedwait(&a->drained, &a->lock, &until);
    pthread_mutex_unlock(&a->lock);
}

void api_close(struct api *a)
{
    if (!a)
        return;
    api_socket_remove(&a->socket);
    int listening = MHD_quiesce_daemon(a->daemon);
    int far = a->far ? MHD_quiesce_daemon(a->far) : -1;
    resume_all(a);
    wait_drained(a);
    MHD_stop_daemon(a->daemon);
    if (a->far)
        MHD_stop_daemon(a->far);
    if (listening >= 0)
        close(listening);
    if (far >= 0)
        close(far);
    destroy(a);
}

/* ---- the brain ---- */

const char *api_arg(const struct api_request *request, const char *name)
{
    const struct exchange *x = exchange_of(request);
    for (size_t i = 0; i < x->arg_count; i++)
        if (text_equal(x->args[i].name, name))
            return x->args[i].value;
    return NULL;
}

const char *api_unknown_arg(const struct api_request *request, const char *const *known)
{
    const struct exchange *x = exchange_of(request);
    for (size_t i = 0; i < x->arg_count; i++) {
        size_t k = 0;
        while (known[k] && !text_equal(known[k], x->args[i].name))
            k++;
        if (!known[k])
            return x->args[i].name;
    }
    return NULL;
}

void api_answer(struct api *a, struct api_request *request, int status, char *json)
{
    struct exchange *x = exchange_of(request), *chain = NULL;
    pthread_mutex_lock(&a->lock);
    must(x->lent && !x->follows && !x->answered);
    x->status = status;
    x->json = json;
    x->answered = true;
    x->lent = false;
    exchange_claim(x, &chain);
    pthread_mutex_unlock(&a->lock);
    exchange_resume(chain);
    exchange_unref(x);
}

void api_drop(struct api_request *request)
{
    exchange_unref(exchange_of(request));
}
