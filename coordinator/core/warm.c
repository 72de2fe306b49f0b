/* warm.c - see warm.h. */
#include "coordinator/core/warm.h"

#include "common/text.h"

#include <string.h>

static bool has(const char *settings, const char *name, size_t name_len)
{
    for (const char *at = settings; *at;) {
        if (strncmp(at, name, name_len) == 0 && at[name_len] == '=')
            return true;
        at += strcspn(at, ";");
        at += *at == ';';
    }
    return false;
}

bool warm_merge(const char *older, const char *newer, char *out, size_t size_bytes)
{
    struct text all = {0};
    text_add(&all, older);
    for (const char *at = newer; *at;) {
        size_t len = strcspn(at, ";"), name = strcspn(at, "=");
        if (name < len && !has(older, at, name))
            text_addf(&all, "%s%.*s", all.len ? ";" : "", (int)len, at);
        at += len + (at[len] == ';');
    }
    bool fits = text_copy(out, size_bytes, text_get(&all));
    if (!fits)
        text_copy(out, size_bytes, older);
    text_reset(&all);
    return fits;
}
