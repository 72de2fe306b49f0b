/* iis_signs.c - see iis_driver.h: figures of pools and entries of the event log.
 *
 * Both come from the service back end. What cannot be had is not known, and that is no trouble: a
 * lab, or a server without the counters, is looked after all the same.
 */
#include "agent/drivers/iis_driver.h"
#include "common/clock.h"
#include "common/text.h"

#define SIGNS_TIMEOUT_MS 2000

static void ask_figures(struct iis *iis, uint64_t limit_ms)
{
    struct scm_counters counters;
    bool known = iis->scm->ops->counters(iis->scm, limit_ms, &counters, NULL) == ERR_NONE;
    scm_counters_reset(&iis->figures);
    if (known)
        iis->figures = counters;
    iis->figures_ms = clock_boot_ms();
}

void iis_ask_events(struct iis *iis, uint64_t limit_ms)
{
    struct event_entries entries;
    iis->events_known = iis->scm->ops->events(iis->scm, limit_ms, &entries, NULL) == ERR_NONE;
    if (!iis->events_known)
        return;
    event_ring_add(&iis->events, &entries);
    event_entries_reset(&entries);
}

void iis_read_signs(struct iis *iis, uint64_t deadline_ms)
{
    uint64_t left = iis_time_left(deadline_ms);
    ask_figures(iis, left < SIGNS_TIMEOUT_MS ? left : SIGNS_TIMEOUT_MS);
    left = iis_time_left(deadline_ms);
    iis_ask_events(iis, left < SIGNS_TIMEOUT_MS ? left : SIGNS_TIMEOUT_MS);
    iis->signs_asked_ms = clock_boot_ms();
}

void iis_read_signs_if_due(struct iis *iis)
{
    uint64_t now = clock_boot_ms();
    if (iis->signs_asked_ms == 0 || now >= iis->signs_asked_ms + iis->settings->services_every_ms)
        iis_read_signs(iis, now + SIGNS_TIMEOUT_MS);
}

static uint64_t age_of(const struct event_entry *entry, int64_t wall_ms)
{
    return wall_ms > entry->wall_ms ? (uint64_t)(wall_ms - entry->wall_ms) : 0;
}

void iis_tell_signs(const struct iis *iis, struct view *view, struct driver_view *out)
{
    int64_t wall_ms = clock_wall_ms();
    for (size_t i = 0; i < iis->figures.count; i++) {
        const struct scm_counter *counter = &iis->figures.items[i];
        struct pool_figures row = {counter->pool, counter->queued, counter->rejected};
        view_add_figures(view, &row);
    }
    for (size_t i = 0; i < iis->events.count; i++) {
        const struct event_entry *entry = &iis->events.items[i];
        struct server_event row = {.pool = text_equal(entry->pool, "*") ? "" : entry->pool,
                                   .id = entry->id,
                                   .pid = entry->pid,
                                   .code = entry->code,
                                   .record = entry->record,
                                   .age_ms = age_of(entry, wall_ms)};
        view_add_event(view, &row);
    }
    out->events_known = iis->events_known;
    out->figures_age_ms = clock_boot_ms() - iis->figures_ms;
}
