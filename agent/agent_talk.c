/* agent_talk.c - see agent_internal.h: the two channels to the coordinator.
 *
 *            send                      answer
 *   idle ───────────► waiting ───────────────────► idle
 *                        │  no answer in time: hang up
 *                        └────────────────────────► idle, not before AGAIN_MS
 */
#include "agent/agent_internal.h"

#include "common/must.h"
#include "common/text.h"

#include <string.h>

static struct channel *channel_of(struct agent *a, enum agent_channel which)
{
    return &a->channels[which];
}

static struct agent_message *send_on(struct agent *a, enum agent_channel which,
                                     enum agent_message_kind kind, uint64_t now_ms)
{
    struct channel *channel = channel_of(a, which);
    struct agent_effect *effect = agent_effect_add(a, EFFECT_SEND);
    effect->send.channel = which;
    effect->send.token = a->seq + 1;
    effect->send.message = (struct agent_message){
        .version = WIRE_VERSION,
        .agent = a->settings.name,
        .incarnation = a->incarnation,
        .boot = a->boot,
        .start_no = a->start_no,
        .seq = ++a->seq,
        .kind = kind,
    };
    channel->waiting = true;
    channel->seq = a->seq;
    channel->sent_ms = now_ms;
    channel->limit_at_ms = now_ms + (which == AGENT_CHANNEL_LISTEN ? LISTEN_MS : TALK_MS);
    return &effect->send.message;
}

/* ---- losses ---- */

static void settle(struct channel *channel, uint64_t not_before_ms)
{
    channel->waiting = false;
    channel->what = TALK_NONE;
    channel->subject = NULL;
    channel->not_before_ms = not_before_ms;
}

/* What was sent may have arrived or not. Results and reports are sent again as they are due. */
static void lose(struct agent *a, enum agent_channel which, uint64_t not_before_ms)
{
    struct channel *channel = channel_of(a, which);
    if (channel->waiting && channel->what == TALK_REPORT) {
        a->whole_due = a->whole_due || channel->whole;
        a->small_due = true;
    }
    settle(channel, not_before_ms);
}

void agent_link(struct agent *a, bool up, uint64_t now_ms)
{
    if (up != a->link_up)
        agent_note(a, up ? AGENT_NOTE_INFO : AGENT_NOTE_WARN, up ? "link_up" : "link_down", NULL,
                   NULL, "%s", up ? "a pipe to the coordinator is there" : "the pipe is gone");
    a->link_up = up;
    for (int which = 0; which < AGENT_CHANNEL_COUNT; which++)
        lose(a, (enum agent_channel)which, now_ms);
    if (!up)
        return;
    a->whole_wanted = true;
    a->look_wanted = true;
    a->hand.told[0] = '\0';
}

void agent_lost(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    struct channel *channel = channel_of(a, event->channel);
    if (!channel->waiting || event->token != channel->seq)
        return;
    agent_note(a, AGENT_NOTE_WARN, "message_lost", NULL, NULL, "%s: %s",
               event->channel == AGENT_CHANNEL_LISTEN ? "listen" : "talk",
               event->text ? event->text : error_code_name(event->code));
    lose(a, event->channel, now_ms + AGAIN_MS);
}

/* Over nng a lost reply is silence: only a new pipe helps. */
static void hang_up_if_silent(struct agent *a, uint64_t now_ms)
{
    bool silent = false;
    for (int which = 0; which < AGENT_CHANNEL_COUNT; which++) {
        const struct channel *channel = &a->channels[which];
        if (channel->waiting && now_ms >= channel->limit_at_ms)
            silent = true;
        else if (channel->waiting)
            agent_wake_at(a, channel->limit_at_ms);
    }
    if (!silent)
        return;
    agent_note(a, AGENT_NOTE_WARN, "link_silent", NULL, NULL,
               "the coordinator did not answer in time: dialling again");
    agent_effect_add(a, EFFECT_HANGUP);
    for (int which = 0; which < AGENT_CHANNEL_COUNT; which++)
        lose(a, (enum agent_channel)which, now_ms + AGAIN_MS);
}

/* ---- answers ---- */

static void drop_sent_answer(struct agent *a, const void *subject)
{
    for (size_t i = 0; i < a->answer_count; i++) {
        if (a->answers[i] != subject)
            continue;
        agent_discard_answer(a, a->answers[i]);
        a->answer_count--;
        memmove(a->answers + i, a->answers + i + 1, (a->answer_count - i) * sizeof(*a->answers));
        return;
    }
}

