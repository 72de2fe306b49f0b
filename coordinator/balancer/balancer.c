/* balancer.c - the balancer thread: takes requests in order, talks, answers. See balancer.h. */
#include "coordinator/balancer/balancer.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/balancer/balancer_kind.h"
#include "coordinator/balancer/balancer_map.h"
#include "coordinator/balancer/haproxy.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_MAX 256 /* requests waiting; more are told to come again */

/* What a backend said the last time; until something is set there. */
struct known {
    char balancer[BALANCER_NAME_MAX], backend[BALANCER_NAME_MAX];
    struct balancer_entry *lines; /* by name; NULL: nothing is known */
    size_t count;
    uint64_t read_ms; /* boot clock, when it was asked */
};

struct balancer {
    struct balancer_config config;
    void (*answer)(void *arg, const struct balancer_answer *answer);
    void *arg;
    struct mailbox *queue; /* of struct balancer_request * */
    int cancel_fd;         /* readable once the thread has to end: breaks an exchange off */
    atomic_bool stopping;
    pthread_t thread;
    struct known *known; /* the thread's own */
    size_t known_count;
};

/* ---- kinds ---- */

static enum error_code keepalive_check(const struct balancer_place *place, struct error *err)
{
    (void)place;
    (void)err;
    return ERR_NONE;
}

static enum error_code keepalive_read(const struct balancer_place *place, int cancel_fd,
                                      struct balancer_entry *entry, struct error *err)
{
    (void)cancel_fd;
    return error_set(err, ERR_INVALID, "balancer %s: the keep-alive file of %s is its agent's",
                     place->name, entry->name);
}

static enum error_code keepalive_set(const struct balancer_place *place, int cancel_fd,
                                     const struct balancer_entry *entry, enum balancer_admin to,
                                     struct error *err)
{
    (void)to;
    struct balancer_entry unused = *entry;
    return keepalive_read(place, cancel_fd, &unused, err);
}

const struct balancer_kind balancer_keepalive = {
    .name = "keepalive", .check = keepalive_check, .read = keepalive_read, .set = keepalive_set};

const struct balancer_kind *balancer_kind_find(const char *name)
{
    static const struct balancer_kind *const kinds[] = {&balancer_haproxy, &balancer_command,
                                                        &balancer_keepalive};
    for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (text_equal(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

/* ---- one request ---- */

static enum error_code find_place(const struct balancer *b, const struct balancer_entry *entry,
                                  const struct balancer_place **out, struct error *err)
{
    for (size_t i = 0; i < b->config.place_count; i++) {
        if (text_equal(b->config.places[i].name, entry->balancer)) {
            *out = &b->config.places[i];
            return ERR_NONE;
        }
    }
    return error_set(err, ERR_NOT_FOUND,
                     "balancer \"%s\" is not configured (any more): put its [haproxy %s] or "
                     "[command %s] section back, or set the state of %s in backend %s by hand",
                     entry->balancer, entry->balancer, entry->balancer, entry->name,
                     entry->backend);
}

/* The name may have come from an agent. */
static enum error_code check_name(const struct balancer_entry *entry, struct error *err)
{
    if (haproxy_name_valid(entry->name) && entry->name[0] != '-')
        return ERR_NONE;
    return error_set(err, ERR_INVALID,
                     "\"%s\" cannot be the name of a server in backend %s of balancer %s: give its "
                     "name there in [backend %s]",
                     entry->name, entry->backend, entry->balancer, entry->backend);
}

static struct known *known_of(struct balancer *b, const struct balancer_entry *entry)
{
    for (size_t i = 0; i < b->known_count; i++)
        if (text_equal(b->known[i].balancer, entry->balancer) &&
            text_equal(b->known[i].backend, entry->backend))
            return &b->known[i];
    b->known = must_realloc(b->known, b->known_count + 1, sizeof(*b->known));
    struct known *added = &b->known[b->known_count++];
    *added = (struct known){.lines = NULL};
    text_copy(added->balancer, sizeof(added->balancer), entry->balancer);
    text_copy(added->backend, sizeof(added->backend), entry->backend);
    return added;
}

static void known_forget(struct known *k)
{
    free(k->lines);
    k->lines = NULL;
    k->count = 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct balancer_entry *)a)->name,
                  ((const struct balancer_entry *)b)->name);
}

