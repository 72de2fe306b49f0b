/* node.c - see world.h: one agent, as its shell would run it. */
#include "agent/agent.h"
#include "agent/journal.h"
#include "common/must.h"
#include "common/text.h"
#include "proto/codec.h"
#include "tests/sim/oracle.h"
#include "tests/sim/vfs.h"
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

#define LISTEN_LIMIT_MS 30000 /* as the link gives up */
#define TALK_LIMIT_MS   10000
#define RESTART_MIN_MS  800
#define RESTART_MAX_MS  4000
#define BOOT_MS         15000 /* a machine takes longer than any message lives */

struct told {
    struct agent_event event;
    struct record *record;
    char text[ERROR_TEXT_MAX];
    struct told *next;
};

struct sent {
    bool open;
    uint64_t token;
};

struct node {
    int index;
    char disk[16], path[48];
    struct agent_settings settings;
    struct agent *agent; /* NULL: not running */
    struct journal *journal;
    struct wire_id boot;
    uint64_t life; /* grows with each start: what was due for a former one is void */
    uint64_t tick; /* the newest timer */
    uint64_t asleep_until_ms;
    uint64_t stopped_ms; /* so long its clock stood still */
    int64_t wall_ms;     /* its clock's error */
    struct sent sent[AGENT_CHANNEL_COUNT];
    struct told *first, **last;
    /* the call under way, and the command that the journal says is begun */
    uint64_t call_no;
    enum error_code call_code;
    char call_text[80]; /* of one that went well */
    struct command_id begun;
    uint64_t begun_run;
    enum verb begun_verb;
    bool dying;
    uint64_t crashes;
};

static const char *const all_pools[] = {"*"};

const char *node_disk(const struct node *n)
{
    return n->disk;
}

bool node_up(const struct node *n)
{
    return n->agent != NULL;
}

static void handle(struct world *w, struct node *n, const struct agent_event *event);

static uint64_t clock_of(const struct world *w, const struct node *n)
{
    return w->now_ms - n->stopped_ms;
}

/* ---- time: a machine that sleeps meets everything when it wakes ---- */

static bool sleeps(struct world *w, struct node *n, const struct due *d)
{
    if (w->now_ms >= n->asleep_until_ms)
        return false;
    world_at(w, n->asleep_until_ms, d->fn, d->who, d->arg, d->data, d->len);
    return true;
}

static void on_tick(struct world *w, const struct due *d)
{
    struct node *n = w->nodes[d->who];
    if (!n->agent || d->arg != n->tick || sleeps(w, n, d))
        return;
    handle(w, n, &(struct agent_event){.kind = AGENT_EVENT_TICK});
}

static void plan_tick(struct world *w, struct node *n)
{
    uint64_t at_ms = agent_deadline(n->agent);
    if (at_ms == UINT64_MAX)
        return;
    at_ms += n->stopped_ms;
    world_at(w, at_ms > w->now_ms ? at_ms : w->now_ms + 1, on_tick, n->index, ++n->tick, NULL, 0);
}

/* ---- dying and starting ---- */

static void forget_told(struct node *n)
{
    while (n->first) {
        struct told *t = n->first;
        n->first = t->next;
        record_free(t->record);
        free(t);
    }
    n->last = &n->first;
}

static void start(struct world *w, const struct due *d);

static void lose_disk(struct world *w, struct node *n)
{
    if (!w->disk_is_lost)
        return;
    w->disk_is_lost = false;
    world_say(w, "%s: its journal is lost", n->settings.name);
    vfs_wipe(n->disk);
    vfs_put_kept("agent/journal.db", n->path);
    oracle_journal_lost(w, n->index);
}

static void die_for(struct world *w, struct node *n, uint64_t ms, const char *why)
{
    world_say(w, "%s: the agent dies: %s", n->settings.name, why);
    oracle_services_trouble(w, n->index, false);
    if (!n->dying)
        vfs_crash(n->disk, rng_next(&w->faults));
    agent_free(n->agent);
    journal_close(n->journal);
    forget_told(n);
    n->agent = NULL;
    n->journal = NULL;
    n->dying = false;
    lose_disk(w, n);
    n->life++;
    n->tick++;
    n->call_no++;
    n->crashes++;
    net_hang_up(w, n->index);
    ms += rng_between(&w->faults, RESTART_MIN_MS, RESTART_MAX_MS);
    world_at(w, w->now_ms + ms, start, n->index, n->life, NULL, 0);
}

