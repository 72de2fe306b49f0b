/* doctor.h - what is right and wrong with a server before anything is done to it.
 *
 * Facts come in as text (doctor_run.c gathers them, the driver knows most), lines come out. Pure:
 * every judgement is here, in tables, and is tested with facts of servers that never were. Changes
 * nothing anywhere.
 */
#ifndef FARMHAND_AGENT_DOCTOR_H
#define FARMHAND_AGENT_DOCTOR_H

#include "common/format.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>

/* What was found: `pool` is "" for what concerns the whole server. A fact that could not be had is
 * missing; why is told by another ("....error"). Names of keys: doctor_server.c, doctor_pools.c. */
struct doctor_fact {
    char *pool, *key, *value;
};
struct doctor_facts {
    struct doctor_fact *items;
    size_t count;
};
void doctor_facts_add(struct doctor_facts *facts, const char *pool, const char *key,
                      const char *value); /* copied */
void doctor_facts_reset(struct doctor_facts *facts);
/* NULL: not known. */
const char *doctor_fact(const struct doctor_facts *facts, const char *pool, const char *key);
bool doctor_fact_is(const struct doctor_facts *facts, const char *pool, const char *key,
                    const char *value);

enum doctor_level {
    DOCTOR_INFO, /* nothing to judge */
    DOCTOR_OK,
    DOCTOR_WARN, /* works, but somebody will notice */
    DOCTOR_FAIL, /* Farmhand cannot do its work here */
};

struct doctor_line {
    enum doctor_level level;
    const char *check; /* stable: for --json */
    char pool[WIRE_NAME_MAX];
    char text[WIRE_TEXT_MAX];
    const char *advice; /* what to do; "" */
};
struct doctor_report {
    struct doctor_line *items;
    size_t count;
};
void doctor_report_reset(struct doctor_report *report);
void doctor_say(struct doctor_report *report, enum doctor_level level, const char *check,
                const char *pool, const char *advice, const char *fmt, ...) FORMAT_PRINTF(6, 7);

void doctor_judge(const struct doctor_facts *facts, struct doctor_report *out);
/* The parts of it. */
void doctor_judge_server(const struct doctor_facts *facts, struct doctor_report *out);
void doctor_judge_pool(const struct doctor_facts *facts, const char *pool,
                       struct doctor_report *out);

/* 0 where nothing fails, else 1. */
int doctor_exit_code(const struct doctor_report *report);
const char *doctor_level_name(enum doctor_level level); /* "info", "ok", "warn", "fail" */

/* ---- what no source settled about IIS ---- */

struct doctor_question {
    const char *what; /* as a question */
    const char *key;  /* of the fact that answers it; NULL: only an act would, and none is made */
    const char *how;  /* to find out where it is not answered */
};
extern const struct doctor_question doctor_questions[]; /* what NULL at the end */

#endif
