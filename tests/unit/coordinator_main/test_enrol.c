/* Who is let into the farm: tokens, waiting, renewal, removal, over a real store. */
#include "coordinator/desk/throttle.h"
#include "coordinator/enrol/enrol.h"
#include "coordinator/enrol/operators.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/enrol/openssl.h"
#include "proto/url.h"
#include "tests/unit/coordinator_store/files.h"
#include "tests/unit/link/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS INT64_C(3600000)
#define NOW_MS  (INT64_C(20700) * 24 * HOUR_MS)

struct gate {
    struct files files;
    char path[256];
    struct store *store;
    struct ca *ca;
    struct members *members;
    struct enrol *enrol;
    char cut[WIRE_NAME_MAX], joined[WIRE_NAME_MAX];
    size_t events;
    struct error err;
    bool wrong;
};

static void on_event(void *ctx, const struct event *event)
{
    (void)event;
    ((struct gate *)ctx)->events++;
}

static void on_joined(void *ctx, const struct member *m)
{
    struct gate *g = ctx;
    text_copy(g->joined, sizeof(g->joined), m->name);
}

static void on_cut(void *ctx, const char *name)
{
    struct gate *g = ctx;
    text_copy(g->cut, sizeof(g->cut), name);
}

static void gate_open(struct gate *g)
{
    struct fence fence;
    const struct store_spec spec = {.path = g->path, .instance = {{1}}, .wall_ms = NOW_MS};
    must(store_open(&spec, &g->store, &fence, &g->err) == ERR_NONE);
    g->members = members_new();
    const struct enrol_spec enrol = {.store = g->store,
                                     .ca = g->ca,
                                     .members = g->members,
                                     .life_ms = HOUR_MS,
                                     .ctx = g,
                                     .event = on_event,
                                     .joined = on_joined,
                                     .cut = on_cut};
    must(enrol_open(&enrol, &g->enrol, &g->err) == ERR_NONE);
}

static void gate_close(struct gate *g)
{
    enrol_close(g->enrol);
    members_free(g->members);
    store_close(g->store);
}

static int setup(void **state)
{
    struct gate *g = must_alloc(1, sizeof(*g));
    files_open(&g->files);
    snprintf(g->path, sizeof(g->path), "%s/state.db", g->files.dir);
    g->ca = certs_farm();
    gate_open(g);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    struct gate *g = *state;
    gate_close(g);
    ca_close(g->ca);
    files_close(&g->files);
    free(g);
    return 0;
}

static const struct join_right *create(struct gate *g, const char *names, uint64_t uses,
                                       char token[TOKEN_TEXT_MAX])
{
    const struct join_right *right = NULL;
    const struct enrol_wish wish = {.names = names,
                                    .labels = "farm=web",
                                    .profile = PROFILE_OPERATE,
                                    .uses = uses,
                                    .for_ms = HOUR_MS,
                                    .actor = "anna",
                                    .reason = "new servers"};
    if (enrol_create(g->enrol, &wish, NOW_MS, token, &right, &g->err) != ERR_NONE)
        fail_msg("%s", g->err.text);
    return right;
}

static enum error_code join(struct gate *g, const char *token, const char *name,
                            const char *request, int64_t at_ms, struct enrol_answer *out)
{
    const struct enrol_request r = {
        .token = token, .name = name, .request = request, .address = "192.0.2.7"};
    return enrol_join(g->enrol, &r, at_ms, out, &g->wrong, &g->err);
}

/* Let in; *request is a fresh one where NULL. */
static int64_t join_well_at(struct gate *g, const char *token, const char *name, char **request,
                            int64_t at_ms)
{
    struct enrol_answer answer;
    char *key, *own = NULL;
    if (!*request) {
        certs_request(&key, &own);
        free(key);
        *request = own;
    }
    if (join(g, token, name, *request, at_ms, &answer) != ERR_NONE || !answer.in)
        fail_msg("%s was not let in: %s", name, g->err.text);
    free(answer.issued.pem);
    return answer.issued.issued_wall_ms;
}

static int64_t join_well(struct gate *g, const char *token, const char *name, char **request)
{
    return join_well_at(g, token, name, request, NOW_MS);
}

static void member_is_let_in_from_its_certificate_on(void **state)
{
    struct gate *g = *state;
    char token[TOKEN_TEXT_MAX], *request = NULL;
    create(g, "web*", 2, token);
    assert_false(members_admit(g->members, "web01", NOW_MS));
    int64_t issued = join_well(g, token, "web01", &request);
    assert_true(members_admit(g->members, "WEB01", issued));
    assert_false(members_admit(g->members, "web01", issued - 1));
    assert_false(members_admit(g->members, "web02", issued));
    assert_true(members_has(g->members, "WEB01"));
    assert_false(members_has(g->members, "web02"));
    assert_string_equal(g->joined, "web01");
    free(request);
}

static void count_rows(void *arg, const struct audit_row *row)
{
    (void)row;
    ++*(size_t *)arg;
}

