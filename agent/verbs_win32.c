/* verbs_win32.c - see verbs.h. */
#include "agent/verbs.h"

#include "agent/home_win32.h"
#include "agent/identity.h"
#include "agent/join.h"
#include "agent/privileges_win32.h"
#include "agent/service_setup_win32.h"
#include "common/log.h"
#include "common/must.h"
#include "common/options.h"
#include "common/os.h"
#include "common/text.h"
#include "proto/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char verbs_help[] =
    "\n"
    "The agent as a service of Windows (as administrator):\n"
    "  install [--coordinator URL] [--allow \"VERB, ...\"] [--config FILE]\n"
    "          [--join URL --token TOKEN]\n"
    "                      make the service, its directory and, if there is none, its "
    "configuration;\n"
    "                      --join: as the verb join, unless this server is in a farm already\n"
    "  start | stop        the service; waits until it is so\n"
    "  remove [--purge]    take the service away; --purge: configuration, journal and logs as "
    "well\n"
    "  setup [--coordinator URL] [--allow \"VERB, ...\"] [--join URL --token TOKEN]\n"
    "                      the directory and a first configuration alone (the MSI makes the "
    "service)\n"
    "  purge [--keep-logs] stop the service, delete configuration, journal and logs\n";

struct words {
    const char *coordinator, *allow, *config, *join, *token;
    bool purge, keep_logs;
};

struct service_verb {
    const char *name;
    const char *takes; /* the words it knows, each between blanks */
    enum error_code (*run)(const struct service_name *service, const struct words *words,
                           struct error *err);
};

/* ---- the first configuration ---- */

/* Joining brings the address too. */
static void write_coordinator(const char *url, struct text *out)
{
    if (!url)
        return;
    text_addf(out, "coordinator = %s\n%s", url,
              wire_url_has_tls(url) ? "" : "without_tls = " WIRE_WITHOUT_TLS "\n");
}

static void write_content(const struct words *words, struct text *out)
{
    text_add(out, "# The agent of this server. Every key: agent.conf.sample. After a change:\n"
                  "#   farmhand-agent --check\n"
                  "\n"
                  "[agent]\n");
    write_coordinator(words->coordinator, out);
    text_addf(out,
              "\n"
              "[allow]\n"
              "# What the coordinator may do here. Without it: nothing but reading.\n"
              "%sverbs = %s\n",
              words->allow ? "" : "#", words->allow ? words->allow : "recycle, start, stop");
}

/* What an administrator has written is never touched: an upgrade keeps it. */
static enum error_code first_configuration(const struct words *words, bool *wrote,
                                           struct error *err)
{
    struct os_file_id id;
    enum error_code code = os_file_id(home_config(), &id, err);
    if (code || id.modified_ns != 0) {
        if (!code && words->coordinator)
            printf("%s is kept as it is\n", home_config());
        return code;
    }
    if (!words->coordinator && !words->join) {
        printf("There is no %s yet: write it, or give --coordinator URL\n", home_config());
        return ERR_NONE;
    }
    code = words->coordinator ? wire_check_url(words->coordinator, false, err) : ERR_NONE;
    if (code)
        return error_wrap(err, "--coordinator");
    if (words->allow && text_has_control(words->allow))
        return error_set(err, ERR_INVALID,
                         "--allow: expected verbs, as in \"recycle, start, stop\"");
    struct text content = {0};
    write_content(words, &content);
    code = os_write_file(home_config(), content.data, content.len, 0600, err);
    text_reset(&content);
    *wrote = code == ERR_NONE;
    if (!code)
        printf("%s is written\n", home_config());
    return code;
}

/* ---- joining ---- */

#define APPROVAL_WAIT "5s" /* an installer is not to stand still for a person */
#define STILL_WAITS   4     /* join's exit code for that */

/* Once: an upgrade, or the same line again, finds that it was done. */
static enum error_code join_farm(const struct words *words, struct error *err)
{
    struct identity identity;
    if (!words->join)
        return ERR_NONE;
    if (identity_read(home_data(), &identity, NULL) == ERR_NONE) {
        printf("This server is in a farm already, as %s\n", identity.name);
        identity_reset(&identity);
        return ERR_NONE;
    }
    if (!words->token)
        return error_set(err, ERR_INVALID, "--join wants --token TOKEN");
    char *token = must_copy(words->token); /* it is overwritten there */
    char *argv[] = {(char *)"join",   (char *)(uintptr_t)words->join, token,
                    (char *)"--wait", (char *)APPROVAL_WAIT,          NULL};
    int end = join_main(5, argv);
    free(token);
    if (end == STILL_WAITS)
        return error_set(err, ERR_STATE,
                         "a person has to let this server in: approve it on the coordinator, then "
                         "do this again");
    return end == EXIT_SUCCESS ? ERR_NONE
                               : error_set(err, ERR_IO, "this server has not joined, see above");
}

/* ---- verbs ---- */

