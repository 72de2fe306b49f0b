/* link.c - see link.h. Requests, and the pipe that carries them. */
#include "agent/link_internal.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/nng_close.h"
#include "common/nng_reset.h"
#include "common/text.h"
#include "proto/codec.h"
#include "proto/url.h"

#include <nng/protocol/reqrep0/req.h>

#include <stdlib.h>

#define CLOSE_LIMIT_MS 2000
#define ENVELOPE_MAX   64 /* bytes nng counts beside our message */
#define REDIAL_MS      30000

enum error_code link_nng_error(struct error *err, int rv, const char *what)
{
    enum error_code code = ERR_IO;
    if (rv == NNG_ETIMEDOUT)
        code = ERR_TIMEOUT;
    else if (rv == NNG_ECONNRESET || rv == NNG_ECANCELED || rv == NNG_ECLOSED)
        code = ERR_UNREACHABLE;
    else if (rv == NNG_EADDRINVAL || rv == NNG_EINVAL)
        code = ERR_INVALID;
    else if (rv == NNG_ECRYPTO || rv == NNG_EPEERAUTH)
        code = ERR_DENIED;
    else if (rv == NNG_ENOMEM || rv == NNG_ENOFILES)
        code = ERR_NOMEM;
    return error_set(err, code, "%s: %s (nng %d)", what, nng_strerror(rv), rv);
}

/* ---- sending; under the lock ---- */

static nng_msg *encode(const struct agent_message *message)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    nng_msg *msg = NULL;
    must(codec_encode_agent(message, &bytes, &len, NULL) == ERR_NONE); /* copy_message() tried */
    must(nng_msg_alloc(&msg, 0) == 0 && nng_msg_append(msg, bytes, len) == 0);
    free(bytes);
    return msg;
}

static void lane_start(struct lane *lane, struct agent_message *message)
{
    message->seq = ++lane->link->seq;
    lane->message = message;
    lane->receiving = false;
    lane->given_up = false;
    lane->deadline_ms = clock_boot_ms() + lane->limit_ms;
    nng_aio_set_timeout(lane->aio, (nng_duration)lane->limit_ms);
    nng_aio_set_msg(lane->aio, encode(message));
    nng_ctx_send(lane->ctx, lane->aio); /* its end comes on another thread, never from here */
}

/* The flag is for the moment between the two halves of a request, when there is nothing to cancel.
 */
static void lane_give_up(struct lane *lane)
{
    if (!lane->message)
        return;
    lane->given_up = true;
    nng_aio_cancel(lane->aio);
}

static void arm_retry(struct agent_link *link, uint64_t now_ms)
{
    uint64_t due_ms = outbox_due_ms(&link->outbox);
    if (due_ms == UINT64_MAX || link->retry_at_ms != UINT64_MAX)
        return;
    link->retry_at_ms = due_ms;
    uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    nng_sleep_aio((nng_duration)wait_ms, link->retry);
}

/* Starts whatever can start now. */
static void pump(struct agent_link *link)
{
    if (link->closing || link->pipe == 0)
        return;
    if (!link->listener.message && !link->listener.telling && link->next_listen) {
        struct agent_message *message = link->next_listen;
        link->next_listen = NULL;
        lane_start(&link->listener, message);
    }
    if (link->sender.message || link->sender.telling)
        return;
    uint64_t now_ms = clock_boot_ms();
    struct agent_message *message = outbox_take(&link->outbox, now_ms);
    if (message)
        lane_start(&link->sender, message);
    else
        arm_retry(link, now_ms);
}

/* ---- what comes back ---- */

static void describe(const struct agent_message *request, struct agent_link_event *event)
{
    event->request = request->kind;
    event->seq = request->seq;
    switch (request->kind) {
    case AGENT_LISTEN:
        event->listen_no = request->listen.listen_no;
        break;
    case AGENT_PROGRESS:
        event->id = request->progress.id;
        break;
    case AGENT_RESULT:
        event->id = request->result.id;
        break;
    case AGENT_OBSERVATION:
        event->id = request->observation.id;
        break;
    case AGENT_RENEW:
    case AGENT_REPORT:
        break;
    }
}

/* The answer, if what came is one to this request. */
static enum error_code read_answer(struct lane *lane, struct coordinator_message **out,
                                   struct error *err)
{
    nng_msg *msg = nng_aio_get_msg(lane->aio);
    struct coordinator_message *answer = NULL;
    nng_aio_set_msg(lane->aio, NULL);
    enum error_code code =
        codec_decode_coordinator(nng_msg_body(msg), nng_msg_len(msg), &answer, err);
    nng_msg_free(msg);
    if (code != ERR_NONE) {
        error_wrap(err, "the coordinator's answer");
        return code;
    }
    if (answer->seq != lane->message->seq) {
        codec_free_coordinator(answer);
        return error_set(err, ERR_CORRUPT, "the coordinator's answer: belongs to another request");
    }
    *out = answer;
    return ERR_NONE;
}

