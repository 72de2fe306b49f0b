/* remediation.h - remediation.conf: rules and guards, read, checked as a whole, kept for good.
 *
 * What each key means and what is taken where it is missing stands, line by line, in
 * deploy/remediation.conf.sample. Blocks on reading the file. Decides nothing: see remedy.h.
 */
#ifndef FARMHAND_COORDINATOR_REMEDIATION_H
#define FARMHAND_COORDINATOR_REMEDIATION_H

#include "common/error.h"
#include "coordinator/core/remedy.h"
#include "coordinator/core/windows.h"

#include <stddef.h>
#include <stdint.h>

struct remediation_file; /* what was read; the rules lend from it */

struct remediation {
    struct remedy_rule *rules;
    size_t count;
    struct remedy_guards guards;
    struct remediation_file *file;
};

/* No file: no rule, and guards as they are by default. */
void remediation_default(struct remediation *out);
/* Every error goes to `report`, one line each; err says how many there are, or the first. windows:
 * what names of windows mean; NULL: there are none. On failure *out holds nothing. */
enum error_code remediation_read(const char *path, const struct windows *windows,
                                 struct remediation *out,
                                 void (*report)(void *arg, const char *line), void *arg,
                                 struct error *err);
enum error_code remediation_parse(const char *content, const char *name,
                                  const struct windows *windows, struct remediation *out,
                                  void (*report)(void *arg, const char *line), void *arg,
                                  struct error *err);
void remediation_release(struct remediation *r);

#endif
