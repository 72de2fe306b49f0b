/* recovery_stop.c - see recovery.h: the stop half. Every way out of it leads to the start half,
 * unless the stop is to stay. */
#include "agent/recovery_internal.h"

#include "common/text.h"

#include <string.h>

#define STOP_AGAIN_MS   5000 /* a service that takes no stop now is asked again */
#define KILLED_LOOK_MS  500
#define KILLS_MAX       2 /* WAS and W3SVC may live apart */
#define ORPHAN_ROUNDS   3
#define SET_START_TRIES 3
#define SET_START_MS    1000

static bool stays(const struct recovery *r)
{
    return r->record->verb == VERB_SERVICE_STOP;
}

static bool is_core(const char *name)
{
    return text_equal_nocase(name, RECOVERY_WAS) || text_equal_nocase(name, RECOVERY_WEB);
}

/* Whose process is looked for: the one of WAS, or what is left of W3SVC elsewhere. */
static const char *left_standing(const struct recovery *r)
{
    return recovery_state(r, RECOVERY_WAS) != SVC_STOPPED ? RECOVERY_WAS : RECOVERY_WEB;
}

const char *recovery_stopping(const struct recovery *r)
{
    bool one_by_one = r->step == RECOVERY_STOP || r->step == RECOVERY_STOPPED;
    return one_by_one ? r->order[r->order_at] : left_standing(r);
}

/* ---- ways out ---- */

static void look_for_orphans(struct recovery *r, uint64_t now_ms)
{
    r->orphan_rounds++;
    recovery_enter(r, RECOVERY_ORPHANS, now_ms, "looking for workers that were left behind");
}

static void all_stopped(struct recovery *r, uint64_t now_ms)
{
    bool was_runs = r->finishes && recovery_state(r, RECOVERY_WAS) == SVC_RUNNING;
    if (was_runs) { /* W3SVC alone was stopping: the workers are those of a WAS that lives */
        recovery_start_half(r, now_ms);
        return;
    }
    if (!stays(r)) {
        look_for_orphans(r, now_ms);
        return;
    }
    recovery_wind_up(r, now_ms, "stopped; WAS is disabled (it was %s) until `service start`",
                     service_start_name(r->record->former));
}

/* WAS or W3SVC does not stop: its process may have to go. */
static void not_stopped(struct recovery *r, uint64_t now_ms)
{
    if (stays(r)) {
        recovery_fails(r, CAUSE_TIMEOUT,
                       "%s did not stop; WAS stays disabled, `service recover "
                       "--enable` or `service start` brings them back",
                       recovery_stopping(r));
        recovery_wind_up(r, now_ms, "%s", "");
        return;
    }
    recovery_enter(r, RECOVERY_STUCK, now_ms, "looking whether %s sticks in its stop",
                   left_standing(r));
}

static void look_at_host(struct recovery *r, uint64_t now_ms)
{
    recovery_enter(r, RECOVERY_HOST, now_ms, "looking who lives in the process of %s",
                   left_standing(r));
}

/* Between two looks it may have stopped and been started again, by a guardian or a failure action.
 * Who may not order stops any more has nothing to do with a service that runs. */
static void stuck_seen(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code == ERR_NONE && result->view.services_known)
        recovery_take_services(r, &result->view);
    enum service_state was = recovery_state(r, RECOVERY_WAS), web = recovery_state(r, RECOVERY_WEB);
    if (was == SVC_STOPPED && web == SVC_STOPPED) {
        all_stopped(r, now_ms);
    } else if (r->finishes && was != SVC_STOP_PENDING && web != SVC_STOP_PENDING) {
        recovery_say(r, "%s was brought up meanwhile", left_standing(r));
        recovery_start_half(r, now_ms);
    } else {
        look_at_host(r, now_ms);
    }
}

/* ---- STOP and STOPPED ---- */

static void watch_stop(struct recovery *r, uint64_t now_ms)
{
    recovery_enter(r, RECOVERY_STOPPED, now_ms, "waiting for %.60s to stop", r->order[r->order_at]);
}

