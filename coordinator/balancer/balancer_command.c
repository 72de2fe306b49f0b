/* balancer_command.c - the kind "command": the operator's own program stands for a balancer.
 *
 * The contract with that program (farmhand-coordinator(8), "THE BALANCER'S COMMAND"): it is run as
 *
 *     ARGV... drain NAME      no new visitors for NAME; those that are there stay
 *     ARGV... ready NAME      visitors again
 *     ARGV... state NAME      one line on stdout, all four words, in any order:
 *                             admin=ready|drain|maint up=yes|no sessions=N others=N
 *
 * never through a shell, with FARMHAND_BALANCER and FARMHAND_BACKEND in its environment, stdin and
 * stderr closed off. `others` counts the other servers of that backend that serve. Exit codes:
 * 0 done; 3 NAME is not known there; 4 the balancer cannot be reached; 5 it refused us; anything
 * else: failed, and what became of it is read again by `state`. With a failure the first line of
 * stdout is the reason that people are shown. drain and ready may be repeated.
 */
#include "coordinator/balancer/balancer_kind.h"

#include "common/must.h"
#include "common/process.h"
#include "common/text.h"
#include "coordinator/balancer/haproxy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX 4096 /* bytes; an answer is one short line */
#define LINE_MAX   160

enum exit_code { EXIT_DONE = 0, EXIT_NOT_FOUND = 3, EXIT_UNREACHABLE = 4, EXIT_DENIED = 5 };

static enum error_code check(const struct balancer_place *place, struct error *err)
{
    if (!place->argv || !place->argv[0] || place->argv[0][0] != '/')
        return error_set(err, ERR_INVALID,
                         "run: expected the absolute path of a program, then its arguments");
    return ERR_NONE;
}

/* The first line of what it printed, safe to show. */
static void first_line(const char *output, char out[LINE_MAX])
{
    size_t used = 0;
    for (; *output && *output != '\n' && used + 1 < LINE_MAX; output++)
        out[used++] = *output == '\t' ? ' ' : isprint((unsigned char)*output) ? *output : '?';
    out[used] = '\0';
}

static enum error_code failed(const struct process_result *result, const char *verb,
                              const struct balancer_entry *entry, struct error *err)
{
    char line[LINE_MAX];
    first_line(result->output, line);
    const char *sep = line[0] ? ": " : "";
    switch (result->exit_code) {
    case EXIT_NOT_FOUND:
        return error_set(err, ERR_NOT_FOUND,
                         "%s does not know %s (its exit code 3)%s%s: give its name there as "
                         "\"renamed\" in [backend %s], or \"-\" if it does not stand there",
                         verb, entry->name, sep, line, entry->backend);
    case EXIT_UNREACHABLE:
        return error_set(err, ERR_UNREACHABLE, "%s %s: not reached (its exit code 4)%s%s", verb,
                         entry->name, sep, line);
    case EXIT_DENIED:
        return error_set(err, ERR_DENIED, "%s %s: refused (its exit code 5)%s%s", verb, entry->name,
                         sep, line);
    default:
        return error_set(err, ERR_IO, "%s %s: %s %u%s%s", verb, entry->name,
                         result->signalled ? "ended by signal" : "exit code",
                         result->signalled ? result->exit_code - 128 : result->exit_code, sep,
                         line);
    }
}

/* Runs it; *output is the caller's to free. */
static enum error_code run(const struct balancer_place *place, int cancel_fd, const char *verb,
                           const struct balancer_entry *entry, char **output, struct error *err)
{
    size_t given = 0;
    while (place->argv[given])
        given++;
    const char **argv = must_alloc(given + 3, sizeof(*argv));
    memcpy(argv, place->argv, given * sizeof(*argv));
    argv[given] = verb;
    argv[given + 1] = entry->name;
    char balancer[BALANCER_NAME_MAX + 32], backend[BALANCER_NAME_MAX + 32];
    text_format(balancer, sizeof(balancer), "FARMHAND_BALANCER=%s", place->name);
    text_format(backend, sizeof(backend), "FARMHAND_BACKEND=%s", entry->backend);
    const char *const env[] = {balancer, backend, NULL};
    struct process_call call = {.argv = argv,
                                .env = env,
                                .timeout_ms = place->timeout_ms,
                                .output_max_bytes = OUTPUT_MAX,
                                .cancel_fd = cancel_fd};
    struct process_result result;
    enum error_code code = process_run(&call, &result, err);
    free(argv);
    if (code == ERR_NOT_FOUND) /* the program, not the place */
        code = err->code = ERR_UNREACHABLE;
    if (code == ERR_NONE && result.exit_code != EXIT_DONE) {
        code = failed(&result, verb, entry, err);
        free(result.output);
    } else if (code == ERR_NONE) {
        *output = result.output;
    }
    return code;
}

