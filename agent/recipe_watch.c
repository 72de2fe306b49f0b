/* recipe_watch.c - see recipes.h: watching for the proof, the probe, and the last look. */
#include "agent/recipe_internal.h"

#include "common/text.h"
#include "proto/events.h"

#include <string.h>

#define BEAT_FIRST_MS 50
#define BEAT_MOST_MS  500
#define LOOK_FIRST_MS 1000
#define LOOK_MOST_MS  5000 /* IIS.md: poll appcmd no faster than every 5 s */
#define PROBE_GAP_MS  500
#define WORD_MS       3000 /* an event is in the log that long after what it tells */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct recipe_next recipe_watch_next(struct recipe *r, uint64_t now_ms)
{
    struct recipe_next next = {.want = RECIPE_CALL};
    if (now_ms >= r->pace.look_at)
        next.call.kind = CALL_LOOK_POOL;
    else if (now_ms >= r->pace.beat_at)
        next.call.kind = CALL_BEAT;
    else
        next = (struct recipe_next){.want = RECIPE_WAIT,
                                    .until_ms = lesser(r->pace.look_at, r->pace.beat_at)};
    return next;
}

static void advance(struct recipe *r, enum call_kind done, uint64_t now_ms)
{
    struct recipe_pace *pace = &r->pace;
    if (done == CALL_LOOK_POOL) {
        pace->look_at = now_ms + pace->look_gap;
        pace->look_gap = lesser(2 * pace->look_gap, LOOK_MOST_MS);
    }
    pace->beat_at = now_ms + pace->beat_gap;
    pace->beat_gap = lesser(2 * pace->beat_gap, BEAT_MOST_MS);
}

/* ---- what is seen ---- */

static bool is_among(const struct worker *worker, const struct record_workers *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == worker->pid && list->items[i].created == worker->created)
            return true;
    return false;
}

static size_t count_old(const struct record *record)
{
    size_t count = 0;
    for (size_t i = 0; i < record->after.count; i++)
        count += is_among(&record->after.items[i], &record->before);
    return count;
}

static void see_workers(struct recipe *r, const struct driver_view *view, uint64_t now_ms)
{
    struct record *record = r->record;
    record_set_workers(record, &record->after, view->workers, view->worker_count);
    size_t old = count_old(record);
    size_t newer = record->after.count - old;
    record->baseline_gone = old == 0;
    if (newer > r->newcomers)
        r->newcomers = newer;
    if (record->after.count == 0 && r->empty_since_ms == 0)
        r->empty_since_ms = now_ms;
    uint64_t gap_ms = r->empty_since_ms ? now_ms - r->empty_since_ms : 0;
    if (gap_ms > record->gap_ms)
        record->gap_ms = (uint32_t)lesser(gap_ms, UINT32_MAX);
    if (record->after.count > 0)
        r->empty_since_ms = 0;
}

/* Which of two events says more about why a pool is stopped. */
static int weight(uint32_t id)
{
    switch (event_kind_of(id)) {
    case EVENT_IDENTITY:
        return 3; /* the cause, where 5059 and 5002 are what follows */
    case EVENT_RAPID_FAIL:
        return 2;
    case EVENT_CANNOT_START:
        return 1;
    case EVENT_OTHER:
    case EVENT_CRASH:
    case EVENT_HANG:
    case EVENT_START_LIMIT:
    case EVENT_STOP_LIMIT:
    case EVENT_RECYCLED:
    case EVENT_IDLE:
    case EVENT_CONFIG:
    case EVENT_LISTENER:
        break;
    }
    return 0;
}

/* Events of this pool since the recipe began. */
static void see_events(struct recipe *r, const struct driver_view *view, uint64_t now_ms)
{
    for (size_t i = 0; i < view->event_count; i++) {
        const struct server_event *event = &view->events[i];
        bool ours = text_equal_nocase(event->pool, r->record->pool);
        if (ours && event->age_ms <= now_ms - r->since_ms && weight(event->id) > weight(r->verdict))
            r->verdict = event->id;
    }
    bool mute = view->events_known && r->verdict == 0 && r->pool.state == POOL_STATE_STOPPED;
    if (!mute)
        r->no_word_ms = 0;
    else if (r->no_word_ms == 0)
        r->no_word_ms = now_ms;
}