/* The answer got lost: asked again with the same key it costs no second use, but is a row for good,
 * so that it is not answered without end. */
static void joining_again_with_the_same_key_is_one_use_and_rare(void **state)
{
    struct gate *g = *state;
    struct enrol_answer answer;
    char token[TOKEN_TEXT_MAX], id[MEMBER_ID_HEX], *request = NULL;
    size_t before = 0, after = 0;
    strcpy(id, create(g, "web*", 2, token)->id);
    join_well(g, token, "web01", &request);
    must(store_load_audit(g->store, 0, SIZE_MAX, count_rows, &before, NULL) == ERR_NONE);
    for (int64_t ms = 0; ms < 60000; ms += 100)
        assert_int_equal(join(g, token, "web01", request, NOW_MS + ms, &answer), ERR_BUSY);
    must(store_load_audit(g->store, 0, SIZE_MAX, count_rows, &after, NULL) == ERR_NONE);
    assert_int_equal(before, after);
    join_well_at(g, token, "web01", &request, NOW_MS + 60000);
    join_well_at(g, token, "web01", &request, NOW_MS + 2 * HOUR_MS); /* it has expired meanwhile */
    assert_int_equal(enrol_right_at(g->enrol, 0)->used, 1);
    /* One that was revoked is good for nothing, not even for who has joined by it. */
    assert_int_equal(enrol_revoke(g->enrol, id, "anna", "lost", NOW_MS, &g->err), ERR_NONE);
    assert_int_equal(join(g, token, "web01", request, NOW_MS + 3 * HOUR_MS, &answer), ERR_DENIED);
    assert_non_null(strstr(g->err.text, "was revoked"));
    free(request);
}

/* It may be at work by now with the certificate that came: whoever says its request again, which
 * proves nothing new, cannot end that. */
static void asking_again_takes_nothing_from_who_has_joined(void **state)
{
    struct gate *g = *state;
    char token[TOKEN_TEXT_MAX], *request = NULL;
    create(g, "web*", 1, token);
    int64_t first = join_well(g, token, "web01", &request);
    g->cut[0] = '\0';
    int64_t again = join_well_at(g, token, "web01", &request, NOW_MS + HOUR_MS / 2);
    assert_string_equal(g->cut, "");
    assert_true(members_admit(g->members, "web01", first));
    assert_true(members_admit(g->members, "web01", again));
    assert_int_equal(enrol_member_at(g->enrol, 0)->joined_ms, NOW_MS);
    free(request);
}

/* The request of somebody who was removed, or has renewed its key since, opens nothing by itself.
 */
static void request_of_before_is_no_way_back(void **state)
{
    struct gate *g = *state;
    struct enrol_answer answer;
    struct ca_issued issued;
    char once[TOKEN_TEXT_MAX], many[TOKEN_TEXT_MAX], *gone = NULL, *renewed = NULL, *second, *key;
    create(g, "web01", 1, once);
    join_well(g, once, "web01", &gone);
    assert_int_equal(enrol_remove(g->enrol, "web01", "anna", "stolen", NOW_MS + 1, &g->err),
                     ERR_NONE);
    assert_int_equal(join(g, once, "web01", gone, NOW_MS + HOUR_MS / 2, &answer), ERR_DENIED);
    assert_non_null(strstr(g->err.text, "is used up"));
    assert_false(members_has(g->members, "web01"));
    create(g, "web02", 5, many);
    join_well(g, many, "web02", &renewed);
    certs_request(&key, &second);
    assert_int_equal(enrol_renew(g->enrol, "web02", second, NOW_MS + HOUR_MS / 4, &issued, &g->err),
                     ERR_NONE);
    assert_int_equal(join(g, many, "web02", renewed, NOW_MS + HOUR_MS / 2, &answer), ERR_NONE);
    assert_false(answer.in);
    free(issued.pem);
    free(gone), free(renewed), free(second), free(key);
}

static void it_is_all_there_after_a_restart(void **state)
{
    struct gate *g = *state;
    char token[TOKEN_TEXT_MAX], *request = NULL;
    create(g, "web*", 2, token);
    int64_t issued = join_well(g, token, "web01", &request);
    gate_close(g);
    g->joined[0] = '\0';
    gate_open(g);
    assert_true(members_admit(g->members, "web01", issued));
    assert_string_equal(g->joined, "web01");
    assert_string_equal(enrol_member_at(g->enrol, 0)->labels, "farm=web");
    assert_int_equal(enrol_right_at(g->enrol, 0)->used, 1);
    free(request);
}