static void die(struct world *w, struct node *n, const char *why)
{
    die_for(w, n, 0, why);
}

static void new_boot(struct world *w, struct node *n)
{
    for (size_t i = 0; i < sizeof(n->boot.bytes); i++)
        n->boot.bytes[i] = (uint8_t)rng_next(&w->ids);
}

void node_crash(struct world *w, int index, const char *why, bool reboot)
{
    struct node *n = w->nodes[index];
    if (!n->agent)
        return;
    if (reboot) {
        new_boot(w, n);
        w->booted_ms[index] = w->now_ms;
        world_power(w, index, false);
    }
    die_for(w, n, reboot ? BOOT_MS : 0, why);
}

void node_stay_away(struct world *w, int index, uint64_t ms)
{
    if (w->nodes[index]->agent)
        die_for(w, w->nodes[index], ms, "killed, and it stays away");
}

uint64_t node_clock(const struct world *w, int index)
{
    return clock_of(w, w->nodes[index]);
}

uint64_t node_life(const struct world *w, int index)
{
    return w->nodes[index]->life;
}

uint64_t node_asleep_until_ms(const struct world *w, int index)
{
    return w->nodes[index]->asleep_until_ms;
}

void node_lose_journal(struct world *w, int index)
{
    struct node *n = w->nodes[index];
    if (!n->agent)
        return;
    w->disk_is_lost = true;
    die(w, n, "its journal is lost");
}

static void start(struct world *w, const struct due *d)
{
    struct node *n = w->nodes[d->who];
    struct agent_memory memory = {0};
    struct error err = {0};
    if (n->agent || d->arg != n->life || sleeps(w, n, d))
        return;
    world_power(w, d->who, true);
    if (journal_open(n->path, VFS_NAME, &n->journal, &err) != ERR_NONE ||
        journal_start(n->journal, WALL_ZERO + (int64_t)w->now_ms + n->wall_ms, VETO_HOUR_MS,
                      &memory, &err) != ERR_NONE) {
        world_say(w, "%s: the agent cannot start: %s", n->settings.name, err.text);
        if (err.code == ERR_CORRUPT)
            world_violate(w, "%s: its journal is damaged: %s", n->settings.name, err.text);
        journal_close(n->journal);
        n->journal = NULL;
        world_at(w, w->now_ms + 3000, start, n->index, ++n->life, NULL, 0);
        return;
    }
    n->agent = agent_new(&n->settings, &memory, &n->boot, clock_of(w, n));
    world_say(w, "%s: the agent starts, number %u", n->settings.name, (unsigned)memory.start_no);
    journal_memory_reset(&memory);
    memset(n->sent, 0, sizeof(n->sent));
    net_dial(w, n->index, rng_between(&w->net, 1, 400));
    handle(w, n, &(struct agent_event){.kind = AGENT_EVENT_TICK});
}

/* Limits that fit into a history of minutes. */
static void allow_services(struct agent_settings *s)
{
    s->veto.verbs[VERB_SERVICE_RECOVER] = true;
    s->veto.verbs[VERB_SERVICE_RESTART] = true;
    s->recipe.service_stop_ms = 8000;
    s->recipe.dependent_ms = 3000;
    s->recipe.killed_ms = 3000;
    s->recipe.service_start_ms = 20000;
    s->recipe.service_look_ms = 10000;
    s->recipe.site_ms = 8000;
}

struct node *node_new(struct world *w, int index)
{
    struct node *n = must_alloc(1, sizeof(*n));
    n->index = index;
    n->last = &n->first;
    text_copy(n->disk, sizeof(n->disk), w->iis[index].name);
    text_format(n->path, sizeof(n->path), "%s/journal.db", n->disk);
    n->settings = (struct agent_settings){
        .name = w->iis[world_server(w, index)].name,
        .heartbeat_ms = 5000,
        .beat_ms = 2500,
        .look_every_ms = 60000,
        .veto = {.pools = all_pools, .pool_count = 1},
    };
    n->settings.veto.profile = PROFILE_OPERATE_SERVICES;
    n->settings.veto.verbs[VERB_RECYCLE] = true;
    n->settings.veto.verbs[VERB_START] = true;
    n->settings.veto.verbs[VERB_STOP] = true;
    n->settings.veto.verbs[VERB_WORKER_KILL] = true;
    n->settings.veto.verbs[VERB_SET] = true;
    recipe_limits_init(&n->settings.recipe);
    n->settings.recipe.margin_ms = 3000;
    if (w->options.services)
        allow_services(&n->settings);
    new_boot(w, n);
    if (index < (int)w->servers)
        vfs_put_kept("agent/journal.db", n->path);
    world_at(w, w->now_ms + (uint64_t)index, start, index, n->life, NULL, 0);
    return n;
}

