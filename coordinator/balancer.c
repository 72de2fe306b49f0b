/* balancer.c - the balancer thread: takes requests in order, talks, answers. See balancer.h. */
#include "coordinator/balancer.h"

#include "common/mailbox.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/balancer_map.h"
#include "coordinator/haproxy.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_MAX 256 /* requests waiting; more are told to come again */

struct balancer {
    struct balancer_config config;
    void (*answer)(void *arg, const struct balancer_answer *answer);
    void *arg;
    struct mailbox *queue; /* of struct balancer_request * */
    int cancel_fd;         /* readable once the thread has to end: breaks an exchange off */
    atomic_bool stopping;
    pthread_t thread;
};

/* ---- one request ---- */

static enum error_code link_to(const struct balancer *b, const char *name, struct haproxy *out,
                               struct error *err)
{
    for (size_t i = 0; i < b->config.place_count; i++) {
        const struct balancer_place *place = &b->config.places[i];
        if (!text_equal(place->name, name))
            continue;
        *out = (struct haproxy){place->name, place->address, place->timeout_ms, b->cancel_fd};
        return ERR_NONE;
    }
    return error_set(err, ERR_NOT_FOUND,
                     "balancer \"%s\" is not configured (any more): put its [haproxy %s] section "
                     "back, or set the server's state by hand",
                     name, name);
}

static bool is_serving(const struct haproxy_server *s)
{
    return s->admin == BALANCER_READY && s->up && !s->backup && s->weight > 0;
}

/* Puts what the backend says into every place of it that is asked for. */
static enum error_code fill_entry(const struct haproxy_server *servers, size_t count,
                                  struct balancer_entry *entry, struct error *err)
{
    const struct haproxy_server *mine = NULL;
    uint32_t others = 0;
    for (size_t i = 0; i < count; i++)
        if (text_equal(servers[i].name, entry->name))
            mine = &servers[i];
        else if (is_serving(&servers[i]))
            others++;
    if (!mine)
        return error_set(
            err, ERR_NOT_FOUND,
            "balancer %s: backend %s has no server \"%s\": give its name there as \"renamed\" in "
            "[backend %s], or \"-\" if it does not stand there",
            entry->balancer, entry->backend, entry->name, entry->backend);
    entry->admin = mine->admin;
    entry->up = mine->up;
    entry->sessions = mine->sessions;
    entry->others_serving = others;
    return ERR_NONE;
}

static enum error_code read_entry(const struct balancer *b, struct balancer_entry *entry,
                                  struct error *err)
{
    struct haproxy link;
    struct haproxy_server *servers = NULL;
    size_t count = 0;
    enum error_code code = link_to(b, entry->balancer, &link, err);
    /* The name is checked here too: it may have come from an agent. */
    if (code == ERR_NONE && !haproxy_name_valid(entry->name))
        code = error_set(err, ERR_INVALID,
                         "\"%s\" cannot be the name of a server in backend %s of balancer %s: give "
                         "its name there in [backend %s]",
                         entry->name, entry->backend, entry->balancer, entry->backend);
    if (code == ERR_NONE)
        code = haproxy_read(&link, entry->backend, &servers, &count, err);
    if (code == ERR_NONE)
        code = fill_entry(servers, count, entry, err);
    free(servers);
    return code;
}

static enum error_code read_entries(const struct balancer *b, struct balancer_entry *entries,
                                    size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        enum error_code code = read_entry(b, &entries[i], err);
        if (code != ERR_NONE)
            return code;
    }
    return ERR_NONE;
}

static enum error_code set_entry(const struct balancer *b, const struct balancer_entry *entry,
                                 enum balancer_admin to, struct error *err)
{
    struct haproxy link;
    enum error_code code = link_to(b, entry->balancer, &link, err);
    return code == ERR_NONE ? haproxy_set(&link, entry->backend, entry->name, to, err) : code;
}

/* A drain stops at its first failure: the caller decides what becomes of what is drained already.
 * Putting back goes on, since every place that can be put back should be; the first failure counts.
 * Whatever fails, the text says how far it came. */
static enum error_code set_entries(const struct balancer *b, const struct balancer_entry *entries,
                                   size_t count, enum balancer_admin to, struct error *err)
{
    enum error_code first = ERR_NONE;
    size_t set = 0;
    for (size_t i = 0; i < count; i++) {
        struct error now = {0};
        enum error_code code = set_entry(b, &entries[i], to, &now);
        if (code == ERR_NONE)
            set++;
        else if (first == ERR_NONE) {
            first = code;
            *err = now;
        }
        if (code != ERR_NONE && to == BALANCER_DRAIN)
            break;
    }
    if (first != ERR_NONE && count > 1)
        error_wrap(err, "%zu of %zu places set to %s", set, count, haproxy_state_word(to));
    return first;
}

