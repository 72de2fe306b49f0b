/* guard.c - see world.h: the guardian of a machine, as agent/guardian_watch.c behaves: it looks a
 * few times a second, acts when its order's time is over or its agent has been gone for a while,
 * and can only start.
 */
#include "agent/guardian.h"
#include "common/must.h"
#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#define LOOK_MS  500
#define AGAIN_MS 5000
#define TRIES_MS (15 * 60 * 1000)

static void look(struct world *w, const struct due *d);

static void look_in(struct world *w, int machine, uint64_t ms)
{
    world_at(w, w->now_ms + ms, look, machine, ++w->guards[machine].no, NULL, 0);
}

/* Its agent dies now and stays away. */
static void widow(struct world *w, const struct due *d)
{
    if (w->guards[d->who].stands)
        node_stay_away(w, d->who, d->arg);
}

void guard_arm(struct world *w, int machine, const char *services, uint64_t within_ms)
{
    struct guard *g = &w->guards[machine];
    if (g->widowed && !w->faults_over)
        world_at(w, w->now_ms + rng_between(&w->scm_rng, 0, 4000), widow, machine,
                 rng_between(&w->scm_rng, 3000, 60000), NULL, 0);
    *g = (struct guard){.stands = true,
                        .no = g->no,
                        .life = node_life(w, machine),
                        .since_ms = node_clock(w, machine),
                        .within_ms = within_ms};
    must(text_copy(g->services, sizeof(g->services), services));
    world_say(w, "%s: a guardian stands by", w->iis[machine].name);
    look_in(w, machine, LOOK_MS);
}

static void leave(struct world *w, int machine, const char *why)
{
    struct guard *g = &w->guards[machine];
    g->stands = false;
    g->no++;
    world_say(w, "%s: its guardian leaves: %s", w->iis[machine].name, why);
}

bool guard_end(struct world *w, int machine, char *told, size_t size)
{
    struct guard *g = &w->guards[machine];
    bool any = g->stands || g->told[0];
    text_copy(told, size, g->told);
    if (g->stands)
        leave(w, machine, "it is sent away");
    g->told[0] = '\0';
    return any;
}

void guard_dies(struct world *w, int machine)
{
    w->guards[machine].stands = false;
    w->guards[machine].no++;
}

struct starting {
    struct world *w;
    int machine;
};

static int start_one(const char *name, void *arg)
{
    struct starting *a = arg;
    int who = scm_named(name);
    if (who != SCM_PIPE || a->w->scm[a->machine].all[who].state != SVC_STOPPED)
        return 0;
    oracle_services_start(a->w, a->machine, who);
    scm_start(a->w, a->machine, SCM_PIPE);
    return 0;
}

/* One try of starting W3SVC, and what else its order names once that runs. */
static void act(struct world *w, int machine)
{
    struct guard *g = &w->guards[machine];
    struct scm *m = &w->scm[machine];
    struct starting arg = {w, machine};
    bool disabled =
        m->all[SCM_WAS].start == SVC_START_DISABLED || m->all[SCM_WEB].start == SVC_START_DISABLED;
    bool late = node_clock(w, machine) >= g->acts_ms + TRIES_MS;
    if (disabled || late || scm_runs(m, SCM_WEB)) {
        if (!disabled && !late)
            text_split(g->services, '\n', start_one, &arg);
        text_format(g->told, sizeof(g->told), "the guardian acted%s",
                    disabled ? "; left alone: WAS or W3SVC is disabled"
                    : late   ? "; W3SVC did not start"
                             : "; W3SVC runs");
        leave(w, machine, g->told);
        return;
    }
    oracle_services_start(w, machine, SCM_WEB);
    enum error_code code = scm_start(w, machine, SCM_WEB);
    world_say(w, "%s: its guardian starts W3SVC%s%s", w->iis[machine].name, code ? ": " : "",
              code ? error_code_name(code) : "");
    look_in(w, machine, AGAIN_MS);
}

static void look(struct world *w, const struct due *d)
{
    struct guard *g = &w->guards[d->who];
    if (!g->stands || d->arg != g->no)
        return;
    if (w->now_ms < node_asleep_until_ms(w, d->who)) {
        look_in(w, d->who, node_asleep_until_ms(w, d->who) - w->now_ms);
        return;
    }
    uint64_t clock_ms = node_clock(w, d->who);
    bool lives = node_up(w->nodes[d->who]) && node_life(w, d->who) == g->life;
    g->gone_ms = lives ? 0 : g->gone_ms ? g->gone_ms : clock_ms;
    bool gone = g->gone_ms && clock_ms >= g->gone_ms + GUARDIAN_GRACE_MS;
    if (!g->acts_ms && (gone || clock_ms >= g->since_ms + g->within_ms))
        g->acts_ms = clock_ms;
    if (g->acts_ms)
        act(w, d->who);
    else
        look_in(w, d->who, LOOK_MS);
}
