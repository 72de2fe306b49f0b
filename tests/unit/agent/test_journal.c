/* test_journal.c - the journal over kills at every point, full disks, newer versions. */
#include "tests/unit/common/testing.h"

#include "agent/journal.h"
#include "common/db.h"
#include "common/os.h"
#include "common/text.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define WALL    INT64_C(1790000000000)
#define HOUR    (INT64_C(3600) * 1000)
#define VERSION 6 /* of its schema */

static struct journal *open_journal(const char *path)
{
    struct error err = {0};
    struct journal *j = NULL;
    assert_code(journal_open(path, NULL, &j, &err), ERR_NONE, &err);
    return j;
}

static struct fence fence_of(uint64_t number)
{
    struct fence fence = {.number = number};
    memset(fence.instance.bytes, (int)number, sizeof(fence.instance.bytes));
    return fence;
}

static struct record *record_of(enum verb verb, uint64_t seq)
{
    struct command command = {
        .id = {.fence = fence_of(5), .seq = seq},
        .verb = verb,
        .pool = "Shop \xc3\xa4",
        .probe = true,
        .limit_ms = 7,
        .run = UINT64_MAX, /* all 64 bits are kept */
        .actor = "ann",
        .reason = "it's \"slow\"",
    };
    return record_new(&command);
}

static void add_workers(struct record *record)
{
    const struct worker workers[] = {
        {.pool = record->pool,
         .pid = 100,
         .created = UINT64_MAX - 1,
         .cpu_ms = 3,
         .memory_bytes = 4},
        {.pool = record->pool, .pid = UINT32_MAX, .created = 1, .cpu_ms = 5, .memory_bytes = 6},
    };
    record_set_workers(record, &record->before, workers, 2);
    record_set_workers(record, &record->after, workers + 1, 1);
}

static enum error_code put(struct journal *j, enum journal_write_kind kind,
                           const struct record *record, struct error *err)
{
    const struct journal_write write = {
        .kind = kind, .fence = fence_of(5), .id = record->id, .record = record};
    return journal_write(j, &write, WALL, err);
}

static void must_put(struct journal *j, enum journal_write_kind kind, const struct record *record)
{
    struct error err = {0};
    assert_code(put(j, kind, record, &err), ERR_NONE, &err);
}

static void end_record(struct record *record)
{
    record->state = RECORD_ENDED;
    record->outcome = OUTCOME_DONE;
    record->baseline_gone = true;
    record->probed = true;
    record->probe_status = 200;
    record->probe_ms = 12;
    record->gap_ms = 34;
    record->elapsed_ms = 56;
    text_copy(record->detail, sizeof(record->detail), "recycled");
}

static struct agent_memory start(struct journal *j)
{
    struct error err = {0};
    struct agent_memory memory;
    assert_code(journal_start(j, WALL + 1000, (uint64_t)HOUR, &memory, &err), ERR_NONE, &err);
    return memory;
}

static struct record *find(struct journal *j, uint64_t number, uint64_t seq)
{
    struct error err = {0};
    struct record *record = NULL;
    const struct command_id id = {.fence = fence_of(number), .seq = seq};
    assert_code(journal_find(j, &id, &record, &err), ERR_NONE, &err);
    return record;
}

static void a_new_journal_knows_nothing_but_itself(void **state)
{
    struct journal *j = open_journal(in_dir(state, "new.db"));
    struct agent_memory memory = start(j);
    assert_false(wire_id_is_zero(&memory.incarnation));
    assert_int_equal(memory.start_no, 1);
    assert_int_equal(memory.fence.number, 0);
    assert_int_equal(memory.last.seq, 0);
    assert_int_equal(memory.open_count + memory.unacknowledged_count + memory.act_count, 0);
    journal_memory_reset(&memory);
    journal_close(j);
}

static void the_incarnation_stays_and_starts_are_counted(void **state)
{
    struct journal *j = open_journal(in_dir(state, "self.db"));
    struct agent_memory first = start(j);
    journal_close(j);
    j = open_journal(in_dir(state, "self.db"));
    struct agent_memory second = start(j);
    assert_true(wire_id_equal(&first.incarnation, &second.incarnation));
    assert_int_equal(second.start_no, 2);
    journal_close(j);
    j = open_journal(in_dir(state, "other.db"));
    struct agent_memory other = start(j);
    assert_false(wire_id_equal(&first.incarnation, &other.incarnation));
    journal_close(j);
}