static void taken(struct agent *a, const struct channel *channel)
{
    if (channel->what == TALK_ANSWER)
        drop_sent_answer(a, channel->subject);
    else if (channel->what == TALK_RESULT)
        agent_acknowledged(a, channel->subject);
    else if (channel->what == TALK_REPORT)
        known_told(a->known);
}

static void set_quarantined(struct agent *a, const struct coordinator_message *message)
{
    bool quarantined = message->kind == COORDINATOR_QUARANTINED;
    if (quarantined && !a->quarantined)
        agent_note(a, AGENT_NOTE_WARN, "quarantined", NULL, NULL, "%s", message->detail);
    if (!quarantined && a->quarantined)
        agent_note(a, AGENT_NOTE_INFO, "quarantine_over", NULL, NULL, "the coordinator answers");
    a->quarantined = quarantined;
}

static void talk_answered(struct agent *a, const struct coordinator_message *message,
                          uint64_t now_ms)
{
    struct channel *channel = channel_of(a, AGENT_CHANNEL_TALK);
    struct channel sent = *channel;
    bool ack = message->kind == COORDINATOR_ACK || message->kind == COORDINATOR_RESEND_WHOLE;
    /* An acknowledgement by a coordinator that is not in charge proves no durable result. */
    if (ack && (sent.what != TALK_RESULT || agent_fence_in_force(a, &message->fence))) {
        settle(channel, now_ms);
        taken(a, &sent);
    } else {
        lose(a, AGENT_CHANNEL_TALK, now_ms + UNTAKEN_MS);
    }
    if (message->kind == COORDINATOR_RESEND_WHOLE && !a->whole_wanted) {
        a->whole_wanted = true;
        a->look_wanted = true;
    }
}

static void listen_answered(struct agent *a, const struct coordinator_message *message,
                            uint64_t now_ms)
{
    struct channel *channel = channel_of(a, AGENT_CHANNEL_LISTEN);
    uint64_t sent_ms = channel->sent_ms;
    lose(a, AGENT_CHANNEL_LISTEN, now_ms);
    if (message->kind == COORDINATOR_COMMAND)
        agent_arrive(a, &message->command, now_ms);
    else if (message->kind == COORDINATOR_QUARANTINED)
        channel->not_before_ms = now_ms + QUARANTINE_MS;
    else
        channel->not_before_ms = sent_ms + AGAIN_MS; /* never a busy loop with a hasty peer */
}

void agent_answered(struct agent *a, const struct agent_event *event, uint64_t now_ms)
{
    const struct coordinator_message *message = event->message;
    struct channel *channel = channel_of(a, event->channel);
    if (!channel->waiting || event->token != channel->seq)
        return; /* an answer to what was given up */
    agent_accept_fence(a, &message->fence);
    set_quarantined(a, message);
    if (event->channel == AGENT_CHANNEL_LISTEN)
        listen_answered(a, message, now_ms);
    else
        talk_answered(a, message, now_ms);
}

/* ---- sending ---- */

static bool can_send(struct agent *a, enum agent_channel which, uint64_t now_ms)
{
    struct channel *channel = channel_of(a, which);
    if (!a->link_up || channel->waiting)
        return false;
    if (now_ms >= channel->not_before_ms)
        return true;
    agent_wake_at(a, channel->not_before_ms);
    return false;
}

/* What it names as received has to be durable first. */
static void send_listen(struct agent *a, uint64_t now_ms)
{
    if (!agent_journal_settled(a) || a->arriving.stage != ARRIVING_NONE ||
        !can_send(a, AGENT_CHANNEL_LISTEN, now_ms))
        return;
    struct agent_message *message = send_on(a, AGENT_CHANNEL_LISTEN, AGENT_LISTEN, now_ms);
    message->listen.last = a->last;
    message->listen.fence = a->fence_kept;
    message->listen.listen_no = ++a->listen_no;
    if (a->hand.record)
        message->listen.running = a->hand.record->id;
    a->listens[a->listen_no % LISTENS_KEPT] =
        (struct sent_listen){.no = a->listen_no, .sent_ms = now_ms};
}

