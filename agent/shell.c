/* shell.c - see shell.h. */
#include "agent/shell.h"

#include "agent/agent.h"
#include "agent/ending.h"
#include "agent/journal.h"
#include "agent/keepalive.h"
#include "agent/link.h"
#include "agent/renewal.h"
#include "agent/worker.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/os.h"
#include "common/service.h"
#include "common/text.h"
#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

#define LETTERS_MAX   1024
#define STOP_STEP_MS  10000 /* much more than the second in which the next word comes */
#define START_STEP_MS 60000 /* a journal that is checked on a slow disk */

/* What other threads post: exactly one of the two. */
struct letter {
    struct call_result *result;
    bool from_link;
    struct agent_link_event link;
    struct error error;
};

/* The request open on a channel, to find out what an answer belongs to. */
struct sent {
    bool open;
    uint64_t token;
    enum agent_message_kind kind;
    struct command_id id;
    uint64_t listen_no;
};

/* What the journal or the link said at once, while effects were executed: told to the heart in
 * that order, before anything else. */
struct told {
    enum agent_event_kind kind;
    enum agent_channel channel;
    uint64_t token;
    enum error_code code;
    char text[ERROR_TEXT_MAX];
    struct record *record;
    bool present;
    struct told *next;
};

struct shell {
    const struct settings *settings;
    struct driver *driver;
    struct renewal renewal;
    struct guardian_spec guardian;
    struct agent_settings agent_settings;
    struct agent *agent;
    struct journal *journal;
    struct mailbox *letters;
    struct worker_thread *worker;
    struct agent_link *link;
    struct sent sent[AGENT_CHANNEL_COUNT];
    size_t acts; /* calls given to the worker that an end waits for */
    struct ending ending;
    struct told *first, **last;
};

/* ---- letters from other threads ---- */

static void letter_free(void *memory)
{
    struct letter *letter = memory;
    worker_result_free(letter->result);
    if (letter->from_link)
        codec_free_coordinator(letter->link.answer);
    free(letter);
}

static void on_result(void *arg, struct call_result *result)
{
    struct shell *s = arg;
    struct letter *letter = must_alloc(1, sizeof(*letter));
    letter->result = result;
    while (!mailbox_post(s->letters, letter)) /* a result must not be lost, so the worker waits */
        clock_sleep_ms(10);
}

/* What finds no room is lost, as the network may lose it: the heart's time limits see to it. */
static void on_link(void *arg, const struct agent_link_event *event)
{
    struct shell *s = arg;
    struct letter *letter = must_alloc(1, sizeof(*letter));
    letter->from_link = true;
    letter->link = *event;
    if (event->error)
        letter->error = *event->error;
    letter->link.error = NULL;
    if (!mailbox_post(s->letters, letter))
        letter_free(letter);
}

void shell_wake(void *shell)
{
    struct shell *s = shell;
    mailbox_wake(s->letters);
}

/* ---- effects ---- */

static struct told *tell(struct shell *s, enum agent_event_kind kind)
{
    struct told *told = must_alloc(1, sizeof(*told));
    told->kind = kind;
    *s->last = told;
    s->last = &told->next;
    return told;
}

static void set_error(struct told *told, const struct error *err)
{
    told->code = err->code;
    text_copy(told->text, sizeof(told->text), err->text);
}

static void execute_journal(struct shell *s, const struct journal_write *write)
{
    struct error err = {0};
    struct told *told = tell(s, AGENT_EVENT_JOURNALED);
    if (journal_write(s->journal, write, clock_wall_ms(), &err) != ERR_NONE)
        set_error(told, &err);
}

static void execute_recall(struct shell *s, const struct command_id *id)
{
    struct error err = {0};
    struct told *told = tell(s, AGENT_EVENT_RECALLED);
    if (journal_find(s->journal, id, &told->record, &err) != ERR_NONE)
        set_error(told, &err);
}

static void execute_keepalive(struct shell *s, enum keepalive_op op)
{
    struct error err = {0};
    struct told *told = tell(s, AGENT_EVENT_KEEPALIVE);
    const char *path = s->settings->keepalive;
    enum error_code code = op == KEEPALIVE_OP_REMOVE ? keepalive_remove(path, &err)
                           : op == KEEPALIVE_OP_PUT  ? keepalive_put(path, &err)
                                                     : ERR_NONE;
    if (code == ERR_NONE)
        code = keepalive_look(path, &told->present, &err);
    if (code != ERR_NONE)
        set_error(told, &err);
}

