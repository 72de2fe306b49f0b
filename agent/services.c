/* services.c - see services.h. */
#include "agent/services.h"

#include "common/text.h"

#include <stdint.h>

const struct service *services_find(const struct services_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->service_count; i++)
        if (text_equal_nocase(graph->services[i].name, name))
            return &graph->services[i];
    return NULL;
}

/* ---- who depends on whom ---- */

struct names {
    const char *items[SERVICES_MAX];
    size_t count;
};

static bool has(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (text_equal_nocase(names->items[i], name))
            return true;
    return false;
}

static void add(struct names *names, const char *name)
{
    if (names->count < SERVICES_MAX && !has(names, name))
        names->items[names->count++] = name;
}

/* Adds whoever depends on one of them, until nobody new is found. */
static void add_dependents(const struct services_graph *graph, struct names *names)
{
    for (size_t at = 0; at < names->count; at++)
        for (size_t i = 0; i < graph->need_count; i++)
            if (text_equal_nocase(graph->needs[i].needs, names->items[at]))
                add(names, graph->needs[i].service);
}

bool services_depends(const struct services_graph *graph, const char *name, const char *needs)
{
    struct names dependents = {{needs}, 1};
    add_dependents(graph, &dependents);
    return !text_equal_nocase(name, needs) && has(&dependents, name);
}

bool services_is_up(enum service_state state)
{
    switch (state) {
    case SVC_RUNNING:
    case SVC_START_PENDING:
    case SVC_STOP_PENDING: /* not down yet */
    case SVC_PAUSED:
        return true;
    case SVC_UNKNOWN:
    case SVC_STOPPED:
    case SVC_ABSENT:
        break;
    }
    return false;
}

/* ---- orders ---- */

struct arranging {
    struct names left;
    bool on[SERVICES_MAX][SERVICES_MAX]; /* [i][k]: i depends on k, however far */
    bool taken[SERVICES_MAX];
};

static void find_dependents(const struct services_graph *graph, struct arranging *a, size_t k)
{
    struct names dependents = {{a->left.items[k]}, 1};
    add_dependents(graph, &dependents);
    for (size_t i = 0; i < a->left.count; i++)
        a->on[i][k] = i != k && has(&dependents, a->left.items[i]);
}

static bool is_needed(const struct arranging *a, size_t k)
{
    for (size_t i = 0; i < a->left.count; i++)
        if (!a->taken[i] && a->on[i][k])
            return true;
    return false;
}

/* Whoever nobody depends on; in a circle, whoever stands first. */
static size_t next_of(const struct arranging *a)
{
    size_t first = SIZE_MAX;
    for (size_t k = 0; k < a->left.count; k++) {
        if (a->taken[k])
            continue;
        if (!is_needed(a, k))
            return k;
        if (first == SIZE_MAX)
            first = k;
    }
    return first;
}

/* Dependents first. */
static struct services_order arrange(const struct services_graph *graph, const struct names *names)
{
    struct arranging a = {.left = *names};
    struct services_order order = {.count = 0};
    for (size_t k = 0; k < a.left.count; k++)
        find_dependents(graph, &a, k);
    for (size_t k; (k = next_of(&a)) != SIZE_MAX;) {
        a.taken[k] = true;
        order.names[order.count++] = a.left.items[k];
    }
    return order;
}

struct services_order services_stop_order(const struct services_graph *graph,
                                          const char *const *names, size_t count)
{
    struct names all = {.count = 0}, up = {.count = 0};
    for (size_t i = 0; i < count; i++)
        add(&all, names[i]);
    add_dependents(graph, &all);
    for (size_t i = 0; i < all.count; i++) {
        const struct service *service = services_find(graph, all.items[i]);
        if (service && services_is_up(service->state))
            add(&up, service->name);
    }
    return arrange(graph, &up);
}

struct services_order services_start_order(const struct services_graph *graph,
                                           const char *const *ran, size_t count)
{
    struct names wanted = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        const struct service *service = services_find(graph, ran[i]);
        if (service && service->state != SVC_ABSENT && service->start != SVC_START_DISABLED)
            add(&wanted, service->name);
    }
    struct services_order backwards = arrange(graph, &wanted), order = {.count = 0};
    while (backwards.count > 0)
        order.names[order.count++] = backwards.names[--backwards.count];
    return order;
}

/* ---- the host process ---- */

bool services_is_expendable(const struct services_graph *graph, const char *name)
{
    return text_equal_nocase(name, "WAS") || text_equal_nocase(name, "W3SVC") ||
           services_depends(graph, name, "WAS");
}

enum services_host services_judge_host(const struct driver_host *host, char *strangers,
                                       size_t size_bytes)
{
    char list[ERROR_TEXT_MAX] = "";
    size_t count = host->more ? 1 : 0;
    if (host->pid == 0)
        return SERVICES_HOST_NONE;
    for (size_t i = 0; i < host->lodger_count; i++) {
        if (host->lodgers[i].expendable)
            continue;
        char before[sizeof(list)];
        text_copy(before, sizeof(before), list);
        text_format(list, sizeof(list), "%s%s%s", before, before[0] ? ", " : "",
                    host->lodgers[i].service);
        count++;
    }
    if (strangers)
        text_copy(strangers, size_bytes, list[0] == '\0' && host->more ? "more than fit" : list);
    for (size_t i = 0; i < host->lodger_count && count == 0; i++) {
        if (!text_equal(host->lodgers[i].on_death, "reboot"))
            continue;
        if (strangers)
            text_copy(strangers, size_bytes, host->lodgers[i].service);
        return SERVICES_HOST_REBOOTS;
    }
    return count > 0 ? SERVICES_HOST_SHARED : SERVICES_HOST_OURS;
}
