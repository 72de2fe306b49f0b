/* options.c - the table of options, and how a command line is taken apart. */
#include "coordinator/cli/cli.h"

#include "common/must.h"

#include <stdlib.h>
#include <string.h>

#define NEAR_MAX 3 /* changes of a letter until a word is another word */

enum kind {
    KIND_SWITCH,
    KIND_TEXT,
    KIND_COUNT,
    KIND_DURATION,
    KIND_CHOICE,
    KIND_SHARE,
    KIND_LIMITS,
    KIND_LATENCY,
    KIND_MEMORY
};

_Static_assert(OPT_COUNT <= 8 * sizeof(cli_options), "OPT() has so many bits");

struct option {
    const char *name;
    enum kind kind;
    const char *value; /* what stands for it in help; choices: "a|b|c" */
    const char *api;   /* field of the run's options, or NULL */
    const char *help;
};

#define LIMITS "N|N%[,N/wave]"

static const struct option options[OPT_COUNT] = {
    [OPT_HELP] = {"help", KIND_SWITCH, NULL, NULL, "this text"},
    [OPT_JSON] = {"json", KIND_SWITCH, NULL, NULL, "the answer as JSON, for scripts"},
    [OPT_SOCKET] = {"socket", KIND_TEXT, "PATH", NULL,
                    "the coordinator's socket (FARMHAND_SOCKET, /run/farmhand/farmhand.sock)"},
    [OPT_VERSION] = {"version", KIND_SWITCH, NULL, NULL, "this program's version"},
    [OPT_ON] = {"on", KIND_TEXT, "SELECTOR", NULL,
                "which servers: all, web01, web*, farm=web,zone=a, !zone=b"},
    [OPT_POOL] = {"pool", KIND_TEXT, "POOL", NULL, "the pool"},
    [OPT_REASON] = {"reason", KIND_TEXT, "TEXT", NULL,
                    "why, for the audit trail; asked for on a terminal, required without one"},
    [OPT_DRY_RUN] = {"dry-run", KIND_SWITCH, NULL, NULL, "print the plan, change nothing"},
    [OPT_DETACH] = {"detach", KIND_SWITCH, NULL, NULL, "start the run and do not watch it"},
    [OPT_YES] = {"yes", KIND_SWITCH, NULL, NULL, "do not ask before it starts"},
    [OPT_FOR] = {"for", KIND_DURATION, "LENGTH", NULL, "for how long: 30m, 2h, 7d"},
    [OPT_AS] = {"as", KIND_CHOICE, "done|failed|not-executed", NULL, "what really happened"},
    [OPT_FOLLOW] = {"follow", KIND_SWITCH, NULL, NULL, "go on as events happen"},
    [OPT_SINCE] = {"since", KIND_COUNT, "SEQ", NULL, "only events after this number"},
    [OPT_LIMIT] = {"limit", KIND_COUNT, "N", NULL, "at most so many"},
    [OPT_RUN] = {"run", KIND_COUNT, "ID", NULL, "only what this run did"},
    [OPT_SERVER] = {"server", KIND_TEXT, "NAME", NULL, "only this server"},
    [OPT_BATCH] = {"batch", KIND_SHARE, "N|N%", "batch",
                   "so many servers at once (1); the budget may allow fewer"},
    [OPT_MAX_UNAVAILABLE] = {"max-unavailable", KIND_COUNT, "N", "max_unavailable",
                             "so many may be out at once, for whatever cause"},
    [OPT_SOAK] = {"soak", KIND_DURATION, "LENGTH", "soak_ms", "watch each server so long after"},
    [OPT_TIMEOUT] = {"timeout", KIND_DURATION, "LENGTH", "limit_ms", "limit of the act itself"},
    [OPT_NO_DRAIN] = {"no-drain", KIND_SWITCH, NULL, "drain", "leave servers in rotation"},
    [OPT_DRAIN_TIMEOUT] = {"drain-timeout", KIND_DURATION, "LENGTH", "drain_limit_ms",
                           "wait so long for sessions to end"},
    [OPT_ON_DRAIN_TIMEOUT] = {"on-drain-timeout", KIND_CHOICE, "fail|proceed", "on_drain_limit",
                              "what then"},
    [OPT_GATE_PASSES] = {"gate-passes", KIND_COUNT, "N", "gate_passes",
                         "the probe must pass so many times in a row"},
    [OPT_GATE_MIN] = {"gate-min", KIND_DURATION, "LENGTH", "gate_min_ms", "and for so long"},
    [OPT_GATE_DEADLINE] = {"gate-deadline", KIND_DURATION, "LENGTH", "gate_deadline_ms",
                           "or it has failed after so long"},
    [OPT_ON_FAILURE] = {"on-failure", KIND_CHOICE, "stop|pause|continue", "on_failure",
                        "when more servers failed than are borne (stop)"},
    [OPT_MAX_FAILURES] = {"max-failures", KIND_LIMITS, LIMITS, "max_failures",
                          "so many failures are borne (0); N/wave: in each wave"},
    [OPT_ON_GATE_FAILURE] = {"on-gate-failure", KIND_CHOICE, "stop|pause|continue",
                             "on_gate_failure", "the same for gates that did not pass"},
    [OPT_MAX_GATE_FAILURES] = {"max-gate-failures", KIND_LIMITS, LIMITS, "max_gate_failures",
                               "so many of them are borne (as failures)"},
    [OPT_ON_UNREACHABLE] = {"on-unreachable", KIND_CHOICE, "stop|pause|continue", "on_unreachable",
                            "the same for servers that do not answer"},
    [OPT_MAX_UNREACHABLE] = {"max-unreachable", KIND_LIMITS, LIMITS, "max_unreachable",
                             "so many of them are borne (as failures)"},
    [OPT_ON_UNKNOWN] = {"on-unknown", KIND_CHOICE, "stop|pause|continue", "on_unknown",
                        "while outcomes are unknown (pause)"},
    [OPT_MAX_UNKNOWN] = {"max-unknown", KIND_LIMITS, LIMITS, "max_unknown",
                         "so many are borne meanwhile (0)"},
    [OPT_UNREACHABLE] = {"unreachable", KIND_CHOICE, "fail|skip|wait", "unreachable",
                         "when a server does not answer"},
    [OPT_EXPECT] = {"expect", KIND_COUNT, "N", "expect",
                    "the selection must be exactly so many servers"},
    [OPT_START_IDLE] = {"start-idle", KIND_SWITCH, NULL, "start_idle",
                        "start a worker where the pool has none"},
    [OPT_KEEP_AUTOSTART] = {"keep-autostart", KIND_SWITCH, NULL, "keep_autostart",
                            "do not touch autoStart: a restart of WAS undoes the change"},
    [OPT_ENABLE] = {"enable", KIND_SWITCH, NULL, "enable",
                    "where WAS or W3SVC is disabled, set it to start by itself again"},
    [OPT_ALL_SERVERS] = {"all-servers", KIND_SWITCH, NULL, "all_servers",
                         "restart the services of healthy servers as well"},
    [OPT_STAY] = {"stay", KIND_SWITCH, NULL, NULL, "until `service start`, over restarts too"},
    [OPT_DUMP] = {"dump", KIND_SWITCH, NULL, "dump",
                  "keep a dump of it first; it stands still meanwhile"},
    [OPT_WOULD] = {"would", KIND_SWITCH, NULL, NULL,
                   "what rules that only observe would have done in the last week"},
    [OPT_TO] = {"to", KIND_TEXT, "FILE", NULL, "where it is written; it must not be there yet"},
    [OPT_ALL] = {"all", KIND_SWITCH, NULL, NULL, "closed ones too"},
    [OPT_WAVES] = {"waves", KIND_TEXT, "N,N,N%", "waves",
                   "sizes of waves, such as 1,5,20%: each waits for the end of the one before, the "
                   "last repeats"},
    [OPT_CANARY] = {"canary", KIND_COUNT, "N", "canary",
                    "so many servers in a wave before all others"},
    [OPT_PAUSE_AFTER_CANARY] = {"pause-after-canary", KIND_SWITCH, NULL, "pause_after_canary",
                                "wait for `run resume` when the canary is done"},
    [OPT_BAKE] = {"bake", KIND_DURATION, "LENGTH", "bake_ms", "wait so long between two waves"},
    [OPT_APPROVE_BY] = {"approve-by", KIND_TEXT, "NAME|@GROUP,...", "approve_by",
                        "begin when somebody else has approved it: a user, a member of a group, or "
                        "anyone"},
    [OPT_APPROVE_WITHIN] = {"approve-within", KIND_DURATION, "LENGTH", "approve_within_ms",
                            "or end with nothing done after so long (24h)"},
    [OPT_GATE_LATENCY] = {"gate-latency", KIND_LATENCY, "N%|LENGTH", "gate_latency",
                          "the probe after may take so long, or that part of before"},
    [OPT_GATE_QUEUE] = {"gate-queue", KIND_COUNT, "N", "gate_queue",
                        "at most so many requests are queued after"},
    [OPT_GATE_ERRORS] = {"gate-errors", KIND_COUNT, "N", "gate_errors",
                         "at most so many requests are answered 503 since before"},
    [OPT_GATE_MEMORY] = {"gate-memory", KIND_MEMORY, "N%|SIZE", "gate_memory",
                         "the workers after may use so much, or that part of before"},
    [OPT_WINDOW] = {"window", KIND_TEXT, "WINDOW", "window",
                    "only in these hours: a name of the configuration, or such as \"Mon-Fri "
                    "22:00-05:00 @Europe/Berlin\""},
    [OPT_WAIT] = {"wait", KIND_DURATION, "LENGTH", NULL, "for its turn at most so long (30m)"},
    [OPT_FAILED] = {"failed", KIND_SWITCH, NULL, NULL, "what was done there failed"},
    [OPT_WAIT_REBOOT] = {"wait-reboot", KIND_SWITCH, NULL, NULL,
                         "until its machine has started anew, by whomever"},
    [OPT_CHECK] = {"check", KIND_SWITCH, NULL, NULL, "only say what is missing"},
    [OPT_APPLY] = {"apply", KIND_SWITCH, NULL, NULL, "set it, one server at a time"},
    [OPT_UNDO] = {"undo", KIND_SWITCH, NULL, NULL, "put back what was before --apply"},
    [OPT_SHARED] = {"shared", KIND_SWITCH, NULL, "shared",
                    "change configuration that servers share, once for all of them"},
    [OPT_COORDINATOR] = {"coordinator", KIND_TEXT, "URL", NULL,
                         "a coordinator elsewhere: https://HOST:PORT (FARMHAND_COORDINATOR)"},
    [OPT_TOKEN_FILE] =
        {"token-file", KIND_TEXT, "FILE", NULL,
         "the token for it (FARMHAND_TOKEN_FILE; or FARMHAND_TOKEN, the token itself)"},
    [OPT_CA] = {"ca", KIND_TEXT, "FILE", NULL,
                "the farm's CA, PEM, to know it by (FARMHAND_CA); the system's own otherwise"},
    [OPT_ROLE] = {"role", KIND_CHOICE, "viewer|operator|admin", NULL, "what it allows (viewer)"},
    [OPT_SERVERS] = {"servers", KIND_TEXT, "SELECTOR", NULL,
                     "what it changes is these servers' alone (all)"},
    [OPT_IDENTITY] = {"identity", KIND_TEXT, "FILE", NULL,
                      "or your own key and certificate, PEM (FARMHAND_IDENTITY); not on Windows"},
    [OPT_REQUEST] = {"request", KIND_TEXT, "FILE", NULL,
                     "a certificate for the key of this signing request, no token"},
    [OPT_HEAD] = {"head", KIND_TEXT, "HASH", NULL, "a hash noted before: it must be among them"},
    [OPT_NOTE] = {"note", KIND_TEXT, "FILE", NULL,
                  "what was noted there must be among them; then the last one is"},
    [OPT_LABEL] = {"label", KIND_TEXT, "K=V,...", NULL, "labels that the servers get, as farm=web"},
    [OPT_USES] = {"uses", KIND_COUNT, "N", NULL, "so many servers may join by it (1)"},
    [OPT_EXPIRES] = {"expires", KIND_DURATION, "LENGTH", NULL, "it is good for so long (1h)"},
    [OPT_PROFILE] = {"profile", KIND_CHOICE, "observe|operate|operate-services", NULL,
                     "what agents that join by it allow (observe)"},
    [OPT_KEY] = {"key", KIND_TEXT, "KEY", NULL, "which one, by the beginning of its key"},
    /* Another --for: of names. The verb decides which of the two it takes. */
    [OPT_FOR_NAMES] = {"for", KIND_TEXT, "NAME|GLOB", NULL,
                       "servers of these names may join by it"},
    [OPT_ORDER] = {"order", KIND_TEXT, "LABEL", "order",
                   "go by a label, such as zone: never servers of two zones at once"},
};

