/* report.c - farm visitors and report: what the visitors saw, for programs and for people. */
#include "tests/farm/farm/ask.h"
#include "tests/farm/farm/verbs.h"

#include "common/text.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 4

/* From the visitors themselves, or from the file they left when they ended. */
static json_t *get_report(const struct farm *f, struct error *err)
{
    char path[PATH_MAX];
    json_t *json = ask_visitors(f, "report", err);
    if (json)
        return json;
    farm_path(path, f, "visitors.json");
    json = json_load_file(path, 0, NULL);
    if (!json)
        error_set(err, ERR_NOT_FOUND,
                  "this farm has no visitors: start them with 'farm start visitors'");
    return json;
}

static int open_phase(const struct farm *f, const char *name)
{
    char line[128];
    struct error err = {0};
    if (!text_format(line, sizeof(line), "phase %s", name) || strpbrk(name, "\r\n")) {
        fprintf(stderr, "farm visitors: '%s' is no name for a phase\n", name);
        return 2;
    }
    json_t *answer = ask_visitors(f, line, &err);
    if (!answer)
        return verb_fail(&err);
    json_decref(answer);
    return 0;
}

int verb_visitors(int argc, char **argv)
{
    struct farm f;
    struct error err = {0};
    const char *phase = verb_option(&argc, argv, "--phase");
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (argc > 0) {
        fprintf(stderr, "farm visitors: what is '%s'?\n", argv[0]);
        return 2;
    }
    if (phase)
        return open_phase(&f, phase);
    json_t *report = get_report(&f, &err);
    if (!report)
        return verb_fail(&err);
    json_dumpf(report, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(report);
    return 0;
}

/* --- for people --- */

enum row_kind { ROW_COUNT, ROW_MS, ROW_BAD_SECONDS };

struct row {
    const char *label;
    const char *key, *inside; /* tally[key], or tally[key][inside] */
    enum row_kind kind;
    bool only_if_any; /* left out when it is 0 in every column */
};

static const struct row rows[] = {
    {"requests", "sent", NULL, ROW_COUNT, false},
    {"lost", "failed", NULL, ROW_COUNT, false},
    {"  refused", "failures", "refused", ROW_COUNT, true},
    {"  reset", "failures", "reset", ROW_COUNT, true},
    {"  5xx", "failures", "5xx", ROW_COUNT, true},
    {"  no answer within 5 s", "failures", "timeout", ROW_COUNT, true},
    {"  not HTTP", "failures", "broken", ROW_COUNT, true},
    {"  visitor could not try", "failures", "visitor", ROW_COUNT, true},
    {"  not answered yet", "pending", NULL, ROW_COUNT, true},
    {"POSTs", "posts", "sent", ROW_COUNT, false},
    {"POSTs lost", "posts", "failed", ROW_COUNT, false},
    {"seconds with losses", NULL, NULL, ROW_BAD_SECONDS, false},
    {"half answered within", "latency_ms", "p50", ROW_MS, false},
    {"90 % answered within", "latency_ms", "p90", ROW_MS, false},
    {"99 % answered within", "latency_ms", "p99", ROW_MS, false},
    {"slowest answer", "latency_ms", "max", ROW_MS, false},
    {"held up by this machine", "own_delay_ms", "late", ROW_COUNT, true},
    {"  of these lost", "own_delay_ms", "late_and_failed", ROW_COUNT, true},
    {"  at most by", "own_delay_ms", "max", ROW_MS, true},
};

static json_int_t count_bad_seconds(const json_t *tally)
{
    static const char *const kinds[] = {"refused", "reset", "5xx", "timeout", "broken", "visitor"};
    size_t i;
    json_t *second;
    json_int_t bad = 0;
    json_array_foreach(json_object_get(tally, "seconds"), i, second)
    {
        bool any = false;
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
            any = any || json_object_get(second, kinds[k]);
        bad += any;
    }
    return bad;
}

static double value_of(const struct row *row, const json_t *tally)
{
    if (row->kind == ROW_BAD_SECONDS)
        return (double)count_bad_seconds(tally);
    const json_t *value = json_object_get(tally, row->key);
    if (row->inside)
        value = json_object_get(value, row->inside);
    return json_number_value(value);
}

static bool is_shown(const struct row *row, json_t *const *tallies, int count)
{
    if (!row->only_if_any)
        return true;
    /* How much the machine held its visitors up matters only where it did. */
    struct row asked = *row;
    if (asked.kind == ROW_MS)
        asked.inside = "late";
    for (int i = 0; i < count; i++)
        if (value_of(&asked, tallies[i]) > 0)
            return true;
    return false;
}

static void print_row(const struct row *row, json_t *const *tallies, int count)
{
    printf("  %-24s", row->label);
    for (int i = 0; i < count; i++) {
        char cell[32];
        double value = value_of(row, tallies[i]);
        text_format(cell, sizeof(cell), row->kind == ROW_MS ? "%.0f ms" : "%.0f", value);
        printf(" %17s", cell);
    }
    putchar('\n');
}

static json_t *find_tally(json_t *report, const char *name)
{
    size_t i;
    json_t *phase;
    if (strcmp(name, "total") == 0)
        return json_object_get(report, "total");
    json_array_foreach(json_object_get(report, "phases"), i, phase)
    {
        const char *its = json_string_value(json_object_get(phase, "name"));
        if (its && strcmp(its, name) == 0)
            return phase;
    }
    return NULL;
}

static bool choose(json_t *report, int argc, char **argv, json_t **tallies, int *count)
{
    static char total[] = "total";
    static char *only_total[] = {total};
    if (argc == 0) {
        argc = 1;
        argv = only_total;
    }
    for (*count = 0; *count < argc && *count < COLUMNS_MAX; (*count)++) {
        tallies[*count] = find_tally(report, argv[*count]);
        if (!tallies[*count]) {
            fprintf(stderr, "farm report: the visitors know no phase '%s'\n", argv[*count]);
            return false;
        }
    }
    return true;
}

static void print_table(json_t *const *tallies, int count)
{
    printf("  %-24s", "");
    for (int i = 0; i < count; i++)
        printf(" %17s", json_string_value(json_object_get(tallies[i], "name")));
    putchar('\n');
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (is_shown(&rows[i], tallies, count))
            print_row(&rows[i], tallies, count);
}

/* A phase that is over but has answers still due is not yet told: asks again for a while. */
static bool is_settled(json_t *report, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const json_t *tally = find_tally(report, argv[i]);
        if (tally && !json_is_true(json_object_get(tally, "open")) &&
            json_integer_value(json_object_get(tally, "pending")) > 0)
            return false;
    }
    return true;
}

static json_t *get_settled_report(const struct farm *f, int argc, char **argv, struct error *err)
{
    json_t *report = get_report(f, err);
    for (int tries = 0; report && tries < 70 && !is_settled(report, argc, argv); tries++) {
        json_decref(report);
        poll(NULL, 0, 100);
        report = get_report(f, err);
    }
    return report;
}

int verb_report(int argc, char **argv)
{
    struct farm f;
    struct error err = {0};
    json_t *tallies[COLUMNS_MAX];
    int count;
    if (!verb_open(&argc, argv, &f))
        return 1;
    json_t *report = get_settled_report(&f, argc, argv, &err);
    if (!report)
        return verb_fail(&err);
    int code = 2;
    if (choose(report, argc, argv, tallies, &count)) {
        print_table(tallies, count);
        bool lost = json_integer_value(json_object_get(tallies[0], "failed")) > 0 ||
                    json_integer_value(json_object_get(tallies[0], "sent")) == 0;
        code = lost ? 4 : 0;
    }
    json_decref(report);
    return code;
}
