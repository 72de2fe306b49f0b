/* main.c - the simulator's command line.
 *
 *   sim --seed N [--trace] [--servers K] [--profile NAME]
 *   sim --seeds A-B ...      many histories, one line at the end; stops at the first violation
 *   sim --exhaustive WHO     a farm of two; WHO (centre, node, or journal: a node and its disk)
 * dies once, at each of its steps
 *
 * Ends with 0: nothing was violated, 1: something was (its seed is printed), 2: wrong usage.
 */
#include "agent/journal.h"
#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "tests/sim/vfs.h"
#include "tests/sim/world.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    uint32_t faults;
} profiles[] = {
    {"calm", 0},
    {"net", FAULT_NET},
    {"crash", FAULT_CRASH},
    {"disk", FAULT_DISK},
    {"iis", FAULT_IIS},
    {"balancer", FAULT_BALANCER},
    {"people", FAULT_PEOPLE},
    {"sleep", FAULT_SLEEP},
    {"journal", FAULT_JOURNAL},
    {"restore", FAULT_RESTORE},
    {"twins", FAULT_TWINS},
    {"all", (1u << FAULT_BITS) - 1},
};
#define PROFILES (sizeof(profiles) / sizeof(profiles[0]))

struct command_line {
    uint64_t first, last;
    size_t servers;      /* 0: from the seed */
    const char *profile; /* NULL: from the seed */
    const char *exhaustive;
    uint64_t step; /* with exhaustive: that one alone */
    bool trace;
};

static int usage(const char *why)
{
    fprintf(stderr, "sim: %s\n", why);
    fprintf(stderr,
            "usage: sim --seed N | --seeds A-B | --exhaustive centre|node|journal [--step N]\n"
            "           [--trace] [--servers K] [--profile NAME]\nprofiles:");
    for (size_t i = 0; i < PROFILES; i++)
        fprintf(stderr, " %s", profiles[i].name);
    fprintf(stderr, "\n");
    return 2;
}

/* ---- what a seed stands for ---- */

static bool profile_find(const char *name, uint32_t *out)
{
    for (size_t i = 0; i < PROFILES; i++)
        if (text_equal(profiles[i].name, name)) {
            *out = profiles[i].faults;
            return true;
        }
    return false;
}

static struct world_options options_of(const struct command_line *line, uint64_t seed)
{
    struct rng rng = rng_of(seed, 9);
    struct world_options o = {.seed = seed,
                              .servers =
                                  line->servers ? line->servers : (size_t)rng_between(&rng, 2, 5),
                              .faults = (uint32_t)rng_between(&rng, 1, (1u << FAULT_BITS) - 1),
                              .trace = line->trace};
    if (line->profile)
        profile_find(line->profile, &o.faults);
    return o;
}

/* ---- files to begin with ---- */

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, VFS_NAME) == SQLITE_OK);
    must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    must(sqlite3_close(db) == SQLITE_OK);
}

/* A migrated journal and store, made once: each history begins with copies. */
static void make_templates(void)
{
    struct journal *journal;
    struct error err = {0};
    vfs_register();
    vfs_reset(1);
    must(journal_open("agent/journal.db", VFS_NAME, &journal, &err) == ERR_NONE);
    journal_close(journal);
    run_sql("agent/journal.db", "DELETE FROM self"); /* each is to have an incarnation of its own */
    vfs_keep("agent/journal.db");
    centre_make_template("centre/state.db");
    vfs_keep("centre/state.db");
}

/* ---- playing ---- */

