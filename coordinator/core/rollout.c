/* A run as a whole: names, counts, what a change installs, what begins anew after a restart. */
#include "coordinator/core/rollout_impl.h"

#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static const char *const action_names[ROLLOUT_ACTION_COUNT] = {
    "recycle",         "start",        "stop",          "undrain",     "service-recover",
    "service-restart", "service-stop", "service-start", "worker-kill", "hold",
    "cycle",           "quarantine",   "warm",          "unwarm"};
static const char *const run_names[RUN_STATE_COUNT] = {"running", "stopping", "aborting", "done",
                                                       "partial", "failed",   "aborted"};
static const char *const target_names[TARGET_STATE_COUNT] = {
    "waiting", "checking", "draining", "acting",  "unknown", "gating", "returning",
    "soaking", "done",     "nothing",  "skipped", "failed",  "aborted"};
static const char *const presence_names[PRESENCE_COUNT] = {"never-seen", "fresh", "silent",
                                                           "quarantined", "declared-out"};

static const char *name_at(const char *const *names, size_t count, unsigned at)
{
    return at < count ? names[at] : "?";
}

const char *rollout_action_name(enum rollout_action action)
{
    return name_at(action_names, ROLLOUT_ACTION_COUNT, action);
}

const char *run_state_name(enum run_state state)
{
    return name_at(run_names, RUN_STATE_COUNT, state);
}

const char *target_state_name(enum target_state state)
{
    return name_at(target_names, TARGET_STATE_COUNT, state);
}

const char *presence_name(enum presence presence)
{
    return name_at(presence_names, PRESENCE_COUNT, presence);
}

const char *pause_cause_name(enum pause_cause cause)
{
    switch (cause) {
    case PAUSE_PERSON:
        return "person";
    case PAUSE_UNKNOWN:
        return "unknown";
    case PAUSE_FAILURES:
        return "failures";
    case PAUSE_SILENCE:
        return "silence";
    case PAUSE_STORE:
        return "store";
    case PAUSE_FENCE:
        return "fence";
    case PAUSE_APPROVAL:
        return "approval";
    case PAUSE_CANARY:
        return "canary";
    case PAUSE_WINDOW:
        return "window";
    }
    return "?";
}

/* ---- the whole run ---- */

struct rollout *rollout_new(size_t target_count)
{
    struct rollout *r = must_alloc(1, sizeof *r);
    r->targets = must_alloc(target_count ? target_count : 1, sizeof *r->targets);
    r->target_count = target_count;
    r->next_ticket = 1;
    return r;
}

void rollout_free(struct rollout *r)
{
    if (r) {
        free(r->targets);
        free(r->in_hand);
        free(r);
    }
}

bool run_state_ended(enum run_state state)
{
    return state >= RUN_DONE;
}

bool target_state_ended(enum target_state state)
{
    return state >= TARGET_DONE;
}

bool target_active(const struct rollout_target *t)
{
    return t->state != TARGET_WAITING && !target_state_ended(t->state);
}

bool run_begins_nothing(const struct rollout *r)
{
    return r->state != RUN_RUNNING || r->pause_causes != 0;
}

bool rollout_action_restores(enum rollout_action action)
{
    return action == ROLLOUT_START || action == ROLLOUT_UNDRAIN || action == ROLLOUT_SERVICE_START;
}

bool rollout_action_stops(enum rollout_action action)
{
    return action == ROLLOUT_STOP || action == ROLLOUT_SERVICE_STOP;
}

bool rollout_action_of_services(enum rollout_action action)
{
    return action == ROLLOUT_SERVICE_RECOVER || action == ROLLOUT_SERVICE_RESTART ||
           action == ROLLOUT_SERVICE_STOP || action == ROLLOUT_SERVICE_START;
}

enum verb rollout_action_verb(enum rollout_action action)
{
    switch (action) {
    case ROLLOUT_RECYCLE:
        return VERB_RECYCLE;
    case ROLLOUT_START:
        return VERB_START;
    case ROLLOUT_STOP:
        return VERB_STOP;
    case ROLLOUT_SERVICE_RECOVER:
        return VERB_SERVICE_RECOVER;
    case ROLLOUT_SERVICE_RESTART:
        return VERB_SERVICE_RESTART;
    case ROLLOUT_SERVICE_STOP:
        return VERB_SERVICE_STOP;
    case ROLLOUT_SERVICE_START:
        return VERB_SERVICE_START;
    case ROLLOUT_WORKER_KILL:
        return VERB_WORKER_KILL;
    case ROLLOUT_WARM:
    case ROLLOUT_UNWARM:
        return VERB_SET;
    case ROLLOUT_UNDRAIN:
    case ROLLOUT_HOLD:
    case ROLLOUT_CYCLE:
    case ROLLOUT_QUARANTINE:
        break;
    }
    return VERB_NONE;
}

bool rollout_of_server(const struct rollout *r)
{
    return rollout_action_of_server(r->action) || (r->action == ROLLOUT_UNDRAIN && !r->pool[0]);
}

bool rollout_action_by_others(enum rollout_action action)
{
    return action == ROLLOUT_HOLD || action == ROLLOUT_CYCLE;
}

bool rollout_action_configures(const struct rollout *r)
{
    bool autostart = r->action == ROLLOUT_STOP || r->action == ROLLOUT_START;
    return r->action == ROLLOUT_WARM || r->action == ROLLOUT_UNWARM ||
           (autostart && !r->options.keep_autostart);
}