static struct command_id id_of(const struct agent_message *message)
{
    switch (message->kind) {
    case AGENT_PROGRESS:
        return message->progress.id;
    case AGENT_RESULT:
        return message->result.id;
    case AGENT_OBSERVATION:
        return message->observation.id;
    case AGENT_RENEW:
    case AGENT_LISTEN:
    case AGENT_REPORT:
        break;
    }
    return (struct command_id){0};
}

static void execute_send(struct shell *s, const struct agent_effect *effect)
{
    const struct agent_message *message = &effect->send.message;
    bool listens = effect->send.channel == AGENT_CHANNEL_LISTEN;
    struct error err = {0};
    s->sent[effect->send.channel] =
        (struct sent){.open = true,
                      .token = effect->send.token,
                      .kind = message->kind,
                      .id = id_of(message),
                      .listen_no = listens ? message->listen.listen_no : 0};
    enum error_code code = listens ? agent_link_listen(s->link, message, &err)
                                   : agent_link_send(s->link, message, &err);
    if (code == ERR_NONE)
        return;
    struct told *told = tell(s, AGENT_EVENT_LOST);
    told->channel = effect->send.channel;
    told->token = effect->send.token;
    set_error(told, &err);
}

static void execute_note(const struct agent_effect *effect)
{
    static const enum log_level levels[] = {
        [AGENT_NOTE_INFO] = LOG_LEVEL_INFO,
        [AGENT_NOTE_WARN] = LOG_LEVEL_WARN,
        [AGENT_NOTE_ERROR] = LOG_LEVEL_ERROR,
    };
    enum log_level level = levels[effect->note.level];
    if (effect->note.id.fence.number == 0 && effect->note.pool[0] == '\0')
        log_event(level, effect->note.event, LOG_TEXT("text", effect->note.text));
    else
        log_event(level, effect->note.event, LOG_UINT("fence", effect->note.id.fence.number),
                  LOG_UINT("seq", effect->note.id.seq), LOG_TEXT("pool", effect->note.pool),
                  LOG_TEXT("text", effect->note.text));
}

static void execute(struct shell *s, const struct agent_effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct agent_effect *effect = &effects->items[i];
        switch (effect->kind) {
        case EFFECT_JOURNAL:
            execute_journal(s, &effect->journal);
            break;
        case EFFECT_RECALL:
            execute_recall(s, &effect->recall);
            break;
        case EFFECT_CALL:
            s->acts += ending_waits_for(effect->call.kind);
            worker_give(s->worker, &effect->call);
            break;
        case EFFECT_SEND:
            execute_send(s, effect);
            break;
        case EFFECT_HANGUP:
            break; /* the link watches its requests itself, and a fresh listen replaces the old */
        case EFFECT_KEEPALIVE:
            execute_keepalive(s, effect->keepalive);
            break;
        case EFFECT_NOTE:
            execute_note(effect);
            break;
        }
    }
}

/* ---- renewal ---- */

static struct agent_link_tls tls_of(const struct identity *id)
{
    return (struct agent_link_tls){
        .ca_pem = id->ca_pem, .cert_pem = id->cert_pem, .key_pem = id->key_pem};
}

/* The coordinator's answer: the new certificate, or not now. */
static void take_renewal(struct shell *s, const struct letter *letter)
{
    const struct coordinator_message *answer = letter->link.answer;
    struct error err = {0};
    if (!answer || answer->kind != COORDINATOR_CERTIFICATE || !answer->certificate) {
        log_warn("certificate_not_renewed",
                 LOG_TEXT("why", answer ? "the coordinator did not give one" : letter->error.text));
        return;
    }
    enum error_code code = renewal_take(&s->renewal, answer->certificate, &err);
    if (code == ERR_NONE) {
        const struct agent_link_tls tls = tls_of(s->renewal.identity);
        code = agent_link_renew(s->link, &tls, &err);
    }
    if (code == ERR_NONE)
        log_info("certificate_renewed", LOG_TEXT("name", s->settings->name));
    else
        log_error("certificate_not_renewed", LOG_TEXT("why", err.text));
}

static void renew_if_due(struct shell *s)
{
    struct agent_message message;
    struct error err = {0};
    char *request = NULL;
    uint64_t now_ms = clock_boot_ms();
    int64_t wall_ms = clock_wall_ms();
    if (!renewal_is_due(&s->renewal, now_ms, wall_ms))
        return;
    enum error_code code = renewal_ask(&s->renewal, now_ms, wall_ms, &request, &err);
    if (code == ERR_NONE) {
        agent_hello(s->agent, &message);
        message.kind = AGENT_RENEW;
        message.renew.request = request;
        code = agent_link_send(s->link, &message, &err);
    }
    if (code != ERR_NONE)
        log_error("certificate_not_renewed", LOG_TEXT("why", err.text));
    free(request);
}

