/* fuzz_desk.c - what operators, and those who would like to be, ask of a whole coordinator.
 *
 * An input is text, a line per request: WHO METHOD TARGET BODY, as tests/fuzz/corpus/desk has them.
 * WHO is s (at the socket), v, o, b, a (from afar: a viewer, an operator, one bound to web01, an
 * admin), n (without a token) or w (with a wrong one). In a body $T is the last token that was
 * answered, $J one to join by, $C a signing request. "+1500" lets time go by, "!" fills the disk or
 * makes room again.
 *
 * Whatever is asked is answered once, in JSON; an error says something and is never "our own fault"
 * (500); no answer holds a private key; who may not change anything changes nothing; who is bound
 * to a server has runs there alone.
 */
#include "fuzz.h"

#include "common/must.h"
#include "tests/fuzz/world.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_MAX  16 /* as coordinator/api/api.c takes them */
#define LINES_MAX 24
#define RUN_MAX   20000 /* ms of one "+" */

struct asked {
    struct api_request request; /* first: what the desk sees */
    struct {
        char *name, *value;
    } args[ARGS_MAX];
    size_t arg_count;
    bool answered, follows, caught_up;
    uint64_t fed_seq;
    int status;
};

static struct world world;
static bool dirty;
static char last_token[128];
static bool key_was_given; /* libFuzzer sees what is compared, and may try just that */

/* ---- the desk's HTTP server ---- */

static struct asked *asked_of(const struct api_request *request)
{
    return (struct asked *)request;
}

const char *api_arg(const struct api_request *request, const char *name)
{
    const struct asked *a = asked_of(request);
    for (size_t i = 0; i < a->arg_count; i++)
        if (text_equal(a->args[i].name, name))
            return a->args[i].value;
    return NULL;
}

const char *api_unknown_arg(const struct api_request *request, const char *const *known)
{
    const struct asked *a = asked_of(request);
    for (size_t i = 0; i < a->arg_count; i++) {
        size_t k = 0;
        while (known[k] && !text_equal(known[k], a->args[i].name))
            k++;
        if (!known[k])
            return a->args[i].name;
    }
    return NULL;
}

static void check_answer(int status, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    must(json != NULL && status >= 200 && status < 600 && status != 500);
    must(key_was_given || !strstr(text, world_key_line()));
    const char *why = json_string_value(json_object_get(json_object_get(json, "error"), "text"));
    must((status < 400) == (why == NULL) && (!why || why[0]));
    const char *token = json_string_value(json_object_get(json, "token"));
    if (token)
        text_copy(last_token, sizeof(last_token), token);
    json_decref(json);
}

void api_answer(struct api *api, struct api_request *request, int status, char *json)
{
    struct asked *a = asked_of(request);
    (void)api;
    must(!a->answered && !a->follows);
    check_answer(status, json);
    a->answered = true;
    a->status = status;
    free(json);
}

bool api_follow(struct api *api, struct api_request *request, uint64_t since, uint64_t run,
                const char *server)
{
    struct asked *a = asked_of(request);
    (void)api;
    must(!a->answered && !a->follows);
    a->follows = true;
    request->fed_seq = since;
    request->run = run;
    request->server = server;
    return true;
}

void api_follow_as(struct api *api, struct api_request *request, const char *who, uint64_t until_ms)
{
    (void)api, (void)until_ms;
    must(asked_of(request)->follows && who[0]);
}

void api_follow_until(struct api *api, const char *who, uint64_t until_ms)
{
    (void)api, (void)until_ms;
    must(who[0]);
}

void api_cut(struct api *api, const char *who)
{
    (void)api;
    must(who[0]);
}

void api_feed(struct api *api, struct api_request *request, uint64_t seq, const char *json)
{
    (void)api;
    must(json[0] == '{' && seq > request->fed_seq);
    request->fed_seq = seq;
}

void api_fed(struct api *api, struct api_request *request, bool caught_up)
{
    (void)api;
    asked_of(request)->caught_up = caught_up;
}

bool api_is_followed(struct api *api, uint64_t run, const char *server)
{
    (void)api, (void)run, (void)server;
    return true;
}

void api_publish(struct api *api, uint64_t seq, uint64_t run, const char *server, const char *json)
{
    (void)api, (void)seq, (void)run, (void)server;
    must(json[0] == '{');
}

/* ---- from a line to a request ---- */

/* As MHD does it; false: api.c would refuse it. */
static bool decode(char *s)
{
    char *to = s;
    for (const char *c = s; *c; c++) {
        if (*c == '%' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2])) {
            const char hex[3] = {c[1], c[2], '\0'};
            *to++ = (char)strtoul(hex, NULL, 16);
            c += 2;
        } else {
            *to++ = *c;
        }
    }
    *to = '\0';
    return text_is_utf8(s, strlen(s)) && !text_has_control(s);
}

