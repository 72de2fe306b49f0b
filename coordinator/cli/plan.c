/* plan.c - what a run would do, before anything moves. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/table.h"

#include <stdio.h>

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

static void add_targets(const struct cli *cli, const json_t *plan, struct text *out)
{
    static const struct table_column columns[] = {
        {"#", 9, 1, true},       {"SERVER", 8, 8, false}, {"WILL", 7, 4, false},
        {"WORKERS", 6, 7, true}, {"DRAINS", 2, 8, false}, {"WHY", 4, 12, false},
    };
    struct table *t = table_open(columns, 6);
    size_t i;
    const json_t *target;
    json_array_foreach(cli_list(plan, "targets"), i, target) add_target(t, i + 1, target);
    table_lay(t, &cli->terminal, cli_columns(cli), out);
    table_close(t);
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
