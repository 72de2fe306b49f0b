/* members.c - see members.h. */
#include "coordinator/enrol/members.h"

#include "common/must.h"
#include "common/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct allowed {
    char *name;
    bool in;
    int64_t since_ms;
};

struct members {
    pthread_mutex_t lock;
    struct allowed *items; /* by name */
    size_t count;
};

struct members *members_new(void)
{
    struct members *m = must_alloc(1, sizeof(*m));
    must(pthread_mutex_init(&m->lock, NULL) == 0);
    return m;
}

void members_free(struct members *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        free(m->items[i].name);
    free(m->items);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* The place of the first that is not before the name. */
static size_t place_of(const struct members *m, const char *name)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text_compare_nocase(m->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void set(struct members *m, const char *name, bool in, int64_t since_ms)
{
    pthread_mutex_lock(&m->lock);
    size_t at = place_of(m, name);
    if (at == m->count || !text_equal_nocase(m->items[at].name, name)) {
        m->items = must_realloc(m->items, m->count + 1, sizeof(*m->items));
        memmove(m->items + at + 1, m->items + at, (m->count - at) * sizeof(*m->items));
        m->items[at].name = must_copy(name);
        m->count++;
    }
    m->items[at].in = in;
    m->items[at].since_ms = since_ms;
    pthread_mutex_unlock(&m->lock);
}

void members_allow(struct members *m, const char *name, int64_t since_ms)
{
    set(m, name, true, since_ms);
}

void members_forbid(struct members *m, const char *name)
{
    set(m, name, false, INT64_MAX);
}

/* The name may come, with certificates issued since *since_ms. */
static bool look(struct members *m, const char *name, int64_t *since_ms)
{
    pthread_mutex_lock(&m->lock);
    size_t at = place_of(m, name);
    bool in = at < m->count && text_equal_nocase(m->items[at].name, name) && m->items[at].in;
    if (in)
        *since_ms = m->items[at].since_ms;
    pthread_mutex_unlock(&m->lock);
    return in;
}

bool members_admit(struct members *m, const char *name, int64_t issued_ms)
{
    int64_t since_ms;
    return look(m, name, &since_ms) && issued_ms > 0 && issued_ms >= since_ms;
}

bool members_has(struct members *m, const char *name)
{
    int64_t since_ms;
    return look(m, name, &since_ms);
}
