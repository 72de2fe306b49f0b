/* ini.c - see ini.h. */
#include "tests/farm/farm/ini.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *section, *key, *value;
};

struct ini {
    struct entry *entries;
    size_t count;
};

struct ini *ini_new(void)
{
    return must_alloc(1, sizeof(struct ini));
}

void ini_free(struct ini *ini)
{
    if (!ini)
        return;
    for (size_t i = 0; i < ini->count; i++) {
        free(ini->entries[i].section);
        free(ini->entries[i].key);
        free(ini->entries[i].value);
    }
    free(ini->entries);
    free(ini);
}

static void set(struct ini *ini, const char *section, const char *key, char *value)
{
    size_t place = ini->count; /* behind the last of its section */
    for (size_t i = 0; i < ini->count; i++) {
        struct entry *e = &ini->entries[i];
        if (strcmp(e->section, section) != 0)
            continue;
        place = i + 1;
        if (strcmp(e->key, key) == 0) {
            free(e->value);
            e->value = value;
            return;
        }
    }
    ini->entries = must_realloc(ini->entries, ini->count + 1, sizeof(*ini->entries));
    memmove(ini->entries + place + 1, ini->entries + place,
            (ini->count - place) * sizeof(*ini->entries));
    ini->entries[place] = (struct entry){must_copy(section), must_copy(key), value};
    ini->count++;
}

void ini_set(struct ini *ini, const char *section, const char *key, const char *fmt, ...)
{
    struct text value = {0};
    va_list args;
    va_start(args, fmt);
    text_vaddf(&value, fmt, args);
    va_end(args);
    set(ini, section, key, text_take(&value));
}

enum error_code ini_override(struct ini *ini, const char *assignment, struct error *err)
{
    char section[256];
    const char *sign = strchr(assignment, '=');
    if (!sign || !text_copy(section, sizeof(section), assignment))
        return error_set(err, ERR_INVALID, "'%s' is not SECTION.KEY=VALUE", assignment);
    section[sign - assignment] = '\0';
    char *dot = strrchr(section, '.');
    if (!dot || dot == section || dot[1] == '\0')
        return error_set(err, ERR_INVALID, "'%s' is not SECTION.KEY=VALUE", assignment);
    *dot = '\0';
    ini_set(ini, section, dot + 1, "%s", sign + 1);
    return ERR_NONE;
}

enum error_code ini_write(const struct ini *ini, const char *path, struct error *err)
{
    struct text out = {0};
    const char *section = "";
    for (size_t i = 0; i < ini->count; i++) {
        const struct entry *e = &ini->entries[i];
        if (strcmp(e->section, section) != 0)
            text_addf(&out, "%s[%s]\n", i ? "\n" : "", e->section);
        section = e->section;
        text_addf(&out, "%s = %s\n", e->key, e->value);
    }
    enum error_code code = os_write_file(path, text_get(&out), out.len, 0644, err);
    text_reset(&out);
    return code;
}