/* ---- events ---- */

static void handle(struct shell *s, const struct agent_event *event)
{
    struct agent_effects effects = agent_handle(s->agent, event, clock_boot_ms());
    execute(s, &effects);
}

static void handle_told(struct shell *s)
{
    while (s->first) {
        struct told *told = s->first;
        s->first = told->next;
        if (!s->first)
            s->last = &s->first;
        handle(s, &(struct agent_event){.kind = told->kind,
                                        .channel = told->channel,
                                        .token = told->token,
                                        .code = told->code,
                                        .text = told->text,
                                        .record = told->record,
                                        .present = told->present});
        record_free(told->record);
        free(told);
    }
}

/* The request that an event of the link is about; NULL: one that was given up before. */
static struct sent *sent_of(struct shell *s, const struct agent_link_event *event,
                            enum agent_channel *channel)
{
    *channel = event->request == AGENT_LISTEN ? AGENT_CHANNEL_LISTEN : AGENT_CHANNEL_TALK;
    struct sent *sent = &s->sent[*channel];
    bool same = sent->open && sent->kind == event->request && sent->listen_no == event->listen_no &&
                command_id_equal(&sent->id, &event->id);
    return same ? sent : NULL;
}

static void handle_link(struct shell *s, const struct letter *letter)
{
    const struct agent_link_event *event = &letter->link;
    if (event->kind == AGENT_LINK_UP || event->kind == AGENT_LINK_DOWN) {
        bool up = event->kind == AGENT_LINK_UP;
        handle(s, &(struct agent_event){.kind = up ? AGENT_EVENT_LINK_UP : AGENT_EVENT_LINK_DOWN});
        return;
    }
    if (event->request == AGENT_RENEW) {
        take_renewal(s, letter);
        return;
    }
    enum agent_channel channel;
    struct sent *sent = sent_of(s, event, &channel);
    if (!sent)
        return;
    bool answered = event->kind == AGENT_LINK_ANSWER;
    struct agent_event told = {.kind = answered ? AGENT_EVENT_ANSWER : AGENT_EVENT_LOST,
                               .channel = channel,
                               .token = sent->token,
                               .message = event->answer,
                               .code = letter->error.code,
                               .text = letter->error.text};
    sent->open = false;
    handle(s, &told);
}

static void handle_letter(struct shell *s, struct letter *letter)
{
    if (!letter)
        handle(s, &(struct agent_event){.kind = AGENT_EVENT_TICK});
    else if (letter->result) {
        s->acts -= ending_waits_for(letter->result->call.kind);
        handle(s, &(struct agent_event){.kind = AGENT_EVENT_CALLED, .result = letter->result});
    } else
        handle_link(s, letter);
    handle_told(s);
    if (letter)
        letter_free(letter);
}

/* ---- life ---- */

static enum error_code open_journal(struct shell *s, struct error *err)
{
    char path[4096];
    const char *dir = s->settings->data_dir;
    enum error_code code = os_make_dir(dir, 0700, err);
    if (code != ERR_NONE)
        return error_wrap(err, "data_dir");
    if (!text_format(path, sizeof(path), "%s/lock", dir))
        return error_set(err, ERR_INVALID, "data_dir %s is too long a path", dir);
    code = os_lock_file(path, err);
    if (code != ERR_NONE)
        return error_wrap(err, "another agent uses this data_dir");
    if (!text_format(path, sizeof(path), "%s/journal.db", dir))
        return error_set(err, ERR_INVALID, "data_dir %s is too long a path", dir);
    code = journal_open(path, NULL, &s->journal, err);
    return code == ERR_NONE ? ERR_NONE : error_wrap(err, "the journal");
}

