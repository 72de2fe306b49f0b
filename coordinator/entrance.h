/* entrance.h - what the coordinator's shell needs for TLS, put together: the CA, who is let in, and
 * enrolment. For the brain thread; what nng's threads ask while they shake hands is members.h.
 */
#ifndef FARMHAND_COORDINATOR_ENTRANCE_H
#define FARMHAND_COORDINATOR_ENTRANCE_H

#include "common/error.h"
#include "coordinator/brain/coordinator.h"
#include "coordinator/enrol/ca.h"
#include "coordinator/enrol/enrol.h"
#include "coordinator/enrol/operators.h"
#include "coordinator/link/link.h"
#include "coordinator/link/link_tls.h"
#include "coordinator/settings/settings.h"

struct entrance;

struct entrance_spec {
    const struct settings *settings; /* borrowed, as all here */
    struct store *store;
    struct coordinator *brain;
    void (*event)(void *ctx, const struct event *event);
    void (*cut)(void *ctx, const char *name); /* end that server's connections */
    void *ctx;
    int64_t wall_ms;
};

/* The CA must have been made: the error tells how. */
enum error_code entrance_open(const struct entrance_spec *spec, struct entrance **out,
                              struct error *err);
void entrance_close(struct entrance *e); /* NULL is fine */

struct enrol *entrance_enrol(struct entrance *e);
struct operators *entrance_operators(struct entrance *e);
const struct ca *entrance_ca(const struct entrance *e);
/* For link_open; lent from e. */
struct link_tls entrance_tls(const struct entrance *e);
/* The coordinator's own certificate: true when it was made anew, and who shows it is to be told
 * (link_renew, api_renew). */
bool entrance_on_time(struct entrance *e, int64_t wall_ms);
/* May that name send what is let in? Cheap: for each message. */
bool entrance_has(const struct entrance *e, const char *name);
/* Answers a renew: the certificate, or ACK. */
void entrance_renew(struct entrance *e, const struct agent_message *m, int64_t wall_ms,
                    void (*reply)(void *arg, const struct coordinator_message *answer), void *arg);

#endif
