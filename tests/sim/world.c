/* world.c - see world.h: time, the transcript, and how a history begins and ends. */
#include "tests/sim/world.h"

#include "common/must.h"
#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/random.h"
#include "tests/sim/vfs.h"
#include "tests/sim/visitors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_MAX_MS (4 * 60 * 60 * 1000)
#define HEAL_LIMIT_MS  (20 * 60 * 1000) /* after the last fault everything has ended by then */

/* ---- what is due ---- */

static bool earlier(const struct due *a, const struct due *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct due *a, struct due *b)
{
    struct due t = *a;
    *a = *b;
    *b = t;
}

void world_at(struct world *w, uint64_t at_ms, due_fn *fn, int who, uint64_t arg, const void *data,
              size_t len)
{
    if (w->heap_count == w->heap_cap) {
        w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 256;
        w->heap = must_realloc(w->heap, w->heap_cap, sizeof(*w->heap));
    }
    struct due d = {
        .at_ms = at_ms, .order = w->order++, .fn = fn, .who = who, .arg = arg, .len = len};
    if (data) {
        d.data = must_alloc(1, len);
        memcpy(d.data, data, len);
    }
    size_t at = w->heap_count++;
    w->heap[at] = d;
    for (; at > 0 && earlier(&w->heap[at], &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&w->heap[at], &w->heap[(at - 1) / 2]);
}

static struct due take_due(struct world *w)
{
    struct due first = w->heap[0];
    w->heap[0] = w->heap[--w->heap_count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < w->heap_count && earlier(&w->heap[left], &w->heap[least]))
            least = left;
        if (right < w->heap_count && earlier(&w->heap[right], &w->heap[least]))
            least = right;
        if (least == at)
            return first;
        swap(&w->heap[at], &w->heap[least]);
        at = least;
    }
}

/* ---- the transcript ---- */

void world_say(struct world *w, const char *fmt, ...)
{
    char line[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    for (const char *p = line; *p; p++)
        w->hash = (w->hash ^ (uint8_t)*p) * UINT64_C(1099511628211);
    w->hash = (w->hash ^ w->now_ms) * UINT64_C(1099511628211);
    if (w->options.trace)
        printf("%5" PRIu64 ".%03" PRIu64 " %s\n", w->now_ms / 1000, w->now_ms % 1000, line);
}

void world_violate(struct world *w, const char *fmt, ...)
{
    if (w->violation[0])
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->violation, sizeof(w->violation), fmt, args);
    va_end(args);
    world_say(w, "VIOLATED: %s", w->violation);
}

/* ---- dying at a chosen step ---- */

bool world_step(struct world *w, enum actor actor, int who)
{
    if (!w->counting || who != 0)
        return false;
    uint64_t at = ++w->steps[actor];
    if (w->crashed_once || w->options.crash_actor != actor || w->options.crash_at != at)
        return false;
    w->crashed_once = true;
    w->disk_is_lost = w->options.lose_journal;
    return true;
}

bool world_is_plain(const struct world *w)
{
    return w->options.crash_actor != ACTOR_NONE || w->options.script || w->options.lesson;
}

int world_server(const struct world *w, int machine)
{
    return machine < (int)w->servers ? machine : w->cloned;
}

int world_unit(int machine, const char *pool)
{
    return world_unit_at(machine, text_equal(pool, iis_pool_names[1]));
}

int world_unit_at(int machine, size_t pool)
{
    return machine + (int)pool * MACHINES_MAX;
}

int world_machine(int unit)
{
    return unit % MACHINES_MAX;
}

struct iis *world_iis(struct world *w, int unit)
{
    return unit < MACHINES_MAX ? &w->iis[unit] : &w->api[unit - MACHINES_MAX];
}

const char *world_unit_name(const struct world *w, int unit)
{
    static char name[40];
    if (unit < MACHINES_MAX)
        return w->iis[unit].name;
    text_format(name, sizeof(name), "%s/%s", w->iis[world_machine(unit)].name, iis_pool_names[1]);
    return name;
}

void world_power(struct world *w, int machine, bool on)
{
    if (on && !w->iis[machine].powered_off)
        return;
    if (!on) {
        scm_power_off(w, machine);
        guard_dies(w, machine);
    }
    for (size_t k = 0; k < w->pools; k++) {
        struct iis *s = world_iis(w, world_unit_at(machine, k));
        if (on)
            iis_power_on(s);
        else
            iis_power_off(s, w->now_ms);
    }
    if (on)
        scm_power_on(w, machine);
}

static bool on_sync(void *arg, const char *disk, bool before)
{
    struct world *w = arg;
    for (int k = 0; k < CENTRES_MAX; k++) {
        if (!w->centres[k] || !text_equal(disk, centre_disk(w->centres[k])))
            continue;
        if (before)
            oracle_before_sync(w, k);
        if (world_step(w, ACTOR_CENTRE, k)) {
            centre_dies_now(w, k);
            return true;
        }
    }
    if (w->servers && text_equal(disk, node_disk(w->nodes[0])) && world_step(w, ACTOR_NODE, 0)) {
        node_dies_now(w, 0);
        return true;
    }
    return false;
}

