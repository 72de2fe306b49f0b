#include "coordinator/core/budget.h"

#include "common/text.h"
#include "coordinator/core/share.h"

#include <stdlib.h>
#include <string.h>

void budget_sum(struct budget *b)
{
    struct budget_use *use = &b->use;
    *use = (struct budget_use){0};
    for (size_t i = 0; i < b->count; i++) {
        const struct budget_member *m = &b->members[i];
        if (m->held) {
            use->held++;
        } else if (m->declared_out) {
            use->declared++;
        } else if (m->out) {
            use->out++;
        } else {
            use->in_service++;
        }
    }
}

bool budget_limit_parse(const char *text, struct budget_limit *out)
{
    struct share share;
    if (!share_parse(text, &share)) {
        return false;
    }
    *out = (struct budget_limit){share.number, share.percent};
    return true;
}

void budget_apply_rule(struct budget *b, const struct budget_rule *rule)
{
    budget_sum(b);
    const struct budget_use use = b->use;
    const struct budget_limit *most = &rule->max_out, *least = &rule->min_in_service;
    uint64_t share = (b->count - use.declared) * (uint64_t)most->value / 100;
    uint64_t kept = (b->count * (uint64_t)least->value + 99) / 100;
    b->group = rule->name;
    b->max_out = !most->percent ? most->value : share ? (uint32_t)share : 1;
    b->min_in_service = least->percent ? (uint32_t)kept : least->value;
}

/* "web03 (silent for 12s), web05 (run 7)": who spends it, as far as it fits. */
static void name_spenders(const struct budget *b, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < b->count && used + 1 < size; i++) {
        const struct budget_member *m = &b->members[i];
        if (!m->held && (!m->out || m->declared_out)) {
            continue;
        }
        const char *why = m->held ? m->held_by : m->why;
        text_format(out + used, size - used, "%s%s (%s)", used ? ", " : "", m->server,
                    why ? why : "out");
        used += strlen(out + used);
    }
}

/* " zone-a" for a group that has a name, "" for the default one. */
static const char *name_after_blank(const struct budget *b, char *out, size_t size)
{
    text_format(out, size, "%s%s", b->group ? " " : "", b->group ? b->group : "");
    return out;
}

static int compare_name(const void *server, const void *member)
{
    return text_compare_nocase(server, ((const struct budget_member *)member)->server);
}

static const struct budget_member *find_member(const struct budget *b, const char *server)
{
    return b->count ? bsearch(server, b->members, b->count, sizeof *b->members, compare_name)
                    : NULL;
}

bool budget_lets_drain_again(const struct budget *b, const char *server, uint32_t limit, char *why,
                             size_t why_size)
{
    const struct budget_use use = b->use;
    const struct budget_member *self = find_member(b, server);
    (void)limit; /* the run's own was looked at when it took the server */
    if (self && self->out && !self->unsure && !self->partly) {
        return true; /* it serves nobody: nothing is taken away */
    }
    char spenders[160], group[BUDGET_NAME_MAX + 1];
    if (use.held + use.out <= b->max_out && use.in_service >= b->min_in_service) {
        return true;
    }
    name_spenders(b, spenders, sizeof spenders);
    text_format(why, why_size, "budget%s: %u of %u are out, %u in service: %s",
                name_after_blank(b, group, sizeof group), use.held + use.out, b->max_out,
                use.in_service, spenders);
    return false;
}

/* Is something taken away with one that is counted already? */
static bool may_serve(const struct budget_member *m)
{
    return m->partly || (m->held ? !m->out && !m->declared_out : m->unsure);
}

bool budget_may_take(const struct budget *b, const char *server, uint32_t limit, char *why,
                     size_t why_size)
{
    const struct budget_use use = b->use;
    const struct budget_member *self = find_member(b, server);
    /* Out or held already: it is in the sum, and taking it lowers nothing, unless it serves, or
     * may: an incident holds it, and somebody else has put it back, or it is of another pool. */
    bool counted = self && (self->held || (self->out && !self->declared_out));
    bool costs = !counted || may_serve(self);
    bool serving = !self || !(self->held || self->out || self->declared_out);
    bool perhaps = counted && costs; /* it is in no sum of those in service */
    uint32_t max_out = limit && limit < b->max_out ? limit : b->max_out;
    uint32_t after = use.held + use.out + (counted ? 0 : 1);
    char spenders[160], group[BUDGET_NAME_MAX + 1];
    if (costs && after > max_out) {
        name_spenders(b, spenders, sizeof spenders);
        text_format(why, why_size, "budget%s %u/%u used by %s",
                    name_after_blank(b, group, sizeof group), use.held + use.out, max_out,
                    spenders[0] ? spenders : "nobody: it allows none");
        return false;
    }
    if ((serving || perhaps) && use.in_service < b->min_in_service + (serving ? 1 : 0)) {
        text_format(why, why_size, "budget%s: %u in service, the minimum is %u",
                    name_after_blank(b, group, sizeof group), use.in_service, b->min_in_service);
        return false;
    }
    return true;
}
