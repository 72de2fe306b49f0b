/* balancer_haproxy.c - the kind "haproxy", by way of haproxy.h. */
#include "coordinator/balancer/balancer_kind.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/balancer/haproxy.h"

#include <stdlib.h>
#include <string.h>

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

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct balancer_entry *)a)->name,
                  ((const struct balancer_entry *)b)->name);
}

/* Lines of others may have longer names than ours can: they count, and are not told. */
static size_t fill_entries(const struct haproxy_server *servers, size_t count,
                           const struct balancer_entry *like, struct balancer_entry *out)
{
    uint32_t serving = 0;
    size_t filled = 0;
    for (size_t i = 0; i < count; i++)
        serving += is_serving(&servers[i]);
    for (size_t i = 0; i < count; i++) {
        const struct haproxy_server *s = &servers[i];
        struct balancer_entry *e = &out[filled];
        *e = *like;
        e->admin = s->admin;
        e->up = s->up;
        e->sessions = s->sessions;
        e->others_serving = serving - is_serving(s);
        e->life = s->life;
        filled += text_copy(e->name, sizeof(e->name), s->name);
    }
    return filled;
}

static enum error_code read_all(const struct balancer_place *place, int cancel_fd,
                                const struct balancer_entry *entry, struct balancer_entry **out,
                                size_t *count, struct error *err)
{
    struct haproxy link = link_of(place, cancel_fd);
    struct haproxy_server *servers = NULL;
    size_t lines = 0;
    enum error_code code = haproxy_read(&link, entry->backend, &servers, &lines, err);
    if (code != ERR_NONE)
        return code;
    *out = must_alloc(lines + 1, sizeof(**out));
    *count = fill_entries(servers, lines, entry, *out);
    qsort(*out, *count, sizeof(**out), by_name);
    free(servers);
    return ERR_NONE;
}

static enum error_code set_one(const struct balancer_place *place, int cancel_fd,
                               const struct balancer_entry *entry, enum balancer_admin to,
                               struct error *err)
{
    struct haproxy link = link_of(place, cancel_fd);
    return haproxy_set(&link, entry->backend, entry->name, to, err);
}

const struct balancer_kind balancer_haproxy = {
    .name = "haproxy", .check = check, .read_all = read_all, .set = set_one};
