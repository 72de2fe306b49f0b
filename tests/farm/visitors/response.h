/* response.h - reads one HTTP/1.1 response as its bytes come, and says when it is whole.
 *
 * Keeps only what a visitor needs: the status, whether the connection may be used again, and which
 * lab server answered (X-Lab-Server). Pure, bounded memory. Source: RFC 9112, sections 2 to 7.
 */
#ifndef FARM_VISITORS_RESPONSE_H
#define FARM_VISITORS_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONSE_LINE_MAX   1024 /* a longer header line is BROKEN */
#define RESPONSE_SERVER_MAX 64

enum response_state {
    RESPONSE_MORE,   /* not whole yet */
    RESPONSE_WHOLE,  /* all of it has come */
    RESPONSE_BROKEN, /* not HTTP, or more than was announced */
    RESPONSE_CUT,    /* the connection ended in the middle (or before the first byte) */
};

struct response {
    enum response_state state;
    int status;                       /* 0 until the status line is read */
    bool close;                       /* the server said so: do not use this connection again */
    char server[RESPONSE_SERVER_MAX]; /* "" if it did not say */

    /* inside */
    int part;
    bool chunked, sized;
    uint64_t left; /* bytes of the body, or of the chunk, still to come */
    char line[RESPONSE_LINE_MAX];
    size_t line_len;
};

void response_begin(struct response *r);
enum response_state response_feed(struct response *r, const char *bytes, size_t len);
/* The other side closed: a body without a length ends here, anything else is CUT. */
enum response_state response_end(struct response *r);

#endif
