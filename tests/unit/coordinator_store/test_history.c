/* test_history.c - events arrive once, in order, and are found again; a damaged file makes room. */
#include "files.h"
#include "samples.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/history.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct files files;
    char *path, *state_path;
    struct history *history;
    struct error err;
};

static struct history *open_history(const char *path)
{
    struct history *h = NULL;
    struct error err = {0};
    if (history_open(path, &h, &err))
        fprintf(stderr, "%s\n", err.text);
    must(h != NULL);
    return h;
}

static int set_up(void **state)
{
    struct fixture *f = must_alloc(1, sizeof(*f));
    files_open(&f->files);
    f->path = must_copy(files_path(&f->files, "history.db"));
    f->state_path = must_copy(files_path(&f->files, "state.db"));
    f->history = open_history(f->path);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    history_close(f->history);
    files_close(&f->files);
    free(f->path);
    free(f->state_path);
    free(f);
    return 0;
}

struct seen {
    size_t count;
    uint64_t seqs[2048];
    char first[256]; /* the whole first event in words */
};

static void see(void *arg, const struct event *e)
{
    struct seen *seen = arg;
    if (seen->count == 0)
        text_format(seen->first, sizeof(seen->first),
                    "%" PRId64 " %s %" PRIu64 " %s %s %s %s %s %s", e->wall_ms, e->kind, e->run,
                    e->server ? e->server : "-", e->pool ? e->pool : "-", e->actor ? e->actor : "-",
                    e->text ? e->text : "-", e->from ? e->from : "-", e->to ? e->to : "-");
    must(seen->count < 2048);
    seen->seqs[seen->count++] = e->seq;
}

static struct seen find(struct fixture *f, struct history_query query)
{
    struct seen seen = {0};
    if (query.limit == 0)
        query.limit = 2048;
    assert_int_equal(history_events(f->history, &query, see, &seen, &f->err), ERR_NONE);
    return seen;
}

static void add(struct fixture *f, uint64_t seq, uint64_t run, const char *server)
{
    struct event e = {.seq = seq,
                      .wall_ms = (int64_t)seq * 10,
                      .kind = "target.state",
                      .run = run,
                      .server = server,
                      .pool = "Shop",
                      .actor = "anna",
                      .text = "a sentence",
                      .from = "draining",
                      .to = "acting"};
    assert_int_equal(history_begin(f->history, &f->err), ERR_NONE);
    assert_int_equal(history_add_event(f->history, &e, &f->err), ERR_NONE);
    assert_int_equal(history_commit(f->history, &f->err), ERR_NONE);
}

/* ---- events ---- */

static void event_is_read_back_in_every_field(void **state)
{
    struct fixture *f = *state;
    add(f, 3, 7, "web01");
    history_close(f->history);
    f->history = open_history(f->path);
    struct seen seen = find(f, (struct history_query){0});
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.seqs[0], 3);
    assert_string_equal(seen.first, "30 target.state 7 web01 Shop anna a sentence draining acting");
}

static void events_are_found_by_run_server_and_number(void **state)
{
    struct fixture *f = *state;
    add(f, 1, 7, "web01");
    add(f, 2, 8, "web01");
    add(f, 3, 7, "web02");
    add(f, 4, 0, NULL);
    assert_int_equal(find(f, (struct history_query){.since = 2}).count, 2);
    assert_int_equal(find(f, (struct history_query){.run = 7}).count, 2);
    assert_int_equal(find(f, (struct history_query){.run = 7, .since = 1}).seqs[0], 3);
    assert_int_equal(find(f, (struct history_query){.server = "web01"}).count, 2);
    assert_int_equal(find(f, (struct history_query){.run = 8, .server = "web01"}).seqs[0], 2);
    assert_int_equal(find(f, (struct history_query){.run = 8, .server = "web02"}).count, 0);
    assert_int_equal(find(f, (struct history_query){.limit = 3}).count, 3);
    assert_int_equal(find(f, (struct history_query){.since = UINT64_MAX}).count, 0);
    struct seen last = find(f, (struct history_query){.limit = 2, .last = true});
    assert_int_equal(last.count, 2);
    assert_int_equal(last.seqs[0], 3);
    assert_int_equal(last.seqs[1], 4);
    last = find(f, (struct history_query){.limit = 1, .last = true, .server = "web01"});
    assert_int_equal(last.seqs[0], 2);
    last = find(f, (struct history_query){.limit = 1, .last = true, .run = 7});
    assert_int_equal(last.seqs[0], 3);
    last = find(f, (struct history_query){.last = true, .run = 7, .server = "web01"});
    assert_int_equal(last.seqs[0], 1);
}

