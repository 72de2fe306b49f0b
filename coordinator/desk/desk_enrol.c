/* desk_enrol.c - tokens, joining, who belongs to the farm. See desk.h. */
#include "coordinator/desk/desk_body.h"

#include "common/log.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define YEAR_MS (366ULL * DESK_DAY_MS)

/* false: answered already. */
static bool has_ca(struct asking *a)
{
    if (a->desk->enrol)
        return true;
    desk_refuse_as(a, ERR_UNAVAILABLE,
                   "this coordinator runs without TLS (without_tls in coordinator.conf): there is "
                   "nothing to join");
    return false;
}

/* ---- tokens ---- */

static json_t *view_right(const struct asking *a, const struct join_right *r)
{
    const char *spent = join_right_spent(r, a->view.wall_ms);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:s, s:o}", "id", r->id, "for",
                     r->names, "labels", r->labels, "profile", profile_name(r->profile), "uses",
                     (json_int_t)r->uses, "used", (json_int_t)r->used, "created_at",
                     view_time(r->created_ms), "expires_at", view_time(r->expires_ms), "revoked_at",
                     view_time(r->revoked_ms), "created_by", r->created_by, "spent",
                     spent ? json_string(spent) : json_null());
}

void desk_get_tokens(struct asking *a)
{
    if (!desk_no_args(a) || !has_ca(a))
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < enrol_right_count(a->desk->enrol); i++)
        json_array_append_new(list, view_right(a, enrol_right_at(a->desk->enrol, i)));
    desk_answer(a, 200, json_pack("{s:o}", "tokens", list));
}

static bool parse_profile(const char *word, void *out)
{
    return profile_parse(word, out);
}

static enum error_code take_wish(struct asking *a, struct enrol_wish *w, json_t **body,
                                 struct error *err)
{
    *w = (struct enrol_wish){
        .names = "", .labels = "", .reason = "", .actor = a->request->actor, .uses = 1};
    const struct field fields[] = {
        TEXT("for", &w->names),
        TEXT("labels", &w->labels),
        WORD("profile", &w->profile, parse_profile, "observe, operate or operate-services"),
        U64("uses", &w->uses, 1, 100000),
        U64("for_ms", &w->for_ms, 1000, YEAR_MS),
        TEXT("reason", &w->reason),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), body, err);
    return code ? code : want_reason(w->reason, err);
}

void desk_create_token(struct asking *a)
{
    struct error err = {0};
    struct enrol_wish wish;
    const struct join_right *right = NULL;
    char token[TOKEN_TEXT_MAX];
    json_t *body = NULL;
    if (!has_ca(a))
        return;
    enum error_code code = take_wish(a, &wish, &body, &err);
    code = code ? code : enrol_create(a->desk->enrol, &wish, a->view.wall_ms, token, &right, &err);
    if (code) {
        desk_refuse(a, &err);
    } else {
        json_t *told = view_right(a, right);
        json_object_set_new(told, "token", json_string(token));
        json_object_set_new(told, "url", json_string(a->desk->join_url));
        desk_answer(a, 201, told);
        text_wipe(token, sizeof(token));
    }
    json_decref(body);
}

/* {"reason"} and, where there is one, "key". */
static enum error_code take_reason(struct asking *a, const char **reason, const char **key,
                                   json_t **body, struct error *err)
{
    const struct field fields[] = {TEXT("reason", reason), TEXT("key", key)};
    *reason = *key = "";
    enum error_code code = take_body(a, fields, COUNT(fields), body, err);
    return code ? code : want_reason(*reason, err);
}

void desk_revoke_token(struct asking *a)
{
    struct error err = {0};
    const char *reason, *key;
    json_t *body = NULL;
    if (!has_ca(a))
        return;
    enum error_code code = take_reason(a, &reason, &key, &body, &err);
    code = code ? code
                : enrol_revoke(a->desk->enrol, a->name, a->request->actor, reason, a->view.wall_ms,
                               &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer(a, 200, json_pack("{s:s}", "revoked", a->name));
    json_decref(body);
}

/* ---- members, and those that wait ---- */

static json_t *view_member(const struct member *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "name", m->name, "labels",
                     m->labels, "profile", profile_name(m->profile), "token", m->token, "key",
                     m->key, "joined_at", view_time(m->joined_ms), "certificate_until",
                     view_time(m->until_ms), "removed_at", view_time(m->removed_ms));
}

