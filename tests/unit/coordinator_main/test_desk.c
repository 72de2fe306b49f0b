/* test_desk.c - what operators ask over HTTP, against a real brain with invented agents: every path
 * of API.md, and what is said to those who ask wrongly. */
#include "tests/unit/coordinator/farm.h"
#include "tests/unit/coordinator_api/client.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "coordinator/desk/desk.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct farm farm;
    struct mailbox *box;
    struct archive *archive;
    struct api *api;
    struct desk desk;
    struct client client;
    int status;   /* of the last answer */
    json_t *json; /* its body */
};

static void drop_letter(void *letter)
{
    api_drop(letter);
}

static bool deliver(void *arg, struct api_request *request)
{
    return mailbox_post(((struct fixture *)arg)->box, request);
}

static void open_archive(struct fixture *f)
{
    struct archive_spec archive = {.path = files_path(&f->farm.files, "history.db"),
                                   .store = f->farm.store,
                                   .keep_ms = 1000000000,
                                   .now_ms = f->farm.now_ms};
    f->archive = archive_open(&archive);
}

static int set_up(void **state)
{
    struct fixture *f = must_alloc(1, sizeof(*f));
    struct error err = {0};
    farm_begin(&f->farm, 3);
    farm_run(&f->farm, 15000);
    f->box = mailbox_open(16, drop_letter);
    open_archive(f);
    const char *socket = files_path(&f->farm.files, "api.sock");
    struct api_spec spec = {.socket = socket, .deliver = deliver, .arg = f};
    if (api_open(&spec, &f->api, &err))
        fail_msg("%s", err.text);
    f->desk = (struct desk){.brain = f->farm.brain,
                            .store = f->farm.store,
                            .archive = f->archive,
                            .api = f->api,
                            .started_wall_ms = 1790000000000};
    f->client = client_open(socket);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    json_decref(f->json);
    client_close(&f->client);
    api_close(f->api);
    mailbox_close(f->box);
    archive_close(f->archive);
    farm_end(&f->farm);
    free(f);
    return 0;
}

/* The desk takes the next request that arrives. */
static void serve(struct fixture *f)
{
    struct api_request *r = mailbox_take(f->box, clock_boot_ms() + 10000);
    assert_non_null(r);
    desk_take(&f->desk, r, f->farm.now_ms, 1790000000000 + (int64_t)f->farm.now_ms);
}

/* Two minutes of the farm may take longer here than the interface leaves a silent client alone. */
static void much_later(struct fixture *f)
{
    farm_run(&f->farm, 120000);
    client_close(&f->client);
    f->client = client_open(files_path(&f->farm.files, "api.sock"));
}

static void ask(struct fixture *f, const char *method, const char *target, const char *body)
{
    struct text answer = {0};
    json_decref(f->json);
    client_ask(&f->client, method, target, body);
    serve(f);
    f->status = client_answer(&f->client, &answer);
    f->json = json_loads(text_get(&answer), 0, NULL);
    if (!f->json)
        fail_msg("not JSON: %s", text_get(&answer));
    text_reset(&answer);
}

/* A value of the answer by its path, such as "servers.0.name"; NULL: there is none. */
static json_t *at(const struct fixture *f, const char *path)
{
    char part[64];
    json_t *value = f->json;
    while (*path && value) {
        size_t len = strcspn(path, ".");
        must(len < sizeof(part));
        memcpy(part, path, len);
        part[len] = '\0';
        value = json_is_array(value) ? json_array_get(value, strtoul(part, NULL, 10))
                                     : json_object_get(value, part);
        path += len + (path[len] == '.');
    }
    return value;
}

static const char *text_at(const struct fixture *f, const char *path)
{
    const char *text = json_string_value(at(f, path));
    return text ? text : "(none)";
}

static json_int_t number_at(const struct fixture *f, const char *path)
{
    if (!json_is_integer(at(f, path)))
        fail_msg("%s is no number", path);
    return json_integer_value(at(f, path));
}

static size_t size_at(const struct fixture *f, const char *path)
{
    return json_array_size(at(f, path));
}

static void assert_refused(struct fixture *f, int status, const char *code, const char *part)
{
    if (f->status != status || !text_equal(text_at(f, "error.code"), code) ||
        !strstr(text_at(f, "error.text"), part))
        fail_msg("%d %s: %s (expected %d %s: %s)", f->status, text_at(f, "error.code"),
                 text_at(f, "error.text"), status, code, part);
}

static void post(struct fixture *f, const char *target, const char *body)
{
    ask(f, "POST", target, body);
}

static void get(struct fixture *f, const char *target)
{
    ask(f, "GET", target, NULL);
}

#define RECYCLE                                                                                    \
    "{\"action\": \"recycle\", \"pool\": \"Shop\", \"on\": \"all\", \"reason\": \"leaks\""

/* ---- looking ---- */

static void status_is_the_farm_at_a_glance(void **state)
{
    struct fixture *f = *state;
    get(f, "/v1/status");
    assert_int_equal(f->status, 200);
    assert_string_equal(text_at(f, "coordinator.version"), FARMHAND_VERSION);
    assert_string_equal(text_at(f, "coordinator.started_at"), "2026-09-21T14:13:20.000Z");
    assert_string_equal(text_at(f, "coordinator.store"), "ok");
    assert_true(json_is_null(at(f, "coordinator.frozen")));
    assert_true(json_is_false(at(f, "coordinator.settling")));
    assert_int_equal(number_at(f, "servers.total"), 3);
    assert_int_equal(number_at(f, "servers.fresh"), 3);
    assert_int_equal(number_at(f, "budgets.0.limit"), 1);
    assert_int_equal(number_at(f, "budgets.0.used"), 0);
    assert_int_equal(size_at(f, "runs"), 0);
    assert_int_equal(size_at(f, "incidents"), 0);
    assert_string_equal(text_at(f, "health"), "healthy");
}

static void server_that_falls_silent_degrades_the_farm(void **state)
{
    struct fixture *f = *state;
    f->farm.agents[1].dead = true;
    much_later(f);
    get(f, "/v1/status");
    assert_int_equal(number_at(f, "servers.silent"), 1);
    assert_string_equal(text_at(f, "health"), "degraded");
    assert_string_equal(text_at(f, "budgets.0.out.0.server"), f->farm.agents[1].name);
    char target[64];
    text_format(target, sizeof(target), "/v1/servers/%s", f->farm.agents[1].name);
    get(f, target);
    assert_string_equal(text_at(f, "presence"), "silent");
    assert_true(number_at(f, "age_ms") > 60000);
    assert_true(json_is_string(at(f, "out")));
}