/* Takes in what a reading says; false: it says nothing. */
static bool see(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    bool looked = result->call.kind == CALL_LOOK_POOL;
    bool good = result->code == ERR_NONE && result->view.workers_known &&
                (!looked || recipe_take_view(r, &result->view));
    r->read_failed = !good;
    if (good)
        see_workers(r, &result->view, now_ms);
    if (good && looked)
        see_events(r, &result->view, now_ms);
    else if (result->code != ERR_NONE)
        recipe_note(r, result);
    return good;
}

/* Where orphans are allowed, an old worker may stay for ever: it counts as gone once the pool's
 * shutdown limit is over. */
static bool old_ones_settled(struct recipe *r, uint64_t now_ms)
{
    struct record *record = r->record;
    if (record->baseline_gone)
        return true;
    record->orphaned = r->pool.orphans && now_ms >= r->acted_ms + r->pool.shutdown_limit_ms;
    return record->orphaned;
}

static bool is_complete(struct recipe *r, uint64_t now_ms)
{
    const struct record *record = r->record;
    size_t newer = record->after.count - count_old(record);
    bool autostart_right =
        record->keep_autostart || r->pool.auto_start == (record->verb == VERB_START);
    switch (record->verb) {
    case VERB_RECYCLE:
    case VERB_WORKER_KILL:
        return old_ones_settled(r, now_ms) && newer >= r->expected;
    case VERB_STOP:
        return r->pool.state == POOL_STATE_STOPPED && autostart_right &&
               old_ones_settled(r, now_ms) && newer == 0;
    case VERB_START:
        return r->pool.state == POOL_STATE_STARTED && newer >= r->expected;
    case VERB_NONE:
    case VERB_OBSERVE:
    case VERB_QUERY:
    case VERB_SERVICE_RECOVER:
    case VERB_SERVICE_RESTART:
    case VERB_SERVICE_STOP:
    case VERB_SERVICE_START:
    case VERB_DRAIN:
    case VERB_READY:
    case VERB_ROTATION:
    case VERB_SET:
        break;
    }
    return false;
}

static void tell(struct recipe *r)
{
    const struct record *record = r->record;
    size_t old = count_old(record);
    size_t newer = record->after.count - old;
    if (record->verb != VERB_START && old > 0)
        text_format(r->text, sizeof(r->text), "waiting for %zu old worker%s to end", old,
                    old == 1 ? "" : "s");
    else if (record->verb == VERB_STOP)
        text_format(r->text, sizeof(r->text), "waiting for the pool to stop, it is %s",
                    pool_state_name(r->pool.state));
    else if (newer < r->expected)
        text_format(r->text, sizeof(r->text), "waiting for new workers, %zu of %zu are there",
                    newer, r->expected);
    else
        text_format(r->text, sizeof(r->text), "waiting for the pool to start, it is %s",
                    pool_state_name(r->pool.state));
}

/* Stop and start are proved by the pool's state, so it is asked at once; a recycle shows in the
 * process list, and the state only says why nobody comes. */
void recipe_watch_enter(struct recipe *r, uint64_t now_ms)
{
    bool by_state = r->record->verb != VERB_RECYCLE && r->record->verb != VERB_WORKER_KILL;
    r->pace = (struct recipe_pace){
        .beat_at = now_ms,
        .beat_gap = BEAT_FIRST_MS,
        .look_at = now_ms + (by_state ? 0 : LOOK_MOST_MS),
        .look_gap = by_state ? LOOK_FIRST_MS : LOOK_MOST_MS,
    };
    tell(r);
}

/* ---- ends ---- */

