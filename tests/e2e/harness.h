/* harness.h - a real farm for one test program, and its questions.
 *
 * Every farm has a directory of its own below /tmp. It is taken down at the end, and also when the
 * test program is killed (a guard watches it). The directory goes when all tests passed and stays,
 * with its path printed, when one failed. What is asked of the lab and the visitors is the truth;
 * what the coordinator says is what is judged by it.
 *
 * Calls fail the running test (cmocka) when the farm itself does not do what it must.
 */
#ifndef E2E_HARNESS_H
#define E2E_HARNESS_H

#include "tests/farm/farm/farm.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct harness {
    struct farm farm;
    char base[64]; /* the directory made for it; the farm lies in base/farm */
    unsigned runs; /* command lines run so far, for the names of their outputs */
};

/* `options` as of `farm up`, NULL-terminated: {"--servers", "3", "--traffic", NULL}. */
struct harness *harness_up(const char *const *options);
/* Frees h. The directory is removed unless `keep`. */
void harness_down(struct harness *h, bool keep);

/* --- programs --- */

/* tests/lab/farm WORDS...; the exit code. Its output goes to the test's. */
int harness_farm(struct harness *h, const char *const *words);
#define FARM(h, ...) harness_farm(h, (const char *const[]){__VA_ARGS__, NULL})

/* farmhand WORDS... (with --socket), standard output and error together. */
struct harness_cli {
    int pid;
    int code;  /* after harness_cli_wait */
    char *out; /* free with harness_cli_free */
    char path[PATH_MAX];
};
struct harness_cli harness_cli_start(struct harness *h, const char *const *words);
/* Kills it and fails the test after timeout_ms. */
void harness_cli_wait(struct harness_cli *cli, unsigned timeout_ms);
void harness_cli_free(struct harness_cli *cli);
/* It ended with that code and said those words; freed. */
void harness_cli_expect(struct harness_cli *cli, int code, const char *words);
/* Start and wait, two minutes at most. */
struct harness_cli harness_cli(struct harness *h, const char *const *words);
#define CLI(h, ...) harness_cli(h, (const char *const[]){__VA_ARGS__, NULL})

/* --- the coordinator --- */

/* NULL while it cannot be reached or answers another status than expected (0: any). */
json_t *harness_get(struct harness *h, const char *path);
json_t *harness_post(struct harness *h, const char *path, json_t *body, int *status);

/* Starts a run of `action` on pool; options may be NULL (both JSON objects are stolen). Its id. */
long long harness_run(struct harness *h, const char *action, const char *pool, const char *on,
                      json_t *options);
/* The run when it has ended; fails the test after timeout_ms, printing the run. */
json_t *harness_run_end(struct harness *h, long long id, unsigned timeout_ms);
/* Until the target of that server is in one of the states (words between blanks). */
void harness_wait_target(struct harness *h, long long id, const char *server, const char *states,
                         unsigned timeout_ms);
const json_t *harness_target(const json_t *run, const char *server); /* lent; never NULL */
const char *harness_word(const json_t *object, const char *key);     /* "" if it is not there */
/* Until the coordinator has settled and `fresh` servers are fresh. */
void harness_wait_fresh(struct harness *h, unsigned fresh, unsigned timeout_ms);

/* --- the truth --- */

json_t *harness_truth(struct harness *h, const char *server);
/* Recycles of the pool that somebody ordered. */
long long harness_recycles(struct harness *h, const char *server, const char *pool);
/* Tries to log on with a pool's account, by all its pools. */
size_t harness_identity_tries(struct harness *h, const char *server);
/* Begins a phase; the visitors' count of it, once all its answers are in. */
void harness_phase(struct harness *h, const char *name);
json_t *harness_seen(struct harness *h, const char *phase);
/* Ends the phase, fails the test if a visitor lost a request in it, or hardly any came. */
void harness_nothing_lost(struct harness *h, const char *phase);
/* The balancer's word for the server in that backend: "UP", "DRAIN", ... into out. */
void harness_balancer(struct harness *h, const char *backend, const char *server, char out[32]);
/* Waits for "UP", since that is found by its checks. */
void harness_expect_balancer(struct harness *h, const char *backend, const char *server,
                             const char *word);
/* Until no server of any backend is drained or down. */
void harness_wait_all_up(struct harness *h, unsigned timeout_ms);
/* True if the file tree below `folder` of the farm holds the bytes anywhere. */
bool harness_finds(struct harness *h, const char *folder, const char *bytes);

void harness_sleep_ms(unsigned ms);

#endif
