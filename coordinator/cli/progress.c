/* progress.c - see progress.h. */
#include "coordinator/cli/progress.h"

#include "common/must.h"
#include "coordinator/cli/cli.h"

#include <stdlib.h>
#include <string.h>

#define BAR_MAX   40
#define STATE_MAX 9

void progress_set(struct progress *p, const json_t *run)
{
    json_decref(p->run);
    p->run = json_deep_copy(run);
    must(p->run != NULL);
}

void progress_reset(struct progress *p)
{
    json_decref(p->run);
    *p = (struct progress){0};
}

/* ---- events ---- */

static json_t *target_of(const struct progress *p, const char *server, const char *pool)
{
    size_t i;
    json_t *target;
    json_array_foreach(
        cli_list(p->run, "targets"), i,
        target) if (text_equal(cli_text(target, "server"), server) &&
                    (!*cli_text(target, "pool") || !*pool ||
                     text_equal_nocase(cli_text(target, "pool"), pool))) return target;
    return NULL;
}

static bool is_working(const json_t *target)
{
    return cli_mark_of_target(cli_text(target, "state")) == MARK_WORKING;
}

static bool is_waiting(const json_t *target)
{
    return text_equal(cli_text(target, "state"), "waiting");
}

static void copy_field(json_t *to, const char *key, const json_t *from, const char *from_key)
{
    json_t *value = json_object_get(from, from_key);
    if (value && !json_is_null(value))
        json_object_set(to, key, value);
}

static void end_target(json_t *target, const json_t *event)
{
    int64_t from, to;
    copy_field(target, "ended_at", event, "at");
    if (text_parse_time(cli_text(target, "started_at"), &from) &&
        text_parse_time(cli_text(target, "ended_at"), &to))
        json_object_set_new(target, "elapsed_ms", json_integer(to - from));
}

static void move_target(json_t *target, const json_t *event)
{
    bool waited = is_waiting(target);
    copy_field(target, "state", event, "to");
    copy_field(target, "step", event, "text");
    if (waited && !is_waiting(target))
        copy_field(target, "started_at", event, "at");
    if (!is_waiting(target) && !is_working(target))
        end_target(target, event);
}

void progress_event(struct progress *p, const json_t *event)
{
    const char *kind = cli_text(event, "kind");
    json_t *target = target_of(p, cli_text(event, "server"), cli_text(event, "pool"));
    if (text_equal(kind, "target.state") && target)
        move_target(target, event);
    else if (text_equal(kind, "target.step") && target)
        copy_field(target, "step", event, "text");
    else if (text_equal(kind, "run.state")) {
        copy_field(p->run, "state", event, "to");
        copy_field(p->run, "why", event, "text");
    }
}

/* ---- lines ---- */

struct counts {
    size_t total, done, failed, working, waiting, skipped, unknown;
};

static struct counts count_targets(const struct progress *p)
{
    struct counts c = {0};
    size_t i;
    const json_t *target;
    json_array_foreach(cli_list(p->run, "targets"), i, target)
    {
        enum mark mark = cli_mark_of_target(cli_text(target, "state"));
        c.total++;
        c.done += mark == MARK_DONE;
        c.failed += mark == MARK_FAILED;
        c.working += mark == MARK_WORKING;
        c.waiting += mark == MARK_WAITING;
        c.skipped += mark == MARK_SKIPPED;
        c.unknown += mark == MARK_UNKNOWN;
    }
    return c;
}

/* A line that is filled from left to right and never wider than it may be. */
struct line {
    struct text *out;
    const struct terminal *t;
    size_t left;
};

static void put(struct line *l, enum style style, const char *s)
{
    struct text cut = {0};
    l->left -= say_cut(&cut, l->t, s, l->left);
    say_styled(l->out, l->t, style, text_get(&cut));
    text_reset(&cut);
}

static void put_padded(struct line *l, enum style style, const char *s, size_t columns)
{
    struct line part = {l->out, l->t, columns < l->left ? columns : l->left};
    size_t room = part.left;
    put(&part, style, s);
    say_spaces(l->out, part.left);
    l->left -= room;
}

static struct line line_begin(struct text *out, const struct terminal *t, size_t columns)
{
    return (struct line){out, t, columns};
}

static void lay_title(const struct progress *p, struct line l)
{
    struct text s = {0};
    const char *state = cli_text(p->run, "state");
    size_t state_columns = text_columns(state) + 2;
    text_addf(&s, "Run %lld: %s%s%s on %s", (long long)cli_number(p->run, "id"),
              cli_text(p->run, "action"), *cli_text(p->run, "pool") ? " " : "",
              cli_text(p->run, "pool"), cli_text(p->run, "on"));
    struct line title = {l.out, l.t, l.left > state_columns ? l.left - state_columns : 0};
    put(&title, STYLE_BOLD, text_get(&s));
    l.left = title.left + state_columns;
    put(&l, STYLE_PLAIN, "  ");
    put(&l, cli_style_of_run(state), state);
    text_add(l.out, "\n");
    text_reset(&s);
}

