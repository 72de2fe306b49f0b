/* Settings that runs changed on pools: what was before is kept, so that it can be put back; and
 * configuration that servers share is changed by one of them at a time. */
#include "coordinator/brain/coordinator_impl.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/core/warm.h"

#include <stdlib.h>
#include <string.h>

/* ---- what was before ---- */

static struct kept_former *find(const struct coordinator *c, const char *server, const char *pool)
{
    for (size_t i = 0; i < c->former_count; i++) {
        struct kept_former *f = c->formers[i];
        if (text_equal_nocase(f->row.server, server) && text_equal_nocase(f->row.pool, pool)) {
            return f;
        }
    }
    return NULL;
}

/* Commands on their way point at the settings: an entry stays where it is, for good. */
static void install(struct coordinator *c, const struct former *row, bool unsaved)
{
    struct kept_former *f = find(c, row->server, row->pool);
    if (!f) {
        c->formers = must_realloc(c->formers, c->former_count + 1, sizeof(struct kept_former *));
        f = c->formers[c->former_count++] = must_alloc(1, sizeof *f);
        f->row = *row;
    }
    f->unsaved = unsaved;
    f->gone = !row->settings[0];
    if (!f->gone) {
        f->row = *row;
    }
}

static void load_one(void *arg, const struct former *row)
{
    install(arg, row, false);
}

enum error_code formers_load(struct coordinator *c, struct error *err)
{
    return store_load_former(c->spec.store, load_one, c, err);
}

void formers_close(struct coordinator *c)
{
    for (size_t i = 0; i < c->former_count; i++) {
        free(c->formers[i]);
    }
    free(c->formers);
}

const char *former_of(const struct coordinator *c, const char *server, const char *pool)
{
    const struct kept_former *f = find(c, server, pool);
    return f && !f->gone ? f->row.settings : NULL;
}

/* What the change says of it; false: nothing. */
static bool row_of(const struct coordinator *c, const struct rollout *r,
                   const struct rollout_change *change, struct former *out)
{
    const struct rollout_target *t = &change->target;
    if (!change->target_changed || change->from == t->state) {
        return false;
    }
    *out = (struct former){.run = r->id};
    text_copy(out->server, sizeof out->server, t->server);
    text_copy(out->pool, sizeof out->pool, t->pool);
    if (r->action == ROLLOUT_UNWARM) {
        return t->state == TARGET_GATING && t->outcome != OUTCOME_FAILED && !t->act_failed &&
               former_of(c, t->server, t->pool);
    }
    if (r->action != ROLLOUT_WARM || !change->former || !change->former[0]) {
        return false;
    }
    const char *older = former_of(c, t->server, t->pool);
    warm_merge(older ? older : "", change->former, out->settings, sizeof out->settings);
    return out->settings[0] != '\0';
}

enum error_code former_write(struct coordinator *c, const struct rollout *r,
                             const struct rollout_change *change, struct error *err)
{
    struct former row;
    return row_of(c, r, change, &row) ? store_save_former(c->spec.store, &row, err) : ERR_NONE;
}

void former_mirror(struct coordinator *c, const struct rollout *r,
                   const struct rollout_change *change, bool saved)
{
    struct former row;
    if (row_of(c, r, change, &row)) {
        install(c, &row, !saved);
    }
}

enum error_code formers_write_unsaved(struct coordinator *c, struct error *err)
{
    enum error_code code = ERR_NONE;
    for (size_t i = 0; i < c->former_count && code == ERR_NONE; i++) {
        struct former row = c->formers[i]->row;
        if (!c->formers[i]->unsaved) {
            continue;
        }
        if (c->formers[i]->gone) {
            row.settings[0] = '\0';
        }
        code = store_save_former(c->spec.store, &row, err);
    }
    return code;
}

void formers_saved(struct coordinator *c)
{
    for (size_t i = 0; i < c->former_count; i++) {
        c->formers[i]->unsaved = false;
    }
}

bool coordinator_has_former(const struct coordinator *c, const char *server, const char *pool)
{
    return former_of(c, server, pool) != NULL;
}

const char *settings_for(const struct coordinator *c, const struct rollout *r, size_t target)
{
    const struct rollout_target *t = &r->targets[target];
    const char *former = NULL;
    if (r->action == ROLLOUT_WARM) {
        return WARM_SETTINGS;
    }
    former = r->action == ROLLOUT_UNWARM ? former_of(c, t->server, t->pool) : NULL;
    return former ? former : "";
}

/* ---- configuration that servers share ---- */

/* "" where a server has its own. */
static const char *shared_by(const struct fleet_server *s)
{
    const struct state *whole = s ? fleet_whole(s) : NULL;
    return whole && whole->config_shared && whole->config_identity ? whole->config_identity : "";
}

bool shares_configuration(void *coordinator, const char *server, const char *other)
{
    const struct coordinator *c = coordinator;
    const char *mine = shared_by(fleet_find(c->fleet, server));
    return mine[0] && strcmp(mine, shared_by(fleet_find(c->fleet, other))) == 0;
}

bool shared_is_in_hand(const struct coordinator *c, const struct rollout *r,
                       const struct rollout_target *t, char *why, size_t why_size)
{
    const char *mine = shared_by(fleet_find(c->fleet, t->server));
    if (!rollout_action_configures(r) || !mine[0]) {
        return false;
    }
    for (size_t i = 0; i < c->run_count; i++) {
        const struct rollout *other = c->runs[i];
        for (size_t k = 0; k < other->in_hand_count && rollout_action_configures(other); k++) {
            const struct rollout_target *o = &other->targets[other->in_hand[k]];
            if (o->holds && o != t &&
                strcmp(shared_by(fleet_find(c->fleet, o->server)), mine) == 0) {
                text_format(why, why_size,
                            "%s reads the same configuration, and run %llu is changing it there",
                            o->server, (unsigned long long)other->id);
                return true;
            }
        }
    }
    return false;
}
