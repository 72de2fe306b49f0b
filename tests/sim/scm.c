/* scm.c - see scm.h. */
#include "tests/sim/scm.h"

#include "common/text.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#define HOST_FIRST     1000
#define STRANGER_PID   900
#define SERVICE_MIN_MS 50
#define SERVICE_MAX_MS 400
#define WAS_MAX_MS     1500

static const char *const names[SCM_SERVICES] = {"WAS", "W3SVC", "NetPipeActivator", "Spooler"};

const char *scm_name(enum scm_who who)
{
    return names[who];
}

int scm_named(const char *name)
{
    for (int i = 0; i < SCM_SERVICES; i++)
        if (text_equal_nocase(names[i], name))
            return i;
    return -1;
}

bool scm_runs(const struct scm *m, enum scm_who who)
{
    return m->all[who].state == SVC_RUNNING;
}

static bool is_up(const struct scm *m, enum scm_who who)
{
    enum service_state state = m->all[who].state;
    return state != SVC_STOPPED && state != SVC_ABSENT;
}

bool scm_is_well(const struct scm *m)
{
    return scm_runs(m, SCM_WAS) && scm_runs(m, SCM_WEB) && scm_runs(m, SCM_PIPE);
}

static bool is_disabled(const struct scm *m, enum scm_who who)
{
    return m->all[who].start == SVC_START_DISABLED;
}

bool scm_cannot(const struct scm *m)
{
    bool held = m->shared && m->all[SCM_WAS].state == SVC_STOP_PENDING && m->stuck;
    return m->no_start || held || is_disabled(m, SCM_WAS);
}

/* ---- pools follow WAS, sites follow W3SVC ---- */

static void tell_pools(struct world *w, int machine)
{
    const struct scm *m = &w->scm[machine];
    for (size_t k = 0; k < w->pools; k++)
        iis_services(world_iis(w, world_unit_at(machine, k)), scm_runs(m, SCM_WAS),
                     scm_runs(m, SCM_WEB), w->now_ms);
}

static void host_ends(struct world *w, int machine)
{
    w->scm[machine].host_pid = 0;
    for (size_t k = 0; k < w->pools; k++)
        iis_host_died(world_iis(w, world_unit_at(machine, k)), w->now_ms);
}

static void enter(struct world *w, int machine, enum scm_who who, enum service_state state)
{
    struct scm *m = &w->scm[machine];
    if (m->all[who].state == state)
        return;
    m->all[who].state = state;
    m->all[who].no++;
    world_say(w, "%s: %s is %s", w->iis[machine].name, names[who], service_state_name(state));
    if (state == SVC_RUNNING && who != SCM_STRANGER && m->host_pid == 0) {
        m->host_pid = HOST_FIRST + (uint32_t)(w->now_ms % 100) * 4; /* pids come again */
        m->host_created = w->now_ms;
    }
    if (!is_up(m, SCM_WAS) && !is_up(m, SCM_WEB) && !m->shared)
        m->host_pid = 0; /* the last one out */
    tell_pools(w, machine);
}

/* ---- what is pending ---- */

static void on_pending(struct world *w, const struct due *d)
{
    enum scm_who who = (enum scm_who)(d->arg % SCM_SERVICES);
    struct scm *m = &w->scm[d->who];
    struct scm_service *s = &m->all[who];
    if (s->no != d->arg / SCM_SERVICES)
        return;
    if (s->state == SVC_STOP_PENDING)
        enter(w, d->who, who, SVC_STOPPED);
    else if (who == SCM_WEB && m->no_start)
        enter(w, d->who, who, SVC_STOPPED);
    else if (who == SCM_WAS || scm_runs(m, SCM_WAS))
        enter(w, d->who, who, SVC_RUNNING);
    else if (m->all[SCM_WAS].state == SVC_START_PENDING)
        world_at(w, w->now_ms + SERVICE_MIN_MS, on_pending, d->who, d->arg, NULL, 0);
    else
        enter(w, d->who, who, SVC_STOPPED);
}

