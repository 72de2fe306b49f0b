/* scm.h - the services of one simulated machine: WAS, W3SVC, one more that depends on WAS, and a
 * stranger that may live in their process; and what calls of the driver see and do there. IIS.md
 * sections 1 and 4. What is pending ends by a due event, so that states are as of now.
 *
 * WAS brings the pools: none runs without it. W3SVC has the sites: nobody is answered without it.
 */
#ifndef FARMHAND_TESTS_SIM_SCM_H
#define FARMHAND_TESTS_SIM_SCM_H

#include "agent/call.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;

enum scm_who { SCM_WAS, SCM_WEB, SCM_PIPE, SCM_STRANGER };
#define SCM_SERVICES 4
#define SCM_NEEDS    2

struct scm_service {
    enum service_state state;
    enum service_start start;
    uint64_t no; /* of what is pending: an older due event is void */
};

struct scm {
    struct scm_service all[SCM_SERVICES];
    uint32_t host_pid; /* 0: WAS and W3SVC have no process */
    uint64_t host_created;
    bool shared;                /* the stranger lives in it */
    bool stuck;                 /* a stop of WAS does not end */
    enum error_code no_stop;    /* W3SVC takes no stop: this is the answer */
    bool no_start;              /* W3SVC ends as soon as it has started */
    bool on_purpose;            /* WAS was disabled by a person */
    uint64_t purpose_ms;        /* since then */
    enum error_code next_error; /* as iis.h has it, for calls of services */
    bool error_but_done;
    /* lent by scm_fill */
    struct service seen[SCM_SERVICES];
    struct service_need needs[SCM_NEEDS];
};

void scm_init(struct world *w, int machine);
/* How long a call takes. */
uint64_t scm_call_ms(struct world *w, const struct call *call);
/* Carries out what acts; true: it was really done. */
bool scm_act(struct world *w, int machine, const struct call *call, enum error_code *code);
/* False: SERVICE_WAIT is not over yet, since_ms after which it began; else `code` says how it
 * ended. */
bool scm_wait_is_over(struct world *w, int machine, const struct call *call, uint64_t since_ms,
                      enum error_code *code);
/* What SERVICES, SERVICE_HOST and looks see; points into the machine's scm. */
void scm_fill(struct world *w, int machine, struct call_result *out);
bool scm_runs(const struct scm *m, enum scm_who who);
bool scm_is_well(const struct scm *m); /* WAS, W3SVC and what depends on them run */
/* Nothing that we may do would bring WAS and W3SVC up now. */
bool scm_cannot(const struct scm *m);
/* -1: none of that name */
int scm_named(const char *name);
const char *scm_name(enum scm_who who);
/* Asks it to start, as the guardian does. */
enum error_code scm_start(struct world *w, int machine, enum scm_who who);

/* What others do. */
void scm_power_off(struct world *w, int machine);
void scm_power_on(struct world *w, int machine); /* what starts by itself does */
/* An IISRESET, or a script: everything is asked to stop, and nothing started again. */
void scm_foreign_stop(struct world *w, int machine);
void scm_disable(struct world *w, int machine); /* WAS, and stops everything: a person's work */
void scm_enable(struct world *w, int machine);  /* that is over */
/* A person makes them run again, if they should; what we stopped is ours to start. */
void scm_mend(struct world *w, int machine);

#endif
