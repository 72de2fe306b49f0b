/* zones.c - see zones.h. */
#include "coordinator/settings/zones.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>

struct known {
    char *name;
    struct zone *zone;
};

struct zones {
    struct known *known;
    size_t count;
};

struct zones *zones_open(void)
{
    return must_alloc(1, sizeof(struct zones));
}

void zones_close(struct zones *z)
{
    if (!z)
        return;
    for (size_t i = 0; i < z->count; i++) {
        free(z->known[i].name);
        zone_free(z->known[i].zone);
    }
    free(z->known);
    free(z);
}

static struct zone *read_zone(const char *name)
{
    char path[512];
    char *bytes = NULL;
    size_t len = 0;
    struct zone *zone = NULL;
    const char *dir = getenv("TZDIR");
    if (!text_format(path, sizeof(path), "%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", name))
        return NULL;
    if (os_read_file(path, ZONE_BYTES_MAX, &bytes, &len, NULL) == ERR_NONE)
        zone_parse(bytes, len, &zone, NULL);
    free(bytes);
    return zone;
}

const struct zone *zones_find(struct zones *z, const char *name)
{
    if (!zone_name_ok(name))
        return NULL;
    for (size_t i = 0; i < z->count; i++)
        if (text_equal(z->known[i].name, name))
            return z->known[i].zone;
    struct zone *zone = read_zone(name);
    if (!zone)
        return NULL; /* asked again: its file may come */
    z->known = must_realloc(z->known, z->count + 1, sizeof(*z->known));
    z->known[z->count++] = (struct known){.name = must_copy(name), .zone = zone};
    return zone;
}