static void tokens_end(void **state)
{
    struct gate *g = *state;
    struct enrol_answer answer;
    char token[TOKEN_TEXT_MAX], once[TOKEN_TEXT_MAX], *first = NULL, *request, *key;
    create(g, "*", 1, once);
    join_well(g, once, "web01", &first);
    certs_request(&key, &request);
    assert_int_equal(join(g, once, "web02", request, NOW_MS, &answer), ERR_DENIED);
    assert_non_null(strstr(g->err.text, "is used up"));
    assert_false(g->wrong); /* nobody guessed */
    const struct join_right *right = create(g, "*", 5, token);
    assert_int_equal(join(g, token, "web02", request, NOW_MS + HOUR_MS, &answer), ERR_DENIED);
    assert_non_null(strstr(g->err.text, "has expired"));
    char id[MEMBER_ID_HEX];
    strcpy(id, right->id);
    assert_int_equal(enrol_revoke(g->enrol, id, "anna", "lost", NOW_MS, &g->err), ERR_NONE);
    assert_int_equal(join(g, token, "web02", request, NOW_MS, &answer), ERR_DENIED);
    assert_non_null(strstr(g->err.text, "was revoked"));
    free(first);
    free(request);
    free(key);
}

/* Of the right shape, and never made here. */
static void invented_token_is_a_wrong_one(void **state)
{
    struct gate *g = *state;
    struct join_token token;
    struct enrol_answer answer;
    char text[TOKEN_TEXT_MAX], *request, *key;
    create(g, "*", 5, text);
    certs_request(&key, &request);
    assert_int_equal(join_token_parse(text, &token, NULL), ERR_NONE);
    token.secret[0] ^= 1;
    join_token_print(&token, text);
    assert_int_equal(join(g, text, "web01", request, NOW_MS, &answer), ERR_DENIED);
    assert_true(g->wrong);
    token.id[0] ^= 1;
    join_token_print(&token, text);
    assert_int_equal(join(g, text, "web01", request, NOW_MS, &answer), ERR_DENIED);
    assert_true(g->wrong);
    assert_int_equal(enrol_member_count(g->enrol), 0);
    free(request);
    free(key);
}

static void reserved_and_impossible_names_are_refused(void **state)
{
    struct gate *g = *state;
    struct enrol_answer answer;
    char token[TOKEN_TEXT_MAX], *request, *key;
    create(g, "*", 5, token);
    certs_request(&key, &request);
    assert_int_equal(join(g, token, WIRE_COORDINATOR_NAME, request, NOW_MS, &answer), ERR_INVALID);
    assert_int_equal(join(g, token, "Farmhand-Coordinator", request, NOW_MS, &answer), ERR_INVALID);
    assert_int_equal(join(g, token, "", request, NOW_MS, &answer), ERR_INVALID);
    assert_int_equal(join(g, token, "a,DNS:b", request, NOW_MS, &answer), ERR_INVALID);
    assert_int_equal(join(g, token, "--force", request, NOW_MS, &answer), ERR_INVALID);
    assert_int_equal(join(g, token, "..", request, NOW_MS, &answer), ERR_INVALID);
    assert_int_equal(join(g, token, "All", request, NOW_MS, &answer), ERR_INVALID);
    assert_int_equal(join(g, token, "web01", "nonsense", NOW_MS, &answer), ERR_INVALID);
    free(request);
    free(key);
}

static void taken_name_waits_and_its_approval_ends_the_former_key(void **state)
{
    struct gate *g = *state;
    struct enrol_answer answer;
    char token[TOKEN_TEXT_MAX], *first = NULL, *request, *key;
    create(g, "web*", 5, token);
    int64_t former = join_well(g, token, "web01", &first);
    certs_request(&key, &request);
    assert_int_equal(join(g, token, "WEB01", request, NOW_MS + 10, &answer), ERR_NONE);
    assert_false(answer.in);
    assert_true(members_admit(g->members, "web01", former)); /* nothing has happened to it */
    assert_int_equal(join(g, token, "WEB01", request, NOW_MS + 20, &answer), ERR_NONE);
    assert_int_equal(enrol_right_at(g->enrol, 0)->used, 2); /* asking again costs nothing */
    assert_int_equal(enrol_approve(g->enrol, "web01", "", "anna", "new disk", NOW_MS + 30, &g->err),
                     ERR_NONE);
    g->cut[0] = '\0';
    assert_int_equal(join(g, token, "WEB01", request, NOW_MS + 40, &answer), ERR_NONE);
    assert_true(answer.in);
    assert_true(members_admit(g->members, "web01", answer.issued.issued_wall_ms));
    assert_false(members_admit(g->members, "web01", former));
    assert_string_equal(g->cut, "WEB01");
    assert_int_equal(enrol_joining_count(g->enrol), 0);
    free(answer.issued.pem);
    free(first);
    free(request);
    free(key);
}

static void two_that_want_one_name_are_told_apart_by_key(void **state)
{
    struct gate *g = *state;
    struct enrol_answer answer;
    char token[TOKEN_TEXT_MAX], key[16], *a, *b, *ka, *kb;
    create(g, "web*", 5, token);
    certs_request(&ka, &a);
    certs_request(&kb, &b);
    assert_int_equal(join(g, token, "db01", a, NOW_MS, &answer), ERR_NONE);
    assert_int_equal(join(g, token, "db01", b, NOW_MS, &answer), ERR_NONE);
    assert_int_equal(enrol_approve(g->enrol, "db01", "", "anna", "x", NOW_MS, &g->err), ERR_EXISTS);
    text_copy(key, sizeof(key), enrol_joining_at(g->enrol, 1)->key);
    assert_int_equal(enrol_approve(g->enrol, "db01", key, "anna", "x", NOW_MS, &g->err), ERR_NONE);
    assert_int_equal(enrol_approve(g->enrol, "db02", "", "anna", "x", NOW_MS, &g->err),
                     ERR_NOT_FOUND);
    free(a), free(b), free(ka), free(kb);
}