static void stop_next(struct recovery *r, uint64_t now_ms)
{
    if (r->order_at == r->order_count) {
        all_stopped(r, now_ms);
        return;
    }
    r->order_ms = now_ms;
    if (r->finishes)
        watch_stop(r, now_ms);
    else
        recovery_enter(r, RECOVERY_STOP, now_ms, "stopping %.60s", r->order[r->order_at]);
}

/* The one in hand will not stop. What depends on WAS goes with WAS's process, if that must be. */
static void give_up_stop(struct recovery *r, const char *why, uint64_t now_ms)
{
    const char *name = r->order[r->order_at];
    recovery_say(r, "%s did not stop: %s", name, why);
    if (is_core(name)) {
        not_stopped(r, now_ms);
        return;
    }
    r->order_at++;
    stop_next(r, now_ms);
}

static void stop_ordered(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    switch (result->code) {
    case ERR_NONE:
    case ERR_EXISTS:
    case ERR_TIMEOUT: /* whether it was taken is not known: it shows */
    case ERR_BUSY:    /* 1061: it stops already, or takes no stop now */
        r->asked_again = result->code == ERR_BUSY;
        watch_stop(r, now_ms);
        return;
    default:
        give_up_stop(r, result->text, now_ms);
        return;
    }
}

static uint64_t stop_limit(const struct recovery *r)
{
    return is_core(r->order[r->order_at]) ? r->limits.service_stop_ms : r->limits.dependent_ms;
}

static void stop_watched(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    const char *name = r->order[r->order_at];
    char took[TEXT_DURATION_MAX];
    if (result->code == ERR_NONE || result->code == ERR_NOT_FOUND) {
        recovery_say(r, "%s stopped after %s", name,
                     text_format_duration(took, now_ms - r->order_ms));
        r->order_at++;
        stop_next(r, now_ms);
    } else if (now_ms - r->order_ms >= stop_limit(r)) {
        give_up_stop(r, result->text, now_ms);
    } else if (r->asked_again && now_ms - r->entered_ms >= STOP_AGAIN_MS) {
        recovery_enter(r, RECOVERY_STOP, now_ms, "asking %.60s to stop once more", name);
    } else if (result->code != ERR_TIMEOUT) {
        r->retry_at_ms = now_ms + KILLED_LOOK_MS; /* the manager does not answer */
    }
}

static void stop_first(struct recovery *r)
{
    static const char *const names[] = {RECOVERY_WAS};
    struct services_graph graph = recovery_graph(r);
    struct services_order order = services_stop_order(&graph, names, 1);
    bool web = false;
    for (size_t i = 0; i < order.count; i++) {
        web = web || text_equal_nocase(order.names[i], RECOVERY_WEB);
        text_copy(r->order[i], sizeof(r->order[i]), order.names[i]);
    }
    r->order_count = order.count;
    /* W3SVC depends on WAS everywhere; where the manager does not tell, it is stopped all the same.
     */
    if (!web && services_is_up(recovery_state(r, RECOVERY_WEB)) && order.count < SERVICES_MAX) {
        memmove(r->order[1], r->order[0], order.count * sizeof(r->order[0]));
        text_copy(r->order[0], sizeof(r->order[0]), RECOVERY_WEB);
        r->order_count++;
    }
    r->order_at = 0;
}

void recovery_stop_half(struct recovery *r, uint64_t now_ms)
{
    if (r->pools_only) {
        recovery_rest_half(r, now_ms);
        return;
    }
    if (!r->stops) {
        if (r->record->verb == VERB_SERVICE_START)
            recovery_start_half(r, now_ms);
        else
            look_for_orphans(r, now_ms);
        return;
    }
    stop_first(r);
    if (stays(r))
        recovery_enter(r, RECOVERY_DISABLE, now_ms, "disabling WAS");
    else
        recovery_enter(r, RECOVERY_GUARD, now_ms, "starting the guardian");
}

bool recovery_finish_stop(struct recovery *r, uint64_t now_ms)
{
    static const char *const names[] = {RECOVERY_WEB, RECOVERY_WAS};
    r->order_count = r->order_at = 0;
    for (size_t i = 0; i < 2; i++)
        if (recovery_state(r, names[i]) == SVC_STOP_PENDING)
            text_copy(r->order[r->order_count++], sizeof(r->order[0]), names[i]);
    if (r->order_count == 0)
        return false;
    recovery_say(r, "%s was stopping still", r->order[0]);
    r->finishes = true;
    r->start_ms = 0;
    /* A new one: that of the process before may act at any moment, beside us. */
    recovery_enter(r, RECOVERY_GUARD, now_ms, "starting the guardian");
    return true;
}