bool rollout_action_of_server(enum rollout_action action)
{
    return rollout_action_of_services(action) || rollout_action_by_others(action) ||
           action == ROLLOUT_QUARANTINE;
}

void rollout_count(const struct rollout *r, struct rollout_counts *out)
{
    *out = (struct rollout_counts){.total = (uint32_t)r->target_count};
    for (size_t i = 0; i < r->target_count; i++) {
        const struct rollout_target *t = &r->targets[i];
        out->waiting += t->state == TARGET_WAITING;
        out->active += target_active(t);
        out->done += t->state == TARGET_DONE;
        out->nothing += t->state == TARGET_NOTHING;
        out->skipped += t->state == TARGET_SKIPPED;
        out->failed += t->state == TARGET_FAILED;
        out->unknown += t->state == TARGET_UNKNOWN;
        out->aborted += t->state == TARGET_ABORTED;
    }
}

bool rollout_is_left(const struct rollout *r, const struct rollout_target *t)
{
    bool unreached = t->state == TARGET_SKIPPED && t->trouble == TROUBLE_UNREACHABLE;
    bool never = t->state == TARGET_WAITING && run_state_ended(r->state);
    return never || unreached || t->state == TARGET_FAILED || t->state == TARGET_ABORTED;
}

/* Where target i stands among those in hand, or would. */
static size_t place_in_hand(const struct rollout *r, size_t i)
{
    size_t at = 0;
    while (at < r->in_hand_count && r->in_hand[at] < i) {
        at++;
    }
    return at;
}

/* Target i is in another state than before. */
static void list_again(struct rollout *r, size_t i)
{
    size_t at = place_in_hand(r, i), *list = r->in_hand;
    bool is = target_active(&r->targets[i]), was = at < r->in_hand_count && list[at] == i;
    if (is && !was) {
        if (r->in_hand_count == r->in_hand_cap) {
            r->in_hand_cap = r->in_hand_cap ? 2 * r->in_hand_cap : 8;
            r->in_hand = list = must_realloc(list, r->in_hand_cap, sizeof *list);
        }
        memmove(list + at + 1, list + at, (r->in_hand_count++ - at) * sizeof *list);
        list[at] = i;
    } else if (was && !is) {
        memmove(list + at, list + at + 1, (--r->in_hand_count - at) * sizeof *list);
    }
    while (r->open_from < r->target_count && target_state_ended(r->targets[r->open_from].state)) {
        r->open_from++;
    }
}

void rollout_install(struct rollout *r, const struct rollout_change *c)
{
    if (!c->any) {
        return;
    }
    r->state = c->run_state;
    r->pause_causes = c->pause_causes;
    memcpy(r->troubles, c->troubles, sizeof r->troubles);
    memcpy(r->troubles_in_wave, c->troubles_in_wave, sizeof r->troubles_in_wave);
    r->wave = c->wave;
    r->wave_over = c->wave_over;
    r->wave_over_ms = c->wave_over_ms;
    r->next_ticket = c->next_ticket;
    text_copy(r->why, sizeof r->why, c->why);
    if (c->options_changed) {
        r->options = c->options;
    }
    if (c->target_changed) {
        r->targets[c->target_index] = c->target;
        list_again(r, c->target_index);
    }
}

void rollout_throw_away(struct rollout *r, const struct rollout_change *c)
{
    if (c->target_changed) {
        r->targets[c->target_index].ask_ticket = 0;
        r->targets[c->target_index].place_ticket = 0;
    }
}

void target_forget_unsaved(struct rollout_target *t, uint64_t now_ms)
{
    t->entered_ms = now_ms;
    t->ask_ticket = t->place_ticket = 0;
    t->ask_at_ms = t->place_at_ms = 0;
    t->agent_seen_ms = t->places_seen_ms = 0;
    t->passes = t->quiet = 0;
    t->first_pass_ms = 0;
    t->told = false;
    t->proof_old = t->turned_back = false;
    t->proved_ms = t->ready_ms = 0;
    t->asks = t->taken_at = 0;
}

/* What was asked is asked again. */
static void begin_again(struct rollout *r, size_t i, uint64_t entered_ms)
{
    struct rollout_target *t = &r->targets[i];
    target_forget_unsaved(t, entered_ms);
    if (t->state == TARGET_CHECKING) {
        t->state = TARGET_WAITING; /* it held nothing */
    } else if (t->state == TARGET_RETURNING) {
        t->proof_old = true; /* by as much as our absence was long */
    }
    list_again(r, i);
}

void rollout_restart(struct rollout *r, uint64_t now_ms)
{
    r->next_ticket = 1;
    r->wave_over_ms = now_ms;
    for (size_t i = 0; i < r->target_count; i++) {
        begin_again(r, i, now_ms);
    }
}

void rollout_woke(struct rollout *r, uint64_t later_ms)
{
    r->wave_over_ms += later_ms;
    for (size_t i = 0; i < r->target_count; i++) {
        enum target_state state = r->targets[i].state;
        bool in_their_hands = rollout_action_by_others(r->action) &&
                              (state == TARGET_ACTING || state == TARGET_UNKNOWN);
        begin_again(r, i, r->targets[i].entered_ms + (in_their_hands ? 0 : later_ms));
    }
}
