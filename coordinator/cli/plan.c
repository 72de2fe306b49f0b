/* plan.c - what a run would do, before anything moves. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

#include <stdio.h>

/* Of a long plan, a stretch of servers of which the same is said is its first ones and its last. */
#define LONG_PLAN   50
#define STRETCH_MIN 8
#define FIRST_ONES  3

static enum style style_of(const char *will)
{
    if (text_equal(will, "skip"))
        return STYLE_DIM;
    if (text_equal(will, "fail"))
        return STYLE_RED;
    return text_equal(will, "wait") ? STYLE_YELLOW : STYLE_PLAIN;
}

static void add_target(struct table *t, size_t position, const json_t *target)
{
    struct text drain = {0};
    size_t i;
    const json_t *place;
    const char *will = cli_text(target, "will");
    json_array_foreach(cli_list(target, "drain"), i, place) text_addf(
        &drain, "%s%s", i ? ", " : "", json_string_value(place) ? json_string_value(place) : "?");
    table_cellf(t, STYLE_DIM, "%zu", position);
    table_cell(t, STYLE_PLAIN, cli_target_name(target));
    table_cell(t, style_of(will), will);
    table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(target, "workers"));
    table_cell(t, STYLE_PLAIN, text_get(&drain));
    const json_t *agent = json_object_get(target, "agent");
    bool said = json_is_object(agent);
    bool refuses = text_equal(cli_text(agent, "would"), "refused");
    if (said && *cli_text(target, "why"))
        table_cellf(t, refuses ? STYLE_RED : style_of(will), "%s; %s", cli_text(target, "why"),
                    cli_text(agent, "text"));
    else
        table_cellf(t, refuses ? STYLE_RED : style_of(will), "%s%s", refuses ? "refuses: " : "",
                    said ? cli_text(agent, "text") : cli_text(target, "why"));
    text_reset(&drain);
}

static const char *agent_text(const json_t *target)
{
    return cli_text(json_object_get(target, "agent"), "text");
}

static bool drains(const json_t *target)
{
    return json_array_size(json_object_get(target, "drain")) > 0;
}

/* Except for names, places and numbers of workers. */
static bool same_is_said(const json_t *a, const json_t *b)
{
    return text_equal(cli_text(a, "will"), cli_text(b, "will")) && drains(a) == drains(b) &&
           text_equal(cli_text(a, "why"), cli_text(b, "why")) &&
           text_equal(agent_text(a), agent_text(b));
}

static size_t stretch_from(const json_t *targets, size_t from)
{
    size_t count = 1;
    while (from + count < json_array_size(targets) &&
           same_is_said(json_array_get(targets, from), json_array_get(targets, from + count)))
        count++;
    return count;
}

/* "4 to 59: web04, web05...": nobody is touched who was not printed. */
static void add_names(const struct cli *cli, const json_t *targets, size_t from, size_t count,
                      struct text *out)
{
    struct text line = {0};
    text_addf(&line, "%zu to %zu:", from + 1, from + count);
    for (size_t i = from; i < from + count; i++)
        text_addf(&line, "%s %s", i > from ? "," : "", cli_target_name(json_array_get(targets, i)));
    say_wrapped(out, text_get(&line), 4, cli_columns(cli));
    text_add(out, "\n");
    text_reset(&line);
}

static void add_folded(struct table *t, const json_t *targets, size_t from, size_t count)
{
    long long workers = 0;
    for (size_t i = from; i < from + count; i++)
        workers += (long long)cli_number(json_array_get(targets, i), "workers");
    table_cell(t, STYLE_DIM, "");
    table_cellf(t, STYLE_DIM, "... %zu more", count);
    table_cell(t, STYLE_DIM, cli_text(json_array_get(targets, from), "will"));
    table_cellf(t, STYLE_DIM, "%lld", workers);
    table_cell(t, STYLE_DIM, "");
    table_cell(t, STYLE_DIM, "the same, named below");
}

