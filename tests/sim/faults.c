/* faults.c - see world.h: what breaks, and when the breaking is over. */
#include "tests/sim/oracle.h"
#include "tests/sim/vfs.h"
#include "tests/sim/world.h"

#define FIRST_MS   6000
#define SPAN_MS    90000
#define FAULTS_MAX 8
#define HOUR_MS    3600000
#define PERSON_MS  1800000

static int a_server(struct world *w)
{
    return (int)(rng_next(&w->faults) % w->servers);
}

/* ---- network ---- */

static void net_well(struct world *w, const struct due *d)
{
    (void)d;
    w->loss_permille = w->double_permille = w->late_permille = 0;
}

static void break_net(struct world *w)
{
    uint64_t kind = rng_between(&w->faults, 0, 3);
    if (kind == 0) {
        net_cut(w, a_server(w));
        return;
    }
    if (kind == 1) {
        world_say(w, "net: a storm of reconnects");
        for (size_t i = 0; i < w->machines; i++)
            if (w->pipes[i].id)
                net_close(w, w->pipes[i].id);
        return;
    }
    world_say(w, "net: messages get lost, doubled and late");
    w->loss_permille = (uint32_t)rng_between(&w->faults, 0, 300);
    w->double_permille = (uint32_t)rng_between(&w->faults, 0, 300);
    w->late_permille = (uint32_t)rng_between(&w->faults, 0, 300);
    world_at(w, w->now_ms + rng_between(&w->faults, 2000, 20000), net_well, 0, 0, NULL, 0);
}

/* ---- processes ---- */

static void break_process(struct world *w)
{
    if (rng_chance(&w->faults, 500))
        centre_crash(w, 0, "killed");
    else
        node_crash(w, a_server(w), "killed", rng_chance(&w->faults, 300));
}

/* ---- disks ---- */

static const char *disk_at(struct world *w, int who)
{
    return who < 0 ? centre_disk(w->centres[0]) : node_disk(w->nodes[who]);
}

static void disk_well(struct world *w, const struct due *d)
{
    vfs_set_trouble(disk_at(w, d->who), VFS_FINE);
    vfs_fail_after(disk_at(w, d->who), 0);
    world_say(w, "disk %s is well again", disk_at(w, d->who));
}

static void break_disk(struct world *w)
{
    int who = rng_chance(&w->faults, 500) ? -1 : a_server(w);
    uint64_t kind = rng_between(&w->faults, 0, 3);
    if (kind == 3)
        vfs_fail_after(disk_at(w, who), (uint32_t)rng_between(&w->faults, 1, 40));
    else
        vfs_set_trouble(disk_at(w, who), (enum vfs_trouble)(VFS_FULL + kind));
    world_say(w, "disk %s is in trouble %u", disk_at(w, who), (unsigned)kind);
    world_at(w, w->now_ms + rng_between(&w->faults, 500, 20000), disk_well, who, 0, NULL, 0);
}

/* ---- web servers ---- */

/* Well and unwell by turns; the last turn is well. */
static void flap(struct world *w, const struct due *d)
{
    struct iis *s = world_iis(w, d->who);
    bool well = d->arg % 2 == 0;
    s->next_status = well ? 200 : 500;
    iis_answers(s, s->next_status);
    if (d->arg > 0)
        world_at(w, w->now_ms + rng_between(&w->iis_rng, 300, 4000), flap, d->who, d->arg - 1, NULL,
                 0);
}

/* A worker that dies again and again. */
static void crash_again(struct world *w, const struct due *d)
{
    iis_crash_worker(world_iis(w, d->who), w->now_ms);
    if (d->arg > 0)
        world_at(w, w->now_ms + rng_between(&w->iis_rng, 500, 3000), crash_again, d->who,
                 d->arg - 1, NULL, 0);
}

/* More than half of the farm shows the same at once. */
static void break_half(struct world *w)
{
    bool hang = rng_chance(&w->faults, 500);
    world_say(w, "half of the farm %s at once", hang ? "hangs" : "answers 500");
    for (size_t i = 0; i <= w->servers / 2 && i < w->servers; i++) {
        w->iis[i].next_status = hang ? 0 : 500;
        iis_answers(&w->iis[i], w->iis[i].next_status);
    }
}

