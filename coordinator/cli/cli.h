/* cli.h - the operator's command: a table of verbs, a table of options, and a loop.
 *
 * Talks to the coordinator by coordinator/API.md and knows nothing else of it: no store, no wire.
 * Every verb is a function of struct cli that returns an exit code. Results go to stdout, errors
 * and questions to stderr.
 */
#ifndef FARMHAND_CLI_CLI_H
#define FARMHAND_CLI_CLI_H

#include "common/error.h"
#include "coordinator/cli/say.h"
#include "coordinator/cli/terminal.h"
#include "coordinator/cli/way.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_exit {
    CLI_DONE = 0,        /* done, healthy */
    CLI_FAILED = 1,      /* failed, degraded, refused */
    CLI_USAGE = 2,       /* the words of the command are wrong */
    CLI_UNREACHABLE = 3, /* no coordinator there */
    CLI_PARTIAL = 4,     /* partly done, or aborted */
    CLI_UNKNOWN = 5,     /* what happened is not known */
};

enum cli_option {
    OPT_HELP,
    OPT_JSON,
    OPT_SOCKET,
    OPT_VERSION,
    OPT_ON,
    OPT_POOL,
    OPT_REASON,
    OPT_DRY_RUN,
    OPT_DETACH,
    OPT_YES,
    OPT_FOR,
    OPT_AS,
    OPT_FOLLOW,
    OPT_SINCE,
    OPT_LIMIT,
    OPT_RUN,
    OPT_SERVER,
    OPT_BATCH,
    OPT_MAX_UNAVAILABLE,
    OPT_SOAK,
    OPT_TIMEOUT,
    OPT_NO_DRAIN,
    OPT_DRAIN_TIMEOUT,
    OPT_ON_DRAIN_TIMEOUT,
    OPT_GATE_PASSES,
    OPT_GATE_MIN,
    OPT_GATE_DEADLINE,
    OPT_ON_FAILURE,
    OPT_MAX_FAILURES,
    OPT_UNREACHABLE,
    OPT_EXPECT,
    OPT_START_IDLE,
    OPT_KEEP_AUTOSTART,
    OPT_WAVES,
    OPT_CANARY,
    OPT_PAUSE_AFTER_CANARY,
    OPT_BAKE,
    OPT_ORDER,
    OPT_APPROVE_BY,
    OPT_APPROVE_WITHIN,
    OPT_ON_GATE_FAILURE,
    OPT_MAX_GATE_FAILURES,
    OPT_ON_UNREACHABLE,
    OPT_MAX_UNREACHABLE,
    OPT_ON_UNKNOWN,
    OPT_MAX_UNKNOWN,
    OPT_WINDOW,
    OPT_GATE_LATENCY,
    OPT_GATE_QUEUE,
    OPT_GATE_MEMORY,
    OPT_ENABLE,
    OPT_ALL_SERVERS,
    OPT_STAY,
    OPT_WAIT,
    OPT_FAILED,
    OPT_WAIT_REBOOT,
    OPT_WOULD,
    OPT_TO,
    OPT_ALL,
    OPT_CHECK,
    OPT_APPLY,
    OPT_UNDO,
    OPT_SHARED,
    OPT_GATE_ERRORS,
    OPT_LABEL,
    OPT_USES,
    OPT_EXPIRES,
    OPT_PROFILE,
    OPT_KEY,
    OPT_FOR_NAMES,
    OPT_COORDINATOR,
    OPT_TOKEN_FILE,
    OPT_CA,
    OPT_ROLE,
    OPT_SERVERS,
    OPT_HEAD,
    OPT_NOTE,
    OPT_IDENTITY,
    OPT_REQUEST,
    OPT_DUMP,
    OPT_COUNT,
};
/* More than 64: gcc and clang have 128 bits on every 64-bit system. */
typedef unsigned __int128 cli_options;
#define OPT_BIT(i) ((cli_options)1 << (i))
#define OPT(name)  OPT_BIT(OPT_##name)

#define CLI_EVERY                                                                                  \
    (OPT(HELP) | OPT(JSON) | OPT(SOCKET) | OPT(COORDINATOR) | OPT(TOKEN_FILE) | OPT(CA) |          \
     OPT(IDENTITY) |                                                                               \
     OPT(VERSION))