struct cli_option_words cli_option_words(enum cli_option option)
{
    const struct option *o = &options[option];
    return (struct cli_option_words){o->name, o->value, o->help, o->api};
}

/* ---- nearest ---- */

/* Letters to add, leave out, change or swap with a neighbour to get from a to b (optimal string
 * alignment); counts no further than the words are long. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t row[3][64];
    if (n >= 64 || m >= 64)
        return 64;
    for (size_t j = 0; j <= m; j++)
        row[1][j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[2][0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = row[1][j - 1] + (a[i - 1] != b[j - 1]);
            if (row[1][j] + 1 < best)
                best = row[1][j] + 1;
            if (row[2][j - 1] + 1 < best)
                best = row[2][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                row[0][j - 2] + 1 < best)
                best = row[0][j - 2] + 1;
            row[2][j] = best;
        }
        memcpy(row[0], row[1], sizeof(row[0]));
        memcpy(row[1], row[2], sizeof(row[1]));
    }
    return row[1][m];
}

const char *cli_nearest(const char *written, const char *const *names)
{
    const char *found = NULL;
    size_t best = NEAR_MAX + 1;
    for (; *names; names++) {
        /* A beginning of it, or a few letters wrong: but not so many that nothing is left. */
        bool begins = strlen(written) >= 2 && text_starts(*names, written);
        size_t far = begins ? 1 : distance(written, *names);
        if (far < best && far < strlen(*names) && (begins || far * 2 <= strlen(written) + 1)) {
            best = far;
            found = *names;
        }
    }
    return found;
}