static void a_record_comes_back_whole(void **state)
{
    struct journal *j = open_journal(in_dir(state, "whole.db"));
    struct record *record = record_of(VERB_RECYCLE, 3);
    must_put(j, JOURNAL_RECEIVED, record);
    add_workers(record);
    record->state = RECORD_BEGUN;
    must_put(j, JOURNAL_BEGUN, record);
    end_record(record);
    must_put(j, JOURNAL_ENDED, record);
    struct record *found = find(j, 5, 3);
    assert_non_null(found);
    assert_string_equal(found->pool, record->pool);
    assert_string_equal(found->reason, record->reason);
    assert_true(found->run == UINT64_MAX && found->limit_ms == 7 && found->probe);
    assert_int_equal(found->state, RECORD_ENDED);
    assert_int_equal(found->outcome, OUTCOME_DONE);
    assert_string_equal(found->detail, "recycled");
    assert_int_equal(found->before.count, 2);
    assert_true(found->before.items[0].created == UINT64_MAX - 1);
    assert_true(found->before.items[1].pid == UINT32_MAX);
    assert_ptr_equal(found->before.items[0].pool, found->pool);
    assert_int_equal(found->after.count, 1);
    assert_true(found->baseline_gone && found->probed && !found->orphaned);
    assert_int_equal(found->probe_status, 200);
    assert_int_equal(found->gap_ms, 34);
    assert_int_equal(found->elapsed_ms, 56);
    record_free(found);
    record_free(record);
    journal_close(j);
}

static void what_services_need_comes_back(void **state)
{
    struct error err = {0};
    const char *path = in_dir(state, "services.db");
    struct journal *j = open_journal(path);
    struct record *record = record_of(VERB_SERVICE_RESTART, 3);
    record->enable = record->force = true;
    record->worker_pid = UINT32_MAX;
    record->worker_created = UINT64_MAX;
    must_put(j, JOURNAL_RECEIVED, record);
    text_copy(record->services, sizeof(record->services), "WAS\nW3SVC");
    record->former = SVC_START_DEMAND;
    record->stops = true;
    must_put(j, JOURNAL_BEGUN, record);
    const struct journal_write write = {.kind = JOURNAL_HEALTHY, .healthy = "WAS\nW3SVC\nNet"};
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
    journal_close(j);
    j = open_journal(path);
    struct agent_memory memory = start(j);
    assert_string_equal(memory.healthy, "WAS\nW3SVC\nNet");
    assert_int_equal(memory.kept, SVC_START_UNKNOWN);
    struct record *found = find(j, 5, 3);
    assert_string_equal(found->services, "WAS\nW3SVC");
    assert_int_equal(found->former, SVC_START_DEMAND);
    assert_true(found->stops);
    assert_true(found->enable && found->force && found->worker_pid == UINT32_MAX);
    assert_true(found->worker_created == UINT64_MAX);
    record_free(found);
    record_free(record);
    journal_memory_reset(&memory);
    journal_close(j);
}

