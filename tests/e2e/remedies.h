/* remedies.h - a farm in trouble: how its services are stopped by others, rules of remediation and
 * their file, incidents, what is said of them.
 *
 * Calls fail the running test (cmocka) with the incident's story.
 */
#ifndef E2E_REMEDIES_H
#define E2E_REMEDIES_H

#include "tests/e2e/harness.h"

/* Options of a farm under traffic whose agents may do everything; and guards that hold nothing back
 * for long. Limits are short, since a test does not wait for minutes. A file begins with them; what
 * follows may add to the section. */
#define REMEDIES_FARM                                                                              \
    "--traffic", "--rate", "60", "--agent",                                                        \
        "allow.verbs=recycle, start, stop, service-recover, service-restart, service-stop,"        \
        " service-start, worker-kill",                                                             \
        "--agent", "services.stop_wait=3s", "--agent", "services.site_wait=10s", "--agent",        \
        "services.silent_wait=3s", "--agent", "agent.look_every=5s", "--coordinator",              \
        "defaults.gate_deadline=10s"
#define REMEDIES_GUARDS                                                                            \
    "[guards]\n"                                                                                   \
    "min_healthy = 50%\nserver_cool_down = 2s\nrule_cool_down = 2s\nmax_per_hour = 100\n"          \
    "flap_max = 20\nmax_age = 10s\nmin_worker_age = 2s\nclear = 3s\nretry = 3s\n"                  \
    "blocked_alarm = 10s\nprobe_every = 1s\ncommon_cause = 40%\n"

/* The file of rules, made from their text below /tmp; lent until remedies_forget. */
const char *remedies_file(const char *rules);
void remedies_forget(void);

/* The newest incident of that rule and server, closed or not; NULL: none. To be released. */
json_t *remedies_newest(struct harness *h, const char *rule, const char *server);
/* Until that incident is in one of the phases (words between blanks). To be released. */
json_t *remedies_wait(struct harness *h, const char *rule, const char *server, const char *phases,
                      unsigned timeout_ms);
/* Its story has a note of that kind with these words. */
void remedies_expect_note(struct harness *h, const json_t *incident, const char *kind,
                          const char *words);
/* That command ended with this code, and said the words. Frees cli. */
void remedies_expect_said(struct harness_cli cli, int code, const char *words);

/* TOOL WORDS... of that server (NULL-terminated), as a person there would; what it printed into out
 * if that is given, to be freed. */
void remedies_tool(struct harness *h, const char *server, const char *tool,
                   const char *const *words, char **out);
#define REMEDIES_SC(h, server, ...)                                                                \
    remedies_tool(h, server, "sc", (const char *const[]){__VA_ARGS__, NULL}, NULL)
bool remedies_service_is(struct harness *h, const char *server, const char *service,
                         const char *state);
/* A minute at most. */
void remedies_wait_for_service(struct harness *h, const char *server, const char *service,
                               const char *state);
/* W3SVC, then WAS: as a failed IISRESET leaves them. Of one server, or of `count` at once. */
void remedies_stop_services(struct harness *h, const char *server);
void remedies_stop_services_of(struct harness *h, const char *const *servers, size_t count);
/* Somebody changed the password of Shop's account and recycles the pool: refused, and stopped.
 * Gives back the tries to log on so far. */
size_t remedies_refuse_account(struct harness *h, const char *server);
/* Until rapid-fail protection has stopped the pool, by the lab's count. A minute at most. */
void remedies_wait_for_rapid_fail(struct harness *h, const char *server, const char *pool);

#endif