/* What a rule may find, beside what breaks anyway. */
static void break_for_rules(struct world *w)
{
    int at = world_unit_at(a_server(w), w->pools > 1 && rng_chance(&w->faults, 400));
    struct iis *s = world_iis(w, at);
    uint64_t kind = rng_between(&w->faults, 0, w->options.hour ? 3 : 4);
    world_say(w, "%s: trouble %u for rules", world_unit_name(w, at), (unsigned)kind);
    switch (kind) {
    case 0:
        iis_leak(s, w->now_ms);
        break;
    case 1:
        iis_hang(s, w->now_ms);
        break;
    case 2:
        world_at(w, w->now_ms, crash_again, at, rng_between(&w->faults, 2, 8), NULL, 0);
        break;
    case 3:
        iis_foreign_stop(s, w->now_ms);
        break;
    default:
        break_half(w);
    }
}

/* ---- services ---- */

static void purpose_over(struct world *w, const struct due *d)
{
    scm_enable(w, d->who);
}

/* Who starts it again starts it for good. */
static void start_well(struct world *w, const struct due *d)
{
    w->scm[d->who].no_start = false;
}

static void hang_all(struct world *w, int at)
{
    for (size_t k = 0; k < w->pools; k++)
        iis_hang(world_iis(w, world_unit_at(at, k)), w->now_ms);
}

static void break_stops(struct world *w, int at)
{
    struct scm *m = &w->scm[at];
    m->shared = rng_chance(&w->faults, 300);
    bool sticks = m->stuck && m->all[SCM_WAS].state == SVC_STOP_PENDING; /* for good */
    m->stuck = rng_chance(&w->faults, 600) || sticks;
    if (rng_chance(&w->faults, 400))
        m->no_stop = rng_chance(&w->faults, 500) ? ERR_BUSY : ERR_DENIED;
    if (rng_chance(&w->faults, 500))
        scm_foreign_stop(w, at);
    else
        hang_all(w, at);
}

static void break_calls(struct world *w, int at)
{
    static const enum error_code codes[] = {ERR_BUSY, ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_IO};
    struct scm *m = &w->scm[at];
    m->next_error = codes[rng_next(&w->faults) % 4];
    m->error_but_done = m->next_error >= ERR_TIMEOUT && m->next_error != ERR_UNAVAILABLE &&
                        rng_chance(&w->faults, 500);
}

static void break_services(struct world *w)
{
    int at = a_server(w);
    uint64_t kind = rng_between(&w->faults, 0, 6);
    world_say(w, "%s: trouble %u in its services", w->iis[at].name, (unsigned)kind);
    oracle_services_trouble(w, at, false);
    switch (kind) {
    case 0:
        scm_foreign_stop(w, at);
        break;
    case 1:
    case 2:
        break_stops(w, at);
        break;
    case 3:
        scm_disable(w, at);
        world_at(w, w->now_ms + rng_between(&w->faults, 8000, 40000), purpose_over, at, 0, NULL, 0);
        break;
    case 4:
        w->scm[at].no_start = true;
        scm_foreign_stop(w, at);
        world_at(w, w->now_ms + rng_between(&w->faults, 5000, 40000), start_well, at, 0, NULL, 0);
        break;
    case 5:
        w->guards[at].widowed = true;
        break;
    default:
        break_calls(w, at);
    }
}

static void break_iis(struct world *w)
{
    if (w->options.hour || (w->options.remedy && rng_chance(&w->faults, 600))) {
        break_for_rules(w);
        return;
    }

    static const enum error_code codes[] = {ERR_NOT_FOUND,   ERR_STATE,   ERR_BUSY,    ERR_DENIED,
                                            ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_CORRUPT, ERR_IO};
    int at = world_unit_at(a_server(w), w->pools > 1 && rng_chance(&w->faults, 400));
    struct iis *s = world_iis(w, at);
    uint64_t kind = rng_between(&w->faults, 0, 9);
    world_say(w, "%s: trouble %u in its web server", world_unit_name(w, at), (unsigned)kind);
    switch (kind) {
    case 0:
        iis_crash_worker(s, w->now_ms);
        break;
    case 1:
        iis_own_recycle(s, w->now_ms);
        break;
    case 2:
        iis_foreign_stop(s, w->now_ms);
        break;
    case 3:
        s->stubborn = true;
        break;
    case 4:
        s->next_status = 500;
        break;
    case 5:
        iis_hang(s, w->now_ms);
        break;
    case 6:
        world_at(w, w->now_ms, flap, at, 2 * rng_between(&w->faults, 1, 6), NULL, 0);
        break;
    default:
        s->next_error = codes[rng_next(&w->faults) % 8];
        /* These promise that nothing was done. */
        s->error_but_done = s->next_error >= ERR_TIMEOUT && s->next_error != ERR_UNREACHABLE &&
                            s->next_error != ERR_UNAVAILABLE && rng_chance(&w->faults, 500);
    }
}