static bool take_args(struct asked *a, char *query)
{
    for (char *rest = query, *arg; (arg = strsep(&rest, "&")) != NULL;) {
        char *equals = strchr(arg, '=');
        if (a->arg_count == ARGS_MAX)
            return false;
        if (equals)
            *equals++ = '\0';
        else
            equals = arg + strlen(arg);
        if (!decode(arg) || !decode(equals))
            return false;
        a->args[a->arg_count].name = arg;
        a->args[a->arg_count++].value = equals;
    }
    return true;
}

static void add_escaped(struct text *t, const char *s)
{
    for (; *s; s++)
        text_add(t, *s == '\n' ? "\\n" : (const char[]){*s, '\0'});
}

/* With what stands for tokens and requests put in. */
static char *fill_in(const char *body)
{
    struct text t = {0};
    for (const char *c = body; *c; c++) {
        const char *what = *c != '$'     ? NULL
                           : c[1] == 'T' ? last_token
                           : c[1] == 'J' ? world.join
                           : c[1] == 'C' ? world_request_pem()
                                         : NULL;
        if (what)
            add_escaped(&t, what), c++;
        else
            text_add_bytes(&t, c, 1);
    }
    return text_take(&t);
}

static const char *bearer_of(char who)
{
    switch (who) {
    case 'v':
        return world.viewer;
    case 'o':
        return world.operates;
    case 'b':
        return world.bound;
    case 'a':
        return world.admin;
    case 'w':
        return "fho1.AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAAAAAA";
    default:
        return "";
    }
}

static bool may_change(char who)
{
    return strchr("soba", who) != NULL;
}

/* ---- what must hold ---- */

static void check_bound(void)
{
    for (size_t i = 0; i < coordinator_run_count(world.farm.brain); i++) {
        const struct rollout *run = coordinator_run_at(world.farm.brain, i);
        for (size_t k = 0; text_equal(run->actor, "bert") && k < run->target_count; k++)
            must(text_equal(run->targets[k].server, WORLD_BOUND));
    }
}

static void serve(struct asked *a, char who)
{
    uint64_t before = world_changes(&world);
    bool joins = text_equal(a->request.path, "/v1/join");
    desk_take(&world.desk, &a->request, world.farm.now_ms, world_wall_ms(&world));
    for (int pages = 0; a->follows && !a->caught_up && pages < 3; pages++) {
        a->request.hungry = true;
        desk_take(&world.desk, &a->request, world.farm.now_ms, world_wall_ms(&world));
    }
    must(a->answered != a->follows);
    if (!may_change(who) && !joins) /* a viewer who tries leaves a row that says so */
        must((world_changes(&world) == before && (a->status >= 400 || who == 'v')) ||
             ((a->status == 403 || a->status == 401) && who == 'v'));
    if (who == 'b')
        check_bound();
    dirty = dirty || (text_equal(a->request.method, "POST") && a->status < 300);
}

static void ask(char who, char *method, char *target, const char *body)
{
    struct asked a = {0};
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    if (!decode(target) || (query && !take_args(&a, query)) || !text_is_utf8(body, strlen(body)))
        return;
    char *filled = fill_in(body);
    a.request = (struct api_request){.method = method,
                                     .path = target,
                                     .actor = who == 's' ? "root" : "",
                                     .far = who != 's',
                                     .address = who == 's' ? "" : "192.0.2.7",
                                     .network = who == 's' ? "" : "192.0.2.7",
                                     .bearer = bearer_of(who),
                                     .body = filled,
                                     .body_len = strlen(filled),
                                     .server = ""};
    serve(&a, who);
    free(filled);
}

static void take_line(char *line)
{
    uint64_t ms;
    if (line[0] == '+' && text_parse_u64(line + 1, 0, RUN_MAX, &ms)) {
        dirty = true;
        world_run(&world, ms);
    } else if (text_equal(line, "!")) {
        dirty = true;
        world_fill_disk(&world, !world.full);
    } else if (line[0] && line[1] == ' ') {
        char *rest = line + 2, *method = strsep(&rest, " "), *target = strsep(&rest, " ");
        if (target)
            ask(line[0], method, target, rest ? rest : "");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = must_alloc(size + 1, 1), *rest = text;
    memcpy(text, data, size);
    if (dirty || !world.archive)
        world_begin(&world);
    dirty = false;
    last_token[0] = '\0';
    key_was_given = strstr(text, world_key_line()) != NULL;
    memset(&world.throttle, 0, sizeof(world.throttle));
    for (int lines = 0; rest && lines < LINES_MAX; lines++)
        take_line(strsep(&rest, "\n"));
    free(text);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    static const char *const seeds[] = {
        "s GET /v1/status\nn GET /v1/status\nw GET /v1/status\nv GET /v1/status\n",
        "s POST /v1/runs {\"action\": \"recycle\", \"pool\": \"Shop\", \"on\": \"all\", "
        "\"reason\": "
        "\"leaks\"}\n+3000\nv GET /v1/runs/1\n",
    };
    if (n >= sizeof(seeds) / sizeof(seeds[0]))
        return NULL;
    *size = strlen(seeds[n]);
    return (uint8_t *)must_copy(seeds[n]);
}
