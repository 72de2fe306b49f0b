/* watch.c - a run followed to its end: redrawn in place on a terminal, a line per event elsewhere.
 *
 *   following -> (stream breaks) lost -> (within 60 s) following | (not) given up: exit 3
 *   following -> (the coordinator says that it has ended, and lines: run.ended was told) the end:
 *                exit by the run
 *   following -> (Ctrl-C) asked: detach: exit 0 | pause, abort: following | go on: following
 */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/stream.h"

#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS        100 /* how soon Ctrl-C and a new second are seen */
#define STORY_MAX_ROWS 60  /* longer runs end with what went wrong only */
/* How long the events of a run that has ended are waited for: they come behind a connection that
 * may be slow, or not at all. */
#define LAST_EVENT_MS 5000

struct watch {
    struct cli *cli;
    int64_t id;
    struct stream *stream;
    struct progress progress;
    bool drawn_in_place; /* a picture rather than lines */
    size_t drawn;        /* lines of the picture on the screen */
    size_t drawn_columns;
    bool lost;
    bool wait_told;    /* lines: what a run waits for that was so before the watching began */
    uint64_t tried_ms; /* while lost: when the run was asked for last */
    bool stale;        /* the run itself has to be asked for again */
    bool over;
    bool end_told;    /* its run.ended has come */
    uint64_t over_ms; /* when it was found to have ended */
    int code;
};

/* ---- the picture ---- */

/* Lines of the last picture as the terminal shows them now: a narrower one has wrapped them. */
static size_t lines_to_clear(const struct watch *w, size_t columns)
{
    size_t each =
        columns && w->drawn_columns > columns ? (w->drawn_columns + columns - 1) / columns : 1;
    return w->drawn * each;
}

static void clear_picture(struct watch *w, struct text *out, size_t columns)
{
    size_t up = lines_to_clear(w, columns);
    if (up > 0)
        text_addf(out, "\x1b[%zuA\r\x1b[J", up);
    w->drawn = 0;
}

static void draw(struct watch *w)
{
    struct text frame = {0}, picture = {0};
    size_t columns, rows;
    if (!w->drawn_in_place)
        return;
    terminal_size(&w->cli->terminal, &columns, &rows);
    clear_picture(w, &frame, columns);
    w->progress.note =
        w->lost ? "Connection lost; the run goes on in the coordinator. Trying again..." : NULL;
    progress_lay(&w->progress, &w->cli->terminal, columns, rows > 2 ? rows - 2 : 1, clock_wall_ms(),
                 &picture);
    for (const char *p = text_get(&picture); (p = strchr(p, '\n')); p++)
        w->drawn++;
    w->drawn_columns = columns;
    text_add(&frame, text_get(&picture));
    cli_print(&frame);
    fflush(stdout);
    text_reset(&picture);
}

static void erase(struct watch *w)
{
    struct text out = {0};
    if (w->drawn_in_place)
        clear_picture(w, &out, cli_columns(w->cli));
    cli_print(&out);
}

/* A remark between the lines: on stderr, so that piped output stays a list of events. */
static void remark(struct watch *w, const char *words)
{
    if (w->drawn_in_place)
        return; /* the picture has a line for it */
    fflush(stdout);
    fprintf(stderr, "farmhand: %s\n", words);
}

/* Steps are told while they happen and not kept: who begins to watch a run that is blocked already
 * would read nothing at all. */
static void tell_wait(struct watch *w)
{
    size_t i;
    const json_t *target, *first = NULL;
    if (w->wait_told || w->drawn_in_place || w->over)
        return;
    w->wait_told = true;
    json_array_foreach(cli_list(w->progress.run, "targets"), i, target)
    {
        if (cli_mark_of_target(cli_text(target, "state")) == MARK_WORKING)
            return;
        if (!first && text_equal(cli_text(target, "state"), "waiting") && *cli_text(target, "step"))
            first = target;
    }
    if (!first && !*cli_text(w->progress.run, "why"))
        return;
    struct text line = {0};
    text_addf(&line, "run %lld waits: ", (long long)w->id);
    if (first)
        text_addf(&line, "%s: ", cli_text(first, "server"));
    text_add_safe(&line, first ? cli_text(first, "step") : cli_text(w->progress.run, "why"));
    remark(w, text_get(&line));
    text_reset(&line);
}