static void removed_member_is_out_for_good_and_may_join_again(void **state)
{
    struct gate *g = *state;
    struct ca_issued issued;
    char token[TOKEN_TEXT_MAX], *first = NULL, *again = NULL;
    create(g, "web*", 5, token);
    int64_t former = join_well(g, token, "web01", &first);
    assert_int_equal(enrol_remove(g->enrol, "Web01", "anna", "sold", NOW_MS + 1, &g->err),
                     ERR_NONE);
    assert_string_equal(g->cut, "Web01");
    assert_false(members_admit(g->members, "web01", former));
    assert_false(members_has(g->members, "web01"));
    assert_int_equal(enrol_renew(g->enrol, "web01", first, NOW_MS + 2, &issued, &g->err),
                     ERR_DENIED);
    assert_int_equal(enrol_remove(g->enrol, "web01", "anna", "sold", NOW_MS, &g->err),
                     ERR_NOT_FOUND);
    gate_close(g);
    gate_open(g);
    assert_false(members_admit(g->members, "web01", former));
    int64_t issued_ms = join_well(g, token, "web01", &again);
    assert_true(members_admit(g->members, "web01", issued_ms));
    free(first);
    free(again);
}

static void renewal_keeps_the_former_certificate_good(void **state)
{
    struct gate *g = *state;
    struct ca_issued issued;
    char token[TOKEN_TEXT_MAX], *first = NULL, *second, *key;
    create(g, "web*", 5, token);
    int64_t former = join_well(g, token, "web01", &first);
    certs_request(&key, &second);
    assert_int_equal(enrol_renew(g->enrol, "web01", second, NOW_MS + HOUR_MS / 2, &issued, &g->err),
                     ERR_NONE);
    assert_true(members_admit(g->members, "web01", former));
    assert_true(members_admit(g->members, "web01", issued.issued_wall_ms));
    assert_int_equal(enrol_member_at(g->enrol, 0)->until_ms, NOW_MS + HOUR_MS / 2 + HOUR_MS);
    assert_int_equal(enrol_renew(g->enrol, "web02", second, NOW_MS, &issued, &g->err), ERR_DENIED);
    free(issued.pem);
    free(first);
    free(second);
    free(key);
}

/* What counts is the order in which certificates were made, and a clock may be set back: neither is
 * who was removed let in again by it, nor who has just renewed kept out. */
static void clock_that_is_set_back_changes_nothing(void **state)
{
    struct gate *g = *state;
    struct ca_issued issued;
    char token[TOKEN_TEXT_MAX], *first = NULL, *again = NULL, *second, *key;
    create(g, "web*", 5, token);
    int64_t former = join_well(g, token, "web01", &first);
    certs_request(&key, &second);
    assert_int_equal(enrol_renew(g->enrol, "web01", second, NOW_MS - 2 * HOUR_MS, &issued, &g->err),
                     ERR_NONE);
    assert_true(issued.issued_wall_ms > former);
    assert_true(members_admit(g->members, "web01", issued.issued_wall_ms));
    int64_t renewed = issued.issued_wall_ms;
    free(issued.pem);
    assert_int_equal(enrol_remove(g->enrol, "web01", "anna", "stolen", NOW_MS - HOUR_MS, &g->err),
                     ERR_NONE);
    gate_close(g);
    gate_open(g);
    int64_t fresh = join_well_at(g, token, "web01", &again, NOW_MS - 3 * HOUR_MS);
    assert_true(members_admit(g->members, "web01", fresh));
    assert_false(members_admit(g->members, "web01", former));
    assert_false(members_admit(g->members, "web01", renewed));
    free(first), free(again), free(second), free(key);
}

static void count_row(void *arg, const struct audit_row *row)
{
    *(size_t *)arg += text_equal(row->action, "server.renew");
}

/* A server that was taken over asks as fast as it can: each would be a row for good. */
static void renewal_is_not_made_again_and_again(void **state)
{
    struct gate *g = *state;
    struct ca_issued issued;
    char token[TOKEN_TEXT_MAX], *first = NULL, *second, *key;
    int64_t at_ms = NOW_MS + HOUR_MS / 2;
    size_t made = 0, rows = 0;
    create(g, "web*", 5, token);
    join_well(g, token, "web01", &first);
    certs_request(&key, &second);
    for (int64_t ms = 0; ms < 120000; ms += 10) {
        enum error_code code = enrol_renew(g->enrol, "web01", second, at_ms + ms, &issued, &g->err);
        must(code == ERR_NONE || code == ERR_BUSY);
        if (code == ERR_NONE)
            free(issued.pem);
        made += code == ERR_NONE;
        if (ms == 30000) { /* nor over a restart */
            gate_close(g);
            gate_open(g);
        }
    }
    must(store_load_audit(g->store, 0, SIZE_MAX, count_row, &rows, NULL) == ERR_NONE);
    assert_int_equal(made, 2);
    assert_int_equal(rows, 2);
    /* A clock that was set back keeps nobody from it. */
    assert_int_equal(enrol_renew(g->enrol, "web01", second, NOW_MS, &issued, &g->err), ERR_NONE);
    free(issued.pem);
    free(first);
    free(second);
    free(key);
}