static void finish_done(struct recipe *r, const char *and_so, uint64_t now_ms)
{
    const struct record *record = r->record;
    if (r->already)
        recipe_finish(r, now_ms, OUTCOME_NOTHING, CAUSE_ALREADY, "the pool is started already%s",
                      and_so);
    else if (record->verb == VERB_STOP)
        recipe_finish(r, now_ms, OUTCOME_DONE, CAUSE_NONE, "stopped, %s%s",
                      record->orphaned ? "but an orphaned worker stays" : "no worker is left",
                      record->keep_autostart ? "" : "; autoStart is false");
    else if (record->verb == VERB_START)
        recipe_finish(r, now_ms, OUTCOME_DONE, CAUSE_NONE, "started%s", and_so);
    else if (record->verb == VERB_WORKER_KILL)
        recipe_finish(r, now_ms, OUTCOME_DONE, CAUSE_NONE,
                      "worker %u, with %u MB and %u s of processor time, was ended%s%s",
                      (unsigned)record->worker_pid,
                      (unsigned)(record->before.items[0].memory_bytes >> 20),
                      (unsigned)(record->before.items[0].cpu_ms / 1000),
                      record->after.count ? "" : "; the next request starts another", and_so);
    else if (record->after.count == 0)
        recipe_finish(r, now_ms, OUTCOME_DONE, CAUSE_NONE,
                      "recycled; the pool is OnDemand without overlap, the next request starts its "
                      "worker%s",
                      and_so);
    else
        recipe_finish(r, now_ms, OUTCOME_DONE, CAUSE_NONE, "recycled%s%s",
                      record->orphaned ? ", an orphaned worker stays" : "", and_so);
}

static const char *doubt(const struct recipe *r)
{
    return r->act_unknown ? "; whether the order was carried out is not known" : "";
}

static void finish_late(struct recipe *r, uint64_t now_ms)
{
    const struct record *record = r->record;
    enum cause cause = CAUSE_TIMEOUT;
    char seen[128];
    size_t old = count_old(record);
    size_t newer = record->after.count - old;
    if (r->pool.state == POOL_STATE_UNKNOWN)
        cause = CAUSE_SERVICE_DOWN;
    else if (r->read_failed)
        cause = CAUSE_DRIVER;
    if (record->verb == VERB_RECYCLE || record->verb == VERB_WORKER_KILL)
        text_format(seen, sizeof(seen),
                    "%zu of %zu old workers still run, %zu of %zu new ones are there", old,
                    record->before.count, newer, r->expected);
    else
        text_format(seen, sizeof(seen), "the pool is %s with %zu worker%s, autoStart is %s",
                    pool_state_name(r->pool.state), record->after.count,
                    record->after.count == 1 ? "" : "s", r->pool.auto_start ? "true" : "false");
    recipe_finish(r, now_ms, OUTCOME_FAILED, cause, "the limit passed: %s%s%s%s", seen, doubt(r),
                  r->trouble[0] ? "; " : "", r->trouble);
}

/* WAS, or a person, stopped the pool while we waited for its worker. */
static bool was_stopped(const struct recipe *r)
{
    return r->record->verb != VERB_STOP && r->pool.state == POOL_STATE_STOPPED && !r->act_unknown;
}

/* The log may be a moment behind; then another look is made. */
static bool word_may_come(struct recipe *r, uint64_t now_ms)
{
    if (r->no_word_ms == 0 || now_ms >= r->no_word_ms + WORD_MS || now_ms >= r->deadline_ms)
        return false;
    r->pace.look_at = lesser(r->pace.look_at, now_ms + LOOK_FIRST_MS);
    return true;
}

static void finish_by_event(struct recipe *r, uint64_t now_ms)
{
    bool identity = event_kind_of(r->verdict) == EVENT_IDENTITY;
    recipe_finish(r, now_ms, OUTCOME_FAILED, identity ? CAUSE_IDENTITY : CAUSE_RAPID_FAIL,
                  "the pool is Stopped now: %s (event %u); it is not tried again%s",
                  event_words(r->verdict), (unsigned)r->verdict,
                  identity ? ", since each try may lock the account" : "");
}