static void servers_are_listed_by_selector(void **state)
{
    struct fixture *f = *state;
    get(f, "/v1/servers");
    assert_int_equal(size_at(f, "servers"), 3);
    assert_string_equal(text_at(f, "servers.0.name"), f->farm.agents[0].name);
    assert_string_equal(text_at(f, "servers.0.presence"), "fresh");
    assert_true(json_is_integer(at(f, "servers.0.pool_count")));
    assert_null(at(f, "servers.0.pools"));
    assert_null(at(f, "servers.0.sites"));
    char target[96];
    text_format(target, sizeof(target), "/v1/servers?on=%s", f->farm.agents[2].name);
    get(f, target);
    assert_int_equal(size_at(f, "servers"), 1);
    get(f, "/v1/servers?on=nobody*");
    assert_int_equal(size_at(f, "servers"), 0);
    get(f, "/v1/servers?on=");
    assert_int_equal(f->status, 400);
    get(f, "/v1/servers?pool=Shop");
    assert_refused(f, 400, "invalid", "unknown parameter \"pool\": expected one of on");
}

static void server_is_shown_whole(void **state)
{
    struct fixture *f = *state;
    char target[64];
    text_format(target, sizeof(target), "/v1/servers/%s", f->farm.agents[0].name);
    get(f, target);
    assert_int_equal(f->status, 200);
    assert_true(size_at(f, "pools") > 0);
    assert_true(json_is_array(at(f, "sites")));
    assert_true(json_is_array(at(f, "backends")));
    assert_true(json_is_array(at(f, "services")));
    assert_true(json_is_object(at(f, "host")));
    assert_int_equal(strlen(text_at(f, "incarnation")), 32);
    assert_int_equal(strlen(text_at(f, "boot")), 32);
    assert_true(json_is_null(at(f, "held_by")));
    get(f, "/v1/servers/web99");
    assert_refused(f, 404, "not-found", "web99");
}

static void pools_are_listed_by_glob(void **state)
{
    struct fixture *f = *state;
    get(f, "/v1/pools?pool=sh*");
    assert_int_equal(size_at(f, "pools"), 3);
    assert_string_equal(text_at(f, "pools.0.name"), "Shop");
    assert_string_equal(text_at(f, "pools.0.state"), "Started");
    assert_true(size_at(f, "pools.0.workers") > 0);
    assert_true(number_at(f, "pools.0.workers.0.pid") > 0);
    assert_true(json_is_integer(at(f, "pools.0.age_ms")));
    assert_true(json_is_null(at(f, "pools.0.rejected"))); /* its agent tells no figures */
    assert_true(json_is_null(at(f, "pools.0.figures_age_ms")));
    assert_int_equal(size_at(f, "pools.0.events"), 0);
    get(f, "/v1/pools?pool=none");
    assert_int_equal(size_at(f, "pools"), 0);
    get(f, "/v1/pools?on=&pool=Shop"); /* once, this ended the coordinator */
    assert_refused(f, 400, "invalid", "");
}

/* ---- runs ---- */

static void run_is_started_watched_and_shown_after_its_end(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE ", \"options\": {\"soak_ms\": 1000, \"expect\": 3}}");
    assert_int_equal(f->status, 201);
    assert_int_equal(number_at(f, "run.id"), 1);
    assert_string_equal(text_at(f, "run.reason"), "leaks");
    assert_int_equal(size_at(f, "run.targets"), 3);
    get(f, "/v1/status");
    assert_int_equal(size_at(f, "runs"), 1);
    assert_null(at(f, "runs.0.targets"));
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/runs/1");
    assert_int_equal(f->status, 200);
    assert_string_equal(text_at(f, "state"), "done");
    assert_true(json_is_true(at(f, "ended")));
    assert_int_equal(number_at(f, "counts.done"), 3);
    assert_string_equal(text_at(f, "targets.2.state"), "done");
    assert_true(json_is_true(at(f, "targets.2.in_rotation_again")));
    assert_true(json_is_array(at(f, "targets.2.proof.before")));
    assert_true(json_is_array(at(f, "targets.2.proof.after")));
    assert_int_equal(number_at(f, "targets.2.proof.probe_status"), 200);
    get(f, "/v1/runs?limit=5");
    assert_int_equal(size_at(f, "runs"), 1);
    assert_int_equal(number_at(f, "runs.0.counts.done"), 3);
    assert_null(at(f, "runs.0.targets"));
    get(f, "/v1/runs/2");
    assert_refused(f, 404, "not-found", "run 2");
}

static void dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE ", \"dry_run\": true}");
    assert_int_equal(f->status, 200);
    assert_int_equal(size_at(f, "plan.targets"), 3);
    assert_string_equal(text_at(f, "plan.targets.0.will"), "recycle");
    assert_int_equal(number_at(f, "plan.targets.1.order"), 1);
    assert_int_equal(number_at(f, "plan.targets.0.workers"), 1);
    assert_true(size_at(f, "plan.gates") > 0);
    assert_non_null(strstr(text_at(f, "plan.rule"), "1st failure"));
    assert_int_equal(number_at(f, "plan.budgets.0.limit"), 1);
    get(f, "/v1/runs");
    assert_int_equal(size_at(f, "runs"), 0);
}

/* A plan that could not begin now does not say that it acts. */
static void plan_says_that_the_budget_is_full_and_by_whom(void **state)
{
    struct fixture *f = *state;
    f->farm.agents[1].dead = true;
    much_later(f);
    post(f, "/v1/runs", RECYCLE ", \"dry_run\": true}");
    assert_int_equal(f->status, 200);
    assert_string_equal(text_at(f, "plan.targets.0.will"), "wait");
    assert_non_null(strstr(text_at(f, "plan.targets.0.why"), "budget 1/1 used by web02 (silent"));
    assert_int_equal(number_at(f, "plan.budgets.0.used"), 1);
    get(f, "/v1/servers/web01");
    assert_non_null(strstr(text_at(f, "blocked"), "budget 1/1 used by web02"));
    assert_int_equal(size_at(f, "budgets"), 0);
}