static enum error_code setup(const struct service_name *service, const struct words *words,
                             struct error *err)
{
    const char *changed = NULL;
    bool wrote = false;
    (void)service;
    enum error_code code = home_secure(home_root(), &changed, err);
    if (code)
        return code;
    if (changed)
        printf("%s was put right: %s\n", home_root(), changed);
    code = os_make_dir(home_logs(), 0700, err);
    if (!code)
        code = first_configuration(words, &wrote, err);
    if (code)
        return code;
    code = join_farm(words, err);
    if (code && wrote)
        os_remove_file(home_config(), NULL); /* the next try may say something else */
    return code;
}

static enum error_code install(const struct service_name *service, const struct words *words,
                               struct error *err)
{
    enum error_code code = setup(service, words, err);
    if (!code)
        code = service_setup_install(service, words->config, err);
    if (!code)
        printf("The service %s is installed; farmhand-agent start starts it\n", service->name);
    return code;
}

static enum error_code start(const struct service_name *service, const struct words *words,
                             struct error *err)
{
    (void)words;
    return service_setup_start(service, err);
}

static enum error_code stop(const struct service_name *service, const struct words *words,
                            struct error *err)
{
    (void)words;
    return service_setup_stop(service, err);
}

static enum error_code purge(const struct service_name *service, const struct words *words,
                             struct error *err)
{
    enum error_code code = service_setup_stop(service, err); /* it holds its files */
    if (code && code != ERR_NOT_FOUND)
        return code;
    if (code == ERR_NOT_FOUND) /* an MSI has taken the entry, and knows nothing of the rest */
        service_setup_forget(service);
    return home_purge(home_root(), words->keep_logs, err);
}

static enum error_code take_away(const struct service_name *service, const struct words *words,
                                 struct error *err)
{
    enum error_code code = service_setup_remove(service, err);
    if (code)
        return code;
    if (words->purge)
        return purge(service, words, err);
    printf("The service %s is removed; configuration, journal and logs stay in %s\n", service->name,
           home_root());
    return ERR_NONE;
}

static const struct service_verb verbs[] = {
    {"install", " --coordinator --allow --config --join --token ", install},
    {"remove", " --purge --keep-logs ", take_away},
    {"start", "", start},
    {"stop", "", stop},
    {"setup", " --coordinator --allow --join --token ", setup},
    {"purge", " --keep-logs ", purge},
};

/* ---- their words ---- */

static bool takes(const struct service_verb *verb, const char *word)
{
    char between[40];
    return text_format(between, sizeof(between), " %s ", word) && strstr(verb->takes, between);
}

/* Where the value of a word goes; NULL: it is one without a value. */
static const char **value_of(struct words *words, const char *word)
{
    if (text_equal(word, "--coordinator"))
        return &words->coordinator;
    if (text_equal(word, "--allow"))
        return &words->allow;
    if (text_equal(word, "--join"))
        return &words->join;
    if (text_equal(word, "--token"))
        return &words->token;
    return text_equal(word, "--config") ? &words->config : NULL;
}

static enum error_code read_words(const struct service_verb *verb, int argc, char **argv,
                                  struct words *out, struct error *err)
{
    for (int i = 0; i < argc; i++) {
        const char **value = value_of(out, argv[i]);
        if (!takes(verb, argv[i]))
            return error_set(err, ERR_INVALID, "%s does not know %s", verb->name, argv[i]);
        if (value && i + 1 == argc)
            return error_set(err, ERR_INVALID, "%s wants a value", argv[i]);
        if (value) {
            const char *given = argv[++i];
            *value = *given ? given : NULL; /* an MSI gives "" for what it was not told */
        }
        out->purge = out->purge || text_equal(argv[i], "--purge");
        out->keep_logs = out->keep_logs || text_equal(argv[i], "--keep-logs");
    }
    return ERR_NONE;
}

int verbs_run(const struct service_name *service, int argc, char **argv)
{
    const struct service_verb *verb = NULL;
    struct words words = {0};
    struct error err = {0};
    for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (text_equal(argv[1], verbs[i].name))
            verb = &verbs[i];
    if (!verb)
        return -1;
    enum error_code code = read_words(verb, argc - 2, argv + 2, &words, &err);
    bool usage = code != ERR_NONE;
    if (!code)
        code = verb->run(service, &words, &err);
    if (!code)
        return EXIT_SUCCESS;
    fprintf(stderr, "farmhand-agent: %s\n", err.text);
    return usage ? OPTIONS_EXIT_USAGE : EXIT_FAILURE;
}

enum error_code verbs_prepare(const struct service_name *service, struct error *err)
{
    (void)service;
    return home_secure(home_root(), NULL, err);
}

/* The entry first: changing it takes none of the privileges that go then. */
enum error_code verbs_settle(const struct service_name *service, struct error *err)
{
    size_t removed = 0;
    struct error kept = {0};
    enum error_code code = service_setup_settle(service, err);
    if (privileges_keep(&removed, &kept) == ERR_NONE)
        log_info("privileges", LOG_UINT("kept", PRIVILEGES), LOG_UINT("given_up", removed));
    else
        log_warn("privileges", LOG_TEXT("error", kept.text));
    return code;
}