static void add_targets(const struct cli *cli, const json_t *plan, struct text *out)
{
    static const struct table_column columns[] = {
        {"#", 9, 1, true},       {"SERVER", 8, 8, false}, {"WILL", 7, 4, false},
        {"WORKERS", 6, 7, true}, {"DRAINS", 2, 8, false}, {"WHY", 4, 12, false},
    };
    struct table *t = table_open(columns, 6);
    struct text names = {0};
    const json_t *targets = cli_list(plan, "targets");
    size_t total = json_array_size(targets);
    for (size_t i = 0, count; i < total; i += count) {
        count = stretch_from(targets, i);
        bool folds = total > LONG_PLAN && count >= STRETCH_MIN;
        size_t shown = folds ? FIRST_ONES : count;
        for (size_t k = 0; k < shown; k++)
            add_target(t, i + k + 1, json_array_get(targets, i + k));
        if (folds) {
            add_folded(t, targets, i + shown, count - shown - 1);
            add_names(cli, targets, i + shown, count - shown - 1, &names);
            add_target(t, i + count, json_array_get(targets, i + count - 1));
        }
    }
    table_lay(t, &cli->terminal, cli_columns(cli), out);
    table_close(t);
    if (*text_get(&names))
        text_addf(out, "\n%s", text_get(&names));
    text_reset(&names);
}

static void add_sentences(const struct cli *cli, const json_t *list, const char *head,
                          enum style style, struct text *out)
{
    size_t i;
    const json_t *sentence;
    size_t indent = text_columns(head) + 1;
    json_array_foreach(list, i, sentence)
    {
        say_styled(out, &cli->terminal, style, head);
        text_add(out, " ");
        say_wrapped(out, json_string_value(sentence) ? json_string_value(sentence) : "", indent,
                    cli_columns(cli));
        text_add(out, "\n");
    }
}

static void add_budgets(const json_t *plan, struct text *out)
{
    size_t i;
    const json_t *one;
    json_array_foreach(cli_list(plan, "budgets"), i, one)
    {
        bool named = !cli_is_null(one, "group");
        text_addf(out, "budget%s%s: %lld of %lld in use now", named ? " " : "",
                  named ? cli_text(one, "group") : "", (long long)cli_number(one, "used"),
                  (long long)cli_number(one, "limit"));
        if (cli_number(one, "min_in_service") > 0)
            text_addf(out, ", %lld in service, at least %lld must be",
                      (long long)cli_number(one, "in_service"),
                      (long long)cli_number(one, "min_in_service"));
        text_add(out, "\n");
    }
}

static void add_estimate(const json_t *plan, struct text *out)
{
    char length[TEXT_DURATION_MAX];
    if (!json_object_get(plan, "estimate_ms"))
        return;
    if (cli_is_null(plan, "estimate_ms"))
        text_add(out, "time: nothing like it was done yet, so there is no estimate\n");
    else
        text_addf(out, "time: about %s, by what such servers took\n",
                  say_duration(length, cli_number(plan, "estimate_ms")));
}

void cli_print_plan(const struct cli *cli, const json_t *plan)
{
    struct text out = {0};
    struct text head = {0};
    text_addf(&head, "Plan: %s%s%s on %s", cli_text(plan, "action"),
              *cli_text(plan, "pool") ? " " : "", cli_text(plan, "pool"), cli_text(plan, "on"));
    say_styled(&out, &cli->terminal, STYLE_BOLD, text_get(&head));
    text_add(&out, "\n\n");
    add_targets(cli, plan, &out);
    text_add(&out, "\n");
    add_sentences(cli, cli_list(plan, "order"), "order:", STYLE_CYAN, &out);
    add_sentences(cli, cli_list(plan, "gates"), "gate:", STYLE_CYAN, &out);
    add_budgets(plan, &out);
    add_estimate(plan, &out);
    if (*cli_text(plan, "rule")) {
        text_add(&out, "rule: ");
        text_add_safe(&out, cli_text(plan, "rule"));
        text_add(&out, "\n");
    }
    add_sentences(cli, cli_list(plan, "warnings"), "warning:", STYLE_YELLOW, &out);
    text_add(&out, "\n");
    cli_print(&out);
    text_reset(&head);
    fflush(stdout);
}
