/* groups.c - see groups.h. */
#include "tests/sim/groups.h"

#include "common/text.h"
#include "tests/sim/rng.h"

#define ALL(servers) ((uint32_t)((UINT64_C(1) << (servers)) - 1))
#define EVEN         UINT32_C(0x55555555) /* zone a */

static const struct selector_label zone_a = {"zone", "a"}, zone_b = {"zone", "b"};

bool group_has(const struct group *g, size_t server)
{
    return g->members >> server & 1;
}

const struct selector_label *groups_label(const struct groups *g, size_t server)
{
    if (!g->zoned)
        return NULL;
    return EVEN >> server & 1 ? &zone_a : &zone_b;
}

static void add(struct groups *g, const char *name, uint32_t members, uint32_t max_out,
                uint32_t least)
{
    struct group *is = &g->all[g->count++];
    *is = (struct group){.members = members, .max_out = max_out, .min_in_service = least};
    text_copy(is->name, sizeof(is->name), name);
}

static void add_rule(struct groups *g, const char *name, const char *selector, const char *backend,
                     uint32_t members, uint32_t max_out, uint32_t least)
{
    add(g, name, members, max_out, least);
    g->rules[g->rule_count++] = (struct budget_rule){.name = name,
                                                     .selector = selector,
                                                     .backend = backend,
                                                     .max_out = {max_out, false},
                                                     .min_in_service = {least, false}};
}

static void set_rest(struct groups *g, uint32_t members, uint32_t max_out, uint32_t least)
{
    if (members)
        add(g, "default", members, max_out, least);
    g->rest = (struct budget_rule){.max_out = {max_out, false}, .min_in_service = {least, false}};
}

void groups_begin(struct groups *g, uint64_t seed, size_t servers, bool plain)
{
    struct rng rng = rng_of(seed, 7);
    uint64_t kind = rng_between(&rng, 0, 9);
    uint32_t all = ALL(servers), a = all & EVEN, b = all & ~EVEN;
    *g = (struct groups){.zoned = !plain && servers >= 3 && kind >= 4};
    if (plain || servers < 3 || kind < 5) {
        set_rest(g, all, 1, 0);
    } else if (kind == 5) { /* one dead machine of three: no other may go */
        set_rest(g, all, 2, 2);
    } else if (kind == 6) {
        add_rule(g, "a", "zone=a", NULL, a, 1, 0);
        set_rest(g, b, 1, 0);
    } else {
        add_rule(g, "a", "zone=a", NULL, a, 1, 0);
        add_rule(g, "b", "zone=b", NULL, b, 1, 0);
        if (kind == 8) /* what each zone allows, both together do not */
            add_rule(g, "shop", NULL, "shop", all, 1, 0);
        if (kind == 9)
            add_rule(g, "shop", NULL, "shop", all, 2, 1);
        set_rest(g, 0, 1, 0);
    }
}