/* ---- values ---- */

static bool is_choice(const char *choices, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = choices; len > 0 && p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strncmp(p, word, len) == 0 && (p[len] == '|' || p[len] == '\0'))
            return true;
    return false;
}

/* 5 or 20%. */
static bool is_share(const char *value)
{
    char digits[16];
    uint64_t number;
    size_t len = strlen(value);
    bool percent = len > 0 && value[len - 1] == '%';
    if (!text_copy(digits, sizeof(digits), value))
        return false;
    digits[len - (percent ? 1 : 0)] = '\0';
    return text_parse_u64(digits, 0, percent ? 100 : INT32_MAX, &number);
}

/* 150%: of before, so it may well be above 100. */
static bool is_percent(const char *value)
{
    char digits[16];
    uint64_t number;
    size_t len = strlen(value);
    if (len < 2 || value[len - 1] != '%' || !text_copy(digits, sizeof(digits), value))
        return false;
    digits[len - 1] = '\0';
    return text_parse_u64(digits, 1, 10000, &number);
}

static enum error_code check_value(const struct option *o, const char *value, struct error *err)
{
    uint64_t number;
    switch (o->kind) {
    case KIND_SWITCH:
        return ERR_NONE;
    case KIND_TEXT:
        if (value[0] && text_is_utf8(value, strlen(value)))
            return ERR_NONE;
        return error_set(err, ERR_INVALID, "--%s needs a text (UTF-8), not \"%s\"", o->name, value);
    case KIND_COUNT:
        if (text_parse_u64(value, 0, INT64_MAX, &number))
            return ERR_NONE;
        return error_set(err, ERR_INVALID, "--%s needs a number, not \"%s\"", o->name, value);
    case KIND_DURATION:
        if (text_parse_duration(value, &number))
            return ERR_NONE;
        return error_set(err, ERR_INVALID,
                         "--%s needs a length such as 500ms, 30s, 5m or 2h, not \"%s\"", o->name,
                         value);
    case KIND_SHARE:
        if (is_share(value))
            return ERR_NONE;
        return error_set(err, ERR_INVALID, "--%s needs a number or a percentage, not \"%s\"",
                         o->name, value);
    case KIND_LATENCY:
        if (is_percent(value) || text_parse_duration(value, &number))
            return ERR_NONE;
        return error_set(err, ERR_INVALID, "--%s needs a length or a percentage, not \"%s\"",
                         o->name, value);
    case KIND_MEMORY:
        if (is_percent(value) || text_parse_size(value, &number))
            return ERR_NONE;
        return error_set(err, ERR_INVALID,
                         "--%s needs a size such as 2G or a percentage, not \"%s\"", o->name,
                         value);
    case KIND_LIMITS:
        if (strspn(value, "0123456789%,/wave") == strlen(value) && value[0])
            return ERR_NONE; /* the coordinator looks closer */
        return error_set(err, ERR_INVALID,
                         "--%s needs a number, a percentage, or both kinds such as 3,1/wave, not "
                         "\"%s\"",
                         o->name, value);
    case KIND_CHOICE:
        if (is_choice(o->value, value))
            return ERR_NONE;
        return error_set(err, ERR_INVALID, "--%s is one of %s, not \"%s\"", o->name, o->value,
                         value);
    }
    return ERR_NONE;
}

