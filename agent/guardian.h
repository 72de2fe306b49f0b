/* guardian.h - who starts the services again when the agent cannot.
 *
 * Before the first stop of a recovery the agent leaves an order in its data_dir and starts the same
 * program as `farmhand-agent guardian FILE`. That process leaves the agent's session, reads the
 * order, says that it stands by, and from then on looks four times a second: when the order is gone
 * (or another stands there) it ends; when the order's time is over, or the agent's process has been
 * gone for GUARDIAN_GRACE_MS, it starts W3SVC and then the other services that the order names. It
 * can do nothing else: no stop, no kill, no change of a start type. What is disabled, and a machine
 * that shuts down, it leaves alone. What it did stands in a file beside the order, for the agent
 * to tell.
 *
 * An agent that comes back meanwhile finishes the start half itself: starting twice harms nothing.
 *
 * Files in data_dir: guardian.order, guardian.stands (its pid), guardian.done (a sentence).
 */
#ifndef FARMHAND_AGENT_GUARDIAN_H
#define FARMHAND_AGENT_GUARDIAN_H

#include "common/error.h"

#include <stddef.h>
#include <stdint.h>

#define GUARDIAN_GRACE_MS 10000

/* Lent for the life of whoever uses it. */
struct guardian_spec {
    const char *data_dir;
    const char *backend; /* of services: one of scm_names */
    const char *tool;    /* for that; NULL */
};

/* Writes the order and starts the process; returns when it stands by, a few seconds at most.
 * services: names, one a line, to be started in the end; W3SVC comes first whether named or not.
 * within_ms: how long it waits for guardian_end. ERR_TIMEOUT: it does not stand by. Blocks. */
enum error_code guardian_arm(const struct guardian_spec *spec, const char *services,
                             uint64_t within_ms, struct error *err);

/* The end is told: the guardian leaves. `told`: what it did meanwhile, "" if nothing. ERR_NONE as
 * well where no order stands. */
enum error_code guardian_end(const struct guardian_spec *spec, char *told, size_t size_bytes,
                             struct error *err);

/* `farmhand-agent guardian FILE`: argv[1] is the file. Returns the process's exit code. */
int guardian_main(int argc, char **argv);

/* ---- for guardian*.c and tests ---- */

struct guardian_order {
    char id[33]; /* random, in hex: which order this is */
    uint32_t agent_pid;
    uint64_t agent_created;
    uint64_t within_ms, grace_ms;
    char backend[32];
    char tool[4096];
    char services[4096]; /* one a line */
};
/* ERR_CORRUPT: it is no order. */
enum error_code guardian_read(const char *path, struct guardian_order *out, struct error *err);
enum error_code guardian_write(const char *path, const struct guardian_order *order,
                               struct error *err);

/* guardian_posix.c, guardian_win32.c. Starts this program as the guardian of that order, out of the
 * caller's session or job, and returns when it stands by. ERR_TIMEOUT: it does not; ERR_IO: it
 * ended instead. */
enum error_code guardian_start(const char *order_path, const struct guardian_order *order,
                               struct error *err);
/* In the guardian. Leaves the caller's session, terminal and directory: 0 in the process that goes
 * on, 1 in the one that shall end (with the exit code in *exit_code). The one that ends does so
 * when the other calls guardian_stands, or fails before. */
int guardian_leave(int *exit_code, struct error *err);
void guardian_stands(const struct guardian_order *order);

#endif