/* The dry run of one recycle of all three, whose first warning is told: its row says the same. */
static const char *planned(struct fixture *f, const char *server, const char *will)
{
    size_t i = 0;
    post(f, "/v1/runs", RECYCLE ", \"dry_run\": true}");
    assert_int_equal(f->status, 200);
    json_t *targets = at(f, "plan.targets");
    while (strcmp(json_string_value(json_object_get(json_array_get(targets, i), "server")), server))
        i++;
    json_t *row = json_array_get(targets, i);
    assert_string_equal(json_string_value(json_object_get(row, "will")), will);
    const char *why = json_string_value(json_object_get(row, "why"));
    assert_non_null(strstr(text_at(f, "plan.warnings.0"), why));
    return text_at(f, "plan.warnings.0");
}

static void plan_says_who_keeps_a_server_and_what_ends_that(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/servers/web02/quarantine", "{\"reason\": \"it smells\"}");
    assert_int_equal(f->status, 200);
    farm_run(&f->farm, 5000);
    assert_true(text_glob_match("the run waits for web02: in quarantine by incident 1: `farmhand "
                                "server release` ends it; put into quarantine by *: it smells",
                                planned(f, "web02", "wait")));
    assert_string_equal(text_at(f, "plan.targets.0.will"), "recycle"); /* the others go on */
    post(f, "/v1/servers/web02/maintenance", "{\"reason\": \"patching\", \"for_ms\": 3600000}");
    post(f, "/v1/servers/web03/maintenance", "{\"reason\": \"patching\", \"for_ms\": 3600000}");
    const char *said = planned(f, "web02", "skip"); /* the stronger word: nobody waits there */
    assert_true(text_glob_match("left out: web02, web03: in maintenance until *: patching (by "
                                "*); `farmhand server maintenance off` ends that",
                                said));
    post(f, "/v1/servers/web02/maintenance", "{\"reason\": \"over\", \"on\": false}");
    post(f, "/v1/servers/web03/maintenance", "{\"reason\": \"over\", \"on\": false}");
    post(f, "/v1/servers/web01/declare-out", "{\"reason\": \"dead\", \"for_ms\": 3600000}");
    assert_true(text_glob_match("left out: web01: declared out until *: dead (by *); `farmhand "
                                "server release` ends that",
                                planned(f, "web01", "skip")));
}

/* Not of the same pool, which is refused: a hold is of the whole server. */
static void plan_says_that_a_server_is_in_the_hands_of_others(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/holds", "{\"server\": \"web02\", \"reason\": \"deploy\", \"for_ms\": 600000}");
    assert_int_equal(f->status, 201);
    farm_run(&f->farm, 5000);
    assert_true(text_glob_match("the run waits for web02: held by run 1 (hold, by *: deploy)",
                                planned(f, "web02", "wait")));
}

/* The gate of a whole server says that some pool is Stopped: why says which, and what starts it. */
static void why_names_the_pool_that_stands_still(void **state)
{
    struct fixture *f = *state;
    f->farm.agents[0].shop_stopped = f->farm.agents[0].want_whole = true;
    farm_run(&f->farm, 500);
    get(f, "/v1/servers/web01/why");
    assert_int_equal(size_at(f, "sentences"), 2);
    assert_string_equal(text_at(f, "sentences.1"),
                        "Pool Shop is Stopped, and is to run: once it is known why, `farmhand pool "
                        "start Shop --on web01` starts it.");
    f->farm.agents[0].shop_manual = f->farm.agents[0].want_whole = true; /* on purpose */
    farm_run(&f->farm, 500);
    get(f, "/v1/servers/web01/why");
    assert_non_null(strstr(text_at(f, "sentences.1"), "Nothing is wrong"));
}

/* A person took it down: who, when and why stands in why, in what a rule says of it, and in the
 * status. */
static void why_says_who_stopped_the_services(void **state)
{
    struct fixture *f = *state;
    struct plan_request q = farm_request(&f->farm, ROLLOUT_SERVICE_STOP, "web01");
    q.pool = "";
    farm_ask(&f->farm, &q);
    farm_run_to_end(&f->farm, 120000);
    get(f, "/v1/servers/web01/why");
    const char *said = text_at(f, "sentences.2");
    assert_ptr_equal(strstr(said, "Its web services were stopped on purpose, to stay so, by anna "
                                  "with run 1 at 1970-"),
                     said);
    assert_non_null(strstr(said, ": leak. `farmhand service start --on web01` undoes it."));
    get(f, "/v1/status");
    assert_int_equal(size_at(f, "kept_stopped"), 1);
    assert_string_equal(text_at(f, "kept_stopped.0.pool"), "");
    assert_string_equal(text_at(f, "kept_stopped.0.by"), "anna");
    assert_string_equal(text_at(f, "kept_stopped.0.reason"), "leak");
}

/* Others had disabled WAS before: a start without --enable would be refused by the agent. */
static void why_says_that_a_start_takes_enable(void **state)
{
    struct fixture *f = *state;
    struct plan_request q = farm_request(&f->farm, ROLLOUT_SERVICE_STOP, "web01");
    q.pool = "";
    f->farm.agents[0].down = f->farm.agents[0].disabled = f->farm.agents[0].want_whole = true;
    farm_run(&f->farm, 500);
    farm_ask(&f->farm, &q);
    farm_run_to_end(&f->farm, 120000);
    get(f, "/v1/servers/web01/why");
    const char *said = text_at(f, "sentences.2");
    assert_ptr_equal(strstr(said, "Its web services were disabled by others, and told to stay so, "
                                  "by anna with run 1 at 1970-"),
                     said);
    assert_non_null(
        strstr(said, ": leak. `farmhand service start --on web01 --enable` undoes it."));
    get(f, "/v1/status");
    assert_true(json_is_true(at(f, "kept_stopped.0.found_down")));
}

static void second_run_over_the_same_servers_is_told_who_holds_them(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    assert_int_equal(f->status, 201);
    post(f, "/v1/runs", RECYCLE "}");
    assert_refused(f, 409, "exists", "run 1 holds");
}