static void lane_failed(struct lane *lane, int rv, struct error *err)
{
    nng_msg_free(nng_aio_get_msg(lane->aio)); /* given back where it was never sent */
    nng_aio_set_msg(lane->aio, NULL);
    link_nng_error(err, rv, "request");
}

/* Puts the lane to rest. Gives the pipe to close, 0: none. *superseded: the brain has asked for a
 * newer listen, nothing is to be told. */
static uint32_t lane_rest(struct lane *lane, const struct coordinator_message *answer,
                          const struct error *err, bool *superseded)
{
    struct agent_link *link = lane->link;
    struct agent_message *message = lane->message;
    bool listen = lane == &link->listener;
    bool broken = !answer && (err->code == ERR_CORRUPT || err->code == ERR_NEWER ||
                              err->code == ERR_NOMEM || (listen && err->code == ERR_TIMEOUT));
    *superseded = listen && (link->next_listen || lane->hushed);
    lane->hushed = false;
    lane->message = NULL;
    lane->telling = true;
    if (listen)
        codec_free_agent(message);
    else
        outbox_settle(&link->outbox, message,
                      answer && (message->kind != AGENT_RESULT || answer->kind == COORDINATOR_ACK),
                      clock_boot_ms());
    return broken ? link->pipe : 0;
}

static void lane_end(struct lane *lane, int rv)
{
    struct agent_link *link = lane->link;
    struct coordinator_message *answer = NULL;
    struct error err = {0};
    struct agent_link_event event = {.kind = AGENT_LINK_ANSWER};
    bool superseded = false;
    if (rv != 0)
        lane_failed(lane, rv, &err);
    else
        read_answer(lane, &answer, &err);
    describe(lane->message, &event);
    nng_mtx_lock(link->lock);
    uint32_t broken = lane_rest(lane, answer, &err, &superseded);
    nng_mtx_unlock(link->lock);
    if (!answer) {
        event.kind = AGENT_LINK_FAILED;
        event.error = &err;
    }
    event.answer = answer;
    if (answer || !superseded)
        link->spec.on_event(link->spec.arg, &event);
    nng_mtx_lock(link->lock);
    lane->telling = false; /* what goes out now may be answered on another thread, at once */
    pump(link);
    nng_mtx_unlock(link->lock);
    if (broken) /* last, so that the reason is told before the end */
        nng_pipe_close((nng_pipe){.id = broken});
}

/* The request is out: wait for its answer for the rest of its time. False: nobody wants it. */
static bool lane_receive(struct lane *lane)
{
    nng_mtx_lock(lane->link->lock);
    bool wanted = !lane->given_up;
    if (wanted) {
        uint64_t now_ms = clock_boot_ms();
        uint64_t left_ms = lane->deadline_ms > now_ms ? lane->deadline_ms - now_ms : 1;
        lane->receiving = true;
        nng_aio_set_timeout(lane->aio, (nng_duration)left_ms);
        nng_ctx_recv(lane->ctx, lane->aio);
    }
    nng_mtx_unlock(lane->link->lock);
    return wanted;
}

static void on_lane(void *arg)
{
    struct lane *lane = arg;
    int rv = nng_aio_result(lane->aio);
    if (rv != 0 || lane->receiving)
        lane_end(lane, rv);
    else if (!lane_receive(lane))
        lane_end(lane, NNG_ECANCELED);
}

/* ---- connection ---- */

static void tell(struct agent_link *link, enum agent_link_event_kind kind)
{
    struct agent_link_event event = {.kind = kind};
    link->spec.on_event(link->spec.arg, &event);
}

/* Before the pipe carries anything, since the later event may come after the pipe's end. The pipe
 * of a renewed certificate takes over once the former one has ended: see on_leave. */
static void on_pipe_added(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct agent_link *link = arg;
    (void)ev;
    nng_mtx_lock(link->lock);
    bool renewed = link->former.id != 0 && nng_pipe_dialer(pipe).id == link->dialer.id;
    if (renewed) {
        link->coming = (uint32_t)pipe.id;
        if (!link->closing)
            nng_sleep_aio(0, link->leave); /* on a thread where nng may be waited for */
        nng_mtx_unlock(link->lock);
        return;
    }
    link->pipe = (uint32_t)pipe.id;
    outbox_hurry(&link->outbox);
    pump(link);
    nng_mtx_unlock(link->lock);
    tell(link, AGENT_LINK_UP);
}

