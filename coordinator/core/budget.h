/* budget.h - who may be out now. Pure.
 *
 * One rule for every cause (promise 1): a server may be taken only if
 *     what we hold + what is observed out + this one <= max_out
 * over the servers of its budget group, each counted once, and the servers left in service stay at
 * or above min_in_service. A server that is out already costs nothing more, unless it may serve all
 * the same: nothing is known of it, an incident holds it while it serves, or what is out there is
 * not what is to be taken (a place in rotation of another pool). Then there must be room for it; it
 * is in the sum once, so that it never waits for itself alone. A server that a person
 * declared out leaves the first sum but not the second. An observation that is not fresh counts as
 * out: what we do not know we cannot spend.
 *
 * A group is a set of servers that can stand in for each other: those that a selector names, or
 * those of one backend of a balancer. A server of several groups counts in each of them and must
 * fit into every one; those of none are the default group together.
 */
#ifndef FARMHAND_COORDINATOR_BUDGET_H
#define FARMHAND_COORDINATOR_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_NAME_MAX 64 /* bytes of a group's name, NUL included */

/* "3", or "10%" of the servers of the group. */
struct budget_limit {
    uint32_t value;
    bool percent;
};

/* One group, as configured. Neither selector nor backend: the default one. Strings are lent. */
struct budget_rule {
    const char *name;     /* NULL: the default */
    const char *selector; /* has passed selector_check */
    const char *backend;
    struct budget_limit max_out, min_in_service;
};

struct budget_member {
    const char *server;
    bool held;           /* by us: a run, an incident, a hold */
    const char *held_by; /* "run 7"; lent */
    bool out;            /* observed: down, unhealthy, silent, out of rotation */
    bool unsure;         /* out for want of knowledge alone: it may well be serving */
    bool partly;         /* out, but not with what is to be taken: that serves */
    const char *why;     /* "silent for 12s"; lent */
    bool declared_out;
    bool set_aside; /* held for the sake of a question alone: it is to be taken first */
};

struct budget_use {
    uint32_t held, out, declared; /* out: not held and not declared */
    uint32_t in_service;          /* neither held, out nor declared */
};

struct budget {
    const char *group; /* NULL: the default one; lent */
    uint32_t max_out;
    uint32_t min_in_service;
    const struct budget_member *members; /* of one group, in the order of their names */
    size_t count;
    struct budget_use use; /* of the members, as budget_sum found them */
};

/* Counts the members anew: before anything is asked, and whenever one of them has changed. A plan
 * asks once for each of ten thousand servers, so that questions do not count by themselves. */
void budget_sum(struct budget *b);

/* false: neither a number up to 100000 nor a percentage up to 100; *out is untouched. */
bool budget_limit_parse(const char *text, struct budget_limit *out);

/* Sums up, and puts the rule in servers, for the members that b has. A percentage of those that may
 * be out is rounded down, but allows one: a small group could never be recycled else. It is of the
 * servers that are not declared out; the minimum is of all, rounded up. */
void budget_apply_rule(struct budget *b, const struct budget_rule *rule);

/* May a server that is held be drained again, since its drain was forgotten? With everybody that is
 * held counted as out, whether it is or not, the rule must be kept; one that is observed out costs
 * nothing. false: `why`. `limit` is not looked at: as budget_may_take, for tables of both. */
bool budget_lets_drain_again(const struct budget *b, const char *server, uint32_t limit, char *why,
                             size_t why_size);

/* limit: a run's own, smaller maximum (0: none). On no, `why` is a sentence that names who. */
bool budget_may_take(const struct budget *b, const char *server, uint32_t limit, char *why,
                     size_t why_size);

#endif
