/* desk_incident.c - incidents, quarantine, and why a server is as it is. See desk.h. */
#include "coordinator/desk/desk_body.h"

#include "common/text.h"

#include <inttypes.h>
#include <string.h>

#define WEEK_MS        (7 * DESK_DAY_MS)
#define INCIDENTS_MAX  1000
#define DUMP_NAME_MAX  64
#define QUARANTINE_MAX (366 * DESK_DAY_MS)

/* ---- lists ---- */

static void add_incident(void *arg, const struct incident *n)
{
    struct asking *a = arg;
    json_array_append_new(a->list, view_incident(&a->view, n));
}

/* What auto would have done: one row per decision. */
static void add_would(void *arg, const struct incident *n, const struct incident_note *note)
{
    struct asking *a = arg;
    json_t *json = view_incident(&a->view, n);
    json_object_set_new(json, "would", view_string(note->text));
    json_object_set_new(json, "would_at", view_time(note->wall_ms));
    json_array_append_new(a->list, json);
}

static bool is_set(const struct asking *a, const char *name)
{
    return text_equal(api_arg(a->request, name), "1");
}

void desk_get_incidents(struct asking *a)
{
    static const char *const known[] = {"all", "would", NULL};
    const char *unknown = api_unknown_arg(a->request, known);
    struct error err;
    enum error_code code = ERR_NONE;
    if (unknown) {
        desk_refuse_as(a, ERR_INVALID, "unknown parameter \"%.80s\": expected one of all, would",
                       unknown);
        return;
    }
    a->list = json_array();
    int64_t since = a->view.wall_ms - (int64_t)WEEK_MS;
    if (is_set(a, "would"))
        code = store_recent_notes(a->desk->store, "would", since, add_would, a, &err);
    else if (is_set(a, "all"))
        code = store_list_incidents(a->desk->store, 0, INCIDENTS_MAX, add_incident, a, &err);
    else
        for (size_t i = 0; i < coordinator_incident_count(a->desk->brain); i++)
            add_incident(a, coordinator_incident_at(a->desk->brain, i));
    if (!code) {
        desk_answer(a, 200, json_pack("{s:o}", "incidents", a->list));
        return;
    }
    json_decref(a->list);
    desk_refuse(a, &err);
}

static void add_note(void *arg, const struct incident_note *note)
{
    json_array_append_new(((struct asking *)arg)->list, view_note(note));
}

static void answer_incident(struct asking *a)
{
    struct error err;
    struct incident n;
    enum error_code code = store_find_incident(a->desk->store, a->id, &n, &err);
    a->list = json_array();
    code = code ? code : store_load_notes(a->desk->store, a->id, add_note, a, &err);
    if (code) {
        json_decref(a->list);
        desk_refuse(a, &err);
        return;
    }
    json_t *json = view_incident(&a->view, &n);
    json_object_set_new(json, "story", a->list);
    desk_answer(a, 200, json_pack("{s:o}", "incident", json));
}

void desk_get_incident(struct asking *a)
{
    if (desk_no_args(a))
        answer_incident(a);
}

/* ---- the dump ---- */

/* The name of the newest one in a story. */
static void find_dump(void *arg, const struct incident_note *note)
{
    char *name = arg;
    size_t len = strcspn(note->text, ",");
    if (text_equal(note->kind, "dump") && len < DUMP_NAME_MAX) {
        memcpy(name, note->text, len);
        name[len] = '\0';
    }
}

static void answer_piece(struct asking *a, const char *dump, const struct coordinator_piece *piece)
{
    if (!piece)
        desk_answer(a, 202, json_pack("{s:b}", "waiting", 1));
    else if (!piece->hex)
        desk_refuse_as(a, ERR_STATE, "%s", piece->why);
    else
        desk_answer(a, 200,
                    json_pack("{s:s, s:I, s:I, s:s}", "name", dump, "bytes",
                              (json_int_t)piece->bytes, "at", (json_int_t)piece->at, "piece",
                              piece->hex));
}

static enum error_code fetch(struct asking *a, uint64_t at, const char *reason, struct error *err)
{
    struct incident n;
    char dump[DUMP_NAME_MAX] = "";
    const struct coordinator_piece *piece;
    enum error_code code = store_find_incident(a->desk->store, a->id, &n, err);
    code = code ? code : store_load_notes(a->desk->store, a->id, find_dump, dump, err);
    if (!code && !dump[0])
        code =
            error_set(err, ERR_NOT_FOUND,
                      "incident %" PRIu64 " has no dump: if one was tried `farmhand incident show "
                      "%" PRIu64 "` says why it was not made, else its rule has to say dump = yes "
                      "(`worker kill` --dump), and the server's agent.conf dumps = yes",
                      a->id, a->id);
    code = code ? code
                : coordinator_fetch_dump(a->desk->brain, &n, dump, at, a->request->actor, reason,
                                         a->view.now_ms, a->view.wall_ms, &piece, err);
    if (!code)
        answer_piece(a, dump, piece);
    return code;
}

void desk_fetch_dump(struct asking *a)
{
    struct error err = {0};
    const char *reason = "";
    uint64_t at = 0;
    json_t *body = NULL;
    const struct field fields[] = {
        TEXT("reason", &reason),
        U64("at", &at, 0, INT64_MAX),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    code = code ? code : fetch(a, at, reason, &err);
    if (code)
        desk_refuse(a, &err);
    json_decref(body);
}

/* ---- changes ---- */

typedef enum error_code say_word(struct coordinator *c, uint64_t id, const char *actor,
                                 const char *reason, uint64_t now_ms, int64_t wall_ms,
                                 struct error *err);

static void change(struct asking *a, say_word *word)
{
    struct error err = {0};
    const char *reason = "";
    json_t *body = NULL;
    const struct field fields[] = {TEXT("reason", &reason)};
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code)
        code = word(a->desk->brain, a->id, a->request->actor, reason, a->view.now_ms,
                    a->view.wall_ms, &err);
    if (code)
        desk_refuse(a, &err);
    else
        answer_incident(a);
    json_decref(body);
}

void desk_approve_incident(struct asking *a)
{
    change(a, coordinator_approve_incident);
}

void desk_dismiss_incident(struct asking *a)
{
    change(a, coordinator_dismiss_incident);
}

void desk_quarantine(struct asking *a)
{
    struct error err = {0};
    const char *reason = "";
    uint64_t for_ms = 0;
    json_t *body = NULL;
    const struct fleet_server *s = desk_server(a);
    if (!s)
        return;
    const struct field fields[] = {
        TEXT("reason", &reason),
        U64("for_ms", &for_ms, 1000, QUARANTINE_MAX),
    };
    enum error_code code = take_body(a, fields, COUNT(fields), &body, &err);
    if (!code)
        code = coordinator_quarantine(a->desk->brain, a->name, for_ms, a->request->actor, reason,
                                      a->view.now_ms, a->view.wall_ms, &err);
    if (code)
        desk_refuse(a, &err);
    else
        desk_answer(a, 200, view_server(&a->view, s, true));
    json_decref(body);
}

void desk_get_why(struct asking *a)
{
    const struct fleet_server *s = desk_no_args(a) ? desk_server(a) : NULL;
    if (s)
        desk_answer(a, 200,
                    json_pack("{s:s, s:o}", "server", s->name, "sentences", view_why(&a->view, s)));
}