/* ---- the run itself ---- */

static bool ask_run(struct watch *w, bool quietly)
{
    char path[64];
    json_t *run = NULL;
    text_format(path, sizeof(path), "/v1/runs/%lld", (long long)w->id);
    w->cli->quiet = quietly;
    w->code = cli_get(w->cli, path, &run);
    w->cli->quiet = false;
    if (w->code != CLI_DONE)
        return false;
    const json_t *inside = json_object_get(run, "run"); /* either form is understood */
    progress_set(&w->progress, json_is_object(inside) ? inside : run);
    w->stale = false;
    w->over = cli_true(w->progress.run, "ended");
    if (w->over && w->over_ms == 0)
        w->over_ms = clock_boot_ms();
    json_decref(run);
    return true;
}

static int tell_end(struct watch *w)
{
    erase(w);
    if (cli_has(w->cli, OPT_JSON))
        cli_print_json_line(w->cli, w->progress.run);
    else
        cli_print_story(w->cli, w->progress.run,
                        w->cli->terminal.output &&
                            json_array_size(cli_list(w->progress.run, "targets")) <=
                                STORY_MAX_ROWS);
    return cli_exit_of_run(w->progress.run);
}

/* ---- events ---- */

static void print_event(struct watch *w, const json_t *event)
{
    struct text line = {0};
    if (cli_has(w->cli, OPT_JSON)) {
        cli_print_json_line(w->cli, event);
        return;
    }
    cli_add_event(&w->cli->terminal, event, cli_columns(w->cli), &line);
    text_add(&line, "\n");
    cli_print(&line);
    fflush(stdout);
}

static void on_event(struct watch *w, const json_t *event)
{
    const char *kind = cli_text(event, "kind");
    if (text_equal(kind, "run.state") || text_equal(kind, "run.ended"))
        w->stale = true;
    w->end_told = w->end_told || text_equal(kind, "run.ended");
    progress_event(&w->progress, event);
    if (!w->drawn_in_place)
        print_event(w, event);
}

static int given_up(struct watch *w)
{
    erase(w);
    return cli_fail(w->cli, CLI_UNREACHABLE,
                    "no coordinator for 60 s. The run is kept there and goes on once it is back: "
                    "farmhand run watch %lld",
                    (long long)w->id);
}

static int refused(struct watch *w, const json_t *answer)
{
    const char *words = cli_text(json_object_get(answer, "error"), "text");
    erase(w);
    return cli_fail(w->cli, CLI_FAILED, "run %lld cannot be watched: %s", (long long)w->id,
                    *words ? words : "the coordinator refused without saying why");
}

/* ---- Ctrl-C ---- */

static int detach(struct watch *w)
{
    fprintf(stderr, "Run %lld goes on. To see it again: farmhand run watch %lld\n",
            (long long)w->id, (long long)w->id);
    return CLI_DONE;
}

static void change_run(struct watch *w, const char *what)
{
    char path[64];
    json_t *body = json_pack("{s:s}", "reason", "asked for where the run was watched (Ctrl-C)");
    text_format(path, sizeof(path), "/v1/runs/%lld/%s", (long long)w->id, what);
    cli_post(w->cli, path, body, true, NULL);
    json_decref(body);
    w->stale = true;
}

