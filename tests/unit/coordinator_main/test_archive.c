/* test_archive.c - the history goes on or is made anew, and never stops anything else. */
#include "tests/unit/coordinator_store/files.h"
#include "tests/unit/coordinator_store/samples.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/store/archive.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_MS (24LL * 60 * 60 * 1000)
#define WALL   (1790000000000LL)

struct fixture {
    struct files files;
    struct store *store;
    struct archive *archive;
};

static void open_archive(struct fixture *f)
{
    struct archive_spec spec = {.path = files_path(&f->files, "history.db"),
                                .store = f->store,
                                .keep_ms = DAY_MS,
                                .now_ms = 1000,
                                .wall_ms = WALL};
    f->archive = archive_open(&spec);
}

static int set_up(void **state)
{
    struct fixture *f = must_alloc(1, sizeof(*f));
    files_open(&f->files);
    f->store = sample_store(files_path(&f->files, "state.db"), NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    archive_close(f->archive);
    store_close(f->store);
    files_close(&f->files);
    free(f);
    return 0;
}

static uint64_t add_event(struct fixture *f, int64_t wall_ms)
{
    struct event e = {.wall_ms = wall_ms, .kind = "x", .run = 1, .server = "web01"};
    must(!store_begin(f->store, NULL) && !store_add_event(f->store, &e, NULL) &&
         !store_commit(f->store, NULL));
    return e.seq;
}

static void count(void *arg, const struct event *event)
{
    (void)event;
    ++*(size_t *)arg;
}

static void note_seq(void *arg, const struct event *event)
{
    *(uint64_t *)arg = event->seq;
}

static size_t in_outbox(struct fixture *f)
{
    size_t n = 0;
    must(!store_outbox(f->store, 0, 100000, count, &n, NULL));
    return n;
}

static size_t found(struct fixture *f, struct history_query query)
{
    size_t n = 0;
    if (query.limit == 0)
        query.limit = 100000;
    must(!archive_events(f->archive, &query, count, &n, NULL));
    return n;
}

static void events_move_to_history_in_a_batch(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    for (int i = 0; i < 2500; i++)
        add_event(f, WALL);
    archive_note_event(f->archive, 2000);
    assert_true(archive_wake_ms(f->archive) <= 2000 + ARCHIVE_FLUSH_MS);
    archive_on_time(f->archive, 2000, WALL);
    assert_int_equal(in_outbox(f), 2500); /* not yet due */
    archive_on_time(f->archive, 2000 + ARCHIVE_FLUSH_MS, WALL);
    assert_int_equal(in_outbox(f), 0);
    assert_int_equal(found(f, (struct history_query){0}), 2500);
    assert_null(archive_trouble(f->archive));
}

static void events_are_found_while_they_wait(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    add_event(f, WALL);
    archive_note_event(f->archive, 2000);
    archive_on_time(f->archive, 3000, WALL);
    add_event(f, WALL);
    assert_int_equal(found(f, (struct history_query){0}), 2);
    assert_int_equal(found(f, (struct history_query){.since = 1}), 1);
    assert_int_equal(found(f, (struct history_query){.limit = 1}), 1);
    add_event(f, WALL);
    add_event(f, WALL);
    uint64_t last = 0;
    struct history_query query = {.limit = 1, .last = true};
    assert_int_equal(archive_events(f->archive, &query, note_seq, &last, NULL), ERR_NONE);
    assert_int_equal(last, 4);
    assert_int_equal(store_outbox_done(f->store, 4, NULL), ERR_NONE);
    assert_int_equal(archive_events(f->archive, &query, note_seq, &last, NULL), ERR_NONE);
    assert_int_equal(last, 1);
    add_event(f, WALL);
    assert_int_equal(found(f, (struct history_query){.run = 1, .server = "web01"}), 2);
    assert_int_equal(found(f, (struct history_query){.run = 2}), 0);
    assert_int_equal(found(f, (struct history_query){.server = "web02"}), 0);
}

static void damaged_history_is_made_anew(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    archive_close(f->archive);
    files_overwrite(files_path(&f->files, "history.db"), 0, "no database");
    add_event(f, WALL);
    open_archive(f);
    assert_null(archive_trouble(f->archive));
    assert_int_equal(found(f, (struct history_query){0}), 1);
    glob_t g;
    assert_int_equal(glob(files_path(&f->files, "history.db.damaged-*"), 0, NULL, &g), 0);
    globfree(&g);
}

static void history_that_cannot_be_opened_is_told_and_tried_again(void **state)
{
    struct fixture *f = *state;
    const char *path = files_path(&f->files, "history.db");
    assert_int_equal(mkdir(path, 0755), 0); /* in its way */
    add_event(f, WALL);
    open_archive(f);
    assert_non_null(archive_trouble(f->archive));
    assert_int_equal(in_outbox(f), 1);
    assert_int_equal(found(f, (struct history_query){0}), 1);
    archive_note_event(f->archive, 1500); /* does not hurry it */
    assert_int_equal(archive_wake_ms(f->archive), 6000);
    assert_int_equal(rmdir(path), 0);
    archive_on_time(f->archive, 6000, WALL);
    assert_null(archive_trouble(f->archive));
    assert_int_equal(in_outbox(f), 0);
    assert_int_equal(found(f, (struct history_query){0}), 1);
}

static void numbers_go_on_above_the_history_of_a_restored_store(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    for (int i = 0; i < 7; i++)
        add_event(f, WALL);
    archive_close(f->archive);
    store_close(f->store);
    f->store = sample_store(files_path(&f->files, "older.db"), NULL);
    open_archive(f);
    assert_int_equal(add_event(f, WALL), 8);
    assert_int_equal(found(f, (struct history_query){.since = 7}), 1);
}

static void old_events_are_forgotten(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    add_event(f, WALL - 2 * DAY_MS);
    add_event(f, WALL);
    archive_note_event(f->archive, 2000);
    archive_on_time(f->archive, 3000, WALL);
    assert_int_equal(found(f, (struct history_query){0}), 2);
    uint64_t due_ms = archive_wake_ms(f->archive);
    assert_true(due_ms > 60000 && due_ms != UINT64_MAX);
    archive_on_time(f->archive, due_ms, WALL);
    assert_int_equal(found(f, (struct history_query){0}), 1);
}

static uint64_t add_incident(struct fixture *f, int64_t wall_ms, bool closed)
{
    static const char *const kinds[] = {"seen", "evidence", "requests", "dump", "end"};
    struct incident n = {.server = "web01", .kind = "rule", .opened_wall_ms = wall_ms};
    struct error err = {0};
    assert_int_equal(store_begin(f->store, &err), ERR_NONE);
    assert_int_equal(store_open_incident(f->store, &n, &err), ERR_NONE);
    for (size_t i = 0; i < 5; i++) {
        struct incident_note note = {.incident = n.id, .wall_ms = wall_ms, .text = "x"};
        text_copy(note.kind, sizeof(note.kind), kinds[i]);
        assert_int_equal(store_add_note(f->store, &note, &err), ERR_NONE);
    }
    if (closed)
        assert_int_equal(store_close_incident(f->store, n.id, wall_ms, "solved", &err), ERR_NONE);
    assert_int_equal(store_commit(f->store, &err), ERR_NONE);
    return n.id;
}

static void see_note(void *arg, const struct incident_note *note)
{
    text_addf(arg, "%s ", note->kind);
}

static void expect_notes(struct fixture *f, uint64_t incident, const char *kinds)
{
    struct text seen = {0};
    assert_int_equal(store_load_notes(f->store, incident, see_note, &seen, NULL), ERR_NONE);
    assert_string_equal(text_get(&seen), kinds);
    text_reset(&seen);
}

/* What was decided and done stays for good; and an open incident keeps what it is decided by. */
static void old_evidence_is_forgotten_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    uint64_t old = add_incident(f, WALL - 2 * DAY_MS, true);
    uint64_t open = add_incident(f, WALL - 2 * DAY_MS, false);
    uint64_t recent = add_incident(f, WALL - DAY_MS / 2, true);
    archive_note_event(f->archive, 2000);
    archive_on_time(f->archive, 3000, WALL);
    expect_notes(f, old, "seen evidence requests dump end ");
    archive_on_time(f->archive, archive_wake_ms(f->archive), WALL);
    expect_notes(f, old, "seen dump end ");
    expect_notes(f, open, "seen evidence requests dump end ");
    expect_notes(f, recent, "seen evidence requests dump end ");
}

