/* letters.h - what other threads have for the brain's: callbacks of nng, of the balancer's thread,
 * of the notices' and of the HTTP server copy it into the mailbox and leave.
 *
 * When it is full, agents' messages and the balancer's answers are dropped and counted, since those
 * who wait for them ask again; a request stays the API's, and what came of a notice waits.
 */
#ifndef FARMHAND_COORDINATOR_LETTERS_H
#define FARMHAND_COORDINATOR_LETTERS_H

#include "common/mailbox.h"
#include "coordinator/api/api.h"
#include "coordinator/balancer/balancer.h"
#include "coordinator/brain/coordinator.h"
#include "coordinator/link/link.h"
#include "coordinator/notices/notices.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_MAX 64

enum letter_kind { LETTER_AGENT, LETTER_GONE, LETTER_BALANCER, LETTER_REQUEST, LETTER_NOTICE };

struct letter {
    enum letter_kind kind;
    struct agent_message *message;
    struct coordinator_peer peer; /* AGENT, and its pipe for GONE */
    char address[ADDRESS_MAX];
    struct balancer_answer *answer;
    struct api_request *request;
    size_t notice_target;
    struct notifier_result *notice;
};

struct letters {
    struct mailbox *box;   /* mailbox_take it, letter_free what came */
    _Atomic uint64_t lost; /* of those that found the mailbox full; only grows */
};

/* Before the threads that post; mailbox_close the box when they have ended. */
void letters_open(struct letters *letters);
void letter_free(void *letter); /* with all that is still its own: set to NULL what was taken */

/* For the threads of others; `letters` is a struct letters. All copy what they are lent. */
void letters_on_link(void *letters, const struct link_event *event); /* takes the message */
void letters_on_balancer(void *letters, const struct balancer_answer *answer);
/* Must not be lost, else nothing more is sent there: waits for room, or the end of the program. */
void letters_on_notice(void *letters, size_t target, const struct notifier_result *result);
/* false: full, and the request stays the API's. */
bool letters_on_request(void *letters, struct api_request *request);

#endif