static void on_pipe_removed(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct agent_link *link = arg;
    (void)ev;
    nng_mtx_lock(link->lock);
    bool ours = link->pipe == (uint32_t)pipe.id;
    if (link->coming == (uint32_t)pipe.id)
        link->coming = 0;
    if (ours) {
        link->pipe = 0;
        codec_free_agent(link->next_listen);
        link->next_listen = NULL;
        lane_give_up(&link->listener);
        lane_give_up(&link->sender);
    }
    nng_mtx_unlock(link->lock);
    if (ours)
        tell(link, AGENT_LINK_DOWN);
}

static void on_retry(void *arg)
{
    struct agent_link *link = arg;
    nng_mtx_lock(link->lock);
    link->retry_at_ms = UINT64_MAX;
    if (nng_aio_result(link->retry) == 0)
        pump(link);
    nng_mtx_unlock(link->lock);
}

/* The new connection stands: the former one ends, without a word about it. What was open there has
 * failed, and the brain writes a fresh listen on AGENT_LINK_UP as ever. */
static void on_leave(void *arg)
{
    struct agent_link *link = arg;
    nng_mtx_lock(link->lock);
    nng_dialer former = link->former;
    bool take = nng_aio_result(link->leave) == 0 && link->coming != 0 && former.id != 0;
    if (take) {
        link->pipe = link->coming;
        link->coming = 0;
        link->former.id = 0;
        link->listener.hushed = link->listener.message != NULL;
    }
    nng_mtx_unlock(link->lock);
    if (!take)
        return;
    nng_dialer_close(former); /* with its pipe */
    nng_mtx_lock(link->lock);
    lane_give_up(&link->listener);
    outbox_hurry(&link->outbox);
    pump(link);
    nng_mtx_unlock(link->lock);
    tell(link, AGENT_LINK_UP);
}

/* ---- life ---- */

static uint32_t or_default(uint32_t value, uint32_t standard)
{
    return value ? value : standard;
}

static void set_defaults(struct agent_link_spec *spec)
{
    spec->reconnect_min_ms = or_default(spec->reconnect_min_ms, 1000);
    spec->reconnect_max_ms = or_default(spec->reconnect_max_ms, 60000);
    spec->listen_limit_ms = or_default(spec->listen_limit_ms, 30000);
    spec->request_limit_ms = or_default(spec->request_limit_ms, 10000);
    spec->result_retry_ms = or_default(spec->result_retry_ms, 5000);
    spec->redial_ms = or_default(spec->redial_ms, spec->reconnect_max_ms + REDIAL_MS);
}

static int configure_socket(struct agent_link *link)
{
    nng_socket s = link->socket;
    int rv = nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, WIRE_MESSAGE_MAX + ENVELOPE_MAX);
    rv = rv ? rv : nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    rv = rv ? rv
            : nng_socket_set_ms(s, NNG_OPT_RECONNMINT, (nng_duration)link->spec.reconnect_min_ms);
    rv = rv ? rv
            : nng_socket_set_ms(s, NNG_OPT_RECONNMAXT, (nng_duration)link->spec.reconnect_max_ms);
    rv = rv ? rv : nng_pipe_notify(s, NNG_PIPE_EV_ADD_PRE, on_pipe_added, link);
    rv = rv ? rv : nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, on_pipe_removed, link);
    return rv;
}

static void lane_init(struct agent_link *link, struct lane *lane, uint64_t limit_ms)
{
    lane->link = link;
    lane->limit_ms = limit_ms;
    must(nng_aio_alloc(&lane->aio, on_lane, lane) == 0);
}

static int open_socket(struct agent_link *link)
{
    nng_reset_is_no_end();
    int rv = nng_req0_open(&link->socket);
    rv = rv ? rv : configure_socket(link);
    rv = rv ? rv : nng_ctx_open(&link->listener.ctx, link->socket);
    rv = rv ? rv : nng_ctx_open(&link->sender.ctx, link->socket);
    return rv ? rv : link_dial_first(link);
}

