/* fake_api.h - a coordinator's HTTP interface that answers from a script, on a unix socket. */
#ifndef FARMHAND_TESTS_FAKE_API_H
#define FARMHAND_TESTS_FAKE_API_H

#include <stddef.h>

struct fake_route {
    const char *request; /* how "GET /v1/runs/7" begins; the first that fits answers */
    int status;          /* 0: hangs up without an answer */
    const char *body;
    size_t times; /* how often it answers before the next one that fits does; 0: always */
};

/* One connection of the event stream after the other; the last one stays open once all is said. */
struct fake_script {
    const char *const *chunks; /* as sent, NULL-terminated */
    unsigned late_ms;          /* before the first is sent */
};

struct fake_api;

/* The routes are copied; the scripts and their chunks must outlive fake_api_close(). */
struct fake_api *fake_api_open(const char *path, const struct fake_route *routes,
                               size_t route_count, const struct fake_script *scripts,
                               size_t script_count);
/* Everything asked so far: "POST /v1/runs {body}" line by line. To be freed. */
char *fake_api_asked(struct fake_api *api);
void fake_api_close(struct fake_api *api);

#endif
