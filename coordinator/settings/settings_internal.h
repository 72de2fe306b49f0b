/* settings_internal.h - what settings.c and settings_check.c share; nobody else includes it. */
#ifndef FARMHAND_COORDINATOR_SETTINGS_INTERNAL_H
#define FARMHAND_COORDINATOR_SETTINGS_INTERNAL_H

#include "coordinator/settings/settings.h"

struct settings_checking {
    const char *file;
    void (*report)(void *arg, const char *line);
    void *arg;
    size_t errors;
    struct error *err; /* the first */
};

/* Checks what the file's lines say together, and fills in what follows from them (lists that end
 * with NULL, labels cut in two, bits of words). */
enum error_code settings_check(struct settings *s, struct settings_checking *c);

#endif