bool cli_has(const struct cli *cli, enum cli_option option)
{
    return cli->values[option] != NULL;
}

const char *cli_value(const struct cli *cli, enum cli_option option, const char *otherwise)
{
    return cli->values[option] ? cli->values[option] : otherwise;
}

uint64_t cli_count(const struct cli *cli, enum cli_option option, uint64_t otherwise)
{
    uint64_t n = otherwise;
    if (cli->values[option])
        must(text_parse_u64(cli->values[option], 0, INT64_MAX, &n));
    return n;
}

uint64_t cli_duration_ms(const struct cli *cli, enum cli_option option)
{
    uint64_t ms = 0;
    must(cli->values[option] && text_parse_duration(cli->values[option], &ms));
    return ms;
}

static json_t *share_value(const struct cli *cli, enum cli_option option)
{
    return strchr(cli->values[option], '%') ? json_string(cli->values[option])
                                            : json_integer((json_int_t)cli_count(cli, option, 0));
}

/* "150%" as it is, a length in ms and a size in bytes as texts. */
static json_t *bound_value(enum kind kind, const char *value)
{
    uint64_t number = 0;
    char text[32];
    if (is_percent(value))
        return json_string(value);
    must(kind == KIND_LATENCY ? text_parse_duration(value, &number)
                              : text_parse_size(value, &number));
    text_format(text, sizeof(text), "%llu", (unsigned long long)number);
    return json_string(text);
}

