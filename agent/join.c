/* join.c - see join.h. */
#include "agent/join.h"

#include "agent/home.h"
#include "agent/identity.h"
#include "agent/join_http.h"
#include "agent/join_key.h"
#include "agent/join_tls.h"
#include "agent/settings.h"
#include "agent/verbs.h"
#include "common/clock.h"
#include "common/keypair.h"
#include "common/must.h"
#include "common/options.h"
#include "common/os.h"
#include "proto/token.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_MS 2000
#define TOKEN_INPUT  512

static const char help[] =
    "farmhand-agent join - lets this server into a farm\n"
    "\n"
    "usage: farmhand-agent join URL TOKEN [--name NAME] [--config FILE] [--wait LENGTH]\n"
    "\n"
    "  URL            where the coordinator is: https://HOST:PORT\n"
    "  TOKEN          what `farmhand token create` printed; @FILE reads it from a file, - from\n"
    "                 standard input, so that it stands in no list of processes\n"
    "  --name NAME    this server's name in the farm; the host's name otherwise\n"
    "  --config FILE  the configuration, %s by default; it need not be there\n"
    "  --wait LENGTH  if a person has to approve it, wait for that so long: 10m by default\n"
    "\n"
    "A key is made here and stays here. The coordinator is believed if its CA is the one that the\n"
    "token names; nothing is told to anybody else. What comes back, the certificate, is kept with\n"
    "the key in data_dir/identity. Restart the agent afterwards.\n"
    "Ends with 0, 1 on a failure, 2 on wrong options, 4 if it still waits for approval. The same\n"
    "command goes on from wherever it was cut off, and costs no second use of the token.\n";

#define STILL_WAITS 4

struct plan {
    const char *url, *token, *name, *config;
    uint64_t wait_ms;
    char data_dir[4096];
    bool bare; /* there is no configuration yet */
    char host_name[WIRE_NAME_MAX];
    struct join_where where;
    struct join_token pass;
    char token_text[TOKEN_INPUT];
};

/* ---- the command line ---- */

static int usage(const char *what)
{
    fprintf(stderr, "farmhand-agent join: %s; --help tells more\n", what);
    return OPTIONS_EXIT_USAGE;
}

static int take_word(struct plan *p, const char *word)
{
    if (!p->url)
        p->url = word;
    else if (!p->token)
        p->token = word;
    else
        return usage("expected URL and TOKEN, and nothing more");
    return -1;
}

/* -1: go on. */
static int parse(int argc, char **argv, struct plan *p)
{
    int end = -1;
    for (int i = 1; i < argc && end < 0; i++) {
        bool more = i + 1 < argc;
        if (text_equal(argv[i], "--help")) {
            printf(help, home_config());
            return EXIT_SUCCESS;
        }
        if (more && text_equal(argv[i], "--name"))
            p->name = argv[++i];
        else if (more && text_equal(argv[i], "--config"))
            p->config = argv[++i];
        else if (more && text_equal(argv[i], "--wait"))
            end = text_parse_duration(argv[++i], &p->wait_ms) ? -1 : usage("--wait: as in 10m");
        else if (text_starts(argv[i], "--"))
            end = usage("expected --name NAME, --config FILE or --wait LENGTH");
        else
            end = take_word(p, argv[i]);
    }
    if (end < 0 && (!p->url || !p->token))
        end = usage("expected URL and TOKEN");
    return end;
}

/* A token on the command line is seen by all who list processes: it is taken off there as soon as
 * it was read. */
static enum error_code read_token(struct plan *p, char *argument, struct error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    if (text_equal(argument, "-")) {
        if (!fgets(p->token_text, sizeof(p->token_text), stdin))
            return error_set(err, ERR_INVALID, "no token came from standard input");
        return ERR_NONE;
    }
    if (argument[0] == '@') {
        enum error_code code = os_read_file(argument + 1, TOKEN_INPUT - 1, &bytes, &len, err);
        if (code == ERR_NONE)
            text_copy(p->token_text, sizeof(p->token_text), bytes);
        if (bytes)
            text_wipe(bytes, len);
        free(bytes);
        return code;
    }
    bool fits = text_copy(p->token_text, sizeof(p->token_text), argument);
    memset(argument, 'x', strlen(argument));
    return fits ? ERR_NONE : error_set(err, ERR_INVALID, "that is no join token: it is too long");
}

