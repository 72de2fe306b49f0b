/* rig.h - a coordinator's link and agents' links in one process, with all they said noted down.
 *
 * Real nng over loopback or a local socket. Waiting is for events, never for time; WAIT_MS only
 * bounds how long a broken link can keep a test.
 */
#ifndef FARMHAND_TESTS_LINK_RIG_H
#define FARMHAND_TESTS_LINK_RIG_H

#include "agent/link.h"
#include "coordinator/link/link.h"
#include "proto/codec.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAIT_MS   20000
#define RIG_NOTES 4096

/* What came, in order; taken from the front. */
struct notes {
    pthread_mutex_t lock;
    pthread_cond_t more;
    void *items[RIG_NOTES];
    size_t first, count;
};

struct centre_note {
    enum link_event_kind kind;
    struct agent_message *message;
    struct link_peer peer;
    char address[LINK_PEER_MAX], why[256];
    uint64_t dropped;
};

struct agent_note {
    enum agent_link_event_kind kind;
    enum agent_message_kind request;
    struct command_id id;
    uint64_t listen_no, seq;
    struct coordinator_message *answer;
    struct error error;
};

struct centre {
    struct link *link;
    struct notes notes;
};

struct agent {
    struct agent_link *link;
    struct notes notes;
};

void centre_open(struct centre *c, const char *url);
void centre_open_spec(struct centre *c, struct link_spec spec); /* event and arg are filled in */
void centre_close(struct centre *c);
/* The next note of that kind (others before it are dropped); fails the test when none comes. */
struct centre_note *centre_wait(struct centre *c, enum link_event_kind kind);
size_t centre_waiting(struct centre *c); /* notes not taken */
void centre_note_free(struct centre_note *n);
/* The next message; answers it with kind and gives back the message's kind. */
enum agent_message_kind centre_answer(struct centre *c, enum coordinator_message_kind kind);
void centre_reply(struct centre *c, const struct centre_note *to,
                  enum coordinator_message_kind kind);
void centre_settle_pipes(struct centre *c, size_t count); /* waits until so many are open */

/* Limits of spec that are 0 become short ones. */
void agent_open(struct agent *a, const char *url, struct agent_link_spec spec);
/* Once it is heard by the other side: nng 1.5.2 never frees a connection whose negotiation ends
 * while its end point closes, which a leak checker tells. */
void agent_close(struct agent *a);
struct agent_note *agent_wait(struct agent *a, enum agent_link_event_kind kind);
struct agent_note *agent_wait_any(struct agent *a);
size_t agent_waiting(struct agent *a);
void agent_note_free(struct agent_note *n);
void agent_listen(struct agent *a, uint64_t listen_no);
void agent_send(struct agent *a, enum agent_message_kind kind, uint64_t number);
struct agent_message rig_message(enum agent_message_kind kind, uint64_t number);
/* An ipc address of this test alone; buffer of 128. */
const char *rig_ipc(char *out);

#endif