/* ---- GUARD, DISABLE ---- */

static void guard_stands(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code == ERR_NONE) {
        r->guarded = true;
    } else if (r->up_at_first) {
        recovery_fails(r, CAUSE_DRIVER,
                       "nothing was stopped, since no guardian could be started: "
                       "%.150s",
                       result->text);
        recovery_wind_up(r, now_ms, "%s", "");
        return;
    } else { /* it is down as it is: there is nothing to lose, unless others brought it up meanwhile
              */
        recovery_say(r, "no guardian could be started: %s", result->text);
        r->unguarded = !r->finishes;
        if (r->unguarded) {
            recovery_enter(r, RECOVERY_LOOK, now_ms, "looking at the services once more");
            return;
        }
    }
    stop_next(r, now_ms);
}

void recovery_stop_unguarded(struct recovery *r, uint64_t now_ms)
{
    bool up = services_is_up(recovery_state(r, RECOVERY_WEB)) &&
              recovery_state(r, RECOVERY_WEB) != SVC_STOP_PENDING;
    if (up) {
        recovery_say(r, "others brought W3SVC up meanwhile: nothing is stopped");
        recovery_start_half(r, now_ms);
        return;
    }
    stop_next(r, now_ms);
}

static void disabled(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code == ERR_NONE || result->code == ERR_EXISTS) {
        stop_next(r, now_ms);
        return;
    }
    if (r->tries < SET_START_TRIES && result->code != ERR_DENIED) {
        r->retry_at_ms = now_ms + SET_START_MS;
        return;
    }
    recovery_fails(r, recipe_cause(result->code),
                   "WAS could not be disabled, nothing was stopped: "
                   "%.150s",
                   result->text);
    recovery_wind_up(r, now_ms, "%s", "");
}

/* ---- HOST, KILL, KILLED ---- */

static void watch_killed(struct recovery *r, uint64_t now_ms)
{
    recovery_enter(r, RECOVERY_KILLED, now_ms, "waiting until WAS and W3SVC are seen stopped");
}

/* A failure action of the system that will come of it, and does no harm to what we want. */
static void say_program(struct recovery *r)
{
    for (size_t i = 0; i < r->host.lodger_count; i++)
        if (text_equal(r->host.lodgers[i].on_death, "run"))
            recovery_say(r, "the system runs a program when %.80s ends: a failure action",
                         r->host.lodgers[i].service);
}

static void host_seen(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    char strangers[WIRE_TEXT_MAX / 4];
    if (result->code != ERR_NONE) {
        recovery_fails(r, recipe_cause(result->code),
                       "%s does not stop, and its process could not "
                       "be found: %.120s",
                       left_standing(r), result->text);
        recovery_start_half(r, now_ms);
        return;
    }
    r->host = result->lodgers;
    switch (services_judge_host(&r->host, strangers, sizeof(strangers))) {
    case SERVICES_HOST_NONE:
        watch_killed(r, now_ms);
        return;
    case SERVICES_HOST_SHARED:
        recovery_fails(r, CAUSE_SHARED_HOST,
                       "%s does not stop, and its process %u was not ended "
                       "since %.120s lives there too",
                       left_standing(r), (unsigned)r->host.pid, strangers);
        recovery_start_half(r, now_ms);
        return;
    case SERVICES_HOST_REBOOTS:
        recovery_fails(r, CAUSE_DENIED_BY_AGENT,
                       "%s does not stop, and its process %u was not ended since the machine would "
                       "restart then: a failure action of %.80s says so",
                       left_standing(r), (unsigned)r->host.pid, strangers);
        recovery_start_half(r, now_ms);
        return;
    case SERVICES_HOST_OURS:
        say_program(r);
        recovery_enter(r, RECOVERY_KILL, now_ms, "ending process %u", (unsigned)r->host.pid);
        return;
    }
}

