/* link.c - see link.h. */
#include "coordinator/link/link.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/nng_close.h"
#include "common/nng_reset.h"
#include "common/text.h"
#include "coordinator/link/link_tls.h"
#include "proto/codec.h"
#include "proto/url.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/util/platform.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Bytes nng counts beside our message: ids of the request and of devices in between. Somewhat more
 * is let in, so that a message just over the bound is told as such; nng closes the pipe of a longer
 * one without a word. */
#define CLOSE_LIMIT_MS 2000
#define ENVELOPE_MAX   4096
#define RECEIVE_QUEUE  128
#define SEND_QUEUE     8192 /* the most nng takes: thousands of listens may end in the same moment */
#define HOPS_MAX       1    /* no devices in between: a header is pipe and request, 8 bytes */
#define IPC_MODE       0660
#define IDLE_MS        60000
#define HANDSHAKE_MS   12000 /* nng itself means to give 10 s */
#define SWEEP_MAX      256   /* pipes closed in one go */
#define REFUSED_MS     10000 /* between two words on who was sent away at the door */

struct link {
    nng_socket socket;
    nng_listener listener;
    nng_aio *receive;
    nng_tls_config *tls_config; /* NULL: without TLS */
    bool (*admit)(void *arg, const struct link_cert *cert); /* NULL: all are let in */
    void *admit_arg;
    char url[256];
    link_on_event *on_event;
    void *arg;

    nng_mtx *lock; /* what follows, and the order of events */
    struct link_guard *guard;
    uint64_t messages, dropped;
    uint32_t idle_ms;
    uint64_t refused_told_ms; /* 0: never; the brain's thread alone */
    bool tls;
};

/* The codes of nng that opening and sending can meet; the rest keep their number in the text. */
static enum error_code nng_error(struct error *err, int rv, const char *what)
{
    enum error_code code = ERR_IO;
    if (rv == NNG_EADDRINUSE)
        code = ERR_EXISTS;
    else if (rv == NNG_EADDRINVAL || rv == NNG_EINVAL)
        code = ERR_INVALID;
    else if (rv == NNG_EPERM)
        code = ERR_DENIED;
    else if (rv == NNG_ECRYPTO)
        code = ERR_CORRUPT;
    else if (rv == NNG_ENOMEM || rv == NNG_ENOFILES)
        code = ERR_NOMEM;
    else if (rv == NNG_EAGAIN || rv == NNG_ETIMEDOUT)
        code = ERR_FULL;
    return error_set(err, code, "%s: %s (nng %d)", what, nng_strerror(rv), rv);
}

/* ---- events; each is told under the lock, which keeps them in order ---- */

static void tell_bad_peer(struct link *link, const struct link_guard_report *report,
                          const char *why)
{
    if (!report->due)
        return;
    struct link_event event = {
        .kind = LINK_BAD_PEER, .address = report->peer, .why = why, .dropped = report->dropped};
    link->on_event(link->arg, &event);
}

static bool admit(struct link *link, uint32_t pipe, size_t bytes)
{
    struct link_guard_report report;
    nng_mtx_lock(link->lock);
    bool admitted = link_guard_admit(link->guard, pipe, bytes, clock_boot_ms(), &report);
    if (!admitted)
        link->dropped++;
    tell_bad_peer(link, &report, report.why);
    nng_mtx_unlock(link->lock);
    return admitted;
}

/* Over TLS: does the certificate give the name that the message gives? */
static bool is_its_own(struct link *link, uint32_t pipe, const struct agent_message *message,
                       struct error *why)
{
    if (!link->tls)
        return true;
    nng_mtx_lock(link->lock);
    const char *name = link_guard_name(link->guard, pipe);
    bool same = name[0] && text_equal_nocase(name, message->agent);
    if (!same)
        error_set(why, ERR_DENIED, "its certificate is of %.100s, and it says to be %.100s",
                  name[0] ? name : "nobody", message->agent);
    nng_mtx_unlock(link->lock);
    return same;
}

static void take_good(struct link *link, const struct link_peer *peer,
                      struct agent_message *message)
{
    nng_mtx_lock(link->lock);
    bool taken = link_guard_good(link->guard, peer->pipe);
    if (taken) {
        struct link_event event = {.kind = LINK_MESSAGE,
                                   .message = message,
                                   .peer = *peer,
                                   .address = link_guard_peer(link->guard, peer->pipe)};
        link->messages++;
        link->on_event(link->arg, &event);
    }
    nng_mtx_unlock(link->lock);
    if (!taken)
        codec_free_agent(message);
}