void node_free(struct node *n)
{
    if (!n)
        return;
    agent_free(n->agent);
    journal_close(n->journal);
    forget_told(n);
    free(n);
}

void node_clone(struct world *w, int index)
{
    int at = (int)w->servers;
    char name[16];
    if (w->machines > w->servers)
        return;
    w->machines++;
    w->cloned = index;
    text_format(name, sizeof(name), "clone%02d", index + 1);
    world_say(w, "%s: its machine is cloned, with its disk: %s", w->iis[index].name, name);
    iis_init(&w->iis[at], name, 0, &w->iis_rng, w->now_ms);
    iis_init(&w->api[at], name, 1, &w->iis_rng, w->now_ms);
    scm_init(w, at);
    if (w->options.remedy) {
        iis_protect(&w->iis[at]);
        iis_protect(&w->api[at]);
    }
    vfs_copy(node_disk(w->nodes[index]), name, true);
    oracle_journal_lost(w, index); /* as far as people are concerned: which one knows what? */
    w->nodes[at] = node_new(w, at);
}

void node_switch_off(struct world *w, int index)
{
    struct node *n = w->nodes[index];
    world_power(w, index, false);
    if (n->agent)
        die(w, n, "it is switched off for good");
    n->life++; /* the start that is due is void */
}

void node_sleep(struct world *w, int index, uint64_t ms, bool clock_stops)
{
    if (w->now_ms < w->nodes[index]->asleep_until_ms)
        return;
    world_say(w, "%s: its machine sleeps for %u ms%s", w->iis[index].name, (unsigned)ms,
              clock_stops ? ", and so does its clock" : "");
    oracle_services_trouble(w, index, false);
    w->nodes[index]->asleep_until_ms = w->now_ms + ms;
    w->nodes[index]->stopped_ms += clock_stops ? ms : 0;
}

void node_jump(struct node *n, int64_t ms)
{
    n->wall_ms += ms;
}

/* In the middle of a write to its disk. */
void node_dies_now(struct world *w, int index)
{
    struct node *n = w->nodes[index];
    n->dying = true;
    vfs_crash(n->disk, rng_next(&w->faults));
}

uint64_t node_crashes(const struct world *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->machines; i++)
        sum += w->nodes[i]->crashes;
    return sum;
}

/* ---- calls of the driver ---- */

struct calling {
    struct call call; /* its services: below */
    struct command_id id;
    uint64_t run, since_ms, life;
    enum verb verb;
    char services[256];
    char settings[512]; /* CONFIGURE: the agent may die before they are set */
};

static bool is_guard(enum call_kind kind)
{
    return kind == CALL_GUARD || kind == CALL_GUARD_END;
}

static bool is_of_services(const struct call *call)
{
    return call->service[0] || is_guard(call->kind) ||
           (call->kind == CALL_WORKER_KILL && !call->pool[0]);
}

static bool act_on_guard(struct world *w, struct node *n, const struct calling *c)
{
    struct scm *m = &w->scm[n->index];
    if (c->call.kind == CALL_GUARD_END)
        return guard_end(w, n->index, n->call_text, sizeof(n->call_text));
    n->call_code = m->next_error;
    m->next_error = ERR_NONE;
    if (n->call_code == ERR_NONE)
        guard_arm(w, n->index, c->services, c->call.within_ms);
    return n->call_code == ERR_NONE;
}

/* The agent itself asks the service manager: what it had no time to ask is not done. */
static void act_on_services(struct world *w, struct node *n, const struct calling *c)
{
    if (n->life != c->life)
        return;
    oracle_services_before(w, n->index, &c->call, &c->id);
    bool done = is_guard(c->call.kind) ? act_on_guard(w, n, c)
                                       : scm_act(w, n->index, &c->call, &n->call_code);
    world_say(w, "%s: %s %s is %s%s%s", n->settings.name, call_name(c->call.kind), c->call.service,
              done ? "done" : "not done", n->call_code ? ", told as " : "",
              n->call_code ? error_code_name(n->call_code) : "");
    if (done)
        oracle_services_called(w, n->index, &c->call, &c->id, c->run, c->verb);
}