static void known_events_are_passed_over(void **state)
{
    struct fixture *f = *state;
    add(f, 5, 1, "web01");
    assert_int_equal(history_watermark(f->history), 5);
    add(f, 5, 2, "web02");
    add(f, 4, 2, "web02");
    assert_int_equal(find(f, (struct history_query){0}).count, 1);
    assert_int_equal(history_watermark(f->history), 5);
}

static void watermark_stays_when_the_commit_fails(void **state)
{
    struct fixture *f = *state;
    struct event good = {.seq = 1, .kind = "x"}, bad = {.seq = 2, .kind = NULL};
    struct event next = {.seq = 3, .kind = "y"};
    assert_int_equal(history_begin(f->history, &f->err), ERR_NONE);
    assert_int_equal(history_add_event(f->history, &good, &f->err), ERR_NONE);
    assert_int_not_equal(history_add_event(f->history, &bad, &f->err), ERR_NONE);
    assert_int_not_equal(history_add_event(f->history, &next, NULL), ERR_NONE);
    f->err.text[0] = '\0';
    assert_int_not_equal(history_commit(f->history, &f->err), ERR_NONE);
    assert_non_null(strstr(f->err.text, "kind"));
    assert_int_equal(history_watermark(f->history), 0);
    assert_int_equal(find(f, (struct history_query){0}).count, 0);
}

/* ---- the outbox ---- */

static void put_in_outbox(const char *state_path, int count)
{
    struct store *s = sample_store(state_path, NULL);
    for (int i = 0; i < count; i++) {
        struct event e = {.kind = "target.state", .run = 1, .server = "web01"};
        must(!store_begin(s, NULL) && !store_add_event(s, &e, NULL) && !store_commit(s, NULL));
    }
    store_close(s);
}

static void assert_in_order(const struct seen *seen, size_t count)
{
    assert_int_equal(seen->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen->seqs[i], i + 1);
}

static void outbox_is_taken_in_pieces(void **state)
{
    struct fixture *f = *state;
    put_in_outbox(f->state_path, 25);
    struct store *s = sample_store(f->state_path, NULL);
    bool more = true;
    for (int pieces = 0; more; pieces++) {
        assert_true(pieces < 4);
        assert_int_equal(history_take_outbox(f->history, s, 10, &more, &f->err), ERR_NONE);
    }
    struct seen left = {0}, seen = find(f, (struct history_query){0});
    assert_in_order(&seen, 25);
    assert_int_equal(store_outbox(s, 0, 100, see, &left, &f->err), ERR_NONE);
    assert_int_equal(left.count, 0);
    assert_int_equal(history_watermark(f->history), 25);
    store_close(s);
}

/* As history_take_outbox does it, killed after so many of its steps. */
static void be_killed_after(struct fixture *f, int steps)
{
    struct store *s = sample_store(f->state_path, NULL);
    struct history *h = open_history(f->path);
    struct event e = {.kind = "target.state", .run = 1, .server = "web01"};
    if (steps > 0)
        history_begin(h, NULL);
    for (e.seq = 1; steps > 1 && e.seq <= 10; e.seq++)
        history_add_event(h, &e, NULL);
    if (steps > 2)
        history_commit(h, NULL);
    if (steps > 3)
        store_outbox_done(s, 5, NULL);
    kill(getpid(), SIGKILL);
}

static void outbox_is_taken_once_whenever_it_is_killed(void **state)
{
    struct fixture *f = *state;
    history_close(f->history);
    put_in_outbox(f->state_path, 10);
    for (int steps = 0; steps <= 4; steps++) {
        pid_t pid = fork();
        must(pid >= 0);
        if (pid == 0)
            be_killed_after(f, steps);
        waitpid(pid, NULL, 0);
    }
    f->history = open_history(f->path);
    struct store *s = sample_store(f->state_path, NULL);
    bool more = true;
    assert_int_equal(history_take_outbox(f->history, s, 100, &more, &f->err), ERR_NONE);
    assert_false(more);
    struct seen seen = find(f, (struct history_query){0});
    assert_in_order(&seen, 10);
    store_close(s);
}

static void empty_outbox_is_nothing_to_do(void **state)
{
    struct fixture *f = *state;
    struct store *s = sample_store(f->state_path, NULL);
    bool more = true;
    assert_int_equal(history_take_outbox(f->history, s, 10, &more, &f->err), ERR_NONE);
    assert_false(more);
    store_close(s);
}

/* ---- samples ---- */