/* A thousand rows at a time, and soon again. */
static void much_old_evidence_is_forgotten_by_and_by(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    for (int i = 0; i < 520; i++)
        add_incident(f, WALL - 2 * DAY_MS, true);
    uint64_t begun_ms = archive_wake_ms(f->archive);
    archive_on_time(f->archive, begun_ms, WALL);
    uint64_t again_ms = archive_wake_ms(f->archive);
    assert_true(again_ms - begun_ms <= 5000);
    expect_notes(f, 1, "seen dump end ");
    expect_notes(f, 520, "seen requests dump end "); /* a kind after the other */
    archive_on_time(f->archive, again_ms, WALL);
    expect_notes(f, 520, "seen dump end ");
}

static void see_sample(void *arg, const struct history_sample *sample)
{
    size_t *n = arg;
    char name[16];
    text_format(name, sizeof(name), "web%03zu", (*n)++);
    assert_string_equal(sample->server, name);
    assert_int_equal(sample->workers, 3);
}

static void samples_survive_the_growth_of_their_queue(void **state)
{
    struct fixture *f = *state;
    open_archive(f);
    for (int i = 0; i < 200; i++) {
        char name[16];
        text_format(name, sizeof(name), "web%03d", i);
        struct history_sample sample = {.wall_ms = WALL, .server = name, .workers = 3};
        archive_note_sample(f->archive, &sample, 2000);
    }
    archive_on_time(f->archive, 3000, WALL);
    archive_close(f->archive);
    f->archive = NULL;
    struct history *h = NULL;
    size_t n = 0;
    assert_int_equal(history_open(files_path(&f->files, "history.db"), &h, NULL), ERR_NONE);
    assert_int_equal(history_latest(h, see_sample, &n, NULL), ERR_NONE);
    assert_int_equal(n, 200);
    history_close(h);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(events_move_to_history_in_a_batch),
        CASE(events_are_found_while_they_wait),
        CASE(damaged_history_is_made_anew),
        CASE(history_that_cannot_be_opened_is_told_and_tried_again),
        CASE(numbers_go_on_above_the_history_of_a_restored_store),
        CASE(old_events_are_forgotten),
        CASE(old_evidence_is_forgotten_and_nothing_else),
        CASE(much_old_evidence_is_forgotten_by_and_by),
        CASE(samples_survive_the_growth_of_their_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
