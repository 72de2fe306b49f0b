/* notifier.h - delivers notices: a thread per [notice NAME], which may hang as long as its time-out
 * lets it without holding up anything else.
 *
 * A webhook gets a POST of JSON over libcurl; any 2xx is a delivery, redirects are not followed.
 * Headers: X-Farmhand-Notice (its id), X-Farmhand-Time (seconds since 1970 when it was sent), and
 * with a secret X-Farmhand-Signature: "sha256=" and the HMAC-SHA-256, in hexadecimal, of the time,
 * a full stop and the body. A command gets the same JSON on its stdin; exit code 0 is a delivery,
 * and the first line that it prints is shown when it is another.
 */
#ifndef FARMHAND_COORDINATOR_NOTIFIER_H
#define FARMHAND_COORDINATOR_NOTIFIER_H

#include "common/error.h"

#include <stddef.h>
#include <stdint.h>

struct notifier_target {
    const char *name;
    const char *url;         /* NULL: a command */
    const char *secret_file; /* NULL: not signed; read before each delivery, so it may be changed */
    const char *const *argv; /* NULL-terminated; argv[0] an absolute path */
    uint64_t timeout_ms;
};

struct notifier_result {
    uint64_t id;
    enum error_code code; /* ERR_NONE: delivered */
    char text[ERROR_TEXT_MAX];
};

struct notifier;

/* `target` is lent for its life. `done` is called on its thread, once per notice. */
enum error_code notifier_open(const struct notifier_target *target,
                              void (*done)(void *arg, const struct notifier_result *result),
                              void *arg, struct notifier **out, struct error *err);
/* Breaks off what is under way, within a second or two. NULL is fine. */
void notifier_close(struct notifier *n);
/* One at a time: the next after `done`. json is copied. */
void notifier_give(struct notifier *n, uint64_t id, const char *json);

/* The file of a secret: at least 16 bytes after blanks at its end are cut, and readable by nobody
 * but its owner and group. free() it. */
enum error_code notifier_read_secret(const char *path, char **out, size_t *len, struct error *err);

#endif