static struct agent_message *talk(struct agent *a, enum agent_message_kind kind, enum talk what,
                                  const void *subject, uint64_t now_ms)
{
    struct channel *channel = channel_of(a, AGENT_CHANNEL_TALK);
    struct agent_message *message = send_on(a, AGENT_CHANNEL_TALK, kind, now_ms);
    channel->what = what;
    channel->subject = subject;
    channel->whole = false;
    return message;
}

static void send_answer(struct agent *a, const struct answer *answer, uint64_t now_ms)
{
    struct agent_message *message = talk(a, answer->kind, TALK_ANSWER, answer, now_ms);
    if (answer->kind == AGENT_OBSERVATION)
        message->observation = answer->observation;
    else
        message->result = answer->result;
}

static bool progress_is_due(struct agent *a, uint64_t now_ms)
{
    const struct hand *hand = &a->hand;
    if (!hand->recipe || !agent_journal_settled(a))
        return false;
    bool news = !text_equal(hand->told, recipe_text(hand->recipe));
    /* An act that is over soon tells its result at once: it does not wait for the answer to a word
     * that is old by then. */
    uint64_t since_ms = hand->told[0] == '\0' ? recipe_since_ms(hand->recipe) : hand->told_ms;
    uint64_t due_ms = since_ms + (news ? PROGRESS_GAP_MS : PROGRESS_MS);
    if (now_ms >= due_ms)
        return true;
    agent_wake_at(a, due_ms);
    return false;
}

static void send_progress(struct agent *a, uint64_t now_ms)
{
    struct hand *hand = &a->hand;
    text_copy(hand->told, sizeof(hand->told), recipe_text(hand->recipe));
    hand->told_ms = now_ms;
    struct agent_message *message = talk(a, AGENT_PROGRESS, TALK_PROGRESS, hand->record, now_ms);
    message->progress.id = hand->record->id;
    message->progress.step = hand->told;
    message->progress.elapsed_ms = now_ms - recipe_since_ms(hand->recipe);
}

static bool report_is_due(struct agent *a, uint64_t now_ms)
{
    if (!known_has_workers(a->known) && !a->small_due)
        return false;
    if (a->small_due && a->news_at_ms == 0)
        a->news_at_ms = now_ms + NEWS_GAP_MS; /* what else is news then is told with it */
    uint64_t due_ms = a->heartbeat_at_ms;
    if (a->small_due && a->news_at_ms < due_ms)
        due_ms = a->news_at_ms;
    if (a->whole_due || now_ms >= due_ms)
        return true;
    agent_wake_at(a, due_ms);
    return false;
}

static void send_report(struct agent *a, uint64_t now_ms)
{
    char held[WIRE_TEXT_MAX / 2];
    struct agent_message *message = talk(a, AGENT_REPORT, TALK_REPORT, NULL, now_ms);
    channel_of(a, AGENT_CHANNEL_TALK)->whole = a->whole_due;
    message->report.state =
        known_state(a->known, a->whole_due, agent_held_text(a, now_ms, held, sizeof(held)), now_ms);
    message->report.state.keepalive = a->rotation.is;
    message->report.state.keepalive_age_ms = now_ms - a->rotation.since_ms;
    a->whole_due = false;
    a->small_due = false;
    a->news_at_ms = 0;
    a->heartbeat_at_ms = now_ms + a->settings.heartbeat_ms;
}

static void drop_stale_answers(struct agent *a, uint64_t now_ms)
{
    while (a->answer_count > 0 && now_ms >= a->answers[0]->until_ms)
        drop_sent_answer(a, a->answers[0]);
}

static void send_talk(struct agent *a, uint64_t now_ms)
{
    if (!can_send(a, AGENT_CHANNEL_TALK, now_ms))
        return;
    drop_stale_answers(a, now_ms);
    struct record *record = agent_result_to_send(a);
    if (a->answer_count > 0)
        send_answer(a, a->answers[0], now_ms);
    else if (record)
        talk(a, AGENT_RESULT, TALK_RESULT, record, now_ms)->result = record_result(record);
    else if (progress_is_due(a, now_ms))
        send_progress(a, now_ms);
    else if (report_is_due(a, now_ms))
        send_report(a, now_ms);
}

void agent_talk(struct agent *a, uint64_t now_ms)
{
    hang_up_if_silent(a, now_ms);
    send_listen(a, now_ms);
    send_talk(a, now_ms);
}
