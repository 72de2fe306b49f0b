/* main.c - the simulator's command line: see help_text. */
#include "agent/journal.h"
#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "tests/sim/campaign.h"
#include "tests/sim/play.h"
#include "tests/sim/reduce.h"
#include "tests/sim/vfs.h"
#include "tests/sim/visitors.h"
#include "tests/sim/world.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    {"others", FAULT_OTHERS},
    {"all", (1u << FAULT_KINDS) - 1},
};
#define PROFILES (sizeof(profiles) / sizeof(profiles[0]))

struct command_line {
    uint64_t first, last;
    struct world_options wish; /* servers 0, faults 0: from the seed */
    bool has_faults;
    const char *exhaustive; /* centre, node, journal */
    uint64_t step;          /* with exhaustive: that one alone */
    bool all_scripts;
    const char *campaign; /* its file */
    uint64_t seconds;
    unsigned jobs;
    bool reduce, collect, compare;
    bool lessons; /* all, by turns */
};

static const char help_text[] =
    "usage: sim --seed N [--trace]        one history; with --trace as a transcript\n"
    "       sim --seeds A-B               many; ends at the first violation, the lowest seed\n"
    "       sim --reduce --seed N         makes a history that fails small, prints its arguments\n"
    "       sim --script NAME [--trace]   one small history in which one thing happens; see below\n"
    "       sim --exhaustive WHO          WHO dies once, at each of its steps: centre, node (the\n"
    "                                     first server's agent) or journal (node, and its disk);\n"
    "                                     of a plain recycle, with --profile others beside other "
    "tools;\n"
    "                                     or of --script NAME, or of --script all\n"
    "       sim --campaign FILE --seeds A-B   millions: collects violations, keeps what it "
    "reached\n"
    "                                     in FILE and goes on from there the next time\n"
    "\n"
    "  --servers K         2 to 16; otherwise the seed chooses 2 to 5 (exhaustive: 2)\n"
    "  --profile NAME      which kinds of faults; otherwise the seed mixes its own\n"
    "  --faults MASK       the same in numbers, as a violation prints it\n"
    "  --without N,N...    those faults do not strike (numbers as in the transcript)\n"
    "  --lesson NAME       what another tool does badly, see lessons.c; all: by turns, as the seed "
    "says\n"
    "  --runs N            people ask for N runs at most\n"
    "  --apart             two pools, each with a backend of its own\n"
    "  --remedy            rules of remediation are in auto, servers break in more ways\n"
    "  --warm              people ask for settings that keep pools warm, and for the former ones\n"
    "  --services          services of servers break, people ask for recoveries and restarts of "
    "them\n"
    "  --compare           with --seeds: each an hour of troubles of single servers, with rules "
    "that "
    "look\n"
    "                      and with rules that act: what visitors lose\n"
    "  --nobody-meddles    people neither pause nor abort nor settle while things break\n"
    "  --step N            with --exhaustive: that step alone\n"
    "  --jobs N            processes; as many as there are processors\n"
    "  --collect           with --seeds: go on after a violation, print all\n"
    "  --for SECONDS       with --campaign: ends after so long\n"
    "  --help\n"
    "\n"
    "Exit code: 0 nothing was violated, 1 something was (its seed is printed), 2 wrong usage.\n"
    "Profiles:";

static int help(void)
{
    printf("%s", help_text);
    for (size_t i = 0; i < PROFILES; i++)
        printf(" %s", profiles[i].name);
    printf("\nScripts:\n");
    for (size_t i = 0; script_at(i); i++)
        printf("  %-10s %s\n", script_name(script_at(i)), script_about(script_at(i)));
    return 0;
}