enum error_code agent_link_open(const struct agent_link_spec *spec, struct agent_link **out,
                                struct error *err)
{
    enum error_code code = wire_check_url(spec->url, false, err);
    if (code == ERR_NONE && wire_url_has_tls(spec->url) && !spec->tls)
        code = error_set(err, ERR_INVALID, "%s: TLS needs certificates", spec->url);
    if (code != ERR_NONE)
        return code;
    struct agent_link *link = must_alloc(1, sizeof(*link));
    link->spec = *spec;
    set_defaults(&link->spec);
    must(text_copy(link->url, sizeof(link->url), spec->url)); /* it was accepted */
    link->retry_at_ms = UINT64_MAX;
    outbox_init(&link->outbox, link->spec.result_retry_ms);
    must(nng_mtx_alloc(&link->lock) == 0);
    must(nng_aio_alloc(&link->retry, on_retry, link) == 0);
    must(nng_aio_alloc(&link->leave, on_leave, link) == 0);
    link_dial_init(link);
    lane_init(link, &link->listener, link->spec.listen_limit_ms);
    lane_init(link, &link->sender, link->spec.request_limit_ms);
    int rv = open_socket(link);
    link->spec.url = NULL; /* the caller's */
    link->spec.tls = NULL;
    if (rv) {
        code = link_nng_error(err, rv, spec->url);
        agent_link_close(link);
        return code;
    }
    link_dial_start(link);
    *out = link;
    return ERR_NONE;
}

static void lane_reset(struct lane *lane)
{
    nng_aio_free(lane->aio);
    codec_free_agent(lane->message);
}

void agent_link_close(struct agent_link *link)
{
    if (!link)
        return;
    nng_mtx_lock(link->lock);
    link->closing = true;
    nng_mtx_unlock(link->lock);
    nng_aio_stop(link->dial);
    nng_aio_stop(link->retry);
    nng_aio_stop(link->leave);
    nng_aio_stop(link->watch);
    nng_aio_stop(link->listener.aio);
    nng_aio_stop(link->sender.aio);
    if (nng_socket_id(link->socket) > 0) {
        nng_pipe_notify(link->socket, NNG_PIPE_EV_ADD_PRE, NULL, NULL);
        nng_pipe_notify(link->socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
        if (!nng_close_within(link->socket, CLOSE_LIMIT_MS))
            return; /* nng's threads are still at it: they keep what they use */
    }
    lane_reset(&link->listener);
    lane_reset(&link->sender);
    nng_aio_free(link->dial);
    nng_aio_free(link->retry);
    nng_aio_free(link->leave);
    nng_aio_free(link->watch);
    if (link->config)
        nng_tls_config_free(link->config);
    codec_free_agent(link->next_listen);
    outbox_reset(&link->outbox);
    nng_mtx_free(link->lock);
    free(link);
}

/* A copy of our own, known to encode whatever number it is sent with. */
static enum error_code copy_message(const struct agent_message *message, struct agent_message **out,
                                    struct error *err)
{
    struct agent_message longest = *message;
    uint8_t *bytes = NULL;
    size_t len = 0;
    longest.seq = UINT64_MAX;
    enum error_code code = codec_encode_agent(&longest, &bytes, &len, err);
    if (code == ERR_NONE)
        code = codec_decode_agent(bytes, len, out, err);
    free(bytes);
    return code;
}

enum error_code agent_link_listen(struct agent_link *link, const struct agent_message *message,
                                  struct error *err)
{
    struct agent_message *copy = NULL;
    must(message->kind == AGENT_LISTEN);
    enum error_code code = copy_message(message, &copy, err);
    if (code != ERR_NONE)
        return code;
    nng_mtx_lock(link->lock);
    bool up = link->pipe != 0;
    if (up) {
        lane_give_up(&link->listener);
        codec_free_agent(link->next_listen);
        link->next_listen = copy;
        pump(link);
    }
    nng_mtx_unlock(link->lock);
    if (up)
        return ERR_NONE;
    codec_free_agent(copy);
    return error_set(err, ERR_UNREACHABLE, "link: not connected to the coordinator");
}

enum error_code agent_link_send(struct agent_link *link, const struct agent_message *message,
                                struct error *err)
{
    struct agent_message *copy = NULL;
    must(message->kind != AGENT_LISTEN);
    enum error_code code = copy_message(message, &copy, err);
    if (code != ERR_NONE)
        return code;
    nng_mtx_lock(link->lock);
    code = outbox_put(&link->outbox, copy, clock_boot_ms(), err);
    pump(link);
    nng_mtx_unlock(link->lock);
    return code;
}

enum agent_link_state agent_link_state(struct agent_link *link)
{
    nng_mtx_lock(link->lock);
    bool up = link->pipe != 0;
    nng_mtx_unlock(link->lock);
    return up ? AGENT_LINK_STATE_UP : AGENT_LINK_STATE_DOWN;
}