/* ---- balancer ---- */

static void foreign_end(struct world *w, const struct due *d)
{
    if (w->lb.lines[d->who].foreign)
        lb_foreign(w, d->who, BALANCER_READY);
}

static int a_line(struct world *w, int server)
{
    return lb_backends(w) == 1 ? server : world_unit_at(server, rng_next(&w->faults) % 2);
}

static void break_balancer(struct world *w)
{
    int at = a_server(w);
    switch (rng_between(&w->faults, 0, 3)) {
    case 0:
        lb_reload(w);
        break;
    case 1:
        world_say(w, "lb: does not answer");
        w->lb.down_until_ms = w->now_ms + rng_between(&w->faults, 1000, 15000);
        break;
    case 2:
        lb_foreign(w, a_line(w, at), BALANCER_READY);
        break;
    default:
        at = a_line(w, at);
        lb_foreign(w, at, BALANCER_DRAIN);
        world_at(w, w->now_ms + rng_between(&w->faults, 5000, 30000), foreign_end, at, 0, NULL, 0);
    }
}

/* ---- stores and who owns them ---- */

static void restore(struct world *w, const struct due *d)
{
    (void)d;
    world_say(w, "c0: a copy of its store, from a while ago, is put back");
    centre_restore(w, 0, "copy");
}

static void break_store(struct world *w)
{
    vfs_copy(centre_disk(w->centres[0]), "copy", true);
    world_say(w, "c0: its store is copied");
    world_at(w, w->now_ms + rng_between(&w->faults, 500, 25000), restore, 0, 0, NULL, 0);
}

static void stop_twin(struct world *w, const struct due *d)
{
    (void)d;
    centre_retire(w, 1);
}

/* Some agents find the other one. */
static void move_agents(struct world *w, const struct due *d)
{
    (void)d;
    for (size_t i = 0; i < w->machines; i++)
        if (w->pipes[i].id && rng_chance(&w->faults, 600))
            net_close(w, w->pipes[i].id);
}

/* A second coordinator, on a copy of the first one's store, and agents find either. */
static void break_authority(struct world *w)
{
    if (w->centres[1])
        return;
    centre_twin(w, 0);
    for (uint64_t i = rng_between(&w->faults, 1, 3); i > 0; i--)
        world_at(w, w->now_ms + rng_between(&w->faults, 500, 9000), move_agents, 0, 0, NULL, 0);
    world_at(w, w->now_ms + rng_between(&w->faults, 4000, 18000), stop_twin, 1, 0, NULL, 0);
}

/* Gone with its disk, or there twice. */
static void break_journal(struct world *w)
{
    if (rng_chance(&w->faults, 600))
        node_lose_journal(w, a_server(w));
    else
        node_clone(w, a_server(w));
}

/* ---- machines ---- */

static void break_time(struct world *w)
{
    int64_t jump = (int64_t)rng_between(&w->faults, 0, 20000000) - 10000000;
    uint64_t ms = rng_between(&w->faults, 1500, 40000);
    switch (rng_between(&w->faults, 0, 3)) {
    case 0:
        centre_sleep(w, 0, ms, rng_chance(&w->faults, 400));
        break;
    case 1:
        node_sleep(w, a_server(w), ms, rng_chance(&w->faults, 400));
        break;
    case 2:
        world_say(w, "c0: its wall clock jumps");
        centre_jump(w->centres[0], jump);
        break;
    default:
        node_jump(w->nodes[a_server(w)], jump);
    }
}

/* ---- the plan ---- */

