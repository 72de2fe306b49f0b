/* bookmark.h - how far an event log was read, kept over restarts of the agent.
 *
 * The text means something to its back end alone. A bookmark that cannot be read or written costs
 * events that are told twice or not at all, never the agent's work: so nothing fails here, and what
 * cannot be written is kept in memory. Blocks on a local file.
 */
#ifndef FARMHAND_AGENT_DRIVERS_BOOKMARK_H
#define FARMHAND_AGENT_DRIVERS_BOOKMARK_H

struct bookmark;

/* The file `events.bookmark` in that directory; NULL: in memory alone. */
struct bookmark *bookmark_new(const char *state_dir);
void bookmark_free(struct bookmark *mark); /* NULL is fine */

char *bookmark_read(struct bookmark *mark); /* free() it; NULL: there is none */
void bookmark_write(struct bookmark *mark, const char *text);

#endif
