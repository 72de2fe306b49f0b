/* verb_events.c - farmhand events: what happened, and what happens. */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_COLUMNS 10

/* "draining → acting: recycling"; one without a sentence is told by its kind. */
static void add_words(const struct terminal *t, const json_t *event, struct text *out)
{
    const char *from = cli_text(event, "from"), *to = cli_text(event, "to");
    const char *words = cli_text(event, "text");
    bool moved = *from && *to;
    if (moved)
        text_addf(out, "%s %s %s%s", from, say_arrow(t), to, *words ? ": " : "");
    text_add(out, *words || moved ? words : cli_text(event, "kind"));
}

static enum style style_of_event(const json_t *event)
{
    if (!text_equal(cli_text(event, "kind"), "target.state"))
        return STYLE_BOLD;
    return say_mark_style(cli_mark_of_target(cli_text(event, "to")));
}

void cli_add_event(const struct terminal *t, const json_t *event, size_t columns, struct text *out)
{
    char at[SAY_TIME_MAX];
    struct text who = {0}, words = {0};
    const char *server = cli_text(event, "server");
    if (*server)
        text_add_safe(&who, server);
    else if (!cli_is_null(event, "run"))
        text_addf(&who, "run %lld", (long long)cli_number(event, "run"));
    else
        text_add(&who, "-");
    say_styled(out, t, STYLE_DIM, say_time(at, cli_text(event, "at")));
    text_add(out, "  ");
    say_styled(out, t, style_of_event(event), text_get(&who));
    size_t wide = text_columns(text_get(&who));
    size_t room = wide < NAME_COLUMNS ? NAME_COLUMNS : wide;
    say_spaces(out, room - wide + 2);
    add_words(t, event, &words);
    say_wrapped(out, text_get(&words), text_columns(at) + room + 4, columns);
    text_reset(&who);
    text_reset(&words);
}

static void print_event(const struct cli *cli, const json_t *event)
{
    struct text line = {0};
    if (cli_has(cli, OPT_JSON)) {
        cli_print_json_line(cli, event);
        return;
    }
    cli_add_event(&cli->terminal, event, cli_columns(cli), &line);
    text_add(&line, "\n");
    cli_print(&line);
    fflush(stdout);
}

static void add_filters(const struct cli *cli, struct text *query)
{
    cli_add_query(query, "run", cli_value(cli, OPT_RUN, NULL));
    cli_add_query(query, "server", cli_value(cli, OPT_SERVER, NULL));
}

static int list_events(struct cli *cli)
{
    struct text path = {0};
    json_t *answer = NULL;
    size_t i;
    const json_t *event;
    text_add(&path, "/v1/events");
    cli_add_query(&path, "since", cli_value(cli, OPT_SINCE, NULL));
    add_filters(cli, &path);
    cli_add_query(&path, "limit", cli_value(cli, OPT_LIMIT, NULL));
    int code = cli_get(cli, text_get(&path), &answer);
    if (code == CLI_DONE && !cli_print_json(cli, answer)) {
        json_array_foreach(cli_list(answer, "events"), i, event) print_event(cli, event);
        if (json_array_size(cli_list(answer, "events")) == 0)
            fprintf(stderr, "no events\n");
    }
    json_decref(answer);
    text_reset(&path);
    return code;
}

/* Where to begin: what was asked for, or behind the last event there is now. */
static int first_seq(struct cli *cli, uint64_t *since)
{
    json_t *answer = NULL;
    int code = cli_get(cli, "/v1/events?limit=1", &answer);
    *since = cli_has(cli, OPT_SINCE) ? cli_count(cli, OPT_SINCE, 0)
                                     : (uint64_t)cli_number(answer, "last");
    json_decref(answer);
    return code;
}

static int on_refused(struct cli *cli, const json_t *answer)
{
    const char *words = cli_text(json_object_get(answer, "error"), "text");
    return cli_fail(cli, CLI_FAILED, "the events cannot be followed: %s",
                    *words ? words : "the coordinator refused without saying why");
}

static int follow_events(struct cli *cli)
{
    struct text query = {0};
    uint64_t since = 0, left = cli_count(cli, OPT_LIMIT, UINT64_MAX);
    int code = first_seq(cli, &since);
    if (code != CLI_DONE)
        return code;
    add_filters(cli, &query);
    struct stream *s = stream_open(&cli->way, *text_get(&query) ? query.data + 1 : "", since,
                                   STREAM_GIVE_UP_MS);
    for (bool ended = left == 0; !ended;) {
        json_t *event;
        switch (stream_next(s, 60000, &event)) {
        case STREAM_NOTHING:
            break;
        case STREAM_EVENT:
            print_event(cli, event);
            ended = --left == 0;
            break;
        case STREAM_LOST:
            fprintf(stderr, "farmhand: the connection to the coordinator is lost. Trying again\n");
            break;
        case STREAM_BACK:
            fprintf(stderr, "farmhand: connected again; what was missed follows\n");
            break;
        case STREAM_GONE:
            code = cli_fail(cli, CLI_UNREACHABLE, "no coordinator for 60 s: is it running?");
            ended = true;
            break;
        case STREAM_REFUSED:
            code = on_refused(cli, event);
            ended = true;
            break;
        }
        json_decref(event);
    }
    stream_close(s);
    text_reset(&query);
    return code;
}

static int run_events(struct cli *cli)
{
    return cli_has(cli, OPT_FOLLOW) ? follow_events(cli) : list_events(cli);
}

const struct cli_verb cli_verbs_events[] = {
    {"events", NULL, "", 0, 0, OPT(FOLLOW) | OPT(SINCE) | OPT(LIMIT) | OPT(RUN) | OPT(SERVER), 0,
     "What happened, oldest first; with --follow, what happens",
     "With --follow it begins with what happens from now on, or after --since SEQ, and goes on "
     "over "
     "restarts\nof the coordinator; Ctrl-C ends it. With --json --follow: one JSON object per "
     "line.",
     run_events},
    {0},
};