static enum error_code find_line(const struct known *k, struct balancer_entry *entry,
                                 struct error *err)
{
    const struct balancer_entry *found =
        bsearch(entry, k->lines, k->count, sizeof(*k->lines), by_name);
    if (!found)
        return error_set(
            err, ERR_NOT_FOUND,
            "balancer %s: backend %s has no server \"%s\": give its name there as \"renamed\" in "
            "[backend %s], or \"-\" if it does not stand there",
            entry->balancer, entry->backend, entry->name, entry->backend);
    *entry = *found;
    return ERR_NONE;
}

/* may_be_ms: so old a reading of the backend will do. *oldest_ms: the oldest that was used. */
static enum error_code read_entry(struct balancer *b, struct balancer_entry *entry,
                                  uint32_t may_be_ms, uint64_t *oldest_ms, struct error *err)
{
    const struct balancer_place *place;
    enum error_code code = find_place(b, entry, &place, err);
    code = code != ERR_NONE ? code : check_name(entry, err);
    if (code != ERR_NONE)
        return code;
    const struct balancer_kind *kind = balancer_kind_find(place->kind);
    if (kind->read)
        return kind->read(place, b->cancel_fd, entry, err);
    struct known *k = known_of(b, entry);
    uint64_t now_ms = clock_boot_ms();
    if (!k->lines || !may_be_ms || now_ms - k->read_ms > may_be_ms) {
        known_forget(k);
        k->read_ms = now_ms;
        code = kind->read_all(place, b->cancel_fd, entry, &k->lines, &k->count, err);
    }
    *oldest_ms = k->read_ms < *oldest_ms ? k->read_ms : *oldest_ms;
    return code != ERR_NONE ? code : find_line(k, entry, err);
}

static enum error_code read_entries(struct balancer *b, struct balancer_entry *entries,
                                    size_t count, uint32_t may_be_ms, uint64_t *oldest_ms,
                                    struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        enum error_code code = read_entry(b, &entries[i], may_be_ms, oldest_ms, err);
        if (code != ERR_NONE)
            return code;
    }
    return ERR_NONE;
}

static enum error_code set_entry(struct balancer *b, const struct balancer_entry *entry,
                                 enum balancer_admin to, struct error *err)
{
    const struct balancer_place *place;
    enum error_code code = find_place(b, entry, &place, err);
    code = code != ERR_NONE ? code : check_name(entry, err);
    if (code != ERR_NONE)
        return code;
    known_forget(known_of(b, entry));
    return balancer_kind_find(place->kind)->set(place, b->cancel_fd, entry, to, err);
}

/* A drain stops at its first failure: the caller decides what becomes of what is drained already.
 * Putting back goes on, since every place that can be put back should be; the first failure counts.
 * Whatever fails, the text says how far it came. */
static enum error_code set_entries(struct balancer *b, const struct balancer_entry *entries,
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

/* It was accepted, and yet (HAProxy): a server may track another one, or lack an address. */
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

static enum error_code change(struct balancer *b, struct balancer_entry *entries, size_t count,
                              enum balancer_admin to, struct error *err)
{
    uint64_t oldest_ms = UINT64_MAX;
    enum error_code code = set_entries(b, entries, count, to, err);
    if (code == ERR_NONE)
        code = read_entries(b, entries, count, 0, &oldest_ms, err);
    return code == ERR_NONE ? check_entries(entries, count, to, err) : code;
}

/* The places that are given, or else all that the map has for (server, pool). */
static enum error_code look(struct balancer *b, const struct balancer_request *r,
                            struct balancer_answer *a, struct error *err)
{
    uint64_t now_ms = clock_boot_ms(), oldest_ms = now_ms;
    if (r->place_count == 0)
        a->entry_count = balancer_map(b->config.backends, b->config.backend_count, r->server,
                                      r->pool, a->entries, BALANCER_ENTRIES_MAX);
    enum error_code code =
        read_entries(b, a->entries, a->entry_count, r->may_be_ms, &oldest_ms, err);
    a->age_ms = (uint32_t)(now_ms - oldest_ms);
    return code;
}

static enum error_code carry_out(struct balancer *b, const struct balancer_request *r,
                                 struct balancer_answer *a, struct error *err)
{
    bool reads = r->op == BALANCER_OP_READ;
    if ((r->place_count == 0 && !reads) || r->place_count > BALANCER_ENTRIES_MAX)
        return error_set(err, ERR_INVALID, "%zu places to set: expected 1 to %d", r->place_count,
                         BALANCER_ENTRIES_MAX);
    memcpy(a->entries, r->places, r->place_count * sizeof(*r->places));
    a->entry_count = r->place_count;
    if (reads)
        return look(b, r, a, err);
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
    for (size_t i = 0; i < b->known_count; i++)
        free(b->known[i].lines);
    free(b->known);
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