static void wishes_are_looked_at(void **state)
{
    struct gate *g = *state;
    const struct join_right *right;
    char token[TOKEN_TEXT_MAX];
    struct enrol_wish w = {
        .names = "web*", .labels = "", .uses = 1, .for_ms = 1000, .actor = "anna", .reason = "x"};
    assert_int_equal(enrol_create(g->enrol, &w, NOW_MS, token, &right, &g->err), ERR_NONE);
    w.names = "";
    assert_int_equal(enrol_create(g->enrol, &w, NOW_MS, token, &right, &g->err), ERR_INVALID);
    w.names = "*";
    static const char *const bad[] = {"farm",     "=x",      "farm=",  "a=b=c",
                                      "a=b,,c=d", "a=b c=d", "a=\"b\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        w.labels = bad[i];
        assert_int_equal(enrol_create(g->enrol, &w, NOW_MS, token, &right, &g->err), ERR_INVALID);
    }
    w.labels = "a=b,c=d";
    w.for_ms = 0;
    assert_int_equal(enrol_create(g->enrol, &w, NOW_MS, token, &right, &g->err), ERR_INVALID);
    w.for_ms = 1000;
    w.uses = 0;
    assert_int_equal(enrol_create(g->enrol, &w, NOW_MS, token, &right, &g->err), ERR_INVALID);
}

static void operators_are_known_by_their_token_alone(void **state)
{
    struct gate *g = *state;
    struct operators *o = NULL;
    const struct operators_spec spec = {.store = g->store, .ctx = g, .event = on_event};
    const struct operator_right *right, *who = NULL;
    char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX], id[MEMBER_ID_HEX];
    struct operator_token parts;
    bool wrong;
    must(operators_open(&spec, &o, &g->err) == ERR_NONE);
    struct operators_wish w = {.name = "vera",
                               .role = ROLE_OPERATOR,
                               .servers = "farm=web",
                               .for_ms = HOUR_MS,
                               .actor = "anna",
                               .reason = "on call"};
    assert_int_equal(operators_create(o, &w, NOW_MS, token, &right, &g->err), ERR_NONE);
    assert_int_equal(operators_create(o, &w, NOW_MS, other, &right, &g->err), ERR_EXISTS);
    w.name = "vera; rm";
    assert_int_equal(operators_create(o, &w, NOW_MS, other, &right, &g->err), ERR_INVALID);
    w.name = "otto";
    w.servers = "";
    assert_int_equal(operators_create(o, &w, NOW_MS, other, &right, &g->err), ERR_INVALID);
    operators_close(o); /* and after a restart */
    must(operators_open(&spec, &o, &g->err) == ERR_NONE);
    assert_int_equal(operators_find(o, token, NOW_MS, &who, &wrong, &g->err), ERR_NONE);
    assert_string_equal(who->name, "vera");
    assert_int_equal(who->role, ROLE_OPERATOR);
    assert_string_equal(who->servers, "farm=web");
    strcpy(id, who->id);
    assert_int_equal(operators_find(o, token, NOW_MS + HOUR_MS, &who, &wrong, &g->err), ERR_DENIED);
    assert_false(wrong);
    assert_int_equal(operator_token_parse(token, &parts, NULL), ERR_NONE);
    parts.secret[5] ^= 0x10;
    operator_token_print(&parts, other);
    assert_int_equal(operators_find(o, other, NOW_MS, &who, &wrong, &g->err), ERR_DENIED);
    assert_true(wrong);
    assert_int_equal(operators_find(o, "", NOW_MS, &who, &wrong, &g->err), ERR_DENIED);
    assert_int_equal(operators_revoke(o, id, "anna", "left", NOW_MS, &g->err), ERR_NONE);
    assert_int_equal(operators_find(o, token, NOW_MS, &who, &wrong, &g->err), ERR_DENIED);
    assert_non_null(strstr(g->err.text, "was revoked"));
    operators_close(o);
}

/* Whoever gets a token of a minute for each job would shut the door for all after a thousand jobs.
 */
