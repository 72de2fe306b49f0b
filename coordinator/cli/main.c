/* main.c - farmhand, the operator's command: finds the verb and runs it. */
#include "coordinator/cli/cli.h"

#include "common/http.h"
#include "common/program.h"

#include <stdio.h>

static const struct cli_verb *const groups[] = {
    cli_verbs_status,  cli_verbs_server, cli_verbs_pool,   cli_verbs_run, cli_verbs_events,
    cli_verbs_service, cli_verbs_worker, cli_verbs_token, cli_verbs_operator, cli_verbs_audit, cli_verbs_notice, cli_verbs_hold, cli_verbs_incident,
    cli_verbs_why,     NULL};

/* No verb was named: the version, the help of a group or of everything. Asked for it is an answer,
 * otherwise it is bad usage. */
static int without_verb(struct cli *cli)
{
    if (cli_has(cli, OPT_VERSION)) {
        printf("farmhand %s\n", FARMHAND_VERSION);
        return CLI_DONE;
    }
    bool asked = cli_has(cli, OPT_HELP);
    if (cli->word_count == 1) {
        if (asked) {
            cli_print_group(groups, cli->words[0]);
            return CLI_DONE;
        }
        fprintf(stderr, "farmhand: %s what? \"farmhand %s --help\" lists it\n", cli->words[0],
                cli->words[0]);
        return CLI_USAGE;
    }
    if (asked) {
        cli_print_usage(groups);
        return CLI_DONE;
    }
    fprintf(stderr, "farmhand: what is to be done? \"farmhand --help\" lists it; \"farmhand "
                    "status\" is a start\n");
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct error err = {0};
    program_start(&argc, &argv);
    terminal_look(&cli.terminal);
    if (cli_parse(&cli, groups, argc, argv, &err) != ERR_NONE)
        return cli_fail(&cli, CLI_USAGE, "%s", err.text);
    if (!cli.verb || cli_has(&cli, OPT_VERSION))
        return without_verb(&cli);
    if (cli_has(&cli, OPT_HELP)) {
        cli_print_help(cli.verb);
        return CLI_DONE;
    }
    http_start();
    const struct way_words words = {.socket = cli.values[OPT_SOCKET],
                                    .coordinator = cli.values[OPT_COORDINATOR],
                                    .token_file = cli.values[OPT_TOKEN_FILE],
                                    .ca = cli.values[OPT_CA],
                                    .identity = cli.values[OPT_IDENTITY]};
    if (!cli_verb_is_local(cli.verb) && way_find(&words, &cli.way, &err) != ERR_NONE)
        return cli_fail(&cli, CLI_USAGE, "%s", err.text);
    int code = cli.verb->run(&cli);
    if (fflush(stdout) != 0 || ferror(stdout))
        return cli_fail(&cli, CLI_FAILED, "the output could not be written: is the disk full?");
    return code;
}
