#include "tests/unit/coordinator/farm.h"

#include "common/must.h"
#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MS  5
#define STEP_MS   10
#define REPORT_MS 500
#define AGAIN_MS  400

/* ---- agent -> coordinator ---- */

static void post(struct farm *f, size_t i, struct agent_message *m)
{
    struct farm_agent *a = &f->agents[i];
    m->version = WIRE_VERSION;
    m->agent = a->name;
    m->incarnation.bytes[0] = a->incarnation;
    m->boot.bytes[0] = a->boot;
    m->start_no = a->start_no;
    m->seq = ++a->seq;
    uint8_t *bytes;
    size_t len;
    struct error err;
    if (codec_encode_agent(m, &bytes, &len, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    if (f->taping) {
        farm_tape(f, m);
    }
    for (size_t k = 0; k < FARM_LETTERS; k++) {
        struct farm_letter *l = &f->letters[k];
        if (l->used) {
            continue;
        }
        *l = (struct farm_letter){.used = true, .at_ms = f->now_ms + DELAY_MS, .agent = i};
        assert_int_equal(codec_decode_agent(bytes, len, &l->message, &err), ERR_NONE);
        free(bytes);
        return;
    }
    fail_msg("too many letters");
}

static struct pool pool_of(const char *name)
{
    return (struct pool){.name = name,
                         .state = POOL_STATE_STARTED,
                         .auto_start = true,
                         .overlap = true,
                         .max_processes = 1,
                         .queued = -1};
}

static struct pool shop_of(const struct farm_agent *a)
{
    struct pool shop = pool_of("Shop");
    shop.state = a->shop_stopped ? POOL_STATE_STOPPED : POOL_STATE_STARTED;
    shop.auto_start = !a->shop_manual;
    shop.queue_length = a->queue_limit;
    shop.start_mode = a->workerless ? START_MODE_ALWAYS_RUNNING : START_MODE_ON_DEMAND;
    return shop;
}

static struct pool api_of(const struct farm_agent *a)
{
    struct pool api = pool_of("Api");
    api.state = a->api_off ? POOL_STATE_STOPPED : POOL_STATE_STARTED;
    api.auto_start = !a->api_off;
    return api;
}

static struct worker worker_of(const struct farm *f, const struct farm_agent *a, const char *pool)
{
    return (struct worker){.pool = pool,
                           .pid = a->generation * 10,
                           .created = a->generation,
                           .cpu_ms = f->now_ms * a->cpu_permille / 1000,
                           .memory_bytes = a->memory_bytes,
                           .private_bytes = a->private_bytes,
                           .age_ms = a->worker_age_ms};
}

static void send_report(struct farm *f, size_t i, bool whole)
{
    struct farm_agent *a = &f->agents[i];
    const uint32_t pid = a->down ? 0 : a->was_pid ? a->was_pid : 5;
    enum service_state runs = a->down ? SVC_STOPPED : SVC_RUNNING;
    const struct service services[] = {
        {.name = "WAS",
         .state = runs,
         .start = a->disabled ? SVC_START_DISABLED : SVC_START_AUTO,
         .pid = pid},
        {.name = "W3SVC", .state = runs, .start = SVC_START_AUTO, .pid = a->down ? 0 : 5}};
    struct pool pools[] = {api_of(a), shop_of(a)};
    struct worker worker = worker_of(f, a, "Shop");
    const struct pool_figures figures = {
        .pool = "Shop", .queued = a->queued, .rejected = a->rejected};
    struct server_event events[8];
    for (size_t k = 0; k < a->event_count; k++) {
        events[k] = (struct server_event){.pool = "Shop",
                                          .id = a->events[k].id,
                                          .record = k + 1,
                                          .age_ms = f->now_ms - a->events[k].at_ms};
    }
    struct agent_message m = {.kind = AGENT_REPORT};
    m.report.state = (struct state){.whole = whole,
                                    .figures = &figures,
                                    .figure_count = a->tells_figures,
                                    .events = events,
                                    .event_count = a->event_count,
                                    .config_identity = a->shares_config ? "share" : "own",
                                    .config_shared = a->shares_config,
                                    .trouble = "",
                                    .workers = &worker,
                                    .worker_count = a->shop_stopped || a->workerless ? 0 : 1};
    if (whole) {
        m.report.state.services = services;
        m.report.state.service_count = 2;
        m.report.state.pools = pools;
        m.report.state.pool_count = a->shop_gone ? 1 : 2;
    }
    m.report.state.keepalive = !f->check_ms                 ? KEEPALIVE_NONE
                               : a->admin == BALANCER_READY ? KEEPALIVE_PRESENT
                                                            : KEEPALIVE_ABSENT;
    m.report.state.keepalive_age_ms = f->now_ms - a->admin_since_ms;
    a->want_whole = false;
    a->report_at_ms = f->now_ms + REPORT_MS;
    post(f, i, &m);
}

static void send_listen(struct farm *f, size_t i)
{
    struct farm_agent *a = &f->agents[i];
    struct agent_message m = {.kind = AGENT_LISTEN};
    m.listen = (struct listen){.last = {.fence = a->fence, .seq = a->last_seq},
                               .fence = a->fence,
                               .listen_no = ++a->listen_no};
    a->listening = true;
    post(f, i, &m);
}

static void send_result(struct farm *f, size_t i, const struct command_id *id, enum outcome outcome,
                        const struct wire_id *nonce)
{
    struct agent_message m = {.kind = AGENT_RESULT};
    m.result = (struct result){.id = *id,
                               .verb = f->agents[i].act_verb ? f->agents[i].act_verb : VERB_RECYCLE,
                               .pool = verb_is_of_services(f->agents[i].act_verb) ? "" : "Shop",
                               .outcome = outcome,
                               .detail = "as asked"};
    m.result.former = f->agents[i].act_verb == VERB_SET ? f->agents[i].former : NULL;
    if (nonce) {
        m.result.nonce = *nonce;
    }
    post(f, i, &m);
}

static void send_observation(struct farm *f, size_t i, const struct command *c)
{
    struct farm_agent *a = &f->agents[i];
    struct worker worker = worker_of(f, a, c->pool);
    bool shop = strcmp(c->pool, "Shop") == 0;
    int status = shop && a->shop_status ? a->shop_status : a->probe_status;
    struct agent_message m = {.kind = AGENT_OBSERVATION};
    m.observation = (struct observation){.id = c->id,
                                         .nonce = c->nonce,
                                         .detail = "",
                                         .pool = shop ? shop_of(a) : pool_of(c->pool),
                                         .workers = &worker,
                                         .worker_count = a->shop_stopped ? 0 : 1,
                                         .services_up = !a->down,
                                         .requests_known = c->requests,
                                         .executing = a->oldest_ms ? 1 : 0,
                                         .oldest_ms = a->oldest_ms,
                                         .requests = "",
                                         .offline = a->offline ? a->offline : "",
                                         .probed = c->probe && !a->shop_stopped && !a->down,
                                         .probe_passed = status == 200,
                                         .probe_status = status};
    if (c->rehearse != VERB_NONE) {
        m.observation.would = a->would ? a->would : OUTCOME_DONE;
        m.observation.would_text = "would do as asked";
        m.observation.settings = c->rehearse == VERB_SET ? "startMode=OnDemand" : "";
    }
    if (a->shop_gone && strcmp(c->pool, "Shop") == 0) {
        m.observation = (struct observation){.id = c->id,
                                             .nonce = c->nonce,
                                             .cause = CAUSE_UNKNOWN_POOL,
                                             .detail = "pool Shop is not there",
                                             .pool = pool_of(c->pool)};
    }
    if (c->dump) {
        m.observation.dump = a->dump ? "incident-1-10.dmp" : "no dumps here";
        m.observation.dump_bytes = a->dump ? strlen(a->dump) : 0;
    }
    char hex[64] = "";
    if (c->piece_of[0]) {
        size_t len = strlen(a->dump) - (size_t)c->piece_at;
        assert_string_equal(c->piece_of, "incident-1-10.dmp");
        text_to_hex(hex, (const uint8_t *)a->dump + c->piece_at, len < 4 ? len : 4);
        m.observation.piece = hex;
        m.observation.dump_bytes = strlen(a->dump);
    }
    if (a->late_questions > 0) {
        a->late_questions--;
        m.observation = (struct observation){.id = c->id,
                                             .nonce = c->nonce,
                                             .cause = CAUSE_EXPIRED,
                                             .detail = "too late",
                                             .pool = pool_of(c->pool)};
    }
    post(f, i, &m);
}

/* ---- coordinator -> agent ---- */

static void query(struct farm *f, size_t i, const struct command *c)
{
    struct farm_agent *a = &f->agents[i];
    bool known = command_id_equal(&a->act_id, &c->about);
    send_result(f, i, &c->about, known ? a->act_outcome : OUTCOME_UNHEARD, &c->nonce);
}

/* ---- the keep-alive file, where the farm is balanced by it ---- */

static void set_file(struct farm *f, struct farm_agent *a, enum balancer_admin admin)
{
    if (a->admin != admin) {
        a->admin_since_ms = f->now_ms;
    }
    a->admin = admin;
}

static void rotate(struct farm *f, size_t i, const struct command *c)
{
    struct farm_agent *a = &f->agents[i];
    struct agent_message m = {.kind = AGENT_RESULT};
    if (c->verb == VERB_ROTATION) {
        m.kind = AGENT_OBSERVATION;
        m.observation = (struct observation){
            .id = c->id,
            .nonce = c->nonce,
            .detail = "",
            .pool = {.name = "", .queued = -1},
            .keepalive = a->admin == BALANCER_READY ? KEEPALIVE_PRESENT : KEEPALIVE_ABSENT,
            .keepalive_age_ms = f->now_ms - a->admin_since_ms};
    } else {
        set_file(f, a, c->verb == VERB_DRAIN ? BALANCER_DRAIN : BALANCER_READY);
        m.result = (struct result){
            .id = c->id, .verb = c->verb, .pool = "", .outcome = OUTCOME_DONE, .detail = ""};
    }
    post(f, i, &m);
}

/* One act at a time, as the real agent has it. */
static void refuse_busy(struct farm *f, size_t i, const struct command *c)
{
    struct agent_message m = {.kind = AGENT_RESULT};
    m.result = (struct result){.id = c->id,
                               .verb = c->verb,
                               .pool = c->pool,
                               .outcome = OUTCOME_REFUSED,
                               .cause = CAUSE_BUSY,
                               .detail = "another act is in hand"};
    post(f, i, &m);
}

static void command(struct farm *f, size_t i, const struct command *c)
{
    struct farm_agent *a = &f->agents[i];
    bool known = command_id_equal(&a->act_id, &c->id);
    if (c->id.seq <= a->last_seq && !known && verb_is_disruptive(c->verb)) {
        return; /* overtaken: never begun */
    }
    a->last_seq = c->id.seq > a->last_seq ? c->id.seq : a->last_seq;
    if (verb_is_of_rotation(c->verb)) {
        rotate(f, i, c);
    } else if (c->verb == VERB_OBSERVE) {
        send_observation(f, i, c);
    } else if (c->verb == VERB_QUERY) {
        query(f, i, c);
    } else if (!known && a->act_outcome == OUTCOME_RUNNING) {
        refuse_busy(f, i, c);
    } else if (!known) {
        a->act_id = c->id;
        a->act_outcome = OUTCOME_RUNNING;
        a->act_verb = c->verb;
        a->told_pid = c->worker_pid;
        a->act_of_api = strcmp(c->pool, "Api") == 0;
        text_copy(a->set, sizeof a->set, c->settings ? c->settings : "");
        a->act_done_ms = f->now_ms + a->act_ms;
        a->acts++;
    }
}

/* Promise 2, seen from outside: what leaves stands in the store as sent. */
static void check_sent(struct farm *f, const struct farm_agent *a, const struct command *c)
{
    struct store_command row;
    f->acts_sent++;
    f->unsaved_send = f->unsaved_send ||
                      store_find_command(f->store, a->name, &c->id, &row, NULL) != ERR_NONE ||
                      row.verb != c->verb;
}

static void reply(void *ctx, const struct coordinator_peer *to,
                  const struct coordinator_message *message)
{
    struct farm *f = ctx;
    if (to->pipe == FARM_STRANGER) {
        f->stranger_commanded |= message->kind == COORDINATOR_COMMAND;
        return;
    }
    size_t i = to->pipe - 1;
    struct farm_agent *a = &f->agents[i];
    bool was_listen = to->bytes[0] == AGENT_LISTEN;
    bool act = message->kind == COORDINATOR_COMMAND && verb_is_disruptive(message->command.verb) &&
               !verb_is_of_rotation(message->command.verb);
    if (act) {
        check_sent(f, a, &message->command);
    }
    a->listening = a->listening && !was_listen;
    if (a->dead || (act && a->lose_commands)) {
        return;
    }
    if (message->fence.number > a->fence.number) {
        a->fence = message->fence;
        a->last_seq = 0;
    }
    if (message->kind == COORDINATOR_COMMAND && fence_equal(&message->fence, &a->fence)) {
        command(f, i, &message->command);
    } else if (message->kind == COORDINATOR_RESEND_WHOLE) {
        a->want_whole = true;
    } else if (message->kind == COORDINATOR_ACK && to->bytes[0] == AGENT_RESULT) {
        a->act_unacknowledged = false;
    }
}

static void close_pipe(void *ctx, uint32_t pipe)
{
    ((struct farm *)ctx)->agents[pipe - 1].listening = false; /* it dials again */
}

static void random_id(void *ctx, struct wire_id *out)
{
    struct farm *f = ctx;
    *out = (struct wire_id){{0}};
    f->next_id++;
    memcpy(out->bytes, &f->next_id, sizeof f->next_id);
}

static void event(void *ctx, const struct event *e)
{
    struct farm *f = ctx;
    f->steps += strcmp(e->kind, "target.step") == 0;
    if (strcmp(e->kind, "target.step") != 0) {
        text_addf(&f->events, "%s: %s\n", e->kind, e->text);
    }
}

/* ---- the balancer: one backend, one place per server; or two, if Api has its own ---- */

static bool is_api(const struct balancer_entry *e)
{
    return strcmp(e->backend, "api") == 0;
}

static struct balancer_entry place_of(const struct farm *f, const char *server, bool api)
{
    struct balancer_entry e = {.balancer = "lb", .up = true, .life = 1 + f->reloads};
    text_copy(e.backend, sizeof e.backend, api ? "api" : "web");
    text_copy(e.name, sizeof e.name, server);
    for (size_t i = 0; i < f->count; i++) {
        const struct farm_agent *a = &f->agents[i];
        enum balancer_admin admin = api ? a->admin_api : a->admin;
        bool well = a->probe_status == 200 && !a->down && !a->shop_stopped;
        bool up = api ? !(a->api_off || a->api_down) : well || !f->checks;
        if (strcmp(a->name, server) == 0) {
            e.admin = admin;
            e.up = up;
        } else {
            e.others_serving += admin == BALANCER_READY && up;
        }
    }
    return e;
}

static size_t map(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                  size_t max)
{
    const struct farm *f = ctx;
    size_t count = 0;
    must(max > 0);
    if (!f->apart || strcmp(pool, "Api") != 0) {
        out[count++] = place_of(f, server, false);
    }
    if (f->apart && strcmp(pool, "Shop") != 0 && count < max) {
        out[count++] = place_of(f, server, true);
    }
    return count;
}

static bool keepalive(void *ctx, const char *balancer, uint64_t *check_ms)
{
    struct farm *f = ctx;
    (void)balancer;
    *check_ms = f->check_ms;
    return f->check_ms != 0;
}

static bool ask_balancer(void *ctx, const struct balancer_request *request)
{
    struct farm *f = ctx;
    f->balancer_asked++;
    f->reread += request->op == BALANCER_OP_READ && !request->pool[0] && !request->may_be_ms;
    f->run_takes_old = f->run_takes_old || (request->pool[0] && request->may_be_ms);
    for (size_t k = 0; k < FARM_ASKED && !f->balancer_mute; k++) {
        if (!f->asked[k].used) {
            f->asked[k] =
                (struct farm_asked){true, f->now_ms + DELAY_MS + f->balancer_slow_ms, *request};
            return true;
        }
    }
    return f->balancer_mute;
}

static void set_place(struct farm *f, const struct balancer_entry *e, enum balancer_op op)
{
    uint32_t ready = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct farm_agent *a = &f->agents[i];
        if (op != BALANCER_OP_READ && strcmp(a->name, e->name) == 0) {
            enum balancer_admin *admin = is_api(e) ? &a->admin_api : &a->admin;
            *admin = op == BALANCER_OP_DRAIN ? BALANCER_DRAIN : BALANCER_READY;
        }
        ready += a->admin == BALANCER_READY;
    }
    f->serving_least = ready < f->serving_least ? ready : f->serving_least;
}

static void carry_out(struct farm *f, const struct balancer_request *q,
                      struct balancer_answer *answer)
{
    struct balancer_entry all[BALANCER_ENTRIES_MAX];
    size_t count = map(f, q->server, q->pool, all, BALANCER_ENTRIES_MAX);
    const struct balancer_entry *meant = q->place_count ? q->places : all;
    count = q->place_count ? q->place_count : count;
    for (size_t i = 0; i < count; i++) {
        set_place(f, &meant[i], q->op);
    }
    for (size_t i = 0; i < count; i++) {
        answer->entries[answer->entry_count++] = place_of(f, q->server, is_api(&meant[i]));
    }
}

static void balancer_turn(struct farm *f)
{
    for (size_t k = 0; k < FARM_ASKED; k++) {
        if (!f->asked[k].used || f->asked[k].at_ms > f->now_ms) {
            continue;
        }
        const struct balancer_request q = f->asked[k].request;
        f->asked[k].used = false;
        struct balancer_answer answer = {.ticket = q.ticket, .op = q.op};
        answer.age_ms = q.may_be_ms ? f->reading_age_ms : 0;
        carry_out(f, &q, &answer);
        if (f->brain) {
            coordinator_on_balancer(f->brain, &answer, f->now_ms, WALL(f));
        }
    }
}

void farm_reload(struct farm *f)
{
    f->reloads++;
    for (size_t i = 0; i < f->count; i++) {
        f->agents[i].admin = f->agents[i].admin_api = BALANCER_READY;
    }
}

/* ---- time ---- */

static void agent_turn(struct farm *f, size_t i)
{
    struct farm_agent *a = &f->agents[i];
    enum balancer_admin admin = f->apart && a->act_of_api ? a->admin_api : a->admin;
    if (f->balanced && a->act_outcome == OUTCOME_RUNNING && admin == BALANCER_READY) {
        f->acts_in_rotation++;
    }
    if (a->dead) {
        return;
    }
    if (a->act_outcome == OUTCOME_RUNNING && f->now_ms >= a->act_done_ms) {
        bool was_so = a->act_verb == VERB_SERVICE_STOP && a->down && a->disabled;
        a->act_outcome = was_so ? OUTCOME_NOTHING : OUTCOME_DONE;
        a->generation++;
        if (a->act_verb == VERB_STOP || a->act_verb == VERB_START) {
            a->shop_stopped = a->shop_manual = a->act_verb == VERB_STOP;
            a->want_whole = true;
        }
        a->api_down = a->api_down && !a->act_of_api;
        a->memory_bytes = a->private_bytes = 0;
        a->cpu_permille = 0;
        a->oldest_ms = 0;
        a->queued = 0;
        a->down = a->down && (a->services_hopeless || !verb_is_of_services(a->act_verb));
        if (a->act_verb == VERB_SERVICE_STOP || a->act_verb == VERB_SERVICE_START) {
            a->down = a->disabled = a->act_verb == VERB_SERVICE_STOP;
            a->want_whole = true;
        }
        a->act_unacknowledged = true;
        a->result_at_ms = f->now_ms;
    }
    if (a->act_unacknowledged && f->now_ms >= a->result_at_ms) {
        send_result(f, i, &a->act_id, a->act_outcome, NULL);
        a->result_at_ms = f->now_ms + AGAIN_MS;
    }
    if (f->now_ms >= a->report_at_ms || a->want_whole) {
        send_report(f, i, a->want_whole || a->seq == 0 || f->rules);
    }
    if (!a->listening) {
        send_listen(f, i);
    }
}

static void deliver(struct farm *f)
{
    for (size_t k = 0; k < FARM_LETTERS; k++) {
        struct farm_letter l = f->letters[k];
        if (!l.used || l.at_ms > f->now_ms) {
            continue;
        }
        f->letters[k].used = false;
        struct coordinator_peer peer = {.pipe = (uint32_t)l.agent + 1, .len = 1};
        peer.bytes[0] = (uint8_t)l.message->kind;
        if (f->brain) {
            coordinator_on_agent(f->brain, l.message, &peer, "test", f->now_ms, WALL(f));
        } else {
            codec_free_agent(l.message);
            f->agents[l.agent].listening = false; /* refused: it dials again */
        }
    }
}

void farm_tape(struct farm *f, const struct agent_message *m)
{
    struct error err;
    f->tape = must_realloc(f->tape, f->taped + 1, sizeof *f->tape);
    struct farm_taped *t = &f->tape[f->taped++];
    t->kind = m->kind;
    if (codec_encode_agent(m, &t->bytes, &t->len, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
}

void farm_replay(struct farm *f)
{
    struct error err;
    for (size_t i = 0; i < f->taped; i++) {
        const struct farm_taped *t = &f->tape[i];
        const struct coordinator_peer peer = {
            .pipe = FARM_STRANGER, .len = 1, .bytes = {(uint8_t)t->kind}};
        struct agent_message *m = NULL;
        assert_int_equal(codec_decode_agent(t->bytes, t->len, &m, &err), ERR_NONE);
        coordinator_on_agent(f->brain, m, &peer, "test", f->now_ms, WALL(f));
    }
}

void farm_run(struct farm *f, uint64_t ms)
{
    uint64_t end = f->now_ms + ms;
    for (; f->now_ms < end; f->now_ms += STEP_MS) {
        for (size_t i = 0; i < f->count; i++) {
            agent_turn(f, i);
        }
        deliver(f);
        balancer_turn(f);
        if (f->brain) {
            coordinator_on_time(f->brain, f->now_ms, WALL(f));
        }
    }
}

void farm_reports(struct farm *f)
{
    for (size_t i = 0; i < f->count; i++) {
        agent_turn(f, i);
    }
    f->now_ms += STEP_MS;
    deliver(f);
}

void farm_run_to_end(struct farm *f, uint64_t limit_ms)
{
    uint64_t limit = f->now_ms + limit_ms;
    while (coordinator_run_count(f->brain)) {
        if (f->now_ms > limit) {
            fail_msg("it never ended:\n%s", farm_events(f));
        }
        farm_run(f, 100);
    }
}

/* ---- life ---- */

void farm_start(struct farm *f)
{
    struct error err;
    struct store_spec file = {.path = files_path(&f->files, "state.db"), .wall_ms = WALL(f)};
    file.instance.bytes[0] = ++f->next_instance;
    if (store_open(&file, &f->store, &f->fence, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    struct coordinator_spec spec = {.store = f->store,
                                    .fence = f->fence,
                                    .ports = {.ctx = f,
                                              .reply = reply,
                                              .close_pipe = close_pipe,
                                              .random_id = random_id,
                                              .event = event,
                                              .balancer = f->balanced ? ask_balancer : NULL,
                                              .map = f->balanced ? map : NULL,
                                              .keepalive = keepalive},
                                    .silent_after_ms = 3000,
                                    .settle_ms = 1000,
                                    .budget = {.max_out = {f->max_out ? f->max_out : 1, false}},
                                    .groups = f->groups,
                                    .group_count = f->group_count,
                                    .rules = f->rules,
                                    .rule_count = f->rule_count,
                                    .guards = f->guards,
                                    .defaults = {.batch = 1,
                                                 .limit_ms = 10000,
                                                 .drain = true,
                                                 .drain_limit_ms = 5000,
                                                 .gate_passes = 2,
                                                 .gate_min_ms = 200,
                                                 .gate_deadline_ms = 5000,
                                                 .gate_interval_ms = 100},
                                    .now_ms = f->now_ms,
                                    .wall_ms = WALL(f)};
    rollout_policies(&spec.defaults, ON_FAILURE_STOP, 0);
    if (coordinator_open(&spec, &f->brain, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
}

/* SIGKILL, as far as one process can show it: the store is closed without a word from the brain,
 * and everything under way is lost. */
void farm_crash(struct farm *f)
{
    coordinator_close(f->brain);
    store_close(f->store);
    f->brain = NULL;
    for (size_t k = 0; k < FARM_LETTERS; k++) {
        if (f->letters[k].used) {
            codec_free_agent(f->letters[k].message);
            f->letters[k].used = false;
        }
    }
    for (size_t i = 0; i < f->count; i++) {
        f->agents[i].listening = false;
    }
}

struct remedy_rule farm_rule(const char *name, const char *when, const char *ladder)
{
    struct remedy_rule r = {.name = name,
                            .servers = "all",
                            .pools = "Shop",
                            .window = "",
                            .for_ms = 2000,
                            .mode = REMEDY_AUTO,
                            .common_cause = {40, true}};
    struct error err;
    if (remedy_parse_conditions(when, &r, &err) || remedy_parse_ladder(ladder, &r, &err) ||
        remedy_parse_samples("3/4", &r, &err) || remedy_check_rule(&r, &err)) {
        fail_msg("%s: %s", when, err.text);
    }
    return r;
}

void farm_set_rules(struct farm *f, const struct remedy_rule *rules, size_t count)
{
    f->rules = rules;
    f->rule_count = count;
    f->guards = (struct remedy_guards){.min_healthy = {50, true},
                                       .max_per_hour = 100,
                                       .flap_max = 100,
                                       .flap_ms = 3600000,
                                       .max_age_ms = 5000,
                                       .common_least = 3,
                                       .clear_ms = 2000,
                                       .retry_ms = 2000,
                                       .blocked_alarm_ms = 60000,
                                       .probe_every_ms = 1000};
}

void farm_begin(struct farm *f, size_t count)
{
    farm_begin_balanced(f, count, 0);
}

void farm_begin_balanced(struct farm *f, size_t count, uint32_t max_out)
{
    *f = (struct farm){.count = count,
                       .now_ms = 1000,
                       .balanced = max_out > 0,
                       .max_out = max_out,
                       .serving_least = UINT32_MAX};
    files_open(&f->files);
    for (size_t i = 0; i < count; i++) {
        f->agents[i] = (struct farm_agent){.incarnation = (uint8_t)(i + 1),
                                           .boot = (uint8_t)(i + 1),
                                           .start_no = 1,
                                           .generation = 1,
                                           .probe_status = 200,
                                           .act_ms = 300,
                                           .want_whole = true};
        text_format(f->agents[i].name, sizeof f->agents[i].name, "web%02zu", i + 1);
    }
    farm_start(f);
    farm_run(f, 1200);
}

void farm_begin_apart(struct farm *f, size_t count, uint32_t max_out)
{
    farm_begin_balanced(f, count, max_out);
    f->apart = true;
    farm_run(f, 2000);
}

void farm_end(struct farm *f)
{
    farm_crash(f);
    files_close(&f->files);
    text_reset(&f->events);
    for (size_t i = 0; i < f->taped; i++) {
        free(f->tape[i].bytes);
    }
    free(f->tape);
}

struct plan_request farm_request(const struct farm *f, enum rollout_action action,
                                 const char *selector)
{
    return (struct plan_request){.action = action,
                                 .pool = "Shop",
                                 .selector = selector,
                                 .actor = "anna",
                                 .reason = "leak",
                                 .options = *coordinator_defaults(f->brain)};
}

uint64_t farm_ask(struct farm *f, const struct plan_request *q)
{
    struct error err;
    uint64_t id;
    if (coordinator_start_run(f->brain, q, f->now_ms, WALL(f), &id, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    return id;
}

enum error_code farm_try_recycle(struct farm *f, const char *selector, struct error *err)
{
    struct plan_request q = farm_request(f, ROLLOUT_RECYCLE, selector);
    uint64_t id;
    return coordinator_start_run(f->brain, &q, f->now_ms, WALL(f), &id, err);
}

uint64_t farm_recycle(struct farm *f, const char *selector)
{
    const struct plan_request q = farm_request(f, ROLLOUT_RECYCLE, selector);
    return farm_ask(f, &q);
}

const char *farm_events(const struct farm *f)
{
    return text_get(&f->events);
}

void farm_expect_event(const struct farm *f, const char *part)
{
    if (!strstr(farm_events(f), part)) {
        fail_msg("no '%s' in:\n%s", part, farm_events(f));
    }
}

enum run_state farm_run_state(const struct farm *f, uint64_t run)
{
    struct rollout *r;
    struct error err;
    if (store_load_run(f->store, run, &r, &err) != ERR_NONE) {
        fail_msg("%s", err.text);
    }
    enum run_state state = r->state;
    rollout_free(r);
    return state;
}