static void operators_that_ended_take_nobodys_place(void **state)
{
    struct gate *g = *state;
    struct operators *o = NULL;
    const struct operators_spec spec = {.store = g->store, .ctx = g, .event = on_event};
    const struct operator_right *right;
    struct operator_right job = {.servers = "all", .created_by = "anna", .expires_ms = NOW_MS + 1};
    char token[TOKEN_TEXT_MAX];
    must(store_begin(g->store, &g->err) == ERR_NONE);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(job.id, sizeof(job.id), "%016u", i);
        snprintf(job.hash, sizeof(job.hash), "%064u", i);
        snprintf(job.name, sizeof(job.name), "job%u", i);
        if (store_save_operator(g->store, &job, &g->err) != ERR_NONE)
            fail_msg("%s", g->err.text);
    }
    must(store_commit(g->store, &g->err) == ERR_NONE);
    must(operators_open(&spec, &o, &g->err) == ERR_NONE);
    const struct operators_wish w = {
        .name = "vera", .servers = "all", .for_ms = 1000, .actor = "anna", .reason = "on call"};
    assert_int_equal(operators_create(o, &w, NOW_MS, token, &right, &g->err), ERR_FULL);
    assert_int_equal(operators_create(o, &w, NOW_MS + 1, token, &right, &g->err), ERR_NONE);
    operators_close(o);
}

struct looked_for {
    const char *action;
    char before[1024], after[1024];
};

static void look_at(void *arg, const struct audit_row *row)
{
    struct looked_for *l = arg;
    if (!text_equal(row->action, l->action))
        return;
    text_copy(l->before, sizeof(l->before), row->before);
    text_copy(l->after, sizeof(l->after), row->after);
}

static void expect_change(struct gate *g, const char *action, const char *before, const char *after)
{
    struct looked_for l = {.action = action};
    must(store_load_audit(g->store, 0, SIZE_MAX, look_at, &l, NULL) == ERR_NONE);
    if (!text_glob_match(before, l.before) || !text_glob_match(after, l.after))
        fail_msg("%s: '%s' -> '%s'", action, l.before, l.after);
}

static size_t der_of(const char *pem, uint8_t out[4096])
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    uint8_t *at = out;
    must(cert != NULL);
    int len = i2d_X509(cert, &at);
    must(len > 0 && len < 4096);
    X509_free(cert);
    BIO_free(bio);
    return (size_t)len;
}

static void renewed_right_overlaps_with_its_former(void **state)
{
    struct gate *g = *state;
    struct operators *o = NULL;
    const struct operators_spec spec = {
        .store = g->store, .ca = g->ca, .ctx = g, .event = on_event};
    const struct operator_right *right = NULL, *who = NULL;
    char *key, *request, *pem = NULL, token[TOKEN_TEXT_MAX], second[TOKEN_TEXT_MAX];
    char first_id[MEMBER_ID_HEX], second_id[MEMBER_ID_HEX];
    uint8_t der[4096];
    bool wrong;
    int64_t now_ms = clock_wall_ms();
    must(operators_open(&spec, &o, &g->err) == ERR_NONE);
    certs_request(&key, &request);
    const struct operators_wish w = {.name = "vera",
                                     .role = ROLE_OPERATOR,
                                     .servers = "farm=web",
                                     .for_ms = 24 * HOUR_MS,
                                     .actor = "anna",
                                     .reason = "on call"};
    assert_int_equal(operators_create(o, &w, now_ms, token, &right, &g->err), ERR_NONE);
    strcpy(first_id, right->id);
    struct operators_renewal r = {.id = first_id,
                                  .request = request,
                                  .overlap_ms = HOUR_MS,
                                  .actor = "anna",
                                  .reason = "its time"};
    r.overlap_ms = 31 * 24 * HOUR_MS;
    assert_int_equal(operators_renew(o, &r, now_ms, second, &pem, &right, &g->err), ERR_INVALID);
    r.overlap_ms = HOUR_MS;
    assert_int_equal(operators_renew(o, &r, now_ms, second, &pem, &right, &g->err), ERR_NONE);
    strcpy(second_id, right->id);
    assert_string_equal(right->servers, "farm=web");
    assert_int_equal(right->role, ROLE_OPERATOR);
    assert_int_equal(right->expires_ms, now_ms + 24 * (int64_t)HOUR_MS);
    expect_change(g, "operator.renew", "operator, servers farm=web, until *: good",
                  "operator, servers farm=web, until *: good");
    expect_change(g, "operator.certify", "", "operator, servers farm=web, until *: good");
    /* Both, then the newer one alone; a third is never made, and none of one that is over. */
    size_t len = der_of(pem, der);
    assert_int_equal(operators_find(o, token, now_ms, &who, &wrong, &g->err), ERR_NONE);
    assert_int_equal(operators_find_certificate(o, der, len, now_ms, &who, &wrong, &g->err),
                     ERR_NONE);
    r.request = "";
    char *none = NULL;
    assert_int_equal(operators_renew(o, &r, now_ms, second, &none, &right, &g->err), ERR_EXISTS);
    r.id = second_id;
    assert_int_equal(operators_renew(o, &r, now_ms, second, &none, &right, &g->err), ERR_EXISTS);
    now_ms += HOUR_MS;
    assert_int_equal(operators_find(o, token, now_ms, &who, &wrong, &g->err), ERR_DENIED);
    assert_non_null(strstr(g->err.text, "has expired"));
    assert_int_equal(operators_find_certificate(o, der, len, now_ms, &who, &wrong, &g->err),
                     ERR_NONE);
    r.id = first_id;
    assert_int_equal(operators_renew(o, &r, now_ms, second, &none, &right, &g->err), ERR_DENIED);
    r.id = second_id; /* an overlap never makes it longer than it was */
    r.overlap_ms = 30 * 24 * HOUR_MS;
    assert_int_equal(operators_renew(o, &r, now_ms, second, &none, &right, &g->err), ERR_NONE);
    assert_null(none);
    assert_int_equal(operators_find_certificate(o, der, len, now_ms + 24 * (int64_t)HOUR_MS, &who,
                                                &wrong, &g->err),
                     ERR_DENIED);
    assert_int_equal(operators_find(o, second, now_ms, &who, &wrong, &g->err), ERR_NONE);
    free(pem);
    free(key);
    free(request);
    operators_close(o);
}