static void wrong_requests_are_told_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *body;
        int status;
        const char *part;
    } wrong[] = {
        {"", 400, "action is missing"},
        {"{", 400, "not JSON"},
        {"[]", 400, "not a JSON object"},
        {"{\"action\": \"explode\"}", 400,
         "action: expected recycle, start, stop, undrain, service-recover"},
        {"{\"action\": \"recycle\", \"on\": \"all\", \"reason\": \"x\"}", 400, "pool is missing"},
        {"{\"action\": \"recycle\", \"pool\": \"Shop\", \"reason\": \"x\"}", 400, "on is missing"},
        {"{\"action\": \"recycle\", \"pool\": \"Shop\", \"on\": \"all\"}", 400, "reason"},
        {RECYCLE ", \"colour\": 1}", 400, "colour: there is no such field"},
        {RECYCLE ", \"reason\": \"twice\"}", 400, "not JSON"},
        {RECYCLE ", \"dry_run\": 1}", 400, "dry_run: expected true or false"},
        {RECYCLE ", \"options\": 1}", 400, "options: expected an object"},
        {RECYCLE ", \"options\": {\"batsh\": 1}}", 400, "options.batsh: there is no such field"},
        {RECYCLE ", \"options\": {\"batch\": 0}}", 400, "options.batch: expected a number from 1"},
        {RECYCLE ", \"options\": {\"batch\": -1}}", 400, "options.batch"},
        {RECYCLE ", \"options\": {\"batch\": 1.5}}", 400, "options.batch"},
        {RECYCLE ", \"options\": {\"batch\": \"1\"}}", 400, "options.batch"},
        {RECYCLE ", \"options\": {\"batch\": \"0%\"}}", 400, "or a text such as \"20%\""},
        {RECYCLE ", \"options\": {\"waves\": \"1,x\"}}", 400, "waves: \"x\" is neither"},
        {RECYCLE ", \"options\": {\"order\": \"rack\"}}", 400, "has no label rack"},
        {RECYCLE ", \"options\": {\"pause_after_canary\": true}}", 400, "--canary 1"},
        {RECYCLE ", \"options\": {\"max_failures\": \"3/waves\"}}", 400,
         "options.max_failures: expected how many are borne"},
        {RECYCLE ", \"options\": {\"on_unknown\": \"cry\"}}", 400,
         "options.on_unknown: expected stop, pause or"},
        {RECYCLE ", \"options\": {\"soak_ms\": 9223372036854775807}}", 400, "options.soak_ms"},
        {RECYCLE ", \"options\": {\"on_failure\": \"cry\"}}", 400, "stop, pause or continue"},
        {RECYCLE ", \"options\": {\"unreachable\": \"cry\"}}", 400, "fail, skip or wait"},
        {RECYCLE ", \"options\": {\"on_drain_limit\": 3}}", 400, "fail or proceed"},
        {RECYCLE ", \"options\": {\"expect\": 4}}", 400, "3"},
        {"{\"action\": \"recycle\", \"pool\": \"Shop\", \"on\": \"\", \"reason\": \"x\"}", 400,
         "on is missing"},
        {"{\"action\": \"recycle\", \"pool\": \"Sh\\u0000op\", \"on\": \"all\"}", 400, ""},
        {"{\"action\": \"recycle\", \"pool\": \"Nope\", \"on\": \"all\", \"reason\": \"x\"}", 404,
         "Nope"},
        {"{\"action\": \"recycle\", \"pool\": \"Shop\", \"on\": \"nobody\", \"reason\": \"x\"}", 0,
         "nobody"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        post(f, "/v1/runs", wrong[i].body);
        if (f->status < 400 || (wrong[i].status != 0 && f->status != wrong[i].status) ||
            !strstr(text_at(f, "error.text"), wrong[i].part))
            fail_msg("%s: %d %s", wrong[i].body, f->status, text_at(f, "error.text"));
    }
    get(f, "/v1/runs");
    assert_int_equal(size_at(f, "runs"), 0);
}

static const char *rule_with(struct fixture *f, const char *options)
{
    char body[400];
    text_format(body, sizeof(body), RECYCLE ", \"dry_run\": true, \"options\": {%s}}", options);
    post(f, "/v1/runs", body);
    return text_at(f, "plan.rule");
}

static void what_is_borne_is_told_in_words(void **state)
{
    struct fixture *f = *state;
#define UNKNOWN "; pauses after the 1st unknown outcome"
    assert_string_equal(rule_with(f, ""),
                        "stops after the 1st failure or failed gate or unreachable server" UNKNOWN);
    assert_string_equal(
        rule_with(f, "\"max_failures\": 1, \"unreachable\": \"skip\""),
        "stops after the 2nd failure; stops after the 2nd failed gate; goes on after "
        "every unreachable server, within the budget" UNKNOWN);
    assert_string_equal(
        rule_with(f, "\"on_failure\": \"continue\", \"on_gate_failure\": \"pause\", "
                     "\"max_gate_failures\": \"10%\", \"max_unreachable\": \"2,1/wave\", "
                     "\"on_unreachable\": \"stop\""),
        "goes on after every failure, within the budget; pauses when more than 10% are failed "
        "gates; "
        "stops after the 3rd unreachable server or after the 2nd unreachable server of a "
        "wave" UNKNOWN);
}

static void run_is_paused_resumed_and_aborted(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    post(f, "/v1/runs/1/pause", "{\"reason\": \"lunch\"}");
    assert_int_equal(f->status, 200);
    assert_string_equal(text_at(f, "state"), "paused");
    assert_string_equal(text_at(f, "pause_causes.0"), "person");
    post(f, "/v1/runs/1/resume", "{\"reason\": \"back\"}");
    assert_string_equal(text_at(f, "state"), "running");
    assert_int_equal(size_at(f, "pause_causes"), 0);
    post(f, "/v1/runs/1/abort", "{\"reason\": \"enough\"}");
    assert_int_equal(f->status, 200);
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/runs/1");
    assert_string_equal(text_at(f, "state"), "aborted");
    post(f, "/v1/runs/1/pause", "{\"reason\": \"late\"}");
    assert_refused(f, 409, "state", "run 1");
    post(f, "/v1/runs/1/pause", "{\"why\": \"late\"}");
    assert_refused(f, 400, "invalid", "why: there is no such field");
}