static json_t *api_value(const struct cli *cli, enum cli_option option)
{
    switch (options[option].kind) {
    case KIND_SWITCH: /* --no-drain is the one that says no */
        return option == OPT_NO_DRAIN ? json_false() : json_true();
    case KIND_COUNT:
        return json_integer((json_int_t)cli_count(cli, option, 0));
    case KIND_LATENCY:
    case KIND_MEMORY:
        return bound_value(options[option].kind, cli->values[option]);
    case KIND_LIMITS:
        if (!is_share(cli->values[option]))
            return json_string(cli->values[option]);
        return share_value(cli, option);
    case KIND_SHARE:
        return share_value(cli, option);
    case KIND_DURATION:
        return json_integer((json_int_t)cli_duration_ms(cli, option));
    case KIND_TEXT:
    case KIND_CHOICE:
        return json_string(cli->values[option]);
    }
    return json_null();
}

json_t *cli_run_options(const struct cli *cli)
{
    json_t *out = json_object();
    for (int i = 0; i < OPT_COUNT; i++)
        if (options[i].api && cli->values[i])
            json_object_set_new(out, options[i].api, api_value(cli, (enum cli_option)i));
    return out;
}

/* ---- the command line ---- */

/* One argument that begins with "--"; *next is the argument after it. Unknown names fall here. */
struct split {
    char name[64];
    const char *value; /* behind '=', or NULL */
};

