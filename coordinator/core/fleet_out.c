/* fleet_out.c - who is in service, and for what. See fleet.h.
 *
 * A server counts once, however much of it is out: it is *out* as soon as a place of it in rotation
 * is, whichever pool stands there, since its visitors miss it there. Two things follow. A pool that
 * a person stopped to stay stopped is missed by nobody, and neither is a place where such pools
 * alone stand: it is excused. And what is out may still serve, elsewhere: only where nothing of
 * what is to be taken serves does taking it cost nothing (fleet_serves_still).
 */
#include "coordinator/core/fleet.h"

#include "common/text.h"

#include <string.h>

#define PLACES_FRESH_MS 10000

static bool services_down(const struct fleet_server *s, char *why, size_t why_size)
{
    if (!s->services_down[0] || s->services_seen_up) {
        return false;
    }
    text_copy(why, why_size, s->services_down);
    return true;
}

static bool pool_down(const struct fleet_server *s, const char *name, char *why, size_t why_size)
{
    const struct pool *pool = name ? fleet_pool(s, name) : NULL;
    if (!pool || pool->state == POOL_STATE_STARTED || pool->state == POOL_STATE_UNKNOWN ||
        text_equal_nocase(pool->name, s->pool_seen_up)) {
        return false;
    }
    text_format(why, why_size, "pool %s is %s", pool->name, pool_state_name(pool->state));
    return true;
}

/* IIS recycles by itself as well: by its clock, a limit, a crash. With overlap nobody notices; else
 * a pool that always has a worker has none for a moment, and that server is out. */
static bool lacks_worker(const struct fleet_server *s, const char *name, char *why, size_t why_size)
{
    const struct pool *pool = name ? fleet_pool(s, name) : NULL;
    const struct state *latest = fleet_latest(s);
    if (!pool || !latest || pool->state != POOL_STATE_STARTED ||
        pool->start_mode != START_MODE_ALWAYS_RUNNING || (latest->trouble && latest->trouble[0])) {
        return false;
    }
    for (size_t i = 0; i < latest->worker_count; i++) {
        if (text_equal_nocase(latest->workers[i].pool, pool->name)) {
            return false;
        }
    }
    text_format(why, why_size, "pool %s has no worker now", pool->name);
    return true;
}

static bool stopped_on_purpose(const struct fleet_server *s, const char *name)
{
    const struct pool *pool = name ? fleet_pool(s, name) : NULL;
    return pool && pool->state == POOL_STATE_STOPPED && !pool->auto_start;
}

static bool places_known(const struct fleet_server *s, uint64_t now_ms)
{
    uint64_t life_ms = s->places_life_ms > PLACES_FRESH_MS ? s->places_life_ms : PLACES_FRESH_MS;
    return s->places_ms && now_ms - s->places_ms <= life_ms;
}

/* ---- whose place it is ---- */

static size_t map(const struct fleet_server *s, const char *pool, struct balancer_entry *out)
{
    return s->spec->map ? s->spec->map(s->spec->map_ctx, s->name, pool, out, BALANCER_ENTRIES_MAX)
                        : 0;
}

static bool stands_in(const struct fleet_server *s, const char *pool,
                      const struct balancer_entry *place)
{
    struct balancer_entry own[BALANCER_ENTRIES_MAX];
    return balancer_find_place(own, map(s, pool, own), place) != NULL;
}

/* Every pool that stands there was stopped on purpose; or the one that is asked for was, then the
 * place is not missed for its sake, whoever else stands there. */
