/* desk.h - a coordinator's end for tests of the whole agent program: a real link on loopback, a
 * script in place of decisions. Waits for messages, never for time; WAIT bounds how long.
 */
#ifndef FARMHAND_TESTS_UNIT_AGENT_DESK_H
#define FARMHAND_TESTS_UNIT_AGENT_DESK_H

#include "coordinator/link/link.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

#define DESK_WAIT_MS 30000

struct mailbox;

struct desk {
    struct link *link;
    struct mailbox *letters;
    struct fence fence;
    uint64_t seq; /* of the last command */
    bool listening;
    struct link_peer listen_peer; /* of the parked listen */
    struct agent_message *listen;
    unsigned reports, whole_reports, progresses;
};

void desk_open(struct desk *d);
void desk_close(struct desk *d);

/* The next message of that kind, acknowledged; codec_free_agent it. Others are acknowledged and
 * dropped, listens parked. Fails the test when none comes. */
struct agent_message *desk_wait(struct desk *d, enum agent_message_kind kind);
/* The same, but only a whole report. */
struct agent_message *desk_wait_whole(struct desk *d);

/* Answers the parked listen with a command made right in everything; returns its seq. */
uint64_t desk_command(struct desk *d, enum verb verb, const char *pool, bool probe);
/* The result of that command, with more patience; codec_free_agent it. */
struct agent_message *desk_result(struct desk *d, uint64_t seq);
/* Sends it, waits for its result; codec_free_agent it. */
struct agent_message *desk_act(struct desk *d, enum verb verb, const char *pool, bool probe);

#endif
