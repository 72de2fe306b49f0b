/* balancer_map.c - which places in rotation a pool of a server has: the map, without any I/O. */
#include "coordinator/balancer/balancer_map.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/balancer/balancer_kind.h"
#include "coordinator/balancer/haproxy.h"

#include <stdlib.h>
#include <string.h>

#define MARK "{server}"

/* "web-{server}" with the server's name put in. */
static void expand(const char *pattern, const char *server, char out[BALANCER_NAME_MAX])
{
    struct text t = {0};
    for (const char *mark; (mark = strstr(pattern, MARK)); pattern = mark + strlen(MARK)) {
        text_add_bytes(&t, pattern, (size_t)(mark - pattern));
        text_add(&t, server);
    }
    text_add(&t, pattern);
    /* Half a name could be another server's: too long becomes empty, which is refused later. */
    if (!text_copy(out, BALANCER_NAME_MAX, text_get(&t)))
        out[0] = '\0';
    text_reset(&t);
}

/* Does the pair "web0*:srv1" speak of this server? Then *to is what stands behind its colon. */
static bool pair_applies(const char *pair, const char *server, const char **to)
{
    char pattern[256];
    const char *colon = strchr(pair, ':'); /* no server's name holds one */
    if (!colon || (size_t)(colon - pair) >= sizeof(pattern))
        return false;
    memcpy(pattern, pair, (size_t)(colon - pair));
    pattern[colon - pair] = '\0';
    if (!text_glob_match(pattern, server))
        return false;
    *to = colon + 1;
    return true;
}

/* The server line of a server; false: the map says that it does not stand in this backend. */
static bool line_of(const struct balancer_backend *b, const char *server,
                    char out[BALANCER_NAME_MAX])
{
    const char *name = b->name_of && b->name_of[0] ? b->name_of : MARK;
    for (const char *const *pair = b->renamed; pair && *pair; pair++)
        if (pair_applies(*pair, server, &name))
            break;
    if (text_equal(name, "-"))
        return false;
    expand(name, server, out);
    return true;
}

static bool serves(const struct balancer_backend *b, const char *pool)
{
    if (pool[0] == '\0' || !b->pool_glob || b->pool_glob[0] == '\0')
        return true;
    return text_glob_match(b->pool_glob, pool);
}

size_t balancer_map(const struct balancer_backend *backends, size_t backend_count,
                    const char *server, const char *pool, struct balancer_entry *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < backend_count && count < max; i++) {
        struct balancer_entry entry = {0};
        if (!serves(&backends[i], pool) || !line_of(&backends[i], server, entry.name))
            continue;
        text_copy(entry.balancer, sizeof(entry.balancer), backends[i].balancer);
        text_copy(entry.backend, sizeof(entry.backend), backends[i].backend);
        if (!balancer_find_place(out, count, &entry))
            out[count++] = entry;
    }
    return count;
}

/* ---- the checked copy ---- */

static enum error_code check_pairs(const struct balancer_backend *b, struct error *err)
{
    for (const char *const *pair = b->renamed; pair && *pair; pair++) {
        const char *colon = strchr(*pair, ':');
        if (!colon || colon == *pair || colon[1] == '\0')
            return error_set(err, ERR_INVALID,
                             "backend %s: \"%s\" is no pair: expected server:name (web01:srv1), or "
                             "server:- for one that does not stand there",
                             b->backend, *pair);
    }
    return ERR_NONE;
}

static bool is_placed(const struct balancer_place *places, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(places[i].name, name))
            return true;
    return false;
}

static enum error_code check_backends(const struct balancer_backend *backends, size_t count,
                                      const struct balancer_place *places, size_t place_count,
                                      struct error *err)
{
    /* Each backend gives at most one place, so a server never has more than fit an answer. */
    if (count > BALANCER_ENTRIES_MAX)
        return error_set(err, ERR_INVALID, "%zu backends: at most %d can be mapped", count,
                         BALANCER_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct balancer_backend *b = &backends[i];
        if (!haproxy_name_valid(b->backend))
            return error_set(err, ERR_INVALID,
                             "\"%s\" cannot be the name of a backend: 1 to %d letters, digits, or "
                             "-_.:",
                             b->backend, BALANCER_NAME_MAX - 1);
        if (!is_placed(places, place_count, b->balancer))
            return error_set(err, ERR_INVALID,
                             "backend %s is on balancer \"%s\", which is not configured: add a "
                             "[haproxy %s] or [command %s] section",
                             b->backend, b->balancer, b->balancer, b->balancer);
        enum error_code code = check_pairs(b, err);
        if (code != ERR_NONE)
            return code;
    }
    return ERR_NONE;
}