/* The order is carried out by a process of its own: it goes on when the agent dies. */
static void on_act(struct world *w, const struct due *d)
{
    struct calling *c = d->data;
    struct node *n = w->nodes[d->who];
    enum error_code code = ERR_NONE;
    c->call.settings = c->settings;
    if (is_of_services(&c->call)) {
        act_on_services(w, n, c);
        return;
    }
    bool disrupts = c->call.kind == CALL_RECYCLE || c->call.kind == CALL_STOP ||
                    c->call.kind == CALL_WORKER_KILL;
    int unit = world_unit(d->who, c->call.pool);
    if (disrupts)
        oracle_before_act(w, unit, &c->id);
    bool done = iis_act(world_iis(w, unit), &c->call, w->now_ms, &code);
    if (n->life == c->life && n->call_no == d->arg)
        n->call_code = code;
    world_say(w, "%s: %s is %s%s%s", world_unit_name(w, unit), call_name(c->call.kind),
              done ? "done" : "not done", code ? ", told as " : "",
              code ? error_code_name(code) : "");
    if (done)
        oracle_called(w, unit, &c->call, c->verb);
    if (c->call.kind == CALL_CONFIGURE)
        oracle_configured(w, unit, &c->id, c->run);
    if (done && disrupts)
        oracle_acted(w, unit, &c->id, c->run, c->verb);
}

static void see(struct world *w, int unit, struct call_result *out)
{
    bool one = out->call.kind == CALL_LOOK_POOL || out->call.kind == CALL_PROBE ||
               out->call.kind == CALL_VERDICT || out->call.kind == CALL_SETTINGS;
    struct iis *whole = &w->iis[world_machine(unit)], *other = &w->api[world_machine(unit)];
    if (out->call.kind != CALL_SERVICES && out->call.kind != CALL_SERVICE_HOST)
        iis_fill(one ? world_iis(w, unit) : whole, !one && w->pools > 1 ? other : NULL, w->now_ms,
                 out);
    if (out->call.kind != CALL_BEAT && out->call.kind != CALL_PROBE &&
        out->call.kind != CALL_VERDICT && out->call.kind != CALL_SETTINGS)
        scm_fill(w, world_machine(unit), out);
}

/* Both block until they are over, the stop of a pool and the wait for a service. */
static bool blocks_still(struct world *w, struct node *n, const struct calling *c)
{
    enum error_code code;
    if (c->call.kind == CALL_STOP)
        return w->now_ms < c->since_ms + 12000 &&
               !iis_stop_is_over(world_iis(w, world_unit(n->index, c->call.pool)), w->now_ms);
    if (c->call.kind != CALL_SERVICE_WAIT)
        return false;
    if (!scm_wait_is_over(w, n->index, &c->call, c->since_ms, &code))
        return true;
    n->call_code = code;
    return false;
}

static void on_called(struct world *w, const struct due *d)
{
    const struct calling *c = d->data;
    struct node *n = w->nodes[d->who];
    if (!n->agent || n->life != c->life || n->call_no != d->arg || sleeps(w, n, d))
        return;
    int unit = world_unit(d->who, c->call.pool);
    if (blocks_still(w, n, c)) {
        world_at(w, w->now_ms + 100, on_called, d->who, d->arg, d->data, d->len);
        return;
    }
    if (world_step(w, ACTOR_NODE, n->index)) {
        die(w, n, "as a call comes back");
        return;
    }
    struct call_result result = {.call = c->call, .code = n->call_code};
    if (result.code == ERR_NONE && !call_acts(c->call.kind))
        see(w, unit, &result);
    if (c->call.kind == CALL_PROBE && result.probe.passed)
        oracle_probed(w, unit, c->since_ms);
    if (result.code != ERR_NONE)
        text_format(result.text, sizeof(result.text), "simulated: %s",
                    error_code_name(result.code));
    else
        text_copy(result.text, sizeof(result.text), n->call_text);
    handle(w, n, &(struct agent_event){.kind = AGENT_EVENT_CALLED, .result = &result});
}

