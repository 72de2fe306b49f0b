/* oracle_warm.c - see oracle.h: settings of pools. They are changed by order alone, to what was
 * asked for; what was before is kept as long as it is not so again; and it is so again when
 * somebody asks for that.
 */
#include "tests/sim/oracle_impl.h"

#include "common/text.h"

#include <sqlite3.h>
#include <string.h>

/* As people want a pool that is warm at once: in the order of iis_setting_names. */
static const char *const warm[IIS_SETTINGS] = {"AlwaysRunning", "00:00:00", "00:01:30",
                                               "false",         "true",     "true"};
#define SETTING_STARTUP 2 /* that, or longer: IIS writes both as hh:mm:ss */

static bool is_warm(const struct iis *s, size_t at)
{
    return text_equal(s->settings[at], warm[at]) ||
           (at == SETTING_STARTUP && strcmp(s->settings[at], warm[at]) > 0);
}

static bool is_own(const struct iis *s, size_t at)
{
    return text_equal(s->settings[at], s->own_settings[at]);
}

/* Of the run that ordered it, as the store says that has it; "": none has. */
static const char *action_of(const struct world *w, uint64_t run)
{
    for (int k = 0; k < CENTRES_MAX; k++) {
        const struct view_run *r = oracle_run_of(&w->oracle->stores[k].view, run);
        if (r)
            return r->action;
    }
    return "";
}

/* Its owner's, or as warm as was asked: nothing else comes of any order. A run that only puts back
 * makes nothing warm that was not, but what one before it has set may still stand. */
void oracle_configured(struct world *w, int unit, const struct command_id *id, uint64_t run)
{
    const struct iis *s = world_iis(w, unit);
    const char *name = world_unit_name(w, unit);
    const struct order *a = oracle_order(w->oracle, world_machine(unit), id, true);
    const char *action = action_of(w, run);
    if (id->seq == 0)
        world_violate(w, "%s: its settings are changed, and no journal knows it as begun", name);
    else if (a->unit != unit || a->run != run)
        world_violate(w, "%s: settings are changed that were ordered of something else", name);
    if (action[0] && !text_equal(action, "warm") && !text_equal(action, "unwarm"))
        world_violate(w, "%s: its settings are changed by a run that is to %s", name, action);
    for (size_t i = 0; i < IIS_SETTINGS; i++)
        if (!is_own(s, i) && !is_warm(s, i))
            world_violate(w, "%s: %s is %s, which nobody asked for", name, iis_setting_names[i],
                          s->settings[i]);
}

/* Something was done to that pool, by a coordinator's order, of which this store or the agent's
 * journal may never have been told: it is a copy, there is one, or somebody settled an order
 * without the journal's word. */
static bool may_not_know(const struct world *w, int centre, const struct view_target *t)
{
    const struct oracle *o = w->oracle;
    bool twin = o->stores[1].valid || o->stores[1].retired;
    if (centre > 0 || twin || o->stores[centre].lineage > 0 || oracle_is_cloned(w, t->server) ||
        oracle_journal_was_lost(w, t->server))
        return true;
    for (size_t i = 0; i < o->order_count; i++)
        if (o->orders[i].unit == t->unit && o->orders[i].person != 0)
            return true;
    return false;
}

/* What is not as its owner set it can be put back: that stands in the store. */
static void check_kept(struct world *w, int centre, int unit)
{
    struct iis *s = world_iis(w, unit);
    sqlite3_stmt *q = w->oracle->stores[centre].statements[Q_FORMER];
    sqlite3_bind_text(q, 1, s->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, s->pool.name, -1, SQLITE_STATIC);
    const char *kept = sqlite3_step(q) == SQLITE_ROW ? oracle_word(q, 0) : "";
    for (size_t i = 0; i < IIS_SETTINGS; i++) {
        char value[IIS_SETTING_MAX];
        bool has = iis_setting_in(s, i, kept, value, sizeof(value)) != NULL;
        if (has && !text_equal(value, s->own_settings[i]))
            world_violate(w, "%s: %s is kept as %s, and was %s", world_unit_name(w, unit),
                          iis_setting_names[i], value, s->own_settings[i]);
        else if (!has && !is_own(s, i))
            world_violate(w, "%s: %s was changed, and what it was before is not kept",
                          world_unit_name(w, unit), iis_setting_names[i]);
    }
    sqlite3_reset(q);
}

void oracle_warm_ended(struct world *w, int centre, const struct view_target *t)
{
    bool configures = text_equal(t->action, "warm") || text_equal(t->action, "unwarm");
    if (configures && !may_not_know(w, centre, t))
        check_kept(w, centre, t->unit);
}

void oracle_warm_done(struct world *w, int centre, const struct view_target *t)
{
    struct iis *s = world_iis(w, t->unit);
    bool warms = text_equal(t->action, "warm");
    if ((!warms && !text_equal(t->action, "unwarm")) || may_not_know(w, centre, t))
        return;
    for (size_t i = 0; i < IIS_SETTINGS; i++)
        if (warms ? !is_warm(s, i) : !is_own(s, i))
            world_violate(w, "%s is done, and %s is %s", world_unit_name(w, t->unit),
                          iis_setting_names[i], s->settings[i]);
}
