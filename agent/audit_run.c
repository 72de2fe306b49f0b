/* audit_run.c - see audit_run.h. */
#include "agent/audit_run.h"

#include "agent/home.h"
#include "agent/journal.h"
#include "agent/settings.h"
#include "common/chain_note.h"
#include "common/log.h"
#include "common/must.h"
#include "common/options.h"
#include "common/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define SHOWN_DEFAULT  50
#define PATH_BYTES_MAX 4096

static const char help[] =
    "farmhand-agent audit - what this agent was ordered, by whom, and what it decided\n"
    "\n"
    "usage: farmhand-agent audit [--limit N] [--config FILE] [--json]\n"
    "       farmhand-agent audit verify [--note FILE] [--head HASH] [--config FILE] [--json]\n"
    "\n"
    "  verify         find rows that were changed, taken out or put in\n"
    "  --note FILE    what was noted there must be met; then the last row is noted there\n"
    "  --head HASH    a hash that was noted elsewhere: it must be met among those that are kept\n"
    "  --limit N      the newest N rows, 50 by default\n"
    "  --config FILE  the agent's configuration, %s by default\n"
    "  --json         for programs\n"
    "  --help         print this\n"
    "\n"
    "Each row's hash covers the row and the hash before it. The newest 10,000 rows are kept, and\n"
    "what they follow. Whoever can write the journal could make the whole trail anew, or cut off\n"
    "its end: note the last row now and then, where they cannot write. May be used while the\n"
    "agent runs.\n"
    "\n"
    "Ends with 0, or 1 if the trail cannot be read or is not as it was written, 2 on wrong "
    "options\n"
    "or configuration.\n";

static const struct options_program program = {.name = "farmhand-agent audit", .help = help};

struct words {
    const char *config, *head, *note; /* head NULL: none was noted; note NULL: no file */
    uint64_t limit;
    bool json, verify;
};

/* -1: go on. */
static int parse(int argc, char **argv, struct words *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"head", required_argument, NULL, 'H'},
                                            {"note", required_argument, NULL, 'N'},
                                            {"limit", required_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    *out = (struct words){.config = home_config(), .limit = SHOWN_DEFAULT};
    while ((option = getopt_long(argc, argv, "c:H:N:n:jh", options, NULL)) != -1) {
        if (option == 'h') {
            printf(help, home_config());
            return EXIT_SUCCESS;
        }
        if (option == '?')
            return options_usage(&program);
        if (option == 'n' && !text_parse_u64(optarg, 1, INT64_MAX, &out->limit))
            return options_refused(&program, "--limit: expected a number from 1 on, not ", optarg);
        out->config = option == 'c' ? optarg : out->config;
        out->head = option == 'H' ? optarg : out->head;
        out->note = option == 'N' ? optarg : out->note;
        out->json |= option == 'j';
    }
    if (optind < argc && text_equal(argv[optind], "verify")) {
        out->verify = true;
        optind++;
    }
    if (optind < argc)
        return options_refused(&program, "unexpected argument ", argv[optind]);
    if ((out->head || out->note) && !out->verify)
        return options_refused(&program, "--head and --note are for verify", "");
    return -1;
}

/* Takes it over. */
static void print_json(json_t *json)
{
    must(json != NULL);
    json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(json);
}

static int fail(const struct words *words, const char *why)
{
    if (words->json)
        print_json(json_pack("{s:b, s:s}", "whole", 0, "why", why));
    fprintf(stderr, "%s: %s\n", program.name, why);
    return EXIT_FAILURE;
}

/* ---- list ---- */

static void add_json(void *arg, const struct audit_line *l)
{
    char at[TEXT_TIME_MAX];
    json_t *json = json_pack(
        "{s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id",
        (json_int_t)l->id, "at", text_format_time(at, l->wall_ms), "at_ms", (json_int_t)l->wall_ms,
        "fence", (json_int_t)l->fence, "instance", l->instance, "seq", (json_int_t)l->seq, "run",
        (json_int_t)l->run, "verb", l->verb, "pool", l->pool, "actor", l->actor, "reason",
        l->reason, "decision", l->decision, "detail", l->detail, "hash", l->hash);
    must(json != NULL);
    json_array_append_new(arg, json);
}

/* What came from a coordinator may hold what moves a terminal's cursor. */
static void print_line(void *arg, const struct audit_line *l)
{
    char at[TEXT_TIME_MAX];
    struct text out = {0};
    (void)arg;
    text_addf(&out, "%" PRIu64 "  %s  %s", l->id, text_format_time(at, l->wall_ms), l->decision);
    if (l->verb[0]) {
        text_addf(&out, " %s ", l->verb);
        text_add_safe(&out, l->pool);
        text_addf(&out, "%sby ", l->pool[0] ? " " : "");
        text_add_safe(&out, l->actor[0] ? l->actor : "(nobody named)");
        if (l->run)
            text_addf(&out, ", run %" PRIu64, l->run);
    }
    text_addf(&out, ", fence %" PRIu64 " of %.8s", l->fence, l->instance);
    if (l->detail[0]) {
        text_add(&out, "\n    ");
        text_add_safe(&out, l->detail);
    }
    if (l->reason[0]) {
        text_add(&out, "\n    why: ");
        text_add_safe(&out, l->reason);
    }
    puts(text_get(&out));
    text_reset(&out);
}