/* From the moment it is begun, since WAS may be disabled from then on. */
static void stop_that_stays_is_remembered_until_a_start(void **state)
{
    struct error err = {0};
    struct agent_memory memory;
    struct journal *j = open_journal(in_dir(state, "kept.db"));
    static const struct {
        enum verb verb;
        enum record_state state;
        enum outcome outcome;
        enum service_start kept;
    } acts[] = {
        {VERB_SERVICE_RESTART, RECORD_ENDED, OUTCOME_DONE, SVC_START_UNKNOWN},
        {VERB_SERVICE_STOP, RECORD_BEGUN, OUTCOME_NONE, SVC_START_DEMAND},
        {VERB_SERVICE_RECOVER, RECORD_ENDED, OUTCOME_REFUSED, SVC_START_DEMAND},
        {VERB_SERVICE_START, RECORD_ENDED, OUTCOME_FAILED, SVC_START_DEMAND},
        {VERB_SERVICE_START, RECORD_ENDED, OUTCOME_DONE, SVC_START_UNKNOWN},
        {VERB_SERVICE_STOP, RECORD_ENDED, OUTCOME_FAILED, SVC_START_DEMAND},
        {VERB_SERVICE_RECOVER, RECORD_ENDED, OUTCOME_DONE, SVC_START_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        struct record *record = record_of(acts[i].verb, 10 + i);
        record->former = SVC_START_DEMAND;
        must_put(j, JOURNAL_RECEIVED, record);
        record->state = RECORD_BEGUN;
        must_put(j, JOURNAL_BEGUN, record);
        record->state = acts[i].state;
        record->outcome = acts[i].outcome;
        if (acts[i].state == RECORD_ENDED)
            must_put(j, JOURNAL_ENDED, record);
        record_free(record);
        assert_code(journal_start(j, WALL, 1000, &memory, &err), ERR_NONE, &err);
        if (memory.kept != acts[i].kept)
            fail_msg("after act %zu: %s", i, service_start_name(memory.kept));
        if (memory.kept != SVC_START_UNKNOWN)
            assert_string_equal(memory.kept_by, "ann (it's \"slow\")");
        journal_memory_reset(&memory);
    }
    journal_close(j);
}

static void another_fence_is_another_command(void **state)
{
    struct journal *j = open_journal(in_dir(state, "fences.db"));
    struct record *record = record_of(VERB_STOP, 3);
    must_put(j, JOURNAL_RECEIVED, record);
    assert_null(find(j, 6, 3));
    assert_null(find(j, 5, 4));
    record_free(record);
    journal_close(j);
}

static void a_fence_starts_the_numbers_anew(void **state)
{
    struct error err = {0};
    struct journal *j = open_journal(in_dir(state, "last.db"));
    struct journal_write write = {.kind = JOURNAL_FENCE, .fence = fence_of(5)};
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
    write = (struct journal_write){.kind = JOURNAL_LAST, .id = {.fence = fence_of(5), .seq = 9}};
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
    write.id.seq = 4; /* never backwards */
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
    struct agent_memory memory = start(j);
    assert_int_equal(memory.last.seq, 9);
    write = (struct journal_write){.kind = JOURNAL_FENCE, .fence = fence_of(5)};
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
    memory = start(j);
    assert_int_equal(memory.last.seq, 9); /* the same one again */
    write.fence = fence_of(6);
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
    memory = start(j);
    assert_int_equal(memory.last.seq, 0);
    assert_int_equal(memory.last.fence.number, 6);
    journal_close(j);
}

static void what_is_open_or_unacknowledged_is_remembered(void **state)
{
    struct journal *j = open_journal(in_dir(state, "open.db"));
    struct record *records[4];
    for (size_t i = 0; i < 4; i++) {
        records[i] = record_of(VERB_RECYCLE, i + 1);
        must_put(j, JOURNAL_RECEIVED, records[i]);
    }
    records[1]->state = RECORD_BEGUN;
    add_workers(records[1]);
    must_put(j, JOURNAL_BEGUN, records[1]);
    end_record(records[2]);
    must_put(j, JOURNAL_ENDED, records[2]);
    end_record(records[3]);
    must_put(j, JOURNAL_ENDED, records[3]);
    must_put(j, JOURNAL_ACKNOWLEDGED, records[3]);
    struct agent_memory memory = start(j);
    assert_int_equal(memory.open_count, 2);
    assert_int_equal(memory.open[0]->state, RECORD_RECEIVED);
    assert_int_equal(memory.open[1]->state, RECORD_BEGUN);
    assert_int_equal(memory.open[1]->before.count, 2);
    assert_int_equal(memory.unacknowledged_count, 1);
    assert_int_equal(memory.unacknowledged[0]->id.seq, 3);
    assert_int_equal(memory.act_count, 1); /* only what was begun */
    assert_int_equal(memory.acts[0].age_ms, 1000);
    journal_memory_reset(&memory);
    for (size_t i = 0; i < 4; i++)
        record_free(records[i]);
    journal_close(j);
}

static void acts_of_long_ago_and_starts_do_not_count(void **state)
{
    struct error err = {0};
    struct journal *j = open_journal(in_dir(state, "acts.db"));
    struct record *start_one = record_of(VERB_START, 1);
    start_one->state = RECORD_BEGUN;
    must_put(j, JOURNAL_BEGUN, start_one);
    struct record *old = record_of(VERB_STOP, 2);
    old->state = RECORD_BEGUN;
    const struct journal_write write = {.kind = JOURNAL_BEGUN, .id = old->id, .record = old};
    assert_code(journal_write(j, &write, WALL - HOUR, &err), ERR_NONE, &err);
    struct agent_memory memory = start(j);
    assert_int_equal(memory.act_count, 0);
    journal_memory_reset(&memory);
    record_free(old);
    record_free(start_one);
    journal_close(j);
}

/* ---- kills ---- */

/* A life of one command in a process that kills itself after `writes` of them. */
static void live_and_die(const char *path, int writes)
{
    struct error err = {0};
    struct journal *j = open_journal(path);
    struct record *record = record_of(VERB_RECYCLE, 1);
    if (writes-- == 0)
        raise(SIGKILL);
    put(j, JOURNAL_RECEIVED, record, &err);
    if (writes-- == 0)
        raise(SIGKILL);
    record->state = RECORD_BEGUN;
    add_workers(record);
    put(j, JOURNAL_BEGUN, record, &err);
    if (writes-- == 0)
        raise(SIGKILL);
    end_record(record);
    put(j, JOURNAL_ENDED, record, &err);
    if (writes-- == 0)
        raise(SIGKILL);
    put(j, JOURNAL_ACKNOWLEDGED, record, &err);
    raise(SIGKILL);
}

static void killed_after_any_write_it_knows_that_write(void **state)
{
    for (int writes = 0; writes <= 4; writes++) {
        char name[16];
        snprintf(name, sizeof(name), "kill%d.db", writes);
        const char *path = in_dir(state, name);
        pid_t child = fork();
        if (child == 0)
            live_and_die(path, writes);
        waitpid(child, NULL, 0);
        struct journal *j = open_journal(path);
        struct record *found = find(j, 5, 1);
        if (writes == 0)
            assert_null(found);
        else
            assert_int_equal(found->state, writes == 1   ? RECORD_RECEIVED
                                           : writes == 2 ? RECORD_BEGUN
                                                         : RECORD_ENDED);
        if (found)
            assert_int_equal(found->acknowledged, writes == 4);
        if (writes >= 2)
            assert_int_equal(found->before.count, 2);
        record_free(found);
        journal_close(j);
    }
}

static void copy_file(const char *from, const char *to, size_t len)
{
    struct error err = {0};
    char *bytes;
    size_t all;
    assert_code(os_read_file(from, 16 << 20, &bytes, &all, &err), ERR_NONE, &err);
    if (len > all)
        len = all;
    assert_code(os_write_file(to, bytes, len, 0600, &err), ERR_NONE, &err);
    free(bytes);
}

/* The power fails while the log is being written: whatever part of it is there, the journal opens,
 * and holds the command as one of the writes left it. */
static void a_torn_log_leaves_one_of_the_writes(void **state)
{
    char db[512], wal[520], torn[512], torn_wal[520];
    snprintf(db, sizeof(db), "%s", in_dir(state, "torn-src.db"));
    snprintf(wal, sizeof(wal), "%s-wal", db);
    snprintf(torn, sizeof(torn), "%s", in_dir(state, "torn.db"));
    snprintf(torn_wal, sizeof(torn_wal), "%s-wal", torn);
    pid_t child = fork();
    if (child == 0)
        live_and_die(db, 4);
    waitpid(child, NULL, 0);
    struct os_file_id id;
    struct error err = {0};
    assert_code(os_file_id(wal, &id, &err), ERR_NONE, &err);
    assert_true(id.size_bytes > 10000);
    int seen[4] = {0};
    for (size_t len = 0; len <= id.size_bytes; len += 1500) {
        copy_file(db, torn, SIZE_MAX);
        copy_file(wal, torn_wal, len);
        struct journal *j = open_journal(torn);
        struct record *found = find(j, 5, 1);
        seen[found ? 1 + (int)found->state : 0]++;
        if (found && found->state != RECORD_RECEIVED)
            assert_int_equal(found->before.count, 2);
        record_free(found);
        journal_close(j);
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(seen[i] > 0);
}

/* ---- the disk ---- */

/* A limit on the size of files stands for a full disk; in a child of its own. */
static int fill_up(const char *path)
{
    struct error err = {0};
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    struct journal *j = open_journal(path);
    struct record *record = record_of(VERB_RECYCLE, 1);
    must_put(j, JOURNAL_RECEIVED, record);
    small = old;
    small.rlim_cur = 1;
    setrlimit(RLIMIT_FSIZE, &small);
    record->state = RECORD_BEGUN;
    if (put(j, JOURNAL_BEGUN, record, &err) == ERR_NONE || !strstr(err.text, "disk"))
        return 1;
    setrlimit(RLIMIT_FSIZE, &old);
    struct record *found = find(j, 5, 1);
    if (!found || found->state != RECORD_RECEIVED)
        return 2;
    if (put(j, JOURNAL_BEGUN, record, &err) != ERR_NONE)
        return 3;
    return 0;
}

static void a_full_disk_is_told_and_overcome(void **state)
{
    int status = 0;
    const char *path = in_dir(state, "full.db");
    pid_t child = fork();
    if (child == 0)
        _exit(fill_up(path));
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    struct journal *j = open_journal(path);
    struct record *found = find(j, 5, 1);
    assert_int_equal(found->state, RECORD_BEGUN);
    record_free(found);
    journal_close(j);
}

static void a_newer_journal_is_refused(void **state)
{
    static const char *const newer[] = {
        "CREATE TABLE a (b)", "CREATE TABLE c (d)", "CREATE TABLE e (f)", "CREATE TABLE g (h)",
        "CREATE TABLE i (j)", "CREATE TABLE k (l)", "CREATE TABLE m (n)"};
    const struct db_spec spec = {.path = in_dir(state, "newer.db"),
                                 .any_tables = true,
                                 .migrations = newer,
                                 .migration_count = VERSION + 1};
    struct error err = {0};
    struct db *db = NULL;
    struct journal *j = NULL;
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    db_close(db);
    assert_code(journal_open(spec.path, NULL, &j, &err), ERR_NEWER, &err);
    assert_null(j);
}

static void a_damaged_journal_is_refused(void **state)
{
    struct error err = {0};
    struct journal *j = NULL;
    const char *path = in_dir(state, "damaged.db");
    assert_code(
        os_write_file(path, "this is no database at all, but it is long enough", 49, 0600, &err),
        ERR_NONE, &err);
    assert_code(journal_open(path, NULL, &j, &err), ERR_CORRUPT, &err);
}

static void a_journal_without_itself_is_refused(void **state)
{
    static const char *const drop[] = {"DELETE FROM self"};
    static const char *const one[VERSION] = {"", "", "", "", "", ""};
    const char *path = in_dir(state, "selfless.db");
    journal_close(open_journal(path));
    const struct db_spec spec = {.path = path,
                                 .any_tables = true,
                                 .migrations = one,
                                 .migration_count = VERSION,
                                 .statements = drop,
                                 .statement_count = 1};
    struct error err = {0};
    struct db *db = NULL;
    struct journal *j = open_journal(path);
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_code(db_run(db, 0, &err), ERR_NONE, &err);
    db_close(db);
    struct agent_memory memory;
    assert_code(journal_start(j, WALL, (uint64_t)HOUR, &memory, &err), ERR_CORRUPT, &err);
    journal_close(j);
}

/* As many newer commands as it takes for old proofs to go, in one statement. */
static void add_many(const char *path)
{
    static const char *const one[VERSION] = {"", "", "", "", "", ""};
    static const char *const many[] = {
        "WITH RECURSIVE n (i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 1002)"
        " INSERT INTO command SELECT i, 5, zeroblob(16), i, 1, 'Shop', 0, 0, 0, 0, 0, '', '', 2, 0,"
        " NULL, NULL, 1, 1, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, '', '', '', 0 FROM n"};
    const struct db_spec spec = {.path = path,
                                 .any_tables = true,
                                 .migrations = one,
                                 .migration_count = VERSION,
                                 .statements = many,
                                 .statement_count = 1};
    struct error err = {0};
    struct db *db = NULL;
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_code(db_run(db, 0, &err), ERR_NONE, &err);
    db_close(db);
}

static void ids_stay_when_old_proofs_go(void **state)
{
    _Static_assert(JOURNAL_PROOFS == 1000, "add_many() adds two more than that");
    struct journal *j = open_journal(in_dir(state, "prune.db"));
    for (uint64_t seq = 1; seq <= 3; seq++) {
        struct record *record = record_of(VERB_RECYCLE, seq);
        add_workers(record);
        end_record(record);
        record->acknowledged = seq != 2;
        must_put(j, JOURNAL_ENDED, record);
        record_free(record);
    }
    add_many(in_dir(state, "prune.db"));
    struct agent_memory memory = start(j);
    journal_memory_reset(&memory);
    struct record *first = find(j, 5, 1), *second = find(j, 5, 2), *third = find(j, 5, 3);
    assert_int_equal(first->before.count, 0);
    assert_int_equal(first->outcome, OUTCOME_DONE);
    assert_int_equal(second->before.count, 2); /* not acknowledged: kept whole */
    assert_int_equal(third->before.count, 2);
    record_free(first);
    record_free(second);
    record_free(third);
    journal_close(j);
}

/* ---- the audit trail ---- */

struct trail {
    const char *path;
    struct audit_look look;
    const char *bad;
    uint64_t bad_id;
    char told[2048]; /* decisions, with verbs */
};

static void look_at(void *arg, const struct audit_line *line)
{
    struct trail *t = arg;
    char before[sizeof(t->told)];
    text_copy(before, sizeof(before), t->told);
    text_format(t->told, sizeof(t->told), "%s%s %s %s;", before, line->decision, line->verb,
                line->actor);
    if (t->bad)
        return;
    t->bad = audit_look_add(&t->look, line);
    t->bad_id = line->id;
}

/* NULL: whole. */
static const char *verify(struct trail *t)
{
    struct error err = {0};
    struct journal *j = NULL;
    struct audit_anchor anchor;
    uint64_t last = 0;
    assert_code(journal_open_to_read(t->path, &j, &err), ERR_NONE, &err);
    assert_code(journal_audit_ends(j, &anchor, &last, &err), ERR_NONE, &err);
    audit_look_begin(&t->look, &anchor);
    t->bad = NULL;
    t->told[0] = '\0';
    assert_code(journal_audit_rows(j, anchor.id, look_at, t, &err), ERR_NONE, &err);
    journal_close(j);
    return t->bad ? t->bad : audit_look_end(&t->look, last);
}

/* As somebody who has the rights to the file: triggers are no obstacle. */
static void tamper(const char *path, const char *sql)
{
    static const char *const one[VERSION] = {"", "", "", "", "", ""};
    const char *const statements[] = {"DROP TRIGGER IF EXISTS audit_stays",
                                      "DROP TRIGGER IF EXISTS audit_is_kept"};
    struct error err = {0};
    for (size_t i = 0; i < 3; i++) {
        const char *statement = i < 2 ? statements[i] : sql;
        const struct db_spec spec = {.path = path,
                                     .any_tables = true,
                                     .migrations = one,
                                     .migration_count = VERSION,
                                     .statements = &statement,
                                     .statement_count = 1};
        struct db *db = NULL;
        assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
        assert_code(db_run(db, 0, &err), ERR_NONE, &err);
        db_close(db);
    }
}

static void put_fence(struct journal *j, uint64_t number)
{
    struct error err = {0};
    const struct journal_write write = {.kind = JOURNAL_FENCE, .fence = fence_of(number)};
    assert_code(journal_write(j, &write, WALL, &err), ERR_NONE, &err);
}

/* A fence, an act that is done, one that is refused, and a coordinator that lies. */
static struct trail some_trail(void **state, const char *name)
{
    struct trail t = {.path = in_dir(state, name)};
    struct journal *j = open_journal(t.path);
    put_fence(j, 5);
    struct record *record = record_of(VERB_RECYCLE, 1);
    must_put(j, JOURNAL_RECEIVED, record);
    record->state = RECORD_BEGUN;
    must_put(j, JOURNAL_BEGUN, record);
    end_record(record);
    must_put(j, JOURNAL_ENDED, record);
    must_put(j, JOURNAL_ACKNOWLEDGED, record);
    record_free(record);
    record = record_of(VERB_STOP, 2);
    record->state = RECORD_ENDED;
    record->outcome = OUTCOME_REFUSED;
    record->cause = CAUSE_DENIED_BY_AGENT;
    must_put(j, JOURNAL_ENDED, record);
    record->cause = CAUSE_FENCE;
    must_put(j, JOURNAL_NOTED, record);
    record_free(record);
    journal_close(j);
    return t;
}

static void each_decision_leaves_a_row_in_the_audit_trail(void **state)
{
    struct trail t = some_trail(state, "audit.db");
    assert_null(verify(&t));
    assert_string_equal(t.told, "obeys  ;begun recycle ann;done recycle ann;refused stop ann;"
                                "refused stop ann;");
    assert_int_equal(t.look.count, 5);
    struct journal *j = open_journal(t.path);
    put_fence(j, 6);
    assert_null(verify(&t)); /* beside who writes */
    assert_int_equal(t.look.count, 6);
    journal_close(j);
}

/* A write that does not hold leaves no row either. */
static void a_row_goes_with_its_decision(void **state)
{
    struct error err = {0};
    struct trail t = some_trail(state, "whole.audit.db");
    struct journal *j = open_journal(t.path);
    tamper(t.path,
           "CREATE TRIGGER no BEFORE INSERT ON command BEGIN SELECT RAISE(ABORT, 'no'); END");
    struct record *record = record_of(VERB_START, 7);
    end_record(record);
    assert_int_not_equal(put(j, JOURNAL_ENDED, record, &err), ERR_NONE);
    record_free(record);
    journal_close(j);
    assert_null(verify(&t));
    assert_int_equal(t.look.count, 5);
}

/* Nor does an agent start on a file that would undo what it writes. */
static void a_journal_with_a_trigger_of_somebody_else_is_refused(void **state)
{
    struct error err = {0};
    struct journal *j = NULL;
    struct trail t = some_trail(state, "trigger.db");
    tamper(t.path, "CREATE TRIGGER forget AFTER INSERT ON command BEGIN DELETE FROM command; END");
    assert_code(journal_open(t.path, NULL, &j, &err), ERR_CORRUPT, &err);
    assert_non_null(strstr(err.text, "somebody has changed them"));
    assert_null(verify(&t)); /* what was done can still be read */
}

static void a_trail_that_was_touched_is_found(void **state)
{
    static const struct {
        const char *sql;
        uint64_t id; /* 0: at the end */
    } touches[] = {
        {"UPDATE audit SET actor = 'bob' WHERE id = 3", 3},
        {"UPDATE audit SET decision = 'done' WHERE id = 4", 4},
        {"UPDATE audit SET detail = '' WHERE id = 5", 5},
        {"UPDATE audit SET reason = actor, actor = reason WHERE id = 2", 2},
        {"UPDATE audit SET at_ms = at_ms + 1 WHERE id = 1", 1},
        {"UPDATE audit SET fence = 6 WHERE id = 1", 1},
        {"UPDATE audit SET run = 1 WHERE id = 2", 2},
        {"DELETE FROM audit WHERE id = 3", 4},
        {"DELETE FROM audit WHERE id = 1", 2},
        {"DELETE FROM audit WHERE id >= 4", 0},
        {"DELETE FROM audit", 0},
        {"INSERT INTO audit SELECT 6, at_ms, fence, instance, seq, run, verb, pool, actor, reason,"
         " decision, detail, hash FROM audit WHERE id = 5",
         6},
        {"UPDATE audit SET id = CASE id WHEN 3 THEN -4 ELSE -3 END WHERE id IN (3, 4)", 0},
        /* The first ones taken out, and the anchor moved as a pruning would. */
        {"UPDATE audit_anchor SET (id, hash) = (SELECT id, hash FROM audit WHERE id = 3)", 0},
    };
    for (size_t i = 0; i < sizeof(touches) / sizeof(touches[0]); i++) {
        char name[32];
        text_format(name, sizeof(name), "touched%zu.db", i);
        struct trail t = some_trail(state, name);
        tamper(t.path, touches[i].sql);
        if (!verify(&t))
            fail_msg("not found: %s", touches[i].sql);
        if (touches[i].id != 0 && t.bad_id != touches[i].id)
            fail_msg("row %d: %s", (int)t.bad_id, touches[i].sql);
    }
}

static void a_trail_is_only_added_to(void **state)
{
    static const char *const one[VERSION] = {"", "", "", "", "", ""};
    static const char *const attempts[] = {"UPDATE audit SET actor = 'x'", "DELETE FROM audit"};
    struct trail t = some_trail(state, "added.db");
    for (size_t i = 0; i < 2; i++) {
        const struct db_spec spec = {.path = t.path,
                                     .any_tables = true,
                                     .migrations = one,
                                     .migration_count = VERSION,
                                     .statements = &attempts[i],
                                     .statement_count = 1};
        struct error err = {0};
        struct db *db = NULL;
        assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
        assert_int_not_equal(db_run(db, 0, &err), ERR_NONE);
        assert_non_null(strstr(err.text, "only added to"));
        db_close(db);
    }
}

/* 10,000 rows and more, put there with their hashes as the journal makes them; the last by itself.
 */
static void fill_audit(const char *path, uint64_t count)
{
    static const char *const one[VERSION] = {"", "", "", "", "", ""};
    static const char *const insert[] = {
        "INSERT INTO audit VALUES (?1, 1, 5, '00000000000000000000000000000000', ?1, 0, 'recycle',"
        " 'Shop', 'ann', '', 'begun', '', ?2)"};
    const struct db_spec spec = {.path = path,
                                 .any_tables = true,
                                 .migrations = one,
                                 .migration_count = VERSION,
                                 .statements = insert,
                                 .statement_count = 1};
    struct error err = {0};
    struct db *db = NULL;
    struct audit_line line = {.wall_ms = 1,
                              .fence = 5,
                              .instance = "00000000000000000000000000000000",
                              .verb = "recycle",
                              .pool = "Shop",
                              .actor = "ann",
                              .reason = "",
                              .decision = "begun",
                              .detail = ""};
    char hash[SHA256_HEX];
    memset(hash, '0', sizeof(hash) - 1);
    hash[sizeof(hash) - 1] = '\0';
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    assert_code(db_begin(db, &err), ERR_NONE, &err);
    for (line.id = 1; line.id <= count; line.id++) {
        line.seq = line.id;
        audit_line_hash(hash, &line, hash);
        db_bind_uint(db, 0, 1, line.id);
        db_bind_text(db, 0, 2, hash);
        assert_code(db_run(db, 0, &err), ERR_NONE, &err);
    }
    assert_code(db_commit(db, &err), ERR_NONE, &err);
    db_close(db);
}

static void an_old_trail_is_pruned_and_still_held_at_both_ends(void **state)
{
    struct trail t = {.path = in_dir(state, "pruned.db")};
    const uint64_t most = AUDIT_ROWS_KEPT + AUDIT_ROWS_SLACK;
    journal_close(open_journal(t.path));
    fill_audit(t.path, most - 1);
    assert_null(verify(&t));
    assert_int_equal(t.look.count, most - 1);
    struct journal *j = open_journal(t.path);
    put_fence(j, 6);
    put_fence(j, 7);
    journal_close(j);
    assert_null(verify(&t));
    assert_int_equal(t.look.count, AUDIT_ROWS_KEPT + 1);
    assert_int_equal(t.look.anchor.id, AUDIT_ROWS_SLACK);
    assert_int_equal(t.look.id, most + 1);
    /* What is not the anchor's may not go; nor may the anchor be another. */
    tamper(t.path, "UPDATE audit_anchor SET hash = (SELECT hash FROM audit WHERE id = 600)");
    assert_non_null(verify(&t));
    assert_int_equal(t.bad_id, AUDIT_ROWS_SLACK + 1);
    tamper(t.path,
           "UPDATE audit_anchor SET (id, hash) = (SELECT id, hash FROM audit WHERE id = 600)");
    tamper(t.path, "DELETE FROM audit WHERE id <= 600");
    assert_non_null(verify(&t));
    assert_null(t.bad); /* the chain itself is whole: too few are left */
}

static void a_journal_is_read_only_where_it_is(void **state)
{
    struct error err = {0};
    struct journal *j = NULL;
    const char *path = in_dir(state, "nowhere.db");
    struct os_file_id id;
    assert_code(journal_open_to_read(path, &j, &err), ERR_NOT_FOUND, &err);
    assert_int_equal(os_file_id(path, &id, &err), ERR_NONE);
    assert_int_equal(id.modified_ns, 0); /* nor was it made */
    static const char *const older[] = {"CREATE TABLE a (b)"};
    const struct db_spec spec = {
        .path = in_dir(state, "older.db"), .migrations = older, .migration_count = 1};
    struct db *db = NULL;
    assert_code(db_open(&spec, &db, &err), ERR_NONE, &err);
    db_close(db);
    assert_code(journal_open_to_read(spec.path, &j, &err), ERR_STATE, &err);
    assert_non_null(strstr(err.text, "older version"));
    path = in_dir(state, "read.db");
    journal_close(open_journal(path));
    assert_code(journal_open_to_read(path, &j, &err), ERR_NONE, &err);
    struct record *record = record_of(VERB_START, 7);
    assert_int_not_equal(put(j, JOURNAL_RECEIVED, record, &err), ERR_NONE);
    record_free(record);
    journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_journal_knows_nothing_but_itself),
        cmocka_unit_test(the_incarnation_stays_and_starts_are_counted),
        cmocka_unit_test(a_record_comes_back_whole),
        cmocka_unit_test(what_services_need_comes_back),
        cmocka_unit_test(stop_that_stays_is_remembered_until_a_start),
        cmocka_unit_test(another_fence_is_another_command),
        cmocka_unit_test(a_fence_starts_the_numbers_anew),
        cmocka_unit_test(what_is_open_or_unacknowledged_is_remembered),
        cmocka_unit_test(acts_of_long_ago_and_starts_do_not_count),
        cmocka_unit_test(killed_after_any_write_it_knows_that_write),
        cmocka_unit_test(a_torn_log_leaves_one_of_the_writes),
        cmocka_unit_test(a_full_disk_is_told_and_overcome),
        cmocka_unit_test(a_newer_journal_is_refused),
        cmocka_unit_test(a_damaged_journal_is_refused),
        cmocka_unit_test(a_journal_without_itself_is_refused),
        cmocka_unit_test(ids_stay_when_old_proofs_go),
        cmocka_unit_test(each_decision_leaves_a_row_in_the_audit_trail),
        cmocka_unit_test(a_row_goes_with_its_decision),
        cmocka_unit_test(a_journal_with_a_trigger_of_somebody_else_is_refused),
        cmocka_unit_test(a_trail_that_was_touched_is_found),
        cmocka_unit_test(a_trail_is_only_added_to),
        cmocka_unit_test(an_old_trail_is_pruned_and_still_held_at_both_ends),
        cmocka_unit_test(a_journal_is_read_only_where_it_is),
    };
    return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
