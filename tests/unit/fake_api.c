/* fake_api.c - see fake_api.h. A thread per connection: a held stream waits in its own. */
#include "fake_api.h"

#include "common/must.h"
#include "common/text.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUTES_MAX 32

struct fake_api {
    struct fake_route routes[ROUTES_MAX]; /* copies: another thread reads them until the end */
    size_t route_count;
    const struct fake_script *scripts;
    size_t script_count, streams;
    size_t answered[ROUTES_MAX];
    struct MHD_Daemon *daemon;
    struct text asked;
    bool closing;
    pthread_mutex_t lock;
    pthread_cond_t closed;
    char path[108];
};

struct request {
    struct text line, body;
};

struct stream {
    struct fake_api *api;
    const char *const *next;
    unsigned late_ms;
    bool hold;
};

static int remember_query(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct text *line = arg;
    (void)kind;
    text_addf(line, "%c%s=%s", strchr(text_get(line), '?') ? '&' : '?', key, value ? value : "");
    return MHD_YES;
}

/* ---- the stream ---- */

static ssize_t next_chunk(void *arg, uint64_t position, char *out, size_t max)
{
    struct stream *s = arg;
    (void)position;
    usleep(s->late_ms * 1000);
    s->late_ms = 0;
    if (!*s->next && !s->hold)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!*s->next) {
        pthread_mutex_lock(&s->api->lock);
        while (!s->api->closing)
            pthread_cond_wait(&s->api->closed, &s->api->lock);
        pthread_mutex_unlock(&s->api->lock);
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    size_t len = strlen(*s->next);
    must(len <= max);
    memcpy(out, *s->next, len);
    s->next++;
    return (ssize_t)len;
}

static struct MHD_Response *open_stream(struct fake_api *api)
{
    struct stream *s = must_alloc(1, sizeof(*s));
    pthread_mutex_lock(&api->lock);
    size_t n = api->streams < api->script_count ? api->streams : api->script_count - 1;
    api->streams++;
    pthread_mutex_unlock(&api->lock);
    *s = (struct stream){.api = api,
                         .next = api->scripts[n].chunks,
                         .late_ms = api->scripts[n].late_ms,
                         .hold = n + 1 == api->script_count};
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, next_chunk, s, free);
}

/* ---- answers ---- */

static const struct fake_route *route_for(struct fake_api *api, const char *line)
{
    const struct fake_route *found = NULL;
    pthread_mutex_lock(&api->lock);
    for (size_t i = 0; i < api->route_count && !found; i++) {
        const struct fake_route *r = &api->routes[i];
        if (!text_starts(line, r->request) || (r->times && api->answered[i] >= r->times))
            continue;
        api->answered[i]++;
        found = r;
    }
    pthread_mutex_unlock(&api->lock);
    return found;
}

static enum MHD_Result answer(struct fake_api *api, struct MHD_Connection *connection,
                              const struct request *q)
{
    static const char none[] = "{\"error\":{\"code\":\"not-found\",\"text\":\"no such thing\"}}";
    const char *line = text_get(&q->line);
    bool follows = strstr(line, "follow=1") != NULL && api->script_count > 0;
    const struct fake_route *r = follows ? NULL : route_for(api, line);
    const char *body = r ? r->body : none;
    if (r && r->status == 0)
        return MHD_NO; /* hangs up without an answer */
    struct MHD_Response *response =
        follows ? open_stream(api)
                : MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body,
                                                  MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_queue_response(connection,
                                                follows ? 200
                                                : r     ? (unsigned)r->status
                                                        : 404,
                                                response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **state)
{
    struct fake_api *api = arg;
    struct request *q = *state;
    (void)version;
    if (!q) {
        *state = q = must_alloc(1, sizeof(*q));
        text_addf(&q->line, "%s %s", method, url);
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND,
                                  (MHD_KeyValueIterator)remember_query, &q->line);
        return MHD_YES;
    }
    if (*len > 0) {
        text_add_bytes(&q->body, bytes, *len);
        *len = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&api->lock);
    text_addf(&api->asked, "%s %s\n", text_get(&q->line), text_get(&q->body));
    pthread_mutex_unlock(&api->lock);
    return answer(api, connection, q);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct request *q = *state;
    (void)arg, (void)connection, (void)why;
    if (!q)
        return;
    text_reset(&q->line);
    text_reset(&q->body);
    free(q);
}

/* ---- life ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    must(text_copy(address.sun_path, sizeof(address.sun_path), path));
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    must(listen(fd, 32) == 0);
    return fd;
}

struct fake_api *fake_api_open(const char *path, const struct fake_route *routes,
                               size_t route_count, const struct fake_script *scripts,
                               size_t script_count)
{
    must(route_count <= ROUTES_MAX);
    struct fake_api *api = must_alloc(1, sizeof(*api));
    for (size_t i = 0; i < route_count; i++) {
        api->routes[i] = routes[i];
        api->routes[i].body = routes[i].body ? must_copy(routes[i].body) : NULL;
    }
    api->route_count = route_count;
    api->scripts = scripts;
    api->script_count = script_count;
    must(text_copy(api->path, sizeof(api->path), path));
    pthread_mutex_init(&api->lock, NULL);
    pthread_cond_init(&api->closed, NULL);
    api->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0, NULL,
        NULL, on_request, api, MHD_OPTION_LISTEN_SOCKET, listen_at(path),
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    must(api->daemon != NULL);
    return api;
}

char *fake_api_asked(struct fake_api *api)
{
    pthread_mutex_lock(&api->lock);
    char *copy = must_copy(text_get(&api->asked));
    pthread_mutex_unlock(&api->lock);
    return copy;
}

void fake_api_close(struct fake_api *api)
{
    if (!api)
        return;
    pthread_mutex_lock(&api->lock);
    api->closing = true;
    pthread_cond_broadcast(&api->closed);
    pthread_mutex_unlock(&api->lock);
    MHD_stop_daemon(api->daemon);
    unlink(api->path);
    for (size_t i = 0; i < api->route_count; i++)
        free((char *)(uintptr_t)api->routes[i].body);
    text_reset(&api->asked);
    pthread_mutex_destroy(&api->lock);
    pthread_cond_destroy(&api->closed);
    free(api);
}