static void host_killed(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    r->kills++;
    if (result->code != ERR_NONE && result->code != ERR_EXISTS) {
        recovery_fails(r, recipe_cause(result->code),
                       "%s does not stop, and its process %u could "
                       "not be ended: %.120s",
                       left_standing(r), (unsigned)r->host.pid, result->text);
        recovery_start_half(r, now_ms);
        return;
    }
    recovery_say(r, "process %u, the host of %s, was ended", (unsigned)r->host.pid,
                 left_standing(r));
    watch_killed(r, now_ms);
}

static void killed_seen(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code == ERR_NONE && result->view.services_known)
        recovery_take_services(r, &result->view);
    bool down = recovery_state(r, RECOVERY_WAS) == SVC_STOPPED &&
                recovery_state(r, RECOVERY_WEB) == SVC_STOPPED;
    if (down) {
        look_for_orphans(r, now_ms);
    } else if (now_ms - r->entered_ms < r->limits.killed_ms) {
        r->retry_at_ms = now_ms + KILLED_LOOK_MS;
    } else if (r->kills < KILLS_MAX) {
        look_at_host(r, now_ms);
    } else {
        recovery_fails(r, CAUSE_TIMEOUT, "%s is %s still after its process was ended",
                       left_standing(r), service_state_name(recovery_state(r, left_standing(r))));
        recovery_start_half(r, now_ms);
    }
}

/* ---- ORPHANS, ORPHAN: no WAS runs, so no worker may ---- */

static void orphans_over(struct recovery *r, uint64_t now_ms)
{
    if (r->orphans_ended > 0)
        recovery_say(r, "%zu worker%s left behind %s ended", r->orphans_ended,
                     r->orphans_ended == 1 ? "" : "s", r->orphans_ended == 1 ? "was" : "were");
    recovery_start_half(r, now_ms);
}

static void orphans_seen(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    const struct driver_view *view = &result->view;
    if (result->code != ERR_NONE || !view->workers_known) {
        recovery_say(r, "whether workers were left behind could not be read: %s", result->text);
        orphans_over(r, now_ms);
        return;
    }
    const size_t room = sizeof(r->orphans) / sizeof(r->orphans[0]);
    r->orphan_count = view->worker_count < room ? view->worker_count : room;
    r->orphan_at = 0;
    for (size_t i = 0; i < r->orphan_count; i++)
        r->orphans[i] = view->workers[i];
    if (r->orphan_count == 0)
        orphans_over(r, now_ms);
    else
        recovery_enter(r, RECOVERY_ORPHAN, now_ms, "ending %zu workers that were left behind",
                       r->orphan_count);
}

static void orphan_ended(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    if (result->code == ERR_NONE)
        r->orphans_ended++;
    else if (result->code != ERR_NOT_FOUND)
        recovery_say(r, "worker %u, left behind, could not be ended: %s",
                     (unsigned)result->call.pid, result->text);
    if (++r->orphan_at < r->orphan_count)
        recovery_enter(r, RECOVERY_ORPHAN, now_ms,
                       "ending workers that were left behind, %zu of "
                       "%zu",
                       r->orphan_at + 1, r->orphan_count);
    else if (r->orphan_rounds < ORPHAN_ROUNDS)
        look_for_orphans(r, now_ms);
    else
        orphans_over(r, now_ms);
}

void recovery_stop_on_result(struct recovery *r, const struct call_result *result, uint64_t now_ms)
{
    switch (r->step) {
    case RECOVERY_GUARD:
        guard_stands(r, result, now_ms);
        return;
    case RECOVERY_DISABLE:
        disabled(r, result, now_ms);
        return;
    case RECOVERY_STOP:
        stop_ordered(r, result, now_ms);
        return;
    case RECOVERY_STOPPED:
        stop_watched(r, result, now_ms);
        return;
    case RECOVERY_STUCK:
        stuck_seen(r, result, now_ms);
        return;
    case RECOVERY_HOST:
        host_seen(r, result, now_ms);
        return;
    case RECOVERY_KILL:
        host_killed(r, result, now_ms);
        return;
    case RECOVERY_KILLED:
        killed_seen(r, result, now_ms);
        return;
    case RECOVERY_ORPHANS:
        orphans_seen(r, result, now_ms);
        return;
    default: /* ORPHAN: recovery_on_result gives no other here */
        orphan_ended(r, result, now_ms);
        return;
    }
}
