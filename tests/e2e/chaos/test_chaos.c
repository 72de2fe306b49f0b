/* Chaos: a farm under traffic with rolling recycles, and faults at random, from a seed.
 *
 * Coordinator and agents are killed and stopped for seconds, their links cut, held and slowed, the
 * balancer restarted or reloaded (it forgets drains), the coordinator's disk filled, its store replaced by an
 * older copy, a second coordinator started on a copy of the store. People do what the manual says:
 * they take over, put right, resolve.
 *
 * Judged by the lab's counts, the balancer and the visitors: what was recycled is what the stores
 * claim, no target twice; never more than one server drained; nothing drained without an owner; no
 * request lost but by the balancer's own restart; at the end all is well again, in bounded time.
 *
 * CHAOS_SEED repeats a plan of faults (which moments of a run they meet depends on the machine as
 * well), CHAOS_FAULTS is their number. tests/e2e/chaos-campaign runs many.
 * logs/chaos.log of the farm is the diary; the farm's files stay after a failure, or with
 * CHAOS_KEEP=1. Without root the disk is never full.
 */
#include "tests/e2e/chaos/chaos.h"

#include "tests/farm/farm/ask.h"
#include "tests/farm/farm/ports.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#define FAULTS        30
#define FAULTS_MAX    120 /* each balancer restart takes two of the visitors' 64 phases */
#define CALM_LIMIT_MS 90000
#define IN_HAND_MS    1000 /* the last requests are answered */

