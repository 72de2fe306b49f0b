/* verb_notice.c - farmhand notice ...: who is told of runs and incidents, and whether that works.
 */
#include "coordinator/cli/listing.h"

#include "common/clock.h"

#include <stdio.h>
#include <time.h>

#define TEST_WAIT_MS 360000 /* more than the longest time-out of one delivery */
#define LOOK_MS      200

static void add_notice(struct table *t, const json_t *one)
{
    char at[SAY_TIME_MAX];
    const char *trouble = cli_text(one, "trouble");
    table_cell(t, STYLE_BOLD, cli_text(one, "name"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "to"));
    table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(one, "waiting"));
    table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(one, "delivered"));
    table_cellf(t, STYLE_PLAIN, "%lld", (long long)cli_number(one, "given_up"));
    table_cell(t, STYLE_DIM,
               cli_is_null(one, "delivered_at") ? NULL
                                                : say_time(at, cli_text(one, "delivered_at")));
    table_cell(t, *trouble ? STYLE_RED : STYLE_PLAIN, *trouble ? trouble : NULL);
}

static int run_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"NOTICE", 9, 6, false},   {"TO", 5, 10, false},     {"WAITING", 7, 3, true},
        {"DELIVERED", 4, 3, true}, {"GIVEN UP", 6, 3, true}, {"LAST (UTC)", 3, 10, false},
        {"TROUBLE", 8, 10, false},
    };
    static const struct cli_listing listing = {
        columns, 7, add_notice, "Nobody is told: coordinator.conf has no [notice NAME] section"};
    return cli_show_listing(cli, "/v1/notices", "notices", &listing);
}

/* The notice of that name in an answer; NULL: it is gone. */
static const json_t *notice_named(const json_t *answer, const char *name)
{
    size_t i;
    const json_t *one;
    json_array_foreach(cli_list(answer, "notices"), i, one)
    {
        if (text_equal(cli_text(one, "name"), name))
            return one;
    }
    return NULL;
}

/* Looks until the test was delivered or has failed once; *out is the notice then, in *answer. */
static int wait_for_test(struct cli *cli, int64_t id, json_t **answer, const json_t **out)
{
    uint64_t until_ms = clock_boot_ms() + TEST_WAIT_MS;
    int code = CLI_DONE;
    while (clock_boot_ms() < until_ms) {
        code = cli_get(cli, "/v1/notices", answer);
        *out = code == CLI_DONE ? notice_named(*answer, cli->words[0]) : NULL;
        if (code != CLI_DONE || !*out || cli_number(*out, "last_delivered") >= id ||
            cli_number(*out, "last_failed") >= id)
            return code;
        json_decref(*answer);
        *answer = NULL;
        *out = NULL;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    return cli_fail(cli, CLI_UNKNOWN,
                    "no word of it after %d s: \"farmhand notice list\" shows how "
                    "it goes on",
                    TEST_WAIT_MS / 1000);
}

static int run_test(struct cli *cli)
{
    struct text path = {0};
    json_t *body = json_object(), *asked = NULL, *answer = NULL;
    const json_t *one = NULL;
    text_add(&path, "/v1/notices/");
    cli_add_escaped(&path, cli->words[0]);
    text_add(&path, "/test");
    int code = cli_post(cli, text_get(&path), body, true, &asked);
    int64_t id = cli_number(asked, "id");
    code = code == CLI_DONE ? wait_for_test(cli, id, &answer, &one) : code;
    if (code == CLI_DONE && one) {
        bool delivered = cli_number(one, "last_delivered") >= id;
        if (!cli_print_json(cli, one) && delivered)
            printf("Delivered to %s\n", cli_text(one, "to"));
        if (!delivered)
            code = cli_fail(cli, CLI_FAILED,
                            "not delivered: %s. It is tried again, and goes on to "
                            "be until it is given up",
                            cli_text(one, "trouble"));
    }
    json_decref(body);
    json_decref(asked);
    json_decref(answer);
    text_reset(&path);
    return code;
}

const struct cli_verb cli_verbs_notice[] = {
    {"notice", "list", "", 0, 0, 0, 0, "Who is told of runs and incidents, and how that goes", NULL,
     run_list},
    {"notice", "test", "NAME", 1, 1, 0, 0, "Send a notice of kind notice.test, at once",
     "Waits until it was delivered, or the first try has failed: exit code 0 or 1.", run_test},
    {0},
};