struct latest {
    struct history_sample all[4];
    char servers[4][32];
    size_t count;
};

static void see_sample(void *arg, const struct history_sample *sample)
{
    struct latest *l = arg;
    l->all[l->count] = *sample;
    text_copy(l->servers[l->count++], 32, sample->server);
}

static void newest_sample_of_each_server_is_kept(void **state)
{
    struct fixture *f = *state;
    struct history_sample samples[] = {
        {.wall_ms = 1000, .server = "web01", .cpu_permille = 1},
        {.wall_ms = 2000,
         .server = "web01",
         .cpu_permille = 2,
         .memory_available_bytes = UINT64_MAX,
         .pools_started = 3,
         .workers = 4},
        {.wall_ms = 1500, .server = "web01", .cpu_permille = 5}, /* late */
        {.wall_ms = 2000, .server = "web02", .cpu_permille = 6},
        {.wall_ms = 2000, .server = "web02", .cpu_permille = 7},
    };
    assert_int_equal(history_begin(f->history, &f->err), ERR_NONE);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(history_add_sample(f->history, &samples[i], &f->err), ERR_NONE);
    assert_int_equal(history_commit(f->history, &f->err), ERR_NONE);
    struct latest l = {0};
    assert_int_equal(history_latest(f->history, see_sample, &l, &f->err), ERR_NONE);
    assert_int_equal(l.count, 2);
    assert_string_equal(l.servers[0], "web01");
    assert_int_equal(l.all[0].wall_ms, 2000);
    assert_int_equal(l.all[0].cpu_permille, 2);
    assert_int_equal(l.all[0].memory_available_bytes, INT64_MAX);
    assert_int_equal(l.all[0].pools_started, 3);
    assert_int_equal(l.all[0].workers, 4);
    assert_int_equal(l.all[1].cpu_permille, 7);
}

/* ---- forgetting ---- */

static void old_rows_are_forgotten_piece_by_piece(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(history_begin(f->history, &f->err), ERR_NONE);
    for (uint64_t i = 1; i <= 1500; i++) {
        struct event e = {.seq = i, .wall_ms = (int64_t)i, .kind = "x"};
        struct history_sample s = {.wall_ms = (int64_t)i, .server = "web01"};
        history_add_event(f->history, &e, &f->err);
        history_add_sample(f->history, &s, &f->err);
    }
    assert_int_equal(history_commit(f->history, &f->err), ERR_NONE);
    bool more = false;
    assert_int_equal(history_forget(f->history, 1201, &more, &f->err), ERR_NONE);
    assert_true(more);
    assert_int_equal(find(f, (struct history_query){0}).count, 500);
    assert_int_equal(history_forget(f->history, 1201, &more, &f->err), ERR_NONE);
    assert_false(more);
    struct seen seen = find(f, (struct history_query){0});
    assert_int_equal(seen.count, 300);
    assert_int_equal(seen.seqs[0], 1201);
    assert_int_equal(history_watermark(f->history), 1500);
}

/* ---- damage ---- */

static void damaged_file_is_moved_aside_and_the_outbox_fills_a_new_one(void **state)
{
    struct fixture *f = *state;
    put_in_outbox(f->state_path, 3);
    history_close(f->history);
    f->history = NULL;
    files_overwrite(f->path, 0, "no database at all");
    assert_int_equal(history_open(f->path, &f->history, &f->err), ERR_CORRUPT);
    char moved[HISTORY_PATH_MAX];
    assert_int_equal(history_move_aside(f->path, 1790000000000, moved, &f->err), ERR_NONE);
    assert_non_null(strstr(moved, "history.db.damaged-20260921T"));
    assert_int_equal(access(moved, F_OK), 0);
    f->history = open_history(f->path);
    struct store *s = sample_store(f->state_path, NULL);
    bool more = true;
    assert_int_equal(history_take_outbox(f->history, s, 10, &more, &f->err), ERR_NONE);
    struct seen seen = find(f, (struct history_query){0});
    assert_in_order(&seen, 3);
    store_close(s);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(event_is_read_back_in_every_field),
        CASE(events_are_found_by_run_server_and_number),
        CASE(known_events_are_passed_over),
        CASE(watermark_stays_when_the_commit_fails),
        CASE(outbox_is_taken_in_pieces),
        CASE(outbox_is_taken_once_whenever_it_is_killed),
        CASE(empty_outbox_is_nothing_to_do),
        CASE(newest_sample_of_each_server_is_kept),
        CASE(old_rows_are_forgotten_piece_by_piece),
        CASE(damaged_file_is_moved_aside_and_the_outbox_fills_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
