/* shell.h - around the heart: what it decides is carried out, what happens is handed to it.
 *
 * The brain's loop: wait for the mailbox or the next deadline, hand the event to the heart, execute
 * its effects in their order. Journal writes are synced when they return; driver calls go to the
 * worker thread; messages to the link. Everything here runs on one thread, but for the two
 * functions that other threads call to post.
 */
#ifndef FARMHAND_AGENT_SHELL_H
#define FARMHAND_AGENT_SHELL_H

#include "agent/driver.h"
#include "agent/settings.h"
#include "common/error.h"

struct shell;

/* Opens the journal in data_dir, the worker thread and the link. All are lent; identity: NULL
 * without TLS, and renewed in place. ERR_EXISTS: another agent uses that data_dir. */
enum error_code shell_open(const struct settings *settings, struct identity *identity,
                           struct driver *driver, struct shell **out, struct error *err);
/* Until the service is told to stop, the act in hand ended and what waits was told, each within its
 * limit (ending.h). */
void shell_run(struct shell *s);
/* Any thread: makes shell_run look whether it is to stop. */
void shell_wake(void *shell);
/* For tests: blocks until the call in hand has ended. A program that ends leaves by _exit instead,
 * since closing a TLS socket and a call under way may both take minutes. */
void shell_close(struct shell *s);

#endif
