/* desk_internal.h - what desk.c and desk_run.c share; nobody else includes it. */
#ifndef FARMHAND_COORDINATOR_DESK_INTERNAL_H
#define FARMHAND_COORDINATOR_DESK_INTERNAL_H

#include "common/format.h"
#include "coordinator/desk/desk.h"
#include "coordinator/desk/views.h"

/* One request while it is answered. */
struct asking {
    struct desk *desk;
    struct api_request *request;      /* NULL once it was answered */
    const struct operator_right *who; /* NULL: at the unix socket, where all is allowed */
    struct view view;
    char name[WIRE_NAME_MAX]; /* NAME of the path */
    uint64_t id;              /* ID of the path */
    json_t *list;             /* being filled */
    size_t limit;
};

/* Each ends the request. desk_answer takes json. */
void desk_answer(struct asking *a, int status, json_t *json);
void desk_refuse(struct asking *a, const struct error *err);
void desk_refuse_as(struct asking *a, enum error_code code, const char *fmt, ...)
    FORMAT_PRINTF(3, 4);
/* wrapped: {"run": ...} */
void desk_answer_run(struct asking *a, int status, uint64_t id, bool wrapped);
/* The run, with what was changed of its options; changes stays the caller's. */
void desk_answer_set(struct asking *a, uint64_t id, json_t *changes);
/* The server of the path; NULL: refused. */
const struct fleet_server *desk_server(struct asking *a);

/* desk_gate.c: who asks, and may they? Each: false, answered already. */
enum gate_scope {
    GATE_FARM,     /* about the farm as a whole: nothing for those who have servers of their own */
    GATE_SERVER,   /* NAME of the path */
    GATE_RUN,      /* ID of the path */
    GATE_INCIDENT, /* ID of the path */
    GATE_ANY,      /* seen by everybody */
    GATE_BODY,     /* of what the body names, looked at once that was read: gate_plan, gate_run */
};
bool gate_enter(struct asking *a);
bool gate_role(struct asking *a, enum role needed, enum gate_scope scope);
bool gate_plan(struct asking *a, const struct plan_request *q);
bool gate_run(struct asking *a, const struct rollout *run);
bool gate_may_try(struct asking *a);
void desk_get_operators(struct asking *a);
void desk_create_operator(struct asking *a);
void desk_renew_operator(struct asking *a);
void desk_revoke_operator(struct asking *a);

/* desk_enrol.c */
void desk_get_tokens(struct asking *a);
void desk_create_token(struct asking *a);
void desk_revoke_token(struct asking *a);
void desk_get_members(struct asking *a);
void desk_approve_server(struct asking *a);
void desk_remove_server(struct asking *a);
void desk_join(struct asking *a);

/* desk_notice.c */
void desk_get_notices(struct asking *a);
void desk_test_notice(struct asking *a);
json_t *desk_notices(const struct asking *a);

/* Without parameters in its URL; false: answered already. */
bool desk_no_args(struct asking *a);
/* With none but these (NULL-terminated); a number within bounds, *out as it was where it is
 * missing. false: answered already. */
bool desk_only_args(struct asking *a, const char *const *known);
bool desk_number_arg(struct asking *a, const char *name, uint64_t min, uint64_t max, uint64_t *out);

/* desk_audit.c */
void desk_get_audit(struct asking *a);

/* desk_incident.c */
void desk_get_incidents(struct asking *a);
void desk_get_incident(struct asking *a);
void desk_approve_incident(struct asking *a);
void desk_dismiss_incident(struct asking *a);
void desk_fetch_dump(struct asking *a);
void desk_quarantine(struct asking *a);
void desk_get_why(struct asking *a);

/* desk_run.c: starting runs, servers */
void desk_plan_or_begin(struct asking *a, const struct plan_request *q, bool dry_run);
void desk_declare_out(struct asking *a);
void desk_release(struct asking *a);
void desk_maintenance(struct asking *a);
void desk_takeover(struct asking *a);
void desk_start_run(struct asking *a);
/* desk_rehearse.c: what a run would come to */
void desk_rehearse(struct asking *a);
void desk_get_rehearsal(struct asking *a);
void desk_get_recycles(struct asking *a);
/* desk_hold.c: servers in the hands of others */
void desk_get_holds(struct asking *a);
void desk_hold(struct asking *a);
void desk_release_hold(struct asking *a);
/* desk_steer.c: a run that is there */
void desk_set(struct asking *a);
void desk_retry(struct asking *a);
void desk_pause(struct asking *a);
void desk_resume(struct asking *a);
void desk_abort(struct asking *a);
void desk_approve(struct asking *a);
void desk_resolve(struct asking *a);

#endif
