/* link_dial.c - who dials the coordinator: nng's dialers and their certificate; a new one where the
 * one in use got stuck, or its certificate was renewed. See link.h. */
#include "agent/link_internal.h"

#include "common/clock.h"
#include "common/must.h"
#include "proto/url.h"

/* nng's own engine, mbedTLS: TLS 1.2 alone is what 2.28 speaks. */
static int tls_config(const struct agent_link_tls *tls, nng_tls_config **out)
{
    nng_tls_config *config = NULL;
    int rv = nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT);
    if (rv)
        return rv;
    rv = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    rv = rv ? rv : nng_tls_config_server_name(config, WIRE_COORDINATOR_NAME);
    rv = rv ? rv : nng_tls_config_ca_chain(config, tls->ca_pem, NULL);
    rv = rv ? rv : nng_tls_config_own_cert(config, tls->cert_pem, tls->key_pem, NULL);
    if (rv)
        nng_tls_config_free(config);
    else
        *out = config;
    return rv;
}

/* config: NULL without TLS; the dialer holds it. */
static int make_dialer(struct agent_link *link, nng_tls_config *config, nng_dialer *out)
{
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    int rv = nng_dialer_create(&dialer, link->socket, link->url);
    if (rv == 0 && config && (rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config)) != 0)
        nng_dialer_close(dialer);
    if (rv == 0)
        *out = dialer;
    return rv;
}

int link_dial_first(struct agent_link *link)
{
    int rv = link->spec.tls ? tls_config(link->spec.tls, &link->config) : 0;
    rv = rv ? rv : make_dialer(link, link->config, &link->dialer);
    link->first = link->dialer;
    return rv;
}

/* A dialer that nng has given up (see redial_ms) does not dial again: a fresh one does. */
static void redial(struct agent_link *link)
{
    nng_dialer fresh = NNG_DIALER_INITIALIZER, stuck;
    if (make_dialer(link, link->config, &fresh) != 0)
        return; /* tried again */
    nng_mtx_lock(link->lock);
    stuck = link->dialer;
    link->dialer = fresh;
    link->up_ms = clock_boot_ms();
    nng_mtx_unlock(link->lock);
    nng_dialer_close(stuck);
    nng_dialer_start(fresh, NNG_FLAG_NONBLOCK);
}

static void arm_watch(struct agent_link *link)
{
    nng_sleep_aio((nng_duration)(link->spec.redial_ms / 4), link->watch);
}

static void on_watch(void *arg)
{
    struct agent_link *link = arg;
    if (nng_aio_result(link->watch) != 0)
        return;
    nng_mtx_lock(link->lock);
    uint64_t now_ms = clock_boot_ms();
    if (link->pipe != 0)
        link->up_ms = now_ms;
    bool stuck = now_ms - link->up_ms >= link->spec.redial_ms;
    bool closing = link->closing;
    nng_mtx_unlock(link->lock);
    if (stuck && !closing)
        redial(link);
    if (!closing)
        arm_watch(link);
}

static void on_dial(void *arg)
{
    struct agent_link *link = arg;
    if (nng_aio_result(link->dial) == 0) /* from here the dialer tries by itself, for ever */
        nng_dialer_start(link->first, NNG_FLAG_NONBLOCK);
}

void link_dial_init(struct agent_link *link)
{
    must(nng_aio_alloc(&link->dial, on_dial, link) == 0);
    must(nng_aio_alloc(&link->watch, on_watch, link) == 0);
}

void link_dial_start(struct agent_link *link)
{
    nng_sleep_aio((nng_duration)(nng_random() % link->spec.reconnect_min_ms), link->dial);
    link->up_ms = clock_boot_ms();
    arm_watch(link);
}

enum error_code agent_link_renew(struct agent_link *link, const struct agent_link_tls *tls,
                                 struct error *err)
{
    nng_dialer fresh = NNG_DIALER_INITIALIZER, abandoned = NNG_DIALER_INITIALIZER;
    nng_tls_config *config = NULL;
    int rv = tls_config(tls, &config);
    rv = rv ? rv : make_dialer(link, config, &fresh);
    if (rv && config)
        nng_tls_config_free(config);
    if (rv)
        return link_nng_error(err, rv, "the new certificate");
    nng_mtx_lock(link->lock);
    nng_tls_config *former = link->config;
    link->config = config;
    if (link->former.id == 0)
        link->former = link->dialer;
    else
        abandoned = link->dialer; /* an earlier one that never connected */
    link->dialer = fresh;
    nng_mtx_unlock(link->lock);
    nng_tls_config_free(former); /* its dialer holds it */
    if (abandoned.id != 0)
        nng_dialer_close(abandoned);
    nng_dialer_start(fresh, NNG_FLAG_NONBLOCK);
    return ERR_NONE;
}