static void make_call(struct world *w, struct node *n, const struct call *call)
{
    struct iis *s = world_iis(w, world_unit(n->index, call->pool));
    struct calling c = {.call = *call,
                        .id = n->begun,
                        .run = n->begun_run,
                        .verb = n->begun_verb,
                        .since_ms = w->now_ms,
                        .life = n->life};
    bool of_services = is_of_services(call) || call->kind == CALL_SERVICES;
    uint64_t takes_ms = of_services ? scm_call_ms(w, call) : iis_call_ms(s, call, &w->iis_rng);
    if (call->kind == CALL_GUARD)
        must(text_copy(c.services, sizeof(c.services), call->services));
    if (call->kind == CALL_CONFIGURE)
        must(text_copy(c.settings, sizeof(c.settings), call->settings));
    n->call_no++;
    n->call_code = ERR_NONE;
    n->call_text[0] = '\0';
    if (call_acts(call->kind))
        world_at(w, w->now_ms + rng_between(of_services ? &w->scm_rng : &w->iis_rng, 1, takes_ms),
                 on_act, n->index, n->call_no, &c, sizeof(c));
    world_at(w, w->now_ms + takes_ms + 1, on_called, n->index, n->call_no, &c, sizeof(c));
}

/* ---- effects ---- */

static struct told *tell(struct node *n, enum agent_event_kind kind)
{
    struct told *t = must_alloc(1, sizeof(*t));
    t->event.kind = kind;
    *n->last = t;
    n->last = &t->next;
    return t;
}

static void tell_error(struct told *t, enum error_code code, const struct error *err)
{
    t->event.code = code;
    text_copy(t->text, sizeof(t->text), code ? err->text : "");
    t->event.text = t->text;
}

static void write_journal(struct world *w, struct node *n, const struct journal_write *write)
{
    struct error err = {0};
    struct told *t = tell(n, AGENT_EVENT_JOURNALED);
    enum error_code code =
        journal_write(n->journal, write, WALL_ZERO + (int64_t)w->now_ms + n->wall_ms, &err);
    tell_error(t, code, &err);
    if (code)
        world_say(w, "%s: the journal fails: %s", n->settings.name, err.text);
    if (write->kind == JOURNAL_ENDED && !code)
        oracle_services_ended(w, n->index, &write->record->id);
    if (write->kind != JOURNAL_BEGUN || code)
        return;
    n->begun = write->record->id;
    n->begun_run = write->record->run;
    n->begun_verb = write->record->verb;
    int unit = world_unit(n->index, write->record->pool);
    oracle_begun(w, unit, &n->begun, n->begun_run, clock_of(w, n));
    if (verb_is_of_services(n->begun_verb))
        oracle_services_begun(w, n->index, &n->begun);
    world_say(w, "%s: begins %s, command %u/%u", world_unit_name(w, unit), verb_name(n->begun_verb),
              (unsigned)n->begun.fence.number, (unsigned)n->begun.seq);
}

static void recall(struct node *n, const struct command_id *id)
{
    struct error err = {0};
    struct told *t = tell(n, AGENT_EVENT_RECALLED);
    enum error_code code = journal_find(n->journal, id, &t->record, &err);
    t->event.record = t->record;
    tell_error(t, code, &err);
}

struct limit {
    int channel;
    uint64_t token, life;
};

static void on_limit(struct world *w, const struct due *d)
{
    const struct limit *l = d->data;
    struct node *n = w->nodes[d->who];
    struct sent *sent = &n->sent[l->channel];
    if (!n->agent || n->life != l->life || !sent->open || sent->token != l->token ||
        sleeps(w, n, d))
        return;
    sent->open = false;
    if (l->channel == AGENT_CHANNEL_LISTEN) {
        net_hang_up(w, n->index);
        handle(w, n, &(struct agent_event){.kind = AGENT_EVENT_LINK_DOWN});
    } else {
        handle(w, n,
               &(struct agent_event){.kind = AGENT_EVENT_LOST,
                                     .channel = AGENT_CHANNEL_TALK,
                                     .token = l->token,
                                     .code = ERR_TIMEOUT,
                                     .text = "no answer"});
    }
}