/* Of a run that has ended, from the store alone. */
static void story_of_a_run_is_kept_for_good(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs",
         RECYCLE ", \"options\": {\"gate_latency\": \"400%\", \"gate_memory\": \"400%\"}}");
    assert_int_equal(f->status, 201);
    farm_run_to_end(&f->farm, 600000);
    assert_null(coordinator_run_find(f->farm.brain, 1));
    get(f, "/v1/runs/1");
    assert_string_equal(text_at(f, "options.gate_latency"), "400%");
    assert_string_equal(text_at(f, "plan.targets.0.will"), "recycle");
    assert_int_equal(size_at(f, "plan.targets"), 3);
    static const char *const ways[] = {"acting", "gating", "soaking", "done"};
    size_t last = size_at(f, "targets.2.steps");
    assert_true(last >= 3);
    assert_string_equal(text_at(f, "targets.2.steps.0.to"), "acting"); /* behind no balancer */
    char path[64];
    for (size_t i = 1; i < last; i++) {
        text_format(path, sizeof(path), "targets.2.steps.%zu.from", i);
        bool known = false;
        for (size_t k = 0; k < 4; k++)
            known = known || text_equal(text_at(f, path), ways[k]);
        assert_true(known);
        text_format(path, sizeof(path), "targets.2.steps.%zu.at", i);
        assert_true(strlen(text_at(f, path)) > 20);
    }
    text_format(path, sizeof(path), "targets.2.steps.%zu.text", last - 1);
    assert_non_null(strstr(text_at(f, path), "the gate saw: passed: 200 in"));
    text_format(path, sizeof(path), "targets.2.steps.%zu.to", last - 1);
    assert_string_equal(text_at(f, path), "done");
    assert_true(json_is_object(at(f, "targets.2.before")));
    post(f, "/v1/runs", RECYCLE ", \"options\": {\"gate_queue\": \"50%\"}}");
    assert_refused(f, 400, "invalid", "gate_queue is a number of requests");
    post(f, "/v1/runs", RECYCLE ", \"options\": {\"gate_memory\": \"much\"}}");
    assert_refused(f, 400, "invalid", "options.gate_memory: expected");
}

/* The newest row of that action says so. */
static void expect_audited(struct fixture *f, const char *action, const char *before,
                           const char *after)
{
    const json_t *found = NULL, *row;
    size_t i;
    get(f, "/v1/audit?limit=100");
    json_array_foreach(at(f, "rows"), i, row)
    {
        if (text_equal(json_string_value(json_object_get(row, "action")), action))
            found = row;
    }
    if (!found)
        fail_msg("no row about %s", action);
    const char *was = json_string_value(json_object_get(found, "before"));
    const char *is = json_string_value(json_object_get(found, "after"));
    if (!text_glob_match(before, was) || !text_glob_match(after, is))
        fail_msg("%s: '%s' -> '%s'", action, was, is);
    assert_string_equal(json_string_value(json_object_get(found, "result")), "done");
}

static void each_word_of_a_person_tells_before_and_after(void **state)
{
    struct fixture *f = *state;
    char path[WIRE_NAME_MAX + 40];
    const char *server = f->farm.agents[2].name;
    post(f, "/v1/runs", RECYCLE "}");
    expect_audited(f, "pool.recycle", "Shop Started autoStart=yes on 3",
                   "run 1 is to: recycle pool Shop, on 3 targets (all)");
    post(f, "/v1/runs/1/pause", "{\"reason\": \"lunch\"}");
    expect_audited(f, "run.pause", "running", "paused (person)");
    post(f, "/v1/runs/1/resume", "{\"reason\": \"lunch is over\"}");
    expect_audited(f, "run.resume", "paused (person)", "running");
    post(f, "/v1/runs/1/abort", "{\"reason\": \"enough\"}");
    expect_audited(f, "run.abort", "running", "abort*");
    farm_run_to_end(&f->farm, 600000);
    text_format(path, sizeof(path), "/v1/servers/%s/declare-out", server);
    post(f, path, "{\"reason\": \"dead fan\", \"for_ms\": 60000}");
    expect_audited(f, "server.declare-out", "in the farm", "declared out until * by *: dead fan");
    text_format(path, sizeof(path), "/v1/servers/%s/release", server);
    post(f, path, "{\"reason\": \"new fan\"}");
    expect_audited(f, "server.release", "declared out until * by *: dead fan", "in the farm");
    text_format(path, sizeof(path), "/v1/servers/%s/maintenance", server);
    post(f, path, "{\"reason\": \"patching\", \"for_ms\": 60000}");
    expect_audited(f, "server.maintenance-on", "not in maintenance",
                   "in maintenance until * by *: patching");
    post(f, path, "{\"reason\": \"patched\", \"on\": false}");
    expect_audited(f, "server.maintenance-off", "in maintenance until * by *: patching",
                   "not in maintenance");
    post(f, "/v1/runs",
         "{\"action\": \"stop\", \"pool\": \"Shop\", \"on\": \"all\", \"reason\": \"x\"}");
    assert_int_equal(f->status, 201);
    expect_audited(f, "pool.stop", "Shop Started autoStart=yes on 3",
                   "run 2 is to: stop pool Shop, on 3 targets (all), autoStart=no");
}

static void run_is_set_while_it_goes_on_and_that_is_audited(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    post(f, "/v1/runs/1/set",
         "{\"reason\": \"hurry\", \"options\": {\"batch\": \"67%\", "
         "\"max_failures\": 2, \"limit_ms\": 11000}}");
    assert_int_equal(f->status, 200);
    assert_string_equal(text_at(f, "options.batch"), "67%");
    assert_int_equal(number_at(f, "options.limit_ms"), 11000);
    assert_string_equal(text_at(f, "changes.0.option"), "batch");
    assert_int_equal(number_at(f, "changes.0.was"), 1);
    assert_string_equal(text_at(f, "changes.0.is"), "67%");
    assert_string_equal(text_at(f, "changes.1.option"), "limit_ms");
    assert_int_equal(number_at(f, "changes.1.was"), 10000);
    assert_int_equal(coordinator_run_find(f->farm.brain, 1)->options.batch, 2);
    if (!strstr(farm_events(&f->farm),
                "run.set run 1: hurry [batch 1, limit_ms 10000, max_failures \"0\", "))
        fail_msg("%s", farm_events(&f->farm));
    expect_audited(f, "run.set", "batch 1, limit_ms 10000, max_failures \"0\", *",
                   "batch \"67%\", limit_ms 11000, max_failures \"2\", *");
    post(f, "/v1/runs/1/set", "{\"reason\": \"again\", \"options\": {\"limit_ms\": 11000}}");
    assert_refused(f, 409, "state", "has these options already");
    post(f, "/v1/runs/1/set", "{\"reason\": \"x\", \"options\": {\"waves\": \"1\"}}");
    assert_refused(f, 400, "invalid", "options.waves is part of the plan");
    post(f, "/v1/runs/1/set", "{\"reason\": \"x\"}");
    assert_refused(f, 400, "invalid", "options is missing");
    post(f, "/v1/runs/1/set", "{\"options\": {\"batch\": 3}}");
    assert_refused(f, 400, "invalid", "reason");
    post(f, "/v1/runs/1/set",
         "{\"reason\": \"x\", \"options\": {\"gate_min_ms\": 9000, \"gate_deadline_ms\": 8000}}");
    assert_refused(f, 400, "invalid", "must be longer than gate_min");
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/runs/1"); /* as it stands in the store */
    assert_int_equal(number_at(f, "options.limit_ms"), 11000);
    post(f, "/v1/runs/1/set", "{\"reason\": \"x\", \"options\": {\"batch\": 3}}");
    assert_refused(f, 409, "state", "run 1 is not running");
}

