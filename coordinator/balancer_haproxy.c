/* balancer_haproxy.c - the kind "haproxy": one place, by way of haproxy.h. */
#include "coordinator/balancer_kind.h"

#include "common/text.h"
#include "coordinator/haproxy.h"

#include <stdlib.h>

static struct haproxy link_of(const struct balancer_place *place, int cancel_fd)
{
    return (struct haproxy){place->name, place->address, place->timeout_ms, cancel_fd};
}

static enum error_code check(const struct balancer_place *place, struct error *err)
{
    return haproxy_address_check(place->address ? place->address : "", err);
}

static bool is_serving(const struct haproxy_server *s)
{
    return s->admin == BALANCER_READY && s->up && !s->backup && s->weight > 0;
}

/* Puts what the backend says into the place of it that is asked for. */
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
    entry->life = mine->life;
    return ERR_NONE;
}

static enum error_code read_one(const struct balancer_place *place, int cancel_fd,
                                struct balancer_entry *entry, struct error *err)
{
    struct haproxy link = link_of(place, cancel_fd);
    struct haproxy_server *servers = NULL;
    size_t count = 0;
    enum error_code code = haproxy_read(&link, entry->backend, &servers, &count, err);
    if (code == ERR_NONE)
        code = fill_entry(servers, count, entry, err);
    free(servers);
    return code;
}

static enum error_code set_one(const struct balancer_place *place, int cancel_fd,
                               const struct balancer_entry *entry, enum balancer_admin to,
                               struct error *err)
{
    struct haproxy link = link_of(place, cancel_fd);
    return haproxy_set(&link, entry->backend, entry->name, to, err);
}

const struct balancer_kind balancer_haproxy = {
    .name = "haproxy", .check = check, .read = read_one, .set = set_one};