/* How long the rest will take if each server takes as long as those before it, as many at once as
 * now, and what is being worked on is half done; -1: nobody can say yet. */
static int64_t estimate_rest(const struct progress *p, const struct counts *c)
{
    size_t i, ended = 0, rest = c->waiting + c->working;
    int64_t sum_ms = 0;
    const json_t *target;
    json_array_foreach(cli_list(p->run, "targets"), i, target)
    {
        int64_t ms = cli_number(target, "elapsed_ms");
        bool counts = ms > 0 && !is_working(target) && !is_waiting(target);
        sum_ms += counts ? ms : 0;
        ended += counts;
    }
    if (ended == 0 || rest == 0)
        return -1;
    double at_once = c->working > 1 ? (double)c->working : 1;
    double left = (double)c->waiting + (double)c->working / 2;
    return (int64_t)((double)sum_ms / (double)ended * left / at_once);
}

static void lay_bar(const struct progress *p, const struct counts *c, int64_t now_ms, struct line l)
{
    size_t ended = c->total - c->waiting - c->working;
    size_t room = l.left > 50 ? l.left - 40 : 10;
    size_t size = room < BAR_MAX ? room : BAR_MAX;
    size_t full = c->total ? size * ended / c->total : 0;
    const char *on = l.t->unicode ? "█" : "#", *off = l.t->unicode ? "░" : ".";
    struct text bar = {0}, s = {0};
    char length[TEXT_DURATION_MAX];
    int64_t from = now_ms;
    for (size_t i = 0; i < full; i++)
        text_add(&bar, on);
    put(&l, c->failed + c->unknown > 0 ? STYLE_YELLOW : STYLE_GREEN, text_get(&bar));
    text_reset(&bar);
    for (size_t i = full; i < size; i++)
        text_add(&bar, off);
    put(&l, STYLE_DIM, text_get(&bar));
    text_addf(&s, "  %zu/%zu", ended, c->total);
    if (text_parse_time(cli_text(p->run, "created_at"), &from) && now_ms >= from)
        text_addf(&s, "  %s", say_duration(length, now_ms - from));
    int64_t rest = estimate_rest(p, c);
    if (rest >= 0 && text_equal(cli_text(p->run, "state"), "running"))
        text_addf(&s, ", about %s left", say_duration(length, rest));
    put(&l, STYLE_PLAIN, text_get(&s));
    text_add(l.out, "\n");
    text_reset(&bar);
    text_reset(&s);
}

static void put_count(struct line *l, size_t n, enum style style, const char *word, bool *first)
{
    char s[64];
    if (n == 0)
        return;
    put(l, STYLE_DIM, *first ? "" : l->t->unicode ? " · " : ", ");
    text_format(s, sizeof(s), "%zu %s", n, word);
    put(l, style, s);
    *first = false;
}

static void lay_counts(const struct counts *c, struct line l)
{
    bool first = true;
    put_count(&l, c->failed, STYLE_RED, "failed", &first);
    put_count(&l, c->unknown, STYLE_YELLOW, "unknown", &first);
    put_count(&l, c->working, STYLE_CYAN, "being worked on", &first);
    put_count(&l, c->done, STYLE_GREEN, "done", &first);
    put_count(&l, c->skipped, STYLE_DIM, "with nothing to do", &first);
    put_count(&l, c->waiting, STYLE_DIM, "waiting", &first);
    text_add(l.out, "\n");
}

static void put_elapsed(struct line *l, const json_t *target, int64_t now_ms)
{
    char length[TEXT_DURATION_MAX] = "";
    int64_t from, ms = cli_number(target, "elapsed_ms");
    if (is_working(target) && text_parse_time(cli_text(target, "started_at"), &from))
        ms = now_ms - from;
    if (ms > 0)
        say_duration(length, ms);
    put_padded(l, STYLE_DIM, length, 7);
    put(l, STYLE_PLAIN, " ");
}

