/* shell.h - the coordinator's surroundings: opens store, link, balancer and API, and runs the one
 * loop of the brain thread: wait(mailbox, next deadline) -> event -> brain.
 *
 * What other threads have for it comes by letters.h.
 */
#ifndef FARMHAND_COORDINATOR_SHELL_H
#define FARMHAND_COORDINATOR_SHELL_H

#include "common/error.h"
#include "coordinator/settings/settings.h"

struct shell;

/* Takes the lock of data_dir, so that only one coordinator runs on it: ERR_EXISTS names the pid of
 * the other. settings must outlive the shell. */
enum error_code shell_open(const struct settings *settings, struct shell **out, struct error *err);
/* Until service_stopping(). */
void shell_run(struct shell *s);
void shell_wake(void *shell); /* any thread: look at service_stopping() */
/* Answers who waits, ends the threads, saves what can be. */
void shell_close(struct shell *s);

#endif
