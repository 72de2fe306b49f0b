/* link_outbox.c - see link_outbox.h. */
#include "agent/link_outbox.h"

#include "common/must.h"
#include "proto/codec.h"

#include <string.h>

void outbox_init(struct link_outbox *box, uint64_t retry_ms)
{
    *box = (struct link_outbox){.retry_ms = retry_ms};
}

void outbox_reset(struct link_outbox *box)
{
    for (size_t i = 0; i < OUTBOX_RESULTS; i++)
        codec_free_agent(box->results[i].message);
    for (size_t i = 0; i < box->observation_count; i++)
        codec_free_agent(box->observations[i]);
    codec_free_agent(box->renew);
    codec_free_agent(box->progress);
    codec_free_agent(box->whole);
    codec_free_agent(box->report);
    outbox_init(box, box->retry_ms);
}

static void replace(struct agent_message **slot, struct agent_message *message)
{
    codec_free_agent(*slot);
    *slot = message;
}

/* ---- results ---- */

static bool same_result(const struct agent_message *a, const struct agent_message *b)
{
    return a && command_id_equal(&a->result.id, &b->result.id) &&
           wire_id_equal(&a->result.nonce, &b->result.nonce);
}

/* The place of the same result, else a free one, else NULL. */
static struct outbox_result *result_place(struct link_outbox *box, const struct agent_message *m)
{
    struct outbox_result *vacant = NULL;
    for (size_t i = 0; i < OUTBOX_RESULTS; i++) {
        struct outbox_result *r = &box->results[i];
        if (same_result(r->message, m))
            return r;
        if (!r->message && !vacant)
            vacant = r;
    }
    return vacant;
}

static enum error_code put_result(struct link_outbox *box, struct agent_message *message,
                                  uint64_t due_ms, struct error *err)
{
    struct outbox_result *r = result_place(box, message);
    if (!r) {
        codec_free_agent(message);
        return error_set(err, ERR_FULL, "link: %d results wait to be acknowledged already",
                         OUTBOX_RESULTS);
    }
    replace(&r->message, message);
    r->due_ms = due_ms;
    r->order = box->next_order++;
    return ERR_NONE;
}

static struct agent_message *take_result(struct link_outbox *box, uint64_t now_ms)
{
    struct outbox_result *first = NULL;
    for (size_t i = 0; i < OUTBOX_RESULTS; i++) {
        struct outbox_result *r = &box->results[i];
        if (r->message && r->due_ms <= now_ms && (!first || r->order < first->order))
            first = r;
    }
    if (!first)
        return NULL;
    struct agent_message *message = first->message;
    first->message = NULL;
    return message;
}

/* ---- observations ---- */

static void put_observation(struct link_outbox *box, struct agent_message *message)
{
    if (box->observation_count == OUTBOX_OBSERVATIONS) {
        codec_free_agent(box->observations[0]);
        box->observation_count--;
        memmove(box->observations, box->observations + 1,
                box->observation_count * sizeof(box->observations[0]));
    }
    box->observations[box->observation_count++] = message;
}

static struct agent_message *take_observation(struct link_outbox *box)
{
    if (box->observation_count == 0)
        return NULL;
    struct agent_message *message = box->observations[0];
    box->observation_count--;
    memmove(box->observations, box->observations + 1,
            box->observation_count * sizeof(box->observations[0]));
    return message;
}

/* ---- reports ---- */

/* A whole report says everything: what waited before it is of no use any more. */
static void put_report(struct link_outbox *box, struct agent_message *message)
{
    if (!message->report.state.whole) {
        replace(&box->report, message);
        return;
    }
    replace(&box->whole, message);
    replace(&box->report, NULL);
}

/* What came while it was under way is newer. */
static void return_report(struct link_outbox *box, struct agent_message *message)
{
    bool whole = message->report.state.whole;
    bool overtaken = box->whole || (!whole && box->report);
    if (overtaken)
        codec_free_agent(message);
    else if (whole)
        box->whole = message;
    else
        box->report = message;
}

/* ---- all ---- */

enum error_code outbox_put(struct link_outbox *box, struct agent_message *message, uint64_t now_ms,
                           struct error *err)
{
    switch (message->kind) {
    case AGENT_RESULT:
        return put_result(box, message, now_ms, err);
    case AGENT_OBSERVATION:
        put_observation(box, message);
        return ERR_NONE;
    case AGENT_RENEW:
        replace(&box->renew, message);
        return ERR_NONE;
    case AGENT_PROGRESS:
        replace(&box->progress, message);
        return ERR_NONE;
    case AGENT_REPORT:
        put_report(box, message);
        return ERR_NONE;
    case AGENT_LISTEN:
        break;
    }
    must_failed(__FILE__, __LINE__, __func__, "a listen has a request of its own");
}

static struct agent_message *take_slot(struct agent_message **slot)
{
    struct agent_message *message = *slot;
    *slot = NULL;
    return message;
}

struct agent_message *outbox_take(struct link_outbox *box, uint64_t now_ms)
{
    struct agent_message *message = take_result(box, now_ms);
    if (!message)
        message = take_observation(box);
    if (!message)
        message = take_slot(&box->renew);
    if (!message)
        message = take_slot(&box->progress);
    if (!message)
        message = take_slot(&box->whole);
    if (!message)
        message = take_slot(&box->report);
    return message;
}

void outbox_settle(struct link_outbox *box, struct agent_message *message, bool acknowledged,
                   uint64_t now_ms)
{
    struct outbox_result *r = NULL;
    if (message->kind == AGENT_RESULT && !acknowledged)
        r = result_place(box, message);
    if (r && !r->message)
        *r = (struct outbox_result){message, now_ms + box->retry_ms, box->next_order++};
    else if (message->kind == AGENT_REPORT && !acknowledged)
        return_report(box, message);
    else
        codec_free_agent(message);
}

uint64_t outbox_due_ms(const struct link_outbox *box)
{
    uint64_t due_ms = UINT64_MAX;
    for (size_t i = 0; i < OUTBOX_RESULTS; i++) {
        const struct outbox_result *r = &box->results[i];
        if (r->message && r->due_ms < due_ms)
            due_ms = r->due_ms;
    }
    return due_ms;
}

void outbox_hurry(struct link_outbox *box)
{
    for (size_t i = 0; i < OUTBOX_RESULTS; i++)
        box->results[i].due_ms = 0;
}