static void operators_are_known_by_their_certificate_and_what_stands_here(void **state)
{
    struct gate *g = *state;
    struct operators *o = NULL;
    const struct operators_spec spec = {
        .store = g->store, .ca = g->ca, .ctx = g, .event = on_event};
    const struct operator_right *right, *who = NULL;
    char *key, *request, *other_key, *other_request, *pem = NULL, *again = NULL;
    char id[MEMBER_ID_HEX], token[TOKEN_TEXT_MAX];
    uint8_t der[4096];
    bool wrong;
    int64_t now_ms = clock_wall_ms(); /* since when the CA of the test is good */
    must(operators_open(&spec, &o, &g->err) == ERR_NONE);
    certs_request(&key, &request);
    certs_request(&other_key, &other_request);
    struct operators_wish w = {.name = "vera",
                               .role = ROLE_OPERATOR,
                               .servers = "farm=web",
                               .for_ms = HOUR_MS,
                               .actor = "anna",
                               .reason = "on call"};
    assert_int_equal(operators_certify(o, &w, "no request", now_ms, &pem, &right, &g->err),
                     ERR_INVALID);
    assert_int_equal(operators_certify(o, &w, request, now_ms, &pem, &right, &g->err), ERR_NONE);
    strcpy(id, right->id);
    expect_change(g, "operator.certify", "", "operator, servers farm=web, until *: good");
    size_t len = der_of(pem, der);
    operators_close(o); /* and after a restart */
    must(operators_open(&spec, &o, &g->err) == ERR_NONE);
    assert_int_equal(operators_find_certificate(o, der, len, now_ms, &who, &wrong, &g->err),
                     ERR_NONE);
    assert_string_equal(who->name, "vera");
    assert_int_equal(who->role, ROLE_OPERATOR);
    assert_string_equal(who->servers, "farm=web");
    assert_int_equal(
        operators_find_certificate(o, der, len, now_ms + HOUR_MS + 1, &who, &wrong, &g->err),
        ERR_DENIED);
    /* Its hash is no secret: as a token it opens nothing. */
    struct operator_token parts = {.id = {0}};
    operator_token_print(&parts, token);
    assert_int_equal(operators_find(o, token, now_ms, &who, &wrong, &g->err), ERR_DENIED);
    assert_int_equal(operators_revoke(o, id, "anna", "left", now_ms, &g->err), ERR_NONE);
    assert_int_equal(operators_find_certificate(o, der, len, now_ms, &who, &wrong, &g->err),
                     ERR_DENIED);
    assert_non_null(strstr(g->err.text, "the certificate of vera was revoked"));
    assert_false(wrong);
    /* The revoked key does not come back under another name. */
    w.name = "otto";
    assert_int_equal(operators_certify(o, &w, request, now_ms, &again, &right, &g->err),
                     ERR_EXISTS);
    assert_non_null(strstr(g->err.text, "certified already, for vera"));
    /* One of our CA that is not in the store: a backup was put back, or somebody has the CA. */
    struct ca_issued issued;
    assert_int_equal(
        ca_sign_operator(g->ca, other_request, "vera", HOUR_MS, now_ms, &issued, &g->err),
        ERR_NONE);
    len = der_of(issued.pem, der);
    assert_int_equal(operators_find_certificate(o, der, len, now_ms, &who, &wrong, &g->err),
                     ERR_DENIED);
    assert_non_null(strstr(g->err.text, "is not known here"));
    free(issued.pem);
    /* An agent's certificate is nobody's. */
    assert_int_equal(ca_sign(g->ca, other_request, "vera", HOUR_MS, now_ms, 0, &issued, &g->err),
                     ERR_NONE);
    len = der_of(issued.pem, der);
    assert_int_equal(operators_find_certificate(o, der, len, now_ms, &who, &wrong, &g->err),
                     ERR_DENIED);
    assert_true(wrong);
    free(issued.pem);
    free(pem);
    free(key);
    free(request);
    free(other_key);
    free(other_request);
    operators_close(o);
}

