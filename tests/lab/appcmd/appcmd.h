/* appcmd.h - the lab's appcmd.exe: IIS.md section 2.
 *
 * Everything is said into `out` first and printed once at the end, through the faults that spoil
 * it. Errors go to the same place, as the real one prints them on stdout.
 */
#ifndef LAB_APPCMD_H
#define LAB_APPCMD_H

#include "common/format.h"
#include "tests/lab/base/iisconf.h"
#include "tests/lab/base/settings.h"
#include "tests/lab/base/win32.h"

#include "common/text.h"

#include <jansson.h>

#define APPCMD_OPTIONS 32

struct option { /* /name:value; value "" for /name */
    const char *name, *value;
};

struct appcmd {
    const char *dir;
    struct settings *settings;
    const char *verb, *object, *identifier; /* identifier NULL: none given */
    struct option options[APPCMD_OPTIONS];
    size_t option_count;
    bool xml, german;
    uint64_t delay_ms;
    struct text out;
};

/* verbs; each returns the exit code and says its words into a->out */
unsigned appcmd_list(struct appcmd *a);
unsigned appcmd_act(struct appcmd *a); /* recycle, start, stop of an apppool */
unsigned appcmd_set(struct appcmd *a);

/* folders.c: each says its rows, vdirs without the end of the list */
size_t appcmd_list_vdirs(struct appcmd *a, const struct iisconf *c);
unsigned appcmd_list_config(struct appcmd *a, const struct iisconf *c);

/* main.c */
const char *appcmd_option(const struct appcmd *a, const char *name); /* NULL: not given */
const char *appcmd_pool_name(const struct appcmd *a); /* identifier or /apppool.name: */

/* say.c */
unsigned say_error(struct appcmd *a, unsigned code, const char *fmt, ...)
    FORMAT_PRINTF(3, 4);                               /* ERROR ( message:... ) */
unsigned say_hresult(struct appcmd *a, unsigned code); /* ERROR ( hresult:..., message:... ) */
unsigned say_unknown(struct appcmd *a, const char *kind, const char *name); /* 1168 */
void say_done(struct appcmd *a, const char *pool); /* "Shop" successfully recycled */
void say_print(struct appcmd *a, unsigned *code);  /* all of a->out, through the faults */

/* wire.c: asks WAS; NULL: *code says why (50: nobody there, 1726: it broke) */
json_t *wire_call(struct appcmd *a, json_t *request, unsigned *code);

#endif