/* Each has its chances of its own, so that one that is left out changes nothing of the others. */
static void strike(struct world *w, const struct due *d)
{
    uint32_t bit = (uint32_t)d->arg;
    w->faults = rng_of(w->options.seed, 1000 + (uint64_t)d->who);
    if (w->options.without >> d->who & 1)
        return;
    world_say(w, "fault %d", d->who + 1);
    w->struck_ms = w->now_ms;
    for (size_t i = 0; i < FAULT_BITS; i++)
        w->strikes[i] += bit >> i & 1;
    if (w->options.services && rng_chance(&w->faults, 500)) {
        break_services(w);
        return;
    }
    switch ((enum fault_bit)bit) {
    case FAULT_NET:
        break_net(w);
        return;
    case FAULT_CRASH:
        break_process(w);
        return;
    case FAULT_DISK:
        break_disk(w);
        return;
    case FAULT_IIS:
        break_iis(w);
        return;
    case FAULT_BALANCER:
        break_balancer(w);
        return;
    case FAULT_SLEEP:
        break_time(w);
        return;
    case FAULT_JOURNAL:
        break_journal(w);
        return;
    case FAULT_RESTORE:
        break_store(w);
        return;
    case FAULT_TWINS:
        break_authority(w);
        return;
    case FAULT_PEOPLE: /* people do that by themselves */
    case FAULT_OTHERS:
        return;
    }
}

static void over(struct world *w, const struct due *d)
{
    (void)d;
    w->faults_over = true;
    w->calm_since_ms = w->now_ms;
    w->lb.down_until_ms = 0;
    if (w->machines > w->servers)
        node_switch_off(w, (int)w->servers);
    for (int who = -1; who < (int)w->servers; who++) {
        vfs_set_trouble(disk_at(w, who), VFS_FINE);
        vfs_fail_after(disk_at(w, who), 0);
    }
    net_well(w, d);
    world_say(w, "nothing breaks any more");
}

static uint32_t pick_bit(struct world *w)
{
    uint32_t bit;
    if (!(w->options.faults & ((1u << FAULT_BITS) - 1)))
        return FAULT_OTHERS;
    do
        bit = 1u << rng_between(&w->faults, 0, FAULT_BITS - 1);
    while (!(w->options.faults & bit));
    return bit;
}

/* The new journal is approved by then, and nobody has settled what the old one knew. */
static void restart_later(struct world *w, const struct due *d)
{
    (void)d;
    centre_crash(w, 0, "killed, while a journal is lost");
}

/* Somebody looks at last, and puts right what is wrong with the servers. */
static void person_mends(struct world *w, const struct due *d)
{
    world_say(w, "a person mends the servers");
    for (size_t i = 0; i < w->servers; i++)
        iis_mend(&w->iis[i], w->now_ms);
    if (!w->faults_over)
        world_at(w, w->now_ms + PERSON_MS, person_mends, 0, d->arg, NULL, 0);
}

static void an_hour(struct world *w)
{
    uint64_t count = rng_between(&w->faults, 10, 30), last_ms = FIRST_MS;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at_ms = FIRST_MS + rng_between(&w->faults, 0, HOUR_MS);
        last_ms = at_ms > last_ms ? at_ms : last_ms;
        world_at(w, at_ms, strike, (int)i, FAULT_IIS, NULL, 0);
    }
    w->faults_planned = (uint32_t)count;
    world_at(w, PERSON_MS, person_mends, 0, 0, NULL, 0);
    world_at(w, last_ms + 26000, over, 0, 0, NULL, 0);
}

void faults_begin(struct world *w)
{
    if (w->options.hour) {
        an_hour(w);
        return;
    }
    if (w->options.services && w->options.crash_actor != ACTOR_NONE)
        w->scm[0].stuck = rng_chance(&w->faults, 500); /* the way through a kill as well */
    if (w->options.lose_journal)
        world_at(w, 45000, restart_later, 0, 0, NULL, 0);
    if (w->options.script) /* that says itself when nothing breaks any more */
        return;
    uint64_t last_ms = FIRST_MS;
    uint64_t count = w->options.faults ? rng_between(&w->faults, 1, FAULTS_MAX) : 0;
    uint64_t span_ms = w->options.faults ? rng_between(&w->faults, 10000, SPAN_MS) : 1;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at_ms = FIRST_MS + rng_between(&w->faults, 0, span_ms);
        last_ms = at_ms > last_ms ? at_ms : last_ms;
        world_at(w, at_ms, strike, (int)i, pick_bit(w), NULL, 0);
    }
    w->faults_planned = (uint32_t)count;
    world_at(w, last_ms + (count ? 26000 : 0), over, 0, 0, NULL, 0);
}
