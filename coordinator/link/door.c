/* door.c - see door.h. */
#include "coordinator/link/door.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct door_address {
    struct door_address *next;
    char name[DOOR_ADDRESS_MAX];
    uint32_t count;
    bool bound; /* by of_one */
};

struct door {
    uint32_t of_one, total, count;
    struct door_address *buckets[BUCKETS];
};

static const char *const unbound[] = {"127.0.0.1", "[::1]", "", NULL};

struct door *door_new(uint32_t of_one, uint32_t total)
{
    struct door *d = must_alloc(1, sizeof(*d));
    d->of_one = of_one ? of_one : DOOR_OF_ONE;
    d->total = total ? total : DOOR_TOTAL;
    return d;
}

void door_free(struct door *d)
{
    must(!d || d->count == 0);
    free(d);
}

void door_name(const uint8_t v4[4], const uint8_t v6[16], char out[DOOR_ADDRESS_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, loopback[16] = {[15] = 1};
    char hex[2 * 8 + 1];
    if (v6 && memcmp(v6, mapped, sizeof(mapped)) == 0)
        v4 = v6 + sizeof(mapped);
    if (v4) {
        text_format(out, DOOR_ADDRESS_MAX, "%u.%u.%u.%u", v4[0], v4[1], v4[2], v4[3]);
    } else if (v6 && memcmp(v6, loopback, sizeof(loopback)) == 0) {
        text_copy(out, DOOR_ADDRESS_MAX, "[::1]");
    } else if (v6) {
        text_to_hex(hex, v6, 8);
        text_format(out, DOOR_ADDRESS_MAX, "[%.4s:%.4s:%.4s:%.4s::/64]", hex, hex + 4, hex + 8,
                    hex + 12);
    } else {
        out[0] = '\0';
    }
}

/* The place that leads to the address, or to the end of its bucket. */
static struct door_address **find(struct door *d, const char *name)
{
    struct door_address **place = &d->buckets[text_hash_nocase(TEXT_HASH_BEGIN, name) % BUCKETS];
    while (*place && !text_equal((*place)->name, name))
        place = &(*place)->next;
    return place;
}

static struct door_address *make(const char *name)
{
    struct door_address *a = must_alloc(1, sizeof(*a));
    text_copy(a->name, sizeof(a->name), name);
    a->bound = true;
    for (size_t i = 0; unbound[i]; i++)
        if (text_equal(name, unbound[i]))
            a->bound = false;
    return a;
}

struct door_address *door_enter(struct door *d, const char *name)
{
    struct door_address **place = find(d, name);
    if (d->count >= d->total || (*place && (*place)->bound && (*place)->count >= d->of_one))
        return NULL;
    if (!*place)
        *place = make(name);
    (*place)->count++;
    d->count++;
    return *place;
}

void door_leave(struct door *d, struct door_address *of)
{
    must(of->count > 0 && d->count > 0);
    d->count--;
    if (--of->count > 0)
        return;
    *find(d, of->name) = of->next;
    free(of);
}

bool door_is_crowded(const struct door *d, const struct door_address *of)
{
    return d->count > d->total / 2 || (of->bound && of->count > d->of_one / 2);
}