#define CLI_RUN_OPTIONS                                                                            \
    (OPT(ON) | OPT(REASON) | OPT(DRY_RUN) | OPT(DETACH) | OPT(YES) | OPT(BATCH) |                  \
     OPT(MAX_UNAVAILABLE) | OPT(SOAK) | OPT(TIMEOUT) | OPT(NO_DRAIN) | OPT(DRAIN_TIMEOUT) |        \
     OPT(ON_DRAIN_TIMEOUT) | OPT(GATE_PASSES) | OPT(GATE_MIN) | OPT(GATE_DEADLINE) |               \
     OPT(ON_FAILURE) | OPT(MAX_FAILURES) | OPT(UNREACHABLE) | OPT(EXPECT) | OPT(WAVES) |           \
     OPT(CANARY) | OPT(PAUSE_AFTER_CANARY) | OPT(BAKE) | OPT(ORDER) | OPT(ON_GATE_FAILURE) |       \
     OPT(MAX_GATE_FAILURES) | OPT(ON_UNREACHABLE) | OPT(MAX_UNREACHABLE) | OPT(ON_UNKNOWN) |       \
     OPT(MAX_UNKNOWN) | OPT(WINDOW) | OPT(GATE_LATENCY) | OPT(GATE_QUEUE) | OPT(GATE_MEMORY) | OPT(GATE_ERRORS) |     \
     OPT(APPROVE_BY) | OPT(APPROVE_WITHIN))

/* What may be set while a run is going on. */
#define CLI_LIVE_OPTIONS                                                                           \
    (OPT(BATCH) | OPT(MAX_UNAVAILABLE) | OPT(SOAK) | OPT(TIMEOUT) | OPT(DRAIN_TIMEOUT) |           \
     OPT(ON_DRAIN_TIMEOUT) | OPT(GATE_PASSES) | OPT(GATE_MIN) | OPT(GATE_DEADLINE) |               \
     OPT(ON_FAILURE) | OPT(MAX_FAILURES) | OPT(UNREACHABLE) | OPT(BAKE) | OPT(ON_GATE_FAILURE) |   \
     OPT(MAX_GATE_FAILURES) | OPT(ON_UNREACHABLE) | OPT(MAX_UNREACHABLE) | OPT(ON_UNKNOWN) |       \
     OPT(MAX_UNKNOWN) | OPT(WINDOW) | OPT(GATE_LATENCY) | OPT(GATE_QUEUE) | OPT(GATE_MEMORY) | OPT(GATE_ERRORS))

#define CLI_WORDS_MAX 8

struct cli;

struct cli_verb {
    const char *group;    /* "pool" */
    const char *name;     /* "recycle"; NULL: the group is the verb ("status") */
    const char *words;    /* "NAME", for the usage line; "": none */
    size_t least, most;   /* how many words follow */
    cli_options options;  /* OPT(...) beside CLI_EVERY */
    cli_options required; /* those of them that must be given */
    const char *summary;  /* one line */
    const char *more;     /* paragraphs for --help, or NULL */
    int (*run)(struct cli *cli);
};

/* verb_operator.c: a verb that asks no coordinator, and needs no way to one. */
bool cli_verb_is_local(const struct cli_verb *verb);

struct cli {
    const struct cli_verb *verb;
    const char *words[CLI_WORDS_MAX];
    size_t word_count;
    char *const *rest; /* what stood behind "--" where the verb takes a command; NULL: nothing */
    const char *values[OPT_COUNT]; /* NULL: not given; a switch holds "" */
    struct way way;                /* to the coordinator */
    struct terminal terminal;
    bool reached; /* the coordinator has answered once */
    bool quiet;   /* failures are not told: they are tried again */
};

/* ---- options.c ---- */

/* Sorts argv into verb, words and values; ERR_INVALID says what is wrong and what was meant. */
enum error_code cli_parse(struct cli *cli, const struct cli_verb *const *groups, int argc,
                          char *const *argv, struct error *err);
bool cli_has(const struct cli *cli, enum cli_option option);
const char *cli_value(const struct cli *cli, enum cli_option option, const char *otherwise);
/* Values were checked by cli_parse: these cannot fail. */
uint64_t cli_count(const struct cli *cli, enum cli_option option, uint64_t otherwise);
uint64_t cli_duration_ms(const struct cli *cli, enum cli_option option);
/* The run options that were given, as the "options" of POST /v1/runs; to be released. */
json_t *cli_run_options(const struct cli *cli);
/* The nearest of `names` (NULL-terminated) to what was written; NULL: none is near. */
const char *cli_nearest(const char *written, const char *const *names);

/* ---- help.c ---- */

void cli_print_usage(const struct cli_verb *const *groups);
void cli_print_group(const struct cli_verb *const *groups, const char *group);
void cli_print_help(const struct cli_verb *verb);
/* For the help's list of options, and for what is said of a run's. */
struct cli_option_words {
    const char *name, *value, *help;
    const char *api; /* field of the run's options, or NULL */
};
struct cli_option_words cli_option_words(enum cli_option option);

/* ---- talk.c: one question, one answer ---- */

