/* member.h - who belongs to the farm, and by what word: join tokens, servers that joined, and those
 * that wait for a person. Plain structs; enrol.h decides, store.h keeps. Ids, keys and hashes are
 * lower-case hexadecimal; times are wall milliseconds, 0: never.
 */
#ifndef FARMHAND_COORDINATOR_MEMBER_H
#define FARMHAND_COORDINATOR_MEMBER_H

#include "common/sha256.h"
#include "proto/messages.h"
#include "proto/profile.h"
#include "proto/token.h"

#include <stdint.h>

#define MEMBER_ID_HEX      (2 * TOKEN_ID_BYTES + 1)
#define MEMBER_LABELS_MAX  512 /* "farm=web,zone=a" */
#define MEMBER_WHO_MAX     128
#define MEMBER_WHY_MAX     256
#define MEMBER_REQUEST_MAX 2048

struct join_right {
    char id[MEMBER_ID_HEX];
    char hash[SHA256_HEX];     /* of its secret */
    char names[WIRE_NAME_MAX]; /* a glob */
    char labels[MEMBER_LABELS_MAX];
    enum profile profile;
    uint64_t uses, used;
    int64_t created_ms, expires_ms, revoked_ms;
    char created_by[MEMBER_WHO_MAX];
};

struct member {
    char name[WIRE_NAME_MAX];
    char key[SHA256_HEX];      /* of its public key */
    char token[MEMBER_ID_HEX]; /* it came by */
    char labels[MEMBER_LABELS_MAX];
    enum profile profile;                    /* it was given; what holds is the server's own word */
    int64_t joined_ms, until_ms, removed_ms; /* until: of its newest certificate */
    int64_t since_ms;                        /* certificates issued before are good no more */
    int64_t issued_ms;                       /* when its newest one was, by that one's own word */
};

/* Asked to join, and no rule lets it in by itself. */
struct joining {
    char name[WIRE_NAME_MAX];
    char key[SHA256_HEX];
    char token[MEMBER_ID_HEX];
    char address[64];
    char why[MEMBER_WHY_MAX];
    int64_t asked_ms, approved_ms;
};

/* What somebody may do who comes from afar; each may do what the one before it may. */
enum role { ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN };
#define ROLE_COUNT 3
const char *role_name(enum role role);
bool role_parse(const char *word, enum role *out);

struct operator_right {
    char id[MEMBER_ID_HEX];
    bool certificate;      /* by a client's certificate; else by a token */
    char hash[SHA256_HEX]; /* of the token's secret, or of the certificate's public key */
    char name[MEMBER_WHO_MAX];
    enum role role;
    char servers[WIRE_NAME_MAX]; /* a selector: what it changes is theirs alone; "all" */
    int64_t created_ms, expires_ms, revoked_ms;
    char created_by[MEMBER_WHO_MAX];
};

#endif
