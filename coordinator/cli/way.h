/* way.h - how the coordinator is reached: by its socket on this machine, or over HTTPS from afar.
 *
 * From afar a token says who asks, or a certificate with its key (--identity). A token is read from a file, or from the environment, never from the command
 * line, which others see. It leaves for an https:// address alone, and only after the other side has
 * proved by its certificate who it is: by the farm's CA and the name that its coordinator has wherever
 * it runs (proto/url.h), if --ca names the CA's file; else by the system's CAs and the name in the
 * address. (Windows' TLS finds no addresses in certificates, and needs the first.)
 */
#ifndef FARMHAND_CLI_WAY_H
#define FARMHAND_CLI_WAY_H

#include "common/error.h"
#include "common/http.h"

struct way {
    char base[320];          /* "http://farmhand", "https://farm.example:7601" */
    char connect_to[300];    /* with a CA: there, whatever base says; "": where it says */
    char shown[320];         /* for people */
    const char *unix_socket; /* NULL: from afar */
    const char *ca_file;     /* NULL: the system's own */
    const char *identity;    /* a file with our key and certificate; NULL: none */
    char authorization[256]; /* a header; "": none */
};

/* Each NULL where it was not given; the environment is looked at here. Texts are lent for good. */
struct way_words {
    const char *socket, *coordinator, *token_file, *ca, *identity;
};
enum error_code way_find(const struct way_words *words, struct way *out, struct error *err);
/* The socket or the address, for people. */
const char *way_name(const struct way *way);

#define WAY_HEADERS_MAX 4
/* Fills in how to get there; headers is room for those of `extra` (NULL: none) and ours. */
void way_go(const struct way *way, const char *extra, const char *headers[WAY_HEADERS_MAX],
            struct http_call *call);

#endif
