/* change.c - the way of every change: reason, plan, question, start, watching. */
#include "coordinator/cli/cli.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t")] == '\0';
}

char *cli_reason(struct cli *cli)
{
    char typed[512] = "";
    const char *reason = cli_value(cli, OPT_REASON, NULL);
    if (reason && !is_blank(reason))
        return must_copy(reason);
    if (reason || !cli->terminal.person) {
        cli_fail(cli, CLI_USAGE,
                 reason ? "--reason must say why, in words"
                        : "--reason TEXT is needed: there is no terminal to ask on, and every "
                          "change is recorded with its reason");
        return NULL;
    }
    if (!terminal_ask("Why? (for the audit trail) ", typed, sizeof(typed)) || is_blank(typed)) {
        cli_fail(cli, CLI_USAGE, "nothing was changed: a change needs a reason");
        return NULL;
    }
    if (!text_is_utf8(typed, strlen(typed))) {
        cli_fail(cli, CLI_USAGE, "nothing was changed: the reason is not UTF-8");
        return NULL;
    }
    return must_copy(typed);
}

int cli_change(struct cli *cli, const char *path, json_t *fields, json_t **out)
{
    json_t *body = fields ? json_incref(fields) : json_object();
    char *reason = cli_reason(cli);
    int code = CLI_USAGE;
    if (reason) {
        json_object_set_new(body, "reason", json_string(reason));
        code = cli_post(cli, path, body, true, out);
    }
    free(reason);
    json_decref(body);
    return code;
}

/* ---- runs ---- */

static json_t *run_request(const struct cli *cli, const char *action, const char *pool,
                           const char *on, const char *reason)
{
    json_t *body =
        json_pack("{s:s,s:s,s:s,s:s}", "action", action, "pool", pool, "on", on, "reason", reason);
    must(body != NULL);
    json_object_set_new(body, "options", cli_run_options(cli));
    return body;
}

/* How many servers of the plan something will be done to. */
static size_t count_acting(const json_t *plan, const char *action)
{
    size_t i, acting = 0;
    const json_t *target;
    json_array_foreach(cli_list(plan, "targets"), i, target)
    {
        const char *will = cli_text(target, "will");
        acting += text_equal(will, action) || text_equal(will, "wait");
    }
    return acting;
}

/* The plan was shown: shall it be done? */
static bool is_wanted(const struct cli *cli, const json_t *plan)
{
    char question[160], answer[16] = "";
    if (cli_has(cli, OPT_YES) || !cli->terminal.person)
        return true;
    size_t count = count_acting(plan, cli_text(plan, "action"));
    text_format(question, sizeof(question), "%zu server%s, go? [y/N] ", count,
                count == 1 ? "" : "s");
    return terminal_ask(question, answer, sizeof(answer)) &&
           (text_equal_nocase(answer, "y") || text_equal_nocase(answer, "yes"));
}

static int make_plan(struct cli *cli, const char *path, json_t *body, json_t **plan)
{
    json_t *answer = NULL;
    json_object_set_new(body, "dry_run", json_true());
    int code = cli_post(cli, path, body, false, &answer);
    json_object_del(body, "dry_run");
    if (code != CLI_DONE)
        return code;
    *plan = json_incref(json_object_get(answer, "plan"));
    if (!json_is_object(*plan))
        code = cli_fail(cli, CLI_FAILED,
                        "the coordinator answered without a plan: is it of "
                        "another version?");
    json_decref(answer);
    return code;
}

/* What was shown is what is done: the run is refused if the selection is another by now. */
static void freeze(json_t *body, const json_t *plan)
{
    struct text names = {0};
    size_t i;
    const json_t *target;
    json_array_foreach(cli_list(plan, "targets"), i, target)
        text_addf(&names, "%s%s", i ? "," : "", cli_target_name(target));
    json_object_set_new(body, "targets", json_string(text_get(&names)));
    text_reset(&names);
}

static int start(struct cli *cli, const char *path, json_t *body)
{
    json_t *answer = NULL;
    int code = cli_post(cli, path, body, true, &answer);
    if (code != CLI_DONE)
        return code;
    const json_t *run = json_object_get(answer, "run");
    int64_t id = cli_number(run, "id");
    if (id == 0) {
        code = cli_fail(cli, CLI_UNKNOWN,
                        "the coordinator took the run without giving its number: "
                        "look with \"farmhand run list\"");
    } else if (!cli_has(cli, OPT_DETACH)) {
        code = cli_watch_run(cli, id);
    } else if (!cli_print_json(cli, answer)) {
        printf("run %lld started. It goes on by itself: farmhand run watch %lld\n", (long long)id,
               (long long)id);
    }
    json_decref(answer);
    return code;
}