/* ---- state ---- */

struct answer {
    bool admin_given, up_given, sessions_given, others_given;
    struct balancer_entry entry;
};

static bool take_count(const char *value, bool *given, uint32_t *out)
{
    uint64_t number;
    if (*given || !text_parse_u64(value, 0, INT32_MAX, &number))
        return false;
    *given = true;
    *out = (uint32_t)number;
    return true;
}

static bool take_admin(const char *value, struct answer *a)
{
    static const enum balancer_admin all[] = {BALANCER_READY, BALANCER_DRAIN, BALANCER_MAINT};
    for (size_t i = 0; !a->admin_given && i < sizeof(all) / sizeof(all[0]); i++) {
        if (text_equal(value, haproxy_state_word(all[i]))) {
            a->entry.admin = all[i];
            a->admin_given = true;
            return true;
        }
    }
    return false;
}

static bool take_word(char *word, struct answer *a)
{
    char *value = strchr(word, '=');
    if (!value)
        return false;
    *value++ = '\0';
    if (text_equal(word, "admin"))
        return take_admin(value, a);
    if (text_equal(word, "sessions"))
        return take_count(value, &a->sessions_given, &a->entry.sessions);
    if (text_equal(word, "others"))
        return take_count(value, &a->others_given, &a->entry.others_serving);
    if (!text_equal(word, "up") || a->up_given ||
        (!text_equal(value, "yes") && !text_equal(value, "no")))
        return false;
    a->up_given = true;
    a->entry.up = text_equal(value, "yes");
    return true;
}

/* Cuts `output` into its words. */
static bool take_line(char *output, struct answer *a)
{
    size_t len = strlen(output);
    if (len == 0 || output[len - 1] != '\n' || strchr(output, '\n') != output + len - 1)
        return false; /* cut, or more than one line */
    char *rest = output;
    for (char *word; (word = strtok_r(rest, " \r\n", &rest));)
        if (!take_word(word, a))
            return false;
    return a->admin_given && a->up_given && a->sessions_given && a->others_given;
}

static enum error_code read_one(const struct balancer_place *place, int cancel_fd,
                                struct balancer_entry *entry, struct error *err)
{
    char *output = NULL, line[LINE_MAX];
    enum error_code code = run(place, cancel_fd, "state", entry, &output, err);
    if (code == ERR_NONE) {
        struct answer a = {.entry = *entry};
        first_line(output, line);
        if (take_line(output, &a))
            *entry = a.entry;
        else
            code = error_set(err, ERR_CORRUPT,
                             "state %s printed \"%s\": expected one line such as admin=ready "
                             "up=yes sessions=12 others=3",
                             entry->name, line);
    }
    free(output);
    return code == ERR_NONE ? code
                            : error_wrap(err, "balancer %s (%s)", place->name, place->argv[0]);
}

static enum error_code set_one(const struct balancer_place *place, int cancel_fd,
                               const struct balancer_entry *entry, enum balancer_admin to,
                               struct error *err)
{
    char *output = NULL;
    enum error_code code = run(place, cancel_fd, haproxy_state_word(to), entry, &output, err);
    free(output);
    return code == ERR_NONE ? code
                            : error_wrap(err, "balancer %s (%s)", place->name, place->argv[0]);
}

const struct balancer_kind balancer_command = {
    .name = "command", .check = check, .read = read_one, .set = set_one};