static void pend(struct world *w, int machine, enum scm_who who, enum service_state state,
                 uint64_t until_ms)
{
    enter(w, machine, who, state);
    if (until_ms != IIS_NEVER)
        world_at(w, until_ms, on_pending, machine,
                 w->scm[machine].all[who].no * SCM_SERVICES + (uint64_t)who, NULL, 0);
}

static uint64_t soon(struct world *w, uint64_t most_ms)
{
    return w->now_ms + rng_between(&w->scm_rng, SERVICE_MIN_MS, most_ms);
}

enum error_code scm_start(struct world *w, int machine, enum scm_who who)
{
    struct scm *m = &w->scm[machine];
    struct scm_service *s = &m->all[who], *was = &m->all[SCM_WAS];
    bool needs = who == SCM_WEB || who == SCM_PIPE;
    if (s->state == SVC_RUNNING || s->state == SVC_START_PENDING)
        return ERR_EXISTS;
    if (s->start == SVC_START_DISABLED)
        return ERR_STATE;
    if (s->state == SVC_STOP_PENDING || (needs && was->state == SVC_STOP_PENDING))
        return ERR_BUSY;
    if (needs && was->state == SVC_STOPPED) {
        if (is_disabled(m, SCM_WAS))
            return ERR_STATE;
        pend(w, machine, SCM_WAS, SVC_START_PENDING, soon(w, WAS_MAX_MS));
    }
    pend(w, machine, who, SVC_START_PENDING, soon(w, who == SCM_WAS ? WAS_MAX_MS : SERVICE_MAX_MS));
    return ERR_NONE;
}

/* WAS has stopped when its last worker has. */
static void stop_was(struct world *w, int machine)
{
    struct scm *m = &w->scm[machine];
    uint64_t last_ms = soon(w, SERVICE_MAX_MS);
    for (size_t k = 0; k < w->pools; k++) {
        struct iis *s = world_iis(w, world_unit_at(machine, k));
        uint64_t gone_ms = iis_end_workers(s, m->stuck, w->now_ms);
        last_ms = gone_ms > last_ms ? gone_ms : last_ms;
    }
    pend(w, machine, SCM_WAS, SVC_STOP_PENDING, m->stuck ? IIS_NEVER : last_ms);
}

static enum error_code stop(struct world *w, int machine, enum scm_who who)
{
    struct scm *m = &w->scm[machine];
    if (m->all[who].state == SVC_STOPPED)
        return ERR_EXISTS;
    if (who == SCM_WEB && m->no_stop)
        return m->no_stop;
    if (who == SCM_WAS && (is_up(m, SCM_WEB) || is_up(m, SCM_PIPE)))
        return ERR_STATE;
    if (m->all[who].state != SVC_RUNNING)
        return ERR_BUSY;
    if (who == SCM_WAS)
        stop_was(w, machine);
    else
        pend(w, machine, who, SVC_STOP_PENDING, soon(w, SERVICE_MAX_MS));
    return ERR_NONE;
}

static enum error_code kill_host(struct world *w, int machine, const struct call *call)
{
    struct scm *m = &w->scm[machine];
    if (m->host_pid == 0 || m->host_pid != call->pid || m->host_created != call->created)
        return ERR_EXISTS;
    m->stuck = false; /* what it was stuck in is gone with it */
    host_ends(w, machine);
    for (int i = 0; i < SCM_SERVICES; i++)
        if (i != SCM_STRANGER || m->shared)
            enter(w, machine, (enum scm_who)i, SVC_STOPPED);
    return ERR_NONE;
}

static enum error_code kill_worker(struct world *w, int machine, const struct call *call)
{
    for (size_t k = 0; k < w->pools; k++)
        if (iis_end_orphan(world_iis(w, world_unit_at(machine, k)), call->pid, call->created,
                           w->now_ms))
            return ERR_NONE;
    return ERR_NOT_FOUND;
}

