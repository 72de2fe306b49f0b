/* stage.h - an agent's heart with a box for a server, a list for a journal and a script for a
 * coordinator, on virtual time; everything that happens is told in a transcript.
 *
 * The stage executes effects as the shell does: in order, the journal's answers before anything
 * else. The coordinator acknowledges what it is told and parks the listen, unless the test says
 * otherwise.
 */
#ifndef FARMHAND_TESTS_UNIT_AGENT_STAGE_H
#define FARMHAND_TESTS_UNIT_AGENT_STAGE_H

#include "agent/agent.h"
#include "common/format.h"
#include "common/text.h"
#include "tests/unit/agent/box.h"

#define STAGE_RECORDS 64

struct stage {
    struct box box;
    struct agent *agent;
    struct agent_settings settings;
    struct wire_id incarnation, boot;
    uint64_t now_ms;

    /* the journal: what is durable, over restarts */
    struct record *journal[STAGE_RECORDS];
    size_t journal_count;
    struct fence journal_fence;
    struct command_id journal_last;
    char noted[WIRE_TEXT_MAX]; /* for the audit trail alone: the last, and how many */
    size_t noted_count;
    uint64_t start_no;
    bool journal_full;                   /* every write fails */
    unsigned failing_writes;             /* so many more fail, then it goes on */
    unsigned writes, crash_after_writes; /* 0: never */

    /* the keep-alive file */
    bool file, file_fails;

    /* the call under way */
    bool calling;
    struct call call;
    uint64_t call_ends_ms;

    /* the coordinator */
    struct fence fence;
    bool deaf; /* answers nothing on TALK */
    bool quarantines;
    bool resend_whole; /* once */
    bool listening;
    uint64_t listen_token, listen_no, listen_sent_ms;
    struct listen listen;
    unsigned hangups, reports, whole_reports, results, observations, progresses;
    struct result last_result; /* its texts below */
    char result_detail[WIRE_TEXT_MAX];
    struct observation last_observation;
    struct state last_state;
    char last_trouble[WIRE_TEXT_MAX];
    uint64_t last_listen_no;
    const char *const *allowed_pools;

    bool crashed;
    struct text story; /* what was told, unless quiet */
    bool quiet_reports;
};

struct stage *stage_new(void);
void stage_free(struct stage *s);

/* Starts the agent's process on what the journal holds, and connects it. */
void stage_start(struct stage *s);
/* The process dies; the call under way goes on in the world, its answer is lost. */
void stage_crash(struct stage *s);

void stage_event(struct stage *s, const struct agent_event *event);
/* Lets time pass until now + ms, with everything that falls due. */
void stage_run(struct stage *s, uint64_t ms);
/* Until the agent has nothing in hand or waiting to be told, an hour at most. */
void stage_settle(struct stage *s);

void stage_link(struct stage *s, bool up);
/* A command that is right in everything, for the test to spoil. */
struct command stage_command(const struct stage *s, enum verb verb, uint64_t seq);
/* Answers the parked listen with it. */
void stage_give(struct stage *s, const struct command *command);
void stage_tell(struct stage *s, const char *fmt, ...) FORMAT_PRINTF(2, 3);

#endif
