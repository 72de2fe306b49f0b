/* cli_bench.h - the program farmhand itself, run through pipes or on a terminal, against a scripted
 * coordinator.
 */
#ifndef FARMHAND_TESTS_CLI_BENCH_H
#define FARMHAND_TESTS_CLI_BENCH_H

#include "common/text.h"
#include "fake_api.h"

#include <stdbool.h>
#include <stddef.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bench {
    char dir[64];
    char socket[108];
    struct fake_api *api;
    struct text out, err; /* of the last command */
    int code;
};

int bench_set_up(void **state);
int bench_tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

void serve(struct bench *b, const struct fake_route *routes, size_t route_count,
           const struct fake_script *scripts, size_t script_count);
/* line: words with '|' between. */
void run(struct bench *b, const char *line);

/* A person at a terminal: waits for words, then types. */
struct typed {
    const char *wait_for, *keys;
};
void run_at_terminal(struct bench *b, const char *line, const struct typed *typed, size_t count);

void assert_ended(const struct bench *b, int code);
void assert_has(const struct text *t, const char *words);
void assert_lacks(const struct text *t, const char *words);
void assert_asked(struct bench *b, const char *words, bool there);

/* A plan that recycles one of two servers. */
#define PLAN                                                                                       \
    "{\"plan\":{\"action\":\"recycle\",\"pool\":\"Shop\",\"on\":\"all\",\"targets\":[{\"order\":"  \
    "1,\"server\":\"web01\",\"will\":\"recycle\",\"why\":\"\",\"drain\":[\"shop/web01\"],"         \
    "\"workers\":1},{\"order\":2,\"server\":\"web02\",\"will\":\"skip\",\"why\":\"the pool is "    \
    "stopped\",\"drain\":[],\"workers\":0}],\"gates\":[\"the probe passes 3 times\"],"             \
    "\"warnings\":[\"sessions are "                                                                \
    "lost\"],\"budgets\":[{\"group\":\"zone-a\",\"limit\":1,\"used\":0}],"                         \
    "\"rule\":\"stops after the 1st failure\"}}"

#endif
