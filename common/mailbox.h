/* mailbox.h - how other threads hand things to the brain thread.
 *
 * Many threads post, one thread waits. A letter is a pointer whose ownership moves: from the
 * poster to the mailbox to the one who takes it. Bounded: mailbox_post() says no when full, and
 * the poster decides (a network callback drops and logs, a worker waits). Built on nng's mutex and
 * condition, so that it is the same on every system.
 */
#ifndef FARMHAND_COMMON_MAILBOX_H
#define FARMHAND_COMMON_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;

/* capacity: letters. release frees what is left at mailbox_close (may be NULL). */
struct mailbox *mailbox_open(size_t capacity, void (*release)(void *letter));
void mailbox_close(struct mailbox *box); /* no other thread may use it any more; NULL is fine */

/* Never blocks. false: full, the letter is still the caller's. letter is not NULL. */
bool mailbox_post(struct mailbox *box, void *letter);

/* The next letter, oldest first; waits until deadline_ms (clock_boot_ms; UINT64_MAX: for ever).
 * NULL: the deadline passed, or mailbox_wake was called. The letter is the caller's. */
void *mailbox_take(struct mailbox *box, uint64_t deadline_ms);

/* Makes a waiting (or the next) mailbox_take return NULL at once, before any letter; it is never
 * lost, several are one. Safe in any thread. */
void mailbox_wake(struct mailbox *box);

#endif