/* ---- where and as whom ---- */

/* The configuration is asked for name and directory alone, and need not be there yet. */
static enum error_code look_up(struct plan *p, struct error *err)
{
    struct settings settings;
    const char *config = p->config ? p->config : home_config();
    enum error_code code = settings_read(config, &settings, NULL, NULL, err);
    if (code == ERR_NOT_FOUND && !p->config) {
        text_copy(p->data_dir, sizeof(p->data_dir), home_data());
        code = p->name ? ERR_NONE : os_hostname(p->host_name, sizeof(p->host_name), err);
        code = code ? code : verbs_prepare(NULL, err);
        p->bare = true;
    } else if (code == ERR_NONE) {
        text_copy(p->data_dir, sizeof(p->data_dir), settings.data_dir);
        text_copy(p->host_name, sizeof(p->host_name), settings.name);
        settings_reset(&settings);
    }
    if (!p->name)
        p->name = p->host_name;
    return code ? code : os_make_dir(p->data_dir, 0700, err);
}

/* ---- asking ---- */

struct attempt {
    struct identity id; /* coordinator, certificate and CA once it is in */
    struct join_key key;
    bool in;
    char why[512]; /* it waits */
};

static const char *string_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* The coordinator's own words, from {"error": {"code", "text"}}. */
static enum error_code refused(const json_t *json, struct error *err)
{
    const json_t *error = json_object_get(json, "error");
    const char *text = string_of(error, "text");
    bool later = text_equal(string_of(error, "code"), "busy");
    return error_set(err, later ? ERR_BUSY : ERR_DENIED, "the coordinator says no: %s",
                     *text ? text : "without a reason");
}

static enum error_code take_certificate(const struct plan *p, struct attempt *a, const json_t *json,
                                        char *ca_pem, struct error *err)
{
    struct identity_cert times;
    char url[512];
    int port = (int)json_integer_value(json_object_get(json, "agents_port"));
    bool v6 = strchr(p->where.host, ':') != NULL;
    text_format(url, sizeof(url), "tls+tcp://%s%s%s:%d", v6 ? "[" : "", p->where.host,
                v6 ? "]" : "", port);
    a->id.coordinator = must_copy(url);
    a->id.https = must_copy(p->url);
    a->id.cert_pem = must_copy(string_of(json, "certificate"));
    a->id.ca_pem = must_copy(ca_pem);
    a->id.profile = p->pass.profile; /* the token's, as the owner of this server pasted it */
    a->in = true;
    return identity_check(&a->id, &times, err);
}

static enum error_code take_reply(const struct plan *p, struct attempt *a, const char *reply,
                                  size_t len, char *ca_pem, struct error *err)
{
    int status = 0;
    const char *body = NULL;
    enum error_code code = join_reply(reply, len, &status, &body, err);
    json_t *json = code ? NULL : json_loads(body, 0, NULL);
    if (code == ERR_NONE && status == 200)
        code = take_certificate(p, a, json, ca_pem, err);
    else if (code == ERR_NONE && status == 202)
        text_copy(a->why, sizeof(a->why), string_of(json, "why"));
    else if (code == ERR_NONE)
        code = refused(json, err);
    json_decref(json);
    return code;
}

static enum error_code ask(const struct plan *p, struct attempt *a, struct error *err)
{
    struct text request = {0};
    char *reply = NULL, *ca_pem = NULL;
    size_t len = 0;
    json_t *body = json_pack("{s:s, s:s, s:s}", "token", p->token_text, "name", p->name, "request",
                             a->key.request_pem);
    must(body != NULL);
    char *json = json_dumps(body, JSON_COMPACT);
    join_request(&request, p->where.host, "/v1/join", json);
    enum error_code code = join_exchange(p->where.host, p->where.port, p->pass.ca,
                                         text_get(&request), &reply, &len, &ca_pem, err);
    code = code ? code : take_reply(p, a, reply, len, ca_pem, err);
    text_wipe(request.data, request.len);
    text_wipe(json, strlen(json));
    text_reset(&request);
    json_decref(body);
    free(json);
    free(reply);
    free(ca_pem);
    return code;
}