/* A pool that we have just started, or whose new workers were seen, was stopped by WAS. */
static void finish_stopped(struct recipe *r, uint64_t now_ms)
{
    bool by_was = r->newcomers > 0 || r->record->verb == VERB_START;
    if (r->verdict != 0) {
        finish_by_event(r, now_ms);
        return;
    }
    recipe_finish(r, now_ms, OUTCOME_FAILED, by_was ? CAUSE_RAPID_FAIL : CAUSE_POOL_STOPPED,
                  "the pool is Stopped now%s: rapid-fail protection (event 5002), an invalid "
                  "identity (events 5021, 5057)%s; it is not tried again",
                  r->newcomers > 0 ? ", after new workers came and went" : "",
                  by_was ? "" : " or a person");
}

/* ---- events ---- */

static void complete(struct recipe *r, uint64_t now_ms)
{
    if (r->probe_wanted && !r->record->probed)
        recipe_enter(r, RECIPE_STEP_PROBE, now_ms);
    else
        finish_done(r, r->record->probed ? "; the probe passed" : "", now_ms);
}

void recipe_watch_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    advance(r, result->call.kind, now_ms);
    if (see(r, result, now_ms) && is_complete(r, now_ms)) {
        complete(r, now_ms);
        return;
    }
    if (result->code == ERR_NOT_FOUND)
        recipe_finish(r, now_ms, OUTCOME_FAILED, CAUSE_UNKNOWN_POOL,
                      "the pool is gone: somebody deleted it meanwhile");
    else if (was_stopped(r) && !word_may_come(r, now_ms))
        finish_stopped(r, now_ms);
    else if (now_ms >= r->deadline_ms)
        finish_late(r, now_ms);
    else
        tell(r);
}

static void probe_failed(struct recipe *r, const char *why, uint64_t now_ms)
{
    char clean[WIRE_TEXT_MAX / 2];
    clean_text(clean, sizeof(clean), why);
    if (now_ms + PROBE_GAP_MS < r->probe_until_ms) {
        r->retry_at_ms = now_ms + PROBE_GAP_MS;
        text_copy(r->text, sizeof(r->text), "probing again");
        return;
    }
    r->record->probed = true;
    recipe_finish(r, now_ms, OUTCOME_FAILED, CAUSE_PROBE, "the probe did not pass: %s",
                  clean[0] ? clean : "no answer");
}

static void nothing_to_probe(struct recipe *r, uint64_t now_ms)
{
    if (r->act == CALL_NONE && r->record->verb == VERB_RECYCLE && r->record->before.count == 0)
        recipe_finish(r, now_ms, OUTCOME_FAILED, CAUSE_PROBE,
                      "no worker could be started: the pool has no site that a probe could ask");
    else
        finish_done(r, "; the pool has nothing to probe", now_ms);
}

void recipe_probe_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    struct record *record = r->record;
    if (r->probe_until_ms == 0)
        r->probe_until_ms = now_ms + r->limits.probe_retry_ms;
    if (result->code == ERR_NOT_FOUND) {
        nothing_to_probe(r, now_ms);
        return;
    }
    if (result->code != ERR_NONE) {
        probe_failed(r, result->text, now_ms);
        return;
    }
    record->probe_status = result->probe.status;
    record->probe_ms = result->probe.elapsed_ms;
    if (!result->probe.passed) {
        probe_failed(r, result->probe.detail, now_ms);
        return;
    }
    record->probed = true;
    if (record->verb == VERB_RECYCLE && r->expected == 0)
        r->expected = 1; /* somebody answered: a new worker has to be there */
    recipe_enter(r, RECIPE_STEP_CONFIRM, now_ms);
}

/* The one that answered must still be there, and the old ones still gone. */
void recipe_confirm_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms)
{
    bool seen = see(r, result, now_ms);
    if (seen && is_complete(r, now_ms)) {
        finish_done(r, "; the probe passed", now_ms);
        return;
    }
    if (r->deadline_ms == 0) /* already started: no deadline was needed until now */
        r->deadline_ms = now_ms + r->limits.margin_ms;
    r->record->probed = false;
    r->probe_until_ms = 0;
    recipe_enter(r, RECIPE_STEP_WATCH, now_ms);
}