static enum error_code set_start(struct world *w, int machine, int who, const struct call *call)
{
    struct scm *m = &w->scm[machine];
    if (m->all[who].start == call->start)
        return ERR_EXISTS;
    m->all[who].start = call->start;
    return ERR_NONE;
}

static enum error_code carry_out(struct world *w, int machine, const struct call *call)
{
    int who = scm_named(call->service);
    if (call->kind == CALL_WORKER_KILL)
        return kill_worker(w, machine, call);
    if (who < 0)
        return ERR_NOT_FOUND;
    switch (call->kind) {
    case CALL_SERVICE_START:
        return scm_start(w, machine, (enum scm_who)who);
    case CALL_SERVICE_STOP:
        return stop(w, machine, (enum scm_who)who);
    case CALL_SERVICE_KILL_HOST:
        return kill_host(w, machine, call);
    case CALL_SERVICE_SET_START:
        return set_start(w, machine, who, call);
    default:
        return ERR_INVALID;
    }
}

bool scm_act(struct world *w, int machine, const struct call *call, enum error_code *code)
{
    struct scm *m = &w->scm[machine];
    enum error_code forced = m->next_error;
    bool done_all_the_same = m->error_but_done;
    m->next_error = ERR_NONE;
    m->error_but_done = false;
    if (forced != ERR_NONE && !done_all_the_same) {
        *code = forced;
        return false;
    }
    enum error_code came = carry_out(w, machine, call);
    *code = forced != ERR_NONE ? forced : came;
    return came == ERR_NONE;
}

/* ---- what is seen ---- */

uint64_t scm_call_ms(struct world *w, const struct call *call)
{
    return call->kind == CALL_SERVICE_WAIT ? 1 : rng_between(&w->scm_rng, 5, 120);
}

bool scm_wait_is_over(struct world *w, int machine, const struct call *call, uint64_t since_ms,
                      enum error_code *code)
{
    int who = scm_named(call->service);
    enum service_state state = who < 0 ? SVC_ABSENT : w->scm[machine].all[who].state;
    bool ended = call->state == SVC_RUNNING && state == SVC_STOPPED;
    bool late = w->now_ms >= since_ms + call->timeout_ms;
    *code = who < 0                ? ERR_NOT_FOUND
            : state == call->state ? ERR_NONE
            : ended                ? ERR_STATE
                                   : ERR_TIMEOUT;
    return *code != ERR_TIMEOUT || late;
}

static void fill_host(const struct scm *m, struct driver_host *out)
{
    *out = (struct driver_host){.pid = m->host_pid, .created = m->host_created};
    for (int i = 0; i < SCM_SERVICES && m->host_pid; i++) {
        if (!is_up(m, (enum scm_who)i) || (i == SCM_STRANGER && !m->shared))
            continue;
        struct driver_lodger *l = &out->lodgers[out->lodger_count++];
        text_copy(l->service, sizeof(l->service), names[i]);
        l->expendable = i != SCM_STRANGER;
    }
}

void scm_fill(struct world *w, int machine, struct call_result *out)
{
    struct scm *m = &w->scm[machine];
    size_t count = w->options.services ? SCM_SERVICES : SCM_PIPE;
    if (out->call.kind == CALL_SERVICE_HOST) {
        fill_host(m, &out->lodgers);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool lodges = i != SCM_STRANGER || m->shared;
        m->seen[i] = (struct service){.name = names[i],
                                      .state = m->all[i].state,
                                      .start = m->all[i].start,
                                      .pid = !is_up(m, (enum scm_who)i) ? 0
                                             : lodges                   ? m->host_pid
                                                                        : STRANGER_PID};
    }
    m->needs[0] = (struct service_need){names[SCM_WEB], names[SCM_WAS]};
    m->needs[1] = (struct service_need){names[SCM_PIPE], names[SCM_WAS]};
    out->view.services_known = true;
    out->view.services = m->seen;
    out->view.service_count = count;
    out->view.needs = m->needs;
    out->view.need_count = w->options.services ? SCM_NEEDS : 0;
}