static void retry_is_a_run_of_its_own_over_what_was_left(void **state)
{
    struct fixture *f = *state;
    f->farm.agents[0].act_ms = 1000;
    post(f, "/v1/runs",
         "{\"action\": \"recycle\", \"pool\": \"Shop\", \"on\": \"all\", \"reason\": \"leaks\", "
         "\"options\": {\"limit_ms\": 9000}}");
    post(f, "/v1/runs/1/retry", "{\"reason\": \"x\"}");
    assert_refused(f, 409, "state", "run 1 has not ended");
    farm_run(&f->farm, 1500);
    post(f, "/v1/runs/1/abort", "{\"reason\": \"enough\"}");
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/runs/1");
    assert_string_equal(text_at(f, "state"), "aborted");
    assert_non_null(strstr(text_at(f, "why"), "`farmhand run retry 1` takes up the rest"));
    json_int_t left = number_at(f, "counts.waiting") + number_at(f, "counts.aborted");
    assert_true(left > 0);
    post(f, "/v1/runs/1/retry", "{\"reason\": \"x\", \"dry_run\": true}");
    assert_int_equal(size_at(f, "plan.targets"), left);
    post(f, "/v1/runs/1/retry", "{\"reason\": \"x\", \"targets\": \"web77\"}");
    assert_refused(f, 409, "state", "the selection has changed");
    post(f, "/v1/runs/1/retry", "{\"reason\": \"mended\", \"options\": {\"soak_ms\": 5}}");
    assert_int_equal(f->status, 201);
    assert_int_equal(number_at(f, "run.parent"), 1);
    assert_int_equal(number_at(f, "run.options.limit_ms"), 9000); /* as before */
    assert_int_equal(number_at(f, "run.options.soak_ms"), 5);
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/runs/2");
    assert_string_equal(text_at(f, "state"), "done");
    assert_int_equal(number_at(f, "parent"), 1);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f->farm.agents[i].acts, 1);
    post(f, "/v1/runs/2/retry", "{\"reason\": \"x\"}");
    assert_refused(f, 409, "state", "run 2 left nothing to retry");
    post(f, "/v1/runs/9/retry", "{\"reason\": \"x\"}");
    assert_refused(f, 404, "not-found", "no run 9");
}

static void restart(struct fixture *f)
{
    archive_close(f->archive);
    farm_crash(&f->farm);
    farm_start(&f->farm);
    open_archive(f);
    f->desk.brain = f->farm.brain;
    f->desk.store = f->farm.store;
    f->desk.archive = f->archive;
    farm_run(&f->farm, 15000);
}

/* Asked twice, as by a person who did not see the answer, or by two: the same servers are not taken
 * a second time. The coordinator remembers it over a restart. */
static void run_is_retried_once(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 3; i++)
        f->farm.agents[i].act_ms = 5000;
    post(f, "/v1/runs", RECYCLE "}");
    farm_run(&f->farm, 1500);
    post(f, "/v1/runs/1/abort", "{\"reason\": \"enough\"}");
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/runs/1");
    assert_true(json_is_null(at(f, "retried_by")));
    post(f, "/v1/runs/1/retry", "{\"reason\": \"first\"}");
    assert_int_equal(f->status, 201);
    post(f, "/v1/runs/1/retry", "{\"reason\": \"second\", \"dry_run\": true}");
    assert_refused(f, 409, "exists",
                   "run 1 was retried already, by run 2, which has not ended: "
                   "`farmhand run watch 2`");
    farm_run(&f->farm, 1500);
    post(f, "/v1/runs/2/abort", "{\"reason\": \"enough\"}");
    farm_run_to_end(&f->farm, 600000);
    restart(f);
    post(f, "/v1/runs/1/retry", "{\"reason\": \"second\"}");
    assert_refused(f, 409, "exists",
                   "run 1 was retried already, by run 2: `farmhand run retry 2` "
                   "takes up what that left, if anything");
    post(f, "/v1/runs/2/retry", "{\"reason\": \"the rest\"}");
    assert_int_equal(f->status, 201);
    farm_run_to_end(&f->farm, 600000);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f->farm.agents[i].acts, 1);
    post(f, "/v1/runs/1/retry", "{\"reason\": \"third\"}");
    assert_refused(f, 409, "exists",
                   "by run 2 and what that left last by run 3: `farmhand run "
                   "retry 3`");
    get(f, "/v1/runs/1");
    assert_int_equal(number_at(f, "retried_by"), 2);
}

static void only_what_is_unknown_can_be_resolved(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    post(f, "/v1/runs/1/resolve", "{\"reason\": \"x\"}");
    assert_refused(f, 400, "invalid", "server and as are required");
    post(f, "/v1/runs/1/resolve", "{\"server\": \"web01\", \"as\": \"gone\"}");
    assert_refused(f, 400, "invalid", "done, failed or not-executed");
    char body[128];
    text_format(body, sizeof(body), "{\"server\": \"%s\", \"as\": \"done\", \"reason\": \"x\"}",
                f->farm.agents[2].name);
    post(f, "/v1/runs/1/resolve", body);
    assert_int_equal(f->status, 409);
}

/* ---- servers ---- */