static void tell_waiting(const struct plan *p, const struct attempt *a, enum error_code code,
                         const struct error *err)
{
    if (code == ERR_BUSY && p->wait_ms > 0)
        printf("%s. Asked again until then.\n", err->text);
    else if (code == ERR_NONE && !a->in)
        printf("Waits for approval: %s.\nOn the coordinator: farmhand server approve %s\n", a->why,
               p->name);
    fflush(stdout);
}

/* It waits for a person; or its last certificate, which never came, was made a moment ago. */
static enum error_code ask_until_in(const struct plan *p, struct attempt *a, struct error *err)
{
    uint64_t until_ms = clock_boot_ms() + p->wait_ms;
    enum error_code code = ask(p, a, err);
    tell_waiting(p, a, code, err);
    while ((code == ERR_BUSY || (code == ERR_NONE && !a->in)) && clock_boot_ms() < until_ms) {
        clock_sleep_ms(ASK_AGAIN_MS);
        code = ask(p, a, err);
    }
    return code;
}

/* Where there is none: what joining left is enough for the agent, but it wants to read a file. */
static enum error_code first_configuration(struct error *err)
{
    static const char content[] = "# Made by farmhand-agent join. Every key: agent.conf.sample.\n"
                                  "[agent]\n";
    char dir[4096];
    text_copy(dir, sizeof(dir), home_config());
    char *end = strrchr(dir, '/');
    if (!end)
        end = strrchr(dir, '\\');
    if (end)
        *end = '\0';
    enum error_code code = os_make_dir(dir, 0755, err);
    return code ? code : os_write_file(home_config(), content, sizeof(content) - 1, 0600, err);
}

/* The certificate is on the disk before the kept key goes: until then the same command goes on. */
static enum error_code settle_in(const struct plan *p, const struct attempt *a, struct error *err)
{
    enum error_code code = identity_write(p->data_dir, &a->id, err);
    code = code || !p->bare ? code : first_configuration(err);
    code = code ? code : join_key_drop(p->data_dir, err);
    if (code == ERR_NONE)
        printf(
            "%s has joined the farm, in the profile %s. Its coordinator: %s\nKey and certificate: "
            "%s/identity. Restart the agent now.\n",
            p->name, profile_name(a->id.profile), a->id.coordinator, p->data_dir);
    return code;
}

static enum error_code join(const struct plan *p, bool *in, struct error *err)
{
    struct attempt a = {0};
    char token[2 * TOKEN_ID_BYTES + 1];
    text_to_hex(token, p->pass.id, sizeof(p->pass.id));
    enum error_code code = join_key_take(p->data_dir, p->name, token, &a.key, err);
    if (code)
        return code;
    a.id.name = must_copy(p->name);
    a.id.key_pem = must_copy(a.key.key_pem);
    code = ask_until_in(p, &a, err);
    if (code == ERR_NONE && a.in)
        code = settle_in(p, &a, err);
    *in = a.in;
    join_key_reset(&a.key);
    identity_reset(&a.id);
    return code;
}

int join_main(int argc, char **argv)
{
    struct plan p = {.wait_ms = 10 * 60 * 1000};
    struct error err = {0};
    bool in = false;
    int end = parse(argc, argv, &p);
    if (end >= 0)
        return end;
    enum error_code code = read_token(&p, (char *)(uintptr_t)p.token, &err);
    code = code ? code : join_where_parse(p.url, &p.where, &err);
    code = code ? code : join_token_parse(p.token_text, &p.pass, &err);
    code = code ? code : look_up(&p, &err);
    code = code ? code : join(&p, &in, &err);
    text_wipe(&p.pass, sizeof(p.pass));
    text_wipe(p.token_text, sizeof(p.token_text));
    if (code != ERR_NONE) {
        fprintf(stderr, "farmhand-agent join: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return in ? EXIT_SUCCESS : STILL_WAITS;
}
