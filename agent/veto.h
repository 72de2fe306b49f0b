/* veto.h - what this server's owner lets the coordinator do: the agent's own say, even against a
 * coordinator that is wrong.
 *
 * Default deny. Looked at once, when a command arrives; never between a stop and its start. Reads
 * are always allowed. Cool-down and rate are for disruptive verbs only, and counted from when they
 * were begun; the services count as one pool without a name. Pure.
 */
#ifndef FARMHAND_AGENT_VETO_H
#define FARMHAND_AGENT_VETO_H

#include "proto/messages.h"
#include "proto/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VETO_HOUR_MS (60 * 60 * 1000)

struct veto_settings {
    enum profile profile;     /* what is above it is refused, whatever the lists say */
    bool verbs[VERB_COUNT];   /* those that act */
    const char *const *pools; /* for verbs that name one: globs in order, "!glob" excludes; a pool
                                 must match one and be excluded by none; lent */
    size_t pool_count;
    uint64_t cool_down_ms; /* between disruptive acts on one pool; 0: none */
    uint64_t max_per_hour; /* disruptive acts on this server; 0: no limit */
};

/* A disruptive act that was begun, and how long ago. */
struct veto_act {
    char pool[WIRE_NAME_MAX];
    uint64_t age_ms;
};

struct veto;
struct veto *veto_new(const struct veto_settings *settings, const struct veto_act *acts,
                      size_t count, uint64_t now_ms);
void veto_free(struct veto *v); /* NULL is fine */

/* True: allowed. False: why fits the wire and says what to do. */
bool veto_allows(struct veto *v, enum verb verb, const char *pool, uint64_t now_ms, char *why,
                 size_t why_size_bytes);
/* The profile alone: for DRAIN, which has no list. */
bool veto_profile_allows(const struct veto *v, enum verb verb, char *why, size_t why_size_bytes);
/* A disruptive act is begun. */
void veto_count(struct veto *v, const char *pool, uint64_t now_ms);

#endif