static void take_bad(struct link *link, uint32_t pipe, const struct error *why)
{
    struct link_guard_report report;
    nng_mtx_lock(link->lock);
    link->dropped++;
    link_guard_bad(link->guard, pipe, clock_boot_ms(), &report);
    tell_bad_peer(link, &report, why->text);
    nng_mtx_unlock(link->lock);
}

/* ---- nng's side ---- */

static void take_message(struct link *link, nng_msg *msg)
{
    struct link_peer peer = {.pipe = (uint32_t)nng_msg_get_pipe(msg).id};
    struct agent_message *message = NULL;
    struct error err = {0};
    if (!admit(link, peer.pipe, nng_msg_len(msg)))
        return;
    must(nng_msg_header_len(msg) <= sizeof(peer.bytes)); /* HOPS_MAX sees to it */
    peer.len = (uint32_t)nng_msg_header_len(msg);
    memcpy(peer.bytes, nng_msg_header(msg), peer.len);
    if (codec_decode_agent(nng_msg_body(msg), nng_msg_len(msg), &message, &err) == ERR_NONE &&
        is_its_own(link, peer.pipe, message, &err)) {
        take_good(link, &peer, message);
        return;
    }
    codec_free_agent(message);
    take_bad(link, peer.pipe, &err);
}

static void on_receive(void *arg)
{
    struct link *link = arg;
    int rv = nng_aio_result(link->receive);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return;
    if (rv == 0) {
        nng_msg *msg = nng_aio_get_msg(link->receive);
        nng_aio_set_msg(link->receive, NULL);
        take_message(link, msg);
        nng_msg_free(msg);
    }
    nng_recv_aio(link->socket, link->receive);
}

static void format_ipv4(const nng_sockaddr_in *in, char *address)
{
    const uint8_t *b = (const uint8_t *)&in->sa_addr;
    text_format(address, LINK_PEER_MAX, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
}

static void format_ipv6(const nng_sockaddr_in6 *in, char *address)
{
    char hex[2 * sizeof(in->sa_addr) + 1];
    static const uint8_t loopback[16] = {[15] = 1};
    text_to_hex(hex, in->sa_addr, sizeof(in->sa_addr));
    bool local = memcmp(in->sa_addr, loopback, sizeof(loopback)) == 0;
    text_format(address, LINK_PEER_MAX, "[%s]", local ? "::1" : hex);
}

static unsigned host_port(uint16_t network_port)
{
    const uint8_t *b = (const uint8_t *)&network_port;
    return (unsigned)b[0] << 8 | b[1];
}

/* address: whom strikes are counted for; peer: that and what tells this connection apart. */
static void name_peer(nng_pipe pipe, char *address, char *peer)
{
    nng_sockaddr sa = {0};
    uint64_t pid = 0;
    text_format(address, LINK_PEER_MAX, "unknown");
    text_format(peer, LINK_PEER_MAX, "unknown");
    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &sa) != 0)
        return;
    if (sa.s_family == NNG_AF_INET) {
        format_ipv4(&sa.s_in, address);
        text_format(peer, LINK_PEER_MAX, "%s:%u", address, host_port(sa.s_in.sa_port));
    } else if (sa.s_family == NNG_AF_INET6) {
        format_ipv6(&sa.s_in6, address);
        text_format(peer, LINK_PEER_MAX, "%s:%u", address, host_port(sa.s_in6.sa_port));
    } else if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0) {
        text_format(address, LINK_PEER_MAX, "ipc pid %" PRIu64, pid);
        text_copy(peer, LINK_PEER_MAX, address);
    }
}

/* Lock held. A peer may let its handshake last: who was removed since it showed its certificate is
 * not let in. Under the lock, so that whoever is removed after this is found by link_close_named.
 */
static bool is_still_let_in(const struct link *link, const struct link_cert *cert)
{
    return !link->admit || link->admit(link->admit_arg, cert);
}