static void send(struct world *w, struct node *n, const struct agent_effect *effect)
{
    const struct agent_message *m = &effect->send.message;
    struct error err = {0};
    uint8_t *bytes;
    size_t len;
    if (codec_encode_agent(m, &bytes, &len, &err) != ERR_NONE) {
        world_violate(w, "%s says what does not fit the wire: %s", n->settings.name, err.text);
        return;
    }
    int channel = (int)effect->send.channel;
    struct limit limit = {.channel = channel, .token = effect->send.token, .life = n->life};
    oracle_said(w, n->index, m, clock_of(w, n));
    n->sent[channel] = (struct sent){.open = true, .token = effect->send.token};
    net_send(w, n->index, channel, effect->send.token, bytes, len);
    world_at(w, w->now_ms + (channel == AGENT_CHANNEL_LISTEN ? LISTEN_LIMIT_MS : TALK_LIMIT_MS),
             on_limit, n->index, 0, &limit, sizeof(limit));
    if (m->kind == AGENT_RESULT)
        world_say(w, "%s: -> result of %u/%u: %s (%s)", n->settings.name,
                  (unsigned)m->result.id.fence.number, (unsigned)m->result.id.seq,
                  outcome_name(m->result.outcome), cause_name(m->result.cause));
    free(bytes);
}

static bool execute_one(struct world *w, struct node *n, const struct agent_effect *effect)
{
    if (effect->kind != EFFECT_NOTE && world_step(w, ACTOR_NODE, n->index))
        return false;
    switch (effect->kind) {
    case EFFECT_JOURNAL:
        write_journal(w, n, &effect->journal);
        break;
    case EFFECT_RECALL:
        recall(n, &effect->recall);
        break;
    case EFFECT_CALL:
        make_call(w, n, &effect->call);
        break;
    case EFFECT_SEND:
        send(w, n, effect);
        break;
    case EFFECT_KEEPALIVE: /* no node has such a file */
    case EFFECT_HANGUP:    /* the link watches its requests itself */
    case EFFECT_NOTE:
        break;
    }
    return !n->dying;
}

static bool handle_one(struct world *w, struct node *n, const struct agent_event *event)
{
    struct agent_effects effects = agent_handle(n->agent, event, clock_of(w, n));
    for (size_t i = 0; i < effects.count; i++)
        if (!execute_one(w, n, &effects.items[i]))
            return false;
    return true;
}

/* The event, then what the journal said at once, in order, before anything else. */
static void handle(struct world *w, struct node *n, const struct agent_event *event)
{
    bool lives = handle_one(w, n, event);
    while (lives && n->first) {
        struct told *t = n->first;
        n->first = t->next;
        if (!n->first)
            n->last = &n->first;
        lives = handle_one(w, n, &t->event);
        record_free(t->record);
        free(t);
    }
    if (lives)
        plan_tick(w, n);
    else
        die(w, n, "between two effects");
}

/* ---- the link ---- */

static void on_link(struct world *w, const struct due *d)
{
    struct node *n = w->nodes[d->who];
    if (!n->agent || sleeps(w, n, d))
        return;
    bool up = d->arg != 0;
    if (up != (w->pipes[d->who].id != 0))
        return; /* overtaken */
    memset(n->sent, 0, sizeof(n->sent));
    handle(w, n, &(struct agent_event){.kind = up ? AGENT_EVENT_LINK_UP : AGENT_EVENT_LINK_DOWN});
}

void node_link(struct world *w, int index, bool up)
{
    world_at(w, w->now_ms, on_link, index, up, NULL, 0);
}

struct answering {
    int channel;
    uint64_t token;
    size_t len;
    uint8_t bytes[];
};

static void on_answer(struct world *w, const struct due *d)
{
    const struct answering *a = d->data;
    struct node *n = w->nodes[d->who];
    struct coordinator_message *m;
    struct error err = {0};
    if (!n->agent || sleeps(w, n, d))
        return;
    struct sent *sent = &n->sent[a->channel];
    if (!sent->open || sent->token != a->token)
        return;
    sent->open = false;
    if (codec_decode_coordinator(a->bytes, a->len, &m, &err) != ERR_NONE) {
        world_violate(w, "%s: an answer does not decode: %s", n->settings.name, err.text);
        return;
    }
    handle(w, n,
           &(struct agent_event){.kind = AGENT_EVENT_ANSWER,
                                 .channel = (enum agent_channel)a->channel,
                                 .token = a->token,
                                 .message = m});
    codec_free_coordinator(m);
}

void node_answer(struct world *w, int index, int channel, uint64_t token, const void *bytes,
                 size_t len)
{
    struct answering *a = must_alloc(1, sizeof(*a) + len);
    a->channel = channel;
    a->token = token;
    a->len = len;
    memcpy(a->bytes, bytes, len);
    world_at(w, w->now_ms, on_answer, index, 0, a, sizeof(*a) + len);
    free(a);
}
