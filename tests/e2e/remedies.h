/* remedies.h - a farm with rules of remediation: their file, their incidents, what is said of them.
 *
 * Calls fail the running test (cmocka) with the incident's story.
 */
#ifndef E2E_REMEDIES_H
#define E2E_REMEDIES_H

#include "tests/e2e/harness.h"

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

/* sc WORDS... on that server (NULL-terminated). */
void remedies_sc(struct harness *h, const char *server, const char *const *words);
#define REMEDIES_SC(h, server, ...) remedies_sc(h, server, (const char *const[]){__VA_ARGS__, NULL})

#endif