/* Before the pipe can carry a message; the end of a pipe is told only if this was. */
static void on_pipe_added(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct link *link = arg;
    char address[LINK_PEER_MAX], peer[LINK_PEER_MAX];
    (void)ev;
    struct link_cert cert = {.name = ""};
    name_peer(pipe, address, peer);
    bool known = !link->tls || link_tls_peer(pipe, &cert);
    if (cert.name[0]) /* whoever shares its address has nothing to do with it */
        text_copy(address, sizeof(address), cert.name);
    uint64_t now_ms = clock_boot_ms();
    nng_mtx_lock(link->lock);
    bool kept = known && is_still_let_in(link, &cert) &&
                link_guard_add(link->guard, (uint32_t)pipe.id, address, peer, now_ms);
    uint32_t ends = kept ? link_guard_set_name(link->guard, (uint32_t)pipe.id, cert.name, now_ms)
                         : (uint32_t)pipe.id;
    nng_mtx_unlock(link->lock);
    if (ends)
        link_close_pipe(link, ends);
}

static void on_pipe_removed(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct link *link = arg;
    struct link_guard_report report;
    (void)ev;
    nng_mtx_lock(link->lock);
    if (link_guard_remove(link->guard, (uint32_t)pipe.id, clock_boot_ms(), &report)) {
        struct link_event event = {.kind = LINK_GONE, .peer = {.pipe = (uint32_t)pipe.id}};
        link->on_event(link->arg, &event);
    }
    tell_bad_peer(link, &report, "keeps connecting and never says anything that is understood");
    nng_mtx_unlock(link->lock);
}

/* ---- life ---- */

static int configure_listener(struct link *link, const struct link_spec *spec)
{
    if (text_starts(spec->url, "ipc://"))
        return nng_listener_set_int(link->listener, NNG_OPT_IPC_PERMISSIONS, IPC_MODE);
    if (!link->tls)
        return 0;
    int rv = link_tls_config(spec->tls, &link->tls_config);
    return rv ? rv : nng_listener_set_ptr(link->listener, NNG_OPT_TLS_CONFIG, link->tls_config);
}

static int configure_socket(struct link *link)
{
    nng_socket s = link->socket;
    int rv = nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, WIRE_MESSAGE_MAX + ENVELOPE_MAX);
    rv = rv ? rv : nng_socket_set_int(s, NNG_OPT_RECVBUF, RECEIVE_QUEUE);
    rv = rv ? rv : nng_socket_set_int(s, NNG_OPT_SENDBUF, SEND_QUEUE);
    rv = rv ? rv : nng_socket_set_int(s, NNG_OPT_MAXTTL, HOPS_MAX);
    rv = rv ? rv : nng_pipe_notify(s, NNG_PIPE_EV_ADD_PRE, on_pipe_added, link);
    rv = rv ? rv : nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, on_pipe_removed, link);
    return rv;
}

static int start_listener(struct link *link, const struct link_spec *spec)
{
    int rv = nng_listener_create(&link->listener, link->socket, spec->url);
    rv = rv ? rv : configure_listener(link, spec);
    return rv ? rv : nng_listener_start(link->listener, 0);
}

/* nng tells an address with port 0 with the port it got. */
static void note_url(struct link *link, const char *url)
{
    char *real = NULL;
    if (nng_listener_get_string(link->listener, NNG_OPT_URL, &real) == 0)
        url = real;
    text_copy(link->url, sizeof(link->url), url);
    nng_strfree(real);
}

static enum error_code check_spec(const struct link_spec *spec, struct error *err)
{
    enum error_code code = wire_check_url(spec->url, true, err);
    if (code == ERR_NONE && wire_url_has_tls(spec->url) && !spec->tls)
        code = error_set(err, ERR_INVALID, "%s: TLS needs certificates", spec->url);
    return code;
}

enum error_code link_open(const struct link_spec *spec, struct link **out, struct error *err)
{
    enum error_code code = check_spec(spec, err);
    if (code != ERR_NONE)
        return code;
    struct link *link = must_alloc(1, sizeof(*link));
    link->on_event = spec->on_event;
    link->arg = spec->arg;
    link->idle_ms = spec->idle_ms ? spec->idle_ms : IDLE_MS;
    link->tls = wire_url_has_tls(spec->url);
    if (link->tls) {
        link->admit = spec->tls->admit;
        link->admit_arg = spec->tls->arg;
    }
    link->guard = link_guard_new(LINK_PIPES_MAX);
    must(nng_mtx_alloc(&link->lock) == 0);
    must(nng_aio_alloc(&link->receive, on_receive, link) == 0);
    nng_reset_is_no_end();
    int rv = nng_rep0_open_raw(&link->socket);
    rv = rv ? rv : configure_socket(link);
    rv = rv ? rv : start_listener(link, spec);
    if (rv) {
        code = nng_error(err, rv, spec->url);
        link_close(link);
        return code;
    }
    note_url(link, spec->url);
    nng_recv_aio(link->socket, link->receive);
    *out = link;
    return ERR_NONE;
}