static void server_is_declared_out_and_released(void **state)
{
    struct fixture *f = *state;
    char out[96], release[96];
    text_format(out, sizeof(out), "/v1/servers/%s/declare-out", f->farm.agents[0].name);
    text_format(release, sizeof(release), "/v1/servers/%s/release", f->farm.agents[0].name);
    post(f, out, "{\"reason\": \"dead board\"}");
    assert_refused(f, 400, "invalid", "for_ms");
    post(f, out, "{\"reason\": \"dead board\", \"for_ms\": 3600000}");
    assert_int_equal(f->status, 200);
    assert_true(json_is_string(at(f, "declared_out_until")));
    farm_run(&f->farm, 2000);
    get(f, "/v1/status");
    assert_int_equal(number_at(f, "servers.declared_out"), 1);
    post(f, release, "{\"reason\": \"new board\"}");
    assert_int_equal(f->status, 200);
    assert_true(json_is_null(at(f, "declared_out_until")));
    post(f, "/v1/servers/web99/release", "{\"reason\": \"x\"}");
    assert_refused(f, 404, "not-found", "web99");
    post(f, "/v1/servers/web99/declare-out", "{}");
    assert_refused(f, 404, "not-found", "web99");
}

static void server_is_put_into_maintenance_and_taken_out(void **state)
{
    struct fixture *f = *state;
    char path[96];
    text_format(path, sizeof(path), "/v1/servers/%s/maintenance", f->farm.agents[0].name);
    post(f, path, "{\"reason\": \"patching\"}");
    assert_refused(f, 400, "invalid", "for_ms is missing");
    post(f, path, "{\"reason\": \"patching\", \"for_ms\": 3600000}");
    assert_int_equal(f->status, 200);
    assert_string_equal(text_at(f, "maintenance.reason"), "patching");
    get(f, "/v1/status");
    assert_int_equal(size_at(f, "maintenance"), 1);
    assert_string_equal(text_at(f, "maintenance.0.server"), f->farm.agents[0].name);
    post(f, "/v1/runs", RECYCLE ", \"dry_run\": true}");
    assert_string_equal(text_at(f, "plan.targets.0.will"), "skip");
    post(f, path, "{\"reason\": \"done\", \"on\": false, \"for_ms\": 3600000}");
    assert_refused(f, 400, "invalid", "not for the end");
    post(f, path, "{\"reason\": \"done\", \"on\": false}");
    assert_int_equal(f->status, 200);
    assert_true(json_is_null(at(f, "maintenance")));
    post(f, path, "{\"reason\": \"done\", \"on\": false}");
    assert_refused(f, 409, "state", "not in maintenance");
}

static void server_is_held_and_released(void **state)
{
    struct fixture *f = *state;
    char body[160], token[HOLD_TOKEN_MAX];
    post(f, "/v1/holds", "{\"reason\": \"v2\", \"for_ms\": 60000}");
    assert_refused(f, 400, "invalid", "server and for_ms are required");
    post(f, "/v1/holds", "{\"server\": \"all\", \"reason\": \"v2\", \"for_ms\": 60000}");
    assert_refused(f, 400, "invalid", "a hold is of one server, 3 are selected");
    text_format(body, sizeof(body), "{\"server\": \"%s\", \"reason\": \"v2\", \"for_ms\": 60000}",
                f->farm.agents[0].name);
    post(f, "/v1/holds", body);
    assert_int_equal(f->status, 201);
    text_copy(token, sizeof(token), text_at(f, "token"));
    assert_int_equal(strlen(token), HOLD_TOKEN_MAX - 1);
    farm_run(&f->farm, 3000);
    get(f, "/v1/holds");
    assert_string_equal(text_at(f, "holds.0.state"), "held");
    assert_string_equal(text_at(f, "holds.0.reason"), "v2");
    get(f, "/v1/status");
    assert_string_equal(text_at(f, "health"), "healthy");
    farm_run(&f->farm, 70000);
    get(f, "/v1/status");
    assert_string_equal(text_at(f, "holds.0.state"), "expired");
    assert_string_equal(text_at(f, "health"), "degraded");
    post(f, "/v1/holds/release", "{\"token\": \"x\", \"server\": \"y\"}");
    assert_refused(f, 400, "invalid", "either token or server");
    post(f, "/v1/holds/release", "{\"server\": \"web99\", \"reason\": \"x\"}");
    assert_refused(f, 404, "not-found", "nobody holds web99");
    text_format(body, sizeof(body), "{\"token\": \"%s\"}", token);
    post(f, "/v1/holds/release", body);
    assert_int_equal(f->status, 200);
    assert_int_equal(number_at(f, "id"), 1);
    farm_run_to_end(&f->farm, 60000);
    get(f, "/v1/runs/1");
    assert_string_equal(text_at(f, "state"), "done");
}

/* It would be nobody's: the token of the former one is spent, and no other is given. */
static void hold_is_not_retried(void **state)
{
    struct fixture *f = *state;
    char body[160], token[HOLD_TOKEN_MAX];
    text_format(body, sizeof(body), "{\"server\": \"%s\", \"reason\": \"v2\", \"for_ms\": 60000}",
                f->farm.agents[0].name);
    post(f, "/v1/holds", body);
    text_copy(token, sizeof(token), text_at(f, "token"));
    farm_run(&f->farm, 3000);
    text_format(body, sizeof(body), "{\"token\": \"%s\", \"failed\": true, \"reason\": \"no\"}",
                token);
    post(f, "/v1/holds/release", body);
    farm_run_to_end(&f->farm, 60000);
    get(f, "/v1/runs/1");
    assert_string_equal(text_at(f, "state"), "failed");
    assert_null(strstr(text_at(f, "why"), "run retry"));
    post(f, "/v1/runs/1/retry", "{\"reason\": \"again\"}");
    assert_refused(f, 409, "state", "was a hold");
}