static int usage(const char *word, const char *why)
{
    fprintf(stderr, "sim: %s: %s; see sim --help\n", word, why);
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

static void options_of(const void *arg, uint64_t seed, struct world_options *out)
{
    const struct command_line *line = arg;
    struct rng rng = rng_of(seed, 9);
    size_t servers = (size_t)rng_between(&rng, 2, 5);
    uint32_t faults = (uint32_t)rng_between(&rng, 1, (1u << FAULT_BITS) - 1);
    faults |= rng_chance(&rng, 400) ? FAULT_OTHERS : 0;
    *out = line->wish;
    if (line->lessons)
        out->lesson = lesson_at(seed % LESSONS_COUNT);
    if (out->lesson) {
        out->seed = seed;
        out->servers = lesson_servers(out->lesson);
        out->faults = 0;
        return;
    }
    out->seed = seed;
    out->servers = line->wish.servers ? line->wish.servers : servers;
    out->faults = line->has_faults ? line->wish.faults : faults;
}

/* A farm without other trouble, but for other tools where asked. */
static void options_of_plain(const struct command_line *line, struct world_options *out)
{
    *out = line->wish;
    out->seed = line->first;
    out->servers = line->wish.servers ? line->wish.servers : 2;
    out->faults = line->has_faults ? line->wish.faults & FAULT_OTHERS : 0;
}

/* The number is the step. 0: nobody dies, steps are counted. */
static void options_of_step(const void *arg, uint64_t step, struct world_options *out)
{
    const struct command_line *line = arg;
    options_of_plain(line, out);
    out->crash_actor = text_equal(line->exhaustive, "centre") ? ACTOR_CENTRE : ACTOR_NODE;
    out->lose_journal = text_equal(line->exhaustive, "journal");
    out->crash_at = step;
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
    centre_start_store("centre/state.db");
    vfs_keep("centre/state.db");
}

/* ---- playing ---- */

static int fail(const struct world_options *o, const char *violation)
{
    if (o->lesson)
        printf("%s, ", lesson_name(o->lesson));
    printf("seed %" PRIu64 ", %zu servers, faults %#x", o->seed, o->servers, (unsigned)o->faults);
    if (o->script)
        printf(", script %s", script_name(o->script));
    if (o->crash_actor != ACTOR_NONE)
        printf(", %s dies at step %" PRIu64, o->crash_actor == ACTOR_NODE ? "node" : "centre",
               o->crash_at);
    printf(": %s\n", violation);
    return 1;
}

static double seconds(void)
{
    return (double)play_clock_ms() / 1000;
}

static int play_one(const struct command_line *line)
{
    struct world_options o;
    struct world_result r;
    if (line->wish.script)
        options_of_plain(line, &o);
    else
        options_of(line, line->first, &o);
    world_play(&o, &r);
    printf("seed %" PRIu64 ": %zu servers, faults %#x, %" PRIu64 " runs, %" PRIu64 " acts, %" PRIu64
           " crashes, %" PRIu64 " events, %" PRIu64 " s, transcript %016" PRIx64 "\n",
           o.seed, o.servers, (unsigned)o.faults, r.runs, r.acts, r.crashes, r.events,
           r.ended_ms / 1000, r.hash);
    return r.ok ? 0 : fail(&o, r.violation);
}

static int tell_failures(const struct play *p)
{
    for (size_t i = 0; i < p->failure_count && i < PLAY_FAILURES_MAX; i++) {
        struct world_options o;
        p->options(p->arg, p->failures[i].number, &o);
        fail(&o, p->failures[i].text);
        if (!p->collect)
            break;
    }
    return p->failure_count > 0;
}

static int play_many(const struct command_line *line)
{
    struct play p = {.options = options_of,
                     .arg = line,
                     .first = line->first,
                     .last = line->last,
                     .jobs = line->jobs,
                     .collect = line->collect};
    char strikes[300], deeds[300];
    double begun = seconds();
    play_all(&p);
    double took = seconds() - begun;
    printf("%" PRIu64 " seeds: %" PRIu64 " runs, %" PRIu64 " acts, %" PRIu64 " crashes, %" PRIu64
           " events; faults: %s; others: %s; %.1f s, %.0f seeds per second\n",
           p.figures.histories, p.figures.runs, p.figures.acts, p.figures.crashes, p.figures.events,
           play_strikes(&p.figures, strikes, sizeof(strikes)),
           play_deeds(&p.figures, deeds, sizeof(deeds)), took, (double)p.figures.histories / took);
    return tell_failures(&p);
}

/* How many steps there are; 0: something was violated though nobody died. */
static uint64_t count_steps(const struct command_line *line)
{
    struct world_options o;
    struct world_result r;
    options_of_step(line, 0, &o); /* step 0 is never reached */
    world_play(&o, &r);
    if (!r.ok)
        fail(&o, r.violation);
    return r.ok ? o.crash_actor == ACTOR_NODE ? r.steps_node : r.steps_centre : 0;
}

static int play_exhaustive(const struct command_line *line)
{
    double begun = seconds();
    uint64_t steps = count_steps(line);
    if (steps == 0)
        return 1;
    if (line->step > steps) {
        fprintf(stderr, "sim: --step %" PRIu64 ": %s takes %" PRIu64 " steps here\n", line->step,
                line->exhaustive, steps);
        return 2;
    }
    struct play p = {.options = options_of_step,
                     .arg = line,
                     .jobs = line->step ? 1 : line->jobs,
                     .first = line->step ? line->step : 1,
                     .last = line->step ? line->step : steps,
                     .collect = line->collect};
    play_all(&p);
    if (p.failure_count)
        return tell_failures(&p);
    const char *script = line->wish.script ? script_name(line->wish.script) : "recycle";
    if (line->step)
        printf("%s: %s died at step %" PRIu64 " of %" PRIu64 "\n", script, line->exhaustive,
               line->step, steps);
    else
        printf("%s: %s died at each of %" PRIu64 " steps; %.1f s\n", script, line->exhaustive,
               steps, seconds() - begun);
    fflush(stdout);
    return 0;
}

static int play_scripts(const struct command_line *line)
{
    struct command_line one = *line;
    int code = 0;
    for (size_t i = 0; code == 0 && script_at(i); i++) {
        one.wish.script = script_at(i);
        code = play_exhaustive(&one);
    }
    return code;
}

static int play_reduced(const struct command_line *line)
{
    struct world_options o;
    char text[700], arguments[400];
    options_of(line, line->first, &o);
    o.trace = false;
    if (!reduce(&o, text, sizeof(text))) {
        printf("seed %" PRIu64 " violates nothing\n", o.seed);
        return 0;
    }
    printf("%s\n%s\n", reduce_command_line(&o, arguments, sizeof(arguments)), text);
    return 1;
}

/* What a seed stands for, but for the seed: "" when it says all by itself. */
static const char *chosen_options(const struct command_line *line, char *out, size_t size)
{
    size_t len;
    text_copy(out, size, "");
    if (line->wish.servers)
        text_format(out, size, " --servers %zu", line->wish.servers);
    len = strlen(out);
    if (line->has_faults)
        text_format(out + len, size - len, " --faults %#x", (unsigned)line->wish.faults);
    len = strlen(out);
    reduce_other_arguments(&line->wish, out + len, size - len);
    return out[0] ? out + 1 : out;
}

static int play_campaign(const struct command_line *line)
{
    char options[400];
    struct campaign c = {.path = line->campaign,
                         .options = chosen_options(line, options, sizeof(options)),
                         .seconds = line->seconds,
                         .play = {.options = options_of,
                                  .arg = line,
                                  .first = line->first,
                                  .last = line->last,
                                  .jobs = line->jobs}};
    return campaign_run(&c);
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
           text_parse_u64(dash + 1, line->first, PLAY_NUMBER_MAX, &line->last);
}

static bool parse_without(const char *text, uint64_t *mask)
{
    char number[8];
    uint64_t value;
    *mask = 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        if (len >= sizeof(number))
            return false;
        memcpy(number, text, len);
        number[len] = '\0';
        if (!text_parse_u64(number, 1, 64, &value))
            return false;
        *mask |= UINT64_C(1) << (value - 1);
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

static bool take_number(const char *name, const char *value, struct command_line *line)
{
    uint64_t n;
    if (text_equal(name, "--seed") && text_parse_u64(value, 0, PLAY_NUMBER_MAX, &n))
        line->first = line->last = n;
    else if (text_equal(name, "--step") && text_parse_u64(value, 1, PLAY_NUMBER_MAX, &n))
        line->step = n;
    else if (text_equal(name, "--servers") && text_parse_u64(value, 2, SERVERS_MAX, &n))
        line->wish.servers = (size_t)n;
    else if (text_equal(name, "--runs") && text_parse_u64(value, 1, RUNS_WANTED_MAX, &n))
        line->wish.runs_max = (uint32_t)n;
    else if (text_equal(name, "--jobs") && text_parse_u64(value, 1, PLAY_JOBS_MAX, &n))
        line->jobs = (unsigned)n;
    else if (text_equal(name, "--for") && text_parse_u64(value, 1, UINT32_MAX, &n))
        line->seconds = n;
    else
        return false;
    return true;
}

static bool take_mask(const char *value, struct command_line *line)
{
    char *end;
    unsigned long mask = strtoul(value, &end, 0);
    line->wish.faults = (uint32_t)mask;
    return line->has_faults = *value && *end == '\0' && mask < 1u << FAULT_KINDS;
}

static bool take_word(const char *name, const char *value, struct command_line *line)
{
    if (text_equal(name, "--seeds"))
        return parse_seeds(value, line);
    if (text_equal(name, "--without"))
        return parse_without(value, &line->wish.without);
    if (text_equal(name, "--faults"))
        return take_mask(value, line);
    if (text_equal(name, "--profile"))
        return line->has_faults = profile_find(value, &line->wish.faults);
    if (text_equal(name, "--campaign")) {
        line->campaign = value;
        return true;
    }
    if (text_equal(name, "--lesson")) {
        line->lessons = text_equal(value, "all");
        line->wish.lesson = lesson_find(value);
        return line->lessons || line->wish.lesson;
    }
    if (text_equal(name, "--script")) {
        line->all_scripts = text_equal(value, "all");
        line->wish.script = line->all_scripts ? script_at(0) : script_find(value);
        return line->wish.script != NULL;
    }
    line->exhaustive = value;
    return text_equal(name, "--exhaustive") &&
           (text_equal(value, "centre") || text_equal(value, "node") ||
            text_equal(value, "journal"));
}

static bool take_flag(const char *name, struct command_line *line)
{
    if (text_equal(name, "--trace"))
        return line->wish.trace = true;
    if (text_equal(name, "--compare"))
        return line->compare = true;
    if (text_equal(name, "--apart"))
        return line->wish.apart = true;
    if (text_equal(name, "--remedy"))
        return line->wish.remedy = true;
    if (text_equal(name, "--warm"))
        return line->wish.warm = true;
    if (text_equal(name, "--services"))
        return line->wish.services = true;
    if (text_equal(name, "--nobody-meddles"))
        return line->wish.nobody_meddles = true;
    if (text_equal(name, "--reduce"))
        return line->reduce = true;
    if (text_equal(name, "--collect"))
        return line->collect = true;
    return false;
}

static int play(const struct command_line *line)
{
    if (line->compare)
        return visitors_compare(&line->wish, line->first, line->last, options_of, line);
    if (line->campaign)
        return play_campaign(line);
    if (line->reduce)
        return play_reduced(line);
    if (line->exhaustive)
        return line->all_scripts ? play_scripts(line) : play_exhaustive(line);
    return line->last > line->first ? play_many(line) : play_one(line);
}

/* What would be ignored is refused. */
static int check(const struct command_line *line)
{
    const struct world_options *wish = &line->wish;
    bool many = line->last != line->first;
    bool chosen = (line->has_faults && (wish->faults != FAULT_OTHERS || wish->script)) ||
                  (wish->services && wish->script) || wish->without || wish->runs_max ||
                  wish->nobody_meddles || wish->remedy || wish->warm ||
                  (wish->apart && wish->script);
    bool plain = line->exhaustive || wish->script;
    bool lesson = line->lessons || wish->lesson;
    if (line->compare + line->reduce + (line->campaign != NULL) + plain + lesson > 1)
        return usage("--compare, --reduce, --campaign, --exhaustive, --script and --lesson",
                     "one at a time, but for --exhaustive with --script");
    if (plain && chosen)
        return usage(
            line->exhaustive ? "--exhaustive" : "--script",
            "plays a farm without other trouble: no --profile (but others, without a "
            "script), --without, --runs, --nobody-meddles, --warm or --remedy; --apart without a "
            "script");
    if (many && (line->reduce || plain || wish->trace))
        return usage(line->reduce       ? "--reduce"
                     : line->exhaustive ? "--exhaustive"
                     : wish->script     ? "--script"
                                        : "--trace",
                     "takes one seed");
    if (wish->trace &&
        (line->exhaustive ? !line->step : line->reduce || line->compare || line->campaign))
        return usage("--trace", "tells one history: with --exhaustive name the --step too");
    if (line->all_scripts && (!line->exhaustive || line->step))
        return usage("--script all", "goes with --exhaustive, and without --step");
    if (line->step && !line->exhaustive)
        return usage("--step", "goes with --exhaustive");
    if (line->seconds && !line->campaign)
        return usage("--for", "goes with --campaign");
    if (wish->apart && (lesson || line->compare))
        return usage("--apart", "goes without --lesson and --compare");
    if (line->compare && (line->has_faults || wish->runs_max))
        return usage("--compare", "breaks single servers: no --profile, --faults or --runs");
    if (line->campaign && !many)
        return usage("--campaign", "takes --seeds A-B");
    return 0;
}

/* One thread and one process: no locks, no figures about memory, and none of it goes back. */
static void set_up(void)
{
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    make_templates();
}

int main(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct command_line line = {.first = 1, .last = 1};
    line.jobs = processors < 1               ? 1
                : processors < PLAY_JOBS_MAX ? (unsigned)processors
                                             : PLAY_JOBS_MAX;
    for (int i = 1; i < argc; i++) {
        if (text_equal(argv[i], "--help"))
            return help();
        if (take_flag(argv[i], &line))
            continue;
        if (i + 1 == argc)
            return usage(argv[i], "no such option, or its value is missing");
        if (!take_number(argv[i], argv[i + 1], &line) && !take_word(argv[i], argv[i + 1], &line))
            return usage(argv[i], "no such option, or not such a value");
        i++;
    }
    int wrong = check(&line);
    if (wrong)
        return wrong;
    set_up();
    int code = play(&line);
    vfs_end();
    return code;
}