void link_close(struct link *link)
{
    if (!link)
        return;
    nng_aio_stop(link->receive);
    if (nng_socket_id(link->socket) > 0) {
        nng_pipe_notify(link->socket, NNG_PIPE_EV_ADD_PRE, NULL, NULL);
        nng_pipe_notify(link->socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
        if (!nng_close_within(link->socket, CLOSE_LIMIT_MS))
            return; /* nng's threads are still at it: they keep what they use */
    }
    nng_aio_free(link->receive);
    if (link->tls_config)
        nng_tls_config_free(link->tls_config);
    link_guard_free(link->guard);
    nng_mtx_free(link->lock);
    free(link);
}

const char *link_url(const struct link *link)
{
    return link->url;
}

enum error_code link_renew(struct link *link, const struct link_tls *own, struct error *err)
{
    must(link->tls_config != NULL);
    int rv = nng_tls_config_own_cert(link->tls_config, own->chain_pem, own->key_pem, NULL);
    return rv ? nng_error(err, rv, "the coordinator's own certificate") : ERR_NONE;
}

/* ---- answers ---- */

enum error_code link_reply(struct link *link, const struct link_peer *to,
                           const struct coordinator_message *message, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    enum error_code code = codec_encode_coordinator(message, &bytes, &len, err);
    if (code != ERR_NONE)
        return code;
    nng_msg *msg = NULL;
    int rv = nng_msg_alloc(&msg, 0);
    rv = rv ? rv : nng_msg_append(msg, bytes, len);
    rv = rv ? rv : nng_msg_header_append(msg, to->bytes, to->len);
    rv = rv ? rv : nng_sendmsg(link->socket, msg, NNG_FLAG_NONBLOCK);
    free(bytes);
    if (rv == 0)
        return ERR_NONE;
    nng_msg_free(msg);
    return nng_error(err, rv, "reply");
}

void link_close_pipe(struct link *link, uint32_t pipe)
{
    (void)link;
    nng_pipe_close((nng_pipe){.id = pipe}); /* an unknown id is told by a code nobody needs */
}

/* nng tells the end on another thread, or on this one: without the lock. */
static void close_all(const uint32_t *pipes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        nng_pipe_close((nng_pipe){.id = pipes[i]});
}

void link_close_named(struct link *link, const char *name)
{
    uint32_t pipes[SWEEP_MAX];
    nng_mtx_lock(link->lock);
    size_t count = link_guard_named(link->guard, name, pipes, SWEEP_MAX);
    nng_mtx_unlock(link->lock);
    close_all(pipes, count);
}

static void tell_refused(struct link *link, uint64_t now_ms)
{
    struct link_tls_refused refused;
    if (link->refused_told_ms && now_ms - link->refused_told_ms < REFUSED_MS)
        return;
    link_tls_refused(&refused);
    if (refused.count == 0)
        return;
    link->refused_told_ms = now_ms;
    struct link_event event = {
        .kind = LINK_BAD_PEER,
        .address = refused.last[0] ? refused.last : "unknown",
        .why = "too many handshakes at once that are not done; it was the last one of those that "
               "were sent away",
        .dropped = refused.count};
    nng_mtx_lock(link->lock);
    link->on_event(link->arg, &event);
    nng_mtx_unlock(link->lock);
}

void link_sweep(struct link *link)
{
    uint32_t pipes[SWEEP_MAX];
    nng_mtx_lock(link->lock);
    size_t count = link_guard_idle(link->guard, clock_boot_ms(), link->idle_ms, pipes, SWEEP_MAX);
    nng_mtx_unlock(link->lock);
    close_all(pipes, count);
    if (!link->tls)
        return;
    link_tls_sweep(clock_boot_ms(), link->idle_ms < HANDSHAKE_MS ? link->idle_ms : HANDSHAKE_MS);
    tell_refused(link, clock_boot_ms());
}

void link_figures(struct link *link, struct link_figures *out)
{
    nng_mtx_lock(link->lock);
    *out = (struct link_figures){.pipes = link_guard_pipes(link->guard),
                                 .quarantined = link_guard_quarantined(link->guard),
                                 .messages = link->messages,
                                 .dropped = link->dropped};
    nng_mtx_unlock(link->lock);
}
