/* letters.c - see letters.h. */
#include "coordinator/letters.h"

#include "common/log.h"
#include "common/must.h"
#include "common/service.h"
#include "common/text.h"
#include "proto/codec.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define MAILBOX_LETTERS 16384

void letters_open(struct letters *letters)
{
    letters->box = mailbox_open(MAILBOX_LETTERS, letter_free);
    atomic_init(&letters->lost, 0);
}

void letter_free(void *arg)
{
    struct letter *l = arg;
    if (l->message)
        codec_free_agent(l->message);
    if (l->request)
        api_drop(l->request);
    free(l->answer);
    free(l->notice);
    free(l);
}

static struct letter *letter_new(enum letter_kind kind)
{
    struct letter *l = must_alloc(1, sizeof(*l));
    l->kind = kind;
    return l;
}

/* false: full, and the letter is released. */
static bool post(struct letters *to, struct letter *l)
{
    if (mailbox_post(to->box, l))
        return true;
    atomic_fetch_add(&to->lost, 1);
    letter_free(l);
    return false;
}

/* ---- callbacks ---- */

static struct coordinator_peer peer_of(const struct link_peer *from)
{
    struct coordinator_peer peer = {.pipe = from->pipe, .len = from->len};
    _Static_assert(sizeof(peer.bytes) == sizeof(from->bytes), "the brain carries what link needs");
    memcpy(peer.bytes, from->bytes, sizeof(peer.bytes));
    return peer;
}

void letters_on_link(void *arg, const struct link_event *event)
{
    struct letter *l;
    switch (event->kind) {
    case LINK_MESSAGE:
        l = letter_new(LETTER_AGENT);
        l->message = event->message;
        l->peer = peer_of(&event->peer);
        text_copy(l->address, sizeof(l->address), event->address ? event->address : "");
        post(arg, l);
        break;
    case LINK_GONE:
        l = letter_new(LETTER_GONE);
        l->peer = peer_of(&event->peer);
        post(arg, l);
        break;
    case LINK_BAD_PEER:
        log_warn("bad_peer", LOG_TEXT("address", event->address), LOG_TEXT("why", event->why),
                 LOG_UINT("dropped", event->dropped));
        break;
    }
}

void letters_on_balancer(void *arg, const struct balancer_answer *answer)
{
    struct letter *l = letter_new(LETTER_BALANCER);
    l->answer = must_alloc(1, sizeof(*l->answer));
    *l->answer = *answer;
    post(arg, l);
}

/* A result must not be lost, else nothing more is sent there: its thread waits for room. */
void letters_on_notice(void *arg, size_t target, const struct notifier_result *result)
{
    struct letters *to = arg;
    struct letter *l = letter_new(LETTER_NOTICE);
    l->notice_target = target;
    l->notice = must_alloc(1, sizeof(*l->notice));
    *l->notice = *result;
    while (!mailbox_post(to->box, l)) {
        if (service_stopping()) { /* told again after the restart */
            letter_free(l);
            return;
        }
        sched_yield();
    }
}

bool letters_on_request(void *arg, struct api_request *request)
{
    struct letters *to = arg;
    struct letter *l = letter_new(LETTER_REQUEST);
    l->request = request;
    if (mailbox_post(to->box, l))
        return true;
    free(l); /* the request stays the API's */
    return false;
}
