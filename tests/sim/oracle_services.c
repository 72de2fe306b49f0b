/* oracle_services.c - see oracle.h: promise 6 for the services of a server. Whatever a recipe
 * stopped has an open recovery, a guardian or a boot to come; within a bounded time after the last
 * trouble there everything that ran before runs again, except what cannot start or a person
 * disabled; what is down on purpose, and whoever lives in the same process, is left alone.
 */
#include "tests/sim/oracle_impl.h"

#include "common/text.h"

#include <inttypes.h>
#include <string.h>

#define BACK_MS 150000 /* the guardian's time, its grace and a start, and some more */
#define LOOK_MS 3000   /* a recipe looks and judges before it begins */

static struct services_seen *seen_of(const struct world *w, int machine)
{
    return &w->oracle->services[machine];
}

bool oracle_services_are_ours(const struct world *w, int machine)
{
    return w->oracle->services[machine].ours;
}

bool oracle_services_down_lately(const struct world *w, int machine)
{
    uint64_t down_ms = w->oracle->services[machine].down_ms;
    return down_ms && w->now_ms < down_ms + EVIDENCE_MS;
}

void oracle_services_trouble(struct world *w, int machine, bool others)
{
    struct services_seen *s = seen_of(w, machine);
    s->trouble_ms = w->now_ms;
    if (others)
        s->others_ms = w->now_ms;
}

/* ---- what a recipe does ---- */

void oracle_services_begun(struct world *w, int machine, const struct command_id *id)
{
    struct services_seen *s = seen_of(w, machine);
    s->open = true;
    s->begun = *id;
    s->begun_ms = w->now_ms;
    s->begun_life = node_life(w, machine);
    s->killed = false;
    s->ran_then = scm_runs(&w->scm[machine], SCM_WAS) && scm_runs(&w->scm[machine], SCM_WEB);
}

static bool takes_away(enum call_kind kind)
{
    return kind == CALL_SERVICE_STOP || kind == CALL_SERVICE_KILL_HOST;
}

/* Where they were down as they were there was nothing to lose. */
static void check_guardian(struct world *w, int machine)
{
    if (seen_of(w, machine)->ran_then && !w->guards[machine].stands)
        world_violate(w, "%s: its services are stopped, and no guardian stands by",
                      w->iis[machine].name);
}

/* What a recipe may do that was resumed: start; end what still sticks in the stop that it had
 * ordered, and workers while no WAS runs. A host that is none any more is not hit. */
static bool may_be_resumed(const struct world *w, int machine, const struct call *call)
{
    const struct scm *m = &w->scm[machine];
    bool hits = m->host_pid && m->host_pid == call->pid && m->host_created == call->created;
    bool sticks =
        m->all[SCM_WAS].state == SVC_STOP_PENDING || m->all[SCM_WEB].state == SVC_STOP_PENDING;
    switch (call->kind) {
    case CALL_SERVICE_START:
        return true;
    case CALL_SERVICE_KILL_HOST:
        return !hits || (sticks && !scm_runs(m, SCM_WEB));
    case CALL_WORKER_KILL:
        return m->all[SCM_WAS].state == SVC_STOPPED;
    default:
        return false;
    }
}

/* Down since before the recipe had a look. */
static void check_purpose(struct world *w, int machine, const char *what)
{
    const struct scm *m = &w->scm[machine];
    if (m->on_purpose && m->purpose_ms + LOOK_MS <= seen_of(w, machine)->begun_ms)
        world_violate(w, "%s: its services are down on purpose, and a recipe makes a %s",
                      w->iis[machine].name, what);
}

void oracle_services_before(struct world *w, int machine, const struct call *call,
                            const struct command_id *id)
{
    struct services_seen *s = seen_of(w, machine);
    const char *name = w->iis[machine].name, *what = call_name(call->kind);
    if (call->kind == CALL_GUARD || call->kind == CALL_GUARD_END)
        return;
    if (!command_id_equal(&s->begun, id))
        world_violate(w, "%s: a %s of a recipe that no journal knows as begun", name, what);
    check_purpose(w, machine, what);
    if (call->kind == CALL_SERVICE_SET_START)
        world_violate(w, "%s: the start type of %s is changed, and nobody asked for that", name,
                      call->service);
    bool resumed = node_life(w, machine) != s->begun_life;
    if (resumed && !may_be_resumed(w, machine, call))
        world_violate(w, "%s: a %s after its agent's restart, which may only start", name, what);
    if (call->kind == CALL_SERVICE_START)
        oracle_services_start(w, machine, scm_named(call->service));
    if (takes_away(call->kind)) {
        if (!resumed) /* else nothing runs that could be lost */
            check_guardian(w, machine);
        oracle_before_act(w, world_unit(machine, ""), id);
    }
}

