/* fuzz_http.c - any bytes at the operators' socket, through the real HTTP server.
 *
 * What comes out as a request is clean: UTF-8 without control characters, a body without NUL, no
 * more parameters than may be. Each is answered (a path that ends in "follow" becomes a stream),
 * and whatever came before, the next client is served.
 */
#include "fuzz.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "coordinator/api/api.h"
#include "tests/unit/coordinator_api/client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 600 /* for what takes no time, on a machine that has none left */
#define QUIET      2   /* looks of a millisecond without anything new */

static struct api *api;
static struct mailbox *box;
static char path[96];

static void drop_letter(void *letter)
{
    api_drop(letter);
}

static bool deliver(void *arg, struct api_request *request)
{
    (void)arg;
    return mailbox_post(box, request);
}

static void end(void)
{
    api_close(api);
    mailbox_close(box);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static void begin(void)
{
    char dir[] = "/tmp/farmhand-fuzz-XXXXXX";
    struct error err = {0};
    must(mkdtemp(dir) != NULL);
    text_format(path, sizeof(path), "%s/sock", dir);
    box = mailbox_open(64, drop_letter);
    const struct api_spec spec = {.socket = path, .deliver = deliver, .idle_s = PATIENCE_S};
    must(api_open(&spec, &api, &err) == ERR_NONE);
    atexit(end);
}

static void check_clean(const char *text)
{
    must(text_is_utf8(text, strlen(text)) && !text_has_control(text));
}

static void follow(struct api_request *r)
{
    if (!r->hungry && !api_follow(api, r, 7, 0, ""))
        return;
    api_feed(api, r, 8, "{\"seq\":8}");
    api_fed(api, r, true);
}

static bool is_follow(const struct api_request *r)
{
    size_t len = strlen(r->path);
    return len >= 6 && text_equal(r->path + len - 6, "follow");
}

static void serve(struct api_request *r)
{
    static const char *const known[] = {"on", "limit", NULL};
    const char *on = api_arg(r, "on"), *unknown = api_unknown_arg(r, known);
    check_clean(r->path);
    check_clean(on ? on : "");
    check_clean(unknown ? unknown : "");
    must(strlen(r->body) == r->body_len && r->body_len <= API_BODY_MAX);
    must(text_is_utf8(r->body, r->body_len) && !r->far && r->actor[0]);
    if (r->hungry || is_follow(r))
        follow(r);
    else
        api_answer(api, r, unknown ? 400 : 200, must_copy("{\"a\":1}"));
}

/* True: there was something to read. */
static bool read_some(int fd, char *first, bool *closed)
{
    char piece[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 1) <= 0)
        return false;
    ssize_t got = recv(fd, piece, sizeof(piece), 0);
    if (got > 0 && !*first)
        *first = piece[0];
    *closed = got <= 0;
    return true;
}

static void talk(const uint8_t *data, size_t size)
{
    struct client c = client_open(path);
    bool follows = false, closed = false;
    char first = '\0';
    client_send(&c, data, size);
    for (int quiet = 0; quiet < QUIET && !closed; quiet++) {
        struct api_request *r = mailbox_take(box, 0);
        follows = follows || (r && is_follow(r));
        if (r)
            serve(r);
        if (read_some(c.fd, &first, &closed) || r)
            quiet = -1;
    }
    must(first == '\0' || first == 'H'); /* HTTP/1.1 ... */
    client_close(&c);
    if (follows) /* so that it is noticed that nobody reads */
        api_publish(api, 0, 0, "", "{\"bye\":1}");
}

/* Whatever is late from clients before is served on the way. */
static void next_client_is_served(void)
{
    struct client c = client_open(path);
    const struct timeval limit = {.tv_sec = PATIENCE_S};
    struct api_request *r;
    must(setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    client_ask(&c, "GET", "/well", NULL);
    for (bool mine = false; !mine;) {
        must((r = mailbox_take(box, clock_boot_ms() + PATIENCE_S * 1000)) != NULL);
        mine = text_equal(r->path, "/well") && !r->hungry;
        serve(r);
    }
    must(client_answer(&c, NULL) == 200);
    client_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!api)
        begin();
    talk(data, size);
    next_client_is_served();
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    static const char *const seeds[] = {
        "GET /v1/status HTTP/1.1\r\nHost: farmhand\r\n\r\n",
        "POST /v1/runs?on=web%2A&limit=3 HTTP/1.1\r\nHost: f\r\nContent-Length: 9\r\n\r\n{\"a\": "
        "\"b\"}",
        "POST /v1/join HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: "
        "chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n"
        "0\r\n\r\n",
        "GET /v1/a HTTP/1.1\r\nHost: f\r\n\r\nGET /v1/b HTTP/1.0\r\nConnection: close\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: f\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        "GET /v1/events/follow HTTP/1.1\r\nHost: f\r\nAuthorization: Bearer fho1.x\r\nCookie: "
        "a=b\r\n\r\n",
        "HEAD / HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: f\r\n\r\n",
        "POST /up?x=%00&y=%ff HTTP/1.1\r\nHost: f\r\nContent-Type: multipart/form-data; "
        "boundary=b\r\nContent-Length: 300000\r\n\r\n--b\r\n",
    };
    if (n >= sizeof(seeds) / sizeof(seeds[0]))
        return NULL;
    *size = strlen(seeds[n]);
    return (uint8_t *)must_copy(seeds[n]);
}
