/* certs.h - certificates for tests, made as they run, and peers that misbehave beneath nng. */
#ifndef FARMHAND_TESTS_LINK_CERTS_H
#define FARMHAND_TESTS_LINK_CERTS_H

#include "coordinator/enrol/ca.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct certs {
    char *cert_pem, *key_pem;
};

struct ca *certs_farm(void); /* a CA of its own, in a directory that is removed again */
/* A fresh P-256 key, and a request signed with it; both to be freed. */
void certs_request(char **key_pem, char **request_pem);
struct certs certs_make(const struct ca *ca, const char *name, uint64_t life_ms);
struct certs certs_make_operator(const struct ca *ca, const char *name, uint64_t life_ms);
void certs_free(struct certs *c);

/* So many connections one after the other that shake hands, begin to speak as nng does, and end
 * without a word: closed, reset, or in the middle of a message. */
void certs_drop(const char *url, const struct certs *own, const char *ca_pem, size_t count);
/* What the server there shows of itself: SHA-256 of its certificate, in hexadecimal. */
void certs_shown(const char *url, const struct certs *own, const char *ca_pem, char out[65]);
/* The same from 127.0.0.HOST: false: there was no handshake. */
bool certs_shakes_from(const char *url, unsigned host, const struct certs *own, const char *ca_pem,
                       char out[65]);
/* So many handshakes, hundreds at a time; every third is left in the middle. */
void certs_storm(const char *url, size_t count, const struct certs *own, const char *ca_pem);

/* So many connections that send their first bytes (with `tls` a ClientHello, else none), end and
 * are reset, all before this process, which stands still meanwhile, has seen any of them. */
void certs_vanish(const char *url, bool tls, size_t count);

int certs_connect(const char *url);                     /* plain TCP */
int certs_connect_from(const char *url, unsigned host); /* from 127.0.0.HOST */
/* A listener that says nothing; its url. */
int certs_listen(char *url, size_t size_bytes);
int certs_accept(int listening);

#endif