static void agents_rehearse_a_plan(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    farm_run_to_end(&f->farm, 600000);
    post(f, "/v1/rehearsals", RECYCLE "}");
    assert_int_equal(f->status, 202);
    assert_int_equal(number_at(f, "rehearsal"), 1);
    farm_run(&f->farm, 1000);
    get(f, "/v1/rehearsals/1");
    assert_int_equal(f->status, 200);
    assert_true(json_is_true(at(f, "complete")));
    assert_string_equal(text_at(f, "plan.targets.0.agent.would"), "done");
    assert_string_equal(text_at(f, "plan.targets.0.agent.text"), "would do as asked");
    assert_true(number_at(f, "plan.estimate_ms") > 0);
    get(f, "/v1/rehearsals/9");
    assert_refused(f, 404, "not-found", "no rehearsal 9");
    post(f, "/v1/rehearsals", "{\"action\": \"recycle\"}");
    assert_refused(f, 400, "invalid", "pool is missing");
    get(f, "/v1/recycles");
    assert_int_equal(size_at(f, "recycles"), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f->farm.agents[i].acts, 1);
}

/* ---- events ---- */

static void events_are_listed_and_filtered(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/events?run=1&since=0&limit=1000");
    size_t count = size_at(f, "events");
    assert_true(count > 10);
    assert_string_equal(text_at(f, "events.0.kind"), "run.created");
    json_int_t last = number_at(f, "last");
    char path[32], target[96];
    text_format(path, sizeof(path), "events.%zu.kind", count - 1);
    assert_string_equal(text_at(f, path), "run.ended");
    get(f, "/v1/events?run=1&limit=2"); /* without since: the newest */
    assert_int_equal(size_at(f, "events"), 2);
    assert_string_equal(text_at(f, "events.1.kind"), "run.ended");
    assert_int_equal(number_at(f, "last"), last);
    text_format(target, sizeof(target), "/v1/events?run=1&server=%s", f->farm.agents[1].name);
    get(f, target);
    assert_int_equal(size_at(f, "events"), 3);
    assert_string_equal(text_at(f, "events.0.server"), f->farm.agents[1].name);
    text_format(target, sizeof(target), "/v1/events?since=%lld", (long long)last);
    get(f, target);
    assert_int_equal(size_at(f, "events"), 0);
    get(f, "/v1/events?since=-1");
    assert_refused(f, 400, "invalid", "since=-1");
    get(f, "/v1/events?limit=1001");
    assert_refused(f, 400, "invalid", "from 1 to 1000");
    get(f, "/v1/events?follow=yes");
    assert_refused(f, 400, "invalid", "follow=yes");
}

static void follower_gets_history_and_then_what_happens(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    farm_run_to_end(&f->farm, 600000);
    get(f, "/v1/events?limit=1");
    json_int_t last = number_at(f, "last");
    struct client c = client_open(files_path(&f->farm.files, "api.sock"));
    client_ask(&c, "GET", "/v1/events?follow=1&since=0&run=1", NULL);
    serve(f);
    for (struct api_request *r; (r = mailbox_take(f->box, clock_boot_ms() + 500));)
        desk_take(&f->desk, r, f->farm.now_ms, 0); /* further pages */
    struct event live = {.seq = (uint64_t)last + 1, .kind = "target.step", .run = 1, .text = "now"};
    desk_publish(&f->desk, &live);
    live.run = 2;
    live.text = "of another run";
    desk_publish(&f->desk, &live);
    assert_true(client_read_until(&c, "\"text\":\"now\""));
    assert_non_null(strstr(c.unread.data, "\"kind\":\"run.created\""));
    assert_non_null(strstr(c.unread.data, "\"kind\":\"run.ended\""));
    assert_null(strstr(c.unread.data, "of another run"));
    client_close(&c);
}

static void follower_without_since_gets_only_what_is_new(void **state)
{
    struct fixture *f = *state;
    post(f, "/v1/runs", RECYCLE "}");
    struct client c = client_open(files_path(&f->farm.files, "api.sock"));
    client_ask(&c, "GET", "/v1/events?follow=1", NULL);
    serve(f);
    struct event live = {.seq = 99999, .kind = "target.step", .text = "now"};
    desk_publish(&f->desk, &live);
    assert_true(client_read_until(&c, "\"text\":\"now\""));
    assert_null(strstr(c.unread.data, "run.created"));
    client_close(&c);
}

/* ---- paths ---- */

static void unknown_paths_and_methods_are_told(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/",           "/v1",          "/v1/status/",
                                        "/v1/runs/x",  "/v1/runs/0",   "/v1/runs/1/explode",
                                        "/v1//status", "/v1/servers/", "/v2/status"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        get(f, paths[i]);
        if (f->status != 404)
            fail_msg("%s: %d", paths[i], f->status);
    }
    post(f, "/v1/status", "{}");
    assert_int_equal(f->status, 405);
    ask(f, "DELETE", "/v1/runs/1", NULL);
    assert_int_equal(f->status, 405);
    get(f, "/v1/status?x=1");
    assert_refused(f, 400, "invalid", "takes none");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(status_is_the_farm_at_a_glance),
        CASE(server_that_falls_silent_degrades_the_farm),
        CASE(servers_are_listed_by_selector),
        CASE(server_is_shown_whole),
        CASE(pools_are_listed_by_glob),
        CASE(run_is_started_watched_and_shown_after_its_end),
        CASE(dry_run_changes_nothing),
        CASE(plan_says_that_the_budget_is_full_and_by_whom),
        CASE(plan_says_who_keeps_a_server_and_what_ends_that),
        CASE(plan_says_that_a_server_is_in_the_hands_of_others),
        CASE(why_names_the_pool_that_stands_still),
        CASE(why_says_who_stopped_the_services),
        CASE(why_says_that_a_start_takes_enable),
        CASE(second_run_over_the_same_servers_is_told_who_holds_them),
        CASE(wrong_requests_are_told_what_is_wrong),
        CASE(what_is_borne_is_told_in_words),
        CASE(run_is_paused_resumed_and_aborted),
        CASE(story_of_a_run_is_kept_for_good),
        CASE(run_is_set_while_it_goes_on_and_that_is_audited),
        CASE(each_word_of_a_person_tells_before_and_after),
        CASE(retry_is_a_run_of_its_own_over_what_was_left),
        CASE(run_is_retried_once),
        CASE(only_what_is_unknown_can_be_resolved),
        CASE(server_is_declared_out_and_released),
        CASE(server_is_put_into_maintenance_and_taken_out),
        CASE(server_is_held_and_released),
        CASE(hold_is_not_retried),
        CASE(agents_rehearse_a_plan),
        CASE(events_are_listed_and_filtered),
        CASE(follower_gets_history_and_then_what_happens),
        CASE(follower_without_since_gets_only_what_is_new),
        CASE(unknown_paths_and_methods_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