/* ---- what others do ---- */

void scm_init(struct world *w, int machine)
{
    struct scm *m = &w->scm[machine];
    *m = (struct scm){.host_pid = HOST_FIRST, .host_created = w->now_ms};
    for (int i = 0; i < SCM_SERVICES; i++)
        m->all[i] = (struct scm_service){.state = SVC_RUNNING, .start = SVC_START_AUTO};
}

void scm_power_off(struct world *w, int machine)
{
    host_ends(w, machine);
    for (int i = 0; i < SCM_SERVICES; i++)
        enter(w, machine, (enum scm_who)i, SVC_STOPPED);
}

static void run_now(struct world *w, int machine)
{
    for (int i = 0; i < SCM_SERVICES; i++)
        if (!is_disabled(&w->scm[machine], (enum scm_who)i))
            enter(w, machine, (enum scm_who)i, SVC_RUNNING);
}

void scm_power_on(struct world *w, int machine)
{
    struct scm *m = &w->scm[machine];
    m->stuck = m->no_start = false;
    m->no_stop = ERR_NONE;
    if (!is_disabled(m, SCM_WAS))
        run_now(w, machine);
}

static void others_stop(struct world *w, const struct due *d)
{
    struct scm *m = &w->scm[d->who];
    if (is_up(m, SCM_WEB) || is_up(m, SCM_PIPE)) {
        stop(w, d->who, SCM_WEB);
        stop(w, d->who, SCM_PIPE);
    }
    if (stop(w, d->who, SCM_WAS) == ERR_STATE && d->arg > 0) /* its dependents stop still */
        world_at(w, w->now_ms + SERVICE_MAX_MS, others_stop, d->who, d->arg - 1, NULL, 0);
}

void scm_foreign_stop(struct world *w, int machine)
{
    if (w->iis[machine].powered_off)
        return;
    oracle_services_trouble(w, machine, true);
    world_at(w, w->now_ms, others_stop, machine, 3, NULL, 0);
}

void scm_disable(struct world *w, int machine)
{
    struct scm *m = &w->scm[machine];
    if (w->iis[machine].powered_off || m->on_purpose)
        return;
    world_say(w, "%s: a person disables WAS and stops everything", w->iis[machine].name);
    m->all[SCM_WAS].start = SVC_START_DISABLED;
    m->on_purpose = true;
    m->purpose_ms = w->now_ms;
    scm_foreign_stop(w, machine);
}

static void clear(struct world *w, int machine)
{
    struct scm *m = &w->scm[machine];
    m->stuck = m->no_start = false;
    m->no_stop = m->next_error = ERR_NONE;
    if (m->all[SCM_WAS].state != SVC_STOP_PENDING)
        return;
    host_ends(w, machine);
    for (size_t k = 0; k < w->pools; k++)
        iis_end_orphans(world_iis(w, world_unit_at(machine, k)), w->now_ms);
    enter(w, machine, SCM_WAS, SVC_STOPPED);
}

void scm_enable(struct world *w, int machine)
{
    struct scm *m = &w->scm[machine];
    if (!m->on_purpose)
        return;
    world_say(w, "%s: a person's work on it is over", w->iis[machine].name);
    m->on_purpose = false;
    m->all[SCM_WAS].start = SVC_START_AUTO;
    if (w->iis[machine].powered_off)
        return;
    clear(w, machine);
    run_now(w, machine);
}

void scm_mend(struct world *w, int machine)
{
    struct scm *m = &w->scm[machine];
    bool hindered = m->stuck || m->no_start || m->no_stop;
    if (w->iis[machine].powered_off || m->on_purpose)
        return;
    if (hindered)
        clear(w, machine);
    if (!scm_is_well(m) && !oracle_services_are_ours(w, machine))
        run_now(w, machine);
}
