/* renewal.c - see renewal.h. */
#include "agent/renewal.h"

#include "common/keypair.h"
#include "common/must.h"
#include "common/text.h"
#include "proto/pem.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS (60 * 60 * 1000)

enum error_code renewal_init(struct renewal *r, struct identity *identity, const char *data_dir,
                             struct error *err)
{
    *r = (struct renewal){.identity = identity, .data_dir = data_dir};
    return identity ? identity_check(identity, &r->cert, err) : ERR_NONE;
}

static void forget_key(struct renewal *r)
{
    if (r->key_pem)
        text_wipe(r->key_pem, strlen(r->key_pem));
    free(r->key_pem);
    r->key_pem = NULL;
}

void renewal_reset(struct renewal *r)
{
    forget_key(r);
}

uint64_t renewal_wake_ms(const struct renewal *r, uint64_t now_ms, int64_t wall_ms)
{
    if (!r->identity)
        return UINT64_MAX;
    int64_t left_ms = identity_renew_ms(&r->cert) - wall_ms;
    uint64_t due_ms = now_ms + (left_ms > 0 ? (uint64_t)left_ms : 0);
    return due_ms > r->not_before_ms ? due_ms : r->not_before_ms;
}

bool renewal_is_due(const struct renewal *r, uint64_t now_ms, int64_t wall_ms)
{
    return r->identity && now_ms >= r->not_before_ms && wall_ms >= identity_renew_ms(&r->cert);
}

static uint64_t again_after_ms(const struct renewal *r, int64_t wall_ms)
{
    int64_t tenth_ms = (r->cert.until_ms - wall_ms) / 10;
    return tenth_ms < AGAIN_MIN_MS   ? AGAIN_MIN_MS
           : tenth_ms > AGAIN_MAX_MS ? AGAIN_MAX_MS
                                     : (uint64_t)tenth_ms;
}

enum error_code renewal_ask(struct renewal *r, uint64_t now_ms, int64_t wall_ms, char **request,
                            struct error *err)
{
    char *request_pem = NULL;
    struct text inside = {0};
    forget_key(r);
    r->not_before_ms = now_ms + again_after_ms(r, wall_ms);
    enum error_code code = keypair_make(r->identity->name, &r->key_pem, &request_pem, err);
    if (code)
        return code;
    must(pem_inside(request_pem, PEM_REQUEST, 0, &inside));
    free(request_pem);
    *request = text_take(&inside);
    return ERR_NONE;
}

enum error_code renewal_take(struct renewal *r, const char *certificate, struct error *err)
{
    struct text pem = {0};
    struct identity_cert cert;
    if (!r->key_pem)
        return error_set(err, ERR_STATE, "a certificate came that was not asked for");
    pem_add(&pem, PEM_CERTIFICATE, certificate);
    struct identity fresh = *r->identity;
    fresh.key_pem = r->key_pem;
    fresh.cert_pem = pem.data;
    enum error_code code = identity_check(&fresh, &cert, err);
    code = code ? code : identity_write(r->data_dir, &fresh, err);
    if (code) {
        text_reset(&pem);
        return code;
    }
    text_wipe(r->identity->key_pem, strlen(r->identity->key_pem));
    free(r->identity->key_pem);
    free(r->identity->cert_pem);
    *r->identity = fresh;
    r->key_pem = NULL;
    r->cert = cert;
    r->not_before_ms = 0;
    return ERR_NONE;
}
