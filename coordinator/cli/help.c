/* help.c - what --help says, from the same tables that the command line is read by. */
#include "coordinator/cli/cli.h"

#include <stdio.h>

#define OPTION_COLUMNS 34

static void print_verb_line(const struct cli_verb *v)
{
    struct text line = {0};
    text_addf(&line, "  farmhand %s%s%s%s%s", v->group, v->name ? " " : "", v->name ? v->name : "",
              v->words[0] ? " " : "", v->words);
    printf("%-46s %s\n", text_get(&line), v->summary);
    text_reset(&line);
}

void cli_print_group(const struct cli_verb *const *groups, const char *group)
{
    for (size_t i = 0; groups[i]; i++)
        for (const struct cli_verb *v = groups[i]; v->group; v++)
            if (!group || text_equal(v->group, group))
                print_verb_line(v);
}

void cli_print_usage(const struct cli_verb *const *groups)
{
    printf("farmhand: look after a farm of web servers, one server at a time.\n\n");
    cli_print_group(groups, NULL);
    printf(
        "\nEach with --help, --json and --socket PATH. SELECTOR: all, web01, web*, "
        "farm=web,zone=a, "
        "!zone=b.\n"
        "Exit codes: 0 done or healthy, 1 failed or degraded, 2 usage, 3 coordinator unreachable,"
        "\n            4 partly done or aborted, 5 outcome unknown.\n");
}

static void print_option(enum cli_option option, bool required)
{
    struct cli_option_words w = cli_option_words(option);
    char left[96];
    text_format(left, sizeof(left), "  --%s%s%s", w.name, w.value ? " " : "",
                w.value ? w.value : "");
    if (text_columns(left) >= OPTION_COLUMNS)
        printf("%s\n%*s", left, OPTION_COLUMNS, "");
    else
        printf("%-*s", OPTION_COLUMNS, left);
    printf("%s%s\n", w.help, required ? " (required)" : "");
}

void cli_print_help(const struct cli_verb *v)
{
    printf("farmhand %s%s%s%s%s [OPTIONS]\n\n%s.\n", v->group, v->name ? " " : "",
           v->name ? v->name : "", v->words[0] ? " " : "", v->words, v->summary);
    if (v->more)
        printf("\n%s\n", v->more);
    printf("\nOptions:\n");
    for (int i = 0; i < OPT_COUNT; i++)
        if (v->options & OPT_BIT(i))
            print_option((enum cli_option)i, (v->required & OPT_BIT(i)) != 0);
    print_option(OPT_JSON, false);
    print_option(OPT_SOCKET, false);
    print_option(OPT_HELP, false);
}
