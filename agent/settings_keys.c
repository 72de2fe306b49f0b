/* settings_keys.c - what may stand in the agent's configuration file, key by key. See settings.h.
 */
#include "agent/settings_internal.h"

#include "common/text.h"
#include "proto/url.h"

#include <string.h>

static const char *const plain_words[] = {"no", WIRE_WITHOUT_TLS, NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

/* ---- values that have to be more than their type ---- */

static const struct {
    const char *word;
    enum verb verb;
} verb_words[] = {
    {"recycle", VERB_RECYCLE},
    {"start", VERB_START},
    {"stop", VERB_STOP},
    {"service-recover", VERB_SERVICE_RECOVER},
    {"service-restart", VERB_SERVICE_RESTART},
    {"service-stop", VERB_SERVICE_STOP},
    {"service-start", VERB_SERVICE_START},
    {"worker-kill", VERB_WORKER_KILL},
    {"set", VERB_SET},
};

#define VERB_WORDS (sizeof(verb_words) / sizeof(verb_words[0]))

enum verb settings_verb(const char *word)
{
    for (size_t i = 0; i < VERB_WORDS; i++)
        if (text_equal_nocase(word, verb_words[i].word))
            return verb_words[i].verb;
    return VERB_NONE;
}

enum verb settings_verb_at(size_t at)
{
    return at < VERB_WORDS ? verb_words[at].verb : VERB_NONE;
}

static enum error_code check_verb(const char *word, struct error *err)
{
    if (settings_verb(word) == VERB_NONE)
        return error_set(err, ERR_INVALID,
                         "there is no verb %s: expected some of recycle, start, stop, "
                         "service-recover, service-restart, service-stop, service-start, "
                         "worker-kill, set",
                         word);
    return ERR_NONE;
}

enum error_code settings_check_name(const char *name, struct error *err)
{
    if (!wire_server_name_ok(name))
        return error_set(
            err, ERR_INVALID,
            "\"%s\" cannot be a server's name: letters, digits, '.', '-' and '_' only, "
            "%d at most",
            name, WIRE_NAME_MAX - 1);
    return ERR_NONE;
}

static enum error_code check_coordinator(const char *url, struct error *err)
{
    return wire_check_url(url, false, err);
}

/* ---- the table of what may stand in the file ---- */

/* Offsets into struct settings, but for [probe *], which is one struct iis_probe each. */
#define TOP(field)   offsetof(struct settings, field)
#define PROBE(field) offsetof(struct iis_probe, field)

static const struct config_key keys[] = {
    {.section = "agent",
     .key = "name",
     .type = CONFIG_TEXT,
     .offset = TOP(name),
     .expected = "this server's name in the farm",
     .check = settings_check_name},
    {.section = "agent",
     .key = "coordinator",
     .type = CONFIG_TEXT,
     .offset = TOP(coordinator),
     .expected = "where the coordinator listens, such as tls+tcp://farm.example:7600",
     .check = check_coordinator},
    {.section = "agent",
     .key = "without_tls",
     .type = CONFIG_CHOICE,
     .offset = TOP(without_tls),
     .choices = plain_words,
     .expected = "no or " WIRE_WITHOUT_TLS},
    {.section = "agent",
     .key = "profile",
     .type = CONFIG_CHOICE,
     .offset = TOP(profile),
     .choices = profile_words,
     .expected = "observe, operate or operate-services"},
    {.section = "agent",
     .key = "data_dir",
     .type = CONFIG_TEXT,
     .offset = TOP(data_dir),
     .expected = "a directory for the journal"},
    {.section = "agent",
     .key = "heartbeat",
     .type = CONFIG_DURATION,
     .offset = TOP(heartbeat_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "a duration such as 15s, 1s to 1h"},
    {.section = "agent",
     .key = "beat",
     .type = CONFIG_DURATION,
     .offset = TOP(beat_ms),
     .min = 100,
     .max = MINUTE,
     .expected = "a duration such as 1s, 100ms to 1m"},
    {.section = "agent",
     .key = "look_every",
     .type = CONFIG_DURATION,
     .offset = TOP(look_every_ms),
     .min = 5 * SECOND,
     .max = DAY,
     .expected = "a duration such as 5m, 5s to 1d"},
    {.section = "agent",
     .key = "reconnect_min",
     .type = CONFIG_DURATION,
     .offset = TOP(reconnect_min_ms),
     .min = 100,
     .max = HOUR,
     .expected = "a duration such as 1s, 100ms to 1h"},
    {.section = "agent",
     .key = "reconnect_max",
     .type = CONFIG_DURATION,
     .offset = TOP(reconnect_max_ms),
     .min = 100,
     .max = HOUR,
     .expected = "a duration such as 1m, 100ms to 1h"},
    {.section = "agent",
     .key = "log_level",
     .type = CONFIG_CHOICE,
     .offset = TOP(log_level),
     .choices = log_levels,
     .expected = "debug, info, warn or error"},
    {.section = "allow",
     .key = "verbs",
     .type = CONFIG_LIST,
     .offset = TOP(verbs),
     .expected = "some of recycle, start, stop, with commas between",
     .check = check_verb},
    {.section = "allow",
     .key = "pools",
     .type = CONFIG_LIST,
     .offset = TOP(pools),
     .expected = "names or globs with commas between, !name excludes"},
    {.section = "allow",
     .key = "cool_down",
     .type = CONFIG_DURATION,
     .offset = TOP(cool_down_ms),
     .max = DAY,
     .expected = "a duration such as 10s, 0 to 1d"},
    {.section = "allow",
     .key = "max_per_hour",
     .type = CONFIG_UINT,
     .offset = TOP(max_per_hour),
     .max = 100000,
     .expected = "a number of disruptive acts, 0 for no limit"},
    {.section = "allow",
     .key = "dumps",
     .type = CONFIG_BOOL,
     .offset = TOP(dumps),
     .expected = "yes or no: whether an incident may have a worker's memory written to a file"},
    {.section = "allow",
     .key = "dumps_kept",
     .type = CONFIG_UINT,
     .offset = TOP(dumps_kept),
     .min = 1,
     .max = DUMPS_KEPT_MAX,
     .expected = "how many files of dumps are kept, 1 to 64"},
    {.section = "allow",
     .key = "dump_max",
     .type = CONFIG_SIZE,
     .offset = TOP(dump_max_bytes),
     .expected = "the size of one dump at most, such as 1G"},
    {.section = "allow",
     .key = "dump_free",
     .type = CONFIG_SIZE,
     .offset = TOP(dump_free_bytes),
     .expected = "what stays free on the disk, such as 5G"},
    {.section = "allow",
     .key = "dump_wait",
     .type = CONFIG_DURATION,
     .offset = TOP(dump_wait_ms),
     .min = SECOND,
     .max = 40 * SECOND,
     .expected = "how long a worker may stand still for it, 1s to 40s: the coordinator waits a "
                 "minute for all evidence, and so does the act behind it"},
    {.section = "keepalive",
     .key = "file",
     .type = CONFIG_TEXT,
     .offset = TOP(keepalive),
     .expected = "the absolute path of the file that the balancer's check reads",
     .check = iis_settings_check_path},
    {.section = "services",
     .key = "stop_wait",
     .type = CONFIG_DURATION,
     .offset = TOP(service_stop_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "how long W3SVC and WAS may take to stop, each"},
    {.section = "services",
     .key = "dependent_wait",
     .type = CONFIG_DURATION,
     .offset = TOP(dependent_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "how long any other service may take to stop or start"},
    {.section = "services",
     .key = "start_wait",
     .type = CONFIG_DURATION,
     .offset = TOP(service_start_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "how long W3SVC may take to start, all tries together"},
    {.section = "services",
     .key = "site_wait",
     .type = CONFIG_DURATION,
     .offset = TOP(site_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "how long no site may answer after the start"},
    {.section = "services",
     .key = "silent_wait",
     .type = CONFIG_DURATION,
     .offset = TOP(silent_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "how long no site may answer before services that run are taken for sick"},
    {.section = "iis",
     .key = "appcmd",
     .type = CONFIG_TEXT,
     .offset = TOP(iis.appcmd),
     .expected = "the path of appcmd.exe",
     .check = iis_settings_check_path},
    {.section = "iis",
     .key = "worker",
     .type = CONFIG_TEXT,
     .offset = TOP(iis.worker),
     .expected = "the path of w3wp.exe",
     .check = iis_settings_check_path},
    {.section = "iis",
     .key = "service_backend",
     .type = CONFIG_CHOICE,
     .offset = TOP(iis.service_backend),
     .choices = scm_names,
     .expected = "windows, lab or none; windows on Windows alone"},
    {.section = "iis",
     .key = "service_tool",
     .type = CONFIG_TEXT,
     .offset = TOP(iis.service_tool),
     .expected = "the path of the service tool that the back end runs",
     .check = iis_settings_check_path},
    {.section = "iis",
     .key = "config",
     .type = CONFIG_TEXT,
     .offset = TOP(iis.config),
     .expected = "the path of applicationHost.config",
     .check = iis_settings_check_path},
    {.section = "iis",
     .key = "code_page",
     .type = CONFIG_TEXT,
     .offset = TOP(iis.code_page),
     .expected = "the code page of appcmd's output, such as CP850"},
    {.section = "iis",
     .key = "appcmd_timeout",
     .type = CONFIG_DURATION,
     .offset = TOP(iis.appcmd_timeout_ms),
     .min = SECOND,
     .max = 10 * MINUTE,
     .expected = "a duration such as 30s, 1s to 10m"},
    {.section = "iis",
     .key = "stop_timeout",
     .type = CONFIG_DURATION,
     .offset = TOP(iis.stop_timeout_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "a duration such as 120s, 1s to 1h"},
    {.section = "iis",
     .key = "services_every",
     .type = CONFIG_DURATION,
     .offset = TOP(iis.services_every_ms),
     .min = 100,
     .max = HOUR,
     .expected = "a duration such as 2s, 100ms to 1h"},
    {.section = "probe *",
     .key = "url",
     .type = CONFIG_TEXT,
     .offset = PROBE(url),
     .expected = "a URL such as http://shop.example/health",
     .check = iis_settings_check_url},
    {.section = "probe *",
     .key = "connect_to",
     .type = CONFIG_TEXT,
     .offset = PROBE(connect_to),
     .expected = "an address such as 127.0.0.1:8080",
     .check = iis_settings_check_address},
    {.section = "probe *",
     .key = "status",
     .type = CONFIG_LIST,
     .offset = PROBE(status),
     .expected = "statuses that pass, such as 200-299, 401",
     .check = iis_settings_check_status},
    {.section = "probe *",
     .key = "timeout",
     .type = CONFIG_DURATION,
     .offset = PROBE(timeout_ms),
     .min = 100,
     .max = 10 * MINUTE,
     .expected = "a duration such as 5s, 100ms to 10m"},
    {.section = "probe *",
     .key = "warm_up",
     .type = CONFIG_LIST,
     .offset = PROBE(warm_up),
     .expected = "paths of the site or URLs, with commas between",
     .check = iis_settings_check_warm_up},
    {.section = "probe *",
     .key = "warm_up_limit",
     .type = CONFIG_DURATION,
     .offset = PROBE(warm_up_limit_ms),
     .min = SECOND,
     .max = HOUR,
     .expected = "a duration such as 60s, 1s to 1h"},
    {.section = "probe *",
     .key = "tcp_only",
     .type = CONFIG_BOOL,
     .offset = PROBE(tcp_only),
     .expected = "yes or no"},
    {.section = "probe *",
     .key = "unique",
     .type = CONFIG_BOOL,
     .offset = PROBE(unique),
     .expected = "yes or no"},
    {.section = "probe *",
     .key = "off",
     .type = CONFIG_BOOL,
     .offset = PROBE(off),
     .expected = "yes or no"},
};

static void *section_of(void *target, const char *section, const char *name, struct error *err)
{
    struct settings *settings = target;
    (void)section;
    return name ? (void *)iis_settings_add_probe(&settings->iis, name, err) : settings;
}

const struct config_schema settings_schema = {
    .keys = keys,
    .key_count = sizeof(keys) / sizeof(keys[0]),
    .section = section_of,
};