/* ---- a history ---- */

static void begin(struct world *w, const struct world_options *options)
{
    *w = (struct world){.options = *options,
                        .now_ms = 1000,
                        .servers = options->servers,
                        .machines = options->servers,
                        .net = rng_of(options->seed, 1),
                        .iis_rng = rng_of(options->seed, 2),
                        .scm_rng = rng_of(options->seed, 12),
                        .lb_rng = rng_of(options->seed, 3),
                        .faults = rng_of(options->seed, 4),
                        .people = rng_of(options->seed, 5),
                        .ids = rng_of(options->seed, 6),
                        .hash = UINT64_C(14695981039346656037)};
    struct rng rng = rng_of(options->seed, 10);
    bool plain = world_is_plain(w);
    w->options.apart = options->apart || script_is_apart(options->script);
    w->pools = !plain && !options->remedy && rng_chance(&rng, 350) ? 2 : 1;
    w->pools = w->options.apart ? 2 : w->pools;
    must(w->servers >= 1 && w->servers <= SERVERS_MAX);
    vfs_reset(options->seed);
    random_begin(options->seed);
    vfs_watch(on_sync, w);
    for (size_t i = 0; i < w->servers; i++) {
        char name[16];
        text_format(name, sizeof(name), "web%02zu", i + 1);
        iis_init(&w->iis[i], name, 0, &w->iis_rng, w->now_ms);
        iis_init(&w->api[i], name, 1, &w->iis_rng, w->now_ms);
        scm_init(w, (int)i);
        if (options->remedy) {
            iis_protect(&w->iis[i]);
            iis_protect(&w->api[i]);
        }
        w->nodes[i] = node_new(w, (int)i);
    }
    groups_begin(&w->groups, options->seed, w->servers, plain);
    hours_begin(&w->hours, options->seed, WALL_ZERO, plain);
    w->oracle = oracle_new();
    vfs_put_kept("centre/state.db", "c0/state.db");
    w->centres[0] = centre_new(w, 0, "c0");
    lb_begin(w);
    if (options->lesson) {
        lesson_begin(w);
    } else if (options->script) {
        script_begin(w);
        faults_begin(w);
    } else {
        people_begin(w);
        others_begin(w);
        faults_begin(w);
    }
    if (options->remedy)
        visitors_begin(w);
}

static void end(struct world *w)
{
    for (int k = 0; k < CENTRES_MAX; k++)
        if (w->centres[k])
            oracle_detach(w, k);
    vfs_watch(NULL, NULL);
    for (int k = 0; k < CENTRES_MAX; k++)
        centre_free(w->centres[k]);
    for (size_t i = 0; i < w->machines; i++)
        node_free(w->nodes[i]);
    oracle_free(w->oracle);
    for (size_t i = 0; i < w->heap_count; i++)
        free(w->heap[i].data);
    free(w->heap);
}

static bool is_over(struct world *w)
{
    if (w->violation[0])
        return true;
    if (w->now_ms > HISTORY_MAX_MS) {
        world_violate(w, "the history never came to its end");
        return true;
    }
    if (!w->people_done)
        return w->faults_over && w->now_ms > w->calm_since_ms + HEAL_LIMIT_MS;
    return true;
}

static void tell_end(struct world *w, struct world_result *out)
{
    *out = (struct world_result){.ok = !w->violation[0],
                                 .hash = w->hash,
                                 .events = w->events,
                                 .ended_ms = w->now_ms,
                                 .steps_centre = w->steps[ACTOR_CENTRE],
                                 .steps_node = w->steps[ACTOR_NODE],
                                 .acts = oracle_acts(w),
                                 .crashes = node_crashes(w) + centre_crash_count(w->centres[0]) +
                                            centre_crash_count(w->centres[1]),
                                 .runs = w->runs_begun,
                                 .lost_permille = w->lost_permille,
                                 .samples = w->samples,
                                 .faults_planned = w->faults_planned};
    memcpy(out->strikes, w->strikes, sizeof(out->strikes));
    memcpy(out->deeds, w->others.deeds, sizeof(out->deeds));
    text_copy(out->violation, sizeof(out->violation), w->violation);
}

void world_play(const struct world_options *options, struct world_result *out)
{
    struct world *w = must_alloc(1, sizeof(*w));
    begin(w, options);
    while (!is_over(w)) {
        struct due d = take_due(w);
        w->now_ms = d.at_ms > w->now_ms ? d.at_ms : w->now_ms;
        w->events++;
        d.fn(w, &d);
        free(d.data);
        oracle_look(w);
    }
    if (!w->violation[0])
        oracle_end(w);
    if (w->violation[0])
        centre_tell_runs(w, 0);
    tell_end(w, out);
    end(w);
    free(w);
}