static void guessing_is_slowed_and_forgotten(void **state)
{
    static struct throttle t;
    char address[32];
    (void)state;
    for (int i = 0; i < THROTTLE_FREE - 1; i++)
        throttle_wrong(&t, "192.0.2.7", 1000);
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.7", 1000), 0);
    throttle_wrong(&t, "192.0.2.7", 1000);
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.7", 1400), 600);
    throttle_wrong(&t, "192.0.2.7", 3000);
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.7", 3000), 2000);
    for (int i = 0; i < 40; i++)
        throttle_wrong(&t, "192.0.2.7", 3000);
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.7", 3000), THROTTLE_WAIT_MAX);
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.8", 3000), 0);
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.7", 3000 + THROTTLE_FORGET_MS), 0);
    for (int i = 0; i < 2 * THROTTLE_ADDRESSES; i++) { /* many addresses: bounded, oldest first */
        snprintf(address, sizeof(address), "198.51.100.%d", i);
        throttle_wrong(&t, address, 4000 + (uint64_t)i);
    }
    throttle_right(&t, "198.51.100.1023");
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.7", 5000), 0);
}

/* He has a viewer's token, and would like to have an admin's. */
static void right_token_does_not_pay_for_guesses(void **state)
{
    static struct throttle t;
    uint64_t waited_ms = 0;
    (void)state;
    for (int i = 0; i < 100; i++) {
        throttle_wrong(&t, "192.0.2.7", 1000);
        throttle_wrong(&t, "192.0.2.7", 1000);
        throttle_right(&t, "192.0.2.7");
        waited_ms = throttle_wait_ms(&t, "192.0.2.7", 1000);
    }
    assert_int_equal(waited_ms, THROTTLE_WAIT_MAX);
    for (int i = 0; i < 100; i++)
        throttle_right(&t, "192.0.2.7");
    assert_int_equal(throttle_wait_ms(&t, "192.0.2.7", 1000), 0);
    throttle_right(&t, "192.0.2.7"); /* nothing is left to forgive */
    throttle_right(&t, "");
    assert_int_equal(throttle_wait_ms(&t, "", 1000), 0);
}

#define WITH_GATE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void what_was_before_and_is_after_stands_in_the_audit_trail(void **state)
{
    struct gate *g = *state;
    char token[TOKEN_TEXT_MAX];
    struct enrol_answer answer;
    const struct join_right *right = create(g, "web*", 2, token);
    expect_change(g, "token.create", "",
                  "for web?, profile operate, labels farm=web, used 0/2*good");
    char *key, *request, id[MEMBER_ID_HEX];
    certs_request(&key, &request);
    strcpy(id, right->id);
    assert_int_equal(join(g, token, "web01", request, NOW_MS, &answer), ERR_NONE);
    expect_change(g, "server.join", "no member", "member, profile operate, labels farm=web, key *");
    free(answer.issued.pem);
    free(request);
    free(key);
    assert_int_equal(enrol_revoke(g->enrol, id, "anna", "lost", NOW_MS, &g->err), ERR_NONE);
    expect_change(g, "token.revoke", "for web*used 1/2*: good", "for web*used 1/2*: was revoked");
    assert_int_equal(enrol_remove(g->enrol, "web01", "anna", "sold", NOW_MS, &g->err), ERR_NONE);
    expect_change(g, "server.remove", "member, profile operate,*", "removed, profile operate,*");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GATE(operators_are_known_by_their_certificate_and_what_stands_here),
        WITH_GATE(renewed_right_overlaps_with_its_former),
        WITH_GATE(what_was_before_and_is_after_stands_in_the_audit_trail),
        WITH_GATE(member_is_let_in_from_its_certificate_on),
        WITH_GATE(joining_again_with_the_same_key_is_one_use_and_rare),
        WITH_GATE(asking_again_takes_nothing_from_who_has_joined),
        WITH_GATE(request_of_before_is_no_way_back),
        WITH_GATE(it_is_all_there_after_a_restart),
        WITH_GATE(tokens_end),
        WITH_GATE(invented_token_is_a_wrong_one),
        WITH_GATE(reserved_and_impossible_names_are_refused),
        WITH_GATE(taken_name_waits_and_its_approval_ends_the_former_key),
        WITH_GATE(two_that_want_one_name_are_told_apart_by_key),
        WITH_GATE(removed_member_is_out_for_good_and_may_join_again),
        WITH_GATE(renewal_keeps_the_former_certificate_good),
        WITH_GATE(clock_that_is_set_back_changes_nothing),
        WITH_GATE(renewal_is_not_made_again_and_again),
        WITH_GATE(wishes_are_looked_at),
        WITH_GATE(operators_are_known_by_their_token_alone),
        WITH_GATE(operators_that_ended_take_nobodys_place),
        cmocka_unit_test(guessing_is_slowed_and_forgotten),
        cmocka_unit_test(right_token_does_not_pay_for_guesses),
    };
    return cmocka_run_group_tests_name("enrol", tests, NULL, NULL);
}