static struct split split_option(const char *argument)
{
    struct split s = {.value = strchr(argument, '=')};
    size_t len = s.value ? (size_t)(s.value - argument) - 2 : strlen(argument) - 2;
    if (s.value)
        s.value++;
    if (len >= sizeof(s.name))
        len = sizeof(s.name) - 1;
    memcpy(s.name, argument + 2, len);
    return s;
}

/* The one that the verb takes, where two have that name. */
static int option_named(const struct cli *cli, const char *name)
{
    int found = -1;
    for (int i = 0; i < OPT_COUNT; i++) {
        if (!text_equal(options[i].name, name))
            continue;
        if (found < 0 || (cli->verb && cli->verb->options & OPT_BIT(i)))
            found = i;
    }
    return found;
}

static enum error_code unknown_option(const struct cli *cli, const char *name, struct error *err)
{
    const char *names[OPT_COUNT + 1];
    size_t count = 0;
    cli_options allowed = cli->verb ? cli->verb->options | CLI_EVERY : ~(cli_options)0;
    for (int i = 0; i < OPT_COUNT; i++)
        if (allowed & OPT_BIT(i))
            names[count++] = options[i].name;
    names[count] = NULL;
    const char *nearest = cli_nearest(name, names);
    const char *group = cli->verb ? cli->verb->group : "";
    const char *verb = cli->verb && cli->verb->name ? cli->verb->name : "";
    if (nearest)
        return error_set(err, ERR_INVALID, "there is no option --%s here: did you mean --%s?", name,
                         nearest);
    return error_set(err, ERR_INVALID,
                     "there is no option --%s here: \"farmhand%s%s%s%s --help\" lists them", name,
                     *group ? " " : "", group, *verb ? " " : "", verb);
}

static enum error_code take_option(struct cli *cli, const char *argument, const char *next,
                                   bool *took_next, struct error *err)
{
    struct split s = split_option(argument);
    int found = option_named(cli, s.name);
    *took_next = false;
    if (found < 0)
        return unknown_option(cli, s.name, err);
    const struct option *o = &options[found];
    if (o->kind == KIND_SWITCH && s.value)
        return error_set(err, ERR_INVALID, "--%s takes no value", o->name);
    if (o->kind != KIND_SWITCH && !s.value) {
        if (!next)
            return error_set(err, ERR_INVALID, "--%s needs a value: --%s %s", o->name, o->name,
                             o->value);
        s.value = next;
        *took_next = true;
    }
    if (cli->values[found] && o->kind != KIND_SWITCH)
        return error_set(err, ERR_INVALID, "--%s is given twice", o->name);
    cli->values[found] = o->kind == KIND_SWITCH ? "" : s.value;
    return check_value(o, cli->values[found], err);
}

/* Which verb the words begin with; *used: how many of them name it. */
static enum error_code find_verb(struct cli *cli, const struct cli_verb *const *groups,
                                 size_t *used, struct error *err)
{
    const char *names[32] = {0};
    size_t count = 0;
    const struct cli_verb *group = NULL;
    for (size_t i = 0; groups[i]; i++) {
        names[count++] = groups[i]->group;
        if (text_equal(groups[i]->group, cli->words[0]))
            group = groups[i];
    }
    if (!group) {
        const char *nearest = cli_nearest(cli->words[0], names);
        return error_set(err, ERR_INVALID, "there is no command \"%s\": %s%s%s", cli->words[0],
                         nearest ? "did you mean \"" : "\"farmhand --help\" lists them",
                         nearest ? nearest : "", nearest ? "\"?" : "");
    }
    *used = 1;
    cli->verb = group;
    if (!group->name)
        return ERR_NONE;
    *used = 2;
    cli->verb = NULL;
    if (cli->word_count < 2)
        return ERR_NONE; /* "farmhand pool": the group's help */
    memset(names, 0, sizeof(names));
    count = 0;
    for (const struct cli_verb *v = group; v->group; v++) {
        names[count++] = v->name;
        if (text_equal(v->name, cli->words[1])) {
            cli->verb = v;
            return ERR_NONE;
        }
    }
    const char *nearest = cli_nearest(cli->words[1], names);
    return error_set(err, ERR_INVALID, "there is no \"%s %s\": %s%s%s%s%s", group->group,
                     cli->words[1], nearest ? "did you mean \"" : "see \"farmhand ", group->group,
                     nearest ? " " : " --help\"", nearest ? nearest : "", nearest ? "\"?" : "");
}

