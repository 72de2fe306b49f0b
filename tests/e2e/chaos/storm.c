/* storm.c - faults at random: the table of them, the plan, and its course. */
#include "tests/e2e/chaos/faults.h"

#include "tests/farm/farm/proc.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS     50
#define GAP_MIN_MS  800 /* from one fault to the next, at least, and so much more at most */
#define GAP_MORE_MS 3800
#define RIPE_MS     2500
#define RESTART_MS  1000  /* as a service manager would: one try a second */
#define OVER_MS     90000 /* a fault that is not over by then never will be */

/* ---- the table ---- */

static const char *server_of(const struct fault *f)
{
    static const char *const names[CHAOS_SERVERS] = {"web01", "web02", "web03", "web04"};
    return names[f->server];
}

struct trade {
    const char *name;
    unsigned weight, min_ms, max_ms; /* how often, how long */
    void (*begin)(struct storm *s, struct fault *f);
    void (*end)(struct storm *s, struct fault *f);
    bool (*is_over)(struct storm *s, const struct fault *f); /* beside the time; NULL: no matter */
    unsigned disturbs;
    unsigned (*also)(unsigned server); /* the server's own part */
};

static unsigned its_agent(unsigned server)
{
    return AGENT(server);
}

static unsigned its_link(unsigned server)
{
    return LINK(server);
}

static const struct trade trades[KIND_COUNT] = {
    [KIND_COORDINATOR_KILLED] = {"coordinator killed", 7, 0, 1500, begin_coordinator_killed,
                                 end_coordinator_killed, NULL, COORDINATOR, NULL},
    [KIND_COORDINATOR_STOPPED] = {"coordinator stopped", 2, 2000, 8000, begin_coordinator_stopped,
                                  end_coordinator_stopped, NULL, COORDINATOR, NULL},
    [KIND_AGENT_KILLED] = {"agent killed", 6, 0, 3000, begin_agent_killed, end_agent_killed, NULL,
                           0, its_agent},
    [KIND_AGENT_STOPPED] = {"agent stopped", 4, 2000, 8000, begin_agent_stopped, end_agent_stopped,
                            NULL, 0, its_agent},
    [KIND_LINK_CUT] = {"link cut", 3, 200, 5000, begin_link_cut, end_link, NULL, 0, its_link},
    [KIND_LINK_HELD] = {"link held", 3, 500, 5000, begin_link_held, end_link, NULL, 0, its_link},
    [KIND_LINK_SLOW] = {"link slow", 2, 2000, 6000, begin_link_slow, end_link, NULL, 0, its_link},
    [KIND_LINKS_CUT] = {"all links cut", 1, 200, 5000, begin_links_cut, end_links_cut, NULL, LINKS,
                        NULL},
    [KIND_BALANCER_RESTARTED] = {"balancer restarted", 2, 0, 1, begin_balancer_restarted,
                                 end_balancer_restarted, NULL, BALANCER, NULL},
    [KIND_BALANCER_RELOADED] = {"balancer reloaded", 2, 0, 1, begin_balancer_reloaded,
                                end_balancer_reloaded, NULL, BALANCER, NULL},
    [KIND_DISK_FULL] = {"disk full", 2, 2000, 6000, begin_disk_full, end_disk_full, NULL, DISK,
                        NULL},
    [KIND_STORE_REPLACED] = {"store replaced", 1, 0, 1, begin_store_replaced, end_store_replaced,
                             is_over_store_replaced, COORDINATOR | DISK, NULL},
    [KIND_SECOND_COORDINATOR] = {"second coordinator", 1, 4000, 8000, begin_second, end_second,
                                 NULL, COORDINATOR | DISK | LINKS, NULL},
};

static unsigned disturbs(const struct fault *f)
{
    const struct trade *t = &trades[f->kind];
    return t->disturbs | (t->also ? t->also(f->server) : 0);
}

/* --- one after the other --- */

static bool can_be(const struct storm *s, enum kind kind)
{
    return kind != KIND_DISK_FULL || s->c->is_small;
}

static enum kind draw_kind(const struct storm *s, unsigned *seed)
{
    unsigned sum = 0;
    for (int i = 0; i < KIND_COUNT; i++)
        sum += can_be(s, (enum kind)i) ? trades[i].weight : 0;
    unsigned at = (unsigned)rand_r(seed) % sum;
    for (int i = 0; i < KIND_COUNT; i++) {
        unsigned weight = can_be(s, (enum kind)i) ? trades[i].weight : 0;
        if (at < weight)
            return (enum kind)i;
        at -= weight;
    }
    return KIND_COORDINATOR_KILLED;
}

/* Each kind at least once while there is room; an older store needs some past, so it comes late. */
static void draw_plan(struct storm *s, struct fault *plan, unsigned count)
{
    unsigned *seed = &s->c->plan_seed;
    for (unsigned i = 0; i < count; i++) {
        enum kind kind =
            i < KIND_COUNT && can_be(s, (enum kind)i) ? (enum kind)i : draw_kind(s, seed);
        const struct trade *t = &trades[kind];
        plan[i] = (struct fault){
            .kind = kind,
            .gap_ms = GAP_MIN_MS + (unsigned)rand_r(seed) % GAP_MORE_MS,
            .length_ms = t->min_ms + (unsigned)rand_r(seed) % (t->max_ms - t->min_ms),
            .server = (unsigned)rand_r(seed) % CHAOS_SERVERS,
            .choice = (unsigned)rand_r(seed),
        };
    }
    for (unsigned i = count; i-- > 1;) {
        unsigned with = (unsigned)rand_r(seed) % (i + 1);
        struct fault held = plan[i];
        plan[i] = plan[with];
        plan[with] = held;
    }
    for (unsigned i = 0; i < count / 2; i++) {
        struct fault held = plan[i];
        if (held.kind != KIND_STORE_REPLACED)
            continue;
        plan[i] = plan[count - 1 - i];
        plan[count - 1 - i] = held;
    }
}