/* ---- what the agents say ---- */

#define REHEARSE_MS      30000
#define REHEARSE_LOOK_MS 200

/* The plan with every agent's own answer; NULL: it was not to be had (said). */
json_t *cli_rehearse(struct cli *cli, json_t *body, int *code)
{
    json_t *asked = NULL, *answer = NULL, *plan = NULL;
    char path[64];
    *code = cli_post(cli, "/v1/rehearsals", body, false, &asked);
    text_format(path, sizeof(path), "/v1/rehearsals/%lld",
                (long long)cli_number(asked, "rehearsal"));
    json_decref(asked);
    uint64_t until_ms = clock_boot_ms() + REHEARSE_MS;
    while (*code == CLI_DONE) {
        *code = cli_get(cli, path, &answer);
        bool over = cli_true(answer, "complete") || clock_boot_ms() >= until_ms;
        if (*code != CLI_DONE || over)
            break;
        json_decref(answer);
        answer = NULL;
        clock_sleep_ms(REHEARSE_LOOK_MS);
    }
    if (*code == CLI_DONE)
        plan = json_incref(json_object_get(answer, "plan"));
    json_decref(answer);
    return plan;
}

/* Shows the plan as the agents would carry it out; without their words as it stands. */
static void show_dry_run(struct cli *cli, const char *path, json_t *body, const json_t *plan)
{
    int code = CLI_FAILED;
    json_t *asked = NULL;
    if (text_equal(path, "/v1/runs")) {
        cli->quiet = true;
        asked = cli_rehearse(cli, body, &code);
        cli->quiet = false;
    }
    const json_t *shown = asked ? asked : plan;
    if (!cli_print_json(cli, shown))
        cli_print_plan(cli, shown);
    json_decref(asked);
}

static int plan_and_start(struct cli *cli, const char *path, json_t *body)
{
    json_t *plan = NULL;
    bool dry = cli_has(cli, OPT_DRY_RUN);
    int code = make_plan(cli, path, body, &plan);
    if (code == CLI_DONE && dry) {
        show_dry_run(cli, path, body, plan);
    } else if (code == CLI_DONE) {
        if (!cli_has(cli, OPT_JSON))
            cli_print_plan(cli, plan);
        freeze(body, plan);
        code = is_wanted(cli, plan)
                   ? start(cli, path, body)
                   : cli_fail(cli, CLI_PARTIAL, "nothing was changed: you did not say yes");
    }
    json_decref(plan);
    return code;
}

/* A plan that is only looked at needs no reason. */
static char *reason_of_run(struct cli *cli)
{
    return cli_has(cli, OPT_DRY_RUN) && !cli_has(cli, OPT_REASON) ? must_copy("plan only")
                                                                  : cli_reason(cli);
}

int cli_start_run_with(struct cli *cli, const char *action, const char *pool, const char *on,
                       json_t *more)
{
    char *reason = reason_of_run(cli);
    if (!reason) {
        json_decref(more);
        return CLI_USAGE;
    }
    json_t *body = run_request(cli, action, pool, on, reason);
    if (more)
        json_object_update(json_object_get(body, "options"), more);
    json_decref(more);
    int code = plan_and_start(cli, "/v1/runs", body);
    json_decref(body);
    free(reason);
    return code;
}

int cli_start_run(struct cli *cli, const char *action, const char *pool, const char *on)
{
    return cli_start_run_with(cli, action, pool, on, NULL);
}

int cli_retry_run(struct cli *cli, uint64_t id)
{
    char path[64];
    char *reason = reason_of_run(cli);
    if (!reason)
        return CLI_USAGE;
    text_format(path, sizeof(path), "/v1/runs/%llu/retry", (unsigned long long)id);
    json_t *body = json_pack("{s:s,s:o}", "reason", reason, "options", cli_run_options(cli));
    int code = body ? plan_and_start(cli, path, body)
                    : cli_fail(cli, CLI_USAGE, "the reason is not UTF-8");
    json_decref(body);
    free(reason);
    return code;
}