static void lay_target(const json_t *target, size_t name_columns, int64_t now_ms, struct line l)
{
    enum mark mark = cli_mark_of_target(cli_text(target, "state"));
    struct text what = {0};
    put(&l, STYLE_PLAIN, " ");
    put(&l, say_mark_style(mark), say_mark(l.t, mark));
    put(&l, STYLE_PLAIN, " ");
    put_padded(&l, STYLE_PLAIN, cli_target_name(target), name_columns);
    put(&l, STYLE_PLAIN, " ");
    put_padded(&l, say_mark_style(mark), cli_text(target, "state"), STATE_MAX);
    put(&l, STYLE_PLAIN, " ");
    put_elapsed(&l, target, now_ms);
    if (mark == MARK_DONE)
        cli_add_proof(l.t, target, &what);
    if (mark == MARK_FAILED || mark == MARK_UNKNOWN)
        text_add(&what, cli_text(target, "detail"));
    if (what.len == 0)
        text_add(&what, cli_text(target, "step"));
    put(&l, STYLE_PLAIN, text_get(&what));
    text_add(l.out, "\n");
    text_reset(&what);
}

/* ---- which servers are shown ---- */

struct shown {
    const json_t **list;
    size_t count;
};

/* Those of the same moment by name: Windows' qsort keeps no order of its own. */
static int by_end_latest_first(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
    int later = strcmp(cli_text(y, "ended_at"), cli_text(x, "ended_at"));
    return later ? later : strcmp(cli_text(x, "server"), cli_text(y, "server"));
}

static struct shown pick(const struct progress *p, bool (*wanted)(enum mark mark))
{
    const json_t *targets = cli_list(p->run, "targets"), *target;
    struct shown s = {must_alloc(json_array_size(targets) + 1, sizeof(*s.list)), 0};
    size_t i;
    json_array_foreach(targets, i,
                       target) if (wanted(cli_mark_of_target(cli_text(target, "state"))))
        s.list[s.count++] = target;
    return s;
}

static bool is_trouble(enum mark mark)
{
    return mark == MARK_FAILED || mark == MARK_UNKNOWN;
}

static bool is_at_work(enum mark mark)
{
    return mark == MARK_WORKING;
}

static bool is_over(enum mark mark)
{
    return mark == MARK_DONE || mark == MARK_SKIPPED;
}

static size_t name_columns(const struct progress *p, size_t columns)
{
    size_t i, widest = 6, most = columns / 4;
    const json_t *target;
    json_array_foreach(cli_list(p->run, "targets"), i, target)
    {
        size_t wide = text_columns(cli_target_name(target));
        widest = wide > widest ? wide : widest;
    }
    return widest < most ? widest : most;
}

struct picture {
    const struct progress *p;
    const struct terminal *t;
    size_t columns, names;
    int64_t now_ms;
    struct text *out;
};

/* The first of them, as many as there is room; what is left out is counted. Returns lines used. */
static size_t lay_some(const struct picture *pic, const struct shown *s, size_t room,
                       const char *more)
{
    char rest[64];
    size_t shown = s->count <= room ? s->count : room > 0 ? room - 1 : 0;
    for (size_t i = 0; i < shown; i++)
        lay_target(s->list[i], pic->names, pic->now_ms, line_begin(pic->out, pic->t, pic->columns));
    if (shown == s->count || room == 0)
        return shown;
    struct line l = line_begin(pic->out, pic->t, pic->columns);
    text_format(rest, sizeof(rest), "   and %zu more %s", s->count - shown, more);
    put(&l, STYLE_DIM, rest);
    text_add(pic->out, "\n");
    return shown + 1;
}

/* Trouble first and never out of sight, then what is being done, then what was done last. */
static void lay_targets(const struct picture *pic, size_t room)
{
    struct shown trouble = pick(pic->p, is_trouble), work = pick(pic->p, is_at_work);
    struct shown over = pick(pic->p, is_over);
    qsort(over.list, over.count, sizeof(*over.list), by_end_latest_first);
    qsort(trouble.list, trouble.count, sizeof(*trouble.list), by_end_latest_first);
    size_t for_work = work.count < room / 2 ? work.count : room / 2;
    room -= lay_some(pic, &trouble, room - for_work, "in trouble");
    room -= lay_some(pic, &work, room, "being worked on");
    lay_some(pic, &over, room, "done");
    free(trouble.list);
    free(work.list);
    free(over.list);
}

void progress_lay(const struct progress *p, const struct terminal *t, size_t columns, size_t rows,
                  int64_t now_ms, struct text *out)
{
    struct counts c = count_targets(p);
    bool running = text_equal(cli_text(p->run, "state"), "running");
    const char *why = p->note ? p->note : running ? "" : cli_text(p->run, "why");
    size_t used = 3 + (*why != '\0');
    lay_title(p, line_begin(out, t, columns));
    lay_bar(p, &c, now_ms, line_begin(out, t, columns));
    lay_counts(&c, line_begin(out, t, columns));
    if (*why) {
        struct line l = line_begin(out, t, columns);
        put(&l, STYLE_YELLOW, why);
        text_add(out, "\n");
    }
    const struct picture pic = {p, t, columns, name_columns(p, columns), now_ms, out};
    lay_targets(&pic, rows > used ? rows - used : 0);
}