/* On anything but a 2xx answer the reason is printed, and the exit code given back. *out: the
 * answer, json_decref it. `change`: once it may have left, silence is CLI_UNKNOWN. */
int cli_get(struct cli *cli, const char *path, json_t **out);
int cli_post(struct cli *cli, const char *path, json_t *body, bool change, json_t **out);

/* own_words.c: a refusal of wrong usage as the command line calls things: fields of the API become
 * options of this verb, and ranges in milliseconds lengths. */
void cli_add_own_words(const struct cli *cli, const char *words, struct text *out);

/* Adds `part` to a path or query, escaped. */
void cli_add_escaped(struct text *path, const char *part);
/* "?a=b&c=d" for what is given: adds `name`=`value` unless value is NULL. */
void cli_add_query(struct text *path, const char *name, const char *value);

int cli_fail(struct cli *cli, int code, const char *fmt, ...) FORMAT_PRINTF(3, 4);
/* With --json: prints it and says true. */
bool cli_print_json(const struct cli *cli, const json_t *value);
void cli_print_json_line(const struct cli *cli, const json_t *value);
void cli_print(struct text *t); /* to stdout, then empties t */
size_t cli_columns(const struct cli *cli);

/* Fields of an answer: what is missing or of another type reads as "", 0, false. Lent. */
const char *cli_text(const json_t *object, const char *key);
int64_t cli_number(const json_t *object, const char *key);
bool cli_true(const json_t *object, const char *key);
bool cli_is_null(const json_t *object, const char *key);
json_t *cli_list(const json_t *object, const char *key);

/* ---- change.c: reason, plan, question, start ---- */

/* Starts a run for action, pool and selector in the way all runs are started, and watches it. */
int cli_start_run(struct cli *cli, const char *action, const char *pool, const char *on);
/* POST /v1/rehearsals of a run's body, waited for: the plan with each agent's answer. NULL and
 * *code: it failed, and was said. */
json_t *cli_rehearse(struct cli *cli, json_t *body, int *code);
/* The same with what an ended run left. */
int cli_retry_run(struct cli *cli, uint64_t id);
/* The same with options beside those of the command line; `more` is taken over. */
int cli_start_run_with(struct cli *cli, const char *action, const char *pool, const char *on,
                       json_t *more);
/* --reason, or asked for; NULL: none to be had (said already). To be freed. */
char *cli_reason(struct cli *cli);
/* A change of something that is there: asks for the reason, posts {"reason", ...fields}. */
int cli_change(struct cli *cli, const char *path, json_t *fields, json_t **out);

/* verb_token.c. A token stands where its number belongs: said, and never sent, since it would stand
 * in a URL. */
bool cli_is_secret(struct cli *cli, const char *list);
/* Servers that join, and leave. */
int cli_server_waiting(struct cli *cli);
int cli_server_approve(struct cli *cli);
int cli_server_remove(struct cli *cli);

/* ---- plan.c, story.c, watch.c ---- */

void cli_print_plan(const struct cli *cli, const json_t *plan);
/* whole: every server; otherwise those in trouble. */
void cli_print_story(const struct cli *cli, const json_t *run, bool whole);
/* Follows a run to its end; the exit code tells the end. */
int cli_watch_run(struct cli *cli, int64_t id);
int cli_exit_of_run(const json_t *run);
/* What a target is called: its server, with the pool where there are several. Lent. */
const char *cli_target_name(const json_t *target);
/* The sentences about one target: "web03: workers 4711 -> 4892, probe 200 in 12 ms". */
void cli_add_proof(const struct terminal *t, const json_t *target, struct text *out);
enum mark cli_mark_of_target(const char *state);
enum style cli_style_of_run(const char *state);
/* One event, without the end of its line; wrapped under itself where it is wider than columns. */
void cli_add_event(const struct terminal *t, const json_t *event, size_t columns, struct text *out);
/* What a person should do next about a run; nothing if nothing is to be done. */
void cli_add_advice(const struct cli *cli, const json_t *run, struct text *out);

int cli_pool_warm(struct cli *cli); /* verb_warm.c */
/* verb_hold.c: a hold under other names. */
int cli_server_drain(struct cli *cli);
int cli_server_give_back(struct cli *cli);
/* Does anybody hold that server, or wait for it? The exit code. */
int cli_server_hold(struct cli *cli, const char *server, bool *held);

extern const struct cli_verb cli_verbs_status[], cli_verbs_server[], cli_verbs_pool[],
    cli_verbs_run[], cli_verbs_events[], cli_verbs_service[], cli_verbs_worker[], cli_verbs_token[],
    cli_verbs_operator[], cli_verbs_audit[], cli_verbs_notice[], cli_verbs_hold[], cli_verbs_incident[],
    cli_verbs_why[];

#endif
