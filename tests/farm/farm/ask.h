/* ask.h - what the farm's parts answer: HAProxy, the coordinator, the visitors, the lab.
 *
 * All block, a few seconds at most.
 */
#ifndef FARM_FARM_ASK_H
#define FARM_FARM_ASK_H

#include "tests/farm/farm/farm.h"

#include <jansson.h>

/* One line to a local socket; everything it answers until it hangs up, or (`one_line`) a line.
 * free() it. NULL: err says why. */
char *ask_line(const char *socket, const char *line, bool one_line, struct error *err);

json_t *ask_visitors(const struct farm *f, const char *line, struct error *err);
/* The coordinator's interface; any status but 200 is an error with its text. */
json_t *ask_coordinator(const struct farm *f, const char *path, struct error *err);
/* `lab-sc truth` of one server. */
json_t *ask_truth(const struct farm *f, unsigned index, struct error *err);

/* Calls each with the balancer's state of every server line ("UP", "DOWN", "DRAIN", "MAINT", ...).
 */
enum error_code ask_balancer(const struct farm *f,
                             void (*each)(void *arg, const char *backend, const char *server,
                                          const char *status, const char *sessions),
                             void *arg, struct error *err);

#endif
