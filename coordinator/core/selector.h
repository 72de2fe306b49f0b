/* selector.h - SELECTOR: which servers are meant. Pure.
 *
 *   selector := part ("," part)*        part := ["!"] term        term := all | GLOB | LABEL=GLOB
 * Names without "=" are united (web01,web02 or web*); labels must all hold (farm=web,zone=a); a
 * part with "!" takes away. If only "!" parts are given they take away from all. Case of names is
 * ignored, as Windows does. Empty is an error, and so is a term that could never match.
 */
#ifndef FARMHAND_COORDINATOR_SELECTOR_H
#define FARMHAND_COORDINATOR_SELECTOR_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

struct selector_label {
    const char *key, *value;
};

enum error_code selector_check(const char *selector, struct error *err);

/* selector must have passed selector_check. */
bool selector_match(const char *selector, const char *server, const struct selector_label *labels,
                    size_t label_count);

/* Which pools are meant: a name, or parts with commas: names and globs are united, a part with "!"
 * takes away, from all if only such are given ("*,!Shop"). Case is ignored, as IIS does. */
bool pools_are_one(const char *pools); /* a name alone, whatever the servers have */
enum error_code pools_check(const char *pools, struct error *err);
/* pools must have passed pools_check. */
bool pools_match(const char *pools, const char *pool);

#endif