static int fail(const struct world_options *o, const struct world_result *r)
{
    printf("seed %" PRIu64 ", %zu servers, faults %#x", o->seed, o->servers, o->faults);
    if (o->crash_actor != ACTOR_NONE)
        printf(", %s dies at step %" PRIu64, o->crash_actor == ACTOR_NODE ? "node" : "centre",
               o->crash_at);
    printf(": %s\n", r->violation);
    return 1;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int play_one(const struct command_line *line)
{
    struct world_options o = options_of(line, line->first);
    struct world_result r;
    world_play(&o, &r);
    printf("seed %" PRIu64 ": %zu servers, faults %#x, %" PRIu64 " runs, %" PRIu64 " acts, %" PRIu64
           " crashes, %" PRIu64 " events, %" PRIu64 " s, transcript %016" PRIx64 "\n",
           o.seed, o.servers, o.faults, r.runs, r.acts, r.crashes, r.events, r.ended_ms / 1000,
           r.hash);
    return r.ok ? 0 : fail(&o, &r);
}

static int play_many(const struct command_line *line)
{
    uint64_t events = 0, acts = 0, crashes = 0, runs = 0;
    double begun = seconds();
    for (uint64_t seed = line->first; seed <= line->last; seed++) {
        struct world_options o = options_of(line, seed);
        struct world_result r;
        world_play(&o, &r);
        if (!r.ok)
            return fail(&o, &r);
        events += r.events;
        acts += r.acts;
        crashes += r.crashes;
        runs += r.runs;
    }
    uint64_t count = line->last - line->first + 1;
    double took = seconds() - begun;
    printf("%" PRIu64 " seeds: %" PRIu64 " runs, %" PRIu64 " acts, %" PRIu64 " crashes, %" PRIu64
           " events; %.1f s, %.0f seeds per second\n",
           count, runs, acts, crashes, events, took, (double)count / took);
    return 0;
}

static int play_exhaustive(const struct command_line *line)
{
    bool node = !text_equal(line->exhaustive, "centre");
    struct world_options o = {.seed = line->first,
                              .servers = line->servers ? line->servers : 2,
                              .trace = line->trace,
                              .crash_actor = node ? ACTOR_NODE : ACTOR_CENTRE,
                              .lose_journal = text_equal(line->exhaustive, "journal")};
    struct world_result r;
    double begun = seconds();
    world_play(&o, &r);
    if (!r.ok)
        return fail(&o, &r);
    uint64_t steps = node ? r.steps_node : r.steps_centre;
    uint64_t at = line->step ? line->step : 1, last = line->step ? line->step : steps;
    for (; at <= last; at++) {
        o.crash_at = at;
        world_play(&o, &r);
        if (!r.ok)
            return fail(&o, &r);
    }
    printf("%s died at each of %" PRIu64 " steps; %.1f s\n", line->exhaustive, steps,
           seconds() - begun);
    return 0;
}

/* ---- the command line ---- */

static bool parse_seeds(const char *text, struct command_line *line)
{
    char first[32];
    const char *dash = strchr(text, '-');
    if (!dash || (size_t)(dash - text) >= sizeof(first))
        return false;
    memcpy(first, text, (size_t)(dash - text));
    first[dash - text] = '\0';
    return text_parse_u64(first, 0, UINT64_MAX, &line->first) &&
           text_parse_u64(dash + 1, line->first, UINT64_MAX, &line->last);
}

static const char *take_option(const char *name, const char *value, struct command_line *line)
{
    uint64_t number;
    uint32_t faults;
    if (text_equal(name, "--seed") && text_parse_u64(value, 0, UINT64_MAX, &line->first)) {
        line->last = line->first;
        return NULL;
    }
    if (text_equal(name, "--seeds") && parse_seeds(value, line))
        return NULL;
    if (text_equal(name, "--step") && text_parse_u64(value, 1, UINT64_MAX, &line->step))
        return NULL;
    if (text_equal(name, "--servers") && text_parse_u64(value, 1, SERVERS_MAX, &number)) {
        line->servers = (size_t)number;
        return NULL;
    }
    if (text_equal(name, "--profile") && profile_find(value, &faults)) {
        line->profile = value;
        return NULL;
    }
    if (text_equal(name, "--exhaustive") &&
        (text_equal(value, "centre") || text_equal(value, "node") ||
         text_equal(value, "journal"))) {
        line->exhaustive = value;
        return NULL;
    }
    return "no such option, or not such a value";
}

int main(int argc, char **argv)
{
    struct command_line line = {.first = 1, .last = 1};
    for (int i = 1; i < argc; i++) {
        if (text_equal(argv[i], "--trace")) {
            line.trace = true;
            continue;
        }
        const char *why =
            i + 1 < argc ? take_option(argv[i], argv[i + 1], &line) : "an option lacks its value";
        if (why)
            return usage(why);
        i++;
    }
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    make_templates();
    int code = line.exhaustive          ? play_exhaustive(&line)
               : line.last > line.first ? play_many(&line)
                                        : play_one(&line);
    vfs_end();
    return code;
}