static bool is_excused(const struct fleet_server *s, const char *pool,
                       const struct balancer_entry *place)
{
    const struct state *whole = fleet_whole(s);
    bool any = false;
    if (stopped_on_purpose(s, pool) && stands_in(s, pool, place)) {
        return true;
    }
    for (size_t i = 0; whole && i < whole->pool_count; i++) {
        const char *name = whole->pools[i].name;
        if (stands_in(s, name, place)) {
            if (!stopped_on_purpose(s, name)) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

static bool is_all_excused(const struct fleet_server *s, const char *pool)
{
    struct balancer_entry all[BALANCER_ENTRIES_MAX];
    size_t count = map(s, "", all);
    for (size_t i = 0; i < count; i++) {
        if (!is_excused(s, pool, &all[i])) {
            return false;
        }
    }
    return count > 0;
}

static bool is_serving(const struct balancer_entry *place)
{
    return place->admin == BALANCER_READY && place->up;
}

static bool place_down(const struct fleet_server *s, const char *pool, uint64_t now_ms, char *why,
                       size_t why_size)
{
    if (!places_known(s, now_ms)) {
        return false;
    }
    for (size_t i = 0; i < s->place_count; i++) {
        const struct balancer_entry *e = &s->places[i];
        if (!is_serving(e) && !is_excused(s, pool, e)) {
            text_format(why, why_size, "%s in backend %s",
                        e->admin == BALANCER_DRAIN   ? "drained"
                        : e->admin == BALANCER_MAINT ? "in maintenance"
                                                     : "down",
                        e->backend);
            return true;
        }
    }
    return false;
}

bool fleet_is_dark(const struct fleet_server *s, const char *pool, uint64_t now_ms, char *why,
                   size_t why_size)
{
    if (places_known(s, now_ms) || is_all_excused(s, pool && pool[0] ? pool : NULL)) {
        return false;
    }
    if (s->places_ms) {
        char age[TEXT_DURATION_MAX];
        text_format(why, why_size, "its balancer has not told where it stands for %s",
                    text_format_duration(age, (now_ms - s->places_ms) / 1000 * 1000));
    } else {
        text_copy(why, why_size, "its balancer has not told yet where it stands");
    }
    return true;
}

bool fleet_services_down(const struct fleet_server *s)
{
    char why[160];
    return s->presence == PRESENCE_FRESH && fleet_whole(s) && services_down(s, why, sizeof why);
}

bool fleet_is_out(const struct fleet_server *s, const char *pool, uint64_t now_ms, char *why,
                  size_t why_size)
{
    pool = pool && pool[0] ? pool : NULL;
    text_copy(why, why_size, "");
    switch (s->presence) {
    case PRESENCE_NEVER_SEEN:
        text_copy(why, why_size, "never seen");
        return true;
    case PRESENCE_SILENT:
        if (s->heard_ms) {
            char age[TEXT_DURATION_MAX];
            text_format(why, why_size, "silent for %s",
                        text_format_duration(age, (now_ms - s->heard_ms) / 1000 * 1000));
        } else {
            text_copy(why, why_size, "silent");
        }
        return true;
    case PRESENCE_QUARANTINED:
        text_copy(why, why_size, "in quarantine");
        return true;
    case PRESENCE_FRESH:
    case PRESENCE_DECLARED_OUT:
        break;
    }
    if (services_down(s, why, why_size)) {
        return true;
    }
    bool meant = stopped_on_purpose(s, pool);
    return (!meant &&
            (pool_down(s, pool, why, why_size) || lacks_worker(s, pool, why, why_size))) ||
           place_down(s, pool, now_ms, why, why_size);
}

bool fleet_serves_still(const struct fleet_server *s, const char *pool, uint64_t now_ms)
{
    char why[160];
    pool = pool && pool[0] ? pool : NULL;
    bool heard = s->presence == PRESENCE_FRESH || s->presence == PRESENCE_DECLARED_OUT;
    if (!heard || services_down(s, why, sizeof why) || pool_down(s, pool, why, sizeof why) ||
        lacks_worker(s, pool, why, sizeof why) || !places_known(s, now_ms)) {
        return false;
    }
    for (size_t i = 0; i < s->place_count; i++) {
        const struct balancer_entry *e = &s->places[i];
        if (is_serving(e) && (!pool || stands_in(s, pool, e))) {
            return true;
        }
    }
    return false;
}