static struct chaos chaos;

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static unsigned from_env(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text && text[0] ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void choose_seed(struct chaos *c)
{
    unsigned seed = 1;
    os_random(&seed, sizeof(seed), NULL);
    seed = from_env("CHAOS_SEED", seed % 1000000);
    fprintf(stderr, "seed %u (CHAOS_SEED=%u repeats it)\n", seed, seed);
    c->plan_seed = seed;
    c->people_seed = ~seed;
}

/* A small file system that nobody else sees and that goes with this process. Two stores whose logs grow
 * to 4 MiB each before SQLite empties them have room in it, while nobody fills it. */
static bool mount_small(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", path, "tmpfs", 0, "size=24m,mode=0700") == 0;
}

static void make_scratch(struct chaos *c)
{
    text_copy(c->scratch, sizeof(c->scratch), "/tmp/farmhand-chaos-XXXXXX");
    must(mkdtemp(c->scratch) != NULL);
    text_format(c->data_dir, sizeof(c->data_dir), "%s/data", c->scratch);
    assert_int_equal(os_make_dir(c->data_dir, 0700, NULL), ERR_NONE);
    c->is_small = mount_small(c->data_dir);
    if (!c->is_small)
        fprintf(stderr, "the disk is never full here: a small file system cannot be mounted "
                        "without root\n");
}

/* Two ports for coordinators; the note about them is void once the scratch directory is gone. */
static unsigned reserve_ports(struct chaos *c)
{
    char path[128];
    unsigned base = 0;
    struct error err = {0};
    text_format(path, sizeof(path), "%s/farm.json", c->scratch);
    if (os_write_file(path, "{}", 2, 0600, &err) != ERR_NONE ||
        ports_reserve(c->scratch, 1, &base, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    return base;
}

static int bring_up(void **state)
{
    struct chaos *c = &chaos;
    char data[160], listen[96], agents[CHAOS_SERVERS][96];
    struct error err = {0};
    (void)state;
    choose_seed(c);
    make_scratch(c);
    c->coordinator_port = reserve_ports(c);
    if (proxy_open(CHAOS_SERVERS, c->coordinator_port, &c->proxy, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    text_format(data, sizeof(data), "coordinator.data_dir=%s", c->data_dir);
    text_format(listen, sizeof(listen), "coordinator.listen=tcp://127.0.0.1:%u",
                c->coordinator_port);
    for (unsigned i = 0; i < CHAOS_SERVERS; i++)
        text_format(agents[i], sizeof(agents[i]), "web%02u:agent.coordinator=tcp://127.0.0.1:%u",
                    i + 1, proxy_port(c->proxy, i));
    c->h = harness_up((const char *const[]){"--servers",
                                            "4",
                                            "--traffic",
                                            "--rate",
                                            "100",
                                            "--coordinator",
                                            data,
                                            "--coordinator",
                                            listen,
                                            "--coordinator",
                                            "coordinator.settle=1s",
                                            "--coordinator",
                                            "defaults.soak=500ms",
                                            "--coordinator",
                                            "defaults.gate_min=500ms",
                                            "--lab",
                                            "server.appcmd_delay_ms=50-120",
                                            "--agent",
                                            agents[0],
                                            "--agent",
                                            agents[1],
                                            "--agent",
                                            agents[2],
                                            "--agent",
                                            agents[3],
                                            NULL});
    c->watch = watch_open(&c->h->farm);
    c->books = books_new();
    return 0;
}

/* --- the verdict --- */

static void print_json(const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    fprintf(stderr, "%s\n", text ? text : "(nothing)");
    free(text);
}

/* Requests lost in the phases whose names begin so. */
static long long lost_in(const json_t *report, const char *word)
{
    size_t i;
    json_t *phase;
    long long lost = 0, sent = 0;
    json_array_foreach(json_object_get(report, "phases"), i, phase)
    {
        if (!text_starts(harness_word(phase, "name"), word))
            continue;
        long long failed = json_integer_value(json_object_get(phase, "failed"));
        if (failed && strcmp(word, "calm") == 0)
            print_json(phase);
        lost += failed;
        sent += json_integer_value(json_object_get(phase, "sent"));
    }
    fprintf(stderr, "visitors, %s: %lld of %lld requests lost\n", word, lost, sent);
    return lost;
}

static void judge_visitors(struct chaos *c)
{
    struct error err = {0};
    harness_phase(c->h, "after");
    harness_sleep_ms(IN_HAND_MS);
    json_t *report = ask_visitors(&c->h->farm, "report", &err);
    if (!report)
        fail_msg("%s", err.text);
    lost_in(report, "balancer");
    long long lost = lost_in(report, "calm");
    json_decref(report);
    if (lost)
        chaos_wrong(c, "visitors lost %lld requests while the balancer ran", lost);
}

static void judge_balancer(struct chaos *c)
{
    struct watch_seen seen = watch_look(c->watch);
    fprintf(stderr, "balancer: %u looks, more than one server drained in %u\n", seen.samples,
            seen.both);
    if (seen.both > 0)
        chaos_wrong(c, "more than one server was drained, for %u ms", seen.both_ms);
}

static void judge_end(struct chaos *c)
{
    uint64_t start_ms = clock_boot_ms();
    c->runs_wanted = false;
    if (!people_wait_calm(c, CALM_LIMIT_MS)) {
        json_t *status = harness_get(c->h, "/v1/status");
        print_json(status);
        json_decref(status);
        chaos_wrong(c, "the farm is not well %u s after the last fault", CALM_LIMIT_MS / 1000);
        return;
    }
    fprintf(stderr, "calm %.1f s after the last fault\n",
            (double)(clock_boot_ms() - start_ms) / 1000);
    json_t *run = harness_run_end(c->h, harness_run(c->h, "recycle", "Shop", "all", NULL), 60000);
    if (strcmp(harness_word(run, "state"), "done") != 0)
        chaos_wrong(c, "a run in peace ended as '%s': %s", harness_word(run, "state"),
                    harness_word(run, "why"));
    json_decref(run);
    harness_wait_all_up(c->h, 10000);
}

static void tell_figures(const struct chaos *c)
{
    const struct figures *f = &c->figures;
    fprintf(stderr,
            "people: runs=%u takeovers=%u freezes=%u undrains=%u resolved=%u resumed=%u"
            " put_right=%u wrong=%u\n",
            f->runs, f->takeovers, f->freezes, f->undrains, f->resolved, f->resumed, f->put_right,
            c->wrong);
}

static void farm_survives_faults_at_random(void **state)
{
    struct chaos *c = &chaos;
    (void)state;
    unsigned count = from_env("CHAOS_FAULTS", FAULTS);
    if (count < 1 || count > FAULTS_MAX)
        fail_msg("CHAOS_FAULTS is a number from 1 to %d", FAULTS_MAX);
    c->runs_wanted = true;
    storm_run(c, count);
    if (!c->wrong)
        judge_end(c);
    judge_balancer(c);
    judge_visitors(c);
    if (!c->wrong)
        people_audit(c);
    tell_figures(c);
    assert_int_equal(c->wrong, 0);
}

/* The stores stay with the farm's files when something was wrong. */
static void clear_away(struct chaos *c, bool keep)
{
    char to[PATH_MAX], command[PATH_MAX + 128];
    if (keep && c->h && farm_path(to, &c->h->farm, "stores")) {
        text_format(command, sizeof(command), "cp -a '%s' '%s'", c->scratch, to);
        if (system(command) != 0)
            fprintf(stderr, "the stores could not be kept\n");
    }
    watch_close(c->watch);
    harness_down(c->h, keep);
    proxy_close(c->proxy);
    books_free(c->books);
    umount2(c->data_dir, MNT_DETACH);
    nftw(c->scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(farm_survives_faults_at_random),
    };
    int failed = cmocka_run_group_tests_name("e2e_chaos", tests, bring_up, NULL);
    clear_away(&chaos, failed != 0 || from_env("CHAOS_KEEP", 0));
    return failed;
}