static enum error_code open_heart(struct shell *s, struct error *err)
{
    struct agent_memory memory = {0};
    struct wire_id boot;
    enum error_code code = os_boot_id(boot.bytes, err);
    if (code != ERR_NONE)
        return code;
    uint64_t within_ms =
        s->settings->cool_down_ms > VETO_HOUR_MS ? s->settings->cool_down_ms : VETO_HOUR_MS;
    code = journal_start(s->journal, clock_wall_ms(), within_ms, &memory, err);
    if (code != ERR_NONE)
        return error_wrap(err, "the journal");
    s->agent_settings = settings_for_agent(s->settings);
    s->agent = agent_new(&s->agent_settings, &memory, &boot, clock_boot_ms());
    log_info("agent_start", LOG_TEXT("name", s->settings->name),
             LOG_TEXT("version", FARMHAND_VERSION), LOG_UINT("start", memory.start_no),
             LOG_UINT("fence", memory.fence.number),
             LOG_TEXT("coordinator", s->settings->coordinator));
    journal_memory_reset(&memory);
    return ERR_NONE;
}

static enum error_code open_threads(struct shell *s, struct error *err)
{
    s->letters = mailbox_open(LETTERS_MAX, letter_free);
    enum error_code code = worker_open(s->driver, &s->guardian, on_result, s, &s->worker, err);
    if (code != ERR_NONE)
        return code;
    const struct dumps_spec dumps = settings_for_dumps(s->settings);
    worker_set_dumps(s->worker, &dumps);
    struct agent_link_tls tls;
    struct agent_link_spec spec = {
        .url = s->settings->coordinator,
        .reconnect_min_ms = (uint32_t)s->settings->reconnect_min_ms,
        .reconnect_max_ms = (uint32_t)s->settings->reconnect_max_ms,
        .on_event = on_link,
        .arg = s,
    };
    if (s->renewal.identity) {
        tls = tls_of(s->renewal.identity);
        spec.tls = &tls;
    }
    return agent_link_open(&spec, &s->link, err);
}

enum error_code shell_open(const struct settings *settings, struct identity *identity,
                           struct driver *driver, struct shell **out, struct error *err)
{
    struct shell *s = must_alloc(1, sizeof(*s));
    s->settings = settings;
    s->driver = driver;
    s->last = &s->first;
    s->guardian = (struct guardian_spec){.data_dir = settings->data_dir,
                                         .backend = scm_names[settings->iis.service_backend],
                                         .tool = settings->iis.service_tool};
    enum error_code code = renewal_init(&s->renewal, identity, settings->data_dir, err);
    if (code == ERR_NONE)
        code = open_journal(s, err);
    service_progress(START_STEP_MS);
    if (code == ERR_NONE)
        code = open_heart(s, err);
    service_progress(START_STEP_MS);
    if (code == ERR_NONE)
        code = open_threads(s, err);
    if (code != ERR_NONE) {
        shell_close(s);
        return code;
    }
    *out = s;
    return ERR_NONE;
}

void shell_close(struct shell *s)
{
    if (!s)
        return;
    agent_link_close(s->link);
    worker_close(s->worker);
    mailbox_close(s->letters);
    agent_free(s->agent);
    journal_close(s->journal);
    renewal_reset(&s->renewal);
    while (s->first) {
        struct told *told = s->first;
        s->first = told->next;
        record_free(told->record);
        free(told);
    }
    free(s);
}

/* Begins the end when it is asked for, and keeps the system patient from then on. true: over. */
static bool ends(struct shell *s)
{
    bool quiet = agent_is_quiet(s->agent), shutdown = service_shutting_down();
    if (!s->ending.begun && service_stopping()) {
        ending_begin(&s->ending, clock_boot_ms());
        agent_wind_down(s->agent);
        log_info("agent_stop", LOG_TEXT("name", s->settings->name), LOG_BOOL("quiet", quiet),
                 LOG_BOOL("acting", s->acts > 0));
    }
    if (s->ending.begun)
        service_progress(STOP_STEP_MS);
    bool over = ending_is_over(&s->ending, s->acts > 0, quiet, shutdown, clock_boot_ms());
    if (over && s->acts > 0)
        log_warn("act_cut_off", LOG_TEXT("text", "an act lasts longer than the time to stop: its "
                                                 "guardian, or the next start, goes on"));
    return over;
}

void shell_run(struct shell *s)
{
    handle_letter(s, NULL);
    while (!ends(s)) {
        uint64_t now_ms = clock_boot_ms();
        uint64_t deadline_ms = agent_deadline(s->agent);
        uint64_t renew_ms = renewal_wake_ms(&s->renewal, now_ms, clock_wall_ms());
        uint64_t look_ms = ending_wake_ms(&s->ending, now_ms);
        if (renew_ms < deadline_ms)
            deadline_ms = renew_ms;
        handle_letter(s, mailbox_take(s->letters, deadline_ms < look_ms ? deadline_ms : look_ms));
        renew_if_due(s);
    }
}