static enum error_code check_places(const struct balancer_place *places, size_t count,
                                    struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!haproxy_name_valid(places[i].name))
            return error_set(err, ERR_INVALID,
                             "\"%s\" cannot be the name of a balancer: 1 to %d letters, digits, or "
                             "-_.:",
                             places[i].name, BALANCER_NAME_MAX - 1);
        if (is_placed(places, i, places[i].name))
            return error_set(err, ERR_INVALID, "balancer %s is configured twice", places[i].name);
        if (places[i].timeout_ms == 0)
            return error_set(err, ERR_INVALID, "balancer %s: a time limit of 0 cannot be kept",
                             places[i].name);
        const struct balancer_kind *kind = balancer_kind_find(places[i].kind);
        if (!kind)
            return error_set(err, ERR_INVALID, "balancer %s: there is no kind \"%s\"",
                             places[i].name, places[i].kind ? places[i].kind : "");
        enum error_code code = kind->check(&places[i], err);
        if (code != ERR_NONE) {
            error_wrap(err, "balancer %s", places[i].name);
            return code;
        }
    }
    return ERR_NONE;
}

static const char **copy_list(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    const char **copy = must_alloc(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = must_copy(list[i]);
    return copy;
}

enum error_code balancer_config_copy(const struct balancer_config *from, struct balancer_config *to,
                                     struct error *err)
{
    enum error_code code = check_places(from->places, from->place_count, err);
    if (code == ERR_NONE)
        code = check_backends(from->backends, from->backend_count, from->places, from->place_count,
                              err);
    if (code != ERR_NONE)
        return code;
    struct balancer_place *places = must_alloc(from->place_count + 1, sizeof(*places));
    for (size_t i = 0; i < from->place_count; i++) {
        const struct balancer_place *p = &from->places[i];
        places[i] = (struct balancer_place){.kind = balancer_kind_find(p->kind)->name,
                                            .name = must_copy(p->name),
                                            .address = must_copy(p->address ? p->address : ""),
                                            .timeout_ms = p->timeout_ms,
                                            .argv = copy_list(p->argv),
                                            .check_ms = p->check_ms};
    }
    struct balancer_backend *backends = must_alloc(from->backend_count + 1, sizeof(*backends));
    for (size_t i = 0; i < from->backend_count; i++) {
        backends[i].balancer = must_copy(from->backends[i].balancer);
        backends[i].backend = must_copy(from->backends[i].backend);
        backends[i].pool_glob = must_copy(from->backends[i].pool_glob);
        backends[i].name_of = must_copy(from->backends[i].name_of);
        backends[i].renamed = copy_list(from->backends[i].renamed);
    }
    *to = (struct balancer_config){places, from->place_count, backends, from->backend_count};
    return ERR_NONE;
}

/* The copy's strings are ours: const only for those who read them. */
static void release(const void *memory)
{
    free((void *)(uintptr_t)memory);
}

static void release_list(const char *const *list)
{
    for (const char *const *item = list; *item; item++)
        release(*item);
    release(list);
}

void balancer_config_release(struct balancer_config *c)
{
    for (size_t i = 0; i < c->place_count; i++) {
        release(c->places[i].name);
        release(c->places[i].address);
        release_list(c->places[i].argv);
    }
    for (size_t i = 0; i < c->backend_count; i++) {
        release(c->backends[i].balancer);
        release(c->backends[i].backend);
        release(c->backends[i].pool_glob);
        release(c->backends[i].name_of);
        release_list(c->backends[i].renamed);
    }
    release(c->places);
    release(c->backends);
    *c = (struct balancer_config){0};
}
