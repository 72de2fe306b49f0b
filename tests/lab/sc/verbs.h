/* verbs.h - the client side of lab-sc: sc's verbs and the lab's own desk. */
#ifndef LAB_SC_VERBS_H
#define LAB_SC_VERBS_H

#include "common/error.h"

#include <jansson.h>
#include <stdbool.h>

struct verb_context {
    const char *dir; /* absolute, without links */
    bool json;
    int argc;
    char **argv; /* argv[0] is the verb */
};

/* What the service manager answers to {"op","service",...}: {"code","message","services"}, as on
 * control.sock (LAB.md); the request is released here. NULL: there is none. A body per system. */
json_t *services_ask(const char *dir, json_t *request, struct error *err);

/* Return a Win32 code, which is the exit code. */
unsigned verb_service(const struct verb_context *c); /* query, queryex, start, stop, qc, ... */

/* power.c: return an exit code 0, 1 (failed) or 2 (usage) */
int verb_create(const struct verb_context *c);
int verb_up(const struct verb_context *c);
int verb_wait(const struct verb_context *c);
int verb_down(const struct verb_context *c);
int verb_crash(const struct verb_context *c);

/* look.c */
int verb_fault(const struct verb_context *c);
int verb_truth(const struct verb_context *c);
int verb_counters(const struct verb_context *c);
int verb_events(const struct verb_context *c);

/* The word after `name` among the arguments; NULL: not given. */
const char *verb_option(const struct verb_context *c, const char *name);

#endif