static enum error_code check_options(const struct cli *cli, struct error *err)
{
    const struct cli_verb *v = cli->verb;
    for (int i = 0; i < OPT_COUNT; i++) {
        cli_options bit = OPT_BIT(i);
        if (cli->values[i] && !((v->options | CLI_EVERY) & bit))
            return unknown_option(cli, options[i].name, err);
        if (!cli->values[i] && (v->required & bit))
            return error_set(err, ERR_INVALID, "--%s%s%s is needed: %s", options[i].name,
                             options[i].value ? " " : "", /* none: a switch */
                             options[i].value ? options[i].value : "", options[i].help);
    }
    return ERR_NONE;
}

static enum error_code check_words(const struct cli *cli, struct error *err)
{
    const struct cli_verb *v = cli->verb;
    if (cli->word_count >= v->least && cli->word_count <= v->most)
        return ERR_NONE;
    const char *name = v->name ? v->name : "";
    if (cli->word_count < v->least)
        return error_set(err, ERR_INVALID, "something is missing: farmhand %s%s%s %s", v->group,
                         *name ? " " : "", name, v->words);
    return error_set(err, ERR_INVALID, "\"%s\" is one word too many: farmhand %s%s%s %s",
                     cli->words[v->most], v->group, *name ? " " : "", name, v->words);
}

/* "hold run web03 -- deploy.cmd --now": what follows belongs to another program. */
static bool takes_command(const struct cli *cli, const struct cli_verb *const *groups)
{
    for (size_t i = 0; groups[i] && cli->word_count >= 2; i++)
        for (const struct cli_verb *v = groups[i]; v->group; v++)
            if (v->name && text_equal(v->group, cli->words[0]) &&
                text_equal(v->name, cli->words[1]))
                return strstr(v->words, "-- ") != NULL;
    return false;
}

enum error_code cli_parse(struct cli *cli, const struct cli_verb *const *groups, int argc,
                          char *const *argv, struct error *err)
{
    bool only_words = false;
    const char *options_seen[64][2]; /* looked at once the verb is known, for better advice */
    size_t seen = 0;
    for (int i = 1; i < argc; i++) {
        bool is_option = !only_words && argv[i][0] == '-' && argv[i][1] != '\0';
        if (!only_words && text_equal(argv[i], "--")) {
            only_words = true;
            if (takes_command(cli, groups)) {
                cli->rest = argv + i + 1;
                break;
            }
        } else if (is_option && seen < 64) {
            const char *written = text_equal(argv[i], "-h") ? "--help" : argv[i];
            if (!text_starts(written, "--"))
                return error_set(err, ERR_INVALID,
                                 "there is no option %s: options are words, such "
                                 "as --json",
                                 written);
            struct split s = split_option(written);
            int found = option_named(cli, s.name);
            bool takes = found >= 0 && options[found].kind != KIND_SWITCH && !s.value;
            options_seen[seen][0] = written;
            bool there = i + 1 < argc && !text_starts(argv[i + 1], "--");
            options_seen[seen++][1] = takes && there ? argv[++i] : NULL;
        } else if (is_option || cli->word_count == CLI_WORDS_MAX) {
            return error_set(err, ERR_INVALID, "too many words");
        } else {
            cli->words[cli->word_count++] = argv[i];
        }
    }
    size_t used = 0;
    enum error_code code = ERR_NONE;
    if (cli->word_count > 0)
        code = find_verb(cli, groups, &used, err);
    for (size_t i = 0; code == ERR_NONE && i < seen; i++) {
        bool took;
        code = take_option(cli, options_seen[i][0], options_seen[i][1], &took, err);
    }
    if (code != ERR_NONE || !cli->verb)
        return code;
    cli->word_count -= used;
    memmove(cli->words, cli->words + used, cli->word_count * sizeof(cli->words[0]));
    if (cli_has(cli, OPT_HELP))
        return ERR_NONE;
    code = check_options(cli, err);
    return code == ERR_NONE ? check_words(cli, err) : code;
}
