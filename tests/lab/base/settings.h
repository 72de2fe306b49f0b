/* settings.h - the lab's own knobs: lab.conf, and the faults switched on and off while it runs.
 *
 * Every program of the lab opens the same two files of its server and looks again when they have
 * changed, so that a fault reaches whoever it is meant for without being told. Names, scopes and
 * defaults are listed in LAB.md. A scope is a pool, service, site or verb, compared without case.
 */
#ifndef LAB_BASE_SETTINGS_H
#define LAB_BASE_SETTINGS_H

#include "common/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct settings;

/* NULL on failure: a lab.conf that cannot be read or understood, with file and line. */
struct settings *settings_open(const char *server_dir, struct error *err);
void settings_close(struct settings *s);
const char *settings_dir(const struct settings *s);

/* [kind name] key = value; name NULL for [kind]. NULL if it is not there. Lent until close. */
const char *settings_get(const struct settings *s, const char *kind, const char *name,
                         const char *key);
/* The pool's own number, else the server's, else the default. */
uint64_t settings_number(const struct settings *s, const char *pool, const char *key,
                         uint64_t otherwise);
/* Calls each [kind NAME] once. */
void settings_each(const struct settings *s, const char *kind,
                   void (*each)(const char *name, void *arg), void *arg);

/* NULL: off. Otherwise its value, or `otherwise` if it was given none. scope may be NULL. Lent
 * until the next question. */
const char *fault_value(struct settings *s, const char *fault, const char *scope,
                        const char *otherwise);
bool fault_on(struct settings *s, const char *fault, const char *scope);
/* false: off. A value that is no number counts as `otherwise`. */
bool fault_number(struct settings *s, const char *fault, const char *scope, uint64_t otherwise,
                  uint64_t *out);

/* Saves the change in faults.json; seconds 0: until it is switched off. scope and value may be
 * NULL. The name "all" with on=false clears everything. ERR_INVALID: no such fault. */
enum error_code fault_switch(const char *server_dir, const char *fault, const char *scope,
                             const char *value, bool on, uint64_t seconds, struct error *err);
json_t *fault_list(struct settings *s); /* what is on now, as an array; the caller's */

#endif
