/* enrol.h - who is let into the farm: tokens, joining, approval, renewal, removal.
 *
 *              token fits, name is free              renew (two thirds of its life, by itself)
 *   (asks) ----------------------------> MEMBER <-----------------+
 *     |                                   |  ^                    |
 *     | name is not the token's,          |  +--------------------+
 *     | or has joined already             | remove: cut at once, refused from then on
 *     v            approve                v
 *   WAITS ------------------> MEMBER   REMOVED --(joins again with a token)--> MEMBER
 *     |
 *     | remove, reject
 *     v
 *   (gone)
 *
 * A request is known by its key: asked again it gets the same answer, costs no second use, and ends
 * nothing. A new certificate for a name that has joined makes the former ones worthless (since_ms),
 * so that is never done without a person. Every change is one transaction with its audit row and
 * its event. For the brain thread; blocks for the store and for signatures.
 */
#ifndef FARMHAND_COORDINATOR_ENROL_H
#define FARMHAND_COORDINATOR_ENROL_H

#include "common/error.h"
#include "coordinator/enrol/ca.h"
#include "coordinator/enrol/member.h"
#include "coordinator/enrol/members.h"
#include "coordinator/store/store.h"

#include <stddef.h>
#include <stdint.h>

#define ENROL_WAITING_MAX 1000 /* servers that wait for a person */
#define ENROL_TOKENS_MAX  1000 /* that are good for something */

struct enrol;

struct enrol_spec {
    struct store *store; /* borrowed, as all here */
    const struct ca *ca;
    struct members *members; /* kept in step */
    uint64_t life_ms;        /* of certificates */
    void *ctx;
    void (*event)(void *ctx, const struct event *event); /* was made, durably */
    void (*joined)(void *ctx, const struct member *m);   /* its labels are to be known */
    void (*cut)(void *ctx, const char *name);            /* end its connections */
};

/* Loads everything, and tells `joined` of every member. */
enum error_code enrol_open(const struct enrol_spec *spec, struct enrol **out, struct error *err);
void enrol_close(struct enrol *e); /* NULL is fine */

/* ---- tokens ---- */

struct enrol_wish {
    const char *names; /* a glob */
    const char *labels;
    enum profile profile;
    uint64_t uses;
    uint64_t for_ms;
    const char *actor, *reason;
};
/* The token itself is told this once. */
enum error_code enrol_create(struct enrol *e, const struct enrol_wish *wish, int64_t wall_ms,
                             char token[TOKEN_TEXT_MAX], const struct join_right **out,
                             struct error *err);
enum error_code enrol_revoke(struct enrol *e, const char *id, const char *actor, const char *reason,
                             int64_t wall_ms, struct error *err);

/* ---- servers ---- */

struct enrol_request {
    const char *token, *name, *request; /* PEM */
    const char *address;
};
struct enrol_answer {
    bool in;
    struct ca_issued issued;  /* in: pem is the caller's */
    enum profile profile;     /* in */
    char why[MEMBER_WHY_MAX]; /* waits: for people */
};
/* ERR_DENIED: the token is not good (wrong, expired, used up, revoked: `wrong` tells a guess from
 * the others). ERR_INVALID: name or request. ERR_BUSY: that key got its certificate a moment ago.
 */
enum error_code enrol_join(struct enrol *e, const struct enrol_request *request, int64_t wall_ms,
                           struct enrol_answer *out, bool *wrong, struct error *err);
/* name: of the certificate it came with. ERR_BUSY: it got one a moment ago; nothing was written. */
enum error_code enrol_renew(struct enrol *e, const char *name, const char *request, int64_t wall_ms,
                            struct ca_issued *out, struct error *err);
/* Lets in what waits under that name; ERR_NOT_FOUND. With several keys under one name `key` (a
 * beginning of one) says which: else ERR_EXISTS lists them. */
enum error_code enrol_approve(struct enrol *e, const char *name, const char *key, const char *actor,
                              const char *reason, int64_t wall_ms, struct error *err);
/* Cut at once, and everything that waits under that name is gone. */
enum error_code enrol_remove(struct enrol *e, const char *name, const char *actor,
                             const char *reason, int64_t wall_ms, struct error *err);

/* ---- for views; lent until the next call that changes ---- */

size_t enrol_right_count(const struct enrol *e);
const struct join_right *enrol_right_at(const struct enrol *e, size_t index);
size_t enrol_member_count(const struct enrol *e);
const struct member *enrol_member_at(const struct enrol *e, size_t index);
const struct member *enrol_member_find(const struct enrol *e, const char *name); /* NULL: none */
size_t enrol_joining_count(const struct enrol *e);
const struct joining *enrol_joining_at(const struct enrol *e, size_t index);

/* NULL: good; else why not: "has expired", "is used up", "was revoked". */
const char *join_right_spent(const struct join_right *right, int64_t wall_ms);
/* "k=v,k=v": true, and counts; label_count may be 0. */
bool member_labels_ok(const char *labels);

#endif