void oracle_services_called(struct world *w, int machine, const struct call *call,
                            const struct command_id *id, uint64_t run, enum verb verb)
{
    struct services_seen *s = seen_of(w, machine);
    s->trouble_ms = w->now_ms;
    if (!takes_away(call->kind))
        return;
    if (call->kind == CALL_SERVICE_KILL_HOST && w->scm[machine].shared)
        world_violate(w, "%s: a process was ended that %s lived in", w->iis[machine].name,
                      scm_name(SCM_STRANGER));
    s->ours = true;
    s->killed = s->killed || call->kind == CALL_SERVICE_KILL_HOST;
    if (!command_id_equal(&s->acted, id))
        oracle_acted(w, world_unit(machine, ""), id, run, verb);
    s->acted = *id;
}

/* Workers of a dead host go before W3SVC comes; a resumed recipe, and a guardian, only start. */
void oracle_services_start(struct world *w, int machine, int who)
{
    const struct services_seen *s = seen_of(w, machine);
    bool whole = s->killed && s->open && node_life(w, machine) == s->begun_life;
    size_t orphans = 0;
    for (size_t k = 0; k < w->pools; k++)
        orphans += iis_orphans(world_iis(w, world_unit_at(machine, k)), w->now_ms);
    if (whole && who == SCM_WEB && orphans && !w->guards[machine].acts_ms)
        world_violate(w, "%s: W3SVC is started beside %zu workers of a dead host",
                      w->iis[machine].name, orphans);
    if (who == SCM_STRANGER)
        world_violate(w, "%s: %s is started, and is none of ours", w->iis[machine].name,
                      scm_name(SCM_STRANGER));
}

void oracle_services_ended(struct world *w, int machine, const struct command_id *id)
{
    struct services_seen *s = seen_of(w, machine);
    if (!s->open || !command_id_equal(&s->begun, id))
        return;
    s->open = false;
    /* It ended, and said so: what it could not start, or others stopped meanwhile, is a person's.
     */
    if (s->ours && (scm_cannot(&w->scm[machine]) || s->others_ms >= s->begun_ms))
        s->ours = false;
}

/* ---- after every event ---- */

/* The first of what ran before that does not run; -1: all do. A person may have disabled one.
 * coming: what starts counts as well. */
static int missing(const struct services_seen *s, const struct scm *m, bool coming)
{
    for (int i = 0; i < SCM_STRANGER; i++)
        if (s->wanted[i] && !scm_runs(m, (enum scm_who)i) &&
            !(coming && m->all[i].state == SVC_START_PENDING) &&
            m->all[i].start != SVC_START_DISABLED)
            return i;
    return -1;
}

static void note_what_runs(struct world *w, int machine)
{
    struct services_seen *s = seen_of(w, machine);
    const struct scm *m = &w->scm[machine];
    if (!scm_runs(m, SCM_WAS) || !scm_runs(m, SCM_WEB))
        s->down_ms = w->now_ms;
    if (s->ours && missing(s, m, false) < 0)
        s->ours = false;
    if (!s->ours && scm_is_well(m))
        for (int i = 0; i < SCM_STRANGER; i++)
            s->wanted[i] = true;
}

static void check_back(struct world *w, int machine)
{
    const struct services_seen *s = seen_of(w, machine);
    const struct scm *m = &w->scm[machine];
    const char *name = w->iis[machine].name;
    bool boots = w->iis[machine].powered_off;
    if (!s->ours || scm_cannot(m))
        return;
    if (!s->open && !w->guards[machine].stands && !boots && missing(s, m, true) >= 0)
        world_violate(w, "%s: a recipe stopped %s, and nobody is left to start it", name,
                      scm_name((enum scm_who)missing(s, m, true)));
    uint64_t since_ms = s->trouble_ms > node_asleep_until_ms(w, machine)
                            ? s->trouble_ms
                            : node_asleep_until_ms(w, machine);
    if (w->now_ms > since_ms + BACK_MS)
        world_violate(w, "%s: a recipe stopped %s, and it does not run again after %u s", name,
                      scm_name((enum scm_who)missing(s, m, false)), (unsigned)(BACK_MS / 1000));
}

void oracle_services_look(struct world *w)
{
    for (int i = 0; i < (int)w->servers; i++) {
        note_what_runs(w, i);
        check_back(w, i);
    }
}