static void begin_fault(struct storm *s, const struct fault *planned)
{
    const struct trade *t = &trades[planned->kind];
    struct fault *f = &s->active[s->active_count++];
    must(s->active_count <= ACTIVE_MAX);
    *f = *planned;
    f->begun_ms = clock_boot_ms();
    f->end_ms = f->begun_ms + f->length_ms;
    s->busy |= disturbs(f);
    s->done[f->kind]++;
    watch_note(s->c->watch, "fault: %s%s%s for %u ms", t->name, t->also ? " " : "",
               t->also ? server_of(f) : "", f->length_ms);
    t->begin(s, f);
}

static bool is_over(struct storm *s, const struct fault *f)
{
    const struct trade *t = &trades[f->kind];
    uint64_t now_ms = clock_boot_ms();
    if (s->c->wrong) /* the storm ends early, whatever is on */
        return true;
    if (now_ms >= f->end_ms && (!t->is_over || t->is_over(s, f)))
        return true;
    if (now_ms > f->begun_ms + OVER_MS)
        chaos_wrong(s->c, "%s: not over after %u s", t->name, OVER_MS / 1000);
    return false;
}

static void end_due(struct storm *s)
{
    for (unsigned i = s->active_count; i-- > 0;) {
        struct fault *f = &s->active[i];
        const struct trade *t = &trades[f->kind];
        if (!is_over(s, f))
            continue;
        watch_note(s->c->watch, "over: %s%s%s", t->name, t->also ? " " : "",
                   t->also ? server_of(f) : "");
        t->end(s, f);
        s->busy &= ~disturbs(f);
        s->active[i] = s->active[--s->active_count];
    }
}

/* A service manager's part: what ended by itself is started again. */
static void look_after(struct storm *s)
{
    struct farm *farm = &s->c->h->farm;
    uint64_t now_ms = clock_boot_ms();
    if (!s->wants_dead && now_ms > s->tried_ms + RESTART_MS && proc_pid(farm, "coordinator") == 0)
        fault_start_coordinator(s);
}

/* Until it has learnt that it is behind it is left in peace: another start might be above. */
static unsigned busy(const struct storm *s)
{
    return s->busy | (s->c->must_freeze ? COORDINATOR | DISK : 0);
}

static bool is_disk_full(const struct storm *s)
{
    for (unsigned i = 0; i < s->active_count; i++)
        if (s->active[i].kind == KIND_DISK_FULL)
            return true;
    return false;
}

static void live(struct storm *s)
{
    end_due(s);
    if (is_disk_full(s))
        fault_fill_disk(s); /* what was given back meanwhile is taken again */
    look_after(s);
    people_tend(s->c);
    harness_sleep_ms(TICK_MS);
}

static void tell(const struct storm *s, unsigned count)
{
    fprintf(stderr, "figures: faults=%u", count);
    for (int i = 0; i < KIND_COUNT; i++) {
        char name[64];
        text_copy(name, sizeof(name), trades[i].name);
        for (char *at = name; *at; at++)
            *at = *at == ' ' ? '_' : *at;
        fprintf(stderr, " %s=%u", name, s->done[i]);
    }
    fputc('\n', stderr);
}

/* Half of the faults wait for a server that is out, and meet that one: most is at stake there. */
static bool is_ripe(const struct storm *s, struct fault *planned, uint64_t due_ms)
{
    struct watch_seen seen = watch_look(s->c->watch);
    if (planned->choice % 2 == 0 || clock_boot_ms() > due_ms + RIPE_MS)
        return true;
    for (unsigned i = 0; i < CHAOS_SERVERS; i++)
        if (seen.now & 1u << i)
            planned->server = i;
    return seen.now != 0;
}

void storm_run(struct chaos *c, unsigned count)
{
    struct storm *s = must_alloc(1, sizeof(*s));
    struct fault *plan = must_alloc(count, sizeof(*plan));
    unsigned begun = 0;
    s->c = c;
    draw_plan(s, plan, count);
    fault_next_phase(s, "calm");
    uint64_t next_ms = clock_boot_ms() + 3000;
    while ((begun < count && !c->wrong) || s->active_count) {
        bool due = begun < count && !c->wrong && clock_boot_ms() >= next_ms;
        if (due && is_ripe(s, &plan[begun], next_ms) && !(busy(s) & disturbs(&plan[begun]))) {
            begin_fault(s, &plan[begun]);
            next_ms = clock_boot_ms() + plan[begun].gap_ms;
            begun++;
        }
        live(s);
    }
    for (unsigned i = 0; i < RESTART_MS / TICK_MS * 3 && !c->wrong; i++)
        live(s); /* a coordinator that the disk had ended is back */
    tell(s, begun);
    free(plan);
    free(s);
}
