#include "coordinator/budget.h"

#include "common/text.h"

#include <string.h>

void budget_count(const struct budget *b, struct budget_use *use)
{
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

bool budget_may_take(const struct budget *b, const char *server, uint32_t limit, char *why,
                     size_t why_size)
{
    struct budget_use use;
    budget_count(b, &use);
    const struct budget_member *self = NULL;
    for (size_t i = 0; i < b->count && !self; i++) {
        self = text_equal_nocase(b->members[i].server, server) ? &b->members[i] : NULL;
    }
    /* Out or held already: it is in the sum, and taking it lowers nothing, unless it may serve. */
    bool counted = self && (self->held || (self->out && !self->declared_out));
    bool costs = !counted || (!self->held && self->unsure);
    bool serving = !self || !(self->held || self->out || self->declared_out);
    uint32_t max_out = limit && limit < b->max_out ? limit : b->max_out;
    uint32_t after = use.held + use.out + (counted ? 0 : 1);
    char spenders[160];
    name_spenders(b, spenders, sizeof spenders);
    if (costs && after > max_out) {
        text_format(why, why_size, "budget %u/%u used by %s", use.held + use.out, max_out,
                    spenders[0] ? spenders : "nobody: it allows none");
        return false;
    }
    if (serving && use.in_service < b->min_in_service + 1) {
        text_format(why, why_size, "%u in service, the minimum is %u", use.in_service,
                    b->min_in_service);
        return false;
    }
    return true;
}