/* HAProxy accepted, and yet: a server may track another one, or lack an address. */
static enum error_code check_entries(const struct balancer_entry *entries, size_t count,
                                     enum balancer_admin want, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].admin != want)
            return error_set(err, ERR_STATE,
                             "balancer %s: %s/%s was set to %s but is in %s: is it held by another "
                             "server it tracks, by DNS, or set by somebody else at this moment?",
                             entries[i].balancer, entries[i].backend, entries[i].name,
                             haproxy_state_word(want), haproxy_state_word(entries[i].admin));
    return ERR_NONE;
}

static enum error_code change(const struct balancer *b, struct balancer_entry *entries,
                              size_t count, enum balancer_admin to, struct error *err)
{
    enum error_code code = set_entries(b, entries, count, to, err);
    if (code == ERR_NONE)
        code = read_entries(b, entries, count, err);
    return code == ERR_NONE ? check_entries(entries, count, to, err) : code;
}

static enum error_code carry_out(const struct balancer *b, const struct balancer_request *r,
                                 struct balancer_answer *a, struct error *err)
{
    if (r->op == BALANCER_OP_READ) {
        a->entry_count = balancer_map(b->config.backends, b->config.backend_count, r->server,
                                      r->pool, a->entries, BALANCER_ENTRIES_MAX);
        return read_entries(b, a->entries, a->entry_count, err);
    }
    if (r->place_count == 0 || r->place_count > BALANCER_ENTRIES_MAX)
        return error_set(err, ERR_INVALID, "%zu places to set: expected 1 to %d", r->place_count,
                         BALANCER_ENTRIES_MAX);
    memcpy(a->entries, r->places, r->place_count * sizeof(*r->places));
    a->entry_count = r->place_count;
    return change(b, a->entries, a->entry_count,
                  r->op == BALANCER_OP_DRAIN ? BALANCER_DRAIN : BALANCER_READY, err);
}

static void serve(struct balancer *b, const struct balancer_request *request)
{
    struct error err = {0};
    struct balancer_answer answer = {.ticket = request->ticket, .op = request->op};
    answer.code = carry_out(b, request, &answer, &err);
    if (answer.code != ERR_NONE) {
        memset(answer.entries, 0, sizeof(answer.entries));
        answer.entry_count = 0;
        text_copy(answer.text, sizeof(answer.text), err.text);
    }
    b->answer(b->arg, &answer);
}

/* ---- the thread ---- */

static void *balancer_run(void *arg)
{
    struct balancer *b = arg;
    while (!atomic_load(&b->stopping)) {
        struct balancer_request *request = mailbox_take(b->queue, UINT64_MAX);
        if (request && !atomic_load(&b->stopping))
            serve(b, request);
        free(request);
    }
    return NULL;
}

bool balancer_ask(struct balancer *b, const struct balancer_request *request)
{
    struct balancer_request *copy = must_alloc(1, sizeof(*copy));
    *copy = *request;
    if (mailbox_post(b->queue, copy))
        return true;
    free(copy);
    return false;
}

static void balancer_free(struct balancer *b)
{
    mailbox_close(b->queue);
    if (b->cancel_fd >= 0)
        close(b->cancel_fd);
    balancer_config_release(&b->config);
    free(b);
}

enum error_code balancer_open(const struct balancer_place *places, size_t place_count,
                              const struct balancer_backend *backends, size_t backend_count,
                              void (*answer)(void *arg, const struct balancer_answer *answer),
                              void *arg, struct balancer **out, struct error *err)
{
    struct balancer_config config = {places, place_count, backends, backend_count}, copy;
    enum error_code code = balancer_config_copy(&config, &copy, err);
    if (code != ERR_NONE)
        return code;
    struct balancer *b = must_alloc(1, sizeof(*b));
    b->config = copy;
    b->answer = answer;
    b->arg = arg;
    b->queue = mailbox_open(QUEUE_MAX, free);
    b->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = b->cancel_fd < 0 ? errno : pthread_create(&b->thread, NULL, balancer_run, b);
    if (failed) {
        code = error_errno(err, failed, "starting the balancer thread");
        balancer_free(b);
        return code;
    }
    *out = b;
    return ERR_NONE;
}

void balancer_close(struct balancer *b)
{
    if (!b)
        return;
    atomic_store(&b->stopping, true);
    uint64_t one = 1;
    must(write(b->cancel_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    mailbox_wake(b->queue);
    pthread_join(b->thread, NULL);
    balancer_free(b);
}