/* true: the watching is over. */
static bool on_interrupt(struct watch *w)
{
    char answer[16] = "d";
    bool asked = w->cli->terminal.person &&
                 terminal_ask("\n[d]etach, [p]ause, [a]bort, or Enter to watch on: ", answer,
                              sizeof(answer));
    terminal_interrupted(); /* a second Ctrl-C, at the question, means: detach */
    w->drawn = 0;           /* what was drawn stays above the question */
    char choice = asked ? answer[0] : 'd';
    if (choice == 'p' || choice == 'P')
        change_run(w, "pause");
    else if (choice == 'a' || choice == 'A')
        change_run(w, "abort");
    else if (choice == 'd' || choice == 'D')
        w->code = detach(w);
    return choice == 'd' || choice == 'D';
}

/* ---- the loop ---- */

static void on_back(struct watch *w)
{
    if (w->lost)
        remark(w, "connected again; what was missed follows");
    w->lost = false;
    w->stale = true;
}

/* A stream says nothing until something happens, so that the coordinator is back shows sooner by
 * asking for the run. */
static void on_nothing(struct watch *w)
{
    uint64_t now_ms = clock_boot_ms();
    if (!w->stale && !w->lost)
        return;
    if (w->lost && now_ms - w->tried_ms < 10 * TICK_MS)
        return;
    w->tried_ms = now_ms;
    if (!ask_run(w, true))
        return;
    if (w->lost)
        on_back(w);
    tell_wait(w);
}

/* Whoever reads lines gets all of them, so the end is not told before its own event. */
static bool all_is_told(const struct watch *w)
{
    return w->over &&
           (w->drawn_in_place || w->end_told || clock_boot_ms() - w->over_ms > LAST_EVENT_MS);
}

/* true: the watching is over, and code says how. */
static bool on_news(struct watch *w, enum stream_news news, const json_t *event)
{
    switch (news) {
    case STREAM_NOTHING:
        on_nothing(w);
        break;
    case STREAM_EVENT:
        on_event(w, event);
        break;
    case STREAM_LOST:
        w->lost = true;
        remark(w, "the connection to the coordinator is lost; the run goes on there. Trying again");
        break;
    case STREAM_BACK:
        on_back(w);
        break;
    case STREAM_GONE:
        w->code = given_up(w);
        return true;
    case STREAM_REFUSED:
        w->code = refused(w, event);
        return true;
    }
    if (!all_is_told(w))
        return false;
    w->code = tell_end(w);
    return true;
}

static void follow(struct watch *w)
{
    uint64_t drawn_ms = 0;
    for (bool ended = false; !ended;) {
        json_t *event;
        enum stream_news news = stream_next(w->stream, TICK_MS, &event);
        ended = on_news(w, news, event);
        json_decref(event);
        uint64_t now_ms = clock_boot_ms();
        bool quiet = news == STREAM_NOTHING || now_ms - drawn_ms > 3 * TICK_MS;
        if (!ended && quiet) {
            draw(w);
            drawn_ms = now_ms;
        }
        if (!ended && w->drawn_in_place && terminal_interrupted())
            ended = on_interrupt(w);
    }
}

int cli_watch_run(struct cli *cli, int64_t id)
{
    char query[32];
    struct watch w = {.cli = cli, .id = id, .stale = true};
    w.drawn_in_place = cli->terminal.redraw && !cli_has(cli, OPT_JSON);
    if (!ask_run(&w, false)) {
        progress_reset(&w.progress);
        return w.code;
    }
    if (w.over && cli->terminal.output) {
        w.code = tell_end(&w);
    } else {
        text_format(query, sizeof(query), "run=%lld", (long long)id);
        w.stream = stream_open(&cli->way, query, 0, STREAM_GIVE_UP_MS);
        w.over = false;
        w.stale = true; /* the history comes first: what is now is asked for behind it */
        if (w.drawn_in_place)
            terminal_catch_interrupt();
        follow(&w);
        terminal_leave();
    }
    stream_close(w.stream);
    progress_reset(&w.progress);
    return w.code;
}