static int list(const struct words *words, struct journal *j, uint64_t last)
{
    struct error err = {0};
    json_t *rows = json_array();
    uint64_t after = last > words->limit ? last - words->limit : 0;
    enum error_code code =
        journal_audit_rows(j, after, words->json ? add_json : print_line, rows, &err);
    if (words->json && code == ERR_NONE)
        print_json(json_pack("{s:O, s:I}", "rows", rows, "last", (json_int_t)last));
    json_decref(rows);
    return code == ERR_NONE ? EXIT_SUCCESS : fail(words, err.text);
}

/* ---- verify ---- */

struct looking {
    struct audit_look look;
    const char *head, *bad;
    uint64_t bad_id;
    bool met;
    struct chain_note note;
    bool noted; /* there was one */
};

static void look_at(void *arg, const struct audit_line *line)
{
    struct looking *l = arg;
    if (l->bad)
        return;
    l->bad = audit_look_add(&l->look, line);
    if (!l->bad && l->noted)
        l->bad = chain_note_look(&l->note, line->id, l->look.hash);
    l->bad_id = line->id;
    l->met |= l->head && text_equal(l->head, l->look.hash);
}

static int tell_whole(const struct words *words, const struct looking *l)
{
    const struct audit_look *look = &l->look;
    if (words->json) {
        print_json(json_pack("{s:b, s:I, s:I, s:s, s:o}", "whole", 1, "first",
                             (json_int_t)(look->anchor.id + 1), "rows", (json_int_t)look->count,
                             "head", look->hash, "noted",
                             l->noted ? json_integer((json_int_t)l->note.id) : json_null()));
        return EXIT_SUCCESS;
    }
    printf("%" PRIu64 " rows from row %" PRIu64 " on, all as they were written%s\n", look->count,
           look->anchor.id + 1, words->head ? ", and the head that you noted is among them" : "");
    if (l->noted)
        printf("Row %" PRIu64 " is the one that was noted in %s\n", l->note.id, words->note);
    printf("The last one's hash, %s: %s\n", words->note ? "noted now" : "to note elsewhere",
           look->hash);
    return EXIT_SUCCESS;
}

/* After all rows: is the noted one where it has to be? */
static enum error_code judge_note(const struct words *words, const struct looking *l,
                                  struct error *err)
{
    const struct audit_anchor *anchor = &l->look.anchor;
    if (!l->noted)
        return ERR_NONE;
    enum error_code code = chain_note_reached(&l->note, l->look.id, words->note, err);
    if (code != ERR_NONE)
        return code;
    if (l->note.id < anchor->id)
        return error_set(err, ERR_CORRUPT,
                         "row %" PRIu64 ", noted in %s, is older than those that are kept, so that "
                         "nothing can be said of it: remove %s to begin a new note",
                         l->note.id, words->note, words->note);
    const char *bad = chain_note_look(&l->note, anchor->id, anchor->hash);
    return bad ? error_set(err, ERR_CORRUPT, "row %" PRIu64 ": %s", anchor->id, bad) : ERR_NONE;
}

static int verify(const struct words *words, struct journal *j, const struct audit_anchor *anchor,
                  uint64_t last)
{
    struct error err = {0};
    struct looking l = {.head = words->head};
    char why[256];
    audit_look_begin(&l.look, anchor);
    l.met = words->head && text_equal(words->head, anchor->hash);
    if (chain_note_read(words->note, &l.note, &l.noted, &err) != ERR_NONE ||
        journal_audit_rows(j, anchor->id, look_at, &l, &err) != ERR_NONE)
        return fail(words, err.text);
    if (l.bad) {
        text_format(why, sizeof(why), "row %" PRIu64 ": %s", l.bad_id, l.bad);
        return fail(words, why);
    }
    const char *bad = audit_look_end(&l.look, last);
    if (bad)
        return fail(words, bad);
    if (words->head && !l.met)
        return fail(words, "no row that is kept has that hash: it is older than the oldest, or the "
                           "trail was made anew since it was noted");
    if (judge_note(words, &l, &err) != ERR_NONE ||
        chain_note_write(words->note, l.look.id, l.look.hash, &err) != ERR_NONE)
        return fail(words, err.text);
    return tell_whole(words, &l);
}

/* ---- the command ---- */

static int look_into(const struct words *words, const struct settings *settings)
{
    char path[PATH_BYTES_MAX];
    struct journal *j = NULL;
    struct audit_anchor anchor;
    struct error err = {0};
    uint64_t last = 0;
    if (!text_format(path, sizeof(path), "%s/journal.db", settings->data_dir))
        return fail(words, "data_dir is too long a path");
    enum error_code code = journal_open_to_read(path, &j, &err);
    if (code == ERR_NONE)
        code = journal_audit_ends(j, &anchor, &last, &err);
    int end = code != ERR_NONE ? fail(words, err.text)
              : words->verify  ? verify(words, j, &anchor, last)
                               : list(words, j, last);
    journal_close(j);
    return end;
}

int audit_main(int argc, char **argv)
{
    struct words words;
    struct settings settings;
    struct error err = {0};
    bool told = false;
    int end = parse(argc, argv, &words);
    if (end >= 0)
        return end;
    log_set_level(LOG_LEVEL_WARN);
    if (settings_read(words.config, &settings, options_config_line, &told, &err) != ERR_NONE)
        return options_config_refused(&program, told, &err);
    end = look_into(&words, &settings);
    settings_reset(&settings);
    return end;
}