static json_t *view_joining(const struct joining *j)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", j->name, "key", j->key, "token",
                     j->token, "address", j->address, "why", j->why, "asked_at",
                     view_time(j->asked_ms), "approved_at", view_time(j->approved_ms));
}

void desk_get_members(struct asking *a)
{
    if (!desk_no_args(a) || !has_ca(a))
        return;
    const struct enrol *e = a->desk->enrol;
    json_t *members = json_array(), *waiting = json_array();
    for (size_t i = 0; i < enrol_member_count(e); i++)
        json_array_append_new(members, view_member(enrol_member_at(e, i)));
    for (size_t i = 0; i < enrol_joining_count(e); i++)
        json_array_append_new(waiting, view_joining(enrol_joining_at(e, i)));
    desk_answer(a, 200, json_pack("{s:o, s:o}", "members", members, "waiting", waiting));
}

void desk_approve_server(struct asking *a)
{
    struct error err = {0};
    const char *reason, *key;
    json_t *body = NULL;
    if (!has_ca(a))
        return;
    enum error_code code = take_reason(a, &reason, &key, &body, &err);
    code = code ? code
                : enrol_approve(a->desk->enrol, a->name, key, a->request->actor, reason,
                                a->view.wall_ms, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer(a, 200, json_pack("{s:s}", "approved", a->name));
    json_decref(body);
}

void desk_remove_server(struct asking *a)
{
    struct error err = {0}, kept = {0};
    const char *reason, *key;
    json_t *body = NULL;
    if (!has_ca(a))
        return;
    enum error_code code = take_reason(a, &reason, &key, &body, &err);
    code = code ? code
                : enrol_remove(a->desk->enrol, a->name, a->request->actor, reason, a->view.wall_ms,
                               &err);
    /* Out of the list as well, unless somebody holds it; one that was removed before may still be
     * there because of that. */
    bool known = fleet_find(coordinator_fleet(a->desk->brain), a->name) != NULL;
    if (known && (code == ERR_NONE || code == ERR_NOT_FOUND) && reason[0])
        code = ERR_NONE;
    if (code) {
        desk_refuse(a, &err);
    } else {
        enum error_code left =
            coordinator_drop_server(a->desk->brain, a->name, a->request->actor, reason,
                                    a->view.now_ms, a->view.wall_ms, &kept);
        bool listed = left != ERR_NONE && left != ERR_NOT_FOUND;
        desk_answer(a, 200,
                    json_pack("{s:s, s:b, s:s}", "removed", a->name, "listed", listed, "why",
                              listed ? kept.text : ""));
    }
    json_decref(body);
}

/* ---- joining: from an agent, with nothing but its token ---- */

static void answer_join(struct asking *a, struct enrol_answer *answer)
{
    if (!answer->in) {
        desk_answer(a, 202, json_pack("{s:s, s:s}", "state", "waits", "why", answer->why));
        return;
    }
    desk_answer(a, 200,
                json_pack("{s:s, s:s, s:s, s:i}", "state", "in", "certificate", answer->issued.pem,
                          "profile", profile_name(answer->profile), "agents_port",
                          (int)a->desk->agents_port));
    free(answer->issued.pem);
}

static void note_join(const struct asking *a, const struct enrol_request *r, enum error_code code,
                      const char *how)
{
    log_event(code ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "join", LOG_TEXT("server", r->name),
              LOG_TEXT("address", a->request->address), LOG_TEXT("how", how));
}

void desk_join(struct asking *a)
{
    struct error err = {0};
    struct enrol_request r = {
        .token = "", .name = "", .request = "", .address = a->request->address};
    struct enrol_answer answer;
    json_t *body = NULL;
    bool wrong = false;
    if (!has_ca(a) || !gate_may_try(a))
        return;
    const struct field fields[] = {TEXT("token", &r.token), TEXT("name", &r.name),
                                   TEXT("request", &r.request)};
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    code = code ? code : enrol_join(a->desk->enrol, &r, a->view.wall_ms, &answer, &wrong, &err);
    if (wrong)
        throttle_wrong(a->desk->throttle, a->request->network, a->view.now_ms);
    note_join(a, &r, code, code ? err.text : answer.in ? "in" : answer.why);
    if (code)
        desk_refuse(a, &err);
    else
        answer_join(a, &answer);
    json_decref(body);
}
